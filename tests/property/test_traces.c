/* Random candidates of every built-in kernel at small odd sizes: what the program means, what the
 * scheduled program means, and what its machine code computes are the same.
 *
 * HONE_TRACES=n sets how many candidates a kernel gets (default 15), HONE_SEED=n where they start;
 * both are printed. A failure prints the trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ir/builtin.h"
#include "tests/property/harness.h"

#include <math.h>

#define WATCHED 3 /* of so many candidates one is watched (shadow.c) */

typedef struct subject {
    const char *kernel;
    hone_size sizes[8];
    unsigned n_sizes;
    double tolerance; /* 0: exact */
} subject;

static const subject subjects[] = {
    {"matmul", {{"M", 37}, {"N", 53}, {"K", 29}}, 3, 0},
    {"matmul", {{"M", 1}, {"N", 67}, {"K", 31}}, 3, 0},
    {"matmul", {{"M", 31}, {"N", 5}, {"K", 17}}, 3, 0},
    {"matmul_u8i8", {{"M", 37}, {"N", 48}, {"K", 28}}, 3, 0},
    {"matmul_u8i8", {{"M", 5}, {"N", 112}, {"K", 36}}, 3, 0},
    {"matmul_u8i8_bias_relu", {{"M", 19}, {"N", 64}, {"K", 28}}, 3, 0},
    {"matmul_u8i8_bias_relu", {{"M", 7}, {"N", 41}, {"K", 25}}, 3, 0},
    {"matmul_bf16", {{"M", 19}, {"N", 80}, {"K", 22}}, 3, 1e-5},
    {"matmul_b1", {{"M", 17}, {"N", 48}, {"K", 224}}, 3, 0},
    {"batch_matmul", {{"B", 3}, {"M", 19}, {"N", 35}, {"K", 13}}, 4, 0},
    {"matmul_bias_relu", {{"M", 23}, {"N", 41}, {"K", 19}}, 3, 0},
    {"conv2d_nhwc", {{"N", 1}, {"H", 9}, {"W", 7}, {"CI", 5}, {"CO", 19}}, 5, 0},
    {"conv2d_nhwc",
     {{"N", 2}, {"H", 11}, {"W", 9}, {"CI", 3}, {"CO", 17}, {"stride", 2}, {"dilation", 2}},
     7,
     0},
    {"conv2d_nhwc_bias_relu", {{"N", 1}, {"H", 7}, {"W", 9}, {"CI", 7}, {"CO", 33}}, 5, 0},
    {"conv2d_nhwc_bn_relu", {{"N", 1}, {"H", 5}, {"W", 9}, {"CI", 3}, {"CO", 18}}, 5, 0},
    {"conv2d_winograd_nhwc", {{"N", 1}, {"H", 6}, {"W", 9}, {"CI", 3}, {"CO", 17}}, 5, 1e-4},
    {"conv2d_nhwc_u8i8", {{"N", 1}, {"H", 6}, {"W", 7}, {"CI", 5}, {"CO", 19}}, 5, 0},
    {"conv2d_nhwc_u8i8", {{"N", 1}, {"H", 5}, {"W", 7}, {"CI", 12}, {"CO", 48}}, 5, 0},
    {"conv2d_nhwc_u8i8",
     {{"N", 2}, {"H", 9}, {"W", 8}, {"CI", 8}, {"CO", 32}, {"stride", 2}, {"dilation", 2}},
     7,
     0},
    {"conv2d_nhwc_u8i8_bias_relu", {{"N", 1}, {"H", 5}, {"W", 7}, {"CI", 8}, {"CO", 48}}, 5, 0},
    /* few channels */
    {"conv2d_nhwc", {{"N", 1}, {"H", 9}, {"W", 21}, {"CI", 3}, {"CO", 1}}, 5, 0},
    {"conv2d_nhwc",
     {{"N", 1}, {"H", 8}, {"W", 19}, {"CI", 1}, {"CO", 6}, {"R", 5}, {"S", 5}, {"pad", 2}},
     8,
     0},
    {"conv2d_nhwc", {{"N", 2}, {"H", 11}, {"W", 17}, {"CI", 4}, {"CO", 3}, {"stride", 2}}, 6, 0},
    {"conv2d_nhwc_bias_relu", {{"N", 1}, {"H", 5}, {"W", 12}, {"CI", 2}, {"CO", 3}}, 5, 0},
    {"conv2d_nhwc_u8i8", {{"N", 1}, {"H", 6}, {"W", 27}, {"CI", 3}, {"CO", 5}}, 5, 0},
    {"conv1d_nlc", {{"N", 1}, {"L", 41}, {"CI", 2}, {"CO", 3}}, 4, 0},
    {"depthwise_nhwc", {{"N", 1}, {"H", 7}, {"W", 23}, {"C", 3}}, 4, 0},
    {"max_pool2d_nhwc", {{"N", 1}, {"H", 9}, {"W", 17}, {"C", 3}}, 4, 0},
    {"conv1d_nlc", {{"N", 2}, {"L", 19}, {"CI", 5}, {"CO", 21}, {"stride", 2}}, 5, 0},
    {"conv3d_ndhwc", {{"N", 1}, {"D", 4}, {"H", 5}, {"W", 6}, {"CI", 3}, {"CO", 17}}, 6, 0},
    {"depthwise_nhwc", {{"N", 1}, {"H", 9}, {"W", 7}, {"C", 19}, {"stride", 2}}, 5, 0},
    {"conv2d_group_nhwc", {{"N", 1}, {"H", 7}, {"W", 6}, {"CI", 12}, {"CO", 20}}, 5, 0},
    {"conv2d_group_nhwc", {{"N", 1}, {"H", 7}, {"W", 11}, {"CI", 32}, {"CO", 32}, {"G", 8}}, 6, 0},
    {"conv2d_group_nhwc",
     {{"N", 2}, {"H", 9}, {"W", 13}, {"CI", 16}, {"CO", 32}, {"G", 4}, {"stride", 2}},
     7,
     0},
    {"conv2d_group_nhwc",
     {{"N", 1}, {"H", 5}, {"W", 7}, {"CI", 32}, {"CO", 8}, {"G", 4}, {"R", 5}, {"pad", 2}},
     8,
     0},
    {"conv2d_group_nhwc", {{"N", 1}, {"H", 6}, {"W", 9}, {"CI", 24}, {"CO", 24}, {"G", 6}}, 6, 0},
    {"conv2d_transposed_nhwc", {{"N", 1}, {"H", 4}, {"W", 5}, {"CI", 5}, {"CO", 18}}, 5, 0},
    {"capsule_conv2d_nhwc", {{"N", 1}, {"H", 5}, {"W", 6}, {"CI", 3}, {"CO", 5}}, 5, 0},
    {"max_pool2d_nhwc", {{"N", 1}, {"H", 9}, {"W", 7}, {"C", 19}}, 4, 0},
    {"avg_pool2d_nhwc", {{"N", 1}, {"H", 9}, {"W", 7}, {"C", 19}}, 4, 1e-6},
    {"dense", {{"M", 19}, {"N", 37}, {"K", 23}}, 3, 0},
    {"matmul_u8i8", {{"M", 19}, {"N", 37}, {"K", 23}}, 3, 0},
    {"matmul_bf16", {{"M", 19}, {"N", 37}, {"K", 23}}, 3, 0},
    {"matmul_f16", {{"M", 19}, {"N", 37}, {"K", 23}}, 3, 0},
    {"matmul_b1", {{"M", 13}, {"N", 37}, {"K", 160}}, 3, 0},
    {"matmul_b2", {{"M", 11}, {"N", 35}, {"K", 96}}, 3, 0},
    {"transpose_batch_matmul", {{"B", 2}, {"L", 17}, {"H", 3}, {"D", 11}}, 4, 0},
    {"attention", {{"B", 1}, {"H", 3}, {"L", 13}, {"D", 11}}, 4, 1e-5},
    {"attention", {{"B", 1}, {"H", 1}, {"L", 101}, {"D", 19}}, 4, 1e-5},
    {"attention_causal", {{"B", 1}, {"H", 2}, {"L", 77}, {"D", 11}}, 4, 1e-5},
    {"norm", {{"B", 3}, {"M", 13}, {"N", 19}}, 3, 1e-6},
    {"bias_gelu", {{"M", 13}, {"N", 71}}, 2, 1e-4},
    {"add_mul_relu", {{"M", 13}, {"N", 71}}, 2, 0},
    {"gelu_tanh", {{"M", 13}, {"N", 71}}, 2, 1e-4},
    {"row_sum", {{"M", 13}, {"N", 37}}, 2, 0},
    {"row_max", {{"M", 13}, {"N", 37}}, 2, 0},
    {"softmax", {{"M", 11}, {"N", 37}}, 2, 1e-5},
    {"softmax", {{"M", 5}, {"N", 300}}, 2, 1e-5}, /* in place */
    {"layernorm", {{"M", 9}, {"N", 43}}, 2, 1e-4},
};

