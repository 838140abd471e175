/* What the files of net/quantise/ have for each other. Threads: as net/plan.h. */
#ifndef HONE_NET_QUANTISE_INTERNAL_H
#define HONE_NET_QUANTISE_INTERNAL_H

#include "net/op/op.h"
#include "net/quantise.h"

/* ---- layers.c -------------------------------------------------------------------------------- */

#define HONE_NET_WEIGHT_LIMIT 127 /* weights are -127 .. 127 */

/* All layers of the graph, with their products; none is chosen. */
void hone_net__find_layers(const hone_net *g, hone_net_quantised_layers *ret);
/* Why none was found, as a sentence without its end. */
void hone_net__why_no_layers(const hone_net *g, hone_buf *ret);
/* The scale of results [0, n) of the weights, n being their size along the layer's axis; caller
 * frees. */
float *hone_net__weight_scales(const hone_net *g, const hone_net_layer *l);
/* Element k of the weights, as an integer by these scales. */
int8_t hone_net__weight(const hone_tensor *w, uint32_t axis, const float *scales, int64_t k);

/* ---- ranges.c -------------------------------------------------------------------------------- */

#define HONE_NET_KEPT (1 << 15) /* elements of a tensor that its range is chosen by */

/* What is seen of a tensor: its extremes, and some elements from everywhere. */
typedef struct hone_net_seen {
    double lo, hi;
    int64_t step, passed; /* every so many elements one is kept */
    HONE_VEC(float) kept;
} hone_net_seen;
/* `all`: how many elements there will be. What is not finite is not looked at. */
void hone_net__see(hone_net_seen *s, const float *x, int64_t n, int64_t all);
/* u8 over [lo, hi] and 0, which has a number of its own. */
hone_net_range hone_net__range_over(double lo, double hi);
/* The range with the least mean of squared errors over what was kept, out of the whole one and
 * narrower ones (Nagel et al. 2021, section 3.1: "MSE"). Nothing seen: scale 0. */
hone_net_range hone_net__choose_range(const hone_net_seen *s);
/* Number q of the range for x, ties to even, and the float that it stands for. */
uint8_t hone_net__quantise(hone_net_range r, float x);
static inline float hone_net__dequantise(hone_net_range r, uint8_t q)
{
    return (float)((int)q - (int)r.zero) * r.scale;
}

/* ---- machine.c ------------------------------------------------------------------------------- */

typedef struct hone_net_machine {
    const hone_net_plan *p;
    void ***args;          /* by call; of tensors that are not constant: as of the last run */
    void **at;             /* by value: where it lies */
    HONE_VEC(void *) made; /* all memory that is its own */
} hone_net_machine;
/* Does call number `call` of the plan on these arguments. */
typedef hone_status hone_net_call_fn(void *ctx, uint32_t call, void *const *args, hone_error *err);
void hone_net__machine_new(const hone_net_plan *p, hone_net_machine *ret);
void hone_net__machine_free(hone_net_machine *m);
/* ret[k]: the k-th output; its data is the caller's to free. What `run` returns. */
hone_status hone_net__machine_run(hone_net_machine *m, const hone_tensor *in, hone_net_call_fn *run,
                                  void *ctx, hone_tensor *ret, hone_error *err) HONE_NODISCARD;

/* ---- simulate.c ------------------------------------------------------------------------------ */

/* The plan's kernels, run with what active layers take rounded. */
typedef struct hone_net_simulation {
    const hone_net_plan *p;
    const hone_net_quantise_options *o;
    hone_net_quantised_layers *q;
    hone_net_machine machine;
    const bool *active;    /* by layer; NULL: none */
    hone_net_seen *seen;   /* by value: looks at what layers take; NULL: does not */
    float **weights;       /* by layer, rounded, in the order of its call; NULL: not needed yet */
    HONE_VEC(void *) made; /* for one call */
} hone_net_simulation;
void hone_net__simulation_new(const hone_net_plan *p, const hone_net_quantise_options *o,
                              hone_net_quantised_layers *q, hone_net_simulation *ret);
void hone_net__simulation_free(hone_net_simulation *s);
/* Outputs of all samples, as ret[s][k]; what was there is freed. */
hone_status hone_net__simulate(hone_net_simulation *s, hone_tensor **ret,
                               hone_error *err) HONE_NODISCARD;

#endif
