/* Kernels: reductions along axes, and running sums. */
#include "net/kernel/internal.h"

/* What an operator reduces, by what, and what becomes of the result. $ is the element or the
 * result, # how many there are. */
typedef struct kind {
    const char *op, *by, *of, *then;
} kind;

static const kind kinds[] = {
    {"ReduceL1", "sum", "abs($)", NULL},
    {"ReduceL2", "sum", "$ * $", "sqrt($)"},
    {"ReduceLogSum", "sum", "$", "log($)"},
    {"ReduceLogSumExp", "sum", NULL, NULL}, /* by itself, below */
    {"ReduceMax", "max", "$", NULL},
    {"ReduceMean", "sum", "$", "$ / #"},
    {"ReduceMin", "min", "$", NULL},
    {"ReduceProd", "prod", "$", NULL},
    {"ReduceSum", "sum", "$", NULL},
    {"ReduceSumSquare", "sum", "$ * $", NULL},
};

static hone_nk_text put_in(const char *pattern, const char *x, int64_t count)
{
    hone_nk_text r;
    size_t n = 0;
    for (const char *c = pattern; *c && n + 1 < sizeof r.s; c++)
        if (*c == '$')
            n += (size_t)snprintf(r.s + n, sizeof r.s - n, "%s", x);
        else if (*c == '#')
            n += (size_t)snprintf(r.s + n, sizeof r.s - n, "%" PRId64, count);
        else
            r.s[n++] = *c;
    r.s[n < sizeof r.s ? n : sizeof r.s - 1] = '\0';
    return r;
}

/* A reduction of input 0 along some axes. */
typedef struct reduction {
    const hone_tensor *x, *y;
    bool folded[HONE_MAX_DIMS];
    bool wide; /* does the result keep them, 1 long? */
    hone_dtype t, of;
    int64_t shape[HONE_MAX_DIMS]; /* of the other axes */
    unsigned n;
} reduction;

/* What the axes left say, in the stage that writes the output. */
static hone_nk_text result_at(const reduction *r, const hone_nk_row *b)
{
    hone_nk_index i = hone_nk__indices(r->n);
    return r->wide ? hone_nk__kept_at(b, r->x, r->folded) : hone_nk__at(b, &i);
}

static const kind *kind_of(const char *op)
{
    for (unsigned k = 0; k < HONE_LEN(kinds); k++)
        if (strcmp(kinds[k].op, op) == 0)
            return &kinds[k];
    hone_bug(__FILE__, __LINE__, "an operator that is no reduction");
}

static hone_status reduction_of(hone_nk *e, reduction *r)
{
    *r = (reduction){.x = hone_net_in(e->u, 0), .y = hone_net_out(e->u, 0)};
    HONE_TRY(hone_net_reduced_axes(e->u, r->folded, e->err));
    r->wide = hone_net_attr_int(e->u->node, "keepdims") != 0;
    r->t = r->x->dtype;
    r->of = hone_nk__sum_type(r->t);
    r->n = hone_nk__kept(r->x, r->folded, r->shape);
    return HONE_OK;
}

/* Less the largest, so that no exponential is infinite. */
static hone_status put_log_sum_exp(hone_nk *e, const reduction *r)
{
    hone_nk_steps steps = {0};
    hone_nk_index i = hone_nk__indices(r->n);
    const hone_nk_row *top = hone_nk__temp(e, r->t, r->shape, r->n);
    const hone_nk_row *sum = hone_nk__temp(e, r->of, r->shape, r->n);
    hone_nk_text x = hone_nk__folded(e, 0, r->folded, false, &steps);
    hone_nk__stage(e, top, r->n, "%s", hone_nk__over("max", &steps, x.s).s);
    hone_nk_text power = hone_nk__textf("exp(%s - %s)", hone_nk__as(r->of, r->t, x.s).s,
                                        hone_nk__as(r->of, r->t, hone_nk__at(top, &i).s).s);
    hone_nk__stage(e, sum, r->n, "%s", hone_nk__over("sum", &steps, power.s).s);
    hone_nk_text y = hone_nk__textf("log(%s) + %s", result_at(r, sum).s,
                                    hone_nk__as(r->of, r->t, result_at(r, top).s).s);
    hone_nk__stage(e, hone_nk__out(e, 0), r->y->n_dims, "%s", hone_nk__as(r->t, r->of, y.s).s);
    return HONE_OK;
}

