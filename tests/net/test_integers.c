/* Quantised forms as plans: what they become, and that the plan's kernels compute what the
 * reference does. Scales are powers of two, so that floats are exact, and equal means equal. */
#include "tests/net/model.h"

#include "net/plan.h"

#include <math.h>

static hone_rng rng;

/* ---- graphs ---------------------------------------------------------------------------------- */

static void attr_int(hone_buf *node, const char *name, int64_t v)
{
    put_attr_int(node, name, v);
}

static void scalar(hone_buf *g, const char *name, float v)
{
    put_raw(g, name, FLOAT, NULL, 0, &v, sizeof v);
}

static void zero(hone_buf *g, const char *name, int type, int v)
{
    const int8_t b = (int8_t)v;
    put_raw(g, name, type, NULL, 0, &b, 1);
}

/* Bytes of all values. */
static void bytes(hone_buf *g, const char *name, int type, const int64_t *shape, unsigned n)
{
    int64_t elems = 1;
    for (unsigned k = 0; k < n; k++)
        elems *= shape[k];
    uint8_t *v = hone_xmalloc((size_t)elems);
    for (int64_t k = 0; k < elems; k++)
        v[k] = (uint8_t)hone_rng_below(&rng, 256);
    put_raw(g, name, type, shape, n, v, (size_t)elems);
    free(v);
}

/* Powers of two from 2^least to 2^(least + 3). */
static void scales(hone_buf *g, const char *name, int64_t n, int least)
{
    float *v = hone_xcalloc((size_t)n, sizeof *v);
    for (int64_t k = 0; k < n; k++)
        v[k] = ldexpf(1, least + (int)(k % 4));
    put_raw(g, name, FLOAT, &n, 1, v, (size_t)n * sizeof *v);
    free(v);
}

static void ints(hone_buf *g, const char *name, int64_t n)
{
    int32_t *v = hone_xcalloc((size_t)n, sizeof *v);
    for (int64_t k = 0; k < n; k++)
        v[k] = (int32_t)hone_rng_below(&rng, 4001) - 2000;
    put_raw(g, name, INT32, &n, 1, v, (size_t)n * sizeof *v);
    free(v);
}

static void quantise(hone_buf *g, const char *x, const char *y)
{
    char in[80];
    snprintf(in, sizeof in, "%s sx zx", x);
    put_node(g, "QuantizeLinear", in, y);
}

static void dequantise(hone_buf *g, const char *x, const char *y)
{
    char in[80];
    snprintf(in, sizeof in, "%s sx zx", x);
    put_node(g, "DequantizeLinear", in, y);
}

/* w, of i8 with a scale for each place of `axis`. */
static void put_weights(hone_buf *g, const int64_t *shape, unsigned n, int64_t axis)
{
    bytes(g, "wq", INT8, shape, n);
    scales(g, "sw", shape[axis], -9);
    hone_buf d = node_of("DequantizeLinear", "wq sw", "w");
    attr_int(&d, "axis", axis);
    put_message(g, 1, &d);
}

static void put_output(hone_buf *g, const char *name)
{
    hone_buf v = {0};
    put_text(&v, 1, name);
    put_message(g, 12, &v);
}

/* ---- both ways ------------------------------------------------------------------------------- */

static void fill(hone_tensor *t)
{
    int64_t n = hone_tensor_elems(t);
    t->data = hone_xcalloc((size_t)n + 1, (size_t)hone_dtype_bytes(t->dtype));
    for (int64_t k = 0; k < n; k++) /* of floats also those halfway between numbers */
        hone_elem_set(t->dtype, t->data, k,
                      t->dtype == HONE_F32 ? (hone_rng_double(&rng) < 0.5
                                                  ? (double)hone_rng_below(&rng, 800) / 8 - 50
                                                  : 100 * hone_rng_double(&rng) - 50)
                                           : (double)hone_rng_below(&rng, 128));
}

/* The model's plan computes what the reference does; the graph is emptied. `groups`: how many
 * kernels with this text among their operators there are. Within `off` of floats. */
