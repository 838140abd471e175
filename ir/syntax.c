/* Expressions as written. Loosest first:
 *   c ? a : b   or   and   == != < <= > >=   |   ^   &   << >>   + -   * / // %   -x   primary
 * A reduction `sum(k < K) operand` is a primary whose operand reaches over * / // % but not over
 * + and -, as a sum sign does on paper. */
#include "ir/syntax.h"

#include <math.h>

void hone_ast__init(hone_ast *a, hone_lex *lx, bool reductions)
{
    *a = (hone_ast){.lx = lx, .reductions = reductions};
    hone_vec_push(&a->nodes, (hone_ast_node){0});
    hone_vec_push(&a->names, '\0');
}

void hone_ast__fini(hone_ast *a)
{
    hone_vec_free(&a->nodes);
    hone_vec_free(&a->args);
    hone_vec_free(&a->names);
}

uint32_t hone_ast__keep(hone_ast *a, const char *name)
{
    uint32_t at = a->names.n, n = (uint32_t)strlen(name) + 1;
    hone_vec_reserve(&a->names, n);
    memcpy(a->names.v + at, name, n);
    a->names.n += n;
    return at;
}

hone_ast_id hone_ast__new(hone_ast *a, hone_ast_kind kind, const char *at, const hone_ast_id *args,
                          unsigned n)
{
    unsigned depth = 0;
    for (unsigned k = 0; k < n; k++)
        depth = a->nodes.v[args[k]].depth > depth ? a->nodes.v[args[k]].depth : depth;
    if (depth >= HONE_AST_MAX_DEPTH) {
        hone_lex__fail_at(a->lx, at,
                          "this expression is more than %d operations deep; name a part "
                          "of it",
                          HONE_AST_MAX_DEPTH);
        return 0;
    }
    if (a->nodes.n > HONE_AST_MAX_NODES) {
        hone_lex__fail_as(a->lx, HONE_E_LIMIT, at, "the text has more than %d operations",
                          HONE_AST_MAX_NODES);
        return 0;
    }
    hone_ast_node node = {.kind = (uint8_t)kind,
                          .at = at,
                          .args = a->args.n,
                          .n_args = n,
                          .depth = (uint16_t)(depth + 1)};
    for (unsigned k = 0; k < n; k++)
        hone_vec_push(&a->args, args[k]);
    hone_vec_push(&a->nodes, node);
    return a->nodes.n - 1;
}

static hone_ast_id new_op(hone_ast *a, hone_op op, const char *at, const hone_ast_id *args,
                          unsigned n)
{
    hone_ast_id id = hone_ast__new(a, AST_OP, at, args, n);
    hone_ast__at(a, id)->op = (uint8_t)op;
    return id;
}

unsigned hone_ast__list(hone_ast *a, int close, hone_ast_id *ret, unsigned max)
{
    unsigned n = 0;
    if (hone_lex__accept(a->lx, close))
        return 0;
    do {
        if (n == max) {
            hone_lex__fail_at(a->lx, a->lx->tok.s, "more than %u here", max);
            return 0;
        }
        ret[n++] = hone_ast__expr(a);
    } while (hone_lex__accept(a->lx, ','));
    hone_lex__expect(a->lx, close);
    return a->lx->status == HONE_OK ? n : 0;
}

/* ---- primaries ------------------------------------------------------------------------------ */

static hone_ast_id parse_level(hone_ast *a, unsigned level);
enum {
    LEVEL_TERNARY,
    LEVEL_OR,
    LEVEL_AND,
    LEVEL_COMPARE,
    LEVEL_BITOR,
    LEVEL_BITXOR,
    LEVEL_BITAND,
    LEVEL_SHIFT,
    LEVEL_ADD,
    LEVEL_MUL,
    LEVEL_UNARY
};

static hone_op function_named(const char *s, size_t n)
{
    static const struct {
        const char *text;
        char form;
    } ops[HONE_OP_COUNT] = {
#define HONE_OP(NAME, text, arity, form) [HONE_OP_##NAME] = {text, #form[0]},
#include "ir/ops.def"
#undef HONE_OP
    };
    for (int op = 1; op < HONE_OP_COUNT; op++)
        if (ops[op].form == 'F' && strlen(ops[op].text) == n && memcmp(ops[op].text, s, n) == 0)
            return (hone_op)op;
    return HONE_OP_NONE;
}

