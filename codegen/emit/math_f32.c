/* Elementary functions of float, in the form that ir/functions.def states the error of, and in the
 * fast one. Straight-line code, scalar or vector; NaN, infinities and signed zeros need no code of
 * their own but in log.
 *
 *   exp       x = n ln 2 + r by Cody and Waite (Muller et al., Handbook of Floating-Point
 *             Arithmetic, 2nd ed., sec. 10.2): n times the upper part of ln 2 is exact; e^r is a
 *             polynomial. With a table in a register (AVX-512) n is in sixteenths, whose powers
 *             the table has (Tang, "Table-driven implementation of the exponential function in
 *             IEEE floating-point arithmetic", ACM TOMS 15(2), 1989), and e^r takes four terms.
 *             Without one n is rounded up, so that one multiplication by a power of two makes
 *             each result that is normal, and infinity; smaller ones become 0.
 *             Fast: e^x = 2^t with t = x log2 e, whose rounding costs the more the larger x is.
 *   log       x = m 2^n, m around 1; f + f^2 (f P(f) - 1/2) with f = m - 1, and n ln 2 in two parts
 *   sigmoid   1 / (1 + e^-x)
 *   tanh      t / (t + 2), t = e^(2x) - 1
 *   erf       x (1 + P(x^2)) / Q(x^2) up to where float knows nothing but 1: no exp, no branch. The
 *             coefficients are positive but for some small ones, so that little cancels. So, in
 *             the fast form, is tanh.
 *   sin, cos  |x| = n pi/2 + r by Cody and Waite: r + r^3 S(r^2), or 1 + r^2 C(r^2)
 *   atan      t + t^3 P(t^2), t the smaller of |x| and 1 / |x|; beyond 1 pi/2 less that
 *
 * Coefficients: minimax.def, made by minimax.py. */
#include "codegen/emit/real.h"

#include <math.h>

#define MINIMAX(name, from, to, error, ...) static const double name[] = {__VA_ARGS__};
#define END(name, x) static const double name = x;
#include "codegen/emit/minimax.def"
#undef MINIMAX
#undef END
#define OF(c) (c), (int)HONE_LEN(c)

#define EXP_REST ((int)HONE_LEN(exp_unit) - 2) /* (e^r - 1 - r) / r^2 */

#define MAGIC 0x1.8p23 /* a float plus it is rounded to a whole number, which is its low bits */

/* The float whose exponent, bias included, is in the low bits of i: from 0 on, which gives 0, to
 * 255, infinity. */
static LLVMValueRef exponent(cg *e, LLVMValueRef i)
{
    LLVMTypeRef type = hone_cg__like(e->f32, LLVMTypeOf(i));
    return LLVMBuildBitCast(e->b, shifted(e, i, 23), type, "");
}

/* 2^n of t = n + MAGIC + 127. */
static LLVMValueRef power_of_two(cg *e, LLVMValueRef t)
{
    return exponent(e, bits_of(e, t));
}

/* x - n ln 2: n times the upper part is exact. */
static LLVMValueRef less_ln2(cg *e, LLVMValueRef x, LLVMValueRef n)
{
    LLVMValueRef r = hone_cg__fma(e, n, k(x, -0x1.62e4p-1), x);
    return hone_cg__fma(e, n, k(x, -0x1.7f7d1cf79abcap-20), r);
}

/* x = n ln 2 + r, n a multiple of the last place of `magic` and |r| at most half of ln 2 times
 * that; returns r, and n + magic. */
static LLVMValueRef reduce_exp(cg *e, LLVMValueRef x, double magic, LLVMValueRef *ret_t)
{
    LLVMValueRef t = hone_cg__fma(e, x, k(x, 1 / M_LN2), k(x, magic));
    *ret_t = t;
    return less_ln2(e, x, sub(e, t, k(x, magic)));
}

/* n in sixteenths: the lowest bits are a place in the table */
#define MAGIC_TABLE (MAGIC / HONE_CG__TABLE)

/* 2^n e^r, the power between 1 and 2 from a table; the whole number below n is left for the
 * exponent. NULL: not for these lanes or this target. */
