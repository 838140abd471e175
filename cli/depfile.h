/* What files were made of which, as make and ninja read it. */
#ifndef HONE_CLI_DEPFILE_H
#define HONE_CLI_DEPFILE_H

#include "base/base.h"

typedef struct cli_depfile {
    HONE_VEC(char *) made;
    HONE_VEC(char *) read;
} cli_depfile;
void cli_depfile_made(cli_depfile *d, const char *path);
/* Each once, whatever how often it is named. */
void cli_depfile_read(cli_depfile *d, const char *path);
/* One rule; and what was read but the first also as targets that need nothing, so that one which
 * goes away does no harm. HONE_E_INPUT: a name that make cannot be told. HONE_E_IO, HONE_E_FULL. */
hone_status cli_depfile_write(const cli_depfile *d, const char *path,
                              hone_error *err) HONE_NODISCARD;
void cli_depfile_free(cli_depfile *d);

#endif
