/* ir: shared inside this folder only. */
#ifndef HONE_IR_INTERNAL_H
#define HONE_IR_INTERNAL_H

#include "ir/ir.h"

/* The most arguments an expression has (a load of HONE_MAX_DIMS dimensions). */
#define HONE_IR__MAX_ARGS HONE_MAX_DIMS

/* ---- dtype.c ---- */

/* 'F', 'I' or 'U' as in dtypes.def. */
char hone_ir__dtype_class(hone_dtype t);
/* Smallest and largest value of an integer dtype or bool. */
void hone_ir__dtype_range(hone_dtype t, int64_t *ret_lo, int64_t *ret_hi);
/* v cut to the low bits of an integer dtype, as machine arithmetic does. */
int64_t hone_ir__wrap(hone_dtype t, int64_t v);
/* The bits of a value of an integer dtype, with zeros above. */
uint64_t hone_ir__bits(hone_dtype t, int64_t v);
/* v as the float dtype t holds it, round to nearest even. */
double hone_ir__round(hone_dtype t, double v);
/* The largest finite value of a float dtype. */
double hone_ir__largest(hone_dtype t);

/* ---- fold.c ---- */

static inline bool hone_ir__is_const(const hone_program *p, hone_expr e)
{
    hone_op op = hone_expr_op(p, e);
    return op == HONE_OP_INT || op == HONE_OP_FLOAT;
}
/* Rounds down, sign of the divisor; false for b == 0 and overflow. */
bool hone_ir__floordiv(int64_t a, int64_t b, int64_t *ret);
bool hone_ir__floormod(int64_t a, int64_t b, int64_t *ret);
/* An operation on two i64 but for those on bits; false: another operation, or no exact value. */
bool hone_ir__fold_int2(hone_op op, int64_t a, int64_t b, int64_t *ret);
/* MIN or MAX of floats: minimumNumber and maximumNumber of IEEE 754-2019, sec. 9.6. */
double hone_ir__extreme(hone_op op, double a, double b);
/* The value of a node whose n arguments are all constants, as a constant of dtype t, or none when
 * it is not exactly known here. */
hone_expr hone_ir__fold(hone_program *p, hone_op op, hone_dtype t, const hone_expr *args,
                        unsigned n);

/* ---- expr.c ---- */

/* A constant of any integer dtype or bool, without going through double. */
hone_expr hone_ir__int_of(hone_program *p, hone_dtype t, int64_t v);
/* Makes p->table fit for p->exprs as they stand. */
void hone_ir__rehash(hone_program *p);

/* ---- lets.c ---- */

typedef HONE_VEC(hone_expr) hone_ir__exprs;
/* The expressions of a leaf block that are printed as lets, arguments before what they are in. None
 * for a block that is short without. */
void hone_ir__lets(const hone_program *p, hone_stmt block, hone_ir__exprs *ret);

/* ---- turns.c ---- */

/* Conditions on a block's iterators, all of which hold; `never`: more is not known than that they
 * may not. */
#define HONE_IR__MOST_WHEN 16
typedef struct hone_ir__whens {
    bool never;
    unsigned n;
    hone_expr v[HONE_IR__MOST_WHEN];
} hone_ir__whens;
/* Adds that `cond` holds, or does not. Of what is always so nothing is kept; what depends on data,
 * and what there is no room for, is `never`. */
void hone_ir__when(hone_program *p, hone_ir__whens *to, hone_expr cond, bool holds);
/* Adds all of another list. */
void hone_ir__when_too(const hone_program *p, hone_ir__whens *to, const hone_ir__whens *all);
/* The block's iterators that are in e, as bits. */
uint32_t hone_ir__iters_of(const hone_program *p, hone_stmt block, hone_expr e);
/* Of the turns of those of the block's iterators that are in `iters`, as bits: the share in which
 * it can be, by the others, that all hold. False: not known. */
bool hone_ir__held_share(hone_program *p, hone_stmt block, const hone_ir__whens *when,
                         uint32_t iters, double *ret);
/* Different values that e, an integer, has in the turns of its iterators in which those of the
 * conditions hold that are about them. False: some are about others too, or there are too many to
 * try.
 */
bool hone_ir__values(const hone_program *p, hone_stmt block, hone_expr e,
                     const hone_ir__whens *when, double *ret);
/* Different elements that the load reads, of the dimensions in `dims`, as bits; *ret_iters:
 * iterators that move it there. False: not known, or too many to try. */
bool hone_ir__distinct(const hone_program *p, hone_stmt block, hone_expr load, uint32_t dims,
                       uint32_t *ret_iters, double *ret);

/* ---- masks.c ---- */

/* What a value is where it is known ahead: 0, or -inf or inf; or just something, or nobody knows.
 */
typedef enum hone_ir__nothing {
    HONE_IR__ANY,
    HONE_IR__ZERO,
    HONE_IR__LOW,
    HONE_IR__HIGH
} hone_ir__nothing;

/* Where a value has to be computed, in the turns of a block. */
typedef struct hone_ir__live {
    bool known;              /* nowhere: it does not depend on data */
    bool fixed;              /* neither does it, but in some turns it is nothing */
    hone_ir__whens when;     /* surely where these hold; none: everywhere */
    hone_ir__nothing others; /* what it is where it need not be */
    bool may_be_zero;        /* also where they hold */
} hone_ir__live;

/* What is found about a program's stages, from the first on. */
typedef struct hone_ir__masks {
    hone_program *p;
    const hone_stmt *writer;  /* by buffer: the only block that writes it */
    const bool *is_const;     /* by buffer: does not depend on data */
    hone_ir__live *by_buffer; /* in the turns of its writer */
    hone_stmt block;          /* the one at hand */
    hone_memo seen;           /* its expressions, as places in `found` */
    HONE_VEC(hone_ir__live) found;
} hone_ir__masks;

/* Turns to a block: finds out about what it stores. */
void hone_ir__masks_of_stage(hone_ir__masks *m, hone_stmt block);
/* Turns to a block, nothing more. */
void hone_ir__masks_turn(hone_ir__masks *m, hone_stmt block);
/* May e, which is of the block at hand and no load of its own element, be 0 also where it has to be
 * computed? So is a mask of 0 and -inf. */
bool hone_ir__masks_may_be_zero(hone_ir__masks *m, hone_expr e);
/* Adds the conditions under which every load and select that e is made of, outside of arms, has to
 * be computed: where they hold, so has all that e is. */
void hone_ir__masks_all(hone_ir__masks *m, hone_expr e, hone_ir__whens *to);

/* ---- program.c ---- */

/* The symbol with this text if there is one already, else none. */
hone_sym hone_ir__sym_find(const hone_program *p, const char *name);
hone_var hone_ir__var_named(hone_program *p, hone_sym name, int64_t extent);
/* name, or name_1, name_2, ...: the first for which taken() is false. */
hone_sym hone_ir__unique(hone_program *p, const char *name,
                         bool (*taken)(const hone_program *p, hone_sym s));

#endif
