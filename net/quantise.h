/* net: which layers of a network compute with integers, and the model that says so.
 *
 *   layers     convolutions and products with constant weights (layers.c)
 *   ranges     of what they take, over given inputs (ranges.c)
 *   errors     that each makes, measured by running the network's kernels with what they take
 *              rounded to integers and back (simulate.c)
 *   choice     by gain for error, until the bound (choose.c)
 *   model      with QuantizeLinear and DequantizeLinear around what was chosen (insert.c)
 *
 * Activations are u8 with a scale and a zero point for each tensor; weights i8 without zero points,
 * with a scale for each result channel or column (Krishnamoorthi 2018, section 3; Nagel et al.
 * 2021, section 2.3). All of -127 .. 127 is used: products and sums are exact in i32 whatever
 * processor they are for, so none has to be kept from saturating.
 *
 * The error of outputs is |q - f| / |f|, Euclidean norms over all elements of an output and all
 * samples; of several outputs the largest counts.
 *
 * Threads: as net/plan.h. */
#ifndef HONE_NET_QUANTISE_H
#define HONE_NET_QUANTISE_H

#include "net/plan.h"

typedef struct hone_net_layer {
    hone_net_node node;
    const char *name, *op; /* of the node; the graph's */
    hone_net_value x, w;   /* what it takes, and its constant weights, f32 */
    uint32_t axis;         /* of its results, in the weights */
    bool is_image;         /* a convolution: then all that take x take it rounded */
    double products;       /* multiplications of elements */
    double gain;           /* what integers save, as a share of all layers' time */
    double error;          /* of the outputs, when it alone is quantised */
    bool chosen;
} hone_net_layer;

typedef struct hone_net_range {
    float scale; /* 0: not known */
    uint8_t zero;
} hone_net_range;

typedef struct hone_net_quantised_layers {
    HONE_VEC(hone_net_layer) layers; /* in the order of the graph */
    HONE_VEC(hone_net_range) ranges; /* by value */
    double error;                    /* of the outputs with what was chosen, over the samples */
    hone_dtype weights;              /* as in the options */
    uint32_t runs;                   /* of the network, that it took */
} hone_net_quantised_layers;
void hone_net_quantised_layers_free(hone_net_quantised_layers *q);

/* Runs kernel k of the plan on its arguments, of which parts have the pitch of its row. */
typedef hone_status hone_net_kernel_fn(void *ctx, const hone_net_plan *p, uint32_t kernel,
                                       void *const *args, hone_error *err);

typedef struct hone_net_quantise_options {
    double max_error;
    hone_dtype weights; /* how weights of layers that are not chosen are kept: HONE_F32, or f16 or
                           bf16; `error` does not count what that loses */
    hone_net_kernel_fn *run;
    void *ctx;
    const hone_tensor *const *samples; /* of each the inputs, row-major */
    uint32_t n_samples;
    const int64_t *kernel_ns; /* measured times of the plan's kernels, 0: not known; or NULL */
} hone_net_quantise_options;

/* The layers of a plan of floats and what each gains, before any of it runs; none is chosen. *ret
 * is the caller's to free in any case. HONE_E_INPUT: there is nothing to quantise, the network is
 * quantised already, its opset is below 13 (which has no scales for each channel), or it has no
 * output of floats. */
hone_status hone_net_quantise_look(const hone_net_plan *p, const hone_net_quantise_options *o,
                                   hone_net_quantised_layers *ret, hone_error *err) HONE_NODISCARD;
/* Measures and chooses among what hone_net_quantise_look has found: ranges, each layer's error,
 * `chosen`, the error of all together. HONE_E_INPUT: no layer keeps within the error and weights
 * are kept as they are; what `run` returns. */
hone_status hone_net_quantise(const hone_net_plan *p, const hone_net_quantise_options *o,
                              hone_net_quantised_layers *q, hone_error *err) HONE_NODISCARD;
/* Puts pairs around the chosen layers of the plan's graph, which is then no more the plan's: all
 * that the plan is good for is to be freed. HONE_E_LIMIT: constants take too much memory. */
hone_status hone_net_quantise_insert(hone_net *g, const hone_net_quantised_layers *q,
                                     hone_error *err) HONE_NODISCARD;
/* The network as it is: outputs of all samples, as ret[s][k], with data that
 * hone_net_outputs_free gives back. What `run` returns. */
hone_status hone_net_quantise_outputs(const hone_net_plan *p, const hone_net_quantise_options *o,
                                      hone_tensor **ret, hone_error *err) HONE_NODISCARD;
hone_tensor **hone_net_outputs_new(uint32_t n_samples, uint32_t n);
void hone_net_outputs_clear(hone_tensor **v, uint32_t n_samples, uint32_t n);
void hone_net_outputs_free(hone_tensor **v, uint32_t n_samples, uint32_t n);
/* |is - was| / |was| of n outputs with as many samples each: was[s][k] is output k of sample s. The
 * largest over the outputs of floats; -1: there is none. An output that is all 0 and is not any
 * more counts as infinite. */
double hone_net_output_error(const hone_tensor *const *is, const hone_tensor *const *was,
                             uint32_t n_samples, uint32_t n);

#endif
