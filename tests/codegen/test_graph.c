/* Expressions that are graphs: each is computed once, whatever the number of paths to it. Programs
 * of a chain of steps, each of which uses the one before several times. */
#include "tests/codegen/codegen_test.h"
#include "tests/ir/graph.h"

#define STEPS 70

static double choose(unsigned a, int64_t k, hone_rng *rng, hone_dtype t)
{
    (void)a;
    (void)rng;
    return t == HONE_BOOL ? (double)(k % 2) : hone_dtype_is_float(t) ? (double)k / 8 : (double)k;
}

static unsigned count_lines(const char *text, const char *with)
{
    unsigned n = 0;
    for (const char *at = strstr(text, with); at; at = strstr(at + 1, with))
        n++;
    return n;
}

static void results(void **state)
{
    (void)state;
    for (unsigned k = 0; k < HONE_LEN(graph_kinds); k++) {
        char *text = graph_text(&graph_kinds[k], STEPS);
        check_both(text, &(run_options){.choose = choose, .tolerance = 1e-3});
        free(text);
    }
}

/* In a vectorised loop the arms of a select run under masks. */
static void in_vectors(void **state)
{
    (void)state;
    for (unsigned k = 0; k < HONE_LEN(graph_kinds); k++) {
        char *text = graph_text(&graph_kinds[k], STEPS), *loop = strstr(text, "in 8 {");
        hone_buf out = {0};
        hone_buf_add(&out, text, (size_t)(loop - text));
        hone_buf_printf(&out, "in 8 vectorized %s", loop + 5);
        check_both(out.s, &(run_options){.choose = choose, .tolerance = 1e-3});
        hone_buf_free(&out);
        free(text);
    }
}

/* Each squaring is one product, and one more is for the half. */
static void each_once(void **state)
{
    (void)state;
    char *text = graph_text(&graph_kinds[0], STEPS);
    char *code = emit_text(text, HONE_EMIT_LLVM);
    assert_in_range(count_lines(code, " fmul "), 0, 2 * STEPS);
    free(code);
    free(text);
    text = graph_text(&graph_kinds[4], STEPS); /* branches: sqrt in one arm of each */
    code = emit_text(text, HONE_EMIT_LLVM);
    assert_in_range(count_lines(code, "llvm.sqrt"), STEPS, 2 * STEPS);
    free(code);
    free(text);
}

/* What both arms need, but each only where another condition holds, is computed in all four places;
 * a program that this makes too large is refused. */
static void hidden(void **state)
{
    (void)state;
    char *text = graph_text(&graph_hidden, 4);
    check_both(text, &(run_options){.choose = choose, .tolerance = 1e-3});
    free(text);
    text = graph_text(&graph_hidden, 60);
    hone_error err;
    assert_int_equal(emit_status(text, &err), HONE_REJECT_TOO_BIG);
    assert_non_null(strstr(err.message, "operations"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results),
        cmocka_unit_test(in_vectors),
        cmocka_unit_test(each_once),
        cmocka_unit_test(hidden),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
