/* farm: many people, many jobs, many workers, one coordinator; decided here and done elsewhere.
 *
 * A farm is a state machine without I/O, clock and random source: hone_farm_step(farm, event, now)
 * changes it, hone_farm_next_effect says what there is to do. Sockets, files, sessions and
 * processes belong to a driver; tests drive it in virtual time (tests/farm).
 *
 *   job      what a user asks for: a session of the tuner. Its text is the driver's.
 *   unit     one thing to do once, named by its content (hone_farm_key): a build or a measurement.
 *            Two jobs that want the same unit share it.
 *   lease    the right of a worker to try one unit, named by the worker and a fence that only
 * grows. An attempt is its lease; a canary is a lease without a unit. result   what came of a
 * measurement. It is acknowledged, and given to its jobs, once it is durable. Builds are not
 * stored: what was lost is built again. worker   a device (it measures), a builder or both; a name
 * is a key, never a connection.
 *
 * What is durable: rows. A farm says COMMIT with rows, the driver writes them in one transaction
 * and says COMMITTED; whatever must not be seen before that is handed out after it, in order. At
 * most one batch is under way. hone_farm_restore makes a farm of such rows. Connections, leases and
 * open units are not in rows: workers say in HELLO what they hold, sessions start again and say
 * what they want.
 *
 * The farm's clock is the sum of the time between steps, but what is beyond stall_ms between two
 * steps does not count: peers may have spoken and were not heard. It stands still while there is no
 * coordinator. Times in rows are of this clock. So step at least each stall_ms / 2.
 *
 * What people are told the age of (created_at, changed_at, heard_at) is on the farm's calendar: its
 * clock, and the time in which there was no coordinator (hone_farm_returns). No deadline is.
 *
 * Messages may be lost, doubled, late and in any order. Whoever speaks for a worker tells the
 * session that WELCOME gave it (0 in HELLO); what is of another session is answered with WHO.
 * Worker's rules:
 *   - an offer whose fence is not above all it has seen or was told to give up is dropped, but
 *     answered again when it is the one in hand;
 *   - REVOKE: nothing of this fence runs any more, then REVOKED_OK, also when it never was there;
 *   - PROGRESS each 2 s while something runs; any message counts as a sign of life;
 *   - results are kept on disk (those of canaries in memory), and sent again, until ACK; an attempt
 * ends with a result, also when it fails (HONE_E_*);
 *   - WELCOME is taken once for each hello; another one to the same hello is answered with a new
 *     hello, as what was held has changed since;
 *   - silent coordinator for lost_ms: what runs goes on, nothing new is begun; HELLO again.
 *
 * Threads: a farm belongs to one thread at a time. */
#ifndef HONE_FARM_H
#define HONE_FARM_H

#include "base/base.h"

#define HONE_FARM_SELF \
    "hone" /* the user who says what the service itself wants; no key has this name */
#define HONE_FARM_NAME 64     /* bytes of a name, with its 0: of users and workers */
#define HONE_FARM_KEY_TEXT 48 /* of a public key as text */
#define HONE_FARM_FILTER 512  /* of a job's filter */
#define HONE_FARM_ATTRS 2048  /* of what a worker says of itself */
#define HONE_FARM_CANARIES 3  /* kinds of canary: arithmetic, cache, memory */
#define HONE_FARM_BASELINE 32 /* canaries kept for a baseline */

/* ---- tables -------------------------------------------------------------------------------- */

enum { HONE_FARM_USER = 1, HONE_FARM_DEVICE = 2, HONE_FARM_BUILDER = 4, HONE_FARM_ADMIN = 8 };

typedef enum hone_farm_job_state {
#define HONE_FARM_JOB(name, text, live, end) HONE_FARM_JOB_##name,
#include "farm/states.def"
#undef HONE_FARM_JOB
    HONE_FARM_JOB_COUNT
} hone_farm_job_state;

typedef enum hone_farm_phase {
#define HONE_FARM_PHASE(name, text, limit) HONE_FARM_PHASE_##name,
#include "farm/states.def"
#undef HONE_FARM_PHASE
    HONE_FARM_PHASE_COUNT
} hone_farm_phase;

