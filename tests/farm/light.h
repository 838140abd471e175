/* Light workers: any number of them in one process, each with a connection of its own, that speak
 * hone's wire and answer builds and measurements at once with times that follow from what is asked.
 * Results of leases they keep, and say again, until they are acknowledged.
 * And the processes of a small farm: the service, the light workers, and whoever asks.
 *
 * The three are forked before any of them has a ZeroMQ context; what they share is light_shared. */
#ifndef HONE_TESTS_LIGHT_H
#define HONE_TESTS_LIGHT_H

#include "farm/service.h"
#include "tests/farm/zmtp.h"
#include "workers/wire/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#define LIGHT_MS INT64_C(1000000)

static inline void light_die(const char *what)
{
    fprintf(stderr, "%s\n", what);
    _exit(70);
}

/* ---- what the processes share ---------------------------------------------------------------- */

typedef struct light_shared {
    _Atomic uint64_t welcomed;                  /* since the start */
    _Atomic uint64_t in;                        /* workers that have a session now */
    _Atomic uint64_t built, canaries, measured; /* canaries: measurements without an incumbent of
                                                   five samples */
    _Atomic uint64_t by_device[16];             /* measured by the first devices */
    _Atomic int64_t die_at;  /* the measurement at which its worker dies; 0: none */
    _Atomic int64_t drop_at; /* likewise its connection ends, and the same process makes another */
    _Atomic uint64_t died, dropped;
    _Atomic uint64_t again;       /* measurements of a unit that some worker had measured before */
    _Atomic uint64_t resaid;      /* results that were said again */
    _Atomic uint64_t acked[5];    /* ACKs by verdict */
    _Atomic uint64_t kept;        /* results that are not acknowledged now */
    _Atomic bool forge;           /* each result is said of another epoch */
    _Atomic bool hold;            /* nothing but canaries is answered */
    _Atomic uint64_t held;        /* fence of the latest measurement that was begun */
    _Atomic bool asked, answer;   /* a query is; it may be */
    _Atomic uint64_t fail_builds; /* so many of candidates fail, through no fault of theirs */
    _Atomic bool wrong;           /* the first device computes its canaries wrong */
    _Atomic bool slower;          /* all take a twentieth longer */
    _Atomic bool bare;            /* set before the start: workers speak without libzmq */
} light_shared;

static inline light_shared *light_share(void)
{
    light_shared *s =
        mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED)
        light_die("no memory to share");
    return s;
}

/* ---- one worker ------------------------------------------------------------------------------ */

typedef struct light {
    void *sock; /* of libzmq; NULL: bare */
    zmtp bare;
    unsigned turn; /* of its connection */
    char name[32];
    unsigned roles;
    uint8_t session[16], instance[16];
    uint64_t seq;
    bool in;
    int64_t said_ns, due_ns; /* due_ns: when the measurement in hand is answered; 0: none is */
    int64_t drop_ns;         /* when its connection ends; 0: it does not */
    hone_wire_measured answer;
    int64_t resaid_ns;
    uint64_t realm;
    HONE_VEC(hone_wire_measured) kept;
} light;

typedef struct light_farm {
    void *zmq;
    const char *endpoint;
    char *target;
    light *v;
    unsigned n;
    int poll;
    int64_t measure_ns; /* how long a measurement takes; 0: no time at all */
    hone_wire *in, *out;
    hone_buf bytes;
    light_shared *shared;
    hone_map units; /* that were measured; a map of anything */
} light_farm;

static inline void light_say(light_farm *f, light *w)
{
    memcpy(f->out->session, w->session, 16);
    f->out->seq = ++w->seq;
    hone_buf_reset(&f->bytes);
    hone_error err;
    if (hone_wire_encode(f->out, &f->bytes, &err) != HONE_OK)
        light_die(err.message);
    if (w->sock)
        zmq_send(w->sock, f->bytes.s, f->bytes.n, ZMQ_DONTWAIT);
    else
        zmtp_send(&w->bare, f->bytes.s, f->bytes.n);
    w->said_ns = hone_clock_ns();
}

