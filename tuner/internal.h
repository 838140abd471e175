/* Inside of a session. Private to the room.
 *
 *   session.c     the public face; the phases, from the reference to the end
 *   errand.c      errands: what is to be built and measured, handed out and taken back
 *   failure.c     attempts that failed, by the table failures.def
 *   verdict.c     what a measurement or a rejection means for whom it was made
 *   compare.c     one measurement against another, and the clock all times are told on
 *   finals.c      the incumbent and the fastest few behind it; final race and confirmation
 *   session_log.c rows of the log
 *   near.c        what the log knows of the same kernel at other sizes (near.h, neighbours.c)
 *   library.c     functions of libraries, beside the candidates
 *   action.c      what the driver is to do */
#ifndef HONE_TUNER_INTERNAL_H
#define HONE_TUNER_INTERNAL_H

#include "tuner/near.h"
#include "tuner/tuner.h"

#define ATTEMPTS 3        /* at one thing, when its worker fails and not the candidate */
#define FAILED_IN_A_ROW 5 /* attempts at whatever, without a success between: nothing works */
#define FINALISTS 16      /* of the trials; of the last race a few */
#define CONFIRMATIONS 16  /* records of the log that are looked at again, at most */
#define DATA_SEED 20200913u
#define MET 1024    /* a session may go on without end */
#define CLOCKS 4096 /* likewise, and devices come and go */
#define MS INT64_C(1000000)
#define WAIT_FOR_WORKERS_NS (10000 * MS)
#define WAIT_FOR_ANSWERS_NS (900000 * MS) /* longer than a worker may keep any job */

/* ---- what is worked with --------------------------------------------------------------------- */

/* One schedule of the kernel: a candidate, a finalist, the incumbent. Counted: errands and the
 * finals hold it. */
typedef struct variant {
    unsigned refs;
    uint64_t hash, ask_id; /* ask_id: HONE_NOT_ASKED when it is from the log */
    char *trace;
    const char *why;
    bool as_written;
    bool condemned; /* rejected or set aside in this session: neither measured nor compared again */
    bool suspect;   /* an incumbent that was blamed; it is run alone to find out */
    bool raced;
    hone_artifact artifact; /* bytes NULL: not built yet */
    int64_t build_ns, time_ns;
    double clock_ns; /* comparable time; 0: not measured */
    double noise;    /* of ln(clock_ns) */
    double max_error;
} variant;

typedef enum purpose {
    FOR_REFERENCE, /* built only: the program as written, plainly */
    FOR_INCUMBENT, /* the log's best, alone, before anything is compared with it */
    FOR_TRIAL,     /* a candidate of the search */
    FOR_RECHECK,   /* an incumbent that was blamed, alone */
    FOR_CHALLENGE, /* as good as the incumbent, as far as comparable times can tell */
    FOR_SETTLE,    /* took the lead: how far it is ahead of the one it took it from */
    FOR_HEAT,      /* one of the fastest: may it be a finalist? */
    FOR_RACE,      /* a finalist, with more samples */
    FOR_PART,      /* what follows of these two, in which both change places each time */
    FOR_CONFIRM,   /* a record of the log that claims to be faster than the winner */
    FOR_LIBRARY    /* a library's function, which is no candidate of the search */
} purpose;

typedef enum stage { TO_BUILD, BUILDING, TO_MEASURE, MEASURING, OVER } stage;

/* What is known of a comparison both ways that has further parts. */
#define MOST_PARTS 4
typedef struct parts {
    purpose of;
    unsigned n;               /* parts that are known */
    double ratio[MOST_PARTS]; /* ln of the time of the one that it is about, over the other's */
    double noise;             /* of their sum */
    hone_measure_result result;
} parts;

typedef struct errand {
    purpose purpose;
    stage stage;
    variant *v;       /* held */
    variant *against; /* held: what it is or was measured with; NULL: alone */
    variant *rival;   /* held: what it is to be measured with, FOR_SETTLE and FOR_PART */
    parts *parts;     /* owned: FOR_PART, the same two before */
    uint64_t id;      /* of the job in hand: another one at each attempt */
    int failures;
    uint64_t went_well; /* jobs of the kind that failed, when it first did */
    int timeouts[2];    /* of builds, of measurements */
    bool must_pair;
    int64_t not_before_ns; /* a further attempt is not made earlier */
} errand;

typedef enum phase { WAITING, STARTING, TUNING, RACING, CONFIRMING, DONE } phase;

typedef struct device_clock {
    uint64_t device;  /* hash of its name: there may be thousands */
    double log_scale; /* ln(comparable time / time measured there), smoothed */
} device_clock;

typedef struct queued {
    hone_session_action_kind kind;
    uint64_t id;     /* of the job */
    char *text;      /* notice, or reason of the trial; owned */
    char device[64]; /* of the trial */
    hone_trial trial;
    hone_progress progress;
} queued;