/* Floats whose sums of products are exact; any integer, or small ones. */
static double element(hone_rng *r, hone_dtype t, bool small)
{
    if (hone_dtype_is_float(t))
        return ((double)hone_rng_below(r, 17) - 8) / 8;
    assert_true(hone_dtype_bytes(t) <= 4 && t != HONE_BOOL);
    if (small)
        return (double)hone_rng_below(r, 5) - (t == HONE_U8 ? 0 : 2);
    uint64_t values = 1ull << 8 * hone_dtype_bytes(t);
    return (double)hone_rng_below(r, values) - (t == HONE_U8 ? 0 : (double)(values / 2));
}

static void fill(const pair_args *a, const hone_program *p, uint64_t seed)
{
    hone_rng r;
    hone_rng_seed(&r, seed);
    /* a result of bytes would be cut to 0 or 255 nearly everywhere */
    bool small = hone_buffer_at(p, (hone_buffer){a->n})->dtype == HONE_U8;
    for (unsigned k = 0; k < a->n; k++) {
        hone_buffer b = {k + 1};
        const hone_buffer_row *row = hone_buffer_at(p, b);
        for (int64_t i = 0; i < hone_buffer_count(p, b); i++) {
            hone_dtype t = (hone_dtype)row->dtype;
            double v = element(&r, t, small);
            hone_elem_set(t, a->at[k], i, row->role == HONE_OUTPUT ? NAN : v);
        }
    }
}

