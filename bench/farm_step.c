/* How long the farm's decisions take with many jobs and devices: devices answer, each answer is
 * made durable at once, and whatever is next is offered.
 *
 *   farm_step [JOBS=10000] [DEVICES=1000] [USERS=100] [RESULTS=200000] [FILE]
 *
 * Prints times of a step: the median, the 99th percentile, the largest; and results a second. With
 * FILE, a new one, rows are written to it as the service writes them, while 10,000 results come in
 * a second of the farm's time. */
#include "farm/store.h"

#include <sys/resource.h>

static hone_farm *farm;
static int64_t now = 1000000000;
static uint64_t n_devices, n_jobs, n_users, tags, results;
static uint64_t *session, *offered; /* of each device: what it was told */
static hone_farm_key *unit;
static uint32_t *epoch;
static bool *is_offered;
static uint64_t *again; /* jobs that were given something, and want more */
static uint64_t n_again;
static hone_db *db; /* NULL: rows are not written */
static double *commit_ms;
static uint32_t n_commits, room_commits;

/* Such as a real one is. */
static void payload(void *ctx, const hone_farm_result_row *r, hone_buf *ret)
{
    (void)ctx;
    hone_buf_puts(ret, "{\"why\":\"\",\"time_ns\":");
    hone_store_print_int(ret, (int64_t)(12345 + r->fence));
    hone_buf_puts(ret, ",\"log_ratio\":-0.5,\"sample_ns\":");
    for (int k = 0; k < 9; k++) {
        hone_buf_puts(ret, k ? "," : "[");
        hone_store_print_real(ret, 12345.678 + (double)r->fence + k);
    }
    hone_buf_puts(ret, "],\"incumbent_ns\":");
    for (int k = 0; k < 9; k++) {
        hone_buf_puts(ret, k ? "," : "[");
        hone_store_print_real(ret, 23456.789 + k);
    }
    hone_buf_puts(ret, "],\"env\":\"a processor, a kernel, a governor\"}");
}

static void write_rows(const hone_farm_row *rows, uint32_t n)
{
    hone_error err = {0};
    hone_store_more more = {.payload = payload};
    int64_t from = hone_clock_ns();
    if (db && hone_store_commit(db, rows, n, &more, &err) != HONE_OK) {
        fprintf(stderr, "farm_step: %s\n", err.message);
        exit(1);
    }
    if (n_commits == room_commits) {
        room_commits = 2 * room_commits + 1024;
        commit_ms = hone_xrealloc(commit_ms, room_commits * sizeof *commit_ms);
    }
    commit_ms[n_commits++] = (double)(hone_clock_ns() - from) / 1e6;
}

static void name_of(uint64_t d, char ret[HONE_FARM_NAME])
{
    snprintf(ret, HONE_FARM_NAME, "d%" PRIu64, d);
}

static void step(const hone_farm_event *e)
{
    hone_farm_effect x;
    uint64_t batch = 0;
    hone_farm_step(farm, e, now);
    while (hone_farm_next_effect(farm, &x)) {
        uint64_t d = x.who[0] == 'd' ? strtoull(x.who + 1, NULL, 10) : 0;
        switch (x.kind) {
        case HONE_FARM_COMMIT:
            batch = x.commit.batch;
            write_rows(x.commit.rows, x.commit.n);
            break;
        case HONE_FARM_WELCOME:
            session[d] = x.session;
            break;
        case HONE_FARM_OFFER:
            offered[d] = x.lease.fence;
            epoch[d] = x.lease.epoch;
            unit[d] = x.lease.unit;
            is_offered[d] = true;
            break;
        case HONE_FARM_GIVE:
            again[n_again++] = x.give.job;
            break;
        default:
            break;
        }
    }
    if (batch) {
        hone_farm_event done = {.kind = HONE_FARM_COMMITTED};
        done.commit.batch = batch;
        step(&done);
    }
}

static void tick(int64_t ns)
{
    now += ns;
    step(&(hone_farm_event){.kind = HONE_FARM_TICK});
}

