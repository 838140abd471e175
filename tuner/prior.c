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
    json_t *kernels, *machines, *classes;
} training;

static void end_kernel(training *t)
{
    size_t n = json_array_size(t->kernels);
    if (n)
        json_object_set_new(json_array_get(t->kernels, n - 1), "results",
                            json_integer((json_int_t)t->of_kernel));
    t->of_kernel = 0;
}

/* Of the target and the numbers that its drafts reckon with. */
static uint64_t hash_of(const hone_machine *m, const hone_target *t)
{
    hone_machine preset;
    char *text = hone_target_text(t);
    if (!m) {
        hone_machine_preset(t, &preset);
        m = &preset;
    }
    uint64_t ret = hone_hash_bytes(hone_machine_hash(m), text, strlen(text));
    free(text);
    return ret;
}

/* Is the text in the list? */
static bool has(const json_t *list, const char *text)
{
    size_t k;
    json_t *x;
    json_array_foreach(list, k, x) if (json_is_string(x) &&
                                       strcmp(json_string_value(x), text) == 0) return true;
    return false;
}

static void note_machine(training *t, const hone_history_kernel *k)
{
    char hash[17], *class = hone_target_class(k->target);
    hone_hash_format(hash_of(k->machine, k->target), hash);
    if (!has(t->machines, hash))
        json_array_append_new(t->machines, json_string(hash));
    if (!has(t->classes, class))
        json_array_append_new(t->classes, json_string(class));
    free(class);
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
    return json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:O, s:O, s:O}", "features_version",
                     HONE_FEATURES_VERSION, "space_version", HONE_SPACE_VERSION, "seed",
                     (json_int_t)t->o->seed, "results", (json_int_t)t->done.results, "rejected",
                     (json_int_t)t->rejected, "records", (json_int_t)records, "kernels", t->kernels,
                     "machines", t->machines, "classes", t->classes);
}

typedef struct counting {
    const char *of;
    HONE_VEC(char *) classes; /* within it */
} counting;

static bool add_class(void *ctx, const hone_db_target *t)
{
    counting *c = ctx;
    bool known = !hone_target_class_within(t->class, c->of);
    for (uint32_t k = 0; k < c->classes.n; k++)
        known |= strcmp(c->classes.v[k], t->class) == 0;
    if (!known)
        hone_vec_push(&c->classes, hone_xstrdup(t->class));
    return true;
}

static hone_status count_records(hone_db *db, const char *of, uint64_t *ret, hone_error *err)
{
    counting c = {.of = of};
    hone_status st = hone_db_each_target(db, add_class, &c, err);
    *ret = 0;
    for (uint32_t k = 0; k < c.classes.n && st == HONE_OK; k++) {
        uint64_t n = 0;
        st = hone_db_record_count(db, c.classes.v[k], &n, err);
        *ret += n;
    }
    for (uint32_t k = 0; k < c.classes.n; k++)
        free(c.classes.v[k]);
    hone_vec_free(&c.classes);
    return st;
}

hone_status hone_prior_train(const hone_prior_options *o, hone_model **ret, json_t **ret_about,
                             hone_error *err)
{
    training t = {
        .o = o, .kernels = json_array(), .machines = json_array(), .classes = json_array()};
    hone_model_metrics made;
    t.model = hone_model_new(&(hone_model_options){.kind = HONE_MODEL_PRIOR,
                                                   .seed = o->seed,
                                                   .threads = o->threads,
                                                   .stop = stopped,
                                                   .stop_ctx = &t});
    uint64_t records = 0;
    hone_status st = count_records(o->history.db, o->history.target_class, &records, err);
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
    json_decref(t.classes);
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

/* What models for a target are looked up as, in this order: its class and its architecture, each
 * for so many threads and for any. */
typedef struct names {
    char *class, *arch;
    unsigned n;
    struct {
        const char *class;
        int32_t threads;
    } v[4];
} names;

static names names_of(const hone_target *t, int32_t threads)
{
    names x = {.class = hone_target_class(t), .n = HONE_LEN(x.v)};
    x.arch = hone_target_class_arch(x.class);
    for (unsigned k = 0; k < x.n; k++) {
        x.v[k].class = k < 2 ? x.class : x.arch;
        x.v[k].threads = k % 2 ? 0 : threads;
    }
    return x;
}

static void names_free(names *x)
{
    free(x->class);
    free(x->arch);
}

hone_status hone_prior_find(hone_db *db, const hone_target *t, int32_t threads, hone_model **ret,
                            hone_error *err)
{
    names as = names_of(t, threads);
    hone_status st = HONE_E_NOTFOUND;
    for (unsigned k = 0; k < as.n && st == HONE_E_NOTFOUND; k++) {
        hone_db_model row;
        st = hone_db_model_latest(db, as.v[k].class, as.v[k].threads, &row, err);
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
                  as.class);
    names_free(&as);
    return st;
}

/* ---- ready for a session --------------------------------------------------------------------- */

/* Was a model of which this is told trained with results of this target, and drafts as its drafts
 * are now? */
static bool is_ours(const json_t *about, hone_db *db, const hone_target *t, int32_t threads)
{
    hone_machine m;
    char now[17];
    bool known = hone_calibrate_find(db, t, threads, &m, NULL) == HONE_OK;
    hone_hash_format(hash_of(known ? &m : NULL, t), now);
    return has(json_object_get(about, "machines"), now);
}

/* Results of the log when the model that serves this target was trained; 0: there is none that this
 * program can use. *ret_of: its class or architecture, *ret_ours: is_ours; else as they were. */
static uint64_t trained_on(hone_db *db, const hone_target *t, const names *as, int32_t threads,
                           const char **ret_of, bool *ret_ours)
{
    uint64_t n = 0;
    for (unsigned k = 0; k < as->n && n == 0; k++) {
        hone_db_model row;
        json_t *j = NULL;
        if (hone_db_model_latest(db, as->v[k].class, as->v[k].threads, &row, NULL) != HONE_OK)
            continue;
        if (hone_json_parse(row.about, strlen(row.about), &j, NULL) == HONE_OK &&
            json_integer_value(json_object_get(j, "space_version")) == HONE_SPACE_VERSION &&
            json_integer_value(json_object_get(j, "features_version")) == HONE_FEATURES_VERSION)
            n = (uint64_t)json_integer_value(json_object_get(j, "records"));
        if (n > 0) {
            *ret_of = as->v[k].class;
            *ret_ours = is_ours(j, db, t, threads);
        }
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
    names as = names_of(t, threads);
    const char *of = as.arch;
    bool ours = true;
    uint64_t records = 0, then = trained_on(db, t, &as, threads, &of, &ours);
    hone_status st = count_records(db, of, &records, err);
    *ret = NULL;
    if (st == HONE_OK && (double)records >= GROWN * (double)then + GROWN_BY) {
        st = train_now(o, db, of, ret, err);
        trained_on(db, t, &as, threads, &of, &ours);
        if (st == HONE_E_NOTFOUND && then > 0) /* what was learned before still counts */
            st = HONE_OK;
    }
    if (st == HONE_OK && !*ret)
        st = hone_prior_find(db, t, threads, ret, err);
    *ret_ours = ours;
    names_free(&as);
    return st;
}
