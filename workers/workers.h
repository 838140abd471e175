/* workers: building and measuring candidates, here or elsewhere, over ZeroMQ.
 *
 *   pool     the coordinator's side: peers, credits, deadlines. No LLVM, no candidate code.
 *   worker   the loop of a worker process: role build, run or both.
 *   builder  replays a trace on a workload and makes an artifact (space + codegen; needs LLVM).
 *   device   the nursery: a process forked before any ZeroMQ context, which forks one sandboxed
 *            child per measurement (libseccomp; links neither LLVM, XGBoost nor SQLite).
 *
 * Everything here is plain data: texts, bytes, numbers. A peer is its CURVE public key.
 *
 * Threads: a pool and a nursery belong to the thread that made them; different ones may be used by
 * different threads. hone_worker_run is for one thread of a process, since it takes the process's
 * SIGTERM, SIGINT and SIGHUP. Pools and workers set the process's soft limit of descriptors, to
 * 4096 or what is allowed, and keep some of them from connections. The rest may be called by any
 * thread. */
#ifndef HONE_WORKERS_H
#define HONE_WORKERS_H

#include "base/base.h"
#include "targets/target.h"

/* ---- what is built ------------------------------------------------------------------------- */

typedef enum hone_elem { /* element types, in the order of ir/dtypes */
                         HONE_ELEM_F64,
                         HONE_ELEM_F32,
                         HONE_ELEM_F16,
                         HONE_ELEM_BF16,
                         HONE_ELEM_I64,
                         HONE_ELEM_I32,
                         HONE_ELEM_I16,
                         HONE_ELEM_I8,
                         HONE_ELEM_U8,
                         HONE_ELEM_BOOL,
                         HONE_ELEM_COUNT
} hone_elem;

/* An output whose values no input changes is right when it holds them, whatever they are. */
enum { HONE_ARG_VARIES = 1, HONE_ARG_CONSTANT = 2 };

typedef struct hone_arg {
    char name[64];
    uint8_t elem;       /* hone_elem */
    uint8_t is_output;  /* 0: read only; HONE_ARG_VARIES, _CONSTANT: written and compared */
    int64_t count;      /* elements */
    int64_t pack_bytes; /* 0, or: the kernel takes this const input packed, made by hone_pack */
    double lo, hi;      /* inputs are given lo <= x < hi; lo >= hi: any value */
} hone_arg;

/* What a device must know to run an artifact. */
typedef struct hone_manifest {
    uint32_t n_args;  /* at most HONE_MAX_ARGS */
    hone_arg *args;   /* n_args of them; of an artifact's: owned */
    int64_t flops;    /* arithmetic operations that one call of the workload cannot do without */
    uint8_t has_pack; /* the object also defines hone_pack */
} hone_manifest;
/* With arguments of its own, for the caller to free. */
void hone_manifest_copy(hone_manifest *ret, const hone_manifest *from);
void hone_manifest_free(hone_manifest *m);

/* A loadable artifact: an ELF shared object without dependencies that exports
 *   hone_kernel  (hone_rt_kernel)  and, if has_pack,
 *   hone_pack    int32_t (void *const *from, void *const *to, const hone_rt_api *rt):
 *                from[i] is argument i as the workload states it, to[i] its packed form;
 *                entries of arguments that are not packed are NULL and not touched.
 * One that calls a library exports HONE_LIBCALL_SYMBOL too (libcall/libcall.h). */
typedef struct hone_artifact {
    hone_manifest manifest; /* owned, with its arguments */
    uint8_t *bytes;         /* owned */
    size_t n;
    uint64_t hash; /* hone_hash_bytes(0, bytes, n) */
} hone_artifact;
/* With manifest and bytes of its own, for the caller to free. An artifact is given away by setting
 * what is left of it to zero. */
void hone_artifact_copy(hone_artifact *ret, const hone_artifact *from);
void hone_artifact_free(hone_artifact *a);

