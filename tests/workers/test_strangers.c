/* What others can do to a pool or a worker without being let in: other users of this machine, and
 * whoever reaches an open port. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/workers/device_kernels.h"
#include "tests/workers/pool_tools.h"
#include "workers/wire/internal.h"

#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define NOBODY 65534

#define SUM "KERNEL { for (int i = 0; i < 256; i++) F32(1)[i] = F32(0)[i] + 1; return 0; }"

/* ---- another user of this machine ----------------------------------------------------------- */

/* Everybody may reach what is in the folder: its permissions are not what is tested. */
static void open_folder(void)
{
    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(folder, 01777), 0);
}

static void *as_nobody(void)
{
    if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
        _exit(98);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* another user's process forgets it */
    return NULL;
}

/* A pool of another user at the endpoint of this test. It lives until it is killed and says through
 * the pipe when it listens, and when a worker joined. */
static pid_t strange_pool(int *ret_fd)
{
    int pair[2];
    assert_int_equal(pipe(pair), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        as_nobody();
        hone_pool *p = listening_pool(0);
        chmod(endpoint + strlen("ipc://"), 0777);
        hone_pool_event e;
        for (char c = 'l'; write(pair[1], &c, 1) == 1; c = 'j')
            do
                hone_pool_next(p, 100, &e);
            while (e.kind != HONE_POOL_PEER_JOINED);
        _exit(0);
    }
    close(pair[1]);
    *ret_fd = pair[0];
    char c;
    assert_int_equal(read(pair[0], &c, 1), 1);
    return pid;
}

static void worker_does_not_obey_another_user(void **state)
{
    (void)state;
    open_folder();
    int fd;
    pid_t stranger = strange_pool(&fd);
    hone_error err = {0};
    hone_worker_options o = builder_at(endpoint);
    assert_int_equal(hone_worker_run(&o, &err), HONE_E_DENIED);
    assert_non_null(strstr(err.message, "belongs to another user (65534)"));
    kill(stranger, SIGKILL);
    waitpid(stranger, NULL, 0);
    char c;
    assert_int_equal(read(fd, &c, 1), 0); /* nobody joined */
    close(fd);
}

static void coordinator_does_not_believe_another_user(void **state)
{
    (void)state;
    open_folder();
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        as_nobody();
        umask(0);
        hone_worker_options o = {.listen = endpoint, .roles = HONE_ROLE_BUILD, .build = build};
        _exit((int)hone_worker_run(&o, NULL));
    }
    for (int i = 0; i < AWAIT_MS / 10 && chmod(endpoint + strlen("ipc://"), 0777) != 0; i++)
        usleep(10000);
    hone_pool *p = open_pool(&(hone_pool_options){0});
    assert_int_equal(hone_pool_connect(p, endpoint, NULL), HONE_OK);
    hone_pool_event e;
    do {
        hone_pool_next(p, 100, &e);
        assert_int_not_equal(e.kind, HONE_POOL_PEER_JOINED);
    } while (e.kind != HONE_POOL_REFUSED);
    assert_non_null(strstr(e.text, "another user"));
    hone_pool_free(p);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* The socket file's mode was changed; the kernel still knows who connects. */
