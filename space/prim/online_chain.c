/* Finds maximum, exponentials and sums of a softmax, whatever else its sums multiply.
 *
 *   the maximum       and where its nest stands
 *   exponentials      all that reads the maximum
 *   sums              all that reads an exponential
 *   masks             what of the operand is -infinity for certain */
#include <math.h>

#include "space/prim/online_chain.h"
#include "space/prim/prim.h"

/* Does e have the value of a constant (of any dtype)? */
static bool is_number(const hone_program *p, hone_expr e, double *ret)
{
    const hone_expr_row *r = hone_expr_at(p, e);
    *ret = r->op == HONE_OP_INT ? (double)r->imm.i : r->imm.f;
    return r->op == HONE_OP_INT || r->op == HONE_OP_FLOAT;
}

static bool is_minus_infinity(const hone_program *p, hone_expr e)
{
    double v;
    return is_number(p, e, &v) && v == -INFINITY;
}

/* ---- where blocks stand ---------------------------------------------------------------------- */

/* Plain loops around nothing but the block, below the parent: they can be made anew. */
static bool stands_alone(const hone_program *p, hone_stmt parent, hone_stmt block)
{
    hone_stmt s = hone_stmt_at(p, block)->parent;
    for (; hone_is_loop(p, s) && !HONE_SAME(s, parent); s = hone_stmt_at(p, s)->parent) {
        const hone_stmt_row *r = hone_stmt_at(p, s);
        if (!HONE_SAME(r->first, r->last) || r->loop_kind != HONE_SERIAL || r->anns)
            return false;
    }
    return HONE_SAME(s, parent) && !hone_stmt_at(p, block)->anns;
}

/* Does the expression use the parent's variable, or that of a loop around it? */
static bool is_from_outside(const hone_program *p, hone_expr e, hone_stmt parent)
{
    for (hone_stmt l = parent; hone_is_loop(p, l); l = hone_stmt_at(p, l)->parent)
        if (hone_uses_var(p, e, hone_stmt_at(p, l)->var))
            return true;
    return false;
}

/* The iterator number `step` must run through below the parent. */
static hone_status frame_of(hone_program *p, hone_stmt block, hone_stmt parent, unsigned step,
                            hone_prim__frame *ret, hone_error *err)
{
    const char *name = hone_sym_text(p, hone_stmt_at(p, block)->name);
    const unsigned n = hone_stmt_at(p, block)->n_iters;
    hone_prim__tile tile;
    int iters[HONE_MAX_DIMS];
    if (!stands_alone(p, parent, block))
        return hone_fail(err, HONE_REJECT_NOT_CHAIN,
                         "online_softmax: block '%s' has no plain nest of its own beside the "
                         "maximum's",
                         name);
    for (unsigned k = 0; k < n; k++) {
        ret->start[k] = hone_int(p, 0);
        ret->extent[k] = hone_var_at(p, hone_iter_at(p, block, k)->var)->extent;
    }
    bool known =
        hone_prim__lift_where(p, block, &ret->lifted) &&
        !(ret->lifted.i && hone_uses_var(p, ret->lifted, hone_iter_at(p, block, step)->var)) &&
        hone_prim__store_iters(p, block, iters);
    if (known && hone_is_loop(p, parent)) {
        known = hone_prim__tile_of(p, block, parent, &tile);
        for (unsigned d = 0; known && d < tile.n; d++)
            if (tile.iter_of[d] >= 0) {
                ret->start[tile.iter_of[d]] = tile.start[d];
                ret->extent[tile.iter_of[d]] = tile.extent[d];
            }
        int64_t from = 0;
        known = known && !is_from_outside(p, hone_iter_at(p, block, step)->binding, parent) &&
                hone_is_int(p, ret->start[step], &from) && from == 0 &&
                ret->extent[step] >= hone_var_at(p, hone_iter_at(p, block, step)->var)->extent;
    }
    if (!known)
        return hone_fail(err, HONE_REJECT_NOT_AFFINE,
                         "online_softmax: for which elements block '%s' runs cannot be told", name);
    return HONE_OK;
}

/* ---- exponentials ---------------------------------------------------------------------------- */

/* The block's iterator that e is; -1: none. */
static int iter_named(const hone_program *p, hone_stmt block, hone_expr e)
{
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++)
        if (hone_expr_op(p, e) == HONE_OP_VAR &&
            hone_expr_at(p, e)->sym == hone_iter_at(p, block, k)->var.i)
            return (int)k;
    return -1;
}