static void agree_within(hone_buf *graph, const char *text, unsigned groups, double off)
{
    hone_error err = {0};
    hone_net *g, *ref;
    hone_net_plan p;
    hone_buf model = model_of(graph, 13);
    assert_int_equal(hone_net_parse(model.s, model.n, NULL, NULL, &g, &err), HONE_OK);
    hone_tensor in[4], out[4];
    for (uint32_t k = 0; k < g->inputs.n; k++) {
        in[k] = hone_net_value_at(g, g->inputs.v[k])->t;
        fill(&in[k]);
    }
    const hone_net_options o = {.given = in, .n_given = g->inputs.n};
    assert_int_equal(hone_net_parse(model.s, model.n, NULL, &o, &ref, &err), HONE_OK);
    if (hone_net_plan_make(g, NULL, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_buf shown = {0};
    hone_net_plan_print(&p, HONE_NET_FUSE, &shown);
    unsigned n = 0;
    for (const char *s = shown.s; (s = strstr(s, text)); s++)
        n++;
    if (n != groups)
        fail_msg("'%s' %u times:\n%s", text, n, shown.s);
    if (hone_net_plan_interpret(NULL, &p, in, out, NULL, &err) != HONE_OK)
        fail_msg("%s", err.message);
    for (uint32_t k = 0; k < g->outputs.n; k++) {
        const hone_tensor *want = output(ref, k);
        assert_int_equal(out[k].dtype, want->dtype);
        assert_true(hone_tensor_same_shape(&out[k], want));
        for (int64_t e = 0; e < hone_tensor_elems(want); e++) {
            double is = hone_tensor_float(&out[k], e), was = hone_tensor_float(want, e);
            if (!(fabs(is - was) <= off))
                fail_msg("output %u, element %lld is %.9g, not %.9g\n%s", (unsigned)k, (long long)e,
                         is, was, shown.s);
        }
        free(out[k].data);
    }
    for (uint32_t k = 0; k < g->inputs.n; k++)
        free(in[k].data);
    hone_buf_free(&shown);
    hone_buf_free(&model);
    hone_net_plan_free(&p);
    hone_net_free(ref);
    hone_net_free(g);
}

static void agree(hone_buf *graph, const char *text, unsigned groups)
{
    agree_within(graph, text, groups, 0);
}

/* ---- convolutions ---------------------------------------------------------------------------- */

/* x -> pair -> convolution -> Relu -> pair, with a border of the zero point. */
static hone_buf conv_graph(int type, int z, bool bias, const char *pad)
{
    hone_buf g = {0};
    put_value(&g, 11, "x", FLOAT, DIMS(1, 4, 6, 6));
    scalar(&g, "sx", 0.25f);
    zero(&g, "zx", type, z);
    put_weights(&g, DIMS(5, 4, 3, 3), 0);
    quantise(&g, "x", "xq");
    dequantise(&g, "xq", "xd");
    if (bias) {
        ints(&g, "bq", 5);
        scales(&g, "sb", 5, -11);
        hone_buf d = node_of("DequantizeLinear", "bq sb", "b");
        attr_int(&d, "axis", 0);
        put_message(&g, 1, &d);
    }
    hone_buf c = node_of("Conv", bias ? "xd w b" : "xd w", "c");
    if (pad)
        put_attr_text(&c, "auto_pad", pad);
    else
        put_attr_ints(&c, "pads", DIMS(1, 0, 2, 1));
    put_message(&g, 1, &c);
    put_node(&g, "Relu", "c", "r");
    quantise(&g, "r", "rq");
    dequantise(&g, "rq", "y");
    put_output(&g, "y");
    return g;
}

static void convolutions(void **state)
{
    (void)state;
    /* without a zero point there is no border to write, nor a term */
    hone_buf g = conv_graph(UINT8, 0, false, NULL);
    agree(&g, "= ConvInteger Cast Mul QuantizeLinear DequantizeLinear\n", 1);
    g = conv_graph(UINT8, 77, false, NULL);
    agree(&g, "= Pad ConvInteger Add Cast Mul Relu QuantizeLinear DequantizeLinear\n", 1);
    g = conv_graph(UINT8, 200, true, "SAME_LOWER");
    agree(&g, "= Pad ConvInteger Add Cast Mul Add Relu QuantizeLinear DequantizeLinear\n", 1);
    g = conv_graph(UINT8, 9, true, "VALID");
    agree(&g, "= ConvInteger Add Cast Mul Add Relu QuantizeLinear DequantizeLinear\n", 1);
    /* i8 becomes u8 */
    g = conv_graph(INT8, -3, true, NULL);
    agree(&g, "= Pad ConvInteger Add Cast Mul Add Relu QuantizeLinear DequantizeLinear\n", 1);
    g = conv_graph(INT8, -128, false, NULL);
    agree(&g, "= ConvInteger Cast Mul QuantizeLinear DequantizeLinear\n", 1);
}

/* The scale of what a sum is rounded to is in the constants of both its products; not where there
 * is something else on the way, or where others take what is rounded. */
static void factors(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 3; k++) {
        hone_buf g = {0};
        put_value(&g, 11, "x", FLOAT, DIMS(1, 4, 5, 5));
        scalar(&g, "sx", 0.5f);
        zero(&g, "zx", UINT8, k ? 0 : 100);
        put_weights(&g, DIMS(4, 4, 1, 1), 0);
        quantise(&g, "x", "xq");
        dequantise(&g, "xq", "xd");
        put_node(&g, "Conv", "xd w", "c");
        put_node(&g, "Conv", "xd w", "d");
        put_node(&g, k == 1 ? "Max" : "Add", "c d", "a");
        put_node(&g, "Relu", "a", "r");
        quantise(&g, "r", "rq");
        dequantise(&g, "rq", "y");
        put_output(&g, "y");
        if (k == 2)
            put_output(&g, "r");
        static const char *const text[] = {
            "= ConvInteger Add Cast Mul Add Relu QuantizeLinear DequantizeLinear\n",
            "= ConvInteger Cast Mul Max Mul QuantizeLinear DequantizeLinear\n",
            "= ConvInteger Cast Mul Add Relu\n"};
        agree(&g, text[k], 1);
    }
}

/* A scale below 0 turns everything around: nothing is moved, and Relu stays. */
static void below_zero(void **state)
{
    (void)state;
    hone_buf g = {0};
    put_value(&g, 11, "x", FLOAT, DIMS(1, 4, 5, 5));
    scalar(&g, "sx", 0.5f);
    zero(&g, "zx", UINT8, 0);
    scalar(&g, "sy", -0.5f);
    put_weights(&g, DIMS(4, 4, 1, 1), 0);
    quantise(&g, "x", "xq");
    dequantise(&g, "xq", "xd");
    put_node(&g, "Conv", "xd w", "c");
    put_node(&g, "Relu", "c", "r");
    put_node(&g, "QuantizeLinear", "r sy zx", "y");
    put_output(&g, "y");
    agree(&g, "= ConvInteger Cast Mul Relu Mul QuantizeLinear\n", 1);
}

/* A branch and its sum: what is added is dequantised where it is added. */
static void residual(void **state)
{
    (void)state;
    hone_buf g = {0};
    put_value(&g, 11, "x", FLOAT, DIMS(1, 4, 5, 5));
    scalar(&g, "sx", 0.5f);
    zero(&g, "zx", UINT8, 100);
    put_weights(&g, DIMS(4, 4, 1, 1), 0);
    quantise(&g, "x", "xq");
    dequantise(&g, "xq", "xd");
    put_node(&g, "Conv", "xd w", "c");
    put_node(&g, "Add", "c xd", "a");
    put_node(&g, "Relu", "a", "r");
    quantise(&g, "r", "rq");
    dequantise(&g, "rq", "rd");
    hone_buf m = node_of("MaxPool", "rd", "m");
    put_attr_ints(&m, "kernel_shape", DIMS(2, 2));
    put_message(&g, 1, &m);
    quantise(&g, "m", "mq");
    dequantise(&g, "mq", "md");
    put_node(&g, "Conv", "md w", "y");
    put_output(&g, "y");
    hone_buf again = {0};
    hone_buf_add(&again, g.s, g.n);
    agree(&g, "= ConvInteger Add Cast Mul DequantizeLinear Add Relu QuantizeLinear\n", 1);
    /* the maximum is one of bytes, and what it is quantised to again is the same */
    agree(&again, "u8[1, 4, 4, 4] = MaxPool\n", 1);
}

/* What a quantised tensor is joined and pooled of is rounded before that. */
static void early(void **state)
{
    (void)state;
    hone_buf g = {0};
    put_value(&g, 11, "x", FLOAT, DIMS(1, 4, 5, 5));
    scalar(&g, "sx", 0.5f);
    zero(&g, "zx", UINT8, 30);
    put_weights(&g, DIMS(4, 4, 1, 1), 0);
    quantise(&g, "x", "xq");
    dequantise(&g, "xq", "xd");
    put_node(&g, "Conv", "xd w", "c");
    put_node(&g, "Relu", "c", "r");
    put_node(&g, "Neg", "x", "n");
    hone_buf j = node_of("Concat", "r n", "j");
    attr_int(&j, "axis", 1);
    put_message(&g, 1, &j);
    hone_buf m = node_of("MaxPool", "j", "m");
    put_attr_ints(&m, "kernel_shape", DIMS(2, 2));
    put_message(&g, 1, &m);
    quantise(&g, "m", "mq");
    dequantise(&g, "mq", "y");
    put_output(&g, "y");
    hone_buf again = {0};
    hone_buf_add(&again, g.s, g.n);
    agree(&g, "= ConvInteger Add Cast Mul Relu QuantizeLinear\n", 1);
    agree(&again, "f32[1, 8, 4, 4] = MaxPool DequantizeLinear\n", 1);
}

/* ---- products -------------------------------------------------------------------------------- */

static void products(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 4; k++) {
        hone_buf g = {0};
        bool gemm = k >= 2;
        if (gemm)
            put_value(&g, 11, "x", FLOAT, DIMS(3, 10));
        else
            put_value(&g, 11, "x", FLOAT, DIMS(2, 3, 10));
        scalar(&g, "sx", 0.5f);
        zero(&g, "zx", UINT8, 131);
        if (k == 3)
            put_weights(&g, DIMS(7, 10), 0);
        else
            put_weights(&g, DIMS(10, 7), 1);
        quantise(&g, "x", "xq");
        dequantise(&g, "xq", "xd");
        const float b[7] = {1, -2, 0.5f, 0, 3, -4, 100};
        put_raw(&g, "b", FLOAT, DIMS(7), b, sizeof b);
        if (gemm) {
            hone_buf n = node_of("Gemm", "xd w b", "y");
            attr_int(&n, "transB", k == 3);
            put_message(&g, 1, &n);
        } else {
            put_node(&g, "MatMul", "xd w", k ? "p" : "y");
            if (k)
                put_node(&g, "Add", "b p", "y");
        }
        put_output(&g, "y");
        agree(&g, k ? "= MatMulInteger Add Cast Mul Add\n" : "= MatMulInteger Add Cast Mul\n", 1);
    }
}

