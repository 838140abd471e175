/* Several kernels, one budget: which of them the next trials gain most for.
 *
 * After n trials the next one takes a share HOPE / n of a kernel's time away. So it was on the mean
 * of 57 tunings of 44 trials and more on a Zen 3, from the eighth trial on (bench/shares.py, which
 * also tries other shares on them). Ansor's task scheduler hopes for now / n (Zheng et al., OSDI
 * 2020, sec. 6 and appendix A). Of what that has beside it, neither a kernel's own last gains nor
 * the speeds of similar kernels told more there. The first round goes to every kernel in turn: to
 * those that the network runs as long as there are no times (the first cover of each choice) before
 * all others, the heaviest first.
 *
 * Where the network has a choice it runs the fastest cover. What a task of another gains counts as
 * far as that cover, with all that its kernels may still gain, would be faster than the fastest is
 * now. A cover that is far behind gets its first round and no more; one that is close is given the
 * chance to pass. */
#include "tuner/tuner.h"

#include <math.h>

#define HOPE 0.04
/* What nine of ten kernels gained at most from trial n on is about MOST * log(ENOUGH / n) of their
 * time: 0.21 from the 8th, 0.15 from the 20th. */
#define MOST 0.08
#define ENOUGH 100

static double trials_of(const hone_task *x)
{
    return x->trials > 0 ? (double)x->trials : 1;
}

/* Time that one more trial may take away from a call of x, which has a time. */
static double hope(const hone_task *x)
{
    return x->best_ns * HOPE / trials_of(x);
}

/* The same of all further trials together, when they go well. */
static double most(const hone_task *x)
{
    return x->best_ns * MOST * fmax(log(ENOUGH / trials_of(x)), 0);
}

/* Of a cover now; 0: not known. */
static double time_of(const hone_tasks *t, const hone_cover *c)
{
    double ns = 0;
    for (uint32_t k = 0; k < c->n; k++) {
        if (!(t->v[c->task[k]].best_ns > 0))
            return 0;
        ns += t->v[c->task[k]].best_ns;
    }
    return ns;
}

static uint32_t runs_of(const hone_cover *c, uint32_t task)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < c->n; k++)
        n += c->task[k] == task;
    return n;
}

/* Of the fastest cover; 0: none is known. */
static double best_of(const hone_tasks *t, const hone_choice *c)
{
    double best = 0;
    for (uint32_t k = 0; k < c->n; k++) {
        double ns = time_of(t, &c->covers[k]);
        best = ns > 0 && (best <= 0 || ns < best) ? ns : best;
    }
    return best;
}

/* What one more trial of task `at` may take away from this cover of a choice, as far as it
 * counts. */
static double gain_of_cover(const hone_tasks *t, const hone_cover *c, double best, uint32_t at)
{
    double now = time_of(t, c), behind = now - best, all = 0;
    if (!(now > 0))
        return 0;
    for (uint32_t k = 0; k < c->n; k++)
        all += most(&t->v[c->task[k]]);
    double counts = behind <= 0 ? 1 : all > behind ? (all - behind) / all : 0;
    return counts * runs_of(c, at) * hope(&t->v[at]);
}

double hone_task_gain(const hone_tasks *t, uint32_t at)
{
    const hone_task *x = &t->v[at];
    if (!(x->best_ns > 0)) /* nothing right yet */
        return 0;
    double gain = x->weight * hope(x);
    for (uint32_t k = 0; k < t->n_choices; k++) {
        const hone_choice *c = &t->choices[k];
        double of_choice = 0; /* one cover is run */
        for (uint32_t j = 0; j < c->n; j++)
            if (runs_of(&c->covers[j], at))
                of_choice = fmax(of_choice, gain_of_cover(t, &c->covers[j], best_of(t, c), at));
        gain += c->weight * of_choice;
    }
    return gain;
}

/* How often the network may run the task. */
static double most_runs(const hone_tasks *t, uint32_t at)
{
    double n = t->v[at].weight;
    for (uint32_t k = 0; k < t->n_choices; k++) {
        uint32_t of_choice = 0;
        for (uint32_t j = 0; j < t->choices[k].n; j++) {
            uint32_t runs = runs_of(&t->choices[k].covers[j], at);
            of_choice = runs > of_choice ? runs : of_choice;
        }
        n += t->choices[k].weight * of_choice;
    }
    return n;
}

/* Has the network nothing to run where it would run this? */
static bool is_missing(const hone_tasks *t, uint32_t at)
{
    bool missing = t->v[at].weight > 0;
    if (t->v[at].best_ns > 0)
        return false;
    for (uint32_t k = 0; k < t->n_choices && !missing; k++)
        for (uint32_t j = 0; j < t->choices[k].n; j++)
            missing |= runs_of(&t->choices[k].covers[j], at) && best_of(t, &t->choices[k]) <= 0;
    return missing;
}

/* Does the network run it when no times say otherwise? */
static bool is_usual(const hone_tasks *t, uint32_t at)
{
    bool usual = t->v[at].weight > 0;
    for (uint32_t k = 0; k < t->n_choices && !usual; k++)
        usual = runs_of(&t->choices[k].covers[0], at) > 0;
    return usual;
}

static bool is_before(const hone_tasks *t, uint32_t a, uint32_t b)
{
    uint64_t na = t->v[a].trials, nb = t->v[b].trials;
    if (na == 0 && nb == 0 && is_usual(t, a) != is_usual(t, b))
        return is_usual(t, a);
    if (na == 0 || nb == 0)
        return na == nb ? most_runs(t, a) * t->v[a].ops > most_runs(t, b) * t->v[b].ops : na == 0;
    if (is_missing(t, a) || is_missing(t, b)) /* who has nothing yet is helped in turn */
        return na < nb;
    return hone_task_gain(t, a) > hone_task_gain(t, b);
}

uint32_t hone_task_next(const hone_tasks *t)
{
    uint32_t best = HONE_NO_TASK;
    for (uint32_t k = 0; k < t->n; k++)
        if (!t->v[k].busy && !t->v[k].over && (best == HONE_NO_TASK || is_before(t, k, best)))
            best = k;
    return best;
}

void hone_task_round(hone_task *t, double best_ns, uint64_t trials)
{
    t->trials = trials;
    if (best_ns > 0 && (t->best_ns <= 0 || best_ns < t->best_ns))
        t->best_ns = best_ns;
}
