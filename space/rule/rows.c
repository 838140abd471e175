/* The rule for rows: reductions along contiguous elements, and the chains of stages they stand in.
 *
 *   softmax, layer normalisation, sums and maxima of rows, norms: stages that share their outer
 *   indices (the row) and between which each row is reduced
 *
 *   nest      one parallel loop over rows with every stage of a row inside, while the row is in the
 *             nearest cache
 *   sum       within a row, by two RFactors: `unroll` vectors of partial results that stay in
 *             registers, then one vector, then one number
 *   few rows  (fewer than threads): each stage for itself, a row cut into pieces that run in
 *             parallel, by one RFactor more (MetaSchedule's AddRFactor)
 *
 * Stages are found before anything moves; the anchor of a chain is its last stage. */
#include "space/prim/prim.h"
#include "space/rule/rule.h"

#define MAX_MEMBERS 32
#define MAX_LOOPS 16

typedef struct member {
    char name[256];
    bool reduces;
} member;

typedef struct chain {
    member v[MAX_MEMBERS]; /* the anchor first, then backwards through the program */
    unsigned n;
    unsigned rows; /* loops shared by all */
} chain;

/* ---- finding chains -------------------------------------------------------------------------- */

static unsigned spatial_iters(hone_program *p, hone_stmt block)
{
    unsigned n = 0;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++)
        n += hone_iter_at(p, block, k)->kind == HONE_SPATIAL;
    return n;
}

/* The last dimension of the load that has more than one element: the one that runs along memory. A
 * column of a matrix N x 1 is as contiguous as a row. */
static unsigned contiguous_dim(const hone_program *p, hone_expr load)
{
    const hone_buffer_row *b = hone_buffer_at(p, (hone_buffer){hone_expr_at(p, load)->sym});
    unsigned d = hone_expr_at(p, load)->n_args;
    while (d > 1 && b->shape[d - 1] == 1)
        d--;
    return d - 1;
}

bool hone_rule__is_row_reduction(hone_program *p, hone_stmt block)
{
    hone_op op;
    hone_expr operand, loads[16];
    unsigned n_iters = hone_stmt_at(p, block)->n_iters;
    if (!n_iters || !hone_block_reduction(p, block, &op, &operand) ||
        hone_rule__is_contraction(p, block))
        return false;
    const hone_iter *last = hone_iter_at(p, block, n_iters - 1);
    if (last->kind != HONE_REDUCE)
        return false;
    hone_var v = last->var;
    unsigned n = hone_block_loads(p, block, loads, 16);
    bool used = false;
    for (unsigned k = 0; k < n && k < 16; k++)
        for (unsigned d = 0; d < hone_expr_at(p, loads[k])->n_args; d++) {
            hone_expr e = hone_expr_arg(p, loads[k], d);
            if (!hone_uses_var(p, e, v))
                continue;
            if (d != contiguous_dim(p, loads[k]) || !HONE_SAME(e, hone_var_expr(p, v)))
                return false;
            used = true;
        }
    return used && n <= 16;
}

static bool is_member(hone_program *p, hone_stmt b)
{
    return hone_is_block(p, b) && hone_stmt_at(p, b)->out.i && hone_stmt_at(p, b)->n_iters &&
           hone_rule__untouched(p, b) && !hone_rule__is_ahead(p, b) &&
           (hone_rule__is_row_reduction(p, b) ||
            (!hone_stmt_at(p, b)->init.i && !hone_rule__is_contraction(p, b)));
}

/* The first dimensions of what the block stores are the rows. */
static bool covers_rows(hone_program *p, hone_stmt block, hone_stmt anchor, unsigned rows)
{
    const hone_buffer_row *out = hone_buffer_at(p, hone_stmt_at(p, block)->out);
    hone_stmt loops[MAX_LOOPS];
    unsigned n = hone_loops_of(p, anchor, loops, MAX_LOOPS);
    bool all = out->n_dims >= rows && n >= rows && n <= MAX_LOOPS;
    for (unsigned k = 0; all && k < rows; k++)
        all = out->shape[k] == hone_loop_extent(p, loops[k]);
    return all;
}

/* Does b, directly or not, read what `from` computes? */
static bool depends_on(hone_program *p, hone_stmt b, hone_stmt from, unsigned depth)
{
    if (hone_uses_buffer(p, hone_stmt_at(p, b)->value, hone_stmt_at(p, from)->out))
        return true;
    for (hone_stmt w = p->root; w.i && depth < 8; w = hone_next(p, p->root, w))
        if (!HONE_SAME(w, b) && is_member(p, w) &&
            hone_uses_buffer(p, hone_stmt_at(p, b)->value, hone_stmt_at(p, w)->out) &&
            depends_on(p, w, from, depth + 1))
            return true;
    return false;
}

