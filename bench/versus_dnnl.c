/* oneDNN: loading, layouts and calls. Constants are brought into the layout oneDNN asks for ahead
 * of time, as hone's are; where it asks for other layouts of inputs and results, it pays in every
 * call. */
#include "bench/versus.h"

#ifdef HONE_BENCH_DNNL

#include "bench/dnnl.h"

#include <dlfcn.h>

dnnl_api d;

static hone_status load(const char *file, int32_t threads, hone_error *err)
{
    void *lib = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return hone_fail(err, HONE_E_NOTFOUND, "cannot load oneDNN: %s", dlerror());
#define X(f)                         \
    *(void **)&d.f = dlsym(lib, #f); \
    if (!d.f)                        \
        return hone_fail(err, HONE_E_NOTFOUND, "%s has no %s", file, #f);
    DNNL_FUNCTIONS(X)
#undef X
    void (*set_threads)(int); /* of the OpenMP library that oneDNN brought along */
    *(void **)&set_threads = dlsym(lib, "omp_set_num_threads");
    if (set_threads)
        set_threads(threads);
    return HONE_OK;
}

/* ---- layouts --------------------------------------------------------------------------------- */

dnnl_data_type_t dnnl_type(hone_dtype t)
{
    switch (t) {
    case HONE_F32:
        return dnnl_f32;
    case HONE_F16:
        return dnnl_f16;
    case HONE_BF16:
        return dnnl_bf16;
    case HONE_I32:
        return dnnl_s32;
    case HONE_I8:
        return dnnl_s8;
    case HONE_U8:
        return dnnl_u8;
    default:
        return dnnl_data_type_undef;
    }
}

hone_status dnnl_desc(hone_dtype t, int n, const int64_t *dims, const int64_t *strides,
                      dnnl_memory_desc_t *ret, hone_error *err)
{
    int64_t dense[DNNL_MAX_NDIMS], next = 1;
    for (int k = n - 1; k >= 0 && !strides; k--) {
        dense[k] = next;
        next *= dims[k];
    }
    OK(d.dnnl_memory_desc_init_by_strides(ret, n, dims, dnnl_type(t), strides ? strides : dense));
    return HONE_OK;
}

dnnl_memory_desc_t dnnl_any_layout(dnnl_memory_desc_t md)
{
    md.format_kind = dnnl_format_kind_any;
    return md;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static hone_status reorder(const baseline *b, dnnl_memory_t from, const dnnl_memory_desc_t *from_md,
                           dnnl_memory_t to, const dnnl_memory_desc_t *to_md, step *ret,
                           hone_error *err)
{
    dnnl_primitive_desc_t pd;
    OK(d.dnnl_reorder_primitive_desc_create(&pd, from_md, b->engine, to_md, b->engine, NULL));
    *ret = (step){.n = 2, .args = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}}};
    OK(d.dnnl_primitive_create(&ret->primitive, pd));
    OK(d.dnnl_primitive_desc_destroy(pd));
    return HONE_OK;
}

static bool execute(const baseline *b, const step *s)
{
    if (!s->primitive)
        return s->call(b->p, b->out) == dnnl_success;
    return d.dnnl_primitive_execute(s->primitive, b->stream, s->n, s->args) == dnnl_success &&
           d.dnnl_stream_wait(b->stream) == dnnl_success;
}

/* The memory for one operand of a primitive; a reorder goes to `before` or `after`. */
static hone_status place(baseline *b, const operand *o, const dnnl_memory_desc_t *md,
                         dnnl_memory_t *ret, step *reorders, int *n_before, int *n_after,
                         hone_error *err)
{
    dnnl_memory_t plain;
    OK(d.dnnl_memory_create(&plain, o->plain, b->engine, o->data));
    *ret = plain;
    if (!md || d.dnnl_memory_desc_equal(o->plain, md))
        return HONE_OK;
    OK(d.dnnl_memory_create(ret, md, b->engine, DNNL_MEMORY_ALLOCATE));
    if (o->kind == OPERAND_OUTPUT)
        return reorder(b, *ret, md, plain, o->plain, &reorders[DNNL_STEP_ARGS - 1 - (*n_after)++],
                       err);
    step s;
    hone_status st = reorder(b, plain, o->plain, *ret, md, &s, err);
    if (st != HONE_OK)
        return st;
    if (o->kind == OPERAND_INPUT)
        reorders[(*n_before)++] = s;
    else if (!execute(b, &s))
        return hone_fail(err, HONE_E_TOOL, "oneDNN cannot reorder the weights");
    return HONE_OK;
}

hone_status dnnl_add(baseline *b, const void *desc, const_dnnl_primitive_attr_t attr,
                     const operand *v, int n, hone_error *err)
{
    dnnl_primitive_desc_t pd;
    OK(d.dnnl_primitive_desc_create(&pd, desc, attr, b->engine, NULL));
    step s = {.n = n}, reorders[DNNL_STEP_ARGS];
    int before = 0, after = 0;
    for (int k = 0; k < n; k++) {
        const dnnl_memory_desc_t *md =
            v[k].arg >= DNNL_ARG_ATTR_MULTIPLE_POST_OP_BASE
                ? NULL
                : d.dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, v[k].arg);
        dnnl_memory_t memory;
        hone_status st = place(b, &v[k], md, &memory, reorders, &before, &after, err);
        if (st != HONE_OK)
            return st;
        s.args[k] = (dnnl_exec_arg_t){v[k].arg, memory};
    }
    const char *info = "";
    OK(d.dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &info));
    size_t used = strlen(b->detail);
    snprintf(b->detail + used, sizeof b->detail - used, ", %s%s", info,
             before + after ? " with reorders" : "");
    OK(d.dnnl_primitive_create(&s.primitive, pd));
    OK(d.dnnl_primitive_desc_destroy(pd));
    for (int k = 0; k < before; k++)
        hone_vec_push(&b->steps, reorders[k]);
    hone_vec_push(&b->steps, s);
    for (int k = 0; k < after; k++)
        hone_vec_push(&b->steps, reorders[DNNL_STEP_ARGS - 1 - k]);
    return HONE_OK;
}

