/* Kernels: arrays put together, cut and bordered. */
#include "net/kernel/internal.h"

#define MAX_PIECES 150 /* each is a select within another */

hone_status hone_nk__concat(hone_nk *e)
{
    const hone_tensor *y = hone_net_out(e->u, 0);
    uint32_t axis;
    HONE_TRY(hone_net_axis_of(e->u, "axis", y->n_dims, &axis, e->err));
    if (e->u->n_in > MAX_PIECES)
        return hone_nk__refuse(e, "a kernel puts at most %d arrays together", MAX_PIECES);
    hone_buf b = {0};
    int64_t start = 0;
    unsigned open = 0;
    for (unsigned k = 0; k < e->u->n_in; k++) {
        int64_t size = hone_net_in(e->u, k)->shape[axis], end = start + size;
        if (size == 0)
            continue;
        hone_nk_index x = hone_nk__indices(y->n_dims);
        if (start)
            hone_nk__set(&x, axis, "i%u - %" PRId64, axis, start);
        hone_nk_text at = hone_nk__at(hone_nk__in(e, k), &x);
        if (end < y->shape[axis]) {
            hone_buf_printf(&b, "select(i%u < %" PRId64 ", %s, ", axis, end, at.s);
            open++;
        } else {
            hone_buf_puts(&b, at.s);
        }
        start = end;
    }
    while (open--)
        hone_buf_puts(&b, ")");
    /* without any element nothing is computed, but something has to be written */
    hone_nk__stage(e, hone_nk__out(e, 0), y->n_dims, "%s",
                   b.n                     ? b.s
                   : y->dtype == HONE_BOOL ? "false"
                                           : "0");
    hone_buf_free(&b);
    return HONE_OK;
}

hone_status hone_nk__split(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0);
    uint32_t axis;
    int64_t start = 0, *sizes = hone_xcalloc(HONE_NET_MAX_INPUTS, sizeof *sizes);
    hone_status st = hone_net_split_of(e->u, &axis, sizes, e->err);
    for (unsigned k = 0; k < e->u->n_out && st == HONE_OK; start += sizes[k++]) {
        if (!hone_net_out(e->u, k))
            continue;
        hone_nk_index at = hone_nk__indices(x->n_dims);
        if (start)
            hone_nk__set(&at, axis, "i%u + %" PRId64, axis, start);
        hone_nk__stage(e, hone_nk__out(e, k), x->n_dims, "%s",
                       hone_nk__at(hone_nk__in(e, 0), &at).s);
    }
    free(sizes);
    return st;
}

/* ---- slices ---------------------------------------------------------------------------------- */

hone_status hone_nk__slice(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0);
    hone_net_slice s;
    HONE_TRY(hone_net_slice_of(e->u, &s, e->err));
    hone_nk_index at = hone_nk__indices(x->n_dims);
    for (unsigned d = 0; d < x->n_dims; d++) {
        if (s.step[d] != 1 && s.size[d] > 1)
            hone_nk__set(&at, d, "%" PRId64 " + i%u*%" PRId64, s.start[d], d, s.step[d]);
        else if (s.start[d])
            hone_nk__set(&at, d, "i%u + %" PRId64, d, s.start[d]);
    }
    hone_nk__stage(e, hone_nk__out(e, 0), x->n_dims, "%s", hone_nk__at(hone_nk__in(e, 0), &at).s);
    return HONE_OK;
}

/* ---- borders --------------------------------------------------------------------------------- */

/* What is in a border of one value. */
static hone_nk_text value_of(hone_nk *e)
{
    if (e->u->node->op->last < 11)
        return hone_nk__number(hone_net_attr_float(e->u->node, "value"));
    if (hone_net_in(e->u, 2))
        return hone_nk__operand(e, 2, 0);
    return hone_nk__textf(hone_nk__in_type(e, 0) == HONE_BOOL ? "false" : "0");
}

static void set_moved(hone_nk_index *at, unsigned d, int64_t before)
{
    if (before > 0)
        hone_nk__set(at, d, "i%u - %" PRId64, d, before);
    else if (before < 0)
        hone_nk__set(at, d, "i%u + %" PRId64, d, -before);
}

hone_status hone_nk__pad(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0);
    const char *mode = hone_net_attr_text(e->u->node, "mode");
    bool constant = strcmp(mode, "constant") == 0, reflect = strcmp(mode, "reflect") == 0;
    hone_net_pad p;
    HONE_TRY(hone_net_pad_of(e->u, &p, e->err));
    if (!constant && !reflect && strcmp(mode, "edge") != 0)
        return hone_nk__refuse(e, "mode %.20s has no kernel", mode);
    hone_nk_index at = hone_nk__indices(x->n_dims);
    hone_buf inside = {0};
    for (unsigned d = 0; d < x->n_dims; d++) {
        int64_t last = x->shape[d] - 1, before = p.before[d], after = p.after[d];
        set_moved(&at, d, before);
        if (before <= 0 && after <= 0)
            continue;
        hone_nk_index moved = at;
        if (reflect)
            hone_nk__set(&at, d, "%" PRId64 " - abs(%" PRId64 " - abs(%s))", last, last,
                         moved.d[d]);
        else if (!constant)
            hone_nk__set(&at, d, "min(max(%s, 0), %" PRId64 ")", moved.d[d], last);
        if (constant && before > 0)
            hone_buf_printf(&inside, "%si%u >= %" PRId64, inside.n ? " and " : "", d, before);
        if (constant && after > 0)
            hone_buf_printf(&inside, "%si%u < %" PRId64, inside.n ? " and " : "", d,
                            before + x->shape[d]);
    }
    hone_nk_text element = hone_nk__at(hone_nk__in(e, 0), &at);
    if (inside.n)
        hone_nk__stage(e, hone_nk__out(e, 0), x->n_dims, "select(%s, %s, %s)", inside.s, element.s,
                       value_of(e).s);
    else
        hone_nk__stage(e, hone_nk__out(e, 0), x->n_dims, "%s", element.s);
    hone_buf_free(&inside);
    return HONE_OK;
}
