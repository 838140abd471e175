/* decompose_padding: a block of `select(inside, load, constant)` becomes one that fills with the
 * constant and one that copies what is inside, without a condition where the inside is a box; as in
 * TVM (DecomposePadding). */
#include "space/prim/prim.h"
#include "space/prim/util.h"

typedef struct padding {
    hone_expr inside, value, fill; /* over the block's iterators */
    hone_stmt loops[HONE_PRIM__MAX_LOOPS];
    unsigned n, at; /* loops[at] is the loop the fill goes before */
    /* by iterator: what is inside, when the iterator is the variable of a loop that can be cut */
    int64_t lo[HONE_MAX_ITERS], hi[HONE_MAX_ITERS];
    hone_stmt cut[HONE_MAX_ITERS];
    hone_expr rest; /* of the condition, over the iterators, or none */
} padding;

/* ---- legality -------------------------------------------------------------------------------- */

/* The loop from `at` inwards that is the iterator's binding, drives nothing else and holds nothing
 * but the block; else none. */
static hone_stmt loop_of_iter(const hone_program *p, hone_stmt block, const padding *d, unsigned k)
{
    hone_expr binding = hone_iter_at(p, block, k)->binding;
    hone_expr where = hone_stmt_at(p, block)->where;
    if (hone_expr_op(p, binding) != HONE_OP_VAR)
        return HONE_NO_STMT;
    hone_var v = {hone_expr_at(p, binding)->sym};
    if (where.i && hone_uses_var(p, where, v))
        return HONE_NO_STMT;
    for (unsigned q = 0; q < hone_stmt_at(p, block)->n_iters; q++)
        if (q != k && hone_uses_var(p, hone_iter_at(p, block, q)->binding, v))
            return HONE_NO_STMT;
    for (unsigned l = d->n; l-- > d->at;) {
        if (!hone_prim__only_child(p, d->loops[l], l + 1 < d->n ? d->loops[l + 1] : block))
            return HONE_NO_STMT;
        if (hone_stmt_at(p, d->loops[l])->var.i == v.i)
            return d->loops[l];
    }
    return HONE_NO_STMT;
}

/* Narrows the range of an iterator whose loop can be cut. False: the condition is not of that kind.
 */
static bool narrow(hone_program *p, hone_stmt block, hone_expr cond, padding *d)
{
    hone_expr e, rest;
    int64_t c, by;
    if (!hone_as_negative(p, cond, &e))
        return false;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        hone_var v = hone_iter_at(p, block, k)->var;
        if (!d->cut[k].i || !hone_linear(p, e, &v, 1, &c, &rest) || (c != 1 && c != -1) ||
            !hone_is_int(p, hone_simplify(p, rest), &by))
            continue;
        if (c == 1 && -by < d->hi[k]) /* v + by < 0 */
            d->hi[k] = -by;
        if (c == -1 && by + 1 > d->lo[k]) /* by - v < 0 */
            d->lo[k] = by + 1;
        return true;
    }
    return false;
}

static hone_status check_padding(hone_program *p, hone_stmt block, hone_stmt loop, padding *d,
                                 hone_error *err)
{
    memset(d, 0, sizeof *d);
    if (!hone_prim__is_leaf(p, block) || hone_prim__has_reduce_iter(p, block) ||
        hone_stmt_at(p, block)->init.i || hone_stmt_at(p, block)->value.i == 0)
        return hone_fail(err, HONE_REJECT_ARG, "decompose_padding: not a block that copies");
    if (!hone_is_loop(p, loop) || !hone_prim__is_around(p, loop, block))
        return hone_fail(err, HONE_REJECT_ARG,
                         "decompose_padding: the loop is not around the block");
    hone_expr value = hone_stmt_at(p, block)->value;
    hone_buffer out = hone_stmt_at(p, block)->out;
    if (hone_expr_op(p, value) == HONE_OP_SELECT) {
        d->inside = hone_expr_arg(p, value, 0);
        d->value = hone_expr_arg(p, value, 1);
        d->fill = hone_expr_arg(p, value, 2);
    }
    if (!d->inside.i || hone_has_load(p, d->inside) || hone_has_load(p, d->fill) ||
        hone_prim__reads(p, block, out))
        return hone_fail(err, HONE_REJECT_ARG,
                         "decompose_padding: its value is not select(inside, load, constant)");
    HONE_PRIM__EACH_LEAF(p, loop, s)
    {
        if (!HONE_SAME(s, block) && (hone_prim__writes(p, s, out) || hone_prim__reads(p, s, out)))
            return hone_fail(err, HONE_REJECT_DEPENDENCY,
                             "decompose_padding: another block in the loop touches the buffer");
    }
    d->n = hone_loops_of(p, block, d->loops, HONE_PRIM__MAX_LOOPS);
    if (d->n > HONE_PRIM__MAX_LOOPS)
        return hone_fail(err, HONE_REJECT_TOO_BIG, "decompose_padding: too many loops");
    while (!HONE_SAME(d->loops[d->at], loop))
        d->at++;
    hone_expr conds[HONE_PRIM__MAX_CONDS];
    unsigned n_conds;
    if (!hone_prim__conjuncts(p, d->inside, conds, HONE_PRIM__MAX_CONDS, &n_conds))
        return hone_fail(err, HONE_REJECT_TOO_BIG, "decompose_padding: too many conditions");
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        d->hi[k] = hone_var_at(p, hone_iter_at(p, block, k)->var)->extent;
        d->cut[k] = loop_of_iter(p, block, d, k);
        if (d->cut[k].i && hone_loop_extent(p, d->cut[k]) != d->hi[k])
            d->cut[k] = HONE_NO_STMT;
    }
    for (unsigned c = 0; c < n_conds; c++)
        if (!narrow(p, block, conds[c], d))
            d->rest = hone_and(p, d->rest, conds[c]);
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++)
        if (d->lo[k] >= d->hi[k])
            return hone_fail(err, HONE_REJECT_ARG, "decompose_padding: nothing is inside");
    return HONE_OK;
}