/* u8 weights around 128 are as good as i8; with other zero points they stay floats. */
static void weights_of_u8(void **state)
{
    (void)state;
    for (int z = 127; z <= 128; z++) {
        hone_buf g = {0};
        put_value(&g, 11, "x", FLOAT, DIMS(3, 10));
        scalar(&g, "sx", 0.5f);
        zero(&g, "zx", UINT8, 4);
        bytes(&g, "wq", UINT8, DIMS(10, 7));
        zero(&g, "zw", UINT8, z);
        scalar(&g, "sw", 0.125f);
        put_node(&g, "DequantizeLinear", "wq sw zw", "w");
        quantise(&g, "x", "xq");
        dequantise(&g, "xq", "xd");
        put_node(&g, "MatMul", "xd w", "y");
        put_output(&g, "y");
        agree(&g, "= MatMulInteger Add Cast Mul\n", z == 128);
    }
}

/* ---- operators that are quantised themselves ------------------------------------------------- */

static void qlinear(void **state)
{
    (void)state;
    hone_buf g = {0};
    put_value(&g, 11, "x", UINT8, DIMS(1, 4, 6, 6));
    scalar(&g, "sx", 0.25f);
    zero(&g, "zx", UINT8, 12);
    bytes(&g, "w", INT8, DIMS(5, 4, 3, 3));
    scales(&g, "sw", 5, -9);
    const int8_t zw[5] = {0};
    put_raw(&g, "zw", INT8, DIMS(5), zw, sizeof zw);
    scalar(&g, "sy", 0.5f);
    zero(&g, "zy", UINT8, 90);
    ints(&g, "b", 5);
    hone_buf c = node_of("QLinearConv", "x sx zx w sw zw sy zy b", "y");
    put_attr_ints(&c, "pads", DIMS(1, 1, 1, 1));
    put_message(&g, 1, &c);
    put_output(&g, "y");
    agree(&g, "= Pad ConvInteger Add Cast Mul QuantizeLinear\n", 1);

    put_value(&g, 11, "x", UINT8, DIMS(2, 3, 10));
    scalar(&g, "sx", 0.25f);
    zero(&g, "zx", UINT8, 12);
    bytes(&g, "w", INT8, DIMS(10, 7));
    scales(&g, "sw", 7, -5);
    const int8_t none[7] = {0};
    put_raw(&g, "zw", INT8, DIMS(7), none, sizeof none);
    scalar(&g, "sy", 0.5f);
    zero(&g, "zy", INT8, -9);
    put_node(&g, "QLinearMatMul", "x sx zx w sw zw sy zy", "y");
    put_output(&g, "y");
    agree(&g, "= MatMulInteger Add Cast Mul QuantizeLinear\n", 1);
}

