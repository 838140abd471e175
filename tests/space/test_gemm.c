/* Whole schedules made of primitives alone: the kernels that libraries write by hand, and random
 * ones. What they compute is compared with the unscheduled program, bit by bit. */
#include "tests/space/prim_test.h"

/* Loops of a block by name. */
static hone_stmt loop_named(const hone_program *p, const char *block, const char *name)
{
    hone_stmt loops[32];
    unsigned n = hone_loops_of(p, block_of(p, block), loops, 32);
    for (unsigned k = 0; k < n; k++) {
        if (!strcmp(hone_sym_text(p, hone_stmt_at(p, loops[k])->name), name))
            return loops[k];
    }
    fail_msg("no loop %s around %s in\n%s", name, block, program_text(p));
    return HONE_NO_STMT;
}

static void order_loops(hone_program *p, const char *block, const char *const *names, unsigned n)
{
    hone_stmt loops[16];
    for (unsigned k = 0; k < n; k++)
        loops[k] = loop_named(p, block, names[k]);
    APPLY(hone_prim__reorder(p, loops, n, err));
}
#define ORDER(p, block, ...)                                  \
    order_loops(p, block, (const char *const[]){__VA_ARGS__}, \
                HONE_LEN(((const char *const[]){__VA_ARGS__})))

static void split_named(hone_program *p, const char *block, const char *name, int64_t inner)
{
    int64_t f[2] = {0, inner};
    hone_stmt ret[2];
    APPLY(hone_prim__split(p, loop_named(p, block, name), f, 2, ret, err));
}

/* The matmul of BLIS (Van Zee and van de Geijn, 2015) over block C: panels of B packed for a block
 * of k, rows of A copied, the tile of C in registers while k0 runs outside. */
static void blis(hone_program *p)
{
    hone_stmt pack, rows, tile[2];
    int64_t nr = 32;
    split_named(p, "C", "i", 14);
    split_named(p, "C", "j", nr);
    split_named(p, "C", "k", 8);
    ORDER(p, "C", "j_0", "k_0", "i_0", "k_1", "i_1", "j_1");
    APPLY(hone_prim__cache_read(p, block_of(p, "C"), 1, HONE_GLOBAL, &pack, err));
    APPLY(hone_prim__transform_layout(p, pack, "lambda k, j: (j // v0, k, j % v0)", &nr, 1, err));
    APPLY(hone_prim__compute_at(p, pack, loop_named(p, "C", "k_0"), err));
    APPLY(hone_prim__cache_accumulate(p, block_of(p, "C"), loop_named(p, "C", "i_0"), HONE_LOCAL,
                                      tile, err));
    APPLY(hone_prim__cache_read(p, block_of(p, "C"), 1, HONE_GLOBAL, &rows, err));
    APPLY(hone_prim__compute_at(p, rows, loop_named(p, "C", "i_0"), err));
}

