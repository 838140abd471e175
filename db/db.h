/* db: the log of everything tried, in one SQLite file (docs/DATABASE.md).
 *
 * One process writes a file, any number read it. A put has returned HONE_OK only when it is on the
 * disk, or, between hone_db_begin and hone_db_commit, once the commit has returned HONE_OK.
 *
 * Ids name rows of one file and mean nothing in another; across files a record is its content:
 * (workload hash, target text, threads, trace hash). The thread count is part of the target: a
 * schedule for 16 threads is not one for 1, so (text, threads) is one row of `target`.
 *
 * Strings: on put they are the caller's and copied; in a struct returned by pointer (`ret`) they
 * are the caller's to free with hone_db_*_free; in a callback they live until it returns.
 * Text is UTF-8. NULL is stored as "" (JSON columns: "{}"), and a string read is never NULL.
 *
 * Threads: a handle belongs to one thread at a time. Readers in other threads open their own.
 *
 * Any call may also return: HONE_E_IO, HONE_E_FULL (nothing acknowledged is lost; free space and go
 * on), HONE_E_CORRUPT (names the file and the remedy), HONE_E_BUSY, HONE_E_NOMEM. A row whose
 * checksum does not match is HONE_E_CORRUPT, never served. */
#ifndef HONE_DB_H
#define HONE_DB_H

#include "base/base.h"

typedef struct hone_db hone_db;

/* ---- open and close ------------------------------------------------------------------------ */

enum {
    HONE_DB_READ = 1,   /* never writes or checkpoints; also works on a read-only medium */
    HONE_DB_WRITE = 2,  /* the one writer: holds FILE.lock until close or death of the process */
    HONE_DB_CREATE = 4, /* with WRITE: make the file when there is none */
    HONE_DB_VERIFY = 8  /* look through the whole file first (seconds on a large one) */
};

/* HONE_E_NOTFOUND: no such file, or an empty one. HONE_E_FOREIGN: not a hone database; it is left
 * untouched. HONE_E_VERSION: made by a newer hone. HONE_E_BUSY: another process writes to it, whose
 * pid the message names. HONE_E_DENIED: no permission. HONE_E_CORRUPT. */
hone_status hone_db_open(const char *path, unsigned flags, hone_db **ret,
                         hone_error *err) HONE_NODISCARD;
/* Rolls back an open group, checkpoints (writer), closes. NULL is fine. */
void hone_db_close(hone_db *db);
/* The path as opened; "" never. Lives as long as db. */
const char *hone_db_path(const hone_db *db);

/* Puts until hone_db_commit become durable together, or not at all. HONE_OK of commit is the
 * acknowledgement of all of them. A put that fails inside a group leaves the group as it was,
 * except when the whole group had to be rolled back (disk full): then commit fails too.
 * Groups do not nest. */
hone_status hone_db_begin(hone_db *db, hone_error *err) HONE_NODISCARD;
hone_status hone_db_commit(hone_db *db, hone_error *err) HONE_NODISCARD;
void hone_db_rollback(hone_db *db);
/* A group in which no put may fail: whoever has several that may says which, after a rollback. One
 * that fails takes the group with it, and commit says so. Cheaper, as no put can be undone alone.
 */
hone_status hone_db_begin_whole(hone_db *db, hone_error *err) HONE_NODISCARD;
/* From now on the JSON that this handle is given was printed by this program: it is not parsed
 * again to see whether it is JSON. */
void hone_db_trust_json(hone_db *db);
/* For one that writes all the time: the WAL is copied into the file each 32 MiB instead of 4, so
 * that pages which change again and again are copied once, and more of the file stays in memory
 * (12 MiB instead of 8). HONE_E_*. */
hone_status hone_db_write_much(hone_db *db, hone_error *err) HONE_NODISCARD;

/* ---- workloads and targets ----------------------------------------------------------------- */

