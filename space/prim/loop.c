/* Primitives on loops: split, fuse, reorder, unit loop, loop kind.
 *
 * A loop variable occurs only in bindings and predicates of the blocks below it, so a change of
 * loops is a change of links plus a substitution there.
 *
 * split            extents, names, the predicate of an imperfect split
 * fuse             // and % of one variable
 * reorder          the chain, and what may move when several blocks are below it
 * unit loop, kind  and which iterations would race */
#include "space/prim/prim.h"
#include "space/prim/util.h"

#define MAX_CHAIN 128

void hone_prim__rewrite_below(hone_program *p, hone_stmt top, const hone_var *from,
                              const hone_expr *to, unsigned n, hone_expr cond)
{
    for (hone_stmt s = top; s.i;
         s = hone_is_block(p, s) ? hone_next_skip(p, top, s) : hone_next(p, top, s)) {
        if (!hone_is_block(p, s))
            continue;
        unsigned n_iters = hone_stmt_at(p, s)->n_iters;
        for (unsigned k = 0; k < n_iters; k++) {
            hone_expr old = hone_iter_at(p, s, k)->binding;
            hone_expr e = hone_substitute(p, old, from, to, n);
            if (HONE_SAME(e, old))
                continue;
            e = hone_simplify(p, e);
            hone_iter_at(p, s, k)->binding = e;
        }
        hone_expr old = hone_stmt_at(p, s)->where, where = old;
        int64_t truth;
        if (old.i) {
            where = hone_substitute(p, old, from, to, n);
            if (!HONE_SAME(where, old))
                where = hone_simplify(p, where);
            if (hone_is_int(p, where, &truth) && truth)
                where = HONE_NO_EXPR;
        }
        if (cond.i) /* what is inside a block of statements does not see the loops outside */
            where = hone_and(p, where, cond);
        hone_stmt_at(p, s)->where = where;
    }
}

void hone_prim__move_children(hone_program *p, hone_stmt from, hone_stmt to)
{
    for (hone_stmt c; (c = hone_stmt_at(p, from)->first).i;) {
        hone_stmt_detach(p, c);
        hone_stmt_append(p, to, c);
    }
}

bool hone_prim__only_child(const hone_program *p, hone_stmt parent, hone_stmt child)
{
    const hone_stmt_row *r = hone_stmt_at(p, parent);
    return r->first.i == child.i && r->last.i == child.i;
}

hone_status hone_prim__check_plain(const hone_program *p, hone_stmt loop, const char *what,
                                   hone_error *err)
{
    if (!hone_is_loop(p, loop))
        return hone_fail(err, HONE_REJECT_ARG, "%s: not a loop", what);
    if (hone_stmt_at(p, loop)->loop_kind != HONE_SERIAL || hone_stmt_at(p, loop)->anns)
        return hone_fail(err, HONE_REJECT_ARG,
                         "%s: loop '%s' is annotated or not serial; do this first", what,
                         hone_sym_text(p, hone_stmt_at(p, loop)->name));
    return HONE_OK;
}

/* ---- split ----------------------------------------------------------------------------------- */

static hone_status split_extents(int64_t extent, const int64_t *factors, unsigned n, int64_t *ret,
                                 hone_error *err)
{
    int64_t product = 1;
    int inferred = -1;
    if (n < 1 || n > HONE_SPACE_MAX_FACTORS)
        return hone_fail(err, HONE_REJECT_SPLIT, "split: %u factors; from 1 to %d", n,
                         HONE_SPACE_MAX_FACTORS);
    for (unsigned k = 0; k < n; k++) {
        ret[k] = factors[k];
        if (factors[k] == 0 && inferred < 0)
            inferred = (int)k;
        else if (factors[k] < 1)
            return hone_fail(err, HONE_REJECT_SPLIT, "split: the factor %" PRId64, factors[k]);
        else if (__builtin_mul_overflow(product, factors[k], &product) ||
                 product > HONE_SPACE_MAX_EXTENT)
            return hone_fail(err, HONE_REJECT_SPLIT, "split: the factors are too large");
    }
    if (inferred >= 0) {
        ret[inferred] = (extent + product - 1) / product;
        if (__builtin_mul_overflow(product, ret[inferred], &product) ||
            product > HONE_SPACE_MAX_EXTENT)
            return hone_fail(err, HONE_REJECT_SPLIT, "split: the factors are too large");
    }
    if (product < extent)
        return hone_fail(err, HONE_REJECT_SPLIT,
                         "split: the factors cover %" PRId64 " of %" PRId64 " iterations", product,
                         extent);
    return HONE_OK;
}

