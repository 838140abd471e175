/* Shared by the primitives.
 *
 *   walking       leaves, who reads and writes, order of siblings
 *   expressions   conjunctions, ranges, redirected loads, store indices
 *   nests         fresh loops and copy blocks */
#include "space/prim/util.h"

/* ---- walking -------------------------------------------------------------------------------- */

bool hone_prim__is_leaf(const hone_program *p, hone_stmt s)
{
    return hone_is_block(p, s) && p->stmts.v[s.i].out.i;
}

hone_stmt hone_prim__next_leaf(const hone_program *p, hone_stmt top, hone_stmt s)
{
    do
        s = hone_next(p, top, s);
    while (s.i && !hone_prim__is_leaf(p, s));
    return s;
}

bool hone_prim__reads_aside(const hone_program *p, hone_stmt leaf, hone_buffer b)
{
    const hone_stmt_row *row = hone_stmt_at(p, leaf);
    for (unsigned k = 0; k < row->n_index; k++) {
        if (hone_uses_buffer(p, hone_store_index(p, leaf, k), b))
            return true;
    }
    return row->init.i && hone_uses_buffer(p, row->init, b);
}

bool hone_prim__reads(const hone_program *p, hone_stmt leaf, hone_buffer b)
{
    return hone_uses_buffer(p, hone_stmt_at(p, leaf)->value, b) ||
           hone_prim__reads_aside(p, leaf, b);
}

bool hone_prim__writes(const hone_program *p, hone_stmt leaf, hone_buffer b)
{
    return HONE_SAME(hone_stmt_at(p, leaf)->out, b);
}

bool hone_prim__sole_writer(const hone_program *p, hone_stmt leaf)
{
    hone_buffer out = hone_stmt_at(p, leaf)->out;
    HONE_PRIM__EACH_LEAF(p, p->root, s)
    {
        if (!HONE_SAME(s, leaf) && hone_prim__writes(p, s, out))
            return false;
    }
    return true;
}

hone_stmt hone_prim__child_towards(const hone_program *p, hone_stmt above, hone_stmt below)
{
    while (below.i && !HONE_SAME(hone_stmt_at(p, below)->parent, above))
        below = hone_stmt_at(p, below)->parent;
    return below;
}

bool hone_prim__is_before(const hone_program *p, hone_stmt a, hone_stmt b)
{
    for (hone_stmt s = hone_stmt_at(p, a)->next; s.i; s = hone_stmt_at(p, s)->next) {
        if (HONE_SAME(s, b))
            return true;
    }
    return false;
}

static hone_stmt block_around(const hone_program *p, hone_stmt s)
{
    do
        s = hone_stmt_at(p, s)->parent;
    while (hone_is_loop(p, s));
    return s;
}

bool hone_prim__is_around(const hone_program *p, hone_stmt loop, hone_stmt block)
{
    return hone_is_loop(p, loop) && hone_is_ancestor(p, loop, block) &&
           HONE_SAME(block_around(p, loop), block_around(p, block));
}

bool hone_prim__in_root(const hone_program *p, hone_stmt block)
{
    return HONE_SAME(block_around(p, block), p->root);
}

bool hone_prim__has_reduce_iter(const hone_program *p, hone_stmt block)
{
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        if (hone_iter_at(p, block, k)->kind == HONE_REDUCE)
            return true;
    }
    return false;
}

bool hone_prim__is_vectorized(const hone_program *p, hone_stmt loop)
{
    for (; hone_is_loop(p, loop); loop = hone_stmt_at(p, loop)->parent) {
        if (hone_stmt_at(p, loop)->loop_kind == HONE_VECTORIZED)
            return true;
    }
    return false;
}

bool hone_prim__touched_by_others(const hone_program *p, hone_stmt top, hone_stmt block,
                                  hone_buffer b)
{
    HONE_PRIM__EACH_LEAF(p, top, s)
    {
        if (!HONE_SAME(s, block) && (hone_prim__writes(p, s, b) || hone_prim__reads(p, s, b)))
            return true;
    }
    return false;
}

static bool note_buffer(void *ctx, const hone_program *p, hone_expr e)
{
    if (hone_expr_op(p, e) == HONE_OP_LOAD)
        hone_memo_first(ctx, hone_expr_at(p, e)->sym);
    return hone_has_load(p, e);
}

bool hone_prim__inputs_reach(const hone_program *p, hone_stmt block, hone_stmt at)
{
    const hone_stmt_row *row = hone_stmt_at(p, block);
    hone_memo inputs = {0}; /* by buffer: one walk instead of one for every other block */
    bool reach = true;
    uint32_t unused;
    hone_walk(p, row->value, note_buffer, &inputs);
    hone_walk(p, row->init, note_buffer, &inputs);
    for (unsigned k = 0; k < row->n_index; k++)
        hone_walk(p, hone_store_index(p, block, k), note_buffer, &inputs);
    HONE_PRIM__EACH_LEAF(p, p->root, s)
    {
        if (HONE_SAME(s, block) || !hone_memo_find(&inputs, hone_stmt_at(p, s)->out.i, &unused))
            continue;
        reach = reach && hone_is_ancestor(p, hone_lca(p, s, block), at);
    }
    hone_memo_free(&inputs);
    return reach;
}

