/* What --sizes says: 'M=1..4096,N=1024,K=1024'. */
#ifndef HONE_CLI_SIZE_RANGES_H
#define HONE_CLI_SIZE_RANGES_H

#include "cli/cli.h"

typedef struct cli_ranges {
    cli_sizes sizes; /* all; the one with the range is at sizes.v[ranged] */
    unsigned ranged;
    int64_t least, most; /* of it, 1 <= least <= most */
    char *text;          /* has the names */
} cli_ranges;

/* `fixed`: of -D, which join; their names are borrowed. HONE_E_INPUT: not of that form, no range or
 * several, an empty one, a name twice. cli_ranges_free in any case. */
hone_status cli_ranges_parse(const char *text, const cli_sizes *fixed, cli_ranges *ret,
                             hone_error *err) HONE_NODISCARD;
void cli_ranges_free(cli_ranges *r);

#endif
