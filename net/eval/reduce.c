/* Reductions, choices of the largest, softmax and running sums, evaluated. */
#include "net/eval/eval.h"

#include <math.h>

/* ---- reductions ------------------------------------------------------------------------------ */

/* Which reduction it is, whatever the opset. */
static hone_net_op_id which(const hone_net_use *u)
{
    switch (u->node->op->id) {
    case HONE_NET_OP_REDUCE_L1_7:
        return HONE_NET_OP_REDUCE_L1;
    case HONE_NET_OP_REDUCE_L2_7:
        return HONE_NET_OP_REDUCE_L2;
    case HONE_NET_OP_REDUCE_LOG_SUM_7:
        return HONE_NET_OP_REDUCE_LOG_SUM;
    case HONE_NET_OP_REDUCE_LOG_SUM_EXP_7:
        return HONE_NET_OP_REDUCE_LOG_SUM_EXP;
    case HONE_NET_OP_REDUCE_MAX_7:
        return HONE_NET_OP_REDUCE_MAX;
    case HONE_NET_OP_REDUCE_MEAN_7:
        return HONE_NET_OP_REDUCE_MEAN;
    case HONE_NET_OP_REDUCE_MIN_7:
        return HONE_NET_OP_REDUCE_MIN;
    case HONE_NET_OP_REDUCE_PROD_7:
        return HONE_NET_OP_REDUCE_PROD;
    case HONE_NET_OP_REDUCE_SUM_7:
        return HONE_NET_OP_REDUCE_SUM;
    case HONE_NET_OP_REDUCE_SUM_SQUARE_7:
        return HONE_NET_OP_REDUCE_SUM_SQUARE;
    default:
        return u->node->op->id;
    }
}

static double begin(hone_net_op_id op)
{
    switch (op) {
    case HONE_NET_OP_REDUCE_MAX:
        return -(double)INFINITY;
    case HONE_NET_OP_REDUCE_MIN:
        return (double)INFINITY;
    case HONE_NET_OP_REDUCE_PROD:
        return 1;
    default:
        return 0;
    }
}

/* most: the largest element, of a LogSumExp. */
static double step(hone_net_op_id op, double has, double x, double most)
{
    switch (op) {
    case HONE_NET_OP_REDUCE_L1:
        return has + fabs(x);
    case HONE_NET_OP_REDUCE_L2:
    case HONE_NET_OP_REDUCE_SUM_SQUARE:
        return has + x * x;
    case HONE_NET_OP_REDUCE_LOG_SUM_EXP:
        return has + exp(x - most);
    case HONE_NET_OP_REDUCE_MAX:
        return x > has || isnan(x) ? x : has;
    case HONE_NET_OP_REDUCE_MIN:
        return x < has || isnan(x) ? x : has;
    case HONE_NET_OP_REDUCE_PROD:
        return has * x;
    default:
        return has + x;
    }
}

static double end(hone_net_op_id op, double has, double n, double most)
{
    switch (op) {
    case HONE_NET_OP_REDUCE_L2:
        return sqrt(has);
    case HONE_NET_OP_REDUCE_LOG_SUM:
        return log(has);
    case HONE_NET_OP_REDUCE_LOG_SUM_EXP:
        return log(has) + most;
    case HONE_NET_OP_REDUCE_MEAN:
        return has / n;
    default:
        return has;
    }
}

/* For each element of x its place in the reduced array: steps of the axes that are kept. */
static void kept_strides(const hone_tensor *x, const bool is[HONE_MAX_DIMS],
                         int64_t ret[HONE_MAX_DIMS])
{
    int64_t n = 1;
    for (uint32_t k = x->n_dims; k-- > 0;) {
        ret[k] = is[k] ? 0 : n;
        n *= is[k] ? 1 : x->shape[k];
    }
}

/* Sums and products of integers wrap around, and their largest are exact. */
static bool reduce_ints(hone_net_op_id op, const hone_tensor *x, hone_net_counter c, hone_tensor *y)
{
    bool most = op == HONE_NET_OP_REDUCE_MAX, least = op == HONE_NET_OP_REDUCE_MIN;
    bool sum = op == HONE_NET_OP_REDUCE_SUM, product = op == HONE_NET_OP_REDUCE_PROD;
    if (hone_dtype_is_float(x->dtype) || !(most || least || sum || product))
        return false;
    int64_t first = most ? INT64_MIN : least ? INT64_MAX : product;
    int64_t n = hone_tensor_elems(y), *to = hone_xmalloc((size_t)(n + 1) * sizeof *to);
    for (int64_t k = 0; k < n; k++)
        to[k] = first;
    for (int64_t k = 0, of = hone_tensor_elems(x); k < of; k++, hone_net__next(&c)) {
        int64_t v = hone_tensor_int(x, k), *has = &to[c.offset[0]];
        if (sum)
            *has = (int64_t)((uint64_t)*has + (uint64_t)v);
        else if (product)
            *has = (int64_t)((uint64_t)*has * (uint64_t)v);
        else if (most ? v > *has : v < *has)
            *has = v;
    }
    for (int64_t k = 0; k < n; k++)
        hone_net__set_int(y, k, to[k]);
    free(to);
    return true;
}

