/* Reads program text (docs/IR.md). Types, names and scopes are checked here, so that whatever comes
 * out is well formed; whether it is a sensible program is hone_verify's question.
 *
 * Scopes: a binding or `where` sees the loops up to the nearest block around, and that block's
 * iteration variables; a body sees its own block's iteration variables only, and its lets. */
#include "ir/syntax.h"

#define MAX_BYTES (16u << 20)
#define MAX_NESTING 100
#define MAX_EXTENT ((int64_t)1 << 48)
#define MAX_ELEMENTS ((int64_t)1 << 40)

typedef struct scoped {
    hone_var var;
    uint32_t name; /* in ast.names */
    hone_expr let; /* none: a variable */
} scoped;

typedef struct parser {
    hone_lex lx;
    hone_ast ast;
    hone_elab elab;
    hone_program *p;
    HONE_VEC(scoped) scope;
    uint32_t visible; /* first of scope that expressions see */
    unsigned nesting;
} parser;

/* ---- names in expressions -------------------------------------------------------------------- */

static hone_meaning meaning_of(void *ctx, hone_ast_id n)
{
    parser *ps = ctx;
    const char *name = hone_ast__name(&ps->ast, n);
    for (uint32_t k = ps->scope.n; k-- > ps->visible;)
        if (strcmp(ps->ast.names.v + ps->scope.v[k].name, name) == 0)
            return (hone_meaning){.kind = ps->scope.v[k].let.i ? NAME_LET : NAME_VAR,
                                  .var = ps->scope.v[k].var,
                                  .let = ps->scope.v[k].let};
    bool outside = false;
    for (uint32_t k = 0; k < ps->visible; k++)
        outside |= strcmp(ps->ast.names.v + ps->scope.v[k].name, name) == 0;
    hone_lex__fail_at(&ps->lx, hone_ast__at(&ps->ast, n)->at,
                      outside
                          ? "'%s' is not visible here: a block's body sees only the block's own "
                            "variables"
                          : "there is no variable '%s' here",
                      name);
    return (hone_meaning){0};
}

static hone_buffer buffer_of(void *ctx, hone_ast_id n)
{
    parser *ps = ctx;
    const char *name = hone_ast__name(&ps->ast, n);
    hone_buffer b = hone_buffer_find(ps->p, name);
    if (!b.i)
        hone_lex__fail_at(&ps->lx, hone_ast__at(&ps->ast, n)->at, "there is no buffer '%s'", name);
    return b;
}

static bool good(const parser *ps)
{
    return ps->lx.status == HONE_OK;
}

/* A program over its limits hands out none; here that becomes an error with a place. */
static void check_overflow(parser *ps, const char *at)
{
    if (ps->p->overflow)
        hone_lex__fail_as(&ps->lx, HONE_E_LIMIT, at,
                          "the program is too large: at most %d statements, %d expressions and %d "
                          "of these within one another",
                          HONE_MAX_STMTS, HONE_MAX_EXPRS, HONE_MAX_HEIGHT);
}

static hone_expr parse_expr(parser *ps, hone_dtype want)
{
    const char *at = ps->lx.tok.s;
    hone_ast_id n = hone_ast__expr(&ps->ast);
    if (!good(ps))
        return HONE_NO_EXPR;
    hone_expr e = hone_elab__build(&ps->elab, n, want);
    check_overflow(ps, at);
    return e;
}

/* ---- buffers, annotations -------------------------------------------------------------------- */

/* A number of a range. */
static bool parse_limit(parser *ps, double *ret)
{
    hone_lex *lx = &ps->lx;
    double sign = hone_lex__accept(lx, '-') ? -1 : 1;
    if (lx->tok.kind != T_FLOAT && lx->tok.kind != T_INT)
        return hone_lex__expected(lx, "a number");
    *ret = sign * (lx->tok.kind == T_FLOAT ? lx->tok.f : (double)lx->tok.i);
    hone_lex__next(lx);
    return good(ps);
}

