/* Nodes: operator, attributes, and what they take and make, by name. */
#include "net/read/read.h"

#define MOST_TEXT 4096 /* bytes of an attribute: longer ones are no word of the standard's */

/* Of AttributeProto.type, as far as hone reads them. */
enum { TYPE_FLOAT = 1, TYPE_INT, TYPE_STRING, TYPE_TENSOR, TYPE_FLOATS = 6, TYPE_INTS };

static const struct {
    int32_t type;
    const char *text;
} kinds[] = {
    [HONE_NET_ATTR_INT] = {TYPE_INT, "an integer"},
    [HONE_NET_ATTR_FLOAT] = {TYPE_FLOAT, "a float"},
    [HONE_NET_ATTR_TEXT] = {TYPE_STRING, "a string"},
    [HONE_NET_ATTR_INTS] = {TYPE_INTS, "integers"},
    [HONE_NET_ATTR_FLOATS] = {TYPE_FLOATS, "floats"},
    [HONE_NET_ATTR_TENSOR] = {TYPE_TENSOR, "a tensor"},
};

/* ---- attributes ------------------------------------------------------------------------------ */

static void *copy(hone_net *g, const void *p, size_t n)
{
    void *q = hone_net_alloc(g, n);
    if (q && n)
        memcpy(q, p, n);
    return q;
}

static hone_status read_tensor(hone_net_reader *r, const Onnx__Attribute *m, const char *what,
                               hone_net_attr *a, hone_error *err)
{
    hone_tensor t;
    if (!m->t)
        return hone_fail(err, HONE_E_INPUT, "%s is no tensor", what);
    HONE_TRY(hone_net__read_tensor(r->g, m->t, what, r->folder, &t, err));
    a->tensor = copy(r->g, &t, sizeof t);
    return HONE_OK;
}

/* The value of an attribute, whose kind is right. */
static hone_status read_value(hone_net_reader *r, const Onnx__Attribute *m, const char *what,
                              hone_net_attr *a, hone_error *err)
{
    a->given = true;
    switch (a->kind) {
    case HONE_NET_ATTR_INT:
        a->i = m->i;
        return HONE_OK;
    case HONE_NET_ATTR_FLOAT:
        a->f = m->f;
        return HONE_OK;
    case HONE_NET_ATTR_TEXT: {
        char *s = hone_xasprintf("%.*s", (int)(m->s.len < MOST_TEXT ? m->s.len : MOST_TEXT),
                                 m->s.data ? (char *)m->s.data : "");
        char *clean = hone_text_clean(s);
        a->text = hone_net_strdup(r->g, clean);
        free(clean);
        free(s);
        return HONE_OK;
    }
    case HONE_NET_ATTR_INTS:
        a->n = (uint32_t)m->n_ints;
        a->ints = copy(r->g, m->ints, m->n_ints * sizeof *m->ints);
        break;
    case HONE_NET_ATTR_FLOATS:
        a->n = (uint32_t)m->n_floats;
        a->floats = copy(r->g, m->floats, m->n_floats * sizeof *m->floats);
        break;
    case HONE_NET_ATTR_TENSOR:
        HONE_TRY(read_tensor(r, m, what, a, err));
        break;
    }
    if (!a->tensor || m->n_ints > UINT32_MAX || m->n_floats > UINT32_MAX)
        return hone_fail(err, HONE_E_LIMIT, "%s: constants take too much memory", what);
    return HONE_OK;
}

static bool kind_fits(const Onnx__Attribute *m, hone_net_attr_kind kind)
{
    if (m->has_type && m->type)
        return m->type == kinds[kind].type;
    switch (kind) { /* models before IR version 2 do not say */
    case HONE_NET_ATTR_INT:
        return m->has_i;
    case HONE_NET_ATTR_FLOAT:
        return m->has_f;
    case HONE_NET_ATTR_TEXT:
        return m->has_s;
    case HONE_NET_ATTR_TENSOR:
        return m->t != NULL;
    default:
        return true;
    }
}

