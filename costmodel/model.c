/* Gradient-boosted trees on top of the draft, through XGBoost's C API.
 *
 * A candidate i has one row j per leaf block, whose time the draft estimates as d_ij. The trees
 * give each row an s_ij, which corrects that by a factor, and times of rows add up: T_i = c + sum
 * over j of d_ij exp(s_ij) with a constant c that every call costs. The predicted cost is
 * ln(draft_i) + ln(T_i) - ln(T_i with all s 0). The objective is the squared error of logarithms of
 * time, which is Ansor's pack-sum (Zheng et al., OSDI 2020, sec. 5.2) for parts whose times add,
 * not their throughputs: with target y_i = ln(time_i) - ln(draft_i) - (mean of that over the task)
 * and the share p_ij = d_ij exp(s_ij) / T_i that row j has in the time,
 *   grad_ij = w_i p_ij (ln(T_i / T_i with s 0) - y_i),  hess_ij = w_i p_ij
 * (at least the true second derivative, whose p_ij is squared: steps are never too long), where
 * w_i = (fastest / time_i)^(1/4), so that telling good candidates apart matters most. A rejected
 * candidate counts as twice the slowest time with a small weight: the model learns to avoid it. At
 * no data s = 0, and the model is the draft.
 *
 * With a prior, which is such a model of other kernels, its correction times a trust in 0..1 is
 * added to the draft's logarithm first, here and in y_i.
 *
 * The other kind is the objective as MetaSchedule has it: outputs of rows are summed, y_i = fastest
 * / time_i, 0 when rejected, all weights 1, deep trees, and the cost is minus the sum (TVM 0.20,
 * tune_context and xgb_model).
 *
 * Reader's map: samples; what trees say; the prior and trust in it; training; prediction. */
#include "costmodel/internal.h"
#include "costmodel/model_internal.h"

#include <errno.h>
#include <math.h>

#define ROUNDS 60
#define PRIOR_ROUNDS 100
#define MIN_SAMPLES 8 /* candidates, before the first training */
#define GROWTH 1.25   /* train again when there is that much more */
#define HELD_OUT 6    /* every n-th candidate of a task measures the model's order */
#define LEAST_SHARE 1e-6
#define TRUST_WORTH 8 /* results that weigh as much as what was thought of the prior before */
#define REJECT_WEIGHT 0.2
#define MAX_GAIN 0.7 /* how far below the draft, in logarithms, a target may lie */

hone_status hone_costmodel__xgb(int rc, hone_error *err)
{
    if (rc == 0)
        return HONE_OK;
    const char *text = XGBGetLastError(); /* then a stack trace */
    return hone_fail(err, HONE_E_MODEL, "XGBoost: %.*s", (int)strcspn(text, "\n"), text);
}

hone_model *hone_model_new(const hone_model_options *o)
{
    hone_model *m = hone_xcalloc(1, sizeof *m);
    m->o = *o;
    m->metrics.pair_accuracy = NAN;
    return m;
}

