/* The program made ready: loop kinds that can be emitted as they stand, leaf blocks written over
 * loop variables. Works on a private copy. */
#include "codegen/internal.h"

#include <math.h>

void hone_cg__fail(cg *e, hone_status s, const char *fmt, ...)
{
    if (e->status != HONE_OK) {
        return;
    }
    e->status = s;
    if (e->err) {
        char text[512];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(text, sizeof text, fmt, ap);
        va_end(ap);
        e->status = hone_fail(e->err, s, "%s", text);
    }
}

cg_leaf *hone_cg__leaf(cg *e, hone_stmt s)
{
    uint32_t k = s.i < e->leaf_of.n ? e->leaf_of.v[s.i] : 0;
    return k ? &e->leaves.v[k] : NULL;
}

static hone_stmt_row *row(cg *e, hone_stmt s)
{
    return hone_stmt_at(&e->q, s);
}

/* ---- loop kinds ----------------------------------------------------------------------------- */

static bool has_loop_inside(cg *e, hone_stmt s)
{
    for (hone_stmt t = hone_next(&e->q, s, s); t.i; t = hone_next(&e->q, s, t)) {
        if (hone_is_loop(&e->q, t) && hone_loop_extent(&e->q, t) > 1) {
            return true;
        }
    }
    return false;
}

static hone_loop_kind kind_for(cg *e, hone_stmt s)
{
    hone_loop_kind kind = (hone_loop_kind)row(e, s)->loop_kind;
    if (e->o->plain || hone_loop_extent(&e->q, s) == 1 || kind == HONE_BOUND) {
        return HONE_SERIAL; /* a CPU has no axes to bind to */
    }
    if (kind == HONE_VECTORIZED) {
        if (has_loop_inside(e, s)) {
            return HONE_UNROLLED;
        }
        return hone_loop_extent(&e->q, s) > CG_MAX_LANES ? HONE_SERIAL : kind;
    }
    if (kind == HONE_PARALLEL) {
        for (hone_stmt t = row(e, s)->parent; t.i; t = row(e, t)->parent) {
            if (hone_is_loop(&e->q, t) && row(e, t)->loop_kind != HONE_SERIAL) {
                return HONE_SERIAL;
            }
        }
    }
    return kind;
}

int64_t hone_cg__instances(cg *e, hone_stmt s)
{
    int64_t n = hone_cg__leaf(e, s) ? 1 : 0;
    for (hone_stmt t = row(e, s)->first; t.i; t = row(e, t)->next) {
        n += hone_cg__instances(e, t);
    }
    if (hone_is_loop(&e->q, s) && row(e, s)->loop_kind == HONE_UNROLLED) {
        int64_t extent = hone_loop_extent(&e->q, s);
        n = n > INT32_MAX / extent ? INT32_MAX : n * extent;
    }
    return n < INT32_MAX ? n : INT32_MAX;
}

/* ---- leaves --------------------------------------------------------------------------------- */

static hone_expr over_loops(cg *e, hone_stmt s, hone_expr x)
{
    return x.i ? hone_simplify(&e->q, hone_bind(&e->q, s, x)) : x;
}

static void add_one(cg *e, cg_leaf *leaf, hone_expr c, bool is_where)
{
    for (unsigned k = 0; k < leaf->n_conds; k++) {
        if (HONE_SAME(leaf->conds[k].e, c)) {
            return;
        }
    }
    if (leaf->n_conds < CG_MAX_CONDS) {
        leaf->conds[leaf->n_conds++] = (cg_cond){c, is_where};
    } else if (is_where) {
        hone_cg__fail(e, HONE_REJECT_BUILD, "Block \"%s\" has more than %d conditions.",
                      hone_sym_text(&e->q, row(e, leaf->s)->name), CG_MAX_CONDS);
    }
}

typedef struct adding {
    cg *e;
    cg_leaf *leaf;
    bool is_where;
} adding;

static bool add_part(void *ctx, const hone_program *q, hone_expr c)
{
    const adding *a = ctx;
    if (hone_expr_op(q, c) == HONE_OP_AND) {
        return true;
    }
    add_one(a->e, a->leaf, c, a->is_where);
    return false;
}

