/* Predicates of blocks, and the elements a block writes in one iteration of a loop.
 *
 * A predicate is over loop variables. Most of it guards splits whose factors do not divide; the
 * rest leaves out the padding of a layout.
 *
 *   guards    what a split left behind, as a bound on a digit of an iterator
 *   lifting   predicates rewritten over iteration variables
 *   parts     how far loops move an index, when the guards are taken into account
 *   tiles     the exact elements written in one iteration of a loop */
#include "space/prim/util.h"

/* The loop variables around a block, outermost first, at most HONE_PRIM__MAX_LOOPS. False: there
 * are more. */
static bool loop_vars(const hone_program *p, hone_stmt block, hone_var *ret, unsigned *ret_n)
{
    hone_stmt loops[HONE_PRIM__MAX_LOOPS];
    unsigned n = hone_loops_of(p, block, loops, HONE_PRIM__MAX_LOOPS);
    if (n > HONE_PRIM__MAX_LOOPS)
        return false;
    for (unsigned k = 0; k < n; k++)
        ret[k] = hone_stmt_at(p, loops[k])->var;
    *ret_n = n;
    return true;
}

/* hone_linear of a binding; most are a single variable. */
static bool linear(hone_program *p, hone_expr e, const hone_var *vars, unsigned n, int64_t *ret,
                   hone_expr *ret_rest)
{
    hone_op op = hone_expr_op(p, e);
    if (op != HONE_OP_VAR && op != HONE_OP_INT)
        return hone_linear(p, e, vars, n, ret, ret_rest);
    *ret_rest = e;
    for (unsigned x = 0; x < n; x++) {
        ret[x] = op == HONE_OP_VAR && hone_expr_at(p, e)->sym == vars[x].i;
        if (ret[x])
            *ret_rest = hone_int(p, 0);
    }
    return true;
}

/* e = sum of multiples of the iterators' bindings + a constant, written with the iterators. */
static bool lift_affine(hone_program *p, hone_stmt block, hone_expr e, const hone_var *vars,
                        unsigned n_vars, hone_expr *ret)
{
    int64_t left[HONE_PRIM__MAX_LOOPS], c[HONE_PRIM__MAX_LOOPS];
    hone_expr sum, shift;
    if (!hone_linear(p, e, vars, n_vars, left, &sum))
        return false;
    unsigned x = 0; /* a variable still to be replaced */
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        while (x < n_vars && !left[x])
            x++;
        if (x == n_vars)
            break;
        hone_iter it = *hone_iter_at(p, block, k);
        unsigned y = 0;
        while (y < n_vars && !(left[y] && hone_uses_var(p, it.binding, vars[y])))
            y++;
        if (y == n_vars || !linear(p, it.binding, vars, n_vars, c, &shift) || !c[y] ||
            left[y] % c[y])
            continue;
        int64_t m = left[y] / c[y];
        bool all = true;
        for (unsigned z = 0; z < n_vars && all; z++)
            all = !c[z] || left[z] == m * c[z];
        if (!all)
            continue;
        for (unsigned z = 0; z < n_vars; z++)
            left[z] -= m * c[z];
        hone_expr v = hone_binary(p, HONE_OP_SUB, hone_var_expr(p, it.var), shift);
        sum = hone_binary(p, HONE_OP_ADD, sum, hone_binary(p, HONE_OP_MUL, hone_int(p, m), v));
    }
    for (x = 0; x < n_vars; x++) {
        if (left[x])
            return false;
    }
    *ret = sum;
    return true;
}

/* A guard that a split left behind, over loops `a` of which one iterator v is made:
 * v = higher + g * (sum a[x] * x) + low, and the guard is sum a[x] * x < base. As 0 <= low < g (by
 * the predicate as a whole) it also reads v - higher < g * base; and where all higher terms are
 * multiples of g * base, it says no more than that the digit is below its base. */
typedef struct digit_guard {
    unsigned iter;
    hone_expr less; /* v - higher - g * base, over loop variables: the guard is less < 0 */
    int64_t bound;  /* g * base, plus what v starts from */
    bool is_top;    /* no higher terms: the guard is v < bound */
} digit_guard;

