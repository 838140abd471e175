/* ComputeInplace: what becomes of the blocks, what it refuses, and that results are the same. */
#include "tests/space/trace_test.h"

/* Rows less their sum, scaled by the sum of that: T is what Y reads. */
#define ROWS(INDEX, REST)                                 \
    "program rows {\n"                                    \
    "  buffer A: f32[3, 4] input\n"                       \
    "  buffer Y: f32[3, 4] output\n"                      \
    "  buffer T: f32[3, 4]\n"                             \
    "  buffer total: f32[3]\n"                            \
    "  for i in 3 {\n    for j in 4 {\n"                  \
    "      block T(vi: 3 = i, vj: 4 = j) {\n"             \
    "        T[vi, vj] = A[vi, vj] - A[vi, 0]\n"          \
    "      }\n    }\n  }\n"                               \
    "  for i_1 in 3 {\n    for k in 4 {\n"                \
    "      block total(v: 3 = i_1, reduce vk: 4 = k) {\n" \
    "        init 0.0\n"                                  \
    "        total[v] = total[v] + T[v, vk]\n"            \
    "      }\n    }\n  }\n"                               \
    "  for i_2 in 3 {\n    for j_1 in 4 {\n"              \
    "      block Y(vi: 3 = i_2, vj: 4 = j_1) {\n"         \
    "        Y[vi, vj] = T[" INDEX "] * total[vi]\n"      \
    "      }\n    }\n  }\n" REST "}\n"
#define LATER                                     \
    "  for i_3 in 3 {\n    for j_2 in 4 {\n"      \
    "      block Z(vi: 3 = i_3, vj: 4 = j_2) {\n" \
    "        Z[vi, vj] = T[vi, vj]\n"             \
    "      }\n    }\n  }\n"

static const char rows[] = ROWS("vi, vj", "");

static hone_status in_place(hone_program *p, hone_error *err)
{
    return hone_prim__compute_inplace(p, block_of(p, "Y"), 0, err);
}

/* All stages of a row, or of two, in one loop. */
static void in_rows(hone_program *p, int64_t together)
{
    split_loop(p, "Y", 0, 0, together);
    APPLY(hone_prim__compute_at(p, block_of(p, "total"), loop_of(p, "Y", 0), err));
    APPLY(hone_prim__compute_at(p, block_of(p, "T"), loop_of(p, "Y", 0), err));
}

static void effect(void **state)
{
    (void)state;
    CHECK_EFFECT(rows, in_place(&p, err),
                 "program rows {\n"
                 "  buffer A: f32[3, 4] input\n"
                 "  buffer Y: f32[3, 4] output\n"
                 "  buffer total: f32[3]\n"
                 "  for i in 3 {\n"
                 "    for j in 4 {\n"
                 "      block T(vi: 3 = i, vj: 4 = j) {\n"
                 "        Y[vi, vj] = A[vi, vj] - A[vi, 0]\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "  for i_1 in 3 {\n"
                 "    for k in 4 {\n"
                 "      block total(v: 3 = i_1, reduce vk: 4 = k) {\n"
                 "        init 0.0\n"
                 "        total[v] = total[v] + Y[v, vk]\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "  for i_2 in 3 {\n"
                 "    for j_1 in 4 {\n"
                 "      block Y(vi: 3 = i_2, vj: 4 = j_1) {\n"
                 "        Y[vi, vj] = Y[vi, vj] * total[vi]\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "}\n");
}

/* Also where the last turn has rows that are not there. */
static void within_a_loop(void **state)
{
    (void)state;
    for (int64_t together = 1; together <= 2; together++) {
        hone_program p = load_program(rows), before = copy_program(&p);
        in_rows(&p, together);
        APPLY(in_place(&p, err));
        end_same(&before, &p);
    }
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        hone_status status;
    } cases[] = {
        {ROWS("vi, (vj + 1) % 4", ""), HONE_REJECT_ARG},
        {ROWS("0, vj", ""), HONE_REJECT_ARG},
    };
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        hone_program p = load_program(cases[k].text);
        CHECK_REJECTED(&p, cases[k].status, in_place(&p, err));
        hone_program_fini(&p);
    }
    hone_program p = load_program(rows);
    hone_stmt y = block_of(&p, "Y"), total = block_of(&p, "total"), t = block_of(&p, "T");
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__compute_inplace(&p, y, 1, err)); /* a sum */
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__compute_inplace(&p, y, 2, err)); /* none */
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__compute_inplace(&p, total, 0, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__compute_inplace(&p, t, 0, err)); /* an input */
    hone_program_fini(&p);
}

/* Z reads T when Y has run; T of two rows is made for each row of Y. */
static void needed_later(void **state)
{
    (void)state;
    char *text = hone_xasprintf("%s", ROWS("vi, vj", LATER));
    char *at = strstr(text, "  buffer T");
    char *with_z =
        hone_xasprintf("%.*s  buffer Z: f32[3, 4] output\n%s", (int)(at - text), text, at);
    hone_program p = load_program(with_z);
    CHECK_REJECTED(&p, HONE_REJECT_DEPENDENCY, in_place(&p, err));
    hone_program_fini(&p);
    free(with_z);
    free(text);
    p = load_program("program shared {\n"
                     "  buffer A: f32[4] input\n  buffer Y: f32[4] output\n"
                     "  buffer T: f32[4]\n  buffer S: f32[4]\n"
                     "  for i in 4 {\n"
                     "    for k in 4 {\n"
                     "      block T(v: 4 = k) {\n        T[v] = A[v] * 2.0\n      }\n    }\n"
                     "    block S(v: 4 = i) {\n      S[v] = T[3 - v]\n    }\n"
                     "    block Y(v: 4 = i) {\n      Y[v] = T[v] + S[v]\n    }\n"
                     "  }\n}\n");
    CHECK_REJECTED(&p, HONE_REJECT_DEPENDENCY, in_place(&p, err));
    hone_program_fini(&p);
}

static void in_a_trace(void **state)
{
    (void)state;
    hone_program base = load_program(rows);
    hone_sched s = {0};
    hone_rv y, total, t, loops[2];
    unsigned n;
    hone_sched_start(&s, &base, NULL);
    APPLY(hone_get_block(&s, "Y", &y, err));
    APPLY(hone_get_loops(&s, y, loops, 2, &n, err));
    APPLY(hone_get_block(&s, "total", &total, err));
    APPLY(hone_compute_at(&s, total, loops[0], err));
    APPLY(hone_get_block(&s, "T", &t, err));
    APPLY(hone_compute_at(&s, t, loops[0], err));
    APPLY(hone_compute_inplace(&s, y, 0, err));
    char *text = hone_trace_text(&s.trace);
    assert_non_null(strstr(text, "[\"ComputeInplace\",[\"b0\"],[0],[]]"));
    free(text);
    check_round_trip(&s, &base);
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(effect),       cmocka_unit_test(within_a_loop), cmocka_unit_test(refused),
        cmocka_unit_test(needed_later), cmocka_unit_test(in_a_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
