/* A service under load: light workers (light.h) answer at once what real ones would take long for,
 * so that what is measured is the service alone.
 *
 *   farm_load [--devices N] [--builders N] [--jobs N] [--trials N]
 *   farm_load --endless [--seconds S] [--devices N] [--builders N] [--jobs N]
 *   farm_load --shares [--seconds S] [--measure-ms MS] [--quantum-ms MS]
 *
 * The first prints results a second, from a result's arrival to its being durable, the service's
 * memory, and how long all workers need to be back after the service was killed. The second has
 * jobs that do not end, and prints the memory each half minute. The third lets two users and a key
 * of a CI system share three devices, and prints who got what and waited how long. Exit code 1:
 * something was lost, or somebody starved.
 *
 * Shares are of what all want: a device that finds nothing of one user waiting goes to another at
 * once. So they are judged by the time in which measurements of each user waited for a device, and
 * the run goes on until there was enough of it, however slow the sessions are on a busy machine. */
#include "tests/farm/watch.h"

static struct {
    long devices, builders, jobs, trials, seconds, measure_ms, quantum_ms;
    bool shares, endless;
} ask = {
    .devices = 1000, .builders = 4, .jobs = 48, .trials = 500, .seconds = 60, .measure_ms = 100};

static void wait_until_in(uint64_t welcomed, double most_s)
{
    int64_t start = hone_clock_ns();
    while (shared->welcomed < welcomed && seconds_since(start) < most_s)
        pause_ms(2);
}

/* ---- load ------------------------------------------------------------------------------------ */

static void submit_jobs(void)
{
    for (long k = 0; k < ask.jobs; k++) {
        char who[16], request[32];
        snprintf(who, sizeof who, "u%ld", k % 16);
        snprintf(request, sizeof request, "r%ld", k);
        check(light_submit(endpoint, who, request, 32 + 8 * (int)k, (int)ask.trials, 1) > 0,
              "a job is not taken");
    }
}

/* Memory is looked at when so many records are there. */
static void run_jobs(pid_t service, double mb[3])
{
    uint64_t all = (uint64_t)(ask.jobs * ask.trials), n = 0, last = 0;
    int64_t start = 0, first_ns = 0, last_ns = hone_clock_ns();
    double best = 0, rate;
    mb[0] = resident_mb(service);
    for (bool more = true; more;) {
        pause_ms(500);
        n = records();
        int64_t now = hone_clock_ns();
        if (n > 0 && !start)
            start = first_ns = now;
        rate = (double)(n - last) / ((double)(now - last_ns) / 1e9);
        best = first_ns && rate > best ? rate : best;
        if (n != last)
            last_ns = now, last = n;
        if (n >= all / 2 && mb[1] == 0)
            mb[1] = resident_mb(service);
        more = n < all && seconds_since(last_ns) < 120;
        if (n == last && seconds_since(last_ns) > 3) /* do they end earlier? */
            more = more && light_jobs_in(endpoint, "done") < (unsigned)ask.jobs;
    }
    mb[2] = resident_mb(service);
    double s = (double)(last_ns - start) / 1e9;
    printf("%" PRIu64
           " records of %ld jobs in %.1f s: %.0f a second, %.0f in the best half second\n",
           n, ask.jobs, s, s > 0 ? (double)n / s : 0, best);
    for (int k = 0; k < 1200 && light_jobs_in(endpoint, "done") < (unsigned)ask.jobs; k++)
        pause_ms(100);
    check(light_jobs_in(endpoint, "done") == (unsigned)ask.jobs, "not all jobs end");
    check(n > 0, "there are no results");
}

