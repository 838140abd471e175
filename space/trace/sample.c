/* Instructions that sample: the domains of their decisions, drawing from them, and fitting a
 * decision to another extent. decisions.c goes through the same domains one by one.
 *
 *   perfect tile     ordered factorisations of the extent
 *   imperfect tile   inner factors from divisors, 2^k and 3 * 2^k; the outermost covers the rest
 *   categorical      index by probability
 *   register tile    index of a (rows, columns) pair
 *
 * SampleComputeLocation, whose domain is made of loops, is in space/trace/inst.c. */
#include "space/trace/internal.h"

#define MAX_CANDIDATES 1024
#define PRIME_LIMIT (1 << 20)

/* ---- decisions ------------------------------------------------------------------------------- */

void hone_space__decide(hone_sched *s, hone_inst *in, const int64_t *d, uint32_t n)
{
    if (in->n_decision != n) {
        in->decision = s->trace.ints.n;
        in->n_decision = n;
        hone_vec_reserve(&s->trace.ints, n);
        s->trace.ints.n += n;
    }
    memcpy(s->trace.ints.v + in->decision, d, n * sizeof *d);
}

static hone_status no_rng(hone_error *err, const hone_inst *in)
{
    return hone_fail(err, HONE_E_INPUT, "%s: its decision is missing", hone_inst_name(in->kind));
}

static hone_status outside(hone_error *err, const hone_inst *in, const char *what)
{
    return hone_fail(err, HONE_REJECT_DECISION, "%s: %s", hone_inst_name(in->kind), what);
}

/* ---- choices --------------------------------------------------------------------------------- */

double hone_space__weight(const hone_value *v)
{
    return v->kind == HONE_VALUE_FLOAT ? v->u.f : v->kind == HONE_VALUE_INT ? (double)v->u.i : -1;
}

hone_status hone_space__choices(const hone_sched *s, const hone_inst *in,
                                hone_value *ret_candidates, hone_value *ret_probs, hone_error *err)
{
    *ret_candidates = *hone_space__attr(s, in, 0);
    *ret_probs = *hone_space__attr(s, in, 1);
    if (ret_candidates->kind != HONE_VALUE_LIST || ret_probs->kind != HONE_VALUE_LIST ||
        ret_candidates->n == 0 || ret_candidates->n != ret_probs->n)
        return hone_fail(err, HONE_E_INPUT, "%s: needs as many candidates as probabilities",
                         hone_inst_name(in->kind));
    return HONE_OK;
}

/* Draws an index by probability among those with allowed[k] (NULL: all). False: none has any. */
static bool draw(const hone_trace *t, const hone_value *probs, const bool *allowed, hone_rng *rng,
                 int64_t *ret)
{
    const hone_value *p = &t->values.v[probs->first];
    double sum = 0;
    for (uint32_t k = 0; k < probs->n; k++)
        if (!allowed || allowed[k])
            sum += hone_space__weight(&p[k]) > 0 ? hone_space__weight(&p[k]) : 0;
    if (!(sum > 0))
        return false;
    double x = hone_rng_double(rng) * sum;
    for (uint32_t k = 0; k < probs->n; k++) {
        double w = hone_space__weight(&p[k]);
        if ((allowed && !allowed[k]) || !(w > 0))
            continue;
        *ret = k; /* rounding may leave x a little above the last one */
        x -= w;
        if (x < 0)
            break;
    }
    return true;
}

hone_status hone_space__apply_SampleCategorical(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_value c, p;
    HONE_TRY(hone_space__choices(s, in, &c, &p, err));
    int64_t d;
    if (in->n_decision) {
        d = s->trace.ints.v[in->decision];
    } else {
        if (!s->rng)
            return no_rng(err, in);
        if (!draw(&s->trace, &p, NULL, s->rng, &d))
            return hone_fail(err, HONE_E_INPUT, "SampleCategorical: no probability is above 0");
        hone_space__decide(s, in, &d, 1);
    }
    if (in->n_decision != 1 || d < 0 || d >= c.n)
        return outside(err, in, "not the number of a candidate");
    const hone_value *v = &s->trace.values.v[c.first + d];
    if (v->kind != HONE_VALUE_INT)
        return hone_fail(err, HONE_E_INPUT, "SampleCategorical: a candidate is not an integer");
    hone_space__out_int(s, v->u.i);
    return HONE_OK;
}

