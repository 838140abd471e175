/* Mutators: a neighbour of a candidate, by changing one of its decisions.
 *
 * the table        how often each kind of decision is chosen
 * values           extents and integers along the trace, without replaying it where possible
 * one mutator per kind; each yields a legal decision that differs from the old one
 * repair           tiles further down the trace whose loop changed its extent are refitted
 *
 * Shares follow MetaSchedule's CPU preset (tile sizes .9, compute location .05, unroll .03 and
 * parallel .02, both categorical); the register tile is a tile size of its own. */
#include "space/trace/internal.h"

#define MAX_CHOICES 1024
#define UNKNOWN INT64_MIN

typedef struct site {
    uint32_t at; /* instruction */
    double share;
} site;

typedef struct ctx {
    const hone_space *sp;
    hone_trace *t;
    hone_rng *rng;
    int64_t *value; /* by variable: integer, loop extent, or UNKNOWN */
} ctx;

/* ---- values along the trace ------------------------------------------------------------------ */

/* Instructions that leave every nest of the unscheduled program as it is. */
static bool keeps_nests(hone_inst_kind k)
{
    switch (k) {
    case HONE_INST_GetBlock:
    case HONE_INST_GetLoops:
    case HONE_INST_GetChildBlocks:
    case HONE_INST_GetProducers:
    case HONE_INST_GetConsumers:
    case HONE_INST_GetOutputBlocks:
    case HONE_INST_ReorderBlockIterVar:
    case HONE_INST_CacheRead:
    case HONE_INST_CacheWrite:
    case HONE_INST_Widen:
    case HONE_INST_ComputeInline:
    case HONE_INST_Annotate:
    case HONE_INST_Unannotate:
    case HONE_INST_EnterPostproc:
        return true;
    default:
        return hone_inst_samples(k);
    }
}

static int64_t value_of(const ctx *c, const hone_value *v)
{
    return v->kind == HONE_VALUE_INT  ? v->u.i
           : v->kind == HONE_VALUE_RV ? c->value[v->u.rv.i]
                                      : UNKNOWN;
}

static const hone_value *input(const ctx *c, const hone_inst *in, uint32_t k)
{
    return &c->t->values.v[in->inputs + k];
}

static const hone_value *attr(const ctx *c, const hone_inst *in, uint32_t k)
{
    return &c->t->values.v[in->attrs + k];
}

static int64_t *decision_of(const ctx *c, const hone_inst *in)
{
    return &c->t->ints.v[in->decision];
}

/* The block a loop list was asked of, when it is still in the nest the workload gave it. */
static void loops_of_base(const ctx *c, const hone_inst *in, uint32_t block_inst)
{
    const hone_inst *get = &c->t->insts.v[block_inst];
    const hone_value *name = attr(c, get, 0);
    hone_stmt loops[HONE_SPACE_MAX_OUTPUTS];
    if (name->kind != HONE_VALUE_TEXT)
        return;
    hone_stmt b = hone_block_find(&c->sp->base, hone_space__chars(c->t, name));
    if (!b.i)
        return;
    unsigned n = hone_loops_of(&c->sp->base, b, loops, HONE_SPACE_MAX_OUTPUTS);
    if (n != in->n_outputs || n > HONE_SPACE_MAX_OUTPUTS)
        return;
    for (unsigned k = 0; k < n; k++)
        c->value[in->outputs + k] = hone_loop_extent(&c->sp->base, loops[k]);
}

static void split_values(const ctx *c, const hone_inst *in)
{
    int64_t product = 1, extent = value_of(c, input(c, in, 0));
    int inferred = -1;
    bool known = true;
    for (uint32_t k = 0; k < in->n_outputs && k + 1 < in->n_inputs; k++) {
        const hone_value *v = input(c, in, k + 1);
        int64_t f = value_of(c, v);
        c->value[in->outputs + k] = f;
        if (v->kind == HONE_VALUE_NONE)
            inferred = (int)k;
        else if (f < 1 || __builtin_mul_overflow(product, f, &product))
            known = false;
    }
    if (inferred >= 0)
        c->value[in->outputs + inferred] =
            known && extent > 0 ? (extent + product - 1) / product : UNKNOWN;
}

