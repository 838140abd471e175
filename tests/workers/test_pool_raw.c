/* The pool against peers that are late, forgetful, or speak nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/workers/pool_tools.h"
#include "workers/pool/internal.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

static void late_worker_times_out(void **state)
{
    (void)state;
    hone_pool *p = listening_pool(2000); /* it is also the grace for a job that is late */
    raw r;
    raw_open(&r);
    raw_hello(&r, HONE_WIRE_VERSION, HONE_ROLE_BUILD);
    raw_expect(&r, p, HONE_WIRE_WELCOME);
    raw_ready(&r, HONE_ROLE_BUILD, 1);
    hone_build_job job = {.id = 8, .workload = "w", .target = "t", .deadline_ms = 200};
    hone_pool_build(p, &job);
    raw_expect(&r, p, HONE_WIRE_BUILD);
    assert_int_equal(r.in->deadline_ms, 200);
    hone_wire late = {.type = HONE_WIRE_BUILT, .built = {.ticket = r.in->build.ticket}};
    late.built.bytes = (hone_wire_bytes){(const uint8_t *)"x", 1};
    hone_pool_event e = {0};
    for (int i = 0; i < AWAIT_MS / 20 && e.kind != HONE_POOL_BUILT; i++) { /* alive, no more */
        hone_wire ping = {.type = HONE_WIRE_PING};
        raw_say(&r, &ping);
        hone_pool_next(p, 20, &e);
    }
    assert_int_equal(e.kind, HONE_POOL_BUILT);
    assert_int_equal(e.id, 8);
    assert_int_equal(e.status, HONE_E_TIMEOUT);
    await(p, HONE_POOL_PEER_LOST);
    raw_say(&r, &late); /* a job comes back once */
    for (int i = 0; i < 10; i++) {
        hone_pool_next(p, 20, &e);
        assert_int_equal(e.kind, HONE_POOL_NOTHING);
    }
    raw_close(&r);
    hone_pool_free(p);
}

/* Alive, registered, and takes no job: somebody is told, once in a while. */
static void idle_worker_is_told_of(void **state)
{
    (void)state;
    hone_pool *p = listening_pool(3000); /* after half of which it is told */
    raw r;
    raw_open(&r);
    raw_hello(&r, HONE_WIRE_VERSION, HONE_ROLE_BUILD);
    raw_expect(&r, p, HONE_WIRE_WELCOME);
    submit(p, 1, "w", NULL);
    hone_pool_event e = {0};
    int64_t start = hone_clock_ns();
    for (int k = 0; k < AWAIT_MS / 50 && e.kind == HONE_POOL_NOTHING; k++) {
        hone_wire ping = {.type = HONE_WIRE_PING};
        raw_say(&r, &ping);
        hone_pool_next(p, 50, &e);
    }
    assert_int_equal(e.kind, HONE_POOL_PEER_BUSY);
    assert_true(hone_clock_ns() - start >= INT64_C(1500000000));
    assert_non_null(strstr(e.text, "has taken nothing to build for"));
    assert_string_equal(e.device, "raw?[31m");
    for (int k = 0; k < 20; k++) { /* and that once: for the next minute nothing is said of it */
        hone_wire ping = {.type = HONE_WIRE_PING};
        raw_say(&r, &ping);
        hone_pool_next(p, 50, &e);
        assert_int_equal(e.kind, HONE_POOL_NOTHING);
    }
    raw_ready(&r, HONE_ROLE_BUILD, 1); /* and when it does, it gets the job */
    do
        raw_receive(&r, p);
    while (r.in->type == HONE_WIRE_PONG);
    assert_int_equal(r.in->type, HONE_WIRE_BUILD);
    raw_close(&r);
    hone_pool_free(p);
}

