/* How far a loop counts when a size comes with the call: to the first iteration in which no block
 * runs any more. The loop is not cut there (loop_partition.c does that where it makes better code):
 * the loops outside of those that are, and the parallel ones, do not go through what is empty. */
#include "codegen/internal.h"

/* c (v // by) + R + I < 0 is the part of a block's predicate about the size. */
typedef struct end {
    int64_t coeff, by, imin;
    cg_sum outer;
} end;

static bool is_bound(const cg *e, cg_term t)
{
    if (t.var.i)
        return e->bound[t.var.i];
    for (uint32_t v = 1; v < e->q.vars.n; v++)
        if (!e->bound[v] && hone_uses_var(&e->q, t.atom, (hone_var){v}))
            return false;
    return true;
}

/* Is the term a multiple of v // *ret_by? */
static bool counts(const cg *e, cg_term t, hone_var v, int64_t *ret_by)
{
    *ret_by = 1;
    if (t.var.i)
        return HONE_SAME(t.var, v);
    hone_expr x = t.atom;
    return hone_expr_op(&e->q, x) == HONE_OP_FLOORDIV &&
           hone_expr_op(&e->q, hone_expr_arg(&e->q, x, 0)) == HONE_OP_VAR &&
           hone_expr_at(&e->q, hone_expr_arg(&e->q, x, 0))->sym == v.i &&
           hone_is_int(&e->q, hone_expr_arg(&e->q, x, 1), ret_by) && *ret_by > 0;
}

static bool analyse(cg *e, hone_var v, hone_expr cond, end *ret)
{
    cg_lin l = hone_cg__cond_lin(e, cond);
    uint32_t outer = 0;
    *ret = (end){.coeff = 0};
    if (!l.ok || hone_cg__fact(e, cond))
        return false;
    for (uint32_t k = 0; k < l.n; k++) {
        cg_term t = e->terms.v[l.first + k];
        int64_t by, lo, hi;
        if (!ret->coeff && t.coeff > 0 && counts(e, t, v, &by)) {
            ret->coeff = t.coeff;
            ret->by = by;
        } else if (is_bound(e, t)) {
            outer |= 1u << k;
        } else {
            hone_cg__term_range(e, t, &lo, &hi);
            ret->imin += lo;
        }
    }
    if (ret->coeff)
        hone_cg__sum(e, l, outer, l.c, &ret->outer);
    return ret->coeff != 0;
}

static bool find(cg *e, hone_var v, const cg_leaf *leaf, end *ret)
{
    for (unsigned k = 0; k < leaf->n_where; k++)
        if (hone_uses_var(&e->q, leaf->conds[k].e, e->size) && analyse(e, v, leaf->conds[k].e, ret))
            return true;
    return false;
}

cg_idx hone_cg__loop_end(cg *e, hone_stmt loop, cg_idx lo, cg_idx hi)
{
    hone_var v = hone_stmt_at(&e->q, loop)->var;
    cg_idx all = hone_cg__const(0), one = hone_cg__const(1);
    bool any = false;
    if (!e->size.i)
        return hi;
    for (uint32_t k = 1; k < e->leaves.n; k++) {
        end x;
        if (!hone_is_ancestor(&e->q, loop, e->leaves.v[k].s))
            continue;
        if (!find(e, v, &e->leaves.v[k], &x))
            return hi;
        cg_idx r = hone_cg__add(e, hone_cg__sum_value(e, &x.outer), hone_cg__const(x.imin));
        cg_idx n = hone_cg__floordiv(e, hone_cg__sub(e, hone_cg__const(-1), r), x.coeff);
        n = hone_cg__mul(e, hone_cg__add(e, n, one), x.by);
        if (!any)
            all = n;
        else if (n.v != all.v || n.lo != all.lo)
            all = hone_cg__max(e, all, n);
        any = true;
    }
    return any ? hone_cg__max(e, lo, hone_cg__min(e, hi, all)) : hi;
}
