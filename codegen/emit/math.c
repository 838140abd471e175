/* Elementary functions as straight-line code for float or double, scalar or vector: kernels may
 * call no library. Those of float are in math_f32.c, here those of double. Methods:
 * argument reduction by powers of two and a polynomial (exp, expm1), the series of
 * log((1+s)/(1-s)) = 2 (s + s^3/3 + ...) (log), and for erf its Maclaurin series below 1 and above
 * it 1 - exp(-x^2) erfcx(x), with erfcx a Chebyshev fit in 1/(x+3). So are pow, which float takes
 * from double, as it takes sin and cos of large angles: these by their series about the nearest
 * multiple of pi/2, atan by its own about 0, pi/4 and infinity. What they are off by at most is in
 * ir/functions.def. */
#include "codegen/emit/real.h"

#include <math.h>

/* 2^n for whole numbers n (i32) within the normal exponents, as doubles like x. */
static LLVMValueRef power_of_two(cg *e, LLVMValueRef n, LLVMValueRef x)
{
    LLVMTypeRef wide = hone_cg__like(e->i64, LLVMTypeOf(x));
    n = LLVMBuildAdd(e->b, LLVMBuildSExt(e->b, n, wide, ""), hone_cg__int_like(wide, 1023), "");
    return LLVMBuildBitCast(e->b, shifted(e, n, 52), LLVMTypeOf(x), "");
}

/* x = n ln 2 + r with |r| <= ln 2 / 2, n a whole number; returns r. */
static LLVMValueRef reduce_exp(cg *e, LLVMValueRef x, LLVMValueRef *ret_n)
{
    double big = 0x1.8p52; /* adding it rounds to an integer, to nearest even */
    LLVMValueRef n = hone_cg__fma(e, x, k(x, 1 / M_LN2), k(x, big));
    n = sub(e, n, k(x, big));
    /* The upper part has zeros at its end, so that n times it is exact. */
    LLVMValueRef r = hone_cg__fma(e, n, k(x, -0x1.62e42feep-1), x);
    *ret_n = n;
    return hone_cg__fma(e, n, k(x, -0x1.a39ef35793c76p-33), r);
}

/* (e^r - 1 - r) / r^2 by its series. */
static LLVMValueRef exp_rest(cg *e, LLVMValueRef r)
{
    double c[12], f = 1;
    for (int i = 0; i < 12; i++) {
        c[i] = f /= i + 2;
    }
    return polynomial(e, r, c, 12);
}

static LLVMValueRef exp_of(cg *e, LLVMValueRef x)
{
    /* Beyond these bounds the result is 0 or infinity; 2^n is applied in two halves, each normal.
     */
    LLVMValueRef whole, n, c = bounded(e, x, -760, 720);
    LLVMValueRef m = reduce_exp(e, c, &whole), one = k(x, 1);
    LLVMValueRef r = hone_cg__fma(e, hone_cg__fma(e, exp_rest(e, m), m, one), m, one);
    LLVMValueRef once = hone_cg__scaled(e, r, whole);
    if (once) {
        return once; /* NaN has come through */
    }
    n = LLVMBuildFPToSI(e->b, whole, hone_cg__like(e->i32, LLVMTypeOf(x)), "");
    LLVMValueRef half = shifted(e, n, -1), other = LLVMBuildSub(e->b, n, half, "");
    r = mul(e, mul(e, r, power_of_two(e, half, x)), power_of_two(e, other, x));
    return unless_nan(e, x, r);
}