typedef struct hone_db_workload {
    int64_t id;          /* set by the database */
    uint64_t hash;       /* of the program, independent of names: what it computes */
    const char *name;    /* for people: "matmul" */
    const char *class;   /* programs alike but for their sizes: the second rung of a lookup */
    const char *program; /* program text (ir/print) */
    const char *sizes;   /* JSON object, {"M":512,"N":512,"K":512} */
    int64_t flops;       /* of one call */
    int64_t created_ms;  /* 0 on put: now */
} hone_db_workload;

typedef struct hone_db_target {
    int64_t id;
    const char *text;  /* canonical target text (targets/target.h) */
    int32_t threads;   /* >= 1 */
    const char *class; /* targets that may stand in for one another in a lookup */
    int64_t created_ms;
} hone_db_target;

/* Makes the row, or finds the one with this hash / (text, threads), which stays as it is.
 * HONE_E_INPUT: no program, sizes that are not JSON, text that is not UTF-8. */
hone_status hone_db_workload_put(hone_db *db, const hone_db_workload *w, int64_t *ret_id,
                                 hone_error *err) HONE_NODISCARD;
hone_status hone_db_target_put(hone_db *db, const hone_db_target *t, int64_t *ret_id,
                               hone_error *err) HONE_NODISCARD;
/* HONE_E_NOTFOUND. */
hone_status hone_db_workload_find(hone_db *db, uint64_t hash, hone_db_workload *ret,
                                  hone_error *err) HONE_NODISCARD;
hone_status hone_db_target_find(hone_db *db, const char *text, int32_t threads, hone_db_target *ret,
                                hone_error *err) HONE_NODISCARD;
void hone_db_workload_free(hone_db_workload *w);
void hone_db_target_free(hone_db_target *t);

/* Class of targets whose results hone did not measure (tuner/interchange/): suggestions to a search
 * for the same workload, and never an answer, for their text is no target of hone's. */
#define HONE_DB_IMPORTED "imported"
/* And of those whose results are of library calls (libcall/libcall.h), not of schedules: their text
 * is no target of hone's either, and nobody gets them who does not ask for this class or this text.
 */
#define HONE_DB_LIBRARY "library"

/* ---- records ------------------------------------------------------------------------------- */

typedef struct hone_db_sample {
    double candidate_ns; /* of one call; > 0 */
    double incumbent_ns; /* in the same turn; 0: timed alone */
} hone_db_sample;

/* One candidate and what became of it. */
typedef struct hone_db_record {
    int64_t id; /* set by the database; grows with time of first put */
    int64_t workload_id, target_id;
    uint64_t trace_hash; /* with the two above: unique */
    const char *trace;   /* JSON, array or object */
    hone_status status;  /* HONE_OK or HONE_REJECT_*; read from a newer hone and unknown
                            here: HONE_STATUS_COUNT */
    const char *reason;  /* of a rejection, for people */
    int64_t time_ns;     /* median time of one call, as measured; > 0 when HONE_OK, else 0 */
    double log_ratio;    /* what decided: ln(lower quartile / that of the incumbent) */
    int32_t n_samples;   /* samples time_ns rests on. Set by put from its argument */
    double max_error, tolerance; /* worst error seen, and the largest allowed; in units of the
                                    oracle's bound of the element (docs/ORACLE.md) */
    const char *checked;         /* how correctness was checked: "reference", "" if it was not */
    uint64_t data_seed;          /* inputs were generated from it */
    int64_t build_ns, run_ns;    /* spent on it */
    const char *device, *env;    /* which device ran it, and what that says of itself */
    int64_t session_id;          /* 0: none */
    int64_t created_ms;          /* 0 on put: now */
    int32_t space_version;       /* this and the next: 0 or NULL on put is this program's */
    const char *hone_version;
    const char *llvm_version; /* caller states it; the database knows no LLVM */
    /* Time of one call by the clock that all results of this workload and target share, which is
     * what orders them: a session sets it by the incumbent it took from the log. 0 on put: time_ns.
     * 0 in rows of schema 1, which are ordered by time_ns. */
    int64_t compare_ns;
    uint64_t incumbent_hash; /* trace it was timed in turns with; 0: timed alone */
    int64_t incumbent_ns;    /* compare_ns of that when it was; 0: timed alone */
    int64_t fence;           /* by which lease of the service whose log this is; 0: none */
    int32_t suspect;         /* 1: its device was found to compute wrong after it (hone_db_doubt) */
} hone_db_record;

