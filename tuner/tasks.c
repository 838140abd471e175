/* Several kernels, one budget: which of them the next trials gain most for.
 *
 * The gain of a further round is what Ansor's task scheduler expects of it (Zheng et al., OSDI
 * 2020, sec. 6 and appendix A): a mixture of what the last rounds gained and of what may be hoped
 * for, which is a share that falls with the rounds already spent, or what similar kernels reach
 * already. The first round goes to every kernel in turn, the heaviest first.
 *
 * Of kernels that are one choice the network runs the fastest. What another of them gains counts
 * from where it becomes faster than that: one that is far behind gets its first round and, since
 * hope falls with the rounds, no more; one that is close is given the chance to pass. */
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

static double best_similar(const hone_task *t, uint32_t n, const hone_task *of)
{
    double best = 0;
    for (uint32_t k = 0; k < n; k++)
        if (t[k].group == of->group && &t[k] != of)
            best = fmax(best, speed(&t[k]));
    return best;
}

/* The least time of its choice, its own included; 0: there is none. */
static double best_of_choice(const hone_task *t, uint32_t n, const hone_task *of)
{
    double best = of->best_ns;
    for (uint32_t k = 0; k < n && of->choice; k++)
        if (t[k].choice == of->choice && t[k].best_ns > 0 && (best <= 0 || t[k].best_ns < best))
            best = t[k].best_ns;
    return best;
}

double hone_task_gain(const hone_task *t, uint32_t n, uint32_t at)
{
    const hone_task *x = &t[at];
    double now = x->best_ns, hoped = now / x->rounds, similar = best_similar(t, n, x);
    if (now <= 0) /* nothing right yet: one round in so many, as if all of its time were to gain */
        return 0;
    if (similar > 0 && x->rounds <= PATIENCE)
        hoped = fmax(hoped, now - BETA * x->ops / similar);
    double past = x->rounds > WINDOW ? (x->past_ns[WINDOW - 1] - now) / WINDOW : 0;
    double ahead = best_of_choice(t, n, x) - (now - (ALPHA * past + (1 - ALPHA) * hoped));
    return x->weight * fmax(ahead, 0);
}

static bool is_before(const hone_task *t, uint32_t n, uint32_t a, uint32_t b)
{
    uint32_t ra = t[a].rounds, rb = t[b].rounds;
    if (ra == 0 || rb == 0)
        return ra == rb ? t[a].weight * t[a].ops > t[b].weight * t[b].ops : ra == 0;
    bool nothing_a = best_of_choice(t, n, &t[a]) <= 0, nothing_b = best_of_choice(t, n, &t[b]) <= 0;
    if (nothing_a || nothing_b) /* who has nothing yet is helped in turn */
        return ra < rb;
    return hone_task_gain(t, n, a) > hone_task_gain(t, n, b);
}

uint32_t hone_task_next(const hone_task *t, uint32_t n)
{
    uint32_t best = HONE_NO_TASK;
    for (uint32_t k = 0; k < n; k++)
        if (!t[k].busy && !t[k].over && (best == HONE_NO_TASK || is_before(t, n, k, best)))
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
