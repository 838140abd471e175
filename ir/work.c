/* How much a program computes.
 *
 *   as written     hone_program_flops, for rates that people compare
 *   at the least   hone_program_least_ops: what no schedule of it can do without. A kernel that is
 *                  faster than that at the machine's best does not do it, so whatever may be left
 * out is left out here: what does not depend on an iterator is computed once for all its turns, and
 * what is used several times is computed once; of a select the arm that is not chosen, and of a sum
 * the steps whose factor is such a select; elements that nothing reads; stages of constants, which
 * run ahead of time. */
#include "ir/ir.h"

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

/* What an expression depends on, as a bit for each of its block's iterators; and of these, which
 * have turns that may be left out. */
typedef struct reach {
    uint32_t iters, skipped;
} reach;

typedef struct least {
    hone_program *p;
    hone_stmt
        *writer; /* by buffer: the only block that writes it, in the form of a program as written */
    double *needed;  /* by buffer: elements that are read for sure */
    bool *is_const;  /* by buffer: can be made ahead of time */
    hone_stmt block; /* the one at hand */
    double share;    /* how much of it is needed */
    hone_memo seen;  /* its expressions: iters, and skipped above */
    double ops;
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
    uint32_t bits = 0;
    for (unsigned k = 0; k < n_iters(l); k++)
        bits |= (uint32_t)hone_uses_var(l->p, e, iter_at(l, k)->var) << k;
    return bits;
}

static uint32_t reductions(const least *l)
{
    uint32_t bits = 0;
    for (unsigned k = 0; k < n_iters(l); k++)
        bits |= (uint32_t)(iter_at(l, k)->kind == HONE_REDUCE) << k;
    return bits;
}

/* The load is of a stage that is a select, as padding is: steps of the sum along the dimensions
 * that its condition speaks about may meet nothing. */
static uint32_t skipped_in(const least *l, hone_expr load)
{
    const hone_program *p = l->p;
    hone_stmt w = l->writer[hone_expr_at(p, load)->sym];
    hone_expr value = w.i ? hone_stmt_at(p, w)->value : HONE_NO_EXPR;
    if (!value.i || hone_expr_op(p, value) != HONE_OP_SELECT)
        return 0;
    uint32_t bits = 0;
    for (unsigned d = 0; d < hone_expr_at(p, load)->n_args; d++)
        for (unsigned k = 0; k < hone_stmt_at(p, w)->n_iters; k++) {
            hone_var v = hone_iter_at(p, w, k)->var;
            if (hone_uses_var(p, hone_expr_arg(p, value, 0), v) &&
                hone_uses_var(p, hone_store_index(p, w, d), v))
                bits |= iters_of(l, hone_expr_arg(p, load, d));
        }
    return bits & reductions(l);
}

/* Elements that a load which is always done reads: in each dimension, one for each turn of the
 * longest iterator that moves it. If only a share of the block is needed, at least that share. */
static void need(least *l, hone_expr load)
{
    double n = l->share;
    uint32_t used = 0, buffer = hone_expr_at(l->p, load)->sym;
    hone_var v[HONE_MAX_ITERS];
    for (unsigned k = 0; k < n_iters(l); k++)
        v[k] = iter_at(l, k)->var;
    for (unsigned d = 0; d < hone_expr_at(l->p, load)->n_args; d++) {
        int64_t coeff[HONE_MAX_ITERS];
        hone_expr rest;
        uint32_t best = 0;
        if (!hone_linear(l->p, hone_expr_arg(l->p, load, d), v, n_iters(l), coeff, &rest))
            continue;
        for (unsigned k = 0; k < n_iters(l); k++)
            if (coeff[k] && !(used >> k & 1) && turns(l, 1u << k) > (best ? turns(l, best) : 0))
                best = 1u << k;
        n *= turns(l, best);
        used |= best;
    }
    if (n > l->needed[buffer])
        l->needed[buffer] = n;
}

static reach visit(least *l, hone_expr e)
{
    hone_program *p = l->p;
    hone_op op = hone_expr_op(p, e);
    reach x = {0};
    uint32_t known;
    if (hone_memo_find(&l->seen, e.i, &known))
        return (reach){known & 0xffff, known >> 16};
    if (op == HONE_OP_VAR || op == HONE_OP_LOAD || op == HONE_OP_SELECT)
        x.iters = iters_of(l, e);
    if (op == HONE_OP_LOAD) {
        x.skipped = skipped_in(l, e);
        if (hone_expr_at(p, e)->sym != hone_stmt_at(p, l->block)->out.i)
            need(l, e);
    } else if (op == HONE_OP_SELECT) {
        x.skipped = iters_of(l, hone_expr_arg(p, e, 0)) & reductions(l);
    } else {
        for (unsigned k = 0; k < hone_expr_at(p, e)->n_args; k++) {
            reach a = visit(l, hone_expr_arg(p, e, k));
            x.iters |= a.iters;
            x.skipped |= a.skipped;
        }
        if (is_arithmetic(op) && (hone_expr_dtype(p, e) != HONE_I64 || hone_has_load(p, e)))
            l->ops += l->share * turns(l, x.iters & ~x.skipped);
    }
    hone_memo_add(&l->seen, e.i, x.iters | x.skipped << 16);
    return x;
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

static bool is_plain(const hone_program *p, hone_stmt b)
{
    hone_stmt up = hone_stmt_at(p, b)->parent;
    while (hone_is_loop(p, up))
        up = hone_stmt_at(p, up)->parent;
    return HONE_SAME(up, p->root) && !hone_stmt_at(p, b)->where.i;
}

/* Finds the blocks in their order, who writes what, and what is constant. */
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
        varying c = {l->is_const, false};
        hone_walk(p, r.value, note_varying, &c);
        bool temp = hone_buffer_at(p, r.out)->role == HONE_TEMP;
        bool first = !written[r.out.i];
        l->writer[r.out.i] = first && is_plain(p, s) ? s : HONE_NO_STMT;
        l->is_const[r.out.i] = temp && !c.varies && (first || l->is_const[r.out.i]);
        written[r.out.i] = true;
        blocks[n++] = s;
    }
    free(written);
    return n;
}

int64_t hone_program_least_ops(hone_program *p)
{
    hone_stmt *blocks = hone_xcalloc(p->stmts.n, sizeof *blocks);
    least l = {.p = p};
    l.writer = hone_xcalloc(p->buffers.n, sizeof *l.writer);
    l.needed = hone_xcalloc(p->buffers.n, sizeof *l.needed);
    l.is_const = hone_xcalloc(p->buffers.n, sizeof *l.is_const);
    for (uint32_t n = look_around(&l, blocks); n-- > 0;) {
        hone_buffer out = hone_stmt_at(p, blocks[n])->out;
        if (!HONE_SAME(l.writer[out.i], blocks[n]) || l.is_const[out.i])
            continue;
        l.block = blocks[n];
        double all = turns(&l, ~reductions(&l)), wanted = l.needed[out.i];
        l.share = hone_buffer_at(p, out)->role == HONE_OUTPUT || wanted > all ? 1 : wanted / all;
        visit(&l, hone_stmt_at(p, blocks[n])->value);
        hone_memo_free(&l.seen);
        l.seen = (hone_memo){0};
    }
    free(blocks);
    free(l.writer);
    free(l.needed);
    free(l.is_const);
    return l.ops < 9e18 ? (int64_t)l.ops : INT64_MAX;
}
