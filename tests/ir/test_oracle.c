/* The oracle: what programs compute, in their own precision and in another order, lies within the
 * oracle's bounds; the bounds are tight enough to tell a wrong result; exact data leave none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ir/builtin.h"
#include "ir/oracle.h"

#include <math.h>

typedef enum data { EXACT, MANTISSAS, SPARSE, N_DATA } data;

typedef struct kernel {
    hone_program p, oracle;
} kernel;

static void parse(kernel *k, const char *text, size_t n, const char *name, const hone_size *sizes,
                  unsigned n_sizes)
{
    hone_error err = {0};
    memset(k, 0, sizeof *k);
    if (hone_workload_parse("test", text, n, name, sizes, n_sizes, &k->p, &err) != HONE_OK ||
        hone_oracle_make(&k->p, &k->oracle, &err) != HONE_OK)
        fail_msg("%s: %s", name, err.message);
}

static void drop(kernel *k)
{
    hone_program_fini(&k->p);
    hone_program_fini(&k->oracle);
}

static double draw(hone_dtype t, data d, hone_rng *rng)
{
    if (!hone_dtype_is_float(t)) {
        int64_t x = (int64_t)hone_rng_below(rng, 5);
        return t == HONE_BOOL ? (double)(x & 1) : (double)(t == HONE_U8 ? x : x - 2);
    }
    if (d == SPARSE && hone_rng_below(rng, 8) != 0)
        return 0;
    if (d != MANTISSAS)
        return ((double)hone_rng_below(rng, 17) - 8) / 8;
    return (hone_rng_double(rng) - 0.5) * ldexp(1, (int)hone_rng_below(rng, 8) - 4);
}

typedef struct arrays {
    void *v[64];
    unsigned n;
} arrays;

static arrays allocate(const hone_program *p)
{
    arrays a = {.n = hone_program_n_args(p)};
    for (unsigned k = 0; k < a.n; k++) {
        const hone_buffer_row *r = hone_buffer_at(p, (hone_buffer){k + 1});
        size_t bytes = (size_t)hone_buffer_count(p, (hone_buffer){k + 1}) *
                       (size_t)hone_dtype_bytes((hone_dtype)r->dtype);
        a.v[k] = hone_xcalloc(bytes ? bytes : 1, 1);
    }
    return a;
}

static void release(arrays *a)
{
    for (unsigned k = 0; k < a->n; k++)
        free(a->v[k]);
}

static const hone_buffer_row *arg_of(const hone_program *p, unsigned k)
{
    return hone_buffer_at(p, (hone_buffer){k + 1});
}

static void *find(const hone_program *p, const arrays *a, const char *name, const char *suffix)
{
    char full[128];
    snprintf(full, sizeof full, "%s%s", name, suffix);
    for (unsigned k = 0; k < a->n; k++)
        if (strcmp(hone_sym_text(p, arg_of(p, k)->name), full) == 0)
            return a->v[k];
    return NULL;
}

typedef struct outcome {
    double worst;     /* largest distance from v in units of e */
    int64_t elements; /* looked at */
    int64_t exact;    /* e is 0 */
    int64_t sharp;    /* e is less than a hundredth of |v| */
    int64_t vague;    /* e is infinite */
    int64_t bad;
} outcome;

static void judge(const kernel *k, const arrays *got, const arrays *want, outcome *ret)
{
    for (unsigned q = 0; q < got->n; q++) {
        const hone_buffer_row *r = arg_of(&k->p, q);
        if (r->role != HONE_OUTPUT)
            continue;
        const char *name = hone_sym_text(&k->p, r->name);
        hone_dtype t = (hone_dtype)r->dtype;
        const void *v = find(&k->oracle, want, name, "");
        const double *e = find(&k->oracle, want, name, HONE_ORACLE_ERROR);
        assert_non_null(v);
        for (int64_t i = 0; i < hone_buffer_count(&k->p, (hone_buffer){q + 1}); i++) {
            double x = hone_elem_get(t, got->v[q], i);
            double y = hone_elem_get(hone_dtype_is_float(t) ? HONE_F64 : t, v, i);
            double bound = e ? e[i] : 0, off = x == y || (isnan(x) && isnan(y)) ? 0 : fabs(x - y);
            ret->elements++;
            ret->exact += bound == 0;
            ret->sharp += bound < 0.01 * fabs(y) || bound == 0;
            bool vague = isinf(bound) || isnan(bound);
            ret->vague += vague;
            if (off != 0 && !(off <= bound) && !vague) { /* also where it is NaN */
                ret->bad++;
                if (ret->bad == 1)
                    print_error("%s[%d] = %.9g, the oracle says %.9g +- %.3g\n", name, (int)i, x, y,
                                bound);
            }
            if (off > 0 && bound > 0)
                ret->worst = fmax(ret->worst, off / bound);
        }
    }
}

