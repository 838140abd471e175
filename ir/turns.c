/* Shares of turns, and elements, counted. In how many turns of a block's iterators conditions hold,
 * as that a convolution's tap is not padding or a query sees a key: conditions that share no
 * iterator are counted by themselves, and of those that do one iterator that they are linear in is
 * never tried: by the others it lies in an interval. */
#include "ir/internal.h"

#define MOST_TRIES (1 << 17)
#define MOST_PLACES (1 << 20)
#define FARTHEST (1LL << 60) /* numbers beyond are not computed with */

/* Iterators and their values. */
typedef struct point {
    hone_var var[HONE_MAX_ITERS];
    int64_t at[HONE_MAX_ITERS];
    unsigned n;
} point;

static bool value_of(const hone_program *p, hone_expr e, const point *x, int64_t *ret)
{
    const hone_expr_row *r = hone_expr_at(p, e);
    int64_t a, b;
    if (r->op == HONE_OP_INT) {
        *ret = r->imm.i;
        return true;
    }
    for (unsigned k = 0; r->op == HONE_OP_VAR && k < x->n; k++)
        if (x->var[k].i == r->sym) {
            *ret = x->at[k];
            return true;
        }
    if (r->op == HONE_OP_NOT && value_of(p, hone_expr_arg(p, e, 0), x, &a)) {
        *ret = !a;
        return true;
    }
    return r->n_args == 2 && value_of(p, hone_expr_arg(p, e, 0), x, &a) &&
           value_of(p, hone_expr_arg(p, e, 1), x, &b) &&
           hone_ir__fold_int2((hone_op)r->op, a, b, ret);
}

/* Moves on; false: that was the last. */
static bool step(const hone_program *p, point *x)
{
    unsigned k = 0;
    while (k < x->n && ++x->at[k] == hone_var_at(p, x->var[k])->extent)
        x->at[k++] = 0;
    return k < x->n;
}

/* ---- lists of conditions ----------------------------------------------------------------------
 */

static hone_expr opposite(hone_program *p, hone_expr cond)
{
    hone_op op = hone_expr_op(p, cond);
    if (op != HONE_OP_EQ && op != HONE_OP_NE && op != HONE_OP_LT && op != HONE_OP_LE)
        return hone_unary(p, HONE_OP_NOT, cond);
    hone_expr a = hone_expr_arg(p, cond, 0), b = hone_expr_arg(p, cond, 1);
    return op == HONE_OP_EQ   ? hone_binary(p, HONE_OP_NE, a, b)
           : op == HONE_OP_NE ? hone_binary(p, HONE_OP_EQ, a, b)
           : op == HONE_OP_LT ? hone_binary(p, HONE_OP_LE, b, a)
                              : hone_binary(p, HONE_OP_LT, b, a);
}

static void keep(const hone_program *p, hone_ir__whens *to, hone_expr cond)
{
    for (unsigned k = 0; k < to->n; k++)
        if (HONE_SAME(to->v[k], cond))
            return;
    to->never = to->never || hone_has_load(p, cond) || to->n == HONE_IR__MOST_WHEN;
    if (!to->never)
        to->v[to->n++] = cond;
}

static void add_one(hone_program *p, hone_ir__whens *to, hone_expr cond)
{
    int64_t v;
    cond = hone_simplify(p, cond);
    if (!cond.i) {
        to->never = true;
        return;
    }
    if (hone_expr_op(p, cond) == HONE_OP_AND) { /* by its simpler form */
        hone_ir__when(p, to, hone_expr_arg(p, cond, 0), true);
        hone_ir__when(p, to, hone_expr_arg(p, cond, 1), true);
        return;
    }
    if (hone_is_int(p, cond, &v)) {
        to->never = to->never || !v;
        return;
    }
    keep(p, to, cond);
}