static hone_op combiner_named(const char *s, size_t n)
{
    return n == 3 && memcmp(s, "sum", 3) == 0    ? HONE_OP_ADD
           : n == 4 && memcmp(s, "prod", 4) == 0 ? HONE_OP_MUL
           : n == 3 && memcmp(s, "min", 3) == 0  ? HONE_OP_MIN
           : n == 3 && memcmp(s, "max", 3) == 0  ? HONE_OP_MAX
                                                 : HONE_OP_NONE;
}

/* Is it `name < extent`, as written in a reduction's parentheses? */
static bool is_range(const hone_ast *a, hone_ast_id n)
{
    const hone_ast_node *node = hone_ast__at(a, n);
    return node->kind == AST_OP && node->op == HONE_OP_LT &&
           hone_ast__at(a, hone_ast__arg(a, n, 0))->kind == AST_NAME;
}

static hone_ast_id parse_reduction(hone_ast *a, hone_op op, const char *at,
                                   const hone_ast_id *ranges, unsigned n)
{
    hone_ast_id args[2 * HONE_MAX_ITERS + 1];
    for (unsigned k = 0; k < n; k++) {
        args[2 * k] = hone_ast__arg(a, ranges[k], 0);
        args[2 * k + 1] = hone_ast__arg(a, ranges[k], 1);
    }
    args[2 * n] = parse_level(a, LEVEL_MUL);
    hone_ast_id id = hone_ast__new(a, AST_REDUCE, at, args, 2 * n + 1);
    hone_ast__at(a, id)->op = (uint8_t)op;
    return id;
}

/* A word followed by "(". */
static hone_ast_id parse_call(hone_ast *a, const hone_token *word)
{
    hone_lex *lx = a->lx;
    hone_dtype dtype = hone_dtype_parse(word->s, word->n);
    hone_op op = function_named(word->s, word->n);
    hone_op combiner = a->reductions ? combiner_named(word->s, word->n) : HONE_OP_NONE;
    if (dtype == HONE_DTYPE_COUNT && !op && !combiner) {
        hone_lex__fail_at(lx, word->s, "'%.*s' is no function", word->n < 80 ? (int)word->n : 80,
                          word->s);
        return 0;
    }
    hone_lex__expect(lx, '(');
    hone_ast_id args[HONE_MAX_ITERS];
    unsigned n = hone_ast__list(a, ')', args, HONE_MAX_ITERS);
    if (lx->status != HONE_OK)
        return 0;
    if (dtype != HONE_DTYPE_COUNT) {
        if (n != 1) {
            hone_lex__fail_at(lx, word->s, "a cast takes one value, here are %u", n);
            return 0;
        }
        hone_ast_id id = hone_ast__new(a, AST_CAST, word->s, args, 1);
        hone_ast__at(a, id)->dtype = (uint8_t)dtype;
        return id;
    }
    bool ranges = combiner && n > 0;
    for (unsigned k = 0; k < n; k++)
        ranges = ranges && is_range(a, args[k]);
    if (ranges)
        return parse_reduction(a, combiner, word->s, args, n);
    if (!op) {
        hone_lex__fail_at(lx, word->s, "write what it runs over, as in %.*s(k < K) A[k]",
                          (int)word->n, word->s);
        return 0;
    }
    if ((int)n != hone_op_arity(op)) {
        hone_lex__fail_at(lx, word->s, "%s takes %d arguments, here are %u", hone_op_text(op),
                          hone_op_arity(op), n);
        return 0;
    }
    return new_op(a, op, word->s, args, n);
}

/* At `fast`, before a function: a name by itself is not followed by a call. */
static bool is_fast(const hone_lex *lx)
{
    hone_lex after = *lx;
    after.err = NULL;
    if (!hone_lex__is_word(lx, "fast"))
        return false;
    hone_lex__next(&after);
    if (after.tok.kind != T_NAME || after.tok.quoted)
        return false;
    hone_lex__next(&after);
    return hone_lex__is(&after, '(');
}

static hone_ast_id parse_fast(hone_ast *a)
{
    hone_lex *lx = a->lx;
    hone_lex__next(lx);
    hone_token word = lx->tok;
    const hone_function *f = hone_function_of(function_named(word.s, word.n));
    if (!f || f->fast == 0) {
        hone_lex__fail_at(lx, word.s,
                          "'%.*s' has no fast form; exp, tanh, sigmoid and erf have one",
                          word.n < 80 ? (int)word.n : 80, word.s);
        return 0;
    }
    hone_lex__next(lx);
    hone_ast_id id = parse_call(a, &word);
    hone_ast__at(a, id)->fast = id != 0;
    return id;
}

