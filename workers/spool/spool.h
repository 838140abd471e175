/* Inside of the worker: results that are kept until their coordinator has acknowledged them.
 *
 *   spool.c    which are kept, which go, which are said again: no I/O, no clock
 *   file.c     a result as a file, and back
 *   folder.c   those files, so that results outlive the worker
 *
 * Threads: a spool and a folder belong to one thread at a time. */
#ifndef HONE_WORKERS_SPOOL_H
#define HONE_WORKERS_SPOOL_H

#include "workers/wire/wire.h"

#define HONE_WORKERS__SPOOL_MAX HONE_WIRE_LEASES /* so that HELLO can name all */
#define HONE_WORKERS__SPOOL_AGE_NS (INT64_C(7) * 86400 * 1000000000)
#define HONE_WORKERS__SPOOL_AGAIN_NS INT64_C(5000000000) /* until a result is said again */
#define HONE_WORKERS__SPOOL_FILE_MAX (64 << 10)          /* bytes */

/* One result. A zeroed one is none. */
typedef struct hone_workers__kept {
    uint64_t realm, fence, unit_a, unit_b;
    uint32_t epoch;
    bool lasting;     /* its coordinator knows its leases again when it was restarted */
    bool stored;      /* there is a file of it */
    int64_t ended_ms; /* wall clock, for its file */
    int64_t since_ns; /* the same by the steady clock: boards without a clock of their own find out
                         in the midst of their work what year it is */
    int64_t said_ns;  /* in this session and connection; 0: not yet */
    hone_buf message; /* owned: MEASURED, encoded */
} hone_workers__kept;
void hone_workers__kept_free(hone_workers__kept *k);

/* ---- spool.c -------------------------------------------------------------------------------- */

/* Zeroed: empty. In the order in which they ended. */
typedef struct hone_workers__spool {
    HONE_VEC(hone_workers__kept) v;
} hone_workers__spool;
void hone_workers__spool_free(hone_workers__spool *s);
/* Is there room for one more result of this realm? Those of other realms make room. */
bool hone_workers__spool_has_room(const hone_workers__spool *s, uint64_t realm);
/* Keeps *k, whose message is the spool's from here on, in place of one of the same lease. True: to
 * make room *ret_gone had to go, the oldest of another realm, or else of all; the caller frees it.
 */
bool hone_workers__spool_put(hone_workers__spool *s, hone_workers__kept *k,
                             hone_workers__kept *ret_gone);
/* Takes out the one of this lease, which the caller frees. False: there is none. */
bool hone_workers__spool_take(hone_workers__spool *s, uint64_t realm, uint64_t fence,
                              hone_workers__kept *ret);
/* Takes out one that nobody will ask for any more, of another realm than `realm`: one that does not
 * last, or what ended over a week before now_ns (0: none is too old). The caller frees. False:
 * there is none. */
bool hone_workers__spool_outlived(hone_workers__spool *s, uint64_t realm, int64_t now_ns,
                                  hone_workers__kept *ret);
/* The next to be said to the coordinator of this realm, which counts as said now; NULL: none.
 * Borrowed until the spool changes. */
hone_workers__kept *hone_workers__spool_due(hone_workers__spool *s, uint64_t realm, int64_t now_ns);
/* What was said may be lost: all is to be said again. */
void hone_workers__spool_unsaid(hone_workers__spool *s);
/* The latest of them as HELLO names them, at most n; how many. */
uint32_t hone_workers__spool_held(const hone_workers__spool *s, hone_wire_lease *ret, uint32_t n);

/* ---- file.c --------------------------------------------------------------------------------- */

/* Appends the file of this result. */
void hone_workers__kept_write(const hone_workers__kept *k, hone_buf *ret);
/* Reads one; it is lasting and stored. HONE_E_CORRUPT: says what is wrong with it; *ret is zeroed
 * then. */
hone_status hone_workers__kept_read(const void *bytes, size_t n, hone_workers__kept *ret,
                                    hone_error *err) HONE_NODISCARD;

/* ---- folder.c ------------------------------------------------------------------------------- */

/* Zeroed: there is none, and nothing outlives the worker. */
typedef struct hone_workers__folder {
    char *path;   /* owned */
    int fd;       /* of the folder, locked */
    bool failing; /* a failure was told, and nothing went well since */
} hone_workers__folder;
/* Makes the folder if need be, and reads what is in it into an empty spool. A file that is no
 * result is renamed, and a line says so. HONE_E_IO; HONE_E_BUSY: another worker has it. */
hone_status hone_workers__folder_open(const char *path, hone_workers__folder *ret,
                                      hone_workers__spool *ret_spool,
                                      hone_error *err) HONE_NODISCARD;
/* Makes a file of it: k->stored says whether that went well. A failure is told once until it goes
 * well again, and costs nothing but that the result does not outlive the worker. */
void hone_workers__folder_store(hone_workers__folder *f, hone_workers__kept *k);
/* Its file, if there is one, goes. */
void hone_workers__folder_drop(hone_workers__folder *f, const hone_workers__kept *k);
void hone_workers__folder_close(hone_workers__folder *f);

#endif
