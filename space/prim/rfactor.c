/* rfactor: a loop of a sum becomes a dimension of partial sums (Suriana et al., CGO 2017;
 * TensorIR's primitive of that name).
 *
 *   for i, for k0, for k1:  Y[i] += x(i, k0, k1)            (k1 factored, factor_axis 1)
 *
 *   for i { for k0, for k1:  Y_rf[i, k1] += x(i, k0, k1)
 *           for k1:          Y[i] += Y_rf[i, k1] }
 *
 * Both nests stand where the outermost loop of the sum stood, and so share the loops around it. The
 * order of the additions changes. A predicate over steps of the sum becomes a select between the
 * operand and the combiner's identity: every partial sum must start, also one without steps. */
#include "space/prim/prim.h"
#include "space/prim/util.h"

typedef struct plan {
    hone_op op;
    hone_expr operand;
    bool own_first; /* own op operand, not operand op own */
    hone_stmt loops[HONE_PRIM__MAX_LOOPS];
    unsigned n, top, at; /* loops; the outermost of the sum; the factored one */
    bool reduces[HONE_PRIM__MAX_LOOPS], elements[HONE_PRIM__MAX_LOOPS]; /* neither: one iteration */
    unsigned axis;
    hone_expr spatial, steps; /* the predicate's two halves, over loops; none: always */
} plan;

/* 1: the loop runs over elements, 2: over steps of the sum, 3: both. */
static unsigned uses_of(const hone_program *p, hone_stmt block, hone_stmt loop)
{
    hone_var v = hone_stmt_at(p, loop)->var;
    unsigned uses = 0;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        const hone_iter *it = hone_iter_at(p, block, k);
        if (hone_uses_var(p, it->binding, v))
            uses |= it->kind == HONE_REDUCE ? 2 : 1;
    }
    return uses;
}

/* Of a block that the sum stands in. */
static bool uses_outer(const hone_program *p, hone_expr e, hone_stmt block)
{
    for (hone_stmt s = hone_stmt_at(p, block)->parent; s.i; s = hone_stmt_at(p, s)->parent)
        for (unsigned k = 0; hone_is_block(p, s) && k < hone_stmt_at(p, s)->n_iters; k++)
            if (hone_uses_var(p, e, hone_iter_at(p, s, k)->var))
                return true;
    return false;
}

/* What is asked of steps goes into the value, which sees the block's own variables only. */
static bool split_where(hone_program *p, hone_stmt block, plan *pl)
{
    hone_expr conds[HONE_PRIM__MAX_CONDS];
    unsigned n;
    pl->spatial = pl->steps = HONE_NO_EXPR;
    if (!hone_prim__conjuncts(p, hone_stmt_at(p, block)->where, conds, HONE_PRIM__MAX_CONDS, &n))
        return false;
    for (unsigned c = 0; c < n; c++) {
        bool step = false, element = false;
        for (unsigned k = 0; k < pl->n; k++) {
            if (!hone_uses_var(p, conds[c], hone_stmt_at(p, pl->loops[k])->var))
                continue;
            step = step || pl->reduces[k];
            element = element || !pl->reduces[k];
        }
        if (step && (element || uses_outer(p, conds[c], block)))
            return false;
        hone_expr *to = step ? &pl->steps : &pl->spatial;
        *to = hone_and(p, *to, conds[c]);
    }
    return true;
}

static bool only_child(const hone_program *p, hone_stmt loop)
{
    return HONE_SAME(hone_stmt_at(p, loop)->first, hone_stmt_at(p, loop)->last);
}

/* Is the first of all iterations that work on an element the only one that starts its sum? The
 * steps are numbered as the digits of a number, its simplified form must grow with every loop. */
