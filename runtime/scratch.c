#include "runtime/internal.h"

#include <pthread.h>
#include <stdlib.h>

/* A slot only grows: a kernel asks for the same size at every call, so that after the first call
 * no memory is allocated. */
struct slot {
    void *p;
    int64_t bytes;
};

/* A size beyond this is a miscomputed one. */
#define MOST_BYTES ((int64_t)1 << 39)

static _Thread_local struct slot slots[HONE_RT_SLOTS];
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int key_made;

static void free_slots(void *of_thread)
{
    struct slot *s = of_thread;
    for (int i = 0; i < HONE_RT_SLOTS; i++) {
        free(s[i].p);
        s[i] = (struct slot){0};
    }
}

static void make_key(void)
{
    key_made = pthread_key_create(&key, free_slots) == 0;
}

void *hone_rt__scratch(const hone_rt_api *rt, int32_t slot, int64_t bytes)
{
    (void)rt;
    if (slot < 0 || slot >= HONE_RT_SLOTS || bytes < 0 || bytes > MOST_BYTES)
        return NULL;
    struct slot *s = &slots[slot];
    if (s->p && s->bytes >= bytes)
        return s->p;
    pthread_once(&once, make_key);
    /* Without the key the memory would outlive the thread: better to say there is none. */
    if (!key_made || pthread_setspecific(key, slots) != 0)
        return NULL;
    free(s->p);
    s->bytes = (bytes + 4095) / 4096 * 4096 + (bytes == 0 ? 4096 : 0);
    s->p = aligned_alloc(64, (size_t)s->bytes);
    if (!s->p)
        s->bytes = 0;
    return s->p;
}