static bool takes_place(const int *iter_of, unsigned n, int k)
{
    for (unsigned q = 0; q < n; q++)
        if (iter_of[q] == k)
            return false;
    return true;
}

/* From the indices at which `block` loads what `writer` stores: the block's iterator for each that
 * the writer stores by. Spatial ones, but for that of the writer's iterator `step`, which is
 * `step_kind`. */
static bool match_index(const hone_program *p, hone_stmt block, hone_expr load, hone_stmt writer,
                        int step, hone_iter_kind step_kind, int *ret)
{
    int iters[HONE_MAX_DIMS];
    const unsigned n = hone_stmt_at(p, writer)->n_iters;
    int64_t zero;
    if (!hone_prim__store_iters(p, writer, iters))
        return false;
    for (unsigned k = 0; k < n; k++)
        ret[k] = -1;
    for (unsigned d = 0; d < hone_expr_at(p, load)->n_args; d++) {
        hone_expr e = hone_expr_arg(p, load, d);
        if (iters[d] < 0 || hone_buffer_at(p, hone_stmt_at(p, writer)->out)->shape[d] == 1) {
            if ((step >= 0 && iters[d] == step) || (hone_is_int(p, e, &zero) && zero != 0))
                return false;
            continue; /* there is one element only */
        }
        int k = iter_named(p, block, e);
        if (k < 0 || !takes_place(ret, n, k) ||
            hone_iter_at(p, block, (unsigned)k)->kind !=
                (iters[d] == step ? step_kind : HONE_SPATIAL) ||
            hone_var_at(p, hone_iter_at(p, block, (unsigned)k)->var)->extent !=
                hone_var_at(p, hone_iter_at(p, writer, (unsigned)iters[d])->var)->extent)
            return false;
        ret[iters[d]] = k;
    }
    return true;
}

/* The maximum's operand, with the iterators of another block. */
static hone_expr operand_in(hone_program *p, const hone_prim__online *o, hone_stmt block,
                            const int *iter_of)
{
    hone_var from[HONE_MAX_ITERS];
    hone_expr to[HONE_MAX_ITERS];
    const unsigned n = hone_stmt_at(p, o->top)->n_iters;
    for (unsigned k = 0; k < n; k++) {
        from[k] = hone_iter_at(p, o->top, k)->var;
        to[k] = iter_of[k] < 0
                    ? hone_int(p, 0)
                    : hone_var_expr(p, hone_iter_at(p, block, (unsigned)iter_of[k])->var);
    }
    return hone_substitute(p, o->operand, from, to, n);
}

/* Two expressions over the block's iterators; those with one value are 0. */
static bool same_value(hone_program *p, hone_stmt block, hone_expr a, hone_expr b)
{
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        hone_var v = hone_iter_at(p, block, k)->var;
        hone_expr zero = hone_int(p, 0);
        if (hone_var_at(p, v)->extent != 1)
            continue;
        a = hone_substitute(p, a, &v, &zero, 1);
        b = hone_substitute(p, b, &v, &zero, 1);
    }
    return HONE_SAME(hone_simplify(p, a), hone_simplify(p, b));
}

/* The block's value is exp((operand - maximum) * scale). */
static bool match_exp(hone_program *p, const hone_prim__online *o, hone_stmt block,
                      hone_prim__online_exp *ret)
{
    const hone_buffer top = hone_stmt_at(p, o->top)->out;
    const unsigned n = hone_stmt_at(p, o->top)->n_iters;
    hone_expr e = hone_stmt_at(p, block)->value;
    double scale;
    if (hone_expr_op(p, e) != HONE_OP_EXP)
        return false;
    e = hone_expr_arg(p, e, 0);
    ret->block = block;
    ret->scale = HONE_NO_EXPR;
    for (unsigned k = 0; k < 2 && hone_expr_op(p, e) == HONE_OP_MUL; k++) {
        if (!is_number(p, hone_expr_arg(p, e, k), &scale) || !(scale > 0) || isinf(scale))
            continue;
        ret->scale = hone_expr_arg(p, e, k);
        e = hone_expr_arg(p, e, 1 - k);
        break;
    }
    if (hone_expr_op(p, e) != HONE_OP_SUB)
        return false;
    hone_expr load = hone_expr_arg(p, e, 1);
    e = hone_expr_arg(p, e, 0);
    if (hone_expr_op(p, load) != HONE_OP_LOAD || hone_expr_at(p, load)->sym != top.i ||
        hone_uses_buffer(p, e, top) ||
        !match_index(p, block, load, o->top, -1, HONE_SPATIAL, ret->iter_of))
        return false;
    /* What is left over is the step. */
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        const hone_iter *it = hone_iter_at(p, block, k);
        if (it->kind != HONE_SPATIAL || !takes_place(ret->iter_of, n, (int)k))
            continue;
        if (ret->iter_of[o->step] < 0 && hone_var_at(p, it->var)->extent == o->steps)
            ret->iter_of[o->step] = (int)k;
        else if (hone_var_at(p, it->var)->extent != 1)
            return false;
    }
    return ret->iter_of[o->step] >= 0 &&
           same_value(p, block, operand_in(p, o, block, ret->iter_of), e);
}

