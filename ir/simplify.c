/* The canonical form of every kind of expression.
 *
 * Reader's map
 *   atoms         what is not a sum: min and max, select, casts, loads
 *   comparisons   `sum < 0` tightened and written as `sum < constant` or `constant < sum`
 *   conditions    not; chains of and, or
 *   public        hone_simplify, hone_prove */
#include "ir/affine_sum.h"

#define LOW HONE_IR__LOW
#define HIGH HONE_IR__HIGH

/* The node with its arguments simplified. */
static hone_expr rebuilt(hone_ir__env *env, hone_expr e)
{
    hone_expr args[HONE_IR__MAX_ARGS];
    unsigned n = hone_expr_at(env->p, e)->n_args;
    for (unsigned k = 0; k < n; k++)
        args[k] = hone_ir__simplify(env, hone_expr_arg(env->p, e, k));
    return n ? hone_rebuild(env->w, e, args) : e;
}

/* ---- atoms ----------------------------------------------------------------------------------- */

/* Moves what both sums have in common into a third. */
static bool take_common(hone_ir__sum *a, hone_ir__sum *b, hone_ir__sum *common)
{
    hone_ir__sum_clear(common);
    for (int k = a->n - 1; k >= 0; k--) {
        hone_ir__term t = a->t[k];
        for (int j = 0; j < b->n; j++)
            if (HONE_SAME(b->t[j].root, t.root) && b->t[j].l == t.l && b->t[j].c == t.c) {
                b->t[j] = b->t[--b->n];
                a->t[k] = a->t[--a->n];
                common->t[common->n++] = t;
                break;
            }
    }
    common->base = a->base < b->base ? a->base : b->base;
    return !__builtin_sub_overflow(a->base, common->base, &a->base) &&
           !__builtin_sub_overflow(b->base, common->base, &b->base);
}

/* op(x, c) with x itself op(y, c2): op(y, op(c, c2)). None: it is not so. */
static hone_expr merge_clamp(hone_program *w, hone_op op, hone_expr x, hone_expr c)
{
    int64_t v;
    if (!hone_is_int(w, c, &v) || hone_expr_op(w, x) != op ||
        !hone_is_int(w, hone_expr_arg(w, x, 1), &v))
        return HONE_NO_EXPR;
    hone_expr both = hone_binary(w, op, hone_expr_arg(w, x, 1), c);
    return hone_binary(w, op, hone_expr_arg(w, x, 0), both);
}

static bool sum_atom_of(hone_ir__env *env, hone_expr e, int64_t scale, hone_ir__sum *s)
{
    e = rebuilt(env, e);
    return e.i && hone_ir__sum_atom(env, e, scale, s);
}

static bool sum_minmax(hone_ir__env *env, hone_expr e, int64_t scale, hone_ir__sum *s)
{
    hone_op op = hone_expr_op(env->p, e);
    hone_ir__sum a, b, x;
    hone_ir__sum_clear(&a);
    hone_ir__sum_clear(&b);
    hone_ir__sum_clear(&x);
    if (!hone_ir__sum_expr(env, hone_expr_arg(env->p, e, 0), 1, &a) ||
        !hone_ir__sum_expr(env, hone_expr_arg(env->p, e, 1), 1, &b))
        return false;
    if (!hone_ir__bounded(env, &a) || !hone_ir__bounded(env, &b))
        return sum_atom_of(env, e, scale, s);
    if (!hone_ir__sum_add(&x, &a, 1) || !hone_ir__sum_add(&x, &b, -1))
        return false;
    int64_t lo, hi;
    hone_ir__sum_range(env, &x, &lo, &hi);
    if (hi <= 0)
        return hone_ir__sum_add(s, op == HONE_OP_MIN ? &a : &b, scale);
    if (lo >= 0)
        return hone_ir__sum_add(s, op == HONE_OP_MIN ? &b : &a, scale);
    if (!take_common(&a, &b, &x) || !hone_ir__sum_add(s, &x, scale))
        return false;
    hone_program *w = env->w;
    hone_expr l = hone_ir__emit(env, &a), r = hone_ir__emit(env, &b);
    if (!l.i || !r.i)
        return false;
    if (a.n == 0 || (b.n != 0 && hone_ir__compare(w, l, r) > 0)) { /* constants stand last */
        hone_expr swap = l;
        l = r;
        r = swap;
    }
    hone_expr merged = merge_clamp(w, op, l, r);
    if (merged.i)
        return hone_ir__sum_expr(env, merged, scale, s);
    return hone_ir__sum_atom(env, hone_binary(w, op, l, r), scale, s);
}

