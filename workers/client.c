/* A client's side of the wire: HELLO, WELCOME, then SAY and TELL. The loop runs only while
 * something is waited for; whoever was away for long is not known any more, is told WHO, and says
 * HELLO and SAY again. What was said by a connection that broke may be lost, and is said again,
 * too.
 */
#include "workers/client.h"
#include "workers/wire/internal.h"

#include <errno.h>
#include <pwd.h>
#include <unistd.h>

#define MS INT64_C(1000000)
#define CONNECT_MS 10000
#define HELLO_AGAIN_MS 1000
#define TURN_MS 100
#define BROKEN_MAX 5
#define LINGER_MS 200
#define SILENT_MS 1000

typedef struct answer {
    hone_buf text;
    bool more;
} answer;

struct hone_client {
    void *zmq;
    hone_workers__identity identity;
    hone_workers__link link;
    uint8_t instance[16], session[16];
    bool up, registered;
    bool asked; /* the request was said by this connection */
    unsigned broken;
    uint64_t seq;
    int64_t hello_ns, said_ns, heard_ns, lost_ns, heartbeat_ns;
    char name[64];
    hone_buf out;

    uint64_t ask;     /* the latest request's number */
    hone_buf request; /* its text */
    bool open;        /* its last answer has not come */
    HONE_VEC(answer) answers;

    bool (*stop)(void *ctx);
    void *stop_ctx;
    hone_status failed; /* for good */
    hone_error error;
};

/* ---- saying --------------------------------------------------------------------------------- */

static void say(hone_client *c, hone_wire *m)
{
    static const hone_workers__route none;
    m->seq = ++c->seq;
    memcpy(m->session, c->session, sizeof m->session);
    hone_buf_reset(&c->out);
    if (hone_wire_encode(m, &c->out, NULL) == HONE_OK)
        hone_workers__link_send(&c->link, &none, &c->out);
    c->said_ns = hone_clock_ns();
}

static void say_hello(hone_client *c)
{
    hone_wire m = {.type = HONE_WIRE_HELLO};
    m.hello = (hone_wire_hello){.proto_min = HONE_WIRE_VERSION,
                                .proto_max = HONE_WIRE_VERSION,
                                .roles = HONE_ROLE_CLIENT,
                                .pid = (uint32_t)getpid(),
                                .boot = "",
                                .name = c->name,
                                .cpu = "",
                                .software = HONE_VERSION,
                                .revision = HONE_WIRE_REVISION};
    memcpy(m.hello.instance, c->instance, sizeof m.hello.instance);
    c->hello_ns = hone_clock_ns();
    say(c, &m);
}

static void say_request(hone_client *c)
{
    hone_wire m = {.type = HONE_WIRE_SAY};
    m.say.ask = c->ask;
    m.say.said = (hone_wire_bytes){(const uint8_t *)c->request.s, (uint32_t)c->request.n};
    c->asked = c->up;
    say(c, &m);
}

/* ---- hearing -------------------------------------------------------------------------------- */

static void fail(hone_client *c, hone_status s, const char *text)
{
    if (c->failed == HONE_OK)
        c->failed = hone_fail(&c->error, s, "%s", text);
}

static void drop_answers(hone_client *c)
{
    for (uint32_t i = 0; i < c->answers.n; i++)
        hone_buf_free(&c->answers.v[i].text);
    c->answers.n = 0;
}

static void on_welcome(hone_client *c, const hone_wire *m)
{
    bool same = c->registered && memcmp(c->session, m->session, sizeof c->session) == 0;
    c->lost_ns = (int64_t)(m->welcome.lost_ms < 100 ? 100 : m->welcome.lost_ms) * MS;
    c->heartbeat_ns = (int64_t)(m->welcome.heartbeat_ms < 20 ? 20 : m->welcome.heartbeat_ms) * MS;
    memcpy(c->session, m->session, sizeof c->session);
    c->registered = true;
    if (c->open && !(same && c->asked))
        say_request(c);
}

static void on_tell(hone_client *c, const hone_wire_tell *t)
{
    if (!c->open || t->ask != c->ask)
        return;
    answer a = {.more = t->more};
    hone_buf_add(&a.text, t->told.p, t->told.n);
    hone_vec_push(&c->answers, a);
    c->open = t->more;
}

static void forget_session(hone_client *c)
{
    c->registered = false;
    memset(c->session, 0, sizeof c->session);
}

