/* oneDNN's C API, version 2, loaded while running; what versus_dnnl.c gives to dnnl_ops.c. */
#ifndef HONE_BENCH_DNNL_H
#define HONE_BENCH_DNNL_H

#include "bench/versus.h"

#include <oneapi/dnnl/dnnl.h>

#define DNNL_FUNCTIONS(X)                         \
    X(dnnl_version)                               \
    X(dnnl_engine_create)                         \
    X(dnnl_stream_create)                         \
    X(dnnl_stream_wait)                           \
    X(dnnl_memory_desc_init_by_strides)           \
    X(dnnl_memory_desc_equal)                     \
    X(dnnl_memory_create)                         \
    X(dnnl_primitive_attr_create)                 \
    X(dnnl_primitive_attr_set_post_ops)           \
    X(dnnl_primitive_attr_set_output_scales)      \
    X(dnnl_post_ops_create)                       \
    X(dnnl_post_ops_append_eltwise)               \
    X(dnnl_post_ops_append_binary)                \
    X(dnnl_primitive_desc_create)                 \
    X(dnnl_primitive_desc_destroy)                \
    X(dnnl_primitive_desc_query)                  \
    X(dnnl_primitive_desc_query_md)               \
    X(dnnl_primitive_create)                      \
    X(dnnl_primitive_execute)                     \
    X(dnnl_reorder_primitive_desc_create)         \
    X(dnnl_matmul_desc_init)                      \
    X(dnnl_inner_product_forward_desc_init)       \
    X(dnnl_dilated_convolution_forward_desc_init) \
    X(dnnl_deconvolution_forward_desc_init)       \
    X(dnnl_pooling_forward_desc_init)             \
    X(dnnl_softmax_forward_desc_init)             \
    X(dnnl_layer_normalization_forward_desc_init) \
    X(dnnl_eltwise_forward_desc_init)             \
    X(dnnl_binary_desc_init)                      \
    X(dnnl_reduction_desc_init)                   \
    X(dnnl_sgemm)                                 \
    X(dnnl_gemm_u8s8s32)

typedef struct dnnl_api {
#define X(f) __typeof__(&f) f;
    DNNL_FUNCTIONS(X)
#undef X
} dnnl_api;
extern dnnl_api d;

/* Leaves the function with a message when a call of oneDNN fails. */
#define OK(call)                                                                            \
    do {                                                                                    \
        dnnl_status_t status_ = (call);                                                     \
        if (status_ == dnnl_unimplemented)                                                  \
            return hone_fail(err, HONE_E_NOTFOUND, "oneDNN has no implementation of this"); \
        if (status_ != dnnl_success)                                                        \
            return hone_fail(err, HONE_E_TOOL, "oneDNN: %.60s ... gives status %d", #call,  \
                             (int)status_);                                                 \
    } while (0)

enum { DNNL_STEP_ARGS = 8 };

/* One thing that is done in every call. */
typedef struct step {
    dnnl_primitive_t primitive; /* NULL: `call` */
    int n;
    dnnl_exec_arg_t args[DNNL_STEP_ARGS];
    dnnl_status_t (*call)(const problem *p, void *out);
} step;

typedef struct baseline {
    const problem *p;
    const char *form;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    HONE_VEC(step) steps;
    void *out;        /* the problem's layout */
    char detail[120]; /* the implementations oneDNN chose */
} baseline;

typedef enum kind { OPERAND_INPUT, OPERAND_CONSTANT, OPERAND_OUTPUT } kind;
typedef struct operand {
    int arg; /* DNNL_ARG_SRC, ... */
    kind kind;
    const dnnl_memory_desc_t *plain; /* as it lies in `data` */
    void *data;
} operand;

dnnl_data_type_t dnnl_type(hone_dtype t);
/* Strides in elements; NULL: dense and row-major. */
hone_status dnnl_desc(hone_dtype t, int n, const int64_t *dims, const int64_t *strides,
                      dnnl_memory_desc_t *ret, hone_error *err) HONE_NODISCARD;
/* The same, in whatever layout oneDNN likes. */
dnnl_memory_desc_t dnnl_any_layout(dnnl_memory_desc_t md);
/* Adds a primitive. An operand that it wants in another layout is reordered: constants now, inputs
 * and outputs in every call. */
hone_status dnnl_add(baseline *b, const void *desc, const_dnnl_primitive_attr_t attr,
                     const operand *v, int n, hone_error *err) HONE_NODISCARD;

typedef struct dnnl_operator {
    const char *kernel;
    const char *forms[VERSUS_MAX_FORMS];
    hone_status (*prepare)(baseline *b, hone_error *err);
} dnnl_operator;
const dnnl_operator *dnnl_find(const char *kernel); /* NULL: none */

#endif
