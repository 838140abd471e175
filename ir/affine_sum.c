/* Sums of quotients (ir/affine_sum.h says what they are).
 *
 * Reader's map
 *   order, ranges   hone_ir__compare; saturating range arithmetic
 *   building        adding constants, terms, sums
 *   digits          quotient form -> digit form, including roots that are themselves sums
 *   division        hone_ir__divide: the one place where // is understood
 *   emission        digit form -> expression */
#include "ir/affine_sum.h"

#define LOW HONE_IR__LOW
#define HIGH HONE_IR__HIGH

/* ---- order, ranges --------------------------------------------------------------------------- */

int hone_ir__compare(const hone_program *p, hone_expr a, hone_expr b)
{
    if (HONE_SAME(a, b))
        return 0;
    if (a.i >= p->exprs.n || b.i >= p->exprs.n) /* nameless */
        return a.i < b.i ? -1 : 1;
    const hone_expr_row *x = hone_expr_at(p, a), *y = hone_expr_at(p, b);
    if (x->op != y->op) {
        if (x->op == HONE_OP_VAR || y->op == HONE_OP_VAR)
            return x->op == HONE_OP_VAR ? -1 : 1;
        return x->op < y->op ? -1 : 1;
    }
    if (x->sym != y->sym)
        return x->sym < y->sym ? -1 : 1;
    if (x->dtype != y->dtype)
        return x->dtype < y->dtype ? -1 : 1;
    if (x->imm.i != y->imm.i)
        return x->imm.i < y->imm.i ? -1 : 1;
    for (unsigned k = 0; k < x->n_args && k < y->n_args; k++) {
        int c = hone_ir__compare(p, p->args.v[x->args + k], p->args.v[y->args + k]);
        if (c)
            return c;
    }
    return x->n_args < y->n_args ? -1 : 1;
}

static int64_t end_div(int64_t end, int64_t d)
{
    return d == 1 || end == LOW || end == HIGH ? end : hone_floor_div(end, d);
}

/* [*lo, *hi] += c * [a, b] */
static void range_add(int64_t *lo, int64_t *hi, int64_t a, int64_t b, int64_t c)
{
    int64_t x;
    if (c < 0) {
        int64_t swap = a == LOW ? HIGH : a;
        a = b == HIGH ? LOW : b;
        b = swap;
    }
    if (*lo == LOW || a == LOW || __builtin_mul_overflow(a, c, &x) ||
        __builtin_add_overflow(*lo, x, lo))
        *lo = LOW;
    if (*hi == HIGH || b == HIGH || __builtin_mul_overflow(b, c, &x) ||
        __builtin_add_overflow(*hi, x, hi))
        *hi = HIGH;
}

static void digit_range(const hone_ir__term *t, int64_t *lo, int64_t *hi)
{
    int64_t a = end_div(t->lo, t->l), b = end_div(t->hi, t->l);
    if (t->m) {
        if (hone_ir__known(a, b) && hone_floor_div(a, t->m) == hone_floor_div(b, t->m)) {
            a = hone_floor_mod(a, t->m);
            b = hone_floor_mod(b, t->m);
        } else {
            a = 0;
            b = t->m - 1;
        }
    }
    *lo = a;
    *hi = b;
}

void hone_ir__digits_range(const hone_ir__sum *s, int64_t *ret_lo, int64_t *ret_hi)
{
    *ret_lo = *ret_hi = s->base;
    for (int k = 0; k < s->n; k++) {
        int64_t a, b;
        digit_range(&s->t[k], &a, &b);
        range_add(ret_lo, ret_hi, a, b, s->t[k].c);
    }
}

static bool plain(const hone_ir__sum *s)
{
    for (int k = 0; k < s->n; k++)
        if (s->t[k].l != 1)
            return false;
    return true;
}

static void copy(hone_ir__sum *dst, const hone_ir__sum *src)
{
    dst->n = src->n;
    dst->base = src->base;
    memcpy(dst->t, src->t, (size_t)src->n * sizeof src->t[0]);
}

