/* costmodel: the learned model, shared by its files only. */
#ifndef HONE_COSTMODEL_MODEL_INTERNAL_H
#define HONE_COSTMODEL_MODEL_INTERNAL_H

#include "costmodel/internal.h"
#include "costmodel/trees.h"

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
    BoosterHandle booster;       /* NULL before the first training, and when the trees were read */
    hone_costmodel__trees trees; /* of a model that was read; no roots: there are none */
    hone_buf body;               /* the bytes they were read from, XGBoost's own form */
    double trust;         /* share of the prior's word that counts, in the training at hand */
    double trained_trust; /* the same when the trees were made, which correct it */
    HONE_VEC(float) rows; /* all samples' rows, HONE_N_FEATURES floats each */
    HONE_VEC(sample) samples;
    HONE_VEC(task_count) tasks;
    double learned;          /* of the samples that are there, as many as the last training had */
    HONE_VEC(float) batch;   /* rows of a prediction */
    HONE_VEC(float) outputs; /* and what trees say of them */
    hone_model_metrics metrics;
};

/* Has it something to add to the draft? */
static inline bool hone_costmodel__has_trees(const hone_model *m)
{
    return m->booster || m->trees.roots.n > 0;
}

/* The booster, NULL too, takes the place of what the model had. */
void hone_costmodel__replace(hone_model *m, BoosterHandle b);

/* ---- booster.c: XGBoost ---------------------------------------------------------------------- */

/* What a call of XGBoost returned, as a status. HONE_E_MODEL. */
hone_status hone_costmodel__xgb(int rc, hone_error *err);
typedef const char *hone_costmodel__setting[2];
/* own: settings up to {NULL, NULL}, beside those that all have. *ret is the caller's to free, also
 * after a failure when it is not NULL. HONE_E_MODEL. */
hone_status hone_costmodel__booster(DMatrixHandle data, const hone_costmodel__setting *own,
                                    uint64_t seed, int32_t threads, BoosterHandle *ret,
                                    hone_error *err);
/* Sums of the trees' outputs for each row of so many features; *ret is b's until it is asked again.
 * HONE_E_MODEL. */
hone_status hone_costmodel__ask(BoosterHandle b, const float *v, uint64_t rows, unsigned width,
                                const float **ret, hone_error *err);

/* ---- objective.c: what is learned, as formulas ----------------------------------------------- */

/* What the trees say of a candidate by their outputs s for its rows: how much slower it is than its
 * draft, in logarithms; of PACK_SUM its throughput. share[q] (NULL: not wanted) is how much of that
 * an output of row q moves. */
double hone_costmodel__combine(hone_model_kind kind, double fixed_ns, const float *v,
                               const float *s, uint32_t rows, double *share);

/* First derivatives of weight (said - target)^2 / 2 by the outputs for a candidate's rows, and
 * curvatures, where said and share are as hone_costmodel__combine has them. */
void hone_costmodel__squared(double said, double target, double weight, const double *share,
                             uint32_t rows, float *ret_grad, float *ret_hess);

#endif
