/* hone explain: what a log says about a kernel.
 *
 *   what there is     results and rejections
 *   the fastest       measured, and as the model and the draft see them
 *   decisions         how much slower candidates are that decide otherwise than the best does
 *   features          what a model trained on this log looks at
 *   library calls     what was measured of them beside */
#include "cli/cli.h"
#include "costmodel/costmodel.h"
#include "db/db.h"
#include "libcall/libcall.h"
#include "tuner/calibrate/calibrate.h"
#include "space/space.h"
#include "targets/preset.h"

#include <math.h>

#define SHOWN 10
#define MAX_RECORDS 4096 /* replayed and learned from, the oldest first */

typedef struct candidate {
    hone_status status;
    uint64_t hash;
    hone_trace trace;
    hone_features features;
    double ns;   /* 0: rejected */
    double cost; /* as the model predicts, ln */
    bool replayed;
} candidate;

typedef struct rejection {
    hone_status status;
    uint64_t n;
    char reason[200]; /* of the first */
} rejection;

typedef struct story {
    const cli_kernel *kernel;
    const hone_target *target;
    int32_t threads;
    hone_machine machine; /* of the target, when the log has `measured` it */
    bool measured;
    HONE_VEC(candidate) v; /* those with a time first, the fastest first */
    HONE_VEC(rejection) rejections;
    uint64_t records, ok;
    json_t *libraries; /* array */
    hone_model *model;
    hone_model_metrics metrics;
} story;

/* ---- what there is --------------------------------------------------------------------------- */

static void note_rejection(story *s, const hone_db_record *r)
{
    for (uint32_t k = 0; k < s->rejections.n; k++)
        if (s->rejections.v[k].status == r->status) {
            s->rejections.v[k].n++;
            return;
        }
    rejection x = {.status = r->status, .n = 1};
    char *clean = hone_text_clean(r->reason);
    snprintf(x.reason, sizeof x.reason, "%s", clean);
    free(clean);
    hone_vec_push(&s->rejections, x);
}

static bool add_record(void *ctx, const hone_db_record *r)
{
    story *s = ctx;
    if (r->space_version != HONE_SPACE_VERSION || r->status >= HONE_STATUS_COUNT || r->suspect)
        return true;
    s->records++;
    s->ok += r->status == HONE_OK;
    if (r->status != HONE_OK)
        note_rejection(s, r);
    candidate c = {.status = r->status, .hash = r->trace_hash};
    if (r->status == HONE_OK)
        c.ns = (double)hone_db_record_clock(r);
    if (s->v.n < MAX_RECORDS &&
        hone_trace_parse(r->trace, strlen(r->trace), &c.trace, NULL) == HONE_OK)
        hone_vec_push(&s->v, c);
    return true;
}

/* {"library": {..}, "status", "compare_ns" or "reason"} */
static bool add_call(void *ctx, const hone_db_record *r)
{
    story *s = ctx;
    hone_libcall c;
    if (r->status >= HONE_STATUS_COUNT ||
        hone_libcall_parse(r->trace, strlen(r->trace), &c, NULL) != HONE_OK)
        return true;
    char *text = hone_libcall_text(&c);
    json_t *j = json_loads(text, 0, NULL);
    free(text);
    json_object_set_new(j, "status", json_string(hone_status_name(r->status)));
    if (r->status == HONE_OK)
        json_object_set_new(j, "compare_ns", json_integer(hone_db_record_clock(r)));
    else
        json_object_set_new(j, "reason", hone_json_string(r->reason));
    json_array_append_new(s->libraries, j);
    return true;
}

static hone_status read_calls(story *s, hone_db *db, int64_t workload_id, const char *target_text,
                              hone_error *err)
{
    hone_db_target t = {0};
    char *text = hone_libcall_target(target_text);
    s->libraries = json_array();
    hone_status st = hone_db_target_find(db, text, s->threads, &t, NULL);
    if (st == HONE_OK)
        st = hone_db_each_record(
            db, &(hone_db_where){.workload_id = workload_id, .target_id = t.id}, add_call, s, err);
    hone_db_target_free(&t);
    free(text);
    return st == HONE_E_NOTFOUND ? HONE_OK : st;
}

