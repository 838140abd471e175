/* Rows of inputs and packed constants that are asked for before they are used: where that is
 * emitted, and that results are the same. */
#include "codegen_test.h"

/* A product of 3 rows with a constant that was packed in panels of 16 columns, panel by panel. */
#define PRODUCT(K, PANELS, N, ANN)                                                     \
    "program product {\n"                                                              \
    "  buffer X: f32[3, " K "] input\n  buffer F: f32[" K ", " N "] input const\n"     \
    "  buffer Y: f32[3, " N "] output\n  buffer P: f32[" PANELS ", " K ", 16]\n"       \
    "  for p in " PANELS " { for k in " K " { for v in 16 {\n"                         \
    "    block P(vp: " PANELS " = p, vk: " K " = k, vv: 16 = v) " ANN " {\n"           \
    "      P[vp, vk, vv] = F[vk, vp*16 + vv] } } } }\n"                                \
    "  for p in " PANELS " { for i in 3 { for k in " K " { for v in 16 vectorized {\n" \
    "    block Y(vi: 3 = i, vj: " N " = p*16 + v, reduce vk: " K " = k) {\n"           \
    "      init 0.0\n"                                                                 \
    "      Y[vi, vj] = Y[vi, vj] + X[vi, vk] * P[vj // 16, vk, vj % 16] } } } } }\n}\n"
#define PRE "@hone.prepack=1"

