/* Loop primitives: effect as text, rejections, and equal results under the interpreter. */
#include "tests/space/prim_test.h"

#define HEAD                         \
    "program matmul {\n"             \
    "  buffer A: f32[12, 8] input\n" \
    "  buffer B: f32[8, 10] input\n" \
    "  buffer C: f32[12, 10] output\n"
#define UPDATE   \
    "init 0.0\n" \
    "C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"

/* Program text without its indentation, which these expectations leave out. */
static void check_lines(const hone_program *p, const char *expected)
{
    hone_buf got = {0}, want = {0};
    char *text = program_text(p);
    const char *from[2] = {text, expected};
    hone_buf *to[2] = {&got, &want};
    for (int k = 0; k < 2; k++)
        for (const char *c = from[k]; *c; c++)
            if (*c != ' ' || (c > from[k] && c[-1] != '\n' && c[-1] != ' '))
                hone_buf_add(to[k], c, 1);
    if (strcmp(got.s, want.s) != 0)
        fail_msg("\n--- got\n%s--- expected\n%s", got.s, want.s);
    hone_buf_free(&got);
    hone_buf_free(&want);
    free(text);
}

static void test_split_perfect(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(12, 10, 8)), p = copy_program(&base);
    hone_stmt ret[3], loop = loop_of(&p, "C", 0);
    APPLY(hone_prim__split(&p, loop, (int64_t[]){2, 0, 3}, 3, ret, err));
    check_lines(&p, HEAD
                "for i_0 in 2 {\nfor i_1 in 2 {\nfor i_2 in 3 {\nfor j in 10 {\n"
                "for k in 8 {\n"
                "block C(vi: 12 = i_0*6 + i_1*3 + i_2, vj: 10 = j, reduce vk: 8 = k) {\n" UPDATE
                "}\n}\n}\n}\n}\n}\n}\n");
    assert_int_equal(hone_loop_extent(&p, ret[1]), 2);
    assert_false(hone_is_loop(&p, loop)); /* its row is gone */
    end_same(&base, &p);
}

static void test_split_imperfect(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(12, 10, 8)), p = copy_program(&base);
    split_loop(&p, "C", 1, 0, 4);
    split_loop(&p, "C", 3, 3, 3);
    check_lines(&p, HEAD "for i in 12 {\nfor j_0 in 3 {\nfor j_1 in 4 {\nfor k_0 in 3 {\n"
                         "for k_1 in 3 {\n"
                         "block C(vi: 12 = i, vj: 10 = j_0*4 + j_1, reduce vk: 8 = k_0*3 + k_1) "
                         "where j_0*4 + j_1 < 10 and k_0*3 + k_1 < 8 {\n" UPDATE
                         "}\n}\n}\n}\n}\n}\n}\n");
    check_same(&base, &p);
    /* a part of an imperfect split, split imperfectly again */
    split_loop(&p, "C", 1, 2, 2);
    split_loop(&p, "C", 5, 0, 2);
    end_same(&base, &p);
}