/* ---- register tile --------------------------------------------------------------------------- */

static bool pair(const hone_trace *t, const hone_value *candidates, int64_t k, int64_t ret[2])
{
    const hone_value *v = &t->values.v[candidates->first + k];
    if (v->kind != HONE_VALUE_LIST || v->n != 2)
        return false;
    for (uint32_t q = 0; q < 2; q++) {
        const hone_value *x = &t->values.v[v->first + q];
        if (x->kind != HONE_VALUE_INT || x->u.i < 1)
            return false;
        ret[q] = x->u.i;
    }
    return true;
}

bool hone_space__register_tile_fits(const hone_trace *t, const hone_value *candidates, int64_t k,
                                    int64_t row_extent)
{
    /* Columns are whole vectors, so even the narrowest tile may be much wider than the loop. */
    int64_t tile[2];
    return pair(t, candidates, k, tile) && tile[0] < 2 * row_extent;
}

hone_status hone_space__apply_SampleRegisterTile(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_value c, p;
    hone_stmt row, column;
    HONE_TRY(hone_space__stmt(s, in, 0, &row, err));
    HONE_TRY(hone_space__stmt(s, in, 1, &column, err));
    HONE_TRY(hone_space__choices(s, in, &c, &p, err));
    int64_t extent = hone_loop_extent(&s->prog, row), d, tile[2];
    if (in->n_decision) {
        d = s->trace.ints.v[in->decision];
    } else {
        if (!s->rng)
            return no_rng(err, in);
        bool allowed[MAX_CANDIDATES];
        if (c.n > MAX_CANDIDATES)
            return hone_fail(err, HONE_E_INPUT, "SampleRegisterTile: more than %d candidates",
                             MAX_CANDIDATES);
        for (uint32_t k = 0; k < c.n; k++)
            allowed[k] = hone_space__register_tile_fits(&s->trace, &c, k, extent);
        if (!draw(&s->trace, &p, allowed, s->rng, &d))
            return outside(err, in, "no candidate fits the loops");
        hone_space__decide(s, in, &d, 1);
    }
    if (in->n_decision != 1 || d < 0 || d >= c.n)
        return outside(err, in, "not the number of a candidate");
    if (!pair(&s->trace, &c, d, tile))
        return hone_fail(err, HONE_E_INPUT,
                         "SampleRegisterTile: a candidate is not [rows, columns]");
    if (!hone_space__register_tile_fits(&s->trace, &c, d, extent))
        return outside(err, in, "at least half of the tile's rows would be empty");
    hone_space__out_int(s, tile[0]);
    hone_space__out_int(s, tile[1]);
    return HONE_OK;
}

/* ---- perfect tile ---------------------------------------------------------------------------- */

unsigned hone_space__factorise(int64_t e, int64_t primes[16], unsigned exponents[16])
{
    unsigned n = 0;
    for (int64_t q = 2; q * q <= e && q < PRIME_LIMIT; q += q == 2 ? 1 : 2) {
        if (e % q)
            continue;
        primes[n] = q;
        exponents[n] = 0;
        for (; e % q == 0; e /= q)
            exponents[n]++;
        n++;
    }
    if (e > 1) {
        primes[n] = e;
        exponents[n++] = 1;
    }
    return n;
}

/* Ways to put `items` equal things into `bins` bins. */
static double ways(unsigned items, unsigned bins)
{
    if (bins == 0)
        return items == 0;
    double w = 1;
    for (unsigned k = 1; k < bins; k++)
        w = w * (items + k) / k;
    return w;
}

/* One of those ways, uniformly; multiplies f[k] by q for each item in bin k. */
static void distribute(hone_rng *rng, int64_t q, unsigned items, int64_t *f, unsigned bins)
{
    for (unsigned k = 0; k + 1 < bins && items; k++) {
        double x = hone_rng_double(rng) * ways(items, bins - k);
        unsigned here = 0;
        for (; here < items; here++) {
            x -= ways(items - here, bins - k - 1);
            if (x < 0)
                break;
        }
        for (unsigned i = 0; i < here; i++)
            f[k] *= q;
        items -= here;
    }
    while (items--)
        f[bins - 1] *= q;
}

