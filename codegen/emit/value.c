/* Data expressions, each computed once (known.c). In vector code a value is uniform (scalar) until
 * something lane-dependent meets it; loads whose index moves with the lane by one become vector
 * loads, masked where the code runs in some lanes only. What cannot be done so is found beforehand
 * (hone_cg__can_vectorise) and the block is emitted lane by lane instead. SELECT evaluates only the
 * arm chosen whenever the other could do harm. */
#include "codegen/internal.h"

static cg_val scalar(LLVMValueRef v)
{
    return (cg_val){v, false};
}

/* Makes the two operands the same shape; true if they are vectors. */
static bool match(cg *e, cg_val *a, cg_val *b)
{
    bool vec = a->vec || b->vec;
    if (vec) {
        *a = (cg_val){hone_cg__vec(e, *a), true};
        *b = (cg_val){hone_cg__vec(e, *b), true};
    }
    return vec;
}

/* <0, s, 2s, ...> of an integer type. */
static LLVMValueRef ramp(LLVMTypeRef type, unsigned n, int64_t s)
{
    LLVMValueRef all[CG_MAX_LANES];
    for (unsigned k = 0; k < n; k++) {
        all[k] = LLVMConstInt(type, (uint64_t)(s * (int64_t)k), true);
    }
    return LLVMConstVector(all, n);
}

/* ---- loads ---------------------------------------------------------------------------------- */

static LLVMValueRef plain_load(cg *e, LLVMTypeRef type, LLVMValueRef p, unsigned align)
{
    LLVMValueRef v = LLVMBuildLoad2(e->b, type, p, "");
    LLVMSetAlignment(v, align);
    return v;
}

/* Lanes out of order: what they lie in, shuffled. */
static LLVMValueRef shuffled_load(cg *e, hone_buffer b, cg_lin l, cg_sum *s, LLVMTypeRef type,
                                  unsigned align)
{
    cg_stretch x;
    LLVMValueRef at[CG_MAX_LANES];
    bool found = hone_cg__lane_stretch(e, b, l, &x);
    HONE_ASSERT(found); /* hone_cg__can_vectorise */
    s->c += x.from;
    LLVMTypeRef vec = LLVMVectorType(type, x.n);
    LLVMValueRef p = hone_cg__address(e, e->fn.ptr[b.i], type, s);
    LLVMValueRef v = plain_load(e, vec, p, align);
    for (unsigned k = 0; k < e->lanes; k++) {
        at[k] = LLVMConstInt(e->i32, x.at[k], false);
    }
    return LLVMBuildShuffleVector(e->b, v, LLVMGetPoison(vec), LLVMConstVector(at, e->lanes), "");
}

cg_val hone_cg__load(cg *e, hone_expr load)
{
    hone_buffer b = {hone_expr_at(&e->q, load)->sym};
    hone_dtype t = (hone_dtype)hone_buffer_at(&e->q, b)->dtype;
    LLVMTypeRef type = hone_cg__mem_type(e, t);
    unsigned align = hone_cg__elem_bytes(t);
    cg_lin l = hone_cg__lin(e, (hone_expr){e->offset_of.v[load.i]});
    cg_sum s;
    hone_cg__sum(e, l, CG_ALL_TERMS, l.c, &s);
    HONE_ASSERT(e->fn.ptr[b.i]);
    if (s.lane_other) {
        return (cg_val){hone_cg__from_mem(e, t, shuffled_load(e, b, l, &s, type, align)), true};
    }
    LLVMValueRef p = hone_cg__address(e, e->fn.ptr[b.i], type, &s), v;
    if (!s.lane) {
        return scalar(hone_cg__from_mem(e, t, plain_load(e, type, p, align)));
    }
    LLVMTypeRef vec = LLVMVectorType(type, e->lanes);
    if (s.lane == 1) {
        hone_cg__fetch_ahead(e, b, l, &s, p);
        bool safe = !e->mask || hone_cg__in_stack(e, b, (hone_expr){e->offset_of.v[load.i]}) ||
                    hone_cg__load_in_bounds(e, load);
        v = safe ? plain_load(e, vec, p, align) : hone_cg__masked_load(e, vec, p, align, e->mask);
    } else {
        v = LLVMGetPoison(vec);
        for (unsigned k = 0; k < e->lanes; k++) {
            LLVMValueRef off = LLVMConstInt(e->i64, (uint64_t)(s.lane * (int64_t)k), true);
            LLVMValueRef pk = LLVMBuildGEP2(e->b, type, p, &off, 1, "");
            LLVMValueRef x = plain_load(e, type, pk, align);
            v = LLVMBuildInsertElement(e->b, v, x, LLVMConstInt(e->i32, k, false), "");
        }
    }
    return (cg_val){hone_cg__from_mem(e, t, v), true};
}

