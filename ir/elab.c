/* Typing: from expressions as written to the program's expressions.
 *
 * Constants adapt: an integer constant takes the dtype of what it meets, a constant with a fraction
 * the float dtype it meets. hone_elab__type finds what an expression is, hone_elab__build makes it
 * with the dtype its place wants. Errors go to the lexer's record, at the node at fault.
 *
 * Reader's map: the type of an expression; integers that are known now (sizes and what is computed
 * from them); building. */
#include "ir/internal.h"
#include "ir/syntax.h"

#include <math.h>

const char *hone_elab__type_name(unsigned type)
{
    return type < HONE_DTYPE_COUNT  ? hone_dtype_name((hone_dtype)type)
           : type == TYPE_ANY_INT   ? "an integer constant"
           : type == TYPE_ANY_FLOAT ? "a constant with a fraction"
                                    : "?";
}

static unsigned bad(const hone_elab *e, hone_ast_id n, const char *text)
{
    hone_lex__fail_at(e->ast->lx, hone_ast__at(e->ast, n)->at, "%s", text);
    return TYPE_BAD;
}

static bool is_float(unsigned type)
{
    return type == TYPE_ANY_FLOAT ||
           (type < HONE_DTYPE_COUNT && hone_dtype_is_float((hone_dtype)type));
}

static bool is_int(unsigned type)
{
    return type == TYPE_ANY_INT ||
           (type < HONE_DTYPE_COUNT && type != HONE_BOOL && !hone_dtype_is_float((hone_dtype)type));
}

/* The one dtype two operands have together. */
static unsigned join(const hone_elab *e, hone_ast_id n, unsigned a, unsigned b)
{
    if (a == TYPE_BAD || b == TYPE_BAD)
        return TYPE_BAD;
    if (a == b)
        return a;
    if (b == TYPE_ANY_INT && (is_int(a) || is_float(a)))
        return a;
    if (a == TYPE_ANY_INT && (is_int(b) || is_float(b)))
        return b;
    if (b == TYPE_ANY_FLOAT && is_float(a))
        return a;
    if (a == TYPE_ANY_FLOAT && is_float(b))
        return b;
    unsigned known = a < HONE_DTYPE_COUNT ? a : b;
    hone_lex__fail_at(e->ast->lx, hone_ast__at(e->ast, n)->at,
                      "%s and %s do not mix; cast one, as in %s(...)", hone_elab__type_name(a),
                      hone_elab__type_name(b), hone_elab__type_name(known));
    return TYPE_BAD;
}

/* ---- the type of an expression -------------------------------------------------------------- */

static unsigned op_type(const hone_elab *e, hone_ast_id n)
{
    const hone_ast_node *node = hone_ast__at(e->ast, n);
    hone_op op = (hone_op)node->op;
    unsigned t[3] = {TYPE_BAD, TYPE_BAD, TYPE_BAD};
    for (unsigned k = 0; k < node->n_args && k < 3; k++) {
        t[k] = hone_elab__type(e, hone_ast__arg(e->ast, n, k));
        if (t[k] == TYPE_BAD)
            return TYPE_BAD;
    }
    switch (op) {
    case HONE_OP_AND:
    case HONE_OP_OR:
        return t[0] == HONE_BOOL && t[1] == HONE_BOOL
                   ? HONE_BOOL
                   : bad(e, n, "'and' and 'or' join conditions, such as i < 3 and j < 4");
    case HONE_OP_NOT:
        return t[0] == HONE_BOOL ? HONE_BOOL : bad(e, n, "'not' takes a condition");
    case HONE_OP_EQ:
    case HONE_OP_NE:
        return join(e, n, t[0], t[1]) == TYPE_BAD ? TYPE_BAD : HONE_BOOL;
    case HONE_OP_LT:
    case HONE_OP_LE:
        if (join(e, n, t[0], t[1]) == TYPE_BAD)
            return TYPE_BAD;
        return t[0] == HONE_BOOL ? bad(e, n, "conditions have no order") : HONE_BOOL;
    case HONE_OP_SELECT:
        if (t[0] != HONE_BOOL)
            return bad(e, n, "the first part must be a condition, such as i < 3");
        return join(e, n, t[1], t[2]);
    default:
        break;
    }
    unsigned type = node->n_args == 2 ? join(e, n, t[0], t[1]) : t[0];
    if (type == TYPE_BAD)
        return TYPE_BAD;
    if (type == HONE_BOOL)
        return op == HONE_OP_BITAND || op == HONE_OP_BITOR
                   ? bad(e, n,
                         "& and | are for integers; conditions are joined with 'and' and 'or'")
                   : bad(e, n, "conditions cannot be calculated with; cast them, as in i32(...)");
    switch (op) {
    case HONE_OP_ADD:
    case HONE_OP_SUB:
    case HONE_OP_MUL:
    case HONE_OP_MIN:
    case HONE_OP_MAX:
    case HONE_OP_ABS:
        return type;
    case HONE_OP_DIV:
        return type == TYPE_ANY_INT ? TYPE_ANY_FLOAT : type;
    case HONE_OP_FLOORDIV:
    case HONE_OP_FLOORMOD:
        return is_int(type) ? type : bad(e, n, "// and % are for integers; floats divide with /");
    case HONE_OP_BITAND:
    case HONE_OP_BITOR:
    case HONE_OP_BITXOR:
    case HONE_OP_SHL:
    case HONE_OP_SHR:
    case HONE_OP_POPCOUNT:
        return is_int(type) ? type : bad(e, n, "operations on bits are for integers");
    default: /* the functions of floats */
        if (type == TYPE_ANY_INT)
            return TYPE_ANY_FLOAT;
        return is_float(type) ? type
                              : bad(e, n, "this function is for floats; cast, as in f32(...)");
    }
}

