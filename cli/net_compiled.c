/* Kernels of a plan in this process: each an object, linked and loaded from memory. What they take
 * packed they pack themselves in every call: their constants may be others each time. */
#include "cli/net_compiled.h"

#include "cli/net_made.h"
#include "runtime/hone_rt.h"

#include <dlfcn.h>
#include <unistd.h>

typedef struct loaded {
    void *lib;
    int fd; /* open as long: a library is known by its name, which has the number in it */
    hone_rt_kernel run;
} loaded;

struct net_compiled {
    uint32_t n;
    loaded *kernels;
    int64_t *ns;
    const hone_rt_api *rt;
};

typedef struct compiler {
    net_compiled *c;
    hone_codegen *codegen;
    const hone_target *target;
    const cli_list *logs;
    int32_t threads;
} compiler;

static hone_status load(const hone_code *object, loaded *ret, hone_error *err)
{
    char path[40];
    HONE_TRY(net_made_link(object, &ret->fd, err));
    snprintf(path, sizeof path, "/proc/self/fd/%d", ret->fd);
    ret->lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *run = ret->lib ? dlsym(ret->lib, "hone_kernel") : NULL;
    if (!run)
        return hone_fail(err, HONE_E_TOOL, "a kernel cannot be loaded: %s", dlerror());
    memcpy(&ret->run, &run, sizeof run);
    return HONE_OK;
}

static hone_status compile(const compiler *x, const net_made_kernel *made, loaded *ret,
                           hone_error *err)
{
    hone_code code;
    const cli_answer *a = &made->answer;
    const hone_codegen_options o = {.threads = x->threads,
                                    .plain = a->of.as_written,
                                    .intrins = made->intrins,
                                    .n_intrins = made->n_intrins,
                                    .no_prepack = true};
    HONE_TRY(hone_codegen_emit(x->codegen, &a->of.sched.prog, &o, &code, err));
    hone_status st = load(&code, ret, err);
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
            st = compile(x, &made, &x->c->kernels[k], err);
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
    c->kernels = hone_xcalloc(p->kernels.n + 1, sizeof *c->kernels);
    c->ns = hone_xcalloc(p->kernels.n + 1, sizeof *c->ns);
    c->n = p->kernels.n;
    for (uint32_t k = 0; k < c->n; k++)
        c->kernels[k].fd = -1;
    c->rt = hone_rt_default(threads);
    *ret = c;
    HONE_TRY(hone_codegen_new(t, &x.codegen, err));
    hone_status st = HONE_OK;
    for (uint32_t k = 0; k < c->n && st == HONE_OK; k++)
        st = make(&x, &p->kernels.v[k], k, err);
    hone_codegen_free(x.codegen);
    return st;
}

void net_compiled_free(net_compiled *c)
{
    if (!c)
        return;
    for (uint32_t k = 0; k < c->n; k++) {
        if (c->kernels[k].lib)
            dlclose(c->kernels[k].lib);
        if (c->kernels[k].fd >= 0)
            close(c->kernels[k].fd);
    }
    free(c->kernels);
    free(c->ns);
    free(c);
}

const int64_t *net_compiled_ns(const net_compiled *c)
{
    return c->ns;
}

hone_status net_compiled_run(void *ctx, const hone_net_plan *p, uint32_t kernel, void *const *args,
                             hone_error *err)
{
    const net_compiled *c = ctx;
    if (c->kernels[kernel].run(args, c->rt) == 0)
        return HONE_OK;
    return hone_fail(err, HONE_E_NOMEM, "kernel %s found no memory", p->kernels.v[kernel].name);
}
