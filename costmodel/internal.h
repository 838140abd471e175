/* costmodel: shared inside this folder only. */
#ifndef HONE_COSTMODEL_INTERNAL_H
#define HONE_COSTMODEL_INTERNAL_H

#include "costmodel/costmodel.h"

#define MAX_NEST 24
#define MAX_ACCESS 12
#define HONE_SMALL_PAGE 4096 /* bytes: the smallest that processors have; some begin at 16384 */

/* The loops around a leaf block, outermost first. */
typedef struct nest {
    unsigned n;
    hone_var var[MAX_NEST];
    double extent[MAX_NEST];
    uint8_t kind[MAX_NEST];      /* hone_loop_kind */
    bool reduce[MAX_NEST];       /* bound to a reduction iterator */
    bool intrin[MAX_NEST];       /* inside a tensor intrinsic: one instruction does it all */
    double inside[MAX_NEST + 1]; /* product of the extents of loops l.. */
} nest;

/* All a block does with one buffer. Element counts are of the buffer's elements. */
typedef struct access {
    hone_buffer buffer;
    bool read, write, local;
    bool streams; /* its stores pass by the caches */
    unsigned dims;
    double bytes;                           /* of an element */
    double move[MAX_NEST];                  /* elements the address moves per step of a loop */
    double stride[HONE_MAX_DIMS][MAX_NEST]; /* the same per dimension */
    double elements[MAX_NEST + 1];          /* distinct elements touched by loops l.. */
    double lines[MAX_NEST + 1];             /* cache lines they lie on */
    double crowded[MAX_NEST + 1];           /* the same and lines whose place they take */
    double run[MAX_NEST + 1];               /* elements contiguous in the last dimension */
} access;

typedef struct block_view {
    hone_stmt block;
    nest nest;
    access access[MAX_ACCESS];
    unsigned n_access;
    double flops;  /* arithmetic operations on values per instance */
    double useful; /* share of instances whose predicate holds */
    /* results of hone_costmodel__draft */
    double lanes, accumulators, live, loads, broadcasts, gathers, ops, code_bytes, tasks,
        task_waste;
    double traffic[4];
    double level[3];
    double fill[3], beyond[3]; /* bytes over the cache's: of the largest working set that fits, and
                                  of the next one, 0 when all does */
    double level_ns[3];        /* of memory_ns */
    double pipes[5];           /* the parts of features.def, of the body's cycles */
    double compute_ns, memory_ns;
} block_view;

/* access.c */
void hone_costmodel__view(const hone_program *p, hone_stmt block, const hone_target *t,
                          block_view *ret);
/* places.c: of loops first.. of the nest those that are written out. Different places they bring
 * the access to, a vector being one: what the body loads, if it loads each once. */
double hone_costmodel__places(const nest *ne, const access *a, unsigned first);
/* The largest number of them that is loaded in one turn of such a loop and wanted in the next, and
 * so kept in registers. */
double hone_costmodel__held(const nest *ne, const access *a, unsigned first);
/* Of every draft that no machine was measured for, whatever the program. */
#define HONE_COSTMODEL__FIXED_NS 1000
/* Time of a block whose arithmetic and memory traffic overlap in part. (draft.c) */
double hone_costmodel__together(double compute_ns, double memory_ns);
/* draft.c: fills the second half of v. */
void hone_costmodel__draft(const hone_target *t, int32_t threads, const hone_machine *m,
                           block_view *v);
/* x (at first any of no negative numbers) becomes the one of those that is least by x'Gx / 2 - r'x:
 * least squares of what gram G = A'A and right r = A'b are of. Row-major, n x n; coordinates in
 * turn. (fit.c) */
void hone_costmodel__nnls(const double *gram, const double *right, double *x, unsigned n);
/* Parts of a draft that have a factor. */
#define HONE_COSTMODEL__PARTS 6
/* How often a call starts the threads of a parallel loop. */
double hone_costmodel__starts(const hone_program *p);

#endif
