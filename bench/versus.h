/* bench_versus: a tuned kernel against hand-written libraries, in one process, in turns.
 *
 *   versus.c            arguments, the race, statistics
 *   versus_problem.c    sizes, arguments, inputs, work, and whether two results agree
 *   versus_time.c       processors, warm-up, one sample; versus_stats.c: medians
 *   versus_report.c     the table, the JSON, the line for a table of many problems
 *   versus_calibrate.c  which core type, variant and layout each library is fastest with
 *   versus_kernel.c     kernels in shared objects: hone's, and the plain loops of plain.c
 *   versus_blas.c       OpenBLAS, BLIS
 *   versus_dnnl.c       oneDNN: loading, layouts, calls; dnnl_ops.c: one function per operator
 *   versus_machine.c    what the processor could do: arithmetic in registers, memory streams
 *   versus_peak.c       the loops for that; versus_rates.c: of what is not a product
 *   versus_roofline.c   the least time a problem can take: the longest of all that it needs */
#ifndef HONE_BENCH_VERSUS_H
#define HONE_BENCH_VERSUS_H

#include "base/base.h"
#include "ir/ir.h"

#include <sys/types.h>

/* ---- the problem ---------------------------------------------------------------------------- */

enum { VERSUS_MAX_ARGS = 8, VERSUS_MAX_SIZES = 16 };

/* What arithmetic bounds a problem: each has its measured peak. */
typedef enum unit { UNIT_F32, UNIT_U8I8, UNIT_BF16, UNIT_BITS, UNIT_COUNT } unit;

typedef struct tensor {
    char name[32];
    hone_dtype dtype;
    int32_t n_dims;
    int64_t shape[HONE_MAX_DIMS]; /* dense, row-major */
    int64_t elements, bytes;
    bool output, constant; /* constant: may be brought into another layout ahead of time */
    void *data;            /* the same memory for all contestants; NULL before versus_memory */
} tensor;

/* A kernel of the workload language at one set of sizes, with one output. */
typedef struct problem {
    char kernel[64]; /* its name; a kernel from a file of one's own may have the name of another */
    hone_size sizes[VERSUS_MAX_SIZES];
    uint32_t n_sizes;
    tensor args[VERSUS_MAX_ARGS]; /* in the workload's order */
    uint32_t n_args;
    tensor *out;
    int32_t threads;
    bool prepacked; /* hone's kernel takes its weights packed ahead of time; so may the others */
    unit unit;
    double flops;         /* of one call: what the definition needs, however it is computed */
    bool counts_products; /* these are products that are summed, two each */
    double work[HONE_WORK_COUNT];   /* what the kernel's own stages cannot do without */
    double read_bytes, write_bytes; /* each argument once */
} problem;

/* `arg` is a built-in kernel, FILE.hone or FILE.hone:NAME. */
hone_status versus_problem(const char *arg, problem *p, hone_error *err) HONE_NODISCARD;
/* Memory for every argument; inputs are filled from a fixed seed. */
void versus_memory(problem *p);
/* The value given for a size, or `otherwise`: the default in workloads/. */
int64_t versus_size(const problem *p, const char *name, int64_t otherwise);
const tensor *versus_arg(const problem *p, const char *name); /* NULL: there is none */
void *versus_buffer(int64_t bytes); /* on a cache line, zeroed; ends the program without memory */
/* The largest difference of two results, relative where they are above 1, and what may be. */
double versus_difference(const problem *p, const void *got, const void *want);
double versus_tolerance(const problem *p);

/* A problem that is products of matrices: for all x < outer[0], y < outer[1]
 * C[x][y][i][j] = sum over k of A[x][y][i][k] B[x][y][k][j]. Strides are in elements. */
typedef struct product {
    int64_t outer[2], m, n, k;
    int64_t a_outer[2], b_outer[2], c_outer[2];
    int64_t a_row, a_col, b_row, b_col, c_row; /* one of row and col is 1; c_col is */
    const tensor *a, *b;
} product;
bool versus_product(const problem *p, product *ret);

/* ---- contestants ---------------------------------------------------------------------------- */

typedef struct contestant {
    char name[32];    /* "OpenBLAS" */
    char detail[200]; /* version, core type, variant, layout */
    double flops;     /* of one call */
    /* Makes `calls` calls; elapsed nanoseconds, or -1 after a failure. */
    int64_t (*run)(struct contestant *c, int64_t calls);
    void *state;
    bool makes_threads;  /* anew in every call */
    bool placed;         /* its threads are pinned */
    int64_t calls;       /* per sample */
    int64_t warm_ns;     /* the least of the warm-up's calls */
    HONE_VEC(double) ns; /* every sample, nanoseconds per call */
} contestant;

