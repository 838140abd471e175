/* Every built-in kernel, interpreted at small odd sizes, against a reference written by hand; and
 * that each can be made at the sizes people tune it for. The references compute in f64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ir/builtin.h"

#include "references.h"

/* ---- products, rows, element by element --------------------------------------------------------
 */

static void multiply(int M, int N, int K, const double *A, const double *B, double *C)
{
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            C[i * N + j] = 0;
            for (int k = 0; k < K; k++)
                C[i * N + j] += A[i * K + k] * B[k * N + j];
        }
}

static void ref_matmul(const run *r)
{
    SIZE(M);
    SIZE(N);
    SIZE(K);
    multiply(M, N, K, r->arg[0], r->arg[1], r->arg[2]);
}

static void ref_batch_matmul(const run *r)
{
    SIZE(B);
    SIZE(M);
    SIZE(N);
    SIZE(K);
    for (int b = 0; b < B; b++)
        multiply(M, N, K, r->arg[0] + b * M * K, r->arg[1] + b * K * N, r->arg[2] + b * M * N);
}

static void ref_matmul_bias_relu(const run *r)
{
    SIZE(M);
    SIZE(N);
    SIZE(K);
    multiply(M, N, K, r->arg[0], r->arg[1], r->arg[3]);
    for (int i = 0; i < M * N; i++)
        r->arg[3][i] = fmax(r->arg[3][i] + r->arg[2][i % N], 0);
}

static void ref_matmul_u8i8_bias_relu(const run *r)
{
    SIZE(M);
    SIZE(N);
    SIZE(K);
    multiply(M, N, K, r->arg[0], r->arg[1], r->arg[4]);
    quantise(r->arg[4], r->arg[2], r->arg[3], M, N);
}

static void ref_transpose_batch_matmul(const run *r)
{
    SIZE(B);
    SIZE(L);
    SIZE(H);
    SIZE(D);
    double *z = r->arg[2];
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++)
            for (int i = 0; i < L; i++)
                for (int j = 0; j < L; j++, z++)
                    for (int d = 0; d < D; d++)
                        *z += r->arg[0][((b * L + i) * H + h) * D + d] *
                              r->arg[1][((b * L + j) * H + h) * D + d];
}

static void attend(const run *r, bool causal)
{
    SIZE(B);
    SIZE(H);
    SIZE(L);
    SIZE(D);
    for (int row = 0; row < B * H * L; row++) {
        const double *q = r->arg[0] + row * D, *k = r->arg[1] + row / L * L * D;
        const double *v = r->arg[2] + row / L * L * D;
        double total = 0, *o = r->arg[3] + row * D;
        for (int j = 0; j < (causal ? row % L + 1 : L); j++) {
            double score = 0;
            for (int d = 0; d < D; d++)
                score += q[d] * k[j * D + d];
            total += exp(score / sqrt(D));
            for (int d = 0; d < D; d++)
                o[d] += exp(score / sqrt(D)) * v[j * D + d];
        }
        for (int d = 0; d < D; d++)
            o[d] /= total;
    }
}

static void ref_attention(const run *r)
{
    attend(r, false);
}

static void ref_attention_causal(const run *r)
{
    attend(r, true);
}

/* Bit k of row i of plane p. */
static int bit(const run *r, int arg, int p, int rows, int i, int k)
{
    SIZE(K);
    int64_t word = (int64_t)r->arg[arg][(p * rows + i) * (K / 32) + k / 32];
    return (int)(word >> (k % 32) & 1);
}

static void multiply_bits(const run *r, int planes)
{
    SIZE(M);
    SIZE(N);
    SIZE(K);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++)
            for (int k = 0; k < K; k++) {
                int a = 0, b = 0;
                for (int p = 0; p < planes; p++) {
                    a += bit(r, 0, p, M, i, k) << p;
                    b += bit(r, 1, p, N, j, k) << p;
                }
                r->arg[2][i * N + j] += a * b;
            }
}

static void ref_matmul_b1(const run *r)
{
    multiply_bits(r, 1);
}

static void ref_matmul_b2(const run *r)
{
    multiply_bits(r, 2);
}

static void ref_add_mul_relu(const run *r)
{
    SIZE(M);
    SIZE(N);
    for (int i = 0; i < M * N; i++)
        r->arg[3][i] = fmax((r->arg[0][i] + r->arg[1][i]) * r->arg[2][i], 0);
}

