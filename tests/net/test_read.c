/* Reading models: what is in them, and everything that may be wrong with one. */
#include "tests/net/model.h"

#include <sys/stat.h>
#include <unistd.h>

/* y = Relu(x), x: f32[2, 3]. */
static hone_buf relu(void)
{
    hone_buf g = {0};
    put_node(&g, "Relu", "x", "y");
    put_value(&g, 11, "x", FLOAT, DIMS(2, 3));
    put_value(&g, 12, "y", FLOAT, DIMS(2, 3));
    return g;
}

static void a_model(void **state)
{
    (void)state;
    hone_buf b = relu(), text = {0};
    hone_net *g = network(&b, 13, NULL);
    assert_int_equal(g->order.n, 1);
    is_output(g, 0, "f32[2, 3]");
    assert_int_equal(g->opset, 13);
    const hone_net_node_row *n = hone_net_node_at(g, g->order.v[0]);
    assert_true(hone_net_value_at(g, n->in[0])->is_input);
    assert_int_equal(hone_net_value_at(g, n->out[0])->producer.i, g->order.v[0].i);
    hone_net_print(g, &text);
    assert_string_equal(text.s, "network _: opset 13, 1 nodes, 0 constants of 0 bytes\n"
                                "input  x: f32[2, 3]\n"
                                "node   y: f32[2, 3] = Relu(x)\n"
                                "output y: f32[2, 3]\n");
    hone_buf_free(&text);
    hone_net_free(g);
}

/* Whatever is cut off, there is a message and nothing else. */
static void cut_short(void **state)
{
    (void)state;
    hone_buf b = relu(), m = model_of(&b, 13);
    for (size_t n = 0; n < m.n; n++) {
        hone_net *g = NULL;
        hone_error err = {0};
        char *exact = hone_xmalloc(n + 1);
        memcpy(exact, m.s, n);
        hone_status st = hone_net_parse(exact, n, NULL, NULL, &g, &err);
        assert_true(st != HONE_OK && err.message[0] && !g);
        free(exact);
    }
    hone_buf_free(&m);
}

/* ---- dimensions with names ------------------------------------------------------------------- */

static hone_buf named(void)
{
    hone_buf g = {0};
    put_node(&g, "Relu", "x", "y");
    put_value(&g, 11, "x", FLOAT, DIMS(-2, 3));
    put_value(&g, 12, "y", FLOAT, DIMS(-2, 3));
    return g;
}

static void dimensions(void **state)
{
    (void)state;
    hone_buf b = named();
    refuse(&b, 13, HONE_E_INPUT, "--dim N=INT");
    const hone_size sizes[] = {{"N", 5}, {"M", 6}};
    b = named();
    hone_net *g = network(&b, 13, &(hone_net_options){.dims = sizes, .n_dims = 1});
    is_output(g, 0, "f32[5, 3]");
    hone_net_free(g);
    hone_error err = {0};
    b = named();
    hone_status st = read_graph(&b, 13, &(hone_net_options){.dims = sizes, .n_dims = 2}, &g, &err);
    assert_int_equal(st, HONE_E_INPUT);
    assert_non_null(strstr(err.message, "'M'"));
}

/* ---- names and edges ------------------------------------------------------------------------- */

static void cycles(void **state)
{
    (void)state;
    hone_buf g = {0};
    put_node(&g, "Add", "x b", "a");
    put_node(&g, "Relu", "a", "b");
    put_value(&g, 11, "x", FLOAT, DIMS(2));
    put_value(&g, 12, "b", FLOAT, DIMS(2));
    refuse(&g, 13, HONE_E_INPUT, "takes what is made of its result");
    put_node(&g, "Relu", "a", "a");
    put_value(&g, 12, "a", FLOAT, DIMS(2));
    refuse(&g, 13, HONE_E_INPUT, "takes what is made of its result");
}

