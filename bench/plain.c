/* hone's kernels as a textbook writes them, one function `f` with the arguments of hone's own. Two
 * uses: every result is compared with these, and where no library has an operator
 * they are what hone is compared with (clang -O3 -march=native, also with -ffast-math).
 *
 *   clang -O3 -march=native -shared -fPIC -DKERNEL_matmul -DM=512 -DN=512 -DK=512 plain.c
 *
 * A kernel's sizes are macros, so that the compiler knows them as hone does. Loops over what is
 * contiguous in memory are innermost; nothing else is done for speed.
 *
 * Reader's map: products; convolutions; pooling; rows and elements; a few bits. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifndef FLAGS
#define FLAGS "own flags"
#endif
#ifdef __clang__
typedef __fp16 half;
#define COMPILER ""
#else
typedef _Float16 half;
#define COMPILER "gcc "
#endif
const char *plain_detail = COMPILER __VERSION__ " " FLAGS ", 1 thread";

typedef const float *restrict in;
typedef float *restrict out;
typedef int64_t i64;
#define EACH(i, n) for (i64 i = 0; i < (n); i++)

/* ---- products of matrices ----------------------------------------------------------------------
 */

#if defined KERNEL_matmul || defined KERNEL_dense || defined KERNEL_gemm
int f(in a, in b, out c)
{
    memset(c, 0, sizeof *c * M * N);
    EACH (i, M)
        EACH (k, K)
            EACH (j, N)
                c[i * N + j] += a[i * K + k] * b[k * N + j];
    return 0;
}
#endif

#ifdef KERNEL_matmul_bias_relu
int f(in a, in b, in bias, out c)
{
    memset(c, 0, sizeof *c * M * N);
    EACH (i, M) {
        EACH (k, K)
            EACH (j, N)
                c[i * N + j] += a[i * K + k] * b[k * N + j];
        EACH (j, N)
            c[i * N + j] = c[i * N + j] + bias[j] > 0 ? c[i * N + j] + bias[j] : 0;
    }
    return 0;
}
#endif

#ifdef KERNEL_batch_matmul
int f(in x, in y, out z)
{
    memset(z, 0, sizeof *z * B * M * N);
    EACH (b, B)
        EACH (i, M)
            EACH (k, K)
                EACH (j, N)
                    z[(b * M + i) * N + j] += x[(b * M + i) * K + k] * y[(b * K + k) * N + j];
    return 0;
}
#endif

#ifdef KERNEL_transpose_batch_matmul
int f(in q, in k, out z)
{
    EACH (b, B)
        EACH (h, H)
            EACH (i, L)
                EACH (j, L) {
                    float sum = 0;
                    EACH (e, D)
                        sum += q[((b * L + i) * H + h) * D + e] * k[((b * L + j) * H + h) * D + e];
                    z[((b * H + h) * L + i) * L + j] = sum;
                }
    return 0;
}
#endif

#if defined KERNEL_attention || defined KERNEL_attention_causal
#ifdef KERNEL_attention_causal
#define KEYS (i + 1)
#else
#define KEYS L
#endif
int f(in q, in k, in v, out o)
{
    memset(o, 0, sizeof *o * B * H * L * D);
    EACH (h, B * H)
        EACH (i, L) {
            float score[L], top = -INFINITY, total = 0;
            EACH (j, KEYS) {
                score[j] = 0;
                EACH (e, D)
                    score[j] += q[(h * L + i) * D + e] * k[(h * L + j) * D + e];
                score[j] /= sqrtf(D);
                top = score[j] > top ? score[j] : top;
            }
            EACH (j, KEYS)
                total += score[j] = expf(score[j] - top);
            EACH (j, KEYS)
                EACH (e, D)
                    o[(h * L + i) * D + e] += score[j] / total * v[(h * L + j) * D + e];
        }
    return 0;
}
#endif

#ifdef KERNEL_matmul_u8i8
int f(const uint8_t *restrict a, const int8_t *restrict b, int32_t *restrict c)
{
    memset(c, 0, sizeof *c * M * N);
    EACH (i, M)
        EACH (k, K)
            EACH (j, N)
                c[i * N + j] += a[i * K + k] * b[k * N + j];
    return 0;
}
#endif