/* ---- conditions ----------------------------------------------------------------------------- */

static cg_val lane_compare(cg *e, cg_idx base, int64_t step)
{
    unsigned n = e->lanes;
    if (base.lo == base.hi) {
        LLVMValueRef all[CG_MAX_LANES];
        for (unsigned k = 0; k < n; k++) {
            all[k] = LLVMConstInt(e->i1, base.lo + step * (int64_t)k < 0, false);
        }
        return (cg_val){LLVMConstVector(all, n), true};
    }
    LLVMTypeRef type = e->i64;
    const int64_t small = 1 << 28;
    if (step < small / CG_MAX_LANES && step > -small / CG_MAX_LANES) {
        /* Far from zero the lane makes no difference, so 32 bits are enough. */
        type = e->i32;
        base =
            hone_cg__min(e, hone_cg__max(e, base, hone_cg__const(-small)), hone_cg__const(small));
    }
    LLVMValueRef v = hone_cg__v(e, base);
    v = type == e->i32 ? LLVMBuildTrunc(e->b, v, type, "") : v;
    v = LLVMBuildAdd(e->b, hone_cg__splat(e, v, n), ramp(type, n, step), "");
    LLVMValueRef zero = hone_cg__int_like(LLVMTypeOf(v), 0);
    return (cg_val){LLVMBuildICmp(e->b, LLVMIntSLT, v, zero, ""), true};
}

/* A linear condition, with what is known of its outer part put in. False: depends on the lane in a
 * way that is not linear. */
static bool linear_cond(cg *e, hone_expr cond, cg_lin l, cg_val *ret)
{
    const cg_fact *f = hone_cg__fact(e, cond);
    cg_sum s;
    hone_cg__sum(e, l, f ? f->inner : CG_ALL_TERMS, f ? f->outer : l.c, &s);
    if (s.lane_other) {
        return false;
    }
    if (s.lane) {
        *ret = lane_compare(e, hone_cg__sum_value(e, &s), s.lane);
    } else {
        int64_t bound = -s.c;
        s.c = 0;
        LLVMValueRef v = hone_cg__v(e, hone_cg__sum_value(e, &s));
        LLVMValueRef c = LLVMConstInt(e->i64, (uint64_t)bound, true);
        *ret = scalar(LLVMBuildICmp(e->b, LLVMIntSLT, v, c, ""));
    }
    return true;
}

static cg_val compare(cg *e, hone_expr cond)
{
    hone_op op = hone_expr_op(&e->q, cond);
    hone_dtype t = hone_expr_dtype(&e->q, hone_expr_arg(&e->q, cond, 0));
    cg_val a = hone_cg__value(e, hone_expr_arg(&e->q, cond, 0));
    cg_val b = hone_cg__value(e, hone_expr_arg(&e->q, cond, 1));
    bool vec = match(e, &a, &b);
    if (hone_dtype_is_float(t)) {
        LLVMRealPredicate p = op == HONE_OP_EQ   ? LLVMRealOEQ
                              : op == HONE_OP_NE ? LLVMRealUNE
                              : op == HONE_OP_LT ? LLVMRealOLT
                                                 : LLVMRealOLE;
        return (cg_val){LLVMBuildFCmp(e->b, p, a.v, b.v, ""), vec};
    }
    bool u = t == HONE_U8 || t == HONE_BOOL;
    LLVMIntPredicate p = op == HONE_OP_EQ   ? LLVMIntEQ
                         : op == HONE_OP_NE ? LLVMIntNE
                         : op == HONE_OP_LT ? (u ? LLVMIntULT : LLVMIntSLT)
                                            : (u ? LLVMIntULE : LLVMIntSLE);
    return (cg_val){LLVMBuildICmp(e->b, p, a.v, b.v, ""), vec};
}