static void names(void **state)
{
    (void)state;
    hone_buf g = relu();
    put_node(&g, "Abs", "x", "y");
    refuse(&g, 13, HONE_E_INPUT, "two values are called 'y'");
    g = relu();
    put_value(&g, 11, "x", FLOAT, DIMS(2, 3));
    refuse(&g, 13, HONE_E_INPUT, "two values are called 'x'");
    g = relu();
    put_raw(&g, "w", FLOAT, DIMS(1), "1234", 4);
    put_raw(&g, "w", FLOAT, DIMS(1), "1234", 4);
    refuse(&g, 13, HONE_E_INPUT, "two values are called 'w'");
    g = relu();
    put_node(&g, "Abs", "nobody", "z");
    refuse(&g, 13, HONE_E_INPUT, "it takes 'nobody', which nothing makes");
    g = relu();
    put_value(&g, 12, "z", FLOAT, DIMS(2));
    refuse(&g, 13, HONE_E_INPUT, "nothing makes output 'z'");
    hone_buf empty = {0};
    refuse(&empty, 13, HONE_E_INPUT, "no outputs");
}

/* A name may hold anything; the message is one line all the same. */
static void strange_names(void **state)
{
    (void)state;
    hone_buf g = {0}, long_name = {0};
    put_node(&g, "Relu", "x\ny\x01", "y");
    put_value(&g, 12, "y", FLOAT, DIMS(2));
    hone_buf m = model_of(&g, 13);
    assert_int_equal(hone_file_write("strange.onnx", m.s, m.n, NULL), HONE_OK);
    hone_net *net = NULL;
    hone_error err = {0};
    assert_int_equal(hone_net_read("strange.onnx", NULL, &net, &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "strange.onnx: node '#0'"));
    assert_null(strchr(err.message, '\n'));
    hone_buf_free(&m);
    for (unsigned k = 0; k < 5000; k++)
        hone_buf_puts(&long_name, "n");
    put_node(&g, "Relu", long_name.s, "y");
    put_value(&g, 12, "y", FLOAT, DIMS(2));
    refuse(&g, 13, HONE_E_INPUT, "nnnn', which nothing makes");
    hone_buf_free(&long_name);
    unlink("strange.onnx");
}

/* A chain of nodes, the last first: as deep as it gets, in any order. */
static void backwards(void **state)
{
    (void)state;
    enum { LONG = 20000 };
    hone_buf g = {0};
    for (unsigned k = LONG; k > 0; k--) {
        char in[16], out[16];
        snprintf(in, sizeof in, "v%u", k - 1);
        snprintf(out, sizeof out, "v%u", k);
        put_node(&g, "Relu", in, out);
    }
    put_value(&g, 11, "v0", FLOAT, DIMS(1));
    put_value(&g, 12, "v20000", FLOAT, DIMS(1));
    hone_net *net = network(&g, 13, NULL);
    assert_int_equal(net->order.n, LONG);
    assert_int_equal(net->order.v[0].i, LONG);
    hone_net_free(net);
}

/* ---- sizes, types ---------------------------------------------------------------------------- */

static hone_buf of_shape(const int64_t *shape, unsigned n)
{
    hone_buf g = {0};
    put_node(&g, "Relu", "x", "y");
    put_value(&g, 11, "x", FLOAT, shape, n);
    put_value(&g, 12, "y", FLOAT, DIMS(1));
    return g;
}

static void sizes(void **state)
{
    (void)state;
    hone_buf g = of_shape(DIMS(2, -1));
    refuse(&g, 13, HONE_E_INPUT, "a size is negative");
    g = of_shape(DIMS(1ll << 41));
    refuse(&g, 13, HONE_E_INPUT, "too large");
    g = of_shape(DIMS(1ll << 33, 1ll << 33));
    refuse(&g, 13, HONE_E_INPUT, "too large");
    g = of_shape(DIMS(INT64_MAX, INT64_MAX, INT64_MAX));
    refuse(&g, 13, HONE_E_INPUT, "too large");
    g = of_shape(DIMS(0, INT64_MAX));
    refuse(&g, 13, HONE_E_INPUT, "too large");
    g = of_shape(DIMS(1, 1, 1, 1, 1, 1, 1, 1, 1));
    refuse(&g, 13, HONE_E_UNSUPPORTED, "9 dimensions");
    g = relu();
    put_raw(&g, "w", FLOAT, DIMS(3), "1234", 4);
    refuse(&g, 13, HONE_E_INPUT, "4 bytes, its shape needs 12");
    g = relu();
    put_raw(&g, "w", FLOAT, DIMS(-4), "", 0);
    refuse(&g, 13, HONE_E_INPUT, "initializer 'w': a size is negative");
    g = relu();
    put_raw(&g, "w", FLOAT, DIMS(1ll << 39), "1234", 4);
    refuse(&g, 13, HONE_E_LIMIT, "too much memory");
    g = relu();
    put_raw(&g, "w", 99, DIMS(1), "1234", 4);
    refuse(&g, 13, HONE_E_INPUT, "there is no element type 99");
    g = relu();
    put_value(&g, 12, "x", INT64, DIMS(2, 3));
    refuse(&g, 13, HONE_E_INPUT, "output 'x' is f32[2, 3], the model says int64");
}

