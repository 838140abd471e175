/* The worker: one process that listens for a coordinator or goes to one, registers, and serves.
 *
 *   start and end    hone_worker_run, open_link, close_all
 *   the loop         serve: ZAP, connection, messages, nursery, build server, signals, timers
 *   the session      HELLO -> WELCOME; WHO asks for another HELLO; GOODBYE or silence ends it
 *
 * A connecting worker (DEALER) belongs to whoever it connected to. A listening one (ROUTER) serves
 * one coordinator at a time and tells others that it is busy. */
#include "workers/worker/internal.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define MS INT64_C(1000000)
#define LOST_MS 20000     /* until WELCOME says otherwise */
#define LEAST_LOST_MS 100 /* what a coordinator may ask for */
#define MOST_LOST_MS 120000
#define LEAST_BEAT_MS 20
#define HELLO_AGAIN_MS 3000
#define ORPHAN_MIN_MS 10000 /* a local coordinator away for longer does not come back */
#define BROKEN_MAX 5
#define UNSENT_MAX 16
#define ALONE_MS 5000    /* without anybody at the other end, until that is said */
#define GIVE_UP_MS 60000 /* for the nursery to end a measurement nobody wants */
#define GOODBYE_LINGER_MS 300

/* ---- sending -------------------------------------------------------------------------------- */

void hone_workers__worker_stop(hone_workers__worker *w, hone_status s, const char *fmt, ...)
{
    if (w->stopping)
        return;
    w->stopping = true;
    w->status = s;
    if (s == HONE_OK || !w->err)
        return;
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    hone_fail(w->err, s, "%s", text);
    snprintf(w->err->where, sizeof w->err->where, "%.159s", w->link.endpoint.uri);
}

static int send_now(hone_workers__worker *w, const hone_buf *message)
{
    w->said_ns = hone_clock_ns();
    return hone_workers__link_send(&w->link, &w->route, message);
}

int hone_workers__worker_send(hone_workers__worker *w, hone_buf *message)
{
    hone_wire_readdress(message->s, w->session, ++w->seq);
    return send_now(w, message);
}

void hone_workers__worker_forward(hone_workers__worker *w, hone_buf *message)
{
    int sys = hone_workers__worker_send(w, message);
    if (sys == 0)
        return;
    hone_log(HONE_LOG_DEBUG, "not sent yet: %s", zmq_strerror(sys));
    if (sys == EHOSTUNREACH && w->unsent.n < UNSENT_MAX) {
        w->up = false;
        hone_buf keep = {0};
        hone_buf_add(&keep, message->s, message->n);
        hone_vec_push(&w->unsent, keep);
    }
}

void hone_workers__worker_say(hone_workers__worker *w, hone_wire *m)
{
    hone_buf_reset(&w->out);
    hone_error err;
    if (hone_wire_encode(m, &w->out, &err) != HONE_OK)
        hone_log(HONE_LOG_ERROR, "%s", err.message);
    else
        hone_workers__worker_forward(w, &w->out);
}

static void flush_unsent(hone_workers__worker *w)
{
    for (uint32_t i = 0; i < w->unsent.n; i++) {
        send_now(w, &w->unsent.v[i]);
        hone_buf_free(&w->unsent.v[i]);
    }
    w->unsent.n = 0;
}

static void drop_unsent(hone_workers__worker *w)
{
    for (uint32_t i = 0; i < w->unsent.n; i++)
        hone_buf_free(&w->unsent.v[i]);
    w->unsent.n = 0;
}

/* Out of the session: to a coordinator that is not, or not yet, this worker's. */
static void say_to(hone_workers__worker *w, const hone_workers__route *to, hone_wire *m)
{
    m->seq = ++w->seq;
    hone_buf_reset(&w->out);
    if (hone_wire_encode(m, &w->out, NULL) == HONE_OK)
        hone_workers__link_send(&w->link, to, &w->out);
}

