/* compute_at and reverse_compute_at: TensorIR's (Feng et al., ASPLOS 2023, sec. 3.2).
 *
 * Both take a block out of its nest and build it a new one inside a loop, over just the elements
 * needed (or produced) there. A producer may cover too much, for its values do not depend on where
 * they are computed; a consumer must cover exactly what has been written by then. */
#include "space/prim/prim.h"
#include "space/prim/util.h"

/* The new nest of a block: per iterator where it starts and how many values it takes. */
typedef struct placement {
    hone_expr start[HONE_MAX_ITERS];
    int64_t extent[HONE_MAX_ITERS];
    hone_expr kept;      /* what the predicate asks of the loops that stay, or none */
    hone_expr lifted;    /* the rest of it, over the iterators, or none */
    hone_stmt neighbour; /* child of the loop: the nest goes before (after) it */
    /* reverse_compute_at: the tile followed, the block it is of, and which iterator of ours walks
     * along each of its dimensions (-1: none). */
    hone_prim__tile tile;
    hone_stmt tile_of;
    int walker[HONE_MAX_DIMS];
} placement;

static int64_t iter_extent(const hone_program *p, hone_stmt block, unsigned k)
{
    return hone_var_at(p, hone_iter_at(p, block, k)->var)->extent;
}

/* Is the condition about loops around `loop` only? */
static bool is_about(const hone_program *p, hone_expr cond, hone_stmt block, hone_stmt loop)
{
    for (hone_stmt l = hone_stmt_at(p, block)->parent; hone_is_loop(p, l);
         l = hone_stmt_at(p, l)->parent) {
        if (!hone_is_ancestor(p, l, loop) && hone_uses_var(p, cond, hone_stmt_at(p, l)->var))
            return false;
    }
    return true;
}

/* Which iterators of the block an expression uses, a bit for each. */
static uint32_t iters_of(const hone_program *p, hone_stmt block, hone_expr e)
{
    uint32_t set = 0;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++)
        if (hone_uses_var(p, e, hone_iter_at(p, block, k)->var))
            set |= 1u << k;
    return set;
}

/* Walks the loads of a block's value. What matters of the selects around one are the iterators in
 * their conditions, `guard`: each expression is looked at once for each such set. */
typedef struct load_walk load_walk;
struct load_walk {
    hone_stmt block;
    /* An index of a load. False: enough seen. */
    bool (*index)(load_walk *w, hone_program *p, hone_expr index, int64_t extent, uint32_t guard);
    hone_expr *where; /* for `index` */
    hone_memo seen;
    uint32_t guards[64]; /* the sets met so far; a tag of `seen` is a place in it */
    unsigned n_guards;
};

static bool walk_loads(load_walk *w, hone_program *p, hone_expr e, uint32_t guard)
{
    hone_expr_row row = *hone_expr_at(p, e);
    unsigned tag = 0;
    if (!hone_has_load(p, e))
        return true;
    while (tag < w->n_guards && w->guards[tag] != guard)
        tag++;
    if (tag == HONE_LEN(w->guards))
        return false;
    if (tag == w->n_guards)
        w->guards[w->n_guards++] = guard;
    if (!hone_memo_first(&w->seen, hone_memo_key(e, tag)))
        return true;
    for (unsigned k = 0; k < row.n_args; k++) {
        hone_expr arg = hone_expr_arg(p, e, k);
        if (!walk_loads(w, p, arg, guard))
            return false;
        if (row.op == HONE_OP_SELECT && k == 0)
            guard |= iters_of(p, w->block, arg);
        if (row.op == HONE_OP_LOAD &&
            !w->index(w, p, arg, hone_buffer_at(p, (hone_buffer){row.sym})->shape[k], guard))
            return false;
    }
    return true;
}

/* The padding of a layout: there the block would read beyond its inputs. Its predicate may say
 * nothing of that where the loops it stands in leave the padding out. An index that shares
 * iterators with the selects around is left to them. */
static bool require_index(load_walk *w, hone_program *p, hone_expr index, int64_t extent,
                          uint32_t guard)
{
    if (!hone_has_load(p, index) && !(iters_of(p, w->block, index) & guard))
        hone_prim__require_range(p, w->where, index, extent);
    return true;
}

