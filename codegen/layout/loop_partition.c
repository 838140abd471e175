/* Loop bounds and partition.
 *
 * A condition below a serial loop over v, in linear form  c v + R + I < 0  with R of outer
 * variables and I of the variables of unrolled and vectorised loops inside, is true for all I while
 * v < (-R - max I) / c, false for all I  from  v = (-R - min I) / c  on                   (c > 0;
 * mirrored for c < 0) The loop is cut there. In the first part the condition is known to hold, so
 * the copies of the unrolled code carry no tests and no masks. The last part is left out if every
 * block below has the condition as its predicate. In between c v + R is a multiple of the
 * coefficients' common divisor in a short interval: mostly there is one such number, and with it
 * the condition depends on I alone: copies past the edge vanish and masks are constants. Where R
 * has a size that comes with the call there may be any, and a copy is made for each.
 *
 * A serial loop inside may count to I as well, if it moves by less than the unrolled ones span: the
 * taps of a convolution over tiles of pixels. Then all tiles but those at the border have one body
 * for all taps, and at the border the loop over the taps is cut in its turn.
 *
 * Where c is 0, and R is of a task that takes one tile of several, there is nothing to cut: the
 * loop is there twice, whole and at the edge, and R says which runs. */
#include "codegen/internal.h"

/* Largest number of block instances worth a second copy of the loop. */
#define MAX_COPY 512

#define MAX_MEMBERS 32
/* Copies of the last, partial tile: one for each number of rows it may have. */
#define MAX_VALUES 32

/* Conditions that differ only in which inner variables make I: blocks in different unrolled loops
 * have the same predicate over their own variables. */
typedef struct cut {
    int64_t coeff; /* of the loop's variable; of a body's condition 0 */
    int64_t imin, imax;
    int64_t divisor; /* of coeff and the outer terms' */
    unsigned n, n_where;
    bool carried; /* all blocks below do nothing when it is false */
    struct {
        hone_expr cond;
        uint32_t inner; /* terms that make I */
    } member[MAX_MEMBERS];
} cut;

#define MAX_CUTS 8

typedef struct cuts {
    hone_stmt loop;
    hone_var var; /* the loop's; none: it is the body that is there twice */
    unsigned n;
    cut v[MAX_CUTS];
} cuts;

static bool is_bound(const cg *e, hone_expr x)
{
    for (uint32_t v = 1; v < e->q.vars.n; v++) {
        if (!e->bound[v] && hone_uses_var(&e->q, x, (hone_var){v})) {
            return false;
        }
    }
    return true;
}

/* The condition's linear form, of which the terms in *ret_which count: some are known. */
static cg_lin form(cg *e, hone_expr cond, uint32_t *ret_which)
{
    cg_lin l = hone_cg__cond_lin(e, cond);
    const cg_fact *f = hone_cg__fact(e, cond);
    *ret_which = (1u << l.n) - 1;
    if (f && !f->is_true) {
        *ret_which = f->inner;
        l.c = f->outer;
    }
    return l;
}

/* Takes the condition apart; false if it is of no use here. */
static bool analyse(cg *e, hone_var v, hone_expr cond, cut *ret)
{
    uint32_t which;
    cg_lin l = form(e, cond, &which);
    int64_t step = 0, span = 0; /* of serial, of unrolled loops in I */
    bool varies = false;        /* does R? */
    *ret = (cut){.n = 1};
    ret->member[0].cond = cond;
    if (!l.ok || hone_cg__decide(e, cond) != CG_MAYBE) {
        return false;
    }
    for (uint32_t k = 0; k < l.n; k++) {
        cg_term t = e->terms.v[l.first + k];
        if (!(which >> k & 1)) {
            continue;
        }
        if (t.atom.i && !is_bound(e, t.atom)) {
            return false;
        }
        if (t.var.i && !HONE_SAME(t.var, v) && !e->bound[t.var.i]) {
            hone_stmt owner = hone_var_at(&e->q, t.var)->owner;
            if (!hone_is_loop(&e->q, owner)) {
                return false;
            }
            uint8_t kind = hone_stmt_at(&e->q, owner)->loop_kind;
            int64_t lo, hi, by = t.coeff < 0 ? -t.coeff : t.coeff;
            hone_cg__term_range(e, t, &lo, &hi);
            if (kind == HONE_UNROLLED || kind == HONE_VECTORIZED) {
                span += hi - lo;
            } else if (lo < hi) {
                step = by > step ? by : step;
            }
            ret->imin += lo;
            ret->imax += hi;
            ret->member[0].inner |= 1u << k;
            continue;
        }
        if (v.i && HONE_SAME(t.var, v)) {
            ret->coeff = t.coeff;
        }
        bool is_const = t.var.i && e->bound[t.var.i] && e->env[t.var.i].lo == e->env[t.var.i].hi;
        ret->divisor = is_const ? ret->divisor : hone_gcd(ret->divisor, t.coeff);
        varies |= !is_const;
    }
    if (step > span) {
        return false;
    }
    bool sized = e->size.i && hone_uses_var(&e->q, cond, e->size);
    return v.i ? ret->coeff != 0 : varies && span > 0 && !sized;
}

