/* skip_zeros: hone's own. A sum over a padded input adds products with zeros at the border;
 * libraries skip them by narrower loops. Here the condition that tells zeros from elements becomes
 * the block's predicate, and code generation makes loop bounds of predicates. */
#include "space/prim/prim.h"
#include "space/prim/util.h"

static bool is_zero(const hone_program *p, hone_expr e)
{
    const hone_expr_row *r = hone_expr_at(p, e);
    return (r->op == HONE_OP_INT && r->imm.i == 0) || (r->op == HONE_OP_FLOAT && r->imm.f == 0);
}

/* `e` where it is not zero by one of its selects; *conds then holds where it is not. */
static hone_expr without_zeros(hone_program *p, hone_expr e, hone_expr *conds, hone_memo *known)
{
    hone_expr_row row = *hone_expr_at(p, e);
    hone_expr out;
    if (hone_memo_find(known, e.i, &out.i))
        return out;
    if (row.op == HONE_OP_MUL || row.op == HONE_OP_CAST) {
        hone_expr args[2];
        for (unsigned k = 0; k < row.n_args; k++)
            args[k] = without_zeros(p, hone_expr_arg(p, e, k), conds, known);
        out = hone_rebuild(p, e, args);
        hone_memo_add(known, e.i, out.i);
        return out;
    }
    if (row.op != HONE_OP_SELECT)
        return e;
    hone_expr cond = hone_expr_arg(p, e, 0), yes = hone_expr_arg(p, e, 1);
    hone_expr no = hone_expr_arg(p, e, 2);
    if (hone_has_load(p, cond) || is_zero(p, yes) == is_zero(p, no))
        return e;
    if (is_zero(p, yes))
        cond = hone_unary(p, HONE_OP_NOT, cond);
    *conds = hone_and(p, *conds, cond);
    out = without_zeros(p, is_zero(p, yes) ? no : yes, conds, known);
    hone_memo_add(known, e.i, out.i);
    return out;
}

hone_status hone_prim__skip_zeros(hone_program *p, hone_stmt block, hone_error *err)
{
    if (!hone_prim__is_leaf(p, block))
        return hone_fail(err, HONE_REJECT_ARG, "skip_zeros: not a block that computes a value");
    hone_stmt_row row = *hone_stmt_at(p, block);
    if (row.init.i)
        return hone_fail(err, HONE_REJECT_REDUCE,
                         "skip_zeros: the sum starts in this block; decompose it first");
    hone_expr index[HONE_MAX_DIMS];
    for (unsigned k = 0; k < row.n_index; k++)
        index[k] = hone_store_index(p, block, k);
    hone_expr own = hone_load(p, row.out, index, row.n_index);
    if (hone_expr_op(p, row.value) != HONE_OP_ADD)
        return hone_fail(err, HONE_REJECT_ARG, "skip_zeros: the block does not add up");
    hone_expr a = hone_expr_arg(p, row.value, 0), b = hone_expr_arg(p, row.value, 1);
    hone_expr operand = HONE_SAME(a, own) ? b : a, conds = HONE_NO_EXPR;
    if (HONE_SAME(operand, own) || (!HONE_SAME(a, own) && !HONE_SAME(b, own)) ||
        hone_uses_buffer(p, operand, row.out))
        return hone_fail(err, HONE_REJECT_ARG, "skip_zeros: the block does not add up");
    hone_memo known = {0};
    operand = without_zeros(p, operand, &conds, &known);
    hone_memo_free(&known);
    if (!conds.i)
        return hone_fail(err, HONE_REJECT_ARG, "skip_zeros: the sum has no guarded zeros");

    hone_expr list[HONE_PRIM__MAX_CONDS], where = row.where;
    unsigned n;
    if (!hone_prim__conjuncts(p, hone_simplify(p, hone_bind(p, block, conds)), list,
                              HONE_PRIM__MAX_CONDS, &n))
        return hone_fail(err, HONE_REJECT_TOO_BIG, "skip_zeros: more than %d conditions",
                         HONE_PRIM__MAX_CONDS);
    for (unsigned k = 0; k < n; k++)
        hone_prim__require(p, &where, list[k]);
    hone_expr value = hone_binary(p, HONE_OP_ADD, own, operand);
    hone_block_set_store(p, block, row.out, index, row.n_index, value, HONE_NO_EXPR);
    hone_stmt_at(p, block)->where = where;
    return HONE_OK;
}