static double gelu(double x)
{
    return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

static void ref_gelu_tanh(const run *r)
{
    SIZE(M);
    SIZE(N);
    for (int i = 0; i < M * N; i++)
        r->arg[1][i] = gelu(r->arg[0][i]);
}

static void ref_bias_gelu(const run *r)
{
    SIZE(M);
    SIZE(N);
    for (int i = 0; i < M * N; i++)
        r->arg[2][i] = gelu(r->arg[0][i] + r->arg[1][i % N]);
}

static void ref_row_sum(const run *r)
{
    SIZE(M);
    SIZE(N);
    for (int i = 0; i < M * N; i++)
        r->arg[1][i / N] += r->arg[0][i];
}

static void ref_row_max(const run *r)
{
    SIZE(M);
    SIZE(N);
    for (int i = 0; i < M * N; i++)
        r->arg[1][i / N] = i % N ? fmax(r->arg[1][i / N], r->arg[0][i]) : r->arg[0][i];
}

static void ref_norm(const run *r)
{
    SIZE(B);
    SIZE(M);
    SIZE(N);
    for (int b = 0; b < B; b++) {
        for (int i = 0; i < M * N; i++)
            r->arg[1][b] = hypot(r->arg[1][b], r->arg[0][b * M * N + i]);
    }
}

static void ref_softmax(const run *r)
{
    SIZE(M);
    SIZE(N);
    for (int i = 0; i < M; i++) {
        const double *x = r->arg[0] + i * N;
        double sum = 0;
        for (int k = 0; k < N; k++)
            sum += exp(x[k]);
        for (int k = 0; k < N; k++)
            r->arg[1][i * N + k] = exp(x[k]) / sum;
    }
}

static void ref_layernorm(const run *r)
{
    SIZE(M);
    SIZE(N);
    for (int i = 0; i < M; i++) {
        const double *x = r->arg[0] + i * N;
        double mean = 0, var = 0;
        for (int k = 0; k < N; k++)
            mean += x[k] / N;
        for (int k = 0; k < N; k++)
            var += (x[k] - mean) * (x[k] - mean) / N;
        for (int k = 0; k < N; k++)
            r->arg[3][i * N + k] = (x[k] - mean) / sqrt(var + 1e-5) * r->arg[1][k] + r->arg[2][k];
    }
}

/* ---- small sizes -------------------------------------------------------------------------------
 */

/* clang-format off */
#define MNK {{"M", 5}, {"N", 7}, {"K", 3}}, 3
#define BITS {{"M", 5}, {"N", 7}, {"K", 96}}, 3
#define MN {{"M", 7}, {"N", 13}}, 2
#define IMAGE {"N", 2}, {"H", 7}, {"W", 5}
#define IMAGES IMAGE, {"CI", 3}, {"CO", 4}
#define CONV(stride, pad, dilation, R, S) \
    {IMAGES, {"stride", stride}, {"pad", pad}, {"dilation", dilation}, {"R", R}, {"S", S}}
#define POOL(stride, pad, R, S) \
    {IMAGE, {"C", 5}, {"stride", stride}, {"pad", pad}, {"R", R}, {"S", S}}

static const struct {
    const char *kernel;
    void (*reference)(const run *);
    hone_size sizes[11];
    unsigned given;   /* of these, the first so many are given to hone; the rest are its defaults */
    float tolerance;  /* 0: 1e-5 */
} cases[] = {
    {"matmul", ref_matmul, MNK, 0},
    {"dense", ref_matmul, MNK, 0},
    {"batch_matmul", ref_batch_matmul, {{"M", 5}, {"N", 7}, {"K", 3}, {"B", 3}}, 4, 0},
    {"matmul_bias_relu", ref_matmul_bias_relu, MNK, 0},
    {"transpose_batch_matmul", ref_transpose_batch_matmul,
     {{"B", 2}, {"L", 5}, {"H", 3}, {"D", 7}}, 4, 0},
    {"attention", ref_attention, {{"B", 2}, {"H", 3}, {"L", 5}, {"D", 7}}, 4, 0},
    {"attention_causal", ref_attention_causal, {{"B", 2}, {"H", 3}, {"L", 5}, {"D", 7}}, 4, 0},
    {"matmul_u8i8", ref_matmul, MNK, 0},
    {"matmul_u8i8_bias_relu", ref_matmul_u8i8_bias_relu, MNK, 0},
    {"matmul_bf16", ref_matmul, MNK, 0},
    {"matmul_f16", ref_matmul, MNK, 0},
    {"matmul_b1", ref_matmul_b1, BITS, 0},
    {"matmul_b2", ref_matmul_b2, BITS, 0},
    {"conv1d_nlc", ref_conv1d, {{"N", 2}, {"L", 9}, {"CI", 3}, {"CO", 4}, {"R", 3}}, 4, 0},
    {"conv1d_nlc", ref_conv1d,
     {{"N", 2}, {"L", 9}, {"CI", 3}, {"CO", 4}, {"R", 2}, {"stride", 2}, {"pad", 3},
      {"dilation", 2}}, 8, 0},
    {"conv2d_nhwc", ref_conv2d, CONV(1, 1, 1, 3, 3), 5, 0},
    {"conv2d_nhwc", ref_conv2d, CONV(2, 0, 1, 3, 2), 10, 0},
    {"conv2d_nhwc", ref_conv2d, CONV(2, 2, 2, 3, 1), 10, 0},
    {"conv2d_nhwc_bias_relu", ref_conv2d_bias_relu, CONV(1, 1, 1, 3, 3), 5, 0},
    {"conv2d_nhwc_bias_relu", ref_conv2d_bias_relu, CONV(3, 2, 1, 1, 5), 10, 0},
    {"conv2d_nhwc_bn_relu", ref_conv2d_bn_relu, CONV(1, 1, 1, 3, 3), 5, 0},
    {"conv2d_nhwc_bn_relu", ref_conv2d_bn_relu, CONV(2, 1, 2, 2, 3), 10, 0},
    {"conv2d_nhwc_u8i8", ref_conv2d, CONV(1, 1, 1, 3, 3), 5, 0},
    {"conv2d_nhwc_u8i8", ref_conv2d, CONV(2, 2, 2, 3, 1), 10, 0},
    {"conv2d_nhwc_u8i8_bias_relu", ref_conv2d_u8i8_bias_relu, CONV(1, 1, 1, 3, 3), 5, 0},
    {"conv2d_nhwc_u8i8_bias_relu", ref_conv2d_u8i8_bias_relu, CONV(2, 2, 2, 3, 1), 10, 0},
    {"conv2d_winograd_nhwc", ref_conv2d, {IMAGES}, 5, 1e-4f},
    {"conv2d_winograd_nhwc", ref_conv2d,
     {{"N", 1}, {"H", 6}, {"W", 11}, {"CI", 4}, {"CO", 3}, {"pad", 0}}, 6, 1e-4f},
    {"conv3d_ndhwc", ref_conv3d, {IMAGES, {"D", 4}}, 6, 0},
    {"conv3d_ndhwc", ref_conv3d,
     {IMAGES, {"D", 6}, {"R", 2}, {"stride", 2}, {"pad", 0}, {"dilation", 3}}, 10, 0},
    {"depthwise_nhwc", ref_depthwise, {IMAGE, {"C", 5}}, 4, 0},
    {"depthwise_nhwc", ref_depthwise, POOL(2, 2, 5, 4), 8, 0},
    {"conv2d_group_nhwc", ref_conv2d, {IMAGE, {"CI", 8}, {"CO", 12}, {"G", 4}}, 5, 0},
    {"conv2d_group_nhwc", ref_conv2d,
     {IMAGE, {"CI", 9}, {"CO", 6}, {"G", 3}, {"R", 2}, {"S", 3}, {"stride", 2}, {"pad", 2}}, 10, 0},
    {"conv2d_transposed_nhwc", ref_conv2d_transposed,
     {IMAGES, {"R", 4}, {"S", 4}, {"stride", 2}, {"pad", 1}}, 5, 0},
    {"conv2d_transposed_nhwc", ref_conv2d_transposed,
     {IMAGES, {"R", 6}, {"S", 3}, {"stride", 3}, {"pad", 0}}, 9, 0},
    {"conv2d_transposed_nhwc", ref_conv2d_transposed,
     {IMAGES, {"R", 2}, {"S", 6}, {"stride", 2}, {"pad", 2}}, 9, 0},
    {"conv2d_transposed_nhwc", ref_conv2d_transposed,
     {IMAGES, {"R", 3}, {"S", 3}, {"stride", 1}, {"pad", 1}}, 9, 0},
    {"capsule_conv2d_nhwc", ref_capsule, {IMAGES, {"stride", 2}, {"CAP", 4}}, 5, 0},
    {"capsule_conv2d_nhwc", ref_capsule,
     {IMAGES, {"stride", 1}, {"CAP", 3}, {"R", 2}, {"S", 3}, {"pad", 0}}, 10, 0},
    {"max_pool2d_nhwc", ref_max_pool2d, POOL(2, 1, 3, 3), 4, 0},
    {"max_pool2d_nhwc", ref_max_pool2d, POOL(1, 0, 2, 3), 8, 0},
    {"avg_pool2d_nhwc", ref_avg_pool2d, POOL(2, 1, 3, 3), 4, 0},
    {"avg_pool2d_nhwc", ref_avg_pool2d, POOL(1, 1, 2, 3), 8, 0},
    {"add_mul_relu", ref_add_mul_relu, MN, 0},
    {"gelu_tanh", ref_gelu_tanh, MN, 0},
    {"bias_gelu", ref_bias_gelu, MN, 0},
    {"row_sum", ref_row_sum, MN, 0},
    {"row_max", ref_row_max, MN, 0},
    {"row_max", ref_row_max, {{"M", 1}, {"N", 1}}, 2, 0},
    {"softmax", ref_softmax, MN, 0},
    {"layernorm", ref_layernorm, MN, 0},
    {"norm", ref_norm, {{"B", 3}, {"M", 7}, {"N", 5}}, 3, 0},
};
/* clang-format on */

/* Numbers of [-2, 2) for floats; for integers any, or, where bytes are made of sums, small.
 */
static double random_element(hone_rng *rng, hone_dtype t, bool to_bytes)
{
    if (hone_dtype_is_float(t))
        return hone_rng_double(rng) * 4 - 2;
    if (to_bytes)
        return (double)hone_rng_below(rng, 5) - (t == HONE_U8 ? 0 : 2);
    double span = t == HONE_I32 ? 0x1p32 : 256;
    return (double)hone_rng_below(rng, (uint32_t)(span - 1)) - (t == HONE_U8 ? 0 : span / 2);
}

static hone_program make(const char *kernel, const hone_size *sizes, unsigned n_sizes)
{
    size_t n;
    const char *text = hone_builtin_text(&n);
    hone_program p;
    hone_error err;
    if (hone_workload_parse("builtin", text, n, kernel, sizes, n_sizes, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return p;
}

static void compare(unsigned k, hone_dtype t, const void *got, const double *want, int64_t count)
{
    double tolerance = cases[k].tolerance > 0 ? (double)cases[k].tolerance : 1e-5;
    for (int64_t i = 0; i < count; i++) {
        double g = hone_elem_get(t, got, i), off = fabs(g - want[i]);
        if (!(hone_dtype_is_float(t) ? off <= tolerance * (1 + fabs(g)) : off == 0))
            fail_msg("case %u, %s, element %d: got %.9g, want %.9g", k, cases[k].kernel, (int)i, g,
                     want[i]);
    }
}

static void check_case(unsigned k)
{
    hone_program p = make(cases[k].kernel, cases[k].sizes, cases[k].given);
    hone_error err;
    run r = {.sizes = cases[k].sizes};
    while (r.n_sizes < HONE_LEN(cases[k].sizes) && r.sizes[r.n_sizes].name)
        r.n_sizes++;
    unsigned n_args = hone_program_n_args(&p);
    assert_true(n_args <= MAX_ARGS);
    hone_rng rng;
    hone_rng_seed(&rng, k);
    void *args[MAX_ARGS];
    int64_t count = 0;
    hone_dtype t = HONE_F32;
    bool to_bytes = hone_buffer_at(&p, (hone_buffer){n_args})->dtype == HONE_U8;
    for (unsigned a = 0; a < n_args; a++) {
        t = (hone_dtype)hone_buffer_at(&p, (hone_buffer){a + 1})->dtype;
        count = hone_buffer_count(&p, (hone_buffer){a + 1});
        args[a] = hone_xcalloc((size_t)count, (size_t)hone_dtype_bytes(t));
        r.arg[a] = hone_xcalloc((size_t)count, sizeof(double));
        for (int64_t i = 0; i < count && a + 1 < n_args; i++) {
            hone_elem_set(t, args[a], i, random_element(&rng, t, to_bytes));
            r.arg[a][i] = hone_elem_get(t, args[a], i);
        }
    }
    if (hone_interp_run(&p, args, &err) != HONE_OK)
        fail_msg("%s", err.message);
    cases[k].reference(&r);
    compare(k, t, args[n_args - 1], r.arg[n_args - 1], count);
    for (unsigned a = 0; a < n_args; a++) {
        free(args[a]);
        free(r.arg[a]);
    }
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

/* ---- large sizes -------------------------------------------------------------------------------
 */

/* clang-format off */
#define SIDE(side) {"H", side}, {"W", side}
#define CHANNELS(ci, co) {"CI", ci}, {"CO", co}
#define TAPS(r) {"R", r}, {"S", r}

/* The sizes benchmarks of tuners use (Ansor, OSDI 2020, fig. 6), and the operations they take. */
static const struct {
    const char *kernel;
    hone_size sizes[10];
    int64_t flops;
} suite[] = {
    {"conv1d_nlc", {{"N", 1}, {"L", 256}, CHANNELS(64, 128), {"stride", 2}},
     2ll * 128 * 128 * 3 * 64},
    {"conv2d_nhwc", {{"N", 1}, SIDE(224), CHANNELS(3, 64), TAPS(7), {"stride", 2}, {"pad", 3}},
     2ll * 112 * 112 * 64 * 49 * 3},
    {"conv2d_nhwc", {{"N", 1}, SIDE(56), CHANNELS(64, 64), TAPS(1), {"pad", 0}},
     2ll * 56 * 56 * 64 * 64},
    {"conv2d_nhwc", {{"N", 16}, SIDE(14), CHANNELS(256, 256)}, 2ll * 16 * 196 * 256 * 9 * 256},
    {"conv2d_nhwc", {{"N", 1}, SIDE(7), CHANNELS(512, 512)}, 2ll * 49 * 512 * 9 * 512},
    {"conv2d_nhwc", {{"N", 1}, SIDE(14), CHANNELS(256, 256), {"dilation", 2}},
     2ll * 144 * 256 * 9 * 256},
    {"conv2d_nhwc_bn_relu", {{"N", 1}, SIDE(7), CHANNELS(512, 512)},
     2ll * 49 * 512 * 9 * 512 + 3 * 49 * 512},
    {"conv2d_nhwc_u8i8", {{"N", 1}, SIDE(14), CHANNELS(256, 256)}, 2ll * 196 * 256 * 9 * 256},
    {"conv3d_ndhwc", {{"N", 1}, {"D", 16}, SIDE(56), CHANNELS(64, 64), {"R", 1}, {"pad", 0}},
     2ll * 16 * 56 * 56 * 64 * 64},
    {"conv3d_ndhwc", {{"N", 1}, {"D", 16}, SIDE(14), CHANNELS(256, 256)},
     2ll * 16 * 196 * 256 * 27 * 256},
    {"depthwise_nhwc", {{"N", 1}, SIDE(112), {"C", 32}}, 2ll * 112 * 112 * 32 * 9},
    {"depthwise_nhwc", {{"N", 1}, SIDE(14), {"C", 512}, {"stride", 2}}, 2ll * 49 * 512 * 9},
    {"conv2d_group_nhwc", {{"N", 1}, SIDE(56), CHANNELS(64, 64), TAPS(1), {"pad", 0}},
     2ll * 56 * 56 * 64 * 16},
    {"conv2d_group_nhwc", {{"N", 1}, SIDE(14), CHANNELS(256, 256)}, 2ll * 196 * 256 * 9 * 64},
    {"conv2d_group_nhwc", {{"N", 1}, SIDE(7), CHANNELS(512, 512)}, 2ll * 49 * 512 * 9 * 128},
    {"conv2d_transposed_nhwc", {{"N", 1}, SIDE(4), CHANNELS(512, 256)}, 2ll * 64 * 256 * 4 * 512},
    {"capsule_conv2d_nhwc", {{"N", 1}, SIDE(16), CHANNELS(32, 32)},
     2ll * 64 * 32 * 16 * 9 * 32 * 4},
    /* products, and as written: all rows of a transform, of which one is chosen */
    {"conv2d_winograd_nhwc", {{"N", 1}, SIDE(14), CHANNELS(256, 256)},
     2ll * 16 * 36 * 256 * 256 + (18 + 36) * 256 * 256 * 17ll + 2 * 36 * 16 * 256 * 24ll +
         (24 + 16) * 16 * 256 * 17ll},
    {"norm", {{"B", 1}, {"M", 256}, {"N", 256}}, 2 * 256 * 256 + 1},
    {"softmax", {{"M", 256}, {"N", 2048}}, 5 * 256 * 2048 + 256},
    {"transpose_batch_matmul", {{"B", 1}, {"L", 128}, {"H", 12}, {"D", 64}},
     2ll * 12 * 128 * 128 * 64},
    {"attention", {{"B", 1}, {"H", 12}, {"L", 128}, {"D", 64}},
     12 * 128 * (128 * (2 * 64 + 1 + 3 + 1 + 2 * 64) + 64)},
    {"dense", {{"M", 16}, {"N", 1024}, {"K", 4096}}, 2ll * 16 * 1024 * 4096},
    {"matmul_u8i8", {{"M", 512}, {"N", 512}, {"K", 512}}, 2ll * 512 * 512 * 512},
    {"matmul_bf16", {{"M", 512}, {"N", 512}, {"K", 512}}, 2ll * 512 * 512 * 512},
    {"matmul_f16", {{"M", 512}, {"N", 512}, {"K", 512}}, 2ll * 512 * 512 * 512},
    {"matmul_b1", {{"M", 512}, {"N", 512}, {"K", 4096}}, 3ll * 512 * 512 * 128},
    {"matmul_b2", {{"M", 512}, {"N", 512}, {"K", 4096}}, 3ll * 4 * 512 * 512 * 128 + 5 * 512 * 512},
    {"bias_gelu", {{"M", 128}, {"N", 3072}}, 10ll * 128 * 3072},
    {"max_pool2d_nhwc", {{"N", 1}, SIDE(112), {"C", 64}}, 56ll * 56 * 64 * 9},
    {"avg_pool2d_nhwc", {{"N", 1}, SIDE(112), {"C", 64}}, 56ll * 56 * 64 * 10},
};
/* clang-format on */

static void test_suite(void **state)
{
    (void)state;
    for (unsigned k = 0; k < HONE_LEN(suite); k++) {
        unsigned n = 0;
        while (n < HONE_LEN(suite[k].sizes) && suite[k].sizes[n].name)
            n++;
        hone_program p = make(suite[k].kernel, suite[k].sizes, n);
        int64_t flops = hone_program_flops(&p);
        if (flops != suite[k].flops)
            fail_msg("%s (%u): %lld operations, want %lld", suite[k].kernel, k, (long long)flops,
                     (long long)suite[k].flops);
        int64_t least = hone_program_least_ops(&p);
        if (least < 0 || least > flops)
            fail_msg("%s (%u): at least %lld of %lld operations", suite[k].kernel, k,
                     (long long)least, (long long)flops);
        hone_program_fini(&p);
    }
}

/* After an edit of the files, ir/builtin.c has to be built again. */
static void test_embedded_text_is_fresh(void **state)
{
    (void)state;
    static const char *const files[] = {"products", "convolutions", "rows"};
    size_t n;
    const char *text = hone_builtin_text(&n), *at = text;
    for (unsigned k = 0; k < HONE_LEN(files); k++) {
        char *path = hone_xasprintf(HONE_SOURCE_DIR "/workloads/%s.hone", files[k]), *file;
        size_t n_file;
        hone_error err;
        if (hone_file_read(path, 1 << 20, &file, &n_file, &err) != HONE_OK)
            fail_msg("%s", err.message);
        assert_true(n_file <= n - (size_t)(at - text));
        assert_memory_equal(at, file, n_file);
        at += n_file;
        free(file);
        free(path);
    }
    assert_int_equal(at - text, n);
    assert_int_equal(*at, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_all_are_covered),
        cmocka_unit_test(test_suite),
        cmocka_unit_test(test_embedded_text_is_fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