void hone_workers__worker_nack(hone_workers__worker *w, const hone_wire *m, uint32_t code,
                               const char *text)
{
    hone_wire a = {.type = HONE_WIRE_NACK, .nack = {m->seq, code, text}};
    hone_workers__worker_say(w, &a);
}

/* ---- HELLO ---------------------------------------------------------------------------------- */

static void say_hello(hone_workers__worker *w)
{
    hone_wire m;
    hone_workers__worker_hello(&w->self, w->o->roles, &m);
    memcpy(m.hello.instance, w->instance, sizeof w->instance);
    hone_workers__worker_holds(w, &m.hello);
    memcpy(m.session, w->session, sizeof m.session); /* a session it may still have */
    w->hello_ns = hone_clock_ns();
    say_to(w, &w->route, &m);
}

static void end_session(hone_workers__worker *w)
{
    w->registered = w->keeps = false;
    w->realm = 0;
    memset(w->session, 0, sizeof w->session);
    drop_unsent(w);
    hone_workers__worker_abandon(w);
    hone_workers__worker_prune(w, 0);
}

/* ---- messages ------------------------------------------------------------------------------- */

static bool same_route(const hone_workers__route *a, const hone_workers__route *b)
{
    return a->n == b->n && memcmp(a->id, b->id, a->n) == 0;
}

static bool coordinator_lives(const hone_workers__worker *w)
{
    return w->registered && w->up && hone_clock_ns() - w->heard_ns < w->lost_ns;
}

static void on_who(hone_workers__worker *w, const hone_workers__incoming *in, const hone_wire *m)
{
    static const uint8_t none[16];
    if (memcmp(m->session, none, 16) != 0 && memcmp(m->session, w->session, 16) != 0)
        return; /* about a session that is over already */
    if (w->link.bound) {
        if (coordinator_lives(w) && !same_route(&w->route, &in->from)) {
            int64_t retry_ms = w->lost_ns / MS / 4;
            hone_wire no = {.type = HONE_WIRE_REFUSE,
                            .refuse = {.code = HONE_REFUSE_BUSY,
                                       .retry_ms = (uint32_t)(retry_ms > 100 ? retry_ms : 100),
                                       .text = "it serves another coordinator; asked again "
                                               "from time to time"}};
            say_to(w, &in->from, &no);
            return;
        }
        w->route = in->from;
        memcpy(w->key, in->key, sizeof w->key);
        w->fd = in->fd;
        w->up = true;
    }
    end_session(w);
    say_hello(w);
}

static int64_t within(int64_t x, int64_t least, int64_t most)
{
    return x < least ? least : x > most ? most : x;
}

static void on_welcome(hone_workers__worker *w, const hone_workers__incoming *in,
                       const hone_wire *m)
{
    if (w->link.bound && (!same_route(&w->route, &in->from) || strcmp(w->key, in->key) != 0))
        return;
    w->heard_ns = hone_clock_ns();
    w->lost_ns = within(m->welcome.lost_ms, LEAST_LOST_MS, MOST_LOST_MS) * MS;
    w->heartbeat_ns = within(m->welcome.heartbeat_ms, LEAST_BEAT_MS, w->lost_ns / MS / 2) * MS;
    if (w->registered && memcmp(w->session, m->session, 16) == 0)
        return;
    end_session(w);
    memcpy(w->session, m->session, sizeof w->session);
    w->registered = true;
    w->realm = m->welcome.realm;
    w->lasting = m->welcome.lasting;
    w->keeps = m->welcome.revision >= HONE_WIRE_REVISION_KEEP && w->realm != 0;
    hone_log(HONE_LOG_INFO, "registered at %s%s", w->link.endpoint.uri,
             w->keeps ? "" : ", of an older hone: results are not kept for it");
    if (hone_workers__worker_in_hand(w) && w->measure_realm != w->realm)
        hone_workers__worker_give_up(w);
    hone_workers__worker_ready(w);
    hone_workers__worker_progress(w);
    hone_workers__spool_unsaid(&w->spool);
    hone_workers__worker_resay(w);
}

