/* Features and draft: a program counted by hand, invariants over random candidates, and the order
 * of schedules whose order is known.
 *
 * Reader's map: names; a program counted by hand; machines; any candidate; known orders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/costmodel/simulated.h"

static hone_program parsed(const char *text)
{
    hone_program p;
    hone_error err = {0};
    if (hone_program_parse(text, strlen(text), &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return p;
}

static hone_features features_of(hone_program *p, int32_t threads)
{
    hone_features f = {0};
    hone_target t = simulated_target();
    hone_features_extract(p, &t, threads, NULL, &f);
    return f;
}

static hone_features features_of_text(const char *text, int32_t threads)
{
    hone_program p = parsed(text);
    hone_features f = features_of(&p, threads);
    hone_program_fini(&p);
    return f;
}

static double draft_of_text(const char *text, int32_t threads)
{
    hone_features f = features_of_text(text, threads);
    double ns = f.draft_ns;
    hone_features_free(&f);
    return ns;
}

static double slog(double x)
{
    return log2(fabs(x) + 1);
}

#define ASSERT_NEAR(a, b)                                          \
    do {                                                           \
        double a_ = (double)(a), b_ = (double)(b);                 \
        if (!(fabs(a_ - b_) <= 1e-4 * fmax(1, fabs(b_))))          \
            fail_msg("%s is %.6g, not %.6g (%s)", #a, a_, b_, #b); \
    } while (0)

/* ---- names ----------------------------------------------------------------------------------- */

static void names_are_unique(void **state)
{
    (void)state;
    char *names[HONE_N_FEATURES];
    for (unsigned k = 0; k < HONE_N_FEATURES; k++) {
        names[k] = hone_feature_name(k);
        assert_string_not_equal(names[k], "?");
        for (unsigned q = 0; q < k; q++)
            assert_string_not_equal(names[k], names[q]);
    }
    assert_string_equal(names[HONE_FEATURE_arith_float], "arith_float[0]");
    assert_string_equal(names[HONE_FEATURE_buffer + 89], "buffer[89]");
    assert_string_equal(names[HONE_FEATURE_lane_use], "lane_use");
    assert_string_equal(names[HONE_N_FEATURES - 1], "draft_memory");
    for (unsigned k = 0; k < HONE_N_FEATURES; k++)
        free(names[k]);
    char *beyond = hone_feature_name(HONE_N_FEATURES);
    assert_string_equal(beyond, "?");
    free(beyond);
    unsigned first, n;
    assert_true(hone_feature_find("buffer", &first, &n));
    assert_true(first == HONE_FEATURE_buffer && n == 90);
    assert_true(hone_feature_find("draft_memory", &first, &n));
    assert_true(first == HONE_N_FEATURES - 1 && n == 1);
    assert_false(hone_feature_find("buffer[3]", &first, &n));
    assert_false(hone_feature_find("", &first, &n));
}

/* ---- a program counted by hand --------------------------------------------------------------- */

#define SCALED(kind_i, kind_j)                               \
    "program scaled {\n"                                     \
    "  buffer A: f32[64, 32] input\n"                        \
    "  buffer B: f32[64, 32] output\n"                       \
    "  for i in 64" kind_i " {\n"                            \
    "    for j_0 in 2 {\n"                                   \
    "      for j_1 in 16" kind_j " {\n"                      \
    "        block B(vi: 64 = i, vj: 32 = j_0*16 + j_1) {\n" \
    "          B[vi, vj] = A[vi, vj] * 2.0 + 1.0\n"          \
    "        }\n"                                            \
    "      }\n"                                              \
    "    }\n"                                                \
    "  }\n"                                                  \
    "}\n"

