/* Shadows of expressions: the value in f64, and a bound on what rounding may do to it.
 *
 *   shorthand     of expressions, where a bound that is none is 0
 *   rounding      what one rounding costs in each dtype
 *   operations    a function for each family: arithmetic, elementary functions, conditions, casts
 *   translation   an expression of p as a shadow, each node once
 *
 * Three quantities. v: the value, f64 for floats, else of the dtype itself. e: the bound, f64, none
 * where it is 0 for certain; of a bool, whether it may come out the other way. q: what is computed
 * is a whole multiple of q, which does not depend on the element. A sum of
 * multiples of q whose absolute values add up to less than 2^24 q is exact in f32 in any order, so
 * that on small whole numbers the bound is 0 and a result must be equal. */
#include "ir/oracle_internal.h"

#include <float.h>
#include <math.h>

#define MOST_DEGREE 16  /* of a quantum */
#define PRODUCT_DEPTH 6 /* of stages and operations that are looked through for a product */

/* ---- precisions ------------------------------------------------------------------------------ */

static const precision in_f64 = {0x1p-53, 0x1p-1074, DBL_MAX, 0x1p53};
static const precision in_f32 = {0x1p-24, 0x1p-150, FLT_MAX, 0x1p24};
static const precision in_f16 = {0x1p-11, 0x1p-25, 65504, 0x1p11};
static const precision in_bf16 = {0x1p-8, 0x1p-134, 0x1.fep127, 0x1p8};

/* Of what is stored. */
precision hone_oracle__stored_as(hone_dtype t)
{
    return t == HONE_F64 ? in_f64 : t == HONE_F32 ? in_f32 : t == HONE_F16 ? in_f16 : in_bf16;
}

/* Of an operation: 16 bits are computed in f32. */
static precision computed_as(hone_dtype t)
{
    return t == HONE_F64 ? in_f64 : in_f32;
}

/* ---- shorthand ------------------------------------------------------------------------------- */

static hone_expr num(oracle *c, double x)
{
    return hone_const(c->o, HONE_F64, x);
}

static hone_expr op2(oracle *c, hone_op op, hone_expr a, hone_expr b)
{
    return hone_binary(c->o, op, a, b);
}

static hone_expr mul(oracle *c, hone_expr a, hone_expr b)
{
    return op2(c, HONE_OP_MUL, a, b);
}

static hone_expr absolute(oracle *c, hone_expr a)
{
    return hone_unary(c->o, HONE_OP_ABS, a);
}

static hone_expr greatest(oracle *c, hone_expr a, hone_expr b)
{
    return op2(c, HONE_OP_MAX, a, b);
}

/* Bounds, of which none is 0. */
hone_expr hone_oracle__plus(oracle *c, hone_expr a, hone_expr b)
{
    return !a.i ? b : !b.i ? a : op2(c, HONE_OP_ADD, a, b);
}

static hone_expr larger(oracle *c, hone_expr a, hone_expr b)
{
    return !a.i ? b : !b.i ? a : greatest(c, a, b);
}

static hone_expr scaled(oracle *c, hone_expr e, hone_expr by)
{
    return e.i ? mul(c, e, by) : e;
}

hone_expr hone_oracle__or_zero(oracle *c, hone_expr e)
{
    return e.i ? e : num(c, 0);
}

/* A bound that is NaN, as that of what is not certain times infinity, says nothing. */
static hone_expr at_most_infinite(oracle *c, hone_expr e)
{
    hone_expr most = num(c, INFINITY);
    return e.i ? hone_select(c->o, op2(c, HONE_OP_LE, e, most), e, most) : e;
}

static hone_expr either(oracle *c, hone_expr a, hone_expr b)
{
    return !a.i ? b : !b.i ? a : op2(c, HONE_OP_OR, a, b);
}

static bool is_float(const oracle *c, hone_expr e)
{
    return hone_dtype_is_float(hone_expr_dtype(c->p, e));
}