static LLVMValueRef log_of(cg *e, LLVMValueRef x)
{
    LLVMTypeRef type = LLVMTypeOf(x), bits = hone_cg__like(e->i64, type);
    LLVMValueRef tiny = less(e, x, k(x, 0x1p-1022)); /* subnormal: scale up */
    LLVMValueRef u = bits_of(e, pick(e, tiny, mul(e, x, k(x, 0x1p54)), x));
    /* x = m 2^p with m in [sqrt(1/2), sqrt(2)) */
    LLVMValueRef root = hone_cg__int_like(bits, 0x3fe6a09e667f3bcd);
    LLVMValueRef p = shifted(e, LLVMBuildSub(e->b, u, root, ""), -52);
    LLVMValueRef m = LLVMBuildSub(e->b, u, shifted(e, p, 52), "");
    LLVMValueRef f = sub(e, LLVMBuildBitCast(e->b, m, type, ""), k(x, 1));
    p = LLVMBuildTrunc(e->b, p, hone_cg__like(e->i32, type), "");
    LLVMValueRef pf = LLVMBuildSIToFP(e->b, p, type, "");
    pf = sub(e, pf, pick(e, tiny, k(x, 54), k(x, 0)));
    /* log(1+f) = f - f^2/2 + s (f^2/2 + R), s = f / (2+f), R = 2 (s^2/3 + s^4/5 + ...) */
    LLVMValueRef s = quot(e, f, add(e, f, k(x, 2))), z = mul(e, s, s);
    double c[11];
    for (int i = 0; i < 11; i++) {
        c[i] = 2.0 / (2 * i + 3);
    }
    LLVMValueRef r = mul(e, z, polynomial(e, z, c, 11));
    LLVMValueRef h = mul(e, mul(e, f, f), k(x, 0.5));
    LLVMValueRef low = k(x, 0x1.a39ef35793c76p-33);
    LLVMValueRef t = hone_cg__fma(e, pf, low, mul(e, s, add(e, h, r)));
    t = sub(e, f, sub(e, h, t));
    t = hone_cg__fma(e, pf, k(x, 0x1.62e42feep-1), t);
    t = pick(e, less(e, x, k(x, 0)), k(x, (double)NAN), t);
    t = pick(e, equal(e, x, k(x, 0)), k(x, -(double)INFINITY), t);
    t = pick(e, equal(e, x, k(x, (double)INFINITY)), x, t);
    return unless_nan(e, x, t);
}

/* tanh |x| = t / (t + 2) with t = e^(2|x|) - 1, which keeps small results exact. */
static LLVMValueRef tanh_of(cg *e, LLVMValueRef x)
{
    LLVMValueRef y = absolute(e, x), n;
    y = bounded(e, add(e, y, y), 0, 60);
    LLVMValueRef r = reduce_exp(e, y, &n);
    /* the leading term unrounded */
    LLVMValueRef m = hone_cg__fma(e, mul(e, r, r), exp_rest(e, r), r);
    n = LLVMBuildFPToSI(e->b, n, hone_cg__like(e->i32, LLVMTypeOf(x)), "");
    LLVMValueRef scale = power_of_two(e, n, x);
    LLVMValueRef t = hone_cg__fma(e, scale, m, sub(e, scale, k(x, 1)));
    t = quot(e, t, add(e, t, k(x, 2)));
    return unless_nan(e, x, with_sign_of(e, t, x));
}

static LLVMValueRef sigmoid_of(cg *e, LLVMValueRef x)
{
    LLVMValueRef t = exp_of(e, LLVMBuildFNeg(e->b, x, ""));
    return quot(e, k(x, 1), add(e, t, k(x, 1)));
}

/* erfcx(x) on [1, 6] as a polynomial in u = (1/(x+3) - 13/72) / (5/72), by Chebyshev interpolation;
 * relative error 6e-17. */
static const double erfcx[] = {
    0.207983291333428867,     0.154361174294369174,    0.0496984454033941398,
    0.0127131476956921479,    0.00247931469708620014,  0.000331602960576804844,
    0.0000195635831980995251, -2.42555747324700576e-6, -5.54127310709044008e-7,
    4.52670299659700863e-9,   1.13393370612805565e-8,  2.63813306763736186e-10,
    -2.57005042464829219e-10, -6.0468580182030323e-12, 6.04406831844964236e-12,
};

