/* calibrate: shared by the files of this folder only. */
#ifndef HONE_CALIBRATE_INTERNAL_H
#define HONE_CALIBRATE_INTERNAL_H

#include "space/space.h"
#include "tuner/calibrate/calibrate.h"

#define HONE_PROBE(name, unit, file, text)                                    \
    hone_status hone_calibrate__##name(const hone_target *t, int32_t threads, \
                                       hone_probe_plan *ret, hone_error *err) HONE_NODISCARD;
#include "tuner/calibrate/probes.def"
#undef HONE_PROBE

/* ---- kernels of probes (kernel.c) ------------------------------------------------------------ */

/* A kernel with one stage "S" and its schedule: the loops in `order`, by their names ("t r k i u
 * v"), of which t is run by threads, i and u are unrolled and v is a vector. `sums`: the stage adds
 * up, in registers within one turn of t. */
typedef struct hone_calibrate__kernel {
    const char *text; /* of the workload language; its sizes are T, R, K, I, U, V */
    const char *order;
    int64_t T, R, K, I, U, V;
    bool sums;
} hone_calibrate__kernel;
hone_status hone_calibrate__make(const hone_calibrate__kernel *k, hone_probe_plan *ret,
                                 hone_error *err) HONE_NODISCARD;
/* Numbers in a vector of the target: of f32. */
int64_t hone_calibrate__lanes(const hone_target *t);

#endif
