/* Products, evaluated: matrices, batches of them, Einstein's notation. */
#include "net/eval/eval.h"
#include "net/op/einsum.h"

#include <math.h>

/* ---- matrices -------------------------------------------------------------------------------- */

typedef struct matmul {
    int64_t m, n, k, batches;
    hone_net_counter batch; /* two tracks, of a and b */
} matmul;

static hone_tensor batch_shape(const hone_tensor *t)
{
    hone_tensor s = *t;
    s.n_dims = t->n_dims > 2 ? t->n_dims - 2 : 0;
    return s;
}

/* Of a vector on either side, as numpy has it. y: the result. */
static matmul matmul_of(const hone_tensor *a, const hone_tensor *b, const hone_tensor *y)
{
    matmul p = {.m = a->n_dims > 1 ? a->shape[a->n_dims - 2] : 1,
                .k = a->shape[a->n_dims - 1],
                .n = b->n_dims > 1 ? b->shape[b->n_dims - 1] : 1};
    hone_tensor of_a = batch_shape(a), of_b = batch_shape(b), of_y = *y;
    of_y.n_dims = of_a.n_dims > of_b.n_dims ? of_a.n_dims : of_b.n_dims;
    p.batches = hone_tensor_elems(&of_y);
    p.batch = hone_net__count(&of_y);
    hone_net__track_broadcast(&p.batch, &of_a);
    hone_net__track_broadcast(&p.batch, &of_b);
    return p;
}

/* y[m, n] += a[m, k] * b[k, n], rows of b at once. */
static void multiply(const matmul *p, const double *a, const double *b, double *y)
{
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t k = 0; k < p->k; k++)
            for (int64_t j = 0; j < p->n; j++)
                y[i * p->n + j] += a[i * p->k + k] * b[k * p->n + j];
}

/* All batches of doubles; caller frees. */
static double *multiply_all(matmul *p, const double *a, const double *b)
{
    double *y = hone_xcalloc((size_t)(p->batches * p->m * p->n) + 1, sizeof *y);
    for (int64_t k = 0; k < p->batches; k++, hone_net__next(&p->batch))
        multiply(p, a + p->batch.offset[0] * p->m * p->k, b + p->batch.offset[1] * p->k * p->n,
                 y + k * p->m * p->n);
    return y;
}

/* Wraps around in 64 bits, then in the type. */
static void multiply_ints(matmul *p, const hone_tensor *ta, const hone_tensor *tb, hone_tensor *y)
{
    int64_t *a = hone_net__ints(ta), *b = hone_net__ints(tb);
    for (int64_t r = 0; r < p->batches; r++, hone_net__next(&p->batch))
        for (int64_t i = 0; i < p->m; i++)
            for (int64_t j = 0; j < p->n; j++) {
                uint64_t sum = 0;
                for (int64_t k = 0; k < p->k; k++)
                    sum += (uint64_t)a[(p->batch.offset[0] * p->m + i) * p->k + k] *
                           (uint64_t)b[(p->batch.offset[1] * p->k + k) * p->n + j];
                hone_net__set_int(y, (r * p->m + i) * p->n + j, (int64_t)sum);
            }
    free(a);
    free(b);
}

hone_status hone_net__eval_matmul(const hone_net_use *u, hone_error *err)
{
    (void)err;
    matmul p = matmul_of(u->in[0], u->in[1], u->out[0]);
    if (!hone_dtype_is_float(u->in[0]->dtype)) {
        multiply_ints(&p, u->in[0], u->in[1], u->out[0]);
        return HONE_OK;
    }
    double *a = hone_net__floats(u->in[0]), *b = hone_net__floats(u->in[1]);
    double *y = multiply_all(&p, a, b);
    for (int64_t k = 0, n = hone_tensor_elems(u->out[0]); k < n; k++)
        hone_net__set_float(u->out[0], k, y[k]);
    free(a);
    free(b);
    free(y);
    return HONE_OK;
}

static double *transposed(const hone_tensor *t, bool is)
{
    double *v = hone_net__floats(t);
    if (!is)
        return v;
    int64_t rows = t->shape[0], columns = t->shape[1];
    double *to = hone_xmalloc((size_t)(rows * columns + 1) * sizeof *to);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            to[j * rows + i] = v[i * columns + j];
    free(v);
    return to;
}

hone_status hone_net__eval_gemm(const hone_net_use *u, hone_error *err)
{
    (void)err;
    hone_tensor *y = u->out[0];
    bool ta = hone_net_attr_int(u->node, "transA"), tb = hone_net_attr_int(u->node, "transB");
    double alpha = hone_net_attr_float(u->node, "alpha");
    double beta = hone_net_attr_float(u->node, "beta");
    double *a = transposed(u->in[0], ta), *b = transposed(u->in[1], tb);
    matmul p = {.m = y->shape[0], .n = y->shape[1], .k = u->in[0]->shape[!ta]};
    double *sum = hone_xcalloc((size_t)(p.m * p.n) + 1, sizeof *sum);
    multiply(&p, a, b, sum);
    hone_net_counter c = hone_net__count(y);
    if (hone_net_in(u, 2))
        hone_net__track_broadcast(&c, u->in[2]);
    for (int64_t k = 0; k < p.m * p.n; k++, hone_net__next(&c)) {
        double more = hone_net_in(u, 2) ? beta * hone_tensor_float(u->in[2], c.offset[0]) : 0;
        hone_net__set_float(y, k, alpha * sum[k] + more);
    }
    free(a);
    free(b);
    free(sum);
    return HONE_OK;
}

