/* Inside of tuner/interchange/: what a format does, and what they share. */
#ifndef HONE_INTERCHANGE_FORMAT_H
#define HONE_INTERCHANGE_FORMAT_H

#include "tuner/interchange/interchange.h"

#define HONE_INTERCHANGE_MAX_FILE (256 << 20)  /* bytes of a file that is read as a whole */
#define HONE_INTERCHANGE_MAX_LINE (16 << 20)   /* bytes of a line of one that is not */
#define HONE_INTERCHANGE_MAX_RECORDS (1 << 22) /* of a file that is read */

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct hone_interchange__export {
    hone_db *db;
    const hone_exchange_options *o;
    const char *path;
    uint64_t written, seen;
    json_t *left_out; /* {"why": n} */
} hone_interchange__export;
typedef hone_status hone_interchange__write_fn(hone_interchange__export *x, hone_error *err);

/* Each record in an order by content. fn returns what ends it, with *err set. */
typedef hone_status hone_interchange__row_fn(void *ctx, const hone_db_workload *w,
                                             const hone_db_target *t, const hone_db_record *r,
                                             hone_error *err);
hone_status hone_interchange__each(hone_interchange__export *x, hone_interchange__row_fn *fn,
                                   void *ctx, hone_error *err);
/* One more, in the tally of `why`. */
void hone_interchange__tally(json_t *left_out, const char *why);

hone_interchange__write_fn hone_interchange__csv_write, hone_interchange__t4_write,
    hone_interchange__tvm_write;

/* ---- reading --------------------------------------------------------------------------------- */

/* One file. */
typedef struct hone_interchange__import {
    hone_db *db;
    const hone_exchange_options *o;
    const char *path;
    uint64_t added, duplicate, n_left_out;
    json_t *left_out, *places;
} hone_interchange__import;
typedef hone_status hone_interchange__read_fn(hone_interchange__import *x, hone_error *err);

/* Something at this line (0: of the file) is not taken: `why` for the tally, and what it is. */
void hone_interchange__leave_out(hone_interchange__import *x, unsigned line, const char *why,
                                 const char *fmt, ...) HONE_PRINTF(4, 5);
/* Stores it, and counts it as added or duplicate. A record the log refuses (HONE_E_INPUT) is left
 * out. */
hone_status hone_interchange__put(hone_interchange__import *x, unsigned line,
                                  const hone_db_record *r, const hone_db_sample *samples,
                                  uint32_t n, hone_error *err);
/* Asked for every record; HONE_E_INTERRUPTED, HONE_E_LIMIT. */
hone_status hone_interchange__tick(const hone_interchange__import *x, uint64_t done,
                                   hone_error *err);

hone_interchange__read_fn hone_interchange__t4_read, hone_interchange__tvm_read;

/* ---- traces of TVM (tvm_trace.c) ------------------------------------------------------------- */

/* How a release writes traces. */
typedef struct hone_interchange__tvm {
    const char *release;
    const char *find_block; /* the instruction that gets a block by name */
    int split_attrs;
} hone_interchange__tvm;
/* NULL: hone knows no such release. */
const hone_interchange__tvm *hone_interchange__tvm_named(const char *release);
/* [instructions, decisions] as that release reads them, of hone's own; NULL, and *ret_why (static),
 * when some of it has no equivalent. The caller decrefs. */
json_t *hone_interchange__tvm_trace(const hone_interchange__tvm *tvm, const char *trace,
                                    const char **ret_why);

/* The arguments of a program as a record has them: [["TENSOR", "float32", [128, 128]], ...]; NULL:
 * one has an element type that TVM lacks. The caller decrefs. */
json_t *hone_interchange__tvm_args(const hone_program *p);

#endif
