/* Work that no schedule can do without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ir/ir.h"

static void ops_are(const char *body, int64_t flops, int64_t least)
{
    char *text = hone_xasprintf("kernel k() {\n%s\n}\n", body);
    hone_program p;
    hone_error err;
    if (hone_workload_parse("test", text, strlen(text), NULL, NULL, 0, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    if (hone_program_flops(&p) != flops || hone_program_least_ops(&p) != least)
        fail_msg("%s\nflops %" PRId64 " for %" PRId64 ", at least %" PRId64 " for %" PRId64, text,
                 hone_program_flops(&p), flops, hone_program_least_ops(&p), least);
    hone_program_fini(&p);
    free(text);
}

static void sums(void **state)
{
    (void)state;
    ops_are("input A: f32[6, 5]\ninput B: f32[5, 4]\noutput C: f32[6, 4]\n"
            "C[i, j] = sum(k < 5) A[i, k] * B[k, j]",
            2 * 6 * 5 * 4, 2 * 6 * 5 * 4);
    /* and what follows, through a stage */
    ops_are("input A: f32[6, 5]\ninput B: f32[5, 4]\ninput b: f32[4]\noutput D: f32[6, 4]\n"
            "C[i, j] = sum(k < 5) A[i, k] * B[k, j]\nD[i, j] = max(C[i, j] + b[j], 0)",
            2 * 6 * 5 * 4 + 2 * 6 * 4, 2 * 6 * 5 * 4 + 2 * 6 * 4);
}

/* A value that depends on a row alone is computed once for it. */
static void what_stands_still(void **state)
{
    (void)state;
    ops_are("input A: f32[6]\noutput C: f32[6, 100]\nC[i, j] = exp(A[i]) * 2 + 1", 3 * 600, 3 * 6);
    ops_are("input A: f32[6]\ninput B: f32[6, 100]\noutput C: f32[6, 100]\n"
            "C[i, j] = exp(A[i]) * B[i, j]",
            2 * 600, 6 + 600);
    ops_are("input A: f32[8]\noutput C: f32[8]\nC[i] = (A[i] + 1) * (A[i] + 1)", 3 * 8, 2 * 8);
}

static void what_is_not_chosen(void **state)
{
    (void)state;
    ops_are("input A: f32[8]\noutput C: f32[8]\nC[i] = select(i < 2, exp(A[i]) * 2, 0) + 1", 3 * 8,
            8);
    /* the taps of a padded row may be left out, the channels not */
    ops_are("input X: f32[8, 3]\ninput W: f32[3, 3]\noutput Y: f32[8]\ntemp P: f32[10, 3]\n"
            "P[x, c] = select(1 <= x and x < 9, X[x - 1, c], 0)\n"
            "Y[x] = sum(r < 3, c < 3) P[x + r, c] * W[r, c]",
            2 * 8 * 9, 2 * 8 * 3);
}

static void what_is_not_read(void **state)
{
    (void)state;
    ops_are("input A: f32[64]\noutput C: f32[8]\nT[i] = exp(A[i])\nC[i] = T[i * 8] + 1", 64 + 8,
            8 + 8);
    ops_are("input A: f32[64]\noutput C: f32[8]\nT[i] = exp(A[i])\n"
            "C[i] = select(A[i] < 0, T[i], 1)",
            64, 0);
}

/* Stages of constants run ahead. */
static void constants(void **state)
{
    (void)state;
    ops_are("const input W: f32[64]\ninput A: f32[64]\noutput C: f32[64]\nV[i] = exp(W[i]) * 2\n"
            "C[i] = A[i] * V[i]",
            3 * 64, 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums),
        cmocka_unit_test(what_stands_still),
        cmocka_unit_test(what_is_not_chosen),
        cmocka_unit_test(what_is_not_read),
        cmocka_unit_test(constants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
