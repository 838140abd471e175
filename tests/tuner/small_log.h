/* A log of a few kernels as sessions would have left it, measured on the simulated machine: times,
 * rejections, the programs as written, and what a reader must pass over. */
#ifndef HONE_TESTS_SMALL_LOG_H
#define HONE_TESTS_SMALL_LOG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/costmodel/simulated.h"
#include "tuner/tuner.h"

#include <unistd.h>

#define SMALL_LOG_EACH 56 /* candidates of each kernel, of which each eighth is rejected */

typedef struct small_result {
    uint64_t hash, workload;
    double ns; /* 0: rejected */
    int32_t threads;
    bool other; /* of the other class */
    unsigned seen;
} small_result;

typedef struct small_log {
    char folder[64];
    char *path, *class;
    hone_db *db; /* the writer */
    hone_target target;
    HONE_VEC(small_result) v; /* what may be learned from */
    uint32_t kernels;
} small_log;

#define SMALL_CHECK(call)                                       \
    do {                                                        \
        hone_error check_e = {0};                               \
        hone_error *err = &check_e;                             \
        if ((call) != HONE_OK)                                  \
            fail_msg("line %d: %s", __LINE__, check_e.message); \
    } while (0)

/* A device that all kernels share and the draft knows half of: code of one size suits it. */
static inline double small_ns(const hone_features *f, uint64_t hash)
{
    double apart = 0;
    for (uint32_t r = 0; r < f->rows; r++)
        apart =
            fmax(apart, fabs((double)f->v.v[r * HONE_N_FEATURES + HONE_FEATURE_code_bytes] - 8));
    return 1000 * pow(simulated_ns(f, hash, 1, 0.01) / 1000, 0.25) * exp(0.7 * apart);
}

static inline void small_put(small_log *l, hone_db_record r)
{
    r.status = r.time_ns ? HONE_OK : HONE_REJECT_RUN_TIMEOUT;
    r.checked = "reference";
    SMALL_CHECK(hone_db_record_put(l->db, &r, NULL, 0, NULL, NULL, err));
}

/* One kernel with so many threads; `other`: on a target of another class. */
static inline void small_kernel(small_log *l, const char *name, const hone_size *sizes, unsigned n,
                                int32_t threads, bool other)
{
    hone_space *sp = simulated_space(name, sizes, n, threads);
    hone_buf text = {0}, json = {0};
    hone_sched s = {0};
    hone_features f = {0};
    hone_rng rng;
    hone_target t = l->target;
    int64_t workload, target;
    t.l3_bytes <<= other; /* another text */
    char *target_text = hone_target_text(&t);
    hone_program_print(&sp->base, &text);
    for (unsigned k = 0; k < n; k++)
        hone_buf_printf(&json, "%s\"%s\":%" PRId64, k ? "," : "{", sizes[k].name, sizes[k].value);
    hone_buf_puts(&json, "}");
    SMALL_CHECK(hone_db_workload_put(l->db,
                                     &(hone_db_workload){.hash = hone_program_hash(&sp->base),
                                                         .name = name,
                                                         .class = name,
                                                         .program = text.s,
                                                         .sizes = json.s},
                                     &workload, err));
    SMALL_CHECK(hone_db_target_put(l->db,
                                   &(hone_db_target){.text = target_text,
                                                     .threads = threads,
                                                     .class = other ? "other/base" : l->class},
                                   &target, err));
    const hone_db_record blank = {.workload_id = workload, .target_id = target};
    hone_db_record r = blank;
    SMALL_CHECK(hone_db_begin(l->db, err));
    /* passed over: the program as written, another space, a trace that does not replay */
    r.trace = "[[],[]]";
    r.time_ns = 5000000;
    small_put(l, r);
    r.trace_hash = 1;
    r.space_version = HONE_SPACE_VERSION + 1;
    small_put(l, r);
    r.trace_hash = 2;
    r.space_version = HONE_SPACE_VERSION;
    r.trace = "[[[\"Split\"]],[]]";
    small_put(l, r);
    hone_rng_seed(&rng, 3);
    uint32_t from = l->v.n;
    while (l->v.n < from + SMALL_LOG_EACH) {
        if (hone_space_sample(sp, &rng, &s, NULL) != HONE_OK)
            continue;
        uint64_t hash = hone_trace_hash(&s.trace);
        bool known = false;
        for (uint32_t k = from; k < l->v.n; k++)
            known |= l->v.v[k].hash == hash;
        if (known)
            continue;
        hone_features_extract(&s.prog, &l->target, threads, NULL, &f);
        char *trace = hone_trace_text(&s.trace);
        r = blank;
        r.trace = trace;
        r.trace_hash = hash;
        r.time_ns = l->v.n % 8 == 7 ? 0 : llround(small_ns(&f, hash));
        r.compare_ns = r.time_ns ? r.time_ns + 3 : 0; /* which is the one to be told */
        small_put(l, r);
        hone_vec_push(&l->v, (small_result){.hash = hash,
                                            .workload = hone_program_hash(&sp->base),
                                            .ns = (double)r.compare_ns,
                                            .threads = threads,
                                            .other = other});
        free(trace);
    }
    SMALL_CHECK(hone_db_commit(l->db, err));
    l->kernels++;
    free(target_text);
    hone_buf_free(&text);
    hone_buf_free(&json);
    hone_features_free(&f);
    hone_sched_fini(&s);
    hone_space_free(sp);
}

static inline void small_log_open(small_log *l)
{
    *l = (small_log){.target = simulated_target()};
    snprintf(l->folder, sizeof l->folder, "/tmp/hone-log-XXXXXX");
    assert_non_null(mkdtemp(l->folder));
    l->path = hone_xasprintf("%s/hone.db", l->folder);
    l->class = hone_target_class(&l->target);
    SMALL_CHECK(hone_db_open(l->path, HONE_DB_WRITE | HONE_DB_CREATE, &l->db, err));
}

/* Five kernels of one class and thread, one of two threads, one of another class. */
static inline void small_log_fill(small_log *l)
{
    static const int64_t mnk[][3] = {{64, 48, 32}, {96, 128, 64}, {33, 65, 77}, {256, 64, 128}};
    for (unsigned k = 0; k < HONE_LEN(mnk); k++) {
        const hone_size sizes[] = {{"M", mnk[k][0]}, {"N", mnk[k][1]}, {"K", mnk[k][2]}};
        small_kernel(l, "matmul", sizes, 3, 1, false);
    }
    const hone_size batch[] = {{"B", 4}, {"M", 32}, {"N", 48}, {"K", 64}},
                    two[] = {{"M", 80}, {"N", 64}, {"K", 48}};
    small_kernel(l, "batch_matmul", batch, 4, 1, false);
    small_kernel(l, "matmul", two, 3, 2, false);
    small_kernel(l, "matmul", two, 3, 1, true);
}

static inline void small_log_close(small_log *l)
{
    hone_db_close(l->db);
    char *command = hone_xasprintf("rm -rf %s", l->folder);
    assert_int_equal(system(command), 0);
    free(command);
    free(l->path);
    free(l->class);
    hone_vec_free(&l->v);
}

#endif
