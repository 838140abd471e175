/* What blocks read and write.
 *
 * Reader's map
 *   loads, reductions, readers, writers
 *   dependence on inputs
 *   boxes      hone_access_box: an index as a start that stands still plus a constant width */
#include "ir/affine_sum.h"

#include <math.h>

/* ---- loads, readers, writers ----------------------------------------------------------------- */

/* Is e the load of the element that the block stores? */
static bool is_own(const hone_program *p, const hone_stmt_row *block, hone_expr e)
{
    const hone_expr_row *r = hone_expr_at(p, e);
    return r->op == HONE_OP_LOAD && r->sym == block->out.i && r->n_args == block->n_index &&
           (r->n_args == 0 ||
            memcmp(p->args.v + r->args, p->args.v + block->index, r->n_args * sizeof e) == 0);
}

typedef struct {
    hone_stmt_row block;
    hone_expr *ret;
    unsigned n, max;
} loads;

static bool add_load(void *ctx, const hone_program *p, hone_expr e)
{
    loads *l = ctx;
    if (hone_expr_op(p, e) != HONE_OP_LOAD)
        return true;
    if (l->block.init.i && is_own(p, &l->block, e))
        return false;
    if (l->n < l->max)
        l->ret[l->n] = e;
    l->n++;
    return true;
}

unsigned hone_block_loads(const hone_program *p, hone_stmt block, hone_expr *ret, unsigned max)
{
    loads l = {.block = *hone_stmt_at(p, block), .ret = ret, .max = max};
    if (l.block.out.i)
        hone_walk(p, l.block.value, add_load, &l);
    return l.n;
}

bool hone_block_reduction(const hone_program *p, hone_stmt block, hone_op *ret_op,
                          hone_expr *ret_operand)
{
    const hone_stmt_row *row = hone_stmt_at(p, block);
    if (!row->init.i || !row->value.i)
        return false;
    hone_op op = hone_expr_op(p, row->value);
    if (op != HONE_OP_ADD && op != HONE_OP_MUL && op != HONE_OP_MIN && op != HONE_OP_MAX)
        return false;
    for (unsigned k = 0; k < 2; k++) {
        hone_expr operand = hone_expr_arg(p, row->value, 1 - k);
        if (is_own(p, row, hone_expr_arg(p, row->value, k)) &&
            !hone_uses_buffer(p, operand, row->out)) {
            *ret_op = op;
            *ret_operand = operand;
            return true;
        }
    }
    return false;
}

hone_expr hone_identity_of(hone_program *p, hone_op op, hone_dtype t)
{
    static const struct {
        double lo, hi;
    } range[HONE_DTYPE_COUNT] = {
        [HONE_I32] = {INT32_MIN, INT32_MAX},
        [HONE_I16] = {INT16_MIN, INT16_MAX},
        [HONE_I8] = {INT8_MIN, INT8_MAX},
        [HONE_U8] = {0, UINT8_MAX},
    };
    if (op == HONE_OP_ADD || op == HONE_OP_MUL)
        return hone_const(p, t, op == HONE_OP_MUL);
    if (hone_dtype_is_float(t))
        return hone_const(p, t, op == HONE_OP_MAX ? -(double)INFINITY : (double)INFINITY);
    if (t == HONE_I64)
        return hone_int(p, op == HONE_OP_MAX ? INT64_MIN : INT64_MAX);
    return hone_const(p, t, op == HONE_OP_MAX ? range[t].lo : range[t].hi);
}

hone_stmt hone_writer_of(const hone_program *p, hone_buffer b)
{
    for (hone_stmt s = p->root; s.i && b.i; s = hone_next(p, p->root, s))
        if (hone_is_block(p, s) && HONE_SAME(hone_stmt_at(p, s)->out, b))
            return s;
    return HONE_NO_STMT;
}

/* Does a reduction's value read its buffer elsewhere than at the element it stores? */
typedef struct {
    hone_stmt_row block;
    bool found;
} other;

