#include "tests/space/prim_test.h"

static hone_status relay(hone_program *p, const char *block, const char *map, int64_t v0,
                         int64_t v1, hone_error *err)
{
    int64_t v[2] = {v0, v1};
    return hone_prim__transform_layout(p, block_of(p, block), map, v, 2, err);
}

static void layout_effect(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL(3, 10, 4)), before = copy_program(&p);
    hone_stmt copy;
    APPLY(hone_prim__cache_read(&p, block_of(&p, "C"), 1, HONE_GLOBAL, &copy, err));
    split_loop(&p, "C", 1, 0, 4);
    APPLY(relay(&p, "B_global", "lambda k, j: (j // v0, k, j % v0)", 4, 0, err));
    check_text(
        &p,
        "program matmul {\n"
        "  buffer A: f32[3, 4] input\n"
        "  buffer B: f32[4, 10] input\n"
        "  buffer C: f32[3, 10] output\n"
        "  buffer B_global: f32[3, 4, 4]\n"
        "  for ax0 in 3 {\n"
        "    for ax1 in 4 {\n"
        "      for ax2 in 4 {\n"
        "        block B_global(v0: 3 = ax0, v1: 4 = ax1, v2: 4 = ax2) where ax0*4 + ax2 < 10 {\n"
        "          B_global[v0, v1, v2] = B[v1, v0*4 + v2]\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "  for i in 3 {\n"
        "    for j_0 in 3 {\n"
        "      for j_1 in 4 {\n"
        "        for k in 4 {\n"
        "          block C(vi: 3 = i, vj: 10 = j_0*4 + j_1, reduce vk: 4 = k) where j_0*4 + j_1 < "
        "10 {\n"
        "            init 0.0\n"
        "            C[vi, vj] = C[vi, vj] + A[vi, vk] * B_global[vj // 4, vk, vj % 4]\n"
        "          }\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "}\n");
    check_same(&before, &p);
    /* The writer iterates the new layout, so it can be placed at a panel. */
    REORDER(&p, "C", 1, 0, 2, 3);
    APPLY(hone_prim__compute_at(&p, block_of(&p, "B_global"), loop_of(&p, "C", 0), err));
    end_same(&before, &p);
}

/* Placed where no padding is in reach, then where it is: the block must not compute it. */
static void padded_layout_moves_twice(void **state)
{
    (void)state;
    static const char *const maps[] = {"lambda i, j: (i // v0, j, i % v0)",
                                       "lambda i, j: (i, j // v0, j % v0)"};
    hone_program base = load_program(MATMUL_BIAS_RELU(5, 7, 3));
    for (unsigned k = 0; k < HONE_LEN(maps); k++) {
        hone_program p = copy_program(&base);
        APPLY(relay(&p, "S", maps[k], 4, 0, err));
        APPLY(hone_prim__compute_at(&p, block_of(&p, "S"), loop_of(&p, "D", 1), err));
        check_same(&base, &p);
        APPLY(hone_prim__compute_at(&p, block_of(&p, "S"), loop_of(&p, "D", 0), err));
        check_same(&base, &p);
        hone_program_fini(&p);
    }
    hone_program_fini(&base);
}

static void layout_maps(void **state)
{
    (void)state;
    static const struct {
        const char *map;
        int64_t v0, v1;
    } maps[] = {
        {"lambda k, j: (k, j)", 0, 0},
        {"lambda k, j: (j, k)", 0, 0},
        {"lambda i0,i1:(i1 // 4, i0, i1 % 4)", 0, 0},
        {"lambda k, j: (j // v0, k // v1, j % v0, k % v1)", 4, 3},
        {"lambda k, j: (j // v0, k, j // v1 % 3, j % v1)", 6, 2},
        {"lambda k, j: ((j // 2) // 3, k, (j // 2) % 3, j % 2)", 0, 0},
        {"lambda k, j: (j // v0, k, j % v0)", 1, 0},
        {"lambda k, j: (j // v0, k, j % v0)", 100, 0},
        {"lambda k, j: (j % 16, k)", 0, 0},
        {"lambda k, j: (k, j // 4, j % 8 % 4)", 0, 0},
        {" lambda k , j : ( j%v0, (k), j//v0, ) ", 3, 0},
    };
    hone_program base = load_program(MATMUL(3, 10, 4));
    for (unsigned k = 0; k < HONE_LEN(maps); k++) {
        hone_program p = copy_program(&base);
        hone_stmt copy;
        APPLY(hone_prim__cache_read(&p, block_of(&p, "C"), 1, HONE_GLOBAL, &copy, err));
        APPLY(relay(&p, "B_global", maps[k].map, maps[k].v0, maps[k].v1, err));
        check_same(&base, &p);
        hone_program_fini(&p);
    }
    hone_program_fini(&base);
}

