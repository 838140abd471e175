/* Is the product right, whoever computes it? */
#include "product.h"

#include <math.h>
#include <stdio.h>

#define N 256

static _Alignas(64) float a[N][N], b[N][N], c[N][N];

int main(void)
{
    double worst = 0;
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) {
            a[i][k] = (float)((i * 7 + k * 3) % 11 - 5) / 4;
            b[i][k] = (float)((i * 5 + k) % 13 - 6) / 8;
        }
    int rc = product(&a[0][0], &b[0][0], &c[0][0]);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double want = 0;
            for (int k = 0; k < N; k++)
                want += (double)a[i][k] * (double)b[k][j];
            worst = fmax(worst, fabs(want - (double)c[i][j]));
        }
    printf("%s (largest error %g)\n", rc == 0 && worst < 1e-3 ? "right" : "wrong", worst);
    return rc != 0 || worst >= 1e-3;
}