static unsigned find_type(const hone_elab *e, hone_ast_id n)
{
    const hone_ast_node *node = hone_ast__at(e->ast, n);
    unsigned type;
    hone_buffer b;
    switch ((hone_ast_kind)node->kind) {
    case AST_INT:
        return node->big ? bad(e, n, "the number does not fit 64 bits") : TYPE_ANY_INT;
    case AST_FLOAT:
        return TYPE_ANY_FLOAT;
    case AST_BOOL:
        return HONE_BOOL;
    case AST_NAME: {
        hone_meaning m = e->name(e->ctx, n);
        return m.kind == NAME_SIZE  ? TYPE_ANY_INT
               : m.kind == NAME_VAR ? HONE_I64
               : m.kind == NAME_LET ? hone_expr_dtype(e->p, m.let)
                                    : TYPE_BAD;
    }
    case AST_INDEX:
        b = e->buffer(e->ctx, n);
        return b.i ? hone_buffer_at(e->p, b)->dtype : TYPE_BAD;
    case AST_TEMP:
        return hone_buffer_at(e->p, node->buffer)->dtype;
    case AST_OP:
        return op_type(e, n);
    case AST_NEG:
        type = hone_elab__type(e, hone_ast__arg(e->ast, n, 0));
        return type == HONE_BOOL ? bad(e, n, "a condition has no negative; write not(...)") : type;
    case AST_CAST:
        type = hone_elab__type(e, hone_ast__arg(e->ast, n, 0));
        return type == TYPE_BAD ? TYPE_BAD : hone_ast__at(e->ast, n)->dtype;
    case AST_REDUCE:
        return bad(e, n, "a reduction cannot stand here");
    case AST_NONE:
        break;
    }
    return TYPE_BAD;
}

unsigned hone_elab__type(const hone_elab *e, hone_ast_id n)
{
    if (e->ast->lx->status != HONE_OK)
        return TYPE_BAD;
    unsigned cached = hone_ast__at(e->ast, n)->type;
    if (cached)
        return cached - 1;
    unsigned type = find_type(e, n);
    hone_ast__at(e->ast, n)->type = (uint8_t)(type + 1);
    return type;
}

static unsigned decided(unsigned type)
{
    return type == TYPE_ANY_INT ? HONE_I64 : type == TYPE_ANY_FLOAT ? HONE_F32 : type;
}

unsigned hone_elab__default_type(const hone_elab *e, hone_ast_id n)
{
    return decided(hone_elab__type(e, n));
}

/* ---- integers known now --------------------------------------------------------------------- */

static bool known_now(const hone_elab *e, hone_ast_id n);

static bool find_known(const hone_elab *e, hone_ast_id n)
{
    const hone_ast_node *node = hone_ast__at(e->ast, n);
    if (node->kind == AST_NAME)
        return e->name(e->ctx, n).kind == NAME_SIZE;
    if (node->kind != AST_OP && node->kind != AST_NEG)
        return node->kind == AST_INT || node->kind == AST_BOOL;
    for (unsigned k = 0; k < node->n_args; k++)
        if (!known_now(e, hone_ast__arg(e->ast, n, k)))
            return false;
    return true;
}

static bool known_now(const hone_elab *e, hone_ast_id n)
{
    hone_ast_node *node = hone_ast__at(e->ast, n);
    if (!node->known)
        node->known = find_known(e, n) ? 2 : 1;
    return node->known == 2;
}

