/* Operators: shapes and values that ONNX's own models do not cover, and nodes that contradict
 * themselves. */
#include "tests/net/model.h"

#include <math.h>

/* ---- one operator ---------------------------------------------------------------------------- */

/* y = OP(x) with x: f32 of this shape; the caller adds attributes to *node. */
static hone_buf of_input(const char *op, hone_buf *node, const int64_t *shape, unsigned n)
{
    hone_buf g = {0};
    *node = node_of(op, "x", "y");
    put_value(&g, 11, "x", FLOAT, shape, n);
    return g;
}

/* Nothing is said of the output's type. */
static void finish(hone_buf *g, hone_buf *node)
{
    hone_buf v = {0};
    put_text(&v, 1, "y");
    put_message(g, 12, &v);
    if (node)
        put_message(g, 1, node);
}

static void is_shape(hone_buf *g, int64_t opset, const char *text)
{
    hone_net *net = network(g, opset, NULL);
    is_output(net, 0, text);
    hone_net_free(net);
}

/* ---- windows --------------------------------------------------------------------------------- */

typedef struct window_case {
    int64_t in, kernel, stride, dilation, before, after;
    const char *pad; /* NULL: explicit */
    int ceiling;
    int64_t out; /* 0: refused */
} window_case;

static void windows(void **state)
{
    (void)state;
    static const window_case all[] = {
        {7, 3, 1, 1, 0, 0, NULL, 0, 5},         {7, 3, 2, 1, 1, 1, NULL, 0, 4},
        {8, 3, 2, 1, 0, 0, NULL, 0, 3},         {8, 3, 2, 1, 0, 0, NULL, 1, 4},
        {4, 1, 3, 1, 0, 0, NULL, 1, 2},         {5, 1, 3, 1, 0, 0, NULL, 1, 2},
        {3, 1, 2, 1, 0, 2, NULL, 1, 3},         {7, 3, 1, 3, 0, 0, NULL, 0, 1},
        {6, 3, 1, 3, 0, 0, NULL, 0, 0},         {6, 3, 1, 3, 1, 0, NULL, 0, 1},
        {7, 3, 2, 1, 0, 0, "SAME_UPPER", 0, 4}, {8, 3, 2, 1, 0, 0, "SAME_LOWER", 0, 4},
        {8, 1, 3, 1, 0, 0, "SAME_UPPER", 0, 3}, {7, 3, 2, 1, 5, 5, "VALID", 0, 3},
        {7, 3, 0, 1, 0, 0, NULL, 0, 0},         {7, 3, -1, 1, 0, 0, NULL, 0, 0},
        {7, 3, 1, 0, 0, 0, NULL, 0, 0},         {7, 0, 1, 1, 0, 0, NULL, 0, 0},
        {7, 3, 1, 1, -1, 0, NULL, 0, 0},        {7, INT64_MAX, 1, 1, 0, 0, NULL, 0, 0},
        {7, 3, 1, INT64_MAX, 0, 0, NULL, 0, 0}, {7, 3, 1, 1, INT64_MAX, INT64_MAX, NULL, 0, 0},
        {7, 3, INT64_MAX, 1, 0, 0, NULL, 0, 0}, {7, 3, 1, 1, 0, 0, "ROUND", 0, 0},
    };
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        const window_case *c = &all[k];
        hone_buf n, g = of_input("MaxPool", &n, DIMS(1, 2, c->in));
        put_attr_ints(&n, "kernel_shape", &c->kernel, 1);
        put_attr_ints(&n, "strides", &c->stride, 1);
        put_attr_ints(&n, "dilations", &c->dilation, 1);
        put_attr_ints(&n, "pads", (int64_t[]){c->before, c->after}, 2);
        put_attr_int(&n, "ceil_mode", c->ceiling);
        if (c->pad)
            put_attr_text(&n, "auto_pad", c->pad);
        finish(&g, &n);
        if (c->out) {
            char text[64];
            snprintf(text, sizeof text, "f32[1, 2, %lld]", (long long)c->out);
            is_shape(&g, 12, text);
        } else {
            refuse(&g, 12, HONE_E_INPUT, "node '#0' (MaxPool)");
        }
    }
}

