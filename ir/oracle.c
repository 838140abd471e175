/* The oracle of a program, stage by stage.
 *
 * A block of p becomes one block for its value and one for its bound, where that is not 0. A float
 * sum becomes three sums, of the terms, their absolute values and their bounds, and two blocks that
 * conclude from these. Where 16-bit sums are rounded at each step, p itself is there too. */
#include "ir/oracle_internal.h"

#include <float.h>
#include <math.h>

static hone_expr num(oracle *c, double x)
{
    return hone_const(c->o, HONE_F64, x);
}

static hone_expr op2(oracle *c, hone_op op, hone_expr a, hone_expr b)
{
    return hone_binary(c->o, op, a, b);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* Begins a block over the iterators of p's block `from`, with or without those of its reduction,
 * and forgets what was translated for another. */
static hone_stmt begin(oracle *c, hone_stmt from, bool steps, hone_buffer out)
{
    hone_stmt at = c->o->root, loops[HONE_MAX_ITERS];
    unsigned n = hone_stmt_at(c->p, from)->n_iters;
    for (unsigned k = 0; k < n; k++) {
        const hone_iter *it = hone_iter_at(c->p, from, k);
        if (it->kind == HONE_REDUCE && !steps)
            continue;
        const hone_var_row *v = hone_var_at(c->p, it->var);
        loops[k] = hone_loop_new(c->o, hone_sym_text(c->p, v->name), v->extent);
        hone_stmt_append(c->o, at, loops[k]);
        at = loops[k];
    }
    char name[320];
    snprintf(name, sizeof name, "%.300s", hone_sym_text(c->o, hone_buffer_at(c->o, out)->name));
    hone_stmt block = hone_block_new(c->o, name);
    for (unsigned k = 0; k < n; k++) {
        const hone_iter *it = hone_iter_at(c->p, from, k);
        if (it->kind == HONE_REDUCE && !steps)
            continue;
        const hone_var_row *v = hone_var_at(c->p, it->var);
        hone_expr bind = hone_var_expr(c->o, hone_stmt_at(c->o, loops[k])->var);
        hone_var var = hone_block_add_iter(c->o, block, hone_sym_text(c->p, v->name),
                                           (hone_iter_kind)it->kind, v->extent, bind);
        c->vars[it->var.i] = hone_var_expr(c->o, var);
    }
    hone_stmt_append(c->o, at, block);
    memset(c->memo, 0, c->p->exprs.n * sizeof *c->memo);
    return block;
}

static unsigned place(oracle *c, hone_stmt from, hone_expr *ret)
{
    unsigned n = hone_stmt_at(c->p, from)->n_index;
    for (unsigned k = 0; k < n; k++)
        ret[k] = hone_oracle__translate(c, hone_store_index(c->p, from, k)).v;
    return n;
}

static void store(oracle *c, hone_stmt block, hone_stmt from, hone_buffer out, hone_expr value,
                  hone_expr init)
{
    hone_expr index[HONE_MAX_DIMS];
    unsigned n = place(c, from, index);
    hone_block_set_store(c->o, block, out, index, n, value, init);
}

static hone_expr load(oracle *c, hone_stmt from, hone_buffer b)
{
    hone_expr index[HONE_MAX_DIMS];
    unsigned n = place(c, from, index);
    return hone_load(c->o, b, index, n);
}

/* A buffer of b's shape and name. */
static hone_buffer like(oracle *c, hone_buffer b, const char *suffix, hone_dtype t, hone_role role)
{
    const hone_buffer_row *r = hone_buffer_at(c->p, b);
    char name[320];
    snprintf(name, sizeof name, "%.250s%s", hone_sym_text(c->p, r->name), suffix);
    return hone_buffer_new(c->o, name, t, r->shape, r->n_dims, role, HONE_GLOBAL);
}

/* ---- elementwise stages ---------------------------------------------------------------------- */

typedef shadow (*shadow_fn)(oracle *c, hone_stmt from, const void *ctx);

static hone_expr as_number(oracle *c, hone_expr e)
{
    if (!e.i)
        return num(c, 0);
    return hone_expr_dtype(c->o, e) == HONE_BOOL ? hone_select(c->o, e, num(c, 1), num(c, 0)) : e;
}

/* The blocks that store the shadow which fn makes of an element. */
static void conclude(oracle *c, hone_stmt from, shadow_fn fn, const void *ctx)
{
    hone_buffer out = hone_stmt_at(c->p, from)->out;
    hone_role role = (hone_role)hone_buffer_at(c->p, out)->role;
    hone_stmt block = begin(c, from, false, c->value[out.i]);
    shadow s = fn(c, from, ctx);
    store(c, block, from, c->value[out.i], s.v, HONE_NO_EXPR);
    c->quantum[out.i] = s.q;
    hone_buffer error = c->error[out.i]; /* of an output */
    if (role == HONE_TEMP && s.e.i)
        error = like(c, out, HONE_ORACLE_ERROR, HONE_F64, HONE_TEMP);
    if (!error.i)
        return;
    block = begin(c, from, false, error);
    s = fn(c, from, ctx);
    store(c, block, from, error, as_number(c, s.e), HONE_NO_EXPR);
    c->error[out.i] = error;
}

static shadow in_its_dtype(oracle *c, shadow s, hone_dtype t)
{
    if (t == HONE_F32)
        return hone_oracle__bounded(c, s, hone_oracle__stored_as(t));
    return t == HONE_F16 || t == HONE_BF16 ? hone_oracle__as_stored(c, s, t) : s;
}

static shadow its_shadow(oracle *c, hone_stmt from, const void *ctx)
{
    (void)ctx;
    hone_expr value = hone_stmt_at(c->p, from)->value;
    shadow s = hone_oracle__translate(c, value);
    hone_op op = (hone_op)hone_expr_at(c->p, value)->op;
    if (op == HONE_OP_CAST || op == HONE_OP_LOAD) /* rounded already, and once is enough */
        return s;
    return in_its_dtype(c, s, (hone_dtype)hone_expr_at(c->p, value)->dtype);
}

/* ---- reductions ------------------------------------------------------------------------------ */

typedef struct reduction {
    hone_op op;
    hone_dtype dtype;
    hone_expr operand;
    double steps;
    hone_buffer value, size, error, grown; /* but for value: none where not needed */
    quantum quantum;                       /* of the operand */
} reduction;

typedef enum part { VALUE, SIZE, ERROR, MOST, GROWN } part;

/* One part of the operand reduced by op into `out`; returns the operand's shadow. */
static shadow reduce(oracle *c, hone_stmt from, const reduction *r, hone_buffer out, hone_op op,
                     hone_expr init, part which)
{
    hone_stmt block = begin(c, from, true, out);
    shadow s = r->op == HONE_OP_ADD ? hone_oracle__translate_term(c, r->operand)
                                    : hone_oracle__translate(c, r->operand);
    hone_expr term = s.v;
    if (which == SIZE || which == MOST || which == GROWN)
        term = hone_unary(c->o, HONE_OP_ABS, s.v);
    if (which == MOST || which == GROWN)
        term = hone_oracle__plus(c, term, s.e);
    if (which == GROWN)
        term = op2(c, HONE_OP_MAX, term, num(c, 1));
    if (which == ERROR)
        term = as_number(c, s.e);
    store(c, block, from, out, op2(c, op, load(c, from, out), term), init);
    return s;
}

/* What the roundings of r->steps operations in any order may add up to, relatively. */
static double relative_cost(const reduction *r)
{
    double nu = r->steps * hone_oracle__stored_as(r->dtype).unit;
    return nu < 0.5 ? nu / (1 - nu) : nu;
}

/* Higham, sec. 4.2: any order of summation is off by at most (n - 1) u sum |x|, to first order. */
static shadow concluded_sum(oracle *c, hone_stmt from, const void *ctx)
{
    const reduction *r = ctx;
    precision p = hone_oracle__stored_as(r->dtype);
    hone_expr v = load(c, from, r->value), size = load(c, from, r->size), zero = num(c, 0);
    hone_expr carried = r->error.i ? load(c, from, r->error) : HONE_NO_EXPR;
    hone_expr most = hone_oracle__plus(c, size, carried);
    hone_expr pays = op2(c, HONE_OP_LE, hone_unary(c->o, HONE_OP_ABS, v), num(c, DBL_MAX));
    if (r->quantum.known)
        pays = op2(c, HONE_OP_AND, pays, hone_oracle__exceeds(c, most, r->quantum, p));
    hone_expr cost = op2(c, HONE_OP_MUL, most, num(c, relative_cost(r)));
    if (r->dtype == HONE_F16 || r->dtype == HONE_BF16) /* terms have places that denormals lack */
        cost = op2(c, HONE_OP_ADD, cost, num(c, r->steps * p.tiny));
    cost = hone_select(c->o, pays, cost, zero);
    /* an order may pass the largest number on its way, and meet infinity or NaN */
    cost = hone_select(c->o, op2(c, HONE_OP_LT, num(c, p.most), most), num(c, INFINITY), cost);
    shadow s = {.v = v, .e = hone_oracle__plus(c, carried, cost), .q = r->quantum};
    return r->dtype == HONE_F64 ? s : hone_oracle__bounded(c, s, p);
}

/* | prod x - prod (x + e) (1 + u)^n | with r->size the product of |x| + e. What factors make of a
 * part that was as small as can be, or as large, is at most r->grown, the product of those above 1.
 */
static shadow concluded_product(oracle *c, hone_stmt from, const void *ctx)
{
    const reduction *r = ctx;
    precision p = hone_oracle__stored_as(r->dtype);
    hone_expr v = load(c, from, r->value), most = load(c, from, r->size);
    hone_expr size = hone_unary(c->o, HONE_OP_ABS, v);
    hone_expr cost = op2(c, HONE_OP_MUL, most, num(c, 2 * relative_cost(r)));
    hone_expr grown = load(c, from, r->grown);
    cost = op2(c, HONE_OP_ADD, cost, op2(c, HONE_OP_MUL, grown, num(c, r->steps * p.tiny)));
    cost = op2(c, HONE_OP_ADD, cost, op2(c, HONE_OP_SUB, most, size));
    hone_expr pays = op2(c, HONE_OP_LE, size, num(c, DBL_MAX));
    hone_expr over = op2(c, HONE_OP_LT, num(c, p.most), grown);
    cost = hone_select(c->o, pays, cost, num(c, 0));
    shadow s = {.v = v, .e = hone_select(c->o, over, num(c, INFINITY), cost)};
    return r->dtype == HONE_F64 ? s : hone_oracle__bounded(c, s, p);
}

static shadow concluded_extreme(oracle *c, hone_stmt from, const void *ctx)
{
    const reduction *r = ctx;
    shadow s = {.v = load(c, from, r->value), .q = r->quantum};
    if (r->error.i)
        s.e = load(c, from, r->error);
    return in_its_dtype(c, s, r->dtype);
}

/* Sums of integers carry the errors of their terms; products leave nothing certain. */
static shadow concluded_integers(oracle *c, hone_stmt from, const void *ctx)
{
    const reduction *r = ctx;
    shadow s = {.v = load(c, from, r->value)};
    if (!r->error.i)
        return s;
    s.e = load(c, from, r->error);
    if (r->op == HONE_OP_ADD)
        s.e = hone_oracle__wrapping(c, r->dtype, s.v, s.e);
    if (r->op == HONE_OP_MUL)
        s.e = hone_select(c->o, op2(c, HONE_OP_LT, num(c, 0), s.e), num(c, INFINITY), num(c, 0));
    return s;
}

static hone_status reduction_stage(oracle *c, hone_stmt from, hone_error *err)
{
    hone_buffer out = hone_stmt_at(c->p, from)->out;
    reduction r = {.dtype = (hone_dtype)hone_buffer_at(c->p, out)->dtype, .steps = 1};
    if (!hone_block_reduction(c->p, from, &r.op, &r.operand))
        return hone_fail(err, HONE_E_INPUT, "block '%s' is no reduction hone knows",
                         hone_sym_text(c->p, hone_stmt_at(c->p, from)->name));
    for (unsigned k = 0; k < hone_stmt_at(c->p, from)->n_iters; k++) {
        const hone_iter *it = hone_iter_at(c->p, from, k);
        if (it->kind == HONE_REDUCE)
            r.steps *= (double)hone_var_at(c->p, it->var)->extent;
    }
    bool real = hone_dtype_is_float(r.dtype), extreme = r.op == HONE_OP_MIN || r.op == HONE_OP_MAX;
    hone_dtype t = real ? HONE_F64 : r.dtype;
    r.value = like(c, out, ".reduced", t, HONE_TEMP);
    shadow s = reduce(c, from, &r, r.value, r.op, hone_identity_of(c->o, r.op, t), VALUE);
    r.quantum = s.q;
    if (real && !extreme) {
        bool sum = r.op == HONE_OP_ADD;
        r.size = like(c, out, ".size", HONE_F64, HONE_TEMP);
        reduce(c, from, &r, r.size, r.op, hone_identity_of(c->o, r.op, HONE_F64),
               sum ? SIZE : MOST);
        if (!sum) {
            r.grown = like(c, out, ".grown", HONE_F64, HONE_TEMP);
            reduce(c, from, &r, r.grown, r.op, num(c, 1), GROWN);
        }
    }
    if (s.e.i && (extreme || !real || r.op == HONE_OP_ADD)) {
        r.error = like(c, out, ".carried", HONE_F64, HONE_TEMP);
        reduce(c, from, &r, r.error, extreme ? HONE_OP_MAX : HONE_OP_ADD, num(c, 0), ERROR);
    }
    conclude(c, from,
             !real                 ? concluded_integers
             : extreme             ? concluded_extreme
             : r.op == HONE_OP_ADD ? concluded_sum
                                   : concluded_product,
             &r);
    return HONE_OK;
}

/* ---- p itself -------------------------------------------------------------------------------- */

typedef struct copying {
    oracle *c;
    hone_expr *memo;
    const hone_buffer *to;
} copying;

static hone_expr copied(copying *x, hone_expr e)
{
    if (!e.i || x->memo[e.i].i)
        return e.i ? x->memo[e.i] : e;
    const hone_program *p = x->c->p;
    const hone_expr_row r = *hone_expr_at(p, e);
    hone_expr args[HONE_MAX_DIMS], ret;
    for (unsigned k = 0; k < r.n_args; k++)
        args[k] = copied(x, hone_expr_arg(p, e, k));
    hone_program *o = x->c->o;
    switch ((hone_op)r.op) {
    case HONE_OP_INT:
        ret = r.dtype == HONE_I64    ? hone_int(o, r.imm.i)
              : r.dtype == HONE_BOOL ? hone_bool(o, r.imm.i != 0)
                                     : hone_const(o, (hone_dtype)r.dtype, (double)r.imm.i);
        break;
    case HONE_OP_FLOAT:
        ret = hone_const(o, (hone_dtype)r.dtype, r.imm.f);
        break;
    case HONE_OP_VAR:
        ret = x->c->vars[r.sym];
        break;
    case HONE_OP_LOAD:
        ret = hone_load(o, x->to[r.sym], args, r.n_args);
        break;
    case HONE_OP_CAST:
        ret = hone_cast(o, (hone_dtype)r.dtype, args[0]);
        break;
    case HONE_OP_SELECT:
        ret = hone_select(o, args[0], args[1], args[2]);
        break;
    default:
        ret = r.n_args == 1 ? hone_unary(o, (hone_op)r.op, args[0])
                            : hone_binary(o, (hone_op)r.op, args[0], args[1]);
        ret = hone_is_fast(p, e) ? hone_fast(o, ret) : ret;
    }
    return x->memo[e.i] = ret;
}

static void copy_stage(oracle *c, hone_stmt from, copying *x)
{
    const hone_stmt_row r = *hone_stmt_at(c->p, from);
    hone_stmt block = begin(c, from, true, x->to[r.out.i]);
    memset(x->memo, 0, c->p->exprs.n * sizeof *x->memo);
    hone_expr index[HONE_MAX_DIMS];
    for (unsigned k = 0; k < r.n_index; k++)
        index[k] = copied(x, hone_store_index(c->p, from, k));
    hone_expr value = copied(x, r.value), init = copied(x, r.init);
    hone_block_set_store(c->o, block, x->to[r.out.i], index, r.n_index, value, init);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool find_inexact(void *ctx, const hone_program *p, hone_expr e)
{
    bool **found = ctx;
    const hone_expr_row *r = hone_expr_at(p, e);
    **found |= hone_dtype_is_float((hone_dtype)r->dtype) ||
               (r->op == HONE_OP_LOAD && (*found)[1 + r->sym]);
    return true;
}

/* Buffers whose values rounding may touch: ret[1 + buffer]; ret[0] is scratch. */
static bool *find_rounded(const hone_program *p)
{
    bool *ret = hone_xcalloc(p->buffers.n + 1, sizeof *ret);
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s)) {
        const hone_stmt_row *r = hone_stmt_at(p, s);
        if (!hone_is_block(p, s) || !r->out.i)
            continue;
        ret[0] = hone_dtype_is_float((hone_dtype)hone_buffer_at(p, r->out)->dtype);
        hone_walk(p, r->value, find_inexact, &ret);
        ret[1 + r->out.i] = ret[0];
    }
    return ret;
}

