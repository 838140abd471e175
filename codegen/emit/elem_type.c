/* Element types: in memory and in registers, conversions between them, small builders.
 *
 *            memory   register
 *   f16      half     float
 *   bf16     i16      float     rounded by integer operations: exact on every target, denormals too
 *   bool     i8       i1
 *   others   the same */
#include "codegen/internal.h"

LLVMTypeRef hone_cg__reg_type(cg *e, hone_dtype t)
{
    switch (t) {
    case HONE_F64:
        return e->f64;
    case HONE_F32:
    case HONE_F16:
    case HONE_BF16:
        return e->f32;
    case HONE_I64:
        return e->i64;
    case HONE_I32:
        return e->i32;
    case HONE_I16:
        return e->i16;
    case HONE_I8:
    case HONE_U8:
        return e->i8;
    default:
        return e->i1;
    }
}

LLVMTypeRef hone_cg__mem_type(cg *e, hone_dtype t)
{
    return t == HONE_F16    ? (e->g->soft_half ? e->i16 : e->f16)
           : t == HONE_BF16 ? e->i16
           : t == HONE_BOOL ? e->i8
                            : hone_cg__reg_type(e, t);
}

static bool is_vector(LLVMTypeRef t)
{
    return LLVMGetTypeKind(t) == LLVMVectorTypeKind;
}

LLVMTypeRef hone_cg__like(LLVMTypeRef elem, LLVMTypeRef shape)
{
    return is_vector(shape) ? LLVMVectorType(elem, LLVMGetVectorSize(shape)) : elem;
}

static LLVMValueRef splat(cg *e, LLVMValueRef v, unsigned n)
{
    if (LLVMIsConstant(v)) {
        LLVMValueRef all[CG_MAX_LANES];
        for (unsigned k = 0; k < n; k++) {
            all[k] = v;
        }
        return LLVMConstVector(all, n);
    }
    LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(v), n);
    LLVMValueRef zero = LLVMConstInt(e->i32, 0, false), none = LLVMGetPoison(type);
    LLVMValueRef first = LLVMBuildInsertElement(e->b, none, v, zero, "");
    LLVMValueRef lanes = LLVMConstNull(LLVMVectorType(e->i32, n));
    return LLVMBuildShuffleVector(e->b, first, none, lanes, "");
}

LLVMValueRef hone_cg__vec(cg *e, cg_val v)
{
    return v.vec ? v.v : hone_cg__splat(e, v.v, e->lanes);
}

static LLVMValueRef like(LLVMTypeRef type, LLVMValueRef c)
{
    if (!is_vector(type)) {
        return c;
    }
    LLVMValueRef all[CG_MAX_LANES];
    unsigned n = LLVMGetVectorSize(type);
    for (unsigned k = 0; k < n; k++) {
        all[k] = c;
    }
    return LLVMConstVector(all, n);
}

static LLVMTypeRef elem_of(LLVMTypeRef type)
{
    return is_vector(type) ? LLVMGetElementType(type) : type;
}

LLVMValueRef hone_cg__int_like(LLVMTypeRef type, int64_t c)
{
    return like(type, LLVMConstInt(elem_of(type), (uint64_t)c, true));
}

LLVMValueRef hone_cg__real_like(LLVMTypeRef type, double c)
{
    return like(type, LLVMConstReal(elem_of(type), c));
}

/* Calls an intrinsic overloaded on n_types types. */
static LLVMValueRef call(cg *e, const char *name, LLVMTypeRef *types, unsigned n_types,
                         LLVMValueRef *args, unsigned n)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef f = LLVMGetIntrinsicDeclaration(e->mod, id, types, n_types);
    return LLVMBuildCall2(e->b, LLVMGlobalGetValueType(f), f, args, n, "");
}

LLVMValueRef hone_cg__intrinsic(cg *e, const char *name, LLVMTypeRef type, LLVMValueRef *args,
                                unsigned n)
{
    return call(e, name, &type, 1, args, n);
}

LLVMValueRef hone_cg__fma(cg *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c)
{
    if (!e->g->has_fma) {
        return LLVMBuildFAdd(e->b, LLVMBuildFMul(e->b, a, b, ""), c, "");
    }
    LLVMValueRef args[] = {a, b, c};
    return hone_cg__intrinsic(e, "llvm.fma", LLVMTypeOf(a), args, 3);
}