/* Every outer term of the one is one of the other, and there are as many. */
static bool same_outer(cg *e, const cut *a, const cut *b)
{
    uint32_t oa, ob; /* outer terms */
    cg_lin la = form(e, a->member[0].cond, &oa), lb = form(e, b->member[0].cond, &ob);
    oa &= ~a->member[0].inner;
    ob &= ~b->member[0].inner;
    if (la.c != lb.c || a->imin != b->imin || a->imax != b->imax ||
        __builtin_popcount(oa) != __builtin_popcount(ob)) {
        return false;
    }
    for (uint32_t i = 0; i < la.n; i++) {
        bool found = !(oa >> i & 1);
        for (uint32_t k = 0; !found && k < lb.n; k++) {
            found = (ob >> k & 1) &&
                    !memcmp(&e->terms.v[la.first + i], &e->terms.v[lb.first + k], sizeof(cg_term));
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

/* Adds the condition to the cut it belongs to. */
static void add_cond(cg *e, hone_var v, cg_cond c, cuts *ret)
{
    cut one;
    for (unsigned k = 0; k < ret->n; k++) {
        for (unsigned m = 0; m < ret->v[k].n; m++) {
            if (HONE_SAME(ret->v[k].member[m].cond, c.e)) {
                ret->v[k].n_where += c.is_where;
                return;
            }
        }
    }
    if (!analyse(e, v, c.e, &one)) {
        return;
    }
    one.n_where = c.is_where;
    for (unsigned k = 0; k < ret->n; k++) {
        cut *to = &ret->v[k];
        if (to->n < MAX_MEMBERS && same_outer(e, to, &one)) {
            to->member[to->n++] = one.member[0];
            to->n_where += one.n_where;
            return;
        }
    }
    if (ret->n < MAX_CUTS) {
        ret->v[ret->n++] = one;
    }
}

static void find_cuts(cg *e, cuts *ret)
{
    hone_stmt loop = ret->loop;
    unsigned n_leaves = 0;
    for (uint32_t i = 1; i < e->leaves.n; i++) {
        if (!hone_is_ancestor(&e->q, loop, e->leaves.v[i].s)) {
            continue;
        }
        n_leaves++;
        for (unsigned k = 0; k < e->leaves.v[i].n_conds; k++) {
            add_cond(e, ret->var, e->leaves.v[i].conds[k], ret);
        }
    }
    int64_t copies = hone_cg__instances(e, loop);
    bool may_copy = copies <= MAX_COPY && e->instances + 2 * copies <= CG_MAX_INSTANCES;
    unsigned kept = 0;
    for (unsigned k = 0; k < ret->n; k++) {
        ret->v[k].carried = ret->v[k].n_where == n_leaves;
        bool splits = ret->v[k].imin < ret->v[k].imax;
        if (splits ? may_copy : ret->v[k].carried) {
            ret->v[kept++] = ret->v[k];
        }
    }
    ret->n = kept;
}

/* Everything in the condition but v's term and I, as a value. */
static cg_idx outer_part(cg *e, const cut *c, hone_var v, int64_t *ret_const)
{
    uint32_t outer;
    cg_lin l = form(e, c->member[0].cond, &outer);
    outer &= ~c->member[0].inner;
    for (uint32_t k = 0; k < l.n; k++) {
        if (v.i && HONE_SAME(e->terms.v[l.first + k].var, v)) {
            outer &= ~(1u << k);
        }
    }
    cg_sum s;
    hone_cg__sum(e, l, outer, l.c, &s);
    *ret_const = s.c;
    return hone_cg__sum_value(e, &s);
}

static void emit(cg *e, const cuts *all, unsigned k, cg_idx lo, cg_idx hi, bool once);

static void emit_true(cg *e, const cuts *all, unsigned k, cg_idx lo, cg_idx hi, bool once)
{
    uint32_t known = e->facts.n;
    for (unsigned m = 0; m < all->v[k].n; m++) {
        hone_vec_push(&e->facts, (cg_fact){all->v[k].member[m].cond, true, 0, 0});
    }
    emit(e, all, k + 1, lo, hi, once);
    e->facts.n = known;
}

/* Of the size's conditions: is the edge one iteration, in which c v + R is one of few numbers? */
static bool has_few_values(cg *e, const cuts *all, const cut *c, int64_t first, int64_t last)
{
    if (!e->size.i || !hone_uses_var(&e->q, c->member[0].cond, e->size) || first > last)
        return false;
    int64_t n = (last - first) / c->divisor + 1, copies = hone_cg__instances(e, all->loop);
    return c->coeff > c->imax - c->imin && n <= MAX_VALUES &&
           e->instances + copies * (n + 1) <= CG_MAX_INSTANCES;
}

/* The iteration lo, if it is less than hi, with a copy for each number from first to last, of which
 * c v + R, less its constant, is one. */
static void emit_each(cg *e, const cuts *all, unsigned k, cg_idx lo, cg_idx hi, cg_idx r,
                      int64_t consts, int64_t first, int64_t last)
{
    const cut *c = &all->v[k];
    cg_idx at = hone_cg__add(e, hone_cg__mul(e, lo, c->coeff), r);
    LLVMBasicBlockRef in = hone_cg__block(e, "edge"), out = hone_cg__block(e, "past");
    LLVMValueRef any = LLVMBuildICmp(e->b, LLVMIntSLT, hone_cg__v(e, lo), hone_cg__v(e, hi), "");
    LLVMBuildCondBr(e->b, any, in, out);
    LLVMPositionBuilderAtEnd(e->b, in);
    LLVMValueRef which =
        LLVMBuildSwitch(e->b, hone_cg__v(e, at), out, (unsigned)((last - first) / c->divisor + 1));
    for (int64_t x = first; x <= last && e->status == HONE_OK; x += c->divisor) {
        uint32_t known = e->facts.n;
        LLVMBasicBlockRef copy = hone_cg__block(e, "rows");
        LLVMAddCase(which, LLVMConstInt(e->i64, (uint64_t)(x + consts), true), copy);
        LLVMPositionBuilderAtEnd(e->b, copy);
        for (unsigned m = 0; m < c->n; m++) {
            cg_fact f = {c->member[m].cond, false, c->member[m].inner, x + consts};
            hone_vec_push(&e->facts, f);
        }
        emit(e, all, k + 1, lo, hi, true);
        e->facts.n = known;
        LLVMBuildBr(e->b, out);
    }
    LLVMPositionBuilderAtEnd(e->b, out);
}

/* The part where the condition is neither true nor (if `bounded`) false for all I. */
static void emit_edge(cg *e, const cuts *all, unsigned k, cg_idx lo, cg_idx hi, cg_idx r,
                      int64_t consts, bool bounded)
{
    const cut *c = &all->v[k];
    /* consts + X + I < 0 for some I and not for all; X is a multiple of the divisor */
    int64_t from = -(consts + c->imax), to = -(consts + c->imin) - 1;
    int64_t first = c->coeff * (c->coeff > 0 ? lo.lo : hi.hi - 1) + r.lo - consts;
    int64_t last = c->coeff * (c->coeff > 0 ? hi.hi - 1 : lo.lo) + r.hi - consts;
    from = first > from ? first : from;
    to = last < to ? last : to;
    int64_t x = -hone_floor_div(-from, c->divisor) * c->divisor;
    bool unique = bounded && x + c->divisor > to;
    if (bounded && x > to) {
        return;
    }
    if (bounded && !unique && has_few_values(e, all, c, x, to)) {
        emit_each(e, all, k, lo, hi, r, consts, x, to);
        return;
    }
    uint32_t known = e->facts.n;
    for (unsigned m = 0; unique && m < c->n; m++) {
        cg_fact f = {c->member[m].cond, false, c->member[m].inner, x + consts};
        hone_vec_push(&e->facts, f);
    }
    emit(e, all, k + 1, lo, hi, unique);
    e->facts.n = known;
}

/* The body as it is inside, and at the edge with the only number that R, a multiple of the divisor,
 * has there. */
static void emit_twice(cg *e, const cuts *all, unsigned k)
{
    cg_idx lo = hone_cg__const(0), hi = hone_cg__const(1);
    const cut *c = &all->v[k];
    int64_t consts;
    cg_idx r = outer_part(e, c, all->var, &consts);
    int64_t from = -(consts + c->imax), to = -(consts + c->imin) - 1;
    from = r.lo - consts > from ? r.lo - consts : from;
    to = r.hi - consts < to ? r.hi - consts : to;
    int64_t x = -hone_floor_div(-from, c->divisor) * c->divisor;
    bool ever_whole = r.lo + c->imax < 0, ever_none = r.hi + c->imin >= 0;
    if (!ever_whole || x > to || x + c->divisor <= to || ever_none) {
        emit(e, all, k + 1, lo, hi, false);
        return;
    }
    LLVMBasicBlockRef whole = hone_cg__block(e, "whole"), edge = hone_cg__block(e, "edge"),
                      past = hone_cg__block(e, "past");
    cg_idx most = hone_cg__add(e, r, hone_cg__const(c->imax));
    LLVMValueRef zero = LLVMConstInt(e->i64, 0, false);
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, hone_cg__v(e, most), zero, ""), whole,
                    edge);
    LLVMPositionBuilderAtEnd(e->b, whole);
    emit_true(e, all, k, lo, hi, false);
    LLVMBuildBr(e->b, past);
    LLVMPositionBuilderAtEnd(e->b, edge);
    uint32_t known = e->facts.n;
    for (unsigned m = 0; m < c->n; m++) {
        cg_fact f = {c->member[m].cond, false, c->member[m].inner, x + consts};
        hone_vec_push(&e->facts, f);
    }
    emit(e, all, k + 1, lo, hi, false);
    e->facts.n = known;
    LLVMBuildBr(e->b, past);
    LLVMPositionBuilderAtEnd(e->b, past);
}

static void emit(cg *e, const cuts *all, unsigned k, cg_idx lo, cg_idx hi, bool once)
{
    if (e->status != HONE_OK || hi.hi <= lo.lo) {
        return;
    }
    if (k == all->n && !all->var.i) {
        hone_cg__children(e, all->loop);
        return;
    }
    if (k == all->n) {
        hone_cg__run(e, all->loop, lo, hi, once);
        return;
    }
    if (!all->var.i) {
        emit_twice(e, all, k);
        return;
    }
    const cut *c = &all->v[k];
    hone_var v = all->var;
    int64_t consts, d = c->coeff < 0 ? -c->coeff : c->coeff;
    cg_idx r = outer_part(e, c, v, &consts);
    int64_t vmin = c->coeff > 0 ? lo.lo : hi.hi - 1, vmax = c->coeff > 0 ? hi.hi - 1 : lo.lo;
    if (c->coeff * vmax + r.hi + c->imax < 0) {
        emit_true(e, all, k, lo, hi, once);
        return;
    }
    if (c->coeff * vmin + r.lo + c->imin >= 0 && c->carried) {
        return;
    }
    bool bounded = c->carried || c->coeff * vmax + r.hi + c->imin < 0;
    cg_idx one = hone_cg__const(1), imax = hone_cg__const(c->imax), imin = hone_cg__const(c->imin);
    if (c->coeff > 0) {
        /* all true: d v <= -(r + imax) - 1 */
        cg_idx t = hone_cg__sub(e, hone_cg__const(-1), hone_cg__add(e, r, imax));
        cg_idx main = hone_cg__add(e, hone_cg__floordiv(e, t, d), one), end = hi;
        main = hone_cg__max(e, lo, hone_cg__min(e, hi, main));
        emit_true(e, all, k, lo, main, once);
        if (c->carried && c->imin < c->imax) {
            t = hone_cg__sub(e, hone_cg__const(-1), hone_cg__add(e, r, imin));
            end = hone_cg__min(e, hi, hone_cg__add(e, hone_cg__floordiv(e, t, d), one));
        }
        if (c->imin < c->imax) {
            emit_edge(e, all, k, main, end, r, consts, bounded);
        }
    } else {
        /* all true: d v >= r + imax + 1 */
        cg_idx t = hone_cg__floordiv(e, hone_cg__add(e, r, imax), d), start = lo;
        cg_idx main = hone_cg__min(e, hi, hone_cg__max(e, lo, hone_cg__add(e, t, one)));
        if (c->carried && c->imin < c->imax) {
            t = hone_cg__floordiv(e, hone_cg__add(e, r, imin), d);
            start = hone_cg__max(e, lo, hone_cg__add(e, t, one));
        }
        if (c->imin < c->imax) {
            emit_edge(e, all, k, start, main, r, consts, bounded);
        }
        emit_true(e, all, k, main, hi, once);
    }
}

void hone_cg__parts(cg *e, hone_stmt loop, cg_idx lo, cg_idx hi)
{
    cuts all = {.loop = loop, .var = hone_stmt_at(&e->q, loop)->var};
    if (!e->o->plain) {
        find_cuts(e, &all);
    }
    hi = hone_cg__loop_end(e, loop, lo, hi);
    emit(e, &all, 0, lo, hi, false);
}

void hone_cg__body(cg *e, hone_stmt loop)
{
    cuts all = {.loop = loop};
    if (!e->o->plain) {
        find_cuts(e, &all);
    }
    emit(e, &all, 0, hone_cg__const(0), hone_cg__const(1), false);
}
