/* Space generation: which rule treats which block, in which variants, and the first candidates. */
#include "space/rule/rule.h"
#include "targets/preset.h"

#define MAX_RULES 16
#define MAX_WAYS 4 /* rules that share a stage */

typedef struct way {
    const hone_rule__row *rule;
    unsigned variants;
} way;

typedef struct stage {
    char name[256];
    hone_rule__kind kind; /* for custom rules */
    way ways[MAX_WAYS];   /* their variants are numbered one after the other */
    unsigned n_ways;
    const hone_rule__row *turn; /* when its turn comes: that of the last way; NULL: never */
    bool no_chain;              /* a rule for chains failed on it */
    bool done;                  /* in the candidate at hand: by a custom rule */
} stage;

typedef HONE_VEC(stage) stages;

/* The custom rules at work in one design space: those that replace the built-in ones, and one of
 * the others or none. */
typedef struct custom {
    const hone_custom_rules *rules;
    int chosen;  /* -1: none */
    bool warned; /* a rule somebody wrote should not vanish without a word, nor with many */
} custom;

/* The rules of the target's preset. */
typedef struct ruleset {
    const hone_rule__row *v[MAX_RULES];
    unsigned n;
} ruleset;

static ruleset rules_of(const hone_target *t)
{
    ruleset ret = {0};
    for (const char *const *name = hone_preset_of(t)->rules; *name; name++) {
        HONE_ASSERT(ret.n < MAX_RULES);
        ret.v[ret.n] = hone_rule__find(*name);
        HONE_ASSERT(ret.v[ret.n]);
        ret.n++;
    }
    return ret;
}

static void find_ways(hone_program *p, hone_stmt b, const ruleset *rules, const hone_rule__ctx *ctx,
                      stage *st)
{
    for (unsigned k = 0; k < rules->n && st->n_ways < MAX_WAYS; k++) {
        const hone_rule__row *r = rules->v[k];
        unsigned n = r->variants ? r->variants(p, b, ctx) : 0;
        if (n == 0)
            continue;
        st->ways[st->n_ways++] = (way){r, n};
        st->turn = r;
        if (!r->leaves_others)
            return;
    }
}

static unsigned variants_of(const stage *st)
{
    unsigned n = 0;
    for (unsigned k = 0; k < st->n_ways; k++)
        n += st->ways[k].variants;
    return n;
}

static hone_rule__kind kind_of(hone_program *p, hone_stmt b)
{
    return hone_rule__is_contraction(p, b) ? HONE_RULE__CONTRACTION
           : hone_stmt_at(p, b)->init.i    ? HONE_RULE__REDUCTION
                                           : HONE_RULE__ELEMENTWISE;
}

static hone_status find_stages(hone_sched *s, const ruleset *rules, const hone_rule__ctx *ctx,
                               stages *ret, hone_error *err)
{
    hone_program *p = &s->prog;
    for (hone_stmt b = p->root; b.i; b = hone_next(p, p->root, b)) {
        if (!hone_is_block(p, b) || !hone_stmt_at(p, b)->out.i)
            continue;
        if (hone_space__stopped(s))
            return hone_fail(err, HONE_E_INTERRUPTED, "interrupted while looking at the stages");
        stage st = {.kind = HONE_RULE__ANY};
        snprintf(st.name, sizeof st.name, "%s", hone_sym_text(p, hone_stmt_at(p, b)->name));
        if (hone_stmt_at(p, b)->n_iters > 0 && !hone_rule__is_ahead(p, b)) {
            st.kind = kind_of(p, b);
            find_ways(p, b, rules, ctx, &st);
        }
        hone_vec_push(ret, st);
    }
    return HONE_OK;
}

bool hone_rule__untouched(const hone_program *p, hone_stmt b)
{
    for (hone_stmt l = hone_stmt_at(p, b)->parent; hone_is_loop(p, l);
         l = hone_stmt_at(p, l)->parent)
        if (hone_stmt_at(p, l)->loop_kind != HONE_SERIAL ||
            !HONE_SAME(hone_stmt_at(p, l)->first, hone_stmt_at(p, l)->last))
            return false;
    return true;
}

static bool takes(const hone_rule__custom *r, hone_program *p, const stage *st)
{
    hone_stmt b = hone_block_find(p, st->name);
    return b.i && hone_rule__custom_takes(r, p, b, st->kind);
}

