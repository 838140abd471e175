/* Expressions: interning, constructors, traversal, rewriting.
 *
 * Reader's map
 *   interning        hash of a row and its arguments, open addressing with linear probing; rows are
 *                    never removed, so the table holds no tombstones
 *   constructors     fold constants and neutral elements, then intern
 *   questions        hone_is_int, hone_uses_*, hone_walk
 *   rewriting        a memo keeps shared subexpressions from being visited once per path; unchanged
 *                    nodes are returned as they are */
#include "ir/internal.h"

/* ---- interning ------------------------------------------------------------------------------- */

/* What tells a row from another but its immediate and arguments, in one word: rows are compared
 * some five hundred times per candidate of the search. */
static uint64_t head(unsigned op, unsigned dtype, unsigned n_args, uint32_t sym)
{
    return (uint64_t)sym << 32 | (uint64_t)n_args << 16 | (uint64_t)dtype << 8 | op;
}

static uint64_t head_of(const hone_expr_row *r)
{
    return head(r->op, r->dtype, r->n_args, r->sym);
}

/* A sum of products with random odd numbers, so that no multiplication waits for another. */
static uint32_t hash_row(uint64_t h, int64_t imm, const hone_expr *args, unsigned n)
{
    static const uint64_t odd[HONE_IR__MAX_ARGS] = {
        0x9e3779b97f4a7c15u, 0xd1b54a32d192ed03u, 0x8cb92ba72f3d8dd7u, 0xaaf0c1f9e5b2a3d5u,
        0xc2b2ae3d27d4eb4fu, 0xf1357aea2e62a9c5u, 0x94d049bb133111ebu, 0xbf58476d1ce4e5b9u};
    h = h * 0xe7037ed1a0b428dbu + (uint64_t)imm * 0xa0761d6478bd642fu;
    for (unsigned k = 0; k < n; k++)
        h += args[k].i * odd[k];
    return (uint32_t)(h >> 40);
}

static bool same_args(const hone_expr *a, const hone_expr *b, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        if (!HONE_SAME(a[k], b[k]))
            return false;
    return true;
}

void hone_ir__rehash(hone_program *p)
{
    uint32_t n = p->table.n ? p->table.n : 64;
    while (n < 2 * p->exprs.n + 2)
        n *= 2;
    p->table.n = 0;
    hone_vec_reserve(&p->table, n);
    p->table.n = n;
    memset(p->table.v, 0, n * sizeof *p->table.v);
    for (uint32_t e = 1; e < p->exprs.n; e++) {
        const hone_expr_row *r = &p->exprs.v[e];
        uint32_t at = hash_row(head_of(r), r->imm.i, p->args.v + r->args, r->n_args) & (n - 1);
        while (p->table.v[at])
            at = (at + 1) & (n - 1);
        p->table.v[at] = e;
    }
}

/* Most questions whether an expression uses something are answered by one bit: no. */
static uint32_t name_bit(hone_op op, uint32_t sym)
{
    uint32_t bit = 1u << sym % 16;
    return op == HONE_OP_VAR ? bit : op == HONE_OP_LOAD ? bit << 16 : 0;
}

/* The row was not found; `at` is its place in the table. */
static hone_expr append(hone_program *p, hone_op op, hone_dtype t, uint32_t sym, int64_t imm,
                        const hone_expr *args, unsigned n, uint32_t at)
{
    hone_expr own[HONE_IR__MAX_ARGS]; /* args may lie in p->args, which may move */
    HONE_ASSERT(n <= HONE_IR__MAX_ARGS);
    uint32_t names = name_bit(op, sym);
    uint16_t height = 0;
    for (unsigned k = 0; k < n; k++) {
        const hone_expr_row *r = hone_expr_at(p, args[k]);
        own[k] = args[k];
        names |= r->names;
        if (r->height >= height)
            height = (uint16_t)(r->height + 1);
    }
    if (p->exprs.n > HONE_MAX_EXPRS || height > HONE_MAX_HEIGHT) {
        p->overflow = true;
        return HONE_NO_EXPR;
    }
    uint32_t id = p->exprs.n, first = p->args.n;
    hone_vec_reserve(&p->args, n);
    for (unsigned k = 0; k < n; k++)
        p->args.v[p->args.n++] = own[k];
    hone_vec_push(&p->exprs, (hone_expr_row){.op = (uint8_t)op,
                                             .dtype = (uint8_t)t,
                                             .n_args = (uint16_t)(n & 15),
                                             .height = (uint16_t)(height & 4095),
                                             .sym = sym,
                                             .args = first,
                                             .names = names,
                                             .imm.i = imm});
    if (2 * p->exprs.n > p->table.n)
        hone_ir__rehash(p);
    else
        p->table.v[at] = id;
    return (hone_expr){id};
}

