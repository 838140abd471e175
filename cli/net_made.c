/* A network as code: each kernel's answer, constants as their calls want them, the object. */
#include "cli/net_made.h"

#include "cli/net_known.h"
#include "runtime/hone_rt.h"
#include "workers/builder.h"

#include <sys/mman.h>
#include <unistd.h>

#define ALIGN HONE_NET_ALIGN

/* ---- kernels --------------------------------------------------------------------------------- */

hone_status net_made_read_kernel(const hone_net_kernel_row *row, cli_kernel *ret, hone_error *err)
{
    HONE_TRY(hone_workload_parse(row->name, row->text, strlen(row->text), row->name, NULL, 0,
                                 &ret->program, err));
    ret->arg = hone_xstrdup(row->name);
    ret->title = hone_xstrdup(row->name);
    ret->sizes = hone_xstrdup("{}");
    return HONE_OK;
}

hone_status net_choose(hone_net_plan *p, const net_make_options *o, hone_error *err)
{
    net_known *known = NULL;
    hone_status st = net_known_look(p, o, &known, err);
    if (st == HONE_OK)
        st = net_known_races(p, o, known, err);
    if (st == HONE_OK) {
        double *ns = net_known_times(p, known);
        hone_net_plan_choose(p, ns);
        free(ns);
    }
    free(known);
    return st;
}

hone_status net_made_kernel_ask(const hone_net_kernel_row *row, const hone_target *t,
                                const cli_list *logs, int32_t threads, bool code,
                                net_made_kernel *ret, hone_error *err)
{
    const cli_lookup_options o = {.logs = logs, .lowest = HONE_RUNG_default, .code = code};
    *ret = (net_made_kernel){.has_code = code};
    if (cli_stopped(NULL))
        return hone_fail(err, HONE_E_INTERRUPTED, "interrupted");
    HONE_TRY(net_made_read_kernel(row, &ret->kernel, err));
    HONE_TRY(cli_look_up(&o, &ret->kernel, t, threads, &ret->answer, err));
    ret->intrins = hone_builder_intrins(ret->answer.of.intrins, &ret->n_intrins);
    return HONE_OK;
}

void net_made_kernel_free(net_made_kernel *k)
{
    cli_kernel_free(&k->kernel);
    cli_answer_free(&k->answer);
    free(k->intrins);
    *k = (net_made_kernel){0};
}

const char *net_made_rung(const net_made_kernel *k)
{
    const cli_answer *a = &k->answer;
    return a->of.rung == HONE_RUNG_default && a->of.as_written ? "as written" : a->rung;
}

hone_status net_made_link(const hone_code *object, int *ret, hone_error *err)
{
    uint8_t *so;
    size_t n;
    *ret = -1;
    HONE_TRY(hone_codegen_link(object->bytes, object->n, &so, &n, err));
    *ret = memfd_create("hone-made", MFD_CLOEXEC);
    hone_status st = *ret >= 0 && hone_write_all(*ret, so, n)
                         ? HONE_OK
                         : hone_fail_errno(err, HONE_E_IO, "cannot keep what was made in memory");
    free(so);
    if (st != HONE_OK && *ret >= 0) {
        close(*ret);
        *ret = -1;
    }
    return st;
}

static hone_codegen_kernel codegen_kernel(const net_made *b, uint32_t k)
{
    const net_made_kernel *x = &b->kernels[k];
    return (hone_codegen_kernel){.program = &x->answer.of.sched.prog,
                                 .options = {.threads = b->threads,
                                             .plain = x->answer.of.as_written,
                                             .pitch = b->p->kernels.v[k].pitch.v,
                                             .in_place = b->p->kernels.v[k].in_place,
                                             .intrins = x->intrins,
                                             .n_intrins = x->n_intrins}};
}

/* ---- weights --------------------------------------------------------------------------------- */

