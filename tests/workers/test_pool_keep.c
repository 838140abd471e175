/* The pool and workers that keep results: when it acknowledges, what it makes of results that come
 * again or late, and of what a worker says it holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/workers/pool_tools.h"

#include <math.h>

#define OURS 0x1111
#define OTHERS 0x2222

static const hone_artifact one = {.bytes = (uint8_t *)"one", .n = 3};

static hone_pool *service(void)
{
    hone_error err = {0};
    hone_pool *p = open_pool(&(hone_pool_options){.realm = OURS});
    if (hone_pool_listen(p, endpoint, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return p;
}

static void come(raw *r, hone_pool *p)
{
    raw_open(r);
    raw_hello(r, HONE_WIRE_VERSION, HONE_ROLE_RUN);
    raw_expect(r, p, HONE_WIRE_WELCOME);
}

/* Has it measured; the worker has the ticket and fence of it. */
static hone_wire measure(hone_pool *p, raw *r, uint64_t id, hone_lease lease)
{
    hone_measure_job job = {.id = id,
                            .lease = lease,
                            .candidate = &one,
                            .reference = &one,
                            .threads = 1,
                            .tolerance = 1,
                            .check_ms = 60000,
                            .run_ms = 60000,
                            .min_samples = 1,
                            .max_samples = 1};
    raw_ready(r, HONE_ROLE_RUN, 1);
    hone_pool_measure(p, &job);
    do
        raw_receive(r, p);
    while (r->in->type != HONE_WIRE_MEASURE);
    hone_wire m = {.type = HONE_WIRE_MEASURED};
    m.measured = (hone_wire_measured){.ticket = r->in->measure.ticket,
                                      .time_ns = 100,
                                      .n_sample_ns = 1,
                                      .sample_ns = {100},
                                      .n_incumbent_ns = 1,
                                      .env = "raw",
                                      .fence = r->in->measure.fence,
                                      .epoch = r->in->measure.epoch,
                                      .unit_a = r->in->measure.unit_a,
                                      .unit_b = r->in->measure.unit_b};
    return m;
}

static void expect_ack(raw *r, hone_pool *p, uint64_t fence, uint32_t verdict)
{
    raw_expect(r, p, HONE_WIRE_ACK);
    assert_int_equal(r->in->ack.fence, fence);
    assert_int_equal(r->in->ack.verdict, verdict);
}

/* Nothing has come of what the worker said last but the answer to a PING behind it. */
static void expect_nothing(raw *r, hone_pool *p)
{
    hone_wire ping = {.type = HONE_WIRE_PING};
    raw_say(r, &ping);
    raw_expect(r, p, HONE_WIRE_PONG);
}

static void who_does_not_ask_is_served(void **state)
{
    (void)state;
    hone_pool *p = listening_pool(0);
    raw r;
    come(&r, p);
    assert_int_equal(r.in->welcome.revision, HONE_WIRE_REVISION);
    assert_true(r.in->welcome.realm != 0 && !r.in->welcome.lasting);
    hone_wire m = measure(p, &r, 1, (hone_lease){.fence = 77}); /* not of a pool without a realm */
    uint64_t fence = m.measured.fence;
    assert_int_equal(fence, m.measured.ticket);
    raw_say(&r, &m);
    hone_pool_event e = await(p, HONE_POOL_MEASURED);
    assert_int_equal(e.status, HONE_OK);
    expect_ack(&r, p, fence, HONE_WIRE_TAKEN);
    raw_say(&r, &m); /* the answer was lost */
    expect_ack(&r, p, fence, HONE_WIRE_STALE);
    raw_close(&r);
    hone_pool_free(p);
}

/* What a tune does: the worker hears of it when the record is in the log, and not before. */
static void held_until_it_is_durable(void **state)
{
    (void)state;
    hone_pool *p = listening_pool(0);
    hone_pool_hold(p);
    raw r;
    come(&r, p);
    hone_wire m = measure(p, &r, 1, (hone_lease){0});
    uint64_t fence = m.measured.fence;
    raw_say(&r, &m);
    hone_pool_event e = await(p, HONE_POOL_MEASURED);
    assert_int_equal(e.lease.fence, fence);
    expect_nothing(&r, p);
    raw_say(&r, &m); /* again, and not durable yet: no second event, no answer */
    expect_nothing(&r, p);
    hone_pool_ack(p, e.peer, fence, HONE_ACK_TAKEN);
    expect_ack(&r, p, fence, HONE_WIRE_TAKEN);
    raw_say(&r, &m);
    expect_ack(&r, p, fence, HONE_WIRE_STALE);
    hone_pool_next(p, 0, &e);
    assert_int_equal(e.kind, HONE_POOL_NOTHING);
    raw_close(&r);
    hone_pool_free(p);
}

