/* The answers of `hone query` as JSON and in words. */
#include "cli/query.h"
#include "codegen/codegen.h"

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

/* What is one target's own. */
static void describe_answer(const query_target *t, bool explain, json_t *j)
{
    const cli_answer *a = &t->answer;
    json_object_set_new(j, "rung", json_string(a->rung));
    json_object_set_new(j, "target", json_loads(t->text, 0, NULL));
    if (a->of.reason) {
        json_object_set_new(j, "reason", hone_json_string(a->of.reason));
        json_object_set_new(j, "expected_share", json_real(a->of.share));
    }
    if (a->trace)
        json_object_set_new(j, "trace", json_loads(a->trace, 0, NULL));
    if (a->of.record.id)
        describe_record(a, j);
    if (a->of.from_target)
        describe_origin(a, j);
    if (explain)
        json_object_set_new(j, "ladder", describe_ladder(a));
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
        describe_answer(&q->targets[0], q->explain, j);
        return j;
    }
    json_t *variants = json_array();
    for (unsigned i = 0; i < q->n; i++) {
        const query_target *t = &q->targets[q->order[i]];
        json_t *row = json_pack("{s:s}", "variant", t->target.cpu);
        describe_answer(t, q->explain, row);
        json_array_append_new(variants, row);
    }
    json_object_set_new(j, "variants", variants);
    return j;
}

/* ---- words ----------------------------------------------------------------------------------- */

static void print_ladder(const cli_answer *a)
{
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

static void print_answer(const query_target *t, const query *q)
{
    const cli_answer *a = &t->answer;
    char time[32], hash[17];
    const hone_db_record *r = &a->of.record;
    printf("%s on %s, %d thread%s: ", q->kernel.title, t->target.cpu, q->threads,
           q->threads == 1 ? "" : "s");
    if (!a->of.reason) {
        puts("the schedule of the trace that was given, not checked here");
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
    if (q->explain)
        print_ladder(a);
}

void cli_query_print(const query *q)
{
    for (unsigned i = 0; i < q->n; i++)
        print_answer(&q->targets[q->order[i]], q);
}
