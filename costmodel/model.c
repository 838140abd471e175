/* Gradient-boosted trees on top of the draft, through XGBoost's C API.
 *
 * What they are made to lessen is in costmodel/objective.c: the squared error of logarithms of
 * time, where a candidate weighs w_i = (fastest / time_i)^(1/4), so that telling good candidates
 * apart matters most. A rejected candidate counts as twice the slowest time with a small weight:
 * the model learns to avoid it. At no data the model is the draft.
 *
 * With a prior, which is such a model of other kernels, its correction times a trust in 0..1 is
 * added to the draft's logarithm first, in predictions and in what is left to learn.
 *
 * The other kind is the objective as MetaSchedule has it: outputs of rows are summed, y_i = fastest
 * / time_i, 0 when rejected, all weights 1, deep trees, and the cost is minus the sum (TVM 0.20,
 * tune_context and xgb_model).
 *
 * Reader's map: samples; what trees say; the prior and trust in it; training; prediction. */
#include "costmodel/model_internal.h"

#include <errno.h>
#include <math.h>

#define ROUNDS 60
#define PRIOR_ROUNDS 100
#define MIN_SAMPLES 8 /* candidates, before the first training */
#define GROWTH 1.25   /* train again when there is that much more */
#define FEW 32        /* candidates that are learned from, for which steps are short */
#define HELD_OUT 6    /* every n-th candidate of a task measures the model's order */
#define TRUST_WORTH 8 /* results that weigh as much as what was thought of the prior before */
#define REJECT_WEIGHT 0.2
#define MAX_GAIN 0.7 /* how far below the draft, in logarithms, a target may lie, by default */

void hone_costmodel__replace(hone_model *m, BoosterHandle b)
{
    if (m->booster)
        XGBoosterFree(m->booster);
    m->booster = b;
    hone_costmodel__trees_free(&m->trees);
    hone_buf_free(&m->body);
}

hone_model *hone_model_new(const hone_model_options *o)
{
    hone_model *m = hone_xcalloc(1, sizeof *m);
    m->o = *o;
    if (m->o.max_gain <= 0)
        m->o.max_gain = MAX_GAIN;
    m->metrics.pair_accuracy = NAN;
    return m;
}

void hone_model_free(hone_model *m)
{
    if (!m)
        return;
    if (m->booster)
        XGBoosterFree(m->booster);
    hone_costmodel__trees_free(&m->trees);
    hone_buf_free(&m->body);
    hone_vec_free(&m->outputs);
    hone_vec_free(&m->rows);
    hone_vec_free(&m->samples);
    hone_vec_free(&m->tasks);
    hone_vec_free(&m->batch);
    free(m);
}

uint64_t hone_model_task(const hone_program *base, const hone_target *t, int32_t threads)
{
    char *text = hone_target_text(t);
    uint64_t h = hone_hash_bytes(hone_program_hash(base), text, strlen(text));
    free(text);
    return hone_hash_mix(h, (uint64_t)threads);
}

/* How many samples the task had before this one. */
static uint32_t count_sample(hone_model *m, uint64_t task)
{
    for (uint32_t k = 0; k < m->tasks.n; k++)
        if (m->tasks.v[k].task == task)
            return m->tasks.v[k].n++;
    hone_vec_push(&m->tasks, (task_count){.task = task, .n = 1});
    return 0;
}

/* ---- prior ----------------------------------------------------------------------------------- */

/* Outputs of a model's trees for each row, whichever form they are in. *ret is good until the next
 * call. */
static hone_status outputs_of(hone_model *m, const float *v, uint32_t rows, const float **ret,
                              hone_error *err)
{
    if (m->booster)
        return hone_costmodel__ask(m->booster, v, rows, HONE_N_FEATURES, ret, err);
    m->outputs.n = 0;
    hone_vec_reserve(&m->outputs, rows);
    hone_costmodel__trees_predict(&m->trees, v, HONE_N_FEATURES, rows, m->outputs.v);
    *ret = m->outputs.v;
    return HONE_OK;
}

