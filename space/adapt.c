/* A trace made for the same kernel elsewhere, at other sizes or for another target, as a candidate
 * of this space: its instructions with its decisions, each of them as near as what is legal here.
 *
 * Near is counted in logarithms, so that twice and half are equally far. Of a tile the inner
 * factors count: they are what fits registers and caches; how often there is such a tile is the
 * outermost one's affair.
 *
 * Reader's map: the design space with the same instructions; tiles; choices and places; the whole.
 */
#include "space/rule/rule.h"
#include "space/trace/internal.h"

#include <math.h>

#define MAX_FACTORS 1024 /* of one level of a tile, as when it is drawn */
#define MAX_LOOKS 4096   /* at factors of one tile */
#define TIE 1e-9
#define MAKES_UP 1e-3  /* weight of the factor that makes up for the difference; others have 1 */
#define NO_LOOP 1000.0 /* from a loop to a place that is none, in loops */

/* ---- the design space ------------------------------------------------------------------------ */

static bool has_variable(const hone_trace *t, const hone_value *v)
{
    if (v->kind == HONE_VALUE_RV)
        return true;
    for (uint32_t k = 0; v->kind == HONE_VALUE_LIST && k < v->n; k++)
        if (has_variable(t, &t->values.v[v->first + k]))
            return true;
    return false;
}

/* Whether n operands are the same but for numbers, which follow from the sizes; those that differ
 * are added to *differ. */
static bool alike(const hone_trace *a, uint32_t in_a, const hone_trace *b, uint32_t in_b,
                  uint32_t n, uint32_t *differ)
{
    for (uint32_t k = 0; k < n; k++) {
        const hone_value *x = &a->values.v[in_a + k], *y = &b->values.v[in_b + k];
        if (x->kind != y->kind)
            return false;
        switch (x->kind) {
        case HONE_VALUE_NONE:
            break;
        case HONE_VALUE_INT:
            *differ += x->u.i != y->u.i;
            break;
        case HONE_VALUE_FLOAT:
            *differ += x->u.f < y->u.f || x->u.f > y->u.f;
            break;
        case HONE_VALUE_RV:
            if (x->u.rv.i != y->u.rv.i)
                return false;
            break;
        case HONE_VALUE_TEXT:
            if (strcmp(hone_space__chars(a, x), hone_space__chars(b, y)) != 0)
                return false;
            break;
        case HONE_VALUE_LIST:
            if (x->n != y->n && (has_variable(a, x) || has_variable(b, y)))
                return false;
            *differ += x->n != y->n;
            if (x->n == y->n && !alike(a, x->first, b, y->first, x->n, differ))
                return false;
            break;
        }
    }
    return true;
}

/* Which loop is parallel follows from the sizes, too: one that is long enough. */
static bool is_same_instruction(const hone_trace *a, const hone_inst *x, const hone_trace *b,
                                const hone_inst *y, uint32_t *differ)
{
    if (x->kind != y->kind || x->n_inputs != y->n_inputs || x->n_attrs != y->n_attrs ||
        x->n_outputs != y->n_outputs || !alike(a, x->attrs, b, y->attrs, x->n_attrs, differ))
        return false;
    bool same = alike(a, x->inputs, b, y->inputs, x->n_inputs, differ);
    *differ += !same;
    return same || x->kind == HONE_INST_Parallel;
}

static bool has_same_instructions(const hone_trace *a, const hone_trace *b, uint32_t *differ)
{
    bool same = hone_trace_search_part(a) == b->insts.n;
    *differ = 0;
    for (uint32_t k = 0; k < b->insts.n && same; k++)
        same = is_same_instruction(a, &a->insts.v[k], b, &b->insts.v[k], differ);
    return same;
}

/* Its numbers are those of these sizes: candidates of a choice, limits of tiles, multiples that are
 * padded to; and so is the loop that is parallel. Of several the one that t differs least from;
 * NULL: none. */
static const hone_trace *design_of(const hone_space *sp, const hone_trace *t)
{
    const hone_trace *ret = NULL;
    uint32_t least = UINT32_MAX, differ;
    for (uint32_t k = 0; k < sp->traces.n; k++)
        if (has_same_instructions(&sp->traces.v[k], t, &differ) && differ < least) {
            ret = &sp->traces.v[k];
            least = differ;
        }
    return ret;
}

/* ---- tiles ----------------------------------------------------------------------------------- */

typedef struct tile {
    int64_t extent, max; /* max: of the last factor */
    unsigned n;
    bool whole; /* the factors multiply to the extent, */
    unsigned pos;
    int64_t inner; /* and those from pos on to a multiple of this */
    const int64_t *want;
    double weight[HONE_SPACE_MAX_FACTORS];
    int64_t f[HONE_SPACE_MAX_FACTORS];    /* at hand; 1 where nothing is chosen yet */
    int64_t best[HONE_SPACE_MAX_FACTORS]; /* so far */
    double far;                           /* of that; infinite: there is none */
    unsigned looks;                       /* left */
} tile;

