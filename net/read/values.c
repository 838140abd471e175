/* The values that a model names itself: initializers, inputs and outputs. */
#include "net/read/read.h"

/* ---- by name --------------------------------------------------------------------------------- */

static uint64_t hash(const char *name)
{
    return hone_hash_bytes(0, name, strlen(name));
}

hone_net_value hone_net__find_value(const hone_net_reader *r, const char *name)
{
    uint32_t at = 0;
    for (void *p; (p = hone_map_next(&r->values, hash(name), &at));) {
        hone_net_value v = {(uint32_t)(uintptr_t)p};
        if (strcmp(hone_net_value_at(r->g, v)->name, name) == 0)
            return v;
    }
    return HONE_NET_NO_VALUE;
}

hone_status hone_net__name_value(hone_net_reader *r, const char *name, const hone_tensor *t,
                                 hone_net_value *ret, hone_error *err)
{
    if (hone_net__find_value(r, name).i)
        return hone_fail(err, HONE_E_INPUT, "two values are called '%.100s'", name);
    *ret = hone_net_add_value(r->g, name, t);
    hone_map_add(&r->values, hash(name), (void *)(uintptr_t)ret->i);
    return HONE_OK;
}

/* ---- initializers ---------------------------------------------------------------------------- */

/* The model's own copy of the data goes at once: of a large model it is as much as all the rest. */
static hone_status read_initializer(hone_net_reader *r, Onnx__Tensor *m, hone_error *err)
{
    char what[160];
    if (!m->name || !*m->name)
        return hone_fail(err, HONE_E_INPUT, "an initializer has no name");
    snprintf(what, sizeof what, "initializer '%.100s'", m->name);
    hone_tensor t;
    hone_net_value v;
    HONE_TRY(hone_net__read_tensor(r->g, m, what, r->folder, &t, err));
    free(m->raw_data.data);
    m->raw_data = (ProtobufCBinaryData){0};
    return hone_net__name_value(r, m->name, &t, &v, err);
}

hone_status hone_net__read_initializers(hone_net_reader *r, hone_error *err)
{
    const Onnx__Graph *m = r->model->graph;
    for (size_t k = 0; k < m->n_initializer; k++)
        HONE_TRY(read_initializer(r, m->initializer[k], err));
    return HONE_OK;
}

/* ---- inputs ---------------------------------------------------------------------------------- */

static bool find_dim(const hone_net_reader *r, const char *name, int64_t *ret)
{
    for (uint32_t k = 0; k < r->options->n_dims; k++)
        if (strcmp(r->options->dims[k].name, name) == 0) {
            *ret = r->options->dims[k].value;
            return r->dims_used[k] = true;
        }
    return false;
}

/* "f32[1, 3, N]", as the model has it; ret is emptied first. */
static void declared(const Onnx__TensorType *type, hone_buf *ret)
{
    hone_dtype dtype = hone_net__dtype(type->elem_type);
    hone_buf_reset(ret);
    hone_buf_puts(ret, dtype == HONE_DTYPE_COUNT ? "?" : hone_dtype_name(dtype));
    if (!type->shape) {
        hone_buf_puts(ret, " of any shape");
        return;
    }
    for (size_t k = 0; k < type->shape->n_dim; k++) {
        const Onnx__Dimension *d = type->shape->dim[k];
        hone_buf_puts(ret, k ? ", " : "[");
        if (d->has_dim_value)
            hone_buf_printf(ret, "%" PRId64, d->dim_value);
        else
            hone_buf_printf(ret, "%.60s", d->dim_param && *d->dim_param ? d->dim_param : "?");
    }
    hone_buf_puts(ret, type->shape->n_dim ? "]" : "[]");
}

/* What is given for the input is something else. */
static hone_status not_that(const char *name, const Onnx__TensorType *type,
                            const hone_tensor *given, hone_error *err)
{
    hone_buf wants = {0};
    char has[HONE_NET_TEXT_BYTES];
    declared(type, &wants);
    hone_tensor_text(given, has, sizeof has);
    hone_fail(err, HONE_E_INPUT, "input '%.100s' is %.300s, what is given %s", name, wants.s, has);
    hone_buf_free(&wants);
    return HONE_E_INPUT;
}