static hone_ast_id parse_word(hone_ast *a)
{
    hone_lex *lx = a->lx;
    hone_token word = lx->tok;
    if (!word.quoted) {
        if (is_fast(lx))
            return parse_fast(a);
        bool yes = hone_lex__is_word(lx, "true"), inf = hone_lex__is_word(lx, "inf");
        if (yes || inf || hone_lex__is_word(lx, "false") || hone_lex__is_word(lx, "nan")) {
            bool truth = yes || word.s[0] == 'f';
            hone_lex__next(lx);
            hone_ast_id id = hone_ast__new(a, truth ? AST_BOOL : AST_FLOAT, word.s, NULL, 0);
            if (truth)
                hone_ast__at(a, id)->i = yes;
            else
                hone_ast__at(a, id)->f = inf ? (double)INFINITY : (double)NAN;
            return id;
        }
        hone_lex after = *lx;
        after.err = NULL;
        hone_lex__next(&after);
        if (hone_lex__is(&after, '(')) {
            hone_lex__next(lx);
            return parse_call(a, &word);
        }
        if (word.n == 3 && memcmp(word.s, "not", 3) == 0) {
            hone_lex__fail_at(lx, word.s, "'not' takes parentheses: not(...)");
            return 0;
        }
    }
    char name[HONE_LEX_MAX_NAME + 1];
    if (!hone_lex__name(lx, "a value", name))
        return 0;
    hone_ast_id args[HONE_MAX_DIMS];
    unsigned n = 0;
    bool index = hone_lex__accept(lx, '[');
    if (index)
        n = hone_ast__list(a, ']', args, HONE_MAX_DIMS);
    if (lx->status != HONE_OK)
        return 0;
    uint32_t kept = hone_ast__keep(a, name);
    hone_ast_id id = hone_ast__new(a, index ? AST_INDEX : AST_NAME, word.s, args, n);
    hone_ast__at(a, id)->name = kept;
    return id;
}

static hone_ast_id parse_primary(hone_ast *a)
{
    hone_lex *lx = a->lx;
    hone_token tok = lx->tok;
    hone_ast_id id = 0;
    switch (tok.kind) {
    case T_INT:
        hone_lex__next(lx);
        id = hone_ast__new(a, AST_INT, tok.s, NULL, 0);
        hone_ast__at(a, id)->big = tok.i > INT64_MAX;
        hone_ast__at(a, id)->i = (int64_t)tok.i;
        return id;
    case T_FLOAT:
        hone_lex__next(lx);
        id = hone_ast__new(a, AST_FLOAT, tok.s, NULL, 0);
        hone_ast__at(a, id)->f = tok.f;
        return id;
    case T_NAME:
        return parse_word(a);
    case T_END:
    case T_TEXT:
    case T_PUNCT:
        break;
    }
    if (hone_lex__accept(lx, '(')) {
        id = hone_ast__expr(a);
        hone_lex__expect(lx, ')');
        return lx->status == HONE_OK ? id : 0;
    }
    if (hone_lex__is(lx, '&') || hone_lex__is(lx, '|'))
        hone_lex__expected(lx, hone_lex__is(lx, '&') ? "a value; conditions are joined with 'and'"
                                                     : "a value; conditions are joined with 'or'");
    hone_lex__expected(lx, "a value");
    return 0;
}

static hone_ast_id parse_unary(hone_ast *a)
{
    hone_lex *lx = a->lx;
    const char *at = lx->tok.s;
    if (!hone_lex__accept(lx, '-'))
        return parse_primary(a);
    hone_ast_id arg = parse_level(a, LEVEL_UNARY);
    hone_ast_node *node = hone_ast__at(a, arg);
    if (node->kind == AST_INT && (node->big || node->i != INT64_MIN)) {
        node->i = node->big ? INT64_MIN : -node->i;
        node->big = false;
        node->at = at;
        return arg;
    }
    if (node->kind == AST_FLOAT) {
        node->f = -node->f;
        node->at = at;
        return arg;
    }
    return hone_ast__new(a, AST_NEG, at, &arg, 1);
}

/* ---- infix ---------------------------------------------------------------------------------- */