static void blis_matmul_odd(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL(37, 53, 29)), before = copy_program(&p);
    blis(&p);
    check_text(
        &p, "program matmul {\n"
            "  buffer A: f32[37, 29] input\n"
            "  buffer B: f32[29, 53] input\n"
            "  buffer C: f32[37, 53] output\n"
            "  buffer B_global: f32[2, 29, 32]\n"
            "  buffer C_local: f32[37, 53] local\n"
            "  buffer A_global: f32[37, 29]\n"
            "  for j_0 in 2 {\n"
            "    for k_0 in 4 {\n"
            "      for ax0 in 1 {\n"
            "        for ax1 in 8 {\n"
            "          for ax2 in 32 {\n"
            "            block B_global(v0: 2 = j_0, v1: 29 = k_0*8 + ax1, v2: 32 = ax2) where "
            "k_0*8 + ax1 < 29 and j_0*32 + ax2 < 53 {\n"
            "              B_global[v0, v1, v2] = B[v1, v0*32 + v2]\n"
            "            }\n"
            "          }\n"
            "        }\n"
            "      }\n"
            "      for i_0 in 3 {\n"
            "        for ax0_1 in 14 {\n"
            "          for ax1_1 in 32 {\n"
            "            block C_local_load(v0: 37 = i_0*14 + ax0_1, v1: 53 = j_0*32 + ax1_1, "
            "reduce v2: 25 = k_0*8) where i_0*14 + ax0_1 < 37 and j_0*32 + ax1_1 < 53 {\n"
            "              C_local[v0, v1] = select(v2 == 0, 0.0, C[v0, v1])\n"
            "            }\n"
            "          }\n"
            "        }\n"
            "        for ax0_2 in 14 {\n"
            "          for ax1_2 in 8 {\n"
            "            block A_global(v0: 37 = i_0*14 + ax0_2, v1: 29 = k_0*8 + ax1_2) where "
            "i_0*14 + ax0_2 < 37 and k_0*8 + ax1_2 < 29 {\n"
            "              A_global[v0, v1] = A[v0, v1]\n"
            "            }\n"
            "          }\n"
            "        }\n"
            "        for k_1 in 8 {\n"
            "          for i_1 in 14 {\n"
            "            for j_1 in 32 {\n"
            "              block C(vi: 37 = i_0*14 + i_1, vj: 53 = j_0*32 + j_1, reduce vk: 29 = "
            "k_0*8 + k_1) where i_0*14 + i_1 < 37 and j_0*32 + j_1 < 53 and k_0*8 + k_1 < 29 {\n"
            "                C_local[vi, vj] = C_local[vi, vj] + A_global[vi, vk] * B_global[vj // "
            "32, vk, vj % 32]\n"
            "              }\n"
            "            }\n"
            "          }\n"
            "        }\n"
            "        for ax0_3 in 14 {\n"
            "          for ax1_3 in 32 {\n"
            "            block C_local_store(v0: 37 = i_0*14 + ax0_3, v1: 53 = j_0*32 + ax1_3, "
            "reduce v2: 25 = k_0*8) where i_0*14 + ax0_3 < 37 and j_0*32 + ax1_3 < 53 {\n"
            "              C[v0, v1] = C_local[v0, v1]\n"
            "            }\n"
            "          }\n"
            "        }\n"
            "      }\n"
            "    }\n"
            "  }\n"
            "}\n");
    end_same(&before, &p);
}

static void blis_matmul_even(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL(32, 64, 16)), before = copy_program(&p);
    blis(&p);
    check_same(&before, &p);
    /* j and the panels are exact: no guard but that of the rows. */
    assert_false(hone_stmt_at(&p, block_of(&p, "B_global"))->where.i);
    hone_program_fini(&p);
    hone_program_fini(&before);
}

/* bias and relu after the last block of k. */
static void blis_epilogue(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(37, 53, 29)), before = copy_program(&p);
    blis(&p);
    CHECK_REJECTED(
        &p, HONE_REJECT_COMPUTE_AT,
        hone_prim__reverse_compute_at(&p, block_of(&p, "S"), loop_named(&p, "C", "i_0"), err));
    APPLY(hone_prim__compute_inline(&p, block_of(&p, "S"), err));
    APPLY(hone_prim__reverse_compute_at(&p, block_of(&p, "D"), loop_named(&p, "C", "j_0"), err));
    end_same(&before, &p);
}

/* With k inside, each tile is finished when it is stored. */
static void epilogue_per_tile(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(37, 53, 29)), before = copy_program(&p);
    hone_stmt tile[2], init;
    split_named(&p, "C", "i", 14);
    split_named(&p, "C", "j", 32);
    ORDER(&p, "C", "j_0", "i_0", "k", "i_1", "j_1");
    APPLY(hone_prim__cache_accumulate(&p, block_of(&p, "C"), loop_named(&p, "C", "i_0"), HONE_LOCAL,
                                      tile, err));
    APPLY(hone_prim__reverse_compute_at(&p, block_of(&p, "S"), loop_named(&p, "C", "i_0"), err));
    APPLY(hone_prim__reverse_compute_at(&p, block_of(&p, "D"), loop_named(&p, "C", "i_0"), err));
    check_same(&before, &p);
    APPLY(hone_prim__reverse_compute_inline(&p, block_of(&p, "D"), err));
    APPLY(hone_prim__reverse_compute_inline(&p, block_of(&p, "S"), err));
    check_same(&before, &p);
    hone_program_fini(&p);

    /* The same by cache_write, with the sum's start taken out. */
    p = copy_program(&before);
    split_named(&p, "C", "i", 14);
    split_named(&p, "C", "j", 32);
    ORDER(&p, "C", "j_0", "i_0", "k", "i_1", "j_1");
    APPLY(hone_prim__cache_write(&p, block_of(&p, "C"), HONE_LOCAL, &tile[0], err));
    APPLY(hone_prim__reverse_compute_at(&p, tile[0], loop_named(&p, "C", "i_0"), err));
    APPLY(hone_prim__decompose_reduction(&p, block_of(&p, "C"), loop_named(&p, "C", "k"), &init,
                                         err));
    APPLY(hone_prim__reverse_compute_inline(&p, block_of(&p, "S"), err));
    end_same(&before, &p);
}