/* As f64, whatever it is. */
static hone_expr wide(oracle *c, hone_expr v)
{
    return hone_expr_dtype(c->o, v) == HONE_F64 ? v : hone_cast(c->o, HONE_F64, v);
}

/* ---- rounding -------------------------------------------------------------------------------- */

static const quantum any_value = {.known = false}, whole_numbers = {.known = true};

/* Both are multiples of it. */
static quantum finer(quantum a, quantum b)
{
    return (quantum){.known = a.known && b.known,
                     .degree = a.degree > b.degree ? a.degree : b.degree,
                     .exponent = a.exponent < b.exponent ? a.exponent : b.exponent};
}

hone_expr hone_oracle__exceeds(oracle *c, hone_expr size, quantum q, precision p)
{
    hone_expr first = hone_int(c->o, 0), step = hone_load(c->o, c->step, &first, 1);
    hone_expr span = num(c, ldexp(p.span, q.exponent));
    for (int k = 0; k < q.degree; k++)
        span = mul(c, span, step);
    return op2(c, HONE_OP_LT, span, size);
}

/* What rounding v once costs: units of relative error, unless v is a multiple of q below the span.
 * That holds also for values that were rounded before: what is rounded to a grid coarser than q
 * still is a multiple of q. */
static hone_expr rounding(oracle *c, hone_expr v, quantum q, double units, double least,
                          precision p)
{
    hone_expr size = absolute(c, v);
    hone_expr finite = op2(c, HONE_OP_LE, size, num(c, DBL_MAX)); /* nor is it when NaN */
    hone_expr cost = mul(c, size, num(c, units * p.unit));
    if (least > 0)
        cost = op2(c, HONE_OP_ADD, cost, num(c, least));
    hone_expr pays = finite;
    if (q.known)
        pays = op2(c, HONE_OP_AND, pays, hone_oracle__exceeds(c, size, q, p));
    return hone_select(c->o, pays, cost, num(c, 0));
}

static shadow rounded(oracle *c, hone_expr v, hone_expr e, quantum q, double units, double least,
                      precision p)
{
    return (shadow){
        .v = v, .e = hone_oracle__plus(c, e, rounding(c, v, q, units, least, p)), .q = q};
}

/* Beyond the largest number there is infinity; near it either is right. */
shadow hone_oracle__bounded(oracle *c, shadow s, precision p)
{
    hone_expr most = num(c, p.most), size = absolute(c, s.v);
    /* NaN and infinities stay: times infinity */
    hone_expr v =
        hone_select(c->o, op2(c, HONE_OP_LE, size, most), s.v, mul(c, s.v, num(c, INFINITY)));
    if (s.e.i) {
        hone_expr lowest = op2(c, HONE_OP_SUB, size, s.e), highest = op2(c, HONE_OP_ADD, size, s.e);
        hone_expr unsure = op2(c, HONE_OP_AND, op2(c, HONE_OP_LE, lowest, most),
                               op2(c, HONE_OP_LT, most, highest));
        s.e = hone_select(c->o, unsure, num(c, INFINITY), s.e);
    }
    s.v = v;
    return s;
}

/* A value that is exact is rounded as the dtype says; any other could be rounded either way. */
shadow hone_oracle__as_stored(oracle *c, shadow s, hone_dtype t)
{
    precision p = hone_oracle__stored_as(t);
    if (t == HONE_F64)
        return s;
    hone_expr once = hone_cast(c->o, HONE_F64, hone_cast(c->o, t, s.v));
    if (!s.e.i)
        return (shadow){.v = once, .q = s.q};
    hone_expr exact = op2(c, HONE_OP_EQ, s.e, num(c, 0));
    shadow r = hone_oracle__bounded(c, rounded(c, s.v, s.e, s.q, 1, p.tiny, p), p);
    return (shadow){.v = hone_select(c->o, exact, once, r.v),
                    .e = hone_select(c->o, exact, num(c, 0), r.e),
                    .q = s.q};
}

/* ---- arithmetic ------------------------------------------------------------------------------ */

