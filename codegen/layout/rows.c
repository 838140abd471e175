/* Rows: what a block has to do with a size that comes with the call.
 *
 * Element [i, ..] of the arguments that have this size is row i, and rows do not meet
 * (hone_codegen_size). Whatever a block instance computes of row i is of use to row i alone, so
 * that the instances of rows that are not there are left out: each block that touches such a row,
 * be it in an argument or in a temporary, gets `row < size` as one more part of its predicate. The
 * loops see to the rest as with any predicate (loop_partition.c).
 *
 * In a temporary the row is a sum of multiples of the indices, which follows from a block that
 * stores there and whose row is known: a panel P[p, k, r] of 12 rows has row 12 p + r. */
#include "codegen/internal.h"

typedef struct row_of {
    bool known;
    int64_t c, coeff[HONE_MAX_DIMS];
} row_of;

typedef struct rows {
    cg *e;
    row_of *buffers;   /* by buffer */
    hone_expr *leaves; /* by leaf; none: not known to have one */
    uint32_t at;       /* the leaf being looked at */
    bool changed;
} rows;

bool hone_cg__is_sized(const cg *e, hone_buffer b)
{
    return e->o->size && b.i <= e->n_args && b.i <= 64 && (e->o->size->args >> (b.i - 1) & 1);
}

static hone_expr times(hone_program *q, hone_expr x, int64_t c)
{
    return hone_binary(q, HONE_OP_MUL, x, hone_int(q, c));
}

static hone_expr row_at(cg *e, const row_of *f, const hone_expr *index, unsigned n)
{
    hone_expr x = hone_int(&e->q, f->c);
    for (unsigned k = 0; k < n; k++)
        if (f->coeff[k])
            x = hone_binary(&e->q, HONE_OP_ADD, x, times(&e->q, index[k], f->coeff[k]));
    return hone_simplify(&e->q, x);
}

/* Sets f->c, if the row is the sum but for a constant. */
static bool holds(cg *e, const cg_leaf *leaf, hone_expr row, row_of *f)
{
    f->c = 0;
    hone_expr sum = row_at(e, f, leaf->index, leaf->n_index);
    sum = hone_simplify(&e->q, hone_binary(&e->q, HONE_OP_SUB, row, sum));
    return hone_is_int(&e->q, sum, &f->c);
}

static int64_t coeff_of(cg *e, cg_lin l, cg_term t)
{
    for (uint32_t k = 0; k < l.n; k++) {
        cg_term u = e->terms.v[l.first + k];
        if (HONE_SAME(u.var, t.var) && HONE_SAME(u.atom, t.atom))
            return u.coeff;
    }
    return 0;
}

/* Coefficients by the terms that one index alone has. */
static void match_terms(cg *e, const cg_leaf *leaf, hone_expr row, row_of *ret)
{
    cg_lin r = hone_cg__lin(e, row), l[HONE_MAX_DIMS];
    *ret = (row_of){0};
    for (unsigned d = 0; d < leaf->n_index; d++)
        l[d] = hone_cg__lin(e, leaf->index[d]);
    for (unsigned d = 0; d < leaf->n_index; d++)
        for (uint32_t k = 0; k < l[d].n; k++) {
            cg_term t = e->terms.v[l[d].first + k];
            bool alone = true;
            for (unsigned o = 0; o < leaf->n_index && alone; o++)
                alone = o == d || coeff_of(e, l[o], t) == 0;
            if (alone && coeff_of(e, r, t) % t.coeff == 0)
                ret->coeff[d] = coeff_of(e, r, t) / t.coeff;
        }
}

/* As where the indices are i // n and i % n. */
static bool match_pair(cg *e, const cg_leaf *leaf, hone_expr row, row_of *ret)
{
    for (unsigned a = 0; a < leaf->n_index; a++)
        for (unsigned b = 0; b < leaf->n_index; b++) {
            *ret = (row_of){0};
            ret->coeff[a] = hone_buffer_at(&e->q, leaf->out)->shape[b];
            ret->coeff[b] = 1;
            if (a != b && holds(e, leaf, row, ret))
                return true;
        }
    return false;
}

