/* Any file: it is a model of ours or refused with a reason, and then the model is as it was.
 * XGBoost sees only bytes whose hash the first line states. */
#include "costmodel/costmodel.h"

#include <math.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/hone-fuzz-model-%ld", (long)getpid());
    FILE *f = fopen(path, "wb");
    HONE_ASSERT(f && fwrite(data, 1, size, f) == size && fclose(f) == 0);

    hone_error err = {0};
    hone_model *m = hone_model_new(&(hone_model_options){.seed = 1, .threads = 1});
    hone_status st = hone_model_load(m, path, &err);
    HONE_ASSERT(st == HONE_OK || st == HONE_E_FOREIGN || st == HONE_E_VERSION ||
                st == HONE_E_CORRUPT);
    HONE_ASSERT((st == HONE_OK) == (err.message[0] == '\0'));

    hone_features x = {.rows = 1, .draft_ns = 1000, .fixed_ns = 1000};
    hone_vec_reserve(&x.v, HONE_N_FEATURES);
    memset(x.v.v, 0, HONE_N_FEATURES * sizeof *x.v.v);
    x.v.n = HONE_N_FEATURES;
    const hone_features *all[] = {&x};
    double cost;
    HONE_ASSERT(hone_model_predict(m, all, 1, &cost, &err) == HONE_OK);
    HONE_ASSERT(st == HONE_OK ? isfinite(cost) : cost == log(1000));

    hone_features_free(&x);
    hone_model_free(m);
    unlink(path);
    return 0;
}
