/* How good the model is at kernels it has not seen: the log's kernels are dealt into folds; for
 * each fold a prior is trained on the others, and each of the fold's kernels is learned from
 * nothing, with and without that prior, to so many measurements.
 *
 * Or the log's machines are. Kernels are then dealt into parts beside, so that what another machine
 * teaches can be told from what is only the same kernel: for each machine and part there is a prior
 * of the other parts on the other machines, and one of the other parts on this one. */
#include "tuner/tuner.h"

#include <math.h>

#define NOISE 0.02 /* two times of a log differ by less for no reason */
#define LEAST 32   /* candidates that must be left to be judged */
#define PARTS 5    /* of the kernels, when machines are held out */

typedef struct candidate {
    hone_features features;
    double ns; /* 0: rejected */
} candidate;

typedef struct kernel {
    hone_holdout_kernel name;
    uint64_t task, hash, deal; /* dealt together with all that have the same */
    uint32_t group, part;
    HONE_VEC(candidate) v;
} kernel;

typedef struct set {
    HONE_VEC(kernel) kernels;
    uint32_t groups, parts;
    const hone_holdout_options *o;
} set;

/* Kernels of one hash, whatever their targets and threads, belong together; or those of one target.
 */
static uint64_t deal_of(const set *s, const hone_history_kernel *k)
{
    if (!s->o->by_machine)
        return k->hash;
    char *text = hone_target_text(k->target);
    uint64_t ret = hone_hash_bytes(1, text, strlen(text));
    free(text);
    return ret;
}

static void begin_kernel(set *s, const hone_history_kernel *k)
{
    bool by_machine = s->o->by_machine;
    kernel x = {.task = k->task, .hash = k->hash, .deal = deal_of(s, k), .group = s->groups};
    x.part = s->parts;
    for (uint32_t i = 0; i < s->kernels.n; i++) {
        const kernel *y = &s->kernels.v[i];
        x.group = y->deal == x.deal ? y->group : x.group;
        x.part = y->hash == x.hash ? y->part : x.part;
    }
    s->groups += x.group == s->groups;
    s->parts += x.part == s->parts;
    snprintf(x.name.name, sizeof x.name.name, "%s %s%s%s", k->name, k->sizes,
             by_machine ? " on " : "", by_machine ? k->target->cpu : "");
    if (by_machine) {
        char *class = hone_target_class(k->target);
        x.name.machine = x.group;
        snprintf(x.name.cpu, sizeof x.name.cpu, "%s", k->target->cpu);
        snprintf(x.name.class, sizeof x.name.class, "%s", class);
        free(class);
    }
    hone_vec_push(&s->kernels, x);
}

static void make_blind(const bool *blind, hone_features *f)
{
    for (uint32_t at = 0; blind && at < f->v.n; at++)
        if (blind[at % HONE_N_FEATURES])
            f->v.v[at] = 0;
}

