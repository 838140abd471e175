/* A list of kernels tuned together: a session for each, opened when its first round comes, and
 * rounds of a few trials handed to the one that hone_task_next names. When the budget is used up
 * the sessions come to their ends, with their races, a few at a time. */
#include "tuner/tuner.h"

#include <math.h>

#define ROUND 8       /* trials */
#define LEAST_ROUND 2 /* as written, and one schedule */
#define MS INT64_C(1000000)

typedef struct entry {
    hone_task_kernel kernel;
    uint64_t before; /* trials it had made when the round began */
    double known_ns; /* what the log had at the start; 0: nothing */
} entry;

struct hone_task_list {
    hone_task_list_options o;
    uint32_t n;
    entry *v;
    hone_task *tasks;        /* of all entries, for hone_task_next */
    double *room;            /* for as many times */
    hone_session **sessions; /* NULL: not opened yet */
    int64_t now_ns, started_ns;
    bool ending, stopped;
    hone_status status;
    uint32_t failed; /* the task it is of */
    hone_error error;
};

static const hone_session_result *result(const hone_task_list *l, uint32_t k)
{
    return l->sessions[k] ? hone_session_get_result(l->sessions[k]) : NULL;
}

static uint64_t trials_of(const hone_task_list *l, uint32_t k)
{
    return l->sessions[k] ? result(l, k)->trials : 0;
}

static bool is_done(const hone_task_list *l, uint32_t k)
{
    return l->sessions[k] && result(l, k)->done;
}

/* ---- set up ---------------------------------------------------------------------------------- */

static double ops_of(const hone_program *p)
{
    hone_program copy = {0};
    hone_program_copy(&copy, p);
    int64_t ops = hone_program_flops(&copy);
    hone_program_fini(&copy);
    return (double)ops;
}

static double best_in_log(const hone_session_options *o, const hone_program *p)
{
    hone_db_record r;
    char *target = hone_target_text(o->target);
    double ns = 0;
    if (hone_db_best(o->db, hone_program_hash(p), target, o->threads, &r, NULL) == HONE_OK) {
        ns = (double)r.time_ns;
        hone_db_record_free(&r);
    }
    free(target);
    return ns;
}

hone_task_list *hone_task_list_new(const hone_task_list_options *o, const hone_task_kernel *k,
                                   uint32_t n, int64_t now_ns)
{
    hone_task_list *l = hone_xcalloc(1, sizeof *l);
    l->o = *o;
    l->n = n;
    l->v = hone_xcalloc(n, sizeof *l->v);
    l->tasks = hone_xcalloc(n, sizeof *l->tasks);
    l->room = hone_xcalloc(n, sizeof *l->room);
    l->sessions = hone_xcalloc(n, sizeof(hone_session *));
    l->now_ns = l->started_ns = now_ns;
    for (uint32_t i = 0; i < n; i++) {
        l->v[i] = (entry){.kernel = k[i], .known_ns = best_in_log(&o->each, k[i].program)};
        double ns = l->v[i].known_ns;
        l->tasks[i] = (hone_task){.weight = k[i].weight,
                                  .ops = ops_of(k[i].program),
                                  .best_ns = ns,
                                  .trials = ns > 0}; /* at least; who has none goes first */
    }
    return l;
}

void hone_task_list_free(hone_task_list *l)
{
    if (!l)
        return;
    for (uint32_t k = 0; k < l->n; k++)
        hone_session_free(l->sessions[k]);
    free(l->sessions);
    free(l->tasks);
    free(l->room);
    free(l->v);
    free(l);
}

