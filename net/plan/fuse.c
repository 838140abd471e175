/* Which nodes are one kernel. From the last node to the first: one whose result is taken by a
 * single kernel alone joins that kernel where both can share their loops:
 *
 *   - elementwise nodes join elementwise nodes of the same shape, whatever is broadcast to them;
 *   - elementwise nodes after a product are computed on its tile: all of the product's shape;
 *   - elementwise nodes and those that go over rows join to go over the same rows;
 *   - a border of one value joins the integer convolution that looks into it;
 *   - then a product, what goes over its rows to a softmax, and the product with that are
 * attention.
 *
 * (Relay, Roesch et al. 2019, section 4.4: operators by kind, fused along dominators. Going from
 * the end, the single taker of a result dominates it.) */
#include "net/plan/internal.h"

#define MAX_NODES 24 /* of a kernel */
#define MAX_TENSORS                                                                   \
    80 /* of nodes that join; they have temporaries beside them, and two such kernels \
          may be one in a cover */

typedef struct fuser {
    hone_net_plan *p;
    const hone_net *g;
    HONE_VEC(hone_net_group)
    groups;                      /* by place in the graph's order, empty ones have joined another */
    uint32_t *group_of;          /* by node */
    HONE_VEC(uint32_t) * takers; /* by value: nodes */
    uint32_t *place;             /* by node: in the graph's order */
    hone_net_use_room room;
} fuser;

static const hone_net_node_row *node(const fuser *f, hone_net_node n)
{
    return hone_net_node_at(f->g, n);
}

static const hone_tensor *result(const fuser *f, hone_net_node n)
{
    return &hone_net_value_at(f->g, node(f, n)->out[0])->t;
}

static bool has_kind(const fuser *f, const hone_net_group *x, hone_net_kind kind)
{
    for (uint32_t k = 0; k < x->nodes.n; k++)
        if (hone_net__kind(node(f, x->nodes.v[k])) == kind)
            return true;
    return false;
}

static bool all_of_shape(const fuser *f, const hone_net_group *x, const hone_tensor *t)
{
    for (uint32_t k = 0; k < x->nodes.n; k++)
        if (!hone_tensor_same_shape(result(f, x->nodes.v[k]), t))
            return false;
    return true;
}

static uint32_t tensors_of(const fuser *f, const hone_net_group *x)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < x->nodes.n; k++)
        n += node(f, x->nodes.v[k])->n_in + node(f, x->nodes.v[k])->n_out;
    return n;
}

