/* Writing kernels: what the families share. */
#ifndef HONE_NET_KERNEL_INTERNAL_H
#define HONE_NET_KERNEL_INTERNAL_H

#include "net/kernel.h"

#include "net/op/op.h"

/* A buffer of the kernel. */
typedef struct hone_nk_row {
    char name[12]; /* its own: its number is in it */
    hone_tensor t;
    hone_role role;
    uint8_t order[HONE_MAX_DIMS]; /* dimension d in memory is this axis of the tensor */
    bool used, ranged;
    int64_t lo, hi;
    bool deferred;         /* a softmax leaves its exponentials here, and */
    hone_net_buffer scale; /* what its rows are to be multiplied by */
} hone_nk_row;

/* One use, as it is written. */
typedef struct hone_nk {
    hone_net_kernel *k;
    const hone_net_use *u;
    const hone_net_buffer *in, *out;
    hone_error *err;
} hone_nk;

/* A piece of text: as long as eight dimensions of 2^40 elements can make one. */
typedef struct hone_nk_text {
    char s[2200];
} hone_nk_text;

/* What stands between brackets. */
typedef struct hone_nk_index {
    unsigned n;
    char d[HONE_MAX_DIMS][240];
} hone_nk_index;

/* Writes the stages of e->u. */
typedef hone_status hone_nk_write(hone_nk *e);

/* ---- buffers --------------------------------------------------------------------------------- */

/* The use's buffers, which the text has from then on. */
const hone_nk_row *hone_nk__in(hone_nk *e, unsigned k);
const hone_nk_row *hone_nk__out(hone_nk *e, unsigned k);
/* A new temporary. */
const hone_nk_row *hone_nk__temp(hone_nk *e, hone_dtype t, const int64_t *shape, unsigned n);
/* The same, with axis order[d] as dimension d in memory. */
const hone_nk_row *hone_nk__temp_in(hone_nk *e, hone_dtype t, const int64_t *shape, unsigned n,
                                    const uint8_t *order);
/* The same, in memory in the order that `b` has, if it has as many axes. */
const hone_nk_row *hone_nk__temp_like(hone_nk *e, hone_dtype t, const int64_t *shape, unsigned n,
                                      hone_net_buffer b);
/* Of a deferred output: the factors of its rows. Of an input: such factors, or NULL. */
void hone_nk__put_scale(hone_nk *e, const hone_nk_row *scale);
const hone_nk_row *hone_nk__scale_of(const hone_nk *e, unsigned k);
/* Input k, if it is an argument, holds whole numbers from lo up to, and without, hi. */
void hone_nk__in_range(hone_nk *e, unsigned k, int64_t lo, int64_t hi);

static inline hone_dtype hone_nk__in_type(const hone_nk *e, unsigned k)
{
    return hone_net_in(e->u, k)->dtype;
}
/* What sums of a type are taken in: f32 for the floats of 16 bits. */
hone_dtype hone_nk__sum_type(hone_dtype t);

/* In which way the use is to be written if it can be; that it has been. */
hone_net_way hone_nk__way(const hone_nk *e);
void hone_nk__take_way(hone_nk *e);

/* ---- text ------------------------------------------------------------------------------------ */

/* i0, i1, ... */
hone_nk_index hone_nk__indices(unsigned n);
/* Sets index d. */
void hone_nk__set(hone_nk_index *x, unsigned d, const char *fmt, ...) HONE_PRINTF(3, 4);
/* "NAME[i0, i1]", the indices in the order that the buffer has in memory. */
hone_nk_text hone_nk__at(const hone_nk_row *b, const hone_nk_index *x);
hone_nk_text hone_nk__textf(const char *fmt, ...) HONE_PRINTF(1, 2);
/* x, of type `of`, cast if that is not what it is to be. */
hone_nk_text hone_nk__as(hone_dtype to, hone_dtype of, const char *x);
/* "x*3" */
hone_nk_text hone_nk__times(const char *x, int64_t by);
/* A number as a constant of the language, in parentheses if it has a sign. */
hone_nk_text hone_nk__number(double v);
/* Input k at the element that meets i0, i1, .. of an output of n dimensions: broadcast. A constant
 * of one element stands for itself. */
hone_nk_text hone_nk__operand(hone_nk *e, unsigned k, unsigned n);
/* Input k, of one element or one for each of an axis, at the index `at` of that axis. */
hone_nk_text hone_nk__per(hone_nk *e, unsigned k, const char *at);

/* A temporary of that shape at the same indices, which are 0 where it is 1 long. */
hone_nk_text hone_nk__spread(const hone_nk_row *b, const int64_t *shape, unsigned n);
/* Has it at most one dimension that is not 1? */
bool hone_nk__is_per(const hone_tensor *t);

