/* Values that inputs may be tried with: what the program says, or what their use asks for. */
#include "ir/internal.h"

#include <math.h>

/* Away from 0, on either side of 1. */
#define LEAST_POSITIVE 0.125
#define MOST_POSITIVE 8.0

typedef struct range {
    hone_buffer input;
    double lo, hi;
} range;

static void narrow(range *r, double lo, double hi)
{
    r->lo = fmax(r->lo, lo);
    r->hi = fmin(r->hi, hi);
}

/* Is e the input's value, perhaps cast and moved by a constant? */
static bool is_value(const hone_program *p, hone_expr e, hone_buffer input, int64_t *ret_moved)
{
    *ret_moved = 0;
    for (;;) {
        hone_op op = hone_expr_op(p, e);
        int64_t c;
        if (op == HONE_OP_CAST) {
            e = hone_expr_arg(p, e, 0);
        } else if ((op == HONE_OP_ADD || op == HONE_OP_SUB) &&
                   hone_is_int(p, hone_expr_arg(p, e, 1), &c)) {
            *ret_moved += op == HONE_OP_ADD ? c : -c;
            e = hone_expr_arg(p, e, 0);
        } else {
            return op == HONE_OP_LOAD && hone_expr_at(p, e)->sym == input.i;
        }
    }
}

/* An index as it was written: without what holds it inside of a dimension of `extent`. */
static hone_expr as_written(const hone_program *p, hone_expr index, int64_t extent)
{
    static const hone_op ops[] = {HONE_OP_MIN, HONE_OP_MAX};
    const int64_t ends[] = {extent - 1, 0};
    hone_expr e = index;
    for (unsigned k = 0; k < 2; k++) {
        int64_t c;
        if (hone_expr_op(p, e) != ops[k] || !hone_is_int(p, hone_expr_arg(p, e, 1), &c) ||
            c != ends[k])
            return index;
        e = hone_expr_arg(p, e, 0);
    }
    return e;
}

static bool look(void *ctx, const hone_program *p, hone_expr e)
{
    range *r = ctx;
    const hone_expr_row *row = hone_expr_at(p, e);
    int64_t moved;
    switch ((hone_op)row->op) {
    case HONE_OP_LOAD:
        for (unsigned k = 0; k < row->n_args; k++) {
            int64_t extent = hone_buffer_at(p, (hone_buffer){row->sym})->shape[k];
            hone_expr index = as_written(p, hone_expr_arg(p, e, k), extent);
            if (is_value(p, index, r->input, &moved))
                narrow(r, (double)-moved, (double)(extent - moved));
        }
        break;
    case HONE_OP_DIV:
    case HONE_OP_FLOORDIV:
    case HONE_OP_FLOORMOD:
        if (is_value(p, hone_expr_arg(p, e, 1), r->input, &moved) && moved == 0)
            narrow(r, hone_dtype_is_float((hone_dtype)row->dtype) ? LEAST_POSITIVE : 1,
                   MOST_POSITIVE);
        break;
    case HONE_OP_LOG:
    case HONE_OP_SQRT:
    case HONE_OP_POW:
        if (is_value(p, hone_expr_arg(p, e, 0), r->input, &moved) && moved == 0)
            narrow(r, LEAST_POSITIVE, MOST_POSITIVE);
        break;
    default:
        break;
    }
    return true;
}

/* Integers are what their dtype can hold. */
static bool hold(hone_dtype t, double lo, double hi, double *ret_lo, double *ret_hi)
{
    int64_t least, most;
    *ret_lo = lo;
    *ret_hi = hi;
    if (!hone_dtype_is_float(t)) {
        hone_ir__dtype_range(t, &least, &most);
        *ret_lo = fmax(lo, (double)least);
        *ret_hi = fmin(hi, (double)most + 1);
    }
    return *ret_lo < *ret_hi;
}

bool hone_input_range(const hone_program *p, hone_buffer input, double *ret_lo, double *ret_hi)
{
    const hone_buffer_row *b = hone_buffer_at(p, input);
    range r = {.input = input, .lo = -INFINITY, .hi = INFINITY};
    if (b->ranged)
        return hold((hone_dtype)b->dtype, b->lo, b->hi, ret_lo, ret_hi);
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s))
        if (hone_is_block(p, s) && hone_stmt_at(p, s)->out.i)
            hone_walk(p, hone_stmt_at(p, s)->value, look, &r);
    return hold((hone_dtype)b->dtype, r.lo, r.hi, ret_lo, ret_hi) && isfinite(r.lo) &&
           isfinite(r.hi);
}