/* One way of loading a library: its file, what is set in the environment before, the algorithm and
 * layout asked of it. */
typedef struct candidate {
    const char *library; /* "OpenBLAS", "BLIS", "oneDNN" */
    char file[160];
    const char *variable, *value; /* NULL: the library's own choice */
    const char *form;             /* which routine, layout or algorithm */
    double gflops;                /* 0: it failed */
    char detail[200];             /* what it says of itself, or why it failed */
    bool chosen;
} candidate;

/* All fill *ret. On failure the message is in err: HONE_E_NOTFOUND when the library is not there or
 * does not have the operator. */
hone_status versus_kernel(const char *path, const char *symbol, const char *name, problem *p,
                          contestant *ret, hone_error *err) HONE_NODISCARD;
/* Sets the candidate's environment, loads the library, prepares one problem. */
hone_status versus_library(const candidate *c, const problem *p, contestant *ret,
                           hone_error *err) HONE_NODISCARD;
hone_status versus_blas(const candidate *c, const problem *p, contestant *ret,
                        hone_error *err) HONE_NODISCARD;
hone_status versus_dnnl(const candidate *c, const problem *p, contestant *ret,
                        hone_error *err) HONE_NODISCARD;
/* The forms a library knows for this problem, NULL at the end: empty when it lacks the operator. */
enum { VERSUS_MAX_FORMS = 8 };
void versus_blas_forms(const problem *p, const char *ret[VERSUS_MAX_FORMS + 1]);
void versus_dnnl_forms(const problem *p, const char *ret[VERSUS_MAX_FORMS + 1]);

/* ---- timing ---------------------------------------------------------------------------------- */

/* Keeps the process on the last `threads` processors it may use: the first serve most interrupts.
 */
hone_status versus_pin(int32_t threads, hone_error *err) HONE_NODISCARD;
/* Moves a thread (0: the caller) to n of these processors, from the given one on. */
void versus_move(pid_t thread, int32_t first, int32_t n);
/* Calls until `ns` have passed, at least twice; sets c->calls so that a sample lasts SAMPLE_NS. The
 * first time, the threads that c has started are pinned, one to a processor. */
#define SAMPLE_NS 5000000
hone_status versus_warm(contestant *c, int64_t ns, hone_error *err) HONE_NODISCARD;
/* One sample, after a short warm-up: nanoseconds per call, appended to c->ns. */
hone_status versus_sample(contestant *c, double *ret_ns, hone_error *err) HONE_NODISCARD;
/* The error of a contestant whose call failed. */
hone_status versus_broken(const contestant *c, hone_error *err) HONE_NODISCARD;
/* versus_stats.c; the first is a copy, which the caller frees. */
double *versus_sorted(const double *x, uint32_t n);
double versus_median(const double *x, uint32_t n);
double versus_least(const double *x, uint32_t n);

/* ---- calibration ----------------------------------------------------------------------------- */

typedef HONE_VEC(candidate) candidate_list;
/* Tries every way of every library in child processes and marks the fastest of each library. `only`
 * (NULL: all) holds the libraries that take part, separated by commas, in any case of letters. */
void versus_calibrate(const problem *p, const char *only, bool defaults_only, candidate_list *ret);

/* ---- the machine ----------------------------------------------------------------------------- */

/* What so many bytes are read and written at, over and over. "L2x2", "L2x4": up to twice, four
 * times as many as the cache holds, of which it still has a part. */
typedef struct level {
    char name[8]; /* "L1" .. "DRAM" */
    double bytes; /* of all threads together; 0 for DRAM: no limit */
    /* The last three count what is read and what is written. Around: without allocating lines, 0
     * where that makes no sense; copy: as much as is read, mix: half as much. */
    double load_gbs, store_gbs, around_gbs, copy_gbs, mix_gbs;
} level;

/* Arithmetic that is no product (bench/rates.def). */
typedef enum rate {
#define RATE(NAME, text, loop, per, how) RATE_##NAME,
#define RATE_TOO(NAME, loop, per, how)
#include "bench/rates.def"
#undef RATE
#undef RATE_TOO
    RATE_COUNT
} rate;

