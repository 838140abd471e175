/* The rule for elementwise stages, vectors along a loop, and stores that pass by the caches.
 *
 * A stage that reads and writes whole buffers element by element is one long row, whatever their
 * dimensions: its loops become one, and only the last vector is not full. */
#include "space/prim/prim.h"
#include "space/rule/rule.h"
#include "targets/preset.h"

#define MAX_LOOPS 16
#define MAX_LOADS 16
#define MAX_READERS 8
#define MAX_LANES 256 /* of a loop that the code generator makes vectors of */

hone_status hone_rule__vectorize(hone_sched *s, hone_rv loop, const hone_target *t, int bytes,
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

/* Is the k-th index the k-th iterator, over all of the buffer, for all of them? */
static bool goes_along(hone_program *p, hone_stmt block, hone_buffer b, const hone_expr *index)
{
    unsigned n = hone_stmt_at(p, block)->n_iters;
    bool all = hone_buffer_at(p, b)->n_dims == n;
    for (unsigned k = 0; all && k < n; k++) {
        hone_var v = hone_iter_at(p, block, k)->var;
        all = HONE_SAME(index[k], hone_var_expr(p, v)) &&
              hone_buffer_at(p, b)->shape[k] == hone_var_at(p, v)->extent;
    }
    return all;
}

/* Does the value use the block's iterators, other than to load? */
static bool find_var(void *ctx, const hone_program *p, hone_expr e)
{
    *(bool *)ctx |= hone_expr_op(p, e) == HONE_OP_VAR;
    return hone_expr_op(p, e) != HONE_OP_LOAD;
}

static bool is_one_row(hone_program *p, hone_stmt block)
{
    hone_expr loads[MAX_LOADS], index[HONE_MAX_DIMS];
    unsigned n = hone_block_loads(p, block, loads, MAX_LOADS);
    bool counts = false;
    for (unsigned d = 0; d < hone_stmt_at(p, block)->n_index; d++)
        index[d] = hone_store_index(p, block, d);
    hone_walk(p, hone_stmt_at(p, block)->value, find_var, &counts);
    if (n > MAX_LOADS || counts || !goes_along(p, block, hone_stmt_at(p, block)->out, index))
        return false;
    for (unsigned k = 0; k < n; k++) {
        hone_buffer b = {hone_expr_at(p, loads[k])->sym};
        bool moves = false;
        for (unsigned d = 0; d < hone_expr_at(p, loads[k])->n_args; d++) {
            index[d] = hone_expr_arg(p, loads[k], d);
            moves |= hone_expr_op(p, index[d]) != HONE_OP_INT;
        }
        if (moves && !goes_along(p, block, b, index))
            return false;
    }
    return true;
}

hone_status hone_rule__stream(hone_sched *s, hone_rv block, const hone_rule__ctx *ctx,
                              hone_error *err)
{
    static const int64_t choices[] = {0, 1};
    hone_program *p = &s->prog;
    hone_buffer out = hone_stmt_at(p, hone_rv_stmt(s, block))->out;
    int64_t which = 0, width = hone_dtype_bytes((hone_dtype)hone_buffer_at(p, out)->dtype);
    hone_rv choice;
    hone_stmt reader;
    if (hone_buffer_at(p, out)->role != HONE_OUTPUT || hone_readers_of(p, out, &reader, 1))
        return HONE_OK;
    unsigned n = hone_buffer_count(p, out) > ctx->target->l2_bytes / width ? 2 : 1;
    HONE_TRY(hone_sample_categorical(s, choices, NULL, n, &which, &choice, err));
    return hone_annotate_rv(s, block, HONE_ANN_STREAM, choice, err);
}

/* Of what a stage does, is it anything but to choose and to load? */
static bool find_work(void *ctx, const hone_program *p, hone_expr e)
{
    hone_op op = hone_expr_op(p, e);
    if (op == HONE_OP_LOAD || hone_expr_dtype(p, e) == HONE_BOOL)
        return false;
    *(bool *)ctx |= op >= HONE_OP_ADD && op != HONE_OP_SELECT;
    return true;
}

/* A stage that computes nothing, such as padding: what its readers, elementwise and in the nest
 * they were written in, would load of it they as well load of what it reads. */
static bool only_moves(hone_program *p, hone_stmt block)
{
    hone_stmt readers[MAX_READERS];
    unsigned n = hone_readers_of(p, hone_stmt_at(p, block)->out, readers, MAX_READERS);
    bool work = n == 0 || n > MAX_READERS || !hone_prim__can_inline(p, block);
    for (unsigned k = 0; k < n && !work; k++) {
        work = !hone_rule__untouched(p, readers[k]);
        for (unsigned q = 0; q < hone_stmt_at(p, readers[k])->n_iters; q++)
            work |= hone_iter_at(p, readers[k], q)->kind == HONE_REDUCE;
    }
    if (!work)
        hone_walk(p, hone_stmt_at(p, block)->value, find_work, &work);
    return !work;
}

/* The vectors of the annotated block: as long as a register, or as several where one instruction
 * takes them. */
static hone_status sample_vectors(hone_sched *s, hone_rv block, const hone_target *t, int bytes,
                                  hone_error *err)
{
    int64_t lanes = t->vector_bytes / bytes, choices[8], which = 0;
    unsigned n = 0;
    for (int64_t g = 1; g <= hone_preset_group(t) && g * lanes <= MAX_LANES && n < 8; g *= 2)
        choices[n++] = g * lanes;
    if (n < 2)
        return hone_annotate(s, block, "meta_schedule.vectorize", lanes, err);
    hone_rv length;
    HONE_TRY(hone_sample_categorical(s, choices, NULL, n, &which, &length, err));
    return hone_annotate_rv(s, block, "meta_schedule.vectorize", length, err);
}

/* All but where it is computed. */
static hone_status elementwise(hone_sched *s, const char *name, const hone_rule__ctx *ctx,
                               hone_rv *ret_block, bool *ret_movable, hone_error *err)
{
    hone_rv block, unroll, loops[MAX_LOOPS], all;
    unsigned n;
    HONE_TRY(hone_get_block(s, name, &block, err));
    *ret_block = block;
    hone_stmt b = hone_rv_stmt(s, block);
    const hone_stmt_row *r = hone_stmt_at(&s->prog, b);
    if (!r->out.i || r->init.i || r->n_iters == 0)
        return hone_fail(err, HONE_REJECT_ARG, "block '%s' is not elementwise", name);
    int bytes = hone_dtype_bytes(hone_expr_dtype(&s->prog, r->value));
    bool movable = *ret_movable = hone_buffer_at(&s->prog, r->out)->role == HONE_TEMP;
    if (!movable && r->n_iters > 1 && r->n_iters <= MAX_LOOPS && is_one_row(&s->prog, b)) {
        HONE_TRY(hone_get_loops(s, block, loops, MAX_LOOPS, &n, err));
        HONE_TRY(hone_fuse(s, loops, n, &all, err));
    }
    static const int64_t unrolls[] = {1, 2, 4, 8};
    int64_t which = 1;
    HONE_TRY(hone_sample_categorical(s, unrolls, NULL, HONE_LEN(unrolls), &which, &unroll, err));
    HONE_TRY(hone_annotate(s, block, "meta_schedule.parallel", 1, err));
    HONE_TRY(sample_vectors(s, block, ctx->target, bytes, err));
    HONE_TRY(hone_annotate_rv(s, block, "meta_schedule.unroll_explicit", unroll, err));
    return movable ? HONE_OK : hone_rule__stream(s, block, ctx, err);
}

hone_status hone_rule__elementwise_at_root(hone_sched *s, const char *name,
                                           const hone_rule__ctx *ctx, hone_error *err)
{
    hone_rv block;
    bool movable;
    return elementwise(s, name, ctx, &block, &movable, err);
}

hone_status hone_rule__elementwise(hone_sched *s, const char *name, const hone_rule__ctx *ctx,
                                   hone_error *err)
{
    hone_rv block, at;
    bool movable;
    HONE_TRY(elementwise(s, name, ctx, &block, &movable, err));
    if (!movable)
        return HONE_OK;
    /* where to compute it is a decision; the root is the policy's, and of what computes nothing its
     * readers */
    int64_t where =
        only_moves(&s->prog, hone_rv_stmt(s, block)) ? HONE_SPACE_AT_INLINE : HONE_SPACE_AT_ROOT;
    HONE_TRY(hone_sample_compute_location(s, block, &where, &at, err));
    return hone_compute_at(s, block, at, err);
}