static hone_status say_which(const hone_rule__custom *r, const char *block, hone_status st,
                             custom *cu, hone_error *err)
{
    if (st == HONE_OK)
        return st;
    hone_error why = *err;
    st = hone_fail(err, st, "rule '%s' on block '%s': %.300s", r->name, block, why.message);
    if (hone_status_is_reject(st) && !cu->warned)
        hone_log(HONE_LOG_WARN, "%s", err->message);
    cu->warned = true;
    return st;
}

static hone_status apply_custom(hone_sched *s, stages *all, custom *cu, const hone_rule__ctx *ctx,
                                hone_error *err)
{
    for (unsigned k = 0; k < hone_custom_rules_count(cu->rules); k++) {
        const hone_rule__custom *r = hone_rule__custom_at(cu->rules, k);
        if (!r->only && (int)k != cu->chosen)
            continue;
        for (uint32_t q = all->n; q-- > 0;) {
            stage *one = &all->v[q];
            if (!one->done && takes(r, &s->prog, one) &&
                hone_rule__untouched(&s->prog, hone_block_find(&s->prog, one->name))) {
                one->done = true;
                hone_status st = hone_rule__custom_apply(r, s, one->name, ctx, err);
                HONE_TRY(say_which(r, one->name, st, cu, err));
            }
        }
    }
    return HONE_OK;
}

static hone_status apply_to_chains(const hone_rule__row *r, hone_sched *s, const stages *all,
                                   const hone_rule__ctx *ctx, char **ret_failed, hone_error *err)
{
    bool *skip = hone_xcalloc(HONE_MAX_STMTS + 1, sizeof *skip);
    for (uint32_t k = 0; k < all->n; k++) {
        hone_stmt b = hone_block_find(&s->prog, all->v[k].name);
        skip[b.i] = all->v[k].done || all->v[k].no_chain;
    }
    hone_status st = r->chains(s, skip, ctx, ret_failed, err);
    free(skip);
    return st;
}

/* The way of the stage that this variant is, and which variant of it. */
static hone_status apply_to_stage(const stage *st, hone_sched *s, const hone_rule__ctx *ctx,
                                  hone_error *err)
{
    hone_rule__ctx c = *ctx;
    const way *w = st->ways;
    c.variant %= variants_of(st);
    for (; c.variant >= w->variants; w++)
        c.variant -= w->variants;
    return w->rule->apply(s, st->name, &c, err);
}

static hone_status apply_rules(hone_sched *s, const ruleset *rules, stages *all, custom *cu,
                               const hone_rule__ctx *ctx, char **ret_failed, hone_error *err)
{
    for (uint32_t k = 0; k < all->n; k++)
        all->v[k].done = false;
    for (unsigned o = 0; o < rules->n; o++) {
        const hone_rule__row *r = rules->v[o];
        if (r->is_custom)
            HONE_TRY(apply_custom(s, all, cu, ctx, err));
        if (r->chains)
            HONE_TRY(apply_to_chains(r, s, all, ctx, ret_failed, err));
        for (uint32_t k = all->n; k-- > 0;) { /* last stage first */
            const stage *one = &all->v[k];
            hone_stmt b = hone_block_find(&s->prog, one->name);
            if (one->turn == r && !one->done && b.i && hone_rule__untouched(&s->prog, b))
                HONE_TRY(apply_to_stage(one, s, ctx, err));
        }
    }
    return HONE_OK;
}

/* The preset's register tiles, with cache blocks from the target's caches. */
static unsigned policies_of(const hone_target *t, hone_rule__policy *ret, unsigned max)
{
    const hone_preset_tile *tile = hone_preset_of(t)->tiles;
    unsigned n = 0;
    while (tile->registers > t->vector_registers)
        tile++;
    for (int32_t registers = tile->registers; tile->rows && tile->registers == registers; tile++) {
        HONE_ASSERT(n < max);
        int64_t kc = tile->depth;
        ret[n] = (hone_rule__policy){
            .rows = tile->rows, .vectors = tile->vectors, .k_unroll = tile->k_unroll, .kc = kc};
        ret[n].mc = t->l2_bytes / 4 / (kc * 4);
        ret[n].nc = n % 2 ? t->l2_bytes / 2 / (kc * 4) : 0;
        n++;
    }
    return n;
}