/* Is it infinite, and perhaps only because it was rounded by itself? */
static hone_expr overflowed(oracle *c, shadow a)
{
    return a.e.i ? op2(c, HONE_OP_EQ, absolute(c, a.v), num(c, INFINITY)) : HONE_NO_EXPR;
}

static bool is_infinite(const hone_program *p, hone_expr e)
{
    return hone_expr_op(p, e) == HONE_OP_FLOAT && isinf(hone_expr_at(p, e)->imm.f);
}

/* May the value be that of a product, through stages that are inlined? One that a select takes in
 * the place of infinity is infinite because that was meant: it is a mask. */
static bool may_be_product(const oracle *c, hone_expr e, unsigned depth)
{
    const hone_program *p = c->p;
    const hone_expr_row r = *hone_expr_at(p, e);
    hone_stmt writer =
        r.op == HONE_OP_LOAD ? hone_writer_of(p, (hone_buffer){r.sym}) : HONE_NO_STMT;
    hone_op op;
    hone_expr operand;
    switch ((hone_op)r.op) {
    case HONE_OP_LOAD:
        if (!writer.i || !depth)
            return writer.i != 0;
        if (!hone_stmt_at(p, writer)->init.i)
            return may_be_product(c, hone_stmt_at(p, writer)->value, depth - 1);
        return !hone_block_reduction(p, writer, &op, &operand) || op == HONE_OP_MUL ||
               (op != HONE_OP_ADD && may_be_product(c, operand, depth - 1));
    case HONE_OP_SELECT:
        if (is_infinite(p, hone_expr_arg(p, e, 1)) || is_infinite(p, hone_expr_arg(p, e, 2)))
            return false;
        break;
    case HONE_OP_MUL:
        return true;
    case HONE_OP_MIN:
    case HONE_OP_MAX:
    case HONE_OP_ABS:
    case HONE_OP_CAST:
        break;
    default:
        return false;
    }
    for (unsigned k = r.op == HONE_OP_SELECT; k < r.n_args; k++)
        if (!depth || may_be_product(c, hone_expr_arg(p, e, k), depth - 1))
            return true;
    return false;
}

/* What is added to a product may be added before that is rounded (a fused multiply-add): then the
 * product's own overflow does not happen. fused: which of a and b may be one. */
static shadow sum_of(oracle *c, hone_op op, shadow a, shadow b, const bool fused[2], precision p)
{
    shadow s =
        rounded(c, op2(c, op, a.v, b.v), hone_oracle__plus(c, a.e, b.e), finer(a.q, b.q), 1, 0, p);
    hone_expr over = either(c, fused[0] ? overflowed(c, a) : HONE_NO_EXPR,
                            fused[1] ? overflowed(c, b) : HONE_NO_EXPR);
    s = hone_oracle__bounded(c, s, p);
    if (over.i)
        s.e = hone_select(c->o, over, num(c, INFINITY), s.e);
    return s;
}

static shadow product_of(oracle *c, shadow a, shadow b, precision p)
{
    quantum q = {.known = a.q.known && b.q.known && a.q.degree + b.q.degree <= MOST_DEGREE,
                 .degree = a.q.degree + b.q.degree,
                 .exponent = a.q.exponent + b.q.exponent};
    hone_expr e =
        hone_oracle__plus(c, scaled(c, b.e, absolute(c, a.v)), scaled(c, a.e, absolute(c, b.v)));
    if (a.e.i && b.e.i)
        e = hone_oracle__plus(c, e, mul(c, a.e, b.e));
    return rounded(c, mul(c, a.v, b.v), at_most_infinite(c, e), q, 1, p.tiny, p);
}

