/* Trials, progress and summaries as JSON. */
#include "tuner/tell.h"
#include "targets/preset.h"

#include <math.h>

static json_t *hash_json(uint64_t h)
{
    char text[17];
    hone_hash_format(h, text);
    return json_string(text);
}

json_t *hone_tell_trial(const hone_trial *t, const char *task)
{
    json_t *j =
        json_pack("{s:I, s:s, s:s, s:s, s:b}", "trial", (json_int_t)t->number, "status",
                  hone_status_name(t->status), "why", t->why, "device", t->device, "best", t->best);
    json_object_set_new(j, "trace_hash", hash_json(t->hash));
    if (t->status == HONE_OK) {
        json_object_set_new(j, "time_ns", json_integer(t->time_ns));
        json_object_set_new(j, "compare_ns", json_integer(t->compare_ns));
        json_object_set_new(j, "max_error", json_real(t->max_error));
    } else {
        json_object_set_new(j, "reason", hone_json_string(t->reason));
    }
    if (task)
        json_object_set_new(j, "task", hone_json_string(task));
    return j;
}

/* What needs no escape goes as it is; the rest, which is seldom, as jansson has it. */
static void add_text(hone_buf *b, const char *key, const char *text)
{
    bool plain = true;
    for (const char *c = text; *c && plain; c++)
        plain = *c >= ' ' && *c < 127 && *c != '"' && *c != '\\';
    hone_buf_puts(b, key);
    if (plain) {
        hone_buf_puts(b, "\"");
        hone_buf_puts(b, text);
        hone_buf_puts(b, "\"");
        return;
    }
    json_t *j = hone_json_string(text);
    char *escaped = hone_json_text(j);
    hone_buf_puts(b, escaped);
    free(escaped);
    json_decref(j);
}

static void add_int(hone_buf *b, const char *key, int64_t x)
{
    char digits[24], *at = digits + sizeof digits - 1;
    uint64_t rest = x < 0 ? -(uint64_t)x : (uint64_t)x;
    *at = '\0';
    do
        *--at = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (x < 0)
        *--at = '-';
    hone_buf_puts(b, key);
    hone_buf_puts(b, at);
}

static void add_real(hone_buf *b, const char *key, double x)
{
    json_t *j = json_real(x);
    char *text = j && x != 0 ? hone_json_text(j) : NULL;
    hone_buf_puts(b, key);
    hone_buf_puts(b, text ? text : x == 0 && !signbit(x) ? "0.0" : "null");
    free(text);
    json_decref(j);
}

char *hone_tell_trial_text(const hone_trial *t, const char *task)
{
    hone_buf b = {0};
    char hash[17];
    hone_hash_format(t->hash, hash);
    hone_buf_puts(&b, t->best ? "{\"best\":true" : "{\"best\":false");
    if (t->status == HONE_OK)
        add_int(&b, ",\"compare_ns\":", t->compare_ns);
    add_text(&b, ",\"device\":", t->device);
    if (t->status == HONE_OK)
        add_real(&b, ",\"max_error\":", t->max_error);
    else
        add_text(&b, ",\"reason\":", t->reason);
    add_text(&b, ",\"status\":", hone_status_name(t->status));
    if (task)
        add_text(&b, ",\"task\":", task);
    if (t->status == HONE_OK)
        add_int(&b, ",\"time_ns\":", t->time_ns);
    add_text(&b, ",\"trace_hash\":", hash);
    add_int(&b, ",\"trial\":", (int64_t)t->number);
    add_text(&b, ",\"why\":", t->why);
    hone_buf_puts(&b, "}");
    return hone_buf_take(&b);
}

static json_t *rejections(const uint64_t rejected[HONE_STATUS_COUNT])
{
    json_t *j = json_object();
    for (int s = 0; s < HONE_STATUS_COUNT; s++)
        if (rejected[s])
            json_object_set_new(j, hone_status_name((hone_status)s),
                                json_integer((json_int_t)rejected[s]));
    return j;
}