struct hone_session {
    hone_session_options o;
    hone_session_result r;
    phase phase;
    int64_t now_ns, started_ns, deadline_ns; /* deadline_ns 0: none */
    int64_t manned_ns;                       /* when there last were builders and devices */
    int64_t heard_ns;                        /* when a job last came back, or none was in hand */
    int64_t progress_ns;                     /* when progress was last told */
    bool stepped, stop_asked;
    uint64_t granted; /* trials of a session that is held */
    bool finishing;   /* it is held no more */

    hone_space *space;
    hone_search *search;
    char *program_text, *target_text, *state_text;
    uint64_t workload_hash;
    int64_t flops, workload_id, target_id;
    int64_t least_ops; /* of the program: what no candidate does without */
    double peak_gflops;
    hone_db_session row;

    variant *reference;                   /* built, or NULL */
    variant *libraries[HONE_LIBCALL_MAX]; /* in the options' order; their traces are calls */
    char library_marks[HONE_LIBCALL_MAX][HONE_LIBCALL_MARK]; /* likewise */
    int64_t library_target_id;
    bool libraries_raced;
    HONE_VEC(errand *) errands;
    HONE_VEC(variant *) best; /* fastest first, at most FINALISTS; the first is the incumbent */
    HONE_VEC(uint64_t)
    met; /* traces of the log that were looked at in this session, the latest
            MET of them at least */
    HONE_VEC(device_clock) clocks; /* at most CLOCKS */
    double luck;                   /* variance of a ratio from one process to the next */
    unsigned n_both_ways;          /* comparisons that told it */
    uint32_t clock_turn;           /* which of so many goes for another */
    double default_clock_ns;
    double known_ns;        /* comparable time of the fastest that the log has; 0: none */
    int failed_in_a_row[2]; /* builds, measurements */
    uint64_t went_well[2];
    bool in_heats;     /* of the final race */
    bool log_given_up; /* no incumbent is taken from the log (any more) */
    unsigned log_tried, confirmed;
    uint64_t measured; /* measurements that came back */

    HONE_VEC(queued) queue; /* of actions, from `first` on */
    uint32_t first;
    char *handed_out; /* text of the action last given away */
};
typedef struct hone_session session;

/* ---- session.c ---------------------------------------------------------------------------------
 */

/* The session ends with this, now. */
void hone_tuner__end(session *s, hone_status status, const char *fmt, ...) HONE_PRINTF(3, 4);
/* Ends it when st is a failure of the log or the search; true: it goes on. */
bool hone_tuner__goes_on(session *s, hone_status st, const hone_error *err);
bool hone_tuner__is_as_written(const char *trace);
/* Trials it may make, as of now; 0: no limit, or for one that is held: none yet. */
uint64_t hone_tuner__budget(const session *s);

/* ---- action.c ----------------------------------------------------------------------------------
 */

void hone_tuner__notice(session *s, const char *fmt, ...) HONE_PRINTF(2, 3);
void hone_tuner__queue_job(session *s, hone_session_action_kind kind, uint64_t id);
void hone_tuner__queue_trial(session *s, const hone_trial *t);
void hone_tuner__progress(session *s, bool now);
const char *hone_tuner__phase_name(phase p);

/* ---- errand.c ----------------------------------------------------------------------------------
 */

variant *hone_tuner__variant_new(uint64_t ask_id, uint64_t hash, const char *why, char *trace);
variant *hone_tuner__hold(variant *v);
void hone_tuner__drop(variant *v); /* NULL is fine */
/* Adds one; v (NULL for the reference) is held. */
errand *hone_tuner__errand(session *s, purpose p, variant *v);
errand *hone_tuner__find(const session *s, uint64_t id);
unsigned hone_tuner__count(const session *s, stage st);
/* Hands out what can be handed out now. */
void hone_tuner__feed(session *s);
/* Takes back a job that has ended. */
void hone_tuner__outcome(session *s, hone_pool_event *e);
/* Those that are over go. */
void hone_tuner__forget_over(session *s);
/* Every errand for v (NULL: for whatever) is over; jobs in hand are cancelled. */
void hone_tuner__give_up(session *s, const variant *v);
void hone_tuner__build_job(const session *s, const errand *j, hone_build_job *ret);
void hone_tuner__measure_job(const session *s, const errand *j, hone_measure_job *ret);

/* ---- failure.c ---------------------------------------------------------------------------------
 */

typedef enum failure_policy {
    FAILURE_UNLISTED,
    FAILURE_SUSPECT,   /* again; after ATTEMPTS it is set aside in this session */
    FAILURE_END_AFTER, /* again; after ATTEMPTS the session ends, unless others go well */
    FAILURE_END,       /* the session ends */
    FAILURE_DEMOTE     /* the incumbent is run alone, the candidate again */
} failure_policy;
failure_policy hone_tuner__policy(hone_status s);
/* The attempt at j ended with e->status, a HONE_E_*. */
void hone_tuner__failed(session *s, errand *j, const hone_pool_event *e);

/* ---- verdict.c ---------------------------------------------------------------------------------
 */

