/* Every invariant of a program. Nothing is trusted: ids are checked before they are followed, and
 * each check may rely on those before it.
 *
 * Reader's map
 *   tables       buffers and names
 *   tree         links, loops, iteration variables, annotations
 *   expressions  every row a statement can reach: ids, arity, dtypes
 *   scopes       which variables an expression may mention
 *   bounds       bindings and accesses that leave their ranges for certain
 *   order        temporaries and outputs are written before they are read */
#include "ir/ir.h"

#include <math.h>

#define MAX_ELEMENTS ((int64_t)1 << 40)

typedef struct verifier {
    hone_program *p;
    hone_error *err;
    HONE_VEC(uint32_t) seen; /* by expression: generation of the last visit */
    HONE_VEC(uint32_t) stack;
    HONE_VEC(uint32_t) order;    /* by statement: 1 + place in depth-first order, 0: not reached */
    HONE_VEC(uint32_t) visible;  /* by variable: generation in which it is in scope */
    HONE_VEC(hone_stmt) writers; /* leaf blocks in depth-first order */
    uint32_t generation;
    uint32_t scope;   /* generation of the scope expressions are checked in */
    const char *what; /* the expression at hand, for messages */
} verifier;

static hone_status bad(const verifier *v, const char *fmt, ...) HONE_PRINTF(2, 3);
static hone_status bad(const verifier *v, const char *fmt, ...)
{
    if (v->err) {
        char text[600];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(text, sizeof text, fmt, ap);
        va_end(ap);
        return hone_fail(v->err, HONE_E_INPUT, "%s", text);
    }
    return HONE_E_INPUT;
}

/* A name that is not empty. */
static bool good_name(const hone_program *p, hone_sym s)
{
    return s.i > 0 && s.i < p->syms.n;
}

static const char *stmt_name(const hone_program *p, hone_stmt s)
{
    return hone_sym_text(p, hone_stmt_at(p, s)->name);
}

/* Fails, naming the block. */
static hone_status bad_block(const verifier *v, hone_stmt s, const char *fmt, ...)
    HONE_PRINTF(3, 4);
static hone_status bad_block(const verifier *v, hone_stmt s, const char *fmt, ...)
{
    if (!v->err)
        return HONE_E_INPUT;
    char text[500];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    hone_fail(v->err, HONE_E_INPUT, "block '%.80s': %s", stmt_name(v->p, s), text);
    snprintf(v->err->where, sizeof v->err->where, "%s", stmt_name(v->p, s));
    return HONE_E_INPUT;
}

#define TRY(call)                     \
    do {                              \
        hone_status status_ = (call); \
        if (status_ != HONE_OK)       \
            return status_;           \
    } while (0)

/* ---- tables ---------------------------------------------------------------------------------- */

static hone_status check_names(const verifier *v)
{
    const hone_program *p = v->p;
    for (uint32_t k = 0; k < p->syms.n; k++)
        if (p->syms.v[k] >= p->chars.n)
            return bad(v, "name %u is damaged", k);
    for (uint32_t k = 0; k < p->vars.n; k++)
        if (p->vars.v[k].name.i >= p->syms.n)
            return bad(v, "variable %u has a damaged name", k);
    return p->name.i < p->syms.n ? HONE_OK : bad(v, "the program's name is damaged");
}