/* Of lanes k to k + n, where vectors have as many as the intrinsic takes, or a multiple. */
static LLVMValueRef madd_part(cg *e, LLVMValueRef all[3], unsigned at, unsigned n)
{
    LLVMTypeRef whole = LLVMTypeOf(all[0]);
    LLVMTypeRef types[] = {LLVMVectorType(LLVMGetElementType(whole), n), whole};
    LLVMValueRef part[3];
    for (int k = 0; k < 3; k++) {
        LLVMValueRef args[] = {all[k], LLVMConstInt(e->i64, at, false)};
        part[k] = call(e, "llvm.vector.extract", types, 2, args, 2);
    }
    return call(e, e->g->madd, types, 1, part, 3);
}

LLVMValueRef hone_cg__madd(cg *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c)
{
    LLVMTypeRef type = LLVMTypeOf(a);
    unsigned lanes = is_vector(type) ? LLVMGetVectorSize(type) : 0;
    unsigned each = e->g->madd_bytes / (elem_of(type) == e->f64 ? 8 : 4);
    if (!e->g->madd || e->o->plain || !lanes || lanes % each) {
        return hone_cg__fma(e, a, b, c);
    }
    LLVMValueRef all[] = {a, b, c};
    if (lanes == each) {
        return call(e, e->g->madd, &type, 1, all, 3);
    }
    LLVMTypeRef types[] = {type, LLVMVectorType(elem_of(type), each)};
    LLVMValueRef r = LLVMGetPoison(type);
    for (unsigned k = 0; k < lanes; k += each) {
        LLVMValueRef args[] = {r, madd_part(e, all, k, each), LLVMConstInt(e->i64, k, false)};
        r = call(e, "llvm.vector.insert", types, 2, args, 3);
    }
    return r;
}

LLVMValueRef hone_cg__splat(cg *e, LLVMValueRef v, unsigned n)
{
    LLVMValueRef loaded = hone_cg__splat_loaded(e, v, n);
    return loaded ? loaded : splat(e, v, n);
}

/* Lanes of half a vector that is wider than the target's registers; 0: it is not. LLVM 19 splits
 * such a masked load by itself, and where one half of the mask is false of a condition that all
 * lanes share, it reads that half in spite of it. */
static unsigned half_lanes(const cg *e, LLVMTypeRef type)
{
    LLVMTypeRef elem = LLVMGetElementType(type);
    unsigned lanes = LLVMGetVectorSize(type);
    bool is_whole = LLVMGetTypeKind(elem) == LLVMIntegerTypeKind;
    unsigned bits = is_whole ? LLVMGetIntTypeWidth(elem) : elem == e->f64 ? 64 : 32;
    bool wide = (int64_t)lanes * bits > 8 * (int64_t)e->g->target.vector_bytes;
    return wide && lanes > 2 && lanes % 2 == 0 ? lanes / 2 : 0;
}

static LLVMValueRef behind(cg *e, LLVMTypeRef type, LLVMValueRef p, unsigned n)
{
    LLVMValueRef at = LLVMConstInt(e->i64, n, false);
    return LLVMBuildGEP2(e->b, LLVMGetElementType(type), p, &at, 1, "");
}

LLVMValueRef hone_cg__masked_load(cg *e, LLVMTypeRef type, LLVMValueRef p, unsigned align,
                                  LLVMValueRef mask)
{
    unsigned half = half_lanes(e, type);
    if (half) {
        LLVMTypeRef part = LLVMVectorType(LLVMGetElementType(type), half);
        LLVMValueRef low =
            hone_cg__masked_load(e, part, p, align, hone_cg__lanes(e, mask, 0, half));
        LLVMValueRef high = hone_cg__masked_load(e, part, behind(e, type, p, half), align,
                                                 hone_cg__lanes(e, mask, half, half));
        return hone_cg__joined(e, low, high);
    }
    LLVMTypeRef types[] = {type, e->ptr};
    LLVMValueRef args[] = {p, LLVMConstInt(e->i32, align, false), mask, LLVMConstNull(type)};
    return call(e, "llvm.masked.load", types, 2, args, 4);
}

void hone_cg__masked_store(cg *e, LLVMValueRef v, LLVMValueRef p, unsigned align, LLVMValueRef mask)
{
    LLVMTypeRef type = LLVMTypeOf(v);
    unsigned half = half_lanes(e, type);
    if (half) {
        hone_cg__masked_store(e, hone_cg__lanes(e, v, 0, half), p, align,
                              hone_cg__lanes(e, mask, 0, half));
        hone_cg__masked_store(e, hone_cg__lanes(e, v, half, half), behind(e, type, p, half), align,
                              hone_cg__lanes(e, mask, half, half));
        return;
    }
    LLVMTypeRef types[] = {type, e->ptr};
    LLVMValueRef args[] = {v, p, LLVMConstInt(e->i32, align, false), mask};
    call(e, "llvm.masked.store", types, 2, args, 4);
}