static void add_cond(cg *e, cg_leaf *leaf, hone_expr c, bool is_where)
{
    hone_walk(&e->q, c, add_part, &(adding){e, leaf, is_where});
}

/* q < 0 only where p < 0: q is a positive multiple of p plus what is never negative. */
static bool implies(cg *e, hone_expr q, hone_expr p)
{
    cg_lin lq = hone_cg__cond_lin(e, q), lp = hone_cg__cond_lin(e, p);
    if (!lq.ok || !lp.ok || !lp.n) {
        return false;
    }
    cg_term t = e->terms.v[lp.first];
    int64_t times = 0, lo, hi;
    for (uint32_t k = 0; k < lq.n; k++) {
        cg_term u = e->terms.v[lq.first + k];
        if (HONE_SAME(u.var, t.var) && HONE_SAME(u.atom, t.atom) && u.coeff % t.coeff == 0) {
            times = u.coeff / t.coeff;
        }
    }
    if (times < 1 || times > INT32_MAX) {
        return false;
    }
    hone_program *o = &e->q;
    hone_expr rest[2], both[2] = {q, p};
    for (unsigned k = 0; k < 2; k++) { /* as a - b - (1 for <=), which is < 0 */
        if (hone_expr_op(o, both[k]) != HONE_OP_LT && hone_expr_op(o, both[k]) != HONE_OP_LE) {
            return false;
        }
        hone_expr a = hone_expr_arg(o, both[k], 0), b = hone_expr_arg(o, both[k], 1);
        hone_expr one = hone_int(o, hone_expr_op(o, both[k]) == HONE_OP_LE);
        rest[k] = hone_binary(o, HONE_OP_SUB, hone_binary(o, HONE_OP_SUB, a, b), one);
    }
    rest[1] = hone_binary(o, HONE_OP_MUL, rest[1], hone_int(o, times));
    hone_expr apart = hone_simplify(o, hone_binary(o, HONE_OP_SUB, rest[0], rest[1]));
    return hone_bounds(o, apart, &lo, &hi) && lo >= 0;
}

/* Each split of a loop that was split before adds a condition, the weaker ones for nothing: only
 * some of a loop's blocks would have them, and a test would be left in each. */
static void drop_implied(cg *e, cg_leaf *leaf)
{
    for (unsigned k = 0; k < leaf->n_where;) {
        bool needed = true;
        for (unsigned o = 0; needed && o < leaf->n_where; o++) {
            needed = o == k || !implies(e, leaf->conds[o].e, leaf->conds[k].e);
        }
        if (needed) {
            k++;
            continue;
        }
        leaf->n_where--;
        leaf->n_conds--;
        memmove(leaf->conds + k, leaf->conds + k + 1, (leaf->n_conds - k) * sizeof *leaf->conds);
    }
}

void hone_cg__add_where(cg *e, cg_leaf *leaf, hone_expr cond)
{
    for (unsigned k = 0; k < leaf->n_where; k++) {
        if (HONE_SAME(leaf->conds[k].e, cond)) {
            return;
        }
    }
    if (leaf->n_conds == CG_MAX_CONDS) { /* one of a select would have to go */
        hone_cg__fail(e, HONE_REJECT_BUILD, "Block \"%s\" has more than %d conditions.",
                      hone_sym_text(&e->q, row(e, leaf->s)->name), CG_MAX_CONDS);
        return;
    }
    cg_cond *at = leaf->conds + leaf->n_where;
    memmove(at + 1, at, (leaf->n_conds - leaf->n_where) * sizeof *at);
    *at = (cg_cond){cond, true};
    leaf->n_where++;
    leaf->n_conds++;
    drop_implied(e, leaf);
}

/* Conditions of selects; what reads the stored buffer. */
static bool look_at(void *ctx, const hone_program *q, hone_expr x)
{
    const adding *a = ctx;
    cg_leaf *leaf = a->leaf;
    const hone_expr_row *r = hone_expr_at(q, x);
    if (r->op == HONE_OP_SELECT) {
        add_cond(a->e, leaf, hone_expr_arg(q, x, 0), false);
    }
    if (HONE_SAME(x, leaf->own)) {
        leaf->uses_own = true;
    } else if (r->op == HONE_OP_LOAD && r->sym == leaf->out.i) {
        leaf->self_read = true;
    }
    return true;
}

