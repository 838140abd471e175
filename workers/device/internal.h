/* Inside the device half of workers/: the nursery process and its measuring children.
 *
 *   nursery.c   the worker's side: start, send, receive, stop
 *   request.c   a job as the nursery takes it
 *   serve.c     the nursery process: one job from artifacts to result
 *   budget.c    memory that is needed, and memory there is
 *   memory.c    guarded buffers
 *   dataset.c   data sets, their turns in the same pages, and their cache
 *   run.c       one child as the nursery sees it: start, command, deadline
 *   ending.c    how a child ended, and what that says
 *   child.c     one child as it sees itself: threads, loading, calls
 *   timing.c    the timing loop inside the child
 *   verdict.c   the nursery's opinion on the numbers a child reports
 *   check.c     elements: poisoning, comparing with what the oracle says
 *   data.c      what inputs are filled with
 *   expect.c    asking the oracle, and checking a kernel's results
 *   elf.c       what an artifact may contain
 *   sandbox.c   seccomp filters, limits, namespaces
 *   library.c   libraries of others that an artifact may call
 *   runtime.c   the program that runs artifacts which are modules
 *   remote.c    a child whose kernels it runs
 *
 * What runs in a child is untrusted from the moment it calls candidate code: the nursery believes
 * nothing a child says without checking it. */
#ifndef HONE_WORKERS_DEVICE_INTERNAL_H
#define HONE_WORKERS_DEVICE_INTERNAL_H

#include "libcall/libcall.h"
#include "runtime/hone_rt.h"
#include "workers/sandbox/sandbox.h"
#include "workers/workers.h"

#include <sys/types.h>

/* ---- artifacts (elf.c) -------------------------------------------------------------- */

/* What dlopen would do with these bytes is harmless: right machine, no dependencies, no code that
 * runs at load time, no undefined symbols, relocations only into its own data, and hone_kernel (and
 * hone_pack) are functions in it. HONE_REJECT_ARTIFACT with the reason; HONE_E_INPUT: it is an
 * artifact for another machine. */
hone_status hone_device__elf_check(const uint8_t *bytes, size_t n, bool has_pack, hone_error *err);
/* Of bytes that passed that: what the artifact says of the library it calls; *ret_wants false: it
 * calls none. HONE_REJECT_ARTIFACT: what it says makes no sense. */
hone_status hone_device__elf_library(const uint8_t *bytes, size_t n, hone_libcall_slot *ret,
                                     bool *ret_wants, hone_error *err);

/* ---- elements (check.c) ------------------------------------------------------------- */

size_t hone_device__elem_size(uint8_t elem);
/* Element i of a dense array, and back. f16 and bf16 round to nearest even; integers and bool
 * take exact values only. i64 beyond 2^53 loses bits here: compare does not go through it. */
double hone_device__elem_get(uint8_t elem, const void *array, int64_t i);
void hone_device__elem_put(uint8_t elem, void *array, int64_t i, double x);

/* What the oracle says of one output. */
typedef struct hone_device__expected {
    uint8_t elem;  /* of the values: the output's own, or f64 */
    void *value;   /* absent from children, as the next */
    double *error; /* how far from it is right; infinite: anything. NULL: results must be equal */
    int64_t
        telling; /* elements where a wrong result could be told from a right one that is not 0 */
} hone_device__expected;

typedef struct hone_device__diff {
    double max_error;        /* largest |got - want| in units of the element's bound */
    int64_t first_bad;       /* index of the first element over its bound, or -1 */
    double got, want, bound; /* there; the bound times the tolerance */
} hone_device__diff;
/* NaN is right where NaN is expected, an infinity where that one is; zeros of both signs are equal.
 * tolerance: the bounds are taken times so much. */
hone_device__diff hone_device__compare(uint8_t elem, const void *got,
                                       const hone_device__expected *want, int64_t n,
                                       double tolerance);
/* Makes the oracle's bounds fit for use and counts what is telling. Where they say nothing (they
 * exceed a quarter of the value), a result may be off by four times what the program as written is
 * off at most (of one or two elements by more), if `written` (of type `elem`) says what that
 * computes; NULL: not known. */
void hone_device__settle_bounds(uint8_t elem, hone_device__expected *e, const void *written,
                                int64_t n);

/* ---- data sets (data.c) ---------------------------------------------------------------------- */

