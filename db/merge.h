/* What the parts of a merge share (merge.c, merge_records.c, merge_items.c). */
#ifndef HONE_DB_MERGE_H
#define HONE_DB_MERGE_H

#include "db/internal.h"

/* A row of one log, and its id in the merged one. */
typedef struct hone_db__moved {
    int64_t from, to;
} hone_db__moved;

/* One of the logs that are merged. */
typedef struct hone_db__source {
    hone_db *db;
    const char *path;
    /* By the place of the table in hone_db__tables, in the order of `from`. */
    HONE_VEC(hone_db__moved) moved[HONE_LEN(hone_db__tables)];
    uint64_t added, better, duplicate; /* records */
    json_t *left_out;                  /* {"reason": n} */
} hone_db__source;

typedef struct hone_db__merge {
    hone_db *to;
    hone_db__source *sources;
    unsigned n;
    hone_db_tick_fn tick;
    void *ctx;
} hone_db__merge;

/* HONE_E_INTERRUPTED when the caller wants to stop. Asked for every row, it tells only some. */
hone_status hone_db__merge_tick(const hone_db__merge *m, const char *doing, uint64_t done,
                                uint64_t all, hone_error *err);
void hone_db__merge_leave_out(hone_db__source *s, const char *why);
/* The id in the merged log; 0: it has no such row. */
int64_t hone_db__merge_moved(const hone_db__source *s, const hone_db__table *t, int64_t from);
/* Chooses and writes the records. The other tables are there. */
hone_status hone_db__merge_records(hone_db__merge *m, hone_error *err);
/* Chooses and writes the items of kind HONE_DB_COVER; all others stay as they are. (merge_items.c)
 */
hone_status hone_db__merge_items(hone_db__merge *m, hone_error *err);

#endif
