/* The rule for attention: a tile of queries against blocks of keys, with the maximum and the sums
 * so far (FlashAttention: Dao et al., NeurIPS 2022; Dao, "FlashAttention-2", 2023), out of the
 * stages as they are written.
 *
 *   parallel [others, i0] | queries transposed | o | scores: jt, i1 | d, unrolled tile, vector
 *                                                  | maximum, exponentials, their sum
 *                                                  | values: i1, d1 | r, unrolled tile, vector
 *                         | what follows the sums
 *
 * i0 are tiles of queries, o blocks of keys (OnlineSoftmax). Vectors of scores run along queries,
 * so that maxima and sums of rows are those of vectors, keys are read as they lie in memory, and
 * the exponentials lie as the product with the values reads them. What is masked for a whole block
 * is left out. */
#include "space/rule/attention.h"
#include "space/prim/prim.h"
#include "space/rule/contraction_analysis.h"

/* ---- sizes ----------------------------------------------------------------------------------- */

/* A multiple of `unit`, as few of them as cover the extent at most; first that nearest to `want`.
 */
static hone_status sample_size(const hone_rule__attention_nest *x, int64_t unit, int64_t extent,
                               int64_t want, hone_rv *ret, hone_error *err)
{
    static const int64_t multiples[] = {1, 2, 3, 4, 6, 8, 12, 16};
    int64_t sizes[HONE_LEN(multiples)], which = 0;
    unsigned n = 0;
    do
        sizes[n] = unit * multiples[n];
    while (sizes[n++] < extent && n < HONE_LEN(multiples));
    for (unsigned k = 1; k < n; k++)
        if (llabs(sizes[k] - want) < llabs(sizes[which] - want))
            which = k;
    return hone_sample_categorical(x->s, sizes, NULL, n, &which, ret, err);
}

/* ---- layouts --------------------------------------------------------------------------------- */

/* Scores and exponentials lie with the queries innermost, as do the queries' own numbers. */
static hone_status lay_out(hone_rule__attention_nest *x, hone_error *err)
{
    hone_sched *s = x->s;
    const hone_rule__attention_parts *a = x->a;
    const unsigned inner[2] = {a->step_dim, a->row_dim};
    hone_program *p = &s->prog;
    hone_rv exp;
    HONE_TRY(hone_get_block(s, a->scores, &x->scores, err));
    if (a->last[0])
        HONE_TRY(hone_get_block(s, a->last, &x->last, err));
    else
        HONE_TRY(hone_cache_write(s, x->scores, HONE_GLOBAL, &x->last, err));
    unsigned dims = hone_stmt_at(p, hone_rv_stmt(s, x->last))->n_index;
    HONE_TRY(hone_rule__move_inside(s, x->last, dims, inner, 2, err));

    hone_prim__online o;
    int iters[HONE_MAX_DIMS];
    unsigned of_exp[2] = {0, 0};
    HONE_TRY(hone_get_block(s, a->exp, &exp, err));
    HONE_TRY(hone_prim__online_find(p, hone_block_find(p, a->top), &o, err));
    if (!hone_prim__store_iters(p, o.exps[0].block, iters))
        return hone_fail(err, HONE_REJECT_ARG, "attention: exponentials in disorder");
    dims = hone_stmt_at(p, o.exps[0].block)->n_index;
    for (unsigned d = 0; d < dims; d++) {
        if (iters[d] == o.exps[0].iter_of[o.step])
            of_exp[0] = d;
        if (iters[d] == o.exps[0].iter_of[a->row])
            of_exp[1] = d;
    }
    HONE_TRY(hone_rule__move_inside(s, exp, dims, of_exp, 2, err));

    HONE_TRY(hone_cache_read(s, x->scores, a->query_read, HONE_GLOBAL, &x->queries, err));
    return a->query_row_dim + 1 == a->query_dims
               ? HONE_OK
               : hone_rule__move_inside(s, x->queries, a->query_dims, &a->query_row_dim, 1, err);
}

/* ---- one loop -------------------------------------------------------------------------------- */

