/* Whether an expression may be computed where it is not wanted, and for all lanes at once. */
#include "codegen/internal.h"

static bool is_divided_by_const(const cg *e, hone_expr x)
{
    int64_t c;
    return hone_is_int(&e->q, hone_expr_arg(&e->q, x, 1), &c) && c != 0 && c != -1;
}

/* Integer division that can trap. */
static bool may_trap(const cg *e, hone_expr x)
{
    hone_op op = hone_expr_op(&e->q, x);
    bool divides = op == HONE_OP_DIV || op == HONE_OP_FLOORDIV || op == HONE_OP_FLOORMOD;
    return divides && !hone_dtype_is_float(hone_expr_dtype(&e->q, x)) && !is_divided_by_const(e, x);
}

static bool speculate(cg *e, hone_expr x);

static bool speculate_now(cg *e, hone_expr x)
{
    hone_op op = hone_expr_op(&e->q, x);
    unsigned n = hone_expr_at(&e->q, x)->n_args;
    if (may_trap(e, x) || (op == HONE_OP_LOAD && !hone_cg__load_in_bounds(e, x)) ||
        (op >= HONE_OP_EXP && op != HONE_OP_ABS && op != HONE_OP_FLOOR && op != HONE_OP_CEIL &&
         op != HONE_OP_ROUND)) {
        return false;
    }
    for (unsigned k = 0; k < n; k++) {
        if (!speculate(e, hone_expr_arg(&e->q, x, k))) {
            return false;
        }
    }
    return true;
}

static bool speculate(cg *e, hone_expr x)
{
    if (hone_expr_at(&e->q, x)->n_args == 0) {
        return true;
    }
    while (e->harmless.n <= x.i) {
        hone_vec_push(&e->harmless, 0);
    }
    if (e->harmless.v[x.i] / 2 != e->round) {
        e->harmless.v[x.i] = 2 * e->round + speculate_now(e, x);
    }
    return e->harmless.v[x.i] & 1;
}

bool hone_cg__can_speculate(cg *e, hone_expr x)
{
    e->round += e->depth == 0; /* what is known of loops and lanes may have changed */
    return speculate(e, x);
}

static bool can_vectorise_load(cg *e, hone_expr x, cg_run run)
{
    hone_expr offset = {e->offset_of.v[x.i]};
    hone_buffer b = {hone_expr_at(&e->q, x)->sym};
    cg_lin l = hone_cg__lin(e, offset);
    int64_t stride = 0, first;
    bool other = false;
    for (uint32_t k = 0; k < l.n; k++) {
        cg_term t = e->terms.v[l.first + k];
        if (t.var.i && HONE_SAME(t.var, e->lane_var)) {
            stride += t.coeff;
        } else if (t.atom.i && run == CG_IN_ANY && !hone_cg__can_speculate(e, t.atom)) {
            return false;
        } else if (t.atom.i && hone_cg__by_lane(e, t.atom)) {
            other = true;
        }
    }
    bool even = !other || hone_cg__lane_steps(e, l, CG_ALL_TERMS, &first, &stride);
    if (!even && !hone_cg__lane_stretch(e, b, l, &(cg_stretch){0})) {
        return false;
    }
    bool one_is_enough = !even || stride == 0; /* one lane that runs vouches for all */
    return (even && stride == 1) || run == CG_IN_ALL || (one_is_enough && run == CG_IN_SOME) ||
           hone_cg__load_in_bounds(e, x);
}

static bool vectorise(cg *e, hone_expr x, cg_run run, hone_memo *seen)
{
    hone_op op = hone_expr_op(&e->q, x);
    if (HONE_SAME(x, e->own) || !hone_memo_first(seen, hone_memo_key(x, run))) {
        return true; /* one that cannot be done ends the walk */
    }
    if (op == HONE_OP_LOAD) {
        return can_vectorise_load(e, x, run);
    }
    if (op == HONE_OP_SELECT) {
        hone_expr c = hone_expr_arg(&e->q, x, 0);
        cg_tri known = hone_cg__decide(e, c);
        if (known != CG_MAYBE) {
            return vectorise(e, hone_expr_arg(&e->q, x, known == CG_YES ? 1 : 2), run, seen);
        }
        if (!vectorise(e, c, run, seen)) {
            return false;
        }
        run = hone_cg__by_lane(e, c) ? CG_IN_ANY : run;
        return vectorise(e, hone_expr_arg(&e->q, x, 1), run, seen) &&
               vectorise(e, hone_expr_arg(&e->q, x, 2), run, seen);
    }
    if (may_trap(e, x) && run != CG_IN_ALL) {
        return false;
    }
    unsigned n = hone_expr_at(&e->q, x)->n_args;
    for (unsigned k = 0; k < n; k++) {
        if (!vectorise(e, hone_expr_arg(&e->q, x, k), run, seen)) {
            return false;
        }
    }
    return true;
}

bool hone_cg__can_vectorise(cg *e, hone_expr x, cg_run run)
{
    hone_memo seen;
    seen.n = seen.mask = 0;
    bool ok = vectorise(e, x, run, &seen);
    hone_memo_free(&seen);
    return ok;
}
