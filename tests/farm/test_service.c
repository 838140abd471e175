/* The service as it runs, on real sockets, a real disk and real sessions, with light workers
 * (light.h) at its edge: what it promises when workers, disks and it itself fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db/db.h"
#include "tests/farm/serving.h"

#define TRIALS 24
#define AWAIT_S 120 /* for what is certain to come, on however busy a machine */

static void start(unsigned devices, const char *fault)
{
    lights = light_start(shared, endpoint, devices, 1, 0);
    service = light_service(endpoint, db_path, fault);
}

static void submit(const char *who, int size)
{
    char request[16];
    snprintf(request, sizeof request, "r%d", size);
    assert_true(light_submit(endpoint, who, request, size, TRIALS, 1) > 0);
}

static void await_jobs(const char *state, unsigned n)
{
    int64_t until = hone_clock_ns() + AWAIT_S * INT64_C(1000000000);
    unsigned there;
    while ((there = light_jobs_in(endpoint, state)) < n && hone_clock_ns() < until)
        usleep(50000);
    if (there != n) {
        json_t *j = light_ask(endpoint, "boss", "{\"v\":1,\"verb\":\"jobs\",\"all\":true}");
        fail_msg("%u jobs are %s instead of %u: %s", there, state, n,
                 j ? json_dumps(j, JSON_COMPACT) : "no answer");
    }
}

static void await_measured(uint64_t n)
{
    int64_t until = hone_clock_ns() + AWAIT_S * INT64_C(1000000000);
    while (shared->measured < n && hone_clock_ns() < until)
        usleep(1000);
    assert_true(shared->measured >= n);
}

/* All devices have done what they are known by, and take units. */
static void await_canaries(unsigned devices)
{
    int64_t until = hone_clock_ns() + AWAIT_S * INT64_C(1000000000);
    while (shared->canaries < 99 * (uint64_t)devices && hone_clock_ns() < until)
        usleep(1000);
    assert_true(shared->canaries >= 99 * (uint64_t)devices);
}

static void await_metric(const char *name, double least)
{
    int64_t until = hone_clock_ns() + AWAIT_S * INT64_C(1000000000);
    while (!(light_metric(endpoint, name) >= least) && hone_clock_ns() < until)
        usleep(20000);
    assert_true(light_metric(endpoint, name) >= least);
}

static void end_well(void)
{
    assert_int_equal(light_end(service, SIGTERM), HONE_OK);
    service = 0;
}

static bool count(void *ctx, const hone_db_record *r)
{
    (void)r;
    ++*(unsigned *)ctx;
    return true;
}

/* The log is sound; how many records it has (no two of them are of one candidate). */
static unsigned records(void)
{
    hone_db *db;
    hone_error err = {0};
    json_t *j = NULL;
    unsigned n = 0;
    if (hone_db_open(db_path, HONE_DB_READ, &db, &err) != HONE_OK ||
        hone_db_check(db, &j, &err) != HONE_OK ||
        hone_db_each_record(db, &(hone_db_where){0}, count, &n, &err) != HONE_OK)
        fail_msg("%s", err.message);
    json_decref(j);
    hone_db_close(db);
    return n;
}

/* ---------------------------------------------------------------------------------------------- */

static void equal_units_are_measured_once(void **state)
{
    (void)state;
    start(1, NULL);
    submit("ann", 32);
    await_jobs("done", 1);
    uint64_t one = shared->measured, before = shared->built;
    assert_true(one >= TRIALS);
    double alike = light_metric(endpoint, "hone_units_shared_total");
    shared->hold = true; /* until both want something, so that it is at the same time */
    submit("ann2", 40);  /* two people, one kernel, one seed */
    submit("bob", 40);
    await_metric("hone_units_shared_total", alike + 1);
    shared->hold = false;
    await_jobs("done", 3);
    assert_true(shared->measured - one >= TRIALS);
    assert_true(shared->built > before);
    end_well();
}

static void a_lost_worker_loses_nothing(void **state)
{
    (void)state;
    shared->die_at = TRIALS / 2;
    start(2, NULL);
    await_canaries(2);
    assert_true(light_metric(endpoint, "process_open_fds") >= 4); /* the log's among them */
    submit("ann", 32);
    await_jobs("done", 1);
    assert_int_equal(shared->died, 1);
    assert_true(shared->by_device[0] > 0 && shared->by_device[1] > 0);
    end_well();
    assert_true(records() >= TRIALS);
}

/* Lost for a while, and here again: what it had in hand is given out at once, and not when its time
 * is up, which takes minutes. */
