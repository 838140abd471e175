/* Operators on single elements, evaluated. */
#include "net/eval/eval.h"

#include <math.h>

/* ---- of one ---------------------------------------------------------------------------------- */

static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double attr(const hone_net_use *u, const char *name)
{
    return hone_net_attr_float(u->node, name);
}

/* Operators with attributes. */
static double shaped(const hone_net_use *u, double x)
{
    switch (u->node->op->id) {
    case HONE_NET_OP_CELU: {
        double a = attr(u, "alpha");
        return fmax(0, x) + fmin(0, a * expm1(x / a));
    }
    case HONE_NET_OP_ELU:
        return x < 0 ? attr(u, "alpha") * expm1(x) : x;
    case HONE_NET_OP_SELU:
        return attr(u, "gamma") * (x <= 0 ? attr(u, "alpha") * expm1(x) : x);
    case HONE_NET_OP_LEAKY_RELU:
        return x < 0 ? attr(u, "alpha") * x : x;
    case HONE_NET_OP_THRESHOLDED_RELU:
        return x > attr(u, "alpha") ? x : 0;
    case HONE_NET_OP_HARD_SIGMOID:
        return fmax(0, fmin(1, attr(u, "alpha") * x + attr(u, "beta")));
    case HONE_NET_OP_SHRINK: {
        double lambd = attr(u, "lambd"), bias = attr(u, "bias");
        return x < -lambd ? x + bias : x > lambd ? x - bias : 0;
    }
    default:
        hone_bug(__FILE__, __LINE__, u->node->op->name);
    }
}

static double unary(const hone_net_use *u, double x)
{
    switch (u->node->op->id) {
    case HONE_NET_OP_ABS:
        return fabs(x);
    case HONE_NET_OP_ACOS:
        return acos(x);
    case HONE_NET_OP_ACOSH:
        return acosh(x);
    case HONE_NET_OP_ASIN:
        return asin(x);
    case HONE_NET_OP_ASINH:
        return asinh(x);
    case HONE_NET_OP_ATAN:
        return atan(x);
    case HONE_NET_OP_ATANH:
        return atanh(x);
    case HONE_NET_OP_CEIL:
        return ceil(x);
    case HONE_NET_OP_COS:
        return cos(x);
    case HONE_NET_OP_COSH:
        return cosh(x);
    case HONE_NET_OP_ERF:
        return erf(x);
    case HONE_NET_OP_EXP:
        return exp(x);
    case HONE_NET_OP_FLOOR:
        return floor(x);
    case HONE_NET_OP_HARD_SWISH:
        return x * fmax(0, fmin(1, x / 6 + 0.5));
    case HONE_NET_OP_LOG:
        return log(x);
    case HONE_NET_OP_MISH:
        return x * tanh(softplus(x));
    case HONE_NET_OP_NEG:
        return -x;
    case HONE_NET_OP_RECIPROCAL:
        return 1 / x;
    case HONE_NET_OP_RELU:
        return x < 0 ? 0 : x;
    case HONE_NET_OP_ROUND:
        return nearbyint(x);
    case HONE_NET_OP_SIGMOID:
        return 1 / (1 + exp(-x));
    case HONE_NET_OP_SIGN:
        return x > 0 ? 1 : x < 0 ? -1 : x;
    case HONE_NET_OP_SIN:
        return sin(x);
    case HONE_NET_OP_SINH:
        return sinh(x);
    case HONE_NET_OP_SOFTPLUS:
        return softplus(x);
    case HONE_NET_OP_SOFTSIGN:
        return x / (1 + fabs(x));
    case HONE_NET_OP_SQRT:
        return sqrt(x);
    case HONE_NET_OP_TAN:
        return tan(x);
    case HONE_NET_OP_TANH:
        return tanh(x);
    default:
        return shaped(u, x);
    }
}

static int64_t unary_int(const hone_net_use *u, int64_t x)
{
    uint64_t negative = 0 - (uint64_t)x; /* the smallest integer stays itself */
    switch (u->node->op->id) {
    case HONE_NET_OP_ABS:
        return x < 0 ? (int64_t)negative : x;
    case HONE_NET_OP_NEG:
        return (int64_t)negative;
    case HONE_NET_OP_RELU:
        return x < 0 ? 0 : x;
    case HONE_NET_OP_SIGN:
        return (x > 0) - (x < 0);
    default: {
        double y = unary(u, (double)x);
        return y >= 0x1p63 || y < -0x1p63 || isnan(y) ? 0 : (int64_t)y;
    }
    }
}

