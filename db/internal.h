/* Inside of db/. */
#ifndef HONE_DB_INTERNAL_H
#define HONE_DB_INTERNAL_H

#include "db/db.h"

#include <sqlite3.h>
#include <sys/types.h>

#define HONE_DB_APPLICATION_ID 0x686f6e65 /* "hone", at byte 68 of the file */
#define HONE_DB_SCHEMA 6                  /* last step of schema.def; PRAGMA user_version */

/* What orders the times of a workload and target, in the words of the index record_best. Rows of
 * schema 1 have no compare_ns. */
#define HONE_DB_CLOCK "iif(r.compare_ns, r.compare_ns, r.time_ns)"

/* A flag of hone_db_open: read what can be read, for hone_db_salvage. */
enum { HONE_DB__DAMAGED = 1 << 16 };

typedef enum hone_db__sql_id {
#define HONE_DB_SQL(name, text) HONE_DB__##name,
#include "db/sql.def"
#undef HONE_DB_SQL
    HONE_DB__SQL_COUNT
} hone_db__sql_id;

typedef struct hone_db__lock hone_db__lock;

/* A file as it was last seen under its name; inode 0: not yet. */
typedef struct hone_db__file {
    dev_t device;
    ino_t inode;
    off_t bytes;
} hone_db__file;

struct hone_db {
    sqlite3 *sqlite;
    char *path;
    bool write;
    bool group;        /* between hone_db_begin and hone_db_commit */
    bool whole;        /* the group has no savepoints */
    bool printed_here; /* JSON was: hone_db_trust_json */
    hone_error lost;   /* status != OK: the open group was rolled back for this reason */
    hone_error broken; /* status != OK: disk or file failed under a commit; no more writing */
    hone_db__lock *lock;
    hone_db__file file, wal;
    bool chained;      /* the two below are those of the last event; not after a rollback */
    int64_t event_seq; /* 0: there is none */
    char event_chain[33];
    int wal_pages_seen; /* length of the WAL at the last checkpoint attempt */
    bool writes_much;   /* attempts are rarer */
    bool wal_warned;
    sqlite3_stmt *stmt[HONE_DB__SQL_COUNT];
};

/* ---- file.c -------------------------------------------------------------------------------- */

/* What file it is: HONE_E_NOTFOUND (also for no bytes), HONE_E_FOREIGN, HONE_E_DENIED. */
hone_status hone_db__file_sniff(const char *path, hone_error *err);
/* The path without links, so that lock and write-ahead log are the same under every name. The file
 * itself need not exist, its folder must. The caller frees. */
hone_status hone_db__file_resolve(const char *path, char **ret, hone_error *err);
/* HONE_E_INPUT when the file has names that no link shows: hard links, a mount of its own. */
hone_status hone_db__file_has_one_name(const char *path, hone_error *err);
/* HONE_E_IO when the path no longer leads to the file being written, or that was cut short. */
hone_status hone_db__file_is_there(hone_db *db, hone_error *err);
/* Removes a closed database, with all that lies beside it. */
void hone_db__file_remove(const char *path);
bool hone_db__file_on_network(const char *path);
bool hone_db__file_may_write_beside(const char *path);

/* ---- open.c -------------------------------------------------------------------------------- */

/* Closes a database that was being made, and removes it, by whatever name it was opened; NULL is
 * fine. */
void hone_db__discard(hone_db *db);

/* ---- sql.c --------------------------------------------------------------------------------- */

/* The hone status for an SQLite result code other than OK, ROW and DONE, with a message naming the
 * file and the remedy. */
hone_status hone_db__fail(hone_db *db, int rc, const char *doing, hone_error *err);
const char *hone_db__sql_text(hone_db__sql_id id);
/* The prepared, reset statement. Valid until the handle closes; not re-entrant. */
hone_status hone_db__sql(hone_db *db, hone_db__sql_id id, sqlite3_stmt **ret, hone_error *err);
/* Prepares other text, in which @w and so on are expanded. The caller finalizes. */
hone_status hone_db__prepare(hone_db *db, const char *text, sqlite3_stmt **ret, hone_error *err);
/* Binds from parameter 1 on: i int64_t, d double, t text (static until reset), h hash. */
void hone_db__bind(sqlite3_stmt *stmt, const char *kinds, ...);
/* Steps to a row (HONE_OK, *ret_row says if there is one) and, without a row, resets. */
hone_status hone_db__step(hone_db *db, sqlite3_stmt *stmt, const char *doing, bool *ret_row,
                          hone_error *err);
