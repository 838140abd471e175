/* Space generation: which rule treats which block, in which variants, and the first candidates. */
#include "space/rule.h"

#define MAX_BLOCKS 64

typedef enum treatment { CONTRACT, REDUCE, ELEMENTWISE, LEAVE } treatment;

typedef struct stage {
    char name[256];
    treatment how;
    unsigned variants;
} stage;

static treatment treatment_of(hone_program *p, hone_stmt b)
{
    const hone_stmt_row *r = hone_stmt_at(p, b);
    if (r->n_iters == 0)
        return LEAVE;
    if (hone_rule_is_contraction(p, b))
        return CONTRACT;
    return r->init.i ? REDUCE : ELEMENTWISE;
}

static unsigned stages_of(hone_program *p, const hone_rule_ctx *ctx, stage *ret)
{
    unsigned n = 0;
    for (hone_stmt b = p->root; b.i && n < MAX_BLOCKS; b = hone_next(p, p->root, b)) {
        if (!hone_is_block(p, b) || !hone_stmt_at(p, b)->out.i)
            continue;
        stage *st = &ret[n++];
        snprintf(st->name, sizeof st->name, "%s", hone_sym_text(p, hone_stmt_at(p, b)->name));
        st->how = treatment_of(p, b);
        st->variants = st->how == CONTRACT ? hone_rule_contract_variants(p, b, ctx) : 1;
    }
    return n;
}

/* Still in the nest the workload gave it: an earlier rule has not moved it. */
static bool untouched(const hone_program *p, hone_stmt b)
{
    for (hone_stmt l = hone_stmt_at(p, b)->parent; hone_is_loop(p, l);
         l = hone_stmt_at(p, l)->parent)
        if (hone_stmt_at(p, l)->loop_kind != HONE_SERIAL ||
            !HONE_SAME(hone_stmt_at(p, l)->first, hone_stmt_at(p, l)->last))
            return false;
    return true;
}

static hone_status apply_rules(hone_sched *s, const stage *stages, unsigned n,
                               const hone_rule_ctx *ctx, hone_error *err)
{
    static const treatment order[] = {CONTRACT, REDUCE, ELEMENTWISE};
    for (unsigned o = 0; o < HONE_LEN(order); o++)
        for (unsigned k = n; k-- > 0;) { /* last stage first */
            hone_stmt b = hone_block_find(&s->prog, stages[k].name);
            if (stages[k].how != order[o] || !b.i || !untouched(&s->prog, b))
                continue;
            hone_rule_ctx c = *ctx;
            c.variant = stages[k].variants ? ctx->variant % stages[k].variants : 0;
            switch (order[o]) {
            case CONTRACT:
                HONE_TRY(hone_rule_contract(s, stages[k].name, &c, err));
                break;
            case REDUCE:
                HONE_TRY(hone_rule_reduce(s, stages[k].name, &c, err));
                break;
            default:
                HONE_TRY(hone_rule_elementwise(s, stages[k].name, &c, err));
            }
        }
    return HONE_OK;
}

/* Register tiles that fill 32 or 16 vector registers, with cache blocks from the target's caches.
 */
static unsigned policies_of(const hone_target *t, hone_policy *ret)
{
    static const int64_t wide[][3] = {{14, 2, 1}, {12, 2, 2}, {8, 3, 1}, {6, 4, 1},
                                      {8, 2, 4},  {10, 2, 2}, {4, 4, 2}, {14, 2, 2}};
    static const int64_t narrow[][3] = {{6, 2, 1}, {4, 3, 1}, {4, 2, 4}, {5, 2, 2}, {12, 1, 1}};
    static const int64_t depth[] = {512, 256, 384, 256, 512, 320, 512, 192};
    bool is_wide = t->vector_registers >= 32;
    unsigned n = is_wide ? HONE_LEN(wide) : HONE_LEN(narrow);
    for (unsigned k = 0; k < n; k++) {
        const int64_t *w = is_wide ? wide[k] : narrow[k];
        int64_t kc = depth[k];
        ret[k] = (hone_policy){.rows = w[0], .vectors = w[1], .k_unroll = w[2], .kc = kc};
        ret[k].mc = t->l2_bytes / 4 / (kc * 4);
        ret[k].nc = k % 2 ? t->l2_bytes / 2 / (kc * 4) : 0;
    }
    return n;
}

