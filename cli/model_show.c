/* hone model show: the models of a log, what they go by, and how good a model is at kernels that it
 * has not seen. */
#include "cli/model.h"

#include <math.h>
#include <time.h>

#define FOLDS 5
#define SEED 1
#define MACHINES "machines" /* in place of a class */

static const uint32_t sizes[] = {0, 16, 64, 256};
static const char *const scores[] = {"pair_accuracy", "top1", "top5", "peak32"};

/* ---- a log's classes ------------------------------------------------------------------------- */

typedef struct gathering {
    const char *only;
    cli_log_classes *to;
} gathering;

static bool gather(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                   const hone_db_record *r)
{
    gathering *g = ctx;
    uint32_t k = 0;
    (void)w;
    (void)r;
    if (g->only && strcmp(g->only, t->class) != 0)
        return true;
    while (k < g->to->n && strcmp(g->to->v[k].name, t->class) != 0)
        k++;
    if (k == g->to->n)
        hone_vec_push(g->to, (cli_log_class){.name = hone_xstrdup(t->class)});
    g->to->v[k].kernels++;
    return true;
}

hone_status cli_log_classes_read(hone_db *db, const char *only, cli_log_classes *ret,
                                 hone_error *err)
{
    gathering g = {only, ret};
    HONE_TRY(hone_db_each_best(db, NULL, gather, &g, err));
    if (ret->n)
        return HONE_OK;
    return hone_fail(err, HONE_E_NOTFOUND, "'%.300s' has no good result%s%.80s", hone_db_path(db),
                     only ? " of class " : "", only ? only : "");
}

void cli_log_classes_free(cli_log_classes *l)
{
    for (uint32_t k = 0; k < l->n; k++)
        free(l->v[k].name);
    hone_vec_free(l);
}

/* ---- a model --------------------------------------------------------------------------------- */