static void artifacts_are_sent_once(void **state)
{
    (void)state;
    hone_pool *p = listening_pool(0);
    raw r;
    raw_open(&r);
    raw_hello(&r, HONE_WIRE_VERSION, HONE_ROLE_RUN);
    raw_expect(&r, p, HONE_WIRE_WELCOME);
    raw_ready(&r, HONE_ROLE_RUN, 1);
    hone_arg arg = {.name = "C"};
    hone_artifact one = {
        .manifest = {.n_args = 1, .args = &arg, .flops = 5}, .bytes = (uint8_t *)"one", .n = 3};
    hone_artifact ref = {.bytes = (uint8_t *)"reference", .n = 9};
    hone_measure_job job = {.id = 11,
                            .candidate = &one,
                            .reference = &ref,
                            .threads = 2,
                            .data_seed = 99,
                            .tolerance = 1e-5,
                            .check_ms = 100,
                            .run_ms = 200,
                            .min_samples = 3,
                            .max_samples = 9,
                            .sample_ns = 1000};
    hone_pool_measure(p, &job);
    raw_expect(&r, p, HONE_WIRE_ARTIFACT);
    uint64_t key = r.in->artifact.key;
    assert_int_equal(key, hone_wire_artifact_key(&one.manifest, "one", 3));
    assert_int_equal(r.in->artifact.bytes.n, 3);
    raw_expect(&r, p, HONE_WIRE_ARTIFACT);
    uint64_t ref_key = r.in->artifact.key;
    raw_expect(&r, p, HONE_WIRE_MEASURE);
    assert_int_equal(r.in->measure.candidate, key);
    assert_int_equal(r.in->measure.reference, ref_key);
    assert_int_equal(r.in->measure.incumbent, 0);
    assert_int_equal(r.in->measure.data_seed, 99);
    uint64_t ticket = r.in->measure.ticket;
    hone_wire need = {.type = HONE_WIRE_NEED, .need = {ticket, ref_key}};
    raw_say(&r, &need);
    raw_expect(&r, p, HONE_WIRE_ARTIFACT);
    assert_int_equal(r.in->artifact.key, ref_key);
    hone_wire *done = hone_xcalloc(1, sizeof *done);
    done->type = HONE_WIRE_MEASURED;
    done->measured = (hone_wire_measured){.ticket = ticket,
                                          .spent_ns = 7,
                                          .time_ns = 1234,
                                          .log_ratio = 0,
                                          .n_sample_ns = 2,
                                          .sample_ns = {1200, 1268},
                                          .n_incumbent_ns = 2,
                                          .max_error = 1e-7,
                                          .env = "a raw peer"};
    raw_say(&r, done);
    hone_pool_event e = await(p, HONE_POOL_MEASURED);
    assert_int_equal(e.id, 11);
    assert_int_equal(e.status, HONE_OK);
    assert_int_equal(e.result.time_ns, 1234);
    assert_int_equal(e.result.n_samples, 2);
    assert_true(e.result.sample_ns[1] == 1268 && e.result.max_error == 1e-7);
    assert_string_equal(e.result.env, "a raw peer");
    assert_int_equal(e.spent_ns, 7);
    raw_expect(&r, p, HONE_WIRE_ACK);
    /* Again with the same reference, and the candidate as incumbent: only the new one travels. */
    hone_artifact two = {.bytes = (uint8_t *)"two", .n = 3};
    job.id = 12;
    job.candidate = &two;
    job.incumbent = &one;
    raw_ready(&r, HONE_ROLE_RUN, 1);
    hone_pool_measure(p, &job);
    raw_expect(&r, p, HONE_WIRE_ARTIFACT);
    assert_memory_equal(r.in->artifact.bytes.p, "two", 3);
    raw_expect(&r, p, HONE_WIRE_MEASURE);
    assert_int_equal(r.in->measure.incumbent, key);
    free(done);
    raw_close(&r);
    hone_pool_free(p);
}

/* A worker that says what cannot be is told, and sent away for good; its job comes back as if the
 * worker had been lost, and no terminal codes come along. */
