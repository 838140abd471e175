/* Postprocessors: rewrites and checks that every finished candidate goes through, recorded in its
 * trace after EnterPostproc: the list, MetaSchedule's RewriteParallelVectorizeUnroll, and a limit
 * on code size that keeps a candidate buildable. */
#include "space/rule/rule.h"

#define MAX_UNROLLED 4096 /* leaf block instances in straight-line code */

/* Loops that belong to the block alone and are open, outermost first, as positions in its loop
 * list: those with one child each down to the block that nothing has been made of yet. A block with
 * one element for each of its tasks has none. */
static unsigned own_loops(const hone_program *p, hone_stmt block)
{
    unsigned n = 0;
    for (hone_stmt l = hone_stmt_at(p, block)->parent;
         hone_is_loop(p, l) && HONE_SAME(hone_stmt_at(p, l)->first, hone_stmt_at(p, l)->last) &&
         hone_stmt_at(p, l)->loop_kind == HONE_SERIAL && !hone_stmt_at(p, l)->anns;
         l = hone_stmt_at(p, l)->parent)
        n++;
    return n;
}

static bool spatial_only(hone_program *p, hone_stmt block)
{
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++)
        if (hone_iter_at(p, block, k)->kind != HONE_SPATIAL)
            return false;
    return true;
}

/* Iterations of the loops together. */
static int64_t iterations(const hone_sched *s, const hone_rv *loops, unsigned n)
{
    int64_t tasks = 1;
    for (unsigned k = 0; k < n; k++)
        tasks *= hone_loop_extent(&s->prog, hone_rv_stmt(s, loops[k]));
    return tasks;
}

static hone_status rewrite_block(hone_sched *s, hone_stmt stmt, const hone_rule_info *info,
                                 hone_error *err)
{
    static const char *const keys[] = {"meta_schedule.parallel", "meta_schedule.vectorize",
                                       "meta_schedule.unroll_explicit"};
    int64_t value[3] = {0};
    bool present[3] = {false};
    hone_program *p = &s->prog;
    for (int k = 0; k < 3; k++) {
        const hone_ann *a = hone_ann_get(p, stmt, keys[k]);
        present[k] = a != NULL;
        value[k] = a ? a->value : 0;
    }
    char name[256];
    snprintf(name, sizeof name, "%s", hone_sym_text(p, hone_stmt_at(p, stmt)->name));
    hone_rv block, loops[32], parts[3], all;
    unsigned n;
    HONE_TRY(hone_get_block(s, name, &block, err));
    for (int k = 0; k < 3; k++)
        if (present[k])
            HONE_TRY(hone_unannotate(s, block, keys[k], err));
    HONE_TRY(hone_get_loops(s, block, loops, 32, &n, err));
    unsigned own = own_loops(&s->prog, stmt);
    if (own == 0 || n > 32 || !spatial_only(&s->prog, stmt))
        return HONE_OK;
    bool is_root = own == n; /* nothing else runs around it */
    bool rows = value[1] > 1 && own > 1 &&
                hone_postproc__are_short_rows(&s->prog, stmt, hone_rv_stmt(s, loops[n - 2]),
                                              hone_rv_stmt(s, loops[n - 1]), value[1]);
    if (rows) {
        HONE_TRY(hone_fuse(s, &loops[n - 2], 2, &all, err));
        loops[--n - 1] = all;
    }
    if (value[1] > 1) {
        int64_t u = value[2] > 1 ? value[2] : 1;
        while (rows && u > 1 && (u - 1) * value[1] >= iterations(s, &loops[n - 1], 1))
            u--; /* there are no more */
        HONE_TRY(hone_split_by(s, loops[n - 1], (int64_t[]){0, u, value[1]}, 3, parts, err));
        HONE_TRY(hone_vectorize(s, parts[2], err));
        HONE_TRY(hone_unroll(s, parts[1], err));
        loops[n - 1] = parts[0];
    }
    if (value[0] && is_root) {
        hone_rv task = loops[0];
        /* the vectors of joined rows stay a loop, which code generation cuts at the border */
        n -= rows && n > 1 && iterations(s, loops, n - 1) >= 4 * (int64_t)info->threads;
        if (n > 1)
            HONE_TRY(hone_fuse(s, loops, n, &task, err));
        HONE_TRY(hone_parallel(s, task, err));
    }
    return HONE_OK;
}

static hone_status rewrite_marked(hone_sched *s, const hone_rule_info *info, hone_error *err)
{
    for (;;) {
        hone_stmt b = s->prog.root;
        while (b.i && !(hone_is_block(&s->prog, b) &&
                        (hone_ann_get(&s->prog, b, "meta_schedule.parallel") ||
                         hone_ann_get(&s->prog, b, "meta_schedule.vectorize") ||
                         hone_ann_get(&s->prog, b, "meta_schedule.unroll_explicit"))))
            b = hone_next(&s->prog, s->prog.root, b);
        if (!b.i)
            return HONE_OK;
        HONE_TRY(rewrite_block(s, b, info, err));
    }
}

/* Of two numbers >= 1; anything above the limit is as good as another. */
static int64_t times(int64_t a, int64_t b)
{
    return a > MAX_UNROLLED / b ? MAX_UNROLLED + 1 : a * b;
}

static hone_status check_unrolling(hone_sched *s, const hone_rule_info *info, hone_error *err)
{
    (void)info;
    const hone_program *p = &s->prog;
    int64_t total = 0;
    for (hone_stmt b = p->root; b.i; b = hone_next(p, p->root, b)) {
        if (!hone_is_block(p, b) || !hone_stmt_at(p, b)->out.i)
            continue;
        int64_t copies = 1;
        for (hone_stmt l = hone_stmt_at(p, b)->parent; l.i; l = hone_stmt_at(p, l)->parent)
            if (hone_is_loop(p, l) && hone_stmt_at(p, l)->loop_kind == HONE_UNROLLED)
                copies = times(copies, hone_loop_extent(p, l));
        total += copies;
        if (total > MAX_UNROLLED)
            return hone_fail(err, HONE_REJECT_TOO_BIG, "more than %d unrolled statements",
                             MAX_UNROLLED);
    }
    return HONE_OK;
}

/* In this order. MetaSchedule's DisallowDynamicLoop has nothing to do here: extents are numbers. */
static hone_status (*const postprocs[])(hone_sched *s, const hone_rule_info *info,
                                        hone_error *err) = {
    rewrite_marked,                 /* RewriteParallelVectorizeUnroll */
    hone_postproc__layout,          /* RewriteLayout; before a sum's start moves: it counts reads */
    hone_postproc__reduction_block, /* RewriteReductionBlock */
    hone_postproc__tensorize,       /* RewriteTensorize */
    check_unrolling,
};

hone_status hone_postproc__apply(hone_sched *s, const hone_target *t, int32_t threads,
                                 hone_error *err)
{
    const hone_rule_info info = {.target = t, .threads = threads};
    if (s->prog.overflow)
        return hone_fail(err, HONE_REJECT_TOO_BIG, "program too large");
    bool as_written = s->trace.insts.n == 0; /* and so it stays */
    HONE_TRY(hone_enter_postproc(s, err));
    for (unsigned k = 0; k < HONE_LEN(postprocs) && !as_written; k++)
        HONE_TRY(postprocs[k](s, &info, err));
    return HONE_OK;
}