static hone_status read_attribute(hone_net_reader *r, const hone_net_use *u,
                                  const Onnx__Attribute *m, hone_net_attr *attrs, hone_error *err)
{
    const char *name = m->name ? m->name : "";
    uint32_t k = 0;
    while (k < u->node->op->n_attrs && strcmp(attrs[k].name, name) != 0)
        k++;
    if (k == u->node->op->n_attrs)
        return HONE_NET_NOT_YET("attribute '%.60s'", name);
    if (m->ref_attr_name && *m->ref_attr_name)
        return HONE_NET_NOT_YET("attribute '%.60s' refers to one of a function", name);
    if (attrs[k].given)
        return HONE_NET_BAD("attribute '%.60s' is given twice", name);
    if (!kind_fits(m, attrs[k].kind))
        return HONE_NET_BAD("attribute '%.60s' is not %s", name, kinds[attrs[k].kind].text);
    char what[256];
    snprintf(what, sizeof what, "node '%.100s' (%s): attribute '%.60s'", u->node->name,
             u->node->op->name, name);
    return read_value(r, m, what, &attrs[k], err);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static hone_status check_counts(const hone_net_use *u, const Onnx__Node *m, hone_error *err)
{
    const hone_net_op *op = u->node->op;
    if (m->n_input < op->min_in || m->n_input > op->max_in)
        return HONE_NET_BAD("it has %zu inputs, not %" PRIu32 " to %" PRIu32, m->n_input,
                            op->min_in, op->max_in);
    for (size_t k = 0; k < op->min_in; k++)
        if (!*m->input[k])
            return HONE_NET_BAD("input %zu is not given", k);
    if (m->n_output < op->min_out || m->n_output > op->max_out)
        return HONE_NET_BAD("it has %zu outputs, not %" PRIu32 " to %" PRIu32, m->n_output,
                            op->min_out, op->max_out);
    return HONE_OK;
}

static hone_status read_attributes(hone_net_reader *r, const hone_net_use *u, const Onnx__Node *m,
                                   hone_net_attr *attrs, hone_error *err)
{
    const hone_net_op *op = u->node->op;
    for (uint32_t k = 0; k < op->n_attrs; k++) {
        const hone_net_attr_spec *s = &op->attrs[k];
        attrs[k] = (hone_net_attr){.name = s->name, .kind = s->kind};
        if (s->kind == HONE_NET_ATTR_INT)
            attrs[k].i = s->i;
        else if (s->kind == HONE_NET_ATTR_FLOAT)
            attrs[k].f = s->f;
        else if (s->kind == HONE_NET_ATTR_TEXT)
            attrs[k].text = s->text ? s->text : "";
    }
    for (size_t k = 0; k < m->n_attribute; k++)
        HONE_TRY(read_attribute(r, u, m->attribute[k], attrs, err));
    for (uint32_t k = 0; k < op->n_attrs; k++)
        if (op->attrs[k].required && !attrs[k].given)
            return HONE_NET_BAD("attribute '%s' is missing", op->attrs[k].name);
    return HONE_OK;
}

static hone_status add_node(hone_net_reader *r, const Onnx__Node *m, hone_net_node_row *row,
                            const hone_net_use *u, hone_error *err)
{
    HONE_TRY(check_counts(u, m, err));
    HONE_VEC(hone_net_value) out = {0};
    const hone_tensor unknown = {.dtype = HONE_DTYPE_COUNT};
    hone_status st = HONE_OK;
    for (size_t k = 0; k < m->n_output && st == HONE_OK; k++) {
        hone_net_value v = HONE_NET_NO_VALUE;
        if (*m->output[k])
            st = hone_net__name_value(r, m->output[k], &unknown, &v, err);
        else if (k < row->op->min_out) /* what evaluation always makes */
            v = hone_net_add_value(r->g, "", &unknown);
        hone_vec_push(&out, v);
    }
    hone_net_attr *attrs = hone_xcalloc(row->op->n_attrs + 1, sizeof *attrs);
    if (st == HONE_OK)
        st = read_attributes(r, u, m, attrs, err);
    /* inputs are found when all nodes are there */
    hone_net_value *in = hone_xcalloc(m->n_input + 1, sizeof *in);
    if (st == HONE_OK) {
        row->in = in;
        row->n_in = (uint32_t)m->n_input;
        row->out = out.v;
        row->n_out = out.n;
        row->attrs = attrs;
        row->n_attrs = row->op->n_attrs;
        hone_net_add_node(r->g, row);
    }
    free(in);
    free(attrs);
    hone_vec_free(&out);
    return st;
}

static hone_status read_node(hone_net_reader *r, const Onnx__Node *m, uint32_t at, hone_error *err)
{
    bool known;
    char place[24];
    snprintf(place, sizeof place, "#%" PRIu32, at);
    char *name = hone_text_clean(m->name && *m->name ? m->name : place);
    hone_net_node_row row = {.op = hone_net_op_find(m->op_type, r->opset, &known), .name = name};
    const hone_net_use u = {.node = &row};
    hone_status st = add_node(r, m, &row, &u, err);
    free(name);
    return st;
}

static hone_status connect(hone_net_reader *r, const Onnx__Node *m, hone_net_node n,
                           hone_error *err)
{
    const hone_net_node_row *row = hone_net_node_at(r->g, n);
    const hone_net_use use = {.node = row}, *u = &use;
    hone_net_value *in = (hone_net_value *)row->in; /* the reader's, until it is done */
    for (uint32_t k = 0; k < row->n_in; k++) {
        if (!*m->input[k])
            continue;
        in[k] = hone_net__find_value(r, m->input[k]);
        if (!in[k].i)
            return HONE_NET_BAD("it takes '%.100s', which nothing makes", m->input[k]);
    }
    return HONE_OK;
}

hone_status hone_net__read_nodes(hone_net_reader *r, hone_error *err)
{
    const Onnx__Graph *m = r->model->graph;
    for (size_t k = 0; k < m->n_node; k++)
        HONE_TRY(read_node(r, m->node[k], (uint32_t)k, err));
    for (size_t k = 0; k < m->n_node; k++)
        HONE_TRY(connect(r, m->node[k], (hone_net_node){(uint32_t)k + 1}, err));
    return HONE_OK;
}