typedef enum hone_device__kind {
#define DATASET(NAME, text, doc) HONE_DEVICE__##NAME,
#include "workers/device/datasets.def"
#undef DATASET
    HONE_DEVICE__KINDS
} hone_device__kind;
const char *hone_device__kind_name(hone_device__kind k);
/* What a kernel forgot to write shows: NaN for floats and 0xa5 for the rest, or, with the kinds
 * beyond the first two, numbers that are large or small. */
void hone_device__poison(hone_device__kind k, uint8_t elem, void *array, int64_t n); /* check.c */
/* Fills an input, of a->count elements. */
void hone_device__fill(hone_device__kind kind, const hone_arg *a, void *array, uint64_t seed);
/* What every float input is a multiple of; 0: nothing. */
double hone_device__quantum(hone_device__kind kind, const hone_manifest *m);

/* ---- how much memory (budget.c) ------------------------------------------------------------- */

/* A control group, of version 1 or 2, and its files; NULL: there is none, or it says nothing. */
typedef struct hone_device__group {
    bool second; /* version */
    char folder[256];
    char *max, *used, *stat;
} hone_device__group;
/* Fills in version and folder of at most `max` groups of a process, outer ones included, from its
 * /proc/PID/cgroup. Returns how many. */
size_t hone_device__groups_of(const char *text, hone_device__group *ret, size_t max);

/* What this process and its children may still take. */
typedef struct hone_device__available {
    uint64_t bytes;
    char because[128]; /* what it is that leaves no more */
} hone_device__available;
/* `meminfo`: text of /proc/meminfo; NULL: unknown. `addresses`: bytes that ulimit -v leaves. */
void hone_device__available_in(const char *meminfo, const hone_device__group *groups, size_t n,
                               uint64_t addresses, hone_device__available *ret);
void hone_device__available_now(const hone_sandbox__limits *l, hone_device__available *ret);

/* Bytes that a measurement takes, temporaries of the kernels aside. */
typedef struct hone_device__need {
    uint64_t args, expected; /* of the data set; 0 when it is there */
    uint64_t packed, processes;
    uint64_t largest; /* of arguments and packed inputs, each of which is a file */
} hone_device__need;
/* With `sets` data sets, of which all but one are there already, and with data_there that one too.
 * `incumbent` may be NULL. Data sets share their pages and what is packed. */
hone_device__need hone_device__need_of(const hone_manifest *candidate,
                                       const hone_manifest *reference,
                                       const hone_manifest *incumbent, int32_t threads,
                                       uint32_t sets, bool data_there);
uint64_t hone_device__need_total(const hone_device__need *need);
/* `droppable`: bytes of data sets that nobody uses now. HONE_E_NOMEM with both numbers,
 * HONE_E_LIMIT.
 */
hone_status hone_device__fits(const hone_device__need *need, const hone_device__available *there,
                              uint64_t droppable, const hone_sandbox__limits *l, hone_error *err);

/* ---- memory (memory.c, dataset.c) ----------------------------------------------------------- */

#define HONE_DEVICE__MOST_ELEMENTS ((int64_t)1 << 37) /* of an argument: a tebibyte of doubles */

#define HONE_DEVICE__CANARY 0xc3

/* guard | canary | data ... | canary | guard. The data is 64-byte aligned and lies at one end of
 * the accessible pages, so that an access beyond it faults: at most 63 bytes of canary are between
 * the data and the guard behind it (AT_END), none between it and the guard before it (AT_START). */
typedef enum hone_device__side { HONE_DEVICE__AT_END, HONE_DEVICE__AT_START } hone_device__side;

typedef struct hone_device__buffer {
    uint8_t *map; /* guards included */
    size_t map_bytes;
    uint8_t *body; /* accessible part, whole pages */
    size_t body_bytes;
    uint8_t *writer; /* of an input: the same pages, for this process alone; else NULL */
    uint8_t *data;
    size_t bytes;
} hone_device__buffer;

/* Zeroed memory, backed at once, with the data at the start. An input's can be read by this process
 * and the children forked later, and written through `writer` only, which they lack; other memory
 * is shared with them. HONE_E_NOMEM, HONE_E_LIMIT, HONE_E_SANDBOX. */
hone_status hone_device__buffer_new(size_t bytes, bool is_input, hone_device__buffer *ret,
                                    hone_error *err);
