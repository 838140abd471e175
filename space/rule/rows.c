/* The rule for rows: reductions along contiguous elements, and the chains of stages they stand in.
 *
 *   softmax, layer normalisation, sums and maxima of rows, norms: stages that share their outer
 *   indices (the row) and between which each row is reduced
 *
 *   nest      one parallel loop over rows with every stage of a row inside, while the row is in the
 *             nearest cache
 *   together  or over a few rows at once, in turns of a vector each: what ends a row, the sum
 *             across lanes and what is made of that, takes long and leaves the processor little to
 *             do
 *   in place  what the last stage reads element by element is computed where that stores, unless
 *             registers hold it
 *   sum       within a row, by two RFactors: `unroll` vectors of partial results that stay in
 *             registers, then one vector, then one number
 *   at once   or, of rows that the nearest cache does not hold, it takes the elements of the stage
 *             before it as these are made, a few vectors at a time: both in one loop, and one
 * vector of partial results for a row few rows  (fewer than threads): each stage for itself, a row
 * cut into pieces that run in parallel, by one RFactor more (MetaSchedule's AddRFactor)
 *
 * Stages are found before anything moves; the anchor of a chain is its last stage. */
#include "space/rule/rows.h"

#define MAX_LOADS 8 /* of an anchor, that are looked at */

/* ---- finding chains -------------------------------------------------------------------------- */

unsigned hone_rule__spatial_iters(hone_program *p, hone_stmt block)
{
    unsigned n = 0;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++)
        n += hone_iter_at(p, block, k)->kind == HONE_SPATIAL;
    return n;
}

