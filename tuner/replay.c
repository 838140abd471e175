/* A search against recorded results: no device, no clock, and the same every time. */
#include "tuner/tuner.h"

#define BATCH 16
#define PATIENCE                                                                    \
    64 /* batches in a row of which the record knows nothing: it has no more to say \
        */

hone_status hone_replay(const hone_replay_options *o, hone_replay_result *ret, hone_error *err)
{
    hone_search *s = hone_search_new(o->strategy, o->space,
                                     &(hone_search_options){.seed = o->seed,
                                                            .without = o->without,
                                                            .machine = o->machine,
                                                            .stop = o->stop,
                                                            .stop_ctx = o->stop_ctx});
    hone_status st = HONE_OK;
    *ret = (hone_replay_result){0};
    for (unsigned idle = 0; ret->trials < o->trials && idle < PATIENCE && st == HONE_OK;) {
        hone_candidate c[BATCH];
        uint32_t n = 0;
        uint64_t left = o->trials - ret->trials;
        st = hone_search_ask(s, left < BATCH ? (uint32_t)left : BATCH, c, &n, err);
        if (n == 0)
            break;
        idle++;
        for (uint32_t k = 0; k < n; k++) {
            hone_outcome r = {.id = c[k].id, .trace = c[k].trace, .hash = c[k].hash};
            if (o->look(o->ctx, c[k].hash, &r.status, &r.time_ns)) {
                idle = 0;
                if (r.status == HONE_OK && (ret->best_ns == 0 || r.time_ns < ret->best_ns))
                    ret->best_ns = r.time_ns;
                if (o->curve)
                    o->curve[ret->trials] = ret->best_ns;
                ret->trials++;
                hone_search_tell(s, &r);
            } else {
                ret->unknown++; /* nothing is learned of it, and it is not asked for again */
            }
            hone_candidate_free(&c[k]);
        }
    }
    hone_search_free(s);
    return st;
}
