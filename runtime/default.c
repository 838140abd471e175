/* The pool of kernels called from C: one for the process, as large as was asked for. */
#include "runtime/internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* One pool for the process, as large as it may ever become; threads are started when a kernel
 * first asks for so many. `usable` is published after the threads exist, so that the usual call
 * takes no lock. */
struct shared {
    hone_rt_pool *pool;
    int32_t limit;
    _Atomic int32_t usable;    /* threads that exist */
    _Atomic int32_t attempted; /* threads that were asked for; more is pointless to retry */
    struct shared *older;      /* in `inherited` */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(struct shared *) current;
/* Of processes that forked this one. Without threads; kernels that have their api run on the
 * caller. */
static struct shared *inherited;

static int32_t run_serial(const hone_rt_api *rt, int64_t n, hone_rt_task task, void *closure)
{
    (void)rt;
    return n > 0 ? task(closure, 0, n) : 0;
}

static const hone_rt_api serial = {HONE_RT_ABI, 1, run_serial, hone_rt__scratch};

static int32_t thread_limit(void)
{
    int32_t limit = hone_rt__allowed(NULL, 0);
    const char *e = getenv("HONE_NUM_THREADS");
    if (e) {
        char *end;
        long n = strtol(e, &end, 10);
        if (end != e && *end == '\0' && n >= 1 && n < limit)
            limit = (int32_t)n;
    }
    return limit < HONE_RT__MAX_THREADS ? limit : HONE_RT__MAX_THREADS;
}

static struct shared *make_shared(void)
{
    struct shared *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->limit = thread_limit();
    s->pool = hone_rt__pool_make(s->limit, false);
    if (!s->pool) {
        free(s);
        return NULL;
    }
    s->usable = s->attempted = 1;
    return s;
}

static void raise_to(_Atomic int32_t *x, int32_t value)
{
    int32_t old = atomic_load(x);
    while (old < value && !atomic_compare_exchange_weak(x, &old, value)) {
    }
}

const hone_rt_api *hone_rt_default(int32_t threads)
{
    if (threads < 1)
        threads = 1;
    struct shared *s = atomic_load_explicit(&current, memory_order_acquire);
    if (!s) {
        pthread_mutex_lock(&lock);
        s = atomic_load_explicit(&current, memory_order_relaxed);
        if (!s && !hone_rt__ended() && (s = make_shared()))
            atomic_store_explicit(&current, s, memory_order_release);
        pthread_mutex_unlock(&lock);
        if (!s)
            return &serial;
    }
    if (threads > s->limit)
        threads = s->limit;
    /* Inside a task the pool is busy with the loop around us, and would run ours serially. */
    if (threads > atomic_load_explicit(&s->attempted, memory_order_acquire) &&
        !hone_rt__in_task()) {
        raise_to(&s->usable, hone_rt__pool_grow(s->pool, threads));
        raise_to(&s->attempted, threads);
    }
    int32_t usable = atomic_load_explicit(&s->usable, memory_order_acquire);
    return hone_rt__pool_view(s->pool, threads < usable ? threads : usable);
}

static void free_shared(struct shared *s)
{
    hone_rt_pool_free(s->pool);
    free(s);
}

void hone_rt__default_end(bool unloaded)
{
    if (pthread_mutex_trylock(&lock) != 0)
        return;
    struct shared *s = atomic_load_explicit(&current, memory_order_relaxed);
    if (s && hone_rt__pool_stop(s->pool) && unloaded) {
        atomic_store_explicit(&current, NULL, memory_order_relaxed);
        free_shared(s);
    }
    while (unloaded && inherited) {
        s = inherited;
        inherited = s->older;
        free_shared(s);
    }
    pthread_mutex_unlock(&lock);
}

void hone_rt__default_hold(void)
{
    pthread_mutex_lock(&lock);
}

/* The child of a fork starts over at its first call. What the parent had is left alone, since a
 * thread that no longer exists may hold its locks. */
void hone_rt__default_release(bool child)
{
    struct shared *s = atomic_load_explicit(&current, memory_order_relaxed);
    if (child && s) {
        s->older = inherited;
        inherited = s;
        atomic_store_explicit(&current, NULL, memory_order_relaxed);
    }
    pthread_mutex_unlock(&lock);
}