static void convolutions(void **state)
{
    (void)state;
    static const struct {
        int64_t channels, out, group_in, group;
        bool good;
    } all[] = {{4, 6, 4, 1, true},   {4, 6, 2, 2, true},         {4, 4, 1, 4, true},
               {4, 6, 3, 1, false},  {4, 5, 2, 2, false},        {4, 6, 4, 0, false},
               {4, 6, 4, -1, false}, {4, 6, 4, INT64_MAX, false}};
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        hone_buf g = {0}, n = node_of("Conv", "x w", "y");
        put_value(&g, 11, "x", FLOAT, DIMS(1, all[k].channels, 5, 5));
        put_value(&g, 11, "w", FLOAT, DIMS(all[k].out, all[k].group_in, 3, 3));
        put_attr_int(&n, "group", all[k].group);
        finish(&g, &n);
        char text[64];
        snprintf(text, sizeof text, "f32[1, %lld, 3, 3]", (long long)all[k].out);
        if (all[k].good)
            is_shape(&g, 13, text);
        else
            refuse(&g, 13, HONE_E_INPUT, "do not fit weights");
    }
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static void reshapes(void **state)
{
    (void)state;
    static const struct {
        int64_t to[3];
        const char *text; /* NULL: refused */
    } all[] = {
        {{2, 3, 4}, "f32[2, 3, 4]"},
        {{0, -1, 2}, "f32[4, 3, 2]"},
        {{-1, 1, 1}, "f32[24, 1, 1]"},
        {{-1, -1, 1}, NULL},
        {{5, -1, 1}, NULL},
        {{-2, 3, 4}, NULL},
        {{24, 1, 0}, NULL},
        {{INT64_MAX, INT64_MAX, 4}, NULL},
    };
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        hone_buf g = {0}, n = node_of("Reshape", "x to", "y");
        put_value(&g, 11, "x", FLOAT, DIMS(4, 6));
        put_raw(&g, "to", INT64, DIMS(3), all[k].to, sizeof all[k].to);
        finish(&g, &n);
        if (all[k].text)
            is_shape(&g, 13, all[k].text);
        else
            refuse(&g, 13, HONE_E_INPUT, "(Reshape)");
    }
}

static void slices(void **state)
{
    (void)state;
    static const struct {
        int64_t start, end, step, size; /* -1: refused */
    } all[] = {{0, 10, 1, 10},
               {-3, INT64_MAX, 1, 3},
               {9, INT64_MIN, -1, 10},
               {INT64_MAX, INT64_MIN, -3, 4},
               {5, 5, 1, 0},
               {7, 2, 1, 0},
               {INT64_MIN, INT64_MAX, INT64_MAX, 1},
               {0, 10, 0, -1},
               {0, 10, INT64_MIN, -1}};
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        hone_buf g = {0}, n = node_of("Slice", "x a b _ s", "y");
        put_value(&g, 11, "x", FLOAT, DIMS(10));
        put_raw(&g, "a", INT64, DIMS(1), &all[k].start, 8);
        put_raw(&g, "b", INT64, DIMS(1), &all[k].end, 8);
        put_raw(&g, "s", INT64, DIMS(1), &all[k].step, 8);
        finish(&g, &n);
        char text[64];
        snprintf(text, sizeof text, "f32[%lld]", (long long)all[k].size);
        if (all[k].size >= 0)
            is_shape(&g, 13, text);
        else
            refuse(&g, 13, HONE_E_INPUT, "its step is");
    }
}

/* Of an axis without elements nothing is left, in either direction. */
static void slices_of_nothing(void **state)
{
    (void)state;
    static const int64_t starts[] = {0, -1, INT64_MAX, INT64_MIN}, steps[] = {1, -1, -3};
    for (unsigned k = 0; k < HONE_LEN(starts) * HONE_LEN(steps); k++) {
        hone_buf g = {0}, n = node_of("Slice", "x a b _ s", "y");
        put_value(&g, 11, "x", FLOAT, DIMS(0));
        put_raw(&g, "a", INT64, DIMS(1), &starts[k % HONE_LEN(starts)], 8);
        put_raw(&g, "b", INT64, DIMS(1), (int64_t[]){k % 2 ? INT64_MIN : INT64_MAX}, 8);
        put_raw(&g, "s", INT64, DIMS(1), &steps[k / HONE_LEN(starts)], 8);
        finish(&g, &n);
        is_shape(&g, 13, "f32[0]");
    }
}

