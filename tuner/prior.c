/* A model of all kernels of a log: trained, told about, and found again. */
#include "tuner/calibrate/calibrate.h"
#include "tuner/tuner.h"

/* Train again when the log has so many times the results, and so many more. */
#define GROWN 1.5
#define GROWN_BY 64
/* Results a session begins by learning from, at most: some seconds. */
#define MOST_READY 8192

/* ---- training -------------------------------------------------------------------------------- */

typedef struct training {
    const hone_prior_options *o;
    hone_model *model;
    hone_prior_progress done;
    uint64_t task; /* of the kernel at hand */
    uint64_t of_kernel, rejected;
    json_t *kernels, *machines;
} training;

static void end_kernel(training *t)
{
    size_t n = json_array_size(t->kernels);
    if (n)
        json_object_set_new(json_array_get(t->kernels, n - 1), "results",
                            json_integer((json_int_t)t->of_kernel));
    t->of_kernel = 0;
}

static uint64_t hash_of(const hone_machine *m, const hone_target *t)
{
    hone_machine preset;
    if (!m) {
        hone_machine_preset(t, &preset);
        m = &preset;
    }
    return hone_machine_hash(m);
}

/* Is the hash in the list? */
static bool has_machine(const json_t *list, const char *hash)
{
    size_t k;
    json_t *x;
    json_array_foreach(list, k, x) if (json_is_string(x) &&
                                       strcmp(json_string_value(x), hash) == 0) return true;
    return false;
}

static void note_machine(training *t, const hone_history_kernel *k)
{
    char hash[17];
    hone_hash_format(hash_of(k->machine, k->target), hash);
    if (!has_machine(t->machines, hash))
        json_array_append_new(t->machines, json_string(hash));
}

static void begin_kernel(training *t, const hone_history_kernel *k)
{
    char hash[17];
    json_t *sizes = NULL;
    end_kernel(t);
    hone_hash_format(k->hash, hash);
    if (hone_json_parse(k->sizes, strlen(k->sizes), &sizes, NULL) != HONE_OK)
        sizes = json_object();
    json_array_append_new(t->kernels,
                          json_pack("{s:o, s:o, s:s, s:i}", "name", hone_json_string(k->name),
                                    "sizes", sizes, "hash", hash, "threads", k->threads));
    note_machine(t, k);
    t->task = k->task;
    t->done.kernels++;
}

static void tell(const training *t)
{
    if (t->o->progress)
        t->o->progress(t->o->ctx, &t->done);
}

static bool take(void *ctx, const hone_history_kernel *k, const hone_history_result *r)
{
    training *t = ctx;
    if (t->done.kernels == 0 || t->task != k->task)
        begin_kernel(t, k);
    hone_model_add(t->model, k->task, r->features, r->time_ns);
    t->of_kernel++;
    t->done.results++;
    t->rejected += r->status != HONE_OK;
    tell(t);
    return true;
}

/* Asked between rounds of training. */
static bool stopped(void *ctx)
{
    const training *t = ctx;
    const hone_history_options *h = &t->o->history;
    tell(t);
    return h->stop && h->stop(h->stop_ctx);
}

static json_t *about(const training *t, uint64_t records)
{
    return json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:O, s:O}", "features_version",
                     HONE_FEATURES_VERSION, "space_version", HONE_SPACE_VERSION, "seed",
                     (json_int_t)t->o->seed, "results", (json_int_t)t->done.results, "rejected",
                     (json_int_t)t->rejected, "records", (json_int_t)records, "kernels", t->kernels,
                     "machines", t->machines);
}

hone_status hone_prior_train(const hone_prior_options *o, hone_model **ret, json_t **ret_about,
                             hone_error *err)
{
    training t = {.o = o, .kernels = json_array(), .machines = json_array()};
    hone_model_metrics made;
    t.model = hone_model_new(&(hone_model_options){.kind = HONE_MODEL_PRIOR,
                                                   .seed = o->seed,
                                                   .threads = o->threads,
                                                   .stop = stopped,
                                                   .stop_ctx = &t});
    uint64_t records = 0;
    hone_status st = hone_db_record_count(o->history.db, o->history.target_class, &records, err);
    if (st == HONE_OK)
        st = hone_history_read(&o->history, take, &t, err);
    end_kernel(&t);
    t.done.training = true;
    if (st == HONE_OK)
        st = hone_model_train(t.model, err);
    hone_model_get_metrics(t.model, &made);
    if (st == HONE_OK && made.trained_on == 0)
        st = hone_fail(err, HONE_E_NOTFOUND,
                       "'%s' has too few results of %.80s to learn from: %" PRIu64,
                       hone_db_path(o->history.db), o->history.target_class, t.done.results);
    if (st == HONE_OK) {
        /* It outlives the options, which it would ask whether to stop. */
        hone_buf bytes = {0};
        hone_model *m = hone_model_new(
            &(hone_model_options){.kind = HONE_MODEL_PRIOR, .seed = o->seed, .threads = 1});
        st = hone_model_bytes(t.model, &bytes, err);
        if (st == HONE_OK)
            st = hone_model_parse(m, bytes.s, bytes.n, "the model", err);
        hone_buf_free(&bytes);
        if (st == HONE_OK) {
            *ret = m;
            *ret_about = about(&t, records);
        } else {
            hone_model_free(m);
        }
    }
    hone_model_free(t.model);
    json_decref(t.kernels);
    json_decref(t.machines);
    return st;
}

/* ---- finding --------------------------------------------------------------------------------- */

