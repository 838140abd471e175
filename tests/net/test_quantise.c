/* Which layers become integers: ranges, weights, the choice by measured errors, and the model. */
#include "tests/net/model.h"

#include "net/internal.h"
#include "net/plan.h"
#include "net/quantise/internal.h"

#include <math.h>

/* ---- numbers --------------------------------------------------------------------------------- */

static void ranges(void **state)
{
    (void)state;
    /* 0 has a number of its own, whatever the range */
    static const double ends[][2] = {{-1, 1}, {0, 6}, {2, 9}, {-7, -3}, {-0.001, 5}, {-3, 0.1}};
    for (unsigned k = 0; k < HONE_LEN(ends); k++) {
        hone_net_range r = hone_net__range_over(ends[k][0], ends[k][1]);
        assert_true(hone_net__dequantise(r, hone_net__quantise(r, 0)) == 0);
        for (double x = fmin(0, ends[k][0]); x <= fmax(0, ends[k][1]); x += 0.01) {
            float back = hone_net__dequantise(r, hone_net__quantise(r, (float)x));
            assert_true(fabs((double)back - x) <= 1.001 * (double)r.scale);
        }
    }
    /* halves to even; what is outside, to the end; nothing known of a number that is none */
    hone_net_range r = {0.5f, 128};
    static const float x[] = {0.25f, 0.75f, -0.25f, -0.75f, 1e30f, -1e30f, INFINITY, NAN};
    static const uint8_t want[] = {128, 130, 128, 126, 255, 0, 255, 128};
    for (unsigned k = 0; k < HONE_LEN(x); k++)
        assert_int_equal(hone_net__quantise(r, x[k]), want[k]);
    /* nothing but 0 */
    r = hone_net__range_over(0, 0);
    assert_int_equal(hone_net__quantise(r, 0), 0);
}

/* A single element far outside is cut off where that loses less than a coarser scale would. */
static void outliers(void **state)
{
    (void)state;
    enum { N = 20000 };
    hone_rng rng;
    hone_rng_seed(&rng, 3);
    float *x = hone_xcalloc(N, sizeof *x);
    for (unsigned k = 0; k < N; k++)
        x[k] = (float)(2 * hone_rng_double(&rng) - 1);
    hone_net_seen s = {0};
    hone_net__see(&s, x, N, N);
    hone_net_range plain = hone_net__choose_range(&s);
    assert_true(plain.scale > 1.9f / 255 && plain.scale < 2.1f / 255);
    hone_vec_free(&s.kept);
    /* what is not finite is not looked at */
    s = (hone_net_seen){0};
    x[8] = NAN;
    x[9] = INFINITY;
    hone_net__see(&s, x, N / 2, N);
    hone_net__see(&s, x + N / 2, N / 2, N);
    assert_true(s.hi <= 1);
    assert_int_equal(s.kept.n, N - 2);
    hone_vec_free(&s.kept);
    /* of many elements some are kept, from everywhere; one outside that stands for few is cut off
     */
    s = (hone_net_seen){0};
    x[8] = x[9] = 0;
    x[1] = 3;
    for (unsigned k = 0; k < 10; k++, x[1] = 0)
        hone_net__see(&s, x, N, 10 * N);
    assert_true(s.hi == 3 && s.kept.n > HONE_NET_KEPT / 2 && s.kept.n <= HONE_NET_KEPT);
    assert_true(hone_net__choose_range(&s).scale < 2.2f / 255);
    hone_vec_free(&s.kept);
    /* where it is one of few, it is not */
    s = (hone_net_seen){0};
    x[1] = 3;
    hone_net__see(&s, x, 1000, 1000);
    assert_true(hone_net__choose_range(&s).scale > 3.9f / 255);
    hone_vec_free(&s.kept);
    free(x);
}

static void weights(void **state)
{
    (void)state;
    float w[12] = {1, -2, 4, /* */ 0, 0, 0, /* */ 1e-3f, -127e-3f, 0.5e-3f, /* */ -1, 1, NAN};
    hone_net *g = hone_net_new();
    const hone_tensor t = {.dtype = HONE_F32, .n_dims = 2, .shape = {4, 3}, .data = w};
    hone_net_layer l = {.w = hone_net_add_value(g, "w", &t), .axis = 0};
    float *scales = hone_net__weight_scales(g, &l);
    static const int8_t want[12] = {32, -64, 127, 0, 0, 0, 1, -127, 0, -127, 127, 0};
    assert_true(scales[0] == 4.0f / 127 && scales[1] == 1);
    for (int64_t k = 0; k < 12; k++)
        assert_int_equal(hone_net__weight(&t, 0, scales, k), want[k]);
    free(scales);
    l.axis = 1;
    scales = hone_net__weight_scales(g, &l);
    assert_int_equal(hone_net__place_along(&t, 1, 5), 2);
    assert_int_equal(hone_net__weight(&t, 1, scales, 0), 127);
    assert_int_equal(hone_net__weight(&t, 1, scales, 9), -127);
    free(scales);
    hone_net_free(g);
}

