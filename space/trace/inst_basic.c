/* What the basic instructions do to a schedule, in the order of space/trace/inst.def: finding
 * blocks and loops, loop transformations, the accumulator, compute location, reductions, layouts,
 * annotations.
 *
 * A function runs at most one primitive, and last before its outputs, so that a rejected
 * instruction leaves the program as it was. Attributes that only MetaSchedule gives a meaning to
 * (preserve_unit_iters, index, ...) are recorded and otherwise ignored. */
#include "space/trace/internal.h"

/* ---- blocks and loops ------------------------------------------------------------------------ */

hone_status hone_space__apply_GetBlock(hone_sched *s, hone_inst *in, hone_error *err)
{
    const char *name;
    HONE_TRY(hone_space__attr_text(s, in, 0, &name, err));
    hone_stmt b = hone_block_find(&s->prog, name);
    if (!b.i)
        return hone_fail(err, HONE_REJECT_ARG, "GetBlock: the program has no block '%s'", name);
    hone_space__out_stmt(s, 'b', b);
    return HONE_OK;
}

hone_status hone_space__apply_GetLoops(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt b, loops[HONE_SPACE_MAX_OUTPUTS];
    HONE_TRY(hone_space__stmt(s, in, 0, &b, err));
    unsigned n = hone_loops_of(&s->prog, b, loops, HONE_SPACE_MAX_OUTPUTS);
    if (n > HONE_SPACE_MAX_OUTPUTS)
        return hone_fail(err, HONE_REJECT_TOO_BIG, "GetLoops: %u loops around one block", n);
    for (unsigned k = 0; k < n; k++)
        hone_space__out_stmt(s, 'l', loops[k]);
    return HONE_OK;
}

hone_status hone_space__out_blocks(hone_sched *s, const hone_inst *in, const hone_stmt *b,
                                   unsigned n, hone_error *err)
{
    if (n > HONE_SPACE_MAX_OUTPUTS)
        return hone_fail(err, HONE_REJECT_TOO_BIG, "%s: %u blocks", hone_inst_name(in->kind), n);
    for (unsigned k = 0; k < n; k++)
        hone_space__out_stmt(s, 'b', b[k]);
    return HONE_OK;
}

hone_status hone_space__apply_GetChildBlocks(hone_sched *s, hone_inst *in, hone_error *err)
{
    const hone_program *p = &s->prog;
    hone_stmt top, ret[HONE_SPACE_MAX_OUTPUTS];
    HONE_TRY(hone_space__stmt(s, in, 0, &top, err));
    unsigned n = 0;
    for (hone_stmt x = hone_next(p, top, top); x.i;) {
        if (hone_is_block(p, x)) {
            if (n < HONE_SPACE_MAX_OUTPUTS)
                ret[n] = x;
            n++;
            x = hone_next_skip(p, top, x);
        } else {
            x = hone_next(p, top, x);
        }
    }
    return hone_space__out_blocks(s, in, ret, n, err);
}

/* Leaf blocks other than b that write what b reads (its own output too, when it updates it). */
hone_status hone_space__apply_GetProducers(hone_sched *s, hone_inst *in, hone_error *err)
{
    const hone_program *p = &s->prog;
    hone_stmt b, ret[HONE_SPACE_MAX_OUTPUTS];
    HONE_TRY(hone_space__stmt(s, in, 0, &b, err));
    if (!hone_stmt_at(p, b)->out.i)
        return hone_fail(err, HONE_REJECT_ARG, "GetProducers: the block stores nothing itself");
    hone_expr value = hone_stmt_at(p, b)->value;
    unsigned n = 0;
    for (hone_stmt x = p->root; x.i; x = hone_next(p, p->root, x)) {
        if (x.i == b.i || !hone_is_block(p, x) || !hone_stmt_at(p, x)->out.i ||
            !hone_uses_buffer(p, value, hone_stmt_at(p, x)->out))
            continue;
        if (n < HONE_SPACE_MAX_OUTPUTS)
            ret[n] = x;
        n++;
    }
    return hone_space__out_blocks(s, in, ret, n, err);
}

