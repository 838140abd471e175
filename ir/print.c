/* Program text (docs/IR.md). What is printed parses back to an equal program, so names and
 * constants are written unambiguously: loops get names unique in the program, a constant that is
 * neither i64 nor f32 carries its dtype, odd names stand in backquotes.
 *
 * Reader's map: constants; expressions by precedence; names (a first pass over the program chooses
 * them and sees which temporaries are used); lets, where a block written out in full would be long
 * for what it is; statements. */
#include "ir/internal.h"
#include "ir/lex.h"

#include <math.h>

typedef struct printer {
    const hone_program *p;
    hone_buf *out;
    HONE_VEC(char) pool;       /* chosen variable names, NUL-terminated */
    HONE_VEC(uint32_t) chosen; /* by variable id: offset in pool, 0: the variable's own name */
    HONE_VEC(uint32_t) taken;  /* open-addressing set of pool offsets, n a power of two */
    uint32_t n_taken;
    HONE_VEC(bool) used; /* by buffer id: does a statement mention it? */
    hone_memo lets;      /* of the block at hand: expressions that have a name, and its number */
    hone_memo adaptable; /* of the block at hand, while it has lets: 1 if adaptable() */
} printer;

/* ---- constants ------------------------------------------------------------------------------ */

/* Fewest digits that read back as f, which dtype t can hold. */
static void put_float(hone_buf *out, hone_dtype t, double f)
{
    if (isnan(f) || isinf(f)) {
        hone_buf_printf(out, "%s%s", signbit(f) ? "-" : "", isnan(f) ? "nan" : "inf");
        return;
    }
    char text[64];
    if (f == trunc(f) && fabs(f) < 1e7) {
        hone_buf_printf(out, "%.1f", f);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, f);
        if (hone_ir__round(t, strtod(text, NULL)) == f)
            break;
    }
    hone_buf_puts(out, text);
    if (!strpbrk(text, ".e"))
        hone_buf_puts(out, ".0");
}

static void put_constant(hone_buf *out, const hone_expr_row *row, bool typed)
{
    hone_dtype t = (hone_dtype)row->dtype;
    if (t == HONE_BOOL) {
        hone_buf_puts(out, row->imm.i ? "true" : "false");
        return;
    }
    typed |= t != HONE_I64 && t != HONE_F32;
    if (typed)
        hone_buf_printf(out, "%s(", hone_dtype_name(t));
    if (row->op == HONE_OP_FLOAT)
        put_float(out, t, row->imm.f);
    else
        hone_buf_printf(out, "%" PRId64, row->imm.i);
    if (typed)
        hone_buf_puts(out, ")");
}

/* ---- expressions ---------------------------------------------------------------------------- */

enum {
    LEVEL_NONE,
    LEVEL_OR,
    LEVEL_AND,
    LEVEL_COMPARE,
    LEVEL_BITOR,
    LEVEL_BITXOR,
    LEVEL_BITAND,
    LEVEL_SHIFT,
    LEVEL_ADD,
    LEVEL_MUL,
    LEVEL_PRIMARY
};

static int level_of(hone_op op)
{
    switch (op) {
    case HONE_OP_OR:
        return LEVEL_OR;
    case HONE_OP_AND:
        return LEVEL_AND;
    case HONE_OP_EQ:
    case HONE_OP_NE:
    case HONE_OP_LT:
    case HONE_OP_LE:
        return LEVEL_COMPARE;
    case HONE_OP_BITOR:
        return LEVEL_BITOR;
    case HONE_OP_BITXOR:
        return LEVEL_BITXOR;
    case HONE_OP_BITAND:
        return LEVEL_BITAND;
    case HONE_OP_SHL:
    case HONE_OP_SHR:
        return LEVEL_SHIFT;
    case HONE_OP_ADD:
    case HONE_OP_SUB:
        return LEVEL_ADD;
    case HONE_OP_MUL:
    case HONE_OP_DIV:
    case HONE_OP_FLOORDIV:
    case HONE_OP_FLOORMOD:
        return LEVEL_MUL;
    default:
        return LEVEL_PRIMARY;
    }
}

static bool is_let(const printer *pr, hone_expr e, uint32_t *ret)
{
    return pr->lets.n && hone_memo_find(&pr->lets, e.i, ret);
}

static bool adaptable(printer *pr, hone_expr e);