/* Runs a statement that gives no rows. */
hone_status hone_db__run(hone_db *db, hone_db__sql_id id, const char *doing, hone_error *err);
hone_status hone_db__exec(hone_db *db, const char *text, const char *doing, hone_error *err);
/* First column of the first row as a number; 0 without one. */
hone_status hone_db__number(hone_db *db, const char *text, int64_t *ret, hone_error *err);

/* ---- commit.c ------------------------------------------------------------------------------ */

/* A put: own transaction, or a savepoint of the open group. hone_db__leave commits when s is
 * HONE_OK, else undoes what was done since hone_db__enter; returns what the put returns. */
hone_status hone_db__enter(hone_db *db, hone_error *err);
hone_status hone_db__leave(hone_db *db, hone_status s, hone_error *err);
/* Installs the writer's checkpointing. */
void hone_db__watch_wal(hone_db *db);

/* ---- row.c --------------------------------------------------------------------------------- */

typedef enum hone_db__kind {
    HONE_DB__I64,    /* int64_t */
    HONE_DB__OPT64,  /* int64_t, 0 is stored as NULL */
    HONE_DB__I32,    /* int32_t */
    HONE_DB__F64,    /* double */
    HONE_DB__HEX,    /* uint64_t, 16 hex digits */
    HONE_DB__TEXT,   /* const char * */
    HONE_DB__STATUS, /* hone_status, its name */
    HONE_DB__RNG,    /* hone_rng, 32 bytes little endian */
    HONE_DB__BLOB    /* hone_db_bytes */
} hone_db__kind;

typedef struct hone_db__column {
    const char *name;
    hone_db__kind kind;
    size_t offset; /* in the public struct */
} hone_db__column;

/* A table and the struct its rows are read into. `id` is the struct's first member. */
typedef struct hone_db__table {
    const char *name, *plural;
    char letter;         /* @w and alias w */
    hone_db__sql_id add; /* inserts a row */
    uint32_t n;
    const hone_db__column *columns;
} hone_db__table;

/* What record rows are read into: `run` is nobody's business outside. */
typedef struct hone_db__record {
    hone_db_record pub;
    int64_t run;
} hone_db__record;

/* A removal of records. */
typedef struct hone_db__forgotten {
    int64_t id;
    const char *what; /* JSON object: which */
    int64_t records, samples;
    int64_t created_ms;
    const char *hone_version;
} hone_db__forgotten;

extern const hone_db__table hone_db__workload_table, hone_db__target_table, hone_db__session_table,
    hone_db__record_table, hone_db__forgotten_table, hone_db__model_table, hone_db__machine_table;
/* All seven, each after those it refers to. */
extern const hone_db__table *const hone_db__tables[7];
/* A row of any of them. */
typedef union hone_db__any_row {
    int64_t id; /* the first member of each */
    hone_db_workload workload;
    hone_db_target target;
    hone_db_session session;
    hone_db__record record;
    hone_db__forgotten forgotten;
    hone_db_model model;
    hone_db_machine machine;
} hone_db__any_row;

/* Columns in a SELECT: id, those of the table, sum. */
#define HONE_DB__WIDTH(t) ((int)(t)->n + 2)
/* "r.id, r.workload_id, ..., r.sum" for the prefix "r.". */
void hone_db__column_list(const hone_db__table *t, const char *prefix, hone_buf *b);
/* Reads columns first... of stmt's row into *row; strings are borrowed from stmt. HONE_E_CORRUPT
 * when the checksum does not match. */
hone_status hone_db__row_read(hone_db *db, const hone_db__table *t, sqlite3_stmt *stmt, int first,
                              void *row, hone_error *err);
static inline int hone_db__order(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}
/* Like strcmp, by the columns named, one after the other, of which NULL is the last; names NULL or
 * empty: by all. The id is no column. */
int hone_db__row_compare(const hone_db__table *t, const void *a, const void *b,
                         const char *const *names);
