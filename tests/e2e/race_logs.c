/* race_logs A.db B.db MOST: the fastest of A against the fastest of B, for each kernel and target
 * that both have, in turns in one process, as a device times a candidate with its incumbent. Says
 * the ratio of their times and an interval that holds it, and fails when even its lower end is
 * above MOST, or when no kernel is in both. For tests/e2e/test_storm.sh. */
#include "db/db.h"
#include "workers/builder.h"

#include <math.h>

#define ROUNDS 8 /* in every other one they change places */
#define PAIRS (HONE_PAIRS_MOST / ROUNDS)
#define SAMPLE_NS 10000000
#define ERRORS 2

typedef struct winner {
    uint64_t workload;
    char *title, *program, *target, *trace;
    int32_t threads;
} winner;
typedef HONE_VEC(winner) winners;

typedef struct race {
    hone_builder *builder;
    hone_nursery *nursery;
    double a[ROUNDS * PAIRS], b[ROUNDS * PAIRS];
    uint32_t n;
} race;

static bool add(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                const hone_db_record *r)
{
    winner x = {.workload = w->hash,
                .title = hone_xasprintf("%s %s", w->name, w->sizes),
                .program = hone_xstrdup(w->program),
                .target = hone_xstrdup(t->text),
                .trace = hone_xstrdup(r->trace),
                .threads = t->threads};
    hone_vec_push((winners *)ctx, x);
    return true;
}

static hone_status build(race *r, const winner *w, const char *trace, bool reference,
                         hone_artifact *ret, hone_error *err)
{
    const hone_build_job job = {.id = 1,
                                .workload = w->program,
                                .trace = trace,
                                .target = w->target,
                                .threads = w->threads,
                                .reference = reference,
                                .deadline_ms = 60000};
    return hone_builder_build(r->builder, &job, ret, err);
}

/* One round: x in turns with y; fewer pairs where the machine was busy with something else. */
static hone_status run(race *r, const winner *w, const hone_artifact *x, const hone_artifact *y,
                       const hone_artifact *reference, double *ret_x, double *ret_y,
                       hone_error *err)
{
    hone_measure_result got = {0};
    const hone_measure_job job = {.id = 1,
                                  .candidate = x,
                                  .incumbent = y,
                                  .reference = reference,
                                  .threads = w->threads,
                                  .data_seed = 1,
                                  .tolerance = HONE_TOLERANCE,
                                  .check_ms = 60000,
                                  .run_ms = 60000,
                                  .min_samples = PAIRS,
                                  .max_samples = PAIRS,
                                  .sample_ns = SAMPLE_NS};
    HONE_TRY(hone_nursery_send(r->nursery, &job, err));
    HONE_TRY(hone_nursery_receive(r->nursery, &got, err));
    memcpy(ret_x + r->n, got.sample_ns, (size_t)got.n_samples * sizeof *ret_x);
    memcpy(ret_y + r->n, got.incumbent_ns, (size_t)got.n_samples * sizeof *ret_y);
    r->n += (uint32_t)got.n_samples;
    return HONE_OK;
}

static hone_status hold(race *r, const winner *w, const char *other, hone_error *err)
{
    hone_artifact a = {0}, b = {0}, reference = {0};
    hone_status st = build(r, w, w->trace, false, &a, err);
    if (st == HONE_OK)
        st = build(r, w, other, false, &b, err);
    if (st == HONE_OK)
        st = build(r, w, NULL, true, &reference, err);
    r->n = 0;
    for (uint32_t k = 0; k < ROUNDS && st == HONE_OK; k++)
        st = k % 2 ? run(r, w, &b, &a, &reference, r->b, r->a, err)
                   : run(r, w, &a, &b, &reference, r->a, r->b, err);
    hone_artifact_free(&a);
    hone_artifact_free(&b);
    hone_artifact_free(&reference);
    return st;
}

static hone_status each(race *r, const winners *all, hone_db *db, double most, bool *ret_good,
                        hone_error *err)
{
    bool any = false;
    *ret_good = true;
    for (uint32_t k = 0; k < all->n; k++) {
        const winner *w = &all->v[k];
        hone_db_record best = {0};
        hone_status st = hone_db_best(db, w->workload, w->target, w->threads, &best, err);
        if (st == HONE_E_NOTFOUND)
            continue;
        if (st == HONE_OK)
            st = hold(r, w, best.trace, err);
        bool same = st == HONE_OK && strcmp(best.trace, w->trace) == 0;
        hone_db_record_free(&best);
        HONE_TRY(st);
        hone_paired p = hone_pairs_compare(r->a, r->b, r->n, ERRORS);
        bool good = exp(p.low) <= most;
        printf("%s: %.3f of the other's time (%.3f to %.3f, %u pairs)%s%s\n", w->title,
               exp(p.ratio), exp(p.low), exp(p.high), r->n, same ? ", of the same candidate" : "",
               good ? "" : ": it is slower");
        *ret_good = *ret_good && good;
        any = true;
    }
    return any ? HONE_OK : hone_fail(err, HONE_E_NOTFOUND, "no kernel is in both logs");
}

static void winners_free(winners *all)
{
    for (uint32_t k = 0; k < all->n; k++) {
        winner *w = &all->v[k];
        char *texts[] = {w->title, w->program, w->target, w->trace};
        for (size_t i = 0; i < HONE_LEN(texts); i++)
            free(texts[i]);
    }
    hone_vec_free(all);
}

int main(int argc, char **argv)
{
    hone_error err = {0};
    hone_db *a = NULL, *b = NULL;
    winners all = {0};
    bool good = false;
    race *r = hone_xcalloc(1, sizeof *r);
    double most = argc == 4 ? strtod(argv[3], NULL) : 0;
    if (!(most > 0)) {
        fprintf(stderr, "usage: race_logs A.db B.db MOST\n");
        return 2;
    }
    r->builder = hone_builder_new();
    hone_status st = hone_nursery_start(true, NULL, 0, &r->nursery, &err);
    if (st == HONE_OK)
        st = hone_db_open(argv[1], HONE_DB_READ, &a, &err);
    if (st == HONE_OK)
        st = hone_db_open(argv[2], HONE_DB_READ, &b, &err);
    if (st == HONE_OK)
        st = hone_db_each_best(a, &(hone_db_where){0}, add, &all, &err);
    if (st == HONE_OK)
        st = each(r, &all, b, most, &good, &err);
    if (st != HONE_OK)
        fprintf(stderr, "race_logs: %s\n", err.message);
    winners_free(&all);
    hone_db_close(a);
    hone_db_close(b);
    hone_builder_free(r->builder);
    if (r->nursery)
        hone_nursery_stop(r->nursery);
    free(r);
    return st == HONE_OK && good ? 0 : 1;
}
