/* Inside of the worker: worker.c (the loop and the session), hello.c (what it says of itself),
 * job.c (its jobs). */
#ifndef HONE_WORKERS_WORKER_INTERNAL_H
#define HONE_WORKERS_WORKER_INTERNAL_H

#include "workers/wire/internal.h"
#include "workers/worker/build.h"

#define HONE_WORKERS__BUILD_CREDIT \
    2 /* one in hand and one waiting, so that the server never idles */
#define HONE_WORKERS__RUN_CREDIT 1

typedef struct hone_workers__self {
    char boot[64], name[64], cpu[128];
    uint32_t threads;
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
    bool up;         /* connecting: the connection stands; listening: the coordinator's does */
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
    bool measuring; /* the nursery has a job */
    bool wanting;   /* a MEASURE waits for artifacts */
    bool stale;     /* the session of the running measurement is over */
    unsigned asked; /* NEED sent for artifact i */
    hone_wire_measure measure;
    int64_t measure_start_ns, gave_up_ns;
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
void hone_workers__worker_nack(hone_workers__worker *w, const hone_wire *m, uint32_t code,
                               const char *text);
void hone_workers__worker_stop(hone_workers__worker *w, hone_status s, const char *fmt, ...)
    HONE_PRINTF(3, 4);

/* ---- hello.c -------------------------------------------------------------------------------- */

void hone_workers__worker_describe(hone_workers__self *ret, unsigned roles);
/* HELLO without instance and session; its texts are borrowed. */
void hone_workers__worker_hello(const hone_workers__self *self, unsigned roles, hone_wire *ret);

/* ---- job.c --------------------------------------------------------------------------- */

void hone_workers__worker_ready(hone_workers__worker *w); /* a session began: says what it takes */
void hone_workers__worker_abandon(hone_workers__worker *w); /* a session ended: forgets its jobs */
void hone_workers__worker_on_build(hone_workers__worker *w, const hone_wire *m, const void *bytes,
                                   size_t n);
void hone_workers__worker_on_measure(hone_workers__worker *w, const hone_wire *m);
/* The coordinator does not want the outcome of this job any more. */
void hone_workers__worker_on_cancel(hone_workers__worker *w, uint64_t ticket);
void hone_workers__worker_on_artifact(hone_workers__worker *w, const hone_wire *m);
/* Looks after the build in hand (readable: the server's socket is) and starts the next. */
void hone_workers__worker_tend_build(hone_workers__worker *w);
/* The nursery has a result. */
void hone_workers__worker_on_nursery(hone_workers__worker *w);
void hone_workers__worker_jobs_free(hone_workers__worker *w);

#endif
