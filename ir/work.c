/* How much a program computes.
 *
 *   as written     hone_program_flops, for rates that people compare
 *   at the least   hone_program_least_work, by kinds of operations, and hone_program_least_ops,
 *                  their sum: what no schedule of it can do without. A kernel that is faster than
 *                  that at the machine's best does not do it, so whatever may be left
 * out is left out here: what does not depend on an iterator is computed once for all its turns, and
 * what is used several times is computed once; of a select the arm that is not chosen, and of a sum
 * the steps whose factor is such a select (taps.c counts them); elements that nothing reads; stages
 * of constants, which run ahead of time. */
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

/* What an expression depends on, as a bit for each of its block's iterators; of these, which have
 * turns that may be left out, nobody knows how many; and what share of the turns remains where that
 * is known. */
typedef struct reach {
    uint32_t iters, skipped;
    double share;
} reach;

#define MOST_WHEN 8

/* An arm of a select, computed in the turns in which all of `when` is so. */
typedef struct arm {
    hone_expr value;
    unsigned n;
    hone_ir__when when[MOST_WHEN];
} arm;

/* Elements that one load reads: those at these indices, in the dimensions where it has constants.
 */
typedef struct read {
    uint32_t buffer, constant; /* a bit for each dimension */
    int64_t at[HONE_MAX_DIMS];
    double n;
} read;

typedef struct least {
    hone_program *p;
    hone_stmt
        *writer; /* by buffer: the only block that writes it, in the form of a program as written */
    double *needed;   /* by buffer: elements that are read for sure */
    uint32_t *spoken; /* by buffer: iterators of its writer that conditions of selects in it, or in
                         what it is made of, speak about */
    bool *is_const;   /* by buffer: can be made ahead of time */
    hone_stmt block;  /* the one at hand */
    double share;     /* how much of it is needed */
    hone_memo seen;   /* its expressions, as places in `reaches` */
    HONE_VEC(reach) reaches;
    HONE_VEC(arm) arms;   /* still to be looked at, the last one at hand */
    HONE_VEC(read) reads; /* of the block */
    arm in;               /* the arm at hand; n = 0: none */
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

static uint32_t bits_of(const hone_program *p, hone_stmt block, hone_expr e)
{
    uint32_t bits = 0;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++)
        bits |= (uint32_t)hone_uses_var(p, e, hone_iter_at(p, block, k)->var) << k;
    return bits;
}

/* Of the block's iterators those that move the loaded element along what conditions of its stage
 * speak about. */
static uint32_t spoken_through(const least *l, hone_stmt block, hone_expr load)
{
    const hone_program *p = l->p;
    hone_stmt w = l->writer[hone_expr_at(p, load)->sym];
    uint32_t inner = w.i ? l->spoken[hone_expr_at(p, load)->sym] : 0, bits = 0;
    for (unsigned d = 0; inner && d < hone_expr_at(p, load)->n_args; d++)
        if (bits_of(p, w, hone_store_index(p, w, d)) & inner)
            bits |= bits_of(p, block, hone_expr_arg(p, load, d));
    return bits;
}

typedef struct speaking {
    const least *l;
    hone_stmt block;
    uint32_t bits;
} speaking;

static bool note_spoken(void *ctx, const hone_program *p, hone_expr e)
{
    speaking *s = ctx;
    hone_op op = hone_expr_op(p, e);
    if (op == HONE_OP_SELECT)
        s->bits |= bits_of(p, s->block, hone_expr_arg(p, e, 0));
    else if (op == HONE_OP_LOAD && hone_expr_at(p, e)->sym != hone_stmt_at(p, s->block)->out.i)
        s->bits |= spoken_through(s->l, s->block, e);
    return true;
}

/* The load is of a stage that is a select, as padding is, or made of one, as the exponentials of
 * masked scores are: steps of the sum along the dimensions that its condition speaks about may meet
 * nothing. */
static uint32_t skipped_in(const least *l, hone_expr load)
{
    return spoken_through(l, l->block, load) & reductions(l);
}