void hone_ir__sum_range(hone_ir__env *env, const hone_ir__sum *s, int64_t *ret_lo, int64_t *ret_hi)
{
    hone_ir__digits_range(s, ret_lo, ret_hi);
    if (plain(s))
        return;
    /* Either form can be the tighter one. */
    hone_ir__sum d;
    if (!hone_ir__digits(env, s, &d))
        return;
    int64_t lo, hi;
    hone_ir__digits_range(&d, &lo, &hi);
    *ret_lo = lo > *ret_lo ? lo : *ret_lo;
    *ret_hi = hi < *ret_hi ? hi : *ret_hi;
}

bool hone_ir__bounded(hone_ir__env *env, const hone_ir__sum *s)
{
    int64_t lo, hi;
    hone_ir__digits_range(s, &lo, &hi);
    if (!hone_ir__known(lo, hi) && s->n > 1) /* x - x // 8 * 8 */
        hone_ir__sum_range(env, s, &lo, &hi);
    return hone_ir__known(lo, hi);
}

bool hone_ir__exact(hone_ir__env *env, const hone_ir__sum *s)
{
    return (s->n == 1 && s->t[0].c == 1 && s->base == 0) || hone_ir__bounded(env, s);
}

/* ---- building -------------------------------------------------------------------------------- */

bool hone_ir__sum_const(hone_ir__sum *s, int64_t v, int64_t scale)
{
    return !__builtin_mul_overflow(v, scale, &v) && !__builtin_add_overflow(s->base, v, &s->base);
}

bool hone_ir__sum_term(hone_ir__sum *s, const hone_ir__term *t, int64_t scale)
{
    int64_t c;
    if (__builtin_mul_overflow(t->c, scale, &c))
        return false;
    for (int k = 0; k < s->n; k++) {
        hone_ir__term *x = &s->t[k];
        if (!HONE_SAME(x->root, t->root) || x->l != t->l || x->m != t->m)
            continue;
        if (__builtin_add_overflow(x->c, c, &x->c) || x->c == INT64_MIN)
            return false;
        if (x->c == 0)
            *x = s->t[--s->n];
        return true;
    }
    if (c == 0)
        return true;
    if (s->n == HONE_IR__MAX_TERMS || c == INT64_MIN)
        return false;
    s->t[s->n] = *t;
    s->t[s->n++].c = c;
    return true;
}

bool hone_ir__sum_add(hone_ir__sum *s, const hone_ir__sum *x, int64_t scale)
{
    for (int k = 0; k < x->n; k++)
        if (!hone_ir__sum_term(s, &x->t[k], scale))
            return false;
    return hone_ir__sum_const(s, x->base, scale);
}

/* s += scale * (root // l) for a new quotient of the term's root. */
static bool add_quotient(hone_ir__env *env, hone_ir__sum *s, const hone_ir__term *of, int64_t l,
                         int64_t scale)
{
    if (of->compound) {
        hone_ir__sum x;
        hone_ir__sum_clear(&x);
        if (!hone_ir__sum_expr(env, of->root, 1, &x))
            return false;
        return hone_ir__divide(env, &x, l, scale, s, HONE_NO_EXPR);
    }
    if (l > 1 && hone_ir__known(of->lo, of->hi) &&
        hone_floor_div(of->lo, l) == hone_floor_div(of->hi, l))
        return hone_ir__sum_const(s, hone_floor_div(of->lo, l), scale);
    hone_ir__term t = *of;
    t.l = l;
    t.m = 0;
    t.c = 1;
    return hone_ir__sum_term(s, &t, scale);
}

