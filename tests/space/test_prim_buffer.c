/* Primitives on buffers.
 *
 *   consumers of caches
 *   reindex, and caches through an index map
 *   indices kept, copies in place and at a loop
 *   scope, alignment */
#include "tests/space/prim_test.h"

/* Index arithmetic worth keeping. */
#define GATHER                                                                                     \
    "program gather {\n  buffer X: f32[9, 7] input\n  buffer Y: f32[6, 8] output\n"                \
    "  for i in 6 {\n    for j in 8 {\n      block Y(vi: 6 = i, vj: 8 = j) {\n"                    \
    "        Y[vi, vj] = X[(vi + vj) // 2, vj // 2] + X[vi, (vi + vj) // 2 % 7]\n      }\n    }\n" \
    "  }\n}\n"

/* ---- consumers of caches --------------------------------------------------------------------- */

/* The consumer named reads the cache; S is still there for others. */
static void cache_write_for_one(void **state)
{
    (void)state;
    CHECK_EFFECT(MATMUL_BIAS_RELU(5, 4, 3),
                 hone_prim__cache_write_for(&p, block_of(&p, "S"), (hone_stmt[]){block_of(&p, "D")},
                                            1, HONE_GLOBAL, ret, err),
                 "program mbr {\n"
                 "  buffer A: f32[5, 3] input\n"
                 "  buffer B: f32[3, 4] input\n"
                 "  buffer bias: f32[4] input\n"
                 "  buffer D: f32[5, 4] output\n"
                 "  buffer C: f32[5, 4]\n"
                 "  buffer S: f32[5, 4]\n"
                 "  buffer S_global: f32[5, 4]\n"
                 "  for i in 5 {\n"
                 "    for j in 4 {\n"
                 "      for k in 3 {\n"
                 "        block C(vi: 5 = i, vj: 4 = j, reduce vk: 3 = k) {\n"
                 "          init 0.0\n"
                 "          C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"
                 "        }\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "  for i_1 in 5 {\n"
                 "    for j_1 in 4 {\n"
                 "      block S(vi: 5 = i_1, vj: 4 = j_1) {\n"
                 "        S_global[vi, vj] = C[vi, vj] + bias[vj]\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "  for ax0 in 5 {\n"
                 "    for ax1 in 4 {\n"
                 "      block S_global(v0: 5 = ax0, v1: 4 = ax1) {\n"
                 "        S[v0, v1] = S_global[v0, v1]\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "  for i_2 in 5 {\n"
                 "    for j_2 in 4 {\n"
                 "      block D(vi: 5 = i_2, vj: 4 = j_2) {\n"
                 "        D[vi, vj] = max(S_global[vi, vj], 0.0)\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "}\n");
}

/* All readers of X, or those named, and no others. */
static void cache_read_for_some(void **state)
{
    (void)state;
    const char *text = "program three {\n"
                       "  buffer X: f32[8] input\n  buffer Y: f32[8] output\n"
                       "  buffer Z: f32[8] output\n  buffer W: f32[8] output\n"
                       "  for i in 8 { block Y(v: 8 = i) { Y[v] = X[v] + 1.0 } }\n"
                       "  for i in 8 { block Z(v: 8 = i) { Z[v] = X[v] * 2.0 } }\n"
                       "  for i in 8 { block W(v: 8 = i) { W[v] = X[7 - v] } }\n}\n";
    hone_program before = load_program(text);
    for (unsigned chosen = 0; chosen < 8; chosen++) { /* 0: no list, so all */
        hone_program p = copy_program(&before);
        static const char *const names[] = {"Y", "Z", "W"};
        hone_stmt list[3], copy;
        unsigned n = 0;
        for (unsigned b = 0; b < 3; b++)
            if (chosen >> b & 1)
                list[n++] = block_of(&p, names[b]);
        APPLY(
            hone_prim__cache_read_for(&p, block_of(&p, "Z"), 0, list, n, HONE_GLOBAL, &copy, err));
        hone_buffer x = hone_buffer_find(&p, "X"), cache = hone_buffer_find(&p, "X_global");
        for (unsigned b = 0; b < 3; b++) {
            hone_expr value = hone_stmt_at(&p, block_of(&p, names[b]))->value;
            bool redirected = !n || chosen >> b & 1;
            assert_true(hone_uses_buffer(&p, value, cache) == redirected);
            assert_true(hone_uses_buffer(&p, value, x) == !redirected);
        }
        check_same(&before, &p);
        hone_program_fini(&p);
    }
    hone_program_fini(&before);
}

static void consumers_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(5, 4, 3));
    hone_stmt ret, c = block_of(&p, "C"), d = block_of(&p, "D"), s = block_of(&p, "S");
    /* D does not read A. */
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__cache_read_for(&p, c, 0, &d, 1, HONE_GLOBAL, &ret, err));
    /* S would read C before the copy is back, unless it is named. */
    APPLY(hone_prim__reverse_compute_at(&p, s, loop_of(&p, "C", 1), err));
    CHECK_REJECTED(&p, HONE_REJECT_DEPENDENCY,
                   hone_prim__cache_write_for(&p, c, NULL, 0, HONE_GLOBAL, &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_DEPENDENCY,
                   hone_prim__cache_write_for(&p, c, &d, 1, HONE_GLOBAL, &ret, err));
    hone_program before = copy_program(&p);
    APPLY(hone_prim__cache_write_for(&p, c, &s, 1, HONE_GLOBAL, &ret, err));
    check_same(&before, &p);
    hone_program_fini(&before);
    hone_program_fini(&p);
}

/* ---- reindex --------------------------------------------------------------------------------- */

static void reindex_read(void **state)
{
    (void)state;
    CHECK_EFFECT(MATMUL(6, 5, 4), hone_prim__reindex(&p, block_of(&p, "C"), 1, false, ret, err),
                 "program matmul {\n"
                 "  buffer A: f32[6, 4] input\n"
                 "  buffer B: f32[4, 5] input\n"
                 "  buffer C: f32[6, 5] output\n"
                 "  buffer B_reindex: f32[5, 4]\n"
                 "  for ax0 in 5 {\n"
                 "    for ax1 in 4 {\n"
                 "      block B_reindex(v0: 5 = ax0, v1: 4 = ax1) {\n"
                 "        B_reindex[v0, v1] = B[v1, v0]\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "  for i in 6 {\n"
                 "    for j in 5 {\n"
                 "      for k in 4 {\n"
                 "        block C(vi: 6 = i, vj: 5 = j, reduce vk: 4 = k) {\n"
                 "          init 0.0\n"
                 "          C[vi, vj] = C[vi, vj] + A[vi, vk] * B_reindex[vj, vk]\n"
                 "        }\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "}\n");
}

/* Overlapping windows become rows: im2col. */
static void reindex_window(void **state)
{
    (void)state;
    CHECK_EFFECT(STENCIL, hone_prim__reindex(&p, block_of(&p, "Y"), 0, false, ret, err),
                 "program stencil {\n"
                 "  buffer X: f32[19] input\n"
                 "  buffer Y: f32[19] output\n"
                 "  buffer T: f32[21]\n"
                 "  buffer T_reindex: f32[19, 3]\n"
                 "  for i in 21 {\n"
                 "    block T(v: 21 = i) {\n"
                 "      T[v] = select(0 < v and v < 20, X[v - 1], 0.0)\n"
                 "    }\n"
                 "  }\n"
                 "  for ax0 in 19 {\n"
                 "    for ax1 in 3 {\n"
                 "      block T_reindex(v0: 19 = ax0, v1: 3 = ax1) {\n"
                 "        T_reindex[v0, v1] = T[v0 + v1]\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "  for i_1 in 19 {\n"
                 "    for k in 3 {\n"
                 "      block Y(v: 19 = i_1, reduce r: 3 = k) {\n"
                 "        init 0.0\n"
                 "        Y[v] = Y[v] + T_reindex[v, r]\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "}\n");
}

/* What the block guards, the copy leaves out. */
static void reindex_guarded(void **state)
{
    (void)state;
    CHECK_EFFECT(STENCIL, hone_prim__reindex(&p, block_of(&p, "T"), 0, false, ret, err),
                 "program stencil {\n"
                 "  buffer X: f32[19] input\n"
                 "  buffer Y: f32[19] output\n"
                 "  buffer T: f32[21]\n"
                 "  buffer X_reindex: f32[21]\n"
                 "  for ax0 in 21 {\n"
                 "    block X_reindex(v0: 21 = ax0) where 0 < ax0 and ax0 < 20 {\n"
                 "      X_reindex[v0] = X[v0 - 1]\n"
                 "    }\n"
                 "  }\n"
                 "  for i in 21 {\n"
                 "    block T(v: 21 = i) {\n"
                 "      T[v] = select(0 < v and v < 20, X_reindex[v], 0.0)\n"
                 "    }\n"
                 "  }\n"
                 "  for i_1 in 19 {\n"
                 "    for k in 3 {\n"
                 "      block Y(v: 19 = i_1, reduce r: 3 = k) {\n"
                 "        init 0.0\n"
                 "        Y[v] = Y[v] + T[v + r]\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "}\n");
}

static void reindex_write(void **state)
{
    (void)state;
    CHECK_EFFECT(MATMUL(6, 5, 4), hone_prim__reindex(&p, block_of(&p, "C"), 0, true, ret, err),
                 "program matmul {\n"
                 "  buffer A: f32[6, 4] input\n"
                 "  buffer B: f32[4, 5] input\n"
                 "  buffer C: f32[6, 5] output\n"
                 "  buffer C_reindex: f32[6, 5]\n"
                 "  for i in 6 {\n"
                 "    for j in 5 {\n"
                 "      for k in 4 {\n"
                 "        block C(vi: 6 = i, vj: 5 = j, reduce vk: 4 = k) {\n"
                 "          init 0.0\n"
                 "          C_reindex[vi, vj] = C_reindex[vi, vj] + A[vi, vk] * B[vk, vj]\n"
                 "        }\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "  for ax0 in 6 {\n"
                 "    for ax1 in 5 {\n"
                 "      block C_reindex(v0: 6 = ax0, v1: 5 = ax1) {\n"
                 "        C[v0, v1] = C_reindex[v0, v1]\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "}\n");
}

static void reindex_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(GATHER), q = load_program(MATMUL_BIAS_RELU(5, 4, 3));
    hone_stmt ret;
    CHECK_REJECTED(&p, HONE_REJECT_ARG, /* two places of X */
                   hone_prim__reindex(&p, block_of(&p, "Y"), 0, false, &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__reindex(&p, block_of(&p, "Y"), 1, false, &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__reindex(&p, p.root, 0, true, &ret, err));
    APPLY(hone_prim__reverse_compute_at(&q, block_of(&q, "S"), loop_of(&q, "C", 0), err));
    CHECK_REJECTED(&q, HONE_REJECT_DEPENDENCY,
                   hone_prim__reindex(&q, block_of(&q, "S"), 0, false, &ret, err));
    CHECK_REJECTED(&q, HONE_REJECT_DEPENDENCY,
                   hone_prim__reindex(&q, block_of(&q, "C"), 0, true, &ret, err));
    hone_program_fini(&p);
    hone_program_fini(&q);
    p = load_program("program turned {\n  buffer X: f32[8] input\n  buffer Y: f32[8] output\n"
                     "  for i in 8 { block Y(v: 8 = i) { Y[7 - v] = X[v] } }\n}\n");
    CHECK_REJECTED(&p, HONE_REJECT_NOT_AFFINE,
                   hone_prim__reindex(&p, block_of(&p, "Y"), 0, true, &ret, err));
    hone_program_fini(&p);
}

static void reindex_cache_read(void **state)
{
    (void)state;
    CHECK_EFFECT(MATMUL(6, 5, 4),
                 hone_prim__reindex_cache_read(&p, block_of(&p, "C"), 1,
                                               "lambda i, j, k: (j // 2, k, j % 2)",
                                               HONE_SHARED_DYN, ret, err),
                 "program matmul {\n"
                 "  buffer A: f32[6, 4] input\n"
                 "  buffer B: f32[4, 5] input\n"
                 "  buffer C: f32[6, 5] output\n"
                 "  buffer B_shared_dyn: f32[3, 4, 2] shared.dyn\n"
                 "  for ax0 in 5 {\n"
                 "    for ax1 in 4 {\n"
                 "      block B_shared_dyn(v0: 5 = ax0, v1: 4 = ax1) {\n"
                 "        B_shared_dyn[v0 // 2, v1, v0 % 2] = B[v1, v0]\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "  for i in 6 {\n"
                 "    for j in 5 {\n"
                 "      for k in 4 {\n"
                 "        block C(vi: 6 = i, vj: 5 = j, reduce vk: 4 = k) {\n"
                 "          init 0.0\n"
                 "          C[vi, vj] = C[vi, vj] + A[vi, vk] * B_shared_dyn[vj // 2, vk, vj % 2]\n"
                 "        }\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "}\n");
}

static void reindex_cache_write(void **state)
{
    (void)state;
    CHECK_EFFECT(MATMUL(6, 5, 4),
                 hone_prim__reindex_cache_write(&p, block_of(&p, "C"), "lambda i, j, k: (j, i)",
                                                HONE_LOCAL, ret, err),
                 "program matmul {\n"
                 "  buffer A: f32[6, 4] input\n"
                 "  buffer B: f32[4, 5] input\n"
                 "  buffer C: f32[6, 5] output\n"
                 "  buffer C_local: f32[5, 6] local\n"
                 "  for i in 6 {\n"
                 "    for j in 5 {\n"
                 "      for k in 4 {\n"
                 "        block C(vi: 6 = i, vj: 5 = j, reduce vk: 4 = k) {\n"
                 "          init 0.0\n"
                 "          C_local[vj, vi] = C_local[vj, vi] + A[vi, vk] * B[vk, vj]\n"
                 "        }\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "  for ax0 in 6 {\n"
                 "    for ax1 in 5 {\n"
                 "      block C_local(v0: 6 = ax0, v1: 5 = ax1) {\n"
                 "        C[v0, v1] = C_local[v1, v0]\n"
                 "      }\n"
                 "    }\n"
                 "  }\n"
                 "}\n");
}

static void reindex_cache_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL(6, 5, 4));
    hone_stmt ret, c = block_of(&p, "C");
    static const struct {
        hone_status status;
        const char *map;
    } bad[] = {
        {HONE_REJECT_LAYOUT, "lambda i, j, k: (j, j)"},      /* k is lost */
        {HONE_REJECT_LAYOUT, "lambda i, j, k: (i, j, k)"},   /* B does not depend on i */
        {HONE_REJECT_LAYOUT, "lambda j, k: (j, k)"},         /* three iterators */
        {HONE_REJECT_LAYOUT, "lambda i, j, k: (j // 2, k)"}, /* two columns in one place */
        {HONE_REJECT_LAYOUT, "lambda i, j, k: (j + 1, k)"},
        {HONE_E_INPUT, "lambda i, j, k: (j, k"},
    };
    for (unsigned k = 0; k < HONE_LEN(bad); k++)
        CHECK_REJECTED(&p, bad[k].status,
                       hone_prim__reindex_cache_read(&p, c, 1, bad[k].map, HONE_GLOBAL, &ret, err));
    CHECK_REJECTED(
        &p, HONE_REJECT_LAYOUT,
        hone_prim__reindex_cache_write(&p, c, "lambda i, j, k: (i, k)", HONE_GLOBAL, &ret, err));
    hone_program_fini(&p);
}

/* ---- indices, in place, at a loop ------------------------------------------------------------ */

static void cache_index(void **state)
{
    (void)state;
    CHECK_EFFECT(
        GATHER, hone_prim__cache_index(&p, block_of(&p, "Y"), HONE_GLOBAL, 1, ret, 8, &n, err),
        "program gather {\n"
        "  buffer X: f32[9, 7] input\n"
        "  buffer Y: f32[6, 8] output\n"
        "  buffer Y_index_0: i64[6, 8]\n"
        "  buffer Y_index_1: i64[8]\n"
        "  buffer Y_index_2: i64[6, 8]\n"
        "  for ax0 in 6 {\n"
        "    for ax1 in 8 {\n"
        "      block Y_index_0(v0: 6 = ax0, v1: 8 = ax1) {\n"
        "        Y_index_0[v0, v1] = (v0 + v1) // 2\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "  for ax0_1 in 8 {\n"
        "    block Y_index_1(v0: 8 = ax0_1) {\n"
        "      Y_index_1[v0] = v0 // 2\n"
        "    }\n"
        "  }\n"
        "  for ax0_2 in 6 {\n"
        "    for ax1_1 in 8 {\n"
        "      block Y_index_2(v0: 6 = ax0_2, v1: 8 = ax1_1) {\n"
        "        Y_index_2[v0, v1] = (v0 + v1) // 2 % 7\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "  for i in 6 {\n"
        "    for j in 8 {\n"
        "      block Y(vi: 6 = i, vj: 8 = j) {\n"
        "        Y[vi, vj] = X[Y_index_0[vi, vj], Y_index_1[vj]] + X[vi, Y_index_2[vi, vj]]\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "}\n");
}

/* Nothing occurs twice, or nothing is computed: the program stays as it is. */
static void cache_index_threshold(void **state)
{
    (void)state;
    hone_program p = load_program(GATHER), q = load_program(MATMUL(3, 4, 5));
    char *text = program_text(&p);
    hone_stmt ret[8];
    unsigned n = 9;
    APPLY(hone_prim__cache_index(&p, block_of(&p, "Y"), HONE_GLOBAL, 2, ret, 8, &n, err));
    assert_int_equal(n, 0);
    check_text(&p, text);
    free(text);
    text = program_text(&q);
    n = 9;
    APPLY(hone_prim__cache_index(&q, block_of(&q, "C"), HONE_GLOBAL, 0, ret, 8, &n, err));
    assert_int_equal(n, 0);
    check_text(&q, text);
    free(text);
    CHECK_REJECTED(&q, HONE_REJECT_ARG,
                   hone_prim__cache_index(&q, q.root, HONE_GLOBAL, 0, ret, 8, &n, err));
    CHECK_REJECTED(&p, HONE_REJECT_TOO_BIG,
                   hone_prim__cache_index(&p, block_of(&p, "Y"), HONE_GLOBAL, 0, ret, 2, &n, err));
    hone_program_fini(&p);
    hone_program_fini(&q);
}

static void cache_inplace(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL(6, 5, 4));
    hone_stmt init, ret[2];
    /* The block starts the sum itself: there is nothing to copy in. */
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__cache_inplace(&p, block_of(&p, "C"), 0, HONE_GLOBAL, ret, err));
    hone_program q = copy_program(&p);
    APPLY(hone_prim__decompose_reduction(&q, block_of(&q, "C"), loop_of(&q, "C", 2), &init, err));
    CHECK_REJECTED(&q, HONE_REJECT_DEPENDENCY, /* init is in the same nest */
                   hone_prim__cache_inplace(&q, block_of(&q, "C"), 0, HONE_GLOBAL, ret, err));
    hone_program_fini(&q);
    APPLY(hone_prim__decompose_reduction(&p, block_of(&p, "C"), loop_of(&p, "C", 0), &init, err));
    hone_program before = copy_program(&p);
    APPLY(hone_prim__cache_inplace(&p, block_of(&p, "C"), 0, HONE_GLOBAL, ret, err));
    assert_true(HONE_SAME(ret[0], block_of(&p, "C_global")));
    assert_true(HONE_SAME(ret[1], block_of(&p, "C_global_back")));
    check_text(&p, "program matmul {\n"
                   "  buffer A: f32[6, 4] input\n"
                   "  buffer B: f32[4, 5] input\n"
                   "  buffer C: f32[6, 5] output\n"
                   "  buffer C_global: f32[6, 5]\n"
                   "  for ax0 in 6 {\n"
                   "    for ax1 in 5 {\n"
                   "      block C_init(v0: 6 = ax0, v1: 5 = ax1) {\n"
                   "        C[v0, v1] = 0.0\n"
                   "      }\n"
                   "    }\n"
                   "  }\n"
                   "  for ax0_1 in 6 {\n"
                   "    for ax1_1 in 5 {\n"
                   "      block C_global(v0: 6 = ax0_1, v1: 5 = ax1_1) {\n"
                   "        C_global[v0, v1] = C[v0, v1]\n"
                   "      }\n"
                   "    }\n"
                   "  }\n"
                   "  for i in 6 {\n"
                   "    for j in 5 {\n"
                   "      for k in 4 {\n"
                   "        block C(vi: 6 = i, vj: 5 = j, reduce vk: 4 = k) {\n"
                   "          C_global[vi, vj] = C_global[vi, vj] + A[vi, vk] * B[vk, vj]\n"
                   "        }\n"
                   "      }\n"
                   "    }\n"
                   "  }\n"
                   "  for ax0_2 in 6 {\n"
                   "    for ax1_2 in 5 {\n"
                   "      block C_global_back(v0: 6 = ax0_2, v1: 5 = ax1_2) {\n"
                   "        C[v0, v1] = C_global[v0, v1]\n"
                   "      }\n"
                   "    }\n"
                   "  }\n"
                   "}\n");
    end_same(&before, &p);
}

static void read_at(void **state)
{
    (void)state;
    CHECK_EFFECT(
        MATMUL(6, 5, 4),
        hone_prim__read_at(&p, loop_of(&p, "C", 0), block_of(&p, "C"), 0, HONE_LOCAL, ret, err),
        "program matmul {\n"
        "  buffer A: f32[6, 4] input\n"
        "  buffer B: f32[4, 5] input\n"
        "  buffer C: f32[6, 5] output\n"
        "  buffer A_local: f32[6, 4] local\n"
        "  for i in 6 {\n"
        "    for ax0 in 1 {\n"
        "      for ax1 in 4 {\n"
        "        block A_local(v0: 6 = i, v1: 4 = ax1) {\n"
        "          A_local[v0, v1] = A[v0, v1]\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "    for j in 5 {\n"
        "      for k in 4 {\n"
        "        block C(vi: 6 = i, vj: 5 = j, reduce vk: 4 = k) {\n"
        "          init 0.0\n"
        "          C[vi, vj] = C[vi, vj] + A_local[vi, vk] * B[vk, vj]\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "}\n");
}

static void write_at(void **state)
{
    (void)state;
    CHECK_EFFECT(
        MATMUL(6, 5, 4),
        hone_prim__write_at(&p, loop_of(&p, "C", 0), block_of(&p, "C"), HONE_LOCAL, ret, err),
        "program matmul {\n"
        "  buffer A: f32[6, 4] input\n"
        "  buffer B: f32[4, 5] input\n"
        "  buffer C: f32[6, 5] output\n"
        "  buffer C_local: f32[6, 5] local\n"
        "  for i in 6 {\n"
        "    for j in 5 {\n"
        "      for k in 4 {\n"
        "        block C(vi: 6 = i, vj: 5 = j, reduce vk: 4 = k) {\n"
        "          init 0.0\n"
        "          C_local[vi, vj] = C_local[vi, vj] + A[vi, vk] * B[vk, vj]\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "    for ax0 in 1 {\n"
        "      for ax1 in 5 {\n"
        "        block C_local(v0: 6 = i, v1: 5 = ax1) {\n"
        "          C[v0, v1] = C_local[v0, v1]\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "}\n");
}

static void at_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(6, 5, 4));
    hone_stmt ret, c = block_of(&p, "C"), s = block_of(&p, "S");
    hone_stmt outer = loop_of(&p, "C", 0), sum = loop_of(&p, "C", 2);
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__read_at(&p, outer, s, 0, HONE_LOCAL, &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__read_at(&p, outer, c, 2, HONE_LOCAL, &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__write_at(&p, outer, s, HONE_LOCAL, &ret, err));
    /* The sums are not complete inside the loop over k. */
    CHECK_REJECTED(&p, HONE_REJECT_COMPUTE_AT,
                   hone_prim__write_at(&p, sum, c, HONE_LOCAL, &ret, err));
    APPLY(hone_prim__reverse_compute_at(&p, s, outer, err));
    CHECK_REJECTED(&p, HONE_REJECT_DEPENDENCY,
                   hone_prim__read_at(&p, outer, s, 0, HONE_LOCAL, &ret, err));
    /* Inside the loop S reads the copy too. */
    hone_program before = copy_program(&p);
    APPLY(hone_prim__write_at(&p, outer, c, HONE_LOCAL, &ret, err));
    check_same(&before, &p);
    hone_program_fini(&before);
    hone_program_fini(&p);
}

/* ---- scope, alignment ------------------------------------------------------------------------ */

static void scope_and_alignment(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(5, 4, 3)), before = copy_program(&p);
    APPLY(hone_prim__set_scope(&p, block_of(&p, "S"), HONE_SHARED_DYN, err));
    APPLY(hone_prim__storage_align(&p, block_of(&p, "C"), -2, 32, 8, err));
    check_text(
        &p,
        "program mbr {\n"
        "  buffer A: f32[5, 3] input\n"
        "  buffer B: f32[3, 4] input\n"
        "  buffer bias: f32[4] input\n"
        "  buffer D: f32[5, 4] output\n"
        "  buffer C: f32[5, 4]\n"
        "  buffer S: f32[5, 4] shared.dyn\n"
        "  for i in 5 {\n"
        "    for j in 4 {\n"
        "      for k in 3 {\n"
        "        block C(vi: 5 = i, vj: 4 = j, reduce vk: 3 = k) @buffer_dim_align=\"0,0,32,8\" {\n"
        "          init 0.0\n"
        "          C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "  for i_1 in 5 {\n"
        "    for j_1 in 4 {\n"
        "      block S(vi: 5 = i_1, vj: 4 = j_1) {\n"
        "        S[vi, vj] = C[vi, vj] + bias[vj]\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "  for i_2 in 5 {\n"
        "    for j_2 in 4 {\n"
        "      block D(vi: 5 = i_2, vj: 4 = j_2) {\n"
        "        D[vi, vj] = max(S[vi, vj], 0.0)\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "}\n");
    check_same(&before, &p);
    hone_align all[HONE_MAX_DIMS];
    hone_aligns_of(&p, block_of(&p, "C"), all);
    assert_int_equal(all[0].factor, 32);
    assert_int_equal(all[0].offset, 8);
    assert_int_equal(all[1].factor, 0);
    for (int k = 0; k < HONE_SCOPE_COUNT; k++) {
        const char *name = hone_scope_name((hone_scope)k);
        assert_int_equal(hone_scope_parse(name, strlen(name)), k);
        APPLY(hone_prim__set_scope(&p, block_of(&p, "S"), (hone_scope)k, err));
        check_same(&before, &p);
    }
    assert_int_equal(hone_scope_parse("shared.", 7), HONE_SCOPE_COUNT);
    hone_program_fini(&p);
    hone_program_fini(&before);
}

static void scope_and_alignment_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(5, 4, 3));
    hone_stmt d = block_of(&p, "D"), s = block_of(&p, "S");
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__set_scope(&p, d, HONE_LOCAL, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__set_scope(&p, p.root, HONE_LOCAL, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__storage_align(&p, d, 0, 32, 0, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__storage_align(&p, s, 2, 32, 0, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__storage_align(&p, s, -3, 32, 0, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__storage_align(&p, s, 0, 0, 0, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__storage_align(&p, s, 0, 8, 8, err));
    CHECK_REJECTED(&p, HONE_REJECT_LAYOUT, hone_prim__storage_align(&p, s, -1, 8, 0, err));
    hone_program_fini(&p);
}

/* A damaged annotation says what it says up to the damage, and nothing out of range. */
static void damaged_alignment(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0,1,4,1;",        "0,1,4,1;x",       "0,1,4,1;0,8,4,1",
        "0,1,4,1;0,0,4,4", "0,1,4,1;1,0,8,0", "0,1,4,1;0,0,99999999999999999999,0",
    };
    hone_program p = load_program(MATMUL(3, 4, 5));
    hone_align all[HONE_MAX_DIMS];
    for (unsigned k = 0; k < HONE_LEN(texts); k++) {
        hone_ann_set_text(&p, block_of(&p, "C"), HONE_ANN_ALIGN, texts[k]);
        hone_aligns_of(&p, block_of(&p, "C"), all);
        assert_int_equal(all[1].factor, 4);
        assert_int_equal(all[1].offset, 1);
        assert_int_equal(all[0].factor, 0);
    }
    hone_ann_set(&p, block_of(&p, "C"), HONE_ANN_ALIGN, 3);
    hone_aligns_of(&p, block_of(&p, "C"), all);
    assert_int_equal(all[1].factor, 0);
    hone_program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cache_write_for_one),
        cmocka_unit_test(cache_read_for_some),
        cmocka_unit_test(consumers_rejected),
        cmocka_unit_test(reindex_read),
        cmocka_unit_test(reindex_window),
        cmocka_unit_test(reindex_guarded),
        cmocka_unit_test(reindex_write),
        cmocka_unit_test(reindex_rejected),
        cmocka_unit_test(reindex_cache_read),
        cmocka_unit_test(reindex_cache_write),
        cmocka_unit_test(reindex_cache_rejected),
        cmocka_unit_test(cache_index),
        cmocka_unit_test(cache_index_threshold),
        cmocka_unit_test(cache_inplace),
        cmocka_unit_test(read_at),
        cmocka_unit_test(write_at),
        cmocka_unit_test(at_rejected),
        cmocka_unit_test(scope_and_alignment),
        cmocka_unit_test(scope_and_alignment_rejected),
        cmocka_unit_test(damaged_alignment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