static void fuse_values(const ctx *c, const hone_inst *in)
{
    int64_t product = 1;
    for (uint32_t k = 0; k < in->n_inputs; k++) {
        int64_t e = value_of(c, input(c, in, k));
        if (e < 1 || __builtin_mul_overflow(product, e, &product))
            return;
    }
    c->value[in->outputs] = product;
}

static void sampled_values(const ctx *c, const hone_inst *in)
{
    const int64_t *d = decision_of(c, in);
    const hone_value *list = in->n_attrs ? attr(c, in, 0) : NULL;
    switch (in->kind) {
    case HONE_INST_SamplePerfectTile:
    case HONE_INST_SamplePartitionedTile:
    case HONE_INST_SampleImperfectTile:
        for (uint32_t k = 0; k < in->n_outputs && k < in->n_decision; k++)
            c->value[in->outputs + k] = d[k];
        break;
    case HONE_INST_SampleCategorical:
    case HONE_INST_SampleRegisterTile:
        if (list->kind != HONE_VALUE_LIST || in->n_decision != 1 || d[0] < 0 || d[0] >= list->n)
            break;
        list = &c->t->values.v[list->first + d[0]];
        if (list->kind == HONE_VALUE_INT)
            c->value[in->outputs] = list->u.i;
        for (uint32_t k = 0; list->kind == HONE_VALUE_LIST && k < list->n && k < in->n_outputs; k++)
            c->value[in->outputs + k] = value_of(c, &c->t->values.v[list->first + k]);
        break;
    default:
        break;
    }
}

static void repair(const ctx *c, const hone_inst *in);

/* Walks the whole trace. From instruction `repair_from` on, tiles are refitted on the way. */
static void walk(const ctx *c, uint32_t repair_from)
{
    hone_trace *t = c->t;
    bool intact = true;
    for (uint32_t k = 0; k <= t->n_rvs; k++)
        c->value[k] = UNKNOWN;
    for (uint32_t k = 0; k < t->insts.n; k++) {
        const hone_inst *in = &t->insts.v[k];
        if (k >= repair_from && in->n_decision)
            repair(c, in);
        switch (in->kind) {
        case HONE_INST_GetBlock:
            c->value[in->outputs] = k; /* where its name is */
            break;
        case HONE_INST_GetLoops: {
            int64_t from = value_of(c, input(c, in, 0));
            if (intact && from != UNKNOWN)
                loops_of_base(c, in, (uint32_t)from);
            break;
        }
        case HONE_INST_Split:
            split_values(c, in);
            break;
        case HONE_INST_Fuse:
            fuse_values(c, in);
            break;
        default:
            if (in->n_decision)
                sampled_values(c, in);
        }
        intact = intact && keeps_nests(in->kind);
    }
}

/* The schedule just before instruction `at`. False: the trace does not replay that far. */
static bool replay_before(const ctx *c, uint32_t at, hone_sched *s)
{
    hone_trace prefix = *c->t; /* a shorter view */
    prefix.insts.n = at;
    return hone_trace_replay(&prefix, &c->sp->base, s, NULL, false, NULL) == HONE_OK;
}

/* Extent of the loop that is input k of instruction `at`, or UNKNOWN. */
static int64_t extent_at(const ctx *c, uint32_t at, uint32_t k)
{
    uint32_t rv = input(c, &c->t->insts.v[at], k)->u.rv.i;
    if (c->value[rv] != UNKNOWN)
        return c->value[rv];
    hone_sched s = {0};
    hone_space__lend(c->sp, &s);
    if (replay_before(c, at, &s) && hone_is_loop(&s.prog, s.rvs.v[rv].stmt))
        c->value[rv] = hone_loop_extent(&s.prog, s.rvs.v[rv].stmt);
    hone_sched_fini(&s);
    return c->value[rv];
}

/* ---- mutators -------------------------------------------------------------------------------- */

/* What a tile asks for beside its product. */
typedef struct tile_rule {
    int64_t max;   /* of the last factor */
    uint32_t pos;  /* those from here on .. */
    int64_t inner; /* .. multiply to a multiple of this */
} tile_rule;