static inline void light_hello(light_farm *f, light *w)
{
    memset(f->out, 0, sizeof *f->out);
    memset(w->session, 0, 16);
    f->out->type = HONE_WIRE_HELLO;
    f->out->hello = (hone_wire_hello){.proto_min = HONE_WIRE_VERSION,
                                      .proto_max = HONE_WIRE_VERSION,
                                      .roles = w->roles,
                                      .pid = (uint32_t)getpid(),
                                      .threads = 1,
                                      .boot = w->name, /* each a machine */
                                      .name = w->name,
                                      .cpu = "light",
                                      .software = HONE_VERSION,
                                      .revision = HONE_WIRE_REVISION,
                                      .target = w->roles & HONE_ROLE_RUN ? f->target : NULL,
                                      .attrs = "label=light",
                                      .fingerprint = 1};
    memcpy(f->out->hello.instance, w->instance, 16);
    f->out->hello.spooled = w->kept.n;
    for (uint32_t i = w->kept.n; i-- > 0 && f->out->hello.n_held < HONE_WIRE_LEASES;) {
        const hone_wire_measured *m = &w->kept.v[i];
        f->out->hello.held[f->out->hello.n_held++] = (hone_wire_lease){
            w->realm, m->fence, m->unit_a, m->unit_b, m->epoch, HONE_WIRE_ENDED, 0};
    }
    light_say(f, w);
}

static inline void light_resay(light_farm *f, light *w)
{
    for (uint32_t i = 0; i < w->kept.n; i++) {
        memset(f->out, 0, sizeof *f->out);
        f->out->type = HONE_WIRE_MEASURED;
        f->out->measured = w->kept.v[i];
        light_say(f, w);
        f->shared->resaid++;
    }
}

static inline void light_forget(light_farm *f, light *w, uint64_t fence)
{
    for (uint32_t i = 0; i < w->kept.n; i++) {
        if (w->kept.v[i].fence != fence)
            continue;
        w->kept.v[i] = w->kept.v[--w->kept.n];
        f->shared->kept--;
        return;
    }
}

static inline void light_ready(light_farm *f, light *w, unsigned role, uint32_t credit)
{
    memset(f->out, 0, sizeof *f->out);
    f->out->type = HONE_WIRE_READY;
    f->out->ready = (hone_wire_ready){role, credit};
    light_say(f, w);
}

static inline int light_socket(light_farm *f, light *w)
{
    int zero = 0, fd, soon = 50;
    size_t n = sizeof fd;
    w->sock = zmq_socket(f->zmq, ZMQ_DEALER);
    if (!w->sock || zmq_setsockopt(w->sock, ZMQ_LINGER, &zero, sizeof zero) != 0 ||
        zmq_setsockopt(w->sock, ZMQ_RECONNECT_IVL, &soon, sizeof soon) != 0 ||
        zmq_connect(w->sock, f->endpoint) != 0 || zmq_getsockopt(w->sock, ZMQ_FD, &fd, &n) != 0)
        light_die("a light worker cannot connect");
    return fd;
}

/* Bare, and the service is not there: light_tend tries again. */
static inline void light_connect(light_farm *f, light *w)
{
    bool bare = f->shared && f->shared->bare;
    w->in = false;
    w->due_ns = w->drop_ns = 0;
    w->turn++;
    if (bare && !zmtp_connect(&w->bare, f->endpoint + strlen("ipc://")))
        return;
    int fd = bare ? w->bare.fd : light_socket(f, w);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = w};
    if (epoll_ctl(f->poll, EPOLL_CTL_ADD, fd, &e) != 0)
        light_die("a light worker cannot wait");
    light_hello(f, w);
    zmtp_flush(&w->bare);
}

static inline void light_open(light_farm *f, light *w)
{
    uint64_t id = (uint64_t)hone_clock_ns(), name = hone_hash_bytes(0, w->name, strlen(w->name));
    memcpy(w->instance, &id, 8);
    memcpy(w->instance + 8, &name, 8);
    light_connect(f, w);
}

