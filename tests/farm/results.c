/* How many results a second a service logs durably, and what each costs: from a worker's socket
 * through the farm and a group commit to the worker's ACK, the session's record and the next unit.
 * What searching and building cost is not in it: sittings have recorded candidates (recorded.c),
 * light workers recorded times, and those speak without libzmq (zmtp.h), which would take as much
 * of the machine as the service.
 *
 *   farm_results [--devices N] [--jobs N] [--seconds S] [--most N]
 *
 * There are more jobs (32) than users (16), so that a device that is free finds something open, as
 * it does on a farm that is used: else each result would wait for two commits, its own and that of
 * what its session asks for then.
 *
 * Prints results a second and the service's memory each tenth of the time, then the time from a
 * result's arrival to its being durable, processor time by thread, and commits. --most: ends after
 * so many results. Exit code 1: a result was acknowledged that the log does not have. */
#include "tests/farm/watch.h"

#define PERSONS 16 /* each may have 64 units in flight */

static struct {
    long devices, jobs, seconds, most;
} ask = {.devices = 1000, .jobs = 32, .seconds = 60, .most = 1000000000};

static uint64_t acknowledged(void)
{
    return shared->acked[HONE_ACK_TAKEN];
}

static void submit_jobs(void)
{
    for (long k = 0; k < ask.jobs; k++) {
        char who[16], request[32];
        snprintf(who, sizeof who, "u%ld", k % PERSONS);
        snprintf(request, sizeof request, "r%ld", k);
        long each = ask.most / ask.jobs + (k < ask.most % ask.jobs);
        check(light_submit(endpoint, who, request, 32 + 8 * (int)k, (int)each, 1) > 0,
              "a job is not taken");
    }
}

static void watch(pid_t service)
{
    int64_t start = hone_clock_ns(), step = ask.seconds * 100, next = step;
    uint64_t before = acknowledged(), first = before;
    double was = 0, best = 0, s = 0;
    while (s < (double)ask.seconds && acknowledged() < (uint64_t)ask.most) {
        pause_ms(20);
        s = seconds_since(start);
        if (s * 1000 < (double)next)
            continue;
        next += step;
        uint64_t n = acknowledged();
        double rate = (double)(n - before) / (s - was);
        best = rate > best ? rate : best;
        printf("%6.1f s: %9" PRIu64 " results, %6.0f a second, %4.0f MB\n", s, n, rate,
               resident_mb(service));
        before = n;
        was = s;
    }
    s = seconds_since(start);
    printf("%" PRIu64 " results in %.1f s: %.0f a second, %.0f in the best tenth\n",
           acknowledged() - first, s, (double)(acknowledged() - first) / s, best);
}

static void print_service(pid_t service, pid_t lights, const times *was, const times *lights_was)
{
    uint64_t n = acknowledged();
    printf("from a result's arrival to its being durable: p50 %.1f ms, p99 %.1f ms\n",
           1e3 * light_metric(endpoint, "hone_result_durable_seconds{quantile=\"0.5\"}"),
           1e3 * light_metric(endpoint, "hone_result_durable_seconds{quantile=\"0.99\"}"));
    double commits = light_metric(endpoint, "hone_db_commits_total");
    printf("commits of the farm %.0f, rows in them %.0f (%.1f a result)\n", commits,
           light_metric(endpoint, "hone_db_rows_total"),
           light_metric(endpoint, "hone_db_rows_total") / (double)n);
    print_threads("the service", service, was, n);
    print_threads("the light workers", lights, lights_was, n);
}

static void run(void)
{
    uint64_t n = (uint64_t)ask.devices + 1;
    shared->bare = true;
    pid_t lights = light_start(shared, endpoint, (unsigned)ask.devices, 1, 0);
    pid_t service = light_service(endpoint, db_path, NULL);
    int64_t start = hone_clock_ns();
    while (shared->welcomed < n && seconds_since(start) < 120)
        pause_ms(2);
    check(shared->welcomed >= n, "not all workers come in");
    while (shared->canaries < 99 * (uint64_t)ask.devices && seconds_since(start) < 600)
        pause_ms(20);
    printf("%ld devices are in and have their baselines after %.1f s, %.0f MB\n", ask.devices,
           seconds_since(start), resident_mb(service));
    times was = times_of(service), lights_was = times_of(lights);
    submit_jobs();
    watch(service);
    print_service(service, lights, &was, &lights_was);
    check(light_end(service, SIGTERM) == 0, "it does not end in good order");
    uint64_t stored = records(), acked = acknowledged();
    light_end(lights, SIGKILL);
    printf("the log has %" PRIu64 " records, %" PRIu64 " results were acknowledged\n", stored,
           acked);
    /* What a sitting was given when it was told to end is a result of the farm, and no record. */
    check(stored + (uint64_t)ask.jobs * 64 >= acked, "records are missing");
    check(acked > 0, "there are no results");
    check_log();
}

int main(int argc, char **argv)
{
    const program_option options[] = {{"--devices", &ask.devices, NULL},
                                      {"--jobs", &ask.jobs, NULL},
                                      {"--seconds", &ask.seconds, NULL},
                                      {"--most", &ask.most, NULL}};
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!program_options(argc, argv, options, HONE_LEN(options))) {
        fprintf(stderr, "farm_results [--devices N] [--jobs N] [--seconds S] [--most N]\n");
        return 2;
    }
    program_begin("results");
    run();
    return program_end();
}