/* Of parts that nobody asks for the places are counted. */
static void splits_without_a_name(void **state)
{
    (void)state;
    const float x[] = {1, 2, 3, 4};
    hone_buf g = {0}, n = node_of("Split", "x sizes", "_ _ y");
    put_raw(&g, "x", FLOAT, DIMS(4), x, sizeof x);
    put_raw(&g, "sizes", INT64, DIMS(3), (int64_t[]){1, 2, 1}, 24);
    finish(&g, &n);
    hone_net *net = network(&g, 13, NULL);
    assert_true(hone_tensor_float(output(net, 0), 0) == 4);
    hone_net_free(net);
    static const int64_t bad[][3] = {
        {1, 2, 2}, {1, 1, 1}, {-1, 4, 1}, {5, 0, -1}, {1, INT64_MAX, 4}};
    for (unsigned k = 0; k < HONE_LEN(bad); k++) {
        n = node_of("Split", "x sizes", "_ _ y");
        put_raw(&g, "x", FLOAT, DIMS(4), x, sizeof x);
        put_raw(&g, "sizes", INT64, DIMS(3), bad[k], sizeof bad[k]);
        finish(&g, &n);
        refuse(&g, 13, HONE_E_INPUT, "its sizes do not sum to 4");
    }
}

static void ranges(void **state)
{
    (void)state;
    static const struct {
        int64_t from, to, step, n; /* -1: refused */
    } all[] = {{0, 5, 2, 3},
               {5, 0, -2, 3},
               {5, 0, 2, 0},
               {1ll << 53, (1ll << 53) + 5, 1, 5}, /* no double */
               {INT64_MIN, INT64_MIN + 3, 2, 2},
               {INT64_MAX, INT64_MIN, INT64_MIN, 2},
               {INT64_MIN, INT64_MAX, 1, -1},
               {0, 5, 0, -1}};
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        hone_buf g = {0}, n = node_of("Range", "a b c", "y");
        put_raw(&g, "a", INT64, NULL, 0, &all[k].from, 8);
        put_raw(&g, "b", INT64, NULL, 0, &all[k].to, 8);
        put_raw(&g, "c", INT64, NULL, 0, &all[k].step, 8);
        finish(&g, &n);
        char text[64];
        snprintf(text, sizeof text, "i64[%lld]", (long long)all[k].n);
        if (all[k].n >= 0)
            is_shape(&g, 13, text);
        else
            refuse(&g, 13, HONE_E_INPUT, "node '#0' (Range)");
    }
}

/* Where nothing has elements sizes may still be as large as they like. */
static void too_large(void **state)
{
    (void)state;
    hone_buf n, g = of_input("SpaceToDepth", &n, DIMS(1, 1 << 30, 0, 0));
    put_attr_int(&n, "blocksize", 1 << 20);
    finish(&g, &n);
    refuse(&g, 13, HONE_E_INPUT, "its result would be too large");
}

static void directions(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        hone_buf g = {0}, n = node_of("BitShift", "x x", "y");
        put_value(&g, 11, "x", UINT8, DIMS(3));
        put_attr_text(&n, "direction", k ? "RIGHT" : "UP");
        finish(&g, &n);
        if (k)
            is_shape(&g, 13, "u8[3]");
        else
            refuse(&g, 13, HONE_E_INPUT, "there is no direction 'UP'");
    }
}

/* Before opset 11 an image is made smaller by what ONNX Runtime takes: the element after. */
static void old_resize(void **state)
{
    (void)state;
    const float x[] = {1, 2, 3, 4, 5, 6, 7, 8}, is[] = {1, 3};
    hone_buf g = {0}, n = node_of("Resize", "x s", "y");
    put_raw(&g, "x", FLOAT, DIMS(1, 1, 2, 4), x, sizeof x);
    put_raw(&g, "s", FLOAT, DIMS(4), (float[]){1, 1, 0.6F, 0.6F}, 16);
    finish(&g, &n);
    hone_net *net = network(&g, 10, NULL);
    is_output(net, 0, "f32[1, 1, 1, 2]");
    assert_memory_equal(output(net, 0)->data, is, sizeof is);
    hone_net_free(net);
}