/* Its socket goes, and with it the descriptor, which is thereby polled no more. */
static inline void light_close(light_farm *f, light *w)
{
    if (w->in)
        f->shared->in--;
    f->shared->kept -= w->kept.n;
    w->kept.n = 0;
    zmtp_close(&w->bare);
    if (w->sock)
        zmq_close(w->sock);
    w->sock = NULL;
}

/* As a process that is gone: nothing is said. Another one of its name comes. */
static inline void light_crash(light_farm *f, light *w)
{
    light_close(f, w);
    f->shared->died++;
    light_open(f, w);
}

/* The network was gone for too long: the same process comes again, and has nothing in hand. */
static inline void light_drop(light_farm *f, light *w)
{
    light_close(f, w);
    f->shared->dropped++;
    light_connect(f, w);
}

/* ---- what is answered ------------------------------------------------------------------------ */

static inline void light_build(light_farm *f, light *w)
{
    const hone_wire_build *b = &f->in->build;
    uint64_t h = hone_hash_bytes(b->reference, b->workload, strlen(b->workload)),
             ticket = b->ticket;
    if (b->trace)
        h = hone_hash_bytes(h, b->trace, strlen(b->trace));
    bool fails = b->trace && f->shared->fail_builds > 0;
    memset(f->out, 0, sizeof *f->out);
    f->out->type = HONE_WIRE_BUILT;
    f->out->built.ticket = ticket;
    f->out->built.spent_ns = 1000;
    if (fails) {
        hone_fail(&f->out->built.error, HONE_E_PEER, "the build process is gone");
        light_say(f, w);
        f->shared->fail_builds--;
        light_ready(f, w, HONE_ROLE_BUILD, 1);
        return;
    }
    f->out->built.manifest.n_args = 1;
    f->out->built.manifest.args = f->out->built.manifest_room;
    snprintf(f->out->built.manifest.args[0].name, 64, "C");
    f->out->built.manifest.args[0].is_output = HONE_ARG_VARIES;
    f->out->built.manifest.args[0].count = 1;
    f->out->built.manifest.flops = 1000;
    f->out->built.bytes = (hone_wire_bytes){(const uint8_t *)&h, sizeof h};
    light_say(f, w);
    f->shared->built++;
    light_ready(f, w, HONE_ROLE_BUILD, 1);
}

/* The same artifact has the same time everywhere and always. */
static inline double light_time(uint64_t key)
{
    return 1000 + (double)(hone_hash_mix(7, key) % 4000);
}

static inline void light_answer(light_farm *f, light *w)
{
    memset(f->out, 0, sizeof *f->out);
    f->out->type = HONE_WIRE_MEASURED;
    f->out->measured = w->answer;
    w->due_ns = 0;
    if (w->answer.fence) {
        hone_vec_push(&w->kept, w->answer);
        f->shared->kept++;
    }
    light_say(f, w);
    light_ready(f, w, HONE_ROLE_RUN, 1);
}

/* Whether this unit was measured here before. */
static inline bool light_seen(light_farm *f, const hone_wire_measure *m)
{
    uint64_t unit = hone_hash_mix(m->unit_a, m->unit_b);
    uint32_t at = 0;
    if (hone_map_next(&f->units, unit, &at))
        return true;
    hone_map_add(&f->units, unit, f);
    return false;
}

