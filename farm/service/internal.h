/* Inside of the service: service.c (start, loop, end), effects.c (what the farm says), peers.c
 * (workers), held.c (what they hold), users.c (keys), jobs.c (jobs, as the loop has them), units.c
 * (what is built and measured), canary.c, desk.c (what people say), launch.c (builders that it
 * starts), notify.c. Beside the loop: crew.c, sitting.c, sitting_loop.c, wants.c (sessions),
 * content.c (what units are named by), storage.c (the log), asker.c (queries); mail.c, by which
 * they speak with the loop.
 */
#ifndef HONE_FARM_SERVICE_INTERNAL_H
#define HONE_FARM_SERVICE_INTERNAL_H

#include "farm/page.h"
#include "farm/service/asker.h"
#include "farm/service/crew.h"

#define HONE_SERVICE__MS INT64_C(1000000)
#define HONE_SERVICE__SELF HONE_FARM_SELF

typedef struct service service;
typedef struct job job;

/* An event for the farm, with the texts it needs. */
typedef struct event {
    hone_farm_event e;
    char who[HONE_FARM_NAME], name[HONE_FARM_NAME], key[HONE_FARM_KEY_TEXT];
    char *attrs;          /* owned */
    const char *target;   /* held (hone_text_hold) */
    hone_farm_held *held; /* owned; of a HELLO */
} event;

/* What came of a unit, as its worker sent it, or as it was stored. */
typedef struct payload {
    uint64_t handle;
    int64_t came_ns;
    uint32_t at; /* place in the list */
    hone_farm_key unit;
    bool built, waits; /* waits: for ACK or KEEP, which end it */
    hone_status status;
    hone_error error;
    blob *artifact; /* NULL: none */
    hone_measure_result result;
    int64_t spent_ns;
    char device[64];
    uint64_t used;
} payload;

/* A measurement that a sitting was given. */
typedef struct gift {
    uint64_t hash; /* as in want; 0: none here */
    uint32_t n;    /* how often */
} gift;

struct job {
    service *s;
    uint64_t id;
    bool stopping;
    char *text;           /* of spec; NULL: not read yet */
    char *filter, *named; /* of it: devices, and the target */
    sitting *sitting;     /* NULL: not opened yet */
    uint64_t number;      /* of that: letters of an earlier one may still come */
    char *target;         /* its text, once it is opened */
    uint64_t target_hash; /* of that */
    HONE_VEC(want *) wants;
};

/* What a worker holds that is no attempt of its present session. */
typedef struct holding {
    hone_held held;
    hone_pool_event *result; /* owned: it came before the farm knew the worker again; or NULL */
} holding;

typedef struct worker {
    uint64_t peer;
    char name[HONE_FARM_NAME];
    unsigned roles; /* HONE_ROLE_* */
    uint64_t machine, process, session, fingerprint;
    uint64_t hellos;    /* number of its last HELLO */
    const char *target; /* held; "" not known */
    char *attrs;        /* likewise */
    char *shown;        /* what people are shown of it before it has joined; or NULL */
    bool greeted;       /* HELLO was said */
    int64_t hello_ns;   /* not before */
    uint32_t at;        /* place in the list */
    bool keeps;         /* it says how far it is, and keeps results until they are durable */
    HONE_VEC(holding) kept;
} worker;

/* An attempt that is in a worker's hands. */
typedef struct attempt {
    char who[HONE_FARM_NAME];
    uint64_t session, fence;
    uint32_t epoch;
    hone_farm_key unit;
    uint64_t id; /* the pool's; 0: not sent yet */
    uint32_t at; /* place in the list */
    hone_farm_phase phase;
    bool speaks; /* its worker says how far it is */
    bool canary;
    unsigned step; /* of a canary */
    double ns[HONE_FARM_CANARIES];
} attempt;

/* The canaries of a target: built once, by any builder. */
typedef struct canary {
    char *target;
    int32_t threads;
    hone_artifact kernel[HONE_FARM_CANARIES], reference[HONE_FARM_CANARIES];
    uint64_t building[2 * HONE_FARM_CANARIES]; /* jobs of the pool; 0: none */
    int64_t again_ns;
    bool ready;
} canary;

typedef struct asked {
    char user[HONE_FARM_NAME];
    hone_farm_request request;
    char *spec;
} asked;

