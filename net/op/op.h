/* The table of operators, and what their parameters come to: windows, axes, broadcasts, as
 * inference, evaluation and kernel text all need them. net/op/ops.def has a row for each meaning of
 * an operator: where a later opset means something else, it is a row of its own, with an id of its
 * own. Threads: as net/graph.h. */
#ifndef HONE_NET_OP_H
#define HONE_NET_OP_H

#include "net/graph.h"

typedef enum hone_net_op_id {
#define HONE_NET_OP(ID, ...) HONE_NET_OP_##ID,
#include "net/op/ops.def"
#undef HONE_NET_OP
    HONE_NET_OP_COUNT
} hone_net_op_id;

typedef struct hone_net_attr_spec {
    const char *name;
    hone_net_attr_kind kind;
    bool required;
    int64_t i;        /* default of an INT */
    float f;          /* of a FLOAT */
    const char *text; /* of a TEXT; NULL: "" */
} hone_net_attr_spec;

/* Sets element type and shape of the outputs that are asked for. Inputs may lack data; what has to
 * be known and is not: HONE_E_UNSUPPORTED. HONE_E_INPUT: they do not fit. */
typedef hone_status hone_net_infer_fn(const hone_net_use *u, hone_error *err);
/* Computes the outputs that are asked for, whose data is there, from inputs that passed inference
 * and have data (those of which it takes the type or shape only may lack it). HONE_E_INPUT: what
 * the inputs hold cannot be used. */
typedef hone_status hone_net_eval_fn(const hone_net_use *u, hone_error *err);

typedef struct hone_net_op {
    hone_net_op_id id;
    const char *name;     /* ONNX's op_type */
    uint32_t since, last; /* opsets in which this row holds */
    uint32_t min_in, max_in, min_out, max_out;
    hone_net_infer_fn *infer;
    hone_net_eval_fn *eval;
    const hone_net_attr_spec *attrs;
    uint32_t n_attrs;
} hone_net_op;

/* The row that holds in this opset, or NULL. *ret_known: some row has the name. */
const hone_net_op *hone_net_op_find(const char *name, int64_t opset, bool *ret_known);

/* ---- parameters, resolved -------------------------------------------------------------------- */

/* The window of a convolution or pooling over the spatial axes, which are the last n of its input:
 * output o takes input o * stride - before + k * dilation. */
#define HONE_NET_MAX_SPATIAL (HONE_MAX_DIMS - 2)
typedef struct hone_net_window {
    uint32_t n;
    int64_t kernel[HONE_NET_MAX_SPATIAL], stride[HONE_NET_MAX_SPATIAL],
        dilation[HONE_NET_MAX_SPATIAL];
    int64_t before[HONE_NET_MAX_SPATIAL], after[HONE_NET_MAX_SPATIAL]; /* padding */
    int64_t out[HONE_NET_MAX_SPATIAL];                                 /* sizes of the output */
} hone_net_window;
/* Of Conv, ConvInteger, QLinearConv (kernel sizes from the weights at `weights`), MaxPool,
 * AveragePool, LpPool; auto_pad and ceil_mode are resolved. HONE_E_INPUT. */
hone_status hone_net_window_of(const hone_net_use *u, hone_net_window *ret,
                               hone_error *err) HONE_NODISCARD;
/* Of ConvTranspose: input i adds to output i * stride - before + k * dilation. */
hone_status hone_net_window_transposed(const hone_net_use *u, hone_net_window *ret,
                                       hone_error *err) HONE_NODISCARD;

/* Axes, negative ones counted from the end, in 0 .. rank-1. */
typedef struct hone_net_axes {
    uint32_t n;
    uint8_t v[HONE_MAX_DIMS]; /* in the order given */
    bool is[HONE_MAX_DIMS];   /* is the axis one of them */
} hone_net_axes;
/* Of a node whose axes are the attribute `axes` or input k of constant data, as Reduce*, Squeeze,
 * Unsqueeze have them; n = 0: none are given. HONE_E_INPUT: outside, or twice. HONE_E_UNSUPPORTED:
 * known only when the network runs. */
hone_status hone_net_axes_of(const hone_net_use *u, uint32_t k, uint32_t rank, hone_net_axes *ret,
                             hone_error *err) HONE_NODISCARD;
/* The attribute `name` as an axis of that rank, or of rank + 1 places. HONE_E_INPUT. */
hone_status hone_net_axis_of(const hone_net_use *u, const char *name, uint32_t rank, uint32_t *ret,
                             hone_error *err) HONE_NODISCARD;

/* Axis by axis: does a Reduce* reduce it, does a MeanVarianceNormalization normalise over it? */
hone_status hone_net_reduced_axes(const hone_net_use *u, bool ret[HONE_MAX_DIMS],
                                  hone_error *err) HONE_NODISCARD;
