/* Elementary functions as straight-line code for float or double, scalar or vector: kernels may
 * call no library. Methods: argument reduction by powers of two and a polynomial (exp,
 * expm1), the series of log((1+s)/(1-s)) = 2 (s + s^3/3 + ...) (log), and for erf its Maclaurin
 * series below 1 and above it 1 - exp(-x^2) erfcx(x), with erfcx a Chebyshev fit in 1/(x+3).
 *
 *             float            double
 *   exp       2 ulp            1e-15
 *   log       2 ulp            1e-15
 *   tanh      4 ulp            1e-15
 *   erf       4 ulp            1e-14
 *   pow       1 ulp            1e-15 * |y log x|    (float goes through double)
 */
#include "codegen/internal.h"

#include <math.h>

static LLVMValueRef k(LLVMValueRef like, double c)
{
    return hone_cg__real_like(LLVMTypeOf(like), c);
}

static LLVMValueRef add(cg *e, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFAdd(e->b, a, b, "");
}

static LLVMValueRef sub(cg *e, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFSub(e->b, a, b, "");
}

static LLVMValueRef mul(cg *e, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFMul(e->b, a, b, "");
}

static LLVMValueRef quot(cg *e, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFDiv(e->b, a, b, "");
}

static LLVMValueRef less(cg *e, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFCmp(e->b, LLVMRealOLT, a, b, "");
}

static LLVMValueRef equal(cg *e, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFCmp(e->b, LLVMRealOEQ, a, b, "");
}

static LLVMValueRef pick(cg *e, LLVMValueRef c, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildSelect(e->b, c, a, b, "");
}

static LLVMValueRef absolute(cg *e, LLVMValueRef x)
{
    return hone_cg__intrinsic(e, "llvm.fabs", LLVMTypeOf(x), &x, 1);
}

static LLVMValueRef with_sign_of(cg *e, LLVMValueRef x, LLVMValueRef sign)
{
    LLVMValueRef args[] = {x, sign};
    return hone_cg__intrinsic(e, "llvm.copysign", LLVMTypeOf(x), args, 2);
}

/* x, or NaN where it is NaN, instead of y. */
static LLVMValueRef unless_nan(cg *e, LLVMValueRef x, LLVMValueRef y)
{
    return pick(e, LLVMBuildFCmp(e->b, LLVMRealUNO, x, x, ""), x, y);
}

/* c[0] + c[1] x + ... */
static LLVMValueRef polynomial(cg *e, LLVMValueRef x, const double *c, int n)
{
    LLVMValueRef r = k(x, c[n - 1]);
    for (int i = n - 2; i >= 0; i--) {
        r = hone_cg__fma(e, r, x, k(x, c[i]));
    }
    return r;
}

static bool is_double(LLVMValueRef x)
{
    LLVMTypeRef t = LLVMTypeOf(x);
    t = LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMGetElementType(t) : t;
    return LLVMGetTypeKind(t) == LLVMDoubleTypeKind;
}

static LLVMValueRef shifted(cg *e, LLVMValueRef x, int by)
{
    LLVMValueRef c = hone_cg__int_like(LLVMTypeOf(x), by < 0 ? -by : by);
    return by < 0 ? LLVMBuildAShr(e->b, x, c, "") : LLVMBuildShl(e->b, x, c, "");
}

/* 2^n for an integer vector n (i32) within the normal exponents, as x's type. */
static LLVMValueRef power_of_two(cg *e, LLVMValueRef n, LLVMValueRef x)
{
    bool d = is_double(x);
    LLVMTypeRef wide = hone_cg__like(d ? e->i64 : e->i32, LLVMTypeOf(x));
    n = d ? LLVMBuildSExt(e->b, n, wide, "") : n;
    n = LLVMBuildAdd(e->b, n, hone_cg__int_like(wide, d ? 1023 : 127), "");
    return LLVMBuildBitCast(e->b, shifted(e, n, d ? 52 : 23), LLVMTypeOf(x), "");
}

/* x = n ln 2 + r with |r| <= ln 2 / 2, n a whole number; returns r. */
static LLVMValueRef reduce_exp(cg *e, LLVMValueRef x, LLVMValueRef *ret_n)
{
    bool d = is_double(x);
    double big = d ? 0x1.8p52 : 0x1.8p23; /* adding it rounds to an integer, to nearest even */
    LLVMValueRef n = hone_cg__fma(e, x, k(x, 1 / M_LN2), k(x, big));
    n = sub(e, n, k(x, big));
    /* The upper part has zeros at its end, so that n times it is exact. */
    LLVMValueRef r = hone_cg__fma(e, n, k(x, d ? -0x1.62e42feep-1 : -0x1.62e4p-1), x);
    *ret_n = n;
    return hone_cg__fma(e, n, k(x, d ? -0x1.a39ef35793c76p-33 : -0x1.7f7d1cf79abcap-20), r);
}

