/* net: a network as calls of kernels, each made of one or more of its nodes.
 *
 *   fold     a batch normalisation behind a convolution becomes part of its weights (fold.c)
 *   integers products of what is quantised become products of integers (integers.c)
 *   splits   products whose columns are split are several (splits.c)
 *   unread   of what is taken in part only that part is computed (unread.c)
 *   divide   by what many elements share: products with the reciprocal (divisions.c)
 *   views    reshapes and the like are other names of what they take (views.c)
 *   fuse     nodes that can share their loops are one kernel (fuse.c)
 *   layout   in which order the axes of each tensor lie in memory (layout.c)
 *   parts    pieces that are put together are written where they are to be (parts.c)
 *   covers   other ways to fuse, between which measured times choose (covers.c)
 *   plan     the kernels' texts, equal ones once, in the order of their calls (plan.c); where their
 *            tensors lie in one workspace (memory.c)
 *
 * Memory: a plan refers to its graph, which has to outlive it; all else is its own.
 * Threads: a plan that is const may be read by several. */
#ifndef HONE_NET_PLAN_H
#define HONE_NET_PLAN_H

#include "net/graph.h"
#include "net/kernel.h"

/* The order of a tensor's axes in memory: dimension d there is axis axis[d]. {0, 2, 3, 1} is an
 * image with its channels last. */
typedef struct hone_net_order {
    uint8_t axis[HONE_MAX_DIMS];
} hone_net_order;

/* Elements of t from ONNX's order to that one; t->data is not looked at. */
void hone_net_reorder(const hone_tensor *t, const hone_net_order *o, const void *from, void *to);

/* Part of another value: its rows, which are its last dimension in memory, are `pitch` elements
 * from each other there, the first of them at `start`. */
typedef struct hone_net_part {
    hone_net_value whole; /* none: it is no part */
    int64_t start, pitch;
} hone_net_part;

/* An argument of a call. */
typedef struct hone_net_arg {
    hone_net_value value; /* whose memory: never a view */
    hone_net_order order; /* of its axes there; of constants each call has its own */
    hone_net_value part;  /* which part of it; none: all */
} hone_net_arg;

/* A kernel that computes a call, with its arguments. */
typedef struct hone_net_alternative {
    hone_net_way way;
    uint32_t kernel;
} hone_net_alternative;

typedef struct hone_net_call {
    uint32_t kernel; /* of the plan's: the alternative that is taken, at first the first one */
    HONE_VEC(hone_net_alternative) ways;
    uint32_t group;
    HONE_VEC(hone_net_arg) args; /* in the kernel's order */
    uint32_t n_out;              /* the last so many are outputs */
} hone_net_call;

/* Ways to fuse the nodes of a site (covers.c). */
typedef enum hone_net_fused {
    HONE_NET_FUSED,   /* as the rule has it */
    HONE_NET_APART,   /* one kernel of the rule's as several */
    HONE_NET_EARLIER, /* nodes of a kernel with the one before */
    HONE_NET_FUSED_WAYS
} hone_net_fused;

/* Nodes that are one kernel; the last one's outputs are all that others see of it. */
typedef struct hone_net_group {
    HONE_VEC(hone_net_node) nodes; /* each behind those it takes from */
    uint32_t site;        /* groups of one number compute the same; 0: there are no others */
    hone_net_fused fused; /* to which of the ways of fusing that site it belongs */
} hone_net_group;

#define HONE_NET_COVER_MAX 4  /* kernels of a cover */
#define HONE_NET_COVERS_MAX 8 /* of a choice */
/* Kernels that together compute what a choice is about, each by the call of a group. */
typedef struct hone_net_cover {
    hone_net_fused fused;
    uint32_t n;
    uint32_t group[HONE_NET_COVER_MAX], kernel[HONE_NET_COVER_MAX];
    hone_net_way way[HONE_NET_COVER_MAX];
    double ns; /* by which it was chosen; 0: it was not known */
} hone_net_cover;