static void counted_by_hand(void **state)
{
    (void)state;
    hone_features f = features_of_text(SCALED(" parallel", " vectorized"), 3);
    assert_int_equal(f.rows, 1);
    assert_int_equal(f.v.n, HONE_N_FEATURES);
    const float *x = f.v.v;
    ASSERT_NEAR(x[HONE_FEATURE_arith_float + 0], slog(2048)); /* the addition of a product */
    ASSERT_NEAR(x[HONE_FEATURE_arith_float + 1], 0);
    ASSERT_NEAR(x[HONE_FEATURE_arith_float + 2], slog(2048)); /* the product */
    for (unsigned k = 0; k < 7; k++)
        ASSERT_NEAR(x[HONE_FEATURE_arith_int + k], 0);
    ASSERT_NEAR(x[HONE_FEATURE_arith_bool], 0);
    ASSERT_NEAR(x[HONE_FEATURE_arith_select], 0);

    /* loops, product, innermost extent, then the position: innermost spatial, outermost spatial */
    ASSERT_NEAR(x[HONE_FEATURE_vectorize + 0], slog(1));
    ASSERT_NEAR(x[HONE_FEATURE_vectorize + 1], slog(16));
    ASSERT_NEAR(x[HONE_FEATURE_vectorize + 2], slog(16));
    ASSERT_NEAR(x[HONE_FEATURE_vectorize + 3 + 1], 1);
    ASSERT_NEAR(x[HONE_FEATURE_parallel + 1], slog(64));
    ASSERT_NEAR(x[HONE_FEATURE_parallel + 3 + 3], 1);
    ASSERT_NEAR(x[HONE_FEATURE_unroll + 0], 0);
    ASSERT_NEAR(x[HONE_FEATURE_unroll + 3 + 0], 1); /* none */

    /* both buffers are 64 x 32 floats, read or written once: 8192 bytes on 128 lines */
    for (unsigned b = 0; b < 2; b++) {
        const float *y = x + HONE_FEATURE_buffer + b * 18;
        ASSERT_NEAR(y[0] + y[1], 1); /* read, or written */
        ASSERT_NEAR(y[2], 0);
        ASSERT_NEAR(y[3], slog(8192));
        ASSERT_NEAR(y[4], slog(8192));
        ASSERT_NEAR(y[6], slog(128));
        ASSERT_NEAR(y[9], 1);        /* no reuse */
        ASSERT_NEAR(y[17], slog(1)); /* stride of the innermost loop */
    }
    for (unsigned k = 2 * 18; k < 90; k++)
        ASSERT_NEAR(x[HONE_FEATURE_buffer + k], 0);

    ASSERT_NEAR(x[HONE_FEATURE_alloc + 0], slog(8192));
    ASSERT_NEAR(x[HONE_FEATURE_outer + 0], slog(2048));
    ASSERT_NEAR(x[HONE_FEATURE_outer + 1], slog(3));
    ASSERT_NEAR(x[HONE_FEATURE_lane_use], 1);
    ASSERT_NEAR(x[HONE_FEATURE_useful], 1);
    ASSERT_NEAR(x[HONE_FEATURE_guarded], 0);
    ASSERT_NEAR(x[HONE_FEATURE_gathers], 0);
    ASSERT_NEAR(x[HONE_FEATURE_tasks], slog(64));
    ASSERT_NEAR(x[HONE_FEATURE_task_waste], 1 - 64.0 / 22 / 3); /* 22 rounds of 3 tasks */
    hone_features_free(&f);

    /* one lane in use of sixteen, no vector loop */
    f = features_of_text(SCALED("", ""), 3);
    x = f.v.v;
    ASSERT_NEAR(x[HONE_FEATURE_lane_use], 1.0 / 16);
    ASSERT_NEAR(x[HONE_FEATURE_vectorize], 0);
    ASSERT_NEAR(x[HONE_FEATURE_tasks], slog(1));
    ASSERT_NEAR(x[HONE_FEATURE_task_waste], 2.0 / 3);
    hone_features_free(&f);
}

/* A quarter of the iterations of an imperfect split do nothing; columns of a row-major matrix. */
static void guards_and_strides(void **state)
{
    (void)state;
    hone_features f = features_of_text("program cut {\n"
                                       "  buffer A: f32[24, 64] input\n"
                                       "  buffer B: f32[64, 24] output\n"
                                       "  for i in 64 {\n"
                                       "    for j_0 in 2 {\n"
                                       "      for j_1 in 16 {\n"
                                       "        block B(vi: 64 = i, vj: 24 = j_0*16 + j_1) where "
                                       "j_0*16 + j_1 < 24 {\n"
                                       "          B[vi, vj] = A[vj, vi]\n"
                                       "        }\n"
                                       "      }\n"
                                       "    }\n"
                                       "  }\n"
                                       "}\n",
                                       1);
    const float *x = f.v.v;
    ASSERT_NEAR(x[HONE_FEATURE_guarded], 1);
    ASSERT_NEAR(x[HONE_FEATURE_useful], 0.75);
    float strides[2] = {x[HONE_FEATURE_buffer + 17], x[HONE_FEATURE_buffer + 18 + 17]};
    float low = fminf(strides[0], strides[1]), high = fmaxf(strides[0], strides[1]);
    ASSERT_NEAR(low, slog(1));
    ASSERT_NEAR(high, slog(64));
    hone_features_free(&f);
}

static void names_do_not_matter(void **state)
{
    (void)state;
    hone_features a = features_of_text(SCALED(" parallel", " vectorized"), 2);
    hone_features b = features_of_text("program other {\n"
                                       "  buffer source: f32[64, 32] input\n"
                                       "  buffer target: f32[64, 32] output\n"
                                       "  for rows in 64 parallel {\n"
                                       "    for outer in 2 {\n"
                                       "      for inner in 16 vectorized {\n"
                                       "        block scale(r: 64 = rows, c: 32 = outer*16 + "
                                       "inner) {\n"
                                       "          target[r, c] = source[r, c] * 2.0 + 1.0\n"
                                       "        }\n"
                                       "      }\n"
                                       "    }\n"
                                       "  }\n"
                                       "}\n",
                                       2);
    assert_int_equal(a.v.n, b.v.n);
    assert_memory_equal(a.v.v, b.v.v, a.v.n * sizeof(float));
    assert_true(a.draft_ns == b.draft_ns);
    hone_features_free(&a);
    hone_features_free(&b);
}

/* A product with its right operand as it lies and in panels of 32 columns. */
#define PANELS(shape, index)                                            \
    "program panels {\n"                                                \
    "  buffer A: f32[64, 64] input\n"                                   \
    "  buffer B: f32" shape " input\n"                                  \
    "  buffer C: f32[64, 128] output\n"                                 \
    "  for j_0 in 4 {\n"                                                \
    "    for i in 64 {\n"                                               \
    "      for k in 64 {\n"                                             \
    "        for j_1 in 2 unrolled {\n"                                 \
    "          for j_2 in 16 vectorized {\n"                            \
    "            block C(vi: 64 = i, vj: 128 = j_0*32 + j_1*16 + j_2, " \
    "reduce vk: 64 = k) {\n"                                            \
    "              init 0.0\n"                                          \
    "              C[vi, vj] = C[vi, vj] + A[vi, vk] * B" index "\n"    \
    "            }\n"                                                   \
    "          }\n"                                                     \
    "        }\n"                                                       \
    "      }\n"                                                         \
    "    }\n"                                                           \
    "  }\n"                                                             \
    "}\n"