static hone_status check_buffers(const verifier *v)
{
    const hone_program *p = v->p;
    bool temps = false;
    for (uint32_t k = 1; k < p->buffers.n; k++) {
        const hone_buffer_row *b = &p->buffers.v[k];
        if (!good_name(p, b->name))
            return bad(v, "buffer %u has no name", k);
        const char *name = hone_sym_text(p, b->name);
        if (b->dtype >= HONE_DTYPE_COUNT || b->role > HONE_OUTPUT || b->scope >= HONE_SCOPE_COUNT ||
            b->n_dims > HONE_MAX_DIMS)
            return bad(v, "buffer '%.80s' is damaged", name);
        int64_t n = 1;
        for (unsigned d = 0; d < b->n_dims; d++) {
            if (b->shape[d] < 0 || (n && b->shape[d] > MAX_ELEMENTS / n))
                return bad(v,
                           "buffer '%.80s': dimension %u is %" PRId64 "; dimensions are not "
                           "negative and a buffer has at most 2^40 elements",
                           name, d, b->shape[d]);
            n *= b->shape[d];
        }
        if (b->is_const && b->role != HONE_INPUT)
            return bad(v, "buffer '%.80s' is const but no input", name);
        if (b->ranged &&
            (b->role != HONE_INPUT || !(b->lo < b->hi) || isinf(b->lo) || isinf(b->hi)))
            return bad(v, "buffer '%.80s' has a range that is empty or endless, or is no input",
                       name);
        if (b->scope != HONE_GLOBAL && b->role != HONE_TEMP)
            return bad(v, "buffer '%.80s' is an argument and cannot be %s", name,
                       hone_scope_name((hone_scope)b->scope));
        if (temps && b->role != HONE_TEMP)
            return bad(v, "buffer '%.80s' is an argument and must come before all temporaries",
                       name);
        temps |= b->role == HONE_TEMP;
        for (uint32_t other = 1; other < k; other++)
            if (HONE_SAME(p->buffers.v[other].name, b->name))
                return bad(v, "there are two buffers '%.80s'", name);
    }
    return HONE_OK;
}

static hone_status check_anns(const verifier *v, uint32_t first)
{
    const hone_program *p = v->p;
    uint32_t count = 0;
    for (uint32_t a = first; a; a = p->anns.v[a].next) {
        if (a >= p->anns.n || ++count > p->anns.n)
            return bad(v, "the annotations are damaged");
        if (!good_name(p, p->anns.v[a].key) || p->anns.v[a].text.i >= p->syms.n)
            return bad(v, "an annotation has no key");
    }
    return HONE_OK;
}

/* ---- tree ------------------------------------------------------------------------------------ */

static hone_status check_links(verifier *v, hone_stmt s, uint32_t *n_reached)
{
    const hone_program *p = v->p;
    hone_stmt before = HONE_NO_STMT;
    for (hone_stmt c = hone_stmt_at(p, s)->first; c.i; c = hone_stmt_at(p, c)->next) {
        if (c.i >= p->stmts.n || v->order.v[c.i] || !HONE_SAME(hone_stmt_at(p, c)->parent, s) ||
            !HONE_SAME(hone_stmt_at(p, c)->prev, before))
            return bad(v, "the statement tree is damaged at statement %u", c.i);
        v->order.v[c.i] = ++*n_reached;
        before = c;
    }
    if (!HONE_SAME(hone_stmt_at(p, s)->last, before))
        return bad(v, "the statement tree is damaged at statement %u", s.i);
    return HONE_OK;
}

static hone_status check_loop(const verifier *v, hone_stmt s)
{
    const hone_program *p = v->p;
    const hone_stmt_row *row = hone_stmt_at(p, s);
    bool bound = row->loop_kind == HONE_BOUND;
    if (row->loop_kind > HONE_BOUND || row->axis >= HONE_AXIS_COUNT ||
        bound != (row->axis != HONE_AXIS_NONE) || !row->var.i || row->var.i >= p->vars.n ||
        !HONE_SAME(hone_var_at(p, row->var)->owner, s) || row->n_iters || row->out.i)
        return bad(v, "loop %u is damaged", s.i);
    if (row->name.i >= p->syms.n)
        return bad(v, "loop %u has a damaged name", s.i);
    if (hone_var_at(p, row->var)->extent < 1)
        return bad(v, "loop '%.80s' runs %" PRId64 " times; an extent is at least 1",
                   stmt_name(p, s), hone_var_at(p, row->var)->extent);
    if (!row->first.i)
        return bad(v, "loop '%.80s' is empty", stmt_name(p, s));
    for (hone_stmt up = row->parent; bound && up.i; up = hone_stmt_at(p, up)->parent)
        if (hone_is_loop(p, up) && hone_stmt_at(p, up)->axis == row->axis)
            return bad(v, "loop '%.80s' has the axis %s, which a loop around it has already",
                       stmt_name(p, s), hone_axis_name((hone_axis)row->axis));
    return HONE_OK;
}