/* Other memory at the same addresses, zeroed, while there is enough for both; else it stays what it
 * is. To be called while no child is there. HONE_E_NOMEM, HONE_E_SANDBOX: it cannot be used any
 * more. */
hone_status hone_device__buffer_renew(hone_device__buffer *b, hone_error *err);
/* Moves the data to an end; what is there stays where it was. */
void hone_device__buffer_place(hone_device__buffer *b, hone_device__side side);
void hone_device__buffer_free(hone_device__buffer *b);
void hone_device__buffer_set_canary(hone_device__buffer *b);
/* Offset of the first byte overwritten, relative to data; false when none was. */
bool hone_device__buffer_overrun(const hone_device__buffer *b, int64_t *ret);

/* Which end a kind of data lies at. */
hone_device__side hone_device__side_of(hone_device__kind kind);

/* Where an oracle has what it says of a kernel's arguments: indices of its own arguments, -1 none.
 */
typedef struct hone_device__layout {
    struct {
        int value, error, written; /* of an output; of an input only the first: itself */
    } args[HONE_MAX_KERNEL_ARGS];
    int quantum;
} hone_device__layout;
/* By order and name (ir/oracle.h). HONE_E_INPUT: it is no oracle of this kernel. */
hone_status hone_device__layout_of(const hone_manifest *kernel, const hone_manifest *oracle,
                                   hone_device__layout *ret, hone_error *err);

typedef struct hone_device__dataset hone_device__dataset;

/* Where data sets of the same arguments have their turns. */
typedef struct hone_device__pages {
    uint64_t key; /* of argument types and sizes */
    uint64_t job; /* that they were taken for */
    uint32_t users;
    const hone_device__dataset *holds; /* whose inputs are in them; or NULL */
    uint32_t n_args;
    hone_device__buffer args[HONE_MAX_ARGS];
} hone_device__pages;

struct hone_device__dataset {
    uint64_t key; /* of argument types, sizes and ranges, seed and kind */
    uint64_t used;
    uint64_t bytes;
    hone_device__kind kind;
    uint32_t n_args;
    hone_device__pages *pages;
    hone_device__buffer args[HONE_MAX_ARGS]; /* in them; of an oracle's, each its own */
    hone_device__expected expected[HONE_MAX_KERNEL_ARGS]; /* of outputs */
    uint64_t reference;                                   /* which oracle says so, or 0 */
    int64_t reference_ns;                                 /* time that took */
    void *inputs, *expected_map;
    size_t inputs_bytes, expected_bytes;
};

/* Has its inputs put where its arguments are, if they are not. Their turn ends with the next one of
 * the same pages. */
void hone_device__dataset_turn(hone_device__dataset *d);

/* Of so many kernels: those of a network take turns, and what their oracles say takes longer than
 * many measurements. Memory may be used up before. */
enum { HONE_DEVICE__DATASETS = 64 * HONE_DEVICE__KINDS };

typedef struct hone_device__cache {
    hone_device__dataset *sets[HONE_DEVICE__DATASETS]; /* NULL: none */
    uint64_t job;                                      /* the one in hand; its sets stay */
} hone_device__cache;

/* Which data set: of a kernel's arguments, with room for what this oracle says of its outputs. */
typedef struct hone_device__data_id {
    const hone_manifest *kernel, *oracle;
    uint64_t seed;
    hone_device__kind kind;
} hone_device__data_id;
/* A job begins: what it gets from here on is borrowed until the next one begins. */
void hone_device__cache_begin(hone_device__cache *c);
/* The data set, made when it is not there, with all together below `most_bytes` as far as sets of
 * other jobs can go; the oracle is not asked yet. One of an earlier job gets other pages, with no
 * more than that. HONE_E_NOMEM, HONE_E_LIMIT, HONE_E_INPUT, HONE_E_SANDBOX. */
hone_status hone_device__cache_get(hone_device__cache *c, const hone_device__data_id *id,
                                   uint64_t most_bytes, hone_device__dataset **ret,
                                   hone_error *err);
bool hone_device__cache_has(const hone_device__cache *c, const hone_device__data_id *id);
/* Bytes of the sets that are neither this one nor the job's; they are gone after drop_others. */
uint64_t hone_device__cache_others(const hone_device__cache *c, const hone_device__data_id *id);
void hone_device__cache_drop_others(hone_device__cache *c, const hone_device__data_id *id);
bool hone_device__same_args(const hone_manifest *a, const hone_manifest *b);