static json_int_t number(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

json_t *cli_model_json(const hone_db_model *m)
{
    json_t *about = NULL;
    if (hone_json_parse(m->about, strlen(m->about), &about, NULL) != HONE_OK)
        about = json_object();
    json_t *j = json_pack(
        "{s:I, s:o, s:i, s:I, s:I, s:I, s:o, s:I, s:I, s:I}", "id", (json_int_t)m->id, "class",
        hone_json_string(m->class), "threads", m->threads, "kernels",
        (json_int_t)json_array_size(json_object_get(about, "kernels")), "results",
        number(about, "results"), "created_ms", (json_int_t)m->created_ms, "hone_version",
        hone_json_string(m->hone_version), "features_version", number(about, "features_version"),
        "space_version", number(about, "space_version"), "bytes", (json_int_t)m->bytes.n);
    json_decref(about);
    return j;
}

void cli_model_print(const char *first, const json_t *m)
{
    char date[32] = "?", *class = hone_text_clean(json_string_value(json_object_get(m, "class"))),
         *version = hone_text_clean(json_string_value(json_object_get(m, "hone_version")));
    json_int_t threads = number(m, "threads"), kernels = number(m, "kernels");
    time_t made = (time_t)(number(m, "created_ms") / 1000);
    struct tm tm;
    if (gmtime_r(&made, &tm))
        strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", &tm);
    printf("%s%s, ", first, class);
    if (threads)
        printf("%" JSON_INTEGER_FORMAT " thread%s", threads, threads == 1 ? "" : "s");
    else
        printf("any number of threads");
    printf(": %" JSON_INTEGER_FORMAT " kernel%s, %" JSON_INTEGER_FORMAT " results, %s, hone %s, "
           "features %" JSON_INTEGER_FORMAT ", space %" JSON_INTEGER_FORMAT
           ", %" JSON_INTEGER_FORMAT " KB\n",
           kernels, kernels == 1 ? "" : "s", number(m, "results"), date, version,
           number(m, "features_version"), number(m, "space_version"),
           (number(m, "bytes") + 999) / 1000);
    free(class);
    free(version);
}

typedef struct showing {
    const char *db_path, *only;
    json_t *models;
} showing;

/* Whether a later one of this class and number of threads is there. */
static bool is_outdated(const json_t *models, const json_t *m)
{
    size_t k;
    json_t *x;
    json_array_foreach(
        models, k, x) if (json_equal(json_object_get(x, "class"), json_object_get(m, "class")) &&
                          number(x, "threads") == number(m, "threads")) return true;
    return false;
}

static bool add_model(void *ctx, const hone_db_model *m)
{
    showing *s = ctx;
    if (s->only && strcmp(s->only, m->class) != 0)
        return true;
    hone_model *model = NULL;
    hone_error e = {0};
    json_t *j = cli_model_json(m), *about = NULL;
    if (hone_json_parse(m->about, strlen(m->about), &about, NULL) == HONE_OK)
        json_object_set_new(j, "about", about);
    if (!is_outdated(s->models, j)) {
        char *name = hone_xasprintf("model %" PRId64 " of %.300s", m->id, s->db_path);
        if (hone_prior_parse(m, name, &model, &e) == HONE_OK)
            json_object_set_new(j, "features", cli_features_json(model));
        else
            json_object_set_new(j, "unusable", hone_json_string(e.message));
        free(name);
        hone_model_free(model);
    }
    json_array_append_new(s->models, j);
    return true;
}

static void print_models(const json_t *models)
{
    size_t k, i;
    json_t *m, *f;
    json_array_foreach(models, k, m)
    {
        char first[48];
        snprintf(first, sizeof first, "model %" JSON_INTEGER_FORMAT ": ", number(m, "id"));
        cli_model_print(first, m);
        const char *why = json_string_value(json_object_get(m, "unusable"));
        if (why)
            printf("  not used: %s\n", why);
        json_array_foreach(json_object_get(m, "features"), i, f)
            printf("  %5.1f %%  %s\n", 100 * json_number_value(json_object_get(f, "share")),
                   json_string_value(json_object_get(f, "feature")));
    }
}

/* ---- how good it is -------------------------------------------------------------------------- */

/* Sums over kernels, and of how many the number is known: without and with what the others taught.
 */
typedef struct sums {
    uint32_t kernels;
    double sum[2][HONE_LEN(scores)];
    uint32_t known[2][HONE_LEN(scores)];
} sums;

typedef struct judging {
    const cli_log_class *class;
    sums of[HONE_LEN(sizes)];
    json_t *kernels;
    char last[256];
    uint32_t done;
    int64_t start_ns, said_ns;
} judging;

static void scores_of(const hone_model_quality *q, double ret[HONE_LEN(scores)])
{
    ret[0] = q->pair_accuracy;
    ret[1] = q->top1;
    ret[2] = q->top5;
    ret[3] = q->peak32;
}

static json_t *scores_json(const double v[HONE_LEN(scores)])
{
    json_t *j = json_object();
    for (unsigned s = 0; s < HONE_LEN(scores); s++)
        if (isfinite(v[s]))
            json_object_set_new(j, scores[s], json_real(v[s]));
    return j;
}

/* Asked often: also says how far it is. */
static bool stopped(void *ctx)
{
    judging *g = ctx;
    int64_t now = hone_clock_ns();
    if (now - g->said_ns > 100 * 1000000) {
        g->said_ns = now;
        cli_progress_say("%.80s: judging on kernels held out, %" PRIu32 " of %" PRIu32 ", %.0f s",
                         g->class->name, g->done, g->class->kernels,
                         (double)(now - g->start_ns) / 1e9);
    }
    return cli_stopped(NULL);
}

static void judge(void *ctx, const hone_holdout_kernel *k, uint32_t n,
                  const hone_model_quality *cold, const hone_model_quality *warm)
{
    judging *g = ctx;
    const hone_model_quality *q[2] = {cold, warm};
    double v[2][HONE_LEN(scores)];
    unsigned at = 0;
    while (sizes[at] != n)
        at++;
    sums *s = &g->of[at];
    s->kernels++;
    for (int w = 0; w < 2; w++) {
        scores_of(q[w], v[w]);
        for (unsigned i = 0; i < HONE_LEN(scores); i++)
            if (isfinite(v[w][i])) {
                s->sum[w][i] += v[w][i];
                s->known[w][i]++;
            }
    }
    if (strcmp(g->last, k->name) != 0) {
        snprintf(g->last, sizeof g->last, "%s", k->name);
        g->done++;
    }
    json_array_append_new(g->kernels, json_pack("{s:o, s:I, s:I, s:o, s:o}", "kernel",
                                                hone_json_string(k->name), "n", (json_int_t)n,
                                                "candidates", (json_int_t)cold->candidates, "cold",
                                                scores_json(v[0]), "warm", scores_json(v[1])));
    stopped(g);
}

static json_t *mean_json(const sums *s, uint32_t n)
{
    double v[2][HONE_LEN(scores)];
    for (int w = 0; w < 2; w++)
        for (unsigned i = 0; i < HONE_LEN(scores); i++)
            v[w][i] = s->known[w][i] ? s->sum[w][i] / s->known[w][i] : NAN;
    return json_pack("{s:I, s:I, s:o, s:o}", "n", (json_int_t)n, "kernels", (json_int_t)s->kernels,
                     "cold", scores_json(v[0]), "warm", scores_json(v[1]));
}

static hone_status judge_all(hone_db *db, const cli_log_class *c, bool machines, json_t **ret,
                             hone_error *err)
{
    judging g = {.class = c, .kernels = json_array(), .start_ns = hone_clock_ns()};
    json_t *mean = json_array();
    const hone_holdout_options o = {.history = {.db = db,
                                                .target_class = machines ? NULL : c->name,
                                                .most = CLI_MODEL_MOST,
                                                .stop = stopped,
                                                .stop_ctx = &g},
                                    .seed = SEED,
                                    .threads = 1,
                                    .folds = machines ? UINT32_MAX : FOLDS,
                                    .by_machine = machines,
                                    .sizes = sizes,
                                    .n_sizes = HONE_LEN(sizes)};
    cli_progress_start(c->name);
    /* One kernel has no others to be learned from. */
    hone_status st = c->kernels < 2 ? HONE_OK : hone_holdout(&o, judge, &g, err);
    cli_progress_end();
    for (unsigned at = 0; at < HONE_LEN(sizes); at++)
        if (g.of[at].kernels)
            json_array_append_new(mean, mean_json(&g.of[at], sizes[at]));
    *ret = json_pack("{s:o, s:o, s:o}", "class", hone_json_string(c->name), "mean", mean, "kernels",
                     g.kernels);
    if (st != HONE_OK)
        json_decref(*ret);
    return st;
}

hone_status cli_model_judge(hone_db *db, const cli_log_class *c, json_t **ret, hone_error *err)
{
    return judge_all(db, c, false, ret, err);
}

hone_status cli_model_judge_machines(hone_db *db, const cli_log_classes *all, json_t **ret,
                                     hone_error *err)
{
    char name[] = MACHINES;
    cli_log_class c = {.name = name};
    for (uint32_t k = 0; k < all->n; k++)
        c.kernels += all->v[k].kernels;
    return judge_all(db, &c, true, ret, err);
}

static void print_quality(const json_t *q)
{
    size_t k;
    json_t *x;
    char *class = hone_text_clean(json_string_value(json_object_get(q, "class")));
    const json_t *mean = json_object_get(q, "mean");
    if (json_array_size(mean) == 0) {
        printf("%s: too few results to tell how good a model is at what it has not seen: that "
               "takes two, one of them with 32 results of a kernel\n",
               class);
    } else {
        printf(
            "%s: at %s held out, without what the others taught and with it, after n "
            "measurements\n"
            "     n  kernels   pairs in order           top-1           top-5         peak@32\n"
            "                   without   with  without   with  without   with  without   with\n",
            class, strcmp(class, MACHINES) == 0 ? "each of them" : "kernels");
        json_array_foreach(mean, k, x)
        {
            const json_t *cold = json_object_get(x, "cold"), *warm = json_object_get(x, "warm");
            printf("%6" JSON_INTEGER_FORMAT " %8" JSON_INTEGER_FORMAT " ", number(x, "n"),
                   number(x, "kernels"));
            for (unsigned s = 0; s < HONE_LEN(scores); s++)
                printf("  %7.3f %6.3f", json_number_value(json_object_get(cold, scores[s])),
                       json_number_value(json_object_get(warm, scores[s])));
            puts("");
        }
    }
    free(class);
}

/* ---- the command ----------------------------------------------------------------------------- */

static hone_status show(hone_db *db, const char *class, bool machines, bool json, hone_error *err)
{
    showing s = {.db_path = hone_db_path(db), .only = class, .models = json_array()};
    cli_log_classes classes = {0};
    json_t *quality = json_array();
    hone_status st = hone_db_each_model(db, add_model, &s, err);
    if (st == HONE_OK)
        st = cli_log_classes_read(db, class, &classes, err);
    if (st == HONE_E_NOTFOUND && json_array_size(s.models))
        st = HONE_OK; /* models alone, of elsewhere */
    if (st == HONE_OK && !json) {
        print_models(s.models);
        if (json_array_size(s.models) == 0)
            puts("no model yet: `hone model train` makes one of these results");
    }
    /* Before what takes long. Main says when it failed. */
    bool heard = fflush(stdout) == 0;
    uint32_t n = machines && classes.n ? 1 : classes.n;
    for (uint32_t k = 0; k < n && st == HONE_OK && heard; k++) {
        json_t *q;
        st = machines ? cli_model_judge_machines(db, &classes, &q, err)
                      : cli_model_judge(db, &classes.v[k], &q, err);
        if (st != HONE_OK)
            continue;
        if (!json)
            print_quality(q);
        json_array_append_new(quality, q);
    }
    if (st == HONE_OK && json && heard)
        cli_print_json(json_pack("{s:O, s:O}", "models", s.models, "quality", quality));
    json_decref(s.models);
    json_decref(quality);
    cli_log_classes_free(&classes);
    return st;
}

hone_status cli_model_show(const char *db_path, const char *class, bool machines, bool json,
                           hone_error *err)
{
    hone_db *db;
    HONE_TRY(hone_db_open(db_path, HONE_DB_READ, &db, err));
    hone_status st = show(db, class, machines, json, err);
    hone_db_close(db);
    return st;
}
