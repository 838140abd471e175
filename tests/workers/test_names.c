/* Hosts by their names: those who know them may be silent, know nothing, or say something else
 * later; and connections over a network, which break with a request on its way. Who is to be asked
 * is this file's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/workers/pool_tools.h"
#include "workers/client.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

/* ---- who knows names ------------------------------------------------------------------------ */

static struct known {
    _Atomic unsigned asked; /* of what nobody answers */
    _Atomic bool moved;
} * known; /* of all processes of a test */

int getaddrinfo(const char *host, const char *port, const struct addrinfo *wanted,
                struct addrinfo **ret)
{
    int (*usual)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&usual = dlsym(RTLD_NEXT, "getaddrinfo");
    if (strcmp(host, "silent.test") == 0) {
        known->asked++;
        for (;;)
            pause();
    }
    if (strcmp(host, "unknown.test") == 0)
        return EAI_NONAME;
    if (strcmp(host, "there.test") == 0)
        host = "127.0.0.1";
    if (strcmp(host, "moving.test") == 0)
        host = known->moved ? "127.0.0.1" : "127.0.0.2";
    return usual(host, port, wanted, ret);
}

/* ---- a service with keys -------------------------------------------------------------------- */

static struct {
    char *at, *port, *key, *allow, *user_key, *user_allow;
    pid_t pid;
} service;

static void serve(void)
{
    hone_error err = {0};
    hone_pool *p;
    hone_pool_options o = {.key_file = service.key, .allow_file = service.allow, .clients = true};
    if (hone_pool_new(&o, &p, &err) != HONE_OK ||
        hone_pool_listen(p, service.at, &err) != HONE_OK) {
        fprintf(stderr, "service: %s\n", err.message);
        _exit(1);
    }
    for (hone_pool_event e;;) { /* what is said is answered */
        hone_pool_next(p, 1000, &e);
        if (e.kind == HONE_POOL_SAID)
            hone_pool_tell(p, e.peer, e.ask, e.said.s, e.said.n, false);
        hone_buf_free(&e.said);
    }
}

static void make_keys(void)
{
    char *pub, *line, *all;
    size_t n;
    service.key = new_key("service");
    service.user_key = new_key("ann");
    service.user_allow = allow_of("of-ann", service.key, NULL);
    pub = hone_xasprintf("%s.pub", service.user_key);
    assert_int_equal(hone_file_read(pub, 4096, &line, &n, NULL), HONE_OK);
    all = hone_xasprintf("%.*s role=user\n", (int)n - 1, line); /* without its end */
    service.allow = path_in("of-service");
    assert_int_equal(hone_file_write(service.allow, all, strlen(all), NULL), HONE_OK);
    free(all);
    free(line);
    free(pub);
}

/* It listens at `address`: 0.0.0.0 is no loopback, so that it waits for whom it has lost. */
static void start_service(const char *address)
{
    char *any = loopback_endpoint();
    service.port = hone_xstrdup(strrchr(any, ':') + 1);
    service.at = hone_xasprintf("tcp://%s:%s", address, service.port);
    free(any);
    fflush(NULL);
    service.pid = fork();
    assert_true(service.pid >= 0);
    if (service.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve();
    }
}