/* 3 by 3, stride 1, padding 1. */
#define CONV2D                                                                          \
    "program conv2d {\n"                                                                \
    "  buffer X: f32[1, 7, 9, 5] input\n"                                               \
    "  buffer W: f32[3, 3, 5, 10] input const\n"                                        \
    "  buffer Y: f32[1, 7, 9, 10] output\n"                                             \
    "  buffer P: f32[1, 9, 11, 5]\n"                                                    \
    "  for pn in 1 {\n    for ph in 9 {\n      for pw in 11 {\n        for pc in 5 {\n" \
    "          block P(n: 1 = pn, h: 9 = ph, w: 11 = pw, c: 5 = pc) {\n"                \
    "            P[n, h, w, c] = select(0 < h and h < 8 and 0 < w and w < 10, "         \
    "X[n, h - 1, w - 1, c], 0.0)\n"                                                     \
    "          }\n        }\n      }\n    }\n  }\n"                                     \
    "  for n in 1 {\n  for h in 7 {\n  for w in 9 {\n  for o in 10 {\n"                 \
    "  for r in 3 {\n  for s in 3 {\n  for c in 5 {\n"                                  \
    "    block Y(vn: 1 = n, vh: 7 = h, vw: 9 = w, vo: 10 = o, "                         \
    "reduce vr: 3 = r, reduce vs: 3 = s, reduce vc: 5 = c) {\n"                         \
    "      init 0.0\n"                                                                  \
    "      Y[vn, vh, vw, vo] = Y[vn, vh, vw, vo] + P[vn, vh + vr, vw + vs, vc] * "      \
    "W[vr, vs, vc, vo]\n"                                                               \
    "    }\n  }\n  }\n  }\n  }\n  }\n  }\n  }\n}\n"

static void blocked_conv2d(void **state)
{
    (void)state;
    hone_program p = load_program(CONV2D), before = copy_program(&p);
    hone_stmt pack, tile[2];
    int64_t nr = 4;
    split_named(&p, "Y", "w", 4);
    split_named(&p, "Y", "o", nr);
    split_named(&p, "Y", "c", 3);
    ORDER(&p, "Y", "n", "o_0", "c_0", "h", "w_0", "r", "s", "c_1", "w_1", "o_1");
    APPLY(hone_prim__cache_read(&p, block_of(&p, "Y"), 1, HONE_GLOBAL, &pack, err));
    APPLY(hone_prim__transform_layout(&p, pack, "lambda r, s, c, o: (o // v0, r, s, c, o % v0)",
                                      &nr, 1, err));
    APPLY(hone_prim__cache_accumulate(&p, block_of(&p, "Y"), loop_named(&p, "Y", "w_0"), HONE_LOCAL,
                                      tile, err));
    for (unsigned at = 0; at < 5; at++) {
        static const char *const places[] = {"n", "o_0", "c_0", "h", "w_0"};
        hone_program q = copy_program(&p);
        APPLY(hone_prim__compute_at(&q, block_of(&q, "P"), loop_named(&q, "Y", places[at]), err));
        check_same(&before, &q);
        APPLY(hone_prim__compute_at(&q, pack, loop_named(&q, "Y", "c_0"), err));
        check_same(&before, &q);
        hone_program_fini(&q);
    }
    APPLY(hone_prim__compute_inline(&p, block_of(&p, "P"), err));
    end_same(&before, &p);
}

/* ---- random schedules ------------------------------------------------------------------------ */

