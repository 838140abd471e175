/* hone replay: strategies against what a log has recorded. */
#include "cli/cli.h"
#include "db/db.h"
#include "tuner/calibrate/calibrate.h"
#include "tuner/tuner.h"

#include <math.h>

typedef struct known {
    uint64_t hash;
    hone_status status;
    double ns;
} known;

/* One kernel of the log on one target. */
typedef struct kernel {
    int64_t workload_id, target_id;
    char *title, *program, *target;
    hone_machine machine; /* of the target; measured: as the log has it */
    bool measured;
    int32_t threads;
    double best_ns; /* of the record, on the clock that all its times share */
    HONE_VEC(known) records;
} kernel;
typedef HONE_VEC(kernel) kernels;

/* ---- the record ------------------------------------------------------------------------------ */

static int by_hash(const void *a, const void *b)
{
    uint64_t x = ((const known *)a)->hash, y = ((const known *)b)->hash;
    return x < y ? -1 : x > y;
}

static bool look(void *ctx, uint64_t hash, hone_status *ret, double *ret_ns)
{
    const kernel *k = ctx;
    const known *r = k->records.n ? bsearch(&(known){.hash = hash}, k->records.v, k->records.n,
                                            sizeof *k->records.v, by_hash)
                                  : NULL;
    if (!r)
        return false;
    *ret = r->status;
    *ret_ns = r->ns;
    return true;
}

static bool add_kernel(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                       const hone_db_record *r)
{
    (void)r;
    kernel k = {.workload_id = w->id,
                .target_id = t->id,
                .title = hone_xasprintf("%s %s", w->name, w->sizes),
                .program = hone_xstrdup(w->program),
                .target = hone_xstrdup(t->text),
                .threads = t->threads};
    hone_vec_push((kernels *)ctx, k);
    return true;
}

static bool add_record(void *ctx, const hone_db_record *r)
{
    kernel *k = ctx;
    if (r->space_version != HONE_SPACE_VERSION || r->status >= HONE_STATUS_COUNT || r->suspect)
        return true;
    known x = {.hash = r->trace_hash, .status = r->status};
    if (r->status == HONE_OK) {
        x.ns = (double)hone_db_record_clock(r);
        k->best_ns = k->best_ns == 0 ? x.ns : fmin(k->best_ns, x.ns);
    }
    hone_vec_push(&k->records, x);
    return true;
}

static hone_status read_log(const char *path, kernels *ret, hone_error *err)
{
    hone_db *db;
    HONE_TRY(hone_db_open(path, HONE_DB_READ, &db, err));
    hone_status st = hone_db_each_best(db, &(hone_db_where){0}, add_kernel, ret, err);
    for (uint32_t i = 0; i < ret->n && st == HONE_OK; i++) {
        kernel *k = &ret->v[i];
        const hone_db_where here = {.workload_id = k->workload_id, .target_id = k->target_id};
        hone_target t;
        k->measured = hone_target_parse(k->target, &t, NULL) == HONE_OK &&
                      hone_calibrate_find(db, &t, k->threads, &k->machine, NULL) == HONE_OK;
        st = hone_db_each_record(db, &here, add_record, k, err);
        if (k->records.n)
            qsort(k->records.v, k->records.n, sizeof *k->records.v, by_hash);
    }
    hone_db_close(db);
    return st;
}

static void kernels_free(kernels *l)
{
    for (uint32_t i = 0; i < l->n; i++) {
        free(l->v[i].title);
        free(l->v[i].program);
        free(l->v[i].target);
        hone_vec_free(&l->v[i].records);
    }
    hone_vec_free(l);
}

/* ---- what is told ---------------------------------------------------------------------------- */

typedef struct request {
    const hone_strategy *strategy;
    uint32_t without;
    int64_t seeds, trials;
    bool json;
} request;

/* Trials until the curve is within this factor of the best; 0: never. */
static uint64_t trials_to(const double *curve, uint64_t n, double best, double factor)
{
    for (uint64_t k = 0; k < n; k++)
        if (curve[k] > 0 && curve[k] <= best * factor)
            return k + 1;
    return 0;
}

static void tell_seed(const kernel *k, const request *q, uint64_t seed, const double *curve,
                      const hone_replay_result *r)
{
    json_t *c = json_array();
    for (uint64_t i = 0; i < r->trials; i++)
        json_array_append_new(c, json_real(curve[i]));
    json_t *j =
        json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:I, s:I, s:o}", "kernel",
                  hone_json_string(k->title), "strategy", q->strategy->name, "seed",
                  (json_int_t)seed, "records", (json_int_t)k->records.n, "trials",
                  (json_int_t)r->trials, "unknown", (json_int_t)r->unknown, "best_ns", r->best_ns,
                  "best_recorded_ns", k->best_ns, "trials_to_5_percent",
                  (json_int_t)trials_to(curve, r->trials, k->best_ns, 1.05), "trials_to_1_percent",
                  (json_int_t)trials_to(curve, r->trials, k->best_ns, 1.01), "curve", c);
    cli_print_json(j);
}