static bool good_expr(const hone_program *p, hone_expr e)
{
    return e.i && e.i < p->exprs.n;
}

static hone_status check_block(const verifier *v, hone_stmt s)
{
    const hone_program *p = v->p;
    const hone_stmt_row *row = hone_stmt_at(p, s);
    if (!good_name(p, row->name))
        return bad(v, "block %u has no name", s.i);
    for (uint32_t other = 1; other < p->stmts.n; other++)
        if (other != s.i && v->order.v[other] && p->stmts.v[other].kind == HONE_BLOCK &&
            HONE_SAME(p->stmts.v[other].name, row->name))
            return bad_block(v, s, "there are two blocks of this name");
    if (row->n_iters > HONE_MAX_ITERS || row->iters > p->iters.n ||
        row->n_iters > p->iters.n - row->iters)
        return bad_block(v, s, "its iteration variables are damaged");
    for (unsigned k = 0; k < row->n_iters; k++) {
        const hone_iter *it = hone_iter_at(p, s, k);
        if (!it->var.i || it->var.i >= p->vars.n || it->kind > HONE_REDUCE ||
            !HONE_SAME(hone_var_at(p, it->var)->owner, s) || !good_expr(p, it->binding))
            return bad_block(v, s, "iteration variable %u is damaged", k);
        if (hone_var_at(p, it->var)->extent < 1)
            return bad_block(v, s, "iteration variable %u has extent %" PRId64, k,
                             hone_var_at(p, it->var)->extent);
        for (unsigned j = 0; j < k; j++)
            if (HONE_SAME(hone_iter_at(p, s, j)->var, it->var))
                return bad_block(v, s, "iteration variable %u is there twice", k);
    }
    if (row->where.i && !good_expr(p, row->where))
        return bad_block(v, s, "its predicate is damaged");
    if (!row->out.i)
        return row->init.i || row->value.i
                   ? bad_block(v, s, "it has a value but no buffer to store to")
                   : HONE_OK;
    if (row->first.i)
        return bad_block(v, s, "it stores and holds statements; it can do only one");
    if (row->out.i >= p->buffers.n || row->index > p->args.n ||
        row->n_index > p->args.n - row->index ||
        row->n_index != hone_buffer_at(p, row->out)->n_dims || !good_expr(p, row->value) ||
        (row->init.i && !good_expr(p, row->init)))
        return bad_block(v, s, "its store is damaged");
    for (unsigned k = 0; k < row->n_index; k++)
        if (!good_expr(p, hone_store_index(p, s, k)))
            return bad_block(v, s, "its store's indices are damaged");
    return HONE_OK;
}

static hone_status check_tree(verifier *v)
{
    const hone_program *p = v->p;
    if (!p->root.i || p->root.i >= p->stmts.n || !hone_is_block(p, p->root))
        return bad(v, "the program has no root block");
    const hone_stmt_row *root = hone_stmt_at(p, p->root);
    if (root->parent.i || root->out.i || root->n_iters || root->where.i)
        return bad(v, "the root block is damaged");
    uint32_t n_reached = 1;
    v->order.v[p->root.i] = 1;
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s)) {
        TRY(check_links(v, s, &n_reached));
        const hone_stmt_row *row = hone_stmt_at(p, s);
        if (row->kind != HONE_LOOP && row->kind != HONE_BLOCK)
            return bad(v, "statement %u was removed but is still linked", s.i);
        TRY(check_anns(v, row->anns));
    }
    uint32_t place = 0;
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s)) {
        v->order.v[s.i] = ++place;
        TRY(hone_is_loop(p, s) ? check_loop(v, s) : check_block(v, s));
        if (hone_is_block(p, s) && hone_stmt_at(p, s)->out.i)
            hone_vec_push(&v->writers, s);
    }
    return HONE_OK;
}

/* ---- expressions ------------------------------------------------------------------------------
 */