static inline void light_measure(light_farm *f, light *w)
{
    const hone_wire_measure *m = &f->in->measure;
    double t = light_time(m->candidate), i = m->incumbent ? light_time(m->incumbent) : 0;
    bool canary = m->min_samples == 5 && m->max_samples == 5 && !m->incumbent;
    t *= f->shared->slower ? 1.05 : 1;
    i *= f->shared->slower ? 1.05 : 1;
    int64_t nth = canary ? -1 : (int64_t)++f->shared->measured;
    if (nth == f->shared->die_at) {
        light_crash(f, w);
        return;
    }
    if (nth == f->shared->drop_at) { /* when it is known to be at work */
        w->drop_ns = hone_clock_ns() + 3000 * LIGHT_MS;
        return;
    }
    f->shared->canaries += canary;
    if (m->fence)
        f->shared->again += light_seen(f, m);
    if (!canary && w - f->v < (int)HONE_LEN(f->shared->by_device))
        f->shared->by_device[w - f->v]++;
    memset(&w->answer, 0, sizeof w->answer);
    w->answer = (hone_wire_measured){.ticket = m->ticket,
                                     .spent_ns = f->measure_ns ? f->measure_ns : 1000000,
                                     .time_ns = llround(t),
                                     .log_ratio = i > 0 ? log(t / i) : 0,
                                     .check_ns = 1000,
                                     .run_ns = 1000,
                                     .env = "light",
                                     .fence = m->fence,
                                     .epoch = m->epoch + f->shared->forge,
                                     .unit_a = m->unit_a,
                                     .unit_b = m->unit_b};
    uint32_t n = m->min_samples > 0 ? (uint32_t)m->min_samples : 1;
    w->answer.n_sample_ns = w->answer.n_incumbent_ns = n;
    for (uint32_t k = 0; k < n; k++) {
        w->answer.sample_ns[k] = t;
        w->answer.incumbent_ns[k] = i;
    }
    if (canary && f->shared->wrong && w == f->v)
        hone_fail(&w->answer.error, HONE_REJECT_WRONG_RESULT, "it computes wrong");
    if (m->fence)
        f->shared->held = m->fence;
    if ((f->measure_ns || f->shared->hold) && !canary)
        w->due_ns = hone_clock_ns() + f->measure_ns;
    else
        light_answer(f, w);
}

static inline void light_take(light_farm *f, light *w)
{
    uint64_t t = f->in->ping.t_ns;
    switch (f->in->type) {
    case HONE_WIRE_WELCOME:
        memcpy(w->session, f->in->session, 16);
        f->shared->in += !w->in;
        f->shared->welcomed++;
        w->in = true;
        w->realm = f->in->welcome.realm;
        if (w->roles & HONE_ROLE_BUILD)
            light_ready(f, w, HONE_ROLE_BUILD, 4);
        if (w->roles & HONE_ROLE_RUN)
            light_ready(f, w, HONE_ROLE_RUN, 1);
        light_resay(f, w);
        break;
    case HONE_WIRE_ACK:
        f->shared->acked[f->in->ack.verdict % HONE_LEN(f->shared->acked)]++;
        light_forget(f, w, f->in->ack.fence);
        break;
    case HONE_WIRE_WHO: /* of an earlier session it is an answer that comes late */
        if (memcmp(f->in->session, w->session, 16) != 0)
            break;
        f->shared->in -= w->in;
        w->in = false;
        w->due_ns = 0;
        light_hello(f, w);
        break;
    case HONE_WIRE_PING:
        memset(f->out, 0, sizeof *f->out);
        f->out->type = HONE_WIRE_PONG;
        f->out->pong.t_ns = t;
        light_say(f, w);
        break;
    case HONE_WIRE_BUILD:
        light_build(f, w);
        break;
    case HONE_WIRE_MEASURE:
        light_measure(f, w);
        break;
    case HONE_WIRE_CANCEL:
        if (w->due_ns && w->answer.ticket == f->in->cancel.ticket) {
            w->due_ns = 0;
            light_ready(f, w, HONE_ROLE_RUN, 1);
        }
        break;
    default: /* ARTIFACT: not looked at; GOODBYE: it comes again */
        break;
    }
}

static inline void light_heard(light_farm *f, light *w, const void *bytes, size_t n)
{
    hone_error err;
    if (hone_wire_decode(bytes, n, f->in, &err) == HONE_OK)
        light_take(f, w);
}

/* The service is gone: what is kept stays so. */
static inline void light_cut(light_farm *f, light *w)
{
    f->shared->in -= w->in;
    w->in = false;
    w->due_ns = 0;
    w->said_ns = hone_clock_ns();
    zmtp_close(&w->bare);
}

