/* set_scope and storage_align: where a temporary is kept, and how its rows lie in memory. Neither
 * changes what a program computes. */
#include "space/prim/prim.h"
#include "space/prim/util.h"

static hone_status temporary_of(const hone_program *p, hone_stmt block, const char *who,
                                hone_buffer *ret, hone_error *err)
{
    if (!hone_prim__is_leaf(p, block))
        return hone_fail(err, HONE_REJECT_ARG, "%s: not a block that computes a value", who);
    *ret = hone_stmt_at(p, block)->out;
    if (hone_buffer_at(p, *ret)->role != HONE_TEMP)
        return hone_fail(err, HONE_REJECT_ARG, "%s: the caller of the kernel owns the buffer", who);
    return HONE_OK;
}

hone_status hone_prim__set_scope(hone_program *p, hone_stmt block, hone_scope scope,
                                 hone_error *err)
{
    hone_buffer b = HONE_NO_BUFFER;
    hone_status s = temporary_of(p, block, "set_scope", &b, err);
    if (s != HONE_OK)
        return s;
    hone_buffer_at(p, b)->scope = (uint8_t)scope;
    return HONE_OK;
}

hone_status hone_prim__storage_align(hone_program *p, hone_stmt block, int64_t axis, int64_t factor,
                                     int64_t offset, hone_error *err)
{
    hone_buffer b = HONE_NO_BUFFER;
    hone_status s = temporary_of(p, block, "storage_align", &b, err);
    if (s != HONE_OK)
        return s;
    int64_t n = hone_buffer_at(p, b)->n_dims;
    if (axis < -n || axis >= n)
        return hone_fail(err, HONE_REJECT_ARG, "storage_align: the buffer has no axis %" PRId64,
                         axis);
    axis = axis < 0 ? axis + n : axis;
    if (axis == n - 1)
        return hone_fail(err, HONE_REJECT_LAYOUT,
                         "storage_align: elements along the last axis stay side by side");
    if (factor < 1 || factor > HONE_MAX_ALIGN || offset < 0 || offset >= factor)
        return hone_fail(err, HONE_REJECT_ARG,
                         "storage_align: factor %" PRId64 ", offset %" PRId64
                         "; a factor is from 1 to %d, its offset below it",
                         factor, offset, HONE_MAX_ALIGN);
    hone_align all[HONE_MAX_DIMS] = {{0}};
    hone_aligns_of(p, block, all);
    all[axis] = (hone_align){factor, offset};
    hone_buf text = {0};
    for (unsigned d = 0; d < HONE_MAX_DIMS; d++) {
        if (all[d].factor > 0)
            hone_buf_printf(&text, "%s0,%u,%" PRId64 ",%" PRId64, text.n ? ";" : "", d,
                            all[d].factor, all[d].offset);
    }
    hone_ann_set_text(p, block, HONE_ANN_ALIGN, text.s);
    hone_buf_free(&text);
    return HONE_OK;
}
