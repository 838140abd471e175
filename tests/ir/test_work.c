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
            2 * 6 * 5 * 4, 2 * 6 * 5 * 4 - 6 * 4); /* the first of a sum is not added */
    /* and what follows, through a stage */
    ops_are("input A: f32[6, 5]\ninput B: f32[5, 4]\ninput b: f32[4]\noutput D: f32[6, 4]\n"
            "C[i, j] = sum(k < 5) A[i, k] * B[k, j]\nD[i, j] = max(C[i, j] + b[j], 0)",
            2 * 6 * 5 * 4 + 2 * 6 * 4, 2 * 6 * 5 * 4 + 6 * 4);
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
            3 * 2);
    /* of a padded row 22 taps meet something, in each channel */
    ops_are("input X: f32[8, 3]\ninput W: f32[3, 3]\noutput Y: f32[8]\ntemp P: f32[10, 3]\n"
            "P[x, c] = select(1 <= x and x < 9, X[x - 1, c], 0)\n"
            "Y[x] = sum(r < 3, c < 3) P[x + r, c] * W[r, c]",
            2 * 8 * 9, 2 * 22 * 3 - 8);
    /* nor need exponentials of what is masked be computed, or added up */
    ops_are("input A: f32[8, 6]\noutput Y: f32[8]\n"
            "M[i, j] = select(j < i, A[i, j] * 2, -inf)\nE[i, j] = exp(M[i, j])\n"
            "Y[i] = sum(j < 6) E[i, j]",
            8 * 6 * 3, 3 * 27 - 7);
    /* padding may stand first too: its six steps are not those that are done */
    ops_are("input X: f32[8]\ninput W: f32[8]\noutput C: f32[1]\n"
            "P[x] = select(x < 6, 0, X[x])\nC[i] = sum(k < 8) P[k] * W[k]",
            2 * 8, 2 + 1);
    /* what is padded may be masked too: 11 taps meet something, in five rows */
    ops_are("input A: f32[8]\ninput W: f32[3]\noutput Y: f32[8]\ntemp P: f32[10]\n"
            "M[i] = select(i < 4, A[i], 0)\nP[x] = select(1 <= x and x < 9, M[x - 1], 0)\n"
            "Y[x] = sum(r < 3) P[x + r] * W[r]",
            2 * 8 * 3, 11 + 11 - 5);
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