static hone_status find_exps(hone_program *p, hone_prim__online *o, hone_error *err)
{
    const hone_buffer top = hone_stmt_at(p, o->top)->out;
    HONE_PRIM__EACH_LEAF(p, p->root, s)
    {
        if (HONE_SAME(s, o->top) || !hone_prim__reads(p, s, top))
            continue;
        const hone_stmt_row *r = hone_stmt_at(p, s);
        if (o->n_exps == HONE_PRIM__ONLINE_EXPS)
            return hone_fail(err, HONE_REJECT_TOO_BIG, "online_softmax: too many exponentials");
        hone_prim__online_exp *x = &o->exps[o->n_exps];
        if (r->init.i || hone_prim__has_reduce_iter(p, s) || hone_prim__reads_aside(p, s, top) ||
            hone_prim__reads(p, s, r->out) || !hone_prim__sole_writer(p, s) ||
            hone_buffer_at(p, r->out)->role != HONE_TEMP ||
            hone_buffer_at(p, r->out)->dtype != hone_buffer_at(p, top)->dtype ||
            !match_exp(p, o, s, x))
            return hone_fail(err, HONE_REJECT_ARG,
                             "online_softmax: block '%s' reads the maximum but is no exponential "
                             "of what that is of, less it",
                             hone_sym_text(p, r->name));
        HONE_TRY(frame_of(p, s, o->parent, (unsigned)x->iter_of[o->step], &x->frame, err));
        o->n_exps++;
    }
    if (!o->n_exps)
        return hone_fail(err, HONE_REJECT_ARG, "online_softmax: nothing reads the maximum");
    return HONE_OK;
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* The only load of b in e, if e is that times other things. */
static bool only_factor(const hone_program *p, hone_expr e, hone_buffer b, hone_expr *ret)
{
    const hone_expr_row *r = hone_expr_at(p, e);
    if (r->op == HONE_OP_LOAD && r->sym == b.i) {
        *ret = e;
        return true;
    }
    if (r->op != HONE_OP_MUL && r->op != HONE_OP_DIV)
        return false;
    hone_expr x = hone_expr_arg(p, e, 0), y = hone_expr_arg(p, e, 1);
    bool in_x = hone_uses_buffer(p, x, b), in_y = hone_uses_buffer(p, y, b);
    if (in_x == in_y || (in_y && r->op == HONE_OP_DIV))
        return false;
    return only_factor(p, in_x ? x : y, b, ret);
}

static bool match_sum(hone_program *p, const hone_prim__online *o, hone_stmt block, unsigned exp,
                      hone_prim__online_sum *ret)
{
    const hone_prim__online_exp *x = &o->exps[exp];
    const unsigned n = hone_stmt_at(p, o->top)->n_iters;
    const hone_buffer from = hone_stmt_at(p, x->block)->out;
    int by_exp[HONE_MAX_ITERS];
    unsigned steps = 0;
    hone_op op;
    double init;
    if (!hone_stmt_at(p, block)->init.i || !hone_prim__sole_writer(p, block) ||
        !is_number(p, hone_stmt_at(p, block)->init, &init) || init != 0 ||
        hone_prim__reads_aside(p, block, from) ||
        hone_buffer_at(p, hone_stmt_at(p, block)->out)->dtype != hone_buffer_at(p, from)->dtype ||
        !hone_block_reduction(p, block, &op, &ret->operand) || op != HONE_OP_ADD ||
        !only_factor(p, ret->operand, from, &ret->load) ||
        !match_index(p, block, ret->load, x->block, x->iter_of[o->step], HONE_REDUCE, by_exp))
        return false;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++)
        steps += hone_iter_at(p, block, k)->kind == HONE_REDUCE;
    ret->block = block;
    ret->exp = exp;
    for (unsigned k = 0; k < n; k++)
        ret->iter_of[k] = x->iter_of[k] < 0 ? -1 : by_exp[x->iter_of[k]];
    return steps == 1 && ret->iter_of[o->step] >= 0;
}

