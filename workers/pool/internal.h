/* Inside of the pool: pool.c (the loop), peer.c (messages), job.c (jobs and events), match.c (which
 * machine a job needs), say.c (what clients ask), keep.c (leases, and results that peers keep). */
#ifndef HONE_WORKERS_POOL_INTERNAL_H
#define HONE_WORKERS_POOL_INTERNAL_H

#include "workers/wire/internal.h"

#define HONE_WORKERS__KNOWN 24 /* artifacts a worker surely still has; its cache holds more */
#define HONE_WORKERS__CREDIT_MAX 8
#define HONE_WORKERS__ROLES 2 /* index 0: build, 1: run */

typedef struct hone_workers__pool_link {
    hone_workers__link link;
    bool up;         /* connecting side: the connection stands */
    bool dead;       /* denied: given up */
    int64_t who_ns;  /* connecting side: when to say WHO; 0: not */
    unsigned broken; /* handshakes that ended without a reason, in a row */
} hone_workers__pool_link;

typedef struct hone_workers__machine {
    const char *text; /* target text, held; NULL: none */
    uint64_t hash;
} hone_workers__machine;

typedef struct hone_workers__peer {
    uint8_t session[16], instance[16];
    hone_workers__pool_link *link;
    hone_workers__route route;
    int fd; /* connection its latest message came by */
    uint64_t number, machine_hash, fingerprint;
    char attrs[HONE_MAX_ATTRS_BYTES];
    char key[HONE_KEY_TEXT];
    char name[64], about[256];
    unsigned roles, may;
    hone_workers__machine machine; /* it runs kernels on; no text: not known */
    uint32_t revision;             /* of wire.def, that it knows */
    uint32_t credit[HONE_WORKERS__ROLES];
    uint32_t pid;
    uint32_t at;                        /* place among the pool's peers */
    uint32_t busy[HONE_WORKERS__ROLES]; /* jobs in hand */
    struct hone_workers__job *jobs;     /* those, linked by `beside` */
    int64_t seen_ns;
    int64_t idle_ns; /* since when it takes none of the jobs that wait for it; 0: not so */
    int64_t idle_told_ns;
    uint64_t known[HONE_WORKERS__KNOWN]; /* keys of artifacts sent, a ring */
    unsigned known_turn;
    hone_held *held; /* owned; when it joined, of this pool's realm. Mostly none */
    uint32_t n_held;
} hone_workers__peer;

typedef struct hone_workers__blob { /* an artifact some job still needs */
    uint64_t key;
    unsigned refs;
    hone_artifact artifact;
} hone_workers__blob;

typedef struct hone_workers__job {
    unsigned role; /* 0 build, 1 run */
    uint64_t id;
    uint64_t ticket;                  /* number of this attempt, on the wire */
    hone_workers__peer *peer;         /* NULL while it waits */
    uint64_t only;                    /* number of the peer that may get it; 0: any */
    uint32_t at;                      /* place among those that run */
    struct hone_workers__job *beside; /* another one of its peer */
    int64_t deadline_ns;
    hone_build_job build;     /* owns its texts */
    hone_measure_job measure; /* owns nothing */
    hone_workers__machine needs;
    char library[64];            /* of measure; "" none */
    hone_workers__blob *blob[3]; /* candidate, reference, incumbent or NULL */
} hone_workers__job;

typedef struct hone_workers__expelled { /* a worker process that is not taken again */
    uint8_t instance[16];
    char why[200]; /* "": none here */
} hone_workers__expelled;

extern const unsigned hone_workers__role_bit[HONE_WORKERS__ROLES]; /* HONE_ROLE_* */

/* Whether a machine can run code for a target: asked for each job and peer, and seldom different.
 */
typedef struct hone_workers__match {
    uint64_t device, needed; /* hashes of the texts */
    bool fits;
} hone_workers__match;
typedef struct hone_workers__matches {
    HONE_VEC(hone_workers__match) v;
} hone_workers__matches;

struct hone_pool {
    void *zmq;
    hone_workers__identity identity;
    hone_workers__zap zap;
    int64_t lost_ns;
    bool clients;
    uint64_t realm;          /* of leases */
    bool lasting;            /* it is the caller's, who acknowledges results */
    bool by_hand;            /* the caller acknowledges results all the same */
    HONE_VEC(uint64_t) owed; /* by_hand: fences of those that were handed out and are not yet */
    uint64_t seq, ticket, id, number; /* the latest of each */
    hone_workers__matches *matches;
    HONE_VEC(hone_workers__pool_link *) links;
    HONE_VEC(hone_workers__peer *) peers;
    hone_map by_session, by_number;        /* peers */
    HONE_VEC(hone_workers__job *) waiting; /* in the order they came */
    HONE_VEC(hone_workers__job *) running;
    hone_map by_ticket;                   /* those that run */
    hone_map blobs;                       /* by key */
    uint32_t credit[HONE_WORKERS__ROLES]; /* of all peers */
    int64_t judge_ns;                     /* when deadlines are looked at again, at the earliest */
    int64_t timer_ns;                     /* the next of them */
    char *read_text;                      /* the target text read last, and what it is */
    hone_workers__machine read;
    HONE_VEC(hone_pool_event *) events; /* to be handed out, from `first` on */
    uint32_t first;
    hone_workers__denials refusals, bad; /* told lately; bad: messages that make no sense */
    hone_workers__expelled expelled[64]; /* a ring */
    unsigned expelled_turn;
    HONE_VEC(zmq_pollitem_t) items;
    hone_buf out;
    hone_wire *in,
        *say; /* the message in hand; the one that is made (hone_workers__pool_message_new) */
};

/* ---- peer.c ---------------------------------------------------------------------------- */

