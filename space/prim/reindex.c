/* reindex, reindex_cache_read, reindex_cache_write: TensorIR's. A copy of one operand of a block,
 * addressed by the block's own iterators instead of by what it computes from them: an im2col of a
 * convolution's input, a transposed operand. reindex takes the iterators as they are, the other two
 * put them through an index map.
 *
 *   the access       which elements, by which of the block's iterators
 *   the copy's place in the new buffer: iterators, or digits of them
 *   both directions  read: copied before the nest; write: copied back after it */
#include "space/prim/prim.h"
#include "space/prim/index_map.h"
#include "space/prim/util.h"

typedef struct access {
    hone_buffer b;
    unsigned n_index, n_used;
    hone_expr index[HONE_MAX_DIMS]; /* over the block's iterators */
    unsigned used[HONE_MAX_ITERS];  /* the iterators in it */
} access;

typedef struct place {
    unsigned n;
    hone_expr index[HONE_MAX_DIMS]; /* over the block's iterators */
    int64_t shape[HONE_MAX_DIMS];
} place;

/* ---- the access ------------------------------------------------------------------------------ */

static void note_iters(const hone_program *p, hone_stmt block, access *a)
{
    a->n_used = 0;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        hone_var v = hone_iter_at(p, block, k)->var;
        bool uses = false;
        for (unsigned d = 0; d < a->n_index; d++)
            uses = uses || hone_uses_var(p, a->index[d], v);
        if (uses)
            a->used[a->n_used++] = k;
    }
}

static hone_status read_access(hone_program *p, hone_stmt block, unsigned read_index,
                               const char *who, access *ret, hone_error *err)
{
    hone_status s = hone_prim__read_buffer(p, block, read_index, &ret->b, err);
    if (s != HONE_OK)
        return s;
    hone_expr loads[HONE_PRIM__MAX_LOADS], load = HONE_NO_EXPR;
    unsigned n = hone_block_loads(p, block, loads, HONE_PRIM__MAX_LOADS);
    for (unsigned k = 0; k < n; k++) {
        if (hone_expr_at(p, loads[k])->sym != ret->b.i)
            continue;
        if (load.i)
            return hone_fail(err, HONE_REJECT_ARG, "%s: the block reads several elements at once",
                             who);
        load = loads[k];
    }
    if (!hone_prim__in_root(p, block))
        return hone_fail(err, HONE_REJECT_ARG, "%s: the block stands in another block", who);
    if (hone_prim__writes(p, block, ret->b) || hone_prim__reads_aside(p, block, ret->b))
        return hone_fail(err, HONE_REJECT_ARG, "%s: the buffer is read in an unusual way", who);
    ret->n_index = hone_expr_at(p, load)->n_args;
    for (unsigned d = 0; d < ret->n_index; d++) {
        ret->index[d] = hone_expr_arg(p, load, d);
        if (hone_has_load(p, ret->index[d]))
            return hone_fail(err, HONE_REJECT_NOT_AFFINE, "%s: an index is itself loaded", who);
    }
    hone_stmt top = hone_prim__child_towards(p, p->root, block);
    HONE_PRIM__EACH_LEAF(p, p->root, s2)
    {
        if (hone_prim__writes(p, s2, ret->b) &&
            !hone_prim__is_before(p, hone_prim__child_towards(p, p->root, s2), top))
            return hone_fail(err, HONE_REJECT_DEPENDENCY,
                             "%s: the buffer is computed inside the nest that reads it", who);
    }
    note_iters(p, block, ret);
    return HONE_OK;
}

static hone_status write_access(hone_program *p, hone_stmt block, const char *who, access *ret,
                                hone_error *err)
{
    int iters[HONE_MAX_DIMS];
    hone_expr loads[HONE_PRIM__MAX_LOADS], lifted;
    if (!hone_prim__is_leaf(p, block) || !hone_prim__in_root(p, block))
        return hone_fail(err, HONE_REJECT_ARG, "%s: takes a leaf of the root", who);
    ret->b = hone_stmt_at(p, block)->out;
    if (!hone_prim__store_iters(p, block, iters))
        return hone_fail(err, HONE_REJECT_NOT_AFFINE,
                         "%s: the block does not store at its own iterators", who);
    if (!hone_prim__lift_where(p, block, &lifted) || lifted.i)
        return hone_fail(err, HONE_REJECT_ARG, "%s: the block leaves out elements", who);
    if (!hone_prim__sole_writer(p, block) ||
        hone_prim__touched_by_others(p, hone_prim__child_towards(p, p->root, block), block, ret->b))
        return hone_fail(err, HONE_REJECT_DEPENDENCY,
                         "%s: other blocks of the nest touch the buffer", who);
    ret->n_index = hone_stmt_at(p, block)->n_index;
    for (unsigned d = 0; d < ret->n_index; d++)
        ret->index[d] = hone_store_index(p, block, d);
    hone_expr own = hone_load(p, ret->b, ret->index, ret->n_index);
    unsigned n = hone_block_loads(p, block, loads, HONE_PRIM__MAX_LOADS);
    bool fits = n <= HONE_PRIM__MAX_LOADS && !hone_prim__reads_aside(p, block, ret->b);
    for (unsigned k = 0; k < n && fits; k++)
        fits = hone_expr_at(p, loads[k])->sym != ret->b.i || HONE_SAME(loads[k], own);
    if (!fits)
        return hone_fail(err, HONE_REJECT_ARG, "%s: the block reads other elements it wrote", who);
    note_iters(p, block, ret);
    return HONE_OK;
}

