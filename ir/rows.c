/* Can a size of a kernel be left open? Two programs of the kernel, at two values of the size, tell
 * where it is: in the extents that differ. */
#include "ir/ir.h"

typedef struct rows {
    const hone_program *p, *q;
    int64_t at_p, at_q; /* the size there */
    const char *name;   /* of it */
    hone_error *err;
    hone_stmt block; /* at hand */
    hone_var row;    /* the iterator of the block that is the row; none */
    hone_status status;
} rows;

static void refuse(rows *r, const char *fmt, ...) HONE_PRINTF(2, 3);
static void refuse(rows *r, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    if (r->status != HONE_OK)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    r->status = hone_fail(r->err, HONE_E_INPUT,
                          "%s cannot have a range: %s; a size can that is the first dimension of "
                          "arrays, row by row apart from each other",
                          r->name, text);
}

static const char *name_of(const rows *r, hone_buffer b)
{
    return hone_sym_text(r->p, hone_buffer_at(r->p, b)->name);
}

/* ---- where the size is ----------------------------------------------------------------------- */

static bool is_size(const rows *r, int64_t in_p, int64_t in_q)
{
    return in_p == r->at_p && in_q == r->at_q;
}

static bool is_row_buffer(const rows *r, hone_buffer b)
{
    return hone_buffer_at(r->p, b)->n_dims > 0 &&
           hone_buffer_at(r->p, b)->shape[0] != hone_buffer_at(r->q, b)->shape[0];
}

static void check_shapes(rows *r)
{
    for (uint32_t b = 1; b < r->p->buffers.n; b++) {
        const hone_buffer_row *x = &r->p->buffers.v[b], *y = &r->q->buffers.v[b];
        for (unsigned d = 0; d < x->n_dims; d++)
            if (x->shape[d] == y->shape[d])
                continue;
            else if (d > 0)
                refuse(r, "dimension %u of %.80s depends on it", d + 1,
                       name_of(r, (hone_buffer){b}));
            else if (!is_size(r, x->shape[d], y->shape[d]))
                refuse(r, "the first dimension of %.80s is another number that depends on it",
                       name_of(r, (hone_buffer){b}));
    }
}

static bool same_expr(const hone_program *p, const hone_program *q, uint32_t k)
{
    const hone_expr_row *x = &p->exprs.v[k], *y = &q->exprs.v[k];
    return x->op == y->op && x->dtype == y->dtype && x->n_args == y->n_args && x->sym == y->sym &&
           x->args == y->args && memcmp(&x->imm, &y->imm, sizeof x->imm) == 0;
}

static bool same_stmt(const hone_program *p, const hone_program *q, uint32_t k)
{
    const hone_stmt_row *x = &p->stmts.v[k], *y = &q->stmts.v[k];
    return x->kind == y->kind && x->n_iters == y->n_iters && x->n_index == y->n_index &&
           HONE_SAME(x->parent, y->parent) && HONE_SAME(x->var, y->var) && x->iters == y->iters &&
           HONE_SAME(x->where, y->where) && HONE_SAME(x->out, y->out) && x->index == y->index &&
           HONE_SAME(x->init, y->init) && HONE_SAME(x->value, y->value);
}

/* Apart from extents the two are the same. */
static bool same_form(const hone_program *p, const hone_program *q)
{
    bool same = p->exprs.n == q->exprs.n && p->args.n == q->args.n && p->stmts.n == q->stmts.n &&
                p->vars.n == q->vars.n && p->iters.n == q->iters.n && p->buffers.n == q->buffers.n;
    for (uint32_t k = 1; same && k < p->exprs.n; k++)
        same = same_expr(p, q, k);
    for (uint32_t k = 1; same && k < p->stmts.n; k++)
        same = same_stmt(p, q, k);
    for (uint32_t k = 0; same && k < p->args.n; k++)
        same = HONE_SAME(p->args.v[k], q->args.v[k]);
    for (uint32_t k = 0; same && k < p->iters.n; k++)
        same = p->iters.v[k].kind == q->iters.v[k].kind &&
               HONE_SAME(p->iters.v[k].binding, q->iters.v[k].binding);
    return same;
}

/* ---- a block --------------------------------------------------------------------------------- */

static void find_row(rows *r)
{
    r->row = (hone_var){0};
    for (unsigned k = 0; k < hone_stmt_at(r->p, r->block)->n_iters; k++) {
        const hone_iter *it = hone_iter_at(r->p, r->block, k);
        int64_t x = hone_var_at(r->p, it->var)->extent, y = hone_var_at(r->q, it->var)->extent;
        if (x == y)
            continue;
        if (it->kind == HONE_REDUCE)
            refuse(r, "%.80s is reduced over it", name_of(r, hone_stmt_at(r->p, r->block)->out));
        else if (!is_size(r, x, y) || r->row.i)
            refuse(r, "a loop over another number depends on it");
        r->row = it->var;
    }
}

static void check_access(rows *r, hone_buffer b, const hone_expr *index, unsigned n)
{
    bool own = n > 0 && r->row.i && hone_expr_op(r->p, index[0]) == HONE_OP_VAR &&
               hone_expr_at(r->p, index[0])->sym == r->row.i;
    if (!is_row_buffer(r, b))
        return;
    if (!own)
        refuse(r, "a row of %.80s is made of other rows of %.80s",
               name_of(r, hone_stmt_at(r->p, r->block)->out), name_of(r, b));
}

static bool look(void *ctx, const hone_program *p, hone_expr e)
{
    rows *r = ctx;
    const hone_expr_row *row = hone_expr_at(p, e);
    if (row->op == HONE_OP_LOAD)
        check_access(r, (hone_buffer){row->sym}, &p->args.v[row->args], row->n_args);
    return true;
}

static void check_block(rows *r, hone_stmt s)
{
    const hone_stmt_row *row = hone_stmt_at(r->p, s);
    r->block = s;
    find_row(r);
    if (r->row.i && !is_row_buffer(r, row->out))
        refuse(r, "all rows meet in %.80s", name_of(r, row->out));
    check_access(r, row->out, &r->p->args.v[row->index], row->n_index);
    hone_walk(r->p, row->value, look, r);
    if (row->init.i)
        hone_walk(r->p, row->init, look, r);
}

hone_status hone_program_rows(const hone_program *p, int64_t at_p, const hone_program *q,
                              int64_t at_q, const char *name, uint64_t *ret_args, hone_error *err)
{
    rows r = {.p = p, .q = q, .at_p = at_p, .at_q = at_q, .name = name, .err = err};
    *ret_args = 0;
    if (!same_form(p, q))
        refuse(&r, "the kernel computes with it");
    if (r.status == HONE_OK)
        check_shapes(&r);
    for (uint32_t k = 1; k < p->stmts.n && r.status == HONE_OK; k++)
        if (p->stmts.v[k].kind == HONE_BLOCK && p->stmts.v[k].out.i)
            check_block(&r, (hone_stmt){k});
    for (uint32_t k = 0; k < hone_program_n_args(p) && r.status == HONE_OK; k++) {
        hone_buffer b = {k + 1};
        if (!is_row_buffer(&r, b))
            continue;
        if (hone_buffer_at(p, b)->is_const)
            refuse(&r, "%.80s is const", name_of(&r, b));
        else if (k >= 64)
            refuse(&r, "there are too many arguments");
        else
            *ret_args |= (uint64_t)1 << k;
    }
    if (r.status == HONE_OK && !*ret_args)
        refuse(&r, "no argument depends on it");
    if (r.status != HONE_OK)
        *ret_args = 0;
    return r.status;
}