/* Two reductions in a row, with an elementwise stage between and two readers of one buffer. */
#define ROWS                                            \
    "program rows {\n"                                  \
    "  buffer X: f32[5, 11] input\n"                    \
    "  buffer Y: f32[5, 11] output\n"                   \
    "  buffer M: f32[5]\n"                              \
    "  buffer E: f32[5, 11]\n"                          \
    "  buffer Z: f32[5]\n"                              \
    "  for i in 5 {\n    for j in 11 {\n"               \
    "      block M(v: 5 = i, reduce w: 11 = j) {\n"     \
    "        init -100.0\n"                             \
    "        M[v] = max(M[v], X[v, w])\n"               \
    "      }\n    }\n  }\n"                             \
    "  for i_1 in 5 {\n    for j_1 in 11 {\n"           \
    "      block E(v: 5 = i_1, w: 11 = j_1) {\n"        \
    "        E[v, w] = X[v, w] - M[v]\n"                \
    "      }\n    }\n  }\n"                             \
    "  for i_2 in 5 {\n    for j_2 in 11 {\n"           \
    "      block Z(v: 5 = i_2, reduce w: 11 = j_2) {\n" \
    "        init 0.0\n"                                \
    "        Z[v] = Z[v] + E[v, w]\n"                   \
    "      }\n    }\n  }\n"                             \
    "  for i_3 in 5 {\n    for j_3 in 11 {\n"           \
    "      block Y(v: 5 = i_3, w: 11 = j_3) {\n"        \
    "        Y[v, w] = E[v, w] + Z[v] * 2.0\n"          \
    "      }\n    }\n  }\n}\n"

/* A small convolution, so that random schedules of it run fast. */
#define SMALL_CONV                                                              \
    "program conv1d {\n"                                                        \
    "  buffer X: f32[9, 3] input\n"                                             \
    "  buffer W: f32[3, 3, 5] input\n"                                          \
    "  buffer B: f32[5] input\n"                                                \
    "  buffer R: f32[9, 5] output\n"                                            \
    "  buffer P: f32[11, 3]\n"                                                  \
    "  buffer Y: f32[9, 5]\n"                                                   \
    "  for pw in 11 {\n    for pc in 3 {\n"                                     \
    "      block P(w: 11 = pw, c: 3 = pc) {\n"                                  \
    "        P[w, c] = select(0 < w and w < 10, X[w - 1, c], 0.0)\n"            \
    "      }\n    }\n  }\n"                                                     \
    "  for w in 9 {\n  for o in 5 {\n  for s in 3 {\n  for c in 3 {\n"          \
    "    block Y(vw: 9 = w, vo: 5 = o, reduce vs: 3 = s, reduce vc: 3 = c) {\n" \
    "      init 0.0\n"                                                          \
    "      Y[vw, vo] = Y[vw, vo] + P[vw + vs, vc] * W[vs, vc, vo]\n"            \
    "    }\n  }\n  }\n  }\n  }\n"                                               \
    "  for w_1 in 9 {\n  for o_1 in 5 {\n"                                      \
    "    block R(vw: 9 = w_1, vo: 5 = o_1) {\n"                                 \
    "      R[vw, vo] = max(Y[vw, vo] + B[vo], 0.0)\n"                           \
    "    }\n  }\n  }\n}\n"

typedef struct trial {
    hone_program p;
    hone_rng rng;
    hone_buf log; /* one line per primitive that was applied */
    unsigned applied[16], refused[16];
} trial;

static uint64_t pick(trial *t, uint64_t n)
{
    return hone_rng_below(&t->rng, n);
}

static hone_stmt random_stmt(trial *t, bool loop)
{
    hone_stmt found[256];
    unsigned n = 0;
    for (hone_stmt s = t->p.root; s.i && n < 256; s = hone_next(&t->p, t->p.root, s)) {
        if (loop ? hone_is_loop(&t->p, s) : hone_stmt_at(&t->p, s)->out.i != 0)
            found[n++] = s;
    }
    return found[pick(t, n)];
}

/* A block that reads what `block` writes (or writes what it reads), if there is one. */
static hone_stmt neighbour(trial *t, hone_stmt block, bool reader)
{
    hone_stmt found[256];
    unsigned n = 0;
    for (hone_stmt s = t->p.root; s.i && n < 256; s = hone_next(&t->p, t->p.root, s)) {
        const hone_stmt_row *from = hone_stmt_at(&t->p, reader ? block : s);
        const hone_stmt_row *to = hone_stmt_at(&t->p, reader ? s : block);
        if (from->out.i && to->out.i && hone_uses_buffer(&t->p, to->value, from->out))
            found[n++] = s;
    }
    return n ? found[pick(t, n)] : block;
}

