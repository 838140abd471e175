/* The loops that show what a processor can do: products on registers alone, and streams of loads
 * and stores (versus_rates.c has the others). Written as assembly: a compiler is free to spill or
 * to fold intrinsics. */
#include "bench/versus.h"

const char *const versus_unit_names[UNIT_COUNT] = {"f32", "u8 x i8", "bf16", "bits"};

#if defined(__x86_64__)
#include "bench/versus_loops.h"

/* clang-format off */
/* a = a*x + y converges, so no value is slow */
#define FMA(r, k) "vfmadd213ps %%" r "mm15, %%" r "mm14, %%" r "mm" k "\n\t"
#define VNNI(r, k) "vpdpbusd %%" r "mm15, %%" r "mm14, %%" r "mm" k "\n\t"
/* what AVX2 has instead of VNNI: pairs to 16 bits, pairs to 32 bits, add */
#define MADD(r, k)                                         \
    "vpmaddubsw %%" r "mm15, %%" r "mm14, %%" r "mm13\n\t" \
    "vpmaddwd %%" r "mm13, %%" r "mm14, %%" r "mm13\n\t"   \
    "vpaddd %%" r "mm13, %%" r "mm" k ", %%" r "mm" k "\n\t"
#define BF16(r, k) "vdpbf16ps %%" r "mm15, %%" r "mm14, %%" r "mm" k "\n\t"
#define BITS(r, k)                                     \
    "vpandd %%" r "mm15, %%" r "mm14, %%" r "mm13\n\t" \
    "vpopcntd %%" r "mm13, %%" r "mm13\n\t"            \
    "vpaddd %%" r "mm13, %%" r "mm" k ", %%" r "mm" k "\n\t"
#define POPCNT(r, k) "popcnt %[n], %%rax\n\t"

LOOP(fma512, FMA, "z")
LOOP_24(fma512x24, FMA)
LOOP(fma256, FMA, "y")
LOOP(vnni512, VNNI, "z")
LOOP_24(vnni512x24, VNNI)
LOOP(madd256, MADD, "y")
LOOP(bf16512, BF16, "z")
LOOP_24(bf16512x24, BF16)
LOOP(bits512, BITS, "z")
LOOP(popcnt64, POPCNT, "y")

/* Eight vectors a turn; `step` bytes. */
#define EIGHT(I, r, v)                                                                  \
    I(r, "0*" v) I(r, "1*" v) I(r, "2*" v) I(r, "3*" v) I(r, "4*" v) I(r, "5*" v)      \
    I(r, "6*" v) I(r, "7*" v)
#define LOAD(r, at) "vmovups " at "(%[p]), %%" r "mm0\n\t"
#define STORE(r, at) "vmovups %%" r "mm0, " at "(%[p])\n\t"
#define PASS_BY(r, at) "vmovntps %%" r "mm0, " at "(%[p])\n\t"
#define COPY(r, at) LOAD(r, at) "vmovups %%" r "mm0, " at "(%[p], %[part])\n\t"
/* two thirds are read, one is written */
#define MIX(r, at) LOAD(r, at) "vaddps " at "(%[p], %[part]), %%" r "mm0, %%" r "mm0\n\t" \
    "vmovups %%" r "mm0, " at "(%[p], %[part], 2)\n\t"
#define COPY_BY(r, at) LOAD(r, at) "vmovntps %%" r "mm0, " at "(%[p], %[part])\n\t"
#define STREAM(name, I, r, v, parts)                                                      \
    static void name(char *p, int64_t n)                                                  \
    {                                                                                     \
        const char *end = p + n / (parts);                                                \
        __asm__ volatile("vxorps %%ymm0, %%ymm0, %%ymm0\n\t"                              \
                         "1:\n\t" EIGHT(I, r, v) "add $8*" v ", %[p]\n\t"                 \
                         "cmp %[end], %[p]\n\t"                                           \
                         "jb 1b\n\t"                                                      \
                         "sfence\n\t"                                                     \
                         "vzeroupper"                                                     \
                         : [p] "+r"(p)                                                    \
                         : [end] "r"(end), [part] "r"(n / (parts))                              \
                         : "cc", "memory", "xmm0");                                       \
    }
