/* Kernels: normalisations. Means and variances are taken in two passes, in f32 where elements have
 * 16 bits. */
#include "net/kernel/internal.h"

/* The mean of some axes, and one over the square root of the variance (or that of the mean of
 * squares). */
typedef struct moments {
    const hone_tensor *x;
    hone_dtype t, of; /* of the tensors; of what is computed */
    bool folded[HONE_MAX_DIMS];
    int64_t shape[HONE_MAX_DIMS]; /* of the other axes */
    unsigned n;
    const hone_nk_row *mean, *scale;
} moments;

/* `root` is what becomes of the variance v: two parts around it. */
static void put_moments(hone_nk *e, moments *m, const char *before, const char *behind)
{
    m->x = hone_net_in(e->u, 0);
    m->t = m->x->dtype;
    m->of = hone_nk__sum_type(m->t);
    m->n = hone_nk__kept(m->x, m->folded, m->shape);
    hone_nk_steps steps = {0};
    hone_nk_text x = hone_nk__as(m->of, m->t, hone_nk__folded(e, 0, m->folded, false, &steps).s);
    hone_nk_index i = hone_nk__indices(m->n);
    int64_t count = steps.n ? steps.count : 1;
    const hone_nk_row *total = hone_nk__temp(e, m->of, m->shape, m->n);
    hone_nk__stage(e, total, m->n, "%s", hone_nk__over("sum", &steps, x.s).s);
    m->mean = hone_nk__temp(e, m->of, m->shape, m->n);
    hone_nk__stage(e, m->mean, m->n, "%s / %" PRId64, hone_nk__at(total, &i).s, count);
    hone_nk_text mean = hone_nk__at(m->mean, &i);
    hone_nk_text square = hone_nk__textf("(%s - %s) * (%s - %s)", x.s, mean.s, x.s, mean.s);
    const hone_nk_row *squares = hone_nk__temp(e, m->of, m->shape, m->n);
    hone_nk__stage(e, squares, m->n, "%s", hone_nk__over("sum", &steps, square.s).s);
    m->scale = hone_nk__temp(e, m->of, m->shape, m->n);
    hone_nk__stage(e, m->scale, m->n, "%s%s / %" PRId64 "%s", before, hone_nk__at(squares, &i).s,
                   count, behind);
}

/* (x - mean) * scale, in a stage over all axes. */
static hone_nk_text normal(hone_nk *e, const moments *m)
{
    hone_nk_index i = hone_nk__indices(m->x->n_dims);
    return hone_nk__textf("(%s - %s) * %s",
                          hone_nk__as(m->of, m->t, hone_nk__at(hone_nk__in(e, 0), &i).s).s,
                          hone_nk__kept_at(m->mean, m->x, m->folded).s,
                          hone_nk__kept_at(m->scale, m->x, m->folded).s);
}

static hone_nk_text epsilon_of(hone_nk *e)
{
    return hone_nk__textf(" + %s)", hone_nk__number(hone_net_attr_float(e->u->node, "epsilon")).s);
}

hone_status hone_nk__layer_norm(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0);
    unsigned n = x->n_dims;
    uint32_t axis;
    moments m = {0};
    HONE_TRY(hone_net_axis_of(e->u, "axis", n, &axis, e->err));
    for (unsigned d = axis; d < n; d++)
        m.folded[d] = true;
    put_moments(e, &m, "1 / sqrt(", epsilon_of(e).s);
    if (hone_net_out(e->u, 0)) {
        hone_nk_text y = normal(e, &m), part = y;
        y = hone_nk__textf("%s * %s", part.s,
                           hone_nk__as(m.of, m.t, hone_nk__operand(e, 1, n).s).s);
        part = y;
        if (hone_net_in(e->u, 2))
            y = hone_nk__textf("%s + %s", part.s,
                               hone_nk__as(m.of, m.t, hone_nk__operand(e, 2, n).s).s);
        hone_nk__stage(e, hone_nk__out(e, 0), n, "%s", hone_nk__as(m.t, m.of, y.s).s);
    }
    const hone_nk_row *const also[] = {m.mean, m.scale};
    for (unsigned k = 1; k <= 2; k++)
        if (hone_net_out(e->u, k))
            hone_nk__stage(e, hone_nk__out(e, k), n, "%s",
                           hone_nk__as(hone_net_out(e->u, k)->dtype, m.of,
                                       hone_nk__kept_at(also[k - 1], x, m.folded).s)
                               .s);
    return HONE_OK;
}

hone_status hone_nk__instance_norm(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0);
    moments m = {0};
    for (unsigned d = 2; d < x->n_dims; d++)
        m.folded[d] = true;
    put_moments(e, &m, "1 / sqrt(", epsilon_of(e).s);
    hone_nk_text y = hone_nk__textf("%s * %s + %s", normal(e, &m).s,
                                    hone_nk__as(m.of, m.t, hone_nk__per(e, 1, "i1").s).s,
                                    hone_nk__as(m.of, m.t, hone_nk__per(e, 2, "i1").s).s);
    hone_nk__stage(e, hone_nk__out(e, 0), x->n_dims, "%s", hone_nk__as(m.t, m.of, y.s).s);
    return HONE_OK;
}

hone_status hone_nk__mean_variance_norm(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0);
    moments m = {0};
    HONE_TRY(hone_net_mvn_axes(e->u, m.folded, e->err));
    put_moments(e, &m, "1 / (sqrt(", ") + 1e-9)");
    hone_nk_text y = normal(e, &m);
    hone_nk__stage(e, hone_nk__out(e, 0), x->n_dims, "%s", hone_nk__as(m.t, m.of, y.s).s);
    return HONE_OK;
}