static void put_in_buffer(rows *r, const cg_leaf *leaf, hone_expr row)
{
    cg *e = r->e;
    row_of *f = &r->buffers[leaf->out.i];
    if (f->known)
        return;
    match_terms(e, leaf, row, f);
    if (!holds(e, leaf, row, f) && !match_pair(e, leaf, row, f)) {
        hone_cg__fail(e, HONE_REJECT_BUILD, "It does not follow which rows are where in \"%s\".",
                      hone_sym_text(&e->q, hone_buffer_at(&e->q, leaf->out)->name));
        return;
    }
    f->known = r->changed = true;
}

static void note(rows *r, hone_buffer b, const hone_expr *index, unsigned n)
{
    cg *e = r->e;
    hone_expr row, *known = &r->leaves[r->at];
    if (!r->buffers[b.i].known)
        return;
    row = row_at(e, &r->buffers[b.i], index, n);
    if (known->i && !HONE_SAME(*known, row))
        hone_cg__fail(e, HONE_REJECT_BUILD, "Block \"%s\" touches two rows at once.",
                      hone_sym_text(&e->q, hone_stmt_at(&e->q, e->leaves.v[r->at].s)->name));
    r->changed = r->changed || !known->i;
    *known = row;
}

static void note_loads(rows *r, hone_expr x, hone_memo *seen)
{
    hone_program *q = &r->e->q;
    if (!x.i || !hone_has_load(q, x) || !hone_memo_first(seen, x.i))
        return;
    hone_expr_row at = *hone_expr_at(q, x);
    hone_expr args[HONE_MAX_DIMS];
    for (unsigned k = 0; k < at.n_args; k++) {
        note_loads(r, hone_expr_arg(q, x, k), seen);
        if (at.op == HONE_OP_LOAD)
            args[k] = hone_expr_arg(q, x, k);
    }
    if (at.op == HONE_OP_LOAD)
        note(r, (hone_buffer){at.sym}, args, at.n_args);
}

static void look_at_leaf(rows *r)
{
    const cg_leaf *leaf = &r->e->leaves.v[r->at];
    hone_memo seen = {0};
    note_loads(r, leaf->value, &seen);
    note_loads(r, leaf->init, &seen);
    for (unsigned k = 0; k < leaf->n_conds; k++)
        note_loads(r, leaf->conds[k].e, &seen);
    hone_memo_free(&seen);
    note(r, leaf->out, leaf->index, leaf->n_index);
    if (r->leaves[r->at].i)
        put_in_buffer(r, leaf, r->leaves[r->at]);
}

/* row < size; x // n < size as x < n size, which is a sum that loops can count to. */
static hone_expr is_there(cg *e, hone_expr row)
{
    hone_expr size = hone_var_expr(&e->q, e->size);
    int64_t n;
    if (hone_expr_op(&e->q, row) == HONE_OP_FLOORDIV &&
        hone_is_int(&e->q, hone_expr_arg(&e->q, row, 1), &n) && n > 0) {
        row = hone_expr_arg(&e->q, row, 0);
        size = times(&e->q, size, n);
    }
    return hone_simplify(&e->q, hone_binary(&e->q, HONE_OP_LT, row, size));
}

void hone_cg__find_rows(cg *e)
{
    rows r = {.e = e,
              .buffers = hone_xcalloc(e->q.buffers.n, sizeof(row_of)),
              .leaves = hone_xcalloc(e->leaves.n, sizeof(hone_expr)),
              .changed = true};
    e->n_args = hone_program_n_args(&e->q);
    e->size = hone_var_new(&e->q, "size", e->o->size->most + 1);
    for (uint32_t b = 1; b <= e->n_args; b++)
        if (hone_cg__is_sized(e, (hone_buffer){b}))
            r.buffers[b] = (row_of){.known = true, .coeff = {1}};
    while (r.changed && e->status == HONE_OK) {
        r.changed = false;
        for (r.at = 1; r.at < e->leaves.n && e->status == HONE_OK; r.at++)
            look_at_leaf(&r);
    }
    for (uint32_t k = 1; k < e->leaves.n && e->status == HONE_OK; k++)
        if (r.leaves[k].i)
            hone_cg__add_where(e, &e->leaves.v[k], is_there(e, r.leaves[k]));
    free(r.buffers);
    free(r.leaves);
}
