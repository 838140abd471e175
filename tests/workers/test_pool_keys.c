/* Who may talk to a pool over tcp: keys, endpoints, and what is said to those without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/workers/pool_tools.h"

static void network_needs_keys(void **state)
{
    (void)state;
    static const char *const open_to_all[] = {"tcp://0.0.0.0:7123", "tcp://*:7123",
                                              "tcp://192.0.2.1:7123", "tcp://board:7123",
                                              "tcp://[::]:7123"};
    hone_pool *p = open_pool(&(hone_pool_options){0});
    for (size_t i = 0; i < HONE_LEN(open_to_all); i++) {
        hone_error err = {0};
        assert_int_equal(hone_pool_listen(p, open_to_all[i], &err), HONE_E_INPUT);
        assert_non_null(strstr(err.message, "hone keygen"));
        assert_int_equal(hone_pool_connect(p, open_to_all[i], &err), HONE_E_INPUT);
    }
    hone_pool_free(p);
    for (int insecure = 0; insecure < 2; insecure++) {
        hone_error err = {0};
        hone_worker_options o = builder_at("tcp://192.0.2.1:7123");
        o.insecure_loopback = insecure;
        assert_int_equal(hone_worker_run(&o, &err), HONE_E_INPUT);
        assert_non_null(strstr(err.message, "hone keygen"));
    }
}

/* Other users can connect there, so not without a word either. */
static void loopback_needs_keys_or_a_word(void **state)
{
    (void)state;
    static const char *const here[] = {"tcp://127.0.0.1:*", "tcp://localhost:*", "tcp://[::1]:*"};
    hone_error err = {0};
    hone_pool *p = open_pool(&(hone_pool_options){0});
    for (size_t i = 0; i < HONE_LEN(here); i++) {
        assert_int_equal(hone_pool_listen(p, here[i], &err), HONE_E_INPUT);
        assert_non_null(strstr(err.message, "--insecure-loopback"));
        assert_int_equal(hone_pool_connect(p, "tcp://127.0.0.1:7123", &err), HONE_E_INPUT);
    }
    hone_pool_free(p);
    char *at = loopback_endpoint();
    hone_worker_options o = builder_at(at);
    assert_int_equal(hone_worker_run(&o, &err), HONE_E_INPUT);
    o.insecure_loopback = true;
    child w = start_worker(&o, false);
    p = open_pool(&(hone_pool_options){.insecure_loopback = true});
    if (hone_pool_listen(p, at, &err) != HONE_OK)
        fail_msg("%s", err.message);
    await(p, HONE_POOL_PEER_JOINED);
    hone_pool_free(p);
    kill(w.pid, SIGTERM);
    assert_int_equal(join(&w), HONE_OK);
    free(at);
}

static void bad_endpoints(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "tcp://",
                                      "tcp://host",
                                      "tcp://h:0",
                                      "tcp://h:65536",
                                      "tcp://h:12x",
                                      "udp://h:12",
                                      "inproc://x",
                                      "ipc://",
                                      "tcp://:12",
                                      "http://example.com:80"};
    hone_pool *p = open_pool(&(hone_pool_options){0});
    for (size_t i = 0; i < HONE_LEN(bad); i++) {
        hone_error err = {0};
        if (hone_pool_listen(p, bad[i], &err) != HONE_E_INPUT)
            fail_msg("'%s' was taken: %s", bad[i], err.message);
    }
    hone_pool_free(p);
}

