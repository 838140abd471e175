/* Which sizes of a kernel may be left open, and what is said of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ir/ir.h"

static hone_program at(const char *text, const char *size, int64_t value, int64_t others)
{
    static const char *const names[] = {"M", "N", "K"};
    hone_size sizes[3];
    unsigned n = 0;
    hone_program p = {0};
    hone_error err;
    for (unsigned k = 0; k < 3; k++)
        sizes[n++] = (hone_size){names[k], strcmp(names[k], size) ? others : value};
    if (hone_workload_parse("test", text, strlen(text), NULL, sizes, n, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return p;
}

static hone_status rows(const char *text, const char *size, uint64_t *ret_args, hone_error *err)
{
    hone_program p = at(text, size, 9, 8), q = at(text, size, 8, 8);
    hone_status st = hone_program_rows(&p, 9, &q, 8, size, ret_args, err);
    hone_program_fini(&p);
    hone_program_fini(&q);
    return st;
}

static void open(const char *text, const char *size, uint64_t args)
{
    hone_error err;
    uint64_t got;
    if (rows(text, size, &got, &err) != HONE_OK)
        fail_msg("%s", err.message);
    assert_int_equal(got, args);
}

static void closed(const char *text, const char *size, const char *why)
{
    hone_error err = {0};
    uint64_t got;
    assert_int_equal(rows(text, size, &got, &err), HONE_E_INPUT);
    if (!strstr(err.message, why) || strchr(err.message, '\n'))
        fail_msg("%s\nand not: %s", err.message, why);
    assert_int_equal(got, 0);
}

static const char product[] =
    "kernel mm(M, N, K) { input A: f32[M, K]\n input B: f32[K, N]\n output C: f32[M, N]\n"
    "C[i, j] = sum(k < K) A[i, k] * B[k, j] }";

static void left_open(void **state)
{
    (void)state;
    open(product, "M", 1 | 4);
    open("kernel batched(M, N, K) { input A: f32[M, N, K]\n input B: f32[M, K, N]\n"
         "output C: f32[M, N, N]\n C[b, i, j] = sum(k < K) A[b, i, k] * B[b, k, j] }",
         "M", 7);
    open("kernel soft(M, N, K) { input X: f32[M, N]\n output Y: f32[M, N]\n input Z: f32[K]\n"
         "G[i] = max(j < N) X[i, j]\n E[i, j] = exp(X[i, j] - G[i]) + Z[0]\n"
         "S[i] = sum(j < N) E[i, j]\n Y[i, j] = E[i, j] / S[i] }",
         "M", 1 | 2);
}

static void not_left_open(void **state)
{
    (void)state;
    closed(product, "N", "N cannot have a range: dimension 2 of B depends on it");
    closed(product, "K", "dimension 2 of A depends on it");
    closed("kernel total(M, N, K) { input X: f32[M, N]\n output Y: f32[N, K]\n"
           "Y[j, k] = sum(i < M) X[i, j] }",
           "M", "Y is reduced over it");
    closed("kernel mean(M, N, K) { input X: f32[M, N]\n output Y: f32[M, K]\n"
           "Y[i, k] = sum(j < N) X[i, j] / M }",
           "M", "computes with it");
    closed("kernel shift(M, N, K) { input X: f32[M + 1, N]\n output Y: f32[M, N]\n"
           "Y[i, j] = X[i + 1, j] + K }",
           "M", "another number that depends on it");
    closed("kernel first(M, N, K) { input X: f32[M, N]\n output Y: f32[M, N]\n"
           "Y[i, j] = X[i, j] + X[0, j] * K }",
           "M", "a row of Y is made of other rows of X");
    closed("kernel fixed(M, N, K) { input X: f32[M, N]\n const input W: f32[M, N]\n"
           "output Y: f32[M, N]\n Y[i, j] = X[i, j] + W[i, j] * K }",
           "M", "W is const");
    closed("kernel none(M, N, K) { input X: f32[N, K]\n output Y: f32[N, K]\n"
           "Y[i, j] = X[i, j] + 1 }",
           "M", "no argument depends on it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(left_open),
        cmocka_unit_test(not_left_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