/* Starts with whole ranges. False: the predicate cannot be carried along. */
static bool place_all(hone_program *p, hone_stmt block, hone_stmt loop, placement *pl)
{
    hone_expr conds[HONE_PRIM__MAX_CONDS], lifted;
    unsigned n;
    memset(pl, 0, sizeof *pl);
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        pl->start[k] = hone_int(p, 0);
        pl->extent[k] = iter_extent(p, block, k);
    }
    if (!hone_prim__conjuncts(p, hone_stmt_at(p, block)->where, conds, HONE_PRIM__MAX_CONDS, &n))
        return false;
    for (unsigned k = 0; k < n; k++) {
        if (hone_prim__lift(p, block, conds[k], &lifted))
            hone_prim__require(p, &pl->lifted, lifted);
        else if (is_about(p, conds[k], block, loop))
            hone_prim__require(p, &pl->kept, conds[k]);
        else
            return false;
    }
    load_walk w = {.block = block, .index = require_index, .where = &pl->lifted};
    bool ok = walk_loads(&w, p, hone_stmt_at(p, block)->value, 0);
    hone_memo_free(&w.seen);
    return ok;
}

/* Takes the block out of its nest and returns the top of its new one, which hangs nowhere yet. The
 * old loops are left to drop_empty. Spatial loops stand outside reduction loops. */
static hone_stmt rebuild(hone_program *p, hone_stmt block, const placement *pl)
{
    hone_prim__nest nest = {0};
    hone_expr offset[HONE_MAX_ITERS], binding[HONE_MAX_ITERS], where = pl->kept;
    hone_var vars[HONE_MAX_ITERS];
    unsigned n = hone_stmt_at(p, block)->n_iters;
    for (int kind = HONE_SPATIAL; kind <= HONE_REDUCE; kind++) {
        for (unsigned k = 0; k < n; k++) {
            if (hone_iter_at(p, block, k)->kind != (hone_iter_kind)kind)
                continue;
            offset[k] = hone_prim__nest_loop(p, &nest, pl->extent[k]);
            binding[k] = hone_simplify(p, hone_binary(p, HONE_OP_ADD, pl->start[k], offset[k]));
            vars[k] = hone_iter_at(p, block, k)->var;
        }
    }
    for (unsigned k = 0; k < n; k++) {
        hone_prim__require_range(p, &where, binding[k], iter_extent(p, block, k));
        hone_iter_at(p, block, k)->binding = binding[k];
    }
    if (pl->lifted.i)
        hone_prim__require(p, &where, hone_substitute(p, pl->lifted, vars, binding, n));
    if (pl->tile_of.i) {
        hone_expr along[HONE_MAX_DIMS];
        for (unsigned d = 0; d < pl->tile.n; d++)
            along[d] = pl->walker[d] < 0 ? hone_int(p, 0) : offset[pl->walker[d]];
        hone_prim__tile_require(p, &pl->tile, pl->tile_of, along, &where);
    }
    hone_stmt_at(p, block)->where = where;
    hone_stmt_detach(p, block);
    return hone_prim__nest_close(p, &nest, block);
}

static void drop_empty(hone_program *p, hone_stmt loop)
{
    if (hone_is_loop(p, loop) && !hone_stmt_at(p, loop)->first.i)
        hone_stmt_prune(p, loop);
}

/* ---- compute_at ------------------------------------------------------------------------------ */

/* Do both use the same of the loops' variables? */
static bool same_vars(const hone_program *p, hone_expr a, hone_expr b, const hone_stmt *loops,
                      unsigned n)
{
    for (unsigned k = 0; k < n; k++) {
        hone_var v = hone_stmt_at(p, loops[k])->var;
        if (hone_uses_var(p, a, v) != hone_uses_var(p, b, v))
            return false;
    }
    return true;
}

/* Elements of b that one load of `reader`, in or below the child `below` of a loop, touches in one
 * iteration of that loop. */
static void load_box(hone_program *p, hone_buffer b, hone_stmt reader, hone_expr load,
                     hone_stmt below, hone_box *ret)
{
    hone_expr index[HONE_MAX_DIMS], conds[HONE_PRIM__MAX_CONDS];
    unsigned n = hone_buffer_at(p, b)->n_dims, n_conds = 0;
    for (unsigned d = 0; d < n; d++)
        index[d] = hone_bind(p, reader, hone_expr_arg(p, load, d));
    /* Not analysable: the box is the whole buffer. */
    if (!hone_access_box(p, b, index, reader, below, ret) ||
        !hone_prim__conjuncts(p, hone_stmt_at(p, reader)->where, conds, HONE_PRIM__MAX_CONDS,
                              &n_conds))
        return;
    hone_stmt loops[HONE_PRIM__MAX_LOOPS];
    unsigned n_loops = hone_loops_of(p, reader, loops, HONE_PRIM__MAX_LOOPS);
    for (unsigned d = 0; d < n && n_conds && n_loops <= HONE_PRIM__MAX_LOOPS; d++) {
        if (ret->extent[d] == 1)
            continue;
        hone_expr inside = hone_binary(p, HONE_OP_SUB, index[d], ret->start[d]);
        inside = hone_simplify(p, inside);
        for (unsigned c = 0; c < n_conds; c++) {
            int64_t most;
            if (same_vars(p, inside, conds[c], loops, n_loops) &&
                hone_prim__bounded_by(p, conds[c], inside, &most) && most < ret->extent[d])
                ret->extent[d] = most > 0 ? most : 1;
        }
    }
}

