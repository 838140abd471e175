/* Kernels in a child: which of them is at work is a word that both processes see. */
#include "cli/net_apart.h"

#include "cli/cli.h"
#include "runtime/hone_rt.h"

#include <dlfcn.h>

#define AT 0    /* 1 + the kernel at work, 0: none */
#define BEGUN 1 /* how often one has begun */

void net_apart_begin(const net_apart *a, uint32_t kernel)
{
    a->at[BEGUN]++;
    a->at[AT] = 1 + kernel;
    while (hone_fault("apart.hang"))
        ;
}

void net_apart_end(const net_apart *a)
{
    a->at[AT] = 0;
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

/* ---- one that does not end ------------------------------------------------------------------- */

#define PATIENCE_NS INT64_C(120000000000)
#define SLOWEST_NS 100 /* an operation, on whatever machine and however busy it is */

/* Of the child that runs; there is one at a time. */
static struct {
    const net_apart *of;
    uint32_t begun;
    int64_t since_ns;
    const char *over; /* the kernel that did not end */
} watched;

static int64_t patience_ns(const hone_net_kernel_row *row)
{
    hone_program p;
    if (hone_fault("apart.patience"))
        return INT64_C(1000000000);
    if (hone_workload_parse(row->name, row->text, strlen(row->text), row->name, NULL, 0, &p,
                            NULL) != HONE_OK)
        return PATIENCE_NS;
    int64_t ops = hone_program_flops(&p), ns;
    hone_program_fini(&p);
    return __builtin_mul_overflow(ops, SLOWEST_NS, &ns) || ns > INT64_MAX - PATIENCE_NS
               ? INT64_MAX
               : PATIENCE_NS + ns;
}

/* Asked several times a second. */
static bool is_over(void *ctx)
{
    const net_apart *a = watched.of;
    uint32_t at = a->at[AT], begun = a->at[BEGUN]; /* a child that is wrong may write anything */
    int64_t now = hone_clock_ns();
    (void)ctx;
    if (!at || at > a->plan->kernels.n || begun != watched.begun) {
        watched.begun = begun;
        watched.since_ns = now;
    } else if (now - watched.since_ns > PATIENCE_NS || hone_fault("apart.patience")) {
        const hone_net_kernel_row *row = &a->plan->kernels.v[at - 1];
        watched.over = now - watched.since_ns > patience_ns(row) ? row->name : NULL;
    }
    return watched.over || cli_stopped(NULL);
}

/* ---- the parent ------------------------------------------------------------------------------ */

/* What the child said itself needs no more; how it died does not say where. */
static void name_kernel(const net_apart *a, hone_status st, hone_error *err)
{
    uint32_t at = a->at[AT]; /* a child that is wrong may write anything */
    if ((st != HONE_E_CRASHED && st != HONE_E_KILLED) || !err)
        return;
    const hone_error inner = *err;
    if (at > 0 && at <= a->plan->kernels.n)
        hone_fail(err, st, "while kernel %s ran, its process %s", a->plan->kernels.v[at - 1].name,
                  inner.message);
    else
        hone_fail(err, st, "the process that runs its kernels %s", inner.message);
}

static hone_status did_not_end(hone_error *err)
{
    return hone_fail(err, HONE_E_TIMEOUT, "kernel %s did not end in %.0f s: its process was ended",
                     watched.over, (double)(hone_clock_ns() - watched.since_ns) / 1e9);
}

hone_status net_apart_run(net_apart *a, hone_error *err)
{
    const size_t bytes = 2 * sizeof *a->at;
    const hone_apart child = {.set_up = a->set_up, .run = a->run, .ctx = a->ctx, .stop = is_over};
    a->at = hone_apart_memory((int64_t)bytes);
    if (!a->at)
        return hone_fail_errno(err, HONE_E_NOMEM, "no memory to share with a child");
    watched.of = a;
    watched.begun = 0;
    watched.over = NULL;
    watched.since_ns = hone_clock_ns();
    hone_status st = hone_apart_run(&child, err);
    if (watched.over && !cli_stopped(NULL))
        st = did_not_end(err);
    else
        name_kernel(a, st, err);
    hone_apart_free((void *)(uintptr_t)a->at, (int64_t)bytes);
    a->at = NULL;
    return st;
}