/* How often, in code for a processor whose second cache holds 1 MiB. */
static unsigned asks(const char *text, bool cold)
{
    hone_target t;
    hone_codegen *g;
    hone_error err;
    hone_code code;
    assert_int_equal(hone_target_named("znver4", &t, &err), HONE_OK);
    t.l2_bytes = 1 << 20;
    if (hone_codegen_new(&t, &g, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_program p = parse_text(text);
    hone_codegen_options o = {.emit = HONE_EMIT_LLVM, .cold = cold};
    assert_int_equal(hone_codegen_emit(g, &p, &o, &code, &err), HONE_OK);
    unsigned n = 0;
    for (const char *at = strstr((char *)code.bytes, "call void @llvm.prefetch"); at;
         at = strstr(at + 1, "call void @llvm.prefetch"))
        n++;
    hone_code_free(&code);
    hone_program_fini(&p);
    hone_codegen_free(g);
    return n;
}

static void where_it_is(void **state)
{
    (void)state;
    assert_true(asks(PRODUCT("512", "64", "1024", PRE), false) > 0);    /* 2 MiB */
    assert_int_equal(asks(PRODUCT("512", "16", "256", PRE), false), 0); /* stays in the cache */
    assert_int_equal(asks(PRODUCT("512", "64", "1024", ""), false), 0); /* made in each call */
    assert_int_equal(asks(PRODUCT("8192", "4", "64", PRE), false),
                     0); /* a panel is half the cache */
    assert_int_equal(asks(PRODUCT("32768", "1", "16", PRE), false),
                     0); /* there is no other panel */
}

/* In a network, where other kernels have filled the caches. */
static void in_networks(void **state)
{
    (void)state;
    assert_true(asks(PRODUCT("512", "64", "1024", PRE), true) > 0);
    assert_true(asks(PRODUCT("512", "16", "256", PRE), true) > 0);
    assert_true(asks(PRODUCT("8192", "4", "64", PRE), true) > 0);
    assert_true(asks(PRODUCT("32768", "1", "16", PRE), true) > 0);
    assert_int_equal(asks(PRODUCT("512", "64", "1024", ""), true), 0); /* made in each call */
    assert_int_equal(asks(PRODUCT("32", "4", "64", PRE), true), 0);    /* a few lines */
}

/* Each row of X less its sum, which goes through it first, in the loop over rows or (APART) in
 * another one. */
#define ROWS_OF(M, N, ONCE, APART, ANN)                                               \
    "program rows {\n"                                                                \
    "  buffer X: f32[" M ", " N "] input\n  buffer Y: f32[" M ", " N "] output\n"     \
    "  buffer S: f32[" M "]\n  for i in " M " parallel {\n"                           \
    "    for k in " ONCE " { for v in 16 {\n"                                         \
    "      block S(vi: " M " = i, reduce vk: " N " = k*16 + v) {\n        init 0.0\n" \
    "        S[vi] = S[vi] + X[vi, vk] } } }\n" APART "    for k in " ONCE            \
    " { for v in 16 vectorized {\n"                                                   \
    "      block Y(vi: " M " = i, vk: " N " = k*16 + v) " ANN " {\n"                  \
    "        Y[vi, vk] = X[vi, vk] - S[vi] } } } }\n}\n"
#define APART "  }\n  for i in 512 parallel {\n"

static void rows(void **state)
{
    (void)state;
    assert_true(asks(ROWS_OF("512", "768", "48", "", ""), false) > 0);
    assert_true(asks(ROWS_OF("256", "768", "48", "", ""), false) > 0); /* with what is stored */
    assert_int_equal(asks(ROWS_OF("128", "768", "48", "", ""), false),
                     0); /* the second cache holds all */
    assert_int_equal(asks(ROWS_OF("32", "16384", "1024", "", ""), false),
                     0); /* the first holds no row */
    assert_int_equal(asks(ROWS_OF("512", "768", "48", APART, ""), false),
                     0); /* the row is gone again */
    assert_int_equal(asks(ROWS_OF("512", "768", "48", "", "@hone.ahead=0"), false), 0);
    assert_true(asks(ROWS_OF("128", "768", "48", "", "@hone.ahead=1"), false) > 0);
}

/* A sum of all of X, N of them in a row, in two accumulators of 16. */
#define SUM_OF(M, N, CHUNKS, AGAIN)                                                           \
    "program sum {\n"                                                                         \
    "  buffer X: f32[" M ", " N "] input\n  buffer Y: f32[32] output\n" AGAIN "  for i in " M \
    " { for k in " CHUNKS " { for u in 2 unrolled { for v in 16 vectorized {\n"               \
    "    block Y(vy: 32 = u*16 + v, reduce vi: " M " = i, reduce vk: " CHUNKS " = k) {\n"     \
    "      init 0.0\n"                                                                        \
    "      Y[vy] = Y[vy] + X[vi, vk*32 + vy] } } } } }\n}\n"

static void streams(void **state)
{
    (void)state;
    assert_int_equal(asks(SUM_OF("1024", "512", "16", ""), false), 2); /* 2 MiB, two lines a turn */
    assert_int_equal(asks(SUM_OF("600", "512", "16", ""), false),
                     0); /* the second cache has most */
    assert_int_equal(asks(SUM_OF("1024", "512", "16",
                                 "  buffer Z: f32[1024] output\n"
                                 "  for i in 1024 { block Z(vi: 1024 = i) {\n"
                                 "    Z[vi] = X[vi, 0] } }\n"),
                          false),
                     0); /* who comes second finds it */
}

static void same_results(void **state)
{
    (void)state;
    hone_program p = parse_text(PRODUCT("512", "64", "1024", PRE));
    check_program(&p, &(run_options){.expect_pack = true});
    check_program(&p, &(run_options){.expect_pack = true, .emit = {.cold = true}});
    hone_program_fini(&p);
    p = parse_text(PRODUCT("8192", "4", "64", PRE));
    check_program(&p, &(run_options){.expect_pack = true, .emit = {.cold = true}});
    hone_program_fini(&p);
    p = parse_text(ROWS_OF("512", "768", "48", "", ""));
    check_program(&p, &(run_options){0});
    hone_program_fini(&p);
    p = parse_text(SUM_OF("1024", "512", "16", ""));
    check_program(&p, &(run_options){0});
    hone_program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_it_is), cmocka_unit_test(in_networks),  cmocka_unit_test(rows),
        cmocka_unit_test(streams),     cmocka_unit_test(same_results),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
