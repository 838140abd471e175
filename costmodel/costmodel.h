/* costmodel: which candidates are worth measuring.
 *
 *   features   one row of numbers per leaf block (costmodel/features.def)
 *   machine    the numbers the estimate reckons with (costmodel/machine.def)
 *   draft      an analytical estimate, good enough to start from nothing
 *   model      gradient-boosted trees (XGBoost) on top of the draft, trained on the log
 *
 * "Score" exists only in this room; outside it a lower cost is better.
 *
 * Threads: a model is used by one thread at a time, features belong to whoever has them; different
 * models and programs do not meet. The room has no state of its own. */
#ifndef HONE_COSTMODEL_H
#define HONE_COSTMODEL_H

#include "ir/ir.h"
#include "targets/target.h"

enum {
#define HONE_FEATURE(name, count, text) \
    HONE_FEATURE_##name, HONE_FEATURE_##name##_END = HONE_FEATURE_##name + (count)-1,
#include "costmodel/features.def"
#undef HONE_FEATURE
    HONE_N_FEATURES
};
/* Raised when a feature changes meaning: stored models of another version are not loaded. */
#define HONE_FEATURES_VERSION 6
/* Name of feature k, with its index when it is one of several: "arith_float[2]". Caller frees. */
char *hone_feature_name(unsigned k);
/* The features of a row of features.def: *ret_first and *ret_n after it. False: none has that name.
 */
bool hone_feature_find(const char *name, unsigned *ret_first, unsigned *ret_n);

/* ---- machine: what the draft reckons with ------------------------------------------------------
 */

/* Numbers of a target with so many threads, by costmodel/machine.def, which has their units. */
typedef struct hone_machine {
#define HONE_MACHINE(name, least, most, text) double name;
#include "costmodel/machine.def"
#undef HONE_MACHINE
} hone_machine;

/* Orders of magnitude, of the target's preset (targets/preset.h). */
void hone_machine_preset(const hone_target *t, hone_machine *ret);
/* Every number within what the table allows; what is not finite becomes that of `otherwise`. */
void hone_machine_bound(hone_machine *m, const hone_machine *otherwise);
/* JSON object, sorted by name. Caller frees. */
char *hone_machine_text(const hone_machine *m);
/* Of the text: equal for machines that the draft cannot tell apart. */
uint64_t hone_machine_hash(const hone_machine *m);
#define HONE_MACHINE_MAX_TEXT 4096 /* bytes */
/* Names that are not there are as the preset of t has them; unknown ones are a later hone's, and
 * passed over. HONE_E_INPUT (names the number at fault), HONE_E_LIMIT; *ret is then as it was. */
hone_status hone_machine_parse(const char *text, size_t n, const hone_target *t, hone_machine *ret,
                               hone_error *err) HONE_NODISCARD;

/* ---- features ----------------------------------------------------------------------------------
 */

/* rows x HONE_N_FEATURES floats, row-major; one row per leaf block in program order. */
typedef struct hone_features {
    HONE_VEC(float) v;
    uint32_t rows;
    double draft_ns; /* the analytical estimate for the whole program: > 0 */
    double fixed_ns; /* of that, what no row has: the call itself, the start of threads; > 0 */
} hone_features;
void hone_features_free(hone_features *f);
void hone_features_copy(hone_features *dst, const hone_features *src); /* dst's memory is reused */

/* Fills ret (its memory is reused). machine NULL: the target's preset. Cannot fail. Scratch
 * expressions may be added to p; its meaning does not change. Budget: 20 microseconds for a
 * scheduled matmul. */
void hone_features_extract(hone_program *p, const hone_target *t, int32_t threads,
                           const hone_machine *machine, hone_features *ret);

/* As if nothing were estimated: each row, and the whole, take the same time as any other. */
void hone_features_forget_draft(hone_features *f);

/* ---- fit: the draft's factors, from results (costmodel/fit.c) -----------------------------------
 */

typedef struct hone_fit hone_fit;
/* m: what the features to be added were extracted with. */
hone_fit *hone_fit_new(const hone_machine *m);
void hone_fit_free(hone_fit *f); /* NULL is fine */
/* A result of a task (hone_model_task); time_ns > 0. What is needed is copied. */
void hone_fit_add(hone_fit *f, uint64_t task, const hone_features *x, double time_ns);

/* Of drafts alone, of kernels whose results had no say in their factors. */
typedef struct hone_fit_quality {
    double off;           /* median of |ln(draft / time)| */
    double pair_accuracy; /* mean over kernels, as hone_model_quality has it; NaN: no pairs */
} hone_fit_quality;
typedef struct hone_fit_report {
    uint32_t results, kernels;
    hone_fit_quality before, after; /* with the factors as they were, and fitted */
    bool better; /* a larger share of pairs in order; or as large a one, and nearer to the times */
} hone_fit_report;
/* *ret: m, with the fitted factors when they are better. The same results give the same. False: too
 * few to fit, at least 50 of two kernels; *ret is m then, and of the report only the counts hold.
 */
bool hone_fit_solve(const hone_fit *f, hone_machine *ret, hone_fit_report *ret_report);

/* ---- model -------------------------------------------------------------------------------------
 */