static void on_message(hone_client *c, const hone_wire *m)
{
    char text[300], why[256];
    bool mine = c->registered && memcmp(m->session, c->session, sizeof c->session) == 0;
    c->heard_ns = hone_clock_ns();
    switch (m->type) {
    case HONE_WIRE_WELCOME:
        on_welcome(c, m);
        break;
    case HONE_WIRE_WHO:
        if (mine || !c->registered) {
            forget_session(c);
            say_hello(c);
        }
        break;
    case HONE_WIRE_REFUSE:
        hone_workers__printable(why, sizeof why, m->refuse.text);
        snprintf(text, sizeof text, "refused: %s", why);
        fail(c, HONE_E_DENIED, text);
        break;
    case HONE_WIRE_TELL:
        if (mine)
            on_tell(c, &m->tell);
        break;
    case HONE_WIRE_NACK:
        hone_workers__printable(why, sizeof why, m->nack.text);
        snprintf(text, sizeof text, "not understood: %s", why);
        fail(c, HONE_E_PROTOCOL, text);
        break;
    case HONE_WIRE_GOODBYE:
        if (mine)
            forget_session(c);
        break;
    default:
        break;
    }
}

static void take_messages(hone_client *c)
{
    hone_workers__incoming in;
    hone_wire *m = hone_xmalloc(sizeof *m);
    while (hone_workers__link_receive(&c->link, &in)) {
        if (in.trust != HONE_WORKERS__TRUST_NO &&
            hone_wire_decode(zmq_msg_data(&in.payload), zmq_msg_size(&in.payload), m, NULL) ==
                HONE_OK)
            on_message(c, m);
        zmq_msg_close(&in.payload);
    }
    free(m);
}

static void take_changes(hone_client *c)
{
    char text[256];
    int fd;
    for (hone_workers__change x;
         (x = hone_workers__link_change(&c->link, &fd, text, sizeof text));) {
        if (x == HONE_WORKERS__CHANGE_UP) {
            c->up = true;
            c->asked = false;
            c->broken = 0;
            say_hello(c);
        } else if (x == HONE_WORKERS__CHANGE_DOWN) {
            c->up = false;
            if (c->link.endpoint.local)
                forget_session(c);
        } else if (x == HONE_WORKERS__CHANGE_DENIED) {
            fail(c, HONE_E_DENIED, text);
        } else if (++c->broken == BROKEN_MAX) {
            fail(c, HONE_E_DENIED,
                 c->link.curve ? "the service ends every handshake: does it use keys, and is the "
                                 "public key that the allow file has for it the right one?"
                               : "the service ends every handshake: it may ask for keys, to be "
                                 "given with --key and --allow");
        }
    }
}

/* ---- waiting -------------------------------------------------------------------------------- */

static void on_time(hone_client *c)
{
    int64_t now = hone_clock_ns();
    if (!c->up)
        return;
    bool silent = c->registered && now - c->heard_ns > c->lost_ns;
    if ((!c->registered || silent) && now - c->hello_ns > HELLO_AGAIN_MS * MS) {
        say_hello(c);
    } else if (c->registered && now - c->said_ns > c->heartbeat_ns) {
        hone_wire m = {.type = HONE_WIRE_PING, .ping = {(uint64_t)now}};
        say(c, &m);
    }
}

/* One turn; waits until `until` at most. */
static hone_status turn(hone_client *c, int64_t until, hone_error *err)
{
    zmq_pollitem_t items[HONE_WORKERS__LINK_ITEMS];
    int n = hone_workers__link_items(&c->link, items);
    int64_t left = (until - hone_clock_ns() + MS - 1) / MS;
    left = left < 0 ? 0 : left > TURN_MS ? TURN_MS : left;
    if (zmq_poll(items, n, (long)left) < 0 && zmq_errno() != EINTR)
        return hone_fail(err, HONE_E_IO, "cannot poll: %s", zmq_strerror(zmq_errno()));
    take_messages(c);
    take_changes(c);
    on_time(c);
    if (c->stop && c->stop(c->stop_ctx))
        return hone_fail(err, HONE_E_INTERRUPTED, "interrupted");
    if (c->failed != HONE_OK)
        return hone_fail(err, c->failed, "%s: %s", c->link.endpoint.uri, c->error.message);
    return HONE_OK;
}

static int64_t end_of(int64_t timeout_ms)
{
    return timeout_ms > 0 ? hone_clock_ns() + timeout_ms * MS : INT64_MAX;
}

hone_status hone_client_next(hone_client *c, int64_t timeout_ms, hone_buf *ret, bool *ret_more,
                             hone_error *err)
{
    int64_t until = end_of(timeout_ms);
    hone_buf_reset(ret);
    while (c->answers.n == 0) {
        if (!c->open)
            return hone_fail(err, HONE_E_NOTFOUND, "nothing is asked that is still to be answered");
        if (hone_clock_ns() >= until)
            return hone_fail(err, HONE_E_TIMEOUT, "%s: no answer within %.3g s",
                             c->link.endpoint.uri, (double)timeout_ms / 1e3);
        hone_status s = turn(c, until, err);
        if (s != HONE_OK)
            return s;
    }
    answer a = c->answers.v[0];
    memmove(c->answers.v, c->answers.v + 1, --c->answers.n * sizeof *c->answers.v);
    hone_buf_free(ret);
    *ret = a.text;
    if (ret_more)
        *ret_more = a.more;
    return HONE_OK;
}

