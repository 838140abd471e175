/* Kernels: products of matrices, of floats and of quantised integers, and Einsum. */
#include "net/kernel/internal.h"

#include "net/op/einsum.h"

/* ---- what a product runs over ---------------------------------------------------------------- */

typedef struct product {
    hone_nk_index a, b; /* k0 is what is summed over */
    int64_t steps;      /* of it */
    unsigned n;         /* dimensions of the result */
    int64_t shape[HONE_MAX_DIMS], shape_a[HONE_MAX_DIMS], shape_b[HONE_MAX_DIMS];
    char at_row[16], at_column[16]; /* indices of the result; "0": it has none */
} product;

/* The leading dimensions of an operand, broadcast to the `batch` of the result. */
static void lead(const hone_tensor *t, unsigned batch, hone_nk_index *x, int64_t *shape)
{
    x->n = t->n_dims;
    for (unsigned d = 0; d < batch; d++)
        shape[d] = 1;
    for (unsigned d = 0; d + 2 < t->n_dims; d++) {
        unsigned at = batch - (t->n_dims - 2u) + d;
        shape[at] = t->shape[d];
        if (t->shape[d] == 1)
            hone_nk__set(x, d, "0");
        else
            hone_nk__set(x, d, "i%u", at);
    }
}

/* MatMul of inputs ka and kb, by the rules of numpy. */
static void matmul_of(const hone_nk *e, unsigned ka, unsigned kb, product *p)
{
    const hone_tensor *a = hone_net_in(e->u, ka), *b = hone_net_in(e->u, kb);
    const hone_tensor *y = hone_net_out(e->u, 0);
    bool rows = a->n_dims > 1, columns = b->n_dims > 1;
    unsigned batch = y->n_dims - rows - columns, row = batch, column = batch + rows;
    *p = (product){.n = y->n_dims, .steps = a->shape[a->n_dims - 1]};
    memcpy(p->shape, y->shape, sizeof p->shape);
    lead(a, batch, &p->a, p->shape_a);
    lead(b, batch, &p->b, p->shape_b);
    if (rows) {
        hone_nk__set(&p->a, a->n_dims - 2u, "i%u", row);
        p->shape_a[row] = y->shape[row];
        p->shape_b[row] = 1;
    }
    hone_nk__set(&p->a, a->n_dims - 1u, "k0");
    hone_nk__set(&p->b, columns ? b->n_dims - 2u : 0, "k0");
    if (columns) {
        hone_nk__set(&p->b, b->n_dims - 1u, "i%u", column);
        p->shape_b[column] = y->shape[column];
        p->shape_a[column] = 1;
    }
    snprintf(p->at_row, sizeof p->at_row, "0");
    snprintf(p->at_column, sizeof p->at_column, "0");
    if (rows)
        snprintf(p->at_row, sizeof p->at_row, "i%u", row);
    if (columns)
        snprintf(p->at_column, sizeof p->at_column, "i%u", column);
}

/* ---- floats ---------------------------------------------------------------------------------- */

/* The sum, of the type in which it is taken: in the output itself, if that will do. */
static const hone_nk_row *sum_of(hone_nk *e, unsigned ka, unsigned kb, const product *p,
                                 bool in_output)
{
    hone_dtype t = hone_nk__in_type(e, ka), of = hone_nk__sum_type(t);
    const hone_nk_row *to = in_output && of == t
                                ? hone_nk__out(e, 0)
                                : hone_nk__temp_like(e, of, p->shape, p->n, e->out[0]);
    hone_nk_text a = hone_nk__at(hone_nk__in(e, ka), &p->a);
    hone_nk_text b = hone_nk__at(hone_nk__in(e, kb), &p->b);
    hone_nk__stage(e, to, p->n, "sum(k0 < %" PRId64 ") %s * %s", p->steps,
                   hone_nk__as(of, t, a.s).s, hone_nk__as(of, t, b.s).s);
    return to;
}