/* Does the predicate keep low below g? */
static bool stays_below(hone_program *p, hone_stmt block, hone_expr low, int64_t g)
{
    hone_expr conds[HONE_PRIM__MAX_CONDS];
    unsigned n;
    if (!hone_prim__conjuncts(p, hone_stmt_at(p, block)->where, conds, HONE_PRIM__MAX_CONDS, &n))
        return false;
    for (unsigned k = 0; k < n; k++) {
        int64_t bound;
        if (hone_prim__bounded_by(p, conds[k], low, &bound) && bound <= g)
            return true;
    }
    return false;
}

/* sum of c[x] * x for the variables chosen */
static hone_expr sum_of(hone_program *p, const hone_var *vars, const int64_t *c, uint64_t chosen)
{
    hone_expr sum = hone_int(p, 0);
    for (unsigned x = 0; chosen >> x; x++) {
        if (chosen >> x & 1) {
            hone_expr v = hone_var_expr(p, vars[x]);
            v = hone_binary(p, HONE_OP_MUL, v, hone_int(p, c[x]));
            sum = hone_binary(p, HONE_OP_ADD, sum, v);
        }
        if (x == 63)
            break;
    }
    return sum;
}

static bool as_digit_guard(hone_program *p, hone_stmt block, hone_expr e, const hone_var *vars,
                           unsigned n_vars, digit_guard *ret)
{
    int64_t a[HONE_PRIM__MAX_LOOPS], c[HONE_PRIM__MAX_LOOPS], base, start;
    hone_expr rest;
    unsigned x = 0;
    if (!hone_linear(p, e, vars, n_vars, a, &rest) || !hone_is_int(p, rest, &base) || base >= 0)
        return false;
    base = -base;
    while (x < n_vars && !a[x])
        x++;
    for (unsigned k = 0; x < n_vars && k < hone_stmt_at(p, block)->n_iters; k++) {
        hone_expr binding = hone_iter_at(p, block, k)->binding;
        if (!hone_uses_var(p, binding, vars[x]) || !linear(p, binding, vars, n_vars, c, &rest) ||
            !hone_is_int(p, rest, &start) || !c[x] || c[x] % a[x] || c[x] / a[x] < 1)
            continue;
        int64_t g = c[x] / a[x], most = 0, full;
        uint64_t higher = 0, low = 0;
        bool fits = !__builtin_mul_overflow(g, base, &full);
        for (unsigned y = 0; y < n_vars && fits; y++) {
            if (a[y]) {
                fits = c[y] == g * a[y];
            } else if (c[y] && c[y] % full == 0) {
                higher |= UINT64_C(1) << y;
            } else if (c[y]) {
                fits = c[y] > 0;
                low |= UINT64_C(1) << y;
                most += c[y] * (hone_var_at(p, vars[y])->extent - 1);
            }
        }
        if (!fits || (most >= g && !stays_below(p, block, sum_of(p, vars, c, low), g)))
            continue;
        ret->iter = k;
        ret->bound = full + start;
        ret->is_top = !higher;
        hone_expr less = hone_binary(p, HONE_OP_SUB, binding, sum_of(p, vars, c, higher));
        less = hone_binary(p, HONE_OP_SUB, less, hone_int(p, ret->bound));
        ret->less = hone_simplify(p, less);
        return true;
    }
    return false;
}

/* What becomes of a condition over loop variables. */
enum lifting {
    LIFT_NOT,   /* it stays one */
    LIFT_DONE,  /* *ret_lifted is over iteration variables */
    LIFT_DIGIT, /* it only bounds a digit, *ret_less < 0 over loop variables says the same */
};