void hone_ir__when(hone_program *p, hone_ir__whens *to, hone_expr cond, bool holds)
{
    hone_op op = hone_expr_op(p, cond);
    if (to->never || !cond.i) {
        to->never = true;
        return;
    }
    if (op == HONE_OP_NOT) {
        hone_ir__when(p, to, hone_expr_arg(p, cond, 0), !holds);
    } else if (op == (holds ? HONE_OP_AND : HONE_OP_OR)) {
        hone_expr b = hone_expr_arg(p, cond, 1);
        hone_ir__when(p, to, hone_expr_arg(p, cond, 0), holds);
        hone_ir__when(p, to, b, holds);
    } else {
        add_one(p, to, holds ? cond : opposite(p, cond));
    }
}

void hone_ir__when_too(const hone_program *p, hone_ir__whens *to, const hone_ir__whens *all)
{
    to->never = to->never || all->never;
    for (unsigned k = 0; k < all->n && !to->never; k++)
        keep(p, to, all->v[k]);
}

uint32_t hone_ir__iters_of(const hone_program *p, hone_stmt block, hone_expr e)
{
    uint32_t bits = 0;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++)
        bits |= (uint32_t)hone_uses_var(p, e, hone_iter_at(p, block, k)->var) << k;
    return bits;
}

/* ---- the share of turns in which they hold ----------------------------------------------------
 */

/* `coeff` times an iterator, plus `rest` of the others, is less than 0, or is 0. */
typedef struct bound {
    int64_t coeff; /* 0: `rest` is a condition on the others */
    hone_expr rest;
    bool equal;
} bound;

/* Conditions that hang together by the iterators in them. */
typedef struct cluster {
    hone_expr cond[HONE_IR__MOST_WHEN];
    bound bound[HONE_IR__MOST_WHEN];
    unsigned n;
    uint32_t iters;
} cluster;

/* `a < b`, `a <= b` or `a == b` as a bound on v. */
static bool bound_of(hone_program *p, hone_expr cond, hone_var v, bound *ret)
{
    hone_op op = hone_expr_op(p, cond);
    if (!hone_uses_var(p, cond, v)) {
        *ret = (bound){.rest = cond};
        return true;
    }
    hone_expr over;
    if (op == HONE_OP_EQ && hone_expr_dtype(p, hone_expr_arg(p, cond, 0)) == HONE_I64)
        over = hone_binary(p, HONE_OP_SUB, hone_expr_arg(p, cond, 0), hone_expr_arg(p, cond, 1));
    else if (!hone_as_negative(p, cond, &over))
        return false;
    ret->equal = op == HONE_OP_EQ;
    return over.i && hone_linear(p, over, &v, 1, &ret->coeff, &ret->rest) && ret->coeff != 0;
}

static bool bounds_of(hone_program *p, cluster *c, hone_var v)
{
    for (unsigned k = 0; k < c->n; k++)
        if (!bound_of(p, c->cond[k], v, &c->bound[k]))
            return false;
    return true;
}

/* The iterator that lies in an interval, the longest that can; one of those that are not in
 * `within` if there are any, since each place of the others is counted once. HONE_MAX_ITERS: none.
 */
static unsigned find_interval(hone_program *p, hone_stmt block, cluster *c, uint32_t within)
{
    uint32_t allowed = c->iters & ~within ? c->iters & ~within : c->iters;
    while (allowed) {
        unsigned best = HONE_MAX_ITERS;
        int64_t most = -1;
        for (unsigned k = 0; k < HONE_MAX_ITERS; k++) {
            if (!(allowed >> k & 1))
                continue;
            int64_t extent = hone_var_at(p, hone_iter_at(p, block, k)->var)->extent;
            if (extent > most)
                most = extent, best = k;
        }
        if (bounds_of(p, c, hone_iter_at(p, block, best)->var))
            return best;
        allowed &= ~(1u << best);
    }
    for (unsigned k = 0; k < c->n; k++)
        c->bound[k] = (bound){.rest = c->cond[k]};
    return HONE_MAX_ITERS;
}

