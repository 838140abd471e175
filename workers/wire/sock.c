/* Sockets: endpoints, options, CURVE. Both the coordinator's pool and the worker use them, so the
 * rules of who may talk to whom are here and nowhere else:
 *   ipc   no keys; both ends are processes of one user, and the kernel says so
 *   tcp   keys always; loopback also without when both sides were told so (any user of this
 *         machine can connect there)
 * The binding side is the CURVE server and asks the ZAP handler (zap.c) about every connection.
 * How the other one connects is in connect.c, what happens to connections in monitor.c. */
#include "workers/wire/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Draft in zmq.h, stable in the library: without it a context that has no ZAP handler lets in
 * everybody who knows the server's public key. */
#define ZAP_ENFORCE_DOMAIN 93

#define HANDSHAKE_MS 10000
/* Messages that wait for a peer that does not take them, until it is given up: results that it
 * keeps are acknowledged all at once, and answers may be long. */
#define MOST_UNSENT 256

/* ---- small things --------------------------------------------------------------------------- */

void hone_workers__random(void *ret, size_t n)
{
    HONE_ASSERT(getrandom(ret, n, 0) == (ssize_t)n);
}

void hone_workers__printable(char *ret, size_t n, const char *text)
{
    size_t i = 0;
    for (; text[i] && i + 1 < n; i++) {
        unsigned char c = (unsigned char)text[i];
        ret[i] = c < ' ' || c == 127 ? '?' : text[i];
    }
    ret[i] = '\0';
}

/* ---- endpoints ------------------------------------------------------------------------------ */

