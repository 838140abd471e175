/* The coordinator's side. Everything happens in the caller's thread, inside hone_pool_next: ZAP
 * requests, connection events, messages, deadlines and assignment, in this order, until there is
 * an event to hand out. Messages are read before deadlines are judged, so a caller that was away
 * for long does not take its own silence for that of its peers. */
#include "workers/pool/internal.h"

#include <errno.h>

#define MS INT64_C(1000000)
#define LOST_MS 20000
#define GOODBYE_LINGER_MS 300
#define BROKEN_MAX 5
#define BUSY_AGAIN_MS 60000
#define JUDGE_MS 20  /* deadlines are looked at no more often: there may be thousands */
#define AT_ONCE 1000 /* messages that are taken in a turn, beside one of each peer */

hone_status hone_pool_new(const hone_pool_options *o, hone_pool **ret, hone_error *err)
{
    hone_pool *p = hone_xcalloc(1, sizeof *p);
    *ret = NULL;
    hone_workers__reserve(false);
    p->matches = hone_xcalloc(1, sizeof *p->matches);
    p->in = hone_xmalloc(sizeof *p->in);
    p->say = hone_xmalloc(sizeof *p->say);
    p->clients = o->clients;
    p->lasting = o->realm != 0;
    p->realm = o->realm;
    while (p->realm == 0)
        hone_workers__random(&p->realm, sizeof p->realm);
    /* Workers may still have attempts of another pool, which tickets of this one must not name. */
    hone_workers__random(&p->ticket, sizeof p->ticket);
    p->ticket >>= 1;
    p->lost_ns = (o->lost_ms > 0 ? o->lost_ms : LOST_MS) * MS;
    hone_status s = hone_workers__identity_read(o->key_file, o->allow_file, &p->identity, err);
    p->identity.insecure_loopback = o->insecure_loopback;
    if (s == HONE_OK && !(p->zmq = zmq_ctx_new()))
        s = hone_fail(err, HONE_E_IO, "cannot start ZeroMQ: %s", zmq_strerror(zmq_errno()));
    if (s == HONE_OK) {
        zmq_ctx_set(p->zmq, ZMQ_MAX_SOCKETS, 4096);
        if (p->identity.have)
            s = hone_workers__zap_open(p->zmq, &p->identity.allow, &p->zap, err);
    }
    if (s != HONE_OK) {
        hone_pool_free(p);
        return s;
    }
    *ret = p;
    return HONE_OK;
}

static hone_status add_link(hone_pool *p, const char *endpoint, bool bind, hone_error *err)
{
    hone_workers__endpoint e;
    hone_status s = hone_workers__endpoint_parse(endpoint, &e, err);
    if (s != HONE_OK)
        return s;
    hone_workers__pool_link *l = hone_xcalloc(1, sizeof *l);
    s = hone_workers__link_open(p->zmq, &e, bind, true, &p->identity, &l->link, err);
    if (s != HONE_OK) {
        free(l);
        return s;
    }
    hone_vec_push(&p->links, l);
    return HONE_OK;
}

hone_status hone_pool_listen(hone_pool *p, const char *endpoint, hone_error *err)
{
    return add_link(p, endpoint, true, err);
}

hone_status hone_pool_connect(hone_pool *p, const char *endpoint, hone_error *err)
{
    return add_link(p, endpoint, false, err);
}

uint32_t hone_pool_peers(const hone_pool *p, unsigned roles)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->peers.n; i++)
        n += (p->peers.v[i]->roles & roles) == roles;
    return n;
}

uint32_t hone_pool_credit(const hone_pool *p, unsigned role)
{
    unsigned r = role == HONE_ROLE_RUN;
    uint32_t credit = p->credit[r], queued = 0;
    for (uint32_t i = 0; i < p->waiting.n; i++)
        queued += p->waiting.v[i]->role == r;
    return credit > queued ? credit - queued : 0;
}

bool hone_pool_knows(const hone_pool *p, uint32_t pid)
{
    for (uint32_t i = 0; i < p->peers.n; i++)
        if (p->peers.v[i]->pid == pid && p->peers.v[i]->link->link.endpoint.local)
            return true;
    return false;
}

