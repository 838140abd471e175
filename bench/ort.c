/* Sessions of ONNX Runtime. From top to bottom: errors; types; opening; running. */
#include "bench/ort.h"

#include <dlfcn.h>

/* ---- errors ---------------------------------------------------------------------------------- */

static hone_status told(const ort_table *t, ort_status *s, hone_error *err)
{
    if (!s)
        return HONE_OK;
    hone_fail(err, HONE_E_TOOL, "ONNX Runtime: %s", t->message(s));
    t->release_status(s);
    return HONE_E_TOOL;
}

/* Leaves the function with ONNX Runtime's message when a call fails. */
#define OK(t, call) HONE_TRY(told(t, call, err))

/* ---- types ----------------------------------------------------------------------------------- */

const char *ort_type_name(int type, int64_t *ret_bytes)
{
    static const struct {
        const char *name;
        int type, bytes;
    } types[] = {{"f32", 1, 4},  {"u8", 2, 1},   {"i8", 3, 1},  {"u16", 4, 2},
                 {"i16", 5, 2},  {"i32", 6, 4},  {"i64", 7, 8}, {"bool", 9, 1},
                 {"f64", 11, 8}, {"u32", 12, 4}, {"u64", 13, 8}};
    for (size_t k = 0; k < HONE_LEN(types); k++)
        if (types[k].type == type) {
            *ret_bytes = types[k].bytes;
            return types[k].name;
        }
    return NULL;
}

/* Fills type and shape, and makes the tensor's memory. */
static hone_status shape(const ort_table *t, const ort_info *info, ort_tensor *x, hone_error *err)
{
    int64_t bytes = 0;
    OK(t, t->element_type(info, &x->type));
    OK(t, t->count_dims(info, &x->n_dims));
    if (!ort_type_name(x->type, &bytes))
        return hone_fail(err, HONE_E_INPUT,
                         "'%s' has elements of ONNX's type %d, which is not known here", x->name,
                         x->type);
    if (x->n_dims > ORT_MAX_DIMS)
        return hone_fail(err, HONE_E_INPUT, "'%s' has %zu dimensions, more than %d", x->name,
                         x->n_dims, ORT_MAX_DIMS);
    OK(t, t->dims(info, x->shape, x->n_dims));
    x->elements = 1;
    for (size_t k = 0; k < x->n_dims; k++) {
        if (x->shape[k] < 0)
            return hone_fail(err, HONE_E_INPUT, "dimension %zu of '%s' has no size in the model", k,
                             x->name);
        x->elements *= x->shape[k];
    }
    x->bytes = x->elements * bytes;
    size_t room = ((size_t)x->bytes / 64 + 1) * 64;
    x->data = aligned_alloc(64, room);
    if (!x->data)
        return hone_fail(err, HONE_E_INPUT, "'%s' does not fit into memory", x->name);
    memset(x->data, 0, room);
    return HONE_OK;
}

static hone_status wrap(const ort_table *t, ort_tensor *x, hone_error *err)
{
    ort_memory *memory;
    OK(t, t->cpu_memory(ORT_ARENA, 0, &memory));
    hone_status st = told(t,
                          t->create_tensor(memory, x->data, (size_t)x->bytes, x->shape, x->n_dims,
                                           x->type, &x->value),
                          err);
    t->release_memory(memory);
    return st;
}

/* ---- opening --------------------------------------------------------------------------------- */

static hone_status load(const char *path, ort_model *m, hone_error *err)
{
    const ort_base *(*base)(void);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return hone_fail(err, HONE_E_NOTFOUND, "cannot load ONNX Runtime: %s", dlerror());
    *(void **)&base = dlsym(library, "OrtGetApiBase");
    m->t = base ? base()->table(ORT_TABLE_VERSION) : NULL;
    if (!m->t)
        return hone_fail(err, HONE_E_NOTFOUND,
                         "%s is not ONNX Runtime, or one without its first C API", path);
    m->version = base()->version();
    return HONE_OK;
}

