/* How much a program computes.
 *
 *   as written     hone_program_flops, for rates that people compare
 *   at the least   hone_program_least_work, by kinds of operations, and hone_program_least_ops,
 *                  their sum: what no schedule of it can do without. A kernel that is faster than
 *                  that at the machine's best does not do it, so whatever may be left out is left
 *                  out here: what does not depend on an iterator is computed once for all its
 * turns, and what is used several times is computed once; of a select the arm that is not chosen;
 * what is masked, and what only that is needed for (masks.c finds where, turns.c counts how often);
 * the first step of a sum; elements that nothing reads; what does not depend on data, which is done
 * ahead of time. */
#include "ir/internal.h"

#include <math.h>

static bool is_arithmetic(hone_op op)
{
    switch (op) {
    case HONE_OP_NONE:
    case HONE_OP_INT:
    case HONE_OP_FLOAT:
    case HONE_OP_VAR:
    case HONE_OP_LOAD:
    case HONE_OP_CAST:
    case HONE_OP_EQ:
    case HONE_OP_NE:
    case HONE_OP_LT:
    case HONE_OP_LE:
    case HONE_OP_AND:
    case HONE_OP_OR:
    case HONE_OP_NOT:
    case HONE_OP_SELECT:
        return false;
    default:
        return true;
    }
}

/* As written, where what is used twice stands twice. Counts above 2^32 - 1 are that. */
static uint32_t count_ops(const hone_program *p, hone_expr e, hone_memo *known)
{
    const hone_expr_row *r = hone_expr_at(p, e);
    uint32_t n;
    if (r->n_args == 0 || r->op == HONE_OP_LOAD || (r->dtype == HONE_I64 && !hone_has_load(p, e)))
        return 0; /* index arithmetic */
    if (hone_memo_find(known, e.i, &n))
        return n;
    n = is_arithmetic((hone_op)r->op);
    for (unsigned k = 0; k < r->n_args; k++)
        if (__builtin_add_overflow(n, count_ops(p, hone_expr_arg(p, e, k), known), &n))
            n = UINT32_MAX;
    hone_memo_add(known, e.i, n);
    return n;
}

static int64_t times(int64_t a, int64_t b)
{
    return __builtin_mul_overflow(a, b, &a) ? INT64_MAX : a;
}

int64_t hone_program_flops(hone_program *p)
{
    int64_t total = 0;
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s)) {
        if (!hone_is_block(p, s) || !hone_stmt_at(p, s)->out.i)
            continue;
        hone_memo known = {0};
        int64_t n = count_ops(p, hone_stmt_at(p, s)->value, &known);
        hone_memo_free(&known);
        for (hone_stmt b = s; b.i; b = hone_stmt_at(p, b)->parent)
            for (unsigned k = 0; hone_is_block(p, b) && k < hone_stmt_at(p, b)->n_iters; k++)
                n = times(n, hone_var_at(p, hone_iter_at(p, b, k)->var)->extent);
        if (__builtin_add_overflow(total, n, &total))
            total = INT64_MAX;
    }
    return total;
}

/* ---- at the least ---------------------------------------------------------------------------- */

#define MOST_SUMS 4

/* What an expression depends on: a bit for each of its block's iterators, and data. Of iterators
 * that are not `alone` only sums matter, as in `X[2*y + r]`, which have fewer values than they have
 * turns.
 */
typedef struct reach {
    uint32_t iters, alone;
    bool varies;
    unsigned n_sums;
    hone_expr sums[MOST_SUMS];
} reach;

/* An arm of a select, or a whole value, computed in the turns in which all of `when` holds. */
typedef struct arm {
    hone_expr value;
    hone_ir__whens when;
} arm;

/* Elements that one load reads: those at these indices, in the dimensions where it has constants.
 */
typedef struct read {
    uint32_t buffer, constant; /* a bit for each dimension */
    int64_t at[HONE_MAX_DIMS];
    double n;
} read;