static cg_val emit_cond(cg *e, hone_expr cond)
{
    const hone_program *q = &e->q;
    cg_tri known = hone_cg__decide(e, cond);
    if (known != CG_MAYBE) {
        return scalar(LLVMConstInt(e->i1, known == CG_YES, false));
    }
    hone_op op = hone_expr_op(q, cond);
    cg_lin l = hone_cg__cond_lin(e, cond);
    cg_val r;
    if (l.ok && linear_cond(e, cond, l, &r)) {
        return r;
    }
    switch (op) {
    case HONE_OP_AND:
    case HONE_OP_OR: {
        hone_expr x = hone_expr_arg(q, cond, 0), y = hone_expr_arg(q, cond, 1);
        if (hone_cg__decide(e, x) != CG_MAYBE) { /* then it is the neutral one */
            return hone_cg__cond(e, y);
        }
        if (hone_cg__decide(e, y) != CG_MAYBE) {
            return hone_cg__cond(e, x);
        }
        cg_val a = hone_cg__cond(e, x), b = hone_cg__cond(e, y);
        bool vec = match(e, &a, &b);
        LLVMValueRef v =
            op == HONE_OP_AND ? LLVMBuildAnd(e->b, a.v, b.v, "") : LLVMBuildOr(e->b, a.v, b.v, "");
        return (cg_val){v, vec};
    }
    case HONE_OP_NOT:
        r = hone_cg__cond(e, hone_expr_arg(q, cond, 0));
        return (cg_val){LLVMBuildNot(e->b, r.v, ""), r.vec};
    case HONE_OP_EQ:
    case HONE_OP_NE:
    case HONE_OP_LT:
    case HONE_OP_LE:
        return compare(e, cond);
    default:
        return hone_cg__value(e, cond);
    }
}

cg_val hone_cg__cond(cg *e, hone_expr cond)
{
    cg_val v;
    if (hone_expr_at(&e->q, cond)->n_args == 0) {
        return emit_cond(e, cond);
    }
    if (hone_cg__find(e, cond, &v)) {
        return v;
    }
    hone_cg__enter_expr(e);
    v = emit_cond(e, cond);
    if (!hone_cg__find(e, cond, &(cg_val){0})) {
        hone_cg__keep(e, cond, v);
    }
    hone_cg__leave_expr(e);
    return v;
}

/* ---- operations ----------------------------------------------------------------------------- */

static LLVMValueRef floored(cg *e, hone_op op, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef zero = hone_cg__int_like(LLVMTypeOf(a), 0);
    LLVMValueRef q = LLVMBuildSDiv(e->b, a, b, ""), r = LLVMBuildSRem(e->b, a, b, "");
    LLVMValueRef differ = LLVMBuildICmp(e->b, LLVMIntSLT, LLVMBuildXor(e->b, r, b, ""), zero, "");
    LLVMValueRef inexact = LLVMBuildICmp(e->b, LLVMIntNE, r, zero, "");
    LLVMValueRef fix = LLVMBuildAnd(e->b, differ, inexact, "");
    if (op == HONE_OP_FLOORDIV) {
        return LLVMBuildAdd(e->b, q, LLVMBuildSExt(e->b, fix, LLVMTypeOf(a), ""), "");
    }
    return LLVMBuildAdd(e->b, r, LLVMBuildSelect(e->b, fix, b, zero, ""), "");
}

/* The smallest number by -1 does not fit, for which LLVM leaves the result open and processors
 * trap; here it wraps around as everything does. */
static LLVMValueRef signed_quotient(cg *e, hone_op op, LLVMValueRef a, LLVMValueRef b)
{
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef minus = LLVMBuildICmp(e->b, LLVMIntEQ, b, hone_cg__int_like(type, -1), "");
    b = LLVMBuildSelect(e->b, minus, hone_cg__int_like(type, 1), b, "");
    LLVMValueRef q = op == HONE_OP_DIV ? LLVMBuildSDiv(e->b, a, b, "") : floored(e, op, a, b);
    if (op == HONE_OP_FLOORMOD) {
        return q; /* 0 by either */
    }
    return LLVMBuildSelect(e->b, minus, LLVMBuildNeg(e->b, a, ""), q, "");
}

/* LLVM leaves distances that are too far undefined; here the result is 0. */
static LLVMValueRef shift(cg *e, hone_op op, LLVMValueRef a, LLVMValueRef b)
{
    LLVMTypeRef type = LLVMTypeOf(a), one = type;
    if (LLVMGetTypeKind(type) == LLVMVectorTypeKind) {
        one = LLVMGetElementType(type);
    }
    LLVMValueRef v =
        op == HONE_OP_SHL ? LLVMBuildShl(e->b, a, b, "") : LLVMBuildLShr(e->b, a, b, "");
    LLVMValueRef bits = hone_cg__int_like(type, LLVMGetIntTypeWidth(one));
    LLVMValueRef near = LLVMBuildICmp(e->b, LLVMIntULT, b, bits, "");
    return LLVMBuildSelect(e->b, near, v, hone_cg__int_like(type, 0), "");
}

