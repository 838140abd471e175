/* Index expressions and conditions as sums, and what is decided by ranges and facts. */
#include "codegen/internal.h"

#define FAR ((int64_t)1 << 60)

typedef struct sum {
    cg_term t[CG_MAX_TERMS];
    unsigned n, steps;
    int64_t c;
} sum;

static hone_expr as_expr(cg *e, cg_term t)
{
    hone_expr x = t.var.i ? hone_var_expr(&e->q, t.var) : t.atom;
    return hone_binary(&e->q, HONE_OP_MUL, x, hone_int(&e->q, t.coeff));
}

static void add_term(cg *e, sum *s, hone_var var, hone_expr atom, int64_t coeff)
{
    for (unsigned k = 0; k < s->n; k++) {
        int64_t both;
        if (HONE_SAME(s->t[k].var, var) && HONE_SAME(s->t[k].atom, atom) &&
            !__builtin_add_overflow(s->t[k].coeff, coeff, &both)) {
            s->t[k].coeff = both;
            if (!both) {
                s->t[k] = s->t[--s->n];
            }
            return;
        }
    }
    if (s->n == CG_MAX_TERMS) { /* the last is a sum of its own, which counts as an atom */
        cg_term *last = &s->t[s->n - 1];
        hone_expr both = as_expr(e, (cg_term){var, atom, coeff});
        both = hone_binary(&e->q, HONE_OP_ADD, as_expr(e, *last), both);
        *last = (cg_term){.atom = both, .coeff = 1};
        return;
    }
    s->t[s->n++] = (cg_term){var, atom, coeff};
}

/* What does not fit 64 bits on the way counts as an atom. */
static void collect(cg *e, hone_expr x, int64_t times, sum *s)
{
    const hone_program *q = &e->q;
    int64_t c, sum_c;
    switch (++s->steps < CG_MAX_STEPS ? hone_expr_op(q, x) : HONE_OP_NONE) {
    case HONE_OP_INT:
        if (!__builtin_mul_overflow(times, hone_expr_at(q, x)->imm.i, &c) &&
            !__builtin_add_overflow(s->c, c, &sum_c)) {
            s->c = sum_c;
            return;
        }
        break;
    case HONE_OP_VAR:
        add_term(e, s, (hone_var){hone_expr_at(q, x)->sym}, HONE_NO_EXPR, times);
        return;
    case HONE_OP_ADD:
    case HONE_OP_SUB:
        if (times == INT64_MIN) {
            break;
        }
        collect(e, hone_expr_arg(q, x, 0), times, s);
        collect(e, hone_expr_arg(q, x, 1), hone_expr_op(q, x) == HONE_OP_ADD ? times : -times, s);
        return;
    case HONE_OP_MUL:
        for (unsigned k = 0; k < 2; k++) {
            if (hone_is_int(q, hone_expr_arg(q, x, k), &c) &&
                !__builtin_mul_overflow(times, c, &c)) {
                collect(e, hone_expr_arg(q, x, 1 - k), c, s);
                return;
            }
        }
        break;
    default:
        break;
    }
    add_term(e, s, (hone_var){0}, x, times);
}

static cg_lin keep(cg *e, hone_expr x, const sum *s, bool ok)
{
    cg_lin l = {ok, e->terms.n, s->n, s->c};
    for (unsigned k = 0; ok && k < s->n; k++) {
        hone_vec_push(&e->terms, s->t[k]);
    }
    while (e->lin_of.n <= x.i) {
        hone_vec_push(&e->lin_of, 0);
    }
    if (!e->lins.n) {
        hone_vec_push(&e->lins, (cg_lin){0});
    }
    e->lin_of.v[x.i] = e->lins.n;
    hone_vec_push(&e->lins, l);
    return l;
}

cg_lin hone_cg__lin(cg *e, hone_expr x)
{
    if (x.i < e->lin_of.n && e->lin_of.v[x.i]) {
        return e->lins.v[e->lin_of.v[x.i]];
    }
    sum s = {.n = 0};
    collect(e, x, 1, &s);
    return keep(e, x, &s, true);
}

/* Is it a quotient by a small n that changes from lane to lane of a vectorised loop? */
static bool is_lane_quotient(const cg *e, hone_expr x, int64_t *ret_n)
{
    const hone_program *q = &e->q;
    if (!x.i || hone_expr_op(q, x) != HONE_OP_FLOORDIV || hone_has_load(q, x) ||
        !hone_is_int(q, hone_expr_arg(q, x, 1), ret_n) || *ret_n < 1 || *ret_n > CG_MAX_LANES) {
        return false;
    }
    for (uint32_t v = 1; v < q->vars.n; v++) {
        hone_stmt owner = q->vars.v[v].owner;
        if (hone_is_loop(q, owner) && hone_stmt_at(q, owner)->loop_kind == HONE_VECTORIZED &&
            hone_uses_var(q, x, (hone_var){v})) {
            return true;
        }
    }
    return false;
}

