/* Shares of turns, and elements, counted by trying. Which steps of a sum meet something: where a
 * convolution reads a padded image, those that meet padding need not be done. The padding is a
 * stage of its own, `P[h, w, c] = select(pad <= h and h < H + pad and ..., X[...], 0)`, whose
 * condition is about one index each; so the steps are counted dimension by dimension, by trying.
 * And in which turns conditions on iterators alone hold. */
#include "ir/internal.h"

#define MOST_TRIES (1 << 14)
#define MOST_PLACES (1 << 20)
#define MOST_CONDS 16

/* The variables of an expression and their values. */
typedef struct point {
    hone_var var[HONE_MAX_ITERS];
    int64_t at[HONE_MAX_ITERS];
    unsigned n;
} point;

static bool value_of(const hone_program *p, hone_expr e, const point *x, int64_t *ret)
{
    const hone_expr_row *r = hone_expr_at(p, e);
    int64_t a, b;
    if (r->op == HONE_OP_INT) {
        *ret = r->imm.i;
        return true;
    }
    for (unsigned k = 0; r->op == HONE_OP_VAR && k < x->n; k++)
        if (x->var[k].i == r->sym) {
            *ret = x->at[k];
            return true;
        }
    return r->n_args == 2 && value_of(p, hone_expr_arg(p, e, 0), x, &a) &&
           value_of(p, hone_expr_arg(p, e, 1), x, &b) &&
           hone_ir__fold_int2((hone_op)r->op, a, b, ret);
}

/* The conditions joined by `and`. False: too many. */
static bool split(const hone_program *p, hone_expr cond, hone_expr *ret, unsigned *n)
{
    if (hone_expr_op(p, cond) == HONE_OP_AND)
        return split(p, hone_expr_arg(p, cond, 0), ret, n) &&
               split(p, hone_expr_arg(p, cond, 1), ret, n);
    if (*n == MOST_CONDS)
        return false;
    ret[(*n)++] = cond;
    return true;
}

/* By each index of the dimension that `var` runs over: do the conditions on it hold? */
static bool find_live(const hone_program *p, const hone_expr *conds, unsigned n, hone_var var,
                      bool *ret, int64_t extent)
{
    for (int64_t v = 0; v < extent; v++) {
        point x = {{var}, {v}, 1};
        ret[v] = true;
        for (unsigned k = 0; k < n; k++) {
            int64_t holds;
            if (!hone_uses_var(p, conds[k], var))
                continue;
            if (!value_of(p, conds[k], &x, &holds))
                return false;
            ret[v] = ret[v] && holds;
        }
    }
    return true;
}

/* Moves on; false: that was the last. */
static bool step(const hone_program *p, point *x)
{
    unsigned k = 0;
    while (k < x->n && ++x->at[k] == hone_var_at(p, x->var[k])->extent)
        x->at[k++] = 0;
    return k < x->n;
}

/* The share of the turns of x's variables at which `index` is live. */
static bool count_live(const hone_program *p, hone_expr index, point *x, const bool *live,
                       int64_t extent, double *ret)
{
    int64_t n = 0, all = 0;
    for (;;) {
        int64_t v;
        if (!value_of(p, index, x, &v) || v < 0 || v >= extent || all == MOST_TRIES)
            return false;
        all++;
        n += live[v];
        if (!step(p, x))
            break;
    }
    *ret = (double)n / (double)all;
    return true;
}

/* Dimension d of the load, which the writer's `var` runs over. Without a step of the reduction in
 * it nothing is left out; an iterator that is in another dimension too is not counted. */
static bool share_of(const hone_program *p, hone_stmt block, hone_expr index, uint32_t *seen,
                     const hone_expr *conds, unsigned n, hone_var var, double *ret)
{
    point x = {.n = 0};
    bool reduces = false, limited = false, good = true;
    *ret = 1;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        const hone_iter *it = hone_iter_at(p, block, k);
        if (!hone_uses_var(p, index, it->var))
            continue;
        good = good && !(*seen >> k & 1) && hone_var_at(p, it->var)->extent > 0;
        *seen |= 1u << k;
        x.var[x.n++] = it->var;
        reduces = reduces || it->kind == HONE_REDUCE;
    }
    for (unsigned k = 0; k < n; k++)
        limited = limited || hone_uses_var(p, conds[k], var);
    if (!limited || !reduces || !good)
        return good;
    int64_t extent = hone_var_at(p, var)->extent;
    if (extent > MOST_TRIES)
        return false;
    bool *live = hone_xcalloc((size_t)extent, sizeof *live);
    good = find_live(p, conds, n, var, live, extent) && count_live(p, index, &x, live, extent, ret);
    free(live);
    return good;
}