static bool good_types(const hone_program *p, hone_expr e)
{
    const hone_expr_row *row = hone_expr_at(p, e);
    hone_dtype t = (hone_dtype)row->dtype, a[3] = {t, t, t};
    for (unsigned k = 0; k < row->n_args && k < 3; k++)
        a[k] = hone_expr_dtype(p, hone_expr_arg(p, e, k));
    switch ((hone_op)row->op) {
    case HONE_OP_INT:
        return !hone_dtype_is_float(t) && (t != HONE_BOOL || (row->imm.i & ~1ll) == 0);
    case HONE_OP_FLOAT:
        return hone_dtype_is_float(t);
    case HONE_OP_VAR:
        return t == HONE_I64;
    case HONE_OP_LOAD:
        for (unsigned k = 0; k < row->n_args; k++)
            if (hone_expr_dtype(p, hone_expr_arg(p, e, k)) != HONE_I64)
                return false;
        return t == hone_buffer_at(p, (hone_buffer){row->sym})->dtype;
    case HONE_OP_CAST:
        return true;
    case HONE_OP_FLOORDIV:
    case HONE_OP_FLOORMOD:
    case HONE_OP_BITAND:
    case HONE_OP_BITOR:
    case HONE_OP_BITXOR:
    case HONE_OP_SHL:
    case HONE_OP_SHR:
    case HONE_OP_POPCOUNT:
        return a[0] == t && a[1] == t && !hone_dtype_is_float(t) && t != HONE_BOOL;
    case HONE_OP_EQ:
    case HONE_OP_NE:
        return a[0] == a[1] && t == HONE_BOOL;
    case HONE_OP_LT:
    case HONE_OP_LE:
        return a[0] == a[1] && t == HONE_BOOL && a[0] != HONE_BOOL;
    case HONE_OP_AND:
    case HONE_OP_OR:
    case HONE_OP_NOT:
        return a[0] == HONE_BOOL && a[1] == HONE_BOOL && t == HONE_BOOL;
    case HONE_OP_SELECT:
        return a[0] == HONE_BOOL && a[1] == t && a[2] == t;
    case HONE_OP_ADD:
    case HONE_OP_SUB:
    case HONE_OP_MUL:
    case HONE_OP_DIV:
    case HONE_OP_MIN:
    case HONE_OP_MAX:
    case HONE_OP_ABS:
        return a[0] == t && a[1] == t && t != HONE_BOOL;
    default: /* functions of floats */
        return a[0] == t && a[1] == t && hone_dtype_is_float(t);
    }
}

static hone_status check_expr(const verifier *v, hone_expr e)
{
    const hone_program *p = v->p;
    const hone_expr_row *row = hone_expr_at(p, e);
    if (row->op == HONE_OP_NONE || row->op >= HONE_OP_COUNT || row->dtype >= HONE_DTYPE_COUNT)
        return bad(v, "expression %u is damaged", e.i);
    const char *name = hone_op_name((hone_op)row->op);
    int arity = hone_op_arity((hone_op)row->op);
    if (row->op == HONE_OP_VAR && (!row->sym || row->sym >= p->vars.n))
        return bad(v, "expression %u names variable %u, which is not there", e.i, row->sym);
    if (row->op == HONE_OP_LOAD) {
        if (!row->sym || row->sym >= p->buffers.n)
            return bad(v, "expression %u names buffer %u, which is not there", e.i, row->sym);
        arity = p->buffers.v[row->sym].n_dims;
    }
    const hone_function *f = hone_function_of((hone_op)row->op);
    if (hone_is_fast(p, e) && (row->sym > 1 || !f || f->fast == 0))
        return bad(v, "expression %u (%s) has no fast form", e.i, name);
    if (row->n_args != arity || row->args > p->args.n || row->n_args > p->args.n - row->args)
        return bad(v, "expression %u (%s) has %u arguments", e.i, name, row->n_args);
    for (unsigned k = 0; k < row->n_args; k++) {
        hone_expr arg = hone_expr_arg(p, e, k);
        if (!arg.i || arg.i >= e.i) /* made before what uses it: so there are no cycles */
            return bad(v, "expression %u (%s) has a damaged argument", e.i, name);
    }
    return HONE_OK;
}

