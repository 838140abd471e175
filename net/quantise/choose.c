/* The layers that are worth their error. */
#include "net/quantise/internal.h"

#include <math.h>
#include <stdlib.h>

#define LEAST_OPSET 13 /* scales for each channel */

double hone_net_output_error(const hone_tensor *const *is, const hone_tensor *const *was,
                             uint32_t n_samples, uint32_t n)
{
    double most = -1;
    for (uint32_t k = 0; k < n; k++) {
        double off = 0, all = 0;
        if (!n_samples || !hone_dtype_is_float(was[0][k].dtype))
            continue;
        for (uint32_t s = 0; s < n_samples; s++)
            for (int64_t e = 0; e < hone_tensor_elems(&was[s][k]); e++) {
                double f = hone_tensor_float(&was[s][k], e);
                double d = hone_tensor_float(&is[s][k], e) - f;
                if (!isfinite(f)) /* says nothing of rounding */
                    continue;
                off += isnan(d) ? (double)INFINITY : d * d;
                all += f * f;
            }
        double error = off == 0 ? 0 : all == 0 ? (double)INFINITY : sqrt(off / all);
        most = fmax(most, error);
    }
    return most;
}

/* ---- what layers gain and cost --------------------------------------------------------------- */

/* The measured time of the kernel that the layer is in; 0: not known. */
static int64_t time_of(const hone_net_plan *p, const hone_net_quantise_options *o, hone_net_node n)
{
    for (uint32_t c = 0; c < p->calls.n && o->kernel_ns; c++) {
        const hone_net_group *x = &p->groups.v[p->calls.v[c].group];
        for (uint32_t k = 0; k < x->nodes.n; k++)
            if (x->nodes.v[k].i == n.i)
                return o->kernel_ns[p->calls.v[c].kernel];
    }
    return 0;
}

/* Shares of the layers' time: as measured, and for those not measured by their products, at the
 * mean pace of the others. */
static void put_gains(const hone_net_plan *p, const hone_net_quantise_options *o,
                      hone_net_quantised_layers *q)
{
    double ns = 0, products = 0, sum = 0;
    for (uint32_t k = 0; k < q->layers.n; k++) {
        hone_net_layer *l = &q->layers.v[k];
        l->gain = (double)time_of(p, o, l->node);
        ns += l->gain;
        products += l->gain > 0 ? l->products : 0;
    }
    for (uint32_t k = 0; k < q->layers.n; k++) {
        hone_net_layer *l = &q->layers.v[k];
        if (l->gain <= 0)
            l->gain = l->products * (products > 0 ? ns / products : 1);
        sum += l->gain;
    }
    for (uint32_t k = 0; k < q->layers.n; k++)
        q->layers.v[k].gain /= sum;
}

static double error_of(const hone_net_simulation *s, hone_tensor **is, hone_tensor **was)
{
    return hone_net_output_error((const hone_tensor *const *)is, (const hone_tensor *const *)was,
                                 s->o->n_samples, s->p->graph->outputs.n);
}

/* Runs the network as it is, for its outputs and the ranges. */
static hone_status look(hone_net_simulation *s, hone_tensor **was, hone_error *err)
{
    const hone_net *g = s->p->graph;
    s->seen = hone_xcalloc(g->values.n, sizeof *s->seen);
    HONE_TRY(hone_net__simulate(s, was, err));
    for (uint32_t k = 0; k < g->values.n; k++)
        hone_vec_push(&s->q->ranges, hone_net__choose_range(&s->seen[k]));
    for (uint32_t k = 0; k < g->values.n; k++) /* a view is what it is a view of */
        s->q->ranges.v[k] = s->q->ranges.v[s->p->of.v[k].i];
    for (uint32_t k = 0; k < g->values.n; k++)
        hone_vec_free(&s->seen[k].kept);
    free(s->seen);
    s->seen = NULL;
    return HONE_OK;
}

static hone_status measure(hone_net_simulation *s, bool *active, hone_tensor **was,
                           hone_tensor **is, hone_error *err)
{
    for (uint32_t k = 0; k < s->q->layers.n; k++) {
        active[k] = true;
        HONE_TRY(hone_net__simulate(s, is, err));
        s->q->layers.v[k].error = error_of(s, is, was);
        active[k] = false;
    }
    return HONE_OK;
}

/* ---- the choice ------------------------------------------------------------------------------ */

typedef struct candidate {
    double worth;
    uint32_t layer;
} candidate;

/* Errors of layers are taken for independent: their squares add. */
static double worth(const hone_net_layer *l)
{
    return l->error > 0 ? l->gain / (l->error * l->error) : (double)INFINITY;
}

static int worthier_first(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->worth != y->worth)
        return x->worth < y->worth ? 1 : -1;
    return x->layer < y->layer ? -1 : x->layer > y->layer;
}

