/* farm, inside: the objects of a farm and what its files do for one another. Objects are allocated
 * one by one and do not move; rings and the timer heap point into them. */
#ifndef HONE_FARM_INTERNAL_H
#define HONE_FARM_INTERNAL_H

#include "farm/farm.h"

#include <math.h>

#define MS INT64_C(1000000)
#define NEVER INT64_MAX
#define SWEEP_NS (1000 * MS) /* what no event has started, for whatever reason, is looked for */
#define GHOSTS 64            /* leases without a device that a worker is remembered by */
#define TRIED 8
#define AVOID_NS (10000 * MS) /* others than those it failed at are preferred for so long */
#define FENCES 1024           /* numbers that are made durable at a time */
#define REFUSALS 16           /* from one sweep to the next that have a row: a flood fills no log */
#define CLASSES 1024          /* of devices; what says to be of another one is of the last */

/* ---- rings, timers (list.c, timer.c) ----------------------------------------------------
 */

/* A ring is its head; an element is in no ring when next is NULL. */
typedef struct ring {
    struct ring *next, *prev;
} ring;
#define OF(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))
void hone_farm__ring_init(ring *head);
void hone_farm__ring_add(ring *head, ring *x);       /* at the end */
void hone_farm__ring_add_first(ring *head, ring *x); /* at the beginning */
void hone_farm__ring_remove(ring *x);                /* nothing when it is in none */
static inline bool ring_empty(const ring *head)
{
    return head->next == head;
}

typedef enum timer_kind { TIMER_JOB, TIMER_LEASE, TIMER_WORKER } timer_kind;
typedef struct timer {
    int64_t at;
    uint32_t pos; /* in the heap, from 1; 0: not set */
    timer_kind kind;
} timer;
void hone_farm__timer_set(hone_farm *f, timer *t, int64_t at); /* NEVER: none */

/* ---- objects ------------------------------------------------------------------------------------
 */

enum {
    START,
    BUILD,
    MEASURE,
    LISTS
}; /* what a job waits for in a list: a session, a builder, a device */

typedef struct job job;
typedef struct unit unit;
typedef struct worker worker;
typedef struct lease lease;

/* What devices say they are, as a target's text; "": not known, as before their first HELLO. */
typedef struct machine {
    const char *text; /* held (hone_text_hold), so that texts that are equal are one */
    uint32_t index, n_kinds;
} machine;

/* Equal attributes, and the same machine. Bit `index` of a filter says that it matches. */
typedef struct dev_kind {
    char *attrs;
    machine *machine;
    uint32_t index, n_workers, n_online;
    ring free; /* workers that could take a measurement */
} dev_kind;

typedef struct filter {
    char *text;
    const char *needs;         /* what devices are to run code for, held; NULL: anything */
    char name[HONE_FARM_NAME]; /* of the only worker, or "" */
    HONE_VEC(uint64_t) holds;  /* kinds of which its terms hold; */
    HONE_VEC(uint64_t) kinds;  /* which can run that code, too */
    HONE_VEC(char *) lacks;    /* by machine, what it lacks; "" nothing, NULL: not asked yet */
    uint32_t refs;             /* of jobs and groups */
} filter;

/* Jobs of a user that wait for the same: session, builder or device of a filter, in their class. */
typedef struct group {
    filter *filter; /* NULL: any */
    unsigned list;
    hone_farm_class class;
    ring jobs;
} group;

typedef struct user {
    hone_farm_user_row row;
    bool dirty, counted;
    uint32_t live, sessions, in_flight; /* jobs, sessions, units */
    uint32_t waiting[LISTS];            /* jobs in its groups */
    ring active[LISTS];                 /* among users with such */
    HONE_VEC(group *) groups;
    HONE_VEC(double) vtime; /* by class of device */
} user;

typedef enum session_state { SESSION_NONE, SESSION_UP, SESSION_STOPPING } session_state;

struct job {
    hone_farm_job_row row;
    bool dirty, counted, woken;
    uint64_t batch; /* that made it durable */
    user *user;
    filter *filter;
    session_state session;
    int64_t ends_at, session_ends_at; /* of the state, of a session told to stop */
    timer timer;
    group *group[LISTS];
    ring in_group[LISTS];
    ring wants;       /* all */
    ring open[LISTS]; /* wants whose unit is open */
    uint32_t n_wants, n_open[LISTS], in_flight;
    double estimate_ns;
    ring ended; /* among those that have ended */
};