static void a_worker_that_comes_again_has_nothing_in_hand(void **state)
{
    (void)state;
    shared->drop_at = TRIALS / 2;
    start(1, NULL);
    submit("ann", 32);
    await_jobs("done", 1);
    assert_int_equal(shared->dropped, 1);
    end_well();
    assert_true(records() >= TRIALS);
}

/* A service that has no room waits until it has, and then goes on. One device measures one after
 * the other, and each result is durable before the next is wanted: there are as many commits as
 * trials. */
static void no_room_is_waited_out(void **state)
{
    (void)state;
    for (int nth = TRIALS / 3; nth <= TRIALS; nth += TRIALS / 3) {
        char fault[32];
        snprintf(fault, sizeof fault, "db.full:%d", nth);
        start(1, fault);
        submit("ann", 32 + nth);
        await_jobs("done", (unsigned)nth / (TRIALS / 3));
        end_well();
        light_end(lights, SIGKILL);
        lights = 0;
    }
    assert_true(records() >= 3 * TRIALS);
}

/* While the disk is full, who says again what was taken gets the same answer, and what is kept of
 * it is kept once: 200 times 200 KB would be seen. */
static void saying_it_again_takes_no_room(void **state)
{
    (void)state;
    enum { ROUNDS = 5, AT_ONCE = 40, SIZE = 200000 };
    service = light_service(endpoint, db_path, NULL);
    assert_true(light_submit(endpoint, "ann", "first", 32, 1, 1) > 0);
    end_well();
    service = light_service(endpoint, db_path, "db.full");
    char *filler = hone_xmalloc(SIZE + 1);
    memset(filler, 'x', SIZE);
    filler[SIZE] = '\0';
    char *text = hone_xasprintf(
        "{\"v\":1,\"verb\":\"submit\",\"request\":\"again\",\"tasks\":[{\"name\":\"k\",\"text\":"
        "\"kernel k(N) { output Y: f32[N]; Y[i] = 1 } # %s\",\"sizes\":{\"N\":8}}]}",
        filler);
    double before = light_metric(endpoint, "process_resident_memory_bytes");
    for (int k = 0; k < ROUNDS; k++) {
        pid_t pids[AT_ONCE];
        for (int i = 0; i < AT_ONCE; i++)
            if ((pids[i] = light_fork()) == 0) {
                json_t *j = light_ask(endpoint, "ann", text);
                const char *st = json_string_value(json_object_get(j, "status"));
                _exit(st && strcmp(st, "E_FULL") == 0 ? 0 : 1);
            }
        for (int i = 0; i < AT_ONCE; i++)
            assert_int_equal(light_end(pids[i], 0), 0);
    }
    double grown = light_metric(endpoint, "process_resident_memory_bytes") - before;
#ifdef __SANITIZE_ADDRESS__
    grown -= 1 << 30; /* it holds back what is freed */
#endif
    if (!(grown < ROUNDS * AT_ONCE * SIZE / 2))
        fail_msg("%.0f bytes more", grown);
    light_end(service, SIGKILL);
    service = 0;
    free(text);
    free(filler);
}

/* A builder that is there and says that it could not: its build is made again at once, and not when
 * the lease's time is up. */
static void a_failed_build_is_made_again(void **state)
{
    (void)state;
    shared->fail_builds = 2;
    start(1, NULL);
    submit("ann", 32);
    await_jobs("done", 1);
    assert_int_equal(shared->fail_builds, 0);
    assert_true(light_metric(endpoint, "hone_units_retried_total") >= 2);
    assert_true(light_metric(endpoint, "hone_lease_expired_total") == 0);
    end_well();
    assert_true(records() >= TRIALS);
}

/* Nobody knows what a failed sync has left: the service ends, and another one looks. */
static void a_failed_sync_ends_it(void **state)
{
    (void)state;
    start(1, "db.commit:20");
    submit("ann", 32);
    assert_int_equal(light_end(service, 0), HONE_E_IO);
    service = light_service(endpoint, db_path, NULL);
    await_jobs("done", 1);
    end_well();
    assert_true(records() >= TRIALS);
}

static void a_restart_goes_on(void **state)
{
    (void)state;
    start(2, NULL);
    submit("ann", 32);
    submit("bob", 40);
    for (uint64_t n = 8; n <= 24; n += 8) {
        await_measured(n);
        assert_int_equal(light_end(service, SIGKILL), 1000 + SIGKILL);
        service = light_service(endpoint, db_path, NULL);
    }
    await_jobs("done", 2);
    int64_t until = hone_clock_ns() + AWAIT_S * INT64_C(1000000000);
    while (shared->in < 3 && hone_clock_ns() < until)
        usleep(1000);
    assert_int_equal(shared->in, 3); /* all came back */
    end_well();
    assert_true(records() >= 2 * TRIALS - 2);
}

