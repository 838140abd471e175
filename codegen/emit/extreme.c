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

static bool is_nan(LLVMValueRef v)
{
    for (unsigned k = 0; k < lanes_of(v); k++) {
        LLVMValueRef c = !LLVMIsConstant(v) ? NULL
                         : is_vector(v)     ? LLVMGetAggregateElement(v, k)
                                            : v;
        LLVMBool loses;
        if (!c || !LLVMIsAConstantFP(c) || !isnan(LLVMConstRealGetDouble(c, &loses))) {
            return false;
        }
    }
    return true;
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

LLVMValueRef hone_cg__extreme(cg *e, hone_op op, LLVMValueRef a, LLVMValueRef b, bool b_is_number,
                              bool zeros_alike)
{
    bool min = op == HONE_OP_MIN;
    if (is_nan(a) || is_nan(b)) { /* a maximum that starts so has its first number as it is */
        return is_nan(a) ? b : a;
    }
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
    bool by_one = number && zeros;
    if (!by_one && e->g->has_maxnum) {
        return hone_cg__intrinsic(e, min ? "llvm.minnum" : "llvm.maxnum", LLVMTypeOf(a),
                                  (LLVMValueRef[]){a, b}, 2);
    }
    zeros = zeros || zeros_alike;
    by_one = number && zeros;
    LLVMValueRef range = by_one ? NULL : hone_cg__number_range(e, min, a, b);
    if (range) {
        return range;
    }
    LLVMRealPredicate p = min ? LLVMRealOLT : LLVMRealOGT; /* x86-64 has one instruction for it */
    LLVMValueRef v = LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, p, a, b, ""), a, b, "");
    LLVMValueRef with_sign = min || zeros ? NULL : hone_cg__plus_zero(e, v, a);
    if (with_sign) {
        v = with_sign;
    } else if (!zeros) {
        LLVMValueRef same = LLVMBuildFCmp(e->b, LLVMRealOEQ, a, b, "");
        v = LLVMBuildSelect(e->b, same, of_equals(e, min, a, b), v, "");
    }
    if (!number) {
        LLVMValueRef none = LLVMBuildFCmp(e->b, LLVMRealUNO, b, b, "");
        v = LLVMBuildSelect(e->b, none, a, v, "");
    }
    return v;
}