/* Takes the layers in, the worthiest first, each if the error measured with all that are in stays
 * within the bound. */
static hone_status choose(hone_net_simulation *s, bool *active, hone_tensor **was, hone_tensor **is,
                          hone_error *err)
{
    HONE_VEC(candidate) order = {0};
    hone_status st = HONE_OK;
    for (uint32_t k = 0; k < s->q->layers.n; k++)
        if (s->q->layers.v[k].error <= s->o->max_error)
            hone_vec_push(&order, (candidate){worth(&s->q->layers.v[k]), k});
    if (order.n)
        qsort(order.v, order.n, sizeof *order.v, worthier_first);
    for (uint32_t k = 0; k < order.n && st == HONE_OK; k++) {
        uint32_t layer = order.v[k].layer;
        active[layer] = true;
        st = hone_net__simulate(s, is, err);
        double error = st == HONE_OK ? error_of(s, is, was) : 0;
        if (error <= s->o->max_error)
            s->q->error = error;
        else
            active[layer] = false;
    }
    hone_vec_free(&order);
    for (uint32_t k = 0; k < s->q->layers.n; k++)
        s->q->layers.v[k].chosen = active[k];
    return st;
}

static hone_status none_within(const hone_net_quantised_layers *q, double bound, hone_error *err)
{
    double least = (double)INFINITY;
    for (uint32_t k = 0; k < q->layers.n; k++) {
        if (q->layers.v[k].chosen)
            return HONE_OK;
        least = fmin(least, q->layers.v[k].error);
    }
    return hone_fail(
        err, HONE_E_INPUT,
        "no layer keeps within an error of %g: the least that one makes alone is %.3g; "
        "allow more with --max-error",
        bound, least);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static hone_status check(const hone_net_plan *p, const hone_net_quantised_layers *q,
                         hone_error *err)
{
    const hone_net *g = p->graph;
    bool real = false;
    for (uint32_t k = 0; k < g->outputs.n; k++)
        real |= hone_dtype_is_float(hone_net_value_at(g, g->outputs.v[k])->t.dtype);
    for (uint32_t k = 0; k < g->order.n; k++) {
        hone_net_op_id id = hone_net_node_at(g, g->order.v[k])->op->id;
        if (id == HONE_NET_OP_QUANTIZE_LINEAR || id == HONE_NET_OP_DEQUANTIZE_LINEAR ||
            id == HONE_NET_OP_CONV_INTEGER || id == HONE_NET_OP_MATMUL_INTEGER)
            return hone_fail(err, HONE_E_INPUT, "the network is quantised already");
    }
    if (g->opset < LEAST_OPSET)
        return hone_fail(err, HONE_E_INPUT,
                         "the model is of opset %" PRId64
                         ", and scales for each channel need opset "
                         "%d: convert it first",
                         g->opset, LEAST_OPSET);
    if (!real)
        return hone_fail(err, HONE_E_INPUT,
                         "the network has no output of floats to measure an "
                         "error at");
    if (q->layers.n)
        return HONE_OK;
    hone_buf why = {0};
    hone_net__why_no_layers(g, &why);
    hone_fail(err, HONE_E_INPUT, "there is nothing to quantise: %s", why.s);
    hone_buf_free(&why);
    return HONE_E_INPUT;
}

hone_status hone_net_quantise_look(const hone_net_plan *p, const hone_net_quantise_options *o,
                                   hone_net_quantised_layers *ret, hone_error *err)
{
    *ret = (hone_net_quantised_layers){.weights = o->weights};
    hone_net__find_layers(p->graph, ret);
    HONE_TRY(check(p, ret, err));
    put_gains(p, o, ret);
    return HONE_OK;
}

hone_status hone_net_quantise(const hone_net_plan *p, const hone_net_quantise_options *o,
                              hone_net_quantised_layers *q, hone_error *err)
{
    hone_net_simulation s;
    uint32_t n = p->graph->outputs.n;
    hone_net__simulation_new(p, o, q, &s);
    bool *active = hone_xcalloc(q->layers.n, sizeof *active);
    hone_tensor **was = hone_net_outputs_new(o->n_samples, n);
    hone_tensor **is = hone_net_outputs_new(o->n_samples, n);
    hone_status st = look(&s, was, err);
    s.active = active;
    if (st == HONE_OK)
        st = measure(&s, active, was, is, err);
    if (st == HONE_OK)
        st = choose(&s, active, was, is, err);
    if (st == HONE_OK && o->weights == HONE_F32)
        st = none_within(q, o->max_error, err);
    hone_net_outputs_free(was, o->n_samples, n);
    hone_net_outputs_free(is, o->n_samples, n);
    free(active);
    hone_net__simulation_free(&s);
    return st;
}

void hone_net_quantised_layers_free(hone_net_quantised_layers *q)
{
    hone_vec_free(&q->layers);
    hone_vec_free(&q->ranges);
}
