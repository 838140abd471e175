/* Texts that many have at once, and are long: one copy for all of them. */
#include "base/base.h"

#include <pthread.h>

typedef struct held {
    uint64_t hash;
    size_t refs;
    char s[];
} held;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static hone_map all;
static size_t n_all;

static held *find(uint64_t hash, const char *text)
{
    uint32_t at = 0;
    held *h;
    while ((h = hone_map_next(&all, hash, &at)))
        if (strcmp(h->s, text) == 0)
            return h;
    return NULL;
}

const char *hone_text_hold(const char *text)
{
    size_t n = strlen(text);
    uint64_t hash = hone_hash_bytes(0, text, n);
    pthread_mutex_lock(&lock);
    held *h = find(hash, text);
    if (!h) {
        h = hone_xmalloc(sizeof *h + n + 1);
        h->hash = hash;
        h->refs = 0;
        memcpy(h->s, text, n + 1);
        hone_map_add(&all, hash, h);
        n_all++;
    }
    h->refs++;
    pthread_mutex_unlock(&lock);
    return h->s;
}

void hone_text_drop(const char *text)
{
    if (!text)
        return;
    held *h = (held *)(uintptr_t)(text - offsetof(held, s));
    pthread_mutex_lock(&lock);
    if (--h->refs == 0) {
        hone_map_remove(&all, h->hash, h);
        free(h);
        if (--n_all == 0)
            hone_map_free(&all);
    }
    pthread_mutex_unlock(&lock);
}