static enum lifting lift(hone_program *p, hone_stmt block, hone_expr cond, hone_expr *ret_lifted,
                         hone_expr *ret_less)
{
    hone_var vars[HONE_PRIM__MAX_LOOPS];
    unsigned n;
    hone_expr e;
    digit_guard guard;
    if (!loop_vars(p, block, vars, &n))
        return LIFT_NOT;
    bool affine = hone_as_negative(p, cond, &e);
    if (affine && lift_affine(p, block, e, vars, n, ret_lifted)) {
        *ret_lifted = hone_binary(p, HONE_OP_LT, *ret_lifted, hone_int(p, 0));
    } else if (affine && as_digit_guard(p, block, e, vars, n, &guard)) {
        *ret_less = guard.less;
        if (!guard.is_top)
            return LIFT_DIGIT;
        hone_expr v = hone_var_expr(p, hone_iter_at(p, block, guard.iter)->var);
        *ret_lifted = hone_binary(p, HONE_OP_LT, v, hone_int(p, guard.bound));
    } else {
        hone_var from[HONE_MAX_ITERS];
        hone_expr to[HONE_MAX_ITERS];
        unsigned n_from = 0;
        for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
            hone_iter it = *hone_iter_at(p, block, k);
            if (hone_expr_op(p, it.binding) != HONE_OP_VAR)
                continue;
            from[n_from] = (hone_var){hone_expr_at(p, it.binding)->sym};
            to[n_from++] = hone_var_expr(p, it.var);
        }
        *ret_lifted = hone_substitute(p, cond, from, to, n_from);
    }
    for (unsigned k = 0; k < n; k++) {
        if (hone_uses_var(p, *ret_lifted, vars[k]))
            return LIFT_NOT;
    }
    *ret_lifted = hone_simplify(p, *ret_lifted);
    return LIFT_DONE;
}

bool hone_prim__lift(hone_program *p, hone_stmt block, hone_expr cond, hone_expr *ret)
{
    hone_expr less;
    enum lifting how = lift(p, block, cond, ret, &less);
    if (how == LIFT_DIGIT)
        *ret = hone_bool(p, true);
    return how != LIFT_NOT;
}

bool hone_prim__lift_exactly(hone_program *p, hone_stmt block, hone_expr cond, hone_expr *ret)
{
    hone_expr less;
    return lift(p, block, cond, ret, &less) == LIFT_DONE;
}

bool hone_prim__lift_where(hone_program *p, hone_stmt block, hone_expr *ret)
{
    hone_expr conds[HONE_PRIM__MAX_CONDS], lifted;
    unsigned n;
    *ret = HONE_NO_EXPR;
    if (!hone_prim__conjuncts(p, hone_stmt_at(p, block)->where, conds, HONE_PRIM__MAX_CONDS, &n))
        return false;
    for (unsigned k = 0; k < n; k++) {
        if (!hone_prim__lift(p, block, conds[k], &lifted))
            return false;
        hone_prim__require(p, ret, lifted);
    }
    return true;
}

/* ---- tiles ---------------------------------------------------------------------------------- */

/* Part of a sum that takes the values 0, weight, 2 * weight ... (count - 1) * weight. */
typedef struct part {
    int64_t weight, count;
    uint64_t loops; /* those it is made of, by place among the inner variables */
} part;

/* The number of values of the sum of the parts when they are 0, 1, 2, ... times g without a gap; 0
 * otherwise. Only parts made of `loops`. */
static int64_t gapless(const part *parts, unsigned n, uint64_t loops, int64_t g)
{
    int64_t reach = 1;
    uint64_t used = 0;
    for (unsigned round = 0; round < n; round++) {
        unsigned best = n;
        for (unsigned k = 0; k < n; k++) {
            if (parts[k].count > 1 && !(parts[k].loops & ~loops) && !(used >> k & 1) &&
                (best == n || parts[k].weight < parts[best].weight))
                best = k;
        }
        if (best == n)
            break;
        if (parts[best].weight < 0 || parts[best].weight % g || parts[best].weight / g > reach)
            return 0;
        used |= UINT64_C(1) << best;
        reach += parts[best].weight / g * (parts[best].count - 1);
    }
    return reach;
}