static void on_goodbye(hone_workers__worker *w)
{
    end_session(w);
    hone_log(HONE_LOG_INFO, "the coordinator at %s said goodbye", w->link.endpoint.uri);
    if (!w->link.bound && w->link.endpoint.ipc)
        hone_workers__worker_stop(w, HONE_OK, "goodbye");
}

static void in_session(hone_workers__worker *w, const hone_wire *m, const void *bytes, size_t n)
{
    hone_wire pong = {.type = HONE_WIRE_PONG, .pong = {m->ping.t_ns}};
    char text[256];
    switch (m->type) {
    case HONE_WIRE_PING:
        hone_workers__worker_say(w, &pong);
        break;
    case HONE_WIRE_PONG:
        break;
    case HONE_WIRE_BUILD:
        hone_workers__worker_on_build(w, m, bytes, n);
        break;
    case HONE_WIRE_ARTIFACT:
        hone_workers__worker_on_artifact(w, m);
        break;
    case HONE_WIRE_MEASURE:
        hone_workers__worker_on_measure(w, m);
        break;
    case HONE_WIRE_CANCEL:
        hone_workers__worker_on_cancel(w, &m->cancel);
        break;
    case HONE_WIRE_ACK:
        hone_workers__worker_on_ack(w, &m->ack);
        break;
    case HONE_WIRE_GOODBYE:
        on_goodbye(w);
        break;
    case HONE_WIRE_NACK:
        hone_workers__printable(text, sizeof text, m->nack.text);
        hone_log(HONE_LOG_WARN, "the coordinator did not take a message: %s", text);
        break;
    default:
        hone_workers__worker_nack(w, m, HONE_NACK_DIRECTION, "a coordinator does not send this");
    }
}

static void on_message(hone_workers__worker *w, const hone_workers__incoming *in)
{
    zmq_msg_t *payload = (zmq_msg_t *)&in->payload;
    void *bytes = zmq_msg_data(payload);
    size_t n = zmq_msg_size(payload);
    hone_wire *m = hone_xmalloc(sizeof *m);
    hone_error err;
    hone_status s = hone_wire_decode(bytes, n, m, &err);
    bool mine = w->registered && memcmp(m->session, w->session, 16) == 0 &&
                (!w->link.bound || strcmp(w->key, in->key) == 0);
    /* Who owns the socket is who may give orders here; a session's number is known to them only. */
    if (in->trust == HONE_WORKERS__TRUST_NO ||
        (in->trust == HONE_WORKERS__TRUST_UNKNOWN && !mine)) {
        free(m);
        return;
    }
    if (mine && s != HONE_E_PROTOCOL) {
        w->heard_ns = hone_clock_ns();
        w->route = in->from;
        w->fd = in->fd;
        if (!w->up)
            hone_workers__spool_unsaid(&w->spool);
        w->up = true;
        flush_unsent(w);
    }
    char text[256];
    if (s == HONE_E_VERSION && mine)
        hone_workers__worker_nack(w, m, HONE_NACK_TYPE, err.message);
    else if (s != HONE_OK) {
        snprintf(text, sizeof text, "bad message at %.80s: %.140s", w->link.endpoint.uri,
                 err.message);
        if (hone_workers__denials_tell(&w->bad, text, sizeof text))
            hone_log(HONE_LOG_WARN, "%s", text);
    } else if (m->type == HONE_WIRE_WHO)
        on_who(w, in, m);
    else if (m->type == HONE_WIRE_WELCOME)
        on_welcome(w, in, m);
    else if (m->type == HONE_WIRE_REFUSE && !w->link.bound && m->refuse.retry_ms == 0) {
        hone_workers__printable(text, sizeof text, m->refuse.text);
        hone_workers__worker_stop(w, HONE_E_DENIED, "the coordinator at %s refused this worker: %s",
                                  w->link.endpoint.uri, text);
    } else if (mine)
        in_session(w, m, bytes, n);
    free(m);
}

/* ---- the connection ------------------------------------------------------------------------- */

