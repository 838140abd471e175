/* The interpreter: dtypes and rounding, laziness, reductions, predicates, scopes, and what it
 * refuses. Programs are given as text and their results compared exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ir/ir.h"

#include <math.h>

static hone_program parse(const char *text)
{
    hone_program p;
    hone_error err;
    if (hone_program_parse(text, strlen(text), &p, &err) != HONE_OK ||
        hone_verify(&p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return p;
}

/* Runs `X[v] = expr` for v < 4, with A: i64 holding -3, 0, 2, 7 and F: f32 holding -2.5, 0.5, 1.5,
 * nan, and returns the four results. */
static void eval(const char *dtype, const char *expr, double ret[4])
{
    char *text = hone_xasprintf("program t { buffer A: i64[4] input buffer F: f32[4] input\n"
                                "buffer X: %s[4] output for i in 4 { block b(v: 4 = i) {\n"
                                "X[v] = %s } } }",
                                dtype, expr);
    hone_program p = parse(text);
    int64_t a[4] = {-3, 0, 2, 7};
    float f[4] = {-2.5f, 0.5f, 1.5f, NAN};
    uint64_t x[4] = {0};
    hone_error err;
    if (hone_interp_run(&p, (void *[]){a, f, x}, &err) != HONE_OK)
        fail_msg("%s: %s", expr, err.message);
    for (int k = 0; k < 4; k++)
        ret[k] = hone_elem_get(hone_dtype_parse(dtype, strlen(dtype)), x, k);
    free(text);
    hone_program_fini(&p);
}

static const struct {
    const char *dtype, *expr;
    double want[4];
} values[] = {
    {"i64", "A[v] // 2", {-2, 0, 1, 3}},
    {"i64", "A[v] % 2", {1, 0, 0, 1}},
    {"i64", "A[v] // -2", {1, 0, -1, -4}},
    {"i64", "A[v] % -2", {-1, 0, 0, -1}},
    {"i64", "A[v] / 2", {-1, 0, 1, 3}},
    {"i64", "min(A[v], 1) + max(v, 2)", {-1, 2, 3, 4}},
    {"i64", "abs(A[v]) * 3 - 1", {8, -1, 5, 20}},
    {"bool", "A[v] < 1 or not(A[v] != 7)", {1, 1, 0, 1}},
    {"bool", "A[v] <= 0 and A[v] == -3", {1, 0, 0, 0}},
    /* narrow integers wrap around */
    {"i8", "i8(A[v]) * 60", {76, 0, 120, -92}},
    {"u8", "u8(A[v]) - 5", {248, 251, 253, 2}},
    {"i16", "i16(A[v] * 20000)", {5536, 0, -25536, 8928}},
    {"i32", "i32(A[v]) * 1000000000", {1294967296, 0, 2000000000, -1589934592}},
    {"i8", "i8(-128) // i8(A[v] - 1 - A[v])", {-128, -128, -128, -128}},
    /* casts of floats cut, saturate, and take NaN for 0 */
    {"i32", "i32(F[v])", {-2, 0, 1, 0}},
    {"u8", "u8(F[v] * 1000)", {0, 255, 255, 0}},
    {"i64", "i64(F[v] * 1e30) // 1000000000000000000", {-10, 9, 9, 0}},
    {"bool", "bool(F[v] - 0.5)", {1, 0, 1, 1}},
    {"bool", "F[v] == F[v]", {1, 1, 1, 0}},
    {"bool", "F[v] != F[v] or F[v] < 0", {1, 0, 0, 1}},
    /* of NaN and a number the number; -0 is less than +0 */
    {"f32", "min(F[v], 1)", {-2.5, 0.5, 1, 1}},
    {"f32", "max(1, F[v])", {1, 1, 1.5, 1}},
    {"f64", "1 / min(f64(A[v])*0, -f64(0))", {-INFINITY, -INFINITY, -INFINITY, -INFINITY}},
    {"f64", "1 / max(-f64(0), f64(A[v]*0))", {INFINITY, INFINITY, INFINITY, INFINITY}},
    {"f32", "round(F[v])", {-2, 0, 2, NAN}},
    {"f32", "floor(F[v])", {-3, 0, 1, NAN}},
    {"f32", "ceil(F[v])", {-2, 1, 2, NAN}},
    {"f32", "abs(F[v])", {2.5, 0.5, 1.5, NAN}},
    {"f32", "-F[v] / 2", {1.25, -0.25, -0.75, NAN}},
    {"f32", "pow(abs(F[v]), 2)", {6.25, 0.25, 2.25, NAN}},
    {"f32", "sqrt(f32(A[v]*A[v]))", {3, 0, 2, 7}},
    {"f64", "exp(f64(A[v])) * f64(0)", {0, 0, 0, 0}},
    {"f64", "sigmoid(f64(0)) + tanh(f64(v)*0) + erf(f64(v)*0)", {0.5, 0.5, 0.5, 0.5}},
    {"f64", "log(exp(f64(0)))", {0, 0, 0, 0}},
    {"f64", "sin(f64(v)*0) + cos(f64(v)*0) + atan(f64(v)*0)", {1, 1, 1, 1}},
    {"bool", "abs(sin(f32(v) * 134217728)) <= 1", {1, 1, 0, 0}}, /* beyond 2^27 it is NaN */
    /* f32 rounds after each operation: 2^24 + 1 is 2^24 */
    {"f32", "f32(A[v]*0 + 16777216) + 1 - 16777216", {0, 0, 0, 0}},
    {"f64", "f64(A[v]*0 + 16777216) + 1 - 16777216", {1, 1, 1, 1}},
    /* f16 is computed in f32, and rounded by the cast: 2049 is no f16 */
    {"f16", "f16(A[v]*0 + 2048) + 1 - 2048", {1, 1, 1, 1}},
    {"f16", "f16(f16(A[v]*0 + 2048) + 1) - 2048", {0, 0, 0, 0}},
    {"f16", "f16(A[v]*0 + 2049)", {2048, 2048, 2048, 2048}},
    {"f16", "f16(A[v]) * 60000", {-INFINITY, 0, INFINITY, INFINITY}},
    {"bf16", "bf16(A[v]*0 + 257)", {256, 256, 256, 256}},
    /* the arm not chosen is not evaluated */
    {"i64", "select(v < 3, A[v + 1], -1)", {0, 2, 7, -1}},
    {"i64", "select(A[v] == 0, -1, 14 // A[v])", {-5, -1, 7, 2}},
    /* something computed in one arm only must not be taken for known in the other */
    {"i64", "select(v < 2, select(v < 1, A[v] * A[v], A[v] + 9), A[v] * A[v])", {9, 9, 4, 49}},
    {"i64", "select(v < 2, A[v] * 5, 1) + A[v] * 5", {-30, 0, 11, 36}},
};