static LLVMValueRef int_binary(cg *e, hone_op op, bool u, LLVMValueRef a, LLVMValueRef b)
{
    switch (op) {
    case HONE_OP_ADD:
        return LLVMBuildAdd(e->b, a, b, "");
    case HONE_OP_SUB:
        return LLVMBuildSub(e->b, a, b, "");
    case HONE_OP_MUL:
        return LLVMBuildMul(e->b, a, b, "");
    case HONE_OP_BITAND:
        return LLVMBuildAnd(e->b, a, b, "");
    case HONE_OP_BITOR:
        return LLVMBuildOr(e->b, a, b, "");
    case HONE_OP_BITXOR:
        return LLVMBuildXor(e->b, a, b, "");
    case HONE_OP_SHL:
    case HONE_OP_SHR:
        return shift(e, op, a, b);
    case HONE_OP_DIV:
    case HONE_OP_FLOORDIV:
        return u ? LLVMBuildUDiv(e->b, a, b, "") : signed_quotient(e, op, a, b);
    case HONE_OP_FLOORMOD:
        return u ? LLVMBuildURem(e->b, a, b, "") : signed_quotient(e, op, a, b);
    default: {
        LLVMIntPredicate less = u ? LLVMIntULT : LLVMIntSLT, more = u ? LLVMIntUGT : LLVMIntSGT;
        LLVMValueRef c = LLVMBuildICmp(e->b, op == HONE_OP_MIN ? less : more, a, b, "");
        return LLVMBuildSelect(e->b, c, a, b, "");
    }
    }
}

static LLVMValueRef float_binary(cg *e, hone_op op, LLVMValueRef a, LLVMValueRef b)
{
    switch (op) {
    case HONE_OP_ADD:
        return LLVMBuildFAdd(e->b, a, b, "");
    case HONE_OP_SUB:
        return LLVMBuildFSub(e->b, a, b, "");
    case HONE_OP_MUL:
        return LLVMBuildFMul(e->b, a, b, "");
    case HONE_OP_DIV:
        return LLVMBuildFDiv(e->b, a, b, "");
    case HONE_OP_MIN:
    case HONE_OP_MAX:
        return hone_cg__extreme(e, op, a, b, false, false);
    default:
        return hone_cg__math(e, op, false, a, b);
    }
}

LLVMValueRef hone_cg__binary(cg *e, hone_op op, hone_dtype t, LLVMValueRef a, LLVMValueRef b)
{
    bool u = t == HONE_U8 || t == HONE_BOOL;
    return hone_dtype_is_float(t) ? float_binary(e, op, a, b) : int_binary(e, op, u, a, b);
}

/* A product that is added to something, or subtracted, or from which something is, with one
 * rounding. False: there is none. */
static bool fused(cg *e, hone_op op, hone_expr xa, hone_expr xb, cg_val *ret)
{
    bool second = hone_expr_op(&e->q, xb) == HONE_OP_MUL;
    if ((op != HONE_OP_ADD && op != HONE_OP_SUB) ||
        (!second && hone_expr_op(&e->q, xa) != HONE_OP_MUL)) {
        return false;
    }
    hone_expr product = second ? xb : xa;
    cg_val c = hone_cg__value(e, second ? xa : xb);
    cg_val a = hone_cg__value(e, hone_expr_arg(&e->q, product, 0));
    cg_val b = hone_cg__value(e, hone_expr_arg(&e->q, product, 1));
    bool vec = match(e, &a, &c);
    vec = match(e, &a, &b);
    match(e, &a, &c);
    if (op == HONE_OP_SUB) {
        cg_val *minus = second ? &a : &c;
        minus->v = LLVMBuildFNeg(e->b, minus->v, "");
    }
    LLVMValueRef sum = op == HONE_OP_ADD ? hone_cg__fma_in_place(e, a.v, b.v, c.v) : NULL;
    *ret = (cg_val){sum ? sum : hone_cg__madd(e, a.v, b.v, c.v), vec};
    return true;
}