static LLVMValueRef exp_by_table(cg *e, LLVMValueRef x)
{
    double powers[HONE_CG__TABLE];
    if (!hone_cg__has_lookup(e, LLVMTypeOf(x))) {
        return NULL;
    }
    for (int i = 0; i < HONE_CG__TABLE; i++) {
        powers[i] = exp2((double)i / HONE_CG__TABLE);
    }
    LLVMValueRef t, r = reduce_exp(e, x, MAGIC_TABLE, &t);
    LLVMValueRef power = hone_cg__lookup(e, powers, bits_of(e, t));
    LLVMValueRef slope = polynomial(e, r, exp_sixteenth + 1, (int)HONE_LEN(exp_sixteenth) - 1);
    LLVMValueRef p = hone_cg__fma(e, mul(e, power, r), slope, power);
    return hone_cg__scaled(e, p, sub(e, t, k(x, MAGIC_TABLE)));
}

/* A little less than 1/2, so that rounding never makes r less than -ln 2, where a unit of the
 * result is half as large, and yet the smallest normal result does not become 0. */
#define ALMOST_HALF 0x1.fffeep-2

/* 2^n e^r with r from -ln 2 to 0, so that n is -125 for the smallest normal result and 128 for the
 * largest: as many numbers as there are powers of two. Of what is twice e^r that of n - 1 is taken,
 * whose exponent, bias included, is in the low bits of t: 0 below, infinity above. r is twice as
 * long as it need be, so that products must not be rounded. */
static LLVMValueRef exp_at_most(cg *e, LLVMValueRef x)
{
    LLVMValueRef c = bounded(e, x, -88, 89), magic = k(x, MAGIC + 126);
    LLVMValueRef t = add(e, hone_cg__fma(e, c, k(x, 1 / M_LN2), k(x, ALMOST_HALF)), magic);
    LLVMValueRef r = less_ln2(e, c, sub(e, t, magic));
    return mul(e, polynomial(e, r, OF(exp_down)), power_of_two(e, t));
}

static LLVMValueRef exp_precise(cg *e, LLVMValueRef x)
{
    /* Beyond these bounds the result is 0 or infinity. */
    LLVMValueRef c = bounded(e, x, -104, 89), by_table = exp_by_table(e, c), t;
    if (by_table) {
        return by_table;
    }
    LLVMValueRef r = reduce_exp(e, c, MAGIC, &t), p = polynomial(e, r, OF(exp_unit));
    LLVMValueRef once = hone_cg__scaled(e, p, sub(e, t, k(x, MAGIC)));
    if (once || e->g->has_fma) {
        return once ? once : exp_at_most(e, x);
    }
    /* in two halves, so that each is normal whatever the result is */
    LLVMValueRef i = bits_of(e, t);
    i = LLVMBuildSub(e->b, i, bits_of(e, k(x, MAGIC - 2 * 127)), "");
    LLVMValueRef half = shifted(e, i, -1), other = LLVMBuildSub(e->b, i, half, "");
    return mul(e, mul(e, p, exponent(e, half)), exponent(e, other));
}

/* By AVX-512's instructions 2^t is a polynomial of what is left of t above the whole number below
 * it. They know what becomes of infinities. NULL: not for these lanes or this target. */
static LLVMValueRef exp_at_once(cg *e, LLVMValueRef x)
{
    LLVMValueRef t = mul(e, x, k(x, 1 / M_LN2)), f = hone_cg__reduce(e, t);
    return f ? hone_cg__scaled(e, polynomial(e, f, OF(exp2_up)), t) : NULL;
}

static LLVMValueRef exp_fast(cg *e, LLVMValueRef x)
{
    LLVMValueRef once = exp_at_once(e, x);
    if (once || !e->g->has_fma) { /* without it the product would be rounded again */
        return once ? once : exp_precise(e, x);
    }
    LLVMValueRef c = bounded(e, x, -87.5, 89), by = k(x, 1 / M_LN2), magic = k(x, MAGIC + 126);
    LLVMValueRef t = hone_cg__fma(e, c, by, magic), n = sub(e, t, magic);
    LLVMValueRef f = hone_cg__fma(e, c, by, LLVMBuildFNeg(e->b, n, ""));
    /* twice 2^f times 2^(n-1), so that n = 128 needs nothing; n = -126 becomes 0 */
    return mul(e, polynomial(e, f, OF(exp2_twice)), power_of_two(e, t));
}

LLVMValueRef hone_cg__exp_f32(cg *e, LLVMValueRef x, bool fast)
{
    return fast ? exp_fast(e, x) : exp_precise(e, x);
}