json_t *hone_tell_progress(const hone_progress *p)
{
    json_t *j = json_pack("{s:s, s:I, s:I, s:I, s:I, s:o, s:I, s:f, s:f}", "phase", p->phase,
                          "trials", (json_int_t)p->trials, "budget", (json_int_t)p->budget, "ok",
                          (json_int_t)p->ok, "failed", (json_int_t)p->failed, "rejected_by",
                          rejections(p->rejected), "best_ns", (json_int_t)p->best_ns, "gflops",
                          p->gflops, "elapsed_s", (double)p->elapsed_ns / 1e9);
    if (p->left_ns >= 0)
        json_object_set_new(j, "left_s", json_real((double)p->left_ns / 1e9));
    return json_pack("{s:o}", "progress", j);
}

/* What the search did, where its time went, and how well its model ranks. */
static json_t *search_json(const hone_strategy *strategy, const hone_search_stats *s)
{
    json_t *j =
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f}", "strategy", strategy->name,
                  "proposed", (json_int_t)s->proposed, "replayed", (json_int_t)s->replayed,
                  "illegal", (json_int_t)s->replay_rejected, "predicted", (json_int_t)s->predicted,
                  "mutate_s", (double)s->mutate_ns / 1e9, "replay_s", (double)s->replay_ns / 1e9,
                  "features_s", (double)s->feature_ns / 1e9, "predict_s",
                  (double)s->predict_ns / 1e9, "train_s", (double)s->train_ns / 1e9);
    if (s->model.trained_on) {
        json_object_set_new(j, "trained_on", json_integer((json_int_t)s->model.trained_on));
        if (!isnan(s->model.pair_accuracy))
            json_object_set_new(j, "pair_accuracy", json_real(s->model.pair_accuracy));
    }
    return j;
}

/* Where the times are from. */
static void set_place(json_t *j, const hone_session_options *o)
{
    json_object_set_new(j, "cpu", json_string(hone_preset_name_of(o->target)));
    json_object_set_new(j, "threads", json_integer(o->threads));
}

static json_t *libraries_json(const hone_session_result *r)
{
    json_t *all = json_array();
    for (unsigned k = 0; k < r->n_libraries; k++) {
        const hone_session_library *l = &r->libraries[k];
        bool known = l->status < HONE_STATUS_COUNT;
        json_t *j = json_pack("{s:s, s:s}", "name", l->name, "status",
                              known ? hone_status_name(l->status) : "not measured");
        if (*l->reason && l->status != HONE_OK)
            json_object_set_new(j, "reason", hone_json_string(l->reason));
        if (l->status == HONE_OK)
            json_object_set_new(j, "time_ns", json_integer(l->time_ns));
        if (l->status == HONE_OK && l->ratio > 0)
            json_object_set_new(j, "over_best", json_real(l->ratio));
        json_array_append_new(all, j);
    }
    return all;
}

json_t *hone_tell_summary(const hone_session_options *o, const hone_session_result *r,
                          int64_t search_ns, hone_status st, const hone_error *err)
{
    const hone_strategy *strategy = o->strategy ? o->strategy : hone_strategy_at(0);
    json_t *j = json_pack(
        "{s:b, s:I, s:f, s:I, s:I, s:I, s:o, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:b, "
        "s:b}",
        "summary", 1, "best_ns", (json_int_t)r->best_ns, "gflops", r->gflops, "trials",
        (json_int_t)r->trials, "ok", (json_int_t)r->ok, "rejected", (json_int_t)r->rejected_total,
        "rejected_by", rejections(r->rejected), "failed", (json_int_t)r->failed, "set_aside",
        (json_int_t)r->set_aside, "wall_s", (double)r->wall_ns / 1e9, "search_s",
        (double)search_ns / 1e9, "build_s", (double)r->build_ns / 1e9, "run_s",
        (double)r->run_ns / 1e9, "max_error", r->max_error, "default_ns", (json_int_t)r->default_ns,
        "known", (json_int_t)r->known, "interrupted", r->interrupted, "exhausted", r->exhausted);
    set_place(j, o);
    json_object_set_new(j, "search", search_json(strategy, &r->search));
    if (strategy->whole)
        json_object_set_new(j, "space",
                            json_pack("{s:I, s:b}", "candidates", (json_int_t)r->space.candidates,
                                      "more", r->space.more));
    if (r->best_trace)
        json_object_set_new(j, "best_trace", hash_json(r->best_hash));
    if (r->n_libraries)
        json_object_set_new(j, "libraries", libraries_json(r));
    if (st != HONE_OK)
        json_object_set_new(j, "error", hone_json_string(err->message));
    return j;
}

