/* Reading intrinsics, and Tensorize: what matches, what does not, that the meaning stays. */
#include "tests/space/prim_test.h"

#include "space/space.h"

/* ---- reading ----------------------------------------------------------------------------------
 */

#define DESC                                                                 \
    "  desc { program dot {\n"                                               \
    "    buffer A: f32[1] input\n    buffer B: f32[4] input\n"               \
    "    buffer C: f32[4] output\n"                                          \
    "    for j in 4 { block C(vj: 4 = j) { C[vj] = C[vj] + A[0] * B[vj] } }" \
    "  } }\n"
#define IMPL "  impl { define void @f(ptr %A, ptr %B, ptr %C) { ret void } }\n"

static hone_status add(hone_intrin_set *s, const char *text, hone_error *err)
{
    return hone_intrin_set_add(s, "my.intrin", text, strlen(text), err);
}

static void shipped(void **state)
{
    (void)state;
    static const char *const names[] = {
        "x86.avx512.vnni.u8i8i32_16x4",   "x86.avx512vl.vnni.u8i8i32_8x4",
        "x86.avx2.u8i8i32_8x2",           "x86.avx512.bf16.dot_16x2",
        "x86.avx512bw.i16i16i32_16x2",    "x86.avx2.i16i16i32_8x2",
        "x86.avx512.popcnt.b1_16x1",      "x86.avx2.popcnt.b1_8x1",
        "arm.neon.smmla.i8i8i32_2x2x8",   "arm.neon.ummla.u8u8i32_2x2x8",
        "arm.neon.usmmla.u8i8i32_2x2x8",  "arm.neon.bfmmla.bf16bf16f32_2x2x4",
        "arm.neon.sdot.i8i8i32_4x4",      "arm.neon.udot.u8u8i32_4x4",
        "arm.neon.usdot.u8i8i32_4x4",     "arm.neon.usdot.i8u8i32_4x4",
        "arm.neon.bfdot.bf16bf16f32_4x2", "arm.neon.fmla.f32_4x1"};
    const hone_intrin_set *s = hone_intrin_shipped();
    assert_int_equal(hone_intrin_count(s), HONE_LEN(names));
    for (unsigned k = 0; k < HONE_LEN(names); k++)
        assert_non_null(hone_intrin_find(s, names[k]));
    assert_null(hone_intrin_find(s, "x86.avx512"));
    const hone_intrin *in = hone_intrin_find(s, names[0]);
    assert_string_equal(in->features, "+avx512vnni");
    assert_int_equal(in->n_args, 3);
    assert_int_equal(in->n_loops, 2);
    assert_int_equal(in->extent[0], 16);
    assert_int_equal(in->extent[1], 4);
    const unsigned access[] = {1, 2, 0};
    const int64_t stride[][2] = {{0, 1}, {4, 1}, {1, 0}};
    for (unsigned a = 0; a < 3; a++) {
        assert_int_equal(in->access[a], access[a]);
        assert_int_equal(in->stride[a][0], stride[a][0]);
        assert_int_equal(in->stride[a][1], stride[a][1]);
    }
}

static void sets(void **state)
{
    (void)state;
    hone_error err;
    hone_intrin_set *s = hone_intrin_set_new();
    unsigned n = hone_intrin_count(s);
    assert_string_equal(hone_intrin_set_text(s), "");
    const char *one = "# mine\nintrin my.one {\n" DESC IMPL "}";
    const char *two = "intrin my.two {\n  requires \"+a, +b-c\"\n" DESC IMPL "}\n";
    assert_int_equal(add(s, one, &err), HONE_OK);
    assert_int_equal(add(s, two, &err), HONE_OK);
    assert_int_equal(hone_intrin_count(s), n + 2);
    assert_string_equal(hone_intrin_find(s, "my.two")->features, "+a,+b-c");
    assert_string_equal(hone_intrin_find(s, "my.one")->features, "");
    assert_string_equal(hone_intrin_at(s, 0)->name, "my.one");
    /* what is added twice, or is called like one of hone's, adds nothing */
    assert_int_equal(add(s, two, &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "there is an intrinsic 'my.two' already"));
    assert_int_equal(
        add(s, "intrin a {" DESC IMPL "} intrin x86.avx2.u8i8i32_8x2 {" DESC IMPL "}", &err),
        HONE_E_INPUT);
    assert_int_equal(hone_intrin_count(s), n + 2);
    assert_null(hone_intrin_find(s, "a"));
    /* the text makes the same set elsewhere */
    hone_intrin_set *again = hone_intrin_set_new();
    assert_int_equal(add(again, hone_intrin_set_text(s), &err), HONE_OK);
    assert_int_equal(hone_intrin_count(again), n + 2);
    assert_string_equal(hone_intrin_set_text(again), hone_intrin_set_text(s));
    hone_intrin_set_free(s);
    hone_intrin_set_free(again);
}

