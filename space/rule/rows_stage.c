/* One stage of a row: a reduction in registers, or its elements. */
#include "space/rule/rows.h"

static int value_bytes(const hone_sched *s, hone_rv block)
{
    hone_stmt b = hone_rv_stmt(s, block);
    return hone_dtype_bytes(hone_expr_dtype(&s->prog, hone_stmt_at(&s->prog, b)->value));
}

static hone_status sample_unroll(hone_sched *s, const hone_rule__ctx *ctx, hone_rv *ret,
                                 hone_error *err)
{
    static const int64_t unrolls[] = {1, 2, 4, 8};
    int64_t which = ctx->policy.k_unroll == 2 ? 3 : ctx->policy.k_unroll == 4 ? 1 : 2;
    return hone_sample_categorical(s, unrolls, NULL, HONE_LEN(unrolls), &which, ret, err);
}

/* The reduction loops of the block as one where its loads allow: along trailing dimensions, each
 * over its whole extent. */
static bool are_one_row(hone_program *p, hone_stmt block, unsigned n_reduce)
{
    hone_expr loads[16];
    unsigned n = hone_block_loads(p, block, loads, 16), n_iters = hone_stmt_at(p, block)->n_iters;
    for (unsigned k = 0; k < n; k++) {
        unsigned dims = hone_rule__contiguous_dim(p, loads[k]) + 1;
        hone_buffer b = {hone_expr_at(p, loads[k])->sym};
        if (dims < n_reduce)
            return false;
        for (unsigned q = 0; q < n_reduce; q++) {
            hone_var v = hone_iter_at(p, block, n_iters - 1 - q)->var;
            if (!HONE_SAME(hone_expr_arg(p, loads[k], dims - 1 - q), hone_var_expr(p, v)) ||
                hone_buffer_at(p, b)->shape[dims - 1 - q] != hone_var_at(p, v)->extent)
                return false;
        }
    }
    return n <= 16;
}

/* `row`, the innermost loop of the block, as vectors of which some are unrolled. The loop over rows
 * computed together, at place `together` among the block's loops, goes right outside of these. */
static hone_status cut_row(hone_sched *s, const hone_rule__ctx *ctx, hone_rv block, hone_rv row,
                           hone_rv unroll, int together, hone_rv ret[3], hone_error *err)
{
    hone_rv vectors[2], loops[MAX_LOOPS * 2], order[MAX_LOOPS * 2];
    unsigned n, m = 0;
    int64_t lanes = ctx->target->vector_bytes / value_bytes(s, block);
    HONE_TRY(hone_split_by(s, row, (int64_t[]){0, lanes}, 2, vectors, err));
    HONE_TRY(hone_split(s, vectors[0], (hone_rv[]){HONE_NO_RV, unroll}, 2, ret, err));
    ret[2] = vectors[1];
    if (together == ALONE)
        return HONE_OK;
    HONE_TRY(hone_get_loops(s, block, loops, MAX_LOOPS * 2, &n, err));
    for (unsigned k = (unsigned)together + 1; k + 2 < n; k++)
        order[m++] = loops[k];
    order[m++] = loops[together];
    HONE_TRY(hone_reorder(s, order, m, err));
    return hone_unroll(s, loops[together], err);
}

/* The innermost loop of the block becomes lanes, the `n_unrolled` around it straight code. */
static hone_status unroll_vectors(hone_sched *s, hone_rv block, unsigned n_unrolled,
                                  hone_error *err)
{
    hone_rv loops[MAX_LOOPS * 2];
    unsigned n;
    HONE_TRY(hone_get_loops(s, block, loops, MAX_LOOPS * 2, &n, err));
    HONE_TRY(hone_vectorize(s, loops[n - 1], err));
    for (unsigned k = 0; k < n_unrolled; k++)
        HONE_TRY(hone_unroll(s, loops[n - 2 - k], err));
    return HONE_OK;
}

/* `block`, whose innermost loop (of the sum) is `row`: partial sums in registers, one vector of
 * them or as many as are unrolled. */