hone_status hone_nk__matmul(hone_nk *e)
{
    product p;
    matmul_of(e, 0, 1, &p);
    hone_dtype t = hone_nk__in_type(e, 0), of = hone_nk__sum_type(t);
    const hone_nk_row *scale = hone_nk__scale_of(e, 0);
    const hone_nk_row *sum = sum_of(e, 0, 1, &p, !scale);
    hone_nk_index x = hone_nk__indices(p.n);
    if (scale) {
        hone_nk_index row = hone_nk__indices(p.n - 1);
        hone_nk__stage(e, hone_nk__out(e, 0), p.n, "%s * %s", hone_nk__at(sum, &x).s,
                       hone_nk__at(scale, &row).s);
    } else if (of != t) {
        hone_nk__stage(e, hone_nk__out(e, 0), p.n, "%s",
                       hone_nk__as(t, of, hone_nk__at(sum, &x).s).s);
    }
    return HONE_OK;
}

/* alpha A B + beta C */
hone_status hone_nk__gemm(hone_nk *e)
{
    const hone_net_node_row *node = e->u->node;
    bool flip_a = hone_net_attr_int(node, "transA") != 0;
    bool flip_b = hone_net_attr_int(node, "transB") != 0;
    double alpha = hone_net_attr_float(node, "alpha"), beta = hone_net_attr_float(node, "beta");
    const hone_tensor *y = hone_net_out(e->u, 0);
    bool adds = hone_net_in(e->u, 2) && beta != 0;
    hone_dtype t = hone_nk__in_type(e, 0), of = hone_nk__sum_type(t);
    product p = {.n = 2, .steps = hone_net_in(e->u, 0)->shape[flip_a ? 0 : 1]};
    memcpy(p.shape, y->shape, sizeof p.shape);
    p.a.n = p.b.n = 2;
    hone_nk__set(&p.a, flip_a, "i0");
    hone_nk__set(&p.a, !flip_a, "k0");
    hone_nk__set(&p.b, flip_b, "k0");
    hone_nk__set(&p.b, !flip_b, "i1");
    if (!hone_dtype_is_float(t) && (alpha != 1 || (adds && beta != 1)))
        return hone_nk__refuse(e, "alpha and beta are 1 for integers");
    bool plain = alpha == 1 && !adds;
    const hone_nk_row *sum = sum_of(e, 0, 1, &p, plain);
    if (plain && of == t)
        return HONE_OK;
    hone_nk_index x = hone_nk__indices(2);
    hone_buf b = {0};
    hone_buf_puts(&b, hone_nk__at(sum, &x).s);
    if (alpha != 1)
        hone_buf_printf(&b, " * %s", hone_nk__number(alpha).s);
    if (adds)
        hone_buf_printf(&b, " + %s", hone_nk__as(of, t, hone_nk__operand(e, 2, 2).s).s);
    if (adds && beta != 1)
        hone_buf_printf(&b, " * %s", hone_nk__number(beta).s);
    hone_nk__stage(e, hone_nk__out(e, 0), 2, "%s", hone_nk__as(t, of, b.s).s);
    hone_buf_free(&b);
    return HONE_OK;
}

/* ---- integers -------------------------------------------------------------------------------- */

bool hone_nk__zero_point(hone_nk *e, unsigned k, const char *at, hone_nk_text *ret)
{
    const hone_tensor *t = hone_net_in(e->u, k);
    if (!t || hone_nk__is_all(t, 0))
        return false;
    *ret = hone_nk__as(HONE_I32, t->dtype, hone_nk__per(e, k, at).s);
    return true;
}