static void want(uint64_t job)
{
    hone_farm_event e = {.kind = HONE_FARM_WANT};
    e.want = (hone_farm_want){.job = job, .tag = ++tags, .role = HONE_FARM_DEVICE};
    e.want.unit = (hone_farm_key){{hone_hash_mix(1, tags), tags}};
    step(&e);
}

static void people(void)
{
    for (uint64_t u = 0; u <= n_users + n_devices; u++) {
        hone_farm_row r = {.kind = HONE_FARM_ROW_USER, .user = {.weight = 1}};
        hone_error err;
        r.user.roles = u <= n_users ? HONE_FARM_USER : HONE_FARM_DEVICE;
        if (u <= n_users)
            snprintf(r.user.name, sizeof r.user.name, "u%" PRIu64, u);
        else
            name_of(u - n_users - 1, r.user.name);
        if (hone_farm_restore(farm, &r, &err) != HONE_OK)
            exit(1);
    }
}

static void devices_join(void)
{
    char name[HONE_FARM_NAME], attrs[64];
    for (uint64_t d = 0; d < n_devices; d++) {
        hone_farm_event e = {.kind = HONE_FARM_HELLO, .who = name};
        name_of(d, name);
        snprintf(attrs, sizeof attrs, "arch=a%" PRIu64 ",class=c%" PRIu64 ",shelf=%" PRIu64, d % 3,
                 d % 10, d % 50);
        e.hello = (hone_farm_hello){.machine = d + 1,
                                    .process = d + 1,
                                    .count = 1,
                                    .roles = HONE_FARM_DEVICE,
                                    .slots = 1,
                                    .attrs = attrs};
        step(&e);
    }
    tick(10000000);
    for (uint64_t d = 0; d < n_devices; d++)
        while (is_offered[d]) { /* canaries, until it is known */
            hone_farm_event e = {.kind = HONE_FARM_CANARY_RESULT, .who = name};
            name_of(d, name);
            e.session = session[d];
            e.canary.fence = offered[d];
            e.canary.golden = true;
            e.canary.ns[0] = e.canary.ns[1] = e.canary.ns[2] = 1e6;
            is_offered[d] = false;
            step(&e);
        }
}

static void jobs_start(void)
{
    char name[HONE_FARM_NAME], filter[32];
    for (uint64_t j = 0; j < n_jobs; j++) {
        hone_farm_event e = {.kind = HONE_FARM_SAY, .who = name};
        snprintf(name, sizeof name, "u%" PRIu64, j % n_users);
        snprintf(filter, sizeof filter, j % 4 ? "arch=a%" PRIu64 : "shelf=%" PRIu64, j % 3);
        e.say.verb = HONE_FARM_VERB_SUBMIT;
        e.say.request.v[0] = j + 1;
        e.say.filter = filter;
        e.say.class = j % 2 ? HONE_FARM_BATCH : HONE_FARM_INTERACTIVE;
        step(&e);
    }
    tick(10000000);
    for (uint64_t j = 1; j <= n_jobs; j++)
        for (int k = 0; k < 4; k++)
            want(j);
}

static void answer(uint64_t d)
{
    char name[HONE_FARM_NAME];
    hone_farm_event e = {.who = name, .session = session[d]};
    name_of(d, name);
    is_offered[d] = false;
    if (unit[d].v[0] || unit[d].v[1]) {
        e.kind = HONE_FARM_RESULT;
        e.result.fence = offered[d];
        e.result.unit = unit[d];
        e.result.epoch = epoch[d];
        results++;
    } else {
        e.kind = HONE_FARM_CANARY_RESULT;
        e.canary.fence = offered[d];
        e.canary.golden = true;
        e.canary.ns[0] = e.canary.ns[1] = e.canary.ns[2] = 1e6;
    }
    step(&e);
}

static uint32_t waits[HONE_FARM_BECAUSE_COUNT];

static bool count(void *ctx, const hone_farm_row *row)
{
    (void)ctx;
    waits[row->job.wait] += row->job.wait == hone_farm_job_wait(farm, row->job.id);
    return true;
}