static outcome run(const kernel *k, data d, uint64_t seed)
{
    arrays got = allocate(&k->p), want = allocate(&k->oracle);
    hone_rng rng;
    hone_rng_seed(&rng, seed);
    for (unsigned q = 0; q < got.n; q++) {
        const hone_buffer_row *r = arg_of(&k->p, q);
        hone_dtype t = (hone_dtype)r->dtype;
        if (r->role != HONE_INPUT)
            continue;
        int64_t n = hone_buffer_count(&k->p, (hone_buffer){q + 1});
        void *other = find(&k->oracle, &want, hone_sym_text(&k->p, r->name), "");
        for (int64_t i = 0; i < n; i++) {
            hone_elem_set(t, got.v[q], i, draw(t, d, &rng));
            hone_elem_set(t, other, i, hone_elem_get(t, got.v[q], i));
        }
    }
    *(double *)find(&k->oracle, &want, HONE_ORACLE_QUANTUM, "") = d == MANTISSAS ? 0 : 0.125;
    hone_error err = {0};
    outcome o = {0};
    assert_int_equal(hone_interp_run(&k->p, got.v, &err), HONE_OK);
    if (hone_interp_run(&k->oracle, want.v, &err) != HONE_OK)
        fail_msg("%s", err.message);
    judge(k, &got, &want, &o);
    release(&got);
    release(&want);
    return o;
}

/* ---- kernels of its own ---------------------------------------------------------------------- */

static outcome run_text(const char *text, data d)
{
    kernel k;
    parse(&k, text, strlen(text), NULL, NULL, 0);
    outcome o = run(&k, d, 7);
    assert_int_equal(o.bad, 0);
    drop(&k);
    return o;
}

static void test_exact_data_leave_no_room(void **state)
{
    (void)state;
    static const char product[] = "kernel k(N = 40) { input A: f32[N, N]\n input B: f32[N, N]\n"
                                  "output C: f32[N, N]\n C[i, j] = sum(k < N) A[i, k] * B[k, j] }";
    outcome o = run_text(product, EXACT);
    assert_int_equal(o.exact, o.elements);
    o = run_text(product, MANTISSAS);
    assert_int_equal(o.exact, 0);
    assert_true(o.sharp > o.elements * 9 / 10);
    /* 16 bits hold less, but sparse numbers fit */
    static const char narrow[] = "kernel k(N = 40) { input A: bf16[N, N]\n output C: bf16[N]\n"
                                 "C[i] = sum(k < N) A[i, k] }";
    o = run_text(narrow, SPARSE);
    assert_int_equal(o.exact, o.elements);
}

static void test_integers_are_exact_unless_floats_made_them(void **state)
{
    (void)state;
    outcome o = run_text("kernel k(N = 64) { input A: u8[N]\n input B: i8[N]\n output C: i32[N]\n"
                         "C[i] = i32(A[i]) * i32(B[i]) - 7 }",
                         MANTISSAS);
    assert_int_equal(o.exact, o.elements);
    o = run_text("kernel k(N = 64) { input A: f32[N, 9]\n output C: i8[N]\n"
                 "S[i] = sum(k < 9) A[i, k]\n C[i] = i8(round(S[i] * 10)) }",
                 MANTISSAS);
    assert_true(o.exact > o.elements * 3 / 4); /* a half is rarely near */
}

static void test_rounding_of_what_is_stored(void **state)
{
    (void)state;
    /* inf as written, whatever a schedule makes of the temporary */
    outcome o = run_text("kernel k(N = 16) { input X: f16[N]\n output C: f16[N]\n"
                         "T[i] = (X[i] + 300) * 250\n C[i] = T[i] / 250 }",
                         EXACT);
    assert_int_equal(o.vague, 0);
    /* an exact value is rounded as the dtype says and has no room */
    o = run_text("kernel k(N = 16) { input X: f32[N]\n output C: bf16[N]\n C[i] = bf16(X[i]) }",
                 MANTISSAS);
    assert_int_equal(o.exact, o.elements);
    /* what was cast is not rounded again by its store: one rounding uses up most of the bound */
    o = run_text("kernel k(N = 64) { input X: f32[N]\n output C: f16[N]\n"
                 "C[i] = f16(X[i] * 1.7) }",
                 MANTISSAS);
    assert_true(o.worst > 0.7);
    o = run_text("kernel k(N = 64) { input X: f32[N]\n temp T: f16[N]\n output C: f16[N]\n"
                 "T[i] = f16(X[i] * 1.7)\n C[i] = T[i] }",
                 MANTISSAS);
    assert_true(o.worst > 0.7);
}

