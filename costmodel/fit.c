/* The draft's factors, fitted to results of a log.
 *
 * A draft is a sum of parts: arithmetic and traffic of each level, of which the smaller of a
 * block's two sides counts for less (hone_costmodel__together), starts of threads, and the call.
 * Each part gets a factor, not below 0, so that drafts come near to times: least squares of (draft
 * - time) / sqrt(draft x time), which for small errors is that of the logarithms. Which side of a
 * block is the smaller, and the scale of the errors, depend on the factors, so it is done in
 * rounds. */
#include "costmodel/internal.h"

#include <math.h>

#define PARTS HONE_COSTMODEL__PARTS
#define ROUNDS 20
#define FOLDS 5
#define LEAST_RESULTS 50
#define LEAST_KERNELS 2
/* Factors without a reason to be another are 1: it takes the word of so many results. */
#define PULL 0.02
#define NOISE 0.02
/* So much of pair accuracy is lost and won by chance. */
#define SAME_ACCURACY 0.005

enum { COMPUTE, L2, L3, MEMORY, STARTS, FIXED };

typedef struct block_parts {
    double compute, level[3];
} block_parts;

typedef struct result {
    uint32_t kernel, first, n; /* its blocks */
    double starts, fixed, time_ns;
} result;

struct hone_fit {
    hone_machine machine;
    HONE_VEC(block_parts) blocks;
    HONE_VEC(result) results;
    HONE_VEC(uint64_t) tasks;
};

hone_fit *hone_fit_new(const hone_machine *m)
{
    hone_fit *f = hone_xcalloc(1, sizeof *f);
    f->machine = *m;
    return f;
}

void hone_fit_free(hone_fit *f)
{
    if (!f)
        return;
    hone_vec_free(&f->blocks);
    hone_vec_free(&f->results);
    hone_vec_free(&f->tasks);
    free(f);
}

static uint32_t kernel_of(hone_fit *f, uint64_t task)
{
    uint32_t k = 0;
    while (k < f->tasks.n && f->tasks.v[k] != task)
        k++;
    if (k == f->tasks.n)
        hone_vec_push(&f->tasks, task);
    return k;
}

/* A row has the memory time as a whole, and the traffic it is made of. */
static block_parts parts_of(const hone_machine *m, const float *row)
{
    const double each[3] = {m->l2_factor / m->l2_bytes_per_ns, m->l3_factor / m->l3_bytes_per_ns,
                            m->memory_factor / m->memory_bytes_per_ns};
    block_parts p = {.compute = exp2((double)row[HONE_FEATURE_draft_compute]) - 1};
    double memory = exp2((double)row[HONE_FEATURE_draft_memory]) - 1, sum = 0;
    for (int c = 0; c < 3; c++) {
        p.level[c] = (exp2((double)row[HONE_FEATURE_traffic + 1 + c]) - 1) * each[c];
        sum += p.level[c];
    }
    for (int c = 0; c < 3; c++)
        p.level[c] = sum > 0 ? p.level[c] / sum * memory : 0;
    return p;
}

void hone_fit_add(hone_fit *f, uint64_t task, const hone_features *x, double time_ns)
{
    result r = {.kernel = kernel_of(f, task),
                .first = f->blocks.n,
                .n = x->rows,
                .fixed = f->machine.fixed_ns,
                .starts = fmax(0, x->fixed_ns - f->machine.fixed_ns),
                .time_ns = time_ns};
    for (uint32_t q = 0; q < x->rows; q++)
        hone_vec_push(&f->blocks, parts_of(&f->machine, x->v.v + (size_t)q * HONE_N_FEATURES));
    hone_vec_push(&f->results, r);
}

/* What each part of a result counts for with these factors. */
static void columns(const hone_fit *f, const result *r, const double x[PARTS], double ret[PARTS])
{
    for (unsigned k = 0; k < PARTS; k++)
        ret[k] = 0;
    for (uint32_t q = r->first; q < r->first + r->n; q++) {
        const block_parts *b = &f->blocks.v[q];
        double compute = b->compute * x[COMPUTE], memory = 0;
        for (int c = 0; c < 3; c++)
            memory += b->level[c] * x[L2 + c];
        /* the shares that hone_costmodel__together gives to its two sides */
        double whole = hone_costmodel__together(1, 0),
               part = hone_costmodel__together(1, 1) - whole;
        ret[COMPUTE] += b->compute * (compute >= memory ? whole : part);
        for (int c = 0; c < 3; c++)
            ret[L2 + c] += b->level[c] * (compute >= memory ? part : whole);
    }
    ret[STARTS] = r->starts;
    ret[FIXED] = r->fixed;
}

static double draft_of(const hone_fit *f, const result *r, const double x[PARTS])
{
    double a[PARTS], sum = 0;
    columns(f, r, x, a);
    for (unsigned k = 0; k < PARTS; k++)
        sum += a[k] * x[k];
    return fmax(sum, 1e-3);
}

