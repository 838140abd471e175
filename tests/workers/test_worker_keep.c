/* A real worker, its nursery and its children, against coordinators that vanish and come back: what
 * it keeps, what goes on, what it says of it, and what it has on disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/workers/device_kernels.h"
#include "tests/workers/pool_tools.h"

#include <dirent.h>

#define SUM "KERNEL { for (int i = 0; i < 256; i++) F32(1)[i] = F32(0)[i] + 1; return 0; }"
#define ENDLESS "KERNEL { for (volatile int i = 1; i;) { } return 0; }"
#define OURS 0x1111
#define OTHERS 0x2222

static hone_artifact sum, endless;

static int compile_all(void **state)
{
    if (group_setup(state) != 0)
        return -1;
    hone_manifest m = {.flops = 256};
    add_arg(&m, "in", HONE_ELEM_F32, false, 256);
    add_arg(&m, "out", HONE_ELEM_F32, true, 256);
    sum = artifact(&m, SUM);
    endless = artifact(&m, ENDLESS);
    return 0;
}

static int free_all(void **state)
{
    hone_artifact_free(&sum);
    hone_artifact_free(&endless);
    return group_teardown(state);
}

static child runner(const char *spool)
{
    hone_worker_options o = {.listen = endpoint,
                             .roles = HONE_ROLE_RUN,
                             .sandbox = SANDBOX ? "on" : "off",
                             .spool = spool};
    return start_worker(&o, false);
}

/* ---- a coordinator -------------------------------------------------------------------------- */

/* The next message that is no sign of life. */
static void next(raw *r)
{
    int64_t until = hone_clock_ns() + AWAIT_MS * INT64_C(1000000);
    do {
        while (zmq_msg_recv(&r->message, r->sock, ZMQ_DONTWAIT) < 0) {
            if (hone_clock_ns() > until)
                fail_msg("no message came");
            usleep(2000);
        }
        assert_int_equal(
            hone_wire_decode(zmq_msg_data(&r->message), zmq_msg_size(&r->message), r->in, NULL),
            HONE_OK);
    } while (r->in->type == HONE_WIRE_PING);
}

static void expect(raw *r, unsigned type)
{
    next(r);
    if (r->in->type != type)
        fail_msg("%s instead of %s", hone_wire_name(r->in->type), hone_wire_name(type));
}

/* Comes to the worker, which says what it holds: *r->in is its HELLO. It may not have noticed yet
 * that the one before is gone. */
static void come(raw *r)
{
    hone_wire who = {.type = HONE_WIRE_WHO, .who = {"a test"}};
    raw_open(r);
    do {
        raw_say(r, &who);
        next(r);
        if (r->in->type == HONE_WIRE_REFUSE)
            usleep(20000);
    } while (r->in->type == HONE_WIRE_REFUSE);
    assert_int_equal(r->in->type, HONE_WIRE_HELLO);
}

static void be_welcome(raw *r, uint32_t revision, uint64_t realm, bool lasting)
{
    static uint8_t session = 1;
    hone_wire welcome = {.type = HONE_WIRE_WELCOME};
    welcome.welcome = (hone_wire_welcome){.proto = HONE_WIRE_VERSION,
                                          .heartbeat_ms = 50000,
                                          .lost_ms = 100000,
                                          .revision = revision,
                                          .realm = realm,
                                          .lasting = lasting};
    memset(r->session, ++session, sizeof r->session);
    raw_say(r, &welcome);
}

/* A service, with nothing in the worker's hands. */
static void join_service(raw *r)
{
    come(r);
    be_welcome(r, HONE_WIRE_REVISION, OURS, true);
    expect(r, HONE_WIRE_READY);
}

static uint64_t send_artifact(raw *r, const hone_artifact *a)
{
    hone_wire m = {.type = HONE_WIRE_ARTIFACT};
    m.artifact.key = hone_wire_artifact_key(&a->manifest, a->bytes, a->n);
    m.artifact.manifest = a->manifest;
    m.artifact.bytes = (hone_wire_bytes){a->bytes, (uint32_t)a->n};
    raw_say(r, &m);
    return m.artifact.key;
}

static void measure(raw *r, const hone_artifact *candidate, uint64_t fence)
{
    hone_measure_job job = plain_job(candidate, &sum);
    job.check_ms = job.run_ms = 600000;
    uint64_t keys[3] = {send_artifact(r, candidate), send_artifact(r, &sum), 0};
    hone_wire m = {.type = HONE_WIRE_MEASURE};
    m.measure = hone_wire_of_measure(&job, 1000 + fence, keys);
    m.measure.fence = fence;
    m.measure.epoch = 3;
    m.measure.unit_a = fence + 1;
    m.measure.unit_b = fence + 2;
    raw_say(r, &m);
}