/* s = n s + c; false: the numbers are too large. */
static bool multiply(sum *s, int64_t n, int64_t c)
{
    bool ok = !__builtin_mul_overflow(s->c, n, &s->c) && !__builtin_add_overflow(s->c, c, &s->c);
    for (unsigned k = 0; ok && k < s->n; k++) {
        ok = !__builtin_mul_overflow(s->t[k].coeff, n, &s->t[k].coeff);
    }
    return ok;
}

/* For s < 0: lanes that go through several rows are in row x // n. Times n the sum moves evenly
 * from lane to lane: x // n + r < 0 is x + n r < 0, and r - x // n < 0 is n r + n - 1 - x < 0. */
static void clear_quotients(cg *e, sum *s)
{
    int64_t n;
    for (unsigned k = 0; k < s->n;) {
        cg_term t = s->t[k++];
        if ((t.coeff != 1 && t.coeff != -1) || !is_lane_quotient(e, t.atom, &n)) {
            continue;
        }
        sum r = *s;
        r.t[k - 1] = r.t[--r.n];
        if (multiply(&r, n, t.coeff < 0 ? n - 1 : 0)) {
            collect(e, hone_expr_arg(&e->q, t.atom, 0), t.coeff, &r);
            *s = r;
            k = 0;
        }
    }
}

cg_lin hone_cg__cond_lin(cg *e, hone_expr cond)
{
    if (cond.i < e->lin_of.n && e->lin_of.v[cond.i]) {
        return e->lins.v[e->lin_of.v[cond.i]];
    }
    const hone_program *q = &e->q;
    hone_expr c = cond;
    hone_op op = hone_expr_op(q, c);
    bool negated = op == HONE_OP_NOT;
    if (negated) {
        c = hone_expr_arg(q, c, 0);
        op = hone_expr_op(q, c);
    }
    sum s = {.n = 0};
    bool ok = op == HONE_OP_LT || op == HONE_OP_LE;
    if (ok && hone_expr_dtype(q, hone_expr_arg(q, c, 0)) == HONE_I64) {
        /* a < b, or a - 1 < b; negated: b <= a, b < a */
        int64_t sign = negated ? -1 : 1;
        collect(e, hone_expr_arg(q, c, 0), sign, &s);
        collect(e, hone_expr_arg(q, c, 1), -sign, &s);
        s.c -= (op == HONE_OP_LE) != negated;
        clear_quotients(e, &s);
        for (unsigned k = 0; k < s.n; k++) {
            ok = ok && !(s.t[k].atom.i && hone_has_load(q, s.t[k].atom));
        }
        ok = ok && hone_cg__fits(e, hone_expr_arg(q, c, 0)) &&
             hone_cg__fits(e, hone_expr_arg(q, c, 1));
    } else {
        ok = false;
    }
    return keep(e, cond, &s, ok);
}

static int64_t clamp(__int128 x)
{
    return x > FAR ? FAR : x < -FAR ? -FAR : (int64_t)x;
}

void hone_cg__term_range(cg *e, cg_term t, int64_t *ret_lo, int64_t *ret_hi)
{
    int64_t lo = -FAR, hi = FAR;
    if (t.var.i && e->bound[t.var.i]) {
        lo = e->env[t.var.i].lo;
        hi = e->env[t.var.i].hi;
    } else if (t.var.i) {
        lo = 0;
        hi = hone_var_at(&e->q, t.var)->extent - 1;
    } else if (!hone_bounds_in(&e->q, t.atom, e->ranges.v, e->ranges.n, &lo, &hi)) {
        lo = -FAR;
        hi = FAR;
    }
    __int128 a = (__int128)lo * t.coeff, b = (__int128)hi * t.coeff;
    *ret_lo = clamp(a < b ? a : b);
    *ret_hi = clamp(a < b ? b : a);
}

/* Range of the terms in `which` plus c. */
static void lin_range(cg *e, cg_lin l, uint32_t which, int64_t c, int64_t *ret_lo, int64_t *ret_hi)
{
    __int128 lo = c, hi = c;
    bool low = true, high = true; /* known */
    for (uint32_t k = 0; k < l.n; k++) {
        if (which >> k & 1) {
            int64_t a, b;
            hone_cg__term_range(e, e->terms.v[l.first + k], &a, &b);
            low = low && a > -FAR;
            high = high && b < FAR;
            lo += a;
            hi += b;
        }
    }
    *ret_lo = low ? clamp(lo) : -FAR;
    *ret_hi = high ? clamp(hi) : FAR;
}

bool hone_cg__range(cg *e, hone_expr x, int64_t *ret_lo, int64_t *ret_hi)
{
    lin_range(e, hone_cg__lin(e, x), CG_ALL_TERMS, hone_cg__lin(e, x).c, ret_lo, ret_hi);
    /* The sum's terms are taken one by one; the other way may know how they hang together. */
    int64_t lo, hi;
    if (hone_bounds_in(&e->q, x, e->ranges.v, e->ranges.n, &lo, &hi)) {
        *ret_lo = lo > *ret_lo ? lo : *ret_lo;
        *ret_hi = hi < *ret_hi ? hi : *ret_hi;
    }
    return *ret_lo > -FAR && *ret_hi < FAR;
}