bool hone_ir__sum_other(hone_ir__env *env, hone_expr e, int64_t scale, hone_ir__sum *s)
{
    hone_op op = hone_expr_op(env->p, e);
    int64_t lo, hi;
    if (op == HONE_OP_MIN || op == HONE_OP_MAX)
        return sum_minmax(env, e, scale, s);
    e = rebuilt(env, e);
    if (!e.i)
        return false;
    if (hone_expr_op(env->p, e) != op) /* folded away */
        return hone_ir__sum_expr(env, e, scale, s);
    if (op == HONE_OP_SELECT && HONE_SAME(hone_expr_arg(env->p, e, 1), hone_expr_arg(env->p, e, 2)))
        return hone_ir__sum_expr(env, hone_expr_arg(env->p, e, 1), scale, s);
    if (op == HONE_OP_ABS) {
        hone_expr a = hone_expr_arg(env->p, e, 0);
        hone_ir__range(env, a, &lo, &hi);
        if (lo >= 0)
            return hone_ir__sum_expr(env, a, scale, s);
        if (hi <= 0)
            return !__builtin_mul_overflow(scale, -1, &scale) &&
                   hone_ir__sum_expr(env, a, scale, s);
    }
    return hone_ir__sum_atom(env, e, scale, s);
}

/* ---- comparisons ----------------------------------------------------------------------------- */

/* The digits say: their sum + base < 0. Splitting them into g*a + b, with c = -1 - base, that is
 * a <= floor((c - b) / g); when this is one number for every b in its range, b is of no matter and
 * the digits become a's. */
static bool tighten_by(hone_ir__sum *digits, int64_t g)
{
    hone_ir__sum b;
    int64_t c, x, y, lo, hi;
    hone_ir__sum_clear(&b);
    for (int k = 0; k < digits->n; k++)
        if (digits->t[k].c % g)
            b.t[b.n++] = digits->t[k];
    hone_ir__digits_range(&b, &lo, &hi);
    if (!hone_ir__known(lo, hi) || __builtin_sub_overflow(-1, digits->base, &c) ||
        __builtin_sub_overflow(c, lo, &x) || __builtin_sub_overflow(c, hi, &y) ||
        hone_floor_div(x, g) != hone_floor_div(y, g))
        return false;
    int n = 0;
    for (int k = 0; k < digits->n; k++)
        if (digits->t[k].c % g == 0) {
            digits->t[n] = digits->t[k];
            digits->t[n++].c /= g;
        }
    digits->n = n;
    digits->base = -1 - hone_floor_div(x, g);
    return true;
}

/* Tries the common divisor (then there is no b), then the coefficients, largest first. */
static bool tighten(hone_ir__sum *digits)
{
    int64_t g = 0, below = INT64_MAX;
    for (int k = 0; k < digits->n; k++)
        g = hone_gcd(g, digits->t[k].c);
    if (g > 1)
        return tighten_by(digits, g);
    for (;;) {
        g = 1;
        for (int k = 0; k < digits->n; k++) {
            int64_t c = digits->t[k].c < 0 ? -digits->t[k].c : digits->t[k].c;
            g = c < below && c > g ? c : g;
        }
        if (g == 1)
            return false;
        if (tighten_by(digits, g))
            return true;
        below = g;
    }
}

static bool quotients_of(hone_ir__env *env, const hone_ir__sum *digits, hone_ir__sum *ret)
{
    hone_ir__sum_clear(ret);
    ret->base = digits->base;
    for (int k = 0; k < digits->n; k++)
        if (!hone_ir__sum_digit(env, ret, &digits->t[k], 1))
            return false;
    return true;
}

/* Writes `terms + base op 0` with the constant on its own side and the first term positive. */
static hone_expr write_comparison(hone_ir__env *env, hone_op op, const hone_ir__sum *digits,
                                  const hone_ir__sum *s)
{
    hone_ir__sum x;
    int64_t c;
    bool negative = digits->t[0].c < 0;
    hone_ir__sum_clear(&x);
    if (!hone_ir__sum_add(&x, s, negative ? -1 : 1) || __builtin_sub_overflow(0, x.base, &c))
        return HONE_NO_EXPR;
    x.base = 0;
    hone_expr l = hone_ir__emit(env, &x);
    if (!l.i)
        return l;
    hone_expr r = hone_int(env->w, c);
    return op == HONE_OP_LT && negative ? hone_binary(env->w, op, r, l)
                                        : hone_binary(env->w, op, l, r);
}