static bool loopback(const char *host)
{
    struct in_addr a4;
    struct in6_addr a6;
    if (inet_pton(AF_INET, host, &a4) == 1)
        return (ntohl(a4.s_addr) >> 24) == 127;
    if (inet_pton(AF_INET6, host, &a6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&a6);
    return strcmp(host, "localhost") == 0;
}

hone_status hone_workers__endpoint_parse(const char *text, hone_workers__endpoint *ret,
                                         hone_error *err)
{
    memset(ret, 0, sizeof *ret);
    if (strlen(text) >= sizeof ret->uri)
        return hone_fail(err, HONE_E_INPUT, "the endpoint is too long");
    snprintf(ret->uri, sizeof ret->uri, "%s", text);
    if (strncmp(text, "ipc://", 6) == 0) {
        if (strlen(text + 6) == 0 || strlen(text + 6) > 100)
            return hone_fail(err, HONE_E_INPUT, "'%s': the path needs 1 to 100 characters", text);
        ret->ipc = ret->local = true;
        return HONE_OK;
    }
    if (strncmp(text, "tcp://", 6) != 0)
        return hone_fail(err, HONE_E_INPUT,
                         "'%s' is not an endpoint; write tcp://host:port or ipc://path", text);
    const char *host = text + 6, *colon = strrchr(host, ':');
    size_t n = colon ? (size_t)(colon - host) : 0;
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : 0;
    bool wildcard = colon && strcmp(colon + 1, "*") == 0;
    if (n == 0 || (!wildcard && (end == colon + 1 || *end || port < 1 || port > 65535)))
        return hone_fail(err, HONE_E_INPUT,
                         "'%s': write tcp://host:port with a port from 1 to 65535", text);
    if (*host == '[' && host[n - 1] == ']') {
        ret->ipv6 = true;
        host++;
        n -= 2;
    }
    memcpy(ret->host, host, n);
    ret->host[n] = '\0';
    ret->local = loopback(ret->host);
    return HONE_OK;
}

hone_status hone_workers__identity_read(const char *key_file, const char *allow_file,
                                        hone_workers__identity *ret, hone_error *err)
{
    memset(ret, 0, sizeof *ret);
    if (!key_file && !allow_file)
        return HONE_OK;
    if (!key_file || !allow_file)
        return hone_fail(err, HONE_E_INPUT,
                         "a key file and an allow file are used together: %s is missing",
                         key_file ? "--allow" : "--key");
    hone_status s = hone_allow_read(allow_file, &ret->allow, err);
    if (s == HONE_OK)
        s = hone_keys_read(key_file, &ret->keys, err);
    ret->have = s == HONE_OK;
    if (s != HONE_OK)
        hone_workers__identity_free(ret);
    return s;
}

void hone_workers__identity_free(hone_workers__identity *id)
{
    hone_keys_forget(&id->keys);
    hone_allow_free(&id->allow);
    id->have = false;
}

/* ---- links ---------------------------------------------------------------------------------- */

static bool set_int(void *sock, int option, int value)
{
    return zmq_setsockopt(sock, option, &value, sizeof value) == 0;
}

static bool set_common(const hone_workers__link *l)
{
    int64_t max = HONE_WIRE_MESSAGE_MAX;
    bool ok = zmq_setsockopt(l->sock, ZMQ_MAXMSGSIZE, &max, sizeof max) == 0 &&
              set_int(l->sock, ZMQ_LINGER, 0) && set_int(l->sock, ZMQ_RECONNECT_IVL, 200) &&
              set_int(l->sock, ZMQ_RECONNECT_IVL_MAX, l->endpoint.local ? 400 : 10000) &&
              set_int(l->sock, ZMQ_BACKLOG, 1024);
    if (l->router)
        ok = ok && set_int(l->sock, ZMQ_ROUTER_MANDATORY, 1) &&
             set_int(l->sock, ZMQ_SNDHWM, MOST_UNSENT);
    if (l->endpoint.ipc && l->bound) /* libzmq asks the kernel who connects */
        ok = ok && set_int(l->sock, ZMQ_IPC_FILTER_UID, (int)geteuid());
    if (!l->endpoint.ipc) /* only to clean up dead connections; liveness is the protocol's */
        ok = ok && set_int(l->sock, ZMQ_HEARTBEAT_IVL, 5000) &&
             set_int(l->sock, ZMQ_HEARTBEAT_TIMEOUT, 30000) &&
             set_int(l->sock, ZMQ_HEARTBEAT_TTL, 30000) && set_int(l->sock, ZMQ_TCP_MAXRT, 15000) &&
             set_int(l->sock, ZMQ_IPV6, l->endpoint.ipv6) &&
             set_int(l->sock, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    return ok;
}

static bool set_curve(const hone_workers__link *l, const hone_workers__identity *id,
                      const hone_allowed *server)
{
    bool ok = zmq_setsockopt(l->sock, ZMQ_CURVE_SECRETKEY, id->keys.secret_key, HONE_KEY_TEXT) == 0;
    if (l->bound)
        return ok && set_int(l->sock, ZMQ_CURVE_SERVER, 1) &&
               zmq_setsockopt(l->sock, ZMQ_ZAP_DOMAIN, "hone", 4) == 0 &&
               set_int(l->sock, ZAP_ENFORCE_DOMAIN, 1);
    return ok &&
           zmq_setsockopt(l->sock, ZMQ_CURVE_PUBLICKEY, id->keys.public_key, HONE_KEY_TEXT) == 0 &&
           zmq_setsockopt(l->sock, ZMQ_CURVE_SERVERKEY, server->key, HONE_KEY_TEXT) == 0;
}

/* The port that a wildcard became, too. */
static int port_of(void *sock)
{
    char at[256];
    size_t n = sizeof at;
    const char *colon =
        zmq_getsockopt(sock, ZMQ_LAST_ENDPOINT, at, &n) == 0 ? strrchr(at, ':') : NULL;
    return colon ? (int)strtol(colon + 1, NULL, 10) : 0;
}

static hone_status listen_at(hone_workers__link *l, hone_error *err)
{
    const char *uri = l->endpoint.uri;
    int there = l->endpoint.ipc ? hone_workers__ipc_connect(&l->endpoint) : -1;
    if (there >= 0) { /* libzmq would take its path away */
        close(there);
        return hone_fail(err, HONE_E_BUSY, "cannot listen at %s: somebody else does", uri);
    }
    mode_t before = umask(0077); /* the file of an ipc socket */
    int rc = zmq_bind(l->sock, uri);
    umask(before);
    if (rc == 0) {
        l->port = l->endpoint.ipc ? 0 : port_of(l->sock);
        return HONE_OK;
    }
    int sys = zmq_errno();
    hone_status s = sys == EADDRINUSE ? HONE_E_BUSY : sys == EINVAL ? HONE_E_INPUT : HONE_E_IO;
    hone_fail(err, s, "cannot listen at %s: %s", uri, zmq_strerror(sys));
    if (err)
        err->sys = sys;
    return s;
}

hone_status hone_workers__link_open(void *zmq, const hone_workers__endpoint *e, bool bind,
                                    bool router, const hone_workers__identity *id,
                                    hone_workers__link *ret, hone_error *err)
{
    *ret =
        (hone_workers__link){.endpoint = *e, .bound = bind, .router = router, .look_ns = INT64_MAX};
    if (!e->ipc && !id->have && !(e->local && id->insecure_loopback))
        return hone_fail(err, HONE_E_INPUT,
                         "%s is reached over %s, so keys are needed: make one on each side with "
                         "`hone keygen FILE`, put the other side's .pub line into an allow file, "
                         "and give both with --key and --allow%s",
                         e->uri, e->local ? "tcp" : "the network",
                         e->local ? "; or use ipc, or --insecure-loopback on both sides" : "");
    ret->curve = id->have && !e->ipc;
    const hone_allowed *server = NULL;
    if (ret->curve && !bind && !(server = hone_allow_server(&id->allow, e->host)))
        return hone_fail(err, HONE_E_INPUT,
                         "the allow file lists several keys and none is named '%s'; name the key "
                         "of the side at %s so",
                         e->host, e->uri);
    ret->sock = zmq_socket(zmq, router ? ZMQ_ROUTER : ZMQ_DEALER);
    if (!ret->sock)
        return hone_fail(err, HONE_E_IO, "cannot make a socket: %s", zmq_strerror(zmq_errno()));
    hone_status s = HONE_OK;
    if (!set_common(ret) || (ret->curve && !set_curve(ret, id, server)) ||
        !hone_workers__monitor_open(zmq, ret))
        s = hone_fail(err, HONE_E_IO, "cannot set up the socket for %s: %s", e->uri,
                      zmq_strerror(zmq_errno()));
    if (s == HONE_OK)
        s = bind ? listen_at(ret, err) : hone_workers__link_connect(ret, err);
    if (s != HONE_OK)
        hone_workers__link_close(ret, 0);
    return s;
}

void hone_workers__link_close(hone_workers__link *l, int linger_ms)
{
    if (l->monitor) {
        zmq_socket_monitor(l->sock, NULL, 0);
        zmq_close(l->monitor);
    }
    if (l->sock) {
        set_int(l->sock, ZMQ_LINGER, linger_ms);
        zmq_close(l->sock);
    }
    hone_workers__lookup_leave(l->lookup);
    l->lookup = NULL;
    l->sock = l->monitor = NULL;
    hone_vec_free(&l->strangers);
}

int hone_workers__link_items(const hone_workers__link *l,
                             zmq_pollitem_t ret[HONE_WORKERS__LINK_ITEMS])
{
    int n = 0, fd = l->lookup ? hone_workers__lookup_fd(l->lookup) : -1;
    ret[n++] = (zmq_pollitem_t){l->sock, 0, ZMQ_POLLIN, 0};
    ret[n++] = (zmq_pollitem_t){l->monitor, 0, ZMQ_POLLIN, 0};
    if (fd >= 0)
        ret[n++] = (zmq_pollitem_t){NULL, fd, ZMQ_POLLIN, 0};
    return n;
}

int hone_workers__link_send(hone_workers__link *l, const hone_workers__route *to,
                            const hone_buf *message)
{
    /* A ROUTER reports an unknown or full peer at the first frame, so no half message is sent. */
    if (l->router && zmq_send(l->sock, to->id, to->n, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return zmq_errno();
    while (zmq_send(l->sock, message->s, message->n, ZMQ_DONTWAIT) < 0)
        if (zmq_errno() != EINTR)
            return zmq_errno();
    return 0;
}

bool hone_workers__link_receive(hone_workers__link *l, hone_workers__incoming *ret)
{
    *ret = (hone_workers__incoming){.fd = -1};
    if (l->router) {
        int n = zmq_recv(l->sock, ret->from.id, sizeof ret->from.id, ZMQ_DONTWAIT);
        if (n < 0)
            return false;
        ret->from.n = (uint8_t)n;
    }
    zmq_msg_init(&ret->payload);
    if (zmq_msg_recv(&ret->payload, l->sock, ZMQ_DONTWAIT) < 0)
        return false;
    /* From the payload: the routing id frame of libzmq 4.3.4 has no metadata. */
    const char *key = zmq_msg_gets(&ret->payload, "User-Id");
    if (key && strlen(key) < sizeof ret->key)
        memcpy(ret->key, key, strlen(key) + 1);
    ret->fd = zmq_msg_get(&ret->payload, ZMQ_SRCFD);
    ret->trust = hone_workers__link_heard(l, ret->fd);
    for (bool more = zmq_msg_more(&ret->payload); more;) { /* a message of ours is one frame */
        zmq_msg_t extra;
        zmq_msg_init(&extra);
        more = zmq_msg_recv(&extra, l->sock, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&extra);
        zmq_msg_close(&extra);
    }
    return true;
}