/* Design spaces under construction. */
typedef struct maker {
    hone_space *sp;
    hone_rng rng;
    hone_sched s;
    ruleset rules;
    stages all;
    hone_rule__ctx ctx;
    hone_rule__policy policies[16];
    unsigned n_policies;
    uint64_t kept[16]; /* hashes of the seeds of the design space at hand */
    unsigned n_kept;
} maker;

static void keep(maker *m, bool first)
{
    uint64_t hash = hone_trace_hash(&m->s.trace);
    m->n_kept = first ? 0 : m->n_kept;
    for (unsigned k = 0; k < m->n_kept; k++)
        if (m->kept[k] == hash)
            return; /* the policy has no say here */
    m->kept[m->n_kept++] = hash;
    hone_trace t = {0};
    hone_trace_copy(&t, &m->s.trace);
    hone_vec_push(&m->sp->seeds, t);
    if (first) {
        hone_trace u = {0};
        hone_trace_copy(&u, &m->s.trace);
        hone_vec_push(&m->sp->traces, u);
    }
}

/* What comes before the rules that look at single stages. */
static hone_status prepare(hone_sched *s, const ruleset *rules, hone_error *err)
{
    for (unsigned k = 0; k < rules->n; k++)
        if (rules->v[k]->prepare)
            HONE_TRY(rules->v[k]->prepare(s, err));
    return HONE_OK;
}

/* A rule for chains leaves the stage to the rules for single stages. */
static bool leave_to_others(maker *m, const char *name)
{
    for (uint32_t k = 0; k < m->all.n; k++)
        if (!m->all.v[k].no_chain && strcmp(m->all.v[k].name, name) == 0)
            return m->all.v[k].no_chain = true;
    return false;
}

/* One candidate. With `insist` what a rule for chains cannot do is left to other rules. */
static hone_status build(maker *m, custom *cu, bool insist, hone_error *err)
{
    for (;;) {
        char *failed = NULL;
        hone_sched_start(&m->s, &m->sp->base, &m->rng);
        hone_status st = prepare(&m->s, &m->rules, err);
        if (st == HONE_OK)
            st = apply_rules(&m->s, &m->rules, &m->all, cu, &m->ctx, &failed, err);
        bool again = insist && failed && hone_status_is_reject(st) && leave_to_others(m, failed);
        free(failed);
        if (!again)
            return st;
    }
}

/* Variants of rules that leave a stage to others come to the same. */
static bool is_known(const maker *m)
{
    uint64_t hash = hone_trace_hash(&m->s.trace);
    bool known = false;
    for (uint32_t k = 0; k < m->sp->traces.n; k++)
        known |= hone_trace_hash(&m->sp->traces.v[k]) == hash;
    return known;
}

/* One design space: its first candidate by each policy. A rejection leaves the candidate out. */
static hone_status design(maker *m, unsigned variant, custom *cu, bool insist, bool *ret_any,
                          hone_error *err)
{
    bool first = true;
    m->ctx.variant = variant;
    *ret_any = false;
    for (unsigned q = 0; q < m->n_policies; q++) {
        m->ctx.policy = m->policies[q];
        hone_status st = build(m, cu, insist, err);
        for (uint32_t k = 0; k < m->all.n; k++)
            m->all.v[k].no_chain = false;
        if (st == HONE_OK) {
            *ret_any = true;
            if (first && is_known(m))
                return HONE_OK;
            keep(m, first);
            first = false;
            continue;
        }
        hone_log(HONE_LOG_DEBUG, "space: variant %u, policy %u: %s (%s)", variant, q, err->message,
                 hone_status_name(st));
        if (!hone_status_is_reject(st))
            return st;
    }
    return HONE_OK;
}

/* Rows too short for a vector, sums over what is no row, and the like: when no policy gets a design
 * space past the rule for chains, the other rules take those stages. */
static hone_status design_any(maker *m, unsigned variant, custom *cu, hone_error *err)
{
    bool any;
    HONE_TRY(design(m, variant, cu, false, &any, err));
    return any ? HONE_OK : design(m, variant, cu, true, &any, err);
}

static bool takes_any(maker *m, const hone_rule__custom *r)
{
    for (uint32_t k = 0; k < m->all.n; k++)
        if (takes(r, &m->s.prog, &m->all.v[k]))
            return true;
    return false;
}

/* Design spaces worth making: as many as the stage, or the rule for chains, with the most variants.
 */