static void a_vector_stays_in_its_panel(void **state)
{
    (void)state;
    hone_features plain = features_of_text(PANELS("[64, 128]", "[vk, vj]"), 1);
    hone_features packed = features_of_text(PANELS("[4, 64, 32]", "[vj // 32, vk, vj % 32]"), 1);
    ASSERT_NEAR(packed.v.v[HONE_FEATURE_gathers], 0);
    ASSERT_NEAR(packed.v.v[HONE_FEATURE_draft_compute], plain.v.v[HONE_FEATURE_draft_compute]);
    assert_true(packed.draft_ns <= 1.001 * plain.draft_ns);
    hone_features_free(&packed);
    hone_features_free(&plain);
    /* panels narrower than the vector do break it */
    hone_features narrow = features_of_text(PANELS("[16, 64, 8]", "[vj // 8, vk, vj % 8]"), 1);
    assert_true(narrow.v.v[HONE_FEATURE_gathers] > 0);
    hone_features_free(&narrow);
}

/* The draft's arithmetic of 64 elements of such a value. */
static double compute_of(const char *value)
{
    char *text = hone_xasprintf("program p { buffer A: f32[66] input buffer C: f32[64] output\n"
                                "for i in 64 { block b(v: 64 = i) { C[v] = %s } } }",
                                value);
    hone_features f = features_of_text(text, 1);
    double ret = exp2(f.v.v[HONE_FEATURE_draft_compute]) - 1;
    hone_features_free(&f);
    free(text);
    return ret;
}

/* A border that indices tell, and rows of a transform, have no conditions in code. */
static void borders_cost_nothing(void **state)
{
    (void)state;
    const char *sum = "A[v] * 2.0 + exp(A[v + 1]) * A[v + 2]";
    char *border = hone_xasprintf("select(1 <= v and v*3 + 1 < 150, %s, 0.0)", sum);
    char *rows =
        hone_xasprintf("select(v %% 2 == 0, %s, select(v %% 3 == 0, exp(A[v]), A[v]))", sum);
    char *data = hone_xasprintf("select(A[v] < 1.0, %s, 0.0)", sum);
    ASSERT_NEAR(compute_of(border), compute_of(sum));
    ASSERT_NEAR(compute_of(rows), compute_of(sum));
    assert_true(compute_of(data) > 1.05 * compute_of(sum));
    free(border);
    free(rows);
    free(data);
}

/* What the innermost body of a program of one block loads, and the vectors that live in it. */
typedef struct body {
    double loads, live, chain;
} body;

static body body_of(char *text)
{
    hone_features f = features_of_text(text, 1);
    const float *x = f.v.v;
    assert_int_equal(f.rows, 1);
    /* multiply-adds of vectors: as many as the copies of the unrolled loops; a sum alone is one */
    double ops = exp2((double)x[HONE_FEATURE_unroll + 1]) - 1;
    body ret = {.loads = x[HONE_FEATURE_loads_per_op] * ops,
                .live = x[HONE_FEATURE_registers] * 32,
                .chain = x[HONE_FEATURE_pipes + 1]};
    hone_features_free(&f);
    free(text);
    return ret;
}

/* A tile of `rows` rows and `columns` columns of vectors, with all nine taps of windows `step`
 * apart, row by row of the taps as code is made; with weights, or the sum alone. */
static char *windows(int rows, int columns, int step, bool weights)
{
    return hone_xasprintf(
        "program windows {\n  buffer X: f32[%d, 130, 16] input\n"
        "  buffer F: f32[3, 3, 16] input\n  buffer Y: f32[%d, 64, 16] local\n"
        "  for y in 8 { for x in 8 {\n"
        "    for r in 3 unrolled { for i in %d unrolled { for s in 3 unrolled {\n"
        "      for j in %d unrolled { for c in 16 vectorized {\n"
        "        block Y(vy: %d = y*%d + i, vx: 64 = x*%d + j, vc: 16 = c, reduce vr: 3 = r, "
        "reduce vs: 3 = s) {\n"
        "          init 0.0\n"
        "          Y[vy, vx, vc] = Y[vy, vx, vc] + X[vy*%d + vr, vx*%d + vs, vc]%s\n"
        "        } } } } } } } } }\n",
        8 * rows * step + 2, 8 * rows, rows, columns, 8 * rows, rows, columns, step, step,
        weights ? "*F[vr, vs, vc]" : "");
}