struct service {
    const hone_service_options *o;
    hone_db *db;     /* the storage's, once that runs */
    hone_db *reader; /* the loop's */
    storage *storage;
    crew *crew;
    asker *asker; /* NULL: queries are refused */
    mailbox inbox;
    bool committing; /* the farm waits for the storage */
    hone_pool *pool;
    hone_farm *farm;
    hone_desk *desk;
    hone_page *page;         /* NULL: none */
    HONE_VEC(event *) queue; /* for the farm, from `first` on */
    uint32_t first;
    uint64_t handle, turn;
    HONE_VEC(payload *) payloads;
    hone_map payload_by_handle, payload_by_unit;
    uint32_t n_waiting; /* of them, for the farm's word */
    size_t payload_bytes;
    hone_map want_by_tag;
    gift *gifts; /* the latest, a ring of most_gifts */
    uint32_t most_gifts;
    uint64_t gift_turn;
    hone_map gift_by_hash;
    HONE_VEC(worker *) workers;
    hone_map worker_by_name, worker_by_peer;
    uint64_t hellos; /* of all workers */
    HONE_VEC(attempt *) attempts;
    hone_map attempt_by_fence, attempt_by_id;
    double durable_s[1024]; /* from the arrival of results to their being durable: the last ones */
    uint32_t n_durable;
    HONE_VEC(canary *) canaries;
    HONE_VEC(job *) jobs;
    HONE_VEC(asked) asks; /* submissions whose rows are not stored yet */
    hone_desk_service numbers;
    int64_t second_ns, step_ns, progress_ns; /* when next, or last */
    int64_t complained_ns;                   /* of the disk, to the log */
    int64_t heard_ns;                        /* signs of life until then are told */
    struct {
        pid_t pid;        /* of the command that runs; 0: none does */
        uint32_t wanted;  /* builders */
        bool due;         /* the command is to be told */
        int64_t again_ns; /* not before */
    } launch;
    char *allowed; /* "NAME KEY" of the allow file, a line each; NULL: it was not read yet */
    bool ending, keys_changed;
    hone_status status; /* why it ends */
    hone_error error;
};

/* ---- service.c */
event *hone_service__post(service *s, hone_farm_event_kind kind, const char *who);
/* Steps the farm with what is posted until nothing is, and does what it says. */
void hone_service__run(service *s);
void hone_service__halt(service *s, hone_status status, const hone_error *err);

/* The log, to be read by the loop. */
hone_db *hone_service__log(const service *s);
void hone_service__note(service *s, uint64_t id, const char *what, const char *text);

/* ---- effects.c */
void hone_service__do(service *s, const hone_farm_effect *x);
/* What the storage says of a batch. */
void hone_service__stored(service *s, storage_batch *b);

/* ---- peers.c */
void hone_service__joined(service *s, const hone_pool_event *e);
void hone_service__lost(service *s, const hone_pool_event *e);
void hone_service__outcome(service *s, hone_pool_event *e);
worker *hone_service__worker(const service *s, const char *name);
void hone_service__greet(service *s, worker *w);
/* Of builders many share a key, and each is another: a name that is no worker's and no key's. */
void hone_service__name_builder(const service *s, const char *key, char ret[HONE_FARM_NAME]);
void hone_service__offer(service *s, const hone_farm_effect *x);
void hone_service__revoke(service *s, const hone_farm_effect *x);
/* Once a second. */
void hone_service__tend_workers(service *s, int64_t now);
void hone_service__attempt_drop(service *s, attempt *a);
/* The attempt is the pool's job of this number now. */
void hone_service__attempt_sent(service *s, attempt *a, uint64_t id);
void hone_service__peers_free(service *s);
worker *hone_service__worker_of_peer(const service *s, uint64_t peer);
attempt *hone_service__attempt(const service *s, const char *who, uint64_t fence);
/* An event about a lease, in the phase CHECKING. */
event *hone_service__say_of(service *s, hone_farm_event_kind kind, const char *who,
                            uint64_t session, uint64_t fence);
/* Does the device match "arch=aarch64,label=kitchen"? */
bool hone_service__matches(const char *filter, const worker *w);
char *hone_service__attrs(const worker *w); /* owned by the caller */

