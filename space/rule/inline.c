/* Inlining of stages that are cheaper computed again than stored (MetaSchedule's AutoInline and
 * InlineConstantScalars). */
#include "space/prim/prim.h"
#include "space/rule/rule.h"

#define MAX_READERS 8
#define MAX_LOADS 32
/* Operations that may be done again per element, which is about what a store and a load cost. */
#define MAX_REPEATED 16
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
                op == HONE_OP_ERF || op == HONE_OP_SIGMOID || op == HONE_OP_SQRT;
    c->guarded |= op == HONE_OP_SELECT;
    c->ops += op == HONE_OP_SELECT ? GUARD_COST : op >= HONE_OP_ADD && op != HONE_OP_CAST;
    return op != HONE_OP_LOAD && hone_expr_dtype(p, e) != HONE_BOOL;
}

/* How many elements of the buffer one turn of the block reads. */
static unsigned count_uses(hone_program *p, hone_stmt reader, hone_buffer b)
{
    hone_expr loads[MAX_LOADS];
    unsigned n = hone_block_loads(p, reader, loads, MAX_LOADS), uses = 0;
    for (unsigned k = 0; k < n && k < MAX_LOADS; k++)
        uses += hone_expr_at(p, loads[k])->sym == b.i;
    return n > MAX_LOADS ? n : uses;
}

/* Recomputing the value at each use must not cost more than storing it once. A stage that reads
 * several elements of another, such as a transform's second pass, would multiply its work, and
 * along a chain of such stages the text of the program. */
static bool worth_inlining(hone_program *p, hone_stmt block)
{
    hone_stmt readers[MAX_READERS];
    hone_buffer out = hone_stmt_at(p, block)->out;
    unsigned n = hone_readers_of(p, out, readers, MAX_READERS), uses = 0;
    cost c = {0};
    /* A border of no elements is no guard. */
    hone_walk(p, hone_simplify(p, hone_stmt_at(p, block)->value), count_cost, &c);
    if (n == 0 || n > MAX_READERS || (c.calls > 0 && n > 1))
        return false;
    for (unsigned k = 0; k < n; k++) {
        if (hone_stmt_at(p, readers[k])->init.i && (c.calls > 0 || c.guarded))
            return false;
        uses += count_uses(p, readers[k], out);
    }
    return (uses - 1) * c.ops <= MAX_REPEATED;
}

hone_status hone_rule__auto_inline(hone_sched *s, hone_error *err)
{
    bool changed = true;
    while (changed) {
        changed = false;
        hone_program *p = &s->prog;
        for (hone_stmt b = p->root; b.i && !changed; b = hone_next(p, p->root, b)) {
            if (!hone_is_block(p, b) || !hone_stmt_at(p, b)->out.i ||
                !hone_prim__can_inline(p, b) || !worth_inlining(p, b))
                continue;
            char name[256];
            snprintf(name, sizeof name, "%s", hone_sym_text(p, hone_stmt_at(p, b)->name));
            hone_rv rv;
            HONE_TRY(hone_get_block(s, name, &rv, err));
            HONE_TRY(hone_compute_inline(s, rv, err));
            changed = true;
        }
    }
    return HONE_OK;
}
