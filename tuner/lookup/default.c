/* Rung default: the first of the space's seeds that is legal, which follows from the target's
 * registers and caches alone; or the program as written, where there is none. */
#include "tuner/lookup/internal.h"

#include <math.h>

void hone_lookup__as_written(lookup *l, finding *ret, char *what)
{
    hone_sched_start(&ret->sched, l->q->program, NULL);
    ret->found = ret->as_written = true;
    ret->cost = HUGE_VAL; /* any schedule is better */
    free(ret->what);
    ret->what = what;
}

hone_status hone_lookup__default(lookup *l, finding *ret, hone_error *err)
{
    HONE_TRY(hone_lookup__prepare(l, err));
    HONE_TRY(hone_space_default(l->space, &ret->sched, &ret->found, err));
    if (ret->found) {
        ret->what = hone_xstrdup("the schedule that follows from the processor's registers and "
                                 "caches");
        return hone_lookup__predict(l, ret, err);
    }
    hone_lookup__as_written(
        l, ret, hone_xstrdup("no schedule of its space is legal; the program as written"));
    return HONE_OK;
}
