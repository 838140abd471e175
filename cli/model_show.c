/* hone model show: the models of a log, what they go by, and how good a model is at kernels that it
 * has not seen. */
#include "cli/model.h"

#include <time.h>

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
    if (g->only && !hone_target_class_within(t->class, g->only))
        return true;
    char *name = g->only ? hone_xstrdup(g->only) : hone_target_class_arch(t->class);
    while (k < g->to->n && strcmp(g->to->v[k].name, name) != 0)
        k++;
    if (k == g->to->n)
        hone_vec_push(g->to, (cli_log_class){.name = hone_xstrdup(name)});
    g->to->v[k].kernels++;
    free(name);
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

/* ---- the command ----------------------------------------------------------------------------- */

static hone_status show(hone_db *db, const cli_model_showing *o, hone_error *err)
{
    const char *class = o->class;
    bool json = o->json;
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
    uint32_t n = o->machines && classes.n ? 1 : classes.n;
    for (uint32_t k = 0; k < n && st == HONE_OK && heard; k++) {
        json_t *q;
        st = o->machines ? cli_model_judge_machines(db, &classes, o->blind, &q, err)
                         : cli_model_judge(db, &classes.v[k], o->blind, &q, err);
        if (st != HONE_OK)
            continue;
        if (!json)
            cli_model_print_quality(q);
        json_array_append_new(quality, q);
    }
    if (st == HONE_OK && json && heard)
        cli_print_json(json_pack("{s:O, s:O}", "models", s.models, "quality", quality));
    json_decref(s.models);
    json_decref(quality);
    cli_log_classes_free(&classes);
    return st;
}

hone_status cli_model_show(const char *db_path, const cli_model_showing *o, hone_error *err)
{
    hone_db *db;
    HONE_TRY(hone_db_open(db_path, HONE_DB_READ, &db, err));
    hone_status st = show(db, o, err);
    hone_db_close(db);
    return st;
}
