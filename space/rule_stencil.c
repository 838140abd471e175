/* The rule for reductions whose outputs are contiguous: pooling, depthwise convolution, sums over
 * columns. A strip of the output stays in registers while the reduction runs inside. */
#include "space/prim.h"
#include "space/rule.h"

/* Every load moves by one element, or not at all, when the variable does. */
static bool contiguous_along(hone_program *p, hone_stmt block, hone_var v)
{
    hone_expr loads[16], ve = hone_var_expr(p, v);
    unsigned n = hone_block_loads(p, block, loads, 16);
    if (n > 16)
        return false;
    for (unsigned k = 0; k < n; k++) {
        unsigned dims = hone_expr_at(p, loads[k])->n_args;
        for (unsigned d = 0; d < dims; d++) {
            hone_expr e = hone_expr_arg(p, loads[k], d);
            if (hone_uses_var(p, e, v) && !(d == dims - 1 && HONE_SAME(e, ve)))
                return false;
        }
    }
    return true;
}

hone_status hone_rule_reduce(hone_sched *s, const char *name, const hone_rule_ctx *ctx,
                             hone_error *err)
{
    hone_rv block, loops[16], parts[3], unroll, copies[2];
    unsigned n, n_spatial = 0;
    HONE_TRY(hone_get_block(s, name, &block, err));
    hone_stmt b = hone_rv_stmt(s, block);
    hone_program *p = &s->prog;
    HONE_TRY(hone_get_loops(s, block, loops, 16, &n, err));
    if (!hone_stmt_at(p, b)->init.i || n != hone_stmt_at(p, b)->n_iters || n > 12)
        return hone_fail(err, HONE_REJECT_ARG, "block '%s' is not a plain reduction", name);
    while (n_spatial < n && hone_iter_at(p, b, n_spatial)->kind == HONE_SPATIAL)
        n_spatial++;
    if (n_spatial == 0 || n_spatial == n)
        return HONE_OK; /* one number: as written */
    int bytes = hone_dtype_bytes(hone_expr_dtype(p, hone_stmt_at(p, b)->value));
    int64_t lanes = ctx->target->vector_bytes / bytes;
    hone_var last = hone_iter_at(p, b, n_spatial - 1)->var;
    hone_expr store = hone_store_index(p, b, hone_stmt_at(p, b)->n_index - 1u);
    bool vector = HONE_SAME(store, hone_var_expr(p, last)) && contiguous_along(p, b, last);
    static const int64_t unrolls[] = {1, 2, 4, 8};
    int64_t which = 2;
    HONE_TRY(hone_sample_categorical(s, unrolls, NULL, HONE_LEN(unrolls), &which, &unroll, err));
    hone_rv task = loops[0], tile;
    if (vector) { /* a strip of columns in registers, the reduction inside */
        HONE_TRY(hone_split_by(s, loops[n_spatial - 1], (int64_t[]){0, lanes}, 2, parts, err));
        hone_rv lane = parts[1], strip[2], nest[20];
        HONE_TRY(hone_split(s, parts[0], (hone_rv[]){HONE_NO_RV, unroll}, 2, strip, err));
        unsigned k = 0;
        for (unsigned q = 0; q + 1 < n_spatial; q++)
            nest[k++] = loops[q];
        nest[k++] = tile = strip[0];
        for (unsigned q = n_spatial; q < n; q++)
            nest[k++] = loops[q];
        nest[k++] = strip[1];
        nest[k++] = lane;
        HONE_TRY(hone_reorder(s, nest, k, err));
        task = nest[0];
        if (n_spatial > 1) {
            HONE_TRY(hone_fuse(s, nest, n_spatial, &task, err));
            tile = task;
        }
        HONE_TRY(hone_cache_accumulate(s, block, tile, HONE_LOCAL, copies, err));
        for (int q = 0; q < 2; q++) {
            hone_rv all[32];
            unsigned m;
            HONE_TRY(hone_get_loops(s, copies[q], all, 32, &m, err));
            HONE_TRY(hone_rule_vectorize(s, all[m - 1], ctx->target, bytes, true, NULL, err));
        }
        HONE_TRY(hone_unroll(s, strip[1], err));
        HONE_TRY(hone_vectorize(s, lane, err));
    } else { /* a row at a time */
        HONE_TRY(hone_split(s, loops[n - 1], (hone_rv[]){HONE_NO_RV, unroll}, 2, parts, err));
        if (n_spatial > 1)
            HONE_TRY(hone_fuse(s, loops, n_spatial, &task, err));
        HONE_TRY(hone_cache_accumulate(s, block, task, HONE_LOCAL, copies, err));
        HONE_TRY(hone_unroll(s, parts[1], err));
    }
    return hone_parallel(s, task, err);
}