bool hone_ir__sum_digit(hone_ir__env *env, hone_ir__sum *s, const hone_ir__term *digit,
                        int64_t scale)
{
    hone_ir__term t = *digit;
    t.m = 0;
    if (t.compound && t.l == 1) {
        int64_t c;
        if (__builtin_mul_overflow(t.c, scale, &c) || !add_quotient(env, s, &t, 1, c))
            return false;
    } else if (!hone_ir__sum_term(s, &t, scale)) {
        return false;
    }
    if (!digit->m)
        return true;
    return !__builtin_mul_overflow(t.l, digit->m, &t.l) &&
           !__builtin_mul_overflow(t.c, -digit->m, &t.c) && hone_ir__sum_term(s, &t, scale);
}

/* ---- digits ---------------------------------------------------------------------------------- */

/* Insertion sort: the order of roots, then low quotients first. */
static void sort_terms(const hone_program *p, hone_ir__sum *s)
{
    for (int k = 1; k < s->n; k++) {
        hone_ir__term t = s->t[k];
        int j = k;
        for (; j > 0; j--) {
            const hone_ir__term *x = &s->t[j - 1];
            int c = hone_ir__compare(p, x->root, t.root);
            if (c < 0 || (c == 0 && x->l < t.l))
                break;
            s->t[j] = *x;
        }
        s->t[j] = t;
    }
}

/* Turns sorted quotients into digits: each is cut at the next multiple of its divisor that the same
 * root is also divided by, and what it counts beyond is carried there. `opposite`: only to a
 * quotient of the other sign. */
static bool carry(hone_ir__sum *s, bool opposite)
{
    int out = 0;
    for (int k = 0; k < s->n; k++) {
        hone_ir__term t = s->t[k];
        if (t.c == 0)
            continue;
        for (int j = k + 1; j < s->n && HONE_SAME(s->t[j].root, t.root); j++) {
            int64_t over;
            if (s->t[j].l % t.l)
                continue;
            if (opposite && (t.c < 0) == (s->t[j].c < 0))
                break;
            t.m = s->t[j].l / t.l;
            if (__builtin_mul_overflow(t.c, t.m, &over) ||
                __builtin_add_overflow(s->t[j].c, over, &s->t[j].c) || s->t[j].c == INT64_MIN)
                return false;
            break;
        }
        s->t[out++] = t;
    }
    s->n = out;
    return true;
}

static int count_digits(const hone_program *p, const hone_ir__sum *s)
{
    hone_ir__sum d;
    copy(&d, s);
    sort_terms(p, &d);
    return carry(&d, false) ? d.n : INT32_MAX;
}

/* try = s with c times the compound root `of` (which equals x) gathered into one term. */
static bool gather_by(const hone_ir__sum *s, const hone_ir__term *of, const hone_ir__sum *x,
                      int64_t c, hone_ir__sum *try)
{
    copy(try, s);
    hone_ir__term t = *of;
    t.l = 1;
    t.c = 1;
    return c != 0 && hone_ir__sum_add(try, x, -c) && hone_ir__sum_term(try, &t, c);
}

/* i + j - 4 * ((i + j) // 4): the terms of a compound root lie spread over the sum. Gathers them
 * where that leaves fewer digits, so that (i + j) % 4 is seen; what saves most goes first, as
 * roots may contain each other. s is sorted, and is again after. */
static bool gather(hone_ir__env *env, hone_ir__sum *s)
{
    hone_ir__sum x, try, best;
    int fewest = count_digits(env->p, s);
    for (bool again = true; again;) {
        again = false;
        for (int k = 0; k < s->n; k++) {
            hone_ir__term of = s->t[k];
            if (!of.compound || (k > 0 && HONE_SAME(s->t[k - 1].root, of.root)))
                continue; /* not the lowest quotient of a compound root */
            hone_ir__sum_clear(&x);
            if (of.l == 1 || !hone_ir__sum_expr(env, of.root, 1, &x))
                continue;
            for (int j = -1; j < x.n; j++) {
                int64_t c = 0;
                if (j < 0)
                    c = of.c % of.l == 0 ? -of.c / of.l : 0;
                for (int i = 0; j >= 0 && i < s->n; i++)
                    if (HONE_SAME(s->t[i].root, x.t[j].root) && s->t[i].l == x.t[j].l)
                        c = s->t[i].c % x.t[j].c == 0 ? s->t[i].c / x.t[j].c : 0;
                if (!gather_by(s, &of, &x, c, &try))
                    continue;
                int n = count_digits(env->p, &try);
                if (n < fewest) {
                    fewest = n;
                    copy(&best, &try);
                    again = true;
                }
            }
        }
        if (again) {
            copy(s, &best);
            sort_terms(env->p, s);
        }
    }
    return true;
}

