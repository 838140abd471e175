/* The answers of `hone query` as JSON and in words. */
#include "cli/query.h"
#include "codegen/codegen.h"
#include "targets/preset.h"

#include <math.h>

/* ---- JSON ------------------------------------------------------------------------------------ */

/* What an exact answer knows of its measurement. */
static void describe_record(const cli_answer *a, json_t *j)
{
    char hash[17];
    const hone_db_record *r = &a->of.record;
    hone_hash_format(r->trace_hash, hash);
    json_object_set_new(j, "trace_hash", json_string(hash));
    json_object_set_new(j, "time_ns", json_integer(r->time_ns));
    json_object_set_new(j, "gflops", json_real(a->gflops));
    json_object_set_new(j, "samples", json_integer(r->n_samples));
    json_object_set_new(j, "checked",
                        json_pack("{s:s, s:f, s:f, s:I}", "against", r->checked, "max_error",
                                  r->max_error, "tolerance", r->tolerance, "data_seed",
                                  (json_int_t)r->data_seed));
    json_object_set_new(j, "measured_with",
                        json_pack("{s:s, s:s, s:i}", "hone", r->hone_version, "llvm",
                                  r->llvm_version, "space_version", r->space_version));
}

/* Where a schedule that was measured elsewhere comes from. */
static void describe_origin(const cli_answer *a, json_t *j)
{
    json_object_set_new(
        j, "from",
        json_pack("{s:o, s:i, s:o}", "target", json_loads(a->of.from_target, 0, NULL), "threads",
                  a->of.from_threads, "sizes", json_loads(a->of.from_sizes, 0, NULL)));
}

/* The library that is called, as the log has it. */
static void describe_call(const hone_libcall *c, json_t *j)
{
    char *text = hone_libcall_text(c);
    json_t *all = json_loads(text, 0, NULL);
    json_object_update(j, all);
    json_decref(all);
    free(text);
}

/* The rungs that were looked at. */
static json_t *describe_ladder(const cli_answer *a)
{
    json_t *ladder = json_array();
    for (unsigned k = 0; k < HONE_RUNG_COUNT; k++) {
        const hone_lookup_step *s = &a->of.steps[k];
        if (!s->looked)
            continue;
        json_t *row =
            json_pack("{s:s, s:b, s:b, s:o}", "rung", hone_rung_name((hone_rung)k), "found",
                      s->found, "taken", s->taken, "what", hone_json_string(s->what));
        if (!isnan(s->relative))
            json_object_set_new(row, "predicted_vs_default", json_real(s->relative));
        if (s->trace)
            json_object_set_new(row, "trace", json_loads(s->trace, 0, NULL));
        json_array_append_new(ladder, row);
    }
    return ladder;
}

/* What the logs know of near sizes. */
static json_t *describe_near(const cli_answer *a)
{
    json_t *near = json_array();
    for (unsigned k = 0; k < a->of.n_near; k++) {
        const hone_lookup_near *x = &a->of.near[k];
        json_t *row = json_pack("{s:o, s:f, s:I}", "sizes", json_loads(x->sizes, 0, NULL), "far",
                                x->far, "compare_ns", (json_int_t)x->best_ns);
        if (x->default_ns > 0)
            json_object_set_new(row, "default_compare_ns", json_integer(x->default_ns));
        if (!isnan(x->favour))
            json_object_set_new(row, "favour", json_real(x->favour));
        json_array_append_new(near, row);
    }
    return near;
}

/* What is one target's own. */
void cli_query_describe_answer(const cli_answer *a, const char *target, bool explain, json_t *j)
{
    json_object_set_new(j, "rung", json_string(a->rung));
    json_object_set_new(j, "target", json_loads(target, 0, NULL));
    if (a->of.reason) {
        json_object_set_new(j, "reason", hone_json_string(a->of.reason));
        json_object_set_new(j, "expected_share", json_real(a->of.share));
        if (a->of.share_from)
            json_object_set_new(j, "expected_share_from", hone_json_string(a->of.share_from));
    }
    if (a->trace)
        json_object_set_new(j, "trace", json_loads(a->trace, 0, NULL));
    if (a->call)
        describe_call(a->call, j);
    if (explain && a->library)
        json_object_set_new(j, "libraries", hone_json_string(a->library));
    if (a->of.record.id)
        describe_record(a, j);
    if (a->of.from_target)
        describe_origin(a, j);
    if (explain)
        json_object_set_new(j, "ladder", describe_ladder(a));
    if (explain && a->of.n_near)
        json_object_set_new(j, "near", describe_near(a));
}