/* Half the time a loop around the block, else any. */
static hone_stmt loop_for(trial *t, hone_stmt block)
{
    hone_stmt loops[64];
    unsigned n = hone_loops_of(&t->p, block, loops, 64);
    return n && n <= 64 && pick(t, 2) ? loops[pick(t, n)] : random_stmt(t, true);
}

static const char *label(const hone_program *p, hone_stmt s)
{
    return hone_sym_text(p, hone_stmt_at(p, s)->name);
}

static hone_status random_layout(trial *t, hone_stmt block)
{
    unsigned n = hone_buffer_at(&t->p, hone_stmt_at(&t->p, block)->out)->n_dims;
    if (n > 5)
        return HONE_REJECT_LAYOUT;
    char map[200] = "lambda ";
    size_t at = strlen(map);
    for (unsigned d = 0; d < n; d++)
        at += (size_t)snprintf(map + at, sizeof map - at, "%sd%u", d ? ", " : "", d);
    unsigned cut = (unsigned)pick(t, n);
    int64_t c = 1 + (int64_t)pick(t, 5);
    at += (size_t)snprintf(map + at, sizeof map - at, ": (d%u // v0", cut);
    for (unsigned d = 0; d < n; d++) {
        if (d != cut)
            at += (size_t)snprintf(map + at, sizeof map - at, ", d%u", d);
    }
    snprintf(map + at, sizeof map - at, ", d%u %% v0)", cut);
    hone_buf_printf(&t->log, " %s v0=%d", map, (int)c);
    return hone_prim__transform_layout(&t->p, block, map, &c, 1, NULL);
}

/* A parallel loop may as well run backwards. */
static hone_status random_parallel(trial *t, hone_stmt loop, const hone_program *base)
{
    hone_program *p = &t->p;
    hone_status s = hone_prim__set_loop_kind(p, loop, HONE_PARALLEL, NULL);
    if (s != HONE_OK)
        return s;
    hone_program q = copy_program(p);
    hone_var v = hone_stmt_at(&q, loop)->var;
    hone_expr back = hone_binary(&q, HONE_OP_SUB, hone_int(&q, hone_loop_extent(&q, loop) - 1),
                                 hone_var_expr(&q, v));
    hone_stmt_substitute(&q, loop, &v, &back, 1);
    char why[400];
    if (!computes_same(base, &q, why))
        fail_msg("backwards: %s after\n%s\n%s", why, t->log.s, program_text(p));
    hone_program_fini(&q);
    return s;
}

static hone_status random_reorder(trial *t, hone_stmt block)
{
    hone_stmt loops[64];
    unsigned n = hone_loops_of(&t->p, block, loops, 64);
    if (n < 2 || n > 64)
        return HONE_REJECT_NOT_CHAIN;
    unsigned first = (unsigned)pick(t, n - 1), count = 2 + (unsigned)pick(t, n - first - 1);
    for (unsigned k = 0; k < count; k++) {
        unsigned other = (unsigned)pick(t, count);
        hone_stmt x = loops[first + k];
        loops[first + k] = loops[first + other];
        loops[first + other] = x;
    }
    return hone_prim__reorder(&t->p, loops + first, count, NULL);
}

static const char *const ops[] = {"split",
                                  "fuse",
                                  "reorder",
                                  "cache_read",
                                  "cache_write",
                                  "cache_accumulate",
                                  "compute_at",
                                  "reverse_compute_at",
                                  "compute_inline",
                                  "reverse_compute_inline",
                                  "decompose_reduction",
                                  "transform_layout",
                                  "parallel"};

