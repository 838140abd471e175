/* What the files of net/plan have for each other. Threads: as net/plan.h. */
#ifndef HONE_NET_PLAN_INTERNAL_H
#define HONE_NET_PLAN_INTERNAL_H

#include "net/op/op.h"
#include "net/plan.h"

/* What a plan may do with an operator (net/plan/kinds.def). */
typedef enum hone_net_kind {
    HONE_NET_ALONE,       /* nothing: it is a kernel by itself */
    HONE_NET_VIEW,        /* its output is its first input under another shape */
    HONE_NET_ORDER,       /* its output is its first input with the axes in another order */
    HONE_NET_ELEMENTWISE, /* an element of its output is made of those that broadcast to it */
    HONE_NET_ROWS,        /* it reduces, or goes over, some axes, and has the others as loops */
    HONE_NET_PRODUCT,     /* a contraction or a window: elementwise nodes may follow in its loops */
} hone_net_kind;
hone_net_kind hone_net__kind(const hone_net_node_row *n);

/* Batch normalisations into the weights of the convolutions before them (fold.c). */
void hone_net__fold(hone_net *g);

/* Products of what is dequantised as products of integers, and zero points as terms (integers.c).
 * HONE_E_LIMIT: constants take too much memory. */
hone_status hone_net__integers(hone_net *g, hone_error *err) HONE_NODISCARD;

/* Takes out of the graph what no result is made of: parts of values (unread.c). */
void hone_net__unread(hone_net *g);
/* Products of which columns are split, as several (splits.c). */
void hone_net__splits(hone_net *g);
/* Divisions that a product with a reciprocal can stand for (divisions.c). */
void hone_net__divisions(hone_net *g);

/* Fills p->of, and p->orders of what transpositions take or make. Views whose memory cannot be
 * their input's stay nodes (views.c). */
void hone_net__views(hone_net_plan *p);
/* How `to` lies that has the elements of `from`, which lies in order `o`, in the same memory;
 * false: in no order of its axes. ONNX's order of the elements is the same for both. */
bool hone_net__reshaped(const hone_tensor *from, const hone_net_order *o, const hone_tensor *to,
                        hone_net_order *ret);
/* Likewise of a transposition, whose axis k is axis perm[k] of what lies in order `o`. */
void hone_net__transposed(const hone_net_order *o, const uint32_t *perm, uint8_t rank,
                          hone_net_order *ret);
/* Is the node only another name? */
static inline bool hone_net__is_view(const hone_net_plan *p, const hone_net_node_row *n)
{
    return n->n_out >= 1 && n->out[0].i && p->of.v[n->out[0].i].i != n->out[0].i;
}

/* Fills p->groups (fuse.c). */
void hone_net__fuse(hone_net_plan *p, bool no_fuse);
/* Fills p->orders of values and of their views; needs p->of (layout.c). */
void hone_net__layout(hone_net_plan *p, bool no_layout);
/* Fills p->parts, and takes groups away that are not computed then (parts.c). */
void hone_net__parts(hone_net_plan *p);
/* Is the group a convolution of 1 x 1, and what goes on with it, that can be computed on rows of
 * channels, one for each place of the image (rows.c)? */
bool hone_net__is_of_rows(const hone_net_plan *p, const hone_net_group *x, hone_net_use_room *room);
/* What it takes, beside an image of its result's shape, as rows: all places, one, or one element.
 * False: it is none of these. */
bool hone_net__as_rows(const hone_tensor *t, const hone_tensor *image, hone_tensor *ret);
/* Adds groups to p->groups that may be instead of others (covers.c). */
void hone_net__covers(hone_net_plan *p);
const char *hone_net__fused_name(hone_net_fused fused);
/* Fills p->kernels, p->calls, which take what o prefers where they have it, and p->spare (text.c).
 */
hone_status hone_net__texts(hone_net_plan *p, const hone_net_plan_options *o,
                            hone_error *err) HONE_NODISCARD;
/* Fills p->choices of what calls and groups there are (choose.c). */
void hone_net__choices(hone_net_plan *p);
/* Takes out the kernels that no call has, and counts the others' calls (choose.c). */
void hone_net__drop_kernels(hone_net_plan *p);
/* Is the group among those that are called? */
bool hone_net__is_taken(const hone_net_plan *p, const hone_net_group *x);
void hone_net__free_call(hone_net_call *c);
void hone_net__free_kernel(hone_net_kernel_row *k);
/* Fills p->at, p->workspace, p->live, also again (memory.c). */
void hone_net__memory(hone_net_plan *p);

/* How often each value is taken by nodes and the caller; the caller frees. */
uint32_t *hone_net__uses(const hone_net *g);
/* Bytes of what begins at a multiple of HONE_NET_ALIGN, up to the next. */
static inline int64_t hone_net__aligned(int64_t bytes)
{
    return (bytes + HONE_NET_ALIGN - 1) / HONE_NET_ALIGN * HONE_NET_ALIGN;
}
/* As ONNX has it. */
hone_net_order hone_net__plain(void);
bool hone_net__is_plain(const hone_tensor *t, const hone_net_order *o);

#endif