/* Strings of *row become the caller's. */
void hone_db__row_own(const hone_db__table *t, void *row);
void hone_db__row_free(const hone_db__table *t, void *row);
/* Binds id (0: SQLite chooses), columns and checksum to ?1... of an @+ or @= statement, runs it. */
hone_status hone_db__row_write(hone_db *db, hone_db__sql_id id, const hone_db__table *t,
                               const void *row, hone_error *err);
/* One row of `table` by a statement already bound, owned by the caller. found may be false. */
hone_status hone_db__row_one(hone_db *db, const hone_db__table *t, sqlite3_stmt *stmt, void *row,
                             bool *ret_found, hone_error *err);

/* ---- maintenance.c ------------------------------------------------------------------------- */

/* The column of a table that holds JSON, or NULL. */
const char *hone_db__json_column(const hone_db__table *t);

/* ---- founded.c ----------------------------------------------------------------------------- */

/* Like strcmp: which of two dotted versions is the later one. */
int hone_db__version_compare(const char *a, const char *b);
/* Does `fresh` take the row of `old`? The four rules of hone_db_record_put, in their order. */
bool hone_db__is_better_founded(const hone_db_record *fresh, const hone_db_record *old);
/* Which of two results stands when neither came first: > 0, a does. The same rules, but of versions
 * of LLVM the later, and of equals the one with the earlier date, then by their columns; 0: they
 * are equal. References to other rows must mean the same in both. */
int hone_db__founded_compare(const hone_db__record *a, const hone_db__record *b);

/* ---- record.c ------------------------------------------------------------------------------ */

enum {
    HONE_DB__NO_RUN = -1 /* `run` of a result without samples */
};

hone_status hone_db__samples_add(hone_db *db, int64_t id, int64_t run,
                                 const hone_db_sample *samples, uint32_t n, hone_error *err);

/* ---- service.c ------------------------------------------------------------------------------ */

/* Of "SELECT kind, key, alt, body, sum FROM item": borrowed from stmt. False: it is not as it was
 * written. */
bool hone_db__item_read(sqlite3_stmt *stmt, hone_db_item *ret);

/* ---- identity.c -------------------------------------------------------------------------------
 */

/* HONE_E_INPUT unless s (NULL is fine) is UTF-8 of at most max bytes. */
hone_status hone_db__text_check(const char *what, const char *s, size_t max, hone_error *err);
/* A copy cut at HONE_DB_MAX_TEXT with '?' for bytes that are not UTF-8. */
char *hone_db__text_clean(const char *s);
/* HONE_E_INPUT unless s is JSON of at most max bytes. */
hone_status hone_db__json_check(const char *what, const char *s, size_t max, hone_error *err);
/* The same of what is to be put into db, which may know that it is. */
hone_status hone_db__json_put(const hone_db *db, const char *what, const char *s, size_t max,
                              hone_error *err);

/* ---- forget.c ------------------------------------------------------------------------------ */

/* {"records":n, "samples":n, "by_status":{}, "by_workload":{}, "by_reason":{}} of the records r for
 * which the SQL condition `which` holds. */
hone_status hone_db__tell(hone_db *db, const char *which, json_t **ret, hone_error *err);
/* Removes them, which `what` describes in the note that is left, and tells. */
hone_status hone_db__forget(hone_db *db, const char *which, const json_t *what, json_t **ret,
                            hone_error *err);

/* ---- repair.c ------------------------------------------------------------------------------ */

/* hone_db__tell of the rejections that no worker pronounced. */
hone_status hone_db__unfounded(hone_db *db, json_t **ret, hone_error *err);

/* ---- service.c ------------------------------------------------------------------------------ */

/* Items that do not match their checksum, events whose chain is broken: each told to fn, which says
 * false when it has heard enough. */
hone_status hone_db__service_check(hone_db *db, bool (*fn)(void *ctx, const char *what), void *ctx,
                                   hone_error *err);

/* ---- lock.c -------------------------------------------------------------------------------- */

/* Takes PATH.lock. HONE_E_BUSY names the holder. It vanishes with the process. */
hone_status hone_db__lock_take(const char *path, hone_db__lock **ret, hone_error *err);
void hone_db__lock_drop(hone_db__lock *l);

#endif