static bool find_other(void *ctx, const hone_program *p, hone_expr e)
{
    other *o = ctx;
    const hone_expr_row *r = hone_expr_at(p, e);
    if (r->op != HONE_OP_LOAD)
        return !o->found;
    if (is_own(p, &o->block, e))
        return false;
    o->found |= r->sym == o->block.out.i;
    return !o->found;
}

static bool reads(const hone_program *p, hone_stmt s, hone_buffer b)
{
    const hone_stmt_row *row = hone_stmt_at(p, s);
    if (row->init.i && hone_uses_buffer(p, row->init, b))
        return true;
    for (unsigned k = 0; k < row->n_index; k++)
        if (hone_uses_buffer(p, hone_store_index(p, s, k), b))
            return true;
    if (!hone_uses_buffer(p, row->value, b))
        return false;
    if (!row->init.i || !HONE_SAME(row->out, b))
        return true;
    other o = {.block = *row};
    hone_walk(p, row->value, find_other, &o);
    return o.found;
}

unsigned hone_readers_of(const hone_program *p, hone_buffer b, hone_stmt *ret, unsigned max)
{
    unsigned n = 0;
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s))
        if (hone_is_block(p, s) && hone_stmt_at(p, s)->out.i && reads(p, s, b)) {
            if (n < max)
                ret[n] = s;
            n++;
        }
    return n;
}

hone_expr hone_bind(hone_program *p, hone_stmt block, hone_expr e)
{
    hone_var from[HONE_MAX_ITERS];
    hone_expr to[HONE_MAX_ITERS];
    unsigned n = hone_stmt_at(p, block)->n_iters;
    for (unsigned k = 0; k < n; k++) {
        from[k] = hone_iter_at(p, block, k)->var;
        to[k] = hone_iter_at(p, block, k)->binding;
    }
    return hone_substitute(p, e, from, to, n);
}

/* ---- dependence on inputs -------------------------------------------------------------------- */

typedef struct dependence {
    const bool *varies;
    bool found;
} dependence;

static bool look_for_varying(void *ctx, const hone_program *p, hone_expr e)
{
    dependence *d = ctx;
    if (hone_expr_op(p, e) == HONE_OP_LOAD)
        d->found = d->found || d->varies[hone_expr_at(p, e)->sym];
    return !d->found;
}

void hone_find_varying(const hone_program *p, bool *ret)
{
    for (uint32_t b = 1; b < p->buffers.n; b++)
        ret[b] = p->buffers.v[b].role == HONE_INPUT && hone_buffer_count(p, (hone_buffer){b}) > 0;
    for (bool more = true; more;) {
        more = false;
        for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s)) {
            const hone_stmt_row *r = hone_stmt_at(p, s);
            if (r->kind != HONE_BLOCK || !r->out.i || ret[r->out.i])
                continue;
            dependence d = {ret, false};
            hone_walk(p, r->value, look_for_varying, &d);
            hone_walk(p, r->init, look_for_varying, &d);
            hone_walk(p, r->where, look_for_varying, &d);
            for (unsigned k = 0; k < r->n_index; k++)
                hone_walk(p, hone_store_index(p, s, k), look_for_varying, &d);
            ret[r->out.i] = d.found;
            more = more || d.found;
        }
    }
}

/* ---- boxes ----------------------------------------------------------------------------------- */

/* Values of one index: start over variables that stand still, and start .. start + width - 1. */
typedef struct {
    hone_ir__sum start;
    int64_t width;
} interval;

/* Which variables run and which stand still. */
typedef struct {
    hone_ir__env *env;
    hone_var inner[64];
    unsigned n_inner;
} mover;

static bool moves_var(const mover *m, uint32_t v)
{
    for (unsigned k = 0; k < m->n_inner; k++)
        if (m->inner[k].i == v)
            return true;
    return false;
}

typedef struct {
    const mover *m;
    bool inner, outer; /* uses variables that run, that stand still */
} usage;

