/* What the commands of `hone db` share (db.c, db_logs.c). */
#ifndef HONE_CLI_DB_H
#define HONE_CLI_DB_H

#include "cli/cli.h"
#include "db/db.h"

/* What was asked for. */
typedef struct cli_db_request {
    const char *const *files;
    unsigned n_files;
    bool json, repair, dry_run, yes, strict;
    const char *before; /* a date */
    int64_t keep;       /* 0: not given */
    const char *format, *out, *tvm;
    cli_sizes sizes;
    hone_db_choice choice;
} cli_db_request;

/* One of the things `hone db` does. *ret, where it is set, is printed, also after a failure. */
typedef hone_status (*cli_db_job)(const cli_db_request *q, json_t **ret, hone_error *err);

/* db_logs.c */
hone_status cli_db_export(const cli_db_request *q, json_t **ret, hone_error *err);
hone_status cli_db_import(const cli_db_request *q, json_t **ret, hone_error *err);
hone_status cli_db_merge(const cli_db_request *q, json_t **ret, hone_error *err);

#endif
