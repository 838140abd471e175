/* Plans of models that are large in one way: long, deep, or wide. */
#include "tests/net/plan_test.h"

static void planned(hone_buf *graph)
{
    hone_error err = {0};
    hone_net *g = network(graph, 13, NULL);
    hone_net_plan p;
    if (hone_net_plan_make(g, NULL, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_net_plan_free(&p);
    hone_net_free(g);
}

/* More nodes between a product and what splits it than a stack has room for. */
static void a_long_way_to_a_split(void **state)
{
    (void)state;
    enum { NODES = 100000 };
    hone_rng rng;
    hone_rng_seed(&rng, 29);
    hone_buf g = {0};
    put_value(&g, 11, "x", FLOAT, DIMS(1, 4));
    put_floats(&g, "w", DIMS(4, 128), &rng);
    put_node(&g, "MatMul", "x w", "t0");
    for (unsigned k = 0; k < NODES; k++) {
        char in[16], out[16];
        snprintf(in, sizeof in, "t%u", k);
        snprintf(out, sizeof out, "t%u", k + 1);
        put_node(&g, "Relu", in, out);
    }
    hone_buf n = node_of("Split", "t100000", "a b");
    put_attr_int(&n, "axis", 1);
    put_message(&g, 1, &n);
    put_node(&g, "Mul", "a b", "y");
    put_value(&g, 12, "y", FLOAT, DIMS(1, 64));
    planned(&g);
}

/* A value that is come to by 8^12 ways, in front of a rounding. */
static void many_ways_to_a_value(void **state)
{
    (void)state;
    enum { LEVELS = 12 };
    const float half = 0.5F;
    hone_buf g = {0};
    put_value(&g, 11, "t0", FLOAT, DIMS(4));
    put_raw(&g, "half", FLOAT, NULL, 0, &half, sizeof half);
    for (unsigned k = 0; k < LEVELS; k++) {
        char in[64], out[16];
        snprintf(in, sizeof in, "t%u t%u t%u t%u t%u t%u t%u t%u", k, k, k, k, k, k, k, k);
        snprintf(out, sizeof out, "t%u", k + 1);
        put_node(&g, "Sum", in, out);
    }
    put_node(&g, "QuantizeLinear", "t12 half", "q");
    put_node(&g, "DequantizeLinear", "q half", "y");
    put_value(&g, 12, "y", FLOAT, DIMS(4));
    planned(&g);
}

/* Sums of more tensors than a kernel has buffers for, were they one kernel. */
static void wide_sums(void **state)
{
    (void)state;
    enum { EACH = 60, SUMS = 4 };
    hone_rng rng;
    hone_rng_seed(&rng, 31);
    hone_buf g = {0};
    put_value(&g, 11, "x", FLOAT, DIMS(1, 2, 4, 4));
    for (unsigned s = 0; s < SUMS; s++) {
        hone_buf in = {0};
        char out[16];
        if (s)
            hone_buf_printf(&in, "t%u", s);
        else
            hone_buf_puts(&in, "x");
        for (unsigned k = 0; k < EACH; k++) {
            char name[16];
            snprintf(name, sizeof name, "c%u_%u", s, k);
            put_floats(&g, name, DIMS(4), &rng);
            hone_buf_printf(&in, " %s", name);
        }
        if (s + 1 < SUMS)
            snprintf(out, sizeof out, "t%u", s + 1);
        else
            snprintf(out, sizeof out, "y");
        put_node(&g, "Sum", in.s, out);
        hone_buf_free(&in);
    }
    put_value(&g, 12, "y", FLOAT, DIMS(1, 2, 4, 4));
    hone_buf m = model_of(&g, 13);
    hone_tensor x = random_input(&rng);
    check_model(&m, &x, NULL);
    free(x.data);
    hone_buf_free(&m);
}

/* More tensors than compiled code takes: that is said when it is planned. */
static void too_many_at_once(void **state)
{
    (void)state;
    enum { PIECES = 140 };
    hone_error err = {0};
    hone_net_plan p;
    hone_buf g = {0}, in = {0}, n;
    for (unsigned k = 0; k < PIECES; k++) {
        char name[16];
        snprintf(name, sizeof name, "x%u", k);
        put_value(&g, 11, name, FLOAT, DIMS(2));
        hone_buf_printf(&in, "%s%s", k ? " " : "", name);
    }
    n = node_of("Concat", in.s, "y");
    put_attr_int(&n, "axis", 0);
    put_message(&g, 1, &n);
    put_value(&g, 12, "y", FLOAT, DIMS(2 * PIECES));
    hone_net *net = network(&g, 13, NULL);
    assert_int_equal(hone_net_plan_make(net, NULL, &p, &err), HONE_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "141 tensors, and a kernel takes at most 128"));
    hone_net_plan_free(&p);
    hone_net_free(net);
    hone_buf_free(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_way_to_a_split),
        cmocka_unit_test(many_ways_to_a_value),
        cmocka_unit_test(wide_sums),
        cmocka_unit_test(too_many_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