/* A condition sum a[x] * x < base over some of the inner loops makes one part of those that the
 * loops make. False: not these. */
static bool merge_parts(part *parts, unsigned *n, const int64_t *a, const int64_t *c,
                        unsigned n_vars, int64_t base)
{
    uint64_t loops = 0, covered = 0;
    int64_t g = 0;
    for (unsigned x = 0; x < n_vars; x++) {
        if (!a[x])
            continue;
        if (!c[x] || c[x] % a[x] || c[x] / a[x] < 1 || (g && c[x] / a[x] != g))
            return false;
        g = c[x] / a[x];
        loops |= UINT64_C(1) << x;
    }
    for (unsigned k = 0; k < *n; k++) {
        if (!(parts[k].loops & ~loops))
            covered |= parts[k].loops;
    }
    if (!g || covered != loops || gapless(parts, *n, loops, g) < base)
        return false;
    unsigned m = 0;
    for (unsigned k = 0; k < *n; k++) {
        if (parts[k].loops & ~loops)
            parts[m++] = parts[k];
    }
    parts[m++] = (part){g, base, loops};
    *n = m;
    return true;
}

/* Conditions sum a[x] * x < base, base > 0, over some of the variables alone; those over few of
 * them first, for others may build on them. */
typedef struct bounds {
    unsigned n;
    struct {
        int64_t a[HONE_PRIM__MAX_LOOPS], base;
        unsigned over; /* how many variables */
        unsigned cond; /* which of the conditions it is */
    } v[HONE_PRIM__MAX_CONDS];
} bounds;

static void find_bounds(hone_program *p, const hone_expr *conds, unsigned n_conds,
                        const hone_var *vars, unsigned n_vars, bounds *ret)
{
    ret->n = 0;
    for (unsigned k = 0; k < n_conds; k++) {
        hone_expr e, rest;
        int64_t base;
        unsigned at = ret->n, over = 0;
        if (!hone_as_negative(p, conds[k], &e) ||
            !hone_linear(p, e, vars, n_vars, ret->v[at].a, &rest) || !hone_is_int(p, rest, &base) ||
            base >= 0)
            continue;
        for (unsigned x = 0; x < n_vars; x++)
            over += ret->v[at].a[x] != 0;
        ret->v[at].base = -base;
        ret->v[at].over = over;
        ret->v[at].cond = k;
        ret->n++;
    }
}

/* The parts of sum c[x] * x. *used: bits of the conditions that are accounted for. */
static unsigned parts_of(const hone_program *p, const bounds *b, const hone_var *vars,
                         const int64_t *c, unsigned n_vars, part *ret, uint32_t *used)
{
    unsigned n = 0;
    for (unsigned x = 0; x < n_vars; x++) {
        int64_t extent = hone_var_at(p, vars[x])->extent;
        if (c[x] && extent > 1)
            ret[n++] = (part){c[x], extent, UINT64_C(1) << x};
    }
    for (unsigned size = 1; b->n && size <= n_vars; size++) {
        for (unsigned k = 0; k < b->n; k++) {
            if (b->v[k].over == size && !(*used >> b->v[k].cond & 1) &&
                merge_parts(ret, &n, b->v[k].a, c, n_vars, b->v[k].base))
                *used |= 1u << b->v[k].cond;
        }
    }
    return n;
}

/* Do different values of the parts make different sums? */
static bool is_injective(const part *parts, unsigned n)
{
    int64_t reach = 0;
    for (unsigned round = 0; round < n; round++) {
        unsigned next = n; /* the lightest of those heavier than all before */
        for (unsigned k = 0; k < n; k++) {
            if (parts[k].weight > reach && (next == n || parts[k].weight < parts[next].weight))
                next = k;
        }
        if (next == n)
            return false;
        reach += parts[next].weight * (parts[next].count - 1);
    }
    return true;
}

