/* xoshiro256**, seeded by splitmix64. */
#include "base/base.h"

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void hone_rng_seed(hone_rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        r->s[i] = splitmix(&seed);
}

uint64_t hone_rng_u64(hone_rng *r)
{
    uint64_t *s = r->s, out = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return out;
}

uint64_t hone_rng_below(hone_rng *r, uint64_t n)
{
    HONE_ASSERT(n > 0);
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, x;
    do
        x = hone_rng_u64(r);
    while (x >= limit);
    return x % n;
}

double hone_rng_double(hone_rng *r)
{
    return (double)(hone_rng_u64(r) >> 11) * 0x1p-53;
}