/* ---- held.c */
/* The number whose leases this service's are: of its log, drawn once. HONE_E_* of the log. */
hone_status hone_service__realm(const service *s, uint64_t *ret, hone_error *err) HONE_NODISCARD;
/* It holds this too, or is further with it. */
void hone_service__held_add(worker *w, const hone_held *h);
void hone_service__held_free(worker *w);
/* All a worker holds, for HELLO; owned by the caller. */
hone_farm_held *hone_service__held(const service *s, const worker *w, uint32_t *ret_n);
/* The farm knows the worker: what came before that is said now. */
void hone_service__held_said(service *s, worker *w);
/* Tells the farm what came of e->lease. */
void hone_service__result(service *s, const char *who, uint64_t session, hone_pool_event *e);
/* A result of no attempt. */
void hone_service__late(service *s, hone_pool_event *e);
void hone_service__progress(service *s, const hone_pool_event *e);
/* The farm's word on a result goes to the worker. */
void hone_service__acked(service *s, const hone_farm_effect *x);
/* Ends what runs of this lease, though it is no attempt. */
void hone_service__held_revoke(service *s, worker *w, uint64_t fence);

/* ---- canary.c */
/* Those of the device's target, if they are built; else has them built. NULL: not yet. */
canary *hone_service__canary(service *s, const worker *w, int64_t now);
/* Sends the next kernel of a canary to its device. */
void hone_service__canary_send(service *s, const worker *w, attempt *a);
void hone_service__canary_measured(service *s, attempt *a, const hone_pool_event *e);
/* Takes what the pool has built for a canary; false: it is none. */
bool hone_service__canary_built(service *s, hone_pool_event *e);
/* How many of their builds are not there yet. */
uint32_t hone_service__canary_builds(const service *s);
void hone_service__canaries_free(service *s);

/* ---- users.c */
hone_status hone_service__users_init(service *s, hone_error *err);
void hone_service__users_reload(service *s);
/* Makes the user, or gives it these roles. */
void hone_service__user_needs(service *s, const char *name, const char *key, unsigned roles,
                              int64_t weight);
void hone_service__keys_to_pool(service *s);
/* Is there a key of this name, which may connect? */
bool hone_service__is_key(const service *s, const char *name);

/* ---- jobs.c */
job *hone_service__job(const service *s, uint64_t id);
/* The one whose sitting has this number; NULL: it is over. */
job *hone_service__job_in(const service *s, uint64_t number);
void hone_service__job_start(service *s, uint64_t id);
void hone_service__job_stop(service *s, uint64_t id);
void hone_service__job_end(service *s, uint64_t id);
/* Ten times a second: opens those that wait for a device, and tells the others how many there are.
 */
void hone_service__tend_jobs(service *s);
/* What a session says. Owned by the callee. */
void hone_service__job_said(service *s, said_letter *l);
void hone_service__jobs_free(service *s);
/* The target that a job with this spec is for, as its text; NULL: that is not named. The caller
 * frees. */
char *hone_service__named(const char *spec);
/* The filter of a job that is submitted for this target: what was asked for, and the architecture.
 * The caller frees. */
char *hone_service__filter(const char *target, const char *terms);
/* The farm is told what its code is for, if that is known. */
void hone_service__needs(service *s, uint64_t id, const char *spec);
hone_status hone_service__check(void *ctx, const hone_desk_spec *spec, hone_error *err);

/* ---- units.c */
/* Owned by the callee. */
void hone_service__want(service *s, want *w);
want *hone_service__find_want(const service *s, uint64_t job, uint64_t tag);
void hone_service__want_drop(service *s, want *w);
/* Not one that is known: then it was given meanwhile. */
void hone_service__unwant(service *s, job *j, uint64_t tag);
void hone_service__give(service *s, const hone_farm_effect *x);
payload *hone_service__payload_add(service *s, hone_farm_key unit, hone_pool_event *e);
payload *hone_service__payload(const service *s, uint64_t handle);
void hone_service__payload_done(service *s, uint64_t handle);
/* storage_print_fn of a payload. */
void hone_service__payload_print(const void *what, hone_buf *ret);
void hone_service__units_free(service *s);

/* ---- desk.c */
hone_status hone_service__desk_open(service *s, hone_error *err);
/* The next snapshot, if there is a page. */
void hone_service__publish(service *s);
/* Notes what the desk has to say of jobs (0: of all) beyond this life of the service; last: it
 * ends.
 */
void hone_service__keep(service *s, uint64_t id, bool last);
void hone_service__said(service *s, hone_pool_event *e);
void hone_service__replied(service *s, const hone_farm_effect *x);
/* Text of a job that is stored for the first time, borrowed; NULL: it is not. */
const char *hone_service__spec(service *s, const hone_farm_job_row *r);
/* Owned by the callee. */
void hone_service__answered(service *s, answered *a);
void hone_service__committed(service *s, const hone_farm_row *rows, uint32_t n);

/* ---- launch.c */
void hone_service__launch(service *s, uint32_t builders);
/* Once a second. */
void hone_service__tend_launch(service *s, int64_t now);

#endif