static hone_status find_sums(hone_program *p, hone_prim__online *o, hone_error *err)
{
    for (unsigned q = 0; q < o->n_exps; q++) {
        const hone_buffer from = hone_stmt_at(p, o->exps[q].block)->out;
        unsigned before = o->n_sums;
        HONE_PRIM__EACH_LEAF(p, p->root, s)
        {
            if (!hone_prim__reads(p, s, from))
                continue;
            if (o->n_sums == HONE_PRIM__ONLINE_SUMS)
                return hone_fail(err, HONE_REJECT_TOO_BIG, "online_softmax: too many sums");
            hone_prim__online_sum *x = &o->sums[o->n_sums];
            if (!match_sum(p, o, s, q, x))
                return hone_fail(err, HONE_REJECT_REDUCE,
                                 "online_softmax: block '%s' reads an exponential but is no sum of "
                                 "products with it",
                                 hone_sym_text(p, hone_stmt_at(p, s)->name));
            HONE_TRY(frame_of(p, s, o->parent, (unsigned)x->iter_of[o->step], &x->frame, err));
            o->n_sums++;
        }
        if (o->n_sums == before)
            return hone_fail(err, HONE_REJECT_REDUCE,
                             "online_softmax: nothing adds up an exponential");
    }
    return HONE_OK;
}

/* ---- dependencies ---------------------------------------------------------------------------- */

static bool is_chained(const hone_prim__online *o, hone_stmt s)
{
    bool found = HONE_SAME(s, o->top);
    for (unsigned k = 0; k < o->n_exps; k++)
        found = found || HONE_SAME(s, o->exps[k].block);
    for (unsigned k = 0; k < o->n_sums; k++)
        found = found || HONE_SAME(s, o->sums[k].block);
    return found;
}

/* Of the chain's blocks an exponential reads the maximum, and a sum its exponential. */
static bool may_read(const hone_prim__online *o, hone_stmt block, hone_stmt from)
{
    for (unsigned k = 0; k < o->n_exps; k++)
        if (HONE_SAME(block, o->exps[k].block))
            return HONE_SAME(from, o->top);
    for (unsigned k = 0; k < o->n_sums; k++)
        if (HONE_SAME(block, o->sums[k].block))
            return HONE_SAME(from, o->exps[o->sums[k].exp].block);
    return false;
}

/* All that the block reads beside these is there before the maximum begins. */
static bool is_fed(const hone_program *p, const hone_prim__online *o, hone_stmt block)
{
    HONE_PRIM__EACH_LEAF(p, p->root, s)
    {
        if (HONE_SAME(s, block) || !hone_prim__reads(p, block, hone_stmt_at(p, s)->out))
            continue;
        hone_stmt child = hone_prim__child_towards(p, o->parent, s);
        if (is_chained(o, s) ? !may_read(o, block, s)
                             : child.i && !hone_prim__is_before(p, child, o->nest))
            return false;
    }
    return true;
}

static hone_status check_fed(const hone_program *p, const hone_prim__online *o, hone_error *err)
{
    bool fed = is_fed(p, o, o->top);
    for (unsigned k = 0; k < o->n_exps; k++)
        fed = fed && is_fed(p, o, o->exps[k].block);
    for (unsigned k = 0; k < o->n_sums; k++)
        fed = fed && is_fed(p, o, o->sums[k].block);
    if (!fed)
        return hone_fail(err, HONE_REJECT_DEPENDENCY,
                         "online_softmax: a block reads what is computed after the maximum");
    return HONE_OK;
}

/* ---- masks ----------------------------------------------------------------------------------- */

static hone_expr select_of(hone_program *p, hone_expr e)
{
    if (hone_expr_op(p, e) != HONE_OP_SELECT || hone_has_load(p, hone_expr_arg(p, e, 0)))
        return HONE_NO_EXPR;
    hone_expr cond = hone_expr_arg(p, e, 0);
    if (is_minus_infinity(p, hone_expr_arg(p, e, 2)))
        return cond;
    return is_minus_infinity(p, hone_expr_arg(p, e, 1)) ? hone_unary(p, HONE_OP_NOT, cond)
                                                        : HONE_NO_EXPR;
}

/* The condition under which e is select(condition, x, -infinity): e itself, or what the only block
 * computes that writes the element it loads. None: no such. */