/* Over a block's own iterators, which are in their extents whenever the block runs, indices may be
 * provably in bounds though over loop variables they are not. */
static void find_safe(cg *e, cg_leaf *leaf, hone_expr x, hone_memo *seen)
{
    hone_expr_row r = *hone_expr_at(&e->q, x);
    bool safe = r.op == HONE_OP_LOAD && leaf->n_safe < CG_MAX_SAFE;
    if (!hone_has_load(&e->q, x) || !hone_memo_first(seen, x.i)) {
        return;
    }
    for (unsigned k = 0; k < r.n_args; k++) {
        hone_expr arg = hone_expr_arg(&e->q, x, k);
        int64_t lo, hi;
        find_safe(e, leaf, arg, seen);
        safe = safe && hone_bounds(&e->q, arg, &lo, &hi) && lo >= 0 &&
               hi < hone_buffer_at(&e->q, (hone_buffer){r.sym})->shape[k];
    }
    if (safe && leaf->n_safe < CG_MAX_SAFE) {
        leaf->safe[leaf->n_safe++] = over_loops(e, leaf->s, x);
    }
}

/* Also of a block that starts elsewhere. */
static void find_reduction(cg *e, cg_leaf *leaf)
{
    hone_op op = hone_expr_op(&e->q, leaf->value);
    if (op != HONE_OP_ADD && op != HONE_OP_MUL && op != HONE_OP_MIN && op != HONE_OP_MAX) {
        return;
    }
    for (unsigned k = 0; k < 2; k++) {
        hone_expr operand = hone_expr_arg(&e->q, leaf->value, 1 - k);
        if (HONE_SAME(hone_expr_arg(&e->q, leaf->value, k), leaf->own) &&
            !hone_uses_buffer(&e->q, operand, leaf->out)) {
            leaf->op = op;
            leaf->operand = operand;
            leaf->neutral = hone_identity_of(&e->q, op, hone_expr_dtype(&e->q, operand));
        }
    }
}

static void add_leaf(cg *e, hone_stmt s)
{
    hone_stmt_row r = *row(e, s);
    cg_leaf leaf = {.s = s, .out = r.out, .n_index = r.n_index};
    for (unsigned k = 0; k < r.n_index; k++) {
        leaf.index[k] = over_loops(e, s, hone_store_index(&e->q, s, k));
    }
    leaf.own = hone_load(&e->q, r.out, leaf.index, r.n_index);
    leaf.value = over_loops(e, s, r.value);
    leaf.init = over_loops(e, s, r.init);
    find_reduction(e, &leaf);
    for (hone_stmt t = s; t.i; t = row(e, t)->parent) {
        if (hone_is_block(&e->q, t) && row(e, t)->where.i) {
            add_cond(e, &leaf, hone_simplify(&e->q, row(e, t)->where), true);
        }
    }
    leaf.n_where = leaf.n_conds; /* so far all are parts of predicates */
    drop_implied(e, &leaf);
    for (unsigned k = 0; k < r.n_iters; k++) {
        hone_iter it = *hone_iter_at(&e->q, s, k);
        if (it.kind == HONE_REDUCE) {
            hone_expr zero = hone_int(&e->q, 0), at = hone_simplify(&e->q, it.binding);
            leaf.first[leaf.n_first++] = hone_binary(&e->q, HONE_OP_EQ, at, zero);
        }
    }
    hone_memo seen = {0};
    find_safe(e, &leaf, r.value, &seen);
    if (r.init.i) {
        find_safe(e, &leaf, r.init, &seen);
    }
    hone_memo_free(&seen);
    hone_walk(&e->q, leaf.value, look_at, &(adding){.e = e, .leaf = &leaf});
    hone_walk(&e->q, leaf.init, look_at, &(adding){.e = e, .leaf = &leaf});
    while (e->leaf_of.n <= s.i) {
        hone_vec_push(&e->leaf_of, 0);
    }
    e->leaf_of.v[s.i] = e->leaves.n;
    hone_vec_push(&e->leaves, leaf);
}

/* ---- plain code ----------------------------------------------------------------------------- */