static void test_cancellation_is_seen(void **state)
{
    (void)state;
    outcome o =
        run_text("kernel k(N = 32) { input X: f32[N, 100]\n output C: f32[N]\n"
                 "S[i] = sum(k < 100) X[i, k] + 1000\n T[i] = sum(k < 100) X[i, k] + 1000.0001\n"
                 "C[i] = (S[i] - T[i]) * 1000 }",
                 MANTISSAS);
    assert_int_equal(o.sharp, 0);
}

static void test_choices_near_the_edge(void **state)
{
    (void)state;
    outcome o = run_text("kernel k(N = 64) { input X: f32[N, 30]\n output C: f32[N]\n"
                         "S[i] = sum(k < 30) X[i, k]\n C[i] = select(S[i] > 0, S[i], -1000) }",
                         MANTISSAS);
    assert_true(o.sharp > o.elements / 2);
}

/* The error of an angle is no larger in its sine, and anything is right where the angle may be
 * beyond those that have one. */
static void test_angles(void **state)
{
    (void)state;
    outcome o = run_text("kernel k(N = 64) { input X: f32[N, 30]\n output C: f32[N]\n"
                         "S[i] = sum(k < 30) X[i, k] * 9\n C[i] = sin(S[i]) + cos(S[i]) + "
                         "atan(S[i]) }",
                         MANTISSAS);
    assert_int_equal(o.vague, 0);
    assert_true(o.sharp > o.elements / 2);
    o = run_text("kernel k(N = 64) { input X: f32[N, 30]\n output C: f32[N]\n"
                 "S[i] = sum(k < 30) X[i, k]\n C[i] = sin((S[i] + 1e-3) * 1e20) }",
                 MANTISSAS);
    assert_int_equal(o.vague, o.elements);
}

/* What happens on the way to a result: the program as written meets infinity, or denormals. */
static void test_overflow_and_underflow_on_the_way(void **state)
{
    (void)state;
    static const char *const texts[] = {
        /* in an expression: as written it is infinite, then 0, and NaN */
        "C[i] = X[i, 0] * 1e30 * 1e30 * 1e-30",
        "C[i] = X[i, 0] / (X[i, 1] * 1e30 * 1e30)",
        "C[i] = X[i, 0] * 1e30 * 1e30 * 0.0",
        /* in a product */
        "C[i] = prod(k < 8) (k < 4 ? X[i, k] * 1e15 : X[i, k] * 1e-15)",
        "C[i] = prod(k < 8) (k < 4 ? X[i, k] * 1e-11 : X[i, k] * 1e11)",
        /* in a sum, also one that is infinite in any order, or either infinity */
        "C[i] = sum(k < 8) (k < 4 ? X[i, k] * 1e38 * 10 : X[i, k] * -1e38 * 10)",
        "C[i] = sum(k < 8) (k == 7 ? X[i, k] / 0.0 : X[i, k] * 1e38 * 10)",
    };
    for (size_t k = 0; k < HONE_LEN(texts); k++) {
        char *text = hone_xasprintf("kernel k(N = 64) { input X: f32[N, 8]\n output C: f32[N]\n"
                                    "%s }",
                                    texts[k]);
        run_text(text, MANTISSAS);
        free(text);
    }
    /* denormals of 16 bits have fewer places than what is added */
    run_text("kernel k(N = 64) { input X: f16[N, 4]\n output C: f16[N]\n"
             "C[i] = sum(k < 4) X[i, k] * 1e-3 * X[i, 0] * 1e-4 }",
             MANTISSAS);
    /* what divides may be 0, and so may what it divides */
    run_text("kernel k(N = 64) { input X: f32[N, 2]\n output C: f16[N]\n"
             "D[i] = X[i, 0] * 1e-8\n C[i] = f16(i % 2) / f16(D[i]) }",
             MANTISSAS);
    /* what is not certain stays so when it is compared, cut to an integer, and cut to its bits */
    outcome o = run_text("kernel k(N = 64) { input X: f32[N, 8]\n output B: bool[N]\n"
                         "output C: i32[N]\n output D: i8[N]\n"
                         "S[i] = sum(k < 8) X[i, k] * 1e38 * 10\n B[i] = S[i] == S[0]\n"
                         "C[i] = i32(S[i]) + 1\n D[i] = i8(C[i]) * 3 }",
                         MANTISSAS);
    assert_int_equal(o.sharp, o.exact);
}

/* An infinity that a select takes is meant, not overflow: what is made of masked scores has bounds.
 */
static void test_masks_are_certain(void **state)
{
    (void)state;
    static const char *const scores[] = {"S[i, j]", "S[i, j] * 0.5"};
    for (size_t k = 0; k < HONE_LEN(scores); k++) {
        char *text = hone_xasprintf(
            "kernel k(N = 16) { input X: f32[N, 9]\n output C: f32[N]\n"
            "S[i, j] = sum(k < 9) X[i, k] * X[j, k]\n M[i, j] = select(j <= i, %s, -inf)\n"
            "top[i] = max(j < N) M[i, j]\n C[i] = sum(j < N) exp(M[i, j] - top[i]) }",
            scores[k]);
        outcome o = run_text(text, MANTISSAS);
        assert_int_equal(o.vague, 0);
        assert_int_equal(o.sharp, o.elements);
        free(text);
    }
}

