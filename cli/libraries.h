/* Libraries named by --candidate-lib, for the kernel in hand. */
#ifndef HONE_CLI_LIBRARIES_H
#define HONE_CLI_LIBRARIES_H

#include "cli/cli.h"
#include "libcall/libcall.h"

#define CLI_CANDIDATE_LIB "--candidate-lib"

typedef struct cli_libraries {
    unsigned n;
    hone_libcall_library v[HONE_LIBCALL_MAX];
} cli_libraries;

/* Each "NAME=TEXT", no name twice. The caller frees *ret (zeroed by it) in any case. One whose
 * shared object is not on this machine is spoken of and left out, unless it must be there. As
 * hone_libcall_load. */
hone_status cli_libraries_load(const cli_list *given, bool must_be_there, cli_libraries *ret,
                               hone_error *err) HONE_NODISCARD;
void cli_libraries_free(cli_libraries *l);
/* Their calls at this kernel's sizes. HONE_E_INPUT: one computes another kernel. */
hone_status cli_libraries_calls(const cli_libraries *l, const cli_kernel *k,
                                hone_libcall ret[HONE_LIBCALL_MAX], hone_error *err) HONE_NODISCARD;

#endif
