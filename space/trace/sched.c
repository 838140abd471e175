/* Schedules: applying and replaying instructions, and one call per instruction for rules.
 *
 * begin/inputs/attrs/end    append an instruction to the trace, run it, take it back if it fails
 * hone_sched_apply          the same from operands in another trace
 * hone_trace_replay         copies a trace whole and runs it in place
 * the rest                  one function per instruction */
#include "space/trace/internal.h"

void hone_sched_start(hone_sched *s, const hone_program *base, hone_rng *rng)
{
    hone_program_copy(&s->prog, base);
    hone_trace_reset(&s->trace);
    s->rvs.n = 0;
    hone_vec_push(&s->rvs, (hone_rv_row){0});
    s->rng = rng;
}

void hone_sched_fini(hone_sched *s)
{
    hone_program_fini(&s->prog);
    hone_trace_free(&s->trace);
    hone_vec_free(&s->rvs);
    s->rng = NULL;
    s->intrins = NULL;
    s->target = NULL;
    s->stop = NULL;
    s->stop_ctx = NULL;
}

hone_stmt hone_rv_stmt(const hone_sched *s, hone_rv v)
{
    HONE_ASSERT(v.i < s->rvs.n);
    return s->rvs.v[v.i].stmt;
}

int64_t hone_rv_int(const hone_sched *s, hone_rv v)
{
    HONE_ASSERT(v.i < s->rvs.n);
    return s->rvs.v[v.i].value;
}

/* ---- applying -------------------------------------------------------------------------------- */

/* Runs instruction `at` of the trace. Sets its outputs; on failure the variables are as before. */
static hone_status run(hone_sched *s, uint32_t at, hone_error *err)
{
    hone_inst *in = &s->trace.insts.v[at];
    uint32_t first = s->rvs.n;
    if (hone_space__stopped(s))
        return hone_fail(err, HONE_E_INTERRUPTED, "%s: interrupted", hone_inst_name(in->kind));
    hone_status st = hone_space__inst(in->kind)->apply(s, in, err);
    if (st == HONE_OK && s->prog.overflow)
        st = hone_fail(err, HONE_REJECT_TOO_BIG, "%s: the program grew too large",
                       hone_inst_name(in->kind));
    if (st != HONE_OK) {
        s->rvs.n = first;
        return st;
    }
    in->outputs = first;
    in->n_outputs = s->rvs.n - first;
    return HONE_OK;
}

/* An instruction under construction at the end of a schedule's trace. */
typedef struct call {
    hone_sched *s;
    hone_inst in;
    uint32_t values, ints, chars; /* lengths to go back to */
} call;

static call begin(hone_sched *s, hone_inst_kind kind)
{
    const hone_trace *t = &s->trace;
    return (call){.s = s,
                  .in = {.kind = kind},
                  .values = t->values.n,
                  .ints = t->ints.n,
                  .chars = t->chars.n};
}

/* Texts and lists in v must lie in the schedule's own trace. */
static uint32_t append(hone_trace *t, const hone_value *v, uint32_t n)
{
    uint32_t first = t->values.n;
    hone_vec_reserve(&t->values, n);
    if (n)
        memcpy(t->values.v + first, v, n * sizeof *v);
    t->values.n += n;
    return first;
}

static void inputs(call *c, const hone_value *v, uint32_t n)
{
    c->in.inputs = append(&c->s->trace, v, n);
    c->in.n_inputs = n;
}

static void attrs(call *c, const hone_value *v, uint32_t n)
{
    c->in.attrs = append(&c->s->trace, v, n);
    c->in.n_attrs = n;
}

static void decision(call *c, const int64_t *d, uint32_t n)
{
    hone_trace *t = &c->s->trace;
    if (!d)
        return;
    c->in.decision = t->ints.n;
    c->in.n_decision = n;
    hone_vec_reserve(&t->ints, n);
    if (n)
        memcpy(t->ints.v + t->ints.n, d, n * sizeof *d);
    t->ints.n += n;
}