/* |a/b - (a + da)/(b + db)| <= (ea + |a/b| eb) / (|b| - eb) */
static shadow quotient_of(oracle *c, shadow a, shadow b, precision p)
{
    hone_expr z = op2(c, HONE_OP_DIV, a.v, b.v), e = HONE_NO_EXPR, size = absolute(c, b.v);
    if (a.e.i || b.e.i) {
        hone_expr room = b.e.i ? op2(c, HONE_OP_SUB, size, b.e) : size;
        hone_expr unsure = hone_oracle__plus(c, a.e, b.e); /* 0 / b is NaN where b may be 0 */
        e = hone_oracle__plus(c, a.e, scaled(c, b.e, absolute(c, z)));
        e = hone_select(
            c->o, op2(c, HONE_OP_LT, num(c, 0), room), op2(c, HONE_OP_DIV, e, room),
            hone_select(c->o, op2(c, HONE_OP_EQ, unsure, num(c, 0)), num(c, 0), num(c, INFINITY)));
    }
    return hone_oracle__bounded(c, rounded(c, z, at_most_infinite(c, e), any_value, 2, p.tiny, p),
                                p);
}

static shadow extreme_of(oracle *c, hone_op op, shadow a, shadow b)
{
    return (shadow){.v = op2(c, op, a.v, b.v), .e = larger(c, a.e, b.e), .q = finer(a.q, b.q)};
}

/* ---- elementary functions --------------------------------------------------------------------
 */

/* Half the distance of f at v - e and at v + e bounds nothing, but for a monotone f the whole does.
 */
static hone_expr spread(oracle *c, hone_op op, shadow a)
{
    hone_expr lo = hone_unary(c->o, op, op2(c, HONE_OP_SUB, a.v, a.e));
    hone_expr hi = hone_unary(c->o, op, op2(c, HONE_OP_ADD, a.v, a.e));
    return at_most_infinite(c, op2(c, HONE_OP_SUB, hi, lo));
}

/* Errors in the argument as large as it is, below 0 for log and sqrt: anything may come out. */
static hone_expr spread_above(oracle *c, hone_op op, shadow a)
{
    hone_expr in = op2(c, HONE_OP_LT, num(c, 0), op2(c, HONE_OP_SUB, a.v, a.e));
    hone_expr exact = op2(c, HONE_OP_EQ, a.e, num(c, 0));
    return hone_select(c->o, exact, num(c, 0),
                       hone_select(c->o, in, spread(c, op, a), num(c, INFINITY)));
}

/* Of sin and cos. Near the end of the angles they take, and beyond, anything may come out. */
static hone_expr turning(oracle *c, shadow a)
{
    hone_expr far = op2(c, HONE_OP_ADD, absolute(c, a.v), a.e);
    hone_expr in = op2(c, HONE_OP_LE, far, num(c, HONE_MOST_ANGLE));
    hone_expr exact = op2(c, HONE_OP_EQ, a.e, num(c, 0));
    hone_expr most = op2(c, HONE_OP_MIN, a.e, num(c, 2));
    return hone_select(c->o, exact, num(c, 0), hone_select(c->o, in, most, num(c, INFINITY)));
}

/* What ir/functions.def states, in units of rounding: half a unit of the last place each. */
static double units_of(const oracle *c, hone_expr e, precision p)
{
    hone_op op = hone_expr_op(c->p, e);
    hone_dtype t = p.unit == in_f64.unit ? HONE_F64 : HONE_F32;
    return 2 * hone_function_error(op, t, hone_is_fast(c->p, e));
}

static shadow function_of(oracle *c, hone_expr f, shadow a, precision p)
{
    hone_op op = hone_expr_op(c->p, f);
    hone_expr z = hone_unary(c->o, op, a.v), e = HONE_NO_EXPR;
    if (op == HONE_OP_ABS)
        return (shadow){.v = z, .e = a.e, .q = a.q};
    if (op == HONE_OP_FLOOR || op == HONE_OP_CEIL || op == HONE_OP_ROUND) {
        return (shadow){.v = z, .e = a.e.i ? spread(c, op, a) : a.e, .q = whole_numbers};
    }
    if (a.e.i && (op == HONE_OP_SIN || op == HONE_OP_COS)) /* no steeper than 1, no higher */
        e = turning(c, a);
    else if (a.e.i)
        e = op == HONE_OP_LOG || op == HONE_OP_SQRT ? spread_above(c, op, a) : spread(c, op, a);
    double units = units_of(c, f, p);
    /* below the smallest normal number results lose places, or are flushed to 0 */
    double least = op == HONE_OP_SQRT      ? 0
                   : p.unit == in_f64.unit ? DBL_MIN
                   : hone_is_fast(c->p, f) ? 2 * (double)FLT_MIN
                                           : (double)FLT_MIN;
    return hone_oracle__bounded(
        c, rounded(c, z, e, any_value, units, op == HONE_OP_LOG ? p.unit * 2 : least, p), p);
}

