/* What happens when the object that holds this library is unloaded, or the process ends, or forks.
 */
#include "runtime/internal.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

/* dlclose and exit both run the destructor below, and only after dlclose is it sure that no thread
 * is inside a kernel. This tells them apart: libc posts it when exit begins. The handler belongs to
 * an object of its own, the semaphore, so that only exit runs it. */
static sem_t *exiting;
static atomic_bool ended;

int __cxa_atexit(void (*f)(void *), void *arg, void *object);
void __cxa_finalize(void *object);

__attribute__((constructor)) static void begin(void)
{
    sem_t *s = malloc(sizeof *s);
    if (s && sem_init(s, 0, 0) == 0 &&
        __cxa_atexit((void (*)(void *))(void (*)(void))sem_post, s, s) == 0)
        exiting = s;
    else
        free(s);
}

/* Without a memory of exit it may be that. */
static bool is_unloaded(void)
{
    int begun = 1;
    if (exiting)
        sem_getvalue(exiting, &begun);
    return begun == 0;
}

/* The last of the object's destructors: the others may call kernels. */
__attribute__((destructor(101))) static void end(void)
{
    bool unloaded = is_unloaded();
    atomic_store(&ended, true);
    hone_rt__default_end(unloaded);
    hone_rt__scratch_end(unloaded);
    if (unloaded) {
        __cxa_finalize(exiting); /* which forgets it */
        free(exiting);
    }
}

bool hone_rt__ended(void)
{
    return atomic_load_explicit(&ended, memory_order_acquire);
}

/* ---- fork ---------------------------------------------------------------------------------- */

static void before_fork(void)
{
    hone_rt__default_hold();
    hone_rt__scratch_hold();
}

static void in_parent(void)
{
    hone_rt__scratch_release();
    hone_rt__default_release(false);
}

static void in_child(void)
{
    hone_rt__pool_forked();
    hone_rt__scratch_release();
    hone_rt__default_release(true);
}

static void watch(void)
{
    pthread_atfork(before_fork, in_parent, in_child);
}

void hone_rt__watch_forks(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch);
}
