/* Choices: what can be taken instead of what, and which is taken by times.
 *
 * A site that can be fused in several ways (covers.c) and a call that can be computed in several
 * ways (net/kernel/ways.def) are the same here: covers, each a few kernels. Choices do not overlap,
 * so each is for itself. */
#include "net/plan/internal.h"

/* ---- what there is --------------------------------------------------------------------------- */

typedef struct maker {
    hone_net_plan *p;
    const hone_net_call **call_of; /* by group */
} maker;

/* Adds the covers that take `cover` so far, and each way of the groups of its site from k on. */
static void add_covers(const maker *m, const hone_net_cover *cover, const uint32_t *groups,
                       uint32_t n, hone_net_choice *ret)
{
    if (ret->n == HONE_NET_COVERS_MAX)
        return;
    if (cover->n == n) {
        ret->covers[ret->n++] = *cover;
        return;
    }
    uint32_t at = cover->n;
    const hone_net_call *call = m->call_of[groups[at]];
    for (uint32_t k = 0; k < call->ways.n; k++) {
        hone_net_cover more = *cover;
        more.group[at] = groups[at];
        more.kernel[at] = call->ways.v[k].kernel;
        more.way[at] = call->ways.v[k].way;
        more.n++;
        add_covers(m, &more, groups, n, ret);
    }
}

/* The groups of a site that are one way of fusing it; of no site the group itself. */
static uint32_t groups_of(const hone_net_plan *p, uint32_t group, hone_net_fused fused,
                          uint32_t ret[HONE_NET_COVER_MAX])
{
    uint32_t site = p->groups.v[group].site, n = 0;
    if (!site) {
        ret[0] = group;
        return fused == HONE_NET_FUSED;
    }
    for (uint32_t k = 0; k < p->groups.n; k++)
        if (p->groups.v[k].site == site && p->groups.v[k].fused == fused) {
            HONE_ASSERT(n < HONE_NET_COVER_MAX);
            ret[n++] = k;
        }
    return n;
}

static hone_net_value result_of(const hone_net_plan *p, uint32_t group)
{
    const hone_net_group *x = &p->groups.v[group];
    return hone_net_node_at(p->graph, x->nodes.v[x->nodes.n - 1])->out[0];
}

static void add_choice(const maker *m, uint32_t group)
{
    hone_net_choice c = {.n = 0};
    uint32_t groups[HONE_NET_COVER_MAX];
    for (hone_net_fused fused = 0; fused < HONE_NET_FUSED_WAYS; fused++) {
        uint32_t n = groups_of(m->p, group, fused, groups);
        if (n && fused == HONE_NET_FUSED)
            c.value = result_of(m->p, groups[n - 1]);
        if (n)
            add_covers(m, &(hone_net_cover){.fused = fused}, groups, n, &c);
    }
    if (c.n > 1)
        hone_vec_push(&m->p->choices, c);
}

static void count_calls(hone_net_plan *p)
{
    for (uint32_t k = 0; k < p->kernels.n; k++)
        p->kernels.v[k].n_calls = p->kernels.v[k].n_always = 0;
    for (uint32_t k = 0; k < p->calls.n; k++) {
        const hone_net_call *c = &p->calls.v[k];
        bool chosen = p->spare.n == 0; /* or there is nothing to choose between groups */
        p->kernels.v[c->kernel].n_calls++;
        if (c->ways.n == 1 && (chosen || !p->groups.v[c->group].site))
            p->kernels.v[c->kernel].n_always++;
    }
}

void hone_net__choices(hone_net_plan *p)
{
    maker m = {.p = p, .call_of = hone_xcalloc((size_t)p->groups.n + 1, sizeof *m.call_of)};
    bool *seen = hone_xcalloc((size_t)p->fused.n + 1, sizeof *seen);
    for (uint32_t k = 0; k < p->calls.n; k++)
        m.call_of[p->calls.v[k].group] = &p->calls.v[k];
    for (uint32_t k = 0; k < p->spare.n; k++)
        m.call_of[p->spare.v[k].group] = &p->spare.v[k];
    for (uint32_t k = 0; k < p->groups.n; k++) {
        uint32_t site = p->groups.v[k].site;
        if (!site || !seen[site])
            add_choice(&m, k);
        seen[site] = true;
    }
    count_calls(p);
    free(seen);
    free(m.call_of);
}

/* ---- what is taken --------------------------------------------------------------------------- */

/* The sum of its kernels'; 0: not known. */
static double time_of(const hone_net_cover *x, const double *ns)
{
    double sum = 0;
    for (uint32_t k = 0; k < x->n; k++) {
        if (!ns || !(ns[x->kernel[k]] > 0))
            return 0;
        sum += ns[x->kernel[k]];
    }
    return sum;
}

/* Times of different sessions say less than turns: those that ran in turns are told by the first of
 * them. */
static void put_raced(const hone_net_choice *c, double *ns)
{
    uint32_t first = 0;
    while (first < c->n && !(c->raced[first] > 0 && ns[first] > 0))
        first++;
    for (uint32_t k = first + 1; k < c->n; k++)
        if (c->raced[k] > 0 && ns[k] > 0)
            ns[k] = ns[first] * c->raced[k] / c->raced[first];
}

uint32_t hone_net_choice_of(const hone_net_choice *c, const double *ns,
                            double ret_ns[HONE_NET_COVERS_MAX])
{
    uint32_t best = 0;
    for (uint32_t k = 0; k < c->n; k++)
        ret_ns[k] = time_of(&c->covers[k], ns);
    put_raced(c, ret_ns);
    for (uint32_t k = 1; k < c->n && ret_ns[0] > 0; k++)
        if (ret_ns[k] > 0 && ret_ns[k] < ret_ns[best])
            best = k;
    return best;
}

