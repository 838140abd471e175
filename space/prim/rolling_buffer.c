/* rolling_buffer: a producer computed inside a loop of its consumers, whose windows overlap from
 * one iteration to the next, keeps what it has and computes only what is new, in a buffer of the
 * window's size whose places are taken in turns; as in TVM (RollingBuffer). The loop is the
 * innermost one around all that touches the buffer: what a buffer is needed for is kept from one
 * iteration of that loop to the next, and of no other, when code generation cuts it down to one
 * iteration's part.
 *
 * With window [c*t, c*t + size) in iteration t, an element was there before if its place in the
 * window is below size - c. The new predicate is `t == 0 or size - c <= place`; a disjunction is
 * what tells every other primitive that iterations of the loop depend on one another
 * (hone_prim__keeps_state). */
#include "space/prim/prim.h"
#include "space/prim/util.h"

typedef struct rolling {
    hone_stmt loop;
    unsigned dim;
    int64_t step, size; /* c, and elements in the window */
    hone_expr start, place;
} rolling;

/* ---- legality -------------------------------------------------------------------------------- */

bool hone_prim__is_rolling(const hone_program *p, hone_stmt leaf)
{
    hone_expr conds[HONE_PRIM__MAX_CONDS];
    unsigned n;
    bool found =
        !hone_prim__conjuncts(p, hone_stmt_at(p, leaf)->where, conds, HONE_PRIM__MAX_CONDS, &n);
    for (unsigned k = 0; !found && k < n; k++)
        found = hone_expr_op(p, conds[k]) == HONE_OP_OR;
    return found;
}

bool hone_prim__keeps_state(const hone_program *p, hone_stmt leaf, hone_stmt loop)
{
    hone_expr conds[HONE_PRIM__MAX_CONDS];
    unsigned n;
    hone_var v = hone_stmt_at(p, loop)->var;
    if (!hone_prim__conjuncts(p, hone_stmt_at(p, leaf)->where, conds, HONE_PRIM__MAX_CONDS, &n))
        return true;
    for (unsigned k = 0; k < n; k++) {
        if (hone_expr_op(p, conds[k]) != HONE_OP_OR || !hone_uses_var(p, conds[k], v))
            continue;
        HONE_PRIM__EACH_LEAF(p, loop, s)
        {
            if (!HONE_SAME(s, leaf) && hone_prim__reads(p, s, hone_stmt_at(p, leaf)->out))
                return true;
        }
    }
    return false;
}

/* Everything that touches the buffer stands inside the loop; nothing there writes what the block
 * reads, so that an element has the same value whenever it is computed. */
static bool is_closed(const hone_program *p, hone_stmt block, hone_stmt loop)
{
    hone_buffer out = hone_stmt_at(p, block)->out;
    HONE_PRIM__EACH_LEAF(p, p->root, s)
    {
        if (HONE_SAME(s, block))
            continue;
        bool inside = hone_is_ancestor(p, loop, s);
        if (hone_prim__reads(p, s, out) && (!inside || !hone_prim__in_root(p, s)))
            return false;
        if (inside && hone_prim__reads(p, block, hone_stmt_at(p, s)->out))
            return false;
    }
    return true;
}

/* The sum of each element begins and ends in one iteration of the loop. */
static bool sums_inside(const hone_program *p, hone_stmt block, hone_stmt loop)
{
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        const hone_iter *it = hone_iter_at(p, block, k);
        for (hone_stmt l = loop; it->kind == HONE_REDUCE && hone_is_loop(p, l);
             l = hone_stmt_at(p, l)->parent)
            if (hone_uses_var(p, it->binding, hone_stmt_at(p, l)->var))
                return false;
    }
    return true;
}

/* What ran for an element in one iteration also ran in the one before, if it was in the window:
 * conditions are about elements, or hold in earlier iterations when they hold in later ones and do
 * not look at the place in the window. */
static bool guards_last(hone_program *p, hone_stmt block, const rolling *r,
                        const hone_prim__tile *tile)
{
    hone_expr conds[HONE_PRIM__MAX_CONDS], lifted, e, rest;
    unsigned n;
    hone_var t = hone_stmt_at(p, r->loop)->var;
    if (!hone_prim__conjuncts(p, hone_stmt_at(p, block)->where, conds, HONE_PRIM__MAX_CONDS, &n))
        return false;
    for (unsigned k = 0; k < n; k++) {
        int64_t c;
        if (hone_prim__lift_exactly(p, block, conds[k], &lifted))
            continue;
        bool moves = false;
        for (hone_stmt l = hone_stmt_at(p, block)->parent; !HONE_SAME(l, r->loop);
             l = hone_stmt_at(p, l)->parent) {
            hone_var v = hone_stmt_at(p, l)->var;
            moves = moves || (hone_uses_var(p, r->place, v) && hone_uses_var(p, conds[k], v));
        }
        if (moves && (hone_uses_var(p, conds[k], t) || tile->n_conds))
            return false;
        if (!moves &&
            (!hone_as_negative(p, conds[k], &e) || !hone_linear(p, e, &t, 1, &c, &rest) || c < 0))
            return false;
    }
    return true;
}

