/* compute_inline and reverse_compute_inline: TensorIR's (Feng et al., ASPLOS 2023, sec. 3.2).
 *
 * Both make one block of a producer and an elementwise neighbour. compute_inline puts the
 * producer's value where its consumers load it; reverse_compute_inline lets the producer store what
 * its only consumer would have made of it. */
#include "ir/prepack.h"
#include "space/prim/prim.h"
#include "space/prim/util.h"

typedef struct inline_ctx {
    hone_buffer from;
    hone_expr value;              /* over vars */
    hone_var vars[HONE_MAX_DIMS]; /* by dimension of `from` */
    bool has_var[HONE_MAX_DIMS];
    bool simplify; /* what was put in, alone */
} inline_ctx;

/* Values of 16 bits are wider while they are computed. Has this one been rounded, as far as a short
 * look can tell? */
static bool is_rounded(const hone_program *p, hone_expr e, unsigned depth)
{
    const hone_expr_row *row = hone_expr_at(p, e);
    switch (depth > 0 ? row->op : HONE_OP_NONE) {
    case HONE_OP_LOAD:
    case HONE_OP_FLOAT:
    case HONE_OP_CAST:
        return true;
    case HONE_OP_ABS:
        return is_rounded(p, hone_expr_arg(p, e, 0), depth - 1);
    case HONE_OP_MIN:
    case HONE_OP_MAX:
        return is_rounded(p, hone_expr_arg(p, e, 0), depth - 1) &&
               is_rounded(p, hone_expr_arg(p, e, 1), depth - 1);
    case HONE_OP_SELECT:
        return is_rounded(p, hone_expr_arg(p, e, 1), depth - 1) &&
               is_rounded(p, hone_expr_arg(p, e, 2), depth - 1);
    default:
        return false;
    }
}

/* The value as it would be read back from memory: a store rounds. */
static hone_expr as_stored(hone_program *p, hone_expr value)
{
    hone_dtype t = hone_expr_dtype(p, value);
    bool wider = t == HONE_F16 || t == HONE_BF16;
    return wider && !is_rounded(p, value, 5) ? hone_cast(p, t, value) : value;
}

/* A load of the buffer becomes the value at the load's indices. */
static hone_expr inline_node(void *ctx, hone_program *p, hone_expr e)
{
    const inline_ctx *c = ctx;
    const hone_expr_row *row = hone_expr_at(p, e);
    if (row->op != HONE_OP_LOAD || row->sym != c->from.i)
        return e;
    hone_var from[HONE_MAX_DIMS];
    hone_expr to[HONE_MAX_DIMS];
    unsigned n = 0, n_dims = row->n_args;
    for (unsigned d = 0; d < n_dims; d++) {
        if (!c->has_var[d])
            continue;
        from[n] = c->vars[d];
        to[n++] = hone_expr_arg(p, e, d);
    }
    hone_expr value = hone_substitute(p, c->value, from, to, n);
    return c->simplify ? hone_simplify(p, value) : value;
}

/* Iterators with one value are 0. */
static hone_expr without_unit_iters(hone_program *p, hone_stmt block, hone_expr e)
{
    hone_var from[HONE_MAX_ITERS];
    hone_expr to[HONE_MAX_ITERS];
    unsigned n = 0;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        hone_var v = hone_iter_at(p, block, k)->var;
        if (hone_var_at(p, v)->extent != 1)
            continue;
        from[n] = v;
        to[n++] = hone_int(p, 0);
    }
    return hone_substitute(p, e, from, to, n);
}

static hone_expr inlined(hone_program *p, hone_expr e, inline_ctx *ctx)
{
    return hone_simplify(p, hone_rewrite(p, e, inline_node, ctx));
}

static hone_status check_inline(hone_program *p, hone_stmt block, int iters[HONE_MAX_DIMS],
                                hone_error *err)
{
    const hone_status no = HONE_REJECT_INLINE;
    if (!hone_prim__is_leaf(p, block))
        return hone_fail(err, HONE_REJECT_ARG, "compute_inline: not a block that computes a value");
    hone_buffer out = hone_stmt_at(p, block)->out;
    hone_expr lifted;
    if (hone_buffer_at(p, out)->role != HONE_TEMP)
        return hone_fail(err, no, "compute_inline: the block writes an output");
    if (hone_ann_get(p, block, HONE_ANN_PREPACK))
        return hone_fail(err, no, "compute_inline: the block is to run ahead of time");
    if (hone_prim__has_reduce_iter(p, block) || hone_stmt_at(p, block)->init.i ||
        hone_prim__reads(p, block, out))
        return hone_fail(err, no, "compute_inline: the block is a reduction");
    if (!hone_prim__sole_writer(p, block) || !hone_prim__store_iters(p, block, iters))
        return hone_fail(err, no, "compute_inline: the block does not store at its own iterators");
    if (!hone_prim__in_root(p, block))
        return hone_fail(err, no, "compute_inline: the block is part of another block");
    if (!hone_prim__lift_where(p, block, &lifted) || lifted.i)
        return hone_fail(err, no, "compute_inline: the block has a predicate");
    bool consumed = false;
    HONE_PRIM__EACH_LEAF(p, p->root, s)
    {
        if (!hone_prim__reads(p, s, out))
            continue;
        consumed = true;
        if (!hone_prim__inputs_reach(p, block, s) || hone_prim__reads_aside(p, s, out))
            return hone_fail(err, no, "compute_inline: an input is not there for a consumer");
    }
    if (!consumed)
        return hone_fail(err, no, "compute_inline: the block has no consumer");
    return HONE_OK;
}

