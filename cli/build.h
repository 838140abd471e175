/* What `hone build` is to make. */
#ifndef HONE_CLI_BUILD_H
#define HONE_CLI_BUILD_H

#include "cli/emit.h"
#include "cli/lock.h"

/* An entry of the lock, for one processor. */
typedef struct build_variant {
    const hone_lock_entry *e; /* of the lock, or: */
    hone_lock_entry now;      /* the answer without logs, where the lock's is stale */
    bool stale;
    char *why; /* then, and with the command to run */
    hone_intrin_set *set;
    hone_sched sched;
    bool as_written;
} build_variant;

/* One function; of several variants the processor chooses. */
typedef struct build_job {
    const char *function;
    unsigned n;
    build_variant v[HONE_CODEGEN_MAX_VARIANTS];
    unsigned order[HONE_CODEGEN_MAX_VARIANTS]; /* in which they are tried */
    bool is_there;                             /* built already */
    char key[17];                              /* of all that its files depend on */
} build_job;

typedef struct build_plan {
    const char *lock_path, *folder;
    cli_list libraries; /* that functions may call */
    bool locked;
    hone_lock lock;
    HONE_VEC(build_job *) jobs;
    unsigned n_missing;
} build_plan;

/* Looks whether each is as it was locked and built already; else replays its schedule.
 * HONE_E_STALE: with --locked, and it was said of each. Without, what is stale gets the answer
 * without logs. (build_stale.c) */
hone_status cli_build_prepare(build_plan *p, hone_error *err) HONE_NODISCARD;

/* "FOLDER/f.o"; the caller frees. (build_library.c) */
char *cli_build_path(const build_plan *p, const build_job *j, const char *suffix);
/* Finds the key, and whether the files are there, made of the same by the same. */
void cli_build_look(const build_plan *p, build_job *j);
/* Makes and writes the files, unless they are there. */
hone_status cli_build_library(const build_plan *p, build_job *j, hone_error *err) HONE_NODISCARD;

#endif