/* a becomes a box that holds both. */
static void unite(hone_program *p, hone_buffer b, hone_box *a, const hone_box *c)
{
    for (unsigned d = 0; d < hone_buffer_at(p, b)->n_dims; d++) {
        int64_t by = 0;
        hone_expr diff = hone_binary(p, HONE_OP_SUB, c->start[d], a->start[d]);
        if (!HONE_SAME(c->start[d], a->start[d]) && !hone_is_int(p, hone_simplify(p, diff), &by)) {
            a->start[d] = hone_int(p, 0);
            a->extent[d] = hone_buffer_at(p, b)->shape[d];
            continue;
        }
        int64_t lo = by < 0 ? by : 0;
        int64_t hi = by + c->extent[d] > a->extent[d] ? by + c->extent[d] : a->extent[d];
        if (by < 0)
            a->start[d] = c->start[d];
        a->extent[d] = hi - lo;
    }
}

static bool is_unguarded(load_walk *w, hone_program *p, hone_expr index, int64_t extent,
                         uint32_t guard)
{
    int64_t lo, hi;
    return !(iters_of(p, w->block, index) & guard) ||
           (hone_bounds(p, index, &lo, &hi) && lo >= 0 && hi < extent);
}

/* Could the block run for any values of its iterators? Not so, for all that is known here, when a
 * select guards a load that may be out of bounds, which require_index leaves alone. */
static bool runs_anywhere(hone_program *p, hone_stmt block)
{
    load_walk w = {.block = block, .index = is_unguarded};
    bool ok = walk_loads(&w, p, hone_stmt_at(p, block)->value, 0);
    hone_memo_free(&w.seen);
    return ok;
}

static hone_status plan_compute_at(hone_program *p, hone_stmt block, hone_stmt loop, placement *pl,
                                   hone_error *err)
{
    const hone_status no = HONE_REJECT_COMPUTE_AT;
    if (!hone_prim__is_leaf(p, block) || !hone_is_loop(p, loop))
        return hone_fail(err, HONE_REJECT_ARG, "compute_at: takes a block and a loop");
    hone_buffer out = hone_stmt_at(p, block)->out;
    if (hone_buffer_at(p, out)->role != HONE_TEMP)
        return hone_fail(err, no, "compute_at: the block writes an output");
    if (!hone_prim__in_root(p, block))
        return hone_fail(err, no, "compute_at: the block is part of another block");
    /* One with steps but no start, and nothing of its own that it goes on from, takes what another
     * block has at that moment: it keeps its place. */
    if (!hone_prim__sole_writer(p, block) ||
        (!hone_stmt_at(p, block)->init.i &&
         (hone_prim__reads(p, block, out) || hone_prim__has_reduce_iter(p, block))))
        return hone_fail(err, no, "compute_at: the block is not all that computes its buffer");
    if (hone_prim__is_vectorized(p, loop))
        return hone_fail(err, no, "compute_at: the loop is vectorized");
    int iters[HONE_MAX_DIMS];
    if (!hone_prim__store_iters(p, block, iters) || !place_all(p, block, loop, pl))
        return hone_fail(err, no, "compute_at: the nest of the block cannot be rebuilt");
    /* An earlier place may have made the block's predicate needless there, and it is gone. */
    hone_expr lifted;
    if (!(hone_prim__lift_where(p, block, &lifted) && lifted.i) &&
        !hone_prim__writes_all(p, block) && !runs_anywhere(p, block))
        return hone_fail(err, no, "compute_at: for which elements the block may run is not known");
    if (!hone_prim__inputs_reach(p, block, loop))
        return hone_fail(err, no, "compute_at: what the block reads is computed in its own nest");

    hone_box box = {0}, one;
    bool after = false;
    HONE_PRIM__EACH_LEAF(p, p->root, s)
    {
        hone_buffer to = hone_stmt_at(p, s)->out;
        after = after || HONE_SAME(s, block);
        /* results that take the place of what the block reads (compute_inplace) */
        if (after && !HONE_SAME(to, out) && hone_prim__reads(p, block, to))
            return hone_fail(err, no, "compute_at: what the block reads is stored to after it");
        if (HONE_SAME(s, block) || !hone_prim__reads(p, s, out))
            continue;
        if (!hone_is_ancestor(p, loop, s))
            return hone_fail(err, no, "compute_at: a consumer lies outside the loop");
        hone_expr loads[HONE_PRIM__MAX_LOADS];
        unsigned n = hone_block_loads(p, s, loads, HONE_PRIM__MAX_LOADS);
        if (n > HONE_PRIM__MAX_LOADS || hone_prim__reads_aside(p, s, out))
            return hone_fail(err, no, "compute_at: a consumer reads in an unusual way");
        hone_stmt below = hone_prim__child_towards(p, loop, s);
        for (unsigned k = 0; k < n; k++) {
            if (hone_expr_at(p, loads[k])->sym != out.i)
                continue;
            load_box(p, out, s, loads[k], below, &one);
            if (!pl->neighbour.i) {
                pl->neighbour = below;
                box = one;
            } else {
                unite(p, out, &box, &one);
            }
        }
    }
    if (!pl->neighbour.i)
        return hone_fail(err, no, "compute_at: the block has no consumer");
    for (unsigned d = 0; d < hone_stmt_at(p, block)->n_index; d++) {
        if (iters[d] >= 0 && box.extent[d] < pl->extent[iters[d]]) {
            pl->start[iters[d]] = box.start[d];
            pl->extent[iters[d]] = box.extent[d];
        }
    }
    return HONE_OK;
}