/* "i", 2 -> "i_2" */
static void part_name(const hone_program *p, hone_stmt loop, unsigned k, char ret[64])
{
    const char *name = hone_sym_text(p, hone_stmt_at(p, loop)->name);
    size_t n = (size_t)hone_utf8_cut(name, 60);
    memcpy(ret, name, n);
    ret[n] = '_';
    ret[n + 1] = (char)('0' + k);
    ret[n + 2] = '\0';
}

hone_status hone_prim__split(hone_program *p, hone_stmt loop, const int64_t *factors, unsigned n,
                             hone_stmt *ret_loops, hone_error *err)
{
    int64_t f[HONE_SPACE_MAX_FACTORS];
    HONE_TRY(hone_prim__check_plain(p, loop, "split", err));
    hone_var var = hone_stmt_at(p, loop)->var;
    int64_t extent = hone_loop_extent(p, loop), product = 1;
    HONE_TRY(split_extents(extent, factors, n, f, err));

    hone_stmt parts[HONE_SPACE_MAX_FACTORS];
    for (unsigned k = 0; k < n; k++) {
        char name[64];
        part_name(p, loop, k, name);
        parts[k] = hone_loop_new(p, name, f[k]);
        if (k)
            hone_stmt_append(p, parts[k - 1], parts[k]);
    }
    hone_expr sum = HONE_NO_EXPR;
    for (unsigned k = n; k-- > 0;) {
        hone_expr v = hone_var_expr(p, hone_stmt_at(p, parts[k])->var);
        hone_expr term = hone_binary(p, HONE_OP_MUL, v, hone_int(p, product));
        sum = sum.i ? hone_binary(p, HONE_OP_ADD, term, sum) : term;
        product *= f[k];
    }
    hone_expr cond = HONE_NO_EXPR;
    if (product > extent)
        cond = hone_simplify(p, hone_binary(p, HONE_OP_LT, sum, hone_int(p, extent)));

    hone_prim__move_children(p, loop, parts[n - 1]);
    hone_stmt_replace(p, loop, parts[0]);
    hone_stmt_remove(p, loop);
    hone_prim__rewrite_below(p, parts[n - 1], &var, &sum, 1, cond);
    memcpy(ret_loops, parts, n * sizeof *parts);
    return HONE_OK;
}

/* ---- fuse ------------------------------------------------------------------------------------ */

static void fused_name(const hone_program *p, const hone_stmt *loops, unsigned n, char ret[64])
{
    static const char tail[] = "fused";
    size_t at = 0;
    for (unsigned k = 0; k < n; k++) {
        const char *name = hone_sym_text(p, hone_stmt_at(p, loops[k])->name);
        size_t len = strlen(name);
        if (at + len + 1 + sizeof tail > 64)
            break;
        memcpy(ret + at, name, len);
        at += len;
        ret[at++] = '_';
    }
    memcpy(ret + at, tail, sizeof tail);
}

/* Would one loop bind both elements and steps of a sum? Split and reordered, its parts would visit
 * the steps of an element in another order, and its first step not first. */
