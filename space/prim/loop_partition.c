/* loop_partition: one loop becomes several that run after one another, as in TVM (LoopPartition).
 * Order and number of iterations stay, so no dependency can break; what changes is that later loops
 * of a sum never run its first step, and so must not carry an init that a later primitive could
 * take for one. */
#include "space/prim/prim.h"
#include "space/prim/util.h"

#define NAME_BYTES 256 /* of a name, with its NUL (docs/IR.md) */

/* ---- copies ---------------------------------------------------------------------------------- */

/* Variables of the original, and what stands for them in the copy. */
typedef struct renaming {
    HONE_VEC(hone_var) from;
    HONE_VEC(hone_expr) to;
} renaming;

static void rename_var(renaming *r, hone_var from, hone_expr to)
{
    hone_vec_push(&r->from, from);
    hone_vec_push(&r->to, to);
}

static hone_expr renamed(hone_program *p, const renaming *r, hone_expr e)
{
    return e.i ? hone_substitute(p, e, r->from.v, r->to.v, r->from.n) : e;
}

/* Names are copied out: they move when one is added. */
static const char *name_of(const hone_program *p, hone_sym name, char ret[NAME_BYTES])
{
    snprintf(ret, NAME_BYTES, "%s", hone_sym_text(p, name));
    return ret;
}

static hone_stmt copy_loop(hone_program *p, hone_stmt s, renaming *r)
{
    char name[NAME_BYTES];
    hone_stmt_row row = *hone_stmt_at(p, s);
    hone_stmt t = hone_loop_new(p, name_of(p, row.name, name), hone_loop_extent(p, s));
    hone_prim__take_kind(p, t, s);
    rename_var(r, row.var, hone_var_expr(p, hone_stmt_at(p, t)->var));
    return t;
}

static hone_stmt copy_leaf(hone_program *p, hone_stmt s, renaming *r)
{
    char name[NAME_BYTES];
    hone_stmt_row row = *hone_stmt_at(p, s);
    hone_iter iters[HONE_MAX_ITERS];
    hone_expr index[HONE_MAX_DIMS];
    hone_stmt t = hone_block_new(p, name_of(p, row.name, name));
    uint32_t outer = r->from.n; /* the copy's iterators are known in its body only */
    for (unsigned k = 0; k < row.n_iters; k++) {
        iters[k] = *hone_iter_at(p, s, k);
        hone_sym v = hone_var_at(p, iters[k].var)->name;
        int64_t extent = hone_var_at(p, iters[k].var)->extent;
        iters[k].binding = hone_simplify(p, renamed(p, r, iters[k].binding));
        hone_var fresh = hone_var_new(p, name_of(p, v, name), extent);
        rename_var(r, iters[k].var, hone_var_expr(p, fresh));
        iters[k].var = fresh;
    }
    hone_block_set_iters(p, t, iters, row.n_iters);
    for (unsigned k = 0; k < row.n_index; k++)
        index[k] = renamed(p, r, hone_store_index(p, s, k));
    hone_expr value = renamed(p, r, row.value), init = renamed(p, r, row.init);
    hone_block_set_store(p, t, row.out, index, row.n_index, value, init);
    r->from.n = r->to.n = outer;
    hone_expr where = HONE_NO_EXPR;
    hone_prim__require(p, &where, renamed(p, r, row.where));
    hone_stmt_at(p, t)->where = where;
    return t;
}

/* A copy of s and all below it, hanging nowhere. There are only loops and leaves. */
static hone_stmt copy_nest(hone_program *p, hone_stmt s, renaming *r)
{
    hone_stmt t = hone_is_loop(p, s) ? copy_loop(p, s, r) : copy_leaf(p, s, r);
    for (uint32_t a = hone_stmt_at(p, s)->anns; a; a = p->anns.v[a].next) {
        char key[NAME_BYTES], text[NAME_BYTES];
        hone_ann ann = p->anns.v[a];
        if (ann.text.i)
            hone_ann_set_text(p, t, name_of(p, ann.key, key), name_of(p, ann.text, text));
        else
            hone_ann_set(p, t, name_of(p, ann.key, key), ann.value);
    }
    for (hone_stmt c = hone_stmt_at(p, s)->first; c.i; c = hone_stmt_at(p, c)->next)
        hone_stmt_append(p, t, copy_nest(p, c, r));
    return t;
}

