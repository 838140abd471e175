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

/* ---- taps.c ---- */

/* `load`, in the block's value, is of what `writer` computes, a select whose other arm reads
 * nothing: the share of the block's steps at which its condition holds and something is met. False:
 * not known. */
bool hone_ir__live_share(const hone_program *p, hone_stmt block, hone_expr load, hone_stmt writer,
                         double *ret);
/* A condition on a block's iterators, and whether it shall hold or not. */
typedef struct hone_ir__when {
    hone_expr cond;
    bool holds;
} hone_ir__when;
/* Of the turns of those of the block's iterators that are in `iters`, as bits: the share in which
 * it can be, by the others, that all n are so. False: not known. */
bool hone_ir__held_share(const hone_program *p, hone_stmt block, const hone_ir__when *when,
                         unsigned n, uint32_t iters, double *ret);
/* Different elements that the load reads, of the dimensions in `dims`, as bits; *ret_iters:
 * iterators that move it there. False: not known, or too many to try. */
bool hone_ir__distinct(const hone_program *p, hone_stmt block, hone_expr load, uint32_t dims,
                       uint32_t *ret_iters, double *ret);

/* ---- program.c ---- */

/* The symbol with this text if there is one already, else none. */
hone_sym hone_ir__sym_find(const hone_program *p, const char *name);
hone_var hone_ir__var_named(hone_program *p, hone_sym name, int64_t extent);
/* name, or name_1, name_2, ...: the first for which taken() is false. */
hone_sym hone_ir__unique(hone_program *p, const char *name,
                         bool (*taken)(const hone_program *p, hone_sym s));

#endif
