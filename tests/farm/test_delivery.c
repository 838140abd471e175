/* Results between worker and log when the service is killed, on real sockets, a real disk and real
 * sessions, with light workers that keep their results (light.h): each counts once, none is
 * measured twice, and the farm's core judges what comes late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db/db.h"
#include "farm/store.h"
#include "tests/farm/serving.h"

#define TRIALS 24
#define KILLS 5
#define AWAIT_S 120 /* for what is certain to come, on however busy a machine */
#define IDLE_S 1    /* without a measurement: the job may be done */

static void await_done(void)
{
    int64_t until = hone_clock_ns() + AWAIT_S * INT64_C(1000000000);
    while (light_jobs_in(endpoint, "done") < 1 && hone_clock_ns() < until)
        usleep(50000);
    assert_int_equal(light_jobs_in(endpoint, "done"), 1);
}

static void await_none_kept(void)
{
    int64_t until = hone_clock_ns() + AWAIT_S * INT64_C(1000000000);
    while (shared->kept && hone_clock_ns() < until)
        usleep(1000);
    assert_int_equal(shared->kept, 0);
}

typedef struct tally {
    unsigned records;
    uint64_t hash[256];
    bool twice;
} tally;

static bool count(void *ctx, const hone_db_record *r)
{
    tally *t = ctx;
    for (unsigned i = 0; i < t->records; i++)
        t->twice |= t->hash[i] == r->trace_hash;
    t->hash[t->records++ % 256] = r->trace_hash;
    return true;
}

/* The log is sound; what is in it. */
static tally look(void)
{
    hone_db *db;
    hone_error err = {0};
    json_t *j = NULL;
    tally t = {0};
    if (hone_db_open(db_path, HONE_DB_READ, &db, &err) != HONE_OK ||
        hone_db_check(db, &j, &err) != HONE_OK ||
        hone_db_each_record(db, &(hone_db_where){0}, count, &t, &err) != HONE_OK)
        fail_msg("%s", err.message);
    json_decref(j);
    hone_db_close(db);
    return t;
}

static void end_well(void)
{
    await_done();
    await_none_kept();
    assert_int_equal(light_end(service, SIGTERM), HONE_OK);
    service = 0;
}

/* ---------------------------------------------------------------------------------------------- */

/* A service that dies at its nth commit. False: it had nothing more to do before it came to that.
 */
