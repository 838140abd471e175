/* Kernels: what reductions run over, and the axes that they leave. */
#include "net/kernel/internal.h"

const char *hone_nk__step(hone_nk_steps *s, int64_t size)
{
    if (size != 1)
        return hone_nk__loop(s, size);
    s->count = s->count || s->n ? s->count : 1;
    return "0";
}

const char *hone_nk__loop(hone_nk_steps *s, int64_t size)
{
    if (!s->n)
        s->count = s->count ? s->count : 1;
    s->count *= size;
    char *name = s->name[s->n];
    size_t at = s->n ? strlen(s->ranges.s) : 0;
    snprintf(name, sizeof s->name[0], "k%u", s->n);
    snprintf(s->ranges.s + at, sizeof s->ranges.s - at, "%s%s < %" PRId64, s->n ? ", " : "", name,
             size);
    s->n++;
    return name;
}

hone_nk_text hone_nk__over(const char *op, const hone_nk_steps *s, const char *operand)
{
    return s->n ? hone_nk__textf("%s(%s) %s", op, s->ranges.s, operand)
                : hone_nk__textf("%s", operand);
}

unsigned hone_nk__kept(const hone_tensor *t, const bool *folded, int64_t *ret_shape)
{
    unsigned n = 0;
    for (unsigned d = 0; d < t->n_dims; d++)
        if (!folded[d])
            ret_shape[n++] = t->shape[d];
    return n;
}

hone_nk_text hone_nk__folded(hone_nk *e, unsigned k, const bool *folded, bool wide,
                             hone_nk_steps *s)
{
    const hone_tensor *t = hone_net_in(e->u, k);
    hone_nk_index x = {.n = t->n_dims};
    unsigned n = 0;
    for (unsigned d = 0; d < t->n_dims; d++)
        if (folded[d])
            hone_nk__set(&x, d, "%s", hone_nk__step(s, t->shape[d]));
        else
            hone_nk__set(&x, d, "i%u", wide ? d : n++);
    return hone_nk__at(hone_nk__in(e, k), &x);
}

hone_nk_text hone_nk__kept_at(const hone_nk_row *b, const hone_tensor *t, const bool *folded)
{
    hone_nk_index x = {0};
    for (unsigned d = 0; d < t->n_dims; d++)
        if (!folded[d])
            hone_nk__set(&x, x.n++, "i%u", d);
    return hone_nk__at(b, &x);
}