/* given: what the input holds, or NULL. */
static hone_status read_size(hone_net_reader *r, const char *name, const Onnx__Dimension *d,
                             uint32_t k, const hone_tensor *given, int64_t *ret, hone_error *err)
{
    if (d->has_dim_value) {
        *ret = d->dim_value;
        if (*ret < 0)
            return hone_fail(err, HONE_E_INPUT, "input '%.100s': a size is negative", name);
        return HONE_OK;
    }
    if (d->dim_param && find_dim(r, d->dim_param, ret))
        return HONE_OK;
    if (given) {
        *ret = given->shape[k];
        return HONE_OK;
    }
    if (!d->dim_param || !*d->dim_param)
        return hone_fail(err, HONE_E_INPUT,
                         "input '%.100s': size %" PRIu32 " is neither given nor named", name, k);
    return hone_fail(err, HONE_E_INPUT, "input '%.100s': how large is '%.60s'? say --dim %.60s=INT",
                     name, d->dim_param, d->dim_param);
}

static hone_status read_shape(hone_net_reader *r, const char *name, const Onnx__TensorType *type,
                              const hone_tensor *given, hone_tensor *t, hone_error *err)
{
    const Onnx__Shape *s = type->shape;
    if (s->n_dim > HONE_MAX_DIMS)
        return hone_fail(err, HONE_E_UNSUPPORTED,
                         "input '%.100s': %zu dimensions, hone has at most %d", name, s->n_dim,
                         HONE_MAX_DIMS);
    if (given && given->n_dims != s->n_dim)
        return not_that(name, type, given, err);
    t->n_dims = (uint8_t)s->n_dim;
    for (uint32_t k = 0; k < t->n_dims; k++)
        HONE_TRY(read_size(r, name, s->dim[k], k, given, &t->shape[k], err));
    if (!hone_net__shape_ok(t))
        return hone_fail(err, HONE_E_INPUT, "input '%.100s': it is too large", name);
    return HONE_OK;
}

static hone_status give(hone_net_reader *r, const char *name, const Onnx__TensorType *type,
                        const hone_tensor *given, hone_tensor *t, hone_error *err)
{
    if (given->dtype != t->dtype || !hone_tensor_same_shape(given, t))
        return not_that(name, type, given, err);
    if (!given->data)
        return HONE_OK;
    size_t n = (size_t)hone_tensor_bytes(t);
    t->data = hone_net_alloc(r->g, n);
    if (!t->data)
        return hone_fail(err, HONE_E_LIMIT, "input '%.100s' takes too much memory", name);
    if (n)
        memcpy(t->data, given->data, n);
    return HONE_OK;
}

uint32_t hone_net_given_for(const hone_net_options *o, const char *name, uint32_t *next)
{
    for (uint32_t k = 0; k < o->n_given && o->given_names; k++)
        if (o->given_names[k] && strcmp(o->given_names[k], name) == 0)
            return k;
    while (*next < o->n_given && o->given_names && o->given_names[*next])
        ++*next;
    return *next < o->n_given ? (*next)++ : o->n_given;
}

/* A name that something is given for and no input has; NULL: there is none. */
static const char *stranger(const hone_net_reader *r)
{
    const hone_net_options *o = r->options;
    const Onnx__Graph *m = r->model->graph;
    for (uint32_t k = 0; k < o->n_given && o->given_names; k++) {
        const char *name = o->given_names[k];
        size_t i = 0;
        while (name && i < m->n_input &&
               strcmp(m->input[i]->name ? m->input[i]->name : "", name) != 0)
            i++;
        if (name && i == m->n_input)
            return name;
    }
    return NULL;
}

/* What is given for this input, NULL: nothing is given for any. */
static hone_status find_given(hone_net_reader *r, const Onnx__ValueInfo *m, const hone_tensor **ret,
                              hone_error *err)
{
    const hone_net_options *o = r->options;
    *ret = NULL;
    if (!o->given)
        return HONE_OK;
    uint32_t k = hone_net_given_for(o, m->name, &r->next_given);
    if (k == o->n_given) {
        hone_buf wants = {0};
        const char *other = stranger(r);
        declared(m->type->tensor_type, &wants);
        hone_fail(err, HONE_E_INPUT,
                  "input '%.100s' is %.300s, and nothing is given for it%s%.100s%s", m->name,
                  wants.s, other ? "; no input is called '" : "", other ? other : "",
                  other ? "'" : "");
        hone_buf_free(&wants);
        return HONE_E_INPUT;
    }
    r->n_given++;
    *ret = &o->given[k];
    return HONE_OK;
}