/* Every read of the buffer stays within the window of its iteration. */
static bool reads_window(hone_program *p, hone_stmt block, const rolling *r)
{
    hone_buffer out = hone_stmt_at(p, block)->out;
    HONE_PRIM__EACH_LEAF(p, r->loop, s)
    {
        hone_expr loads[HONE_PRIM__MAX_LOADS];
        if (HONE_SAME(s, block) || !hone_prim__reads(p, s, out))
            continue;
        unsigned n = hone_block_loads(p, s, loads, HONE_PRIM__MAX_LOADS);
        if (n > HONE_PRIM__MAX_LOADS || hone_prim__reads_aside(p, s, out))
            return false;
        for (unsigned k = 0; k < n; k++) {
            int64_t lo, hi;
            if (hone_expr_at(p, loads[k])->sym != out.i)
                continue;
            hone_expr at = hone_bind(p, s, hone_expr_arg(p, loads[k], r->dim));
            at = hone_simplify(p, hone_binary(p, HONE_OP_SUB, at, r->start));
            if (!hone_bounds(p, at, &lo, &hi) || lo < 0 || hi >= r->size)
                return false;
        }
    }
    return true;
}

static bool rolls(hone_program *p, hone_stmt block, hone_stmt loop, rolling *ret)
{
    hone_prim__tile tile;
    hone_var t = hone_stmt_at(p, loop)->var;
    uint8_t kind = hone_stmt_at(p, loop)->loop_kind;
    if ((kind != HONE_SERIAL && kind != HONE_UNROLLED) || hone_stmt_at(p, loop)->anns ||
        hone_loop_extent(p, loop) < 2 || !is_closed(p, block, loop) ||
        !sums_inside(p, block, loop) || !hone_prim__tile_of(p, block, loop, &tile))
        return false;
    unsigned moving = 0;
    for (unsigned d = 0; d < tile.n; d++) {
        if (!hone_uses_var(p, tile.start[d], t))
            continue;
        moving++;
        ret->dim = d;
    }
    hone_expr rest;
    if (moving != 1 || !hone_linear(p, tile.start[ret->dim], &t, 1, &ret->step, &rest))
        return false;
    ret->loop = loop;
    ret->size = tile.extent[ret->dim];
    ret->start = tile.start[ret->dim];
    hone_expr binding = hone_iter_at(p, block, (unsigned)tile.iter_of[ret->dim])->binding;
    ret->place = hone_simplify(p, hone_binary(p, HONE_OP_SUB, binding, ret->start));
    return ret->step > 0 && ret->size > ret->step && guards_last(p, block, ret, &tile) &&
           reads_window(p, block, ret);
}

/* ---- change ---------------------------------------------------------------------------------- */

typedef struct turn_ctx {
    hone_buffer b;
    unsigned dim;
    int64_t size;
} turn_ctx;

static hone_expr turn_node(void *ctx, hone_program *p, hone_expr e)
{
    const turn_ctx *c = ctx;
    const hone_expr_row *row = hone_expr_at(p, e);
    if (row->op != HONE_OP_LOAD || row->sym != c->b.i)
        return e;
    hone_expr index[HONE_MAX_DIMS];
    unsigned n = row->n_args;
    for (unsigned k = 0; k < n; k++)
        index[k] = hone_expr_arg(p, e, k);
    index[c->dim] = hone_binary(p, HONE_OP_FLOORMOD, index[c->dim], hone_int(p, c->size));
    return hone_load(p, c->b, index, n);
}

hone_status hone_prim__rolling_buffer(hone_program *p, hone_stmt block, hone_error *err)
{
    if (!hone_prim__is_leaf(p, block) || !hone_prim__in_root(p, block) ||
        !hone_prim__sole_writer(p, block) ||
        hone_buffer_at(p, hone_stmt_at(p, block)->out)->role != HONE_TEMP ||
        hone_prim__reads_aside(p, block, hone_stmt_at(p, block)->out))
        return hone_fail(err, HONE_REJECT_ARG,
                         "rolling_buffer: takes the only block that writes a temporary");
    hone_stmt loop = hone_stmt_at(p, block)->parent;
    HONE_PRIM__EACH_LEAF(p, p->root, s)
    {
        if (!HONE_SAME(s, block) && hone_prim__reads(p, s, hone_stmt_at(p, block)->out))
            loop = hone_lca(p, loop, s);
    }
    rolling r;
    if (!hone_is_loop(p, loop) || !rolls(p, block, loop, &r))
        return hone_fail(err, HONE_REJECT_COMPUTE_AT,
                         "rolling_buffer: the loop that the block shares with all its consumers "
                         "does not move an overlapping window along one dimension");

    hone_stmt_row row = *hone_stmt_at(p, block);
    if (r.size < hone_buffer_at(p, row.out)->shape[r.dim]) {
        turn_ctx turn = {row.out, r.dim, r.size};
        HONE_PRIM__EACH_LEAF(p, r.loop, s)
        {
            hone_expr value = hone_rewrite(p, hone_stmt_at(p, s)->value, turn_node, &turn);
            hone_stmt_at(p, s)->value = value;
        }
        hone_expr index[HONE_MAX_DIMS];
        for (unsigned d = 0; d < row.n_index; d++)
            index[d] = hone_store_index(p, block, d);
        index[r.dim] = hone_binary(p, HONE_OP_FLOORMOD, index[r.dim], hone_int(p, r.size));
        hone_block_set_store(p, block, row.out, index, row.n_index, hone_stmt_at(p, block)->value,
                             row.init);
        hone_buffer_at(p, row.out)->shape[r.dim] = r.size;
    }
    hone_expr t = hone_var_expr(p, hone_stmt_at(p, r.loop)->var), where = row.where;
    hone_expr first = hone_binary(p, HONE_OP_EQ, t, hone_int(p, 0));
    hone_expr fresh = hone_binary(p, HONE_OP_LE, hone_int(p, r.size - r.step), r.place);
    hone_prim__require(p, &where, hone_binary(p, HONE_OP_OR, first, fresh));
    hone_stmt_at(p, block)->where = where;
    return HONE_OK;
}
