#include "bench/versus.h"

static double gflops(const contestant *c, double ns)
{
    return c->flops / ns;
}

/* Best speed as a share of the best the processor showed, in percent; 0: unknown. */
static double share(const report *r, const contestant *c)
{
    if (!r->peak)
        return 0;
    return 100 * gflops(c, versus_least(c->ns.v, c->ns.n)) /
           gflops(r->peak, versus_least(r->peak->ns.v, r->peak->ns.n));
}

/* An interval this wide decides nothing. */
static bool is_disturbed(const duel *d)
{
    return d->hi > 1.15 * d->lo;
}

static void print_candidate(const candidate *c)
{
    char set[80], speed[32];
    snprintf(set, sizeof set, "%s%s%s", c->variable ? c->variable : "its own choice",
             c->variable ? "=" : "", c->variable ? c->value : "");
    snprintf(speed, sizeof speed, c->gflops > 0 ? "%.1f" : "-", c->gflops);
    printf("  %-9s %-34s %6s %c %s\n", c->library, set, speed, c->chosen ? '*' : ' ', c->detail);
}

/* A library that cannot be loaded at all gets one line. */
static void print_calibration(const candidate_list *l)
{
    puts("\ncalibration, GFLOP/s (best sample; * takes part below)");
    bool gone = false;
    for (uint32_t k = 0; k < l->n; k++) {
        const candidate *c = &l->v[k];
        bool first = k == 0 || strcmp(l->v[k - 1].library, c->library) != 0;
        if (first)
            gone = false;
        if (!gone || c->gflops > 0)
            print_candidate(c);
        if (first)
            gone = c->gflops <= 0;
    }
}

static void print_contestant(const report *r, const contestant *c)
{
    double median = versus_median(c->ns.v, c->ns.n), least = versus_least(c->ns.v, c->ns.n);
    printf("  %-9s %9.1f %8.1f %8.1f", c->name, median / 1e3, gflops(c, median), gflops(c, least));
    if (r->peak)
        printf("  %5.0f %%", share(r, c));
    else
        printf("  %7s", "?");
}

void versus_print(const report *r)
{
    printf("%s, on %s\n", r->title, r->machine);
    if (r->load > 0.5)
        printf("note: other work was running (load average %.1f); the "
               "numbers below are disturbed\n",
               r->load);
    print_calibration(r->candidates);
    printf("\nresults agree, largest difference %.2g\n\n", r->max_difference);
    printf("              us/call  GFLOP/s     best  of peak  %8s against it: median [95 %%]  "
           "best to best\n",
           r->base->name);
    print_contestant(r, r->base);
    printf("  %48s  %s\n", "", r->base->detail);
    for (uint32_t k = 0; k < r->n_duels; k++) {
        const duel *d = &r->duels[k];
        if (d->other == r->peak)
            continue;
        print_contestant(r, d->other);
        printf("  %15.3fx [%.3f %.3f]  %13.3fx  %s\n", d->ratio, d->lo, d->hi, d->best_ratio,
               d->other->detail);
    }
    if (r->peak) {
        printf("  %-9s %9s %8.1f %8.1f  %5d %%  %48s  %s", r->peak->name, "",
               gflops(r->peak, versus_median(r->peak->ns.v, r->peak->ns.n)),
               gflops(r->peak, versus_least(r->peak->ns.v, r->peak->ns.n)), 100, "",
               r->peak->detail);
        if (r->p->threads > 1)
            printf(" (one thread: %.1f)", r->peak1_gflops);
        putchar('\n');
    }
    puts("\nabove 1x the first row is faster");
    for (uint32_t k = 0; k < r->n_duels; k++)
        if (is_disturbed(&r->duels[k])) {
            puts("WIDE INTERVALS: something else used the processors; run it again on a quiet "
                 "machine");
            break;
        }
    if (r->p->prepacked && !r->p->conv)
        puts("hone's weights are packed ahead of time; oneDNN may do so too (matmul packed), but "
             "BLAS\n"
             "has no call for it: OpenBLAS and BLIS pack them again every time");
}

