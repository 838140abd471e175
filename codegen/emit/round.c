/* To integers, half to even: by an instruction, or where the target has none by sums, which are
 * exact, rather than by a library. */
#include "codegen/emit/real.h"

/* Numbers from 2^23 on (of double 2^52) are integers; a smaller one, added to that and taken away
 * again, is rounded by the sum. What is left of its sign is put back, for zeros. */
static LLVMValueRef by_sums(cg *e, hone_op op, LLVMValueRef x)
{
    LLVMValueRef big = k(x, is_double(x) ? 0x1p52 : 0x1p23), size = absolute(e, x);
    LLVMValueRef r = with_sign_of(e, sub(e, add(e, size, big), big), x);
    if (op == HONE_OP_FLOOR) {
        r = pick(e, less(e, x, r), sub(e, r, k(x, 1)), r);
    } else if (op == HONE_OP_CEIL) {
        r = pick(e, less(e, r, x), add(e, r, k(x, 1)), r);
    }
    return pick(e, less(e, size, big), with_sign_of(e, r, x), x);
}

LLVMValueRef hone_cg__round(cg *e, hone_op op, LLVMValueRef x)
{
    if (!e->g->has_rounding) {
        return by_sums(e, op, x);
    }
    const char *name = op == HONE_OP_FLOOR  ? "llvm.floor"
                       : op == HONE_OP_CEIL ? "llvm.ceil"
                                            : "llvm.rint";
    return hone_cg__intrinsic(e, name, LLVMTypeOf(x), &x, 1);
}
