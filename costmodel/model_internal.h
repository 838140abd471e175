/* costmodel: the learned model, shared by its files only. */
#ifndef HONE_COSTMODEL_MODEL_INTERNAL_H
#define HONE_COSTMODEL_MODEL_INTERNAL_H

#include "costmodel/costmodel.h"

#include <xgboost/c_api.h>

typedef struct sample {
    uint64_t task;
    uint32_t first, rows;
    bool held_out;                      /* from training, to measure the model's order */
    double ln_draft, fixed_ns, time_ns; /* time 0: rejected */
    double prior;                       /* what the prior says the draft gets wrong */
    double target, weight;
} sample;

typedef struct task_count {
    uint64_t task;
    uint32_t n; /* samples */
} task_count;

struct hone_model {
    hone_model_options o;
    BoosterHandle booster; /* NULL before the first training */
    double trust;          /* share of the prior's word that counts, in the training at hand */
    double trained_trust;  /* the same when the trees were made, which correct it */
    HONE_VEC(float) rows;  /* all samples' rows, HONE_N_FEATURES floats each */
    HONE_VEC(sample) samples;
    HONE_VEC(task_count) tasks;
    HONE_VEC(float) batch; /* rows of a prediction */
    hone_model_metrics metrics;
};

/* What a call of XGBoost returned, as a status. HONE_E_MODEL. */
hone_status hone_costmodel__xgb(int rc, hone_error *err);

#endif
