/* Taps clipped at the border: a sum whose predicate is the padding's guard. What is computed, and
 * that the code has neither branches nor masks for it. */
#include "tests/codegen/codegen_test.h"

#include "space/prim/prim.h"

/* A row of H pixels of 2 channels, padded by PAD, R taps; tiles of T pixels and 16 output channels
 * in registers. Inlined, decomposed by hand and skipped as the rule for contractions does it. */
static hone_program clipped(int n, int taps, int stride, int dilation, int pad, int tile)
{
    int out = (n + 2 * pad - dilation * (taps - 1) - 1) / stride + 1;
    char text[2048];
    snprintf(text, sizeof text,
             "program row {\n"
             "  buffer X: f32[%d, 2] input\n  buffer W: f32[%d, 2, 16] input\n"
             "  buffer Y: f32[%d, 16] output\n"
             "  for i in %d {\n  for j in 16 {\n  for r in %d {\n  for c in 2 {\n"
             "    block Y(v: %d = i, vj: 16 = j, reduce vr: %d = r, reduce vc: 2 = c) {\n"
             "      init 0.0\n"
             "      Y[v, vj] = Y[v, vj] + select(%d <= v*%d + vr*%d and v*%d + vr*%d < %d, "
             "X[v*%d + vr*%d - %d, vc], 0.0) * W[vr, vc, vj]\n"
             "    }\n  }\n  }\n  }\n  }\n}\n",
             n, taps, out, out, taps, out, taps, pad, stride, dilation, stride, dilation, n + pad,
             stride, dilation, pad);
    hone_program p = parse_text(text);
    hone_error err;
    hone_stmt loops[8], parts[2], copies[2];
    hone_stmt y = hone_block_find(&p, "Y");
    assert_int_equal(hone_loops_of(&p, y, loops, 8), 4);
    assert_int_equal(hone_prim__split(&p, loops[0], (int64_t[]){0, tile}, 2, parts, &err), HONE_OK);
    hone_stmt order[] = {parts[0], loops[2], loops[3], parts[1], loops[1]};
    assert_int_equal(hone_prim__reorder(&p, order, 5, &err), HONE_OK);
    assert_int_equal(hone_prim__cache_accumulate(&p, y, parts[0], HONE_LOCAL, copies, &err),
                     HONE_OK);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(hone_loops_of(&p, copies[k], loops, 8), 3);
        assert_int_equal(hone_prim__set_loop_kind(&p, loops[1], HONE_UNROLLED, &err), HONE_OK);
        assert_int_equal(hone_prim__set_loop_kind(&p, loops[2], HONE_VECTORIZED, &err), HONE_OK);
    }
    assert_int_equal(hone_prim__set_loop_kind(&p, order[3], HONE_UNROLLED, &err), HONE_OK);
    assert_int_equal(hone_prim__set_loop_kind(&p, order[4], HONE_VECTORIZED, &err), HONE_OK);
    if (hone_prim__skip_zeros(&p, y, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return p;
}

static void clipped_taps(void **state)
{
    (void)state;
    static const int cases[][6] = {
        /* n, taps, stride, dilation, padding, tile */
        {9, 3, 1, 1, 1, 9},  {9, 3, 1, 1, 1, 3},  {17, 3, 1, 1, 1, 4}, {13, 5, 1, 1, 2, 4},
        {13, 7, 2, 1, 3, 4}, {15, 3, 2, 1, 1, 4}, {19, 3, 1, 2, 2, 5}, {11, 3, 1, 4, 4, 3},
        {4, 7, 1, 1, 3, 2},  {8, 2, 1, 1, 1, 3},  {23, 3, 3, 2, 2, 4}, {6, 3, 1, 1, 2, 8},
    };
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        const int *c = cases[k];
        hone_program p = clipped(c[0], c[1], c[2], c[3], c[4], c[5]);
        check_program(&p, &(run_options){0});
        hone_program_fini(&p);
    }
}

static unsigned count(const char *text, const char *word)
{
    unsigned n = 0;
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        n++;
    return n;
}

/* How many multiply-adds of vectors the kernel has. */
static unsigned products(int n, int tile)
{
    hone_program p = clipped(n, 3, 1, 1, 1, tile);
    hone_codegen_options o = {.emit = HONE_EMIT_LLVM};
    hone_code code;
    hone_error err;
    if (hone_codegen_emit(test_codegen, &p, &o, &code, &err) != HONE_OK)
        fail_msg("%s", err.message);
    const char *text = (const char *)code.bytes;
    assert_int_equal(count(text, "llvm.masked."), 0);
    unsigned found = count(text, "call <16 x float> @llvm.fma.v16f32(");
    hone_code_free(&code);
    hone_program_fini(&p);
    return found;
}

/* The first and the last tap leave out one row each. */
static void one_tile(void **state)
{
    (void)state;
    assert_int_equal(products(8, 8), 7 + 8 + 7);
}

/* Tiles in between have one body for all taps; the first and the last tile have two. */
static void many_tiles(void **state)
{
    (void)state;
    assert_int_equal(products(32, 8), (7 + 8) + 8 + (8 + 7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clipped_taps),
        cmocka_unit_test(one_tile),
        cmocka_unit_test(many_tiles),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