static LLVMValueRef erf_of(cg *e, LLVMValueRef x)
{
    LLVMValueRef a = absolute(e, x), z = mul(e, x, x);
    double c[19], f = M_2_SQRTPI;
    for (int i = 0; i < 19; i++) {
        c[i] = f / (2 * i + 1);
        f /= -(i + 1);
    }
    LLVMValueRef small = mul(e, a, polynomial(e, z, c, 19));
    LLVMValueRef b = bounded(e, a, 1, 6);
    LLVMValueRef u = quot(e, k(x, 1), add(e, b, k(x, 3)));
    u = mul(e, sub(e, u, k(x, 13.0 / 72)), k(x, 72.0 / 5));
    LLVMValueRef p = polynomial(e, u, erfcx, (int)HONE_LEN(erfcx));
    LLVMValueRef g = exp_of(e, LLVMBuildFNeg(e->b, mul(e, b, b), ""));
    LLVMValueRef large = sub(e, k(x, 1), mul(e, g, p));
    LLVMValueRef r = pick(e, less(e, a, k(x, 1)), small, large);
    return unless_nan(e, x, with_sign_of(e, r, x));
}

/* True where y is an integer (odd: and odd); infinities are even ones. */
static LLVMValueRef is_integer(cg *e, LLVMValueRef y, bool odd)
{
    LLVMValueRef whole = equal(e, hone_cg__round(e, HONE_OP_ROUND, y), y);
    if (!odd) {
        return whole;
    }
    LLVMValueRef half = mul(e, y, k(y, 0.5));
    LLVMValueRef split =
        LLVMBuildNot(e->b, equal(e, hone_cg__round(e, HONE_OP_ROUND, half), half), "");
    return LLVMBuildAnd(e->b, whole, split, "");
}

static LLVMValueRef pow_of_double(cg *e, LLVMValueRef x, LLVMValueRef y)
{
    LLVMValueRef a = absolute(e, x), one = k(x, 1);
    LLVMValueRef r = exp_of(e, mul(e, y, log_of(e, a)));
    LLVMValueRef odd = is_integer(e, y, true);
    r = pick(e, odd, with_sign_of(e, r, x), r);
    LLVMValueRef bad = LLVMBuildNot(e->b, is_integer(e, y, false), "");
    bad = LLVMBuildAnd(e->b, bad, less(e, x, k(x, 0)), "");
    LLVMValueRef finite = LLVMBuildFCmp(e->b, LLVMRealONE, a, k(x, (double)INFINITY), "");
    bad = LLVMBuildAnd(e->b, bad, finite, "");
    r = pick(e, bad, k(x, (double)NAN), r);
    LLVMValueRef endless = equal(e, absolute(e, y), k(y, (double)INFINITY));
    r = pick(e, LLVMBuildAnd(e->b, endless, equal(e, a, one), ""), one, r);
    LLVMValueRef unit = LLVMBuildOr(e->b, equal(e, x, one), equal(e, y, k(y, 0)), "");
    return pick(e, unit, one, r);
}

static LLVMValueRef pow_of(cg *e, LLVMValueRef x, LLVMValueRef y)
{
    if (is_double(x)) {
        return pow_of_double(e, x, y);
    }
    LLVMTypeRef wide = hone_cg__like(e->f64, LLVMTypeOf(x));
    LLVMValueRef r =
        pow_of_double(e, LLVMBuildFPExt(e->b, x, wide, ""), LLVMBuildFPExt(e->b, y, wide, ""));
    return LLVMBuildFPTrunc(e->b, r, LLVMTypeOf(x), "");
}

/* ---- angles -----------------------------------------------------------------------------------
 */

/* pi/2 in parts, of which whole numbers below 2^27 times the first three are exact, fused or not:
 * the reduction of Cody and Waite. */