static void expect_progress(raw *r, uint64_t fence, uint32_t phase)
{
    expect(r, HONE_WIRE_PROGRESS);
    assert_int_equal(r->in->progress.fence, fence);
    assert_int_equal(r->in->progress.ticket, 1000 + fence);
    assert_int_equal(r->in->progress.phase, phase);
}

static void expect_result(raw *r, uint64_t fence)
{
    expect(r, HONE_WIRE_MEASURED);
    const hone_wire_measured *m = &r->in->measured;
    assert_status(m->error.status, HONE_OK, &m->error);
    assert_true(m->time_ns > 0);
    assert_int_equal(m->fence, fence);
    assert_int_equal(m->epoch, 3);
    assert_int_equal(m->unit_a, fence + 1);
    assert_int_equal(m->unit_b, fence + 2);
}

static void holds(const raw *r, uint32_t n, uint64_t realm, uint64_t fence, uint32_t phase)
{
    const hone_wire_hello *h = &r->in->hello;
    assert_int_equal(h->n_held, n);
    if (n == 0)
        return;
    assert_int_equal(h->held[0].realm, realm);
    assert_int_equal(h->held[0].fence, fence);
    assert_int_equal(h->held[0].epoch, 3);
    assert_int_equal(h->held[0].unit_a, fence + 1);
    assert_int_equal(h->held[0].unit_b, fence + 2);
    assert_int_equal(h->held[0].phase, phase);
    assert_true((h->held[0].left_ms > 0) == (phase != HONE_WIRE_ENDED));
}

static void acknowledge(raw *r, uint64_t fence)
{
    hone_wire ack = {.type = HONE_WIRE_ACK, .ack = {fence, HONE_WIRE_TAKEN}};
    raw_say(r, &ack);
}

static void end(child *w)
{
    kill(w->pid, SIGTERM);
    assert_int_equal(join(w), HONE_OK);
}

/* ---- over the coordinator's end ------------------------------------------------------------- */

static void a_result_is_said_until_it_is_acknowledged(void **state)
{
    (void)state;
    child w = runner(NULL);
    raw r;
    join_service(&r);
    measure(&r, &sum, 5);
    expect_progress(&r, 5, HONE_WIRE_CHECKING);
    expect_progress(&r, 5, HONE_WIRE_TIMING);
    expect_result(&r, 5);
    int64_t time_ns = r.in->measured.time_ns;
    expect(&r, HONE_WIRE_READY);
    raw_close(&r); /* killed before it was durable */
    for (int i = 0; i < 2; i++) {
        come(&r);
        assert_int_equal(r.in->hello.spooled, 1);
        holds(&r, 1, OURS, 5, HONE_WIRE_ENDED);
        be_welcome(&r, HONE_WIRE_REVISION, OURS, true);
        expect(&r, HONE_WIRE_READY);
        expect_result(&r, 5);
        assert_int_equal(r.in->measured.time_ns, time_ns);
        if (i == 0)
            raw_close(&r);
    }
    acknowledge(&r, 5);
    acknowledge(&r, 5); /* twice, and of what never was: nothing */
    acknowledge(&r, 99);
    measure(&r, &sum, 6); /* all of this is behind it when that has an outcome */
    expect_progress(&r, 6, HONE_WIRE_CHECKING);
    expect_progress(&r, 6, HONE_WIRE_TIMING);
    expect_result(&r, 6);
    expect(&r, HONE_WIRE_READY);
    acknowledge(&r, 6);
    raw_close(&r);
    come(&r);
    assert_int_equal(r.in->hello.spooled, 0);
    holds(&r, 0, 0, 0, 0);
    raw_close(&r);
    end(&w);
}

static void what_runs_goes_on(void **state)
{
    (void)state;
    child w = runner(NULL);
    raw r;
    join_service(&r);
    measure(&r, &endless, 7);
    expect_progress(&r, 7, HONE_WIRE_CHECKING);
    raw_close(&r);
    come(&r);
    holds(&r, 1, OURS, 7, HONE_WIRE_CHECKING);
    be_welcome(&r, HONE_WIRE_REVISION, OURS, true);
    expect_progress(&r, 7, HONE_WIRE_CHECKING); /* and no READY: it has something in hand */
    hone_wire cancel = {.type = HONE_WIRE_CANCEL, .cancel = {.ticket = 1007, .fence = 8}};
    raw_say(&r, &cancel); /* of another lease: nothing */
    cancel.cancel = (hone_wire_cancel){.fence = 7};
    raw_say(&r, &cancel);
    expect(&r, HONE_WIRE_READY);
    measure(&r, &sum, 9);
    expect_progress(&r, 9, HONE_WIRE_CHECKING);
    expect_progress(&r, 9, HONE_WIRE_TIMING);
    expect_result(&r, 9);
    raw_close(&r);
    end(&w);
}