static void load(void)
{
    uint64_t n = (uint64_t)(ask.devices + ask.builders), before;
    double mb[3] = {0};
    int64_t start = hone_clock_ns();
    pid_t lights = light_start(shared, endpoint, (unsigned)ask.devices, (unsigned)ask.builders, 0);
    pid_t service = light_service(endpoint, db_path, NULL);
    wait_until_in(n, 180);
    check(shared->welcomed >= n, "not all workers come in");
    printf("%" PRIu64 " workers are in after %.2f s\n", n, seconds_since(start));
    start = hone_clock_ns();
    while (shared->canaries < 99 * (uint64_t)ask.devices && seconds_since(start) < 300)
        pause_ms(20);
    printf("%" PRIu64 " canaries in %.1f s: %.0f a second\n", (uint64_t)shared->canaries,
           seconds_since(start), (double)shared->canaries / seconds_since(start));
    times idle = times_of(service);
    submit_jobs();
    run_jobs(service, mb);
    printf("from a result's arrival to its being durable: p50 %.1f ms, p99 %.1f ms\n",
           1e3 * light_metric(endpoint, "hone_result_durable_seconds{quantile=\"0.5\"}"),
           1e3 * light_metric(endpoint, "hone_result_durable_seconds{quantile=\"0.99\"}"));
    printf("commits %.0f, rows %.0f, seconds in them %.1f\n",
           light_metric(endpoint, "hone_db_commits_total"),
           light_metric(endpoint, "hone_db_rows_total"),
           light_metric(endpoint, "hone_db_commit_seconds_total"));
    print_threads("the service", service, &idle, records());
    printf("memory of the service: %.0f MB at the start, %.0f in the middle, %.0f at the end\n",
           mb[0], mb[1], mb[2]);
    light_end(service, SIGKILL);
    before = shared->welcomed;
    start = hone_clock_ns();
    service = light_service(endpoint, db_path, NULL);
    wait_until_in(before + n, 180);
    check(shared->welcomed >= before + n, "not all workers come back");
    printf("after kill -9 and a start, all workers are back in %.2f s\n", seconds_since(start));
    check(light_end(service, SIGTERM) == 0, "it does not end in good order");
    light_end(lights, SIGKILL);
    check_log();
}

/* ---- without end ----------------------------------------------------------------------------- */

static void watch_memory(pid_t service)
{
    int64_t start = hone_clock_ns();
    uint64_t last = 0;
    for (double s = 0, before = 0; s < (double)ask.seconds;) {
        int64_t left = ask.seconds * 1000 - (int64_t)(s * 1000);
        pause_ms(left < 30000 ? left : 30000);
        uint64_t n = records();
        s = seconds_since(start);
        printf("%5.0f s: %8" PRIu64 " records, %5.0f a second, %4.0f MB\n", s, n,
               (double)(n - last) / (s - before), resident_mb(service));
        last = n;
        before = s;
    }
}

static void endless(void)
{
    uint64_t n = (uint64_t)(ask.devices + ask.builders);
    ask.trials = 100000000;
    pid_t lights = light_start(shared, endpoint, (unsigned)ask.devices, (unsigned)ask.builders, 0);
    pid_t service = light_service(endpoint, db_path, NULL);
    wait_until_in(n, 180);
    check(shared->welcomed >= n, "not all workers come in");
    times idle = times_of(service);
    submit_jobs();
    watch_memory(service);
    print_threads("the service", service, &idle, records());
    check(light_end(service, SIGTERM) == 0, "it does not end in good order");
    light_end(lights, SIGKILL);
    check_log();
}

/* ---- shares ---------------------------------------------------------------------------------- */