uint32_t hone_net_choice_close(const hone_net_choice *c, const double *ns, double more,
                               uint32_t ret[HONE_NET_COVERS_MAX])
{
    double of[HONE_NET_COVERS_MAX], least;
    uint32_t n = 0;
    for (uint32_t k = 0; k < c->n; k++)
        of[k] = time_of(&c->covers[k], ns);
    least = of[0];
    for (uint32_t k = 1; k < c->n; k++)
        least = of[k] > 0 && of[k] < least ? of[k] : least;
    for (uint32_t k = 0; k < c->n && of[0] > 0; k++)
        if (of[k] > 0 && of[k] <= least * (1 + more))
            ret[n++] = k;
    return n;
}

static void put_way(hone_net_call *c, hone_net_way way)
{
    for (uint32_t k = 0; k < c->ways.n; k++)
        if (c->ways.v[k].way == way)
            c->ways.v[0] = c->ways.v[k];
    c->kernel = c->ways.v[0].kernel;
}

/* Moves the calls of taken groups, in their order, to p->calls, and frees the others. */
static void sort_calls(hone_net_plan *p, hone_net_call *by_group)
{
    p->calls.n = p->spare.n = 0;
    for (uint32_t k = 0; k < p->groups.n; k++) {
        if (hone_net__is_taken(p, &p->groups.v[k])) {
            by_group[k].ways.n = 1;
            hone_vec_push(&p->calls, by_group[k]);
        } else {
            hone_net__free_call(&by_group[k]);
        }
    }
}

void hone_net__drop_kernels(hone_net_plan *p)
{
    uint32_t *now = hone_xcalloc((size_t)p->kernels.n + 1, sizeof *now), n = 0;
    count_calls(p);
    for (uint32_t k = 0; k < p->kernels.n; k++) {
        now[k] = n;
        if (p->kernels.v[k].n_calls)
            p->kernels.v[n++] = p->kernels.v[k];
        else
            hone_net__free_kernel(&p->kernels.v[k]);
    }
    p->kernels.n = n;
    for (uint32_t k = 0; k < p->calls.n; k++)
        p->calls.v[k].kernel = p->calls.v[k].ways.v[0].kernel = now[p->calls.v[k].kernel];
    free(now);
}

void hone_net_plan_choose(hone_net_plan *p, const double *ns)
{
    hone_net_call *by_group = hone_xcalloc((size_t)p->groups.n + 1, sizeof *by_group);
    for (uint32_t k = 0; k < p->calls.n; k++)
        by_group[p->calls.v[k].group] = p->calls.v[k];
    for (uint32_t k = 0; k < p->spare.n; k++)
        by_group[p->spare.v[k].group] = p->spare.v[k];
    for (uint32_t k = 0; k < p->choices.n; k++) {
        hone_net_choice *c = &p->choices.v[k];
        double of[HONE_NET_COVERS_MAX];
        c->taken = hone_net_choice_of(c, ns, of);
        for (uint32_t j = 0; j < c->n; j++)
            c->covers[j].ns = of[j];
        const hone_net_cover *x = &c->covers[c->taken];
        uint32_t site = p->groups.v[x->group[0]].site;
        if (site)
            p->fused.v[site] = x->fused;
        for (uint32_t j = 0; j < x->n; j++)
            put_way(&by_group[x->group[j]], x->way[j]);
    }
    sort_calls(p, by_group);
    free(by_group);
    hone_net__drop_kernels(p);
    hone_net__memory(p);
}

/* ---- what is said of it ---------------------------------------------------------------------- */

char *hone_net_cover_name(const hone_net_cover *c)
{
    hone_buf b = {0};
    hone_buf_puts(&b, hone_net__fused_name(c->fused));
    for (uint32_t k = 0; k < c->n; k++)
        if (c->way[k] != HONE_NET_WAY_DIRECT)
            hone_buf_printf(&b, " %s", hone_net_way_name(c->way[k]));
    return b.s;
}

static bool same_kernels(const hone_net_choice *a, const hone_net_choice *b)
{
    bool same = a->n == b->n;
    for (uint32_t k = 0; k < a->n && same; k++) {
        const hone_net_cover *x = &a->covers[k], *y = &b->covers[k];
        same = x->n == y->n && memcmp(x->kernel, y->kernel, x->n * sizeof *x->kernel) == 0;
    }
    return same;
}

hone_net_weighed *hone_net_plan_weigh(const hone_net_plan *p, uint32_t *ret_n)
{
    hone_net_weighed *all = hone_xcalloc((size_t)p->choices.n + 1, sizeof *all);
    uint32_t n = 0;
    for (uint32_t k = 0; k < p->choices.n; k++) {
        uint32_t at = 0;
        while (at < n && !same_kernels(all[at].of, &p->choices.v[k]))
            at++;
        all[at].of = at == n ? &p->choices.v[k] : all[at].of;
        all[at].weight++;
        n += at == n;
    }
    *ret_n = n;
    return all;
}

bool hone_net_plan_may_choose(const hone_net_plan *p, uint32_t kernel)
{
    for (uint32_t k = 0; k < p->choices.n; k++)
        for (uint32_t j = 0; j < p->choices.v[k].n; j++)
            for (uint32_t i = 0; i < p->choices.v[k].covers[j].n; i++)
                if (p->choices.v[k].covers[j].kernel[i] == kernel)
                    return true;
    return false;
}