typedef struct hone_build_job {
    uint64_t id;          /* of hone_pool_new_id; comes back with the result */
    const char *workload; /* program text of the unscheduled program (ir/print) */
    const char *trace;    /* trace text (JSON), or NULL for the program as written; or a library's
                             call (libcall/libcall.h), for which there is no schedule */
    const char *target;   /* target text (targets/target.h) */
    int32_t threads;      /* threads the kernel is meant for */
    uint8_t reference;    /* 1: build plainly, as the oracle */
    int64_t deadline_ms;  /* for the build itself, from its start */
    const char *intrins;  /* tensor intrinsics beside hone's own (docs/INTRINSICS.md), or NULL */
    uint64_t peer;        /* only this one gets it (hone_pool_event); 0: any */
} hone_build_job;

/* ---- what is measured ---------------------------------------------------------------------- */

/* Whose right to one attempt it is: of a coordinator that keeps leases over its restarts. */
typedef struct hone_lease {
    uint64_t fence; /* unique for the worker; 0: none */
    uint32_t epoch; /* of the device, as the coordinator counts */
    uint64_t unit[2];
} hone_lease;

typedef struct hone_measure_job {
    uint64_t id;        /* of hone_pool_new_id; comes back with the result */
    hone_lease lease;   /* in a pool with a realm; the worker keeps the result until it is
                           acknowledged. Without a fence: it does not */
    const char *target; /* text of the target the artifacts were built for: only a machine that can
                           run it gets the job (hone_pool_able). NULL: any may */
    const hone_artifact *candidate;
    const hone_artifact *reference; /* the oracle (ir/oracle.h): values, and how far from them is
                                       right. Its results are kept on the device, by hash. One with
                                       the candidate's own arguments allows no difference. */
    const hone_artifact *incumbent; /* timed against the candidate in turns; NULL: timed alone */
    int32_t threads;
    uint64_t data_seed;       /* inputs are generated on the device from it */
    double tolerance;         /* largest allowed error, in units of the oracle's bound */
    double peak_gflops;       /* faster than HONE_PEAK_SLACK x this is impossible; 0: unknown */
    int64_t reference_ms;     /* for what the reference has still to compute; 0: as the device
                                 thinks, which is more than the pool waits for */
    int64_t check_ms, run_ms; /* deadlines of the check and of the timing */
    int32_t min_samples;      /* at least this many (pairs), unless hopelessly slower; 1 without an
                                 incumbent: once is enough for a call of over 100 ms */
    int32_t max_samples;      /* at most; fewer as soon as what they say is clear */
    int64_t sample_ns;        /* a sample repeats the call until it lasts about this long */
    const char *library;      /* the one that the candidate calls (hone_libcall_mark): while some
                                 machine here has it, only such a one gets the job. NULL: none */
    uint64_t peer;            /* only this one gets it (hone_pool_event); 0: any */
} hone_measure_job;

/* What a hone_measure_job allows, where nothing else is asked for: bounds are of first order. */
#define HONE_TOLERANCE 2.0

#define HONE_MAX_SAMPLES HONE_PAIRS_MOST
#define HONE_PEAK_SLACK 1.1 /* so much above its peak a machine is not believed to be */

typedef struct hone_measure_result {
    int64_t time_ns;  /* median over samples of the time of one call; valid when HONE_OK */
    double log_ratio; /* median of ln(candidate / incumbent), for the device's own use; 0 without
                         an incumbent */
    int32_t n_samples;
    double sample_ns[HONE_MAX_SAMPLES];    /* candidate, per call */
    double incumbent_ns[HONE_MAX_SAMPLES]; /* incumbent in the same turn, or 0 */
    double max_error; /* largest error of an output in units of the oracle's bound of that element;
                         infinite where there is no room and a difference */
    int64_t check_ns, run_ns; /* wall time the check and the timing took */
    char env[256];            /* what the device says of itself: cpu model, mitigations, ... */
} hone_measure_result;

/* ---- pool: the coordinator's side ---------------------------------------------------------- */