static inline void light_serve_bare(light_farm *f, light *w)
{
    const uint8_t *bytes;
    size_t n;
    unsigned turn = w->turn;
    if (w->bare.fd < 0)
        return;
    bool there = zmtp_read(&w->bare);
    while (w->turn == turn && zmtp_next(&w->bare, &bytes, &n))
        light_heard(f, w, bytes, n);
    if (w->turn == turn && (!zmtp_flush(&w->bare) || !there))
        light_cut(f, w);
}

/* All that waits at its socket, also what came while it answered: ZMQ_FD tells only once. */
static inline void light_serve(light_farm *f, light *w)
{
    if (!w->sock) {
        light_serve_bare(f, w);
        return;
    }
    zmq_msg_t msg;
    for (;;) {
        void *sock = w->sock;
        zmq_msg_init(&msg);
        if (zmq_msg_recv(&msg, sock, ZMQ_DONTWAIT) < 0)
            break;
        light_heard(f, w, zmq_msg_data(&msg), zmq_msg_size(&msg));
        zmq_msg_close(&msg);
        if (w->sock != sock)
            break;
    }
    zmq_msg_close(&msg);
}

/* Who was quiet for a while says something, so that it is known, or learns that it is not. */
static inline void light_tend(light_farm *f)
{
    int64_t now = hone_clock_ns();
    for (unsigned k = 0; k < f->n; k++) {
        light *w = &f->v[k];
        if (w->drop_ns && now >= w->drop_ns)
            light_drop(f, w);
        if (!w->sock && w->bare.fd < 0 && now - w->said_ns > 50 * LIGHT_MS) {
            w->said_ns = now;
            light_connect(f, w);
        }
        if (w->due_ns && now >= w->due_ns && !f->shared->hold) {
            light_answer(f, w);
            light_serve(f, w);
        }
        if (w->in && w->kept.n && now - w->resaid_ns > 5000 * LIGHT_MS) {
            w->resaid_ns = now;
            light_resay(f, w);
            light_serve(f, w);
        }
        if (now - w->said_ns < (w->in ? 1000 : 3000) * LIGHT_MS || (!w->sock && w->bare.fd < 0))
            continue;
        if (w->in) {
            memset(f->out, 0, sizeof *f->out);
            f->out->type = HONE_WIRE_PING;
            light_say(f, w);
        } else { /* the first one was lost with its connection */
            light_hello(f, w);
        }
        light_serve(f, w);
    }
}

static inline void light_run(light_farm *f)
{
    struct epoll_event ready[256];
    int64_t next = 0;
    for (;;) {
        int n = epoll_wait(f->poll, ready, HONE_LEN(ready), f->measure_ns ? 1 : 20);
        for (int k = 0; k < n; k++)
            light_serve(f, ready[k].data.ptr);
        int64_t now = hone_clock_ns();
        if (now < next)
            continue;
        next = now + (f->measure_ns ? 1 : 20) * LIGHT_MS;
        light_tend(f);
    }
}

/* ---- processes ------------------------------------------------------------------------------- */

static inline pid_t light_fork(void)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        light_die("no process");
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

/* So many devices, and builders behind them. */
static inline pid_t light_start(light_shared *shared, const char *endpoint, unsigned devices,
                                unsigned builders, int64_t measure_ns)
{
    pid_t pid = light_fork();
    if (pid)
        return pid;
    struct rlimit r;
    hone_target host;
    hone_error err = {0};
    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
    if (hone_target_host(&host, &err) != HONE_OK)
        light_die(err.message);
    light_farm f = {.zmq = zmq_ctx_new(),
                    .endpoint = endpoint,
                    .target = hone_target_text(&host),
                    .n = devices + builders,
                    .poll = epoll_create1(EPOLL_CLOEXEC),
                    .measure_ns = measure_ns,
                    .in = hone_xcalloc(1, sizeof *f.in),
                    .out = hone_xcalloc(1, sizeof *f.out),
                    .shared = shared};
    zmq_ctx_set(f.zmq, ZMQ_MAX_SOCKETS, (int)f.n + 16);
    f.v = hone_xcalloc(f.n, sizeof *f.v);
    for (unsigned k = 0; k < f.n; k++) {
        bool device = k < devices;
        f.v[k].bare.fd = -1;
        snprintf(f.v[k].name, sizeof f.v[k].name, device ? "d%u" : "b%u", device ? k : k - devices);
        f.v[k].roles = device ? HONE_ROLE_RUN : HONE_ROLE_BUILD;
        light_open(&f, &f.v[k]);
    }
    light_run(&f);
    _exit(0);
}