static hone_status end(call *c, hone_rv *ret, unsigned max, unsigned *ret_n, hone_error *err)
{
    hone_sched *s = c->s;
    hone_trace *t = &s->trace;
    uint32_t at = t->insts.n;
    hone_status st = hone_space__check(t, &c->in, s->rvs.v, s->rvs.n, err);
    if (st == HONE_OK) {
        hone_vec_push(&t->insts, c->in);
        st = run(s, at, err);
    }
    if (st != HONE_OK) {
        t->insts.n = at;
        t->values.n = c->values;
        t->ints.n = c->ints;
        t->chars.n = c->chars;
        return st;
    }
    const hone_inst *in = &t->insts.v[at];
    t->n_rvs += in->n_outputs;
    for (uint32_t k = 0; k < in->n_outputs && k < max; k++)
        ret[k] = (hone_rv){in->outputs + k};
    if (ret_n)
        *ret_n = in->n_outputs;
    return HONE_OK;
}

hone_status hone_sched_apply(hone_sched *s, hone_inst_kind kind, const hone_trace *pool,
                             const hone_value *in, uint32_t n_in, const hone_value *at,
                             uint32_t n_at, const int64_t *d, uint32_t n_d, hone_rv *ret_first,
                             uint32_t *ret_n, hone_error *err)
{
    hone_value operands[HONE_SPACE_MAX_OPERANDS];
    if (kind <= HONE_INST_NONE || kind >= HONE_INST_COUNT)
        return hone_fail(err, HONE_E_INPUT, "there is no instruction number %d", (int)kind);
    if (n_in > HONE_SPACE_MAX_OPERANDS || n_at > HONE_SPACE_MAX_OPERANDS ||
        n_d > HONE_SPACE_MAX_FACTORS)
        return hone_fail(err, HONE_E_INPUT, "%s: too many operands", hone_inst_name(kind));
    if (d && !hone_inst_samples(kind))
        return hone_fail(err, HONE_E_INPUT, "%s takes no decision", hone_inst_name(kind));
    call c = begin(s, kind);
    /* Copied first: the operands may lie in s->trace, which moves. */
    if (n_in)
        memcpy(operands, in, n_in * sizeof *in);
    hone_value kept[HONE_SPACE_MAX_OPERANDS];
    if (n_at)
        memcpy(kept, at, n_at * sizeof *at);
    c.in.inputs = hone_space__put(&s->trace, pool, operands, n_in);
    c.in.n_inputs = n_in;
    c.in.attrs = hone_space__put(&s->trace, pool, kept, n_at);
    c.in.n_attrs = n_at;
    decision(&c, d, n_d);
    hone_rv first = HONE_NO_RV;
    unsigned n = 0;
    HONE_TRY(end(&c, &first, 1, &n, err));
    if (ret_first)
        *ret_first = first;
    if (ret_n)
        *ret_n = n;
    return HONE_OK;
}

static void used_by(const hone_trace *t, uint32_t first, uint32_t n, uint32_t *values,
                    uint32_t *chars)
{
    *values = first + n > *values ? first + n : *values;
    for (uint32_t k = 0; k < n; k++) {
        const hone_value *v = &t->values.v[first + k];
        if (v->kind == HONE_VALUE_TEXT && v->first + v->n + 1 > *chars)
            *chars = v->first + v->n + 1;
        else if (v->kind == HONE_VALUE_LIST)
            used_by(t, v->first, v->n, values, chars);
    }
}

/* Forgets the operands of instructions cut off the end: a trace that is cut, replayed and extended
 * over and over must not grow. */
static void trim(hone_trace *t)
{
    uint32_t values = 0, chars = 0, ints = 0;
    for (uint32_t k = 0; k < t->insts.n; k++) {
        const hone_inst *in = &t->insts.v[k];
        used_by(t, in->inputs, in->n_inputs, &values, &chars);
        used_by(t, in->attrs, in->n_attrs, &values, &chars);
        if (in->n_decision && in->decision + in->n_decision > ints)
            ints = in->decision + in->n_decision;
    }
    t->values.n = values;
    t->chars.n = chars;
    t->ints.n = ints;
}

void hone_space__rewind(hone_sched *s, const hone_trace *t, const hone_program *base, hone_rng *rng)
{
    hone_trace *own = &s->trace;
    if (t->insts.v != own->insts.v || !own->insts.v)
        hone_trace_copy(own, t);
    else
        own->insts.n = t->insts.n; /* the schedule's own trace, or a shorter view of it */
    trim(own);
    hone_program_copy(&s->prog, base);
    s->rvs.n = 0;
    hone_vec_reserve(&s->rvs, own->n_rvs + 1);
    hone_vec_push(&s->rvs, (hone_rv_row){0});
    s->rng = rng;
}