enum { HONE_ROLE_BUILD = 1, HONE_ROLE_RUN = 2, HONE_ROLE_CLIENT = 4 };
/* What a key is for, by its line in the allow file (workers/wire/keys.h). */
enum { HONE_KEY_USER = 1, HONE_KEY_DEVICE = 2, HONE_KEY_BUILDER = 4, HONE_KEY_ADMIN = 8 };

typedef struct hone_pool hone_pool;

typedef struct hone_pool_options {
    const char *key_file;   /* this side's secret key (hone keygen), or NULL: ipc only */
    const char *allow_file; /* allow-list of peers' public keys, or NULL */
    bool insecure_loopback; /* tcp on loopback without keys: any user of this machine may connect */
    int64_t lost_ms;        /* a peer silent for this long is gone; 0: 20000 */
    bool clients;           /* peers that ask (workers/client.h) are let in too */
    uint64_t realm; /* not 0: of leases that are known again after a restart, as a number of the
                       log they are in. Results then count for leases, and are acknowledged by
                       hone_pool_ack only */
} hone_pool_options;

typedef enum hone_pool_event_kind {
    HONE_POOL_NOTHING,     /* the wait ended */
    HONE_POOL_PEER_JOINED, /* text: its name and roles */
    HONE_POOL_PEER_LOST,   /* its jobs come back as events with status HONE_E_PEER */
    HONE_POOL_PEER_BUSY,   /* present, but for 10 s (half of lost_ms) it has taken none of the jobs
                              that wait; text says who. Told again each minute while it lasts */
    HONE_POOL_REFUSED,     /* a peer was turned away; text says who and why */
    HONE_POOL_BUILT,       /* job `id`: status, and `artifact` when HONE_OK */
    HONE_POOL_MEASURED,    /* job `id`: status, and `result` */
    HONE_POOL_SAID,        /* a client asks `said`, to be answered by hone_pool_tell */
    /* In a pool with a realm: */
    HONE_POOL_PROGRESS, /* of the attempt of lease.fence: phase */
    HONE_POOL_LATE      /* as MEASURED, of no job here (any more): what `lease` says is the peer's
                           word, and so is that the numbers answer what was asked */
} hone_pool_event_kind;

typedef enum hone_held_phase {
    HONE_HELD_FETCHING = 1,
    HONE_HELD_CHECKING,
    HONE_HELD_TIMING,
    HONE_HELD_ENDED /* the result waits to be acknowledged */
} hone_held_phase;
/* What a worker says it holds of this realm. */
typedef struct hone_held {
    hone_lease lease;
    hone_held_phase phase;
    int64_t left_ms; /* that it may still take, as the worker says; 0: ended */
} hone_held;
#define HONE_MAX_HELD 64

typedef struct hone_pool_event {
    hone_pool_event_kind kind;
    uint64_t id;
    hone_status status; /* HONE_OK, HONE_REJECT_*: data; HONE_E_*: the attempt failed, try again */
    hone_error error;   /* as it came over the wire */
    hone_artifact artifact; /* BUILT and HONE_OK: now the caller's */
    hone_measure_result result;
    int64_t spent_ns; /* worker's time on it */
    char device[64];  /* name of the peer that joined, was lost, asks, or did it; "" none did */
    char text[256];
    uint64_t peer;         /* its number, from 1, no two of a pool alike; 0: none */
    unsigned roles;        /* of it, when it joined or was lost */
    bool left;             /* PEER_LOST: it said goodbye, and does nothing more */
    unsigned may;          /* SAID: HONE_KEY_*; at ipc, and on loopback without keys, all of them */
    uint64_t ask;          /* SAID: the client's number of the request */
    hone_buf said;         /* SAID: what it asks, not looked at, at most HONE_MAX_SAY_BYTES; now the
                              caller's */
    hone_lease lease;      /* MEASURED, LATE, PROGRESS: fence for hone_pool_ack */
    hone_held_phase phase; /* PROGRESS */
} hone_pool_event;

/* HONE_E_INPUT (key or allow file), HONE_E_PEER. */
hone_status hone_pool_new(const hone_pool_options *o, hone_pool **ret,
                          hone_error *err) HONE_NODISCARD;
