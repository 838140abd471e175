/* Other ways to fuse than the rule's (fuse.c), where the rule can lose: measured times choose
 * between them (Collage, Jeon et al. 2022: backends and fusions by measured cost; here the covers
 * of one place at a time, which do not overlap).
 *
 *   apart    a product whose epilogue takes long on each element (an exponential, say), and the
 *            epilogue by itself; the three parts of an attention
 *   earlier  elementwise nodes between a product and what goes over its rows: the rule computes
 *            them with the rows, this with the product
 *
 * The groups of a site stand together, where the last of the rule's stands: all that any of them
 * takes has been computed there, and nobody takes what they make before. */
#include "net/plan/internal.h"

#define MAX_NODES 24 /* of a kernel */

const char *hone_net__fused_name(hone_net_fused fused)
{
    static const char *const names[HONE_NET_FUSED_WAYS] = {
        [HONE_NET_FUSED] = "fused", [HONE_NET_APART] = "apart", [HONE_NET_EARLIER] = "earlier"};
    return names[fused];
}

bool hone_net__is_taken(const hone_net_plan *p, const hone_net_group *x)
{
    return !x->site || p->fused.v[x->site] == x->fused;
}

typedef HONE_VEC(hone_net_group) groups;

/* ---- nodes of a group ------------------------------------------------------------------------ */

static const hone_net_node_row *node(const hone_net_plan *p, const hone_net_group *x, uint32_t k)
{
    return hone_net_node_at(p->graph, x->nodes.v[k]);
}

/* How often x's nodes from `from` up to `to` take v. */
static uint32_t takes(const hone_net_plan *p, const hone_net_group *x, uint32_t from, uint32_t to,
                      hone_net_value v)
{
    uint32_t n = 0;
    for (uint32_t k = from; k < to; k++)
        for (uint32_t j = 0; j < node(p, x, k)->n_in; j++)
            n += node(p, x, k)->in[j].i == v.i;
    return n;
}

/* Is all that the first n nodes make for the others the result of the last of them? */
static bool is_cut(const hone_net_plan *p, const hone_net_group *x, uint32_t n)
{
    if (n == 0 || n >= x->nodes.n)
        return false;
    for (uint32_t k = 0; k + 1 < n; k++)
        if (takes(p, x, n, x->nodes.n, node(p, x, k)->out[0]))
            return false;
    return takes(p, x, n, x->nodes.n, node(p, x, n - 1)->out[0]) > 0;
}

/* The last cut from `least` nodes to `most`; 0: there is none. */
static uint32_t last_cut(const hone_net_plan *p, const hone_net_group *x, uint32_t least,
                         uint32_t most)
{
    for (uint32_t n = most; n >= least && n > 0; n--)
        if (is_cut(p, x, n))
            return n;
    return 0;
}

/* The first node from `from` on that is of this kind; nodes.n: none. */
static uint32_t find_kind(const hone_net_plan *p, const hone_net_group *x, uint32_t from,
                          hone_net_kind kind)
{
    while (from < x->nodes.n && hone_net__kind(node(p, x, from)) != kind)
        from++;
    return from;
}

static bool has_kind(const hone_net_plan *p, const hone_net_group *x, hone_net_kind kind)
{
    return find_kind(p, x, 0, kind) < x->nodes.n;
}

/* Elementwise, and many instructions for each element. */
static bool takes_long(const hone_net_node_row *n)
{
    static const char *const names[] = {"Celu", "Cos",  "Elu", "Erf",     "Exp",  "Log",
                                        "Pow",  "Selu", "Sin", "Sigmoid", "Tanh", "Softplus"};
    for (size_t k = 0; k < HONE_LEN(names); k++)
        if (strcmp(n->op->name, names[k]) == 0)
            return true;
    return false;
}

/* ---- sites ----------------------------------------------------------------------------------- */

typedef struct finder {
    hone_net_plan *p;
    groups *before; /* by group of the rule's: what comes before it */
    uint32_t *uses; /* by value */
} finder;

static uint32_t new_site(finder *f)
{
    if (!f->p->fused.n)
        hone_vec_push(&f->p->fused, HONE_NET_FUSED); /* of no site */
    hone_vec_push(&f->p->fused, HONE_NET_FUSED);
    return f->p->fused.n - 1;
}

/* Nodes of x from `from` up to `to` as a group of its own, before group `at`. */
static void add_group(finder *f, uint32_t at, const hone_net_group *x, uint32_t from, uint32_t to,
                      uint32_t site, hone_net_fused fused)
{
    hone_net_group part = {.site = site, .fused = fused};
    for (uint32_t k = from; k < to; k++)
        hone_vec_push(&part.nodes, x->nodes.v[k]);
    hone_vec_push(&f->before[at], part);
}

/* Does it write into a part of another tensor (parts.c)? Products do that, others cannot. */
static bool is_part(const hone_net_plan *p, const hone_net_group *x)
{
    return p->parts.v[node(p, x, x->nodes.n - 1)->out[0].i].whole.i != 0;
}

