/* For tests of the code generator: compiles program text, loads it, runs it on the real runtime and
 * compares every output with the interpreter's. Every argument ends at a page that must not be
 * touched, so that reading or writing past the end is seen. */
#ifndef HONE_TESTS_CODEGEN_TEST_H
#define HONE_TESTS_CODEGEN_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codegen/codegen.h"
#include "runtime/hone_rt.h"

#include <dlfcn.h>
#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_ARGS 12

static hone_codegen *test_codegen;
static hone_rt_pool *test_pool;

static inline int setup_codegen(void **state)
{
    (void)state;
    hone_target t;
    hone_error err;
    if (hone_target_native(&t, &err) != HONE_OK ||
        hone_codegen_new(&t, &test_codegen, &err) != HONE_OK) {
        print_error("%s\n", err.message);
        return -1;
    }
    test_pool = hone_rt_pool_new(2, 0);
    return test_pool ? 0 : -1;
}

static inline int teardown_codegen(void **state)
{
    (void)state;
    hone_codegen_free(test_codegen);
    hone_rt_pool_free(test_pool);
    return 0;
}

static inline hone_program parse_text(const char *text)
{
    hone_program p;
    hone_error err;
    if (hone_program_parse(text, strlen(text), &p, &err) != HONE_OK)
        fail_msg("%s\n%s", err.message, text);
    if (hone_verify(&p, &err) != HONE_OK)
        fail_msg("%s\n%s", err.message, text);
    return p;
}

/* ---- memory ending at a guard page ------------------------------------------------------------
 */

typedef struct guarded {
    char *base;
    size_t mapped, offset;
} guarded;

static inline guarded guarded_new(size_t bytes)
{
    size_t page = 4096, body = (bytes + page - 1) / page * page;
    guarded g = {.mapped = body + 2 * page, .offset = page + body - bytes};
    g.base = mmap(NULL, g.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(g.base != MAP_FAILED);
    assert_int_equal(mprotect(g.base, page, PROT_NONE), 0);
    assert_int_equal(mprotect(g.base + page + body, page, PROT_NONE), 0);
    return g;
}

static inline void *guarded_at(const guarded *g)
{
    return g->base + g->offset;
}

static inline void guarded_free(guarded *g)
{
    munmap(g->base, g->mapped);
}

/* ---- loading ----------------------------------------------------------------------------------
 */

typedef struct loaded {
    void *handle;
    hone_rt_kernel kernel;
    int32_t (*pack)(void *const *from, void *const *to, const hone_rt_api *rt);
} loaded;

/* Up to so many stay loaded at once: what has the name of a loaded object is taken for that, and
 * the number of a file in memory is soon another's. */
#define MAX_LOADED 64

static inline loaded load_code(const hone_code *code)
{
    static unsigned loads;
    hone_error err;
    uint8_t *so;
    size_t n;
    if (hone_codegen_link(code->bytes, code->n, &so, &n, &err) != HONE_OK)
        fail_msg("%s", err.message);
    int fd = memfd_create("kernel", MFD_CLOEXEC);
    assert_true(fd >= 0 && write(fd, so, n) == (ssize_t)n);
    free(so);
    char path[64 + 2 * MAX_LOADED], same[2 * MAX_LOADED + 1] = "";
    for (unsigned k = loads++ % MAX_LOADED; k > 0; k--)
        memcpy(same + 2 * (k - 1), "/.", 2);
    snprintf(path, sizeof path, "/proc/self/fd%s/%d", same, fd);
    loaded l = {.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)};
    close(fd);
    if (!l.handle)
        fail_msg("%s", dlerror());
    *(void **)&l.kernel = dlsym(l.handle, "hone_kernel");
    *(void **)&l.pack = dlsym(l.handle, "hone_pack");
    assert_non_null(l.kernel);
    assert_int_equal(l.pack != NULL, code->has_pack);
    return l;
}

static inline double input_value(hone_dtype t, hone_rng *rng)
{
    double u = hone_rng_double(rng);
    if (t == HONE_BOOL)
        return u < 0.5;
    if (t == HONE_U8)
        return floor(u * 200);
    return hone_dtype_is_float(t) ? 2 * u - 1 : floor(u * 100 - 50);
}

/* Sets element k of argument a of program p; lets a test choose its inputs. */
typedef double (*chooser)(unsigned a, int64_t k, hone_rng *rng, hone_dtype t);

typedef struct run_options {
    hone_codegen_options emit;
    double tolerance; /* relative to max(1, |want|); 0: by dtype */
    chooser choose;
    bool expect_pack;
} run_options;

static inline void compare(const hone_program *p, unsigned a, const void *want, const void *got,
                           double tolerance)
{
    hone_buffer b = {a + 1};
    hone_dtype t = (hone_dtype)hone_buffer_at(p, b)->dtype;
    if (!tolerance)
        tolerance = t == HONE_F64    ? 1e-11
                    : t == HONE_F32  ? 2e-5
                    : t == HONE_F16  ? 2e-3
                    : t == HONE_BF16 ? 1.6e-2
                                     : 0;
    for (int64_t k = 0; k < hone_buffer_count(p, b); k++) {
        double w = hone_elem_get(t, want, k), g = hone_elem_get(t, got, k);
        bool same = w == g || (isnan(w) && isnan(g)) || fabs(w - g) <= tolerance * fmax(1, fabs(w));
        if (!same || (w == 0 && g == 0 && !tolerance && signbit(w) != signbit(g)))
            fail_msg("%s[%" PRId64 "]: interpreter %.9g, compiled %.9g",
                     hone_sym_text(p, hone_buffer_at(p, b)->name), k, w, g);
    }
}

