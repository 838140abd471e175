/* Covers of choices one after the other, in place of the network that they are of: what each takes
 * is told by who times the calls. */
#include "net/plan/internal.h"

typedef HONE_VEC(hone_net_call) calls;

static hone_net_call copy_of(const hone_net_call *c, const hone_net_cover *x, uint32_t at)
{
    hone_net_call r = {.kernel = x->kernel[at], .group = c->group, .n_out = c->n_out};
    hone_vec_copy(&r.args, &c->args);
    hone_vec_push(&r.ways, (hone_net_alternative){x->way[at], x->kernel[at]});
    return r;
}

/* Of taken groups and of others. */
static const hone_net_call **calls_by_group(const hone_net_plan *p)
{
    const hone_net_call **of = hone_xcalloc((size_t)p->groups.n + 1, sizeof *of);
    for (uint32_t k = 0; k < p->calls.n; k++)
        of[p->calls.v[k].group] = &p->calls.v[k];
    for (uint32_t k = 0; k < p->spare.n; k++)
        of[p->spare.v[k].group] = &p->spare.v[k];
    return of;
}

void hone_net_plan_race(hone_net_plan *p, hone_net_heat *heats, uint32_t n)
{
    const hone_net_call **of = calls_by_group(p);
    calls all = {0};
    for (uint32_t k = 0; k < n; k++) {
        const hone_net_cover *x = &p->choices.v[heats[k].choice].covers[heats[k].cover];
        heats[k].first = all.n;
        heats[k].n = x->n;
        for (uint32_t j = 0; j < x->n; j++)
            hone_vec_push(&all, copy_of(of[x->group[j]], x, j));
    }
    free(of);
    for (uint32_t k = 0; k < p->calls.n; k++)
        hone_net__free_call(&p->calls.v[k]);
    for (uint32_t k = 0; k < p->spare.n; k++)
        hone_net__free_call(&p->spare.v[k]);
    hone_vec_copy(&p->calls, &all);
    hone_vec_free(&all);
    p->spare.n = p->choices.n = 0;
    hone_net__drop_kernels(p);
    hone_net__memory(p);
}
