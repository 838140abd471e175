/* Kernels: convolutions, of floats and of quantised integers, in ONNX's order of axes: images are
 * batch x channels x spatial axes, weights results x channels of a group x window. */
#include "net/kernel/internal.h"

/* ---- windows --------------------------------------------------------------------------------- */

/* How far along axis s windows look. */
static int64_t reach(const hone_net_window *w, unsigned s)
{
    return (w->out[s] - 1) * w->stride[s] + (w->kernel[s] - 1) * w->dilation[s] + 1;
}

static void add_condition(hone_buf *b, const char *fmt, unsigned index, int64_t than)
{
    if (b->n)
        hone_buf_puts(b, " and ");
    hone_buf_printf(b, fmt, index, than);
}

const hone_nk_row *hone_nk__padded(hone_nk *e, unsigned in, const hone_net_window *w,
                                   const char *fill)
{
    const hone_tensor *t = hone_net_in(e->u, in);
    int64_t shape[HONE_MAX_DIMS] = {t->shape[0], t->shape[1]};
    hone_nk_index x = hone_nk__indices(t->n_dims);
    hone_buf inside = {0};
    bool moved = false;
    for (unsigned s = 0; s < w->n; s++) {
        int64_t before = w->before[s], end = before + t->shape[2 + s];
        shape[2 + s] = reach(w, s) > 0 ? reach(w, s) : 0;
        moved = moved || before != 0;
        if (before > 0)
            add_condition(&inside, "i%u >= %" PRId64, 2 + s, before);
        if (end < shape[2 + s])
            add_condition(&inside, "i%u < %" PRId64, 2 + s, end);
        if (before)
            hone_nk__set(&x, 2 + s, before > 0 ? "i%u - %" PRId64 : "i%u + %" PRId64, 2 + s,
                         before > 0 ? before : -before);
    }
    const hone_nk_row *b = hone_nk__in(e, in);
    if (inside.n || moved) {
        hone_nk_text of = hone_nk__at(b, &x);
        b = hone_nk__temp_like(e, t->dtype, shape, t->n_dims, e->in[in]);
        if (inside.n)
            hone_nk__stage(e, b, t->n_dims, "select(%s, %s, %s)", inside.s, of.s, fill);
        else
            hone_nk__stage(e, b, t->n_dims, "%s", of.s);
    }
    hone_buf_free(&inside);
    return b;
}

static void set_strided(hone_nk_index *x, unsigned d, int64_t stride, const char *k,
                        int64_t dilation)
{
    hone_nk_text out = hone_nk__times(hone_nk__textf("i%u", d).s, stride);
    if (strcmp(k, "0") == 0)
        hone_nk__set(x, d, "%s", out.s);
    else
        hone_nk__set(x, d, "%s + %s", out.s, hone_nk__times(k, dilation).s);
}

void hone_nk__set_window(hone_nk_index *x, const hone_net_window *w, const char (*k)[8])
{
    for (unsigned s = 0; s < w->n; s++)
        set_strided(x, 2 + s, w->stride[s], k[s], w->dilation[s]);
}

/* ---- what a convolution multiplies ----------------------------------------------------------- */

typedef struct conv {
    hone_net_window w;
    int64_t groups, channels, filters; /* the latter two of a group */
    hone_nk_steps steps;
    hone_nk_index x, f; /* of what the windows look into, and of the weights */
} conv;

static void copy_name(char to[8], const char *from)
{
    snprintf(to, 8, "%s", from);
}

/* Channel k of the group that result i1 belongs to. */
static void set_channel(const conv *c, hone_nk_index *x, unsigned d, const char *k)
{
    hone_nk_text group = hone_nk__textf("i1");
    if (c->filters > 1)
        group = hone_nk__textf("i1 // %" PRId64, c->filters);
    if (c->groups == 1)
        hone_nk__set(x, d, "%s", k);
    else if (c->channels == 1)
        hone_nk__set(x, d, "%s", group.s);
    else
        hone_nk__set(x, d, "%s*%" PRId64 " + %s", group.s, c->channels, k);
}