static bool note_use(void *ctx, const hone_program *p, hone_expr e)
{
    usage *u = ctx;
    const hone_expr_row *r = hone_expr_at(p, e);
    if (r->op == HONE_OP_VAR) {
        bool moves = moves_var(u->m, r->sym);
        u->inner |= moves;
        u->outer |= !moves;
    } else if (r->op == HONE_OP_LOAD) {
        u->inner = u->outer = true; /* what is in memory may change with any loop */
    }
    return !(u->inner && u->outer);
}

static usage use_of(const mover *m, hone_expr e)
{
    usage u = {.m = m};
    hone_walk(m->env->p, e, note_use, &u);
    return u;
}

static bool interval_of(const mover *m, const hone_ir__sum *s, interval *ret, int depth);

/* floor(root / l) for a root in both kinds of variables. With the root from x to x + width - 1, and
 * x = h*n + x.base for a divisor h of l, x % l is at most l - h + x.base % h. */
static bool quotient_interval(const mover *m, const interval *x, int64_t l, interval *ret)
{
    int64_t h = l, rest;
    for (int k = 0; k < x->start.n; k++)
        h = hone_gcd(h, x->start.t[k].c);
    rest = x->start.base % h;
    rest = l - h + (rest < 0 ? rest + h : rest);
    if (__builtin_add_overflow(rest, x->width - 1, &rest))
        return false;
    ret->width = rest / l + 1;
    hone_ir__sum_clear(&ret->start);
    return hone_ir__divide(m->env, &x->start, l, 1, &ret->start, HONE_NO_EXPR);
}

static bool constant_interval(mover const *m, hone_expr e, interval *ret)
{
    int64_t lo, hi;
    hone_ir__range(m->env, e, &lo, &hi);
    hone_ir__sum_clear(&ret->start);
    ret->start.base = lo;
    return hone_ir__known(lo, hi) && !__builtin_sub_overflow(hi, lo, &ret->width) &&
           !__builtin_add_overflow(ret->width, 1, &ret->width);
}

/* min and max of two moving operands move no further than either. */
static bool choice_interval(const mover *m, hone_expr e, interval *ret, int depth)
{
    hone_ir__env *env = m->env;
    hone_op op = hone_expr_op(env->p, e);
    hone_expr start[2];
    ret->width = 1;
    for (unsigned k = 0; k < 2; k++) {
        hone_ir__sum s;
        interval x;
        hone_ir__sum_clear(&s);
        if (!hone_ir__sum_expr(env, hone_expr_arg(env->p, e, k), 1, &s) ||
            !interval_of(m, &s, &x, depth))
            return false;
        ret->width = x.width > ret->width ? x.width : ret->width;
        start[k] = hone_ir__emit(env, &x.start);
        if (!start[k].i)
            return false;
    }
    hone_ir__sum_clear(&ret->start);
    return hone_ir__sum_expr(env, hone_binary(env->w, op, start[0], start[1]), 1, &ret->start);
}

static bool mixed_interval(const mover *m, const hone_ir__term *t, interval *ret, int depth)
{
    hone_ir__env *env = m->env;
    hone_op op = hone_expr_op(env->p, t->root);
    interval x;
    bool ok = false;
    if (t->m) { /* wraps round somewhere: all of 0 .. m-1 */
        hone_ir__sum_clear(&ret->start);
        ret->width = t->m;
        return true;
    }
    if (depth > 0 && t->compound) {
        hone_ir__sum s;
        hone_ir__sum_clear(&s);
        ok = hone_ir__sum_expr(env, t->root, 1, &s) && interval_of(m, &s, &x, depth - 1);
    } else if (depth > 0 && (op == HONE_OP_MIN || op == HONE_OP_MAX)) {
        ok = choice_interval(m, t->root, &x, depth - 1);
    }
    if (!ok && !constant_interval(m, t->root, &x))
        return false;
    if (t->l > 1)
        return quotient_interval(m, &x, t->l, ret);
    *ret = x;
    return true;
}