/* Covers that compute the same, of which the fastest is to be taken. The first is the rule's. */
typedef struct hone_net_choice {
    hone_net_value value; /* what it computes */
    hone_net_cover covers[HONE_NET_COVERS_MAX];
    uint32_t n, taken;
    /* By cover: its time where they ran in turns, as a multiple of one of theirs; 0: it did not. */
    double raced[HONE_NET_COVERS_MAX];
} hone_net_choice;

typedef struct hone_net_kernel_row {
    char *name;              /* "conv_relu_2" */
    char *text;              /* "kernel conv_relu_2() { ... }" */
    uint32_t n_calls;        /* that take it */
    uint32_t n_always;       /* of these: whatever is chosen */
    HONE_VEC(int64_t) pitch; /* by argument, as hone_codegen_options has it; empty: all whole */
    bool in_place;           /* of some call the output lies where an input did */
} hone_net_kernel_row;

typedef struct hone_net_plan {
    const hone_net *graph;
    HONE_VEC(hone_net_group) groups; /* in an order in which they can be called, all of each site */
    HONE_VEC(hone_net_order) orders; /* by value */
    HONE_VEC(hone_net_value) of;     /* by value: of which value it is a view, itself if of none */
    HONE_VEC(hone_net_part) parts;   /* by value */
    HONE_VEC(hone_net_kernel_row) kernels;
    HONE_VEC(hone_net_call) calls; /* in order */
    HONE_VEC(hone_net_call) spare; /* of groups that are not taken; none after a choice */
    HONE_VEC(hone_net_choice) choices;
    HONE_VEC(hone_net_fused) fused; /* by site, from 1: how it is taken */
    HONE_VEC(int64_t) at;           /* by value: where in the workspace it lies, -1: it does not */
    int64_t workspace;              /* bytes */
    int64_t live;                   /* the most bytes of tensors that are needed at one time */
} hone_net_plan;

/* What a plan is made for. */
typedef struct hone_net_plan_options {
    bool no_fuse;         /* a kernel for each node */
    bool no_layout;       /* every tensor as ONNX has it */
    hone_net_way way;     /* what each call takes, where it has that */
    hone_net_fused fused; /* how each site is, where it can be */
} hone_net_plan_options;

/* Changes the graph (fold, integers) and makes its plan; *ret is the caller's to free in any case.
 * HONE_E_UNSUPPORTED: the message lists every node that hone has no kernel for, once for each
 * operator, with the reason. */
hone_status hone_net_plan_make(hone_net *g, const hone_net_plan_options *o, hone_net_plan *ret,
                               hone_error *err) HONE_NODISCARD;
void hone_net_plan_free(hone_net_plan *p);

/* Of each choice the cover with the least of these times is taken, ns by kernel, 0: not known; the
 * first where its own is not known, or ns is NULL. Kernels that no call takes leave the plan. Once
 * for each plan. */
void hone_net_plan_choose(hone_net_plan *p, const double *ns);
/* Which cover that is: a function of the choice and the times. *ret_ns: of each, 0: not known; of
 * those that ran in turns in these proportions, by the first one's. */
uint32_t hone_net_choice_of(const hone_net_choice *c, const double *ns,
                            double ret_ns[HONE_NET_COVERS_MAX]);
/* The covers whose times, 0: not known, lie within `more` (0.1: a tenth) of the least: how many, in
 * their order. None where the first one's is not known. Pure. */
uint32_t hone_net_choice_close(const hone_net_choice *c, const double *ns, double more,
                               uint32_t ret[HONE_NET_COVERS_MAX]);
/* "apart" or "fused winograd4" */
char *hone_net_cover_name(const hone_net_cover *c);

/* Choices of the same kernels as one: how often there is each, and its kernels. Before one is made;
 * the caller frees the array. */
typedef struct hone_net_weighed {
    uint32_t weight;
    const hone_net_choice *of; /* the first such */
} hone_net_weighed;
hone_net_weighed *hone_net_plan_weigh(const hone_net_plan *p, uint32_t *ret_n);
/* Is the kernel one of a choice's? */
bool hone_net_plan_may_choose(const hone_net_plan *p, uint32_t kernel);