/* s < 0, s == 0 or s != 0. None: it could not be analysed. */
static hone_expr compare_zero(hone_ir__env *env, hone_op op, hone_ir__sum *s)
{
    hone_ir__sum d;
    int64_t lo, hi;
    for (;;) {
        hone_ir__sum_range(env, s, &lo, &hi);
        if (op == HONE_OP_LT && (hi < 0 || lo >= 0))
            return hone_bool(env->w, hi < 0);
        if (op != HONE_OP_LT && (lo > 0 || hi < 0))
            return hone_bool(env->w, op == HONE_OP_NE);
        if (op != HONE_OP_LT && lo == 0 && hi == 0)
            return hone_bool(env->w, op == HONE_OP_EQ);
        if (env->fuel-- <= 0 || !hone_ir__digits(env, s, &d) || d.n == 0)
            return HONE_NO_EXPR;
        if (op != HONE_OP_LT || !tighten(&d))
            break;
        if (!quotients_of(env, &d, s))
            return HONE_NO_EXPR;
    }
    if (op != HONE_OP_LT) {
        int64_t g = 0;
        for (int k = 0; k < s->n; k++)
            g = hone_gcd(g, s->t[k].c);
        if (s->base % g)
            return hone_bool(env->w, op == HONE_OP_NE);
        for (int k = 0; k < s->n; k++)
            s->t[k].c /= g;
        s->base /= g;
    }
    return write_comparison(env, op, &d, s);
}

/* a op b as a sum compared with 0 by <, == or !=. False: not integers, not analysable, or may wrap
 * around. */
static bool difference(hone_ir__env *env, hone_expr e, hone_op *op, hone_ir__sum *s)
{
    hone_expr a = hone_expr_arg(env->p, e, 0), b = hone_expr_arg(env->p, e, 1);
    hone_ir__sum x;
    *op = hone_expr_op(env->p, e);
    hone_ir__sum_clear(s);
    hone_ir__sum_clear(&x);
    if (hone_expr_dtype(env->p, a) != HONE_I64 || !hone_ir__sum_expr(env, a, 1, s) ||
        !hone_ir__exact(env, s) || !hone_ir__sum_expr(env, b, 1, &x) || !hone_ir__exact(env, &x))
        return false;
    bool one_side = s->n == 0 || x.n == 0; /* nothing but the constant changes sides */
    if (!hone_ir__sum_add(s, &x, -1) || !(one_side || hone_ir__bounded(env, s)))
        return false;
    if (*op != HONE_OP_LE)
        return true;
    *op = HONE_OP_LT;
    return hone_ir__sum_const(s, -1, 1);
}

static hone_expr comparison(hone_ir__env *env, hone_expr e)
{
    hone_ir__sum s;
    hone_op op;
    if (difference(env, e, &op, &s)) {
        hone_expr c = compare_zero(env, op, &s);
        if (c.i)
            return c;
    }
    return rebuilt(env, e);
}

/* ---- conditions ------------------------------------------------------------------------------ */

static hone_expr negation(hone_ir__env *env, hone_expr e)
{
    hone_program *w = env->w;
    hone_expr x = hone_ir__simplify(env, hone_expr_arg(env->p, e, 0));
    if (!x.i)
        return x;
    hone_op op = hone_expr_op(w, x);
    if (op == HONE_OP_NOT)
        return hone_expr_arg(w, x, 0);
    if (op == HONE_OP_EQ || op == HONE_OP_NE)
        return hone_binary(w, op == HONE_OP_EQ ? HONE_OP_NE : HONE_OP_EQ, hone_expr_arg(w, x, 0),
                           hone_expr_arg(w, x, 1));
    /* not for floats: a NaN is on neither side */
    if ((op == HONE_OP_LT || op == HONE_OP_LE) &&
        !hone_dtype_is_float(hone_expr_dtype(w, hone_expr_arg(w, x, 0)))) {
        x = hone_binary(w, op == HONE_OP_LT ? HONE_OP_LE : HONE_OP_LT, hone_expr_arg(w, x, 1),
                        hone_expr_arg(w, x, 0));
        return hone_ir__simplify(env, x);
    }
    return hone_unary(w, HONE_OP_NOT, x);
}

#define MAX_CHAIN 32

typedef struct {
    hone_op op; /* AND or OR */
    hone_expr v[MAX_CHAIN];
    unsigned n;
    bool decided; /* false for AND, true for OR, whatever the rest is */
} chain;