LLVMBasicBlockRef hone_cg__block(cg *e, const char *name)
{
    return LLVMAppendBasicBlockInContext(e->ctx, e->fn.fn, name);
}

/* ---- memory <-> register -------------------------------------------------------------------- */

/* The upper half of a float, rounded to nearest even; a NaN stays a quiet NaN. */
static LLVMValueRef to_bf16(cg *e, LLVMValueRef v)
{
    LLVMTypeRef i32 = hone_cg__like(e->i32, LLVMTypeOf(v)), i16 = hone_cg__like(e->i16, i32);
    LLVMValueRef x = LLVMBuildBitCast(e->b, v, i32, "");
    LLVMValueRef up = LLVMBuildLShr(e->b, x, hone_cg__int_like(i32, 16), "");
    LLVMValueRef odd = LLVMBuildAnd(e->b, up, hone_cg__int_like(i32, 1), "");
    LLVMValueRef half = LLVMBuildAdd(e->b, odd, hone_cg__int_like(i32, 0x7fff), "");
    LLVMValueRef near = LLVMBuildAdd(e->b, x, half, "");
    near = LLVMBuildLShr(e->b, near, hone_cg__int_like(i32, 16), "");
    LLVMValueRef quiet = LLVMBuildOr(e->b, up, hone_cg__int_like(i32, 0x40), "");
    LLVMValueRef nan = LLVMBuildFCmp(e->b, LLVMRealUNO, v, v, "");
    return LLVMBuildTrunc(e->b, LLVMBuildSelect(e->b, nan, quiet, near, ""), i16, "");
}

/* A choice between numbers is made in f32: narrowed to half, as LLVM does when it sees the cast, it
 * becomes a call of fmaxf. */
static LLVMValueRef chosen_to_f16(cg *e, LLVMValueRef v)
{
    LLVMTypeRef f32 = LLVMTypeOf(v);
    LLVMValueRef bits = hone_cg__intrinsic(e, "llvm.convert.to.fp16", f32, &v, 1);
    return LLVMBuildBitCast(e->b, bits, e->f16, "");
}

LLVMValueRef hone_cg__to_mem(cg *e, hone_dtype t, LLVMValueRef v)
{
    switch (t) {
    case HONE_F16:
        if (e->g->soft_half) {
            return hone_cg__float_to_half(e, v);
        }
        if (!is_vector(LLVMTypeOf(v)) && LLVMIsASelectInst(v)) {
            return chosen_to_f16(e, v);
        }
        return LLVMBuildFPTrunc(e->b, v, hone_cg__like(e->f16, LLVMTypeOf(v)), "");
    case HONE_BF16:
        return to_bf16(e, v);
    case HONE_BOOL:
        return LLVMBuildZExt(e->b, v, hone_cg__like(e->i8, LLVMTypeOf(v)), "");
    default:
        return v;
    }
}

LLVMValueRef hone_cg__from_mem(cg *e, hone_dtype t, LLVMValueRef v)
{
    LLVMTypeRef type = LLVMTypeOf(v);
    switch (t) {
    case HONE_F16:
        if (e->g->soft_half) {
            return hone_cg__half_to_float(e, v);
        }
        return LLVMBuildFPExt(e->b, v, hone_cg__like(e->f32, type), "");
    case HONE_BF16: {
        LLVMTypeRef i32 = hone_cg__like(e->i32, type);
        LLVMValueRef x = LLVMBuildZExt(e->b, v, i32, "");
        x = LLVMBuildShl(e->b, x, hone_cg__int_like(i32, 16), "");
        return LLVMBuildBitCast(e->b, x, hone_cg__like(e->f32, type), "");
    }
    case HONE_BOOL:
        return LLVMBuildICmp(e->b, LLVMIntNE, v, hone_cg__int_like(type, 0), "");
    default:
        return v;
    }
}

/* ---- casts ---------------------------------------------------------------------------------- */

static bool is_unsigned(hone_dtype t)
{
    return t == HONE_U8 || t == HONE_BOOL;
}