void hone_model_free(hone_model *m)
{
    if (!m)
        return;
    if (m->booster)
        XGBoosterFree(m->booster);
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

/* Outputs of a booster for each row. */
static hone_status predict_rows(BoosterHandle b, const float *v, uint64_t rows, const float **ret,
                                hone_error *err)
{
    static const char config[] =
        "{\"type\": 1, \"training\": false, \"iteration_begin\": 0, \"iteration_end\": 0, "
        "\"strict_shape\": false, \"cache_id\": 0, \"missing\": NaN}";
    char array[256];
    snprintf(array, sizeof array,
             "{\"data\": [%" PRIuPTR ", true], \"shape\": [%" PRIu64
             ", %d], \"typestr\": \"<f4\", \"version\": 3}",
             (uintptr_t)v, rows, HONE_N_FEATURES);
    const bst_ulong *shape;
    bst_ulong dims;
    return hone_costmodel__xgb(
        XGBoosterPredictFromDense(b, array, config, NULL, &shape, &dims, ret), err);
}

/* Draft time of a row, ns. */
static double row_draft(const float *row)
{
    double compute = exp2((double)row[HONE_FEATURE_draft_compute]) - 1,
           memory = exp2((double)row[HONE_FEATURE_draft_memory]) - 1;
    return hone_costmodel__together(compute, memory);
}

/* What the trees say of a candidate by their outputs s for its rows: how much slower it is than its
 * draft, in logarithms; of PACK_SUM its throughput. share[q] (NULL: not wanted) is how much of that
 * an output of row q moves. */
static double combine(hone_model_kind kind, double fixed_ns, const float *v, const float *s,
                      uint32_t rows, double *share)
{
    double sum = 0, draft = fixed_ns, time = fixed_ns;
    for (uint32_t q = 0; q < rows; q++) {
        double d = row_draft(v + (size_t)q * HONE_N_FEATURES), t = d * exp((double)s[q]);
        sum += (double)s[q];
        draft += d;
        time += t;
        if (share)
            share[q] = kind == HONE_MODEL_PACK_SUM ? 1 : t;
    }
    if (kind == HONE_MODEL_PACK_SUM)
        return sum;
    for (uint32_t q = 0; q < rows && share; q++)
        share[q] /= time;
    return log(time / draft);
}

/* What the trees add to the draft, for each candidate. */
static hone_status correct(hone_model *m, const hone_features *const *f, uint32_t n, double *ret,
                           hone_error *err)
{
    for (uint32_t k = 0; k < n; k++)
        ret[k] = 0;
    m->batch.n = 0;
    for (uint32_t k = 0; k < n && m->booster; k++) {
        hone_vec_reserve(&m->batch, f[k]->v.n);
        if (f[k]->v.n)
            memcpy(m->batch.v + m->batch.n, f[k]->v.v, f[k]->v.n * sizeof(float));
        m->batch.n += f[k]->v.n;
    }
    uint32_t rows = m->batch.n / HONE_N_FEATURES, row = 0;
    if (rows == 0)
        return HONE_OK;
    const float *out;
    HONE_TRY(predict_rows(m->booster, m->batch.v, rows, &out, err));
    for (uint32_t k = 0; k < n; k++) {
        ret[k] = combine(m->o.kind, f[k]->fixed_ns, f[k]->v.v, out + row, f[k]->rows, NULL);
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

void hone_model_add(hone_model *m, uint64_t task, const hone_features *f, double time_ns)
{
    sample s = {.task = task,
                .first = m->rows.n / HONE_N_FEATURES,
                .rows = f->rows,
                .held_out = count_sample(m, task) % HELD_OUT == HELD_OUT - 1,
                .ln_draft = log(f->draft_ns),
                .fixed_ns = f->fixed_ns,
                .time_ns = time_ns};
    uint32_t n = f->rows * HONE_N_FEATURES;
    hone_vec_reserve(&m->rows, n);
    if (n)
        memcpy(m->rows.v + m->rows.n, f->v.v, n * sizeof(float));
    m->rows.n += n;
    if (m->o.prior && correct(m->o.prior, &f, 1, &s.prior, NULL) != HONE_OK)
        s.prior = 0;
    hone_vec_push(&m->samples, s);
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
        s->target = fmax(target, -MAX_GAIN);
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

typedef const char *setting[2];

static const setting shallow[] = {
    {"tree_method", "hist"},
    {"max_bin", "32"},
    {"max_depth", "3"},
    {"eta", "0.1"},
    {"subsample", "0.8"},
    {"colsample_bytree", "0.5"},
    {"min_child_weight", "1"},
    {"lambda", "1"},
    {NULL, NULL},
};

static const setting wide[] = {
    {"tree_method", "hist"},   {"max_bin", "64"},    {"max_depth", "5"},
    {"eta", "0.08"},           {"subsample", "0.8"}, {"colsample_bytree", "0.4"},
    {"min_child_weight", "3"}, {"lambda", "2"},      {NULL, NULL},
};

static const setting published[] = {
    {"tree_method", "hist"}, {"max_depth", "10"},       {"gamma", "0.001"},
    {"eta", "0.2"},          {"min_child_weight", "0"}, {NULL, NULL},
};

/* Shallow trees: on a few hundred candidates they rank as well as deep ones, and cost a third. */
static hone_status new_booster(hone_model *m, DMatrixHandle data, BoosterHandle *ret,
                               hone_error *err)
{
    char seed[32], threads[32];
    snprintf(seed, sizeof seed, "%u", (unsigned)(m->o.seed & 0x7fffffff));
    snprintf(threads, sizeof threads, "%d", m->o.threads > 0 ? m->o.threads : 1);
    const setting *own = m->o.kind == HONE_MODEL_PACK_SUM ? published
                         : m->o.kind == HONE_MODEL_PRIOR  ? wide
                                                          : shallow;
    const char *const params[][2] = {
        {"base_score", "0"}, {"objective", "reg:squarederror"},
        {"verbosity", "0"},  {"disable_default_eval_metric", "1"},
        {"seed", seed},      {"nthread", threads},
    };
    hone_status st = hone_costmodel__xgb(XGBoosterCreate(&data, 1, ret), err);
    for (; (*own)[0] && st == HONE_OK; own++)
        st = hone_costmodel__xgb(XGBoosterSetParam(*ret, (*own)[0], (*own)[1]), err);
    for (unsigned k = 0; k < HONE_LEN(params) && st == HONE_OK; k++)
        st = hone_costmodel__xgb(XGBoosterSetParam(*ret, params[k][0], params[k][1]), err);
    return st;
}

static hone_status stopped(const hone_model *m, hone_error *err)
{
    if (m->o.stop && m->o.stop(m->o.stop_ctx))
        return hone_fail(err, HONE_E_INTERRUPTED, "training was asked to stop");
    return HONE_OK;
}

static hone_status boost(const hone_model *m, BoosterHandle b, DMatrixHandle data,
                         const sample *const *used, uint32_t n, uint32_t rows, hone_error *err)
{
    static const char config[] = "{\"type\": 1, \"training\": true, \"iteration_begin\": 0, "
                                 "\"iteration_end\": 0, \"strict_shape\": false}";
    float *grad = hone_xmalloc(rows * sizeof *grad), *hess = hone_xmalloc(rows * sizeof *hess),
          *zero = hone_xcalloc(rows, sizeof *zero);
    double *share = hone_xmalloc(rows * sizeof *share);
    const int rounds = m->o.kind == HONE_MODEL_PRIOR ? PRIOR_ROUNDS : ROUNDS;
    hone_status st = HONE_OK;
    for (int round = 0; round < rounds && st == HONE_OK; round++) {
        const bst_ulong *shape;
        bst_ulong dims;
        const float *out = zero;
        st = stopped(m, err);
        if (round > 0 && st == HONE_OK)
            st = hone_costmodel__xgb(
                XGBoosterPredictFromDMatrix(b, data, config, &shape, &dims, &out), err);
        uint32_t row = 0;
        for (uint32_t k = 0; k < n && st == HONE_OK; k++) {
            const float *v = m->rows.v + (size_t)used[k]->first * HONE_N_FEATURES;
            const sample *s = used[k];
            double off = combine(m->o.kind, s->fixed_ns, v, out + row, s->rows, share) - s->target;
            for (uint32_t q = 0; q < used[k]->rows; q++, row++) {
                grad[row] = (float)(used[k]->weight * share[q] * off);
                hess[row] = (float)(used[k]->weight * fmax(share[q], LEAST_SHARE));
            }
        }
        if (st == HONE_OK)
            st = hone_costmodel__xgb(XGBoosterBoostOneIter(b, data, grad, hess, rows), err);
    }
    free(grad);
    free(hess);
    free(zero);
    free(share);
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
            st = predict_rows(m->booster, m->rows.v + (size_t)s->first * HONE_N_FEATURES, s->rows,
                              &out, err);
        if (st == HONE_OK && out)
            x.cost += (drafts ? 1 : -1) * combine(m->o.kind, s->fixed_ns,
                                                  m->rows.v + (size_t)s->first * HONE_N_FEATURES,
                                                  out, s->rows, NULL);
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

hone_status hone_model_train(hone_model *m, hone_error *err)
{
    uint32_t n = m->samples.n;
    m->metrics.candidates = n;
    m->trust = trust_of(m);
    if (n < MIN_SAMPLES || (double)n < GROWTH * m->metrics.trained_on || !set_targets(m))
        return HONE_OK;
    int64_t start = hone_clock_ns();
    const sample **used = hone_xmalloc(n * sizeof *used);
    float *data = hone_xmalloc((size_t)m->rows.n * sizeof *data);
    uint32_t n_used = 0, rows = 0;
    for (uint32_t k = 0; k < n; k++) {
        const sample *s = &m->samples.v[k];
        if (s->held_out || s->rows == 0 || s->weight <= 0)
            continue;
        memcpy(data + (size_t)rows * HONE_N_FEATURES,
               m->rows.v + (size_t)s->first * HONE_N_FEATURES,
               (size_t)s->rows * HONE_N_FEATURES * sizeof *data);
        rows += s->rows;
        used[n_used++] = s;
    }
    DMatrixHandle matrix = NULL;
    BoosterHandle b = NULL;
    hone_status st =
        hone_costmodel__xgb(XGDMatrixCreateFromMat(data, rows, HONE_N_FEATURES, NAN, &matrix), err);
    if (st == HONE_OK)
        st = new_booster(m, matrix, &b, err);
    if (st == HONE_OK)
        st = boost(m, b, matrix, used, n_used, rows, err);
    if (st == HONE_OK) {
        if (m->booster)
            XGBoosterFree(m->booster);
        m->booster = b;
        m->trained_trust = m->trust;
        b = NULL;
        m->metrics.trained_on = n;
        st = evaluate(m, err);
    }
    if (b)
        XGBoosterFree(b);
    if (matrix)
        XGDMatrixFree(matrix);
    free(used);
    free(data);
    m->metrics.train_ms = (double)(hone_clock_ns() - start) / 1e6;
    return st;
}

/* ---- prediction ------------------------------------------------------------------------------ */

hone_status hone_model_predict(hone_model *m, const hone_features *const *f, uint32_t n,
                               double *ret_cost, hone_error *err)
{
    HONE_TRY(correct(m, f, n, ret_cost, err));
    if (m->o.kind == HONE_MODEL_PACK_SUM) {
        for (uint32_t k = 0; k < n; k++)
            ret_cost[k] = -ret_cost[k];
        return HONE_OK;
    }
    for (uint32_t k = 0; k < n; k++)
        ret_cost[k] += log(f[k]->draft_ns);
    double trust = m->booster ? m->trained_trust : trust_of(m);
    if (trust <= 0 || !m->o.prior)
        return HONE_OK;
    double *prior = hone_xmalloc((n + 1) * sizeof *prior);
    hone_status st = correct(m->o.prior, f, n, prior, err);
    for (uint32_t k = 0; k < n && st == HONE_OK; k++)
        ret_cost[k] += trust * prior[k];
    free(prior);
    return st;
}

void hone_model_get_metrics(const hone_model *m, hone_model_metrics *ret)
{
    *ret = m->metrics;
    ret->trust = trust_of(m);
}