typedef struct want {
    job *job;
    uint64_t tag;
    unit *unit;
    ring in_job, in_open, in_unit;
} want;

struct unit {
    hone_farm_key key;
    unsigned list; /* BUILD or MEASURE */
    hone_farm_want spec;
    ring wants;
    lease *lease; /* NULL: open */
    uint32_t failed;
    worker *tried[TRIED]; /* where it failed */
    uint32_t n_tried;
    int64_t avoid_until; /* till then others than those are wanted */
    hone_status last;    /* of the last failure */
    user *charged;       /* whose unit in flight it is */
};

/* A settled unit. */
typedef struct settled {
    hone_farm_result_row row;
    uint64_t batch; /* in which it becomes durable; 0: it is */
    ring in_order;
} settled;

/* Workers that a unit took down. */
typedef struct struck {
    hone_farm_key key;
    worker *by[TRIED];
    uint32_t n;
    int64_t at[TRIED];
    ring in_order;
} struck;

typedef enum lease_state {
    LEASE_LIVE,   /* a unit's attempt, or a canary */
    LEASE_ENDING, /* told to end; the worker is not free before it says so */
    LEASE_GHOST   /* the worker is not taken by it, but may still bring a result */
} lease_state;

struct lease {
    worker *worker;
    uint64_t fence;
    uint32_t slot; /* of its row */
    bool stored;   /* it has a row */
    lease_state state;
    hone_farm_phase phase;
    unsigned list;
    bool canary;
    uint32_t epoch;
    hone_farm_key key;
    unit *unit; /* NULL: of a canary; of what goes on without being wanted */
    int64_t check_ms, run_ms, bytes;
    int64_t since, resend_at, ends_at; /* acceptance; next sending; end of the phase */
    hone_farm_reason reason;
    uint64_t after;    /* batch before which it is not offered */
    double charged_ns; /* provisionally, to unit->charged */
    unsigned class;
    timer timer;
    ring in_worker;
    bool started; /* it was accepted */
};

struct worker {
    hone_farm_worker_row row;
    char *attrs;
    bool dirty, woken;
    uint64_t session, machine, process, old_process, count;
    int64_t heard_at;
    hone_farm_link link;
    uint32_t slots;
    uint64_t fence, safe_end, fence_batch; /* next; below safe_end: durable; else after the batch */
    uint64_t welcome_after;                /* batch: not known to it before */
    dev_kind *kind;
    unsigned class;
    ring leases;
    uint64_t ended_batch;             /* in which the row of its lease was to go, */
    uint32_t ended_row;               /* which is this one of the batch */
    uint32_t n_live[LISTS], n_ghosts; /* LIVE and ENDING, by list; canaries under MEASURE */
    ring in_free[LISTS];
    timer timer;
    /* canaries */
    int64_t canary_at, busy_ns;
    uint32_t measured; /* since the last canary */
    uint32_t failed_canaries;
    int64_t out_at; /* when it was last put out of service, in this life; 0: never */
    /* turns */
    job *turn;
    int64_t turn_ends;
    uint32_t turn_units;
};

typedef struct class
{
    char name[HONE_FARM_NAME];
    double vtime;
} dev_class;

typedef struct outgoing {
    hone_farm_effect e;
    char who[HONE_FARM_NAME], worker[HONE_FARM_NAME], notice[192];
    uint64_t after; /* batch */
} outgoing;

