/* What the code generator knows of x86-64 beyond the preset in targets/: what LLVM 19 wants to be
 * told, and instructions that no common intrinsic of LLVM's becomes. Of codegen/, space/ and
 * costmodel/ only such files name an architecture (tests/lint/test_rooms.sh). */
#include "codegen/emit/real.h"

/* With AVX-512 in a list, LLVM 19 takes registers to be 512 bits wide for its default processors
 * alone; for others it wants to be told. */
static void say_evex512(hone_target *t)
{
    size_t n = strlen(t->features);
    if (!strstr(t->features, "evex512") && n + sizeof ",+evex512" <= sizeof t->features) {
        memcpy(t->features + n, ",+evex512" + !n, sizeof ",+evex512" - !n);
    }
}

void hone_cg__complete(hone_codegen *g)
{
    g->has_scalef = hone_target_has(&g->target, "avx512f");
    g->rounds_to_int = hone_target_has(&g->target, "sse4.1"); /* where rint is not by_sums */
    g->has_sign = hone_target_has(&g->target, "avx2");
    g->has_range =
        hone_target_has(&g->target, "avx512dq") && hone_target_has(&g->target, "avx512vl");
    if (g->has_scalef) {
        say_evex512(&g->target);
    }
}

/* ---- instructions of AVX-512 ------------------------------------------------------------------
 */

/* `name`.{ps,pd}.{128,256,512} of up to three operands and then an immediate, 512 bits at a time.
 * `rounds`: the widest has an argument more, which says that it rounds as the processor does at the
 * moment. */
typedef struct instruction {
    const char *name;
    int immediate; /* -1: none */
    bool rounds, needs_dq;
} instruction;

static const instruction scalef_of = {"mask.scalef", -1, true, false};
/* t less the whole number below it, exact: all of M is 0, rounding is down, quietly */
static const instruction reduce_of = {"mask.reduce", 9, true, true};
static const instruction getexp_of = {"mask.getexp", -1, true, false};
/* in [1, 2), with the sign */
static const instruction getmant_of = {"mask.getmant", 0, true, false};
static const instruction rcp14_of = {"rcp14", -1, false, false};
static const instruction fixup_of = {"mask.fixupimm", 0, true, false};
/* with the sign of the comparison's result */
static const instruction min_of = {"mask.range", 4, true, true};
static const instruction max_of = {"mask.range", 5, true, true};

/* The vector's bits, 0: not for these lanes or this target. */
static unsigned bits_for(const cg *e, const instruction *in, LLVMValueRef a)
{
    const hone_codegen *g = e->g; /* has_scalef: F; has_range: DQ and VL */
    LLVMTypeRef type = LLVMTypeOf(a);
    if (LLVMGetTypeKind(type) != LLVMVectorTypeKind || !g->has_scalef ||
        (in->needs_dq && !g->has_range)) {
        return 0;
    }
    unsigned bits = LLVMGetVectorSize(type) * (is_double(a) ? 64 : 32);
    bool is_short = bits == 256 || bits == 128;
    return (is_short && g->has_range) || bits % 512 == 0 ? bits : 0;
}

static LLVMValueRef call(cg *e, const char *name, LLVMTypeRef type, LLVMValueRef *args, unsigned n)
{
    LLVMTypeRef types[7];
    for (unsigned i = 0; i < n; i++) {
        types[i] = LLVMTypeOf(args[i]);
    }
    LLVMTypeRef fn_type = LLVMFunctionType(type, types, n, false);
    LLVMValueRef fn = LLVMGetNamedFunction(e->mod, name);
    if (!fn) {
        fn = LLVMAddFunction(e->mod, name, fn_type);
    }
    return LLVMBuildCall2(e->b, fn_type, fn, args, n, "");
}

static LLVMValueRef emit(cg *e, const instruction *in, LLVMValueRef *operands, unsigned n_operands)
{
    LLVMValueRef a = operands[0], args[7];
    LLVMTypeRef type = LLVMTypeOf(a);
    unsigned bits = bits_for(e, in, a), n_args = 0;
    if (bits == 0) {
        return NULL;
    }
    unsigned lanes = LLVMGetVectorSize(type);
    if (bits > 512) {
        LLVMValueRef half[2], part[3];
        for (unsigned i = 0; i < 2; i++) {
            for (unsigned q = 0; q < n_operands; q++) {
                part[q] = hone_cg__lanes(e, operands[q], i * lanes / 2, lanes / 2);
            }
            half[i] = emit(e, in, part, n_operands);
        }
        return half[0] && half[1] ? hone_cg__joined(e, half[0], half[1]) : NULL;
    }
    char name[64];
    snprintf(name, sizeof name, "llvm.x86.avx512.%s.%s.%u", in->name, is_double(a) ? "pd" : "ps",
             bits);
    for (unsigned i = 0; i < n_operands; i++) {
        args[n_args++] = operands[i];
    }
    if (in->immediate >= 0) {
        args[n_args++] = LLVMConstInt(e->i32, (unsigned)in->immediate, false);
    }
    if (n_operands < 3) { /* for lanes that are masked: none */
        args[n_args++] = LLVMGetUndef(type);
    }
    args[n_args++] = LLVMConstAllOnes(lanes == 16 ? e->i16 : e->i8);
    if (in->rounds && bits == 512) {
        args[n_args++] = LLVMConstInt(e->i32, 4, false);
    }
    return call(e, name, type, args, n_args);
}

LLVMValueRef hone_cg__scaled(cg *e, LLVMValueRef m, LLVMValueRef n)
{
    return emit(e, &scalef_of, (LLVMValueRef[]){m, n}, 2);
}