static cg_val binary(cg *e, hone_expr x)
{
    hone_op op = hone_expr_op(&e->q, x);
    hone_dtype t = hone_expr_dtype(&e->q, x);
    bool is_float = hone_dtype_is_float(t);
    hone_expr xa = hone_expr_arg(&e->q, x, 0), xb = hone_expr_arg(&e->q, x, 1);
    cg_val once;
    if (is_float && e->fuse && fused(e, op, xa, xb, &once)) {
        return once;
    }
    cg_val a = hone_cg__value(e, xa), b = hone_cg__value(e, xb);
    bool vec = match(e, &a, &b);
    if (is_float && (op == HONE_OP_MIN || op == HONE_OP_MAX) && op == e->leaf->op &&
        HONE_SAME(xa, e->own)) {
        const cg_leaf *f = e->leaf;
        return (cg_val){hone_cg__extreme(e, op, b.v, a.v, f->own_is_number, f->zeros_alike), vec};
    }
    return (cg_val){hone_cg__binary(e, op, t, a.v, b.v), vec};
}

static cg_val unary(cg *e, hone_expr x)
{
    hone_op op = hone_expr_op(&e->q, x);
    hone_expr xa = hone_expr_arg(&e->q, x, 0);
    hone_dtype t = hone_expr_dtype(&e->q, xa);
    cg_val a = hone_cg__value(e, xa);
    if (op == HONE_OP_CAST) {
        return (cg_val){hone_cg__cast(e, t, hone_expr_dtype(&e->q, x), a.v), a.vec};
    }
    if (op == HONE_OP_ABS && !hone_dtype_is_float(t)) {
        if (t == HONE_U8 || t == HONE_BOOL) {
            return a;
        }
        LLVMValueRef args[] = {a.v, LLVMConstInt(e->i1, 0, false)};
        return (cg_val){hone_cg__intrinsic(e, "llvm.abs", LLVMTypeOf(a.v), args, 2), a.vec};
    }
    if (op == HONE_OP_FLOOR || op == HONE_OP_CEIL || op == HONE_OP_ROUND) {
        return (cg_val){hone_cg__round(e, op, a.v), a.vec};
    }
    const char *name = op == HONE_OP_SQRT       ? "llvm.sqrt"
                       : op == HONE_OP_ABS      ? "llvm.fabs"
                       : op == HONE_OP_POPCOUNT ? "llvm.ctpop"
                                                : NULL;
    LLVMValueRef v = name ? hone_cg__intrinsic(e, name, LLVMTypeOf(a.v), &a.v, 1)
                          : hone_cg__math(e, op, hone_is_fast(&e->q, x), a.v, NULL);
    return (cg_val){v, a.vec};
}

/* The condition is one bit: jump around the arm not chosen. */
static cg_val select_by_branch(cg *e, LLVMValueRef c, hone_expr x)
{
    LLVMBasicBlockRef block[2] = {hone_cg__block(e, "then"), hone_cg__block(e, "else")};
    LLVMBasicBlockRef join = hone_cg__block(e, "join"), from[2];
    LLVMBuildCondBr(e->b, c, block[0], block[1]);
    cg_val arm[2];
    cg_mark before = hone_cg__mark(e);
    for (int k = 0; k < 2; k++) {
        LLVMPositionBuilderAtEnd(e->b, block[k]);
        arm[k] = hone_cg__value(e, hone_expr_arg(&e->q, x, (unsigned)k + 1));
        from[k] = LLVMGetInsertBlock(e->b);
        hone_cg__forget(e, before);
    }
    bool vec = arm[0].vec || arm[1].vec;
    LLVMValueRef in[2];
    for (int k = 0; k < 2; k++) {
        LLVMPositionBuilderAtEnd(e->b, from[k]);
        in[k] = vec ? hone_cg__vec(e, arm[k]) : arm[k].v;
        LLVMBuildBr(e->b, join);
    }
    LLVMPositionBuilderAtEnd(e->b, join);
    LLVMValueRef phi = LLVMBuildPhi(e->b, LLVMTypeOf(in[0]), "");
    LLVMAddIncoming(phi, in, from, 2);
    return (cg_val){phi, vec};
}

