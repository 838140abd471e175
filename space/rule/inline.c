/* Inlining of stages that are cheaper computed again than stored (MetaSchedule's AutoInline and
 * InlineConstantScalars). */
#include "space/prim/prim.h"
#include "space/rule/rule.h"

#define MAX_READERS 8
#define MAX_LOADS 32
/* Operations that may be done again per element, which is about what a store and a load cost. */
#define MAX_REPEATED 16
/* What a stage may grow to that reads another at several places, written out in full. Its elements
 * are computed once however often they are used; but every chain of squares of squares would end up
 * as one block that nobody can read, and that takes for ever to treat where somebody walks it path
 * by path. */
#define MAX_WRITTEN 1000
#define MAX_HEIGHT 1000
#define GUARD_COST 4 /* of a select: its condition, and what its arms keep from being merged */

typedef struct cost {
    unsigned calls; /* functions worth computing once */
    unsigned ops;
    bool guarded; /* a select around a load: padding */
} cost;

static bool count_cost(void *ctx, const hone_program *p, hone_expr e)
{
    cost *c = ctx;
    hone_op op = hone_expr_op(p, e);
    c->calls += op == HONE_OP_EXP || op == HONE_OP_LOG || op == HONE_OP_TANH || op == HONE_OP_POW ||
                op == HONE_OP_ERF || op == HONE_OP_SIGMOID || op == HONE_OP_SQRT ||
                op >= HONE_OP_SIN;
    c->guarded |= op == HONE_OP_SELECT;
    c->ops += op == HONE_OP_SELECT ? GUARD_COST : op >= HONE_OP_ADD && op != HONE_OP_CAST;
    return op != HONE_OP_LOAD && hone_expr_dtype(p, e) != HONE_BOOL;
}

/* How many elements of the buffer one turn of the block reads. */
static unsigned count_elements(hone_program *p, hone_stmt reader, hone_buffer b)
{
    hone_expr loads[MAX_LOADS];
    unsigned n = hone_block_loads(p, reader, loads, MAX_LOADS), elements = 0;
    for (unsigned k = 0; k < n && k < MAX_LOADS; k++)
        elements += hone_expr_at(p, loads[k])->sym == b.i;
    return n > MAX_LOADS ? n : elements;
}

/* The size of an expression written out, and of the loads of one buffer in it. Not of its indices.
 */
typedef struct text {
    const hone_program *p;
    hone_buffer b;
    uint32_t size; /* of each load of b */
    hone_memo known;
} text;

static uint32_t written(text *t, hone_expr e)
{
    const hone_expr_row *r = hone_expr_at(t->p, e);
    uint32_t n = 1;
    if (r->op == HONE_OP_LOAD)
        return r->sym == t->b.i ? t->size : 1;
    if (hone_memo_find(&t->known, e.i, &n))
        return n;
    for (unsigned k = 0; k < r->n_args; k++)
        if (__builtin_add_overflow(n, written(t, hone_expr_arg(t->p, e, k)), &n))
            n = UINT32_MAX;
    hone_memo_add(&t->known, e.i, n);
    return n;
}

static uint32_t written_with(const hone_program *p, hone_expr e, hone_buffer b, uint32_t size)
{
    text t = {.p = p, .b = b, .size = size};
    uint32_t n = written(&t, e);
    hone_memo_free(&t.known);
    return n;
}

/* Would the reader stay of a size to be handled? Where it names the stage once, the text only
 * moves. */
static bool stays_small(const hone_program *p, hone_stmt block, hone_stmt reader)
{
    const hone_stmt_row *from = hone_stmt_at(p, block), *to = hone_stmt_at(p, reader);
    if (hone_expr_at(p, from->value)->height + hone_expr_at(p, to->value)->height > MAX_HEIGHT)
        return false;
    uint32_t size = written_with(p, from->value, HONE_NO_BUFFER, 0);
    uint32_t without = written_with(p, to->value, from->out, 0);
    uint32_t uses = written_with(p, to->value, from->out, 1) - without;
    if (without == UINT32_MAX) /* as is a sum that does not fit */
        return false;
    return uses < 2 || written_with(p, to->value, from->out, size) <= MAX_WRITTEN;
}

/* Recomputing the value at each use must not cost more than storing it once. A stage that reads
 * several elements of another, such as a transform's second pass, would multiply its work, and
 * along a chain of such stages the text of the program. */
static bool worth_inlining(hone_program *p, hone_stmt block)
{
    hone_stmt readers[MAX_READERS];
    hone_buffer out = hone_stmt_at(p, block)->out;
    unsigned n = hone_readers_of(p, out, readers, MAX_READERS), elements = 0;
    cost c = {0};
    /* A border of no elements is no guard. */
    hone_walk(p, hone_simplify(p, hone_stmt_at(p, block)->value), count_cost, &c);
    if (n == 0 || n > MAX_READERS || (c.calls > 0 && n > 1))
        return false;
    for (unsigned k = 0; k < n; k++) {
        if (hone_stmt_at(p, readers[k])->init.i && (c.calls > 0 || c.guarded))
            return false;
        if (!stays_small(p, block, readers[k]))
            return false;
        elements += count_elements(p, readers[k], out);
    }
    return (elements - 1) * c.ops <= MAX_REPEATED;
}

/* Blocks that were looked at and stay, by statement. Each look asks all others, so one is looked at
 * again only when a block that reads it has changed. */
typedef struct looks {
    bool *stays;
} looks;

static hone_stmt next_to_inline(hone_program *p, looks *l)
{
    for (hone_stmt b = p->root; b.i; b = hone_next(p, p->root, b)) {
        if (!hone_is_block(p, b) || !hone_stmt_at(p, b)->out.i || l->stays[b.i])
            continue;
        if (hone_prim__can_inline(p, b) && worth_inlining(p, b))
            return b;
        l->stays[b.i] = true;
    }
    return HONE_NO_STMT;
}

/* The reader has become another: what it reads may now be worth inlining. */
static void look_again(hone_program *p, hone_stmt reader, looks *l)
{
    hone_expr loads[MAX_LOADS];
    unsigned n = hone_block_loads(p, reader, loads, MAX_LOADS);
    for (unsigned k = 0; k < n && k < MAX_LOADS; k++)
        l->stays[hone_writer_of(p, (hone_buffer){hone_expr_at(p, loads[k])->sym}).i] = false;
}

static hone_status inline_block(hone_sched *s, hone_stmt b, looks *l, hone_error *err)
{
    hone_program *p = &s->prog;
    hone_stmt readers[MAX_READERS];
    unsigned n = hone_readers_of(p, hone_stmt_at(p, b)->out, readers, MAX_READERS);
    char name[256];
    snprintf(name, sizeof name, "%s", hone_sym_text(p, hone_stmt_at(p, b)->name));
    hone_rv rv;
    HONE_TRY(hone_get_block(s, name, &rv, err));
    HONE_TRY(hone_compute_inline(s, rv, err));
    for (unsigned k = 0; k < n; k++)
        look_again(p, readers[k], l);
    return HONE_OK;
}

hone_status hone_rule__auto_inline(hone_sched *s, hone_error *err)
{
    looks l = {.stays = hone_xcalloc(s->prog.stmts.n, sizeof *l.stays)};
    hone_status st = HONE_OK;
    for (hone_stmt b; st == HONE_OK && (b = next_to_inline(&s->prog, &l)).i;)
        st = inline_block(s, b, &l, err);
    free(l.stays);
    return st;
}
