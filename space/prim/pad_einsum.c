/* pad_einsum: rounds the iteration domain of a sum of products up to multiples, as in TVM
 * (PadEinsum). Inputs get padded copies, filled up with what changes no sum; the output gets one
 * too, of which a copy takes what is asked for.
 *
 * legality    which blocks are einsums, and which element is neutral
 * change      padded inputs before, the block over the larger domain, the cut after */
#include "space/prim/prim.h"
#include "space/prim/util.h"

#include <math.h>

#define MAX_FACTORS 8

typedef struct einsum {
    unsigned n_iters, n_loads;
    int64_t extent[HONE_MAX_ITERS], padded[HONE_MAX_ITERS];
    hone_stmt loop[HONE_MAX_ITERS]; /* of each iterator */
    hone_expr load[MAX_FACTORS];    /* distinct factors */
    double neutral;                 /* what a padded factor is */
    bool pads_output;
} einsum;

static bool pads(const einsum *e, unsigned k)
{
    return e->padded[k] != e->extent[k];
}

/* The iterator that an index is, or -1. */
static int iter_of(const hone_program *p, hone_stmt block, hone_expr index)
{
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++)
        if (hone_expr_op(p, index) == HONE_OP_VAR &&
            hone_expr_at(p, index)->sym == hone_iter_at(p, block, k)->var.i)
            return (int)k;
    return -1;
}

/* ---- legality -------------------------------------------------------------------------------- */

bool hone_prim__plain_nest(const hone_program *p, hone_stmt block,
                           hone_stmt ret_loops[HONE_MAX_ITERS])
{
    hone_stmt loops[HONE_MAX_ITERS];
    unsigned n = hone_loops_of(p, block, loops, HONE_MAX_ITERS), found = 0;
    if (n > HONE_MAX_ITERS || n != hone_stmt_at(p, block)->n_iters || !n ||
        hone_stmt_at(p, block)->where.i || !HONE_SAME(hone_stmt_at(p, loops[0])->parent, p->root))
        return false;
    for (unsigned l = 0; l < n; l++) {
        const hone_stmt_row *row = hone_stmt_at(p, loops[l]);
        if (row->loop_kind != HONE_SERIAL || row->anns ||
            !hone_prim__only_child(p, loops[l], l + 1 < n ? loops[l + 1] : block))
            return false;
        for (unsigned k = 0; k < n; k++) {
            const hone_iter *it = hone_iter_at(p, block, k);
            if (hone_expr_op(p, it->binding) != HONE_OP_VAR ||
                hone_expr_at(p, it->binding)->sym != row->var.i ||
                hone_var_at(p, it->var)->extent != hone_loop_extent(p, loops[l]))
                continue;
            ret_loops[k] = loops[l];
            found++;
        }
    }
    return found == n;
}

/* Products of loads, casts among them; for bits, and and their number do as products: 0 makes 0. */
static bool find_factors(const hone_program *p, hone_expr e, einsum *ret, hone_memo *seen)
{
    if (!hone_memo_first(seen, e.i))
        return true;
    switch (hone_expr_op(p, e)) {
    case HONE_OP_LOAD:
        if (ret->n_loads == MAX_FACTORS)
            return false;
        ret->load[ret->n_loads++] = e;
        return true;
    case HONE_OP_CAST:
    case HONE_OP_POPCOUNT:
        return find_factors(p, hone_expr_arg(p, e, 0), ret, seen);
    case HONE_OP_MUL:
    case HONE_OP_BITAND:
        return find_factors(p, hone_expr_arg(p, e, 0), ret, seen) &&
               find_factors(p, hone_expr_arg(p, e, 1), ret, seen);
    default:
        return false;
    }
}