hone_status hone_net__eval_unary(const hone_net_use *u, hone_error *err)
{
    (void)err;
    const hone_tensor *x = u->in[0];
    bool real = hone_dtype_is_float(x->dtype);
    for (int64_t k = 0, n = hone_tensor_elems(x); k < n; k++)
        if (real)
            hone_net__set_float(u->out[0], k, unary(u, hone_tensor_float(x, k)));
        else
            hone_net__set_int(u->out[0], k, unary_int(u, hone_tensor_int(x, k)));
    return HONE_OK;
}

hone_status hone_net__eval_test(const hone_net_use *u, hone_error *err)
{
    (void)err;
    const hone_tensor *x = u->in[0];
    bool inf = u->node->op->id == HONE_NET_OP_IS_INF;
    bool low = inf && hone_net_attr_int(u->node, "detect_negative");
    bool high = inf && hone_net_attr_int(u->node, "detect_positive");
    for (int64_t k = 0, n = hone_tensor_elems(x); k < n; k++) {
        double v = hone_tensor_float(x, k);
        bool is = inf ? isinf(v) && (v < 0 ? low : high) : isnan(v);
        hone_net__set_int(u->out[0], k, is);
    }
    return HONE_OK;
}

hone_status hone_net__eval_clip(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    if (hone_dtype_is_float(x->dtype)) {
        double lo, hi;
        HONE_TRY(hone_net_clip_of(u, &lo, &hi, err));
        for (int64_t k = 0, n = hone_tensor_elems(x); k < n; k++) {
            double v = hone_tensor_float(x, k);
            v = v < lo ? lo : v;
            hone_net__set_float(u->out[0], k, v > hi ? hi : v);
        }
        return HONE_OK;
    }
    const hone_tensor *low = hone_net_in(u, 1), *high = hone_net_in(u, 2);
    int64_t lo = low ? hone_tensor_int(low, 0) : INT64_MIN;
    int64_t hi = high ? hone_tensor_int(high, 0) : INT64_MAX;
    for (int64_t k = 0, n = hone_tensor_elems(x); k < n; k++) {
        int64_t v = hone_tensor_int(x, k);
        v = v < lo ? lo : v;
        hone_net__set_int(u->out[0], k, v > hi ? hi : v);
    }
    return HONE_OK;
}

/* A float as an integer of that type: cut towards zero, and held to what there is, as kernels do it
 * where the standard leaves it open. */
static int64_t held(const hone_tensor *x, int64_t k, hone_dtype t)
{
    int unused = 64 - 8 * hone_dtype_bytes(t);
    int64_t v = hone_tensor_int(x, k), lo = t == HONE_U8 ? 0 : INT64_MIN >> unused;
    int64_t hi = t == HONE_U8 ? UINT8_MAX : INT64_MAX >> unused;
    return v < lo ? lo : v > hi ? hi : v;
}

/* The same elements, in another type or shape. */
hone_status hone_net__eval_copy(const hone_net_use *u, hone_error *err)
{
    (void)err;
    const hone_tensor *x = u->in[0];
    hone_tensor *y = u->out[0];
    int64_t n = hone_tensor_elems(x);
    bool real = hone_dtype_is_float(x->dtype);
    bool is_held = real && !hone_dtype_is_float(y->dtype) && y->dtype != HONE_BOOL;
    if (x->dtype == y->dtype)
        hone_net__move_n(x, 0, y, 0, n);
    for (int64_t k = 0; k < n && x->dtype != y->dtype; k++)
        if (is_held)
            hone_net__set_int(y, k, held(x, k, y->dtype));
        else if (real)
            hone_net__set_float(y, k, hone_tensor_float(x, k));
        else
            hone_net__set_int(y, k, hone_tensor_int(x, k));
    return HONE_OK;
}

/* ---- of two ---------------------------------------------------------------------------------- */