bool hone_prim__runs_once(hone_program *p, hone_stmt block, const hone_stmt *loops, unsigned n,
                          bool spatial)
{
    hone_var vars[HONE_PRIM__MAX_LOOPS];
    hone_expr conds[HONE_PRIM__MAX_CONDS], rest;
    int64_t c[HONE_PRIM__MAX_LOOPS];
    part parts[HONE_PRIM__MAX_LOOPS];
    unsigned n_conds;
    uint64_t seen = 0, needed = 0;
    uint32_t used = 0;
    if (n > HONE_PRIM__MAX_LOOPS || !hone_prim__conjuncts(p, hone_stmt_at(p, block)->where, conds,
                                                          HONE_PRIM__MAX_CONDS, &n_conds))
        return false;
    for (unsigned x = 0; x < n; x++) {
        vars[x] = hone_stmt_at(p, loops[x])->var;
        needed |= (uint64_t)(hone_loop_extent(p, loops[x]) > 1) << x;
    }
    bounds b;
    find_bounds(p, conds, n_conds, vars, n, &b);
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        hone_iter it = *hone_iter_at(p, block, k);
        if (spatial && it.kind == HONE_REDUCE)
            continue;
        if (!linear(p, it.binding, vars, n, c, &rest))
            return false;
        unsigned n_parts = parts_of(p, &b, vars, c, n, parts, &used);
        for (unsigned j = 0; j < n_parts; j++) {
            if (seen & parts[j].loops)
                return false;
            seen |= parts[j].loops;
        }
        if (!is_injective(parts, n_parts))
            return false;
    }
    return seen == needed;
}

/* Is the value of the condition, over the loops around the block, true for all elements? */
static bool spares_none(hone_program *p, hone_stmt block, hone_expr cond)
{
    hone_expr lifted;
    return hone_prim__lift_exactly(p, block, cond, &lifted) && hone_prove(p, lifted);
}

bool hone_prim__writes_all(hone_program *p, hone_stmt block)
{
    hone_var vars[HONE_PRIM__MAX_LOOPS];
    hone_expr conds[HONE_PRIM__MAX_CONDS], rest;
    int64_t c[HONE_PRIM__MAX_LOOPS], from;
    int iters[HONE_MAX_DIMS];
    unsigned n, n_conds;
    uint64_t taken = 0;
    uint32_t used = 0;
    if (!hone_prim__store_iters(p, block, iters) || !loop_vars(p, block, vars, &n) ||
        !hone_prim__conjuncts(p, hone_stmt_at(p, block)->where, conds, HONE_PRIM__MAX_CONDS,
                              &n_conds))
        return false;
    bounds b;
    find_bounds(p, conds, n_conds, vars, n, &b);
    for (unsigned d = 0; d < hone_stmt_at(p, block)->n_index; d++) {
        if (iters[d] < 0)
            continue;
        hone_iter it = *hone_iter_at(p, block, (unsigned)iters[d]);
        part parts[HONE_PRIM__MAX_LOOPS];
        if (!linear(p, it.binding, vars, n, c, &rest) || !hone_is_int(p, rest, &from) || from != 0)
            return false;
        unsigned n_parts = parts_of(p, &b, vars, c, n, parts, &used);
        if (gapless(parts, n_parts, UINT64_MAX, 1) < hone_var_at(p, it.var)->extent ||
            hone_var_at(p, it.var)->extent <
                hone_buffer_at(p, hone_stmt_at(p, block)->out)->shape[d])
            return false;
        for (unsigned k = 0; k < n_parts; k++) {
            if (taken & parts[k].loops)
                return false;
            taken |= parts[k].loops;
        }
    }
    for (unsigned k = 0; k < n_conds; k++) {
        if (!(used >> k & 1) && !spares_none(p, block, conds[k]))
            return false;
    }
    return true;
}