static unsigned consumers_of(const hone_program *p, hone_stmt b, hone_stmt *ret, unsigned max)
{
    hone_buffer out = hone_stmt_at(p, b)->out;
    hone_stmt all[HONE_SPACE_MAX_OUTPUTS];
    unsigned n = out.i ? hone_readers_of(p, out, all, HONE_SPACE_MAX_OUTPUTS) : 0, kept = 0;
    if (n > HONE_SPACE_MAX_OUTPUTS)
        return n;
    for (unsigned k = 0; k < n; k++)
        if (all[k].i != b.i && kept < max)
            ret[kept++] = all[k];
    return kept;
}

hone_status hone_space__apply_GetConsumers(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt b, ret[HONE_SPACE_MAX_OUTPUTS];
    HONE_TRY(hone_space__stmt(s, in, 0, &b, err));
    unsigned n = consumers_of(&s->prog, b, ret, HONE_SPACE_MAX_OUTPUTS);
    return hone_space__out_blocks(s, in, ret, n, err);
}

/* In a block that an intrinsic does: what stands there, and its value, are not to change. */
static bool is_tensorized(const hone_program *p, hone_stmt s)
{
    while (s.i && !(hone_is_block(p, s) && hone_ann_get(p, s, "hone.intrin")))
        s = hone_stmt_at(p, s)->parent;
    return s.i != 0;
}

/* A copy changes what is read, and nothing else. */
static bool inlines(hone_program *p, hone_stmt block, const hone_stmt *users, unsigned n)
{
    bool copies = hone_expr_op(p, hone_stmt_at(p, block)->value) == HONE_OP_LOAD;
    for (unsigned u = 0; u < n && !copies; u++)
        if (is_tensorized(p, users[u]))
            return false;
    return hone_prim__can_inline(p, block);
}

unsigned hone_space__compute_locations(hone_program *p, hone_stmt block, int64_t *ret, unsigned max)
{
    hone_stmt users[HONE_SPACE_MAX_OUTPUTS], loops[HONE_SPACE_MAX_OUTPUTS];
    unsigned n_users = consumers_of(p, block, users, HONE_SPACE_MAX_OUTPUTS), n = 0;
    if (n_users > 0 && n_users <= HONE_SPACE_MAX_OUTPUTS && inlines(p, block, users, n_users))
        ret[n++] = HONE_SPACE_AT_INLINE;
    ret[n++] = HONE_SPACE_AT_ROOT;
    if (n_users == 0 || n_users > HONE_SPACE_MAX_OUTPUTS)
        return n;
    unsigned n_loops = hone_loops_of(p, users[0], loops, HONE_SPACE_MAX_OUTPUTS);
    for (unsigned k = 0; k < n_loops && k < HONE_SPACE_MAX_OUTPUTS && n < max; k++) {
        for (unsigned u = 1; u < n_users; u++)
            if (!hone_is_ancestor(p, loops[k], users[u]))
                return n;
        if (!is_tensorized(p, loops[k]) && hone_prim__can_compute_at(p, block, loops[k]))
            ret[n++] = k;
    }
    return n;
}

hone_status hone_space__apply_SampleComputeLocation(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_program *p = &s->prog;
    hone_stmt block;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    if (!hone_stmt_at(p, block)->out.i)
        return hone_fail(err, HONE_REJECT_ARG, "SampleComputeLocation: the block stores nothing");
    if (!in->n_decision) {
        int64_t open[HONE_SPACE_MAX_OUTPUTS + 2];
        if (!s->rng)
            return hone_space__bad(err, in, "its decision is missing");
        unsigned n = hone_space__compute_locations(p, block, open, HONE_LEN(open));
        in->decision = s->trace.ints.n;
        in->n_decision = 1;
        hone_vec_push(&s->trace.ints, open[hone_rng_below(s->rng, n)]);
    }
    int64_t at = s->trace.ints.v[in->decision];
    hone_rv_row out = {.kind = 'l'};
    if (at == HONE_SPACE_AT_ROOT || at == HONE_SPACE_AT_INLINE) {
        out.value = at;
    } else {
        /* Whether the block can go there is for ComputeAt to say; here only that there is a place.
         */
        hone_stmt users[HONE_SPACE_MAX_OUTPUTS], loops[HONE_SPACE_MAX_OUTPUTS];
        unsigned n = consumers_of(p, block, users, HONE_SPACE_MAX_OUTPUTS);
        unsigned n_loops = n && n <= HONE_SPACE_MAX_OUTPUTS
                               ? hone_loops_of(p, users[0], loops, HONE_SPACE_MAX_OUTPUTS)
                               : 0;
        if (in->n_decision != 1 || at < 0 || at >= n_loops || at >= HONE_SPACE_MAX_OUTPUTS)
            return hone_fail(err, HONE_REJECT_DECISION,
                             "SampleComputeLocation: the consumer has no loop %" PRId64, at);
        out.stmt = loops[at];
    }
    hone_vec_push(&s->rvs, out);
    return HONE_OK;
}

