/* One instance of a leaf block under the environment as it stands: nothing, a store, a vector
 * store, lanes combined and added to one element, or the lanes one after the other. */
#include "codegen/internal.h"

/* Conditions that are not decided, and what they amount to. */
typedef struct guards {
    unsigned n;
    hone_expr scalar[CG_MAX_CONDS];
    unsigned n_lane;
    hone_expr lane[CG_MAX_CONDS];
} guards;

/* False: the instance does not run. */
static bool find_guards(cg *e, const cg_leaf *leaf, guards *ret)
{
    ret->n = ret->n_lane = 0;
    for (unsigned k = 0; k < leaf->n_conds; k++) {
        hone_expr c = leaf->conds[k].e;
        if (!leaf->conds[k].is_where) {
            continue;
        }
        cg_tri known = hone_cg__decide(e, c);
        if (known == CG_NO) {
            return false;
        }
        if (known == CG_MAYBE && hone_cg__by_lane(e, c)) {
            ret->lane[ret->n_lane++] = c;
        } else if (known == CG_MAYBE) {
            ret->scalar[ret->n++] = c;
        }
    }
    return true;
}

void hone_cg__store(cg *e, const cg_leaf *leaf, cg_val value)
{
    hone_dtype t = (hone_dtype)hone_buffer_at(&e->q, leaf->out)->dtype;
    LLVMTypeRef type = hone_cg__mem_type(e, t);
    unsigned align = hone_cg__elem_bytes(t);
    cg_lin l = hone_cg__lin(e, leaf->offset);
    cg_sum s;
    hone_cg__sum(e, l, CG_ALL_TERMS, l.c, &s);
    LLVMValueRef v = e->lane_var.i ? hone_cg__vec(e, value) : value.v;
    LLVMValueRef p = hone_cg__address(e, e->fn.ptr[leaf->out.i], type, &s);
    v = hone_cg__to_mem(e, t, v);
    /* A task may write the stack of the function around it: there the elements beside its own are
     * another thread's. */
    const cg_place *pl = &e->places.v[leaf->out.i];
    bool is_private =
        HONE_SAME(pl->owner, e->fn.owner) && hone_cg__in_stack(e, leaf->out, leaf->offset);
    if (e->mask && !is_private) {
        hone_cg__masked_store(e, v, p, align, e->mask);
        return;
    }
    if (e->mask) { /* writing back what is there lets private memory become a register */
        LLVMValueRef old = LLVMBuildLoad2(e->b, LLVMTypeOf(v), p, "");
        LLVMSetAlignment(old, align);
        v = LLVMBuildSelect(e->b, e->mask, v, old, "");
    }
    if (!hone_cg__stream(e, leaf, v, p, align)) {
        LLVMSetAlignment(LLVMBuildStore(e->b, v, p), align);
    }
}

static cg_tri is_first(cg *e, const cg_leaf *leaf)
{
    cg_tri first = CG_YES;
    for (unsigned k = 0; k < leaf->n_first; k++) {
        cg_tri t = hone_cg__decide(e, leaf->first[k]);
        first = t < first ? t : first;
    }
    return first;
}

/* What the element holds before the block computes: init at the first step, else memory. */
static cg_val old_value(cg *e, const cg_leaf *leaf)
{
    cg_tri first = leaf->init.i ? is_first(e, leaf) : CG_NO;
    if (first == CG_NO) {
        return hone_cg__load(e, leaf->own);
    }
    hone_dtype t = (hone_dtype)hone_buffer_at(&e->q, leaf->out)->dtype;
    if (first == CG_YES && leaf->self_read) {
        hone_cg__store(e, leaf, hone_cg__value(e, leaf->init));
        return hone_cg__load(e, leaf->own);
    }
    if (first == CG_YES) {
        cg_val v = hone_cg__value(e, leaf->init); /* as it would be read back */
        return (cg_val){hone_cg__from_mem(e, t, hone_cg__to_mem(e, t, v.v)), v.vec};
    }
    LLVMValueRef c = NULL;
    for (unsigned k = 0; k < leaf->n_first; k++) {
        LLVMValueRef x = hone_cg__cond(e, leaf->first[k]).v;
        c = c ? LLVMBuildAnd(e->b, c, x, "") : x;
    }
    if (leaf->self_read || !hone_cg__can_speculate(e, leaf->init)) {
        LLVMBasicBlockRef yes = hone_cg__block(e, "init"), on = hone_cg__block(e, "update");
        LLVMBuildCondBr(e->b, c, yes, on);
        LLVMPositionBuilderAtEnd(e->b, yes);
        hone_cg__store(e, leaf, hone_cg__value(e, leaf->init));
        LLVMBuildBr(e->b, on);
        LLVMPositionBuilderAtEnd(e->b, on);
        return hone_cg__load(e, leaf->own);
    }
    cg_val was = hone_cg__load(e, leaf->own), init = hone_cg__value(e, leaf->init);
    init.v = hone_cg__from_mem(e, t, hone_cg__to_mem(e, t, init.v));
    bool vec = was.vec || init.vec;
    if (vec) {
        was.v = hone_cg__vec(e, was);
        init.v = hone_cg__vec(e, init);
    }
    return (cg_val){LLVMBuildSelect(e->b, c, init.v, was.v, ""), vec};
}

