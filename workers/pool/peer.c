/* Peers of the pool: what each message does. A peer is known by its session; a session belongs to
 * one public key (or, without CURVE, to whoever knows its 16 random bytes), and its route may
 * change when the connection is made anew. */
#include "workers/pool/internal.h"

#include <errno.h>

const unsigned hone_workers__role_bit[HONE_WORKERS__ROLES] = {HONE_ROLE_BUILD, HONE_ROLE_RUN};

/* ---- sending -------------------------------------------------------------------------------- */

static int send_to(hone_pool *p, hone_workers__pool_link *l, const hone_workers__route *to,
                   hone_wire *m)
{
    m->seq = ++p->seq;
    hone_buf_reset(&p->out);
    hone_error err;
    if (hone_wire_encode(m, &p->out, &err) != HONE_OK) {
        hone_log(HONE_LOG_ERROR, "%s", err.message);
        return EMSGSIZE;
    }
    return hone_workers__link_send(&l->link, to, &p->out);
}

void hone_workers__pool_tell_route(hone_pool *p, hone_workers__pool_link *l,
                                   const hone_workers__route *to, hone_wire *m)
{
    /* Nobody is registered there: a failure only means that nobody listens any more. */
    int sys = send_to(p, l, to, m);
    if (sys)
        hone_log(HONE_LOG_DEBUG, "%s not sent: %s", hone_wire_name(m->type), zmq_strerror(sys));
}

bool hone_workers__pool_tell(hone_pool *p, hone_workers__peer *peer, hone_wire *m)
{
    memcpy(m->session, peer->session, sizeof m->session);
    int sys = send_to(p, peer->link, &peer->route, m);
    if (sys == 0)
        return true;
    hone_workers__pool_lose(p, peer,
                            sys == EHOSTUNREACH ? "its connection is gone"
                            : sys == EAGAIN     ? "it does not take messages any more"
                                                : zmq_strerror(sys));
    return false;
}

void hone_workers__pool_say_who(hone_pool *p, hone_workers__pool_link *l,
                                const hone_workers__route *to, const uint8_t session[16],
                                const char *why)
{
    hone_wire m = {.type = HONE_WIRE_WHO, .who = {why}};
    if (session)
        memcpy(m.session, session, sizeof m.session);
    hone_workers__pool_tell_route(p, l, to, &m);
}

/* ---- joining and leaving -------------------------------------------------------------------- */

void hone_workers__pool_lose(hone_pool *p, hone_workers__peer *peer, const char *why)
{
    for (uint32_t i = 0; i < p->peers.n; i++)
        if (p->peers.v[i] == peer)
            p->peers.v[i] = p->peers.v[--p->peers.n];
    hone_pool_event *e = hone_workers__pool_event(p, HONE_POOL_PEER_LOST);
    snprintf(e->text, sizeof e->text, "%s: %s", peer->name, why);
    snprintf(e->device, sizeof e->device, "%s", peer->name);
    hone_log(HONE_LOG_INFO, "worker lost: %s", e->text);
    for (uint32_t i = 0; i < p->running.n;) {
        hone_workers__job *j = p->running.v[i];
        if (j->peer == peer)
            hone_workers__job_fail(p, j, HONE_E_PEER, "worker %s was lost: %s", peer->name, why);
        else
            i++;
    }
    if (!peer->link->link.bound && !peer->link->dead)
        peer->link->who_ns = hone_clock_ns() + p->lost_ns / 4;
    hone_workers__peer_free(peer);
}

void hone_workers__peer_free(hone_workers__peer *peer)
{
    hone_workers__machine_free(&peer->machine);
    free(peer);
}

void hone_workers__pool_expel(hone_pool *p, hone_workers__peer *peer, uint64_t seq, const char *why)
{
    char text[256];
    hone_workers__pool_link *l = peer->link;
    hone_workers__route to = peer->route;
    hone_wire no = {.type = HONE_WIRE_NACK, .nack = {seq, HONE_NACK_MALFORMED, why}};
    hone_wire bye = {.type = HONE_WIRE_GOODBYE, .goodbye = {why}};
    memcpy(no.session, peer->session, sizeof no.session);
    memcpy(bye.session, peer->session, sizeof bye.session);
    hone_workers__pool_tell_route(p, l, &to, &no);
    hone_workers__pool_tell_route(p, l, &to, &bye);
    hone_log(HONE_LOG_WARN, "worker %s is sent away: it sent %s", peer->name, why);
    hone_workers__expelled *x = &p->expelled[p->expelled_turn];
    p->expelled_turn = (p->expelled_turn + 1) % HONE_LEN(p->expelled);
    memcpy(x->instance, peer->instance, sizeof x->instance);
    snprintf(x->why, sizeof x->why, "%s", why);
    snprintf(text, sizeof text, "it sent %s", why);
    hone_workers__pool_lose(p, peer, text);
}