/* ---- those that come with hone ---------------------------------------------------------------
 */

static const struct {
    const char *name;
    hone_size sizes[9];
} builtins[] = {
    {"matmul", {{"M", 9}, {"N", 13}, {"K", 70}}},
    {"matmul_f16", {{"M", 5}, {"N", 7}, {"K", 33}}},
    {"matmul_bf16", {{"M", 5}, {"N", 7}, {"K", 33}}},
    {"matmul_u8i8", {{"M", 5}, {"N", 7}, {"K", 33}}},
    {"matmul_u8i8_bias_relu", {{"M", 5}, {"N", 7}, {"K", 33}}},
    {"softmax", {{"M", 7}, {"N", 33}}},
    {"layernorm", {{"M", 7}, {"N", 33}}},
    {"gelu_tanh", {{"M", 7}, {"N", 33}}},
    {"bias_gelu", {{"M", 7}, {"N", 33}}},
    {"attention", {{"B", 1}, {"H", 2}, {"L", 9}, {"D", 8}}},
    {"attention_causal", {{"B", 1}, {"H", 2}, {"L", 9}, {"D", 8}}},
    {"norm", {{"B", 3}, {"M", 5}, {"N", 6}}},
    {"conv2d_winograd_nhwc", {{"N", 1}, {"H", 6}, {"W", 6}, {"CI", 5}, {"CO", 3}, {"pad", 1}}},
    {"max_pool2d_nhwc",
     {{"N", 1}, {"H", 6}, {"W", 6}, {"C", 5}, {"R", 3}, {"S", 3}, {"stride", 2}, {"pad", 1}}},
};

static void test_builtins(void **state)
{
    (void)state;
    size_t n;
    const char *text = hone_builtin_text(&n);
    for (size_t i = 0; i < HONE_LEN(builtins); i++) {
        unsigned n_sizes = 0;
        while (n_sizes < 9 && builtins[i].sizes[n_sizes].name)
            n_sizes++;
        kernel k;
        parse(&k, text, n, builtins[i].name, builtins[i].sizes, n_sizes);
        for (data d = EXACT; d < N_DATA; d++) {
            outcome o = run(&k, d, i + 1);
            print_message("%-24s data %d: %4d elements, %4d exact, %4d sharp, %d vague, %.3f of "
                          "the bound used\n",
                          builtins[i].name, d, (int)o.elements, (int)o.exact, (int)o.sharp,
                          (int)o.vague, o.worst);
            assert_int_equal(o.bad, 0);
            assert_true(o.sharp > 0);
            assert_true(o.worst <= 1);
        }
        drop(&k);
    }
}

/* Sixteen bits, rounded at every step, in rows: what the issue of bf16 layer norms was. */
static void test_sixteen_bit_rows(void **state)
{
    (void)state;
    static const char text[] =
        "kernel ln(M = 4, N = 128, eps = 1) { input X: bf16[M, N]\n output Y: bf16[M, N]\n"
        "mean[i] = (sum(k < N) X[i, k]) / N\n"
        "var[i] = (sum(k < N) (X[i, k] - mean[i]) * (X[i, k] - mean[i])) / N\n"
        "Y[i, j] = (X[i, j] - mean[i]) / sqrt(var[i] + 0.01) }";
    kernel k;
    parse(&k, text, strlen(text), NULL, NULL, 0);
    for (data d = EXACT; d < N_DATA; d++) {
        outcome o = run(&k, d, 3);
        print_message("layer norm, data %d: %d of %d exact, %d vague\n", d, (int)o.exact,
                      (int)o.elements, (int)o.vague);
        assert_int_equal(o.bad, 0);
    }
    assert_non_null(strstr(hone_sym_text(&k.oracle, k.oracle.name), ".oracle"));
    assert_true(hone_buffer_find(&k.oracle, "Y.written").i != 0);
    drop(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_data_leave_no_room),
        cmocka_unit_test(test_integers_are_exact_unless_floats_made_them),
        cmocka_unit_test(test_rounding_of_what_is_stored),
        cmocka_unit_test(test_cancellation_is_seen),
        cmocka_unit_test(test_choices_near_the_edge),
        cmocka_unit_test(test_angles),
        cmocka_unit_test(test_overflow_and_underflow_on_the_way),
        cmocka_unit_test(test_masks_are_certain),
        cmocka_unit_test(test_builtins),
        cmocka_unit_test(test_sixteen_bit_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