bool hone_ir__live_share(const hone_program *p, hone_stmt block, hone_expr load, hone_stmt writer,
                         double *ret)
{
    hone_expr value = hone_stmt_at(p, writer)->value, conds[MOST_CONDS];
    unsigned n = 0;
    uint32_t seen = 0;
    *ret = 1;
    if (hone_expr_op(p, value) != HONE_OP_SELECT || hone_has_load(p, hone_expr_arg(p, value, 2)) ||
        !split(p, hone_expr_arg(p, value, 0), conds, &n))
        return false;
    for (unsigned k = 0; k < n; k++) { /* about one index each */
        unsigned used = 0;
        for (unsigned q = 0; q < hone_stmt_at(p, writer)->n_iters; q++)
            used += hone_uses_var(p, conds[k], hone_iter_at(p, writer, q)->var);
        if (used != 1)
            return false;
    }
    for (unsigned d = 0; d < hone_expr_at(p, load)->n_args; d++) {
        const hone_expr_row *at = hone_expr_at(p, hone_store_index(p, writer, d));
        double share;
        if (at->op != HONE_OP_VAR || !share_of(p, block, hone_expr_arg(p, load, d), &seen, conds, n,
                                               (hone_var){at->sym}, &share))
            return false;
        *ret *= share;
    }
    return true;
}

/* ---- arms of a select ------------------------------------------------------------------------ */

static bool all_hold(const hone_program *p, const hone_ir__when *when, unsigned n, const point *x,
                     bool *ret)
{
    *ret = true;
    for (unsigned k = 0; k < n && *ret; k++) {
        int64_t v;
        if (!value_of(p, when[k].cond, x, &v))
            return false;
        *ret = (v != 0) == when[k].holds;
    }
    return true;
}

/* The place of x among the turns of those of its variables that are in `iters`. */
static int64_t place_of(const hone_program *p, const point *x, const bool *within)
{
    int64_t at = 0;
    for (unsigned k = 0; k < x->n; k++)
        if (within[k])
            at = at * hone_var_at(p, x->var[k])->extent + x->at[k];
    return at;
}

bool hone_ir__held_share(const hone_program *p, hone_stmt block, const hone_ir__when *when,
                         unsigned n, uint32_t iters, double *ret)
{
    point x = {.n = 0};
    bool within[HONE_MAX_ITERS], holds, good;
    int64_t tries = 1, places = 1, held = 0;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        hone_var v = hone_iter_at(p, block, k)->var;
        bool used = false;
        for (unsigned c = 0; c < n; c++)
            used = used || hone_uses_var(p, when[c].cond, v);
        if (!used)
            continue;
        within[x.n] = iters >> k & 1;
        x.var[x.n++] = v;
        if (__builtin_mul_overflow(tries, hone_var_at(p, v)->extent, &tries) ||
            tries > MOST_TRIES || tries == 0)
            return false;
        places *= within[x.n - 1] ? hone_var_at(p, v)->extent : 1;
    }
    bool *seen = hone_xcalloc((size_t)places, sizeof *seen);
    do {
        int64_t at = place_of(p, &x, within);
        good = all_hold(p, when, n, &x, &holds);
        held += good && holds && !seen[at];
        seen[at] = seen[at] || holds;
    } while (good && step(p, &x));
    free(seen);
    *ret = (double)held / (double)places;
    return good;
}

/* ---- elements that a load reads ----------------------------------------------------------------
 */

/* The place of the load's element among those of the dimensions in `dims`, -1: outside, or not
 * known. */
static int64_t element_of(const hone_program *p, hone_expr load, uint32_t dims, const point *x)
{
    const hone_expr_row *row = hone_expr_at(p, load);
    const int64_t *shape = hone_buffer_at(p, (hone_buffer){row->sym})->shape;
    int64_t at = 0, v;
    for (unsigned d = 0; d < row->n_args; d++) {
        if (!(dims >> d & 1))
            continue;
        if (!value_of(p, hone_expr_arg(p, load, d), x, &v) || v < 0 || v >= shape[d])
            return -1;
        at = at * shape[d] + v;
    }
    return at;
}

bool hone_ir__distinct(const hone_program *p, hone_stmt block, hone_expr load, uint32_t dims,
                       uint32_t *ret_iters, double *ret)
{
    const hone_expr_row *row = hone_expr_at(p, load);
    const int64_t *shape = hone_buffer_at(p, (hone_buffer){row->sym})->shape;
    point x = {.n = 0};
    int64_t places = 1, tries = 1, n = 0, at;
    *ret_iters = 0;
    for (unsigned d = 0; d < row->n_args; d++)
        if ((dims >> d & 1) &&
            (__builtin_mul_overflow(places, shape[d], &places) || places > MOST_PLACES))
            return false;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        hone_var v = hone_iter_at(p, block, k)->var;
        bool used = false;
        for (unsigned d = 0; d < row->n_args; d++)
            used = used || ((dims >> d & 1) && hone_uses_var(p, hone_expr_arg(p, load, d), v));
        if (!used)
            continue;
        *ret_iters |= 1u << k;
        x.var[x.n++] = v;
        if (__builtin_mul_overflow(tries, hone_var_at(p, v)->extent, &tries) || tries > MOST_TRIES)
            return false;
    }
    if (tries == 0 || places == 0)
        return false;
    bool *seen = hone_xcalloc((size_t)places, sizeof *seen);
    do {
        at = element_of(p, load, dims, &x);
        n += at >= 0 && !seen[at];
        if (at >= 0)
            seen[at] = true;
    } while (at >= 0 && step(p, &x));
    free(seen);
    *ret = (double)n;
    return at >= 0;
}