/* (e^r - 1 - r) / r^2: for float by Chebyshev interpolation, for double the series. */
static LLVMValueRef exp_rest(cg *e, LLVMValueRef r)
{
    static const double c_float[] = {0.5, 0.1666657684599398, 0.04166655443768787,
                                     0.008363202971575683, 0.0013926213466139798};
    double c[12], f = 1;
    if (!is_double(r)) {
        return polynomial(e, r, c_float, (int)HONE_LEN(c_float));
    }
    for (int i = 0; i < 12; i++) {
        c[i] = f /= i + 2;
    }
    return polynomial(e, r, c, 12);
}

/* x held within [lo, hi]; NaN stays. */
static LLVMValueRef bounded(cg *e, LLVMValueRef x, double lo, double hi)
{
    x = pick(e, less(e, x, k(x, lo)), k(x, lo), x);
    return pick(e, less(e, k(x, hi), x), k(x, hi), x);
}

/* AVX-512's m * 2^n with one rounding, whatever n; NULL: not for these lanes or this target. */
static LLVMValueRef scaled(cg *e, LLVMValueRef m, LLVMValueRef n)
{
    LLVMTypeRef type = LLVMTypeOf(m);
    bool d = is_double(m);
    unsigned of_512 = d ? 8 : 16;
    if (!e->g->has_avx512 || LLVMGetTypeKind(type) != LLVMVectorTypeKind ||
        LLVMGetVectorSize(type) != of_512) {
        return NULL;
    }
    const char *name =
        d ? "llvm.x86.avx512.mask.scalef.pd.512" : "llvm.x86.avx512.mask.scalef.ps.512";
    LLVMTypeRef bits = d ? e->i8 : e->i16;
    LLVMValueRef args[] = {m, n, m, LLVMConstAllOnes(bits), LLVMConstInt(e->i32, 4, false)};
    LLVMTypeRef types[] = {type, type, type, bits, e->i32};
    LLVMTypeRef fn_type = LLVMFunctionType(type, types, 5, false);
    LLVMValueRef fn = LLVMGetNamedFunction(e->mod, name);
    if (!fn) {
        fn = LLVMAddFunction(e->mod, name, fn_type);
    }
    return LLVMBuildCall2(e->b, fn_type, fn, args, 5, "");
}

static LLVMValueRef exp_of(cg *e, LLVMValueRef x)
{
    bool d = is_double(x);
    /* Beyond these bounds the result is 0 or infinity; 2^n is applied in two halves, each normal.
     */
    LLVMValueRef whole, n, c = bounded(e, x, d ? -760 : -110, d ? 720 : 95);
    LLVMValueRef m = reduce_exp(e, c, &whole), one = k(x, 1);
    LLVMValueRef r = hone_cg__fma(e, hone_cg__fma(e, exp_rest(e, m), m, one), m, one);
    LLVMValueRef once = scaled(e, r, whole);
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
    bool d = is_double(x);
    int mantissa = d ? 52 : 23;
    LLVMTypeRef type = LLVMTypeOf(x), bits = hone_cg__like(d ? e->i64 : e->i32, type);
    LLVMValueRef tiny = less(e, x, k(x, d ? 0x1p-1022 : 0x1p-126)); /* subnormal: scale up */
    LLVMValueRef up = pick(e, tiny, mul(e, x, k(x, d ? 0x1p54 : 0x1p24)), x);
    LLVMValueRef u = LLVMBuildBitCast(e->b, up, bits, "");
    /* x = m 2^p with m in [sqrt(1/2), sqrt(2)) */
    int64_t root = d ? 0x3fe6a09e667f3bcd : 0x3f3504f3;
    LLVMValueRef p =
        shifted(e, LLVMBuildSub(e->b, u, hone_cg__int_like(bits, root), ""), -mantissa);
    LLVMValueRef m = LLVMBuildSub(e->b, u, shifted(e, p, mantissa), "");
    LLVMValueRef f = sub(e, LLVMBuildBitCast(e->b, m, type, ""), k(x, 1));
    p = d ? LLVMBuildTrunc(e->b, p, hone_cg__like(e->i32, type), "") : p;
    LLVMValueRef pf = LLVMBuildSIToFP(e->b, p, type, "");
    pf = sub(e, pf, pick(e, tiny, k(x, d ? 54 : 24), k(x, 0)));
    /* log(1+f) = f - f^2/2 + s (f^2/2 + R), s = f / (2+f), R = 2 (s^2/3 + s^4/5 + ...) */
    LLVMValueRef s = quot(e, f, add(e, f, k(x, 2))), z = mul(e, s, s);
    double c[11];
    int terms = d ? 11 : 5;
    for (int i = 0; i < terms; i++) {
        c[i] = 2.0 / (2 * i + 3);
    }
    LLVMValueRef r = mul(e, z, polynomial(e, z, c, terms));
    LLVMValueRef h = mul(e, mul(e, f, f), k(x, 0.5));
    LLVMValueRef low = k(x, d ? 0x1.a39ef35793c76p-33 : 0x1.7f7d1cf79abcap-20);
    LLVMValueRef t = hone_cg__fma(e, pf, low, mul(e, s, add(e, h, r)));
    t = sub(e, f, sub(e, h, t));
    t = hone_cg__fma(e, pf, k(x, d ? 0x1.62e42feep-1 : 0x1.62e4p-1), t);
    t = pick(e, less(e, x, k(x, 0)), k(x, (double)NAN), t);
    t = pick(e, equal(e, x, k(x, 0)), k(x, -(double)INFINITY), t);
    t = pick(e, equal(e, x, k(x, (double)INFINITY)), x, t);
    return unless_nan(e, x, t);
}