hone_status hone_net_mvn_axes(const hone_net_use *u, bool ret[HONE_MAX_DIMS],
                              hone_error *err) HONE_NODISCARD;
/* The axes [from, to) over which a Softmax, LogSoftmax or Hardmax goes as if they were one. */
hone_status hone_net_softmax_of(const hone_net_use *u, uint32_t *ret_from, uint32_t *ret_to,
                                hone_error *err) HONE_NODISCARD;
/* Of a CumSum. */
hone_status hone_net_cum_sum_axis(const hone_net_use *u, uint32_t *ret,
                                  hone_error *err) HONE_NODISCARD;

/* Lower and upper bound of a Clip, from attributes or constant inputs; infinities where there is
 * none. HONE_E_UNSUPPORTED: known only when the network runs. */
hone_status hone_net_clip_of(const hone_net_use *u, double *ret_lo, double *ret_hi,
                             hone_error *err) HONE_NODISCARD;

/* The axes [from, to) of its input whose sizes a Shape lists. */
void hone_net_shape_range(const hone_net_use *u, uint32_t *ret_from, uint32_t *ret_to);
/* Axis k of a Transpose's result is axis ret[k] of its input. */
hone_status hone_net_perm_of(const hone_net_use *u, uint32_t ret[HONE_MAX_DIMS],
                             hone_error *err) HONE_NODISCARD;
/* The diagonal of a Trilu. */
hone_status hone_net_trilu_k(const hone_net_use *u, int64_t *ret, hone_error *err) HONE_NODISCARD;

/* Axis and sizes of the parts of a Split, one for each output: room for HONE_NET_MAX_INPUTS. */
hone_status hone_net_split_of(const hone_net_use *u, uint32_t *ret_axis, int64_t *ret_sizes,
                              hone_error *err) HONE_NODISCARD;

/* Start and step of each axis of a Slice; sizes are those of its output. */
typedef struct hone_net_slice {
    int64_t start[HONE_MAX_DIMS], step[HONE_MAX_DIMS], size[HONE_MAX_DIMS];
} hone_net_slice;
hone_status hone_net_slice_of(const hone_net_use *u, hone_net_slice *ret,
                              hone_error *err) HONE_NODISCARD;

/* Elements added at (or, negative, taken from) the ends of each axis by a Pad. */
typedef struct hone_net_pad {
    int64_t before[HONE_MAX_DIMS], after[HONE_MAX_DIMS];
} hone_net_pad;
hone_status hone_net_pad_of(const hone_net_use *u, hone_net_pad *ret,
                            hone_error *err) HONE_NODISCARD;

/* A Resize or Upsample: along axis k `size` elements of what is there, scaled by `scale`. */
typedef enum hone_net_resize_mode {
    HONE_NET_NEAREST,
    HONE_NET_LINEAR,
    HONE_NET_CUBIC
} hone_net_resize_mode;
typedef enum hone_net_resize_transform {
    HONE_NET_HALF_PIXEL,
    HONE_NET_PYTORCH_HALF_PIXEL,
    HONE_NET_ALIGN_CORNERS,
    HONE_NET_ASYMMETRIC,
    HONE_NET_TF_HALF_PIXEL,
    HONE_NET_CROP_AND_RESIZE
} hone_net_resize_transform;
typedef enum hone_net_resize_rounding {
    HONE_NET_PREFER_FLOOR,
    HONE_NET_PREFER_CEIL,
    HONE_NET_FLOOR,
    HONE_NET_CEIL,
    HONE_NET_OLD /* before opset 11: down where an axis grows, up where it shrinks */
} hone_net_resize_rounding;
typedef struct hone_net_resize {
    hone_net_resize_mode mode;
    hone_net_resize_transform transform;
    hone_net_resize_rounding rounding;
    double scale[HONE_MAX_DIMS];
    int64_t size[HONE_MAX_DIMS];
    double length[HONE_MAX_DIMS];  /* the size before it was rounded down */
    double roi[2 * HONE_MAX_DIMS]; /* of CROP_AND_RESIZE: starts, then ends, of each axis */
} hone_net_resize;
hone_status hone_net_resize_of(const hone_net_use *u, hone_net_resize *ret,
                               hone_error *err) HONE_NODISCARD;
/* How places of that axis are rounded: never HONE_NET_OLD. */
hone_net_resize_rounding hone_net_rounding_of(const hone_net_resize *r, uint32_t axis);

/* The shape that broadcasting n tensors makes. HONE_E_INPUT, naming both. */
hone_status hone_net_broadcast(const hone_net_use *u, uint32_t first, uint32_t n, hone_tensor *ret,
                               hone_error *err) HONE_NODISCARD;

#endif
