/* Ranges of inputs: as stated, in both languages, and as their use asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ir/ir.h"

static hone_program parse(const char *text)
{
    hone_program p = {0};
    hone_error err = {0};
    if (hone_workload_parse("test.hone", text, strlen(text), NULL, NULL, 0, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return p;
}

static void expect(const char *text, const char *input, bool any, double lo, double hi)
{
    hone_program p = parse(text);
    double got_lo, got_hi;
    hone_buffer b = hone_buffer_find(&p, input);
    assert_int_equal(hone_input_range(&p, b, &got_lo, &got_hi), !any);
    if (!any) {
        assert_true(got_lo == lo);
        assert_true(got_hi == hi);
    }
    hone_program_fini(&p);
}

static void expect_error(const char *text, const char *part)
{
    hone_program p = {0};
    hone_error err = {0};
    assert_int_equal(hone_workload_parse("test.hone", text, strlen(text), NULL, NULL, 0, &p, &err),
                     HONE_E_INPUT);
    if (!strstr(err.message, part))
        fail_msg("no '%s' in: %s", part, err.message);
    hone_program_fini(&p);
}

static void test_stated(void **state)
{
    (void)state;
    static const char text[] = "kernel k(N = 4, V = 9) { input id: i64[N] in 0 .. V\n"
                               "input p: f32[N] in -0.5..1\n output C: f32[N]\n"
                               "C[i] = p[i] + f32(id[i]) }";
    expect(text, "id", false, 0, 9);
    expect(text, "p", false, -0.5, 1);
    expect("kernel k(N = 4) { input const A: f32[N] in 1..2.5\n output C: f32[N]\n C[i] = A[i] }",
           "A", false, 1, 2.5);
    expect_error("kernel k(N = 4) { input A: f32[N] in 3 .. 3\n output C: f32[N]\n C[i] = A[i] }",
                 "range of 'A' is empty");
    /* `in` is a name as well */
    expect("kernel k(N = 4) { input A: f32[N]\n output in: f32[N]\n in[i] = A[i] }", "A", true, 0,
           0);
    expect("kernel k(in = 4) { input A: f32[in]\n in\n 0 .. in\n output C: f32[in]\n"
           "C[i] = A[i] }",
           "A", false, 0, 4);
    /* of integers what their dtype holds */
    expect("kernel k(N = 4) { input A: u8[N] in -5 .. 1000\n output C: u8[N]\n C[i] = A[i] }", "A",
           false, 0, 256);
    expect("kernel k(N = 4) { input A: bool[N] in 0 .. 2\n output C: bool[N]\n C[i] = A[i] }", "A",
           false, 0, 2);
    expect_error(
        "kernel k(N = 4) { input A: i32[N] in 0.2 .. 0.8\n output C: i32[N]\n C[i] = A[i] }",
        "no i32 lies in the range of 'A'");
    expect_error("kernel k(N = 4) { input A: bool[N] in 3 .. 9\n output C: bool[N]\n C[i] = A[i] }",
                 "no bool lies");
    expect_error("kernel k(N = 4) { input A: f32[N] in 0 .. inf\n output C: f32[N]\n C[i] = A[i] }",
                 "has no end");
    expect_error("kernel k(N = 4) { input A: f32[N]\n output C: f32[N] in 0..1\n C[i] = A[i] }",
                 "only an input");
    expect_error("kernel k(N = 4) { input A: f32[N] in 1.5\n output C: f32[N]\n C[i] = A[i] }",
                 "..");
}

static void test_of_use(void **state)
{
    (void)state;
    expect("kernel k(N = 4, V = 9) { input id: i32[N]\n input T: f32[V, 3]\n output C: f32[N, 3]\n"
           "C[i, j] = T[i64(id[i]) - 2, j] }",
           "id", false, 2, 11);
    expect("kernel k(N = 4) { input A: i32[N]\n input B: i32[N]\n output C: i32[N]\n"
           "C[i] = A[i] // B[i] }",
           "B", false, 1, 8);
    expect("kernel k(N = 4) { input A: f32[N]\n output C: f32[N]\n C[i] = log(A[i]) }", "A", false,
           0.125, 8);
    expect("kernel k(N = 4) { input A: f32[N]\n output C: f32[N]\n C[i] = A[i] + 1 }", "A", true, 0,
           0);
}

static void test_program_text_keeps_it(void **state)
{
    (void)state;
    hone_program p = parse("kernel k(N = 4) { input const A: f32[N] in -1 .. 2.5\n"
                           "output C: f32[N]\n C[i] = A[i] }"),
                 q = {0};
    hone_buf text = {0}, again = {0};
    hone_error err = {0};
    hone_program_print(&p, &text);
    assert_non_null(strstr(text.s, "A: f32[4] input const in -1.0 .. 2.5\n"));
    assert_int_equal(hone_program_parse(text.s, text.n, &q, &err), HONE_OK);
    hone_program_print(&q, &again);
    assert_string_equal(text.s, again.s);
    assert_true(hone_program_hash(&p) == hone_program_hash(&q));
    hone_program_fini(&q);
    q = parse("kernel k(N = 4) { input const A: f32[N]\n output C: f32[N]\n C[i] = A[i] }");
    assert_true(hone_program_hash(&p) != hone_program_hash(&q));
    hone_program_fini(&p);
    hone_program_fini(&q);
    hone_buf_free(&text);
    hone_buf_free(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stated),
        cmocka_unit_test(test_of_use),
        cmocka_unit_test(test_program_text_keeps_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
