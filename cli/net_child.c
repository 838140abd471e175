/* A made network in a child process. Nothing touches the disk: the shared object is a file in
 * memory, weights and inputs are the parent's own pages, outputs are shared.
 *
 * Reader's map: memory; the child; timing; the parent; plans that are compiled and run. */
#include "cli/net_child.h"

#include "cli/net_apart.h"
#include "runtime/hone_rt.h"

#include <sys/mman.h>
#include <unistd.h>

#define ALIGN 64
#define HUGE_PAGE (2 << 20)
#define MOST_STAMPS (8 << 20)
#define MOST_RUNS 1000
#define LEAST_RUNS 5

typedef int32_t watch_fn(const hone_rt_net *net, void *const *args, hone_codegen_watch *after,
                         void *ctx);

typedef struct child {
    const net_job *j;
    net_apart apart;
    int fd;      /* of the shared object */
    void **args; /* inputs, outputs, the workspace */
    uint32_t n_args;
    char *shared; /* outputs */
    int64_t shared_bytes;
    watch_fn *watch;
    hone_rt_net net;
    uint32_t run; /* that is timed */
} child;

static int64_t aligned(int64_t n)
{
    return (n / ALIGN + 1) * ALIGN;
}

/* As hone_rt_net_open has it for what is packed, so that times are those of a program. */
static void *memory(int64_t bytes)
{
    size_t align = bytes < HUGE_PAGE ? ALIGN : HUGE_PAGE;
    size_t n = ((size_t)bytes / align + 1) * align;
    void *p = aligned_alloc(align, n);
    if (p && align == HUGE_PAGE)
        (void)madvise(p, n, MADV_HUGEPAGE);
    return p;
}

/* ---- the child ------------------------------------------------------------------------------- */

static hone_status set_up(void *ctx, hone_error *err)
{
    child *c = ctx;
    void *watch, *network;
    HONE_TRY(net_apart_load(c->fd, NET_CHILD_NAME "_watch", &watch, err));
    HONE_TRY(net_apart_load(c->fd, NET_CHILD_NAME "_network", &network, err));
    memcpy(&c->watch, &watch, sizeof watch);
    c->net.network = network;
    net_apart_start_threads(c->j->made->threads);
    return HONE_OK;
}

static hone_status pack(child *c, hone_error *err)
{
    const hone_rt_network *n = c->net.network;
    c->net.weights = c->j->made->bytes;
    c->net.packed = memory(n->packed_bytes);
    c->args[c->n_args - 1] = memory(c->j->made->p->workspace);
    if (!c->net.packed || !c->args[c->n_args - 1])
        return hone_fail(err, HONE_E_NOMEM, "no memory for its weights and its workspace");
    for (int64_t k = 0; k < n->n_packs; k++) {
        const hone_rt_net_pack *p = &n->packs[k];
        if (p->pack((const char *)c->net.weights + p->from, (char *)c->net.packed + p->to) != 0)
            return hone_fail(err, HONE_E_NOMEM, "no memory to pack its weights");
    }
    return HONE_OK;
}

/* Call number `call` is next. */
static void begin(const child *c, int64_t call)
{
    const hone_net_plan *p = c->j->made->p;
    if (call < (int64_t)p->calls.n)
        net_apart_begin(&c->apart, p->calls.v[call].kernel);
    else
        net_apart_end(&c->apart);
}

/* after: NULL: nobody watches. */
static hone_status run_once(child *c, hone_codegen_watch *after, hone_error *err)
{
    if (after)
        begin(c, 0);
    int32_t r = c->watch(&c->net, c->args, after, c);
    if (r == 0)
        return HONE_OK;
    return hone_fail(err, r == HONE_RT_NOMEM ? HONE_E_NOMEM : HONE_E_CORRUPT,
                     "the network returns %d", r);
}

static void follow(void *ctx, int64_t call, void *const *args)
{
    const child *c = ctx;
    const hone_net_call *x = &c->j->made->p->calls.v[call];
    if (c->j->kept)
        hone_net_keep(c->j->kept, (uint32_t)call, (const void *const *)args + x->args.n - x->n_out);
    begin(c, call + 1);
}

