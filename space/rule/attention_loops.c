/* Loops of the nest of attention: which are a block's own, vectors along queries, register tiles.
 */
#include "space/rule/attention.h"

hone_status hone_rule__attention_loops(hone_sched *s, hone_rv block, unsigned n, hone_rv *ret,
                                       hone_error *err)
{
    hone_rv loops[HONE_ATTENTION_LOOPS * 2];
    unsigned all;
    HONE_TRY(hone_get_loops(s, block, loops, HONE_ATTENTION_LOOPS * 2, &all, err));
    if (all < n || all > HONE_ATTENTION_LOOPS * 2)
        return hone_fail(err, HONE_REJECT_TOO_BIG, "attention: %u loops around a block", all);
    memcpy(ret, loops + all - n, n * sizeof *ret);
    return HONE_OK;
}

unsigned hone_rule__count_iters(hone_sched *s, hone_rv block)
{
    return hone_stmt_at(&s->prog, hone_rv_stmt(s, block))->n_iters;
}

hone_status hone_rule__along_rows(const hone_rule__attention_nest *x, hone_rv block, unsigned own,
                                  unsigned row, int step, hone_rv *ret_outer, hone_error *err)
{
    hone_sched *s = x->s;
    hone_rv loops[HONE_ATTENTION_LOOPS], order[HONE_ATTENTION_LOOPS + 3], parts[3];
    unsigned n = 0;
    HONE_TRY(hone_rule__attention_loops(s, block, own, loops, err));
    HONE_TRY(hone_split_by(s, loops[row], (int64_t[]){0, 4, x->lanes}, 3, parts, err));
    for (unsigned k = 0; k < own; k++)
        if (k != row && (int)k != step)
            order[n++] = loops[k];
    order[n++] = parts[0];
    if (step >= 0)
        order[n++] = loops[step];
    order[n++] = parts[1];
    order[n++] = parts[2];
    HONE_TRY(hone_reorder(s, order, n, err));
    HONE_TRY(hone_unroll(s, parts[1], err));
    if (ret_outer)
        *ret_outer = parts[0];
    return hone_vectorize(s, parts[2], err);
}

unsigned hone_rule__attention_tiles(const hone_rule__attention_nest *x, int64_t rows,
                                    int64_t columns, int64_t tiles[HONE_CONTRACT_MAX_TILES][2],
                                    int64_t *ret_pick)
{
    const hone_rule__policy *pol = &x->ctx->policy;
    hone_rule__contraction c = {
        .row = 0, .col = 1, .lanes = x->lanes, .group = 1, .extent = {rows, columns}};
    unsigned n = hone_rule__contraction_tiles(&c, x->ctx->target, tiles);
    *ret_pick =
        hone_rule__contraction_nearest_tile(tiles, n, rows, pol->rows, pol->vectors * x->lanes);
    return n;
}

hone_status hone_rule__attention_unroll(const hone_rule__attention_nest *x, hone_rv *ret,
                                        hone_error *err)
{
    static const int64_t unrolls[] = {1, 2, 4};
    int64_t which = x->ctx->policy.k_unroll >= 4 ? 2 : x->ctx->policy.k_unroll >= 2 ? 1 : 0;
    return hone_sample_categorical(x->s, unrolls, NULL, HONE_LEN(unrolls), &which, ret, err);
}
