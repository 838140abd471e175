/* Peers of the pool: what each message does. A peer is known by its session; a session belongs to
 * one public key (or, without CURVE, to whoever knows its 16 random bytes), and its route may
 * change when the connection is made anew. */
#include "workers/pool/internal.h"

#include <errno.h>

const unsigned hone_workers__role_bit[HONE_WORKERS__ROLES] = {HONE_ROLE_BUILD, HONE_ROLE_RUN};

/* ---- sending -------------------------------------------------------------------------------- */

hone_wire *hone_workers__pool_message_new(hone_pool *p, hone_wire_type type)
{
    memset(p->say, 0, offsetof(hone_wire, hello));
    p->say->type = (uint8_t)type;
    return p->say;
}

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

static const char *kind_of(const hone_workers__peer *peer)
{
    return peer->roles == HONE_ROLE_CLIENT ? "client" : "worker";
}

static uint64_t session_hash(const uint8_t session[16])
{
    return hone_hash_bytes(0, session, 16);
}

void hone_workers__pool_add(hone_pool *p, hone_workers__peer *peer)
{
    peer->number = ++p->number;
    peer->at = p->peers.n;
    hone_vec_push(&p->peers, peer);
    hone_map_add(&p->by_session, session_hash(peer->session), peer);
    hone_map_add(&p->by_number, peer->number, peer);
}

hone_workers__peer *hone_workers__pool_peer(const hone_pool *p, uint64_t number)
{
    uint32_t at = 0;
    hone_workers__peer *peer;
    while ((peer = hone_map_next(&p->by_number, number, &at)))
        if (peer->number == number)
            return peer;
    return NULL;
}

void hone_workers__peer_credit(hone_pool *p, hone_workers__peer *peer, unsigned role, uint32_t more)
{
    uint32_t room = HONE_WORKERS__CREDIT_MAX - peer->credit[role];
    more = more > room ? room : more;
    peer->credit[role] += more;
    p->credit[role] += more;
}

void hone_workers__peer_no_credit(hone_pool *p, hone_workers__peer *peer)
{
    for (unsigned r = 0; r < HONE_WORKERS__ROLES; r++) {
        p->credit[r] -= peer->credit[r];
        peer->credit[r] = 0;
    }
}

static void take_out(hone_pool *p, hone_workers__peer *peer)
{
    hone_workers__peer_no_credit(p, peer);
    p->peers.v[peer->at] = p->peers.v[--p->peers.n];
    p->peers.v[peer->at]->at = peer->at;
    hone_map_remove(&p->by_session, session_hash(peer->session), peer);
    hone_map_remove(&p->by_number, peer->number, peer);
}

hone_pool_event *hone_workers__pool_lose(hone_pool *p, hone_workers__peer *peer, const char *why)
{
    take_out(p, peer);
    hone_pool_event *e = hone_workers__pool_event(p, HONE_POOL_PEER_LOST);
    snprintf(e->text, sizeof e->text, "%s: %s", peer->name, why);
    snprintf(e->device, sizeof e->device, "%s", peer->name);
    e->peer = peer->number;
    e->roles = peer->roles;
    hone_log(HONE_LOG_INFO, "%s lost: %s", kind_of(peer), e->text);
    for (uint32_t i = 0; i < p->running.n;) {
        hone_workers__job *j = p->running.v[i];
        if (j->peer == peer)
            hone_workers__job_fail(p, j, HONE_E_PEER, "worker %s was lost: %s", peer->name, why);
        else
            i++;
    }
    for (uint32_t i = 0; i < p->waiting.n;) { /* for it and nobody else */
        hone_workers__job *j = p->waiting.v[i];
        if (j->only != peer->number) {
            i++;
            continue;
        }
        memmove(&p->waiting.v[i], &p->waiting.v[i + 1],
                (p->waiting.n - i - 1) * sizeof *p->waiting.v);
        p->waiting.n--;
        hone_workers__job_fail(p, j, HONE_E_PEER, "worker %s was lost: %s", peer->name, why);
    }
    if (!peer->link->link.bound && !peer->link->dead)
        peer->link->who_ns = hone_clock_ns() + p->lost_ns / 4;
    hone_workers__peer_free(peer);
    return e;
}

void hone_workers__peer_free(hone_workers__peer *peer)
{
    hone_workers__machine_free(&peer->machine);
    free(peer->held);
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
    uint32_t at = 0;
    hone_workers__peer *peer;
    while ((peer = hone_map_next(&p->by_session, session_hash(session), &at)))
        if (memcmp(peer->session, session, 16) == 0)
            return peer;
    return NULL;
}