/* Is e `s < c` (ret_upper) or `c < s`? */
static bool is_limit(const hone_program *p, hone_expr e, hone_expr *ret_s, int64_t *ret_c,
                     bool *ret_upper)
{
    if (hone_expr_op(p, e) != HONE_OP_LT)
        return false;
    *ret_s = hone_expr_arg(p, e, 0);
    *ret_upper = hone_is_int(p, hone_expr_arg(p, e, 1), ret_c);
    if (*ret_upper)
        return true;
    *ret_s = hone_expr_arg(p, e, 1);
    return hone_is_int(p, hone_expr_arg(p, e, 0), ret_c);
}

/* Adds a simplified operand, leaving one limit of each kind for one sum. */
static bool chain_add(hone_program *w, chain *ch, hone_expr x)
{
    hone_expr s, s2;
    int64_t c, c2;
    bool upper, upper2, is_and = ch->op == HONE_OP_AND;
    if (hone_is_int(w, x, &c)) {
        ch->decided |= (c != 0) != is_and;
        return true;
    }
    bool limit = is_limit(w, x, &s, &c, &upper);
    for (unsigned k = 0; k < ch->n; k++) {
        if (HONE_SAME(ch->v[k], x))
            return true;
        if (!limit || !is_limit(w, ch->v[k], &s2, &c2, &upper2) || !HONE_SAME(s, s2))
            continue;
        if (upper == upper2) { /* and keeps the narrower, or the wider */
            if ((upper == is_and) == (c < c2))
                ch->v[k] = x;
            return true;
        }
        int64_t over = upper ? c2 : c, under = upper ? c : c2; /* over < s, s < under */
        bool none_between = over >= under || over + 1 == under;
        ch->decided |= is_and ? none_between : over < under;
    }
    if (ch->n == MAX_CHAIN)
        return false;
    ch->v[ch->n++] = x;
    return true;
}

static bool chain_of(hone_ir__env *env, chain *ch, hone_expr e, bool simplified)
{
    if (hone_expr_op(env->p, e) == ch->op) {
        hone_expr a = hone_expr_arg(env->p, e, 0), b = hone_expr_arg(env->p, e, 1);
        if (env->fuel-- <= 0)
            return false;
        return chain_of(env, ch, a, simplified) && chain_of(env, ch, b, simplified);
    }
    if (simplified)
        return chain_add(env->w, ch, e);
    e = hone_ir__simplify(env, e);
    return e.i && chain_of(env, ch, e, true);
}

static hone_expr connective(hone_ir__env *env, hone_expr e)
{
    chain ch = {.op = hone_expr_op(env->p, e)};
    if (!chain_of(env, &ch, e, false))
        return rebuilt(env, e);
    if (ch.decided || ch.n == 0)
        return hone_bool(env->w, ch.decided ? ch.op == HONE_OP_OR : ch.op == HONE_OP_AND);
    hone_expr out = ch.v[0];
    for (unsigned k = 1; k < ch.n; k++)
        out = hone_binary(env->w, ch.op, out, ch.v[k]);
    return out;
}

static hone_expr choice(hone_ir__env *env, hone_expr e)
{
    hone_expr c = hone_ir__simplify(env, hone_expr_arg(env->p, e, 0));
    int64_t v;
    if (c.i && hone_is_int(env->p, c, &v))
        return hone_ir__simplify(env, hone_expr_arg(env->p, e, v ? 1 : 2));
    hone_expr a = hone_ir__simplify(env, hone_expr_arg(env->p, e, 1));
    hone_expr b = hone_ir__simplify(env, hone_expr_arg(env->p, e, 2));
    return HONE_SAME(a, b) ? a : hone_select(env->w, c, a, b);
}

/* ---- everything ------------------------------------------------------------------------------ */

/* None: it could not be analysed. Not inlined: its frame must be gone when `rebuilt` goes on. */
__attribute__((noinline)) static hone_expr as_sum(hone_ir__env *env, hone_expr e)
{
    hone_ir__sum s;
    hone_ir__sum_clear(&s);
    return hone_ir__sum_expr(env, e, 1, &s) ? hone_ir__emit(env, &s) : HONE_NO_EXPR;
}

static hone_expr integer(hone_ir__env *env, hone_expr e)
{
    hone_expr out = as_sum(env, e);
    return out.i ? out : rebuilt(env, e);
}