/* Why no worker of this instance is taken any more, or NULL. */
static const char *expelled(const hone_pool *p, const uint8_t instance[16])
{
    for (size_t i = 0; i < HONE_LEN(p->expelled); i++)
        if (p->expelled[i].why[0] && memcmp(p->expelled[i].instance, instance, 16) == 0)
            return p->expelled[i].why;
    return NULL;
}

void hone_workers__pool_refused(hone_pool *p, const char *text)
{
    char all[256];
    snprintf(all, sizeof all, "%s", text);
    if (!hone_workers__denials_tell(&p->refusals, all, sizeof all))
        return;
    hone_log(HONE_LOG_WARN, "%s", all);
    hone_pool_event *e = hone_workers__pool_event(p, HONE_POOL_REFUSED);
    snprintf(e->text, sizeof e->text, "%s", all);
}

static void refuse(hone_pool *p, hone_workers__pool_link *l, const hone_workers__incoming *in,
                   uint32_t code, const char *text)
{
    hone_wire m = {.type = HONE_WIRE_REFUSE, .refuse = {code, 0, text}};
    hone_workers__pool_tell_route(p, l, &in->from, &m);
    char all[256];
    snprintf(all, sizeof all, "refused a worker at %.80s: %.140s", l->link.endpoint.uri, text);
    hone_workers__pool_refused(p, all);
}

static hone_workers__peer *by_session(hone_pool *p, const uint8_t session[16])
{
    for (uint32_t i = 0; i < p->peers.n; i++)
        if (memcmp(p->peers.v[i]->session, session, 16) == 0)
            return p->peers.v[i];
    return NULL;
}

static void welcome(hone_pool *p, hone_workers__peer *peer)
{
    hone_wire m = {.type = HONE_WIRE_WELCOME};
    m.welcome.proto = HONE_WIRE_VERSION;
    m.welcome.lost_ms = (uint32_t)(p->lost_ns / 1000000);
    m.welcome.heartbeat_ms = m.welcome.lost_ms / 5 + 1;
    hone_workers__pool_tell(p, peer, &m);
}

/* An older worker does not say what it runs on, but one at ipc runs here. What a newer one says may
 * make no sense to this hone. */
static void describe(hone_workers__peer *peer, const hone_wire_hello *h)
{
    hone_error err = {0};
    hone_status s = HONE_OK;
    if (!(h->roles & HONE_ROLE_RUN))
        return;
    if (h->target)
        s = hone_workers__machine_read(h->target, &peer->machine, &err);
    else if (peer->link->link.endpoint.ipc)
        s = hone_workers__machine_here(&peer->machine, &err);
    if (s != HONE_OK)
        hone_log(HONE_LOG_WARN,
                 "worker %s gets no jobs for a named target, since this hone does "
                 "not understand what it is: %s",
                 peer->name, err.message);
}