hone_status hone_space_new(const hone_program *base, const hone_space_options *o, hone_space **ret,
                           hone_error *err)
{
    hone_space *sp = hone_xcalloc(1, sizeof *sp);
    hone_program_copy(&sp->base, base);
    sp->target = *o->target;
    sp->threads = o->threads;

    hone_rng rng;
    hone_rng_seed(&rng, 1);
    hone_rule_ctx ctx = {.target = o->target, .threads = o->threads};
    hone_policy policies[16];
    unsigned n_policies = policies_of(o->target, policies);
    stage stages[MAX_BLOCKS];
    hone_sched s = {0};
    hone_error why = {0};
    hone_sched_start(&s, base, &rng);
    hone_status st = hone_rule_auto_inline(&s, &why);
    unsigned n = 0, variants = 1;
    if (st == HONE_OK) {
        n = stages_of(&s.prog, &ctx, stages);
        for (unsigned k = 0; k < n; k++)
            variants = stages[k].variants > variants ? stages[k].variants : variants;
    }
    for (ctx.variant = 0; st == HONE_OK && ctx.variant < variants; ctx.variant++) {
        bool first = true;
        for (unsigned q = 0; q < n_policies; q++) {
            ctx.policy = policies[q];
            hone_sched_start(&s, base, &rng);
            hone_status v = hone_rule_auto_inline(&s, &why);
            if (v == HONE_OK)
                v = apply_rules(&s, stages, n, &ctx, &why);
            if (v != HONE_OK) {
                hone_log(HONE_LOG_DEBUG, "space: variant %u, policy %u: %s (%s)", ctx.variant, q,
                         why.message, hone_status_name(v));
                if (!hone_status_is_reject(v))
                    st = v;
                continue;
            }
            hone_trace t = {0};
            hone_trace_copy(&t, &s.trace);
            hone_vec_push(&sp->seeds, t);
            if (first) {
                hone_trace u = {0};
                hone_trace_copy(&u, &s.trace);
                hone_vec_push(&sp->traces, u);
            }
            first = false;
        }
    }
    if (st == HONE_OK && sp->traces.n == 0) { /* no rule applies: the program as written */
        hone_trace t = {0};
        hone_vec_push(&sp->traces, t);
    }
    hone_sched_fini(&s);
    if (st != HONE_OK) {
        if (err)
            *err = why;
        hone_space_free(sp);
        return st;
    }
    *ret = sp;
    return HONE_OK;
}

void hone_space_free(hone_space *sp)
{
    if (!sp)
        return;
    for (uint32_t k = 0; k < sp->traces.n; k++)
        hone_trace_free(&sp->traces.v[k]);
    for (uint32_t k = 0; k < sp->seeds.n; k++)
        hone_trace_free(&sp->seeds.v[k]);
    hone_vec_free(&sp->traces);
    hone_vec_free(&sp->seeds);
    hone_program_fini(&sp->base);
    free(sp);
}

hone_status hone_space_sample(const hone_space *sp, hone_rng *rng, hone_sched *s, hone_error *err)
{
    const hone_trace *t = &sp->traces.v[hone_rng_below(rng, sp->traces.n)];
    HONE_TRY(hone_trace_replay(t, &sp->base, s, rng, true, err));
    return hone_postproc_apply(s, &sp->target, sp->threads, err);
}

hone_status hone_space_finish(const hone_space *sp, const hone_trace *t, hone_sched *s,
                              hone_error *err)
{
    hone_trace search = *t; /* a shorter view of the same rows */
    search.insts.n = hone_trace_search_part(t);
    HONE_TRY(hone_trace_replay(&search, &sp->base, s, NULL, false, err));
    return hone_postproc_apply(s, &sp->target, sp->threads, err);
}