/* With the weights at input kw. Of integers every index of the weights is a loop: that is the form
 * in which tensor intrinsics are found. */
static hone_status conv_of(hone_nk *e, unsigned kw, conv *c)
{
    bool floats = hone_dtype_is_float(hone_nk__in_type(e, kw));
    const char *(*step)(hone_nk_steps *, int64_t) = floats ? hone_nk__step : hone_nk__loop;
    const hone_tensor *f = hone_net_in(e->u, kw);
    *c = (conv){.groups = hone_net_attr_int(e->u->node, "group"), .channels = f->shape[1]};
    c->filters = f->shape[0] / c->groups;
    HONE_TRY(hone_net_window_of(e->u, &c->w, e->err));
    const char *k = step(&c->steps, c->channels);
    c->x = c->f = hone_nk__indices(f->n_dims);
    set_channel(c, &c->x, 1, k);
    hone_nk__set(&c->f, 0, "i1");
    hone_nk__set(&c->f, 1, "%s", k);
    char names[HONE_NET_MAX_SPATIAL][8];
    for (unsigned s = 0; s < c->w.n; s++) {
        copy_name(names[s], step(&c->steps, c->w.kernel[s]));
        hone_nk__set(&c->f, 2 + s, "%s", names[s]);
    }
    hone_nk__set_window(&c->x, &c->w, (const char(*)[8])names);
    return HONE_OK;
}

/* ---- floats ---------------------------------------------------------------------------------- */

/* Where the sums go: into the output itself, if that is all. */
static const hone_nk_row *sums(hone_nk *e)
{
    const hone_tensor *y = hone_net_out(e->u, 0);
    hone_dtype of = hone_nk__sum_type(y->dtype);
    return hone_net_in(e->u, 2) || of != y->dtype
               ? hone_nk__temp_like(e, of, y->shape, y->n_dims, e->out[0])
               : hone_nk__out(e, 0);
}

static void put_sum(hone_nk *e, const hone_nk_row *to, const hone_nk_steps *steps, const char *x,
                    const char *f)
{
    hone_dtype t = hone_net_out(e->u, 0)->dtype, of = hone_nk__sum_type(t);
    hone_nk_text product =
        hone_nk__textf("%s * %s", hone_nk__as(of, t, x).s, hone_nk__as(of, t, f).s);
    hone_nk__stage(e, to, to->t.n_dims, "%s", hone_nk__over("sum", steps, product.s).s);
}

/* The output from the sums: with the bias of input 2, if there is one. */
static void put_rest(hone_nk *e, const hone_nk_row *to)
{
    const hone_tensor *y = hone_net_out(e->u, 0);
    hone_dtype t = y->dtype, of = to->t.dtype;
    if (to == hone_nk__out(e, 0))
        return;
    hone_nk_index at = hone_nk__indices(y->n_dims);
    hone_nk_text sum = hone_nk__at(to, &at);
    if (hone_net_in(e->u, 2))
        sum = hone_nk__textf("%s + %s", hone_nk__at(to, &at).s,
                             hone_nk__as(of, t, hone_nk__per(e, 2, "i1").s).s);
    hone_nk__stage(e, hone_nk__out(e, 0), y->n_dims, "%s", hone_nk__as(t, of, sum.s).s);
}

/* The weights of a filter for each channel, beside each other where the channels are: made ahead of
 * time, when they are constant. */
static const hone_nk_row *by_channel(hone_nk *e, const hone_nk_row *f)
{
    unsigned n = f->t.n_dims;
    uint8_t order[HONE_MAX_DIMS];
    for (unsigned d = 0; d < n; d++)
        order[d] = (uint8_t)(d + 2 < n ? d + 2 : n - 1 - d);
    hone_nk_index i = hone_nk__indices(n);
    const hone_nk_row *to = hone_nk__temp_in(e, f->t.dtype, f->t.shape, n, order);
    hone_nk__stage(e, to, n, "%s", hone_nk__at(f, &i).s);
    return to;
}

