/* The loops that show how fast a processor can do what is not a product: each kind of arithmetic,
 * the elementary functions, conversions. A function's loop is the shortest sequence of instructions
 * known here that computes it as exactly as ir/functions.def promises (codegen/emit/math_f32.c), on
 * registers, with any numbers for coefficients and without the copies that renaming makes free:
 * only the time counts. The first instruction of each sequence reads nothing that an instance
 * before it wrote, so that instances overlap. */
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
/* I is an instruction of two sources and a destination */
#define OP3(I, r, a, b, d) I " %%" r "mm" a ", %%" r "mm" b ", %%" r "mm" d "\n\t"
#define OP2(I, r, a, d) I " %%" r "mm" a ", %%" r "mm" d "\n\t"

#define ADD_(r, k) OP3("vaddps", r, "14", k, k)
/* additions also run as FMA, which some processors have other units for */
#define ADD_FMA(r, k) ADD_(r, k) OP3("vfmadd231ps", r, "14", "15", k)
#define EXTREME_(r, k) OP3("vmaxps", r, "14", k, k)
#define DIV_(r, k) OP3("vdivps", r, "14", "15", k)
#define SQRT_(r, k) OP2("vsqrtps", r, "14", k)
#define SHUFFLE_(r, k) OP3("vpermps", r, "14", "15", k)

/* x within bounds; x^2; a polynomial of 12 in 13, whose first FMA is as good as a product */
#define BOUNDED(r, k) OP3("vmaxps", r, "14", "15", k) OP3("vminps", r, "15", k, k)
#define BOUND_TO_ONE(r, k) OP3("vmaxps", r, "14", k, k) OP3("vminps", r, "15", k, k)
#define SQUARE(r, k) OP3("vmulps", r, k, k, "12")
#define FIRST(r) OP3("vmulps", r, "14", "12", "13")
#define NEXT(r) OP3("vfmadd213ps", r, "15", "12", "13")
#define DEGREE3(r) FIRST(r) NEXT(r) NEXT(r)
#define DEGREE4(r) DEGREE3(r) NEXT(r)
#define DEGREE5(r) DEGREE4(r) NEXT(r)
#define DEGREE6(r) DEGREE5(r) NEXT(r)
#define DEGREE7(r) DEGREE6(r) NEXT(r)
#define TIMES_X(r, k) OP3("vmulps", r, "13", k, k)
#define QUOTIENT(r, k) OP3("vdivps", r, "13", k, k)
/* Newton's step from an estimate, and the product */
#define ESTIMATE(r, k) OP2("vrcp14ps", r, "13", "12") OP3("vfnmadd213ps", r, "15", "12", "13") \
    OP3("vfmadd213ps", r, "12", "12", "13")
#define BY_ESTIMATE(r, k) ESTIMATE(r, k) OP3("vmulps", r, "13", k, k)
/* p 2^n by the exponent's bits */
#define BY_BITS(r, k) "vpslld $23, %%" r "mm" k ", %%" r "mm" k "\n\t" \
    OP3("vpaddd", r, "14", k, k) OP3("vmulps", r, "13", k, k)
#define SCALEF(r, k) OP3("vscalefps", r, k, "13", k)

/* n, r in two steps, of degree 6 */
#define EXP_SUM(r, k) BOUNDED(r, k) OP3("vmulps", r, "14", k, "12") OP3("vsubps", r, "15", "12", "12") \
    OP3("vfmadd231ps", r, "14", "12", k) OP3("vfmadd231ps", r, "15", "12", k) DEGREE6(r)
#define EXP512(r, k) EXP_SUM(r, k) SCALEF(r, k)
#define EXP256(r, k) EXP_SUM(r, k) BY_BITS(r, k)
#define FAST_EXP512(r, k) OP3("vmulps", r, "14", "15", k) \
    "vreduceps $9, %%" r "mm" k ", %%" r "mm12\n\t" DEGREE5(r) SCALEF(r, k)
#define FAST_EXP256(r, k) BOUNDED(r, k) OP3("vmulps", r, "14", k, "12") \
    OP3("vsubps", r, "15", "12", "12") OP3("vfmsub231ps", r, "14", k, "12") DEGREE5(r) BY_BITS(r, k)
