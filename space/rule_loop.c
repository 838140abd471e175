/* The rules for everything that is not a contraction, and inlining. */
#include "space/prim.h"
#include "space/rule.h"

hone_status hone_rule_vectorize(hone_sched *s, hone_rv loop, const hone_target *t, int bytes,
                                bool unroll, hone_rv *ret, hone_error *err)
{
    hone_rv parts[2];
    int64_t lanes = t->vector_bytes / bytes;
    HONE_TRY(hone_split_by(s, loop, (int64_t[]){0, lanes > 1 ? lanes : 1}, 2, parts, err));
    HONE_TRY(hone_vectorize(s, parts[1], err));
    if (unroll)
        HONE_TRY(hone_unroll(s, parts[0], err));
    if (ret)
        *ret = parts[0];
    return HONE_OK;
}

/* ---- inlining ------------------------------------------------------------------------------- */

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
    hone_walk(p, hone_stmt_at(p, block)->value, count_cost, &c);
    if (n == 0 || n > MAX_READERS || (c.calls > 0 && n > 1))
        return false;
    for (unsigned k = 0; k < n; k++) {
        if (hone_stmt_at(p, readers[k])->init.i && (c.calls > 0 || c.guarded))
            return false;
        uses += count_uses(p, readers[k], out);
    }
    return (uses - 1) * c.ops <= MAX_REPEATED;
}

