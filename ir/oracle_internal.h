/* Inside the oracle: oracle.c makes stages, oracle_shadow.c the shadows of their expressions. */
#ifndef HONE_IR_ORACLE_INTERNAL_H
#define HONE_IR_ORACLE_INTERNAL_H

#include "ir/oracle.h"

typedef struct precision {
    double unit; /* relative error of one rounding to nearest */
    double tiny; /* half of the smallest positive number */
    double most; /* the largest finite number */
    double span; /* whole numbers up to it are exact */
} precision;

/* hone.quantum^degree 2^exponent, of which a value is a whole multiple. hone.quantum is at most 1,
 * so that a higher degree is finer. */
typedef struct quantum {
    bool known;
    int degree, exponent;
} quantum;

typedef struct shadow {
    hone_expr v, e;
    quantum q;
    bool done;
} shadow;

typedef struct oracle {
    const hone_program *p;
    hone_program *o;
    hone_buffer *value, *error; /* by buffer of p; error none: exact */
    quantum *quantum;           /* by buffer of p */
    hone_buffer step;           /* hone.quantum */
    /* of the block at hand */
    shadow *memo;    /* by expression of p */
    hone_expr *vars; /* by variable of p */
} oracle;

/* Of what is stored in a float dtype. */
precision hone_oracle__stored_as(hone_dtype t);
/* Beyond p's largest number there is infinity; near it either is right. */
shadow hone_oracle__bounded(oracle *c, shadow s, precision p);
/* s, stored as a float of dtype t: what is exact is rounded, the rest could be rounded either way.
 */
shadow hone_oracle__as_stored(oracle *c, shadow s, hone_dtype t);
/* Of an expression of p within the block at hand. */
shadow hone_oracle__translate(oracle *c, hone_expr e);
/* The same, of a term of a sum. */
shadow hone_oracle__translate_term(oracle *c, hone_expr e);
/* Is a value of this size more than the span of p in units of q, so that it may be rounded? q is
 * known. */
hone_expr hone_oracle__exceeds(oracle *c, hone_expr size, quantum q, precision p);
/* The bound of an integer v of dtype t, off by e before it was cut to its bits. */
hone_expr hone_oracle__wrapping(oracle *c, hone_dtype t, hone_expr v, hone_expr e);
/* Bounds, of which none is 0. */
hone_expr hone_oracle__plus(oracle *c, hone_expr a, hone_expr b);
hone_expr hone_oracle__or_zero(oracle *c, hone_expr e);

#endif