/* x = m 2^n with m in [sqrt(1/2), sqrt(2)); returns m - 1. By AVX-512, or by bits. */
static LLVMValueRef reduce_log(cg *e, LLVMValueRef x, LLVMValueRef *ret_n)
{
    LLVMValueRef m = hone_cg__getmant(e, x), one = k(x, 1);
    if (m) {
        LLVMValueRef above = less(e, k(x, M_SQRT2), m), n = hone_cg__getexp(e, x);
        *ret_n = pick(e, above, add(e, n, one), n);
        return sub(e, pick(e, above, mul(e, m, k(x, 0.5)), m), one);
    }
    LLVMValueRef tiny = less(e, x, k(x, 0x1p-126)); /* subnormal: scale up */
    LLVMValueRef u = bits_of(e, pick(e, tiny, mul(e, x, k(x, 0x1p24)), x));
    LLVMValueRef root = hone_cg__int_like(LLVMTypeOf(u), 0x3f3504f3);
    LLVMValueRef p = shifted(e, LLVMBuildSub(e->b, u, root, ""), -23);
    u = LLVMBuildSub(e->b, u, shifted(e, p, 23), "");
    LLVMValueRef n = LLVMBuildSIToFP(e->b, p, LLVMTypeOf(x), "");
    *ret_n = sub(e, n, pick(e, tiny, k(x, 24), k(x, 0)));
    return sub(e, LLVMBuildBitCast(e->b, u, LLVMTypeOf(x), ""), one);
}

/* From the lowest: of NaN it (2, twice), of zero -inf (4), of 1 and other numbers above 0 what was
 * computed (0), of what is below 0 NaN (3), of infinity it (5). */
#define LOG_OF_EDGES 0x03530422

LLVMValueRef hone_cg__log_f32(cg *e, LLVMValueRef x)
{
    LLVMValueRef n, f = reduce_log(e, x, &n), z = mul(e, f, f), zero = k(x, 0);
    LLVMValueRef t = hone_cg__fma(e, f, polynomial(e, f, OF(log_rest)), k(x, -0.5));
    t = hone_cg__fma(e, z, t, mul(e, n, k(x, 0x1.7f7d1cf79abcap-20)));
    t = hone_cg__fma(e, n, k(x, 0x1.62e4p-1), add(e, f, t));
    LLVMValueRef once = hone_cg__fixup(e, t, x, LOG_OF_EDGES);
    if (once) {
        return once;
    }
    t = pick(e, less(e, x, k(x, (double)INFINITY)), t, x); /* infinity and NaN stay */
    LLVMValueRef below = pick(e, equal(e, x, zero), k(x, -(double)INFINITY), k(x, (double)NAN));
    return pick(e, LLVMBuildFCmp(e->b, LLVMRealOLE, x, zero, ""), below, t);
}

/* a / b; fast: by an estimate of 1 / b, improved by a step of Newton's, if there is one. */
static LLVMValueRef quotient(cg *e, LLVMValueRef a, LLVMValueRef b, bool fast)
{
    LLVMValueRef r = fast ? hone_cg__rcp14(e, b) : NULL, one = k(b, 1);
    if (!r) {
        return quot(e, a, b);
    }
    LLVMValueRef off = hone_cg__fma(e, LLVMBuildFNeg(e->b, b, ""), r, one);
    return mul(e, a, hone_cg__fma(e, r, off, r));
}

LLVMValueRef hone_cg__sigmoid_f32(cg *e, LLVMValueRef x, bool fast)
{
    LLVMValueRef one = k(x, 1), minus = LLVMBuildFNeg(e->b, x, "");
    LLVMValueRef q = add(e, hone_cg__exp_f32(e, minus, fast), one), most = k(x, 0x1p125);
    if (fast) { /* that its reciprocal is a number, and normal */
        q = pick(e, less(e, most, q), most, q);
    }
    return quotient(e, one, q, fast);
}

/* x (1 + p(x^2)) / q(x^2) for |x| up to `end`, from where on it stays what it is. */
static LLVMValueRef rational(cg *e, LLVMValueRef x, double end, const double *p, int n_p,
                             const double *q, int n_q, bool fast)
{
    LLVMValueRef c = bounded(e, x, -end, end), z = mul(e, c, c);
    LLVMValueRef above = hone_cg__fma(e, c, polynomial(e, z, p, n_p), c);
    return quotient(e, above, polynomial(e, z, q, n_q), fast);
}

/* t / (t + 2) with t = e^(2x) - 1, whose leading term is not rounded; near 1 a rational function
 * would be off by more. */