/* ret += c * x */
static bool interval_add(interval *ret, const interval *x, int64_t c)
{
    int64_t grow, shift;
    if (__builtin_mul_overflow(x->width - 1, c < 0 ? -c : c, &grow) ||
        __builtin_add_overflow(ret->width, grow, &ret->width) ||
        !hone_ir__sum_add(&ret->start, &x->start, c))
        return false;
    shift = c < 0 ? -grow : 0;
    return hone_ir__sum_const(&ret->start, shift, 1);
}

static bool interval_of(const mover *m, const hone_ir__sum *s, interval *ret, int depth)
{
    hone_ir__sum d, inner;
    int64_t lo, hi;
    if (!hone_ir__digits(m->env, s, &d))
        return false;
    hone_ir__sum_clear(&ret->start);
    hone_ir__sum_clear(&inner);
    ret->start.base = d.base;
    ret->width = 1;
    for (int k = 0; k < d.n; k++) {
        const hone_ir__term *t = &d.t[k];
        usage u = use_of(m, t->root);
        if (!u.inner) {
            if (!hone_ir__sum_digit(m->env, &ret->start, t, 1))
                return false;
        } else if (!u.outer) {
            inner.t[inner.n++] = *t;
        } else {
            interval x;
            if (!mixed_interval(m, t, &x, depth) || !interval_add(ret, &x, t->c))
                return false;
        }
    }
    hone_ir__digits_range(&inner, &lo, &hi);
    int64_t more;
    return hone_ir__known(lo, hi) && !__builtin_sub_overflow(hi, lo, &more) &&
           !__builtin_add_overflow(ret->width, more, &ret->width) &&
           hone_ir__sum_const(&ret->start, lo, 1);
}

/* The variables of what runs: loops (and iterators of blocks of statements) between the block and
 * `below`, both included where they are not the block itself. */
static bool find_inner(const hone_program *p, hone_stmt block, hone_stmt below, mover *m)
{
    m->n_inner = 0;
    if (HONE_SAME(block, below))
        return true;
    for (hone_stmt s = hone_stmt_at(p, block)->parent; s.i; s = hone_stmt_at(p, s)->parent) {
        const hone_stmt_row *row = hone_stmt_at(p, s);
        unsigned n = row->kind == HONE_LOOP ? 1 : row->n_iters;
        if (m->n_inner + n > HONE_LEN(m->inner))
            return false;
        for (unsigned k = 0; k < n; k++)
            m->inner[m->n_inner++] =
                row->kind == HONE_LOOP ? row->var : p->iters.v[row->iters + k].var;
        if (HONE_SAME(s, below))
            return true;
    }
    return !below.i;
}

bool hone_access_box(hone_program *p, hone_buffer b, const hone_expr *index, hone_stmt block,
                     hone_stmt below, hone_box *ret)
{
    const hone_buffer_row shape = *hone_buffer_at(p, b);
    hone_ir__env env = hone_ir__env_of(p, p, NULL, 0);
    mover m = {.env = &env};
    bool ok = find_inner(p, block, below, &m);
    for (unsigned k = 0; k < shape.n_dims; k++) {
        hone_ir__sum s;
        interval x;
        hone_ir__sum_clear(&s);
        ok = ok && hone_ir__sum_expr(&env, index[k], 1, &s) && interval_of(&m, &s, &x, 4);
        bool all = !ok || x.width >= shape.shape[k];
        ret->extent[k] = all ? shape.shape[k] : x.width;
        ret->start[k] = all ? hone_int(p, 0) : hone_ir__emit(&env, &x.start);
        ok = ok && ret->start[k].i;
    }
    for (unsigned k = 0; !ok && k < shape.n_dims; k++) {
        ret->extent[k] = shape.shape[k];
        ret->start[k] = hone_int(p, 0);
    }
    return ok;
}