/* Waits for workers at ENDPOINT (bind) or goes to a listening worker there (connect). A tcp
 * endpoint without key and allow file is HONE_E_INPUT with the remedy, and so is one that is no
 * endpoint. HONE_E_BUSY: somebody else listens there. HONE_E_IO. */
hone_status hone_pool_listen(hone_pool *p, const char *endpoint, hone_error *err) HONE_NODISCARD;
hone_status hone_pool_connect(hone_pool *p, const char *endpoint, hone_error *err) HONE_NODISCARD;
/* Peers present that have all of `roles`, and how many more jobs they would take at once. */
uint32_t hone_pool_peers(const hone_pool *p, unsigned roles);
uint32_t hone_pool_credit(const hone_pool *p, unsigned role);
/* Peers present that could take a job of this role for this target (NULL: not asked). Any builder
 * builds for any target. Code runs on a machine of its architecture that has all features it may
 * use; one that has not described itself, as older workers do not, runs what names no target, and
 * at ipc it is taken for this machine. A job that nobody present can take waits. 0 also when the
 * text is no target. */
uint32_t hone_pool_able(const hone_pool *p, unsigned role, const char *target);
/* Target text of the i-th peer that runs kernels, "" when it is not known, NULL beyond the last
 * one. Text and name are borrowed until the next event. */
const char *hone_pool_machine(const hone_pool *p, uint32_t i, const char **ret_name);
/* What all peers that run kernels are, with the fewest processors of any. HONE_E_NOTFOUND: there is
 * none. HONE_E_VERSION: one does not say. HONE_E_INPUT: they differ; names them all. */
hone_status hone_pool_common_machine(const hone_pool *p, hone_target *ret,
                                     hone_error *err) HONE_NODISCARD;
/* What is known of a peer, borrowed until the next event. */
typedef struct hone_pool_peer {
    const char *name, *key; /* key: its text; "" at ipc, and on loopback without keys */
    const char *target;     /* what it runs kernels on; "" not known */
    const char *attrs;      /* what else it says of itself, KEY=VALUE,...; "" nothing */
    uint64_t fingerprint;   /* changes with what changes its times; 0: not said */
    unsigned roles;
    bool keeps;            /* it says how far it is, and keeps results until they are acknowledged;
                              others are of an older hone */
    const hone_held *held; /* what it held when it joined, of this pool's realm */
    uint32_t n_held;
    int64_t heard_ns;          /* when it was heard last, on hone_clock_ns */
    uint64_t machine, process; /* hashes: of boot and host name, and of what it drew at its start */
} hone_pool_peer;
/* False: it is not there. */
bool hone_pool_peer_get(const hone_pool *p, uint64_t peer, hone_pool_peer *ret);
/* From now on these keys may connect, instead of those of the allow file; peers whose key is not
 * among them, or is not for what they do, are sent away, and PEER_LOST tells. Nothing when the pool
 * was made without keys. */
typedef struct hone_pool_key {
    const char *key, *name;
    unsigned may; /* HONE_KEY_* */
} hone_pool_key;
void hone_pool_set_keys(hone_pool *p, const hone_pool_key *keys, uint32_t n);
/* A number for a job that no other job of this pool has, from 1 on. */
uint64_t hone_pool_new_id(hone_pool *p);
/* Is a worker of this machine with this process id among the peers? */
bool hone_pool_knows(const hone_pool *p, uint32_t pid);
/* Queues the job; copies what it needs, so job and artifacts may go. A job whose worker is lost
 * comes back as HONE_E_PEER once; resubmitting is the caller's decision. */
void hone_pool_build(hone_pool *p, const hone_build_job *job);
void hone_pool_measure(hone_pool *p, const hone_measure_job *job);
/* Drops the job: one that waits is forgotten, one in hand is abandoned where it runs (its child is
 * killed). No event of it follows. An id that is not known does nothing. */