static bool mixes_kinds(const hone_program *p, const hone_stmt *loops, unsigned n)
{
    for (hone_stmt s = loops[n - 1]; s.i; s = hone_next(p, loops[n - 1], s)) {
        bool kinds[2] = {false, false};
        for (unsigned k = 0; hone_is_block(p, s) && k < hone_stmt_at(p, s)->n_iters; k++) {
            const hone_iter *it = hone_iter_at(p, s, k);
            for (unsigned l = 0; l < n; l++)
                kinds[it->kind] |= hone_loop_extent(p, loops[l]) > 1 &&
                                   hone_uses_var(p, it->binding, hone_stmt_at(p, loops[l])->var);
        }
        if (kinds[HONE_SPATIAL] && kinds[HONE_REDUCE])
            return true;
    }
    return false;
}

hone_status hone_prim__fuse(hone_program *p, const hone_stmt *loops, unsigned n, hone_stmt *ret,
                            hone_error *err)
{
    hone_var from[HONE_MAX_ITERS * 2];
    hone_expr to[HONE_MAX_ITERS * 2];
    int64_t total = 1;
    if (n < 1 || n > HONE_LEN(from))
        return hone_fail(err, HONE_REJECT_ARG, "fuse: %u loops; from 1 to %zu", n, HONE_LEN(from));
    for (unsigned k = 0; k < n; k++) {
        HONE_TRY(hone_prim__check_plain(p, loops[k], "fuse", err));
        if (k && !hone_prim__only_child(p, loops[k - 1], loops[k]))
            return hone_fail(err, HONE_REJECT_NOT_CHAIN,
                             "fuse: loop '%s' is not the only statement in the one before it",
                             hone_sym_text(p, hone_stmt_at(p, loops[k])->name));
        if (__builtin_mul_overflow(total, hone_loop_extent(p, loops[k]), &total) ||
            total > HONE_SPACE_MAX_EXTENT)
            return hone_fail(err, HONE_REJECT_ARG, "fuse: too many iterations");
    }
    if (n == 1) {
        *ret = loops[0];
        return HONE_OK;
    }
    if (mixes_kinds(p, loops, n))
        return hone_fail(err, HONE_REJECT_REDUCE,
                         "fuse: one loop would go over elements and steps of a sum");
    char name[64];
    fused_name(p, loops, n, name);
    hone_stmt fused = hone_loop_new(p, name, total);
    hone_expr v = hone_var_expr(p, hone_stmt_at(p, fused)->var);
    int64_t inner = 1;
    for (unsigned k = n; k-- > 0;) {
        int64_t extent = hone_loop_extent(p, loops[k]);
        from[k] = hone_stmt_at(p, loops[k])->var;
        hone_expr e = hone_binary(p, HONE_OP_FLOORDIV, v, hone_int(p, inner));
        if (k)
            e = hone_binary(p, HONE_OP_FLOORMOD, e, hone_int(p, extent));
        to[k] = hone_simplify(p, e);
        inner *= extent;
    }
    hone_prim__move_children(p, loops[n - 1], fused);
    hone_stmt_replace(p, loops[0], fused);
    hone_stmt_remove(p, loops[0]); /* with the loops below it, now empty */
    hone_prim__rewrite_below(p, fused, from, to, n, HONE_NO_EXPR);
    *ret = fused;
    return HONE_OK;
}

/* ---- reorder --------------------------------------------------------------------------------- */

/* The loops from the outermost to the innermost named one, each the only child of the one before.
 * Returns their number, 0 when there is no such chain. */
static unsigned chain_of(const hone_program *p, const hone_stmt *loops, unsigned n,
                         hone_stmt chain[MAX_CHAIN])
{
    hone_stmt inner = loops[0];
    for (unsigned k = 1; k < n; k++)
        if (hone_is_ancestor(p, inner, loops[k]))
            inner = loops[k];
    unsigned found = 0, len = 0;
    for (hone_stmt s = inner; hone_is_loop(p, s) && len < MAX_CHAIN;
         s = hone_stmt_at(p, s)->parent) {
        if (len && !hone_prim__only_child(p, s, chain[len - 1]))
            return 0;
        chain[len++] = s;
        for (unsigned k = 0; k < n; k++)
            found += loops[k].i == s.i;
        if (found == n)
            break;
    }
    if (found != n)
        return 0;
    for (unsigned k = 0; k < len / 2; k++) {
        hone_stmt t = chain[k];
        chain[k] = chain[len - 1 - k];
        chain[len - 1 - k] = t;
    }
    return len;
}