static void layout_rejected(void **state)
{
    (void)state;
    static const char *const illegal[] = {
        "lambda k, j: (j // 4, k, j % 3)", /* two elements in one place */
        "lambda k, j: (j // 4, k, j % 8)", /* more than one place for a digit */
        "lambda k, j: (j // 4, k)",        /* loses the remainder */
        "lambda k, j: (k, j % 9)",         /* 10 columns */
        "lambda k, j: (k + j, j)",         /* not a digit */
        "lambda k, j: (k * 10 + j)",       /* not a digit */
        "lambda k, j: (k, j, 0)",          /* not a digit */
        "lambda k, j: (k, k, j)",          /* twice */
        "lambda k, j, l: (k, j, l)",       /* three indices */
    };
    static const char *const malformed[] = {
        "",
        "lambda",
        "lambda k j: (k, j)",
        "lambda k, j: k, j",
        "lambda k, j: (k, m)",
        "lambda k, j: (k, v2)",
        "lambda k, j: (k, j // 0)",
        "lambda k, j: (k, j % v0)",
        "lambda k, j: (k, j",
        "lambda k, j: (k, j) x",
        "lambda k, j: ()",
        "lambdak, j: (k, j)",
        "lambda k, j: (k, j // 99999999999999999999)",
    };
    hone_program p = load_program(MATMUL(3, 10, 4));
    hone_stmt copy;
    CHECK_REJECTED(&p, HONE_REJECT_LAYOUT, relay(&p, "C", "lambda k, j: (j, k)", 0, 0, err));
    APPLY(hone_prim__cache_read(&p, block_of(&p, "C"), 1, HONE_GLOBAL, &copy, err));
    for (unsigned k = 0; k < HONE_LEN(illegal); k++)
        CHECK_REJECTED(&p, HONE_REJECT_LAYOUT, relay(&p, "B_global", illegal[k], 0, 0, err));
    for (unsigned k = 0; k < HONE_LEN(malformed); k++)
        CHECK_REJECTED(&p, HONE_E_INPUT, relay(&p, "B_global", malformed[k], 0, 0, err));
    /* Too late: the writer has been moved. */
    APPLY(hone_prim__compute_at(&p, block_of(&p, "B_global"), loop_of(&p, "C", 0), err));
    CHECK_REJECTED(&p, HONE_REJECT_LAYOUT, relay(&p, "B_global", "lambda k, j: (j, k)", 0, 0, err));
    hone_program_fini(&p);
}

/* The sums of a register tile, which three blocks write or read, two by two; their loops stay. */
static void register_tile(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(4, 6, 5)), p = copy_program(&base);
    hone_stmt copies[2];
    REORDER(&p, "C", 2, 0, 1);
    APPLY(hone_prim__cache_accumulate(&p, block_of(&p, "C"), loop_of(&p, "C", 0), HONE_LOCAL,
                                      copies, err));
    const char *load = hone_sym_text(&p, hone_stmt_at(&p, copies[0])->name);
    CHECK_REJECTED(&p, HONE_REJECT_LAYOUT,
                   relay(&p, load, "lambda i, j: (i, j // 4, j % 4)", 0, 0, err));
    APPLY(relay(&p, load, "lambda i, j: (i // 2, j // 2, i % 2, j % 2)", 0, 0, err));
    check_same(&base, &p);
    assert_int_equal(hone_loop_extent(&p, loop_of(&p, "C", 1)), 4);
    char *text = program_text(&p);
    assert_non_null(strstr(text, "[2, 3, 2, 2] local"));
    free(text);
    hone_program_fini(&p);
    hone_program_fini(&base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_effect), cmocka_unit_test(padded_layout_moves_twice),
        cmocka_unit_test(layout_maps),   cmocka_unit_test(layout_rejected),
        cmocka_unit_test(register_tile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
