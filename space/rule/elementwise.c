/* The rule for elementwise stages, and vectors along a loop. */
#include "space/rule/rule.h"

hone_status hone_rule__vectorize(hone_sched *s, hone_rv loop, const hone_target *t, int bytes,
                                 bool unroll, hone_rv *ret, hone_error *err)
{
    hone_rv parts[2];
    int64_t lanes = t->vector_bytes / bytes;
    HONE_TRY(hone_split_by(s, loop, (int64_t[]){0, lanes > 1 ? lanes : 1}, 2, parts, err));
    HONE_TRY(hone_vectorize(s, parts[1], err));
    if (unroll)
        HONE_TRY(hone_unroll(s, parts[0], err));
    if (ret)
        *ret = parts[0];
    return HONE_OK;
}

hone_status hone_rule__elementwise(hone_sched *s, const char *name, const hone_rule__ctx *ctx,
                                   hone_error *err)
{
    hone_rv block, unroll;
    HONE_TRY(hone_get_block(s, name, &block, err));
    hone_stmt b = hone_rv_stmt(s, block);
    const hone_stmt_row *r = hone_stmt_at(&s->prog, b);
    if (!r->out.i || r->init.i || r->n_iters == 0)
        return hone_fail(err, HONE_REJECT_ARG, "block '%s' is not elementwise", name);
    int bytes = hone_dtype_bytes(hone_expr_dtype(&s->prog, r->value));
    bool movable = hone_buffer_at(&s->prog, r->out)->role == HONE_TEMP;
    static const int64_t unrolls[] = {1, 2, 4, 8};
    int64_t which = 1;
    HONE_TRY(hone_sample_categorical(s, unrolls, NULL, HONE_LEN(unrolls), &which, &unroll, err));
    HONE_TRY(hone_annotate(s, block, "meta_schedule.parallel", 1, err));
    HONE_TRY(
        hone_annotate(s, block, "meta_schedule.vectorize", ctx->target->vector_bytes / bytes, err));
    HONE_TRY(hone_annotate_rv(s, block, "meta_schedule.unroll_explicit", unroll, err));
    if (!movable)
        return HONE_OK;
    /* where to compute it is a decision; the root is the policy's */
    hone_rv at;
    int64_t root = -1;
    HONE_TRY(hone_sample_compute_location(s, block, &root, &at, err));
    return hone_compute_at(s, block, at, err);
}