static bool starts_once(hone_program *p, hone_stmt block, const plan *pl)
{
    hone_stmt elements[HONE_PRIM__MAX_LOOPS];
    hone_var vars[HONE_PRIM__MAX_LOOPS];
    hone_expr number = hone_int(p, 0), rest;
    int64_t c[HONE_PRIM__MAX_LOOPS], weight = 1, zero;
    unsigned n_elements = 0, n = 0;
    for (unsigned k = pl->top; k < pl->n; k++) {
        if (pl->elements[k])
            elements[n_elements++] = pl->loops[k];
        else if (!pl->reduces[k] && hone_loop_extent(p, pl->loops[k]) > 1)
            return false;
        if (pl->reduces[k])
            vars[n++] = hone_stmt_at(p, pl->loops[k])->var;
    }
    for (unsigned k = hone_stmt_at(p, block)->n_iters; k-- > 0;) {
        hone_iter it = *hone_iter_at(p, block, k);
        if (it.kind != HONE_REDUCE)
            continue;
        hone_expr digit = hone_binary(p, HONE_OP_MUL, it.binding, hone_int(p, weight));
        number = hone_binary(p, HONE_OP_ADD, number, digit);
        if (__builtin_mul_overflow(weight, hone_var_at(p, it.var)->extent, &weight))
            return false;
    }
    if (!hone_linear(p, hone_simplify(p, number), vars, n, c, &rest) ||
        !hone_is_int(p, hone_simplify(p, rest), &zero) || zero)
        return false;
    for (unsigned k = 0; k < n; k++)
        if (c[k] < 0 || (c[k] == 0 && hone_var_at(p, vars[k])->extent > 1))
            return false;
    return hone_prim__runs_once(p, block, elements, n_elements, true);
}

static hone_status make_plan(hone_program *p, hone_stmt loop, int64_t axis, hone_stmt *ret_block,
                             plan *pl, hone_error *err)
{
    if (!hone_is_loop(p, loop))
        return hone_fail(err, HONE_REJECT_ARG, "rfactor: not a loop");
    hone_stmt block = loop;
    while (hone_is_loop(p, block) &&
           HONE_SAME(hone_stmt_at(p, block)->first, hone_stmt_at(p, block)->last))
        block = hone_stmt_at(p, block)->first;
    if (!hone_prim__is_leaf(p, block))
        return hone_fail(err, HONE_REJECT_NOT_CHAIN, "rfactor: the loop holds more than one block");
    *ret_block = block;
    const hone_stmt_row *row = hone_stmt_at(p, block);
    if (!hone_block_reduction(p, block, &pl->op, &pl->operand))
        return hone_fail(err, HONE_REJECT_REDUCE,
                         "rfactor: the block is no sum, product, minimum or maximum");
    pl->own_first = !HONE_SAME(hone_expr_arg(p, row->value, 0), pl->operand);
    if (hone_has_load(p, row->init))
        return hone_fail(err, HONE_REJECT_REDUCE, "rfactor: the block starts from what it loads");
    if (axis < 0)
        axis += row->n_index + 1;
    if (axis < 0 || axis > row->n_index || row->n_index == HONE_MAX_DIMS)
        return hone_fail(err, HONE_REJECT_ARG, "rfactor: the buffer gets no dimension there");
    pl->axis = (unsigned)axis;

    pl->n = hone_loops_of(p, block, pl->loops, HONE_PRIM__MAX_LOOPS);
    if (pl->n > HONE_PRIM__MAX_LOOPS)
        return hone_fail(err, HONE_REJECT_TOO_BIG, "rfactor: too many loops");
    pl->top = pl->at = pl->n;
    unsigned n_steps = 0;
    for (unsigned k = 0; k < pl->n; k++) {
        unsigned uses = uses_of(p, block, pl->loops[k]);
        if (uses == 3)
            return hone_fail(err, HONE_REJECT_REDUCE,
                             "rfactor: a loop runs over elements and steps of the sum");
        /* a loop of one iteration leaves no trace in the bindings */
        bool is_unit = HONE_SAME(pl->loops[k], loop) && !uses && hone_loop_extent(p, loop) == 1;
        pl->reduces[k] = uses == 2 || is_unit;
        pl->elements[k] = uses == 1;
        n_steps += pl->reduces[k];
        if (pl->reduces[k] && pl->top == pl->n)
            pl->top = k;
        if (HONE_SAME(pl->loops[k], loop))
            pl->at = k;
        if (k > pl->top && !only_child(p, pl->loops[k - 1]))
            return hone_fail(err, HONE_REJECT_NOT_CHAIN,
                             "rfactor: other blocks stand in the loops of the sum");
    }
    if (!pl->reduces[pl->at])
        return hone_fail(err, HONE_REJECT_REDUCE, "rfactor: the loop is none of the sum");
    if (row->n_iters + n_steps > HONE_MAX_ITERS)
        return hone_fail(err, HONE_REJECT_TOO_BIG, "rfactor: too many iteration variables");
    /* So the shape of what comes out depends on no factor that happens to be 1, and not when loops
     * over elements stand inside of that either. */
    for (unsigned k = pl->top; k-- > 0 && only_child(p, pl->loops[k]);) {
        unsigned uses = uses_of(p, block, pl->loops[k]);
        if (uses > 1)
            break;
        if (!uses && hone_loop_extent(p, pl->loops[k]) == 1)
            pl->top = k;
    }
    if (!starts_once(p, block, pl))
        return hone_fail(err, HONE_REJECT_REDUCE,
                         "rfactor: the sum is computed more than once inside its loops");
    if (pl->top && hone_prim__is_vectorized(p, pl->loops[pl->top - 1]))
        return hone_fail(err, HONE_REJECT_ARG, "rfactor: the sum stands in a vectorized loop");
    if (!split_where(p, block, pl))
        return hone_fail(err, HONE_REJECT_REDUCE,
                         "rfactor: the predicate mixes elements and steps of the sum");
    return HONE_OK;
}

