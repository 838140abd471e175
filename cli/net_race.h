/* At the end of `hone net tune`: which of some covers is faster (docs/NETWORKS.md, Alternatives).
 */
#ifndef HONE_CLI_NET_RACE_H
#define HONE_CLI_NET_RACE_H

#include "cli/cli.h"
#include "db/db.h"

typedef struct net_race_options {
    const char *model;
    const cli_sizes *dims;
    hone_db *db; /* open for writing: gets what came of it, and has the times */
    const char *db_path;
    const hone_target *target; /* this machine's */
    int32_t threads;
    bool json; /* a line for each choice */
} net_race_options;
/* Covers of the model's choices whose times, of different sessions, are so near each other that
 * they say little, in turns in one process, for a few seconds; those that ran in turns already, as
 * they are, do not again. HONE_E_INTERRUPTED; HONE_E_*: nothing is known that was not before. */
hone_status net_race(const net_race_options *o, hone_error *err) HONE_NODISCARD;

#endif