/* Of 1 x 1, on rows of channels. */
static hone_status pointwise(hone_nk *e)
{
    hone_nk_steps steps = {.n = 0};
    const char *k = hone_nk__step(&steps, hone_net_in(e->u, 1)->shape[1]);
    hone_nk_index x = hone_nk__indices(2), f = hone_nk__indices(2);
    hone_nk__set(&x, 1, "%s", k);
    hone_nk__set(&f, 0, "i1");
    hone_nk__set(&f, 1, "%s", k);
    const hone_nk_row *image = hone_nk__in(e, 0), *weights = hone_nk__in(e, 1), *to = sums(e);
    put_sum(e, to, &steps, hone_nk__at(image, &x).s, hone_nk__at(weights, &f).s);
    put_rest(e, to);
    return HONE_OK;
}

hone_status hone_nk__conv(hone_nk *e)
{
    conv c;
    if (hone_net_in(e->u, 0)->n_dims == 2)
        return pointwise(e);
    HONE_TRY(conv_of(e, 1, &c));
    const hone_nk_row *y = hone_nk__out(e, 0), *weights = hone_nk__in(e, 1), *to;
    if (hone_nk__is_winograd(e, &c.w)) {
        to = sums(e);
        hone_nk__winograd(e, &c.w, to);
        put_rest(e, to);
        return HONE_OK;
    }
    hone_nk_text x = hone_nk__at(hone_nk__padded(e, 0, &c.w, "0"), &c.x);
    if (c.groups > 1 && c.channels == 1 && y->order[y->t.n_dims - 1] == 1 && weights->t.data)
        weights = by_channel(e, weights);
    hone_nk_text f = hone_nk__at(weights, &c.f);
    to = sums(e);
    put_sum(e, to, &c.steps, x.s, f.s);
    put_rest(e, to);
    return HONE_OK;
}

/* ---- integers -------------------------------------------------------------------------------- */

/* The i32 results, of image kx and weights kw with their zero points. Outside of the image there is
 * its zero point, so that nothing is added there. */
static const hone_nk_row *integer_conv(hone_nk *e, unsigned kx, unsigned kw, unsigned zx,
                                       unsigned zw, bool is_output, conv *c)
{
    const hone_tensor *y = hone_net_out(e->u, 0), *zero = hone_net_in(e->u, zx);
    hone_nk_text fill = hone_nk__textf("0"), zero_x, zero_w;
    if (zero && !hone_nk__is_all(zero, 0))
        fill = hone_nk__per(e, zx, "0");
    hone_nk_text x = hone_nk__at(hone_nk__padded(e, kx, &c->w, fill.s), &c->x);
    hone_nk_text f = hone_nk__at(hone_nk__in(e, kw), &c->f);
    int64_t shape_x[HONE_MAX_DIMS], shape_w[HONE_MAX_DIMS];
    for (unsigned d = 0; d < y->n_dims; d++) {
        shape_x[d] = d == 1 && c->groups == 1 ? 1 : y->shape[d];
        shape_w[d] = d == 1 ? y->shape[d] : 1;
    }
    hone_nk_products p = {.ranges = c->steps.ranges.s,
                          .a = x.s,
                          .b = f.s,
                          .steps = c->steps.count,
                          .n = y->n_dims,
                          .shape = y->shape,
                          .shape_a = shape_x,
                          .shape_b = shape_w,
                          .is_output = is_output};
    p.za = hone_nk__zero_point(e, zx, "0", &zero_x) ? zero_x.s : NULL;
    p.zb = hone_nk__zero_point(e, zw, "i1", &zero_w) ? zero_w.s : NULL;
    return hone_nk__products(e, &p);
}

hone_status hone_nk__conv_integer(hone_nk *e)
{
    conv c;
    HONE_TRY(conv_of(e, 1, &c));
    const hone_nk_row *sum = integer_conv(e, 0, 1, 2, 3, true, &c);
    hone_nk_index x = hone_nk__indices(hone_net_out(e->u, 0)->n_dims);
    if (sum != hone_nk__out(e, 0))
        hone_nk__stage(e, hone_nk__out(e, 0), x.n, "%s", hone_nk__at(sum, &x).s);
    return HONE_OK;
}