static hone_status read_log(story *s, const char *path, hone_error *err)
{
    hone_db *db;
    hone_db_workload w = {0};
    hone_db_target t = {0};
    char *text = hone_target_text(s->target);
    hone_status st = hone_db_open(path, HONE_DB_READ, &db, err);
    if (st == HONE_OK) {
        s->measured = hone_calibrate_find(db, s->target, s->threads, &s->machine, NULL) == HONE_OK;
        st = hone_db_workload_find(db, hone_program_hash(&s->kernel->program), &w, err);
        if (st == HONE_OK)
            st = hone_db_target_find(db, text, s->threads, &t, err);
        if (st == HONE_OK)
            st = hone_db_each_record(db, &(hone_db_where){.workload_id = w.id, .target_id = t.id},
                                     add_record, s, err);
        if (st == HONE_OK)
            st = read_calls(s, db, w.id, text, err);
        if (st == HONE_E_NOTFOUND)
            hone_fail(err, st, "'%.300s' has no result of %.200s for %d thread%s on %.60s", path,
                      s->kernel->title, s->threads, s->threads == 1 ? "" : "s",
                      hone_preset_name_of(s->target));
        hone_db_workload_free(&w);
        hone_db_target_free(&t);
        hone_db_close(db);
    }
    free(text);
    return st;
}

/* ---- the model ------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
    double x = ((const candidate *)a)->ns, y = ((const candidate *)b)->ns;
    x = x > 0 ? x : HUGE_VAL;
    y = y > 0 ? y : HUGE_VAL;
    return x < y ? -1 : x > y;
}

/* The program as written is compiled in another way: it teaches nothing about the others. */
static bool is_as_written(const candidate *c)
{
    return hone_trace_search_part(&c->trace) == 0;
}

static hone_status learn(story *s, hone_error *err)
{
    hone_sched sched = {.target = s->target};
    uint64_t task = hone_model_task(&s->kernel->program, s->target, s->threads);
    s->model = hone_model_new(&(hone_model_options){.seed = 1, .threads = 1});
    for (uint32_t k = 0; k < s->v.n; k++) {
        candidate *c = &s->v.v[k];
        c->replayed =
            hone_trace_replay(&c->trace, &s->kernel->program, &sched, NULL, false, NULL) == HONE_OK;
        if (!c->replayed)
            continue;
        hone_features_extract(&sched.prog, s->target, s->threads, s->measured ? &s->machine : NULL,
                              &c->features);
        if (!is_as_written(c))
            hone_model_add(s->model, task, &c->features, c->ns);
    }
    hone_sched_fini(&sched);
    hone_status st = hone_model_train(s->model, err);
    for (uint32_t k = 0; k < s->v.n && st == HONE_OK; k++) {
        const hone_features *f = &s->v.v[k].features;
        if (s->v.v[k].replayed)
            st = hone_model_predict(s->model, &f, 1, &s->v.v[k].cost, err);
    }
    hone_model_get_metrics(s->model, &s->metrics);
    if (s->v.n)
        qsort(s->v.v, s->v.n, sizeof *s->v.v, by_time);
    return st;
}

/* ---- decisions ------------------------------------------------------------------------------- */

typedef struct effect {
    uint32_t at;       /* instruction */
    double ratio;      /* mean time of those who decide otherwise, over that of the others */
    uint32_t like, un; /* so many of each */
} effect;

static bool same_space(const hone_trace *a, const hone_trace *b)
{
    if (a->insts.n != b->insts.n)
        return false;
    for (uint32_t k = 0; k < a->insts.n; k++)
        if (a->insts.v[k].kind != b->insts.v[k].kind ||
            a->insts.v[k].n_decision != b->insts.v[k].n_decision)
            return false;
    return true;
}

