/* A graph for people: as text, and for Graphviz. */
#include "net/internal.h"
#include "net/op/op.h"

#define SHOWN 8 /* elements of a constant, numbers of an attribute */

void hone_net__put_name(const hone_net *g, hone_net_value v, hone_buf *ret)
{
    char *name = hone_text_clean(v.i ? hone_net_value_at(g, v)->name : "");
    hone_buf_puts(ret, *name ? name : "_");
    free(name);
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void put_number(const hone_tensor *t, int64_t k, hone_buf *ret)
{
    if (hone_dtype_is_float(t->dtype))
        hone_buf_printf(ret, "%g", hone_tensor_float(t, k));
    else
        hone_buf_printf(ret, "%" PRId64, hone_tensor_int(t, k));
}

/* The first elements, if there are few dimensions of them. */
static void put_elements(const hone_tensor *t, hone_buf *ret)
{
    int64_t n = hone_tensor_elems(t);
    if (t->n_dims > 1)
        return;
    hone_buf_puts(ret, " =");
    for (int64_t k = 0; k < n && k < SHOWN; k++) {
        hone_buf_puts(ret, " ");
        put_number(t, k, ret);
    }
    if (n > SHOWN)
        hone_buf_puts(ret, " ...");
}

static void put_list(const hone_net_attr *a, hone_buf *ret)
{
    hone_buf_puts(ret, "[");
    for (uint32_t k = 0; k < a->n && k < SHOWN; k++) {
        hone_buf_puts(ret, k ? "," : "");
        if (a->kind == HONE_NET_ATTR_INTS)
            hone_buf_printf(ret, "%" PRId64, a->ints[k]);
        else
            hone_buf_printf(ret, "%g", (double)a->floats[k]);
    }
    hone_buf_puts(ret, a->n > SHOWN ? ",...]" : "]");
}

static void put_attr(const hone_net_attr *a, hone_buf *ret)
{
    hone_buf_printf(ret, " %s=", a->name);
    switch (a->kind) {
    case HONE_NET_ATTR_INT:
        hone_buf_printf(ret, "%" PRId64, a->i);
        break;
    case HONE_NET_ATTR_FLOAT:
        hone_buf_printf(ret, "%g", (double)a->f);
        break;
    case HONE_NET_ATTR_TEXT:
        hone_buf_puts(ret, a->text);
        break;
    case HONE_NET_ATTR_TENSOR: {
        char text[HONE_NET_TEXT_BYTES];
        hone_tensor_text(a->tensor, text, sizeof text);
        hone_buf_puts(ret, text);
        break;
    }
    default:
        put_list(a, ret);
    }
}

static void put_attrs(const hone_net_node_row *n, hone_buf *ret)
{
    for (uint32_t k = 0; k < n->n_attrs; k++)
        if (n->attrs[k].given)
            put_attr(&n->attrs[k], ret);
}

/* Which constants some node, or the caller, takes. */
static bool *used_constants(const hone_net *g)
{
    bool *used = hone_xcalloc(g->values.n, sizeof *used);
    for (uint32_t k = 0; k < g->outputs.n; k++)
        used[g->outputs.v[k].i] = hone_net_is_constant(g, g->outputs.v[k]);
    for (uint32_t k = 0; k < g->order.n; k++) {
        const hone_net_node_row *n = hone_net_node_at(g, g->order.v[k]);
        for (uint32_t j = 0; j < n->n_in; j++)
            used[n->in[j].i] = n->in[j].i && hone_net_is_constant(g, n->in[j]);
    }
    return used;
}

/* ---- text ------------------------------------------------------------------------------------ */

static void put_value(const hone_net *g, const char *kind, hone_net_value v, hone_buf *ret)
{
    char text[HONE_NET_TEXT_BYTES];
    const hone_tensor *t = &hone_net_value_at(g, v)->t;
    hone_tensor_text(t, text, sizeof text);
    hone_buf_printf(ret, "%-6s ", kind);
    hone_net__put_name(g, v, ret);
    hone_buf_printf(ret, ": %s", text);
    if (t->data)
        put_elements(t, ret);
    hone_buf_puts(ret, "\n");
}

static void put_node(const hone_net *g, const hone_net_node_row *n, hone_buf *ret)
{
    for (uint32_t k = 0; k < n->n_out; k++) {
        char text[HONE_NET_TEXT_BYTES] = "";
        if (n->out[k].i)
            hone_tensor_text(&hone_net_value_at(g, n->out[k])->t, text, sizeof text);
        hone_buf_puts(ret, k ? ", " : "node   ");
        hone_net__put_name(g, n->out[k], ret);
        hone_buf_printf(ret, "%s%s", *text ? ": " : "", text);
    }
    hone_buf_printf(ret, " = %s(", n->op->name);
    for (uint32_t k = 0; k < n->n_in; k++) {
        hone_buf_puts(ret, k ? ", " : "");
        hone_net__put_name(g, n->in[k], ret);
    }
    hone_buf_puts(ret, ")");
    put_attrs(n, ret);
    hone_buf_puts(ret, "\n");
}

void hone_net_print(const hone_net *g, hone_buf *ret)
{
    bool *used = used_constants(g);
    uint32_t constants = 0;
    int64_t bytes = 0;
    for (uint32_t k = 1; k < g->values.n; k++)
        if (used[k]) {
            constants++;
            bytes += hone_tensor_bytes(&g->values.v[k].t);
        }
    hone_buf_printf(ret,
                    "network %s: opset %" PRId64 ", %" PRIu32 " nodes, %" PRIu32
                    " constants of %" PRId64 " bytes\n",
                    *g->name ? g->name : "_", g->opset, g->order.n, constants, bytes);
    for (uint32_t k = 0; k < g->inputs.n; k++)
        put_value(g, "input", g->inputs.v[k], ret);
    for (uint32_t k = 1; k < g->values.n; k++)
        if (used[k] && !g->values.v[k].is_input)
            put_value(g, "const", (hone_net_value){k}, ret);
    for (uint32_t k = 0; k < g->order.n; k++)
        put_node(g, hone_net_node_at(g, g->order.v[k]), ret);
    for (uint32_t k = 0; k < g->outputs.n; k++)
        put_value(g, "output", g->outputs.v[k], ret);
    free(used);
}

/* ---- Graphviz -------------------------------------------------------------------------------- */

static void put_quoted(const char *s, hone_buf *ret)
{
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            hone_buf_puts(ret, "\\");
        hone_buf_add(ret, s, 1);
    }
}

