/* Clients of a pool: what they ask comes with who they are, and the answer finds them again, over
 * a restart of the service too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/workers/pool_tools.h"
#include "workers/client.h"

/* A service that answers with who asks and what; "three" with three answers, "mute" with none, and
 * "die" by dying. */
static void serve(const hone_pool_options *o, const char *where)
{
    hone_error err = {0};
    hone_pool *p;
    if (hone_pool_new(o, &p, &err) != HONE_OK || hone_pool_listen(p, where, &err) != HONE_OK) {
        fprintf(stderr, "service: %s\n", err.message);
        _exit(1);
    }
    for (hone_pool_event e;;) {
        hone_pool_next(p, 1000, &e);
        if (e.kind != HONE_POOL_SAID)
            continue;
        char text[400];
        int n =
            snprintf(text, sizeof text, "%s/%u: %.*s", e.device, e.may, (int)e.said.n, e.said.s);
        bool three = e.said.n == 5 && memcmp(e.said.s, "three", 5) == 0;
        if (e.said.n == 3 && memcmp(e.said.s, "die", 3) == 0)
            _exit(0);
        if (!(e.said.n == 4 && memcmp(e.said.s, "mute", 4) == 0))
            for (int i = three ? 2 : 0; i >= 0; i--)
                hone_pool_tell(p, e.peer, e.ask, text, (size_t)n, i > 0);
        hone_buf_free(&e.said);
    }
}

static pid_t start_service(const hone_pool_options *o, const char *where)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(o, where);
    }
    return pid;
}