/* ---- expressions ---------------------------------------------------------------------------- */

bool hone_prim__conjuncts(const hone_program *p, hone_expr cond, hone_expr *ret, unsigned max,
                          unsigned *ret_n)
{
    hone_expr stack[HONE_PRIM__MAX_CONDS + 1];
    unsigned depth = 0, n = 0;
    if (cond.i)
        stack[depth++] = cond;
    while (depth) {
        hone_expr e = stack[--depth];
        if (hone_expr_op(p, e) == HONE_OP_AND) {
            if (depth + 2 > HONE_LEN(stack))
                return false;
            stack[depth++] = hone_expr_arg(p, e, 1);
            stack[depth++] = hone_expr_arg(p, e, 0);
        } else {
            if (n == max)
                return false;
            ret[n++] = e;
        }
    }
    *ret_n = n;
    return true;
}

/* Is `cond` one of the operands of the conjunction `where`? */
static bool has_conjunct(const hone_program *p, hone_expr where, hone_expr cond)
{
    while (where.i && hone_expr_op(p, where) == HONE_OP_AND) {
        if (has_conjunct(p, hone_expr_arg(p, where, 1), cond))
            return true;
        where = hone_expr_arg(p, where, 0);
    }
    return HONE_SAME(where, cond);
}

void hone_prim__require(hone_program *p, hone_expr *where, hone_expr cond)
{
    if (!cond.i)
        return;
    cond = hone_simplify(p, cond);
    int64_t known;
    if (hone_is_int(p, cond, &known) && known)
        return;
    if (!has_conjunct(p, *where, cond))
        *where = hone_and(p, *where, cond);
}

void hone_prim__require_range(hone_program *p, hone_expr *where, hone_expr e, int64_t extent)
{
    int64_t lo, hi;
    bool known = hone_bounds(p, e, &lo, &hi);
    if (!known || lo < 0)
        hone_prim__require(p, where, hone_binary(p, HONE_OP_LE, hone_int(p, 0), e));
    if (!known || hi >= extent)
        hone_prim__require(p, where, hone_binary(p, HONE_OP_LT, e, hone_int(p, extent)));
}

typedef struct redirect_ctx {
    hone_buffer from, to;
} redirect_ctx;

static hone_expr redirect_node(void *ctx, hone_program *p, hone_expr e)
{
    const redirect_ctx *c = ctx;
    const hone_expr_row *row = hone_expr_at(p, e);
    if (row->op != HONE_OP_LOAD || row->sym != c->from.i)
        return e;
    hone_expr index[HONE_MAX_DIMS];
    unsigned n = row->n_args;
    for (unsigned k = 0; k < n; k++)
        index[k] = hone_expr_arg(p, e, k);
    return hone_load(p, c->to, index, n);
}

hone_expr hone_prim__redirect(hone_program *p, hone_expr e, hone_buffer from, hone_buffer to)
{
    redirect_ctx ctx = {from, to};
    return e.i ? hone_rewrite(p, e, redirect_node, &ctx) : e;
}

void hone_prim__redirect_block(hone_program *p, hone_stmt block, hone_buffer from, hone_buffer to,
                               bool store)
{
    hone_stmt_row row = *hone_stmt_at(p, block);
    hone_expr index[HONE_MAX_DIMS];
    for (unsigned k = 0; k < row.n_index; k++)
        index[k] = hone_prim__redirect(p, hone_store_index(p, block, k), from, to);
    hone_expr value = hone_prim__redirect(p, row.value, from, to);
    hone_expr init = hone_prim__redirect(p, row.init, from, to);
    hone_block_set_store(p, block, store ? to : row.out, index, row.n_index, value, init);
}

hone_status hone_prim__read_buffer(const hone_program *p, hone_stmt block, unsigned read_index,
                                   hone_buffer *ret, hone_error *err)
{
    if (!hone_prim__is_leaf(p, block))
        return hone_fail(err, HONE_REJECT_ARG, "not a block that computes a value");
    hone_expr loads[HONE_PRIM__MAX_LOADS];
    unsigned n = hone_block_loads(p, block, loads, HONE_PRIM__MAX_LOADS), n_distinct = 0;
    if (n > HONE_PRIM__MAX_LOADS)
        return hone_fail(err, HONE_REJECT_TOO_BIG, "the block has %u loads", n);
    for (unsigned k = 0; k < n; k++) {
        uint32_t b = hone_expr_at(p, loads[k])->sym;
        bool again = false;
        for (unsigned j = 0; j < k && !again; j++)
            again = hone_expr_at(p, loads[j])->sym == b;
        if (!again && n_distinct++ == read_index) {
            *ret = (hone_buffer){b};
            return HONE_OK;
        }
    }
    return hone_fail(err, HONE_REJECT_ARG, "the block reads no buffer number %u", read_index);
}

