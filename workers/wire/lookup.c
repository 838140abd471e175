/* What a host's name stands for, asked in a thread of its own: name servers may be silent for
 * longer than anybody waits, and nothing ends getaddrinfo. */
#include "workers/wire/internal.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MOST 8 /* addresses of one host that are tried */

struct hone_workers__lookup {
    _Atomic int holders; /* who asked, and the thread */
    _Atomic bool over;
    int fd; /* readable when it is over; -1: there was none to be had */
    bool ipv6;
    char host[256];
    /* The thread's until it is over. */
    int why; /* as of getaddrinfo */
    unsigned n;
    char found[MOST][HONE_WORKERS__ADDRESS];
};

static void drop(hone_workers__lookup *l)
{
    if (--l->holders > 0)
        return;
    if (l->fd >= 0)
        close(l->fd);
    free(l);
}

/* By IPv4 where it has such an address: what listens at a name without brackets does so. */
static void take(hone_workers__lookup *l, const struct addrinfo *all)
{
    const int families[] = {l->ipv6 ? AF_INET6 : AF_INET, AF_INET6};
    for (size_t k = 0; k < HONE_LEN(families) && l->n == 0; k++)
        for (const struct addrinfo *a = all; a && l->n < MOST; a = a->ai_next)
            if (a->ai_family == families[k] &&
                getnameinfo(a->ai_addr, a->ai_addrlen, l->found[l->n], HONE_WORKERS__ADDRESS, NULL,
                            0, NI_NUMERICHOST) == 0)
                l->n++;
}

static void *ask(void *ctx)
{
    hone_workers__lookup *l = ctx;
    struct addrinfo *all = NULL, wanted = {.ai_socktype = SOCK_STREAM};
    if (l->ipv6) {
        wanted.ai_family = AF_INET6;
        wanted.ai_flags = AI_V4MAPPED;
    }
    l->why = getaddrinfo(l->host, NULL, &wanted, &all);
    if (l->why == 0) {
        take(l, all);
        freeaddrinfo(all);
        l->why = l->n ? 0 : EAI_NONAME;
    }
    l->over = true;
    if (l->fd >= 0)
        eventfd_write(l->fd, 1);
    drop(l);
    return NULL;
}

hone_workers__lookup *hone_workers__lookup_start(const char *host, bool ipv6)
{
    hone_workers__lookup *l = hone_xcalloc(1, sizeof *l);
    sigset_t all, before;
    pthread_t thread;
    l->holders = 2;
    l->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->ipv6 = ipv6;
    snprintf(l->host, sizeof l->host, "%s", host);
    sigfillset(&all); /* signals are for those who wait for them */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, ask, l) == 0) {
        pthread_detach(thread);
    } else {
        l->why = EAI_AGAIN;
        l->over = true;
        drop(l);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return l;
}

int hone_workers__lookup_fd(const hone_workers__lookup *l)
{
    return l->fd;
}

bool hone_workers__lookup_over(const hone_workers__lookup *l, int *ret_why)
{
    bool over = l->over;
    *ret_why = over ? l->why : 0;
    return over;
}

const char *hone_workers__lookup_address(const hone_workers__lookup *l, unsigned k)
{
    return k < l->n ? l->found[k] : NULL;
}

void hone_workers__lookup_leave(hone_workers__lookup *l)
{
    if (l)
        drop(l);
}