/* exp(b log a), for a > 0; elsewhere an error in the arguments leaves nothing certain. */
static shadow power_of(oracle *c, hone_expr f, shadow a, shadow b, precision p)
{
    hone_expr z = op2(c, HONE_OP_POW, a.v, b.v), e = HONE_NO_EXPR;
    if (a.e.i || b.e.i) {
        hone_expr ea = hone_oracle__or_zero(c, a.e), eb = hone_oracle__or_zero(c, b.e);
        hone_expr lo = op2(c, HONE_OP_SUB, a.v, ea), hi = op2(c, HONE_OP_ADD, a.v, ea);
        hone_expr least = op2(c, HONE_OP_SUB, b.v, eb), most = op2(c, HONE_OP_ADD, b.v, eb);
        hone_expr far = num(c, 0);
        const hone_expr base[2] = {lo, hi}, exponent[2] = {least, most};
        for (int k = 0; k < 4; k++) { /* monotone in each: the corners */
            hone_expr at = op2(c, HONE_OP_POW, base[k / 2], exponent[k % 2]);
            at = at_most_infinite(c, absolute(c, op2(c, HONE_OP_SUB, at, z)));
            far = greatest(c, far, at);
        }
        hone_expr moved = op2(c, HONE_OP_LT, num(c, 0), op2(c, HONE_OP_ADD, ea, eb));
        hone_expr in = op2(c, HONE_OP_LT, num(c, 0), lo);
        e = hone_select(c->o, moved, hone_select(c->o, in, far, num(c, INFINITY)), num(c, 0));
    }
    double units = units_of(c, f, p);
    double least = p.unit == in_f64.unit ? DBL_MIN : FLT_MIN;
    return hone_oracle__bounded(c, rounded(c, z, e, any_value, units, least, p), p);
}

/* ---- conditions ------------------------------------------------------------------------------ */

/* Is there a bound, and the distance not for certain above it? It may be NaN: between infinities.
 */
static hone_expr reaches(oracle *c, hone_expr e, hone_expr distance)
{
    hone_expr beyond = op2(c, HONE_OP_LT, e, distance);
    return op2(c, HONE_OP_AND, hone_unary(c->o, HONE_OP_NOT, beyond),
               op2(c, HONE_OP_LT, num(c, 0), e));
}

/* May a comparison of values that are off by ea and eb come out the other way? */
static hone_expr unsure(oracle *c, shadow a, shadow b)
{
    hone_expr e = hone_oracle__plus(c, a.e, b.e);
    if (!e.i)
        return e;
    hone_expr apart = absolute(c, op2(c, HONE_OP_SUB, wide(c, a.v), wide(c, b.v)));
    return reaches(c, e, apart);
}

static shadow choice_of(oracle *c, shadow cond, shadow a, shadow b)
{
    shadow s = {.v = hone_select(c->o, cond.v, a.v, b.v), .q = finer(a.q, b.q)};
    if (hone_expr_dtype(c->o, s.v) == HONE_BOOL) {
        if (a.e.i || b.e.i || cond.e.i) {
            hone_expr no = hone_bool(c->o, false);
            s.e = hone_select(c->o, cond.v, a.e.i ? a.e : no, b.e.i ? b.e : no);
            s.e = either(c, s.e, cond.e);
        }
        return s;
    }
    if (a.e.i || b.e.i)
        s.e = hone_select(c->o, cond.v, hone_oracle__or_zero(c, a.e), hone_oracle__or_zero(c, b.e));
    if (cond.e.i) { /* the other arm is looked at only where it might be taken */
        hone_expr apart = absolute(c, op2(c, HONE_OP_SUB, wide(c, a.v), wide(c, b.v)));
        /* equal infinities are no distance apart */
        apart =
            hone_select(c->o, op2(c, HONE_OP_EQ, a.v, b.v), num(c, 0), at_most_infinite(c, apart));
        s.e = hone_select(c->o, cond.e, hone_oracle__plus(c, apart, larger(c, a.e, b.e)),
                          hone_oracle__or_zero(c, s.e));
    }
    return s;
}