/* What the trees add to the draft, for each candidate. */
static hone_status correct(hone_model *m, const hone_features *const *f, uint32_t n, double *ret,
                           hone_error *err)
{
    for (uint32_t k = 0; k < n; k++)
        ret[k] = 0;
    m->metrics.asked += n;
    m->batch.n = 0;
    for (uint32_t k = 0; k < n && hone_costmodel__has_trees(m); k++) {
        hone_vec_reserve(&m->batch, f[k]->v.n);
        if (f[k]->v.n)
            memcpy(m->batch.v + m->batch.n, f[k]->v.v, f[k]->v.n * sizeof(float));
        m->batch.n += f[k]->v.n;
    }
    uint32_t rows = m->batch.n / HONE_N_FEATURES, row = 0;
    if (rows == 0)
        return HONE_OK;
    const float *out;
    HONE_TRY(outputs_of(m, m->batch.v, rows, &out, err));
    for (uint32_t k = 0; k < n; k++) {
        ret[k] = hone_costmodel__combine(m->o.kind, f[k]->fixed_ns, f[k]->v.v, out + row,
                                         f[k]->rows, NULL);
        row += f[k]->rows;
    }
    return HONE_OK;
}

/* Telling good candidates apart matters most. */
static double weight_of(const sample *s, double fastest)
{
    return pow(fastest / s->time_ns, 0.25);
}

/* How far the prior is right here: the factor by which its word fits the results best, as far as
 * there are results, and what was thought before else. */
static double trust_of(const hone_model *m)
{
    if (!m->o.prior)
        return 0;
    double cov = 0, var = 0, seen = 0;
    for (uint32_t t = 0; t < m->tasks.n; t++) {
        double sw = 0, sp = 0, sr = 0, spp = 0, spr = 0, fastest = INFINITY;
        for (uint32_t k = 0; k < m->samples.n; k++)
            if (m->samples.v[k].task == m->tasks.v[t].task && m->samples.v[k].time_ns > 0)
                fastest = fmin(fastest, m->samples.v[k].time_ns);
        for (uint32_t k = 0; k < m->samples.n; k++) {
            const sample *s = &m->samples.v[k];
            if (s->task != m->tasks.v[t].task || s->time_ns <= 0)
                continue;
            double w = weight_of(s, fastest), p = s->prior, r = log(s->time_ns) - s->ln_draft;
            sw += w;
            sp += w * p;
            sr += w * r;
            spp += w * p * p;
            spr += w * p * r;
            seen++;
        }
        if (sw > 0) {
            cov += spr - sp * sr / sw;
            var += spp - sp * sp / sw;
        }
    }
    double fit = var > 1e-9 ? fmin(fmax(cov / var, 0), 1) : m->o.trust;
    return (TRUST_WORTH * m->o.trust + seen * fit) / (TRUST_WORTH + seen);
}

hone_status hone_model_ask_prior(hone_model *m, const hone_features *const *f, uint32_t n,
                                 double *ret, hone_error *err)
{
    if (m->o.prior)
        return correct(m->o.prior, f, n, ret, err);
    for (uint32_t k = 0; k < n; k++)
        ret[k] = 0;
    return HONE_OK;
}

/* ---- samples --------------------------------------------------------------------------------- */

/* The time up to which `n` samples lie; what was rejected has none. */
static double nth_time(const hone_model *m, uint32_t n)
{
    double *v = hone_xmalloc((m->samples.n + 1) * sizeof *v);
    uint32_t timed = 0;
    for (uint32_t k = 0; k < m->samples.n; k++)
        if (m->samples.v[k].time_ns > 0)
            v[timed++] = m->samples.v[k].time_ns;
    hone_sort(v, timed);
    double ret = timed <= n ? INFINITY : v[n - 1];
    free(v);
    return ret;
}

/* What a search without end is told must not add up: the fastest, which it breeds from, and the
 * latest, which are like what it asks about, teach the most. */
static void thin(hone_model *m)
{
    uint32_t n = m->samples.n, kept = 0, row = 0, good = 0, most = m->o.most;
    double limit = nth_time(m, most / 2);
    for (uint32_t k = 0; k < n; k++) {
        sample *s = &m->samples.v[k];
        bool fast = s->time_ns > 0 && s->time_ns <= limit && good < most / 2;
        good += fast;
        if (!fast && k < n - most / 4)
            continue;
        memmove(m->rows.v + (size_t)row * HONE_N_FEATURES,
                m->rows.v + (size_t)s->first * HONE_N_FEATURES,
                (size_t)s->rows * HONE_N_FEATURES * sizeof *m->rows.v);
        s->first = row;
        row += s->rows;
        m->samples.v[kept++] = *s;
    }
    m->samples.n = kept;
    m->rows.n = row * HONE_N_FEATURES;
    m->learned = m->learned * kept / n;
}