static void same(const subject *s, const hone_program *p, const pair_args *want,
                 const pair_args *got, const char *what, const char *trace)
{
    const char *diff = pair_args_differ(p, want, got, s->tolerance);
    if (diff)
        fail_msg("%s %s: %s\n%s", s->kernel, what, diff, trace);
}

static void compiled(const subject *s, hone_codegen *g, const hone_program *base,
                     const hone_program *p, const pair_args *want, const pair_args *got,
                     const hone_rt_api *rt, const char *trace)
{
    hone_error err = {0};
    pair_code code;
    hone_status st = pair_code_new(
        g, p, &(hone_codegen_options){.emit = HONE_EMIT_OBJECT, .threads = 2}, &code, &err);
    if (st == HONE_REJECT_TOO_BIG)
        return;
    if (st != HONE_OK)
        fail_msg("%s: %s\n%s", s->kernel, err.message, trace);
    assert_int_equal(pair_code_run(&code, got, rt), 0);
    same(s, base, want, got, "compiled", trace);
    pair_code_free(&code);
}

static void watched(const subject *s, hone_codegen *g, const hone_target *t,
                    const hone_program *base, const hone_program *p, const pair_args *want,
                    const pair_args *got, const char *trace)
{
    hone_error err = {0};
    pair_code code;
    int32_t result;
    hone_status st =
        pair_code_new_watched(g, t, p, &(hone_codegen_options){.threads = 2}, &code, &err);
    if (st == HONE_REJECT_TOO_BIG)
        return;
    if (st != HONE_OK)
        fail_msg("%s: %s\n%s", s->kernel, err.message, trace);
    const char *touched = pair_code_watch(&code, base, got, true, &result);
    if (touched)
        fail_msg("%s: %s\n%s", s->kernel, touched, trace);
    assert_int_equal(result, 0);
    same(s, base, want, got, "watched", trace);
    pair_code_free(&code);
}