/* own op operand, in the order of the block. */
static hone_expr combine(hone_program *p, const plan *pl, hone_expr own, hone_expr operand)
{
    return pl->own_first ? hone_binary(p, pl->op, own, operand)
                         : hone_binary(p, pl->op, operand, own);
}

/* The block of partial sums takes the old one's place in the nest. Its iterators: those over
 * elements, the factored loop as one more, and one for each other loop of the sum. */
static hone_stmt partial_block(hone_program *p, hone_stmt block, const plan *pl, hone_buffer to)
{
    hone_stmt_row row = *hone_stmt_at(p, block);
    hone_iter iters[HONE_MAX_ITERS];
    hone_var from[HONE_MAX_ITERS], loop_var[HONE_PRIM__MAX_LOOPS];
    hone_expr to_expr[HONE_MAX_ITERS], step[HONE_PRIM__MAX_LOOPS], index[HONE_MAX_DIMS];
    unsigned n = 0, n_from = 0, n_steps = 0;
    hone_expr factored = HONE_NO_EXPR;
    char name[96];
    for (unsigned k = 0; k < row.n_iters; k++) {
        hone_iter it = *hone_iter_at(p, block, k);
        if (it.kind == HONE_REDUCE)
            continue;
        snprintf(name, sizeof name, "v%u", n);
        from[n_from] = it.var;
        it.var = hone_var_new(p, name, hone_var_at(p, it.var)->extent);
        to_expr[n_from++] = hone_var_expr(p, it.var);
        iters[n++] = it;
    }
    for (int factored_first = 1; factored_first >= 0; factored_first--)
        for (unsigned k = pl->top; k < pl->n; k++) {
            if (!pl->reduces[k] || (k == pl->at) != factored_first)
                continue;
            hone_var v = hone_stmt_at(p, pl->loops[k])->var;
            snprintf(name, sizeof name, "v%u", n);
            hone_var fresh = hone_var_new(p, name, hone_var_at(p, v)->extent);
            loop_var[n_steps] = v;
            step[n_steps++] = hone_var_expr(p, fresh);
            factored = k == pl->at ? hone_var_expr(p, fresh) : factored;
            iters[n++] =
                (hone_iter){fresh, k == pl->at ? HONE_SPATIAL : HONE_REDUCE, hone_var_expr(p, v)};
        }
    for (unsigned k = 0; k < row.n_iters; k++) {
        hone_iter it = *hone_iter_at(p, block, k);
        if (it.kind != HONE_REDUCE)
            continue;
        from[n_from] = it.var;
        to_expr[n_from++] =
            hone_simplify(p, hone_substitute(p, it.binding, loop_var, step, n_steps));
    }
    for (unsigned k = 0, d = 0; k <= row.n_index; k++)
        index[k] = k == pl->axis
                       ? factored
                       : hone_substitute(p, hone_store_index(p, block, d++), from, to_expr, n_from);
    hone_expr zero = hone_identity_of(p, pl->op, hone_expr_dtype(p, row.value));
    hone_expr operand = hone_substitute(p, pl->operand, from, to_expr, n_from);
    if (pl->steps.i) {
        hone_expr c = hone_simplify(p, hone_substitute(p, pl->steps, loop_var, step, n_steps));
        operand = hone_select(p, c, operand, zero);
    }
    hone_expr value = combine(p, pl, hone_load(p, to, index, row.n_index + 1u), operand);
    snprintf(name, sizeof name, "%.*s_rf", HONE_UTF8_CUT(hone_sym_text(p, row.name), 80));
    hone_stmt rf = hone_block_new(p, name);
    hone_block_set_iters(p, rf, iters, n);
    hone_stmt_at(p, rf)->where = pl->spatial;
    hone_block_set_store(p, rf, to, index, row.n_index + 1u, value, zero);
    hone_stmt_replace(p, block, rf);
    return rf;
}