bool hone_prim__bounded_by(hone_program *p, hone_expr cond, hone_expr e, int64_t *ret_most)
{
    hone_expr negative;
    int64_t c;
    if (!hone_as_negative(p, cond, &negative) ||
        !hone_is_int(p, hone_simplify(p, hone_binary(p, HONE_OP_SUB, negative, e)), &c))
        return false;
    *ret_most = -c;
    return true;
}

bool hone_prim__store_iters(const hone_program *p, hone_stmt block, int ret[HONE_MAX_DIMS])
{
    const hone_stmt_row *row = hone_stmt_at(p, block);
    const hone_buffer_row *out = hone_buffer_at(p, row->out);
    unsigned seen = 0;
    for (unsigned d = 0; d < row->n_index; d++) {
        hone_expr e = hone_store_index(p, block, d);
        int64_t c;
        if (hone_is_int(p, e, &c)) {
            if (c || out->shape[d] != 1)
                return false;
            ret[d] = -1;
            continue;
        }
        if (hone_expr_op(p, e) != HONE_OP_VAR)
            return false;
        unsigned k = 0;
        while (k < row->n_iters && hone_iter_at(p, block, k)->var.i != hone_expr_at(p, e)->sym)
            k++;
        if (k == row->n_iters || hone_iter_at(p, block, k)->kind != HONE_SPATIAL || seen >> k & 1)
            return false;
        seen |= 1u << k;
        ret[d] = (int)k;
    }
    for (unsigned k = 0; k < row->n_iters; k++) {
        const hone_iter *it = hone_iter_at(p, block, k);
        if (it->kind == HONE_SPATIAL && !(seen >> k & 1) && hone_var_at(p, it->var)->extent != 1)
            return false;
    }
    return true;
}

/* ---- nests ---------------------------------------------------------------------------------- */

hone_expr hone_prim__nest_loop(hone_program *p, hone_prim__nest *nest, int64_t extent)
{
    char name[16];
    snprintf(name, sizeof name, "ax%u", nest->n++);
    hone_stmt loop = hone_loop_new(p, name, extent);
    if (nest->last.i)
        hone_stmt_append(p, nest->last, loop);
    else
        nest->first = loop;
    nest->last = loop;
    return hone_var_expr(p, hone_stmt_at(p, loop)->var);
}

hone_stmt hone_prim__nest_close(hone_program *p, hone_prim__nest *nest, hone_stmt block)
{
    if (!nest->last.i)
        return block;
    hone_stmt_append(p, nest->last, block);
    return nest->first;
}

hone_stmt hone_prim__copy_nest(hone_program *p, const char *name, hone_buffer dst, hone_buffer src,
                               hone_stmt *ret_block)
{
    hone_prim__nest nest = {0};
    hone_expr index[HONE_MAX_DIMS];
    hone_stmt block = hone_block_new(p, name);
    unsigned n = hone_buffer_at(p, dst)->n_dims;
    for (unsigned d = 0; d < n; d++) {
        char v[16];
        snprintf(v, sizeof v, "v%u", d);
        int64_t extent = hone_buffer_at(p, dst)->shape[d];
        hone_expr at = hone_prim__nest_loop(p, &nest, extent);
        index[d] = hone_var_expr(p, hone_block_add_iter(p, block, v, HONE_SPATIAL, extent, at));
    }
    hone_expr value = hone_load(p, src, index, n);
    hone_block_set_store(p, block, dst, index, n, value, HONE_NO_EXPR);
    *ret_block = block;
    return hone_prim__nest_close(p, &nest, block);
}

void hone_prim__cache_name(const hone_program *p, hone_buffer b, const char *suffix,
                           char ret[HONE_PRIM__CACHE_NAME])
{
    snprintf(ret, HONE_PRIM__CACHE_NAME, "%.*s_%s",
             HONE_UTF8_CUT(hone_sym_text(p, hone_buffer_at(p, b)->name), 64), suffix);
    for (char *c = ret; *c; c++)
        *c = *c == '.' ? '_' : *c;
}

hone_buffer hone_prim__cache_of(hone_program *p, hone_buffer b, hone_scope scope,
                                char ret_name[HONE_PRIM__CACHE_NAME])
{
    hone_buffer_row row = *hone_buffer_at(p, b);
    hone_prim__cache_name(p, b, hone_scope_name(scope), ret_name);
    return hone_buffer_new(p, ret_name, (hone_dtype)row.dtype, row.shape, row.n_dims, HONE_TEMP,
                           scope);
}