/* Stores the record with its samples, in one transaction. When (workload, target, trace_hash)
 * is there already, *ret_existed is true, the samples are kept beside the earlier ones, and the row
 * keeps or takes the better founded of the two results:
 *   0. one that is not suspect stands against one that is;
 *   1. made by different versions: that of this program's space and hone, else of the later space
 *      or hone; where only LLVM differs, the one put now. Dates do not count;
 *   2. a fault of the kernel itself (wrong result, out of bounds, crash, forbidden call, nonzero
 *      return, impossible speed) stands against any time;
 *   3. a time beats any other rejection (time limits, build refused);
 *   4. of two times the one with more samples; otherwise the earlier.
 * A repeated put of the same samples (a result delivered twice) changes nothing.
 * ret_id and ret_existed may be NULL. Bytes of reason, device and env that are not UTF-8 are stored
 * as '?'. HONE_E_INPUT: a status that is neither OK nor a rejection, OK without a time, a trace
 * that is not JSON, unknown workload or target, text over the limits below. */
hone_status hone_db_record_put(hone_db *db, const hone_db_record *r, const hone_db_sample *samples,
                               uint32_t n_samples, int64_t *ret_id, bool *ret_existed,
                               hone_error *err) HONE_NODISCARD;
#define HONE_DB_MAX_TEXT (64 << 10) /* bytes of a reason, name, class, target text, env */
#define HONE_DB_MAX_BODY (4 << 20)  /* bytes of a program, session state */

/* What this device measured as the leases from..to (>= 1) of the service whose log this is, is
 * suspect from now on: no question is answered with it, and the next result of the same candidate
 * takes its place. *ret_n: how many records became so; may be NULL. */
hone_status hone_db_doubt(hone_db *db, const char *device, int64_t from, int64_t to,
                          uint64_t *ret_n, hone_error *err) HONE_NODISCARD;

/* HONE_E_NOTFOUND. */
hone_status hone_db_record_get(hone_db *db, int64_t id, hone_db_record *ret,
                               hone_error *err) HONE_NODISCARD;
/* The result of this candidate, good or rejected, by index. HONE_E_NOTFOUND. */
hone_status hone_db_record_find(hone_db *db, int64_t workload_id, int64_t target_id,
                                uint64_t trace_hash, hone_db_record *ret,
                                hone_error *err) HONE_NODISCARD;
/* The record to use, found by index; none that is suspect. The latest ended session of this
 * workload and target that named a winner (best_hash) whose record is still HONE_OK decides: its
 * winner, or, where a later session (it runs or died) stored a faster one, the fastest of those.
 * Sessions whose winner is of this program's version of the space go before all others. Where no
 * session decides: the fastest HONE_OK record. Faster is less compare_ns, of equals the earlier.
 * HONE_E_NOTFOUND, with a message that says whether workload, target or only a result is missing.
 */
hone_status hone_db_best(hone_db *db, uint64_t workload_hash, const char *target_text,
                         int32_t threads, hone_db_record *ret, hone_error *err) HONE_NODISCARD;
/* Records of targets of this class. */
hone_status hone_db_record_count(hone_db *db, const char *target_class, uint64_t *ret,
                                 hone_error *err) HONE_NODISCARD;
void hone_db_record_free(hone_db_record *r);
/* compare_ns, or what stands for it in records of a hone that had none: time_ns. */
int64_t hone_db_record_clock(const hone_db_record *r);

/* ---- enumeration --------------------------------------------------------------------------- */

/* Rows to be visited; zero or NULL in a field: any. */
typedef struct hone_db_where {
    int64_t workload_id, target_id;
    const char *workload_class, *target_class;
    int32_t threads;
    int64_t after_id; /* records with a greater id only: what is new since the last look */
} hone_db_where;

