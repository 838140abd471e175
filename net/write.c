/* A graph as an ONNX model: by protobuf-c, from messages that lie in one list until they are
 * packed. */
#include "net/internal.h"
#include "net/op/op.h"

#include <onnx.pb-c.h>

#define IR_VERSION 8                         /* of ONNX 1.10 to 1.13: opsets up to 18 */
#define MAX_MODEL_BYTES ((size_t)2147483647) /* of a protobuf message */

typedef struct writer {
    const hone_net *g;
    HONE_VEC(void *) made; /* freed at the end */
    const char **names;    /* by value */
} writer;

static void *room(writer *w, size_t n, size_t size)
{
    void *p = hone_xcalloc(n ? n : 1, size);
    hone_vec_push(&w->made, p);
    return p;
}

/* protobuf-c has pointers to what it does not change */
static void *unconst(const void *p)
{
    return (void *)(uintptr_t)p;
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool is_taken(const hone_net *g, const char *name)
{
    for (uint32_t k = 1; k < g->values.n; k++)
        if (strcmp(g->values.v[k].name, name) == 0)
            return true;
    return false;
}

/* Values that the model does not name get one that no other has. */
static char *name_of(writer *w, hone_net_value v)
{
    if (!v.i)
        return unconst("");
    if (!w->names[v.i]) {
        char *name = hone_xasprintf("value_%" PRIu32, v.i);
        while (is_taken(w->g, name)) {
            char *longer = hone_xasprintf("%s_", name);
            free(name);
            name = longer;
        }
        hone_vec_push(&w->made, name);
        w->names[v.i] = name;
    }
    return unconst(w->names[v.i]);
}

/* ---- messages -------------------------------------------------------------------------------- */

static int32_t onnx_type(hone_dtype t)
{
    enum { MOST = 16 };
    for (int32_t k = 1; k <= MOST; k++)
        if (hone_net__dtype(k) == t)
            return k;
    HONE_ASSERT(false); /* no value is of a type that cannot be read */
    return 0;
}

static Onnx__Tensor *tensor(writer *w, const hone_tensor *t, const char *name)
{
    Onnx__Tensor *m = room(w, 1, sizeof *m);
    onnx__tensor__init(m);
    m->n_dims = t->n_dims;
    m->dims = unconst(t->shape);
    m->has_data_type = true;
    m->data_type = onnx_type(t->dtype);
    m->name = unconst(name);
    m->has_raw_data = true;
    m->raw_data = (ProtobufCBinaryData){(size_t)hone_tensor_bytes(t), t->data};
    return m;
}

static Onnx__ValueInfo *value_info(writer *w, hone_net_value v)
{
    const hone_tensor *t = &hone_net_value_at(w->g, v)->t;
    Onnx__ValueInfo *m = room(w, 1, sizeof *m);
    Onnx__Type *type = room(w, 1, sizeof *type);
    Onnx__TensorType *of = room(w, 1, sizeof *of);
    Onnx__Shape *shape = room(w, 1, sizeof *shape);
    onnx__value_info__init(m);
    onnx__type__init(type);
    onnx__tensor_type__init(of);
    onnx__shape__init(shape);
    m->name = name_of(w, v);
    m->type = type;
    type->tensor_type = of;
    of->has_elem_type = true;
    of->elem_type = onnx_type(t->dtype);
    of->shape = shape;
    shape->n_dim = t->n_dims;
    shape->dim = room(w, t->n_dims, sizeof *shape->dim);
    for (uint32_t k = 0; k < t->n_dims; k++) {
        shape->dim[k] = room(w, 1, sizeof **shape->dim);
        onnx__dimension__init(shape->dim[k]);
        shape->dim[k]->has_dim_value = true;
        shape->dim[k]->dim_value = t->shape[k];
    }
    return m;
}

static Onnx__Attribute *attribute(writer *w, const hone_net_attr *a)
{
    static const int32_t types[] = {
        [HONE_NET_ATTR_INT] = 2,  [HONE_NET_ATTR_FLOAT] = 1,  [HONE_NET_ATTR_TEXT] = 3,
        [HONE_NET_ATTR_INTS] = 7, [HONE_NET_ATTR_FLOATS] = 6, [HONE_NET_ATTR_TENSOR] = 4};
    Onnx__Attribute *m = room(w, 1, sizeof *m);
    onnx__attribute__init(m);
    m->name = unconst(a->name);
    m->has_type = true;
    m->type = types[a->kind];
    switch (a->kind) {
    case HONE_NET_ATTR_INT:
        m->has_i = true;
        m->i = a->i;
        break;
    case HONE_NET_ATTR_FLOAT:
        m->has_f = true;
        m->f = a->f;
        break;
    case HONE_NET_ATTR_TEXT:
        m->has_s = true;
        m->s = (ProtobufCBinaryData){strlen(a->text), unconst(a->text)};
        break;
    case HONE_NET_ATTR_INTS:
        m->n_ints = a->n;
        m->ints = unconst(a->ints);
        break;
    case HONE_NET_ATTR_FLOATS:
        m->n_floats = a->n;
        m->floats = unconst(a->floats);
        break;
    case HONE_NET_ATTR_TENSOR:
        m->t = tensor(w, a->tensor, "");
        break;
    }
    return m;
}

/* Does a node after place k of the order have its name too? What passes write before a node is
 * named as that is, and runtimes take each name once. */
static bool is_named_later(const hone_net *g, uint32_t k)
{
    const char *name = hone_net_node_at(g, g->order.v[k])->name;
    for (uint32_t j = k + 1; j < g->order.n; j++)
        if (strcmp(hone_net_node_at(g, g->order.v[j])->name, name) == 0)
            return true;
    return false;
}

static Onnx__Node *node(writer *w, uint32_t k)
{
    const hone_net_node_row *n = hone_net_node_at(w->g, w->g->order.v[k]);
    Onnx__Node *m = room(w, 1, sizeof *m);
    onnx__node__init(m);
    m->op_type = unconst(n->op->name);
    /* "#7" is what the reader calls one without a name */
    m->name = n->name[0] == '#' || is_named_later(w->g, k) ? NULL : unconst(n->name);
    m->n_input = n->n_in;
    m->input = room(w, n->n_in, sizeof *m->input);
    for (uint32_t j = 0; j < n->n_in; j++)
        m->input[j] = name_of(w, n->in[j]);
    m->n_output = n->n_out;
    m->output = room(w, n->n_out, sizeof *m->output);
    for (uint32_t j = 0; j < n->n_out; j++)
        m->output[j] = name_of(w, n->out[j]);
    m->attribute = room(w, n->n_attrs, sizeof *m->attribute);
    for (uint32_t j = 0; j < n->n_attrs; j++)
        if (n->attrs[j].given)
            m->attribute[m->n_attribute++] = attribute(w, &n->attrs[j]);
    return m;
}

/* ---- the graph ------------------------------------------------------------------------------- */

/* Constants that nodes or the caller take. */
static void initializers(writer *w, Onnx__Graph *m)
{
    const hone_net *g = w->g;
    bool *needed = room(w, g->values.n, sizeof *needed);
    for (uint32_t k = 0; k < g->order.n; k++) {
        const hone_net_node_row *n = hone_net_node_at(g, g->order.v[k]);
        for (uint32_t j = 0; j < n->n_in; j++)
            needed[n->in[j].i] = true;
    }
    for (uint32_t k = 0; k < g->outputs.n; k++)
        needed[g->outputs.v[k].i] = true;
    m->initializer = room(w, g->values.n, sizeof *m->initializer);
    for (uint32_t k = 1; k < g->values.n; k++)
        if (needed[k] && g->values.v[k].t.data)
            m->initializer[m->n_initializer++] =
                tensor(w, &g->values.v[k].t, name_of(w, (hone_net_value){k}));
}

static Onnx__Graph *graph(writer *w)
{
    const hone_net *g = w->g;
    Onnx__Graph *m = room(w, 1, sizeof *m);
    onnx__graph__init(m);
    m->name = unconst(*g->name ? g->name : "network");
    m->node = room(w, g->order.n, sizeof *m->node);
    for (uint32_t k = 0; k < g->order.n; k++)
        m->node[m->n_node++] = node(w, k);
    m->input = room(w, g->inputs.n, sizeof *m->input);
    for (uint32_t k = 0; k < g->inputs.n; k++)
        m->input[m->n_input++] = value_info(w, g->inputs.v[k]);
    m->output = room(w, g->outputs.n, sizeof *m->output);
    for (uint32_t k = 0; k < g->outputs.n; k++)
        m->output[m->n_output++] = value_info(w, g->outputs.v[k]);
    initializers(w, m);
    return m;
}

hone_status hone_net_write(const hone_net *g, uint8_t **ret, size_t *ret_n, hone_error *err)
{
    writer w = {.g = g};
    Onnx__Model model = ONNX__MODEL__INIT;
    Onnx__OperatorSet set = ONNX__OPERATOR_SET__INIT, *sets[] = {&set};
    w.names = room(&w, g->values.n, sizeof *w.names);
    for (uint32_t k = 1; k < g->values.n; k++)
        w.names[k] = *g->values.v[k].name ? g->values.v[k].name : NULL;
    model.has_ir_version = true;
    model.ir_version = IR_VERSION;
    set.domain = unconst("");
    set.has_version = true;
    set.version = g->opset;
    model.opset_import = sets;
    model.n_opset_import = 1;
    model.graph = graph(&w);
    *ret_n = onnx__model__get_packed_size(&model);
    *ret = NULL;
    hone_status st = HONE_OK;
    if (*ret_n > MAX_MODEL_BYTES) {
        st = hone_fail(err, HONE_E_LIMIT,
                       "the model would have %zu bytes, and a file of ONNX's "
                       "format has at most %zu",
                       *ret_n, MAX_MODEL_BYTES);
    } else {
        *ret = hone_xmalloc(*ret_n + 1);
        onnx__model__pack(&model, *ret);
    }
    for (uint32_t k = 0; k < w.made.n; k++)
        free(w.made.v[k]);
    hone_vec_free(&w.made);
    return st;
}
