/* Finds attention by what it computes: space/rule/attention.h says what is looked for. The softmax
 * is found by the primitive that will treat it; here are its neighbours. */
#include "space/rule/attention.h"
#include "space/prim/prim.h"

#define MAX_LOADS 16

static void take_name(const hone_program *p, hone_stmt block, char ret[HONE_ATTENTION_NAME])
{
    snprintf(ret, HONE_ATTENTION_NAME, "%s", hone_sym_text(p, hone_stmt_at(p, block)->name));
}

static hone_var iter_var(const hone_program *p, hone_stmt block, unsigned k)
{
    return hone_iter_at(p, block, k)->var;
}

/* In a nest as the workload gave it, and not to be left alone. */
static bool is_free(const hone_program *p, hone_stmt block, const bool *skip)
{
    hone_stmt loops[HONE_MAX_ITERS];
    return !(skip && skip[block.i]) && hone_prim__plain_nest(p, block, loops) &&
           hone_rule__untouched(p, block) && !hone_rule__is_ahead(p, block);
}

/* The dimension of `load` that iterator `k` of its block indexes by itself; -1: none. */
static int dim_of(hone_program *p, hone_stmt block, hone_expr load, unsigned k)
{
    hone_expr v = hone_var_expr(p, iter_var(p, block, k));
    for (unsigned d = 0; d < hone_expr_at(p, load)->n_args; d++)
        if (HONE_SAME(hone_expr_arg(p, load, d), v))
            return (int)d;
    return -1;
}

/* What iterator `k` of `block` is to the writer of what `load` reads; -1: nothing. */
static int through(hone_program *p, hone_stmt block, hone_expr load, unsigned k, hone_stmt writer)
{
    int iters[HONE_MAX_DIMS], d = dim_of(p, block, load, k);
    return d >= 0 && hone_prim__store_iters(p, writer, iters) ? iters[d] : -1;
}

static bool load_uses(const hone_program *p, hone_expr load, hone_var v)
{
    for (unsigned d = 0; d < hone_expr_at(p, load)->n_args; d++)
        if (hone_uses_var(p, hone_expr_arg(p, load, d), v))
            return true;
    return false;
}

/* The only load of the block of what a block with a start (if `sum`), or without, computes. */
static bool load_from(hone_program *p, hone_stmt block, bool sum, hone_expr *ret_load,
                      hone_stmt *ret_writer)
{
    hone_expr loads[MAX_LOADS];
    unsigned n = hone_block_loads(p, block, loads, MAX_LOADS), found = 0;
    for (unsigned k = 0; k < n && k < MAX_LOADS; k++) {
        hone_stmt w = hone_writer_of(p, (hone_buffer){hone_expr_at(p, loads[k])->sym});
        if (!w.i || (hone_stmt_at(p, w)->init.i != 0) != sum)
            continue;
        *ret_load = loads[k];
        *ret_writer = w;
        found++;
    }
    return found == 1 && n <= MAX_LOADS;
}

/* ---- scores ---------------------------------------------------------------------------------- */

/* Does the load only say where another is, as a table of pages does? */
static bool is_index(const hone_program *p, const hone_expr *loads, unsigned n, unsigned k)
{
    for (unsigned m = 0; m < n; m++)
        for (unsigned d = 0; m != k && d < hone_expr_at(p, loads[m])->n_args; d++)
            if (hone_uses_buffer(p, hone_expr_arg(p, loads[m], d),
                                 (hone_buffer){hone_expr_at(p, loads[k])->sym}))
                return true;
    return false;
}

/* The number of the load's buffer, as CacheRead counts them. */
static unsigned read_number(const hone_program *p, const hone_expr *loads, unsigned k)
{
    unsigned n = 0;
    for (unsigned m = 0; m < k; m++) {
        bool first = true;
        for (unsigned q = 0; q < m; q++)
            first = first && hone_expr_at(p, loads[q])->sym != hone_expr_at(p, loads[m])->sym;
        n += first;
    }
    return n;
}

