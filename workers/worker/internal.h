/* Inside of the worker: worker.c (the loop and the session), hello.c (what it says of itself),
 * job.c (its jobs), keep.c (what of them outlives a session). */
#ifndef HONE_WORKERS_WORKER_INTERNAL_H
#define HONE_WORKERS_WORKER_INTERNAL_H

#include "workers/spool/spool.h"
#include "workers/wire/internal.h"
#include "workers/worker/build.h"

#include <errno.h>

#define HONE_WORKERS__BUILD_CREDIT \
    2 /* one in hand and one waiting, so that the server never idles */
#define HONE_WORKERS__RUN_CREDIT 1

typedef struct hone_workers__self {
    char boot[64], name[64], cpu[128];
    uint32_t threads;
    char attrs[HONE_MAX_ATTRS_BYTES];
    uint64_t fingerprint;
    char *target; /* owned text of what runs here; NULL: nothing does, or it is not known */
} hone_workers__self;

typedef struct hone_workers__queued_build {
    hone_buf message; /* BUILD, as it came: the build server reads it */
    uint64_t ticket;
    int64_t deadline_ms;
} hone_workers__queued_build;

typedef struct hone_workers__worker {
    const hone_worker_options *o;
    hone_nursery *nursery;      /* NULL without the run role */
    hone_workers__forge *forge; /* NULL without the build role */
    hone_sandbox__limits limits;
    int signals; /* signalfd */
    hone_workers__self self;
    void *zmq;
    hone_workers__identity identity;
    hone_workers__zap zap;
    hone_workers__denials bad; /* messages that make no sense, told lately */
    hone_workers__link link;

    /* The coordinator. */
    uint8_t instance[16], session[16];
    bool registered; /* WELCOME came and nothing ended the session */
    bool keeps;      /* it acknowledges results of leases, of its realm, which */
    bool lasting;    /* it knows again when it was restarted */
    uint64_t realm;
    bool up;         /* connecting: the connection stands; listening: the coordinator's does */
    bool told_alone; /* that there is nobody at the other end */
    hone_workers__route route;
    int fd;
    char key[HONE_KEY_TEXT];
    uint64_t seq;
    int64_t heard_ns, said_ns, hello_ns, down_ns;
    int64_t heartbeat_ns, lost_ns;
    unsigned broken; /* handshakes that ended without a reason, in a row */
    hone_buf out;
    HONE_VEC(hone_buf) unsent; /* outcomes made while the coordinator's connection was away */

    /* Jobs. */
    HONE_VEC(hone_workers__queued_build) builds; /* the first is in hand when `building` */
    bool building;
    int64_t build_start_ns; /* later than it was by what the machine stood still since */
    int64_t build_seen_ns;
    bool measuring;            /* the nursery has a job */
    bool wanting;              /* a MEASURE waits for artifacts */
    bool stale;                /* the session of the running measurement is over */
    unsigned asked;            /* NEED sent for artifact i */
    hone_wire_measure measure; /* without a fence when its outcome is not kept */
    uint64_t measure_realm;    /* whose lease it is */
    bool measure_lasting;
    uint32_t phase; /* HONE_WIRE_FETCHING and so on */
    int64_t measure_start_ns, gave_up_ns;
    bool owes_credit; /* not granted, since there is no room for the result */
    hone_workers__spool spool;
    hone_workers__folder folder;
    hone_workers__artifacts cache;

    bool stopping;
    hone_status status; /* what hone_worker_run returns */
    hone_error *err;
} hone_workers__worker;

/* ---- worker.c ------------------------------------------------------------------------------- */

/* Sends in the session. */
void hone_workers__worker_say(hone_workers__worker *w, hone_wire *m);
/* The same with an encoded message. */
void hone_workers__worker_forward(hone_workers__worker *w, hone_buf *message);
/* The same, once: 0, or why it was not sent. */
int hone_workers__worker_send(hone_workers__worker *w, hone_buf *message);
void hone_workers__worker_nack(hone_workers__worker *w, const hone_wire *m, uint32_t code,
                               const char *text);
void hone_workers__worker_stop(hone_workers__worker *w, hone_status s, const char *fmt, ...)
    HONE_PRINTF(3, 4);

/* ---- hello.c -------------------------------------------------------------------------------- */

/* labels: as of hone_worker_options. */
void hone_workers__worker_describe(hone_workers__self *ret, const hone_worker_options *o);
/* HELLO without instance and session; its texts are borrowed. */
void hone_workers__worker_hello(const hone_workers__self *self, unsigned roles, hone_wire *ret);

/* ---- job.c --------------------------------------------------------------------------- */

void hone_workers__worker_ready(hone_workers__worker *w); /* a session began: says what it takes */
/* A session ended: forgets its jobs, but for a measurement that outlives it. */
void hone_workers__worker_abandon(hone_workers__worker *w);
/* The measurement in hand is nobody's any more. */
void hone_workers__worker_give_up(hone_workers__worker *w);
void hone_workers__worker_on_build(hone_workers__worker *w, const hone_wire *m, const void *bytes,
                                   size_t n);
void hone_workers__worker_on_measure(hone_workers__worker *w, const hone_wire *m);
/* The coordinator does not want the outcome of this job any more. */
void hone_workers__worker_on_cancel(hone_workers__worker *w, const hone_wire_cancel *m);
/* Grants what was not granted for want of room, if there is some now. */
void hone_workers__worker_pay_credit(hone_workers__worker *w);
void hone_workers__worker_on_artifact(hone_workers__worker *w, const hone_wire *m);
/* Looks after the build in hand (readable: the server's socket is) and starts the next. */
void hone_workers__worker_tend_build(hone_workers__worker *w);
/* The nursery has a result. */
void hone_workers__worker_on_nursery(hone_workers__worker *w);
void hone_workers__worker_jobs_free(hone_workers__worker *w);

/* ---- keep.c ------------------------------------------------------------------------------- */

/* Is there a measurement of a lease in hand, for whichever session? */
bool hone_workers__worker_in_hand(const hone_workers__worker *w);
/* Does it go on when its session is over? */
bool hone_workers__worker_outlives(const hone_workers__worker *w);
/* Says how far the measurement in hand is, to a coordinator that wants to know. */
void hone_workers__worker_progress(hone_workers__worker *w);
/* Fills in what HELLO says of what is held. */
void hone_workers__worker_holds(const hone_workers__worker *w, hone_wire_hello *ret);
/* Keeps the result of the measurement in hand, encoded in *b, which is taken; and says it. */
void hone_workers__worker_keep(hone_workers__worker *w, const hone_wire_measured *d, hone_buf *b);
/* Says those results that were not said yet, or so long ago that they may be lost. */
void hone_workers__worker_resay(hone_workers__worker *w);
/* Forgets results that nobody will ask for; now_ns 0: none is too old. */
void hone_workers__worker_prune(hone_workers__worker *w, int64_t now_ns);
void hone_workers__worker_on_ack(hone_workers__worker *w, const hone_wire_ack *a);

#endif