bool hone_cg__fits(cg *e, hone_expr x)
{
    int64_t lo, hi;
    while (e->fits.n <= x.i) {
        hone_vec_push(&e->fits, CG_MAYBE);
    }
    if (e->fits.v[x.i] == CG_MAYBE) {
        bool yes = hone_bounds(&e->q, x, &lo, &hi) && lo > -FAR && hi < FAR;
        e->fits.v[x.i] = (uint8_t)(yes ? CG_YES : CG_NO);
    }
    return e->fits.v[x.i] == CG_YES;
}

bool hone_cg__in_stack(cg *e, hone_buffer b, hone_expr offset)
{
    const cg_place *pl = &e->places.v[b.i];
    int64_t lo, hi;
    return pl->where == CG_STACK && hone_cg__range(e, offset, &lo, &hi) && lo >= 0 &&
           hi < pl->elems;
}

bool hone_cg__by_lane(const cg *e, hone_expr x)
{
    return e->lane_var.i && hone_uses_var(&e->q, x, e->lane_var);
}

const cg_fact *hone_cg__fact(const cg *e, hone_expr cond)
{
    for (uint32_t i = e->facts.n; i-- > 0;) {
        if (HONE_SAME(e->facts.v[i].cond, cond)) {
            return &e->facts.v[i];
        }
    }
    return NULL;
}

static cg_tri not3(cg_tri t)
{
    return t == CG_YES ? CG_NO : t == CG_NO ? CG_YES : CG_MAYBE;
}

static cg_tri decide(cg *e, hone_expr cond, hone_memo *known);

static cg_tri decide_now(cg *e, hone_expr cond, hone_memo *known)
{
    const hone_program *q = &e->q;
    const cg_fact *f = hone_cg__fact(e, cond);
    if (f && f->is_true) {
        return CG_YES;
    }
    hone_op op = hone_expr_op(q, cond);
    int64_t lo, hi;
    if (op == HONE_OP_INT) {
        return hone_expr_at(q, cond)->imm.i ? CG_YES : CG_NO;
    }
    if (op == HONE_OP_AND || op == HONE_OP_OR) {
        cg_tri a = decide(e, hone_expr_arg(q, cond, 0), known);
        cg_tri b = decide(e, hone_expr_arg(q, cond, 1), known);
        return op == HONE_OP_AND ? (a < b ? a : b) : (a > b ? a : b);
    }
    cg_lin l = hone_cg__cond_lin(e, cond);
    if (l.ok) {
        lin_range(e, l, f ? f->inner : CG_ALL_TERMS, f ? f->outer : l.c, &lo, &hi);
        return hi < 0 ? CG_YES : lo >= 0 ? CG_NO : CG_MAYBE;
    }
    if (op == HONE_OP_NOT) {
        return not3(decide(e, hone_expr_arg(q, cond, 0), known));
    }
    if ((op == HONE_OP_EQ || op == HONE_OP_NE) &&
        hone_expr_dtype(q, hone_expr_arg(q, cond, 0)) == HONE_I64) {
        int64_t lo2, hi2;
        bool bounded = hone_cg__range(e, hone_expr_arg(q, cond, 0), &lo, &hi) &&
                       hone_cg__range(e, hone_expr_arg(q, cond, 1), &lo2, &hi2);
        cg_tri equal = !bounded                              ? CG_MAYBE
                       : hi < lo2 || hi2 < lo                ? CG_NO
                       : lo == hi && lo2 == hi2 && lo == lo2 ? CG_YES
                                                             : CG_MAYBE;
        return op == HONE_OP_EQ ? equal : not3(equal);
    }
    return CG_MAYBE;
}

static cg_tri decide(cg *e, hone_expr cond, hone_memo *known)
{
    uint32_t t;
    if (hone_expr_at(&e->q, cond)->height < 2) {
        return decide_now(e, cond, known);
    }
    if (!hone_memo_find(known, cond.i, &t)) {
        t = (uint32_t)decide_now(e, cond, known);
        hone_memo_add(known, cond.i, t);
    }
    return (cg_tri)t;
}

cg_tri hone_cg__decide(cg *e, hone_expr cond)
{
    hone_memo known;
    known.n = known.mask = 0;
    cg_tri t = decide(e, cond, &known);
    hone_memo_free(&known);
    return t;
}

bool hone_cg__load_in_bounds(cg *e, hone_expr load)
{
    for (unsigned k = 0; e->leaf && k < e->leaf->n_safe; k++) {
        if (HONE_SAME(e->leaf->safe[k], load) && !(e->where_lanes && hone_cg__by_lane(e, load))) {
            return true;
        }
    }
    hone_buffer b = {hone_expr_at(&e->q, load)->sym};
    unsigned n = hone_expr_at(&e->q, load)->n_args;
    for (unsigned k = 0; k < n; k++) {
        int64_t lo, hi;
        int64_t extent = hone_buffer_at(&e->q, b)->shape[k];
        if (k == 0 && hone_cg__is_sized(e, b)) {
            extent = e->o->size->least;
        }
        hone_cg__range(e, hone_expr_arg(&e->q, load, k), &lo, &hi);
        if (lo < 0 || hi >= extent) {
            return false;
        }
    }
    return true;
}
