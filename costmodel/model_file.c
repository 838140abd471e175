/* Trained models as bytes and as files, and what can be read from one. */
#include "costmodel/model_internal.h"

#define MAX_MODEL_BYTES (64 << 20)
#define MAGIC "hone-model " /* a model file begins with */

/* ---- bytes ----------------------------------------------------------------------------------- */

/* One header line, then XGBoost's own form (UBJSON), whose hash the header states: XGBoost is never
 * given bytes it did not write. */
hone_status hone_model_bytes(hone_model *m, hone_buf *ret, hone_error *err)
{
    if (!hone_costmodel__has_trees(m))
        return hone_fail(err, HONE_E_NOTFOUND, "the model is not trained yet");
    bst_ulong n = m->body.n;
    const char *bytes = m->body.s;
    if (m->booster)
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

static int set_threads(const hone_model *m, BoosterHandle b)
{
    char threads[32];
    snprintf(threads, sizeof threads, "%d", m->o.threads > 0 ? m->o.threads : 1);
    return XGBoosterSetParam(b, "nthread", threads);
}

/* A booster to load into, which works with the model's threads already: without, loading starts one
 * for each processor, which then spin beside whatever runs. Parameters hold from when a booster is
 * configured, which writing its configuration makes it. */
static hone_status new_reader(const hone_model *m, BoosterHandle *ret, hone_error *err)
{
    char width[32];
    const char *text;
    bst_ulong n;
    snprintf(width, sizeof width, "%d", HONE_N_FEATURES);
    HONE_TRY(hone_costmodel__xgb(XGBoosterCreate(NULL, 0, ret), err));
    bool good = set_threads(m, *ret) == 0 && XGBoosterSetParam(*ret, "num_feature", width) == 0 &&
                XGBoosterSaveJsonConfig(*ret, &n, &text) == 0;
    hone_status st = good ? HONE_OK : hone_costmodel__xgb(-1, err);
    if (!good)
        XGBoosterFree(*ret);
    return st;
}

static hone_status load(const hone_model *m, const char *body, size_t n, const char *name,
                        BoosterHandle *ret, hone_error *err)
{
    bst_ulong width = 0;
    HONE_TRY(new_reader(m, ret, err));
    if (XGBoosterLoadModelFromBuffer(*ret, body, n) == 0 &&
        set_threads(m, *ret) == 0 && /* the model's own came with it */
        XGBoosterGetNumFeature(*ret, &width) == 0 && width == HONE_N_FEATURES)
        return HONE_OK;
    XGBoosterFree(*ret);
    return hone_fail(err, HONE_E_CORRUPT, "'%s' is damaged: it holds no model", name);
}

/* XGBoost is given what the reader of trees does not know. */
hone_status hone_model_parse(hone_model *m, const char *bytes, size_t n, const char *name,
                             hone_error *err)
{
    size_t body = 0;
    BoosterHandle b = NULL;
    hone_costmodel__trees trees;
    HONE_TRY(check_header(bytes, n, name, &body, err));
    if (!hone_costmodel__trees_read(bytes + body, n - body, HONE_N_FEATURES, &trees)) {
        HONE_TRY(load(m, bytes + body, n - body, name, &b, err));
        hone_costmodel__replace(m, b);
        return HONE_OK;
    }
    hone_costmodel__replace(m, NULL);
    m->trees = trees;
    hone_buf_add(&m->body, bytes + body, n - body);
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
    BoosterHandle b = m->booster;
    if (!b && (m->body.n == 0 || load(m, m->body.s, m->body.n, "the model", &b, NULL) != HONE_OK))
        return false;
    bool good = XGBoosterFeatureScore(b, config, &n, &name, &dims, &shape, &score) == 0;
    for (bst_ulong k = 0; good && k < n; k++) { /* names are "f12", for those that were split by */
        unsigned long at = name[k][0] == 'f' ? strtoul(name[k] + 1, NULL, 10) : HONE_N_FEATURES;
        if (at < HONE_N_FEATURES)
            ret[at] = (double)score[k];
    }
    if (!m->booster)
        XGBoosterFree(b);
    return good;
}
