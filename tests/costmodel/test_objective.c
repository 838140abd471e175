/* What trees are made to lessen: slopes against differences of the loss, which is written down here
 * once more. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "costmodel/model_internal.h"

#define ROWS 4
#define FIXED_NS 3000
#define STEP 0.0078125f /* of outputs, which are floats */

static double uniform(hone_rng *rng, double from, double to)
{
    return from + (to - from) * hone_rng_double(rng);
}

static void close_to(double got, double want, double error)
{
    if (!(fabs(got - want) <= error))
        fail_msg("%.12g instead of %.12g", got, want);
}

static void slopes_are_those_of_the_loss(void **state)
{
    (void)state;
    static float v[ROWS * HONE_N_FEATURES];
    const hone_model_kind kinds[] = {HONE_MODEL_ON_DRAFT, HONE_MODEL_PRIOR, HONE_MODEL_PACK_SUM};
    const double target = 0.3, weight = 0.7;
    float s[ROWS], grad[ROWS], hess[ROWS];
    double share[ROWS];
    hone_rng rng;
    hone_rng_seed(&rng, 5);
    for (unsigned q = 0; q < 20 * HONE_LEN(kinds); q++) {
        hone_model_kind kind = kinds[q % HONE_LEN(kinds)];
        for (unsigned r = 0; r < ROWS; r++) {
            v[r * HONE_N_FEATURES + HONE_FEATURE_draft_compute] = (float)uniform(&rng, 9, 12);
            v[r * HONE_N_FEATURES + HONE_FEATURE_draft_memory] = (float)uniform(&rng, 9, 12);
            s[r] = (float)uniform(&rng, -1, 1);
        }
        double said = hone_costmodel__combine(kind, FIXED_NS, v, s, ROWS, share), all = 0;
        hone_costmodel__squared(said, target, weight, share, ROWS, grad, hess);
        for (unsigned r = 0; r < ROWS; r++) {
            double loss[3];
            float keep = s[r];
            for (int at = 0; at < 3; at++) {
                s[r] = keep + (float)(at - 1) * STEP;
                double off = hone_costmodel__combine(kind, FIXED_NS, v, s, ROWS, NULL) - target;
                loss[at] = weight * off * off / 2;
            }
            s[r] = keep;
            close_to((double)grad[r], (loss[2] - loss[0]) / (2 * (double)STEP), 1e-4);
            close_to((double)hess[r], weight * share[r], 1e-6);
            all += share[r];
        }
        /* of a time, the call itself has the rest */
        assert_true(kind == HONE_MODEL_PACK_SUM ? all == ROWS : all > 0.3 && all < 1);
    }
}

/* What is not moved at all by a row still has a curvature: none is divided by. */
static void no_share_is_nothing(void **state)
{
    (void)state;
    const double share[] = {0, 1};
    float grad[2], hess[2];
    hone_costmodel__squared(1, 0, 1, share, 2, grad, hess);
    assert_true(grad[0] == 0 && hess[0] > 0 && hess[0] < 1e-3f);
    assert_true(grad[1] == 1 && hess[1] == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slopes_are_those_of_the_loss),
        cmocka_unit_test(no_share_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