static bool dies(const char *site, int nth)
{
    char fault[64];
    snprintf(fault, sizeof fault, "%s:%d", site, nth);
    service = light_service(endpoint, db_path, fault);
    int st;
    uint64_t measured = shared->measured;
    int64_t since = hone_clock_ns();
    while (waitpid(service, &st, WNOHANG) == 0) {
        int64_t idle = hone_clock_ns() - since;
        if (shared->measured == measured && idle > IDLE_S * INT64_C(1000000000) &&
            light_jobs_in(endpoint, "done") == 1) {
            light_end(service, SIGKILL);
            return false;
        }
        if (shared->measured != measured || idle > IDLE_S * INT64_C(1000000000))
            since = hone_clock_ns();
        measured = shared->measured;
        usleep(2000);
    }
    assert_true(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
    return true;
}

static void begin(void)
{
    lights = light_start(shared, endpoint, 1, 1, 0);
    service = light_service(endpoint, db_path, NULL);
    assert_true(light_submit(endpoint, "ann", "r", 32, TRIALS, 1) > 0);
    light_end(service, SIGKILL);
}

static void end_once(const char *what, unsigned killed)
{
    end_well();
    tally t = look();
    printf("%s: killed %u times, %u records, %" PRIu64 " measurements, %" PRIu64
           " of what was measured before, %" PRIu64 " results said again, %" PRIu64
           " taken, %" PRIu64 " were taken before, %" PRIu64 " stale\n",
           what, killed, t.records, (uint64_t)shared->measured, (uint64_t)shared->again,
           (uint64_t)shared->resaid, (uint64_t)shared->acked[HONE_WIRE_TAKEN],
           (uint64_t)shared->acked[HONE_WIRE_AGAIN], (uint64_t)shared->acked[HONE_WIRE_STALE]);
    assert_true(t.records >= TRIALS);
    assert_false(t.twice);
}

static bool is_held(void *ctx, const hone_farm_row *r)
{
    *(bool *)ctx |= r->lease.fence == shared->held;
    return true;
}

/* Is the lease of what is in the device's hand durable? */
static bool lease_is_there(void)
{
    hone_db *db;
    hone_farm_limits limits;
    bool there = false;
    if (hone_db_open(db_path, HONE_DB_READ, &db, NULL) != HONE_OK)
        return false;
    hone_farm_limits_init(&limits);
    hone_farm *f = hone_farm_new(&limits);
    if (hone_store_restore(db, f, NULL) == HONE_OK)
        hone_farm_each_row(f, 1U << HONE_FARM_ROW_LEASE, is_held, &there);
    hone_farm_free(f);
    hone_db_close(db);
    return there;
}

/* A service that is killed as it has its nth result: it is not durable, and the device has it. */
static void dies_with_result(int nth)
{
    char fault[32];
    uint64_t before = shared->held;
    snprintf(fault, sizeof fault, "result.die:%d", nth);
    shared->hold = true;
    service = light_service(endpoint, db_path, fault);
    int64_t until = hone_clock_ns() + AWAIT_S * INT64_C(1000000000);
    while (shared->held == before && hone_clock_ns() < until)
        usleep(1000);
    assert_true(lease_is_there()); /* before the device heard of it */
    shared->hold = false;
    assert_int_equal(light_end(service, 0), 1000 + SIGKILL);
    assert_int_equal(shared->kept, 1);
}

/* Each time the one that it was killed with before comes first. */
static void killed_with_a_result(void **state)
{
    (void)state;
    begin();
    for (int k = 0; k < KILLS; k++)
        dies_with_result(k ? 2 : 1);
    service = light_service(endpoint, db_path, NULL);
    end_once("killed with a result", KILLS);
    assert_true(shared->resaid >= KILLS);
    assert_int_equal(shared->again, 0);
    assert_int_equal(shared->acked[HONE_WIRE_STALE], 0);
}

/* It is durable, and the device does not hear of that: it says it again, and is told. */
static void killed_with_an_acknowledgement(void **state)
{
    (void)state;
    begin();
    for (unsigned k = 0; k < KILLS; k++) {
        service = light_service(endpoint, db_path, "ack.die:2");
        assert_int_equal(light_end(service, 0), 1000 + SIGKILL);
    }
    service = light_service(endpoint, db_path, NULL);
    end_once("killed with an acknowledgement", KILLS);
    assert_true(shared->resaid >= KILLS);
    assert_int_equal(shared->again, 0);
    assert_int_equal(shared->acked[HONE_WIRE_STALE], 0);
    assert_true(shared->acked[HONE_WIRE_AGAIN] > 0);
}

/* At any commit: of what a device was given the lease is durable, so that its result counts. */
static void killed_at_commits(void **state)
{
    (void)state;
    begin();
    unsigned killed = 0;
    for (; killed < KILLS && dies("db.die_before_commit", 9 + 4 * (int)killed); killed++) {
    }
    assert_true(killed > 0);
    service = light_service(endpoint, db_path, NULL);
    end_once("killed at commits", killed);
    assert_int_equal(shared->again, 0);
    assert_int_equal(shared->acked[HONE_WIRE_STALE], 0);
}

/* What comes with another epoch of its device is not taken, and is measured again. */
static void of_another_epoch(void **state)
{
    (void)state;
    shared->forge = true;
    begin();
    dies_with_result(1);
    shared->forge = false;
    service = light_service(endpoint, db_path, NULL);
    end_well();
    tally t = look();
    assert_true(t.records >= TRIALS);
    assert_false(t.twice);
    assert_true(shared->acked[HONE_WIRE_STALE] > 0);
    assert_true(shared->again > 0);
}

/* The job has ended meanwhile: the result is taken all the same, once, and the worker is rid of it.
 */
static void of_a_job_that_has_ended(void **state)
{
    (void)state;
    begin();
    dies_with_result(1);
    kill(lights, SIGSTOP);
    service = light_service(endpoint, db_path, NULL);
    json_decref(light_ask(endpoint, "ann", "{\"v\":1,\"verb\":\"cancel\",\"job\":1}"));
    int64_t until = hone_clock_ns() + AWAIT_S * INT64_C(1000000000);
    while (light_jobs_in(endpoint, "cancelled") < 1 && hone_clock_ns() < until)
        usleep(50000);
    assert_int_equal(light_jobs_in(endpoint, "cancelled"), 1);
    uint64_t taken = shared->acked[HONE_WIRE_TAKEN];
    kill(lights, SIGCONT);
    await_none_kept();
    assert_true(shared->acked[HONE_WIRE_TAKEN] > taken);
    assert_int_equal(light_end(service, SIGTERM), HONE_OK);
    service = 0;
    assert_false(look().twice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(killed_with_a_result, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_with_an_acknowledgement, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_at_commits, setup, teardown),
        cmocka_unit_test_setup_teardown(of_another_epoch, setup, teardown),
        cmocka_unit_test_setup_teardown(of_a_job_that_has_ended, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