static hone_expr intern(hone_program *p, hone_op op, hone_dtype t, uint32_t sym, int64_t imm,
                        const hone_expr *args, unsigned n)
{
    uint64_t h = head(op, t, n, sym);
    uint32_t mask = p->table.n - 1, at = hash_row(h, imm, args, n) & mask;
    for (uint32_t e; (e = p->table.v[at]) != 0; at = (at + 1) & mask) {
        const hone_expr_row *r = &p->exprs.v[e];
        if (head_of(r) == h && r->imm.i == imm && same_args(p->args.v + r->args, args, n))
            return (hone_expr){e};
    }
    return append(p, op, t, sym, imm, args, n, at);
}

/* A program over its limit hands out row 0, which every constructor passes on. */
static bool spoiled(const hone_program *p, const hone_expr *args, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        if (!args[k].i) {
            HONE_ASSERT(p->overflow);
            return true;
        }
    return false;
}

static hone_expr node(hone_program *p, hone_op op, hone_dtype t, const hone_expr *args, unsigned n)
{
    return intern(p, op, t, 0, 0, args, n);
}

/* ---- constructors ---------------------------------------------------------------------------- */

hone_expr hone_ir__int_of(hone_program *p, hone_dtype t, int64_t v)
{
    return intern(p, HONE_OP_INT, t, 0, v, NULL, 0);
}

hone_expr hone_int(hone_program *p, int64_t v)
{
    return hone_ir__int_of(p, HONE_I64, v);
}

hone_expr hone_bool(hone_program *p, bool v)
{
    return hone_ir__int_of(p, HONE_BOOL, v);
}

hone_expr hone_const(hone_program *p, hone_dtype t, double v)
{
    if (hone_dtype_is_float(t)) {
        hone_expr_row r = {.imm.f = hone_ir__round(t, v)};
        return intern(p, HONE_OP_FLOAT, t, 0, r.imm.i, NULL, 0);
    }
    int64_t cell = 0; /* any integer dtype fits */
    hone_elem_set(t, &cell, 0, v);
    if (t == HONE_I64)
        return hone_int(p, cell);
    return hone_ir__int_of(p, t, (int64_t)hone_elem_get(t, &cell, 0));
}

hone_expr hone_var_expr(hone_program *p, hone_var v)
{
    return intern(p, HONE_OP_VAR, HONE_I64, v.i, 0, NULL, 0);
}

hone_expr hone_load(hone_program *p, hone_buffer b, const hone_expr *index, unsigned n)
{
    if (spoiled(p, index, n))
        return HONE_NO_EXPR;
    const hone_buffer_row *row = hone_buffer_at(p, b);
    HONE_ASSERT(n == row->n_dims);
    for (unsigned k = 0; k < n; k++)
        HONE_ASSERT(hone_expr_dtype(p, index[k]) == HONE_I64);
    return intern(p, HONE_OP_LOAD, (hone_dtype)row->dtype, b.i, 0, index, n);
}

hone_expr hone_cast(hone_program *p, hone_dtype t, hone_expr e)
{
    if (spoiled(p, &e, 1))
        return HONE_NO_EXPR;
    hone_op op = hone_expr_op(p, e);
    /* f16 and bf16 values are wider while they are computed: there a cast to the same type rounds,
     * unless the value comes from memory or is a constant. */
    bool rounds = t == HONE_F16 || t == HONE_BF16;
    if (hone_expr_dtype(p, e) == t && (!rounds || op == HONE_OP_LOAD || op == HONE_OP_FLOAT))
        return e;
    if (hone_ir__is_const(p, e)) {
        hone_expr f = hone_ir__fold(p, HONE_OP_CAST, t, &e, 1);
        if (f.i)
            return f;
    }
    return node(p, HONE_OP_CAST, t, &e, 1);
}

