/* ir: integer expressions as sums, shared inside this folder only (affine_sum.c, affine.c,
 * simplify.c, region.c).
 *
 * A sum is  base + sum_k c_k * (root_k // l_k)  with floor division: the quotient form. For one
 * root the functions root // l are linearly independent, so this form is unique, and every law of
 * nested // and % is an addition in it: root % m is root - m * (root // m).
 *
 * People and range analysis want digits instead: (root // l) % m. hone_ir__digits rewrites the
 * quotients of each root into digits (a term's `m`; 0 means that it is unbounded), the lowest
 * first, carrying into the next multiple; this is again a function of the quotient form alone.
 *
 * A root is an atom (a variable, or any expression that is not affine) or, for l > 1 only, the
 * canonical expression of a sum that has no simpler quotient by l ("compound"). */
#ifndef HONE_IR_AFFINE_SUM_H
#define HONE_IR_AFFINE_SUM_H

#include "ir/internal.h"

#define HONE_IR__MAX_TERMS 32

/* Ends of a half-known range. */
#define HONE_IR__LOW INT64_MIN
#define HONE_IR__HIGH INT64_MAX

typedef struct hone_ir__term {
    hone_expr root;
    bool compound;
    int64_t l, m, c;
    int64_t lo, hi; /* of the root */
} hone_ir__term;

typedef struct hone_ir__sum {
    int n;
    int64_t base;
    hone_ir__term t[HONE_IR__MAX_TERMS];
} hone_ir__sum;

/* What expressions are understood under. */
typedef struct hone_ir__env {
    hone_program *w; /* NULL: nothing may be appended; then p is only read */
    const hone_program *p;
    const hone_range *in; /* variables with narrower ranges */
    unsigned n_in;
    const hone_var *keep; /* variables that stay even if they have one value only */
    unsigned n_keep;
    int fuel;          /* steps left before subexpressions are taken as they are */
    int depth;         /* of sums within sums, which take kilobytes of stack each */
    uint32_t nameless; /* roots made up while nothing may be appended */
    hone_memo *memo;   /* of hone_ir__simplify, or NULL */
} hone_ir__env;

hone_ir__env hone_ir__env_of(hone_program *w, const hone_program *p, const hone_range *in,
                             unsigned n);

/* A fixed order of expressions that does not depend on ids: variables first. 0: the same. */
int hone_ir__compare(const hone_program *p, hone_expr a, hone_expr b);

static inline void hone_ir__sum_clear(hone_ir__sum *s)
{
    s->n = 0;
    s->base = 0;
}
/* These return false on overflow or too many terms; the sum is then worthless. */
bool hone_ir__sum_const(hone_ir__sum *s, int64_t v, int64_t scale);
bool hone_ir__sum_term(hone_ir__sum *s, const hone_ir__term *t, int64_t scale);
bool hone_ir__sum_add(hone_ir__sum *s, const hone_ir__sum *x, int64_t scale);
/* s += scale * digit, in quotients. */
bool hone_ir__sum_digit(hone_ir__env *env, hone_ir__sum *s, const hone_ir__term *digit,
                        int64_t scale);
/* ret may not be s. Terms in hone_ir__compare's order, high digits first. */
bool hone_ir__digits(hone_ir__env *env, const hone_ir__sum *s, hone_ir__sum *ret);
/* out += scale * floor(s / d), d >= 1. `raw` names the quotient when nothing may be appended. */
bool hone_ir__divide(hone_ir__env *env, const hone_ir__sum *s, int64_t d, int64_t scale,
                     hone_ir__sum *out, hone_expr raw);
/* Inclusive; an end is LOW or HIGH when it is not known. */
void hone_ir__sum_range(hone_ir__env *env, const hone_ir__sum *s, int64_t *ret_lo, int64_t *ret_hi);
/* The range of digits as they are (in any order, base included). */
void hone_ir__digits_range(const hone_ir__sum *digits, int64_t *ret_lo, int64_t *ret_hi);
/* What the sum is in i64, which wraps around, is the number it says: of data, whose range is not
 * known, only sums of one plain term are. Others may be added and multiplied, but neither divided
 * nor compared as numbers. */
bool hone_ir__exact(hone_ir__env *env, const hone_ir__sum *s);
/* Its range is known; it is exact then. */
bool hone_ir__bounded(hone_ir__env *env, const hone_ir__sum *s);
static inline bool hone_ir__known(int64_t lo, int64_t hi)
{
    return lo != HONE_IR__LOW && hi != HONE_IR__HIGH;
}
/* The canonical expression. env->w is set. */
hone_expr hone_ir__emit(hone_ir__env *env, const hone_ir__sum *s);

/* s += scale * e (i64). (affine.c) */
bool hone_ir__sum_expr(hone_ir__env *env, hone_expr e, int64_t scale, hone_ir__sum *s);
/* s += scale * e with e an atom as it stands. */
bool hone_ir__sum_atom(hone_ir__env *env, hone_expr e, int64_t scale, hone_ir__sum *s);
void hone_ir__range(hone_ir__env *env, hone_expr e, int64_t *ret_lo, int64_t *ret_hi);

/* Any expression in its canonical form. env->w is set. (simplify.c) */
hone_expr hone_ir__simplify(hone_ir__env *env, hone_expr e);
/* s += scale * e for an e that is no sum, product or quotient. (simplify.c) */
bool hone_ir__sum_other(hone_ir__env *env, hone_expr e, int64_t scale, hone_ir__sum *s);

#endif