static hone_status replay_one(const kernel *k, const request *q, hone_error *err)
{
    hone_program p = {0};
    hone_target t;
    hone_space *sp = NULL;
    double *curve = hone_xcalloc((size_t)q->trials, sizeof *curve);
    double *ratio = hone_xcalloc((size_t)q->seeds, sizeof *ratio);
    double *near = hone_xcalloc((size_t)q->seeds, sizeof *near);
    uint64_t proposed = 0, unknown = 0;
    hone_status st = hone_program_parse(k->program, strlen(k->program), &p, err);
    bool parsed = st == HONE_OK;
    if (st == HONE_OK)
        st = hone_target_parse(k->target, &t, err);
    if (st == HONE_OK)
        st = hone_space_new(&p, &(hone_space_options){.target = &t, .threads = k->threads}, &sp,
                            err);
    for (int64_t i = 0; i < q->seeds && st == HONE_OK; i++) {
        hone_replay_result r;
        st = hone_replay(&(hone_replay_options){.space = sp,
                                                .strategy = q->strategy,
                                                .without = q->without,
                                                .seed = (uint64_t)i + 1,
                                                .trials = (uint64_t)q->trials,
                                                .machine = k->measured ? &k->machine : NULL,
                                                .look = look,
                                                .ctx = (void *)(uintptr_t)k,
                                                .curve = curve},
                         &r, err);
        uint64_t to = trials_to(curve, r.trials, k->best_ns, 1.01);
        ratio[i] = r.best_ns > 0 ? r.best_ns / k->best_ns : HUGE_VAL;
        near[i] = to ? (double)to : HUGE_VAL;
        proposed += r.trials + r.unknown;
        unknown += r.unknown;
        if (st == HONE_OK && q->json)
            tell_seed(k, q, (uint64_t)i + 1, curve, &r);
    }
    if (st == HONE_OK && !q->json) {
        hone_sort(ratio, (uint32_t)q->seeds);
        hone_sort(near, (uint32_t)q->seeds);
        double half = near[q->seeds / 2];
        char to[32] = "never";
        if (isfinite(half))
            snprintf(to, sizeof to, "%.0f", half);
        printf("%9u %8.3f %8.3f %9s %8.0f %%  %s, %d thread%s\n", k->records.n, ratio[q->seeds / 2],
               ratio[q->seeds - 1], to, proposed ? 100.0 * (double)unknown / (double)proposed : 0,
               k->title, k->threads, k->threads == 1 ? "" : "s");
        fflush(stdout);
    }
    hone_space_free(sp);
    if (parsed)
        hone_program_fini(&p);
    free(curve);
    free(ratio);
    free(near);
    return st;
}

static int run(int argc, char **argv, const cli_command *self)
{
    request q = {.seeds = 10, .trials = 64};
    const char *strategy = hone_strategy_at(0)->name, *pos[1];
    char parts_help[1024];
    cli_parts_help(parts_help, sizeof parts_help);
    cli_list without = {0};
    const cli_option options[] = {
        {"--strategy", CLI_TEXT, "NAME", &strategy, "as of `hone tune` (default evolution)", 0},
        {"--without", CLI_LIST, "PART", &without, parts_help, 0},
        {"--seeds", CLI_INT, "N", &q.seeds, "so many searches of each kernel (default 10)", 1},
        {"--trials", CLI_INT, "N", &q.trials, "of each search, at most (default 64)", 1},
        {"--json", CLI_FLAG, NULL, &q.json, "one JSON object per search, with its curve", 0},
    };
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    if (n != 1)
        return cli_usage(self, "which log? FILE.db, as `hone tune` writes it");
    if (q.seeds > 10000 || q.trials > 1000000)
        return cli_usage(self, "--seeds at most 10000, --trials at most 1000000");
    q.strategy = hone_strategy_find(strategy);
    if (!q.strategy)
        return cli_unknown_strategy(self, strategy);
    if (!cli_parts_find(self, &without, &q.without))
        return 2;
    hone_error err = {0};
    kernels l = {0};
    hone_status st = read_log(pos[0], &l, &err);
    if (st == HONE_OK && l.n == 0)
        st = hone_fail(&err, HONE_E_NOTFOUND, "'%s' has no good result to search for", pos[0]);
    if (st == HONE_OK && !q.json)
        printf("%s, %" PRId64 " searches of %" PRId64 " trials; times by the best on record\n"
               "  records   median    worst  to 1 %%  not known  kernel\n",
               q.strategy->name, q.seeds, q.trials);
    for (uint32_t k = 0; k < l.n && st == HONE_OK; k++)
        st = replay_one(&l.v[k], &q, &err);
    kernels_free(&l);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

const cli_command cli_replay = {
    .name = "replay",
    .synopsis = "FILE.db [options]",
    .summary = "try a strategy against recorded results, without a device",
    .text =
        "Every kernel of the log is searched again, and what the log has of a candidate is the\n"
        "answer. Candidates it has not cost no trial and teach nothing: the more of a space is\n"
        "recorded, the more a replay says. The same log, strategy and seeds give the same "
        "output.\n\n"
        "  hone replay hone.db --strategy metaschedule --seeds 5\n\n"
        "exit codes: 0 good, 1 failed, 2 bad input, 3 no such log, or nothing in it\n",
    .run = run,
};