hone_expr hone_unary(hone_program *p, hone_op op, hone_expr a)
{
    if (spoiled(p, &a, 1))
        return HONE_NO_EXPR;
    hone_dtype t = hone_expr_dtype(p, a);
    HONE_ASSERT(hone_op_arity(op) == 1 && op != HONE_OP_CAST);
    HONE_ASSERT((op == HONE_OP_NOT) == (t == HONE_BOOL));
    if (hone_ir__is_const(p, a)) {
        hone_expr f = hone_ir__fold(p, op, t, &a, 1);
        if (f.i)
            return f;
    }
    return node(p, op, t, &a, 1);
}

/* Is e the number v, of any dtype? */
static bool is_number(const hone_program *p, hone_expr e, int v)
{
    const hone_expr_row *r = hone_expr_at(p, e);
    return (r->op == HONE_OP_INT && r->imm.i == v) || (r->op == HONE_OP_FLOAT && r->imm.f == v);
}

/* The operand that the operation leaves alone, or none. */
static hone_expr neutral(hone_program *p, hone_op op, hone_dtype t, hone_expr a, hone_expr b)
{
    bool is_float = hone_dtype_is_float(t); /* x + 0.0 is not x when x is -0.0 */
    switch (op) {
    case HONE_OP_ADD:
        if (!is_float && is_number(p, a, 0))
            return b;
        return !is_float && is_number(p, b, 0) ? a : HONE_NO_EXPR;
    case HONE_OP_SUB:
        return !is_float && is_number(p, b, 0) ? a : HONE_NO_EXPR;
    case HONE_OP_BITOR:
    case HONE_OP_BITXOR:
        if (is_number(p, a, 0))
            return b;
        return is_number(p, b, 0) ? a : HONE_NO_EXPR;
    case HONE_OP_SHL:
    case HONE_OP_SHR:
        return is_number(p, b, 0) ? a : HONE_NO_EXPR;
    case HONE_OP_MUL:
        if (is_number(p, a, 1))
            return b;
        return is_number(p, b, 1) ? a : HONE_NO_EXPR;
    case HONE_OP_AND:
    case HONE_OP_OR:
        if (hone_expr_op(p, a) == HONE_OP_INT)
            return is_number(p, a, op == HONE_OP_AND) ? b : a;
        if (hone_expr_op(p, b) == HONE_OP_INT)
            return is_number(p, b, op == HONE_OP_AND) ? a : b;
        return HONE_NO_EXPR;
    default:
        return HONE_NO_EXPR;
    }
}

static hone_dtype result_of(hone_op op, hone_dtype t)
{
    switch (op) {
    case HONE_OP_EQ:
    case HONE_OP_NE:
    case HONE_OP_LT:
    case HONE_OP_LE:
        return HONE_BOOL;
    case HONE_OP_AND:
    case HONE_OP_OR:
        HONE_ASSERT(t == HONE_BOOL);
        return t;
    case HONE_OP_FLOORDIV:
    case HONE_OP_FLOORMOD:
        HONE_ASSERT(!hone_dtype_is_float(t));
        return t;
    case HONE_OP_BITAND:
    case HONE_OP_BITOR:
    case HONE_OP_BITXOR:
    case HONE_OP_SHL:
    case HONE_OP_SHR:
        HONE_ASSERT(!hone_dtype_is_float(t) && t != HONE_BOOL);
        return t;
    default:
        return t;
    }
}

hone_expr hone_binary(hone_program *p, hone_op op, hone_expr a, hone_expr b)
{
    hone_expr args[2] = {a, b};
    if (spoiled(p, args, 2))
        return HONE_NO_EXPR;
    HONE_ASSERT(hone_op_arity(op) == 2);
    HONE_ASSERT(hone_expr_dtype(p, a) == hone_expr_dtype(p, b));
    hone_dtype t = result_of(op, hone_expr_dtype(p, a));
    bool const_a = hone_ir__is_const(p, a), const_b = hone_ir__is_const(p, b);
    if (const_a || const_b) {
        hone_expr f = neutral(p, op, t, a, b);
        if (!f.i && const_a && const_b)
            f = hone_ir__fold(p, op, t, args, 2);
        if (f.i)
            return f;
    }
    return node(p, op, t, args, 2);
}