typedef enum hone_farm_link {
#define HONE_FARM_LINK(name, text) HONE_FARM_LINK_##name,
#include "farm/states.def"
#undef HONE_FARM_LINK
    HONE_FARM_LINK_COUNT
} hone_farm_link;

typedef enum hone_farm_health {
#define HONE_FARM_HEALTH(name, text, takes, end) HONE_FARM_HEALTH_##name,
#include "farm/states.def"
#undef HONE_FARM_HEALTH
    HONE_FARM_HEALTH_COUNT
} hone_farm_health;

typedef enum hone_farm_admin_state {
#define HONE_FARM_ADMIN(name, text, end) HONE_FARM_ADMIN_##name,
#include "farm/states.def"
#undef HONE_FARM_ADMIN
    HONE_FARM_ADMIN_COUNT
} hone_farm_admin_state;

typedef enum hone_farm_reason {
#define HONE_FARM_REASON(name, word, text) HONE_FARM_BECAUSE_##name,
#include "farm/reasons.def"
#undef HONE_FARM_REASON
    HONE_FARM_BECAUSE_COUNT
} hone_farm_reason;

typedef enum hone_farm_verb {
#define HONE_FARM_VERB(name, word, roles, own) HONE_FARM_VERB_##name,
#include "farm/verbs.def"
#undef HONE_FARM_VERB
    HONE_FARM_VERB_COUNT
} hone_farm_verb;

/* Inside of a user's own jobs; the share among users is not touched by it, but that what nobody
 * else wants is for background. */
typedef enum hone_farm_class {
    HONE_FARM_INTERACTIVE,
    HONE_FARM_BATCH,
    HONE_FARM_BACKGROUND,
    HONE_FARM_CLASS_COUNT
} hone_farm_class;

/* Words of the tables, as in JSON and in rows; "?" outside of them. Static storage. */
const char *hone_farm_job_state_name(hone_farm_job_state s);
const char *hone_farm_link_name(hone_farm_link l);
const char *hone_farm_health_name(hone_farm_health h);
const char *hone_farm_admin_name(hone_farm_admin_state a);
const char *hone_farm_verb_name(hone_farm_verb v);
const char *hone_farm_reason_name(hone_farm_reason r);
const char *hone_farm_reason_text(hone_farm_reason r); /* a sentence */
const char *hone_farm_health_ends(hone_farm_health h); /* by what: words of farm/states.def */
bool hone_farm_job_is_live(hone_farm_job_state s);     /* not terminal */

typedef struct hone_farm_limits {
#define HONE_FARM_LIMIT(name, otherwise, text) int64_t name;
#include "farm/limits.def"
#undef HONE_FARM_LIMIT
} hone_farm_limits;
/* The defaults of farm/limits.def. */
void hone_farm_limits_init(hone_farm_limits *ret);

/* What a unit is: 128 bits over all that its result may depend on (workload, target, trace,
 * incumbent, threads, data, purpose, repetition, versions). */
typedef struct hone_farm_key {
    uint64_t v[2];
} hone_farm_key;
/* Who asks: an idempotency key of the client, unique for its user. */
typedef struct hone_farm_request {
    uint64_t v[2];
} hone_farm_request;

/* ---- rows: what is durable ------------------------------------------------------------------ */

/* Each kind is a table; what is unique in it stands beside. A row replaces one of the same key.
 * Those from FORGET on are no tables: they change others, in the order of the batch. */
typedef enum hone_farm_row_kind {
    HONE_FARM_ROW_CLOCK,  /* one row: the farm's clock and calendar at the end of the batch */
    HONE_FARM_ROW_USER,   /* name */
    HONE_FARM_ROW_JOB,    /* id; and user with request */
    HONE_FARM_ROW_WORKER, /* name */
    HONE_FARM_ROW_RESULT, /* unit; and place; and worker with fence, where there is a worker */
    HONE_FARM_ROW_STRIKE, /* unit with worker */
    HONE_FARM_ROW_LEASE,  /* worker with slot; and with fence: a unit was offered, so a result of it
                             is welcome */
    HONE_FARM_ROW_EVENT,  /* seq */
    HONE_FARM_ROW_FORGET, /* RESULT and STRIKE rows of a unit go */
    HONE_FARM_ROW_FORGET_JOB, /* the JOB row goes */
    HONE_FARM_ROW_LEASE_END,  /* the LEASE row of this worker and fence goes */
    HONE_FARM_ROW_SUSPECT,    /* RESULT rows of this worker with from <= fence <= to are doubtful */
    HONE_FARM_ROW_COUNT
} hone_farm_row_kind;