void hone_model_add_after(hone_model *m, uint64_t task, const hone_features *f, double time_ns,
                          double prior)
{
    if (m->o.most && m->samples.n >= m->o.most)
        thin(m);
    sample s = {.task = task,
                .first = m->rows.n / HONE_N_FEATURES,
                .rows = f->rows,
                .held_out = (count_sample(m, task) + m->o.held_out) % HELD_OUT == HELD_OUT - 1,
                .ln_draft = log(f->draft_ns),
                .fixed_ns = f->fixed_ns,
                .time_ns = time_ns,
                .prior = prior};
    uint32_t n = f->rows * HONE_N_FEATURES;
    hone_vec_reserve(&m->rows, n);
    if (n)
        memcpy(m->rows.v + m->rows.n, f->v.v, n * sizeof(float));
    m->rows.n += n;
    hone_vec_push(&m->samples, s);
}

void hone_model_add(hone_model *m, uint64_t task, const hone_features *f, double time_ns)
{
    double prior = 0;
    if (hone_model_ask_prior(m, &f, 1, &prior, NULL) != HONE_OK)
        prior = 0;
    hone_model_add_after(m, task, f, time_ns, prior);
}

/* ---- training -------------------------------------------------------------------------------- */

static void set_throughput(sample *s, double fastest)
{
    s->target = s->time_ns > 0 ? fastest / s->time_ns : 0;
    s->weight = 1;
}

/* Targets and weights of one task's samples. False: it has no two times to compare. */
static bool set_targets_of(hone_model *m, uint64_t task)
{
    double sum = 0, fastest = INFINITY, slowest = 0;
    uint32_t n = 0;
    for (uint32_t k = 0; k < m->samples.n; k++) {
        const sample *s = &m->samples.v[k];
        if (s->task != task || s->time_ns <= 0)
            continue;
        sum += log(s->time_ns) - s->ln_draft - m->trust * s->prior;
        fastest = fmin(fastest, s->time_ns);
        slowest = fmax(slowest, s->time_ns);
        n++;
    }
    for (uint32_t k = 0; k < m->samples.n; k++) {
        sample *s = &m->samples.v[k];
        if (s->task != task)
            continue;
        if (m->o.kind == HONE_MODEL_PACK_SUM) {
            set_throughput(s, fastest);
            continue;
        }
        double t = s->time_ns > 0 ? s->time_ns : 2 * slowest;
        double target = n ? log(t) - s->ln_draft - m->trust * s->prior - sum / n : 0;
        /* One outlier must not teach that some corner is e^4 faster than the draft says. */
        s->target = fmax(target, -m->o.max_gain);
        s->weight = !n ? 0 : s->time_ns > 0 ? weight_of(s, fastest) : REJECT_WEIGHT;
    }
    return n >= 2;
}

/* False: no task has two times to compare. */
static bool set_targets(hone_model *m)
{
    bool any = false;
    for (uint32_t k = 0; k < m->tasks.n; k++)
        any |= set_targets_of(m, m->tasks.v[k].task);
    return any;
}

/* Shallow trees: on a few hundred candidates they rank as well as deep ones, and cost a third. */
static const hone_costmodel__setting shallow[] = {
    {"base_score", "0"},
    {"objective", "reg:squarederror"},
    {"max_bin", "32"},
    {"max_depth", "3"},
    {"subsample", "0.8"},
    {"colsample_bytree", "0.5"},
    {"min_child_weight", "1"},
    {"lambda", "1"},
    {NULL, NULL},
};

static const hone_costmodel__setting wide[] = {
    {"base_score", "0"},
    {"objective", "reg:squarederror"},
    {"max_bin", "64"},
    {"max_depth", "5"},
    {"eta", "0.08"},
    {"subsample", "0.8"},
    {"colsample_bytree", "0.4"},
    {"min_child_weight", "3"},
    {"lambda", "2"},
    {NULL, NULL},
};

static const hone_costmodel__setting published[] = {
    {"base_score", "0"}, {"objective", "reg:squarederror"}, {"max_depth", "10"}, {"gamma", "0.001"},
    {"eta", "0.2"},      {"min_child_weight", "0"},         {NULL, NULL},
};

static hone_status stopped(const hone_model *m, hone_error *err)
{
    if (m->o.stop && m->o.stop(m->o.stop_ctx))
        return hone_fail(err, HONE_E_INTERRUPTED, "training was asked to stop");
    return HONE_OK;
}