void hone_pool_cancel(hone_pool *p, uint64_t id);
/* How a result is acknowledged. */
typedef enum hone_ack {
    HONE_ACK_TAKEN = 1, /* it is durable */
    HONE_ACK_AGAIN,     /* this very one was before */
    HONE_ACK_STALE,     /* nobody wants it */
    HONE_ACK_COUNTED    /* a failure */
} hone_ack;
/* The peer may forget its result. Nothing when it is not there any more: it says it again then. */
void hone_pool_ack(hone_pool *p, uint64_t peer, uint64_t fence, hone_ack verdict);
/* From now on results are acknowledged by hone_pool_ack only; else each is when it has come. */
void hone_pool_hold(hone_pool *p);
/* The peer ends its attempt of this lease, which is no job here. */
void hone_pool_revoke(hone_pool *p, uint64_t peer, uint64_t fence);
/* The peer is told why it may not be here, and is lost. A worker that connects ends with that. */
void hone_pool_turn_away(hone_pool *p, uint64_t peer, const char *why);
/* Answers a client's request; `more`: further answers to the same one will follow. At most
 * HONE_MAX_TELL_BYTES. False: this client is not there (any more), and a PEER_LOST of it comes or
 * has come. */
bool hone_pool_tell(hone_pool *p, uint64_t peer, uint64_t ask, const void *bytes, size_t n,
                    bool more);
/* Waits at most timeout_ms for one event. EINTR gives HONE_POOL_NOTHING. */
void hone_pool_next(hone_pool *p, int timeout_ms, hone_pool_event *ret);
/* Says goodbye to every peer and closes. */
void hone_pool_free(hone_pool *p);

/* ---- worker -------------------------------------------------------------------------------- */

/* Builds one job; called in the worker's process. Implemented by workers/builder.c; the device
 * worker passes NULL and so needs no LLVM. HONE_REJECT_* and HONE_E_*. */
typedef hone_status (*hone_build_fn)(void *ctx, const hone_build_job *job, hone_artifact *ret,
                                     hone_error *err);

/* Called once in each process that builds, before it is closed in (it may then open no file and
 * start no program): gets what builds will need of these. HONE_E_*, which is what builds fail with.
 */
typedef hone_status (*hone_build_prepare_fn)(void *ctx, hone_error *err);

typedef struct hone_worker_options {
    const char *connect, *listen; /* exactly one */
    const char *key_file, *allow_file;
    bool insecure_loopback; /* as of a pool */
    unsigned roles;
    hone_build_fn build;                 /* with HONE_ROLE_BUILD */
    hone_build_prepare_fn build_prepare; /* or NULL */
    void *build_ctx;
    int64_t build_rss_limit;   /* bytes: a build above it is ended, a build process above half of it
                                  replaced between builds; 0: never */
    const char *const *labels; /* NULL at the end; each a word without blank, comma and '='; NULL:
                                  none. What a service finds this worker by */
    const char *sandbox;       /* "on" (default, NULL) or "off" for debugging under sanitizers */
    const char *spool;         /* folder, made if need be, in which results outlive this process
                                  until they are acknowledged; NULL: in memory */
    /* Libraries that artifacts measured here may call, as the operator of this worker says; what
     * comes over the wire only chooses among them. Borrowed; at most HONE_LIBCALL_MAX. */
    const struct hone_libcall_library *libraries;
    unsigned n_libraries;
    const char *runtime; /* it measures modules of WebAssembly, by this, as of
                            hone_nursery_start_modules; NULL: kernels of its own machine */
} hone_worker_options;

/* Serves until told GOODBYE by its only local coordinator, SIGTERM, SIGINT or SIGHUP. The nursery
 * is started first, before any ZeroMQ context or key exists in the process. HONE_OK, HONE_E_INPUT,
 * HONE_E_DENIED (turned away: says by whom and why), HONE_E_PEER, HONE_E_SANDBOX; of the spool's
 * folder HONE_E_IO, and HONE_E_BUSY when another worker has it. */
hone_status hone_worker_run(const hone_worker_options *o, hone_error *err) HONE_NODISCARD;