static void parse_buffer(parser *ps)
{
    hone_lex *lx = &ps->lx;
    const char *at = lx->tok.s;
    char name[HONE_LEX_MAX_NAME + 1];
    if (!hone_lex__name(lx, "the buffer's name", name))
        return;
    if (hone_buffer_find(ps->p, name).i) {
        hone_lex__fail_at(lx, at, "there are two buffers '%s'", name);
        return;
    }
    hone_lex__expect(lx, ':');
    hone_dtype t =
        lx->tok.kind == T_NAME ? hone_dtype_parse(lx->tok.s, lx->tok.n) : HONE_DTYPE_COUNT;
    if (t == HONE_DTYPE_COUNT) {
        hone_lex__expected(lx, "a dtype such as f32");
        return;
    }
    hone_lex__next(lx);
    hone_lex__expect(lx, '[');
    int64_t shape[HONE_MAX_DIMS], elements = 1;
    unsigned n = 0;
    if (!hone_lex__is(lx, ']')) {
        do {
            const char *here = lx->tok.s;
            if (n == HONE_MAX_DIMS) {
                hone_lex__fail_at(lx, here, "a buffer has at most %d dimensions", HONE_MAX_DIMS);
                return;
            }
            if (!hone_lex__int(lx, "a dimension", &shape[n]))
                return;
            if (shape[n] < 0 || (elements && shape[n] > MAX_ELEMENTS / elements)) {
                hone_lex__fail_at(lx, here,
                                  "dimensions are not negative and a buffer has at most "
                                  "2^40 elements");
                return;
            }
            elements *= shape[n++];
        } while (hone_lex__accept(lx, ','));
    }
    hone_lex__expect(lx, ']');
    hone_role role = HONE_TEMP;
    if (hone_lex__accept_word(lx, "input"))
        role = HONE_INPUT;
    else if (hone_lex__accept_word(lx, "output"))
        role = HONE_OUTPUT;
    hone_scope scope = HONE_SCOPE_COUNT;
    if (lx->tok.kind == T_NAME && !lx->tok.quoted)
        scope = hone_scope_parse(lx->tok.s, lx->tok.n);
    if (scope != HONE_SCOPE_COUNT)
        hone_lex__next(lx);
    else
        scope = HONE_GLOBAL;
    bool is_const = hone_lex__accept_word(lx, "const");
    if (!good(ps))
        return;
    hone_buffer b = hone_buffer_new(ps->p, name, t, shape, n, role, scope);
    hone_buffer_row *row = hone_buffer_at(ps->p, b);
    row->is_const = is_const;
    at = lx->tok.s;
    if (!hone_lex__accept_word(lx, "in"))
        return;
    row->ranged = parse_limit(ps, &row->lo) && hone_lex__expect(lx, HONE_PAIR('.', '.')) &&
                  parse_limit(ps, &row->hi);
    if (good(ps) && !(row->lo < row->hi && role == HONE_INPUT))
        hone_lex__fail_at(lx, at, "a range is for inputs, and its first number is the smaller one");
}

static void parse_anns(parser *ps, hone_stmt s)
{
    hone_lex *lx = &ps->lx;
    while (hone_lex__is(lx, '@')) {
        const char *at = lx->tok.s;
        hone_lex__next(lx);
        char key[HONE_LEX_MAX_NAME + 1], text[HONE_LEX_MAX_NAME + 1];
        if (!hone_lex__name(lx, "the annotation's key", key))
            return;
        hone_lex__expect(lx, '=');
        if (!good(ps))
            return;
        if (hone_ann_get(ps->p, s, key)) {
            hone_lex__fail_at(lx, at, "there are two annotations '%s'", key);
            return;
        }
        if (lx->tok.kind == T_TEXT) {
            if (!hone_lex__text(lx, text))
                return;
            if (text[0] == '\0') {
                hone_lex__fail_at(lx, at, "an annotation's text cannot be empty");
                return;
            }
            hone_ann_set_text(ps->p, s, key, text);
        } else {
            int64_t value;
            if (!hone_lex__int(lx, "an integer or a text in double quotes", &value))
                return;
            hone_ann_set(ps->p, s, key, value);
        }
    }
}