/* A training: the samples it is of, and what is found in a round. */
typedef struct training {
    const hone_model *m;
    const sample **used;
    uint32_t n, rows;
    double *share;      /* of each row of a sample */
    float *grad, *hess; /* of each row */
} training;

/* Derivatives for each row, by the outputs for all of them. */
static void derive(training *t, const float *out)
{
    const hone_model *m = t->m;
    uint32_t row = 0;
    for (uint32_t k = 0; k < t->n; k++) {
        const sample *s = t->used[k];
        double said = hone_costmodel__combine(m->o.kind, s->fixed_ns,
                                              m->rows.v + (size_t)s->first * HONE_N_FEATURES,
                                              out + row, s->rows, t->share);
        hone_costmodel__squared(said, s->target, s->weight, t->share, s->rows, t->grad + row,
                                t->hess + row);
        row += s->rows;
    }
}

static hone_status boost(training *t, BoosterHandle b, DMatrixHandle data, hone_error *err)
{
    static const char config[] = "{\"type\": 1, \"training\": true, \"iteration_begin\": 0, "
                                 "\"iteration_end\": 0, \"strict_shape\": false}";
    float *zero = hone_xcalloc(t->rows + 1, sizeof *zero);
    const int rounds = t->m->o.kind == HONE_MODEL_PRIOR ? PRIOR_ROUNDS : ROUNDS;
    hone_status st = HONE_OK;
    for (int round = 0; round < rounds && st == HONE_OK; round++) {
        const bst_ulong *shape;
        bst_ulong dims;
        const float *out = zero;
        st = stopped(t->m, err);
        if (round > 0 && st == HONE_OK)
            st = hone_costmodel__xgb(
                XGBoosterPredictFromDMatrix(b, data, config, &shape, &dims, &out), err);
        if (st != HONE_OK)
            break;
        derive(t, out);
        st = hone_costmodel__xgb(XGBoosterBoostOneIter(b, data, t->grad, t->hess, t->rows), err);
    }
    free(zero);
    return st;
}

/* Share of held-out pairs of one task whose order the model has right; NaN without pairs. */
static hone_status evaluate(hone_model *m, hone_error *err)
{
    typedef struct judged {
        const sample *s;
        double cost;
    } judged;
    HONE_VEC(judged) held = {0};
    uint64_t pairs = 0, right = 0;
    hone_status st = HONE_OK;
    for (uint32_t k = 0; k < m->samples.n && st == HONE_OK; k++) {
        const sample *s = &m->samples.v[k];
        if (!s->held_out || s->time_ns <= 0)
            continue;
        bool drafts = m->o.kind != HONE_MODEL_PACK_SUM;
        judged x = {.s = s, .cost = drafts ? s->ln_draft + m->trained_trust * s->prior : 0};
        const float *out = NULL;
        if (s->rows > 0)
            st = hone_costmodel__ask(m->booster, m->rows.v + (size_t)s->first * HONE_N_FEATURES,
                                     s->rows, HONE_N_FEATURES, &out, err);
        if (st == HONE_OK && out)
            x.cost += (drafts ? 1 : -1) *
                      hone_costmodel__combine(m->o.kind, s->fixed_ns,
                                              m->rows.v + (size_t)s->first * HONE_N_FEATURES, out,
                                              s->rows, NULL);
        hone_vec_push(&held, x);
    }
    for (uint32_t a = 0; a < held.n; a++)
        for (uint32_t b = a + 1; b < held.n; b++) {
            const judged *x = &held.v[a], *y = &held.v[b];
            if (x->s->task != y->s->task)
                continue;
            pairs++;
            right += (x->cost < y->cost) == (x->s->time_ns < y->s->time_ns);
        }
    hone_vec_free(&held);
    m->metrics.pair_accuracy = pairs ? (double)right / (double)pairs : NAN;
    return st;
}