static void errors(void **state)
{
    (void)state;
    float a[4] = {3, 4, 0, 0}, b[4] = {3, 4, 0, 1}, none[4] = {0};
    hone_tensor x = {.dtype = HONE_F32, .n_dims = 1, .shape = {4}, .data = a}, y = x, z = x;
    y.data = b;
    z.data = none;
    const hone_tensor *is[] = {&y, &x}, *was[] = {&x, &x}, *zeros[] = {&z, &z};
    assert_true(fabs(hone_net_output_error(is, was, 1, 1) - 0.2) < 1e-12);
    assert_true(fabs(hone_net_output_error(is, was, 2, 1) - 1 / sqrt(50)) < 1e-12);
    assert_true(hone_net_output_error(zeros, zeros, 2, 1) == 0);
    assert_true(isinf(hone_net_output_error(is, zeros, 1, 1)));
    b[1] = NAN;
    assert_true(isinf(hone_net_output_error(is, was, 1, 1)));
    assert_true(hone_net_output_error(is, was, 0, 1) < 0);
}

/* ---- a network ------------------------------------------------------------------------------- */

static void put_random(hone_buf *g, const char *name, const int64_t *shape, unsigned n, float by)
{
    static hone_rng rng;
    int64_t elems = 1;
    hone_rng_seed(&rng, (uint64_t)n + (uint64_t)strlen(name));
    for (unsigned k = 0; k < n; k++)
        elems *= shape[k];
    float *v = hone_xcalloc((size_t)elems, sizeof *v);
    for (int64_t k = 0; k < elems; k++)
        v[k] = by * (float)(2 * hone_rng_double(&rng) - 1);
    put_raw(g, name, FLOAT, shape, n, v, (size_t)elems * sizeof *v);
    free(v);
}

static void put_output(hone_buf *g, const char *name)
{
    hone_buf v = {0};
    put_text(&v, 1, name);
    put_message(g, 12, &v);
}

/* Two convolutions with a residual, then two products. */
static hone_buf small_network(void)
{
    hone_buf g = {0};
    put_value(&g, 11, "x", FLOAT, DIMS(1, 4, 6, 6));
    put_random(&g, "w1", DIMS(4, 4, 3, 3), 0.3f);
    put_random(&g, "b1", DIMS(4), 0.5f);
    put_random(&g, "w2", DIMS(4, 4, 1, 1), 0.6f);
    put_random(&g, "w_3", DIMS(144, 8), 0.2f);
    put_random(&g, "w___4", DIMS(3, 8), 0.6f);
    put_random(&g, "bias4", DIMS(3), 0.6f);
    hone_buf c = node_of("Conv", "x w1 b1", "c1");
    put_attr_ints(&c, "pads", DIMS(1, 1, 1, 1));
    put_message(&g, 1, &c);
    put_node(&g, "Relu", "c1", "r1");
    put_node(&g, "Conv", "r1 w2", "c2");
    put_node(&g, "Add", "c2 r1", "a");
    put_node(&g, "Flatten", "a", "f");
    put_node(&g, "MatMul", "f w_3", "m");
    put_node(&g, "Tanh", "m", "t");
    hone_buf last = node_of("Gemm", "t w___4 bias4", "y");
    put_attr_int(&last, "transB", 1);
    put_message(&g, 1, &last);
    put_output(&g, "y");
    return g;
}

static hone_status interpret(void *ctx, const hone_net_plan *p, uint32_t kernel, void *const *args,
                             hone_error *err)
{
    const hone_net_kernel_row *k = &p->kernels.v[kernel];
    hone_program program;
    (void)ctx;
    HONE_TRY(
        hone_workload_parse(k->name, k->text, strlen(k->text), k->name, NULL, 0, &program, err));
    hone_status st = hone_interp_run(&program, args, err);
    hone_program_fini(&program);
    return st;
}

