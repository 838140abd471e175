/* No kernel that is right is rejected: random candidates of every kernel that comes with hone, at
 * random sizes, built and checked as a session does it, with all data; those that go along rows as
 * f16 and bf16 too.
 *
 * HONE_SHAPES=n      of each kernel (1)          HONE_CANDIDATES=n  of each shape (2)
 * HONE_WORK=n        most steps of one (20000),  HONE_JOBS=n        processes (2)
 *                    ten times as many with a row of 50,000
 * HONE_SECONDS=n     stop after that (no end)    HONE_SEED=n        where they start (1)
 * HONE_FROM=n        shapes left out before (0), to go on where a run ended
 * HONE_ONLY=NAME     of this kernel alone
 *
 * A candidate that is rejected for its result, which is either wrong or misjudged, is printed, and
 * kept in the working directory: rejected-KERNEL-DTYPE-SHAPE-N holds its program and its trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ir/builtin.h"
#include "tests/property/harness.h"
#include "tests/workers/device_kernels.h"
#include "workers/builder.h"

#define MOST_ROWS 128
#define THREADS 2

static uint64_t number(const char *name, uint64_t fallback)
{
    const char *v = getenv(name);
    return v ? strtoull(v, NULL, 10) : fallback;
}

/* A kernel in one dtype, and what became of its candidates; shared by the processes. */
typedef struct row {
    unsigned place; /* among all kernels, which its shapes depend on */
    pair_kernel kernel;
    char dtype[8];
    uint64_t shapes, candidates;
    uint64_t unmade;   /* no candidate, or not built, or too slow */
    uint64_t silent;   /* the check says of the kernel that it shows nothing */
    uint64_t rejected; /* for what it computed or touched */
    double worst;      /* error of one that passed, in bounds */
} row;

typedef struct table {
    unsigned all; /* rows that there would be without HONE_ONLY */
    unsigned n;
    int64_t until_ns;
    bool broken; /* something else failed */
    row rows[MOST_ROWS];
} table;

/* ---- kernels --------------------------------------------------------------------------------- */

static void add_rows(table *t, const char *text, const char *dtype)
{
    hone_kernel_list l = {0};
    hone_error err = {0};
    const char *only = getenv("HONE_ONLY");
    if (hone_workload_list("rows", text, strlen(text), &l, &err) != HONE_OK)
        fail_msg("%s", err.message);
    for (uint32_t k = 0; k < l.n; k++) {
        unsigned place = t->all++;
        if (only && strcmp(only, l.v[k].name))
            continue;
        assert_true(t->n < MOST_ROWS);
        row *r = &t->rows[t->n++];
        r->place = place;
        r->kernel = pair_kernel_of(&l.v[k], text);
        snprintf(r->dtype, sizeof r->dtype, "%s", dtype);
    }
    hone_kernel_list_free(&l);
}

/* The text with another dtype in the place of f32; the caller frees. */
static char *retyped(const char *text, const char *dtype)
{
    hone_buf b = {0};
    for (const char *at; (at = strstr(text, "f32")); text = at + 3) {
        hone_buf_add(&b, text, (size_t)(at - text));
        hone_buf_puts(&b, dtype);
    }
    hone_buf_puts(&b, text);
    return hone_buf_take(&b);
}

/* ---- candidates ------------------------------------------------------------------------------ */

typedef struct worker {
    table *t;
    hone_nursery *nursery;
    hone_builder *builder;
    hone_target target;
    char *target_text;
} worker;

static bool is_verdict_on_result(hone_status st)
{
    return st == HONE_REJECT_WRONG_RESULT || st == HONE_REJECT_OUT_OF_BOUNDS ||
           st == HONE_REJECT_CRASH || st == HONE_REJECT_NONZERO || st == HONE_REJECT_SYSCALL ||
           st == HONE_REJECT_ARTIFACT;
}

