/* RewriteTensorize (MetaSchedule): blocks marked meta_schedule.auto_tensorize="NAME" in the
 * searched part of a trace become the intrinsic, once everything around them has its final form. */
#include "space/rule/rule.h"

#define MARK "meta_schedule.auto_tensorize"

static hone_stmt next_marked(const hone_program *p)
{
    for (hone_stmt b = p->root; b.i; b = hone_next(p, p->root, b))
        if (hone_is_block(p, b) && hone_ann_get(p, b, MARK))
            return b;
    return HONE_NO_STMT;
}

hone_status hone_postproc__tensorize(hone_sched *s, const hone_rule_info *info, hone_error *err)
{
    (void)info;
    for (hone_stmt b; (b = next_marked(&s->prog)).i;) {
        char block[256], intrin[256];
        hone_rv rv;
        snprintf(block, sizeof block, "%s",
                 hone_sym_text(&s->prog, hone_stmt_at(&s->prog, b)->name));
        snprintf(intrin, sizeof intrin, "%s",
                 hone_sym_text(&s->prog, hone_ann_get(&s->prog, b, MARK)->text));
        HONE_TRY(hone_get_block(s, block, &rv, err));
        HONE_TRY(hone_unannotate(s, rv, MARK, err));
        HONE_TRY(hone_tensorize(s, rv, intrin, err));
    }
    return HONE_OK;
}