static void old_softmax(void **state)
{
    (void)state;
    const float x[] = {0, 0, 0, 0};
    for (int64_t opset = 11; opset <= 13; opset += 2) {
        hone_buf g = {0}, n = node_of("Softmax", "x", "y");
        put_raw(&g, "x", FLOAT, DIMS(1, 2, 2), x, sizeof x);
        finish(&g, &n);
        hone_net *net = network(&g, opset, NULL);
        /* rows of four before opset 13, of two since */
        assert_true(hone_tensor_float(output(net, 0), 0) == (opset < 13 ? 0.25 : 0.5));
        hone_net_free(net);
    }
}

/* ---- what inputs hold ------------------------------------------------------------------------ */

static void indices(void **state)
{
    (void)state;
    const float x[] = {1, 2, 3};
    static const int64_t good[] = {0, 2, -3, -1}, bad[] = {3, -4, INT64_MAX, INT64_MIN};
    for (unsigned k = 0; k < 8; k++) {
        hone_buf g = {0}, n = node_of("Gather", "x i", "y");
        put_raw(&g, "x", FLOAT, DIMS(3), x, sizeof x);
        put_raw(&g, "i", INT64, NULL, 0, k < 4 ? &good[k] : &bad[k - 4], 8);
        finish(&g, &n);
        if (k < 4) {
            hone_net *net = network(&g, 13, NULL);
            assert_true(hone_tensor_float(output(net, 0), 0) == x[(good[k] + 3) % 3]);
            hone_net_free(net);
        } else {
            refuse(&g, 13, HONE_E_INPUT, "of an axis of 3");
        }
    }
}

static void integers(void **state)
{
    (void)state;
    static const struct {
        const char *op;
        int64_t a, b, is;
    } all[] = {{"Add", INT64_MAX, 1, INT64_MIN},
               {"Sub", INT64_MIN, 1, INT64_MAX},
               {"Mul", INT64_MIN, -1, INT64_MIN},
               {"Div", INT64_MIN, -1, INT64_MIN},
               {"Div", -7, 2, -3},
               {"Mod", -7, 2, 1},
               {"Mod", INT64_MIN, -1, 0},
               {"Pow", 3, 4, 81},
               {"Max", INT64_MAX, INT64_MAX - 1, INT64_MAX}};
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        hone_buf g = {0}, n = node_of(all[k].op, "a b", "y");
        put_raw(&g, "a", INT64, DIMS(1), &all[k].a, 8);
        put_raw(&g, "b", INT64, DIMS(1), &all[k].b, 8);
        finish(&g, &n);
        hone_net *net = network(&g, 13, NULL);
        assert_true(hone_tensor_int(output(net, 0), 0) == all[k].is);
        hone_net_free(net);
    }
    hone_buf g = {0}, n = node_of("Div", "a b", "y");
    put_raw(&g, "a", INT64, DIMS(1), &all[0].a, 8);
    put_raw(&g, "b", INT64, DIMS(1), (int64_t[]){0}, 8);
    finish(&g, &n);
    refuse(&g, 13, HONE_E_INPUT, "divides an integer by zero");
}

/* Every bit pattern of half precision, through f32 and back. */
static void half_precision(void **state)
{
    (void)state;
    static uint16_t all[1 << 16];
    for (unsigned k = 0; k < HONE_LEN(all); k++)
        all[k] = (uint16_t)k;
    for (int type = FLOAT16; type <= 16; type += 16 - FLOAT16) {
        hone_buf g = {0}, up = node_of("Cast", "x", "f"), down = node_of("Cast", "f", "y");
        put_raw(&g, "x", type, DIMS(HONE_LEN(all)), all, sizeof all);
        put_attr_int(&up, "to", FLOAT);
        put_attr_int(&down, "to", type);
        put_message(&g, 1, &up);
        finish(&g, &down);
        hone_net *net = network(&g, 13, NULL);
        const uint16_t *is = output(net, 0)->data;
        for (unsigned k = 0; k < HONE_LEN(all); k++)
            if (!isnan(hone_tensor_float(output(net, 0), k)))
                assert_int_equal(is[k], all[k]);
        hone_net_free(net);
    }
    /* to nearest even, up into infinity, down into denormals and zero */
    const float x[] = {1 + 0x1p-11f, 1 + 0x3p-11f, 65519, 65520, 0x1p-25f, 0x1.8p-25f, 0x1p-14f};
    const uint16_t to[] = {0x3c00, 0x3c02, 0x7bff, 0x7c00, 0, 1, 0x400};
    hone_buf g = {0}, n = node_of("Cast", "x", "y");
    put_raw(&g, "x", FLOAT, DIMS(7), x, sizeof x);
    put_attr_int(&n, "to", FLOAT16);
    finish(&g, &n);
    hone_net *net = network(&g, 13, NULL);
    assert_memory_equal(output(net, 0)->data, to, sizeof to);
    hone_net_free(net);
}