/* ---- legality -------------------------------------------------------------------------------- */

static hone_status part_sizes(int64_t extent, const int64_t *sizes, unsigned n, int64_t *ret,
                              hone_error *err)
{
    int64_t sum = 0;
    int inferred = -1;
    if (n < 1 || n > HONE_SPACE_MAX_FACTORS)
        return hone_fail(err, HONE_REJECT_SPLIT, "loop_partition: %u parts; from 1 to %d", n,
                         HONE_SPACE_MAX_FACTORS);
    for (unsigned k = 0; k < n; k++) {
        ret[k] = sizes[k];
        if (sizes[k] == 0 && inferred < 0)
            inferred = (int)k;
        else if (sizes[k] < 1 || sizes[k] > extent)
            return hone_fail(err, HONE_REJECT_SPLIT, "loop_partition: a part of %" PRId64,
                             sizes[k]);
        sum += sizes[k];
    }
    if (inferred >= 0)
        sum += ret[inferred] = extent - sum;
    if (sum != extent || (inferred >= 0 && ret[inferred] < 1))
        return hone_fail(err, HONE_REJECT_SPLIT,
                         "loop_partition: the parts do not add up to %" PRId64 " iterations",
                         extent);
    return HONE_OK;
}

/* Steps of the leaf's sum that the loop runs over: counted up by it from 0? */
static bool cuts_sum(const hone_program *p, hone_stmt leaf, hone_var v)
{
    for (unsigned k = 0; k < hone_stmt_at(p, leaf)->n_iters; k++) {
        const hone_iter *it = hone_iter_at(p, leaf, k);
        if (it->kind == HONE_REDUCE && hone_uses_var(p, it->binding, v))
            return true;
    }
    return false;
}

/* In every iteration of the loop but its first some reduction iterator of the leaf is above 0. */
static bool only_first_starts(hone_program *p, hone_stmt leaf, hone_var v)
{
    for (unsigned k = 0; k < hone_stmt_at(p, leaf)->n_iters; k++) {
        hone_iter it = *hone_iter_at(p, leaf, k);
        int64_t c, lo, hi;
        hone_expr rest;
        if (it.kind == HONE_REDUCE && hone_linear(p, it.binding, &v, 1, &c, &rest) && c > 0 &&
            hone_bounds(p, rest, &lo, &hi) && lo >= 0)
            return true;
    }
    return false;
}

/* Does the leaf run in no iteration from `start` on, `size` of them? So it is with what an
 * imperfect split left over, whose iterators would be beyond their extents. */
static bool never_runs(hone_program *p, hone_stmt leaf, hone_var v, int64_t start, int64_t size)
{
    hone_range part = {v, start, start + size - 1};
    hone_expr where = hone_stmt_at(p, leaf)->where;
    int64_t truth, lo, hi;
    if (where.i && hone_is_int(p, hone_simplify_in(p, where, &part, 1), &truth) && !truth)
        return true;
    for (unsigned k = 0; k < hone_stmt_at(p, leaf)->n_iters; k++) {
        hone_iter it = *hone_iter_at(p, leaf, k);
        if (hone_bounds_in(p, it.binding, &part, 1, &lo, &hi) &&
            (hi < 0 || lo >= hone_var_at(p, it.var)->extent))
            return true;
    }
    return false;
}

