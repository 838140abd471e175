/* What the logs know of the kernels that a plan chooses between: their times, and which covers ran
 * in turns, with what outcome. */
#ifndef HONE_CLI_NET_KNOWN_H
#define HONE_CLI_NET_KNOWN_H

#include "cli/net_made.h"
#include "db/db.h"

typedef struct net_known {
    double ns;               /* 0: nothing is known */
    uint64_t program, trace; /* hashes: of the kernel, and of its schedule */
} net_known;
/* By kernel of the plan, of those that a choice has; the caller frees *ret in any case. What
 * cli_look_up returns, HONE_E_NOTFOUND apart. */
hone_status net_known_look(const hone_net_plan *p, const net_make_options *o, net_known **ret,
                           hone_error *err) HONE_NODISCARD;
/* The times alone; the caller frees. */
double *net_known_times(const hone_net_plan *p, const net_known *k);

/* Fills `raced` of each choice whose covers ran in turns by the first log that has that, with the
 * schedules that there are now: one that was found since is a stranger. HONE_E_CORRUPT, HONE_E_IO.
 */
hone_status net_known_races(hone_net_plan *p, const net_make_options *o, const net_known *k,
                            hone_error *err) HONE_NODISCARD;
/* Puts `raced` of c, a choice of those kernels, into the log, in the place of what it had. What
 * hone_db_item_put returns. */
hone_status net_known_put(hone_db *db, const hone_net_choice *c, const net_make_options *o,
                          const net_known *k, uint32_t runs, hone_error *err) HONE_NODISCARD;

#endif