/* ---- statements ------------------------------------------------------------------------------ */

static void parse_stmts(parser *ps, hone_stmt parent);

static bool parse_extent(parser *ps, int64_t *ret)
{
    const char *at = ps->lx.tok.s;
    if (!hone_lex__int(&ps->lx, "an extent", ret))
        return false;
    if (*ret < 1 || *ret > MAX_EXTENT)
        return hone_lex__fail_at(&ps->lx, at, "an extent lies between 1 and 2^48");
    return true;
}

/* A name that none of scope[from..] has. Returns it kept in ast.names. */
static bool parse_new_name(parser *ps, const char *what, uint32_t from, uint32_t *ret)
{
    const char *at = ps->lx.tok.s;
    char name[HONE_LEX_MAX_NAME + 1];
    *ret = 0;
    if (!hone_lex__name(&ps->lx, what, name))
        return false;
    for (uint32_t k = from; k < ps->scope.n; k++)
        if (strcmp(ps->ast.names.v + ps->scope.v[k].name, name) == 0)
            return hone_lex__fail_at(&ps->lx, at, "there is a '%s' around this already", name);
    *ret = hone_ast__keep(&ps->ast, name);
    return true;
}

static void bind(parser *ps, hone_stmt loop, hone_axis axis)
{
    hone_stmt_at(ps->p, loop)->loop_kind = HONE_BOUND;
    hone_stmt_at(ps->p, loop)->axis = (uint8_t)axis;
}

static void parse_axis(parser *ps, hone_stmt loop)
{
    char name[HONE_LEX_MAX_NAME + 1];
    const char *at = ps->lx.tok.s;
    if (!hone_lex__name(&ps->lx, "an axis such as blockIdx.x", name))
        return;
    hone_axis axis = hone_axis_parse(name);
    if (axis == HONE_AXIS_NONE)
        hone_lex__fail_at(
            &ps->lx, at,
            "there is no axis '%s'; blockIdx, threadIdx and vthread have .x, .y and .z", name);
    bind(ps, loop, axis);
}

/* Axes were annotations once. */
static void read_old_axis(parser *ps, hone_stmt loop)
{
    const hone_ann *old = hone_ann_get(ps->p, loop, HONE_ANN_OLD_AXIS);
    hone_axis axis = old ? hone_axis_parse(hone_sym_text(ps->p, old->text)) : HONE_AXIS_NONE;
    if (axis == HONE_AXIS_NONE || hone_stmt_at(ps->p, loop)->loop_kind != HONE_SERIAL)
        return;
    hone_ann_remove(ps->p, loop, HONE_ANN_OLD_AXIS);
    bind(ps, loop, axis);
}

static void parse_loop(parser *ps, hone_stmt parent)
{
    static const char *const kinds[] = {NULL, "parallel", "vectorized", "unrolled"};
    hone_lex *lx = &ps->lx;
    const char *at = lx->tok.s;
    uint32_t name;
    int64_t extent;
    if (!parse_new_name(ps, "the loop's variable", ps->visible, &name) ||
        !hone_lex__expect_word(lx, "in") || !parse_extent(ps, &extent))
        return;
    hone_stmt loop = hone_loop_new(ps->p, ps->ast.names.v + name, extent);
    check_overflow(ps, at);
    if (!good(ps))
        return;
    for (int k = 1; k < (int)HONE_LEN(kinds); k++)
        if (hone_lex__accept_word(lx, kinds[k])) {
            hone_stmt_at(ps->p, loop)->loop_kind = (uint8_t)k;
            break;
        }
    if (hone_lex__accept_word(lx, "bind"))
        parse_axis(ps, loop);
    parse_anns(ps, loop);
    read_old_axis(ps, loop);
    hone_lex__expect(lx, '{');
    hone_stmt_append(ps->p, parent, loop);
    hone_vec_push(&ps->scope, (scoped){hone_stmt_at(ps->p, loop)->var, name, HONE_NO_EXPR});
    parse_stmts(ps, loop);
    ps->scope.n--;
}