/* Windows that overlap load what they have in common once, as the code does. */
static void windows_share_their_loads(void **state)
{
    (void)state;
    static const struct {
        int rows, columns, step;
        bool weights;
        double loads, live;
    } cases[] = {
        {1, 4, 1, true, 18 + 9, 4 + 3 + 2},   /* 3 x 6; sums, what is wanted again, weights */
        {4, 3, 1, true, 30 + 9, 12 + 15 + 3}, /* 6 x 5; of 20 places 15 are wanted again */
        {4, 2, 1, true, 24 + 9, 8 + 12 + 3},  /* 6 x 4; 12 of 16 */
        {2, 2, 2, true, 25 + 9, 4 + 2.5 + 3}, /* 5 x 5 */
        {1, 4, 2, false, 27, 4 + 2},          /* 3 x 9; what is on its way */
        {1, 1, 3, false, 9, 1 + 2},           /* nothing in common */
    };
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        body b = body_of(windows(cases[k].rows, cases[k].columns, cases[k].step, cases[k].weights));
        if (fabs(b.loads - cases[k].loads) > 0.01 || fabs(b.live - cases[k].live) > 0.01)
            fail_msg("case %u: %g loads, %g live", k, b.loads, b.live);
        ASSERT_NEAR(b.chain, 0); /* each tile is a sum of its own: the next need not wait */
    }
}

/* A tile of a product has nothing to share beyond rows and columns. */
static void tiles_of_products_load_as_ever(void **state)
{
    (void)state;
    body b = body_of(hone_xasprintf(
        "program product {\n  buffer A: f32[64, 64] input\n  buffer B: f32[64, 64] input\n"
        "  buffer C: f32[64, 64] output\n  for x in 8 { for y in 2 { for k in 32 {\n"
        "    for u in 2 unrolled { for i in 8 unrolled { for j in 2 unrolled {\n"
        "      for l in 16 vectorized {\n"
        "        block C(vi: 64 = x*8 + i, vj: 64 = y*32 + j*16 + l, reduce vk: 64 = k*2 + u) {\n"
        "          init 0.0\n          C[vi, vj] = C[vi, vj] + A[vi, vk]*B[vk, vj]\n"
        "        } } } } } } } } }\n"));
    ASSERT_NEAR(b.loads, 16 + 4);
    ASSERT_NEAR(b.live, 16 + 1 + 2);
    assert_true(b.chain > 0);
}

/* A turn of a loop finds what it has in common with the last one where that left it: of the rows of
 * an image that the cache holds, one is new. */
static void rows_slide(void **state)
{
    (void)state;
    for (int rows = 1; rows <= 4; rows *= 2) {
        char *text = hone_xasprintf(
            "program slide {\n  buffer X: f32[130, 1024] input\n  buffer Y: f32[128, 1024] output\n"
            "  for y in %d { for i in %d { for x in 1024 { for r in 3 {\n"
            "    block Y(vy: 128 = y*%d + i, vx: 1024 = x, reduce vr: 3 = r) {\n"
            "      init 0.0\n      Y[vy, vx] = Y[vy, vx] + X[vy + vr, vx]\n    } } } } } }\n",
            128 / rows, rows, rows);
        hone_features f = features_of_text(text, 1);
        double all = (exp2(f.v.v[HONE_FEATURE_traffic + 1]) - 1) / 4096;
        /* 130 rows once, and 128 that are written; not 3 x 128 */
        if (fabs(all - (130 + 1.5 * 128)) > 1)
            fail_msg("%d rows at once: %g rows of traffic", rows, all);
        hone_features_free(&f);
        free(text);
    }
}

/* The draft of a copy of n times 4 MiB, and its traffic with memory in bytes. */
static double copy_of(int n, const char *mark, double *ret_memory)
{
    char *text = hone_xasprintf(
        "program copies {\n  buffer X: f32[%d, 1048576] input\n  buffer Y: f32[%d, 1048576] "
        "output\n"
        "  for y in %d { for x in 65536 { for l in 16 vectorized {\n"
        "    block Y(vy: %d = y, vx: 1048576 = x*16 + l)%s { Y[vy, vx] = X[vy, vx] } } } } }\n",
        n, n, n, n, mark);
    hone_features f = features_of_text(text, 1);
    *ret_memory = exp2(f.v.v[HONE_FEATURE_traffic + 3]) - 1;
    double ret = f.draft_ns;
    hone_features_free(&f);
    free(text);
    return ret;
}

/* Stores that pass by the caches go to memory, whatever these hold, and fetch no line before. */
static void streams_pass_by_caches(void **state)
{
    (void)state;
    double memory, mib = 4 << 20;
    const char *mark = " @hone.stream=1";
    double near = copy_of(1, "", &memory);
    ASSERT_NEAR(memory, 0);
    assert_true(copy_of(1, mark, &memory) > 1.1 * near);
    ASSERT_NEAR(memory / mib, 1);
    double far = copy_of(16, "", &memory);
    ASSERT_NEAR(memory / mib, 16 * 2.5);
    assert_true(copy_of(16, mark, &memory) < 0.95 * far);
    ASSERT_NEAR(memory / mib, 16 * 2);
}

/* Sixteen rows of 64 elements, all of which are read again for each of 1024 turns. */
static double rows_again(int pitch, const char *mark)
{
    char *text =
        hone_xasprintf("program again {\n  buffer A: f32[16, %d] input\n  buffer T: f32[16, %d]\n"
                       "  buffer C: f32[1024] output\n  for i in 16 { for j in %d {\n"
                       "    block T(vi: 16 = i, vj: %d = j)%s { T[vi, vj] = A[vi, vj] } } }\n"
                       "  for n in 1024 { for i in 16 { for j in 64 {\n"
                       "    block C(vn: 1024 = n, reduce vi: 16 = i, reduce vj: 64 = j) {\n"
                       "      init 0.0\n      C[vn] = C[vn] + T[vi, vj]\n    } } } }\n}\n",
                       pitch, pitch, pitch, pitch, mark);
    hone_features f = features_of_text(text, 1);
    assert_int_equal(f.rows, 2);
    double ret = exp2(f.v.v[HONE_N_FEATURES + HONE_FEATURE_traffic + 1]) - 1;
    hone_features_free(&f);
    free(text);
    return ret;
}

