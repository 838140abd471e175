/* Kernels of a plan: each an object, linked and kept in memory, which a child loads. What they take
 * packed they pack themselves in every call: their constants may be others each time. */
#include "cli/net_compiled.h"

#include "cli/net_apart.h"
#include "cli/net_made.h"
#include "runtime/hone_rt.h"

#include <unistd.h>

struct net_compiled {
    uint32_t n;
    int32_t threads;
    int *files; /* by kernel: shared objects */
    int64_t *ns;
    net_apart apart;
    hone_status (*work)(void *ctx, hone_error *err);
    void *ctx;
    /* in the child */
    hone_rt_kernel *run;
    const hone_rt_api *rt;
};

typedef struct compiler {
    net_compiled *c;
    hone_codegen *codegen;
    const hone_target *target;
    const cli_list *logs;
    int32_t threads;
} compiler;

static hone_status compile(const compiler *x, const hone_net_kernel_row *row,
                           const net_made_kernel *made, int *ret, hone_error *err)
{
    hone_code code;
    const cli_answer *a = &made->answer;
    const hone_codegen_options o = {.threads = x->threads,
                                    .plain = a->of.as_written,
                                    .pitch = row->pitch.v,
                                    .intrins = made->intrins,
                                    .n_intrins = made->n_intrins,
                                    .no_prepack = true};
    HONE_TRY(hone_codegen_emit(x->codegen, &a->of.sched.prog, &o, &code, err));
    hone_status st = net_made_link(&code, ret, err);
    hone_code_free(&code);
    return st;
}

static hone_status make(const compiler *x, const hone_net_kernel_row *row, uint32_t k,
                        hone_error *err)
{
    hone_status st = HONE_REJECT_BUILD;
    for (int code = 0; code < 2 && hone_status_is_reject(st); code++) { /* as net_make does */
        net_made_kernel made;
        st = net_made_kernel_ask(row, x->target, x->logs, x->threads, code, &made, err);
        if (st == HONE_OK) {
            x->c->ns[k] = made.answer.of.rung == HONE_RUNG_exact ? made.answer.of.time_ns : 0;
            st = compile(x, row, &made, &x->c->files[k], err);
        }
        net_made_kernel_free(&made);
    }
    return st;
}

hone_status net_compiled_new(const hone_net_plan *p, const hone_target *t, const cli_list *logs,
                             int32_t threads, net_compiled **ret, hone_error *err)
{
    net_compiled *c = hone_xcalloc(1, sizeof *c);
    compiler x = {.c = c, .target = t, .logs = logs, .threads = threads};
    *c = (net_compiled){.n = p->kernels.n, .threads = threads, .apart = {.plan = p}};
    c->files = hone_xcalloc(c->n + 1, sizeof *c->files);
    c->ns = hone_xcalloc(c->n + 1, sizeof *c->ns);
    c->run = hone_xcalloc(c->n + 1, sizeof *c->run);
    for (uint32_t k = 0; k < c->n; k++)
        c->files[k] = -1;
    *ret = c;
    HONE_TRY(hone_codegen_new(t, &x.codegen, err));
    hone_status st = HONE_OK;
    for (uint32_t k = 0; k < c->n && st == HONE_OK; k++) {
        cli_progress_step("compiling kernel %" PRIu32 " of %" PRIu32, k + 1, c->n);
        st = make(&x, &p->kernels.v[k], k, err);
    }
    hone_codegen_free(x.codegen);
    return st;
}

void net_compiled_free(net_compiled *c)
{
    if (!c)
        return;
    for (uint32_t k = 0; k < c->n; k++)
        if (c->files[k] >= 0)
            close(c->files[k]);
    free(c->files);
    free(c->ns);
    free(c->run);
    free(c);
}

const int64_t *net_compiled_ns(const net_compiled *c)
{
    return c->ns;
}

/* ---- at work --------------------------------------------------------------------------------- */

static hone_status set_up(void *ctx, hone_error *err)
{
    net_compiled *c = ctx;
    for (uint32_t k = 0; k < c->n; k++) {
        void *run;
        HONE_TRY(net_apart_load(c->files[k], "hone_kernel", &run, err));
        memcpy(&c->run[k], &run, sizeof run);
    }
    net_apart_start_threads(c->threads);
    c->rt = hone_rt_default(c->threads);
    return HONE_OK;
}

static hone_status work(void *ctx, hone_error *err)
{
    net_compiled *c = ctx;
    return c->work(c->ctx, err);
}

hone_status net_compiled_work(net_compiled *c, hone_status (*does)(void *ctx, hone_error *err),
                              void *ctx, hone_error *err)
{
    c->work = does;
    c->ctx = ctx;
    c->apart.set_up = set_up;
    c->apart.run = work;
    c->apart.ctx = c;
    return net_apart_run(&c->apart, err);
}

hone_status net_compiled_run(void *ctx, const hone_net_plan *p, uint32_t kernel, void *const *args,
                             hone_error *err)
{
    const net_compiled *c = ctx;
    net_apart_begin(&c->apart, kernel);
    int32_t r = c->run[kernel](args, c->rt);
    net_apart_end(&c->apart);
    if (r == 0)
        return HONE_OK;
    return hone_fail(err, HONE_E_NOMEM, "kernel %s found no memory", p->kernels.v[kernel].name);
}
