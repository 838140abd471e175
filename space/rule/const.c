/* Stages that depend on one const input alone, such as the transform of a convolution's weights:
 * they are annotated to run ahead of time, and no rule schedules them. What the rules then pack of
 * their results is packed ahead of time too. */
#include "space/rule/rule.h"

#include "ir/prepack.h"

/* What is read in every call may have this many times the elements of what it is made of (a filter
 * of 3 x 3 becomes one of 6 x 6 or 8 x 8), but no wider ones: weights kept as bytes are widened
 * where they are used, or they take four times as long to read. */
#define MAX_GROWTH 8

static int width_of(const hone_program *p, hone_buffer b)
{
    return hone_dtype_bytes((hone_dtype)hone_buffer_at(p, b)->dtype);
}

static bool grows(const hone_program *p, const hone_ahead *a, uint32_t input)
{
    hone_buffer from = {input}, to = a->packed[input];
    return hone_buffer_count(p, to) / MAX_GROWTH > hone_buffer_count(p, from) ||
           width_of(p, to) > width_of(p, from);
}

static hone_status annotate_all(hone_sched *s, const hone_ahead *a, hone_error *err)
{
    const hone_program *p = &s->prog;
    for (hone_stmt top = hone_stmt_at(p, p->root)->first; top.i; top = hone_stmt_at(p, top)->next) {
        uint32_t input = hone_ahead_of(a, top);
        if (!input || grows(p, a, input))
            continue;
        for (hone_stmt b = top; b.i; b = hone_next(p, top, b)) {
            if (!hone_is_block(p, b) || !hone_stmt_at(p, b)->out.i)
                continue;
            char name[256];
            snprintf(name, sizeof name, "%s", hone_sym_text(p, hone_stmt_at(p, b)->name));
            hone_rv rv;
            HONE_TRY(hone_get_block(s, name, &rv, err));
            HONE_TRY(hone_annotate(s, rv, HONE_ANN_PREPACK, 1, err));
        }
    }
    return HONE_OK;
}

hone_status hone_rule__const(hone_sched *s, hone_error *err)
{
    hone_ahead a = {0};
    hone_ahead_find(&s->prog, true, &a);
    hone_status st = annotate_all(s, &a, err);
    hone_ahead_free(&a);
    return st;
}

bool hone_rule__is_ahead(const hone_program *p, hone_stmt block)
{
    return hone_ann_get(p, block, HONE_ANN_PREPACK) != NULL;
}

bool hone_rule__is_const(const hone_program *p, hone_buffer b)
{
    if (hone_buffer_at(p, b)->role == HONE_INPUT)
        return hone_buffer_at(p, b)->is_const;
    bool written = false;
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s)) {
        if (!hone_is_block(p, s) || !HONE_SAME(hone_stmt_at(p, s)->out, b))
            continue;
        if (!hone_rule__is_ahead(p, s))
            return false;
        written = true;
    }
    return written;
}
