/* share_windows: hone's own. Windows of a sum (product, minimum, maximum) that overlap along one
 * direction share what is summed across it, as a separable filter is applied in two passes:
 *
 *   for w, for r, for s:  Y[w] += x(r, 2*w + s)            (the loop: s)
 *
 *   for u, for r:  Y.windows[u] += x(r, u)                 (u over all of 2*w + s)
 *   for w, for s:  Y[w] += Y.windows[2*w + s]
 *
 * A maximum over 3 by 3 windows, one apart, is four operations rather than eight. The order of the
 * additions changes, as by rfactor.
 *
 * That the operand x depends on w and s as a*w + b*s alone is shown by putting that in: with b = 1
 * it is the same at (0, s + a*w), with a = 1 at (w + b*s, 0). */
#include "space/prim/prim.h"
#include "space/prim/util.h"

#include <math.h>

typedef struct sharing {
    hone_op op;
    hone_expr operand;
    bool own_first;            /* own op operand, not operand op own */
    unsigned w, s;             /* iterators */
    int64_t a, b;              /* of the place, a*w + b*s */
    int64_t places;            /* how many there are */
    unsigned dim;              /* of the output: w's */
    int stored[HONE_MAX_DIMS]; /* iterator of each dimension, or -1 */
} sharing;

static int64_t extent_of(const hone_program *p, hone_stmt block, unsigned k)
{
    return hone_var_at(p, hone_iter_at(p, block, k)->var)->extent;
}

/* The first load index that moves steadily with both says what the place would be. */
static bool find_place(hone_program *p, hone_stmt block, const hone_var v[2], int64_t c[2])
{
    hone_expr loads[HONE_PRIM__MAX_LOADS], rest;
    unsigned n = hone_block_loads(p, block, loads, HONE_PRIM__MAX_LOADS);
    for (unsigned k = 0; k < n && n <= HONE_PRIM__MAX_LOADS; k++)
        for (unsigned d = 0; d < hone_expr_at(p, loads[k])->n_args; d++) {
            hone_expr e = hone_expr_arg(p, loads[k], d);
            if (hone_uses_var(p, e, v[0]) && hone_uses_var(p, e, v[1]) &&
                hone_linear(p, e, v, 2, c, &rest))
                return c[0] > 0 && c[1] > 0;
        }
    return false;
}

/* The operand with the place `at` put in for a*w + b*s. */
static hone_expr at_place(hone_program *p, hone_stmt block, const sharing *sh, hone_expr at)
{
    hone_var v[2] = {hone_iter_at(p, block, sh->w)->var, hone_iter_at(p, block, sh->s)->var};
    hone_expr zero = hone_int(p, 0), to[2] = {zero, at};
    if (sh->b != 1) {
        to[0] = at;
        to[1] = zero;
    }
    return hone_simplify(p, hone_substitute(p, sh->operand, v, to, 2));
}

static hone_expr place_of(hone_program *p, const sharing *sh, hone_expr w, hone_expr s)
{
    hone_expr x = hone_binary(p, HONE_OP_MUL, w, hone_int(p, sh->a));
    hone_expr y = hone_binary(p, HONE_OP_MUL, s, hone_int(p, sh->b));
    return hone_simplify(p, hone_binary(p, HONE_OP_ADD, x, y));
}

/* Windows along iterator w: do they overlap without gaps, and is there nothing but the place? */
static bool shares_along(hone_program *p, hone_stmt block, unsigned w, sharing *sh)
{
    hone_var v[2] = {hone_iter_at(p, block, w)->var, hone_iter_at(p, block, sh->s)->var};
    int64_t c[2], windows = extent_of(p, block, w), steps = extent_of(p, block, sh->s);
    if (!find_place(p, block, v, c) || windows < 2 || steps < 2)
        return false;
    sh->w = w;
    sh->a = c[0];
    sh->b = c[1];
    if (!(sh->b == 1 && sh->a < steps) && !(sh->a == 1 && sh->b < windows))
        return false;
    if (__builtin_mul_overflow(sh->a, windows - 1, &c[0]) ||
        __builtin_mul_overflow(sh->b, steps - 1, &c[1]) ||
        __builtin_add_overflow(c[0], c[1] + 1, &sh->places))
        return false;
    hone_expr place = place_of(p, sh, hone_var_expr(p, v[0]), hone_var_expr(p, v[1]));
    return HONE_SAME(at_place(p, block, sh, place), hone_simplify(p, sh->operand));
}

