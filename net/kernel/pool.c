/* Kernels: pooling. */
#include "net/kernel/internal.h"

/* What the window of an output sees of the input (or of it with a border of `fill`). */
static hone_status window_of(hone_nk *e, const char *fill, hone_net_window *w, hone_nk_steps *steps,
                             hone_nk_text *ret)
{
    HONE_TRY(hone_net_window_of(e->u, w, e->err));
    hone_nk_index x = hone_nk__indices(hone_net_in(e->u, 0)->n_dims);
    char k[HONE_NET_MAX_SPATIAL][8];
    *steps = (hone_nk_steps){0};
    for (unsigned s = 0; s < w->n; s++)
        snprintf(k[s], sizeof k[s], "%s", hone_nk__step(steps, w->kernel[s]));
    hone_nk__set_window(&x, w, (const char(*)[8])k);
    *ret = hone_nk__at(hone_nk__padded(e, 0, w, fill), &x);
    return HONE_OK;
}

/* ---- the largest ----------------------------------------------------------------------------- */

/* The least value of a type, as a constant. */
static hone_nk_text least_of(hone_dtype t)
{
    if (hone_dtype_is_float(t))
        return hone_nk__textf("-inf");
    return t == HONE_U8
               ? hone_nk__textf("0")
               : hone_nk__textf("(%" PRId64 ")", INT64_MIN >> (64 - 8 * hone_dtype_bytes(t)));
}

/* Where step k of the window of an output lies in the input, counted along its axes: those of space
 * in their order, or (`turned`) in the other. */
static hone_nk_text place_of(const hone_tensor *x, const hone_nk_text *at, bool turned)
{
    unsigned n = x->n_dims - 2u;
    hone_nk_text r = hone_nk__textf("(i0*%" PRId64 " + i1)", x->shape[1]);
    for (unsigned k = 0; k < n; k++) {
        unsigned s = turned ? n - 1 - k : k;
        hone_nk_text before = r;
        r = hone_nk__textf("(%s*%" PRId64 " + %s)", before.s, x->shape[2 + s], at[s].s);
    }
    return r;
}

/* The first of the places where the window has its largest element. */
static void put_places(hone_nk *e, const hone_net_window *w, const char *element,
                       const hone_nk_row *largest)
{
    const hone_tensor *x = hone_net_in(e->u, 0);
    unsigned n = x->n_dims;
    hone_nk_text at[HONE_NET_MAX_SPATIAL];
    hone_nk_steps steps = {0};
    for (unsigned s = 0; s < w->n; s++) {
        const char *k = hone_nk__step(&steps, w->kernel[s]);
        at[s] = hone_nk__textf("(i%u*%" PRId64 " - %" PRId64 " + %s*%" PRId64 ")", 2 + s,
                               w->stride[s], w->before[s], k, w->dilation[s]);
    }
    hone_nk_index i = hone_nk__indices(n);
    hone_nk_text choice =
        hone_nk__textf("select(%s == %s, %s, %" PRId64 ")", element, hone_nk__at(largest, &i).s,
                       place_of(x, at, false).s, hone_tensor_elems(x) - 1);
    hone_nk_text first = hone_nk__over("min", &steps, choice.s);
    if (!hone_net_attr_int(e->u->node, "storage_order") || w->n == 1) {
        hone_nk__stage(e, hone_nk__out(e, 1), n, "%s", first.s);
        return;
    }
    const hone_nk_row *place = hone_nk__temp(e, HONE_I64, hone_net_out(e->u, 1)->shape, n);
    hone_nk__stage(e, place, n, "%s", first.s);
    int64_t stride = 1;
    for (unsigned s = w->n; s-- > 0; stride *= x->shape[2 + s])
        at[s] = hone_nk__textf("(%s // %" PRId64 " %% %" PRId64 ")", hone_nk__at(place, &i).s,
                               stride, x->shape[2 + s]);
    hone_nk__stage(e, hone_nk__out(e, 1), n, "%s", place_of(x, at, true).s);
}

hone_status hone_nk__max_pool(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0);
    hone_net_window w;
    hone_nk_steps steps;
    hone_nk_text at;
    HONE_TRY(window_of(e, least_of(x->dtype).s, &w, &steps, &at));
    bool wanted = hone_net_out(e->u, 0);
    const hone_tensor *y = wanted ? hone_net_out(e->u, 0) : hone_net_out(e->u, 1);
    const hone_nk_row *to = wanted ? hone_nk__out(e, 0)
                                   : hone_nk__temp_like(e, x->dtype, y->shape, y->n_dims, e->in[0]);
    hone_nk__stage(e, to, y->n_dims, "%s", hone_nk__over("max", &steps, at.s).s);
    if (hone_net_out(e->u, 1))
        put_places(e, &w, at.s, to);
    return HONE_OK;
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* How many elements the window of output i(2+s) has between lo and hi on axis s, as a factor.
 * *empty: some windows have none. */
static void count_axis(const hone_net_window *w, unsigned s, int64_t lo, int64_t hi,
                       int64_t *constant, hone_buf *b, bool *empty)
{
    int64_t k = w->kernel[s], last = (w->out[s] - 1) * w->stride[s] - w->before[s];
    if (-w->before[s] >= lo && last + k <= hi) {
        *constant *= k;
        return;
    }
    hone_nk_text start =
        hone_nk__textf("i%u*%" PRId64 " - %" PRId64, 2 + s, w->stride[s], w->before[s]);
    bool none = k - w->before[s] <= lo || last >= hi;
    *empty |= none;
    hone_buf_printf(b, " * %s(min(%s + %" PRId64 ", %" PRId64 ") - max(%s, %" PRId64 ")%s)",
                    none ? "max" : "", start.s, k, hi, start.s, lo, none ? ", 0" : "");
}