typedef enum use { UNUSED, SPATIAL, REDUCES } use;

/* Does an expression of the block's bindings change with the loop? Through the iterators of the
 * blocks around it, where it stands in any. */
static bool reaches(const hone_program *p, hone_stmt block, hone_expr e, hone_var v)
{
    if (hone_uses_var(p, e, v))
        return true;
    hone_stmt up = hone_stmt_at(p, block)->parent;
    while (hone_is_loop(p, up))
        up = hone_stmt_at(p, up)->parent;
    for (unsigned k = 0; k < hone_stmt_at(p, up)->n_iters; k++) {
        const hone_iter *it = hone_iter_at(p, up, k);
        if (hone_uses_var(p, e, it->var) && reaches(p, up, it->binding, v))
            return true;
    }
    return false;
}

/* How iterations of a loop reach a block: through a reduction variable (REDUCES wins), spatial ones
 * only, or not at all. With `stored`, only spatial variables of the store's index count. */
static use loop_use(const hone_program *p, hone_stmt block, hone_var v, bool stored)
{
    use u = UNUSED;
    const hone_stmt_row *r = hone_stmt_at(p, block);
    for (unsigned k = 0; k < r->n_iters; k++) {
        const hone_iter *it = hone_iter_at(p, block, k);
        if (!reaches(p, block, it->binding, v))
            continue;
        if (it->kind == HONE_REDUCE)
            return REDUCES;
        bool counts = !stored;
        for (unsigned q = 0; q < r->n_index && !counts; q++)
            counts = hone_uses_var(p, hone_store_index(p, block, q), it->var);
        if (counts)
            u = SPATIAL;
    }
    return u;
}

/* Statements that share loops see each other's results in loop order. A new order keeps that when
 * every loop moved selects disjoint elements in every block. */
static hone_status check_reorder(const hone_program *p, hone_stmt inner, const hone_stmt *moved,
                                 unsigned n, hone_error *err)
{
    unsigned leaves = 0;
    for (hone_stmt s = inner; s.i; s = hone_next(p, inner, s))
        leaves += hone_is_block(p, s) && hone_stmt_at(p, s)->out.i;
    if (leaves < 2)
        return HONE_OK;
    for (hone_stmt s = inner; s.i; s = hone_next(p, inner, s)) {
        if (!hone_is_block(p, s) || !hone_stmt_at(p, s)->out.i)
            continue;
        for (unsigned k = 0; k < n; k++)
            if (hone_loop_extent(p, moved[k]) > 1 &&
                loop_use(p, s, hone_stmt_at(p, moved[k])->var, false) != SPATIAL)
                return hone_fail(err, HONE_REJECT_DEPENDENCY,
                                 "reorder: loop '%s' holds several blocks and block '%s' is not "
                                 "bound to it by spatial variables only",
                                 hone_sym_text(p, hone_stmt_at(p, moved[k])->name),
                                 hone_sym_text(p, hone_stmt_at(p, s)->name));
        for (unsigned k = 0; k < n; k++)
            if (hone_prim__keeps_state(p, s, moved[k]))
                return hone_fail(err, HONE_REJECT_DEPENDENCY,
                                 "reorder: loop '%s' keeps what block '%s' computed in earlier "
                                 "iterations",
                                 hone_sym_text(p, hone_stmt_at(p, moved[k])->name),
                                 hone_sym_text(p, hone_stmt_at(p, s)->name));
    }
    return HONE_OK;
}

