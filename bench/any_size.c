/* One function for every size against libraries and against kernels made for one size alone.
 * bench/any_size.sh compiles it with the headers of the functions and a table of the others.
 *
 *   any_size FROM TO       measures the sizes number FROM to TO - 1 of 200
 *   any_size alone         the sizes of that table
 *   any_size call          ns of a call that does next to nothing
 *
 * In turns, so that all see the same machine: the ratios of each round are taken, and of these the
 * median. A line for each size: M, GFLOP/s, and what each other takes over what f takes. */
#include "alone.h"
#include "f.h"
#include "tiny.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { N = 1024, K = 1024, MOST = 4096, SIZES = 200, ROUNDS = 7, OTHERS = 3 };
#define ROUND_NS 4e6 /* a contestant's turn, at least */

typedef void sgemm_fn(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a,
                      int lda, const float *b, int ldb, float beta, float *c, int ldc);
typedef int dnnl_fn(char ta, char tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                    int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

static float *A, *B, *C, *D;
static sgemm_fn *openblas;
static dnnl_fn *onednn;
static int (*alone)(const float *, const float *, float *);

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void call(int who, int m, float *c)
{
    if (who == 0 && f(m, A, B, c) != 0)
        exit(1);
    if (who == 1)
        openblas(101, 111, 111, m, N, K, 1, A, K, B, N, 0, c, N);
    if (who == 2)
        onednn('N', 'N', m, N, K, 1, A, K, B, N, 0, c, N);
    if (who == 3 && alone(A, B, c) != 0)
        exit(1);
}

static double turn(int who, int m, int calls)
{
    double start = now_ns();
    for (int k = 0; k < calls; k++)
        call(who, m, C);
    return (now_ns() - start) / calls;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int is_there(int who)
{
    return who == 0 || (who == 1 && openblas) || (who == 2 && onednn) || (who == 3 && alone);
}

static double sums[OTHERS + 1], worst[OTHERS + 1];
static int counts[OTHERS + 1];

static void check(int who, int m)
{
    call(0, m, C);
    call(who, m, D);
    for (size_t k = 0; k < (size_t)m * N; k++)
        if (fabsf(C[k] - D[k]) > 1e-3f * fmaxf(1, fabsf(D[k]))) {
            fprintf(stderr, "M=%d: f and contestant %d differ at %zu\n", m, who, k);
            exit(1);
        }
}

static void measure(int m)
{
    double ratios[OTHERS + 1][ROUNDS], own[ROUNDS];
    for (int w = 1; w <= OTHERS; w++)
        if (is_there(w))
            check(w, m);
    int calls = (int)(ROUND_NS / turn(0, m, 1)) + 1;
    for (int r = 0; r < ROUNDS; r++) {
        own[r] = turn(0, m, calls);
        for (int w = 1; w <= OTHERS; w++)
            ratios[w][r] = is_there(w) ? turn(w, m, calls) / own[r] : 0;
    }
    qsort(own, ROUNDS, sizeof *own, by_value);
    printf("%5d %7.1f", m, 2.0 * m * N * K / own[ROUNDS / 2]);
    for (int w = 1; w <= OTHERS; w++) {
        if (!is_there(w)) {
            printf("      -");
            continue;
        }
        qsort(ratios[w], ROUNDS, sizeof(double), by_value);
        double x = ratios[w][ROUNDS / 2];
        printf(" %6.3f", x);
        sums[w] += log(x);
        worst[w] = counts[w]++ && worst[w] < x ? worst[w] : x;
    }
    puts("");
}

static void summary(void)
{
    static const char *const names[] = {"", "OpenBLAS", "oneDNN", "made for the size alone"};
    for (int w = 1; w <= OTHERS; w++)
        if (counts[w])
            printf("# %s / f: geomean %.3f, worst %.3f, of %d sizes\n", names[w],
                   exp(sums[w] / counts[w]), worst[w], counts[w]);
}

/* Half of them anywhere in the range, half in any order of magnitude alike. */
static int size_number(int k)
{
    unsigned long long x = (unsigned long long)(k + 1) * 0x9e3779b97f4a7c15ull;
    x ^= x >> 31;
    x *= 0xbf58476d1ce4e5b9ull;
    double u = (double)(x >> 11) / 9007199254740992.0;
    return k % 2 ? 1 + (int)(u * (MOST - 1)) : (int)exp(u * log(MOST + 0.99));
}

static void time_calls(void)
{
    enum { CALLS = 2000000 };
    float a = 1, b = 2, c = 0;
    double best = 1e9;
    for (int r = 0; r < 9; r++) {
        double start = now_ns();
        for (int k = 0; k < CALLS; k++)
            tiny(1, &a, &b, &c);
        double ns = (now_ns() - start) / CALLS;
        best = ns < best ? ns : best;
    }
    printf("# a call of f for a 1 x 1 x 1 product: %.1f ns\n", best);
    for (int r = 0; r < 9; r++) {
        double start = now_ns();
        for (int k = 0; k < CALLS; k++)
            f(0, A, B, C);
        double ns = (now_ns() - start) / CALLS;
        best = ns < best ? ns : best;
    }
    printf("# a call for a size out of range: %.1f ns\n", best);
}

static void *symbol(const char *library, const char *name)
{
    void *h = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    return h ? dlsym(h, name) : NULL;
}

int main(int argc, char **argv)
{
    *(void **)&openblas = symbol("libopenblas.so.0", "cblas_sgemm");
    *(void **)&onednn = symbol("libdnnl.so.2", "dnnl_sgemm");
    A = aligned_alloc(64, sizeof(float) * MOST * K);
    B = aligned_alloc(64, sizeof(float) * K * N);
    C = aligned_alloc(64, sizeof(float) * MOST * N);
    D = aligned_alloc(64, sizeof(float) * MOST * N);
    for (int k = 0; k < MOST * K; k++)
        A[k] = (float)(k % 17 - 8) / 16;
    for (int k = 0; k < K * N; k++)
        B[k] = (float)(k % 13 - 6) / 16;
    if (argc == 2 && strcmp(argv[1], "call") == 0) {
        time_calls();
        return 0;
    }
    puts("#   M GFLOP/s openblas onednn alone  (time over that of f)");
    if (argc == 2 && strcmp(argv[1], "alone") == 0)
        for (unsigned k = 0; k < sizeof alone_table / sizeof *alone_table; k++) {
            alone = alone_table[k].fn;
            measure(alone_table[k].m);
        }
    for (int k = argc == 3 ? atoi(argv[1]) : SIZES; k < SIZES && k < atoi(argv[2]); k++)
        measure(size_number(k));
    summary();
    return 0;
}
