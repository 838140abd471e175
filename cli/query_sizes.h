/* hone query --sizes: one function for a range of sizes (docs/SIZES.md). */
#ifndef HONE_CLI_QUERY_SIZES_H
#define HONE_CLI_QUERY_SIZES_H

#include "cli/lookup.h"

/* All is borrowed. */
typedef struct cli_sizes_question {
    const char *kernel; /* as in the command line */
    const char *sizes;  /* of --sizes */
    const cli_sizes *fixed;
    const hone_target *target;
    int32_t threads;
    const cli_lookup_options *lookup;
    const char *folder, *name; /* NULL: the kernel's name */
    bool json;                 /* what is said of the function goes to stdout as JSON */
} cli_sizes_question;

/* Writes NAME.o, NAME.h and NAME.json. HONE_E_INPUT: the size cannot have a range, and other bad
 * input; HONE_E_NOTFOUND: there is no answer of the rung required for the largest size; what a
 * lookup and the code generator return. */
hone_status cli_query_sizes(const cli_sizes_question *q, hone_error *err) HONE_NODISCARD;

#endif
