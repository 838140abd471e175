/* Kernels: softmax and its kin, along one axis, or before opset 13 along all from one on. */
#include "net/kernel/internal.h"

typedef struct rows {
    bool folded[HONE_MAX_DIMS];
    int64_t shape[HONE_MAX_DIMS]; /* of the other axes */
    unsigned n, rank;
    hone_dtype t, of; /* of the tensors; of what is computed */
} rows;

static hone_status rows_of(hone_nk *e, rows *r)
{
    const hone_tensor *x = hone_net_in(e->u, 0);
    uint32_t from, to;
    HONE_TRY(hone_net_softmax_of(e->u, &from, &to, e->err));
    *r = (rows){.rank = x->n_dims, .t = x->dtype, .of = hone_nk__sum_type(x->dtype)};
    for (uint32_t d = from; d < to; d++)
        r->folded[d] = true;
    r->n = hone_nk__kept(x, r->folded, r->shape);
    return HONE_OK;
}

/* The largest of each row. */
static const hone_nk_row *put_largest(hone_nk *e, const rows *r)
{
    hone_nk_steps steps = {0};
    const hone_nk_row *top = hone_nk__temp(e, r->t, r->shape, r->n);
    hone_nk_text x = hone_nk__folded(e, 0, r->folded, false, &steps);
    hone_nk__stage(e, top, r->n, "%s", hone_nk__over("max", &steps, x.s).s);
    return top;
}

/* An array of the input's shape at the element that the steps of a reduction are at. */
static hone_nk_text stepped(const hone_nk_row *b, const rows *r, const int64_t *shape,
                            hone_nk_steps *steps)
{
    hone_nk_index x = {.n = r->rank};
    unsigned n = 0;
    for (unsigned d = 0; d < r->rank; d++)
        if (r->folded[d])
            hone_nk__set(&x, d, "%s", hone_nk__step(steps, shape[d]));
        else
            hone_nk__set(&x, d, "i%u", n++);
    return hone_nk__at(b, &x);
}

hone_status hone_nk__softmax(hone_nk *e)
{
    const hone_tensor *t = hone_net_in(e->u, 0);
    bool is_log = strcmp(e->u->node->op->name, "LogSoftmax") == 0;
    rows r;
    HONE_TRY(rows_of(e, &r));
    const hone_nk_row *top = put_largest(e, &r);
    hone_nk_index i = hone_nk__indices(r.rank);
    hone_nk_text x = hone_nk__as(r.of, r.t, hone_nk__at(hone_nk__in(e, 0), &i).s);
    hone_nk_text most = hone_nk__as(r.of, r.t, hone_nk__kept_at(top, t, r.folded).s);
    bool deferred = hone_nk__out(e, 0)->deferred;
    const hone_nk_row *power =
        deferred ? hone_nk__out(e, 0) : hone_nk__temp_like(e, r.of, t->shape, r.rank, e->in[0]);
    hone_nk__stage(e, power, r.rank, "exp(%s - %s)", x.s, most.s);
    hone_nk_steps steps = {0};
    hone_nk_text each = stepped(power, &r, t->shape, &steps);
    const hone_nk_row *total = hone_nk__temp(e, r.of, r.shape, r.n);
    hone_nk__stage(e, total, r.n, "%s", hone_nk__over("sum", &steps, each.s).s);
    const hone_nk_row *scale = hone_nk__temp(e, r.of, r.shape, r.n);
    hone_nk_index of_rows = hone_nk__indices(r.n);
    hone_nk__stage(e, scale, r.n, is_log ? "log(%s)" : "1 / %s", hone_nk__at(total, &of_rows).s);
    if (deferred) {
        hone_nk__put_scale(e, scale);
        return HONE_OK;
    }
    hone_nk_text by = hone_nk__kept_at(scale, t, r.folded), value;
    if (is_log)
        value = hone_nk__textf("%s - %s - %s", x.s, most.s, by.s);
    else
        value = hone_nk__textf("%s * %s", hone_nk__at(power, &i).s, by.s);
    hone_nk__stage(e, hone_nk__out(e, 0), r.rank, "%s", hone_nk__as(r.t, r.of, value.s).s);
    return HONE_OK;
}

/* 1 at the first largest element of a row, 0 elsewhere. */
hone_status hone_nk__hardmax(hone_nk *e)
{
    const hone_tensor *t = hone_net_in(e->u, 0);
    rows r;
    HONE_TRY(rows_of(e, &r));
    const hone_nk_row *top = put_largest(e, &r);
    /* the place of an element in its row, by steps and by indices */
    hone_nk_steps steps = {0};
    hone_nk_text x = hone_nk__folded(e, 0, r.folded, false, &steps);
    hone_nk_text by_step = {"0"}, by_index = {"0"};
    for (unsigned d = 0, k = 0; d < r.rank; d++) {
        if (!r.folded[d] || t->shape[d] == 1)
            continue;
        hone_nk_text s = by_step, i = by_index;
        by_step = hone_nk__textf("(%s*%" PRId64 " + %s)", s.s, t->shape[d], steps.name[k++]);
        by_index = hone_nk__textf("(%s*%" PRId64 " + i%u)", i.s, t->shape[d], d);
    }
    hone_nk_index of_rows = hone_nk__indices(r.n);
    hone_nk_text choice =
        hone_nk__textf("select(%s == %s, %s, %" PRId64 ")", x.s, hone_nk__at(top, &of_rows).s,
                       by_step.s, steps.n ? steps.count - 1 : 0);
    const hone_nk_row *first = hone_nk__temp(e, HONE_I64, r.shape, r.n);
    hone_nk__stage(e, first, r.n, "%s", hone_nk__over("min", &steps, choice.s).s);
    hone_nk__stage(e, hone_nk__out(e, 0), r.rank, "select(%s == %s, 1, 0)", by_index.s,
                   hone_nk__kept_at(first, t, r.folded).s);
    return HONE_OK;
}