static const double half_pi[] = {0x1.921fb5p+0, 0x1.110b46p-26, 0x1.1a6263p-54,
                                 0x1.8a2e03707344ap-81};

/* sin x for doubles, or with `turns` 1 cos x: of a quarter turn more. */
static LLVMValueRef turned(cg *e, LLVMValueRef x, int turns)
{
    LLVMTypeRef bits = hone_cg__like(e->i64, LLVMTypeOf(x));
    /* the nearest whole number stands in the low bits of the sum */
    LLVMValueRef sum = hone_cg__fma(e, x, k(x, M_2_PI), k(x, 0x1.8p52));
    LLVMValueRef n = sub(e, sum, k(x, 0x1.8p52)), r = x, minus = LLVMBuildFNeg(e->b, n, "");
    for (size_t i = 0; i < HONE_LEN(half_pi); i++) {
        r = hone_cg__fma(e, minus, k(x, half_pi[i]), r);
    }
    double s[10], c[10], f = 1;
    for (int i = 0; i < 10; i++) { /* (-1)^i / (2i)! and / (2i + 1)! */
        c[i] = f;
        s[i] = f / (2 * i + 1);
        f = -s[i] / (2 * i + 2);
    }
    LLVMValueRef z = mul(e, r, r);
    LLVMValueRef sine = mul(e, r, polynomial(e, z, s, 10)), cosine = polynomial(e, z, c, 10);
    LLVMValueRef q = LLVMBuildAdd(e->b, LLVMBuildBitCast(e->b, sum, bits, ""),
                                  hone_cg__int_like(bits, turns), "");
    LLVMValueRef odd = LLVMBuildAnd(e->b, q, hone_cg__int_like(bits, 1), "");
    LLVMValueRef half = LLVMBuildAnd(e->b, q, hone_cg__int_like(bits, 2), "");
    LLVMValueRef zero = hone_cg__int_like(bits, 0);
    LLVMValueRef y = pick(e, LLVMBuildICmp(e->b, LLVMIntNE, odd, zero, ""), cosine, sine);
    y = pick(e, LLVMBuildICmp(e->b, LLVMIntNE, half, zero, ""), LLVMBuildFNeg(e->b, y, ""), y);
    LLVMValueRef near = LLVMBuildFCmp(e->b, LLVMRealOLE, absolute(e, x), k(x, HONE_MOST_ANGLE), "");
    return pick(e, near, y, k(x, (double)NAN));
}

/* The same for floats, in double. */
static LLVMValueRef turned_wide(cg *e, LLVMValueRef x, int turns)
{
    LLVMTypeRef wide = hone_cg__like(e->f64, LLVMTypeOf(x));
    LLVMValueRef r = turned(e, LLVMBuildFPExt(e->b, x, wide, ""), turns);
    return LLVMBuildFPTrunc(e->b, r, LLVMTypeOf(x), "");
}

/* Is |x| beyond the bound in any lane? NaN is not. */
static LLVMValueRef any_beyond(cg *e, LLVMValueRef x, double bound)
{
    LLVMValueRef c = LLVMBuildFCmp(e->b, LLVMRealOGT, absolute(e, x), k(x, bound), "");
    c = LLVMBuildFreeze(e->b, c, "");
    if (LLVMGetTypeKind(LLVMTypeOf(c)) != LLVMVectorTypeKind) {
        return c;
    }
    return hone_cg__intrinsic(e, "llvm.vector.reduce.or", LLVMTypeOf(c), &c, 1);
}

/* Tells LLVM that the first target of the branch is rare, and to be out of the way. */
static void say_rare(cg *e, LLVMValueRef branch)
{
    LLVMMetadataRef parts[] = {
        LLVMMDStringInContext2(e->ctx, "branch_weights", strlen("branch_weights")),
        LLVMValueAsMetadata(LLVMConstInt(e->i32, 1, false)),
        LLVMValueAsMetadata(LLVMConstInt(e->i32, 4096, false)),
    };
    LLVMMetadataRef node = LLVMMDNodeInContext2(e->ctx, parts, HONE_LEN(parts));
    LLVMSetMetadata(branch, LLVMGetMDKindIDInContext(e->ctx, "prof", 4),
                    LLVMMetadataAsValue(e->ctx, node));
}

