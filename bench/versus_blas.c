#include "bench/versus.h"

#include <dlfcn.h>

/* ---- the kernel under test ------------------------------------------------------------------- */

typedef struct kernel {
    int (*call)(const void *in, const void *weights, void *out);
    const float *in;
    const void *weights;
    float *out;
} kernel;

static int64_t kernel_run(contestant *c, int64_t calls)
{
    const kernel *k = c->state;
    int64_t start = hone_clock_ns();
    for (int64_t i = 0; i < calls; i++)
        if (k->call(k->in, k->weights, k->out) != 0)
            return -1;
    return hone_clock_ns() - start;
}

static const float *kernel_result(contestant *c)
{
    return ((const kernel *)c->state)->out;
}

static void *aligned(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!p) {
        fprintf(stderr, "bench_versus: out of memory\n");
        exit(1);
    }
    memset(p, 0, bytes);
    return p;
}

/* The weights are B in matmul, F in the convolutions, Y in batch_matmul, W in kernels of one's own.
 */
static bool find_pack(void *lib, const char *name, void *ret_pack, void *ret_bytes)
{
    static const char *const args[] = {"B", "F", "W", "Y"};
    for (size_t k = 0; k < HONE_LEN(args); k++) {
        char symbol[128];
        snprintf(symbol, sizeof symbol, "%s_pack_%s", name, args[k]);
        *(void **)ret_pack = dlsym(lib, symbol);
        snprintf(symbol, sizeof symbol, "%s_pack_%s_bytes", name, args[k]);
        *(void **)ret_bytes = dlsym(lib, symbol);
        if (*(void **)ret_pack && *(void **)ret_bytes)
            return true;
    }
    return false;
}

hone_status versus_kernel(const char *path, const char *name, problem *p, contestant *ret,
                          hone_error *err)
{
    char here[4096];
    snprintf(here, sizeof here, "%s%s", strchr(path, '/') ? "" : "./", path);
    void *lib = dlopen(here, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return hone_fail(err, HONE_E_NOTFOUND, "cannot load the kernel: %s", dlerror());
    kernel *k = hone_xcalloc(1, sizeof *k);
    *(void **)&k->call = dlsym(lib, name);
    if (!k->call) {
        free(k);
        return hone_fail(err, HONE_E_NOTFOUND,
                         "%s defines no function '%s': make it with `hone query --emit library "
                         "--name %s`",
                         path, name, name);
    }
    k->in = p->a;
    k->weights = p->b;
    k->out = aligned((size_t)p->n_c * sizeof(float));
    int (*pack)(const void *from, void *packed);
    int64_t (*pack_bytes)(void);
    if (find_pack(lib, name, &pack, &pack_bytes)) {
        void *packed = aligned((size_t)pack_bytes());
        if (pack(p->b, packed) != 0)
            return hone_fail(err, HONE_E_NOTFOUND, "%s: packing the weights failed", path);
        k->weights = packed;
        p->prepacked = true;
    }
    *ret = (contestant){
        .name = "hone", .flops = p->flops, .run = kernel_run, .result = kernel_result, .state = k};
    snprintf(ret->detail, sizeof ret->detail, "%s",
             p->prepacked ? "weights packed ahead of time" : "weights as they are");
    return HONE_OK;
}

/* ---- OpenBLAS and BLIS -------------------------------------------------------------------------
 */

/* The C interface to BLAS is one and the same in both; declared here, so that neither library's
 * headers are needed. */
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111 };
typedef void sgemm_fn(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                      const float *a, int lda, const float *b, int ldb, float beta, float *c,
                      int ldc);

typedef struct blas {
    sgemm_fn *sgemm;
    const problem *p;
    float *out;
} blas;

static int64_t blas_run(contestant *c, int64_t calls)
{
    const blas *b = c->state;
    const problem *p = b->p;
    int m = (int)p->m, n = (int)p->n, k = (int)p->k;
    int64_t start = hone_clock_ns();
    for (int64_t i = 0; i < calls; i++)
        b->sgemm(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, m, n, k, 1, p->a, k, p->b, n, 0, b->out, n);
    return hone_clock_ns() - start;
}