static hone_status reduce_row(hone_sched *s, const hone_rule__ctx *ctx, hone_rv block, hone_rv row,
                              int together, bool in_one, row_cut *ret, hone_error *err)
{
    hone_rv parts[3], one, many;
    unsigned rows = together != ALONE;
    HONE_TRY(sample_unroll(s, ctx, &ret->unroll, err));
    HONE_TRY(cut_row(s, ctx, block, row, ret->unroll, together, parts, err));
    ret->turns = parts[0];
    HONE_TRY(hone_rfactor(s, parts[2], -1, &one, err));
    if (!in_one)
        HONE_TRY(hone_rfactor(s, parts[1], -2, &many, err));
    HONE_TRY(hone_vectorize(s, parts[2], err));
    HONE_TRY(hone_unroll(s, parts[1], err));
    if (!in_one)
        HONE_TRY(unroll_vectors(s, one, 1 + rows, err));
    return unroll_vectors(s, block, rows, err);
}

hone_status hone_rule__row_sum(hone_sched *s, const hone_rule__ctx *ctx, hone_rv block,
                               row_sum_way way, int together, row_cut *ret, hone_error *err)
{
    hone_rv loops[MAX_LOOPS], row, parts[2], partial = block;
    unsigned n;
    hone_program *p = &s->prog;
    hone_stmt b = hone_rv_stmt(s, block);
    unsigned n_reduce = hone_stmt_at(p, b)->n_iters - hone_rule__spatial_iters(p, b);
    HONE_TRY(hone_get_loops(s, block, loops, MAX_LOOPS, &n, err));
    if (n > MAX_LOOPS || n < n_reduce)
        return hone_fail(err, HONE_REJECT_TOO_BIG, "a row with too many loops");
    row = loops[n - 1];
    if (n_reduce > 1 && are_one_row(p, b, n_reduce))
        HONE_TRY(hone_fuse(s, loops + n - n_reduce, n_reduce, &row, err));
    if (way == SUM_IN_PIECES) {
        static const int64_t pieces[] = {1, 2, 4, 8, 16};
        int64_t which = 0;
        hone_rv count;
        while (pieces[which] < ctx->threads && which + 1 < (int64_t)HONE_LEN(pieces))
            which++;
        HONE_TRY(hone_sample_categorical(s, pieces, NULL, HONE_LEN(pieces), &which, &count, err));
        HONE_TRY(hone_split(s, row, (hone_rv[]){count, HONE_NO_RV}, 2, parts, err));
        HONE_TRY(hone_rfactor(s, parts[0], -1, &partial, err));
        HONE_TRY(hone_parallel(s, parts[0], err));
        row = parts[1];
    }
    return reduce_row(s, ctx, partial, row, together, way == SUM_IN_ONE, ret, err);
}

hone_status hone_rule__row_elements(hone_sched *s, const hone_rule__ctx *ctx, hone_rv block,
                                    int together, const row_cut *with, hone_error *err)
{
    hone_rv unroll, loops[MAX_LOOPS * 2], parts[3], turns;
    unsigned n;
    HONE_TRY(hone_rule__stream(s, block, ctx, err));
    if (together != ALONE || with) {
        HONE_TRY(hone_get_loops(s, block, loops, MAX_LOOPS * 2, &n, err));
        if (n > MAX_LOOPS * 2)
            return hone_fail(err, HONE_REJECT_TOO_BIG, "a row with too many loops");
        if (together != ALONE && n == (unsigned)together + 1) /* one element for each row */
            return hone_unroll(s, loops[together], err);
        if (with)
            unroll = with->unroll;
        else
            HONE_TRY(sample_unroll(s, ctx, &unroll, err));
        HONE_TRY(cut_row(s, ctx, block, loops[n - 1], unroll, together, parts, err));
        HONE_TRY(hone_unroll(s, parts[1], err));
        HONE_TRY(hone_vectorize(s, parts[2], err));
        return with ? hone_merge(s, (hone_rv[]){parts[0], with->turns}, 2, &turns, err) : HONE_OK;
    }
    HONE_TRY(sample_unroll(s, ctx, &unroll, err));
    HONE_TRY(hone_annotate(s, block, "meta_schedule.vectorize",
                           ctx->target->vector_bytes / value_bytes(s, block), err));
    return hone_annotate_rv(s, block, "meta_schedule.unroll_explicit", unroll, err);
}