static void errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
        int line, column;
    } cases[] = {
        {"extrin x {", "expected 'intrin'", 1, 1},
        {"intrin {", "expected the intrinsic's name", 1, 8},
        {"intrin x\n  y", "expected '{'", 2, 3},
        {"intrin x { impl", "expected 'desc'", 1, 12},
        {"intrin x { requires 3", "expected '\"'", 1, 21},
        {"intrin x { requires \"avx\"", "features are written like", 1, 21},
        {"intrin x { requires \"+avx,\"", "features are written like", 1, 21},
        {"intrin x { desc {\n program", "the closing brace", 1, 17},
        {"intrin x {\n  desc {\n program a { buffer A: f33[4] input } } }",
         "expected a dtype such as f32, found 'f33'", 3, 24},
        {"intrin x { desc { program a { } } }", "one nest of plain loops", 1, 17},
        {"intrin x { desc { program a { buffer C: f32[4] output\n for j in 4 vectorized {"
         " block C(v: 4 = j) { C[v] = 1.0 } } } } }",
         "one nest of plain loops", 1, 17},
        {"intrin x { desc { program a { buffer C: f32[4] output\n for j in 4 {"
         " block C(v: 4 = j) where j < 3 { C[v] = 1.0 } } } } }",
         "no 'where' and no 'init'", 1, 17},
        {"intrin x { desc { program a { buffer C: f32[3] output\n for j in 4 {"
         " block C(v: 4 = j) { C[v] = 1.0 } } } } }",
         "", 1, 17},
        {"intrin x { desc { program a { buffer A: f32[4] input\n buffer C: f32[4] output\n"
         " for j in 4 { block C(v: 4 = j) { C[v] = 1.0 } } } } }",
         "is stored to or read, at one place", 1, 17},
        {"intrin x { desc { program a { buffer A: f32[5] input\n buffer C: f32[4] output\n"
         " for j in 4 { block C(v: 4 = j) { C[v] = A[v + 1] } } } } }",
         "are no sums of loops", 1, 17},
        {"intrin x {" DESC "}", "expected 'impl'", 6, 1},
        {"intrin x {" DESC "  impl { ret void } }", "defines no function", 6, 8},
        {"intrin x {" DESC "  impl { ; }\n define void @f() { ret void } ", "closing brace", 6, 8},
        {"intrin x {" DESC IMPL "  more", "expected '}'", 7, 3},
        {"intrin x {" DESC IMPL, "found the end of the text", 7, 1},
    };
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        hone_error err;
        hone_intrin_set *s = hone_intrin_set_new();
        unsigned n = hone_intrin_count(s);
        hone_status st = add(s, cases[k].text, &err);
        if (st != HONE_E_INPUT || !strstr(err.message, cases[k].message) ||
            err.line != cases[k].line || err.column != cases[k].column)
            fail_msg("case %u: %s", k, st == HONE_OK ? "accepted" : err.message);
        char place[40];
        snprintf(place, sizeof place, "my.intrin:%d:%d: error: ", err.line, err.column);
        assert_ptr_equal(strstr(err.message, place), err.message);
        assert_true(err.message[strlen(err.message) - 1] == '^');
        assert_int_equal(hone_intrin_count(s), n);
        assert_int_equal(add(s, cases[k].text, NULL), HONE_E_INPUT);
        hone_intrin_set_free(s);
    }
}

/* ---- matching ---------------------------------------------------------------------------------
 */