/* Queries are the operand that only the row uses, keys the one that only the step does. */
static bool find_operands(hone_program *p, hone_stmt scores, hone_rule__attention_parts *ret)
{
    hone_expr loads[MAX_LOADS];
    unsigned n = hone_block_loads(p, scores, loads, MAX_LOADS), queries = 0, keys = 0;
    hone_var row = iter_var(p, scores, ret->score_row), step = iter_var(p, scores, ret->score_step);
    uint32_t buffers[2] = {0, 0};
    for (unsigned k = 0; k < n && n <= MAX_LOADS; k++) {
        bool by_row = load_uses(p, loads[k], row), by_step = load_uses(p, loads[k], step);
        int d = dim_of(p, scores, loads[k], ret->score_row);
        if (is_index(p, loads, n, k) && !by_row)
            continue;
        if (by_row == by_step || (by_row && d < 0))
            return false;
        buffers[by_step] = hone_expr_at(p, loads[k])->sym;
        if (by_step) {
            keys++;
            continue;
        }
        queries++;
        ret->query_read = read_number(p, loads, k);
        ret->query_row_dim = (unsigned)d;
        ret->query_dims = hone_expr_at(p, loads[k])->n_args;
    }
    return queries == 1 && keys == 1 && buffers[0] != buffers[1] &&
           !hone_rule__is_const(p, (hone_buffer){buffers[0]});
}