/* ---- task lists --------------------------------------------------------------------------------
 */

/* How often the network runs each kernel, as it chooses now; the caller frees. */
static double *runs_of(const hone_tell_list *l)
{
    double *ns = hone_xcalloc(l->n, sizeof *ns), *runs = hone_xcalloc(l->n, sizeof *runs), best;
    for (uint32_t k = 0; k < l->n; k++) {
        ns[k] = hone_task_list_best_ns(l->tasks, k);
        runs[k] = l->kernels[k].weight;
    }
    for (uint32_t k = 0; k < l->n_choices; k++) {
        const hone_choice *c = &l->choices[k];
        uint32_t taken = hone_choice_fastest(c, ns, &best);
        for (uint32_t j = 0; taken < c->n && j < c->covers[taken].n; j++)
            runs[c->covers[taken].task[j]] += c->weight;
    }
    free(ns);
    return runs;
}

json_t *hone_tell_list_summary(const hone_tell_list *l, double wall_s)
{
    hone_task_list_state s;
    hone_task_list_get_state(l->tasks, &s);
    json_t *by = json_array();
    double *runs = runs_of(l);
    for (uint32_t k = 0; k < l->n; k++) {
        const hone_task_kernel *t = &l->kernels[k];
        const hone_session *session = hone_task_list_sessions(l->tasks)[k];
        const hone_session_result *r = session ? hone_session_get_result(session) : NULL;
        json_t *sizes = NULL;
        if (hone_json_parse(t->sizes, strlen(t->sizes), &sizes, NULL) != HONE_OK)
            sizes = json_object();
        json_t *j =
            json_pack("{s:o, s:o, s:f, s:f, s:I, s:I, s:I}", "task", hone_json_string(l->titles[k]),
                      "sizes", sizes, "weight", t->weight, "runs", runs[k], "best_ns",
                      (json_int_t)llround(hone_task_list_best_ns(l->tasks, k)), "trials",
                      (json_int_t)(r ? r->trials : 0), "known", (json_int_t)(r ? r->known : 0));
        if (r && r->status != HONE_OK)
            json_object_set_new(j, "error", hone_json_string(r->error.message));
        json_array_append_new(by, j);
    }
    json_t *j = json_pack("{s:b, s:o, s:I, s:I, s:I, s:I, s:f, s:b, s:o}", "summary", 1, "name",
                          hone_json_string(l->name), "total_ns", (json_int_t)llround(s.total_ns),
                          "tasks", (json_int_t)l->n, "without", (json_int_t)s.without, "trials",
                          (json_int_t)s.trials, "wall_s", wall_s, "interrupted", s.interrupted,
                          "by_task", by);
    free(runs);
    if (l->n_choices)
        json_object_set_new(j, "choices", hone_choices_json(l->choices, l->n_choices));
    set_place(j, l->each);
    if (s.status != HONE_OK)
        json_object_set_new(j, "error", hone_json_string(s.error.message));
    return j;
}

json_t *hone_tell_list_progress(const hone_tell_list *l, uint64_t budget)
{
    hone_task_list_state s;
    hone_task_list_get_state(l->tasks, &s);
    const char *phase = s.busy == HONE_NO_TASK ? "final races" : l->titles[s.busy];
    return json_pack("{s:{s:o, s:I, s:I, s:I, s:I}}", "progress", "phase", hone_json_string(phase),
                     "trials", (json_int_t)s.trials, "budget", (json_int_t)budget, "total_ns",
                     (json_int_t)llround(s.total_ns), "without", (json_int_t)s.without);
}
