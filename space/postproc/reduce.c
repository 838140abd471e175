/* RewriteReductionBlock (MetaSchedule): a sum that still starts inside its own loops is started
 * before them, so that no step asks whether it is the first. */
#include "space/rule/rule.h"

static bool is_reduce_loop(const hone_program *p, hone_stmt block, hone_stmt loop)
{
    if (hone_loop_extent(p, loop) == 1)
        return false;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        const hone_iter *it = hone_iter_at(p, block, k);
        if (it->kind == HONE_REDUCE && hone_uses_var(p, it->binding, hone_stmt_at(p, loop)->var))
            return true;
    }
    return false;
}

/* Outermost loop of the sum, as a position among the block's loops; -1: it has none, or it is
 * unrolled and every copy knows whether it is the first, or vectorized and all lanes are the first
 * step together. */
static int first_reduce_loop(const hone_program *p, hone_stmt block)
{
    hone_stmt loops[32];
    unsigned n = hone_loops_of(p, block, loops, 32);
    for (unsigned k = 0; k < n && n <= 32; k++)
        if (is_reduce_loop(p, block, loops[k]))
            return hone_stmt_at(p, loops[k])->loop_kind == HONE_UNROLLED ||
                           hone_stmt_at(p, loops[k])->loop_kind == HONE_VECTORIZED
                       ? -1
                       : (int)k;
    return -1;
}

hone_status hone_postproc__reduction_block(hone_sched *s, const hone_rule_info *info,
                                           hone_error *err)
{
    (void)info;
    hone_program *p = &s->prog;
    for (hone_stmt b = p->root; b.i; b = hone_next(p, p->root, b)) {
        if (!hone_is_block(p, b) || !hone_stmt_at(p, b)->out.i || !hone_stmt_at(p, b)->init.i)
            continue;
        int at = first_reduce_loop(p, b);
        if (at < 0)
            continue;
        char name[256];
        snprintf(name, sizeof name, "%s", hone_sym_text(p, hone_stmt_at(p, b)->name));
        hone_rv block, loops[32], init;
        unsigned n;
        HONE_TRY(hone_get_block(s, name, &block, err));
        HONE_TRY(hone_get_loops(s, block, loops, 32, &n, err));
        hone_status st = hone_decompose_reduction(s, block, loops[at], &init, NULL);
        if (st != HONE_OK && !hone_status_is_reject(st))
            return st;
        /* where it cannot be done the sum starts as it did */
    }
    return HONE_OK;
}