static void kind_is(const char *body, hone_work kind, double want)
{
    char *text = hone_xasprintf("kernel k() {\n%s\n}\n", body);
    hone_program p;
    hone_error err;
    double work[HONE_WORK_COUNT];
    if (hone_workload_parse("test", text, strlen(text), NULL, NULL, 0, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_program_least_work(&p, work);
    if (work[kind] != want)
        fail_msg("%s\n%s: %g, wanted %g", text, hone_work_name(kind), work[kind], want);
    hone_program_fini(&p);
    free(text);
}

static void kinds(void **state)
{
    (void)state;
    static const char softmax[] = "input X: f32[4, 10]\noutput Y: f32[4, 10]\n"
                                  "top[i] = max(k < 10) X[i, k]\nE[i, j] = exp(X[i, j] - top[i])\n"
                                  "total[i] = sum(k < 10) E[i, k]\nscale[i] = 1 / total[i]\n"
                                  "Y[i, j] = E[i, j] * scale[i]";
    kind_is(softmax, HONE_WORK_EXTREME, 36);
    kind_is(softmax, HONE_WORK_EXP, 40);
    kind_is(softmax, HONE_WORK_ADD, 40 + 36);
    kind_is(softmax, HONE_WORK_DIV, 4);
    kind_is(softmax, HONE_WORK_MUL, 40);
    static const char quick[] = "input X: f32[8]\noutput Y: f32[8]\n"
                                "Y[i] = fast tanh(-X[i]) + tanh(X[i]) + sqrt(X[i])";
    kind_is(quick, HONE_WORK_FAST_TANH, 8);
    kind_is(quick, HONE_WORK_TANH, 8);
    kind_is(quick, HONE_WORK_SQRT, 8);
    kind_is(quick, HONE_WORK_MUL, 0); /* a sign is no product */
    static const char bytes[] = "input A: u8[6, 5]\ninput B: i8[5, 4]\noutput C: i32[6, 4]\n"
                                "C[i, j] = sum(k < 5) i32(A[i, k]) * i32(B[k, j])";
    kind_is(bytes, HONE_WORK_INT_MUL, 120);
    kind_is(bytes, HONE_WORK_OTHER, 120 - 24);
    kind_is(bytes, HONE_WORK_MUL, 0);
}

/* Taps that meet padding are no work: in each dimension those that do not are counted. */
static void taps(void **state)
{
    (void)state;
    static const char image[] =
        "input X: f32[7, 9, 2]\ninput F: f32[3, 3, 2, 4]\noutput Y: f32[4, 5, 4]\n"
        "temp P: f32[9, 11, 2]\n"
        "P[h, w, c] = select(1 <= h and h < 8 and 1 <= w and w < 10, X[h - 1, w - 1, c], 0)\n"
        "Y[y, x, f] = sum(r < 3, s < 3, c < 2) P[2*y + r, 2*x + s, c] * F[r, s, c, f]";
    /* rows 0 and 8 of P are padding: 10 of 12; columns 0 and 10: 13 of 15 */
    kind_is(image, HONE_WORK_MUL, 10 * 13 * 2 * 4);
    kind_is(image, HONE_WORK_ADD, 10 * 13 * 2 * 4 - 4 * 5 * 4);
    /* phases of a stride, as a transposed convolution has them */
    static const char phases[] =
        "input X: f32[5]\ninput F: f32[3]\noutput Y: f32[9]\ntemp P: f32[11]\n"
        "P[h] = select(h % 2 == 1 and h < 11, X[(h - 1) // 2], 0)\n"
        "Y[y] = sum(r < 3) P[y + r] * F[r]";
    kind_is(phases, HONE_WORK_MUL, 13);
    /* a condition on two indices */
    static const char corner[] = "input X: f32[8, 8]\ninput F: f32[3, 3]\noutput Y: f32[8, 8]\n"
                                 "temp P: f32[10, 10]\n"
                                 "P[h, w] = select(h + w < 9 and 1 <= h and h < 9 and 1 <= w, "
                                 "X[min(h, 8) - 1, min(w, 8) - 1], 0)\n"
                                 "Y[y, x] = sum(r < 3, s < 3) P[y + r, x + s] * F[r, s]";
    kind_is(corner, HONE_WORK_MUL, 211);
}

/* What windows that overlap share is computed once. */
static void windows(void **state)
{
    (void)state;
    /* eight windows: one step each would do, and ten elements are eight results with two */
    kind_is("input X: f32[10]\noutput Y: f32[8]\nY[x] = max(r < 3) X[x + r]", HONE_WORK_EXTREME, 8);
    /* by 3, nothing is shared; by 2, 17 elements come into 8 results */
    kind_is("input X: f32[24]\noutput Y: f32[8]\nY[x] = max(r < 3) X[3*x + r]", HONE_WORK_EXTREME,
            16);
    kind_is("input X: f32[17]\noutput Y: f32[8]\nY[x] = sum(r < 3) X[2*x + r]", HONE_WORK_ADD, 9);
    static const char squares[] = "input X: f32[10, 12]\noutput Y: f32[8, 10]\n"
                                  "Y[y, x] = sum(r < 3, s < 3) exp(X[y + r, x + s])";
    kind_is(squares, HONE_WORK_EXP, 120);
    kind_is(squares, HONE_WORK_ADD, 80);
    /* with a weight for each tap there is nothing to share, with one for all there is */
    kind_is(
        "input X: f32[10]\ninput W: f32[3]\noutput Y: f32[8]\nY[x] = sum(r < 3) X[x + r] * W[r]",
        HONE_WORK_MUL, 24);
    kind_is(
        "input X: f32[10]\ninput w: f32[1]\noutput Y: f32[8]\nY[x] = sum(r < 3) X[x + r] * w[0]",
        HONE_WORK_MUL, 10);
    /* padding is no element: seven of them, in eight windows */
    kind_is("input X: f32[7]\noutput Y: f32[8]\ntemp P: f32[10]\n"
            "P[x] = select(1 <= x and x < 8, X[x - 1], 0)\nY[x] = sum(r < 3) exp(P[x + r])",
            HONE_WORK_EXP, 7);
}

/* Arms are computed in the turns in which they are chosen, and read what they read there, as the
 * transforms of Winograd's algorithm do. */
static void arms(void **state)
{
    (void)state;
    static const char transform[] = "input A: f32[4, 8]\noutput C: f32[3, 8]\ntemp M: f32[4, 8]\n"
                                    "M[i, j] = A[i, j] * A[i, j]\n"
                                    "C[a, j] = a == 0 ? M[0, j] + M[1, j] : "
                                    "a == 1 ? M[2, j] - M[3, j] * 3 : exp(M[1, j])";
    kind_is(transform, HONE_WORK_MUL, 4 * 8 + 8);
    kind_is(transform, HONE_WORK_ADD, 8 + 8);
    kind_is(transform, HONE_WORK_EXP, 8);
    /* masks of long sequences are counted by rows */
    static const char causal[] =
        "input Q: f32[5000, 2]\ninput K: f32[5000, 2]\noutput Y: f32[5000]\n"
        "S[i, j] = sum(d < 2) Q[i, d] * K[j, d]\n"
        "M[i, j] = select(j <= i, S[i, j], -inf)\n"
        "E[i, j] = exp(M[i, j])\nY[i] = sum(j < 5000) E[i, j]";
    kind_is(causal, HONE_WORK_MUL, 5000.0 * 5001);
    kind_is(causal, HONE_WORK_EXP, 5000.0 * 5001 / 2);
    /* which of them are chosen depends on the data: none for certain */
    kind_is("input A: f32[8]\noutput C: f32[8]\nC[i] = A[i] < 0 ? exp(A[i]) : tanh(A[i])",
            HONE_WORK_EXP, 0);
    /* tiles that reach over the edge are read in part */
    static const char tiles[] = "input A: f32[16]\noutput Y: f32[14, 3]\ntemp E: f32[4, 4]\n"
                                "E[a, t] = A[t * 4 + a] * 2\nY[y, k] = E[y % 4, y // 4] + 1";
    kind_is(tiles, HONE_WORK_MUL, 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums),
        cmocka_unit_test(what_stands_still),
        cmocka_unit_test(what_is_not_chosen),
        cmocka_unit_test(what_is_not_read),
        cmocka_unit_test(constants),
        cmocka_unit_test(kinds),
        cmocka_unit_test(taps),
        cmocka_unit_test(windows),
        cmocka_unit_test(arms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