static hone_status read_input(hone_net_reader *r, const Onnx__ValueInfo *m, hone_error *err)
{
    const hone_tensor *given;
    const Onnx__TensorType *type = m->type ? m->type->tensor_type : NULL;
    if (!type)
        return hone_fail(err, HONE_E_INPUT, "input '%.100s' has no type", m->name);
    HONE_TRY(find_given(r, m, &given, err));
    hone_tensor t = {.dtype = hone_net__dtype(type->elem_type)};
    if (t.dtype == HONE_DTYPE_COUNT)
        return hone_fail(err, HONE_E_INPUT, "input '%.100s': there is no element type %d", m->name,
                         type->elem_type);
    if (type->shape)
        HONE_TRY(read_shape(r, m->name, type, given, &t, err));
    else if (!given)
        return hone_fail(err, HONE_E_INPUT, "input '%.100s' has no shape", m->name);
    else
        t.n_dims = given->n_dims, memcpy(t.shape, given->shape, sizeof t.shape);
    if (given)
        HONE_TRY(give(r, m->name, type, given, &t, err));
    hone_net_value v;
    HONE_TRY(hone_net__name_value(r, m->name, &t, &v, err));
    hone_net_value_at(r->g, v)->is_input = true;
    hone_vec_push(&r->g->inputs, v);
    return HONE_OK;
}

/* More is given than there are inputs, or for one that there is not. */
static hone_status too_much(const hone_net_reader *r, hone_error *err)
{
    const hone_net_options *o = r->options;
    for (uint32_t k = 0; k < o->n_given && o->given_names; k++) {
        const char *name = o->given_names[k];
        hone_net_value v = name ? hone_net__find_value(r, name) : HONE_NET_NO_VALUE;
        if (name && (!v.i || !hone_net_value_at(r->g, v)->is_input))
            return hone_fail(err, HONE_E_INPUT, "no input is called '%.100s'", name);
    }
    return hone_fail(err, HONE_E_INPUT, "%" PRIu32 " inputs are given, the model has %" PRIu32,
                     o->n_given, r->g->inputs.n);
}

/* Before IR version 4 initializers were listed among the inputs too; they are constants here, and
 * not what a caller gives. */
hone_status hone_net__read_inputs(hone_net_reader *r, hone_error *err)
{
    const Onnx__Graph *m = r->model->graph;
    for (size_t k = 0; k < m->n_input; k++) {
        const char *name = m->input[k]->name;
        if (!name || !*name)
            return hone_fail(err, HONE_E_INPUT, "an input has no name");
        hone_net_value v = hone_net__find_value(r, name);
        if (v.i && !hone_net_value_at(r->g, v)->is_input)
            continue;
        HONE_TRY(read_input(r, m->input[k], err));
    }
    return r->options->given && r->n_given != r->options->n_given ? too_much(r, err) : HONE_OK;
}

/* ---- outputs --------------------------------------------------------------------------------- */

hone_status hone_net__read_outputs(hone_net_reader *r, hone_error *err)
{
    const Onnx__Graph *m = r->model->graph;
    if (!m->n_output)
        return hone_fail(err, HONE_E_INPUT, "the model has no outputs");
    for (size_t k = 0; k < m->n_output; k++) {
        const char *name = m->output[k]->name ? m->output[k]->name : "";
        hone_net_value v = *name ? hone_net__find_value(r, name) : HONE_NET_NO_VALUE;
        if (!v.i)
            return hone_fail(err, HONE_E_INPUT, "nothing makes output '%.100s'", name);
        hone_net_value_at(r->g, v)->is_output = true;
        hone_vec_push(&r->g->outputs, v);
    }
    return HONE_OK;
}

hone_status hone_net__check_outputs(const hone_net_reader *r, hone_error *err)
{
    const Onnx__Graph *m = r->model->graph;
    for (uint32_t k = 0; k < r->g->outputs.n; k++) {
        const hone_net_value_row *v = hone_net_value_at(r->g, r->g->outputs.v[k]);
        const Onnx__TensorType *type = m->output[k]->type ? m->output[k]->type->tensor_type : NULL;
        if (!type)
            continue;
        char text[HONE_NET_TEXT_BYTES];
        hone_tensor_text(&v->t, text, sizeof text);
        if (type->elem_type && hone_net__dtype(type->elem_type) != v->t.dtype)
            return hone_fail(err, HONE_E_INPUT, "output '%.100s' is %s, the model says %s", v->name,
                             text, hone_net__dtype_text(type->elem_type));
        bool fits = !type->shape || type->shape->n_dim == v->t.n_dims;
        for (uint32_t d = 0; fits && type->shape && d < v->t.n_dims; d++) {
            const Onnx__Dimension *dim = type->shape->dim[d];
            fits = !dim->has_dim_value || dim->dim_value == v->t.shape[d];
        }
        if (!fits)
            return hone_fail(err, HONE_E_INPUT, "output '%.100s' is %s, the model says otherwise",
                             v->name, text);
    }
    return HONE_OK;
}