/* Elements of a stage that are needed for sure: those in whose turns all of `when` holds. */
typedef struct wanted {
    double n;
    hone_ir__whens when;
} wanted;

typedef struct least {
    hone_program *p;
    hone_stmt
        *writer; /* by buffer: the only block that writes it, in the form of a program as written */
    double *needed; /* by buffer: how many elements are read for sure */
    wanted *wanted; /* by buffer: which, as far as it can be said */
    bool *is_const; /* by buffer: can be made ahead of time */
    hone_ir__masks masks;
    hone_stmt block; /* the one at hand */
    double share;    /* how much of it is needed, nobody knows what; 1: where the arm at hand is */
    hone_memo seen;  /* its expressions, as places in `reaches` */
    HONE_VEC(reach) reaches;
    HONE_VEC(arm) arms;   /* still to be looked at, the last one at hand */
    HONE_VEC(read) reads; /* of the block */
    arm in;               /* the arm at hand: in which turns what is in it is needed */
    hone_ir__whens outer; /* the same without what the arm itself masks */
    double *ops;          /* by kind */
} least;

static const hone_iter *iter_at(const least *l, unsigned k)
{
    return hone_iter_at(l->p, l->block, k);
}

static unsigned n_iters(const least *l)
{
    return hone_stmt_at(l->p, l->block)->n_iters;
}

static double turns(const least *l, uint32_t iters)
{
    double n = 1;
    for (unsigned k = 0; k < n_iters(l); k++)
        if (iters >> k & 1)
            n *= (double)hone_var_at(l->p, iter_at(l, k)->var)->extent;
    return n;
}

static uint32_t iters_of(const least *l, hone_expr e)
{
    return hone_ir__iters_of(l->p, l->block, e);
}

static uint32_t reductions(const least *l)
{
    uint32_t bits = 0;
    for (unsigned k = 0; k < n_iters(l); k++)
        bits |= (uint32_t)(iter_at(l, k)->kind == HONE_REDUCE) << k;
    return bits;
}

/* The share of the iterators' turns in which the arm at hand is needed. */
static double chosen(const least *l, uint32_t iters)
{
    double share;
    return hone_ir__held_share(l->p, l->block, &l->in.when, iters, &share) ? share : 0;
}

/* The iterators that the arm's conditions are about. */
static uint32_t limited(const least *l)
{
    uint32_t bits = 0;
    for (unsigned k = 0; k < l->in.when.n; k++)
        bits |= iters_of(l, l->in.when.v[k]);
    return bits;
}

/* Dimensions whose index is no sum of multiples of iterators. */
static uint32_t crooked(const least *l, hone_expr load)
{
    hone_var v[HONE_MAX_ITERS];
    int64_t coeff[HONE_MAX_ITERS];
    uint32_t dims = 0;
    hone_expr rest;
    for (unsigned k = 0; k < n_iters(l); k++)
        v[k] = iter_at(l, k)->var;
    for (unsigned d = 0; d < hone_expr_at(l->p, load)->n_args; d++)
        dims |=
            (uint32_t)!hone_linear(l->p, hone_expr_arg(l->p, load, d), v, n_iters(l), coeff, &rest)
            << d;
    return dims;
}

/* How many elements a load reads: those of its crooked dimensions, if they can be counted; in each
 * of the others, one for each turn of the longest iterator that moves it. If only a share of the
 * block is needed, at least that share. */