hone_status hone_prim__compute_at(hone_program *p, hone_stmt block, hone_stmt loop, hone_error *err)
{
    placement pl;
    hone_status s = plan_compute_at(p, block, loop, &pl, err);
    if (s != HONE_OK)
        return s;
    hone_stmt old = hone_stmt_at(p, block)->parent;
    hone_stmt_insert_before(p, pl.neighbour, rebuild(p, block, &pl));
    drop_empty(p, old);
    return HONE_OK;
}

bool hone_prim__can_compute_at(hone_program *p, hone_stmt block, hone_stmt loop)
{
    placement pl;
    return plan_compute_at(p, block, loop, &pl, NULL) == HONE_OK;
}

/* ---- reverse_compute_at ---------------------------------------------------------------------- */

/* The consumer's walk along the tile of a producer: each index of the load is an iterator of its
 * own. */
static bool follow(hone_program *p, hone_stmt block, hone_expr load, placement *pl)
{
    unsigned seen = 0;
    hone_buffer b = {hone_expr_at(p, load)->sym};
    for (unsigned d = 0; d < pl->tile.n; d++) {
        hone_expr e = hone_expr_arg(p, load, d);
        unsigned k = 0, n = hone_stmt_at(p, block)->n_iters;
        int64_t zero;
        pl->walker[d] = -1;
        if (hone_is_int(p, e, &zero) && zero == 0 && pl->tile.extent[d] == 1)
            continue;
        while (k < n && !HONE_SAME(e, hone_var_expr(p, hone_iter_at(p, block, k)->var)))
            k++;
        /* an iterator that goes on past the producer's last element would be cut short */
        if (k == n || seen >> k & 1 || iter_extent(p, block, k) > hone_buffer_at(p, b)->shape[d])
            return false;
        seen |= 1u << k;
        pl->walker[d] = (int)k;
        pl->start[k] = pl->tile.start[d];
        pl->extent[k] = pl->tile.extent[d];
    }
    return true;
}

/* Does each reduction iterator of the producer run through inside the loop? */
static bool is_complete_in(const hone_program *p, hone_stmt producer, hone_stmt loop)
{
    for (unsigned k = 0; k < hone_stmt_at(p, producer)->n_iters; k++) {
        const hone_iter *it = hone_iter_at(p, producer, k);
        for (hone_stmt l = loop; it->kind == HONE_REDUCE && hone_is_loop(p, l);
             l = hone_stmt_at(p, l)->parent) {
            if (hone_uses_var(p, it->binding, hone_stmt_at(p, l)->var))
                return false;
        }
    }
    return true;
}

static bool same_tile(const hone_prim__tile *a, const hone_prim__tile *b)
{
    bool same = a->n == b->n;
    for (unsigned d = 0; d < a->n && same; d++)
        same = HONE_SAME(a->start[d], b->start[d]) && a->extent[d] == b->extent[d];
    return same;
}

