/* net: a network as a graph of operators on tensors, read from an ONNX model.
 *
 *   values   tensors by name; row 0 is unused, and an index of 0 means "none"
 *   nodes    uses of an operator; row 0 is unused
 *   order    the nodes that are there, each after those whose results it takes
 *
 * After hone_net_read every value has an element type and a shape of known sizes. A value whose
 * tensor has `data` is constant: an initializer, or what was computed from such. A pass changes a
 * graph through the functions below; what it takes out is left in its array and not in `order`.
 *
 * Memory: the graph owns everything that its rows point to (names, attributes, constants), in one
 * arena that ends with it. Rows move when one is added: pointers to them are borrowed until then;
 * what rows point to stays.
 *
 * Operators are rows of net/op/ops.def (net/op/op.h); an attribute is asked for by its name there.
 *
 * Threads: a graph belongs to one thread at a time, unless it is `const`: then several may ask at
 * once. There is no other state. */
#ifndef HONE_NET_GRAPH_H
#define HONE_NET_GRAPH_H

#include "ir/ir.h"

typedef struct {
    uint32_t i;
} hone_net_value;
typedef struct {
    uint32_t i;
} hone_net_node;
#define HONE_NET_NO_VALUE ((hone_net_value){0})
#define HONE_NET_NO_NODE ((hone_net_node){0})

/* ---- tensors --------------------------------------------------------------------------------- */

#define HONE_NET_ALIGN 64               /* of a constant's data, in bytes */
#define HONE_NET_MAX_ELEMS (1ll << 40)  /* of a tensor */
#define HONE_NET_MAX_BYTES (16ll << 30) /* of all constants, unless an option says less */

/* Dense and row-major, in this machine's order of bytes; bool is a byte of 0 or 1, f16 and bf16 are
 * their bits. A size may be 0: then there are no elements, and data of a constant still is not
 * NULL. */
typedef struct hone_tensor {
    hone_dtype dtype; /* HONE_DTYPE_COUNT: not known */
    uint8_t n_dims;   /* 0: one element */
    int64_t shape[HONE_MAX_DIMS];
    void *data; /* NULL: not known before the network runs */
} hone_tensor;
/* 1 for no dimensions; sizes are those of a graph, so the product fits. */
int64_t hone_tensor_elems(const hone_tensor *t);
int64_t hone_tensor_bytes(const hone_tensor *t);
/* "f32[1, 64, 56, 56]"; cut to n bytes. */
void hone_tensor_text(const hone_tensor *t, char *ret, size_t n);
bool hone_tensor_same_shape(const hone_tensor *a, const hone_tensor *b);
/* Element k, whatever the type is. Floats are exact; an integer beyond 2^53 is rounded. */
double hone_tensor_float(const hone_tensor *t, int64_t k);
/* Element k of an integer or bool tensor; a float is cut towards zero and held to i64's range. */
int64_t hone_tensor_int(const hone_tensor *t, int64_t k);

/* ---- attributes ------------------------------------------------------------------------------ */

typedef enum hone_net_attr_kind {
    HONE_NET_ATTR_INT,
    HONE_NET_ATTR_FLOAT,
    HONE_NET_ATTR_TEXT,
    HONE_NET_ATTR_INTS,
    HONE_NET_ATTR_FLOATS,
    HONE_NET_ATTR_TENSOR
} hone_net_attr_kind;

typedef struct hone_net_attr {
    const char *name;
    hone_net_attr_kind kind;
    bool given; /* false: the default of the operator's row, and 0, "" or empty if it has none */
    uint32_t n; /* of ints or floats */
    union {
        int64_t i;
        float f;
        const char *text;
        const int64_t *ints;
        const float *floats;
        const hone_tensor *tensor; /* NULL: not given */
    };
} hone_net_attr;

/* ---- nodes and values ------------------------------------------------------------------------ */

struct hone_net_op; /* net/op/op.h */

#define HONE_NET_MAX_INPUTS 4096 /* and outputs, of a node */

typedef struct hone_net_node_row {
    const struct hone_net_op *op; /* row of net/op/ops.def; its `id` says which operator it is */
    const char *name;             /* as in the model, or "#7" by its place there; unique enough
                                     to be told to people, not an identity */
    const hone_net_value *in;     /* none: an optional input that is not given */
    const hone_net_value *out;    /* none: an output nobody asks for */
    uint32_t n_in, n_out;
    const hone_net_attr *attrs; /* all that the operator's row has, in its order */
    uint32_t n_attrs;
} hone_net_node_row;