static bool int_op(const hone_elab *e, hone_ast_id n, hone_op op, int64_t a, int64_t b,
                   int64_t *ret)
{
    bool over = false;
    switch (op) {
    case HONE_OP_ADD:
        over = __builtin_add_overflow(a, b, ret);
        break;
    case HONE_OP_SUB:
        over = __builtin_sub_overflow(a, b, ret);
        break;
    case HONE_OP_MUL:
        over = __builtin_mul_overflow(a, b, ret);
        break;
    case HONE_OP_FLOORDIV:
    case HONE_OP_FLOORMOD:
        if (b == 0)
            return bad(e, n, "division by zero"), false;
        over = b == -1 && a == INT64_MIN;
        if (!over) {
            int64_t q = a / b, r = a % b;
            bool down = r != 0 && (r < 0) != (b < 0);
            *ret = op == HONE_OP_FLOORDIV ? q - down : r + (down ? b : 0);
        }
        break;
    case HONE_OP_MIN:
        *ret = a < b ? a : b;
        break;
    case HONE_OP_MAX:
        *ret = a > b ? a : b;
        break;
    case HONE_OP_EQ:
        *ret = a == b;
        break;
    case HONE_OP_NE:
        *ret = a != b;
        break;
    case HONE_OP_LT:
        *ret = a < b;
        break;
    case HONE_OP_LE:
        *ret = a <= b;
        break;
    case HONE_OP_AND:
        *ret = a && b;
        break;
    case HONE_OP_OR:
        *ret = a || b;
        break;
    case HONE_OP_NOT:
        *ret = !a;
        break;
    case HONE_OP_BITAND:
        *ret = a & b;
        break;
    case HONE_OP_BITOR:
        *ret = a | b;
        break;
    case HONE_OP_BITXOR:
        *ret = a ^ b;
        break;
    case HONE_OP_SHL:
        if (b < 0)
            return bad(e, n, "the distance of a shift cannot be negative"), false;
        over = a != 0 && (b > 62 || __builtin_mul_overflow(a, (int64_t)1 << b, ret));
        *ret = over ? 0 : a ? *ret : 0;
        break;
    case HONE_OP_SHR:
    case HONE_OP_POPCOUNT:
        /* how many bits it has is not known yet */
        if (a < 0 || b < 0)
            return bad(e, n, "this number cannot be negative; cast it, as in i32(...)"), false;
        *ret = op == HONE_OP_POPCOUNT ? __builtin_popcountll((uint64_t)a) : b > 62 ? 0 : a >> b;
        break;
    case HONE_OP_ABS:
        over = a == INT64_MIN;
        *ret = over ? a : a < 0 ? -a : a;
        break;
    case HONE_OP_DIV:
        return bad(e, n, "sizes divide with //, which rounds down"), false;
    default:
        return bad(e, n, "this function is not for sizes"), false;
    }
    return over ? (bad(e, n, "the value does not fit 64 bits"), false) : true;
}

bool hone_elab__int(const hone_elab *e, hone_ast_id n, int64_t *ret)
{
    *ret = 0;
    if (e->ast->lx->status != HONE_OK)
        return false;
    const hone_ast_node *node = hone_ast__at(e->ast, n);
    int64_t a = 0, b = 0;
    switch ((hone_ast_kind)node->kind) {
    case AST_INT:
        if (node->big)
            return bad(e, n, "the number does not fit 64 bits"), false;
        *ret = node->i;
        return true;
    case AST_BOOL:
        *ret = node->i;
        return true;
    case AST_NAME: {
        hone_meaning m = e->name(e->ctx, n);
        *ret = m.size;
        if (m.kind == NAME_VAR || m.kind == NAME_LET)
            bad(e, n, "an index cannot be used here: the value must be known from the sizes");
        return m.kind == NAME_SIZE;
    }
    case AST_NEG:
        if (!hone_elab__int(e, hone_ast__arg(e->ast, n, 0), &a))
            return false;
        if (a == INT64_MIN)
            return bad(e, n, "the value does not fit 64 bits"), false;
        *ret = -a;
        return true;
    case AST_OP:
        if (!hone_elab__int(e, hone_ast__arg(e->ast, n, 0), &a))
            return false;
        if (node->op == HONE_OP_SELECT)
            return hone_elab__int(e, hone_ast__arg(e->ast, n, a ? 1 : 2), ret);
        if (node->n_args > 1 && !hone_elab__int(e, hone_ast__arg(e->ast, n, 1), &b))
            return false;
        return int_op(e, n, (hone_op)hone_ast__at(e->ast, n)->op, a, b, ret);
    case AST_FLOAT:
    case AST_INDEX:
    case AST_TEMP:
    case AST_CAST:
    case AST_REDUCE:
    case AST_NONE:
        break;
    }
    return bad(e, n, "this must be an integer known from the sizes"), false;
}

