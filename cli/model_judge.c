/* How good a model is at what it has not seen: kernels of a class held out, or machines. */
#include "cli/model.h"

#include <math.h>

#define FOLDS 5
#define SEED 1
#define MACHINES "machines" /* in place of a class */

static const uint32_t sizes[] = {0, 16, 64, 256};
static const char *const scores[] = {"pair_accuracy", "top1", "top5", "peak32"};

/* Who taught the model, in JSON and in words. */
static const struct {
    const char *key, *text;
} teachers[HONE_HOLDOUT_TEACHERS] = {
    [HONE_HOLDOUT_NOBODY] = {"cold", "nobody: the draft"},
    [HONE_HOLDOUT_OTHERS] = {"warm", "the other machines"},
    [HONE_HOLDOUT_APART] = {"apart", "their other kernels"},
    [HONE_HOLDOUT_OWN] = {"own", "this one's other kernels"},
};

/* ---- sums ------------------------------------------------------------------------------------ */

/* Over kernels, and of how many the number is known. */
typedef struct sums {
    uint32_t kernels;
    double sum[HONE_HOLDOUT_TEACHERS][HONE_LEN(scores)];
    uint32_t known[HONE_HOLDOUT_TEACHERS][HONE_LEN(scores)];
} sums;

typedef struct machine {
    hone_holdout_kernel first; /* of its kernels */
    sums of[HONE_LEN(sizes)];
} machine;

typedef struct judging {
    const cli_log_class *class;
    bool by_machine;
    sums of[HONE_LEN(sizes)];
    HONE_VEC(machine) machines;
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

static void add(sums *s, const hone_model_quality of[HONE_HOLDOUT_TEACHERS])
{
    s->kernels++;
    for (int t = 0; t < HONE_HOLDOUT_TEACHERS; t++) {
        double v[HONE_LEN(scores)];
        scores_of(&of[t], v);
        for (unsigned i = 0; i < HONE_LEN(scores); i++)
            if (isfinite(v[i])) {
                s->sum[t][i] += v[i];
                s->known[t][i]++;
            }
    }
}

/* A teacher is left out where there was none. */
static json_t *mean_json(const sums *s, uint32_t n)
{
    json_t *j = json_pack("{s:I, s:I}", "n", (json_int_t)n, "kernels", (json_int_t)s->kernels);
    for (int t = 0; t < HONE_HOLDOUT_TEACHERS; t++) {
        double v[HONE_LEN(scores)];
        bool any = t <= HONE_HOLDOUT_OTHERS;
        for (unsigned i = 0; i < HONE_LEN(scores); i++) {
            v[i] = s->known[t][i] ? s->sum[t][i] / s->known[t][i] : NAN;
            any |= s->known[t][i] > 0;
        }
        if (any)
            json_object_set_new(j, teachers[t].key, scores_json(v));
    }
    return j;
}

static json_t *means_json(const sums of[HONE_LEN(sizes)])
{
    json_t *mean = json_array();
    for (unsigned at = 0; at < HONE_LEN(sizes); at++)
        if (of[at].kernels)
            json_array_append_new(mean, mean_json(&of[at], sizes[at]));
    return mean;
}

/* ---- judging --------------------------------------------------------------------------------- */

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

static machine *machine_of(judging *g, const hone_holdout_kernel *k)
{
    uint32_t at = 0;
    while (at < g->machines.n && g->machines.v[at].first.machine != k->machine)
        at++;
    if (at == g->machines.n)
        hone_vec_push(&g->machines, (machine){.first = *k});
    return &g->machines.v[at];
}

static void judge(void *ctx, const hone_holdout_kernel *k, uint32_t n,
                  const hone_model_quality of[HONE_HOLDOUT_TEACHERS])
{
    judging *g = ctx;
    unsigned at = 0;
    while (sizes[at] != n)
        at++;
    add(&g->of[at], of);
    if (g->by_machine)
        add(&machine_of(g, k)->of[at], of);
    if (strcmp(g->last, k->name) != 0) {
        snprintf(g->last, sizeof g->last, "%s", k->name);
        g->done++;
    }
    json_t *j =
        json_pack("{s:o, s:I, s:I}", "kernel", hone_json_string(k->name), "n", (json_int_t)n,
                  "candidates", (json_int_t)of[HONE_HOLDOUT_NOBODY].candidates);
    for (int t = 0; t < HONE_HOLDOUT_TEACHERS; t++)
        if (of[t].candidates || t <= HONE_HOLDOUT_OTHERS) {
            double v[HONE_LEN(scores)];
            scores_of(&of[t], v);
            json_object_set_new(j, teachers[t].key, scores_json(v));
        }
    json_array_append_new(g->kernels, j);
    stopped(g);
}

static json_t *machines_json(const judging *g)
{
    json_t *list = json_array();
    for (uint32_t k = 0; k < g->machines.n; k++) {
        const machine *m = &g->machines.v[k];
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:I, s:o}", "cpu", hone_json_string(m->first.cpu), "class",
                            hone_json_string(m->first.class), "kernels",
                            (json_int_t)m->of[0].kernels, "mean", means_json(m->of)));
    }
    return list;
}