static void need(least *l, hone_expr load)
{
    const hone_expr_row *row = hone_expr_at(l->p, load);
    unsigned n_dims = row->n_args;
    read r = {.buffer = row->sym, .n = l->share};
    uint32_t used, dims = crooked(l, load);
    double distinct;
    hone_var v[HONE_MAX_ITERS];
    for (unsigned k = 0; k < n_iters(l); k++)
        v[k] = iter_at(l, k)->var;
    if (dims && hone_ir__distinct(l->p, l->block, load, dims, &used, &distinct) &&
        (distinct == turns(l, used) || !(used & limited(l))))
        r.n *= distinct;
    else
        used = 0;
    for (unsigned d = 0; d < n_dims; d++) {
        hone_expr index = hone_expr_arg(l->p, load, d), rest;
        int64_t coeff[HONE_MAX_ITERS];
        uint32_t best = 0;
        r.constant |= (uint32_t)hone_is_int(l->p, index, &r.at[d]) << d;
        if (dims >> d & 1 || !hone_linear(l->p, index, v, n_iters(l), coeff, &rest))
            continue;
        for (unsigned k = 0; k < n_iters(l); k++)
            if (coeff[k] && !(used >> k & 1) && turns(l, 1u << k) > (best ? turns(l, best) : 0))
                best = 1u << k;
        r.n *= turns(l, best);
        used |= best;
    }
    r.n *= chosen(l, used);
    for (uint32_t k = 0; k < l->reads.n; k++) { /* the same place again */
        read *x = &l->reads.v[k];
        if (x->buffer == r.buffer && x->constant == r.constant &&
            memcmp(x->at, r.at, sizeof r.at) == 0) {
            x->n = x->n > r.n ? x->n : r.n;
            return;
        }
    }
    hone_vec_push(&l->reads, r);
}

/* The block's iterator that alone is the load's index in a dimension, as long as that of the stage
 * that writes there, whose variable is *ret. HONE_MAX_ITERS: none. */
static unsigned plain_index(const least *l, hone_expr load, hone_stmt w, unsigned d, hone_var *ret)
{
    const hone_expr_row *at = hone_expr_at(l->p, hone_expr_arg(l->p, load, d));
    const hone_expr_row *to = hone_expr_at(l->p, hone_store_index(l->p, w, d));
    if (at->op != HONE_OP_VAR || to->op != HONE_OP_VAR)
        return HONE_MAX_ITERS;
    *ret = (hone_var){to->sym};
    for (unsigned k = 0; k < n_iters(l); k++)
        if (iter_at(l, k)->var.i == at->sym &&
            hone_var_at(l->p, iter_at(l, k)->var)->extent == hone_var_at(l->p, *ret)->extent)
            return k;
    return HONE_MAX_ITERS;
}

/* Which elements a load needs, where each of its indices is an iterator of its own. */
static void want(least *l, hone_expr load)
{
    hone_program *p = l->p;
    uint32_t b = hone_expr_at(p, load)->sym, moved = 0;
    hone_stmt w = l->writer[b];
    unsigned n = hone_expr_at(p, load)->n_args;
    hone_var from[HONE_MAX_DIMS], var[HONE_MAX_DIMS];
    hone_expr to[HONE_MAX_DIMS];
    if (!w.i || l->share != 1)
        return;
    for (unsigned d = 0; d < n; d++) {
        unsigned k = plain_index(l, load, w, d, &var[d]);
        if (k == HONE_MAX_ITERS || (moved >> k & 1))
            return;
        moved |= 1u << k;
        from[d] = iter_at(l, k)->var;
    }
    double share = chosen(l, moved);
    wanted x = {.n = round(share * turns(l, moved))};
    if (x.n <= l->wanted[b].n || (limited(l) & ~moved && share != 1))
        return;
    for (unsigned d = 0; d < n; d++)
        to[d] = hone_var_expr(p, var[d]);
    for (unsigned k = 0; k < l->in.when.n && share != 1; k++)
        hone_ir__when(p, &x.when, hone_substitute(p, l->in.when.v[k], from, to, n), true);
    if (!x.when.never)
        l->wanted[b] = x;
}

/* What the block reads of each buffer. Loads at different constants, in the same dimensions all,
 * read different elements; of others it is known only that one reads as many. */
