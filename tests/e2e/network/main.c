/* A network that hone net build made, in a program of its own: opened, run by two threads at once,
 * and compared with what is expected. net.weights, in.bin and out.bin are here. */
#include "net.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLACK 2e-4 /* of the largest element */

static hone_rt_net net;
static void *in;
static float *expected;
static size_t out_bytes;

static void *aligned(size_t n)
{
    return aligned_alloc(64, (n + 127) / 64 * 64);
}

static void *read_file(const char *path, size_t *ret_n)
{
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0)
        exit(2);
    *ret_n = (size_t)ftell(f);
    rewind(f);
    void *p = aligned(*ret_n);
    if (!p || fread(p, 1, *ret_n, f) != *ret_n)
        exit(2);
    fclose(f);
    return p;
}

static void *run(void *ctx)
{
    float *out = aligned(out_bytes);
    void *workspace = hone_rt_net_workspace(net_WORKSPACE);
    double largest = 0, off = 0;
    for (int turn = 0; turn < 2; turn++) { /* the second finds what the first left */
        memset(out, 0xff, out_bytes);
        if (net_run(&net, in, out, workspace) != 0)
            return ctx;
        for (size_t k = 0; k < out_bytes / sizeof *out; k++) {
            largest = fmax(largest, fabs((double)expected[k]));
            off = fmax(off, fabs((double)out[k] - (double)expected[k]));
            if (!isfinite(out[k]))
                off = INFINITY;
        }
    }
    free(out);
    free(workspace);
    return off <= SLACK * largest ? NULL : ctx;
}

int main(void)
{
    size_t n;
    pthread_t t[2];
    void *bad[2];
    int st = net_init(&net, "net.weights");
    if (st != 0) {
        printf("init: %d\n", st);
        return 1;
    }
    in = read_file("in.bin", &n);
    expected = read_file("out.bin", &out_bytes);
    for (int k = 0; k < 2; k++)
        if (pthread_create(&t[k], NULL, run, &net) != 0)
            return 2;
    for (int k = 0; k < 2; k++)
        pthread_join(t[k], &bad[k]);
    net_fini(&net);
    free(in);
    free(expected);
    puts(bad[0] || bad[1] ? "differs" : "equal");
    return bad[0] || bad[1] ? 1 : 0;
}
