/* Libraries that artifacts measured here may call: those that this worker's operator named. An
 * artifact only says which of them it wants, by name, function and the hash of the file's bytes;
 * the measuring child of such an artifact opens that one before it is closed in, and puts the
 * function's address where the artifact looks for it. No other process opens it. */
#include "workers/device/internal.h"

#include <dlfcn.h>
#include <sys/mman.h>

void hone_device__libraries_make(const hone_libcall_library *from, unsigned n,
                                 hone_device__libraries *ret)
{
    HONE_ASSERT(n <= HONE_LIBCALL_MAX);
    *ret = (hone_device__libraries){.n = n};
    for (unsigned k = 0; k < n; k++) {
        ret->v[k] = from[k];
        ret->v[k].source = NULL;
    }
}

/* ---- which one ------------------------------------------------------------------------------- */

static hone_status choose(const hone_device__libraries *all, const hone_libcall_slot *want,
                          const hone_libcall_library **ret, hone_error *err)
{
    bool other = false;
    for (unsigned k = 0; k < all->n; k++) {
        const hone_libcall_library *l = &all->v[k];
        if (strcmp(l->name, want->name) != 0 || strcmp(l->function, want->function) != 0)
            continue;
        if (l->hash == want->hash) {
            *ret = l;
            return HONE_OK;
        }
        other = true;
    }
    return hone_fail(err, HONE_E_INPUT, "the kernel calls '%s' of library %s, %s", want->function,
                     want->name,
                     other ? "of which this device has another version"
                           : "which this device was not started with (--candidate-lib)");
}

hone_status hone_device__library_of(const hone_device__libraries *all,
                                    const hone_device__artifact *a,
                                    const hone_libcall_library **ret, hone_error *err)
{
    hone_libcall_slot want;
    bool wants;
    *ret = NULL;
    void *p = mmap(NULL, a->n, PROT_READ, MAP_PRIVATE, a->fd, 0);
    if (p == MAP_FAILED)
        return hone_fail_errno(err, HONE_E_SANDBOX, "cannot map the kernel");
    hone_status s = hone_device__elf_library(p, a->n, &want, &wants, err);
    munmap(p, a->n);
    return s == HONE_OK && wants ? choose(all, &want, ret, err) : s;
}

/* ---- in the child ---------------------------------------------------------------------------- */

void *hone_device__library_open(const hone_libcall_library *l, int32_t threads, char note[256])
{
    char text[16];
    void (*set_threads)(int) = NULL;
    /* What most libraries with threads of their own look at as they are loaded. */
    snprintf(text, sizeof text, "%d", threads);
    setenv("OMP_NUM_THREADS", text, 1);
    setenv("OPENBLAS_NUM_THREADS", text, 1);
    if (!hone_libcall_is_same(l)) {
        snprintf(note, 256, "library %s: its file has changed since this worker began", l->name);
        return NULL;
    }
    void *so = dlopen(l->path, RTLD_NOW | RTLD_LOCAL);
    void *function = so ? dlsym(so, l->function) : NULL;
    void *setter = so && *l->threads ? dlsym(so, l->threads) : NULL;
    if (!function || (*l->threads && !setter)) {
        const char *e = dlerror();
        snprintf(note, 256, "library %s: %s", l->name, e ? e : "a function is missing");
        return NULL;
    }
    if (setter) {
        memcpy(&set_threads, &setter, sizeof set_threads);
        set_threads(threads);
    }
    return function;
}

bool hone_device__library_set(void *artifact, void *function)
{
    hone_libcall_slot *slot = dlsym(artifact, HONE_LIBCALL_SYMBOL);
    if (slot)
        slot->address = (uint64_t)(uintptr_t)function;
    return slot != NULL;
}