void hone_tuner__measured(session *s, errand *j, const hone_pool_event *e);
void hone_tuner__rejected(session *s, errand *j, const hone_pool_event *e);
/* Given up in this session; says nothing about it. */
void hone_tuner__set_aside(session *s, errand *j, hone_status status);

/* ---- compare.c ---------------------------------------------------------------------------------
 */

typedef struct comparison {
    bool paired;
    bool comparable; /* clock_ns is known */
    double ratio;    /* ln(time / time of what it was measured with); 0: alone */
    double noise;    /* of ratio */
    double clock_ns;
} comparison;

/* Is known_ns, of the log, a time that can be on the clock of what was measured now? */
bool hone_tuner__clock_holds(const session *s, double known_ns, const hone_measure_result *m);
/* What this measurement says; notes the device's clock. known_ns: comparable time of what was
 * measured, when that is known; else 0. What is beyond the machine's peak is not believed. */
comparison hone_tuner__compare(session *s, const errand *j, const hone_pool_event *e,
                               double known_ns);

/* Of how many parts, in each of which both change places, is this one? */
unsigned hone_tuner__parts_of(const errand *j);
/* Adds what j, one of them, says of the one that all are about: of two, j->v in the first part. */
void hone_tuner__add_part(session *s, parts *p, const comparison *c, const hone_measure_result *m);
/* What all parts say of the one that they are about, in turns with `other`. */
comparison hone_tuner__compare_parts(session *s, const parts *p, const variant *other);
/* By so much a trial's ratio may be off, by its own word and by what others were off. */
double hone_tuner__noise_of_trial(const session *s, const comparison *c);

/* ---- finals.c ----------------------------------------------------------------------------------
 */

variant *hone_tuner__incumbent(const session *s); /* or NULL */
/* v, measured, takes its place; `leads`: the first. Held when it is among the few. */
void hone_tuner__enter_finals(session *s, variant *v, bool leads);
void hone_tuner__leave_finals(session *s, variant *v);
/* It takes as long as so many trials, or what may have to be confirmed after it would not. */
int64_t hone_tuner__race_trials(const session *s);
void hone_tuner__race_begin(session *s);
void hone_tuner__race_step(session *s);    /* phase RACING */
bool hone_tuner__confirm_step(session *s); /* phase CONFIRMING; false: it is over */

/* ---- library.c ---------------------------------------------------------------------------------
 */

/* Their target's row, and a variant each. */
hone_status hone_tuner__libraries_open(session *s, hone_error *err) HONE_NODISCARD;
void hone_tuner__libraries_free(session *s);
/* The mark of the library that v is a call of; NULL: it is none. */
const char *hone_tuner__library_mark(const session *s, const variant *v);
/* Has all measured that were not rejected. */
void hone_tuner__libraries_measure(session *s);
/* Once, in turns with the winner. False: there is nothing to wait for. */
bool hone_tuner__libraries_race(session *s);
void hone_tuner__library_measured(session *s, const variant *v);
void hone_tuner__library_rejected(session *s, variant *v, hone_status status, const char *reason);
/* An attempt failed, through no fault of its own. */
void hone_tuner__library_failed(session *s, const variant *v, const char *message);
/* What is said of them at the end. */
void hone_tuner__libraries_finish(session *s);

/* ---- near.c ------------------------------------------------------------------------------------
 */

/* Suggests to the search what the log's nearest kernels of this class, for targets of this one's
 * class and as many threads, make of this one. HONE_E_INTERRUPTED, and what a database returns. */
hone_status hone_tuner__near(session *s, hone_error *err) HONE_NODISCARD;

/* ---- session_log.c -----------------------------------------------------------------------------
 */

/* Rows of workload, target and session. */
hone_status hone_tuner__log_open(session *s, hone_error *err) HONE_NODISCARD;
/* Keeps in the session's row that the candidate with this trace is of that kind: "default", or
 * "near", made of another size's best. A lookup at other sizes asks how they did here. */
void hone_tuner__note(session *s, const char *kind, uint64_t trace_hash);
/* Tells the search what the log knows, and suggests to it what may be worth a trial. */
hone_status hone_tuner__log_recall(session *s, hone_error *err) HONE_NODISCARD;
/* The log's best (below_ns infinite), or its fastest record below that, which this session has not
 * met yet; it is met now. NULL: none. The caller holds it. */
variant *hone_tuner__log_next(session *s, double below_ns);
void hone_tuner__meet(session *s, uint64_t hash);
/* One result and the session's state, durable together. c NULL: of no comparison. False: the
 * session has ended over it. */
bool hone_tuner__log_store(session *s, const errand *j, const hone_pool_event *e,
                           const comparison *c);
/* The session's row as it ends. */
hone_status hone_tuner__log_close(session *s, hone_error *err) HONE_NODISCARD;
/* The time of the winner as the closed log tells it to all who ask: of several measurements the
 * best founded one, which need not be the last. The last, when the log cannot be read. */
int64_t hone_tuner__log_time(session *s, const variant *v);

#endif
