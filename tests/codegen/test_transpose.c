/* Copies of squares that are transposed in registers: which they are, and that results are those of
 * the interpreter, at edges too. */
#include "codegen_test.h"

/* An array of m by n, multiples of s, turned in squares of s. */
static char *program(unsigned s, unsigned m, unsigned n, const char *dtype, const char *value)
{
    return hone_xasprintf(
        "program turn {\n"
        "  buffer X: %s[%u, %u] input\n  buffer Y: %s[%u, %u] output\n"
        "  for b in %u { for a in %u { for u in %u unrolled { for l in %u vectorized {\n"
        "    block Y(vj: %u = b*%u + u, vi: %u = a*%u + l) {\n"
        "      Y[vj, vi] = %s } } } } }\n}\n",
        dtype, m, n, dtype, n, m, n / s, m / s, s, s, n, s, m, s, value);
}

/* Where the last squares are cut off. */
static char *cut_program(unsigned s, unsigned m, unsigned n)
{
    return hone_xasprintf(
        "program turn {\n"
        "  buffer X: f32[%u, %u] input\n  buffer Y: f32[%u, %u] output\n"
        "  for b in %u { for a in %u { for u in %u unrolled { for l in %u vectorized {\n"
        "    block Y(vj: %u = b*%u + u, vi: %u = a*%u + l) where b*%u + u < %u and a*%u + l < %u "
        "{\n"
        "      Y[vj, vi] = X[vi, vj] } } } } }\n}\n",
        m, n, n, m, (n + s - 1) / s, (m + s - 1) / s, s, s, n, s, m, s, s, n, s, m);
}

static unsigned shuffles(const char *text)
{
    char *ll = emit_text(text, HONE_EMIT_LLVM);
    unsigned n = 0;
    for (const char *at = strstr(ll, "shufflevector"); at; at = strstr(at + 1, "shufflevector"))
        n++;
    free(ll);
    return n;
}

static void squares(void **state)
{
    (void)state;
    static const unsigned sides[] = {4, 8, 16}, steps[] = {8, 24, 64};
    for (unsigned k = 0; k < HONE_LEN(sides); k++) {
        static const char *const dtypes[] = {"f32", "i32"};
        for (unsigned d = 0; d < HONE_LEN(dtypes); d++) {
            char *text = program(sides[k], 32, 48, dtypes[d], "X[vi, vj]");
            assert_int_equal(shuffles(text), steps[k]);
            check_both(text, &(run_options){0});
            free(text);
        }
    }
}

/* Whole squares are turned, the others are copied as before. */
static void edges(void **state)
{
    (void)state;
    static const struct {
        unsigned side, rows, columns;
    } cases[] = {{4, 9, 15}, {8, 21, 16}, {8, 16, 21}, {16, 37, 50}, {16, 7, 50}};
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        char *text = cut_program(cases[k].side, cases[k].rows, cases[k].columns);
        if (cases[k].rows >= cases[k].side)
            assert_true(shuffles(text) > 0);
        check_both(text, &(run_options){0});
        free(text);
    }
}

/* Not a copy; lanes that lie side by side; elements of another size. */
static void others(void **state)
{
    (void)state;
    char *text = program(8, 16, 16, "f32", "X[vi, vj] * X[vi, vj]");
    assert_int_equal(shuffles(text), 0);
    check_both(text, &(run_options){0});
    free(text);
    text = program(8, 16, 16, "f32", "X[vj, vi]");
    assert_int_equal(shuffles(text), 0);
    check_both(text, &(run_options){0});
    free(text);
    text = program(8, 16, 16, "f64", "X[vi, vj]");
    assert_int_equal(shuffles(text), 0);
    check_both(text, &(run_options){0});
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(squares),
        cmocka_unit_test(edges),
        cmocka_unit_test(others),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