hone_expr hone_select(hone_program *p, hone_expr c, hone_expr a, hone_expr b)
{
    hone_expr args[3] = {c, a, b};
    if (spoiled(p, args, 3))
        return HONE_NO_EXPR;
    hone_dtype t = hone_expr_dtype(p, a);
    HONE_ASSERT(hone_expr_dtype(p, c) == HONE_BOOL && hone_expr_dtype(p, b) == t);
    if (hone_expr_op(p, c) == HONE_OP_INT)
        return is_number(p, c, 1) ? a : b;
    return node(p, HONE_OP_SELECT, t, args, 3);
}

hone_expr hone_rebuild(hone_program *p, hone_expr e, const hone_expr *args)
{
    hone_expr_row r = *hone_expr_at(p, e);
    if (same_args(p->args.v + r.args, args, r.n_args))
        return e;
    switch ((hone_op)r.op) {
    case HONE_OP_LOAD:
        return hone_load(p, (hone_buffer){r.sym}, args, r.n_args);
    case HONE_OP_CAST:
        return hone_cast(p, (hone_dtype)r.dtype, args[0]);
    case HONE_OP_SELECT:
        return hone_select(p, args[0], args[1], args[2]);
    default:
        if (r.n_args == 2)
            return hone_binary(p, (hone_op)r.op, args[0], args[1]);
        hone_expr same = hone_unary(p, (hone_op)r.op, args[0]);
        return r.sym ? hone_fast(p, same) : same;
    }
}

hone_expr hone_fast(hone_program *p, hone_expr e)
{
    if (spoiled(p, &e, 1))
        return e;
    const hone_expr_row r = *hone_expr_at(p, e);
    const hone_function *f = hone_function_of((hone_op)r.op);
    if (!f || f->fast == 0)
        return e;
    return intern(p, (hone_op)r.op, (hone_dtype)r.dtype, 1, 0, p->args.v + r.args, r.n_args);
}

bool hone_is_fast(const hone_program *p, hone_expr e)
{
    const hone_expr_row *r = hone_expr_at(p, e);
    return r->sym && r->op != HONE_OP_VAR && r->op != HONE_OP_LOAD;
}

hone_expr hone_and(hone_program *p, hone_expr a, hone_expr b)
{
    if (!a.i || !b.i)
        return a.i ? a : b;
    return HONE_SAME(a, b) ? a : hone_binary(p, HONE_OP_AND, a, b);
}

/* ---- questions ------------------------------------------------------------------------------- */

bool hone_is_int(const hone_program *p, hone_expr e, int64_t *ret)
{
    const hone_expr_row *r = hone_expr_at(p, e);
    if (r->op != HONE_OP_INT)
        return false;
    *ret = r->imm.i;
    return true;
}

/* What was found out about an expression, so that a shared one is not walked once per path to it.
 * Most walks are short: only one that is not begins to remember. */
#define SHORT 24

typedef struct {
    unsigned steps;
    hone_memo known;
} memo;

/* Not all zero: most never come to look at more than this. */
static void memo_start(memo *m)
{
    m->steps = 0;
    m->known.n = m->known.mask = 0;
}

static bool known(memo *m, hone_expr e, hone_expr *ret)
{
    if (m->steps < SHORT) {
        m->steps++;
        return false;
    }
    return hone_memo_find(&m->known, e.i, &ret->i);
}

static void remember(memo *m, hone_expr from, hone_expr to)
{
    if (m->steps >= SHORT)
        hone_memo_add(&m->known, from.i, to.i);
}

typedef struct {
    hone_op op; /* VAR or LOAD */
    uint32_t sym;
    uint32_t bit; /* of the name */
    memo done;    /* expressions known not to use it */
} search;

static bool uses(const hone_program *p, hone_expr e, search *s)
{
    const hone_expr_row *r = hone_expr_at(p, e);
    if (!(r->names & s->bit))
        return false;
    if (r->op == s->op && r->sym == s->sym)
        return true;
    if (r->n_args == 0)
        return false;
    hone_expr none;
    if (known(&s->done, e, &none))
        return false;
    for (unsigned k = 0; k < r->n_args; k++)
        if (uses(p, p->args.v[r->args + k], s))
            return true;
    remember(&s->done, e, e);
    return false;
}

