/* Logs for lookups: kernels as sessions would have left them on targets of any kind, and questions
 * to them. */
#ifndef HONE_TESTS_LOOKUP_LOG_H
#define HONE_TESTS_LOOKUP_LOG_H

#include "tests/tuner/small_log.h"
#include "tuner/lookup/internal.h"

#include <unistd.h>

typedef struct mnk {
    int64_t m, n, k;
} mnk;

typedef struct test_log {
    char folder[64];
    char *path;
    hone_db *db;     /* the writer */
    int64_t session; /* of records that are put; 0: none */
} test_log;

static inline void log_open(test_log *l)
{
    snprintf(l->folder, sizeof l->folder, "/tmp/hone-lookup-XXXXXX");
    l->session = 0;
    assert_non_null(mkdtemp(l->folder));
    l->path = hone_xasprintf("%s/hone.db", l->folder);
    SMALL_CHECK(hone_db_open(l->path, HONE_DB_WRITE | HONE_DB_CREATE, &l->db, err));
}

static inline void log_close(test_log *l)
{
    hone_db_close(l->db);
    char *command = hone_xasprintf("rm -rf %s", l->folder);
    assert_int_equal(system(command), 0);
    free(command);
    free(l->path);
}

static inline hone_program product(mnk s)
{
    const hone_size sizes[] = {{"M", s.m}, {"N", s.n}, {"K", s.k}};
    return simulated_kernel("matmul", sizes, 3);
}

static inline char *sizes_text(mnk s)
{
    return hone_xasprintf("{\"K\":%" PRId64 ",\"M\":%" PRId64 ",\"N\":%" PRId64 "}", s.k, s.m, s.n);
}

static inline void log_put(test_log *l, mnk size, const hone_target *t, int32_t threads,
                           const hone_trace *trace, int64_t time_ns)
{
    hone_program p = product(size);
    hone_buf text = {0};
    int64_t workload, target;
    char *sizes = sizes_text(size), *target_text = hone_target_text(t), *class;
    char *body = hone_trace_text(trace);
    class = hone_target_class(t);
    hone_program_print(&p, &text);
    SMALL_CHECK(hone_db_workload_put(l->db,
                                     &(hone_db_workload){.hash = hone_program_hash(&p),
                                                         .name = "matmul",
                                                         .class = "matmul",
                                                         .program = text.s,
                                                         .sizes = sizes},
                                     &workload, err));
    SMALL_CHECK(hone_db_target_put(
        l->db, &(hone_db_target){.text = target_text, .threads = threads, .class = class}, &target,
        err));
    SMALL_CHECK(hone_db_record_put(l->db,
                                   &(hone_db_record){.workload_id = workload,
                                                     .target_id = target,
                                                     .trace_hash = hone_trace_hash(trace),
                                                     .trace = body,
                                                     .time_ns = time_ns,
                                                     .session_id = l->session,
                                                     .checked = "reference"},
                                   NULL, 0, NULL, NULL, err));
    free(class);
    free(body);
    free(sizes);
    free(target_text);
    hone_buf_free(&text);
    hone_program_fini(&p);
}

/* A session of such records, or what it has noted since, as JSON. */
static inline void log_session(test_log *l, const char *state)
{
    SMALL_CHECK(hone_db_session_save(l->db, &(hone_db_session){.id = l->session, .state = state},
                                     &l->session, err));
}

static inline hone_space *space_for(mnk size, const hone_target *t, int32_t threads)
{
    hone_program p = product(size);
    hone_space *sp;
    SMALL_CHECK(
        hone_space_new(&p, &(hone_space_options){.target = t, .threads = threads}, &sp, err));
    hone_program_fini(&p);
    return sp;
}

/* n candidates drawn from the space, with the times of a simulated machine. */
static inline void log_tune(test_log *l, mnk size, const hone_target *t, int32_t threads,
                            unsigned n)
{
    hone_space *sp = space_for(size, t, threads);
    hone_sched s = {0};
    hone_features f = {0};
    hone_rng rng;
    hone_rng_seed(&rng, 5);
    SMALL_CHECK(hone_db_begin(l->db, err));
    while (n > 0) {
        if (hone_space_sample(sp, &rng, &s, NULL) != HONE_OK)
            continue;
        hone_features_extract(&s.prog, t, threads, NULL, &f);
        log_put(l, size, t, threads, &s.trace,
                llround(small_ns(&f, hone_trace_hash(&s.trace))) + 1);
        n--;
    }
    SMALL_CHECK(hone_db_commit(l->db, err));
    hone_features_free(&f);
    hone_sched_fini(&s);
    hone_space_free(sp);
}

typedef struct inquiry {
    mnk size;
    const hone_target *target;
    int32_t threads;
    hone_rung lowest;
    bool explain;
} inquiry;

/* The answer's schedule is what its trace says, passes the verifier, and keeps to the target. */
static inline void check_answer(const hone_program *p, const inquiry *a,
                                const hone_lookup_answer *ret)
{
    hone_sched again = {.intrins = ret->intrins, .target = a->target};
    assert_true(ret->reason && strlen(ret->reason) > 10 && !strchr(ret->reason, '/'));
    assert_true(ret->share > 0 && ret->share <= 1);
    assert_true((ret->time_ns > 0) == (ret->rung == HONE_RUNG_exact));
    assert_true(ret->steps[ret->rung].taken && ret->rung <= a->lowest);
    SMALL_CHECK(hone_trace_replay(&ret->sched.trace, p, &again, NULL, false, err));
    assert_true(hone_program_hash(&again.prog) == hone_program_hash(&ret->sched.prog));
    SMALL_CHECK(hone_verify(&again.prog, err));
    hone_sched_fini(&again);
}

static inline hone_status ask_logs(hone_db *const *logs, unsigned n, const inquiry *a,
                                   hone_lookup_answer *ret, hone_error *err)
{
    hone_program p = product(a->size);
    char *sizes = sizes_text(a->size);
    hone_status st = hone_lookup(&(hone_lookup_question){.program = &p,
                                                         .sizes = sizes,
                                                         .title = "matmul",
                                                         .target = a->target,
                                                         .threads = a->threads,
                                                         .logs = logs,
                                                         .n_logs = n,
                                                         .lowest = a->lowest,
                                                         .explain = a->explain},
                                 ret, err);
    if (st == HONE_OK)
        check_answer(&p, a, ret);
    free(sizes);
    hone_program_fini(&p);
    return st;
}

#endif