/* rounded to a byte, with what is outside of its range cut */
static inline uint8_t to_byte(float x)
{
    x = rintf(x);
    return (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
}

#ifdef KERNEL_matmul_u8i8_bias_relu
int f(const uint8_t *restrict a, const int8_t *restrict b, const int32_t *restrict bias, in scale,
      uint8_t *restrict c)
{
    EACH (i, M) {
        int32_t sum[N];
        memset(sum, 0, sizeof sum);
        EACH (k, K)
            EACH (j, N)
                sum[j] += a[i * K + k] * b[k * N + j];
        EACH (j, N)
            c[i * N + j] = to_byte((float)(sum[j] + bias[j]) * scale[j]);
    }
    return 0;
}
#endif

#ifdef KERNEL_matmul_bf16
static float wide(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float y;
    memcpy(&y, &bits, sizeof y);
    return y;
}
int f(const uint16_t *restrict a, const uint16_t *restrict b, out c)
{
    memset(c, 0, sizeof *c * M * N);
    EACH (i, M)
        EACH (k, K)
            EACH (j, N)
                c[i * N + j] += wide(a[i * K + k]) * wide(b[k * N + j]);
    return 0;
}
#endif

#ifdef KERNEL_matmul_f16
int f(const half *restrict a, const half *restrict b, out c)
{
    memset(c, 0, sizeof *c * M * N);
    EACH (i, M)
        EACH (k, K)
            EACH (j, N)
                c[i * N + j] += (float)a[i * K + k] * (float)b[k * N + j];
    return 0;
}
#endif

/* ---- convolutions and pooling ------------------------------------------------------------------
 */

#ifndef stride
#define stride 1
#endif
#ifndef pad
#define pad 1
#endif
#ifndef dilation
#define dilation 1
#endif
#define EXTENT(n, r) (((n) + 2 * pad - dilation * ((r)-1) - 1) / stride + 1)
/* where tap r of output y reads; a tap outside of the image adds nothing */
#define AT(y, r) ((y)*stride + (r)*dilation - pad)
#define INSIDE(i, n) ((i) >= 0 && (i) < (n))

#ifdef KERNEL_conv1d_nlc
int f(in x, in w, out y)
{
    enum { LO = EXTENT(L, R) };
    memset(y, 0, sizeof *y * N * LO * CO);
    EACH (n, N)
        EACH (o, LO)
            EACH (r, R)
                if (INSIDE(AT(o, r), L))
                    EACH (c, CI)
                        EACH (g, CO)
                            y[(n * LO + o) * CO + g] +=
                                x[(n * L + AT(o, r)) * CI + c] * w[(r * CI + c) * CO + g];
    return 0;
}
#endif

#ifdef KERNEL_conv2d_winograd_nhwc
#define R 3
#define S 3
#endif
#if defined KERNEL_conv2d_nhwc || defined KERNEL_conv2d_nhwc_bias_relu ||        \
    defined KERNEL_conv2d_nhwc_bn_relu || defined KERNEL_conv2d_winograd_nhwc || \
    defined KERNEL_conv2d_nhwc_u8i8 || defined KERNEL_conv2d_nhwc_u8i8_bias_relu
#if defined KERNEL_conv2d_nhwc_u8i8 || defined KERNEL_conv2d_nhwc_u8i8_bias_relu
typedef uint8_t image;
typedef int8_t filter;
typedef int32_t result;
#else
typedef float image, filter, result;
#endif
enum { HO = EXTENT(H, R), WO = EXTENT(W, S) };
static void convolve(const image *restrict x, const filter *restrict w, result *restrict y)
{
    memset(y, 0, sizeof *y * N * HO * WO * CO);
    EACH (n, N)
        EACH (p, HO)
            EACH (q, WO)
                EACH (r, R)
                    EACH (s, S)
                        if (INSIDE(AT(p, r), H) && INSIDE(AT(q, s), W))
                            EACH (c, CI)
                                EACH (g, CO)
                                    y[((n * HO + p) * WO + q) * CO + g] +=
                                        x[((n * H + AT(p, r)) * W + AT(q, s)) * CI + c] *
                                        w[((r * S + s) * CI + c) * CO + g];
}
#if defined KERNEL_conv2d_nhwc_bias_relu
int f(in x, in w, in bias, out y)
{
    convolve(x, w, y);
    EACH (i, N * HO * WO)
        EACH (g, CO)
            y[i * CO + g] = y[i * CO + g] + bias[g] > 0 ? y[i * CO + g] + bias[g] : 0;
    return 0;
}
#elif defined KERNEL_conv2d_nhwc_bn_relu
int f(in x, in w, in scale, in shift, out y)
{
    convolve(x, w, y);
    EACH (i, N * HO * WO)
        EACH (g, CO) {
            float z = y[i * CO + g] * scale[g] + shift[g];
            y[i * CO + g] = z > 0 ? z : 0;
        }
    return 0;
}
#elif defined KERNEL_conv2d_nhwc_u8i8_bias_relu
int f(const image *restrict x, const filter *restrict w, const int32_t *restrict bias, in scale,
      uint8_t *restrict y)
{
    static int32_t sum[N * HO * WO * CO];
    convolve(x, w, sum);
    EACH (i, N * HO * WO)
        EACH (g, CO)
            y[i * CO + g] = to_byte((float)(sum[i * CO + g] + bias[g]) * scale[g]);
    return 0;
}
#else
int f(const image *restrict x, const filter *restrict w, result *restrict y)
{
    convolve(x, w, y);
    return 0;
}
#endif
#endif

#ifdef KERNEL_conv3d_ndhwc
int f(in x, in w, out y)
{
    enum { DO = EXTENT(D, R), HO = EXTENT(H, R), WO = EXTENT(W, R) };
    memset(y, 0, sizeof *y * N * DO * HO * WO * CO);
    EACH (n, N)
        EACH (o, DO)
            EACH (p, HO)
                EACH (q, WO)
                    EACH (t, R)
                        EACH (r, R)
                            EACH (s, R)
                                if (INSIDE(AT(o, t), D) && INSIDE(AT(p, r), H) &&
                                    INSIDE(AT(q, s), W))
                                    EACH (c, CI)
                                        EACH (g, CO)
                                            y[(((n * DO + o) * HO + p) * WO + q) * CO + g] +=
                                                x[(((n * D + AT(o, t)) * H + AT(p, r)) * W +
                                                   AT(q, s)) *
                                                      CI +
                                                  c] *
                                                w[(((t * R + r) * R + s) * CI + c) * CO + g];
    return 0;
}
#endif

#ifdef KERNEL_depthwise_nhwc
int f(in x, in w, out y)
{
    enum { HO = EXTENT(H, R), WO = EXTENT(W, S) };
    memset(y, 0, sizeof *y * N * HO * WO * C);
    EACH (n, N)
        EACH (p, HO)
            EACH (q, WO)
                EACH (r, R)
                    EACH (s, S)
                        if (INSIDE(AT(p, r), H) && INSIDE(AT(q, s), W))
                            EACH (c, C)
                                y[((n * HO + p) * WO + q) * C + c] +=
                                    x[((n * H + AT(p, r)) * W + AT(q, s)) * C + c] *
                                    w[(r * S + s) * C + c];
    return 0;
}
#endif

#ifdef KERNEL_conv2d_group_nhwc
int f(in x, in w, out y)
{
    enum { HO = EXTENT(H, R), WO = EXTENT(W, S), CG = CI / G, OG = CO / G };
    memset(y, 0, sizeof *y * N * HO * WO * CO);
    EACH (n, N)
        EACH (p, HO)
            EACH (q, WO)
                EACH (a, G)
                    EACH (r, R)
                        EACH (s, S)
                            if (INSIDE(AT(p, r), H) && INSIDE(AT(q, s), W))
                                EACH (c, CG)
                                    EACH (g, OG)
                                        y[(((n * HO + p) * WO + q) * G + a) * OG + g] +=
                                            x[(((n * H + AT(p, r)) * W + AT(q, s)) * G + a) * CG +
                                              c] *
                                            w[(((a * R + r) * S + s) * CG + c) * OG + g];
    return 0;
}
#endif

#ifdef KERNEL_conv2d_transposed_nhwc
int f(in x, in w, out y)
{
    enum { HO = (H - 1) * stride - 2 * pad + R, WO = (W - 1) * stride - 2 * pad + S };
    memset(y, 0, sizeof *y * N * HO * WO * CO);
    EACH (n, N)
        EACH (h, H)
            EACH (v, W)
                EACH (r, R)
                    EACH (s, S)
                        if (INSIDE(h * stride + r - pad, HO) && INSIDE(v * stride + s - pad, WO))
                            EACH (c, CI)
                                EACH (g, CO)
                                    y[((n * HO + h * stride + r - pad) * WO + v * stride + s -
                                       pad) *
                                          CO +
                                      g] += x[((n * H + h) * W + v) * CI + c] *
                                            w[((r * S + s) * CI + c) * CO + g];
    return 0;
}
#endif

#ifdef KERNEL_capsule_conv2d_nhwc
int f(in x, in w, out y)
{
    enum { HO = EXTENT(H, R), WO = EXTENT(W, S) };
    memset(y, 0, sizeof *y * N * HO * WO * CO * CAP * CAP);
    EACH (n, N)
        EACH (p, HO)
            EACH (q, WO)
                EACH (r, R)
                    EACH (s, S)
                        if (INSIDE(AT(p, r), H) && INSIDE(AT(q, s), W))
                            EACH (c, CI)
                                EACH (g, CO)
                                    EACH (i, CAP)
                                        EACH (k, CAP)
                                            EACH (j, CAP)
                                                y[((((n * HO + p) * WO + q) * CO + g) * CAP + i) *
                                                      CAP +
                                                  j] +=
                                                    x[((((n * H + AT(p, r)) * W + AT(q, s)) * CI +
                                                        c) *
                                                           CAP +
                                                       i) *
                                                          CAP +
                                                      k] *
                                                    w[((((r * S + s) * CI + c) * CO + g) * CAP +
                                                       k) *
                                                          CAP +
                                                      j];
    return 0;
}
#endif

#if defined KERNEL_max_pool2d_nhwc || defined KERNEL_avg_pool2d_nhwc
int f(in x, out y)
{
    enum { HO = EXTENT(H, R), WO = EXTENT(W, S) };
    EACH (n, N)
        EACH (p, HO)
            EACH (q, WO) {
                float *o = y + ((n * HO + p) * WO + q) * C;
#ifdef KERNEL_max_pool2d_nhwc
                EACH (c, C)
                    o[c] = -INFINITY;
#else
                EACH (c, C)
                    o[c] = 0;
#endif
                EACH (r, R)
                    EACH (s, S) {
                        const float *i = x + ((n * H + AT(p, r)) * W + AT(q, s)) * C;
                        if (INSIDE(AT(p, r), H) && INSIDE(AT(q, s), W))
                            EACH (c, C)
#ifdef KERNEL_max_pool2d_nhwc
                                o[c] = i[c] > o[c] ? i[c] : o[c];
#else
                                o[c] += i[c] / (R * S);
#endif
                    }
            }
    return 0;
}
#endif

/* ---- rows of a matrix, element by element ------------------------------------------------------
 */

#ifdef KERNEL_softmax
int f(in x, out y)
{
    EACH (i, M) {
        float top = x[i * N], total = 0;
        EACH (j, N)
            top = x[i * N + j] > top ? x[i * N + j] : top;
        EACH (j, N)
            total += y[i * N + j] = expf(x[i * N + j] - top);
        EACH (j, N)
            y[i * N + j] /= total;
    }
    return 0;
}
#endif

#ifdef KERNEL_layernorm
int f(in x, in gamma, in beta, out y)
{
    EACH (i, M) {
        float mean = 0, squares = 0;
        EACH (j, N)
            mean += x[i * N + j] / N;
        EACH (j, N)
            squares += (x[i * N + j] - mean) * (x[i * N + j] - mean);
        float scale = 1 / sqrtf(squares / N + 1e-5F);
        EACH (j, N)
            y[i * N + j] = (x[i * N + j] - mean) * scale * gamma[j] + beta[j];
    }
    return 0;
}
#endif

#ifdef KERNEL_norm
int f(in x, out y)
{
    EACH (b, B) {
        double sum = 0; /* f32 loses three digits over a million squares added one by one */
        EACH (i, M * N)
            sum += x[b * M * N + i] * x[b * M * N + i];
        y[b] = (float)sqrt(sum);
    }
    return 0;
}
#endif

#if defined KERNEL_gelu_tanh || defined KERNEL_bias_gelu
static float gelu(float x)
{
    return 0.5F * x * (1 + tanhf(0.7978845608F * (x + 0.044715F * x * x * x)));
}
#ifdef KERNEL_gelu_tanh
int f(in x, out y)
{
    EACH (i, M * N)
        y[i] = gelu(x[i]);
    return 0;
}
#else
int f(in x, in bias, out y)
{
    EACH (i, M)
        EACH (j, N)
            y[i * N + j] = gelu(x[i * N + j] + bias[j]);
    return 0;
}
#endif
#endif

/* ---- numbers of a few bits ---------------------------------------------------------------------
 */

#ifdef KERNEL_matmul_b1
int f(const uint32_t *restrict a, const uint32_t *restrict b, int32_t *restrict c)
{
    EACH (i, M)
        EACH (j, N) {
            int32_t sum = 0;
            EACH (k, K / 32)
                sum += __builtin_popcount(a[i * (K / 32) + k] & b[j * (K / 32) + k]);
            c[i * N + j] = sum;
        }
    return 0;
}
#endif

#ifdef KERNEL_matmul_b2
int f(const uint32_t *restrict a, const uint32_t *restrict b, int32_t *restrict c)
{
    EACH (i, M)
        EACH (j, N) {
            int32_t sum = 0;
            EACH (p, 2)
                EACH (q, 2)
                    EACH (k, K / 32)
                        sum += __builtin_popcount(a[(p * M + i) * (K / 32) + k] &
                                                  b[(q * N + j) * (K / 32) + k])
                               << (p + q);
            c[i * N + j] = sum;
        }
    return 0;
}
#endif