/* The samples that are learned from; *ret_data: their rows, the caller's to free. */
static void training_begin(training *t, const hone_model *m, float **ret_data)
{
    uint32_t all = m->rows.n / HONE_N_FEATURES + 1;
    *t = (training){.m = m, .used = hone_xmalloc((m->samples.n + 1) * sizeof(sample *))};
    *ret_data = hone_xmalloc((size_t)all * HONE_N_FEATURES * sizeof **ret_data);
    for (uint32_t k = 0; k < m->samples.n; k++) {
        const sample *s = &m->samples.v[k];
        if (s->held_out || s->rows == 0 || s->weight <= 0)
            continue;
        memcpy(*ret_data + (size_t)t->rows * HONE_N_FEATURES,
               m->rows.v + (size_t)s->first * HONE_N_FEATURES,
               (size_t)s->rows * HONE_N_FEATURES * sizeof **ret_data);
        t->rows += s->rows;
        t->used[t->n++] = s;
    }
    t->share = hone_xmalloc(all * sizeof *t->share);
    t->grad = hone_xmalloc(all * sizeof *t->grad);
    t->hess = hone_xmalloc(all * sizeof *t->hess);
}

static void training_end(training *t)
{
    free(t->used);
    free(t->share);
    free(t->grad);
    free(t->hess);
}

static hone_status make_trees(const hone_model *m, BoosterHandle *ret, hone_error *err)
{
    const hone_costmodel__setting *own = m->o.kind == HONE_MODEL_PACK_SUM ? published
                                         : m->o.kind == HONE_MODEL_PRIOR  ? wide
                                                                          : shallow;
    training t;
    float *data;
    DMatrixHandle matrix = NULL;
    training_begin(&t, m, &data);
    hone_status st = hone_costmodel__xgb(
        XGDMatrixCreateFromMat(data, t.rows, HONE_N_FEATURES, NAN, &matrix), err);
    if (st == HONE_OK)
        st = hone_costmodel__booster(matrix, own, m->o.seed, m->o.threads, ret, err);
    if (st == HONE_OK && own == shallow) /* of a few, long steps learn the noise */
        st = hone_costmodel__xgb(XGBoosterSetParam(*ret, "eta", t.n < FEW ? "0.1" : "0.25"), err);
    if (st == HONE_OK)
        st = boost(&t, *ret, matrix, err);
    if (matrix)
        XGDMatrixFree(matrix);
    training_end(&t);
    free(data);
    return st;
}

hone_status hone_model_train(hone_model *m, hone_error *err)
{
    uint32_t n = m->samples.n;
    m->metrics.candidates = n;
    m->trust = trust_of(m);
    if (n < MIN_SAMPLES || (double)n < GROWTH * m->learned || !set_targets(m))
        return HONE_OK;
    int64_t start = hone_clock_ns();
    BoosterHandle b = NULL;
    hone_status st = make_trees(m, &b, err);
    if (st == HONE_OK) {
        hone_costmodel__replace(m, b);
        m->trained_trust = m->trust;
        b = NULL;
        m->metrics.trained_on = n;
        m->learned = n;
        st = evaluate(m, err);
    }
    if (b)
        XGBoosterFree(b);
    m->metrics.train_ms = (double)(hone_clock_ns() - start) / 1e6;
    return st;
}

/* ---- prediction ------------------------------------------------------------------------------ */

/* Share of the prior's word in what is predicted now. */
static double trust_now(const hone_model *m)
{
    return hone_costmodel__has_trees(m) ? m->trained_trust : trust_of(m);
}

hone_status hone_model_predict_after(hone_model *m, const hone_features *const *f, uint32_t n,
                                     const double *prior, double *ret_cost, hone_error *err)
{
    HONE_TRY(correct(m, f, n, ret_cost, err));
    bool drafts = m->o.kind != HONE_MODEL_PACK_SUM;
    double trust = drafts ? trust_now(m) : 0;
    for (uint32_t k = 0; k < n; k++) {
        ret_cost[k] = drafts ? ret_cost[k] + log(f[k]->draft_ns) : -ret_cost[k];
        if (trust > 0)
            ret_cost[k] += trust * prior[k];
    }
    return HONE_OK;
}

hone_status hone_model_predict(hone_model *m, const hone_features *const *f, uint32_t n,
                               double *ret_cost, hone_error *err)
{
    if (!m->o.prior || trust_now(m) <= 0)
        return hone_model_predict_after(m, f, n, NULL, ret_cost, err);
    double *prior = hone_xmalloc((n + 1) * sizeof *prior);
    hone_status st = hone_model_ask_prior(m, f, n, prior, err);
    if (st == HONE_OK)
        st = hone_model_predict_after(m, f, n, prior, ret_cost, err);
    free(prior);
    return st;
}

void hone_model_get_metrics(const hone_model *m, hone_model_metrics *ret)
{
    *ret = m->metrics;
    ret->trust = trust_of(m);
}