/* Operands need no check: what made the trace (apply, parse) did that. The number of outputs is the
 * program's, and variables keep their numbers only while it is the recorded one. */
hone_status hone_space__replay_one(hone_sched *s, uint32_t at, hone_error *err)
{
    const hone_inst want = s->trace.insts.v[at];
    HONE_TRY(run(s, at, err));
    hone_inst *in = &s->trace.insts.v[at];
    uint32_t gives = in->n_outputs;
    if (gives == want.n_outputs)
        return HONE_OK;
    s->rvs.n = in->outputs;
    in->n_outputs = want.n_outputs;
    return hone_fail(err, HONE_REJECT_ARG,
                     "instruction %u (%s) gives %u variables here and %u in the trace: it was made "
                     "for another program",
                     at, hone_inst_name(want.kind), gives, want.n_outputs);
}

hone_status hone_trace_replay(const hone_trace *t, const hone_program *base, hone_sched *s,
                              hone_rng *rng, bool resample, hone_error *err)
{
    hone_trace *own = &s->trace;
    hone_space__rewind(s, t, base, rng);
    if (resample) {
        own->ints.n = 0;
        for (uint32_t k = 0; k < own->insts.n; k++)
            own->insts.v[k].n_decision = 0;
    }
    for (uint32_t k = 0; k < own->insts.n; k++) {
        hone_status st = hone_space__replay_one(s, k, err);
        if (st != HONE_OK) {
            own->insts.n = k;
            own->n_rvs = s->rvs.n - 1;
            return st;
        }
    }
    own->n_rvs = s->rvs.n - 1;
    return hone_prim__check_intrins(&s->prog, s->intrins ? s->intrins : hone_intrin_shipped(), err);
}

/* ---- one call per instruction ---------------------------------------------------------------- */

static hone_value rv(hone_rv v)
{
    return (hone_value){.kind = HONE_VALUE_RV, .u.rv = v};
}

static hone_value num(int64_t i)
{
    return (hone_value){.kind = HONE_VALUE_INT, .u.i = i};
}

static hone_value none(void)
{
    return (hone_value){.kind = HONE_VALUE_NONE};
}

static hone_value empty_list(void)
{
    return (hone_value){.kind = HONE_VALUE_LIST};
}

static hone_value list_of(const call *c, hone_rv v)
{
    hone_trace *t = &c->s->trace;
    hone_vec_push(&t->values, rv(v));
    return (hone_value){.kind = HONE_VALUE_LIST, .first = t->values.n - 1, .n = 1};
}

static hone_value text(const call *c, const char *s)
{
    return hone_space__text(&c->s->trace, s, strlen(s));
}

static hone_value uniform_list(const call *c, const double *probs, unsigned n)
{
    hone_trace *t = &c->s->trace;
    hone_value list = {.kind = HONE_VALUE_LIST, .first = t->values.n, .n = n};
    hone_vec_reserve(&t->values, n);
    for (unsigned k = 0; k < n; k++)
        t->values.v[t->values.n++] =
            (hone_value){.kind = HONE_VALUE_FLOAT, .u.f = probs ? probs[k] : 1.0 / n};
    return list;
}

static hone_value int_list(const call *c, const int64_t *v, unsigned n)
{
    hone_trace *t = &c->s->trace;
    hone_value list = {.kind = HONE_VALUE_LIST, .first = t->values.n, .n = n};
    hone_vec_reserve(&t->values, n);
    for (unsigned k = 0; k < n; k++)
        t->values.v[t->values.n++] = num(v[k]);
    return list;
}

/* Inputs are the n variables; no attributes. */
static hone_status plain(hone_sched *s, hone_inst_kind kind, const hone_rv *v, unsigned n,
                         hone_rv *ret, unsigned max, unsigned *ret_n, hone_error *err)
{
    hone_value in[HONE_SPACE_MAX_OPERANDS];
    if (n > HONE_SPACE_MAX_OPERANDS)
        return hone_fail(err, HONE_E_INPUT, "%s: too many operands", hone_inst_name(kind));
    for (unsigned k = 0; k < n; k++)
        in[k] = rv(v[k]);
    call c = begin(s, kind);
    inputs(&c, in, n);
    return end(&c, ret, max, ret_n, err);
}

