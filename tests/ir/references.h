/* What the built-in convolutions and poolings compute, in their textbook forms: plain loops over
 * whole numbers of images, filters and channels, nothing shared with the language's versions. */
#ifndef HONE_TESTS_REFERENCES_H
#define HONE_TESTS_REFERENCES_H

#include "ir/ir.h"

#include <math.h>

#define MAX_ARGS 5

/* Sizes by name, arguments in the kernel's order; the reference fills the last argument. */
typedef struct run {
    const hone_size *sizes;
    unsigned n_sizes;
    double *arg[MAX_ARGS];
} run;

static int size_or(const run *r, const char *name, int otherwise)
{
    for (unsigned k = 0; k < r->n_sizes; k++)
        if (strcmp(r->sizes[k].name, name) == 0)
            return (int)r->sizes[k].value;
    return otherwise;
}
static int size_of(const run *r, const char *name)
{
    int v = size_or(r, name, -1);
    if (v < 0)
        fail_msg("no size %s", name);
    return v;
}
#define SIZE(NAME) const int NAME = size_of(r, #NAME)

/* A convolution of up to three dimensions of space, in groups, every filter element on its own.
 * Dimensions that are not there have extent 1, filter 1 and no padding. */
typedef struct conv {
    int n, d, h, w, ci, co, groups;
    int fd, fh, fw, stride, pad_d, pad_h, pad, dilation;
} conv;

static int out_of(const conv *c, int extent, int filter, int pad)
{
    return (extent + 2 * pad - c->dilation * (filter - 1) - 1) / c->stride + 1;
}

static double conv_at(const conv *c, const double *X, const double *F, int n, int z, int y, int x,
                      int f)
{
    int ci = c->ci / c->groups, co = c->co / c->groups, g = f / co;
    double sum = 0;
    for (int dz = 0; dz < c->fd; dz++)
        for (int dy = 0; dy < c->fh; dy++)
            for (int dx = 0; dx < c->fw; dx++) {
                int d = z * c->stride + dz * c->dilation - c->pad_d;
                int h = y * c->stride + dy * c->dilation - c->pad_h;
                int w = x * c->stride + dx * c->dilation - c->pad;
                if (d < 0 || d >= c->d || h < 0 || h >= c->h || w < 0 || w >= c->w)
                    continue;
                const double *at = X + (((n * c->d + d) * c->h + h) * c->w + w) * c->ci + g * ci;
                int tap = ((g * c->fd + dz) * c->fh + dy) * c->fw + dx;
                for (int k = 0; k < ci; k++)
                    sum += at[k] * F[(tap * ci + k) * co + f % co];
            }
    return sum;
}

static void run_conv(const conv *c, const double *X, const double *F, double *Y)
{
    int zo = out_of(c, c->d, c->fd, c->pad_d), yo = out_of(c, c->h, c->fh, c->pad_h);
    int xo = out_of(c, c->w, c->fw, c->pad);
    for (int n = 0; n < c->n; n++)
        for (int z = 0; z < zo; z++)
            for (int y = 0; y < yo; y++)
                for (int x = 0; x < xo; x++)
                    for (int f = 0; f < c->co; f++)
                        *Y++ = conv_at(c, X, F, n, z, y, x, f);
}

static conv conv_of(const run *r)
{
    conv c = {.d = 1, .fd = 1, .groups = size_or(r, "G", 1)};
    c.n = size_of(r, "N");
    c.h = size_or(r, "H", 1);
    c.w = size_or(r, "W", size_or(r, "L", 1));
    c.ci = size_or(r, "CI", 1);
    c.co = size_or(r, "CO", 1);
    c.fh = size_or(r, "R", 3);
    c.fw = size_or(r, "S", 3);
    c.stride = size_or(r, "stride", 1);
    c.pad = c.pad_h = size_or(r, "pad", 1);
    c.dilation = size_or(r, "dilation", 1);
    return c;
}

static void ref_conv2d(const run *r)
{
    conv c = conv_of(r);
    run_conv(&c, r->arg[0], r->arg[1], r->arg[2]);
}

static void ref_conv1d(const run *r)
{
    conv c = conv_of(r);
    c.fw = size_of(r, "R");
    c.fh = 1;
    c.pad_h = 0;
    run_conv(&c, r->arg[0], r->arg[1], r->arg[2]);
}

static void ref_conv3d(const run *r)
{
    conv c = conv_of(r);
    c.d = size_of(r, "D");
    c.fd = c.fw = c.fh;
    c.pad_d = c.pad;
    run_conv(&c, r->arg[0], r->arg[1], r->arg[2]);
}

/* max(Y * scale + shift, 0) by channel */
static void scale_relu(const conv *c, const double *scale, const double *shift, double *Y)
{
    int n = c->n * out_of(c, c->h, c->fh, c->pad_h) * out_of(c, c->w, c->fw, c->pad);
    for (int i = 0; i < n; i++)
        for (int f = 0; f < c->co; f++, Y++)
            *Y = fmax(*Y * (scale ? scale[f] : 1) + shift[f], 0);
}