static void end_service(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static hone_client *open_client(const hone_client_options *o)
{
    hone_client *c;
    hone_error err = {0};
    if (hone_client_open(o, &c, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return c;
}

static const hone_pool_options open_to_clients = {.clients = true};

static void asks_and_is_answered(void **state)
{
    (void)state;
    hone_buf got = {0};
    hone_error err = {0};
    bool more;
    pid_t pid = start_service(&open_to_clients, endpoint);
    setenv("HONE_SERVICE", endpoint, 1);
    hone_client *c = open_client(&(hone_client_options){0});
    assert_int_equal(hone_client_ask(c, "a", 1, AWAIT_MS, &got, &more, &err), HONE_OK);
    assert_non_null(memmem(got.s, got.n, "/15: a", 6)); /* at ipc it is ours: all roles */
    assert_false(more);
    assert_int_equal(hone_client_next(c, AWAIT_MS, &got, &more, &err), HONE_E_NOTFOUND);
    for (int i = 0; i < 3; i++) {
        hone_status s = i ? hone_client_next(c, AWAIT_MS, &got, &more, &err)
                          : hone_client_ask(c, "three", 5, AWAIT_MS, &got, &more, &err);
        assert_int_equal(s, HONE_OK);
        assert_int_equal(more, i < 2);
    }
    assert_int_equal(hone_client_ask(c, "mute", 4, 50, &got, &more, &err), HONE_E_TIMEOUT);
    assert_int_equal(hone_client_ask(c, "b", 1, AWAIT_MS, &got, &more, &err), HONE_OK);
    assert_non_null(memmem(got.s, got.n, "/15: b", 6));
    char *big = hone_xcalloc(1, HONE_MAX_SAY_BYTES + 1);
    assert_int_equal(hone_client_ask(c, big, HONE_MAX_SAY_BYTES, AWAIT_MS, &got, NULL, &err),
                     HONE_OK);
    assert_int_equal(hone_client_ask(c, big, HONE_MAX_SAY_BYTES + 1, AWAIT_MS, &got, NULL, &err),
                     HONE_E_LIMIT);
    free(big);
    hone_client_close(c);
    unsetenv("HONE_SERVICE");
    hone_buf_free(&got);
    end_service(pid);
}

/* The connection of a service that dies is made anew, and the request too. */
static void outlives_the_service(void **state)
{
    (void)state;
    hone_buf got = {0};
    hone_error err = {0};
    pid_t pid = start_service(&open_to_clients, endpoint);
    hone_client *c = open_client(&(hone_client_options){.service = endpoint});
    assert_int_equal(hone_client_ask(c, "mute", 4, 50, &got, NULL, &err), HONE_E_TIMEOUT);
    end_service(pid);
    pid = start_service(&open_to_clients, endpoint);
    assert_int_equal(hone_client_ask(c, "again", 5, AWAIT_MS, &got, NULL, &err), HONE_OK);
    assert_non_null(memmem(got.s, got.n, ": again", 7));
    assert_int_equal(hone_client_ask(c, "die", 3, 200, &got, NULL, &err), HONE_E_TIMEOUT);
    waitpid(pid, NULL, 0);
    hone_client_close(c);
    hone_buf_free(&got);
}

static bool at_once(void *ctx)
{
    (void)ctx;
    return true;
}

static void nobody_there(void **state)
{
    (void)state;
    hone_client *c;
    hone_error err = {0};
    hone_client_options o = {.service = endpoint, .connect_ms = 200};
    assert_int_equal(hone_client_open(&o, &c, &err), HONE_E_PEER);
    assert_null(c);
    o.connect_ms = 0;
    o.stop = at_once;
    assert_int_equal(hone_client_open(&o, &c, &err), HONE_E_INTERRUPTED);
    assert_int_equal(hone_client_open(&(hone_client_options){0}, &c, &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "HONE_SERVICE"));
    /* A tuner of one person takes no requests. */
    pid_t pid = start_service(&(hone_pool_options){0}, endpoint);
    o.stop = NULL;
    assert_int_equal(hone_client_open(&o, &c, &err), HONE_E_DENIED);
    assert_non_null(strstr(err.message, "hone serve"));
    end_service(pid);
}

/* An allow file with the key's line and what it is for. */
static char *allow_with(const char *name, const char *key, const char *words)
{
    char *path = path_in(name), *pub = hone_xasprintf("%s.pub", key), *text;
    size_t n;
    assert_int_equal(hone_file_read(pub, 4096, &text, &n, NULL), HONE_OK);
    while (n && text[n - 1] == '\n')
        text[--n] = '\0';
    char *all = hone_xasprintf("%s %s\n", text, words);
    assert_int_equal(hone_file_write(path, all, strlen(all), NULL), HONE_OK);
    free(all);
    free(text);
    free(pub);
    return path;
}

static void keys_say_who(void **state)
{
    (void)state;
    hone_buf got = {0};
    hone_error err = {0};
    hone_client *c;
    char *at = loopback_endpoint();
    char *ck = new_key("coordinator.key"), *uk = new_key("ann.key"), *sk = new_key("stranger");
    char *ca = allow_with("c.allow", uk, "role=user share=3"), *ua = allow_of("u", ck, NULL);
    pid_t pid =
        start_service(&(hone_pool_options){.key_file = ck, .allow_file = ca, .clients = true}, at);
    hone_client_options o = {.service = at, .key_file = uk, .allow_file = ua};
    c = open_client(&o);
    assert_int_equal(hone_client_ask(c, "x", 1, AWAIT_MS, &got, NULL, &err), HONE_OK);
    assert_non_null(memmem(got.s, got.n, "/1: x", 5));
    assert_memory_equal(got.s, "ann", 3);
    hone_client_close(c);
    o.key_file = sk;
    assert_int_equal(hone_client_open(&o, &c, &err), HONE_E_DENIED);
    o.key_file = o.allow_file = NULL;
    o.insecure_loopback = true;
    assert_int_equal(hone_client_open(&o, &c, &err), HONE_E_DENIED);
    /* A user's key is no worker's. */
    hone_worker_options w = builder_at(at);
    w.key_file = uk;
    w.allow_file = ua;
    child b = start_worker(&w, false);
    assert_int_equal(join(&b), HONE_E_DENIED);
    end_service(pid);
    /* And a worker's key, also one of a file from before there were roles, is no user's. */
    free(ca);
    ca = allow_of("c2.allow", uk, NULL);
    pid =
        start_service(&(hone_pool_options){.key_file = ck, .allow_file = ca, .clients = true}, at);
    o = (hone_client_options){.service = at, .key_file = uk, .allow_file = ua};
    assert_int_equal(hone_client_open(&o, &c, &err), HONE_E_DENIED);
    assert_non_null(strstr(err.message, "role=user"));
    end_service(pid);
    hone_buf_free(&got);
    char *all[] = {at, ck, uk, sk, ca, ua};
    for (size_t i = 0; i < HONE_LEN(all); i++)
        free(all[i]);
}

/* What is not for it to say, neither a client nor a worker says. */
static void each_in_its_place(void **state)
{
    (void)state;
    raw r;
    hone_pool *p = open_pool(&open_to_clients);
    hone_error err = {0};
    assert_int_equal(hone_pool_listen(p, endpoint, &err), HONE_OK);
    raw_open(&r);
    raw_hello(&r, 1, HONE_ROLE_CLIENT);
    raw_expect(&r, p, HONE_WIRE_WELCOME);
    assert_int_equal(hone_pool_peers(p, HONE_ROLE_BUILD), 0);
    assert_int_equal(hone_pool_peers(p, HONE_ROLE_RUN), 0);
    raw_ready(&r, HONE_ROLE_BUILD, 1);
    raw_expect(&r, p, HONE_WIRE_NACK);
    assert_int_equal(r.in->nack.code, HONE_NACK_DIRECTION);
    assert_int_equal(hone_pool_credit(p, HONE_ROLE_BUILD), 0);
    raw_close(&r);
    raw_open(&r);
    raw_hello(&r, 1, HONE_ROLE_BUILD);
    raw_expect(&r, p, HONE_WIRE_WELCOME);
    hone_wire m = {.type = HONE_WIRE_SAY, .say = {.ask = 1}};
    raw_say(&r, &m);
    raw_expect(&r, p, HONE_WIRE_NACK);
    assert_int_equal(r.in->nack.code, HONE_NACK_DIRECTION);
    raw_close(&r);
    raw_open(&r);
    raw_hello(&r, 1, HONE_ROLE_CLIENT | HONE_ROLE_RUN); /* not both */
    raw_expect(&r, p, HONE_WIRE_REFUSE);
    raw_close(&r);
    assert_false(hone_pool_tell(p, 99, 1, "x", 1, false));
    hone_pool_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(asks_and_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(outlives_the_service, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_there, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_say_who, setup, teardown),
        cmocka_unit_test_setup_teardown(each_in_its_place, setup, teardown),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