static void integers(void **state)
{
    (void)state;
    hone_buf g = {0};
    put_value(&g, 11, "x", UINT8, DIMS(1, 4, 6, 6));
    zero(&g, "zx", UINT8, 12);
    bytes(&g, "w", INT8, DIMS(5, 4, 3, 3));
    hone_buf c = node_of("ConvInteger", "x w zx", "y");
    put_attr_ints(&c, "pads", DIMS(0, 1, 1, 0));
    put_message(&g, 1, &c);
    put_output(&g, "y");
    agree(&g, "= Pad ConvInteger Add\n", 1);

    put_value(&g, 11, "x", UINT8, DIMS(3, 10));
    zero(&g, "zx", UINT8, 12);
    zero(&g, "zw", UINT8, 128);
    bytes(&g, "w", UINT8, DIMS(10, 7));
    put_node(&g, "MatMulInteger", "x w zx zw", "y");
    put_output(&g, "y");
    agree(&g, "= MatMulInteger Add\n", 1);
}

/* Dynamic quantisation: the zero point is known when the network runs. */
static void dynamic(void **state)
{
    (void)state;
    hone_buf g = {0};
    put_value(&g, 11, "x", FLOAT, DIMS(3, 10));
    bytes(&g, "w", INT8, DIMS(10, 7));
    scalar(&g, "sw", 0.125f);
    put_node(&g, "DynamicQuantizeLinear", "x", "xq s z");
    put_node(&g, "MatMulInteger", "xq w z", "i");
    hone_buf c = node_of("Cast", "i", "f");
    attr_int(&c, "to", 1);
    put_message(&g, 1, &c);
    put_node(&g, "Mul", "s sw", "by");
    put_node(&g, "Mul", "f by", "y");
    put_output(&g, "y");
    agree_within(&g, "= MatMulInteger Sub Cast Mul\n", 1, 0.01);
}