/* Large angles, of which no kernel has many, want more digits of pi than floats can multiply by. */
static LLVMValueRef turning(cg *e, LLVMValueRef x, int turns)
{
    if (is_double(x)) {
        return turned(e, x, turns);
    }
    if (!e->g->has_fma) {
        return turned_wide(e, x, turns);
    }
    LLVMBasicBlockRef far = hone_cg__block(e, "far"), on = hone_cg__block(e, "near");
    LLVMValueRef y[2] = {hone_cg__turned_f32(e, x, turns)};
    LLVMBasicBlockRef from[2] = {LLVMGetInsertBlock(e->b)};
    say_rare(e, LLVMBuildCondBr(e->b, any_beyond(e, x, HONE_CG__NEAR_ANGLE), far, on));
    LLVMPositionBuilderAtEnd(e->b, far);
    y[1] = turned_wide(e, x, turns);
    from[1] = LLVMGetInsertBlock(e->b);
    LLVMBuildBr(e->b, on);
    LLVMPositionBuilderAtEnd(e->b, on);
    LLVMValueRef phi = LLVMBuildPhi(e->b, LLVMTypeOf(x), "");
    LLVMAddIncoming(phi, y, from, 2);
    return phi;
}

/* Of doubles. Above 1: pi/2 - atan(1/x). Above tan(pi/8): pi/4 + atan((x - 1) / (x + 1)). */
static LLVMValueRef atan_of(cg *e, LLVMValueRef x)
{
    LLVMValueRef a = absolute(e, x), one = k(x, 1), large = less(e, one, a);
    LLVMValueRef t = pick(e, large, quot(e, one, a), a), middle = less(e, k(x, 0.41421356), t);
    LLVMValueRef moved = quot(e, sub(e, t, one), add(e, t, one));
    t = pick(e, middle, moved, t);
    double c[22];
    for (int i = 0; i < 22; i++) {
        c[i] = (i % 2 ? -1.0 : 1.0) / (2 * i + 1);
    }
    LLVMValueRef r = mul(e, t, polynomial(e, mul(e, t, t), c, 22));
    r = pick(e, middle, add(e, r, k(x, M_PI_4)), r);
    r = pick(e, large, sub(e, k(x, M_PI_2), r), r);
    return unless_nan(e, x, with_sign_of(e, r, x));
}

LLVMValueRef hone_cg__math(cg *e, hone_op op, bool fast, LLVMValueRef x, LLVMValueRef y)
{
    bool d = is_double(x);
    switch (op) {
    case HONE_OP_EXP:
        return d ? exp_of(e, x) : hone_cg__exp_f32(e, x, fast);
    case HONE_OP_LOG:
        return d ? log_of(e, x) : hone_cg__log_f32(e, x);
    case HONE_OP_TANH:
        return d ? tanh_of(e, x) : hone_cg__tanh_f32(e, x, fast);
    case HONE_OP_SIGMOID:
        return d ? sigmoid_of(e, x) : hone_cg__sigmoid_f32(e, x, fast);
    case HONE_OP_ERF:
        return d ? erf_of(e, x) : hone_cg__erf_f32(e, x, fast);
    case HONE_OP_SIN:
    case HONE_OP_COS:
        return turning(e, x, op == HONE_OP_COS);
    case HONE_OP_ATAN:
        return d ? atan_of(e, x) : hone_cg__atan_f32(e, x);
    default:
        HONE_ASSERT(op == HONE_OP_POW);
        return pow_of(e, x, y);
    }
}