static bool find_adaptable(printer *pr, hone_expr e)
{
    const hone_program *p = pr->p;
    const hone_expr_row *row = hone_expr_at(p, e);
    if (row->n_args == 0)
        return (row->op == HONE_OP_INT && row->dtype == HONE_I64) ||
               (row->op == HONE_OP_FLOAT && row->dtype == HONE_F32);
    if (row->op == HONE_OP_LOAD || row->op == HONE_OP_CAST || row->dtype == HONE_BOOL)
        return false;
    for (unsigned k = row->op == HONE_OP_SELECT; k < row->n_args; k++)
        if (!adaptable(pr, hone_expr_arg(p, e, k)))
            return false;
    return true;
}

/* Would it, printed without dtypes, be a constant to the parser, which gives it a dtype from its
 * surroundings? What is behind a let has one. */
static bool adaptable(printer *pr, hone_expr e)
{
    uint32_t known;
    if (!pr->lets.n)
        return find_adaptable(pr, e);
    if (is_let(pr, e, &known))
        return false;
    if (!hone_memo_find(&pr->adaptable, e.i, &known)) {
        known = find_adaptable(pr, e);
        hone_memo_add(&pr->adaptable, e.i, known);
    }
    return known;
}

static void put_name_of(const printer *pr, hone_var v)
{
    if (v.i < pr->chosen.n && pr->chosen.v[v.i])
        hone_lex__put_name(pr->out, pr->pool.v + pr->chosen.v[v.i]);
    else
        hone_lex__put_name(pr->out, hone_sym_text(pr->p, hone_var_at(pr->p, v)->name));
}

static void put_expr(printer *pr, hone_expr e, int level, bool typed);

static void put_args(printer *pr, hone_expr e, char close, bool typed)
{
    unsigned n = hone_expr_at(pr->p, e)->n_args;
    for (unsigned k = 0; k < n; k++) {
        hone_buf_puts(pr->out, k ? ", " : "");
        put_expr(pr, hone_expr_arg(pr->p, e, k), LEVEL_NONE, typed);
    }
    hone_buf_add(pr->out, &close, 1);
}

static void put_infix(printer *pr, hone_expr e, int level, bool typed)
{
    const hone_expr_row *row = hone_expr_at(pr->p, e);
    hone_op op = (hone_op)row->op;
    int own = level_of(op);
    /* Two integer constants divided with / would read back as floats. */
    typed |= op == HONE_OP_DIV && row->dtype == HONE_I64 && adaptable(pr, e);
    bool tight = op == HONE_OP_MUL && row->dtype == HONE_I64;
    if (own < level)
        hone_buf_puts(pr->out, "(");
    put_expr(pr, hone_expr_arg(pr->p, e, 0), own == LEVEL_COMPARE ? own + 1 : own, typed);
    hone_buf_printf(pr->out, tight ? "%s" : " %s ", hone_op_text(op));
    put_expr(pr, hone_expr_arg(pr->p, e, 1), own + 1, typed);
    if (own < level)
        hone_buf_puts(pr->out, ")");
}

/* Not by its name. */
static void put_whole(printer *pr, hone_expr e, int level, bool typed)
{
    const hone_expr_row *row = hone_expr_at(pr->p, e);
    switch ((hone_op)row->op) {
    case HONE_OP_INT:
    case HONE_OP_FLOAT:
        put_constant(pr->out, row, typed);
        return;
    case HONE_OP_VAR:
        put_name_of(pr, (hone_var){row->sym});
        return;
    case HONE_OP_LOAD:
        hone_lex__put_name(
            pr->out, hone_sym_text(pr->p, hone_buffer_at(pr->p, (hone_buffer){row->sym})->name));
        hone_buf_puts(pr->out, "[");
        put_args(pr, e, ']', false);
        return;
    case HONE_OP_CAST:
        hone_buf_printf(pr->out, "%s(", hone_dtype_name((hone_dtype)row->dtype));
        put_args(pr, e, ')', adaptable(pr, hone_expr_arg(pr->p, e, 0)));
        return;
    default:
        break;
    }
    if (hone_op_form((hone_op)row->op) == 'I') {
        put_infix(pr, e, level, typed);
        return;
    }
    hone_buf_printf(pr->out, "%s%s(", hone_is_fast(pr->p, e) ? "fast " : "",
                    hone_op_text((hone_op)row->op));
    put_args(pr, e, ')', typed);
}