enum { SAMPLES = 3 };
typedef struct inputs {
    float v[SAMPLES][144];
    hone_tensor t[SAMPLES];
    const hone_tensor *at[SAMPLES];
} inputs;

static void fill(inputs *x)
{
    hone_rng rng;
    hone_rng_seed(&rng, 5);
    for (unsigned s = 0; s < SAMPLES; s++) {
        for (unsigned k = 0; k < 144; k++)
            x->v[s][k] = (float)(2 * hone_rng_double(&rng) - 1);
        x->t[s] =
            (hone_tensor){.dtype = HONE_F32, .n_dims = 4, .shape = {1, 4, 6, 6}, .data = x->v[s]};
        x->at[s] = &x->t[s];
    }
}

static hone_net_quantise_options options(const inputs *x, double bound)
{
    return (hone_net_quantise_options){.max_error = bound,
                                       .weights = HONE_F32,
                                       .run = interpret,
                                       .samples = x->at,
                                       .n_samples = SAMPLES};
}

static hone_status quantise(const hone_net_plan *p, const hone_net_quantise_options *o,
                            hone_net_quantised_layers *ret, hone_error *err)
{
    HONE_TRY(hone_net_quantise_look(p, o, ret, err));
    return hone_net_quantise(p, o, ret, err);
}

/* Quantises, writes and reads again: the error of the model itself, and what it says. */
static double error_of_model(hone_net *g, const hone_net_quantised_layers *q, const inputs *x,
                             hone_tensor **was, hone_buf *ret_shown)
{
    hone_error err = {0};
    uint8_t *bytes;
    size_t n;
    hone_net *again;
    hone_net_plan p;
    assert_int_equal(hone_net_quantise_insert(g, q, &err), HONE_OK);
    assert_int_equal(hone_net_write(g, &bytes, &n, &err), HONE_OK);
    if (hone_net_parse(bytes, n, NULL, NULL, &again, &err) != HONE_OK)
        fail_msg("%s", err.message);
    for (uint32_t k = 0; k < again->order.n; k++) /* runtimes take each name once */
        for (uint32_t j = 0; j < k; j++)
            assert_string_not_equal(hone_net_node_at(again, again->order.v[k])->name,
                                    hone_net_node_at(again, again->order.v[j])->name);
    hone_net_print(again, ret_shown);
    assert_int_equal(hone_net_plan_make(again, NULL, &p, &err), HONE_OK);
    hone_net_plan_print(&p, HONE_NET_FUSE, ret_shown);
    hone_tensor **is = hone_net_outputs_new(SAMPLES, 1);
    const hone_net_quantise_options o = options(x, 1);
    assert_int_equal(hone_net_quantise_outputs(&p, &o, is, &err), HONE_OK);
    double e = hone_net_output_error((const hone_tensor *const *)is,
                                     (const hone_tensor *const *)was, SAMPLES, 1);
    hone_net_outputs_free(is, SAMPLES, 1);
    hone_net_plan_free(&p);
    hone_net_free(again);
    free(bytes);
    return e;
}

static void choice(void **state)
{
    (void)state;
    static const double bounds[] = {0.5, 0.01, 0.004};
    inputs x;
    unsigned before = 5;
    fill(&x);
    for (unsigned k = 0; k < HONE_LEN(bounds); k++) {
        hone_buf graph = small_network(), shown = {0};
        hone_error err = {0};
        hone_net *g = network(&graph, 13, NULL);
        hone_net_plan p;
        hone_net_quantised_layers q;
        assert_int_equal(hone_net_plan_make(g, NULL, &p, &err), HONE_OK);
        const hone_net_quantise_options o = options(&x, bounds[k]);
        hone_tensor **was = hone_net_outputs_new(SAMPLES, 1);
        assert_int_equal(hone_net_quantise_outputs(&p, &o, was, &err), HONE_OK);
        if (quantise(&p, &o, &q, &err) != HONE_OK)
            fail_msg("%s", err.message);
        assert_int_equal(q.layers.n, 4);
        unsigned chosen = 0;
        double gain = 0;
        for (uint32_t l = 0; l < q.layers.n; l++) {
            chosen += q.layers.v[l].chosen;
            gain += q.layers.v[l].gain;
            assert_true(q.layers.v[l].error > 0 && q.layers.v[l].error < 0.1);
        }
        assert_true(fabs(gain - 1) < 1e-9);
        assert_true(chosen > 0 && chosen <= before && q.error <= bounds[k]);
        before = chosen;
        hone_net_plan_free(&p);
        /* the integers' model is as far off as was simulated, but for roundings of a few elements
         */
        double e = error_of_model(g, &q, &x, was, &shown);
        assert_true(fabs(e - q.error) <= 0.1 * q.error + 1e-4);
        if (k == 0) {
            assert_int_equal(chosen, 4);
            assert_non_null(strstr(shown.s, "ConvInteger"));
            assert_null(strstr(shown.s, "= Conv "));
            assert_non_null(strstr(shown.s, " DequantizeLinear Add"));
        }
        hone_buf_free(&shown);
        hone_net_outputs_free(was, SAMPLES, 1);
        hone_net_quantised_layers_free(&q);
        hone_net_free(g);
    }
    assert_true(before < 4);
}