static void welcome(hone_pool *p, hone_workers__peer *peer)
{
    hone_wire m = {.type = HONE_WIRE_WELCOME};
    m.welcome.proto = HONE_WIRE_VERSION;
    m.welcome.lost_ms = (uint32_t)(p->lost_ns / 1000000);
    m.welcome.heartbeat_ms = m.welcome.lost_ms / 5 + 1;
    m.welcome.revision = HONE_WIRE_REVISION;
    m.welcome.realm = p->realm;
    m.welcome.lasting = p->lasting;
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
    const hone_allowed *known = *in->key ? hone_allow_find_text(&p->identity.allow, in->key) : NULL;
    /* Its connection may be older than the list of keys. */
    const char *why = *in->key && !known ? "its key is not allowed (any more)"
                                         : hone_workers__pool_barred(p, h->roles, known);
    if (why) {
        refuse(p, l, in, HONE_REFUSE_HELLO, why);
        return;
    }
    why = expelled(p, h->instance);
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
                hone_workers__peer_no_credit(p, old);
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
    peer->fingerprint = h->fingerprint;
    hone_workers__printable(peer->attrs, sizeof peer->attrs, h->attrs ? h->attrs : "");
    peer->machine_hash =
        hone_hash_bytes(hone_hash_bytes(0, h->boot, strlen(h->boot)), h->name, strlen(h->name));
    peer->may =
        known ? known->may : HONE_KEY_USER | HONE_KEY_DEVICE | HONE_KEY_BUILDER | HONE_KEY_ADMIN;
    hone_workers__printable(peer->name, sizeof peer->name, known ? known->name : h->name);
    char cpu[128];
    hone_workers__printable(cpu, sizeof cpu, h->cpu);
    describe(peer, h);
    hone_workers__pool_holds(p, peer, h);
    snprintf(peer->about, sizeof peer->about, "%s (%s; %s, %u processors, pid %u)", peer->name,
             h->roles == HONE_ROLE_CLIENT  ? "asks"
             : h->roles == 3               ? "build, run"
             : h->roles == HONE_ROLE_BUILD ? "build"
                                           : "run",
             cpu, h->threads, h->pid);
    hone_workers__pool_add(p, peer);
    l->who_ns = 0;
    hone_pool_event *e = hone_workers__pool_event(p, HONE_POOL_PEER_JOINED);
    snprintf(e->text, sizeof e->text, "%s", peer->about);
    snprintf(e->device, sizeof e->device, "%s", peer->name);
    e->peer = peer->number;
    e->roles = peer->roles;
    hone_log(HONE_LOG_INFO, "%s joined: %s", kind_of(peer), e->text);
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

void hone_workers__pool_outcome(hone_pool_event *e, const hone_wire_measured *m,
                                const hone_measure_result *result)
{
    e->status = m->error.status;
    e->error = clean(&m->error);
    e->spent_ns = m->spent_ns;
    e->result = *result;
    hone_workers__printable(e->result.env, sizeof e->result.env, result->env);
}

static void on_measured(hone_pool *p, hone_workers__peer *peer, const hone_wire *m)
{
    hone_workers__job *j = hone_workers__job_find(p, peer, m->measured.ticket, 1);
    if (!j) {
        hone_workers__pool_late(p, peer, m);
        return;
    }
    hone_measure_result result;
    hone_error err = {0};
    if (hone_wire_result(&m->measured, &j->measure, &result, &err) != HONE_OK) {
        hone_workers__pool_expel(p, peer, m->seq, err.message);
        return;
    }
    hone_lease lease = hone_workers__pool_lease(p, peer, j);
    hone_pool_event *e = hone_workers__job_finish(p, j);
    hone_workers__pool_outcome(e, &m->measured, &result);
    e->lease = lease;
    hone_workers__pool_handed_out(p, peer, lease.fence);
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

static void on_ready(hone_pool *p, hone_workers__peer *peer, const hone_wire_ready *r)
{
    for (unsigned i = 0; i < HONE_WORKERS__ROLES; i++)
        if (r->role == hone_workers__role_bit[i] && (peer->roles & r->role))
            hone_workers__peer_credit(p, peer, i, r->credit);
}

/* ---- dispatch ------------------------------------------------------------------------------- */

static void nack(hone_pool *p, hone_workers__pool_link *l, const hone_workers__incoming *in,
                 const hone_wire *m, uint32_t code, const char *text)
{
    hone_wire a = {.type = HONE_WIRE_NACK, .nack = {m->seq, code, text}};
    memcpy(a.session, m->session, sizeof a.session);
    hone_workers__pool_tell_route(p, l, &in->from, &a);
}

/* What workers and clients both say. */
static bool common(unsigned type)
{
    return type == HONE_WIRE_PING || type == HONE_WIRE_PONG || type == HONE_WIRE_NACK ||
           type == HONE_WIRE_GOODBYE;
}

/* A message inside a session. */
static void in_session(hone_pool *p, hone_workers__peer *peer, const hone_workers__incoming *in,
                       const hone_wire *m)
{
    hone_wire pong;
    char why[160];
    bool client = peer->roles == HONE_ROLE_CLIENT;
    switch (client == (m->type == HONE_WIRE_SAY) || common(m->type) ? m->type : 0) {
    case HONE_WIRE_SAY:
        hone_workers__pool_said(p, peer, &m->say);
        break;
    case HONE_WIRE_PING:
        pong = (hone_wire){.type = HONE_WIRE_PONG, .pong = {m->ping.t_ns}};
        hone_workers__pool_tell(p, peer, &pong);
        break;
    case HONE_WIRE_READY:
        on_ready(p, peer, &m->ready);
        break;
    case HONE_WIRE_BUILT:
        on_built(p, peer, m);
        break;
    case HONE_WIRE_MEASURED:
        on_measured(p, peer, m);
        break;
    case HONE_WIRE_PROGRESS:
        hone_workers__pool_progress(p, peer, &m->progress);
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
        hone_workers__pool_lose(p, peer, why)->left = true;
        break;
    case HONE_WIRE_PONG:
        break;
    default:
        nack(p, peer->link, in, m, HONE_NACK_DIRECTION, "it is not for this one to send this");
    }
}

void hone_workers__pool_message(hone_pool *p, hone_workers__pool_link *l,
                                const hone_workers__incoming *in)
{
    static const uint8_t none[16];
    hone_wire *m = p->in;
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
    if (in->trust == HONE_WORKERS__TRUST_NO || (in->trust == HONE_WORKERS__TRUST_UNKNOWN && !peer))
        return;
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
}