/* Tiles of queries, around all that one of them needs. ret: the loops that tasks are made of. */
static hone_status tile_queries(hone_rule__attention_nest *x, hone_rv ret[HONE_ATTENTION_LOOPS],
                                unsigned *ret_n, hone_error *err)
{
    hone_sched *s = x->s;
    const hone_rule__attention_parts *a = x->a;
    hone_rv anchor, loops[HONE_ATTENTION_LOOPS], order[HONE_ATTENTION_LOOPS], parts[2], size, block;
    unsigned n, k = 0;
    HONE_TRY(hone_get_block(s, a->anchor, &anchor, err));
    HONE_TRY(hone_get_loops(s, anchor, loops, HONE_ATTENTION_LOOPS, &n, err));
    if (n > HONE_ATTENTION_LOOPS - 2)
        return hone_fail(err, HONE_REJECT_TOO_BIG, "attention: too many loops");
    HONE_TRY(sample_size(x, x->lanes, a->queries, 4 * x->lanes, &size, err));
    HONE_TRY(hone_split(s, loops[a->anchor_row], (hone_rv[]){HONE_NO_RV, size}, 2, parts, err));
    for (unsigned q = 0; q < n; q++)
        if (q != a->anchor_row && q != a->anchor_col)
            order[k++] = loops[q];
    order[k++] = x->tile = parts[0];
    memcpy(ret, order, k * sizeof *ret);
    *ret_n = k;
    order[k++] = parts[1];
    order[k++] = x->column = loops[a->anchor_col];
    HONE_TRY(hone_reorder(s, order, k, err));

    for (unsigned q = a->n_sums; q-- > 0;) {
        HONE_TRY(hone_get_block(s, a->sums[q], &block, err));
        HONE_TRY(hone_compute_at(s, block, x->tile, err));
    }
    HONE_TRY(hone_get_block(s, a->exp, &block, err));
    HONE_TRY(hone_compute_at(s, block, x->tile, err));
    HONE_TRY(hone_get_block(s, a->top, &block, err));
    HONE_TRY(hone_compute_at(s, block, x->tile, err));
    HONE_TRY(hone_compute_at(s, x->last, x->tile, err));
    HONE_TRY(hone_compute_at(s, x->scores, x->tile, err));
    HONE_TRY(hone_compute_at(s, x->queries, x->tile, err));

    /* shorter blocks where they may be left out */
    HONE_TRY(sample_size(x, 32, a->keys, a->is_masked ? 64 : 128, &size, err));
    HONE_TRY(hone_get_block(s, a->top, &block, err));
    HONE_TRY(hone_prim__online_find(&s->prog, hone_rv_stmt(s, block), &x->o, err));
    HONE_TRY(hone_online_softmax(s, block, size, &x->block, err));
    HONE_TRY(hone_compute_at(s, x->last, x->block, err));
    return hone_compute_at(s, x->scores, x->block, err);
}

/* ---- scores ---------------------------------------------------------------------------------- */

/* The register tile's load or store: keys, and vectors of queries. */
static hone_status copy_tile(const hone_rule__attention_nest *x, hone_rv copy, unsigned row,
                             unsigned step, hone_error *err)
{
    hone_sched *s = x->s;
    hone_rv loops[HONE_ATTENTION_LOOPS], parts[2];
    unsigned dims = hone_stmt_at(&s->prog, hone_rv_stmt(s, copy))->n_index;
    HONE_TRY(hone_rule__attention_loops(s, copy, dims, loops, err));
    HONE_TRY(hone_split_by(s, loops[row], (int64_t[]){0, x->lanes}, 2, parts, err));
    HONE_TRY(hone_reorder(s, (hone_rv[]){loops[step], parts[0], parts[1]}, 3, err));
    HONE_TRY(hone_unroll(s, loops[step], err));
    HONE_TRY(hone_unroll(s, parts[0], err));
    return hone_vectorize(s, parts[1], err);
}

/* What nobody needs is left out, where a block's readers say so. */
static hone_status skip_unread(hone_sched *s, hone_rv block, hone_error *err)
{
    hone_status st = hone_skip_unread(s, block, err);
    return hone_status_is_reject(st) ? HONE_OK : st;
}

/* Scores were rebuilt with a loop for each iterator, those of the sum innermost. */
static unsigned loop_number(const hone_program *p, hone_stmt block, unsigned iter)
{
    unsigned k = 0;
    for (unsigned q = 0; q < iter; q++)
        k += hone_iter_at(p, block, q)->kind == HONE_SPATIAL;
    return k;
}

