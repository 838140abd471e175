/* Where a stage's value has to be computed. A select with a constant arm, as padding and causal
 * masks are, is a number known ahead in some turns, and what only leads to such numbers need not be
 * computed: products with padding, scores that are masked and their exponentials. Here conditions
 * are found, for each stage, under which its value depends on data for sure; from below, so that
 * where nobody knows there is nothing to be done.
 *
 * Reader's map: lists; one operation; selects; loads; expressions; stages. */
#include "ir/internal.h"

#include <math.h>

typedef hone_ir__live live;
typedef hone_ir__masks masks;

/* May it be known ahead in some turns? */
static bool is_masked(const live *a)
{
    return a->when.never || a->when.n > 0;
}

static bool has(const hone_ir__whens *all, hone_expr cond)
{
    for (unsigned k = 0; k < all->n; k++)
        if (HONE_SAME(all->v[k], cond))
            return true;
    return false;
}

/* Where all of b hold, do all of a? */
static bool is_part_of(const hone_ir__whens *a, const hone_ir__whens *b)
{
    if (a->never || b->never)
        return b->never;
    for (unsigned k = 0; k < a->n; k++)
        if (!has(b, a->v[k]))
            return false;
    return true;
}

/* Where both have to be computed. */
static live both(masks *m, const live *a, const live *b)
{
    live x = *a;
    hone_ir__when_too(m->p, &x.when, &b->when);
    x.others = HONE_IR__ANY;
    x.may_be_zero = false;
    x.fixed = a->fixed && b->fixed;
    return x;
}

/* Where one of them has: of two lists the one that holds more often, if that can be seen. */
static live either(const live *a, const live *b)
{
    return is_part_of(&a->when, &b->when)   ? *a
           : is_part_of(&b->when, &a->when) ? *b
           : a->when.n <= b->when.n         ? *a
                                            : *b;
}

/* ---- one operation ----------------------------------------------------------------------------
 */

static hone_ir__nothing turned(hone_ir__nothing x)
{
    return x == HONE_IR__LOW ? HONE_IR__HIGH : x == HONE_IR__HIGH ? HONE_IR__LOW : x;
}

/* Is x, where it is known ahead, what leaves the other operand as it is? */
static bool is_neutral(hone_op op, const live *x)
{
    hone_ir__nothing want = op == HONE_OP_MAX   ? HONE_IR__LOW
                            : op == HONE_OP_MIN ? HONE_IR__HIGH
                                                : HONE_IR__ZERO;
    return !is_masked(x) || x->others == want;
}

/* a + b, a - b, max(a, b), min(a, b) */
static live of_sum(masks *m, hone_op op, const live *a, const live *b)
{
    if (is_neutral(op, a) && is_neutral(op, b) && a->fixed == b->fixed)
        return either(a, b);
    if (is_neutral(op, a) && is_neutral(op, b)) { /* what is fixed adds no data */
        live x = a->fixed ? *b : *a;
        x.others = HONE_IR__ANY;
        return x;
    }
    live x = both(m, a, b);
    hone_ir__nothing right = op == HONE_OP_SUB ? turned(b->others) : b->others;
    if (op != HONE_OP_ADD && op != HONE_OP_SUB)
        return x;
    if (is_masked(a) && is_masked(b))
        x.others = a->others == right ? right : HONE_IR__ANY;
    else
        x.others = is_masked(a) ? a->others : right;
    return x;
}

static live of_product(masks *m, const live *a, const live *b)
{
    live x = both(m, a, b);
    if ((!is_masked(a) || a->others == HONE_IR__ZERO) &&
        (!is_masked(b) || b->others == HONE_IR__ZERO))
        x.others = HONE_IR__ZERO;
    x.when.never = x.when.never || a->may_be_zero || b->may_be_zero;
    return x;
}

static live of_two(masks *m, hone_op op, const live *a, const live *b)
{
    switch (op) {
    case HONE_OP_ADD:
    case HONE_OP_SUB:
    case HONE_OP_MIN:
    case HONE_OP_MAX:
        return of_sum(m, op, a, b);
    case HONE_OP_MUL:
        return of_product(m, a, b);
    default: {
        live x = both(m, a, b);
        if (op == HONE_OP_DIV && !is_masked(b))
            x.others = a->others == HONE_IR__ZERO ? HONE_IR__ZERO : HONE_IR__ANY;
        x.when.never = x.when.never || a->may_be_zero;
        return x;
    }
    }
}

