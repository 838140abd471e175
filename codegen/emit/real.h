/* Shorthand for emitting arithmetic on float or double, scalar or vector. */
#ifndef HONE_CODEGEN_EMIT_REAL_H
#define HONE_CODEGEN_EMIT_REAL_H

#include "codegen/internal.h"

static inline LLVMValueRef k(LLVMValueRef like, double c)
{
    return hone_cg__real_like(LLVMTypeOf(like), c);
}

static inline LLVMValueRef add(cg *e, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFAdd(e->b, a, b, "");
}

static inline LLVMValueRef sub(cg *e, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFSub(e->b, a, b, "");
}

static inline LLVMValueRef mul(cg *e, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFMul(e->b, a, b, "");
}

static inline LLVMValueRef quot(cg *e, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFDiv(e->b, a, b, "");
}

static inline LLVMValueRef less(cg *e, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFCmp(e->b, LLVMRealOLT, a, b, "");
}

static inline LLVMValueRef equal(cg *e, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFCmp(e->b, LLVMRealOEQ, a, b, "");
}

static inline LLVMValueRef pick(cg *e, LLVMValueRef c, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildSelect(e->b, c, a, b, "");
}

static inline LLVMValueRef absolute(cg *e, LLVMValueRef x)
{
    return hone_cg__intrinsic(e, "llvm.fabs", LLVMTypeOf(x), &x, 1);
}

static inline LLVMValueRef with_sign_of(cg *e, LLVMValueRef x, LLVMValueRef sign)
{
    LLVMValueRef args[] = {x, sign};
    return hone_cg__intrinsic(e, "llvm.copysign", LLVMTypeOf(x), args, 2);
}

/* x, or NaN where it is NaN, instead of y. */
static inline LLVMValueRef unless_nan(cg *e, LLVMValueRef x, LLVMValueRef y)
{
    return pick(e, LLVMBuildFCmp(e->b, LLVMRealUNO, x, x, ""), x, y);
}

/* c[0] + c[1] x + ... */
static inline LLVMValueRef polynomial(cg *e, LLVMValueRef x, const double *c, int n)
{
    LLVMValueRef r = k(x, c[n - 1]);
    for (int i = n - 2; i >= 0; i--) {
        r = hone_cg__fma(e, r, x, k(x, c[i]));
    }
    return r;
}

static inline bool is_double(LLVMValueRef x)
{
    LLVMTypeRef t = LLVMTypeOf(x);
    t = LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMGetElementType(t) : t;
    return LLVMGetTypeKind(t) == LLVMDoubleTypeKind;
}

static inline LLVMValueRef shifted(cg *e, LLVMValueRef x, int by)
{
    LLVMValueRef c = hone_cg__int_like(LLVMTypeOf(x), by < 0 ? -by : by);
    return by < 0 ? LLVMBuildAShr(e->b, x, c, "") : LLVMBuildShl(e->b, x, c, "");
}

/* x held within [lo, hi]; NaN stays. */
static inline LLVMValueRef bounded(cg *e, LLVMValueRef x, double lo, double hi)
{
    x = pick(e, less(e, x, k(x, lo)), k(x, lo), x);
    return pick(e, less(e, k(x, hi), x), k(x, hi), x);
}

static inline LLVMValueRef bits_of(cg *e, LLVMValueRef x)
{
    LLVMTypeRef type = hone_cg__like(is_double(x) ? e->i64 : e->i32, LLVMTypeOf(x));
    return LLVMBuildBitCast(e->b, x, type, "");
}

#endif