static void on_change(hone_workers__worker *w, hone_workers__change c, int fd, const char *text)
{
    bool bound = w->link.bound;
    if (c == HONE_WORKERS__CHANGE_UP) {
        w->broken = 0;
        if (!bound) {
            w->up = true;
            w->told_alone = false;
            hone_workers__spool_unsaid(&w->spool);
            say_hello(w);
        }
    } else if (c == HONE_WORKERS__CHANGE_DOWN && (!bound || (w->up && fd >= 0 && fd == w->fd))) {
        if (w->up)
            w->down_ns = hone_clock_ns();
        w->up = false;
        if (bound && w->link.endpoint.local)
            end_session(w);
        else if (w->link.endpoint.local) /* its process has ended; it may have said goodbye */
            hone_workers__worker_abandon(w);
    } else if (c == HONE_WORKERS__CHANGE_DENIED && bound) {
        hone_log(HONE_LOG_WARN, "%s", text);
    } else if (c == HONE_WORKERS__CHANGE_DENIED) {
        hone_workers__worker_stop(w, HONE_E_DENIED, "%s", text);
    } else if (c == HONE_WORKERS__CHANGE_BROKEN && !bound && ++w->broken == BROKEN_MAX) {
        hone_workers__worker_stop(
            w, HONE_E_DENIED,
            w->link.curve ? "the side at %s ends every handshake: does it use keys, and is "
                            "the public key that the allow file has for it the right one?"
                          : "the side at %s ends every handshake: it may ask for keys, to be "
                            "given with --key and --allow",
            w->link.endpoint.uri);
    }
}

/* Whoever started it should not have to guess why nothing happens. */
static void tell_alone(hone_workers__worker *w, int64_t now)
{
    if (w->link.bound || w->up || w->told_alone || now - w->down_ns < ALONE_MS * MS)
        return;
    w->told_alone = true;
    const char *why = hone_workers__link_unknown(&w->link);
    hone_log(HONE_LOG_WARN, "nobody answers at %s%s%s%s: this worker waits there for a coordinator",
             w->link.endpoint.uri, why ? " (" : "", why ? why : "", why ? ")" : "");
}