typedef struct hone_farm_user_row {
    char name[HONE_FARM_NAME];
    char key[HONE_FARM_KEY_TEXT]; /* public key; the farm only keeps it */
    unsigned roles;
    int64_t weight;   /* share among users, >= 1 */
    int64_t day_ms;   /* device time a day at the user's own classes; beyond: background; 0: any */
    int64_t max_jobs; /* not ended; 0: limit user_jobs */
    bool revoked;
    bool said;        /* a person said last what the key may: the allow file does not change it */
    int64_t spent_ns; /* device time ever charged */
    int64_t day_spent_ns, day_from; /* of the day that began then */
} hone_farm_user_row;

typedef struct hone_farm_job_row {
    uint64_t id; /* from 1 */
    char user[HONE_FARM_NAME];
    hone_farm_request request;
    hone_farm_job_state state;
    hone_farm_reason why; /* of the last transition */
    hone_status status;   /* how its session ended */
    hone_farm_class class;
    char filter[HONE_FARM_FILTER];
    int64_t queue_ms;
    int64_t created_at, changed_at; /* farm's calendar, ns */
    uint64_t done;                  /* units given to it */
    int64_t spent_ns;               /* its part of device time */
    /* Not stored, for who reads: */
    hone_farm_reason wait;
    uint32_t open, in_flight; /* units */
    uint32_t waiting;         /* of the open ones: measurements, which wait for a device */
} hone_farm_job_row;

/* What a device's canaries are expected to be, as it has learned from them (farm/baseline.h). All
 * of a kind of canary, and in ln ns. */
typedef struct hone_farm_baseline {
    uint32_t n_baseline; /* canaries that it has learned from, burn-in included */
    float base[HONE_FARM_CANARIES][HONE_FARM_BASELINE];         /* the latest of them, a ring */
    double mean[HONE_FARM_CANARIES], sigma[HONE_FARM_CANARIES]; /* what is expected; 0: not known */
    double began[HONE_FARM_CANARIES];                           /* mean, as the epoch began */
    double first[HONE_FARM_CANARIES]; /* and as the first epoch of this kernel, firmware, ... did */
    double up[HONE_FARM_CANARIES], down[HONE_FARM_CANARIES]; /* sums of CUSUM, in sigmas */
    int64_t episode_since; /* farm's clock, ns: canaries are not as they should be; 0: they are */
    uint32_t n_episode;    /* those since then */
    uint32_t run;          /* of which the last ones, so many, were clean */
    float episode[HONE_FARM_CANARIES][HONE_FARM_BASELINE]; /* the latest of them, a ring */
    /* Not stored: */
    uint32_t again, n_burst; /* canaries that are to follow at once, that have followed */
    bool was_hot;            /* the last canary was, the one before was not */
} hone_farm_baseline;

typedef struct hone_farm_worker_row {
    char name[HONE_FARM_NAME];
    unsigned roles;       /* HONE_FARM_DEVICE | HONE_FARM_BUILDER */
    const char *attrs;    /* below HONE_FARM_ATTRS bytes; the farm's */
    uint64_t fingerprint; /* of its kernel, firmware, governor, mitigations */
    uint32_t epoch;       /* grows when that changes; from 1 */
    uint64_t fence_end;   /* all fences given so far are below */
    hone_farm_health health;
    hone_farm_reason why; /* of health */
    int64_t health_until; /* farm's clock, ns; 0: no end by time */
    int64_t score;        /* 0..100 */
    uint32_t cooled, quarantines;
    int64_t quarantined_at[3]; /* the last ones; 0: none */
    hone_farm_baseline baseline;
    uint64_t clean_fence; /* of the last clean canary */
    uint32_t clean;       /* canaries in a row */
    hone_farm_admin_state admin;
    char by[HONE_FARM_NAME]; /* who drained or reserved it */
    int64_t admin_until;     /* farm's clock, ns */
    int64_t heard_at;        /* farm's calendar, ns; 0: never. As the row was stored, which it is
                                when it goes offline */
    /* Not stored, for who reads: */
    hone_farm_link link;
    uint32_t leases;
    hone_farm_key unit; /* of the first lease */
} hone_farm_worker_row;

