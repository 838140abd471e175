/* What the code generator knows of AArch64 beyond the preset in targets/: vectors of fixed length
 * where they are SVE's, whose length is the machine's. */
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

static LLVMValueRef call(cg *e, const char *name, LLVMTypeRef *types, unsigned n_types,
                         LLVMValueRef *args, unsigned n)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef f = LLVMGetIntrinsicDeclaration(e->mod, id, types, n_types);
    return LLVMBuildCall2(e->b, LLVMGlobalGetValueType(f), f, args, n, "");
}

static LLVMValueRef to_fixed(cg *e, LLVMValueRef v, LLVMTypeRef fixed)
{
    LLVMTypeRef types[] = {fixed, LLVMTypeOf(v)};
    LLVMValueRef args[] = {v, LLVMConstInt(e->i64, 0, false)};
    return call(e, "llvm.vector.extract", types, 2, args, 2);
}

static LLVMValueRef to_scalable(cg *e, LLVMValueRef v, LLVMTypeRef scalable)
{
    LLVMTypeRef types[] = {scalable, LLVMTypeOf(v)};
    LLVMValueRef args[] = {LLVMGetPoison(scalable), v, LLVMConstInt(e->i64, 0, false)};
    return call(e, "llvm.vector.insert", types, 2, args, 3);
}

/* PTRUE's pattern for the first n lanes. */
static unsigned first_lanes(unsigned n)
{
    unsigned ret = 8;
    for (; n > 8; n /= 2)
        ret++;
    return n < 8 ? n : ret;
}

/* FMLA writes to its sum. What LLVM 19 makes of llvm.fma is not told so before registers are given
 * out, and copies sums from one to another in half of all multiply-adds of a large tile. */
LLVMValueRef hone_cg__fma_in_place(cg *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c)
{
    LLVMTypeRef fixed = LLVMTypeOf(c);
    unsigned n = LLVMGetTypeKind(fixed) == LLVMVectorTypeKind ? LLVMGetVectorSize(fixed) : 0;
    unsigned bits = n ? whole_register(e, LLVMGetElementType(fixed), n) : 0;
    if (!bits) {
        return NULL;
    }
    LLVMTypeRef scalable = LLVMScalableVectorType(LLVMGetElementType(fixed), 128 / bits);
    LLVMTypeRef lanes = LLVMScalableVectorType(e->i1, 128 / bits);
    LLVMValueRef pattern = LLVMConstInt(e->i32, first_lanes(n), false);
    LLVMValueRef args[] = {call(e, "llvm.aarch64.sve.ptrue", &lanes, 1, &pattern, 1),
                           to_scalable(e, c, scalable), to_scalable(e, a, scalable),
                           to_scalable(e, b, scalable)};
    return to_fixed(e, call(e, "llvm.aarch64.sve.fmla", &scalable, 1, args, 4), fixed);
}

/* LD1RW and LD1RD, which are there for integers only. For floats LLVM 19 takes two instructions,
 * the second of which keeps a multiply-add waiting. */
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