static hone_status check_below(hone_program *p, hone_stmt loop, const int64_t *size, unsigned n,
                               hone_error *err)
{
    uint32_t count = 0;
    for (hone_stmt s = loop; s.i; s = hone_next(p, loop, s)) {
        count++;
        if (hone_is_block(p, s) && !hone_prim__is_leaf(p, s))
            return hone_fail(err, HONE_REJECT_ARG, "loop_partition: there are blocks in blocks");
        hone_var v = hone_stmt_at(p, loop)->var;
        int64_t start = 0;
        for (unsigned k = 0; k < n && hone_prim__is_leaf(p, s); k++) {
            if (never_runs(p, s, v, start, size[k]))
                return hone_fail(err, HONE_REJECT_SPLIT,
                                 "loop_partition: block '%s' would not run in part %u",
                                 hone_sym_text(p, hone_stmt_at(p, s)->name), k);
            start += size[k];
        }
        if (hone_prim__is_leaf(p, s) && hone_stmt_at(p, s)->init.i && cuts_sum(p, s, v) &&
            !only_first_starts(p, s, v))
            return hone_fail(err, HONE_REJECT_NOT_AFFINE,
                             "loop_partition: where the sum of block '%s' starts cannot be told",
                             hone_sym_text(p, hone_stmt_at(p, s)->name));
    }
    if ((uint64_t)count * n + p->stmts.n > HONE_MAX_STMTS)
        return hone_fail(err, HONE_REJECT_TOO_BIG, "loop_partition: %u copies of %u statements", n,
                         count);
    return HONE_OK;
}

/* ---- change ---------------------------------------------------------------------------------- */

static hone_stmt part_loop(hone_program *p, hone_stmt loop, unsigned k, int64_t extent)
{
    char name[NAME_BYTES + 16], old[NAME_BYTES];
    snprintf(name, sizeof name, "%.*s_%u",
             HONE_UTF8_CUT(name_of(p, hone_stmt_at(p, loop)->name, old), 200), k);
    return hone_loop_new(p, name, extent);
}

hone_status hone_prim__loop_partition(hone_program *p, hone_stmt loop, const int64_t *sizes,
                                      unsigned n, hone_stmt *ret_loops, hone_error *err)
{
    int64_t size[HONE_SPACE_MAX_FACTORS];
    HONE_TRY(hone_prim__check_plain(p, loop, "loop_partition", err));
    HONE_TRY(part_sizes(hone_loop_extent(p, loop), sizes, n, size, err));
    HONE_TRY(check_below(p, loop, size, n, err));

    hone_var var = hone_stmt_at(p, loop)->var;
    hone_stmt parts[HONE_SPACE_MAX_FACTORS];
    parts[0] = part_loop(p, loop, 0, size[0]);
    int64_t start = size[0];
    hone_stmt last = loop;
    for (unsigned k = 1; k < n; k++) {
        parts[k] = part_loop(p, loop, k, size[k]);
        hone_expr v = hone_var_expr(p, hone_stmt_at(p, parts[k])->var);
        renaming r = {0};
        rename_var(&r, var, hone_binary(p, HONE_OP_ADD, v, hone_int(p, start)));
        for (hone_stmt c = hone_stmt_at(p, loop)->first; c.i; c = hone_stmt_at(p, c)->next)
            hone_stmt_append(p, parts[k], copy_nest(p, c, &r));
        hone_vec_free(&r.from);
        hone_vec_free(&r.to);
        hone_stmt old = loop; /* leaves stand in the same order in both */
        HONE_PRIM__EACH_LEAF(p, parts[k], s)
        {
            old = hone_prim__next_leaf(p, loop, old);
            if (hone_stmt_at(p, s)->init.i && cuts_sum(p, old, var))
                hone_stmt_at(p, s)->init = HONE_NO_EXPR;
        }
        hone_stmt_insert_after(p, last, parts[k]);
        last = parts[k];
        start += size[k];
    }
    hone_expr first = hone_var_expr(p, hone_stmt_at(p, parts[0])->var);
    hone_prim__move_children(p, loop, parts[0]);
    hone_stmt_replace(p, loop, parts[0]);
    hone_stmt_remove(p, loop);
    hone_prim__rewrite_below(p, parts[0], &var, &first, 1, HONE_NO_EXPR);
    memcpy(ret_loops, parts, n * sizeof *parts);
    return HONE_OK;
}