/* From the maximum back to the sum of products. */
static bool find_scores(hone_program *p, const hone_prim__online *o, const bool *skip,
                        hone_rule__attention_parts *ret)
{
    hone_expr load, inner;
    hone_stmt writer, scores;
    hone_op op;
    hone_expr operand;
    ret->last[0] = '\0';
    if (load_from(p, o->top, true, &load, &scores)) {
        writer = scores;
    } else if (load_from(p, o->top, false, &load, &writer) &&
               load_from(p, writer, true, &inner, &scores)) {
        hone_stmt readers[4];
        unsigned n = hone_readers_of(p, hone_stmt_at(p, writer)->out, readers, 4);
        take_name(p, writer, ret->last);
        if (n != 2 || !is_free(p, writer, skip) || !HONE_SAME(load, o->operand))
            return false;
    } else {
        return false;
    }
    int row = through(p, o->top, load, ret->row, writer);
    int step = through(p, o->top, load, o->step, writer);
    int row_dim = dim_of(p, o->top, load, ret->row), step_dim = dim_of(p, o->top, load, o->step);
    if (row >= 0 && step >= 0 && !HONE_SAME(writer, scores)) {
        row = through(p, writer, inner, (unsigned)row, scores);
        step = through(p, writer, inner, (unsigned)step, scores);
    }
    if (row < 0 || step < 0 || !is_free(p, scores, skip) ||
        !hone_block_reduction(p, scores, &op, &operand) || op != HONE_OP_ADD)
        return false;
    take_name(p, scores, ret->scores);
    ret->score_row = (unsigned)row;
    ret->score_step = (unsigned)step;
    ret->row_dim = (unsigned)row_dim;
    ret->step_dim = (unsigned)step_dim;
    return find_operands(p, scores, ret);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* The column of a sum of products with values: a spatial iterator the maximum does not have. -1:
 * there is none. */
static int column_of(const hone_program *p, const hone_prim__online *o,
                     const hone_prim__online_sum *x)
{
    int column = -1;
    for (unsigned k = 0; k < hone_stmt_at(p, x->block)->n_iters; k++) {
        const hone_iter *it = hone_iter_at(p, x->block, k);
        bool rows = it->kind != HONE_SPATIAL || hone_var_at(p, it->var)->extent == 1;
        for (unsigned q = 0; q < hone_stmt_at(p, o->top)->n_iters; q++)
            rows = rows || x->iter_of[q] == (int)k;
        column = rows ? column : (int)k;
    }
    return column;
}

/* Do all queries along the maximum's iterator q share their values? */
static bool shares_values(hone_program *p, const hone_prim__online_sum *x, unsigned q)
{
    hone_expr loads[MAX_LOADS];
    unsigned n = hone_block_loads(p, x->block, loads, MAX_LOADS);
    if (x->iter_of[q] < 0 || n > MAX_LOADS)
        return false;
    hone_var v = iter_var(p, x->block, (unsigned)x->iter_of[q]);
    for (unsigned k = 0; k < n; k++)
        if (!HONE_SAME(loads[k], x->load) && load_uses(p, loads[k], v))
            return false;
    return true;
}

/* The stage that alone reads the sums, where it has the row and the column. */
static bool find_anchor(hone_program *p, const hone_prim__online *o, unsigned values,
                        const bool *skip, hone_rule__attention_parts *ret)
{
    const hone_prim__online_sum *x = &o->sums[values];
    hone_stmt reader[2] = {HONE_NO_STMT}, anchor = HONE_NO_STMT;
    for (unsigned k = 0; k < o->n_sums; k++) {
        hone_buffer out = hone_stmt_at(p, o->sums[k].block)->out;
        if (hone_buffer_at(p, out)->role != HONE_TEMP || hone_readers_of(p, out, reader, 2) != 1 ||
            (anchor.i && !HONE_SAME(anchor, reader[0])))
            return false;
        anchor = reader[0];
    }
    if (!is_free(p, anchor, skip) || hone_stmt_at(p, anchor)->init.i)
        return false;
    hone_expr loads[MAX_LOADS];
    int iters[HONE_MAX_DIMS];
    unsigned n = hone_block_loads(p, anchor, loads, MAX_LOADS), found = 0;
    if (n > MAX_LOADS || !hone_prim__store_iters(p, x->block, iters))
        return false;
    for (unsigned k = 0; k < n; k++) {
        if (hone_expr_at(p, loads[k])->sym != hone_stmt_at(p, x->block)->out.i)
            continue;
        for (unsigned d = 0; d < hone_expr_at(p, loads[k])->n_args; d++)
            for (unsigned q = 0; q < hone_stmt_at(p, anchor)->n_iters; q++) {
                if (!HONE_SAME(hone_expr_arg(p, loads[k], d),
                               hone_var_expr(p, iter_var(p, anchor, q))))
                    continue;
                found += iters[d] == x->iter_of[ret->row] || iters[d] == (int)ret->value_col;
                if (iters[d] == x->iter_of[ret->row])
                    ret->anchor_row = q;
                else if (iters[d] == (int)ret->value_col)
                    ret->anchor_col = q;
            }
    }
    take_name(p, anchor, ret->anchor);
    return found == 2;
}

bool hone_rule__attention_find(hone_program *p, hone_stmt top, const bool *skip,
                               hone_rule__attention_parts *ret)
{
    hone_prim__online o;
    memset(ret, 0, sizeof *ret);
    if (!hone_prim__is_leaf(p, top) || !is_free(p, top, skip) ||
        hone_prim__online_find(p, top, &o, NULL) != HONE_OK || o.n_exps != 1 ||
        !is_free(p, o.exps[0].block, skip))
        return false;
    int values = -1;
    for (unsigned k = 0; k < o.n_sums; k++) {
        int column = column_of(p, &o, &o.sums[k]);
        if (!is_free(p, o.sums[k].block, skip) || (column >= 0 && values >= 0))
            return false;
        take_name(p, o.sums[k].block, ret->sums[k]);
        if (column < 0)
            continue;
        values = (int)k;
        ret->value_col = (unsigned)column;
    }
    if (values < 0)
        return false;
    const hone_prim__online_sum *x = &o.sums[values];
    take_name(p, top, ret->top);
    take_name(p, o.exps[0].block, ret->exp);
    take_name(p, x->block, ret->values);
    ret->n_sums = o.n_sums;
    ret->keys = o.steps;
    ret->columns = hone_var_at(p, iter_var(p, x->block, ret->value_col))->extent;
    ret->is_masked = o.n_masks > 0;
    ret->bytes = hone_dtype_bytes((hone_dtype)hone_buffer_at(p, hone_stmt_at(p, top)->out)->dtype);
    for (unsigned q = 0; q < hone_stmt_at(p, top)->n_iters; q++) {
        int64_t extent = hone_var_at(p, iter_var(p, top, q))->extent;
        hone_rule__attention_parts one = *ret;
        one.row = q;
        one.queries = extent;
        if (q != o.step && extent > 1 && extent >= ret->queries && shares_values(p, x, q) &&
            find_scores(p, &o, skip, &one) && find_anchor(p, &o, (unsigned)values, skip, &one))
            *ret = one;
    }
    return ret->queries > 1;
}
