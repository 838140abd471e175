/* Norms, evaluated. */
#include "net/eval/eval.h"

#include <math.h>

typedef struct moments {
    double mean, variance;
} moments;

/* Of n elements from `base` on, `by` apart; the variance is that of all of them. */
static moments moments_of(const hone_tensor *x, int64_t base, int64_t n, int64_t by)
{
    moments m = {0, 0};
    for (int64_t k = 0; k < n; k++)
        m.mean += hone_tensor_float(x, base + k * by);
    m.mean /= (double)n;
    for (int64_t k = 0; k < n; k++) {
        double d = hone_tensor_float(x, base + k * by) - m.mean;
        m.variance += d * d;
    }
    m.variance /= (double)n;
    return m;
}

hone_status hone_net__eval_batch_norm(const hone_net_use *u, hone_error *err)
{
    (void)err;
    const hone_tensor *x = u->in[0];
    double epsilon = hone_net_attr_float(u->node, "epsilon");
    int64_t channels = u->in[1]->shape[0];
    int64_t each = x->n_dims > 2 ? hone_net__elems(x, 2, x->n_dims) : 1;
    for (int64_t k = 0, n = hone_tensor_elems(x); k < n; k++) {
        int64_t c = k / each % channels;
        double v = hone_tensor_float(x, k) - hone_tensor_float(u->in[3], c);
        v /= sqrt(hone_tensor_float(u->in[4], c) + epsilon);
        hone_net__set_float(u->out[0], k,
                            v * hone_tensor_float(u->in[1], c) + hone_tensor_float(u->in[2], c));
    }
    return HONE_OK;
}

hone_status hone_net__eval_instance_norm(const hone_net_use *u, hone_error *err)
{
    (void)err;
    const hone_tensor *x = u->in[0];
    double epsilon = hone_net_attr_float(u->node, "epsilon");
    int64_t each = hone_net__elems(x, 2, x->n_dims), channels = x->shape[1];
    for (int64_t p = 0; p < x->shape[0] * channels; p++) {
        moments m = moments_of(x, p * each, each, 1);
        double scale = hone_tensor_float(u->in[1], p % channels) / sqrt(m.variance + epsilon);
        for (int64_t k = p * each; k < (p + 1) * each; k++)
            hone_net__set_float(u->out[0], k,
                                (hone_tensor_float(x, k) - m.mean) * scale +
                                    hone_tensor_float(u->in[2], p % channels));
    }
    return HONE_OK;
}

hone_status hone_net__eval_layer_norm(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0], *bias = hone_net_in(u, 2);
    double epsilon = hone_net_attr_float(u->node, "epsilon");
    uint32_t axis;
    HONE_TRY(hone_net_axis_of(u, "axis", x->n_dims, &axis, err));
    int64_t each = hone_net__elems(x, axis, x->n_dims);
    hone_net_counter c = hone_net__count(x);
    hone_net__track_broadcast(&c, u->in[1]);
    hone_net__track_broadcast(&c, bias ? bias : u->in[1]);
    for (int64_t r = 0, n = hone_net__elems(x, 0, axis); r < n && each; r++) {
        moments m = moments_of(x, r * each, each, 1);
        double by = 1 / sqrt(m.variance + epsilon);
        for (int64_t k = r * each; k < (r + 1) * each; k++, hone_net__next(&c)) {
            double v = (hone_tensor_float(x, k) - m.mean) * by;
            v *= hone_tensor_float(u->in[1], c.offset[0]);
            v += bias ? hone_tensor_float(bias, c.offset[1]) : 0;
            hone_net__set_float(u->out[0], k, v);
        }
        if (hone_net_out(u, 1))
            hone_net__set_float(u->out[1], r, m.mean);
        if (hone_net_out(u, 2))
            hone_net__set_float(u->out[2], r, by);
    }
    return HONE_OK;
}

hone_status hone_net__eval_lp_norm(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    bool squares = hone_net_attr_int(u->node, "p") == 2;
    uint32_t axis;
    HONE_TRY(hone_net_axis_of(u, "axis", x->n_dims, &axis, err));
    int64_t size = x->shape[axis], inner = hone_net__elems(x, axis + 1, x->n_dims);
    for (int64_t r = 0, n = size ? hone_tensor_elems(x) / size : 0; r < n; r++) {
        int64_t base = r / inner * size * inner + r % inner;
        double sum = 0;
        for (int64_t k = 0; k < size; k++) {
            double v = hone_tensor_float(x, base + k * inner);
            sum += squares ? v * v : fabs(v);
        }
        double norm = squares ? sqrt(sum) : sum;
        for (int64_t k = 0; k < size; k++)
            hone_net__set_float(u->out[0], base + k * inner,
                                norm != 0 ? hone_tensor_float(x, base + k * inner) / norm : 0);
    }
    return HONE_OK;
}

/* Of `size` channels around each, the odd one more above it (Krizhevsky et al., 2012, 3.3). */
hone_status hone_net__eval_lrn(const hone_net_use *u, hone_error *err)
{
    (void)err;
    const hone_tensor *x = u->in[0];
    int64_t size = hone_net_attr_int(u->node, "size"), channels = x->shape[1];
    int64_t each = hone_net__elems(x, 2, x->n_dims), below = (size - 1) / 2;
    double alpha = hone_net_attr_float(u->node, "alpha") / (double)size;
    for (int64_t k = 0, n = hone_tensor_elems(x); k < n; k++) {
        int64_t c = k / each % channels, from = c < below ? 0 : c - below;
        int64_t to = size - 1 - below < channels - 1 - c ? c + size - 1 - below : channels - 1;
        double sum = 0;
        for (int64_t j = from; j <= to; j++) {
            double v = hone_tensor_float(x, k + (j - c) * each);
            sum += v * v;
        }
        double by = pow(hone_net_attr_float(u->node, "bias") + alpha * sum,
                        hone_net_attr_float(u->node, "beta"));
        hone_net__set_float(u->out[0], k, hone_tensor_float(x, k) / by);
    }
    return HONE_OK;
}

/* The standard's: the mean of squares less the square of the mean, and 1e-9 beside its root. */
hone_status hone_net__eval_mean_variance_norm(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    bool is[HONE_MAX_DIMS];
    int64_t stride[HONE_MAX_DIMS], groups = 1, n = hone_tensor_elems(x);
    HONE_TRY(hone_net_mvn_axes(u, is, err));
    for (uint32_t k = x->n_dims; k-- > 0;) {
        stride[k] = is[k] ? 0 : groups;
        groups *= is[k] ? 1 : x->shape[k];
    }
    hone_net_counter c = hone_net__count(x);
    hone_net__track(&c, 0, stride);
    double *sum = hone_xcalloc((size_t)(2 * groups) + 1, sizeof *sum), *squares = sum + groups;
    for (int64_t k = 0; k < n; k++, hone_net__next(&c)) {
        double v = hone_tensor_float(x, k);
        sum[c.offset[0]] += v;
        squares[c.offset[0]] += v * v;
    }
    double each = groups ? (double)n / (double)groups : 1;
    for (int64_t k = 0; k < n; k++, hone_net__next(&c)) {
        double mean = sum[c.offset[0]] / each;
        double variance = squares[c.offset[0]] / each - mean * mean;
        /* that of equal elements may be rounded to less than 0 */
        double deviation = sqrt(variance < 0 ? 0 : variance);
        hone_net__set_float(u->out[0], k, (hone_tensor_float(x, k) - mean) / (deviation + 1e-9));
    }
    free(sum);
    return HONE_OK;
}
