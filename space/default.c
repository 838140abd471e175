/* The schedule that a target's registers and caches suggest, before anything was measured. */
#include "space/space.h"

hone_status hone_space_default(const hone_space *sp, hone_sched *s, bool *ret, hone_error *err)
{
    *ret = false;
    for (uint32_t k = 0; k < sp->seeds.n && !*ret; k++) {
        hone_status st = hone_space_finish(sp, &sp->seeds.v[k], s, err);
        if (st == HONE_E_INTERRUPTED)
            return st;
        *ret = st == HONE_OK && hone_trace_search_part(&s->trace) > 0 &&
               hone_verify(&s->prog, NULL) == HONE_OK;
    }
    return HONE_OK;
}