/* ---- loop transformations -------------------------------------------------------------------- */

hone_status hone_space__factors(const hone_sched *s, const hone_inst *in,
                                int64_t f[HONE_SPACE_MAX_FACTORS], uint32_t *ret_n, hone_error *err)
{
    uint32_t n = in->n_inputs - 1, none = 0;
    if (n < 1 || n > HONE_SPACE_MAX_FACTORS)
        return hone_fail(err, HONE_REJECT_SPLIT, "%s: %u factors; from 1 to %d",
                         hone_inst_name(in->kind), n, HONE_SPACE_MAX_FACTORS);
    for (uint32_t k = 0; k < n; k++) {
        const hone_value *v = hone_space__input(s, in, k + 1);
        if (v->kind == HONE_VALUE_NONE) {
            f[k] = 0;
            if (none++)
                return hone_space__bad(err, in, "only one factor can be None");
            continue;
        }
        HONE_TRY(hone_space__int(s, v, &f[k], err));
        if (f[k] < 1)
            return hone_fail(err, HONE_REJECT_SPLIT, "%s: the factor %" PRId64,
                             hone_inst_name(in->kind), f[k]);
    }
    *ret_n = n;
    return HONE_OK;
}

hone_status hone_space__apply_Split(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt loop, ret[HONE_SPACE_MAX_FACTORS];
    int64_t f[HONE_SPACE_MAX_FACTORS];
    uint32_t n;
    HONE_TRY(hone_space__stmt(s, in, 0, &loop, err));
    HONE_TRY(hone_space__factors(s, in, f, &n, err));
    HONE_TRY(hone_prim__split(&s->prog, loop, f, n, ret, err));
    for (uint32_t k = 0; k < n; k++)
        hone_space__out_stmt(s, 'l', ret[k]);
    return HONE_OK;
}

hone_status hone_space__all_loops(const hone_sched *s, const hone_inst *in, hone_stmt *ret,
                                  hone_error *err)
{
    if (in->n_inputs == 0)
        return hone_space__bad(err, in, "at least one loop is needed");
    for (uint32_t k = 0; k < in->n_inputs; k++)
        HONE_TRY(hone_space__stmt(s, in, k, &ret[k], err));
    return HONE_OK;
}

hone_status hone_space__apply_Fuse(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt loops[HONE_SPACE_MAX_OPERANDS], ret;
    HONE_TRY(hone_space__all_loops(s, in, loops, err));
    HONE_TRY(hone_prim__fuse(&s->prog, loops, in->n_inputs, &ret, err));
    hone_space__out_stmt(s, 'l', ret);
    return HONE_OK;
}

hone_status hone_space__apply_Reorder(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt loops[HONE_SPACE_MAX_OPERANDS];
    HONE_TRY(hone_space__all_loops(s, in, loops, err));
    return hone_prim__reorder(&s->prog, loops, in->n_inputs, err);
}

hone_status hone_space__apply_AddUnitLoop(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt at, ret;
    HONE_TRY(hone_space__stmt(s, in, 0, &at, err));
    HONE_TRY(hone_prim__add_unit_loop(&s->prog, at, &ret, err));
    hone_space__out_stmt(s, 'l', ret);
    return HONE_OK;
}