/* With a number that is known ahead, the operand at `at`. */
static live with_known(masks *m, hone_op op, live x, hone_expr number, unsigned at)
{
    const hone_expr_row *r = hone_expr_at(m->p, number);
    bool is_zero = x.others == HONE_IR__ZERO;
    double v = r->op == HONE_OP_FLOAT ? r->imm.f : r->op == HONE_OP_INT ? (double)r->imm.i : NAN;
    if (op == HONE_OP_ADD || op == HONE_OP_SUB) {
        x.others = is_zero                        ? HONE_IR__ANY
                   : op == HONE_OP_SUB && at == 0 ? turned(x.others)
                                                  : x.others;
        x.may_be_zero = false;
    } else if (op == HONE_OP_MUL || (op == HONE_OP_DIV && at == 1)) {
        if (!is_zero)
            x.others = v > 0 ? x.others : v < 0 ? turned(x.others) : HONE_IR__ANY;
        x.when.never = x.when.never || v == 0;
    } else if (!is_zero || v != 0 || (op != HONE_OP_MIN && op != HONE_OP_MAX)) {
        x.others = HONE_IR__ANY;
    }
    return x;
}

static live of_one(hone_op op, live x)
{
    hone_ir__nothing was = x.others;
    switch (op) {
    case HONE_OP_CAST:
        return x;
    case HONE_OP_SQRT:
    case HONE_OP_TANH:
    case HONE_OP_ERF:
    case HONE_OP_ABS:
    case HONE_OP_FLOOR:
    case HONE_OP_CEIL:
    case HONE_OP_ROUND:
    case HONE_OP_SIN:
    case HONE_OP_ATAN:
        x.others = was == HONE_IR__ZERO ? was : HONE_IR__ANY;
        break;
    case HONE_OP_EXP:
    case HONE_OP_SIGMOID:
        x.others = was == HONE_IR__LOW ? HONE_IR__ZERO : HONE_IR__ANY;
        break;
    default:
        x.others = HONE_IR__ANY;
    }
    return x;
}

/* ---- selects ----------------------------------------------------------------------------------
 */

static hone_ir__nothing nothing_of(const hone_program *p, hone_expr number)
{
    const hone_expr_row *r = hone_expr_at(p, number);
    double v = r->op == HONE_OP_FLOAT ? r->imm.f : r->op == HONE_OP_INT ? (double)r->imm.i : NAN;
    return v == 0              ? HONE_IR__ZERO
           : isinf(v) && v < 0 ? HONE_IR__LOW
           : isinf(v)          ? HONE_IR__HIGH
                               : HONE_IR__ANY;
}

static bool is_far(hone_ir__nothing x)
{
    return x == HONE_IR__LOW || x == HONE_IR__HIGH;
}

/* Of two numbers: a mask that is added, of 0 and -inf, or one that is multiplied by, of 1 and 0. */
static live of_numbers(masks *m, hone_expr select)
{
    hone_program *p = m->p;
    hone_expr cond = hone_expr_arg(p, select, 0);
    hone_ir__nothing a = nothing_of(p, hone_expr_arg(p, select, 1));
    hone_ir__nothing b = nothing_of(p, hone_expr_arg(p, select, 2));
    live x = {.known = a == b};
    bool first = is_far(a) || (a == HONE_IR__ZERO && !is_far(b)); /* is nothing */
    x.others = first ? a : b;
    x.may_be_zero = !x.known && (first ? b : a) == HONE_IR__ZERO;
    if (!x.known)
        hone_ir__when(p, &x.when, cond, !first);
    return x;
}

static bool depends_on_data(const masks *m, hone_expr e);

static live of_select(masks *m, hone_expr e, const live *args)
{
    hone_program *p = m->p;
    const live *a = &args[1], *b = &args[2];
    hone_expr cond = hone_expr_arg(p, e, 0);
    bool asks_data = depends_on_data(m, cond);
    bool fixed_a = a->known || a->fixed, fixed_b = b->known || b->fixed;
    live x;
    if (fixed_a && fixed_b) {
        x = asks_data ? (live){.when.never = true} : of_numbers(m, e);
        hone_ir__when_too(p, &x.when, &a->when);
        hone_ir__when_too(p, &x.when, &b->when);
        x.known = x.known && !is_masked(&x);
        x.fixed = !x.known && !asks_data;
    } else if (!fixed_a && !fixed_b) {
        x = both(m, a, b);
        x.others = !is_masked(a) || a->others == b->others ? b->others
                   : !is_masked(b)                         ? a->others
                                                           : HONE_IR__ANY;
        x.may_be_zero = a->may_be_zero || b->may_be_zero;
    } else {
        x = fixed_a ? *b : *a;
        hone_ir__nothing other = nothing_of(p, hone_expr_arg(p, e, fixed_a ? 1 : 2));
        x.others = !is_masked(&x) || x.others == other ? other : HONE_IR__ANY;
        hone_ir__when(p, &x.when, cond, fixed_b);
    }
    return x;
}

