/* Several targets in one argument. */
#ifndef HONE_CLI_TARGET_LIST_H
#define HONE_CLI_TARGET_LIST_H

#include "cli/cli.h"

typedef struct cli_target_list {
    hone_target v[CLI_MAX];
    unsigned n;
} cli_target_list;

/* T[,T]...: targets as cli_target_load takes them; JSON text has commas of its own, and is one.
 * HONE_E_INPUT: none, one that is none, one twice, more than `most` (<= CLI_MAX). */
hone_status cli_target_list_load(const char *arg, unsigned most, cli_target_list *ret,
                                 hone_error *err) HONE_NODISCARD;

#endif