hone_status hone_prior_parse(const hone_db_model *row, const char *name, hone_model **ret,
                             hone_error *err)
{
    json_t *j;
    if (hone_json_parse(row->about, strlen(row->about), &j, NULL) != HONE_OK)
        return hone_fail(err, HONE_E_CORRUPT, "'%s' is damaged: what it says of itself is not JSON",
                         name);
    json_int_t space = json_integer_value(json_object_get(j, "space_version"));
    json_decref(j);
    if (space != HONE_SPACE_VERSION)
        return hone_fail(err, HONE_E_VERSION,
                         "'%s' was trained on results of version %" JSON_INTEGER_FORMAT
                         " of the space; this hone has version %d: train it again",
                         name, space, HONE_SPACE_VERSION);
    hone_model *m =
        hone_model_new(&(hone_model_options){.kind = HONE_MODEL_PRIOR, .seed = 1, .threads = 1});
    hone_status st = hone_model_parse(m, row->bytes.v, row->bytes.n, name, err);
    if (st == HONE_OK)
        *ret = m;
    else
        hone_model_free(m);
    return st;
}

hone_status hone_prior_find(hone_db *db, const hone_target *t, int32_t threads, hone_model **ret,
                            hone_error *err)
{
    const int32_t of[] = {threads, 0};
    char *class = hone_target_class(t);
    hone_status st = HONE_E_NOTFOUND;
    for (unsigned k = 0; k < HONE_LEN(of) && st == HONE_E_NOTFOUND; k++) {
        hone_db_model row;
        st = hone_db_model_latest(db, class, of[k], &row, err);
        if (st != HONE_OK)
            continue;
        char *name = hone_xasprintf("model %" PRId64 " of %s", row.id, hone_db_path(db));
        st = hone_prior_parse(&row, name, ret, err);
        if (st == HONE_E_VERSION) /* as good as none */
            st = HONE_E_NOTFOUND;
        free(name);
        hone_db_model_free(&row);
    }
    if (st == HONE_E_NOTFOUND)
        hone_fail(err, st, "'%s' has no model of %s of this hone's versions", hone_db_path(db),
                  class);
    free(class);
    return st;
}

/* ---- ready for a session --------------------------------------------------------------------- */

/* Was a model of which this is told trained with drafts of such a machine? One that says nothing of
 * machines was, with the preset's. */
static bool drafts_are_of(const json_t *about, hone_db *db, const hone_target *t, int32_t threads)
{
    hone_machine m;
    char now[17], preset[17];
    bool known = hone_calibrate_find(db, t, threads, &m, NULL) == HONE_OK;
    const json_t *list = json_object_get(about, "machines");
    hone_hash_format(hash_of(known ? &m : NULL, t), now);
    hone_hash_format(hash_of(NULL, t), preset);
    return list ? has_machine(list, now) : strcmp(now, preset) == 0;
}

/* Results of the log when its latest model of the class was trained; 0: there is none that this
 * program can use. *ret_ours: with drafts as this target's are now. */
static uint64_t trained_on(hone_db *db, const hone_target *t, const char *class, int32_t threads,
                           bool *ret_ours)
{
    const int32_t of[] = {threads, 0};
    uint64_t n = 0;
    for (unsigned k = 0; k < HONE_LEN(of) && n == 0; k++) {
        hone_db_model row;
        json_t *j = NULL;
        if (hone_db_model_latest(db, class, of[k], &row, NULL) != HONE_OK)
            continue;
        if (hone_json_parse(row.about, strlen(row.about), &j, NULL) == HONE_OK &&
            json_integer_value(json_object_get(j, "space_version")) == HONE_SPACE_VERSION &&
            json_integer_value(json_object_get(j, "features_version")) == HONE_FEATURES_VERSION)
            n = (uint64_t)json_integer_value(json_object_get(j, "records"));
        if (n > 0)
            *ret_ours = drafts_are_of(j, db, t, threads);
        json_decref(j);
        hone_db_model_free(&row);
    }
    return n;
}

static hone_status train_now(const hone_prior_options *o, hone_db *db, const char *class,
                             hone_model **ret, hone_error *err)
{
    hone_prior_options all = *o;
    json_t *about = NULL;
    hone_buf bytes = {0};
    all.history.db = db;
    all.history.target_class = class;
    all.history.threads = 0;
    all.history.most_in_all = MOST_READY;
    HONE_TRY(hone_prior_train(&all, ret, &about, err));
    char *text = hone_json_text(about);
    hone_status st = hone_model_bytes(*ret, &bytes, err);
    if (st == HONE_OK)
        st = hone_db_model_put(
            db, &(hone_db_model){.class = class, .about = text, .bytes = {bytes.s, bytes.n}}, NULL,
            err);
    if (st != HONE_OK) {
        hone_model_free(*ret);
        *ret = NULL;
    }
    free(text);
    json_decref(about);
    hone_buf_free(&bytes);
    return st;
}

hone_status hone_prior_ready(const hone_prior_options *o, hone_db *db, const hone_target *t,
                             int32_t threads, hone_model **ret, bool *ret_ours, hone_error *err)
{
    char *class = hone_target_class(t);
    bool ours = true;
    uint64_t records = 0, then = trained_on(db, t, class, threads, &ours);
    hone_status st = hone_db_record_count(db, class, &records, err);
    *ret = NULL;
    if (st == HONE_OK && (double)records >= GROWN * (double)then + GROWN_BY) {
        st = train_now(o, db, class, ret, err);
        trained_on(db, t, class, threads, &ours);
        if (st == HONE_E_NOTFOUND && then > 0) /* what was learned before still counts */
            st = HONE_OK;
    }
    if (st == HONE_OK && !*ret)
        st = hone_prior_find(db, t, threads, ret, err);
    *ret_ours = ours;
    free(class);
    return st;
}