static hone_status tile_scores(hone_rule__attention_nest *x, hone_error *err)
{
    hone_sched *s = x->s;
    const hone_rule__attention_parts *a = x->a;
    hone_program *p = &s->prog;
    const hone_stmt stmt = hone_rv_stmt(s, x->scores);
    hone_rv loops[HONE_ATTENTION_LOOPS], tile[2], row[2], step[2], vec[2], sum[2], unroll,
        copies[2];
    int64_t tiles[HONE_CONTRACT_MAX_TILES][2], pick;
    unsigned own = hone_rule__count_iters(s, x->scores), dims = hone_stmt_at(p, stmt)->n_index;
    unsigned row_at = loop_number(p, stmt, a->score_row);
    unsigned step_at = loop_number(p, stmt, a->score_step), row_dim = 0, step_dim = 0;
    int iters[HONE_MAX_DIMS];
    if (!hone_prim__store_iters(p, stmt, iters))
        return hone_fail(err, HONE_REJECT_ARG, "attention: scores in disorder");
    for (unsigned d = 0; d < dims; d++) {
        row_dim = iters[d] == (int)a->score_row ? d : row_dim;
        step_dim = iters[d] == (int)a->score_step ? d : step_dim;
    }
    HONE_TRY(hone_rule__attention_loops(s, x->scores, own, loops, err));
    unsigned n = hone_rule__attention_tiles(x, hone_loop_extent(p, hone_rv_stmt(s, loops[step_at])),
                                            hone_loop_extent(p, hone_rv_stmt(s, loops[row_at])),
                                            tiles, &pick);
    HONE_TRY(hone_sample_register_tile(s, loops[step_at], loops[row_at], (const int64_t(*)[2])tiles,
                                       NULL, n, &pick, tile, err));
    HONE_TRY(hone_split(s, loops[step_at], (hone_rv[]){HONE_NO_RV, tile[0]}, 2, step, err));
    HONE_TRY(hone_split(s, loops[row_at], (hone_rv[]){HONE_NO_RV, tile[1]}, 2, row, err));
    HONE_TRY(hone_split_by(s, row[1], (int64_t[]){0, x->lanes}, 2, vec, err));
    HONE_TRY(hone_rule__attention_unroll(x, &unroll, err));
    HONE_TRY(hone_split(s, loops[own - 1], (hone_rv[]){HONE_NO_RV, unroll}, 2, sum, err));
    hone_rv order[HONE_ATTENTION_LOOPS + 8];
    unsigned k = 0;
    for (unsigned q = 0; q < own - 1; q++)
        if (q != row_at && q != step_at && hone_iter_at(p, stmt, q)->kind == HONE_SPATIAL)
            order[k++] = loops[q];
    order[k++] = step[0];
    order[k++] = row[0];
    for (unsigned q = 0; q < own - 1; q++)
        if (hone_iter_at(p, stmt, q)->kind == HONE_REDUCE)
            order[k++] = loops[q];
    order[k++] = sum[0];
    order[k++] = sum[1];
    order[k++] = step[1];
    order[k++] = vec[0];
    order[k++] = vec[1];
    HONE_TRY(hone_reorder(s, order, k, err));
    HONE_TRY(hone_cache_accumulate(s, x->scores, row[0], HONE_LOCAL, copies, err));
    HONE_TRY(copy_tile(x, copies[0], row_dim, step_dim, err));
    HONE_TRY(copy_tile(x, copies[1], row_dim, step_dim, err));
    HONE_TRY(hone_unroll(s, sum[1], err));
    HONE_TRY(hone_unroll(s, step[1], err));
    HONE_TRY(hone_unroll(s, vec[0], err));
    HONE_TRY(hone_vectorize(s, vec[1], err));

    /* The elementwise stage goes into the tile's store. */
    hone_status st = hone_reverse_compute_inline(s, x->last, err);
    if (st != HONE_OK && !hone_status_is_reject(st))
        return st;
    if (st != HONE_OK) {
        unsigned last = hone_rule__count_iters(s, x->last);
        HONE_TRY(hone_rule__along_rows(x, x->last, last, last - 1, (int)last - 2, NULL, err));
        HONE_TRY(a->is_masked ? skip_unread(s, x->last, err) : HONE_OK);
    }
    if (!a->is_masked)
        return HONE_OK;
    HONE_TRY(skip_unread(s, copies[1], err));
    HONE_TRY(skip_unread(s, x->scores, err));
    return skip_unread(s, copies[0], err);
}