/* The old block, detached, adds up the partial sums in a nest of its own, which it returns. */
static hone_stmt final_nest(hone_program *p, hone_stmt block, const plan *pl, hone_buffer partial)
{
    hone_stmt_row row = *hone_stmt_at(p, block);
    hone_prim__nest nest = {0};
    hone_iter iters[HONE_MAX_ITERS];
    hone_var old[HONE_PRIM__MAX_LOOPS];
    hone_expr fresh[HONE_PRIM__MAX_LOOPS], index[HONE_MAX_DIMS], steps = HONE_NO_EXPR;
    unsigned n_old = 0, n = 0;
    for (unsigned k = pl->top; k < pl->n; k++) {
        if (k != pl->at && !pl->elements[k])
            continue;
        old[n_old] = hone_stmt_at(p, pl->loops[k])->var;
        fresh[n_old] = hone_prim__nest_loop(p, &nest, hone_loop_extent(p, pl->loops[k]));
        steps = k == pl->at ? fresh[n_old] : steps;
        n_old++;
    }
    for (unsigned k = 0; k < row.n_iters; k++) {
        hone_iter it = *hone_iter_at(p, block, k);
        if (it.kind == HONE_REDUCE)
            continue;
        it.binding = hone_substitute(p, it.binding, old, fresh, n_old);
        iters[n++] = it;
    }
    int64_t extent = hone_loop_extent(p, pl->loops[pl->at]);
    hone_expr v = hone_var_expr(p, hone_var_new(p, "vr", extent));
    iters[n++] = (hone_iter){{hone_expr_at(p, v)->sym}, HONE_REDUCE, steps};
    for (unsigned k = 0, d = 0; k <= row.n_index; k++)
        index[k] = k == pl->axis ? v : hone_store_index(p, block, d++);
    hone_expr own = hone_expr_arg(p, row.value, pl->own_first ? 0 : 1);
    hone_expr value = combine(p, pl, own, hone_load(p, partial, index, row.n_index + 1u));
    hone_expr out_index[HONE_MAX_DIMS];
    for (unsigned d = 0; d < row.n_index; d++)
        out_index[d] = hone_store_index(p, block, d);
    hone_block_set_iters(p, block, iters, n);
    hone_expr where = hone_substitute(p, pl->spatial, old, fresh, n_old);
    hone_stmt_at(p, block)->where = where;
    hone_block_set_store(p, block, row.out, out_index, row.n_index, value, row.init);
    return hone_prim__nest_close(p, &nest, block);
}

hone_status hone_prim__rfactor(hone_program *p, hone_stmt loop, int64_t factor_axis, hone_stmt *ret,
                               hone_error *err)
{
    plan pl;
    hone_stmt block = HONE_NO_STMT;
    hone_status s = make_plan(p, loop, factor_axis, &block, &pl, err);
    if (s != HONE_OK)
        return s;
    hone_buffer_row out = *hone_buffer_at(p, hone_stmt_at(p, block)->out);
    int64_t shape[HONE_MAX_DIMS];
    for (unsigned k = 0, d = 0; k <= out.n_dims; k++)
        shape[k] = k == pl.axis ? hone_loop_extent(p, loop) : out.shape[d++];
    char name[96];
    snprintf(name, sizeof name, "%.*s.rf", HONE_UTF8_CUT(hone_sym_text(p, out.name), 80));
    hone_buffer to = hone_buffer_new(p, name, (hone_dtype)out.dtype, shape, out.n_dims + 1u,
                                     HONE_TEMP, (hone_scope)out.scope);
    hone_stmt top = pl.loops[pl.top];
    *ret = partial_block(p, block, &pl, to);
    hone_stmt_insert_after(p, top, final_nest(p, block, &pl, to));
    return HONE_OK;
}
