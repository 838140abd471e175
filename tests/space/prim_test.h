/* For tests of primitives: programs from text, golden text, and equality of what programs compute.
 */
#ifndef HONE_TESTS_SPACE_PRIM_TEST_H
#define HONE_TESTS_SPACE_PRIM_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "targets/target.h"
#include "space/prim/prim.h"

/* A machine like many, for what asks for one. */
static const hone_target some_cpu = {.triple = "x86_64-pc-linux-gnu",
                                     .cpu = "x86-64",
                                     .cores = 2,
                                     .vector_bytes = 64,
                                     .vector_registers = 32,
                                     .fma_latency = 4,
                                     .fma_per_cycle = 1,
                                     .cache_line = 64,
                                     .l1_bytes = 32 << 10,
                                     .l2_bytes = 1 << 20};

static inline hone_program load_program(const char *text)
{
    hone_program p;
    hone_error err;
    if (hone_program_parse(text, strlen(text), &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    if (hone_verify(&p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return p;
}

static inline hone_program copy_program(const hone_program *p)
{
    hone_program q = {0};
    hone_program_copy(&q, p);
    return q;
}

static inline char *program_text(const hone_program *p)
{
    hone_buf b = {0};
    hone_program_print(p, &b);
    return hone_buf_take(&b);
}

static inline void check_text(const hone_program *p, const char *expected)
{
    char *text = program_text(p);
    if (strcmp(text, expected) != 0) {
        fprintf(stderr, "\n--- got\n%s--- expected\n%s\n", text, expected); /* fail_msg cuts */
        fail();
    }
    free(text);
}

/* Verified, and its text reads back as the same text and hash. */
static inline void check_sound(hone_program *p)
{
    hone_error err;
    char *text = program_text(p);
    if (hone_verify(p, &err) != HONE_OK)
        fail_msg("%s in\n%s", err.message, text);
    hone_program q;
    if (hone_program_parse(text, strlen(text), &q, &err) != HONE_OK)
        fail_msg("%s in\n%s", err.message, text);
    char *again = program_text(&q);
    assert_string_equal(text, again);
    assert_true(hone_program_hash(p) == hone_program_hash(&q));
    hone_program_fini(&q);
    free(again);
    free(text);
}

#define MAX_ARGS 8

/* Inputs are small integers, so that sums are exact in any order; outputs start as 77. */
static inline void make_args(const hone_program *p, void *args[MAX_ARGS])
{
    hone_rng rng;
    hone_rng_seed(&rng, 5);
    unsigned n = hone_program_n_args(p);
    assert_true(n <= MAX_ARGS);
    for (unsigned k = 0; k < n; k++) {
        hone_buffer b = {k + 1};
        const hone_buffer_row *row = hone_buffer_at(p, b);
        int64_t count = hone_buffer_count(p, b);
        args[k] = hone_xcalloc((size_t)count, (size_t)hone_dtype_bytes((hone_dtype)row->dtype));
        for (int64_t e = 0; e < count; e++)
            hone_elem_set((hone_dtype)row->dtype, args[k], e,
                          row->role == HONE_INPUT ? (double)hone_rng_below(&rng, 9) - 4 : 77);
    }
}

/* Both programs, of the same arguments, compute the same bits. Returns false and says why in text.
 */
static inline bool computes_same(const hone_program *a, const hone_program *b, char text[400])
{
    void *x[MAX_ARGS], *y[MAX_ARGS];
    hone_error err;
    bool same = true;
    make_args(a, x);
    make_args(b, y);
    if (hone_interp_run(a, x, &err) != HONE_OK || hone_interp_run(b, y, &err) != HONE_OK) {
        snprintf(text, 400, "%.390s", err.message);
        same = false;
    }
    for (unsigned k = 0; k < hone_program_n_args(a); k++) {
        hone_buffer_row row = *hone_buffer_at(a, (hone_buffer){k + 1});
        int64_t n = hone_buffer_count(a, (hone_buffer){k + 1});
        for (int64_t e = 0; e < n && same; e++) {
            double u = hone_elem_get((hone_dtype)row.dtype, x[k], e);
            double v = hone_elem_get((hone_dtype)row.dtype, y[k], e);
            if (u != v) {
                snprintf(text, 400, "element %d of argument %u is %g, not %g", (int)e, k, v, u);
                same = false;
            }
        }
        free(x[k]);
        free(y[k]);
    }
    return same;
}

static inline void check_same(const hone_program *a, hone_program *b)
{
    char why[400];
    check_sound(b);
    if (!computes_same(a, b, why))
        fail_msg("%s in\n%s", why, program_text(b));
}

/* The end of a test: p, made of base, computes the same. */
static inline void end_same(hone_program *base, hone_program *p)
{
    check_same(base, p);
    hone_program_fini(p);
    hone_program_fini(base);
}

static inline hone_stmt block_of(const hone_program *p, const char *name)
{
    hone_stmt b = hone_block_find(p, name);
    if (!b.i)
        fail_msg("no block %s in\n%s", name, program_text(p));
    return b;
}

/* The k-th loop around a block, outermost first. */
static inline hone_stmt loop_of(const hone_program *p, const char *block, unsigned k)
{
    hone_stmt loops[32];
    unsigned n = hone_loops_of(p, block_of(p, block), loops, 32);
    if (k >= n)
        fail_msg("no loop %u around %s in\n%s", k, block, program_text(p));
    return loops[k];
}

/* Splits the k-th loop around a block. */
static inline void split_loop(hone_program *p, const char *block, unsigned k, int64_t f0,
                              int64_t f1)
{
    int64_t f[2] = {f0, f1};
    hone_stmt ret[2];
    assert_int_equal(hone_prim__split(p, loop_of(p, block, k), f, 2, ret, NULL), HONE_OK);
}

/* Reorders the loops around a block, given by their places now; all of them, outermost first. */
static inline void reorder_loops(hone_program *p, const char *block, const unsigned *order,
                                 unsigned n)
{
    hone_stmt loops[16];
    for (unsigned k = 0; k < n; k++)
        loops[k] = loop_of(p, block, order[k]);
    assert_int_equal(hone_prim__reorder(p, loops, n, NULL), HONE_OK);
}
#define REORDER(p, block, ...) \
    reorder_loops(p, block, (unsigned[]){__VA_ARGS__}, HONE_LEN(((unsigned[]){__VA_ARGS__})))

/* The call is refused with this status and leaves the program as it was. */
#define CHECK_REJECTED(p, status, call)             \
    do {                                            \
        uint64_t hash_ = hone_program_hash(p);      \
        char *text_ = program_text(p), *after_;     \
        hone_error err_;                            \
        hone_error_clear(&err_);                    \
        hone_error *err = &err_;                    \
        assert_int_equal(call, status);             \
        assert_true(err_.message[0] != '\0');       \
        assert_true(hone_program_hash(p) == hash_); \
        after_ = program_text(p);                   \
        assert_string_equal(text_, after_);         \
        free(text_);                                \
        free(after_);                               \
    } while (0)

#define APPLY(call)                                                             \
    do {                                                                        \
        hone_error err_ = {0};                                                  \
        hone_error *err = &err_;                                                \
        hone_status st_ = (call);                                               \
        if (st_ != HONE_OK)                                                     \
            fail_msg("%s: %s: %s", #call, hone_status_name(st_), err_.message); \
    } while (0)

/* The effect of a call on a program as text; nothing else changes. */
#define CHECK_EFFECT(program, call, ...)                                 \
    do {                                                                 \
        hone_program p = load_program(program), base = copy_program(&p); \
        hone_stmt ret[8];                                                \
        unsigned n = 0;                                                  \
        (void)ret;                                                       \
        (void)n;                                                         \
        APPLY(call);                                                     \
        check_text(&p, __VA_ARGS__);                                     \
        end_same(&base, &p);                                             \
    } while (0)

/* ---- programs -------------------------------------------------------------------------------- */

#define MATMUL(M, N, K)                                                          \
    "program matmul {\n"                                                         \
    "  buffer A: f32[" #M ", " #K "] input\n"                                    \
    "  buffer B: f32[" #K ", " #N "] input\n"                                    \
    "  buffer C: f32[" #M ", " #N "] output\n"                                   \
    "  for i in " #M " {\n"                                                      \
    "    for j in " #N " {\n"                                                    \
    "      for k in " #K " {\n"                                                  \
    "        block C(vi: " #M " = i, vj: " #N " = j, reduce vk: " #K " = k) {\n" \
    "          init 0.0\n"                                                       \
    "          C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"                  \
    "        }\n      }\n    }\n  }\n}\n"

/* relu(A B + bias) in three stages. */
#define MATMUL_BIAS_RELU(M, N, K)                                                \
    "program mbr {\n"                                                            \
    "  buffer A: f32[" #M ", " #K "] input\n"                                    \
    "  buffer B: f32[" #K ", " #N "] input\n"                                    \
    "  buffer bias: f32[" #N "] input\n"                                         \
    "  buffer D: f32[" #M ", " #N "] output\n"                                   \
    "  buffer C: f32[" #M ", " #N "]\n"                                          \
    "  buffer S: f32[" #M ", " #N "]\n"                                          \
    "  for i in " #M " {\n"                                                      \
    "    for j in " #N " {\n"                                                    \
    "      for k in " #K " {\n"                                                  \
    "        block C(vi: " #M " = i, vj: " #N " = j, reduce vk: " #K " = k) {\n" \
    "          init 0.0\n"                                                       \
    "          C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"                  \
    "        }\n      }\n    }\n  }\n"                                           \
    "  for i_1 in " #M " {\n"                                                    \
    "    for j_1 in " #N " {\n"                                                  \
    "      block S(vi: " #M " = i_1, vj: " #N " = j_1) {\n"                      \
    "        S[vi, vj] = C[vi, vj] + bias[vj]\n"                                 \
    "      }\n    }\n  }\n"                                                      \
    "  for i_2 in " #M " {\n"                                                    \
    "    for j_2 in " #N " {\n"                                                  \
    "      block D(vi: " #M " = i_2, vj: " #N " = j_2) {\n"                      \
    "        D[vi, vj] = max(S[vi, vj], 0.0)\n"                                  \
    "      }\n    }\n  }\n}\n"

/* A stencil of two stages: T is X shifted and padded, Y sums three neighbours of T. */
#define STENCIL                                              \
    "program stencil {\n"                                    \
    "  buffer X: f32[19] input\n"                            \
    "  buffer Y: f32[19] output\n"                           \
    "  buffer T: f32[21]\n"                                  \
    "  for i in 21 {\n"                                      \
    "    block T(v: 21 = i) {\n"                             \
    "      T[v] = select(0 < v and v < 20, X[v - 1], 0.0)\n" \
    "    }\n  }\n"                                           \
    "  for i_1 in 19 {\n"                                    \
    "    for k in 3 {\n"                                     \
    "      block Y(v: 19 = i_1, reduce r: 3 = k) {\n"        \
    "        init 0.0\n"                                     \
    "        Y[v] = Y[v] + T[v + r]\n"                       \
    "      }\n    }\n  }\n}\n"

#endif
