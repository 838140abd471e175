/* hone's kernels as oneDNN's primitives: one function per operator, and the table of them.
 *
 * Reader's map: convolutions, transposed ones, pooling; products, attention; rows; elements; table.
 */
#include "bench/versus.h"

#ifdef HONE_BENCH_DNNL

#include "bench/dnnl.h"

#include <math.h>

static bool asks(const baseline *b, const char *word)
{
    return strstr(b->form, word) != NULL;
}

static bool kernel_has(const baseline *b, const char *word)
{
    return strstr(b->p->kernel, word) != NULL;
}

/* ---- windows: convolutions and pooling --------------------------------------------------------
 */

enum { MAX_SPACE = 3 };

/* Images are N, space..., channels; oneDNN counts dimensions as N, channels, space... */
typedef struct window {
    int space; /* 1 to 3 dimensions */
    int64_t n, ci, co, groups;
    int64_t in[MAX_SPACE], out[MAX_SPACE];
    dnnl_dims_t size, stride, pad, pad_after;
    dnnl_dims_t dilation; /* oneDNN counts from 0 */
    dnnl_memory_desc_t x, y;
} window;

static hone_status image(hone_dtype t, int space, int64_t n, int64_t c, const int64_t *size,
                         dnnl_memory_desc_t *ret, hone_error *err)
{
    int64_t dims[2 + MAX_SPACE] = {n, c}, strides[2 + MAX_SPACE] = {0, 1}, next = c;
    for (int k = space - 1; k >= 0; k--) {
        dims[2 + k] = size[k];
        strides[2 + k] = next;
        next *= size[k];
    }
    strides[0] = next;
    return dnnl_desc(t, 2 + space, dims, strides, ret, err);
}

/* `size`: the window's extent in each dimension. Padding after the image is what the output's shape
 * leaves, which is negative where a stride does not divide: oneDNN takes that as cropping. */
static hone_status describe_window(const baseline *b, int space, const int64_t *size, int64_t ci,
                                   int64_t co, window *w, hone_error *err)
{
    const problem *p = b->p;
    const tensor *x = &p->args[0], *y = p->out;
    *w = (window){.space = space, .n = x->shape[0], .ci = ci, .co = co, .groups = 1};
    bool turned = kernel_has(b, "transposed");
    int64_t outputs = y->elements / (w->n * co), pad = versus_size(p, "pad", 1);
    for (int k = 0; k < space; k++) {
        w->size[k] = size[k];
        w->in[k] = x->shape[1 + k];
        w->stride[k] = versus_size(p, "stride", 1);
        w->dilation[k] = versus_size(p, "dilation", 1) - 1;
        w->pad[k] = pad;
        int64_t reach = w->dilation[k] * (size[k] - 1) + size[k];
        w->out[k] = turned ? (w->in[k] - 1) * w->stride[k] - 2 * pad + size[k]
                           : (w->in[k] + 2 * pad - reach) / w->stride[k] + 1;
        w->pad_after[k] = turned ? pad : (w->out[k] - 1) * w->stride[k] + reach - w->in[k] - pad;
        outputs /= w->out[k];
    }
    if (outputs != 1)
        return hone_fail(err, HONE_E_INPUT, "the sizes of %s do not give its output's shape",
                         p->kernel);
    hone_status st = image(x->dtype, space, w->n, ci, w->in, &w->x, err);
    return st == HONE_OK ? image(y->dtype, space, w->n, co, w->out, &w->y, err) : st;
}

/* Filters are R, S, CI, CO; with groups G, R, S, CI/G, CO/G; by depth R, S, C. */
static hone_status filters(const window *w, bool depthwise, hone_dtype t, dnnl_memory_desc_t *ret,
                           hone_error *err)
{
    int64_t dims[3 + MAX_SPACE], strides[3 + MAX_SPACE];
    int64_t ci = w->ci / w->groups, co = w->co / w->groups;
    int64_t next = depthwise ? w->groups : ci * co;
    int at = w->groups > 1 ? 1 : 0;
    for (int k = w->space - 1; k >= 0; k--) {
        dims[at + 2 + k] = w->size[k];
        strides[at + 2 + k] = next;
        next *= w->size[k];
    }
    dims[at] = co, strides[at] = 1;
    dims[at + 1] = ci, strides[at + 1] = co;
    if (at)
        dims[0] = w->groups, strides[0] = depthwise ? 1 : next;
    return dnnl_desc(t, at + 2 + w->space, dims, strides, ret, err);
}

