/* Networks held against what is expected: what differs is found, and the first tensor that does is
 * named; inputs by name; the reference on random inputs. */
#include "net/check.h"
#include "tests/net/model.h"

#include <sys/stat.h>
#include <unistd.h>

#define MODEL "check.dir/model.onnx"
#define SET "check.dir/test_data_set_0"

static const float weights[] = {1, -2, 3, -4, 5, -6, 7, -8, 9};

/* x: f32[2, 3]; a = Relu(x); c = Relu(a w), one kernel; y = c w. */
static void write_model(void)
{
    hone_buf g = {0};
    put_value(&g, 11, "x", FLOAT, DIMS(2, 3));
    put_value(&g, 12, "y", FLOAT, DIMS(2, 3));
    put_raw(&g, "w", FLOAT, DIMS(3, 3), weights, sizeof weights);
    put_node(&g, "Relu", "x", "a");
    put_node(&g, "MatMul", "a w", "b");
    put_node(&g, "Relu", "b", "c");
    put_node(&g, "MatMul", "c w", "y");
    hone_buf m = model_of(&g, 13);
    assert_int_equal(hone_dir_make(SET, NULL), HONE_OK);
    assert_int_equal(hone_file_write(MODEL, m.s, m.n, NULL), HONE_OK);
    hone_buf_free(&m);
}

static void write_tensor(const char *name, const float *v)
{
    char *path = hone_xasprintf("%s/%s", SET, name);
    hone_buf t = tensor_of("t", FLOAT, DIMS(2, 3));
    put_bytes(&t, 9, v, 6 * sizeof *v);
    assert_int_equal(hone_file_write(path, t.s, t.n, NULL), HONE_OK);
    hone_buf_free(&t);
    free(path);
}

static void multiply(const float *a, float *ret, bool relu)
{
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++) {
            float sum = 0;
            for (int k = 0; k < 3; k++)
                sum += a[3 * i + k] * weights[3 * k + j];
            ret[3 * i + j] = relu && sum < 0 ? 0 : sum;
        }
}

/* What the model computes of it, by hand. */
static const float given[] = {1, 2, 3, 4, 5, 6};
static void write_data(void)
{
    float c[6], y[6];
    multiply(given, c, true);
    multiply(c, y, false);
    write_tensor("input_0.pb", given);
    write_tensor("output_0.pb", y);
}

/* The interpreter, which gets the call *ctx wrong; all after it take what it made. */
static hone_status spoil(void *ctx, const hone_net_plan *p, const hone_tensor *in,
                         hone_tensor *ret_out, const hone_net_kept *kept, hone_error *err)
{
    HONE_TRY(hone_net_plan_interpret(NULL, p, in, ret_out, kept, err));
    for (uint32_t c = *(const uint32_t *)ctx; c < p->calls.n; c++)
        ((float *)(uintptr_t)hone_net_kept_at(kept, c, 0))[4] += 1000;
    ((float *)ret_out[0].data)[4] += 1000;
    return HONE_OK;
}

static void equal(void **state)
{
    (void)state;
    hone_net_checked r;
    hone_net_checker c = {0};
    write_model();
    write_data();
    hone_net_check("check.dir", &c, &r); /* by the reference */
    assert_int_equal(r.verdict, HONE_NET_EQUAL);
    assert_string_equal(r.why, "");
    hone_net_checked_free(&r);
    c = (hone_net_checker){.run = hone_net_plan_interpret, .all = true};
    hone_net_check("check.dir", &c, &r);
    assert_int_equal(r.verdict, HONE_NET_EQUAL);
    assert_int_equal(r.tensors.n, 3);
    static const char *const names[] = {"a", "c", "y"};
    for (uint32_t k = 0; k < 3; k++) {
        assert_string_equal(r.tensors.v[k].name, names[k]);
        assert_string_equal(r.tensors.v[k].shape, "f32[2, 3]");
        assert_true(r.tensors.v[k].agrees && r.tensors.v[k].error < 1e-6);
    }
    hone_net_checked_free(&r);
    c.all = false; /* nobody asks */
    hone_net_check("check.dir", &c, &r);
    assert_int_equal(r.tensors.n, 0);
    hone_net_checked_free(&r);
}