static double modulo(const hone_net_use *u, double a, double b)
{
    double r = fmod(a, b);
    bool of_c = hone_net_attr_int(u->node, "fmod");
    return !of_c && r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static double binary(const hone_net_use *u, double a, double b)
{
    switch (u->node->op->id) {
    case HONE_NET_OP_ADD:
        return a + b;
    case HONE_NET_OP_SUB:
        return a - b;
    case HONE_NET_OP_MUL:
        return a * b;
    case HONE_NET_OP_DIV:
        return a / b;
    case HONE_NET_OP_MOD:
        return modulo(u, a, b);
    case HONE_NET_OP_POW:
        return pow(a, b);
    case HONE_NET_OP_PRELU:
        return a < 0 ? a * b : a;
    default:
        hone_bug(__FILE__, __LINE__, u->node->op->name);
    }
}

static uint64_t power(uint64_t a, uint64_t b)
{
    uint64_t r = 1;
    for (; b; b >>= 1, a *= a)
        r *= b & 1 ? a : 1;
    return r;
}

/* Wraps around. *ret_bad: a division by zero. */
static int64_t binary_int(const hone_net_use *u, int64_t a, int64_t b, bool *ret_bad)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)b;
    switch (u->node->op->id) {
    case HONE_NET_OP_ADD:
        return (int64_t)(x + y);
    case HONE_NET_OP_SUB:
        return (int64_t)(x - y);
    case HONE_NET_OP_MUL:
        return (int64_t)(x * y);
    case HONE_NET_OP_PRELU:
        return a < 0 ? (int64_t)(x * y) : a;
    case HONE_NET_OP_POW:
        if (b >= 0)
            return (int64_t)power(x, y);
        *ret_bad |= a == 0;
        return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
    default:
        *ret_bad |= b == 0;
        if (b == 0)
            return 0;
        if (u->node->op->id == HONE_NET_OP_DIV)
            return b == -1 ? (int64_t)(0 - x) : a / b;
        if (b == -1)
            return 0;
        int64_t r = a % b;
        bool of_c = hone_net_attr_int(u->node, "fmod");
        return !of_c && r != 0 && (r < 0) != (b < 0) ? r + b : r;
    }
}

hone_status hone_net__eval_binary(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *a = u->in[0], *b = u->in[1];
    hone_tensor *y = u->out[0];
    bool real = hone_dtype_is_float(a->dtype) || hone_dtype_is_float(b->dtype), bad = false;
    hone_net_counter c = hone_net__count(y);
    hone_net__track_broadcast(&c, a);
    hone_net__track_broadcast(&c, b);
    for (int64_t k = 0, n = hone_tensor_elems(y); k < n; k++, hone_net__next(&c))
        if (real)
            hone_net__set_float(
                y, k,
                binary(u, hone_tensor_float(a, c.offset[0]), hone_tensor_float(b, c.offset[1])));
        else
            hone_net__set_int(y, k,
                              binary_int(u, hone_tensor_int(a, c.offset[0]),
                                         hone_tensor_int(b, c.offset[1]), &bad));
    return bad ? HONE_NET_BAD("it divides an integer by zero") : HONE_OK;
}

static bool holds(hone_net_op_id op, bool less, bool equal, bool greater)
{
    switch (op) {
    case HONE_NET_OP_EQUAL:
        return equal;
    case HONE_NET_OP_GREATER:
        return greater;
    case HONE_NET_OP_GREATER_OR_EQUAL:
        return greater || equal;
    case HONE_NET_OP_LESS:
        return less;
    default:
        return less || equal;
    }
}

hone_status hone_net__eval_compare(const hone_net_use *u, hone_error *err)
{
    (void)err;
    const hone_tensor *a = u->in[0], *b = u->in[1];
    hone_net_counter c = hone_net__count(u->out[0]);
    hone_net__track_broadcast(&c, a);
    hone_net__track_broadcast(&c, b);
    for (int64_t k = 0, n = hone_tensor_elems(u->out[0]); k < n; k++, hone_net__next(&c)) {
        bool is;
        if (hone_dtype_is_float(a->dtype)) {
            double x = hone_tensor_float(a, c.offset[0]), y = hone_tensor_float(b, c.offset[1]);
            is = holds(u->node->op->id, x<y, x == y, x> y);
        } else {
            int64_t x = hone_tensor_int(a, c.offset[0]), y = hone_tensor_int(b, c.offset[1]);
            is = holds(u->node->op->id, x<y, x == y, x> y);
        }
        hone_net__set_int(u->out[0], k, is);
    }
    return HONE_OK;
}

hone_status hone_net__eval_logic(const hone_net_use *u, hone_error *err)
{
    (void)err;
    const hone_tensor *a = u->in[0], *b = u->in[u->n_in - 1];
    hone_net_counter c = hone_net__count(u->out[0]);
    hone_net__track_broadcast(&c, a);
    hone_net__track_broadcast(&c, b);
    for (int64_t k = 0, n = hone_tensor_elems(u->out[0]); k < n; k++, hone_net__next(&c)) {
        bool x = hone_tensor_int(a, c.offset[0]), y = hone_tensor_int(b, c.offset[1]), is = !x;
        if (u->node->op->id == HONE_NET_OP_AND)
            is = x && y;
        else if (u->node->op->id == HONE_NET_OP_OR)
            is = x || y;
        else if (u->node->op->id == HONE_NET_OP_XOR)
            is = x != y;
        hone_net__set_int(u->out[0], k, is);
    }
    return HONE_OK;
}