/* Layers that stay in floats may keep their weights in 16 bits, which any bound allows alone. */
static void halves(void **state)
{
    (void)state;
    inputs x;
    fill(&x);
    static const hone_dtype types[] = {HONE_F16, HONE_BF16};
    for (unsigned k = 0; k < HONE_LEN(types); k++) {
        hone_buf graph = small_network(), shown = {0};
        hone_error err = {0};
        hone_net *g = network(&graph, 13, NULL);
        hone_net_plan p;
        hone_net_quantised_layers q;
        assert_int_equal(hone_net_plan_make(g, NULL, &p, &err), HONE_OK);
        hone_net_quantise_options o = options(&x, 1e-9);
        o.weights = types[k];
        hone_tensor **was = hone_net_outputs_new(SAMPLES, 1);
        assert_int_equal(hone_net_quantise_outputs(&p, &o, was, &err), HONE_OK);
        assert_int_equal(quantise(&p, &o, &q, &err), HONE_OK);
        hone_net_plan_free(&p);
        for (uint32_t l = 0; l < q.layers.n; l++)
            assert_false(q.layers.v[l].chosen);
        double e = error_of_model(g, &q, &x, was, &shown);
        assert_true(e > 0 && e < (types[k] == HONE_F16 ? 1e-3 : 1e-2));
        hone_buf_free(&shown);
        hone_net_outputs_free(was, SAMPLES, 1);
        hone_net_quantised_layers_free(&q);
        hone_net_free(g);
    }
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void refuses(hone_buf *graph, int64_t opset, double bound, const char *text)
{
    inputs x;
    hone_error err = {0};
    hone_net *g = network(graph, opset, NULL);
    hone_net_plan p;
    hone_net_quantised_layers q;
    fill(&x);
    assert_int_equal(hone_net_plan_make(g, NULL, &p, &err), HONE_OK);
    const hone_net_quantise_options o = options(&x, bound);
    if (quantise(&p, &o, &q, &err) != HONE_E_INPUT)
        fail_msg("%s, not refused: %s", err.message, text);
    if (!strstr(err.message, text))
        fail_msg("'%s', not '%s'", err.message, text);
    hone_net_quantised_layers_free(&q);
    hone_net_plan_free(&p);
    hone_net_free(g);
}

static void refused(void **state)
{
    (void)state;
    hone_buf g = small_network();
    refuses(&g, 13, 1e-9,
            "no layer keeps within an error of 1e-09: the least that one makes alone");
    g = small_network();
    refuses(&g, 12, 0.5, "of opset 12");
    put_value(&g, 11, "x", FLOAT, DIMS(1, 4, 6, 6));
    put_node(&g, "Relu", "x", "y");
    put_output(&g, "y");
    refuses(&g, 13, 0.5, "nothing to quantise");
    put_value(&g, 11, "x", FLOAT, DIMS(1, 4, 6, 6));
    const float scale = 0.5f;
    put_raw(&g, "s", FLOAT, NULL, 0, &scale, sizeof scale);
    put_node(&g, "QuantizeLinear", "x s", "q");
    put_node(&g, "DequantizeLinear", "q s", "y");
    put_output(&g, "y");
    refuses(&g, 13, 0.5, "quantised already");
    put_value(&g, 11, "x", FLOAT, DIMS(1, 4, 6, 6));
    put_node(&g, "ArgMax", "x", "y");
    put_output(&g, "y");
    refuses(&g, 13, 0.5, "no output of floats");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ranges),  cmocka_unit_test(outliers),
                                       cmocka_unit_test(weights), cmocka_unit_test(errors),
                                       cmocka_unit_test(choice),  cmocka_unit_test(halves),
                                       cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