static hone_status configure(const ort_table *t, ort_options *o, int32_t threads, hone_error *err)
{
    OK(t, t->set_execution(o, ORT_SEQUENTIAL));
    OK(t, t->set_optimisation(o, ORT_OPTIMISE_ALL));
    OK(t, t->set_intra_threads(o, threads));
    OK(t, t->set_inter_threads(o, 1));
    return told(t, t->use_arena(o), err);
}

static hone_status start(ort_model *m, const char *model, int32_t threads, hone_error *err)
{
    const ort_table *t = m->t;
    ort_env *env;
    ort_options *o;
    OK(t, t->create_env(ORT_LOG_ERROR, "bench", &env));
    OK(t, t->create_options(&o));
    hone_status st = configure(t, o, threads, err);
    if (st == HONE_OK)
        st = told(t, t->create_session(env, model, o, &m->session), err);
    t->release_options(o);
    return st;
}

static hone_status describe_input(ort_model *m, size_t k, ort_allocator *names, hone_error *err)
{
    const ort_table *t = m->t;
    ort_type *type;
    const ort_info *info = NULL;
    OK(t, t->input_name(m->session, k, names, &m->in[k].name));
    OK(t, t->input_type(m->session, k, &type));
    hone_status st = told(t, t->tensor_info(type, &info), err);
    if (st == HONE_OK)
        st = info ? shape(t, info, &m->in[k], err)
                  : hone_fail(err, HONE_E_INPUT, "input '%s' is no tensor", m->in[k].name);
    t->release_type(type);
    return st == HONE_OK ? wrap(t, &m->in[k], err) : st;
}

hone_status ort_open(const char *path, const char *model, int32_t threads, ort_model *ret,
                     hone_error *err)
{
    *ret = (ort_model){0};
    HONE_TRY(load(path, ret, err));
    HONE_TRY(start(ret, model, threads, err));
    const ort_table *t = ret->t;
    ort_allocator *names;
    OK(t, t->default_allocator(&names));
    OK(t, t->count_inputs(ret->session, &ret->n_in));
    OK(t, t->count_outputs(ret->session, &ret->n_out));
    if (ret->n_in > ORT_MAX_TENSORS || ret->n_out > ORT_MAX_TENSORS)
        return hone_fail(err, HONE_E_INPUT,
                         "%zu inputs and %zu outputs; %d of each are possible here", ret->n_in,
                         ret->n_out, ORT_MAX_TENSORS);
    for (size_t k = 0; k < ret->n_in; k++)
        HONE_TRY(describe_input(ret, k, names, err));
    for (size_t k = 0; k < ret->n_out; k++)
        OK(t, t->output_name(ret->session, k, names, &ret->out[k].name));
    return HONE_OK;
}

/* ---- running --------------------------------------------------------------------------------- */

/* An output that the session made becomes one of ours. */
static hone_status adopt(const ort_table *t, ort_tensor *x, hone_error *err)
{
    ort_info *info;
    ort_value *made = x->value;
    OK(t, t->value_info(made, &info));
    hone_status st = shape(t, info, x, err);
    t->release_info(info);
    t->release_value(made);
    return st == HONE_OK ? wrap(t, x, err) : st;
}

static hone_status call(ort_model *m, hone_error *err)
{
    const char *in[ORT_MAX_TENSORS], *out[ORT_MAX_TENSORS];
    const ort_value *from[ORT_MAX_TENSORS];
    ort_value *to[ORT_MAX_TENSORS];
    for (size_t k = 0; k < m->n_in; k++) {
        in[k] = m->in[k].name;
        from[k] = m->in[k].value;
    }
    for (size_t k = 0; k < m->n_out; k++) {
        out[k] = m->out[k].name;
        to[k] = m->out[k].value;
    }
    OK(m->t, m->t->run(m->session, NULL, in, from, m->n_in, out, m->n_out, to));
    for (size_t k = 0; k < m->n_out; k++)
        m->out[k].value = to[k];
    return HONE_OK;
}

hone_status ort_run(ort_model *m, hone_error *err)
{
    bool first = !m->out[0].data;
    HONE_TRY(call(m, err));
    for (size_t k = 0; first && k < m->n_out; k++)
        HONE_TRY(adopt(m->t, &m->out[k], err));
    return first ? call(m, err) : HONE_OK;
}
