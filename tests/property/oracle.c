/* What must hold for a pair.
 *
 * failing          the first failed check is kept, with the text of the trace so far
 * opening          the workload and its meaning
 * applying         one instruction, and what its outcome promises
 * replaying        a trace, leaving out what does not apply
 * finishing        texts, replay, machine code
 * running          a random trace, or candidates of the workload's design spaces */
#include "space/prim/prim.h"
#include "tests/property/harness.h"

#include <unistd.h>

/* Programs that do more are not interpreted after every instruction, or not at all. */
#define WORK_EACH 60000
#define WORK_MOST 3000000

/* ---- failing --------------------------------------------------------------------------------- */

static void keep_trace(pair *p, const hone_trace *t)
{
    char *text = hone_trace_text(t);
    snprintf(p->r->trace, sizeof p->r->trace, "%s", text);
    free(text);
}

bool pair_fail(pair *p, const char *kind, const char *fmt, ...)
{
    if (p->r->kind[0])
        return false;
    snprintf(p->r->kind, sizeof p->r->kind, "%s", kind);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->r->detail, sizeof p->r->detail, fmt, ap);
    va_end(ap);
    return false;
}

int64_t pair_work(const hone_program *p)
{
    int64_t work = 0;
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s)) {
        int64_t turns = 1;
        for (hone_stmt l = s; l.i && turns < INT64_C(1) << 40; l = hone_stmt_at(p, l)->parent)
            if (hone_is_loop(p, l))
                turns *= hone_loop_extent(p, l) < 1 << 20 ? hone_loop_extent(p, l) : 1 << 20;
        work += turns;
        if (work >= INT64_C(1) << 40)
            return INT64_C(1) << 40;
    }
    return work;
}