hone_status hone_client_ask(hone_client *c, const void *request, size_t n, int64_t timeout_ms,
                            hone_buf *ret, bool *ret_more, hone_error *err)
{
    if (n > HONE_MAX_SAY_BYTES)
        return hone_fail(err, HONE_E_LIMIT, "the request has %zu bytes; %d are allowed", n,
                         HONE_MAX_SAY_BYTES);
    drop_answers(c);
    hone_buf_reset(&c->request);
    hone_buf_add(&c->request, request, n);
    c->ask++;
    c->open = true;
    if (c->registered)
        say_request(c);
    return hone_client_next(c, timeout_ms, ret, ret_more, err);
}

/* ---- opening and closing -------------------------------------------------------------------- */

static void name_self(hone_client *c)
{
    const struct passwd *pw = getpwuid(getuid());
    if (pw)
        hone_workers__printable(c->name, sizeof c->name, pw->pw_name);
    else
        snprintf(c->name, sizeof c->name, "uid%ld", (long)getuid());
}

static hone_status await_welcome(hone_client *c, int64_t ms, hone_error *err)
{
    int64_t until = end_of(ms), silent = hone_clock_ns() + SILENT_MS * MS;
    bool told = false;
    while (!c->registered) {
        const char *why = hone_workers__link_unknown(&c->link);
        int64_t now = hone_clock_ns();
        if (now >= silent && c->link.unknown)
            return hone_fail(err, HONE_E_PEER, "%s: there is no host '%s': %s",
                             c->link.endpoint.uri, c->link.endpoint.host, why);
        if (now >= until)
            return hone_fail(err, HONE_E_PEER, "no service answers at %s%s%s", c->link.endpoint.uri,
                             why ? ": " : "", why ? why : "");
        if (now >= silent && !told)
            hone_log(HONE_LOG_WARN, "no service answers yet at %s; waiting %.3g s for it",
                     c->link.endpoint.uri, (double)ms / 1e3);
        told = now >= silent;
        hone_status s = turn(c, until, err);
        if (s != HONE_OK)
            return s;
    }
    return HONE_OK;
}

hone_status hone_client_open(const hone_client_options *o, hone_client **ret, hone_error *err)
{
    const char *service = o->service ? o->service : getenv("HONE_SERVICE");
    hone_workers__endpoint e;
    *ret = NULL;
    if (!service || !*service)
        return hone_fail(err, HONE_E_INPUT,
                         "which service? Give --service ENDPOINT, or set HONE_SERVICE");
    hone_status s = hone_workers__endpoint_parse(service, &e, err);
    if (s != HONE_OK)
        return s;
    hone_client *c = hone_xcalloc(1, sizeof *c);
    c->stop = o->stop;
    c->stop_ctx = o->stop_ctx;
    hone_workers__random(c->instance, sizeof c->instance);
    name_self(c);
    s = hone_workers__identity_read(o->key_file, o->allow_file, &c->identity, err);
    c->identity.insecure_loopback = o->insecure_loopback;
    if (s == HONE_OK && !(c->zmq = zmq_ctx_new()))
        s = hone_fail(err, HONE_E_IO, "cannot start ZeroMQ: %s", zmq_strerror(zmq_errno()));
    if (s == HONE_OK)
        s = hone_workers__link_open(c->zmq, &e, false, false, &c->identity, &c->link, err);
    if (s == HONE_OK)
        s = await_welcome(c, o->connect_ms > 0 ? o->connect_ms : CONNECT_MS, err);
    if (s != HONE_OK) {
        hone_client_close(c);
        return s;
    }
    *ret = c;
    return HONE_OK;
}

void hone_client_close(hone_client *c)
{
    if (!c)
        return;
    if (c->link.sock) {
        if (c->registered && c->up) {
            hone_wire m = {.type = HONE_WIRE_GOODBYE, .goodbye = {"the client is done"}};
            say(c, &m);
        }
        hone_workers__link_close(&c->link, LINGER_MS);
    }
    if (c->zmq)
        zmq_ctx_term(c->zmq);
    hone_workers__identity_free(&c->identity);
    drop_answers(c);
    hone_vec_free(&c->answers);
    hone_buf_free(&c->request);
    hone_buf_free(&c->out);
    free(c);
}