/* Uniform over the ordered factorisations into n factors whose last is at most `max`: the last one
 * by the number of ways to factor the rest, then each prime of the rest on its own. */
static void draw_perfect(int64_t extent, unsigned n, int64_t max, hone_rng *rng, int64_t *f)
{
    int64_t primes[16];
    unsigned total[16], last[16], n_primes = hone_space__factorise(extent, primes, total);
    double sum = 0;
    for (unsigned k = 0; k < n; k++)
        f[k] = 1;
    if (n == 1) {
        f[0] = extent;
        return;
    }
    /* Two walks over the divisors, counted in mixed radix: weigh, then find. */
    double x = 0;
    for (int pass = 0; pass < 2; pass++) {
        int64_t d = 1;
        memset(last, 0, sizeof last);
        for (;;) {
            if (d <= max) {
                double w = 1;
                for (unsigned k = 0; k < n_primes; k++)
                    w *= ways(total[k] - last[k], n - 1);
                if (pass == 0)
                    sum += w;
                else if ((x -= w) < 0)
                    break;
            }
            unsigned k = 0;
            for (; k < n_primes && last[k] == total[k]; k++)
                for (; last[k]; last[k]--)
                    d /= primes[k];
            if (k == n_primes)
                break;
            last[k]++;
            d *= primes[k];
        }
        if (pass == 0)
            x = hone_rng_double(rng) * sum;
        else
            f[n - 1] = d;
    }
    for (unsigned k = 0; k < n_primes; k++)
        distribute(rng, primes[k], total[k] - last[k], f, n - 1);
}

hone_status hone_space__tile_attrs(const hone_sched *s, const hone_inst *in, unsigned *ret_n,
                                   int64_t *ret_max, hone_error *err)
{
    const hone_value *n = hone_space__attr(s, in, 0), *max = hone_space__attr(s, in, 1);
    if (n->kind != HONE_VALUE_INT || n->u.i < 1 || n->u.i > HONE_SPACE_MAX_FACTORS ||
        max->kind != HONE_VALUE_INT) {
        hone_fail(err, HONE_E_INPUT, "%s: needs a number of factors from 1 to %d and a limit",
                  hone_inst_name(in->kind), HONE_SPACE_MAX_FACTORS);
        return HONE_E_INPUT;
    }
    *ret_n = (unsigned)n->u.i;
    *ret_max = max->u.i > 0 ? max->u.i : INT64_MAX;
    return HONE_OK;
}

hone_status hone_space__apply_SamplePerfectTile(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt loop;
    unsigned n;
    int64_t max, f[HONE_SPACE_MAX_FACTORS], product = 1;
    HONE_TRY(hone_space__stmt(s, in, 0, &loop, err));
    HONE_TRY(hone_space__tile_attrs(s, in, &n, &max, err));
    int64_t extent = hone_loop_extent(&s->prog, loop);
    if (in->n_decision) {
        if (in->n_decision != n)
            return outside(err, in, "not as many factors as the instruction asks for");
        memcpy(f, s->trace.ints.v + in->decision, n * sizeof f[0]);
    } else {
        if (!s->rng)
            return no_rng(err, in);
        if (n == 1 && extent > max)
            return outside(err, in, "the only factor would be above its limit");
        draw_perfect(extent, n, max, s->rng, f);
        hone_space__decide(s, in, f, n);
    }
    for (unsigned k = 0; k < n; k++)
        if (f[k] < 1 || __builtin_mul_overflow(product, f[k], &product))
            return outside(err, in, "a factor is below 1 or too large");
    if (product != extent)
        return outside(err, in, "the factors do not multiply to the extent");
    if (f[n - 1] > max)
        return outside(err, in, "the innermost factor is above its limit");
    for (unsigned k = 0; k < n; k++)
        hone_space__out_int(s, f[k]);
    return HONE_OK;
}

void hone_space__fit_perfect(int64_t extent, int64_t *f, unsigned n)
{
    for (unsigned k = n - 1; k > 0; k--) {
        f[k] = hone_gcd(extent, f[k]);
        extent /= f[k];
    }
    f[0] = extent;
}

/* ---- partitioned tile ------------------------------------------------------------------------ */