uint64_t hone_pool_new_id(hone_pool *p)
{
    return ++p->id;
}

/* ---- one turn of the loop ------------------------------------------------------------------- */

static void report_refused(hone_pool *p, const char *text)
{
    hone_pool_event *e = hone_workers__pool_event(p, HONE_POOL_REFUSED);
    snprintf(e->text, sizeof e->text, "%s", text);
}

static void serve_zap(hone_pool *p)
{
    char text[256];
    for (int k; (k = hone_workers__zap_serve(&p->zap, text, sizeof text)) != 0;)
        if (k == 2)
            report_refused(p, text);
}

static void lose_connection(hone_pool *p, hone_workers__pool_link *l, int fd)
{
    /* On this machine a connection ends when the process does; over the network the worker may
     * come back by another one within the time it has. */
    if (!l->link.endpoint.local)
        return;
    for (uint32_t i = 0; i < p->peers.n; i++) {
        hone_workers__peer *peer = p->peers.v[i];
        if (peer->link == l && peer->fd == fd && fd >= 0) {
            hone_workers__pool_lose(p, peer, "its connection ended");
            return;
        }
    }
}

static void give_up(hone_pool *p, hone_workers__pool_link *l, const char *text)
{
    hone_workers__pool_refused(p, text);
    if (l->link.bound)
        return;
    /* libzmq would try for ever, and be denied for ever. */
    hone_workers__link_give_up(&l->link);
    l->dead = true;
    l->who_ns = 0;
}

static void on_up(hone_pool *p, hone_workers__pool_link *l)
{
    l->broken = 0;
    l->up = true;
    if (l->link.bound)
        return;
    for (uint32_t i = 0; i < p->peers.n; i++) {
        if (p->peers.v[i]->link == l) { /* the same worker, by a new connection? It will say */
            hone_wire m = {.type = HONE_WIRE_PING, .ping = {(uint64_t)hone_clock_ns()}};
            hone_workers__pool_tell(p, p->peers.v[i], &m);
            return;
        }
    }
    l->who_ns = hone_clock_ns();
}

static void serve_changes(hone_pool *p, hone_workers__pool_link *l)
{
    char text[256];
    int fd;
    for (hone_workers__change c;
         (c = hone_workers__link_change(&l->link, &fd, text, sizeof text));) {
        switch (c) {
        case HONE_WORKERS__CHANGE_UP:
            on_up(p, l);
            break;
        case HONE_WORKERS__CHANGE_DOWN:
            l->up = false;
            lose_connection(p, l, fd);
            break;
        case HONE_WORKERS__CHANGE_DENIED:
            give_up(p, l, text);
            break;
        default:
            if (!l->link.bound && ++l->broken == BROKEN_MAX) {
                snprintf(text, sizeof text,
                         "the worker at %.100s ends every handshake: do both sides use keys, and "
                         "the right ones?",
                         l->link.endpoint.uri);
                give_up(p, l, text);
            }
            break;
        }
    }
}

/* Says WHO to listening workers that have not registered. */
static void ask_who(hone_pool *p, hone_workers__pool_link *l, int64_t now)
{
    if (l->dead || !l->up || !l->who_ns || now < l->who_ns)
        return;
    l->who_ns = now + p->lost_ns / 2;
    hone_workers__pool_say_who(p, l, &l->link.other, NULL, "a coordinator is here");
}

/* A flood is taken in parts, so that it fills no memory. libzmq takes from peers in turns: who has
 * said anything at all is heard in each. */
static void serve_messages(hone_pool *p, hone_workers__pool_link *l)
{
    hone_workers__incoming in;
    uint32_t most = AT_ONCE + p->peers.n;
    while (most-- > 0 && hone_workers__link_receive(&l->link, &in)) {
        hone_workers__pool_message(p, l, &in);
        zmq_msg_close(&in.payload);
    }
}