static void wrong_nodes(void **state)
{
    (void)state;
    hone_buf g = relu();
    put_node(&g, "Relu", "x x", "z");
    refuse(&g, 13, HONE_E_INPUT, "node '#1' (Relu): it has 2 inputs");
    g = relu();
    put_node(&g, "Add", "x _", "z");
    refuse(&g, 13, HONE_E_INPUT, "input 1 is not given");
    g = relu();
    hone_buf n = node_of("Relu", "x", "z");
    put_attr_int(&n, "slope", 3);
    put_message(&g, 1, &n);
    refuse(&g, 13, HONE_E_UNSUPPORTED, "attribute 'slope'");
    g = relu();
    n = node_of("Flatten", "x", "z");
    put_attr_text(&n, "axis", "one");
    put_message(&g, 1, &n);
    refuse(&g, 13, HONE_E_INPUT, "attribute 'axis' is not an integer");
    g = relu();
    n = node_of("Flatten", "x", "z");
    put_attr_int(&n, "axis", 1);
    put_attr_int(&n, "axis", 1);
    put_message(&g, 1, &n);
    refuse(&g, 13, HONE_E_INPUT, "given twice");
    g = relu();
    put_node(&g, "Concat", "x x", "z");
    refuse(&g, 13, HONE_E_INPUT, "attribute 'axis' is missing");
    g = relu();
    put_node(&g, "And", "x x", "z");
    refuse(&g, 13, HONE_E_INPUT, "input 0 is f32, not bool");
}

/* ---- what hone does not have ----------------------------------------------------------------- */

static void unsupported(void **state)
{
    (void)state;
    hone_buf g = relu();
    put_node(&g, "Loop", "x", "a");
    put_node(&g, "GRU", "x", "b");
    put_node(&g, "Loop", "x", "c");
    put_node(&g, "HardSwish", "x", "d");
    hone_buf n = node_of("Gelu", "x", "e");
    put_text(&n, 7, "com.example");
    put_message(&g, 1, &n);
    put_raw(&g, "w", STRING, DIMS(1), "", 0);
    put_raw(&g, "v", UINT32, DIMS(1), "1234", 4);
    refuse(&g, 13, HONE_E_UNSUPPORTED,
           "hone does not have: GRU, HardSwish of opset 13, Loop, com.example.Gelu, element type "
           "string, element type uint32");
    g = relu();
    refuse(&g, 6, HONE_E_UNSUPPORTED, "opset 6");
    g = relu();
    refuse(&g, 19, HONE_E_UNSUPPORTED, "opset 19");
    for (unsigned k = 0; k < 300; k++) {
        char name[16];
        snprintf(name, sizeof name, "Op%u", k);
        put_node(&g, name, "", "");
    }
    refuse(&g, 13, HONE_E_UNSUPPORTED, " more");
}

/* ---- encodings of tensors -------------------------------------------------------------------- */

static void put_packed(hone_buf *t, uint32_t field, const void *p, size_t n)
{
    put_bytes(t, field, p, n);
}