/* relu(sum + bias), relu(sum * scale + shift), u8((sum + bias) * scale). A bias goes in as such;
 * scale and shift are inputs, so they cannot be folded into the weights ahead of time, and are
 * binary post-ops. */
static hone_status epilogue(const baseline *b, const window *w, dnnl_primitive_attr_t *ret,
                            dnnl_memory_desc_t *channel, operand *v, int *n, hone_error *err)
{
    *ret = NULL;
    if (!kernel_has(b, "relu"))
        return HONE_OK;
    dnnl_post_ops_t ops;
    OK(d.dnnl_primitive_attr_create(ret));
    OK(d.dnnl_post_ops_create(&ops));
    static const struct {
        const char *name;
        dnnl_alg_kind_t what;
    } by_channel[] = {{"scale", dnnl_binary_mul}, {"shift", dnnl_binary_add}};
    for (int k = 0; k < 2; k++) {
        const tensor *t = versus_arg(b->p, by_channel[k].name);
        if (!t)
            continue;
        const int64_t dims[2 + MAX_SPACE] = {1, w->co, 1, 1, 1};
        hone_status st = dnnl_desc(t->dtype, 2 + w->space, dims, NULL, channel, err);
        if (st != HONE_OK)
            return st;
        OK(d.dnnl_post_ops_append_binary(ops, by_channel[k].what, channel));
        v[(*n)++] = (operand){DNNL_ARG_ATTR_MULTIPLE_POST_OP(k) | DNNL_ARG_SRC_1, OPERAND_INPUT,
                              channel, t->data};
    }
    OK(d.dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0));
    OK(d.dnnl_primitive_attr_set_post_ops(*ret, ops));
    return HONE_OK;
}

/* All convolutions: 1 to 3 dimensions, groups, by depth, with an epilogue, u8 times i8. */
static hone_status convolution(baseline *b, hone_error *err)
{
    const problem *p = b->p;
    const tensor *x = &p->args[0], *f = versus_arg(p, "F");
    bool depthwise = kernel_has(b, "depthwise"), grouped = kernel_has(b, "group");
    int space = kernel_has(b, "conv1d") ? 1 : kernel_has(b, "conv3d") ? 3 : 2;
    int64_t ci = x->elements / x->shape[0], co = f->shape[f->n_dims - 1];
    for (int k = 0; k < space; k++)
        ci /= x->shape[1 + k];
    co = depthwise ? ci : grouped ? co * f->shape[0] : co;
    window w;
    hone_status st = describe_window(b, space, f->shape + (grouped ? 1 : 0), ci, co, &w, err);
    w.groups = depthwise ? ci : grouped ? f->shape[0] : 1;
    dnnl_memory_desc_t weights, bias_md, channel;
    if (st == HONE_OK)
        st = filters(&w, depthwise, f->dtype, &weights, err);
    const tensor *bias = versus_arg(p, "bias");
    if (st == HONE_OK && bias)
        st = dnnl_desc(bias->dtype, 1, bias->shape, NULL, &bias_md, err);
    operand v[DNNL_STEP_ARGS] = {{DNNL_ARG_SRC, OPERAND_INPUT, &w.x, x->data},
                                 {DNNL_ARG_WEIGHTS, OPERAND_CONSTANT, &weights, f->data},
                                 {DNNL_ARG_DST, OPERAND_OUTPUT, &w.y, b->out}};
    int n = 3;
    if (bias)
        v[n++] = (operand){DNNL_ARG_BIAS, OPERAND_INPUT, &bias_md, bias->data};
    dnnl_primitive_attr_t attr = NULL;
    if (st == HONE_OK)
        st = epilogue(b, &w, &attr, &channel, v, &n, err);
    if (st != HONE_OK)
        return st;
    bool any = asks(b, "any");
    dnnl_memory_desc_t x_md = any ? dnnl_any_layout(w.x) : w.x,
                       y_md = any ? dnnl_any_layout(w.y) : w.y;
    dnnl_memory_desc_t weights_md = dnnl_any_layout(weights);
    dnnl_alg_kind_t algorithm = asks(b, "winograd") ? dnnl_convolution_winograd
                                : asks(b, "auto")   ? dnnl_convolution_auto
                                                    : dnnl_convolution_direct;
    dnnl_convolution_desc_t op;
    OK(d.dnnl_dilated_convolution_forward_desc_init(&op, dnnl_forward_inference, algorithm, &x_md,
                                                    &weights_md, bias ? &bias_md : NULL, &y_md,
                                                    w.stride, w.dilation, w.pad, w.pad_after));
    return dnnl_add(b, &op, attr, v, n, err);
}

