/* Mailboxes: a list, a lock, and a bell. */
#include "farm/service/mail.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

void hone_service__mail_init(mailbox *b)
{
    pthread_condattr_t attr;
    *b = (mailbox){.end = &b->first};
    pthread_mutex_init(&b->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&b->came, &attr);
    pthread_condattr_destroy(&attr);
}

void hone_service__mail_fini(mailbox *b)
{
    HONE_ASSERT(!b->first);
    pthread_cond_destroy(&b->came);
    pthread_mutex_destroy(&b->mutex);
}

static void put(mailbox *b, letter *l, bool urgent)
{
    l->next = NULL;
    pthread_mutex_lock(&b->mutex);
    /* One who sleeps is woken by the first, and by one that cannot wait. */
    bool ring = !b->first || (urgent && !b->urgent);
    if (!b->first)
        b->since_ns = hone_clock_ns();
    *b->end = l;
    b->end = &l->next;
    b->urgent = b->urgent || urgent;
    pthread_mutex_unlock(&b->mutex);
    if (ring)
        pthread_cond_signal(&b->came);
}

void hone_service__mail_put(mailbox *b, letter *l)
{
    put(b, l, false);
}

void hone_service__mail_put_urgent(mailbox *b, letter *l)
{
    put(b, l, true);
}

void hone_service__mail_close(mailbox *b)
{
    pthread_mutex_lock(&b->mutex);
    b->closed = true;
    pthread_mutex_unlock(&b->mutex);
    pthread_cond_signal(&b->came);
}

/* With the lock held, which it gives back. */
static letter *take(mailbox *b)
{
    letter *l = b->first;
    b->first = NULL;
    b->end = &b->first;
    b->urgent = false;
    pthread_mutex_unlock(&b->mutex);
    return l;
}

/* With the lock held; false: it is late. */
static bool sleep_until(mailbox *b, int64_t ns)
{
    const struct timespec at = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    return pthread_cond_timedwait(&b->came, &b->mutex, &at) != ETIMEDOUT;
}

letter *hone_service__mail_take(mailbox *b)
{
    pthread_mutex_lock(&b->mutex);
    return take(b);
}

letter *hone_service__mail_await(mailbox *b, int64_t until_ns)
{
    pthread_mutex_lock(&b->mutex);
    while (!b->first && !b->closed && sleep_until(b, until_ns))
        ;
    return take(b);
}

letter *hone_service__mail_gather(mailbox *b, int64_t patience_ns)
{
    pthread_mutex_lock(&b->mutex);
    while (!b->urgent && !b->closed) {
        if (!b->first)
            pthread_cond_wait(&b->came, &b->mutex);
        else if (!sleep_until(b, b->since_ns + patience_ns))
            break;
    }
    return take(b);
}

int64_t hone_service__mail_since(mailbox *b)
{
    pthread_mutex_lock(&b->mutex);
    int64_t since = b->first ? b->since_ns : INT64_MAX;
    pthread_mutex_unlock(&b->mutex);
    return since;
}

bool hone_service__mail_closed(mailbox *b)
{
    pthread_mutex_lock(&b->mutex);
    bool closed = b->closed;
    pthread_mutex_unlock(&b->mutex);
    return closed;
}

pthread_t hone_service__thread(const char *name, void *(*run)(void *arg), void *arg)
{
    pthread_t ret;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    HONE_ASSERT(pthread_create(&ret, NULL, run, arg) == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_setname_np(ret, name);
    return ret;
}
