/* The table of a comparison, as text and as JSON; its shares of the roofline, once more is known of
 * the machine. */
#include "bench/versus.h"

#define MAX_RESULT (1 << 26) /* bytes of one comparison as JSON */

static double gflops(const contestant *c, double ns)
{
    return c->flops / ns;
}

static double median_of(const contestant *c)
{
    return versus_median(c->ns.v, c->ns.n);
}

static double least_of(const contestant *c)
{
    return versus_least(c->ns.v, c->ns.n);
}

/* The least time possible against the best sample, in percent; 0: unknown. */
static double share(const report *r, const contestant *c)
{
    return 100 * r->roofline.ns / least_of(c);
}

/* Fewer products, or more, than its definition has. */
static bool is_counted_otherwise(const roofline *f)
{
    return f->done < 0.99 || f->done > 1.01;
}

/* An interval this wide decides nothing. */
static bool is_disturbed(const duel *d)
{
    return d->hi > 1.15 * d->lo;
}

static const duel *strongest(const report *r)
{
    const duel *best = NULL;
    for (uint32_t k = 0; k < r->n_duels; k++)
        if (!best || r->duels[k].ratio < best->ratio)
            best = &r->duels[k];
    return best;
}

/* ---- for people -------------------------------------------------------------------------------
 */

static void print_candidate(const candidate *c)
{
    char set[80], speed[32];
    snprintf(set, sizeof set, "%s%s%s", c->variable ? c->variable : "its own choice",
             c->variable ? "=" : "", c->variable ? c->value : "");
    snprintf(speed, sizeof speed, c->gflops > 0 ? "%.1f" : "-", c->gflops);
    printf("  %-9s %-34s %-22s %6s %c %s\n", c->library, set, c->form, speed, c->chosen ? '*' : ' ',
           c->detail);
}

static void print_calibration(const candidate_list *l)
{
    puts("\ncalibration, GFLOP/s (best sample; * takes part below)");
    for (uint32_t k = 0; k < l->n; k++)
        print_candidate(&l->v[k]);
}

static void print_contestant(const report *r, const contestant *c)
{
    printf("  %-12s %9.1f %8.1f %8.1f", c->name, median_of(c) / 1e3, gflops(c, median_of(c)),
           gflops(c, least_of(c)));
    if (r->roofline.ns > 0)
        printf("  %6.0f %%", share(r, c));
    else
        printf("  %8s", "?");
}

/* What the problem needs, the longest first said by itself. */
static void print_bound(const report *r)
{
    const roofline *f = &r->roofline;
    if (f->ns <= 0)
        return;
    printf("\nroofline %.2f us, by %s; the arguments, %.4g MB in and %.4g MB out, fit %s\n",
           f->ns / 1e3, f->needs[f->longest].name, r->p->read_bytes / 1e6, r->p->write_bytes / 1e6,
           f->level->name);
    for (uint32_t k = 0; k < f->n; k++)
        printf("  %-14s %12.4g M  %10.2f us\n", f->needs[k].name, f->needs[k].amount / 1e6,
               f->needs[k].ns / 1e3);
    if (is_counted_otherwise(f))
        printf("  of the definition's products the kernel does %.1f %%: held to those\n",
               100 * f->done);
}

void versus_print(const report *r)
{
    printf("%s, on %s\n", r->title, r->cpu);
    if (r->load > 0.5)
        printf("note: other work was running (load average %.1f); the "
               "numbers below are disturbed\n",
               r->load);
    print_calibration(r->candidates);
    print_bound(r);
    printf("results agree, largest difference %.2g\n", r->max_difference);
    for (uint32_t k = 0; k < r->wrong.n; k++)
        printf("LEFT OUT: %s\n", r->wrong.v[k]);
    printf(
        "\n                 us/call  GFLOP/s     best  roofline  %8s against it: median [95 %%]  "
        "best to best\n",
        r->base->name);
    print_contestant(r, r->base);
    printf("  %48s  %s\n", "", r->base->detail);
    for (uint32_t k = 0; k < r->n_duels; k++) {
        const duel *d = &r->duels[k];
        print_contestant(r, d->other);
        printf("  %15.3fx [%.3f %.3f]  %13.3fx  %s\n", d->ratio, d->lo, d->hi, d->best_ratio,
               d->other->detail);
    }
    puts("\nabove 1x the first row is faster");
    for (uint32_t k = 0; k < r->n_duels; k++)
        if (is_disturbed(&r->duels[k])) {
            puts("WIDE INTERVALS: something else used the processors; run it again on a quiet "
                 "machine");
            break;
        }
    product g;
    if (r->p->prepacked && versus_product(r->p, &g))
        puts("hone's weights are packed ahead of time; oneDNN may do so too (packed), but BLAS has "
             "no\ncall for it: OpenBLAS and BLIS pack them again every time");
}

/* ---- for programs -----------------------------------------------------------------------------
 */

static json_t *numbers(const double *x, uint32_t n)
{
    json_t *a = json_array();
    for (uint32_t k = 0; k < n; k++)
        json_array_append_new(a, json_real(x[k]));
    return a;
}

static json_t *describe(const report *r, const contestant *c, const duel *d)
{
    json_t *j = json_pack("{s:s, s:s, s:f, s:f, s:f, s:f}", "name", c->name, "detail", c->detail,
                          "median_ns", median_of(c), "best_ns", least_of(c), "gflops",
                          gflops(c, median_of(c)), "best_gflops", gflops(c, least_of(c)));
    if (r->roofline.ns > 0)
        json_object_set_new(j, "percent_of_roofline", json_real(share(r, c)));
    if (d)
        json_object_set_new(j, "against_base",
                            json_pack("{s:f, s:f, s:f, s:f, s:i, s:o, s:o}", "ratio", d->ratio,
                                      "ratio_low", d->lo, "ratio_high", d->hi, "best_ratio",
                                      d->best_ratio, "pairs", (int)d->base_ns.n, "base_ns",
                                      numbers(d->base_ns.v, d->base_ns.n), "other_ns",
                                      numbers(d->other_ns.v, d->other_ns.n)));
    return j;
}