STREAM(load512, LOAD, "z", "64", 1)
STREAM(load256, LOAD, "y", "32", 1)
STREAM(store512, STORE, "z", "64", 1)
STREAM(store256, STORE, "y", "32", 1)
STREAM(store512by, PASS_BY, "z", "64", 1)
STREAM(store256by, PASS_BY, "y", "32", 1)
STREAM(copy512, COPY, "z", "64", 2)
STREAM(copy256, COPY, "y", "32", 2)
STREAM(mix512, MIX, "z", "64", 3)
STREAM(mix256, MIX, "y", "32", 3)
STREAM(copy512by, COPY_BY, "z", "64", 2)
STREAM(copy256by, COPY_BY, "y", "32", 2)
/* clang-format on */

static bool has_wide(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

static bool has_narrow(void)
{
    return __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx2");
}

static bool has_vnni(void)
{
    return has_wide() && __builtin_cpu_supports("avx512vnni");
}

static bool has_bf16(void)
{
    return has_wide() && __builtin_cpu_supports("avx512bf16");
}

static bool has_counts(void)
{
    return has_wide() && __builtin_cpu_supports("avx512vpopcntdq");
}

/* Of bits: and, count; two operations a bit. */
static const struct {
    unit unit;
    bool (*can_run)(void);
    peak_loop loop;
} peaks[] = {
    {UNIT_F32, has_narrow, {fma256, INSTANCES * 16, "FMA, AVX2"}},
    {UNIT_F32, has_wide, {fma512, INSTANCES * 32, "FMA, AVX-512"}},
    {UNIT_F32, has_wide, {fma512x24, INSTANCES * 32, "FMA, AVX-512, 24 sums"}},
    {UNIT_U8I8, has_narrow, {madd256, INSTANCES * 64, "vpmaddubsw, AVX2"}},
    {UNIT_U8I8, has_vnni, {vnni512, INSTANCES * 128, "vpdpbusd"}},
    {UNIT_U8I8, has_vnni, {vnni512x24, INSTANCES * 128, "vpdpbusd, 24 sums"}},
    {UNIT_BF16, has_bf16, {bf16512, INSTANCES * 64, "vdpbf16ps"}},
    {UNIT_BF16, has_bf16, {bf16512x24, INSTANCES * 64, "vdpbf16ps, 24 sums"}},
    {UNIT_BITS, has_narrow, {popcnt64, INSTANCES * 128, "popcnt"}},
    {UNIT_BITS, has_counts, {bits512, INSTANCES * 1024, "vpandd, vpopcntd, vpaddd"}},
};

const peak_loop *versus_peak_loop(unit u, unsigned k)
{
    for (size_t q = 0; q < HONE_LEN(peaks); q++)
        if (peaks[q].unit == u && peaks[q].can_run() && k-- == 0)
            return &peaks[q].loop;
    return NULL;
}

stream_loop *versus_stream_loop(stream s, bool wide, bool around_caches)
{
    static stream_loop *const loops[STREAM_COUNT][2][2] = {
        {{load256, load512}, {NULL, NULL}},
        {{store256, store512}, {store256by, store512by}},
        {{copy256, copy512}, {copy256by, copy512by}},
        {{mix256, mix512}, {NULL, NULL}},
    };
    return (wide ? has_wide() : has_narrow()) ? loops[s][around_caches][wide] : NULL;
}

#else

const peak_loop *versus_peak_loop(unit u, unsigned k)
{
    (void)u;
    (void)k;
    return NULL;
}

stream_loop *versus_stream_loop(stream s, bool wide, bool around_caches)
{
    (void)s;
    (void)wide;
    (void)around_caches;
    return NULL;
}

#endif
