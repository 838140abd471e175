/* storage: the thread that writes the log. What the farm writes, and what somebody waits for, is
 * put into one transaction with whatever else of that kind is there, and answered when that is
 * durable: a sync of the disk takes as long as hundreds of results. What sessions write of results,
 * for which nobody waits, waits for company and then has a transaction of its own: many of them
 * change pages that few of them would change as well.
 *
 * A put that fails takes nothing else with it: the transaction is made again without it. When there
 * is no room, or the disk fails, all of the transaction fails.
 *
 * Threads: the handle is the storage's between start and stop. Calls may come from any thread. */
#ifndef HONE_FARM_SERVICE_STORAGE_H
#define HONE_FARM_SERVICE_STORAGE_H

#include "farm/service/mail.h"
#include "farm/store.h"

#define STORAGE_COMPANY 512

/* May what is wrong be said now? At first, and then once a minute. *said_ns: when it was, 0 never.
 */
#define STORAGE_AGAIN_NS INT64_C(60000000000)
static inline bool hone_service__is_due(int64_t *said_ns, int64_t now_ns)
{
    if (*said_ns && now_ns - *said_ns < STORAGE_AGAIN_NS)
        return false;
    *said_ns = now_ns;
    return true;
}

typedef struct storage storage;

/* Prints what a RESULT row came with. */
typedef void (*storage_print_fn)(const void *what, hone_buf *ret);

typedef struct storage_options {
    hone_db *db;            /* open for writing */
    mailbox *answers;       /* batches come back to it */
    storage_print_fn print; /* of storage_batch.with */
    int64_t patience_ns;    /* what nobody waits for waits so long for company */
    uint32_t company;       /* or until so many are there; 0: STORAGE_COMPANY */
    hone_status (*commit)(hone_db *db, hone_error *err); /* NULL: hone_db_commit */
} storage_options;

storage *hone_service__storage_start(const storage_options *o);
/* Writes what is there, and ends. NULL is fine. */
void hone_service__storage_stop(storage *w);

/* ---- of the farm ----------------------------------------------------------------------------- */

/* Rows of one COMMIT, on their way there and back. */
typedef struct storage_batch {
    letter letter; /* its kind is the caller's, and stays */
    uint64_t batch;
    hone_farm_row *rows; /* owned, with attrs of workers */
    const void **with; /* of a RESULT: what is printed with it, borrowed until it is back; of a JOB:
                          the text of its spec, owned. NULL: nothing */
    uint32_t n;
    /* What came of it. */
    hone_status status;
    hone_error error;
    double seconds;
} storage_batch;

/* Copies the rows; `with` is to be filled in. */
storage_batch *hone_service__batch_new(uint64_t batch, const hone_farm_row *rows, uint32_t n);
void hone_service__batch_free(storage_batch *b);
void hone_service__storage_commit(storage *w, storage_batch *b);
/* ---- of sessions ----------------------------------------------------------------------------- */

/* By whom. Once something it wrote is lost, nothing more of it is written. */
typedef struct scribe scribe;

/* A note of a job (hone_store_note): nobody waits for it, and a failure is only logged. by NULL: no
 * session's; where there is no room, the latest of it is written when there is some. */
void hone_service__storage_note(storage *w, scribe *by, uint64_t job, const char *what,
                                const char *text);

scribe *hone_service__scribe_new(void);
/* What is under way stays. NULL is fine. */
void hone_service__scribe_drop(scribe *by);
/* HONE_OK, or why something it wrote has not become durable. */
hone_status hone_service__scribe_status(const scribe *by, hone_error *err);

/* As of hone_session_port: runs fn in the storage's thread, and waits until it is durable. */
hone_status hone_service__storage_write(storage *w, scribe *by,
                                        hone_status (*fn)(hone_db *db, void *ctx, hone_error *err),
                                        void *ctx, hone_error *err) HONE_NODISCARD;
/* Likewise: takes copies, and waits for nothing. */
hone_status hone_service__storage_store(storage *w, scribe *by, const hone_db_record *r,
                                        const hone_db_sample *samples, uint32_t n,
                                        const hone_db_session *row, hone_error *err) HONE_NODISCARD;

#endif
