/* Inside of the worker: building in a process of its own.
 *
 *   build_server.c  that process, the spawner that forks it, and the worker's end of both
 *   build_end.c     what it says when that process dies
 *
 * A crash, a hang or memory running away costs one job. The server is forked by a tiny spawner,
 * which was forked before any ZeroMQ context existed. */
#ifndef HONE_WORKERS_WORKER_BUILD_H
#define HONE_WORKERS_WORKER_BUILD_H

#include "workers/sandbox/sandbox.h"
#include "workers/workers.h"

/* ---- build_server.c ------------------------------------------------------------------------- */

typedef struct hone_workers__forge hone_workers__forge;
typedef struct hone_workers__forge_options {
    hone_build_prepare_fn prepare; /* or NULL */
    hone_build_fn build;
    void *ctx;
    bool sandbox;
} hone_workers__forge_options;
/* `close_fd`: a descriptor that is none of its business, or -1. HONE_E_IO. */
hone_status hone_workers__forge_start(const hone_workers__forge_options *o, int close_fd,
                                      hone_workers__forge **ret, hone_error *err) HONE_NODISCARD;
/* Hands an encoded BUILD to the server, starting one if there is none. HONE_E_PEER: the spawner is
 * gone, and no build will ever run here again. HONE_E_LIMIT, HONE_E_NOMEM, HONE_E_SANDBOX: a server
 * cannot be started. */
hone_status hone_workers__forge_send(hone_workers__forge *f, const void *message, size_t n,
                                     hone_error *err) HONE_NODISCARD;
/* Readable when something of the answer is there; -1 without a server. */
int hone_workers__forge_fd(const hone_workers__forge *f);
/* 1: *ret holds the encoded BUILT; 0: not yet; -1: the server died, call hone_workers__forge_end.
 */
int hone_workers__forge_receive(hone_workers__forge *f, hone_buf *ret);
/* Resident bytes of the server; 0 without one. */
int64_t hone_workers__forge_rss(const hone_workers__forge *f);

/* How a server ended. */
typedef struct hone_workers__build_end {
    bool known;   /* false: its spawner has gone with it */
    bool stopped; /* something had stopped it, for a while or still */
    int status;   /* as of waitpid; SIGKILL also when it was ended by us */
} hone_workers__build_end;
/* Kills and reaps the server, if any. `ret` may be NULL. */
void hone_workers__forge_end(hone_workers__forge *f, hone_workers__build_end *ret);
void hone_workers__forge_stop(hone_workers__forge *f);

/* ---- build_end.c ---------------------------------------------------------------------------- */

/* Of a server that died by itself. HONE_REJECT_BUILD: the candidate's program was too much for the
 * compiler. HONE_E_KILLED, HONE_E_LIMIT, HONE_E_NOMEM, HONE_E_PEER: it had no part in it. */
hone_status hone_workers__explain_build(const hone_workers__build_end *e,
                                        const hone_sandbox__limits *l, hone_error *err);

#endif