static hone_status set_kind(hone_sched *s, hone_inst *in, hone_loop_kind kind, hone_error *err)
{
    hone_stmt loop;
    HONE_TRY(hone_space__stmt(s, in, 0, &loop, err));
    return hone_prim__set_loop_kind(&s->prog, loop, kind, err);
}

hone_status hone_space__apply_Parallel(hone_sched *s, hone_inst *in, hone_error *err)
{
    return set_kind(s, in, HONE_PARALLEL, err);
}

hone_status hone_space__apply_Vectorize(hone_sched *s, hone_inst *in, hone_error *err)
{
    return set_kind(s, in, HONE_VECTORIZED, err);
}

hone_status hone_space__apply_Unroll(hone_sched *s, hone_inst *in, hone_error *err)
{
    return set_kind(s, in, HONE_UNROLLED, err);
}

/* ---- caches ---------------------------------------------------------------------------------- */

hone_status hone_space__apply_CacheAccumulate(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block, loop, ret[2];
    hone_scope scope;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    HONE_TRY(hone_space__stmt(s, in, 1, &loop, err));
    HONE_TRY(hone_space__write_index(s, in, 0, err));
    HONE_TRY(hone_space__attr_scope(s, in, 1, &scope, err));
    HONE_TRY(hone_prim__cache_accumulate(&s->prog, block, loop, scope, ret, err));
    hone_space__out_stmt(s, 'b', ret[0]);
    hone_space__out_stmt(s, 'b', ret[1]);
    return HONE_OK;
}

/* ---- compute location ------------------------------------------------------------------------ */

typedef hone_status (*at_fn)(hone_program *p, hone_stmt block, hone_stmt loop, hone_error *err);
typedef hone_status (*inline_fn)(hone_program *p, hone_stmt block, hone_error *err);

static hone_status compute_at(hone_sched *s, hone_inst *in, at_fn at, inline_fn inlined,
                              hone_error *err)
{
    hone_stmt block, loop;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    const hone_rv_row *l = &s->rvs.v[hone_space__input(s, in, 1)->u.rv.i];
    if (!l->stmt.i && l->value == HONE_SPACE_AT_ROOT)
        return HONE_OK;
    if (!l->stmt.i && l->value == HONE_SPACE_AT_INLINE)
        return inlined(&s->prog, block, err);
    HONE_TRY(hone_space__stmt(s, in, 1, &loop, err));
    return at(&s->prog, block, loop, err);
}

hone_status hone_space__apply_SkipZeros(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    return hone_prim__skip_zeros(&s->prog, block, err);
}

hone_status hone_space__apply_SkipUnread(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    return hone_prim__skip_unread(&s->prog, block, err);
}

hone_status hone_space__apply_ComputeAt(hone_sched *s, hone_inst *in, hone_error *err)
{
    return compute_at(s, in, hone_prim__compute_at, hone_prim__compute_inline, err);
}

hone_status hone_space__apply_ReverseComputeAt(hone_sched *s, hone_inst *in, hone_error *err)
{
    return compute_at(s, in, hone_prim__reverse_compute_at, hone_prim__reverse_compute_inline, err);
}

hone_status hone_space__apply_ComputeInline(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    return hone_prim__compute_inline(&s->prog, block, err);
}

hone_status hone_space__apply_ReverseComputeInline(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    return hone_prim__reverse_compute_inline(&s->prog, block, err);
}

/* ---- reductions, layouts, annotations -------------------------------------------------------- */

hone_status hone_space__apply_DecomposeReduction(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block, loop, ret;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    HONE_TRY(hone_space__stmt(s, in, 1, &loop, err));
    HONE_TRY(hone_prim__decompose_reduction(&s->prog, block, loop, &ret, err));
    hone_space__out_stmt(s, 'b', ret);
    return HONE_OK;
}

hone_status hone_space__apply_RFactor(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt loop, ret;
    int64_t axis;
    HONE_TRY(hone_space__stmt(s, in, 0, &loop, err));
    HONE_TRY(hone_space__attr_int(s, in, 0, &axis, err));
    HONE_TRY(hone_prim__rfactor(&s->prog, loop, axis, &ret, err));
    hone_space__out_stmt(s, 'b', ret);
    return HONE_OK;
}