/* ---- integers and casts ---------------------------------------------------------------------- */

static void range_of(hone_dtype t, double *lo, double *hi)
{
    int bits = 8 * hone_dtype_bytes(t);
    bool is_signed = t != HONE_U8 && t != HONE_BOOL;
    *lo = is_signed ? -ldexp(1, bits - 1) : 0;
    *hi = t == HONE_BOOL ? 1 : ldexp(1, is_signed ? bits - 1 : bits) - 1;
}

/* What is off by e before it is cut to an integer's bits may come out at the other end. */
hone_expr hone_oracle__wrapping(oracle *c, hone_dtype t, hone_expr v, hone_expr e)
{
    double lo, hi;
    range_of(t, &lo, &hi);
    hone_expr x = wide(c, v);
    hone_expr stays = op2(c, HONE_OP_AND, op2(c, HONE_OP_LE, num(c, lo), op2(c, HONE_OP_SUB, x, e)),
                          op2(c, HONE_OP_LE, op2(c, HONE_OP_ADD, x, e), num(c, hi)));
    hone_expr wraps =
        hone_select(c->o, op2(c, HONE_OP_LE, e, num(c, 0)), num(c, 0), num(c, INFINITY));
    return hone_select(c->o, stays, e, wraps);
}

/* Where an integer may be off, it is because a float was; what follows from that exactly is not
 * worth working out but for the operations that quantised kernels use. */
static hone_expr integer_error(oracle *c, hone_op op, shadow a, shadow b, hone_expr z)
{
    hone_expr e = hone_oracle__plus(c, a.e, b.e);
    hone_dtype t = hone_expr_dtype(c->o, z);
    if (!e.i)
        return e;
    if (op == HONE_OP_ADD || op == HONE_OP_SUB)
        return hone_oracle__wrapping(c, t, z, e);
    if (op == HONE_OP_MIN || op == HONE_OP_MAX)
        return larger(c, a.e, b.e);
    if (op == HONE_OP_MUL) {
        hone_expr x = hone_oracle__plus(c, scaled(c, b.e, absolute(c, wide(c, a.v))),
                                        scaled(c, a.e, absolute(c, wide(c, b.v))));
        if (a.e.i && b.e.i)
            x = hone_oracle__plus(c, x, mul(c, a.e, b.e));
        return hone_oracle__wrapping(c, t, z, at_most_infinite(c, x));
    }
    return hone_select(c->o, op2(c, HONE_OP_LT, num(c, 0), e), num(c, INFINITY), num(c, 0));
}

static shadow cast_to_float(oracle *c, hone_dtype t, shadow a, hone_dtype from)
{
    shadow s = {.v = wide(c, a.v), .e = a.e, .q = a.q};
    if (from == HONE_BOOL && a.e.i)
        s.e = hone_select(c->o, a.e, num(c, 1), num(c, 0));
    if (!hone_dtype_is_float(from)) {
        s.q = whole_numbers;
        precision p = computed_as(t); /* 16 bits go by way of f32 */
        if (hone_dtype_bytes(from) * 8 > (t == HONE_F64 ? 53 : 24))
            s = rounded(c, s.v, s.e, s.q, 1, 0, p);
    }
    if (hone_dtype_is_float(from) && hone_dtype_bytes(t) >= hone_dtype_bytes(from) &&
        t != HONE_F16 && t != HONE_BF16)
        return s; /* widening */
    return hone_oracle__as_stored(c, s, t);
}