static void typed_fields(void **state)
{
    (void)state;
    hone_buf g = {0}, t = tensor_of("l", INT64, DIMS(2));
    put_int(&t, 7, -5);
    put_int(&t, 7, INT64_MAX);
    put_message(&g, 5, &t);
    t = tensor_of("b", INT8, DIMS(1));
    put_int(&t, 5, -7);
    put_message(&g, 5, &t);
    t = tensor_of("h", FLOAT16, DIMS(1));
    put_int(&t, 5, 0x3e00);
    put_message(&g, 5, &t);
    t = tensor_of("f", FLOAT, DIMS(2));
    put_packed(&t, 4, (float[]){1.5f, -2}, 8);
    put_message(&g, 5, &t);
    put_raw(&g, "t", BOOL, DIMS(3), "\x00\x02\x01", 3);
    put_value(&g, 12, "l", INT64, DIMS(2));
    put_value(&g, 12, "b", INT8, DIMS(1));
    put_value(&g, 12, "h", FLOAT16, DIMS(1));
    put_value(&g, 12, "f", FLOAT, DIMS(2));
    put_value(&g, 12, "t", BOOL, DIMS(3));
    hone_net *net = network(&g, 13, NULL);
    assert_int_equal(hone_tensor_int(output(net, 0), 0), -5);
    assert_true(hone_tensor_int(output(net, 0), 1) == INT64_MAX);
    assert_int_equal(hone_tensor_int(output(net, 1), 0), -7);
    assert_true(hone_tensor_float(output(net, 2), 0) == 1.5);
    assert_true(hone_tensor_float(output(net, 3), 1) == -2);
    assert_int_equal(hone_tensor_int(output(net, 4), 1), 1);
    for (uint32_t k = 0; k < 5; k++)
        assert_int_equal((uintptr_t)output(net, k)->data % HONE_NET_ALIGN, 0);
    hone_net_free(net);
    t = tensor_of("f", FLOAT, DIMS(3));
    put_packed(&t, 4, (float[]){1.5f, -2}, 8);
    put_message(&g, 5, &t);
    refuse(&g, 13, HONE_E_INPUT, "2 elements, its shape needs 3");
}

/* ---- external data --------------------------------------------------------------------------- */

static void put_entry(hone_buf *tensor, const char *key, const char *value)
{
    hone_buf e = {0};
    put_text(&e, 1, key);
    put_text(&e, 2, value);
    put_message(tensor, 13, &e);
}

/* Reads a model in folder `net` whose w: f32[2] is at `offset` of `location`. */
static hone_status read_beside(const char *location, const char *offset, hone_net **ret,
                               hone_error *err)
{
    hone_buf g = {0}, t = tensor_of("w", FLOAT, DIMS(2));
    put_entry(&t, "location", location);
    put_entry(&t, "offset", offset);
    put_entry(&t, "length", "8");
    put_int(&t, 14, 1);
    put_message(&g, 5, &t);
    put_value(&g, 12, "w", FLOAT, DIMS(2));
    hone_buf m = model_of(&g, 13);
    assert_int_equal(hone_file_write("net/model.onnx", m.s, m.n, NULL), HONE_OK);
    hone_buf_free(&m);
    return hone_net_read("net/model.onnx", NULL, ret, err);
}

static void refuse_beside(const char *location, const char *offset, const char *text)
{
    hone_net *g = NULL;
    hone_error err = {0};
    hone_status st = read_beside(location, offset, &g, &err);
    if (st != HONE_E_INPUT || !strstr(err.message, text))
        fail_msg("'%s': %s '%s', not '%s'", location, hone_status_name(st), err.message, text);
}