/* Return false to stop. The strings live until it returns. It may read from db, not write. */
typedef bool (*hone_db_record_fn)(void *ctx, const hone_db_record *r);
typedef bool (*hone_db_row_fn)(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                               const hone_db_record *r);
typedef bool (*hone_db_workload_fn)(void *ctx, const hone_db_workload *w);
typedef bool (*hone_db_target_fn)(void *ctx, const hone_db_target *t);

/* Every workload of a class, and every target but HONE_DB_IMPORTED, by id: what a lookup chooses
 * from before it reads records. */
hone_status hone_db_each_workload(hone_db *db, const char *class, hone_db_workload_fn fn, void *ctx,
                                  hone_error *err) HONE_NODISCARD;
hone_status hone_db_each_target(hone_db *db, hone_db_target_fn fn, void *ctx,
                                hone_error *err) HONE_NODISCARD;
/* Every record, by id: the order in which candidates were first stored, those that are suspect
 * among them. For resume and for training the cost model. */
hone_status hone_db_each_record(hone_db *db, const hone_db_where *where, hone_db_record_fn fn,
                                void *ctx, hone_error *err) HONE_NODISCARD;
/* The n HONE_OK records of one workload and target (both ids needed) with the least compare_ns,
 * fastest first; none that is suspect. */
hone_status hone_db_each_fastest(hone_db *db, int64_t workload_id, int64_t target_id, uint32_t n,
                                 hone_db_record_fn fn, void *ctx, hone_error *err) HONE_NODISCARD;
/* For every workload and target that pass, its best record, where it has one, by workload id and
 * target id. For the lookup ladder: {workload_id, target_class} is "same workload, target of the
 * same class"; {workload_class, target_id} is "other shapes on this target". Without target_class:
 * of any but HONE_DB_IMPORTED and HONE_DB_LIBRARY. */
hone_status hone_db_each_best(hone_db *db, const hone_db_where *where, hone_db_row_fn fn, void *ctx,
                              hone_error *err) HONE_NODISCARD;
/* The same with its first record, good or rejected: every pair that was ever tried is among them.
 */
hone_status hone_db_each_first(hone_db *db, const hone_db_where *where, hone_db_row_fn fn,
                               void *ctx, hone_error *err) HONE_NODISCARD;

/* May what is not found be taken for not there? HONE_E_CORRUPT: a record's workload or target is
 * missing, or one of those, or the first record of a pair, does not match its checksum. A few seeks
 * for each workload and target that have records; hone_db_check looks at everything. */
hone_status hone_db_vouch(hone_db *db, hone_error *err) HONE_NODISCARD;

/* Every record, in an order by content: workload hash, target text, threads, trace hash. */
hone_status hone_db_each_by_content(hone_db *db, hone_db_row_fn fn, void *ctx,
                                    hone_error *err) HONE_NODISCARD;
/* The samples that the record's time rests on, in the order they were taken; *ret is the caller's
 * to free. */
hone_status hone_db_record_samples(hone_db *db, int64_t id, hone_db_sample **ret, uint32_t *ret_n,
                                   hone_error *err) HONE_NODISCARD;

/* ---- sessions ------------------------------------------------------------------------------ */

/* A tuning run. The next one goes on from the records and from a seed of its own: a strategy learns
 * from the log, and its generator is not kept. workload_id 0: a run over several. */
typedef struct hone_db_session {
    int64_t id;
    int64_t workload_id, target_id; /* target_id 0: several targets */
    uint64_t seed;
    hone_rng rng;       /* the generator as it was seeded */
    int64_t trials;     /* candidates measured so far */
    const char *state;  /* JSON: its strategy, and what its results need to be built again */
    int64_t started_ms; /* 0 on put: now */
    int64_t ended_ms;   /* 0: not ended, or it died */
    const char *hone_version;
    uint64_t best_hash; /* trace of its winner, when it has ended; 0: none */
} hone_db_session;

/* id 0: a new row. Otherwise rng, trials, state, ended_ms and best_hash of that row are replaced
 * (HONE_E_NOTFOUND). Inside a group it becomes durable together with the group's records, so that
 * count and results never disagree. */