static hone_status find(hone_program *p, hone_stmt loop, hone_stmt *ret_block, sharing *sh,
                        hone_error *err)
{
    hone_stmt block = loop, loops[HONE_MAX_ITERS];
    while (hone_is_loop(p, block) &&
           HONE_SAME(hone_stmt_at(p, block)->first, hone_stmt_at(p, block)->last))
        block = hone_stmt_at(p, block)->first;
    if (!hone_is_loop(p, loop) || !hone_prim__is_leaf(p, block) ||
        !hone_prim__plain_nest(p, block, loops) || !hone_prim__sole_writer(p, block))
        return hone_fail(err, HONE_REJECT_ARG,
                         "share_windows: takes a loop of a block whose nest is as it was written");
    const hone_stmt_row *row = hone_stmt_at(p, block);
    unsigned n = row->n_iters, others = 0;
    if (!hone_block_reduction(p, block, &sh->op, &sh->operand) || hone_has_load(p, row->init) ||
        hone_uses_buffer(p, sh->operand, row->out))
        return hone_fail(err, HONE_REJECT_REDUCE,
                         "share_windows: the block is no sum, product, minimum or maximum");
    sh->own_first = !HONE_SAME(hone_expr_arg(p, row->value, 0), sh->operand);
    sh->s = n;
    for (unsigned k = 0; k < n; k++) {
        if (hone_iter_at(p, block, k)->kind != HONE_REDUCE)
            continue;
        if (HONE_SAME(loops[k], loop))
            sh->s = k;
        else
            others += extent_of(p, block, k) > 1;
    }
    if (sh->s == n || !others)
        return hone_fail(err, HONE_REJECT_REDUCE,
                         "share_windows: the loop is none of several of the sum");
    if (!hone_prim__store_iters(p, block, sh->stored))
        return hone_fail(err, HONE_REJECT_NOT_AFFINE,
                         "share_windows: the block does not store at its own iterators");
    *ret_block = block;
    for (unsigned d = 0; d < hone_stmt_at(p, block)->n_index; d++) {
        sh->dim = d;
        if (sh->stored[d] >= 0 && shares_along(p, block, (unsigned)sh->stored[d], sh))
            return HONE_OK;
    }
    return hone_fail(err, HONE_REJECT_NOT_AFFINE,
                     "share_windows: no windows along the loop that overlap and meet in what is "
                     "summed");
}

bool hone_prim__can_share_windows(hone_program *p, hone_stmt loop)
{
    sharing sh;
    hone_stmt block;
    return find(p, loop, &block, &sh, NULL) == HONE_OK;
}

/* ---- change ---------------------------------------------------------------------------------- */

static hone_expr combine(hone_program *p, const sharing *sh, hone_expr own, hone_expr operand)
{
    return sh->own_first ? hone_binary(p, sh->op, own, operand)
                         : hone_binary(p, sh->op, operand, own);
}

/* Leaves any number as it is, down to the sign of a zero, so that code generation can leave the
 * first step out: -0, and NaN, to which minima and maxima prefer any number. */
static hone_expr start_of(hone_program *p, hone_op op, hone_dtype t)
{
    if (!hone_dtype_is_float(t) || op == HONE_OP_MUL)
        return hone_identity_of(p, op, t);
    return hone_const(p, t, op == HONE_OP_ADD ? -0.0 : (double)NAN);
}