/* One that is taken back when its result is there already, or on its way, is nobody's. */
static void cancelled_with_its_result(void **state)
{
    (void)state;
    hone_pool *p = listening_pool(0);
    hone_pool_hold(p);
    raw r;
    come(&r, p);
    hone_wire first = measure(p, &r, 1, (hone_lease){0}),
              second = measure(p, &r, 2, (hone_lease){0});
    raw_say(&r, &first);
    raw_say(&r, &second);
    hone_pool_event e = await(p, HONE_POOL_MEASURED);
    assert_int_equal(e.id, 1);
    hone_pool_cancel(p, 2);
    do
        raw_receive(&r, p);
    while (r.in->type == HONE_WIRE_CANCEL);
    assert_int_equal(r.in->type, HONE_WIRE_ACK);
    assert_int_equal(r.in->ack.fence, second.measured.fence);
    assert_int_equal(r.in->ack.verdict, HONE_WIRE_STALE);
    hone_pool_ack(p, e.peer, e.lease.fence, HONE_ACK_TAKEN);
    expect_ack(&r, p, first.measured.fence, HONE_WIRE_TAKEN);
    hone_pool_next(p, 0, &e);
    assert_int_equal(e.kind, HONE_POOL_NOTHING);
    raw_close(&r);
    hone_pool_free(p);
}

static void leases_of_a_service(void **state)
{
    (void)state;
    hone_pool *p = service();
    raw r;
    come(&r, p);
    assert_int_equal(r.in->welcome.realm, OURS);
    assert_true(r.in->welcome.lasting);
    hone_wire m = measure(p, &r, 1, (hone_lease){41, 3, {5, 6}});
    assert_int_equal(m.measured.fence, 41);
    assert_int_equal(m.measured.epoch, 3);
    assert_int_equal(m.measured.unit_a, 5);
    assert_int_equal(m.measured.unit_b, 6);
    hone_wire progress = {.type = HONE_WIRE_PROGRESS,
                          .progress = {m.measured.ticket, 41, HONE_WIRE_TIMING}};
    raw_say(&r, &progress);
    hone_pool_event e = await(p, HONE_POOL_PROGRESS);
    assert_int_equal(e.lease.fence, 41);
    assert_int_equal(e.phase, HONE_HELD_TIMING);
    progress.progress.phase = HONE_WIRE_ENDED; /* RESULT says that */
    raw_say(&r, &progress);
    expect_nothing(&r, p);
    raw_say(&r, &m);
    e = await(p, HONE_POOL_MEASURED);
    assert_int_equal(e.id, 1);
    assert_int_equal(e.lease.fence, 41);
    assert_int_equal(e.lease.unit[1], 6);
    raw_say(&r, &m);
    e = await(p, HONE_POOL_LATE);
    assert_int_equal(e.lease.fence, 41);
    assert_int_equal(e.lease.epoch, 3);
    assert_int_equal(e.lease.unit[0], 5);
    assert_int_equal(e.result.time_ns, 100);
    assert_string_equal(e.device, "raw?[31m");
    hone_pool_ack(p, e.peer, 41, HONE_ACK_AGAIN);
    expect_ack(&r, p, 41, HONE_WIRE_AGAIN);
    m = measure(p, &r, 2, (hone_lease){0}); /* a canary */
    assert_int_equal(m.measured.fence, 0);
    raw_close(&r);
    hone_pool_free(p);
}