/* ---- sandbox (sandbox.c) ------------------------------------------------------------ */

/* Descriptors of a child; everything else is closed. */
enum {
    HONE_DEVICE__FD_COMMAND = 3,
    HONE_DEVICE__FD_EVENT = 4,
    HONE_DEVICE__FD_ARTIFACT = 5, /* and the next: candidate, incumbent */
    HONE_DEVICE__FD_RUNTIME = 7,
    HONE_DEVICE__FD_END = 8
};

typedef struct hone_device__sandbox {
    bool on;
    hone_sandbox__filter load, run; /* each only forbids more than the one before */
    /* The same for a child in which a library is. */
    hone_sandbox__filter library_load, library_run;
} hone_device__sandbox;

/* Builds both filters and tries them in a child of its own. HONE_E_SANDBOX with the remedy. */
hone_status hone_device__sandbox_init(bool on, hone_device__sandbox *ret, hone_error *err);
/* Of the nursery itself: no new privileges, own network where allowed. Never fails. */
void hone_device__sandbox_enter(bool on);
/* Of a child: core, files, processor seconds, memory. After its threads exist. */
void hone_device__sandbox_limits(uint64_t cpu_seconds, uint64_t memory_bytes);

/* ---- libraries (library.c) ------------------------------------------------------------------ */

typedef struct hone_device__libraries {
    unsigned n;
    hone_libcall_library v[HONE_LIBCALL_MAX]; /* without sources */
} hone_device__libraries;

void hone_device__libraries_make(const hone_libcall_library *from, unsigned n,
                                 hone_device__libraries *ret);
struct hone_device__artifact;
/* The one among `all` that the artifact calls, NULL: it calls none. HONE_E_INPUT: it is not among
 * them. HONE_REJECT_ARTIFACT, HONE_E_SANDBOX. */
hone_status hone_device__library_of(const hone_device__libraries *all,
                                    const struct hone_device__artifact *a,
                                    const hone_libcall_library **ret, hone_error *err);
/* In a child that is not closed in yet: opens the library and tells it how many threads to use. Its
 * function, or NULL with what is wrong. */
void *hone_device__library_open(const hone_libcall_library *l, int32_t threads, char note[256]);
/* Tells an artifact, as loaded by dlopen, the function's address. False: it has no place for it. */
bool hone_device__library_set(void *artifact, void *function);

/* ---- what child and nursery share ---------------------------------------------------------- */

typedef enum hone_device__stage {
    HONE_DEVICE__SETUP,
    HONE_DEVICE__LOAD,
    HONE_DEVICE__PACK,
    HONE_DEVICE__CALL,
    HONE_DEVICE__TIME
} hone_device__stage;

enum {
    HONE_DEVICE__CANDIDATE,
    HONE_DEVICE__INCUMBENT,
    HONE_DEVICE__KERNELS, /* of a run */
    HONE_DEVICE__REFERENCE = HONE_DEVICE__KERNELS,
    HONE_DEVICE__ARTIFACTS /* of a job */
};

typedef struct hone_device__timing {
    int32_t n; /* samples, or pairs */
    bool paired;
    double candidate_ns[HONE_MAX_SAMPLES], incumbent_ns[HONE_MAX_SAMPLES]; /* per call */
    int64_t calls[HONE_DEVICE__KERNELS];                                   /* per sample */
    double resolution_ns; /* of the clock, as observed */
    double fresh_ns;      /* least time of a call of the candidate on poisoned outputs */
} hone_device__timing;

/* Lies in memory that both map; the child writes it, the nursery copies before it looks. */
typedef struct hone_device__control {
    int32_t stage; /* hone_device__stage */
    int32_t who;   /* whose code runs */
    int32_t signal, signal_code;
    uint64_t address; /* that the signal complains about */
    int32_t returned; /* by a kernel, nonzero */
    int32_t sys;      /* errno of a failure of ours */
    char note[256];   /* what failed, or dlerror */
    hone_device__timing timing;
} hone_device__control;