static void put_expr(printer *pr, hone_expr e, int level, bool typed)
{
    uint32_t let;
    if (is_let(pr, e, &let))
        hone_buf_printf(pr->out, "t%u", let);
    else
        put_whole(pr, e, level, typed);
}

void hone_expr_print(const hone_program *p, hone_expr e, hone_buf *out)
{
    printer pr = {.p = p, .out = out};
    put_expr(&pr, e, LEVEL_NONE, false);
}

/* ---- names ---------------------------------------------------------------------------------- */

/* The set's slot that holds the name, or where it belongs. */
static uint32_t *taken_slot(printer *pr, const char *name)
{
    uint32_t mask = pr->taken.n - 1;
    for (uint32_t k = (uint32_t)hone_hash_bytes(0, name, strlen(name));; k++) {
        uint32_t *slot = &pr->taken.v[k & mask];
        if (!*slot || strcmp(pr->pool.v + *slot, name) == 0)
            return slot;
    }
}

static void grow_taken(printer *pr)
{
    uint32_t n = pr->taken.n ? pr->taken.n * 2 : 64, old_n = pr->taken.n;
    uint32_t *old = pr->taken.v;
    pr->taken.v = hone_xcalloc(n, sizeof *pr->taken.v);
    pr->taken.n = pr->taken.cap = n;
    for (uint32_t k = 0; k < old_n; k++)
        if (old[k])
            *taken_slot(pr, pr->pool.v + old[k]) = old[k];
    free(old);
}

/* Gives v the hint's name, or that with the first free suffix. Names of leaf blocks' variables only
 * have to differ within the block, whose variables so far are the `n_own` from own. */
static void choose_name(printer *pr, hone_var v, const char *hint, const hone_iter *own,
                        unsigned n_own, bool global)
{
    char name[HONE_LEX_MAX_NAME + 16];
    if (hint[0] == '\0')
        hint = global ? "i" : "v";
    if ((pr->n_taken + 1) * 2 > pr->taken.n)
        grow_taken(pr);
    uint32_t *slot = NULL;
    for (unsigned suffix = 0;; suffix++) {
        if (suffix)
            snprintf(name, sizeof name, "%.*s_%u", HONE_UTF8_CUT(hint, HONE_LEX_MAX_NAME - 11),
                     suffix);
        else
            snprintf(name, sizeof name, "%.*s", HONE_UTF8_CUT(hint, HONE_LEX_MAX_NAME));
        bool free_name = true;
        if (global) {
            slot = taken_slot(pr, name);
            free_name = *slot == 0;
        }
        for (unsigned k = 0; !global && k < n_own; k++)
            free_name &= strcmp(pr->pool.v + pr->chosen.v[own[k].var.i], name) != 0;
        if (free_name)
            break;
    }
    uint32_t at = pr->pool.n, n = (uint32_t)strlen(name) + 1;
    hone_vec_reserve(&pr->pool, n);
    memcpy(pr->pool.v + at, name, n);
    pr->pool.n += n;
    pr->chosen.v[v.i] = at;
    if (global) {
        *slot = at;
        pr->n_taken++;
    }
}

static bool mark_used(void *ctx, const hone_program *p, hone_expr e)
{
    printer *pr = ctx;
    if (hone_expr_op(p, e) == HONE_OP_LOAD)
        pr->used.v[hone_expr_at(p, e)->sym] = true;
    return true;
}

static void look_around(printer *pr)
{
    const hone_program *p = pr->p;
    hone_vec_push(&pr->pool, '\0');
    hone_vec_reserve(&pr->chosen, p->vars.n);
    memset(pr->chosen.v, 0, p->vars.n * sizeof *pr->chosen.v);
    pr->chosen.n = p->vars.n;
    hone_vec_reserve(&pr->used, p->buffers.n);
    memset(pr->used.v, 0, p->buffers.n * sizeof *pr->used.v);
    pr->used.n = p->buffers.n;
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s)) {
        const hone_stmt_row *row = hone_stmt_at(p, s);
        if (row->kind == HONE_LOOP) {
            const char *hint = hone_sym_text(p, row->name);
            choose_name(pr, row->var,
                        hint[0] ? hint : hone_sym_text(p, hone_var_at(p, row->var)->name), NULL, 0,
                        true);
            continue;
        }
        const hone_iter *iters = p->iters.v + row->iters;
        for (unsigned k = 0; k < row->n_iters; k++)
            choose_name(pr, iters[k].var, hone_sym_text(p, hone_var_at(p, iters[k].var)->name),
                        iters, k, !row->out.i);
        if (!row->out.i)
            continue;
        pr->used.v[row->out.i] = true;
        for (unsigned k = 0; k < row->n_index; k++)
            hone_walk(p, hone_store_index(p, s, k), mark_used, pr);
        hone_walk(p, row->value, mark_used, pr);
        if (row->init.i)
            hone_walk(p, row->init, mark_used, pr);
    }
}