hone_status hone_space__apply_ShareWindows(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt loop, ret;
    HONE_TRY(hone_space__stmt(s, in, 0, &loop, err));
    HONE_TRY(hone_prim__share_windows(&s->prog, loop, &ret, err));
    hone_space__out_stmt(s, 'b', ret);
    return HONE_OK;
}

hone_status hone_space__apply_TransformLayout(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block;
    int64_t side, v[HONE_SPACE_MAX_OPERANDS];
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    HONE_TRY(hone_space__write_index(s, in, 0, err));
    HONE_TRY(hone_space__attr_int(s, in, 1, &side, err));
    if (side != HONE_SPACE_WRITE_SIDE)
        return hone_fail(err, HONE_REJECT_ARG,
                         "TransformLayout: only the buffer a block writes can be re-laid");
    for (uint32_t k = 2; k < in->n_inputs; k++)
        HONE_TRY(hone_space__int(s, hone_space__input(s, in, k), &v[k - 2], err));
    const char *map = hone_space__chars(&s->trace, hone_space__input(s, in, 1));
    return hone_prim__transform_layout(&s->prog, block, map, v, in->n_inputs - 2, err);
}

hone_status hone_space__apply_Blockize(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt loop, ret;
    int64_t unit;
    HONE_TRY(hone_space__stmt(s, in, 0, &loop, err));
    HONE_TRY(hone_space__attr_int(s, in, 0, &unit, err));
    HONE_TRY(hone_prim__blockize(&s->prog, loop, unit != 0, &ret, err));
    hone_space__out_stmt(s, 'b', ret);
    return HONE_OK;
}

hone_status hone_space__apply_Tensorize(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt at, ret;
    int64_t unit;
    const char *name;
    HONE_TRY(hone_space__stmt(s, in, 0, &at, err));
    HONE_TRY(hone_space__attr_text(s, in, 0, &name, err));
    HONE_TRY(hone_space__attr_int(s, in, 1, &unit, err));
    const hone_intrin *intrin =
        hone_intrin_find(s->intrins ? s->intrins : hone_intrin_shipped(), name);
    if (!intrin)
        return hone_fail(err, HONE_REJECT_TENSORIZE, "Tensorize: there is no intrinsic '%s' here",
                         name);
    if (s->target && !hone_target_has(s->target, intrin->features))
        return hone_fail(err, HONE_REJECT_TENSORIZE,
                         "Tensorize: the target does not have the features '%s' of '%s'",
                         intrin->features, name);
    return hone_prim__tensorize(&s->prog, at, intrin, unit != 0, &ret, err);
}

hone_status hone_space__apply_Annotate(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt at;
    const char *key;
    const hone_value *v = hone_space__input(s, in, 1);
    HONE_TRY(hone_space__stmt(s, in, 0, &at, err));
    HONE_TRY(hone_space__attr_text(s, in, 0, &key, err));
    if (hone_is_loop(&s->prog, at) && strcmp(key, HONE_ANN_OLD_AXIS) == 0)
        return hone_fail(err, HONE_REJECT_ARG, "Annotate: '%s' is for Bind to say", key);
    if (v->kind == HONE_VALUE_TEXT) {
        hone_ann_set_text(&s->prog, at, key, hone_space__chars(&s->trace, v));
    } else {
        int64_t value;
        HONE_TRY(hone_space__int(s, v, &value, err));
        hone_ann_set(&s->prog, at, key, value);
    }
    return HONE_OK;
}

hone_status hone_space__apply_Unannotate(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt at;
    const char *key;
    HONE_TRY(hone_space__stmt(s, in, 0, &at, err));
    HONE_TRY(hone_space__attr_text(s, in, 0, &key, err));
    if (!hone_ann_remove(&s->prog, at, key))
        return hone_fail(err, HONE_REJECT_ARG, "Unannotate: there is no annotation '%s'", key);
    return HONE_OK;
}

hone_status hone_space__apply_EnterPostproc(hone_sched *s, hone_inst *in, hone_error *err)
{
    (void)s;
    (void)in;
    (void)err;
    return HONE_OK;
}
