/* How long an answer of each rung takes from a log of many records, with the log opened and closed
 * each time, as a build does it, and the file in the page cache.
 *
 *   bench_query_latency FILE [RECORDS=100000] [ROUNDS=300]
 *
 * FILE is made if it is not there, and left behind: a hundred products of matrices, each with its
 * default schedule and some drawn from its space, on five targets, of which every tenth kernel
 * lacks two. A second run, as one who may not write to the folder, measures that case. Prints one
 * line per rung: by the clock on the wall, which counts what else runs, and by the processor's. */
#include "costmodel/costmodel.h"
#include "ir/builtin.h"
#include "tuner/lookup/lookup.h"

#include <math.h>
#include <time.h>
#include <unistd.h>

enum { KERNELS = 100, TARGETS = 5, CLASS_ONLY = 10 };

static void die(const hone_error *e)
{
    fprintf(stderr, "bench_query_latency: %s\n", e->message);
    exit(1);
}

#define TRY(call)              \
    do {                       \
        if ((call) != HONE_OK) \
            die(&e);           \
    } while (0)

/* Kernel k; those from KERNELS on are in no log. */
static void sizes_of(unsigned k, hone_size ret[3])
{
    ret[0] = (hone_size){"M", 32 + 16 * (k % 10)};
    ret[1] = (hone_size){"N", 48 + 16 * (k / 10)};
    ret[2] = (hone_size){"K", 64};
}

static hone_program program_of(unsigned k, char sizes[64])
{
    hone_error e;
    hone_size s[3];
    hone_program p = {0};
    size_t n;
    const char *text = hone_builtin_text(&n);
    sizes_of(k, s);
    TRY(hone_workload_parse("built-in", text, n, "matmul", s, 3, &p, &e));
    snprintf(sizes, 64, "{\"K\":%" PRId64 ",\"M\":%" PRId64 ",\"N\":%" PRId64 "}", s[2].value,
             s[0].value, s[1].value);
    return p;
}

static hone_target target_of(unsigned k, int32_t *ret_threads)
{
    hone_target t = {.triple = "x86_64-pc-linux-gnu",
                     .cpu = "znver4",
                     .cores = 8,
                     .vector_bytes = 64,
                     .vector_registers = 32,
                     .fma_latency = 4,
                     .fma_per_cycle = 1,
                     .cache_line = 64,
                     .l1_bytes = 32 << 10,
                     .l2_bytes = 1 << 20,
                     .l3_bytes = 32 << 20};
    static const int32_t threads[TARGETS] = {1, 2, 1, 1, 4};
    *ret_threads = threads[k];
    t.l3_bytes <<= k == 2;
    if (k == 3) {
        snprintf(t.cpu, sizeof t.cpu, "haswell");
        t.vector_bytes = 32;
        t.vector_registers = 16;
    }
    return t;
}

/* ---- the log --------------------------------------------------------------------------------- */

/* As a session leaves it, with the hash of its default's trace. */
static int64_t put_session(hone_db *db, int64_t workload, int64_t target, const hone_space *sp)
{
    hone_error e;
    hone_sched s = {0};
    bool found = false;
    int64_t ret;
    char hash[17];
    TRY(hone_space_default(sp, &s, &found, &e));
    hone_hash_format(hone_trace_hash(&s.trace), hash);
    char *state = hone_xasprintf("{\"default\": [\"%s\"], \"strategy\": \"evolution\"}", hash);
    TRY(hone_db_session_save(
        db, &(hone_db_session){.workload_id = workload, .target_id = target, .state = state}, &ret,
        &e));
    free(state);
    hone_sched_fini(&s);
    return ret;
}

static void put_kernel(hone_db *db, unsigned k, int64_t each, hone_rng *rng)
{
    hone_error e;
    char sizes[64];
    hone_program p = program_of(k, sizes);
    hone_buf text = {0};
    int64_t workload, targets[TARGETS], sessions[TARGETS];
    int32_t threads;
    hone_program_print(&p, &text);
    TRY(hone_db_workload_put(db,
                             &(hone_db_workload){.hash = hone_program_hash(&p),
                                                 .name = "matmul",
                                                 .class = "matmul",
                                                 .program = text.s,
                                                 .sizes = sizes},
                             &workload, &e));
    for (unsigned i = 0; i < TARGETS; i++) {
        hone_target t = target_of(i, &threads);
        char *name = hone_target_text(&t), *class = hone_target_class(&t);
        TRY(hone_db_target_put(db,
                               &(hone_db_target){.text = name, .threads = threads, .class = class},
                               &targets[i], &e));
        free(name);
        free(class);
    }
    hone_target t = target_of(0, &threads);
    hone_space *sp;
    hone_sched s = {0};
    hone_features f = {0};
    TRY(hone_space_new(&p, &(hone_space_options){.target = &t, .threads = 1}, &sp, &e));
    TRY(hone_db_begin(db, &e));
    for (unsigned i = 0; i < TARGETS; i++)
        sessions[i] = put_session(db, workload, targets[i], sp);
    for (int64_t n = 0; n < each;) {
        bool found = false;
        if (n == 0)
            TRY(hone_space_default(sp, &s, &found, &e));
        if (!found && hone_space_sample(sp, rng, &s, NULL) != HONE_OK)
            continue;
        n++;
        hone_features_extract(&s.prog, &t, 1, NULL, &f); /* what is fast is to be plausible */
        char *trace = hone_trace_text(&s.trace);
        for (unsigned i = 0; i < TARGETS; i++) {
            if (k % 10 == 9 && (i == 0 || i == 2))
                continue;
            hone_db_record r = {.workload_id = workload,
                                .target_id = targets[i],
                                .trace_hash = hone_trace_hash(&s.trace) + (uint64_t)n - 1,
                                .trace = trace,
                                .session_id = sessions[i],
                                .time_ns =
                                    1 + llround(f.draft_ns) + (int64_t)hone_rng_below(rng, 100),
                                .checked = "reference"};
            TRY(hone_db_record_put(db, &r, NULL, 0, NULL, NULL, &e));
        }
        free(trace);
    }
    TRY(hone_db_commit(db, &e));
    hone_buf_free(&text);
    hone_features_free(&f);
    hone_sched_fini(&s);
    hone_space_free(sp);
    hone_program_fini(&p);
}