static void ref_conv2d_bias_relu(const run *r)
{
    conv c = conv_of(r);
    run_conv(&c, r->arg[0], r->arg[1], r->arg[3]);
    scale_relu(&c, NULL, r->arg[2], r->arg[3]);
}

static void ref_conv2d_bn_relu(const run *r)
{
    conv c = conv_of(r);
    run_conv(&c, r->arg[0], r->arg[1], r->arg[4]);
    scale_relu(&c, r->arg[2], r->arg[3], r->arg[4]);
}

/* (sum + bias) * scale, rounded to a byte */
static void quantise(double *sum, const double *bias, const double *scale, int rows, int columns)
{
    for (int i = 0; i < rows * columns; i++) {
        double x = rint((double)((float)(sum[i] + bias[i % columns]) * (float)scale[i % columns]));
        sum[i] = fmin(fmax(x, 0), 255);
    }
}

static void ref_conv2d_u8i8_bias_relu(const run *r)
{
    conv c = conv_of(r);
    run_conv(&c, r->arg[0], r->arg[1], r->arg[4]);
    quantise(r->arg[4], r->arg[2], r->arg[3],
             c.n * out_of(&c, c.h, c.fh, c.pad_h) * out_of(&c, c.w, c.fw, c.pad), c.co);
}

/* As a convolution in which each channel is a group, whose filters lie the other way around. */
static void ref_depthwise(const run *r)
{
    conv c = conv_of(r);
    int n = size_of(r, "C"), taps = c.fh * c.fw;
    c.ci = c.co = c.groups = n;
    double *F = hone_xcalloc((size_t)(taps * n), sizeof *F);
    for (int t = 0; t < taps; t++)
        for (int k = 0; k < n; k++)
            F[k * taps + t] = r->arg[1][t * n + k];
    run_conv(&c, r->arg[0], F, r->arg[2]);
    free(F);
}

/* Every input adds the filter to the results it reaches. */
static void ref_conv2d_transposed(const run *r)
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
    int HO = (H - 1) * stride - 2 * pad + R, WO = (W - 1) * stride - 2 * pad + S;
    const double *X = r->arg[0], *F = r->arg[1];
    for (int n = 0; n < N; n++)
        for (int h = 0; h < H; h++)
            for (int w = 0; w < W; w++)
                for (int c = 0; c < CI; c++, X++)
                    for (int dy = 0; dy < R; dy++)
                        for (int dx = 0; dx < S; dx++) {
                            int y = h * stride + dy - pad, x = w * stride + dx - pad;
                            if (y < 0 || y >= HO || x < 0 || x >= WO)
                                continue;
                            for (int f = 0; f < CO; f++)
                                r->arg[2][((n * HO + y) * WO + x) * CO + f] +=
                                    *X * F[((dy * S + dx) * CI + c) * CO + f];
                        }
}

/* The matrices' elements one by one: a sum over k of ordinary convolutions. */
static void ref_capsule(const run *r)
{
    conv c = conv_of(r);
    SIZE(CAP);
    int yo = out_of(&c, c.h, c.fh, c.pad), xo = out_of(&c, c.w, c.fw, c.pad), m = CAP * CAP;
    int nx = c.n * c.h * c.w * c.ci, nf = c.fh * c.fw * c.ci * c.co, ny = c.n * yo * xo * c.co;
    double *X = hone_xcalloc((size_t)nx, sizeof *X), *F = hone_xcalloc((size_t)nf, sizeof *F);
    double *Y = hone_xcalloc((size_t)ny, sizeof *Y);
    for (int e = 0; e < m * CAP; e++) {
        int i = e / m, j = e / CAP % CAP, k = e % CAP;
        for (int t = 0; t < nx; t++)
            X[t] = r->arg[0][t * m + i * CAP + k];
        for (int t = 0; t < nf; t++)
            F[t] = r->arg[1][t * m + k * CAP + j];
        run_conv(&c, X, F, Y);
        for (int t = 0; t < ny; t++)
            r->arg[2][t * m + i * CAP + j] += Y[t];
    }
    free(X);
    free(F);
    free(Y);
}

static void pool(const run *r, bool max)
{
    conv c = conv_of(r);
    SIZE(C);
    int yo = out_of(&c, c.h, c.fh, c.pad), xo = out_of(&c, c.w, c.fw, c.pad);
    double *Y = r->arg[1];
    for (int n = 0; n < c.n; n++)
        for (int y = 0; y < yo; y++)
            for (int x = 0; x < xo; x++)
                for (int k = 0; k < C; k++, Y++) {
                    double best = -(double)INFINITY, sum = 0;
                    for (int t = 0; t < c.fh * c.fw; t++) {
                        int h = y * c.stride + t / c.fw - c.pad,
                            w = x * c.stride + t % c.fw - c.pad;
                        if (h < 0 || h >= c.h || w < 0 || w >= c.w)
                            continue;
                        double v = r->arg[0][((n * c.h + h) * c.w + w) * C + k];
                        best = fmax(best, v);
                        sum += v;
                    }
                    *Y = max ? best : sum / (c.fh * c.fw);
                }
}

static void ref_max_pool2d(const run *r)
{
    pool(r, true);
}

static void ref_avg_pool2d(const run *r)
{
    pool(r, false);
}

#endif