static unsigned variants_of_all(maker *m)
{
    unsigned most = 1;
    for (unsigned k = 0; k < m->rules.n; k++) {
        const hone_rule__row *r = m->rules.v[k];
        unsigned n = r->chain_variants ? r->chain_variants(&m->s.prog, &m->ctx) : 0;
        most = n > most ? n : most;
    }
    for (uint32_t k = 0; k < m->all.n; k++)
        most = variants_of(&m->all.v[k]) > most ? variants_of(&m->all.v[k]) : most;
    return most;
}

static hone_status make(maker *m, const hone_custom_rules *rules, hone_error *err)
{
    bool chosen[64] = {false};
    unsigned n_rules = hone_custom_rules_count(rules);
    n_rules = n_rules < HONE_LEN(chosen) ? n_rules : HONE_LEN(chosen);
    hone_sched_start(&m->s, &m->sp->base, &m->rng);
    HONE_TRY(prepare(&m->s, &m->rules, err));
    HONE_TRY(find_stages(&m->s, &m->rules, &m->ctx, &m->all, err));
    unsigned variants = variants_of_all(m);
    for (unsigned k = 0; k < n_rules; k++) {
        const hone_rule__custom *r = hone_rule__custom_at(rules, k);
        bool any = takes_any(m, r);
        chosen[k] = any && !r->only;
        if (!any)
            hone_log(HONE_LOG_WARN, "rule '%s' takes no block of %s", r->name,
                     hone_sym_text(&m->sp->base, m->sp->base.name));
    }
    custom cu = {.rules = rules, .chosen = -1};
    for (unsigned v = 0; v < variants; v++)
        HONE_TRY(design_any(m, v, &cu, err));
    for (unsigned k = 0; k < n_rules; k++)
        if (chosen[k]) {
            cu = (custom){.rules = rules, .chosen = (int)k};
            HONE_TRY(design_any(m, 0, &cu, err));
        }
    return HONE_OK;
}

hone_status hone_space_new(const hone_program *base, const hone_space_options *o, hone_space **ret,
                           hone_error *err)
{
    hone_space *sp = hone_xcalloc(1, sizeof *sp);
    hone_program_copy(&sp->base, base);
    sp->target = *o->target;
    sp->threads = o->threads;
    sp->intrins = o->intrins ? o->intrins : hone_intrin_shipped();
    sp->stop = o->stop;
    sp->stop_ctx = o->stop_ctx;

    maker m = {.sp = sp,
               .rules = rules_of(o->target),
               .ctx = {.target = o->target, .intrins = sp->intrins, .threads = o->threads}};
    hone_error why = {0};
    hone_rng_seed(&m.rng, 1);
    hone_space__lend(sp, &m.s);
    m.n_policies = policies_of(o->target, m.policies, HONE_LEN(m.policies));
    hone_status st = make(&m, o->rules, &why);
    hone_sched_fini(&m.s);
    hone_vec_free(&m.all);
    if (st != HONE_OK && !hone_status_is_reject(st)) {
        if (err)
            *err = why;
        hone_space_free(sp);
        return st;
    }
    if (sp->traces.n == 0) { /* no rule applies: the program as written */
        if (why.message[0])
            hone_log(HONE_LOG_WARN, "no rule can schedule %s, which is left as written: %s",
                     hone_sym_text(base, base->name), why.message);
        hone_trace t = {0};
        hone_vec_push(&sp->traces, t);
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

void hone_space__lend(const hone_space *sp, hone_sched *s)
{
    s->intrins = sp->intrins;
    s->target = &sp->target;
    s->stop = sp->stop;
    s->stop_ctx = sp->stop_ctx;
}

hone_status hone_space_sample(const hone_space *sp, hone_rng *rng, hone_sched *s, hone_error *err)
{
    const hone_trace *t = &sp->traces.v[hone_rng_below(rng, sp->traces.n)];
    hone_space__lend(sp, s);
    HONE_TRY(hone_trace_replay(t, &sp->base, s, rng, true, err));
    return hone_postproc__apply(s, &sp->target, sp->threads, err);
}

hone_status hone_space_finish(const hone_space *sp, const hone_trace *t, hone_sched *s,
                              hone_error *err)
{
    hone_trace search = *t; /* a shorter view of the same rows */
    search.insts.n = hone_trace_search_part(t);
    hone_space__lend(sp, s);
    HONE_TRY(hone_trace_replay(&search, &sp->base, s, NULL, false, err));
    return hone_postproc__apply(s, &sp->target, sp->threads, err);
}
