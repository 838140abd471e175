/* What the files with loops of assembly share: a loop of two times twelve instances of some
 * instructions on registers. Twelve independent accumulators cover latency x throughput of FMA on
 * every x86 processor (4 to 5 cycles, 2 per cycle), and leave four of the sixteen registers AVX2
 * has: 14 and 15 hold two numbers, 12 and 13 are for what lies between. Twelve instructions of 6
 * cycles, two at once, as vdpbf16ps may be, just cover it if none is ever late: LOOP_24 has 24
 * accumulators, which AVX-512 has the registers for. */
#ifndef HONE_BENCH_VERSUS_LOOPS_H
#define HONE_BENCH_VERSUS_LOOPS_H

#include <stdint.h>

#define STEPS 2048 /* of 24 instructions: about 25 microseconds a call */
#ifdef __AVX512F__
#define MORE                                                                                 \
    , "k1", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", \
        "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31"
#else
#define MORE /* which the compiler does not know of */
#endif
/* clang-format off */
#define TWELVE(I, r)                                                        \
    I(r, "0") I(r, "1") I(r, "2") I(r, "3") I(r, "4") I(r, "5")             \
    I(r, "6") I(r, "7") I(r, "8") I(r, "9") I(r, "10") I(r, "11")
#define TWELVE_MORE(I, r)                                                   \
    I(r, "16") I(r, "17") I(r, "18") I(r, "19") I(r, "20") I(r, "21")       \
    I(r, "22") I(r, "23") I(r, "24") I(r, "25") I(r, "26") I(r, "27")
#define ZERO(r, k) "vxorps %%ymm" k ", %%ymm" k ", %%ymm" k "\n\t"
#define ZERO_MORE(r, k) "vpxord %%zmm" k ", %%zmm" k ", %%zmm" k "\n\t"
#define LOOP(name, I, r) LOOP_OF(name, TWELVE(I, r) TWELVE(I, r), r)
#define LOOP_24(name, I) \
    LOOP_AFTER(name, TWELVE_MORE(ZERO_MORE, "z"), TWELVE(I, "z") TWELVE_MORE(I, "z"), "z")
/* `body`: 24 instances; `first` is done once */
#define LOOP_OF(name, body, r) LOOP_AFTER(name, "", body, r)
#define LOOP_AFTER(name, first, body, r)                                                     \
    static void name(int64_t calls)                                                          \
    {                                                                                        \
        int64_t n = calls * STEPS;                                                           \
        const float x = 0.5F, y = 0.1F;                                                      \
        __asm__ volatile("vbroadcastss %[x], %%" r "mm14\n\t"                                \
                         "vbroadcastss %[y], %%" r "mm15\n\t" TWELVE(ZERO, r) first          \
                         "1:\n\t" body "dec %[n]\n\t"                   \
                         "jnz 1b\n\t"                                                        \
                         "vzeroupper"                                                        \
                         : [n] "+r"(n)                                                       \
                         : [x] "m"(x), [y] "m"(y)                                            \
                         : "cc", "rax", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",      \
                           "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",        \
                           "xmm13", "xmm14", "xmm15" MORE);                                       \
    }
/* clang-format on */

/* Instances in one call of such a loop. */
#define INSTANCES (24.0 * STEPS)

#endif