static LLVMValueRef tanh_precise(cg *e, LLVMValueRef x)
{
    LLVMValueRef s, one = k(x, 1), c = bounded(e, add(e, x, x), -30, 30);
    LLVMValueRef r = reduce_exp(e, c, MAGIC + 127, &s), scale = power_of_two(e, s);
    LLVMValueRef m = hone_cg__fma(e, mul(e, r, r), polynomial(e, r, exp_unit + 2, EXP_REST), r);
    LLVMValueRef t = hone_cg__fma(e, scale, m, sub(e, scale, one));
    t = quot(e, t, add(e, t, k(x, 2)));
    return with_sign_of(e, t, x); /* of 0 */
}

LLVMValueRef hone_cg__tanh_f32(cg *e, LLVMValueRef x, bool fast)
{
    return fast ? rational(e, x, tanh_fast_end, OF(tanh_fast_p), OF(tanh_fast_q), true)
                : tanh_precise(e, x);
}

LLVMValueRef hone_cg__erf_f32(cg *e, LLVMValueRef x, bool fast)
{
    return fast ? rational(e, x, erf_fast_end, OF(erf_fast_p), OF(erf_fast_q), true)
                : bounded(e, rational(e, x, erf_end, OF(erf_p), OF(erf_q), false), -1, 1);
}

/* ---- angles ------------------------------------------------------------------------------------
 */

/* pi/2 in parts of 24 bits. By fused multiply-adds the first step is exact: what is left is a
 * multiple of the last place of either, and below 1. The others are rounded to places of what is
 * left, which is 2^-28 or more for angles up to HONE_CG__NEAR_ANGLE; what n times a fourth part
 * would add is less than 2^-58. */
static const double half_pi[] = {0x1.921fb6p+0, -0x1.777a5cp-25, -0x1.ee59dap-50};

LLVMValueRef hone_cg__turned_f32(cg *e, LLVMValueRef x, int turns)
{
    LLVMValueRef r = absolute(e, x), one = k(x, 1);
    LLVMValueRef t = hone_cg__fma(e, r, k(x, M_2_PI), k(x, MAGIC)), n = sub(e, t, k(x, MAGIC));
    for (size_t i = 0; i < HONE_LEN(half_pi); i++) {
        r = hone_cg__fma(e, n, k(x, -half_pi[i]), r);
    }
    LLVMValueRef z = mul(e, r, r);
    LLVMValueRef s =
        hone_cg__fma(e, mul(e, r, z), polynomial(e, z, sine + 1, (int)HONE_LEN(sine) - 1), r);
    LLVMValueRef c =
        hone_cg__fma(e, z, polynomial(e, z, cosine + 1, (int)HONE_LEN(cosine) - 1), one);
    LLVMValueRef q = bits_of(e, t), odd, sign;
    LLVMTypeRef bits = LLVMTypeOf(q);
    q = LLVMBuildAdd(e->b, q, hone_cg__int_like(bits, turns), "");
    odd = LLVMBuildAnd(e->b, q, hone_cg__int_like(bits, 1), "");
    odd = LLVMBuildICmp(e->b, LLVMIntNE, odd, hone_cg__int_like(bits, 0), "");
    sign = shifted(e, q, 30); /* of half a turn more */
    sign = turns ? sign : LLVMBuildXor(e->b, sign, bits_of(e, x), "");
    sign = LLVMBuildAnd(e->b, sign, hone_cg__int_like(bits, INT32_MIN), "");
    q = LLVMBuildXor(e->b, bits_of(e, pick(e, odd, c, s)), sign, "");
    return LLVMBuildBitCast(e->b, q, LLVMTypeOf(x), "");
}

/* One division: of the smaller of 1 and |x| by the larger. */
LLVMValueRef hone_cg__atan_f32(cg *e, LLVMValueRef x)
{
    LLVMValueRef a = absolute(e, x), one = k(x, 1), large = less(e, one, a);
    LLVMValueRef t = quot(e, pick(e, large, one, a), pick(e, large, a, one)), z = mul(e, t, t);
    LLVMValueRef p = polynomial(e, z, arctangent + 1, (int)HONE_LEN(arctangent) - 1);
    LLVMValueRef r = hone_cg__fma(e, mul(e, t, z), p, t);
    r = pick(e, large, sub(e, k(x, M_PI_2), r), r);
    return with_sign_of(e, r, x);
}
