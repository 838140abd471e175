/* What of the floats in a buffer makes minima and maxima shorter (emit/extreme.c): that none is
 * NaN, and that nobody sees which sign a zero has. */
#include "codegen/internal.h"

#include <math.h>

/* ---- elements that cannot be NaN ------------------------------------------------------------- */

static bool is_number(cg *e, hone_expr x)
{
    return hone_expr_op(&e->q, x) == HONE_OP_FLOAT && !isnan(hone_expr_at(&e->q, x)->imm.f);
}

static bool is_load_of(cg *e, hone_expr x, const bool *of)
{
    return hone_expr_op(&e->q, x) == HONE_OP_LOAD && of[hone_expr_at(&e->q, x)->sym];
}

static bool keeps_numbers(cg *e, const cg_leaf *leaf, const bool *may_be_nan)
{
    if (leaf->op == HONE_OP_MIN || leaf->op == HONE_OP_MAX)
        return !leaf->init.i || is_number(e, leaf->init);
    if (hone_expr_op(&e->q, leaf->value) == HONE_OP_LOAD)
        return !is_load_of(e, leaf->value, may_be_nan);
    return is_number(e, leaf->value);
}

/* A minimum that starts at a number stays one, also where it is copied to and goes on. */
static void find_nan(cg *e, bool *may_be_nan)
{
    for (uint32_t b = 1; b < e->q.buffers.n; b++) {
        may_be_nan[b] = e->q.buffers.v[b].role == HONE_INPUT;
    }
    for (bool more = true; more;) {
        more = false;
        for (uint32_t k = 1; k < e->leaves.n; k++) {
            const cg_leaf *leaf = &e->leaves.v[k];
            if (!may_be_nan[leaf->out.i] && !keeps_numbers(e, leaf, may_be_nan)) {
                may_be_nan[leaf->out.i] = more = true;
            }
        }
    }
}

/* ---- zeros whose sign is not seen ------------------------------------------------------------ */

typedef struct seeing {
    const cg *e;
    bool *seen; /* by buffer */
    hone_memo known;
    bool more;
} seeing;

static void see(seeing *s, hone_expr x);

static void see_args(seeing *s, hone_expr x)
{
    for (unsigned k = 0; k < hone_expr_at(&s->e->q, x)->n_args; k++) {
        see(s, hone_expr_arg(&s->e->q, x, k));
    }
}

static bool is_float_load(const seeing *s, hone_expr x)
{
    return hone_expr_op(&s->e->q, x) == HONE_OP_LOAD &&
           hone_dtype_is_float(hone_expr_dtype(&s->e->q, x));
}

/* What has two terms, below x or x itself, of which it makes no difference to x with which sign one
 * is zero: numbers compared; and a sum of which e^x is computed, since such a zero shows only in a
 * sum that is zero itself, and e^0 is 1 for either. */
static hone_expr blind(const hone_program *q, hone_expr x)
{
    hone_op op = hone_expr_op(q, x), of = op;
    if (op == HONE_OP_EXP) {
        x = hone_expr_arg(q, x, 0);
        of = hone_expr_op(q, x);
        return of == HONE_OP_ADD || of == HONE_OP_SUB ? x : HONE_NO_EXPR;
    }
    bool compares = op == HONE_OP_EQ || op == HONE_OP_NE || op == HONE_OP_LT || op == HONE_OP_LE;
    return compares ? x : HONE_NO_EXPR;
}

/* The sign of x is seen. */
static void see(seeing *s, hone_expr x)
{
    const hone_program *q = &s->e->q;
    if (!hone_has_load(q, x) || !hone_memo_first(&s->known, x.i)) {
        return;
    }
    if (is_float_load(s, x)) {
        bool *of = &s->seen[hone_expr_at(q, x)->sym];
        s->more |= !*of;
        *of = true;
    }
    hone_expr pair = blind(q, x);
    for (unsigned k = 0; k < 2 && pair.i; k++) {
        hone_expr term = hone_expr_arg(q, pair, k);
        if (is_float_load(s, term)) {
            see_args(s, term);
        } else {
            see(s, term);
        }
    }
    if (!pair.i) {
        see_args(s, x);
    }
}

/* The block's result is x, or made of it by a minimum or maximum: its sign is seen where that of
 * the result is. */
static void see_result(seeing *s, const cg_leaf *leaf, hone_expr x)
{
    hone_op op = hone_expr_op(&s->e->q, x);
    bool passes = !s->seen[leaf->out.i];
    if (HONE_SAME(x, leaf->own) || (passes && is_float_load(s, x))) {
        see_args(s, x);
    } else if (passes && (op == HONE_OP_MIN || op == HONE_OP_MAX)) {
        see_result(s, leaf, hone_expr_arg(&s->e->q, x, 0));
        see_result(s, leaf, hone_expr_arg(&s->e->q, x, 1));
    } else {
        see(s, x);
    }
}

static void find_seen(cg *e, bool *seen)
{
    seeing s = {.e = e, .seen = seen};
    for (uint32_t b = 1; b < e->q.buffers.n; b++) {
        seen[b] = e->q.buffers.v[b].role != HONE_TEMP;
    }
    do {
        s.more = false;
        for (uint32_t k = 1; k < e->leaves.n; k++) {
            const cg_leaf *leaf = &e->leaves.v[k];
            see_result(&s, leaf, leaf->value);
            if (leaf->init.i) {
                see_result(&s, leaf, leaf->init);
            }
            for (unsigned c = 0; c < leaf->n_conds; c++) {
                see(&s, leaf->conds[c].e);
            }
        }
    } while (s.more);
    hone_memo_free(&s.known);
}

void hone_cg__find_numbers(cg *e)
{
    bool *may_be_nan = hone_xcalloc(e->q.buffers.n, sizeof *may_be_nan);
    bool *seen = hone_xcalloc(e->q.buffers.n, sizeof *seen);
    find_nan(e, may_be_nan);
    find_seen(e, seen);
    for (uint32_t k = 1; k < e->leaves.n; k++) {
        cg_leaf *leaf = &e->leaves.v[k];
        leaf->own_is_number = !may_be_nan[leaf->out.i];
        leaf->operand_is_number = leaf->op && hone_expr_op(&e->q, leaf->operand) == HONE_OP_LOAD &&
                                  !is_load_of(e, leaf->operand, may_be_nan);
        leaf->zeros_alike = !e->o->plain && !seen[leaf->out.i];
    }
    free(seen);
    free(may_be_nan);
}
