/* A plan at work in the interpreter: its calls one after the other, on one workspace. */
#include "net/plan/internal.h"

/* ---- memory ---------------------------------------------------------------------------------- */

typedef struct runner {
    const hone_net_plan *p;
    const hone_tensor *in;
    hone_tensor *out;
    const hone_net_kept *kept;
    char *workspace;
    HONE_VEC(void *) made; /* constants in the order of the call, until it is over */
} runner;

/* Parts as kernels by themselves have them, whole, to their place in another value. */
static void put_part(const hone_net_plan *p, const hone_net_arg *a, const char *from, char *to)
{
    const hone_tensor *t = &hone_net_value_at(p->graph, a->part)->t;
    const hone_net_part *s = &p->parts.v[a->part.i];
    int64_t width = hone_dtype_bytes(t->dtype), row = t->shape[a->order.axis[t->n_dims - 1]];
    for (int64_t k = 0; k < hone_tensor_elems(t) / row; k++)
        memcpy(to + (s->start + k * s->pitch) * width, from + k * row * width,
               (size_t)(row * width));
}

static void *zeroed(int64_t bytes)
{
    return hone_xcalloc(1, (size_t)(bytes ? bytes : 1));
}

/* Where the value lies; constants in the order that the call wants. */
static void *memory_of(runner *r, const hone_net_arg *a)
{
    const hone_net_plan *p = r->p;
    const hone_net_value_row *row = hone_net_value_at(p->graph, a->value);
    if (row->t.data) {
        if (hone_net__is_plain(&row->t, &a->order))
            return row->t.data;
        void *copy = zeroed(hone_tensor_bytes(&row->t));
        hone_net_reorder(&row->t, &a->order, row->t.data, copy);
        hone_vec_push(&r->made, copy);
        return copy;
    }
    if (p->at.v[a->value.i] >= 0)
        return r->workspace + p->at.v[a->value.i];
    for (uint32_t k = 0; k < p->graph->inputs.n; k++)
        if (p->graph->inputs.v[k].i == a->value.i)
            return r->in[k].data;
    uint32_t out = hone_net_plan_output_of(p, a->value);
    HONE_ASSERT(out < p->graph->outputs.n); /* a value lies somewhere */
    return r->out[out].data;
}

static hone_status interpret(const hone_net_kernel_row *k, void *const *args, hone_error *err)
{
    hone_program program;
    HONE_TRY(
        hone_workload_parse(k->name, k->text, strlen(k->text), k->name, NULL, 0, &program, err));
    hone_status st = hone_interp_run(&program, args, err);
    hone_program_fini(&program);
    return st;
}

static hone_status run_call(runner *r, uint32_t call, hone_error *err)
{
    const hone_net_call *c = &r->p->calls.v[call];
    HONE_VEC(void *) args = {0};
    for (uint32_t k = 0; k < c->args.n; k++) {
        hone_net_value part = c->args.v[k].part;
        void *at = part.i ? zeroed(hone_tensor_bytes(&hone_net_value_at(r->p->graph, part)->t))
                          : memory_of(r, &c->args.v[k]);
        if (part.i)
            hone_vec_push(&r->made, at);
        hone_vec_push(&args, at);
    }
    hone_status st = interpret(&r->p->kernels.v[c->kernel], args.v, err);
    for (uint32_t k = 0; k < c->args.n; k++) {
        const hone_net_arg *a = &c->args.v[k];
        if (!a->part.i)
            continue;
        char *whole = memory_of(r, a);
        put_part(r->p, a, args.v[k], whole);
        args.v[k] = whole + hone_net_plan_start(r->p, a); /* as compiled code has it */
    }
    if (st == HONE_OK && r->kept)
        hone_net_keep(r->kept, call, (const void *const *)args.v + args.n - c->n_out);
    for (uint32_t k = 0; k < r->made.n; k++)
        free(r->made.v[k]);
    r->made.n = 0;
    hone_vec_free(&args);
    return st;
}

/* An output that no call makes: an input, a constant, or another output under a second name. */
static void copy_output(runner *r, uint32_t k)
{
    const hone_net_plan *p = r->p;
    hone_net_value of = p->of.v[p->graph->outputs.v[k].i];
    const hone_net_value_row *row = hone_net_value_at(p->graph, of);
    const void *from = row->t.data;
    for (uint32_t i = 0; i < p->graph->inputs.n && !from; i++)
        if (p->graph->inputs.v[i].i == of.i)
            from = r->in[i].data;
    for (uint32_t i = 0; i < k && !from; i++)
        if (p->of.v[p->graph->outputs.v[i].i].i == of.i)
            from = r->out[i].data;
    if (from)
        memcpy(r->out[k].data, from, (size_t)hone_tensor_bytes(&r->out[k]));
}

hone_status hone_net_plan_interpret(void *ctx, const hone_net_plan *p, const hone_tensor *in,
                                    hone_tensor *ret_out, const hone_net_kept *kept,
                                    hone_error *err)
{
    runner r = {.p = p, .in = in, .out = ret_out, .kept = kept, .workspace = zeroed(p->workspace)};
    hone_status st = HONE_OK;
    (void)ctx;
    for (uint32_t k = 0; k < p->graph->outputs.n; k++) {
        ret_out[k] = hone_net_value_at(p->graph, p->graph->outputs.v[k])->t;
        ret_out[k].data = zeroed(hone_tensor_bytes(&ret_out[k]));
    }
    for (uint32_t k = 0; k < p->calls.n && st == HONE_OK; k++)
        st = run_call(&r, k, err);
    for (uint32_t k = 0; k < p->graph->outputs.n && st == HONE_OK; k++)
        copy_output(&r, k);
    hone_vec_free(&r.made);
    free(r.workspace);
    return st;
}