/* A name for an expression, for what follows in the block. */
static void parse_let(parser *ps)
{
    const char *at = ps->lx.tok.s;
    uint32_t name;
    if (!parse_new_name(ps, "the let's name", ps->visible, &name) ||
        !hone_lex__expect(&ps->lx, '='))
        return;
    hone_ast_id n = hone_ast__expr(&ps->ast);
    if (!good(ps))
        return;
    unsigned type = hone_elab__default_type(&ps->elab, n);
    hone_expr e = good(ps) ? hone_elab__build(&ps->elab, n, (hone_dtype)type) : HONE_NO_EXPR;
    check_overflow(ps, at);
    if (good(ps))
        hone_vec_push(&ps->scope, (scoped){{0}, name, e});
}

static void parse_store(parser *ps, hone_stmt block)
{
    hone_lex *lx = &ps->lx;
    hone_ast_id init = 0, value;
    while (good(ps) && hone_lex__accept_word(lx, "let"))
        parse_let(ps);
    if (hone_lex__is_word(lx, "init")) {
        hone_lex__next(lx);
        init = hone_ast__expr(&ps->ast);
    }
    const char *at = lx->tok.s;
    char name[HONE_LEX_MAX_NAME + 1];
    if (!hone_lex__name(lx, "the buffer to store to", name))
        return;
    hone_buffer out = hone_buffer_find(ps->p, name);
    if (!out.i) {
        hone_lex__fail_at(lx, at, "there is no buffer '%s'", name);
        return;
    }
    const hone_buffer_row *row = hone_buffer_at(ps->p, out);
    hone_dtype t = (hone_dtype)row->dtype;
    hone_ast_id args[HONE_MAX_DIMS];
    hone_expr index[HONE_MAX_DIMS];
    hone_lex__expect(lx, '[');
    unsigned n = hone_ast__list(&ps->ast, ']', args, HONE_MAX_DIMS);
    if (good(ps) && n != row->n_dims)
        hone_lex__fail_at(lx, at, "%s has %d dimensions, here are %u indices", name, row->n_dims,
                          n);
    for (unsigned k = 0; k < n && good(ps); k++)
        index[k] = hone_elab__build(&ps->elab, args[k], HONE_I64);
    hone_lex__expect(lx, '=');
    value = hone_ast__expr(&ps->ast);
    if (!good(ps))
        return;
    hone_expr v = hone_elab__build(&ps->elab, value, t);
    hone_expr i = init && good(ps) ? hone_elab__build(&ps->elab, init, t) : HONE_NO_EXPR;
    check_overflow(ps, at);
    if (good(ps))
        hone_block_set_store(ps->p, block, out, index, n, v, i);
}

