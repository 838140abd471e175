/* Stores that pass by the caches: where they are emitted, and that results are the same, for arrays
 * that begin at a multiple of a vector and for others. */
#include "codegen_test.h"

/* Rows of N elements, of which block Y doubles each. */
#define ROWS(N, VECTORS, WHERE, ANN)                                           \
    "program rows {\n"                                                         \
    "  buffer X: f32[6, " N "] input\n  buffer Y: f32[6, " N "] output\n"      \
    "  for i in 6 parallel { for j in " VECTORS " { for v in 4 vectorized {\n" \
    "    block Y(vi: 6 = i, vj: " N " = j*4 + v) " WHERE " " ANN " {\n"        \
    "      Y[vi, vj] = X[vi, vj] + X[vi, vj] } } } }\n}\n"
#define STREAM "@hone.stream=1"

static const char whole[] = ROWS("32", "8", "", STREAM);
/* The last vector of a row is masked, as are all where rows begin at any element. */
static const char odd[] = ROWS("30", "8", "where j*4 + v < 30", STREAM);

static unsigned count(const char *text, const char *word)
{
    unsigned n = 0;
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        n++;
    return n;
}

static unsigned streams(const char *text)
{
    char *ll = emit_text(text, HONE_EMIT_LLVM);
    unsigned n = count(ll, "!nontemporal");
    /* one fence in the function that stores, and its declaration */
    assert_int_equal(count(ll, "@llvm.x86.sse.sfence()"), n && strstr(ll, "x86_64") ? 2 : 0);
    free(ll);
    return n;
}

static void where_they_are(void **state)
{
    (void)state;
    assert_int_equal(streams(whole), 1);
    assert_int_equal(streams(ROWS("32", "8", "", "@hone.stream=0")), 0);
    assert_int_equal(streams(ROWS("32", "8", "", "")), 0);
    assert_int_equal(streams(odd), 0);
}

/* Of temporaries nothing passes by: they are read again. */
static void temporaries_stay(void **state)
{
    (void)state;
    assert_int_equal(streams("program t {\n"
                             "  buffer X: f32[64] input\n  buffer Y: f32[64] output\n"
                             "  buffer T: f32[64]\n"
                             "  for j in 16 { for v in 4 vectorized {\n"
                             "    block T(vj: 64 = j*4 + v) " STREAM " { T[vj] = X[vj] } } }\n"
                             "  for j in 64 { block Y(vj: 64 = j) { Y[vj] = T[63 - vj] } }\n}\n"),
                     0);
}

static void same_results(void **state)
{
    (void)state;
    check_same(whole);
    check_same(odd);
}

/* Arrays that begin at any element. */
static void any_address(void **state)
{
    (void)state;
    hone_program p = parse_text(whole);
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT};
    hone_code code;
    hone_error err;
    if (hone_codegen_emit(test_codegen, &p, &o, &code, &err) != HONE_OK)
        fail_msg("%s", err.message);
    loaded l = load_code(&code);
    static _Alignas(64) float x[6 * 32 + 16], y[6 * 32 + 18];
    for (int at = 0; at < 16; at++) {
        for (int k = 0; k < 6 * 32 + 16; k++)
            x[k] = (float)k;
        for (int k = 0; k < 6 * 32 + 18; k++)
            y[k] = -1;
        void *args[] = {x, y + 1 + at};
        assert_int_equal(l.kernel(args, hone_rt_pool_api(test_pool)), 0);
        assert_true(y[at] == -1 && y[1 + at + 6 * 32] == -1);
        for (int k = 0; k < 6 * 32; k++)
            assert_true(y[1 + at + k] == 2 * (float)k);
    }
    dlclose(l.handle);
    hone_code_free(&code);
    hone_program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_they_are),
        cmocka_unit_test(temporaries_stay),
        cmocka_unit_test(same_results),
        cmocka_unit_test(any_address),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