hone_status hone_rule_auto_inline(hone_sched *s, hone_error *err)
{
    bool changed = true;
    while (changed) {
        changed = false;
        hone_program *p = &s->prog;
        for (hone_stmt b = p->root; b.i && !changed; b = hone_next(p, p->root, b)) {
            if (!hone_is_block(p, b) || !hone_stmt_at(p, b)->out.i || !hone__can_inline(p, b) ||
                !worth_inlining(p, b))
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

/* ---- elementwise ------------------------------------------------------------------------------
 */

hone_status hone_rule_elementwise(hone_sched *s, const char *name, const hone_rule_ctx *ctx,
                                  hone_error *err)
{
    hone_rv block, unroll;
    HONE_TRY(hone_get_block(s, name, &block, err));
    hone_stmt b = hone_rv_stmt(s, block);
    const hone_stmt_row *r = hone_stmt_at(&s->prog, b);
    if (!r->out.i || r->init.i || r->n_iters == 0)
        return hone_fail(err, HONE_REJECT_ARG, "block '%s' is not elementwise", name);
    int bytes = hone_dtype_bytes(hone_expr_dtype(&s->prog, r->value));
    if (hone_buffer_at(&s->prog, r->out)->role == HONE_TEMP) {
        /* where to compute it is a decision; the root is the policy's */
        hone_rv at;
        int64_t root = -1;
        HONE_TRY(hone_sample_compute_location(s, block, &root, &at, err));
        HONE_TRY(hone_compute_at(s, block, at, err));
    }
    static const int64_t unrolls[] = {1, 2, 4, 8};
    int64_t which = 1;
    HONE_TRY(hone_sample_categorical(s, unrolls, NULL, HONE_LEN(unrolls), &which, &unroll, err));
    HONE_TRY(hone_annotate(s, block, "meta_schedule.parallel", 1, err));
    HONE_TRY(
        hone_annotate(s, block, "meta_schedule.vectorize", ctx->target->vector_bytes / bytes, err));
    return hone_annotate_rv(s, block, "meta_schedule.unroll_explicit", unroll, err);
}

/* ---- reductions -------------------------------------------------------------------------------
 */

/* Every load moves by one element, or not at all, when the variable does. */
static bool contiguous_along(hone_program *p, hone_stmt block, hone_var v)
{
    hone_expr loads[16], ve = hone_var_expr(p, v);
    unsigned n = hone_block_loads(p, block, loads, 16);
    if (n > 16)
        return false;
    for (unsigned k = 0; k < n; k++) {
        unsigned dims = hone_expr_at(p, loads[k])->n_args;
        for (unsigned d = 0; d < dims; d++) {
            hone_expr e = hone_expr_arg(p, loads[k], d);
            if (hone_uses_var(p, e, v) && !(d == dims - 1 && HONE_SAME(e, ve)))
                return false;
        }
    }
    return true;
}

hone_status hone_rule_reduce(hone_sched *s, const char *name, const hone_rule_ctx *ctx,
                             hone_error *err)
{
    hone_rv block, loops[16], parts[3], unroll, copies[2];
    unsigned n, n_spatial = 0;
    HONE_TRY(hone_get_block(s, name, &block, err));
    hone_stmt b = hone_rv_stmt(s, block);
    hone_program *p = &s->prog;
    HONE_TRY(hone_get_loops(s, block, loops, 16, &n, err));
    if (!hone_stmt_at(p, b)->init.i || n != hone_stmt_at(p, b)->n_iters || n > 12)
        return hone_fail(err, HONE_REJECT_ARG, "block '%s' is not a plain reduction", name);
    while (n_spatial < n && hone_iter_at(p, b, n_spatial)->kind == HONE_SPATIAL)
        n_spatial++;
    if (n_spatial == 0 || n_spatial == n)
        return HONE_OK; /* one number: as written */
    int bytes = hone_dtype_bytes(hone_expr_dtype(p, hone_stmt_at(p, b)->value));
    int64_t lanes = ctx->target->vector_bytes / bytes;
    hone_var last = hone_iter_at(p, b, n_spatial - 1)->var;
    hone_expr store = hone_store_index(p, b, hone_stmt_at(p, b)->n_index - 1u);
    bool vector = HONE_SAME(store, hone_var_expr(p, last)) && contiguous_along(p, b, last);
    static const int64_t unrolls[] = {1, 2, 4, 8};
    int64_t which = 2;
    HONE_TRY(hone_sample_categorical(s, unrolls, NULL, HONE_LEN(unrolls), &which, &unroll, err));
    hone_rv task = loops[0], tile;
    if (vector) { /* a strip of columns in registers, the reduction inside */
        HONE_TRY(hone_split_by(s, loops[n_spatial - 1], (int64_t[]){0, lanes}, 2, parts, err));
        hone_rv lane = parts[1], strip[2], nest[20];
        HONE_TRY(hone_split(s, parts[0], (hone_rv[]){HONE_NO_RV, unroll}, 2, strip, err));
        unsigned k = 0;
        for (unsigned q = 0; q + 1 < n_spatial; q++)
            nest[k++] = loops[q];
        nest[k++] = tile = strip[0];
        for (unsigned q = n_spatial; q < n; q++)
            nest[k++] = loops[q];
        nest[k++] = strip[1];
        nest[k++] = lane;
        HONE_TRY(hone_reorder(s, nest, k, err));
        task = nest[0];
        if (n_spatial > 1) {
            HONE_TRY(hone_fuse(s, nest, n_spatial, &task, err));
            tile = task;
        }
        HONE_TRY(hone_cache_accumulate(s, block, tile, HONE_LOCAL, copies, err));
        for (int q = 0; q < 2; q++) {
            hone_rv all[32];
            unsigned m;
            HONE_TRY(hone_get_loops(s, copies[q], all, 32, &m, err));
            HONE_TRY(hone_rule_vectorize(s, all[m - 1], ctx->target, bytes, true, NULL, err));
        }
        HONE_TRY(hone_unroll(s, strip[1], err));
        HONE_TRY(hone_vectorize(s, lane, err));
    } else { /* a row at a time */
        HONE_TRY(hone_split(s, loops[n - 1], (hone_rv[]){HONE_NO_RV, unroll}, 2, parts, err));
        if (n_spatial > 1)
            HONE_TRY(hone_fuse(s, loops, n_spatial, &task, err));
        HONE_TRY(hone_cache_accumulate(s, block, task, HONE_LOCAL, copies, err));
        HONE_TRY(hone_unroll(s, parts[1], err));
    }
    return hone_parallel(s, task, err);
}