static inline size_t arg_bytes(const hone_program *p, unsigned a)
{
    hone_buffer b = {a + 1};
    return (size_t)hone_buffer_count(p, b) *
           (size_t)hone_dtype_bytes((hone_dtype)hone_buffer_at(p, b)->dtype);
}

/* Compiles and runs p both ways. */
static inline void check_program(const hone_program *p, const run_options *o)
{
    hone_error err;
    hone_code code;
    hone_status s = hone_codegen_emit(test_codegen, p, &o->emit, &code, &err);
    if (s != HONE_OK)
        fail_msg("%s: %s", hone_status_name(s), err.message);
    assert_int_equal(code.has_pack, o->expect_pack);
    assert_true(code.code_bytes > 0);
    loaded l = load_code(&code);
    unsigned n = hone_program_n_args(p);
    assert_true(n <= MAX_ARGS && code.n_args == n);
    guarded want[MAX_ARGS], got[MAX_ARGS], packed[MAX_ARGS];
    void *want_args[MAX_ARGS], *got_args[MAX_ARGS], *from[MAX_ARGS] = {0}, *to[MAX_ARGS] = {0};
    hone_rng rng;
    hone_rng_seed(&rng, 11);
    for (unsigned a = 0; a < n; a++) {
        const hone_buffer_row *row = hone_buffer_at(p, (hone_buffer){a + 1});
        hone_dtype t = (hone_dtype)row->dtype;
        want[a] = guarded_new(arg_bytes(p, a));
        got[a] = guarded_new(arg_bytes(p, a));
        want_args[a] = guarded_at(&want[a]);
        got_args[a] = guarded_at(&got[a]);
        for (int64_t k = 0; k < hone_buffer_count(p, (hone_buffer){a + 1}); k++) {
            double v = row->role == HONE_OUTPUT ? (t == HONE_BOOL ? 1 : 77)
                       : o->choose              ? o->choose(a, k, &rng, t)
                                                : input_value(t, &rng);
            hone_elem_set(t, want_args[a], k, v);
            hone_elem_set(t, got_args[a], k, v);
        }
        packed[a].base = NULL;
        if (code.pack_bytes[a]) {
            packed[a] = guarded_new((size_t)code.pack_bytes[a]);
            from[a] = got_args[a];
            to[a] = guarded_at(&packed[a]);
        }
    }
    if (hone_interp_run(p, want_args, &err) != HONE_OK)
        fail_msg("%s", err.message);
    const hone_rt_api *rt = hone_rt_pool_api(test_pool);
    if (l.pack)
        assert_int_equal(l.pack(from, to, rt), 0);
    for (unsigned a = 0; a < n; a++)
        got_args[a] = to[a] ? to[a] : got_args[a];
    assert_int_equal(l.kernel(got_args, rt), 0);
    for (unsigned a = 0; a < n; a++) {
        if (!to[a])
            compare(p, a, want_args[a], got_args[a], o->tolerance);
        guarded_free(&want[a]);
        guarded_free(&got[a]);
        if (packed[a].base)
            guarded_free(&packed[a]);
    }
    dlclose(l.handle);
    hone_code_free(&code);
}

/* The text compiled as scheduled, and plainly. */
static inline void check_both(const char *text, const run_options *o)
{
    hone_program p = parse_text(text);
    run_options plain = *o;
    plain.emit.plain = true;
    plain.expect_pack = false;
    check_program(&p, o);
    check_program(&p, &plain);
    hone_program_fini(&p);
}

static inline void check_same(const char *text)
{
    check_both(text, &(run_options){0});
}

/* Text of assembly, object or LLVM IR; the caller frees. */
static inline char *emit_text(const char *text, hone_emit kind)
{
    hone_program p = parse_text(text);
    hone_codegen_options o = {.emit = kind};
    hone_code code;
    hone_error err;
    if (hone_codegen_emit(test_codegen, &p, &o, &code, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_program_fini(&p);
    return (char *)code.bytes;
}

static inline hone_status emit_status(const char *text, hone_error *err)
{
    hone_program p = parse_text(text);
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT};
    hone_code code;
    hone_status s = hone_codegen_emit(test_codegen, &p, &o, &code, err);
    hone_code_free(&code);
    hone_program_fini(&p);
    return s;
}

/* What a command prints; the caller frees. It must succeed. */
static inline char *shell(const char *command)
{
    FILE *f = popen(command, "r");
    assert_non_null(f);
    hone_buf b = {0};
    char chunk[4096];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
        hone_buf_add(&b, chunk, n);
    int rc = pclose(f);
    char *text = hone_buf_take(&b);
    if (rc)
        fail_msg("%s\n%s", command, text);
    return text;
}

#endif
