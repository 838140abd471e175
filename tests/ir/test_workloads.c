/* Every built-in kernel, interpreted at small odd sizes, against a reference written by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ir/builtin.h"

#include <math.h>

#define MAX_ARGS 5

/* Sizes by name, arguments in the kernel's order; the reference fills the last argument. */
typedef struct run {
    const hone_size *sizes;
    unsigned n_sizes;
    float *arg[MAX_ARGS];
} run;

static int size_of(const run *r, const char *name)
{
    for (unsigned k = 0; k < r->n_sizes; k++)
        if (strcmp(r->sizes[k].name, name) == 0)
            return (int)r->sizes[k].value;
    fail_msg("no size %s", name);
    return 0;
}
#define SIZE(NAME) const int NAME = size_of(r, #NAME)

static void ref_matmul_at(int M, int N, int K, const float *A, const float *B, const float *bias,
                          float *C)
{
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            double sum = 0;
            for (int k = 0; k < K; k++)
                sum += (double)A[i * K + k] * (double)B[k * N + j];
            C[i * N + j] = (float)(bias ? fmax(sum + (double)bias[j], 0) : sum);
        }
}

static void ref_matmul(const run *r)
{
    SIZE(M);
    SIZE(N);
    SIZE(K);
    ref_matmul_at(M, N, K, r->arg[0], r->arg[1], NULL, r->arg[2]);
}

static void ref_batch_matmul(const run *r)
{
    SIZE(B);
    SIZE(M);
    SIZE(N);
    SIZE(K);
    for (int b = 0; b < B; b++)
        ref_matmul_at(M, N, K, r->arg[0] + b * M * K, r->arg[1] + b * K * N, NULL,
                      r->arg[2] + b * M * N);
}

static void ref_matmul_bias_relu(const run *r)
{
    SIZE(M);
    SIZE(N);
    SIZE(K);
    ref_matmul_at(M, N, K, r->arg[0], r->arg[1], r->arg[2], r->arg[3]);
}

static void ref_conv(const run *r, const float *bias, float *Y)
{
    SIZE(N);
    SIZE(H);
    SIZE(W);
    SIZE(CI);
    SIZE(CO);
    SIZE(R);
    SIZE(S);
    SIZE(stride);
    SIZE(pad);
    SIZE(dilation);
    const float *X = r->arg[0], *F = r->arg[1];
    int HO = (H + 2 * pad - dilation * (R - 1) - 1) / stride + 1;
    int WO = (W + 2 * pad - dilation * (S - 1) - 1) / stride + 1;
    for (int n = 0; n < N; n++)
        for (int y = 0; y < HO; y++)
            for (int x = 0; x < WO; x++)
                for (int f = 0; f < CO; f++) {
                    double sum = 0;
                    for (int dy = 0; dy < R; dy++)
                        for (int dx = 0; dx < S; dx++) {
                            int h = y * stride + dy * dilation - pad;
                            int w = x * stride + dx * dilation - pad;
                            if (h < 0 || h >= H || w < 0 || w >= W)
                                continue;
                            for (int c = 0; c < CI; c++)
                                sum += (double)X[((n * H + h) * W + w) * CI + c] *
                                       (double)F[((dy * S + dx) * CI + c) * CO + f];
                        }
                    Y[((n * HO + y) * WO + x) * CO + f] =
                        (float)(bias ? fmax(sum + (double)bias[f], 0) : sum);
                }
}

static void ref_conv2d(const run *r)
{
    ref_conv(r, NULL, r->arg[2]);
}

static void ref_conv2d_bias_relu(const run *r)
{
    ref_conv(r, r->arg[2], r->arg[3]);
}

static void ref_add_mul_relu(const run *r)
{
    SIZE(M);
    SIZE(N);
    for (int i = 0; i < M * N; i++)
        r->arg[3][i] = fmaxf((r->arg[0][i] + r->arg[1][i]) * r->arg[2][i], 0);
}

static void ref_gelu_tanh(const run *r)
{
    SIZE(M);
    SIZE(N);
    for (int i = 0; i < M * N; i++) {
        double x = r->arg[0][i];
        r->arg[1][i] = (float)(0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))));
    }
}

static void ref_row_sum(const run *r)
{
    SIZE(M);
    SIZE(N);
    for (int i = 0; i < M; i++) {
        double sum = 0;
        for (int k = 0; k < N; k++)
            sum += (double)r->arg[0][i * N + k];
        r->arg[1][i] = (float)sum;
    }
}

static void ref_row_max(const run *r)
{
    SIZE(M);
    SIZE(N);
    for (int i = 0; i < M; i++) {
        float top = r->arg[0][i * N];
        for (int k = 1; k < N; k++)
            top = fmaxf(top, r->arg[0][i * N + k]);
        r->arg[1][i] = top;
    }
}

static void ref_softmax(const run *r)
{
    SIZE(M);
    SIZE(N);
    for (int i = 0; i < M; i++) {
        const float *x = r->arg[0] + i * N;
        double sum = 0;
        for (int k = 0; k < N; k++)
            sum += exp((double)x[k]);
        for (int k = 0; k < N; k++)
            r->arg[1][i * N + k] = (float)(exp((double)x[k]) / sum);
    }
}

static void ref_layernorm(const run *r)
{
    SIZE(M);
    SIZE(N);
    for (int i = 0; i < M; i++) {
        const float *x = r->arg[0] + i * N;
        double mean = 0, var = 0;
        for (int k = 0; k < N; k++)
            mean += (double)x[k] / N;
        for (int k = 0; k < N; k++)
            var += ((double)x[k] - mean) * ((double)x[k] - mean) / N;
        for (int k = 0; k < N; k++)
            r->arg[3][i * N + k] =
                (float)(((double)x[k] - mean) / sqrt(var + 1e-5) * (double)r->arg[1][k] +
                        (double)r->arg[2][k]);
    }
}