/* All that statements reach: marked from the top id down, since arguments have smaller ids, then
 * typed from the bottom up. */
static hone_status check_exprs(verifier *v)
{
    const hone_program *p = v->p;
    uint32_t *need = v->seen.v;
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s)) {
        const hone_stmt_row *row = hone_stmt_at(p, s);
        if (row->kind != HONE_BLOCK)
            continue;
        for (unsigned k = 0; k < row->n_iters; k++)
            need[hone_iter_at(p, s, k)->binding.i] = 1;
        for (unsigned k = 0; row->out.i && k < row->n_index; k++)
            need[hone_store_index(p, s, k).i] = 1;
        need[row->where.i] = need[row->value.i] = need[row->init.i] = 1;
    }
    for (uint32_t e = p->exprs.n - 1; e > 0; e--) {
        if (!need[e])
            continue;
        TRY(check_expr(v, (hone_expr){e}));
        for (unsigned k = 0; k < p->exprs.v[e].n_args; k++)
            need[hone_expr_arg(p, (hone_expr){e}, k).i] = 1;
    }
    for (uint32_t e = 1; e < p->exprs.n; e++)
        if (need[e] && !good_types(p, (hone_expr){e}))
            return bad(v, "expression %u (%s) has operands of the wrong dtype", e,
                       hone_op_name(hone_expr_op(p, (hone_expr){e})));
    v->generation = 1;
    return HONE_OK;
}

/* ---- scopes -----------------------------------------------------------------------------------
 */

/* Visits each node of e once. The arms of selects, which may not be evaluated, only if `arms`. */
typedef hone_status visitor(verifier *v, hone_stmt s, hone_expr e);

static hone_status visit(verifier *v, hone_stmt s, hone_expr e, bool arms, visitor *fn)
{
    v->generation++;
    v->stack.n = 0;
    hone_vec_push(&v->stack, e.i);
    while (v->stack.n) {
        hone_expr x = {v->stack.v[--v->stack.n]};
        if (v->seen.v[x.i] == v->generation)
            continue;
        v->seen.v[x.i] = v->generation;
        TRY(fn(v, s, x));
        unsigned n = hone_expr_at(v->p, x)->n_args;
        if (!arms && hone_expr_op(v->p, x) == HONE_OP_SELECT)
            n = 1;
        for (unsigned k = 0; k < n; k++)
            hone_vec_push(&v->stack, hone_expr_arg(v->p, x, k).i);
    }
    return HONE_OK;
}

static hone_status in_scope(verifier *v, hone_stmt s, hone_expr e)
{
    const hone_expr_row *row = hone_expr_at(v->p, e);
    if (row->op != HONE_OP_VAR || v->visible.v[row->sym] == v->scope)
        return HONE_OK;
    return bad_block(v, s, "%s uses variable '%.80s', which it cannot see", v->what,
                     hone_sym_text(v->p, hone_var_at(v->p, (hone_var){row->sym})->name));
}

static hone_status outside_only(verifier *v, hone_stmt s, hone_expr e)
{
    if (hone_expr_op(v->p, e) == HONE_OP_LOAD)
        return bad_block(v, s, "%s reads a buffer; it may use variables only", v->what);
    return in_scope(v, s, e);
}

/* What a binding of s sees: the loops up to the nearest block above, and that block's iteration
 * variables. */