/* C += A B with B in blocks of 16 columns and 4 steps, its sums not started here. */
#define UPDATE(VALUE, WHERE)                                                                       \
    "program update {\n"                                                                           \
    "  buffer A: u8[6, 8] input\n  buffer B: i8[2, 2, 16, 4] input\n"                              \
    "  buffer C: i32[6, 32] output\n"                                                              \
    "  for i in 6 { for j in 32 { block start(vi: 6 = i, vj: 32 = j) { C[vi, vj] = i32(7) } } }\n" \
    "  for i_1 in 6 { for j0 in 2 { for k0 in 2 { for j1 in 16 { for k1 in 4 {\n"                  \
    "    block C(vi: 6 = i_1, vj: 32 = j0*16 + j1, reduce vk: 8 = k0*4 + k1) " WHERE "{\n"         \
    "      C[vi, vj] = " VALUE " } } } } } }\n}\n"
#define PRODUCT "C[vi, vj] + i32(A[vi, vk]) * i32(B[vj // 16, vk // 4, vj % 16, vk % 4])"

static const hone_intrin *vnni(void)
{
    return hone_intrin_find(hone_intrin_shipped(), "x86.avx512.vnni.u8i8i32_16x4");
}

static void tensorize_effect(void **state)
{
    (void)state;
    hone_program p = load_program(UPDATE(PRODUCT, "")), before = copy_program(&p);
    hone_stmt outer;
    APPLY(hone_prim__tensorize(&p, loop_of(&p, "C", 3), vnni(), true, &outer, err));
    char *text = program_text(&p);
    assert_non_null(strstr(
        text, "      for k0 in 2 {\n"
              "        block C_o(vi_o: 6 = i_1, vj_o: 2 = j0, reduce vk_o: 2 = k0) "
              "@hone.intrin=\"x86.avx512.vnni.u8i8i32_16x4\" {\n"
              "          for j1 in 16 {\n"
              "            for k1 in 4 {\n"
              "              block C(vi: 6 = vi_o, vj: 32 = j1 + vj_o*16, reduce vk: 8 = k1 + "
              "vk_o*4) {\n"));
    free(text);
    check_same(&before, &p);
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__tensorize(&p, outer, vnni(), true, &outer, err));
    hone_program_fini(&p);
    hone_program_fini(&before);
}

/* The block that blockize made; operands in another order; unit loops; a predicate outside. */
static void tensorize_variants(void **state)
{
    (void)state;
    static const char *const texts[] = {
        UPDATE(PRODUCT, ""),
        UPDATE("i32(A[vi, vk]) * i32(B[vj // 16, vk // 4, vj % 16, vk % 4]) + C[vi, vj]", ""),
        UPDATE("C[vi, vj] + i32(B[vj // 16, vk // 4, vj % 16, vk % 4]) * i32(A[vi, vk])", ""),
        UPDATE(PRODUCT, "where i_1 + j0 < 5 "),
    };
    for (unsigned k = 0; k < HONE_LEN(texts); k++)
        for (int blockized = 0; blockized < 2; blockized++) {
            hone_program p = load_program(texts[k]), before = copy_program(&p);
            hone_stmt at = loop_of(&p, "C", 3), outer;
            APPLY(hone_prim__add_unit_loop(&p, loop_of(&p, "C", 4), &outer, err));
            if (blockized)
                APPLY(hone_prim__blockize(&p, at, true, &at, err));
            APPLY(hone_prim__tensorize(&p, at, vnni(), true, &outer, err));
            assert_non_null(hone_ann_get(&p, outer, "hone.intrin"));
            assert_int_equal(outer.i, block_of(&p, "C_o").i);
            /* the value as described: A first */
            char *text = program_text(&p);
            assert_non_null(strstr(text, "= C[vi, vj] + i32(A[vi, vk]) * i32(B["));
            free(text);
            check_same(&before, &p);
            hone_program_fini(&p);
            hone_program_fini(&before);
        }
}