#define MNK                 \
    {                       \
        {"M", 5}, {"N", 7}, \
        {                   \
            "K", 3          \
        }                   \
    }
#define MN          \
    {               \
        {"M", 7},   \
        {           \
            "N", 13 \
        }           \
    }
#define CONV(stride, pad, dilation, R, S)                                                     \
    {                                                                                         \
        {"N", 2}, {"H", 7}, {"W", 5}, {"CI", 3}, {"CO", 4}, {"stride", stride}, {"pad", pad}, \
            {"dilation", dilation}, {"R", R},                                                 \
        {                                                                                     \
            "S", S                                                                            \
        }                                                                                     \
    }

static const struct {
    const char *kernel;
    void (*reference)(const run *);
    hone_size sizes[10];
    unsigned given; /* of these, the first so many are given to hone; the rest are its defaults */
} cases[] = {
    {"matmul", ref_matmul, MNK, 3},
    {"batch_matmul", ref_batch_matmul, {{"M", 5}, {"N", 7}, {"K", 3}, {"B", 3}}, 4},
    {"matmul_bias_relu", ref_matmul_bias_relu, MNK, 3},
    {"conv2d_nhwc", ref_conv2d, CONV(1, 1, 1, 3, 3), 5},
    {"conv2d_nhwc", ref_conv2d, CONV(2, 0, 1, 3, 2), 10},
    {"conv2d_nhwc", ref_conv2d, CONV(2, 2, 2, 3, 1), 10},
    {"conv2d_nhwc_bias_relu", ref_conv2d_bias_relu, CONV(1, 1, 1, 3, 3), 5},
    {"conv2d_nhwc_bias_relu", ref_conv2d_bias_relu, CONV(3, 2, 1, 1, 5), 10},
    {"add_mul_relu", ref_add_mul_relu, MN, 2},
    {"gelu_tanh", ref_gelu_tanh, MN, 2},
    {"row_sum", ref_row_sum, MN, 2},
    {"row_max", ref_row_max, MN, 2},
    {"row_max", ref_row_max, {{"M", 1}, {"N", 1}}, 2},
    {"softmax", ref_softmax, MN, 2},
    {"layernorm", ref_layernorm, MN, 2},
};

static void check_case(unsigned k)
{
    size_t n;
    const char *text = hone_builtin_text(&n);
    hone_program p;
    hone_error err;
    if (hone_workload_parse("builtin", text, n, cases[k].kernel, cases[k].sizes, cases[k].given, &p,
                            &err) != HONE_OK)
        fail_msg("%s", err.message);
    run r = {.sizes = cases[k].sizes};
    while (r.n_sizes < 10 && r.sizes[r.n_sizes].name)
        r.n_sizes++;
    unsigned n_args = hone_program_n_args(&p);
    hone_rng rng;
    hone_rng_seed(&rng, k);
    void *args[MAX_ARGS];
    int64_t count = 0;
    for (unsigned a = 0; a < n_args; a++) {
        count = hone_buffer_count(&p, (hone_buffer){a + 1});
        r.arg[a] = args[a] = hone_xcalloc((size_t)count, sizeof(float));
        for (int64_t i = 0; i < count && a + 1 < n_args; i++)
            r.arg[a][i] = (float)(hone_rng_double(&rng) * 4 - 2);
    }
    if (hone_interp_run(&p, args, &err) != HONE_OK)
        fail_msg("%s", err.message);
    float *got = args[n_args - 1];
    r.arg[n_args - 1] = hone_xcalloc((size_t)count, sizeof(float));
    cases[k].reference(&r);
    for (int64_t i = 0; i < count; i++)
        if (!(fabsf(got[i] - r.arg[n_args - 1][i]) <= 1e-5f * (1 + fabsf(got[i]))))
            fail_msg("%s, element %d: got %g, want %g", cases[k].kernel, (int)i, (double)got[i],
                     (double)r.arg[n_args - 1][i]);
    free(r.arg[n_args - 1]);
    for (unsigned a = 0; a < n_args; a++)
        free(args[a]);
    hone_program_fini(&p);
}

static void test_references(void **state)
{
    (void)state;
    for (unsigned k = 0; k < HONE_LEN(cases); k++)
        check_case(k);
}

/* No built-in is without a case above. */
static void test_all_are_covered(void **state)
{
    (void)state;
    size_t n;
    const char *text = hone_builtin_text(&n);
    hone_kernel_list list = {0};
    hone_error err;
    assert_int_equal(hone_workload_list("builtin", text, n, &list, &err), HONE_OK);
    for (uint32_t i = 0; i < list.n; i++) {
        bool covered = false;
        for (unsigned k = 0; k < HONE_LEN(cases); k++)
            covered |= strcmp(cases[k].kernel, list.v[i].name) == 0;
        if (!covered)
            fail_msg("built-in '%s' has no reference", list.v[i].name);
    }
    hone_kernel_list_free(&list);
}

/* After an edit of the file, ir/builtin.c has to be built again. */
static void test_embedded_text_is_fresh(void **state)
{
    (void)state;
    char *file;
    size_t n_file, n;
    const char *text = hone_builtin_text(&n);
    hone_error err;
    if (hone_file_read(HONE_SOURCE_DIR "/workloads/builtin.hone", 1 << 20, &file, &n_file, &err) !=
        HONE_OK)
        fail_msg("%s", err.message);
    assert_int_equal(n, n_file);
    assert_memory_equal(text, file, n);
    assert_int_equal(text[n], 0);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_all_are_covered),
        cmocka_unit_test(test_embedded_text_is_fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
