/* From expressions to sums, and what sums tell: bounds and linear coefficients. */
#include "ir/affine_sum.h"

#define LOW HONE_IR__LOW
#define HIGH HONE_IR__HIGH

/* Steps per question. An index expression takes tens; the limit is for shared subexpressions
 * nested so deep that walking every path would take forever. */
#define FUEL 20000
#define MAX_DEPTH \
    200 /* of expressions taken apart within one another: the text of one is no deeper */

hone_ir__env hone_ir__env_of(hone_program *w, const hone_program *p, const hone_range *in,
                             unsigned n)
{
    return (hone_ir__env){.w = w, .p = p, .in = in, .n_in = n, .fuel = FUEL};
}

/* ---- ranges of atoms ------------------------------------------------------------------------- */

static void var_range(const hone_ir__env *env, uint32_t v, int64_t *lo, int64_t *hi)
{
    for (unsigned k = 0; k < env->n_in; k++)
        if (env->in[k].var.i == v) {
            *lo = env->in[k].lo;
            *hi = env->in[k].hi > *lo ? env->in[k].hi : *lo;
            return;
        }
    int64_t extent = env->p->vars.v[v].extent;
    *lo = 0;
    *hi = extent > 0 ? extent - 1 : 0;
}

static bool kept(const hone_ir__env *env, uint32_t v)
{
    for (unsigned k = 0; k < env->n_keep; k++)
        if (env->keep[k].i == v)
            return true;
    return false;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void product_range(int64_t a, int64_t b, int64_t c, int64_t d, int64_t *lo, int64_t *hi)
{
    int64_t x[4];
    *lo = LOW;
    *hi = HIGH;
    if (!hone_ir__known(a, b) || !hone_ir__known(c, d) || __builtin_mul_overflow(a, c, &x[0]) ||
        __builtin_mul_overflow(a, d, &x[1]) || __builtin_mul_overflow(b, c, &x[2]) ||
        __builtin_mul_overflow(b, d, &x[3]))
        return;
    *lo = *hi = x[0];
    for (int k = 1; k < 4; k++) {
        *lo = smaller(*lo, x[k]);
        *hi = larger(*hi, x[k]);
    }
}

/* [a, b] over [c, d] with c > 0: monotone in both, so the corners tell. */
static void quotient_range(int64_t a, int64_t b, int64_t c, int64_t d, bool is_floor, int64_t *lo,
                           int64_t *hi)
{
    if (c <= 0)
        return;
    if (a != LOW) {
        *lo = a >= 0 ? (d == HIGH ? 0 : a / d) : a / c;
        *lo -= is_floor && a < 0 && a % c != 0;
    }
    if (b != HIGH) {
        *hi = b >= 0 ? b / c : d == HIGH ? 0 : b / d;
        *hi -= is_floor && b < 0 && (d == HIGH || b % d != 0);
    }
}

/* 2^k - 1, the least that is not below v >= 0. */
static int64_t all_ones(int64_t v)
{
    return v ? (int64_t)(UINT64_MAX >> __builtin_clzll((uint64_t)v)) : 0;
}

/* Of an operation on bits of [a, b] and [c, d]. */
static void bits_range(hone_op op, int64_t a, int64_t b, int64_t c, int64_t d, int64_t *lo,
                       int64_t *hi)
{
    if (op == HONE_OP_POPCOUNT) {
        *lo = 0;
        *hi = 64;
    } else if (op == HONE_OP_SHR && c == d && c > 0 && c < 64) {
        *lo = a >= 0 ? a >> c : 0;
        *hi = a >= 0 ? b >> c : (int64_t)(UINT64_MAX >> c);
    } else if (op == HONE_OP_BITAND && (a >= 0 || c >= 0)) {
        *lo = 0;
        *hi = a < 0 ? d : c < 0 ? b : smaller(b, d);
    } else if ((op == HONE_OP_BITOR || op == HONE_OP_BITXOR) && a >= 0 && c >= 0) {
        *lo = 0;
        *hi = all_ones(larger(b, d));
    }
}

/* The range of an i64 expression that is taken as it stands, from those of its arguments. */
static void atom_range(hone_ir__env *env, hone_expr e, int64_t *lo, int64_t *hi)
{
    hone_expr_row r = *hone_expr_at(env->p, e);
    const hone_expr *args = env->p->args.v + r.args;
    int64_t a, b, c, d;
    *lo = LOW;
    *hi = HIGH;
    switch ((hone_op)r.op) {
    case HONE_OP_INT:
        *lo = *hi = r.imm.i;
        return;
    case HONE_OP_VAR:
        var_range(env, r.sym, lo, hi);
        return;
    case HONE_OP_CAST:
        /* rounding from floats and wrapping from i64 are not followed */
        if (!hone_dtype_is_float(hone_expr_dtype(env->p, args[0])))
            hone_ir__dtype_range(hone_expr_dtype(env->p, args[0]), lo, hi);
        return;
    case HONE_OP_MIN:
    case HONE_OP_MAX:
    case HONE_OP_SELECT:
        hone_ir__range(env, args[r.op == HONE_OP_SELECT ? 1 : 0], &a, &b);
        hone_ir__range(env, args[r.op == HONE_OP_SELECT ? 2 : 1], &c, &d);
        *lo = r.op == HONE_OP_MAX ? larger(a, c) : smaller(a, c);
        *hi = r.op == HONE_OP_MIN ? smaller(b, d) : larger(b, d);
        return;
    case HONE_OP_ABS:
        hone_ir__range(env, args[0], &a, &b);
        if (!hone_ir__known(a, b))
            return; /* that of the smallest number is itself */
        *lo = a > 0 ? a : b < 0 ? -b : 0;
        *hi = larger(b, -a);
        return;
    case HONE_OP_MUL:
        hone_ir__range(env, args[0], &a, &b);
        hone_ir__range(env, args[1], &c, &d);
        product_range(a, b, c, d, lo, hi);
        return;
    case HONE_OP_FLOORMOD:
        hone_ir__range(env, args[1], &c, &d);
        if (c > 0 && d != HIGH) {
            *lo = 0;
            *hi = d - 1;
        }
        return;
    case HONE_OP_FLOORDIV:
    case HONE_OP_DIV:
        hone_ir__range(env, args[0], &a, &b);
        hone_ir__range(env, args[1], &c, &d);
        quotient_range(a, b, c, d, r.op == HONE_OP_FLOORDIV, lo, hi);
        return;
    case HONE_OP_BITAND:
    case HONE_OP_BITOR:
    case HONE_OP_BITXOR:
    case HONE_OP_SHR:
    case HONE_OP_POPCOUNT:
        hone_ir__range(env, args[0], &a, &b);
        hone_ir__range(env, args[r.n_args - 1], &c, &d);
        bits_range((hone_op)r.op, a, b, c, d, lo, hi);
        return;
    default:
        return;
    }
}

void hone_ir__range(hone_ir__env *env, hone_expr e, int64_t *ret_lo, int64_t *ret_hi)
{
    /* The question is put without appending: it must not grow the program. */
    hone_program *w = env->w;
    hone_ir__sum s;
    hone_ir__sum_clear(&s);
    env->w = NULL;
    bool good = hone_ir__sum_expr(env, e, 1, &s);
    if (good && hone_ir__exact(env, &s))
        hone_ir__sum_range(env, &s, ret_lo, ret_hi);
    else if (!good && env->fuel > 0)
        atom_range(env, e, ret_lo, ret_hi);
    else
        *ret_lo = LOW, *ret_hi = HIGH;
    env->w = w;
}

bool hone_ir__sum_atom(hone_ir__env *env, hone_expr e, int64_t scale, hone_ir__sum *s)
{
    hone_ir__term t = {.root = e, .l = 1, .c = 1};
    if (!e.i)
        return false;
    hone_program *w = env->w;
    env->w = NULL;
    atom_range(env, e, &t.lo, &t.hi);
    env->w = w;
    if (t.lo == t.hi)
        return hone_ir__sum_const(s, t.lo, scale);
    return hone_ir__sum_term(s, &t, scale);
}

/* ---- expressions to sums --------------------------------------------------------------------- */

static bool sum_var(hone_ir__env *env, hone_expr e, uint32_t v, int64_t scale, hone_ir__sum *s)
{
    hone_ir__term t = {.root = e, .l = 1, .c = 1};
    var_range(env, v, &t.lo, &t.hi);
    if (t.lo == t.hi && !kept(env, v))
        return hone_ir__sum_const(s, t.lo, scale);
    return hone_ir__sum_term(s, &t, scale);
}

/* e is a * b. */
static bool sum_product(hone_ir__env *env, hone_expr e, int64_t scale, hone_ir__sum *s)
{
    hone_expr a = hone_expr_arg(env->p, e, 0), b = hone_expr_arg(env->p, e, 1);
    int64_t v;
    bool constant_b = hone_is_int(env->p, b, &v);
    if (constant_b || hone_is_int(env->p, a, &v))
        return v == 0 || (!__builtin_mul_overflow(v, scale, &v) &&
                          hone_ir__sum_expr(env, constant_b ? a : b, v, s));
    hone_ir__sum x, y;
    hone_ir__sum_clear(&x);
    hone_ir__sum_clear(&y);
    if (!hone_ir__sum_expr(env, a, 1, &x) || !hone_ir__sum_expr(env, b, 1, &y))
        return false;
    if (y.n == 0)
        return !__builtin_mul_overflow(y.base, scale, &v) && hone_ir__sum_add(s, &x, v);
    if (x.n == 0)
        return !__builtin_mul_overflow(x.base, scale, &v) && hone_ir__sum_add(s, &y, v);
    if (!env->w)
        return hone_ir__sum_atom(env, e, scale, s);
    a = hone_ir__emit(env, &x);
    b = hone_ir__emit(env, &y);
    bool in_order = hone_ir__compare(env->p, a, b) <= 0;
    e = hone_binary(env->w, HONE_OP_MUL, in_order ? a : b, in_order ? b : a);
    return hone_ir__sum_atom(env, e, scale, s);
}

/* e is a // b, a % b, or a / b. */
static bool sum_quotient(hone_ir__env *env, hone_expr e, int64_t scale, hone_ir__sum *s)
{
    hone_op op = hone_expr_op(env->p, e);
    hone_ir__sum x, y;
    hone_ir__sum_clear(&x);
    hone_ir__sum_clear(&y);
    if (!hone_ir__sum_expr(env, hone_expr_arg(env->p, e, 0), 1, &x) ||
        !hone_ir__sum_expr(env, hone_expr_arg(env->p, e, 1), 1, &y))
        return false;
    int64_t d = y.base, c, lo, hi;
    bool constant = y.n == 0 && d != 0 && d != INT64_MIN &&
                    (d > 0 ? hone_ir__exact(env, &x) : hone_ir__bounded(env, &x));
    if (constant && op == HONE_OP_DIV) { /* rounds towards zero: as // when both are positive */
        hone_ir__sum_range(env, &x, &lo, &hi);
        constant = d > 0 && lo >= 0;
    }
    if (!constant)
        return env->w ? hone_ir__sum_other(env, e, scale, s) : hone_ir__sum_atom(env, e, scale, s);
    hone_ir__sum q;
    hone_ir__sum_clear(&q);
    uint32_t nameless = env->nameless;
    if (d < 0) { /* x // d = (-x) // (-d) */
        hone_ir__sum minus;
        hone_ir__sum_clear(&minus);
        if (!hone_ir__sum_add(&minus, &x, -1) ||
            !hone_ir__divide(env, &minus, -d, 1, &q, HONE_NO_EXPR))
            return false;
    } else if (!hone_ir__divide(env, &x, d, 1, &q, op == HONE_OP_FLOORMOD ? HONE_NO_EXPR : e)) {
        return false;
    }
    if (op != HONE_OP_FLOORMOD)
        return hone_ir__sum_add(s, &q, scale);
    if (env->nameless != nameless) { /* the quotient has no name; the remainder has */
        hone_ir__term t = {.root = e, .l = 1, .c = 1, .lo = d < 0 ? d + 1 : 0};
        t.hi = d < 0 ? 0 : d - 1;
        return hone_ir__sum_term(s, &t, scale);
    }
    return !__builtin_mul_overflow(scale, -d, &c) && hone_ir__sum_add(s, &x, scale) &&
           hone_ir__sum_add(s, &q, c);
}

/* The smaller or larger of two, or one of two arms, when nothing may be appended. */
static bool sum_choice(hone_ir__env *env, hone_expr e, int64_t scale, hone_ir__sum *s)
{
    hone_op op = hone_expr_op(env->p, e);
    if (op == HONE_OP_MIN || op == HONE_OP_MAX) {
        hone_expr a = hone_expr_arg(env->p, e, 0), b = hone_expr_arg(env->p, e, 1);
        hone_ir__sum d, x;
        hone_ir__sum_clear(&d);
        hone_ir__sum_clear(&x);
        int64_t lo = LOW, hi = HIGH;
        if (hone_ir__sum_expr(env, a, 1, &d) && hone_ir__bounded(env, &d) &&
            hone_ir__sum_expr(env, b, 1, &x) && hone_ir__bounded(env, &x) &&
            hone_ir__sum_add(&d, &x, -1))
            hone_ir__sum_range(env, &d, &lo, &hi);
        if (hi <= 0)
            return hone_ir__sum_expr(env, op == HONE_OP_MIN ? a : b, scale, s);
        if (lo >= 0)
            return hone_ir__sum_expr(env, op == HONE_OP_MIN ? b : a, scale, s);
    }
    return hone_ir__sum_atom(env, e, scale, s);
}

static bool sum_node(hone_ir__env *env, hone_expr e, int64_t scale, hone_ir__sum *s)
{
    const hone_expr_row *r = hone_expr_at(env->p, e); /* until something is appended */
    hone_op op = (hone_op)r->op;
    hone_expr a, b;
    int64_t minus;
    switch (op) {
    case HONE_OP_INT:
        return hone_ir__sum_const(s, r->imm.i, scale);
    case HONE_OP_VAR:
        return sum_var(env, e, r->sym, scale, s);
    case HONE_OP_ADD:
    case HONE_OP_SUB:
        a = hone_expr_arg(env->p, e, 0);
        b = hone_expr_arg(env->p, e, 1);
        if (__builtin_mul_overflow(scale, -1, &minus) || !hone_ir__sum_expr(env, a, scale, s))
            return false;
        return hone_ir__sum_expr(env, b, op == HONE_OP_ADD ? scale : minus, s);
    case HONE_OP_MUL:
        return sum_product(env, e, scale, s);
    case HONE_OP_DIV:
    case HONE_OP_FLOORDIV:
    case HONE_OP_FLOORMOD:
        return sum_quotient(env, e, scale, s);
    case HONE_OP_NONE:
        return false;
    default:
        return env->w ? hone_ir__sum_other(env, e, scale, s) : sum_choice(env, e, scale, s);
    }
}

bool hone_ir__sum_expr(hone_ir__env *env, hone_expr e, int64_t scale, hone_ir__sum *s)
{
    if (hone_expr_dtype(env->p, e) != HONE_I64 || env->fuel-- <= 0 || env->depth == MAX_DEPTH)
        return false;
    env->depth++;
    bool ok = sum_node(env, e, scale, s);
    env->depth--;
    return ok;
}

/* ---- public ---------------------------------------------------------------------------------- */

bool hone_bounds_in(const hone_program *p, hone_expr e, const hone_range *in, unsigned n,
                    int64_t *ret_lo, int64_t *ret_hi)
{
    hone_dtype t = hone_expr_dtype(p, e);
    if (!e.i || hone_dtype_is_float(t))
        return false;
    if (t != HONE_I64) { /* values, which may wrap: not followed */
        hone_ir__dtype_range(t, ret_lo, ret_hi);
        if (hone_is_int(p, e, ret_lo))
            *ret_hi = *ret_lo;
        return true;
    }
    hone_ir__env env = hone_ir__env_of(NULL, p, in, n);
    int64_t lo, hi;
    hone_ir__range(&env, e, &lo, &hi);
    if (!hone_ir__known(lo, hi))
        return false;
    *ret_lo = lo;
    *ret_hi = hi;
    return true;
}

bool hone_bounds(const hone_program *p, hone_expr e, int64_t *ret_lo, int64_t *ret_hi)
{
    return hone_bounds_in(p, e, NULL, 0, ret_lo, ret_hi);
}

bool hone_as_negative(hone_program *p, hone_expr cond, hone_expr *ret)
{
    hone_op op = hone_expr_op(p, cond);
    if (op != HONE_OP_LT && op != HONE_OP_LE)
        return false;
    hone_expr a = hone_expr_arg(p, cond, 0), b = hone_expr_arg(p, cond, 1);
    if (hone_expr_dtype(p, a) != HONE_I64)
        return false;
    hone_expr e = hone_binary(p, HONE_OP_SUB, a, b);
    if (op == HONE_OP_LE)
        e = hone_binary(p, HONE_OP_SUB, e, hone_int(p, 1));
    *ret = hone_simplify(p, e);
    return true;
}

bool hone_linear(hone_program *p, hone_expr e, const hone_var *vars, unsigned n, int64_t *ret_coeff,
                 hone_expr *ret_rest)
{
    hone_ir__env env = hone_ir__env_of(p, p, NULL, 0);
    env.keep = vars;
    env.n_keep = n;
    hone_ir__sum s, rest;
    hone_ir__sum_clear(&s);
    hone_ir__sum_clear(&rest);
    if (!hone_ir__sum_expr(&env, e, 1, &s))
        return false;
    for (unsigned k = 0; k < n; k++)
        ret_coeff[k] = 0;
    rest.base = s.base;
    for (int j = 0; j < s.n; j++) {
        const hone_ir__term *t = &s.t[j];
        const hone_expr_row *r = hone_expr_at(p, t->root);
        unsigned k = 0;
        if (r->op == HONE_OP_VAR) {
            while (k < n && vars[k].i != r->sym)
                k++;
            if (k < n && t->l != 1)
                return false;
        } else {
            for (; k < n; k++)
                if (hone_uses_var(p, t->root, vars[k]))
                    return false;
        }
        if (k < n)
            ret_coeff[k] = t->c;
        else
            rest.t[rest.n++] = *t;
    }
    *ret_rest = hone_ir__emit(&env, &rest);
    return ret_rest->i != 0;
}