const hone_nk_row *hone_nk__products(hone_nk *e, const hone_nk_products *p)
{
    const hone_nk_row *sum = p->is_output && !p->za && !p->zb
                                 ? hone_nk__out(e, 0)
                                 : hone_nk__temp_like(e, HONE_I32, p->shape, p->n, e->out[0]);
    hone_nk__stage(e, sum, p->n, "sum(%s) i32(%s) * i32(%s)", p->ranges, p->a, p->b);
    if (!p->za && !p->zb)
        return sum;
    hone_nk_index x = hone_nk__indices(p->n);
    hone_buf b = {0};
    hone_buf_puts(&b, hone_nk__at(sum, &x).s);
    if (p->za) {
        const hone_nk_row *sum_b = hone_nk__temp(e, HONE_I32, p->shape_b, p->n);
        hone_nk__stage(e, sum_b, p->n, "sum(%s) i32(%s)", p->ranges, p->b);
        hone_buf_printf(&b, " - %s * %s", p->za, hone_nk__spread(sum_b, p->shape_b, p->n).s);
    }
    if (p->zb) {
        const hone_nk_row *sum_a = hone_nk__temp(e, HONE_I32, p->shape_a, p->n);
        hone_nk__stage(e, sum_a, p->n, "sum(%s) i32(%s)", p->ranges, p->a);
        hone_buf_printf(&b, " - %s * %s", p->zb, hone_nk__spread(sum_a, p->shape_a, p->n).s);
    }
    if (p->za && p->zb)
        hone_buf_printf(&b, " + %s * %s * %" PRId64, p->za, p->zb, p->steps);
    const hone_nk_row *less = hone_nk__temp_like(e, HONE_I32, p->shape, p->n, e->out[0]);
    hone_nk__stage(e, less, p->n, "%s", b.s);
    hone_buf_free(&b);
    return less;
}

void hone_nk__rescaled(hone_nk *e, const hone_nk_rescale *r)
{
    const hone_tensor *y = hone_net_out(e->u, 0);
    hone_nk_text a = hone_nk__per(e, r->scale_a, r->at_a), b = hone_nk__per(e, r->scale_b, r->at_b);
    hone_nk_text by = hone_nk__per(e, r->scale_y, "0"), zero = {"0"};
    if (hone_net_in(e->u, r->zero_y))
        zero = hone_nk__as(HONE_F32, hone_nk__in_type(e, r->zero_y),
                           hone_nk__per(e, r->zero_y, "0").s);
    hone_nk__stage(e, hone_nk__out(e, 0), y->n_dims, "%s(round(f32(%s) * (%s * %s / %s)) + %s)",
                   hone_dtype_name(y->dtype), r->from, a.s, b.s, by.s, zero.s);
}

static hone_status check_per(hone_nk *e, const unsigned *inputs, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        if (hone_net_in(e->u, inputs[k]) && !hone_nk__is_per(hone_net_in(e->u, inputs[k])))
            return hone_nk__refuse(e,
                                   "scales and zero points are one, or one for each row or column");
    return HONE_OK;
}

/* Of inputs ka and kb with zero points za and zb. */
static const hone_nk_row *integer_product(hone_nk *e, unsigned ka, unsigned kb, unsigned za,
                                          unsigned zb, bool is_output, product *p)
{
    matmul_of(e, ka, kb, p);
    hone_nk_text a = hone_nk__at(hone_nk__in(e, ka), &p->a), zero_a;
    hone_nk_text b = hone_nk__at(hone_nk__in(e, kb), &p->b), zero_b;
    hone_nk_text ranges = hone_nk__textf("k0 < %" PRId64, p->steps);
    hone_nk_products of = {.ranges = ranges.s,
                           .a = a.s,
                           .b = b.s,
                           .steps = p->steps,
                           .n = p->n,
                           .shape = p->shape,
                           .shape_a = p->shape_a,
                           .shape_b = p->shape_b,
                           .is_output = is_output};
    of.za = hone_nk__zero_point(e, za, p->at_row, &zero_a) ? zero_a.s : NULL;
    of.zb = hone_nk__zero_point(e, zb, p->at_column, &zero_b) ? zero_b.s : NULL;
    return hone_nk__products(e, &of);
}