/* tanh |x| = t / (t + 2) with t = e^(2|x|) - 1, which keeps small results exact. */
static LLVMValueRef tanh_of(cg *e, LLVMValueRef x)
{
    LLVMValueRef y = absolute(e, x), n;
    y = bounded(e, add(e, y, y), 0, is_double(x) ? 60 : 30);
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
 * relative error 1.5e-10 and 6e-17. */
static const double erfcx_float[] = {
    0.20798329135425316,      0.15436117411340025,    0.0496984443596105206,
    0.0127131500908441669,    0.00247932307833623212, 0.000331594445306889951,
    0.0000195399701170192243, -2.414492555159431e-6,  -5.26804738217448855e-7,
};
static const double erfcx_double[] = {
    0.207983291333428867,     0.154361174294369174,    0.0496984454033941398,
    0.0127131476956921479,    0.00247931469708620014,  0.000331602960576804844,
    0.0000195635831980995251, -2.42555747324700576e-6, -5.54127310709044008e-7,
    4.52670299659700863e-9,   1.13393370612805565e-8,  2.63813306763736186e-10,
    -2.57005042464829219e-10, -6.0468580182030323e-12, 6.04406831844964236e-12,
};

static LLVMValueRef erf_of(cg *e, LLVMValueRef x)
{
    bool d = is_double(x);
    LLVMValueRef a = absolute(e, x), z = mul(e, x, x);
    double c[19], f = M_2_SQRTPI;
    int terms = d ? 19 : 11;
    for (int i = 0; i < terms; i++) {
        c[i] = f / (2 * i + 1);
        f /= -(i + 1);
    }
    LLVMValueRef small = mul(e, a, polynomial(e, z, c, terms));
    LLVMValueRef b = bounded(e, a, 1, 6);
    LLVMValueRef u = quot(e, k(x, 1), add(e, b, k(x, 3)));
    u = mul(e, sub(e, u, k(x, 13.0 / 72)), k(x, 72.0 / 5));
    LLVMValueRef p = d ? polynomial(e, u, erfcx_double, (int)HONE_LEN(erfcx_double))
                       : polynomial(e, u, erfcx_float, (int)HONE_LEN(erfcx_float));
    LLVMValueRef g = exp_of(e, LLVMBuildFNeg(e->b, mul(e, b, b), ""));
    LLVMValueRef large = sub(e, k(x, 1), mul(e, g, p));
    LLVMValueRef r = pick(e, less(e, a, k(x, 1)), small, large);
    return unless_nan(e, x, with_sign_of(e, r, x));
}

/* True where y is an integer (odd: and odd). Values from 2^51 up are taken as even. */
static LLVMValueRef is_integer(cg *e, LLVMValueRef y, bool odd)
{
    LLVMValueRef big = k(y, 0x1.8p52), a = absolute(e, y);
    LLVMValueRef n = sub(e, add(e, a, big), big);
    LLVMValueRef whole = LLVMBuildFCmp(e->b, LLVMRealOGE, a, k(y, 0x1p51), "");
    LLVMValueRef same = equal(e, n, a);
    if (!odd) {
        return LLVMBuildOr(e->b, whole, same, "");
    }
    LLVMValueRef half = mul(e, a, k(y, 0.5));
    LLVMValueRef split = LLVMBuildFCmp(e->b, LLVMRealUNE, sub(e, add(e, half, big), big), half, "");
    LLVMValueRef small = LLVMBuildFCmp(e->b, LLVMRealOLT, a, k(y, 0x1p51), "");
    return LLVMBuildAnd(e->b, small, LLVMBuildAnd(e->b, same, split, ""), "");
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

LLVMValueRef hone_cg__math(cg *e, hone_op op, LLVMValueRef x, LLVMValueRef y)
{
    switch (op) {
    case HONE_OP_EXP:
        return exp_of(e, x);
    case HONE_OP_LOG:
        return log_of(e, x);
    case HONE_OP_TANH:
        return tanh_of(e, x);
    case HONE_OP_SIGMOID:
        return sigmoid_of(e, x);
    case HONE_OP_ERF:
        return erf_of(e, x);
    default:
        HONE_ASSERT(op == HONE_OP_POW);
        return pow_of(e, x, y);
    }
}
