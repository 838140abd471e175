/* What of a program can be computed ahead of time: top-level statements whose results depend on one
 * `const` input and on nothing else, such as a weight transform. They can leave the kernel for a
 * function that is called once, when just one buffer passes between the two.
 * Threads: as ir.h. */
#ifndef HONE_IR_PREPACK_H
#define HONE_IR_PREPACK_H

#include "ir/ir.h"

#define HONE_ANN_PREPACK "hone.prepack"

typedef struct hone_ahead {
    hone_buffer packed[HONE_MAX_ARGS + 1]; /* by input's number: the buffer made of it, or none */
    HONE_VEC(uint32_t) of; /* by statement: number of the input it belongs to, 0: stays */
} hone_ahead;

/* all: looks at every statement; otherwise only at those that write a buffer some block annotated
 * HONE_ANN_PREPACK writes. *ret is zero-initialised or was used before. */
void hone_ahead_find(const hone_program *p, bool all, hone_ahead *ret);
void hone_ahead_free(hone_ahead *a);
/* The input that a top-level statement belongs to, 0: it stays. */
static inline uint32_t hone_ahead_of(const hone_ahead *a, hone_stmt top)
{
    return top.i < a->of.n ? a->of.v[top.i] : 0;
}

#endif
