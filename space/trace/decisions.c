/* The decisions of a sampling instruction one after the other: the same domains that sample.c draws
 * from, so that what is drawn, mutated and gone through is one set.
 *
 *   tiles         factors count up like the digits of a number, the second the fastest and the last
 *                 the slowest; the first is what the others leave
 *   choices       candidates with a probability, in their order
 *   location      places in ascending order */
#include "space/trace/internal.h"

#define MAX_FACTORS 1024 /* of one level of an imperfect tile, as when it is drawn */

/* ---- tiles ----------------------------------------------------------------------------------- */

typedef struct tile {
    int64_t extent, max; /* max: of the last factor */
    unsigned n;
    bool whole; /* the factors multiply to the extent */
} tile;

/* The least divisor of r above `than`, made of the primes that are drawn; 0: none. */
static int64_t next_divisor(int64_t r, int64_t than)
{
    int64_t primes[16], d = 1, least = 0;
    unsigned total[16], e[16] = {0}, n = hone_space__factorise(r, primes, total);
    for (;;) { /* all of them, counted in mixed radix */
        if (d > than && (least == 0 || d < least))
            least = d;
        unsigned k = 0;
        for (; k < n && e[k] == total[k]; k++)
            for (; e[k]; e[k]--)
                d /= primes[k];
        if (k == n)
            return least;
        e[k]++;
        d *= primes[k];
    }
}

/* The next larger value of factor k >= 1, while those behind it stay and those before it are 1; 0:
 * none. */
static int64_t next_factor(const tile *t, const int64_t *f, unsigned k)
{
    if (t->whole) {
        int64_t room = t->extent;
        for (unsigned q = k + 1; q < t->n; q++)
            room /= f[q];
        int64_t d = next_divisor(room, f[k]);
        return k == t->n - 1 && d > t->max ? 0 : d;
    }
    int64_t from[MAX_FACTORS], max = t->max == INT64_MAX ? 0 : t->max;
    int64_t limit = hone_space__imperfect_limit(t->extent, f, t->n, k, max);
    unsigned m = hone_space__imperfect_factors(t->extent, limit, from, MAX_FACTORS);
    for (unsigned q = 0; q < m; q++)
        if (from[q] > f[k])
            return from[q];
    return 0;
}

static void set_first(const tile *t, int64_t *f)
{
    int64_t product = 1;
    for (unsigned k = 1; k < t->n; k++)
        product *= f[k];
    f[0] = (t->extent + product - 1) / product;
}

static bool next_tile(const tile *t, int64_t *f, uint32_t *n)
{
    if (*n == 0) {
        if (t->extent < 1)
            return false;
        for (unsigned k = 1; k < t->n; k++)
            f[k] = 1;
        set_first(t, f);
        *n = t->n;
        return !t->whole || f[t->n - 1] <= t->max;
    }
    for (unsigned k = 1; k < t->n; k++) {
        int64_t larger = next_factor(t, f, k);
        f[k] = larger ? larger : 1;
        set_first(t, f);
        if (larger)
            return true;
    }
    return false;
}

static hone_status tile_of(const hone_sched *s, const hone_inst *in, tile *ret, hone_error *err)
{
    hone_stmt loop;
    HONE_TRY(hone_space__stmt(s, in, 0, &loop, err));
    HONE_TRY(hone_space__tile_attrs(s, in, &ret->n, &ret->max, err));
    ret->extent = hone_loop_extent(&s->prog, loop);
    ret->whole = in->kind == HONE_INST_SamplePerfectTile;
    return HONE_OK;
}

static hone_status next_partitioned(const hone_sched *s, const hone_inst *in, int64_t *d,
                                    uint32_t *n, hone_error *err)
{
    hone_stmt loop;
    tile t = {.max = INT64_MAX, .whole = true};
    unsigned pos;
    int64_t inner;
    HONE_TRY(hone_space__stmt(s, in, 0, &loop, err));
    HONE_TRY(hone_space__partition_attrs(s, in, &t.n, &pos, &inner, err));
    t.extent = hone_loop_extent(&s->prog, loop);
    if (t.extent % inner) {
        *n = 0;
        return HONE_OK;
    }
    bool any;
    do
        any = next_tile(&t, d, n);
    while (any && !hone_space__is_partitioned(d, t.n, pos, inner));
    if (!any)
        *n = 0;
    return HONE_OK;
}

/* ---- choices --------------------------------------------------------------------------------- */

/* rows: the extent of a register tile's rows; NULL: it is none. */
static hone_status next_choice(const hone_sched *s, const hone_inst *in, const int64_t *rows,
                               int64_t *d, uint32_t *n, hone_error *err)
{
    hone_value c, p;
    HONE_TRY(hone_space__choices(s, in, &c, &p, err));
    for (int64_t k = *n ? d[0] + 1 : 0; k < c.n; k++)
        if (hone_space__weight(&s->trace.values.v[p.first + k]) > 0 &&
            (!rows || hone_space__register_tile_fits(&s->trace, &c, k, *rows))) {
            d[0] = k;
            *n = 1;
            return HONE_OK;
        }
    *n = 0;
    return HONE_OK;
}

static hone_status next_location(hone_sched *s, const hone_inst *in, int64_t *d, uint32_t *n,
                                 hone_error *err)
{
    int64_t open[HONE_SPACE_MAX_OUTPUTS + 2];
    hone_stmt block;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    unsigned m = hone_stmt_at(&s->prog, block)->out.i
                     ? hone_space__compute_locations(&s->prog, block, open, HONE_LEN(open))
                     : 0;
    for (unsigned k = 0; k < m; k++)
        if (*n == 0 || open[k] > d[0]) {
            d[0] = open[k];
            *n = 1;
            return HONE_OK;
        }
    *n = 0;
    return HONE_OK;
}

/* ---- the table ------------------------------------------------------------------------------- */

hone_status hone_space__next_decision(hone_sched *s, const hone_inst *in, int64_t *d, uint32_t *n,
                                      hone_error *err)
{
    tile t;
    hone_stmt row, column;
    int64_t rows;
    switch (in->kind) {
    case HONE_INST_SamplePerfectTile:
    case HONE_INST_SampleImperfectTile:
        HONE_TRY(tile_of(s, in, &t, err));
        if (!next_tile(&t, d, n))
            *n = 0;
        return HONE_OK;
    case HONE_INST_SamplePartitionedTile:
        return next_partitioned(s, in, d, n, err);
    case HONE_INST_SampleCategorical:
        return next_choice(s, in, NULL, d, n, err);
    case HONE_INST_SampleRegisterTile:
        HONE_TRY(hone_space__stmt(s, in, 0, &row, err));
        HONE_TRY(hone_space__stmt(s, in, 1, &column, err));
        rows = hone_loop_extent(&s->prog, row);
        return next_choice(s, in, &rows, d, n, err);
    case HONE_INST_SampleComputeLocation:
        return next_location(s, in, d, n, err);
    default:
        HONE_ASSERT(!hone_inst_samples(in->kind)); /* a new one belongs here */
        return hone_space__bad(err, in, "it takes no decision");
    }
}