static void add_up_reads(least *l)
{
    for (uint32_t k = 0; k < l->reads.n; k++) {
        const read *x = &l->reads.v[k];
        double sum = 0, most = 0;
        bool apart = true;
        for (uint32_t q = 0; q < l->reads.n; q++) {
            const read *y = &l->reads.v[q];
            if (y->buffer != x->buffer)
                continue;
            apart = apart && y->constant == x->constant;
            sum += y->n;
            most = y->n > most ? y->n : most;
        }
        double n = apart ? sum : most;
        if (n > l->needed[x->buffer])
            l->needed[x->buffer] = n;
    }
    l->reads.n = 0;
}

/* Both arms, for later: what is needed in any case is counted first. What one arm masks does not
 * matter in the other where nothing comes after the select. */
static void put_off(least *l, hone_expr select)
{
    bool last = HONE_SAME(select, l->in.value);
    for (unsigned k = 1; k <= 2; k++) {
        arm a = {hone_expr_arg(l->p, select, k), last ? l->outer : l->in.when};
        hone_ir__when(l->p, &a.when, hone_expr_arg(l->p, select, 0), k == 1);
        hone_vec_push(&l->arms, a);
    }
}

static bool is_minus_one(const hone_program *p, hone_expr e)
{
    const hone_expr_row *r = hone_expr_at(p, e);
    return r->op == HONE_OP_FLOAT && r->imm.f == -1;
}

static hone_work kind_of_function(hone_op op, bool fast)
{
    switch (op) {
    case HONE_OP_SQRT:
        return HONE_WORK_SQRT;
    case HONE_OP_EXP:
        return fast ? HONE_WORK_FAST_EXP : HONE_WORK_EXP;
    case HONE_OP_LOG:
        return HONE_WORK_LOG;
    case HONE_OP_TANH:
        return fast ? HONE_WORK_FAST_TANH : HONE_WORK_TANH;
    case HONE_OP_SIGMOID:
        return fast ? HONE_WORK_FAST_SIGMOID : HONE_WORK_SIGMOID;
    case HONE_OP_ERF:
        return fast ? HONE_WORK_FAST_ERF : HONE_WORK_ERF;
    case HONE_OP_POW:
        return HONE_WORK_POW;
    case HONE_OP_SIN:
        return HONE_WORK_SIN;
    case HONE_OP_COS:
        return HONE_WORK_COS;
    case HONE_OP_ATAN:
        return HONE_WORK_ATAN;
    default:
        return HONE_WORK_OTHER;
    }
}

/* HONE_WORK_COUNT: none, as what changes a sign, which is part of another. */
static hone_work kind_of(const hone_program *p, hone_expr e)
{
    hone_op op = hone_expr_op(p, e);
    if (!hone_dtype_is_float(hone_expr_dtype(p, e)))
        return op == HONE_OP_MUL ? HONE_WORK_INT_MUL : HONE_WORK_OTHER;
    switch (op) {
    case HONE_OP_MUL:
        return is_minus_one(p, hone_expr_arg(p, e, 0)) || is_minus_one(p, hone_expr_arg(p, e, 1))
                   ? HONE_WORK_COUNT
                   : HONE_WORK_MUL;
    case HONE_OP_ADD:
    case HONE_OP_SUB:
        return HONE_WORK_ADD;
    case HONE_OP_MIN:
    case HONE_OP_MAX:
        return HONE_WORK_EXTREME;
    case HONE_OP_DIV:
        return HONE_WORK_DIV;
    default:
        return kind_of_function(op, hone_is_fast(p, e));
    }
}

typedef struct varying {
    const bool *is_const;
    bool varies;
} varying;

static bool note_varying(void *ctx, const hone_program *p, hone_expr e)
{
    varying *c = ctx;
    if (hone_expr_op(p, e) == HONE_OP_LOAD)
        c->varies = c->varies || !c->is_const[hone_expr_at(p, e)->sym];
    return !c->varies;
}

/* A count without what rounding added to it. */
static double whole(double n)
{
    return floor(n + 1e-6);
}

/* How often what depends on these iterators, and `others` values of those that are not among them,
 * is computed. Where only the number of the elements that are needed is known, they are those whose
 * turns choose another arm, as far as that goes. */