static hone_status transposed_convolution(baseline *b, hone_error *err)
{
    const tensor *x = &b->p->args[0], *f = versus_arg(b->p, "F");
    window w;
    dnnl_memory_desc_t weights;
    hone_status st = describe_window(b, 2, f->shape, f->shape[2], f->shape[3], &w, err);
    if (st == HONE_OK)
        st = filters(&w, false, f->dtype, &weights, err);
    if (st != HONE_OK)
        return st;
    bool any = asks(b, "any");
    dnnl_memory_desc_t x_md = any ? dnnl_any_layout(w.x) : w.x,
                       y_md = any ? dnnl_any_layout(w.y) : w.y;
    dnnl_memory_desc_t weights_md = dnnl_any_layout(weights);
    dnnl_deconvolution_desc_t op;
    OK(d.dnnl_deconvolution_forward_desc_init(&op, dnnl_forward_inference,
                                              dnnl_deconvolution_direct, &x_md, &weights_md, NULL,
                                              &y_md, w.stride, w.pad, w.pad_after));
    return dnnl_add(b, &op, NULL,
                    (operand[]){{DNNL_ARG_SRC, OPERAND_INPUT, &w.x, x->data},
                                {DNNL_ARG_WEIGHTS, OPERAND_CONSTANT, &weights, f->data},
                                {DNNL_ARG_DST, OPERAND_OUTPUT, &w.y, b->out}},
                    3, err);
}

static hone_status pooling(baseline *b, hone_error *err)
{
    const tensor *x = &b->p->args[0];
    const int64_t size[2] = {versus_size(b->p, "R", 3), versus_size(b->p, "S", 3)};
    window w;
    hone_status st = describe_window(b, 2, size, x->shape[3], x->shape[3], &w, err);
    if (st != HONE_OK)
        return st;
    dnnl_pooling_desc_t op;
    OK(d.dnnl_pooling_forward_desc_init(&op, dnnl_forward_inference,
                                        kernel_has(b, "max") ? dnnl_pooling_max
                                                             : dnnl_pooling_avg_include_padding,
                                        &w.x, &w.y, w.stride, w.size, w.pad, w.pad_after));
    return dnnl_add(b, &op, NULL,
                    (operand[]){{DNNL_ARG_SRC, OPERAND_INPUT, &w.x, x->data},
                                {DNNL_ARG_DST, OPERAND_OUTPUT, &w.y, b->out}},
                    2, err);
}

/* ---- products of matrices ---------------------------------------------------------------------
 */

static dnnl_status_t call_sgemm(const problem *p, void *out)
{
    product g;
    if (!versus_product(p, &g))
        return dnnl_invalid_arguments;
    bool turned = g.b_col != 1;
    dnnl_status_t st = dnnl_success;
    for (int64_t x = 0; x < g.outer[0]; x++)
        for (int64_t y = 0; y < g.outer[1] && st == dnnl_success; y++)
            st = d.dnnl_sgemm('N', turned ? 'T' : 'N', g.m, g.n, g.k, 1,
                              (const float *)g.a->data + x * g.a_outer[0] + y * g.a_outer[1],
                              g.a_row,
                              (const float *)g.b->data + x * g.b_outer[0] + y * g.b_outer[1],
                              turned ? g.b_col : g.b_row, 0,
                              (float *)out + x * g.c_outer[0] + y * g.c_outer[1], g.c_row);
    return st;
}