/* Shifts bring in zeros, and by a type's width or more leave nothing. */
static uint64_t bits(const hone_net_use *u, uint64_t x, uint64_t y, uint64_t width)
{
    uint64_t mask = width == 64 ? UINT64_MAX : (1ull << width) - 1;
    switch (u->node->op->id) {
    case HONE_NET_OP_BITWISE_NOT:
        return ~x;
    case HONE_NET_OP_BITWISE_AND:
        return x & y;
    case HONE_NET_OP_BITWISE_OR:
        return x | y;
    case HONE_NET_OP_BITWISE_XOR:
        return x ^ y;
    default:
        if ((y & mask) >= width)
            return 0;
        bool left = strcmp(hone_net_attr_text(u->node, "direction"), "LEFT") == 0;
        return left ? x << (y & mask) : (x & mask) >> (y & mask);
    }
}

hone_status hone_net__eval_bits(const hone_net_use *u, hone_error *err)
{
    (void)err;
    const hone_tensor *a = u->in[0], *b = u->in[u->n_in - 1];
    uint64_t width = (uint64_t)hone_dtype_bytes(a->dtype) * 8;
    hone_net_counter c = hone_net__count(u->out[0]);
    hone_net__track_broadcast(&c, a);
    hone_net__track_broadcast(&c, b);
    for (int64_t k = 0, n = hone_tensor_elems(u->out[0]); k < n; k++, hone_net__next(&c)) {
        uint64_t x = (uint64_t)hone_tensor_int(a, c.offset[0]);
        uint64_t y = (uint64_t)hone_tensor_int(b, c.offset[1]);
        hone_net__set_int(u->out[0], k, (int64_t)bits(u, x, y, width));
    }
    return HONE_OK;
}

/* ---- of several ------------------------------------------------------------------------------ */

/* Input j, which may be the first again, into what those before it made; a NaN stays. */
static void join(const hone_net_use *u, uint32_t j, hone_tensor *y)
{
    const hone_tensor *t = u->in[j];
    bool real = hone_dtype_is_float(y->dtype), most = u->node->op->id == HONE_NET_OP_MAX;
    hone_net_counter c = hone_net__count(y);
    hone_net__track_broadcast(&c, t);
    for (int64_t k = 0, n = hone_tensor_elems(y); k < n; k++, hone_net__next(&c)) {
        bool takes;
        if (j == 0)
            takes = true;
        else if (real) {
            double x = hone_tensor_float(t, c.offset[0]), has = hone_tensor_float(y, k);
            takes = isnan(x) || (most ? x > has : x < has);
        } else {
            int64_t x = hone_tensor_int(t, c.offset[0]), has = hone_tensor_int(y, k);
            takes = most ? x > has : x < has;
        }
        if (takes)
            hone_net__move(t, c.offset[0], y, k);
    }
}

hone_status hone_net__eval_variadic(const hone_net_use *u, hone_error *err)
{
    (void)err;
    hone_tensor *y = u->out[0];
    int64_t n = hone_tensor_elems(y);
    hone_net_op_id op = u->node->op->id;
    if (op == HONE_NET_OP_MAX || op == HONE_NET_OP_MIN) {
        for (uint32_t j = 0; j < u->n_in; j++)
            join(u, j, y);
        return HONE_OK;
    }
    double *sum = hone_xcalloc((size_t)n + 1, sizeof *sum);
    for (uint32_t j = 0; j < u->n_in; j++) {
        hone_net_counter c = hone_net__count(y);
        hone_net__track_broadcast(&c, u->in[j]);
        for (int64_t k = 0; k < n; k++, hone_net__next(&c))
            sum[k] += hone_tensor_float(u->in[j], c.offset[0]);
    }
    for (int64_t k = 0; k < n; k++)
        hone_net__set_float(y, k, op == HONE_NET_OP_MEAN ? sum[k] / u->n_in : sum[k]);
    free(sum);
    return HONE_OK;
}

hone_status hone_net__eval_where(const hone_net_use *u, hone_error *err)
{
    (void)err;
    hone_tensor *y = u->out[0];
    hone_net_counter c = hone_net__count(y);
    for (uint32_t k = 0; k < 3; k++)
        hone_net__track_broadcast(&c, u->in[k]);
    for (int64_t k = 0, n = hone_tensor_elems(y); k < n; k++, hone_net__next(&c)) {
        uint32_t from = hone_tensor_int(u->in[0], c.offset[0]) ? 1 : 2;
        hone_net__move(u->in[from], c.offset[from], y, k);
    }
    return HONE_OK;
}