/* A message of this type, to be filled in and sent at once: they are large, and cost more to clear
 * than to send. */
hone_wire *hone_workers__pool_message_new(hone_pool *p, hone_wire_type type);
/* Sends m to the peer; a peer that cannot be reached is lost (and freed): false. */
bool hone_workers__pool_tell(hone_pool *p, hone_workers__peer *peer, hone_wire *m);
void hone_workers__pool_tell_route(hone_pool *p, hone_workers__pool_link *l,
                                   const hone_workers__route *to, hone_wire *m);
/* Asks for a HELLO; `session` (may be NULL) is the one that is not known here. */
void hone_workers__pool_say_who(hone_pool *p, hone_workers__pool_link *l,
                                const hone_workers__route *to, const uint8_t session[16],
                                const char *why);
void hone_workers__pool_message(hone_pool *p, hone_workers__pool_link *l,
                                const hone_workers__incoming *in);
/* Says that somebody was turned away: log and event, unless it was said too often. */
void hone_workers__pool_refused(hone_pool *p, const char *text);
/* Sends a worker away for good that sends what no worker that means well sends: NACK of the message
 * with this number, GOODBYE; a HELLO of the same process is refused from then on. */
void hone_workers__pool_expel(hone_pool *p, hone_workers__peer *peer, uint64_t seq,
                              const char *why);
void hone_workers__pool_add(hone_pool *p, hone_workers__peer *peer);
/* NULL: it is not there. */
hone_workers__peer *hone_workers__pool_peer(const hone_pool *p, uint64_t number);
/* It takes so many more, at most HONE_WORKERS__CREDIT_MAX in all, or none any more. */
void hone_workers__peer_credit(hone_pool *p, hone_workers__peer *peer, unsigned role,
                               uint32_t more);
void hone_workers__peer_no_credit(hone_pool *p, hone_workers__peer *peer);
/* Forgets the peer and hands its jobs back. */
hone_pool_event *hone_workers__pool_lose(hone_pool *p, hone_workers__peer *peer, const char *why);

/* Fills in what a result says that is no lie; its words are to be shown to people. */
void hone_workers__pool_outcome(hone_pool_event *e, const hone_wire_measured *m,
                                const hone_measure_result *result);

/* ---- say.c ----------------------------------------------------------------------------- */

void hone_workers__pool_said(hone_pool *p, hone_workers__peer *peer, const hone_wire_say *m);
/* Why a peer of these roles, with the key's line (NULL: no keys), is not taken; NULL: it is. */
const char *hone_workers__pool_barred(const hone_pool *p, unsigned roles,
                                      const hone_allowed *known);

/* ---- job.c ----------------------------------------------------------------------------- */

hone_pool_event *hone_workers__pool_event(hone_pool *p, hone_pool_event_kind kind);
/* Ends a job with a status made here, not by a worker. */
void hone_workers__job_fail(hone_pool *p, hone_workers__job *j, hone_status s, const char *fmt, ...)
    HONE_PRINTF(4, 5);
/* Ends a job: the event is the caller's to fill. */
hone_pool_event *hone_workers__job_finish(hone_pool *p, hone_workers__job *j);
hone_workers__job *hone_workers__job_find(hone_pool *p, const hone_workers__peer *peer,
                                          uint64_t ticket, unsigned role);
/* Sends the artifact unless the peer has it; `again`: also then. False: the peer is lost. */
bool hone_workers__job_send_artifact(hone_pool *p, hone_workers__peer *peer, hone_workers__job *j,
                                     hone_workers__blob *b, bool again);
/* May this job be given to this peer, once it has credit? */
bool hone_workers__job_suits(const hone_pool *p, const hone_workers__job *j,
                             const hone_workers__peer *peer);
void hone_workers__peer_free(hone_workers__peer *peer);
uint32_t hone_workers__peer_busy(const hone_workers__peer *peer);
/* The machine with this target text, in its canonical form. HONE_E_INPUT. */
hone_status hone_workers__machine_read(const char *text, hone_workers__machine *ret,
                                       hone_error *err) HONE_NODISCARD;
/* The same, of a text that is asked for again and again. */
hone_status hone_workers__machine_again(hone_pool *p, const char *text, hone_workers__machine *ret,
                                        hone_error *err) HONE_NODISCARD;
/* The machine this process runs on; HONE_E_NOTFOUND when hone does not know its kind. */
hone_status hone_workers__machine_here(hone_workers__machine *ret, hone_error *err) HONE_NODISCARD;
void hone_workers__machine_free(hone_workers__machine *m);
/* Gives waiting jobs to peers with credit. */
void hone_workers__pool_assign(hone_pool *p);
void hone_workers__job_free(hone_pool *p, hone_workers__job *j);

/* ---- keep.c ---------------------------------------------------------------------------- */

/* What the attempt is leased by, on the wire: its job's own lease or, in a pool that gives no
 * leases that last, its ticket; no fence for a peer of an older hone. */
hone_lease hone_workers__pool_lease(const hone_pool *p, const hone_workers__peer *peer,
                                    const hone_workers__job *j);
/* Takes what a peer that joins says it holds. */
void hone_workers__pool_holds(hone_pool *p, hone_workers__peer *peer, const hone_wire_hello *h);
/* A result was made an event. */
void hone_workers__pool_handed_out(hone_pool *p, hone_workers__peer *peer, uint64_t fence);
/* A result of no job that is in hand. */
void hone_workers__pool_late(hone_pool *p, hone_workers__peer *peer, const hone_wire *m);
void hone_workers__pool_progress(hone_pool *p, const hone_workers__peer *peer,
                                 const hone_wire_progress *m);

#endif
