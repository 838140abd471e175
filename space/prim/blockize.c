/* blockize: TensorIR's (Feng et al., ASPLOS 2023, sec. 3.2). The loops below a point, with the
 * block in them, become the body of a new block, whose iterators say which part of the work one run
 * of it does. */
#include "space/prim/prim.h"
#include "space/prim/util.h"

/* Loops from `top` down to the block in them, each the only statement in the one before. */
typedef struct chain {
    hone_stmt block;
    unsigned n;
    hone_var vars[HONE_PRIM__MAX_LOOPS];
} chain;

static bool chain_from(const hone_program *p, hone_stmt top, chain *ret)
{
    hone_stmt s = top;
    ret->n = 0;
    while (hone_is_loop(p, s)) {
        const hone_stmt_row *row = hone_stmt_at(p, s);
        if (!HONE_SAME(row->first, row->last) || ret->n == HONE_PRIM__MAX_LOOPS)
            return false;
        ret->vars[ret->n++] = row->var;
        s = row->first;
    }
    ret->block = s;
    return true;
}

static bool uses_any(const hone_program *p, hone_expr e, const chain *c)
{
    for (unsigned k = 0; k < c->n; k++) {
        if (hone_uses_var(p, e, c->vars[k]))
            return true;
    }
    return false;
}

typedef struct others {
    const hone_var *known;
    unsigned n;
    bool any;
} others;

static bool note_other(void *ctx, const hone_program *p, hone_expr e)
{
    others *o = ctx;
    bool is_known = false;
    for (unsigned k = 0; k < o->n; k++)
        is_known = is_known || hone_expr_at(p, e)->sym == o->known[k].i;
    o->any = o->any || (hone_expr_op(p, e) == HONE_OP_VAR && !is_known);
    return !o->any;
}

/* Does the condition mention any other variable, of a loop or of a block around? */
static bool uses_others(const hone_program *p, hone_expr e, const hone_var *known, unsigned n)
{
    others o = {known, n, false};
    hone_walk(p, e, note_other, &o);
    return o.any;
}

/* binding == outer * inner_extent + inner, with 0 <= inner < inner_extent made of the chain's
 * variables and outer of the others; where the binding does not come apart like that, inner_extent
 * is 1 in this formula and `outer` is simply where the run starts. */
typedef struct division {
    hone_expr outer, inner;
    int64_t scale, outer_extent;
} division;

static bool divide(hone_program *p, hone_expr binding, int64_t extent, const chain *c,
                   division *ret)
{
    int64_t coeff[HONE_PRIM__MAX_LOOPS], reach = 1;
    hone_expr start;
    if (!hone_linear(p, binding, c->vars, c->n, coeff, &start))
        return false;
    ret->inner = hone_int(p, 0);
    for (unsigned k = 0; k < c->n; k++) {
        int64_t more;
        if (coeff[k] < 0 ||
            __builtin_mul_overflow(coeff[k], hone_var_at(p, c->vars[k])->extent - 1, &more) ||
            __builtin_add_overflow(reach, more, &reach))
            return false;
        hone_expr term = hone_var_expr(p, c->vars[k]);
        term = hone_binary(p, HONE_OP_MUL, term, hone_int(p, coeff[k]));
        ret->inner = hone_binary(p, HONE_OP_ADD, ret->inner, term);
    }
    ret->inner = hone_simplify(p, ret->inner);
    start = hone_simplify(p, start);
    hone_expr scale = hone_int(p, reach);
    hone_expr part = hone_simplify(p, hone_binary(p, HONE_OP_FLOORDIV, start, scale));
    hone_expr whole = hone_simplify(p, hone_binary(p, HONE_OP_MUL, part, scale));
    int64_t lo, hi;
    bool exact = HONE_SAME(whole, start);
    ret->scale = exact ? reach : 1;
    ret->outer = exact ? part : start;
    ret->outer_extent = exact ? (extent + reach - 1) / reach : extent;
    /* a start beyond the iterator's range only occurs where the predicate is false */
    return hone_bounds(p, ret->outer, &lo, &hi) && lo >= 0;
}