static hone_status check_outside(verifier *v, hone_stmt s)
{
    hone_program *p = v->p;
    v->scope = ++v->generation;
    hone_stmt up = hone_stmt_at(p, s)->parent;
    for (; hone_is_loop(p, up); up = hone_stmt_at(p, up)->parent)
        v->visible.v[hone_stmt_at(p, up)->var.i] = v->scope;
    for (unsigned k = 0; up.i && k < hone_stmt_at(p, up)->n_iters; k++)
        v->visible.v[hone_iter_at(p, up, k)->var.i] = v->scope;
    const hone_stmt_row *row = hone_stmt_at(p, s);
    v->what = "a binding";
    for (unsigned k = 0; k < row->n_iters; k++) {
        hone_expr b = hone_iter_at(p, s, k)->binding;
        if (hone_expr_dtype(p, b) != HONE_I64)
            return bad_block(v, s, "a binding is %s; it must be i64",
                             hone_dtype_name(hone_expr_dtype(p, b)));
        TRY(visit(v, s, b, true, outside_only));
    }
    v->what = "'where'";
    if (!row->where.i)
        return HONE_OK;
    if (hone_expr_dtype(p, row->where) != HONE_BOOL)
        return bad_block(v, s, "'where' is no condition");
    return visit(v, s, row->where, true, outside_only);
}

/* The variables of one kind, or of both. */
static void show_iters(verifier *v, hone_stmt s, bool spatial_only)
{
    v->scope = ++v->generation;
    for (unsigned k = 0; k < hone_stmt_at(v->p, s)->n_iters; k++)
        if (!spatial_only || hone_iter_at(v->p, s, k)->kind == HONE_SPATIAL)
            v->visible.v[hone_iter_at(v->p, s, k)->var.i] = v->scope;
}

static hone_status check_body(verifier *v, hone_stmt s)
{
    hone_program *p = v->p;
    const hone_stmt_row *row = hone_stmt_at(p, s);
    hone_dtype t = (hone_dtype)hone_buffer_at(p, row->out)->dtype;
    const char *out = hone_sym_text(p, hone_buffer_at(p, row->out)->name);
    if (hone_buffer_at(p, row->out)->role == HONE_INPUT)
        return bad_block(v, s, "it writes the input '%.80s'", out);
    if (hone_expr_dtype(p, row->value) != t || (row->init.i && hone_expr_dtype(p, row->init) != t))
        return bad_block(v, s, "it stores %s to '%.80s', which is %s",
                         hone_dtype_name(hone_expr_dtype(p, row->value)), out, hone_dtype_name(t));
    show_iters(v, s, false);
    v->what = "the value";
    TRY(visit(v, s, row->value, true, in_scope));
    show_iters(v, s, true);
    v->what = "the index stored to (reduction variables do not count)";
    for (unsigned k = 0; k < row->n_index; k++) {
        if (hone_expr_dtype(p, hone_store_index(p, s, k)) != HONE_I64)
            return bad_block(v, s, "an index of its store is not i64");
        TRY(visit(v, s, hone_store_index(p, s, k), true, in_scope));
    }
    v->what = "init (reduction variables do not count)";
    return row->init.i ? visit(v, s, row->init, true, in_scope) : HONE_OK;
}

/* ---- bounds ------------------------------------------------------------------------------------
 */

/* True when e, over vars that take all their values, leaves [0, n) for certain; the range it was
 * found to have goes to ret. False: it stays inside, or that is not decidable here. */
static bool leaves(hone_program *p, hone_expr e, const hone_var *vars, unsigned n_vars, int64_t n,
                   int64_t *ret_lo, int64_t *ret_hi)
{
    if (!hone_bounds(p, e, ret_lo, ret_hi) || (*ret_lo >= 0 && *ret_hi < n))
        return false;
    if (*ret_hi < 0 || *ret_lo >= n)
        return true;
    /* The bounds may be loose, but not those of a sum of distinct variables. */
    int64_t coeff[HONE_MAX_ITERS], rest;
    hone_expr rest_expr;
    if (!hone_linear(p, e, vars, n_vars, coeff, &rest_expr) || !hone_is_int(p, rest_expr, &rest))
        return false;
    *ret_lo = *ret_hi = rest;
    for (unsigned k = 0; k < n_vars; k++) {
        int64_t step;
        if (__builtin_mul_overflow(coeff[k], hone_var_at(p, vars[k])->extent - 1, &step) ||
            __builtin_add_overflow(step < 0 ? *ret_lo : *ret_hi, step, step < 0 ? ret_lo : ret_hi))
            return false;
    }
    return *ret_lo < 0 || *ret_hi >= n;
}

