/* hone tune --tasks: the kernels of a network with one budget. */
#include "cli/cli.h"
#include "tuner/tuner.h"

#include <math.h>

typedef struct listing {
    const cli_task_list *list;
    const cli_tune_list_options *o;
    hone_task_list *tasks;
    int64_t told_ns;
} listing;

static void on_action(void *ctx, unsigned k, const hone_session_action *a)
{
    const listing *u = ctx;
    const char *title = u->list->v[k].kernel.title;
    if (a->kind == HONE_SESSION_TRIAL && u->o->json)
        cli_print_trial(&a->trial, title);
    else if (a->kind == HONE_SESSION_NOTICE)
        hone_log(HONE_LOG_INFO, "%s: %s", title, a->notice);
}

static void on_peer(void *ctx, const hone_pool_event *e)
{
    (void)ctx;
    hone_log(HONE_LOG_INFO, "%s", e->text);
}

/* The network's time as it falls, and what is worked on. */
static void progress(listing *u, int64_t now)
{
    hone_task_list_state s;
    char total[32];
    if (now - u->told_ns < 200000000)
        return;
    u->told_ns = now;
    hone_task_list_get_state(u->tasks, &s);
    cli_format_ns(s.total_ns, total);
    hone_buf more = {0};
    if (s.without)
        hone_buf_printf(&more, " and %u kernels without a time", s.without);
    if (u->o->trials)
        hone_buf_printf(&more, ", trial %" PRIu64 "/%" PRId64, s.trials, u->o->trials);
    else
        hone_buf_printf(&more, ", trial %" PRIu64, s.trials);
    cli_progress_say("%s: %s%s, %.0f s: %s", u->list->name, total, more.s,
                     (double)(now - u->o->start_ns) / 1e9,
                     s.busy == HONE_NO_TASK ? "final races" : u->list->v[s.busy].kernel.title);
    hone_buf_free(&more);
}

static void on_turn(void *ctx)
{
    listing *u = ctx;
    int64_t now = hone_clock_ns();
    u->o->on_turn(u->o->ctx);
    if (u->o->stop(u->o->ctx))
        hone_task_list_stop(u->tasks);
    hone_task_list_step(u->tasks, now);
    progress(u, now);
}

static bool more(void *ctx)
{
    return hone_task_list_more(((listing *)ctx)->tasks);
}

static bool stopped(void *ctx)
{
    const listing *u = ctx;
    return u->o->stop(u->o->ctx);
}

static const hone_session_result *result_of(const listing *u, uint32_t k)
{
    const hone_session *s = hone_task_list_sessions(u->tasks)[k];
    return s ? hone_session_get_result(s) : NULL;
}

static void summary_json(const listing *u, const hone_task_list_state *s, double wall_s)
{
    json_t *by = json_array();
    for (uint32_t k = 0; k < u->list->n; k++) {
        const cli_task *t = &u->list->v[k];
        const hone_session_result *r = result_of(u, k);
        json_t *sizes = NULL;
        if (hone_json_parse(t->kernel.sizes, strlen(t->kernel.sizes), &sizes, NULL) != HONE_OK)
            sizes = json_object();
        json_t *j =
            json_pack("{s:o, s:o, s:f, s:I, s:I, s:I}", "task", hone_json_string(t->kernel.title),
                      "sizes", sizes, "weight", t->weight, "best_ns",
                      (json_int_t)llround(hone_task_list_best_ns(u->tasks, k)), "trials",
                      (json_int_t)(r ? r->trials : 0), "known", (json_int_t)(r ? r->known : 0));
        if (r && r->status != HONE_OK)
            json_object_set_new(j, "error", hone_json_string(r->error.message));
        json_array_append_new(by, j);
    }
    json_t *j = json_pack("{s:b, s:o, s:I, s:I, s:I, s:I, s:f, s:b, s:o}", "summary", 1, "name",
                          hone_json_string(u->list->name), "total_ns",
                          (json_int_t)llround(s->total_ns), "tasks", (json_int_t)u->list->n,
                          "without", (json_int_t)s->without, "trials", (json_int_t)s->trials,
                          "wall_s", wall_s, "interrupted", s->interrupted, "by_task", by);
    if (s->status != HONE_OK)
        json_object_set_new(j, "error", hone_json_string(s->error.message));
    cli_print_json(j);
}

static void summary_text(const listing *u, const hone_task_list_state *s, double wall_s)
{
    char text[32];
    printf("%s on %s, %d thread%s\n", u->list->name, u->o->each->target->cpu, u->o->each->threads,
           u->o->each->threads == 1 ? "" : "s");
    puts("   share      time  times  trials  kernel");
    for (uint32_t k = 0; k < u->list->n; k++) {
        const cli_task *t = &u->list->v[k];
        const hone_session_result *r = result_of(u, k);
        double best = hone_task_list_best_ns(u->tasks, k);
        cli_format_ns(best, text);
        printf("  %5.1f %%  %8s  %5g  %6" PRIu64 "  %s%s%s\n",
               s->total_ns > 0 ? 100 * t->weight * best / s->total_ns : 0, best > 0 ? text : "-",
               t->weight, r ? r->trials : 0, t->kernel.title, r && r->status != HONE_OK ? ": " : "",
               r && r->status != HONE_OK ? r->error.message : "");
    }
    cli_format_ns(s->total_ns, text);
    printf("  total    %s", text);
    if (s->without)
        printf(", and %u of %u kernels have no schedule yet", s->without, u->list->n);
    printf("\n  trials   %" PRIu64 " in %.1f s%s\n  log      %s\n", s->trials, wall_s,
           s->interrupted ? ", interrupted: run the same command to go on" : "", u->o->db_path);
}

hone_status cli_tune_list(const cli_task_list *l, const cli_tune_list_options *o, hone_driver *d,
                          bool *ret_found, hone_error *err)
{
    listing u = {.list = l, .o = o};
    hone_task_kernel *kernels = hone_xcalloc(l->n, sizeof *kernels);
    for (uint32_t k = 0; k < l->n; k++)
        kernels[k] = (hone_task_kernel){.program = &l->v[k].kernel.program,
                                        .sizes = l->v[k].kernel.sizes,
                                        .weight = l->v[k].weight};
    u.tasks = hone_task_list_new(&(hone_task_list_options){.each = *o->each,
                                                           .trials = (uint64_t)o->trials,
                                                           .time_ms = o->seconds * 1000,
                                                           .at_once = o->each->exclusive ? 1 : 2},
                                 kernels, l->n, o->start_ns);
    cli_progress_start(l->name);
    d->stop = stopped;
    d->on_turn = on_turn;
    d->on_peer = on_peer;
    d->on_action = on_action;
    d->more = more;
    d->ctx = &u;
    hone_drive(d, hone_task_list_sessions(u.tasks), l->n);
    cli_progress_end();
    hone_task_list_state s;
    hone_task_list_get_state(u.tasks, &s);
    double wall_s = (double)(hone_clock_ns() - o->start_ns) / 1e9;
    (o->json ? summary_json : summary_text)(&u, &s, wall_s);
    *ret_found = s.without < l->n;
    if (s.status != HONE_OK)
        hone_fail(err, s.status, "%.200s: %s", l->v[s.failed].kernel.title, s.error.message);
    hone_task_list_free(u.tasks);
    free(kernels);
    return s.status;
}