/* The sums at each place, in a nest of their own; all iterators but s, and places instead of w. */
static hone_stmt places_nest(hone_program *p, hone_stmt block, const sharing *sh, hone_buffer to,
                             hone_stmt *ret)
{
    hone_stmt_row row = *hone_stmt_at(p, block);
    hone_prim__nest nest = {0};
    hone_iter iters[HONE_MAX_ITERS];
    hone_var from[HONE_MAX_ITERS];
    hone_expr fresh[HONE_MAX_ITERS], of[HONE_MAX_ITERS], index[HONE_MAX_DIMS];
    unsigned n = 0, n_from = 0;
    char name[96];
    for (unsigned k = 0; k < row.n_iters; k++) {
        hone_iter it = *hone_iter_at(p, block, k);
        if (k == sh->s)
            continue;
        int64_t extent = k == sh->w ? sh->places : hone_var_at(p, it.var)->extent;
        snprintf(name, sizeof name, "v%u", n);
        hone_var v = hone_var_new(p, name, extent);
        of[k] = hone_var_expr(p, v);
        if (k != sh->w) {
            from[n_from] = it.var;
            fresh[n_from++] = of[k];
        }
        iters[n++] = (hone_iter){v, it.kind, hone_prim__nest_loop(p, &nest, extent)};
    }
    hone_expr operand = at_place(p, block, sh, of[sh->w]);
    operand = hone_simplify(p, hone_substitute(p, operand, from, fresh, n_from));
    for (unsigned d = 0; d < row.n_index; d++)
        index[d] = sh->stored[d] < 0 ? hone_int(p, 0) : of[sh->stored[d]];
    hone_expr start = start_of(p, sh->op, hone_expr_dtype(p, row.value));
    hone_expr value = combine(p, sh, hone_load(p, to, index, row.n_index), operand);
    snprintf(name, sizeof name, "%.*s_windows", HONE_UTF8_CUT(hone_sym_text(p, row.name), 80));
    *ret = hone_block_new(p, name);
    hone_block_set_iters(p, *ret, iters, n);
    hone_block_set_store(p, *ret, to, index, row.n_index, value, start);
    return hone_prim__nest_close(p, &nest, *ret);
}

/* The old block, detached: sums of what is at the places of each window. */
static hone_stmt windows_nest(hone_program *p, hone_stmt block, const sharing *sh, hone_buffer of)
{
    hone_stmt_row row = *hone_stmt_at(p, block);
    hone_prim__nest nest = {0};
    hone_iter iters[HONE_MAX_ITERS];
    hone_expr at[HONE_MAX_DIMS], index[HONE_MAX_DIMS];
    hone_expr w = hone_var_expr(p, hone_iter_at(p, block, sh->w)->var);
    hone_expr s = hone_var_expr(p, hone_iter_at(p, block, sh->s)->var);
    unsigned n = 0;
    for (unsigned k = 0; k < row.n_iters; k++) {
        hone_iter it = *hone_iter_at(p, block, k);
        if (it.kind == HONE_REDUCE && k != sh->s)
            continue;
        it.binding = hone_prim__nest_loop(p, &nest, hone_var_at(p, it.var)->extent);
        iters[n++] = it;
    }
    for (unsigned d = 0; d < row.n_index; d++) {
        index[d] = hone_store_index(p, block, d);
        at[d] = d == sh->dim ? place_of(p, sh, w, s) : index[d];
    }
    hone_expr own = hone_expr_arg(p, row.value, sh->own_first ? 0 : 1);
    hone_expr value = combine(p, sh, own, hone_load(p, of, at, row.n_index));
    hone_block_set_iters(p, block, iters, n);
    hone_block_set_store(p, block, row.out, index, row.n_index, value, row.init);
    return hone_prim__nest_close(p, &nest, block);
}

hone_status hone_prim__share_windows(hone_program *p, hone_stmt loop, hone_stmt *ret,
                                     hone_error *err)
{
    sharing sh;
    hone_stmt block;
    hone_status st = find(p, loop, &block, &sh, err);
    if (st != HONE_OK)
        return st;
    hone_buffer_row out = *hone_buffer_at(p, hone_stmt_at(p, block)->out);
    int64_t shape[HONE_MAX_DIMS], elements = 1;
    for (unsigned d = 0; d < out.n_dims; d++) {
        shape[d] = d == sh.dim ? sh.places : out.shape[d];
        if (__builtin_mul_overflow(elements, shape[d], &elements))
            elements = INT64_MAX;
    }
    if (elements > HONE_SPACE_MAX_EXTENT)
        return hone_fail(err, HONE_REJECT_TOO_BIG, "share_windows: too many places");
    char name[96];
    snprintf(name, sizeof name, "%.*s.windows", HONE_UTF8_CUT(hone_sym_text(p, out.name), 80));
    hone_buffer to =
        hone_buffer_new(p, name, (hone_dtype)out.dtype, shape, out.n_dims, HONE_TEMP, HONE_GLOBAL);
    hone_stmt top = hone_prim__child_towards(p, p->root, block);
    hone_stmt places = places_nest(p, block, &sh, to, ret);
    hone_stmt_detach(p, block);
    hone_stmt_insert_before(p, top, places);
    hone_stmt_insert_before(p, top, windows_nest(p, block, &sh, to));
    hone_stmt_remove(p, top);
    return HONE_OK;
}