/* ---- timing ---------------------------------------------------------------------------------- */

hone_status net_times_new(uint32_t n_calls, int64_t seconds, bool whole, net_times *ret,
                          hone_error *err)
{
    uint32_t most = MOST_STAMPS / (n_calls + 1);
    most = most > MOST_RUNS ? MOST_RUNS : most < LEAST_RUNS ? LEAST_RUNS : most;
    *ret = (net_times){.n_calls = n_calls, .seconds = seconds, .whole = whole, .most = most};
    ret->bytes = (int64_t)(ALIGN + sizeof(int64_t) * most * ((size_t)n_calls + 2));
    ret->memory = hone_apart_memory(ret->bytes);
    if (!ret->memory)
        return hone_fail_errno(err, HONE_E_NOMEM, "no memory for the times of %u runs", most);
    ret->n = ret->memory;
    ret->whole_ns = (int64_t *)((char *)ret->memory + ALIGN);
    ret->stamps = ret->whole_ns + most;
    return HONE_OK;
}

void net_times_free(net_times *t)
{
    hone_apart_free(t->memory, t->bytes);
    *t = (net_times){0};
}

static void stamp(void *ctx, int64_t call, void *const *args)
{
    const child *c = ctx;
    const net_times *t = c->j->times;
    (void)args;
    begin(c, call + 1);
    t->stamps[(size_t)c->run * (t->n_calls + 1) + 1 + (size_t)call] = hone_clock_ns();
}

/* Runs that are watched, in turns with others where these are wanted, until the time is over. */
static hone_status time_runs(child *c, hone_error *err)
{
    const net_times *t = c->j->times;
    memset(c->args[c->n_args - 1], 0, (size_t)c->j->made->p->workspace); /* all of it is numbers */
    HONE_TRY(run_once(c, follow, err));                                  /* pages, caches */
    int64_t end = hone_clock_ns() + t->seconds * 1000000000;
    for (; c->run < t->most && (c->run < LEAST_RUNS || hone_clock_ns() < end); c->run++) {
        int64_t from = hone_clock_ns();
        if (t->whole)
            HONE_TRY(run_once(c, NULL, err));
        t->whole_ns[c->run] = hone_clock_ns() - from;
        t->stamps[(size_t)c->run * (t->n_calls + 1)] = hone_clock_ns();
        HONE_TRY(run_once(c, stamp, err));
    }
    *t->n = c->run;
    return HONE_OK;
}

static hone_status run(void *ctx, hone_error *err)
{
    child *c = ctx;
    HONE_TRY(pack(c, err));
    if (c->j->times)
        return time_runs(c, err);
    /* what nobody writes is no number */
    memset(c->args[c->n_args - 1], 0xff, (size_t)c->j->made->p->workspace);
    memset(c->shared, 0xff, (size_t)c->shared_bytes);
    return run_once(c, follow, err);
}

/* ---- the parent ------------------------------------------------------------------------------ */

/* Linux promises more than there is, and ends the process that takes it. */
static hone_status check_memory(const net_made *m, hone_error *err)
{
    const hone_net *g = m->p->graph;
    double in = 0, out = 0, weights = (double)m->n_bytes, work = (double)m->p->workspace;
    for (uint32_t k = 0; k < g->inputs.n; k++)
        in += (double)hone_tensor_bytes(&hone_net_value_at(g, g->inputs.v[k])->t);
    for (uint32_t k = 0; k < g->outputs.n; k++)
        out += (double)hone_tensor_bytes(&hone_net_value_at(g, g->outputs.v[k])->t);
    double all = in + out + weights + work;
    if (all <= hone_mem_all())
        return HONE_OK;
    return hone_fail(err, HONE_E_NOMEM,
                     "%.0f bytes of memory are wanted, %.0f for inputs, %.0f for outputs, %.0f for "
                     "weights and %.0f for what is between kernels; this machine has %.0f",
                     all, in, out, weights, work, hone_mem_all());
}

