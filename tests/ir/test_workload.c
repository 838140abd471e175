/* The workload language: lowering as golden text, inference, nested reductions, sizes, and every
 * error with its place and remedy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ir/builtin.h"

#include <math.h>

static hone_status parse(const char *text, hone_program *p, hone_error *err)
{
    static const hone_size sizes[] = {{"M", 3}, {"N", 5}};
    unsigned n = strstr(text, "(M, N") ? 2 : strstr(text, "(M") ? 1 : 0;
    return hone_workload_parse("t.hone", text, strlen(text), NULL, sizes, n, p, err);
}

static void check_golden(const char *text, const char *want)
{
    hone_program p;
    hone_error err;
    if (parse(text, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_buf b = {0};
    hone_program_print(&p, &b);
    assert_string_equal(b.s, want);
    hone_buf_free(&b);
    hone_program_fini(&p);
}

static void test_matmul(void **state)
{
    (void)state;
    check_golden("# two kernels, the first is taken\n"
                 "kernel matmul(M, N, K = M + 1) {\n"
                 "  input A: f32[M, K]; const input B: f32[K, N]\n"
                 "  output C: f32[M, N];\n"
                 "  C[i, j] = sum(k < K) A[i, k] * B[k, j]\n"
                 "}\n"
                 "kernel other() { output C: f32[1]; C[i] = 0 }\n",
                 "program matmul {\n"
                 "  buffer A: f32[3, 4] input\n"
                 "  buffer B: f32[4, 5] input const\n"
                 "  buffer C: f32[3, 5] output\n"
                 "  for i in 3 {\n"
                 "    for j in 5 {\n"
                 "      for k in 4 {\n"
                 "        block C(vi: 3 = i, vj: 5 = j, reduce vk: 4 = k) {\n"
                 "          init 0.0\n"
                 "          C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"
                 "        }\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "}\n");
}

/* A nested reduction becomes a stage over the indices it uses. */
static void test_nested(void **state)
{
    (void)state;
    check_golden("kernel n(M, N) {\n"
                 "  input X: f32[M, N]\n"
                 "  output Y: f32[M, N]\n"
                 "  Y[i, j] = X[i, j] / sum(k < N) X[i, k] + max(r < M, s < 2) X[r, s]\n"
                 "}\n",
                 "program n {\n"
                 "  buffer X: f32[3, 5] input\n"
                 "  buffer Y: f32[3, 5] output\n"
                 "  buffer Y.sum: f32[3]\n"
                 "  buffer Y.max: f32[]\n"
                 "  for i in 3 {\n"
                 "    for k in 5 {\n"
                 "      block Y.sum(vi: 3 = i, reduce vk: 5 = k) {\n"
                 "        init 0.0\n"
                 "        Y.sum[vi] = Y.sum[vi] + X[vi, vk]\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "  for r in 3 {\n"
                 "    for s in 2 {\n"
                 "      block Y.max(reduce vr: 3 = r, reduce vs: 2 = s) {\n"
                 "        init -inf\n"
                 "        Y.max[] = max(Y.max[], X[vr, vs])\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "  for i_1 in 3 {\n"
                 "    for j in 5 {\n"
                 "      block Y(vi: 3 = i_1, vj: 5 = j) {\n"
                 "        Y[vi, vj] = X[vi, vj] / Y.sum[vi] + Y.max[]\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "}\n");
}

/* Undeclared temporaries, adapting constants, sizes in values, indices as values. */
static void test_inference(void **state)
{
    (void)state;
    check_golden("kernel t(M, N, P = 2, Q = min(M, N) * 2 % 4) {\n"
                 "  let R = M > 2 ? (N + P) // 2 : 1\n"
                 "  input X: f64[M, N]; input B: bool[M]; output Y: f16[M]; output S: i32[]\n"
                 "  T[i, j] = X[i, j] * (1 / P) + 0.1\n"
                 "  U[j, i] = T[i, j] < R and B[i]\n"
                 "  Y[i] = U[0, i] ? f16(i) * -R : Q\n"
                 "  S[] = prod(i < M) (i32(i) + P)\n"
                 "}\n",
                 "program t {\n"
                 "  buffer X: f64[3, 5] input\n"
                 "  buffer B: bool[3] input\n"
                 "  buffer Y: f16[3] output\n"
                 "  buffer S: i32[] output\n"
                 "  buffer T: f64[3, 5]\n"
                 "  buffer U: bool[5, 3]\n"
                 "  for i in 3 {\n"
                 "    for j in 5 {\n"
                 "      block T(vi: 3 = i, vj: 5 = j) {\n"
                 "        T[vi, vj] = X[vi, vj] * f64(0.5) + f64(0.1)\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "  for j_1 in 5 {\n"
                 "    for i_1 in 3 {\n"
                 "      block U(vj: 5 = j_1, vi: 3 = i_1) {\n"
                 "        U[vj, vi] = T[vi, vj] < f64(3.0) and B[vi]\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "  for i_2 in 3 {\n"
                 "    block Y(vi: 3 = i_2) {\n"
                 "      Y[vi] = select(U[0, vi], f16(vi) * f16(-3.0), f16(2.0))\n"
                 "    }\n"
                 "  }\n"
                 "  for i_3 in 3 {\n"
                 "    block S(reduce vi: 3 = i_3) {\n"
                 "      init i32(1)\n"
                 "      S[] = S[] * (i32(vi) + i32(2))\n"
                 "    }\n"
                 "  }\n"
                 "}\n");
}

/* An index read from memory is held inside of its dimension, unless its range shows that it is. */
static void test_index_from_memory(void **state)
{
    (void)state;
    check_golden("kernel g(M, N) {\n"
                 "  input X: f32[N, 2]; input I: i64[M]; input B: u8[M]; output Y: f32[M, 2]\n"
                 "  Y[i, j] = X[I[i] + 1, j] + X[i64(B[i]) % N, j] + X[min(i, N - 1), j]\n"
                 "}\n",
                 "program g {\n"
                 "  buffer X: f32[5, 2] input\n"
                 "  buffer I: i64[3] input\n"
                 "  buffer B: u8[3] input\n"
                 "  buffer Y: f32[3, 2] output\n"
                 "  for i in 3 {\n"
                 "    for j in 2 {\n"
                 "      block Y(vi: 3 = i, vj: 2 = j) {\n"
                 "        Y[vi, vj] = X[min(max(I[vi] + 1, 0), 4), vj] + X[i64(B[vi]) % 5, vj] + "
                 "X[min(vi, 4), vj]\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "}\n");
}

/* Whatever the index is: also where it is a reduction's result, and where its arithmetic wraps. */
static void test_any_index_from_memory(void **state)
{
    (void)state;
    hone_program p;
    hone_error err;
    const char *text = "kernel g(M, N) {\n"
                       "  input X: f32[N]; input I: i64[M]; output Y: f32[M]; output Z: f32[]\n"
                       "  Y[i] = X[I[i] + 9223372036854775000]\n"
                       "  Z[] = X[max(k < M) I[k]] }";
    const int64_t index[3] = {3 - INT64_C(9223372036854775000), -4, INT64_MAX};
    float x[5] = {1, 2, 3, 4, 5}, y[3], z;
    if (parse(text, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    assert_int_equal(hone_interp_run(&p, (void *[]){x, (void *)index, y, &z}, &err), HONE_OK);
    assert_true(y[0] == 4 && y[1] == 5 && y[2] == 1 && z == 5);
    hone_program_fini(&p);
}

/* The identity of min and max is the dtype's own. */
static void test_identities(void **state)
{
    (void)state;
    static const struct {
        const char *dtype, *op, *init;
    } cases[] = {
        {"f32", "max", "-inf"},
        {"f16", "min", "f16(inf)"},
        {"i8", "max", "i8(-128)"},
        {"u8", "max", "u8(0)"},
        {"i32", "min", "i32(2147483647)"},
        {"i64", "max", "-9223372036854775808"},
        {"i64", "min", "9223372036854775807"},
        {"f64", "prod", "f64(1.0)"},
    };
    for (size_t k = 0; k < HONE_LEN(cases); k++) {
        char *text = hone_xasprintf("kernel r(M) { input X: %s[M]; output Y: %s[]\n"
                                    "Y[] = %s(k < M) X[k] }",
                                    cases[k].dtype, cases[k].dtype, cases[k].op);
        hone_program p;
        hone_error err;
        if (parse(text, &p, &err) != HONE_OK)
            fail_msg("%s", err.message);
        hone_buf b = {0};
        hone_expr_print(&p, hone_stmt_at(&p, hone_block_find(&p, "Y"))->init, &b);
        assert_string_equal(b.s, cases[k].init);
        hone_buf_free(&b);
        hone_program_fini(&p);
        free(text);
    }
}

/* The operand of a reduction reaches over * and / but not over + and -. */
static void test_reach_of_reductions(void **state)
{
    (void)state;
    hone_program p;
    hone_error err;
    const char *text = "kernel r(M) { input X: f32[M]; output Y: f32[]\n"
                       "Y[] = 2 * sum(k < M) X[k] * 3 / 4 - sum(k < M) -X[k] + 5 }";
    float x[3] = {1, 2, 4}, y;
    if (parse(text, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    assert_int_equal(hone_interp_run(&p, (void *[]){x, &y}, &err), HONE_OK);
    assert_true(y == 2 * 7 * 0.75f + 7 + 5);
    hone_program_fini(&p);
}

/* One expression with three nested reductions is the same as softmax in stages. */
static void test_nested_softmax(void **state)
{
    (void)state;
    hone_program p;
    hone_error err;
    const char *text = "kernel s(M, N) { input X: f32[M, N]; output Y: f32[M, N]\n"
                       "Y[i, j] = exp(X[i, j] - max(k < N) X[i, k]) /\n"
                       "  sum(l < N) exp(X[i, l] - max(k < N) X[i, k]) }";
    float x[15], y[15];
    for (int k = 0; k < 15; k++)
        x[k] = (float)(k * 7 % 5) * 0.5f;
    if (parse(text, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    assert_int_equal(hone_interp_run(&p, (void *[]){x, y}, &err), HONE_OK);
    for (int i = 0; i < 3; i++) {
        float sum = 0;
        for (int j = 0; j < 5; j++)
            sum += expf(x[i * 5 + j]);
        for (int j = 0; j < 5; j++)
            assert_true(fabsf(y[i * 5 + j] - expf(x[i * 5 + j]) / sum) < 1e-6f);
    }
    hone_program_fini(&p);
}

static void test_list(void **state)
{
    (void)state;
    const char *text = "kernel a(M,\n   N = 3) # x\n { output C: f32[1]\n C[i] = 0 }\n"
                       "kernel b() { output C: f32[1]\n C[i] = 0 }";
    hone_kernel_list list = {0};
    hone_error err;
    assert_int_equal(hone_workload_list("t", text, strlen(text), &list, &err), HONE_OK);
    assert_int_equal(list.n, 2);
    assert_string_equal(list.v[0].head, "a(M, N = 3)");
    assert_string_equal(list.v[1].name, "b");
    hone_kernel_list_free(&list);
    assert_int_equal(hone_workload_list("t", text, 20, &list, &err), HONE_E_INPUT);
    hone_kernel_list_free(&list);
}

static void test_which_kernel(void **state)
{
    (void)state;
    const char *text = "kernel a() { output C: f32[1]\n C[i] = 0 }\n"
                       "kernel b() { output D: f32[1]\n D[i] = 0 }";
    hone_program p;
    hone_error err;
    assert_int_equal(hone_workload_parse("t", text, strlen(text), "b", NULL, 0, &p, &err), HONE_OK);
    assert_string_equal(hone_sym_text(&p, p.name), "b");
    hone_program_fini(&p);
    assert_int_equal(hone_workload_parse("t", text, strlen(text), "c", NULL, 0, &p, &err),
                     HONE_E_NOTFOUND);
    assert_string_equal(err.message, "t has no kernel 'c'; it has a, b");
}

static void test_nothing(void **state)
{
    (void)state;
    check_golden("kernel e(M, E = 0) {\n"
                 "  input X: f32[M, E]; output S: f32[M]; output Y: f32[M, E]\n"
                 "  T[i, j] = exp(X[i, j])\n"
                 "  S[i] = max(j < E) T[i, j]\n"
                 "  Y[i, j] = T[i, j] / sum(k < E) T[i, k] }",
                 "program e {\n"
                 "  buffer X: f32[3, 0] input\n"
                 "  buffer S: f32[3] output\n"
                 "  buffer Y: f32[3, 0] output\n"
                 "  buffer Y.sum: f32[3]\n"
                 "  for i in 3 {\n"
                 "    block S(vi: 3 = i) {\n"
                 "      S[vi] = -inf\n"
                 "    }\n"
                 "  }\n"
                 "  for i_1 in 3 {\n"
                 "    block Y.sum(vi: 3 = i_1) {\n"
                 "      Y.sum[vi] = 0.0\n"
                 "    }\n"
                 "  }\n"
                 "}\n");
}

static const struct {
    hone_size sizes[3];
    unsigned n;
    const char *message; /* NULL: fine */
} size_cases[] = {
    {{{"M", 3}}, 1, NULL},
    {{{"M", 3}, {"K", 7}}, 2, NULL},
    {{{"K", 7}}, 1, "the size 'M' has no default; give it a value, as in -D M=64"},
    {{{"M", 3}, {"L", 7}}, 2, "'m' has no size 'L'; its sizes are M, K"},
    {{{"M", 3}, {"X", 7}}, 2, "'m' has no size 'X'"}, /* a let is no size */
    {{{"M", 3}, {"M", 3}}, 2, "the size 'M' is given twice"},
    {{{"M", -1}}, 1, "the size M=-1 is outside of 0 to 2^31"},
    {{{"M", 2147483649}}, 1, "outside of 0 to 2^31"},
    {{{"M", 0}}, 1, NULL},
    {{{"M", 3}, {"K", 2147483648}}, 2, "more than 2^40 elements"},
};

static void test_sizes(void **state)
{
    (void)state;
    const char *text = "kernel m(M, K = 2) {\n"
                       "  let X = K * K\n"
                       "  output C: f32[M, X]\n"
                       "  C[i, j] = 0\n"
                       "}\n";
    for (size_t k = 0; k < HONE_LEN(size_cases); k++) {
        hone_program p;
        hone_error err;
        hone_status s = hone_workload_parse("t", text, strlen(text), "m", size_cases[k].sizes,
                                            size_cases[k].n, &p, &err);
        if (!size_cases[k].message) {
            assert_int_equal(s, HONE_OK);
            hone_program_fini(&p);
            continue;
        }
        assert_int_equal(s, HONE_E_INPUT);
        if (!strstr(err.message, size_cases[k].message))
            fail_msg("wanted '%s', got '%s'", size_cases[k].message, err.message);
        assert_true(err.line >= 1 && err.line <= 3);
    }
}

static void test_error_form(void **state)
{
    (void)state;
    hone_program p;
    hone_error err;
    const char *text = "kernel m(M, N) {\n"
                       "  input A: f32[M, N]\n"
                       "  output C: f32[M]\n"
                       "  C[i] = sum(k < Q) A[i, k]\n"
                       "}\n";
    assert_int_equal(parse(text, &p, &err), HONE_E_INPUT);
    assert_string_equal(
        err.message, "t.hone:4:18: error: there is no size or index 'Q' here; the sizes of 'm' are "
                     "M, N, and an index is known left of its '=' and inside its reduction only\n"
                     "    C[i] = sum(k < Q) A[i, k]\n"
                     "                   ^");
    assert_int_equal(err.line, 4);
    assert_int_equal(err.column, 18);
    assert_string_equal(err.where, "t.hone");
}

/* The body of: kernel e(M, N) { input A: f32[M, N]; output C: f32[M, N] ... } */
static const struct {
    const char *body, *message;
} wrong[] = {
    {"C[i, j] = A[i, j] + B[i]", "there is no buffer 'B' here; declare it"},
    {"C[i, j] = A[i]", "A has 2 dimensions, here are 1 indices"},
    {"C[i] = 0", "'C' has 2 dimensions, here are 1 indices"},
    {"C[i, i] = 0", "'i' is taken; this index needs a new name"},
    {"C[i, M] = 0", "'M' is taken"},
    {"C[i, A] = 0", "'A' is taken"},
    {"C[i, 0] = 0", "expected an index, which is a new name for each dimension, found '0'"},
    {"C[i, j] = sum(i < 3) A[i, j]", "'i' is taken"},
    {"C[i, j] = sum(k < N) A[i, k] + A[i, k]", "there is no size or index 'k' here"},
    {"C[i, j] = C[i, j] + 1", "'C' is read before it is assigned"},
    {"C[i, j] = 0; C[i, j] = 1", "'C' is assigned already"},
    {"A[i, j] = 0", "'A' is an input and cannot be assigned"},
    {"M[i] = A[i, 0]", "'M' is a size and cannot be assigned"},
    {"", "'C' is never assigned"},
    {"temp T: f32[M]; C[i, j] = 0", "'T' is never assigned"},
    {"temp A: f32[M]", "'A' is the name of something else in this kernel"},
    {"let M = 3", "'M' is the name of something else"},
    {"input E: f32[3, 0]; C[i, j] = E[0, i64(A[i, j])]",
     "E has no elements to choose from: its dimension 2 is 0"},
    {"C[i, j] = A", "'A' is a buffer; write A[...] with its indices"},
    {"C[i, j] = i", "this is i64 where f32 is wanted; write f32(...)"},
    {"C[i, j] = A[i, j] * i", "f32 and i64 do not mix; cast one, as in f32(...)"},
    {"C[i, j] = f16(A[i, j])", "this is f16 where f32 is wanted"},
    {"C[i, j] = A[i, j] < 1", "this is bool where f32 is wanted"},
    {"C[i, j] = A[i, j] // 2", "// and % are for integers; floats divide with /"},
    {"C[i, j] = A[1.5, j]", "this is a constant with a fraction where i64 is wanted"},
    {"C[i, j] = A[i + 1, j]",
     "index 1 of 'A' takes values 1 to 3, but that dimension is 3; guard the access with select"},
    {"C[i, j] = A[i, j - 1]", "index 2 of 'A' takes values -1 to 3"},
    {"T[i] = A[i, 0] + A[0, i]\n C[i, j] = 0",
     "'i' runs over dimensions of 3 and of 5; declare what is assigned"},
    {"T[i, k] = A[i, k + 0*i]\n C[i, j] = 0",
     "how far 'k' runs cannot be seen on the right; declare the buffer above, as in: temp T"},
    {"C[i, j] = sum(k < 0 - 1) A[i, k]", "'k' runs -1 times"},
    {"C[i, j] = sum(k < i) A[i, k]", "an index cannot be used here"},
    {"C[i, j] = sum(k) A[i, k]", "write what it runs over, as in sum(k < K) A[k]"},
    {"C[i, j] = sum A[i, j]", "expected an operator, ';' or a new line, found 'A'"},
    {"C[i, j] = max(k < N) (A[i, k] < 0)", "this is bool where f32 is wanted"},
    {"C[i, j] = f32(max(k < N) (A[i, k] < 0))", "conditions cannot be reduced"},
    {"C[i, j] = expo(A[i, j])", "'expo' is no function"},
    {"C[i, j] = exp(i)", "this function is for floats"},
    {"C[i, j] = 0 < A[i, j] < 1 ? 1 : 0", "comparisons do not chain"},
    {"C[i, j] = A[i, j] ? 1 : 0", "the first part must be a condition"},
    {"C[i, j] = A[i, j] && 1", "expected a value; conditions are joined with 'and', found '&'"},
    {"C[i, j] = A[i, j] || 1", "expected a value; conditions are joined with 'or', found '|'"},
    {"C[i, j] = A[i, j] & 1", "operations on bits are for integers"},
    {"C[i, j] = f32(i32(i) << j)", "i32 and i64 do not mix; cast one"},
    {"let X = 1 << 63", "the value does not fit 64 bits"},
    {"let X = M << -1", "the distance of a shift cannot be negative"},
    {"let X = popcount(-1)", "this number cannot be negative"},
    {"C[i, j] = A[i, j] D[i, j] = 0", "expected an operator, ';' or a new line, found 'D'"},
    {"C[i, j] = 0 1", "expected an operator, ';' or a new line, found '1'"},
    {"const output D: f32[M]", "'const' goes before 'input'"},
    {"output const D: f32[M]", "only an input can be const"},
    {"input D: f31[M]", "expected a dtype such as f32, found 'f31'"},
    {"input D: f32[M - 4]", "dimension 1 of 'D' is -1"},
    {"input D: f32[M / 2]", "sizes divide with //"},
    {"input D: f32[M // (N - 5)]", "division by zero"},
    {"let X = 9223372036854775807 + M", "the value does not fit 64 bits"},
    {"let X = Y\n let Y = 1", "there is no size or index 'Y'"},
    {"C[i, j] = let", "'let' is a word of the language"},
    {"C[i, j] = ", "expected a value, found '}'"},
    {"C[i, j] = (1", "expected ')', found '}'"},
    {"C[i, j] = \"x\"", "expected a value, found '\"x\"'"},
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t k = 0; k < HONE_LEN(wrong); k++) {
        char *text = hone_xasprintf(
            "kernel e(M, N) {\n input A: f32[M, N]; output C: f32[M, N]\n %s\n}\n", wrong[k].body);
        hone_program p;
        hone_error err;
        if (parse(text, &p, &err) != HONE_E_INPUT)
            fail_msg("'%s' was accepted", wrong[k].body);
        if (!strstr(err.message, wrong[k].message))
            fail_msg("wanted '%s', got '%s'", wrong[k].message, err.message);
        assert_true(err.line >= 1 && err.line <= 6 && err.column > 0);
        assert_int_equal(parse(text, &p, NULL), HONE_E_INPUT);
        free(text);
    }
}

static void test_heads(void **state)
{
    (void)state;
    static const char *const heads[][2] = {
        {"", "expected 'kernel', found the end of the text"},
        {"kernel", "expected the kernel, found the end of the text"},
        {"kernel k(", "expected the size, found the end of the text"},
        {"kernel k(M M)", "expected ')', found 'M'"},
        {"kernel k(M, M) { }", "'M' is the name of something else"},
        {"kernel k(X = Y) { }", "there is no size or index 'Y' here; the sizes of 'k' are X"},
        {"kernel k(X = -1) { }", "the size X is -1 by default; a size lies in 0 to 2^31"},
        {"kernel k() { } kernel k() { }", "there are two kernels 'k'"},
        {"kernel k() { } x", "expected 'kernel', found 'x'"},
        {"kernel k() {", "expected a declaration, a statement or '}', found the end of the text"},
    };
    for (size_t k = 0; k < HONE_LEN(heads); k++) {
        hone_program p;
        hone_error err;
        assert_int_equal(
            hone_workload_parse("t", heads[k][0], strlen(heads[k][0]), NULL, NULL, 0, &p, &err),
            HONE_E_INPUT);
        if (!strstr(err.message, heads[k][1]))
            fail_msg("wanted '%s', got '%s'", heads[k][1], err.message);
    }
}

static void check_limit(hone_buf *b, const char *message)
{
    hone_program p;
    hone_error err;
    hone_buf_puts(b, "\n}\n");
    assert_int_equal(hone_workload_parse("t", b->s, b->n, NULL, NULL, 0, &p, &err), HONE_E_INPUT);
    if (!strstr(err.message, message))
        fail_msg("wanted '%s', got '%s'", message, err.message);
    hone_buf_reset(b);
    hone_buf_puts(b, "kernel k() {\n output C: f32[2]\n");
}

/* Of as many letters as a name may have, none of which is ASCII: what is made of it reads back. */
static void test_long_names(void **state)
{
    (void)state;
    char x[256], y[256], i[256], k[256], text[8192];
    char *const names[] = {x, y, i, k};
    static const char first[] = "xyik";
    for (unsigned n = 0; n < HONE_LEN(names); n++) {
        names[n][0] = first[n];
        for (unsigned c = 1; c < 255; c += 2)
            memcpy(names[n] + c, "\xc3\xa9", 3);
    }
    snprintf(text, sizeof text,
             "kernel long(M, N) {\n  input `%s`: f32[M, N]\n  output `%s`: f32[M, N]\n"
             "  `%s`[`%s`, j] = exp(`%s`[`%s`, j]) / sum(`%s` < N) `%s`[`%s`, `%s`] +\n"
             "    max(`%s` < N) `%s`[`%s`, `%s`] + max(`%s` < N) exp(`%s`[`%s`, `%s`])\n}\n",
             x, y, y, i, x, i, k, x, i, k, k, x, i, k, k, x, i, k);
    hone_program p, q;
    hone_error err;
    if (parse(text, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_buf b = {0};
    hone_program_print(&p, &b);
    if (hone_program_parse(b.s, b.n, &q, &err) != HONE_OK)
        fail_msg("%s", err.message);
    assert_int_equal(hone_program_hash(&p), hone_program_hash(&q));
    hone_buf_free(&b);
    hone_program_fini(&p);
    hone_program_fini(&q);
}

static void test_limits(void **state)
{
    (void)state;
    hone_buf b = {0};
    hone_buf_puts(&b, "kernel k() {\n output C: f32[2]\n C[i] = ");
    for (int k = 0; k < 300; k++)
        hone_buf_puts(&b, "(");
    check_limit(&b, "more than 200 expressions within one another");
    for (int k = 0; k < 300; k++)
        hone_buf_printf(&b, "temp T%d: f32[2]; T%d[i] = 0\n", k, k);
    check_limit(&b, "a kernel has at most 256 buffers");
    for (int k = 0; k < 257; k++)
        hone_buf_printf(&b, "T%d[i] = C[i]\n", k);
    check_limit(&b, "a kernel has at most 256 statements");
    hone_buf_puts(&b, "C[i] = 0");
    for (int k = 0; k < 300; k++)
        hone_buf_puts(&b, k % 100 ? " + sum(k < 2) 1.0" : "\n D[i] = sum(k < 2) 1.0");
    hone_buf_reset(&b);
    hone_buf_puts(&b, "kernel k() {\n output C: f32[2]\n");
    for (int s = 0; s < 3; s++) {
        hone_buf_printf(&b, "temp T%d: f32[2]; T%d[i] = 0", s, s);
        for (int k = 0; k < 100; k++)
            hone_buf_puts(&b, " + sum(k < 2) 1.0");
        hone_buf_puts(&b, "\n");
    }
    check_limit(&b, "a kernel has at most 256 stages");
    hone_buf_puts(
        &b, "C[i] = sum(a < 2, b < 2, c < 2, d < 2, e < 2, f < 2, g < 2, h < 2, j < 2, k < 2, "
            "l < 2, m < 2, n < 2, o < 2, p < 2, q < 2) 1");
    check_limit(&b, "a statement has at most 16 indices");
    hone_buf_puts(&b, "C[i] = sum(a < 1000000000, b < 1000000000) 1");
    check_limit(&b, "this statement takes more than 2^56 steps");
    hone_buf_puts(&b, "let X = ");
    for (int k = 0; k < 1 << 19; k++)
        hone_buf_puts(&b, "  ");
    check_limit(&b, "the limit is 1048576");
    hone_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_inference),
        cmocka_unit_test(test_index_from_memory),
        cmocka_unit_test(test_any_index_from_memory),
        cmocka_unit_test(test_identities),
        cmocka_unit_test(test_reach_of_reductions),
        cmocka_unit_test(test_nested_softmax),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_which_kernel),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_error_form),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
