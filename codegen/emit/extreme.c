/* The smaller and the larger of two floats: minimumNumber and maximumNumber of IEEE 754-2019, sec.
 * 9.6. A number is preferred to NaN, and -0 is less than +0, so no order of evaluation shows. */
#include "codegen/internal.h"

#include <math.h>

static unsigned lanes_of(LLVMValueRef v)
{
    LLVMTypeRef t = LLVMTypeOf(v);
    return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMGetVectorSize(t) : 1;
}

static bool is_vector(LLVMValueRef v)
{
    return LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMVectorTypeKind;
}

/* What is known of a value: it is a number, and zeros among its lanes have at most one sign. */
typedef struct facts {
    bool number, no_plus_zero, no_minus_zero;
} facts;

static facts look(LLVMValueRef v)
{
    facts f = {true, true, true};
    for (unsigned k = 0; k < lanes_of(v); k++) {
        LLVMValueRef c = !LLVMIsConstant(v) ? NULL
                         : is_vector(v)     ? LLVMGetAggregateElement(v, k)
                                            : v;
        if (!c || !LLVMIsAConstantFP(c)) {
            return (facts){0};
        }
        LLVMBool loses;
        double d = LLVMConstRealGetDouble(c, &loses);
        f.number = f.number && !isnan(d);
        f.no_plus_zero = f.no_plus_zero && !(d == 0 && !signbit(d));
        f.no_minus_zero = f.no_minus_zero && !(d == 0 && signbit(d));
    }
    return f;
}

/* ---- by one instruction ---------------------------------------------------------------------- */

static LLVMValueRef joined(cg *e, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef at[CG_MAX_LANES];
    unsigned n = 2 * lanes_of(a);
    for (unsigned k = 0; k < n; k++) {
        at[k] = LLVMConstInt(e->i32, k, false);
    }
    return LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(at, n), "");
}

/* AVX-512DQ's VRANGE with the sign of the comparison's result. NULL: not for these lanes. */
static LLVMValueRef range(cg *e, bool min, LLVMValueRef a, LLVMValueRef b)
{
    if (!e->g->has_range || !is_vector(a)) {
        return NULL;
    }
    LLVMTypeRef type = LLVMTypeOf(a);
    bool d = LLVMGetTypeKind(LLVMGetElementType(type)) == LLVMDoubleTypeKind;
    unsigned n = lanes_of(a), bits = n * (d ? 64 : 32);
    if (bits > 512 && n % 2 == 0) {
        LLVMValueRef lo =
            range(e, min, hone_cg__lanes(e, a, 0, n / 2), hone_cg__lanes(e, b, 0, n / 2));
        LLVMValueRef hi = lo ? range(e, min, hone_cg__lanes(e, a, n / 2, n / 2),
                                     hone_cg__lanes(e, b, n / 2, n / 2))
                             : NULL;
        return hi ? joined(e, lo, hi) : NULL;
    }
    if (bits != 512 && bits != 256 && bits != 128) {
        return NULL;
    }
    char name[48];
    snprintf(name, sizeof name, "llvm.x86.avx512.mask.range.%s.%u", d ? "pd" : "ps", bits);
    LLVMTypeRef mask = n == 16 ? e->i16 : e->i8;
    LLVMTypeRef types[] = {type, type, e->i32, type, mask, e->i32};
    LLVMValueRef args[] = {a,
                           b,
                           LLVMConstInt(e->i32, min ? 4 : 5, false),
                           LLVMGetUndef(type), /* for lanes that are masked: none */
                           LLVMConstAllOnes(mask),
                           LLVMConstInt(e->i32, 4, false)}; /* the rounding of the moment */
    unsigned n_args = bits == 512 ? 6 : 5;
    LLVMTypeRef fn_type = LLVMFunctionType(type, types, n_args, false);
    LLVMValueRef fn = LLVMGetNamedFunction(e->mod, name);
    if (!fn) {
        fn = LLVMAddFunction(e->mod, name, fn_type);
    }
    return LLVMBuildCall2(e->b, fn_type, fn, args, n_args, "");
}

/* ---- by comparisons -------------------------------------------------------------------------- */

/* Of two zeros: the sign of either makes the smaller one negative, both make the larger one so. */
static LLVMValueRef of_equals(cg *e, bool min, LLVMValueRef a, LLVMValueRef b)
{
    LLVMTypeRef type = LLVMTypeOf(a), one = is_vector(a) ? LLVMGetElementType(type) : type;
    LLVMTypeRef bits =
        hone_cg__like(LLVMGetTypeKind(one) == LLVMDoubleTypeKind ? e->i64 : e->i32, type);
    LLVMValueRef x = LLVMBuildBitCast(e->b, a, bits, ""), y = LLVMBuildBitCast(e->b, b, bits, "");
    x = min ? LLVMBuildOr(e->b, x, y, "") : LLVMBuildAnd(e->b, x, y, "");
    return LLVMBuildBitCast(e->b, x, type, "");
}

LLVMValueRef hone_cg__extreme(cg *e, hone_op op, LLVMValueRef a, LLVMValueRef b, bool b_is_number)
{
    bool min = op == HONE_OP_MIN;
    facts fa = look(a), fb = look(b);
    if (fa.number && !fb.number) {
        LLVMValueRef c = a;
        a = b;
        b = c;
        fb = fa;
    }
    bool number = b_is_number || fb.number;
    /* The comparison below yields b when both are zeros. */
    bool zeros = min ? fb.no_plus_zero : fb.no_minus_zero;
    if (!(number && zeros)) {
        LLVMValueRef v = e->g->has_maxnum
                             ? hone_cg__intrinsic(e, min ? "llvm.minnum" : "llvm.maxnum",
                                                  LLVMTypeOf(a), (LLVMValueRef[]){a, b}, 2)
                             : range(e, min, a, b);
        if (v) {
            return v;
        }
    }
    LLVMRealPredicate p = min ? LLVMRealOLT : LLVMRealOGT; /* one instruction on x86 */
    LLVMValueRef v = LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, p, a, b, ""), a, b, "");
    if (!zeros) {
        LLVMValueRef same = LLVMBuildFCmp(e->b, LLVMRealOEQ, a, b, "");
        v = LLVMBuildSelect(e->b, same, of_equals(e, min, a, b), v, "");
    }
    if (!number) {
        LLVMValueRef none = LLVMBuildFCmp(e->b, LLVMRealUNO, b, b, "");
        v = LLVMBuildSelect(e->b, none, a, v, "");
    }
    return v;
}