static void parse_block(parser *ps, hone_stmt parent)
{
    hone_lex *lx = &ps->lx;
    const char *at = lx->tok.s;
    char name[HONE_LEX_MAX_NAME + 1];
    if (!hone_lex__name(lx, "the block's name", name))
        return;
    if (hone_block_find(ps->p, name).i) {
        hone_lex__fail_at(lx, at, "there are two blocks '%s'", name);
        return;
    }
    hone_stmt block = hone_block_new(ps->p, name);
    check_overflow(ps, at);
    hone_lex__expect(lx, '(');
    hone_iter iters[HONE_MAX_ITERS];
    uint32_t names[HONE_MAX_ITERS];
    int64_t extents[HONE_MAX_ITERS];
    unsigned n = 0;
    while (good(ps) && !hone_lex__is(lx, ')')) {
        if (n == HONE_MAX_ITERS) {
            hone_lex__fail_at(lx, lx->tok.s, "a block has at most %d iteration variables",
                              HONE_MAX_ITERS);
            return;
        }
        iters[n].kind = hone_lex__accept_word(lx, "reduce") ? HONE_REDUCE : HONE_SPATIAL;
        const char *name_at = lx->tok.s;
        if (!parse_new_name(ps, "the iteration variable", ps->scope.n, &names[n]) ||
            !hone_lex__expect(lx, ':') || !parse_extent(ps, &extents[n]) ||
            !hone_lex__expect(lx, '='))
            return;
        for (unsigned k = 0; k < n; k++)
            if (strcmp(ps->ast.names.v + names[k], ps->ast.names.v + names[n]) == 0)
                hone_lex__fail_at(lx, name_at, "there are two iteration variables '%s'",
                                  ps->ast.names.v + names[n]);
        iters[n].binding = parse_expr(ps, HONE_I64);
        n++;
        if (!hone_lex__accept(lx, ','))
            break;
    }
    hone_lex__expect(lx, ')');
    if (!good(ps))
        return;
    if (hone_lex__accept_word(lx, "where")) {
        hone_expr where = parse_expr(ps, HONE_BOOL);
        if (good(ps))
            hone_stmt_at(ps->p, block)->where = where;
    }
    parse_anns(ps, block);
    hone_lex__expect(lx, '{');
    if (!good(ps))
        return;
    uint32_t outer = ps->visible, here = ps->scope.n;
    for (unsigned k = 0; k < n; k++) {
        hone_var v = hone_block_add_iter(ps->p, block, ps->ast.names.v + names[k], iters[k].kind,
                                         extents[k], iters[k].binding);
        hone_vec_push(&ps->scope, (scoped){v, names[k], HONE_NO_EXPR});
    }
    ps->visible = here;
    hone_stmt_append(ps->p, parent, block);
    if (hone_lex__is(lx, '}') || hone_lex__is_word(lx, "for") || hone_lex__is_word(lx, "block")) {
        parse_stmts(ps, block);
    } else {
        parse_store(ps, block);
        hone_lex__expect(lx, '}');
    }
    ps->visible = outer;
    ps->scope.n = here;
}

/* Up to and with the closing brace. */
static void parse_stmts(parser *ps, hone_stmt parent)
{
    hone_lex *lx = &ps->lx;
    if (ps->nesting == MAX_NESTING) {
        hone_lex__fail_at(lx, lx->tok.s, "more than %d statements within one another", MAX_NESTING);
        return;
    }
    ps->nesting++;
    while (good(ps) && !hone_lex__accept(lx, '}')) {
        if (hone_lex__accept_word(lx, "for"))
            parse_loop(ps, parent);
        else if (hone_lex__accept_word(lx, "block"))
            parse_block(ps, parent);
        else
            hone_lex__expected(lx, "'for', 'block' or '}'");
    }
    ps->nesting--;
}

hone_status hone_program_parse(const char *text, size_t n, hone_program *p, hone_error *err)
{
    parser ps = {.p = p};
    hone_lex *lx = &ps.lx;
    hone_lex__start(lx, "program", text, n, MAX_BYTES, HONE_WORDS_PROGRAM, err);
    hone_ast__init(&ps.ast, lx, false);
    ps.elab =
        (hone_elab){.ast = &ps.ast, .p = p, .ctx = &ps, .name = meaning_of, .buffer = buffer_of};
    char name[HONE_LEX_MAX_NAME + 1] = "";
    hone_lex__expect_word(lx, "program");
    hone_lex__name(lx, "the program's name", name);
    hone_program_init(p, name);
    parse_anns(&ps, p->root);
    hone_lex__expect(lx, '{');
    while (good(&ps) && hone_lex__accept_word(lx, "buffer"))
        parse_buffer(&ps);
    parse_stmts(&ps, p->root);
    if (good(&ps) && lx->tok.kind != T_END)
        hone_lex__expected(lx, "the end of the text");
    hone_ast__fini(&ps.ast);
    hone_vec_free(&ps.scope);
    if (lx->status != HONE_OK)
        hone_program_fini(p);
    return lx->status;
}
