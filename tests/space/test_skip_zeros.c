#include "tests/space/trace_test.h"

/* One convolution along a row, 3 taps with a zero at either end; its input already inlined. */
#define PADDED(READ)                                                    \
    "program padded {\n"                                                \
    "  buffer X: f32[7, 2] input\n"                                     \
    "  buffer W: f32[3, 2] input\n"                                     \
    "  buffer M: f32[7] input\n"                                        \
    "  buffer Y: f32[7] output\n"                                       \
    "  for i in 7 {\n    for r in 3 {\n      for c in 2 {\n"            \
    "        block Y(v: 7 = i, reduce vr: 3 = r, reduce vc: 2 = c) {\n" \
    "          init 0.0\n"                                              \
    "          Y[v] = Y[v] + " READ "\n"                                \
    "        }\n      }\n    }\n  }\n}\n"
#define INSIDE "select(0 < v + vr and v + vr < 8, X[v + vr - 1, vc], 0.0)"

static hone_program decomposed(const char *text, hone_program *ret_before)
{
    hone_program p = load_program(text);
    hone_stmt init;
    *ret_before = copy_program(&p);
    APPLY(hone_prim__decompose_reduction(&p, block_of(&p, "Y"), loop_of(&p, "Y", 1), &init, err));
    return p;
}

static void skip_effect(void **state)
{
    (void)state;
    hone_program before, p = decomposed(PADDED(INSIDE " * W[vr, vc]"), &before);
    APPLY(hone_prim__skip_zeros(&p, block_of(&p, "Y"), err));
    check_text(&p, "program padded {\n"
                   "  buffer X: f32[7, 2] input\n"
                   "  buffer W: f32[3, 2] input\n"
                   "  buffer M: f32[7] input\n"
                   "  buffer Y: f32[7] output\n"
                   "  for i in 7 {\n"
                   "    block Y_init(v0: 7 = i) {\n"
                   "      Y[v0] = 0.0\n"
                   "    }\n"
                   "    for r in 3 {\n"
                   "      for c in 2 {\n"
                   "        block Y(v: 7 = i, reduce vr: 3 = r, reduce vc: 2 = c) where "
                   "0 < i + r and i + r < 8 {\n"
                   "          Y[v] = Y[v] + X[v + vr - 1, vc] * W[vr, vc]\n"
                   "        }\n"
                   "      }\n"
                   "    }\n"
                   "  }\n"
                   "}\n");
    end_same(&before, &p);
}

/* Under a cast, on either side, the wrong way round, one in the other, both factors. */
static void skip_forms(void **state)
{
    (void)state;
    static const char *const texts[] = {
        PADDED("W[vr, vc] * f32(f64(" INSIDE "))"),
        PADDED("select(8 <= v + vr or v + vr < 1, 0.0, X[v + vr - 1, vc]) * W[vr, vc]"),
        PADDED("select(0 < v + vr, select(v + vr < 8, X[v + vr - 1, vc], 0.0), 0.0)"),
        PADDED(INSIDE " * select(vr < 2, W[vr + 1, vc], 0.0)"),
    };
    for (unsigned k = 0; k < HONE_LEN(texts); k++) {
        hone_program before, p = decomposed(texts[k], &before);
        APPLY(hone_prim__skip_zeros(&p, block_of(&p, "Y"), err));
        assert_true(hone_stmt_at(&p, block_of(&p, "Y"))->where.i != 0);
        char *text = program_text(&p);
        assert_null(strstr(text, "select"));
        free(text);
        check_same(&before, &p);
        hone_program_fini(&p);
        hone_program_fini(&before);
    }
}

static void skip_after_accumulate(void **state)
{
    (void)state;
    hone_program p = load_program(PADDED(INSIDE " * W[vr, vc]")), before = copy_program(&p);
    hone_stmt tile[2];
    split_loop(&p, "Y", 0, 0, 3);
    REORDER(&p, "Y", 0, 3, 2, 1); /* i0 c r i1: the sum over c stays outside the tile */
    CHECK_REJECTED(&p, HONE_REJECT_REDUCE, hone_prim__skip_zeros(&p, block_of(&p, "Y"), err));
    APPLY(hone_prim__cache_accumulate(&p, block_of(&p, "Y"), loop_of(&p, "Y", 1), HONE_LOCAL, tile,
                                      err));
    APPLY(hone_prim__skip_zeros(&p, block_of(&p, "Y"), err));
    end_same(&before, &p);
}

static void skip_rejected(void **state)
{
    (void)state;
    static const char *const texts[] = {
        PADDED("X[v, vc] * W[vr, vc]"),                                      /* no zero */
        PADDED("select(0 < v + vr and v + vr < 8, X[v + vr - 1, vc], 1.0)"), /* no zero */
        PADDED("(" INSIDE " + W[vr, vc])"),                                  /* no product */
        PADDED("select(0.0 < M[v], X[v, vc], 0.0) * W[vr, vc]"),             /* by data */
    };
    for (unsigned k = 0; k < HONE_LEN(texts); k++) {
        hone_program before, p = decomposed(texts[k], &before);
        CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__skip_zeros(&p, block_of(&p, "Y"), err));
        CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__skip_zeros(&p, block_of(&p, "Y_init"), err));
        hone_program_fini(&p);
        hone_program_fini(&before);
    }
}

static void skip_in_a_trace(void **state)
{
    (void)state;
    hone_program base = load_program(PADDED(INSIDE " * W[vr, vc]"));
    hone_sched s = {0};
    hone_rv block, loops[4], init;
    unsigned n;
    hone_sched_start(&s, &base, NULL);
    APPLY(hone_get_block(&s, "Y", &block, err));
    APPLY(hone_get_loops(&s, block, loops, 4, &n, err));
    APPLY(hone_decompose_reduction(&s, block, loops[1], &init, err));
    APPLY(hone_skip_zeros(&s, block, err));
    char *text = hone_trace_text(&s.trace);
    assert_non_null(strstr(text, "[\"SkipZeros\",[\"b0\"],[],[]]"));
    free(text);
    check_round_trip(&s, &base);
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(skip_effect),           cmocka_unit_test(skip_forms),
        cmocka_unit_test(skip_after_accumulate), cmocka_unit_test(skip_rejected),
        cmocka_unit_test(skip_in_a_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
