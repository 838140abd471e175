/* The hash that names rows of the log, and its text. */
#include "base/base.h"

#include <endian.h>

uint64_t hone_hash_mix(uint64_t h, uint64_t x)
{
    h ^= x + 0x9e3779b97f4a7c15u + (h << 12) + (h >> 4);
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93u;
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93u;
    return h ^ (h >> 32);
}

uint64_t hone_hash_bytes(uint64_t seed, const void *p, size_t n)
{
    const unsigned char *b = p;
    uint64_t h = hone_hash_mix(seed, n);
    uint64_t x;
    for (; n >= 8; b += 8, n -= 8) {
        memcpy(&x, b, sizeof x);
        h = hone_hash_mix(h, le64toh(x));
    }
    x = 0;
    for (size_t i = 0; i < n; i++)
        x |= (uint64_t)b[i] << (8 * i);
    return n ? hone_hash_mix(h, x) : h;
}

void hone_hash_format(uint64_t h, char ret[17])
{
    snprintf(ret, 17, "%016" PRIx64, h);
}

bool hone_hash_parse(const char *s, uint64_t *ret)
{
    uint64_t h = 0;
    for (int i = 0; i < 16; i++) {
        char c = s[i];
        if (c >= '0' && c <= '9')
            h = h << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            h = h << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    if (s[16])
        return false;
    *ret = h;
    return true;
}