static hone_status check_bindings(verifier *v, hone_stmt s)
{
    hone_program *p = v->p;
    hone_stmt loops[HONE_MAX_ITERS];
    hone_var vars[HONE_MAX_ITERS];
    unsigned n = hone_loops_of(p, s, loops, HONE_MAX_ITERS);
    bool exact = n <= HONE_MAX_ITERS && !hone_stmt_at(p, s)->where.i;
    for (unsigned k = 0; exact && k < n; k++)
        vars[k] = hone_stmt_at(p, loops[k])->var;
    for (unsigned k = 0; k < hone_stmt_at(p, s)->n_iters; k++) {
        hone_iter it = *hone_iter_at(p, s, k);
        int64_t extent = hone_var_at(p, it.var)->extent, lo, hi;
        bool out = exact ? leaves(p, it.binding, vars, n, extent, &lo, &hi)
                         : hone_bounds(p, it.binding, &lo, &hi) && (hi < 0 || lo >= extent);
        if (out)
            return bad_block(v, s,
                             "iteration variable '%.80s' takes values %" PRId64 " to %" PRId64
                             ", but its extent is %" PRId64,
                             hone_sym_text(p, hone_var_at(p, it.var)->name), lo, hi, extent);
    }
    return HONE_OK;
}

static hone_status check_index(verifier *v, hone_stmt s, hone_buffer b, unsigned d, hone_expr e)
{
    hone_program *p = v->p;
    hone_stmt loops[HONE_MAX_ITERS];
    hone_var vars[HONE_MAX_ITERS];
    unsigned n = hone_loops_of(p, s, loops, HONE_MAX_ITERS);
    bool exact = n <= HONE_MAX_ITERS && !hone_stmt_at(p, s)->where.i;
    for (unsigned k = 0; exact && k < n; k++)
        vars[k] = hone_stmt_at(p, loops[k])->var;
    int64_t lo, hi, extent = hone_buffer_at(p, b)->shape[d];
    /* Over the loops: the block's variables need not take all their values independently. */
    e = hone_simplify(p, hone_bind(p, s, e));
    if (!(exact ? leaves(p, e, vars, n, extent, &lo, &hi)
                : hone_bounds(p, e, &lo, &hi) && (hi < 0 || lo >= extent)))
        return HONE_OK;
    return bad_block(v, s,
                     "index %u of '%.80s' takes values %" PRId64 " to %" PRId64
                     ", but that dimension is %" PRId64 "; guard the access with select(...)",
                     d + 1, hone_sym_text(p, hone_buffer_at(p, b)->name), lo, hi, extent);
}

static hone_status check_load(verifier *v, hone_stmt s, hone_expr e)
{
    if (hone_expr_op(v->p, e) != HONE_OP_LOAD)
        return HONE_OK;
    hone_buffer b = {hone_expr_at(v->p, e)->sym};
    for (unsigned k = 0; k < hone_buffer_at(v->p, b)->n_dims; k++)
        TRY(check_index(v, s, b, k, hone_expr_arg(v->p, e, k)));
    return HONE_OK;
}

/* A schedule may leave a copy of a block where nothing remains to be done. */
static bool never_runs(const hone_program *p, hone_stmt s)
{
    for (; s.i; s = hone_stmt_at(p, s)->parent) {
        hone_expr where = hone_stmt_at(p, s)->where;
        int64_t truth;
        if (hone_is_block(p, s) && where.i && hone_is_int(p, where, &truth) && !truth)
            return true;
    }
    return false;
}

static hone_status check_bounds(verifier *v, hone_stmt s)
{
    hone_program *p = v->p;
    if (never_runs(p, s))
        return HONE_OK;
    TRY(check_bindings(v, s));
    hone_stmt_row row = *hone_stmt_at(p, s);
    if (!row.out.i)
        return HONE_OK;
    for (unsigned k = 0; k < row.n_index; k++)
        TRY(check_index(v, s, row.out, k, hone_store_index(p, s, k)));
    if (row.init.i)
        TRY(visit(v, s, row.init, false, check_load));
    return visit(v, s, row.value, false, check_load);
}