/* The chain that ends in `anchor`; false: it is none. */
static bool find_chain(hone_program *p, hone_stmt anchor, const bool *skip, chain *ret)
{
    ret->n = ret->rows = 0;
    bool any = hone_rule__is_row_reduction(p, anchor);
    ret->rows = any ? spatial_iters(p, anchor) : 0;
    for (hone_stmt b = p->root; b.i && !HONE_SAME(b, anchor); b = hone_next(p, p->root, b)) {
        if (!is_member(p, b) || skip[b.i] || !hone_rule__is_row_reduction(p, b) ||
            spatial_iters(p, b) > spatial_iters(p, anchor) || !depends_on(p, anchor, b, 0) ||
            !covers_rows(p, b, anchor, spatial_iters(p, b)))
            continue;
        if (!any || spatial_iters(p, b) < ret->rows)
            ret->rows = spatial_iters(p, b);
        any = true;
    }
    if (!any)
        return false;
    hone_stmt order[256];
    unsigned n = 0;
    for (hone_stmt b = p->root; b.i && n < 256; b = hone_next(p, p->root, b))
        if (HONE_SAME(b, anchor) ||
            (is_member(p, b) && !skip[b.i] && covers_rows(p, b, anchor, ret->rows) &&
             hone_buffer_at(p, hone_stmt_at(p, b)->out)->role == HONE_TEMP &&
             depends_on(p, anchor, b, 0)))
            order[n++] = b;
    while (n && !HONE_SAME(order[n - 1], anchor))
        n--;
    while (n-- && ret->n < MAX_MEMBERS) {
        member *m = &ret->v[ret->n++];
        snprintf(m->name, sizeof m->name, "%s", hone_sym_text(p, hone_stmt_at(p, order[n])->name));
        m->reduces = hone_stmt_at(p, order[n])->init.i != 0;
    }
    return true;
}

/* ---- one stage ------------------------------------------------------------------------------- */

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
        unsigned dims = contiguous_dim(p, loads[k]) + 1;
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

/* `block`, whose innermost loop (of the sum) is `row`: partial sums in registers. */
static hone_status reduce_row(hone_sched *s, const hone_rule__ctx *ctx, hone_rv block, hone_rv row,
                              hone_error *err)
{
    hone_rv unroll, parts[3], split[2], one, many, loops[MAX_LOOPS * 2];
    unsigned n;
    int64_t lanes = ctx->target->vector_bytes / value_bytes(s, block);
    HONE_TRY(sample_unroll(s, ctx, &unroll, err));
    HONE_TRY(hone_split_by(s, row, (int64_t[]){0, lanes}, 2, split, err));
    HONE_TRY(hone_split(s, split[0], (hone_rv[]){HONE_NO_RV, unroll}, 2, parts, err));
    parts[2] = split[1];
    HONE_TRY(hone_rfactor(s, parts[2], -1, &one, err));
    HONE_TRY(hone_rfactor(s, parts[1], -2, &many, err));
    HONE_TRY(hone_vectorize(s, parts[2], err));
    HONE_TRY(hone_unroll(s, parts[1], err));
    HONE_TRY(hone_get_loops(s, one, loops, MAX_LOOPS * 2, &n, err));
    HONE_TRY(hone_vectorize(s, loops[n - 1], err));
    HONE_TRY(hone_unroll(s, loops[n - 2], err));
    HONE_TRY(hone_get_loops(s, block, loops, MAX_LOOPS * 2, &n, err));
    return hone_vectorize(s, loops[n - 1], err);
}

