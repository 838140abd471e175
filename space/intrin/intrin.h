/* Tensor intrinsics: what a target can do in one instruction (or a few) for a whole nest of loops.
 *
 * They are text (docs/INTRINSICS.md): a description, which is a program and says what is computed,
 * and an implementation, which is a function in LLVM IR. Tensorize finds the description in a
 * program; the program keeps its loops, so that it still says what it means, and an annotation on
 * the block around them, "hone.intrin", makes the code generator call the implementation instead.
 *
 * Threads: a set belongs to one thread while it is filled; after that it is only read, by any. That
 * of hone itself is made by the first to ask for it. */
#ifndef HONE_SPACE_INTRIN_H
#define HONE_SPACE_INTRIN_H

#include "ir/ir.h"
#include "targets/target.h"

#define HONE_INTRIN_MAX_ARGS 8
#define HONE_INTRIN_MAX_LOOPS 6
#define HONE_INTRIN_MAX_BYTES 1000000u /* of all texts added to a set */
#define HONE_INTRIN_MAX_COUNT 256      /* in one set */

typedef struct hone_intrin {
    char *name;     /* "x86.avx512.vnni.u8i8i32_16x4" */
    char *features; /* "+avx512vnni", "" for none */
    char *impl;     /* LLVM IR: one function, void, one pointer per buffer of the description */
    hone_program desc;
    hone_stmt leaf;   /* the description's only leaf block */
    unsigned n_args;  /* buffers of the description, in order */
    unsigned n_loops; /* of more than one iteration, outermost first */
    hone_var loops[HONE_INTRIN_MAX_LOOPS];
    int64_t extent[HONE_INTRIN_MAX_LOOPS];
    /* Per buffer: 0 for the one stored to, k for that of the k-th other load in the value, in order
     * of appearance; and how many elements one step of each loop moves the access. */
    unsigned access[HONE_INTRIN_MAX_ARGS];
    hone_expr load[HONE_INTRIN_MAX_ARGS]; /* in desc, over the leaf's iterators */
    int64_t stride[HONE_INTRIN_MAX_ARGS][HONE_INTRIN_MAX_LOOPS];
} hone_intrin;

/* Names are unique in a set. Every set has those that come with hone (targets/). */
typedef struct hone_intrin_set hone_intrin_set;
hone_intrin_set *hone_intrin_set_new(void);
void hone_intrin_set_free(hone_intrin_set *s); /* NULL is fine */
/* Those that come with hone; lives as long as the process. Safe from any thread. */
const hone_intrin_set *hone_intrin_shipped(void);
/* Adds all of a text; `file` is for messages. HONE_E_INPUT with FILE:LINE:COL and a caret line,
 * HONE_E_LIMIT; then nothing was added. */
hone_status hone_intrin_set_add(hone_intrin_set *s, const char *file, const char *text, size_t n,
                                hone_error *err) HONE_NODISCARD;
unsigned hone_intrin_count(const hone_intrin_set *s);
const hone_intrin *hone_intrin_at(const hone_intrin_set *s, unsigned k);
/* NULL: none of that name. Borrowed from the set. */
const hone_intrin *hone_intrin_find(const hone_intrin_set *s, const char *name);
/* The texts added, one after the other; "" when there is none. What another process needs to make
 * the same set. Borrowed until the next text is added. */
const char *hone_intrin_set_text(const hone_intrin_set *s);

#endif