static void test_values(void **state)
{
    (void)state;
    for (size_t k = 0; k < HONE_LEN(values); k++) {
        double got[4];
        eval(values[k].dtype, values[k].expr, got);
        for (int i = 0; i < 4; i++)
            if (got[i] != values[k].want[i] && !(isnan(got[i]) && isnan(values[k].want[i])))
                fail_msg("%s [%d]: got %g, want %g", values[k].expr, i, got[i], values[k].want[i]);
    }
}

/* A split, unrolled, partly masked matmul with a local accumulator loaded and stored around an
 * outer reduction loop gives what the plain loops give. */
static void test_scheduled_matmul(void **state)
{
    (void)state;
    static const char text[] =
        "program m {\n"
        "  buffer A: f32[5, 7] input\n"
        "  buffer B: f32[7, 3] input\n"
        "  buffer C: f32[5, 3] output\n"
        "  buffer T: f32[2, 3] local\n"
        "  for i0 in 3 parallel {\n"
        "    for k0 in 2 {\n"
        "      for i1 in 2 {\n"
        "        for j in 3 vectorized {\n"
        "          block load(vi: 2 = i1, vj: 3 = j, vk: 2 = k0, vo: 5 = i0*2 + i1) where i0*2 + "
        "i1 < 5 {\n"
        "            T[vi, vj] = select(vk == 0, 0.0, C[vo, vj])\n"
        "          }\n"
        "        }\n"
        "      }\n"
        "      for k1 in 4 unrolled {\n"
        "        for i1 in 2 {\n"
        "          for j in 3 {\n"
        "            block update(vi: 2 = i1, vj: 3 = j, vo: 5 = i0*2 + i1, reduce vk: 7 = k0*4 + "
        "k1) where "
        "i0*2 + i1 < 5 and k0*4 + k1 < 7 {\n"
        "              T[vi, vj] = T[vi, vj] + A[vo, vk] * B[vk, vj]\n"
        "            }\n"
        "          }\n"
        "        }\n"
        "      }\n"
        "      for i1 in 2 {\n"
        "        for j in 3 {\n"
        "          block store(vi: 2 = i1, vj: 3 = j, vo: 5 = i0*2 + i1) where i0*2 + i1 < 5 {\n"
        "            C[vo, vj] = T[vi, vj]\n"
        "          }\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "}\n";
    hone_program p = parse(text);
    float a[35], b[21], c[15] = {0};
    for (int k = 0; k < 35; k++)
        a[k] = (float)(k % 11 - 5);
    for (int k = 0; k < 21; k++)
        b[k] = (float)(k % 7 - 3);
    hone_error err;
    if (hone_interp_run(&p, (void *[]){a, b, c}, &err) != HONE_OK)
        fail_msg("%s", err.message);
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 3; j++) {
            float want = 0;
            for (int k = 0; k < 7; k++)
                want += a[i * 7 + k] * b[k * 3 + j];
            assert_true(c[i * 3 + j] == want);
        }
    hone_program_fini(&p);
}