static dnnl_status_t call_igemm(const problem *p, void *out)
{
    product g;
    const int32_t zero = 0;
    if (!versus_product(p, &g))
        return dnnl_invalid_arguments;
    return d.dnnl_gemm_u8s8s32('N', 'N', 'F', g.m, g.n, g.k, 1, g.a->data, g.a_row, 0, g.b->data,
                               g.b_row, 0, 0, out, g.c_row, &zero);
}

/* Weights of an inner product are N x K; B is K x N. */
static hone_status inner_product(baseline *b, const product *g, hone_error *err)
{
    dnnl_memory_desc_t x, w, y;
    hone_status st = dnnl_desc(g->a->dtype, 2, (int64_t[]){g->m, g->k}, NULL, &x, err);
    if (st == HONE_OK)
        st = dnnl_desc(g->b->dtype, 2, (int64_t[]){g->n, g->k}, (int64_t[]){1, g->n}, &w, err);
    if (st == HONE_OK)
        st = dnnl_desc(b->p->out->dtype, 2, (int64_t[]){g->m, g->n}, NULL, &y, err);
    if (st != HONE_OK)
        return st;
    dnnl_memory_desc_t w_md = dnnl_any_layout(w);
    dnnl_inner_product_desc_t op;
    OK(d.dnnl_inner_product_forward_desc_init(&op, dnnl_forward_inference, &x, &w_md, NULL, &y));
    return dnnl_add(b, &op, NULL,
                    (operand[]){{DNNL_ARG_SRC, OPERAND_INPUT, &x, g->a->data},
                                {DNNL_ARG_WEIGHTS, OPERAND_CONSTANT, &w, g->b->data},
                                {DNNL_ARG_DST, OPERAND_OUTPUT, &y, b->out}},
                    3, err);
}

static hone_status matmul(baseline *b, hone_error *err)
{
    product g;
    if (!versus_product(b->p, &g))
        return hone_fail(err, HONE_E_NOTFOUND, "%s is no product of matrices", b->p->kernel);
    if (asks(b, "gemm")) {
        hone_vec_push(&b->steps, (step){.call = g.a->dtype == HONE_U8 ? call_igemm : call_sgemm});
        return HONE_OK;
    }
    if (asks(b, "inner"))
        return inner_product(b, &g, err);
    int skip = g.outer[0] * g.outer[1] == 1 ? 2 : g.outer[0] == 1 ? 1 : 0; /* leading ones */
    const int64_t dims[3][4] = {{g.outer[0], g.outer[1], g.m, g.k},
                                {g.outer[0], g.outer[1], g.k, g.n},
                                {g.outer[0], g.outer[1], g.m, g.n}};
    const int64_t strides[3][4] = {{g.a_outer[0], g.a_outer[1], g.a_row, g.a_col},
                                   {g.b_outer[0], g.b_outer[1], g.b_row, g.b_col},
                                   {g.c_outer[0], g.c_outer[1], g.c_row, 1}};
    const hone_dtype types[3] = {g.a->dtype, g.b->dtype, b->p->out->dtype};
    dnnl_memory_desc_t md[3];
    for (int k = 0; k < 3; k++) {
        hone_status st =
            dnnl_desc(types[k], 4 - skip, dims[k] + skip, strides[k] + skip, &md[k], err);
        if (st != HONE_OK)
            return st;
    }
    dnnl_memory_desc_t w_md = asks(b, "packed") ? dnnl_any_layout(md[1]) : md[1];
    dnnl_matmul_desc_t op;
    OK(d.dnnl_matmul_desc_init(&op, &md[0], &w_md, NULL, &md[2]));
    return dnnl_add(b, &op, NULL,
                    (operand[]){{DNNL_ARG_SRC, OPERAND_INPUT, &md[0], g.a->data},
                                {DNNL_ARG_WEIGHTS, OPERAND_CONSTANT, &md[1], g.b->data},
                                {DNNL_ARG_DST, OPERAND_OUTPUT, &md[2], b->out}},
                    3, err);
}