#define ONE_AND(r, k) OP3("vaddps", r, "14", k, "13")
#define BELOW(r) OP3("vminps", r, "15", "13", "13")
#define SIGMOID512(r, k) EXP512(r, k) ONE_AND(r, k) QUOTIENT(r, k)
#define SIGMOID256(r, k) EXP256(r, k) ONE_AND(r, k) QUOTIENT(r, k)
#define FAST_SIGMOID512(r, k) FAST_EXP512(r, k) ONE_AND(r, k) BELOW(r) ESTIMATE(r, k)
#define FAST_SIGMOID256(r, k) FAST_EXP256(r, k) ONE_AND(r, k) QUOTIENT(r, k)
#define RATIONAL(r, k, P, Q, OVER) BOUNDED(r, k) SQUARE(r, k) P(r) TIMES_X(r, k) Q(r) OVER(r, k)
/* twice x, r, its square, e^(2x) - 1 from both parts, t / (t + 2), the sign */
#define TANH_SUM(r, k) OP3("vaddps", r, "14", "15", k) OP3("vmaxps", r, "14", k, k) \
    OP3("vminps", r, "15", k, k) OP3("vmulps", r, "14", k, "12") OP3("vsubps", r, "15", "12", "12") \
    OP3("vfmadd231ps", r, "14", "12", k) OP3("vfmadd231ps", r, "15", "12", k) SQUARE(r, k) \
    DEGREE4(r) OP3("vfmadd213ps", r, "15", "12", k) OP3("vpaddd", r, "14", "15", "12") \
    "vpslld $23, %%" r "mm12, %%" r "mm12\n\t" OP3("vsubps", r, "14", "12", "13") \
    OP3("vfmadd231ps", r, "12", k, "13") OP3("vaddps", r, "15", "13", "12") \
    OP3("vdivps", r, "12", "13", k)
#define TANH512(r, k) TANH_SUM(r, k) "vpternlogd $0xe4, %%" r "mm15, %%" r "mm14, %%" r "mm" k "\n\t"
#define TANH256(r, k) TANH_SUM(r, k) OP3("vandps", r, "14", k, k) OP3("vorps", r, "15", k, k)
#define FAST_TANH512(r, k) RATIONAL(r, k, DEGREE3, DEGREE3, BY_ESTIMATE)
#define FAST_TANH256(r, k) RATIONAL(r, k, DEGREE3, DEGREE3, QUOTIENT)
#define ERF_(r, k) RATIONAL(r, k, DEGREE6, DEGREE5, QUOTIENT) BOUND_TO_ONE(r, k)
#define FAST_ERF512(r, k) RATIONAL(r, k, DEGREE4, DEGREE3, BY_ESTIMATE)
#define FAST_ERF256(r, k) RATIONAL(r, k, DEGREE4, DEGREE3, QUOTIENT)
/* exponent and mantissa, made to lie around 1, f = m - 1, f^2, f P(f) - 1/2, n ln 2 in two parts */
#define LOG_SUM(r, k) OP3("vmulps", r, "15", k, "12") OP3("vaddps", r, "15", "13", "13") \
    OP3("vsubps", r, "15", "12", "12") SQUARE(r, k) DEGREE7(r) OP3("vfmadd213ps", r, "15", "12", "13") \
    OP3("vmulps", r, "14", k, k) OP3("vfmadd231ps", r, "12", "13", k) \
    OP3("vaddps", r, "12", k, k) OP3("vfmadd213ps", r, "15", "14", k)
#define LOG512(r, k) OP2("vgetexpps", r, "14", "13") "vgetmantps $0, %%" r "mm14, %%" r "mm" k "\n\t" \
    LOG_SUM(r, k) "vfixupimmps $0, %%" r "mm15, %%" r "mm14, %%" r "mm" k "\n\t"
#define LOG256(r, k) OP3("vpsubd", r, "14", "15", k) "vpsrad $23, %%" r "mm" k ", %%" r "mm13\n\t" \
    OP3("vpsubd", r, "13", "14", k) OP2("vcvtdq2ps", r, "13", "13") LOG_SUM(r, k)

/* |x|, t = |x| 2/pi + magic, r in three steps, its square, r^3, both sums; which of them by the lowest
 * bit of t, the sign by the next. Angles beyond 2^18 are another matter. */
#define ANGLE(r, k) OP3("vmulps", r, "14", k, "12") OP3("vsubps", r, "15", "12", "13") \
    OP3("vfmadd231ps", r, "14", "13", k) OP3("vfmadd231ps", r, "15", "13", k) \
    OP3("vfmadd231ps", r, "14", "13", k) OP3("vmulps", r, k, k, "13") OP3("vmulps", r, "13", k, k) \
    OP3("vfmadd213ps", r, "15", "13", k) OP3("vfmadd213ps", r, "14", "13", k) \
    OP3("vfmadd213ps", r, "15", "13", k) DEGREE4(r)