static long number(const char *name, long fallback)
{
    const char *v = getenv(name);
    return v ? strtol(v, NULL, 10) : fallback;
}

static void random_traces(void **state)
{
    const subject *s = *state;
    long n = number("HONE_TRACES", 15), seed = number("HONE_SEED", 1);
    hone_error err = {0};
    hone_program base = {0};
    size_t len;
    const char *text = hone_builtin_text(&len);
    if (hone_workload_parse("built-in", text, len, s->kernel, s->sizes, s->n_sizes, &base, &err) !=
        HONE_OK)
        fail_msg("%s", err.message);
    hone_target native;
    assert_int_equal(hone_target_native(&native, NULL), HONE_OK);
    hone_codegen *g;
    assert_int_equal(hone_codegen_new(&native, &g, NULL), HONE_OK);
    hone_rt_pool *pool = hone_rt_pool_new(2, 0);
    pair_args want, got;
    pair_args_new(&want, &base);
    pair_args_new(&got, &base);
    fill(&want, &base, (uint64_t)seed);
    if (hone_interp_run(&base, want.at, &err) != HONE_OK)
        fail_msg("%s", err.message);

    hone_space *sp;
    assert_int_equal(
        hone_space_new(&base, &(hone_space_options){.target = &native, .threads = 2}, &sp, NULL),
        HONE_OK);
    hone_sched sched = {0};
    hone_rng rng;
    hone_rng_seed(&rng, (uint64_t)seed);
    long ok = 0, rejected = 0;
    for (long k = 0; ok < n && rejected < 20 * n; k++) {
        hone_status st;
        if (k < (long)sp->seeds.n)
            st = hone_space_finish(sp, &sp->seeds.v[k], &sched, &err);
        else
            st = hone_space_sample(sp, &rng, &sched, &err);
        if (hone_status_is_reject(st)) {
            rejected++;
            continue;
        }
        assert_int_equal(st, HONE_OK);
        char *trace = hone_trace_text(&sched.trace);
        if (number("HONE_VERBOSE", 0))
            fprintf(stderr, "%s\n", trace);
        if (hone_verify(&sched.prog, &err) != HONE_OK)
            fail_msg("%s: %s\n%s", s->kernel, err.message, trace);
        fill(&got, &base, (uint64_t)seed);
        if (hone_interp_run(&sched.prog, got.at, &err) != HONE_OK)
            fail_msg("%s: %s\n%s", s->kernel, err.message, trace);
        same(s, &base, &want, &got, "scheduled", trace);
        fill(&got, &base, (uint64_t)seed);
        compiled(s, g, &base, &sched.prog, &want, &got, hone_rt_pool_api(pool), trace);
        if (ok % WATCHED == 0) {
            fill(&got, &base, (uint64_t)seed);
            watched(s, g, &native, &base, &sched.prog, &want, &got, trace);
        }
        free(trace);
        ok++;
    }
    printf("%s: %ld candidates agree, %ld rejected, %u design spaces, seed %ld\n", s->kernel, ok,
           rejected, sp->traces.n, seed);
    assert_true(ok == n || sp->traces.v[0].insts.n == 0);
    hone_sched_fini(&sched);
    hone_space_free(sp);
    hone_rt_pool_free(pool);
    hone_codegen_free(g);
    pair_args_free(&want);
    pair_args_free(&got);
    hone_program_fini(&base);
}

int main(void)
{
    struct CMUnitTest tests[HONE_LEN(subjects)];
    for (unsigned k = 0; k < HONE_LEN(subjects); k++)
        tests[k] = (struct CMUnitTest){.name = subjects[k].kernel,
                                       .test_func = random_traces,
                                       .initial_state = (void *)(uintptr_t)&subjects[k]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