/* What is added to scores that a query must not see. */
static float *causal_mask(int64_t l)
{
    float *mask = versus_buffer(l * l * (int64_t)sizeof *mask);
    for (int64_t i = 0; i < l; i++)
        for (int64_t j = 0; j < l; j++)
            mask[i * l + j] = j <= i ? 0 : -INFINITY;
    return mask;
}

/* softmax(Q K^T / sqrt(D)) V in three primitives, the scores between them in memory. A mask is
 * added by the first. */
static hone_status attention(baseline *b, hone_error *err)
{
    const tensor *q = &b->p->args[0], *k = &b->p->args[1], *v = &b->p->args[2];
    int64_t n = q->shape[0], h = q->shape[1], l = q->shape[2], e = q->shape[3];
    const int64_t dims[3][4] = {{n, h, l, e}, {n, h, e, l}, {n, h, l, l}};
    const int64_t turned[4] = {h * l * e, l * e, 1, e};
    dnnl_memory_desc_t plain, keys, scores;
    hone_status st = dnnl_desc(HONE_F32, 4, dims[0], NULL, &plain, err);
    if (st == HONE_OK)
        st = dnnl_desc(HONE_F32, 4, dims[1], turned, &keys, err);
    if (st == HONE_OK)
        st = dnnl_desc(HONE_F32, 4, dims[2], NULL, &scores, err);
    if (st != HONE_OK)
        return st;
    float *between = versus_buffer(n * h * l * l * 4), scale = 1 / sqrtf((float)e);
    dnnl_primitive_attr_t attr;
    OK(d.dnnl_primitive_attr_create(&attr));
    OK(d.dnnl_primitive_attr_set_output_scales(attr, 1, 0, &scale));
    operand inputs[4] = {{DNNL_ARG_SRC, OPERAND_INPUT, &plain, q->data},
                         {DNNL_ARG_WEIGHTS, OPERAND_INPUT, &keys, k->data},
                         {DNNL_ARG_DST, OPERAND_OUTPUT, &scores, between}};
    unsigned n_first = 3;
    dnnl_memory_desc_t mask;
    if (kernel_has(b, "causal")) {
        const int64_t seen[4] = {1, 1, l, l};
        dnnl_post_ops_t ops;
        st = dnnl_desc(HONE_F32, 4, seen, NULL, &mask, err);
        if (st != HONE_OK)
            return st;
        OK(d.dnnl_post_ops_create(&ops));
        OK(d.dnnl_post_ops_append_binary(ops, dnnl_binary_add, &mask));
        OK(d.dnnl_primitive_attr_set_post_ops(attr, ops));
        inputs[n_first++] = (operand){DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1,
                                      OPERAND_INPUT, &mask, causal_mask(l)};
    }
    dnnl_matmul_desc_t first, last;
    dnnl_softmax_desc_t middle;
    OK(d.dnnl_matmul_desc_init(&first, &plain, &keys, NULL, &scores));
    OK(d.dnnl_softmax_forward_desc_init(&middle, dnnl_forward_inference, &scores, 3));
    OK(d.dnnl_matmul_desc_init(&last, &scores, &plain, NULL, &plain));
    st = dnnl_add(b, &first, attr, inputs, n_first, err);
    if (st == HONE_OK)
        st = dnnl_add(b, &middle, NULL,
                      (operand[]){{DNNL_ARG_SRC, OPERAND_INPUT, &scores, between},
                                  {DNNL_ARG_DST, OPERAND_OUTPUT, &scores, between}},
                      2, err);
    if (st == HONE_OK)
        st = dnnl_add(b, &last, NULL,
                      (operand[]){{DNNL_ARG_SRC, OPERAND_INPUT, &scores, between},
                                  {DNNL_ARG_WEIGHTS, OPERAND_INPUT, &plain, v->data},
                                  {DNNL_ARG_DST, OPERAND_OUTPUT, &plain, b->out}},
                      3, err);
    return st;
}

/* ---- rows -------------------------------------------------------------------------------------
 */

