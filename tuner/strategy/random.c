/* Random search: the space's seeds, then candidates drawn at random. It learns nothing, and is what
 * other strategies are to be better than. */
#include "tuner/strategy.h"

#include <math.h>

#define SEEDS_FIRST 16
#define TRIES 512 /* in a row without a new candidate: there is no other */

typedef struct random_search {
    hone_strategy_env *env;
    uint32_t seeds; /* offered, or found to be known */
} random_search;

static void *start(hone_strategy_env *env)
{
    random_search *r = hone_xcalloc(1, sizeof *r);
    r->env = env;
    return r;
}

static hone_status ask(void *self, hone_error *err)
{
    (void)err;
    random_search *r = self;
    const hone_space *sp = r->env->space;
    while (r->seeds < sp->seeds.n && r->seeds < SEEDS_FIRST && hone_strategy_wanted(r->env) &&
           !hone_strategy_stopped(r->env))
        hone_strategy_offer(r->env, &sp->seeds.v[r->seeds++], "seed", NAN);
    for (uint32_t fails = 0; fails < TRIES && hone_strategy_wanted(r->env);) {
        bool found =
            hone_strategy_sample(r->env) && hone_strategy_offer_sched(r->env, "random", NAN);
        fails = found ? 0 : fails + 1;
    }
    return HONE_OK;
}

static void tell(void *self, const hone_lesson *lesson)
{
    (void)self;
    (void)lesson;
}

const hone_strategy hone_strategy_random = {
    .name = "random",
    .summary = "seeds, then candidates drawn at random",
    .blind = true,
    .start = start,
    .end = free,
    .ask = ask,
    .tell = tell,
};