static double apart(const tile *t, unsigned k, int64_t f)
{
    return t->weight[k] * fabs(log((double)f / (double)t->want[k]));
}

/* What factor k >= 1 may be while those behind it stay, in ascending order. */
static unsigned open_factors(const tile *t, unsigned k, int64_t *ret)
{
    bool last = k == t->n - 1;
    if (!t->whole) {
        int64_t max = t->max == INT64_MAX ? 0 : t->max;
        int64_t limit = hone_space__imperfect_limit(t->extent, t->f, t->n, k, max);
        return hone_space__imperfect_factors(t->extent, limit, ret, MAX_FACTORS);
    }
    int64_t room = t->extent;
    for (unsigned q = k + 1; q < t->n; q++)
        room /= t->f[q];
    unsigned n = 0;
    unsigned m = hone_space__imperfect_factors(room, last ? t->max : room, ret, MAX_FACTORS);
    for (unsigned q = 0; q < m; q++)
        if (room % ret[q] == 0)
            ret[n++] = ret[q];
    return n;
}

static bool is_legal(const tile *t, const int64_t *f)
{
    return !t->whole ||
           (f[t->n - 1] <= t->max && hone_space__is_partitioned(f, t->n, t->pos, t->inner));
}

static void set_first(tile *t)
{
    int64_t product = 1;
    for (unsigned k = 1; k < t->n; k++)
        product *= t->f[k];
    t->f[0] = (t->extent + product - 1) / product;
}

/* Factors k and those before it, the nearest first; those behind it are `far` from what is wanted.
 */
static void look(tile *t, unsigned k, double far)
{
    if (k == 0) {
        set_first(t);
        far += apart(t, 0, t->f[0]);
        if (far < t->far - TIE && is_legal(t, t->f)) {
            memcpy(t->best, t->f, sizeof t->best);
            t->far = far;
        }
        return;
    }
    int64_t from[MAX_FACTORS], want = t->want[k];
    unsigned n = open_factors(t, k, from), up = 0;
    while (up < n && from[up] < want)
        up++;
    for (unsigned down = up; (down > 0 || up < n) && t->looks > 0; t->looks--) {
        bool lower =
            up == n || (down > 0 && apart(t, k, from[down - 1]) <= apart(t, k, from[up]) + TIE);
        int64_t f = lower ? from[--down] : from[up++];
        if (far + apart(t, k, f) >= t->far - TIE)
            break;
        t->f[k] = f;
        look(t, k - 1, far + apart(t, k, f));
    }
    t->f[k] = 1;
}

/* As when another decision was changed: a beginning, which may be far off. */
static void fit(tile *t)
{
    memcpy(t->best, t->want, t->n * sizeof *t->best);
    if (!t->whole)
        hone_space__fit_imperfect(t->extent, t->best, t->n, t->max == INT64_MAX ? 0 : t->max);
    else
        hone_space__fit_partitioned(t->extent, t->best, t->n, t->pos, t->inner);
    t->far = HUGE_VAL;
    if (!is_legal(t, t->best))
        return;
    t->far = 0;
    for (unsigned k = 0; k < t->n; k++)
        t->far += apart(t, k, t->best[k]);
}

static hone_status reject(hone_error *err, const hone_inst *in, const char *what)
{
    return hone_fail(err, HONE_REJECT_DECISION, "%s: %s", hone_inst_name(in->kind), what);
}

static hone_status nearest_tile(const hone_sched *s, const hone_inst *in, hone_adapt_way way,
                                const int64_t *want, uint32_t n_want, int64_t *d, uint32_t *n,
                                hone_error *err)
{
    hone_stmt loop;
    tile t = {.max = INT64_MAX, .inner = 1, .want = want, .looks = MAX_LOOKS};
    HONE_TRY(hone_space__stmt(s, in, 0, &loop, err));
    if (in->kind == HONE_INST_SamplePartitionedTile)
        HONE_TRY(hone_space__partition_attrs(s, in, &t.n, &t.pos, &t.inner, err));
    else
        HONE_TRY(hone_space__tile_attrs(s, in, &t.n, &t.max, err));
    t.extent = hone_loop_extent(&s->prog, loop);
    t.whole = in->kind != HONE_INST_SampleImperfectTile;
    if (t.extent < 1)
        return reject(err, in, "there is nothing to tile");
    if (n_want != t.n)
        return reject(err, in, "not as many factors as the instruction asks for");
    for (unsigned k = 0; k < t.n; k++) {
        if (want[k] < 1)
            return reject(err, in, "a factor is below 1");
        t.f[k] = 1;
        t.weight[k] = 1;
    }
    t.weight[way == HONE_ADAPT_TASKS && t.n > 2] = MAKES_UP;
    fit(&t);
    look(&t, t.n - 1, 0);
    if (!isfinite(t.far))
        return reject(err, in, "no factors are legal");
    memcpy(d, t.best, t.n * sizeof *d);
    *n = t.n;
    return HONE_OK;
}