static bool uses_name(const hone_program *p, hone_expr e, hone_op op, uint32_t sym)
{
    uint32_t bit = name_bit(op, sym);
    if (!(hone_expr_at(p, e)->names & bit))
        return false;
    search s;
    s.op = op;
    s.sym = sym;
    s.bit = bit;
    memo_start(&s.done);
    bool used = uses(p, e, &s);
    hone_memo_free(&s.done.known);
    return used;
}

bool hone_uses_var(const hone_program *p, hone_expr e, hone_var v)
{
    return uses_name(p, e, HONE_OP_VAR, v.i);
}

bool hone_uses_buffer(const hone_program *p, hone_expr e, hone_buffer b)
{
    return uses_name(p, e, HONE_OP_LOAD, b.i);
}

typedef struct {
    bool (*fn)(void *ctx, const hone_program *p, hone_expr e);
    void *ctx;
    hone_memo seen;
} walking;

static void walk(const hone_program *p, hone_expr e, walking *w)
{
    if (!hone_memo_first(&w->seen, e.i) || !w->fn(w->ctx, p, e))
        return;
    unsigned n = hone_expr_at(p, e)->n_args;
    for (unsigned k = 0; k < n; k++)
        walk(p, hone_expr_arg(p, e, k), w);
}

void hone_walk(const hone_program *p, hone_expr e,
               bool (*fn)(void *ctx, const hone_program *p, hone_expr e), void *ctx)
{
    walking w;
    w.fn = fn;
    w.ctx = ctx;
    w.seen.n = w.seen.mask = 0;
    if (e.i)
        walk(p, e, &w);
    hone_memo_free(&w.seen);
}

/* ---- rewriting ------------------------------------------------------------------------------- */

typedef struct {
    hone_expr (*fn)(void *ctx, hone_program *p, hone_expr e);
    void *ctx;
    memo done;
} rewriting;

static hone_expr rewrite(hone_program *p, hone_expr e, rewriting *w)
{
    hone_expr args[HONE_IR__MAX_ARGS], out;
    if (known(&w->done, e, &out))
        return out;
    out = e;
    unsigned n = hone_expr_at(p, e)->n_args;
    for (unsigned k = 0; k < n; k++)
        args[k] = rewrite(p, hone_expr_arg(p, e, k), w);
    if (n)
        out = hone_rebuild(p, e, args);
    out = w->fn(w->ctx, p, out);
    remember(&w->done, e, out);
    return out;
}

hone_expr hone_rewrite(hone_program *p, hone_expr e,
                       hone_expr (*fn)(void *ctx, hone_program *p, hone_expr e), void *ctx)
{
    if (!e.i)
        return e;
    rewriting w;
    w.fn = fn;
    w.ctx = ctx;
    memo_start(&w.done);
    e = rewrite(p, e, &w);
    hone_memo_free(&w.done.known);
    return e;
}

typedef struct {
    const hone_var *from;
    const hone_expr *to;
    unsigned n;
    uint32_t bits; /* of all the names */
    memo done;
} substitution;

static hone_expr substitute(hone_program *p, hone_expr e, substitution *s)
{
    const hone_expr_row *r = hone_expr_at(p, e);
    unsigned n = r->n_args;
    if (!(r->names & s->bits))
        return e;
    if (r->op == HONE_OP_VAR) {
        for (unsigned k = 0; k < s->n; k++)
            if (s->from[k].i == r->sym)
                return s->to[k];
        return e;
    }
    if (n == 0)
        return e;
    hone_expr args[HONE_IR__MAX_ARGS], out;
    bool changed = false;
    if (known(&s->done, e, &out))
        return out;
    for (unsigned k = 0; k < n; k++) {
        hone_expr a = hone_expr_arg(p, e, k);
        args[k] = substitute(p, a, s);
        changed |= !HONE_SAME(args[k], a);
    }
    out = changed ? hone_rebuild(p, e, args) : e;
    remember(&s->done, e, out);
    return out;
}

hone_expr hone_substitute(hone_program *p, hone_expr e, const hone_var *from, const hone_expr *to,
                          unsigned n)
{
    if (!e.i || n == 0)
        return e;
    substitution s;
    s.from = from;
    s.to = to;
    s.n = n;
    s.bits = 0;
    for (unsigned k = 0; k < n; k++)
        s.bits |= name_bit(HONE_OP_VAR, from[k].i);
    memo_start(&s.done);
    e = substitute(p, e, &s);
    hone_memo_free(&s.done.known);
    return e;
}