/* One that is stopped in order says goodbye, and is waited for as well; a tune that does is not. */
static void over_a_goodbye(void **state)
{
    (void)state;
    for (int lasting = 0; lasting < 2; lasting++) {
        child w = runner(NULL);
        raw r;
        come(&r);
        be_welcome(&r, HONE_WIRE_REVISION, OURS, lasting);
        expect(&r, HONE_WIRE_READY);
        measure(&r, &endless, 15);
        expect_progress(&r, 15, HONE_WIRE_CHECKING);
        hone_wire bye = {.type = HONE_WIRE_GOODBYE, .goodbye = {"a test"}};
        raw_say(&r, &bye);
        memset(r.session, 0, sizeof r.session);
        hone_wire who = {.type = HONE_WIRE_WHO, .who = {"a test"}};
        raw_say(&r, &who);
        expect(&r, HONE_WIRE_HELLO);
        holds(&r, (uint32_t)lasting, OURS, 15, HONE_WIRE_CHECKING);
        raw_close(&r);
        end(&w);
    }
}

/* Another service, or somebody's tune, does not wait for it; what has ended is kept for its own. */
static void another_coordinator_does_not_wait(void **state)
{
    (void)state;
    child w = runner(NULL);
    raw r;
    join_service(&r);
    measure(&r, &sum, 10);
    expect_progress(&r, 10, HONE_WIRE_CHECKING);
    expect_progress(&r, 10, HONE_WIRE_TIMING);
    expect_result(&r, 10);
    expect(&r, HONE_WIRE_READY);
    measure(&r, &endless, 11);
    expect_progress(&r, 11, HONE_WIRE_CHECKING);
    raw_close(&r);
    come(&r);
    assert_int_equal(r.in->hello.n_held, 2);
    be_welcome(&r, HONE_WIRE_REVISION, OTHERS, true);
    expect(&r, HONE_WIRE_READY);
    acknowledge(&r, 10); /* not its own to say */
    raw_close(&r);
    come(&r);
    holds(&r, 1, OURS, 10, HONE_WIRE_ENDED);
    be_welcome(&r, HONE_WIRE_REVISION, OURS, true);
    expect(&r, HONE_WIRE_READY);
    expect_result(&r, 10);
    raw_close(&r);
    end(&w);
}

/* One that does not know its leases again leaves nothing behind. */
static void a_tune_leaves_nothing_behind(void **state)
{
    (void)state;
    child w = runner(NULL);
    raw r;
    come(&r);
    be_welcome(&r, HONE_WIRE_REVISION, OURS, false);
    expect(&r, HONE_WIRE_READY);
    measure(&r, &sum, 12);
    expect_progress(&r, 12, HONE_WIRE_CHECKING);
    expect_progress(&r, 12, HONE_WIRE_TIMING);
    expect_result(&r, 12);
    expect(&r, HONE_WIRE_READY);
    measure(&r, &endless, 13);
    expect_progress(&r, 13, HONE_WIRE_CHECKING);
    raw_close(&r);
    come(&r);
    assert_int_equal(r.in->hello.spooled, 0);
    holds(&r, 0, 0, 0, 0);
    be_welcome(&r, HONE_WIRE_REVISION, OURS, false);
    expect(&r, HONE_WIRE_READY);
    raw_close(&r);
    end(&w);
}

static void an_older_coordinator_is_served(void **state)
{
    (void)state;
    child w = runner(NULL);
    raw r;
    come(&r);
    be_welcome(&r, HONE_WIRE_REVISION_KEEP - 1, 0, false);
    expect(&r, HONE_WIRE_READY);
    measure(&r, &sum, 14);
    expect(&r, HONE_WIRE_MEASURED); /* no PROGRESS, and nothing to acknowledge */
    assert_int_equal(r.in->measured.fence, 0);
    assert_int_equal(r.in->measured.ticket, 1014);
    expect(&r, HONE_WIRE_READY);
    raw_close(&r);
    come(&r);
    holds(&r, 0, 0, 0, 0);
    raw_close(&r);
    end(&w);
}

/* ---- on disk -------------------------------------------------------------------------------- */

