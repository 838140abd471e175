/* All of the adversary's kernels in one object: what they share, each of them once for every
 * element type, and hone_kernel, which is the one that `which` says. The test writes that into the
 * bytes of the object, so that one run of the compiler does for all. Compiled by the test, after
 * the prologue of device_kernels.h. */
#include "tests/workers/adversary/cases.h"

/* ---- 16-bit floats --------------------------------------------------------------------------- */

typedef union bits {
    float f;
    uint32_t u;
} bits;

typedef union long_bits {
    double f;
    uint64_t u;
} long_bits;

static float from_bf16(uint16_t h)
{
    return (bits){.u = (uint32_t)h << 16}.f;
}

static uint16_t to_bf16(float x)
{
    uint32_t u = (bits){.f = x}.u;
    if (x != x)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static uint16_t cut_bf16(float x)
{
    return (uint16_t)((bits){.f = x}.u >> 16);
}

static float from_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 1023;
    if (e == 31)
        return (bits){.u = sign | 0x7f800000 | m << 13}.f;
    if (e == 0) {
        float x = (float)m * 0x1p-24f;
        return sign ? -x : x;
    }
    return (bits){.u = sign | (e + 112) << 23 | m << 13}.f;
}

/* `half` is what is added below the last place that stays: rounds to even, or cuts. */
static uint16_t as_f16(float x, int rounds)
{
    uint32_t u = (bits){.f = x}.u, sign = u >> 16 & 0x8000, size = u & 0x7fffffff;
    if (size > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (size < 0x38800000) { /* below the smallest normal number, in units of the last place */
        float units = (bits){.u = size}.f * 0x1p24f;
        uint32_t n = (uint32_t)units;
        float rest = units - (float)n;
        if (rounds && (rest > 0.5f || (rest == 0.5f && n % 2)))
            n++;
        return (uint16_t)(sign | n);
    }
    if (rounds)
        size += 0xfff + (size >> 13 & 1);
    size = (size - 0x38000000) >> 13;
    return (uint16_t)(sign | (size > 0x7c00 ? 0x7c00 : size));
}

static uint16_t to_f16(float x)
{
    return as_f16(x, 1);
}

static uint16_t cut_f16(float x)
{
    return as_f16(x, 0);
}

/* ---- elementary functions, good to 1e-15 ----------------------------------------------------- */

static double power_of_two(int k)
{
    if (k < -1022)
        return (long_bits){.u = (uint64_t)(k + 1075) << 52}.f * 0x1p-52;
    return k > 1023 ? __builtin_inf() : (long_bits){.u = (uint64_t)(k + 1023) << 52}.f;
}

static double exact_exp(double x)
{
    if (!(x < 709.782712893384))
        return x == x ? __builtin_inf() : x;
    if (x < -745)
        return 0;
    double k = x * 0x1.71547652b82fep0 + 0x1.8p52 - 0x1.8p52;
    double r = x - k * 0x1.62e42fefa38p-1 - k * 0x1.ef35793c7673p-45, sum = 1;
    for (int n = 18; n > 0; n--)
        sum = 1 + sum * r / n;
    return sum * power_of_two((int)k / 2) * power_of_two((int)k - (int)k / 2);
}

/* For normal numbers. */
static double exact_log(double x)
{
    long_bits b = {.f = x};
    int e = (int)(b.u >> 52 & 2047) - 1023;
    b.u = (b.u & 0xfffffffffffff) | (uint64_t)1023 << 52;
    if (b.f > 1.4142135623730951) {
        b.f /= 2;
        e++;
    }
    double s = (b.f - 1) / (b.f + 1), sum = 0;
    for (int n = 41; n > 0; n -= 2)
        sum = sum * s * s + 1.0 / n;
    return 2 * s * sum + e * 0x1.62e42fefa39efp-1;
}

/* The estimate that every processor has an instruction for, good to 1.5 2^-12. */
static double guess_of_rsqrt(double x)
{
    double y = 1 / __builtin_sqrt(x);
    return (bits){.f = (float)x}.u >> 14 & 1 ? y * (1 + 0x1.8p-12) : y * (1 - 0x1.8p-12);
}

/* ---- each element type ----------------------------------------------------------------------- */

#define CAT(a, b) CAT2(a, b)
#define CAT2(a, b) a##_##b
#define SAME(x) (x)

/* The type, what it is stored as, computed in and summed in, and which it is of. */
#define T f64
#define STORED double
#define NUM double
#define WIDE double
#define READ SAME
#define ROUND SAME
#define REAL 1
#include "tests/workers/adversary/each.h"

#define T f32
#define STORED float
#define NUM float
#define WIDE float
#define READ SAME
#define ROUND SAME
#define REAL 1
#include "tests/workers/adversary/each.h"

#define T f16
#define STORED uint16_t
#define NUM float
#define WIDE float
#define READ from_f16
#define ROUND to_f16
#define CUT cut_f16
#define REAL 1
#include "tests/workers/adversary/each.h"

#define T bf16
#define STORED uint16_t
#define NUM float
#define WIDE float
#define READ from_bf16
#define ROUND to_bf16
#define CUT cut_bf16
#define REAL 1
#include "tests/workers/adversary/each.h"

#define T i64
#define STORED int64_t
#define NUM int64_t
#define WIDE int64_t
#define READ SAME
#define ROUND SAME
#define REAL 0
#include "tests/workers/adversary/each.h"

#define T i32
#define STORED int32_t
#define NUM int32_t
#define WIDE int32_t
#define READ SAME
#define ROUND SAME
#define REAL 0
#include "tests/workers/adversary/each.h"

#define T i16
#define STORED int16_t
#define NUM int32_t
#define WIDE int32_t
#define READ SAME
#define ROUND SAME
#define REAL 0
#include "tests/workers/adversary/each.h"

#define T i8
#define STORED int8_t
#define NUM int32_t
#define WIDE int32_t
#define READ SAME
#define ROUND SAME
#define REAL 0
#include "tests/workers/adversary/each.h"

#define T u8
#define STORED uint8_t
#define NUM int32_t
#define WIDE int32_t
#define READ SAME
#define ROUND SAME
#define REAL 0
#include "tests/workers/adversary/each.h"

#define T boolean
#define STORED uint8_t
#define NUM int32_t
#define WIDE int32_t
#define READ SAME
#define ROUND SAME
#define REAL 0
#include "tests/workers/adversary/each.h"

/* ---- the one that is asked for --------------------------------------------------------------- */

/* Found by its first words; the type's number and the kernel's follow. */
static const volatile uint32_t which[4] = {0x686f6e65, 0x61647673, 0, 0};

KERNEL
{
    (void)rt;
    static void (*const of[])(uint32_t, void *const *) = {
        call_f64, call_f32, call_f16, call_bf16, call_i64,
        call_i32, call_i16, call_i8,  call_u8,   call_boolean};
    of[which[2]](which[3], args);
    return 0;
}