static void tensorize_rejected(void **state)
{
    (void)state;
    static const char *const texts[] = {
        /* a predicate through the tile */
        UPDATE(PRODUCT, "where j0*16 + j1 < 30 "),
        /* not a sum; signed A; B by columns; another element of C; a constant too many */
        UPDATE("i32(A[vi, vk]) * i32(B[vj // 16, vk // 4, vj % 16, vk % 4])", ""),
        UPDATE("C[vi, vj] - i32(A[vi, vk]) * i32(B[vj // 16, vk // 4, vj % 16, vk % 4])", ""),
        UPDATE("C[vi, vj] + i32(i8(A[vi, vk])) * i32(B[vj // 16, vk // 4, vj % 16, vk % 4])", ""),
        UPDATE("C[vi, vj] + i32(A[vi, vk]) * i32(B[vj // 16, vk // 4, vk % 4, vj % 16 // 4])", ""),
        UPDATE("C[vi, vj] + i32(A[vk // 2, vi]) * i32(B[vj // 16, vk // 4, vj % 16, vk % 4])", ""),
        UPDATE("C[(vi + 1) % 6, vj] + i32(A[vi, vk]) * i32(B[vj // 16, vk // 4, vj % 16, vk % 4])",
               ""),
        UPDATE("C[vi, vj] + i32(A[vi, vk]) * i32(B[vj // 16, vk // 4, vj % 16, vk % 4]) + i32(1)",
               ""),
    };
    hone_stmt ret;
    for (unsigned k = 0; k < HONE_LEN(texts); k++) {
        hone_program p;
        hone_error e;
        if (hone_program_parse(texts[k], strlen(texts[k]), &p, &e) != HONE_OK)
            fail_msg("%u: %s", k, e.message);
        CHECK_REJECTED(&p, HONE_REJECT_TENSORIZE,
                       hone_prim__tensorize(&p, loop_of(&p, "C", 3), vnni(), true, &ret, err));
        hone_program_fini(&p);
    }
    /* other loops, other extents, a block that is none of loops */
    hone_program p = load_program(UPDATE(PRODUCT, ""));
    CHECK_REJECTED(&p, HONE_REJECT_TENSORIZE,
                   hone_prim__tensorize(&p, loop_of(&p, "C", 2), vnni(), true, &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_TENSORIZE,
                   hone_prim__tensorize(&p, loop_of(&p, "C", 4), vnni(), true, &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__tensorize(&p, block_of(&p, "C"), vnni(), true, &ret, err));
    const hone_intrin *narrow =
        hone_intrin_find(hone_intrin_shipped(), "x86.avx512vl.vnni.u8i8i32_8x4");
    CHECK_REJECTED(&p, HONE_REJECT_TENSORIZE,
                   hone_prim__tensorize(&p, loop_of(&p, "C", 3), narrow, true, &ret, err));
    hone_program_fini(&p);
    /* sums that still start in the block */
    p = load_program(MATMUL(6, 4, 5));
    const hone_intrin *fma = hone_intrin_find(hone_intrin_shipped(), "arm.neon.fmla.f32_4x1");
    REORDER(&p, "C", 0, 2, 1);
    CHECK_REJECTED(&p, HONE_REJECT_TENSORIZE,
                   hone_prim__tensorize(&p, loop_of(&p, "C", 2), fma, true, &ret, err));
    APPLY(hone_prim__decompose_reduction(&p, block_of(&p, "C"), loop_of(&p, "C", 1), &ret, err));
    hone_program before = copy_program(&p);
    APPLY(hone_prim__tensorize(&p, loop_of(&p, "C", 2), fma, true, &ret, err));
    end_same(&before, &p);
}

/* ---- in traces --------------------------------------------------------------------------------
 */

static void tensorize_round_trip(void **state)
{
    (void)state;
    hone_program base = load_program(UPDATE(PRODUCT, ""));
    hone_sched s = {0}, again = {0};
    hone_rv b, l[8];
    unsigned n;
    hone_target t = {.features = "+avx512f,+avx512vnni"};
    hone_sched_start(&s, &base, NULL);
    s.target = &t;
    APPLY(hone_get_block(&s, "C", &b, err));
    APPLY(hone_get_loops(&s, b, l, 8, &n, err));
    APPLY(hone_tensorize(&s, l[3], vnni()->name, err));
    char *text = hone_trace_text(&s.trace);
    assert_non_null(
        strstr(text, "[\"Tensorize\",[\"l4\"],[\"x86.avx512.vnni.u8i8i32_16x4\",1],[]]"));
    hone_trace tr = {0};
    hone_error e;
    if (hone_trace_parse(text, strlen(text), &tr, &e) != HONE_OK)
        fail_msg("%s", e.message);
    APPLY(hone_trace_replay(&tr, &base, &again, NULL, false, err));
    assert_true(hone_program_hash(&again.prog) == hone_program_hash(&s.prog));
    char *same = hone_trace_text(&again.trace);
    assert_string_equal(text, same);
    /* a target that cannot */
    hone_target old = {.features = "+avx2,+avx512vnni,-avx512vnni"};
    again.target = &old;
    assert_int_equal(hone_trace_replay(&tr, &base, &again, NULL, false, &e), HONE_REJECT_TENSORIZE);
    assert_non_null(strstr(e.message, "does not have the features '+avx512vnni'"));
    free(text);
    free(same);
    hone_trace_free(&tr);
    hone_sched_fini(&s);
    hone_sched_fini(&again);
    hone_program_fini(&base);
}

/* One of a user's own, which others do not know. */
static void tensorize_own(void **state)
{
    (void)state;
    hone_error e;
    hone_intrin_set *set = hone_intrin_set_new();
    assert_int_equal(add(set, "intrin my.fma {" DESC IMPL "}", &e), HONE_OK);
    hone_program base = load_program(MATMUL(6, 4, 5));
    hone_sched s = {0};
    hone_rv b, l[4], init;
    unsigned n;
    hone_sched_start(&s, &base, NULL);
    APPLY(hone_get_block(&s, "C", &b, err));
    APPLY(hone_get_loops(&s, b, l, 4, &n, err));
    APPLY(hone_reorder(&s, (hone_rv[]){l[2], l[1]}, 2, err));
    assert_int_equal(hone_tensorize(&s, l[1], "my.fma", &e), HONE_REJECT_TENSORIZE);
    assert_non_null(strstr(e.message, "there is no intrinsic 'my.fma' here"));
    s.intrins = set;
    APPLY(hone_decompose_reduction(&s, b, l[2], &init, err));
    APPLY(hone_tensorize(&s, l[1], "my.fma", err));
    check_same(&base, &s.prog);
    hone_sched_fini(&s);
    hone_program_fini(&base);
    hone_intrin_set_free(set);
}

/* What an intrinsic reads must stay where it was: a stage that is inlined afterwards, as padding
 * is, leaves an expression in its place, of which the implementation knows nothing. */
static void tensorize_then_inline(void **state)
{
    (void)state;
    hone_error e;
    hone_intrin_set *set = hone_intrin_set_new();
    assert_int_equal(add(set, "intrin my.fma {" DESC IMPL "}", &e), HONE_OK);
    hone_program base = load_program(
        "program padded {\n"
        "  buffer X: f32[4, 5] input\n  buffer B: f32[5, 4] input\n  buffer C: f32[6, 4] output\n"
        "  buffer P: f32[6, 5]\n"
        "  for i in 6 { for k in 5 { block P(vi: 6 = i, vk: 5 = k) {\n"
        "    P[vi, vk] = select(1 <= vi and vi < 5, X[vi - 1, vk], 0.0) } } }\n"
        "  for i in 6 { for j in 4 { for k in 5 {\n"
        "    block C(vi: 6 = i, vj: 4 = j, reduce vk: 5 = k) {\n"
        "      init 0.0 C[vi, vj] = C[vi, vj] + P[vi, vk] * B[vk, vj] } } } }\n}\n");
    hone_sched s = {.intrins = set}, again = {.intrins = set};
    hone_rv b, pad, l[4], init;
    unsigned n;
    hone_sched_start(&s, &base, NULL);
    APPLY(hone_get_block(&s, "C", &b, err));
    APPLY(hone_get_block(&s, "P", &pad, err));
    APPLY(hone_get_loops(&s, b, l, 4, &n, err));
    APPLY(hone_reorder(&s, (hone_rv[]){l[2], l[1]}, 2, err));
    APPLY(hone_decompose_reduction(&s, b, l[2], &init, err));
    APPLY(hone_tensorize(&s, l[1], "my.fma", err));
    APPLY(hone_trace_replay(&s.trace, &base, &again, NULL, false, err));
    APPLY(hone_compute_inline(&s, pad, err));
    assert_int_equal(hone_trace_replay(&s.trace, &base, &again, NULL, false, &e),
                     HONE_REJECT_TENSORIZE);
    assert_non_null(strstr(e.message, "does not compute what 'my.fma' describes"));
    hone_sched_fini(&s);
    hone_sched_fini(&again);
    hone_program_fini(&base);
    hone_intrin_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shipped),
        cmocka_unit_test(sets),
        cmocka_unit_test(errors),
        cmocka_unit_test(tensorize_effect),
        cmocka_unit_test(tensorize_variants),
        cmocka_unit_test(tensorize_rejected),
        cmocka_unit_test(tensorize_round_trip),
        cmocka_unit_test(tensorize_own),
        cmocka_unit_test(tensorize_then_inline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
