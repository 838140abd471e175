/* What a log has, in the formats of others, and back (docs/INTERCHANGE.md). A format is a file here
 * and a line in formats.def.
 *
 * Threads: as the log that is read or written; nothing else is shared. */
#ifndef HONE_INTERCHANGE_H
#define HONE_INTERCHANGE_H

#include "db/db.h"
#include "ir/ir.h"

typedef struct hone_exchange_options {
    const char *tvm;            /* export: "0.16", "0.20" or "0.25"; NULL: "0.20" */
    const hone_program *kernel; /* import: what workloads that say no kernel of hone's may be, when
                                   their arguments agree; NULL: those of the log only */
    const char *sizes;          /* its named sizes, a JSON object, for the log */
    hone_db_tick_fn tick;       /* may be NULL */
    void *ctx;
} hone_exchange_options;

/* "csv, t4, tvm". Static storage. */
const char *hone_formats(void);
/* Is there such a format, and can it be read? */
bool hone_format_is(const char *name, bool to_read);
/* Is it a release of TVM that can be written for? */
bool hone_format_tvm_is(const char *release);

/* Writes the file at path, whole or not at all; of a format that is several files, those in the
 * folder path, which is made. Needs memory for all of it. *ret (the caller decrefs): {"written":n,
 * "left_out":{"why":n}}. HONE_E_IO, HONE_E_FULL, HONE_E_INTERRUPTED; what a database returns. */
hone_status hone_log_export(hone_db *db, const char *format, const char *path,
                            const hone_exchange_options *o, json_t **ret,
                            hone_error *err) HONE_NODISCARD;
/* Takes what can be taken of the files, in one transaction; db is open for writing. *ret (the
 * caller decrefs): {"inputs":[{"file":.., "added":n, "duplicate":n, "left_out":{"why":n},
 * "places":["file:line: what"]}]}, of places the first 20. HONE_E_INPUT: a file is not of the
 * format, or nothing of it can be taken; HONE_E_NOTFOUND, HONE_E_IO, HONE_E_LIMIT,
 * HONE_E_INTERRUPTED, what a database returns: the log is as it was. */
hone_status hone_log_import(hone_db *db, const char *format, const char *const *paths, unsigned n,
                            const hone_exchange_options *o, json_t **ret,
                            hone_error *err) HONE_NODISCARD;

#endif