typedef struct hone_model hone_model;
typedef enum hone_model_kind {
    HONE_MODEL_ON_DRAFT, /* hone's own: what the draft gets wrong, in logarithms of time */
    HONE_MODEL_PRIOR,    /* the same with larger trees, for what many kernels have in common */
    HONE_MODEL_PACK_SUM /* MetaSchedule's as published: throughput, from nothing; to compare with */
} hone_model_kind;
typedef struct hone_model_options {
    hone_model_kind kind;
    uint64_t seed;
    int32_t threads; /* XGBoost's; 1 keeps measurements undisturbed */
    /* Trained on other kernels; the model learns what it gets wrong. It outlives the model and may
     * serve several. NULL: none. Of ON_DRAFT only. */
    hone_model *prior;
    double trust; /* 0..1: share of the prior's word that counts before there are own results */
    unsigned held_out; /* which of every few candidates are kept from training: members of a
                          committee have different ones */
    double max_gain;   /* how far below the draft a time may lie, in logarithms; 0: 0.7 */
    uint32_t most;     /* candidates that are kept, at least 8: when there are more, the fastest
                          half of that and the latest quarter stay. 0: all */
    /* Looked at every few milliseconds of training; true ends it. NULL: never. */
    bool (*stop)(void *ctx);
    void *stop_ctx;
} hone_model_options;

/* Options are copied. */
hone_model *hone_model_new(const hone_model_options *o);
void hone_model_free(hone_model *m); /* NULL is fine */
/* Names a task: candidates whose times can be compared. Those of one unscheduled program, on one
 * target, with as many threads. */
uint64_t hone_model_task(const hone_program *base, const hone_target *t, int32_t threads);
/* Adds one measured candidate of a task: time_ns > 0, or 0 for a rejected one. Features are copied.
 * One model learns from many tasks: what makes candidates of each fast or slow, never that the
 * candidates of one are faster than those of another. */
void hone_model_add(hone_model *m, uint64_t task, const hone_features *f, double time_ns);
/* The same with the prior's word on it (hone_model_ask_prior). */
void hone_model_add_after(hone_model *m, uint64_t task, const hone_features *f, double time_ns,
                          double prior);
/* Trains on everything added, if there is enough new (see costmodel/model.c). HONE_E_MODEL,
 * HONE_E_INTERRUPTED (`stop` said so); the model then predicts as before. */
hone_status hone_model_train(hone_model *m, hone_error *err) HONE_NODISCARD;
/* ret_cost[k]: predicted ln(time) of f[k] up to a constant of the task; without training data, ln
 * of the draft. Of PACK_SUM: less the share of the best throughput, and 0 without data.
 * HONE_E_MODEL. */
hone_status hone_model_predict(hone_model *m, const hone_features *const *f, uint32_t n,
                               double *ret_cost, hone_error *err) HONE_NODISCARD;
/* ret[k]: what m's prior says of f[k], how much slower it is than its draft, in logarithms; 0
 * without one. It is the same for all models of one prior: who has several asks once. HONE_E_MODEL.
 */
hone_status hone_model_ask_prior(hone_model *m, const hone_features *const *f, uint32_t n,
                                 double *ret, hone_error *err) HONE_NODISCARD;
/* As hone_model_predict, with the prior's word on each, which may be NULL where there is none. */
hone_status hone_model_predict_after(hone_model *m, const hone_features *const *f, uint32_t n,
                                     const double *prior, double *ret_cost,
                                     hone_error *err) HONE_NODISCARD;
/* The trained booster as bytes, appended to ret: a line with versions and a checksum, then
 * XGBoost's own form. HONE_E_NOTFOUND (not trained), HONE_E_MODEL. */
hone_status hone_model_bytes(hone_model *m, hone_buf *ret, hone_error *err) HONE_NODISCARD;
/* m predicts as the model these bytes were made of; `name` is for messages. HONE_E_FOREIGN (another
 * kind of file), HONE_E_VERSION, HONE_E_CORRUPT, HONE_E_MODEL; the model is then as it was. */
hone_status hone_model_parse(hone_model *m, const char *bytes, size_t n, const char *name,
                             hone_error *err) HONE_NODISCARD;
/* The same to and from a file. save also: HONE_E_IO, HONE_E_FULL. load also: HONE_E_NOTFOUND,
 * HONE_E_LIMIT. */
hone_status hone_model_save(hone_model *m, const char *path, hone_error *err) HONE_NODISCARD;
hone_status hone_model_load(hone_model *m, const char *path, hone_error *err) HONE_NODISCARD;

/* What splits by each feature have gained in all, of a trained booster. False: it is not trained.
 */
bool hone_model_gains(const hone_model *m, double ret[HONE_N_FEATURES]);

typedef struct hone_model_metrics {
    uint32_t candidates;  /* at the last hone_model_train */
    uint32_t trained_on;  /* of those, when the trees were made; 0: not yet, the draft predicts */
    double pair_accuracy; /* share of held-out pairs of a task ordered rightly; NaN if unknown */
    double trust;         /* share of the prior's word that counts; 0: there is none */
    double train_ms;      /* of the last training */
    uint64_t asked;       /* candidates it was asked about, as a model or as others' prior */
} hone_model_metrics;
void hone_model_get_metrics(const hone_model *m, hone_model_metrics *ret);

/* ---- how good a model is (costmodel/quality.c) ------------------------------------------------
 */

/* Of one kernel's candidates, by what a model says of them. Shares of the best, 0..1. */
typedef struct hone_model_quality {
    double pair_accuracy; /* pairs ordered rightly, of those further apart than noise; NaN: none */
    double top1, top5;    /* least time / least time of the one, or five, thought fastest (Zheng et
                             al., TenSet, NeurIPS 2021) */
    double peak32; /* mean over k = 1..32 of: least time / least time of the k thought fastest
                      (MetaSchedule's average peak score) */
    uint32_t candidates;
} hone_model_quality;
/* cost, time_ns: n each, times > 0. noise: two times whose logarithms differ by no more are not
 * told apart. n 0: all NaN. */
void hone_model_judge(const double *cost, const double *time_ns, uint32_t n, double noise,
                      hone_model_quality *ret);

#endif
