/* A database of N records: how fast results are stored in groups, and how long the question of a
 * build script takes on a cold file (page cache dropped, new handle).
 *
 *   db_query FILE [N=1000000] [GROUP=256]
 *
 * FILE must not exist; it is left behind. Prints one line per number. */
#include "db/db.h"

#include <fcntl.h>
#include <unistd.h>

enum { WORKLOADS = 100, SAMPLES = 4 };

static void die(const hone_error *e)
{
    fprintf(stderr, "db_query: %s\n", e->message);
    exit(1);
}

#define TRY(call)              \
    do {                       \
        if ((call) != HONE_OK) \
            die(&e);           \
    } while (0)

static int64_t make_names(hone_db *db, int64_t workloads[WORKLOADS])
{
    hone_error e;
    int64_t target;
    hone_db_target t = {.text = "x86-64 avx512", .threads = 16, .class = "x86-64-v4"};
    TRY(hone_db_target_put(db, &t, &target, &e));
    for (uint64_t i = 0; i < WORKLOADS; i++) {
        hone_db_workload w = {.hash = i + 1,
                              .name = "matmul",
                              .class = "matmul f32",
                              .program = "kernel matmul(M, N, K) { ... }"};
        TRY(hone_db_workload_put(db, &w, &workloads[i], &e));
    }
    return target;
}

static void fill(const char *path, int64_t n, int64_t group)
{
    hone_error e;
    hone_db *db;
    int64_t workloads[WORKLOADS];
    hone_rng g;
    hone_rng_seed(&g, 1);
    TRY(hone_db_open(path, HONE_DB_WRITE | HONE_DB_CREATE, &db, &e));
    int64_t target = make_names(db, workloads);
    char trace[512];
    hone_db_sample samples[SAMPLES];
    int64_t start = hone_clock_ns();
    for (int64_t i = 0; i < n; i++) {
        if (i % group == 0)
            TRY(hone_db_begin(db, &e));
        uint64_t hash = hone_rng_u64(&g);
        snprintf(trace, sizeof trace,
                 "{\"insts\":[[\"get_block\",\"C\"],[\"get_loops\",0],[\"split\",1,[%d,%d,%d,%d]],"
                 "[\"split\",2,[8,2,8,4]],[\"reorder\",3,7,4,8,5,9,6,10],[\"vectorize\",10],"
                 "[\"parallel\",3]],\"tag\":%d}",
                 (int)(hash % 7), (int)(hash % 11), (int)(hash % 13), (int)(hash % 17),
                 (int)(hash % 19));
        int64_t time = 10000 + (int64_t)hone_rng_below(&g, 10000000);
        hone_db_record r = {.workload_id = workloads[i % WORKLOADS],
                            .target_id = target,
                            .trace_hash = hash,
                            .trace = trace,
                            .status = hash % 4 ? HONE_OK : HONE_REJECT_RUN_TIMEOUT,
                            .time_ns = time,
                            .checked = "reference",
                            .device = "board-7",
                            .llvm_version = "19.1.7"};
        for (int k = 0; k < SAMPLES; k++)
            samples[k] = (hone_db_sample){(double)(time + k), (double)time * 1.1};
        TRY(hone_db_record_put(db, &r, samples, r.status == HONE_OK ? SAMPLES : 0, NULL, NULL, &e));
        if (i % group == group - 1 || i == n - 1)
            TRY(hone_db_commit(db, &e));
    }
    double s = (double)(hone_clock_ns() - start) * 1e-9;
    printf("stored                 %" PRId64 " records in groups of %" PRId64 "\n", n, group);
    printf("store_per_second       %.0f\n", (double)n / s);
    hone_db_close(db);
}

static void drop_from_cache(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

static double query(const char *path, uint64_t hash)
{
    hone_error e;
    hone_db *db;
    hone_db_record r;
    int64_t start = hone_clock_ns();
    TRY(hone_db_open(path, HONE_DB_READ, &db, &e));
    TRY(hone_db_best(db, hash, "x86-64 avx512", 16, &r, &e));
    hone_db_record_free(&r);
    hone_db_close(db);
    return (double)(hone_clock_ns() - start) * 1e-6;
}

int main(int argc, char **argv)
{
    if (argc < 2 || access(argv[1], F_OK) == 0) {
        fprintf(stderr, "usage: db_query NEW_FILE [N=1000000] [GROUP=256]\n");
        return 2;
    }
    int64_t n = argc > 2 ? atoll(argv[2]) : 1000000, group = argc > 3 ? atoll(argv[3]) : 256;
    if (n < WORKLOADS * 10 || group < 1) {
        fprintf(stderr, "db_query: N is at least %d, GROUP at least 1\n", WORKLOADS * 10);
        return 2;
    }
    fill(argv[1], n, group);
    double worst = 0, sum = 0, warm = 0;
    enum { ROUNDS = 20 };
    for (uint64_t i = 0; i < ROUNDS; i++) {
        drop_from_cache(argv[1]);
        double ms = query(argv[1], i * 5 + 1);
        sum += ms;
        worst = ms > worst ? ms : worst;
        warm += query(argv[1], i * 5 + 1);
    }
    printf("query_cold_mean_ms     %.3f\n", sum / ROUNDS);
    printf("query_cold_worst_ms    %.3f\n", worst);
    printf("query_warm_mean_ms     %.3f\n", warm / ROUNDS);
    return 0;
}