static int begin(void **state)
{
    known = mmap(NULL, sizeof *known, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    setup(state);
    make_keys();
    return known == MAP_FAILED ? -1 : 0;
}

static int end(void **state)
{
    if (service.pid > 0) {
        kill(service.pid, SIGKILL);
        waitpid(service.pid, NULL, 0);
    }
    char *all[] = {service.at,    service.port,     service.key,
                   service.allow, service.user_key, service.user_allow};
    for (size_t i = 0; i < HONE_LEN(all); i++)
        free(all[i]);
    memset(&service, 0, sizeof service);
    return teardown(state); /* `known` stays: some still wait in it */
}

static hone_client_options ann_at(const char *where)
{
    return (hone_client_options){
        .service = where, .key_file = service.user_key, .allow_file = service.user_allow};
}

/* ---- names ---------------------------------------------------------------------------------- */

static bool at_once(void *ctx)
{
    (void)ctx;
    return true;
}

static void silence_is_not_waited_for(void **state)
{
    (void)state;
    hone_client *c;
    hone_error err = {0};
    hone_client_options o = ann_at("tcp://silent.test:7177");
    o.connect_ms = 200;
    assert_int_equal(hone_client_open(&o, &c, &err), HONE_E_PEER);
    assert_non_null(strstr(err.message, "know names"));
    o.stop = at_once;
    assert_int_equal(hone_client_open(&o, &c, &err), HONE_E_INTERRUPTED);
    hone_pool *p =
        open_pool(&(hone_pool_options){.key_file = service.key, .allow_file = service.allow});
    assert_int_equal(hone_pool_connect(p, "tcp://silent.test:7178", &err), HONE_OK);
    hone_pool_free(p);
}

static void a_worker_ends_while_a_name_is_looked_up(void **state)
{
    (void)state;
    hone_worker_options o = builder_at("tcp://silent.test:7177");
    o.key_file = service.user_key;
    o.allow_file = service.user_allow;
    child w = start_worker(&o, false);
    for (int i = 0; i < AWAIT_MS / 10 && known->asked == 0; i++)
        usleep(10000);
    assert_int_equal(known->asked, 1);
    kill(w.pid, SIGTERM);
    assert_int_equal(join(&w), HONE_OK);
}

static void names_that_are_none(void **state)
{
    (void)state;
    hone_client *c;
    hone_error err = {0};
    hone_client_options o = ann_at("tcp://unknown.test:7177");
    assert_int_equal(hone_client_open(&o, &c, &err), HONE_E_PEER);
    assert_non_null(strstr(err.message, "there is no host 'unknown.test'"));
    const char *const bad[] = {"tcp://not a host:7177", "tcp://-x:7177", "tcp://there.test:*"};
    for (size_t i = 0; i < HONE_LEN(bad); i++) {
        o.service = bad[i];
        assert_int_equal(hone_client_open(&o, &c, &err), HONE_E_INPUT);
        assert_non_null(strstr(err.message, bad[i]));
    }
}

/* Called between turns of the client, which has looked once by the second time. */
static bool move(void *ctx)
{
    unsigned *times = ctx;
    known->moved = ++*times > 1;
    return false;
}

static void a_service_that_moved_is_found(void **state)
{
    (void)state;
    hone_client *c;
    hone_error err = {0};
    hone_buf got = {0};
    unsigned times = 0;
    start_service("127.0.0.1");
    char *where = hone_xasprintf("tcp://moving.test:%s", service.port);
    hone_client_options o = ann_at(where);
    o.connect_ms = AWAIT_MS;
    o.stop = move;
    o.stop_ctx = &times;
    if (hone_client_open(&o, &c, &err) != HONE_OK)
        fail_msg("%s", err.message);
    assert_int_equal(hone_client_ask(c, "here", 4, AWAIT_MS, &got, NULL, &err), HONE_OK);
    assert_memory_equal(got.s, "here", 4);
    hone_client_close(c);
    hone_buf_free(&got);
    free(where);
}

/* ---- a network ------------------------------------------------------------------------------ */

static struct {
    int listener;
    uint16_t port, to;
    _Atomic bool swallow; /* what the client says does not arrive */
    _Atomic bool cut;     /* the connection, once */
    _Atomic bool over;
} net;

static bool pass_on(int from, int to, bool arrives)
{
    char bytes[4096];
    ssize_t n = read(from, bytes, sizeof bytes);
    return n > 0 && (!arrives || hone_send_all(to, bytes, (size_t)n));
}

static void carry(int near)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(net.to)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool stands = connect(far, (struct sockaddr *)&a, sizeof a) == 0;
    while (stands && !net.over && !atomic_exchange(&net.cut, false)) {
        struct pollfd p[] = {{near, POLLIN, 0}, {far, POLLIN, 0}};
        poll(p, 2, 20);
        if (p[0].revents)
            stands = pass_on(near, far, !net.swallow);
        if (p[1].revents && stands)
            stands = pass_on(far, near, true);
    }
    close(far);
    close(near);
}

static void *carry_all(void *arg)
{
    (void)arg;
    while (!net.over) {
        struct pollfd p = {net.listener, POLLIN, 0};
        int near = poll(&p, 1, 20) > 0 ? accept(net.listener, NULL, NULL) : -1;
        if (near >= 0)
            carry(near);
    }
    return NULL;
}

static pthread_t start_net(const char *to)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t n = sizeof a;
    pthread_t ret;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    net.to = (uint16_t)strtoul(to, NULL, 10);
    net.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(net.listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(net.listener, 8), 0);
    assert_int_equal(getsockname(net.listener, (struct sockaddr *)&a, &n), 0);
    net.port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&ret, NULL, carry_all, NULL), 0);
    return ret;
}

/* The service knows the client still, and has not heard what it asked for. */
static void a_request_lost_with_its_connection_is_said_again(void **state)
{
    (void)state;
    hone_client *c;
    hone_error err = {0};
    hone_buf got = {0};
    start_service("0.0.0.0");
    pthread_t carrier = start_net(service.port);
    char *where = hone_xasprintf("tcp://there.test:%u", net.port);
    hone_client_options o = ann_at(where);
    o.connect_ms = AWAIT_MS;
    if (hone_client_open(&o, &c, &err) != HONE_OK)
        fail_msg("%s", err.message);
    assert_int_equal(hone_client_ask(c, "one", 3, AWAIT_MS, &got, NULL, &err), HONE_OK);
    net.swallow = true;
    assert_int_equal(hone_client_ask(c, "two", 3, 300, &got, NULL, &err), HONE_E_TIMEOUT);
    net.swallow = false;
    net.cut = true;
    assert_int_equal(hone_client_next(c, AWAIT_MS, &got, NULL, &err), HONE_OK);
    assert_memory_equal(got.s, "two", 3);
    hone_client_close(c);
    net.over = true;
    pthread_join(carrier, NULL);
    close(net.listener);
    hone_buf_free(&got);
    free(where);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_worker_ends_while_a_name_is_looked_up, begin, end),
        cmocka_unit_test_setup_teardown(a_service_that_moved_is_found, begin, end),
        cmocka_unit_test_setup_teardown(a_request_lost_with_its_connection_is_said_again, begin,
                                        end),
        cmocka_unit_test_setup_teardown(names_that_are_none, begin, end),
        cmocka_unit_test_setup_teardown(silence_is_not_waited_for, begin, end),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