static int64_t weight_at(net_made *b, const hone_net_arg *a)
{
    const hone_tensor *t = &hone_net_value_at(b->p->graph, a->value)->t;
    for (uint32_t k = 0; k < b->weights.n; k++)
        if (b->weights.v[k].arg.value.i == a->value.i &&
            memcmp(b->weights.v[k].arg.order.axis, a->order.axis, t->n_dims) == 0)
            return b->weights.v[k].at;
    int64_t at = b->n_bytes;
    hone_vec_push(&b->weights, (net_weight){*a, at});
    b->n_bytes += (hone_tensor_bytes(t) + ALIGN - 1) / ALIGN * ALIGN;
    return at;
}

static void fill_weights(net_made *b)
{
    b->bytes = aligned_alloc(ALIGN, (size_t)b->n_bytes + ALIGN); /* n_bytes is a multiple of it */
    if (!b->bytes)
        hone_bug(__FILE__, __LINE__, "memory for the weights");
    memset(b->bytes, 0, (size_t)b->n_bytes + ALIGN);
    for (uint32_t k = 0; k < b->weights.n; k++) {
        const net_weight *w = &b->weights.v[k];
        const hone_tensor *t = &hone_net_value_at(b->p->graph, w->arg.value)->t;
        hone_net_reorder(t, &w->arg.order, t->data, b->bytes + w->at);
    }
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* Where an input, output or constant lies; false: in the workspace. */
static bool outside(net_made *b, const hone_net_arg *a, hone_codegen_place *ret)
{
    const hone_net *g = b->p->graph;
    if (hone_net_is_constant(g, a->value)) {
        *ret = (hone_codegen_place){HONE_CODEGEN_WEIGHTS, weight_at(b, a)};
        return true;
    }
    for (uint32_t k = 0; k < g->inputs.n; k++)
        if (g->inputs.v[k].i == a->value.i) {
            *ret = (hone_codegen_place){HONE_CODEGEN_IN, k};
            return true;
        }
    uint32_t out = hone_net_plan_output_of(b->p, a->value);
    if (out < g->outputs.n) {
        *ret = (hone_codegen_place){HONE_CODEGEN_OUT, out};
        return true;
    }
    return false;
}

static void place_calls(net_made *b)
{
    b->calls = hone_xcalloc((size_t)b->p->calls.n + 1, sizeof *b->calls);
    for (uint32_t k = 0; k < b->p->calls.n; k++) {
        const hone_net_call *c = &b->p->calls.v[k];
        hone_codegen_place *args = hone_xcalloc((size_t)c->args.n + 1, sizeof *args);
        for (uint32_t a = 0; a < c->args.n; a++)
            if (!outside(b, &c->args.v[a], &args[a]))
                args[a] = (hone_codegen_place){HONE_CODEGEN_WORKSPACE,
                                               b->p->at.v[c->args.v[a].value.i] +
                                                   hone_net_plan_start(b->p, &c->args.v[a])};
        b->calls[k] = (hone_codegen_call){c->kernel, args};
    }
}

/* Outputs that no call makes. */
static void place_copies(net_made *b)
{
    const hone_net *g = b->p->graph;
    for (uint32_t k = 0; k < g->outputs.n; k++) {
        hone_codegen_copy c = {.out = k};
        hone_net_arg a = {.value = b->p->of.v[g->outputs.v[k].i],
                          .order = b->p->orders.v[g->outputs.v[k].i]};
        if (!outside(b, &a, &c.from) || (c.from.area == HONE_CODEGEN_OUT && c.from.at == k))
            continue;
        c.bytes = hone_tensor_bytes(&hone_net_value_at(g, g->outputs.v[k])->t);
        hone_vec_push(&b->copies, c);
    }
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* *ret_bad: which kernel an error is about; as many as there are: it may be any. */
static hone_status emit(net_made *b, const net_make_options *m, unsigned *ret_bad, hone_error *err)
{
    *ret_bad = 0;
    if (hone_fault("emit.refuse"))
        return hone_fail(err, HONE_REJECT_BUILD, "HONE_FAULT says so");
    hone_codegen_kernel *kernels = hone_xcalloc((size_t)b->p->kernels.n + 1, sizeof *kernels);
    for (uint32_t k = 0; k < b->p->kernels.n; k++)
        kernels[k] = codegen_kernel(b, k);
    const hone_codegen_network n = {.name = m->name,
                                    .watched = m->watched,
                                    .stop = cli_stopped,
                                    .n_in = b->p->graph->inputs.n,
                                    .n_out = b->p->graph->outputs.n,
                                    .n_kernels = b->p->kernels.n,
                                    .n_calls = b->p->calls.n,
                                    .n_copies = b->copies.n,
                                    .kernels = kernels,
                                    .calls = b->calls,
                                    .copies = b->copies.v,
                                    .weights_bytes = b->n_bytes,
                                    .weights_hash = hone_rt_net_hash(b->bytes, b->n_bytes)};
    hone_status st =
        hone_codegen_emit_network(&b->target, &n, ret_bad, &b->packed, &b->object, err);
    if (st != HONE_OK && *ret_bad < n.n_kernels && err) {
        char text[sizeof err->message];
        snprintf(text, sizeof text, "%s: %.800s", b->p->kernels.v[*ret_bad].name, err->message);
        memcpy(err->message, text, sizeof text);
    }
    free(kernels);
    return st;
}

static hone_status ask(net_made *b, const net_make_options *o, uint32_t k, bool code,
                       hone_error *err)
{
    net_made_kernel_free(&b->kernels[k]);
    return net_made_kernel_ask(&b->p->kernels.v[k], &b->target, o->logs, b->threads, code,
                               &b->kernels[k], err);
}

/* Code can be made of nearly every answer. So it is made once, and where it cannot be, what was
 * asked without looking for that is asked again. */
static hone_status emit_what_can_be(net_made *b, const net_make_options *o, hone_error *err)
{
    for (;;) {
        unsigned bad, again = 0;
        hone_error why = {0};
        hone_status st = emit(b, o, &bad, &why);
        for (uint32_t k = 0; k < b->p->kernels.n && hone_status_is_reject(st); k++) {
            if (b->kernels[k].has_code || (bad < b->p->kernels.n && bad != k))
                continue;
            HONE_TRY(ask(b, o, k, true, err));
            again++;
        }
        if (again)
            continue;
        if (st != HONE_OK && err)
            *err = why;
        return st;
    }
}

hone_status net_make(const hone_net_plan *p, const net_make_options *o, net_made *ret,
                     hone_error *err)
{
    *ret = (net_made){.p = p, .target = *o->target, .threads = o->threads};
    ret->kernels = hone_xcalloc((size_t)p->kernels.n + 1, sizeof *ret->kernels);
    for (uint32_t k = 0; k < p->kernels.n; k++) {
        cli_progress_step("looking up kernel %" PRIu32 " of %" PRIu32, k + 1, p->kernels.n);
        HONE_TRY(ask(ret, o, k, false, err));
    }
    place_calls(ret);
    place_copies(ret);
    fill_weights(ret);
    cli_progress_step("compiling %" PRIu32 " kernels", p->kernels.n);
    return emit_what_can_be(ret, o, err);
}

void net_made_free(net_made *m)
{
    for (uint32_t k = 0; m->p && k < m->p->kernels.n && m->kernels; k++)
        net_made_kernel_free(&m->kernels[k]);
    for (uint32_t k = 0; m->p && k < m->p->calls.n && m->calls; k++)
        free((void *)(uintptr_t)m->calls[k].args);
    free(m->calls);
    free(m->kernels);
    free(m->bytes);
    hone_vec_free(&m->weights);
    hone_vec_free(&m->copies);
    hone_code_free(&m->object);
    *m = (net_made){0};
}
