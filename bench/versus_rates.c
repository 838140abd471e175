/* The loops that show how fast a processor can do what is not a product: each kind of arithmetic,
 * the elementary functions, conversions. A function's loop is the shortest sequence of instructions
 * known here that computes it as exactly as ir/functions.def promises (codegen/emit/math_f32.c), on
 * registers, with any numbers for coefficients and without the copies that renaming makes free:
 * only the time counts. The first instruction of each sequence reads nothing that an instance
 * before it wrote, so that instances overlap; each function is there with 1, 2, 3, 4, 6 and 8
 * vectors side by side, of which the fastest counts. */
#include "bench/versus.h"

const char *const versus_rate_names[RATE_COUNT] = {
#define RATE(NAME, text, loop, per, how) [RATE_##NAME] = text,
#define RATE_TOO(NAME, loop, per, how)
#include "bench/rates.def"
#undef RATE
#undef RATE_TOO
};

#if defined(__x86_64__)
#include "bench/versus_loops.h"

/* clang-format off */
/* The register of what lies between, and of a polynomial's sum; an instruction */
#define A "12"
#define B "13"
#define EACH(text) text "\n\t"

/* I is an instruction of two sources and a destination */
#define OP3(I, r, a, b, d) EACH(I " %%" r "mm" a ", %%" r "mm" b ", %%" r "mm" d)
#define OP2(I, r, a, d) EACH(I " %%" r "mm" a ", %%" r "mm" d)

#define ADD_(r, k) OP3("vaddps", r, "14", k, k)
/* additions also run as FMA, which some processors have other units for */
#define ADD_FMA(r, k) ADD_(r, k) OP3("vfmadd231ps", r, "14", "15", k)
#define EXTREME_(r, k) OP3("vmaxps", r, "14", k, k)
#define DIV_(r, k) OP3("vdivps", r, "14", "15", k)
#define SQRT_(r, k) OP2("vsqrtps", r, "14", k)
#define SHUFFLE_(r, k) OP3("vpermps", r, "14", "15", k)

/* x within bounds; x^2; a polynomial of A in B, whose first FMA is as good as a product */
#define BOUNDED(r, k) OP3("vmaxps", r, "14", "15", k) OP3("vminps", r, "15", k, k)
#define BOUND_TO_ONE(r, k) OP3("vmaxps", r, "14", k, k) OP3("vminps", r, "15", k, k)
#define SQUARE(r, k) OP3("vmulps", r, k, k, A)
#define FIRST(r) OP3("vmulps", r, "14", A, B)
#define NEXT(r) OP3("vfmadd213ps", r, "15", A, B)
#define DEGREE3(r) FIRST(r) NEXT(r) NEXT(r)
#define DEGREE4(r) DEGREE3(r) NEXT(r)
#define DEGREE5(r) DEGREE4(r) NEXT(r)
#define DEGREE6(r) DEGREE5(r) NEXT(r)
#define DEGREE7(r) DEGREE6(r) NEXT(r)
#define TIMES_X(r, k) OP3("vmulps", r, B, k, k)
#define QUOTIENT(r, k) OP3("vdivps", r, B, k, k)
/* Newton's step from an estimate, and the product */
#define ESTIMATE(r, k) OP2("vrcp14ps", r, B, A) OP3("vfnmadd213ps", r, "15", A, B) \
    OP3("vfmadd213ps", r, A, A, B)
#define BY_ESTIMATE(r, k) ESTIMATE(r, k) OP3("vmulps", r, B, k, k)
/* p 2^n, whose exponent is in the low bits of a number that n was read from */
#define BY_BITS(r, k) EACH("vpslld $23, %%" r "mm" k ", %%" r "mm" k) OP3("vmulps", r, B, k, k)
#define SCALEF(r, k) OP3("vscalefps", r, k, B, k)

/* n in two steps, r in two, of degree 6 */
#define EXP256(r, k) BOUNDED(r, k) OP3("vmulps", r, "14", k, A) OP3("vaddps", r, "15", A, A) \
    OP3("vsubps", r, "15", A, A) OP3("vfmadd231ps", r, "14", A, k) \
    OP3("vfmadd231ps", r, "15", A, k) DEGREE6(r) BY_BITS(r, k)