/* Moves one prime from a factor to another. */
static bool move_prime(const ctx *c, const hone_inst *in, tile_rule rule)
{
    int64_t *f = decision_of(c, in), moved = 1;
    uint32_t n = in->n_decision, from = 0, to = 0;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < n; i++)
        if (f[i] < 1)
            return false;
    for (uint32_t i = 0; i < n; i++) {
        int64_t primes[16];
        unsigned exponents[16];
        unsigned n_primes = hone_space__factorise(f[i], primes, exponents);
        for (uint32_t j = 0; j < n; j++)
            for (unsigned q = 0; q < n_primes && i != j; q++) {
                if (primes[q] > (j == n - 1 && rule.max > 0 ? rule.max : INT64_MAX) / f[j])
                    continue;
                if (i >= rule.pos && j < rule.pos) { /* leaves the inner part */
                    f[i] /= primes[q];
                    bool enough = hone_space__is_partitioned(f, n, rule.pos, rule.inner);
                    f[i] *= primes[q];
                    if (!enough)
                        continue;
                }
                if (hone_rng_below(c->rng, ++seen) == 0) { /* one of them all, evenly */
                    from = i;
                    to = j;
                    moved = primes[q];
                }
            }
    }
    if (!seen)
        return false;
    f[from] /= moved;
    f[to] *= moved;
    return true;
}

static bool mutate_perfect_tile(const ctx *c, uint32_t at)
{
    const hone_inst *in = &c->t->insts.v[at];
    return move_prime(c, in, (tile_rule){.max = attr(c, in, 1)->u.i, .inner = 1});
}

/* The instruction's position and factor. False: not as it would accept them. */
static bool partition_of(const ctx *c, const hone_inst *in, tile_rule *ret)
{
    const hone_value *pos = attr(c, in, 1), *inner = attr(c, in, 2);
    if (pos->kind != HONE_VALUE_INT || inner->kind != HONE_VALUE_INT || pos->u.i < 0 ||
        pos->u.i >= in->n_decision || inner->u.i < 1)
        return false;
    *ret = (tile_rule){.pos = (uint32_t)pos->u.i, .inner = inner->u.i};
    return true;
}

static bool mutate_partitioned_tile(const ctx *c, uint32_t at)
{
    const hone_inst *in = &c->t->insts.v[at];
    tile_rule rule;
    return partition_of(c, in, &rule) && move_prime(c, in, rule);
}

/* Another inner factor: mostly the next smaller or larger one of its domain. */
static bool mutate_imperfect_tile(const ctx *c, uint32_t at)
{
    const hone_inst *in = &c->t->insts.v[at];
    int64_t *f = decision_of(c, in), max = attr(c, in, 1)->u.i;
    int64_t extent = extent_at(c, at, 0), from[MAX_CHOICES], other = 0;
    uint32_t n = in->n_decision;
    uint64_t seen = 0;
    if (extent == UNKNOWN || n != (uint64_t)attr(c, in, 0)->u.i)
        return false;
    for (uint32_t k = 1; k < n; k++)
        if (f[k] < 1)
            return false;
    uint32_t which = 0;
    bool near = hone_rng_below(c->rng, 4) != 0;
    for (uint32_t k = 1; k < n; k++) {
        int64_t limit = hone_space__imperfect_limit(extent, f, n, k, max);
        unsigned m = hone_space__imperfect_factors(extent, limit, from, MAX_CHOICES), pos = 0;
        if (m == 0 || (m == 1 && from[0] == f[k]) || hone_rng_below(c->rng, ++seen) != 0)
            continue;
        which = k;
        while (pos < m && from[pos] < f[k])
            pos++;
        bool member = pos < m && from[pos] == f[k];
        if (near) {
            bool down = pos > 0, up = pos + member < m;
            if (down && up)
                down = hone_rng_below(c->rng, 2) == 0;
            other = down ? from[pos - 1] : from[pos + member];
        } else {
            unsigned pick = (unsigned)hone_rng_below(c->rng, m - member);
            other = from[member && pick >= pos ? pick + 1 : pick];
        }
    }
    if (!seen)
        return false;
    f[which] = other;
    hone_space__fit_imperfect(extent, f, n, max);
    return true;
}