/* ---- change ---------------------------------------------------------------------------------- */

/* The block once more, over loops of its own, with another value. */
static hone_stmt fill_nest(hone_program *p, hone_stmt block, const padding *d, hone_stmt *ret)
{
    char name[96];
    hone_stmt_row row = *hone_stmt_at(p, block);
    snprintf(name, sizeof name, "%.*s_pad_const", HONE_UTF8_CUT(hone_sym_text(p, row.name), 80));
    hone_stmt fill = hone_block_new(p, name);
    hone_prim__nest nest = {0};
    hone_var old[HONE_PRIM__MAX_LOOPS], from[HONE_MAX_ITERS];
    hone_expr fresh[HONE_PRIM__MAX_LOOPS], to[HONE_MAX_ITERS], index[HONE_MAX_DIMS];
    hone_iter iters[HONE_MAX_ITERS];
    unsigned n = d->n - d->at;
    for (unsigned k = 0; k < n; k++) {
        hone_stmt l = d->loops[d->at + k];
        old[k] = hone_stmt_at(p, l)->var;
        fresh[k] = hone_prim__nest_loop(p, &nest, hone_loop_extent(p, l));
        hone_prim__take_kind(p, nest.last, l);
    }
    for (unsigned k = 0; k < row.n_iters; k++) {
        char v[16];
        snprintf(v, sizeof v, "v%u", k);
        iters[k] = *hone_iter_at(p, block, k);
        from[k] = iters[k].var;
        iters[k].var = hone_var_new(p, v, hone_var_at(p, from[k])->extent);
        iters[k].binding = hone_substitute(p, iters[k].binding, old, fresh, n);
        to[k] = hone_var_expr(p, iters[k].var);
    }
    hone_block_set_iters(p, fill, iters, row.n_iters);
    if (row.where.i) {
        hone_expr where = hone_substitute(p, row.where, old, fresh, n);
        hone_stmt_at(p, fill)->where = where;
    }
    for (unsigned k = 0; k < row.n_index; k++)
        index[k] = hone_substitute(p, hone_store_index(p, block, k), from, to, row.n_iters);
    hone_expr value = hone_substitute(p, d->fill, from, to, row.n_iters);
    hone_block_set_store(p, fill, row.out, index, row.n_index, value, HONE_NO_EXPR);
    *ret = fill;
    return hone_prim__nest_close(p, &nest, fill);
}

hone_status hone_prim__decompose_padding(hone_program *p, hone_stmt block, hone_stmt loop,
                                         hone_stmt *ret, hone_error *err)
{
    padding d;
    HONE_TRY(check_padding(p, block, loop, &d, err));
    hone_stmt_insert_before(p, loop, fill_nest(p, block, &d, ret));
    hone_stmt_at(p, block)->value = d.value;
    hone_expr where = hone_stmt_at(p, block)->where;
    if (d.rest.i)
        hone_prim__require(p, &where, hone_bind(p, block, d.rest));
    hone_stmt_at(p, block)->where = where;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++)
        if (d.cut[k].i && d.hi[k] - d.lo[k] < hone_loop_extent(p, d.cut[k]))
            hone_prim__set_extent(p, d.cut[k], d.hi[k] - d.lo[k], d.lo[k]);
    return HONE_OK;
}