enum { VERSUS_LEVELS = 8 };
typedef struct machine {
    int32_t threads;
    double peak[UNIT_COUNT];  /* 10^9 operations a second; 0: unknown */
    char how[UNIT_COUNT][64]; /* the instruction */
    double rate[RATE_COUNT];  /* 10^9 results a second; 0: unknown */
    char rate_how[RATE_COUNT][64];
    level levels[VERSUS_LEVELS]; /* from the smallest on */
} machine;

extern const char *const versus_unit_names[UNIT_COUNT];
extern const char *const versus_rate_names[RATE_COUNT];
/* Measures for some four seconds. Where there are no loops for the processor all is 0. */
hone_status versus_machine(int32_t threads, machine *ret, hone_error *err) HONE_NODISCARD;
/* Measures every figure again with *m's threads, for less than a second; what was better before
 * stays.
 */
void versus_machine_again(machine *m);
json_t *versus_machine_json(const machine *m);
hone_status versus_machine_read(const char *path, machine *ret, hone_error *err) HONE_NODISCARD;
void versus_machine_print(const machine *m, FILE *to);

/* One thing that a problem needs, and how long the machine takes for nothing but that. */
typedef struct need {
    char name[24]; /* "exp", "L2 copy" */
    double amount; /* operations, or bytes */
    double ns;
} need;
enum { VERSUS_MAX_NEEDS = 48 };
typedef struct roofline {
    need needs[VERSUS_MAX_NEEDS];
    uint32_t n;
    uint32_t longest;   /* of the needs: no call can take less */
    double ns;          /* its time; 0: unknown */
    const level *level; /* the smallest that all arguments fit */
    double done;        /* products the kernel does / products of the definition; 1: not known */
} roofline;
/* Products at the peak; each kind of other arithmetic at its rate; conversions of each argument in
 * 16 bits; every argument moved once between the registers and the smallest level that they all
 * fit.
 */
void versus_roofline(const machine *m, const problem *p, roofline *ret);

/* A loop, `calls` times. */
typedef struct peak_loop {
    void (*run)(int64_t calls);
    double ops; /* of one call */
    const char *how;
} peak_loop;
/* The k-th for a unit that this processor can run; NULL: there are no more. */
const peak_loop *versus_peak_loop(unit u, unsigned k);
typedef struct rate_loop {
    rate which;
    peak_loop loop;
    bool wide; /* AVX-512 */
} rate_loop;
/* The k-th that this processor can run; NULL: there are no more. */
const rate_loop *versus_rate_loop(unsigned k);
typedef enum stream { STREAM_LOAD, STREAM_STORE, STREAM_COPY, STREAM_MIX, STREAM_COUNT } stream;
/* Over n bytes, a multiple of 3072, once; COPY reads the first half and writes the second, MIX
 * reads two thirds and writes the last. NULL: this processor has none. */
typedef void stream_loop(char *p, int64_t n);
stream_loop *versus_stream_loop(stream s, bool wide, bool around_caches);

/* ---- report ---------------------------------------------------------------------------------- */

/* The base against one other, over adjacent samples. */
typedef struct duel {
    contestant *other;
    HONE_VEC(double) base_ns;
    HONE_VEC(double) other_ns;
    double ratio, lo,
        hi;            /* median of other / base, with its 95 % interval: above 1, base is faster */
    double best_ratio; /* least time against least time */
} duel;

typedef struct report {
    const problem *p;
    char cpu[128];
    char title[240];
    double load; /* other work on the machine when it began */
    const candidate_list *candidates;
    contestant *base;
    duel *duels;
    uint32_t n_duels;
    HONE_VEC(char *) wrong; /* who computed something else, and by how much */
    const machine *machine;
    roofline roofline;
    double max_difference;
} report;

void versus_print(const report *r);
void versus_print_json(const report *r, FILE *to);
/* Appends one line to a file, for a table over several problems; tabs between the fields (see
 * versus_report.c). */
hone_status versus_append(const report *r, const char *path, hone_error *err) HONE_NODISCARD;
/* Writes the JSON of such a report again, with the roofline and every share of it by what the
 * machine is known to do now, and a line to `to`: the share of the first, in percent, and the last
 * two fields of versus_append. HONE_E_INPUT: the file is not of the problem with this title. */
hone_status versus_hold(const char *path, const char *title, const problem *p, const machine *m,
                        FILE *to, hone_error *err) HONE_NODISCARD;

#endif