/* A sum or product that is rounded to 16 bits at each step. */
static bool rounds_steps(const hone_program *p, hone_stmt s)
{
    const hone_stmt_row *r = hone_stmt_at(p, s);
    if (!r->init.i)
        return false;
    int t = hone_buffer_at(p, r->out)->dtype;
    hone_op op;
    hone_expr operand;
    return (t == HONE_F16 || t == HONE_BF16) && hone_block_reduction(p, s, &op, &operand) &&
           (op == HONE_OP_ADD || op == HONE_OP_MUL);
}

static void make_arguments(oracle *c, hone_buffer *written)
{
    const hone_program *p = c->p;
    bool *inexact = find_rounded(p);
    for (uint32_t b = 1; b < p->buffers.n; b++) {
        const hone_buffer_row *r = &p->buffers.v[b];
        if (r->role != HONE_INPUT)
            continue;
        c->value[b] = like(c, (hone_buffer){b}, "", (hone_dtype)r->dtype, HONE_INPUT);
        if (written)
            written[b] = c->value[b];
    }
    c->step = hone_buffer_new(c->o, HONE_ORACLE_QUANTUM, HONE_F64, &(int64_t){1}, 1, HONE_INPUT,
                              HONE_GLOBAL);
    for (uint32_t b = 1; b < p->buffers.n; b++) {
        const hone_buffer_row *r = &p->buffers.v[b];
        if (r->role == HONE_INPUT && hone_dtype_is_float((hone_dtype)r->dtype))
            c->quantum[b] = (quantum){.known = true, .degree = 1};
        if (r->role != HONE_OUTPUT)
            continue;
        hone_dtype t = (hone_dtype)r->dtype;
        c->value[b] =
            like(c, (hone_buffer){b}, "", hone_dtype_is_float(t) ? HONE_F64 : t, HONE_OUTPUT);
        if (inexact[1 + b])
            c->error[b] = like(c, (hone_buffer){b}, HONE_ORACLE_ERROR, HONE_F64, HONE_OUTPUT);
        if (written)
            written[b] = like(c, (hone_buffer){b}, HONE_ORACLE_WRITTEN, t, HONE_OUTPUT);
    }
    for (uint32_t b = 1; b < p->buffers.n; b++) {
        const hone_buffer_row *r = &p->buffers.v[b];
        hone_dtype t = (hone_dtype)r->dtype;
        if (r->role != HONE_TEMP)
            continue;
        c->value[b] =
            like(c, (hone_buffer){b}, "", hone_dtype_is_float(t) ? HONE_F64 : t, HONE_TEMP);
        if (written)
            written[b] = like(c, (hone_buffer){b}, HONE_ORACLE_WRITTEN, t, HONE_TEMP);
    }
    free(inexact);
}

