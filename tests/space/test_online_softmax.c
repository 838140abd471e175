/* OnlineSoftmax and SkipUnread: what they make of a program, what they refuse, and that what is
 * computed stays the same. Sums are added up in another order, so results are near, not equal. */
#include "tests/space/trace_test.h"

#include <math.h>

static hone_program load_kernel(const char *text)
{
    hone_program p;
    hone_error err;
    if (hone_workload_parse("test", text, strlen(text), NULL, NULL, 0, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return p;
}

/* Both compute nearly the same; NaN where the other has one. */
static void check_near(const hone_program *a, hone_program *b)
{
    void *x[MAX_ARGS], *y[MAX_ARGS];
    check_sound(b);
    make_args(a, x);
    make_args(b, y);
    APPLY(hone_interp_run(a, x, err));
    APPLY(hone_interp_run(b, y, err));
    for (unsigned k = 0; k < hone_program_n_args(a); k++) {
        hone_buffer_row row = *hone_buffer_at(a, (hone_buffer){k + 1});
        int64_t n = hone_buffer_count(a, (hone_buffer){k + 1});
        double tol = row.dtype == HONE_F64 ? 1e-12 : row.dtype == HONE_F32 ? 1e-5 : 1e-2;
        for (int64_t e = 0; e < n; e++) {
            double u = hone_elem_get((hone_dtype)row.dtype, x[k], e);
            double v = hone_elem_get((hone_dtype)row.dtype, y[k], e);
            if (!(fabs(u - v) <= tol * (1 + fabs(u))) && !(isnan(u) && isnan(v)))
                fail_msg("element %d of argument %u is %g, not %g in\n%s", (int)e, k, v, u,
                         program_text(b));
        }
        free(x[k]);
        free(y[k]);
    }
}

static hone_stmt online(hone_program *p, int64_t size)
{
    hone_stmt loop = HONE_NO_STMT;
    APPLY(hone_prim__online_softmax(p, block_of(p, "top"), size, &loop, err));
    return loop;
}

/* X[i, j] are the scores; `E` what the exponentials are, `REST` what follows. */
#define KERNEL(DTYPE, SCORES, E, REST)                          \
    "kernel k() {\n  input X: " DTYPE "[3, 5]\n"                \
    "  input V: " DTYPE "[5, 2]\n  output Y: " DTYPE "[3, 2]\n" \
    "  S[i, j] = " SCORES "\n  top[i] = max(j < 5) S[i, j]\n"   \
    "  E[i, j] = " E "\n  total[i] = sum(j < 5) E[i, j]\n"      \
    "  T[i, d] = sum(j < 5) E[i, j] * V[j, d]\n" REST "}\n"
#define DIVIDED "  Y[i, d] = T[i, d] / total[i]\n"
#define SOFTMAX(SCORES) KERNEL("f32", SCORES, "exp((S[i, j] - top[i]) * 0.5)", DIVIDED)

static void online_effect(void **state)
{
    (void)state;
    hone_program p = load_kernel("kernel k() {\n"
                                 "  input S: f32[3, 5]\n"
                                 "  input V: f32[5, 2]\n"
                                 "  output T: f32[3, 2]\n"
                                 "  top[i] = max(j < 5) S[i, j]\n"
                                 "  E[i, j] = exp((S[i, j] - top[i]) * 0.5)\n"
                                 "  T[i, d] = sum(j < 5) E[i, j] * V[j, d]\n"
                                 "}\n");
    hone_program before = copy_program(&p);
    online(&p, 2);
    check_text(
        &p, "program k {\n"
            "  buffer S: f32[3, 5] input\n"
            "  buffer V: f32[5, 2] input\n"
            "  buffer T: f32[3, 2] output\n"
            "  buffer top: f32[3]\n"
            "  buffer top_part: f32[3, 3]\n"
            "  buffer top_scale: f32[3]\n"
            "  buffer E: f32[3, 3, 2]\n"
            "  buffer T_part: f32[3, 2, 3]\n"
            "  for ax0 in 3 {\n"
            "    block top_init(vi: 3 = ax0) {\n"
            "      top[vi] = -3.4028235e+38\n"
            "    }\n"
            "  }\n"
            "  for ax0_1 in 3 {\n"
            "    for ax1 in 2 {\n"
            "      block T_init(vi: 3 = ax0_1, vd: 2 = ax1) {\n"
            "        T[vi, vd] = 0.0\n"
            "      }\n"
            "    }\n"
            "  }\n"
            "  for vj_o in 3 {\n"
            "    for ax0_2 in 3 {\n"
            "      for ax1_1 in 2 {\n"
            "        block top_part(vi: 3 = ax0_2, o: 3 = vj_o, reduce r: 2 = ax1_1) where vj_o*2 "
            "+ ax1_1 < 5 {\n"
            "          init -inf\n"
            "          top_part[vi, o] = max(top_part[vi, o], S[vi, o*2 + r])\n"
            "        }\n"
            "      }\n"
            "    }\n"
            "    for ax0_3 in 3 {\n"
            "      block E_scale(vi: 3 = ax0_3, reduce o: 3 = vj_o) {\n"
            "        top_scale[vi] = exp((top[vi] - max(top[vi], top_part[vi, o])) * 0.5)\n"
            "      }\n"
            "    }\n"
            "    for ax0_4 in 3 {\n"
            "      block top(vi: 3 = ax0_4, reduce o: 3 = vj_o) {\n"
            "        top[vi] = max(top[vi], top_part[vi, o])\n"
            "      }\n"
            "    }\n"
            "    for ax0_5 in 3 {\n"
            "      for ax1_2 in 2 {\n"
            "        block E(vi: 3 = ax0_5, o: 3 = vj_o, r: 2 = ax1_2) where vj_o*2 + ax1_2 < 5 {\n"
            "          E[vi, o, r] = exp((S[vi, o*2 + r] - top[vi]) * 0.5)\n"
            "        }\n"
            "      }\n"
            "    }\n"
            "    for ax0_6 in 3 {\n"
            "      for ax1_3 in 2 {\n"
            "        for ax2 in 2 {\n"
            "          block T_part(vi: 3 = ax0_6, vd: 2 = ax1_3, o: 3 = vj_o, reduce r: 2 = ax2) "
            "where vj_o*2 + ax2 < 5 {\n"
            "            init 0.0\n"
            "            T_part[vi, vd, o] = T_part[vi, vd, o] + E[vi, o, r] * V[o*2 + r, vd]\n"
            "          }\n"
            "        }\n"
            "      }\n"
            "    }\n"
            "    for ax0_7 in 3 {\n"
            "      for ax1_4 in 2 {\n"
            "        block T(vi: 3 = ax0_7, vd: 2 = ax1_4, reduce o: 3 = vj_o) {\n"
            "          T[vi, vd] = T[vi, vd] * top_scale[vi] + T_part[vi, vd, o]\n"
            "        }\n"
            "      }\n"
            "    }\n"
            "  }\n"
            "}\n");
    check_near(&before, &p);
    hone_program_fini(&p);
    hone_program_fini(&before);
}

/* Every size of block, also one and more than there are; f64 and 16-bit values. */
static void online_sizes(void **state)
{
    (void)state;
    static const char *const texts[] = {
        SOFTMAX("X[i, j]"),
        KERNEL("f64", "X[i, j]", "exp((S[i, j] - top[i]) * 2.5)", DIVIDED),
        KERNEL("f32", "X[i, j] * 3", "exp(0.25 * (S[i, j] - top[i]))", DIVIDED),
        KERNEL("f32", "X[i, j]", "exp(S[i, j] - top[i])",
               "  Y[i, d] = T[i, d] * (1 / total[i]) + T[i, d]\n"),
    };
    for (unsigned k = 0; k < HONE_LEN(texts); k++)
        for (int64_t size = 1; size <= 7; size++) {
            hone_program p = load_kernel(texts[k]), before = copy_program(&p);
            hone_stmt loop = online(&p, size);
            assert_int_equal(hone_loop_extent(&p, loop), size > 5 ? 1 : (5 + size - 1) / size);
            check_near(&before, &p);
            hone_program_fini(&p);
            hone_program_fini(&before);
        }
}

/* Masks that leave whole blocks out, whole rows, and rows that begin with nothing. */
static void online_masks(void **state)
{
    (void)state;
    static const char *const texts[] = {
        SOFTMAX("select(j <= i, X[i, j], -inf)"),
        SOFTMAX("select(i < j, -inf, X[i, j])"),
        SOFTMAX("select(2 < i + j, X[i, j], -inf)"), /* nothing for a row's first keys */
        SOFTMAX("select(j <= i + 1 and i < j + 2, X[i, j], -inf)"), /* a window */
        SOFTMAX("select(i < 2, X[i, j], -inf)"),                    /* nothing for a row */
        SOFTMAX("select(j // 2 <= i // 2, X[i, j], -inf)"),
        SOFTMAX("select(0.0 < X[i, j], X[i, j], -inf)"),
    };
    for (unsigned k = 0; k < HONE_LEN(texts); k++)
        for (int64_t size = 1; size <= 5; size++) {
            hone_program p = load_kernel(texts[k]), before = copy_program(&p);
            /* each row for itself, so that a block of keys can be outside of all its rows */
            hone_stmt rows = loop_of(&p, "Y", 0);
            static const char *const inside[] = {"T", "total", "E", "top"};
            for (unsigned q = 0; q < HONE_LEN(inside); q++)
                APPLY(hone_prim__compute_at(&p, block_of(&p, inside[q]), rows, err));
            online(&p, size);
            check_near(&before, &p);
            hone_program_fini(&p);
            hone_program_fini(&before);
        }
}

static void skip_effect(void **state)
{
    (void)state;
    hone_program p = load_kernel(SOFTMAX("select(j <= i, X[i, j], -inf)"));
    hone_program before = copy_program(&p);
    static const char *const inside[] = {"T", "total", "E", "top", "S"};
    hone_stmt rows = loop_of(&p, "Y", 0);
    for (unsigned q = 0; q < HONE_LEN(inside); q++)
        APPLY(hone_prim__compute_at(&p, block_of(&p, inside[q]), rows, err));
    hone_stmt loop = online(&p, 2);
    APPLY(hone_prim__compute_at(&p, block_of(&p, "S"), loop, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__skip_unread(&p, block_of(&p, "Y"), err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__skip_unread(&p, block_of(&p, "T"), err));
    CHECK_REJECTED(&p, HONE_REJECT_REDUCE, hone_prim__skip_unread(&p, block_of(&p, "top"), err));
    APPLY(hone_prim__skip_unread(&p, block_of(&p, "S"), err));
    char *text = program_text(&p);
    assert_non_null(strstr(text, "block S("));
    assert_non_null(strstr(strstr(text, "block S("), "where"));
    free(text);
    check_near(&before, &p);
    hone_program_fini(&p);
    hone_program_fini(&before);
}

/* A block whose reader, an iteration later, still needs what it wrote. */
static void skip_rejected(void **state)
{
    (void)state;
    hone_program p = load_program("program p {\n"
                                  "  buffer X: f32[6] input\n"
                                  "  buffer Y: f32[6] output\n"
                                  "  buffer T: f32[7]\n"
                                  "  for i in 6 {\n"
                                  "    block T(v: 6 = i) {\n"
                                  "      T[v + 1] = X[v]\n"
                                  "    }\n"
                                  "    block Y(v: 6 = i) where 2 < i {\n"
                                  "      Y[v] = T[v]\n"
                                  "    }\n"
                                  "    block Z(v: 6 = i) where i < 3 {\n"
                                  "      Y[v] = 0.0\n"
                                  "    }\n"
                                  "  }\n"
                                  "}\n");
    CHECK_REJECTED(&p, HONE_REJECT_NOT_AFFINE, hone_prim__skip_unread(&p, block_of(&p, "T"), err));
    hone_program_fini(&p);
    p = load_program("program p {\n"
                     "  buffer X: f32[6] input\n"
                     "  buffer Y: f32[6] output\n"
                     "  buffer T: f32[6]\n"
                     "  for i in 6 {\n"
                     "    block T(v: 6 = i) {\n"
                     "      T[v] = X[v]\n"
                     "    }\n"
                     "    block Y(v: 6 = i) where 2 < i {\n"
                     "      Y[v] = T[v - 1]\n"
                     "    }\n"
                     "    block Z(v: 6 = i) where i < 3 {\n"
                     "      Y[v] = 0.0\n"
                     "    }\n"
                     "  }\n"
                     "}\n");
    CHECK_REJECTED(&p, HONE_REJECT_DEPENDENCY, hone_prim__skip_unread(&p, block_of(&p, "T"), err));
    hone_program_fini(&p);
}

static void online_rejected(void **state)
{
    (void)state;
    static const struct {
        hone_status status;
        const char *text;
    } all[] = {
        /* not what the maximum is of */
        {HONE_REJECT_ARG, KERNEL("f32", "X[i, j]", "exp(X[i, j] + S[i, j] - top[i])", DIVIDED)},
        /* no difference; a factor that would turn the order round; no exponential */
        {HONE_REJECT_ARG, KERNEL("f32", "X[i, j]", "exp(S[i, j] * top[i])", DIVIDED)},
        {HONE_REJECT_ARG, KERNEL("f32", "X[i, j]", "exp((S[i, j] - top[i]) * (0 - 2.0))", DIVIDED)},
        {HONE_REJECT_ARG, KERNEL("f32", "X[i, j]", "tanh(S[i, j] - top[i])", DIVIDED)},
        /* the maximum has another reader */
        {HONE_REJECT_ARG, KERNEL("f32", "X[i, j]", "exp(S[i, j] - top[i])",
                                 "  Y[i, d] = T[i, d] / total[i] + top[i]\n")},
        /* an exponential has one */
        {HONE_REJECT_REDUCE, KERNEL("f32", "X[i, j]", "exp(S[i, j] - top[i])",
                                    "  Y[i, d] = T[i, d] / total[i] + E[i, d]\n")},
        {HONE_REJECT_REDUCE, "kernel k() {\n  input S: f32[3, 5]\n  output Y: f32[3]\n"
                             "  top[i] = max(j < 5) S[i, j]\n  E[i, j] = exp(S[i, j] - top[i])\n"
                             "  Y[i] = sum(j < 5) E[i, j] * E[i, j]\n}\n"},
        {HONE_REJECT_REDUCE, "kernel k() {\n  input S: f32[3, 5]\n  output Y: f32[3]\n"
                             "  top[i] = max(j < 5) S[i, j]\n  E[i, j] = exp(S[i, j] - top[i])\n"
                             "  Y[i] = sum(j < 4) E[i, j + 1]\n}\n"},
        /* a factor that is computed after the maximum, even if not from it */
        {HONE_REJECT_DEPENDENCY,
         "kernel k() {\n  input S: f32[3, 5]\n  output Y: f32[3]\n"
         "  top[i] = max(j < 5) S[i, j]\n  E[i, j] = exp(S[i, j] - top[i])\n"
         "  F[j] = S[0, j] + S[1, j]\n"
         "  Y[i] = sum(j < 5) E[i, j] * F[j]\n}\n"},
        /* a sum that is normalised on the way */
        {HONE_REJECT_DEPENDENCY,
         "kernel k() {\n  input S: f32[3, 5]\n  output Y: f32[3]\n"
         "  top[i] = max(j < 5) S[i, j]\n  E[i, j] = exp(S[i, j] - top[i])\n"
         "  total[i] = sum(j < 5) E[i, j]\n"
         "  Y[i] = sum(j < 5) E[i, j] / total[i]\n}\n"},
    };
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        hone_program p = load_kernel(all[k].text);
        hone_stmt loop;
        CHECK_REJECTED(&p, all[k].status,
                       hone_prim__online_softmax(&p, block_of(&p, "top"), 2, &loop, err));
        hone_program_fini(&p);
    }
    hone_program p = load_kernel(SOFTMAX("X[i, j]"));
    hone_stmt loop;
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__online_softmax(&p, block_of(&p, "top"), 0, &loop, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__online_softmax(&p, block_of(&p, "total"), 2, &loop, err));
    /* nests that are no longer plain */
    hone_program q = copy_program(&p);
    APPLY(hone_prim__set_loop_kind(&q, loop_of(&q, "E", 0), HONE_PARALLEL, err));
    CHECK_REJECTED(&q, HONE_REJECT_NOT_CHAIN,
                   hone_prim__online_softmax(&q, block_of(&q, "top"), 2, &loop, err));
    hone_program_fini(&q);
    hone_program_fini(&p);
}

/* The blocks of the loop keep their places, and its iterations their order. */
static void online_stays(void **state)
{
    (void)state;
    hone_program p = load_kernel(SOFTMAX("X[i, j]"));
    hone_stmt loop = online(&p, 2);
    CHECK_REJECTED(&p, HONE_REJECT_COMPUTE_AT,
                   hone_prim__compute_at(&p, block_of(&p, "E_scale"), loop, err));
    CHECK_REJECTED(&p, HONE_REJECT_INLINE,
                   hone_prim__compute_inline(&p, block_of(&p, "E_scale"), err));
    CHECK_REJECTED(&p, HONE_REJECT_COMPUTE_AT,
                   hone_prim__compute_at(&p, block_of(&p, "top"), loop, err));
    CHECK_REJECTED(&p, HONE_REJECT_REDUCE, hone_prim__set_loop_kind(&p, loop, HONE_PARALLEL, err));
    int64_t f[2] = {0, 2};
    hone_stmt parts[2];
    APPLY(hone_prim__split(&p, loop, f, 2, parts, err));
    CHECK_REJECTED(&p, HONE_REJECT_DEPENDENCY,
                   hone_prim__reorder(&p, (hone_stmt[]){parts[1], parts[0]}, 2, err));
    hone_program_fini(&p);
}

static void online_in_a_trace(void **state)
{
    (void)state;
    hone_program base = load_kernel("kernel k() {\n"
                                    "  input S: f32[3, 5]\n"
                                    "  output Y: f32[3]\n"
                                    "  M[i, j] = select(j <= i, S[i, j], -inf)\n"
                                    "  top[i] = max(j < 5) M[i, j]\n"
                                    "  E[i, j] = exp(M[i, j] - top[i])\n"
                                    "  total[i] = sum(j < 5) E[i, j]\n"
                                    "  Y[i] = total[i]\n"
                                    "}\n");
    hone_sched s = {0}, again = {0};
    hone_rv y, top, block, loops[2], size, loop;
    unsigned n;
    hone_rng rng;
    hone_rng_seed(&rng, 3);
    hone_sched_start(&s, &base, &rng);
    APPLY(hone_get_block(&s, "Y", &y, err));
    APPLY(hone_get_loops(&s, y, loops, 2, &n, err));
    static const char *const inside[] = {"total", "E", "top", "M"};
    for (unsigned k = 0; k < HONE_LEN(inside); k++) {
        APPLY(hone_get_block(&s, inside[k], &block, err));
        APPLY(hone_compute_at(&s, block, loops[0], err));
    }
    APPLY(hone_get_block(&s, "top", &top, err));
    APPLY(hone_sample_categorical(&s, (int64_t[]){1, 2, 3}, NULL, 3, NULL, &size, err));
    APPLY(hone_online_softmax(&s, top, size, &loop, err));
    APPLY(hone_compute_at(&s, block, loop, err));
    APPLY(hone_skip_unread(&s, block, err));
    APPLY(hone_get_block(&s, "total_part", &block, err));
    APPLY(hone_set_scope(&s, block, HONE_LOCAL, err));
    check_near(&base, &s.prog);
    char *text = hone_trace_text(&s.trace);
    assert_non_null(strstr(text, "[\"OnlineSoftmax\",["));
    assert_non_null(strstr(text, "[\"SkipUnread\",["));
    hone_trace t = trace_of(text);
    APPLY(hone_trace_replay(&t, &base, &again, NULL, false, err));
    assert_true(hone_program_hash(&again.prog) == hone_program_hash(&s.prog));
    char *twice = hone_trace_text(&again.trace);
    assert_string_equal(text, twice);
    free(twice);
    free(text);
    hone_trace_free(&t);
    hone_sched_fini(&again);
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(online_effect), cmocka_unit_test(online_sizes),
        cmocka_unit_test(online_masks),  cmocka_unit_test(online_rejected),
        cmocka_unit_test(online_stays),  cmocka_unit_test(online_in_a_trace),
        cmocka_unit_test(skip_effect),   cmocka_unit_test(skip_rejected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