static json_t *watched(uint64_t job, int from)
{
    char text[96];
    snprintf(text, sizeof text, "{\"v\":1,\"verb\":\"watch\",\"job\":%" PRIu64 ",\"from\":%d}", job,
             from);
    json_t *j = light_ask(endpoint, "boss", text);
    assert_true(json_is_true(json_object_get(j, "ok")));
    return j;
}

/* What a job waits for in the end, and what is said of it. */
static void await_wait(uint64_t job, const char *reason, const char *text)
{
    int64_t until = hone_clock_ns() + AWAIT_S * INT64_C(1000000000);
    for (bool there = false; !there;) {
        json_t *w = watched(job, 1);
        const json_t *wait = json_object_get(json_object_get(w, "row"), "wait");
        const char *is = json_string_value(json_object_get(wait, "reason"));
        there = is && strcmp(is, reason) == 0;
        if (there)
            assert_string_equal(json_string_value(json_object_get(wait, "text")), text);
        else if (hone_clock_ns() > until)
            fail_msg("job %" PRIu64 " waits for %s, not for %s", job, is ? is : "nothing", reason);
        json_decref(w);
        usleep(20000);
    }
}

/* What is shown of a job that has ended is the same after a restart. */
static void an_ended_job_keeps_what_it_said(void **state)
{
    (void)state;
    start(1, NULL);
    submit("ann", 32);
    await_jobs("done", 1);
    json_t *before = watched(1, 1);
    size_t n = json_array_size(json_object_get(before, "events"));
    json_t *last = json_array_get(json_object_get(before, "events"), n - 1);
    assert_non_null(json_object_get(json_object_get(last, "line"), "summary"));
    assert_int_equal(light_end(service, SIGTERM), HONE_OK);
    service = light_service(endpoint, db_path, NULL);
    json_t *after = watched(1, (int)json_integer_value(json_object_get(last, "n")));
    assert_true(json_is_true(json_object_get(after, "ended")));
    assert_true(json_equal(json_array_get(json_object_get(after, "events"), 0), last));
    static const char *const same[] = {"trials", "best_ns", "budget", "title", "state"};
    for (unsigned k = 0; k < HONE_LEN(same); k++)
        assert_true(json_equal(json_object_get(json_object_get(before, "row"), same[k]),
                               json_object_get(json_object_get(after, "row"), same[k])));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(after, "row"), "trials")),
                     TRIALS);
    json_decref(before);
    json_decref(after);
    end_well();
}

static json_t *submitted(const char *request, const char *target)
{
    char *text = hone_xasprintf("{\"v\":1,\"verb\":\"submit\",\"request\":\"%s\",\"trials\":4,"
                                "\"target\":\"%s\",\"tasks\":[{\"name\":\"matmul\",\"sizes\":"
                                "{\"M\":32,\"N\":32,\"K\":32}}]}",
                                request, target);
    json_t *j = light_ask(endpoint, "ann", text);
    assert_true(json_is_true(json_object_get(j, "ok")));
    free(text);
    return j;
}

/* A target of another architecture than that of any device: no device matches, and none is held. */
static void a_foreign_target_holds_no_device(void **state)
{
    (void)state;
    hone_target host;
    assert_int_equal(hone_target_host(&host, NULL), HONE_OK);
    bool arm = strncmp(host.triple, "aarch64", 7) == 0;
    start(1, NULL);
    await_canaries(1);
    json_t *own = submitted("own", arm ? "neoverse-n1" : "x86-64"),
           *foreign = submitted("foreign", arm ? "haswell" : "neoverse-n1");
    assert_int_equal(json_integer_value(json_object_get(own, "matching")), 1);
    assert_int_equal(json_integer_value(json_object_get(foreign, "matching")), 0);
    json_t *w = watched((uint64_t)json_integer_value(json_object_get(foreign, "job")), 1);
    const json_t *job = json_object_get(w, "row");
    assert_string_equal(json_string_value(json_object_get(job, "filter")),
                        arm ? "arch=x86_64" : "arch=aarch64");
    assert_string_equal(json_string_value(json_object_get(json_object_get(job, "wait"), "reason")),
                        "no_device");
    json_decref(w);
    json_decref(own);
    json_decref(foreign);
    /* nor does one of its architecture that it cannot run: of processors that are long gone, or
     * with vectors that no other has */
    json_t *beyond = submitted("beyond", arm ? "a64fx" : "bdver4");
    assert_int_equal(json_integer_value(json_object_get(beyond, "matching")), 0);
    assert_int_equal(json_integer_value(json_object_get(beyond, "lacking")), 1);
    assert_string_equal(json_string_value(json_object_get(beyond, "device")), "d0");
    const char *lacks = json_string_value(json_object_get(beyond, "lacks"));
    char *text = hone_xasprintf("0 of 1 device that matches can run it: d0 lacks %s", lacks);
    uint64_t id = (uint64_t)json_integer_value(json_object_get(beyond, "job"));
    await_wait(id, "lacks", text);
    end_well();
    service = light_service(endpoint, db_path, NULL); /* which knows it, too */
    await_wait(id, "lacks", text);
    end_well();
    free(text);
    json_decref(beyond);
}

