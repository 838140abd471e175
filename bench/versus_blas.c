/* OpenBLAS and BLIS. The C interface to BLAS is one and the same in both; declared here, so that
 * neither library's headers are needed. */
#include "bench/versus.h"

#include <dlfcn.h>
#include <math.h>

enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };
typedef void sgemm_fn(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                      const float *a, int lda, const float *b, int ldb, float beta, float *c,
                      int ldc);
typedef void sgemv_fn(int order, int trans, int m, int n, float alpha, const float *a, int lda,
                      const float *x, int step_x, float beta, float *y, int step_y);
typedef float snrm2_fn(int n, const float *x, int step);
typedef float sdot_fn(int n, const float *x, int step_x, const float *y, int step_y);

typedef struct blas {
    void *call;
    product g;
    int64_t rows, row; /* snrm2, sdot: so many vectors of so many elements */
    const float *in;
    float *out;
} blas;

static int64_t run_sgemm(contestant *c, int64_t calls)
{
    const blas *b = c->state;
    const product *g = &b->g;
    sgemm_fn *sgemm = (sgemm_fn *)b->call;
    const float *in = g->a->data, *weights = g->b->data;
    bool turned = g->b_col != 1;
    int64_t start = hone_clock_ns();
    for (int64_t i = 0; i < calls; i++)
        for (int64_t x = 0; x < g->outer[0]; x++)
            for (int64_t y = 0; y < g->outer[1]; y++)
                sgemm(ROW_MAJOR, NO_TRANSPOSE, turned ? TRANSPOSE : NO_TRANSPOSE, (int)g->m,
                      (int)g->n, (int)g->k, 1, in + x * g->a_outer[0] + y * g->a_outer[1],
                      (int)g->a_row, weights + x * g->b_outer[0] + y * g->b_outer[1],
                      (int)(turned ? g->b_col : g->b_row), 0,
                      b->out + x * g->c_outer[0] + y * g->c_outer[1], (int)g->c_row);
    return hone_clock_ns() - start;
}

/* M = 1: y = transposed B times the row A; N = 1: y = A times the column B. */
static int64_t run_sgemv(contestant *c, int64_t calls)
{
    const blas *b = c->state;
    const product *g = &b->g;
    sgemv_fn *sgemv = (sgemv_fn *)b->call;
    const float *in = g->a->data, *weights = g->b->data;
    int64_t start = hone_clock_ns();
    for (int64_t i = 0; i < calls; i++)
        if (g->n == 1)
            sgemv(ROW_MAJOR, NO_TRANSPOSE, (int)g->m, (int)g->k, 1, in, (int)g->a_row, weights, 1,
                  0, b->out, 1);
        else
            sgemv(ROW_MAJOR, TRANSPOSE, (int)g->k, (int)g->n, 1, weights, (int)g->b_row, in, 1, 0,
                  b->out, 1);
    return hone_clock_ns() - start;
}

static int64_t run_snrm2(contestant *c, int64_t calls)
{
    const blas *b = c->state;
    snrm2_fn *snrm2 = (snrm2_fn *)b->call;
    int64_t start = hone_clock_ns();
    for (int64_t i = 0; i < calls; i++)
        for (int64_t r = 0; r < b->rows; r++)
            b->out[r] = snrm2((int)b->row, b->in + r * b->row, 1);
    return hone_clock_ns() - start;
}

/* The same without snrm2's care about overflow, as the kernel is written. */
static int64_t run_sdot(contestant *c, int64_t calls)
{
    const blas *b = c->state;
    sdot_fn *sdot = (sdot_fn *)b->call;
    int64_t start = hone_clock_ns();
    for (int64_t i = 0; i < calls; i++)
        for (int64_t r = 0; r < b->rows; r++) {
            const float *x = b->in + r * b->row;
            b->out[r] = sqrtf(sdot((int)b->row, x, 1, x, 1));
        }
    return hone_clock_ns() - start;
}

static const struct form {
    const char *name, *symbol;
    int64_t (*run)(contestant *c, int64_t calls);
} forms[] = {
    {"sgemm", "cblas_sgemm", run_sgemm},
    {"sgemv", "cblas_sgemv", run_sgemv},
    {"snrm2", "cblas_snrm2", run_snrm2},
    {"sdot", "cblas_sdot", run_sdot},
};

void versus_blas_forms(const problem *p, const char *ret[VERSUS_MAX_FORMS + 1])
{
    product g;
    int n = 0;
    if (p->args[0].dtype == HONE_F32 && versus_product(p, &g) && g.m <= INT32_MAX &&
        g.n <= INT32_MAX && g.k <= INT32_MAX) {
        /* a fused bias or activation is not in BLAS: such kernels have more arguments */
        ret[n++] = "sgemm";
        if ((g.m == 1 || g.n == 1) && g.outer[0] * g.outer[1] == 1)
            ret[n++] = "sgemv";
    } else if (strcmp(p->kernel, "norm") == 0 && p->args[0].dtype == HONE_F32) {
        ret[n++] = "snrm2";
        ret[n++] = "sdot";
    }
    ret[n] = NULL;
}

/* ---- what the library says of itself ----------------------------------------------------------
 */

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

hone_status versus_blas(const candidate *c, const problem *p, contestant *ret, hone_error *err)
{
    const struct form *form = NULL;
    for (size_t k = 0; k < HONE_LEN(forms); k++)
        if (strcmp(forms[k].name, c->form) == 0)
            form = &forms[k];
    void *lib = dlopen(c->file, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return hone_fail(err, HONE_E_NOTFOUND, "cannot load %s: %s", c->library, dlerror());
    blas *b = hone_xcalloc(1, sizeof *b);
    b->call = form ? dlsym(lib, form->symbol) : NULL;
    if (!b->call) {
        free(b);
        return hone_fail(err, HONE_E_NOTFOUND, "%s has no %s", c->file, c->form);
    }
    b->in = p->args[0].data;
    b->out = p->out->data;
    b->rows = p->out->elements;
    b->row = p->args[0].elements / p->out->elements;
    bool is_product = versus_product(p, &b->g);
    if (!is_product && form->run != run_snrm2 && form->run != run_sdot)
        return hone_fail(err, HONE_E_NOTFOUND, "%s does not do this", c->library);
    *ret = (contestant){.flops = p->flops, .run = form->run, .state = b};
    snprintf(ret->name, sizeof ret->name, "%s", c->library);
    char says[120];
    if (strcmp(c->library, "OpenBLAS") == 0)
        describe_openblas(lib, p->threads, says, sizeof says);
    else
        describe_blis(lib, p->threads, says, sizeof says);
    ret->makes_threads = strcmp(c->library, "BLIS") == 0 && !strstr(c->file, "openmp");
    snprintf(ret->detail, sizeof ret->detail, "%s%s, %s", says, variant(c->file), c->form);
    return HONE_OK;
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
    return strcmp(c->library, "oneDNN") == 0 ? versus_dnnl(c, p, ret, err)
                                             : versus_blas(c, p, ret, err);
}