struct hone_farm {
    hone_farm_limits l;
    int64_t now_ns, last_ns; /* farm's clock; the driver's at the last step */
    int64_t away_ns;         /* without a coordinator, in all lives */
    int64_t wall_ms;         /* of the last commit of the life before; 0: not known */
    bool begun, started;     /* a step was made; jobs of before were started */
    HONE_VEC(timer *) timers;
    hone_map users_by_name, jobs_by_id, jobs_by_request, units, results, strikes, workers_by_name,
        filters;
    HONE_VEC(user *) users;
    HONE_VEC(worker *) workers;
    HONE_VEC(dev_kind *) kinds;
    HONE_VEC(machine *) machines;
    HONE_VEC(filter *) all_filters;
    HONE_VEC(dev_class) classes; /* 0: builders */
    ring active[LISTS], free_builders;
    ring results_in_order, strikes_in_order, ended_jobs;
    HONE_VEC(uint64_t) online;  /* kinds with a device that is online, a bit each */
    HONE_VEC(job *) woken_jobs; /* to be looked at when the step ends */
    HONE_VEC(worker *) woken_workers;
    uint32_t n_results, n_strikes, n_ended, sessions;
    uint64_t next_job, next_seq, next_place;
    hone_farm_stats stats;
    uint32_t refused_lately; /* verbs and stale results, since the last sweep */
    /* effects and rows */
    HONE_VEC(outgoing) ready, held;
    uint32_t ready_at, held_at;
    HONE_VEC(hone_farm_row) rows, batch_rows;
    HONE_VEC(user *) dirty_users;
    HONE_VEC(job *) dirty_jobs;
    HONE_VEC(worker *) dirty_workers;
    HONE_VEC(user *) counted_users; /* whose counts alone have changed, as those of: */
    HONE_VEC(job *) counted_jobs;
    int64_t accounts_at; /* when those are stored; NEVER: there are none */
    uint64_t batch;      /* the one that is being filled; from 1 */
    uint64_t committed;  /* the last durable one */
    bool in_flight;      /* batch - 1 is under way */
    int64_t batch_due;   /* NEVER: nothing in it */
    int64_t retry_at;    /* NEVER: no commit has failed */
    uint32_t batch_results;
    bool halted;
    int64_t sweep_at;
    /* builders that the farm starts */
    uint32_t builders;       /* so many, as was last said */
    bool builders_said;      /* in this life of the farm */
    uint32_t builds_outside; /* what the driver waits for */
    uint32_t build_most;     /* builds wanted at once, at most, since: */
    int64_t build_most_since, build_wait_since;
};

static inline int64_t calendar(const hone_farm *f)
{
    return f->now_ns + f->away_ns;
}

/* ---- effects, rows (out.c, event.c)
 * --------------------------------------------------------------- */

/* A row of the batch, zeroed, to be filled in. */
hone_farm_row *hone_farm__row(hone_farm *f, hone_farm_row_kind kind);
void hone_farm__dirty_user(hone_farm *f, user *u);
void hone_farm__dirty_job(hone_farm *f, job *j);
void hone_farm__dirty_worker(hone_farm *f, worker *w);
/* Counts have changed, and nothing that anybody must not see before it is durable: the row may wait
 * for others. What jobs and users have spent is stored together, so that it fits together. */
void hone_farm__count_user(hone_farm *f, user *u);
void hone_farm__count_job(hone_farm *f, job *j);
/* An effect, zeroed, to be filled in at once; handed out after this batch is durable (0: now). */
hone_farm_effect *hone_farm__effect(hone_farm *f, hone_farm_effect_kind kind, const char *who,
                                    uint64_t after);
void hone_farm__give(hone_farm *f, const job *j, uint64_t tag, const hone_farm_result_row *r,
                     hone_farm_reason reason, uint64_t after);
void hone_farm__notice(hone_farm *f, const char *fmt, ...) HONE_PRINTF(2, 3);
void hone_farm__close_batch(hone_farm *f);
void hone_farm__committed(hone_farm *f, uint64_t batch);
void hone_farm__commit_failed(hone_farm *f, uint64_t batch, hone_status s);
static inline bool can_grant(const hone_farm *f)
{
    return f->retry_at == NEVER && !f->halted;
}
void hone_farm__audit_job(hone_farm *f, const char *actor, const job *j, const char *from,
                          const char *verb);
void hone_farm__audit_worker(hone_farm *f, const char *actor, const worker *w, const char *verb,
                             const char *from, const char *to, hone_farm_reason reason);
/* Of a verb; object: "job", "worker" or "user", and which. */
void hone_farm__audit_refusal(hone_farm *f, const char *actor, const char *verb, const char *object,
                              const char *which, hone_farm_reason reason);
void hone_farm__audit_user(hone_farm *f, const char *actor, const char *name, const char *verb,
                           hone_farm_reason reason);

/* ---- users, verbs (key.c, say.c) ---------------------------------------------------------------
 */

user *hone_farm__user(const hone_farm *f, const char *name);
user *hone_farm__user_new(hone_farm *f, const hone_farm_user_row *row);
void hone_farm__say(hone_farm *f, const char *who, const hone_farm_say *s);
/* Device time of a user, on the day it is. */
void hone_farm__spend(hone_farm *f, user *u, int64_t ns);
bool hone_farm__over_quota(const hone_farm *f, const user *u);

/* ---- filters (filter.c) ------------------------------------------------------------------------
 */