static const float *blas_result(contestant *c)
{
    return ((const blas *)c->state)->out;
}

static void describe_openblas(void *lib, int32_t threads, char *ret, size_t n)
{
    char *(*core)(void);
    char *(*config)(void);
    void (*set_threads)(int);
    *(void **)&core = dlsym(lib, "openblas_get_corename");
    *(void **)&config = dlsym(lib, "openblas_get_config");
    *(void **)&set_threads = dlsym(lib, "openblas_set_num_threads");
    if (set_threads)
        set_threads(threads);
    char version[64] = "";
    if (config && sscanf(config(), "%*s %63s", version) != 1)
        version[0] = '\0';
    snprintf(ret, n, "%s core %s", version, core ? core() : "unknown");
}

static void describe_blis(void *lib, int32_t threads, char *ret, size_t n)
{
    int (*id)(void);
    const char *(*name)(int);
    const char *(*version)(void);
    void (*set_threads)(int64_t);
    *(void **)&id = dlsym(lib, "bli_arch_query_id");
    *(void **)&name = dlsym(lib, "bli_arch_string");
    *(void **)&version = dlsym(lib, "bli_info_get_version_str");
    *(void **)&set_threads = dlsym(lib, "bli_thread_set_num_threads");
    if (set_threads)
        set_threads(threads);
    snprintf(ret, n, "%s core %s", version ? version() : "", id && name ? name(id()) : "unknown");
}

/* "/usr/lib/.../blis-openmp/libblis.so.4" -> "openmp"; "" when the path does not say. */
static const char *variant(const char *file)
{
    return strstr(file, "openmp") ? ", openmp" : strstr(file, "pthread") ? ", pthread" : "";
}

hone_status versus_library(const candidate *c, const problem *p, contestant *ret, hone_error *err)
{
    if (c->variable)
        setenv(c->variable, c->value, 1);
    char threads[16];
    snprintf(threads, sizeof threads, "%d", p->threads);
    /* Read when the library is loaded. Whoever runs this may have set others for reasons of their
     * own, and a library with fewer threads than asked for would be a cripple. */
    static const char *const counts[] = {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS",
                                         "BLIS_NUM_THREADS"};
    for (size_t k = 0; k < HONE_LEN(counts); k++)
        setenv(counts[k], threads, 1);
    if (strcmp(c->library, "oneDNN") == 0)
        return versus_dnnl(c, p, ret, err);
    if (p->conv || p->m > INT32_MAX || p->n > INT32_MAX || p->k > INT32_MAX)
        return hone_fail(err, HONE_E_NOTFOUND, "%s does not do this", c->library);
    void *lib = dlopen(c->file, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return hone_fail(err, HONE_E_NOTFOUND, "cannot load %s: %s", c->library, dlerror());
    blas *b = hone_xcalloc(1, sizeof *b);
    *(void **)&b->sgemm = dlsym(lib, "cblas_sgemm");
    if (!b->sgemm) {
        free(b);
        return hone_fail(err, HONE_E_NOTFOUND, "%s has no cblas_sgemm", c->file);
    }
    b->p = p;
    b->out = aligned((size_t)p->n_c * sizeof(float));
    *ret = (contestant){.flops = p->flops, .run = blas_run, .result = blas_result, .state = b};
    snprintf(ret->name, sizeof ret->name, "%s", c->library);
    char says[120];
    if (strcmp(c->library, "OpenBLAS") == 0)
        describe_openblas(lib, p->threads, says, sizeof says);
    else
        describe_blis(lib, p->threads, says, sizeof says);
    ret->makes_threads = strcmp(c->library, "BLIS") == 0 && !strstr(c->file, "openmp");
    snprintf(ret->detail, sizeof ret->detail, "%s%s", says, variant(c->file));
    return HONE_OK;
}