hone_status hone_prim__reorder(hone_program *p, const hone_stmt *loops, unsigned n, hone_error *err)
{
    hone_stmt chain[MAX_CHAIN], order[MAX_CHAIN];
    for (unsigned k = 0; k < n; k++) {
        if (!hone_is_loop(p, loops[k]))
            return hone_fail(err, HONE_REJECT_ARG, "reorder: not a loop");
        for (unsigned q = 0; q < k; q++)
            if (loops[q].i == loops[k].i)
                return hone_fail(err, HONE_REJECT_ARG, "reorder: a loop is named twice");
    }
    if (n == 0)
        return hone_fail(err, HONE_REJECT_ARG, "reorder: no loops");
    unsigned len = chain_of(p, loops, n, chain), next = 0, from = MAX_CHAIN, to = 0;
    if (!len)
        return hone_fail(err, HONE_REJECT_NOT_CHAIN, "reorder: loops are not on one chain");
    for (unsigned k = 0; k < len; k++) {
        bool named = false;
        for (unsigned q = 0; q < n; q++)
            named |= loops[q].i == chain[k].i;
        order[k] = named ? loops[next++] : chain[k];
        if (order[k].i != chain[k].i) {
            from = from == MAX_CHAIN ? k : from;
            to = k + 1;
        }
    }
    if (to == 0)
        return HONE_OK;
    HONE_TRY(check_reorder(p, chain[len - 1], chain + from, to - from, err));

    for (unsigned k = len; k-- > 1;)
        hone_stmt_detach(p, chain[k]);
    if (order[len - 1].i != chain[len - 1].i)
        hone_prim__move_children(p, chain[len - 1], order[len - 1]);
    if (order[0].i != chain[0].i)
        hone_stmt_replace(p, chain[0], order[0]);
    for (unsigned k = 1; k < len; k++)
        hone_stmt_append(p, order[k - 1], order[k]);
    return HONE_OK;
}

/* ---- unit loop, loop kind -------------------------------------------------------------------- */

hone_status hone_prim__add_unit_loop(hone_program *p, hone_stmt at, hone_stmt *ret, hone_error *err)
{
    if ((!hone_is_loop(p, at) && !hone_is_block(p, at)) || at.i == p->root.i)
        return hone_fail(err, HONE_REJECT_ARG,
                         "add_unit_loop: not a loop or a block below the root");
    hone_stmt u = hone_loop_new(p, "u", 1);
    hone_stmt_replace(p, at, u);
    hone_stmt_append(p, u, at);
    *ret = u;
    return HONE_OK;
}

/* Is the buffer an argument, or touched by a block that is not below `loop`? */
static bool lives_outside(const hone_program *p, hone_buffer b, hone_stmt loop)
{
    if (hone_buffer_at(p, b)->role != HONE_TEMP)
        return true;
    for (hone_stmt s = p->root; s.i;) {
        if (s.i == loop.i) {
            s = hone_next_skip(p, p->root, s);
            continue;
        }
        const hone_stmt_row *r = hone_stmt_at(p, s);
        if (r->kind == HONE_BLOCK && r->out.i &&
            (r->out.i == b.i || hone_uses_buffer(p, r->value, b) ||
             (r->init.i && hone_uses_buffer(p, r->init, b))))
            return true;
        s = hone_next(p, p->root, s);
    }
    return false;
}

/* Does the block's predicate leave only the loop's first iteration? So it is with a loop of one
 * iteration that was split by a vector. */
static bool only_first_runs(hone_program *p, hone_stmt block, hone_stmt loop)
{
    hone_range later = {hone_stmt_at(p, loop)->var, 1, hone_loop_extent(p, loop) - 1};
    hone_expr where = hone_stmt_at(p, block)->where;
    int64_t truth;
    return where.i && hone_is_int(p, hone_simplify_in(p, where, &later, 1), &truth) && !truth;
}