/* ---- the copy's place ------------------------------------------------------------------------ */

static hone_status at_iters(hone_program *p, hone_stmt block, const access *a, place *ret,
                            hone_error *err)
{
    if (a->n_used > HONE_MAX_DIMS)
        return hone_fail(err, HONE_REJECT_TOO_BIG,
                         "reindex: %u iterators; a buffer has at most %d "
                         "dimensions",
                         a->n_used, HONE_MAX_DIMS);
    ret->n = a->n_used;
    for (unsigned k = 0; k < a->n_used; k++) {
        hone_var v = hone_iter_at(p, block, a->used[k])->var;
        ret->index[k] = hone_var_expr(p, v);
        ret->shape[k] = hone_var_at(p, v)->extent;
    }
    return HONE_OK;
}

static hone_status at_map(hone_program *p, hone_stmt block, const access *a,
                          const hone_prim__map *m, const char *who, const char *text, place *ret,
                          hone_error *err)
{
    int64_t extent[HONE_MAX_ITERS], shape[HONE_MAX_ITERS];
    unsigned n = hone_stmt_at(p, block)->n_iters;
    for (unsigned k = 0; k < n; k++) {
        extent[k] = hone_var_at(p, hone_iter_at(p, block, k)->var)->extent;
        shape[k] = 1;
    }
    for (unsigned k = 0; k < a->n_used; k++)
        shape[a->used[k]] = extent[a->used[k]];
    bool fits = m->n_sources == n && hone_prim__map_is_positional(m, shape);
    for (unsigned k = 0; k < m->n && fits; k++) /* one the access does not depend on */
        fits = shape[m->digits[k].source] == extent[m->digits[k].source];
    if (!fits)
        return hone_fail(err, HONE_REJECT_LAYOUT,
                         "%s: \"%.200s\" is not over the block's iterators that the access uses, "
                         "each apart",
                         who, text);
    ret->n = m->n;
    for (unsigned k = 0; k < m->n; k++) {
        const hone_prim__digit *d = &m->digits[k];
        hone_expr v = hone_var_expr(p, hone_iter_at(p, block, d->source)->var);
        ret->index[k] = hone_simplify(p, hone_prim__digit_of(p, d, v));
        ret->shape[k] = hone_prim__digit_extent(d, extent[d->source]);
    }
    return HONE_OK;
}

/* ---- both directions ------------------------------------------------------------------------- */

typedef struct swap_ctx {
    hone_expr from, to;
} swap_ctx;

static hone_expr swap_node(void *ctx, hone_program *p, hone_expr e)
{
    const swap_ctx *c = ctx;
    (void)p;
    return HONE_SAME(e, c->from) ? c->to : e;
}

/* A nest over the iterators of the access that copies between the buffer and `to`. */
static hone_stmt copy_nest(hone_program *p, hone_stmt block, const char *name, const access *a,
                           const place *pl, hone_buffer to, bool back, hone_stmt *ret_block)
{
    hone_prim__nest nest = {0};
    hone_var from[HONE_MAX_ITERS];
    hone_expr at[HONE_MAX_ITERS], own[HONE_MAX_ITERS], index[HONE_MAX_DIMS], there[HONE_MAX_DIMS];
    hone_iter iters[HONE_MAX_ITERS];
    hone_expr where = HONE_NO_EXPR;
    char v[16];
    for (unsigned k = 0; k < a->n_used; k++) {
        from[k] = hone_iter_at(p, block, a->used[k])->var;
        int64_t extent = hone_var_at(p, from[k])->extent;
        at[k] = hone_prim__nest_loop(p, &nest, extent);
        snprintf(v, sizeof v, "v%u", k);
        iters[k] = (hone_iter){hone_var_new(p, v, extent), HONE_SPATIAL, at[k]};
        own[k] = hone_var_expr(p, iters[k].var);
    }
    for (unsigned d = 0; d < a->n_index; d++) {
        index[d] = hone_substitute(p, a->index[d], from, own, a->n_used);
        /* The block may guard what it reads out of bounds; the copy leaves it out. */
        hone_prim__require_range(p, &where, hone_substitute(p, a->index[d], from, at, a->n_used),
                                 hone_buffer_at(p, a->b)->shape[d]);
    }
    for (unsigned d = 0; d < pl->n; d++)
        there[d] = hone_substitute(p, pl->index[d], from, own, a->n_used);
    hone_stmt copy = *ret_block = hone_block_new(p, name);
    hone_block_set_iters(p, copy, iters, a->n_used);
    hone_stmt_at(p, copy)->where = where;
    if (back)
        hone_block_set_store(p, copy, a->b, index, a->n_index, hone_load(p, to, there, pl->n),
                             HONE_NO_EXPR);
    else
        hone_block_set_store(p, copy, to, there, pl->n, hone_load(p, a->b, index, a->n_index),
                             HONE_NO_EXPR);
    return hone_prim__nest_close(p, &nest, copy);
}