static hone_status random_op(trial *t, unsigned op, const hone_program *base)
{
    hone_program *p = &t->p;
    hone_stmt block = random_stmt(t, false), around = block, ret[8];
    if (op == 6 || op == 7)
        around = neighbour(t, block, op == 6);
    hone_stmt loop = loop_for(t, around);
    int64_t f[3] = {0, 1 + (int64_t)pick(t, 4), 1 + (int64_t)pick(t, 3)};
    unsigned parts = 2 + (unsigned)pick(t, 2), index = (unsigned)pick(t, 3);
    hone_scope scope = (hone_scope)pick(t, 2);
    hone_buf_printf(&t->log, "%s %s %s %d %d", ops[op], label(p, block), label(p, loop), (int)f[1],
                    (int)f[2]);
    switch (op) {
    case 0:
        return hone_prim__split(p, loop, f, parts, ret, NULL);
    case 1:
        ret[0] = loop;
        ret[1] = hone_stmt_at(p, loop)->first;
        return hone_prim__fuse(p, ret, 2, &ret[2], NULL);
    case 2:
        return random_reorder(t, block);
    case 3:
        return hone_prim__cache_read(p, block, index, scope, ret, NULL);
    case 4:
        return hone_prim__cache_write(p, block, scope, ret, NULL);
    case 5:
        return hone_prim__cache_accumulate(p, block, loop, scope, ret, NULL);
    case 6: {
        bool can = hone_prim__can_compute_at(p, block, loop);
        hone_status s = hone_prim__compute_at(p, block, loop, NULL);
        assert_int_equal(can, s == HONE_OK);
        return s;
    }
    case 7:
        return hone_prim__reverse_compute_at(p, block, loop, NULL);
    case 8: {
        bool can = hone_prim__can_inline(p, block);
        hone_status s = hone_prim__compute_inline(p, block, NULL);
        assert_int_equal(can, s == HONE_OK);
        return s;
    }
    case 9:
        return hone_prim__reverse_compute_inline(p, block, NULL);
    case 10:
        return hone_prim__decompose_reduction(p, block, loop, ret, NULL);
    case 11:
        return random_layout(t, block);
    default:
        return random_parallel(t, loop, base);
    }
}

static void random_schedules(void **state)
{
    (void)state;
    static const char *const texts[] = {MATMUL(7, 5, 6), MATMUL_BIAS_RELU(5, 7, 4), STENCIL, ROWS,
                                        SMALL_CONV};
    hone_program bases[HONE_LEN(texts)];
    for (unsigned k = 0; k < HONE_LEN(texts); k++)
        bases[k] = load_program(texts[k]);
    const char *given = getenv("HONE_TEST_SEED"), *count = getenv("HONE_TEST_TRIALS");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 20230325;
    unsigned n_trials = count ? (unsigned)atoi(count) : 300;
    trial t = {0};
    for (unsigned k = 0; k < n_trials; k++, seed++) {
        hone_rng_seed(&t.rng, seed);
        const hone_program *base = &bases[pick(&t, HONE_LEN(texts))];
        hone_program_copy(&t.p, base);
        hone_buf_reset(&t.log);
        hone_buf_printf(&t.log, "seed %" PRIu64 "\n", seed);
        unsigned steps = 3 + (unsigned)pick(&t, 12);
        for (unsigned step = 0; step < steps; step++) {
            size_t mark = t.log.n;
            uint64_t hash = hone_program_hash(&t.p);
            unsigned op = (unsigned)pick(&t, HONE_LEN(ops));
            hone_status s = random_op(&t, op, base);
            hone_error err;
            if (s == HONE_OK) {
                hone_buf_puts(&t.log, "\n");
                t.applied[op]++;
                if (hone_verify(&t.p, &err) != HONE_OK)
                    fail_msg("%s after\n%s\n%s", err.message, t.log.s, program_text(&t.p));
                continue;
            }
            t.refused[op]++;
            if (!hone_status_is_reject(s) || hone_program_hash(&t.p) != hash)
                fail_msg("%s left its mark after\n%s\n%s", hone_status_name(s), t.log.s,
                         program_text(&t.p));
            t.log.n = mark;
            t.log.s[mark] = '\0';
        }
        char why[400];
        check_sound(&t.p);
        if (!computes_same(base, &t.p, why))
            fail_msg("%s after\n%s\n%s", why, t.log.s, program_text(&t.p));
    }
    /* Each primitive was both applied and refused, or the test shows little. */
    for (unsigned op = 0; op < HONE_LEN(ops); op++) {
        if (getenv("HONE_TEST_TRIALS"))
            printf("%-24s %5u applied %5u refused\n", ops[op], t.applied[op], t.refused[op]);
        assert_true(t.applied[op] > 0);
        assert_true(t.refused[op] > 0);
    }
    hone_program_fini(&t.p);
    hone_buf_free(&t.log);
    for (unsigned k = 0; k < HONE_LEN(texts); k++)
        hone_program_fini(&bases[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blis_matmul_odd), cmocka_unit_test(blis_matmul_even),
        cmocka_unit_test(blis_epilogue),   cmocka_unit_test(epilogue_per_tile),
        cmocka_unit_test(blocked_conv2d),  cmocka_unit_test(random_schedules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
