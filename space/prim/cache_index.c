/* cache_index: TensorIR's. Index arithmetic of a block's loads (i // 3 % 7) is computed once,
 * ahead, into i64 buffers, and looked up from there. It pays where the same arithmetic is done for
 * many elements and the target is slow at division. */
#include "space/prim/prim.h"
#include "space/prim/util.h"

#define MAX_INDICES 32
#define MAX_ELEMENTS (1 << 24) /* of one index buffer */

typedef struct found {
    hone_expr e;
    unsigned times;
} found;

typedef struct search {
    hone_buffer out; /* what the block writes: its own element must stay recognisable */
    found v[MAX_INDICES];
    unsigned n;
} search;

/* Loads would have to be there already, and a divisor may be 0. */
static bool is_safe_node(void *ctx, const hone_program *p, hone_expr e)
{
    bool *ok = ctx;
    hone_op op = hone_expr_op(p, e);
    int64_t by;
    if (op == HONE_OP_LOAD)
        *ok = false;
    if (op == HONE_OP_FLOORDIV || op == HONE_OP_FLOORMOD)
        *ok = *ok && hone_is_int(p, hone_expr_arg(p, e, 1), &by) && by != 0;
    return *ok;
}

/* Something is computed, and can be computed anywhere. */
static bool is_computation(const hone_program *p, hone_expr e)
{
    int64_t c;
    bool ok = hone_expr_op(p, e) != HONE_OP_VAR && !hone_is_int(p, e, &c);
    hone_walk(p, e, is_safe_node, &ok);
    return ok;
}

static bool note_load(void *ctx, const hone_program *p, hone_expr e)
{
    search *s = ctx;
    if (hone_expr_op(p, e) != HONE_OP_LOAD || hone_expr_at(p, e)->sym == s->out.i)
        return true;
    for (unsigned d = 0; d < hone_expr_at(p, e)->n_args; d++) {
        hone_expr x = hone_expr_arg(p, e, d);
        unsigned k = 0;
        while (k < s->n && !HONE_SAME(s->v[k].e, x))
            k++;
        if (k < s->n)
            s->v[k].times++;
        else if (s->n < MAX_INDICES && is_computation(p, x))
            s->v[s->n++] = (found){x, 1};
    }
    return true;
}

typedef struct lookup {
    hone_buffer out;
    unsigned n;
    hone_expr from[MAX_INDICES], to[MAX_INDICES];
} lookup;

static hone_expr replace(void *ctx, hone_program *p, hone_expr e)
{
    const lookup *l = ctx;
    if (hone_expr_op(p, e) != HONE_OP_LOAD || hone_expr_at(p, e)->sym == l->out.i)
        return e;
    hone_expr args[HONE_MAX_DIMS];
    unsigned n = hone_expr_at(p, e)->n_args;
    for (unsigned d = 0; d < n; d++) {
        args[d] = hone_expr_arg(p, e, d);
        for (unsigned k = 0; k < l->n; k++)
            args[d] = HONE_SAME(args[d], l->from[k]) ? l->to[k] : args[d];
    }
    return n ? hone_rebuild(p, e, args) : e;
}

/* The block's iterators that e uses; false: more than a buffer has dimensions. */
static bool iters_used(const hone_program *p, hone_stmt block, hone_expr e,
                       unsigned ret[HONE_MAX_DIMS], unsigned *ret_n)
{
    *ret_n = 0;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        if (!hone_uses_var(p, e, hone_iter_at(p, block, k)->var))
            continue;
        if (*ret_n == HONE_MAX_DIMS)
            return false;
        ret[(*ret_n)++] = k;
    }
    return true;
}

/* A nest that fills a buffer with e for all values of the iterators; ret_load reads it. */
static hone_stmt index_nest(hone_program *p, hone_stmt block, hone_expr e, unsigned number,
                            hone_scope scope, hone_expr *ret_load, hone_stmt *ret_block)
{
    unsigned used[HONE_MAX_DIMS], n;
    iters_used(p, block, e, used, &n);
    hone_var from[HONE_MAX_DIMS];
    hone_expr to[HONE_MAX_DIMS], own[HONE_MAX_DIMS];
    int64_t shape[HONE_MAX_DIMS];
    char name[HONE_PRIM__CACHE_NAME], v[16];
    snprintf(name, sizeof name, "%.*s_index_%u",
             HONE_UTF8_CUT(hone_sym_text(p, hone_stmt_at(p, block)->name), 60), number);
    *ret_block = hone_block_new(p, name);
    hone_prim__nest nest = {0};
    for (unsigned k = 0; k < n; k++) {
        from[k] = hone_iter_at(p, block, used[k])->var;
        shape[k] = hone_var_at(p, from[k])->extent;
        own[k] = hone_var_expr(p, from[k]);
        snprintf(v, sizeof v, "v%u", k);
        hone_expr at = hone_prim__nest_loop(p, &nest, shape[k]);
        to[k] = hone_var_expr(p, hone_block_add_iter(p, *ret_block, v, HONE_SPATIAL, shape[k], at));
    }
    hone_buffer b = hone_buffer_new(p, name, HONE_I64, shape, n, HONE_TEMP, scope);
    hone_expr value = hone_substitute(p, e, from, to, n);
    hone_block_set_store(p, *ret_block, b, to, n, value, HONE_NO_EXPR);
    *ret_load = hone_load(p, b, own, n);
    return hone_prim__nest_close(p, &nest, *ret_block);
}

hone_status hone_prim__cache_index(hone_program *p, hone_stmt block, hone_scope scope,
                                   int64_t cse_thresh, hone_stmt *ret, unsigned max,
                                   unsigned *ret_n, hone_error *err)
{
    if (!hone_prim__is_leaf(p, block) || !hone_prim__in_root(p, block))
        return hone_fail(err, HONE_REJECT_ARG, "cache_index: takes a leaf of the root");
    search all = {.out = hone_stmt_at(p, block)->out};
    lookup l = {.out = all.out};
    *ret_n = 0;
    hone_walk(p, hone_stmt_at(p, block)->value, note_load, &all);
    for (unsigned k = 0; k < all.n; k++) {
        unsigned used[HONE_MAX_DIMS], n;
        int64_t elements = 1;
        if (all.v[k].times < cse_thresh)
            continue;
        bool fits = iters_used(p, block, all.v[k].e, used, &n) && l.n < max;
        for (unsigned d = 0; fits && d < n; d++) {
            int64_t extent = hone_var_at(p, hone_iter_at(p, block, used[d])->var)->extent;
            fits = !__builtin_mul_overflow(elements, extent, &elements) && elements <= MAX_ELEMENTS;
        }
        if (!fits)
            return hone_fail(err, HONE_REJECT_TOO_BIG, "cache_index: too many indices to keep");
        l.from[l.n++] = all.v[k].e;
    }
    hone_stmt top = hone_prim__child_towards(p, p->root, block);
    for (unsigned k = 0; k < l.n; k++) {
        hone_stmt nest = index_nest(p, block, l.from[k], k, scope, &l.to[k], &ret[k]);
        hone_stmt_insert_before(p, top, nest);
    }
    *ret_n = l.n;
    hone_expr value = hone_rewrite(p, hone_stmt_at(p, block)->value, replace, &l);
    hone_stmt_at(p, block)->value = value;
    return HONE_OK;
}