hone_status hone_get_block(hone_sched *s, const char *name, hone_rv *ret, hone_error *err)
{
    call c = begin(s, HONE_INST_GetBlock);
    attrs(&c, (hone_value[]){text(&c, name), text(&c, "main")}, 2);
    return end(&c, ret, 1, NULL, err);
}

hone_status hone_get_loops(hone_sched *s, hone_rv block, hone_rv *ret, unsigned max,
                           unsigned *ret_n, hone_error *err)
{
    return plain(s, HONE_INST_GetLoops, &block, 1, ret, max, ret_n, err);
}

hone_status hone_get_child_blocks(hone_sched *s, hone_rv at, hone_rv *ret, unsigned max,
                                  unsigned *ret_n, hone_error *err)
{
    return plain(s, HONE_INST_GetChildBlocks, &at, 1, ret, max, ret_n, err);
}

hone_status hone_get_producers(hone_sched *s, hone_rv block, hone_rv *ret, unsigned max,
                               unsigned *ret_n, hone_error *err)
{
    return plain(s, HONE_INST_GetProducers, &block, 1, ret, max, ret_n, err);
}

hone_status hone_get_consumers(hone_sched *s, hone_rv block, hone_rv *ret, unsigned max,
                               unsigned *ret_n, hone_error *err)
{
    return plain(s, HONE_INST_GetConsumers, &block, 1, ret, max, ret_n, err);
}

hone_status hone_sample_categorical(hone_sched *s, const int64_t *candidates, const double *probs,
                                    unsigned n, const int64_t *d, hone_rv *ret, hone_error *err)
{
    call c = begin(s, HONE_INST_SampleCategorical);
    attrs(&c, (hone_value[]){int_list(&c, candidates, n), uniform_list(&c, probs, n)}, 2);
    decision(&c, d, 1);
    return end(&c, ret, 1, NULL, err);
}

static hone_status sample_tile(hone_sched *s, hone_inst_kind kind, hone_rv loop, unsigned n,
                               int64_t max_innermost, const int64_t *d, hone_rv *ret,
                               hone_error *err)
{
    call c = begin(s, kind);
    inputs(&c, (hone_value[]){rv(loop)}, 1);
    attrs(&c, (hone_value[]){num(n), num(max_innermost)}, 2);
    decision(&c, d, n);
    return end(&c, ret, n, NULL, err);
}

hone_status hone_sample_perfect_tile(hone_sched *s, hone_rv loop, unsigned n, int64_t max_innermost,
                                     const int64_t *d, hone_rv *ret, hone_error *err)
{
    return sample_tile(s, HONE_INST_SamplePerfectTile, loop, n, max_innermost, d, ret, err);
}

hone_status hone_sample_imperfect_tile(hone_sched *s, hone_rv loop, unsigned n,
                                       int64_t max_innermost, const int64_t *d, hone_rv *ret,
                                       hone_error *err)
{
    return sample_tile(s, HONE_INST_SampleImperfectTile, loop, n, max_innermost, d, ret, err);
}

hone_status hone_sample_register_tile(hone_sched *s, hone_rv row, hone_rv column,
                                      const int64_t (*candidates)[2], const double *probs,
                                      unsigned n, const int64_t *d, hone_rv ret[2], hone_error *err)
{
    call c = begin(s, HONE_INST_SampleRegisterTile);
    hone_trace *t = &s->trace;
    inputs(&c, (hone_value[]){rv(row), rv(column)}, 2);
    hone_value pairs = {.kind = HONE_VALUE_LIST, .first = t->values.n, .n = n};
    hone_vec_reserve(&t->values, n);
    t->values.n += n;
    for (unsigned k = 0; k < n; k++) {
        hone_value pair = int_list(&c, candidates[k], 2);
        t->values.v[pairs.first + k] = pair;
    }
    attrs(&c, (hone_value[]){pairs, uniform_list(&c, probs, n)}, 2);
    decision(&c, d, 1);
    return end(&c, ret, 2, NULL, err);
}

hone_status hone_sample_compute_location(hone_sched *s, hone_rv block, const int64_t *d,
                                         hone_rv *ret, hone_error *err)
{
    call c = begin(s, HONE_INST_SampleComputeLocation);
    inputs(&c, (hone_value[]){rv(block)}, 1);
    decision(&c, d, 1);
    return end(&c, ret, 1, NULL, err);
}