unsigned hone_rule__contiguous_dim(const hone_program *p, hone_expr load)
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
            if (d != hone_rule__contiguous_dim(p, loads[k]) || !HONE_SAME(e, hone_var_expr(p, v)))
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
    ret->rows = any ? hone_rule__spatial_iters(p, anchor) : 0;
    for (hone_stmt b = p->root; b.i && !HONE_SAME(b, anchor); b = hone_next(p, p->root, b)) {
        if (!is_member(p, b) || skip[b.i] || !hone_rule__is_row_reduction(p, b) ||
            hone_rule__spatial_iters(p, b) > hone_rule__spatial_iters(p, anchor) ||
            !depends_on(p, anchor, b, 0) ||
            !covers_rows(p, b, anchor, hone_rule__spatial_iters(p, b)))
            continue;
        if (!any || hone_rule__spatial_iters(p, b) < ret->rows)
            ret->rows = hone_rule__spatial_iters(p, b);
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

/* ---- chains ---------------------------------------------------------------------------------- */

/* The innermost of n loops over rows becomes two, the inner one over a few rows; the outer one
 * takes its place. Not all rows there are: with a task more or less a sum has another nest
 * (RFactor). */
static hone_status split_rows(hone_sched *s, hone_rv *loops, unsigned n, hone_error *err)
{
    static const int64_t rows[] = {2, 4, 8};
    int64_t which = 0, all = 1, extent = 1;
    hone_rv count, parts[2];
    for (unsigned k = 0; k < n; k++) {
        extent = hone_loop_extent(&s->prog, hone_rv_stmt(s, loops[k]));
        all *= extent;
    }
    unsigned choices = 1;
    while (choices < HONE_LEN(rows) && extent >= rows[choices] && all != rows[choices])
        choices++;
    HONE_TRY(hone_sample_categorical(s, rows, NULL, choices, &which, &count, err));
    HONE_TRY(hone_split(s, loops[n - 1], (hone_rv[]){HONE_NO_RV, count}, 2, parts, err));
    loops[n - 1] = parts[0];
    return HONE_OK;
}

/* Which of the buffers that the anchor reads may be computed where the anchor stores; -1: none. */
static int inplace_of(hone_program *p, hone_stmt anchor)
{
    for (unsigned k = 0; k < MAX_LOADS; k++)
        if (hone_prim__can_compute_inplace(p, anchor, k))
            return (int)k;
    return -1;
}

/* How a chain may be scheduled. */
typedef struct way {
    bool apart; /* for fewer rows than threads */
    bool together, inplace, at_once;
} way;
#define MAX_WAYS 8

/* The k-th stage makes, element by element of a row, what the reduction right behind it goes
 * through, and the nearest cache does not hold what it reads and makes: then the reduction would
 * have to wait for it. */
static bool feeds_next(hone_program *p, const hone_rule__ctx *ctx, const chain *c, unsigned k)
{
    if (k == 0 || c->v[k].reduces || !c->v[k - 1].reduces)
        return false;
    hone_stmt b = hone_block_find(p, c->v[k].name), next = hone_block_find(p, c->v[k - 1].name);
    unsigned rows = hone_rule__spatial_iters(p, next), n = hone_stmt_at(p, b)->n_iters;
    if (rows != c->rows || n != rows + 1 || hone_stmt_at(p, next)->n_iters != n ||
        !hone_uses_buffer(p, hone_stmt_at(p, next)->value, hone_stmt_at(p, b)->out))
        return false;
    int64_t elements = hone_var_at(p, hone_iter_at(p, b, n - 1)->var)->extent;
    int width = hone_dtype_bytes(hone_expr_dtype(p, hone_stmt_at(p, b)->value));
    return 2 * elements * width > ctx->target->l1_bytes;
}

static hone_status schedule_chain(hone_sched *s, const hone_rule__ctx *ctx, const chain *c,
                                  const way *w, hone_error *err)
{
    hone_rv anchor, loops[MAX_LOOPS], block, task;
    unsigned n;
    int from;
    row_cut cut = {0};
    bool feeds[MAX_MEMBERS] = {false};
    for (unsigned k = 1; k < c->n && w->at_once; k++)
        feeds[k] = feeds_next(&s->prog, ctx, c, k);
    HONE_TRY(hone_get_block(s, c->v[0].name, &anchor, err));
    HONE_TRY(hone_get_loops(s, anchor, loops, MAX_LOOPS, &n, err));
    if (n > MAX_LOOPS)
        return hone_fail(err, HONE_REJECT_TOO_BIG, "a row with too many loops");
    if (w->together)
        HONE_TRY(split_rows(s, loops, c->rows, err));
    bool inside[MAX_MEMBERS] = {true};
    for (unsigned k = 1; k < c->n; k++) {
        HONE_TRY(hone_get_block(s, c->v[k].name, &block, err));
        inside[k] = hone_prim__can_compute_at(&s->prog, hone_rv_stmt(s, block),
                                              hone_rv_stmt(s, loops[c->rows - 1]));
        if (inside[k])
            HONE_TRY(hone_compute_at(s, block, loops[c->rows - 1], err));
    }
    if (w->inplace && (from = inplace_of(&s->prog, hone_rv_stmt(s, anchor))) >= 0)
        HONE_TRY(hone_compute_inplace(s, anchor, (unsigned)from, err));
    task = loops[0];
    if (c->rows > 1)
        HONE_TRY(hone_fuse(s, loops, c->rows, &task, err));
    for (unsigned k = 0; k < c->n; k++) {
        if (!inside[k])
            continue;
        /* the anchor's own loops over rows are the task; others have them again, inside */
        int at = !w->together ? ALONE : k == 0 ? 1 : (int)c->rows;
        const row_cut *with = feeds[k] && inside[k - 1] ? &cut : NULL;
        row_sum_way how = k + 1 < c->n && feeds[k + 1] ? SUM_IN_ONE : SUM_IN_MANY;
        HONE_TRY(hone_get_block(s, c->v[k].name, &block, err));
        HONE_TRY(c->v[k].reduces ? hone_rule__row_sum(s, ctx, block, how, at, &cut, err)
                                 : hone_rule__row_elements(s, ctx, block, at, with, err));
    }
    return hone_parallel(s, task, err);
}

static unsigned ways_of(hone_program *p, const chain *c, const hone_rule__ctx *ctx,
                        way ret[MAX_WAYS])
{
    hone_stmt loops[MAX_LOOPS], anchor = hone_block_find(p, c->v[0].name);
    unsigned n = hone_loops_of(p, anchor, loops, MAX_LOOPS), m = 0;
    int64_t rows = 1, last = 1;
    for (unsigned k = 0; k < c->rows && k < n && k < MAX_LOOPS; k++) {
        last = hone_loop_extent(p, loops[k]);
        rows *= last;
    }
    bool few = !c->rows || rows < ctx->threads, at_once = false;
    for (unsigned k = 1; k < c->n && c->rows; k++)
        at_once |= feeds_next(p, ctx, c, k);
    for (int inplace = inplace_of(p, anchor) >= 0; inplace >= 0 && c->rows; inplace--)
        for (int together = 0; together <= (!few && last > 1); together++)
            ret[m++] = (way){.together = together, .inplace = inplace};
    if (few)
        ret[m++] = (way){.apart = true};
    for (int together = 0; at_once && together <= (!few && last > 1); together++)
        ret[m++] =
            (way){.together = together, .inplace = inplace_of(p, anchor) >= 0, .at_once = true};
    return m;
}

unsigned hone_rule__rows_variants(hone_program *p, const hone_rule__ctx *ctx)
{
    chain c;
    way ways[MAX_WAYS];
    unsigned most = 1;
    bool *skip = hone_xcalloc(HONE_MAX_STMTS + 1, sizeof *skip);
    for (hone_stmt b = p->root; b.i; b = hone_next(p, p->root, b)) {
        unsigned n = is_member(p, b) && find_chain(p, b, skip, &c) ? ways_of(p, &c, ctx, ways) : 0;
        most = n > most ? n : most;
    }
    free(skip);
    return most;
}

static hone_status schedule(hone_sched *s, const hone_rule__ctx *ctx, const chain *c,
                            hone_error *err)
{
    hone_rv block;
    row_cut cut;
    way ways[MAX_WAYS];
    unsigned n = ways_of(&s->prog, c, ctx, ways);
    way w = ways[ctx->variant % n];
    if (!w.apart)
        return schedule_chain(s, ctx, c, &w, err);
    if (!c->v[0].reduces)
        return HONE_OK;
    /* each for itself; the anchors of its inputs come later */
    HONE_TRY(hone_get_block(s, c->v[0].name, &block, err));
    return hone_rule__row_sum(s, ctx, block, ctx->threads > 1 ? SUM_IN_PIECES : SUM_IN_MANY, ALONE,
                              &cut, err);
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
