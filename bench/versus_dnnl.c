/* oneDNN through its C API, version 2. Weights (and, with `any`, data) are brought into the layout
 * oneDNN asks for ahead of time; that is not timed, as hone's packing is not. */
#include "bench/versus.h"

#ifdef HONE_BENCH_DNNL

#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>

#define FUNCTIONS(X)                              \
    X(dnnl_version)                               \
    X(dnnl_engine_create)                         \
    X(dnnl_stream_create)                         \
    X(dnnl_stream_wait)                           \
    X(dnnl_memory_desc_init_by_tag)               \
    X(dnnl_memory_desc_equal)                     \
    X(dnnl_memory_create)                         \
    X(dnnl_memory_destroy)                        \
    X(dnnl_matmul_desc_init)                      \
    X(dnnl_dilated_convolution_forward_desc_init) \
    X(dnnl_primitive_desc_create)                 \
    X(dnnl_primitive_desc_destroy)                \
    X(dnnl_primitive_desc_query)                  \
    X(dnnl_primitive_desc_query_md)               \
    X(dnnl_primitive_create)                      \
    X(dnnl_primitive_destroy)                     \
    X(dnnl_primitive_execute)                     \
    X(dnnl_reorder_primitive_desc_create)         \
    X(dnnl_sgemm)

static struct {
#define X(f) __typeof__(&f) f;
    FUNCTIONS(X)
#undef X
} d;

typedef struct dnnl {
    const problem *p;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive; /* NULL: dnnl_sgemm */
    dnnl_exec_arg_t args[3];    /* source, weights, destination, in the layouts asked for */
    dnnl_memory_desc_t plain_out, out_md;
    dnnl_memory_t plain_memory; /* over `out` */
    float *out;                 /* the problem's layout */
} dnnl;

