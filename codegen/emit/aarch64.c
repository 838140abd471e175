/* What the code generator knows of AArch64 beyond the preset in targets/: how a vector of fixed
 * length is filled by one load where it is one of SVE's, whose length is the machine's. LLVM 19
 * takes two instructions for floats, the second of which keeps a multiply-add waiting. */
#include "codegen/internal.h"

/* Bits of an element when n of them are one whole register; 0: they are not. */
static unsigned whole_register(const cg *e, LLVMTypeRef elem, unsigned n)
{
    unsigned bits = LLVMGetTypeKind(elem) == LLVMFloatTypeKind    ? 32
                    : LLVMGetTypeKind(elem) == LLVMDoubleTypeKind ? 64
                                                                  : 0;
    unsigned whole = 8 * (unsigned)e->g->target.vector_bytes;
    return e->g->is_scalable && whole > 128 && n * bits == whole ? bits : 0;
}

static LLVMValueRef to_fixed(cg *e, LLVMValueRef v, LLVMTypeRef fixed)
{
    static const char name[] = "llvm.vector.extract";
    LLVMTypeRef types[] = {fixed, LLVMTypeOf(v)};
    LLVMValueRef args[] = {v, LLVMConstInt(e->i64, 0, false)};
    unsigned id = LLVMLookupIntrinsicID(name, sizeof name - 1);
    LLVMValueRef f = LLVMGetIntrinsicDeclaration(e->mod, id, types, 2);
    return LLVMBuildCall2(e->b, LLVMGlobalGetValueType(f), f, args, 2, "");
}

/* LD1RW and LD1RD, which are there for integers only. */
LLVMValueRef hone_cg__splat_loaded(cg *e, LLVMValueRef v, unsigned n)
{
    LLVMTypeRef fixed = LLVMVectorType(LLVMTypeOf(v), n);
    unsigned bits = whole_register(e, LLVMTypeOf(v), n);
    if (!bits || !LLVMIsALoadInst(v)) {
        return NULL;
    }
    LLVMTypeRef elem = bits == 64 ? e->i64 : e->i32;
    LLVMTypeRef scalable = LLVMScalableVectorType(elem, 128 / bits);
    LLVMValueRef zero = LLVMConstInt(e->i32, 0, false), none = LLVMGetPoison(scalable);
    v = LLVMBuildInsertElement(e->b, none, LLVMBuildBitCast(e->b, v, elem, ""), zero, "");
    LLVMValueRef lanes = LLVMConstNull(LLVMScalableVectorType(e->i32, 128 / bits));
    v = LLVMBuildShuffleVector(e->b, v, none, lanes, "");
    return LLVMBuildBitCast(e->b, to_fixed(e, v, LLVMVectorType(elem, n)), fixed, "");
}