/* The share of the iterators' turns in which the arm at hand is chosen. */
static double chosen(const least *l, uint32_t iters)
{
    double share = 1;
    if (l->in.n && !hone_ir__held_share(l->p, l->block, l->in.when, l->in.n, iters, &share))
        return 0;
    return share;
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

/* Elements that a load reads: those of its crooked dimensions, if they can be counted; in each of
 * the others, one for each turn of the longest iterator that moves it and may not be left out. If
 * only a share of the block is needed, at least that share. */
static void need(least *l, hone_expr load, uint32_t skipped)
{
    const hone_expr_row *row = hone_expr_at(l->p, load);
    read r = {.buffer = row->sym, .n = l->share};
    uint32_t used, dims = crooked(l, load);
    unsigned n_dims = row->n_args;
    double distinct;
    hone_var v[HONE_MAX_ITERS];
    for (unsigned k = 0; k < n_iters(l); k++)
        v[k] = iter_at(l, k)->var;
    if (dims && hone_ir__distinct(l->p, l->block, load, dims, &used, &distinct) &&
        !(used & skipped))
        r.n *= distinct;
    else
        used = 0;
    used |= skipped;
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

/* Both arms, for later: what is needed in any case is counted first. In a sum nobody knows what is
 * not needed because it is multiplied by nothing. */
static void put_off(least *l, hone_expr select)
{
    for (unsigned k = 1; k <= 2 && reductions(l) == 0 && l->in.n < MOST_WHEN; k++) {
        arm a = l->in;
        a.value = hone_expr_arg(l->p, select, k);
        a.when[a.n++] = (hone_ir__when){hone_expr_arg(l->p, select, 0), k == 1};
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

/* The stage is a select between what is not masked itself. */
static bool is_plain_select(const least *l, hone_stmt stage)
{
    hone_expr value = hone_stmt_at(l->p, stage)->value;
    speaking about = {.l = l, .block = stage};
    if (hone_expr_op(l->p, value) != HONE_OP_SELECT)
        return false;
    hone_walk(l->p, hone_expr_arg(l->p, value, 1), note_spoken, &about);
    hone_walk(l->p, hone_expr_arg(l->p, value, 2), note_spoken, &about);
    return about.bits == 0;
}

/* Steps that meet something are counted where that is possible. */
static reach of_load(const least *l, hone_expr e)
{
    reach x = {.iters = iters_of(l, e), .share = 1};
    hone_stmt w = l->writer[hone_expr_at(l->p, e)->sym];
    if (!w.i || !is_plain_select(l, w) || !hone_ir__live_share(l->p, l->block, e, w, &x.share)) {
        x.share = 1;
        x.skipped = skipped_in(l, e);
    }
    return x;
}

/* How often what takes n turns of the iterators is computed. Where only the number of the elements
 * that are needed is known, they are those whose turns choose another arm, as far as that goes. */
static double at_least(const least *l, uint32_t iters, double n)
{
    if (l->share == 1)
        return round(chosen(l, iters) * n);
    double both = l->share + chosen(l, UINT32_MAX) - 1;
    return both > 0 ? both * round(n) : 0;
}

static reach visit(least *l, hone_expr e)
{
    hone_program *p = l->p;
    hone_op op = hone_expr_op(p, e);
    reach x = {.share = 1};
    uint32_t known;
    if (hone_memo_find(&l->seen, e.i, &known))
        return l->reaches.v[known];
    if (op == HONE_OP_VAR || op == HONE_OP_SELECT)
        x.iters = iters_of(l, e);
    if (op == HONE_OP_LOAD) {
        x = of_load(l, e);
        if (hone_expr_at(p, e)->sym != hone_stmt_at(p, l->block)->out.i)
            need(l, e, x.skipped);
    } else if (op == HONE_OP_SELECT) {
        x.skipped = iters_of(l, hone_expr_arg(p, e, 0)) & reductions(l);
        put_off(l, e);
    } else {
        for (unsigned k = 0; k < hone_expr_at(p, e)->n_args; k++) {
            reach a = visit(l, hone_expr_arg(p, e, k));
            x.iters |= a.iters;
            x.skipped |= a.skipped;
            /* both meet something, in as few turns as that can be */
            x.share = x.share + a.share > 1 ? x.share + a.share - 1 : 0;
        }
        hone_work kind = kind_of(p, e);
        if (is_arithmetic(op) && kind != HONE_WORK_COUNT &&
            (hone_expr_dtype(p, e) != HONE_I64 || hone_has_load(p, e)))
            l->ops[kind] += at_least(l, x.iters, x.share * turns(l, x.iters & ~x.skipped));
    }
    hone_memo_add(&l->seen, e.i, l->reaches.n);
    hone_vec_push(&l->reaches, x);
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
        speaking about = {.l = l, .block = s};
        hone_walk(p, r.value, note_spoken, &about);
        l->spoken[r.out.i] = about.bits;
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

void hone_program_least_work(hone_program *p, double ret[HONE_WORK_COUNT])
{
    hone_stmt *blocks = hone_xcalloc(p->stmts.n, sizeof *blocks);
    least l = {.p = p, .ops = ret};
    for (int k = 0; k < HONE_WORK_COUNT; k++)
        ret[k] = 0;
    l.writer = hone_xcalloc(p->buffers.n, sizeof *l.writer);
    l.needed = hone_xcalloc(p->buffers.n, sizeof *l.needed);
    l.spoken = hone_xcalloc(p->buffers.n, sizeof *l.spoken);
    l.is_const = hone_xcalloc(p->buffers.n, sizeof *l.is_const);
    for (uint32_t n = look_around(&l, blocks); n-- > 0;) {
        hone_buffer out = hone_stmt_at(p, blocks[n])->out;
        if (!HONE_SAME(l.writer[out.i], blocks[n]) || l.is_const[out.i])
            continue;
        l.block = blocks[n];
        double all = turns(&l, ~reductions(&l)), wanted = l.needed[out.i];
        l.share = hone_buffer_at(p, out)->role == HONE_OUTPUT || wanted > all ? 1 : wanted / all;
        l.in = (arm){.value = hone_stmt_at(p, blocks[n])->value};
        hone_vec_push(&l.arms, l.in);
        while (l.arms.n) {
            l.in = l.arms.v[--l.arms.n];
            visit(&l, l.in.value);
        }
        add_up_reads(&l);
        hone_memo_free(&l.seen);
        l.seen = (hone_memo){0};
        l.reaches.n = 0;
    }
    hone_vec_free(&l.reaches);
    hone_vec_free(&l.arms);
    hone_vec_free(&l.reads);
    free(blocks);
    free(l.writer);
    free(l.needed);
    free(l.spoken);
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