static hone_status softmax(baseline *b, hone_error *err)
{
    const tensor *x = &b->p->args[0];
    dnnl_memory_desc_t md;
    hone_status st = dnnl_desc(x->dtype, x->n_dims, x->shape, NULL, &md, err);
    if (st != HONE_OK)
        return st;
    dnnl_softmax_desc_t op;
    OK(d.dnnl_softmax_forward_desc_init(&op, dnnl_forward_inference, &md, x->n_dims - 1));
    return dnnl_add(b, &op, NULL,
                    (operand[]){{DNNL_ARG_SRC, OPERAND_INPUT, &md, x->data},
                                {DNNL_ARG_DST, OPERAND_OUTPUT, &md, b->out}},
                    2, err);
}

static hone_status layernorm(baseline *b, hone_error *err)
{
    const tensor *x = &b->p->args[0], *gamma = &b->p->args[1], *beta = &b->p->args[2];
    dnnl_memory_desc_t md, row;
    hone_status st = dnnl_desc(x->dtype, x->n_dims, x->shape, NULL, &md, err);
    if (st == HONE_OK)
        st = dnnl_desc(x->dtype, 1, gamma->shape, NULL, &row, err);
    if (st != HONE_OK)
        return st;
    dnnl_layer_normalization_desc_t op;
    OK(d.dnnl_layer_normalization_forward_desc_init(&op, dnnl_forward_inference, &md, NULL, 1e-5F,
                                                    dnnl_use_scale | dnnl_use_shift));
    return dnnl_add(b, &op, NULL,
                    (operand[]){{DNNL_ARG_SRC, OPERAND_INPUT, &md, x->data},
                                {DNNL_ARG_SCALE, OPERAND_INPUT, &row, gamma->data},
                                {DNNL_ARG_SHIFT, OPERAND_INPUT, &row, beta->data},
                                {DNNL_ARG_DST, OPERAND_OUTPUT, &md, b->out}},
                    4, err);
}

/* Root of the sum of squares over all but the first dimension. */
static hone_status norm(baseline *b, hone_error *err)
{
    const tensor *x = &b->p->args[0];
    int64_t one[HONE_MAX_DIMS] = {x->shape[0]};
    for (int k = 1; k < x->n_dims; k++)
        one[k] = 1;
    dnnl_memory_desc_t md, y;
    hone_status st = dnnl_desc(x->dtype, x->n_dims, x->shape, NULL, &md, err);
    if (st == HONE_OK)
        st = dnnl_desc(x->dtype, x->n_dims, one, NULL, &y, err);
    if (st != HONE_OK)
        return st;
    dnnl_reduction_desc_t op;
    OK(d.dnnl_reduction_desc_init(&op, dnnl_reduction_norm_lp_sum, &md, &y, 2, 0));
    return dnnl_add(b, &op, NULL,
                    (operand[]){{DNNL_ARG_SRC, OPERAND_INPUT, &md, x->data},
                                {DNNL_ARG_DST, OPERAND_OUTPUT, &y, b->out}},
                    2, err);
}

/* ---- element by element -----------------------------------------------------------------------
 */

static hone_status gelu(baseline *b, hone_error *err)
{
    const tensor *x = &b->p->args[0];
    dnnl_memory_desc_t md;
    hone_status st = dnnl_desc(x->dtype, x->n_dims, x->shape, NULL, &md, err);
    if (st != HONE_OK)
        return st;
    dnnl_eltwise_desc_t op;
    OK(d.dnnl_eltwise_forward_desc_init(&op, dnnl_forward_inference, dnnl_eltwise_gelu_tanh, &md, 0,
                                        0));
    return dnnl_add(b, &op, NULL,
                    (operand[]){{DNNL_ARG_SRC, OPERAND_INPUT, &md, x->data},
                                {DNNL_ARG_DST, OPERAND_OUTPUT, &md, b->out}},
                    2, err);
}