/* Results are stored in the order of their places, and forgotten in it: what is written lies
 * together. */
typedef struct hone_farm_result_row {
    hone_farm_key unit;
    uint64_t place; /* grows with each; from 1. 0: by an older hone, which had the unit instead */
    char worker[HONE_FARM_NAME];
    uint64_t fence;
    uint32_t epoch;
    hone_status status; /* HONE_OK, HONE_REJECT_*; HONE_E_PEER: poison, no verdict */
    bool poison, suspect;
    int64_t spent_ns, at;
    uint64_t handle; /* of what the worker sent, when it came in this life; else 0. Not stored */
} hone_farm_result_row;

/* How much slower canaries are expected to be than at first, of the kind that has moved most: 0.05
 * is a twentieth, below 0 is faster. 0 as well while that is not known. */
double hone_farm_baseline_drift(const hone_farm_baseline *b);

typedef struct hone_farm_strike_row {
    hone_farm_key unit;
    char worker[HONE_FARM_NAME];
    int64_t at;
} hone_farm_strike_row;

/* A lease takes the slot of one that has ended, mostly in the same batch, and with it its row. */
typedef struct hone_farm_lease_row {
    char worker[HONE_FARM_NAME];
    uint32_t slot; /* the worker's own, from 1; 0: by an older hone, which had the fence instead */
    uint64_t fence;
    hone_farm_key unit;
    uint32_t epoch;
} hone_farm_lease_row;

/* The audit log. `object` is "job 12", "worker pi4", "user ann", "unit 0123..."; from and to are
 * words of the tables, "" where there are none. */
typedef struct hone_farm_event_row {
    uint64_t seq; /* from 1, without gaps */
    int64_t at;
    char actor[HONE_FARM_NAME]; /* a user, or "farm" */
    char verb[16];
    char object[HONE_FARM_NAME + 16];
    char from[16], to[16];
    hone_farm_reason reason;
} hone_farm_event_row;

typedef struct hone_farm_row {
    hone_farm_row_kind kind;
    union {
        struct {
            int64_t clock, away_ns; /* ns; away: without a coordinator, so far */
            int64_t wall_ms;        /* when that was: the driver fills it in; 0: not known */
        };
        hone_farm_user_row user;
        hone_farm_job_row job;
        hone_farm_worker_row worker;
        hone_farm_result_row result;
        hone_farm_strike_row strike;
        hone_farm_event_row event;
        hone_farm_lease_row lease; /* LEASE, LEASE_END */
        struct {
            hone_farm_key unit;
            uint64_t place; /* of its RESULT row, as there; 0 too where there is none */
            bool struck;    /* it has STRIKE rows */
        } forget;
        uint64_t forget_job;
        struct {
            char worker[HONE_FARM_NAME];
            uint64_t from, to;
        } suspect;
    };
} hone_farm_row;

/* ---- events: what has happened --------------------------------------------------------------- */