bool hone_farm__filter_valid(const char *text);
filter *hone_farm__filter_get(hone_farm *f, const char *text, const char *needs);
void hone_farm__filter_put(hone_farm *f, filter *x);
bool hone_farm__filter_fits(const filter *x, const worker *w);
/* What keeps a worker from it that its terms allow; "": nothing. NULL: they do not allow it. */
const char *hone_farm__filter_lacks(const filter *x, const worker *w);
/* The same of a device that need not be there; target NULL: not known. */
bool hone_farm__filter_suits(const filter *x, const char *name, const char *attrs,
                             const char *target);
dev_kind *hone_farm__kind_get(hone_farm *f, const char *attrs, const char *target);
void hone_farm__filters_free(hone_farm *f); /* and kinds, and machines */
unsigned hone_farm__class_get(hone_farm *f, const char *attrs);
/* The value of the first `key=`, or "". */
void hone_farm__attr(const char *attrs, const char *key, char *ret, size_t n);

/* ---- jobs (job.c, session.c)
 * ---------------------------------------------------------------------- */

job *hone_farm__job(const hone_farm *f, uint64_t id);
job *hone_farm__job_new(hone_farm *f, const hone_farm_job_row *row, user *u);
job *hone_farm__job_of_request(const hone_farm *f, const user *u, const hone_farm_request *r);
void hone_farm__job_become(hone_farm *f, job *j, hone_farm_job_state s, hone_farm_reason why,
                           const char *actor);
void hone_farm__job_stop(hone_farm *f, job *j, hone_farm_reason why, const char *actor);
void hone_farm__job_pause(hone_farm *f, job *j, const char *actor);
void hone_farm__job_ended(hone_farm *f, job *j, hone_status s);
void hone_farm__job_timer(hone_farm *f, job *j);
void hone_farm__job_resume(hone_farm *f, job *j, const char *actor);
void hone_farm__job_arm(hone_farm *f, job *j);
void hone_farm__job_touched(hone_farm *f, job *j); /* something is done for it */
void hone_farm__start_jobs(hone_farm *f);
void hone_farm__job_free(hone_farm *f, job *j);
void hone_farm__job_restart(hone_farm *f, job *j); /* of a farm that was restored */
void hone_farm__job_needs(hone_farm *f, job *j, const char *target);

/* ---- units (unit.c, settle.c)
 * ----------------------------------------------------------------------- */

void hone_farm__want(hone_farm *f, const hone_farm_want *w);
void hone_farm__unwant(hone_farm *f, job *j, uint64_t tag);
void hone_farm__unwant_all(hone_farm *f, job *j);
void hone_farm__want_remove(hone_farm *f, want *w);
unit *hone_farm__unit(const hone_farm *f, const hone_farm_key *k);
unit *hone_farm__unit_new(hone_farm *f, const hone_farm_key *k, unsigned list);
void hone_farm__unit_take(hone_farm *f, unit *u, lease *l, user *charged);
void hone_farm__unit_release(hone_farm *f, unit *u); /* of its lease */
void hone_farm__unit_drop(hone_farm *f, unit *u);    /* frees it when nobody wants or tries it */
/* Its lease has ended without a result: it is open again, unless it has had enough. */
void hone_farm__unit_reopen(hone_farm *f, unit *u, hone_status s, worker *blame);
void hone_farm__unit_give_up(hone_farm *f, unit *u, hone_farm_reason why, hone_status s);
settled *hone_farm__settled(const hone_farm *f, const hone_farm_key *k);
settled *hone_farm__settled_new(hone_farm *f, const hone_farm_result_row *r, uint64_t batch);
/* r gets its place. */
void hone_farm__settle(hone_farm *f, unit *u, hone_farm_result_row *r);
void hone_farm__forget(hone_farm *f, const hone_farm_key *k);
void hone_farm__result(hone_farm *f, worker *w, const hone_farm_event *e);
struck *hone_farm__strike(hone_farm *f, const hone_farm_key *k, worker *w, int64_t at);
void hone_farm__suspect(hone_farm *f, worker *w, uint64_t from, uint64_t to);
void hone_farm__struck_remove(hone_farm *f, struck *s);
static inline uint64_t key_hash(const hone_farm_key *k)
{
    return hone_hash_mix(k->v[0], k->v[1]);
}
static inline bool key_same(const hone_farm_key *a, const hone_farm_key *b)
{
    return a->v[0] == b->v[0] && a->v[1] == b->v[1];
}