hone_status hone_prim__blockize(hone_program *p, hone_stmt loop, bool preserve_unit_iters,
                                hone_stmt *ret, hone_error *err)
{
    chain c;
    if (!hone_is_loop(p, loop) || !chain_from(p, loop, &c))
        return hone_fail(err, HONE_REJECT_NOT_CHAIN,
                         "blockize: takes a loop around one block and loops around that alone");
    hone_stmt_row row = *hone_stmt_at(p, c.block);
    if (hone_prim__is_vectorized(p, hone_stmt_at(p, loop)->parent))
        return hone_fail(err, HONE_REJECT_ARG, "blockize: the loop stands in a vectorized one");
    division by[HONE_MAX_ITERS];
    for (unsigned k = 0; k < row.n_iters; k++) {
        hone_iter it = *hone_iter_at(p, c.block, k);
        if (!divide(p, it.binding, hone_var_at(p, it.var)->extent, &c, &by[k]))
            return hone_fail(err, HONE_REJECT_NOT_AFFINE,
                             "blockize: iterator %u of block '%s' does not come apart into outer "
                             "and inner loops",
                             k, hone_sym_text(p, row.name));
    }
    /* Conditions about the loops outside go to the new block, the others stay, in its terms. */
    hone_expr conds[HONE_PRIM__MAX_CONDS], lifted[HONE_PRIM__MAX_CONDS];
    hone_expr outside = HONE_NO_EXPR, inside = HONE_NO_EXPR;
    hone_var old[HONE_MAX_ITERS];
    for (unsigned k = 0; k < row.n_iters; k++)
        old[k] = hone_iter_at(p, c.block, k)->var;
    unsigned n_conds, n_lifted = 0;
    if (!hone_prim__conjuncts(p, row.where, conds, HONE_PRIM__MAX_CONDS, &n_conds))
        return hone_fail(err, HONE_REJECT_TOO_BIG, "blockize: the predicate is too long");
    for (unsigned k = 0; k < n_conds; k++) {
        if (!uses_any(p, conds[k], &c))
            hone_prim__require(p, &outside, conds[k]);
        else if (!uses_others(p, conds[k], c.vars, c.n))
            hone_prim__require(p, &inside, conds[k]);
        else if (!hone_prim__lift_exactly(p, c.block, conds[k], &lifted[n_lifted++]) ||
                 uses_others(p, lifted[n_lifted - 1], old, row.n_iters))
            return hone_fail(err, HONE_REJECT_NOT_AFFINE,
                             "blockize: the predicate of block '%s' mixes outer and inner loops",
                             hone_sym_text(p, row.name));
    }

    char name[256];
    hone_iter outer[HONE_MAX_ITERS];
    hone_expr binding[HONE_MAX_ITERS];
    unsigned n_outer = 0;
    snprintf(name, sizeof name, "%.*s_o", HONE_UTF8_CUT(hone_sym_text(p, row.name), 250));
    hone_stmt block = hone_block_new(p, name);
    for (unsigned k = 0; k < row.n_iters; k++) {
        hone_iter it = *hone_iter_at(p, c.block, k);
        hone_expr start = by[k].outer;
        if (by[k].outer_extent > 1 || preserve_unit_iters) {
            snprintf(name, sizeof name, "%.*s_o",
                     HONE_UTF8_CUT(hone_sym_text(p, hone_var_at(p, it.var)->name), 250));
            outer[n_outer] = (hone_iter){hone_var_new(p, name, by[k].outer_extent), it.kind, start};
            start = hone_var_expr(p, outer[n_outer++].var);
        } else {
            start = hone_int(p, 0);
        }
        start = hone_binary(p, HONE_OP_MUL, start, hone_int(p, by[k].scale));
        binding[k] = hone_simplify(p, hone_binary(p, HONE_OP_ADD, start, by[k].inner));
    }
    /* Beyond its extent no instance in the run has an iterator in range. */
    for (unsigned k = 0; k < row.n_iters; k++)
        hone_prim__require_range(p, &outside, by[k].outer, by[k].outer_extent);
    hone_block_set_iters(p, block, outer, n_outer);
    hone_stmt_at(p, block)->where = outside;
    hone_stmt_replace(p, loop, block);
    hone_stmt_append(p, block, loop);
    for (unsigned k = 0; k < row.n_iters; k++)
        hone_iter_at(p, c.block, k)->binding = binding[k];
    for (unsigned k = 0; k < n_lifted; k++)
        hone_prim__require(p, &inside, hone_substitute(p, lifted[k], old, binding, row.n_iters));
    /* a last part that is not full */
    for (unsigned k = 0; k < row.n_iters; k++)
        hone_prim__require_range(p, &inside, binding[k], hone_var_at(p, old[k])->extent);
    hone_stmt_at(p, c.block)->where = inside;
    *ret = block;
    return HONE_OK;
}