static void say_of(const char *verb, uint64_t job)
{
    char text[96];
    snprintf(text, sizeof text, "{\"v\":1,\"verb\":\"%s\",\"job\":%" PRIu64 "}", verb, job);
    json_t *j = light_ask(endpoint, "boss", text);
    assert_true(json_is_true(json_object_get(j, "ok")));
    json_decref(j);
}

/* A job that does not end by itself. */
static void submit_long(void)
{
    assert_true(light_submit(endpoint, "ann", "long", 32, 1000000, 1) > 0);
}

/* Its session has ended, and another one goes on from what the log has. */
static void a_paused_job_goes_on(void **state)
{
    (void)state;
    start(1, NULL);
    submit_long();
    await_measured(4);
    say_of("pause", 1);
    await_jobs("paused", 1);
    while (light_metric(endpoint, "hone_sessions") > 0)
        usleep(20000);
    uint64_t measured = shared->measured;
    say_of("resume", 1);
    await_measured(measured + 4);
    say_of("cancel", 1);
    await_jobs("cancelled", 1);
    end_well();
    assert_true(records() >= measured);
}

/* ---- a device that computes wrong ------------------------------------------------------------ */

typedef struct doubts {
    unsigned n, best;
    bool by_another; /* device than the first */
} doubts;

static bool note_doubt(void *ctx, const hone_db_record *r)
{
    doubts *d = ctx;
    d->n += r->suspect != 0;
    d->by_another |= r->suspect && strcmp(r->device, "d0") != 0;
    return true;
}

static bool is_trusted(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                       const hone_db_record *r)
{
    (void)w, (void)t;
    *(unsigned *)ctx += 1;
    return r->suspect == 0;
}

static doubts look_for_doubts(void)
{
    hone_db *db;
    hone_error err = {0};
    doubts d = {0};
    if (hone_db_open(db_path, HONE_DB_READ, &db, &err) != HONE_OK ||
        hone_db_each_record(db, &(hone_db_where){0}, note_doubt, &d, &err) != HONE_OK ||
        hone_db_each_best(db, &(hone_db_where){0}, is_trusted, &d.best, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_db_close(db);
    return d;
}

static doubts await_doubts(bool some)
{
    int64_t until = hone_clock_ns() + AWAIT_S * INT64_C(1000000000);
    doubts d;
    while (d = look_for_doubts(),
           ((d.n > 0) != some || d.best == 0) && hone_clock_ns() < until) /* not stored yet */
        usleep(50000);
    assert_true((d.n > 0) == some);
    assert_int_equal(d.best, 1);
    return d;
}

/* What it measured since it was last right answers nothing, and is measured again when it is asked
 * for. */
static void a_wrong_device_is_doubted(void **state)
{
    (void)state;
    start(2, NULL);
    submit_long();
    await_measured(8);
    shared->wrong = true;
    doubts d = await_doubts(true);
    assert_false(d.by_another);
    end_well();
    service = light_service(endpoint, db_path, NULL); /* whose session knows nothing of them */
    await_doubts(false);
    end_well();
    assert_true(records() > d.n);
}

/* ---- what takes long ------------------------------------------------------------------------- */

static uint64_t job_in(const char *state)
{
    json_t *j = light_ask(endpoint, "boss", "{\"v\":1,\"verb\":\"jobs\",\"all\":true}"), *one;
    uint64_t id = 0;
    size_t k;
    json_array_foreach(json_object_get(j, "jobs"), k, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "state")), state) == 0)
            id = (uint64_t)json_integer_value(json_object_get(one, "job"));
    }
    json_decref(j);
    return id;
}