hone_status hone_net__eval_reduce(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    hone_tensor *y = u->out[0];
    hone_net_op_id op = which(u);
    bool is[HONE_MAX_DIMS];
    int64_t stride[HONE_MAX_DIMS];
    HONE_TRY(hone_net_reduced_axes(u, is, err));
    kept_strides(x, is, stride);
    hone_net_counter c = hone_net__count(x);
    hone_net__track(&c, 0, stride);
    if (reduce_ints(op, x, c, y))
        return HONE_OK;
    int64_t n = hone_tensor_elems(y), of = hone_tensor_elems(x);
    double *to = hone_xmalloc((size_t)(n + 1) * sizeof *to);
    double *most = hone_xmalloc((size_t)(n + 1) * sizeof *most);
    for (int64_t k = 0; k < n; k++) {
        to[k] = begin(op);
        most[k] = -(double)INFINITY;
    }
    for (int64_t k = 0; k < of; k++, hone_net__next(&c))
        most[c.offset[0]] = fmax(most[c.offset[0]], hone_tensor_float(x, k));
    for (int64_t k = 0; k < n; k++)
        most[k] = isinf(most[k]) ? 0 : most[k];
    for (int64_t k = 0; k < of; k++, hone_net__next(&c))
        to[c.offset[0]] = step(op, to[c.offset[0]], hone_tensor_float(x, k), most[c.offset[0]]);
    for (int64_t k = 0; k < n; k++)
        hone_net__set_float(y, k, end(op, to[k], (double)of / (double)n, most[k]));
    free(to);
    free(most);
    return HONE_OK;
}

/* ---- the largest, the smallest --------------------------------------------------------------- */

hone_status hone_net__eval_arg(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    bool most = u->node->op->id == HONE_NET_OP_ARG_MAX;
    bool last = hone_net_attr_int(u->node, "select_last_index");
    uint32_t axis;
    HONE_TRY(hone_net_axis_of(u, "axis", x->n_dims, &axis, err));
    int64_t size = x->shape[axis], inner = hone_net__elems(x, axis + 1, x->n_dims);
    for (int64_t k = 0, n = hone_tensor_elems(u->out[0]); k < n; k++) {
        int64_t base = k / inner * size * inner + k % inner, best = 0;
        for (int64_t j = 1; j < size; j++) {
            double v = hone_tensor_float(x, base + j * inner);
            double has = hone_tensor_float(x, base + best * inner);
            if ((most ? v > has : v < has) || (last && v == has))
                best = j;
        }
        hone_net__set_int(u->out[0], k, best);
    }
    return HONE_OK;
}

/* ---- softmax --------------------------------------------------------------------------------- */

/* One row of n elements, `by` apart. */
static void softmax_row(const hone_net_use *u, int64_t base, int64_t n, int64_t by)
{
    const hone_tensor *x = u->in[0];
    hone_net_op_id op = u->node->op->id;
    double most = -(double)INFINITY, sum = 0;
    int64_t first = 0;
    for (int64_t k = 0; k < n; k++) {
        double v = hone_tensor_float(x, base + k * by);
        first = v > most ? k : first;
        most = v > most ? v : most;
    }
    for (int64_t k = 0; k < n; k++)
        sum += exp(hone_tensor_float(x, base + k * by) - most);
    for (int64_t k = 0; k < n; k++) {
        double v = hone_tensor_float(x, base + k * by) - most;
        if (op == HONE_NET_OP_HARDMAX || op == HONE_NET_OP_HARDMAX_7)
            v = k == first;
        else if (op == HONE_NET_OP_LOG_SOFTMAX || op == HONE_NET_OP_LOG_SOFTMAX_7)
            v -= log(sum);
        else
            v = exp(v) / sum;
        hone_net__set_float(u->out[0], base + k * by, v);
    }
}

hone_status hone_net__eval_softmax(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    uint32_t from, to;
    HONE_TRY(hone_net_softmax_of(u, &from, &to, err));
    int64_t n = hone_net__elems(x, from, to), inner = hone_net__elems(x, to, x->n_dims);
    int64_t rows = n ? hone_tensor_elems(x) / n : 0;
    for (int64_t k = 0; k < rows; k++)
        softmax_row(u, k / inner * n * inner + k % inner, n, inner);
    return HONE_OK;
}

/* ---- running sums ---------------------------------------------------------------------------- */

hone_status hone_net__eval_cum_sum(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    bool exclusive = hone_net_attr_int(u->node, "exclusive");
    bool reverse = hone_net_attr_int(u->node, "reverse");
    bool real = hone_dtype_is_float(x->dtype);
    uint32_t axis;
    HONE_TRY(hone_net_cum_sum_axis(u, &axis, err));
    int64_t size = x->shape[axis], inner = hone_net__elems(x, axis + 1, x->n_dims);
    for (int64_t r = 0, n = size ? hone_tensor_elems(x) / size : 0; r < n; r++) {
        double sum = 0;
        uint64_t whole = 0;
        for (int64_t j = 0; j < size; j++) {
            int64_t at =
                r / inner * size * inner + r % inner + (reverse ? size - 1 - j : j) * inner;
            double before = sum;
            uint64_t whole_before = whole;
            sum += hone_tensor_float(x, at);
            whole += real ? 0 : (uint64_t)hone_tensor_int(x, at);
            if (real)
                hone_net__set_float(u->out[0], at, exclusive ? before : sum);
            else
                hone_net__set_int(u->out[0], at, (int64_t)(exclusive ? whole_before : whole));
        }
    }
    return HONE_OK;
}