/* The queries' copy, which has them innermost: from rows where they are dimensions of their own. */
static hone_status copy_queries(hone_rule__attention_nest *x, const hone_rv *loops, hone_error *err)
{
    hone_program *p = &x->s->prog;
    const hone_rule__attention_parts *a = x->a;
    hone_expr load;
    hone_rv parts[2];
    hone_rv across = loops[a->query_dims - 1];
    if (hone_block_loads(p, hone_rv_stmt(x->s, x->queries), &load, 1) == 1 && a->query_dims > 1 &&
        a->query_row_dim + 1 < a->query_dims &&
        hone_rule__has_squares(p, (hone_buffer){hone_expr_at(p, load)->sym}, x->lanes,
                               x->ctx->target))
        return hone_rule__squares(x->s, loops[a->query_dims - 2], across, x->lanes, err);
    HONE_TRY(hone_split_by(x->s, across, (int64_t[]){0, x->lanes}, 2, parts, err));
    return hone_vectorize(x->s, parts[1], err);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static hone_status schedule(hone_sched *s, const hone_rule__ctx *ctx,
                            const hone_rule__attention_parts *a, hone_error *err)
{
    hone_rule__attention_nest x = {
        .s = s, .ctx = ctx, .a = a, .lanes = ctx->target->vector_bytes / a->bytes};
    hone_rv tasks[HONE_ATTENTION_LOOPS], task, parts[2], loops[HONE_ATTENTION_LOOPS];
    unsigned n = 0;
    HONE_TRY(lay_out(&x, err));
    HONE_TRY(tile_queries(&x, tasks, &n, err));
    HONE_TRY(tile_scores(&x, err));
    HONE_TRY(hone_rule__attention_softmax(&x, err));
    HONE_TRY(hone_rule__attention_sums(&x, err));
    HONE_TRY(
        hone_rule__attention_loops(s, x.queries, hone_rule__count_iters(s, x.queries), loops, err));
    HONE_TRY(copy_queries(&x, loops, err));
    HONE_TRY(hone_split_by(s, x.column, (int64_t[]){0, x.lanes}, 2, parts, err));
    HONE_TRY(hone_unroll(s, parts[0], err));
    HONE_TRY(hone_vectorize(s, parts[1], err));
    task = tasks[0];
    if (n > 1)
        HONE_TRY(hone_fuse(s, tasks, n, &task, err));
    return hone_parallel(s, task, err);
}

/* One way of its own, and after it all that the rules for products have for the two of them. */
unsigned hone_rule__attention_variants(hone_program *p, const hone_rule__ctx *ctx)
{
    hone_rule__attention_parts a;
    unsigned others = 0;
    for (hone_stmt b = p->root; b.i; b = hone_next(p, p->root, b)) {
        if (!hone_rule__attention_find(p, b, NULL, &a))
            continue;
        const char *const products[] = {a.scores, a.values};
        others = others ? others : 1;
        for (unsigned k = 0; k < HONE_LEN(products); k++) {
            unsigned n = hone_rule__contraction_variants(p, hone_block_find(p, products[k]), ctx);
            others = n > others ? n : others;
        }
    }
    return others ? others + 1 : 0;
}

hone_status hone_rule__attention(hone_sched *s, const bool *skip, const hone_rule__ctx *ctx,
                                 char **ret_failed, hone_error *err)
{
    hone_program *p = &s->prog;
    hone_rule__attention_parts a;
    hone_stmt tops[64];
    unsigned n = 0;
    if (ctx->variant > 0)
        return HONE_OK;
    for (hone_stmt b = p->root; b.i; b = hone_next(p, p->root, b))
        if (n < HONE_LEN(tops) && hone_rule__attention_find(p, b, skip, &a))
            tops[n++] = b;
    for (unsigned k = 0; k < n; k++) {
        if (!hone_is_block(p, tops[k]) || !hone_rule__attention_find(p, tops[k], skip, &a))
            continue;
        hone_status st = schedule(s, ctx, &a, err);
        if (st != HONE_OK) {
            *ret_failed = hone_xstrdup(a.top);
            return st;
        }
    }
    return HONE_OK;
}