static double at_least(const least *l, uint32_t iters, double others)
{
    double n = turns(l, iters);
    if (l->share == 1)
        return round(chosen(l, iters) * n) * others;
    double all = l->share + chosen(l, UINT32_MAX) - 1;
    return all > 0 ? whole(all * n * others) : 0;
}

/* ---- sums of iterators ------------------------------------------------------------------------
 */

static void add_sum(const least *l, reach *x, hone_expr sum)
{
    for (unsigned k = 0; k < x->n_sums; k++)
        if (HONE_SAME(x->sums[k], sum))
            return;
    if (x->n_sums < MOST_SUMS)
        x->sums[x->n_sums++] = sum;
    else
        x->alone |= iters_of(l, sum);
}

static void join(const least *l, reach *x, const reach *a)
{
    x->iters |= a->iters;
    x->alone |= a->alone;
    x->varies = x->varies || a->varies;
    for (unsigned k = 0; k < a->n_sums; k++)
        add_sum(l, x, a->sums[k]);
}

/* Adds an index: a sum without what is constant in it, or iterators alone. */
static void reach_index(const least *l, reach *x, hone_expr index)
{
    hone_program *p = l->p;
    uint32_t iters = iters_of(l, index);
    hone_var v[HONE_MAX_ITERS];
    int64_t coeff[HONE_MAX_ITERS], base;
    hone_expr rest;
    for (unsigned k = 0; k < n_iters(l); k++)
        v[k] = iter_at(l, k)->var;
    if ((iters & (iters - 1)) && hone_linear(p, index, v, n_iters(l), coeff, &rest) &&
        hone_is_int(p, rest, &base))
        add_sum(l, x, hone_simplify(p, hone_binary(p, HONE_OP_SUB, index, rest)));
    else
        x->alone |= iters;
}

/* The values of sums whose iterators stand nowhere else, as a factor; *ret: these iterators. */
static double values_of_sums(least *l, const reach *x, uint32_t *ret)
{
    double all = 1, n;
    *ret = 0;
    for (unsigned k = 0; k < x->n_sums; k++) {
        uint32_t iters = iters_of(l, x->sums[k]), others = x->alone;
        for (unsigned q = 0; q < x->n_sums; q++)
            others |= q == k ? 0 : iters_of(l, x->sums[q]);
        if (iters & others)
            continue;
        all *= hone_ir__values(l->p, l->block, x->sums[k], &l->in.when, &n) ? n : 1;
        *ret |= iters;
    }
    return all;
}

static double computed(least *l, const reach *x)
{
    uint32_t summed;
    double n = values_of_sums(l, x, &summed);
    return at_least(l, x->iters & ~summed, n);
}

static reach visit(least *l, hone_expr e);

/* The steps of a sum, or maximum, whose first is none. Those of windows that overlap can be shared;
 * then each window with more than one element takes one, and to bring n elements into m results
 * takes n - m. */
static double steps_of(least *l, uint32_t iters)
{
    hone_expr operand, init = hone_stmt_at(l->p, l->block)->init;
    uint32_t rows = iters & ~reductions(l), summed;
    hone_op op;
    double n = at_least(l, iters, 1);
    if (!hone_block_reduction(l->p, l->block, &op, &operand))
        return n;
    double first = l->share == 1 ? at_least(l, rows, 1) : l->share * turns(l, rows);
    reach x = visit(l, operand);
    if (HONE_SAME(init, hone_identity_of(l->p, op, hone_expr_dtype(l->p, operand))))
        n = n > first ? whole(n - first) : 0;
    values_of_sums(l, &x, &summed);
    if (!(summed & reductions(l)))
        return n;
    double some = fmax(n / fmax(turns(l, reductions(l)) - 1, 1), computed(l, &x) - first);
    return fmin(n, ceil(some));
}