/* What padded factors must be so that the sum stays as it is. False: there is nothing exact. */
static bool neutral_of(const hone_program *p, hone_op op, hone_expr operand, double *ret)
{
    static const struct {
        hone_dtype t;
        double least, most;
    } range[] = {{HONE_I32, -0x1p31, 0x1p31 - 1},
                 {HONE_I16, -0x1p15, 0x1p15 - 1},
                 {HONE_I8, -0x1p7, 0x1p7 - 1},
                 {HONE_U8, 0, 0x1p8 - 1}};
    if (op == HONE_OP_ADD) {
        *ret = 0;
        return true;
    }
    hone_dtype t = hone_expr_dtype(p, operand);
    if (hone_expr_op(p, operand) != HONE_OP_LOAD) /* of a product of two there is none */
        return false;
    if (op == HONE_OP_MUL) {
        *ret = 1;
        return true;
    }
    if (hone_dtype_is_float(t)) {
        *ret = op == HONE_OP_MAX ? -INFINITY : INFINITY;
        return true;
    }
    for (unsigned k = 0; k < HONE_LEN(range); k++) {
        *ret = op == HONE_OP_MAX ? range[k].least : range[k].most;
        if (range[k].t == t)
            return true;
    }
    return false;
}

/* A padded iterator is an index of its own wherever it occurs; and all padded steps of the sum are
 * among the indices, or a factor that is not padded would count. */
static bool good_load(const hone_program *p, hone_stmt block, const einsum *e, hone_expr load)
{
    unsigned seen = 0;
    for (unsigned d = 0; d < hone_expr_at(p, load)->n_args; d++) {
        hone_expr index = hone_expr_arg(p, load, d);
        int k = iter_of(p, block, index);
        for (unsigned q = 0; q < e->n_iters && k < 0; q++)
            if (pads(e, q) && hone_uses_var(p, index, hone_iter_at(p, block, q)->var))
                return false;
        if (k >= 0)
            seen |= 1u << k;
    }
    for (unsigned k = 0; k < e->n_iters; k++)
        if (pads(e, k) && hone_iter_at(p, block, k)->kind == HONE_REDUCE && !(seen >> k & 1))
            return false;
    return true;
}

/* The extent of dimension d of the load's padded copy, and how much of that is copied: all there is
 * where the index is no iterator. */
static int64_t copied(const hone_program *p, hone_stmt block, const einsum *e, hone_expr load,
                      unsigned d, int64_t *ret_part)
{
    int k = iter_of(p, block, hone_expr_arg(p, load, d));
    int64_t shape = hone_buffer_at(p, (hone_buffer){hone_expr_at(p, load)->sym})->shape[d];
    *ret_part = k < 0 ? shape : e->extent[k];
    return k < 0 ? shape : e->padded[k];
}