/* A number, or fewer lanes than 128 bits have, as the first lanes of a vector that long. */
static LLVMValueRef widened(cg *e, LLVMValueRef v, unsigned lanes)
{
    LLVMTypeRef type = LLVMTypeOf(v);
    LLVMValueRef at[4], zero = LLVMConstInt(e->i32, 0, false);
    if (LLVMGetTypeKind(type) != LLVMVectorTypeKind) {
        return LLVMBuildInsertElement(e->b, LLVMGetPoison(LLVMVectorType(type, lanes)), v, zero,
                                      "");
    }
    for (unsigned k = 0; k < lanes; k++) {
        bool is_there = k < LLVMGetVectorSize(type);
        at[k] = is_there ? LLVMConstInt(e->i32, k, false) : LLVMGetPoison(e->i32);
    }
    return LLVMBuildShuffleVector(e->b, v, LLVMGetPoison(type), LLVMConstVector(at, lanes), "");
}

LLVMValueRef hone_cg__number_range(cg *e, bool min, LLVMValueRef a, LLVMValueRef b)
{
    LLVMTypeRef type = LLVMTypeOf(a);
    bool one = LLVMGetTypeKind(type) != LLVMVectorTypeKind;
    unsigned n = one ? 1 : LLVMGetVectorSize(type), all = is_double(a) ? 2 : 4;
    const instruction *in = min ? &min_of : &max_of;
    if (n >= all || !e->g->has_range) {
        return emit(e, in, (LLVMValueRef[]){a, b}, 2);
    }
    LLVMValueRef v = emit(e, in, (LLVMValueRef[]){widened(e, a, all), widened(e, b, all)}, 2);
    return v ? hone_cg__lanes(e, v, 0, n) : NULL;
}

/* As integers +0 is 0 and -0 the least. The least with the sign of x, vpsignd, is 0 where x is 0
 * and the least elsewhere: the larger of m and that is m, but 0 where m is the least and x 0. Not
 * for the short vectors that the lanes of a sum end in, where each step waits for the one before:
 * to go from floats to integers and back takes longer than a comparison. */
LLVMValueRef hone_cg__plus_zero(cg *e, LLVMValueRef m, LLVMValueRef x)
{
    LLVMTypeRef type = LLVMTypeOf(x), bits = LLVMVectorType(e->i32, 8);
    bool one = LLVMGetTypeKind(type) != LLVMVectorTypeKind;
    unsigned n = one ? 1 : LLVMGetVectorSize(type);
    if (!e->g->has_sign || n < 8 || (n & (n - 1)) ||
        LLVMGetTypeKind(LLVMGetElementType(type)) != LLVMFloatTypeKind) {
        return NULL;
    }
    if (n > 8) {
        LLVMValueRef half[2];
        for (unsigned i = 0; i < 2; i++) {
            half[i] = hone_cg__plus_zero(e, hone_cg__lanes(e, m, i * n / 2, n / 2),
                                         hone_cg__lanes(e, x, i * n / 2, n / 2));
        }
        return hone_cg__joined(e, half[0], half[1]);
    }
    LLVMValueRef signs[] = {hone_cg__int_like(bits, UINT32_C(1) << 31),
                            LLVMBuildBitCast(e->b, x, bits, "")};
    LLVMValueRef pair[] = {LLVMBuildBitCast(e->b, m, bits, ""),
                           call(e, "llvm.x86.avx2.psign.d", bits, signs, 2)};
    return LLVMBuildBitCast(e->b, hone_cg__intrinsic(e, "llvm.smax", bits, pair, 2), type, "");
}

LLVMValueRef hone_cg__reduce(cg *e, LLVMValueRef t)
{
    return emit(e, &reduce_of, &t, 1);
}

LLVMValueRef hone_cg__rcp14(cg *e, LLVMValueRef x)
{
    return emit(e, &rcp14_of, &x, 1);
}

LLVMValueRef hone_cg__getexp(cg *e, LLVMValueRef x)
{
    return emit(e, &getexp_of, &x, 1);
}

LLVMValueRef hone_cg__getmant(cg *e, LLVMValueRef x)
{
    return emit(e, &getmant_of, &x, 1);
}

LLVMValueRef hone_cg__fixup(cg *e, LLVMValueRef y, LLVMValueRef x, uint32_t table)
{
    LLVMValueRef all = hone_cg__int_like(hone_cg__like(e->i32, LLVMTypeOf(x)), table);
    return emit(e, &fixup_of, (LLVMValueRef[]){y, x, all}, 3);
}

bool hone_cg__has_lookup(const cg *e, LLVMTypeRef type)
{
    unsigned lanes = LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetVectorSize(type) : 1;
    while (lanes > HONE_CG__TABLE && lanes % 2 == 0) {
        lanes /= 2;
    }
    return e->g->has_scalef && lanes == HONE_CG__TABLE;
}

LLVMValueRef hone_cg__lookup(cg *e, const double table[HONE_CG__TABLE], LLVMValueRef at)
{
    unsigned lanes = LLVMGetVectorSize(LLVMTypeOf(at));
    if (lanes > HONE_CG__TABLE) {
        LLVMValueRef low = hone_cg__lookup(e, table, hone_cg__lanes(e, at, 0, lanes / 2));
        LLVMValueRef high = hone_cg__lookup(e, table, hone_cg__lanes(e, at, lanes / 2, lanes / 2));
        return hone_cg__joined(e, low, high);
    }
    LLVMValueRef c[HONE_CG__TABLE];
    for (unsigned i = 0; i < HONE_CG__TABLE; i++) {
        c[i] = LLVMConstReal(e->f32, table[i]);
    }
    LLVMValueRef args[] = {LLVMConstVector(c, HONE_CG__TABLE), at};
    return call(e, "llvm.x86.avx512.permvar.sf.512", LLVMTypeOf(args[0]), args, 2);
}