static bool find_attention(finder *f, uint32_t at)
{
    hone_net_plan *p = f->p;
    hone_net_group *x = &p->groups.v[at];
    uint32_t first = find_kind(p, x, 0, HONE_NET_PRODUCT);
    uint32_t rows = find_kind(p, x, first, HONE_NET_ROWS), softmax = rows;
    uint32_t second = find_kind(p, x, rows, HONE_NET_PRODUCT);
    while (softmax < second && strcmp(node(p, x, softmax)->op->name, "Softmax") != 0)
        softmax++;
    if (second == x->nodes.n || softmax == second)
        return false;
    uint32_t scores = last_cut(p, x, first + 1, rows);
    uint32_t shares = last_cut(p, x, softmax + 1, second);
    if (!scores || !shares)
        return false;
    x->site = new_site(f);
    add_group(f, at, x, 0, scores, x->site, HONE_NET_APART);
    add_group(f, at, x, scores, shares, x->site, HONE_NET_APART);
    add_group(f, at, x, shares, x->nodes.n, x->site, HONE_NET_APART);
    return true;
}

static bool find_epilogue(finder *f, uint32_t at)
{
    hone_net_plan *p = f->p;
    hone_net_group *x = &p->groups.v[at];
    uint32_t product = find_kind(p, x, 0, HONE_NET_PRODUCT), heavy = product;
    if (product == x->nodes.n || has_kind(p, x, HONE_NET_ROWS))
        return false;
    while (heavy < x->nodes.n && !takes_long(node(p, x, heavy)))
        heavy++;
    uint32_t cut = heavy < x->nodes.n ? last_cut(p, x, product + 1, heavy) : 0;
    if (!cut)
        return false;
    x->site = new_site(f);
    add_group(f, at, x, 0, cut, x->site, HONE_NET_APART);
    add_group(f, at, x, cut, x->nodes.n, x->site, HONE_NET_APART);
    return true;
}

/* How many of the first nodes behind `n_product` nodes of a product can be computed on its tile. */
static uint32_t epilogue(const hone_net_plan *p, const hone_net_group *both, uint32_t n_product)
{
    const hone_tensor *t = &hone_net_value_at(p->graph, node(p, both, n_product - 1)->out[0])->t;
    uint32_t most = n_product, cut;
    while (most < both->nodes.n && most < MAX_NODES &&
           hone_net__kind(node(p, both, most)) == HONE_NET_ELEMENTWISE &&
           hone_tensor_same_shape(t, &hone_net_value_at(p->graph, node(p, both, most)->out[0])->t))
        most++;
    cut = last_cut(p, both, n_product + 1, most);
    return cut ? cut - n_product : 0;
}

/* The product whose result only group `at` takes. */
static uint32_t product_before(const finder *f, uint32_t at)
{
    const hone_net_plan *p = f->p;
    for (uint32_t k = 0; k < at; k++) {
        const hone_net_group *x = &p->groups.v[k], *y = &p->groups.v[at];
        if (x->site || !has_kind(p, x, HONE_NET_PRODUCT) || has_kind(p, x, HONE_NET_ROWS))
            continue;
        hone_net_value v = node(p, x, x->nodes.n - 1)->out[0];
        uint32_t n = takes(p, y, 0, y->nodes.n, v);
        if (n > 0 && n == f->uses[v.i])
            return k;
    }
    return at;
}

static bool find_rows(finder *f, uint32_t at)
{
    hone_net_plan *p = f->p;
    hone_net_group *y = &p->groups.v[at], both = {0};
    if (y->site || !has_kind(p, y, HONE_NET_ROWS) || has_kind(p, y, HONE_NET_PRODUCT))
        return false;
    uint32_t k = product_before(f, at);
    if (k == at)
        return false;
    hone_net_group *x = &p->groups.v[k];
    for (uint32_t j = 0; j < x->nodes.n; j++)
        hone_vec_push(&both.nodes, x->nodes.v[j]);
    for (uint32_t j = 0; j < y->nodes.n; j++)
        hone_vec_push(&both.nodes, y->nodes.v[j]);
    uint32_t n = epilogue(p, &both, x->nodes.n);
    if (n) {
        x->site = y->site = new_site(f);
        add_group(f, at, &both, 0, x->nodes.n + n, x->site, HONE_NET_EARLIER);
        add_group(f, at, &both, x->nodes.n + n, both.nodes.n, x->site, HONE_NET_EARLIER);
    }
    hone_vec_free(&both.nodes);
    return n > 0;
}

void hone_net__covers(hone_net_plan *p)
{
    finder f = {.p = p, .before = hone_xcalloc((size_t)p->groups.n + 1, sizeof *f.before)};
    groups all = {0};
    f.uses = hone_net__uses(p->graph);
    for (uint32_t k = 0; k < p->groups.n; k++)
        if (!is_part(p, &p->groups.v[k]) && !find_attention(&f, k) && !find_epilogue(&f, k))
            find_rows(&f, k);
    for (uint32_t k = 0; k < p->groups.n; k++) {
        for (uint32_t j = 0; j < f.before[k].n; j++)
            hone_vec_push(&all, f.before[k].v[j]);
        hone_vec_push(&all, p->groups.v[k]);
        hone_vec_free(&f.before[k]);
    }
    hone_vec_copy(&p->groups, &all);
    hone_vec_free(&all);
    free(f.before);
    free(f.uses);
}
