/* cli: machines measured, for `hone calibrate` and `hone tune`. */
#ifndef HONE_CLI_CALIBRATE_H
#define HONE_CLI_CALIBRATE_H

#include "cli/cli.h"
#include "tuner/calibrate/calibrate.h"
#include "tuner/tuner.h"

typedef struct cli_calibrate_options {
    hone_db *db; /* open for writing */
    hone_pool *pool;
    const hone_target *target;
    int32_t threads;
    int64_t patience_ns; /* for a worker to come; 0: 10 s */
    bool force;          /* take the place of earlier numbers that are less noisy */
    cli_local *local;    /* those that may be on their way; NULL: none are */
    bool (*stop)(void *ctx);
    void (*on_turn)(void *ctx); /* or NULL */
    void *ctx;
} cli_calibrate_options;

typedef struct cli_calibration {
    hone_probe_results probes;
    hone_machine machine;
    uint32_t measured; /* bits, as of hone_calibrate_solve */
    hone_fit_report fit;
    hone_fit_quality preset; /* of drafts with the preset's numbers, when `fit` has a quality */
    double noise;            /* hone_calibrate_noise */
    bool stored;             /* false: the log has some of a machine that was less busy */
    double seconds;
    json_t *about; /* as stored; the caller decrefs when HONE_OK */
} cli_calibration;
/* Measures, fits to the log's results, and stores. Of a machine that was too busy a warning says
 * so, and less noisy numbers that the log has of the target are left in use. HONE_E_TOOL: no probe
 * succeeded. As hone_calibrate_run, hone_calibrate_refit and hone_calibrate_store else. */
hone_status cli_calibrate_now(const cli_calibrate_options *o, cli_calibration *ret,
                              hone_error *err) HONE_NODISCARD;
/* Whether a tune of so many trials and seconds (0: no limit) is so long that it gains by measuring
 * the machine first. */
bool cli_worth_calibrating(int64_t trials, int64_t seconds);
/* What a tune's drafts reckon with: what the log has measured of the target, else (may_measure)
 * what is measured now, unless there is no worker yet. *ret_known: *ret is set; else the preset
 * counts. A machine that cannot be measured is a warning. HONE_E_INTERRUPTED, and what a database
 * returns. */
hone_status cli_machine(const cli_calibrate_options *o, bool may_measure, hone_machine *ret,
                        bool *ret_known, hone_error *err) HONE_NODISCARD;

#endif