static LLVMValueRef float_to_float(cg *e, hone_dtype to, LLVMValueRef v)
{
    LLVMTypeRef type = hone_cg__like(hone_cg__reg_type(e, to), LLVMTypeOf(v));
    v = LLVMBuildFPCast(e->b, v, type, "");
    return to == HONE_F16 || to == HONE_BF16 ? hone_cg__from_mem(e, to, hone_cg__to_mem(e, to, v))
                                             : v;
}

/* What was rounded to be x by hone_cg__round, half to even; NULL: x is something else, or the
 * target does not convert so in one instruction. */
static LLVMValueRef rounded_from(const cg *e, LLVMValueRef x)
{
    size_t n;
    LLVMTypeRef of = LLVMTypeOf(x);
    of = LLVMGetTypeKind(of) == LLVMVectorTypeKind ? LLVMGetElementType(of) : of;
    if (!e->g->rounds_to_int || of != e->f32 || !LLVMIsACallInst(x))
        return NULL;
    const char *name = LLVMGetValueName2(LLVMGetCalledValue(x), &n);
    return strncmp(name, "llvm.rint.", strlen("llvm.rint.")) == 0 ? LLVMGetOperand(x, 0) : NULL;
}

/* To few bits, whose bounds are floats: cut first. LLVM's own saturating cast goes lane by lane.
 * The bounds are whole numbers: what was rounded may be cut before it is. */
static LLVMValueRef float_to_short(cg *e, hone_dtype to, LLVMValueRef x)
{
    LLVMTypeRef from = LLVMTypeOf(x), types[] = {hone_cg__like(e->i32, from), from};
    LLVMValueRef whole = rounded_from(e, x);
    x = whole ? whole : x;
    double span = hone_dtype_bytes(to) == 1 ? 256 : 65536;
    double least = is_unsigned(to) ? 0 : -span / 2;
    LLVMValueRef low = hone_cg__real_like(from, least);
    LLVMValueRef high = hone_cg__real_like(from, least + span - 1);
    LLVMValueRef v = x;
    v = LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, LLVMRealOGT, v, low, ""), v, low, "");
    v = LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, LLVMRealOLT, v, high, ""), v, high, "");
    if (!is_unsigned(to)) { /* NaN is the lower bound by now, for bytes without sign 0 */
        LLVMValueRef zero = hone_cg__real_like(from, 0);
        v = LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, LLVMRealUNO, x, x, ""), zero, v, "");
    }
    v = whole ? call(e, "llvm.lrint", types, 2, &v, 1) : LLVMBuildFPToSI(e->b, v, types[0], "");
    return LLVMBuildTrunc(e->b, v, hone_cg__like(hone_cg__reg_type(e, to), from), "");
}

/* Towards zero, saturating, NaN to 0. */
static LLVMValueRef float_to_int(cg *e, hone_dtype to, LLVMValueRef v)
{
    LLVMTypeRef from = LLVMTypeOf(v);
    if (to == HONE_BOOL) {
        return LLVMBuildFCmp(e->b, LLVMRealUNE, v, hone_cg__real_like(from, 0), "");
    }
    if (hone_dtype_bytes(to) < 4) {
        return float_to_short(e, to, v);
    }
    LLVMTypeRef types[] = {hone_cg__like(hone_cg__reg_type(e, to), from), from};
    return call(e, is_unsigned(to) ? "llvm.fptoui.sat" : "llvm.fptosi.sat", types, 2, &v, 1);
}

LLVMValueRef hone_cg__cast(cg *e, hone_dtype from, hone_dtype to, LLVMValueRef v)
{
    if (from == to && to != HONE_F16 && to != HONE_BF16) { /* these are wider until now */
        return v;
    }
    bool ff = hone_dtype_is_float(from), tf = hone_dtype_is_float(to);
    if (ff) {
        return tf ? float_to_float(e, to, v) : float_to_int(e, to, v);
    }
    LLVMTypeRef type = hone_cg__like(hone_cg__reg_type(e, to), LLVMTypeOf(v));
    if (tf) {
        v = is_unsigned(from) ? LLVMBuildUIToFP(e->b, v, type, "")
                              : LLVMBuildSIToFP(e->b, v, type, "");
        return float_to_float(e, to, v);
    }
    if (to == HONE_BOOL) {
        LLVMValueRef zero = hone_cg__int_like(LLVMTypeOf(v), 0);
        return LLVMBuildICmp(e->b, LLVMIntNE, v, zero, "");
    }
    return LLVMBuildIntCast2(e->b, v, type, !is_unsigned(from), "");
}