static void test_split_rejects(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL(12, 10, 8));
    hone_stmt ret[9], i = loop_of(&p, "C", 0);
    CHECK_REJECTED(&p, HONE_REJECT_SPLIT, hone_prim__split(&p, i, (int64_t[]){2, 5}, 2, ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_SPLIT, hone_prim__split(&p, i, (int64_t[]){0, 0}, 2, ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_SPLIT,
                   hone_prim__split(&p, i, (int64_t[]){-3, -4}, 2, ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_SPLIT,
                   hone_prim__split(&p, i, (int64_t[]){1, 1, 1, 1, 1, 1, 1, 1, 12}, 9, ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_SPLIT,
                   hone_prim__split(&p, i, (int64_t[]){INT64_MAX, INT64_MAX}, 2, ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_SPLIT,
                   hone_prim__split(&p, i, (int64_t[]){0, INT64_MAX}, 2, ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__split(&p, block_of(&p, "C"), (int64_t[]){12}, 1, ret, err));
    APPLY(hone_prim__set_loop_kind(&p, i, HONE_PARALLEL, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__split(&p, i, (int64_t[]){3, 4}, 2, ret, err));
    hone_stmt j = loop_of(&p, "C", 1);
    hone_ann_set(&p, j, "note", 1);
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__split(&p, j, (int64_t[]){2, 5}, 2, ret, err));
    hone_program_fini(&p);
}

static void test_fuse(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(12, 10, 8)), p = copy_program(&base);
    hone_stmt ret, ij[2] = {loop_of(&p, "C", 0), loop_of(&p, "C", 1)};
    APPLY(hone_prim__fuse(&p, ij, 2, &ret, err));
    check_lines(&p, HEAD "for i_j_fused in 120 {\nfor k in 8 {\n"
                         "block C(vi: 12 = i_j_fused // 10, vj: 10 = i_j_fused % 10, "
                         "reduce vk: 8 = k) {\n" UPDATE "}\n}\n}\n}\n");
    assert_false(hone_is_loop(&p, ij[0]) || hone_is_loop(&p, ij[1]));
    check_same(&base, &p);

    /* splitting it back by the same factors gives the plain bindings again */
    split_loop(&p, "C", 0, 12, 10);
    check_lines(&p, HEAD "for i_j_fused_0 in 12 {\nfor i_j_fused_1 in 10 {\nfor k in 8 {\n"
                         "block C(vi: 12 = i_j_fused_0, vj: 10 = i_j_fused_1, reduce vk: 8 = k) "
                         "{\n" UPDATE "}\n}\n}\n}\n}\n");
    hone_program_fini(&p);

    p = copy_program(&base);
    split_loop(&p, "C", 1, 0, 4);
    hone_stmt three[3] = {loop_of(&p, "C", 0), loop_of(&p, "C", 1), loop_of(&p, "C", 2)};
    APPLY(hone_prim__fuse(&p, three, 3, &ret, err));
    assert_int_equal(hone_loop_extent(&p, ret), 144);
    check_same(&base, &p);
    hone_program_fini(&p);

    p = copy_program(&base);
    hone_stmt one = loop_of(&p, "C", 2);
    APPLY(hone_prim__fuse(&p, &one, 1, &ret, err));
    assert_int_equal(ret.i, one.i);
    assert_true(hone_program_hash(&p) == hone_program_hash(&base));
    hone_program_fini(&p);
    hone_program_fini(&base);
}

static void test_fuse_rejects(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(4, 6, 8));
    hone_stmt ret, i = loop_of(&p, "C", 0), j = loop_of(&p, "C", 1), k = loop_of(&p, "C", 2);
    CHECK_REJECTED(&p, HONE_REJECT_NOT_CHAIN,
                   hone_prim__fuse(&p, (hone_stmt[]){i, k}, 2, &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_NOT_CHAIN,
                   hone_prim__fuse(&p, (hone_stmt[]){j, i}, 2, &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_NOT_CHAIN,
                   hone_prim__fuse(&p, (hone_stmt[]){i, i}, 2, &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__fuse(&p, &i, 0, &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__fuse(&p, &p.root, 1, &ret, err));
    /* a second statement between the two */
    hone_stmt s = loop_of(&p, "S", 0);
    hone_stmt_detach(&p, s);
    hone_stmt_append(&p, i, s);
    CHECK_REJECTED(&p, HONE_REJECT_NOT_CHAIN,
                   hone_prim__fuse(&p, (hone_stmt[]){i, j}, 2, &ret, err));
    hone_program_fini(&p);
}

static void test_reorder(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(12, 10, 8)), p = copy_program(&base);
    REORDER(&p, "C", 2, 0, 1);
    check_lines(&p, HEAD "for k in 8 {\nfor i in 12 {\nfor j in 10 {\n"
                         "block C(vi: 12 = i, vj: 10 = j, reduce vk: 8 = k) {\n" UPDATE
                         "}\n}\n}\n}\n}\n");
    check_same(&base, &p);
    hone_program_fini(&p);

    /* only two are named: the one between stays; annotations and kinds move along */
    p = copy_program(&base);
    hone_stmt i = loop_of(&p, "C", 0), j = loop_of(&p, "C", 1), k = loop_of(&p, "C", 2);
    hone_ann_set(&p, i, "note", 7);
    APPLY(hone_prim__set_loop_kind(&p, k, HONE_UNROLLED, err));
    APPLY(hone_prim__reorder(&p, (hone_stmt[]){k, i}, 2, err));
    assert_int_equal(loop_of(&p, "C", 0).i, k.i);
    assert_int_equal(loop_of(&p, "C", 1).i, j.i);
    assert_int_equal(loop_of(&p, "C", 2).i, i.i);
    assert_int_equal(hone_ann_get(&p, i, "note")->value, 7);
    assert_int_equal(hone_stmt_at(&p, k)->loop_kind, HONE_UNROLLED);
    check_same(&base, &p);
    hone_program_fini(&p);

    /* imperfect parts of reduction and spatial loops in a full SSRSRS shuffle */
    p = copy_program(&base);
    split_loop(&p, "C", 0, 0, 5);
    split_loop(&p, "C", 2, 0, 4);
    split_loop(&p, "C", 4, 0, 3);
    REORDER(&p, "C", 0, 2, 4, 1, 3, 5);
    check_same(&base, &p);
    REORDER(&p, "C", 5, 4, 3, 2, 1, 0);
    end_same(&base, &p);
}

static void test_reorder_rejects(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(4, 6, 8));
    hone_stmt i = loop_of(&p, "C", 0), j = loop_of(&p, "C", 1), k = loop_of(&p, "C", 2);
    hone_stmt i1 = loop_of(&p, "S", 0);
    CHECK_REJECTED(&p, HONE_REJECT_NOT_CHAIN, hone_prim__reorder(&p, (hone_stmt[]){i, i1}, 2, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__reorder(&p, (hone_stmt[]){i, i}, 2, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__reorder(&p, (hone_stmt[]){i, p.root}, 2, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__reorder(&p, &i, 0, err));

    /* S joins the nest of C below i: i and j no longer form a chain */
    hone_stmt s = block_of(&p, "S");
    hone_stmt_detach(&p, s);
    hone_stmt_append(&p, j, s);
    CHECK_REJECTED(&p, HONE_REJECT_NOT_CHAIN, hone_prim__reorder(&p, (hone_stmt[]){k, i}, 2, err));
    /* two blocks below i and j, and S knows neither */
    CHECK_REJECTED(&p, HONE_REJECT_DEPENDENCY, hone_prim__reorder(&p, (hone_stmt[]){j, i}, 2, err));
    hone_program_fini(&p);
}

/* A fully fused pair: its spatial loops may be reordered, a shared reduction loop may not. */
#define PAIR                                                                \
    "program pair {\n"                                                      \
    "  buffer X: f32[6, 4, 3] input\n"                                      \
    "  buffer Y: f32[6, 4] output\n"                                        \
    "  buffer T: f32[6, 4]\n"                                               \
    "  for i in 6 {\n    for j in 4 {\n      for k in 3 {\n"                \
    "        block T(vi: 6 = i, vj: 4 = j, reduce vk: 3 = k) {\n"           \
    "          init 0.0\n"                                                  \
    "          T[vi, vj] = T[vi, vj] + X[vi, vj, vk]\n        }\n      }\n" \
    "      block Y(vi: 6 = i, vj: 4 = j) {\n"                               \
    "        Y[vi, vj] = T[vi, vj] * 2.0\n      }\n    }\n  }\n}\n"

static void test_reorder_two_blocks(void **state)
{
    (void)state;
    hone_program base = load_program(PAIR), p = copy_program(&base);
    hone_stmt i = loop_of(&p, "Y", 0), j = loop_of(&p, "Y", 1);
    APPLY(hone_prim__reorder(&p, (hone_stmt[]){j, i}, 2, err));
    assert_int_equal(loop_of(&p, "Y", 0).i, j.i);
    end_same(&base, &p);
}

static void test_add_unit_loop(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(12, 10, 8)), p = copy_program(&base);
    hone_stmt u, v;
    APPLY(hone_prim__add_unit_loop(&p, loop_of(&p, "C", 0), &u, err));
    APPLY(hone_prim__add_unit_loop(&p, block_of(&p, "C"), &v, err));
    assert_int_equal(loop_of(&p, "C", 0).i, u.i);
    assert_int_equal(loop_of(&p, "C", 4).i, v.i);
    assert_int_equal(hone_loop_extent(&p, u), 1);
    check_same(&base, &p);
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__add_unit_loop(&p, p.root, &u, err));
    hone_program_fini(&p);
    hone_program_fini(&base);
}

/* What a lane adds must not depend on what the lanes before it made. */
static void test_vectorized_recurrence(void **state)
{
    (void)state;
    hone_program p = load_program("program recurrence {\n"
                                  "  buffer X: f32[4, 8] input\n"
                                  "  buffer Y: f32[4] output\n"
                                  "  for i in 4 {\n    for k in 8 {\n"
                                  "      block Y(v: 4 = i, reduce w: 8 = k) {\n"
                                  "        init 1.0\n"
                                  "        Y[v] = Y[v] * 0.5 + X[v, w] * Y[v]\n"
                                  "      }\n    }\n  }\n}\n");
    CHECK_REJECTED(&p, HONE_REJECT_REDUCE,
                   hone_prim__set_loop_kind(&p, loop_of(&p, "Y", 1), HONE_VECTORIZED, err));
    hone_program_fini(&p);
}

static void test_loop_kinds(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(12, 10, 8)), p = copy_program(&base);
    hone_stmt i = loop_of(&p, "C", 0), j = loop_of(&p, "C", 1), k = loop_of(&p, "C", 2);
    CHECK_REJECTED(&p, HONE_REJECT_REDUCE, hone_prim__set_loop_kind(&p, k, HONE_PARALLEL, err));
    APPLY(hone_prim__set_loop_kind(&p, k, HONE_VECTORIZED, err)); /* lanes of the sum */
    check_same(&base, &p);
    APPLY(hone_prim__set_loop_kind(&p, k, HONE_SERIAL, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__set_loop_kind(&p, j, HONE_VECTORIZED, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__set_loop_kind(&p, block_of(&p, "C"), HONE_PARALLEL, err));
    APPLY(hone_prim__reorder(&p, (hone_stmt[]){k, j}, 2, err));
    APPLY(hone_prim__set_loop_kind(&p, i, HONE_PARALLEL, err));
    APPLY(hone_prim__set_loop_kind(&p, k, HONE_UNROLLED, err));
    APPLY(hone_prim__set_loop_kind(&p, j, HONE_VECTORIZED, err));
    check_lines(&p, HEAD "for i in 12 parallel {\nfor k in 8 unrolled {\nfor j in 10 vectorized {\n"
                         "block C(vi: 12 = i, vj: 10 = j, reduce vk: 8 = k) {\n" UPDATE
                         "}\n}\n}\n}\n}\n");
    check_same(&base, &p);
    APPLY(hone_prim__set_loop_kind(&p, i, HONE_SERIAL, err));
    assert_int_equal(hone_stmt_at(&p, i)->loop_kind, HONE_SERIAL);
    hone_program_fini(&p);

    /* spatial and reduction loops do not fuse: parts of such a loop could be put in an order that
     * reaches a later step of a sum before its first */
    p = copy_program(&base);
    hone_stmt ret, jk[2] = {loop_of(&p, "C", 1), loop_of(&p, "C", 2)};
    CHECK_REJECTED(&p, HONE_REJECT_REDUCE, hone_prim__fuse(&p, jk, 2, &ret, err));
    hone_program_fini(&p);
    hone_program_fini(&base);
}

static void test_parallel_races(void **state)
{
    (void)state;
    /* every iteration of r writes all of Y: a race, unless there is only one iteration */
    static const char *const text[2] = {
        "program race {\n  buffer X: f32[4] input\n  buffer Y: f32[4] output\n"
        "  for r in 3 {\n    for i in 4 {\n      block Y(v: 4 = i) {\n"
        "        Y[v] = X[v]\n      }\n    }\n  }\n}\n",
        "program race {\n  buffer X: f32[4] input\n  buffer Y: f32[4] output\n"
        "  for r in 1 {\n    for i in 4 {\n      block Y(v: 4 = i) {\n"
        "        Y[v] = X[v]\n      }\n    }\n  }\n}\n"};
    hone_program p = load_program(text[0]);
    CHECK_REJECTED(&p, HONE_REJECT_DEPENDENCY,
                   hone_prim__set_loop_kind(&p, loop_of(&p, "Y", 0), HONE_PARALLEL, err));
    APPLY(hone_prim__set_loop_kind(&p, loop_of(&p, "Y", 1), HONE_PARALLEL, err));
    hone_program_fini(&p);
    p = load_program(text[1]);
    APPLY(hone_prim__set_loop_kind(&p, loop_of(&p, "Y", 0), HONE_PARALLEL, err));
    hone_program_fini(&p);
    /* nor is it one when the predicate leaves one iteration of four */
    p = load_program(text[1]);
    split_loop(&p, "Y", 0, 0, 4);
    APPLY(hone_prim__set_loop_kind(&p, loop_of(&p, "Y", 1), HONE_PARALLEL, err));
    hone_program_fini(&p);

    /* T is used below i only, so its writer's reduction does not matter to i, and j is fine too */
    p = load_program(PAIR);
    APPLY(hone_prim__set_loop_kind(&p, loop_of(&p, "Y", 0), HONE_PARALLEL, err));
    hone_stmt k = loop_of(&p, "T", 2);
    CHECK_REJECTED(&p, HONE_REJECT_REDUCE, hone_prim__set_loop_kind(&p, k, HONE_PARALLEL, err));
    hone_program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_perfect),         cmocka_unit_test(test_split_imperfect),
        cmocka_unit_test(test_split_rejects),         cmocka_unit_test(test_fuse),
        cmocka_unit_test(test_fuse_rejects),          cmocka_unit_test(test_reorder),
        cmocka_unit_test(test_reorder_rejects),       cmocka_unit_test(test_reorder_two_blocks),
        cmocka_unit_test(test_add_unit_loop),         cmocka_unit_test(test_loop_kinds),
        cmocka_unit_test(test_vectorized_recurrence), cmocka_unit_test(test_parallel_races),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