void hone_costmodel__nnls(const double *gram, const double *right, double *x, unsigned n)
{
    for (int round = 0; round < 10000; round++) {
        double moved = 0;
        for (unsigned j = 0; j < n; j++) {
            double g = gram[j * n + j], slope = right[j];
            if (g <= 0)
                continue;
            for (unsigned k = 0; k < n; k++)
                slope -= gram[j * n + k] * x[k];
            double to = fmax(0, x[j] + slope / g);
            moved = fmax(moved, fabs(to - x[j]));
            x[j] = to;
        }
        if (moved < 1e-12)
            return;
    }
}

/* fold: its kernels are left out; FOLDS: none is. */
static bool is_in(const result *r, unsigned fold)
{
    return r->kernel % FOLDS != fold;
}

static double loss(const hone_fit *f, const double x[PARTS], unsigned fold)
{
    double sum = 0;
    for (uint32_t k = 0; k < f->results.n; k++) {
        const result *r = &f->results.v[k];
        double off = is_in(r, fold) ? log(draft_of(f, r, x) / r->time_ns) : 0;
        sum += off * off;
    }
    return sum;
}

static void one_round(const hone_fit *f, unsigned fold, double x[PARTS])
{
    double gram[PARTS * PARTS] = {0}, right[PARTS] = {0}, a[PARTS];
    for (unsigned k = 0; k < PARTS; k++) {
        gram[k * PARTS + k] = PULL;
        right[k] = PULL;
    }
    for (uint32_t q = 0; q < f->results.n; q++) {
        const result *r = &f->results.v[q];
        if (!is_in(r, fold))
            continue;
        double weight = 1 / (draft_of(f, r, x) * r->time_ns);
        columns(f, r, x, a);
        for (unsigned j = 0; j < PARTS; j++) {
            right[j] += weight * a[j] * r->time_ns;
            for (unsigned k = 0; k < PARTS; k++)
                gram[j * PARTS + k] += weight * a[j] * a[k];
        }
    }
    hone_costmodel__nnls(gram, right, x, PARTS);
}

static void fit(const hone_fit *f, unsigned fold, double ret[PARTS])
{
    double x[PARTS], least = INFINITY;
    for (unsigned k = 0; k < PARTS; k++)
        x[k] = 1;
    for (int round = 0; round <= ROUNDS; round++) {
        double now = loss(f, x, fold);
        if (now < least) {
            least = now;
            memcpy(ret, x, sizeof x);
        }
        one_round(f, fold, x);
    }
}

/* ---- how good ----------------------------------------------------------------------------------
 */

/* Of each kernel with the factors that were found without it. x NULL: with 1. */
static hone_fit_quality judge(const hone_fit *f, const double (*x)[PARTS])
{
    static const double ones[PARTS] = {1, 1, 1, 1, 1, 1};
    uint32_t n = f->results.n, judged = 0;
    double *off = hone_xmalloc((n + 1) * sizeof *off), *cost = hone_xmalloc((n + 1) * sizeof *cost),
           *ns = hone_xmalloc((n + 1) * sizeof *ns), pairs = 0;
    for (uint32_t kernel = 0; kernel < f->tasks.n; kernel++) {
        uint32_t m = 0;
        hone_model_quality q;
        for (uint32_t k = 0; k < n; k++) {
            const result *r = &f->results.v[k];
            if (r->kernel != kernel)
                continue;
            cost[m] = log(draft_of(f, r, x ? x[kernel % FOLDS] : ones));
            off[k] = fabs(cost[m] - log(r->time_ns));
            ns[m++] = r->time_ns;
        }
        hone_model_judge(cost, ns, m, NOISE, &q);
        if (!isnan(q.pair_accuracy)) {
            pairs += q.pair_accuracy;
            judged++;
        }
    }
    hone_sort(off, n);
    hone_fit_quality ret = {.off = n ? off[n / 2] : NAN,
                            .pair_accuracy = judged ? pairs / judged : NAN};
    free(off);
    free(cost);
    free(ns);
    return ret;
}

static void scale(const double x[PARTS], hone_machine *m)
{
    const hone_machine was = *m;
    m->compute_factor *= x[COMPUTE];
    m->l2_factor *= x[L2];
    m->l3_factor *= x[L3];
    m->memory_factor *= x[MEMORY];
    m->parallel_ns *= x[STARTS];
    m->fixed_ns *= x[FIXED];
    hone_machine_bound(m, &was);
}

/* A search goes by the order. */
static bool is_better(const hone_fit_quality *before, const hone_fit_quality *after)
{
    double gain = after->pair_accuracy - before->pair_accuracy;
    return gain > SAME_ACCURACY || (!(gain < -SAME_ACCURACY) && after->off < before->off);
}

bool hone_fit_solve(const hone_fit *f, hone_machine *ret, hone_fit_report *ret_report)
{
    double x[FOLDS + 1][PARTS];
    hone_fit_report r = {.results = f->results.n, .kernels = f->tasks.n};
    *ret = f->machine;
    *ret_report = r;
    if (r.results < LEAST_RESULTS || r.kernels < LEAST_KERNELS)
        return false;
    for (unsigned fold = 0; fold <= FOLDS; fold++)
        fit(f, fold, x[fold]);
    r.before = judge(f, NULL);
    r.after = judge(f, x);
    r.better = is_better(&r.before, &r.after);
    if (r.better)
        scale(x[FOLDS], ret);
    *ret_report = r;
    return true;
}