/* Leaves the function with a message when a call of oneDNN fails. */
#define OK(call)                                                                                   \
    do {                                                                                           \
        dnnl_status_t status_ = (call);                                                            \
        if (status_ != dnnl_success)                                                               \
            return hone_fail(err, HONE_E_TOOL, "oneDNN: %s gives status %d", #call, (int)status_); \
    } while (0)

static hone_status load(const char *file, int32_t threads, hone_error *err)
{
    void *lib = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return hone_fail(err, HONE_E_NOTFOUND, "cannot load oneDNN: %s", dlerror());
#define X(f)                         \
    *(void **)&d.f = dlsym(lib, #f); \
    if (!d.f)                        \
        return hone_fail(err, HONE_E_NOTFOUND, "%s has no %s", file, #f);
    FUNCTIONS(X)
#undef X
    void (*set_threads)(int); /* of the OpenMP library that oneDNN brought along */
    *(void **)&set_threads = dlsym(lib, "omp_set_num_threads");
    if (set_threads)
        set_threads(threads);
    return HONE_OK;
}

static hone_status reorder(const dnnl *s, dnnl_memory_t from, const dnnl_memory_desc_t *from_md,
                           dnnl_memory_t to, const dnnl_memory_desc_t *to_md, hone_error *err)
{
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t p;
    OK(d.dnnl_reorder_primitive_desc_create(&pd, from_md, s->engine, to_md, s->engine, NULL));
    OK(d.dnnl_primitive_create(&p, pd));
    OK(d.dnnl_primitive_execute(p, s->stream, 2,
                                (dnnl_exec_arg_t[]){{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}}));
    OK(d.dnnl_stream_wait(s->stream));
    OK(d.dnnl_primitive_destroy(p));
    OK(d.dnnl_primitive_desc_destroy(pd));
    return HONE_OK;
}

/* A memory in the layout `md` with the contents of `data`; `data` itself when that is its layout.
 */
static hone_status place(const dnnl *s, const dnnl_memory_desc_t *plain, float *data,
                         const dnnl_memory_desc_t *md, dnnl_memory_t *ret, hone_error *err)
{
    OK(d.dnnl_memory_create(ret, plain, s->engine, data));
    if (d.dnnl_memory_desc_equal(plain, md))
        return HONE_OK;
    dnnl_memory_t from = *ret;
    OK(d.dnnl_memory_create(ret, md, s->engine, DNNL_MEMORY_ALLOCATE));
    hone_status st = reorder(s, from, plain, *ret, md, err);
    d.dnnl_memory_destroy(from);
    return st;
}

typedef struct layout {
    dnnl_memory_desc_t plain[3], asked[3]; /* source, weights, destination */
} layout;

static const int roles[3] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST};
static const dnnl_query_t queries[3] = {dnnl_query_src_md, dnnl_query_weights_md,
                                        dnnl_query_dst_md};

static hone_status finish(dnnl *s, const void *op, const layout *l, char *detail, size_t n,
                          hone_error *err)
{
    dnnl_primitive_desc_t pd;
    OK(d.dnnl_primitive_desc_create(&pd, op, NULL, s->engine, NULL));
    float *const data[3] = {s->p->a, s->p->b, s->out};
    for (int k = 0; k < 3; k++) {
        const dnnl_memory_desc_t *md = d.dnnl_primitive_desc_query_md(pd, queries[k], 0);
        dnnl_memory_t memory;
        hone_status st = place(s, &l->plain[k], data[k], md, &memory, err);
        if (st != HONE_OK)
            return st;
        s->args[k] = (dnnl_exec_arg_t){roles[k], memory};
        if (k == 2)
            s->out_md = *md;
    }
    s->plain_out = l->plain[2];
    OK(d.dnnl_memory_create(&s->plain_memory, &s->plain_out, s->engine, s->out));
    const char *info = "";
    OK(d.dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &info));
    snprintf(detail, n, ", %s", info);
    OK(d.dnnl_primitive_create(&s->primitive, pd));
    OK(d.dnnl_primitive_desc_destroy(pd));
    return HONE_OK;
}

static hone_status describe_layout(layout *l, const dnnl_dims_t dims[3], const int rank,
                                   const dnnl_format_tag_t tags[3], const bool any[3],
                                   hone_error *err)
{
    for (int k = 0; k < 3; k++) {
        OK(d.dnnl_memory_desc_init_by_tag(&l->plain[k], rank, dims[k], dnnl_f32, tags[k]));
        OK(d.dnnl_memory_desc_init_by_tag(&l->asked[k], rank, dims[k], dnnl_f32,
                                          any[k] ? dnnl_format_tag_any : tags[k]));
    }
    return HONE_OK;
}

static hone_status prepare_matmul(dnnl *s, bool packed, char *detail, size_t n, hone_error *err)
{
    const problem *p = s->p;
    const dnnl_dims_t dims[3] = {{p->m, p->k}, {p->k, p->n}, {p->m, p->n}};
    const dnnl_format_tag_t tags[3] = {dnnl_ab, dnnl_ab, dnnl_ab};
    const bool any[3] = {false, packed, false};
    layout l;
    hone_status st = describe_layout(&l, dims, 2, tags, any, err);
    if (st != HONE_OK)
        return st;
    dnnl_matmul_desc_t op;
    OK(d.dnnl_matmul_desc_init(&op, &l.asked[0], &l.asked[1], NULL, &l.asked[2]));
    return finish(s, &op, &l, detail, n, err);
}

static hone_status prepare_conv(dnnl *s, bool any_data, bool any_algorithm, char *detail, size_t n,
                                hone_error *err)
{
    const problem *p = s->p;
    const dnnl_dims_t dims[3] = {
        {p->batch, p->ci, p->h, p->w}, {p->co, p->ci, p->r, p->s}, {p->batch, p->co, p->ho, p->wo}};
    const dnnl_format_tag_t tags[3] = {dnnl_nhwc, dnnl_hwio, dnnl_nhwc};
    const bool any[3] = {any_data, true, any_data};
    layout l;
    hone_status st = describe_layout(&l, dims, 4, tags, any, err);
    if (st != HONE_OK)
        return st;
    const dnnl_dims_t stride = {p->stride, p->stride}, pad = {p->pad, p->pad};
    const dnnl_dims_t dilation = {p->dilation - 1, p->dilation - 1}; /* oneDNN counts from 0 */
    dnnl_convolution_desc_t op;
    OK(d.dnnl_dilated_convolution_forward_desc_init(
        &op, dnnl_forward_inference,
        any_algorithm ? dnnl_convolution_auto : dnnl_convolution_direct, &l.asked[0], &l.asked[1],
        NULL, &l.asked[2], stride, dilation, pad, pad));
    return finish(s, &op, &l, detail, n, err);
}

static int64_t run(contestant *c, int64_t calls)
{
    const dnnl *s = c->state;
    int64_t start = hone_clock_ns();
    for (int64_t i = 0; i < calls; i++)
        if (d.dnnl_primitive_execute(s->primitive, s->stream, 3, s->args) != dnnl_success ||
            d.dnnl_stream_wait(s->stream) != dnnl_success)
            return -1;
    return hone_clock_ns() - start;
}

static int64_t run_sgemm(contestant *c, int64_t calls)
{
    const dnnl *s = c->state;
    const problem *p = s->p;
    int64_t start = hone_clock_ns();
    for (int64_t i = 0; i < calls; i++)
        if (d.dnnl_sgemm('N', 'N', p->m, p->n, p->k, 1, p->a, p->k, p->b, p->n, 0, s->out, p->n) !=
            dnnl_success)
            return -1;
    return hone_clock_ns() - start;
}

static const float *result(contestant *c)
{
    dnnl *s = c->state;
    if (s->primitive && !d.dnnl_memory_desc_equal(&s->plain_out, &s->out_md) &&
        reorder(s, s->args[2].memory, &s->out_md, s->plain_memory, &s->plain_out, NULL) != HONE_OK)
        return NULL;
    return s->out;
}

static hone_status prepare(dnnl *s, const char *form, contestant *c, char *detail, size_t n,
                           hone_error *err)
{
    OK(d.dnnl_engine_create(&s->engine, dnnl_cpu, 0));
    OK(d.dnnl_stream_create(&s->stream, s->engine, dnnl_stream_default_flags));
    c->run = run;
    detail[0] = '\0';
    if (s->p->conv)
        return prepare_conv(s, strstr(form, "any") != NULL, strstr(form, "auto") != NULL, detail, n,
                            err);
    if (strcmp(form, "sgemm") != 0)
        return prepare_matmul(s, strstr(form, "packed") != NULL, detail, n, err);
    c->run = run_sgemm;
    return HONE_OK;
}

hone_status versus_dnnl(const candidate *c, const problem *p, contestant *ret, hone_error *err)
{
    hone_status st = load(c->file, p->threads, err);
    if (st != HONE_OK)
        return st;
    const dnnl_version_t *v = d.dnnl_version();
    if (v->major != DNNL_VERSION_MAJOR)
        return hone_fail(err, HONE_E_NOTFOUND, "oneDNN is version %d where %d was expected",
                         v->major, DNNL_VERSION_MAJOR);
    dnnl *s = hone_xcalloc(1, sizeof *s);
    s->p = p;
    s->out = aligned_alloc(64, ((size_t)p->n_c * sizeof(float) + 63) / 64 * 64);
    if (!s->out)
        return hone_fail(err, HONE_E_LIMIT, "out of memory");
    *ret = (contestant){.name = "oneDNN", .flops = p->flops, .result = result, .state = s};
    char detail[120];
    st = prepare(s, c->form, ret, detail, sizeof detail, err);
    snprintf(ret->detail, sizeof ret->detail, "%d.%d.%d %s%s", v->major, v->minor, v->patch,
             c->form, detail);
    return st;
}

#else

hone_status versus_dnnl(const candidate *c, const problem *p, contestant *ret, hone_error *err)
{
    (void)c;
    (void)p;
    (void)ret;
    return hone_fail(err, HONE_E_NOTFOUND,
                     "built without oneDNN: sh cmake/install-deps.sh bench, then configure again");
}

#endif