typedef enum hone_farm_event_kind {
    HONE_FARM_TICK, /* time has passed */

    /* Storage: of the batch under way. */
    HONE_FARM_COMMITTED,
    HONE_FARM_COMMIT_FAILED, /* surely not written. HONE_E_FULL: tried again. Others: HALT. After a
                                failed fsync say nothing: end, open again, restore */

    /* Workers; `who` is the worker's name, by its key. */
    HONE_FARM_HELLO,
    HONE_FARM_GOODBYE, /* it leaves and holds nothing any more */
    HONE_FARM_LOST,    /* the transport knows that it is gone: as if silent for lost_ms */
    HONE_FARM_TRAFFIC, /* any message counts; this one is no more than that */
    HONE_FARM_ACCEPT,
    HONE_FARM_DECLINE,
    HONE_FARM_PROGRESS,
    HONE_FARM_REVOKED_OK,
    HONE_FARM_RESULT,
    HONE_FARM_CANARY_RESULT,

    /* Sessions of jobs. */
    HONE_FARM_WANT,   /* wants a unit; answered by one GIVE, unless UNWANT comes first */
    HONE_FARM_UNWANT, /* a GIVE that is on its way may still come */
    HONE_FARM_FORGET, /* the payload of a settled unit is gone: a WANT does it again */
    HONE_FARM_NEEDS,  /* what a job's code is for, which no row has: once it is known, and again of
                         each job that has not ended after a restart */
    HONE_FARM_JOB_ENDED,

    /* People; `who` is the user, by its key. Each is answered by one REPLY. */
    HONE_FARM_SAY
} hone_farm_event_kind;

/* What a worker holds when it says HELLO. */
typedef struct hone_farm_held {
    uint64_t fence;
    hone_farm_key unit;    /* zero: a canary */
    hone_farm_phase phase; /* ENDING: its result waits to be acknowledged */
    int64_t left_ms;       /* what runs may still take, for a farm that was restored; 0: not said */
} hone_farm_held;

typedef struct hone_farm_hello {
    uint64_t machine; /* of the host; the same after a reboot */
    uint64_t process; /* random, drawn at the start of the worker */
    uint64_t count;   /* of the hellos of this process, from 1; a resent one has its old count */
    unsigned roles;
    uint32_t slots; /* builds at once; a device measures one at a time */
    uint64_t fingerprint;
    const char *attrs;  /* "arch=aarch64,class=cortex-a72,label=kitchen": KEY=VALUE, a key may come
                           several times. `class` is the class of equal devices */
    const char *target; /* what it is, a target's text; NULL: not known, and taken for able */
    const hone_farm_held *held; /* all of it: what is not here will never have a result */
    uint32_t n_held;
} hone_farm_hello;

typedef struct hone_farm_want {
    uint64_t job, tag; /* tag: the session's own number, not in use by another want of this job */
    hone_farm_key unit;
    unsigned role;    /* HONE_FARM_DEVICE: measure; HONE_FARM_BUILDER: build */
    int64_t bytes;    /* to be fetched */
    int64_t check_ms; /* check or build; 0: the limit's */
    int64_t run_ms;   /* timing; 0: the limit's */
} hone_farm_want;

typedef struct hone_farm_say {
    hone_farm_verb verb;
    uint64_t client; /* comes back in REPLY */
    hone_farm_request request;
    uint64_t job;       /* CANCEL, PAUSE, RESUME */
    const char *name;   /* of a worker: RESERVE, RELEASE, DRAIN, OPEN, RETIRE; of a key: KEY_* */
    int64_t for_ms;     /* RESERVE, DRAIN: so long; 0: the limit's */
    const char *filter; /* SUBMIT; NULL or "": any device */
    const char *target; /* SUBMIT: that its code is for, as its text; NULL: not known yet */
    hone_farm_class class;
    int64_t queue_ms; /* SUBMIT; 0: the limit's */
    const char *key;  /* KEY_ADD: its text; a name with this key is changed. KEY_REVOKE by the
                         file: only when it is this one; NULL: any */
    hone_farm_reason because; /* KEY_*: 0, a person says so; or the service: BY_FILE, BY_OWNER */
    unsigned roles;
    int64_t weight, day_ms, max_jobs;
} hone_farm_say;

