/* How good the model is at kernels it has not seen: the log's kernels are dealt into folds; for
 * each fold a prior is trained on the others, and each of the fold's kernels is learned from
 * nothing, with and without that prior, to so many measurements. Or the log's machines are. */
#include "tuner/tuner.h"

#include <math.h>

#define NOISE 0.02 /* two times of a log differ by less for no reason */
#define LEAST 32   /* candidates that must be left to be judged */

typedef struct candidate {
    hone_features features;
    double ns; /* 0: rejected */
} candidate;

typedef struct kernel {
    hone_holdout_kernel name;
    uint64_t task, deal; /* dealt together with all that have the same */
    uint32_t group;
    HONE_VEC(candidate) v;
} kernel;

typedef struct set {
    HONE_VEC(kernel) kernels;
    uint32_t groups;
    bool by_machine;
} set;

/* Kernels of one hash, whatever their targets and threads, belong together; or those of one target.
 */
static uint64_t deal_of(const set *s, const hone_history_kernel *k)
{
    if (!s->by_machine)
        return k->hash;
    char *text = hone_target_text(k->target);
    uint64_t ret = hone_hash_bytes(1, text, strlen(text));
    free(text);
    return ret;
}

static bool take(void *ctx, const hone_history_kernel *k, const hone_history_result *r)
{
    set *s = ctx;
    kernel *last = s->kernels.n ? &s->kernels.v[s->kernels.n - 1] : NULL;
    if (!last || last->task != k->task) {
        kernel x = {.task = k->task, .deal = deal_of(s, k), .group = s->groups};
        for (uint32_t i = 0; i < s->kernels.n; i++)
            if (s->kernels.v[i].deal == x.deal)
                x.group = s->kernels.v[i].group;
        s->groups += x.group == s->groups;
        snprintf(x.name.name, sizeof x.name.name, "%s %s%s%s", k->name, k->sizes,
                 s->by_machine ? " on " : "", s->by_machine ? k->target->cpu : "");
        hone_vec_push(&s->kernels, x);
        last = &s->kernels.v[s->kernels.n - 1];
    }
    candidate c = {.ns = r->time_ns};
    hone_features_copy(&c.features, r->features);
    hone_vec_push(&last->v, c);
    return true;
}

/* The candidates in an order that does not depend on how they were found. */
static void shuffle(kernel *k, uint64_t seed)
{
    hone_rng rng;
    hone_rng_seed(&rng, hone_hash_mix(seed, k->task));
    for (uint32_t i = k->v.n; i > 1; i--) {
        uint32_t j = (uint32_t)hone_rng_below(&rng, i);
        candidate t = k->v.v[i - 1];
        k->v.v[i - 1] = k->v.v[j];
        k->v.v[j] = t;
    }
}

/* Judges by what is left when the first n are learned from. */
static hone_status judge(const kernel *k, uint32_t n, hone_model *prior,
                         const hone_holdout_options *o, hone_model_quality *ret, hone_error *err)
{
    hone_model *m = hone_model_new(&(hone_model_options){.seed = o->seed,
                                                         .threads = o->threads,
                                                         .prior = prior,
                                                         .trust = 1,
                                                         .stop = o->history.stop,
                                                         .stop_ctx = o->history.stop_ctx});
    for (uint32_t i = 0; i < n; i++)
        hone_model_add(m, k->task, &k->v.v[i].features, k->v.v[i].ns);
    hone_status st = hone_model_train(m, err);
    const hone_features **f = hone_xmalloc((k->v.n + 1) * sizeof *f);
    double *cost = hone_xmalloc((k->v.n + 1) * sizeof *cost),
           *ns = hone_xmalloc((k->v.n + 1) * sizeof *ns);
    uint32_t left = 0;
    for (uint32_t i = n; i < k->v.n; i++)
        if (k->v.v[i].ns > 0) {
            f[left] = &k->v.v[i].features;
            ns[left++] = k->v.v[i].ns;
        }
    if (st == HONE_OK)
        st = hone_model_predict(m, f, left, cost, err);
    if (st == HONE_OK)
        hone_model_judge(cost, ns, left, NOISE, ret);
    free(f);
    free(cost);
    free(ns);
    hone_model_free(m);
    return st;
}

static hone_status run_fold(const set *s, uint32_t fold, const hone_holdout_options *o,
                            hone_holdout_fn fn, void *ctx, hone_error *err)
{
    hone_model *prior = hone_model_new(&(hone_model_options){.kind = HONE_MODEL_PRIOR,
                                                             .seed = o->seed,
                                                             .threads = o->threads,
                                                             .stop = o->history.stop,
                                                             .stop_ctx = o->history.stop_ctx});
    for (uint32_t k = 0; k < s->kernels.n; k++) {
        const kernel *x = &s->kernels.v[k];
        for (uint32_t i = 0; i < x->v.n && x->group % o->folds != fold; i++)
            hone_model_add(prior, x->task, &x->v.v[i].features, x->v.v[i].ns);
    }
    hone_status st = hone_model_train(prior, err);
    for (uint32_t k = 0; k < s->kernels.n && st == HONE_OK; k++) {
        const kernel *x = &s->kernels.v[k];
        if (x->group % o->folds != fold)
            continue;
        if (o->history.stop && o->history.stop(o->history.stop_ctx))
            st = hone_fail(err, HONE_E_INTERRUPTED, "it was asked to stop");
        for (uint32_t at = 0; at < o->n_sizes && st == HONE_OK; at++) {
            hone_model_quality q[2];
            if (o->sizes[at] + LEAST > x->v.n)
                continue;
            for (int with = 0; with < 2 && st == HONE_OK; with++)
                st = judge(x, o->sizes[at], with ? prior : NULL, o, &q[with], err);
            if (st == HONE_OK)
                fn(ctx, &x->name, o->sizes[at], &q[0], &q[1]);
        }
    }
    hone_model_free(prior);
    return st;
}

hone_status hone_holdout(const hone_holdout_options *o, hone_holdout_fn fn, void *ctx,
                         hone_error *err)
{
    set s = {.by_machine = o->by_machine};
    hone_status st = hone_history_read(&o->history, take, &s, err);
    for (uint32_t k = 0; k < s.kernels.n; k++)
        shuffle(&s.kernels.v[k], o->seed);
    for (uint32_t fold = 0; fold < o->folds && fold < s.groups && st == HONE_OK; fold++)
        st = run_fold(&s, fold, o, fn, ctx, err);
    for (uint32_t k = 0; k < s.kernels.n; k++) {
        for (uint32_t i = 0; i < s.kernels.v[k].v.n; i++)
            hone_features_free(&s.kernels.v[k].v.v[i].features);
        hone_vec_free(&s.kernels.v[k].v);
    }
    hone_vec_free(&s.kernels);
    return st;
}