/* Inputs where kernels want them, room for outputs. */
static hone_status place(child *c, hone_error *err)
{
    const hone_net *g = c->j->made->p->graph;
    HONE_TRY(check_memory(c->j->made, err));
    c->n_args = g->inputs.n + g->outputs.n + 1;
    c->args = hone_xcalloc(c->n_args, sizeof *c->args);
    for (uint32_t k = 0; k < g->inputs.n; k++) {
        int64_t n = hone_tensor_bytes(&c->j->in[k]);
        c->args[k] = memory(n);
        if (!c->args[k])
            return hone_fail(err, HONE_E_NOMEM, "no memory for an input of %" PRId64 " bytes", n);
        if (n)
            memcpy(c->args[k], c->j->in[k].data, (size_t)n);
    }
    for (uint32_t k = 0; k < g->outputs.n; k++)
        c->shared_bytes += aligned(hone_tensor_bytes(&hone_net_value_at(g, g->outputs.v[k])->t));
    c->shared = hone_apart_memory(c->shared_bytes);
    if (!c->shared)
        return hone_fail(err, HONE_E_NOMEM, "no memory for the outputs, %" PRId64 " bytes",
                         c->shared_bytes);
    int64_t at = 0;
    for (uint32_t k = 0; k < g->outputs.n; k++) {
        c->args[g->inputs.n + k] = c->shared + at;
        at += aligned(hone_tensor_bytes(&hone_net_value_at(g, g->outputs.v[k])->t));
    }
    return HONE_OK;
}

static void take_outputs(const child *c)
{
    const hone_net *g = c->j->made->p->graph;
    for (uint32_t k = 0; k < g->outputs.n && c->j->out; k++) {
        hone_tensor *t = &c->j->out[k];
        *t = hone_net_value_at(g, g->outputs.v[k])->t;
        size_t n = (size_t)hone_tensor_bytes(t);
        t->data = hone_xmalloc(n ? n : 1);
        memcpy(t->data, c->args[g->inputs.n + k], n);
    }
}

hone_status net_child_run(const net_job *j, hone_error *err)
{
    child c = {.j = j, .fd = -1};
    hone_error inner = {0};
    c.apart = (net_apart){.plan = j->made->p, .set_up = set_up, .run = run, .ctx = &c};
    hone_status st = net_made_link(&j->made->object, &c.fd, &inner);
    if (st == HONE_OK)
        st = place(&c, &inner);
    if (st == HONE_OK) {
        if (j->times)
            cli_progress_step("running for %" PRId64 " s", j->times->seconds);
        else
            cli_progress_step("running");
        st = net_apart_run(&c.apart, &inner);
    }
    if (st == HONE_OK)
        take_outputs(&c);
    else
        hone_fail(err, st, "%s%s",
                  st == HONE_E_INTERRUPTED ? "" : "running the network: ", inner.message);
    for (uint32_t k = 0; k < j->made->p->graph->inputs.n && c.args; k++)
        free(c.args[k]);
    hone_apart_free(c.shared, c.shared_bytes);
    free(c.args);
    if (c.fd >= 0)
        close(c.fd);
    return st;
}

/* ---- plans that are compiled and run --------------------------------------------------------- */

static net_make_options options_of(const net_compile *x)
{
    return (net_make_options){.target = x->target,
                              .logs = x->logs,
                              .threads = x->threads,
                              .name = NET_CHILD_NAME,
                              .watched = true};
}

hone_status net_choose_compiled(void *ctx, hone_net_plan *p, hone_error *err)
{
    const net_make_options o = options_of(ctx);
    return net_choose(p, &o, err);
}

hone_status net_run_compiled(void *ctx, const hone_net_plan *p, const hone_tensor *in,
                             hone_tensor *ret_out, const hone_net_kept *kept, hone_error *err)
{
    net_made made;
    const net_make_options o = options_of(ctx);
    hone_status st = net_make(p, &o, &made, err);
    if (st == HONE_OK) {
        const net_job j = {.made = &made, .in = in, .out = ret_out, .kept = kept};
        st = net_child_run(&j, err);
    }
    net_made_free(&made);
    return st;
}