hone_status hone_prim__compute_inline(hone_program *p, hone_stmt block, hone_error *err)
{
    int iters[HONE_MAX_DIMS];
    hone_status st = check_inline(p, block, iters, err);
    if (st != HONE_OK)
        return st;
    inline_ctx ctx = {.from = hone_stmt_at(p, block)->out};
    for (unsigned d = 0; d < hone_stmt_at(p, block)->n_index; d++) {
        ctx.has_var[d] = iters[d] >= 0;
        if (ctx.has_var[d])
            ctx.vars[d] = hone_iter_at(p, block, (unsigned)iters[d])->var;
    }
    /* Only iterators that are no store index are replaced: those that are come from the load. */
    hone_expr value = hone_stmt_at(p, block)->value;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        hone_var v = hone_iter_at(p, block, k)->var;
        bool index = false;
        for (unsigned d = 0; d < hone_stmt_at(p, block)->n_index; d++)
            index = index || iters[d] == (int)k;
        hone_expr zero = hone_int(p, 0);
        if (!index)
            value = hone_substitute(p, value, &v, &zero, 1);
    }
    ctx.value = as_stored(p, value);
    HONE_PRIM__EACH_LEAF(p, p->root, s)
    {
        if (HONE_SAME(s, block) || !hone_prim__reads(p, s, ctx.from))
            continue;
        hone_stmt_row row = *hone_stmt_at(p, s);
        /* A sum must go on reading the very element it stores. */
        ctx.simplify = hone_prim__reads(p, s, row.out);
        row.value = ctx.simplify ? hone_rewrite(p, row.value, inline_node, &ctx)
                                 : inlined(p, row.value, &ctx);
        hone_stmt_at(p, s)->value = row.value;
    }
    hone_stmt_prune(p, block);
    return HONE_OK;
}

bool hone_prim__can_inline(hone_program *p, hone_stmt block)
{
    int iters[HONE_MAX_DIMS];
    return check_inline(p, block, iters, NULL) == HONE_OK;
}

/* ---- reverse --------------------------------------------------------------------------------- */