static unsigned files_in(const char *path)
{
    unsigned n = 0;
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += strstr(e->d_name, ".result") != NULL;
    closedir(d);
    return n;
}

/* A worker that has measured for lease 20 and was killed before an answer came. */
static void killed_with_a_result(const char *place, bool disk_fails)
{
    char *away = hone_xasprintf("%s-away", place);
    child w = runner(place);
    raw r;
    join_service(&r);
    if (disk_fails) /* so that nothing can be written there, whoever this is */
        assert_int_equal(rename(place, away), 0);
    measure(&r, &sum, 20);
    expect_progress(&r, 20, HONE_WIRE_CHECKING);
    expect_progress(&r, 20, HONE_WIRE_TIMING);
    expect_result(&r, 20);
    expect(&r, HONE_WIRE_READY);
    kill(w.pid, SIGKILL);
    assert_int_equal(join(&w), 1000 + SIGKILL);
    raw_close(&r);
    if (disk_fails)
        assert_int_equal(rename(away, place), 0);
    free(away);
}

static void the_worker_is_killed_too(void **state)
{
    (void)state;
    char *place = hone_xasprintf("%s/spool-%u", folder, n_endpoints);
    killed_with_a_result(place, false);
    assert_int_equal(files_in(place), 1);
    child w = runner(place);
    raw r;
    come(&r);
    holds(&r, 1, OURS, 20, HONE_WIRE_ENDED);
    be_welcome(&r, HONE_WIRE_REVISION, OURS, true);
    expect(&r, HONE_WIRE_READY);
    expect_result(&r, 20);
    acknowledge(&r, 20);
    for (int i = 0; i < AWAIT_MS / 10 && files_in(place); i++)
        usleep(10000);
    assert_int_equal(files_in(place), 0);
    raw_close(&r);
    end(&w);
    free(place);
}

/* A disk that takes nothing costs the file only; the result is as it would be. */
static void a_disk_that_takes_nothing(void **state)
{
    (void)state;
    char *place = hone_xasprintf("%s/spool-%u", folder, n_endpoints);
    killed_with_a_result(place, true);
    assert_int_equal(files_in(place), 0);
    child w = runner(place);
    raw r;
    come(&r);
    holds(&r, 0, 0, 0, 0);
    raw_close(&r);
    end(&w);
    free(place);
}

/* As many as it has room for wait to be acknowledged: it asks for no more until one is. */
static void full(void **state)
{
    (void)state;
    child w = runner(NULL);
    raw r;
    join_service(&r);
    for (uint64_t fence = 1; fence <= HONE_WIRE_LEASES; fence++) {
        if (fence > 1)
            expect(&r, HONE_WIRE_READY);
        hone_wire m = {.type = HONE_WIRE_MEASURE, .measure = {.ticket = fence, .fence = fence}};
        raw_say(&r, &m); /* nobody could measure that, which is an outcome as any */
        expect(&r, HONE_WIRE_MEASURED);
        assert_int_equal(r.in->measured.fence, fence);
        assert_int_equal(r.in->measured.error.status, HONE_E_INPUT);
    }
    hone_wire ping = {.type = HONE_WIRE_PING};
    raw_say(&r, &ping);
    do { /* those that were said so long ago that they may be lost are said again */
        next(&r);
        assert_int_not_equal(r.in->type, HONE_WIRE_READY);
    } while (r.in->type != HONE_WIRE_PONG);
    acknowledge(&r, 3);
    do
        next(&r);
    while (r.in->type == HONE_WIRE_MEASURED);
    assert_int_equal(r.in->type, HONE_WIRE_READY);
    assert_int_equal(r.in->ready.credit, 1);
    raw_close(&r);
    come(&r);
    assert_int_equal(r.in->hello.spooled, HONE_WIRE_LEASES - 1);
    assert_int_equal(r.in->hello.n_held, HONE_WIRE_LEASES - 1);
    raw_close(&r);
    end(&w);
}

static void bad_options(void **state)
{
    (void)state;
    hone_error err = {0};
    hone_worker_options o = builder_at(endpoint);
    o.spool = folder;
    assert_int_equal(hone_worker_run(&o, &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "no results to keep"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_result_is_said_until_it_is_acknowledged),
        TEST(what_runs_goes_on),
        TEST(over_a_goodbye),
        TEST(another_coordinator_does_not_wait),
        TEST(a_tune_leaves_nothing_behind),
        TEST(an_older_coordinator_is_served),
        TEST(the_worker_is_killed_too),
        TEST(a_disk_that_takes_nothing),
        TEST(full),
        TEST(bad_options),
    };
    return cmocka_run_group_tests(tests, compile_all, free_all);
}
