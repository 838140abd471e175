/* softmax(A B), by two kernels of hone.lock, against the same in plain C. */
#include "matmul_64.h"
#include "softmax_64.h"

#include <math.h>
#include <stdio.h>

enum { N = 64 };

static double exact(const float *A, const float *B, int i, int j)
{
    double sum = 0, all = 0, at = 0;
    for (int c = 0; c < N; c++) {
        sum = 0;
        for (int k = 0; k < N; k++)
            sum += (double)A[i * N + k] * B[k * N + c];
        all += exp(sum);
        if (c == j)
            at = exp(sum);
    }
    return at / all;
}

int main(void)
{
    static _Alignas(64) float A[N * N], B[N * N], C[N * N], S[N * N];
    double worst = 0;
    for (int k = 0; k < N * N; k++) {
        A[k] = (float)(k * 37 % 101) / 101 - 0.5f;
        B[k] = (float)(k * 53 % 97) / 97 - 0.5f;
    }
    if (matmul_64(A, B, C) != 0 || softmax_64(C, S) != 0) {
        puts("no memory");
        return 1;
    }
    for (int i = 0; i < N; i += 7)
        for (int j = 0; j < N; j += 5)
            worst = fmax(worst, fabs(S[i * N + j] - exact(A, B, i, j)));
    printf("%s (largest error %.1e)\n", worst < 1e-5 ? "right" : "WRONG", worst);
    return worst < 1e-5 ? 0 : 1;
}