/* ---- building ------------------------------------------------------------------------------- */

static void does_not_fit(const hone_elab *e, hone_ast_id n, hone_dtype want, const char *value,
                         bool negative)
{
    char bound[40];
    if (hone_dtype_is_float(want)) {
        double most = hone_ir__largest(want);
        snprintf(bound, sizeof bound, "%.17g", negative ? -most : most);
    } else {
        int64_t lo, hi;
        hone_ir__dtype_range(want, &lo, &hi);
        snprintf(bound, sizeof bound, "%" PRId64, negative ? lo : hi);
    }
    hone_lex__fail_at(e->ast->lx, hone_ast__at(e->ast, n)->at,
                      "%s does not fit %s, whose %s value is %s", value, hone_dtype_name(want),
                      negative ? "smallest" : "largest", bound);
}

static hone_expr build_float(const hone_elab *e, hone_ast_id n, hone_dtype want, double v)
{
    if (isfinite(v) && isinf(hone_ir__round(want, v))) {
        char text[40];
        snprintf(text, sizeof text, "%.15g", v);
        does_not_fit(e, n, want, text, v < 0);
        return HONE_NO_EXPR;
    }
    return hone_const(e->p, want, v);
}

static hone_expr build_int(const hone_elab *e, hone_ast_id n, hone_dtype want, int64_t v)
{
    if (want == HONE_I64)
        return hone_int(e->p, v);
    if (hone_dtype_is_float(want))
        return build_float(e, n, want, (double)v);
    int64_t lo, hi;
    hone_ir__dtype_range(want, &lo, &hi);
    if (v < lo || v > hi) {
        char text[32];
        snprintf(text, sizeof text, "%" PRId64, v);
        does_not_fit(e, n, want, text, v < lo);
        return HONE_NO_EXPR;
    }
    return hone_const(e->p, want, (double)v);
}

/* What memory holds may be any number. An index made of it is held inside of its dimension, so that
 * a kernel reads nothing but its arguments, whatever they hold. */
static hone_expr held_inside(const hone_elab *e, hone_ast_id n, hone_buffer b, unsigned d,
                             hone_expr index)
{
    int64_t extent = hone_buffer_at(e->p, b)->shape[d], lo, hi;
    if (!e->holds || !hone_has_load(e->p, index) ||
        (hone_bounds(e->p, index, &lo, &hi) && lo >= 0 && hi < extent))
        return index;
    if (extent == 0) {
        hone_lex__fail_at(e->ast->lx, hone_ast__at(e->ast, n)->at,
                          "%s has no elements to choose from: its dimension %u is 0",
                          hone_sym_text(e->p, hone_buffer_at(e->p, b)->name), d + 1);
        return HONE_NO_EXPR;
    }
    index = hone_binary(e->p, HONE_OP_MAX, index, hone_int(e->p, 0));
    return hone_binary(e->p, HONE_OP_MIN, index, hone_int(e->p, extent - 1));
}

static hone_expr build_load(const hone_elab *e, hone_ast_id n, hone_buffer b)
{
    unsigned n_args = hone_ast__at(e->ast, n)->n_args;
    if (n_args != hone_buffer_at(e->p, b)->n_dims) {
        hone_lex__fail_at(e->ast->lx, hone_ast__at(e->ast, n)->at,
                          "%s has %d dimensions, here are %u indices",
                          hone_sym_text(e->p, hone_buffer_at(e->p, b)->name),
                          hone_buffer_at(e->p, b)->n_dims, n_args);
        return HONE_NO_EXPR;
    }
    hone_expr index[HONE_MAX_DIMS];
    for (unsigned k = 0; k < n_args; k++) {
        index[k] = hone_elab__build(e, hone_ast__arg(e->ast, n, k), HONE_I64);
        index[k] = held_inside(e, n, b, k, index[k]);
        if (!index[k].i)
            return HONE_NO_EXPR;
    }
    return hone_load(e->p, b, index, n_args);
}