json_t *cli_query_describe(const query *q)
{
    char hash[17];
    const cli_kernel *k = &q->kernel;
    hone_hash_format(hone_program_hash(&k->program), hash);
    hone_buf program = {0};
    hone_program_print(&k->program, &program);
    json_t *j =
        json_pack("{s:o, s:s, s:o, s:i, s:o, s:s, s:s, s:i}", "kernel", hone_json_string(k->title),
                  "workload", hash, "sizes", json_loads(k->sizes, 0, NULL), "threads", q->threads,
                  "program", hone_json_string(program.s), "hone", HONE_VERSION, "llvm",
                  hone_codegen_version(), "space_version", HONE_SPACE_VERSION);
    hone_buf_free(&program);
    if (q->n == 1) {
        cli_query_describe_answer(&q->targets[0].answer, q->targets[0].text, q->explain, j);
        return j;
    }
    json_t *variants = json_array();
    for (unsigned i = 0; i < q->n; i++) {
        const query_target *t = &q->targets[q->order[i]];
        json_t *row = json_pack("{s:s}", "variant", t->target.cpu);
        cli_query_describe_answer(&t->answer, t->text, q->explain, row);
        json_array_append_new(variants, row);
    }
    json_object_set_new(j, "variants", variants);
    return j;
}

void cli_query_count(const query *q, cli_answer *a)
{
    if (a->of.record.time_ns > 0) {
        hone_program copy = {0};
        hone_program_copy(&copy, &q->kernel.program);
        a->gflops = (double)hone_program_flops(&copy) / (double)a->of.record.time_ns;
        hone_program_fini(&copy);
    }
}

/* ---- words ----------------------------------------------------------------------------------- */

static void print_ladder(const cli_answer *a)
{
    if (a->library)
        printf("  %c %-8s %s\n", a->call ? '*' : '-', "library", a->library);
    for (unsigned k = 0; k < HONE_RUNG_COUNT; k++) {
        const hone_lookup_step *s = &a->of.steps[k];
        if (s->looked)
            printf("  %c %-8s %s\n",
                   s->taken   ? '*'
                   : s->found ? '+'
                              : '-',
                   hone_rung_name((hone_rung)k), s->what);
        if (s->found && !isnan(s->relative) && k != HONE_RUNG_default)
            printf("             predicted: %.2f times the default's time\n", s->relative);
    }
}

/* How the default does at near sizes, and how far the model can be believed there. */
static void print_near(const cli_answer *a)
{
    for (unsigned k = 0; k < a->of.n_near; k++) {
        const hone_lookup_near *x = &a->of.near[k];
        hone_buf sizes = {0};
        hone_lookup_put_sizes(x->sizes, &sizes);
        printf("  near by %.2f: %s", x->far, sizes.s ? sizes.s : "");
        if (x->default_ns > 0)
            printf("; the default took %.2f times the best's time",
                   (double)x->default_ns / (double)x->best_ns);
        if (!isnan(x->favour))
            printf("; the model favours others over it by %.2f", exp(x->favour));
        puts("");
        hone_buf_free(&sizes);
    }
}

static void print_answer(const query_target *t, const query *q)
{
    const cli_answer *a = &t->answer;
    char time[32], hash[17];
    const hone_db_record *r = &a->of.record;
    printf("%s on %s, %d thread%s: ", q->kernel.title, hone_preset_name_of(&t->target), q->threads,
           q->threads == 1 ? "" : "s");
    if (!a->of.reason) {
        puts("the schedule of the trace that was given, not checked here");
    } else if (a->call) {
        cli_format_ns((double)r->time_ns, time);
        printf("exact, %s, %.1f GFLOP/s, calls %s of %s, checked against the %s: errors up to %.2g "
               "of what rounding may do; %s\n",
               time, a->gflops, a->call->function, a->call->file, r->checked, r->max_error,
               a->of.reason);
    } else if (a->of.rung == HONE_RUNG_exact) {
        cli_format_ns((double)r->time_ns, time);
        hone_hash_format(r->trace_hash, hash);
        printf("exact, %s, %.1f GFLOP/s, trace %s, checked against the %s: errors up to %.2g of "
               "what rounding may do\n",
               time, a->gflops, hash, r->checked, r->max_error);
    } else {
        printf("%s, expected to reach %.0f %% of the best: %s", a->rung, 100 * a->of.share,
               a->of.reason);
        if (a->of.miss)
            printf(" (%s; run `hone tune`)", a->of.miss);
        puts("");
    }
    if (!q->explain)
        return;
    print_ladder(a);
    print_near(a);
    if (a->of.share_from)
        printf("  share of the best: %.0f %%, %s\n", 100 * a->of.share, a->of.share_from);
}

void cli_query_print(const query *q)
{
    for (unsigned i = 0; i < q->n; i++)
        print_answer(&q->targets[q->order[i]], q);
}