static hone_status split(hone_sched *s, const hone_value *in, unsigned n, hone_rv *ret,
                         hone_error *err)
{
    call c = begin(s, HONE_INST_Split);
    inputs(&c, in, n + 1);
    attrs(&c, (hone_value[]){num(1), num(0)}, 2);
    return end(&c, ret, n, NULL, err);
}

hone_status hone_split(hone_sched *s, hone_rv loop, const hone_rv *factors, unsigned n,
                       hone_rv *ret, hone_error *err)
{
    hone_value in[HONE_SPACE_MAX_FACTORS + 1] = {rv(loop)};
    if (n > HONE_SPACE_MAX_FACTORS)
        return hone_fail(err, HONE_REJECT_SPLIT, "Split: more than %d factors",
                         HONE_SPACE_MAX_FACTORS);
    for (unsigned k = 0; k < n; k++)
        in[k + 1] = factors[k].i ? rv(factors[k]) : none();
    return split(s, in, n, ret, err);
}

hone_status hone_split_by(hone_sched *s, hone_rv loop, const int64_t *factors, unsigned n,
                          hone_rv *ret, hone_error *err)
{
    hone_value in[HONE_SPACE_MAX_FACTORS + 1] = {rv(loop)};
    if (n > HONE_SPACE_MAX_FACTORS)
        return hone_fail(err, HONE_REJECT_SPLIT, "Split: more than %d factors",
                         HONE_SPACE_MAX_FACTORS);
    for (unsigned k = 0; k < n; k++)
        in[k + 1] = factors[k] ? num(factors[k]) : none();
    return split(s, in, n, ret, err);
}

hone_status hone_fuse(hone_sched *s, const hone_rv *loops, unsigned n, hone_rv *ret,
                      hone_error *err)
{
    hone_value in[HONE_SPACE_MAX_OPERANDS];
    if (n > HONE_SPACE_MAX_OPERANDS)
        return hone_fail(err, HONE_E_INPUT, "Fuse: too many operands");
    for (unsigned k = 0; k < n; k++)
        in[k] = rv(loops[k]);
    call c = begin(s, HONE_INST_Fuse);
    inputs(&c, in, n);
    attrs(&c, (hone_value[]){num(1)}, 1);
    return end(&c, ret, 1, NULL, err);
}

hone_status hone_reorder(hone_sched *s, const hone_rv *loops, unsigned n, hone_error *err)
{
    return plain(s, HONE_INST_Reorder, loops, n, NULL, 0, NULL, err);
}

hone_status hone_merge(hone_sched *s, const hone_rv *loops, unsigned n, hone_rv *ret,
                       hone_error *err)
{
    return plain(s, HONE_INST_Merge, loops, n, ret, 1, NULL, err);
}

hone_status hone_add_unit_loop(hone_sched *s, hone_rv at, hone_rv *ret, hone_error *err)
{
    return plain(s, HONE_INST_AddUnitLoop, &at, 1, ret, 1, NULL, err);
}

hone_status hone_parallel(hone_sched *s, hone_rv loop, hone_error *err)
{
    return plain(s, HONE_INST_Parallel, &loop, 1, NULL, 0, NULL, err);
}

hone_status hone_vectorize(hone_sched *s, hone_rv loop, hone_error *err)
{
    return plain(s, HONE_INST_Vectorize, &loop, 1, NULL, 0, NULL, err);
}

hone_status hone_unroll(hone_sched *s, hone_rv loop, hone_error *err)
{
    return plain(s, HONE_INST_Unroll, &loop, 1, NULL, 0, NULL, err);
}

hone_status hone_cache_read(hone_sched *s, hone_rv block, unsigned read_buffer_index,
                            hone_scope scope, hone_rv *ret, hone_error *err)
{
    call c = begin(s, HONE_INST_CacheRead);
    inputs(&c, (hone_value[]){rv(block), list_of(&c, block)}, 2);
    attrs(&c, (hone_value[]){num(read_buffer_index), text(&c, hone_scope_name(scope))}, 2);
    return end(&c, ret, 1, NULL, err);
}

