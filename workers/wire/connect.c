/* The connecting side. libzmq is given addresses only: names it would look up in the thread that
 * all sockets of a context share, again at every attempt, and zmq_ctx_term waits for that thread.
 * A name is looked up again while nobody is reached at what it stood for. */
#include "workers/wire/internal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>

#define MS INT64_C(1000000)
#define REACH_NS (5000 * MS) /* at an address, until the next one is tried */
#define AGAIN_NS (1000 * MS) /* of a name that stands for nothing; twice as long each time */
#define NEVER INT64_MAX      /* as of links that listen, or know the address */

static bool is_address(const hone_workers__endpoint *e)
{
    struct in_addr a4;
    struct in6_addr a6;
    return inet_pton(AF_INET, e->host, &a4) == 1 || inet_pton(AF_INET6, e->host, &a6) == 1;
}

/* % is of an address that holds at one interface. */
static bool is_name(const char *s)
{
    if (!isalnum((unsigned char)*s))
        return false;
    while (isalnum((unsigned char)*s) || (*s && strchr("-._%:", *s)))
        s++;
    return *s == '\0';
}

static const char *port_of(const hone_workers__endpoint *e)
{
    return strrchr(e->uri, ':') + 1;
}

/* ROUTERs call the other end by a name that they give themselves, and no two by the same. */
static bool name_other(hone_workers__link *l)
{
    char name[32];
    if (!l->router)
        return true;
    int n = snprintf(name, sizeof name, "hone%u", l->n_connects++);
    l->other.n = (uint8_t)n;
    memcpy(l->other.id, name, (size_t)n);
    return zmq_setsockopt(l->sock, ZMQ_CONNECT_ROUTING_ID, name, (size_t)n) == 0;
}

static bool connect_at(hone_workers__link *l, const char *uri)
{
    l->at[0] = '\0';
    if (!name_other(l) || zmq_connect(l->sock, uri) != 0)
        return false;
    snprintf(l->at, sizeof l->at, "%s", uri);
    return true;
}

static void leave(hone_workers__link *l)
{
    if (l->at[0])
        zmq_disconnect(l->sock, l->at);
    l->at[0] = '\0';
}

static void look_up(hone_workers__link *l)
{
    l->lookup = hone_workers__lookup_start(l->endpoint.host, l->endpoint.ipv6);
}

hone_status hone_workers__link_connect(hone_workers__link *l, hone_error *err)
{
    const hone_workers__endpoint *e = &l->endpoint;
    if (e->ipc || is_address(e)) {
        if (connect_at(l, e->uri))
            return HONE_OK;
        int sys = zmq_errno();
        hone_fail(err, sys == EINVAL ? HONE_E_INPUT : HONE_E_IO, "cannot connect to %s: %s", e->uri,
                  zmq_strerror(sys));
        if (err)
            err->sys = sys;
        return sys == EINVAL ? HONE_E_INPUT : HONE_E_IO;
    }
    if (!is_name(e->host) || !isdigit((unsigned char)*port_of(e)))
        return hone_fail(err, HONE_E_INPUT,
                         "cannot connect to %s: write tcp://host:port with a host's name or "
                         "address and its port",
                         e->uri);
    l->look_ns = 0;
    look_up(l);
    return HONE_OK;
}

static bool uri_of(const hone_workers__link *l, unsigned k, char *ret, size_t n)
{
    const char *a = hone_workers__lookup_address(l->lookup, k);
    if (!a)
        return false;
    bool brackets = strchr(a, ':') != NULL;
    snprintf(ret, n, "tcp://%s%s%s:%s", brackets ? "[" : "", a, brackets ? "]" : "",
             port_of(&l->endpoint));
    return true;
}

/* The address behind the one that was tried last; the first, if that is none of them. */
static void go_on(hone_workers__link *l)
{
    char uri[sizeof l->at];
    unsigned next = 0;
    for (unsigned k = 0; uri_of(l, k, uri, sizeof uri); k++)
        if (strcmp(uri, l->at) == 0)
            next = k + 1;
    if (!uri_of(l, next, uri, sizeof uri))
        uri_of(l, 0, uri, sizeof uri);
    if (strcmp(uri, l->at) == 0)
        return; /* libzmq tries it again and again */
    leave(l);
    int ipv6 = strchr(uri, '[') != NULL;
    if (zmq_setsockopt(l->sock, ZMQ_IPV6, &ipv6, sizeof ipv6) != 0 || !connect_at(l, uri))
        hone_log(HONE_LOG_WARN, "cannot connect to %s, which %s is: %s", uri, l->endpoint.host,
                 zmq_strerror(zmq_errno()));
}

void hone_workers__link_tend(hone_workers__link *l)
{
    int64_t now = hone_clock_ns();
    if (l->lookup && hone_workers__lookup_over(l->lookup, &l->unknown)) {
        int64_t wait = REACH_NS;
        if (l->unknown == 0 && !l->up)
            go_on(l);
        if (l->unknown != 0) {
            l->again_ns = l->again_ns ? 2 * l->again_ns : AGAIN_NS;
            l->again_ns = l->again_ns < REACH_NS ? l->again_ns : REACH_NS;
            wait = l->again_ns;
        }
        hone_workers__lookup_leave(l->lookup);
        l->lookup = NULL;
        l->look_ns = now + wait;
    } else if (!l->lookup && !l->up && now >= l->look_ns) {
        look_up(l);
    }
}

void hone_workers__link_is_up(hone_workers__link *l, bool up)
{
    l->up = up;
    if (!up && l->look_ns != NEVER)
        l->look_ns = hone_clock_ns() + REACH_NS;
}

const char *hone_workers__link_unknown(const hone_workers__link *l)
{
    if (l->unknown != 0)
        return gai_strerror(l->unknown);
    return l->lookup && !l->at[0] ? "those who know names do not answer" : NULL;
}

void hone_workers__link_give_up(hone_workers__link *l)
{
    leave(l);
    hone_workers__lookup_leave(l->lookup);
    l->lookup = NULL;
    l->look_ns = NEVER;
}