static hone_status check_einsum(hone_program *p, hone_stmt block, const int64_t *padding,
                                unsigned n, einsum *ret, hone_error *err)
{
    memset(ret, 0, sizeof *ret);
    if (!hone_prim__is_leaf(p, block) || !hone_stmt_at(p, block)->init.i ||
        n != hone_stmt_at(p, block)->n_iters)
        return hone_fail(err, HONE_REJECT_ARG,
                         "pad_einsum: takes a sum and one multiple for each of its iterators");
    if (!hone_prim__plain_nest(p, block, ret->loop) || !hone_prim__sole_writer(p, block))
        return hone_fail(err, HONE_REJECT_ARG,
                         "pad_einsum: the block's nest is no longer one loop for each iterator");
    hone_op op;
    hone_expr operand;
    hone_buffer out = hone_stmt_at(p, block)->out;
    hone_memo seen = {0};
    bool product =
        hone_block_reduction(p, block, &op, &operand) && find_factors(p, operand, ret, &seen);
    hone_memo_free(&seen);
    if (!product || hone_uses_buffer(p, operand, out) ||
        hone_has_load(p, hone_stmt_at(p, block)->init))
        return hone_fail(err, HONE_REJECT_ARG, "pad_einsum: not a sum of products of loads");
    if (!neutral_of(p, op, operand, &ret->neutral))
        return hone_fail(err, HONE_REJECT_ARG, "pad_einsum: there is no neutral element");
    ret->n_iters = n;
    int stored[HONE_MAX_DIMS];
    if (!hone_prim__store_iters(p, block, stored))
        return hone_fail(err, HONE_REJECT_NOT_AFFINE,
                         "pad_einsum: the block does not store at its own iterators");
    for (unsigned k = 0; k < n; k++) {
        const hone_iter *it = hone_iter_at(p, block, k);
        int64_t extent = hone_var_at(p, it->var)->extent;
        if (padding[k] < 1 || padding[k] > HONE_SPACE_MAX_EXTENT / 2 ||
            extent > HONE_SPACE_MAX_EXTENT / 2)
            return hone_fail(err, HONE_REJECT_ARG, "pad_einsum: to a multiple of %" PRId64,
                             padding[k]);
        ret->extent[k] = extent;
        ret->padded[k] = (extent + padding[k] - 1) / padding[k] * padding[k];
        bool is_stored = false;
        for (unsigned d = 0; d < hone_stmt_at(p, block)->n_index; d++)
            is_stored = is_stored || stored[d] == (int)k;
        if (it->kind == HONE_SPATIAL && pads(ret, k)) {
            if (!is_stored)
                return hone_fail(err, HONE_REJECT_ARG,
                                 "pad_einsum: a padded iterator is not stored at");
            ret->pads_output = true;
        }
    }
    for (unsigned k = 0; k < ret->n_loads; k++) {
        if (!good_load(p, block, ret, ret->load[k]))
            return hone_fail(err, HONE_REJECT_NOT_AFFINE,
                             "pad_einsum: a padded iterator is not an index of its own, or an "
                             "input is not read at all padded steps of the sum");
        int64_t elements = 1, part;
        for (unsigned d = 0; d < hone_expr_at(p, ret->load[k])->n_args; d++)
            if (__builtin_mul_overflow(elements, copied(p, block, ret, ret->load[k], d, &part),
                                       &elements))
                elements = INT64_MAX;
        if (elements > HONE_SPACE_MAX_EXTENT)
            return hone_fail(err, HONE_REJECT_TOO_BIG, "pad_einsum: an input would be too large");
    }
    int64_t elements = 1;
    for (unsigned d = 0; d < hone_stmt_at(p, block)->n_index; d++)
        if (stored[d] >= 0 && __builtin_mul_overflow(elements, ret->padded[stored[d]], &elements))
            elements = INT64_MAX;
    if (elements > HONE_SPACE_MAX_EXTENT)
        return hone_fail(err, HONE_REJECT_TOO_BIG, "pad_einsum: the output would be too large");
    return HONE_OK;
}

/* ---- change ---------------------------------------------------------------------------------- */

static hone_buffer padded_buffer(hone_program *p, hone_buffer b, const int64_t *shape,
                                 char ret_name[80])
{
    hone_buffer_row row = *hone_buffer_at(p, b);
    snprintf(ret_name, 80, "%.*s_pad", HONE_UTF8_CUT(hone_sym_text(p, row.name), 64));
    return hone_buffer_new(p, ret_name, (hone_dtype)row.dtype, shape, row.n_dims, HONE_TEMP,
                           HONE_GLOBAL);
}

/* A block over `shape` that copies src to dst, and beyond src's part writes the neutral element.
 * Returns the top of its nest. */
static hone_stmt pad_nest(hone_program *p, const char *name, hone_buffer dst, hone_buffer src,
                          const int64_t *shape, const int64_t *part, double neutral)
{
    hone_prim__nest nest = {0};
    hone_expr index[HONE_MAX_DIMS], inside = HONE_NO_EXPR;
    unsigned n = hone_buffer_at(p, dst)->n_dims;
    hone_stmt block = hone_block_new(p, name);
    for (unsigned d = 0; d < n; d++) {
        char v[16];
        snprintf(v, sizeof v, "v%u", d);
        hone_expr at = hone_prim__nest_loop(p, &nest, shape[d]);
        index[d] = hone_var_expr(p, hone_block_add_iter(p, block, v, HONE_SPATIAL, shape[d], at));
        if (shape[d] > part[d])
            inside =
                hone_and(p, inside, hone_binary(p, HONE_OP_LT, index[d], hone_int(p, part[d])));
    }
    hone_expr value = hone_load(p, src, index, n);
    if (inside.i)
        value = hone_select(p, inside, value,
                            hone_const(p, (hone_dtype)hone_buffer_at(p, src)->dtype, neutral));
    hone_block_set_store(p, block, dst, index, n, value, HONE_NO_EXPR);
    return hone_prim__nest_close(p, &nest, block);
}

typedef struct swap_ctx {
    unsigned n;
    hone_expr from[MAX_FACTORS];
    hone_buffer to[MAX_FACTORS];
} swap_ctx;

