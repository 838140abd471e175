/* Kernels in shared objects, called as `hone query --emit library` declares them: one pointer for
 * each argument of the workload, in its order. The plain loops of plain.c are called likewise. */
#include "bench/versus.h"

#include <dlfcn.h>

typedef void *v;

typedef struct kernel {
    void *call;
    void *args[VERSUS_MAX_ARGS];
    uint32_t n;
} kernel;

static int call(const kernel *k)
{
    void *const *a = k->args;
    switch (k->n) {
    case 1:
        return ((int (*)(v))k->call)(a[0]);
    case 2:
        return ((int (*)(v, v))k->call)(a[0], a[1]);
    case 3:
        return ((int (*)(v, v, v))k->call)(a[0], a[1], a[2]);
    case 4:
        return ((int (*)(v, v, v, v))k->call)(a[0], a[1], a[2], a[3]);
    case 5:
        return ((int (*)(v, v, v, v, v))k->call)(a[0], a[1], a[2], a[3], a[4]);
    case 6:
        return ((int (*)(v, v, v, v, v, v))k->call)(a[0], a[1], a[2], a[3], a[4], a[5]);
    case 7:
        return ((int (*)(v, v, v, v, v, v, v))k->call)(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
    default:
        return ((int (*)(v, v, v, v, v, v, v, v))k->call)(a[0], a[1], a[2], a[3], a[4], a[5], a[6],
                                                          a[7]);
    }
}

static int64_t run(contestant *c, int64_t calls)
{
    const kernel *k = c->state;
    int64_t start = hone_clock_ns();
    for (int64_t i = 0; i < calls; i++)
        if (call(k) != 0)
            return -1;
    return hone_clock_ns() - start;
}

/* Packs argument t ahead of time if the library wants it so; *ret is what to call it with. */
static hone_status pack(void *lib, const char *symbol, const tensor *t, void **ret,
                        bool *ret_packed, hone_error *err)
{
    int (*fill)(const void *from, void *packed);
    int64_t (*bytes)(void);
    char *name = hone_xasprintf("%s_pack_%s", symbol, t->name);
    *(void **)&fill = dlsym(lib, name);
    free(name);
    name = hone_xasprintf("%s_pack_%s_bytes", symbol, t->name);
    *(void **)&bytes = dlsym(lib, name);
    free(name);
    *ret = t->data;
    if (!fill || !bytes)
        return HONE_OK;
    *ret = versus_buffer(bytes());
    *ret_packed = true;
    return fill(t->data, *ret) == 0 ? HONE_OK
                                    : hone_fail(err, HONE_E_TOOL, "packing %s failed", t->name);
}

hone_status versus_kernel(const char *path, const char *symbol, const char *name, problem *p,
                          contestant *ret, hone_error *err)
{
    char *here = hone_xasprintf("%s%s", strchr(path, '/') ? "" : "./", path);
    void *lib = dlopen(here, RTLD_NOW | RTLD_LOCAL);
    free(here);
    if (!lib)
        return hone_fail(err, HONE_E_NOTFOUND, "cannot load the kernel: %s", dlerror());
    kernel *k = hone_xcalloc(1, sizeof *k);
    k->call = dlsym(lib, symbol);
    const char *const *says = dlsym(lib, "plain_detail");
    if (!k->call) {
        free(k);
        return hone_fail(err, HONE_E_NOTFOUND,
                         "%s defines no function '%s': make it with `hone query --emit library "
                         "--name %s`",
                         path, symbol, symbol);
    }
    k->n = p->n_args;
    bool packed = false;
    *ret = (contestant){.flops = p->flops, .run = run, .state = k};
    for (uint32_t a = 0; a < p->n_args; a++) {
        const tensor *t = &p->args[a];
        k->args[a] = t->data;
        hone_status st = t->output ? HONE_OK : pack(lib, symbol, t, &k->args[a], &packed, err);
        if (st != HONE_OK)
            return st;
    }
    p->prepacked |= packed;
    snprintf(ret->name, sizeof ret->name, "%s", name);
    snprintf(ret->detail, sizeof ret->detail, "%s",
             says     ? *says
             : packed ? "weights packed ahead of time"
                      : "arguments as they are");
    return HONE_OK;
}