static hone_status plan_reverse(hone_program *p, hone_stmt block, hone_stmt loop, placement *pl,
                                hone_error *err)
{
    const hone_status no = HONE_REJECT_COMPUTE_AT;
    if (!hone_prim__is_leaf(p, block) || !hone_is_loop(p, loop))
        return hone_fail(err, HONE_REJECT_ARG, "reverse_compute_at: takes a block and a loop");
    if (hone_prim__is_vectorized(p, loop))
        return hone_fail(err, no, "reverse_compute_at: the loop is vectorized");
    if (!hone_prim__in_root(p, block))
        return hone_fail(err, no, "reverse_compute_at: the block is part of another block");
    if (!HONE_SAME(hone_lca(p, block, loop), p->root) || !hone_prim__sole_writer(p, block))
        return hone_fail(err, no, "reverse_compute_at: the block already shares loops");
    if (!place_all(p, block, loop, pl))
        return hone_fail(err, no, "reverse_compute_at: the nest of the block cannot be rebuilt");
    hone_expr loads[HONE_PRIM__MAX_LOADS], followed = HONE_NO_EXPR;
    unsigned n = hone_block_loads(p, block, loads, HONE_PRIM__MAX_LOADS);
    if (n > HONE_PRIM__MAX_LOADS)
        return hone_fail(err, no, "reverse_compute_at: the block has too many loads");
    hone_stmt top = hone_prim__child_towards(p, p->root, loop), outer[HONE_PRIM__MAX_LOOPS];
    unsigned n_outer = hone_loops_of(p, loop, outer, HONE_PRIM__MAX_LOOPS - 1);
    if (n_outer >= HONE_PRIM__MAX_LOOPS)
        return hone_fail(err, no, "reverse_compute_at: too many loops");
    outer[n_outer++] = loop;
    /* Its sums would be those of several iterations that know nothing of one another. */
    for (unsigned k = 0; k < n_outer && hone_prim__has_reduce_iter(p, block); k++) {
        uint8_t kind = hone_stmt_at(p, outer[k])->loop_kind;
        if ((kind == HONE_PARALLEL || kind == HONE_BOUND) && hone_loop_extent(p, outer[k]) > 1)
            return hone_fail(err, no, "reverse_compute_at: sums below a loop that is parallel");
    }
    for (unsigned k = 0; k < n; k++) {
        hone_buffer b = {hone_expr_at(p, loads[k])->sym};
        HONE_PRIM__EACH_LEAF(p, p->root, w)
        {
            hone_prim__tile tile;
            if (!hone_prim__writes(p, w, b) ||
                hone_prim__is_before(p, hone_prim__child_towards(p, p->root, w), top))
                continue;
            if (!hone_is_ancestor(p, loop, w))
                return hone_fail(err, no, "reverse_compute_at: an input is computed elsewhere");
            if (!is_complete_in(p, w, loop))
                return hone_fail(err, no, "reverse_compute_at: the sums are not complete there");
            /* The block would not run for elements that this writer leaves to another or to none.
             */
            if (!hone_prim__writes_all(p, w))
                return hone_fail(err, no, "reverse_compute_at: an input is computed there in part");
            if (!hone_prim__tile_of(p, w, loop, &tile) ||
                (hone_prim__has_reduce_iter(p, block) &&
                 !hone_prim__runs_once(p, w, outer, n_outer, true)))
                return hone_fail(err, no, "reverse_compute_at: the elements there are no box");
            if (!followed.i) {
                followed = loads[k];
                pl->tile = tile;
                pl->tile_of = w;
                if (!follow(p, block, followed, pl))
                    return hone_fail(err, no,
                                     "reverse_compute_at: not read at the block's own iterators");
            } else {
                bool same = same_tile(&pl->tile, &tile);
                for (unsigned d = 0; d < tile.n && same; d++)
                    same = HONE_SAME(hone_expr_arg(p, followed, d), hone_expr_arg(p, loads[k], d));
                if (!same)
                    return hone_fail(err, no, "reverse_compute_at: the inputs' boxes differ");
            }
            hone_stmt child = hone_prim__child_towards(p, loop, w);
            if (!pl->neighbour.i || hone_prim__is_before(p, pl->neighbour, child))
                pl->neighbour = child;
        }
    }
    if (!pl->neighbour.i)
        return hone_fail(err, no, "reverse_compute_at: nothing inside the loop feeds the block");
    return HONE_OK;
}

hone_status hone_prim__reverse_compute_at(hone_program *p, hone_stmt block, hone_stmt loop,
                                          hone_error *err)
{
    placement pl;
    hone_status s = plan_reverse(p, block, loop, &pl, err);
    if (s != HONE_OK)
        return s;
    hone_stmt old = hone_stmt_at(p, block)->parent;
    hone_stmt_insert_after(p, pl.neighbour, rebuild(p, block, &pl));
    drop_empty(p, old);
    return HONE_OK;
}