/* ---- Einstein's notation --------------------------------------------------------------------- */

static void einsum(void **state)
{
    (void)state;
    static const struct {
        const char *equation, *text; /* NULL: refused */
    } all[] = {
        {"ij,jk->ik", "f32[2, 4]"},
        {"ij,jk", "f32[2, 4]"},
        {"ij, jk -> ki", "f32[4, 2]"},
        {"...j,jk->k...", "f32[4, 2]"},
        {"ij,jk->", "f32[]"},
        {"ij,jk->ii", NULL},
        {"ij,jk->il", NULL},
        {"ij->i", NULL},
        {"ij,jk,kl->i", NULL},
        {"ij,ik->i", NULL},
        {"ijk,jk->i", NULL},
        {"ij,j?->i", NULL},
        {"", NULL},
        {"ij,jk->i->k", NULL},
        {"i.j,jk->i", NULL},
        {"......,jk->j", NULL},
        {"ij,jk-", NULL},
    };
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        hone_buf g = {0}, n = node_of("Einsum", "a b", "y");
        put_value(&g, 11, "a", FLOAT, DIMS(2, 3));
        put_value(&g, 11, "b", FLOAT, DIMS(3, 4));
        put_attr_text(&n, "equation", all[k].equation);
        finish(&g, &n);
        if (all[k].text)
            is_shape(&g, 13, all[k].text);
        else
            refuse(&g, 13, HONE_E_INPUT, "(Einsum)");
    }
}

/* The first input again, behind others. */
static void the_same_input_twice(void **state)
{
    (void)state;
    const int64_t a[] = {1, 5}, b[] = {3, 2};
    static const struct {
        const char *op;
        int64_t is[2];
    } all[] = {{"Max", {3, 5}}, {"Min", {1, 2}}};
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        hone_buf g = {0}, n = node_of(all[k].op, "a b a", "y");
        put_raw(&g, "a", INT64, DIMS(2), a, sizeof a);
        put_raw(&g, "b", INT64, DIMS(2), b, sizeof b);
        finish(&g, &n);
        hone_net *net = network(&g, 13, NULL);
        for (unsigned i = 0; i < 2; i++)
            assert_true(hone_tensor_int(output(net, 0), i) == all[k].is[i]);
        hone_net_free(net);
    }
}

/* What is the same everywhere has no variance, and none below 0 either. */
static void norms_of_equal_elements(void **state)
{
    (void)state;
    enum { N = 1000 };
    for (unsigned tenths = 1; tenths < 10; tenths++) {
        float x[N];
        for (unsigned k = 0; k < N; k++)
            x[k] = (float)tenths / 10;
        hone_buf g = {0}, n = node_of("MeanVarianceNormalization", "x", "y");
        put_raw(&g, "x", FLOAT, DIMS(1, 1, N), x, sizeof x);
        finish(&g, &n);
        hone_net *net = network(&g, 13, NULL);
        for (unsigned k = 0; k < N; k++)
            assert_true(fabs(hone_tensor_float(output(net, 0), k)) < 1e-3);
        hone_net_free(net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows),
        cmocka_unit_test(convolutions),
        cmocka_unit_test(reshapes),
        cmocka_unit_test(slices),
        cmocka_unit_test(old_softmax),
        cmocka_unit_test(indices),
        cmocka_unit_test(integers),
        cmocka_unit_test(half_precision),
        cmocka_unit_test(einsum),
        cmocka_unit_test(the_same_input_twice),
        cmocka_unit_test(norms_of_equal_elements),
        cmocka_unit_test(slices_of_nothing),
        cmocka_unit_test(splits_without_a_name),
        cmocka_unit_test(ranges),
        cmocka_unit_test(too_large),
        cmocka_unit_test(directions),
        cmocka_unit_test(old_resize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