/* n in sixteenths, r in two steps, their power from a table, of degree 3 */
#define EXP512(r, k) BOUNDED(r, k) OP3("vmulps", r, "14", k, A) OP3("vsubps", r, "15", A, A) \
    OP3("vfmadd231ps", r, "14", A, k) OP3("vfmadd231ps", r, "15", A, k) \
    OP3("vpermps", r, "14", A, B) OP3("vmulps", r, B, k, A) OP3("vfmadd213ps", r, "15", A, k) \
    OP3("vfmadd213ps", r, "14", A, k) OP3("vfmadd231ps", r, A, k, B) SCALEF(r, k)
#define FAST_EXP512(r, k) OP3("vmulps", r, "14", "15", k) \
    EACH("vreduceps $9, %%" r "mm" k ", %%" r "mm" A) DEGREE5(r) SCALEF(r, k)
#define FAST_EXP256(r, k) BOUNDED(r, k) OP3("vmulps", r, "14", k, A) \
    OP3("vsubps", r, "15", A, A) OP3("vfmsub231ps", r, "14", k, A) DEGREE5(r) BY_BITS(r, k)
#define ONE_AND(r, k) OP3("vaddps", r, "14", k, B)
#define BELOW(r) OP3("vminps", r, "15", B, B)
#define SIGMOID512(r, k) EXP512(r, k) ONE_AND(r, k) QUOTIENT(r, k)
#define SIGMOID256(r, k) EXP256(r, k) ONE_AND(r, k) QUOTIENT(r, k)
#define FAST_SIGMOID512(r, k) FAST_EXP512(r, k) ONE_AND(r, k) BELOW(r) ESTIMATE(r, k)
#define FAST_SIGMOID256(r, k) FAST_EXP256(r, k) ONE_AND(r, k) QUOTIENT(r, k)
#define RATIONAL(r, k, P, Q, OVER) BOUNDED(r, k) SQUARE(r, k) P(r) TIMES_X(r, k) Q(r) OVER(r, k)
/* twice x, r, its square, e^(2x) - 1 from both parts, t / (t + 2), the sign */
#define TANH_SUM(r, k) OP3("vaddps", r, "14", "15", k) OP3("vmaxps", r, "14", k, k) \
    OP3("vminps", r, "15", k, k) OP3("vmulps", r, "14", k, A) OP3("vsubps", r, "15", A, A) \
    OP3("vfmadd231ps", r, "14", A, k) OP3("vfmadd231ps", r, "15", A, k) SQUARE(r, k) \
    DEGREE4(r) OP3("vfmadd213ps", r, "15", A, k) EACH("vpslld $23, %%" r "mm15, %%" r "mm" A) \
    OP3("vsubps", r, "14", A, B) \
    OP3("vfmadd231ps", r, A, k, B) OP3("vaddps", r, "15", B, A) \
    OP3("vdivps", r, A, B, k)
#define TANH512(r, k) TANH_SUM(r, k) EACH("vpternlogd $0xe4, %%" r "mm15, %%" r "mm14, %%" r "mm" k)
#define TANH256(r, k) TANH_SUM(r, k) OP3("vandps", r, "14", k, k) OP3("vorps", r, "15", k, k)
#define FAST_TANH512(r, k) RATIONAL(r, k, DEGREE3, DEGREE3, BY_ESTIMATE)
#define FAST_TANH256(r, k) RATIONAL(r, k, DEGREE3, DEGREE3, QUOTIENT)
#define ERF_(r, k) RATIONAL(r, k, DEGREE6, DEGREE5, QUOTIENT) BOUND_TO_ONE(r, k)
#define FAST_ERF512(r, k) RATIONAL(r, k, DEGREE4, DEGREE3, BY_ESTIMATE)
#define FAST_ERF256(r, k) RATIONAL(r, k, DEGREE4, DEGREE3, QUOTIENT)
/* exponent and mantissa, made to lie around 1, f = m - 1, f^2, f P(f) - 1/2, n ln 2 in two parts */
#define LOG_SUM(r, k) OP3("vmulps", r, "15", k, A) OP3("vaddps", r, "15", B, B) \
    OP3("vsubps", r, "15", A, A) SQUARE(r, k) DEGREE7(r) OP3("vfmadd213ps", r, "15", A, B) \
    OP3("vmulps", r, "14", k, k) OP3("vfmadd231ps", r, A, B, k) \
    OP3("vaddps", r, A, k, k) OP3("vfmadd213ps", r, "15", "14", k)