/* Commands to a child, and its events. */
enum {
    HONE_DEVICE__DO_CALL = '0', /* and the place of the data set, whose turn it is */
    HONE_DEVICE__DO_TIME = 't',
    HONE_DEVICE__CALLED = 'C',
    HONE_DEVICE__TIMED = 'T',
    HONE_DEVICE__READY = 'R',   /* loaded */
    HONE_DEVICE__FAULT = 'F',   /* a signal: control says which, and where */
    HONE_DEVICE__NONZERO = 'N', /* a kernel or pack returned an error */
    HONE_DEVICE__UNLOADABLE = 'A' /* dlopen refused */,
    HONE_DEVICE__TROUBLE = 'E' /* the child could not be set up */,
    /* Of modules: control's note says what. */
    HONE_DEVICE__BOUNDS = 'O',  /* memory that is not its own */
    HONE_DEVICE__TRAPPED = 'P', /* any other trap */
    HONE_DEVICE__LOST = 'L'     /* the runtime is gone, or does not answer as it should */
};

/* ---- runtimes (runtime.c) -------------------------------------------------------------------- */

/* Arguments and messages have at most so many bytes: half of what 32 bits address. */
#define HONE_DEVICE__RUNTIME_MOST ((uint64_t)1 << 31)

#define HONE_DEVICE__RELAXED "node:relaxed"
#define HONE_DEVICE__THREADS "node:threads"
#define HONE_DEVICE__BROWSER "browser:" /* what the name of such a runtime begins with */

typedef struct hone_device__runtime {
    const char *what; /* "node", "node:relaxed", "node:threads", "browser:HOST:PORT"; NULL: none,
                         artifacts are shared objects */
    int listener;     /* for a page; -1: none */
    pid_t pid;        /* 0: it does not run */
    int fd, status;
    bool clean;     /* it waits for a request; else it is started again before the next run */
    char about[64]; /* what it says of itself */
} hone_device__runtime;

/* What it needs of this machine, before this process leaves its networks. HONE_E_INPUT. */
hone_status hone_device__runtime_open(hone_device__runtime *rt, hone_error *err);
/* Starts it if need be, the first time waiting for a page. HONE_E_TOOL: there is none, or it does
 * not work. HONE_E_SANDBOX. */
hone_status hone_device__runtime_ready(hone_device__runtime *rt, hone_error *err);
void hone_device__runtime_stop(hone_device__runtime *rt);

/* Letters of requests; docs/WASM.md says what goes with them. */
enum {
    HONE_DEVICE__RUNTIME_HELLO = 'H',
    HONE_DEVICE__RUNTIME_LOAD = 'L',
    HONE_DEVICE__RUNTIME_DATA = 'D',
    HONE_DEVICE__RUNTIME_CALL = 'C',
    HONE_DEVICE__RUNTIME_TIME = 'T',
    HONE_DEVICE__RUNTIME_CLOCK = 'K'
};
enum {
    HONE_DEVICE__RUNTIME_OK,
    HONE_DEVICE__RUNTIME_UNLOADABLE,
    HONE_DEVICE__RUNTIME_TRAP,
    HONE_DEVICE__RUNTIME_BOUNDS,
    HONE_DEVICE__RUNTIME_NONZERO /* the note is the number */
};
typedef struct hone_device__part {
    void *p;
    size_t n;
} hone_device__part;
typedef struct hone_device__answer {
    uint8_t status; /* HONE_DEVICE__RUNTIME_* */
    char note[256]; /* when not OK, or when the answer is text */
} hone_device__answer;
/* One request and its answer, which is of as many bytes as `in` or, with n_in 0, text. False: it is
 * gone, or answers something else. */
bool hone_device__runtime_ask(int fd, char op, const hone_device__part *out, unsigned n_out,
                              const hone_device__part *in, unsigned n_in, hone_device__answer *ret);

/* ---- one child (run.c) --------------------------------------------------------------------- */

typedef struct hone_device__kernel {
    const hone_manifest *manifest;             /* NULL: there is none */
    int fd;                                    /* the artifact */
    const hone_libcall_library *library;       /* that it calls; NULL: none */
    hone_device__buffer packed[HONE_MAX_ARGS]; /* for the data set whose turn it is */
} hone_device__kernel;

