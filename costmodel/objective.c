/* What trees are made to lessen: a pure function of what they say, of the result and its weight.
 *
 * A candidate i has one row j per leaf block, whose time the draft estimates as d_ij. The trees
 * give each row an s_ij, which corrects that by a factor, and times of rows add up: T_i = c + sum
 * over j of d_ij exp(s_ij) with a constant c that every call costs. What they say of the candidate
 * is f_i = ln(T_i) - ln(T_i with all s 0), and its predicted cost is f_i more than what was thought
 * before, b_i = ln(draft_i) and the prior's word as far as it is trusted. The objective is the
 * squared error of logarithms of time, which is Ansor's pack-sum (Zheng et al., OSDI 2020, sec.
 * 5.2) for parts whose times add, not their throughputs: with target y_i = ln(time_i) - b_i - (mean
 * of that over the task) and df_i/ds_ij = p_ij = d_ij exp(s_ij) / T_i, the share that row j has in
 * the time,
 *   grad_ij = w_i p_ij (f_i - y_i),  hess_ij = w_i p_ij
 * (at least the true second derivative, whose p_ij is squared: steps are never too long). */
#include "costmodel/model_internal.h"

#include <math.h>

#define LEAST_SHARE 1e-6

/* Draft time of a row, ns. */
static double row_draft(const float *row)
{
    double compute = exp2((double)row[HONE_FEATURE_draft_compute]) - 1,
           memory = exp2((double)row[HONE_FEATURE_draft_memory]) - 1;
    return hone_costmodel__together(compute, memory);
}

double hone_costmodel__combine(hone_model_kind kind, double fixed_ns, const float *v,
                               const float *s, uint32_t rows, double *share)
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

void hone_costmodel__squared(double said, double target, double weight, const double *share,
                             uint32_t rows, float *ret_grad, float *ret_hess)
{
    for (uint32_t q = 0; q < rows; q++) {
        ret_grad[q] = (float)(weight * share[q] * (said - target));
        ret_hess[q] = (float)(weight * fmax(share[q], LEAST_SHARE));
    }
}