static int64_t run(contestant *c, int64_t calls)
{
    const baseline *b = c->state;
    int64_t start = hone_clock_ns();
    for (int64_t i = 0; i < calls; i++)
        for (uint32_t k = 0; k < b->steps.n; k++)
            if (!execute(b, &b->steps.v[k]))
                return -1;
    return hone_clock_ns() - start;
}

/* ---- the contestant ---------------------------------------------------------------------------
 */

void versus_dnnl_forms(const problem *p, const char *ret[VERSUS_MAX_FORMS + 1])
{
    const dnnl_operator *o = dnnl_find(p->kernel);
    int n = 0;
    for (int k = 0; o && k < VERSUS_MAX_FORMS && o->forms[k]; k++) {
        /* packed weights only against packed weights */
        bool packed = strstr(o->forms[k], "packed") != NULL;
        if (!packed || p->args[1].constant)
            ret[n++] = o->forms[k];
    }
    ret[n] = NULL;
}

hone_status versus_dnnl(const candidate *c, const problem *p, contestant *ret, hone_error *err)
{
    const dnnl_operator *o = dnnl_find(p->kernel);
    if (!o)
        return hone_fail(err, HONE_E_NOTFOUND, "oneDNN has no %s", p->kernel);
    hone_status st = load(c->file, p->threads, err);
    if (st != HONE_OK)
        return st;
    const dnnl_version_t *v = d.dnnl_version();
    if (v->major != DNNL_VERSION_MAJOR)
        return hone_fail(err, HONE_E_NOTFOUND, "oneDNN is version %d where %d was expected",
                         v->major, DNNL_VERSION_MAJOR);
    baseline *b = hone_xcalloc(1, sizeof *b);
    b->p = p;
    b->form = c->form;
    b->out = p->out->data;
    OK(d.dnnl_engine_create(&b->engine, dnnl_cpu, 0));
    OK(d.dnnl_stream_create(&b->stream, b->engine, dnnl_stream_default_flags));
    st = o->prepare(b, err);
    *ret = (contestant){.name = "oneDNN", .flops = p->flops, .run = run, .state = b};
    snprintf(ret->detail, sizeof ret->detail, "%d.%d.%d %s%s", v->major, v->minor, v->patch,
             c->form, b->detail);
    return st;
}

#else

void versus_dnnl_forms(const problem *p, const char *ret[VERSUS_MAX_FORMS + 1])
{
    (void)p;
    ret[0] = NULL;
}

hone_status versus_dnnl(const candidate *c, const problem *p, contestant *ret, hone_error *err)
{
    (void)c;
    (void)p;
    (void)ret;
    return hone_fail(err, HONE_E_NOTFOUND,
                     "built without oneDNN: sh cmake/install-deps.sh bench, then configure again");
}

#endif
