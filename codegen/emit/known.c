/* What has been computed of the expression at hand. Expressions are a graph: without this, each
 * would be computed once for every path to it, and a chain of squares of squares never be done.
 *
 * What is computed in an arm of a select is there in that arm only, so the entries are a stack that
 * is cut back at its end; what both arms need is computed before them. */
#include "codegen/internal.h"

static void set_at(cg *e, bool idx, hone_expr x, uint32_t at)
{
    if (idx) {
        while (e->known_idx_at.n <= x.i) {
            hone_vec_push(&e->known_idx_at, 0);
        }
        e->known_idx_at.v[x.i] = at;
        return;
    }
    while (e->known_at.n <= x.i) {
        hone_vec_push(&e->known_at, 0);
    }
    e->known_at.v[x.i] = at;
}

bool hone_cg__find(const cg *e, hone_expr x, cg_val *ret)
{
    uint32_t at = x.i < e->known_at.n ? e->known_at.v[x.i] : 0;
    if (at >= e->known.n || !HONE_SAME(e->known.v[at].x, x)) {
        return false;
    }
    *ret = e->known.v[at].v;
    return true;
}

void hone_cg__keep(cg *e, hone_expr x, cg_val v)
{
    set_at(e, false, x, e->known.n);
    hone_vec_push(&e->known, ((cg_known){x, v}));
}

bool hone_cg__find_idx(const cg *e, hone_expr x, cg_idx *ret)
{
    uint32_t at = x.i < e->known_idx_at.n ? e->known_idx_at.v[x.i] : 0;
    if (at >= e->known_idx.n || !HONE_SAME(e->known_idx.v[at].x, x)) {
        return false;
    }
    *ret = e->known_idx.v[at].i;
    return true;
}

void hone_cg__keep_idx(cg *e, hone_expr x, cg_idx i)
{
    set_at(e, true, x, e->known_idx.n);
    hone_vec_push(&e->known_idx, ((cg_known_idx){x, i}));
}

void hone_cg__enter_expr(cg *e)
{
    if (e->depth++ == 0) {
        e->round++;
    }
}

void hone_cg__leave_expr(cg *e)
{
    if (--e->depth == 0) {
        hone_cg__forget(e, (cg_mark){0, 0});
    }
}

cg_mark hone_cg__mark(const cg *e)
{
    return (cg_mark){e->known.n, e->known_idx.n};
}

void hone_cg__forget(cg *e, cg_mark m)
{
    e->known.n = m.known;
    e->known_idx.n = m.known_idx;
}

/* ---- both arms ------------------------------------------------------------------------------- */

/* Calls itself for what x needs whatever its conditions are. The first walk notes it in `of_a`; the
 * second, over b, computes what was noted. */
static void walk_needed(cg *e, hone_expr x, hone_memo *of_a, hone_memo *of_b)
{
    const hone_expr_row *r = hone_expr_at(&e->q, x);
    uint32_t unused;
    cg_val v;
    unsigned n = r->n_args, first = 0;
    hone_op op = (hone_op)r->op;
    if (n == 0 || HONE_SAME(x, e->own) || hone_cg__find(e, x, &v)) {
        return;
    }
    if (of_b && hone_memo_find(of_a, x.i, &unused)) {
        hone_cg__value(e, x);
        return;
    }
    if (!hone_memo_first(of_b ? of_b : of_a, x.i) || op == HONE_OP_LOAD) {
        return;
    }
    if (op == HONE_OP_SELECT) {
        cg_tri known = hone_cg__decide(e, hone_expr_arg(&e->q, x, 0));
        first = known == CG_MAYBE ? 0 : known == CG_YES ? 1 : 2;
        n = first + 1;
    }
    for (unsigned k = first; k < n; k++) {
        walk_needed(e, hone_expr_arg(&e->q, x, k), of_a, of_b);
    }
}

void hone_cg__compute_shared(cg *e, hone_expr a, hone_expr b)
{
    hone_memo of_a = {0}, of_b = {0};
    walk_needed(e, a, &of_a, NULL);
    walk_needed(e, b, &of_a, &of_b);
    hone_memo_free(&of_a);
    hone_memo_free(&of_b);
}
