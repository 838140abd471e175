/* Calls the tuned gate, checks it against plain loops, and times it in turns with the kernel as it
 * was written. Exit code: 0 right, 1 wrong. */
#include "gate.h"
#include "gate_default.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { M = 77, N = 123, K = 61, TURNS = 41 };

static float *array(size_t n)
{
    float *p = aligned_alloc(64, (n * sizeof *p + 63) / 64 * 64);
    if (!p)
        exit(1);
    for (size_t i = 0; i < n; i++)
        p[i] = (float)((i * 7919) % 201) / 100 - 1; /* from -1 to 1 */
    return p;
}

static double worst_error(const float *A, const float *W, const float *bias, const float *Y)
{
    double worst = 0, row[N];
    for (int i = 0; i < M; i++) {
        double total = 1e-6;
        for (int j = 0; j < N; j++) {
            row[j] = bias[j];
            for (int k = 0; k < K; k++)
                row[j] += (double)A[i * K + k] * W[k * N + j];
            row[j] = row[j] > 0 ? row[j] : 0;
            total += row[j];
        }
        for (int j = 0; j < N; j++) {
            double e = fabs(Y[i * N + j] - row[j] / total);
            if (!(e <= worst)) /* NaN counts */
                worst = e;
        }
    }
    return worst;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    float *A = array(M * K), *W = array(K * N), *bias = array(N), *Y = array(M * N);
#ifdef gate_PACKS_W
    void *weights = aligned_alloc(64, (size_t)(gate_pack_W_bytes() + 63) / 64 * 64);
    if (!weights || gate_pack_W(W, weights) != 0)
        return 1;
#else
    const float *weights = W;
#endif
    if (gate(A, weights, bias, Y) != 0) {
        puts("no memory");
        return 1;
    }
    double error = worst_error(A, W, bias, Y);
    if (!(error < 1e-5)) {
        printf("wrong: an error of %g\n", error);
        return 1;
    }
    static double tuned[TURNS], plain[TURNS], ratio[TURNS];
    int calls = 20;
    for (int t = -5; t < TURNS; t++) { /* the first turns only warm up */
        double a = seconds();
        for (int c = 0; c < calls; c++)
            gate(A, weights, bias, Y);
        double b = seconds();
        for (int c = 0; c < calls; c++)
            gate_default(A, W, bias, Y);
        double d = seconds();
        if (t < 0)
            continue;
        tuned[t] = (b - a) / calls;
        plain[t] = (d - b) / calls;
        ratio[t] = plain[t] / tuned[t];
    }
    qsort(tuned, TURNS, sizeof tuned[0], ascending);
    qsort(plain, TURNS, sizeof plain[0], ascending);
    qsort(ratio, TURNS, sizeof ratio[0], ascending);
    printf("right (largest error %.1e)\n", error);
    printf("as written %.1f us, tuned %.1f us: %.2f times as fast\n", 1e6 * plain[TURNS / 2],
           1e6 * tuned[TURNS / 2], ratio[TURNS / 2]);
    free(A);
    free(W);
    free(bias);
    free(Y);
#ifdef gate_PACKS_W
    free(weights);
#endif
    return 0;
}
