/* Inside workers/: what keeps processes in that handle what came from elsewhere, and what this
 * process itself is kept to. */
#ifndef HONE_WORKERS_SANDBOX_H
#define HONE_WORKERS_SANDBOX_H

#include "base/base.h"

#include <linux/filter.h>
#include <seccomp.h>

/* ---- filters of system calls (filter.c) ------------------------------------------------------ */

typedef struct hone_sandbox__filter {
    struct sock_filter *code; /* owned */
    unsigned short n;
} hone_sandbox__filter;
/* `add` puts the rules in; calls that meet none get `otherwise`. 0 or -errno. */
int hone_sandbox__filter_build(uint32_t otherwise, int (*add)(scmp_filter_ctx),
                               hone_sandbox__filter *ret);
/* Puts the whole process under the filter, which needs no_new_privs; 0 or errno.
 * Async-signal-safe. */
int hone_sandbox__filter_apply(const hone_sandbox__filter *f);

/* ---- files (files.c) ------------------------------------------------------------------------- */

/* From now on this process and those it starts open nothing but what lies in these folders or is
 * one of these files, to read and execute it, and /dev/null; descriptors it has stay open. Needs
 * no_new_privs. 0 or errno: ENOSYS or EOPNOTSUPP where Linux has no Landlock. */
int hone_sandbox__files_only(const char *const *paths, size_t n);

/* Rules of a process that computes: these calls, memory that is not executed, what it says on
 * standard error, and its own abort. 0 or a negative errno, as libseccomp has it. (build.c) */
int hone_sandbox__add_calls(scmp_filter_ctx f, const int *calls, size_t n);
/* Puts this process under a filter of such rules for ever, without core files. 0 or errno.
 * (build.c) */
int hone_sandbox__enter(int (*add)(scmp_filter_ctx), uint32_t otherwise);

/* ---- building (build.c) ---------------------------------------------------------------------- */

/* Closes the calling process in for ever. What this system cannot do is done without, and logged.
 */
/* One that compiles: no files, no programs, no network, nothing but memory and the sockets it has.
 */
void hone_sandbox__enter_compiler(void);
/* One that starts the linkers of these paths: files of the system only, no network. */
void hone_sandbox__enter_linker(const char *const *linkers, unsigned n);

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
