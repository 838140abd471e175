#include "tests/property/harness.h"
#include "workers/builder.h"

#include <dlfcn.h>
#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define PATTERN 0x5c

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static hone_dtype dtype_of(const hone_program *p, unsigned arg)
{
    return (hone_dtype)hone_buffer_at(p, (hone_buffer){arg + 1})->dtype;
}

void pair_args_new(pair_args *a, const hone_program *p)
{
    *a = (pair_args){.n = hone_program_n_args(p)};
    HONE_ASSERT(a->n <= PAIR_MAX_ARGS);
    for (unsigned k = 0; k < a->n; k++) {
        a->bytes[k] = (size_t)hone_buffer_count(p, (hone_buffer){k + 1}) *
                      (size_t)hone_dtype_bytes(dtype_of(p, k));
        a->mapped[k] = round_up(a->bytes[k], PAGE) + 2 * PAGE;
        a->map[k] =
            mmap(NULL, a->mapped[k], PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        HONE_ASSERT(a->map[k] != MAP_FAILED);
        HONE_ASSERT(mprotect(a->map[k], PAGE, PROT_NONE) == 0);
        HONE_ASSERT(mprotect(a->map[k] + a->mapped[k] - PAGE, PAGE, PROT_NONE) == 0);
    }
    pair_args_place(a, true);
}

void pair_args_free(pair_args *a)
{
    for (unsigned k = 0; k < a->n; k++)
        munmap(a->map[k], a->mapped[k]);
    a->n = 0;
}

void pair_args_place(pair_args *a, bool at_end)
{
    for (unsigned k = 0; k < a->n; k++) {
        size_t body = a->mapped[k] - 2 * PAGE;
        memset(a->map[k] + PAGE, PATTERN, body);
        a->at[k] = a->map[k] + PAGE + (at_end ? body - round_up(a->bytes[k], 64) : 0);
    }
}

static uint64_t random_at(uint64_t seed, unsigned arg, int64_t k)
{
    return hone_hash_mix(hone_hash_mix(seed * 77 + 5, arg), (uint64_t)k);
}

/* Eighths, halves or whole numbers in [-2, 2], by how many digits the dtype has; for integers small
 * numbers in every other element and any bits in the others. */
static void set_input(hone_dtype t, void *base, int64_t k, uint64_t bits)
{
    int64_t r = (int64_t)(bits >> 8 & 0xffffffffffff);
    switch (t) {
    case HONE_F64:
    case HONE_F32:
        hone_elem_set(t, base, k, (double)(r % 33 - 16) / 8);
        break;
    case HONE_F16:
        hone_elem_set(t, base, k, (double)(r % 9 - 4) / 2);
        break;
    case HONE_BF16:
        hone_elem_set(t, base, k, (double)(r % 5 - 2));
        break;
    case HONE_BOOL:
        hone_elem_set(t, base, k, (double)(r & 1));
        break;
    default:
        if (bits & 1)
            hone_elem_set(t, base, k, (double)(t == HONE_U8 ? r % 9 : r % 9 - 4));
        else
            memcpy((char *)base + k * hone_dtype_bytes(t), &r, (size_t)hone_dtype_bytes(t));
    }
}

void pair_args_fill(const pair_args *a, const hone_program *p, uint64_t seed)
{
    for (unsigned k = 0; k < a->n; k++) {
        hone_buffer b = {k + 1};
        hone_dtype t = dtype_of(p, k);
        bool output = hone_buffer_at(p, b)->role == HONE_OUTPUT;
        for (int64_t i = 0; i < hone_buffer_count(p, b); i++) {
            if (output)
                hone_elem_set(t, a->at[k], i, hone_dtype_is_float(t) ? NAN : t == HONE_BOOL);
            else
                set_input(t, a->at[k], i, random_at(seed, k, i));
        }
    }
}

static bool same(double w, double g, double tolerance)
{
    return w == g || (isnan(w) && isnan(g)) || fabs(w - g) <= tolerance * fmax(1, fabs(w));
}

const char *pair_args_differ(const hone_program *p, const pair_args *want, const pair_args *got,
                             double tolerance)
{
    static char text[512];
    for (unsigned k = 0; k < want->n; k++) {
        hone_buffer b = {k + 1};
        const hone_buffer_row *row = hone_buffer_at(p, b);
        const char *name = hone_sym_text(p, row->name);
        hone_dtype t = (hone_dtype)row->dtype;
        if (memcmp(want->at[k], got->at[k], want->bytes[k])) {
            unsigned bad = 0;
            for (int64_t i = 0; i < hone_buffer_count(p, b); i++) {
                double w = hone_elem_get(t, want->at[k], i), g = hone_elem_get(t, got->at[k], i);
                if (!same(w, g, row->role == HONE_OUTPUT ? tolerance : 0) && !bad++)
                    snprintf(text, sizeof text, "%s[%lld] of %lld is %.9g, should be %.9g", name,
                             (long long)i, (long long)hone_buffer_count(p, b), g, w);
            }
            if (bad) {
                size_t n = strlen(text);
                snprintf(text + n, sizeof text - n, "; %u elements differ", bad);
                return text;
            }
        }
        const char *from = got->map[k] + PAGE, *end = got->map[k] + got->mapped[k] - PAGE;
        for (const char *c = from; c < end; c++) {
            if (c == (const char *)got->at[k])
                c += got->bytes[k];
            if (c < end && *c != PATTERN) {
                snprintf(text, sizeof text, "a byte was written %lld bytes from the start of %s",
                         (long long)(c - (const char *)got->at[k]), name);
                return text;
            }
        }
    }
    return NULL;
}

static hone_status emit(hone_codegen *g, const hone_program *p, const hone_codegen_options *o,
                        hone_emit kind, pair_code *ret, hone_error *err)
{
    static hone_codegen_intrin *intrins;
    static unsigned n_intrins;
    if (!intrins) /* for as long as the process lives */
        intrins = hone_builder_intrins(hone_intrin_shipped(), &n_intrins);
    hone_codegen_options with = *o;
    with.emit = kind;
    with.intrins = intrins;
    with.n_intrins = n_intrins;
    *ret = (pair_code){0};
    return hone_codegen_emit(g, p, &with, &ret->code, err);
}

hone_status pair_code_load(pair_code *ret, hone_error *err)
{
    uint8_t *so = NULL;
    size_t n = 0;
    hone_status st = hone_codegen_link(ret->code.bytes, ret->code.n, &so, &n, err);
    if (st == HONE_OK) {
        char path[64];
        int fd = memfd_create("kernel", MFD_CLOEXEC);
        HONE_ASSERT(fd >= 0 && write(fd, so, n) == (ssize_t)n);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ret->lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        close(fd);
        if (!ret->lib)
            st = hone_fail(err, HONE_E_TOOL, "%s", dlerror());
    }
    free(so);
    if (st != HONE_OK)
        return st;
    *(void **)&ret->kernel = dlsym(ret->lib, "hone_kernel");
    *(void **)&ret->pack = dlsym(ret->lib, "hone_pack");
    ret->watch = dlsym(ret->lib, "hone_watch");
    HONE_ASSERT(ret->kernel && (ret->pack != NULL) == ret->code.has_pack);
    return HONE_OK;
}

hone_status pair_code_new(hone_codegen *g, const hone_program *p, const hone_codegen_options *o,
                          pair_code *ret, hone_error *err)
{
    hone_status st = emit(g, p, o, HONE_EMIT_OBJECT, ret, err);
    st = st == HONE_OK ? pair_code_load(ret, err) : st;
    if (st != HONE_OK)
        pair_code_free(ret);
    return st;
}

hone_status pair_code_new_watched(hone_codegen *g, const hone_target *t, const hone_program *p,
                                  const hone_codegen_options *o, pair_code *ret, hone_error *err)
{
    hone_status st = emit(g, p, o, HONE_EMIT_LLVM, ret, err);
    st = st == HONE_OK ? pair_watch_ir(t, &ret->code, err) : st;
    st = st == HONE_OK ? pair_code_load(ret, err) : st;
    if (st != HONE_OK)
        pair_code_free(ret);
    return st;
}

int32_t pair_code_run(const pair_code *c, const pair_args *a, const hone_rt_api *rt)
{
    void *args[PAIR_MAX_ARGS], *to[PAIR_MAX_ARGS] = {0};
    const void *from[PAIR_MAX_ARGS] = {0};
    int32_t result = 0;
    memcpy(args, a->at, sizeof args);
    for (unsigned k = 0; k < c->code.n_args && c->pack; k++)
        if (c->code.pack_bytes[k]) {
            size_t bytes = round_up((size_t)c->code.pack_bytes[k], 64);
            from[k] = a->at[k];
            args[k] = to[k] = aligned_alloc(64, bytes);
            memset(to[k], PATTERN, bytes);
        }
    if (c->pack)
        result = c->pack(from, to, rt);
    if (!result)
        result = c->kernel(args, rt);
    for (unsigned k = 0; k < c->code.n_args; k++)
        free(to[k]);
    return result;
}

void pair_code_free(pair_code *c)
{
    if (c->lib)
        dlclose(c->lib);
    hone_code_free(&c->code);
    *c = (pair_code){0};
}
