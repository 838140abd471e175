/* Tools of the pool's tests: a folder, worker processes with a builder that obeys the workload's
 * text, waiting for events, and a raw peer that says what it is told to. Include after cmocka. */
#ifndef HONE_TESTS_POOL_TOOLS_H
#define HONE_TESTS_POOL_TOOLS_H

#include "workers/wire/wire.h"
#include "workers/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#define AWAIT_MS 120000 /* for what is certain to come, on however busy a machine */

/* ---- tools ---------------------------------------------------------------------------------- */

static char folder[64];
static unsigned n_endpoints;
static char *endpoint; /* a new one for each test */

static inline int group_setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hone-pool-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int group_teardown(void **state)
{
    (void)state;
    char *command = hone_xasprintf("rm -rf %s", folder);
    int rc = system(command);
    free(command);
    return rc;
}

static inline int setup(void **state)
{
    (void)state;
    endpoint = hone_xasprintf("ipc://%s/%u", folder, n_endpoints++);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    free(endpoint);
    return 0;
}

/* A builder for tests: does what the workload's text says. */
static inline hone_status build(void *ctx, const hone_build_job *job, hone_artifact *ret,
                                hone_error *err)
{
    (void)ctx;
    char text[32];
    const char *content = job->trace ? job->trace : "no trace";
    if (strcmp(job->workload, "reject") == 0)
        return hone_fail(err, HONE_REJECT_SPLIT, "7 does not divide 10");
    if (strcmp(job->workload, "sleep") == 0)
        sleep(60);
    if (strcmp(job->workload, "crash") == 0) {
        signal(SIGABRT, SIG_DFL);
        abort();
    }
    if (strcmp(job->workload, "hog") == 0) {
        volatile char *p = malloc((size_t)300 << 20);
        for (size_t i = 0; p && i < (size_t)300 << 20; i += 4096)
            p[i] = 1;
        sleep(60);
    }
    if (strcmp(job->workload, "pid") == 0) {
        usleep(50000);
        snprintf(text, sizeof text, "%ld", (long)getpid());
        content = text;
    }
    ret->manifest.n_args = 1;
    ret->manifest.args = hone_xcalloc(1, sizeof *ret->manifest.args);
    snprintf(ret->manifest.args[0].name, sizeof ret->manifest.args[0].name, "C");
    ret->manifest.args[0].count = job->threads;
    ret->manifest.flops = 123;
    ret->bytes = (uint8_t *)hone_xstrdup(content);
    ret->n = strlen(content);
    ret->hash = hone_hash_bytes(0, ret->bytes, ret->n);
    return HONE_OK;
}

typedef struct child {
    pid_t pid;
    int gate; /* write a byte: it begins */
} child;

/* Starts a worker process. To be called while this process has no ZeroMQ context; with `hold` it
 * begins only at open_gate(). */
static inline child start_worker(const hone_worker_options *o, bool hold)
{
    int pair[2];
    assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char c;
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nobody behind */
        close(pair[1]);
        if (hold && read(pair[0], &c, 1) != 1)
            _exit(99);
        hone_error err = {0};
        hone_status s = hone_worker_run(o, &err);
        if (s != HONE_OK)
            fprintf(stderr, "worker: %s\n", err.message);
        _exit((int)s);
    }
    close(pair[0]);
    return (child){pid, pair[1]};
}

static inline void open_gate(child *c)
{
    assert_int_equal(write(c->gate, "x", 1), 1);
}

/* Its exit code (a hone_status); 1000 + signal when killed. */
static inline int join(child *c)
{
    int st;
    for (int i = 0; i < AWAIT_MS / 10; i++) {
        if (waitpid(c->pid, &st, WNOHANG) == c->pid) {
            close(c->gate);
            return WIFSIGNALED(st) ? 1000 + WTERMSIG(st) : WEXITSTATUS(st);
        }
        usleep(10000);
    }
    kill(c->pid, SIGKILL);
    waitpid(c->pid, &st, 0);
    close(c->gate);
    return -1;
}