static void compute(cg *e, const cg_leaf *leaf)
{
    if (leaf->uses_own || (leaf->init.i && leaf->self_read)) {
        e->own_value = old_value(e, leaf);
        e->own = leaf->own;
    }
    cg_val v = hone_cg__value(e, leaf->value);
    e->own = HONE_NO_EXPR;
    hone_cg__store(e, leaf, v);
}

static bool can_vectorise(cg *e, const cg_leaf *leaf, cg_run run)
{
    int64_t first, stride;
    bool ok =
        hone_cg__lane_steps(e, hone_cg__lin(e, leaf->offset), CG_ALL_TERMS, &first, &stride) &&
        stride == 1 && !leaf->self_read;
    for (unsigned k = 0; ok && k < leaf->n_first; k++) {
        ok = !hone_cg__by_lane(e, leaf->first[k]);
    }
    e->own = leaf->own;
    ok = ok && hone_cg__can_vectorise(e, leaf->value, run) &&
         (!leaf->init.i || hone_cg__can_vectorise(e, leaf->init, run));
    e->own = HONE_NO_EXPR;
    return ok;
}

/* The lane stands still, at `at`; returns what end_lane needs. */
typedef struct still_lane {
    hone_var var;
    cg_idx was;
    hone_range *range, range_was;
} still_lane;

static still_lane begin_lane(cg *e, int64_t at)
{
    still_lane s = {.var = e->lane_var, .was = e->env[e->lane_var.i], .range = e->ranges.v};
    while (s.range->var.i != s.var.i) {
        s.range++;
    }
    s.range_was = *s.range;
    s.range->lo = s.range->hi = at;
    e->env[s.var.i] = hone_cg__const(at);
    e->lane_var = (hone_var){0};
    return s;
}

static void end_lane(cg *e, const still_lane *s)
{
    e->env[s->var.i] = s->was;
    *s->range = s->range_was;
    e->lane_var = s->var;
}

static void lane_by_lane(cg *e, cg_leaf *leaf)
{
    for (unsigned k = 0; k < e->lanes; k++) {
        still_lane s = begin_lane(e, k);
        hone_cg__leaf_emit(e, leaf);
        end_lane(e, &s);
    }
}

/* ---- lanes of a reduction -------------------------------------------------------------------- */

/* All lanes meet in one element, and each but the first goes on from what is there. */
static bool can_reduce(cg *e, const cg_leaf *leaf, cg_run run)
{
    if (!leaf->op || leaf->self_read || hone_cg__by_lane(e, leaf->offset) ||
        !hone_cg__can_vectorise(e, leaf->operand, run)) {
        return false;
    }
    bool steps_by_lane = false;
    for (unsigned k = 0; k < leaf->n_first; k++) {
        steps_by_lane = steps_by_lane || hone_cg__by_lane(e, leaf->first[k]);
    }
    return steps_by_lane && !(leaf->init.i && hone_cg__by_lane(e, leaf->init));
}

LLVMValueRef hone_cg__lanes(cg *e, LLVMValueRef v, unsigned from, unsigned n)
{
    LLVMValueRef at[CG_MAX_LANES];
    for (unsigned k = 0; k < n; k++) {
        at[k] = LLVMConstInt(e->i32, from + k, false);
    }
    if (n == 1) {
        return LLVMBuildExtractElement(e->b, v, at[0], "");
    }
    return LLVMBuildShuffleVector(e->b, v, LLVMGetPoison(LLVMTypeOf(v)), LLVMConstVector(at, n),
                                  "");
}

LLVMValueRef hone_cg__joined(cg *e, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef at[CG_MAX_LANES];
    unsigned n = 2 * LLVMGetVectorSize(LLVMTypeOf(a));
    for (unsigned k = 0; k < n; k++) {
        at[k] = LLVMConstInt(e->i32, k, false);
    }
    return LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(at, n), "");
}

/* Lanes of the operand, or the element stored before and what became of them. */
static LLVMValueRef combined(cg *e, const cg_leaf *leaf, hone_dtype t, LLVMValueRef a,
                             LLVMValueRef b)
{
    if (hone_dtype_is_float(t) && (leaf->op == HONE_OP_MIN || leaf->op == HONE_OP_MAX)) {
        return hone_cg__extreme(e, leaf->op, a, b, leaf->operand_is_number, leaf->zeros_alike);
    }
    return hone_cg__binary(e, leaf->op, t, a, b);
}

/* Halves again and again; the last of an odd number goes aside. */
static LLVMValueRef combine_lanes(cg *e, const cg_leaf *leaf, hone_dtype t, LLVMValueRef v)
{
    LLVMValueRef odd = NULL;
    for (unsigned n = e->lanes; n > 1; n /= 2) {
        if (n % 2) {
            LLVMValueRef last = hone_cg__lanes(e, v, n - 1, 1);
            odd = odd ? combined(e, leaf, t, odd, last) : last;
        }
        LLVMValueRef a = hone_cg__lanes(e, v, 0, n / 2), b = hone_cg__lanes(e, v, n / 2, n / 2);
        v = combined(e, leaf, t, a, b);
    }
    return odd ? combined(e, leaf, t, v, odd) : v;
}