/* Rows a multiple of 4096 bytes apart share a few sets of the cache and drive each other out. */
static void rows_of_a_power_of_two_crowd(void **state)
{
    (void)state;
    double apart = rows_again(1040, ""), crowded = rows_again(1024, "");
    assert_true(crowded > 100 * apart);
    ASSERT_NEAR(rows_again(1024, " @buffer_dim_align=\"0,0,32,16\""), apart);
}

/* A stage computed again in each turn of a loop costs as many times as much, guarded or not. */
static double again(int turns, const char *where)
{
    char *text = hone_xasprintf(
        "program again {\n  buffer A: f32[60] input\n  buffer T: f32[60]\n"
        "  buffer C: f32[%d, 60] output\n  for n in %d { for i in 4 { for j in 16 {\n"
        "      block T(vi: 60 = i*16 + j)%s { T[vi] = exp(A[vi]) } } }\n"
        "    for m in 60 { block C(vn: %d = n, vm: 60 = m) { C[vn, vm] = T[vm] } } }\n}\n",
        turns, turns, where, turns);
    hone_features f = features_of_text(text, 1);
    double ret = exp2(f.v.v[HONE_FEATURE_draft_compute]) - 1;
    ASSERT_NEAR(f.v.v[HONE_FEATURE_useful], *where ? 60.0 / 64 : 1);
    hone_features_free(&f);
    free(text);
    return ret;
}

static void doing_it_again_is_no_waste_to_be_skipped(void **state)
{
    (void)state;
    const char *where = " where i*16 + j < 60";
    ASSERT_NEAR(again(50, where), 50 * again(1, where));
}

/* An expression that is used twice is computed once: of a chain of squares of squares each counts.
 */
static void shared_counted_once(void **state)
{
    (void)state;
    hone_buf text = {0};
    hone_buf_puts(&text, "program p { buffer A: f32[64] input buffer C: f32[64] output\n"
                         "for i in 64 { block b(v: 64 = i) { let t0 = A[v]\n");
    for (int k = 1; k < 100; k++)
        hone_buf_printf(&text, "let t%d = t%d * t%d\n", k, k - 1, k - 1);
    hone_buf_puts(&text, "C[v] = select(t99 < 1, exp(t99), t99) } } }");
    hone_features f = features_of_text(text.s, 1);
    ASSERT_NEAR(f.v.v[HONE_FEATURE_arith_float + 2], slog(99 * 64));
    ASSERT_NEAR(f.v.v[HONE_FEATURE_arith_float + 4], slog(64));
    ASSERT_NEAR(f.v.v[HONE_FEATURE_arith_float + 5], slog(64));
    ASSERT_NEAR(f.v.v[HONE_FEATURE_arith_select], slog(64));
    hone_features_free(&f);
    hone_buf_free(&text);
}

/* ---- machines -------------------------------------------------------------------------------- */

static hone_features features_on(const char *text, const hone_target *t, int32_t threads,
                                 const hone_machine *m)
{
    hone_program p = parsed(text);
    hone_features f = {0};
    hone_features_extract(&p, t, threads, m, &f);
    hone_program_fini(&p);
    return f;
}

/* What no machine has a say in is the same on both. */
static void same_program(const hone_features *a, const hone_features *b)
{
    assert_int_equal(a->v.n, b->v.n);
    assert_memory_equal(a->v.v, b->v.v, HONE_FEATURE_lane_use * sizeof(float));
}

/* Both buffers, 16 KB, in caches of 64, 32 and 16 KB: what fits is told by its share of the cache,
 * what does not by how much it is too large. */
static void caches_of_two_machines(void **state)
{
    (void)state;
    static const struct {
        int64_t l1;
        double fill, beyond;
    } want[] = {{64 << 10, 0.25, 0},
                {32 << 10, 0.5, 0},
                {16 << 10, 256.0 / (16 << 10), 0.5},
                {8 << 10, 256.0 / (8 << 10), 2.0 / 3}};
    hone_target t = simulated_target();
    hone_features first = features_on(SCALED("", " vectorized"), &t, 1, NULL);
    for (unsigned k = 0; k < HONE_LEN(want); k++) {
        t.l1_bytes = want[k].l1;
        hone_features f = features_on(SCALED("", " vectorized"), &t, 1, NULL);
        ASSERT_NEAR(f.v.v[HONE_FEATURE_fill], want[k].fill);
        ASSERT_NEAR(f.v.v[HONE_FEATURE_beyond], want[k].beyond);
        ASSERT_NEAR(f.v.v[HONE_FEATURE_fill + 1], 16384.0 / (1 << 20));
        ASSERT_NEAR(f.v.v[HONE_FEATURE_beyond + 1], 0);
        same_program(&f, &first);
        hone_features_free(&f);
    }
    hone_features_free(&first);
}

/* Two sums of a product, which wait for their latency: 4 or 8 cycles and the loop. Vectors of half
 * the width make it four sums. */
