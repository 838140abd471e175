/* Reads anything as a kept result; what is one is written as the same bytes again. The checksum is
 * put right first, or nothing would get beyond it. */
#include "workers/spool/spool.h"

#include <sodium.h>

#define HASH 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_one(const uint8_t *data, size_t size)
{
    hone_workers__kept k;
    hone_error err = {0};
    hone_buf b = {0};
    hone_status s = hone_workers__kept_read(data, size, &k, &err);
    HONE_ASSERT(s == HONE_OK || s == HONE_E_CORRUPT);
    if (s != HONE_OK) {
        HONE_ASSERT(err.message[0] && !k.message.s);
        return;
    }
    HONE_ASSERT(k.fence && k.realm && k.message.n <= size);
    hone_workers__kept_write(&k, &b);
    HONE_ASSERT(b.n == size && memcmp(b.s, data, size) == 0);
    hone_buf_free(&b);
    hone_workers__kept_free(&k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_one(data, size);
    if (size < HASH)
        return 0;
    uint8_t *right = hone_xmalloc(size);
    memcpy(right, data, size);
    crypto_generichash(right + size - HASH, HASH, right, size - HASH, NULL, 0);
    read_one(right, size);
    free(right);
    return 0;
}