static void external_data(void **state)
{
    (void)state;
    char folder[] = "/tmp/hone-net-XXXXXX", was[4096];
    assert_non_null(getcwd(was, sizeof was));
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(mkdir("net", 0700), 0);
    assert_int_equal(mkdir("net/deep", 0700), 0);
    const float data[] = {0, 1, 2, 3};
    assert_int_equal(hone_file_write("net/w.bin", data, sizeof data, NULL), HONE_OK);
    assert_int_equal(hone_file_write("net/deep/w.bin", data, sizeof data, NULL), HONE_OK);
    assert_int_equal(hone_file_write("secret.bin", data, sizeof data, NULL), HONE_OK);
    assert_int_equal(symlink("../secret.bin", "net/link.bin"), 0);
    assert_int_equal(symlink("..", "net/up"), 0);
    hone_net *g;
    hone_error err = {0};
    const char *const good[] = {"w.bin", "deep/w.bin", "./w.bin"};
    for (unsigned k = 0; k < HONE_LEN(good); k++) {
        if (read_beside(good[k], "8", &g, &err) != HONE_OK)
            fail_msg("%s", err.message);
        assert_true(hone_tensor_float(output(g, 0), 1) == 3);
        hone_net_free(g);
    }
    refuse_beside("w.bin", "12", "has 16 bytes, not the 8 at offset 12");
    refuse_beside("w.bin", "18446744073709551615", "has 16 bytes");
    refuse_beside("w.bin", "18446744073709551616", "offset of external data is not a number");
    refuse_beside("w.bin", "-8", "offset of external data is not a number");
    refuse_beside("../secret.bin", "0", "not in the model's folder");
    refuse_beside("deep/../../secret.bin", "0", "not in the model's folder");
    refuse_beside("/etc/passwd", "0", "not in the model's folder");
    refuse_beside("", "0", "not in the model's folder");
    refuse_beside("link.bin", "0", "leads out of the model's folder");
    refuse_beside("up/secret.bin", "0", "leads out of the model's folder");
    refuse_beside("none.bin", "0", "No such file");
    refuse_beside("deep", "0", "not a regular file");
    const char *const made[] = {"net/w.bin", "net/deep/w.bin", "net/link.bin",
                                "net/up",    "net/model.onnx", "secret.bin"};
    for (unsigned k = 0; k < HONE_LEN(made); k++)
        assert_int_equal(unlink(made[k]), 0);
    assert_int_equal(rmdir("net/deep") | rmdir("net"), 0);
    assert_int_equal(chdir(was), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* ---- constants ------------------------------------------------------------------------------- */

/* Reshape to a shape that is computed: Shape, Gather, Concat. */
static void folded(void **state)
{
    (void)state;
    hone_buf g = {0};
    put_node(&g, "Shape", "x", "s");
    put_node(&g, "Gather", "s zero", "n");
    hone_buf n = node_of("Concat", "n rest", "to");
    put_attr_int(&n, "axis", 0);
    put_message(&g, 1, &n);
    put_node(&g, "Reshape", "x to", "y");
    put_node(&g, "Relu", "x", "unused");
    put_raw(&g, "zero", INT64, DIMS(1), (int64_t[]){0}, 8);
    put_raw(&g, "rest", INT64, DIMS(1), (int64_t[]){-1}, 8);
    put_value(&g, 11, "x", FLOAT, DIMS(2, 3, 4));
    put_value(&g, 12, "y", FLOAT, DIMS(2, 12));
    hone_net *net = network(&g, 13, NULL);
    is_output(net, 0, "f32[2, 12]");
    assert_int_equal(net->order.n, 1); /* what is constant or not needed has gone */
    hone_net_free(net);
}

/* A shape that nobody knows before the network runs. */
static void not_known(void **state)
{
    (void)state;
    hone_buf g = {0};
    put_node(&g, "Reshape", "x to", "y");
    put_value(&g, 11, "x", FLOAT, DIMS(2, 3));
    put_value(&g, 11, "to", INT64, DIMS(1));
    put_value(&g, 12, "y", FLOAT, DIMS(6));
    hone_buf again = {0};
    hone_buf_add(&again, g.s, g.n);
    refuse(&g, 13, HONE_E_UNSUPPORTED, "is not constant");
    float x[6] = {1, 2, 3, 4, 5, 6};
    int64_t to[1] = {6};
    const hone_tensor given[] = {{HONE_F32, 2, {2, 3}, x}, {HONE_I64, 1, {1}, to}};
    hone_net *net = network(&again, 13, &(hone_net_options){.given = given, .n_given = 2});
    assert_true(hone_tensor_float(output(net, 0), 5) == 6);
    hone_net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model),      cmocka_unit_test(cut_short),
        cmocka_unit_test(dimensions),   cmocka_unit_test(cycles),
        cmocka_unit_test(names),        cmocka_unit_test(strange_names),
        cmocka_unit_test(backwards),    cmocka_unit_test(sizes),
        cmocka_unit_test(wrong_nodes),  cmocka_unit_test(unsupported),
        cmocka_unit_test(typed_fields), cmocka_unit_test(external_data),
        cmocka_unit_test(folded),       cmocka_unit_test(not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