static cg_val select_value(cg *e, hone_expr x)
{
    hone_expr c = hone_expr_arg(&e->q, x, 0);
    hone_expr arm[2] = {hone_expr_arg(&e->q, x, 1), hone_expr_arg(&e->q, x, 2)};
    cg_tri known = hone_cg__decide(e, c);
    if (known != CG_MAYBE) {
        return hone_cg__value(e, arm[known == CG_YES ? 0 : 1]);
    }
    cg_val cond = hone_cg__cond(e, c), a, b;
    if (!cond.vec) {
        if (!hone_cg__can_speculate(e, arm[0]) || !hone_cg__can_speculate(e, arm[1])) {
            hone_cg__compute_shared(e, arm[0], arm[1]);
            return select_by_branch(e, cond.v, x);
        }
        a = hone_cg__value(e, arm[0]);
        b = hone_cg__value(e, arm[1]);
        bool vec = match(e, &a, &b);
        return (cg_val){LLVMBuildSelect(e->b, cond.v, a.v, b.v, ""), vec};
    }
    hone_cg__compute_shared(e, arm[0], arm[1]);
    cg_mark before = hone_cg__mark(e);
    LLVMValueRef outer = e->mask, no = LLVMBuildNot(e->b, cond.v, "");
    e->mask = outer ? LLVMBuildAnd(e->b, outer, cond.v, "") : cond.v;
    a = hone_cg__value(e, arm[0]);
    hone_cg__forget(e, before);
    e->mask = outer ? LLVMBuildAnd(e->b, outer, no, "") : no;
    b = hone_cg__value(e, arm[1]);
    hone_cg__forget(e, before);
    e->mask = outer;
    LLVMValueRef v = LLVMBuildSelect(e->b, cond.v, hone_cg__vec(e, a), hone_cg__vec(e, b), "");
    return (cg_val){v, true};
}

/* Better computed as an index: hoisted, with ranges. */
static bool is_index_expr(cg *e, hone_expr x)
{
    hone_op op = hone_expr_op(&e->q, x);
    int64_t c;
    bool divides = op == HONE_OP_FLOORDIV || op == HONE_OP_FLOORMOD;
    return hone_expr_dtype(&e->q, x) == HONE_I64 &&
           (op == HONE_OP_ADD || op == HONE_OP_SUB || op == HONE_OP_MUL || divides) &&
           (!divides || (hone_is_int(&e->q, hone_expr_arg(&e->q, x, 1), &c) && c > 0)) &&
           !hone_has_load(&e->q, x) && !hone_cg__by_lane(e, x) &&
           hone_cg__fits(e, divides ? hone_expr_arg(&e->q, x, 0) : x);
}

static cg_val emit_value(cg *e, hone_expr x)
{
    const hone_expr_row *r = hone_expr_at(&e->q, x);
    LLVMTypeRef type = hone_cg__reg_type(e, (hone_dtype)r->dtype);
    switch (r->op) {
    case HONE_OP_INT:
        return scalar(LLVMConstInt(type, (uint64_t)r->imm.i, true));
    case HONE_OP_FLOAT:
        return scalar(LLVMConstReal(type, r->imm.f));
    case HONE_OP_VAR:
        if (r->sym == e->lane_var.i) {
            return (cg_val){ramp(e->i64, e->lanes, 1), true};
        }
        HONE_ASSERT(e->bound[r->sym]);
        return scalar(hone_cg__v(e, e->env[r->sym]));
    case HONE_OP_LOAD:
        return hone_cg__load(e, x);
    case HONE_OP_SELECT:
        return select_value(e, x);
    case HONE_OP_EQ:
    case HONE_OP_NE:
    case HONE_OP_LT:
    case HONE_OP_LE:
    case HONE_OP_AND:
    case HONE_OP_OR:
    case HONE_OP_NOT:
        return hone_cg__cond(e, x);
    default:
        if (is_index_expr(e, x)) {
            return scalar(hone_cg__v(e, hone_cg__index(e, x)));
        }
        return r->n_args == 2 ? binary(e, x) : unary(e, x);
    }
}

cg_val hone_cg__value(cg *e, hone_expr x)
{
    cg_val v;
    if (HONE_SAME(x, e->own)) {
        return e->own_value;
    }
    if (hone_expr_at(&e->q, x)->n_args == 0) {
        return emit_value(e, x);
    }
    if (hone_cg__find(e, x, &v)) {
        return v;
    }
    if (++e->values > CG_MAX_VALUES || e->status != HONE_OK) {
        hone_cg__fail(e, HONE_REJECT_TOO_BIG, "The kernel is more than %d operations.",
                      CG_MAX_VALUES);
        return scalar(LLVMGetUndef(hone_cg__reg_type(e, hone_expr_dtype(&e->q, x))));
    }
    hone_cg__enter_expr(e);
    v = emit_value(e, x);
    if (!hone_cg__find(e, x, &(cg_val){0})) {
        hone_cg__keep(e, x, v);
    }
    hone_cg__leave_expr(e);
    return v;
}
