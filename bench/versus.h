/* bench_versus: a tuned kernel against hand-written libraries, in one process, in turns.
 *
 *   versus.c            arguments, the race, statistics
 *   versus_time.c       processors, warm-up, one sample
 *   versus_report.c     the table and the JSON
 *   versus_calibrate.c  which core type, variant and layout each library is fastest with
 *   versus_blas.c       the kernel itself, OpenBLAS, BLIS
 *   versus_dnnl.c       oneDNN
 *   versus_peak.c       what the processor could do: register-only FMA */
#ifndef HONE_BENCH_VERSUS_H
#define HONE_BENCH_VERSUS_H

#include "base/base.h"

#include <sys/types.h>

/* gemm: C[m][n] = sum over k of A[m][k] B[k][n]. conv: NHWC, filters R x S x CI x CO, zero padding.
 * All f32, dense, row-major. `a` is the input, `b` the weights. */
typedef struct problem {
    bool conv;
    int64_t m, n, k;
    int64_t batch, h, w, ci, co, r, s, stride, pad, dilation, ho, wo;
    int32_t threads;
    bool prepacked; /* the kernel takes its weights packed ahead of time; so may the others */
    double flops;
    float *a, *b;
    int64_t n_a, n_b, n_c; /* elements */
} problem;

typedef struct contestant {
    char name[32];    /* "OpenBLAS" */
    char detail[200]; /* version, core type, variant, layout */
    double flops;     /* of one call */
    /* Makes `calls` calls; elapsed nanoseconds, or -1 after a failure. */
    int64_t (*run)(struct contestant *c, int64_t calls);
    /* The result of the last call, in the problem's own layout: n_c floats. NULL after a failure.
     */
    const float *(*result)(struct contestant *c);
    void *state;
    bool makes_threads;  /* anew in every call */
    bool placed;         /* its threads are pinned */
    int64_t calls;       /* per sample */
    HONE_VEC(double) ns; /* every sample, nanoseconds per call */
} contestant;

/* One way of loading a library: its file, what is set in the environment before, the layout asked
 * of it. */
typedef struct candidate {
    const char *library; /* "OpenBLAS", "BLIS", "oneDNN" */
    char file[160];
    const char *variable, *value; /* NULL: the library's own choice */
    const char *form;             /* oneDNN: which layout or algorithm; NULL elsewhere */
    double gflops;                /* 0: it failed */
    char detail[200];             /* what it says of itself */
    bool chosen;
} candidate;

/* ---- contestants --------------------------------------------------------------------------- */

/* All fill *ret. On failure the message is in err: HONE_E_NOTFOUND when the library is not there.
 */
hone_status versus_kernel(const char *path, const char *name, problem *p, contestant *ret,
                          hone_error *err) HONE_NODISCARD;
/* Sets the candidate's environment, loads the library, prepares one problem. */
hone_status versus_library(const candidate *c, const problem *p, contestant *ret,
                           hone_error *err) HONE_NODISCARD;
hone_status versus_dnnl(const candidate *c, const problem *p, contestant *ret,
                        hone_error *err) HONE_NODISCARD;
/* Warm, with the faster instruction set. HONE_E_NOTFOUND on a processor without such a loop here.
 */
hone_status versus_peak(int32_t threads, contestant *ret, hone_error *err) HONE_NODISCARD;

/* ---- timing -------------------------------------------------------------------------------- */

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
double versus_median(const double *x, uint32_t n);
double versus_least(const double *x, uint32_t n);

/* ---- calibration --------------------------------------------------------------------------- */

typedef HONE_VEC(candidate) candidate_list;
/* Tries every way of every library in child processes and marks the fastest of each library. */
void versus_calibrate(const problem *p, bool defaults_only, candidate_list *ret);

/* ---- report -------------------------------------------------------------------------------- */

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
    char machine[128];
    char title[160];
    double load; /* other work on the machine when it began */
    const candidate_list *candidates;
    contestant *base;
    duel *duels;
    uint32_t n_duels;
    const contestant *peak; /* NULL: unknown */
    double peak1_gflops;    /* one thread's; 0: unknown */
    double max_difference;
} report;

void versus_print(const report *r);
void versus_print_json(const report *r);
/* Appends one line per library to a file, for a table over several problems. */
hone_status versus_append(const report *r, const char *path, hone_error *err) HONE_NODISCARD;

#endif