static json_t *numbers(const double *x, uint32_t n)
{
    json_t *a = json_array();
    for (uint32_t k = 0; k < n; k++)
        json_array_append_new(a, json_real(x[k]));
    return a;
}

static json_t *describe(const report *r, const contestant *c, const duel *d)
{
    double median = versus_median(c->ns.v, c->ns.n), least = versus_least(c->ns.v, c->ns.n);
    json_t *j = json_pack("{s:s, s:s, s:f, s:f, s:f, s:f}", "name", c->name, "detail", c->detail,
                          "median_ns", median, "best_ns", least, "gflops", gflops(c, median),
                          "best_gflops", gflops(c, least));
    if (r->peak)
        json_object_set_new(j, "percent_of_peak", json_real(share(r, c)));
    if (d)
        json_object_set_new(j, "against_base",
                            json_pack("{s:f, s:f, s:f, s:f, s:i, s:o, s:o}", "ratio", d->ratio,
                                      "ratio_low", d->lo, "ratio_high", d->hi, "best_ratio",
                                      d->best_ratio, "pairs", (int)d->base_ns.n, "base_ns",
                                      numbers(d->base_ns.v, d->base_ns.n), "other_ns",
                                      numbers(d->other_ns.v, d->other_ns.n)));
    return j;
}

void versus_print_json(const report *r)
{
    json_t *tried = json_array(), *others = json_array();
    for (uint32_t k = 0; k < r->candidates->n; k++) {
        const candidate *c = &r->candidates->v[k];
        json_t *j = json_pack("{s:s, s:s, s:s, s:f, s:b}", "library", c->library, "file", c->file,
                              "detail", c->detail, "gflops", c->gflops, "chosen", c->chosen);
        if (c->variable)
            json_object_set_new(j, "set", json_sprintf("%s=%s", c->variable, c->value));
        if (c->form)
            json_object_set_new(j, "form", json_string(c->form));
        json_array_append_new(tried, j);
    }
    for (uint32_t k = 0; k < r->n_duels; k++)
        json_array_append_new(others, describe(r, r->duels[k].other, &r->duels[k]));
    json_t *j = json_pack(
        "{s:s, s:s, s:i, s:b, s:f, s:f, s:f, s:o, s:o, s:o}", "problem", r->title, "machine",
        r->machine, "threads", r->p->threads, "weights_packed", r->p->prepacked, "load_average",
        r->load, "largest_difference", r->max_difference, "peak_one_thread_gflops", r->peak1_gflops,
        "calibration", tried, "base", describe(r, r->base, NULL), "others", others);
    char *text = hone_json_text(j);
    puts(text);
    free(text);
    json_decref(j);
}

hone_status versus_append(const report *r, const char *path, hone_error *err)
{
    FILE *f = fopen(path, "a");
    if (!f)
        return hone_fail_errno(err, HONE_E_IO, "cannot append to %s", path);
    for (uint32_t k = 0; k < r->n_duels; k++) {
        const duel *d = &r->duels[k];
        if (d->other == r->peak)
            continue;
        fprintf(f,
                "%-60s %6.1f GFLOP/s (%3.0f %% of peak)  %-8s %6.1f (%3.0f %%)  %5.3fx %5.3fx%s\n",
                r->title, gflops(r->base, versus_least(r->base->ns.v, r->base->ns.n)),
                share(r, r->base), d->other->name,
                gflops(d->other, versus_least(d->other->ns.v, d->other->ns.n)), share(r, d->other),
                d->ratio, d->best_ratio, is_disturbed(d) ? "  (disturbed)" : "");
    }
    if (fclose(f) != 0)
        return hone_fail_errno(err, HONE_E_IO, "cannot append to %s", path);
    return HONE_OK;
}