bool hone_space__is_partitioned(const int64_t *f, unsigned n, unsigned pos, int64_t inner)
{
    for (unsigned k = pos; k < n; k++)
        inner /= hone_gcd(inner, f[k]);
    return inner == 1;
}

void hone_space__fit_partitioned(int64_t extent, int64_t *f, unsigned n, unsigned pos,
                                 int64_t inner)
{
    hone_space__fit_perfect(extent, f, n);
    if (extent % inner || hone_space__is_partitioned(f, n, pos, inner))
        return;
    for (unsigned k = 0; k < n; k++)
        f[k] = 1;
    f[n - 1] = inner;
    f[0] *= extent / inner;
}

hone_status hone_space__partition_attrs(const hone_sched *s, const hone_inst *in, unsigned *ret_n,
                                        unsigned *ret_pos, int64_t *ret_inner, hone_error *err)
{
    int64_t n, pos;
    HONE_TRY(hone_space__attr_int(s, in, 0, &n, err));
    HONE_TRY(hone_space__attr_int(s, in, 1, &pos, err));
    HONE_TRY(hone_space__attr_int(s, in, 2, ret_inner, err));
    if (n < 1 || n > HONE_SPACE_MAX_FACTORS || pos < 0 || pos >= n || *ret_inner < 1)
        return hone_fail(err, HONE_E_INPUT,
                         "SamplePartitionedTile: needs a number of factors from 1 to %d, the "
                         "position of one of them, and a factor",
                         HONE_SPACE_MAX_FACTORS);
    *ret_n = (unsigned)n;
    *ret_pos = (unsigned)pos;
    return HONE_OK;
}

/* Decision: n factors. The inner part gets innerpart_factor, and all get a share of the rest. */
hone_status hone_space__apply_SamplePartitionedTile(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt loop;
    unsigned n, pos;
    int64_t inner, f[HONE_SPACE_MAX_FACTORS], g[HONE_SPACE_MAX_FACTORS], product = 1;
    HONE_TRY(hone_space__stmt(s, in, 0, &loop, err));
    HONE_TRY(hone_space__partition_attrs(s, in, &n, &pos, &inner, err));
    int64_t extent = hone_loop_extent(&s->prog, loop);
    if (extent % inner)
        return outside(err, in, "innerpart_factor does not divide the extent");
    if (in->n_decision) {
        if (in->n_decision != n)
            return outside(err, in, "not as many factors as the instruction asks for");
        memcpy(f, s->trace.ints.v + in->decision, n * sizeof f[0]);
    } else {
        if (!s->rng)
            return no_rng(err, in);
        draw_perfect(extent / inner, n, INT64_MAX, s->rng, f);
        draw_perfect(inner, n - pos, INT64_MAX, s->rng, g);
        for (unsigned k = pos; k < n; k++)
            f[k] *= g[k - pos];
        hone_space__decide(s, in, f, n);
    }
    for (unsigned k = 0; k < n; k++)
        if (f[k] < 1 || __builtin_mul_overflow(product, f[k], &product))
            return outside(err, in, "a factor is below 1 or too large");
    if (product != extent)
        return outside(err, in, "the factors do not multiply to the extent");
    if (!hone_space__is_partitioned(f, n, pos, inner))
        return outside(err, in, "the inner factors are no multiple of innerpart_factor");
    for (unsigned k = 0; k < n; k++)
        hone_space__out_int(s, f[k]);
    return HONE_OK;
}

/* ---- imperfect tile -------------------------------------------------------------------------- */

bool hone_space__is_imperfect_factor(int64_t extent, int64_t f)
{
    if (f < 1 || f > extent)
        return false;
    int64_t odd = f >> __builtin_ctzll((uint64_t)f);
    return odd == 1 || odd == 3 || extent % f == 0;
}

static unsigned insert(int64_t *v, unsigned n, unsigned max, int64_t x)
{
    unsigned k = n;
    while (k > 0 && v[k - 1] > x)
        k--;
    if (n == max || (k > 0 && v[k - 1] == x))
        return n;
    memmove(v + k + 1, v + k, (n - k) * sizeof *v);
    v[k] = x;
    return n + 1;
}

