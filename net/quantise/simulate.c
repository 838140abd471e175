/* The plan's kernels with what they take rounded to integers and back. A layer's kernel is the one
 * that its node is in: it gets rounded weights and a rounded copy of its input. So errors are
 * measured without a plan, nor a kernel, for each choice. */
#include "net/internal.h"
#include "net/quantise/internal.h"

static bool is_in_call(const hone_net_plan *p, const hone_net_call *c, hone_net_node n)
{
    const hone_net_group *x = &p->groups.v[c->group];
    for (uint32_t k = 0; k < x->nodes.n; k++)
        if (x->nodes.v[k].i == n.i)
            return true;
    return false;
}

static bool is_active(const hone_net_simulation *s, uint32_t layer)
{
    return s->active && s->active[layer];
}

/* The active layer whose weights this argument of the call is; layers.n: none. */
static uint32_t layer_of_weights(const hone_net_simulation *s, const hone_net_call *c,
                                 const hone_net_arg *a)
{
    uint32_t k = 0;
    while (k < s->q->layers.n &&
           !(is_active(s, k) && s->p->of.v[s->q->layers.v[k].w.i].i == a->value.i &&
             is_in_call(s->p, c, s->q->layers.v[k].node)))
        k++;
    return k;
}

/* The active layer that makes the call take this value rounded; layers.n: none. */
static uint32_t layer_of_input(const hone_net_simulation *s, const hone_net_call *c,
                               const hone_net_arg *a)
{
    uint32_t k = 0;
    while (k < s->q->layers.n) {
        const hone_net_layer *l = &s->q->layers.v[k];
        if (is_active(s, k) && s->p->of.v[l->x.i].i == a->value.i &&
            (l->is_image || is_in_call(s->p, c, l->node)))
            break;
        k++;
    }
    return k;
}

static void *rounded_weights(hone_net_simulation *s, uint32_t layer, const hone_net_arg *a)
{
    const hone_net_layer *l = &s->q->layers.v[layer];
    const hone_tensor *w = &hone_net_value_at(s->p->graph, l->w)->t;
    if (s->weights[layer])
        return s->weights[layer];
    int64_t n = hone_tensor_elems(w);
    float *scales = hone_net__weight_scales(s->p->graph, l);
    float *plain = hone_xcalloc((size_t)n, sizeof *plain);
    for (int64_t k = 0; k < n; k++)
        plain[k] = (float)hone_net__weight(w, l->axis, scales, k) *
                   scales[hone_net__place_along(w, l->axis, k)];
    free(scales);
    s->weights[layer] = hone_xcalloc((size_t)n, sizeof *plain);
    hone_net_reorder(w, &a->order, plain, s->weights[layer]);
    free(plain);
    return s->weights[layer];
}

static void *rounded(hone_net_simulation *s, const hone_tensor *t, hone_net_range r,
                     const float *from)
{
    int64_t n = hone_tensor_elems(t);
    float *to = hone_xcalloc((size_t)n + 1, sizeof *to);
    for (int64_t k = 0; k < n; k++)
        to[k] = hone_net__dequantise(r, hone_net__quantise(r, from[k]));
    hone_vec_push(&s->made, (void *)to);
    return to;
}

/* Do layers take this value? */
static bool is_taken(const hone_net_simulation *s, hone_net_value v)
{
    for (uint32_t k = 0; k < s->q->layers.n; k++)
        if (s->p->of.v[s->q->layers.v[k].x.i].i == v.i)
            return true;
    return false;
}

static void look(hone_net_simulation *s, const hone_net_call *c, void *const *args)
{
    for (uint32_t k = 0; k < c->args.n - c->n_out; k++) {
        hone_net_value v = c->args.v[k].value;
        const hone_tensor *t = &hone_net_value_at(s->p->graph, v)->t;
        int64_t n = hone_tensor_elems(t), all;
        if (t->data || t->dtype != HONE_F32 || !is_taken(s, v))
            continue;
        if (__builtin_mul_overflow(n, (int64_t)s->o->n_samples, &all))
            all = INT64_MAX;
        hone_net__see(&s->seen[v.i], args[k], n, all);
    }
}