/* ---- choices and places ---------------------------------------------------------------------- */

/* Below 1 there are no ratios: 0 often means "not at all". */
static double scale(double x)
{
    return x >= 1 ? log(x) : x - 1;
}

static double values_apart(const hone_trace *a, const hone_value *x, const hone_trace *b,
                           const hone_value *y)
{
    if (x->kind == HONE_VALUE_INT && y->kind == HONE_VALUE_INT)
        return fabs(scale((double)x->u.i) - scale((double)y->u.i));
    if (x->kind != HONE_VALUE_LIST || y->kind != HONE_VALUE_LIST || x->n != y->n)
        return HUGE_VAL;
    double sum = 0;
    for (uint32_t k = 0; k < x->n; k++)
        sum += values_apart(a, &a->values.v[x->first + k], b, &b->values.v[y->first + k]);
    return sum;
}

/* Where a block goes: loops are counted from outside. */
static double places_apart(int64_t a, int64_t b)
{
    return fabs((double)(a - b)) + ((a < 0) != (b < 0) ? NO_LOOP : 0);
}

/* Of a choice what was chosen counts, not its number, which is another one in another list. */
static hone_status nearest_choice(hone_sched *s, const hone_inst *in, const hone_trace *from,
                                  const hone_inst *was, int64_t *d, uint32_t *n, hone_error *err)
{
    int64_t next[HONE_SPACE_MAX_FACTORS], want = from->ints.v[was->decision];
    bool is_place = in->kind == HONE_INST_SampleComputeLocation;
    const hone_value *list = is_place ? NULL : &from->values.v[was->attrs];
    if (!is_place && (list->kind != HONE_VALUE_LIST || want < 0 || want >= list->n))
        return reject(err, in, "not the number of a candidate");
    double least = 0;
    uint32_t m = 0;
    *n = 0;
    for (;;) {
        HONE_TRY(hone_space__next_decision(s, in, next, &m, err));
        if (m == 0)
            break;
        const hone_trace *own = &s->trace;
        double far = is_place
                         ? places_apart(next[0], want)
                         : values_apart(from, &from->values.v[list->first + want], own,
                                        &own->values.v[own->values.v[in->attrs].first + next[0]]);
        bool same = next[0] == want && far <= least + TIE; /* of several of one value its own */
        if (*n == 0 || far < least - TIE || same) {
            d[0] = next[0];
            *n = 1;
            least = far;
        }
    }
    return *n ? HONE_OK : reject(err, in, "nothing can be decided");
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Takes the decision of instruction `at`, which is to run next, if it samples. */
static hone_status decide(hone_sched *s, const hone_trace *from, hone_adapt_way way, uint32_t at,
                          hone_error *err)
{
    const hone_inst *in = &s->trace.insts.v[at], *was = &from->insts.v[at];
    int64_t d[HONE_SPACE_MAX_FACTORS];
    uint32_t n = 0;
    if (!hone_inst_samples(in->kind))
        return HONE_OK;
    if (was->n_decision == 0)
        return hone_space__bad(err, was, "its decision is missing");
    switch (in->kind) {
    case HONE_INST_SamplePerfectTile:
    case HONE_INST_SampleImperfectTile:
    case HONE_INST_SamplePartitionedTile:
        HONE_TRY(
            nearest_tile(s, in, way, &from->ints.v[was->decision], was->n_decision, d, &n, err));
        break;
    default:
        HONE_TRY(nearest_choice(s, in, from, was, d, &n, err));
    }
    hone_space__decide(s, &s->trace.insts.v[at], d, n);
    return HONE_OK;
}

static hone_status follow(const hone_space *sp, const hone_trace *from, hone_adapt_way way,
                          hone_sched *s, hone_error *err)
{
    const hone_trace *design = design_of(sp, from);
    hone_trace plan = design ? *design : *from; /* a shorter view of the same rows */
    plan.insts.n = from->insts.n;
    hone_space__lend(sp, s);
    hone_space__rewind(s, &plan, &sp->base, NULL);
    hone_status st = HONE_OK;
    uint32_t at = 0;
    for (; at < plan.insts.n; at++) {
        st = decide(s, from, way, at, err);
        if (st == HONE_OK)
            st = hone_space__replay_one(s, at, err);
        if (st != HONE_OK)
            break;
    }
    s->trace.insts.n = at;
    s->trace.n_rvs = s->rvs.n - 1;
    HONE_TRY(st);
    HONE_TRY(hone_prim__check_intrins(&s->prog, sp->intrins, err));
    return hone_postproc__apply(s, &sp->target, sp->threads, err);
}

hone_status hone_space_adapt(const hone_space *sp, const hone_trace *t, hone_adapt_way way,
                             hone_sched *s, hone_error *err)
{
    hone_trace from = {0}; /* t may be the schedule's own */
    hone_trace_copy(&from, t);
    from.insts.n = hone_trace_search_part(&from);
    hone_status st = follow(sp, &from, way, s, err);
    hone_trace_free(&from);
    return st;
}