/* Narrows lo <= v < hi. False: it is not known to what. */
static bool narrow(const hone_program *p, const bound *b, const point *x, int64_t *lo, int64_t *hi)
{
    int64_t rest, q = 0;
    if (!value_of(p, b->rest, x, &rest) || rest < -FARTHEST || rest > FARTHEST ||
        b->coeff < -FARTHEST || b->coeff > FARTHEST)
        return false;
    if (b->coeff == 0) {
        *hi = rest ? *hi : *lo;
    } else if (b->equal) {
        if (rest % b->coeff != 0)
            *hi = *lo;
        q = -(rest / b->coeff);
        *lo = q > *lo ? q : *lo;
        *hi = q + 1 < *hi ? q + 1 : *hi;
    } else if (b->coeff > 0) {
        if (!hone_ir__floordiv(-rest - 1, b->coeff, &q))
            return false;
        *hi = q + 1 < *hi ? q + 1 : *hi;
    } else {
        if (!hone_ir__floordiv(rest, -b->coeff, &q))
            return false;
        *lo = q + 1 > *lo ? q + 1 : *lo;
    }
    return true;
}

/* Turns of v, from 0 to extent, in which all hold at x; with an extent of 1 and no v, 1 or 0. */
static bool count_held(const hone_program *p, const cluster *c, const point *x, int64_t extent,
                       int64_t *ret)
{
    int64_t lo = 0, hi = extent;
    for (unsigned k = 0; k < c->n; k++)
        if (!narrow(p, &c->bound[k], x, &lo, &hi))
            return false;
    *ret = hi > lo ? hi - lo : 0;
    return true;
}

/* The place of x among the turns of those of its variables that are `within`. */
static int64_t place_of(const hone_program *p, const point *x, const bool *within)
{
    int64_t at = 0;
    for (unsigned k = 0; k < x->n; k++)
        if (within[k])
            at = at * hone_var_at(p, x->var[k])->extent + x->at[k];
    return at;
}

static bool share_of(hone_program *p, hone_stmt block, cluster *c, uint32_t iters, double *ret)
{
    unsigned v = find_interval(p, block, c, iters);
    bool counts_v = v < HONE_MAX_ITERS && (iters >> v & 1), within[HONE_MAX_ITERS], good = true;
    int64_t extent =
        v < HONE_MAX_ITERS ? hone_var_at(p, hone_iter_at(p, block, v)->var)->extent : 1;
    int64_t tries = 1, places = 1, held = 0, n;
    point x = {.n = 0};
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        if (!(c->iters >> k & 1) || k == v)
            continue;
        hone_var var = hone_iter_at(p, block, k)->var;
        within[x.n] = iters >> k & 1;
        x.var[x.n++] = var;
        if (__builtin_mul_overflow(tries, hone_var_at(p, var)->extent, &tries) ||
            tries > MOST_TRIES)
            return false;
        places *= within[x.n - 1] ? hone_var_at(p, var)->extent : 1;
    }
    if (tries == 0 || extent == 0)
        return false;
    bool *seen = hone_xcalloc((size_t)places, sizeof *seen);
    do {
        int64_t at = place_of(p, &x, within);
        good = count_held(p, c, &x, extent, &n);
        held += !good ? 0 : counts_v ? n : n > 0 && !seen[at];
        seen[at] = seen[at] || (good && n > 0);
    } while (good && step(p, &x));
    free(seen);
    *ret = (double)held / ((double)places * (counts_v ? (double)extent : 1));
    return good;
}

bool hone_ir__held_share(hone_program *p, hone_stmt block, const hone_ir__whens *when,
                         uint32_t iters, double *ret)
{
    uint32_t left = (1u << when->n) - 1, used[HONE_IR__MOST_WHEN];
    *ret = 1;
    for (unsigned k = 0; k < when->n; k++)
        used[k] = hone_ir__iters_of(p, block, when->v[k]);
    while (left && !when->never) {
        cluster c = {.iters = used[__builtin_ctz(left)]};
        for (uint32_t before = 0; before != c.iters;) { /* whoever touches them */
            before = c.iters;
            for (unsigned k = 0; k < when->n; k++)
                c.iters |= used[k] & c.iters ? used[k] : 0;
        }
        for (unsigned k = 0; k < when->n; k++)
            if ((left >> k & 1) && (used[k] & c.iters || k == (unsigned)__builtin_ctz(left))) {
                c.cond[c.n++] = when->v[k];
                used[k] |= 1u << 31; /* taken */
            }
        for (unsigned k = 0; k < when->n; k++)
            left &= ~((used[k] >> 31) << k);
        double share;
        if (!share_of(p, block, &c, iters, &share))
            return false;
        *ret *= share;
    }
    return !when->never;
}