static void pipes_of_two_machines(void **state)
{
    (void)state;
    hone_target t = simulated_target();
    hone_machine m;
    hone_machine_preset(&t, &m);
    const char *text = PANELS("[64, 128]", "[vk, vj]");
    hone_features a = features_on(text, &t, 1, NULL);
    t.fma_latency = 8;
    hone_features b = features_on(text, &t, 1, NULL);
    t.vector_bytes = 32;
    hone_features c = features_on(text, &t, 1, NULL);
    const float *pipes[] = {a.v.v + HONE_FEATURE_pipes, b.v.v + HONE_FEATURE_pipes,
                            c.v.v + HONE_FEATURE_pipes};
    ASSERT_NEAR(pipes[0][1], 4 / (4 + m.loop_cycles));
    ASSERT_NEAR(pipes[1][1], 8 / (8 + m.loop_cycles));
    ASSERT_NEAR(pipes[0][0], 2 / (4 + m.loop_cycles)); /* two multiply-adds, one a cycle */
    ASSERT_NEAR(pipes[1][0], 2 / (8 + m.loop_cycles));
    ASSERT_NEAR(pipes[2][0], 4 / (8 + m.loop_cycles));
    ASSERT_NEAR(c.v.v[HONE_FEATURE_accumulators], a.v.v[HONE_FEATURE_accumulators]);
    same_program(&a, &b);
    same_program(&a, &c);
    hone_features_free(&a);
    hone_features_free(&b);
    hone_features_free(&c);
}

/* A share of two times, as the number that one is of the other. */
static double times(float share)
{
    return (double)share / (1 - (double)share);
}

/* Measured numbers count where there are any: half the bandwidth is twice the time of traffic. */
static void bandwidths_of_two_machines(void **state)
{
    (void)state;
    hone_target t = simulated_target();
    t.l1_bytes = 4 << 10; /* the block has 16 KB */
    t.l2_bytes = 8 << 10;
    t.l3_bytes = 12 << 10;
    hone_machine m;
    hone_machine_preset(&t, &m);
    const char *text = SCALED("", " vectorized");
    hone_features a = features_on(text, &t, 1, NULL), same = features_on(text, &t, 1, &m);
    assert_memory_equal(a.v.v, same.v.v, a.v.n * sizeof(float));
    const float *x = a.v.v + HONE_FEATURE_level_time;
    assert_true(x[0] > 0 && x[0] < 1 && x[2] > 0);
    m.l2_bytes_per_ns /= 2;
    hone_features slow = features_on(text, &t, 1, &m);
    m.clock_ghz /= 2; /* of all parts alike but for the bandwidths, which are in ns */
    hone_features both = features_on(text, &t, 1, &m);
    const float *y = slow.v.v + HONE_FEATURE_level_time, *z = both.v.v + HONE_FEATURE_level_time;
    ASSERT_NEAR(times(y[0]), 2 * times(x[0]));
    ASSERT_NEAR(y[1], x[1]);
    ASSERT_NEAR(y[2], x[2]);
    ASSERT_NEAR(times(z[0]), times(x[0]));
    ASSERT_NEAR(times(z[2]), times(x[2]) / 2);
    same_program(&a, &slow);
    hone_features_free(&a);
    hone_features_free(&same);
    hone_features_free(&slow);
    hone_features_free(&both);
}

static void tasks_for_each_thread(void **state)
{
    (void)state;
    hone_features one = features_of_text(SCALED(" parallel", " vectorized"), 1),
                  four = features_of_text(SCALED(" parallel", " vectorized"), 4);
    ASSERT_NEAR(one.v.v[HONE_FEATURE_tasks_each], slog(64));
    ASSERT_NEAR(four.v.v[HONE_FEATURE_tasks_each], slog(16));
    ASSERT_NEAR(one.v.v[HONE_FEATURE_tasks], four.v.v[HONE_FEATURE_tasks]);
    hone_features_free(&one);
    hone_features_free(&four);
}

/* ---- any candidate --------------------------------------------------------------------------- */

static const struct {
    const char *name;
    hone_size sizes[5];
    unsigned n;
} kernels[] = {
    {"matmul", {{"M", 96}, {"N", 130}, {"K", 77}}, 3},
    {"matmul_bias_relu", {{"M", 64}, {"N", 64}, {"K", 64}}, 3},
    {"conv2d_nhwc_bias_relu", {{"N", 1}, {"H", 14}, {"W", 14}, {"CI", 16}, {"CO", 32}}, 5},
    {"softmax", {{"M", 33}, {"N", 100}}, 2},
    {"layernorm", {{"M", 16}, {"N", 64}}, 2},
    {"gelu_tanh", {{"M", 16}, {"N", 24}}, 2},
};

static unsigned leaves(const hone_program *p)
{
    unsigned n = 0;
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s))
        n += hone_is_block(p, s) && hone_stmt_at(p, s)->out.i;
    return n;
}