static inline hone_worker_options builder_at(const char *where)
{
    return (hone_worker_options){.connect = where, .roles = HONE_ROLE_BUILD, .build = build};
}

static inline hone_pool *open_pool(const hone_pool_options *o)
{
    hone_pool *p;
    hone_error err = {0};
    if (hone_pool_new(o, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return p;
}

static inline hone_pool *listening_pool(int64_t lost_ms)
{
    hone_error err = {0};
    hone_pool *p = open_pool(&(hone_pool_options){.lost_ms = lost_ms});
    if (hone_pool_listen(p, endpoint, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return p;
}

/* Waits for an event of this kind; others are dropped (their artifacts freed). */
static inline hone_pool_event await_for(hone_pool *p, hone_pool_event_kind kind, int wait_ms)
{
    hone_pool_event e;
    int64_t until = hone_clock_ns() + wait_ms * INT64_C(1000000);
    do {
        hone_pool_next(p, 100, &e);
        if (e.kind == kind)
            return e;
        hone_artifact_free(&e.artifact);
    } while (hone_clock_ns() < until);
    e.kind = HONE_POOL_NOTHING;
    return e;
}

static inline hone_pool_event await(hone_pool *p, hone_pool_event_kind kind)
{
    hone_pool_event e = await_for(p, kind, AWAIT_MS);
    if (e.kind != kind)
        fail_msg("waited in vain for event %d", kind);
    return e;
}

/* Waits until so many jobs of this role would be sent at once. Nothing may happen meanwhile. */
static inline void await_credits(hone_pool *p, unsigned role, uint32_t n)
{
    hone_pool_event e;
    for (int i = 0; i < AWAIT_MS / 10 && hone_pool_credit(p, role) < n; i++) {
        hone_pool_next(p, 10, &e);
        assert_true(e.kind == HONE_POOL_NOTHING || e.kind == HONE_POOL_PEER_JOINED);
    }
    assert_int_equal(hone_pool_credit(p, role), n);
}

static inline void await_credit(hone_pool *p, unsigned role)
{
    hone_pool_event e;
    for (int i = 0; i < AWAIT_MS / 10 && hone_pool_credit(p, role) == 0; i++)
        hone_pool_next(p, 10, &e);
    assert_true(hone_pool_credit(p, role) > 0);
}

static inline void submit(hone_pool *p, uint64_t id, const char *workload, const char *trace)
{
    hone_build_job job = {.id = id,
                          .workload = workload,
                          .trace = trace,
                          .target = "test",
                          .threads = 3,
                          .deadline_ms = 60000}; /* also of one that grows until it is ended */
    hone_pool_build(p, &job);
}

/* ---- keys and ports ------------------------------------------------------------------------- */

/* A port nobody listens at, for a moment at least. */
static inline char *loopback_endpoint(void)
{
    void *zmq = zmq_ctx_new(), *s = zmq_socket(zmq, ZMQ_DEALER);
    char text[64];
    size_t n = sizeof text;
    assert_int_equal(zmq_bind(s, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(s, ZMQ_LAST_ENDPOINT, text, &n), 0);
    zmq_close(s);
    zmq_ctx_term(zmq);
    return hone_xstrdup(text);
}

static inline char *path_in(const char *name)
{
    return hone_xasprintf("%s/%s-%u", folder, name, n_endpoints);
}

static inline char *new_key(const char *name)
{
    char *path = path_in(name);
    assert_int_equal(hone_keygen(path, NULL), HONE_OK);
    return path;
}

/* An allow file with the public lines of up to two keys. */
static inline char *allow_of(const char *name, const char *key1, const char *key2)
{
    char *path = path_in(name);
    hone_buf b = {0};
    const char *const keys[] = {key1, key2};
    for (int i = 0; i < 2 && keys[i]; i++) {
        char *pub = hone_xasprintf("%s.pub", keys[i]), *text;
        assert_int_equal(hone_file_read(pub, 4096, &text, NULL, NULL), HONE_OK);
        hone_buf_puts(&b, text);
        free(text);
        free(pub);
    }
    assert_int_equal(hone_file_write(path, b.s, b.n, NULL), HONE_OK);
    hone_buf_free(&b);
    return path;
}

/* ---- raw peers ------------------------------------------------------------------------------ */

typedef struct raw {
    void *zmq, *sock;
    hone_wire *in; /* the latest message */
    zmq_msg_t message;
    uint8_t session[16];
} raw;

static inline void raw_open(raw *r)
{
    r->zmq = zmq_ctx_new();
    r->sock = zmq_socket(r->zmq, ZMQ_DEALER);
    int linger = 0;
    zmq_setsockopt(r->sock, ZMQ_LINGER, &linger, sizeof linger);
    r->in = hone_xcalloc(1, sizeof *r->in);
    memset(r->session, 0, sizeof r->session);
    zmq_msg_init(&r->message);
    assert_int_equal(zmq_connect(r->sock, endpoint), 0);
}

static inline void raw_close(raw *r)
{
    zmq_msg_close(&r->message);
    zmq_close(r->sock);
    zmq_ctx_term(r->zmq);
    free(r->in);
}

static inline void raw_say(raw *r, hone_wire *m)
{
    hone_buf b = {0};
    memcpy(m->session, r->session, 16);
    assert_int_equal(hone_wire_encode(m, &b, NULL), HONE_OK);
    assert_int_equal(zmq_send(r->sock, b.s, b.n, 0), b.n);
    hone_buf_free(&b);
}

/* The next message to it, while the pool (if any) works. */
static inline void raw_receive(raw *r, hone_pool *p)
{
    hone_pool_event e;
    int64_t until = hone_clock_ns() + AWAIT_MS * INT64_C(1000000);
    while (zmq_msg_recv(&r->message, r->sock, ZMQ_DONTWAIT) < 0) {
        if (hone_clock_ns() > until)
            fail_msg("no message came");
        if (!p) {
            usleep(5000);
            continue;
        }
        hone_pool_next(p, 5, &e);
        hone_artifact_free(&e.artifact);
    }
    hone_error err = {0};
    if (hone_wire_decode(zmq_msg_data(&r->message), zmq_msg_size(&r->message), r->in, &err))
        fail_msg("%s", err.message);
}

/* The same, and it must be of this type. */
static inline void raw_expect(raw *r, hone_pool *p, unsigned type)
{
    raw_receive(r, p);
    if (r->in->type != type)
        fail_msg("%s instead of %s", hone_wire_name(r->in->type), hone_wire_name(type));
    if (type == HONE_WIRE_WELCOME)
        memcpy(r->session, r->in->session, 16);
}

static inline void raw_hello(raw *r, uint32_t proto, unsigned roles)
{
    hone_wire m = {.type = HONE_WIRE_HELLO};
    m.hello = (hone_wire_hello){.proto_min = proto,
                                .proto_max = proto,
                                .roles = roles,
                                .name = "raw\x1b[31m",
                                .revision = HONE_WIRE_REVISION};
    raw_say(r, &m);
}

/* The HELLO of a worker from before there were revisions and descriptions. */
static inline void raw_hello_older(raw *r, unsigned roles)
{
    hone_wire m = {.type = HONE_WIRE_HELLO,
                   .hello = {.proto_min = 1, .proto_max = 1, .roles = roles, .name = "older"}};
    hone_buf b = {0};
    assert_int_equal(hone_wire_encode(&m, &b, NULL), HONE_OK);
    assert_int_equal(zmq_send(r->sock, b.s, b.n - 20, 0), b.n - 20);
    hone_buf_free(&b);
}

static inline void raw_ready(raw *r, uint32_t role, uint32_t credit)
{
    hone_wire m = {.type = HONE_WIRE_READY, .ready = {role, credit}};
    raw_say(r, &m);
}

#endif