/* Another candidate by probability among those allowed. */
static bool mutate_choice(const ctx *c, const hone_inst *in, bool *allowed, uint32_t n, bool near)
{
    int64_t *d = decision_of(c, in), pick = -1;
    const hone_value *probs = &c->t->values.v[attr(c, in, 1)->first];
    for (uint32_t k = 0; k < n; k++)
        allowed[k] = allowed[k] && hone_space__weight(&probs[k]) > 0;
    if (near) {
        int64_t down = d[0] - 1, up = d[0] + 1;
        bool has_down = down >= 0 && allowed[down], has_up = up < n && allowed[up];
        if (has_down && (!has_up || hone_rng_below(c->rng, 2)))
            pick = down;
        else if (has_up)
            pick = up;
    }
    if (pick < 0) {
        double sum = 0;
        for (uint32_t k = 0; k < n; k++) {
            double p = hone_space__weight(&probs[k]);
            if (k == d[0] || !allowed[k])
                continue;
            sum += p;
            if (hone_rng_double(c->rng) * sum < p)
                pick = k;
        }
    }
    if (pick < 0)
        return false;
    d[0] = pick;
    return true;
}

static bool is_choice(const ctx *c, const hone_inst *in)
{
    const hone_value *candidates = attr(c, in, 0), *probs = attr(c, in, 1);
    int64_t d = *decision_of(c, in);
    return candidates->kind == HONE_VALUE_LIST && probs->kind == HONE_VALUE_LIST &&
           candidates->n == probs->n && candidates->n <= MAX_CHOICES && d >= 0 && d < candidates->n;
}

static bool mutate_categorical(const ctx *c, uint32_t at)
{
    const hone_inst *in = &c->t->insts.v[at];
    bool allowed[MAX_CHOICES];
    if (!is_choice(c, in))
        return false;
    memset(allowed, true, sizeof allowed);
    return mutate_choice(c, in, allowed, attr(c, in, 0)->n, false);
}

static bool mutate_register_tile(const ctx *c, uint32_t at)
{
    const hone_inst *in = &c->t->insts.v[at];
    bool allowed[MAX_CHOICES];
    int64_t rows = extent_at(c, at, 0);
    if (!is_choice(c, in) || rows == UNKNOWN)
        return false;
    uint32_t n = attr(c, in, 0)->n;
    for (uint32_t k = 0; k < n; k++)
        allowed[k] = hone_space__register_tile_fits(c->t, attr(c, in, 0), k, rows);
    return mutate_choice(c, in, allowed, n, hone_rng_below(c->rng, 2) == 0);
}

static bool mutate_compute_location(const ctx *c, uint32_t at)
{
    const hone_inst *in = &c->t->insts.v[at];
    hone_sched s = {0};
    hone_space__lend(c->sp, &s);
    bool changed = false;
    if (replay_before(c, at, &s)) {
        int64_t open[HONE_SPACE_MAX_OUTPUTS + 2];
        hone_stmt block = s.rvs.v[input(c, in, 0)->u.rv.i].stmt;
        int64_t *d = decision_of(c, in);
        unsigned n = 0, others = 0;
        if (hone_is_block(&s.prog, block) && hone_stmt_at(&s.prog, block)->out.i)
            n = hone_space__compute_locations(&s.prog, block, open, HONE_LEN(open));
        for (unsigned k = 0; k < n; k++)
            if (open[k] != d[0])
                open[others++] = open[k];
        changed = others > 0;
        if (changed)
            d[0] = open[hone_rng_below(c->rng, others)];
    }
    hone_sched_fini(&s);
    return changed;
}

/* ---- repair ---------------------------------------------------------------------------------- */