#define LOG512(r, k) OP2("vgetexpps", r, "14", B) EACH("vgetmantps $0, %%" r "mm14, %%" r "mm" k) \
    LOG_SUM(r, k) EACH("vfixupimmps $0, %%" r "mm15, %%" r "mm14, %%" r "mm" k)
#define LOG256(r, k) OP3("vpsubd", r, "14", "15", k) EACH("vpsrad $23, %%" r "mm" k ", %%" r "mm" B) \
    OP3("vpsubd", r, B, "14", k) OP2("vcvtdq2ps", r, B, B) LOG_SUM(r, k)

/* |x|, t = |x| 2/pi + magic, r in three steps, its square, r^3, both sums; which of them by the lowest
 * bit of t, the sign by the next. Angles beyond 2^18 are another matter. */
#define ANGLE(r, k) OP3("vmulps", r, "14", k, A) OP3("vsubps", r, "15", A, B) \
    OP3("vfmadd231ps", r, "14", B, k) OP3("vfmadd231ps", r, "15", B, k) \
    OP3("vfmadd231ps", r, "14", B, k) OP3("vmulps", r, k, k, B) OP3("vmulps", r, B, k, k) \
    OP3("vfmadd213ps", r, "15", B, k) OP3("vfmadd213ps", r, "14", B, k) \
    OP3("vfmadd213ps", r, "15", B, k) DEGREE4(r)
#define ANGLE512(r, k) OP3("vpandd", r, "14", "15", k) ANGLE(r, k) \
    EACH("vptestmd %%" r "mm" A ", %%" r "mm15, %%k1") \
    EACH("vblendmps %%" r "mm" B ", %%" r "mm" k ", %%" r "mm" k "%{%%k1%}") \
    EACH("vpslld $30, %%" r "mm" A ", %%" r "mm" A)
#define ANGLE256(r, k) OP3("vandps", r, "14", "15", k) ANGLE(r, k) \
    EACH("vpslld $31, %%" r "mm" A ", %%" r "mm" A) \
    EACH("vblendvps %%" r "mm" A ", %%" r "mm" B ", %%" r "mm" k ", %%" r "mm" k) \
    EACH("vpslld $30, %%" r "mm" A ", %%" r "mm" A)
#define TERNARY(I, r, a, b, d) EACH("vpternlogd " I ", %%" r "mm" a ", %%" r "mm" b ", %%" r "mm" d)
#define SIN512(r, k) ANGLE512(r, k) TERNARY("$0x60", r, "14", "15", A) OP3("vpxord", r, A, k, k)
#define SIN256(r, k) ANGLE256(r, k) OP3("vxorps", r, "14", A, A) \
    OP3("vandps", r, "15", A, A) OP3("vxorps", r, A, k, k)
#define COS512(r, k) ANGLE512(r, k) OP3("vpaddd", r, "15", A, A) TERNARY("$0x6c", r, A, "15", k)
#define COS256(r, k) ANGLE256(r, k) OP3("vpaddd", r, "15", A, A) \
    OP3("vandps", r, "15", A, A) OP3("vxorps", r, A, k, k)
/* |x|, the smaller of it and 1 over the larger (which AVX-512 divides by only where it is not 1), its
 * square, t + t^3 P; beyond 1 what that is from pi/2; the sign */
#define ATAN_SUM(r, k) OP3("vmulps", r, A, A, A) DEGREE7(r) OP3("vmulps", r, A, B, B) \
    OP3("vfmadd213ps", r, A, B, k)
#define ATAN512(r, k) OP3("vpandd", r, "14", "15", k) EACH("vcmpltps %%" r "mm14, %%" r "mm" k ", %%k1") \
    OP3("vminps", r, "14", k, A) EACH("vdivps %%" r "mm" k ", %%" r "mm" A ", %%" r "mm" A "%{%%k1%}") \
    ATAN_SUM(r, k) EACH("vsubps %%" r "mm" k ", %%" r "mm15, %%" r "mm" k "%{%%k1%}") \
    TERNARY("$0xe4", r, "15", "14", k)
#define ATAN256(r, k) OP3("vandps", r, "14", "15", k) OP3("vminps", r, "14", k, A) \
    OP3("vmaxps", r, "15", k, B) OP3("vdivps", r, B, A, A) ATAN_SUM(r, k) OP3("vcmpltps", r, "14", k, A) \
    OP3("vsubps", r, k, "15", B) \
    EACH("vblendvps %%" r "mm" A ", %%" r "mm" B ", %%" r "mm" k ", %%" r "mm" k) \
    OP3("vandps", r, "14", "15", A) OP3("vorps", r, A, k, k)