/* High digits of a root before low ones, as people write them. */
static void high_first(hone_ir__sum *s)
{
    for (int k = 0; k < s->n;) {
        int end = k + 1;
        while (end < s->n && HONE_SAME(s->t[end].root, s->t[k].root))
            end++;
        for (int a = k, b = end - 1; a < b; a++, b--) {
            hone_ir__term t = s->t[a];
            s->t[a] = s->t[b];
            s->t[b] = t;
        }
        k = end;
    }
}

bool hone_ir__digits(hone_ir__env *env, const hone_ir__sum *s, hone_ir__sum *ret)
{
    copy(ret, s);
    sort_terms(env->p, ret);
    if (plain(ret))
        return true;
    for (int k = 0; k < ret->n; k++)
        if (ret->t[k].compound) {
            if (!gather(env, ret))
                return false;
            break;
        }
    if (!carry(ret, false))
        return false;
    high_first(ret);
    return true;
}

/* ---- division -------------------------------------------------------------------------------- */

/* floor((r + base) / d) when the range of r + base decides it. */
static bool one_quotient(const hone_ir__sum *r, int64_t d, int64_t *ret)
{
    int64_t lo, hi;
    hone_ir__digits_range(r, &lo, &hi);
    if (!hone_ir__known(lo, hi) || hone_floor_div(lo, d) != hone_floor_div(hi, d))
        return false;
    *ret = hone_floor_div(lo, d);
    return true;
}

/* r = g*a + b where 0 <= b - t*g < g for one t: then floor(r / d) = floor((a + t) / (d / g)) for
 * every g that divides d. Takes the largest such g; r becomes a + t. */
