/* A session's parts, shared between session.c (the loop), dispatch.c (builds, measurements, the
 * log), compare.c (comparing) and final_race.c (the fastest few). Private to the room. */
#ifndef HONE_TUNER_INTERNAL_H
#define HONE_TUNER_INTERNAL_H

#include "tuner/tuner.h"

#define ATTEMPTS 3 /* at a candidate, when its worker fails and not the candidate */
#define FINALISTS 4
#define CONFIRMATIONS 6
#define WAIT_FOR_WORKERS_MS 10000
#define DATA_SEED 20200913u

typedef enum job_state { ASKED, BUILDING, BUILT, MEASURING, GONE } job_state;

typedef struct job {
    uint64_t id;
    job_state state;
    hone_candidate candidate;
    hone_artifact artifact;
    int attempts;
    int64_t build_ns;
} job;

/* A candidate worth a second look. */
typedef struct finalist {
    hone_artifact artifact;
    char *trace;
    uint64_t hash;
    int64_t time_ns, build_ns;
    double max_error;
} finalist;

typedef struct run {
    const hone_session_options *o;
    hone_session_result *r;
    hone_space *space;
    hone_search *search;
    char *program_text, *target_text, *state_text;
    int64_t flops, workload_id, target_id;
    double peak_gflops;
    hone_db_session session;
    hone_artifact reference;
    HONE_VEC(job) jobs;
    HONE_VEC(finalist) best; /* fastest first, at most FINALISTS; best.v[0] is the incumbent */
    uint64_t next_id;
    bool incumbent_is_default;
    int64_t started_ns, alone_since_ns;
    const char *phase;
    int64_t last_progress_ns;
} run;
/* session.c */
void hone_tuner__progress(run *u, bool now);
hone_status hone_tuner__on_event(run *u, hone_pool_event *e, hone_error *err) HONE_NODISCARD;
bool hone_tuner__is_as_written(const char *trace);

/* dispatch.c */
void hone_tuner__submit_build(run *u, const char *trace, uint64_t id, bool reference);
int hone_tuner__most_samples(const run *u);
/* plain: once or a few times, alone, as the program as written is. */
void hone_tuner__submit_measure(run *u, const hone_artifact *a, uint64_t id, bool plain,
                                int min_samples, int max_samples);
/* HONE_REJECT_*, HONE_E_INTERRUPTED, or the last failure. */
hone_status hone_tuner__build_now(run *u, const char *trace, bool reference, hone_artifact *ret,
                                  hone_error *err) HONE_NODISCARD;
hone_status hone_tuner__wait_for_workers(run *u, hone_error *err) HONE_NODISCARD;
/* One result and the session's state, durable together. */
hone_status hone_tuner__store(run *u, const char *trace, uint64_t hash, hone_status status,
                              const char *reason, int64_t build_ns, const hone_measure_result *m,
                              hone_error *err) HONE_NODISCARD;

/* compare.c */
double hone_tuner__lower_quartile(const double *v, int32_t n); /* n >= 1 */
bool hone_tuner__is_paired(const hone_measure_result *m);
double hone_tuner__ratio(const hone_measure_result *m);
int64_t hone_tuner__comparable_ns(const hone_measure_result *m, double incumbent_ns);

/* final_race.c */
void hone_tuner__finalist_free(finalist *f);
void hone_tuner__set_best(run *u, const finalist *f);
void hone_tuner__enter_finals(run *u, finalist f, bool wins);
hone_status hone_tuner__final_race(run *u, hone_error *err) HONE_NODISCARD;
hone_status hone_tuner__confirm(run *u, hone_error *err) HONE_NODISCARD;

#endif