static hone_expr swap_node(void *ctx, hone_program *p, hone_expr e)
{
    const swap_ctx *c = ctx;
    for (unsigned k = 0; k < c->n; k++) {
        if (!HONE_SAME(c->from[k], e))
            continue;
        hone_expr index[HONE_MAX_DIMS];
        unsigned n = hone_expr_at(p, e)->n_args;
        for (unsigned d = 0; d < n; d++)
            index[d] = hone_expr_arg(p, e, d);
        return hone_load(p, c->to[k], index, n);
    }
    return e;
}

static void pad_inputs(hone_program *p, hone_stmt block, const einsum *e, swap_ctx *ret)
{
    hone_stmt top = hone_prim__child_towards(p, p->root, block);
    ret->n = 0;
    for (unsigned k = 0; k < e->n_loads; k++) {
        hone_buffer b = {hone_expr_at(p, e->load[k])->sym};
        unsigned n = hone_expr_at(p, e->load[k])->n_args;
        int64_t shape[HONE_MAX_DIMS], part[HONE_MAX_DIMS];
        bool grows = false;
        for (unsigned d = 0; d < n; d++) {
            shape[d] = copied(p, block, e, e->load[k], d, &part[d]);
            grows = grows || shape[d] != part[d];
        }
        if (!grows)
            continue;
        char name[80];
        hone_buffer to = padded_buffer(p, b, shape, name);
        hone_stmt_insert_before(p, top, pad_nest(p, name, to, b, shape, part, e->neutral));
        ret->from[ret->n] = e->load[k];
        ret->to[ret->n++] = to;
    }
}

/* The padded output, of which a copy after the nest takes the old part. */
static hone_buffer cut_output(hone_program *p, hone_stmt block, const einsum *e)
{
    hone_buffer out = hone_stmt_at(p, block)->out;
    int64_t shape[HONE_MAX_DIMS], part[HONE_MAX_DIMS];
    for (unsigned d = 0; d < hone_stmt_at(p, block)->n_index; d++) {
        int i = iter_of(p, block, hone_store_index(p, block, d));
        shape[d] = i < 0 ? 1 : e->padded[i];
        part[d] = i < 0 ? 1 : e->extent[i];
    }
    char name[80];
    hone_buffer to = padded_buffer(p, out, shape, name);
    hone_stmt_insert_after(p, hone_prim__child_towards(p, p->root, block),
                           pad_nest(p, name, out, to, part, part, 0));
    return to;
}

hone_status hone_prim__pad_einsum(hone_program *p, hone_stmt block, const int64_t *padding,
                                  unsigned n, hone_error *err)
{
    einsum e;
    HONE_TRY(check_einsum(p, block, padding, n, &e, err));
    swap_ctx swaps;
    pad_inputs(p, block, &e, &swaps);
    hone_stmt_row row = *hone_stmt_at(p, block);
    hone_buffer out = e.pads_output ? cut_output(p, block, &e) : row.out;

    hone_iter iters[HONE_MAX_ITERS];
    hone_var from[HONE_MAX_ITERS];
    hone_expr to[HONE_MAX_ITERS], index[HONE_MAX_DIMS];
    for (unsigned k = 0; k < n; k++) {
        if (pads(&e, k))
            hone_prim__set_extent(p, e.loop[k], e.padded[k], 0);
        iters[k] = *hone_iter_at(p, block, k);
        from[k] = iters[k].var;
        if (pads(&e, k)) {
            char name[256];
            snprintf(name, sizeof name, "%s", hone_sym_text(p, hone_var_at(p, from[k])->name));
            iters[k].var = hone_var_new(p, name, e.padded[k]);
        }
        to[k] = hone_var_expr(p, iters[k].var);
    }
    hone_expr value = hone_rewrite(p, row.value, swap_node, &swaps);
    value = hone_substitute(p, hone_prim__redirect(p, value, row.out, out), from, to, n);
    hone_expr init = hone_substitute(p, row.init, from, to, n);
    for (unsigned d = 0; d < row.n_index; d++)
        index[d] = hone_substitute(p, hone_store_index(p, block, d), from, to, n);
    hone_block_set_iters(p, block, iters, n);
    hone_block_set_store(p, block, out, index, row.n_index, value, init);
    return HONE_OK;
}