/* To add a mask of 0 and -inf to what it does not hide is no work. */
static bool adds_mask(least *l, hone_expr e)
{
    hone_op op = hone_expr_op(l->p, e);
    return (op == HONE_OP_ADD || op == HONE_OP_SUB) &&
           (hone_ir__masks_may_be_zero(&l->masks, hone_expr_arg(l->p, e, 0)) ||
            hone_ir__masks_may_be_zero(&l->masks, hone_expr_arg(l->p, e, 1)));
}

static void count(least *l, hone_expr e, const reach *x)
{
    hone_op op = hone_expr_op(l->p, e);
    hone_work kind = kind_of(l->p, e);
    hone_stmt_row row = *hone_stmt_at(l->p, l->block);
    if (!is_arithmetic(op) || kind == HONE_WORK_COUNT || !x->varies)
        return;
    if (row.init.i && HONE_SAME(row.value, e))
        l->ops[kind] += steps_of(l, x->iters);
    else if (!adds_mask(l, e))
        l->ops[kind] += computed(l, x);
}

static reach visit_load(least *l, hone_expr e)
{
    uint32_t buffer = hone_expr_at(l->p, e)->sym;
    bool is_own = buffer == hone_stmt_at(l->p, l->block)->out.i;
    reach x = {.iters = iters_of(l, e), .varies = is_own || !l->is_const[buffer]};
    for (unsigned d = 0; d < hone_expr_at(l->p, e)->n_args; d++)
        reach_index(l, &x, hone_expr_arg(l->p, e, d));
    if (!is_own) {
        need(l, e);
        want(l, e);
    }
    return x;
}

static reach visit(least *l, hone_expr e)
{
    hone_program *p = l->p;
    hone_op op = hone_expr_op(p, e);
    reach x = {.varies = false};
    uint32_t known;
    if (hone_memo_find(&l->seen, e.i, &known))
        return l->reaches.v[known];
    if (op == HONE_OP_VAR) {
        x.iters = x.alone = iters_of(l, e);
    } else if (op == HONE_OP_LOAD) {
        x = visit_load(l, e);
    } else if (op == HONE_OP_SELECT) {
        varying c = {l->is_const, false};
        hone_walk(p, e, note_varying, &c);
        x.iters = x.alone = iters_of(l, e);
        x.varies = c.varies;
        if (hone_has_load(p, hone_expr_arg(p, e, 0)))
            visit(l, hone_expr_arg(p, e, 0));
        put_off(l, e);
    } else {
        for (unsigned k = 0; k < hone_expr_at(p, e)->n_args; k++) {
            reach a = visit(l, hone_expr_arg(p, e, k));
            join(l, &x, &a);
        }
        count(l, e, &x);
    }
    hone_memo_add(&l->seen, e.i, l->reaches.n);
    hone_vec_push(&l->reaches, x);
    return x;
}

static bool is_plain(const hone_program *p, hone_stmt b)
{
    hone_stmt up = hone_stmt_at(p, b)->parent;
    while (hone_is_loop(p, up))
        up = hone_stmt_at(p, up)->parent;
    return HONE_SAME(up, p->root) && !hone_stmt_at(p, b)->where.i;
}

/* Finds the blocks in their order, who writes what, what is constant and what is masked. */
static uint32_t look_around(least *l, hone_stmt *blocks)
{
    hone_program *p = l->p;
    uint32_t n = 0;
    bool *written = hone_xcalloc(p->buffers.n, sizeof *written);
    for (uint32_t b = 1; b < p->buffers.n; b++)
        l->is_const[b] = p->buffers.v[b].is_const;
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s)) {
        hone_stmt_row r = *hone_stmt_at(p, s);
        if (!hone_is_block(p, s) || !r.out.i)
            continue;
        bool first = !written[r.out.i];
        varying c = {l->is_const, false};
        l->is_const[r.out.i] = first || l->is_const[r.out.i]; /* a sum reads what it adds to */
        hone_walk(p, r.value, note_varying, &c);
        l->writer[r.out.i] = first && is_plain(p, s) ? s : HONE_NO_STMT;
        l->is_const[r.out.i] = l->is_const[r.out.i] && !c.varies;
        written[r.out.i] = true;
        hone_ir__masks_of_stage(&l->masks, s);
        blocks[n++] = s;
    }
    free(written);
    return n;
}