/* Halves go to even, and what is outside of the range to its end. */
static void rounding(void **state)
{
    (void)state;
    static const float x[] = {-1e30f, -64.25f, -0.75f, -0.25f, 0,
                              0.25f,  0.75f,   1.25f,  1e30f,  63.75f};
    static const uint8_t want[] = {0, 0, 126, 128, 128, 128, 130, 130, 255, 255};
    hone_error err = {0};
    hone_net *g;
    hone_net_plan p;
    hone_buf graph = {0};
    put_value(&graph, 11, "x", FLOAT, DIMS(10));
    scalar(&graph, "sx", 0.5f);
    zero(&graph, "zx", UINT8, 128);
    quantise(&graph, "x", "y");
    put_output(&graph, "y");
    hone_buf model = model_of(&graph, 13);
    assert_int_equal(hone_net_parse(model.s, model.n, NULL, NULL, &g, &err), HONE_OK);
    assert_int_equal(hone_net_plan_make(g, NULL, &p, &err), HONE_OK);
    float copy[10];
    memcpy(copy, x, sizeof x);
    hone_tensor in = {.dtype = HONE_F32, .n_dims = 1, .shape = {10}, .data = copy}, out;
    assert_int_equal(hone_net_plan_interpret(NULL, &p, &in, &out, NULL, &err), HONE_OK);
    for (unsigned k = 0; k < HONE_LEN(want); k++)
        assert_int_equal(((const uint8_t *)out.data)[k], want[k]);
    free(out.data);
    hone_buf_free(&model);
    hone_net_plan_free(&p);
    hone_net_free(g);
}

int main(void)
{
    hone_rng_seed(&rng, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions),  cmocka_unit_test(factors), cmocka_unit_test(below_zero),
        cmocka_unit_test(residual),      cmocka_unit_test(early),   cmocka_unit_test(products),
        cmocka_unit_test(weights_of_u8), cmocka_unit_test(qlinear), cmocka_unit_test(integers),
        cmocka_unit_test(dynamic),       cmocka_unit_test(rounding)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