/* Loops inside `loop` on the way to `block`; 0 in *ret_n when the block stands right in it. */
static bool inner_vars(const hone_program *p, hone_stmt block, hone_stmt loop, hone_var *ret,
                       unsigned *ret_n)
{
    hone_stmt loops[HONE_PRIM__MAX_LOOPS];
    unsigned n = hone_loops_of(p, block, loops, HONE_PRIM__MAX_LOOPS), at = 0;
    if (n > HONE_PRIM__MAX_LOOPS)
        return false;
    while (at < n && !HONE_SAME(loops[at], loop))
        at++;
    if (at == n)
        return false;
    *ret_n = 0;
    for (unsigned k = at + 1; k < n; k++)
        ret[(*ret_n)++] = hone_stmt_at(p, loops[k])->var;
    return true;
}

static bool uses_any(const hone_program *p, hone_expr e, const hone_var *vars, unsigned n)
{
    for (unsigned k = 0; k < n; k++) {
        if (hone_uses_var(p, e, vars[k]))
            return true;
    }
    return false;
}

/* Does the condition use a loop variable that also binds a spatial iterator? */
static bool touches_spatial(const hone_program *p, hone_stmt block, hone_expr cond)
{
    hone_var vars[HONE_PRIM__MAX_LOOPS];
    unsigned n;
    if (!loop_vars(p, block, vars, &n))
        return true;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        const hone_iter *it = hone_iter_at(p, block, k);
        for (unsigned x = 0; it->kind == HONE_SPATIAL && x < n; x++) {
            if (hone_uses_var(p, it->binding, vars[x]) && hone_uses_var(p, cond, vars[x]))
                return true;
        }
    }
    return false;
}

static bool uses_reduce_iter(const hone_program *p, hone_stmt block, hone_expr e)
{
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        const hone_iter *it = hone_iter_at(p, block, k);
        if (it->kind == HONE_REDUCE && hone_uses_var(p, e, it->var))
            return true;
    }
    return false;
}

/* One operand of the predicate becomes a condition of the tile, or does not matter to it. False: it
 * cannot be expressed over tiles. */
static bool tile_add_cond(hone_program *p, hone_stmt block, const hone_expr *inside,
                          const hone_var *vars, unsigned n_vars, hone_expr cond,
                          hone_prim__tile *ret)
{
    hone_expr e, lifted, less;
    enum lifting how = lift(p, block, cond, &lifted, &less);
    if (how == LIFT_DONE) {
        if (!uses_reduce_iter(p, block, lifted))
            hone_prim__require(p, &ret->lifted, lifted);
        return true;
    }
    bool affine = hone_as_negative(p, cond, &e);
    if (how == LIFT_DIGIT)
        e = less;
    for (int d = -1; affine && d < (int)ret->n; d++) {
        hone_expr rest = d < 0 ? e : hone_simplify(p, hone_binary(p, HONE_OP_SUB, e, inside[d]));
        int64_t c;
        if (uses_any(p, rest, vars, n_vars))
            continue;
        if (d >= 0 && hone_is_int(p, rest, &c) && -c >= ret->extent[d])
            return true; /* the extent is the shorter for it already */
        if (ret->n_conds == HONE_PRIM__MAX_CONDS)
            return false;
        ret->conds[ret->n_conds].dim = d;
        ret->conds[ret->n_conds++].rest = rest;
        return true;
    }
    if (!affine || touches_spatial(p, block, cond))
        return false;
    /* Steps of a sum, or loops of one iteration once split: nothing runs in iterations of the outer
     * loops where the condition holds for no inner ones. */
    int64_t c[HONE_PRIM__MAX_LOOPS];
    hone_expr least;
    if (!hone_linear(p, e, vars, n_vars, c, &least) || ret->n_conds == HONE_PRIM__MAX_CONDS)
        return false;
    for (unsigned k = 0; k < n_vars; k++) {
        if (c[k] < 0)
            return false;
    }
    ret->conds[ret->n_conds].dim = -1;
    ret->conds[ret->n_conds++].rest = least;
    return true;
}

