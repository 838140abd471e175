/* Which stages the inlining rule takes: those that cost no more to compute again than to keep. */
#include "tests/space/prim_test.h"

#include "space/rule/rule.h"
#include "space/space.h"

/* The names of the blocks that are left, with a space after each. */
static void check_left(const char *workload, const char *want)
{
    hone_program p;
    hone_error err;
    if (hone_workload_parse("test", workload, strlen(workload), NULL, NULL, 0, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_sched s = {0};
    hone_rng rng;
    hone_rng_seed(&rng, 1);
    hone_sched_start(&s, &p, &rng);
    assert_int_equal(hone_rule__auto_inline(&s, &err), HONE_OK);
    hone_buf left = {0};
    for (hone_stmt b = s.prog.root; b.i; b = hone_next(&s.prog, s.prog.root, b))
        if (hone_is_block(&s.prog, b) && hone_stmt_at(&s.prog, b)->out.i)
            hone_buf_printf(&left, "%s ", hone_sym_text(&s.prog, hone_stmt_at(&s.prog, b)->name));
    assert_string_equal(left.s, want);
    hone_buf_free(&left);
    hone_sched_fini(&s);
    hone_program_fini(&p);
}

static void one_use(void **state)
{
    (void)state;
    check_left("kernel k() { input A: f32[9]\n output C: f32[9]\n"
               "T[i] = exp(A[i]) * A[i] + 2\n C[i] = T[i] / 3 }",
               "C ");
}

/* MetaSchedule's InlineConstantScalars: a number costs nothing to compute again, even in a sum. */
static void constant_scalars(void **state)
{
    (void)state;
    check_left("kernel k() { input A: f32[9]\n output C: f32[9]\n output D: f32[]\n"
               "temp s: f32[]\n s[] = 3.5\n C[i] = A[i] * s[] + exp(s[])\n"
               "D[] = sum(i < 9) A[i] * s[] }",
               "C D ");
}

/* A bias that two stages read is added twice; an exponential is not taken twice. */
static void two_readers(void **state)
{
    (void)state;
    check_left("kernel k() { input A: f32[9]\n output S: f32[9]\n output C: f32[9]\n"
               "T[i] = A[i] + 1\n S[i] = T[i] * T[i]\n C[i] = tanh(A[i]) * T[i] }",
               "S C ");
    check_left("kernel k() { input A: f32[9]\n output S: f32[9]\n output C: f32[9]\n"
               "T[i] = exp(A[i])\n S[i] = T[i] * T[i]\n C[i] = tanh(A[i]) * T[i] }",
               "T S C ");
}

/* Each element of a transform reads several of the one before: their work would multiply. The first
 * is small enough to be computed five times; what it makes of the second is not. */
static void chains_of_sums(void **state)
{
    (void)state;
    check_left("kernel k() { input A: f32[9, 4]\n output C: f32[9]\n"
               "temp T: f32[9, 4]\n temp S: f32[9, 4]\n"
               "T[i, j] = A[i, 0] + A[i, 1] - (A[i, 2] + A[i, 3]) * A[i, j]\n"
               "S[i, j] = T[i, 0] + T[i, 1] - (T[i, 2] + T[i, 3]) * T[i, j]\n"
               "C[i] = S[i, 0] + S[i, 1] - (S[i, 2] + S[i, 3]) * S[i, 1] }",
               "S C ");
    check_left("kernel k() { input A: f32[9, 4]\n output C: f32[9]\n"
               "temp T: f32[9, 6]\n"
               "T[i, j] = select(1 <= j and j < 5, A[i, j - 1], 0)\n"
               "C[i] = T[i, 0] + T[i, 1] + T[i, 2] + T[i, 3] + T[i, 4] + T[i, 5] }",
               "T C ");
}

/* A guard that always holds, that of a border of no elements, is none. */
static void empty_borders(void **state)
{
    (void)state;
    check_left("kernel k() { input A: f32[9, 4]\n output C: f32[9]\n"
               "temp T: f32[9, 4]\n"
               "T[i, j] = select(0 <= j and j < 4, A[i, j], 0)\n"
               "C[i] = sum(j < 4) T[i, j] }",
               "C ");
    check_left("kernel k() { input A: f32[9, 4]\n output C: f32[9]\n"
               "temp T: f32[9, 5]\n"
               "T[i, j] = select(0 <= j and j < 4, A[i, j], 0)\n"
               "C[i] = sum(j < 5) T[i, j] }",
               "T C ");
}

/* n stages made of the one before by `form`, where it stands several times. Caller frees. */
static char *chain(unsigned n, const char *form)
{
    hone_buf out = {0};
    hone_buf_printf(&out, "kernel k() { input T0: f32[9]\n output T%u: f32[9]\n", n);
    for (unsigned k = 1; k <= n; k++) {
        hone_buf_printf(&out, "T%u[i] =", k);
        for (const char *c = form; *c; c++)
            if (*c == '@')
                hone_buf_printf(&out, " T%u[i] ", k - 1);
            else
                hone_buf_add(&out, c, 1);
        hone_buf_puts(&out, "\n");
    }
    hone_buf_puts(&out, "}");
    return out.s;
}

/* The element is the same, so nothing is computed again; but written out, each stage has twice the
 * text of the one before. Eight at a time are text enough. */
static void squares_of_squares(void **state)
{
    (void)state;
    char *text = chain(30, "@ * @");
    check_left(text, "T8 T16 T24 T30 ");
    free(text);
    text = chain(13, "@ * @ + 0.5 * @");
    check_left(text, "T5 T10 T13 ");
    free(text);
}

/* What names the stage before once only moves. */
static void long_chains(void **state)
{
    (void)state;
    char *text = chain(200, "@ * 0.5 + 1");
    check_left(text, "T200 ");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_use),       cmocka_unit_test(constant_scalars),
        cmocka_unit_test(two_readers),   cmocka_unit_test(chains_of_sums),
        cmocka_unit_test(empty_borders), cmocka_unit_test(squares_of_squares),
        cmocka_unit_test(long_chains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
