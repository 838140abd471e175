/* Which variants a function for a range of sizes has: every size has one that does it, the borders
 * are where costs cross, no more variants than pay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tuner/lookup/size_choice.h"

#include <math.h>

enum { MOST = 12, SIZES = 40 };

typedef struct random_question {
    hone_size_question q;
    int64_t sizes[SIZES], most[MOST];
    double weights[SIZES], cost[MOST * SIZES];
} random_question;

static void make(random_question *r, hone_rng *rng)
{
    r->q = (hone_size_question){.n = 1 + (unsigned)hone_rng_below(rng, MOST),
                                .n_sizes = 1 + (unsigned)hone_rng_below(rng, SIZES),
                                .sizes = r->sizes,
                                .weights = r->weights,
                                .cost = r->cost,
                                .most = r->most,
                                .max = 1 + (unsigned)hone_rng_below(rng, HONE_SIZE_CHOICE_MAX),
                                .gain = 0.01 * hone_rng_double(rng)};
    int64_t at = 0;
    for (unsigned s = 0; s < r->q.n_sizes; s++) {
        at += 1 + (int64_t)hone_rng_below(rng, 1 + s * s);
        r->sizes[s] = at;
        r->weights[s] = 0.1 + hone_rng_double(rng);
    }
    for (unsigned v = 0; v < r->q.n; v++) {
        r->most[v] = v ? r->sizes[hone_rng_below(rng, r->q.n_sizes)] : at;
        for (unsigned s = 0; s < r->q.n_sizes; s++)
            r->cost[v * r->q.n_sizes + s] =
                r->sizes[s] <= r->most[v] ? 3 * hone_rng_double(rng) : INFINITY;
    }
}

static double cost_of(const hone_size_question *q, unsigned v, unsigned s)
{
    return q->cost[v * q->n_sizes + s];
}

/* As the tree of comparisons finds it. */
static unsigned variant_of(const hone_size_choice *c, int64_t size)
{
    uint32_t lo = 0, hi = c->ranges.n - 1;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (size <= c->ranges.v[mid].last)
            hi = mid;
        else
            lo = mid + 1;
    }
    return c->ranges.v[lo].variant;
}

static void every_size_has_one(void **state)
{
    (void)state;
    hone_rng rng;
    hone_rng_seed(&rng, 5);
    for (int round = 0; round < 3000; round++) {
        random_question r;
        hone_size_choice c;
        bool used[MOST] = {false};
        unsigned n_used = 0, at = 0;
        make(&r, &rng);
        hone_size_choose(&r.q, &c);
        int64_t from = r.sizes[0], last = r.sizes[r.q.n_sizes - 1];
        assert_true(c.ranges.n > 0 && c.ranges.v[c.ranges.n - 1].last == last);
        for (uint32_t k = 0; k < c.ranges.n; k++) {
            const hone_size_range *x = &c.ranges.v[k];
            assert_true(x->last >= from && x->last <= r.most[x->variant]);
            assert_true(k == 0 || x->variant != x[-1].variant);
            n_used += !used[x->variant];
            used[x->variant] = true;
            from = x->last + 1;
        }
        assert_true(n_used <= r.q.max);
        for (int64_t size = r.sizes[0]; size <= last; size++) { /* the ranges one after the other */
            at += size > c.ranges.v[at].last;
            assert_int_equal(variant_of(&c, size), c.ranges.v[at].variant);
        }
        for (unsigned s = 0; s < r.q.n_sizes; s++) {
            unsigned v = variant_of(&c, r.sizes[s]);
            for (unsigned o = 0; o < r.q.n; o++)
                assert_true(!used[o] || cost_of(&r.q, v, s) <= cost_of(&r.q, o, s));
        }
        assert_true(c.regret >= 0);
        hone_vec_free(&c.ranges);
    }
}

/* Of three, the two that save the most; the border is half way between 10 and 1000. */
static void borders(void **state)
{
    (void)state;
    const int64_t sizes[] = {10, 1000}, most[] = {1000, 1000, 1000};
    const double weights[] = {1, 1}, cost[] = {2, 1, /**/ 1, 2, /**/ 1.9, 1.9};
    hone_size_question q = {.n = 3,
                            .n_sizes = 2,
                            .sizes = sizes,
                            .weights = weights,
                            .cost = cost,
                            .most = most,
                            .max = 2,
                            .gain = 0.01};
    hone_size_choice c;
    hone_size_choose(&q, &c);
    assert_int_equal(c.ranges.n, 2);
    assert_int_equal(c.ranges.v[0].variant, 1);
    assert_in_range(c.ranges.v[0].last, 99, 100);
    assert_int_equal(c.ranges.v[1].variant, 0);
    assert_true(c.regret == 0);
    hone_vec_free(&c.ranges);
    q.gain = 0.6; /* more than a second variant saves */
    hone_size_choose(&q, &c);
    assert_int_equal(c.ranges.n, 1);
    assert_true(fabs(c.regret - 0.5) < 1e-12);
    hone_vec_free(&c.ranges);
}

/* Weights say what counts. */
static void weights_count(void **state)
{
    (void)state;
    const int64_t sizes[] = {1, 2}, most[] = {2, 2};
    const double cost[] = {0, 1, /**/ 1.5, 0};
    for (int heavy = 0; heavy < 2; heavy++) {
        const double weights[] = {heavy ? 9 : 1, 1};
        hone_size_choice c;
        hone_size_choose(&(hone_size_question){.n = 2,
                                               .n_sizes = 2,
                                               .sizes = sizes,
                                               .weights = heavy ? weights : (double[]){1, 9},
                                               .cost = cost,
                                               .most = most,
                                               .max = 1},
                         &c);
        assert_int_equal(c.ranges.v[0].variant, !heavy);
        hone_vec_free(&c.ranges);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_has_one),
        cmocka_unit_test(borders),
        cmocka_unit_test(weights_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
