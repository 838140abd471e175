/* The choice among variants, greedily, and the borders between them. */
#include "tuner/lookup/size_choice.h"

#include <math.h>

static double cost_at(const hone_size_question *q, unsigned v, unsigned s)
{
    return q->cost[(size_t)v * q->n_sizes + s];
}

/* Weighted mean of the cost, with those that are taken and `also`; infinite: some size has none. */
static double mean_cost(const hone_size_question *q, const bool *taken, unsigned also)
{
    double sum = 0, weight = 0;
    for (unsigned s = 0; s < q->n_sizes; s++) {
        double best = INFINITY;
        for (unsigned v = 0; v < q->n; v++)
            if (taken[v] || v == also)
                best = fmin(best, cost_at(q, v, s));
        sum += q->weights[s] * best;
        weight += q->weights[s];
    }
    return sum / weight;
}

/* The first is the best that does all sizes; the others each save the most. */
static void take(const hone_size_question *q, bool *taken)
{
    double now = INFINITY;
    for (unsigned round = 0; round < q->max; round++) {
        double least = INFINITY;
        unsigned best = q->n;
        for (unsigned v = 0; v < q->n; v++) {
            double cost = taken[v] ? INFINITY : mean_cost(q, taken, v);
            if (cost < least) {
                least = cost;
                best = v;
            }
        }
        if (best == q->n || !(least < now - (round ? q->gain : 0)))
            return;
        taken[best] = true;
        now = least;
    }
}

static unsigned cheapest(const hone_size_question *q, const bool *taken, unsigned s)
{
    unsigned best = q->n;
    for (unsigned v = 0; v < q->n; v++)
        if (taken[v] && (best == q->n || cost_at(q, v, s) < cost_at(q, best, s)))
            best = v;
    return best;
}

/* The last size that a has, between size s, which is a's, and the next, which is b's. */
static int64_t border(const hone_size_question *q, unsigned a, unsigned b, unsigned s)
{
    int64_t from = q->sizes[s], to = q->sizes[s + 1];
    int64_t most = q->most[a] < to - 1 ? q->most[a] : to - 1;
    double ahead = cost_at(q, b, s) - cost_at(q, a, s),
           behind = cost_at(q, a, s + 1) - cost_at(q, b, s + 1);
    int64_t last = most;
    if (q->most[b] < to || !isfinite(ahead))
        return last;
    if (isfinite(behind) && ahead + behind > 0)
        last = (int64_t)exp(log((double)from) +
                            ahead / (ahead + behind) * log((double)to / (double)from));
    last = last < from ? from : last;
    return last < most ? last : most;
}

static void add(hone_size_choice *c, int64_t last, unsigned v)
{
    if (c->ranges.n && c->ranges.v[c->ranges.n - 1].variant == v)
        c->ranges.v[c->ranges.n - 1].last = last;
    else
        hone_vec_push(&c->ranges, ((hone_size_range){last, v}));
}

void hone_size_choose(const hone_size_question *q, hone_size_choice *ret)
{
    bool *taken = hone_xcalloc(q->n, sizeof *taken), *all = hone_xcalloc(q->n, sizeof *all);
    *ret = (hone_size_choice){.regret = 0};
    HONE_ASSERT(q->n_sizes > 0 && q->max > 0 && q->max <= HONE_SIZE_CHOICE_MAX);
    take(q, taken);
    for (unsigned v = 0; v < q->n; v++)
        all[v] = true;
    ret->regret = mean_cost(q, taken, q->n) - mean_cost(q, all, q->n);
    for (unsigned s = 0; s < q->n_sizes; s++) {
        unsigned v = cheapest(q, taken, s);
        if (s + 1 == q->n_sizes) {
            add(ret, q->sizes[s], v);
            break;
        }
        unsigned next = cheapest(q, taken, s + 1);
        add(ret, next == v ? q->sizes[s + 1] : border(q, v, next, s), v);
    }
    free(taken);
    free(all);
}
