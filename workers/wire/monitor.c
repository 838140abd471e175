/* What happens to the connections of a link: made, ended, denied; whose they are; and what
 * strangers may take of this process, which is a bounded number of connections and of lines in the
 * log. */
#include "workers/wire/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static bool set_int(void *sock, int option, int value)
{
    return zmq_setsockopt(sock, option, &value, sizeof value) == 0;
}

bool hone_workers__monitor_open(void *zmq, hone_workers__link *l)
{
    static _Atomic unsigned count;
    char name[48];
    snprintf(name, sizeof name, "inproc://hone-monitor-%u", count++);
    l->strangers_max = hone_workers__strangers_max();
    int events = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_CONNECTED | ZMQ_EVENT_DISCONNECTED |
                 ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    if (zmq_socket_monitor(l->sock, name, events) != 0)
        return false;
    l->monitor = zmq_socket(zmq, ZMQ_PAIR);
    return l->monitor && set_int(l->monitor, ZMQ_RCVHWM, 0) && set_int(l->monitor, ZMQ_LINGER, 0) &&
           zmq_connect(l->monitor, name) == 0;
}

/* ---- strangers ------------------------------------------------------------------------------ */

/* Is this descriptor a connection that came in at the port of this link? It may have been closed,
 * and its number given to something else, since the event about it was written. */
static bool came_in_here(const hone_workers__link *l, int fd)
{
    struct sockaddr_storage here = {0}, there;
    socklen_t n = sizeof here, m = sizeof there;
    if (getsockname(fd, (struct sockaddr *)&here, &n) != 0 ||
        getpeername(fd, (struct sockaddr *)&there, &m) != 0)
        return false;
    if (here.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&here)->sin_port) == l->port;
    return here.ss_family == AF_INET6 &&
           ntohs(((struct sockaddr_in6 *)&here)->sin6_port) == l->port;
}

static void forget_stranger(hone_workers__link *l, int fd)
{
    for (uint32_t i = 0; i < l->strangers.n; i++) {
        if (l->strangers.v[i] != fd)
            continue;
        l->strangers.n--;
        memmove(&l->strangers.v[i], &l->strangers.v[i + 1],
                (l->strangers.n - i) * sizeof l->strangers.v[0]);
        return;
    }
}

/* The oldest go first: whoever means well has said something by then. */
static void add_stranger(hone_workers__link *l, int fd)
{
    if (!l->port)
        return;
    forget_stranger(l, fd);
    hone_vec_push(&l->strangers, fd);
    while (l->strangers.n > l->strangers_max) {
        int oldest = l->strangers.v[0];
        forget_stranger(l, oldest);
        if (came_in_here(l, oldest))
            shutdown(oldest, SHUT_RDWR); /* libzmq sees the end and closes it */
    }
}

/* ---- whose an ipc connection is ------------------------------------------------------------- */

static hone_workers__trust trust_of(int fd, uid_t *ret)
{
    struct ucred c;
    socklen_t n = sizeof c;
    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n) != 0 || c.uid == (uid_t)-1)
        return HONE_WORKERS__TRUST_UNKNOWN;
    *ret = c.uid;
    return c.uid == geteuid() ? HONE_WORKERS__TRUST_YES : HONE_WORKERS__TRUST_NO;
}

int hone_workers__ipc_connect(const hone_workers__endpoint *e)
{
    const char *path = e->uri + strlen("ipc://");
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n >= sizeof a.sun_path)
        return -1;
    memcpy(a.sun_path, path, n + 1);
    if (path[0] == '@') /* without a file */
        a.sun_path[0] = '\0';
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (path[0] != '@'));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, len) == 0 || errno == EAGAIN) /* its queue */
        return fd;
    close(fd);
    return -1;
}

/* A connection that the other user's side ends at once tells nothing of it any more: one more is
 * made, to ask. */
static hone_workers__trust trust_of_listener(const hone_workers__link *l, uid_t *ret)
{
    int fd = l->endpoint.ipc ? hone_workers__ipc_connect(&l->endpoint) : -1;
    if (fd < 0)
        return HONE_WORKERS__TRUST_UNKNOWN;
    hone_workers__trust trust = trust_of(fd, ret);
    close(fd);
    return trust;
}

hone_workers__trust hone_workers__link_heard(hone_workers__link *l, int fd)
{
    uid_t uid;
    forget_stranger(l, fd);
    /* Who comes in by ipc was looked at by libzmq. */
    return l->endpoint.ipc && !l->bound ? trust_of(fd, &uid) : HONE_WORKERS__TRUST_YES;
}

/* ---- events --------------------------------------------------------------------------------- */