hone_session *const *hone_task_list_sessions(const hone_task_list *l)
{
    return l->sessions;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

/* What one kernel cannot be helped with; anything else would befall the next one as well. */
static bool is_the_kernels(hone_status st)
{
    return hone_status_is_reject(st) || st == HONE_E_REFERENCE || st == HONE_E_NOMEM ||
           st == HONE_E_LIMIT;
}

static void note_failure(hone_task_list *l, uint32_t k, hone_status st, const hone_error *err)
{
    if (st == HONE_OK || st == HONE_E_INTERRUPTED)
        return;
    l->ending = l->ending || !is_the_kernels(st);
    if (l->status != HONE_OK)
        return;
    l->status = st;
    l->failed = k;
    l->error = *err;
}

static void open_session(hone_task_list *l, uint32_t k)
{
    hone_session_options o = l->o.each;
    hone_error err = {0};
    o.program = l->v[k].kernel.program;
    o.sizes = l->v[k].kernel.sizes;
    o.held = true;
    o.trials = 0;
    o.time_ms = 0;
    if (l->o.time_ms) {
        int64_t left = l->o.time_ms - (l->now_ns - l->started_ns) / MS;
        o.time_ms = left > 1 ? left : 1;
    }
    hone_status st = hone_session_new(&o, l->now_ns, &l->sessions[k], &err);
    note_failure(l, k, st, &err);
    l->tasks[k].over = st != HONE_OK;
}

static void take_back(hone_task_list *l, uint32_t k)
{
    hone_task *t = &l->tasks[k];
    const hone_session_result *r = result(l, k);
    if (!t->busy || !hone_session_rests(l->sessions[k]))
        return;
    t->busy = false;
    hone_mem_give_back(); /* many sessions rest, and what a round takes is much of what they hold */
    hone_task_round(t, hone_session_best_ns(l->sessions[k]), r->known + r->trials);
    t->over = t->over || r->done || r->exhausted || r->trials == l->v[k].before;
    if (r->done)
        note_failure(l, k, r->status, &r->error);
}

/* Of a small budget every kernel gets something. */
static uint64_t round_of(const hone_task_list *l)
{
    uint64_t each = l->o.trials && l->n ? l->o.trials / l->n : ROUND;
    return each > ROUND ? ROUND : each < LEAST_ROUND ? LEAST_ROUND : each;
}

static uint64_t spent(const hone_task_list *l)
{
    uint64_t n = 0;
    for (uint32_t k = 0; k < l->n; k++)
        n += l->tasks[k].busy ? l->v[k].before + round_of(l) : trials_of(l, k);
    return n;
}

/* Races take their time: a part of it is kept for them. */
static bool is_late(const hone_task_list *l)
{
    if (!l->o.time_ms)
        return false;
    int64_t all = l->o.time_ms * MS, races = 0;
    for (uint32_t k = 0; k < l->n; k++)
        if (trials_of(l, k) > 0 && !result(l, k)->done)
            races += hone_session_race_ns(l->sessions[k]);
    return l->now_ns - l->started_ns >= all - (races < all / 4 ? races : all / 4);
}

static unsigned count_busy(const hone_task_list *l)
{
    unsigned n = 0;
    for (uint32_t k = 0; k < l->n; k++)
        n += l->tasks[k].busy;
    return n;
}

/* False: there is no further round. */
static bool hand_out(hone_task_list *l)
{
    uint64_t used = spent(l);
    if (l->o.trials && used >= l->o.trials)
        return false;
    const hone_tasks all = {l->tasks, l->n, l->o.choices, l->o.n_choices};
    uint32_t k = hone_task_next(&all);
    if (k == HONE_NO_TASK)
        return false;
    if (!l->sessions[k])
        open_session(l, k);
    if (!l->sessions[k])
        return true;
    uint64_t round = round_of(l), left = l->o.trials ? l->o.trials - used : round;
    l->v[k].before = trials_of(l, k);
    l->tasks[k].busy = true;
    hone_session_grant(l->sessions[k], left < round ? left : round);
    return true;
}

/* ---- the end --------------------------------------------------------------------------------- */

static void end_some(hone_task_list *l)
{
    unsigned n = 0;
    for (uint32_t k = 0; k < l->n && n < l->o.at_once; k++) {
        if (!l->sessions[k] || is_done(l, k))
            continue;
        hone_session_finish(l->sessions[k]);
        n++;
    }
}

bool hone_task_list_more(const hone_task_list *l)
{
    if (l->stopped)
        return false;
    if (!l->ending)
        return true;
    for (uint32_t k = 0; k < l->n; k++)
        if (l->sessions[k] && !is_done(l, k))
            return true;
    return false;
}

void hone_task_list_step(hone_task_list *l, int64_t now_ns)
{
    l->now_ns = now_ns;
    for (uint32_t k = 0; k < l->n; k++)
        take_back(l, k);
    if (l->stopped)
        return;
    while (!l->ending && count_busy(l) < l->o.at_once && !is_late(l) && hand_out(l))
        ;
    if (count_busy(l) == 0 || is_late(l))
        l->ending = true;
    if (l->ending)
        end_some(l);
}

void hone_task_list_stop(hone_task_list *l)
{
    l->stopped = true;
}

double hone_task_list_best_ns(const hone_task_list *l, uint32_t k)
{
    const hone_session_result *r = result(l, k);
    double best = !r ? 0 : r->done ? (double)r->best_ns : hone_session_best_ns(l->sessions[k]);
    return best > 0 ? best : l->v[k].known_ns;
}

/* What the network takes, as far as it is known. */
static void sum_up(const hone_task_list *l, hone_task_list_state *ret)
{
    for (uint32_t k = 0; k < l->n; k++) {
        double weight = l->v[k].kernel.weight;
        l->room[k] = hone_task_list_best_ns(l, k);
        ret->total_ns += weight * l->room[k];
        ret->without += weight > 0 && !(l->room[k] > 0);
    }
    for (uint32_t k = 0; k < l->o.n_choices; k++) {
        const hone_choice *c = &l->o.choices[k];
        double ns;
        ret->without += hone_choice_fastest(c, l->room, &ns) == c->n;
        ret->total_ns += c->weight * ns;
    }
}

void hone_task_list_get_state(const hone_task_list *l, hone_task_list_state *ret)
{
    *ret = (hone_task_list_state){
        .busy = HONE_NO_TASK, .status = l->status, .error = l->error, .interrupted = l->stopped};
    sum_up(l, ret);
    for (uint32_t k = 0; k < l->n; k++) {
        const hone_session_result *r = result(l, k);
        ret->trials += trials_of(l, k);
        if (l->tasks[k].busy && ret->busy == HONE_NO_TASK)
            ret->busy = k;
        if (r && r->done && r->status != HONE_OK && ret->status == HONE_OK) {
            ret->status = r->status;
            ret->failed = k;
            ret->error = r->error;
        }
    }
}
