/* In which order the axes of a tensor lie in memory: images between kernels keep their channels
 * last, where convolutions read and write whole vectors of them. What the caller reads and writes,
 * what has views and constants lie as ONNX has them; each call has its constants as it wants them
 * (text.c). */
#include "net/plan/internal.h"

static bool is_image_op(const hone_net_node_row *n)
{
    static const char *const names[] = {
        "AveragePool", "Conv",          "ConvInteger",      "ConvTranspose",
        "LRN",         "MaxPool",       "QLinearConv",      "Resize",
        "Upsample",    "GlobalMaxPool", "GlobalAveragePool"};
    for (size_t k = 0; k < HONE_LEN(names); k++)
        if (strcmp(n->op->name, names[k]) == 0)
            return true;
    return false;
}

/* ---- sets of values that had better lie alike ------------------------------------------------ */

static uint32_t find(uint32_t *parent, uint32_t v)
{
    while (parent[v] != v)
        v = parent[v] = parent[parent[v]];
    return v;
}

static bool may_change(const hone_net_plan *p, const bool *viewed, hone_net_value v)
{
    const hone_net_value_row *row = hone_net_value_at(p->graph, v);
    return v.i && row->producer.i && !row->t.data && !row->is_output && !viewed[v.i] &&
           p->of.v[v.i].i == v.i && row->t.n_dims >= 3;
}

/* The values of a node that may lie in another order, and are of the same rank, as one set. */
static void unite(const hone_net_plan *p, const bool *viewed, const hone_net_node_row *n,
                  uint32_t *parent, bool *image)
{
    uint32_t first = 0;
    for (uint32_t k = 0; k < n->n_in + n->n_out; k++) {
        hone_net_value v = k < n->n_in ? n->in[k] : n->out[k - n->n_in];
        if (!may_change(p, viewed, v))
            continue;
        uint32_t root = find(parent, v.i);
        image[root] |= is_image_op(n);
        if (first && hone_net_value_at(p->graph, (hone_net_value){first})->t.n_dims ==
                         hone_net_value_at(p->graph, v)->t.n_dims) {
            uint32_t other = find(parent, first);
            parent[root] = other;
            image[other] |= image[root];
        }
        first = v.i;
    }
}

void hone_net__layout(hone_net_plan *p, bool no_layout)
{
    const hone_net *g = p->graph;
    uint32_t n = g->values.n, *parent = hone_xcalloc(n, sizeof *parent);
    bool *image = hone_xcalloc(n, sizeof *image), *viewed = hone_xcalloc(n, sizeof *viewed);
    for (uint32_t k = 0; k < n; k++) {
        parent[k] = k;
        viewed[p->of.v[k].i] |= p->of.v[k].i != k;
    }
    for (uint32_t k = 0; k < g->order.n; k++)
        if (!hone_net__is_view(p, hone_net_node_at(g, g->order.v[k])))
            unite(p, viewed, hone_net_node_at(g, g->order.v[k]), parent, image);
    for (uint32_t k = 1; k < n && !no_layout; k++) {
        uint8_t rank = g->values.v[k].t.n_dims;
        if (!may_change(p, viewed, (hone_net_value){k}) || !image[find(parent, k)])
            continue;
        for (uint8_t d = 1; d + 1 < rank; d++)
            p->orders.v[k].axis[d] = (uint8_t)(d + 1);
        p->orders.v[k].axis[rank - 1] = 1;
    }
    free(parent);
    free(image);
    free(viewed);
}