static bool is_spatial(cg *e, const cg_leaf *leaf, hone_var v)
{
    for (unsigned k = 0; k < row(e, leaf->s)->n_iters; k++) {
        const hone_iter *it = hone_iter_at(&e->q, leaf->s, k);
        if (it->kind == HONE_REDUCE && hone_uses_var(&e->q, it->binding, v)) {
            return false;
        }
    }
    cg_lin l = hone_cg__lin(e, leaf->index[leaf->n_index - 1]);
    for (uint32_t k = 0; k < l.n; k++) {
        cg_term t = e->terms.v[l.first + k];
        if (HONE_SAME(t.var, v) && t.coeff == 1) {
            return true;
        }
    }
    return false;
}

/* The reference of a large product must not take minutes: in a perfect nest around one block the
 * loop along the output's rows goes innermost, where LLVM vectorises it. Elements are independent
 * and each sum keeps its order, so no result changes. */
static void rows_innermost(cg *e, const cg_leaf *leaf)
{
    hone_stmt inner = row(e, leaf->s)->parent, s = inner;
    if (!leaf->n_index || leaf->self_read) {
        return;
    }
    for (; hone_is_loop(&e->q, s) && HONE_SAME(row(e, s)->first, row(e, s)->last);
         s = row(e, s)->parent) {
        hone_var v = row(e, s)->var;
        if (!is_spatial(e, leaf, v)) {
            continue;
        }
        /* Every loop inside s moves one out, by taking its child's variable. */
        for (; !HONE_SAME(s, inner); s = row(e, s)->first) {
            row(e, s)->var = row(e, row(e, s)->first)->var;
            e->q.vars.v[row(e, s)->var.i].owner = s;
        }
        row(e, inner)->var = v;
        e->q.vars.v[v.i].owner = inner;
        return;
    }
}

void hone_cg__prepare(cg *e, const hone_program *p)
{
    hone_program_copy(&e->q, p);
    hone_vec_push(&e->leaves, (cg_leaf){0});
    hone_stmt root = e->q.root;
    for (hone_stmt s = root; s.i && e->status == HONE_OK; s = hone_next(&e->q, root, s)) {
        hone_stmt_row r = *row(e, s);
        if (r.kind == HONE_LOOP) {
            row(e, s)->loop_kind = (uint8_t)kind_for(e, s);
            unsigned depth = 0;
            for (hone_stmt t = s; t.i; t = row(e, t)->parent) {
                depth++;
            }
            if (depth + 3 >= CG_MAX_SCOPES) {
                hone_cg__fail(e, HONE_REJECT_TOO_BIG, "The loops are nested more than %d deep.",
                              CG_MAX_SCOPES - 4);
            }
            continue;
        }
        if (r.out.i) {
            add_leaf(e, s);
            continue;
        }
        /* A block of statements: what is inside speaks of its iterators; say their bindings. */
        hone_var from[HONE_MAX_ITERS];
        hone_expr to[HONE_MAX_ITERS];
        for (unsigned k = 0; k < r.n_iters; k++) {
            from[k] = hone_iter_at(&e->q, s, k)->var;
            to[k] = hone_iter_at(&e->q, s, k)->binding;
        }
        for (hone_stmt t = r.first; r.n_iters && t.i; t = row(e, t)->next) {
            hone_stmt_substitute(&e->q, t, from, to, r.n_iters);
        }
    }
    if (e->status == HONE_OK && e->o->size) {
        hone_cg__find_rows(e);
    }
    if (e->status == HONE_OK && !e->o->plain) {
        hone_cg__find_uses(e);
    }
    hone_cg__find_numbers(e);
    for (uint32_t i = 1; e->o->plain && e->status == HONE_OK && i < e->leaves.n; i++) {
        rows_innermost(e, &e->leaves.v[i]);
    }
    if (e->status == HONE_OK && hone_cg__instances(e, root) > CG_MAX_INSTANCES) {
        hone_cg__fail(e, HONE_REJECT_TOO_BIG, "Unrolling makes more than %d copies of the blocks.",
                      CG_MAX_INSTANCES);
    }
    if (e->q.overflow) {
        hone_cg__fail(e, HONE_REJECT_TOO_BIG, "The program is too large.");
    }
}