static bool drop_low_part(hone_ir__sum *r, int64_t *d)
{
    int64_t best = 1, best_t = 0;
    for (int k = 0; k < r->n; k++) {
        int64_t g = hone_gcd(r->t[k].c, *d), t;
        if (g <= best)
            continue;
        hone_ir__sum b;
        hone_ir__sum_clear(&b);
        b.base = hone_floor_mod(r->base, g);
        for (int j = 0; j < r->n; j++)
            if (r->t[j].c % g)
                b.t[b.n++] = r->t[j];
        if (one_quotient(&b, g, &t)) {
            best = g;
            best_t = t;
        }
    }
    if (best == 1)
        return false;
    int n = 0;
    for (int k = 0; k < r->n; k++)
        if (r->t[k].c % best == 0) {
            r->t[n] = r->t[k];
            r->t[n++].c /= best;
        }
    r->n = n;
    r->base = hone_floor_div(r->base, best) + best_t;
    *d /= best;
    return true;
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

/* floor((x // l + y) / d) = floor((x + l*y) / (l*d)): undoes nested quotients, when r has exactly
 * one. */
static bool flatten(hone_ir__env *env, const hone_ir__sum *r, int64_t *d, hone_ir__sum *ret)
{
    int at = -1;
    for (int k = 0; k < r->n; k++)
        if (r->t[k].c == 1 && r->t[k].m == 0 && r->t[k].l > 1) {
            if (at >= 0)
                return false;
            at = k;
        }
    if (at < 0)
        return false;
    const hone_ir__term *q = &r->t[at];
    int64_t wide;
    hone_ir__sum_clear(ret);
    if (__builtin_mul_overflow(*d, q->l, &wide) || !hone_ir__sum_const(ret, r->base, q->l) ||
        !add_quotient(env, ret, q, 1, 1))
        return false;
    for (int k = 0; k < r->n; k++)
        if (k != at && !hone_ir__sum_digit(env, ret, &r->t[k], q->l))
            return false;
    *d = wide;
    return true;
}

/* r is one digit (x // l) % m and a constant, and d divides m: its upper part comes out whole.
 * floor((c*digit + base) / d) = c * ((x // (l*d)) % (m/d)) + floor((c*low + base) / d).
 * take gets the first summand, rest what is still to be divided. */
static bool cut_digit(hone_ir__env *env, const hone_ir__sum *r, int64_t d, hone_ir__sum *take,
                      hone_ir__sum *rest)
{
    const hone_ir__term *t = &r->t[0];
    int64_t at, end, whole, low;
    if (r->n != 1 || !t->m || t->m <= d || t->m % d || __builtin_mul_overflow(t->l, d, &at) ||
        __builtin_mul_overflow(t->l, t->m, &end) || __builtin_mul_overflow(t->c, d, &low) ||
        __builtin_mul_overflow(t->c, t->m / d, &whole))
        return false;
    hone_ir__sum high;
    hone_ir__sum_clear(&high);
    if (!add_quotient(env, &high, t, at, 1))
        return false;
    hone_ir__term top = {.root = t->root, .compound = t->compound, .l = end, .c = 1};
    top.lo = t->lo;
    top.hi = t->hi;
    hone_ir__term all = *t;
    all.m = 0;
    hone_ir__sum_clear(take);
    hone_ir__sum_clear(rest);
    rest->base = r->base;
    return hone_ir__sum_add(take, &high, t->c) && hone_ir__sum_term(take, &top, -whole) &&
           hone_ir__sum_digit(env, rest, &all, 1) && hone_ir__sum_add(rest, &high, -low);
}

/* Takes out of the digits what d divides; ret keeps the rest, with 0 <= base < d. */
static bool take_multiples(hone_ir__env *env, const hone_ir__sum *digits, int64_t d, int64_t scale,
                           hone_ir__sum *out, hone_ir__sum *ret, bool *ret_changed)
{
    hone_ir__sum_clear(ret);
    *ret_changed = digits->base < 0 || digits->base >= d;
    if (!hone_ir__sum_const(out, hone_floor_div(digits->base, d), scale))
        return false;
    ret->base = hone_floor_mod(digits->base, d);
    for (int k = 0; k < digits->n; k++) {
        hone_ir__term t = digits->t[k];
        int64_t rest = t.c % d, c = t.c / d;
        if (c) {
            *ret_changed = true;
            t.c = c;
            if (!hone_ir__sum_digit(env, out, &t, scale))
                return false;
        }
        if (rest) {
            ret->t[ret->n] = t;
            ret->t[ret->n++].c = rest;
        }
    }
    return true;
}

/* Divides everything by the common divisor with d. */
static bool take_gcd(hone_ir__sum *r, int64_t *d)
{
    int64_t g = *d;
    for (int k = 0; k < r->n && g > 1; k++)
        g = hone_gcd(r->t[k].c, g);
    if (g == 1)
        return false;
    for (int k = 0; k < r->n; k++)
        r->t[k].c /= g;
    r->base = hone_floor_div(r->base, g);
    *d /= g;
    return true;
}

bool hone_ir__divide(hone_ir__env *env, const hone_ir__sum *from, int64_t d, int64_t scale,
                     hone_ir__sum *out, hone_expr raw)
{
    hone_ir__sum s, digits, r;
    HONE_ASSERT(d >= 1);
    copy(&s, from);
    bool whole = true; /* the quotient is still from // d */
    for (;;) {
        if (d == 1)
            return hone_ir__sum_add(out, &s, scale);
        if (env->fuel-- <= 0)
            return false;
        bool changed;
        int64_t t;
        if (!hone_ir__digits(env, &s, &digits) ||
            !take_multiples(env, &digits, d, scale, out, &r, &changed))
            return false;
        if (r.n == 0)
            return true;
        if (one_quotient(&r, d, &t))
            return hone_ir__sum_const(out, t, scale);
        const hone_ir__term *one = &r.t[0];
        if (r.n == 1 && one->c == 1 && r.base == 0 && one->l == 1 && !one->m && !one->compound)
            return add_quotient(env, out, one, d, scale);
        changed |= take_gcd(&r, &d);
        changed |= drop_low_part(&r, &d);
        if (changed) {
            whole = false;
            if (!quotients_of(env, &r, &s))
                return false;
            continue;
        }
        if (flatten(env, &r, &d, &s))
            continue; /* still from // d, as a number, but not as an expression */
        if (cut_digit(env, &r, d, &digits, &s)) {
            whole = false;
            if (!hone_ir__sum_add(out, &digits, scale))
                return false;
            continue;
        }
        /* Nothing more to take out: r itself is the root. */
        hone_ir__term q = {.l = d, .c = 1, .compound = true};
        hone_ir__digits_range(&r, &q.lo, &q.hi);
        if (env->w) {
            if (!quotients_of(env, &r, &s))
                return false;
            q.root = hone_ir__emit(env, &s);
            if (!q.root.i)
                return false;
        } else {
            q.root.i = whole && raw.i ? raw.i : UINT32_MAX - env->nameless;
            env->nameless++;
            q.compound = false;
            q.lo = end_div(q.lo, d);
            q.hi = end_div(q.hi, d);
            q.l = 1;
        }
        return hone_ir__sum_term(out, &q, scale);
    }
}

/* ---- emission -------------------------------------------------------------------------------- */

static hone_expr emit_digit(hone_program *w, const hone_ir__term *t, int64_t c)
{
    hone_expr e = t->root;
    if (t->l > 1)
        e = hone_binary(w, HONE_OP_FLOORDIV, e, hone_int(w, t->l));
    if (t->m)
        e = hone_binary(w, HONE_OP_FLOORMOD, e, hone_int(w, t->m));
    return c == 1 ? e : hone_binary(w, HONE_OP_MUL, e, hone_int(w, c));
}

/* The digits to write. x + x // 2 is as short as its digits, and cheaper. */
static void written_digits(hone_ir__env *env, const hone_ir__sum *s, hone_ir__sum *ret)
{
    bool full = hone_ir__digits(env, s, ret);
    if (full && plain(s))
        return;
    hone_ir__sum d;
    copy(&d, s);
    sort_terms(env->p, &d);
    if (!carry(&d, true)) {
        copy(&d, s);
        sort_terms(env->p, &d);
    }
    if (full && d.n > ret->n)
        return;
    high_first(&d);
    copy(ret, &d);
}

hone_expr hone_ir__emit(hone_ir__env *env, const hone_ir__sum *s)
{
    hone_program *w = env->w;
    hone_ir__sum d;
    written_digits(env, s, &d);
    hone_expr e = HONE_NO_EXPR;
    int positive = 0;
    for (int k = 0; k < d.n; k++) {
        hone_ir__term *t = &d.t[k];
        if (t->c < 0)
            continue;
        hone_expr x = emit_digit(w, t, t->c);
        e = positive++ ? hone_binary(w, HONE_OP_ADD, e, x) : x;
    }
    bool base_first = !positive && d.base != 0;
    if (base_first)
        e = hone_int(w, d.base);
    bool first = !positive && !base_first;
    for (int k = 0; k < d.n; k++) {
        hone_ir__term *t = &d.t[k];
        if (t->c > 0)
            continue;
        hone_expr x = emit_digit(w, t, first ? t->c : -t->c);
        e = first ? x : hone_binary(w, HONE_OP_SUB, e, x);
        first = false;
    }
    if (first)
        return hone_int(w, d.base);
    if (base_first || d.base == 0)
        return e;
    if (d.base < 0 && d.base != INT64_MIN)
        return hone_binary(w, HONE_OP_SUB, e, hone_int(w, -d.base));
    return hone_binary(w, HONE_OP_ADD, e, hone_int(w, d.base));
}