/* Is there room for the nodes of both in a kernel? */
static bool is_room(const fuser *f, const hone_net_group *a, const hone_net_group *b)
{
    return a->nodes.n + b->nodes.n <= MAX_NODES &&
           tensors_of(f, a) + tensors_of(f, b) <= MAX_TENSORS;
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Does the node go over the last axis of its input alone? */
static bool over_the_last(fuser *f, hone_net_node n)
{
    hone_net_use u = hone_net_use_of(f->g, n, &f->room);
    uint32_t rank = u.in[0]->n_dims, from, to, axis;
    bool is[HONE_MAX_DIMS] = {0};
    const char *name = u.node->op->name;
    if (rank == 0)
        return false;
    if (strcmp(name, "Softmax") == 0 || strcmp(name, "LogSoftmax") == 0)
        return hone_net_softmax_of(&u, &from, &to, NULL) == HONE_OK && from == rank - 1 &&
               to == rank;
    if (strcmp(name, "LayerNormalization") == 0)
        return hone_net_axis_of(&u, "axis", rank, &axis, NULL) == HONE_OK && axis == rank - 1;
    if (hone_net_reduced_axes(&u, is, NULL) != HONE_OK || !is[rank - 1])
        return false;
    for (uint32_t k = 0; k + 1 < rank; k++)
        if (is[k] && u.in[0]->shape[k] != 1)
            return false;
    return true;
}

/* Is t made of the rows that `wide` has, or of one element for each? */
static bool rows_of(const hone_tensor *t, const hone_tensor *wide)
{
    if (t->n_dims != wide->n_dims || t->n_dims == 0)
        return false;
    for (uint8_t d = 0; d + 1 < t->n_dims; d++)
        if (t->shape[d] != wide->shape[d])
            return false;
    return t->shape[t->n_dims - 1] == wide->shape[wide->n_dims - 1] || t->shape[t->n_dims - 1] == 1;
}

static const hone_tensor *wider(const hone_tensor *a, const hone_tensor *b)
{
    return !a || hone_tensor_elems(b) > hone_tensor_elems(a) ? b : a;
}

static bool share_rows(fuser *f, const hone_net_group *a, const hone_net_group *b)
{
    const hone_net_group *const both[] = {a, b};
    const hone_tensor *wide = NULL;
    for (unsigned i = 0; i < 2; i++)
        for (uint32_t k = 0; k < both[i]->nodes.n; k++) {
            hone_net_node n = both[i]->nodes.v[k];
            wide = wider(wide, result(f, n));
            if (hone_net__kind(node(f, n)) == HONE_NET_ROWS) {
                if (!over_the_last(f, n))
                    return false;
                wide = wider(wide, &hone_net_value_at(f->g, node(f, n)->in[0])->t);
            }
        }
    for (unsigned i = 0; i < 2; i++)
        for (uint32_t k = 0; k < both[i]->nodes.n; k++)
            if (!rows_of(result(f, both[i]->nodes.v[k]), wide))
                return false;
    return true;
}

/* ---- joining --------------------------------------------------------------------------------- */

/* Is it made of nodes that may share loops? */
static bool shares(const fuser *f, const hone_net_group *x)
{
    return !has_kind(f, x, HONE_NET_ALONE) && !has_kind(f, x, HONE_NET_VIEW) &&
           !has_kind(f, x, HONE_NET_ORDER);
}

/* Is a border of one value (net/plan/integers.c) what a convolution of b looks into? */
static bool is_border(const fuser *f, const hone_net_group *a, const hone_net_group *b)
{
    const hone_net_node_row *pad = node(f, a->nodes.v[0]);
    if (a->nodes.n != 1 || pad->op->id != HONE_NET_OP_PAD ||
        strcmp(hone_net_attr_text(pad, "mode"), "constant") != 0)
        return false;
    for (uint32_t k = 0; k < b->nodes.n; k++) {
        const hone_net_node_row *conv = node(f, b->nodes.v[k]);
        if (conv->op->id == HONE_NET_OP_CONV_INTEGER && conv->in[0].i == pad->out[0].i)
            return true;
    }
    return false;
}

static bool may_join(fuser *f, const hone_net_group *a, const hone_net_group *b)
{
    const hone_tensor *t = result(f, a->nodes.v[a->nodes.n - 1]);
    if (!is_room(f, a, b))
        return false;
    if (is_border(f, a, b))
        return true;
    if (!shares(f, a) || !shares(f, b) || has_kind(f, b, HONE_NET_PRODUCT))
        return false;
    bool rows = has_kind(f, a, HONE_NET_ROWS) || has_kind(f, b, HONE_NET_ROWS);
    bool same = all_of_shape(f, a, t) && all_of_shape(f, b, t);
    if (has_kind(f, a, HONE_NET_PRODUCT))
        return !rows && same;
    return (same && !rows) || share_rows(f, a, b);
}

/* The only kernel that takes what group a makes; groups.n: there are several, or others look. */
static uint32_t only_taker(const fuser *f, uint32_t a)
{
    const hone_net_group *x = &f->groups.v[a];
    const hone_net_node_row *last = node(f, x->nodes.v[x->nodes.n - 1]);
    uint32_t b = f->groups.n;
    hone_net_value v = last->out[0];
    if (!v.i || hone_net_value_at(f->g, v)->is_output)
        return f->groups.n;
    for (uint32_t k = 1; k < last->n_out; k++)
        if (last->out[k].i)
            return f->groups.n;
    for (uint32_t k = 0; k < f->takers[v.i].n; k++) {
        const hone_net_node_row *n = &f->g->nodes.v[f->takers[v.i].v[k]];
        uint32_t taker = f->group_of[f->takers[v.i].v[k]];
        if (hone_net__is_view(f->p, n) || (b != f->groups.n && taker != b))
            return f->groups.n;
        b = taker;
    }
    return b;
}

/* Both are in the graph's order, and all of a's may be among b's. */
static void join(fuser *f, uint32_t a, uint32_t b)
{
    hone_net_group both = {0}, *x = &f->groups.v[a], *y = &f->groups.v[b];
    uint32_t i = 0, j = 0;
    while (i < x->nodes.n || j < y->nodes.n) {
        bool first = j == y->nodes.n ||
                     (i < x->nodes.n && f->place[x->nodes.v[i].i] < f->place[y->nodes.v[j].i]);
        hone_vec_push(&both.nodes, first ? x->nodes.v[i++] : y->nodes.v[j++]);
    }
    for (uint32_t k = 0; k < x->nodes.n; k++)
        f->group_of[x->nodes.v[k].i] = b;
    hone_vec_free(&x->nodes);
    hone_vec_free(&y->nodes);
    *x = (hone_net_group){0};
    *y = both;
}

/* ---- attention ------------------------------------------------------------------------------- */

/* The group that makes v, or groups.n. */
static uint32_t maker(const fuser *f, hone_net_value v)
{
    hone_net_node n = hone_net_value_at(f->g, v)->producer;
    return n.i && !hone_net_is_constant(f->g, v) ? f->group_of[n.i] : f->groups.n;
}

static bool has_op(const fuser *f, const hone_net_group *x, const char *op)
{
    for (uint32_t k = 0; k < x->nodes.n; k++)
        if (strcmp(node(f, x->nodes.v[k])->op->name, op) == 0)
            return true;
    return false;
}

/* The group before b that makes scores for the softmax of b, or groups.n. */
static uint32_t scores_of(const fuser *f, uint32_t b)
{
    const hone_net_group *y = &f->groups.v[b];
    for (uint32_t k = 0; k < y->nodes.n; k++)
        for (uint32_t j = 0; j < node(f, y->nodes.v[k])->n_in; j++) {
            hone_net_value v = node(f, y->nodes.v[k])->in[j];
            uint32_t a = v.i ? maker(f, v) : f->groups.n;
            if (a != f->groups.n && a != b && f->groups.v[a].nodes.n && only_taker(f, a) == b &&
                has_op(f, &f->groups.v[a], "MatMul"))
                return a;
        }
    return f->groups.n;
}

/* Joins what group c, a product, is made of, if that is attention. */
static void attention(fuser *f, uint32_t c)
{
    const hone_net_group *z = &f->groups.v[c];
    if (!z->nodes.n || strcmp(node(f, z->nodes.v[0])->op->name, "MatMul") != 0)
        return;
    uint32_t b = maker(f, node(f, z->nodes.v[0])->in[0]);
    if (b == f->groups.n || b == c || !f->groups.v[b].nodes.n || only_taker(f, b) != c ||
        has_kind(f, &f->groups.v[b], HONE_NET_PRODUCT) || !has_op(f, &f->groups.v[b], "Softmax"))
        return;
    for (uint32_t k = 0; k < f->groups.v[b].nodes.n; k++) {
        hone_net_node n = f->groups.v[b].nodes.v[k];
        if (hone_net__kind(node(f, n)) == HONE_NET_ROWS && !over_the_last(f, n))
            return;
    }
    uint32_t a = scores_of(f, b);
    if (a == f->groups.n ||
        f->groups.v[a].nodes.n + f->groups.v[b].nodes.n + z->nodes.n > MAX_NODES ||
        tensors_of(f, &f->groups.v[a]) + tensors_of(f, &f->groups.v[b]) + tensors_of(f, z) >
            MAX_TENSORS)
        return;
    join(f, a, b);
    join(f, b, c);
}

void hone_net__fuse(hone_net_plan *p, bool no_fuse)
{
    const hone_net *g = p->graph;
    fuser f = {.p = p, .g = g};
    f.group_of = hone_xcalloc(g->nodes.n, sizeof *f.group_of);
    f.place = hone_xcalloc(g->nodes.n, sizeof *f.place);
    f.takers = hone_xcalloc(g->values.n, sizeof *f.takers);
    for (uint32_t k = 0; k < g->order.n; k++) {
        hone_net_node n = g->order.v[k];
        hone_net_group x = {0};
        if (!hone_net__is_view(p, node(&f, n)))
            hone_vec_push(&x.nodes, n);
        f.group_of[n.i] = f.place[n.i] = k;
        hone_vec_push(&f.groups, x);
        for (uint32_t j = 0; j < node(&f, n)->n_in; j++)
            if (node(&f, n)->in[j].i)
                hone_vec_push(&f.takers[node(&f, n)->in[j].i], n.i);
    }
    for (uint32_t a = g->order.n; a-- > 0 && !no_fuse;) {
        uint32_t b = f.groups.v[a].nodes.n ? only_taker(&f, a) : f.groups.n;
        if (b != f.groups.n && may_join(&f, &f.groups.v[a], &f.groups.v[b]))
            join(&f, a, b);
    }
    for (uint32_t c = 0; c < f.groups.n && !no_fuse; c++)
        attention(&f, c);
    for (uint32_t k = 0; k < f.groups.n; k++)
        if (f.groups.v[k].nodes.n)
            hone_vec_push(&p->groups, f.groups.v[k]);
    for (uint32_t k = 0; k < g->values.n; k++)
        hone_vec_free(&f.takers[k]);
    free(f.takers);
    free(f.group_of);
    free(f.place);
    hone_vec_free(&f.groups);
    hone_net_use_room_free(&f.room);
}
