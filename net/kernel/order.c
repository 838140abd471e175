/* Kernels: the largest or smallest elements along an axis, in order: an element's place is how many
 * come before it. That takes as many comparisons as the axis has pairs, all of them alike. */
#include "net/kernel/internal.h"

hone_status hone_nk__top_k(hone_nk *e)
{
    const hone_net_node_row *node = e->u->node;
    const hone_tensor *x = hone_net_in(e->u, 0);
    const hone_tensor *y = hone_net_out(e->u, hone_net_out(e->u, 0) ? 0 : 1);
    bool largest = node->op->since < 10 || hone_net_attr_int(node, "largest") != 0;
    uint32_t axis;
    HONE_TRY(hone_net_axis_of(e->u, "axis", x->n_dims, &axis, e->err));
    hone_nk_steps steps = {0};
    const char *k = hone_nk__step(&steps, x->shape[axis]);
    hone_nk_index i = hone_nk__indices(x->n_dims), other = i, chosen = i;
    hone_nk__set(&other, axis, "%s", k);
    hone_nk_text own = hone_nk__at(hone_nk__in(e, 0), &i);
    hone_nk_text that = hone_nk__at(hone_nk__in(e, 0), &other);
    const hone_nk_row *place = hone_nk__temp_like(e, HONE_I64, x->shape, x->n_dims, e->in[0]);
    hone_nk_text before =
        hone_nk__textf("select(%s %s %s or (%s == %s and %s < i%" PRIu32 "), 1, 0)", that.s,
                       largest ? ">" : "<", own.s, that.s, own.s, k, axis);
    hone_nk__stage(e, place, x->n_dims, "%s", hone_nk__over("sum", &steps, before.s).s);
    hone_nk_text there =
        hone_nk__textf("select(%s == i%" PRIu32 ", %s, 0)", hone_nk__at(place, &other).s, axis, k);
    const hone_nk_row *at = hone_net_out(e->u, 1)
                                ? hone_nk__out(e, 1)
                                : hone_nk__temp_like(e, HONE_I64, y->shape, y->n_dims, e->in[0]);
    hone_nk__stage(e, at, y->n_dims, "%s", hone_nk__over("sum", &steps, there.s).s);
    if (!hone_net_out(e->u, 0))
        return HONE_OK;
    hone_nk__set(&chosen, axis, "%s", hone_nk__at(at, &i).s);
    hone_nk__stage(e, hone_nk__out(e, 0), y->n_dims, "%s",
                   hone_nk__at(hone_nk__in(e, 0), &chosen).s);
    return HONE_OK;
}