/* ---- order -------------------------------------------------------------------------------------
 */

/* A read is served by a writer that stands before it, by an earlier turn of a loop around both, or
 * by the block's own init. */
static hone_status check_read(verifier *v, hone_stmt s, hone_expr e)
{
    const hone_program *p = v->p;
    if (hone_expr_op(p, e) != HONE_OP_LOAD)
        return HONE_OK;
    hone_buffer b = {hone_expr_at(p, e)->sym};
    if (hone_buffer_at(p, b)->role == HONE_INPUT)
        return HONE_OK;
    for (uint32_t k = 0; k < v->writers.n; k++) {
        hone_stmt w = v->writers.v[k];
        if (!HONE_SAME(hone_stmt_at(p, w)->out, b))
            continue;
        if (HONE_SAME(w, s)
                ? hone_stmt_at(p, s)->init.i != 0
                : v->order.v[w.i] < v->order.v[s.i] || hone_is_loop(p, hone_lca(p, w, s)))
            return HONE_OK;
    }
    return bad_block(v, s, "it reads '%.80s' before anything was written there",
                     hone_sym_text(p, hone_buffer_at(p, b)->name));
}

static hone_status check_outputs(const verifier *v)
{
    const hone_program *p = v->p;
    for (uint32_t b = 1; b < p->buffers.n; b++) {
        bool written =
            p->buffers.v[b].role != HONE_OUTPUT || hone_buffer_count(p, (hone_buffer){b}) == 0;
        for (uint32_t k = 0; !written && k < v->writers.n; k++)
            written = hone_stmt_at(p, v->writers.v[k])->out.i == b;
        if (!written)
            return bad(v, "nothing writes the output '%.80s'",
                       hone_sym_text(p, p->buffers.v[b].name));
    }
    return HONE_OK;
}

static hone_status verify(verifier *v)
{
    hone_program *p = v->p;
    if (p->overflow)
        return hone_fail(v->err, HONE_REJECT_TOO_BIG,
                         "the program has more than %d statements or %d expressions",
                         HONE_MAX_STMTS, HONE_MAX_EXPRS);
    if (!p->exprs.n || !p->args.n || !p->vars.n || !p->iters.n || !p->stmts.n || !p->buffers.n ||
        !p->anns.n || !p->syms.n || !p->chars.n || p->chars.v[p->chars.n - 1] != '\0')
        return bad(v, "this is not a program; it was never initialised");
    TRY(check_names(v));
    TRY(check_buffers(v));
    TRY(check_tree(v));
    TRY(check_exprs(v));
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s)) {
        if (!hone_is_block(p, s))
            continue;
        TRY(check_outside(v, s));
        if (hone_stmt_at(p, s)->out.i)
            TRY(check_body(v, s));
    }
    for (uint32_t k = 0; k < v->writers.n; k++) {
        hone_stmt s = v->writers.v[k];
        TRY(visit(v, s, hone_stmt_at(p, s)->value, true, check_read));
        if (hone_stmt_at(p, s)->init.i)
            TRY(visit(v, s, hone_stmt_at(p, s)->init, true, check_read));
    }
    TRY(check_outputs(v));
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s))
        if (hone_is_block(p, s))
            TRY(check_bounds(v, s));
    return HONE_OK;
}

#define ZEROES(x, count)                                 \
    (hone_vec_reserve(x, (count) + 1), (x)->n = (count), \
     (void)memset((x)->v, 0, (size_t)(count) * sizeof *(x)->v))

hone_status hone_verify(hone_program *p, hone_error *err)
{
    verifier v = {.p = p, .err = err};
    hone_error_clear(err);
    ZEROES(&v.seen, p->exprs.n);
    ZEROES(&v.order, p->stmts.n);
    ZEROES(&v.visible, p->vars.n);
    hone_status status = verify(&v);
    hone_vec_free(&v.seen);
    hone_vec_free(&v.stack);
    hone_vec_free(&v.order);
    hone_vec_free(&v.visible);
    hone_vec_free(&v.writers);
    return status;
}
