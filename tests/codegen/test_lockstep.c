/* Unrolled vectors of an elementary function as one long vector: where that is done, and that
 * results are the same. */
#include "codegen_test.h"

/* N elements in turns of four vectors. */
#define APPLY(N, TURNS, VALUE)                                                \
    "program apply {\n"                                                       \
    "  buffer X: f32[" N "] input\n  buffer Y: f32[" N "] output\n"           \
    "  for i in " TURNS " { for u in 4 unrolled { for v in 16 vectorized {\n" \
    "    block Y(vi: " N " = i*64 + u*16 + v) where i*64 + u*16 + v < " N     \
    " {\n      Y[vi] = " VALUE " } } } }\n}\n"
/* The same with whole vectors only: which of them there are does not depend on lanes. */
#define VECTORS(N, TURNS, LEFT, VALUE)                                                          \
    "program apply {\n"                                                                         \
    "  buffer X: f32[" N "] input\n  buffer Y: f32[" N "] output\n"                             \
    "  for i in " TURNS " { for u in 4 unrolled { for v in 16 vectorized {\n"                   \
    "    block Y(vi: " N " = i*64 + u*16 + v) where i*4 + u < " LEFT " {\n      Y[vi] = " VALUE \
    " } } } }\n}\n"
/* Vectors that lie apart, in rows of 32. */
#define APART                                                         \
    "program apart {\n"                                               \
    "  buffer X: f32[4, 32] input\n  buffer Y: f32[4, 32] output\n"   \
    "  for i in 2 { for u in 4 unrolled { for v in 16 vectorized {\n" \
    "    block Y(vu: 4 = u, vi: 32 = i*16 + v) { Y[vu, vi] = exp(X[vu, vi]) } } } }\n}\n"

/* Eight vectors of LANES. */
#define EIGHT(N, LANES)                                             \
    "program eight {\n"                                             \
    "  buffer X: f32[" N "] input\n  buffer Y: f32[" N "] output\n" \
    "  for u in 8 unrolled { for v in " LANES " vectorized {\n"     \
    "    block Y(vi: " N " = u*" LANES " + v) { Y[vi] = exp(X[vi]) } } }\n}\n"

/* Is there a value of this type in the code for the processor? */
static bool has(const char *cpu, const char *text, const char *type)
{
    hone_target t;
    hone_codegen *g;
    hone_error err;
    hone_code code;
    assert_int_equal(hone_target_named(cpu, &t, &err), HONE_OK);
    if (hone_codegen_new(&t, &g, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_program p = parse_text(text);
    hone_codegen_options o = {.emit = HONE_EMIT_LLVM};
    assert_int_equal(hone_codegen_emit(g, &p, &o, &code, &err), HONE_OK);
    bool ret = strstr((char *)code.bytes, type);
    hone_code_free(&code);
    hone_program_fini(&p);
    hone_codegen_free(g);
    return ret;
}

static void where_it_is(void **state)
{
    (void)state;
    assert_true(has("znver4", APPLY("128", "2", "exp(X[vi])"), "<64 x float>"));
    assert_true(
        has("znver4", APPLY("100", "2", "tanh(X[vi])"), "<64 x float>")); /* the first turn */
    assert_false(
        has("znver4", APPLY("60", "1", "tanh(X[vi])"), "<64 x float>")); /* none is whole */
    assert_false(has("znver4", APPLY("128", "2", "X[vi] * X[vi]"), "<64 x float>"));
    assert_false(has("znver4", APART, "<64 x float>"));
    assert_true(has("znver4", VECTORS("80", "2", "5", "exp(X[vi])"), "<64 x float>"));
    assert_false(has("znver4", VECTORS("48", "1", "3", "exp(X[vi])"), "<64 x float>"));
}

/* As many as registers hold, and no more than four. */
static void how_many(void **state)
{
    (void)state;
    assert_true(has("znver4", EIGHT("128", "16"), "<64 x float>"));
    assert_false(has("znver4", EIGHT("128", "16"), "<128 x float>"));
    assert_true(has("haswell", EIGHT("64", "8"), "<32 x float>"));
    assert_false(has("haswell", EIGHT("64", "8"), "<64 x float>"));
    assert_true(has("x86-64-v2", EIGHT("32", "4"), "<8 x float>")); /* no fused multiply-adds */
    assert_false(has("x86-64-v2", EIGHT("32", "4"), "<16 x float>"));
}

static void same_results(void **state)
{
    (void)state;
    static const char *const texts[] = {
        APPLY("128", "2", "exp(X[vi])"),        APPLY("100", "2", "tanh(X[vi]) + X[vi]"),
        APPLY("100", "2", "X[0] * sin(X[vi])"), APART,
        VECTORS("80", "2", "5", "exp(X[vi])"),  EIGHT("64", "8"),
    };
    for (size_t k = 0; k < HONE_LEN(texts); k++) {
        hone_program p = parse_text(texts[k]);
        check_program(&p, &(run_options){0});
        hone_program_fini(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_it_is),
        cmocka_unit_test(how_many),
        cmocka_unit_test(same_results),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
