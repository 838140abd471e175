/* In which order the axes of a tensor lie in memory: images between kernels keep their channels
 * last, where convolutions read and write whole vectors of them. Views of an image go with it where
 * they can: the patches of a vision transformer become rows by that, without a copy. What the
 * caller reads and writes, and what has a view that cannot, lies as ONNX has it; each call has its
 * constants as it wants them (text.c). */
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

static bool may_change(const hone_net_plan *p, const bool *fixed, hone_net_value v)
{
    const hone_net_value_row *row = hone_net_value_at(p->graph, v);
    return v.i && row->producer.i && !row->t.data && !row->is_output && !fixed[v.i] &&
           p->of.v[v.i].i == v.i && row->t.n_dims >= 3;
}

/* The values of a node that may lie in another order, and are of the same rank, as one set. */
static void unite(const hone_net_plan *p, const bool *fixed, const hone_net_node_row *n,
                  uint32_t *parent, bool *image)
{
    uint32_t first = 0;
    for (uint32_t k = 0; k < n->n_in + n->n_out; k++) {
        hone_net_value v = k < n->n_in ? n->in[k] : n->out[k - n->n_in];
        if (!may_change(p, fixed, v))
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

static hone_net_order channels_last(uint8_t rank)
{
    hone_net_order o = hone_net__plain();
    for (uint8_t d = 1; d + 1 < rank; d++)
        o.axis[d] = (uint8_t)(d + 1);
    o.axis[rank - 1] = 1;
    return o;
}

/* ---- views ----------------------------------------------------------------------------------- */

/* The orders of v's views if v lies in order `o`, from the first node to the last; p->orders has
 * them then. False: one of them cannot be a view any more, or is the caller's and not plain. */
static bool follow(hone_net_plan *p, hone_net_value v, const hone_net_order *o)
{
    const hone_net *g = p->graph;
    hone_net_use_room room = {0};
    bool good = true;
    p->orders.v[v.i] = *o;
    for (uint32_t k = 0; k < g->order.n && good; k++) {
        const hone_net_node_row *n = hone_net_node_at(g, g->order.v[k]);
        if (!hone_net__is_view(p, n) || p->of.v[n->out[0].i].i != v.i)
            continue;
        const hone_net_order *in = &p->orders.v[n->in[0].i];
        hone_net_order *out = &p->orders.v[n->out[0].i];
        const hone_tensor *t = &hone_net_value_at(g, n->out[0])->t;
        uint32_t perm[HONE_MAX_DIMS];
        if (hone_net__kind(n) == HONE_NET_VIEW) {
            good = hone_net__reshaped(&hone_net_value_at(g, n->in[0])->t, in, t, out);
        } else {
            hone_net_use u = hone_net_use_of(g, g->order.v[k], &room);
            good = hone_net_perm_of(&u, perm, NULL) == HONE_OK;
            if (good)
                hone_net__transposed(in, perm, t->n_dims, out);
        }
        good = good && (!hone_net_value_at(g, n->out[0])->is_output || hone_net__is_plain(t, out));
    }
    hone_net_use_room_free(&room);
    return good;
}

/* Values whose views could not go with them: those stay. */
static void find_fixed(hone_net_plan *p, bool *fixed)
{
    HONE_VEC(hone_net_order) before = {0};
    bool *viewed = hone_xcalloc(p->of.n, sizeof *viewed);
    for (uint32_t k = 0; k < p->of.n; k++) {
        viewed[p->of.v[k].i] |= p->of.v[k].i != k;
        hone_vec_push(&before, p->orders.v[k]);
    }
    for (uint32_t k = 1; k < p->of.n; k++) {
        const hone_tensor *t = &hone_net_value_at(p->graph, (hone_net_value){k})->t;
        if (!viewed[k])
            continue;
        fixed[k] = t->n_dims < 3 || !hone_net__is_plain(t, &p->orders.v[k]);
        if (fixed[k])
            continue;
        hone_net_order o = channels_last(t->n_dims);
        fixed[k] = !follow(p, (hone_net_value){k}, &o);
    }
    memcpy(p->orders.v, before.v, before.n * sizeof *before.v);
    free(viewed);
    hone_vec_free(&before);
}

void hone_net__layout(hone_net_plan *p, bool no_layout)
{
    const hone_net *g = p->graph;
    uint32_t n = g->values.n, *parent = hone_xcalloc(n, sizeof *parent);
    bool *image = hone_xcalloc(n, sizeof *image), *fixed = hone_xcalloc(n, sizeof *fixed);
    for (uint32_t k = 0; k < n; k++)
        parent[k] = k;
    find_fixed(p, fixed);
    for (uint32_t k = 0; k < g->order.n; k++)
        if (!hone_net__is_view(p, hone_net_node_at(g, g->order.v[k])))
            unite(p, fixed, hone_net_node_at(g, g->order.v[k]), parent, image);
    for (uint32_t k = 1; k < n && !no_layout; k++) {
        hone_net_value v = {k};
        if (!may_change(p, fixed, v) || !image[find(parent, k)])
            continue;
        hone_net_order o = channels_last(g->values.v[k].t.n_dims);
        bool good = follow(p, v, &o);
        HONE_ASSERT(good); /* as find_fixed found */
    }
    free(parent);
    free(image);
    free(fixed);
}
