/* What the evaluation of operators is written with: counting through the elements of a tensor while
 * following where others have theirs. Evaluation is plain: floats are computed as doubles and
 * rounded once, integers as 64 bits, and cut to their type. Threads: as net/graph.h. */
#ifndef HONE_NET_EVAL_H
#define HONE_NET_EVAL_H

#include "net/internal.h"
#include "net/op/op.h"

#define HONE_NET_TRACKS 4

/* Counts through a shape, the last axis fastest; each track is an offset that is linear in the
 * place. */
typedef struct hone_net_counter {
    uint32_t n_dims, n_tracks;
    int64_t shape[HONE_MAX_DIMS], at[HONE_MAX_DIMS];
    int64_t offset[HONE_NET_TRACKS], stride[HONE_NET_TRACKS][HONE_MAX_DIMS];
} hone_net_counter;

/* At the first place of t's shape, or of its axes [from, to). */
hone_net_counter hone_net__count(const hone_tensor *t);
hone_net_counter hone_net__count_axes(const hone_tensor *t, uint32_t from, uint32_t to);
/* Adds a track: begins at `start`, one step along axis k is stride[k]. */
void hone_net__track(hone_net_counter *c, int64_t start, const int64_t *stride);
/* Adds a track through t, broadcast to the counter's shape. */
void hone_net__track_broadcast(hone_net_counter *c, const hone_tensor *t);
/* To the next place; after the last it is at the first again. */
void hone_net__next(hone_net_counter *c);
/* Elements from one place of axis k to the next, of a dense tensor. */
void hone_net__strides(const hone_tensor *t, int64_t ret[HONE_MAX_DIMS]);

/* Element `from` of x becomes element `to` of y, which has the type of x. */
void hone_net__move(const hone_tensor *x, int64_t from, hone_tensor *y, int64_t to);
/* n of them, in a row. */
void hone_net__move_n(const hone_tensor *x, int64_t from, hone_tensor *y, int64_t to, int64_t n);

/* y's elements, in order, are those of x that the counter's first track finds; the counter is at
 * its first place and has y's shape. */
void hone_net__follow(const hone_tensor *x, const hone_net_counter *c, hone_tensor *y);

/* Zero points and scales: number k of them, where one may stand for all; without t, 0. */
static inline double hone_net__point(const hone_tensor *t, int64_t k)
{
    return t ? hone_tensor_float(t, hone_tensor_elems(t) == 1 ? 0 : k) : 0;
}
/* x as element k of t, rounded to nearest even and held to t's range. */
void hone_net__set_saturated(hone_tensor *t, int64_t k, double x);

#endif