static void only_listed_keys_come_in(void **state)
{
    (void)state;
    char *at = loopback_endpoint();
    char *ck = new_key("coordinator.key"), *wk = new_key("board.key"), *sk = new_key("stranger");
    char *ca = allow_of("coordinator.allow", wk, NULL), *wa = allow_of("board.allow", ck, NULL);
    hone_worker_options good = builder_at(at), stranger = good, plain = good, wrong = good;
    good.key_file = wk;
    good.allow_file = stranger.allow_file = wa;
    stranger.key_file = sk;
    plain.insecure_loopback = true;
    wrong.key_file = wk; /* an allowed key, which takes the coordinator for somebody else */
    wrong.allow_file = ca;
    child g = start_worker(&good, false), s = start_worker(&stranger, true),
          n = start_worker(&plain, true), x = start_worker(&wrong, true);
    hone_pool *p = open_pool(&(hone_pool_options){.key_file = ck, .allow_file = ca});
    hone_error err = {0};
    if (hone_pool_listen(p, at, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_pool_event e = await(p, HONE_POOL_PEER_JOINED);
    assert_int_equal(strncmp(e.text, "board", 5), 0); /* the name of the allow file */
    submit(p, 1, "ok", NULL);
    e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.status, HONE_OK);
    hone_artifact_free(&e.artifact);
    open_gate(&s);
    e = await(p, HONE_POOL_REFUSED);
    assert_non_null(strstr(e.text, "127.0.0.1"));
    assert_non_null(strstr(e.text, "not in the allow file"));
    assert_int_equal(join(&s), HONE_E_DENIED);
    open_gate(&n);
    e = await(p, HONE_POOL_REFUSED);
    assert_non_null(strstr(e.text, "without keys"));
    assert_int_equal(join(&n), HONE_E_DENIED);
    open_gate(&x);
    for (siginfo_t end = {0}; end.si_pid == 0;) { /* it gives up by itself */
        hone_pool_next(p, 100, &e);
        assert_int_not_equal(e.kind, HONE_POOL_PEER_JOINED);
        assert_int_equal(waitid(P_PID, (id_t)x.pid, &end, WEXITED | WNOHANG | WNOWAIT), 0);
    }
    assert_int_equal(join(&x), HONE_E_DENIED);
    assert_int_equal(hone_pool_peers(p, HONE_ROLE_BUILD), 1);
    kill(g.pid, SIGTERM);
    hone_pool_free(p);
    assert_int_equal(join(&g), HONE_OK);
    free(at), free(ck), free(wk), free(sk), free(ca), free(wa);
}

static void listening_worker_refuses_strangers(void **state)
{
    (void)state;
    char *at = loopback_endpoint();
    char *ck = new_key("c"), *wk = new_key("w"), *sk = new_key("s");
    char *ca = allow_of("c.allow", wk, NULL), *wa = allow_of("w.allow", ck, NULL);
    hone_worker_options o = {
        .listen = at, .key_file = wk, .allow_file = wa, .roles = HONE_ROLE_BUILD, .build = build};
    child w = start_worker(&o, false);
    hone_pool *stranger = open_pool(&(hone_pool_options){.key_file = sk, .allow_file = ca});
    assert_int_equal(hone_pool_connect(stranger, at, NULL), HONE_OK);
    hone_pool_event e = await(stranger, HONE_POOL_REFUSED);
    assert_non_null(strstr(e.text, "does not list this side's public key"));
    hone_pool_free(stranger);
    hone_pool *p = open_pool(&(hone_pool_options){.key_file = ck, .allow_file = ca});
    assert_int_equal(hone_pool_connect(p, at, NULL), HONE_OK);
    submit(p, 1, "ok", NULL);
    e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.status, HONE_OK);
    hone_artifact_free(&e.artifact);
    hone_pool_free(p);
    kill(w.pid, SIGTERM);
    assert_int_equal(join(&w), HONE_OK);
    free(at), free(ck), free(wk), free(sk), free(ca), free(wa);
}

static void which_server_key(void **state)
{
    (void)state;
    char *ck = new_key("c2"), *wk = new_key("w2"), *sk = new_key("s2");
    char *ca = allow_of("two.allow", wk, sk);
    hone_pool *p = open_pool(&(hone_pool_options){.key_file = ck, .allow_file = ca});
    hone_error err = {0};
    assert_int_equal(hone_pool_connect(p, "tcp://192.0.2.9:7123", &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "none is named '192.0.2.9'"));
    hone_pool_free(p);
    hone_pool *half;
    assert_int_equal(hone_pool_new(&(hone_pool_options){.key_file = ck}, &half, &err),
                     HONE_E_INPUT);
    assert_non_null(strstr(err.message, "--allow is missing"));
    free(ck), free(wk), free(sk), free(ca);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(network_needs_keys),
        TEST(loopback_needs_keys_or_a_word),
        TEST(bad_endpoints),
        TEST(only_listed_keys_come_in),
        TEST(listening_worker_refuses_strangers),
        TEST(which_server_key),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
