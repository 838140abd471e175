/* Rows shorter than a vector that follow each other in memory: the channels of an image of few, one
 * pixel after the other. Vectors go along them all where everything that is read and written does,
 * and where conditions are about the row alone, so that code generation cuts the loop there
 * (codegen/layout/linear.c): the columns of a padded copy. */
#include "space/rule/rule.h"

#define MAX_LOADS 16
#define MAX_CONDITIONS 16

/* The two innermost loops of a block. */
typedef struct pair {
    hone_program *p;
    hone_stmt block;
    hone_var row, at; /* which row, where in it */
    int64_t extent;   /* of a row */
    unsigned n_conds;
    hone_expr conds[MAX_CONDITIONS];
    bool counts; /* the row or the place is used as a number */
} pair;

/* Elements that e moves with the row and with the place; false: it is no multiple of them. */
static bool moves(const pair *o, hone_expr e, int64_t ret[2])
{
    hone_expr rest, x = hone_simplify(o->p, hone_bind(o->p, o->block, e));
    if (!hone_linear(o->p, x, (hone_var[]){o->row, o->at}, 2, ret, &rest))
        return false;
    ret[1] = o->extent > 1 ? ret[1] : 0;
    return true;
}

/* Is the buffer gone through row by row, or at one element for all of them? */
static bool goes_along(const pair *o, hone_buffer b, const hone_expr *index, unsigned n, bool store)
{
    const hone_buffer_row row = *hone_buffer_at(o->p, b);
    int64_t by[HONE_MAX_DIMS][2];
    bool any = store;
    for (unsigned d = 0; d < n; d++) {
        if (!moves(o, index[d], by[d]))
            return false;
        any |= by[d][0] || by[d][1];
    }
    if (!any)
        return true;
    if (n < 2 || row.scope != HONE_GLOBAL || row.shape[n - 1] != o->extent)
        return false;
    for (unsigned d = 0; d < n; d++)
        if (by[d][0] != (d == n - 2) || by[d][1] != (d == n - 1 && o->extent > 1))
            return false;
    return true;
}

static bool look_at(void *ctx, const hone_program *p, hone_expr e)
{
    pair *o = ctx;
    hone_op op = hone_expr_op(p, e);
    if (op == HONE_OP_LOAD)
        return false;
    if ((op == HONE_OP_LT || op == HONE_OP_LE) &&
        hone_expr_dtype(p, hone_expr_arg(p, e, 0)) == HONE_I64) {
        o->counts |= o->n_conds == MAX_CONDITIONS;
        if (!o->counts)
            o->conds[o->n_conds++] = e;
        return false;
    }
    for (unsigned k = 0; op == HONE_OP_VAR && k < hone_stmt_at(p, o->block)->n_iters; k++) {
        const hone_iter *it = hone_iter_at(p, o->block, k);
        o->counts |= it->var.i == hone_expr_at(p, e)->sym &&
                     (hone_uses_var(p, it->binding, o->row) ||
                      (o->extent > 1 && hone_uses_var(p, it->binding, o->at)));
    }
    return true;
}

/* Is it about the row alone, one condition for each? */
static bool is_of_row(const pair *o, hone_expr cond)
{
    hone_expr a = hone_expr_arg(o->p, cond, 0), b = hone_expr_arg(o->p, cond, 1);
    int64_t by[2];
    return moves(o, hone_binary(o->p, HONE_OP_SUB, a, b), by) && by[0] >= -1 && by[0] <= 1 &&
           by[1] == 0;
}

bool hone_postproc__are_short_rows(hone_program *p, hone_stmt block, hone_stmt outer,
                                   hone_stmt inner, int64_t lanes)
{
    pair o = {.p = p,
              .block = block,
              .row = hone_stmt_at(p, outer)->var,
              .at = hone_stmt_at(p, inner)->var,
              .extent = hone_loop_extent(p, inner)};
    hone_align align[HONE_MAX_DIMS];
    hone_expr loads[MAX_LOADS], index[HONE_MAX_DIMS];
    const hone_stmt_row r = *hone_stmt_at(p, block);
    if (o.extent >= lanes || hone_loop_extent(p, outer) == 1 || !r.out.i || r.init.i)
        return false;
    hone_aligns_of(p, block, align);
    for (unsigned d = 0; d < r.n_index; d++) {
        index[d] = hone_store_index(p, block, d);
        if (align[d].factor)
            return false;
    }
    unsigned n = hone_block_loads(p, block, loads, MAX_LOADS);
    if (n > MAX_LOADS || !goes_along(&o, r.out, index, r.n_index, true))
        return false;
    for (unsigned k = 0; k < n; k++) {
        unsigned n_args = hone_expr_at(p, loads[k])->n_args;
        for (unsigned d = 0; d < n_args; d++)
            index[d] = hone_expr_arg(p, loads[k], d);
        if (!goes_along(&o, (hone_buffer){hone_expr_at(p, loads[k])->sym}, index, n_args, false))
            return false;
    }
    hone_walk(p, r.value, look_at, &o);
    if (r.where.i)
        hone_walk(p, r.where, look_at, &o);
    for (unsigned k = 0; k < o.n_conds && !o.counts; k++)
        o.counts = !is_of_row(&o, o.conds[k]);
    return !o.counts;
}
