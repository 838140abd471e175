/* Scratch memory, by thread and slot, kept from call to call. */
#include "runtime/internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* A slot only grows: a kernel asks for the same size at every call, so that after the first call
 * no memory is allocated. */
struct slot {
    void *p;
    int64_t bytes;
};

/* What one thread has. All are listed, so that they can be given back when the library goes before
 * the threads do. */
struct owned {
    struct slot slots[HONE_RT_SLOTS];
    struct owned *next, **link;
    struct owned *
        *of_thread; /* the thread's `mine`, which is not looked up while the thread ends */
};

/* A size beyond this is a miscomputed one. */
#define MOST_BYTES ((int64_t)1 << 39)

static _Thread_local struct owned *mine;
static struct owned *all;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic bool key_made;

static void free_owned(struct owned *o)
{
    *o->link = o->next;
    if (o->next)
        o->next->link = o->link;
    for (int i = 0; i < HONE_RT_SLOTS; i++)
        free(o->slots[i].p);
    free(o);
}

static void thread_ends(void *of_thread)
{
    struct owned *o = of_thread;
    *o->of_thread = NULL;
    pthread_mutex_lock(&lock);
    free_owned(o);
    pthread_mutex_unlock(&lock);
}

static void make_key(void)
{
    hone_rt__watch_forks();
    key_made = pthread_key_create(&key, thread_ends) == 0;
}

/* NULL without memory, or without the key: what the thread had would outlive it. */
static struct owned *make_mine(void)
{
    pthread_once(&once, make_key);
    struct owned *o = key_made || hone_rt__ended() ? calloc(1, sizeof *o) : NULL;
    if (!o)
        return NULL;
    if (pthread_setspecific(key, o) != 0 && !hone_rt__ended()) {
        free(o);
        return NULL;
    }
    o->of_thread = &mine;
    pthread_mutex_lock(&lock);
    o->next = all;
    o->link = &all;
    if (all)
        all->link = &o->next;
    all = o;
    pthread_mutex_unlock(&lock);
    mine = o;
    return o;
}

void *hone_rt__scratch(const hone_rt_api *rt, int32_t slot, int64_t bytes)
{
    (void)rt;
    if (slot < 0 || slot >= HONE_RT_SLOTS || bytes < 0 || bytes > MOST_BYTES)
        return NULL;
    if (!mine && !make_mine())
        return NULL;
    struct slot *s = &mine->slots[slot];
    if (s->p && s->bytes >= bytes)
        return s->p;
    free(s->p);
    s->bytes = (bytes + 4095) / 4096 * 4096 + (bytes == 0 ? 4096 : 0);
    s->p = aligned_alloc(64, (size_t)s->bytes);
    if (!s->p)
        s->bytes = 0;
    return s->p;
}

void hone_rt__scratch_end(bool unloaded)
{
    if (key_made) /* its destructor goes with the object */
        pthread_key_delete(key);
    key_made = false;
    while (unloaded && all)
        free_owned(all);
}

void hone_rt__scratch_hold(void)
{
    pthread_mutex_lock(&lock);
}

void hone_rt__scratch_release(void)
{
    pthread_mutex_unlock(&lock);
}