/* ---- values of a sum of iterators -------------------------------------------------------------
 */

/* The first of these iterators' turns. False: there are too many to try. */
static bool find_point(const hone_program *p, hone_stmt block, uint32_t iters, point *ret)
{
    int64_t tries = 1;
    *ret = (point){.n = 0};
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        if (!(iters >> k & 1))
            continue;
        hone_var v = hone_iter_at(p, block, k)->var;
        ret->var[ret->n++] = v;
        if (__builtin_mul_overflow(tries, hone_var_at(p, v)->extent, &tries) || tries > MOST_TRIES)
            return false;
    }
    return tries > 0;
}

bool hone_ir__values(const hone_program *p, hone_stmt block, hone_expr e,
                     const hone_ir__whens *when, double *ret)
{
    uint32_t iters = hone_ir__iters_of(p, block, e);
    hone_expr about[HONE_IR__MOST_WHEN];
    unsigned n = 0;
    int64_t lo, hi, found = 0, v, holds;
    point x;
    for (unsigned k = 0; k < when->n; k++) {
        uint32_t used = hone_ir__iters_of(p, block, when->v[k]);
        if ((used & iters) && (used & ~iters))
            return false;
        if (used & iters)
            about[n++] = when->v[k];
    }
    if (when->never || !find_point(p, block, iters, &x) || !hone_bounds(p, e, &lo, &hi) ||
        hi - lo >= MOST_PLACES)
        return false;
    bool *seen = hone_xcalloc((size_t)(hi - lo + 1), sizeof *seen), good = true;
    do {
        bool all = true;
        for (unsigned k = 0; k < n && good && all; k++) {
            good = value_of(p, about[k], &x, &holds);
            all = good && holds;
        }
        good = good && value_of(p, e, &x, &v);
        if (good && all && !seen[v - lo]) {
            seen[v - lo] = true;
            found++;
        }
    } while (good && step(p, &x));
    free(seen);
    *ret = (double)found;
    return good;
}

/* ---- elements that a load reads ----------------------------------------------------------------
 */

/* The place of the load's element among those of the dimensions in `dims`, -1: outside, or not
 * known. */
static int64_t element_of(const hone_program *p, hone_expr load, uint32_t dims, const point *x)
{
    const hone_expr_row *row = hone_expr_at(p, load);
    const int64_t *shape = hone_buffer_at(p, (hone_buffer){row->sym})->shape;
    int64_t at = 0, v;
    for (unsigned d = 0; d < row->n_args; d++) {
        if (!(dims >> d & 1))
            continue;
        if (!value_of(p, hone_expr_arg(p, load, d), x, &v) || v < 0 || v >= shape[d])
            return -1;
        at = at * shape[d] + v;
    }
    return at;
}

bool hone_ir__distinct(const hone_program *p, hone_stmt block, hone_expr load, uint32_t dims,
                       uint32_t *ret_iters, double *ret)
{
    const hone_expr_row *row = hone_expr_at(p, load);
    const int64_t *shape = hone_buffer_at(p, (hone_buffer){row->sym})->shape;
    point x;
    int64_t places = 1, n = 0, at;
    *ret_iters = 0;
    for (unsigned d = 0; d < row->n_args; d++) {
        if (!(dims >> d & 1))
            continue;
        if (__builtin_mul_overflow(places, shape[d], &places) || places > MOST_PLACES)
            return false;
        *ret_iters |= hone_ir__iters_of(p, block, hone_expr_arg(p, load, d));
    }
    if (!find_point(p, block, *ret_iters, &x) || places == 0)
        return false;
    bool *seen = hone_xcalloc((size_t)places, sizeof *seen);
    do {
        at = element_of(p, load, dims, &x);
        n += at >= 0 && !seen[at];
        if (at >= 0)
            seen[at] = true;
    } while (at >= 0 && step(p, &x));
    free(seen);
    *ret = (double)n;
    return at >= 0;
}