typedef struct hone_device__run {
    /* set by the caller */
    const hone_device__sandbox *sandbox;
    const hone_measure_job *job;
    /* The first one is also timed, and the only one that an incumbent is packed for. */
    hone_device__dataset *data[HONE_DEVICE__KINDS];
    uint32_t n_data, turn; /* whose turn it is */
    hone_device__kernel kernels[HONE_DEVICE__KERNELS];
    hone_device__buffer control_page;
    const hone_sandbox__limits *limits;
    hone_device__runtime *runtime;        /* that runs kernels which are modules; NULL: none */
    uint64_t temporaries;                 /* bytes the kernels may have for them, */
    const hone_device__available *scarce; /* and what keeps that below the usual; or NULL */
    int worker; /* socket: the run is given up when its other end says so, or is gone */
    /* set by run_start */
    hone_device__control *control;
    uint64_t cpu_seconds; /* it may use, all threads together */
    int64_t started_ns;
    pid_t pid;
    int command, event;
} hone_device__run;

/* Makes it the turn of a data set, with what is packed of it still to come. The child is idle or
 * not there yet, and its next command is for that set. */
void hone_device__run_turn(hone_device__run *r, uint32_t set);
/* Forks the child, in the turn of r->turn. HONE_E_SANDBOX, HONE_E_NOMEM, HONE_E_LIMIT. */
hone_status hone_device__run_start(hone_device__run *r, hone_error *err);
/* Gives the command (0: none) and waits for `expected` until the deadline, to which time is added
 * in which the whole machine stood still. What hone_device__explain says, HONE_E_INTERRUPTED when
 * the worker gave the job up, or HONE_E_PEER when it is gone. After anything but HONE_OK the child
 * is dead. */
hone_status hone_device__run_do(hone_device__run *r, char command, char expected,
                                int64_t deadline_ns, hone_error *err);
/* Kills and reaps the child, gives back its packed buffers. */
void hone_device__run_end(hone_device__run *r);

/* ---- how it ended (ending.c) ---------------------------------------------------------------- */

typedef struct hone_device__ending {
    char event;     /* its last word; or 0, and one of the next: */
    bool late;      /* it was killed at its deadline */
    int signal;     /* that it died of, */
    int code;       /* or else its exit code */
    bool stopped;   /* with `late`: something had stopped it, for a while or still */
    int64_t cpu_ns; /* processor time it had */
} hone_device__ending;

/* HONE_REJECT_*: the kernel is at fault. HONE_E_INCUMBENT: the incumbent is, or the kernel makes it
 * look so. HONE_E_KILLED (from outside, whatever it was doing), HONE_E_TIMEOUT (kept from running),
 * HONE_E_LIMIT, HONE_E_NOMEM, HONE_E_SANDBOX: neither is. */
hone_status hone_device__explain(const hone_device__run *r, const hone_device__control *c,
                                 const hone_device__ending *e, hone_error *err);

/* ---- the child itself (child.c, remote.c, timing.c)
 * --------------------------------------------------- */

/* The child's life. Descriptors: the ends of the pipes that are its own. */
_Noreturn void hone_device__child(const hone_device__run *r, pid_t nursery, int command, int event);
/* The same where r->runtime runs the kernels. */
_Noreturn void hone_device__remote_child(const hone_device__run *r, pid_t nursery, int command,
                                         int event);
/* What both do: it becomes a process of its own, with the descriptors of its run alone, */
void hone_device__child_begins(const hone_device__run *r, pid_t nursery, int command, int event);
/* says that it is loaded, and from then on does what it is told, until there is nobody to tell it;
 * what these return is 0 or a kernel's own number; */
_Noreturn void hone_device__child_obeys(const hone_device__run *r,
                                        int32_t (*call)(void *ctx, uint32_t set),
                                        int32_t (*time)(void *ctx), void *ctx);
/* and ends with a last word. */
_Noreturn void hone_device__child_ends(hone_device__control *c, char event, int sys,
                                       const char *note);

/* How kernels are called that are timed. */
typedef struct hone_device__caller {
    void *ctx;
    /* Nanoseconds that so many calls take; `fresh`: of outputs that are poisoned before. */
    int64_t (*elapsed)(void *ctx, int who, int64_t calls, bool fresh);
    double resolution_ns;    /* of its clock */
    const int32_t *returned; /* first nonzero; NULL: it does not come back then */
} hone_device__caller;
/* Fills r->control->timing; 0 or what a kernel returned. Plans for half of the job's run_ms, as far
 * as whole pairs allow. */
int32_t hone_device__time(const hone_device__run *r, const hone_device__caller *by);
/* The smallest step the clock is seen to take; no finer than what it claims. */
double hone_device__clock_resolution_ns(void);