static void put_quoted_name(const hone_net *g, hone_net_value v, hone_buf *ret)
{
    hone_buf name = {0};
    hone_net__put_name(g, v, &name);
    put_quoted(name.s, ret);
    hone_buf_free(&name);
}

static void put_ellipse(const hone_net *g, hone_net_value v, hone_buf *ret)
{
    char text[HONE_NET_TEXT_BYTES];
    hone_tensor_text(&hone_net_value_at(g, v)->t, text, sizeof text);
    hone_buf_printf(ret, "  v%" PRIu32 " [shape=ellipse, label=\"", v.i);
    put_quoted_name(g, v, ret);
    hone_buf_printf(ret, "\\n%s\"];\n", text);
}

/* Where a value comes from: its node's box, or its own. */
static void put_source(const hone_net *g, hone_net_value v, hone_buf *ret)
{
    const hone_net_value_row *row = hone_net_value_at(g, v);
    if (row->producer.i && !row->t.data)
        hone_buf_printf(ret, "n%" PRIu32, row->producer.i);
    else
        hone_buf_printf(ret, "v%" PRIu32, v.i);
}

static void put_box(const hone_net *g, hone_net_node id, hone_buf *ret)
{
    const hone_net_node_row *n = hone_net_node_at(g, id);
    hone_buf attrs = {0};
    put_attrs(n, &attrs);
    hone_buf_printf(ret, "  n%" PRIu32 " [label=\"%s\\n", id.i, n->op->name);
    put_quoted(attrs.s ? attrs.s : "", ret);
    hone_buf_puts(ret, "\"];\n");
    hone_buf_free(&attrs);
    for (uint32_t k = 0; k < n->n_in; k++) {
        if (!n->in[k].i ||
            (hone_net_is_constant(g, n->in[k]) && !hone_net_value_at(g, n->in[k])->is_input))
            continue;
        char text[HONE_NET_TEXT_BYTES];
        hone_tensor_text(&hone_net_value_at(g, n->in[k])->t, text, sizeof text);
        hone_buf_puts(ret, "  ");
        put_source(g, n->in[k], ret);
        hone_buf_printf(ret, " -> n%" PRIu32 " [label=\"%s\"];\n", id.i, text);
    }
}

void hone_net_print_dot(const hone_net *g, hone_buf *ret)
{
    hone_buf_puts(ret, "digraph \"");
    put_quoted(g->name, ret);
    hone_buf_puts(ret, "\" {\n  node [shape=box, fontname=sans];\n  edge [fontname=sans];\n");
    for (uint32_t k = 0; k < g->inputs.n; k++)
        put_ellipse(g, g->inputs.v[k], ret);
    for (uint32_t k = 0; k < g->order.n; k++)
        put_box(g, g->order.v[k], ret);
    for (uint32_t k = 0; k < g->outputs.n; k++) {
        hone_net_value v = g->outputs.v[k];
        const hone_net_value_row *row = hone_net_value_at(g, v);
        if (!row->is_input && (row->t.data || !row->producer.i))
            put_ellipse(g, v, ret);
        hone_buf_printf(ret, "  o%" PRIu32 " [shape=ellipse, label=\"", k);
        put_quoted_name(g, v, ret);
        hone_buf_puts(ret, "\"];\n  ");
        put_source(g, v, ret);
        hone_buf_printf(ret, " -> o%" PRIu32 ";\n", k);
    }
    hone_buf_puts(ret, "}\n");
}