/* NAME[i0, .. i(n-1)] = ... */
void hone_nk__stage(hone_nk *e, const hone_nk_row *b, unsigned n, const char *fmt, ...)
    HONE_PRINTF(4, 5);

/* HONE_E_UNSUPPORTED at the node. */
hone_status hone_nk__refuse(hone_nk *e, const char *fmt, ...) HONE_PRINTF(2, 3);

/* ---- parameters ------------------------------------------------------------------------------ */

/* An input that has to be known now. HONE_E_UNSUPPORTED. */
hone_status hone_nk__known(hone_nk *e, unsigned k, const char *what, const hone_tensor **ret);
/* Are all elements of the input this number? False also when it is not known. */
bool hone_nk__is_all(const hone_tensor *t, double v);

/* ---- shared between families ----------------------------------------------------------------- */

/* What a reduction runs over. */
typedef struct hone_nk_steps {
    unsigned n;
    int64_t count;       /* of them, together */
    hone_nk_text ranges; /* "k0 < 3, k1 < 3" */
    char name[HONE_MAX_ITERS][8];
} hone_nk_steps;
/* Adds one of `size` turns. Its index: "k0", or "0" for a single turn, which needs none. */
const char *hone_nk__step(hone_nk_steps *s, int64_t size);
/* The same, but a single turn is one too. */
const char *hone_nk__loop(hone_nk_steps *s, int64_t size);
/* "sum(k0 < 3) operand", or the operand alone where there is nothing to run over. */
hone_nk_text hone_nk__over(const char *op, const hone_nk_steps *s, const char *operand);

/* Of a tensor some axes are folded. Element of input k in a stage that has the other axes as i0,
 * i1, .., or (`wide`) all axes, those folded being 1 long. */
hone_nk_text hone_nk__folded(hone_nk *e, unsigned k, const bool *folded, bool wide,
                             hone_nk_steps *s);
/* The shape of the other axes; how many. */
unsigned hone_nk__kept(const hone_tensor *t, const bool *folded, int64_t *ret_shape);
/* A temporary over these, in a stage that has all axes as i0, i1, .. */
hone_nk_text hone_nk__kept_at(const hone_nk_row *b, const hone_tensor *t, const bool *folded);

/* What windows over input `in` look into: the input, or where they leave it a temporary that is as
 * long as they reach, and `fill` outside. */
const hone_nk_row *hone_nk__padded(hone_nk *e, unsigned in, const hone_net_window *w,
                                   const char *fill);
/* Its index for step k[s] of the window of output i2, i3, ..: sets dimensions 2 and up. */
void hone_nk__set_window(hone_nk_index *x, const hone_net_window *w, const char (*k)[8]);

/* Is Winograd's algorithm asked for, and can it compute the convolution? Then: writes its sums to
 * `to`. (winograd.c) */
bool hone_nk__is_winograd(hone_nk *e, const hone_net_window *w);
void hone_nk__winograd(hone_nk *e, const hone_net_window *w, const hone_nk_row *to);

/* A sum of products of integers, a and b, less their zero points: sum(ranges) (a - za) (b - zb). */
typedef struct hone_nk_products {
    const char *ranges;                       /* "k0 < 64" */
    const char *a, *b;                        /* "x1[i0, k0]", any integers */
    int64_t steps;                            /* how many products a sum has */
    unsigned n;                               /* dimensions of the result, and of the shapes: */
    const int64_t *shape, *shape_a, *shape_b; /* its own, and those of sums of a alone and of b
                                                 alone, 1 where these do not depend on an index */
    const char *za, *zb;                      /* of i32; NULL: 0 */
    bool is_output; /* the sums are the use's output, if there are no zero points */
} hone_nk_products;
/* Writes it as sums that do not know of zero points (those of b alone can be had ahead of time when
 * b is constant). The result, i32. */
const hone_nk_row *hone_nk__products(hone_nk *e, const hone_nk_products *p);
/* Input k, a zero point, as i32 at the index `at` of its axis; false: there is none, or it is 0. */
bool hone_nk__zero_point(hone_nk *e, unsigned k, const char *at, hone_nk_text *ret);
/* The output from i32 results: round(f32(from) * scale of a * scale of b / scale of y) + zero point
 * of y, held to its type. The numbers are those of inputs; at_a and at_b are the indices of their
 * axes. */
typedef struct hone_nk_rescale {
    const char *from; /* an expression, of i32 */
    unsigned scale_a, scale_b, scale_y, zero_y;
    const char *at_a, *at_b;
} hone_nk_rescale;
void hone_nk__rescaled(hone_nk *e, const hone_nk_rescale *r);

hone_nk_write hone_nk__elementwise;
#define HONE_NK(OP, FN) hone_nk_write hone_nk__##FN;
#include "net/kernel/families.def"
#undef HONE_NK

#endif