static void fill(const char *path, int64_t records)
{
    hone_error e;
    hone_db *db;
    hone_rng rng;
    uint64_t n;
    hone_rng_seed(&rng, 1);
    TRY(hone_db_open(path, HONE_DB_WRITE | HONE_DB_CREATE, &db, &e));
    for (unsigned k = 0; k < KERNELS; k++)
        put_kernel(db, k, records / (KERNELS * TARGETS - 2 * CLASS_ONLY) + 1, &rng);
    TRY(hone_db_record_count(db, "x86_64/avx512", &n, &e));
    hone_db_close(db);
    printf("records                %" PRId64 " asked for, %" PRIu64 " of avx512\n", records, n);
}

/* ---- the questions --------------------------------------------------------------------------- */

typedef struct took {
    double wall_ms, cpu_ms;
    bool passed; /* found, and passed over by the guard */
} took;

/* Of all threads: XGBoost has some. */
static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static took ask(const char *path, hone_rung rung, unsigned kernel)
{
    hone_error e;
    hone_db *db;
    char sizes[64];
    int32_t threads;
    hone_program p = program_of(kernel, sizes);
    hone_target t = target_of(0, &threads);
    hone_lookup_answer a;
    double cpu = cpu_ms();
    int64_t start = hone_clock_ns();
    TRY(hone_db_open(path, HONE_DB_READ, &db, &e));
    hone_status st = hone_lookup(&(hone_lookup_question){.program = &p,
                                                         .sizes = sizes,
                                                         .title = "matmul",
                                                         .target = &t,
                                                         .threads = threads,
                                                         .logs = &db,
                                                         .n_logs = 1,
                                                         .lowest = rung},
                                 &a, &e);
    if (st != HONE_OK && st != HONE_E_NOTFOUND)
        die(&e);
    hone_db_close(db);
    took ret = {.wall_ms = (double)(hone_clock_ns() - start) * 1e-6,
                .cpu_ms = cpu_ms() - cpu,
                .passed = st != HONE_OK};
    if (st == HONE_OK && a.rung < rung) {
        fprintf(stderr, "bench_query_latency: kernel %u was answered by rung %s\n", kernel,
                hone_rung_name(a.rung));
        exit(1);
    }
    hone_lookup_free(&a);
    hone_program_fini(&p);
    return ret;
}

static void measure(const char *path, hone_rung rung, unsigned rounds)
{
    double *wall = hone_xcalloc(rounds, sizeof *wall), *cpu = hone_xcalloc(rounds, sizeof *cpu);
    unsigned passed = 0;
    for (unsigned k = 0; k < rounds; k++) {
        unsigned kernel = rung == HONE_RUNG_exact   ? k * 7 % 90 / 9 * 10 + k % 9
                          : rung == HONE_RUNG_class ? k % 10 * 10 + 9
                                                    : KERNELS + k % 100;
        took t = ask(path, rung, kernel);
        wall[k] = t.wall_ms;
        cpu[k] = t.cpu_ms;
        passed += t.passed;
    }
    hone_sort(wall, rounds);
    hone_sort(cpu, rounds);
    printf(
        "%-22s p50 %.3f ms, p99 %.3f ms; of the processor %.3f and %.3f; of %u, %u of them passed "
        "over by the guard\n",
        hone_rung_name(rung), wall[rounds / 2], wall[rounds * 99 / 100], cpu[rounds / 2],
        cpu[rounds * 99 / 100], rounds, passed);
    free(wall);
    free(cpu);
}

int main(int argc, char **argv)
{
    int64_t records = argc > 2 ? strtoll(argv[2], NULL, 10) : 100000,
            rounds = argc > 3 ? strtoll(argv[3], NULL, 10) : 300;
    if (argc < 2 || argc > 4 || records < 1000 || rounds < 1 || rounds > 1000000) {
        fprintf(stderr, "usage: bench_query_latency FILE [RECORDS=100000] [ROUNDS=300]\n");
        return 2;
    }
    if (access(argv[1], F_OK) != 0)
        fill(argv[1], records);
    double load = 0;
    if (getloadavg(&load, 1) == 1)
        printf("load                   %.1f\n", load);
    for (unsigned r = HONE_RUNG_exact; r <= HONE_RUNG_nearest; r++)
        measure(argv[1], (hone_rung)r, (unsigned)rounds);
    return 0;
}