/* ---- lets ------------------------------------------------------------------------------------ */

static bool is_taken(const printer *pr, hone_stmt block, uint32_t number)
{
    char name[16];
    snprintf(name, sizeof name, "t%u", number);
    for (unsigned k = 0; k < hone_stmt_at(pr->p, block)->n_iters; k++) {
        uint32_t at = pr->chosen.v[hone_iter_at(pr->p, block, k)->var.i];
        if (strcmp(pr->pool.v + at, name) == 0)
            return true;
    }
    return false;
}

static void put_indent(const printer *pr, unsigned depth)
{
    hone_buf_printf(pr->out, "%*s", (int)(2 * depth), "");
}

/* Names for what the block would else be too long with. */
static void put_lets(printer *pr, hone_stmt block, unsigned depth)
{
    hone_ir__exprs named = {0};
    uint32_t number = 0;
    hone_ir__lets(pr->p, block, &named);
    for (uint32_t k = 0; k < named.n; k++) {
        do
            number++;
        while (is_taken(pr, block, number));
        put_indent(pr, depth);
        hone_buf_printf(pr->out, "let t%u = ", number);
        put_whole(pr, named.v[k], LEVEL_NONE, false);
        hone_buf_puts(pr->out, "\n");
        hone_memo_add(&pr->lets, named.v[k].i, number);
    }
    hone_vec_free(&named);
}

static void forget_lets(printer *pr)
{
    hone_memo_free(&pr->lets);
    hone_memo_free(&pr->adaptable);
    pr->lets = pr->adaptable = (hone_memo){0};
}

/* ---- statements ----------------------------------------------------------------------------- */

static void put_buffer(const printer *pr, const hone_buffer_row *b)
{
    static const char *const roles[] = {"", " input", " output"};
    hone_buf_puts(pr->out, "  buffer ");
    hone_lex__put_name(pr->out, hone_sym_text(pr->p, b->name));
    hone_buf_printf(pr->out, ": %s[", hone_dtype_name((hone_dtype)b->dtype));
    for (unsigned k = 0; k < b->n_dims; k++)
        hone_buf_printf(pr->out, "%s%" PRId64, k ? ", " : "", b->shape[k]);
    hone_buf_printf(pr->out, "]%s", roles[b->role]);
    if (b->scope != HONE_GLOBAL)
        hone_buf_printf(pr->out, " %s", hone_scope_name((hone_scope)b->scope));
    hone_buf_puts(pr->out, b->is_const ? " const" : "");
    if (b->ranged) {
        hone_buf_puts(pr->out, " in ");
        put_float(pr->out, HONE_F64, b->lo);
        hone_buf_puts(pr->out, " .. ");
        put_float(pr->out, HONE_F64, b->hi);
    }
    hone_buf_puts(pr->out, "\n");
}

/* By key, so that the order they were set in does not show. */
static void put_anns(const printer *pr, uint32_t first)
{
    const hone_program *p = pr->p;
    const char *last = NULL;
    for (;;) {
        const hone_ann *next = NULL;
        for (uint32_t a = first; a; a = p->anns.v[a].next) {
            const char *key = hone_sym_text(p, p->anns.v[a].key);
            if ((!last || strcmp(key, last) > 0) &&
                (!next || strcmp(key, hone_sym_text(p, next->key)) < 0))
                next = &p->anns.v[a];
        }
        if (!next)
            return;
        last = hone_sym_text(p, next->key);
        hone_buf_puts(pr->out, " @");
        hone_lex__put_name(pr->out, last);
        hone_buf_puts(pr->out, "=");
        if (next->text.i)
            hone_lex__put_text(pr->out, hone_sym_text(p, next->text));
        else
            hone_buf_printf(pr->out, "%" PRId64, next->value);
    }
}

