/* What the room asks of XGBoost's C API: a booster by its settings, and its word on rows. */
#include "costmodel/model_internal.h"

hone_status hone_costmodel__xgb(int rc, hone_error *err)
{
    if (rc == 0)
        return HONE_OK;
    const char *text = XGBGetLastError(); /* then a stack trace */
    return hone_fail(err, HONE_E_MODEL, "XGBoost: %.*s", (int)strcspn(text, "\n"), text);
}

hone_status hone_costmodel__booster(DMatrixHandle data, const hone_costmodel__setting *own,
                                    uint64_t seed_, int32_t threads_, BoosterHandle *ret,
                                    hone_error *err)
{
    char seed[32], threads[32];
    snprintf(seed, sizeof seed, "%u", (unsigned)(seed_ & 0x7fffffff));
    snprintf(threads, sizeof threads, "%d", threads_ > 0 ? threads_ : 1);
    const hone_costmodel__setting all[] = {
        {"verbosity", "0"},      {"disable_default_eval_metric", "1"},
        {"tree_method", "hist"}, {"seed", seed},
        {"nthread", threads},
    };
    hone_status st = hone_costmodel__xgb(XGBoosterCreate(&data, 1, ret), err);
    for (; (*own)[0] && st == HONE_OK; own++)
        st = hone_costmodel__xgb(XGBoosterSetParam(*ret, (*own)[0], (*own)[1]), err);
    for (unsigned k = 0; k < HONE_LEN(all) && st == HONE_OK; k++)
        st = hone_costmodel__xgb(XGBoosterSetParam(*ret, all[k][0], all[k][1]), err);
    return st;
}

hone_status hone_costmodel__ask(BoosterHandle b, const float *v, uint64_t rows, unsigned width,
                                const float **ret, hone_error *err)
{
    static const char config[] =
        "{\"type\": 1, \"training\": false, \"iteration_begin\": 0, \"iteration_end\": 0, "
        "\"strict_shape\": false, \"cache_id\": 0, \"missing\": NaN}";
    char array[256];
    snprintf(array, sizeof array,
             "{\"data\": [%" PRIuPTR ", true], \"shape\": [%" PRIu64
             ", %u], \"typestr\": \"<f4\", \"version\": 3}",
             (uintptr_t)v, rows, width);
    const bst_ulong *shape;
    bst_ulong dims;
    return hone_costmodel__xgb(
        XGBoosterPredictFromDense(b, array, config, NULL, &shape, &dims, ret), err);
}
