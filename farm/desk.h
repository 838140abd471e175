/* desk: what people say to a farm and what they are shown, as JSON (docs/FARM_DESK.md). Requests
 * come from outside and are read strictly: bounded, complete, or answered with an error.
 *
 * A desk has no socket, clock, file or thread. A service hands it the bytes of a request with the
 * name of the key they came by; the desk answers from the rows of the farm and from what it was
 * told of sessions, or makes a HONE_FARM_SAY of it, whose REPLY it puts into words again.
 *
 * Every request is an object {"v": 1, "verb": "jobs", "id": 7, ...}; `id`, any integer, comes back.
 * A field that is not known is ignored, a verb that is not known is an error, and there is no
 * request without a reply: {"v": 1, "id": 7, "verb": "jobs", "ok": true, ...}, or "ok": false with
 * "status" (of base/status.def), "error" (a sentence) and, where the farm refused, "reason" (of
 * farm/reasons.def). Who may say what: farm/verbs.def for what changes something, farm/asks.def for
 * what only reads.
 *
 * `watch` is a request like others: it names the number of the first event wanted, and is answered
 * at once. Whoever watches asks again; nothing is kept for them here.
 *
 * Threads: a desk belongs to one thread at a time. */
#ifndef HONE_FARM_DESK_H
#define HONE_FARM_DESK_H

#include "farm/farm.h"

#define HONE_DESK_VERSION 1
#define HONE_DESK_MAX_REQUEST HONE_MAX_SAY_BYTES
#define HONE_DESK_MAX_TASKS 512 /* kernels of a job */
#define HONE_DESK_MAX_SIZES 32  /* named sizes of a kernel */

typedef enum hone_desk_ask {
#define HONE_DESK_ASK(name, word, roles) HONE_DESK_ASK_##name,
#include "farm/asks.def"
#undef HONE_DESK_ASK
    HONE_DESK_ASK_COUNT
} hone_desk_ask;

/* ---- what a job is to do ----------------------------------------------------------------------
 */

typedef struct hone_desk_size {
    const char *name;
    int64_t value; /* >= 0 */
} hone_desk_size;

typedef struct hone_desk_task {
    const char *text;  /* of a kernel file; NULL: `name` is a built-in */
    const char *name;  /* of the kernel in it; NULL: its only one */
    const char *title; /* for people: "matmul M=512 N=512 K=512" */
    hone_desk_size sizes[HONE_DESK_MAX_SIZES];
    unsigned n_sizes;
    double weight; /* how often a network runs it, whatever it chooses */
} hone_desk_task;

/* A request to tune, checked for form; whether there is such a kernel, target or strategy is for
 * the service to see (hone_desk_port.check). Texts live as long as the spec. */
typedef struct hone_desk_spec {
    json_t *json; /* what the texts point into */
    hone_desk_task *tasks;
    unsigned n;
    struct hone_choice *choices; /* among the tasks (tuner/tuner.h) */
    uint32_t n_choices;
    const char *list;             /* name of a task list; NULL: one kernel, n is 1 */
    const char *filter, *target;  /* target: a target's text, a name, or "device" */
    const char *strategy;         /* NULL: the default */
    int64_t threads;              /* 0: all of the device's */
    int64_t trials, time_s, seed; /* 0: no limit */
    bool alone;                   /* nothing is taken over from other kernels of the log */
    hone_farm_class class;
    int64_t queue_ms; /* 0: the farm's default */
} hone_desk_spec;

/* Reads what hone_desk_answer.spec gave, as after a restart. HONE_E_INPUT. */
hone_status hone_desk_spec_parse(const char *text, size_t n, hone_desk_spec *ret,
                                 hone_error *err) HONE_NODISCARD;
void hone_desk_spec_free(hone_desk_spec *s);
/* Which devices will do: its filter, and as many processors as it has threads. To be freed. */
char *hone_desk_filter(const hone_desk_spec *s);

typedef struct hone_desk_query {
    hone_desk_task task;
    const char *target;  /* a target's text or a name */
    int64_t threads;     /* >= 1 */
    const char *require; /* the lowest rung; NULL: any */
    bool explain;
} hone_desk_query;

/* ---- what the service tells --------------------------------------------------------------------
 */

/* Counters and gauges that only the service knows, for /metrics. */
typedef struct hone_desk_service {
#define HONE_DESK_METRIC(field, kind, name, help) double field;
#include "farm/metrics.def"
#undef HONE_DESK_METRIC
} hone_desk_service;

/* Return false to end. wall_ms: when the row was stored, ms since 1970; 0: not known. */
typedef bool (*hone_desk_event_fn)(void *ctx, const hone_farm_event_row *row, int64_t wall_ms,
                                   const char *hash);

/* What a desk asks of its service; called inside of hone_desk_request only, but `service`, which
 * hone_desk_status calls too. Any may be NULL: what needs it is answered with HONE_E_NOTFOUND. */