/* The argument as the kernel is to have it. */
static void *replaced(hone_net_simulation *s, const hone_net_call *c, uint32_t k, void *arg)
{
    const hone_net_arg *a = &c->args.v[k];
    const hone_tensor *t = &hone_net_value_at(s->p->graph, a->value)->t;
    if (k >= c->args.n - c->n_out || t->dtype != HONE_F32)
        return arg;
    uint32_t layer = t->data ? layer_of_weights(s, c, a) : layer_of_input(s, c, a);
    if (layer == s->q->layers.n)
        return arg;
    return t->data ? rounded_weights(s, layer, a) : rounded(s, t, s->q->ranges.v[a->value.i], arg);
}

static hone_status run_call(void *ctx, uint32_t call, void *const *args, hone_error *err)
{
    hone_net_simulation *s = ctx;
    const hone_net_call *c = &s->p->calls.v[call];
    HONE_VEC(void *) with = {0};
    if (s->seen)
        look(s, c, args);
    for (uint32_t k = 0; k < c->args.n; k++)
        hone_vec_push(&with, replaced(s, c, k, args[k]));
    hone_status st = s->o->run(s->o->ctx, s->p, c->kernel, with.v, err);
    hone_vec_free(&with);
    for (uint32_t k = 0; k < s->made.n; k++)
        free(s->made.v[k]);
    s->made.n = 0;
    return st;
}

hone_status hone_net__simulate(hone_net_simulation *s, hone_tensor **ret, hone_error *err)
{
    hone_net_outputs_clear(ret, s->o->n_samples, s->p->graph->outputs.n);
    for (uint32_t k = 0; k < s->o->n_samples; k++) {
        s->q->runs++;
        HONE_TRY(hone_net__machine_run(&s->machine, s->o->samples[k], run_call, s, ret[k], err));
    }
    return HONE_OK;
}

/* ---- the network by itself ------------------------------------------------------------------- */

hone_status hone_net_quantise_outputs(const hone_net_plan *p, const hone_net_quantise_options *o,
                                      hone_tensor **ret, hone_error *err)
{
    hone_net_quantised_layers none = {0};
    hone_net_simulation s;
    hone_net__simulation_new(p, o, &none, &s);
    hone_status st = hone_net__simulate(&s, ret, err);
    hone_net__simulation_free(&s);
    return st;
}

/* ---- memory ---------------------------------------------------------------------------------- */

void hone_net__simulation_new(const hone_net_plan *p, const hone_net_quantise_options *o,
                              hone_net_quantised_layers *q, hone_net_simulation *ret)
{
    *ret = (hone_net_simulation){.p = p, .o = o, .q = q};
    ret->weights = hone_xcalloc(q->layers.n + 1, sizeof *ret->weights);
    hone_net__machine_new(p, &ret->machine);
}

void hone_net__simulation_free(hone_net_simulation *s)
{
    for (uint32_t k = 0; k < s->q->layers.n; k++)
        free(s->weights[k]);
    free(s->weights);
    for (uint32_t k = 0; s->seen && k < s->p->graph->values.n; k++)
        hone_vec_free(&s->seen[k].kept);
    free(s->seen);
    hone_vec_free(&s->made);
    hone_net__machine_free(&s->machine);
}

hone_tensor **hone_net_outputs_new(uint32_t n_samples, uint32_t n)
{
    hone_tensor **v = hone_xcalloc(n_samples + 1, sizeof *v);
    for (uint32_t s = 0; s < n_samples; s++)
        v[s] = hone_xcalloc(n + 1, sizeof **v);
    return v;
}

void hone_net_outputs_clear(hone_tensor **v, uint32_t n_samples, uint32_t n)
{
    for (uint32_t s = 0; s < n_samples; s++)
        for (uint32_t k = 0; k < n; k++) {
            free(v[s][k].data);
            v[s][k].data = NULL;
        }
}

void hone_net_outputs_free(hone_tensor **v, uint32_t n_samples, uint32_t n)
{
    hone_net_outputs_clear(v, n_samples, n);
    for (uint32_t s = 0; s < n_samples; s++)
        free(v[s]);
    free(v);
}
