/* A kept result as a file: a head of fixed size, the message as it goes over the wire, and a hash
 * of both. Everything little-endian.
 *
 *   8 "HONEKEPT" | u32 format | u32 bytes of the message | u64 realm, fence, unit (2) | u32 epoch |
 *   i64 when it ended, wall clock in ms | the message | 32 bytes BLAKE2b of all before
 *
 * The message says fence, epoch and unit as well, and has to say the same. */
#include "workers/spool/spool.h"

#include <sodium.h>

#define MAGIC "HONEKEPT"
#define FORMAT 1
#define HEAD 60
#define HASH 32

static void put(hone_buf *b, uint64_t x, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char c = (char)(x >> (8 * i));
        hone_buf_add(b, &c, 1);
    }
}

static uint64_t get(const uint8_t **p, unsigned n)
{
    uint64_t x = 0;
    for (unsigned i = 0; i < n; i++)
        x |= (uint64_t) * (*p)++ << (8 * i);
    return x;
}

void hone_workers__kept_write(const hone_workers__kept *k, hone_buf *ret)
{
    uint8_t hash[HASH];
    size_t from = ret->n;
    hone_buf_add(ret, MAGIC, 8);
    put(ret, FORMAT, 4);
    put(ret, k->message.n, 4);
    put(ret, k->realm, 8);
    put(ret, k->fence, 8);
    put(ret, k->unit_a, 8);
    put(ret, k->unit_b, 8);
    put(ret, k->epoch, 4);
    put(ret, (uint64_t)k->ended_ms, 8);
    hone_buf_add(ret, k->message.s, k->message.n);
    crypto_generichash(hash, HASH, (const uint8_t *)ret->s + from, ret->n - from, NULL, 0);
    hone_buf_add(ret, hash, HASH);
}

/* Is the message the result of this lease, and one that a coordinator would read? */
static bool is_of(const hone_workers__kept *k, const uint8_t *bytes, size_t n)
{
    hone_wire *m = hone_xmalloc(sizeof *m);
    bool good = hone_wire_decode(bytes, n, m, NULL) == HONE_OK && m->type == HONE_WIRE_MEASURED &&
                m->measured.fence == k->fence && m->measured.unit_a == k->unit_a &&
                m->measured.unit_b == k->unit_b && m->measured.epoch == k->epoch;
    free(m);
    return good && k->fence != 0 && k->realm != 0;
}

hone_status hone_workers__kept_read(const void *bytes, size_t n, hone_workers__kept *ret,
                                    hone_error *err)
{
    uint8_t hash[HASH];
    *ret = (hone_workers__kept){0};
    if (n < HEAD + HASH || n > HONE_WORKERS__SPOOL_FILE_MAX || memcmp(bytes, MAGIC, 8) != 0)
        return hone_fail(err, HONE_E_CORRUPT, "it is no result");
    const uint8_t *p = (const uint8_t *)bytes + 8;
    uint64_t format = get(&p, 4), message = get(&p, 4);
    if (format != FORMAT)
        return hone_fail(err, HONE_E_CORRUPT, "its format is %" PRIu64 ", this hone's is %d",
                         format, FORMAT);
    crypto_generichash(hash, HASH, bytes, n - HASH, NULL, 0);
    if (message != n - HEAD - HASH || memcmp(hash, (const uint8_t *)bytes + n - HASH, HASH) != 0)
        return hone_fail(err, HONE_E_CORRUPT, "its checksum is wrong");
    hone_workers__kept k = {.lasting = true, .stored = true};
    k.realm = get(&p, 8);
    k.fence = get(&p, 8);
    k.unit_a = get(&p, 8);
    k.unit_b = get(&p, 8);
    k.epoch = (uint32_t)get(&p, 4);
    k.ended_ms = (int64_t)get(&p, 8);
    if (!is_of(&k, p, (size_t)message))
        return hone_fail(err, HONE_E_CORRUPT, "it is no result of a lease");
    hone_buf_add(&k.message, p, (size_t)message);
    *ret = k;
    return HONE_OK;
}
