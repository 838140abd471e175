/* net: what operators of a network compute, as text of hone's kernel language (docs/LANGUAGE.md).
 *
 * A kernel is written one use of an operator after the other: its inputs and outputs are declared
 * as tensors, what passes between two uses as a temporary. What is written follows from the uses,
 * their attributes and the shapes alone, so that equal uses make equal text. Each operator has a
 * row in net/kernel/families.def or net/kernel/elementwise.def, and a function in the file of its
 * family.
 *
 * Indices that come from memory (Gather) are held inside of their dimension, by the language's
 * rule. f16 and bf16 are summed in f32; elementwise arithmetic of theirs rounds after each
 * operator.
 *
 * Threads: a kernel belongs to one thread at a time; there is no other state. */
#ifndef HONE_NET_KERNEL_H
#define HONE_NET_KERNEL_H

#include "net/graph.h"

typedef struct hone_net_kernel hone_net_kernel;

/* A buffer of a kernel; 0 is none. */
typedef struct {
    uint32_t i;
} hone_net_buffer;
#define HONE_NET_NO_BUFFER ((hone_net_buffer){0})

#define HONE_NET_KERNEL_MAX_BUFFERS 200

/* An empty kernel, of that name: letters, digits and `_`. */
hone_net_kernel *hone_net_kernel_new(const char *name);
void hone_net_kernel_free(hone_net_kernel *k); /* NULL is fine */

/* Declares a buffer of the tensor's type and shape. Those that no use reads or writes are no part
 * of the text. An input whose tensor has data is `const`. None: there are
 * HONE_NET_KERNEL_MAX_BUFFERS. */
hone_net_buffer hone_net_kernel_input(hone_net_kernel *k, const hone_tensor *t);
hone_net_buffer hone_net_kernel_output(hone_net_kernel *k, const hone_tensor *t);
hone_net_buffer hone_net_kernel_temp(hone_net_kernel *k, const hone_tensor *t);
/* Keeps a buffer with axis axes[d] of its tensor as dimension d in memory: {0, 2, 3, 1} is an image
 * with its channels last. Uses mean the same elements as before, and stages run in the order of
 * memory. Before the first use of it. */
void hone_net_kernel_order(hone_net_kernel *k, hone_net_buffer b, const uint8_t *axes);

/* b, which a Softmax over its last axis writes and one MatMul alone reads, as its first operand,
 * both of f32 and of as many dimensions, keeps the exponentials: what the product makes of them is
 * scaled instead. The same but for rounding, and what hone's rule for attention takes
 * (docs/RULES.md). Before the first use of it. */
void hone_net_kernel_defer(hone_net_kernel *k, hone_net_buffer b);

/* Ways of computing (net/kernel/ways.def). */
typedef enum hone_net_way {
#define HONE_NET_WAY(NAME, name) HONE_NET_WAY_##NAME,
#include "net/kernel/ways.def"
#undef HONE_NET_WAY
    HONE_NET_WAYS
} hone_net_way;
const char *hone_net_way_name(hone_net_way w);
/* Uses from here on are written in that way, if they can be; has one been? The arguments are the
 * same in all ways. */
void hone_net_kernel_prefer(hone_net_kernel *k, hone_net_way w);
bool hone_net_kernel_preferred(const hone_net_kernel *k);

/* Appends what u computes, from the buffers in[0 .. n_in-1] to out[0 .. n_out-1]; none stands for
 * what is not given or not asked for. u has passed inference. Parameters that shape the kernel
 * (axes, pads, starts) must have data and are no arguments.
 *
 * HONE_E_UNSUPPORTED, the kernel being of no use then: there is no row for the operator, or not for
 * this type, mode or parameter; HONE_E_LIMIT: too many buffers. err.where is the node. */
hone_status hone_net_kernel_add(hone_net_kernel *k, const hone_net_use *u,
                                const hone_net_buffer *in, const hone_net_buffer *out,
                                hone_error *err) HONE_NODISCARD;

/* Does the text have this buffer? Arguments that it has are its own in the order of declaration,
 * inputs before outputs. */
bool hone_net_kernel_has(const hone_net_kernel *k, hone_net_buffer b);
/* "kernel NAME() { ... }"; the caller frees. */
char *hone_net_kernel_text(const hone_net_kernel *k);

/* ---- one use by itself ----------------------------------------------------------------------- */

/* An argument of the kernel: input or output `at` of the use. */
typedef struct hone_net_kernel_arg {
    bool is_output;
    uint32_t at;
} hone_net_kernel_arg;

typedef struct hone_net_kernel_of_use {
    char *text;
    HONE_VEC(hone_net_kernel_arg) args; /* in the kernel's order */
} hone_net_kernel_of_use;

/* The kernel of one use. As hone_net_kernel_add; after HONE_OK freed with
 * hone_net_kernel_of_use_free. */
hone_status hone_net_kernel_make(const char *name, const hone_net_use *u,
                                 hone_net_kernel_of_use *ret, hone_error *err) HONE_NODISCARD;
void hone_net_kernel_of_use_free(hone_net_kernel_of_use *k);

#endif