/* ---- loads ------------------------------------------------------------------------------------
 */

/* The iterators of a stage as its reader has them. False: one of those in `used` is none of its
 * store's indices. */
static bool find_args(masks *m, hone_expr load, hone_stmt w, uint32_t used, hone_var *from,
                      hone_expr *to, unsigned *n)
{
    hone_program *p = m->p;
    *n = 0;
    for (unsigned k = 0; k < hone_stmt_at(p, w)->n_iters; k++) {
        hone_var v = hone_iter_at(p, w, k)->var;
        unsigned d = 0;
        while (d < hone_stmt_at(p, w)->n_index &&
               !(hone_expr_op(p, hone_store_index(p, w, d)) == HONE_OP_VAR &&
                 hone_expr_at(p, hone_store_index(p, w, d))->sym == v.i))
            d++;
        if (d == hone_stmt_at(p, w)->n_index) {
            if (used >> k & 1)
                return false;
            continue;
        }
        from[*n] = v;
        to[(*n)++] = hone_expr_arg(p, load, d);
    }
    return true;
}

static live of_load(masks *m, hone_expr e)
{
    hone_program *p = m->p;
    uint32_t b = hone_expr_at(p, e)->sym, used = 0;
    hone_stmt w = m->writer[b];
    hone_var from[HONE_MAX_ITERS];
    hone_expr to[HONE_MAX_ITERS];
    unsigned n;
    if (hone_buffer_at(p, (hone_buffer){b})->role == HONE_INPUT)
        return (live){.known = m->is_const[b]};
    if (!w.i)
        return (live){.known = m->is_const[b], .when.never = !m->is_const[b]};
    live x = m->by_buffer[b];
    hone_ir__whens of_stage = x.when;
    x.when.n = 0;
    for (unsigned k = 0; k < of_stage.n; k++)
        used |= hone_ir__iters_of(p, w, of_stage.v[k]);
    if (!find_args(m, e, w, used, from, to, &n))
        x.when.never = true;
    for (unsigned k = 0; k < of_stage.n; k++)
        hone_ir__when(p, &x.when, hone_substitute(p, of_stage.v[k], from, to, n), true);
    return x;
}

/* ---- expressions ------------------------------------------------------------------------------
 */

typedef struct dependence {
    const bool *is_const;
    bool found;
} dependence;

static bool look_for_data(void *ctx, const hone_program *p, hone_expr e)
{
    dependence *d = ctx;
    if (hone_expr_op(p, e) == HONE_OP_LOAD)
        d->found = d->found || !d->is_const[hone_expr_at(p, e)->sym];
    return !d->found;
}

static bool depends_on_data(const masks *m, hone_expr e)
{
    dependence d = {m->is_const, false};
    hone_walk(m->p, e, look_for_data, &d);
    return d.found;
}

static live live_of(masks *m, hone_expr e);

/* Of what is no leaf. */
static live of_node(masks *m, hone_expr e)
{
    hone_program *p = m->p;
    hone_op op = hone_expr_op(p, e);
    live a[3];
    unsigned n = hone_expr_at(p, e)->n_args;
    for (unsigned k = 0; k < n; k++)
        a[k] = live_of(m, hone_expr_arg(p, e, k));
    if (op == HONE_OP_SELECT)
        return of_select(m, e, a);
    if (n == 1)
        return of_one(op, a[0]);
    if (a[0].known && a[1].known)
        return (live){.known = true};
    if (a[0].known || a[1].known)
        return with_known(m, op, a[a[0].known], hone_expr_arg(p, e, !a[0].known), !a[0].known);
    return of_two(m, op, &a[0], &a[1]);
}

static live live_of(masks *m, hone_expr e)
{
    uint32_t at;
    if (hone_memo_find(&m->seen, e.i, &at))
        return m->found.v[at];
    live x = hone_expr_op(m->p, e) == HONE_OP_LOAD ? of_load(m, e)
             : hone_expr_at(m->p, e)->n_args > 0   ? of_node(m, e)
                                                   : (live){.known = true};
    hone_memo_add(&m->seen, e.i, m->found.n);
    hone_vec_push(&m->found, x);
    return x;
}

bool hone_ir__masks_may_be_zero(masks *m, hone_expr e)
{
    return live_of(m, e).may_be_zero;
}