static bool same_decision(const hone_trace *a, const hone_trace *b, uint32_t at)
{
    const hone_inst *x = &a->insts.v[at], *y = &b->insts.v[at];
    return memcmp(a->ints.v + x->decision, b->ints.v + y->decision,
                  x->n_decision * sizeof *a->ints.v) == 0;
}

static effect effect_of(const story *s, const candidate *best, uint32_t at)
{
    double like = 0, un = 0;
    effect e = {.at = at};
    for (uint32_t k = 0; k < s->v.n; k++) {
        const candidate *c = &s->v.v[k];
        if (c->ns <= 0 || !same_space(&c->trace, &best->trace))
            continue;
        bool same = same_decision(&c->trace, &best->trace, at);
        *(same ? &like : &un) += log(c->ns);
        *(same ? &e.like : &e.un) += 1;
    }
    if (e.like && e.un)
        e.ratio = exp(un / e.un - like / e.like);
    return e;
}

static int by_ratio(const void *a, const void *b)
{
    double x = ((const effect *)a)->ratio, y = ((const effect *)b)->ratio;
    return x > y ? -1 : x < y;
}

/* Those that some candidate decides otherwise, the weightiest first. */
static uint32_t find_effects(const story *s, const candidate *best, effect *ret, uint32_t most)
{
    effect *all = hone_xcalloc(best->trace.insts.n + 1, sizeof *all);
    uint32_t n = 0;
    for (uint32_t k = 0; k < best->trace.insts.n; k++) {
        if (best->trace.insts.v[k].n_decision == 0)
            continue;
        all[n] = effect_of(s, best, k);
        n += all[n].ratio > 0;
    }
    if (n)
        qsort(all, n, sizeof *all, by_ratio);
    n = n < most ? n : most;
    memcpy(ret, all, n * sizeof *all);
    free(all);
    return n;
}

static char *decision_text(const candidate *c, uint32_t at)
{
    const hone_inst *in = &c->trace.insts.v[at];
    hone_buf b = {0};
    hone_buf_printf(&b, "%s [", hone_inst_name(in->kind));
    for (uint32_t k = 0; k < in->n_decision; k++)
        hone_buf_printf(&b, "%s%" PRId64, k ? ", " : "", c->trace.ints.v[in->decision + k]);
    hone_buf_puts(&b, "]");
    return hone_buf_take(&b);
}

/* ---- telling --------------------------------------------------------------------------------- */

static double over(double x, double y)
{
    return y > 0 ? x / y : 0;
}

static uint32_t most_useful(const hone_model *m, uint32_t ret[SHOWN], double gain[HONE_N_FEATURES])
{
    uint32_t n = 0;
    if (!hone_model_gains(m, gain))
        return 0;
    for (uint32_t k = 0; k < HONE_N_FEATURES; k++) {
        uint32_t at = n < SHOWN ? n++ : SHOWN;
        for (; at > 0 && gain[ret[at - 1]] < gain[k]; at--)
            if (at < SHOWN)
                ret[at] = ret[at - 1];
        if (at < SHOWN)
            ret[at] = k;
    }
    while (n > 0 && gain[ret[n - 1]] <= 0)
        n--;
    return n;
}

json_t *cli_features_json(const hone_model *m)
{
    uint32_t at[SHOWN];
    double gain[HONE_N_FEATURES], all = 0;
    uint32_t n = most_useful(m, at, gain);
    json_t *ret = json_array();
    for (uint32_t k = 0; n && k < HONE_N_FEATURES; k++)
        all += gain[k];
    for (uint32_t k = 0; k < n; k++) {
        char *name = hone_feature_name(at[k]);
        json_array_append_new(
            ret, json_pack("{s:s, s:f}", "feature", name, "share", over(gain[at[k]], all)));
        free(name);
    }
    return ret;
}