static shadow cast_to_integer(oracle *c, hone_dtype t, shadow a, hone_dtype from)
{
    shadow s = {.v = hone_cast(c->o, t, a.v)};
    if (!a.e.i)
        return s;
    if (t == HONE_BOOL) {
        if (from == HONE_BOOL)
            s.e = a.e;
        else
            s.e = reaches(c, a.e, absolute(c, wide(c, a.v)));
        return s;
    }
    if (from == HONE_BOOL) {
        s.e = hone_select(c->o, a.e, num(c, 1), num(c, 0));
        return s;
    }
    if (hone_dtype_is_float(from)) { /* towards zero, saturating: monotone */
        hone_expr lo = hone_cast(c->o, t, op2(c, HONE_OP_SUB, a.v, a.e));
        hone_expr hi = hone_cast(c->o, t, op2(c, HONE_OP_ADD, a.v, a.e));
        s.e = hone_select(c->o, op2(c, HONE_OP_LE, a.e, num(c, DBL_MAX)),
                          op2(c, HONE_OP_SUB, wide(c, hi), wide(c, lo)), num(c, INFINITY));
        return s;
    }
    /* between integers the low bits are kept: what is cut differs by no more than it did before,
     * but may be elsewhere */
    s.e = hone_oracle__wrapping(c, t, a.v, a.e);
    return s;
}

static shadow constant_of(oracle *c, hone_expr e)
{
    const hone_expr_row *r = hone_expr_at(c->p, e);
    if (r->op == HONE_OP_INT)
        return (shadow){.v = r->dtype == HONE_BOOL ? hone_bool(c->o, r->imm.i != 0)
                             : r->dtype == HONE_I64
                                 ? hone_int(c->o, r->imm.i)
                                 : hone_const(c->o, (hone_dtype)r->dtype, (double)r->imm.i)};
    double x = r->imm.f;
    quantum q = {.known = isfinite(x), .exponent = 1000}; /* 0 is a multiple of anything */
    if (x != 0 && isfinite(x)) {
        double m = frexp(fabs(x), &q.exponent);
        for (; m != floor(m); q.exponent--)
            m *= 2;
        for (; fmod(m, 2) == 0; q.exponent++)
            m /= 2;
    }
    return (shadow){.v = num(c, x), .q = q};
}

/* ---- translation ----------------------------------------------------------------------------- */

static shadow load_of(oracle *c, hone_expr e)
{
    const hone_expr_row r = *hone_expr_at(c->p, e);
    hone_buffer b = {r.sym};
    hone_expr index[HONE_MAX_DIMS], moved = HONE_NO_EXPR;
    for (unsigned k = 0; k < r.n_args; k++) {
        shadow s = hone_oracle__translate(c, hone_expr_arg(c->p, e, k));
        index[k] = s.v;
        moved = hone_oracle__plus(c, moved, s.e);
    }
    shadow s = {.v = hone_load(c->o, c->value[b.i], index, r.n_args), .q = c->quantum[b.i]};
    if (hone_dtype_is_float((hone_dtype)r.dtype))
        s.v = wide(c, s.v);
    if (c->error[b.i].i) {
        s.e = hone_load(c->o, c->error[b.i], index, r.n_args);
        if (r.dtype == HONE_BOOL)
            s.e = op2(c, HONE_OP_LT, num(c, 0), s.e);
    }
    if (moved.i && r.dtype != HONE_BOOL)
        s.e = hone_select(c->o, op2(c, HONE_OP_LT, num(c, 0), moved), num(c, INFINITY),
                          hone_oracle__or_zero(c, s.e));
    return s;
}