hone_status hone_cache_write(hone_sched *s, hone_rv block, hone_scope scope, hone_rv *ret,
                             hone_error *err)
{
    call c = begin(s, HONE_INST_CacheWrite);
    inputs(&c, (hone_value[]){rv(block), empty_list()}, 2);
    attrs(&c, (hone_value[]){num(0), text(&c, hone_scope_name(scope))}, 2);
    return end(&c, ret, 1, NULL, err);
}

hone_status hone_cache_accumulate(hone_sched *s, hone_rv block, hone_rv loop, hone_scope scope,
                                  hone_rv ret[2], hone_error *err)
{
    call c = begin(s, HONE_INST_CacheAccumulate);
    inputs(&c, (hone_value[]){rv(block), rv(loop)}, 2);
    attrs(&c, (hone_value[]){num(0), text(&c, hone_scope_name(scope))}, 2);
    return end(&c, ret, 2, NULL, err);
}

static hone_status at_loop(hone_sched *s, hone_inst_kind kind, hone_rv block, hone_rv loop,
                           hone_error *err)
{
    call c = begin(s, kind);
    inputs(&c, (hone_value[]){rv(block), rv(loop)}, 2);
    attrs(&c, (hone_value[]){num(1), num(-1)}, 2);
    return end(&c, NULL, 0, NULL, err);
}

hone_status hone_storage_align(hone_sched *s, hone_rv block, int64_t axis, int64_t factor,
                               int64_t offset, hone_error *err)
{
    call c = begin(s, HONE_INST_StorageAlign);
    inputs(&c, (hone_value[]){rv(block)}, 1);
    attrs(&c, (hone_value[]){num(0), num(axis), num(factor), num(offset)}, 4);
    return end(&c, NULL, 0, NULL, err);
}

hone_status hone_pad_einsum(hone_sched *s, hone_rv block, const int64_t *multiples, unsigned n,
                            hone_error *err)
{
    call c = begin(s, HONE_INST_PadEinsum);
    inputs(&c, (hone_value[]){rv(block)}, 1);
    attrs(&c, (hone_value[]){int_list(&c, multiples, n)}, 1);
    return end(&c, NULL, 0, NULL, err);
}

hone_status hone_skip_zeros(hone_sched *s, hone_rv block, hone_error *err)
{
    return plain(s, HONE_INST_SkipZeros, &block, 1, NULL, 0, NULL, err);
}

hone_status hone_skip_unread(hone_sched *s, hone_rv block, hone_error *err)
{
    return plain(s, HONE_INST_SkipUnread, &block, 1, NULL, 0, NULL, err);
}

hone_status hone_online_softmax(hone_sched *s, hone_rv block, hone_rv size, hone_rv *ret,
                                hone_error *err)
{
    return plain(s, HONE_INST_OnlineSoftmax, (hone_rv[]){block, size}, 2, ret, 1, NULL, err);
}

hone_status hone_set_scope(hone_sched *s, hone_rv block, hone_scope scope, hone_error *err)
{
    call c = begin(s, HONE_INST_SetScope);
    inputs(&c, (hone_value[]){rv(block)}, 1);
    attrs(&c, (hone_value[]){num(0), text(&c, hone_scope_name(scope))}, 2);
    return end(&c, NULL, 0, NULL, err);
}

hone_status hone_widen(hone_sched *s, hone_rv block, hone_dtype wide, hone_error *err)
{
    call c = begin(s, HONE_INST_Widen);
    inputs(&c, (hone_value[]){rv(block)}, 1);
    attrs(&c, (hone_value[]){text(&c, hone_dtype_name(wide))}, 1);
    return end(&c, NULL, 0, NULL, err);
}

hone_status hone_compute_inplace(hone_sched *s, hone_rv block, unsigned read_buffer_index,
                                 hone_error *err)
{
    call c = begin(s, HONE_INST_ComputeInplace);
    inputs(&c, (hone_value[]){rv(block)}, 1);
    attrs(&c, (hone_value[]){num(read_buffer_index)}, 1);
    return end(&c, NULL, 0, NULL, err);
}

hone_status hone_compute_at(hone_sched *s, hone_rv block, hone_rv loop, hone_error *err)
{
    return at_loop(s, HONE_INST_ComputeAt, block, loop, err);
}

hone_status hone_reverse_compute_at(hone_sched *s, hone_rv block, hone_rv loop, hone_error *err)
{
    return at_loop(s, HONE_INST_ReverseComputeAt, block, loop, err);
}