/* gelu(x + bias): an addition with a post-op. */
static hone_status bias_gelu(baseline *b, hone_error *err)
{
    const tensor *x = &b->p->args[0], *bias = &b->p->args[1];
    dnnl_memory_desc_t md, row;
    hone_status st = dnnl_desc(x->dtype, 2, x->shape, NULL, &md, err);
    if (st == HONE_OK)
        st = dnnl_desc(x->dtype, 2, (int64_t[]){1, x->shape[1]}, NULL, &row, err);
    if (st != HONE_OK)
        return st;
    dnnl_post_ops_t ops;
    dnnl_primitive_attr_t attr;
    OK(d.dnnl_primitive_attr_create(&attr));
    OK(d.dnnl_post_ops_create(&ops));
    OK(d.dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_gelu_tanh, 0, 0));
    OK(d.dnnl_primitive_attr_set_post_ops(attr, ops));
    dnnl_binary_desc_t op;
    OK(d.dnnl_binary_desc_init(&op, dnnl_binary_add, &md, &row, &md));
    return dnnl_add(b, &op, attr,
                    (operand[]){{DNNL_ARG_SRC_0, OPERAND_INPUT, &md, x->data},
                                {DNNL_ARG_SRC_1, OPERAND_INPUT, &row, bias->data},
                                {DNNL_ARG_DST, OPERAND_OUTPUT, &md, b->out}},
                    3, err);
}

/* ---- the table --------------------------------------------------------------------------------
 */

/* nhwc: images stay as they are. any: oneDNN chooses their layout too and reorders in every call.
 */
#define CONVOLUTION                                          \
    {                                                        \
        "direct nhwc", "direct any", "auto nhwc", "auto any" \
    }
/* where the kernel is Winograd's algorithm itself, and so as exact as that */
#define WINOGRAD                                                                              \
    {                                                                                         \
        "direct nhwc", "direct any", "auto nhwc", "auto any", "winograd nhwc", "winograd any" \
    }
#define PRODUCT                                                    \
    {                                                              \
        "matmul", "matmul packed", "inner product packed", "sgemm" \
    }

static const dnnl_operator operators[] = {
    {"conv1d_nlc", CONVOLUTION, convolution},
    {"conv2d_nhwc", CONVOLUTION, convolution},
    {"conv2d_nhwc_bias_relu", CONVOLUTION, convolution},
    {"conv2d_nhwc_bn_relu", CONVOLUTION, convolution},
    {"conv2d_winograd_nhwc", WINOGRAD, convolution},
    {"conv2d_group_nhwc", CONVOLUTION, convolution},
    {"conv2d_nhwc_u8i8", CONVOLUTION, convolution},
    {"conv2d_nhwc_u8i8_bias_relu", CONVOLUTION, convolution},
    {"conv3d_ndhwc", CONVOLUTION, convolution},
    {"depthwise_nhwc", CONVOLUTION, convolution},
    {"conv2d_transposed_nhwc", {"direct nhwc", "direct any"}, transposed_convolution},
    {"max_pool2d_nhwc", {"nhwc"}, pooling},
    {"avg_pool2d_nhwc", {"nhwc"}, pooling},
    {"matmul", PRODUCT, matmul},
    {"dense", PRODUCT, matmul},
    {"gemm", PRODUCT, matmul},
    {"matmul_bf16", {"matmul", "matmul packed", "inner product packed"}, matmul},
    {"matmul_f16", {"matmul", "matmul packed", "inner product packed"}, matmul},
    {"matmul_u8i8", {"matmul", "matmul packed", "inner product packed", "gemm_u8s8s32"}, matmul},
    {"batch_matmul", {"matmul", "sgemm"}, matmul},
    {"transpose_batch_matmul", {"matmul", "sgemm"}, matmul},
    {"attention", {"matmul, softmax, matmul"}, attention},
    {"attention_causal", {"matmul with mask, softmax, matmul"}, attention},
    {"softmax", {"softmax"}, softmax},
    {"layernorm", {"layer normalization"}, layernorm},
    {"norm", {"reduction"}, norm},
    {"gelu_tanh", {"eltwise"}, gelu},
    {"bias_gelu", {"binary, gelu after it"}, bias_gelu},
};

const dnnl_operator *dnnl_find(const char *kernel)
{
    for (size_t k = 0; k < HONE_LEN(operators); k++)
        if (strcmp(operators[k].kernel, kernel) == 0)
            return &operators[k];
    return NULL;
}

#endif