static json_t *needs_of(const roofline *f)
{
    json_t *all = json_array();
    for (uint32_t k = 0; k < f->n; k++)
        json_array_append_new(all, json_pack("{s:s, s:f, s:f}", "name", f->needs[k].name, "amount",
                                             f->needs[k].amount, "ns", f->needs[k].ns));
    return all;
}

void versus_print_json(const report *r, FILE *to)
{
    json_t *tried = json_array(), *others = json_array(), *wrong = json_array();
    for (uint32_t k = 0; k < r->candidates->n; k++) {
        const candidate *c = &r->candidates->v[k];
        json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:f, s:b}", "library", c->library, "file",
                              c->file, "form", c->form, "detail", c->detail, "gflops", c->gflops,
                              "chosen", c->chosen);
        if (c->variable)
            json_object_set_new(j, "set", json_sprintf("%s=%s", c->variable, c->value));
        json_array_append_new(tried, j);
    }
    for (uint32_t k = 0; k < r->n_duels; k++)
        json_array_append_new(others, describe(r, r->duels[k].other, &r->duels[k]));
    for (uint32_t k = 0; k < r->wrong.n; k++)
        json_array_append_new(wrong, json_string(r->wrong.v[k]));
    json_t *j = json_pack(
        "{s:s, s:s, s:i, s:b, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:o}", "problem",
        r->title, "cpu", r->cpu, "threads", r->p->threads, "weights_packed", r->p->prepacked,
        "load_average", r->load, "largest_difference", r->max_difference, "flops", r->p->flops,
        "roofline_ns", r->roofline.ns, "products_done", r->roofline.done, "needs",
        needs_of(&r->roofline), "machine", versus_machine_json(r->machine), "calibration", tried,
        "left_out", wrong, "base", describe(r, r->base, NULL), "others", others);
    char *text = hone_json_text(j);
    fprintf(to, "%s\n", text);
    free(text);
    json_decref(j);
}

/* What bounds it, and its products by the definition's if they differ; ends the line. */
static void print_longest(FILE *to, const roofline *f)
{
    fprintf(to, "%s\t", f->n ? f->needs[f->longest].name : "");
    if (is_counted_otherwise(f))
        fprintf(to, "%.3f", f->done);
    fputc('\n', to);
}

/* Fields: us of hone's median call, GFLOP/s, percent of roofline; then, empty where nobody else
 * took part: the strongest other's name, ratio, its interval's ends, best to best, "disturbed" or
 * nothing, its detail; then what bounds it, and its products by the definition's if they differ. */
hone_status versus_append(const report *r, const char *path, hone_error *err)
{
    FILE *f = fopen(path, "a");
    if (!f)
        return hone_fail_errno(err, HONE_E_IO, "cannot append to %s", path);
    const duel *d = strongest(r);
    fprintf(f, "%.2f\t%.1f\t%.1f\t", median_of(r->base) / 1e3, gflops(r->base, median_of(r->base)),
            share(r, r->base));
    if (d)
        fprintf(f, "%s\t%.3f\t%.3f\t%.3f\t%.3f\t%s\t%s\t", d->other->name, d->ratio, d->lo, d->hi,
                d->best_ratio, is_disturbed(d) ? "disturbed" : "", d->other->detail);
    else
        fprintf(f, "\t\t\t\t\t\t\t");
    print_longest(f, &r->roofline);
    if (fclose(f) != 0)
        return hone_fail_errno(err, HONE_E_IO, "cannot append to %s", path);
    return HONE_OK;
}

/* ---- afterwards --------------------------------------------------------------------------------
 */

/* A contestant as described: its share of the roofline, in percent; 0: unknown. */
static double hold_one(json_t *one, double roofline_ns)
{
    double best_ns = json_number_value(json_object_get(one, "best_ns"));
    if (best_ns <= 0 || roofline_ns <= 0)
        return 0;
    json_object_set_new(one, "percent_of_roofline", json_real(100 * roofline_ns / best_ns));
    return 100 * roofline_ns / best_ns;
}

hone_status versus_hold(const char *path, const char *title, const problem *p, const machine *m,
                        FILE *to, hone_error *err)
{
    char *text = NULL;
    size_t n;
    json_t *j = NULL, *other;
    hone_status st = hone_file_read(path, MAX_RESULT, &text, &n, err);
    if (st == HONE_OK)
        st = hone_json_parse(text, n, &j, err);
    free(text);
    if (st != HONE_OK)
        return st;
    const char *whose = json_string_value(json_object_get(j, "problem"));
    json_t *base = json_object_get(j, "base");
    if (!base || !whose || strcmp(whose, title) != 0) {
        json_decref(j);
        return hone_fail(err, HONE_E_INPUT, "%s is not a result of %s", path, title);
    }
    roofline f;
    size_t k;
    versus_roofline(m, p, &f);
    json_object_set_new(j, "roofline_ns", json_real(f.ns));
    json_object_set_new(j, "products_done", json_real(f.done));
    json_object_set_new(j, "needs", needs_of(&f));
    json_object_set_new(j, "machine", versus_machine_json(m));
    json_array_foreach(json_object_get(j, "others"), k, other) hold_one(other, f.ns);
    fprintf(to, "%.1f\t", hold_one(base, f.ns));
    print_longest(to, &f);
    text = hone_json_text(j);
    st = hone_file_write(path, text, strlen(text), err);
    free(text);
    json_decref(j);
    return st;
}