static void put_leaf(printer *pr, hone_stmt s, unsigned depth)
{
    const hone_program *p = pr->p;
    const hone_stmt_row *row = hone_stmt_at(p, s);
    put_lets(pr, s, depth);
    if (row->init.i) {
        put_indent(pr, depth);
        hone_buf_puts(pr->out, "init ");
        put_expr(pr, row->init, LEVEL_NONE, false);
        hone_buf_puts(pr->out, "\n");
    }
    put_indent(pr, depth);
    hone_lex__put_name(pr->out, hone_sym_text(p, hone_buffer_at(p, row->out)->name));
    hone_buf_puts(pr->out, "[");
    for (unsigned k = 0; k < row->n_index; k++) {
        hone_buf_puts(pr->out, k ? ", " : "");
        put_expr(pr, hone_store_index(p, s, k), LEVEL_NONE, false);
    }
    hone_buf_puts(pr->out, "] = ");
    put_expr(pr, row->value, LEVEL_NONE, false);
    hone_buf_puts(pr->out, "\n");
    forget_lets(pr);
}

static void put_block_head(printer *pr, hone_stmt s)
{
    const hone_program *p = pr->p;
    const hone_stmt_row *row = hone_stmt_at(p, s);
    hone_buf_puts(pr->out, "block ");
    hone_lex__put_name(pr->out, hone_sym_text(p, row->name));
    hone_buf_puts(pr->out, "(");
    for (unsigned k = 0; k < row->n_iters; k++) {
        const hone_iter *it = hone_iter_at(p, s, k);
        hone_buf_printf(pr->out, "%s%s", k ? ", " : "", it->kind == HONE_REDUCE ? "reduce " : "");
        put_name_of(pr, it->var);
        hone_buf_printf(pr->out, ": %" PRId64 " = ", hone_var_at(p, it->var)->extent);
        put_expr(pr, it->binding, LEVEL_NONE, false);
    }
    hone_buf_puts(pr->out, ")");
    if (row->where.i) {
        hone_buf_puts(pr->out, " where ");
        put_expr(pr, row->where, LEVEL_NONE, false);
    }
}

static void put_stmt(printer *pr, hone_stmt s, unsigned depth)
{
    static const char *const kinds[] = {"", " parallel", " vectorized", " unrolled", " bind "};
    const hone_program *p = pr->p;
    const hone_stmt_row *row = hone_stmt_at(p, s);
    put_indent(pr, depth);
    if (row->kind == HONE_LOOP) {
        hone_buf_puts(pr->out, "for ");
        put_name_of(pr, row->var);
        hone_buf_printf(pr->out, " in %" PRId64 "%s%s", hone_var_at(p, row->var)->extent,
                        kinds[row->loop_kind], hone_axis_name((hone_axis)row->axis));
    } else {
        put_block_head(pr, s);
    }
    put_anns(pr, row->anns);
    hone_buf_puts(pr->out, " {\n");
    if (row->out.i)
        put_leaf(pr, s, depth + 1);
    for (hone_stmt c = row->first; c.i; c = hone_stmt_at(p, c)->next)
        put_stmt(pr, c, depth + 1);
    put_indent(pr, depth);
    hone_buf_puts(pr->out, "}\n");
}

void hone_program_print(const hone_program *p, hone_buf *out)
{
    printer pr = {.p = p, .out = out};
    look_around(&pr);
    hone_buf_puts(out, "program ");
    hone_lex__put_name(out, hone_sym_text(p, p->name));
    put_anns(&pr, hone_stmt_at(p, p->root)->anns);
    hone_buf_puts(out, " {\n");
    for (uint32_t b = 1; b < p->buffers.n; b++)
        if (p->buffers.v[b].role != HONE_TEMP || pr.used.v[b])
            put_buffer(&pr, &p->buffers.v[b]);
    for (hone_stmt c = hone_stmt_at(p, p->root)->first; c.i; c = hone_stmt_at(p, c)->next)
        put_stmt(&pr, c, 1);
    hone_buf_puts(out, "}\n");
    hone_vec_free(&pr.pool);
    hone_vec_free(&pr.chosen);
    hone_vec_free(&pr.taken);
    hone_vec_free(&pr.used);
}
