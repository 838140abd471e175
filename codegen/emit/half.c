/* f16 where no instruction converts it: by operations on its bits, which are exact, denormals and
 * infinities included, and keep NaN a quiet NaN. */
#include "codegen/emit/real.h"

static LLVMValueRef number(LLVMValueRef like, int64_t c)
{
    return hone_cg__int_like(LLVMTypeOf(like), c);
}

static LLVMValueRef both(cg *e, LLVMValueRef x, int64_t mask)
{
    return LLVMBuildAnd(e->b, x, number(x, mask), "");
}

static LLVMValueRef to_bits(cg *e, LLVMValueRef v)
{
    return LLVMBuildBitCast(e->b, v, hone_cg__like(e->i32, LLVMTypeOf(v)), "");
}

/* The exponent moves by a product: 2^112 is exact for normal numbers and denormals alike. */
LLVMValueRef hone_cg__half_to_float(cg *e, LLVMValueRef v)
{
    LLVMTypeRef i32 = hone_cg__like(e->i32, LLVMTypeOf(v)), f32 = hone_cg__like(e->f32, i32);
    LLVMValueRef x = LLVMBuildZExt(e->b, v, i32, "");
    LLVMValueRef sign = LLVMBuildShl(e->b, both(e, x, 0x8000), number(x, 16), "");
    LLVMValueRef most = LLVMBuildShl(e->b, both(e, x, 0x7fff), number(x, 13), "");
    LLVMValueRef f = LLVMBuildBitCast(e->b, most, f32, "");
    LLVMValueRef finite = to_bits(e, mul(e, f, k(f, 0x1p112)));
    LLVMValueRef other = LLVMBuildOr(e->b, most, number(x, 0x7f800000), "");
    LLVMValueRef is_other =
        LLVMBuildICmp(e->b, LLVMIntEQ, both(e, x, 0x7c00), number(x, 0x7c00), "");
    LLVMValueRef bits = LLVMBuildSelect(e->b, is_other, other, finite, "");
    return LLVMBuildBitCast(e->b, LLVMBuildOr(e->b, bits, sign, ""), f32, "");
}

/* To nearest even. What becomes a denormal is rounded by adding a half, whose last place is the
 * denormals'; the rest by adding half of a place, less one where it is even. */
LLVMValueRef hone_cg__float_to_half(cg *e, LLVMValueRef v)
{
    LLVMValueRef u = to_bits(e, v), a = both(e, u, 0x7fffffff);
    LLVMTypeRef i16 = hone_cg__like(e->i16, LLVMTypeOf(u));
    LLVMValueRef sign = LLVMBuildLShr(e->b, LLVMBuildXor(e->b, u, a, ""), number(u, 16), "");
    LLVMValueRef odd = both(e, LLVMBuildLShr(e->b, a, number(a, 13), ""), 1);
    LLVMValueRef up = LLVMBuildAdd(e->b, a, number(a, 0xfff - (INT64_C(112) << 23)), "");
    LLVMValueRef normal = LLVMBuildLShr(e->b, LLVMBuildAdd(e->b, up, odd, ""), number(a, 13), "");
    LLVMValueRef size = LLVMBuildBitCast(e->b, a, LLVMTypeOf(v), "");
    LLVMValueRef tiny =
        LLVMBuildSub(e->b, to_bits(e, add(e, size, k(v, 0.5))), number(a, 0x3f000000), "");
    LLVMValueRef is_tiny = LLVMBuildICmp(e->b, LLVMIntULT, a, number(a, 0x38800000), "");
    LLVMValueRef is_far = LLVMBuildICmp(e->b, LLVMIntUGE, a, number(a, 0x47800000), "");
    LLVMValueRef is_nan = LLVMBuildFCmp(e->b, LLVMRealUNO, v, v, "");
    LLVMValueRef far = LLVMBuildSelect(e->b, is_nan, number(a, 0x7e00), number(a, 0x7c00), "");
    LLVMValueRef near = LLVMBuildSelect(e->b, is_tiny, tiny, normal, "");
    LLVMValueRef bits = LLVMBuildSelect(e->b, is_far, far, near, "");
    return LLVMBuildTrunc(e->b, LLVMBuildOr(e->b, bits, sign, ""), i16, "");
}