static void judge_deadlines(hone_pool *p, int64_t now)
{
    for (uint32_t i = 0; i < p->peers.n;) {
        hone_workers__peer *peer = p->peers.v[i];
        if (now - peer->seen_ns > p->lost_ns)
            hone_workers__pool_lose(p, peer, "it is silent");
        else
            i++;
    }
    for (uint32_t i = 0; i < p->running.n; i++) {
        hone_workers__job *j = p->running.v[i];
        hone_workers__peer *peer = j->peer;
        if (now < j->deadline_ns)
            continue;
        hone_workers__job_fail(p, j, HONE_E_TIMEOUT, "worker %s kept the job past its deadline",
                               peer->name);
        hone_workers__pool_lose(p, peer, "it kept a job past its deadline");
        i = UINT32_MAX; /* the list has changed: from the start */
    }
}

/* The role of a job that waits, that this peer could take and does not: it grants no credit and has
 * nothing of this role in hand. Or -1. */
static int left_lying(const hone_pool *p, const hone_workers__peer *peer)
{
    bool idle[HONE_WORKERS__ROLES], any = false;
    for (unsigned r = 0; r < HONE_WORKERS__ROLES; r++) {
        idle[r] = peer->credit[r] == 0 && peer->busy[r] == 0;
        any = any || (idle[r] && (peer->roles & hone_workers__role_bit[r]));
    }
    for (uint32_t i = 0; any && i < p->waiting.n; i++) {
        const hone_workers__job *j = p->waiting.v[i];
        if (idle[j->role] && hone_workers__job_suits(p, j, peer))
            return (int)j->role;
    }
    return -1;
}

static int64_t busy_ns(const hone_pool *p)
{
    return p->lost_ns / 2;
}

/* Somebody should know of a worker that lives and lets jobs lie. */
static void judge_idleness(hone_pool *p, int64_t now)
{
    for (uint32_t i = 0; i < p->peers.n; i++) {
        hone_workers__peer *peer = p->peers.v[i];
        int role = left_lying(p, peer);
        if (role < 0) {
            peer->idle_ns = peer->idle_told_ns = 0;
            continue;
        }
        if (!peer->idle_ns)
            peer->idle_ns = now;
        if (now - peer->idle_ns < busy_ns(p) ||
            (peer->idle_told_ns && now - peer->idle_told_ns < BUSY_AGAIN_MS * MS))
            continue;
        peer->idle_told_ns = now;
        hone_pool_event *e = hone_workers__pool_event(p, HONE_POOL_PEER_BUSY);
        snprintf(e->device, sizeof e->device, "%s", peer->name);
        snprintf(e->text, sizeof e->text,
                 "worker %s is there, and has taken nothing to %s for %.0f s", peer->name,
                 role ? "measure" : "build", (double)(now - peer->idle_ns) / 1e9);
        hone_log(HONE_LOG_WARN, "%s", e->text);
    }
}

static int64_t next_timer(const hone_pool *p)
{
    int64_t until = INT64_MAX;
    for (uint32_t i = 0; i < p->peers.n; i++)
        if (p->peers.v[i]->seen_ns + p->lost_ns < until)
            until = p->peers.v[i]->seen_ns + p->lost_ns;
    for (uint32_t i = 0; i < p->peers.n; i++)
        if (p->peers.v[i]->idle_ns && !p->peers.v[i]->idle_told_ns &&
            p->peers.v[i]->idle_ns + busy_ns(p) < until)
            until = p->peers.v[i]->idle_ns + busy_ns(p);
    for (uint32_t i = 0; i < p->running.n; i++)
        if (p->running.v[i]->deadline_ns < until)
            until = p->running.v[i]->deadline_ns;
    for (uint32_t i = 0; i < p->links.n; i++) {
        const hone_workers__pool_link *l = p->links.v[i];
        if (l->up && !l->dead && l->who_ns && l->who_ns < until)
            until = l->who_ns;
    }
    return until;
}

static void turn(hone_pool *p)
{
    serve_zap(p);
    /* Messages first, so that what a peer said before its connection ended still counts. */
    for (uint32_t i = 0; i < p->links.n; i++)
        serve_messages(p, p->links.v[i]);
    for (uint32_t i = 0; i < p->links.n; i++)
        serve_changes(p, p->links.v[i]);
    int64_t now = hone_clock_ns();
    for (uint32_t i = 0; i < p->links.n; i++)
        ask_who(p, p->links.v[i], now);
    bool judge = now >= p->judge_ns;
    if (judge)
        judge_deadlines(p, now);
    hone_workers__pool_assign(p);
    p->timer_ns = p->judge_ns; /* what has come since is looked at then */
    if (!judge)
        return;
    judge_idleness(p, now);
    p->judge_ns = now + JUDGE_MS * MS;
    p->timer_ns = next_timer(p);
}