bool hone_prim__tile_of(hone_program *p, hone_stmt block, hone_stmt loop, hone_prim__tile *ret)
{
    hone_var vars[HONE_PRIM__MAX_LOOPS];
    int64_t c[HONE_PRIM__MAX_LOOPS];
    unsigned n_vars, n_conds;
    hone_expr conds[HONE_PRIM__MAX_CONDS], inside[HONE_MAX_DIMS];
    memset(ret, 0, sizeof *ret);
    if (!hone_prim__store_iters(p, block, ret->iter_of) ||
        !inner_vars(p, block, loop, vars, &n_vars) ||
        !hone_prim__conjuncts(p, hone_stmt_at(p, block)->where, conds, HONE_PRIM__MAX_CONDS,
                              &n_conds))
        return false;
    /* An iterator that the store does not use says when the block runs at all. */
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        hone_iter it = *hone_iter_at(p, block, k);
        int64_t zero;
        bool used_here = it.kind == HONE_REDUCE;
        for (unsigned d = 0; d < hone_stmt_at(p, block)->n_index; d++)
            used_here = used_here || ret->iter_of[d] == (int)k;
        if (!used_here && !hone_is_int(p, hone_simplify(p, it.binding), &zero))
            return false;
    }
    bounds b;
    find_bounds(p, conds, n_conds, vars, n_vars, &b);
    ret->n = hone_stmt_at(p, block)->n_index;
    uint64_t taken = 0; /* loops that move along some dimension */
    uint32_t used = 0;  /* conditions that shorten some extent */
    for (unsigned d = 0; d < ret->n; d++) {
        ret->start[d] = inside[d] = hone_int(p, 0);
        ret->extent[d] = 1;
        if (ret->iter_of[d] < 0)
            continue;
        hone_expr binding = hone_iter_at(p, block, (unsigned)ret->iter_of[d])->binding;
        if (!linear(p, binding, vars, n_vars, c, &ret->start[d]))
            return false;
        ret->start[d] = hone_simplify(p, ret->start[d]);
        inside[d] = hone_simplify(p, hone_binary(p, HONE_OP_SUB, binding, ret->start[d]));
        part parts[HONE_PRIM__MAX_LOOPS];
        unsigned n_parts = parts_of(p, &b, vars, c, n_vars, parts, &used);
        ret->extent[d] = gapless(parts, n_parts, UINT64_MAX, 1);
        if (!ret->extent[d])
            return false;
        for (unsigned k = 0; k < n_parts; k++) {
            if (taken & parts[k].loops)
                return false;
            taken |= parts[k].loops;
        }
    }
    for (unsigned k = 0; k < n_conds; k++) {
        if (!(used >> k & 1) && !tile_add_cond(p, block, inside, vars, n_vars, conds[k], ret))
            return false;
    }
    /* A tile as long as the dimension starts at 0 wherever it writes. */
    for (unsigned d = 0; d < ret->n; d++) {
        int64_t at, shape = hone_buffer_at(p, hone_stmt_at(p, block)->out)->shape[d];
        if (ret->extent[d] > shape && hone_is_int(p, ret->start[d], &at) && at == 0)
            ret->extent[d] = shape;
    }
    return true;
}

void hone_prim__tile_require(hone_program *p, const hone_prim__tile *tile, hone_stmt block,
                             const hone_expr *offset, hone_expr *where)
{
    hone_var from[HONE_MAX_DIMS];
    hone_expr to[HONE_MAX_DIMS];
    unsigned n = 0;
    for (unsigned d = 0; d < tile->n; d++) {
        if (tile->iter_of[d] < 0)
            continue;
        from[n] = hone_iter_at(p, block, (unsigned)tile->iter_of[d])->var;
        to[n++] = hone_binary(p, HONE_OP_ADD, tile->start[d], offset[d]);
    }
    if (tile->lifted.i)
        hone_prim__require(p, where, hone_substitute(p, tile->lifted, from, to, n));
    for (unsigned k = 0; k < tile->n_conds; k++) {
        hone_expr e = tile->conds[k].rest;
        if (tile->conds[k].dim >= 0)
            e = hone_binary(p, HONE_OP_ADD, e, offset[tile->conds[k].dim]);
        hone_prim__require(p, where, hone_binary(p, HONE_OP_LT, e, hone_int(p, 0)));
    }
}