#define ANGLE512(r, k) OP3("vpandd", r, "14", "15", k) ANGLE(r, k) \
    "vptestmd %%" r "mm12, %%" r "mm15, %%k1\n\t" \
    "vblendmps %%" r "mm13, %%" r "mm" k ", %%" r "mm" k "%{%%k1%}\n\t" \
    "vpslld $30, %%" r "mm12, %%" r "mm12\n\t"
#define ANGLE256(r, k) OP3("vandps", r, "14", "15", k) ANGLE(r, k) \
    "vpslld $31, %%" r "mm12, %%" r "mm12\n\t" \
    "vblendvps %%" r "mm12, %%" r "mm13, %%" r "mm" k ", %%" r "mm" k "\n\t" \
    "vpslld $30, %%" r "mm12, %%" r "mm12\n\t"
#define TERNARY(I, r, a, b, d) "vpternlogd " I ", %%" r "mm" a ", %%" r "mm" b ", %%" r "mm" d "\n\t"
#define SIN512(r, k) ANGLE512(r, k) TERNARY("$0x60", r, "14", "15", "12") OP3("vpxord", r, "12", k, k)
#define SIN256(r, k) ANGLE256(r, k) OP3("vxorps", r, "14", "12", "12") \
    OP3("vandps", r, "15", "12", "12") OP3("vxorps", r, "12", k, k)
#define COS512(r, k) ANGLE512(r, k) OP3("vpaddd", r, "15", "12", "12") TERNARY("$0x6c", r, "12", "15", k)
#define COS256(r, k) ANGLE256(r, k) OP3("vpaddd", r, "15", "12", "12") \
    OP3("vandps", r, "15", "12", "12") OP3("vxorps", r, "12", k, k)
/* |x|, the smaller of it and 1 over the larger, its square, t + t^3 P; beyond 1 what that is from
 * pi/2; the sign */
#define ATAN_SUM(r, k) OP3("vminps", r, "14", k, "12") OP3("vmaxps", r, "15", k, "13") \
    OP3("vdivps", r, "13", "12", "12") OP3("vmulps", r, "12", "12", "12") DEGREE7(r) \
    OP3("vmulps", r, "12", "13", "13") OP3("vfmadd213ps", r, "12", "13", k)
#define ATAN512(r, k) OP3("vpandd", r, "14", "15", k) ATAN_SUM(r, k) \
    "vcmpltps %%" r "mm14, %%" r "mm" k ", %%k1\n\t" \
    "vsubps %%" r "mm" k ", %%" r "mm15, %%" r "mm" k "%{%%k1%}\n\t" TERNARY("$0xe4", r, "15", "14", k)
#define ATAN256(r, k) OP3("vandps", r, "14", "15", k) ATAN_SUM(r, k) OP3("vcmpltps", r, "14", k, "12") \
    OP3("vsubps", r, k, "15", "13") "vblendvps %%" r "mm12, %%" r "mm13, %%" r "mm" k ", %%" r "mm" k \
    "\n\t" OP3("vandps", r, "14", "15", "12") OP3("vorps", r, "12", k, k)

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
BOTH(exp, EXP512, EXP256)
BOTH(fast_exp, FAST_EXP512, FAST_EXP256)
BOTH(log, LOG512, LOG256)
BOTH(tanh, TANH512, TANH256)
BOTH(fast_tanh, FAST_TANH512, FAST_TANH256)
BOTH(sigmoid, SIGMOID512, SIGMOID256)
BOTH(fast_sigmoid, FAST_SIGMOID512, FAST_SIGMOID256)
BOTH(erf, ERF_, ERF_)
BOTH(fast_erf, FAST_ERF512, FAST_ERF256)
BOTH(sine, SIN512, SIN256)
BOTH(cosine, COS512, COS256)
BOTH(arctangent, ATAN512, ATAN256)
BOTH(from_f16, FROM_F16_512, FROM_F16_256)
BOTH(to_f16, TO_F16_512, TO_F16_256)
BOTH(from_bf16, FROM_BF16_512, FROM_BF16_256)
BOTH(to_bf16, TO_BF16_512, TO_BF16_256)
BOTH(from_i8, FROM_I8_512, FROM_I8_256)
/* clang-format on */

static const rate_loop loops[] = {
#define RATE_TOO(NAME, loop, per, how)                             \
    {RATE_##NAME, {loop##512, INSTANCES * 16 * (per), how}, true}, \
        {RATE_##NAME, {loop##256, INSTANCES * 8 * (per), how}, false},
#define RATE(NAME, text, loop, per, how) RATE_TOO(NAME, loop, per, how)
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