hone_status hone_nk__average_pool(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0), *y = hone_net_out(e->u, 0);
    hone_net_window w;
    hone_nk_steps steps;
    hone_nk_text at;
    HONE_TRY(window_of(e, "0", &w, &steps, &at));
    bool border = hone_net_attr_int(e->u->node, "count_include_pad") != 0;
    int64_t constant = 1;
    bool empty = false;
    hone_buf varying = {0};
    for (unsigned s = 0; s < w.n; s++)
        count_axis(&w, s, border ? -w.before[s] : 0, x->shape[2 + s] + (border ? w.after[s] : 0),
                   &constant, &varying, &empty);
    hone_dtype t = x->dtype, of = hone_nk__sum_type(t);
    const hone_nk_row *sum = hone_nk__temp_like(e, of, y->shape, y->n_dims, e->out[0]);
    hone_nk__stage(e, sum, y->n_dims, "%s",
                   hone_nk__over("sum", &steps, hone_nk__as(of, t, at.s).s).s);
    hone_nk_index i = hone_nk__indices(y->n_dims);
    hone_nk_text mean =
        varying.n
            ? hone_nk__textf(empty ? "%s / %s(max(%" PRId64 "%s, 1))" : "%s / %s(%" PRId64 "%s)",
                             hone_nk__at(sum, &i).s, hone_dtype_name(of), constant, varying.s)
            : hone_nk__textf("%s * (1 / %" PRId64 ")", hone_nk__at(sum, &i).s, constant);
    hone_buf_free(&varying);
    hone_nk__stage(e, hone_nk__out(e, 0), y->n_dims, "%s", hone_nk__as(t, of, mean.s).s);
    return HONE_OK;
}

/* What is summed for a norm of order p. */
static hone_nk_text powered(const char *x, int64_t p)
{
    return p == 1   ? hone_nk__textf("abs(%s)", x)
           : p == 2 ? hone_nk__textf("%s * %s", x, x)
                    : hone_nk__textf("pow(abs(%s), %" PRId64 ")", x, p);
}

static hone_nk_text rooted(const char *x, int64_t p)
{
    return p == 1   ? hone_nk__textf("%s", x)
           : p == 2 ? hone_nk__textf("sqrt(%s)", x)
                    : hone_nk__textf("pow(%s, 1 / %" PRId64 ")", x, p);
}

/* The p-norm of what the steps run over. */
static void put_norm(hone_nk *e, const hone_nk_steps *steps, const char *x)
{
    const hone_tensor *y = hone_net_out(e->u, 0);
    hone_dtype t = y->dtype, of = hone_nk__sum_type(t);
    int64_t p = hone_net_attr_int(e->u->node, "p");
    const hone_nk_row *sum = hone_nk__temp_like(e, of, y->shape, y->n_dims, e->out[0]);
    hone_nk_index i = hone_nk__indices(y->n_dims);
    hone_nk_text power = powered(hone_nk__as(of, t, x).s, p);
    hone_nk__stage(e, sum, y->n_dims, "%s", hone_nk__over("sum", steps, power.s).s);
    hone_nk_text root = rooted(hone_nk__at(sum, &i).s, p);
    hone_nk__stage(e, hone_nk__out(e, 0), y->n_dims, "%s", hone_nk__as(t, of, root.s).s);
}

hone_status hone_nk__lp_pool(hone_nk *e)
{
    hone_net_window w;
    hone_nk_steps steps;
    hone_nk_text at;
    HONE_TRY(window_of(e, "0", &w, &steps, &at));
    put_norm(e, &steps, at.s);
    return HONE_OK;
}

/* ---- of a whole image ------------------------------------------------------------------------ */

hone_status hone_nk__global_pool(hone_nk *e)
{
    const char *op = e->u->node->op->name;
    const hone_tensor *x = hone_net_in(e->u, 0);
    hone_nk_steps steps = {0};
    bool folded[HONE_MAX_DIMS] = {0};
    for (unsigned d = 2; d < x->n_dims; d++)
        folded[d] = true;
    hone_nk_text at = hone_nk__folded(e, 0, folded, true, &steps);
    if (strcmp(op, "GlobalLpPool") == 0) {
        put_norm(e, &steps, at.s);
        return HONE_OK;
    }
    if (strcmp(op, "GlobalMaxPool") == 0) {
        hone_nk__stage(e, hone_nk__out(e, 0), x->n_dims, "%s",
                       hone_nk__over("max", &steps, at.s).s);
        return HONE_OK;
    }
    hone_dtype t = x->dtype, of = hone_nk__sum_type(t);
    int64_t shape[HONE_MAX_DIMS], count = steps.count ? steps.count : 1;
    unsigned n = hone_nk__kept(x, folded, shape);
    const hone_nk_row *sum = hone_nk__temp(e, of, shape, n);
    hone_nk__stage(e, sum, n, "%s", hone_nk__over("sum", &steps, hone_nk__as(of, t, at.s).s).s);
    hone_nk_text mean =
        hone_nk__textf("%s * (1 / %" PRId64 ")", hone_nk__kept_at(sum, x, folded).s, count);
    hone_nk__stage(e, hone_nk__out(e, 0), x->n_dims, "%s", hone_nk__as(t, of, mean.s).s);
    return HONE_OK;
}