static bool take(void *ctx, const hone_history_kernel *k, const hone_history_result *r)
{
    set *s = ctx;
    if (!s->kernels.n || s->kernels.v[s->kernels.n - 1].task != k->task)
        begin_kernel(s, k);
    candidate c = {.ns = r->time_ns};
    hone_features_copy(&c.features, r->features);
    make_blind(s->o->blind, &c.features);
    hone_vec_push(&s->kernels.v[s->kernels.n - 1].v, c);
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

/* What is judged, and whom it is judged with. */
typedef struct held {
    uint32_t fold, part;
    hone_model *prior[HONE_HOLDOUT_TEACHERS];
} held;

static bool teaches(const set *s, const held *h, hone_holdout_teacher t, const kernel *x)
{
    bool here = x->group % s->o->folds == h->fold, same = x->part % PARTS == h->part;
    switch (t) {
    case HONE_HOLDOUT_OTHERS:
        return !here;
    case HONE_HOLDOUT_APART:
        return !here && !same;
    case HONE_HOLDOUT_OWN:
        return here && !same;
    default:
        return false;
    }
}

static hone_status make_prior(const set *s, held *h, hone_holdout_teacher t, hone_error *err)
{
    const hone_holdout_options *o = s->o;
    hone_model *m = hone_model_new(&(hone_model_options){.kind = HONE_MODEL_PRIOR,
                                                         .seed = o->seed,
                                                         .threads = o->threads,
                                                         .stop = o->history.stop,
                                                         .stop_ctx = o->history.stop_ctx});
    bool any = false;
    for (uint32_t k = 0; k < s->kernels.n; k++) {
        const kernel *x = &s->kernels.v[k];
        for (uint32_t i = 0; i < x->v.n && teaches(s, h, t, x); i++) {
            hone_model_add(m, x->task, &x->v.v[i].features, x->v.v[i].ns);
            any = true;
        }
    }
    hone_status st = any ? hone_model_train(m, err) : HONE_OK;
    if (any)
        h->prior[t] = m;
    else
        hone_model_free(m);
    return st;
}

static void drop_prior(held *h, hone_holdout_teacher t)
{
    hone_model_free(h->prior[t]);
    h->prior[t] = NULL;
}

static hone_status judge_kernel(const set *s, const held *h, const kernel *x, hone_holdout_fn fn,
                                void *ctx, hone_error *err)
{
    const hone_holdout_options *o = s->o;
    hone_status st = HONE_OK;
    if (o->history.stop && o->history.stop(o->history.stop_ctx))
        return hone_fail(err, HONE_E_INTERRUPTED, "it was asked to stop");
    for (uint32_t at = 0; at < o->n_sizes && st == HONE_OK; at++) {
        hone_model_quality q[HONE_HOLDOUT_TEACHERS];
        if (o->sizes[at] + LEAST > x->v.n)
            continue;
        for (int t = 0; t < HONE_HOLDOUT_TEACHERS && st == HONE_OK; t++) {
            q[t] = (hone_model_quality){NAN, NAN, NAN, NAN, 0};
            if (t == HONE_HOLDOUT_NOBODY || h->prior[t])
                st = judge(x, o->sizes[at], h->prior[t], o, &q[t], err);
        }
        if (st == HONE_OK)
            fn(ctx, &x->name, o->sizes[at], q);
    }
    return st;
}

/* Kernels of a fold, those of one part or of all. */
static hone_status judge_part(const set *s, held *h, bool all, hone_holdout_fn fn, void *ctx,
                              hone_error *err)
{
    hone_status st = HONE_OK;
    bool ready = all;
    for (uint32_t k = 0; k < s->kernels.n && st == HONE_OK; k++) {
        const kernel *x = &s->kernels.v[k];
        if (x->group % s->o->folds != h->fold || (!all && x->part % PARTS != h->part))
            continue;
        for (int t = HONE_HOLDOUT_APART; !ready && t <= HONE_HOLDOUT_OWN && st == HONE_OK; t++)
            st = make_prior(s, h, t, err);
        ready = true;
        if (st == HONE_OK)
            st = judge_kernel(s, h, x, fn, ctx, err);
    }
    drop_prior(h, HONE_HOLDOUT_APART);
    drop_prior(h, HONE_HOLDOUT_OWN);
    return st;
}

static hone_status run_fold(const set *s, uint32_t fold, hone_holdout_fn fn, void *ctx,
                            hone_error *err)
{
    held h = {.fold = fold};
    uint32_t parts = s->o->by_machine ? PARTS : 1;
    hone_status st = make_prior(s, &h, HONE_HOLDOUT_OTHERS, err);
    for (; h.part < parts && st == HONE_OK; h.part++)
        st = judge_part(s, &h, parts == 1, fn, ctx, err);
    drop_prior(&h, HONE_HOLDOUT_OTHERS);
    return st;
}

hone_status hone_holdout(const hone_holdout_options *o, hone_holdout_fn fn, void *ctx,
                         hone_error *err)
{
    set s = {.o = o};
    hone_status st = hone_history_read(&o->history, take, &s, err);
    for (uint32_t k = 0; k < s.kernels.n; k++)
        shuffle(&s.kernels.v[k], o->seed);
    for (uint32_t fold = 0; fold < o->folds && fold < s.groups && st == HONE_OK; fold++)
        st = run_fold(&s, fold, fn, ctx, err);
    for (uint32_t k = 0; k < s.kernels.n; k++) {
        for (uint32_t i = 0; i < s.kernels.v[k].v.n; i++)
            hone_features_free(&s.kernels.v[k].v.v[i].features);
        hone_vec_free(&s.kernels.v[k].v);
    }
    hone_vec_free(&s.kernels);
    return st;
}