/* init runs when all reduction variables are 0, whatever the order of the loops. */
static void test_init(void **state)
{
    (void)state;
    hone_program p =
        parse("program r { buffer X: f32[2] output for r in 3 { for i in 2 { for s in 2 {\n"
              "block b(v: 2 = i, reduce vr: 3 = r, reduce vs: 2 = s) {\n"
              "init f32(v) * 100 X[v] = X[v] + f32(vr*10 + vs) } } } } }");
    float x[2] = {NAN, NAN};
    hone_error err;
    assert_int_equal(hone_interp_run(&p, (void *[]){x}, &err), HONE_OK);
    assert_true(x[0] == 63 && x[1] == 163);
    hone_program_fini(&p);
}

/* A block of statements: its predicate skips them all, and they see its variables only. */
static void test_nested_block(void **state)
{
    (void)state;
    hone_program p = parse(
        "program n { buffer X: i64[4, 2] output for i in 4 {\n"
        "block outer(vo: 4 = 3 - i) where i != 1 { for j in 2 {\n"
        "block inner(va: 4 = vo, vb: 2 = j) where vo + j < 4 { X[va, vb] = va*10 + vb } } } } }");
    int64_t x[8];
    memset(x, 0xff, sizeof x);
    hone_error err;
    assert_int_equal(hone_interp_run(&p, (void *[]){x}, &err), HONE_OK);
    const int64_t want[8] = {0, 1, 10, 11, -1, -1, 30, -1};
    assert_memory_equal(x, want, sizeof x);
    hone_program_fini(&p);
}

/* Temporaries start as NaN, or as 0xA5 bytes. */
static void test_temporaries(void **state)
{
    (void)state;
    hone_program p =
        parse("program t { buffer X: f32[2] output buffer Y: u8[2] output\n"
              "buffer T: f16[2] buffer U: u8[2] local\n"
              "for i in 2 { block t(v: 2 = i) where i < 1 { T[v] = 2 }\n"
              "block u(v: 2 = i) where i < 1 { U[v] = 2 }\n"
              "block x(v: 2 = i) { X[v] = f32(T[v]) } block y(v: 2 = i) { Y[v] = U[v] } } }");
    float x[2];
    uint8_t y[2];
    hone_error err;
    assert_int_equal(hone_interp_run(&p, (void *[]){x, y}, &err), HONE_OK);
    assert_true(x[0] == 2 && isnan(x[1]));
    assert_true(y[0] == 2 && y[1] == 0xA5);
    hone_program_fini(&p);
}