#define FROM_F16_512(r, k) "vcvtph2ps %%ymm14, %%zmm" k "\n\t"
#define FROM_F16_256(r, k) "vcvtph2ps %%xmm14, %%ymm" k "\n\t"
#define TO_F16_512(r, k) "vcvtps2ph $0, %%zmm14, %%ymm" k "\n\t"
#define TO_F16_256(r, k) "vcvtps2ph $0, %%ymm14, %%xmm" k "\n\t"
#define FROM_BF16_512(r, k) "vpmovzxwd %%ymm14, %%zmm" k "\n\tvpslld $16, %%zmm" k ", %%zmm" k "\n\t"
#define FROM_BF16_256(r, k) "vpmovzxwd %%xmm14, %%ymm" k "\n\tvpslld $16, %%ymm" k ", %%ymm" k "\n\t"
/* rounded to even by integers, NaN apart */
#define TO_BF16_512(r, k) "vpsrld $16, %%zmm14, %%zmm12\n\tvpandd %%zmm15, %%zmm12, %%zmm12\n\t" \
    "vpaddd %%zmm14, %%zmm12, %%zmm12\n\tvpaddd %%zmm15, %%zmm12, %%zmm12\n\t" \
    "vpsrld $16, %%zmm12, %%zmm12\n\tvpmovdw %%zmm12, %%ymm" k "\n\t"
#define TO_BF16_256(r, k) "vpsrld $16, %%ymm14, %%ymm12\n\tvpand %%ymm15, %%ymm12, %%ymm12\n\t" \
    "vpaddd %%ymm14, %%ymm12, %%ymm12\n\tvpaddd %%ymm15, %%ymm12, %%ymm12\n\t" \
    "vpsrld $16, %%ymm12, %%ymm12\n\tvpackusdw %%ymm12, %%ymm12, %%ymm" k "\n\t"
/* bytes by way of 32 bits */
#define FROM_I8_512(r, k) "vpmovsxbd %%xmm14, %%zmm" k "\n\tvcvtdq2ps %%zmm" k ", %%zmm" k "\n\t"
#define FROM_I8_256(r, k) "vpmovsxbd %%xmm14, %%ymm" k "\n\tvcvtdq2ps %%ymm" k ", %%ymm" k "\n\t"

#define BOTH(name, I512, I256) LOOP(name##512, I512, "z") LOOP(name##256, I256, "y")
BOTH(add, ADD_, ADD_)
BOTH(add_fma, ADD_FMA, ADD_FMA)
BOTH(extreme, EXTREME_, EXTREME_)
BOTH(div, DIV_, DIV_)
BOTH(sqrt, SQRT_, SQRT_)
BOTH(shuffle, SHUFFLE_, SHUFFLE_)
BOTH(from_f16, FROM_F16_512, FROM_F16_256)
BOTH(to_f16, TO_F16_512, TO_F16_256)
BOTH(from_bf16, FROM_BF16_512, FROM_BF16_256)
BOTH(to_bf16, TO_BF16_512, TO_BF16_256)
BOTH(from_i8, FROM_I8_512, FROM_I8_256)
#define FUNCTIONS \
    BOTH(exp, EXP512, EXP256) \
    BOTH(fast_exp, FAST_EXP512, FAST_EXP256) \
    BOTH(log, LOG512, LOG256) \
    BOTH(tanh, TANH512, TANH256) \
    BOTH(fast_tanh, FAST_TANH512, FAST_TANH256) \
    BOTH(sigmoid, SIGMOID512, SIGMOID256) \
    BOTH(fast_sigmoid, FAST_SIGMOID512, FAST_SIGMOID256) \
    BOTH(erf, ERF_, ERF_) \
    BOTH(fast_erf, FAST_ERF512, FAST_ERF256) \
    BOTH(sine, SIN512, SIN256) \
    BOTH(cosine, COS512, COS256) \
    BOTH(arctangent, ATAN512, ATAN256)
FUNCTIONS

/* Several instances side by side: each instruction for all of them before the next. Where an instance
 * takes longer than a processor looks ahead it is the faster way. The assembler writes them out. */
