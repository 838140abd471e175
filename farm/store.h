/* store: the rows of a farm in the log's file (docs/DATABASE.md): users, jobs with what was asked
 * for, workers, results with their payloads, strikes, the clock, and the chain of events.
 *
 * A result's payload is what its worker sent, so that a unit that was measured before a crash is
 * given to its job after it. A job's spec is the request as the desk wrote it.
 *
 * Threads: as the database's. Every call may return what db/db.h says of any. */
#ifndef HONE_FARM_STORE_H
#define HONE_FARM_STORE_H

#include "db/db.h"
#include "farm/farm.h"

/* What the driver adds to rows. Either may be NULL. */
typedef struct hone_store_more {
    void *ctx;
    /* Appends an object's text, or nothing. */
    void (*payload)(void *ctx, const hone_farm_result_row *r, hone_buf *ret);
    /* Text of a job that is stored for the first time, borrowed; NULL: it was stored before. */
    const char *(*spec)(void *ctx, const hone_farm_job_row *j);
} hone_store_more;

/* Puts the rows of a COMMIT effect into the group that is open. After a failure it is for the
 * caller to roll that back. */
hone_status hone_store_put(hone_db *db, const hone_farm_row *rows, uint32_t n,
                           const hone_store_more *more, hone_error *err) HONE_NODISCARD;
/* The same in a group of its own, made durable or rolled back. HONE_E_FULL: surely not written, may
 * be tried again. HONE_E_IO after a failed sync: nobody knows; end, and open again. */
hone_status hone_store_commit(hone_db *db, const hone_farm_row *rows, uint32_t n,
                              const hone_store_more *more, hone_error *err) HONE_NODISCARD;
/* Gives all rows to a farm that was not stepped yet. HONE_E_CORRUPT, HONE_E_VERSION: a row has a
 * word that this hone does not know. */
hone_status hone_store_restore(hone_db *db, hone_farm *f, hone_error *err) HONE_NODISCARD;
/* HONE_E_NOTFOUND. The caller frees, and decrefs. */
hone_status hone_store_spec(hone_db *db, uint64_t job, char **ret, hone_error *err) HONE_NODISCARD;
hone_status hone_store_payload(hone_db *db, hone_farm_key unit, uint64_t place, json_t **ret,
                               hone_error *err) HONE_NODISCARD;

/* A small text that the driver keeps of a job, such as its target, once it is known. */
hone_status hone_store_note(hone_db *db, uint64_t job, const char *what, const char *text,
                            hone_error *err) HONE_NODISCARD;
/* HONE_E_NOTFOUND. The caller frees. */
hone_status hone_store_noted(hone_db *db, uint64_t job, const char *what, char **ret,
                             hone_error *err) HONE_NODISCARD;

/* Return false to end. */
typedef bool (*hone_store_event_fn)(void *ctx, const hone_farm_event_row *row, int64_t wall_ms,
                                    const char *hash);
hone_status hone_store_each_event(hone_db *db, uint64_t from, uint32_t n, hone_store_event_fn fn,
                                  void *ctx, hone_error *err) HONE_NODISCARD;

/* ---- rows as JSON (farm/row.c) --------------------------------------------------------------- */

/* Appends the columns of a row that are stored, as an object; false for rows that are none. */
bool hone_store_row_print(const hone_farm_row *row, hone_buf *ret);
/* Append a value as JSON. An infinite number, which JSON has not, is the text "inf" or "-inf". */
void hone_store_print_text(hone_buf *b, const char *text);
void hone_store_print_int(hone_buf *b, int64_t x);
void hone_store_print_real(hone_buf *b, double x);
/* The row of this kind. attrs of a worker lives as long as j. A column that is not there is 0.
 * HONE_E_CORRUPT, HONE_E_VERSION. */
hone_status hone_store_row_read(const json_t *j, hone_farm_row_kind what, hone_farm_row *ret,
                                hone_error *err) HONE_NODISCARD;

#endif