static void complain(worker *w, const char *what, hone_status st, const hone_error *err)
{
    print_error("%s: %s: %s\n", what, hone_status_name(st), err->message);
    w->t->broken = true;
}

static void keep(const row *r, const char *what, const char *program, const char *trace,
                 const char *why, unsigned shape_no, unsigned n)
{
    hone_buf b = {0};
    char path[160];
    hone_buf_printf(&b, "# %s: %s\n%s---\n%s\n", what, why, program, trace);
    snprintf(path, sizeof path, "rejected-%s-%s-%u-%u", r->kernel.name, r->dtype, shape_no, n);
    if (hone_file_write(path, b.s, b.n, NULL) != HONE_OK)
        print_error("%s cannot be written\n", path);
    hone_buf_free(&b);
}

typedef struct candidates {
    hone_space *space;
    hone_artifact oracle;
    const char *program, *what;
    unsigned shape_no;
} candidates;

static void one_candidate(worker *w, row *r, const candidates *of, hone_rng *rng, hone_sched *s,
                          unsigned n)
{
    hone_error err = {0};
    hone_artifact a = {0};
    hone_measure_result m;
    hone_build_job job = {.id = 1,
                          .workload = of->program,
                          .target = w->target_text,
                          .threads = THREADS,
                          .deadline_ms = 60000};
    r->candidates++;
    hone_status st = hone_space_sample(of->space, rng, s, &err);
    char *trace = st == HONE_OK ? hone_trace_text(&s->trace) : NULL;
    job.trace = trace;
    if (st == HONE_OK)
        st = hone_builder_build(w->builder, &job, &a, &err);
    if (st == HONE_OK) {
        hone_measure_job check = plain_job(&a, &of->oracle);
        check.threads = THREADS;
        check.tolerance = HONE_TOLERANCE;
        check.data_seed = of->shape_no * 100 + n / 8; /* the oracle is asked once for each */
        check.min_samples = check.max_samples = 1;
        st = run_job(w->nursery, &check, &m, &err);
        if (st == HONE_OK && m.max_error > r->worst)
            r->worst = m.max_error;
    }
    if (is_verdict_on_result(st)) {
        r->rejected++;
        print_error("%s: %s: %s\n", of->what, hone_status_name(st), err.message);
        keep(r, of->what, of->program, trace, err.message, of->shape_no, n);
    } else if (hone_status_is_reject(st)) {
        r->unmade++;
    } else if (st == HONE_E_REFERENCE && strstr(err.message, "shows nothing")) {
        r->silent++;
    } else if (st != HONE_OK) {
        complain(w, of->what, st, &err);
    }
    hone_artifact_free(&a);
    free(trace);
}

static void one_shape(worker *w, row *r, unsigned shape_no, uint64_t seed)
{
    hone_rng rng;
    pair_shape sizes;
    hone_program p = {0};
    hone_error err = {0};
    char what[512];
    hone_rng_seed(&rng, seed);
    if (!pair_shape_draw(&r->kernel, &rng, (int64_t)number("HONE_WORK", 20000),
                         hone_rng_below(&rng, 4) == 0, &sizes, &p))
        return;
    pair_shape_print(&r->kernel, r->dtype, &sizes, what, sizeof what);
    hone_buf b = {0};
    hone_program_print(&p, &b);
    candidates of = {.program = b.s, .what = what, .shape_no = shape_no};
    hone_build_job job = {.id = 1,
                          .workload = b.s,
                          .target = w->target_text,
                          .threads = THREADS,
                          .reference = 1,
                          .deadline_ms = 60000};
    hone_space_options o = {.target = &w->target, .threads = THREADS};
    hone_status st = hone_builder_build(w->builder, &job, &of.oracle, &err);
    if (st == HONE_OK)
        st = hone_space_new(&p, &o, &of.space, &err);
    if (st != HONE_OK)
        complain(w, what, st, &err);
    hone_sched s = {0};
    uint64_t n = st == HONE_OK ? number("HONE_CANDIDATES", 2) : 0;
    for (unsigned k = 0; k < n && hone_clock_ns() < w->t->until_ns; k++)
        one_candidate(w, r, &of, &rng, &s, k);
    r->shapes++;
    hone_sched_fini(&s);
    hone_space_free(of.space);
    hone_artifact_free(&of.oracle);
    hone_buf_free(&b);
    hone_program_fini(&p);
}