const char *hone_work_name(hone_work w)
{
    static const char *const names[HONE_WORK_COUNT] = {
#define HONE_WORK(NAME, text) [HONE_WORK_##NAME] = text,
#include "ir/work.def"
#undef HONE_WORK
    };
    return (unsigned)w < HONE_WORK_COUNT ? names[w] : "?";
}

/* The elements of a stage that are needed: those that can be told, or if there are more of them, as
 * many as are read, nobody knows which. */
static void count_stage(least *l, hone_stmt block)
{
    hone_buffer out = hone_stmt_at(l->p, block)->out;
    l->block = block;
    hone_ir__masks_turn(&l->masks, block);
    double all = turns(l, ~reductions(l)), n = l->needed[out.i];
    arm whole = {.value = hone_stmt_at(l->p, block)->value};
    l->share = 1;
    double known = l->wanted[out.i].n;
    if (hone_buffer_at(l->p, out)->role != HONE_OUTPUT && known > 0 && known > n - 0.5)
        whole.when = l->wanted[out.i].when;
    else if (hone_buffer_at(l->p, out)->role != HONE_OUTPUT)
        l->share = n > all ? 1 : n / all;
    if (all == 0 || (hone_stmt_at(l->p, block)->init.i && l->masks.by_buffer[out.i].when.never))
        return;
    hone_vec_push(&l->arms, whole);
    while (l->arms.n) {
        l->in = l->arms.v[--l->arms.n];
        l->outer = l->in.when;
        hone_ir__masks_all(&l->masks, l->in.value, &l->in.when);
        visit(l, l->in.value);
    }
    add_up_reads(l);
    hone_memo_free(&l->seen);
    l->seen = (hone_memo){0};
    l->reaches.n = 0;
}

void hone_program_least_work(hone_program *p, double ret[HONE_WORK_COUNT])
{
    hone_stmt *blocks = hone_xcalloc(p->stmts.n, sizeof *blocks);
    uint32_t n = p->buffers.n;
    least l = {.p = p, .ops = ret};
    for (int k = 0; k < HONE_WORK_COUNT; k++)
        ret[k] = 0;
    l.writer = hone_xcalloc(n, sizeof *l.writer);
    l.needed = hone_xcalloc(n, sizeof *l.needed);
    l.wanted = hone_xcalloc(n, sizeof *l.wanted);
    l.is_const = hone_xcalloc(n, sizeof *l.is_const);
    l.masks = (hone_ir__masks){.p = p, .writer = l.writer, .is_const = l.is_const};
    l.masks.by_buffer = hone_xcalloc(n, sizeof *l.masks.by_buffer);
    for (uint32_t k = look_around(&l, blocks); k-- > 0;) {
        uint32_t out = hone_stmt_at(p, blocks[k])->out.i;
        if (HONE_SAME(l.writer[out], blocks[k]) && !l.is_const[out])
            count_stage(&l, blocks[k]);
    }
    hone_vec_free(&l.reaches);
    hone_vec_free(&l.arms);
    hone_vec_free(&l.reads);
    hone_vec_free(&l.masks.found);
    hone_memo_free(&l.masks.seen);
    free(l.masks.by_buffer);
    free(blocks);
    free(l.writer);
    free(l.needed);
    free(l.wanted);
    free(l.is_const);
}

int64_t hone_program_least_ops(hone_program *p)
{
    double ops[HONE_WORK_COUNT], all = 0;
    hone_program_least_work(p, ops);
    for (int k = 0; k < HONE_WORK_COUNT; k++)
        all += ops[k];
    return all < 9e18 ? (int64_t)all : INT64_MAX;
}