static void another_user_does_not_get_in(void **state)
{
    (void)state;
    open_folder();
    hone_pool *probe = listening_pool(0); /* before the fork there must be no context */
    hone_pool_free(probe);
    int pair[2];
    assert_int_equal(pipe(pair), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        char c;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(pair[1]);
        if (read(pair[0], &c, 1) != 1)
            _exit(99);
        as_nobody();
        raw r;
        raw_open(&r);
        raw_hello(&r, HONE_WIRE_VERSION, HONE_ROLE_RUN);
        int timeout = 1000;
        zmq_setsockopt(r.sock, ZMQ_RCVTIMEO, &timeout, sizeof timeout);
        _exit(zmq_msg_recv(&r.message, r.sock, 0) >= 0);
    }
    hone_pool *p = listening_pool(0);
    assert_int_equal(chmod(endpoint + strlen("ipc://"), 0777), 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    int st = -1;
    for (hone_pool_event e; waitpid(pid, &st, WNOHANG) == 0;) {
        hone_pool_next(p, 50, &e);
        assert_int_not_equal(e.kind, HONE_POOL_PEER_JOINED);
    }
    assert_int_equal(st, 0); /* and heard nothing */
    hone_pool_free(p);
    close(pair[0]);
    close(pair[1]);
}

/* ---- whoever reaches the port --------------------------------------------------------------- */

static int connect_to(const char *uri)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    a.sin_port = htons((uint16_t)strtol(strrchr(uri, ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Holds as many connections to a port as it can, half of them with half a greeting, and makes new
 * ones all the time. */
static pid_t start_flood(const char *uri, int most, const int go[2])
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char c;
    if (read(go[0], &c, 1) != 1)
        _exit(99);
    int *fds = hone_xcalloc((size_t)most, sizeof *fds);
    for (uint64_t k = 0;; k++) {
        int *fd = &fds[k % (uint64_t)most];
        if (*fd > 0)
            close(*fd);
        *fd = connect_to(uri);
        if (*fd < 0)
            usleep(1000);
        else if (k % 2)
            send(*fd, "\xff\0\0\0\0\0\0\0\1\x7f\3", 11, MSG_NOSIGNAL);
        if (k > (uint64_t)most)
            usleep(200);
    }
}

/* A device with few descriptors and its port flooded measures for its owner all the same. */
static void flood(void **state)
{
    (void)state;
    hone_manifest m = {.flops = 256};
    add_arg(&m, "in", HONE_ELEM_F32, false, 256);
    add_arg(&m, "out", HONE_ELEM_F32, true, 256);
    hone_artifact sum = artifact(&m, SUM);
    char *at = loopback_endpoint();
    char *ck = new_key("flood.c"), *wk = new_key("flood.w");
    char *ca = allow_of("flood.ca", wk, NULL), *wa = allow_of("flood.wa", ck, NULL);
    hone_worker_options o = {.listen = at,
                             .key_file = wk,
                             .allow_file = wa,
                             .roles = HONE_ROLE_RUN,
                             .sandbox = SANDBOX ? "on" : "off"};
    struct rlimit before, low;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    fflush(NULL);
    pid_t worker = fork();
    if (worker == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        low = (struct rlimit){100, 100};
        setrlimit(RLIMIT_NOFILE, &low);
        hone_error err = {0};
        hone_status s = hone_worker_run(&o, &err);
        if (s != HONE_OK)
            fprintf(stderr, "worker: %s\n", err.message);
        _exit((int)s);
    }
    int go[2]; /* forked while there is no ZeroMQ context, begun when the owner is there */
    assert_int_equal(pipe(go), 0);
    pid_t strangers = start_flood(at, 500, go);
    hone_pool *p = open_pool(&(hone_pool_options){.key_file = ck, .allow_file = ca});
    assert_int_equal(hone_pool_connect(p, at, NULL), HONE_OK);
    await(p, HONE_POOL_PEER_JOINED);
    assert_int_equal(write(go[1], "x", 1), 1);
    hone_measure_job job = plain_job(&sum, &sum);
    for (uint64_t id = 1; id <= 40; id++) {
        job.id = id;
        hone_pool_measure(p, &job);
        hone_pool_event e = await_for(p, HONE_POOL_MEASURED, AWAIT_MS);
        assert_int_equal(e.kind, HONE_POOL_MEASURED);
        assert_status(e.status, HONE_OK, &e.error);
    }
    hone_pool_free(p);
    close(go[0]);
    close(go[1]);
    kill(strangers, SIGKILL);
    waitpid(strangers, NULL, 0);
    kill(worker, SIGTERM);
    child w = {worker, open("/dev/null", O_RDONLY)};
    assert_int_equal(join(&w), HONE_OK);
    hone_artifact_free(&sum);
    free(at), free(ck), free(wk), free(ca), free(wa);
}

/* The last descriptors are there for work, not for connections. */
static void reserve(void **state)
{
    (void)state;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        int n = 0, more = 0;
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){64, 100});
        hone_workers__reserve(false);
        while (dup(0) >= 0)
            n++;
        hone_workers__reserve(true);
        while (dup(0) >= 0)
            more++;
        hone_workers__reserve(false);
        _exit(n > 64 && more == 12 && dup(0) < 0 ? 0 : 1);
    }
    int st;
    waitpid(pid, &st, 0);
    assert_int_equal(st, 0);
}

/* A thousand different denials in a minute: some lines, which say how many there were. */
static void denials_are_few(void **state)
{
    (void)state;
    hone_workers__quota q = {0};
    uint32_t left_out, told = 0, lines = 0;
    int64_t second = INT64_C(1000000000), now = 5 * second;
    for (int i = 0; i < 1000; i++, now += 60 * second / 1000) {
        if (hone_workers__quota_take(&q, now, &left_out)) {
            lines++;
            told += 1 + left_out;
        }
    }
    assert_in_range(lines, 8, 12);
    assert_true(told + q.left_out == 1000);
    now += 3600 * second;
    assert_true(hone_workers__quota_take(&q, now, &left_out));
    assert_true(hone_workers__quota_take(&q, now, &left_out)); /* quiet for long: as at first */
    hone_workers__denials d = {0};
    char text[64];
    for (int i = 0; i < 30; i++) {
        snprintf(text, sizeof text, "denied %d", i);
        assert_int_equal(hone_workers__denials_tell(&d, text, sizeof text), i < 8);
    }
    snprintf(text, sizeof text, "denied 3");
    assert_false(hone_workers__denials_tell(&d, text, sizeof text));
    d.quota.full_ns = 0; /* a while later */
    snprintf(text, sizeof text, "denied another");
    assert_true(hone_workers__denials_tell(&d, text, sizeof text));
    assert_string_equal(text, "denied another; 22 more before it");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(worker_does_not_obey_another_user),
        TEST(coordinator_does_not_believe_another_user),
        TEST(another_user_does_not_get_in),
        TEST(flood),
        cmocka_unit_test(reserve),
        cmocka_unit_test(denials_are_few),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