hone_status hone_nk__qlinear_conv(hone_nk *e)
{
    conv c;
    HONE_TRY(conv_of(e, 3, &c));
    const hone_nk_row *sum = integer_conv(e, 0, 3, 2, 5, false, &c);
    hone_nk_index x = hone_nk__indices(hone_net_out(e->u, 0)->n_dims);
    hone_nk_text from = hone_nk__at(sum, &x);
    if (hone_net_in(e->u, 8))
        from = hone_nk__textf("%s + %s", hone_nk__at(sum, &x).s, hone_nk__per(e, 8, "i1").s);
    hone_nk__rescaled(e, &(hone_nk_rescale){.from = from.s,
                                            .scale_a = 1,
                                            .scale_b = 4,
                                            .scale_y = 6,
                                            .zero_y = 7,
                                            .at_a = "0",
                                            .at_b = "i1"});
    return HONE_OK;
}

/* ---- transposed ------------------------------------------------------------------------------ */

/* Output o meets weight k at input (o + before - k*dilation) / stride, if that is a whole number
 * inside of the image: index d of it, with the conditions for that. */
static void set_transposed(const hone_net_window *w, unsigned s, const char *k, int64_t size,
                           hone_nk_index *x, hone_buf *inside)
{
    unsigned d = 2 + s;
    int64_t lowest = w->before[s] - (w->kernel[s] - 1) * w->dilation[s], stride = w->stride[s];
    int64_t highest = w->out[s] - 1 + w->before[s];
    hone_nk_text at = hone_nk__textf("i%u", d);
    if (w->before[s])
        at = hone_nk__textf("i%u + %" PRId64, d, w->before[s]);
    if (strcmp(k, "0") != 0) {
        hone_nk_text start = at;
        at = hone_nk__textf("%s - %s", start.s, hone_nk__times(k, w->dilation[s]).s);
    }
    if (lowest < 0)
        hone_buf_printf(inside, "%s%s >= 0", inside->n ? " and " : "", at.s);
    if (highest >= size * stride)
        hone_buf_printf(inside, "%s%s < %" PRId64, inside->n ? " and " : "", at.s, size * stride);
    if (stride > 1)
        hone_buf_printf(inside, "%s(%s) %% %" PRId64 " == 0", inside->n ? " and " : "", at.s,
                        stride);
    if (stride > 1)
        hone_nk__set(x, d, "(%s) // %" PRId64, at.s, stride);
    else
        hone_nk__set(x, d, "%s", at.s);
}

hone_status hone_nk__conv_transpose(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0), *f = hone_net_in(e->u, 1);
    conv c = {.groups = hone_net_attr_int(e->u->node, "group")};
    c.channels = f->shape[0] / c.groups;
    c.filters = f->shape[1];
    HONE_TRY(hone_net_window_transposed(e->u, &c.w, e->err));
    const char *k = hone_nk__step(&c.steps, c.channels);
    c.x = c.f = hone_nk__indices(x->n_dims);
    set_channel(&c, &c.x, 1, k);
    set_channel(&c, &c.f, 0, k);
    if (c.groups > 1)
        hone_nk__set(&c.f, 1, "i1 %% %" PRId64, c.filters);
    hone_buf inside = {0};
    for (unsigned s = 0; s < c.w.n; s++) {
        k = hone_nk__step(&c.steps, c.w.kernel[s]);
        set_transposed(&c.w, s, k, x->shape[2 + s], &c.x, &inside);
        hone_nk__set(&c.f, 2 + s, "%s", k);
    }
    hone_nk_text at = hone_nk__at(hone_nk__in(e, 0), &c.x);
    hone_nk_text weight = hone_nk__at(hone_nk__in(e, 1), &c.f);
    if (inside.n)
        at = hone_nk__textf("select(%s, %s, 0)", inside.s, hone_nk__at(hone_nk__in(e, 0), &c.x).s);
    hone_buf_free(&inside);
    const hone_nk_row *to = sums(e);
    put_sum(e, to, &c.steps, at.s, weight.s);
    put_rest(e, to);
    return HONE_OK;
}
