/* Exhaustive search: every candidate of the space once, in the order of hone_enum. It learns
 * nothing and draws nothing; what others find can be held to what there is. */
#include "tuner/strategy.h"

#include <math.h>

typedef struct exhaustive {
    hone_strategy_env *env;
    hone_enum *order;
    const hone_trace
        *at; /* the order's: to be offered, or offered when a stop came; NULL: neither */
} exhaustive;

static bool stopped(void *env)
{
    return hone_strategy_stopped(env);
}

static void *start(hone_strategy_env *env)
{
    exhaustive *x = hone_xcalloc(1, sizeof *x);
    x->env = env;
    x->order = hone_enum_new(env->space, stopped, env);
    return x;
}

static void end(void *self)
{
    exhaustive *x = self;
    hone_enum_free(x->order);
    free(x);
}

static hone_status next(exhaustive *x, hone_error *err)
{
    int64_t from = hone_clock_ns();
    hone_status st = hone_enum_next(x->order, &x->at, err);
    x->env->stats.replay_ns += hone_clock_ns() - from;
    return st;
}

/* What the log has is known by its key alone: a search that goes on does not replay it here. */
static hone_status ask(void *self, hone_error *err)
{
    exhaustive *x = self;
    while (hone_strategy_wanted(x->env) && !hone_strategy_stopped(x->env)) {
        if (!x->at)
            HONE_TRY(next(x, err));
        if (!x->at)
            break;
        hone_strategy_offer(x->env, x->at, "exhaustive", NAN);
        if (!hone_strategy_stopped(x->env))
            x->at = NULL;
    }
    return HONE_OK;
}

static void tell(void *self, const hone_lesson *lesson)
{
    (void)self;
    (void)lesson;
}

const hone_strategy hone_strategy_exhaustive = {
    .name = "exhaustive",
    .summary = "every candidate of the space once, in a fixed order",
    .blind = true,
    .whole = true,
    .start = start,
    .end = end,
    .ask = ask,
    .tell = tell,
};