static hone_status check_block(const hone_program *p, hone_stmt s, hone_error *err)
{
    const hone_stmt_row *r = hone_stmt_at(p, s);
    if (!r->out.i || r->where.i)
        return hone_fail(err, HONE_E_INPUT, "block '%s' is not one of an unscheduled program",
                         hone_sym_text(p, r->name));
    return HONE_OK;
}

hone_status hone_oracle_make(const hone_program *p, hone_program *ret, hone_error *err)
{
    hone_program_fini(ret);
    char name[320];
    snprintf(name, sizeof name, "%.300s.oracle", hone_sym_text(p, p->name));
    hone_program_init(ret, name);
    oracle c = {.p = p,
                .o = ret,
                .value = hone_xcalloc(p->buffers.n, sizeof *c.value),
                .error = hone_xcalloc(p->buffers.n, sizeof *c.error),
                .quantum = hone_xcalloc(p->buffers.n, sizeof *c.quantum),
                .memo = hone_xcalloc(p->exprs.n, sizeof *c.memo),
                .vars = hone_xcalloc(p->vars.n, sizeof *c.vars)};
    bool by_steps = false;
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s))
        by_steps |= hone_is_block(p, s) && rounds_steps(p, s);
    hone_buffer *written = by_steps ? hone_xcalloc(p->buffers.n, sizeof *written) : NULL;
    copying x = {.c = &c, .memo = hone_xcalloc(p->exprs.n, sizeof *x.memo), .to = written};
    make_arguments(&c, written);
    hone_status st = HONE_OK;
    for (hone_stmt s = hone_next(p, p->root, p->root); s.i && st == HONE_OK;
         s = hone_next(p, p->root, s)) {
        if (!hone_is_block(p, s))
            continue;
        st = check_block(p, s, err);
        if (st != HONE_OK)
            break;
        if (hone_stmt_at(p, s)->init.i)
            st = reduction_stage(&c, s, err);
        else
            conclude(&c, s, its_shadow, NULL);
        if (written)
            copy_stage(&c, s, &x);
    }
    if (st == HONE_OK && ret->overflow)
        st = hone_fail(err, HONE_E_LIMIT, "the kernel is too large to be checked");
    free(c.value);
    free(c.error);
    free(c.quantum);
    free(c.memo);
    free(c.vars);
    free(written);
    free(x.memo);
    return st == HONE_OK ? hone_verify(ret, err) : st;
}
