/* Rung default: the first of the space's seeds that is legal, which follows from the target's
 * registers and caches alone; or the program as written, where there is none. */
#include "tuner/lookup/internal.h"

#include <math.h>

hone_status hone_lookup__default(lookup *l, finding *ret, hone_error *err)
{
    HONE_TRY(hone_lookup__prepare(l, err));
    const hone_space *sp = l->space;
    for (uint32_t k = 0; k < sp->seeds.n && !ret->found; k++) {
        hone_status st = hone_space_finish(sp, &sp->seeds.v[k], &ret->sched, err);
        if (st == HONE_E_INTERRUPTED)
            return st;
        ret->found = st == HONE_OK && hone_trace_search_part(&ret->sched.trace) > 0 &&
                     hone_verify(&ret->sched.prog, NULL) == HONE_OK;
    }
    if (ret->found) {
        ret->what = hone_xstrdup("the schedule that follows from the processor's registers and "
                                 "caches");
        return hone_lookup__predict(l, ret, err);
    }
    hone_sched_start(&ret->sched, l->q->program, NULL);
    ret->found = ret->as_written = true;
    ret->cost = HUGE_VAL; /* any schedule is better */
    ret->what = hone_xstrdup("no schedule of its space is legal; the program as written");
    return HONE_OK;
}