static bool take_event(hone_pool *p, hone_pool_event *ret)
{
    if (p->first == p->events.n)
        return false;
    hone_pool_event *e = p->events.v[p->first++];
    *ret = *e;
    free(e);
    if (p->first == p->events.n)
        p->first = p->events.n = 0;
    return true;
}

/* Sleeps until something happens. False when a signal came. */
static bool wait(hone_pool *p, int64_t until)
{
    p->items.n = 0;
    if (p->zap.sock)
        hone_vec_push(&p->items, (zmq_pollitem_t){p->zap.sock, 0, ZMQ_POLLIN, 0});
    for (uint32_t i = 0; i < p->links.n; i++) {
        zmq_pollitem_t of[HONE_WORKERS__LINK_ITEMS];
        int n = hone_workers__link_items(&p->links.v[i]->link, of);
        for (int k = 0; k < n; k++)
            hone_vec_push(&p->items, of[k]);
    }
    int64_t at = p->timer_ns > p->judge_ns ? p->timer_ns : p->judge_ns;
    int64_t left = (at < until ? at : until) - hone_clock_ns();
    long ms = left > 0 ? (long)((left + MS - 1) / MS) : 0;
    return zmq_poll(p->items.v, (int)p->items.n, ms) >= 0 || zmq_errno() != EINTR;
}

void hone_pool_next(hone_pool *p, int timeout_ms, hone_pool_event *ret)
{
    int64_t until = hone_clock_ns() + (timeout_ms > 0 ? timeout_ms : 0) * MS;
    memset(ret, 0, sizeof *ret);
    do {
        if (take_event(p, ret))
            return;
        turn(p);
        if (take_event(p, ret))
            return;
    } while (hone_clock_ns() < until && wait(p, until));
}

void hone_pool_free(hone_pool *p)
{
    if (!p)
        return;
    while (p->peers.n > 0) {
        hone_workers__peer *peer = p->peers.v[p->peers.n - 1];
        hone_wire m = {.type = HONE_WIRE_GOODBYE, .goodbye = {"the coordinator is done"}};
        if (hone_workers__pool_tell(p, peer, &m)) {
            hone_workers__peer_free(peer);
            p->peers.n--;
        }
    }
    for (uint32_t i = 0; i < p->links.n; i++) {
        hone_workers__link_close(&p->links.v[i]->link, GOODBYE_LINGER_MS);
        free(p->links.v[i]);
    }
    hone_workers__zap_close(&p->zap);
    if (p->zmq)
        zmq_ctx_term(p->zmq);
    for (uint32_t i = 0; i < p->waiting.n; i++)
        hone_workers__job_free(p, p->waiting.v[i]);
    for (uint32_t i = 0; i < p->running.n; i++)
        hone_workers__job_free(p, p->running.v[i]);
    for (; p->first < p->events.n; p->first++) {
        hone_artifact_free(&p->events.v[p->first]->artifact);
        hone_buf_free(&p->events.v[p->first]->said);
        free(p->events.v[p->first]);
    }
    hone_workers__identity_free(&p->identity);
    hone_vec_free(&p->matches->v);
    free(p->matches);
    free(p->in);
    free(p->say);
    hone_vec_free(&p->links);
    hone_vec_free(&p->peers);
    hone_vec_free(&p->waiting);
    hone_vec_free(&p->running);
    hone_vec_free(&p->owed);
    hone_map_free(&p->by_session);
    hone_map_free(&p->by_number);
    hone_map_free(&p->by_ticket);
    hone_map_free(&p->blobs);
    hone_workers__machine_free(&p->read);
    free(p->read_text);
    hone_vec_free(&p->events);
    hone_vec_free(&p->items);
    hone_buf_free(&p->out);
    free(p);
}