hone_status hone_compute_inline(hone_sched *s, hone_rv block, hone_error *err)
{
    return plain(s, HONE_INST_ComputeInline, &block, 1, NULL, 0, NULL, err);
}

hone_status hone_reverse_compute_inline(hone_sched *s, hone_rv block, hone_error *err)
{
    return plain(s, HONE_INST_ReverseComputeInline, &block, 1, NULL, 0, NULL, err);
}

hone_status hone_decompose_reduction(hone_sched *s, hone_rv block, hone_rv loop, hone_rv *ret,
                                     hone_error *err)
{
    return plain(s, HONE_INST_DecomposeReduction, (hone_rv[]){block, loop}, 2, ret, 1, NULL, err);
}

hone_status hone_rfactor(hone_sched *s, hone_rv loop, int64_t factor_axis, hone_rv *ret,
                         hone_error *err)
{
    call c = begin(s, HONE_INST_RFactor);
    inputs(&c, (hone_value[]){rv(loop)}, 1);
    attrs(&c, (hone_value[]){num(factor_axis)}, 1);
    return end(&c, ret, 1, NULL, err);
}

hone_status hone_share_windows(hone_sched *s, hone_rv loop, hone_rv *ret, hone_error *err)
{
    return plain(s, HONE_INST_ShareWindows, &loop, 1, ret, 1, NULL, err);
}

hone_status hone_transform_layout(hone_sched *s, hone_rv block, const char *map, const hone_rv *v,
                                  unsigned n, hone_error *err)
{
    hone_value in[HONE_SPACE_MAX_OPERANDS];
    if (n + 2 > HONE_SPACE_MAX_OPERANDS)
        return hone_fail(err, HONE_E_INPUT, "TransformLayout: too many operands");
    call c = begin(s, HONE_INST_TransformLayout);
    in[0] = rv(block);
    in[1] = text(&c, map);
    for (unsigned k = 0; k < n; k++)
        in[k + 2] = rv(v[k]);
    inputs(&c, in, n + 2);
    attrs(&c, (hone_value[]){num(0), num(1), none(), num(0)}, 4);
    return end(&c, NULL, 0, NULL, err);
}

hone_status hone_blockize(hone_sched *s, hone_rv loop, hone_rv *ret, hone_error *err)
{
    call c = begin(s, HONE_INST_Blockize);
    inputs(&c, (hone_value[]){rv(loop)}, 1);
    attrs(&c, (hone_value[]){num(1)}, 1);
    return end(&c, ret, 1, NULL, err);
}

hone_status hone_tensorize(hone_sched *s, hone_rv at, const char *intrin, hone_error *err)
{
    call c = begin(s, HONE_INST_Tensorize);
    inputs(&c, (hone_value[]){rv(at)}, 1);
    attrs(&c, (hone_value[]){text(&c, intrin), num(1)}, 2);
    return end(&c, NULL, 0, NULL, err);
}

static hone_status annotate(hone_sched *s, hone_rv at, const char *key, hone_value value,
                            hone_error *err)
{
    call c = begin(s, HONE_INST_Annotate);
    inputs(&c, (hone_value[]){rv(at), value}, 2);
    attrs(&c, (hone_value[]){text(&c, key)}, 1);
    return end(&c, NULL, 0, NULL, err);
}

hone_status hone_annotate(hone_sched *s, hone_rv at, const char *key, int64_t value,
                          hone_error *err)
{
    return annotate(s, at, key, num(value), err);
}

hone_status hone_annotate_rv(hone_sched *s, hone_rv at, const char *key, hone_rv value,
                             hone_error *err)
{
    return annotate(s, at, key, rv(value), err);
}

hone_status hone_unannotate(hone_sched *s, hone_rv at, const char *key, hone_error *err)
{
    call c = begin(s, HONE_INST_Unannotate);
    inputs(&c, (hone_value[]){rv(at)}, 1);
    attrs(&c, (hone_value[]){text(&c, key)}, 1);
    return end(&c, NULL, 0, NULL, err);
}

hone_status hone_enter_postproc(hone_sched *s, hone_error *err)
{
    return plain(s, HONE_INST_EnterPostproc, NULL, 0, NULL, 0, NULL, err);
}