/* ---- leases (lease.c)
 * ----------------------------------------------------------------------------- */

lease *hone_farm__lease(const worker *w, uint64_t fence);
lease *hone_farm__lease_new(hone_farm *f, worker *w, uint64_t fence, unsigned list);
void hone_farm__lease_free(hone_farm *f, lease *l);
void hone_farm__offer(hone_farm *f, worker *w, unit *u, job *j,
                      user *charged); /* u NULL: a canary */
void hone_farm__offer_again(hone_farm *f, lease *l);
void hone_farm__lease_phase(hone_farm *f, lease *l, hone_farm_phase p);
/* The unit is free; the worker is told and is not. */
void hone_farm__revoke(hone_farm *f, lease *l, hone_farm_reason why);
/* As what it is remembered by; the worker is free of it. */
void hone_farm__lease_ghost(hone_farm *f, lease *l);
void hone_farm__lease_timer(hone_farm *f, lease *l);
/* The attempt has failed; LIVE leases only. The lease stays with its worker. */
void hone_farm__attempt_failed(hone_farm *f, lease *l, hone_status s, bool blame);
void hone_farm__attempt_charge(hone_farm *f, lease *l);
uint64_t hone_farm__fence(hone_farm *f, worker *w, uint64_t *ret_after);

/* ---- workers (device.c, hello.c, health.c)
 * --------------------------------------------------------- */

worker *hone_farm__worker(const hone_farm *f, const char *name);
/* Its row as it stands: when it was heard is brought up to date. */
hone_farm_worker_row hone_farm__worker_row(const hone_farm *f, const worker *w);
worker *hone_farm__worker_new(hone_farm *f, const hone_farm_worker_row *row);
void hone_farm__worker_is(hone_farm *f, worker *w, const char *attrs, const char *target);
void hone_farm__hello(hone_farm *f, const char *who, const hone_farm_hello *h);
void hone_farm__worker_heard(hone_farm *f, worker *w);
void hone_farm__worker_link(hone_farm *f, worker *w, hone_farm_link l, hone_farm_reason why);
void hone_farm__worker_expire(hone_farm *f, worker *w, hone_farm_reason why);
void hone_farm__worker_timer(hone_farm *f, worker *w);
void hone_farm__worker_arm(hone_farm *f, worker *w);
bool hone_farm__worker_can(const hone_farm *f, const worker *w, unsigned list);
void hone_farm__worker_admin(hone_farm *f, worker *w, hone_farm_admin_state a, const char *by,
                             int64_t until, hone_farm_reason why, const char *verb);
void hone_farm__score(hone_farm *f, worker *w, int64_t by, hone_farm_reason why);
void hone_farm__health(hone_farm *f, worker *w, hone_farm_health h, hone_farm_reason why,
                       int64_t until);
void hone_farm__canary(hone_farm *f, worker *w, const hone_farm_event *e);
bool hone_farm__takes(hone_farm_health h); /* units */
bool hone_farm__canary_due(const hone_farm *f, const worker *w);
int64_t hone_farm__canary_when(const hone_farm *f, const worker *w);
void hone_farm__health_timer(hone_farm *f, worker *w);
/* anew: it is another device, as far as times go. */
void hone_farm__new_baseline(hone_farm *f, worker *w, bool anew, hone_farm_reason why);

/* ---- fairness (fair.c)
 * -------------------------------------------------------------------------------- */

/* A job waits in its user's list, or does so no longer. */
void hone_farm__wait_add(hone_farm *f, job *j, unsigned list);
void hone_farm__wait_remove(hone_farm *f, job *j, unsigned list);
/* A device that this filter allows is online. */
bool hone_farm__any_online(const hone_farm *f, const filter *x);
/* The next unit for a free worker, whose turn it becomes; NULL: none. */
want *hone_farm__pick(hone_farm *f, worker *w, unsigned list);
job *hone_farm__pick_start(hone_farm *f);
void hone_farm__charge(hone_farm *f, user *u, unsigned class, double ns);
/* When the step ends, a free worker is looked for, for a unit of j that is open; w looks for one.
 */
void hone_farm__wake_job(hone_farm *f, job *j);
void hone_farm__wake_worker(hone_farm *f, worker *w);
void hone_farm__settle_turns(hone_farm *f);  /* at the end of a step */
void hone_farm__sweep(hone_farm *f);         /* everybody is woken; builders are asked for */
void hone_farm__want_builders(hone_farm *f); /* builders.c */

#endif
