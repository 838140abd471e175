/* Several kernels, one budget: which of them the next trials gain most for.
 *
 * The gain of a further round is what Ansor's task scheduler expects of it (Zheng et al., OSDI
 * 2020, sec. 6 and appendix A): a mixture of what the last rounds gained and of what may be hoped
 * for, which is a share that falls with the rounds already spent, or what similar kernels reach
 * already. The first round goes to every kernel in turn: to those that the network runs as long as
 * there are no times (the first cover of each choice) before all others, the heaviest first.
 *
 * Where the network has a choice it runs the fastest cover. What a task of a cover gains counts as
 * far as the cover, if all of its tasks gained what may be hoped of them, would be faster than the
 * fastest is now; tasks of a cover share that by what is hoped of each. Of the fastest itself that
 * is all that is hoped; a cover that is far behind gets its first rounds and, since hope falls with
 * the rounds, no more; one that is close is given the chance to pass. */
#include "tuner/tuner.h"

#include <math.h>

#define ALPHA 0.2  /* weight of the past; the rest is hope */
#define BETA 2     /* a kernel is taken to reach half the speed of a similar one */
#define WINDOW 3   /* rounds that the past is judged by */
#define PATIENCE 5 /* rounds after which a kernel that stays behind similar ones is unlike them */

static double speed(const hone_task *t)
{
    return t->best_ns > 0 ? t->ops / t->best_ns : 0;
}

static double best_similar(const hone_tasks *t, const hone_task *of)
{
    double best = 0;
    for (uint32_t k = 0; k < t->n; k++)
        if (t->v[k].group == of->group && &t->v[k] != of)
            best = fmax(best, speed(&t->v[k]));
    return best;
}

/* Time that one more round may take away from a call of x, which has a time. */
static double hope(const hone_tasks *t, const hone_task *x)
{
    double now = x->best_ns, hoped = now / x->rounds, similar = best_similar(t, x);
    if (similar > 0 && x->rounds <= PATIENCE)
        hoped = fmax(hoped, now - BETA * x->ops / similar);
    double past = x->rounds > WINDOW ? (x->past_ns[WINDOW - 1] - now) / WINDOW : 0;
    return ALPHA * past + (1 - ALPHA) * hoped;
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

/* What task `at` has of the gain of a choice from this cover. */
static double gain_of_cover(const hone_tasks *t, const hone_cover *c, double best, uint32_t at)
{
    double now = time_of(t, c), all = 0, own = 0;
    for (uint32_t k = 0; k < c->n && now > 0; k++) {
        double h = hope(t, &t->v[c->task[k]]);
        all += h;
        own += c->task[k] == at ? h : 0;
    }
    return own > 0 ? fmax(best - (now - all), 0) * own / all : 0;
}

double hone_task_gain(const hone_tasks *t, uint32_t at)
{
    const hone_task *x = &t->v[at];
    if (!(x->best_ns > 0)) /* nothing right yet: one round in so many */
        return 0;
    double gain = x->weight > 0 ? x->weight * fmax(hope(t, x), 0) : 0;
    for (uint32_t k = 0; k < t->n_choices; k++) {
        const hone_choice *c = &t->choices[k];
        double most = 0; /* one cover is run */
        for (uint32_t j = 0; j < c->n; j++)
            if (runs_of(&c->covers[j], at))
                most = fmax(most, gain_of_cover(t, &c->covers[j], best_of(t, c), at));
        gain += c->weight * most;
    }
    return gain;
}

/* How often the network may run the task. */
static double most_runs(const hone_tasks *t, uint32_t at)
{
    double n = t->v[at].weight;
    for (uint32_t k = 0; k < t->n_choices; k++) {
        uint32_t most = 0;
        for (uint32_t j = 0; j < t->choices[k].n; j++) {
            uint32_t runs = runs_of(&t->choices[k].covers[j], at);
            most = runs > most ? runs : most;
        }
        n += t->choices[k].weight * most;
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
    uint32_t ra = t->v[a].rounds, rb = t->v[b].rounds;
    if (ra == 0 && rb == 0 && is_usual(t, a) != is_usual(t, b))
        return is_usual(t, a);
    if (ra == 0 || rb == 0)
        return ra == rb ? most_runs(t, a) * t->v[a].ops > most_runs(t, b) * t->v[b].ops : ra == 0;
    if (is_missing(t, a) || is_missing(t, b)) /* who has nothing yet is helped in turn */
        return ra < rb;
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

void hone_task_round(hone_task *t, double best_ns)
{
    for (unsigned k = HONE_LEN(t->past_ns); k-- > 1;)
        t->past_ns[k] = t->past_ns[k - 1];
    t->past_ns[0] = t->best_ns;
    t->rounds++;
    if (best_ns > 0 && (t->best_ns <= 0 || best_ns < t->best_ns))
        t->best_ns = best_ns;
}