static void on_hello(hone_pool *p, hone_workers__pool_link *l, const hone_workers__incoming *in,
                     const hone_wire *m)
{
    const hone_wire_hello *h = &m->hello;
    if (h->proto_min > HONE_WIRE_VERSION || h->proto_max < HONE_WIRE_VERSION) {
        char text[128];
        snprintf(text, sizeof text, "it speaks protocol %u to %u, this hone %u", h->proto_min,
                 h->proto_max, HONE_WIRE_VERSION);
        refuse(p, l, in, HONE_REFUSE_VERSION, text);
        return;
    }
    if (h->roles == 0 || h->roles > 3) {
        refuse(p, l, in, HONE_REFUSE_HELLO, "it offers neither to build nor to run");
        return;
    }
    const char *why = expelled(p, h->instance);
    if (why) {
        char text[256];
        snprintf(text, sizeof text, "it was sent away before, because it sent %s", why);
        refuse(p, l, in, HONE_REFUSE_HELLO, text);
        if (!l->link.bound)
            l->dead = true; /* asked no more */
        return;
    }
    for (uint32_t i = 0; i < p->peers.n; i++) {
        hone_workers__peer *old = p->peers.v[i];
        if (memcmp(old->instance, h->instance, 16) != 0 || strcmp(old->key, in->key) != 0)
            continue;
        if (hone_workers__peer_busy(old) == 0 || memcmp(old->session, m->session, 16) == 0) {
            /* It asks again and nothing is lost: the session goes on, by this way. A worker that
             * does not know it any more says READY anew. */
            if (memcmp(old->session, m->session, 16) != 0)
                memset(old->credit, 0, sizeof old->credit);
            old->route = in->from;
            old->fd = in->fd;
            old->link = l;
            old->seen_ns = hone_clock_ns();
            welcome(p, old);
            return;
        }
        hone_workers__pool_lose(p, old, "it has forgotten its session");
        break;
    }
    hone_workers__peer *peer = hone_xcalloc(1, sizeof *peer);
    hone_workers__random(peer->session, sizeof peer->session);
    memcpy(peer->instance, h->instance, sizeof peer->instance);
    peer->link = l;
    peer->route = in->from;
    peer->fd = in->fd;
    peer->roles = h->roles;
    peer->revision = h->revision;
    peer->pid = h->pid;
    peer->seen_ns = hone_clock_ns();
    memcpy(peer->key, in->key, sizeof peer->key);
    const hone_allowed *known = *in->key ? hone_allow_find_text(&p->identity.allow, in->key) : NULL;
    hone_workers__printable(peer->name, sizeof peer->name, known ? known->name : h->name);
    char cpu[128];
    hone_workers__printable(cpu, sizeof cpu, h->cpu);
    describe(peer, h);
    snprintf(peer->about, sizeof peer->about, "%s (%s; %s, %u processors, pid %u)", peer->name,
             h->roles == 3                 ? "build, run"
             : h->roles == HONE_ROLE_BUILD ? "build"
                                           : "run",
             cpu, h->threads, h->pid);
    hone_vec_push(&p->peers, peer);
    l->who_ns = 0;
    hone_pool_event *e = hone_workers__pool_event(p, HONE_POOL_PEER_JOINED);
    snprintf(e->text, sizeof e->text, "%s", peer->about);
    snprintf(e->device, sizeof e->device, "%s", peer->name);
    hone_log(HONE_LOG_INFO, "worker joined: %s", e->text);
    welcome(p, peer);
}

/* ---- outcomes ------------------------------------------------------------------------------- */

/* An outcome's words, to be shown to people. */
static hone_error clean(const hone_error *e)
{
    hone_error ret = *e;
    hone_workers__printable(ret.message, sizeof ret.message, e->message);
    hone_workers__printable(ret.where, sizeof ret.where, e->where);
    return ret;
}

static void on_built(hone_pool *p, hone_workers__peer *peer, const hone_wire *m)
{
    const hone_wire_built *b = &m->built;
    hone_workers__job *j = hone_workers__job_find(p, peer, b->ticket, 0);
    if (!j)
        return;
    if (b->spent_ns < 0 || b->spent_ns > HONE_WIRE_DURATION_MAX_NS ||
        (b->error.status == HONE_OK && b->bytes.n == 0)) {
        hone_workers__pool_expel(p, peer, m->seq, "a build that cannot be");
        return;
    }
    hone_pool_event *e = hone_workers__job_finish(p, j);
    e->status = b->error.status;
    e->error = clean(&b->error);
    e->spent_ns = b->spent_ns;
    if (e->status == HONE_OK)
        hone_workers__artifact_set(&e->artifact, &b->manifest, b->bytes.p, b->bytes.n);
}

static void on_measured(hone_pool *p, hone_workers__peer *peer, const hone_wire *m)
{
    hone_workers__job *j = hone_workers__job_find(p, peer, m->measured.ticket, 1);
    if (!j)
        return;
    hone_measure_result result;
    hone_error err = {0};
    if (hone_wire_result(&m->measured, &j->measure, &result, &err) != HONE_OK) {
        hone_workers__pool_expel(p, peer, m->seq, err.message);
        return;
    }
    hone_pool_event *e = hone_workers__job_finish(p, j);
    e->status = m->measured.error.status;
    e->error = clean(&m->measured.error);
    e->spent_ns = m->measured.spent_ns;
    e->result = result;
    hone_workers__printable(e->result.env, sizeof e->result.env, result.env);
}

static void on_need(hone_pool *p, hone_workers__peer *peer, const hone_wire_need *n)
{
    hone_workers__job *j = hone_workers__job_find(p, peer, n->ticket, 1);
    for (size_t i = 0; j && i < HONE_LEN(j->blob); i++) {
        if (j->blob[i] && j->blob[i]->key == n->key) {
            hone_workers__job_send_artifact(p, peer, j, j->blob[i], true);
            return;
        }
    }
}

static void on_ready(hone_workers__peer *peer, const hone_wire_ready *r)
{
    for (unsigned i = 0; i < HONE_WORKERS__ROLES; i++)
        if (r->role == hone_workers__role_bit[i] && (peer->roles & r->role))
            peer->credit[i] = r->credit > HONE_WORKERS__CREDIT_MAX - peer->credit[i]
                                  ? HONE_WORKERS__CREDIT_MAX
                                  : peer->credit[i] + r->credit;
}

