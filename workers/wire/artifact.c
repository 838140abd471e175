/* Artifacts: their memory, and those a peer has seen already. */
#include "workers/wire/internal.h"

#define CACHE_BYTES ((size_t)256 << 20)

void hone_manifest_copy(hone_manifest *ret, const hone_manifest *from)
{
    *ret = *from;
    ret->args = from->n_args ? hone_xcalloc(from->n_args, sizeof *ret->args) : NULL;
    if (from->n_args)
        memcpy(ret->args, from->args, from->n_args * sizeof *ret->args);
}

void hone_manifest_free(hone_manifest *m)
{
    free(m->args);
    *m = (hone_manifest){0};
}

void hone_artifact_free(hone_artifact *a)
{
    hone_manifest_free(&a->manifest);
    free(a->bytes);
    *a = (hone_artifact){0};
}

static uint8_t *copy_bytes(const void *bytes, size_t n)
{
    uint8_t *ret = hone_xmalloc(n ? n : 1);
    if (n)
        memcpy(ret, bytes, n);
    return ret;
}

void hone_artifact_copy(hone_artifact *ret, const hone_artifact *from)
{
    *ret = *from;
    hone_manifest_copy(&ret->manifest, &from->manifest);
    ret->bytes = copy_bytes(from->bytes, from->n);
}

void hone_workers__artifact_set(hone_artifact *ret, const hone_manifest *m, const void *bytes,
                                size_t n)
{
    hone_manifest_copy(&ret->manifest, m);
    ret->bytes = copy_bytes(bytes, n);
    ret->n = n;
    ret->hash = hone_hash_bytes(0, bytes, n);
}

const hone_artifact *hone_workers__artifacts_find(hone_workers__artifacts *c, uint64_t key)
{
    for (size_t i = 0; i < HONE_LEN(c->slots); i++) {
        struct hone_workers__cached *s = &c->slots[i];
        if (s->used && s->key == key) {
            s->used = ++c->turn;
            return &s->artifact;
        }
    }
    return NULL;
}

static void drop(hone_workers__artifacts *c, struct hone_workers__cached *s)
{
    if (s->used)
        c->bytes -= s->artifact.n;
    hone_artifact_free(&s->artifact);
    s->used = 0;
}

static struct hone_workers__cached *oldest(hone_workers__artifacts *c, bool used_only)
{
    struct hone_workers__cached *best = NULL;
    for (size_t i = 0; i < HONE_LEN(c->slots); i++) {
        struct hone_workers__cached *s = &c->slots[i];
        if ((s->used || !used_only) && (!best || s->used < best->used))
            best = s;
    }
    return best;
}

void hone_workers__artifacts_add(hone_workers__artifacts *c, uint64_t key, const hone_manifest *m,
                                 const hone_wire_bytes *bytes)
{
    if (hone_workers__artifacts_find(c, key))
        return;
    struct hone_workers__cached *s;
    while (c->bytes + bytes->n > CACHE_BYTES && (s = oldest(c, true)))
        drop(c, s);
    s = oldest(c, false);
    drop(c, s);
    s->key = key;
    s->used = ++c->turn;
    hone_workers__artifact_set(&s->artifact, m, bytes->p, bytes->n);
    c->bytes += bytes->n;
}

void hone_workers__artifacts_free(hone_workers__artifacts *c)
{
    for (size_t i = 0; i < HONE_LEN(c->slots); i++)
        drop(c, &c->slots[i]);
}