static struct person {
    const char *name, *key;
    int share, jobs;
    double device_s, first_s, gap_s; /* first_s: to the first result; gap_s: longest without one */
    double wanted_s;                 /* of device_s: while all had measurements waiting */
    int64_t done, waiting, last_ns;
} people[] = {
    {.name = "ann", .key = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", .share = 2, .jobs = 2},
    {.name = "bob", .key = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", .share = 1, .jobs = 2},
    {.name = "ci", .key = "cccccccccccccccccccccccccccccccccccccccc", .share = 1, .jobs = 6},
};

static void introduce(void)
{
    for (size_t k = 0; k < HONE_LEN(people); k++) {
        char *text = hone_xasprintf("{\"v\":1,\"verb\":\"key_add\",\"name\":\"%s\",\"key\":\"%s\","
                                    "\"roles\":[\"user\",\"admin\"],\"share\":%d}",
                                    people[k].name, people[k].key, people[k].share);
        json_t *j = light_ask(endpoint, "boss", text);
        check(json_is_true(json_object_get(j, "ok")), "a key is not taken");
        json_decref(j);
        free(text);
    }
}

/* What `jobs` says of each of them now. */
static void ask_jobs(struct person now[HONE_LEN(people)])
{
    json_t *j = light_ask(endpoint, "boss", "{\"v\":1,\"verb\":\"jobs\"}"), *one;
    size_t i;
    json_array_foreach(json_object_get(j, "jobs"), i, one)
    {
        const json_t *units = json_object_get(one, "units");
        for (size_t k = 0; k < HONE_LEN(people); k++) {
            if (strcmp(people[k].name, json_string_value(json_object_get(one, "user"))) != 0)
                continue;
            now[k].done += json_integer_value(json_object_get(units, "done"));
            now[k].waiting += json_integer_value(json_object_get(units, "waiting"));
            now[k].device_s += json_number_value(json_object_get(one, "device_s"));
        }
    }
    json_decref(j);
}

/* True: all of them had measurements waiting the last time and have now. */
static bool look(int64_t start)
{
    struct person now[HONE_LEN(people)] = {0};
    ask_jobs(now);
    int64_t at = hone_clock_ns();
    bool all_wait = true;
    for (size_t k = 0; k < HONE_LEN(people); k++)
        all_wait = all_wait && people[k].waiting > 0 && now[k].waiting > 0;
    for (size_t k = 0; k < HONE_LEN(people); k++) {
        struct person *p = &people[k];
        if (now[k].done > p->done && !p->done)
            p->first_s = (double)(at - start) / 1e9;
        else if (p->done && (double)(at - p->last_ns) / 1e9 > p->gap_s)
            p->gap_s = (double)(at - p->last_ns) / 1e9;
        if (now[k].done > p->done)
            p->last_ns = at;
        if (all_wait)
            p->wanted_s += now[k].device_s - p->device_s;
        p->done = now[k].done;
        p->waiting = now[k].waiting;
        p->device_s = now[k].device_s;
    }
    return all_wait;
}

static void print_shares(double all_waited_s)
{
    double all = 0;
    int weight = 0;
    for (size_t k = 0; k < HONE_LEN(people); k++) {
        all += people[k].wanted_s;
        weight += people[k].share;
    }
    printf("measurements of all waited for %.1f s\n", all_waited_s);
    printf("%-6s %5s %5s %6s %10s %10s %8s %8s %10s %10s\n", "user", "share", "jobs", "units",
           "device s", "of those s", "got", "due", "first s", "longest s");
    for (size_t k = 0; k < HONE_LEN(people); k++) {
        const struct person *p = &people[k];
        double got = all > 0 ? p->wanted_s / all : 0, due = (double)p->share / weight;
        printf("%-6s %5d %5d %6" PRId64 " %10.1f %10.1f %7.1f%% %7.1f%% %10.1f %10.1f\n", p->name,
               p->share, p->jobs, p->done, p->device_s, p->wanted_s, 100 * got, 100 * due,
               p->first_s, p->gap_s);
        check(fabs(got - due) < 0.1, "somebody has not got a tenth near to what is due");
    }
}

static void submit_for_all(void)
{
    int size = 32;
    for (size_t k = 0; k < HONE_LEN(people); k++)
        for (int i = 0; i < people[k].jobs; i++, size += 8) {
            char request[32];
            snprintf(request, sizeof request, "r%d", i);
            check(light_submit(endpoint, people[k].name, request, size, 1000000, 1) > 0,
                  "a job is not taken");
        }
}

static void shares(void)
{
    light_quantum_ms = ask.quantum_ms;
    pid_t lights = light_start(shared, endpoint, 3, 2, ask.measure_ms * LIGHT_MS);
    pid_t service = light_service(endpoint, db_path, NULL);
    wait_until_in(5, 180);
    introduce();
    while (shared->canaries < 3 * 99)
        pause_ms(20);
    int64_t start = hone_clock_ns();
    submit_for_all();
    double s = 0, all_waited_s = 0, enough_s = (double)ask.seconds / 2;
    while (s < (double)ask.seconds ||
           (all_waited_s < enough_s && s < 4 * (double)ask.seconds + 200)) {
        pause_ms(200);
        bool all_waited = look(start);
        double before = s;
        s = seconds_since(start);
        all_waited_s += all_waited ? s - before : 0;
    }
    print_shares(all_waited_s);
    check(all_waited_s >= enough_s, "the sessions are too slow here to have measurements wait; "
                                    "try a larger --measure-ms");
    check(light_end(service, SIGTERM) == 0, "it does not end in good order");
    light_end(lights, SIGKILL);
    check_log();
}

/* ---------------------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    const program_option options[] = {{"--devices", &ask.devices, NULL},
                                      {"--builders", &ask.builders, NULL},
                                      {"--jobs", &ask.jobs, NULL},
                                      {"--trials", &ask.trials, NULL},
                                      {"--seconds", &ask.seconds, NULL},
                                      {"--measure-ms", &ask.measure_ms, NULL},
                                      {"--quantum-ms", &ask.quantum_ms, NULL},
                                      {"--shares", NULL, &ask.shares},
                                      {"--endless", NULL, &ask.endless}};
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!program_options(argc, argv, options, HONE_LEN(options))) {
        fprintf(stderr, "farm_load [--devices N] [--builders N] [--jobs N] [--trials N]\n"
                        "farm_load --endless [--seconds S] [--devices N] [--builders N] "
                        "[--jobs N]\n"
                        "farm_load --shares [--seconds S] [--measure-ms MS] [--quantum-ms MS]\n");
        return 2;
    }
    program_begin("load");
    if (ask.shares)
        shares();
    else if (ask.endless)
        endless();
    else
        load();
    return program_end();
}