static void check_row(const float *x)
{
    static const unsigned shares[] = {
        HONE_FEATURE_lane_use,       HONE_FEATURE_useful,         HONE_FEATURE_broadcasts,
        HONE_FEATURE_gathers,        HONE_FEATURE_task_waste,     HONE_FEATURE_fill,
        HONE_FEATURE_fill + 1,       HONE_FEATURE_fill + 2,       HONE_FEATURE_beyond,
        HONE_FEATURE_beyond + 1,     HONE_FEATURE_beyond + 2,     HONE_FEATURE_level_time,
        HONE_FEATURE_level_time + 1, HONE_FEATURE_level_time + 2, HONE_FEATURE_pipes,
        HONE_FEATURE_pipes + 1,      HONE_FEATURE_pipes + 2,      HONE_FEATURE_pipes + 3,
        HONE_FEATURE_pipes + 4};
    for (unsigned k = 0; k < HONE_N_FEATURES; k++)
        if (!isfinite(x[k]) || x[k] < -1e-6f) {
            char *name = hone_feature_name(k);
            fail_msg("%s is %g", name, (double)x[k]);
        }
    for (unsigned k = 0; k < HONE_LEN(shares); k++)
        assert_true(x[shares[k]] <= 1 + 1e-6f);
    const unsigned kinds[] = {HONE_FEATURE_vectorize, HONE_FEATURE_unroll, HONE_FEATURE_parallel};
    for (unsigned g = 0; g < 3; g++) { /* one position each */
        float sum = 0;
        for (unsigned k = 3; k < 11; k++)
            sum += x[kinds[g] + k];
        ASSERT_NEAR(sum, 1);
    }
}

static void random_candidates(void **state)
{
    (void)state;
    hone_sched s = {0};
    hone_features f = {0}, again = {0};
    hone_rng rng;
    hone_rng_seed(&rng, 5);
    for (unsigned k = 0; k < HONE_LEN(kernels); k++) {
        hone_space *sp = simulated_space(kernels[k].name, kernels[k].sizes, kernels[k].n, 2);
        unsigned legal = 0;
        for (int q = 0; q < 30; q++) {
            if (hone_space_sample(sp, &rng, &s, NULL) != HONE_OK)
                continue;
            legal++;
            uint64_t meaning = hone_program_hash(&s.prog);
            hone_features_extract(&s.prog, &sp->target, 2, NULL, &f);
            assert_int_equal(f.rows, leaves(&s.prog));
            assert_int_equal(f.v.n, f.rows * HONE_N_FEATURES);
            assert_true(isfinite(f.draft_ns) && f.draft_ns > 0);
            for (uint32_t r = 0; r < f.rows; r++)
                check_row(f.v.v + r * HONE_N_FEATURES);
            /* the program means the same, and asking again gives the same */
            assert_true(hone_program_hash(&s.prog) == meaning);
            hone_features_extract(&s.prog, &sp->target, 2, NULL, &again);
            assert_memory_equal(f.v.v, again.v.v, f.v.n * sizeof(float));
        }
        assert_true(legal > 5);
        hone_space_free(sp);
    }
    hone_sched_fini(&s);
    hone_features_free(&f);
    hone_features_free(&again);
}

/* A CPU runs a bound loop one turn after the other. */
static void bound_is_serial(void **state)
{
    (void)state;
    hone_features bound = features_of_text(SCALED(" bind blockIdx.x", " vectorized"), 2);
    hone_features serial = features_of_text(SCALED("", " vectorized"), 2);
    assert_int_equal(bound.v.n, serial.v.n);
    assert_memory_equal(bound.v.v, serial.v.v, bound.v.n * sizeof *bound.v.v);
    hone_features_free(&bound);
    hone_features_free(&serial);
}

static void a_program_of_nothing(void **state)
{
    (void)state;
    hone_program p;
    hone_program_init(&p, "empty");
    hone_features f = features_of(&p, 1);
    assert_int_equal(f.rows, 0);
    assert_true(f.draft_ns > 0);
    hone_features_free(&f);
    hone_program_fini(&p);
}

/* ---- known orders ---------------------------------------------------------------------------- */

static void more_work_is_more(void **state)
{
    (void)state;
    double draft = 0;
    float before[4] = {0};
    for (int64_t n = 32; n <= 1024; n *= 2) {
        hone_size sizes[] = {{"M", n}, {"N", n}, {"K", n}};
        hone_program p = simulated_kernel("matmul", sizes, 3);
        hone_features f = features_of(&p, 1);
        assert_true(f.draft_ns > draft);
        draft = f.draft_ns;
        for (int c = 0; c < 4; c++) {
            assert_true(f.v.v[HONE_FEATURE_traffic + c] >= before[c]);
            before[c] = f.v.v[HONE_FEATURE_traffic + c];
        }
        /* 12 KB stay in L1, 768 in L2, 12 MB in L3 */
        assert_true((before[1] > 0) == (n > 32) && (before[2] > 0) == (n > 256) && before[3] == 0);
        hone_features_free(&f);
        hone_program_fini(&p);
    }
}

static void vectors_and_threads_pay(void **state)
{
    (void)state;
    double plain = draft_of_text(SCALED("", ""), 4);
    assert_true(draft_of_text(SCALED("", " vectorized"), 4) < plain);
    assert_true(draft_of_text(SCALED(" parallel", ""), 4) < plain);
    assert_true(draft_of_text(SCALED(" parallel", " vectorized"), 4) <
                draft_of_text(SCALED("", " vectorized"), 4));
    assert_true(draft_of_text(SCALED(" parallel", ""), 1) >= 0.99 * plain);
}

#define TRANSPOSED(outer, inner)                    \
    "program columns {\n"                           \
    "  buffer A: f32[4096, 4096] input\n"           \
    "  buffer B: f32[4096, 4096] output\n"          \
    "  for " outer " in 4096 {\n"                   \
    "    for " inner " in 4096 {\n"                 \
    "      block B(vi: 4096 = i, vj: 4096 = j) {\n" \
    "        B[vi, vj] = A[vi, vj] + 1.0\n"         \
    "      }\n"                                     \
    "    }\n"                                       \
    "  }\n"                                         \
    "}\n"

