/* calibrate: what a machine can do, measured with kernels of known work.
 *
 *   probes    such kernels, with fixed schedules (tuner/calibrate/probes.def), made for a target
 *   run       built, checked and timed by workers as any candidate is
 *   solve     the numbers of the draft from what was measured
 *   store     with the target in the log; found again, and refitted to its results
 *
 * Threads: a run and its pool belong to one thread; the rest may be called by any. */
#ifndef HONE_CALIBRATE_H
#define HONE_CALIBRATE_H

#include "costmodel/costmodel.h"
#include "db/db.h"
#include "workers/workers.h"

typedef enum hone_probe_id {
#define HONE_PROBE(name, unit, file, text) HONE_PROBE_##name,
#include "tuner/calibrate/probes.def"
#undef HONE_PROBE
    HONE_PROBE_COUNT
} hone_probe_id;

typedef struct hone_probe_info {
    const char *name, *unit, *text;
} hone_probe_info;
const hone_probe_info *hone_probe_at(hone_probe_id k);

/* A probe made for a target. */
typedef struct hone_probe_plan {
    char *workload; /* program text, unscheduled */
    char *trace;    /* its schedule */
    int32_t threads;
    double work;  /* steps, operations or bytes of one call, of one thread */
    bool is_time; /* the value is ns for each of these, not these in a ns */
} hone_probe_plan;
/* HONE_E_NOTFOUND: nothing to measure on such a target (no L3, one thread only). HONE_REJECT_*: it
 * cannot be scheduled. The plan is the caller's to free. */
hone_status hone_probe_make(hone_probe_id k, const hone_target *t, int32_t threads,
                            hone_probe_plan *ret, hone_error *err) HONE_NODISCARD;
void hone_probe_plan_free(hone_probe_plan *p);

/* What became of a probe. */
typedef struct hone_probe_result {
    hone_status status; /* HONE_OK: value holds; HONE_E_NOTFOUND: nothing to measure */
    char reason[200];   /* when not HONE_OK */
    double value;       /* in the probe's unit: of the fastest quarter of samples the slowest */
    double spread;      /* (third quartile - first) / median of the samples */
    double seconds;     /* to build, check and time it */
} hone_probe_result;
typedef struct hone_probe_results {
    hone_probe_result of[HONE_PROBE_COUNT];
} hone_probe_results;

typedef struct hone_calibrate_options {
    hone_pool *pool;
    const hone_target *target;
    int32_t threads;
    int64_t patience_ns; /* for a worker to come, at any time; 0: 10 s */
    /* Is one of this role on its way: started, and not there yet? It is waited for all the same. */
    bool (*coming)(void *ctx, unsigned role);
    /* Looked at ten times a second and more; true ends it. May be NULL, as all of these. */
    bool (*stop)(void *ctx);
    void (*on_turn)(void *ctx);
    void (*on_probe)(void *ctx, hone_probe_id next); /* about to be made */
    void *ctx;
} hone_calibrate_options;
/* All probes in turn. A probe that fails or is rejected says so in its result. HONE_E_INTERRUPTED
 * (`stop`); HONE_E_PEER: there was no worker for so long. */
hone_status hone_calibrate_run(const hone_calibrate_options *o, hone_probe_results *ret,
                               hone_error *err) HONE_NODISCARD;

/* Which number of costmodel/machine.def. */
enum {
#define HONE_MACHINE(name, least, most, text) HONE_MACHINE_##name,
#include "costmodel/machine.def"
#undef HONE_MACHINE
    HONE_MACHINE_COUNT
};
/* The numbers that probes tell, each as docs/CALIBRATION.md has it; others, and those whose probes
 * failed or say what no machine does, are the preset's. *ret_measured: bit HONE_MACHINE_x is set
 * where x was measured. Pure. */
void hone_calibrate_solve(const hone_target *t, const hone_probe_results *r, hone_machine *ret,
                          uint32_t *ret_measured);

/* {"probes":{NAME:{"unit", "seconds", "value", "spread"} or {.., "status", "reason"}},
 * "measured":[names of machine.def]}. The caller decrefs. */
json_t *hone_calibrate_about(const hone_probe_results *r, uint32_t measured);
/* How far the samples of what numbers are made of lie apart, as a share of their median: of the
 * probes that solve takes the largest, half the spread. `about` is as hone_calibrate_about makes
 * it; INFINITY: it says nothing of that. Past HONE_CALIBRATE_NOISE the machine was busy. Pure. */
#define HONE_CALIBRATE_NOISE 0.5
double hone_calibrate_noise(const json_t *about);

/* With the target, which is made if need be; db is open for writing. What a database returns. */
hone_status hone_calibrate_store(hone_db *db, const hone_target *t, int32_t threads,
                                 const hone_machine *m, const json_t *about,
                                 hone_error *err) HONE_NODISCARD;
/* What was stored last of this target with so many threads. HONE_E_NOTFOUND; HONE_E_INPUT: it is
 * none that this hone can use; what a database returns. */
hone_status hone_calibrate_find(hone_db *db, const hone_target *t, int32_t threads,
                                hone_machine *ret, hone_error *err) HONE_NODISCARD;
/* The noise of that. As hone_calibrate_find. */
hone_status hone_calibrate_find_noise(hone_db *db, const hone_target *t, int32_t threads,
                                      double *ret, hone_error *err) HONE_NODISCARD;

typedef struct hone_calibrate_refit_options {
    hone_db *db;
    const hone_target *target; /* results of this one, with so many threads */
    int32_t threads;
    uint32_t most;           /* results, shared by the kernels; 0: all */
    bool (*stop)(void *ctx); /* asked before each; NULL: never */
    void *stop_ctx;
} hone_calibrate_refit_options;
/* Fits the factors of *m (hone_fit_solve) to the log's results; *m stays as it is where they are
 * too few or no better. HONE_E_INTERRUPTED, and what a database returns. */
hone_status hone_calibrate_refit(const hone_calibrate_refit_options *o, hone_machine *m,
                                 hone_fit_report *ret, hone_error *err) HONE_NODISCARD;

#endif