static void what_a_worker_holds(void **state)
{
    (void)state;
    hone_pool *p = service();
    raw r;
    raw_open(&r);
    hone_wire m = {.type = HONE_WIRE_HELLO};
    m.hello = (hone_wire_hello){.proto_min = HONE_WIRE_VERSION,
                                .proto_max = HONE_WIRE_VERSION,
                                .roles = HONE_ROLE_RUN,
                                .name = "raw",
                                .revision = HONE_WIRE_REVISION,
                                .spooled = 2,
                                .n_held = 3};
    m.hello.held[0] = (hone_wire_lease){OURS, 1, 10, 11, 2, HONE_WIRE_TIMING, 5000};
    m.hello.held[1] = (hone_wire_lease){OTHERS, 2, 10, 11, 2, HONE_WIRE_ENDED, 0};
    m.hello.held[2] = (hone_wire_lease){OURS, 3, 12, 13, 2, HONE_WIRE_ENDED, 0};
    raw_say(&r, &m);
    hone_pool_event e = await(p, HONE_POOL_PEER_JOINED);
    hone_pool_peer peer;
    assert_true(hone_pool_peer_get(p, e.peer, &peer));
    assert_true(peer.keeps);
    assert_int_equal(peer.n_held, 2);
    assert_int_equal(peer.held[0].lease.fence, 1);
    assert_int_equal(peer.held[0].phase, HONE_HELD_TIMING);
    assert_int_equal(peer.held[0].left_ms, 5000);
    assert_int_equal(peer.held[1].lease.fence, 3);
    assert_int_equal(peer.held[1].lease.unit[0], 12);
    assert_int_equal(peer.held[1].phase, HONE_HELD_ENDED);
    raw_expect(&r, p, HONE_WIRE_WELCOME);
    hone_pool_revoke(p, e.peer, 1);
    raw_expect(&r, p, HONE_WIRE_CANCEL);
    assert_int_equal(r.in->cancel.fence, 1);
    hone_pool_revoke(p, 99, 1); /* nobody is not told */
    hone_pool_ack(p, 99, 1, HONE_ACK_TAKEN);
    expect_nothing(&r, p);
    raw_close(&r);
    hone_pool_free(p);
}

/* Numbers of a worker are looked at when nothing here was asked of it, too. */
static void a_late_lie(void **state)
{
    (void)state;
    hone_pool *p = service();
    raw r;
    come(&r, p);
    hone_wire m = {.type = HONE_WIRE_MEASURED};
    m.measured = (hone_wire_measured){.ticket = 5,
                                      .time_ns = 100,
                                      .n_sample_ns = 1,
                                      .sample_ns = {NAN},
                                      .n_incumbent_ns = 1,
                                      .env = "raw",
                                      .fence = 9};
    raw_say(&r, &m);
    hone_pool_event e = await(p, HONE_POOL_PEER_LOST);
    assert_non_null(strstr(e.text, "it sent a result that cannot be"));
    raw_close(&r);
    hone_pool_free(p);
}

static void an_older_worker_is_served(void **state)
{
    (void)state;
    hone_pool *p = service();
    raw r;
    raw_open(&r);
    hone_wire m = {.type = HONE_WIRE_HELLO};
    m.hello = (hone_wire_hello){.proto_min = HONE_WIRE_VERSION,
                                .proto_max = HONE_WIRE_VERSION,
                                .roles = HONE_ROLE_RUN,
                                .name = "older",
                                .revision = HONE_WIRE_REVISION_KEEP - 1};
    raw_say(&r, &m);
    hone_pool_event e = await(p, HONE_POOL_PEER_JOINED);
    hone_pool_peer peer;
    assert_true(hone_pool_peer_get(p, e.peer, &peer));
    assert_false(peer.keeps);
    raw_expect(&r, p, HONE_WIRE_WELCOME);
    m = measure(p, &r, 1, (hone_lease){41, 3, {5, 6}});
    assert_int_equal(m.measured.fence, 0);
    raw_say(&r, &m);
    e = await(p, HONE_POOL_MEASURED);
    assert_int_equal(e.id, 1);
    assert_int_equal(e.lease.fence, 0);
    hone_pool_ack(p, e.peer, 41, HONE_ACK_TAKEN); /* is not sent what it does not know */
    expect_nothing(&r, p);
    raw_close(&r);
    hone_pool_free(p);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(who_does_not_ask_is_served), TEST(held_until_it_is_durable),
        TEST(cancelled_with_its_result),  TEST(leases_of_a_service),
        TEST(what_a_worker_holds),        TEST(a_late_lie),
        TEST(an_older_worker_is_served),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
