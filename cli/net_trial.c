/* The child computes outputs and chooses layers with memory of its own, and in the end puts what
 * came of it where both processes see it. */
#include "cli/net_trial.h"

#include "workers/workers.h"

/* What was found of a layer. */
typedef struct found {
    double error;
    bool chosen;
} found;

/* The shared memory: one of these, and behind it layers, ranges and outputs. */
typedef struct results {
    double error;
    uint32_t runs, n_ranges;
} results;

typedef struct trial {
    net_compiled *c;
    const hone_net_plan *p;
    hone_net_quantise_options o;
    uint32_t n_held;
    hone_tensor **out;
    hone_net_quantised_layers *q;
    results *results;
    found *layers;
    hone_net_range *ranges;
    char *outputs;
    int64_t bytes;
} trial;

#define ALIGN 64

static int64_t aligned(int64_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static const hone_tensor *output(const trial *t, uint32_t k)
{
    return &hone_net_value_at(t->p->graph, t->p->graph->outputs.v[k])->t;
}

/* ---- the child ------------------------------------------------------------------------------- */

static void put_layers(const trial *t)
{
    t->results->error = t->q->error;
    t->results->runs = t->q->runs;
    t->results->n_ranges = t->q->ranges.n;
    for (uint32_t k = 0; k < t->q->layers.n; k++)
        t->layers[k] = (found){t->q->layers.v[k].error, t->q->layers.v[k].chosen};
    if (t->q->ranges.n)
        memcpy(t->ranges, t->q->ranges.v, t->q->ranges.n * sizeof *t->ranges);
}

static void put_outputs(const trial *t)
{
    char *to = t->outputs;
    for (uint32_t s = 0; s < t->o.n_samples; s++)
        for (uint32_t k = 0; k < t->p->graph->outputs.n; k++) {
            int64_t n = hone_tensor_bytes(output(t, k));
            if (n)
                memcpy(to, t->out[s][k].data, (size_t)n);
            to += aligned(n);
        }
}

static hone_status work(void *ctx, hone_error *err)
{
    trial *t = ctx;
    hone_net_quantise_options o = t->o;
    HONE_TRY(hone_net_quantise_outputs(t->p, &o, t->out, err));
    put_outputs(t);
    if (!t->q)
        return HONE_OK;
    o.n_samples -= t->n_held;
    HONE_TRY(hone_net_quantise(t->p, &o, t->q, err));
    put_layers(t);
    return HONE_OK;
}

/* ---- the parent ------------------------------------------------------------------------------ */

static hone_status make_room(trial *t, hone_error *err)
{
    uint32_t n_layers = t->q ? t->q->layers.n : 0;
    int64_t layers = aligned(sizeof(results));
    int64_t ranges = layers + aligned((int64_t)(n_layers * sizeof(found)));
    int64_t outputs = ranges + aligned((int64_t)(t->p->graph->values.n * sizeof(hone_net_range)));
    t->bytes = outputs;
    for (uint32_t k = 0; k < t->p->graph->outputs.n; k++)
        t->bytes += aligned(hone_tensor_bytes(output(t, k))) * (int64_t)t->o.n_samples;
    char *at = hone_apart_memory(t->bytes);
    if (!at)
        return hone_fail_errno(err, HONE_E_NOMEM, "no memory for the outputs of all samples");
    t->results = (results *)at;
    t->layers = (found *)(at + layers);
    t->ranges = (hone_net_range *)(at + ranges);
    t->outputs = at + outputs;
    return HONE_OK;
}

static void take_layers(const trial *t)
{
    hone_net_quantised_layers *q = t->q;
    uint32_t n = t->results->n_ranges;
    q->error = t->results->error;
    q->runs = t->results->runs;
    for (uint32_t k = 0; k < q->layers.n; k++) {
        q->layers.v[k].error = t->layers[k].error;
        q->layers.v[k].chosen = t->layers[k].chosen;
    }
    for (uint32_t k = 0; k < n && k < t->p->graph->values.n; k++)
        hone_vec_push(&q->ranges, t->ranges[k]);
}

static void take_outputs(const trial *t)
{
    const char *from = t->outputs;
    for (uint32_t s = 0; s < t->o.n_samples; s++)
        for (uint32_t k = 0; k < t->p->graph->outputs.n; k++) {
            hone_tensor *x = &t->out[s][k];
            *x = *output(t, k);
            int64_t n = hone_tensor_bytes(x);
            x->data = hone_xmalloc((size_t)n + 1);
            memcpy(x->data, from, (size_t)n);
            from += aligned(n);
        }
}

hone_status net_trial(net_compiled *c, const hone_net_plan *p, const hone_net_quantise_options *o,
                      uint32_t n_held, hone_tensor **ret, hone_net_quantised_layers *q,
                      hone_error *err)
{
    trial t = {.c = c, .p = p, .o = *o, .n_held = n_held, .out = ret, .q = q};
    t.o.run = net_compiled_run;
    t.o.ctx = c;
    HONE_TRY(make_room(&t, err));
    hone_status st = net_compiled_work(c, work, &t, err);
    if (st == HONE_OK) {
        take_outputs(&t);
        if (q)
            take_layers(&t);
    }
    hone_apart_free(t.results, t.bytes);
    return st;
}
