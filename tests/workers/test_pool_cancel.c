/* Jobs taken back: while they wait, in the hands of a worker, and when they are done already. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/workers/pool_tools.h"

static void ids_are_new(void **state)
{
    (void)state;
    hone_pool *p = open_pool(&(hone_pool_options){0});
    assert_int_equal(hone_pool_new_id(p), 1);
    assert_int_equal(hone_pool_new_id(p), 2);
    hone_pool_cancel(p, 7); /* not known: nothing */
    hone_pool_free(p);
}

/* One in hand and one behind it: both go at once, and the third is built. */
static void builds(void **state)
{
    (void)state;
    hone_worker_options o = builder_at(endpoint);
    child w = start_worker(&o, false);
    hone_pool *p = listening_pool(0);
    hone_pool_event e = await(p, HONE_POOL_PEER_JOINED);
    assert_int_equal(hone_pool_able(p, HONE_ROLE_BUILD, NULL), 1);
    assert_int_equal(hone_pool_able(p, HONE_ROLE_RUN, NULL), 0);
    char host[64];
    snprintf(host, sizeof host, "%s", e.device);
    assert_true(*host);
    submit(p, 1, "sleep", NULL);
    submit(p, 2, "sleep", NULL);
    submit(p, 3, "sleep", NULL); /* beyond the credit: waits */
    for (int i = 0; i < 10; i++) {
        hone_pool_next(p, 20, &e);
        assert_int_equal(e.kind, HONE_POOL_NOTHING);
    }
    for (uint64_t id = 3; id >= 1; id--)
        hone_pool_cancel(p, id);
    submit(p, 4, "ok", NULL);
    e = await(p, HONE_POOL_BUILT); /* within less than a build's deadline */
    assert_int_equal(e.id, 4);
    assert_int_equal(e.status, HONE_OK);
    assert_string_equal(e.device, host);
    hone_artifact_free(&e.artifact);
    await_credits(p, HONE_ROLE_BUILD, 2);
    assert_int_equal(hone_pool_peers(p, HONE_ROLE_BUILD), 1);
    hone_pool_free(p);
    assert_int_equal(join(&w), HONE_OK);
}

/* A worker that is told, and says its outcome all the same. */
static void late_outcome_is_for_nobody(void **state)
{
    (void)state;
    hone_pool *p = listening_pool(0);
    raw r;
    raw_open(&r);
    raw_hello(&r, HONE_WIRE_VERSION, HONE_ROLE_BUILD);
    raw_expect(&r, p, HONE_WIRE_WELCOME);
    raw_ready(&r, HONE_ROLE_BUILD, 1);
    submit(p, 1, "w", NULL);
    raw_expect(&r, p, HONE_WIRE_BUILD);
    uint64_t ticket = r.in->build.ticket;
    hone_pool_cancel(p, 1);
    raw_expect(&r, p, HONE_WIRE_CANCEL);
    assert_int_equal(r.in->cancel.ticket, ticket);
    hone_wire done = {.type = HONE_WIRE_BUILT, .built = {.ticket = ticket}};
    done.built.bytes = (hone_wire_bytes){(const uint8_t *)"x", 1};
    raw_say(&r, &done);
    raw_ready(&r, HONE_ROLE_BUILD, 1);
    submit(p, 2, "w", NULL);
    raw_expect(&r, p, HONE_WIRE_BUILD); /* no event came before */
    done.built.ticket = r.in->build.ticket;
    raw_say(&r, &done);
    hone_pool_event e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.id, 2);
    hone_artifact_free(&e.artifact);
    /* An outcome that is in the queue of events already goes as well. */
    raw_ready(&r, HONE_ROLE_BUILD, 2);
    submit(p, 3, "w", NULL);
    submit(p, 4, "w", NULL);
    for (int i = 0; i < 2; i++) {
        raw_expect(&r, p, HONE_WIRE_BUILD);
        done.built.ticket = r.in->build.ticket;
        raw_say(&r, &done);
    }
    e = await(p, HONE_POOL_BUILT);
    hone_artifact_free(&e.artifact);
    assert_int_equal(e.id, 3);
    hone_pool_cancel(p, 4);
    for (int i = 0; i < 5; i++) {
        hone_pool_next(p, 20, &e);
        assert_int_equal(e.kind, HONE_POOL_NOTHING);
    }
    raw_close(&r);
    hone_pool_free(p);
}

/* A worker from before there was CANCEL is not sent one, and is not lost over it. */
static void older_worker(void **state)
{
    (void)state;
    hone_pool *p = listening_pool(0);
    raw r;
    raw_open(&r);
    raw_hello_older(&r, HONE_ROLE_BUILD);
    raw_expect(&r, p, HONE_WIRE_WELCOME);
    raw_ready(&r, HONE_ROLE_BUILD, 1);
    submit(p, 1, "w", NULL);
    raw_expect(&r, p, HONE_WIRE_BUILD);
    hone_wire done = {.type = HONE_WIRE_BUILT, .built = {.ticket = r.in->build.ticket}};
    done.built.bytes = (hone_wire_bytes){(const uint8_t *)"x", 1};
    hone_pool_cancel(p, 1);
    raw_say(&r, &done);
    raw_ready(&r, HONE_ROLE_BUILD, 1);
    submit(p, 2, "w", NULL);
    raw_expect(&r, p, HONE_WIRE_BUILD);
    raw_close(&r);
    hone_pool_free(p);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(ids_are_new),
        TEST(builds),
        TEST(late_outcome_is_for_nobody),
        TEST(older_worker),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