/* Elementary functions are computed by the interpreter and by machine code in different ways. */
static double tolerance_of(const hone_program *p)
{
    bool inexact = false, narrow = false;
    for (uint32_t k = 1; k < p->exprs.n; k++) {
        hone_op op = (hone_op)p->exprs.v[k].op;
        inexact |= op == HONE_OP_EXP || op == HONE_OP_LOG || op == HONE_OP_TANH ||
                   op == HONE_OP_SIGMOID || op == HONE_OP_ERF || op == HONE_OP_POW ||
                   op == HONE_OP_SQRT || op >= HONE_OP_SIN;
    }
    for (uint32_t k = 1; k < p->buffers.n; k++)
        narrow |= p->buffers.v[k].dtype == HONE_F16 || p->buffers.v[k].dtype == HONE_BF16;
    return !inexact ? 0 : narrow ? 5e-2 : 1e-4;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Program text reads back to the same text and hash. */
static bool text_holds(pair *p, const hone_program *q)
{
    hone_buf once = {0}, twice = {0};
    hone_program back;
    hone_error err = {0};
    bool good = true;
    hone_program_print(q, &once);
    if (hone_program_parse(once.s, once.n, &back, &err) != HONE_OK) {
        good = pair_fail(p, "program text", "%s\n%s", err.message, once.s);
    } else {
        hone_program_print(&back, &twice);
        if (strcmp(once.s, twice.s) || hone_program_hash(q) != hone_program_hash(&back))
            good = pair_fail(p, "program text", "printed, read and printed it differs:\n%s\n%s",
                             once.s, twice.s);
        hone_program_fini(&back);
    }
    hone_buf_free(&once);
    hone_buf_free(&twice);
    return good;
}

bool pair_open(pair *p, const pair_env *env, const char *workload, uint64_t seed, pair_report *r)
{
    hone_error err = {0};
    *p = (pair){.env = env, .r = r};
    r->kind[0] = r->detail[0] = r->trace[0] = '\0';
    snprintf(r->workload, sizeof r->workload, "%s", workload);
    hone_rng_seed(&p->rng, seed);
    if (hone_workload_parse("pair", workload, strlen(workload), NULL, NULL, 0, &p->base, &err) !=
        HONE_OK) {
        p->base = (hone_program){0};
        snprintf(r->detail, sizeof r->detail, "%s", err.message);
        return false;
    }
    if (hone_program_n_args(&p->base) > PAIR_MAX_ARGS || pair_work(&p->base) > WORK_MOST) {
        snprintf(r->detail, sizeof r->detail, "too big");
        return false;
    }
    p->tolerance = tolerance_of(&p->base);
    pair_args_new(&p->want, &p->base);
    pair_args_new(&p->got, &p->base);
    pair_args_fill(&p->want, &p->base, 1);
    hone_sched_start(&p->s, &p->base, &p->rng);
    if (hone_interp_run(&p->base, p->want.at, &err) != HONE_OK)
        return pair_fail(p, "workload", "%s", err.message);
    return text_holds(p, &p->base);
}

void pair_close(pair *p)
{
    pair_args_free(&p->want);
    pair_args_free(&p->got);
    hone_trace_free(&p->pool);
    hone_sched_fini(&p->s);
    hone_program_fini(&p->base);
}

/* ---- applying -------------------------------------------------------------------------------- */

static bool means_the_same(pair *p, const char *after)
{
    hone_error err = {0};
    if (hone_verify(&p->s.prog, &err) != HONE_OK)
        return pair_fail(p, "verify", "after %s: %s", after, err.message);
    pair_args_place(&p->got, true);
    pair_args_fill(&p->got, &p->base, 1);
    if (hone_interp_run(&p->s.prog, p->got.at, &err) != HONE_OK)
        return pair_fail(p, "interp", "after %s: %s", after, err.message);
    const char *diff = pair_args_differ(&p->base, &p->want, &p->got, p->tolerance);
    return diff ? pair_fail(p, "meaning", "after %s: %s", after, diff) : true;
}

static hone_value adopt(hone_trace *t, const hone_trace *from, hone_value v)
{
    if (v.kind == HONE_VALUE_TEXT) {
        uint32_t first = t->chars.n;
        for (uint32_t k = 0; k <= v.n; k++)
            hone_vec_push(&t->chars, from->chars.v[v.first + k]);
        v.first = first;
    } else if (v.kind == HONE_VALUE_LIST) {
        uint32_t first = t->values.n;
        for (uint32_t k = 0; k < v.n; k++)
            hone_vec_push(&t->values, (hone_value){0});
        for (uint32_t k = 0; k < v.n; k++) {
            hone_value x = adopt(t, from, from->values.v[v.first + k]);
            t->values.v[first + k] = x;
        }
        v.first = first;
    }
    return v;
}

/* The trace with the instruction that is about to run, in case that ends the process. */
static void keep_pending(pair *p, hone_inst_kind kind, const hone_value *inputs, uint32_t n_inputs,
                         const hone_value *attrs, uint32_t n_attrs, const int64_t *decision,
                         uint32_t n_decision)
{
    hone_trace t = {0};
    hone_trace_copy(&t, &p->s.trace);
    uint32_t first = t.values.n;
    for (uint32_t k = 0; k < n_inputs + n_attrs; k++)
        hone_vec_push(&t.values, (hone_value){0});
    for (uint32_t k = 0; k < n_inputs + n_attrs; k++) {
        hone_value v = adopt(&t, &p->pool, k < n_inputs ? inputs[k] : attrs[k - n_inputs]);
        t.values.v[first + k] = v;
    }
    hone_inst in = {.kind = kind,
                    .inputs = first,
                    .n_inputs = n_inputs,
                    .attrs = first + n_inputs,
                    .n_attrs = n_attrs,
                    .outputs = t.n_rvs + 1,
                    .decision = t.ints.n,
                    .n_decision = n_decision};
    for (uint32_t k = 0; k < n_decision; k++)
        hone_vec_push(&t.ints, decision[k]);
    /* as many outputs as the reader asks for */
    static const char *const outputs[] = {
#define HONE_INST(Name, in, attrs, out, decision) [HONE_INST_##Name] = out,
#include "space/trace/inst.def"
#undef HONE_INST
    };
    const char *letters = outputs[kind];
    in.n_outputs = letters[0] && letters[1] == '*' ? 0 : (uint32_t)strlen(letters);
    t.n_rvs += in.n_outputs;
    hone_vec_push(&t.insts, in);
    keep_trace(p, &t);
    hone_trace_free(&t);
}

bool pair_apply(pair *p, hone_inst_kind kind, const hone_value *inputs, uint32_t n_inputs,
                const hone_value *attrs, uint32_t n_attrs, const int64_t *decision,
                uint32_t n_decision, hone_rv *ret_first, uint32_t *ret_n, hone_status *ret_st)
{
    hone_error err = {0};
    uint64_t program = hone_program_hash(&p->s.prog), trace = hone_trace_hash(&p->s.trace);
    uint32_t n_rvs = p->s.trace.n_rvs;
    keep_pending(p, kind, inputs, n_inputs, attrs, n_attrs, decision, n_decision);
    p->steps++;
    hone_status st = hone_sched_apply(&p->s, kind, &p->pool, inputs, n_inputs, attrs, n_attrs,
                                      decision, n_decision, ret_first, ret_n, &err);
    *ret_st = st;
    const char *name = hone_inst_name(kind);
    if (st != HONE_OK) {
        if (!hone_status_is_reject(st) && st != HONE_E_INPUT)
            return pair_fail(p, "status", "%s gave %s", name, hone_status_name(st));
        (st == HONE_E_INPUT ? p->r->stats.malformed : p->r->stats.rejected)[kind]++;
        if (!err.message[0] || err.status != st)
            return pair_fail(p, "message", "%s gave %s and says '%s'", name, hone_status_name(st),
                             err.message);
        if (program != hone_program_hash(&p->s.prog) || trace != hone_trace_hash(&p->s.trace) ||
            n_rvs != p->s.trace.n_rvs)
            return pair_fail(p, "rejected", "%s was rejected (%s) and left something changed", name,
                             err.message);
        return true;
    }
    p->r->stats.applied[kind]++;
    if (p->s.prog.overflow || program == hone_program_hash(&p->s.prog))
        return true;
    if (!p->env->each || pair_work(&p->s.prog) > WORK_EACH)
        return true;
    return means_the_same(p, name);
}

/* ---- replaying ------------------------------------------------------------------------------- */

static bool map_value(hone_trace *pool, const hone_trace *t, const uint32_t *to, hone_value v,
                      hone_value *ret)
{
    if (v.kind == HONE_VALUE_RV) {
        v.u.rv.i = to[v.u.rv.i];
        *ret = v;
        return v.u.rv.i != 0;
    }
    if (v.kind == HONE_VALUE_LIST) {
        uint32_t first = pool->values.n;
        for (uint32_t k = 0; k < v.n; k++)
            hone_vec_push(&pool->values, (hone_value){0});
        for (uint32_t k = 0; k < v.n; k++) {
            hone_value x;
            if (!map_value(pool, t, to, t->values.v[v.first + k], &x))
                return false;
            pool->values.v[first + k] = x;
        }
        v.first = first;
        *ret = v;
        return true;
    }
    *ret = adopt(pool, t, v);
    return true;
}

bool pair_replay(pair *p, const hone_trace *t, const bool *drop)
{
    uint32_t *to = hone_xcalloc(t->n_rvs + 1, sizeof *to);
    bool good = true;
    for (uint32_t k = 0; good && k < t->insts.n; k++) {
        const hone_inst *in = &t->insts.v[k];
        hone_value v[2 * 128];
        uint32_t n = in->n_inputs + in->n_attrs, n_out = 0;
        bool whole = !(drop && drop[k]) && n <= HONE_LEN(v);
        hone_trace_reset(&p->pool);
        for (uint32_t q = 0; whole && q < n; q++)
            whole = map_value(
                &p->pool, t, to,
                t->values.v[q < in->n_inputs ? in->inputs + q : in->attrs + q - in->n_inputs],
                &v[q]);
        if (!whole)
            continue;
        hone_rv first;
        hone_status st;
        const hone_value *attrs = v + in->n_inputs;
        good = pair_apply(p, in->kind, v, in->n_inputs, attrs, in->n_attrs,
                          in->n_decision ? &t->ints.v[in->decision] : NULL, in->n_decision, &first,
                          &n_out, &st);
        /* a decision that another extent no longer allows is taken anew */
        if (good && st == HONE_REJECT_DECISION)
            good = pair_apply(p, in->kind, v, in->n_inputs, attrs, in->n_attrs, NULL, 0, &first,
                              &n_out, &st);
        for (uint32_t q = 0; st == HONE_OK && q < n_out && q < in->n_outputs; q++)
            to[in->outputs + q] = first.i + q;
    }
    free(to);
    return good;
}

/* ---- finishing ------------------------------------------------------------------------------- */

static bool trace_holds(pair *p)
{
    hone_trace back = {0};
    hone_sched again = {0};
    hone_error err = {0};
    char *once = hone_trace_text(&p->s.trace), *twice = NULL;
    bool good = true;
    if (hone_trace_parse(once, strlen(once), &back, &err) != HONE_OK)
        good = pair_fail(p, "trace text", "%s", err.message);
    if (good) {
        twice = hone_trace_text(&back);
        if (strcmp(once, twice) || hone_trace_hash(&back) != hone_trace_hash(&p->s.trace))
            good = pair_fail(p, "trace text", "printed, read and printed it is\n%s", twice);
    }
    if (good) {
        hone_status st = hone_trace_replay(&back, &p->base, &again, NULL, false, &err);
        if (st != HONE_OK)
            good = pair_fail(p, "replay", "%s: %s", hone_status_name(st), err.message);
        else if (hone_program_hash(&again.prog) != hone_program_hash(&p->s.prog))
            good = pair_fail(p, "replay", "gives another program");
        else if (hone_trace_hash(&again.trace) != hone_trace_hash(&p->s.trace))
            good = pair_fail(p, "replay", "gives another trace");
    }
    hone_sched_fini(&again);
    hone_trace_free(&back);
    free(once);
    free(twice);
    return good;
}

/* The pool has threads, so each process makes its own. */
static const hone_rt_api *two_threads(void)
{
    static hone_rt_pool *pool;
    static pid_t owner;
    if (!pool || owner != getpid()) {
        pool = hone_rt_pool_new(2, 0);
        owner = getpid();
        HONE_ASSERT(pool);
    }
    return hone_rt_pool_api(pool);
}

static bool machine_code_agrees(pair *p, bool plain)
{
    hone_error err = {0};
    pair_code c;
    const char *how = plain ? "plain code" : "code";
    hone_status st = pair_code_new(
        p->env->codegen, &p->s.prog,
        &(hone_codegen_options){.emit = HONE_EMIT_OBJECT, .threads = 2, .plain = plain}, &c, &err);
    if (st == HONE_REJECT_TOO_BIG || st == HONE_REJECT_BUILD) {
        p->r->stats.unbuilt++;
        return true;
    }
    if (st != HONE_OK)
        return pair_fail(p, "build", "%s: %s", hone_status_name(st), err.message);
    bool good = true;
    for (unsigned run = 0; good && run < 2; run++) {
        pair_args_place(&p->got, run == 0);
        pair_args_fill(&p->got, &p->base, 1);
        int32_t result = pair_code_run(&c, &p->got, two_threads());
        const char *diff = pair_args_differ(&p->base, &p->want, &p->got, p->tolerance);
        if (result)
            good = pair_fail(p, how, "run %u returned %d", run, result);
        else if (diff)
            good = pair_fail(p, how, "run %u: %s", run, diff);
    }
    pair_code_free(&c);
    p->r->stats.compiled++;
    return good;
}

/* Nothing outside of its memory, no two iterations of a parallel loop at the same byte. */
static bool accesses_hold(pair *p)
{
    hone_error err = {0};
    pair_code c;
    hone_status st = pair_code_new_watched(p->env->codegen, &p->env->target, &p->s.prog,
                                           &(hone_codegen_options){.threads = 2}, &c, &err);
    if (st == HONE_REJECT_TOO_BIG || st == HONE_REJECT_BUILD)
        return true;
    if (st != HONE_OK)
        return pair_fail(p, "watched build", "%s: %s", hone_status_name(st), err.message);
    bool good = true;
    for (unsigned run = 0; good && run < 2; run++) {
        int32_t result;
        pair_args_place(&p->got, run == 0);
        pair_args_fill(&p->got, &p->base, 1);
        const char *touched = pair_code_watch(&c, &p->base, &p->got, run == 1, &result);
        const char *diff = pair_args_differ(&p->base, &p->want, &p->got, p->tolerance);
        const char *way = run ? "backwards" : "in order";
        if (touched)
            good = pair_fail(p, "access", "%s", touched);
        else if (result)
            good = pair_fail(p, "watched code", "%s returned %d", way, result);
        else if (diff)
            good = pair_fail(p, "watched code", "%s: %s", way, diff);
    }
    pair_code_free(&c);
    p->r->stats.watched++;
    return good;
}

/* What came after Tensorize changed what the intrinsic does: the trace as a whole is refused. */
static bool is_spoiled(pair *p, bool *ret_good)
{
    hone_sched again = {0};
    if (hone_prim__check_intrins(&p->s.prog, hone_intrin_shipped(), NULL) == HONE_OK)
        return false;
    hone_status st = hone_trace_replay(&p->s.trace, &p->base, &again, NULL, false, NULL);
    *ret_good = st == HONE_REJECT_TENSORIZE || pair_fail(p, "replay", "%s", hone_status_name(st));
    hone_sched_fini(&again);
    p->r->stats.spoiled++;
    return true;
}

bool pair_finish(pair *p)
{
    bool good;
    keep_trace(p, &p->s.trace);
    if (p->s.prog.overflow || pair_work(&p->s.prog) > WORK_MOST) {
        p->r->stats.too_long++;
        return true;
    }
    if (is_spoiled(p, &good))
        return good;
    if (!means_the_same(p, "everything") || !text_holds(p, &p->s.prog) || !trace_holds(p))
        return false;
    if (p->env->codegen && (!machine_code_agrees(p, false) || !accesses_hold(p) ||
                            (p->env->plain && !machine_code_agrees(p, true))))
        return false;
    p->r->stats.agreed++;
    return true;
}

/* ---- running --------------------------------------------------------------------------------- */

#define CANDIDATES 3 /* of one design space */

static bool run_space(pair *p)
{
    hone_space *sp = NULL;
    hone_error err = {0};
    hone_space_options o = {.target = &p->env->target,
                            .threads = (int32_t)hone_rng_below(&p->rng, 3) + 1};
    bool good = true;
    hone_status st = hone_space_new(&p->base, &o, &sp, &err);
    if (st != HONE_OK)
        return pair_fail(p, "space", "%s: %s", hone_status_name(st), err.message);
    p->r->stats.spaces++;
    hone_trace t = {0};
    for (unsigned k = 0, done = 0; good && done < CANDIDATES && k < 4 * CANDIDATES; k++) {
        if (sp->seeds.n && k % 4 == 1) {
            hone_trace_copy(&t, &sp->seeds.v[hone_rng_below(&p->rng, sp->seeds.n)]);
            st = hone_space_finish(sp, &t, &p->s, &err);
        } else if (t.insts.n && k % 4 != 0 && hone_space_mutate(sp, &t, &p->rng)) {
            keep_trace(p, &t);
            st = hone_space_finish(sp, &t, &p->s, &err);
        } else {
            st = hone_space_sample(sp, &p->rng, &p->s, &err);
        }
        if (hone_status_is_reject(st))
            continue;
        if (st != HONE_OK) {
            good = pair_fail(p, "space", "%s: %s", hone_status_name(st), err.message);
            break;
        }
        hone_trace_copy(&t, &p->s.trace);
        p->r->stats.candidates++;
        p->s.rng = &p->rng;
        good = pair_finish(p);
        done++;
    }
    hone_trace_free(&t);
    hone_space_free(sp);
    return good;
}

static bool lead_up(pair *p, const char *trace)
{
    hone_trace t = {0};
    hone_error err = {0};
    bool good = hone_trace_parse(trace, strlen(trace), &t, &err) == HONE_OK
                    ? pair_replay(p, &t, NULL)
                    : pair_fail(p, "setting", "%s", err.message);
    hone_trace_free(&t);
    return good;
}

/* Begins pair `seed`; *ret_trace is what leads up to it. False: it has ended, see r. */
static bool start(pair *p, pair_env *mine, uint64_t seed, bool space, hone_inst_kind focus,
                  pair_report *r, const char **ret_trace)
{
    hone_rng rng;
    hone_rng_seed(&rng, seed);
    *ret_trace = "[[],[]]";
    char *text = space ? NULL : pair_setting(&rng, focus, ret_trace);
    if (!text) {
        text = pair_workload(&rng);
        if (seed % 16 == 5)
            pair_workload_rename(&text, seed);
    }
    mine->plain |= seed % 8 == 0;
    if (seed % 4 == 3 && mine->lesser[seed / 4 % PAIR_LESSER].name)
        pair_env_use(mine, mine->lesser[seed / 4 % PAIR_LESSER].name);
    snprintf(r->on, sizeof r->on, "%s", mine->on ? mine->on : "");
    r->seed = seed;
    r->stats.pairs++;
    bool good = pair_open(p, mine, text, hone_rng_u64(&rng), r);
    r->stats.bad_workloads += !good && !r->kind[0];
    free(text);
    return good;
}

bool pair_start(const pair_env *env, uint64_t seed, bool space, hone_inst_kind focus,
                pair_report *r)
{
    pair_env mine = *env;
    const char *trace;
    pair p;
    bool good = start(&p, &mine, seed, space, focus, r, &trace);
    pair_close(&p);
    return good;
}

bool pair_run(const pair_env *env, uint64_t seed, bool space, hone_inst_kind focus, pair_report *r)
{
    pair_env mine = *env;
    const char *trace;
    pair p;
    bool good = start(&p, &mine, seed, space, focus, r, &trace);
    if (good && space)
        good = run_space(&p);
    else if (good)
        good = lead_up(&p, trace) &&
               pair_generate(&p, 4 + (unsigned)hone_rng_below(&p.rng, 16), focus) &&
               pair_finish(&p);
    pair_close(&p);
    return good;
}