/* Finds the producer, and by dimension of its buffer the consumer's iterator. */
static hone_status check_reverse(hone_program *p, hone_stmt block, hone_stmt *ret_producer,
                                 inline_ctx *ret, hone_error *err)
{
    const hone_status no = HONE_REJECT_INLINE;
    if (!hone_prim__is_leaf(p, block))
        return hone_fail(err, HONE_REJECT_ARG, "reverse_compute_inline: takes a computing block");
    hone_buffer out = hone_stmt_at(p, block)->out;
    hone_expr lifted;
    int iters[HONE_MAX_DIMS];
    if (hone_prim__has_reduce_iter(p, block) || hone_stmt_at(p, block)->init.i ||
        hone_prim__reads(p, block, out) || !hone_prim__sole_writer(p, block))
        return hone_fail(err, no, "reverse_compute_inline: the block is a reduction");
    if (!hone_prim__in_root(p, block))
        return hone_fail(err, no, "reverse_compute_inline: the block is part of another block");
    if (!hone_prim__lift_where(p, block, &lifted) || lifted.i)
        return hone_fail(err, no, "reverse_compute_inline: the block has a predicate");
    if (!hone_prim__store_iters(p, block, iters))
        return hone_fail(err, no, "reverse_compute_inline: not stored at its own iterators");
    hone_expr loads[HONE_PRIM__MAX_LOADS], load = HONE_NO_EXPR;
    unsigned n = hone_block_loads(p, block, loads, HONE_PRIM__MAX_LOADS);
    hone_stmt producer = HONE_NO_STMT;
    /* The producer is the input computed last. */
    HONE_PRIM__EACH_LEAF(p, p->root, s)
    {
        if (!HONE_SAME(s, block) && hone_prim__reads(p, block, hone_stmt_at(p, s)->out))
            producer = s;
    }
    if (!producer.i || n > HONE_PRIM__MAX_LOADS)
        return hone_fail(err, no, "reverse_compute_inline: the block reads nothing computed");
    hone_buffer from = hone_stmt_at(p, producer)->out;
    hone_stmt top = hone_prim__child_towards(p, p->root, producer);
    for (unsigned k = 0; k < n; k++) {
        if (hone_expr_at(p, loads[k])->sym != from.i)
            continue;
        if (load.i)
            return hone_fail(err, no, "reverse_compute_inline: the input is read at two places");
        load = loads[k];
    }
    if (!load.i)
        return hone_fail(err, no, "reverse_compute_inline: the block reads in an unusual way");
    HONE_PRIM__EACH_LEAF(p, p->root, s)
    {
        if (HONE_SAME(s, block) || HONE_SAME(s, producer))
            continue;
        if (hone_prim__reads(p, s, from))
            return hone_fail(err, no, "reverse_compute_inline: the input has other consumers");
        if (hone_prim__reads(p, block, hone_stmt_at(p, s)->out) &&
            !hone_prim__is_before(p, hone_prim__child_towards(p, p->root, s), top))
            return hone_fail(err, no, "reverse_compute_inline: an input is not there in time");
    }
    if (hone_buffer_at(p, from)->role != HONE_TEMP || !hone_prim__sole_writer(p, producer) ||
        hone_prim__has_reduce_iter(p, producer) || hone_stmt_at(p, producer)->init.i ||
        hone_prim__reads(p, producer, from) || !hone_prim__in_root(p, producer))
        return hone_fail(err, no, "reverse_compute_inline: the input is a reduction or an output");
    if (!hone_prim__lift_where(p, producer, &lifted) || lifted.i)
        return hone_fail(err, no, "reverse_compute_inline: the input is computed in part only");

    unsigned seen = 0, n_iters = hone_stmt_at(p, block)->n_iters;
    memset(ret, 0, sizeof *ret);
    ret->from = from;
    for (unsigned d = 0; d < hone_buffer_at(p, from)->n_dims; d++) {
        hone_expr e = hone_expr_arg(p, load, d);
        int64_t c, shape = hone_buffer_at(p, from)->shape[d];
        unsigned k = 0;
        if (shape == 1 && hone_is_int(p, e, &c) && c == 0)
            continue;
        while (k < n_iters && !HONE_SAME(e, hone_var_expr(p, hone_iter_at(p, block, k)->var)))
            k++;
        if (k == n_iters || seen >> k & 1 ||
            hone_var_at(p, hone_iter_at(p, block, k)->var)->extent > shape)
            return hone_fail(err, no, "reverse_compute_inline: the block is not elementwise");
        seen |= 1u << k;
        ret->has_var[d] = true;
        ret->vars[d] = hone_iter_at(p, block, k)->var;
    }
    for (unsigned k = 0; k < n_iters; k++) {
        if (!(seen >> k & 1) && hone_var_at(p, hone_iter_at(p, block, k)->var)->extent != 1)
            return hone_fail(err, no, "reverse_compute_inline: the block repeats its input");
    }
    *ret_producer = producer;
    return HONE_OK;
}

hone_status hone_prim__reverse_compute_inline(hone_program *p, hone_stmt block, hone_error *err)
{
    inline_ctx ctx;
    hone_stmt producer = HONE_NO_STMT;
    hone_status st = check_reverse(p, block, &producer, &ctx, err);
    if (st != HONE_OK)
        return st;
    hone_stmt_row cons = *hone_stmt_at(p, block), prod = *hone_stmt_at(p, producer);
    hone_expr index[HONE_MAX_DIMS], to[HONE_MAX_DIMS];
    hone_var from[HONE_MAX_DIMS];
    unsigned n = 0;
    hone_expr where = prod.where;
    for (unsigned d = 0; d < prod.n_index; d++) {
        if (!ctx.has_var[d])
            continue;
        from[n] = ctx.vars[d];
        to[n] = hone_store_index(p, producer, d);
        /* a block that reads a part only: the rest is not needed */
        int64_t part = hone_var_at(p, ctx.vars[d])->extent;
        if (part < hone_buffer_at(p, ctx.from)->shape[d]) {
            hone_expr at = hone_bind(p, producer, to[n]);
            hone_prim__require(p, &where, hone_binary(p, HONE_OP_LT, at, hone_int(p, part)));
        }
        n++;
    }
    for (unsigned d = 0; d < cons.n_index; d++) {
        hone_expr e = hone_substitute(p, hone_store_index(p, block, d), from, to, n);
        index[d] = hone_simplify(p, without_unit_iters(p, block, e));
    }
    hone_expr value = hone_substitute(p, cons.value, from, to, n);
    value = without_unit_iters(p, block, value);
    /* What is left of the load has the producer's own indices. */
    inline_ctx whole = {.from = ctx.from, .value = as_stored(p, prod.value)};
    value = inlined(p, value, &whole);
    hone_block_set_store(p, producer, cons.out, index, cons.n_index, value, HONE_NO_EXPR);
    hone_stmt_at(p, producer)->where = where;
    hone_stmt_prune(p, block);
    return HONE_OK;
}
