/* Kernels in a child: which of them is at work is a word that both processes see. */
#include "cli/net_apart.h"

#include "cli/cli.h"
#include "runtime/hone_rt.h"

#include <dlfcn.h>

void net_apart_begin(const net_apart *a, uint32_t kernel)
{
    *a->at = 1 + kernel;
}

void net_apart_end(const net_apart *a)
{
    *a->at = 0;
}

hone_status net_apart_load(int fd, const char *symbol, void **ret, hone_error *err)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    *ret = lib ? dlsym(lib, symbol) : NULL;
    if (!*ret)
        return hone_fail(err, HONE_E_TOOL, "what was made cannot be loaded: %s", dlerror());
    return HONE_OK;
}

static int32_t nothing(void *closure, int64_t begin, int64_t end)
{
    (void)closure;
    (void)begin;
    (void)end;
    return 0;
}

void net_apart_start_threads(int32_t threads)
{
    const hone_rt_api *rt = hone_rt_default(threads);
    (void)rt->parallel(rt, 4 * (int64_t)rt->threads, nothing, NULL);
}

/* What the child said itself needs no more; how it died does not say where. */
static void name_kernel(const net_apart *a, hone_status st, hone_error *err)
{
    uint32_t at = *a->at; /* a child that is wrong may write anything */
    if ((st != HONE_E_CRASHED && st != HONE_E_KILLED) || !err)
        return;
    const hone_error inner = *err;
    if (at > 0 && at <= a->plan->kernels.n)
        hone_fail(err, st, "while kernel %s ran, its process %s", a->plan->kernels.v[at - 1].name,
                  inner.message);
    else
        hone_fail(err, st, "the process that runs its kernels %s", inner.message);
}

hone_status net_apart_run(net_apart *a, hone_error *err)
{
    const hone_apart child = {
        .set_up = a->set_up, .run = a->run, .ctx = a->ctx, .stop = cli_stopped};
    a->at = hone_apart_memory(sizeof *a->at);
    if (!a->at)
        return hone_fail_errno(err, HONE_E_NOMEM, "no memory to share with a child");
    hone_status st = hone_apart_run(&child, err);
    name_kernel(a, st, err);
    hone_apart_free((void *)(uintptr_t)a->at, sizeof *a->at);
    a->at = NULL;
    return st;
}