static void on_timers(hone_workers__worker *w)
{
    int64_t now = hone_clock_ns();
    tell_alone(w, now);
    bool silent = now - w->heard_ns > w->lost_ns;
    if (w->link.bound) {
        if (w->registered && silent) {
            hone_log(HONE_LOG_INFO, "the coordinator is silent; free for another");
            end_session(w);
        }
    } else if (!w->up && w->registered && silent) {
        hone_log(HONE_LOG_INFO, "the coordinator is gone; what it wanted ends");
        end_session(w);
    } else if (w->up) {
        if ((!w->registered || silent) && now - w->hello_ns > HELLO_AGAIN_MS * MS)
            say_hello(w);
    } else if (w->link.endpoint.ipc) {
        int64_t orphan = 3 * w->lost_ns > ORPHAN_MIN_MS * MS ? 3 * w->lost_ns : ORPHAN_MIN_MS * MS;
        if (now - w->down_ns > orphan)
            hone_workers__worker_stop(w, HONE_E_PEER, "no coordinator at %s", w->link.endpoint.uri);
    }
    if (w->stale && now - w->gave_up_ns > GIVE_UP_MS * MS)
        hone_workers__worker_stop(w, HONE_E_SANDBOX,
                                  "the measuring process does not let go of a kernel");
    if (w->registered && w->up && now - w->said_ns > w->heartbeat_ns) {
        hone_wire m = {.type = HONE_WIRE_PING, .ping = {(uint64_t)now}};
        hone_workers__worker_progress(w);
        hone_workers__worker_say(w, &m);
    }
    hone_workers__worker_resay(w);
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void drain_link(hone_workers__worker *w)
{
    char text[256];
    int fd;
    while (w->zap.sock && hone_workers__zap_serve(&w->zap, text, sizeof text))
        ;
    for (hone_workers__incoming in; !w->stopping && hone_workers__link_receive(&w->link, &in);) {
        on_message(w, &in);
        zmq_msg_close(&in.payload);
    }
    for (hone_workers__change c; (c = hone_workers__link_change(&w->link, &fd, text, sizeof text));)
        on_change(w, c, fd, text);
}

static void serve(hone_workers__worker *w)
{
    while (!w->stopping) {
        zmq_pollitem_t items[4 + HONE_WORKERS__LINK_ITEMS] = {{NULL, w->signals, ZMQ_POLLIN, 0}};
        int n = 1 + hone_workers__link_items(&w->link, items + 1), nursery = 0;
        if (w->zap.sock)
            items[n++] = (zmq_pollitem_t){w->zap.sock, 0, ZMQ_POLLIN, 0};
        if (w->nursery) {
            nursery = n;
            items[n++] = (zmq_pollitem_t){NULL, hone_nursery_fd(w->nursery), ZMQ_POLLIN, 0};
        }
        if (w->building)
            items[n++] = (zmq_pollitem_t){NULL, hone_workers__forge_fd(w->forge), ZMQ_POLLIN, 0};
        int64_t tick_ms = w->building ? 100 : w->heartbeat_ns / MS / 2;
        tick_ms = tick_ms < 20 ? 20 : tick_ms > 1000 ? 1000 : tick_ms;
        if (zmq_poll(items, n, (long)tick_ms) < 0 && zmq_errno() != EINTR) {
            hone_workers__worker_stop(w, HONE_E_IO, "cannot poll: %s", zmq_strerror(zmq_errno()));
            return;
        }
        struct signalfd_siginfo taken; /* read, or it would be delivered when unblocked */
        if (items[0].revents && read(w->signals, &taken, sizeof taken) > 0) {
            hone_workers__worker_stop(w, HONE_OK, "signal");
            return;
        }
        if (nursery && items[nursery].revents)
            hone_workers__worker_on_nursery(w);
        drain_link(w);
        if (w->forge) {
            hone_workers__reserve(true);
            hone_workers__worker_tend_build(w);
            hone_workers__reserve(false);
        }
        on_timers(w);
    }
}

/* ---- start and end -------------------------------------------------------------------------- */

static hone_status open_link(hone_workers__worker *w, hone_error *err)
{
    const hone_worker_options *o = w->o;
    hone_workers__endpoint e;
    hone_status s = hone_workers__endpoint_parse(o->listen ? o->listen : o->connect, &e, err);
    if (s == HONE_OK)
        s = hone_workers__identity_read(o->key_file, o->allow_file, &w->identity, err);
    w->identity.insecure_loopback = o->insecure_loopback;
    if (s == HONE_OK && o->listen && w->identity.have)
        s = hone_workers__zap_open(w->zmq, &w->identity.allow, &w->zap, err);
    if (s == HONE_OK)
        s = hone_workers__link_open(w->zmq, &e, o->listen != NULL, o->listen != NULL, &w->identity,
                                    &w->link, err);
    w->down_ns = w->heard_ns = hone_clock_ns();
    return s;
}

static void close_all(hone_workers__worker *w)
{
    if (w->link.sock) {
        if (w->registered && w->up) {
            hone_wire m = {.type = HONE_WIRE_GOODBYE, .goodbye = {"the worker stops"}};
            hone_workers__worker_say(w, &m);
        }
        hone_workers__link_close(&w->link, GOODBYE_LINGER_MS);
    }
    hone_workers__worker_jobs_free(w);
    hone_workers__zap_close(&w->zap);
    if (w->zmq)
        zmq_ctx_term(w->zmq);
    hone_workers__identity_free(&w->identity);
    hone_workers__forge_stop(w->forge);
    if (w->nursery)
        hone_nursery_stop(w->nursery);
    if (w->signals >= 0)
        close(w->signals);
    drop_unsent(w);
    hone_workers__spool_free(&w->spool);
    hone_workers__folder_close(&w->folder);
    free(w->self.target);
    hone_vec_free(&w->unsent);
    hone_buf_free(&w->out);
}

static hone_status check_options(const hone_worker_options *o, hone_error *err)
{
    if (!o->connect == !o->listen)
        return hone_fail(err, HONE_E_INPUT,
                         "give either an endpoint to connect to or one to "
                         "listen at");
    if (o->roles == 0 || o->roles > (HONE_ROLE_BUILD | HONE_ROLE_RUN))
        return hone_fail(err, HONE_E_INPUT, "a worker builds, runs, or both");
    if ((o->roles & HONE_ROLE_BUILD) && !o->build)
        return hone_fail(err, HONE_E_INPUT, "this program cannot build, only measure");
    if (o->spool && !(o->roles & HONE_ROLE_RUN))
        return hone_fail(err, HONE_E_INPUT, "a worker that only builds has no results to keep");
    for (unsigned k = 0; o->labels && o->labels[k]; k++)
        if (!*o->labels[k] || strlen(o->labels[k]) > 63 || strpbrk(o->labels[k], ",= \t\n"))
            return hone_fail(err, HONE_E_INPUT,
                             "'%.80s' is no label: a word of at most 63 characters without ',' "
                             "and '='",
                             o->labels[k]);
    return HONE_OK;
}

hone_status hone_worker_run(const hone_worker_options *o, hone_error *err)
{
    hone_error local = {0};
    hone_status s = check_options(o, err);
    if (s != HONE_OK)
        return s;
    hone_workers__worker *w = hone_xcalloc(1, sizeof *w);
    w->o = o;
    w->err = err ? err : &local;
    w->signals = -1;
    hone_sandbox__limits_read(&w->limits);
    w->lost_ns = LOST_MS * MS;
    w->heartbeat_ns = LOST_MS / 5 * MS;
    hone_workers__random(w->instance, sizeof w->instance);
    hone_workers__worker_describe(&w->self, o);
    /* A file that grows too large (ulimit -f) is an error to be told; also below, in the nursery
     * and the build server. */
    struct sigaction ignore = {.sa_handler = SIG_IGN}, too_large;
    sigaction(SIGXFSZ, &ignore, &too_large);
    bool sandbox = !(o->sandbox && strcmp(o->sandbox, "off") == 0);
    if (!sandbox && (o->roles & HONE_ROLE_RUN))
        hone_log(HONE_LOG_WARN,
                 "--sandbox off: kernels that are sent here are not confined, and can "
                 "do whatever this user can");
    if ((o->roles & HONE_ROLE_RUN) && o->runtime)
        s = hone_nursery_start_modules(o->runtime, &w->nursery, w->err);
    else if (o->roles & HONE_ROLE_RUN)
        s = hone_nursery_start(sandbox, o->libraries, o->n_libraries, &w->nursery, w->err);
    if (s == HONE_OK && (o->roles & HONE_ROLE_BUILD))
        s = hone_workers__forge_start(
            &(hone_workers__forge_options){o->build_prepare, o->build, o->build_ctx, sandbox},
            w->nursery ? hone_nursery_fd(w->nursery) : -1, &w->forge, w->err);
    if (s == HONE_OK && o->spool)
        s = hone_workers__folder_open(o->spool, &w->folder, &w->spool, w->err);
    hone_workers__reserve(false);
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, &before); /* ahead of ZeroMQ's threads, which inherit it */
    if (s == HONE_OK && (w->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
        s = hone_fail_errno(w->err, HONE_E_IO, "cannot receive signals");
    if (s == HONE_OK && !(w->zmq = zmq_ctx_new()))
        s = hone_fail(w->err, HONE_E_IO, "cannot start ZeroMQ: %s", zmq_strerror(zmq_errno()));
    if (s == HONE_OK)
        s = open_link(w, w->err);
    if (s == HONE_OK) {
        serve(w);
        s = w->status;
    }
    close_all(w);
    sigprocmask(SIG_SETMASK, &before, NULL);
    sigaction(SIGXFSZ, &too_large, NULL);
    free(w);
    return s;
}