typedef struct hone_net_value_row {
    const char *name; /* unique in the graph; "" of a result that the model does not name */
    hone_tensor t;
    hone_net_node producer; /* none: an input or an initializer */
    bool is_input, is_output;
} hone_net_value_row;

typedef struct hone_net {
    const char *name;
    int64_t opset; /* of the standard's operators */
    HONE_VEC(hone_net_value_row) values;
    HONE_VEC(hone_net_node_row) nodes;
    HONE_VEC(hone_net_node) order;
    HONE_VEC(hone_net_value) inputs, outputs; /* in the model's order */
    struct hone_net_arena *arena;
} hone_net;

static inline hone_net_value_row *hone_net_value_at(const hone_net *g, hone_net_value v)
{
    return &g->values.v[v.i];
}
static inline hone_net_node_row *hone_net_node_at(const hone_net *g, hone_net_node n)
{
    return &g->nodes.v[n.i];
}
static inline bool hone_net_is_constant(const hone_net *g, hone_net_value v)
{
    return g->values.v[v.i].t.data != NULL;
}

/* ---- life, and what passes change (graph.c) -------------------------------------------------- */

/* An empty graph. */
hone_net *hone_net_new(void);
void hone_net_free(hone_net *g); /* NULL is fine */
/* n zeroed bytes that live as long as the graph, at HONE_NET_ALIGN. NULL: past max_bytes. */
void *hone_net_alloc(hone_net *g, size_t n);
/* A copy that lives as long. */
const char *hone_net_strdup(hone_net *g, const char *s);
/* A value without producer; the name is copied. */
hone_net_value hone_net_add_value(hone_net *g, const char *name, const hone_tensor *t);
/* A node, its inputs, outputs and attributes copied; it is the producer of its outputs. It is not
 * in `order`. */
hone_net_node hone_net_add_node(hone_net *g, const hone_net_node_row *row);

/* ---- attributes of a node (attr.c) ----------------------------------------------------------- */

/* What the model gives, or else the default of the operator's row. Asking for a name or a kind that
 * the row does not have is a bug. Arrays and texts are borrowed from the graph. */
bool hone_net_attr_given(const hone_net_node_row *n, const char *name);
int64_t hone_net_attr_int(const hone_net_node_row *n, const char *name);
double hone_net_attr_float(const hone_net_node_row *n, const char *name);
const char *hone_net_attr_text(const hone_net_node_row *n, const char *name);
const int64_t *hone_net_attr_ints(const hone_net_node_row *n, const char *name, uint32_t *ret_n);
const float *hone_net_attr_floats(const hone_net_node_row *n, const char *name, uint32_t *ret_n);
const hone_tensor *hone_net_attr_tensor(const hone_net_node_row *n, const char *name);

/* ---- one use of an operator ------------------------------------------------------------------ */

/* A node with its tensors: what inference, evaluation and kernel text are functions of. in[k] is
 * NULL for an input that is not given, out[k] for an output nobody asks for; past n_in and n_out
 * nothing is read. Use hone_net_in, which is NULL there. */
typedef struct hone_net_use {
    const hone_net_node_row *node;
    const hone_tensor *const *in;
    hone_tensor *const *out;
    uint32_t n_in, n_out;
} hone_net_use;
static inline const hone_tensor *hone_net_in(const hone_net_use *u, uint32_t k)
{
    return k < u->n_in ? u->in[k] : NULL;
}
static inline hone_tensor *hone_net_out(const hone_net_use *u, uint32_t k)
{
    return k < u->n_out ? u->out[k] : NULL;
}

/* A node of the graph as such a use; the arrays are borrowed from `room`, the tensors from the
 * graph until a value is added. */
typedef struct hone_net_use_room {
    HONE_VEC(const hone_tensor *) in;
    HONE_VEC(hone_tensor *) out;
} hone_net_use_room;
hone_net_use hone_net_use_of(const hone_net *g, hone_net_node n, hone_net_use_room *room);
void hone_net_use_room_free(hone_net_use_room *room);