static bool is_zero(const hone_program *p, hone_expr e)
{
    const hone_expr_row *r = hone_expr_at(p, e);
    return (r->op == HONE_OP_FLOAT && r->imm.f == 0) || (r->op == HONE_OP_INT && r->imm.i == 0);
}

static void add_all(masks *m, hone_expr e, hone_ir__whens *to, hone_memo *seen)
{
    hone_program *p = m->p;
    hone_op op = hone_expr_op(p, e);
    if (!hone_memo_first(seen, e.i))
        return;
    bool is_own = op == HONE_OP_LOAD && hone_expr_at(p, e)->sym == hone_stmt_at(p, m->block)->out.i;
    if ((op == HONE_OP_LOAD || op == HONE_OP_SELECT) && !is_own) {
        live x = live_of(m, e);
        hone_ir__when_too(p, to, &x.when);
    }
    if (op == HONE_OP_MUL)
        to->never =
            to->never || is_zero(p, hone_expr_arg(p, e, 0)) || is_zero(p, hone_expr_arg(p, e, 1));
    for (unsigned k = 0; op != HONE_OP_SELECT && k < hone_expr_at(p, e)->n_args; k++)
        add_all(m, hone_expr_arg(p, e, k), to, seen);
}

void hone_ir__masks_all(masks *m, hone_expr e, hone_ir__whens *to)
{
    hone_memo seen = {0};
    add_all(m, e, to, &seen);
    hone_memo_free(&seen);
}

/* ---- stages -----------------------------------------------------------------------------------
 */

void hone_ir__masks_turn(masks *m, hone_stmt block)
{
    hone_memo_free(&m->seen);
    m->seen = (hone_memo){0};
    m->found.n = 0;
    m->block = block;
}

static uint32_t kept(const hone_program *p, hone_stmt block)
{
    uint32_t bits = 0;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++)
        bits |= (uint32_t)(hone_iter_at(p, block, k)->kind != HONE_REDUCE) << k;
    return bits;
}

/* The conditions with all reductions at their first step, their middle or their last. */
static hone_ir__whens at_step(masks *m, const hone_ir__whens *all, int which)
{
    hone_program *p = m->p;
    hone_var from[HONE_MAX_ITERS];
    hone_expr to[HONE_MAX_ITERS];
    unsigned n = 0;
    hone_ir__whens x = {.never = all->never};
    for (unsigned k = 0; k < hone_stmt_at(p, m->block)->n_iters; k++) {
        hone_iter it = *hone_iter_at(p, m->block, k);
        int64_t last = hone_var_at(p, it.var)->extent - 1;
        if (it.kind != HONE_REDUCE)
            continue;
        from[n] = it.var;
        to[n++] = hone_int(p, last * which / 2);
    }
    for (unsigned k = 0; k < all->n; k++)
        hone_ir__when(p, &x, hone_substitute(p, all->v[k], from, to, n), true);
    return x;
}

/* Does one step that is nothing make all of it known? */
static bool is_spoilt(hone_op op, hone_ir__nothing x)
{
    return op == HONE_OP_MUL || (op == HONE_OP_ADD && is_far(x)) ||
           (op == HONE_OP_MAX && x == HONE_IR__HIGH) || (op == HONE_OP_MIN && x == HONE_IR__LOW);
}

/* Of a sum, or maximum: something where one of its steps is. */
static live over_steps(masks *m, hone_op op, live x)
{
    hone_program *p = m->p;
    uint32_t iters = kept(p, m->block);
    double share, most = -1;
    if (!is_masked(&x))
        return x;
    if (is_spoilt(op, x.others)) {
        x.when.never = true;
        return x;
    }
    hone_ir__whens all = x.when;
    if (hone_ir__held_share(p, m->block, &all, iters, &share) && share == 1) {
        x.when = (hone_ir__whens){0};
        return x;
    }
    x.when.never = true;
    for (int which = 0; which < 3; which++) {
        hone_ir__whens some = at_step(m, &all, which);
        if (hone_ir__held_share(p, m->block, &some, iters, &share) && share > most) {
            most = share;
            x.when = some;
        }
    }
    return x;
}

void hone_ir__masks_of_stage(masks *m, hone_stmt block)
{
    hone_stmt_row r = *hone_stmt_at(m->p, block);
    hone_op op;
    hone_expr operand;
    hone_ir__masks_turn(m, block);
    if (!r.init.i)
        m->by_buffer[r.out.i] = live_of(m, r.value);
    else if (hone_block_reduction(m->p, block, &op, &operand))
        m->by_buffer[r.out.i] = over_steps(m, op, live_of(m, operand));
    else
        m->by_buffer[r.out.i] = (live){.when.never = true};
}