static volatile sig_atomic_t light_stop_asked;

static void light_on_term(int sig)
{
    (void)sig;
    light_stop_asked = 1;
}

static bool light_stop(void *ctx)
{
    (void)ctx;
    return light_stop_asked;
}

static light_shared *light_of_queries;

/* Takes as long as it is told to. */
static hone_status light_query(const hone_desk_query *q, const char *db, json_t **ret,
                               hone_error *err)
{
    (void)db, (void)err;
    light_shared *shared = light_of_queries;
    if (!shared)
        return HONE_E_NOTFOUND;
    shared->asked = true;
    while (!shared->answer)
        usleep(1000);
    *ret = json_pack("{s:s}", "of", q->task.name);
    return HONE_OK;
}

static int64_t light_quantum_ms; /* how long a device stays with a job; 0: as ever */

/* The service of this file; its exit code is a hone_status. fault: HONE_FAULT, or NULL. */
static inline pid_t light_service(const char *endpoint, const char *db, const char *fault)
{
    pid_t pid = light_fork();
    if (pid)
        return pid;
    hone_error err = {0};
    if (fault)
        setenv("HONE_FAULT", fault, 1);
    else
        unsetenv("HONE_FAULT");
    signal(SIGTERM, light_on_term);
    hone_service_options o = {.listen = &endpoint,
                              .n_listen = 1,
                              .db_path = db,
                              .llvm_version = "none",
                              .query = light_of_queries ? light_query : NULL,
                              .stop = light_stop};
    hone_farm_limits_init(&o.limits);
    if (light_quantum_ms)
        o.limits.quantum_ms = light_quantum_ms;
    hone_status st = hone_service_run(&o, &err);
    if (st != HONE_OK)
        fprintf(stderr, "service: %s\n", err.message);
    _exit((int)st);
}