#undef A
#undef B
#undef EACH
#undef BOTH
#define A "\\a"
#define B "\\b"
#define EACH(text) ".macro each k, a, b\n\t" text "\n\t.endm\n\t" SETS ".purgem each\n\t"
#define SET(k, a, b) "each " k ", " a ", " b "\n\t"
#define TWO SET("0", "4", "8") SET("1", "5", "9")
#define THREE TWO SET("2", "6", "10")
#define FOUR THREE SET("3", "7", "11")
#define SIX SET("0", "16", "24") SET("1", "17", "25") SET("2", "18", "26") SET("3", "19", "27") \
    SET("4", "20", "28") SET("5", "21", "29")
#define EIGHT SIX SET("6", "22", "30") SET("7", "23", "31")
#define THREE_OF(x) x x x
#define FOUR_OF(x) x THREE_OF(x)
#define SIX_OF(x) THREE_OF(x) THREE_OF(x)
#define EIGHT_OF(x) FOUR_OF(x) FOUR_OF(x)
#define TWELVE_OF(x) SIX_OF(x) SIX_OF(x)

#define SETS TWO
#define BOTH(name, I512, I256) LOOP_OF(name##512x2, TWELVE_OF(I512("z", "\\k")), "z") \
    LOOP_OF(name##256x2, TWELVE_OF(I256("y", "\\k")), "y")
FUNCTIONS
#undef SETS
#undef BOTH
#define SETS THREE
#define BOTH(name, I512, I256) LOOP_OF(name##512x3, EIGHT_OF(I512("z", "\\k")), "z") \
    LOOP_OF(name##256x3, EIGHT_OF(I256("y", "\\k")), "y")
FUNCTIONS
#undef SETS
#undef BOTH
#define SETS FOUR
#define BOTH(name, I512, I256) LOOP_OF(name##512x4, SIX_OF(I512("z", "\\k")), "z") \
    LOOP_OF(name##256x4, SIX_OF(I256("y", "\\k")), "y")
FUNCTIONS
#undef SETS
#undef BOTH
#define SETS SIX
#define BOTH(name, I512, I256) LOOP_OF(name##512x6, FOUR_OF(I512("z", "\\k")), "z")
FUNCTIONS
#undef SETS
#undef BOTH
#define SETS EIGHT
#define BOTH(name, I512, I256) LOOP_OF(name##512x8, THREE_OF(I512("z", "\\k")), "z")
FUNCTIONS
/* clang-format on */

static const rate_loop loops[] = {
#define LOOP512(NAME, loop, per, how) {RATE_##NAME, {loop, INSTANCES * 16 * (per), how}, true},
#define LOOP256(NAME, loop, per, how) {RATE_##NAME, {loop, INSTANCES * 8 * (per), how}, false},
#define RATE_TOO(NAME, loop, per, how) \
    LOOP512(NAME, loop##512, per, how) LOOP256(NAME, loop##256, per, how)
#define RATE(NAME, text, loop, per, how) RATE_TOO(NAME, loop, per, how)
#define FUNCTION(NAME, text, loop, how)         \
    RATE_TOO(NAME, loop, 1, how)                \
    LOOP512(NAME, loop##512x2, 1, how ", by 2") \
    LOOP256(NAME, loop##256x2, 1, how ", by 2") \
    LOOP512(NAME, loop##512x3, 1, how ", by 3") \
    LOOP256(NAME, loop##256x3, 1, how ", by 3") \
    LOOP512(NAME, loop##512x4, 1, how ", by 4") \
    LOOP256(NAME, loop##256x4, 1, how ", by 4") \
    LOOP512(NAME, loop##512x6, 1, how ", by 6") \
    LOOP512(NAME, loop##512x8, 1, how ", by 8")
#include "bench/rates.def"
#undef RATE
#undef RATE_TOO
};

static bool can_run(const rate_loop *l)
{
    return l->wide ? __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
                   : __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx2") &&
                         __builtin_cpu_supports("f16c");
}

const rate_loop *versus_rate_loop(unsigned k)
{
    for (size_t q = 0; q < HONE_LEN(loops); q++)
        if (can_run(&loops[q]) && k-- == 0)
            return &loops[q];
    return NULL;
}

#else

const rate_loop *versus_rate_loop(unsigned k)
{
    (void)k;
    return NULL;
}

#endif