static void test_scalars(void **state)
{
    (void)state;
    hone_program p =
        parse("program s { buffer A: f64[3] input buffer X: f64[] output for k in 3 {\n"
              "block b(reduce v: 3 = k) { init 0 X[] = X[] + A[v] } } }");
    double a[3] = {1, 2, 4}, x = 9;
    hone_error err;
    assert_int_equal(hone_interp_run(&p, (void *[]){a, &x}, &err), HONE_OK);
    assert_true(x == 7);
    assert_int_equal(hone_program_n_args(&p), 2);
    hone_program_fini(&p);
    /* what one arm read is not known in the other, though it has no index */
    p = parse(
        "program s { buffer A: f64[] input buffer X: f64[3] output for i in 3 {\n"
        "block b(v: 3 = i) { X[v] = select(v == 1, A[] * 2 + A[] * A[], A[] * A[] - 1) } } }");
    double of = 3, got[3] = {0};
    assert_int_equal(hone_interp_run(&p, (void *[]){&of, got}, &err), HONE_OK);
    assert_true(got[0] == 8 && got[1] == 15 && got[2] == 8);
    hone_program_fini(&p);
}

static const struct {
    const char *text;
    hone_status status;
    const char *message;
} refused[] = {
    {"program x { buffer A: f32[4, 4] input buffer X: f32[4] output for i in 4 {\n"
     "block b(v: 4 = i) { X[v] = A[v, v*v] } } }",
     HONE_REJECT_OUT_OF_BOUNDS, "block 'b' reads A[2, 4], which has the shape [4, 4]"},
    {"program x { buffer X: f32[4] output for i in 4 {\n"
     "block b(v: 4 = i) { X[v*v - v] = 1 } } }",
     HONE_REJECT_OUT_OF_BOUNDS, "block 'b' writes X[6], which has the shape [4]"},
    {"program x { buffer X: f32[5] output for i in 4 {\n"
     "block b(v: 5 = i*i % 7) { X[v] = 1 } } }",
     HONE_OK, ""},
    {"program x { buffer X: f32[2] output for i in 4 {\n" /* a skipped instance is not checked */
     "block b(v: 2 = i*i % 5) where i < 2 { X[v] = 1 } } }",
     HONE_OK, ""},
    {"program x { buffer X: f32[4] output for i in 4 {\n"
     "block b(v: 3 = i*i % 5) { X[v] = 1 } } }",
     HONE_REJECT_OUT_OF_BOUNDS, "block 'b': iteration variable 'v' is 4, its extent is 3"},
    {"program x { buffer X: i64[4] output for i in 4 {\n"
     "block b(v: 4 = i) { X[v] = 7 // (2 - v) } } }",
     HONE_REJECT_CRASH, "block 'b' divides an integer by zero"},
    {"program x { buffer X: f32[1] output buffer T: f32[1099511627776]\n"
     "block t(v: 1 = 0) { T[v] = 1 } block b(v: 1 = 0) { X[v] = T[v] } }",
     HONE_E_LIMIT, "more than 8 GiB"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t k = 0; k < HONE_LEN(refused); k++) {
        hone_program p = parse(refused[k].text);
        uint64_t memory[2][16] = {{0}};
        hone_error err;
        hone_status s = hone_interp_run(&p, (void *[]){memory[0], memory[1]}, &err);
        if (!strstr(err.message, refused[k].message))
            fail_msg("wanted '%s', got '%s'", refused[k].message, err.message);
        assert_int_equal(s, refused[k].status);
        assert_int_equal(s, hone_interp_run(&p, (void *[]){memory[0], memory[1]}, NULL));
        hone_program_fini(&p);
    }
}

/* Arguments may lie at any address. */
static void test_unaligned(void **state)
{
    (void)state;
    hone_program p =
        parse("program u { buffer A: f64[3] input buffer X: f64[3] output for i in 3 {\n"
              "block b(v: 3 = i) { X[v] = A[v] + 1 } } }");
    char memory[2][3 * 8 + 1];
    double a[3] = {1, 2, 3}, x[3];
    memcpy(memory[0] + 1, a, sizeof a);
    hone_error err;
    assert_int_equal(hone_interp_run(&p, (void *[]){memory[0] + 1, memory[1] + 1}, &err), HONE_OK);
    memcpy(x, memory[1] + 1, sizeof x);
    assert_true(x[0] == 2 && x[2] == 4);
    hone_program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),      cmocka_unit_test(test_scheduled_matmul),
        cmocka_unit_test(test_init),        cmocka_unit_test(test_nested_block),
        cmocka_unit_test(test_temporaries), cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_unaligned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