typedef struct hone_farm_event {
    hone_farm_event_kind kind;
    const char *who;
    uint64_t session; /* of a worker; 0 in HELLO and LOST */
    union {
        struct {
            uint64_t batch;
            hone_status status; /* COMMIT_FAILED */
        } commit;
        hone_farm_hello hello;
        struct {
            uint64_t fence;
            hone_farm_phase phase; /* PROGRESS */
        } lease;                   /* ACCEPT, DECLINE, PROGRESS, REVOKED_OK */
        struct {
            uint64_t fence;
            hone_farm_key unit;
            uint32_t epoch;     /* that OFFER gave */
            hone_status status; /* HONE_E_*: failed, through no fault of the candidate */
            int64_t spent_ns;
            uint64_t handle; /* of the payload in the driver's memory, until ACK or KEEP */
        } result;
        struct {
            uint64_t fence;
            hone_status status;            /* HONE_OK, or why there are no times */
            double ns[HONE_FARM_CANARIES]; /* of a call of each; not looked at unless golden */
            bool golden;                   /* the golden kernel's result is right */
            bool throttled;                /* the machine says it was, or had too little power */
        } canary;
        hone_farm_want want; /* UNWANT: job and tag */
        hone_farm_key forget;
        struct {
            uint64_t job;
            const char *target; /* its text; borrowed for the step */
        } needs;
        struct {
            uint64_t job;
            hone_status status;
        } ended;
        hone_farm_say say;
        uint32_t builds; /* TICK: that wait, beside those of sessions: of canaries */
    };
} hone_farm_event;

/* ---- effects: what is to be done --------------------------------------------------------------
 */

typedef enum hone_farm_effect_kind {
    HONE_FARM_COMMIT,
    HONE_FARM_HALT, /* storage cannot be relied on: end the process; a restart restores */

    /* To the worker `who`, in the session it names. Names are borrowed until the next step. */
    HONE_FARM_WELCOME,
    HONE_FARM_REFUSE,
    HONE_FARM_WHO,   /* what it said is of no session: HELLO again */
    HONE_FARM_OFFER, /* unit {0}: a canary */
    HONE_FARM_REVOKE,
    HONE_FARM_ACK,  /* the worker may forget its result, the driver the payload */
    HONE_FARM_KEEP, /* nothing is sent: the result is not taken now; forget the payload */

    HONE_FARM_START_JOB, /* open a session; after a restart one that goes on from its log. Nothing
                            when there is one */
    HONE_FARM_STOP_JOB,  /* the session is to end; JOB_ENDED is awaited, also when there is none */
    HONE_FARM_END_JOB,   /* it is over, whatever the session says */
    HONE_FARM_GIVE,      /* to a session: what came of a unit */

    HONE_FARM_REPLY,    /* to a client */
    HONE_FARM_NOTICE,   /* a line for who runs the farm */
    HONE_FARM_BUILDERS, /* so many started builders are wanted; after a restart it is said anew */
} hone_farm_effect_kind;

typedef enum hone_farm_verdict {
    HONE_FARM_TAKEN,     /* it is the unit's result, durable */
    HONE_FARM_DUPLICATE, /* this very result was taken before */
    HONE_FARM_STALE,     /* the unit has another, the epoch has changed, nobody knows it */
    HONE_FARM_COUNTED    /* a failure: counted, and tried again elsewhere or given */
} hone_farm_verdict;

typedef struct hone_farm_effect {
    hone_farm_effect_kind kind;
    const char *who;
    uint64_t session;
    union {
        struct {
            uint64_t batch;
            const hone_farm_row *rows; /* borrowed until COMMITTED or COMMIT_FAILED of it */
            uint32_t n;
        } commit;
        struct {
            uint64_t count; /* of the hello it answers; a worker drops that of an earlier one */
        } welcome;
        struct {
            hone_farm_reason reason;
            int64_t retry_ms; /* 0: no use */
        } refuse;
        struct {
            uint64_t fence;
            hone_farm_key unit;
            unsigned role;
            uint64_t job, tag; /* one of those who want it: where the driver finds the payload */
            uint32_t epoch;    /* OFFER: the device's, which comes back with the result */
            int64_t check_ms, run_ms;
            hone_farm_reason reason; /* REVOKE */
        } lease;
        struct {
            uint64_t fence;
            hone_farm_verdict verdict;
            uint64_t handle;
        } ack; /* ACK, KEEP */
        struct {
            uint64_t job;
            hone_farm_reason reason;
        } job;
        struct {
            uint64_t job, tag;
            hone_farm_key unit;
            hone_status status;      /* as in the result; HONE_E_*: given up after `attempts` */
            hone_farm_reason reason; /* SETTLED; FAILED_THERE, ATTEMPTS, POISON: no result */
            const char *worker;      /* "" none */
            uint64_t fence, place;   /* as in the result */
            uint64_t handle;         /* 0: the payload is in storage only */
            bool suspect;
        } give;
        struct {
            uint64_t client;
            hone_status status;      /* HONE_OK; HONE_E_DENIED, _NOTFOUND, _INPUT, _LIMIT, _FULL */
            hone_farm_reason reason; /* when not HONE_OK */
            const char *text;        /* then: the sentence about it; borrowed until the next step */
            hone_farm_request request;
            uint64_t job;      /* SUBMIT: its id, the first one's when it was said before */
            uint32_t matching; /* SUBMIT: devices known that match and can run its code */
        } reply;
        const char *notice;
        uint32_t builders;
    };
} hone_farm_effect;