hone_status hone_nk__matmul_integer(hone_nk *e)
{
    product p;
    HONE_TRY(check_per(e, (const unsigned[]){2, 3}, 2));
    const hone_nk_row *from = integer_product(e, 0, 1, 2, 3, true, &p);
    hone_nk_index x = hone_nk__indices(p.n);
    if (from != hone_nk__out(e, 0))
        hone_nk__stage(e, hone_nk__out(e, 0), p.n, "%s", hone_nk__at(from, &x).s);
    return HONE_OK;
}

hone_status hone_nk__qlinear_matmul(hone_nk *e)
{
    product p;
    HONE_TRY(check_per(e, (const unsigned[]){1, 2, 4, 5, 6, 7}, 6));
    const hone_nk_row *from = integer_product(e, 0, 3, 2, 5, false, &p);
    hone_nk_index x = hone_nk__indices(p.n);
    hone_nk_text at = hone_nk__at(from, &x);
    hone_nk__rescaled(e, &(hone_nk_rescale){.from = at.s,
                                            .scale_a = 1,
                                            .scale_b = 4,
                                            .scale_y = 6,
                                            .zero_y = 7,
                                            .at_a = p.at_row,
                                            .at_b = p.at_column});
    return HONE_OK;
}

/* ---- Einsum ---------------------------------------------------------------------------------- */

/* The indices of the axes: those of the result by their place, the others summed over. */
static void name_axes(const hone_net_einsum *q, char index[128][12], hone_buf *ranges)
{
    unsigned n = 0;
    for (unsigned k = 0; k < q->out.n; k++)
        snprintf(index[(unsigned char)q->out.axis[k]], sizeof index[0], "i%u", k);
    for (unsigned c = 0; c < 128; c++) {
        if (!q->seen[c] || index[c][0])
            continue;
        snprintf(index[c], sizeof index[c], "k%u", n);
        hone_buf_printf(ranges, "%sk%u < %" PRId64, n ? ", " : "", n, q->size[c]);
        n++;
    }
}

hone_status hone_nk__einsum(hone_nk *e)
{
    hone_net_einsum q;
    HONE_TRY(hone_net__einsum_of(e->u, &q, e->err));
    char index[128][12] = {{0}};
    hone_buf ranges = {0}, value = {0};
    name_axes(&q, index, &ranges);
    hone_dtype t = hone_nk__in_type(e, 0), of = hone_nk__sum_type(t);
    for (unsigned k = 0; k < q.n; k++) {
        hone_nk_index x = {.n = q.in[k].n};
        for (unsigned d = 0; d < x.n; d++) /* what is 1 long is broadcast */
            hone_nk__set(
                &x, d, "%s",
                hone_net_in(e->u, k)->shape[d] == 1 ? "0" : index[(unsigned char)q.in[k].axis[d]]);
        hone_nk_text at = hone_nk__at(hone_nk__in(e, k), &x);
        hone_buf_printf(&value, "%s%s", k ? " * " : "", hone_nk__as(of, t, at.s).s);
    }
    const hone_tensor *y = hone_net_out(e->u, 0);
    hone_nk_index x = hone_nk__indices(y->n_dims);
    const hone_nk_row *to =
        of == t ? hone_nk__out(e, 0) : hone_nk__temp_like(e, of, y->shape, y->n_dims, e->out[0]);
    if (ranges.n)
        hone_nk__stage(e, to, y->n_dims, "sum(%s) %s", ranges.s, value.s);
    else
        hone_nk__stage(e, to, y->n_dims, "%s", value.s);
    if (of != t)
        hone_nk__stage(e, hone_nk__out(e, 0), y->n_dims, "%s",
                       hone_nk__as(t, of, hone_nk__at(to, &x).s).s);
    hone_buf_free(&ranges);
    hone_buf_free(&value);
    return HONE_OK;
}