static void who_lies_is_sent_away(void **state)
{
    (void)state;
    hone_pool *p = listening_pool(0);
    static const char *const how[] = {"NaN error", "NaN sample", "no time", "malformed"};
    for (size_t i = 0; i < HONE_LEN(how); i++) {
        raw r;
        raw_open(&r);
        hone_wire hello = {.type = HONE_WIRE_HELLO,
                           .hello = {.proto_min = 1,
                                     .proto_max = 1,
                                     .roles = HONE_ROLE_RUN,
                                     .instance = {(uint8_t)(i + 1)},
                                     .name = "liar"}};
        raw_say(&r, &hello);
        raw_expect(&r, p, HONE_WIRE_WELCOME);
        raw_ready(&r, HONE_ROLE_RUN, 1);
        hone_artifact one = {.bytes = (uint8_t *)"one", .n = 3};
        hone_measure_job job = {.id = i + 1,
                                .candidate = &one,
                                .reference = &one,
                                .threads = 1,
                                .tolerance = 1e-5,
                                .check_ms = 1000,
                                .run_ms = 1000,
                                .min_samples = 1,
                                .max_samples = 9};
        hone_pool_measure(p, &job);
        raw_expect(&r, p, HONE_WIRE_ARTIFACT);
        raw_expect(&r, p, HONE_WIRE_MEASURE);
        hone_wire m = {.type = HONE_WIRE_MEASURED,
                       .seq = 77,
                       .measured = {.ticket = r.in->measure.ticket,
                                    .time_ns = 100,
                                    .n_sample_ns = 1,
                                    .sample_ns = {100},
                                    .n_incumbent_ns = 1,
                                    .max_error = i == 0 ? NAN : 0}};
        m.measured.sample_ns[0] = i == 1 ? NAN : 100;
        m.measured.time_ns = i == 2 ? 0 : 100;
        if (i == 3) {
            hone_buf b = {0};
            memcpy(m.session, r.session, 16);
            assert_int_equal(hone_wire_encode(&m, &b, NULL), HONE_OK);
            assert_int_equal(zmq_send(r.sock, b.s, b.n - 5, 0), b.n - 5);
            hone_buf_free(&b);
        } else {
            raw_say(&r, &m);
        }
        hone_pool_event e = await(p, HONE_POOL_PEER_LOST);
        assert_non_null(strstr(e.text, "liar: it sent "));
        e = await(p, HONE_POOL_MEASURED);
        assert_int_equal(e.id, i + 1);
        assert_int_equal(e.status, HONE_E_PEER);
        raw_expect(&r, p, HONE_WIRE_NACK);
        assert_int_equal(r.in->nack.code, HONE_NACK_MALFORMED);
        assert_int_equal(r.in->nack.seq, 77);
        raw_expect(&r, p, HONE_WIRE_GOODBYE);
        memset(r.session, 0, 16);
        raw_say(&r, &hello); /* it may not come back */
        raw_expect(&r, p, HONE_WIRE_REFUSE);
        assert_int_equal(r.in->refuse.retry_ms, 0);
        assert_non_null(strstr(r.in->refuse.text, "sent away"));
        assert_int_equal(hone_pool_peers(p, HONE_ROLE_RUN), 0);
        raw_close(&r);
    }
    hone_pool_free(p);
}

static void nonsense_is_answered(void **state)
{
    (void)state;
    hone_pool *p = listening_pool(0);
    raw r;
    raw_open(&r);
    assert_int_equal(zmq_send(r.sock, "GET / HTTP/1.1", 14, 0), 14);
    raw_expect(&r, p, HONE_WIRE_NACK);
    assert_int_equal(r.in->nack.code, HONE_NACK_MALFORMED);
    hone_wire ping = {.type = HONE_WIRE_PING, .seq = 31};
    hone_buf b = {0};
    assert_int_equal(hone_wire_encode(&ping, &b, NULL), HONE_OK);
    b.s[3] = 99;
    zmq_send(r.sock, b.s, b.n, 0);
    raw_expect(&r, p, HONE_WIRE_NACK);
    assert_int_equal(r.in->nack.code, HONE_NACK_TYPE);
    assert_int_equal(r.in->nack.seq, 31);
    memset(r.session, 9, 16); /* of another life */
    raw_say(&r, &ping);
    raw_expect(&r, p, HONE_WIRE_WHO);
    assert_memory_equal(r.in->session, r.session, 16);
    memset(r.session, 0, 16);
    raw_hello(&r, HONE_WIRE_VERSION + 1, HONE_ROLE_RUN);
    raw_expect(&r, p, HONE_WIRE_REFUSE);
    assert_int_equal(r.in->refuse.code, HONE_REFUSE_VERSION);
    raw_hello(&r, HONE_WIRE_VERSION, 0);
    raw_expect(&r, p, HONE_WIRE_REFUSE);
    assert_int_equal(r.in->refuse.code, HONE_REFUSE_HELLO);
    raw_hello(&r, HONE_WIRE_VERSION, HONE_ROLE_RUN);
    hone_pool_event e = await(p, HONE_POOL_PEER_JOINED);
    assert_null(strchr(e.text, '\x1b')); /* no terminal codes from the wire */
    raw_expect(&r, p, HONE_WIRE_WELCOME);
    raw_ready(&r, HONE_ROLE_BUILD, 5); /* not its role */
    raw_ready(&r, HONE_ROLE_RUN, UINT32_MAX);
    hone_wire wrong = {.type = HONE_WIRE_WHO, .who = {"?"}};
    raw_say(&r, &wrong);
    raw_expect(&r, p, HONE_WIRE_NACK);
    assert_int_equal(r.in->nack.code, HONE_NACK_DIRECTION);
    assert_int_equal(hone_pool_credit(p, HONE_ROLE_BUILD), 0);
    assert_in_range(hone_pool_credit(p, HONE_ROLE_RUN), 1, 100);
    uint8_t session[16];
    memcpy(session, r.session, 16);
    raw_hello(&r, HONE_WIRE_VERSION, HONE_ROLE_RUN); /* said twice: the same session */
    raw_expect(&r, p, HONE_WIRE_WELCOME);
    assert_memory_equal(session, r.session, 16);
    hone_buf_free(&b);
    raw_close(&r);
    hone_pool_free(p);
}