/* A cover that is to run in turns with others (race.c). */
typedef struct hone_net_heat {
    uint32_t choice, cover; /* of the plan's */
    uint32_t first, n;      /* its calls, when they have been made */
} hone_net_heat;
/* Makes the plan one that runs these covers one after the other, to be timed, in place of the
 * network; fills in first and n of each. What no call makes is whatever lies in its memory. Instead
 * of hone_net_plan_choose; there are no choices left. */
void hone_net_plan_race(hone_net_plan *p, hone_net_heat *heats, uint32_t n);

/* Bytes from where the argument's value begins to the argument. */
int64_t hone_net_plan_start(const hone_net_plan *p, const hone_net_arg *a);

/* Which of the graph's outputs lies in v's memory, the first; graph->outputs.n: none. */
uint32_t hone_net_plan_output_of(const hone_net_plan *p, hone_net_value v);

/* The kernels as one file of the kernel language, and the task list that names it by `file`
 * (`hone tune --tasks`); the caller frees both. */
char *hone_net_plan_source(const hone_net_plan *p);
char *hone_net_plan_tasks(const hone_net_plan *p, const char *file);

typedef enum hone_net_stage {
    HONE_NET_READ,
    HONE_NET_FUSE,
    HONE_NET_LAYOUT,
    HONE_NET_PLAN
} hone_net_stage;
/* Text after that stage: the graph, its groups, these with orders in memory, or the calls with
 * their kernels and the workspace. */
void hone_net_plan_print(const hone_net_plan *p, hone_net_stage after, hone_buf *ret);

/* ---- a model that is to run on given inputs (plan.c) ------------------------------------------
 */

/* Reads a model for what o gives and plans it. Of what is given, scalars and lists of integers say
 * how to compute rather than what of, where there are other inputs, and become constants; the
 * others give their shapes. *ret_graph and *ret are the caller's to free in any case. Nothing is
 * chosen yet. As hone_net_read and hone_net_plan_make. */
hone_status hone_net_plan_for(const char *path, const hone_net_options *o, hone_net **ret_graph,
                              hone_net_plan *ret, hone_error *err) HONE_NODISCARD;

/* ---- what calls write (kept.c) --------------------------------------------------------------- */

/* The outputs of every call, as they lie in memory, after it has returned. Processes forked later
 * write to the same memory. */
typedef struct hone_net_kept {
    const hone_net_plan *plan;
    HONE_VEC(int64_t) at; /* by call */
    char *bytes;
    int64_t n_bytes;
} hone_net_kept;
/* HONE_E_NOMEM. */
hone_status hone_net_kept_new(const hone_net_plan *p, hone_net_kept *ret,
                              hone_error *err) HONE_NODISCARD;
void hone_net_kept_free(hone_net_kept *k);
/* Call `call` has written them. */
void hone_net_keep(const hone_net_kept *k, uint32_t call, const void *const *outputs);
const void *hone_net_kept_at(const hone_net_kept *k, uint32_t call, uint32_t output);

/* ---- running a plan (run.c) ------------------------------------------------------------------ */

/* Runs the network: in[k] is the graph's k-th input, as ONNX has it (row-major); ret_out[k] gets
 * the k-th output likewise, its data the caller's to free, also after an error. kept: gets what
 * calls write; NULL: nobody asks. */
typedef hone_status hone_net_runner(void *ctx, const hone_net_plan *p, const hone_tensor *in,
                                    hone_tensor *ret_out, const hone_net_kept *kept,
                                    hone_error *err);
/* Calls hone_net_plan_choose with the times that are known. */
typedef hone_status hone_net_chooser(void *ctx, hone_net_plan *p, hone_error *err);
/* By the interpreter, kernel by kernel; ctx is not looked at. What reading a kernel and
 * hone_interp_run return. */
hone_net_runner hone_net_plan_interpret;

#endif