/* As it runs: a scale and a shift for each channel. */
hone_status hone_nk__batch_norm(hone_nk *e)
{
    const hone_net_node_row *node = e->u->node;
    const hone_tensor *x = hone_net_in(e->u, 0);
    hone_dtype t = x->dtype, of = hone_nk__sum_type(t);
    if (node->op->since >= 14 && hone_net_attr_int(node, "training_mode"))
        return hone_nk__refuse(e, "training_mode is not for networks that run");
    if (node->op->since < 14 && !hone_net_attr_int(node, "spatial"))
        return hone_nk__refuse(e, "spatial=0 has no kernel");
    for (unsigned k = 1; k < e->u->n_out; k++)
        if (hone_net_out(e->u, k))
            return hone_nk__refuse(e, "output %u is of training", k);
    hone_nk_text in[5];
    for (unsigned k = 1; k < 5; k++)
        in[k] = hone_nk__as(of, hone_nk__in_type(e, k), hone_nk__per(e, k, "i0").s);
    const int64_t *shape = hone_net_in(e->u, 1)->shape;
    const hone_nk_row *scale = hone_nk__temp(e, of, shape, 1);
    const hone_nk_row *shift = hone_nk__temp(e, of, shape, 1);
    hone_nk__stage(e, scale, 1, "%s / sqrt(%s%s", in[1].s, in[4].s, epsilon_of(e).s);
    hone_nk_index i = hone_nk__indices(1);
    hone_nk__stage(e, shift, 1, "%s - %s * %s", in[2].s, in[3].s, hone_nk__at(scale, &i).s);
    hone_nk_index all = hone_nk__indices(x->n_dims), channel = {.n = 1};
    hone_nk__set(&channel, 0, x->n_dims > 1 ? "i1" : "0");
    hone_nk_text y =
        hone_nk__textf("%s * %s + %s", hone_nk__as(of, t, hone_nk__at(hone_nk__in(e, 0), &all).s).s,
                       hone_nk__at(scale, &channel).s, hone_nk__at(shift, &channel).s);
    hone_nk__stage(e, hone_nk__out(e, 0), x->n_dims, "%s", hone_nk__as(t, of, y.s).s);
    return HONE_OK;
}

/* By the squares of the channels around. */
hone_status hone_nk__lrn(hone_nk *e)
{
    const hone_net_node_row *node = e->u->node;
    const hone_tensor *x = hone_net_in(e->u, 0);
    hone_dtype t = x->dtype, of = hone_nk__sum_type(t);
    int64_t size = hone_net_attr_int(node, "size"), before = (size - 1) / 2;
    hone_nk_index i = hone_nk__indices(x->n_dims), near = i;
    hone_nk_steps steps = {0};
    hone_nk__set(&near, 1, "i1 - %" PRId64 " + %s", before, hone_nk__step(&steps, size));
    const hone_nk_row *in = hone_nk__in(e, 0);
    hone_nk_text at = hone_nk__as(of, t, hone_nk__at(in, &near).s);
    hone_nk_text square = hone_nk__textf("select(%s >= 0 and %s < %" PRId64 ", %s * %s, 0)",
                                         near.d[1], near.d[1], x->shape[1], at.s, at.s);
    const hone_nk_row *sum = hone_nk__temp_like(e, of, x->shape, x->n_dims, e->in[0]);
    hone_nk__stage(e, sum, x->n_dims, "%s", hone_nk__over("sum", &steps, square.s).s);
    hone_nk_text each = hone_nk__number(hone_net_attr_float(node, "alpha") / (double)size);
    hone_nk_text y = hone_nk__textf(
        "%s / pow(%s * %s + %s, %s)", hone_nk__as(of, t, hone_nk__at(in, &i).s).s,
        hone_nk__at(sum, &i).s, each.s, hone_nk__number(hone_net_attr_float(node, "bias")).s,
        hone_nk__number(hone_net_attr_float(node, "beta")).s);
    hone_nk__stage(e, hone_nk__out(e, 0), x->n_dims, "%s", hone_nk__as(t, of, y.s).s);
    return HONE_OK;
}

hone_status hone_nk__lp_norm(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0);
    hone_dtype t = x->dtype, of = hone_nk__sum_type(t);
    int64_t p = hone_net_attr_int(e->u->node, "p"), shape[HONE_MAX_DIMS];
    bool folded[HONE_MAX_DIMS] = {0};
    uint32_t axis;
    HONE_TRY(hone_net_axis_of(e->u, "axis", x->n_dims, &axis, e->err));
    folded[axis] = true;
    unsigned n = hone_nk__kept(x, folded, shape);
    hone_nk_steps steps = {0};
    hone_nk_text each = hone_nk__as(of, t, hone_nk__folded(e, 0, folded, false, &steps).s), part;
    part = p == 1 ? hone_nk__textf("abs(%s)", each.s) : hone_nk__textf("%s * %s", each.s, each.s);
    const hone_nk_row *sum = hone_nk__temp(e, of, shape, n);
    hone_nk__stage(e, sum, n, "%s", hone_nk__over("sum", &steps, part.s).s);
    hone_nk_index i = hone_nk__indices(x->n_dims);
    hone_nk_text norm = hone_nk__kept_at(sum, x, folded);
    hone_nk_text y =
        hone_nk__textf(p == 1 ? "select(%s == 0, 0, %s / %s)" /* zeros stay zeros */
                              : "select(%s == 0, 0, %s / sqrt(%s))",
                       norm.s, hone_nk__as(of, t, hone_nk__at(hone_nk__in(e, 0), &i).s).s, norm.s);
    hone_nk__stage(e, hone_nk__out(e, 0), x->n_dims, "%s", hone_nk__as(t, of, y.s).s);
    return HONE_OK;
}