/* ---- dispatch ------------------------------------------------------------------------------- */

static void nack(hone_pool *p, hone_workers__pool_link *l, const hone_workers__incoming *in,
                 const hone_wire *m, uint32_t code, const char *text)
{
    hone_wire a = {.type = HONE_WIRE_NACK, .nack = {m->seq, code, text}};
    memcpy(a.session, m->session, sizeof a.session);
    hone_workers__pool_tell_route(p, l, &in->from, &a);
}

/* A message inside a session. */
static void in_session(hone_pool *p, hone_workers__peer *peer, const hone_workers__incoming *in,
                       const hone_wire *m)
{
    hone_wire pong;
    char why[160];
    switch (m->type) {
    case HONE_WIRE_PING:
        pong = (hone_wire){.type = HONE_WIRE_PONG, .pong = {m->ping.t_ns}};
        hone_workers__pool_tell(p, peer, &pong);
        break;
    case HONE_WIRE_READY:
        on_ready(peer, &m->ready);
        break;
    case HONE_WIRE_BUILT:
        on_built(p, peer, m);
        break;
    case HONE_WIRE_MEASURED:
        on_measured(p, peer, m);
        break;
    case HONE_WIRE_NEED:
        on_need(p, peer, &m->need);
        break;
    case HONE_WIRE_NACK:
        hone_workers__printable(why, sizeof why, m->nack.text);
        hone_log(HONE_LOG_WARN, "worker %s did not take a message: %s", peer->name, why);
        hone_workers__pool_lose(p, peer, why);
        break;
    case HONE_WIRE_GOODBYE:
        hone_workers__printable(why, sizeof why, m->goodbye.text);
        hone_workers__pool_lose(p, peer, why);
        break;
    case HONE_WIRE_PONG:
        break;
    default:
        nack(p, peer->link, in, m, HONE_NACK_DIRECTION, "a worker does not send this");
    }
}

void hone_workers__pool_message(hone_pool *p, hone_workers__pool_link *l,
                                const hone_workers__incoming *in)
{
    static const uint8_t none[16];
    hone_wire *m = hone_xmalloc(sizeof *m);
    hone_error err;
    /* zmq_msg_data does not change the message; it only lacks a const. */
    zmq_msg_t *payload = (zmq_msg_t *)&in->payload;
    hone_status s = hone_wire_decode(zmq_msg_data(payload), zmq_msg_size(payload), m, &err);
    hone_workers__peer *peer = memcmp(m->session, none, 16) == 0 ? NULL : by_session(p, m->session);
    if (peer && strcmp(peer->key, in->key) != 0) {
        hone_log(HONE_LOG_WARN, "a message for the session of %s came from another key",
                 peer->name);
        peer = NULL;
    }
    if (in->trust == HONE_WORKERS__TRUST_NO ||
        (in->trust == HONE_WORKERS__TRUST_UNKNOWN && !peer)) {
        free(m);
        return;
    }
    if (peer) {
        peer->seen_ns = hone_clock_ns();
        peer->route = in->from;
        peer->fd = in->fd;
        peer->link = l;
    }
    if (s == HONE_E_VERSION)
        nack(p, l, in, m, HONE_NACK_TYPE, err.message);
    else if (s != HONE_OK) {
        char text[256];
        snprintf(text, sizeof text, "bad message at %.80s: %.140s", l->link.endpoint.uri,
                 err.message);
        if (hone_workers__denials_tell(&p->bad, text, sizeof text))
            hone_log(HONE_LOG_WARN, "%s", text);
        if (peer)
            hone_workers__pool_expel(p, peer, m->seq, err.message);
        else
            nack(p, l, in, m, HONE_NACK_MALFORMED, err.message);
    } else if (m->type == HONE_WIRE_HELLO)
        on_hello(p, l, in, m);
    else if (m->type == HONE_WIRE_REFUSE) {
        char text[256], all[256];
        hone_workers__printable(text, sizeof text, m->refuse.text);
        snprintf(all, sizeof all, "the worker at %.80s turned us away: %.140s",
                 l->link.endpoint.uri, text);
        hone_workers__pool_refused(p, all);
        if (!l->link.bound && m->refuse.retry_ms)
            l->who_ns = hone_clock_ns() + (int64_t)m->refuse.retry_ms * 1000000;
    } else if (peer)
        in_session(p, peer, in, m);
    else if (m->type != HONE_WIRE_GOODBYE && m->type != HONE_WIRE_NACK)
        hone_workers__pool_say_who(p, l, &in->from, m->session, "this session is not known here");
    free(m);
}