hone_status hone_db_session_save(hone_db *db, const hone_db_session *s, int64_t *ret_id,
                                 hone_error *err) HONE_NODISCARD;
/* HONE_E_NOTFOUND. */
hone_status hone_db_session_load(hone_db *db, int64_t id, hone_db_session *ret,
                                 hone_error *err) HONE_NODISCARD;
void hone_db_session_free(hone_db_session *s);

/* ---- models -------------------------------------------------------------------------------- */

typedef struct hone_db_bytes {
    const void *v;
    size_t n;
} hone_db_bytes;

/* A cost model that was trained on results of many kernels. What `about` and `bytes` hold is the
 * business of who trains and reads it (tuner/tuner.h, hone_prior). */
typedef struct hone_db_model {
    int64_t id;        /* set by the database; the later put, the greater */
    const char *class; /* of the targets whose results it learned from */
    int32_t threads;   /* of those; 0: any number */
    const char *about; /* JSON object: from what it learned, and by which versions */
    hone_db_bytes bytes;
    int64_t created_ms;       /* 0 on put: now */
    const char *hone_version; /* that trained it; NULL on put: this program's */
} hone_db_model;

#define HONE_DB_MAX_MODEL (16 << 20) /* bytes of a model */
#define HONE_DB_KEEP_MODELS 3        /* of each class and number of threads */

/* Stores a model, and drops those of its class and number of threads that are older than the last
 * HONE_DB_KEEP_MODELS. The latest one again changes nothing and gives its id. HONE_E_INPUT: no
 * class, no bytes, threads below 0, about is not JSON, text that is not UTF-8. HONE_E_LIMIT. */
hone_status hone_db_model_put(hone_db *db, const hone_db_model *m, int64_t *ret_id,
                              hone_error *err) HONE_NODISCARD;
/* The one put last of exactly this class and number of threads. HONE_E_NOTFOUND. */
hone_status hone_db_model_latest(hone_db *db, const char *class, int32_t threads,
                                 hone_db_model *ret, hone_error *err) HONE_NODISCARD;
void hone_db_model_free(hone_db_model *m);
/* Return false to stop; as of the callbacks above. */
typedef bool (*hone_db_model_fn)(void *ctx, const hone_db_model *m);
/* Every model, the latest first. */
hone_status hone_db_each_model(hone_db *db, hone_db_model_fn fn, void *ctx,
                               hone_error *err) HONE_NODISCARD;

/* ---- machines ------------------------------------------------------------------------------ */

/* What was measured of a target. `numbers` and `about` are the business of who measures and reads
 * them (costmodel/costmodel.h, hone_machine). */
typedef struct hone_db_machine {
    int64_t id; /* set by the database; the later put, the greater */
    int64_t target_id;
    const char *numbers;      /* JSON object: name and number */
    const char *about;        /* JSON object: how they were found; NULL on put: {} */
    int64_t created_ms;       /* 0 on put: now */
    const char *hone_version; /* that measured it; NULL on put: this program's */
} hone_db_machine;

#define HONE_DB_KEEP_MACHINES 3 /* of each target */

/* Stores a machine, and drops those of its target that are older than the last
 * HONE_DB_KEEP_MACHINES. HONE_E_INPUT: no such target, numbers or about are not JSON, text that is
 * not UTF-8. */
hone_status hone_db_machine_put(hone_db *db, const hone_db_machine *m, int64_t *ret_id,
                                hone_error *err) HONE_NODISCARD;
/* The one put last of this target, by its text and number of threads. HONE_E_NOTFOUND. */
hone_status hone_db_machine_latest(hone_db *db, const char *target, int32_t threads,
                                   hone_db_machine *ret, hone_error *err) HONE_NODISCARD;
void hone_db_machine_free(hone_db_machine *m);

/* ---- state of a service ---------------------------------------------------------------------- */

/* A row that a service, or the tuning of a network, keeps for itself, of a kind and with a key
 * unique in it. What it says is the business of who wrote it (farm/store.h, cli/net_known.h). Of
 * logs that are merged only those of kind HONE_DB_COVER are put together. */