static void reduce(cg *e, const cg_leaf *leaf)
{
    hone_dtype t = hone_expr_dtype(&e->q, leaf->operand);
    LLVMValueRef v = hone_cg__vec(e, hone_cg__value(e, leaf->operand));
    if (e->mask) {
        LLVMValueRef none = hone_cg__vec(e, hone_cg__value(e, leaf->neutral));
        v = LLVMBuildSelect(e->b, e->mask, v, none, "");
    }
    e->mask = NULL;
    v = combine_lanes(e, leaf, t, v);
    still_lane s = begin_lane(e, 0);
    LLVMValueRef old = old_value(e, leaf).v;
    hone_cg__store(e, leaf, (cg_val){combined(e, leaf, t, old, v), false});
    end_lane(e, &s);
}

/* Code goes on where c holds; the caller ends it with a branch to the block returned. */
static LLVMBasicBlockRef enter_if(cg *e, LLVMValueRef c)
{
    LLVMBasicBlockRef in = hone_cg__block(e, "if"), out = hone_cg__block(e, "fi");
    LLVMBuildCondBr(e->b, c, in, out);
    LLVMPositionBuilderAtEnd(e->b, in);
    return out;
}

bool hone_cg__enter(cg *e, const cg_leaf *leaf, const hone_var *inside, unsigned n,
                    LLVMBasicBlockRef *ret_out)
{
    guards g;
    LLVMValueRef all = NULL;
    *ret_out = NULL;
    if (!find_guards(e, leaf, &g)) {
        return false;
    }
    for (unsigned k = 0; k < g.n; k++) {
        for (unsigned v = 0; v < n; v++) {
            if (hone_uses_var(&e->q, g.scalar[k], inside[v])) {
                hone_cg__fail(e, HONE_REJECT_BUILD, "A predicate cuts through an intrinsic.");
            }
        }
        LLVMValueRef c = hone_cg__cond(e, g.scalar[k]).v;
        all = all ? LLVMBuildAnd(e->b, all, c, "") : c;
    }
    if (g.n_lane) {
        hone_cg__fail(e, HONE_REJECT_BUILD, "An intrinsic stands in a vectorised loop.");
    }
    if (all) {
        *ret_out = enter_if(e, all);
    }
    return e->status == HONE_OK;
}

void hone_cg__leaf_emit(cg *e, cg_leaf *leaf)
{
    guards g;
    if (e->status != HONE_OK || !find_guards(e, leaf, &g)) {
        return;
    }
    e->leaf = leaf;
    e->fuse = !e->o->plain || leaf->uses_own;
    e->where_lanes = g.n_lane > 0;
    bool reduces = false;
    if (e->lane_var.i) {
        cg_run run = !g.n_lane ? CG_IN_ALL : g.n_lane == 1 ? CG_IN_SOME : CG_IN_ANY;
        reduces = can_reduce(e, leaf, run);
        if (!reduces && !can_vectorise(e, leaf, run)) {
            lane_by_lane(e, leaf);
            return;
        }
    }
    if (++e->instances > CG_MAX_INSTANCES) {
        hone_cg__fail(e, HONE_REJECT_TOO_BIG, "Unrolling makes more than %d copies of the blocks.",
                      CG_MAX_INSTANCES);
        return;
    }
    LLVMBasicBlockRef out = NULL;
    LLVMValueRef all = NULL, mask = NULL;
    for (unsigned k = 0; k < g.n; k++) {
        LLVMValueRef c = hone_cg__cond(e, g.scalar[k]).v;
        all = all ? LLVMBuildAnd(e->b, all, c, "") : c;
    }
    if (all) {
        out = enter_if(e, all);
    }
    for (unsigned k = 0; k < g.n_lane; k++) {
        LLVMValueRef c = hone_cg__vec(e, hone_cg__cond(e, g.lane[k]));
        mask = mask ? LLVMBuildAnd(e->b, mask, c, "") : c;
    }
    if ((g.n_lane == 1 || (reduces && mask)) && !LLVMIsConstant(mask)) {
        /* Uniform loads and the element combined into rely on a lane that runs. */
        LLVMValueRef any =
            hone_cg__intrinsic(e, "llvm.vector.reduce.or", LLVMTypeOf(mask), &mask, 1);
        if (out) {
            LLVMBasicBlockRef in = hone_cg__block(e, "any");
            LLVMBuildCondBr(e->b, any, in, out);
            LLVMPositionBuilderAtEnd(e->b, in);
        } else {
            out = enter_if(e, any);
        }
    }
    e->mask = mask;
    if (reduces) {
        reduce(e, leaf);
    } else {
        compute(e, leaf);
    }
    e->mask = NULL;
    if (out) {
        LLVMBuildBr(e->b, out);
        LLVMPositionBuilderAtEnd(e->b, out);
    }
}