static hone_expr mask_of(hone_program *p, hone_expr e)
{
    if (hone_expr_op(p, e) != HONE_OP_LOAD)
        return select_of(p, e);
    hone_stmt w = hone_writer_of(p, (hone_buffer){hone_expr_at(p, e)->sym});
    int iters[HONE_MAX_DIMS];
    if (!w.i || !hone_prim__sole_writer(p, w) || hone_stmt_at(p, w)->init.i ||
        hone_prim__has_reduce_iter(p, w) || !hone_prim__store_iters(p, w, iters))
        return HONE_NO_EXPR;
    hone_expr cond = select_of(p, hone_stmt_at(p, w)->value);
    hone_var from[HONE_MAX_DIMS];
    hone_expr to[HONE_MAX_DIMS];
    unsigned n = 0;
    for (unsigned d = 0; cond.i && d < hone_expr_at(p, e)->n_args; d++) {
        if (iters[d] < 0)
            continue;
        from[n] = hone_iter_at(p, w, (unsigned)iters[d])->var;
        to[n++] = hone_expr_arg(p, e, d);
    }
    cond = cond.i ? hone_substitute(p, cond, from, to, n) : cond;
    for (unsigned k = 0; cond.i && k < hone_stmt_at(p, w)->n_iters; k++)
        if (hone_uses_var(p, cond, hone_iter_at(p, w, k)->var)) /* one with a single value */
            return HONE_NO_EXPR;
    return cond;
}

static void find_masks(hone_program *p, hone_prim__online *o)
{
    hone_expr conds[HONE_PRIM__MAX_CONDS], e, cond = mask_of(p, o->operand);
    unsigned n = 0;
    if (!cond.i ||
        !hone_prim__conjuncts(p, hone_simplify(p, cond), conds, HONE_PRIM__MAX_CONDS, &n))
        return;
    for (unsigned k = 0; k < n; k++)
        if (hone_as_negative(p, conds[k], &e))
            o->masks[o->n_masks++] = e;
}

/* ---- the maximum ----------------------------------------------------------------------------- */

static bool is_maximum(hone_program *p, hone_stmt top, hone_prim__online *ret)
{
    hone_op op;
    int iters[HONE_MAX_DIMS];
    unsigned steps = 0;
    if (!hone_prim__is_leaf(p, top) || !hone_stmt_at(p, top)->init.i ||
        !hone_block_reduction(p, top, &op, &ret->operand) || op != HONE_OP_MAX)
        return false;
    for (unsigned k = 0; k < hone_stmt_at(p, top)->n_iters; k++)
        if (hone_iter_at(p, top, k)->kind == HONE_REDUCE) {
            ret->step = k;
            steps++;
        }
    const hone_buffer out = hone_stmt_at(p, top)->out;
    const uint8_t t = hone_buffer_at(p, out)->dtype;
    return steps == 1 && hone_var_at(p, hone_iter_at(p, top, ret->step)->var)->extent > 1 &&
           (t == HONE_F32 || t == HONE_F64) && is_minus_infinity(p, hone_stmt_at(p, top)->init) &&
           hone_buffer_at(p, out)->role == HONE_TEMP && hone_prim__sole_writer(p, top) &&
           hone_prim__in_root(p, top) && hone_prim__store_iters(p, top, iters);
}

hone_status hone_prim__online_find(hone_program *p, hone_stmt top, hone_prim__online *ret,
                                   hone_error *err)
{
    memset(ret, 0, sizeof *ret);
    if (!is_maximum(p, top, ret))
        return hone_fail(err, HONE_REJECT_ARG,
                         "online_softmax: not the maximum of a temporary of f32 or f64");
    ret->top = top;
    ret->steps = hone_var_at(p, hone_iter_at(p, top, ret->step)->var)->extent;
    ret->nest = top;
    ret->parent = hone_stmt_at(p, top)->parent;
    while (hone_is_loop(p, ret->parent) && hone_prim__only_child(p, ret->parent, ret->nest)) {
        ret->nest = ret->parent;
        ret->parent = hone_stmt_at(p, ret->parent)->parent;
    }
    HONE_TRY(frame_of(p, top, ret->parent, ret->step, &ret->frame, err));
    HONE_TRY(find_exps(p, ret, err));
    HONE_TRY(find_sums(p, ret, err));
    HONE_TRY(check_fed(p, ret, err));
    find_masks(p, ret);
    return HONE_OK;
}