static void stage(hone_program *p, hone_stmt block, const access *a, const place *pl,
                  const char *suffix, hone_scope scope, bool write, hone_stmt *ret)
{
    hone_buffer_row b = *hone_buffer_at(p, a->b);
    char name[HONE_PRIM__CACHE_NAME];
    hone_prim__cache_name(p, a->b, suffix, name);
    hone_buffer to =
        hone_buffer_new(p, name, (hone_dtype)b.dtype, pl->shape, pl->n, HONE_TEMP, scope);
    hone_stmt nest = copy_nest(p, block, name, a, pl, to, write, ret);
    hone_stmt top = hone_prim__child_towards(p, p->root, block);
    swap_ctx swap = {hone_load(p, a->b, a->index, a->n_index), hone_load(p, to, pl->index, pl->n)};
    hone_stmt_row row = *hone_stmt_at(p, block);
    hone_expr index[HONE_MAX_DIMS], value = hone_rewrite(p, row.value, swap_node, &swap);
    for (unsigned d = 0; d < row.n_index; d++)
        index[d] = hone_store_index(p, block, d);
    if (write) {
        hone_block_set_store(p, block, to, pl->index, pl->n, value, row.init);
        hone_stmt_insert_after(p, top, nest);
    } else {
        hone_block_set_store(p, block, row.out, index, row.n_index, value, row.init);
        hone_stmt_insert_before(p, top, nest);
    }
}

hone_status hone_prim__reindex(hone_program *p, hone_stmt block, unsigned buffer_index, bool write,
                               hone_stmt *ret, hone_error *err)
{
    access a;
    place pl;
    hone_status s = write ? write_access(p, block, "reindex", &a, err)
                          : read_access(p, block, buffer_index, "reindex", &a, err);
    if (s == HONE_OK)
        s = at_iters(p, block, &a, &pl, err);
    if (s == HONE_OK)
        stage(p, block, &a, &pl, "reindex", HONE_GLOBAL, write, ret);
    return s;
}

static hone_status reindex_cache(hone_program *p, hone_stmt block, unsigned buffer_index,
                                 const char *map, hone_scope scope, bool write, hone_stmt *ret,
                                 hone_error *err)
{
    const char *who = write ? "reindex_cache_write" : "reindex_cache_read";
    hone_prim__map m;
    bool foreign;
    access a;
    place pl;
    hone_status s = hone_prim__map_parse(who, map, NULL, 0, &m, &foreign, err);
    if (s == HONE_OK)
        s = write ? write_access(p, block, who, &a, err)
                  : read_access(p, block, buffer_index, who, &a, err);
    if (s == HONE_OK && foreign)
        s = hone_fail(err, HONE_REJECT_LAYOUT,
                      "%s: results of a map are one index each, or // and %% of one", who);
    if (s == HONE_OK)
        s = at_map(p, block, &a, &m, who, map, &pl, err);
    if (s == HONE_OK)
        stage(p, block, &a, &pl, hone_scope_name(scope), scope, write, ret);
    return s;
}

hone_status hone_prim__reindex_cache_read(hone_program *p, hone_stmt block, unsigned read_index,
                                          const char *map, hone_scope scope, hone_stmt *ret,
                                          hone_error *err)
{
    return reindex_cache(p, block, read_index, map, scope, false, ret, err);
}

hone_status hone_prim__reindex_cache_write(hone_program *p, hone_stmt block, const char *map,
                                           hone_scope scope, hone_stmt *ret, hone_error *err)
{
    return reindex_cache(p, block, 0, map, scope, true, ret, err);
}
