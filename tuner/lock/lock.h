/* lock: the answers a project's build uses, as a text file that is kept with the sources
 * (docs/BUILDS.md). JSON, laid out so that it can be read, compared and merged line by line: an
 * entry for each function and target, sorted by these. An entry has all that its code is made of:
 * program, target, schedule; a build needs no log, no device and no kernel file.
 *
 * Threads: the folder has no state of its own. A lock and its entries belong to one thread at a
 * time; different ones do not meet. */
#ifndef HONE_LOCK_H
#define HONE_LOCK_H

#include "libcall/libcall.h"
#include "tuner/lookup/lookup.h"

/* Raised when what is written could not be read by an earlier hone. A lock without library calls is
 * written as 1. */
#define HONE_LOCK_VERSION 2
#define HONE_LOCK_MAX_BYTES ((size_t)64 << 20)
#define HONE_LOCK_MAX_ENTRIES 4096

/* All texts are its own. */
typedef struct hone_lock_entry {
    char *function; /* name of the C function */
    char *kernel;   /* a built-in's name, or FILE.hone[:name] as seen from the lock's folder */
    char *sizes;    /* JSON object of whole numbers */
    int32_t threads;
    hone_target target;
    hone_program program; /* unscheduled, verified */
    hone_rung rung;
    char *reason;
    double share;                      /* of the speed of the best, expected: 0..1 */
    int64_t time_ns;                   /* of one call, where this was measured; else 0 */
    char *checked;                     /* against what, where this was measured; else NULL */
    double max_error, tolerance;       /* then: as in a record of the log */
    char *hone_version, *llvm_version; /* that measured it, or chose it */
    int32_t space_version;             /* that its trace is of */
    char *trace;                       /* text; "[[],[]]": the program as written */
    char *intrins;                     /* texts of intrinsics that do not come with hone */
    hone_libcall *call;                /* of a library, in the place of a schedule; or NULL */
    char *text;                        /* the entry as the file has it, from { to } */
    int line;                          /* of the file it was read from; else 0 */
} hone_lock_entry;
void hone_lock_entry_free(hone_lock_entry *e);

typedef struct hone_lock {
    HONE_VEC(hone_lock_entry) entries; /* sorted */
} hone_lock;
void hone_lock_free(hone_lock *l);

/* `file` is for messages. Nothing is left out or passed over: an unknown key, two entries of one
 * function and target, a program that is not that of its hash are refused. HONE_E_FOREIGN: no lock;
 * HONE_E_VERSION: made by a newer hone; HONE_E_INPUT and HONE_E_LIMIT with file and line. *ret
 * (zeroed by the caller) is empty then. */
hone_status hone_lock_parse(const char *file, const char *text, size_t n, hone_lock *ret,
                            hone_error *err) HONE_NODISCARD;
/* Entries that were read come out byte for byte as they were. */
void hone_lock_print(const hone_lock *l, hone_buf *out);
/* Adds the entry, which is the lock's from now on, in the place of one for the same function and
 * target. */
void hone_lock_put(hone_lock *l, hone_lock_entry *e);
/* Is code for the one code for the other? What only makes it fast or slow does not count. */
bool hone_lock_same_target(const hone_target *a, const hone_target *b);

/* Is whose answer a lock's entry? All borrowed. */
typedef struct hone_lock_of {
    const char *function, *kernel, *sizes, *llvm_version;
    const hone_program *program;
    const hone_target *target;
    int32_t threads;
    const hone_libcall *call; /* the answer is that; NULL: the schedule */
} hone_lock_of;
/* The entry of an answer; the caller frees it. */
void hone_lock_entry_make(const hone_lock_of *of, const hone_lookup_answer *a,
                          hone_lock_entry *ret);

/* The entry's schedule, of a library's call the program as written: its trace replayed for its
 * target, and verified. *ret_set, which the schedule borrows, and *ret (zeroed by the caller) are
 * the caller's to free in any case. *ret_as_written: the trace is empty. HONE_REJECT_* or
 * HONE_E_INPUT: it cannot be replayed by this hone. */
hone_status hone_lock_replay(const hone_lock_entry *e, hone_intrin_set **ret_set, hone_sched *ret,
                             bool *ret_as_written, hone_error *err) HONE_NODISCARD;

#endif