static void rows_before_columns(void **state)
{
    (void)state;
    assert_true(2 * draft_of_text(TRANSPOSED("i", "j"), 1) <
                draft_of_text(TRANSPOSED("j", "i"), 1));
}

/* The hardware-derived seeds are what libraries do by hand; the draft must know what they are
 * worth, and place random candidates between them and the program as written. */
static void library_schedules_first(void **state)
{
    (void)state;
    hone_size sizes[] = {{"M", 512}, {"N", 512}, {"K", 512}};
    hone_space *sp = simulated_space("matmul", sizes, 3, 1);
    hone_features f = {0};
    hone_sched s = {0};
    hone_rng rng;
    hone_rng_seed(&rng, 3);
    hone_features_extract(&sp->base, &sp->target, 1, NULL, &f);
    double naive = f.draft_ns, best_seed = INFINITY, worst_seed = 0;
    for (uint32_t k = 0; k < sp->seeds.n; k++) {
        assert_int_equal(hone_space_finish(sp, &sp->seeds.v[k], &s, NULL), HONE_OK);
        hone_features_extract(&s.prog, &sp->target, 1, NULL, &f);
        best_seed = fmin(best_seed, f.draft_ns);
        worst_seed = fmax(worst_seed, f.draft_ns);
    }
    assert_true(sp->seeds.n > 0);
    assert_true(10 * best_seed < naive);
    assert_true(2 * worst_seed < naive);
    /* 2 * 512^3 operations at 32 per cycle and 3.5 GHz */
    assert_true(best_seed > 2e6 && best_seed < 5e6);

    unsigned better = 0, n = 0;
    for (int k = 0; k < 60; k++) {
        if (hone_space_sample(sp, &rng, &s, NULL) != HONE_OK)
            continue;
        hone_features_extract(&s.prog, &sp->target, 1, NULL, &f);
        n++;
        better += f.draft_ns < best_seed;
    }
    assert_true(n > 30 && better < n / 5);
    hone_features_free(&f);
    hone_sched_fini(&s);
    hone_space_free(sp);
}

/* What the draft and its terms say of sixteen sums of 64 * `steps` products, by an intrinsic or by
 * hand. */
static void products(unsigned steps, const char *intrin, const char *lanes, const char *group,
                     double *ret_compute_ns, double *ret_gathers)
{
    char *text = hone_xasprintf(
        "program dots {\n  buffer A: u8[4096] input\n  buffer B: i8[4096, 16, 4] input\n"
        "  buffer C: i32[16] output\n  for o in 64 {\n"
        "    block Co(reduce vo: 64 = o)%s {\n      for j in 16%s { for k in %u%s {\n"
        "        block C(vj: 16 = j, reduce vk: 4096 = vo*%u + k) {\n"
        "          C[vj] = C[vj] + i32(A[vk]) * i32(B[vk // %u, vj, vk %% %u])\n"
        "        } } } } } }\n",
        intrin, lanes, steps, group, steps, steps, steps);
    hone_features f = features_of_text(text, 1);
    assert_int_equal(f.rows, 1);
    *ret_compute_ns = exp2(f.v.v[HONE_FEATURE_draft_compute]) - 1;
    *ret_gathers = f.v.v[HONE_FEATURE_gathers];
    hone_features_free(&f);
    free(text);
}

static void an_intrinsic_is_one_instruction(void **state)
{
    (void)state;
    const char *intrin = " @hone.intrin=\"x86.avx512.vnni.u8i8i32_16x4\"";
    double four, one, by_hand, gathers;
    products(1, intrin, "", "", &one, &gathers);
    products(4, "", " vectorized", " unrolled", &by_hand, &gathers);
    assert_true(gathers > 0);
    products(4, intrin, "", "", &four, &gathers);
    ASSERT_NEAR(gathers, 0); /* its lanes are 4 bytes apart in B, as it wants them */
    ASSERT_NEAR(four, one);
    assert_true(2 * four < by_hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_unique),
        cmocka_unit_test(counted_by_hand),
        cmocka_unit_test(caches_of_two_machines),
        cmocka_unit_test(pipes_of_two_machines),
        cmocka_unit_test(bandwidths_of_two_machines),
        cmocka_unit_test(tasks_for_each_thread),
        cmocka_unit_test(shared_counted_once),
        cmocka_unit_test(guards_and_strides),
        cmocka_unit_test(names_do_not_matter),
        cmocka_unit_test(a_vector_stays_in_its_panel),
        cmocka_unit_test(borders_cost_nothing),
        cmocka_unit_test(windows_share_their_loads),
        cmocka_unit_test(tiles_of_products_load_as_ever),
        cmocka_unit_test(rows_slide),
        cmocka_unit_test(streams_pass_by_caches),
        cmocka_unit_test(rows_of_a_power_of_two_crowd),
        cmocka_unit_test(doing_it_again_is_no_waste_to_be_skipped),
        cmocka_unit_test(random_candidates),
        cmocka_unit_test(a_program_of_nothing),
        cmocka_unit_test(bound_is_serial),
        cmocka_unit_test(more_work_is_more),
        cmocka_unit_test(vectors_and_threads_pay),
        cmocka_unit_test(rows_before_columns),
        cmocka_unit_test(library_schedules_first),
        cmocka_unit_test(an_intrinsic_is_one_instruction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