/* What `jobs` would show, and how long the farm takes to tell it. */
static void list(void)
{
    int64_t from = hone_clock_ns();
    hone_farm_each_row(farm, 1u << HONE_FARM_ROW_JOB, count, NULL);
    printf("all jobs listed in %.1f ms:", (double)(hone_clock_ns() - from) / 1e6);
    for (int k = 0; k < HONE_FARM_BECAUSE_COUNT; k++)
        if (waits[k])
            printf(" %u %s", waits[k], hone_farm_reason_name((hone_farm_reason)k));
    printf("\n");
}

int main(int argc, char **argv)
{
    hone_farm_limits l;
    hone_farm_limits_init(&l);
    n_jobs = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000;
    n_devices = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000;
    n_users = argc > 3 ? strtoull(argv[3], NULL, 10) : 100;
    uint64_t most = argc > 4 ? strtoull(argv[4], NULL, 10) : 200000;
    l.sessions = l.user_sessions = l.user_jobs = l.user_units = 1000000;
    session = hone_xcalloc(n_devices, sizeof *session);
    offered = hone_xcalloc(n_devices, sizeof *offered);
    unit = hone_xcalloc(n_devices, sizeof *unit);
    epoch = hone_xcalloc(n_devices, sizeof *epoch);
    is_offered = hone_xcalloc(n_devices, sizeof *is_offered);
    again = hone_xcalloc(100000, sizeof *again);
    farm = hone_farm_new(&l);
    hone_error err = {0};
    if (argc > 5 && hone_db_open(argv[5], HONE_DB_WRITE | HONE_DB_CREATE, &db, &err) != HONE_OK) {
        fprintf(stderr, "farm_step: %s\n", err.message);
        return 1;
    }
    if (db)
        hone_db_trust_json(db);
    if (db && hone_db_write_much(db, &err) != HONE_OK)
        return 1;
    people();
    devices_join();
    jobs_start();
    double *us = hone_xcalloc(most + n_devices, sizeof *us);
    uint32_t n = 0;
    int64_t from = hone_clock_ns();
    n_commits = 0;
    while (results < most) {
        bool any = false;
        for (uint64_t d = 0; d < n_devices; d++) {
            if (!is_offered[d])
                continue;
            any = true;
            bool counts = unit[d].v[0] || unit[d].v[1];
            int64_t t = hone_clock_ns();
            now += db ? 100000 : 200000;
            answer(d);
            if (counts)
                us[n++] = (double)(hone_clock_ns() - t) / 1e3;
            for (; n_again > 0;)
                want(again[--n_again]);
        }
        tick(hone_farm_wait_ns(farm));
        if (!any) {
            fprintf(stderr, "farm_step: nothing is offered any more\n");
            return 1;
        }
    }
    double seconds = (double)(hone_clock_ns() - from) / 1e9;
    struct rusage r;
    hone_farm_stats s;
    getrusage(RUSAGE_SELF, &r);
    hone_farm_get_stats(farm, &s);
    hone_sort(us, n);
    printf("%" PRIu64 " jobs, %" PRIu64 " devices, %" PRIu64 " users; %" PRIu64 " open units\n",
           s.jobs_live, n_devices, n_users, s.units_open);
    printf("result to offer: median %.2f us, 99 %% %.2f us, most %.1f us\n", us[n / 2],
           us[n - 1 - n / 100], us[n - 1]);
    printf("%.0f results a second, wants included; %ld MB\n", (double)results / seconds,
           r.ru_maxrss / 1024);
    if (db) {
        hone_sort(commit_ms, n_commits);
        printf("%u commits of %.0f results: median %.2f ms, 99 %% %.2f ms, most %.1f ms\n",
               n_commits, (double)results / n_commits, commit_ms[n_commits / 2],
               commit_ms[n_commits - 1 - n_commits / 100], commit_ms[n_commits - 1]);
        hone_db_close(db);
    }
    list();
    hone_farm_free(farm);
    free(us);
    free(commit_ms);
    return 0;
}