/* ---- expected results (expect.c) --------------------------------------------------------------
 */

/* Runs the oracle on d in a child of its own and keeps what it says there.
 * HONE_E_REFERENCE: the kernel as written fails, and how. As run_start and run_do. */
hone_status hone_device__ask_oracle(const hone_device__run *like, hone_device__dataset *d,
                                    const hone_manifest *kernel, const hone_manifest *oracle,
                                    int fd, uint64_t hash, hone_error *err);
void hone_device__reset_outputs(const hone_manifest *m, hone_device__dataset *d);
/* Of the data set whose turn it is. HONE_REJECT_OUT_OF_BOUNDS. */
hone_status hone_device__check_canaries(const hone_device__run *r, hone_error *err);
/* Outputs of r->data[set]. HONE_REJECT_WRONG_RESULT. `when` is for the message. *max_error is
 * raised. */
hone_status hone_device__compare_outputs(const hone_device__run *r, uint32_t set, const char *when,
                                         double *max_error, hone_error *err);

/* ---- numbers (verdict.c) -------------------------------------------------------------- */

/* The most that a call on poisoned outputs may take of a kernel whose samples say time_ns. */
double hone_device__fresh_most(double time_ns, int32_t threads);
/* Turns what a child reports into a result, or says why it cannot be true: HONE_REJECT_IMPOSSIBLE,
 * HONE_REJECT_TOO_SHORT. wall_ns is the time the nursery saw pass. */
hone_status hone_device__judge(const hone_measure_job *job, int64_t flops,
                               const hone_device__timing *t, int64_t wall_ns,
                               hone_measure_result *ret, hone_error *err);

/* ---- the nursery process (request.c, serve.c) ------------------------------------------------ */

/* The worker sends this as one message and then the artifacts' bytes, in messages of at most
 * HONE_DEVICE__PART: it needs no descriptor for that, which strangers may keep it from having. */
typedef struct hone_device__request {
    hone_measure_job job; /* its pointers mean nothing here */
    uint8_t has_incumbent;
    hone_manifest manifests[HONE_DEVICE__ARTIFACTS]; /* their arguments are the next */
    hone_arg args[HONE_DEVICE__ARTIFACTS][HONE_MAX_ARGS];
    uint64_t bytes[HONE_DEVICE__ARTIFACTS]; /* of those that are there, in this order */
} hone_device__request;
enum { HONE_DEVICE__PART = 128 << 10 };

typedef struct hone_device__artifact {
    int fd;  /* a sealed file; negative: none */
    int sys; /* errno of what kept it from being one */
    size_t n;
    uint64_t hash; /* of what matters for its results, once it is checked */
} hone_device__artifact;

/* Waits for a request. False: the worker is gone. Either way drop_artifacts is due. */
bool hone_device__receive_request(int socket, hone_device__request *ret,
                                  hone_device__artifact artifacts[HONE_DEVICE__ARTIFACTS]);
void hone_device__drop_artifacts(hone_device__artifact artifacts[HONE_DEVICE__ARTIFACTS]);
/* Brings numbers into their ranges where that harms nobody. HONE_E_INPUT, HONE_E_LIMIT,
 * HONE_E_SANDBOX, HONE_E_INCUMBENT, HONE_REJECT_ARTIFACT. */
hone_status hone_device__check_request(hone_device__request *q,
                                       hone_device__artifact artifacts[HONE_DEVICE__ARTIFACTS],
                                       bool modules, hone_error *err);

/* A message of this one byte gives up the job in hand; when there is none (any more), it means
 * nothing. */
#define HONE_DEVICE__CANCEL 'x'
/* The other way: the check is over, and the timing begins. */
#define HONE_DEVICE__BEGINS 't'

typedef struct hone_device__reply {
    hone_status status;
    hone_error error;
    hone_measure_result result;
} hone_device__reply;

/* Answers with one reply when it is ready, then one per request; ends when the socket does. Kernels
 * may call these libraries; `runtime` runs those that are modules, NULL: they are shared objects.
 */
_Noreturn void hone_device__serve(int socket, bool sandbox, const hone_device__libraries *libraries,
                                  const char *runtime);

/* For tests. */
pid_t hone_device__nursery_pid(const hone_nursery *n);

#endif