static hone_status schedule_sum(hone_sched *s, const hone_rule__ctx *ctx, hone_rv block,
                                bool in_pieces, hone_error *err)
{
    hone_rv loops[MAX_LOOPS], row, parts[2], partial = block;
    unsigned n;
    hone_program *p = &s->prog;
    hone_stmt b = hone_rv_stmt(s, block);
    unsigned n_reduce = hone_stmt_at(p, b)->n_iters - spatial_iters(p, b);
    HONE_TRY(hone_get_loops(s, block, loops, MAX_LOOPS, &n, err));
    if (n > MAX_LOOPS || n < n_reduce)
        return hone_fail(err, HONE_REJECT_TOO_BIG, "a row with too many loops");
    row = loops[n - 1];
    if (n_reduce > 1 && are_one_row(p, b, n_reduce))
        HONE_TRY(hone_fuse(s, loops + n - n_reduce, n_reduce, &row, err));
    if (in_pieces) {
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
    return reduce_row(s, ctx, partial, row, err);
}

static hone_status schedule_elements(hone_sched *s, const hone_rule__ctx *ctx, hone_rv block,
                                     hone_error *err)
{
    hone_rv unroll;
    HONE_TRY(sample_unroll(s, ctx, &unroll, err));
    HONE_TRY(hone_annotate(s, block, "meta_schedule.vectorize",
                           ctx->target->vector_bytes / value_bytes(s, block), err));
    return hone_annotate_rv(s, block, "meta_schedule.unroll_explicit", unroll, err);
}

/* ---- chains ---------------------------------------------------------------------------------- */

static hone_status schedule_chain(hone_sched *s, const hone_rule__ctx *ctx, const chain *c,
                                  hone_error *err)
{
    hone_rv anchor, loops[MAX_LOOPS], block, task;
    unsigned n;
    HONE_TRY(hone_get_block(s, c->v[0].name, &anchor, err));
    HONE_TRY(hone_get_loops(s, anchor, loops, MAX_LOOPS, &n, err));
    if (n > MAX_LOOPS)
        return hone_fail(err, HONE_REJECT_TOO_BIG, "a row with too many loops");
    bool inside[MAX_MEMBERS] = {true};
    for (unsigned k = 1; k < c->n; k++) {
        HONE_TRY(hone_get_block(s, c->v[k].name, &block, err));
        inside[k] = hone_prim__can_compute_at(&s->prog, hone_rv_stmt(s, block),
                                              hone_rv_stmt(s, loops[c->rows - 1]));
        if (inside[k])
            HONE_TRY(hone_compute_at(s, block, loops[c->rows - 1], err));
    }
    task = loops[0];
    if (c->rows > 1)
        HONE_TRY(hone_fuse(s, loops, c->rows, &task, err));
    for (unsigned k = 0; k < c->n; k++) {
        if (!inside[k])
            continue;
        HONE_TRY(hone_get_block(s, c->v[k].name, &block, err));
        HONE_TRY(c->v[k].reduces ? schedule_sum(s, ctx, block, false, err)
                                 : schedule_elements(s, ctx, block, err));
    }
    return hone_parallel(s, task, err);
}

static bool few_rows(const hone_program *p, const chain *c, int32_t threads)
{
    hone_stmt loops[MAX_LOOPS];
    unsigned n = hone_loops_of(p, hone_block_find(p, c->v[0].name), loops, MAX_LOOPS);
    int64_t rows = 1;
    for (unsigned k = 0; k < c->rows && k < n && k < MAX_LOOPS; k++)
        rows *= hone_loop_extent(p, loops[k]);
    return rows < threads;
}

unsigned hone_rule__rows_variants(hone_program *p, const hone_rule__ctx *ctx)
{
    chain c;
    unsigned variants = 1;
    bool *skip = hone_xcalloc(HONE_MAX_STMTS + 1, sizeof *skip);
    for (hone_stmt b = p->root; b.i; b = hone_next(p, p->root, b))
        if (is_member(p, b) && find_chain(p, b, skip, &c) && c.rows &&
            few_rows(p, &c, ctx->threads))
            variants = 2;
    free(skip);
    return variants;
}

static hone_status schedule(hone_sched *s, const hone_rule__ctx *ctx, const chain *c,
                            hone_error *err)
{
    hone_rv block;
    if (c->rows && !(few_rows(&s->prog, c, ctx->threads) && ctx->variant % 2))
        return schedule_chain(s, ctx, c, err);
    if (!c->v[0].reduces)
        return HONE_OK;
    /* each for itself; the anchors of its inputs come later */
    HONE_TRY(hone_get_block(s, c->v[0].name, &block, err));
    return schedule_sum(s, ctx, block, ctx->threads > 1, err);
}

hone_status hone_rule__rows(hone_sched *s, const bool *skip, const hone_rule__ctx *ctx,
                            char **ret_failed, hone_error *err)
{
    hone_program *p = &s->prog;
    hone_stmt order[256];
    unsigned n = 0;
    for (hone_stmt b = p->root; b.i && n < 256; b = hone_next(p, p->root, b))
        if (is_member(p, b) && !skip[b.i])
            order[n++] = b;
    while (n-- > 0) {
        chain c;
        if (!is_member(p, order[n]) || !find_chain(p, order[n], skip, &c))
            continue;
        hone_status st = schedule(s, ctx, &c, err);
        if (st != HONE_OK) {
            *ret_failed = hone_xstrdup(c.v[0].name);
            return st;
        }
    }
    return HONE_OK;
}
