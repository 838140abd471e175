/* Networks by their plan, kernel by kernel in the interpreter, against the reference, on random
 * inputs; and what lies where in memory meanwhile.
 *
 *   net_compare [--data FOLDER | --slack S] MODEL.onnx...
 *
 * Each model is planned as it is meant to be, without fusion, without layouts, and with each of the
 * alternatives that calls have. Exit code 1:
 * some output is off by more than rounding explains. */
#include "net/check.h"
#include "tests/net/memory.h"

#include <math.h>

/* Of the largest element of an output: f32, some dozen layers. Of integers --slack: what lies on a
 * tie is rounded either way, and is a number off. */
static double slack = 2e-4;

static const struct {
    const char *name;
    hone_net_plan_options o;
    uint32_t chosen; /* of each choice one, by times made of this; 0: as planned */
} ways[] = {{"fused", {0}, 0},
            {"node by node", {.no_fuse = true}, 0},
            {"in ONNX's order", {.no_layout = true}, 0},
            {"by Winograd, 2", {.way = HONE_NET_WAY_WINOGRAD2}, 0},
            {"by Winograd, 4", {.way = HONE_NET_WAY_WINOGRAD4}, 0},
            {"as products", {.way = HONE_NET_WAY_PRODUCT}, 0},
            {"apart", {.fused = HONE_NET_APART}, 0},
            {"earlier", {.fused = HONE_NET_EARLIER}, 0},
            {"chosen", {0}, 7},
            {"chosen again", {0}, 13}};

static bool agree(const hone_tensor *a, const hone_tensor *b)
{
    double largest = 0, off = 0;
    int64_t n = hone_tensor_elems(b);
    if (a->dtype != b->dtype || !hone_tensor_same_shape(a, b))
        return false;
    for (int64_t k = 0; k < n; k++) {
        double x = hone_tensor_float(a, k), y = hone_tensor_float(b, k);
        if (!isfinite(x) || !isfinite(y))
            return false;
        largest = fmax(largest, fabs(y));
        off = fmax(off, fabs(x - y));
    }
    return off <= slack * largest;
}

static bool leave(const char *folder, const char *name, const hone_tensor *t)
{
    char *path = hone_xasprintf("%s/%s", folder, name);
    hone_status st = hone_file_write(path, t->data, (size_t)hone_tensor_bytes(t), NULL);
    free(path);
    return st == HONE_OK;
}

/* By times that are as good as any, of some unknown. */
static void choose(hone_net_plan *p, uint32_t by)
{
    double *ns = hone_xcalloc((size_t)p->kernels.n + 1, sizeof *ns);
    for (uint32_t k = 0; k < p->kernels.n; k++)
        ns[k] = k * by % 5;
    hone_net_plan_choose(p, ns);
    free(ns);
}

static bool compare(const char *path, const hone_tensor *in, const hone_net *ref, unsigned way)
{
    hone_error err = {0};
    hone_net *g = NULL;
    hone_net_plan p = {0};
    hone_tensor *out = NULL;
    bool good = false;
    if (hone_net_read(path, NULL, &g, &err) == HONE_OK &&
        hone_net_plan_make(g, &ways[way].o, &p, &err) == HONE_OK) {
        out = hone_xcalloc(g->outputs.n + 1, sizeof *out);
        if (ways[way].chosen)
            choose(&p, ways[way].chosen);
        if (memory_fault(&p))
            hone_fail(&err, HONE_E_CORRUPT, "%s", memory_fault(&p));
        else
            good = hone_net_plan_interpret(NULL, &p, in, out, NULL, &err) == HONE_OK;
        printf("%s, %s: %u nodes, %u calls of %u kernels, workspace %lld of %lld", path,
               ways[way].name, g->order.n, p.calls.n, p.kernels.n, (long long)p.live,
               (long long)p.workspace);
        for (uint32_t k = 0; k < g->outputs.n; k++) {
            good = good && agree(&out[k], &hone_net_value_at(ref, ref->outputs.v[k])->t);
            free(out[k].data);
        }
        printf(": %s\n", good ? "equal" : *err.message ? err.message : "differs");
    } else {
        printf("%s: %s\n", path, err.message);
    }
    free(out);
    hone_net_plan_free(&p);
    hone_net_free(g);
    return good;
}

static bool all_ways(const char *path, const char *data)
{
    hone_error err = {0};
    hone_net *g = NULL, *ref = NULL;
    hone_rng rng;
    bool good = hone_net_read(path, NULL, &g, &err) == HONE_OK;
    HONE_VEC(hone_tensor) in = {0};
    hone_rng_seed(&rng, 1);
    for (uint32_t k = 0; good && k < g->inputs.n; k++) {
        hone_tensor t = hone_net_value_at(g, g->inputs.v[k])->t;
        t.data = hone_xcalloc(1, (size_t)hone_tensor_bytes(&t) + 1);
        hone_net_fill(&t, &rng);
        hone_vec_push(&in, t);
    }
    hone_net_options o = {.given = in.v, .n_given = in.n};
    good = good && hone_net_read(path, &o, &ref, &err) == HONE_OK;
    if (!good)
        printf("%s: %s\n", path, err.message);
    if (ref && data)
        good = leave(data, "in.bin", &in.v[0]) &&
               leave(data, "out.bin", &hone_net_value_at(ref, ref->outputs.v[0])->t);
    for (unsigned way = 0; way < HONE_LEN(ways) && ref; way++)
        good &= compare(path, in.v, ref, way);
    for (uint32_t k = 0; k < in.n; k++)
        free(in.v[k].data);
    hone_vec_free(&in);
    hone_net_free(ref);
    hone_net_free(g);
    return good;
}

int main(int argc, char **argv)
{
    bool leaves = argc > 2 && strcmp(argv[1], "--data") == 0;
    bool is_slack = argc > 2 && strcmp(argv[1], "--slack") == 0;
    int first = leaves || is_slack ? 3 : 1;
    bool good = argc > first;
    if (is_slack)
        slack = strtod(argv[2], NULL);
    for (int k = first; k < argc; k++)
        good &= all_ways(argv[k], leaves ? argv[2] : NULL);
    return good ? 0 : 1;
}
