/* What follows the scores in the nest of attention: the softmax of a block of keys, the sums of its
 * exponentials, and their product with the values. */
#include "space/rule/attention.h"

/* ---- softmax --------------------------------------------------------------------------------- */

/* The place of a block's iterator among those that are left without the step. */
static unsigned without_step(unsigned iter, unsigned step)
{
    return iter - (step < iter);
}

static void block_name(const hone_sched *s, hone_stmt block, char ret[HONE_ATTENTION_NAME])
{
    snprintf(ret, HONE_ATTENTION_NAME, "%s",
             hone_sym_text(&s->prog, hone_stmt_at(&s->prog, block)->name));
}

static hone_status get_part(hone_sched *s, const char *name, const char *suffix, hone_rv *ret,
                            hone_error *err)
{
    char full[HONE_ATTENTION_NAME + 16];
    snprintf(full, sizeof full, "%.*s_%s", HONE_UTF8_CUT(name, 80), suffix);
    return hone_get_block(s, full, ret, err);
}

hone_status hone_rule__attention_softmax(const hone_rule__attention_nest *x, hone_error *err)
{
    hone_sched *s = x->s;
    const hone_rule__attention_parts *a = x->a;
    hone_rv block, outer, copies[2];
    const unsigned row = without_step(a->row, x->o.step);
    const hone_prim__online_exp *e = &x->o.exps[0];
    HONE_TRY(get_part(s, a->top, "init", &block, err));
    HONE_TRY(hone_rule__along_rows(x, block, hone_rule__count_iters(s, block), row, -1, NULL, err));
    HONE_TRY(get_part(s, a->exp, "scale", &block, err));
    HONE_TRY(
        hone_rule__along_rows(x, block, hone_rule__count_iters(s, block) - 1, row, -1, NULL, err));
    HONE_TRY(hone_get_block(s, a->top, &block, err));
    HONE_TRY(
        hone_rule__along_rows(x, block, hone_rule__count_iters(s, block) - 1, row, -1, NULL, err));

    HONE_TRY(get_part(s, a->top, "part", &block, err));
    unsigned own = hone_rule__count_iters(s, block) - 1;
    HONE_TRY(hone_rule__along_rows(x, block, own, row, (int)own - 1, &outer, err));
    HONE_TRY(hone_cache_accumulate(s, block, outer, HONE_LOCAL, copies, err));
    for (unsigned k = 0; k < 2; k++) {
        hone_rv loops[HONE_ATTENTION_LOOPS], parts[2];
        unsigned dims = hone_stmt_at(&s->prog, hone_rv_stmt(s, copies[k]))->n_index;
        HONE_TRY(hone_rule__attention_loops(s, copies[k], dims, loops, err));
        HONE_TRY(hone_reorder(s, (hone_rv[]){loops[dims - 1], loops[row]}, 2, err));
        HONE_TRY(hone_split_by(s, loops[row], (int64_t[]){0, x->lanes}, 2, parts, err));
        HONE_TRY(hone_unroll(s, parts[0], err));
        HONE_TRY(hone_vectorize(s, parts[1], err));
    }
    HONE_TRY(hone_get_block(s, a->exp, &block, err));
    own = hone_rule__count_iters(s, block) - 1;
    unsigned e_row = without_step((unsigned)e->iter_of[a->row], (unsigned)e->iter_of[x->o.step]);
    return hone_rule__along_rows(x, block, own, e_row, (int)own - 1, NULL, err);
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* A sum of the exponentials alone: vectors of partial sums, put where the sum goes on. */
static hone_status schedule_total(const hone_rule__attention_nest *x,
                                  const hone_prim__online_sum *sum, hone_error *err)
{
    hone_sched *s = x->s;
    char name[HONE_ATTENTION_NAME];
    block_name(s, sum->block, name);
    hone_rv block, part, outer, loops[HONE_ATTENTION_LOOPS], vec[2], order[HONE_ATTENTION_LOOPS];
    const unsigned row =
        without_step((unsigned)sum->iter_of[x->a->row], (unsigned)sum->iter_of[x->o.step]);
    unsigned k = 0;
    HONE_TRY(get_part(s, name, "init", &block, err));
    HONE_TRY(hone_rule__along_rows(x, block, hone_rule__count_iters(s, block), row, -1, NULL, err));
    HONE_TRY(hone_get_block(s, name, &block, err));
    HONE_TRY(hone_rule__along_rows(x, block, hone_rule__count_iters(s, block) - 1, row, -1, &outer,
                                   err));
    HONE_TRY(get_part(s, name, "part", &part, err));
    HONE_TRY(hone_compute_at(s, part, outer, err));
    HONE_TRY(hone_set_scope(s, part, HONE_LOCAL, err));
    unsigned own =
        hone_rule__count_iters(s, part); /* now the number of the block has a loop, too */
    HONE_TRY(hone_rule__attention_loops(s, part, own, loops, err));
    HONE_TRY(hone_split_by(s, loops[row], (int64_t[]){0, x->lanes}, 2, vec, err));
    for (unsigned q = 0; q < own; q++)
        if (q != row)
            order[k++] = loops[q];
    order[k++] = vec[0];
    order[k++] = vec[1];
    HONE_TRY(hone_reorder(s, order, k, err));
    HONE_TRY(hone_unroll(s, vec[0], err));
    return hone_vectorize(s, vec[1], err);
}

/* The product with the values: register tiles of partial sums, put where the sum goes on. */
static hone_status schedule_values(const hone_rule__attention_nest *x,
                                   const hone_prim__online_sum *sum, hone_error *err)
{
    hone_sched *s = x->s;
    const hone_rule__attention_parts *a = x->a;
    const unsigned step = (unsigned)sum->iter_of[x->o.step];
    const unsigned row = without_step((unsigned)sum->iter_of[a->row], step);
    const unsigned col = without_step(a->value_col, step);
    hone_rv block, part, loops[HONE_ATTENTION_LOOPS], parts[2], order[HONE_ATTENTION_LOOPS + 4],
        tile[2], r[2], c[2];
    int64_t tiles[HONE_CONTRACT_MAX_TILES][2], pick;
    unsigned k = 0;
    HONE_TRY(get_part(s, a->values, "init", &block, err));
    unsigned own = hone_rule__count_iters(s, block);
    HONE_TRY(hone_rule__attention_loops(s, block, own, loops, err));
    for (unsigned q = 0; q < own; q++)
        if (q != col)
            order[k++] = loops[q];
    order[k++] = loops[col];
    HONE_TRY(hone_reorder(s, order, k, err));
    HONE_TRY(hone_split_by(s, loops[col], (int64_t[]){0, x->lanes}, 2, parts, err));
    HONE_TRY(hone_vectorize(s, parts[1], err));

    HONE_TRY(hone_get_block(s, a->values, &block, err));
    own = hone_rule__count_iters(s, block) - 1;
    HONE_TRY(hone_rule__attention_loops(s, block, own, loops, err));
    unsigned n = hone_rule__attention_tiles(
        x, hone_loop_extent(&s->prog, hone_rv_stmt(s, loops[row])), a->columns, tiles, &pick);
    HONE_TRY(hone_sample_register_tile(s, loops[row], loops[col], (const int64_t(*)[2])tiles, NULL,
                                       n, &pick, tile, err));
    HONE_TRY(hone_split(s, loops[row], (hone_rv[]){HONE_NO_RV, tile[0]}, 2, r, err));
    HONE_TRY(hone_split(s, loops[col], (hone_rv[]){HONE_NO_RV, tile[1]}, 2, c, err));
    HONE_TRY(hone_split_by(s, c[1], (int64_t[]){0, x->lanes}, 2, parts, err));
    k = 0;
    for (unsigned q = 0; q < own; q++)
        if (q != row && q != col)
            order[k++] = loops[q];
    order[k++] = r[0];
    order[k++] = c[0];
    order[k++] = r[1];
    order[k++] = parts[0];
    order[k++] = parts[1];
    HONE_TRY(hone_reorder(s, order, k, err));
    HONE_TRY(hone_unroll(s, r[1], err));
    HONE_TRY(hone_unroll(s, parts[0], err));
    HONE_TRY(hone_vectorize(s, parts[1], err));

    HONE_TRY(get_part(s, a->values, "part", &part, err));
    HONE_TRY(hone_compute_at(s, part, c[0], err));
    HONE_TRY(hone_set_scope(s, part, HONE_LOCAL, err));
    own = hone_rule__count_iters(s, part);
    hone_rv unroll, steps[2];
    HONE_TRY(hone_rule__attention_loops(s, part, own, loops, err));
    HONE_TRY(hone_rule__attention_unroll(x, &unroll, err));
    HONE_TRY(hone_split(s, loops[own - 1], (hone_rv[]){HONE_NO_RV, unroll}, 2, steps, err));
    HONE_TRY(hone_split_by(s, loops[col], (int64_t[]){0, x->lanes}, 2, parts, err));
    k = 0;
    for (unsigned q = 0; q < own - 1; q++)
        if (q != row && q != col)
            order[k++] = loops[q];
    order[k++] = steps[0];
    order[k++] = steps[1];
    order[k++] = loops[row];
    order[k++] = parts[0];
    order[k++] = parts[1];
    HONE_TRY(hone_reorder(s, order, k, err));
    HONE_TRY(hone_unroll(s, steps[1], err));
    HONE_TRY(hone_unroll(s, loops[row], err));
    HONE_TRY(hone_unroll(s, parts[0], err));
    return hone_vectorize(s, parts[1], err);
}

hone_status hone_rule__attention_sums(const hone_rule__attention_nest *x, hone_error *err)
{
    const hone_stmt values = hone_block_find(&x->s->prog, x->a->values);
    for (unsigned k = 0; k < x->o.n_sums; k++)
        HONE_TRY(HONE_SAME(x->o.sums[k].block, values) ? schedule_values(x, &x->o.sums[k], err)
                                                       : schedule_total(x, &x->o.sums[k], err));
    return HONE_OK;
}
