/* What the files of the reader have for each other: a model as protobuf-c unpacks it, on its way
 * into a graph. Threads: as net/graph.h. */
#ifndef HONE_NET_READ_H
#define HONE_NET_READ_H

#include "net/internal.h"
#include "net/op/op.h"

#include <onnx.pb-c.h>

typedef struct hone_net_reader {
    hone_net *g;
    const Onnx__Model *model;
    const hone_net_options *options;
    const char *folder; /* of external data; NULL: none */
    int64_t opset;
    hone_map values;                /* by name; what is in it is a value's index */
    bool *dims_used;                /* of options->dims */
    uint32_t n_given, next_given;   /* inputs that something was given for; hone_net_given_for */
    HONE_VEC(const char *) missing; /* what hone does not have, sorted, each once */
} hone_net_reader;

/* survey.c: collects what hone does not have. HONE_E_UNSUPPORTED with all of it; HONE_E_INPUT. */
hone_status hone_net__survey(hone_net_reader *r, hone_error *err) HONE_NODISCARD;

/* values.c: initializers, inputs, outputs. */
hone_status hone_net__read_initializers(hone_net_reader *r, hone_error *err) HONE_NODISCARD;
hone_status hone_net__read_inputs(hone_net_reader *r, hone_error *err) HONE_NODISCARD;
hone_status hone_net__read_outputs(hone_net_reader *r, hone_error *err) HONE_NODISCARD;
/* What the model says of its outputs, held against what was inferred. */
hone_status hone_net__check_outputs(const hone_net_reader *r, hone_error *err) HONE_NODISCARD;
/* The value of this name, or none. */
hone_net_value hone_net__find_value(const hone_net_reader *r, const char *name);
/* A new one. HONE_E_INPUT: there is one. */
hone_status hone_net__name_value(hone_net_reader *r, const char *name, const hone_tensor *t,
                                 hone_net_value *ret, hone_error *err) HONE_NODISCARD;

/* nodes.c: all nodes with their attributes, in the model's order. */
hone_status hone_net__read_nodes(hone_net_reader *r, hone_error *err) HONE_NODISCARD;

/* order.c: each node after those whose results it takes. HONE_E_INPUT: a cycle. */
hone_status hone_net__sort(hone_net *g, hone_error *err) HONE_NODISCARD;

/* tensor.c: type, shape, and how many bytes; then the data, into room for so many. `what` is for
 * messages: "initializer 'w'". */
hone_status hone_net__tensor_type(const Onnx__Tensor *m, const char *what, hone_tensor *ret,
                                  hone_error *err) HONE_NODISCARD;
hone_status hone_net__tensor_data(const Onnx__Tensor *m, const char *what, const char *folder,
                                  hone_tensor *t, hone_error *err) HONE_NODISCARD;
/* Both, with the data in the graph. */
hone_status hone_net__read_tensor(hone_net *g, const Onnx__Tensor *m, const char *what,
                                  const char *folder, hone_tensor *ret,
                                  hone_error *err) HONE_NODISCARD;

/* model.c: memory of protobuf-c that fails past a limit, and bytes as such a message. */
typedef struct hone_net_budget {
    ProtobufCAllocator allocator;
    size_t left;
} hone_net_budget;
void hone_net__budget(hone_net_budget *b, size_t bytes);

#endif