/* One session that computes for ever: the other's job is done, and who asks is answered. */
static void a_slow_session_keeps_nobody(void **state)
{
    (void)state;
    start(1, "session.stall:3");
    submit("ann", 32);
    submit("bob", 40);
    await_jobs("done", 1);
    say_of("cancel", job_in("running"));
    await_jobs("cancelled", 1);
    end_well();
    assert_true(records() >= TRIALS);
}

/* Told to end while a session computes, a service ends, and what it had is there for the next. */
static void the_end_waits_for_no_session(void **state)
{
    (void)state;
    start(1, NULL);
    submit_long();
    await_measured(8);
    end_well();
    unsigned before = records();
    service = light_service(endpoint, db_path, "session.stall:1");
    await_jobs("running", 1);
    usleep(200000); /* until it computes, most likely */
    end_well();
    service = light_service(endpoint, db_path, NULL);
    await_measured(shared->measured + 8);
    end_well();
    assert_true(before >= 1 && records() > before);
}

static double age_of(uint64_t job)
{
    json_t *w = watched(job, 1);
    double s = json_number_value(json_object_get(json_object_get(w, "row"), "age_s"));
    json_decref(w);
    return s;
}

/* Of a job, and of a device that is not there: what is said after a crash, or an orderly end, is
 * not less than what was said before. Nothing is committed meanwhile. */
static void ages_hold_over_a_restart(void **state)
{
    (void)state;
    service = light_service(endpoint, db_path, NULL);
    uint64_t job = light_submit(endpoint, "ann", "r", 32, 1, 1);
    double before, after = 0;
    for (int k = 0; k < 3; k++) {
        while ((before = age_of(job)) < after + 0.5)
            usleep(100000);
        assert_true(light_end(service, k == 1 ? SIGTERM : SIGKILL) >= 0);
        service = light_service(endpoint, db_path, NULL);
        after = age_of(job);
        if (after < before)
            fail_msg("%.3f s old, and then %.3f", before, after);
    }
    end_well();
}

static void a_query_keeps_nobody(void **state)
{
    (void)state;
    light_of_queries = shared;
    start(1, NULL);
    pid_t pid = light_fork();
    if (pid == 0) {
        json_t *j =
            light_ask(endpoint, "ann",
                      "{\"v\":1,\"verb\":\"query\",\"id\":9,\"kernel\":{\"name\":\"matmul\"},"
                      "\"target\":\"haswell\"}");
        const char *of = json_string_value(json_object_get(json_object_get(j, "answer"), "of"));
        bool good =
            json_integer_value(json_object_get(j, "id")) == 9 && of && strcmp(of, "matmul") == 0;
        _exit(good ? 0 : 1);
    }
    while (!shared->asked)
        usleep(1000);
    submit("bob", 32); /* a whole job, meanwhile */
    await_jobs("done", 1);
    shared->answer = true;
    assert_int_equal(light_end(pid, 0), 0);
    end_well();
    light_of_queries = NULL;
}

/* ---- a device that has changed --------------------------------------------------------------- */

static void await_records(unsigned n)
{
    int64_t until = hone_clock_ns() + AWAIT_S * INT64_C(1000000000);
    while (records() < n && hone_clock_ns() < until)
        usleep(20000);
    assert_true(records() >= n);
}

/* It is the only one: it goes on in a new epoch, and what it measures then counts. */
static void a_changed_device_goes_on(void **state)
{
    (void)state;
    start(1, NULL);
    submit_long();
    await_measured(8);
    uint64_t before = shared->canaries;
    shared->slower = true;
    int64_t until = hone_clock_ns() + AWAIT_S * INT64_C(1000000000);
    /* one that is off, six after it, and a new baseline of thirty after three */
    while (shared->canaries < before + 40 * HONE_FARM_CANARIES && hone_clock_ns() < until)
        usleep(1000);
    await_records(records() + 50);
    end_well();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(equal_units_are_measured_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_worker_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_worker_that_comes_again_has_nothing_in_hand, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(no_room_is_waited_out, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_build_is_made_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_sync_ends_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restart_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(an_ended_job_keeps_what_it_said, setup, teardown),
        cmocka_unit_test_setup_teardown(a_foreign_target_holds_no_device, setup, teardown),
        cmocka_unit_test_setup_teardown(ages_hold_over_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(saying_it_again_takes_no_room, setup, teardown),
        cmocka_unit_test_setup_teardown(a_paused_job_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wrong_device_is_doubted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_changed_device_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slow_session_keeps_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_waits_for_no_session, setup, teardown),
        cmocka_unit_test_setup_teardown(a_query_keeps_nobody, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