unsigned hone_space__imperfect_factors(int64_t extent, int64_t limit, int64_t *ret, unsigned max)
{
    unsigned n = 0;
    if (limit > extent)
        limit = extent;
    for (int64_t base = 1; base <= 3; base += 2)
        for (int64_t f = base; f <= limit; f *= 2)
            n = insert(ret, n, max, f);
    for (int64_t f = 1; f * f <= extent && f <= limit && f <= PRIME_LIMIT; f++) {
        if (extent % f)
            continue;
        n = insert(ret, n, max, f);
        if (extent / f <= limit)
            n = insert(ret, n, max, extent / f);
    }
    return n;
}

int64_t hone_space__imperfect_limit(int64_t extent, const int64_t *f, unsigned n, unsigned k,
                                    int64_t max_innermost)
{
    int64_t limit = 2 * extent - 1;
    for (unsigned q = 1; q < n; q++)
        if (q != k)
            limit /= f[q];
    if (k == n - 1 && max_innermost > 0 && limit > max_innermost)
        limit = max_innermost;
    return limit < extent ? limit : extent;
}

static void cover(int64_t extent, int64_t *f, unsigned n)
{
    int64_t product = 1;
    for (unsigned k = 1; k < n; k++)
        product *= f[k];
    f[0] = (extent + product - 1) / product;
}

void hone_space__fit_imperfect(int64_t extent, int64_t *f, unsigned n, int64_t max_innermost)
{
    int64_t asked[HONE_SPACE_MAX_FACTORS], from[MAX_CANDIDATES];
    for (unsigned k = 1; k < n; k++) {
        asked[k] = f[k];
        f[k] = 1;
    }
    for (unsigned k = n - 1; k > 0; k--) {
        int64_t limit = hone_space__imperfect_limit(extent, f, n, k, max_innermost);
        if (hone_space__is_imperfect_factor(extent, asked[k]) && asked[k] <= limit) {
            f[k] = asked[k];
            continue;
        }
        limit = asked[k] < limit ? asked[k] : limit;
        unsigned m = hone_space__imperfect_factors(extent, limit, from, MAX_CANDIDATES);
        f[k] = m ? from[m - 1] : 1;
    }
    cover(extent, f, n);
}

static void draw_imperfect(int64_t extent, unsigned n, int64_t max, hone_rng *rng, int64_t *f)
{
    /* In random order, so that no level is always the one that gets what the others left. */
    unsigned order[HONE_SPACE_MAX_FACTORS];
    int64_t from[MAX_CANDIDATES];
    for (unsigned k = 1; k < n; k++) {
        f[k] = 1;
        unsigned at = 1 + (unsigned)hone_rng_below(rng, k);
        order[k] = order[at];
        order[at] = k;
    }
    for (unsigned q = 1; q < n; q++) {
        unsigned k = order[q];
        int64_t limit = hone_space__imperfect_limit(extent, f, n, k, max);
        unsigned m = hone_space__imperfect_factors(extent, limit, from, MAX_CANDIDATES);
        f[k] = from[hone_rng_below(rng, m)];
    }
    cover(extent, f, n);
}

hone_status hone_space__apply_SampleImperfectTile(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt loop;
    unsigned n;
    int64_t max, f[HONE_SPACE_MAX_FACTORS];
    HONE_TRY(hone_space__stmt(s, in, 0, &loop, err));
    HONE_TRY(hone_space__tile_attrs(s, in, &n, &max, err));
    int64_t extent = hone_loop_extent(&s->prog, loop);
    if (in->n_decision) {
        if (in->n_decision != n)
            return outside(err, in, "not as many factors as the instruction asks for");
        memcpy(f, s->trace.ints.v + in->decision, n * sizeof f[0]);
        for (unsigned k = 1; k < n; k++)
            if (!hone_space__is_imperfect_factor(extent, f[k]))
                return outside(err, in, "a factor is no divisor, 2^k or 3*2^k within the extent");
        for (unsigned k = 1; k < n; k++)
            if (f[k] > hone_space__imperfect_limit(extent, f, n, k, max))
                return outside(err, in, "the inner factors are too large together");
    } else {
        if (!s->rng)
            return no_rng(err, in);
        draw_imperfect(extent, n, max, s->rng, f);
    }
    cover(extent, f, n);
    hone_space__decide(s, in, f, n);
    for (unsigned k = 0; k < n; k++)
        hone_space__out_int(s, f[k]);
    return HONE_OK;
}