static json_t *json_of(const story *s)
{
    json_t *rejected = json_array(), *fastest = json_array(), *decisions = json_array();
    for (uint32_t k = 0; k < s->rejections.n; k++)
        json_array_append_new(rejected, json_pack("{s:s, s:I, s:s}", "status",
                                                  hone_status_name(s->rejections.v[k].status), "n",
                                                  (json_int_t)s->rejections.v[k].n, "reason",
                                                  s->rejections.v[k].reason));
    const candidate *best = s->ok ? &s->v.v[0] : NULL;
    for (uint32_t k = 0; best && k < s->v.n && k < SHOWN && s->v.v[k].ns > 0; k++) {
        const candidate *c = &s->v.v[k];
        char hash[17];
        hone_hash_format(c->hash, hash);
        json_array_append_new(
            fastest, json_pack("{s:s, s:f, s:f, s:f, s:b}", "trace_hash", hash, "compare_ns", c->ns,
                               "predicted", c->replayed ? exp(c->cost - best->cost) : 0, "draft",
                               over(c->features.draft_ns, best->features.draft_ns), "as_written",
                               is_as_written(c)));
    }
    effect e[SHOWN];
    for (uint32_t k = 0, n = best ? find_effects(s, best, e, SHOWN) : 0; k < n; k++) {
        char *text = decision_text(best, e[k].at);
        json_array_append_new(
            decisions, json_pack("{s:I, s:s, s:f, s:I, s:I}", "instruction", (json_int_t)e[k].at,
                                 "decision", text, "otherwise", e[k].ratio, "alike",
                                 (json_int_t)e[k].like, "unlike", (json_int_t)e[k].un));
        free(text);
    }
    json_t *j = json_pack("{s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:I}", "kernel",
                          hone_json_string(s->kernel->title), "records", (json_int_t)s->records,
                          "ok", (json_int_t)s->ok, "rejected", rejected, "fastest", fastest,
                          "decisions", decisions, "features", cli_features_json(s->model),
                          "trained_on", (json_int_t)s->metrics.trained_on);
    if (!isnan(s->metrics.pair_accuracy))
        json_object_set_new(j, "pair_accuracy", json_real(s->metrics.pair_accuracy));
    if (json_array_size(s->libraries))
        json_object_set(j, "libraries", s->libraries);
    return j;
}

static double get(const json_t *j, const char *key)
{
    return json_number_value(json_object_get(j, key));
}