static hone_expr build_cast(const hone_elab *e, hone_ast_id n, hone_dtype want)
{
    hone_ast_id arg = hone_ast__arg(e->ast, n, 0);
    unsigned from = hone_elab__type(e, arg);
    /* A constant is read in the dtype it is cast to: f64(0.1) is not f32's 0.1. */
    if ((from == TYPE_ANY_INT && want != HONE_BOOL) ||
        (from == TYPE_ANY_FLOAT && hone_dtype_is_float(want)))
        from = want;
    hone_expr x = hone_elab__build(e, arg, (hone_dtype)decided(from));
    return x.i ? hone_cast(e->p, want, x) : x;
}

static hone_expr build_op(const hone_elab *e, hone_ast_id n, hone_dtype want)
{
    unsigned n_args = hone_ast__at(e->ast, n)->n_args;
    hone_op op = (hone_op)hone_ast__at(e->ast, n)->op;
    hone_expr x[3] = {{0}, {0}, {0}};
    hone_dtype of = want;
    if (op == HONE_OP_EQ || op == HONE_OP_NE || op == HONE_OP_LT || op == HONE_OP_LE)
        of = (hone_dtype)decided(join(e, n, hone_elab__type(e, hone_ast__arg(e->ast, n, 0)),
                                      hone_elab__type(e, hone_ast__arg(e->ast, n, 1))));
    for (unsigned k = 0; k < n_args; k++) {
        bool condition = op == HONE_OP_SELECT && k == 0;
        x[k] = hone_elab__build(e, hone_ast__arg(e->ast, n, k), condition ? HONE_BOOL : of);
        if (!x[k].i)
            return HONE_NO_EXPR;
    }
    int64_t zero = 1;
    if (op == HONE_OP_FLOORDIV || op == HONE_OP_FLOORMOD || op == HONE_OP_DIV) {
        bool real = hone_dtype_is_float(want);
        if (real && op != HONE_OP_DIV)
            return bad(e, n, "// and % are for integers; cast their result"), HONE_NO_EXPR;
        if (!real && hone_is_int(e->p, x[1], &zero) && zero == 0)
            return bad(e, n, "division by zero"), HONE_NO_EXPR;
    }
    if (op == HONE_OP_SELECT)
        return hone_select(e->p, x[0], x[1], x[2]);
    hone_expr r = n_args == 2 ? hone_binary(e->p, op, x[0], x[1]) : hone_unary(e->p, op, x[0]);
    return hone_ast__at(e->ast, n)->fast ? hone_fast(e->p, r) : r;
}

hone_expr hone_elab__build(const hone_elab *e, hone_ast_id n, hone_dtype want)
{
    unsigned type = hone_elab__type(e, n);
    if (type == TYPE_BAD)
        return HONE_NO_EXPR;
    bool fits = type == (unsigned)want || (type == TYPE_ANY_FLOAT && hone_dtype_is_float(want)) ||
                (type == TYPE_ANY_INT && want != HONE_BOOL);
    if (!fits) {
        hone_lex__fail_at(e->ast->lx, hone_ast__at(e->ast, n)->at,
                          "this is %s where %s is wanted; write %s(...)",
                          hone_elab__type_name(type), hone_dtype_name(want), hone_dtype_name(want));
        return HONE_NO_EXPR;
    }
    int64_t v;
    if (type == TYPE_ANY_INT && known_now(e, n))
        return hone_elab__int(e, n, &v) ? build_int(e, n, want, v) : HONE_NO_EXPR;
    hone_expr x;
    switch ((hone_ast_kind)hone_ast__at(e->ast, n)->kind) {
    case AST_FLOAT:
        return build_float(e, n, want, hone_ast__at(e->ast, n)->f);
    case AST_BOOL:
        return hone_bool(e->p, hone_ast__at(e->ast, n)->i != 0);
    case AST_NAME: {
        hone_meaning m = e->name(e->ctx, n);
        return m.kind == NAME_LET ? m.let : hone_var_expr(e->p, m.var);
    }
    case AST_INDEX:
        return build_load(e, n, e->buffer(e->ctx, n));
    case AST_TEMP:
        return build_load(e, n, hone_ast__at(e->ast, n)->buffer);
    case AST_OP:
        return build_op(e, n, want);
    case AST_NEG:
        x = hone_elab__build(e, hone_ast__arg(e->ast, n, 0), want);
        if (!x.i)
            return x;
        return hone_dtype_is_float(want)
                   ? hone_binary(e->p, HONE_OP_MUL, x, hone_const(e->p, want, -1))
                   : hone_binary(e->p, HONE_OP_SUB, hone_const(e->p, want, 0), x);
    case AST_CAST:
        return build_cast(e, n, want);
    case AST_INT:
    case AST_REDUCE:
    case AST_NONE:
        break;
    }
    return HONE_NO_EXPR;
}
