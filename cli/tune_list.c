/* hone tune --tasks: the kernels of a network with one budget. */
#include "cli/net_race.h"
#include "cli/tune_text.h"
#include "tuner/tell.h"

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

/* What it cannot do is no failure of the tuning. */
static void race(const net_race_options *o, const hone_task_list_state *s)
{
    hone_error why = {0};
    if (!o || s->status != HONE_OK || s->interrupted)
        return;
    hone_status st = net_race(o, &why);
    if (st != HONE_OK && st != HONE_E_INTERRUPTED)
        hone_log(HONE_LOG_WARN, "choices were not run in turns: %s", why.message);
}

hone_status cli_tune_list(const cli_task_list *l, const cli_tune_list_options *o, hone_driver *d,
                          bool *ret_found, hone_error *err)
{
    listing u = {.list = l, .o = o};
    hone_task_kernel *kernels = hone_xcalloc(l->n, sizeof *kernels);
    const char **titles = hone_xcalloc(l->n, sizeof *titles);
    for (uint32_t k = 0; k < l->n; k++)
        titles[k] = l->v[k].kernel.title;
    for (uint32_t k = 0; k < l->n; k++)
        kernels[k] = (hone_task_kernel){.program = &l->v[k].kernel.program,
                                        .sizes = l->v[k].kernel.sizes,
                                        .weight = l->v[k].weight};
    u.tasks = hone_task_list_new(&(hone_task_list_options){.each = *o->each,
                                                           .trials = (uint64_t)o->trials,
                                                           .time_ms = o->seconds * 1000,
                                                           .at_once = o->each->exclusive ? 1 : 2,
                                                           .choices = l->choices,
                                                           .n_choices = l->n_choices},
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
    race(o->race, &s);
    double wall_s = (double)(hone_clock_ns() - o->start_ns) / 1e9;
    json_t *summary = hone_tell_list_summary(&(hone_tell_list){.name = l->name,
                                                               .each = o->each,
                                                               .tasks = u.tasks,
                                                               .kernels = kernels,
                                                               .titles = titles,
                                                               .n = l->n,
                                                               .choices = l->choices,
                                                               .n_choices = l->n_choices},
                                             wall_s);
    if (!o->json)
        cli_list_summary_text(o->db_path, summary);
    if (o->json)
        cli_print_json(summary);
    else
        json_decref(summary);
    *ret_found = s.total_ns > 0;
    if (s.status != HONE_OK)
        hone_fail(err, s.status, "%.200s: %s", l->v[s.failed].kernel.title, s.error.message);
    hone_task_list_free(u.tasks);
    free(kernels);
    free(titles);
    return s.status;
}