/* ---- the farm ---------------------------------------------------------------------------------
 */

typedef struct hone_farm hone_farm;

/* Without a user nobody can say anything: restore a USER row of the first admin. */
hone_farm *hone_farm_new(const hone_farm_limits *l);
void hone_farm_free(hone_farm *f);

/* Whether a device that says this of itself will do; its name (name=NAME) is not looked at. */
bool hone_farm_filter_holds(const char *filter, const char *attrs);

/* Rows of storage, by ascending kind, before the first step; of EVENT rows the last one is enough.
 * HONE_E_CORRUPT: says what does not fit together; free the farm then. */
hone_status hone_farm_restore(hone_farm *f, const hone_farm_row *row,
                              hone_error *err) HONE_NODISCARD;

/* Behind the rows: a coordinator is there again, at this time since 1970. What has passed since the
 * last commit was without one; a clock that went back tells nothing. */
void hone_farm_returns(hone_farm *f, int64_t wall_ms);

/* now_ns: monotonic; one that goes back is taken as no time. */
void hone_farm_step(hone_farm *f, const hone_farm_event *e, int64_t now_ns);
/* The next thing to do, or false. To be called until then after each step; what ret points to lives
 * until the next step. */
bool hone_farm_next_effect(hone_farm *f, hone_farm_effect *ret);
/* Until the next timer, in ns from the last step; at most stall_ms / 2. */
int64_t hone_farm_wait_ns(const hone_farm *f);

/* ---- what may be asked ------------------------------------------------------------------------
 */

typedef bool (*hone_farm_row_fn)(void *ctx, const hone_farm_row *row); /* false: enough */
/* All rows as they stand now (storage may be a batch behind), with what is not stored filled in.
 * kinds: bits 1 << HONE_FARM_ROW_*; EVENT rows are only in storage. */
void hone_farm_each_row(const hone_farm *f, unsigned kinds, hone_farm_row_fn fn, void *ctx);
/* What a job waits for; ENDED for one that is not known. */
hone_farm_reason hone_farm_job_wait(const hone_farm *f, uint64_t job);

/* Which devices there are for a job. Those that are retired do not count. */
typedef struct hone_farm_fit {
    uint32_t known;                         /* to the farm */
    uint32_t matching;                      /* of them, those that its filter allows */
    uint32_t able;                          /* of these, those that can run its code */
    char device[HONE_FARM_NAME], lacks[64]; /* one that cannot, and what it lacks first; "": none */
} hone_farm_fit;
/* Of a job that has ended, or is not known: nothing. */
void hone_farm_job_fit(const hone_farm *f, uint64_t job, hone_farm_fit *ret);
/* Whether a device that the farm need not know would do for it, by its name, what it says of itself
 * and what it is (NULL: not known). */
bool hone_farm_job_suits(const hone_farm *f, uint64_t job, const char *name, const char *attrs,
                         const char *target);

typedef struct hone_farm_stats {
    uint64_t jobs_live, units_open, units_in_flight, leases, results_waiting; /* now */
    uint64_t settled, shared, retried, poisoned, stale, duplicates, expired, revoked, refused,
        denied, batches, rows;             /* ever, in this life */
    int64_t clock_ns, stalled_ns, away_ns; /* calendar: clock_ns + away_ns */
    bool storage_failed;
} hone_farm_stats;
void hone_farm_get_stats(const hone_farm *f, hone_farm_stats *ret);

#endif
