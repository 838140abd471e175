/* A network that was built by hone, in a program: draws a disc, and what the network finds of it.
 */
#include "edges.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 64 };

int main(void)
{
    static _Alignas(64) float image[SIZE * SIZE], edges[SIZE / 2 * SIZE / 2];
    hone_rt_net net;
    void *workspace = aligned_alloc(64, (edges_WORKSPACE + 63) / 64 * 64 + 64);
    int error = edges_init(&net, "edges.weights");
    if (!workspace || error) {
        fprintf(stderr, "edges.weights: error %d\n", error);
        return 1;
    }
    for (int y = 0; y < SIZE; y++)
        for (int x = 0; x < SIZE; x++)
            image[y * SIZE + x] = (x - 32) * (x - 32) + (y - 32) * (y - 32) < 22 * 22 ? 1.0f : 0.0f;
    error = edges_run(&net, image, edges, workspace);
    if (error) {
        fprintf(stderr, "edges_run: error %d\n", error);
        return 1;
    }
    for (int y = 0; y < SIZE / 2; y++) {
        char line[SIZE / 2 + 1];
        for (int x = 0; x < SIZE / 2; x++)
            line[x] = edges[y * (SIZE / 2) + x] > 0.25f ? '#' : '.';
        line[SIZE / 2] = '\0';
        puts(line);
    }
    edges_fini(&net);
    free(workspace);
    return 0;
}
