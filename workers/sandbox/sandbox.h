/* Inside workers/: what keeps processes in that handle what came from elsewhere, and what this
 * process itself is kept to. */
#ifndef HONE_WORKERS_SANDBOX_H
#define HONE_WORKERS_SANDBOX_H

#include "base/base.h"

/* ---- limits (limits.c) ---------------------------------------------------------------------- */

#define HONE_SANDBOX__NO_LIMIT UINT64_MAX

/* What this process was started with, as by ulimit: no candidate is to blame for these. */
typedef struct hone_sandbox__limits {
    uint64_t cpu_seconds;   /* of a process */
    uint64_t file_bytes;    /* of a file, also of one in memory */
    uint64_t address_bytes; /* of a process */
    uint64_t processes;     /* of the user, threads included */
} hone_sandbox__limits;
void hone_sandbox__limits_read(hone_sandbox__limits *ret);
/* A process or thread could not be started, for `sys`: HONE_E_LIMIT with the limit's name,
 * HONE_E_NOMEM, HONE_E_SANDBOX. */
hone_status hone_sandbox__no_process(const char *what, int sys, const hone_sandbox__limits *l,
                                     hone_error *err);
/* Lowers a limit of this process to `soft` and `hard`, where it is not lower already. */
void hone_sandbox__limit(int what, uint64_t soft, uint64_t hard);
/* When memory runs out, this process goes before those with less than `score` (0 to 1000). */
void hone_sandbox__goes_first(int score);

#endif