static shadow float_operation(oracle *c, hone_expr e, hone_op op)
{
    precision p = computed_as(hone_expr_dtype(c->p, e));
    shadow a = hone_oracle__translate(c, hone_expr_arg(c->p, e, 0)), b = {0};
    if (hone_op_arity(op) == 2)
        b = hone_oracle__translate(c, hone_expr_arg(c->p, e, 1));
    switch (op) {
    case HONE_OP_ADD:
    case HONE_OP_SUB:
        return sum_of(c, op, a, b,
                      (bool[]){may_be_product(c, hone_expr_arg(c->p, e, 0), PRODUCT_DEPTH),
                               may_be_product(c, hone_expr_arg(c->p, e, 1), PRODUCT_DEPTH)},
                      p);
    case HONE_OP_MUL:
        return hone_oracle__bounded(c, product_of(c, a, b, p), p);
    case HONE_OP_DIV:
        return quotient_of(c, a, b, p);
    case HONE_OP_MIN:
    case HONE_OP_MAX:
        return extreme_of(c, op, a, b);
    case HONE_OP_POW:
        return power_of(c, e, a, b, p);
    default:
        return function_of(c, e, a, p);
    }
}

static shadow other_operation(oracle *c, hone_expr e, hone_op op)
{
    shadow a = hone_oracle__translate(c, hone_expr_arg(c->p, e, 0)), b = {0};
    if (hone_op_arity(op) == 1) { /* not, abs, popcount */
        shadow s = {.v = hone_unary(c->o, op, a.v)};
        if (op == HONE_OP_POPCOUNT)
            s.e = integer_error(c, op, a, b, s.v);
        else
            s.e = a.e;
        return s;
    }
    b = hone_oracle__translate(c, hone_expr_arg(c->p, e, 1));
    shadow s = {.v = op2(c, op, a.v, b.v)};
    if (op == HONE_OP_AND || op == HONE_OP_OR)
        s.e = either(c, a.e, b.e);
    else if (op == HONE_OP_EQ || op == HONE_OP_NE || op == HONE_OP_LT || op == HONE_OP_LE)
        s.e = hone_expr_dtype(c->o, a.v) == HONE_BOOL ? either(c, a.e, b.e) : unsure(c, a, b);
    else
        s.e = integer_error(c, op, a, b, s.v);
    return s;
}

static shadow translate_new(oracle *c, hone_expr e)
{
    const hone_expr_row r = *hone_expr_at(c->p, e);
    hone_op op = (hone_op)r.op;
    if (op == HONE_OP_INT || op == HONE_OP_FLOAT)
        return constant_of(c, e);
    if (op == HONE_OP_VAR)
        return (shadow){.v = c->vars[r.sym]};
    if (op == HONE_OP_LOAD)
        return load_of(c, e);
    if (op == HONE_OP_SELECT) {
        shadow cond = hone_oracle__translate(c, hone_expr_arg(c->p, e, 0));
        shadow a = hone_oracle__translate(c, hone_expr_arg(c->p, e, 1));
        return choice_of(c, cond, a, hone_oracle__translate(c, hone_expr_arg(c->p, e, 2)));
    }
    if (op == HONE_OP_CAST) {
        hone_expr arg = hone_expr_arg(c->p, e, 0);
        hone_dtype from = hone_expr_dtype(c->p, arg), to = (hone_dtype)r.dtype;
        shadow a = hone_oracle__translate(c, arg);
        return hone_dtype_is_float(to) ? cast_to_float(c, to, a, from)
                                       : cast_to_integer(c, to, a, from);
    }
    return is_float(c, e) ? float_operation(c, e, op) : other_operation(c, e, op);
}

shadow hone_oracle__translate(oracle *c, hone_expr e)
{
    if (!c->memo[e.i].done) {
        shadow s = translate_new(c, e);
        s.done = true;
        c->memo[e.i] = s;
    }
    return c->memo[e.i];
}

/* A product among the terms may overflow by itself or not: the sum of absolute values shows that.
 */
shadow hone_oracle__translate_term(oracle *c, hone_expr e)
{
    if (!is_float(c, e) || hone_expr_op(c->p, e) != HONE_OP_MUL)
        return hone_oracle__translate(c, e);
    return product_of(c, hone_oracle__translate(c, hone_expr_arg(c->p, e, 0)),
                      hone_oracle__translate(c, hone_expr_arg(c->p, e, 1)),
                      computed_as(hone_expr_dtype(c->p, e)));
}