static void note_address(hone_workers__link *l, int fd)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    if (getpeername(fd, (struct sockaddr *)&a, &n) != 0)
        return;
    if (a.ss_family == AF_INET)
        inet_ntop(AF_INET, &((struct sockaddr_in *)&a)->sin_addr, l->last_from,
                  sizeof l->last_from);
    else if (a.ss_family == AF_INET6)
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&a)->sin6_addr, l->last_from,
                  sizeof l->last_from);
}

static void explain_protocol(const hone_workers__link *l, unsigned value, char *ret, size_t n)
{
    static const char *const mismatch[2][2] = {
        {"the side at %s asks for keys: give --key and --allow",
         "a side that uses keys tried to connect to %s, where this side has none"},
        {"the side at %s works without keys, and this side insists on them",
         "a side without keys tried to connect to %s"},
    };
    const char *at = l->endpoint.uri;
    if (value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
        snprintf(ret, n, mismatch[l->curve][l->bound], at);
    else if (value == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC)
        snprintf(ret, n,
                 "the keys do not fit at %s: the connecting side must list the public key "
                 "of the listening side",
                 at);
    else
        snprintf(ret, n, "the other side at %s broke the ZeroMQ protocol (code %#x)", at, value);
}

/* Adds the address; false when the same was told lately, or too much altogether. */
static bool tell_denied(hone_workers__link *l, char *text, size_t n)
{
    if (!l->bound)
        return true;
    size_t m = strlen(text);
    if (*l->last_from)
        snprintf(text + m, n - m, " (latest connection from %s)", l->last_from);
    return hone_workers__denials_tell(&l->denials, text, n);
}

static hone_workers__change deny_other_user(const hone_workers__link *l, uid_t uid, char *ret_text,
                                            size_t n)
{
    snprintf(ret_text, n, "the socket at %s belongs to another user (%u)", l->endpoint.uri,
             (unsigned)uid);
    return HONE_WORKERS__CHANGE_DENIED;
}

hone_workers__change hone_workers__link_change(hone_workers__link *l, int *ret_fd, char *ret_text,
                                               size_t n)
{
    *ret_fd = -1;
    uint8_t raw[6];
    hone_workers__link_tend(l);
    while (zmq_recv(l->monitor, raw, sizeof raw, ZMQ_DONTWAIT) == (int)sizeof raw) {
        char address[256];
        int k = zmq_recv(l->monitor, address, sizeof address - 1, ZMQ_DONTWAIT);
        if (k < 0)
            return HONE_WORKERS__CHANGE_NONE;
        uint16_t event;
        uint32_t value;
        uid_t uid;
        memcpy(&event, raw, sizeof event);
        memcpy(&value, raw + 2, sizeof value);
        switch (event) {
        case ZMQ_EVENT_ACCEPTED:
            note_address(l, (int)value);
            add_stranger(l, (int)value);
            break;
        case ZMQ_EVENT_CONNECTED:
            if (!l->endpoint.ipc || trust_of((int)value, &uid) != HONE_WORKERS__TRUST_NO)
                break;
            return deny_other_user(l, uid, ret_text, n);
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
            hone_workers__link_is_up(l, true);
            return HONE_WORKERS__CHANGE_UP;
        case ZMQ_EVENT_DISCONNECTED:
            *ret_fd = (int)value;
            forget_stranger(l, *ret_fd);
            hone_workers__link_is_up(l, false);
            return HONE_WORKERS__CHANGE_DOWN;
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
            if (l->bound) /* reported by the ZAP handler, which knows the key */
                break;
            snprintf(ret_text, n, "%s does not list this side's public key in its allow file",
                     l->endpoint.uri);
            return HONE_WORKERS__CHANGE_DENIED;
        case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
            explain_protocol(l, value, ret_text, n);
            if (!tell_denied(l, ret_text, n))
                break;
            return HONE_WORKERS__CHANGE_DENIED;
        case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            if (!l->bound && trust_of_listener(l, &uid) == HONE_WORKERS__TRUST_NO)
                return deny_other_user(l, uid, ret_text, n);
            if (!l->bound || !l->curve)
                return HONE_WORKERS__CHANGE_BROKEN;
            /* When keys are missing, either side may be the first to see it and hang up. */
            snprintf(ret_text, n,
                     "a connection to %s broke off in its handshake: a side without "
                     "keys, with wrong ones, or not hone at all",
                     l->endpoint.uri);
            if (!tell_denied(l, ret_text, n))
                break;
            return HONE_WORKERS__CHANGE_DENIED;
        default:
            break;
        }
    }
    return HONE_WORKERS__CHANGE_NONE;
}