#define HONE_DB_COVER "cover" /* measured in so many "runs": of two, that of more stands */
typedef struct hone_db_item {
    const char *kind, *key;
    const char *alt;  /* also unique in its kind; NULL: nothing is */
    const char *body; /* JSON object, at most HONE_DB_MAX_BODY */
} hone_db_item;

/* Takes the place of the items of its kind with this key or alt. HONE_E_INPUT. */
hone_status hone_db_item_put(hone_db *db, const hone_db_item *i, hone_error *err) HONE_NODISCARD;
/* One that is not there is fine. */
hone_status hone_db_item_drop(hone_db *db, const char *kind, const char *key,
                              hone_error *err) HONE_NODISCARD;
/* Those of this kind with alt_from <= alt <= alt_to in bytes. */
hone_status hone_db_items_drop(hone_db *db, const char *kind, const char *alt_from,
                               const char *alt_to, hone_error *err) HONE_NODISCARD;
/* The caller frees *ret. HONE_E_NOTFOUND. */
hone_status hone_db_item_get(hone_db *db, const char *kind, const char *key, char **ret_body,
                             hone_error *err) HONE_NODISCARD;
/* Return false to stop. It may not write to db. */
typedef bool (*hone_db_item_fn)(void *ctx, const hone_db_item *i);
/* Items of this kind, by key; with alt_from and alt_to those with alt_from <= alt <= alt_to in
 * bytes, by alt. */
hone_status hone_db_each_item(hone_db *db, const char *kind, const char *alt_from,
                              const char *alt_to, hone_db_item_fn fn, void *ctx,
                              hone_error *err) HONE_NODISCARD;

/* What happened in a service: rows that are only ever added, each with a hash (BLAKE2b, 32 hex
 * digits) over itself and the hash before, so that none can be changed, taken out or put in
 * between without all later ones. HONE_E_INPUT: seq is not the last one's and 1 more. */
hone_status hone_db_event_add(hone_db *db, int64_t seq, const char *body,
                              hone_error *err) HONE_NODISCARD;
typedef bool (*hone_db_event_fn)(void *ctx, int64_t seq, int64_t created_ms, const char *body,
                                 const char *chain);
/* At most n with seq >= from, in their order. */
hone_status hone_db_each_event(hone_db *db, int64_t from, uint32_t n, hone_db_event_fn fn,
                               void *ctx, hone_error *err) HONE_NODISCARD;
/* Only the last one, if there is any. */
hone_status hone_db_last_event(hone_db *db, hone_db_event_fn fn, void *ctx,
                               hone_error *err) HONE_NODISCARD;

/* ---- upkeep -------------------------------------------------------------------------------- */

/* Counts of everything as a JSON object: {"workloads":.., "targets":.., "records":.., "ok":..,
 * "rejected":{"REJECT_SPLIT":..}, "suspect":.., "samples":.., "sessions":.., "models":..,
 * "machines":.., "forgotten":.., "bytes":.., "wal_bytes":.., "schema":..}; "forgotten": records
 * removed by hone_db_forget and hone_db_repair so far. Reads the whole record table. The caller
 * decrefs. */
hone_status hone_db_stats(hone_db *db, json_t **ret, hone_error *err) HONE_NODISCARD;
/* Looks at everything: pages and indices, references, orphans, JSON, checksums, and rejections that
 * no worker pronounced (db/unfounded.def). HONE_OK and {"ok":true,"records":n,..,"problems":[],
 * "unfounded":{"records":0,..}}, or HONE_E_CORRUPT and the same with up to 100 problems, each a
 * sentence, or with the unfounded counted as hone_db_forget does; *ret is set in both cases. The
 * caller decrefs. */