static hone_status judge_all(hone_db *db, const cli_log_class *c, bool by_machine,
                             const bool *blind, json_t **ret, hone_error *err)
{
    judging g = {
        .class = c, .by_machine = by_machine, .kernels = json_array(), .start_ns = hone_clock_ns()};
    const hone_holdout_options o = {.history = {.db = db,
                                                .target_class = by_machine ? NULL : c->name,
                                                .most = CLI_MODEL_MOST,
                                                .stop = stopped,
                                                .stop_ctx = &g},
                                    .seed = SEED,
                                    .threads = 1,
                                    .folds = by_machine ? UINT32_MAX : FOLDS,
                                    .by_machine = by_machine,
                                    .sizes = sizes,
                                    .n_sizes = HONE_LEN(sizes),
                                    .blind = blind};
    cli_progress_start(c->name);
    /* One kernel has no others to be learned from. */
    hone_status st = c->kernels < 2 ? HONE_OK : hone_holdout(&o, judge, &g, err);
    cli_progress_end();
    *ret = json_pack("{s:o, s:o, s:o}", "class", hone_json_string(c->name), "mean",
                     means_json(g.of), "kernels", g.kernels);
    if (by_machine)
        json_object_set_new(*ret, "machines", machines_json(&g));
    hone_vec_free(&g.machines);
    if (st != HONE_OK)
        json_decref(*ret);
    return st;
}

hone_status cli_model_judge(hone_db *db, const cli_log_class *c, const bool *blind, json_t **ret,
                            hone_error *err)
{
    return judge_all(db, c, false, blind, ret, err);
}

hone_status cli_model_judge_machines(hone_db *db, const cli_log_classes *all, const bool *blind,
                                     json_t **ret, hone_error *err)
{
    char name[] = MACHINES;
    cli_log_class c = {.name = name};
    for (uint32_t k = 0; k < all->n; k++)
        c.kernels += all->v[k].kernels;
    return judge_all(db, &c, true, blind, ret, err);
}

hone_status cli_model_blind(const char *names, bool ret[HONE_N_FEATURES], hone_error *err)
{
    memset(ret, 0, HONE_N_FEATURES * sizeof *ret);
    do {
        unsigned first, n = 0, length = (unsigned)strcspn(names, ",");
        char *name = hone_xasprintf("%.*s", (int)length, names);
        hone_status st = HONE_OK;
        if (!hone_feature_find(name, &first, &n))
            st = hone_fail(err, HONE_E_INPUT,
                           "there is no feature '%.60s': --blind takes names as `hone model show` "
                           "prints them, without [..]",
                           name);
        else if (first == HONE_FEATURE_draft_compute || first == HONE_FEATURE_draft_memory)
            st = hone_fail(err, HONE_E_INPUT, "%s is what models correct: they cannot do without",
                           name);
        for (unsigned k = 0; st == HONE_OK && k < n; k++)
            ret[first + k] = true;
        free(name);
        if (st != HONE_OK)
            return st;
        names += length;
    } while (*names++ == ',');
    return HONE_OK;
}

/* ---- as text --------------------------------------------------------------------------------- */

static json_int_t number(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

static double score(const json_t *mean, int teacher, unsigned s)
{
    const json_t *of = json_object_get(mean, teachers[teacher].key);
    return json_number_value(json_object_get(of, scores[s]));
}

static void print_kernels(const char *class, const json_t *mean)
{
    size_t k;
    json_t *x;
    printf("%s: at kernels held out, without what the others taught and with it, after n "
           "measurements\n"
           "     n  kernels   pairs in order           top-1           top-5         peak@32\n"
           "                   without   with  without   with  without   with  without   with\n",
           class);
    json_array_foreach(mean, k, x)
    {
        printf("%6" JSON_INTEGER_FORMAT " %8" JSON_INTEGER_FORMAT " ", number(x, "n"),
               number(x, "kernels"));
        for (unsigned s = 0; s < HONE_LEN(scores); s++)
            printf("  %7.3f %6.3f", score(x, HONE_HOLDOUT_NOBODY, s),
                   score(x, HONE_HOLDOUT_OTHERS, s));
        puts("");
    }
}

/* A block of lines for each number of measurements, a line for each teacher. */
static void print_machine(const json_t *m)
{
    size_t k;
    json_t *x;
    char *cpu = hone_text_clean(json_string_value(json_object_get(m, "cpu"))),
         *class = hone_text_clean(json_string_value(json_object_get(m, "class")));
    printf("%s, %s\n     n  kernels  taught by                   pairs   top-1   top-5  peak@32\n",
           cpu, class);
    json_array_foreach(json_object_get(m, "mean"), k, x)
    {
        for (int t = 0; t < HONE_HOLDOUT_TEACHERS; t++) {
            if (json_object_size(json_object_get(x, teachers[t].key)) == 0)
                continue;
            printf("%6" JSON_INTEGER_FORMAT " %8" JSON_INTEGER_FORMAT "  %-24s", number(x, "n"),
                   number(x, "kernels"), teachers[t].text);
            for (unsigned s = 0; s < HONE_LEN(scores); s++)
                printf("  %7.3f", score(x, t, s));
            puts("");
        }
    }
    free(cpu);
    free(class);
}

void cli_model_print_quality(const json_t *q)
{
    size_t k;
    json_t *x;
    char *class = hone_text_clean(json_string_value(json_object_get(q, "class")));
    const json_t *mean = json_object_get(q, "mean"), *machines = json_object_get(q, "machines");
    if (json_array_size(mean) == 0) {
        printf("%s: too few results to tell how good a model is at what it has not seen: that "
               "takes results of two %s, and of one of them a kernel with 32 or more\n",
               class, machines ? "machines" : "kernels");
    } else if (machines) {
        printf("%s: at each of them held out, after n measurements\n", class);
        json_array_foreach(machines, k, x) print_machine(x);
    } else {
        print_kernels(class, mean);
    }
    free(class);
}