static void repair(const ctx *c, const hone_inst *in)
{
    tile_rule rule;
    if (in->kind != HONE_INST_SamplePerfectTile && in->kind != HONE_INST_SampleImperfectTile &&
        in->kind != HONE_INST_SamplePartitionedTile)
        return;
    int64_t extent = value_of(c, input(c, in, 0)), *f = decision_of(c, in);
    if (extent == UNKNOWN || extent < 1 || in->n_decision > HONE_SPACE_MAX_FACTORS)
        return;
    for (uint32_t k = 0; k < in->n_decision; k++)
        if (f[k] < 1)
            return;
    if (in->kind == HONE_INST_SamplePerfectTile)
        hone_space__fit_perfect(extent, f, in->n_decision);
    else if (in->kind == HONE_INST_SamplePartitionedTile) {
        if (partition_of(c, in, &rule))
            hone_space__fit_partitioned(extent, f, in->n_decision, rule.pos, rule.inner);
    } else
        hone_space__fit_imperfect(extent, f, in->n_decision, attr(c, in, 1)->u.i);
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct mutator {
    hone_inst_kind kind;
    double share; /* of the kind, MetaSchedule's */
    double each;  /* weight of a decision of a neighbour */
    bool (*run)(const ctx *c, uint32_t at);
} mutators[] = {
    {HONE_INST_SamplePerfectTile, .9, 1, mutate_perfect_tile},
    {HONE_INST_SamplePartitionedTile, .9, 1, mutate_partitioned_tile},
    {HONE_INST_SampleImperfectTile, .9, 1, mutate_imperfect_tile},
    {HONE_INST_SampleRegisterTile, .15, 1, mutate_register_tile},
    {HONE_INST_SampleCategorical, .05, 1, mutate_categorical},
    {HONE_INST_SampleComputeLocation, .05, .5, mutate_compute_location},
};

static const struct mutator *mutator_of(hone_inst_kind kind)
{
    for (unsigned k = 0; k < HONE_LEN(mutators); k++)
        if (mutators[k].kind == kind)
            return &mutators[k];
    return NULL;
}

/* Every decision of the search part; a kind's share is spread evenly over its decisions, unless
 * each counts for itself. Memory for all of t's instructions. */
static unsigned sites_of(const hone_trace *t, bool each, site *ret)
{
    unsigned count[HONE_INST_COUNT] = {0}, n = 0;
    uint32_t n_insts = hone_trace_search_part(t);
    for (uint32_t k = 0; k < n_insts; k++) {
        const hone_inst *in = &t->insts.v[k];
        if (!in->n_decision || !mutator_of(in->kind))
            continue;
        count[in->kind]++;
        ret[n++] = (site){.at = k};
    }
    for (unsigned k = 0; k < n; k++) {
        hone_inst_kind kind = t->insts.v[ret[k].at].kind;
        const struct mutator *m = mutator_of(kind);
        ret[k].share = each ? m->each : m->share / count[kind];
    }
    return n;
}

static bool mutate(const hone_space *sp, hone_trace *t, hone_rng *rng, bool each)
{
    site *sites = hone_xmalloc((t->insts.n + 1) * sizeof *sites);
    unsigned n = sites_of(t, each, sites);
    if (n == 0) {
        free(sites);
        return false;
    }
    ctx c = {.sp = sp, .t = t, .rng = rng};
    c.value = hone_xmalloc((t->n_rvs + 1) * sizeof *c.value);
    walk(&c, UINT32_MAX);
    bool changed = false;
    while (n > 0 && !changed) {
        double sum = 0;
        unsigned pick = 0;
        for (unsigned k = 0; k < n; k++)
            sum += sites[k].share;
        double x = hone_rng_double(rng) * sum;
        while (pick + 1 < n && (x -= sites[pick].share) >= 0)
            pick++;
        uint32_t at = sites[pick].at;
        changed = mutator_of(t->insts.v[at].kind)->run(&c, at);
        if (changed)
            walk(&c, at + 1);
        sites[pick] = sites[--n]; /* it has no other decision */
    }
    free(c.value);
    free(sites);
    return changed;
}

bool hone_space_mutate(const hone_space *sp, hone_trace *t, hone_rng *rng)
{
    return mutate(sp, t, rng, false);
}

bool hone_space_neighbour(const hone_space *sp, hone_trace *t, hone_rng *rng)
{
    return mutate(sp, t, rng, true);
}