/* Lanes of a reduction may be combined in any order. */
static bool combines_lanes(const hone_program *p, hone_stmt block, hone_loop_kind kind)
{
    hone_op op;
    hone_expr operand;
    return kind == HONE_VECTORIZED && hone_block_reduction(p, block, &op, &operand);
}

hone_status hone_prim__check_no_race(hone_program *p, hone_stmt loop, hone_loop_kind kind,
                                     hone_error *err)
{
    hone_var v = hone_stmt_at(p, loop)->var;
    if (hone_loop_extent(p, loop) == 1)
        return HONE_OK;
    for (hone_stmt s = loop; s.i; s = hone_next(p, loop, s)) {
        if (hone_prim__is_leaf(p, s) && hone_prim__keeps_state(p, s, loop))
            return hone_fail(err, HONE_REJECT_DEPENDENCY,
                             "loop '%s' keeps what block '%s' computed in earlier iterations",
                             hone_sym_text(p, hone_stmt_at(p, loop)->name),
                             hone_sym_text(p, hone_stmt_at(p, s)->name));
        if (!hone_is_block(p, s) || !hone_stmt_at(p, s)->out.i ||
            !lives_outside(p, hone_stmt_at(p, s)->out, loop))
            continue;
        switch (loop_use(p, s, v, true)) {
        case SPATIAL:
            break;
        case REDUCES:
            if (combines_lanes(p, s, kind))
                break;
            return hone_fail(err, HONE_REJECT_REDUCE,
                             "loop '%s' runs over a reduction of block '%s'",
                             hone_sym_text(p, hone_stmt_at(p, loop)->name),
                             hone_sym_text(p, hone_stmt_at(p, s)->name));
        case UNUSED:
            if (only_first_runs(p, s, loop))
                break;
            return hone_fail(err, HONE_REJECT_DEPENDENCY,
                             "iterations of loop '%s' would all write the same elements in block "
                             "'%s'",
                             hone_sym_text(p, hone_stmt_at(p, loop)->name),
                             hone_sym_text(p, hone_stmt_at(p, s)->name));
        }
    }
    return HONE_OK;
}

hone_status hone_prim__set_loop_kind(hone_program *p, hone_stmt loop, hone_loop_kind kind,
                                     hone_error *err)
{
    if (!hone_is_loop(p, loop))
        return hone_fail(err, HONE_REJECT_ARG, "set_loop_kind: not a loop");
    if (kind == HONE_VECTORIZED)
        for (hone_stmt s = hone_stmt_at(p, loop)->first; s.i; s = hone_stmt_at(p, s)->next)
            if (!hone_is_block(p, s) || !hone_stmt_at(p, s)->out.i)
                return hone_fail(err, HONE_REJECT_ARG, "vectorize: loop '%s' is not innermost",
                                 hone_sym_text(p, hone_stmt_at(p, loop)->name));
    if (hone_stmt_at(p, loop)->loop_kind == HONE_BOUND)
        return hone_fail(err, HONE_REJECT_ARG, "set_loop_kind: loop '%s' is bound to a thread axis",
                         hone_sym_text(p, hone_stmt_at(p, loop)->name));
    if (kind == HONE_PARALLEL || kind == HONE_VECTORIZED)
        HONE_TRY(hone_prim__check_no_race(p, loop, kind, err));
    hone_stmt_at(p, loop)->loop_kind = (uint8_t)kind;
    return HONE_OK;
}

void hone_prim__set_extent(hone_program *p, hone_stmt loop, int64_t extent, int64_t shift)
{
    hone_var old = hone_stmt_at(p, loop)->var;
    hone_var v = hone_var_new(p, hone_sym_text(p, hone_stmt_at(p, loop)->name), extent);
    p->vars.v[v.i].owner = loop;
    hone_stmt_at(p, loop)->var = v;
    hone_expr to = hone_binary(p, HONE_OP_ADD, hone_var_expr(p, v), hone_int(p, shift));
    hone_prim__rewrite_below(p, loop, &old, &to, 1, HONE_NO_EXPR);
}