/* ---- reading (read/) ------------------------------------------------------------------------- */

typedef struct hone_net_options {
    const hone_size *dims; /* sizes of the model's symbolic dimensions */
    uint32_t n_dims;
    /* What the inputs hold, in the graph's order, or NULL; borrowed for the call. They become
     * constants, and so does all that is computed from them: that is how the reference runs.
     * One without data has a shape only. */
    const hone_tensor *given;
    const char *const *given_names; /* to which input each is given; NULL, or one that is NULL: to
                                       the next of those that no name is for */
    uint32_t n_given;
    int64_t max_bytes; /* of constants; 0: HONE_NET_MAX_BYTES */
} hone_net_options;

/* Which of o->given is for the input called `name`, o->n_given: none is. Asked for each input in
 * the graph's order, with *next 0 before the first. */
uint32_t hone_net_given_for(const hone_net_options *o, const char *name, uint32_t *next);

/* The graph of an ONNX model (opset 7 to 18), its shapes inferred and what is constant computed.
 * External data is read from the model's folder and nowhere else. The caller frees *ret.
 *
 * HONE_E_NOTFOUND, HONE_E_IO; HONE_E_INPUT: not a model, or one that contradicts itself;
 * HONE_E_UNSUPPORTED: the message lists every operator, or says which construct, hone does not
 * have; HONE_E_LIMIT: it takes more than is allowed. err.where is the file, and the message names
 * the node or value. */
hone_status hone_net_read(const char *path, const hone_net_options *o, hone_net **ret,
                          hone_error *err) HONE_NODISCARD;
/* The same of bytes; `folder` is where external data is, NULL: there is none. */
hone_status hone_net_parse(const void *bytes, size_t n, const char *folder,
                           const hone_net_options *o, hone_net **ret,
                           hone_error *err) HONE_NODISCARD;

/* A tensor in ONNX's own form, as test_data_set_0/input_0.pb is. Caller frees ret->data.
 * HONE_E_NOTFOUND, HONE_E_IO, HONE_E_INPUT, HONE_E_UNSUPPORTED. */
hone_status hone_net_read_tensor(const char *path, hone_tensor *ret,
                                 hone_error *err) HONE_NODISCARD;

/* Numbers N of the folders test_data_set_N in a folder, ascending, whichever there are. */
typedef struct hone_net_sets {
    HONE_VEC(uint32_t) v;
} hone_net_sets;
/* The caller frees ret->v. HONE_E_NOTFOUND; HONE_E_INPUT: it is no folder, or may not be read. */
hone_status hone_net_find_sets(const char *folder, hone_net_sets *ret,
                               hone_error *err) HONE_NODISCARD;

/* ---- writing (write.c) ----------------------------------------------------------------------- */

/* The graph as an ONNX model of its opset: what is constant as initializers, shapes as they are
 * known. The caller frees *ret. HONE_E_LIMIT: it would be larger than the format allows. */
hone_status hone_net_write(const hone_net *g, uint8_t **ret, size_t *ret_n,
                           hone_error *err) HONE_NODISCARD;

/* ---- numpy's files (npy.c) ------------------------------------------------------------------- */

/* An array as numpy saves it, format 1.0 to 3.0, in either order of axes and of bytes. Caller frees
 * ret->data. HONE_E_INPUT: it is none, or a part; HONE_E_UNSUPPORTED: a type that hone does not
 * have. */
hone_status hone_net_parse_npy(const void *bytes, size_t n, hone_tensor *ret,
                               hone_error *err) HONE_NODISCARD;
/* Appends the tensor as such a file; bf16, which numpy does not know, as elements of two bytes. */
void hone_net_print_npy(const hone_tensor *t, hone_buf *ret);
/* A file of either form: X.npy is numpy's, any other ONNX's. As hone_net_read_tensor. */
hone_status hone_net_read_array(const char *path, hone_tensor *ret, hone_error *err) HONE_NODISCARD;

/* ---- seeing (show.c) ------------------------------------------------------------------------- */

/* As text, a line for each input, constant, node and output. */
void hone_net_print(const hone_net *g, hone_buf *ret);
/* As a graph of Graphviz. */
void hone_net_print_dot(const hone_net *g, hone_buf *ret);

#endif
