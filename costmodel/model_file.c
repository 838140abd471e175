/* Trained models as bytes and as files, and what can be read from one. */
#include "costmodel/model_internal.h"

#define MAX_MODEL_BYTES (64 << 20)
#define MAGIC "hone-model " /* a model file begins with */

/* ---- bytes ----------------------------------------------------------------------------------- */

/* One header line, then XGBoost's own form (UBJSON), whose hash the header states: XGBoost is never
 * given bytes it did not write. */
hone_status hone_model_bytes(hone_model *m, hone_buf *ret, hone_error *err)
{
    if (!m->booster)
        return hone_fail(err, HONE_E_NOTFOUND, "the model is not trained yet");
    bst_ulong n;
    const char *bytes;
    HONE_TRY(hone_costmodel__xgb(
        XGBoosterSaveModelToBuffer(m->booster, "{\"format\": \"ubj\"}", &n, &bytes), err));
    char hash[17];
    hone_hash_format(hone_hash_bytes(0, bytes, n), hash);
    hone_buf_printf(ret, MAGIC "%d %d %s\n", HONE_FEATURES_VERSION, HONE_N_FEATURES, hash);
    hone_buf_add(ret, bytes, n);
    return HONE_OK;
}

/* Checks the header; *ret_body is where the booster begins. */
static hone_status check_header(const char *text, size_t n, const char *name, size_t *ret_body,
                                hone_error *err)
{
    char line[128] = "", hash[17] = "";
    int version = 0, features = 0, used = 0;
    uint64_t want = 0;
    size_t length = 0;
    while (length < n && length < sizeof line - 1 && text[length] != '\n')
        length++;
    memcpy(line, text, length);
    if (strncmp(line, MAGIC, strlen(MAGIC)) != 0)
        return hone_fail(err, HONE_E_FOREIGN, "'%s' is not a model file of hone's", name);
    if (sscanf(line + strlen(MAGIC), "%9d %9d %16s%n", &version, &features, hash, &used) != 3 ||
        strlen(MAGIC) + (size_t)used != length || length == n || !hone_hash_parse(hash, &want))
        return hone_fail(err, HONE_E_CORRUPT, "'%s' is damaged: its first line is not whole", name);
    if (version != HONE_FEATURES_VERSION || features != HONE_N_FEATURES)
        return hone_fail(err, HONE_E_VERSION,
                         "'%s' was trained on features of version %d; this hone has version %d: "
                         "train it again",
                         name, version, HONE_FEATURES_VERSION);
    *ret_body = length + 1;
    if (hone_hash_bytes(0, text + *ret_body, n - *ret_body) != want)
        return hone_fail(err, HONE_E_CORRUPT, "'%s' is damaged", name);
    return HONE_OK;
}

hone_status hone_model_parse(hone_model *m, const char *bytes, size_t n, const char *name,
                             hone_error *err)
{
    size_t body = 0;
    BoosterHandle b = NULL;
    bst_ulong width = 0;
    HONE_TRY(check_header(bytes, n, name, &body, err));
    HONE_TRY(hone_costmodel__xgb(XGBoosterCreate(NULL, 0, &b), err));
    /* Or it predicts with a thread for each processor, beside what is being measured. */
    char threads[32];
    snprintf(threads, sizeof threads, "%d", m->o.threads > 0 ? m->o.threads : 1);
    if (XGBoosterSetParam(b, "nthread", threads) != 0 ||
        XGBoosterLoadModelFromBuffer(b, bytes + body, n - body) != 0 ||
        XGBoosterSetParam(b, "nthread", threads) != 0 || /* the model's own came with it */
        XGBoosterGetNumFeature(b, &width) != 0 || width != HONE_N_FEATURES) {
        XGBoosterFree(b);
        return hone_fail(err, HONE_E_CORRUPT, "'%s' is damaged: it holds no model", name);
    }
    if (m->booster)
        XGBoosterFree(m->booster);
    m->booster = b;
    return HONE_OK;
}

/* ---- files ----------------------------------------------------------------------------------- */

hone_status hone_model_save(hone_model *m, const char *path, hone_error *err)
{
    hone_buf b = {0};
    hone_status st = hone_model_bytes(m, &b, err);
    if (st == HONE_OK)
        st = hone_file_write(path, b.s, b.n, err);
    hone_buf_free(&b);
    return st;
}

hone_status hone_model_load(hone_model *m, const char *path, hone_error *err)
{
    char *text = NULL;
    size_t n;
    hone_status st = hone_file_read(path, MAX_MODEL_BYTES, &text, &n, err);
    if (st == HONE_OK)
        st = hone_model_parse(m, text, n, path, err);
    free(text);
    return st;
}

/* ---- looking at one -------------------------------------------------------------------------- */

bool hone_model_gains(const hone_model *m, double ret[HONE_N_FEATURES])
{
    static const char config[] = "{\"importance_type\": \"total_gain\"}";
    bst_ulong n, dims;
    const char **name;
    const bst_ulong *shape;
    const float *score;
    memset(ret, 0, HONE_N_FEATURES * sizeof *ret);
    if (!m->booster ||
        XGBoosterFeatureScore(m->booster, config, &n, &name, &dims, &shape, &score) != 0)
        return false;
    for (bst_ulong k = 0; k < n; k++) { /* names are "f12", for those that were split by */
        unsigned long at = name[k][0] == 'f' ? strtoul(name[k] + 1, NULL, 10) : HONE_N_FEATURES;
        if (at < HONE_N_FEATURES)
            ret[at] = (double)score[k];
    }
    return true;
}