static const struct {
    int punct;
    const char *word;
    unsigned level;
    hone_op op;
    bool swap;
} infix[] = {
    {0, "or", LEVEL_OR, HONE_OP_OR, false},
    {0, "and", LEVEL_AND, HONE_OP_AND, false},
    {HONE_PAIR('=', '='), NULL, LEVEL_COMPARE, HONE_OP_EQ, false},
    {HONE_PAIR('!', '='), NULL, LEVEL_COMPARE, HONE_OP_NE, false},
    {'<', NULL, LEVEL_COMPARE, HONE_OP_LT, false},
    {HONE_PAIR('<', '='), NULL, LEVEL_COMPARE, HONE_OP_LE, false},
    {'>', NULL, LEVEL_COMPARE, HONE_OP_LT, true},
    {HONE_PAIR('>', '='), NULL, LEVEL_COMPARE, HONE_OP_LE, true},
    {'|', NULL, LEVEL_BITOR, HONE_OP_BITOR, false},
    {'^', NULL, LEVEL_BITXOR, HONE_OP_BITXOR, false},
    {'&', NULL, LEVEL_BITAND, HONE_OP_BITAND, false},
    {HONE_PAIR('<', '<'), NULL, LEVEL_SHIFT, HONE_OP_SHL, false},
    {HONE_PAIR('>', '>'), NULL, LEVEL_SHIFT, HONE_OP_SHR, false},
    {'+', NULL, LEVEL_ADD, HONE_OP_ADD, false},
    {'-', NULL, LEVEL_ADD, HONE_OP_SUB, false},
    {'*', NULL, LEVEL_MUL, HONE_OP_MUL, false},
    {'/', NULL, LEVEL_MUL, HONE_OP_DIV, false},
    {HONE_PAIR('/', '/'), NULL, LEVEL_MUL, HONE_OP_FLOORDIV, false},
    {'%', NULL, LEVEL_MUL, HONE_OP_FLOORMOD, false},
};

/* Index into infix of the operator of that level at the current token, or -1. */
static int infix_here(const hone_lex *lx, unsigned level)
{
    for (unsigned k = 0; k < HONE_LEN(infix); k++)
        if (infix[k].level == level && (infix[k].word ? hone_lex__is_word(lx, infix[k].word)
                                                      : hone_lex__is(lx, infix[k].punct)))
            return (int)k;
    return -1;
}

static hone_ast_id parse_infix(hone_ast *a, unsigned level)
{
    hone_lex *lx = a->lx;
    hone_ast_id left = parse_level(a, level + 1);
    bool compared = false;
    for (int k; lx->status == HONE_OK && (k = infix_here(lx, level)) >= 0;) {
        const char *at = lx->tok.s;
        if (compared) {
            hone_lex__fail_at(lx, at, "comparisons do not chain; write a < b and b < c");
            return 0;
        }
        hone_lex__next(lx);
        hone_ast_id right = parse_level(a, level + 1);
        if (lx->status != HONE_OK)
            return 0;
        hone_ast_id args[2] = {infix[k].swap ? right : left, infix[k].swap ? left : right};
        left = new_op(a, infix[k].op, at, args, 2);
        compared = level == LEVEL_COMPARE;
    }
    return lx->status == HONE_OK ? left : 0;
}

static hone_ast_id parse_ternary(hone_ast *a)
{
    hone_lex *lx = a->lx;
    hone_ast_id args[3] = {parse_level(a, LEVEL_OR), 0, 0};
    const char *at = lx->tok.s;
    if (!hone_lex__accept(lx, '?'))
        return args[0];
    args[1] = parse_level(a, LEVEL_TERNARY);
    hone_lex__expect(lx, ':');
    args[2] = parse_level(a, LEVEL_TERNARY);
    return lx->status == HONE_OK ? new_op(a, HONE_OP_SELECT, at, args, 3) : 0;
}

static hone_ast_id parse_level(hone_ast *a, unsigned level)
{
    if (a->lx->status != HONE_OK)
        return 0;
    /* Each written nesting passes here once per level; the count bounds the C stack. */
    if (a->nesting > HONE_AST_MAX_DEPTH * (LEVEL_UNARY + 1)) {
        hone_lex__fail_at(a->lx, a->lx->tok.s, "more than %d expressions within one another",
                          HONE_AST_MAX_DEPTH);
        return 0;
    }
    a->nesting++;
    hone_ast_id id = level == LEVEL_TERNARY ? parse_ternary(a)
                     : level == LEVEL_UNARY ? parse_unary(a)
                                            : parse_infix(a, level);
    a->nesting--;
    return id;
}

hone_ast_id hone_ast__expr(hone_ast *a)
{
    return parse_level(a, LEVEL_TERNARY);
}