hone_expr hone_ir__simplify(hone_ir__env *env, hone_expr e)
{
    const hone_expr_row *r = hone_expr_at(env->p, e);
    hone_op op = (hone_op)r->op;
    if (op == HONE_OP_NONE || op == HONE_OP_INT || op == HONE_OP_FLOAT || env->fuel <= 0)
        return e;
    hone_expr out;
    if (env->memo && hone_memo_find(env->memo, e.i, &out.i))
        return out;
    env->fuel--;
    if (r->dtype == HONE_I64)
        out = integer(env, e);
    else if (op == HONE_OP_EQ || op == HONE_OP_NE || op == HONE_OP_LT || op == HONE_OP_LE)
        out = comparison(env, e);
    else if (op == HONE_OP_AND || op == HONE_OP_OR)
        out = connective(env, e);
    else if (op == HONE_OP_NOT)
        out = negation(env, e);
    else if (op == HONE_OP_SELECT)
        out = choice(env, e);
    else
        out = rebuilt(env, e);
    if (env->memo)
        hone_memo_add(env->memo, e.i, out.i);
    return out;
}

hone_expr hone_simplify_in(hone_program *p, hone_expr e, const hone_range *in, unsigned n)
{
    const hone_expr_row *r = hone_expr_at(p, e);
    if (r->op == HONE_OP_VAR && n == 0 && p->vars.v[r->sym].extent > 1)
        return e; /* a quarter of all calls */
    hone_ir__env env = hone_ir__env_of(p, p, in, n);
    if (r->dtype == HONE_I64 && !hone_has_load(p, e))
        return hone_ir__simplify(&env, e); /* an index, which is small */
    hone_memo memo;
    memo.n = memo.mask = 0;
    env.memo = &memo;
    e = hone_ir__simplify(&env, e);
    hone_memo_free(&memo);
    return e;
}

hone_expr hone_simplify(hone_program *p, hone_expr e)
{
    return hone_simplify_in(p, e, NULL, 0);
}

/* s < 0 for all values. A min, max or select in it is looked into: one arm is enough where the
 * smaller (for a negative multiple: the larger) of the two is meant. */
static bool prove_negative(hone_ir__env *env, const hone_ir__sum *s, int depth)
{
    int64_t lo, hi;
    hone_ir__sum_range(env, s, &lo, &hi);
    if (hi < 0 || depth == 0)
        return hi < 0;
    for (int k = 0; k < s->n; k++) {
        const hone_ir__term *t = &s->t[k];
        hone_op op = t->l == 1 ? hone_expr_op(env->p, t->root) : HONE_OP_NONE;
        if (op != HONE_OP_MIN && op != HONE_OP_MAX && op != HONE_OP_SELECT)
            continue;
        unsigned first = op == HONE_OP_SELECT;
        bool either = op == HONE_OP_MIN ? t->c > 0 : op == HONE_OP_MAX && t->c < 0;
        bool held[2] = {false, false};
        for (unsigned arm = 0; arm < 2; arm++) {
            hone_ir__sum x;
            hone_ir__sum_clear(&x);
            held[arm] =
                hone_ir__sum_add(&x, s, 1) && hone_ir__sum_term(&x, t, -1) &&
                hone_ir__sum_expr(env, hone_expr_arg(env->p, t->root, first + arm), t->c, &x) &&
                prove_negative(env, &x, depth - 1);
            if (held[arm] == either)
                return either;
        }
        return !either;
    }
    return false;
}

static bool prove(hone_ir__env *env, hone_expr e)
{
    hone_op op = hone_expr_op(env->p, e);
    hone_ir__sum s;
    int64_t v;
    if (hone_is_int(env->p, e, &v))
        return v != 0;
    if (env->fuel-- <= 0)
        return false;
    if (op == HONE_OP_AND || op == HONE_OP_OR) {
        bool a = prove(env, hone_expr_arg(env->p, e, 0));
        if (a == (op == HONE_OP_OR))
            return a;
        if (prove(env, hone_expr_arg(env->p, e, 1)))
            return true;
        if (op == HONE_OP_AND)
            return false;
    }
    if ((op == HONE_OP_LT || op == HONE_OP_LE) && difference(env, e, &op, &s))
        return prove_negative(env, &s, 4);
    e = hone_ir__simplify(env, e);
    return hone_is_int(env->p, e, &v) && v != 0;
}

bool hone_prove(hone_program *p, hone_expr cond)
{
    hone_ir__env env = hone_ir__env_of(p, p, NULL, 0);
    return prove(&env, cond);
}