/* One that asks and does not read: what waits for it is bounded, and then it is given up. */
static void who_takes_nothing_is_given_up(void **state)
{
    (void)state;
    enum { BYTES = 100000, MOST = 1000 };
    hone_error err = {0};
    raw r;
    hone_pool *p = open_pool(&(hone_pool_options){.clients = true});
    char *long_answer = hone_xcalloc(1, BYTES);
    assert_int_equal(hone_pool_listen(p, endpoint, &err), HONE_OK);
    raw_open(&r);
    int few = 8;
    zmq_setsockopt(r.sock, ZMQ_RCVHWM, &few, sizeof few);
    zmq_disconnect(r.sock, endpoint);
    assert_int_equal(zmq_connect(r.sock, endpoint), 0);
    raw_hello(&r, HONE_WIRE_VERSION, HONE_ROLE_CLIENT);
    uint64_t peer = await(p, HONE_POOL_PEER_JOINED).peer;
    unsigned n = 0;
    while (n < MOST && hone_pool_tell(p, peer, n, long_answer, BYTES, true))
        n++;
    assert_true(n > 64 && n < MOST);
    assert_int_equal(await(p, HONE_POOL_PEER_LOST).peer, peer);
    free(long_answer);
    raw_close(&r);
    hone_pool_free(p);
}

typedef struct flooder {
    raw *r;
    _Atomic bool over;
} flooder;

static void *flood(void *arg)
{
    flooder *f = arg;
    hone_buf b = {0};
    hone_wire m = {.type = HONE_WIRE_SAY, .say = {.ask = 1}};
    memcpy(m.session, f->r->session, 16);
    assert_int_equal(hone_wire_encode(&m, &b, NULL), HONE_OK);
    while (!f->over)
        if (zmq_send(f->r->sock, b.s, b.n, ZMQ_DONTWAIT) < 0)
            usleep(100);
    hone_buf_free(&b);
    return NULL;
}

/* One that says more than can be taken in: what waits here is bounded, and others are heard. */
static void a_flood_is_taken_in_parts(void **state)
{
    (void)state;
    hone_error err = {0};
    hone_pool_event e;
    pthread_t thread;
    raw r, other;
    flooder f = {.r = &r};
    hone_pool *p = open_pool(&(hone_pool_options){.clients = true});
    assert_int_equal(hone_pool_listen(p, endpoint, &err), HONE_OK);
    raw_open(&r);
    raw_hello(&r, HONE_WIRE_VERSION, HONE_ROLE_CLIENT);
    raw_expect(&r, p, HONE_WIRE_WELCOME);
    pthread_create(&thread, NULL, flood, &f);
    for (int k = 0; k < 20; k++) {
        usleep(50000);
        hone_pool_next(p, 0, &e);
        assert_true(p->events.n - p->first < 2000);
        for (uint32_t left = p->events.n - p->first; left > 0; left--) {
            hone_buf_free(&e.said);
            hone_pool_next(p, 0, &e);
        }
        hone_buf_free(&e.said);
    }
    raw_open(&other);
    hone_wire m = {.type = HONE_WIRE_HELLO,
                   .hello = {.proto_min = HONE_WIRE_VERSION,
                             .proto_max = HONE_WIRE_VERSION,
                             .roles = HONE_ROLE_CLIENT,
                             .name = "other",
                             .instance = {1}}};
    raw_say(&other, &m);
    do {
        hone_pool_next(p, 5, &e);
        hone_buf_free(&e.said);
    } while (e.kind != HONE_POOL_PEER_JOINED || strcmp(e.device, "other") != 0);
    f.over = true;
    pthread_join(thread, NULL);
    raw_expect(&other, NULL, HONE_WIRE_WELCOME);
    raw_close(&other);
    raw_close(&r);
    hone_pool_free(p);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(late_worker_times_out),         TEST(idle_worker_is_told_of),
        TEST(artifacts_are_sent_once),       TEST(who_lies_is_sent_away),
        TEST(nonsense_is_answered),          TEST(a_flood_is_taken_in_parts),
        TEST(who_takes_nothing_is_given_up),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