typedef struct hone_desk_port {
    void *ctx;
    /* Can this be tuned here? Every kernel is parsed, target and strategy are known. HONE_E_INPUT
     * with what is wrong; any other failure is told too. */
    hone_status (*check)(void *ctx, const hone_desk_spec *s, hone_error *err);
    /* What was stored of a job (hone_desk_answer.spec), the desk's to free; NULL: it is gone. */
    char *(*spec)(void *ctx, const hone_farm_job_row *job);
    /* Takes a question, whose texts are borrowed, to be answered by hone_desk_answered. Any failure
     * is told. */
    hone_status (*query)(void *ctx, const hone_desk_query *q, uint64_t ticket, hone_error *err);
    /* Rows of the audit log with seq >= from, ascending, at most n. hash: of the chain, as text. */
    hone_status (*events)(void *ctx, uint64_t from, uint32_t n, hone_desk_event_fn fn, void *fn_ctx,
                          hone_error *err);
    /* Target text of a device, borrowed for the call; NULL: it has not said. */
    const char *(*target)(void *ctx, const char *device);
    void (*service)(void *ctx, hone_desk_service *ret);
    /* The k-th device that is here and waits for its canaries: the farm does not know it yet, or
     * knows it offline. Name and attrs, borrowed for the call; NULL: there are no more. Called
     * whenever devices are shown. */
    const char *(*waiting)(void *ctx, uint32_t k, const char **ret_attrs);
} hone_desk_port;

typedef struct hone_desk hone_desk;

/* The farm must outlive the desk. life: random, of this process, not 0. */
hone_desk *hone_desk_new(const hone_farm *f, const hone_desk_port *port, uint64_t life);
void hone_desk_free(hone_desk *d);

/* A job is there: new, or restored. */
void hone_desk_job(hone_desk *d, uint64_t job, const hone_desk_spec *s);
/* A line of what its session says: an object as `hone tune --json` prints ("trial", "summary"), or
 * {"progress": {...}} or {"notice": "..."}; borrowed. wall_ms: now. */
void hone_desk_tell(hone_desk *d, uint64_t job, const json_t *line, int64_t wall_ms);
/* A line about a trial, as text, which is given away; compare_ns 0: it has no time. */
void hone_desk_tell_trial(hone_desk *d, uint64_t job, char *line, bool best, int64_t compare_ns,
                          int64_t wall_ms);
/* What is to be kept of jobs beyond the life of the service, of those of which it has changed: how
 * many trials, the best, the summary, and which numbers lines have had. fn gets a text for
 * hone_desk_restore. exact: the last words of this life; else numbers are kept in advance, so that
 * none is given twice after a crash. job 0: of all jobs. */
void hone_desk_each_kept(hone_desk *d, uint64_t job, bool exact,
                         void (*fn)(void *ctx, uint64_t job, const char *text), void *ctx);
/* Of a job that hone_desk_job has just made, in a later life. What cannot be read is nothing. */
void hone_desk_restore(hone_desk *d, uint64_t job, const char *text);
/* An EVENT row that is durable, for what is recent. */
void hone_desk_event(hone_desk *d, const hone_farm_event_row *row, int64_t wall_ms);
/* To be called about once a second: keeps the health of devices over time. */
void hone_desk_sample(hone_desk *d, int64_t wall_ms);

/* ---- requests ----------------------------------------------------------------------------------
 */

typedef struct hone_desk_answer {
    bool say;      /* false: `text` is the reply, to be sent now, unless it comes later */
    bool later;    /* a query that was taken: nothing is to be done */
    hone_buf text; /* the caller's to free */
    hone_farm_event
        event;        /* say: to be stepped into the farm; its texts live until the next request */
    const char *spec; /* SUBMIT: the request as it is to be stored, lives as long; else NULL */
} hone_desk_answer;

/* Who is to be answered: the numbers that the pool gave with HONE_POOL_SAID. */
typedef struct hone_desk_peer {
    uint64_t peer, ask;
} hone_desk_peer;

/* from: who asks. user: the name of its key. Never fails:
 * whatever the bytes are, there is an answer. */
void hone_desk_request(hone_desk *d, hone_desk_peer from, const char *user, const void *bytes,
                       size_t n, hone_desk_answer *ret);
/* The farm's REPLY effect to such an event: who is to be told what. false: not of this desk. */
bool hone_desk_reply(hone_desk *d, const hone_farm_effect *e, hone_desk_peer *ret_to,
                     hone_buf *ret);

/* What came of a query: `answer`, the desk's to decref, is what `hone query --json` says, with
 * "trace" and, when the trace uses tensor intrinsics of its own, their text as "intrins"; or NULL,
 * and st and err say why. Who is to be told what. false: not of this desk. */
bool hone_desk_answered(hone_desk *d, uint64_t ticket, hone_status st, json_t *answer,
                        const hone_error *err, hone_desk_peer *ret_to, hone_buf *ret);

/* ---- snapshots ---------------------------------------------------------------------------------
 */

/* Everything that an admin may see, as the page and `top` have it. The caller decrefs. */
json_t *hone_desk_status(hone_desk *d, int64_t wall_ms);
/* Prometheus' text format (version 0.0.4). */
void hone_desk_metrics(hone_desk *d, hone_buf *ret);
/* NULL: all is well; else what is not, in a sentence of static storage. */
const char *hone_desk_trouble(const hone_desk *d);

#endif