hone_status hone_nk__reduce(hone_nk *e)
{
    const kind *k = kind_of(e->u->node->op->name);
    reduction r;
    HONE_TRY(reduction_of(e, &r));
    if (!hone_dtype_is_float(r.t) && (!k->of || (k->then && k->then[0] != '$')))
        return hone_nk__refuse(e, "there is no kernel of it for %s", hone_dtype_name(r.t));
    if (!k->of)
        return put_log_sum_exp(e, &r);
    bool more = k->then || r.of != r.t;
    hone_nk_steps steps = {0};
    hone_nk_text x =
        hone_nk__as(r.of, r.t, hone_nk__folded(e, 0, r.folded, r.wide && !more, &steps).s);
    hone_nk_text each = put_in(k->of, x.s, 0), all = hone_nk__over(k->by, &steps, each.s);
    if (!more) {
        hone_nk__stage(e, hone_nk__out(e, 0), r.y->n_dims, "%s", all.s);
        return HONE_OK;
    }
    const hone_nk_row *sum = hone_nk__temp(e, r.of, r.shape, r.n);
    hone_nk__stage(e, sum, r.n, "%s", all.s);
    hone_nk_text y =
        put_in(k->then ? k->then : "$", result_at(&r, sum).s, steps.n ? steps.count : 1);
    hone_nk__stage(e, hone_nk__out(e, 0), r.y->n_dims, "%s", hone_nk__as(r.t, r.of, y.s).s);
    return HONE_OK;
}

/* The first (or last) place of the largest or smallest element: the least (or largest) of the
 * indices where it is. */
hone_status hone_nk__arg_extreme(hone_nk *e)
{
    const hone_net_node_row *node = e->u->node;
    const char *by = strcmp(node->op->name, "ArgMax") == 0 ? "max" : "min";
    bool last = hone_net_attr_int(node, "select_last_index") != 0;
    reduction r = {.x = hone_net_in(e->u, 0), .y = hone_net_out(e->u, 0)};
    uint32_t axis;
    HONE_TRY(hone_net_axis_of(e->u, "axis", r.x->n_dims, &axis, e->err));
    r.folded[axis] = true;
    r.wide = hone_net_attr_int(node, "keepdims") != 0;
    r.n = hone_nk__kept(r.x, r.folded, r.shape);
    hone_nk_steps steps = {0}, again = {0};
    const hone_nk_row *top = hone_nk__temp(e, r.x->dtype, r.shape, r.n);
    hone_nk_text x = hone_nk__folded(e, 0, r.folded, false, &steps);
    hone_nk__stage(e, top, r.n, "%s", hone_nk__over(by, &steps, x.s).s);
    x = hone_nk__folded(e, 0, r.folded, r.wide, &again);
    hone_nk_text choice =
        hone_nk__textf("select(%s == %s, %s, %" PRId64 ")", x.s, result_at(&r, top).s,
                       again.n ? again.name[0] : "0", last ? 0 : r.x->shape[axis] - 1);
    hone_nk__stage(e, hone_nk__out(e, 0), r.y->n_dims, "%s",
                   hone_nk__over(last ? "max" : "min", &again, choice.s).s);
    return HONE_OK;
}

hone_status hone_nk__cum_sum(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0);
    uint32_t axis;
    bool strict = hone_net_attr_int(e->u->node, "exclusive") != 0;
    bool back = hone_net_attr_int(e->u->node, "reverse") != 0;
    HONE_TRY(hone_net_cum_sum_axis(e->u, &axis, e->err));
    hone_dtype t = x->dtype, of = hone_nk__sum_type(t);
    hone_nk_index at = hone_nk__indices(x->n_dims), i = at;
    hone_nk_steps steps = {0};
    const char *k = hone_nk__step(&steps, x->shape[axis]);
    hone_nk__set(&at, axis, "%s", k);
    hone_nk_text each = hone_nk__textf("select(%s %s i%" PRIu32 ", %s, 0)", k,
                                       back ? (strict ? ">" : ">=") : (strict ? "<" : "<="), axis,
                                       hone_nk__as(of, t, hone_nk__at(hone_nk__in(e, 0), &at).s).s);
    const hone_nk_row *to =
        of == t ? hone_nk__out(e, 0) : hone_nk__temp_like(e, of, x->shape, x->n_dims, e->out[0]);
    hone_nk__stage(e, to, x->n_dims, "%s", hone_nk__over("sum", &steps, each.s).s);
    if (of != t)
        hone_nk__stage(e, hone_nk__out(e, 0), x->n_dims, "%s",
                       hone_nk__as(t, of, hone_nk__at(to, &i).s).s);
    return HONE_OK;
}