/* Its exit code; 1000 + signal when killed. */
static inline int light_end(pid_t pid, int sig)
{
    int st;
    if (sig)
        kill(pid, sig);
    while (waitpid(pid, &st, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFSIGNALED(st) ? 1000 + WTERMSIG(st) : WEXITSTATUS(st);
}

/* ---- who asks -------------------------------------------------------------------------------- */

/* At ipc, whoever asks is who it says it is: one question, asked again where the service comes
 * back in between. */
static inline void light_ask_wire(const char *endpoint, const char *who, const char *request,
                                  hone_buf *ret)
{
    light_farm f = {.zmq = zmq_ctx_new(),
                    .endpoint = endpoint,
                    .poll = epoll_create1(EPOLL_CLOEXEC),
                    .in = hone_xcalloc(1, sizeof *f.in),
                    .out = hone_xcalloc(1, sizeof *f.out)};
    light w = {.roles = HONE_ROLE_CLIENT, .bare.fd = -1};
    struct epoll_event e;
    zmq_msg_t msg;
    snprintf(w.name, sizeof w.name, "%s", who);
    light_open(&f, &w);
    for (int64_t until = hone_clock_ns() + 60000 * LIGHT_MS; hone_clock_ns() < until;) {
        zmq_msg_init(&msg);
        if (zmq_msg_recv(&msg, w.sock, ZMQ_DONTWAIT) < 0) {
            if (hone_clock_ns() - w.said_ns > 1000 * LIGHT_MS) {
                memset(f.out, 0, sizeof *f.out);
                f.out->type = HONE_WIRE_PING;
                light_say(&f, &w);
            } else {
                epoll_wait(f.poll, &e, 1, 50);
            }
            continue;
        }
        if (hone_wire_decode(zmq_msg_data(&msg), zmq_msg_size(&msg), f.in, NULL) != HONE_OK)
            continue;
        if (f.in->type == HONE_WIRE_WHO)
            light_hello(&f, &w);
        if (f.in->type == HONE_WIRE_WELCOME) {
            memcpy(w.session, f.in->session, 16);
            memset(f.out, 0, sizeof *f.out);
            f.out->type = HONE_WIRE_SAY;
            f.out->say.ask = 1;
            f.out->say.said =
                (hone_wire_bytes){(const uint8_t *)request, (uint32_t)strlen(request)};
            light_say(&f, &w);
        }
        if (f.in->type == HONE_WIRE_TELL) {
            hone_buf_add(ret, f.in->tell.told.p, f.in->tell.told.n);
            return;
        }
    }
}

/* In a process of its own, so that there is no ZeroMQ context where others are forked. The answer
 * is the caller's to decref; NULL: none came. */
static inline json_t *light_ask(const char *endpoint, const char *who, const char *request)
{
    int ends[2], st;
    hone_buf got = {0};
    char part[65536];
    if (pipe2(ends, O_CLOEXEC) != 0)
        light_die("no pipe");
    pid_t pid = light_fork();
    if (pid == 0) {
        light_ask_wire(endpoint, who, request, &got);
        for (size_t at = 0; at < got.n;) {
            ssize_t n = write(ends[1], got.s + at, got.n - at);
            if (n <= 0)
                _exit(1);
            at += (size_t)n;
        }
        _exit(0);
    }
    close(ends[1]);
    for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;)
        hone_buf_add(&got, part, (size_t)n);
    close(ends[0]);
    waitpid(pid, &st, 0);
    json_t *j = got.n ? json_loadb(got.s, got.n, 0, NULL) : NULL;
    hone_buf_free(&got);
    return j;
}

/* Asks whether a job of this kernel is taken; its number, 0: it is not. */
static inline uint64_t light_submit(const char *endpoint, const char *who, const char *request,
                                    int size, int trials, int seed)
{
    char *text = hone_xasprintf(
        "{\"v\":1,\"verb\":\"submit\",\"request\":\"%s\",\"threads\":1,\"trials\":%d,\"seed\":%d,"
        "\"strategy\":\"random\",\"alone\":true,\"tasks\":[{\"name\":\"matmul\",\"sizes\":"
        "{\"M\":%d,\"N\":32,\"K\":32}}]}",
        request, trials, seed, size);
    json_t *j = light_ask(endpoint, who, text);
    uint64_t job = (uint64_t)json_integer_value(json_object_get(j, "job"));
    if (!job)
        fprintf(stderr, "not taken: %s\n", j ? json_dumps(j, 0) : "no answer");
    json_decref(j);
    free(text);
    return job;
}

/* Jobs in this state, of all there are. */
static inline unsigned light_jobs_in(const char *endpoint, const char *state)
{
    json_t *j = light_ask(endpoint, "boss", "{\"v\":1,\"verb\":\"jobs\",\"all\":true}"), *one;
    unsigned n = 0;
    size_t k;
    json_array_foreach(json_object_get(j, "jobs"), k, one)
    {
        const char *is = json_string_value(json_object_get(one, "state"));
        n += is && strcmp(is, state) == 0;
    }
    json_decref(j);
    return n;
}

/* A number of the text for Prometheus; NAN: it has none of this name. */
static inline double light_metric(const char *endpoint, const char *name)
{
    json_t *j = light_ask(endpoint, "boss", "{\"v\":1,\"verb\":\"metrics\"}");
    const char *text = json_string_value(json_object_get(j, "text"));
    size_t n = strlen(name);
    double x = NAN;
    for (const char *s = text; s; s = strchr(s, '\n') ? strchr(s, '\n') + 1 : NULL)
        if (strncmp(s, name, n) == 0 && s[n] == ' ')
            x = strtod(s + n, NULL);
    json_decref(j);
    return x;
}

#endif