hone_status hone_db_check(hone_db *db, json_t **ret, hone_error *err) HONE_NODISCARD;
/* Puts right what can be without losing a sound row, in one transaction: rows that do not match
 * their checksum or hold no JSON, rows that need one of these, and samples of no record, go to the
 * file `bad` (CSV: table, id, why, row as JSON), which is made or added to; a record that lost
 * samples rests on those it has; indices are made anew; unfounded rejections are forgotten, so that
 * their candidates are tried again. Then as hone_db_check, with what was done in "repaired" (each a
 * sentence) and "healed" (as of hone_db_forget); *ret is set with HONE_OK and HONE_E_CORRUPT. When
 * problems would be left (damaged pages), nothing is changed. Needs HONE_DB_WRITE. */
hone_status hone_db_repair(hone_db *db, const char *bad, json_t **ret,
                           hone_error *err) HONE_NODISCARD;

/* Which records: those that pass every field that is set. */
typedef struct hone_db_choice {
    const char *workload;   /* a workload's name, or its hash as 16 hex digits */
    const char *trace_hash; /* 16 hex digits */
    const char *status;     /* "OK", "REJECT_CRASH" */
    const char *reason;     /* GLOB pattern */
    const char *device;
    int64_t before_ms; /* stored before; wall clock */
} hone_db_choice;
/* Removes the records with their samples in one transaction, and leaves a row in `forgotten` that
 * says when, which and how many; dry_run: only counts, and db may be a reader. *ret (the caller
 * decrefs): {"records":n, "samples":n, "by_status":{"REJECT_CRASH":n}, "by_workload":{},
 * "by_reason":
 * {}}. HONE_E_INPUT: no field is set, or one is not UTF-8. */
hone_status hone_db_forget(hone_db *db, const hone_db_choice *c, bool dry_run, json_t **ret,
                           hone_error *err) HONE_NODISCARD;
/* Removes all records but, of each workload and target, the n good ones with the least compare_ns
 * (n >= 1), the winners that sessions named, and what hone_db_best gives, which stays the same;
 * leaves a row in `forgotten` that counts them, and gives the space back. One transaction; when
 * only the last step fails, the records are gone and the space is not. Else as hone_db_forget. */
hone_status hone_db_prune(hone_db *db, uint32_t n, bool dry_run, json_t **ret,
                          hone_error *err) HONE_NODISCARD;
/* Told now and then how far a long call has come; all 0: unknown. False: stop. */
typedef bool (*hone_db_tick_fn)(void *ctx, const char *doing, uint64_t done, uint64_t all);

/* Puts what the n files `from` hold into `to`, which is made when it is not there. What `to` then
 * holds depends on what is in it and in them, not on their order, nor on how often each is merged
 * (docs/DATABASE.md, "Several logs into one"). One transaction: after any failure `to` is as it
 * was, or not there. Ids of `to` are given anew. tick may be NULL. *ret (the caller decrefs):
 * {"inputs":[{"file":.., "added":n, "better":n, "duplicate":n, "left_out":{"reason":n}}]}, counting
 * records, but for left_out, which counts rows of any table; and "left_out" for rows of `to`
 * itself, where there are any. HONE_E_INPUT: `to` is among `from`. HONE_E_INTERRUPTED: the tick
 * said so. Otherwise as hone_db_open. */
hone_status hone_db_merge(const char *to, const char *const *from, unsigned n, hone_db_tick_fn tick,
                          void *ctx, json_t **ret, hone_error *err) HONE_NODISCARD;
/* Copies every row of a damaged file that can be read and matches its checksum into a new file,
 * with its id. Rows whose workload or target is lost are left out; a record that lost samples rests
 * on those it still has. *ret (the caller decrefs): {"workloads":n, "targets":n, "sessions":n,
 * "records":n, "removals":n, "models":n, "machines":n, "lost":n}, lost being rows known to have
 * been there and not saved; with "lost_samples":n, and "lost_unknown":["records"], tables that
 * cannot be read to the end and of which nothing tells how many rows are lost, where there are any.
 * HONE_E_INPUT: `to` exists. HONE_E_CORRUPT: even the schema is unreadable. Otherwise as
 * hone_db_open. */
hone_status hone_db_salvage(const char *from, const char *to, json_t **ret,
                            hone_error *err) HONE_NODISCARD;

#endif