/* ---- integers with zero points --------------------------------------------------------------- */

/* Elements of a less the zero points of their rows, of b less those of their columns. */
static double *centred(const hone_tensor *t, const hone_tensor *zero, bool is_rows)
{
    double *v = hone_net__floats(t);
    int64_t columns = t->n_dims ? t->shape[t->n_dims - 1] : 1;
    int64_t rows = t->n_dims > 1 ? t->shape[t->n_dims - 2] : 1;
    if (t->n_dims == 1 && !is_rows)
        columns = 1;
    for (int64_t k = 0, n = hone_tensor_elems(t); k < n; k++)
        v[k] -= hone_net__point(zero, is_rows ? k / columns % rows : k % columns);
    return v;
}

static double *integer_sums(const hone_net_use *u, uint32_t b, uint32_t a_zero, uint32_t b_zero,
                            matmul *p)
{
    *p = matmul_of(u->in[0], u->in[b], u->out[0]);
    double *x = centred(u->in[0], hone_net_in(u, a_zero), true);
    double *w = centred(u->in[b], hone_net_in(u, b_zero), false);
    double *y = multiply_all(p, x, w);
    free(x);
    free(w);
    return y;
}

hone_status hone_net__eval_matmul_integer(const hone_net_use *u, hone_error *err)
{
    (void)err;
    matmul p;
    double *y = integer_sums(u, 1, 2, 3, &p);
    for (int64_t k = 0, n = hone_tensor_elems(u->out[0]); k < n; k++)
        hone_net__set_int(u->out[0], k, (int64_t)y[k]);
    free(y);
    return HONE_OK;
}

hone_status hone_net__eval_qlinear_matmul(const hone_net_use *u, hone_error *err)
{
    (void)err;
    matmul p;
    double *y = integer_sums(u, 3, 2, 5, &p);
    for (int64_t k = 0, n = hone_tensor_elems(u->out[0]); k < n; k++) {
        double scale = hone_net__point(u->in[1], k / p.n % p.m) *
                       hone_net__point(u->in[4], k % p.n) / hone_net__point(u->in[6], 0);
        hone_net__set_saturated(u->out[0], k,
                                nearbyint(y[k] * scale) + hone_net__point(u->in[7], 0));
    }
    free(y);
    return HONE_OK;
}

/* ---- Einstein's notation --------------------------------------------------------------------- */

/* The step of an input for one of the axis called `axis`: an axis that is there twice is a
 * diagonal, and one of size 1 is broadcast. */
static int64_t step(const hone_net_term *term, const hone_tensor *t, char axis)
{
    int64_t strides[HONE_MAX_DIMS], by = 0;
    hone_net__strides(t, strides);
    for (uint32_t d = 0; d < term->n; d++)
        if (term->axis[d] == axis && t->shape[d] != 1)
            by += strides[d];
    return by;
}

/* The product at one place of the result, summed over the axes that are not in it. */
static double sum_at(const hone_net_use *u, const char *axes, const int64_t *sizes, uint32_t n,
                     const int64_t *starts, const int64_t (*steps)[128])
{
    int64_t at[128] = {0}, places = 1;
    double sum = 0;
    for (uint32_t a = 0; a < n; a++)
        places *= sizes[a];
    for (int64_t p = 0; p < places; p++) {
        double product = 1;
        for (uint32_t k = 0; k < u->n_in; k++) {
            int64_t offset = starts[k];
            for (uint32_t a = 0; a < n; a++)
                offset += at[a] * steps[k][(int)axes[a]];
            product *= hone_tensor_float(u->in[k], offset);
        }
        sum += product;
        for (uint32_t a = n; a-- > 0 && ++at[a] == sizes[a];)
            at[a] = 0;
    }
    return sum;
}

hone_status hone_net__eval_einsum(const hone_net_use *u, hone_error *err)
{
    hone_net_einsum e;
    HONE_TRY(hone_net__einsum_of(u, &e, err));
    int64_t steps[HONE_NET_EINSUM_INPUTS][128] = {0}, sizes[128];
    char axes[128];
    uint32_t n = 0;
    for (int c = 0; c < 128; c++) {
        if (!e.seen[c])
            continue;
        bool kept = memchr(e.out.axis, c, e.out.n) != NULL;
        for (uint32_t k = 0; k < u->n_in; k++)
            steps[k][c] = step(&e.in[k], u->in[k], (char)c);
        if (!kept) {
            axes[n] = (char)c;
            sizes[n++] = e.size[c];
        }
    }
    hone_net_counter at = hone_net__count(u->out[0]);
    for (int64_t p = 0, of = hone_tensor_elems(u->out[0]); p < of; p++, hone_net__next(&at)) {
        int64_t starts[HONE_NET_EINSUM_INPUTS] = {0};
        for (uint32_t k = 0; k < u->n_in; k++)
            for (uint32_t d = 0; d < e.out.n; d++)
                starts[k] += at.at[d] * steps[k][(int)e.out.axis[d]];
        hone_net__set_float(u->out[0], p, sum_at(u, axes, sizes, n, starts, steps));
    }
    return HONE_OK;
}