static void the_first_that_differs(void **state)
{
    (void)state;
    static const char *const names[] = {"'a' of relu,", "'c' of matmul_relu,", "'y' of matmul,"};
    for (uint32_t k = 0; k < 3; k++) {
        hone_net_checked r;
        const hone_net_checker c = {.run = spoil, .ctx = &k};
        hone_net_check("check.dir", &c, &r);
        assert_int_equal(r.verdict, HONE_NET_DIFFERS);
        assert_int_equal(r.tensors.n, 3);
        if (!strstr(r.why, "output 'y': 1 of 6 elements, first element 4") ||
            !strstr(r.why, names[k]))
            fail_msg("%s", r.why);
        for (uint32_t i = 0; i < 3; i++)
            assert_int_equal(r.tensors.v[i].agrees, i < k);
        hone_net_checked_free(&r);
        hone_net_check_random(MODEL, 7, &c, &r);
        assert_int_equal(r.verdict, HONE_NET_DIFFERS);
        assert_non_null(strstr(r.why, names[k]));
        hone_net_checked_free(&r);
    }
    /* expected is what nobody computes */
    hone_net_checked r;
    const hone_net_checker c = {.run = hone_net_plan_interpret};
    write_tensor("output_0.pb", given);
    hone_net_check("check.dir", &c, &r);
    assert_int_equal(r.verdict, HONE_NET_DIFFERS);
    assert_non_null(strstr(r.why, "no tensor that kernels wrote differs from the reference"));
    hone_net_checked_free(&r);
    write_data();
}

static void random_inputs(void **state)
{
    (void)state;
    hone_net_checked r;
    const hone_net_checker c = {.run = hone_net_plan_interpret, .all = true};
    hone_net_check_random(MODEL, 1, &c, &r);
    assert_int_equal(r.verdict, HONE_NET_EQUAL);
    assert_int_equal(r.tensors.n, 3);
    hone_net_checked_free(&r);
    hone_net_check_random("check.dir/none.onnx", 1, &c, &r);
    assert_int_equal(r.verdict, HONE_NET_ERROR);
    assert_non_null(strstr(r.why, "none.onnx"));
    hone_net_checked_free(&r);
}

/* ---- what is given, in order and by name ----------------------------------------------------- */

/* y = a - b, of which a is f32[N, 2] and b f32[2]. */
static hone_status read_difference(const hone_net_options *o, hone_net **ret, hone_error *err)
{
    hone_buf g = {0};
    put_value(&g, 11, "a", FLOAT, DIMS(-2, 2));
    put_value(&g, 11, "b", FLOAT, DIMS(2));
    put_value(&g, 12, "y", FLOAT, DIMS(-2, 2));
    put_node(&g, "Sub", "a b", "y");
    *err = (hone_error){0};
    return read_graph(&g, 13, o, ret, err);
}

static void given_by_name(void **state)
{
    (void)state;
    float one[] = {1, 2}, two[] = {10, 20};
    const hone_tensor b = {HONE_F32, 1, {2}, one}, a = {HONE_F32, 2, {1, 2}, two};
    const hone_tensor in[] = {b, a}, three[] = {b, a, a}, wide = {HONE_F64, 1, {2}, two};
    static const char *const first[] = {"b", NULL}, *const both[] = {"b", "a"},
                             *const other[] = {"b", "c"};
    hone_net_options o = {.given = in, .n_given = 2};
    hone_error err;
    hone_net *g;
    for (int k = 0; k < 2; k++) {
        o.given_names = k ? both : first;
        assert_int_equal(read_difference(&o, &g, &err), HONE_OK);
        assert_true(((const float *)output(g, 0)->data)[1] == 18);
        hone_net_free(g);
    }
    o.given_names = other;
    assert_int_equal(read_difference(&o, &g, &err), HONE_E_INPUT);
    assert_string_equal(
        err.message, "input 'a' is f32[N, 2], and nothing is given for it; no input is called 'c'");
    o = (hone_net_options){
        .given = three, .n_given = 3, .given_names = (const char *[]){"b", "a", "c"}};
    assert_int_equal(read_difference(&o, &g, &err), HONE_E_INPUT);
    assert_string_equal(err.message, "no input is called 'c'");
    o = (hone_net_options){
        .given = three, .n_given = 3, .given_names = (const char *[]){"b", NULL, NULL}};
    assert_int_equal(read_difference(&o, &g, &err), HONE_E_INPUT);
    assert_string_equal(err.message, "3 inputs are given, the model has 2");
    o = (hone_net_options){.given = in, .n_given = 2}; /* in order, the wrong one */
    assert_int_equal(read_difference(&o, &g, &err), HONE_E_INPUT);
    assert_string_equal(err.message, "input 'a' is f32[N, 2], what is given f32[2]");
    o = (hone_net_options){.given = (hone_tensor[]){a, wide}, .n_given = 2};
    assert_int_equal(read_difference(&o, &g, &err), HONE_E_INPUT);
    assert_string_equal(err.message, "input 'b' is f32[2], what is given f64[2]");
    const hone_size n = {"N", 3};
    o = (hone_net_options){.given = (hone_tensor[]){a, b}, .n_given = 2, .dims = &n, .n_dims = 1};
    assert_int_equal(read_difference(&o, &g, &err), HONE_E_INPUT);
    assert_string_equal(err.message, "input 'a' is f32[N, 2], what is given f32[1, 2]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal), cmocka_unit_test(the_first_that_differs),
        cmocka_unit_test(random_inputs), cmocka_unit_test(given_by_name)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(SET "/input_0.pb");
    unlink(SET "/output_0.pb");
    unlink(MODEL);
    rmdir(SET);
    rmdir("check.dir");
    return failed;
}