/* Its share of the shapes: first one of each kernel, then another. Each row has one process only,
 * so that counting needs no lock. */
static int work(table *t, unsigned which, unsigned of)
{
    worker w = {.t = t};
    hone_error err = {0};
    if (hone_nursery_start(SANDBOX, NULL, 0, &w.nursery, &err) != HONE_OK ||
        hone_target_native(&w.target, &err) != HONE_OK) {
        print_error("%s\n", err.message);
        return 1;
    }
    w.builder = hone_builder_new();
    w.target_text = hone_target_text(&w.target);
    unsigned from = (unsigned)number("HONE_FROM", 0);
    for (unsigned shape_no = from; shape_no < from + number("HONE_SHAPES", 1); shape_no++)
        for (unsigned k = which; k < t->n && hone_clock_ns() < t->until_ns; k += of)
            one_shape(&w, &t->rows[k], shape_no,
                      hone_hash_mix(number("HONE_SEED", 1), t->rows[k].place * 1000 + shape_no));
    free(w.target_text);
    hone_builder_free(w.builder);
    hone_nursery_stop(w.nursery);
    return 0;
}

static void no_candidate_is_rejected(void **state)
{
    (void)state;
    size_t n;
    const char *builtin = hone_builtin_text(&n);
    char *rows;
    hone_error err = {0};
    if (hone_file_read(HONE_SOURCE_DIR "/workloads/rows.hone", 1 << 20, &rows, &n, &err) != HONE_OK)
        fail_msg("%s", err.message);
    char *f16 = retyped(rows, "f16"), *bf16 = retyped(rows, "bf16");
    table *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(t != MAP_FAILED);
    t->until_ns = hone_clock_ns() + (int64_t)number("HONE_SECONDS", 1000000) * 1000000000;
    add_rows(t, builtin, "");
    add_rows(t, f16, "f16");
    add_rows(t, bf16, "bf16");
    unsigned jobs = (unsigned)number("HONE_JOBS", 2);
    fflush(stdout);
    for (unsigned k = 0; k < jobs; k++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (!pid)
            _exit(work(t, k, jobs));
    }
    for (unsigned k = 0; k < jobs; k++) {
        int status;
        assert_true(wait(&status) > 0);
        t->broken |= status != 0;
    }
    uint64_t shapes = 0, tried = 0, rejected = 0;
    printf("%-28s %-5s %7s %10s %7s %7s %8s %8s\n", "kernel", "dtype", "shapes", "candidates",
           "unmade", "silent", "rejected", "worst");
    for (unsigned k = 0; k < t->n; k++) {
        const row *r = &t->rows[k];
        printf("%-28s %-5s %7" PRIu64 " %10" PRIu64 " %7" PRIu64 " %7" PRIu64 " %8" PRIu64
               " %8.3g\n",
               r->kernel.name, r->dtype, r->shapes, r->candidates, r->unmade, r->silent,
               r->rejected, r->worst);
        shapes += r->shapes;
        tried += r->candidates;
        rejected += r->rejected;
    }
    printf("%" PRIu64 " shapes, %" PRIu64 " candidates, %" PRIu64 " rejected\n", shapes, tried,
           rejected);
    fflush(stdout);
    bool good = !t->broken && rejected == 0 && shapes > 0;
    munmap(t, sizeof *t);
    free(rows);
    free(f16);
    free(bf16);
    assert_true(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_candidate_is_rejected)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