/* ---- device: the nursery and its children -------------------------------------------------- */

typedef struct hone_nursery hone_nursery;

/* Forks the nursery process. Call before any thread, ZeroMQ context or secret exists. Artifacts may
 * call one of n <= HONE_LIBCALL_MAX libraries (borrowed until it returns): it is opened in the
 * measuring process of such an artifact alone, before that is closed in, so that its constructors
 * run, and may start threads, without the sandbox. HONE_E_SANDBOX. */
hone_status hone_nursery_start(bool sandbox, const struct hone_libcall_library *libraries,
                               unsigned n, hone_nursery **ret, hone_error *err) HONE_NODISCARD;
/* The same for artifacts that are modules of WebAssembly, which `runtime` runs: "node", from PATH,
 * "node:relaxed", the same with relaxed SIMD, or "browser:HOST:PORT", a page that Node serves
 * there, for which it waits. HONE_E_TOOL: Node is not there, or does not work. HONE_E_INPUT: no
 * page can be served there. */
hone_status hone_nursery_start_modules(const char *runtime, hone_nursery **ret,
                                       hone_error *err) HONE_NODISCARD;
/* Is it one of these, as far as can be seen? */
bool hone_nursery_knows_runtime(const char *runtime);
/* The target, by name, that such a one is. Static storage. */
const char *hone_nursery_runtime_target(const char *runtime);
/* Hands a job to the nursery. One at a time. HONE_E_PEER when the nursery is gone. */
hone_status hone_nursery_send(hone_nursery *n, const hone_measure_job *job,
                              hone_error *err) HONE_NODISCARD;
/* Gives up the job in hand: its child is killed at once, and hone_nursery_receive has an answer
 * soon: HONE_E_INTERRUPTED, or the result if it was there already. Nothing when there is no job. */
void hone_nursery_cancel(hone_nursery *n);
/* Descriptor that becomes readable when the result is there. */
int hone_nursery_fd(const hone_nursery *n);
/* Has the timing of the job in hand begun? True once for a job, when hone_nursery_fd is readable
 * for this. Never blocks. */
bool hone_nursery_timing(hone_nursery *n);
/* Takes the result of the job in hand. HONE_OK, HONE_REJECT_*, HONE_E_*. */
hone_status hone_nursery_receive(hone_nursery *n, hone_measure_result *ret,
                                 hone_error *err) HONE_NODISCARD;
/* Ends nursery and child, and reaps them. */
void hone_nursery_stop(hone_nursery *n);

/* ---- code of one's own (sandbox/apart.c) ---------------------------------------------------- */

/* Runs code that was just made, in a child process: set_up may open files, load code and start
 * threads; then the child is closed in, with nothing but memory and the clock, and does `run`. What
 * it writes to hone_apart_memory is seen by the caller. */
typedef struct hone_apart {
    hone_status (*set_up)(void *ctx, hone_error *err);
    hone_status (*run)(void *ctx, hone_error *err);
    void *ctx;
    bool (*stop)(void *ctx); /* asked, with NULL, several times a second; true ends the child. Or
                                NULL */
} hone_apart;
/* What set_up or run returns. HONE_E_CRASHED, HONE_E_KILLED (from outside): the child died; the
 * message says how, without a subject: "crashed: Segmentation fault". HONE_E_INTERRUPTED (`stop`);
 * HONE_E_LIMIT, HONE_E_NOMEM. */
hone_status hone_apart_run(const hone_apart *a, hone_error *err) HONE_NODISCARD;
/* Zeroed memory that the children forked later see as well; NULL: there is none. */
void *hone_apart_memory(int64_t bytes);
void hone_apart_free(void *p, int64_t bytes);

/* ---- keys ---------------------------------------------------------------------------------- */

/* Writes FILE (secret, mode 0600) and FILE.pub. HONE_E_INPUT when FILE exists, HONE_E_IO. */
hone_status hone_keygen(const char *path, hone_error *err) HONE_NODISCARD;

#endif