static const char *text_of(const json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

static void print_call(const json_t *x, double best)
{
    char time[32];
    const json_t *c = json_object_get(x, "library");
    printf("library call on record: %s, %s of %s: ", text_of(c, "name"), text_of(c, "function"),
           text_of(c, "real"));
    cli_format_ns(get(x, "compare_ns"), time);
    if (text_of(x, "reason"))
        printf("rejected: %s\n", text_of(x, "reason"));
    else if (best > 0)
        printf("%s, %.3f of the first one's time\n", time, over(get(x, "compare_ns"), best));
    else
        printf("%s\n", time);
}

/* The same, for people. */
static void print_text(const json_t *j)
{
    size_t k;
    json_t *x;
    printf("%s: %.0f candidates on record, %.0f right\n", text_of(j, "kernel"), get(j, "records"),
           get(j, "ok"));
    json_array_foreach(json_object_get(j, "rejected"), k, x) printf(
        "  rejected %4.0f  %s, as: %s\n", get(x, "n"), text_of(x, "status"), text_of(x, "reason"));
    if (get(j, "trained_on") > 0)
        printf("the model, trained on %.0f of them, orders %.0f %% of held-out pairs rightly\n",
               get(j, "trained_on"), 100 * get(j, "pair_accuracy"));
    else
        puts("the model has too few of them to learn from: predictions are the draft's");
    puts("the fastest, and times as multiples of the first one's: measured, predicted, drafted");
    const json_t *fastest = json_object_get(j, "fastest");
    double best = get(json_array_get(fastest, 0), "compare_ns");
    json_array_foreach(fastest, k, x)
    {
        char time[32];
        cli_format_ns(get(x, "compare_ns"), time);
        printf("  %10s %7.3f %7.3f %7.3f  %s%s\n", time, over(get(x, "compare_ns"), best),
               get(x, "predicted"), get(x, "draft"), text_of(x, "trace_hash"),
               json_is_true(json_object_get(x, "as_written")) ? ", as written" : "");
    }
    puts("decisions of the first one, and how much slower others are that decide otherwise");
    json_array_foreach(json_object_get(j, "decisions"), k, x)
        printf("  %7.3f  %4.0f alike, %4.0f not  %s\n", get(x, "otherwise"), get(x, "alike"),
               get(x, "unlike"), text_of(x, "decision"));
    json_array_foreach(json_object_get(j, "libraries"), k, x) print_call(x, best);
    if (json_array_size(json_object_get(j, "features")))
        puts("features, and their share in what the model has learned");
    json_array_foreach(json_object_get(j, "features"), k, x)
        printf("  %5.1f %%  %s\n", 100 * get(x, "share"), text_of(x, "feature"));
}

/* ---- the command ----------------------------------------------------------------------------- */

static int run(int argc, char **argv, const cli_command *self)
{
    cli_sizes sizes = {0};
    const char *db_path = "hone.db", *target_arg = "native", *pos[1];
    int64_t threads = 0;
    bool json = false;
    const cli_option options[] = {
        {"-D", CLI_SIZE, "NAME=INT", &sizes, "size of the kernel; repeat for each", 0},
        {"--db", CLI_TEXT, "FILE", &db_path, "the log (default hone.db)", 0},
        {"--target", CLI_TEXT, "T", &target_arg, "as of `hone tune`", 0},
        {"--threads", CLI_INT, "N", &threads, "as of `hone tune`", 1},
        {"--json", CLI_FLAG, NULL, &json, "the same as one JSON object", 0},
    };
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    if (n != 1)
        return cli_usage(self, "which kernel? a built-in's name or FILE.hone[:name]");
    if (threads > HONE_MAX_THREADS)
        return cli_usage(self, "--threads at most %d", HONE_MAX_THREADS);
    cli_kernel k = {0};
    hone_target target;
    hone_error err = {0};
    story s = {.kernel = &k, .target = &target};
    hone_status st = cli_kernel_load(pos[0], &sizes, &k, &err);
    if (st == HONE_OK)
        st = cli_target_load(target_arg, &target, &err);
    if (st == HONE_OK)
        st = cli_threads_for(&target, threads, &s.threads, &err);
    if (st == HONE_OK)
        st = read_log(&s, db_path, &err);
    if (st == HONE_OK && s.records == 0)
        st = hone_fail(&err, HONE_E_NOTFOUND, "'%s' has no result of %.200s", db_path, k.title);
    if (st == HONE_OK)
        st = learn(&s, &err);
    if (st == HONE_OK) {
        json_t *j = json_of(&s);
        if (json)
            cli_print_json(json_incref(j));
        else
            print_text(j);
        json_decref(j);
    }
    for (uint32_t i = 0; i < s.v.n; i++) {
        hone_trace_free(&s.v.v[i].trace);
        hone_features_free(&s.v.v[i].features);
    }
    hone_vec_free(&s.v);
    hone_vec_free(&s.rejections);
    json_decref(s.libraries);
    hone_model_free(s.model);
    cli_kernel_free(&k);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

const cli_command cli_explain = {
    .name = "explain",
    .synopsis = "KERNEL [-D NAME=INT]... [options]",
    .summary = "what the log says about a kernel: decisions and features that matter",
    .text =
        "Counts what was tried and why it was rejected; sets the fastest candidates beside what\n"
        "the cost model and its draft say of them; tells which decisions of the best one others\n"
        "are slower without, and which features a model trained on this log goes by.\n\n"
        "  hone explain matmul -D M=512 -D N=512 -D K=512 --threads 1\n\n"
        "exit codes: 0 good, 1 failed, 2 bad input, 3 the log has no such kernel\n",
    .run = run,
};
