/* The table of operators, by name and opset. */
#include "net/op/op.h"

#include "net/internal.h"

#include <math.h>

#define SPECS(...) ((const hone_net_attr_spec[]){{0}, __VA_ARGS__})
#define INT(n, d)                                       \
    {                                                   \
        .name = #n, .kind = HONE_NET_ATTR_INT, .i = (d) \
    }
#define FLOAT(n, d)                                       \
    {                                                     \
        .name = #n, .kind = HONE_NET_ATTR_FLOAT, .f = (d) \
    }
#define TEXT(n, d)                                          \
    {                                                       \
        .name = #n, .kind = HONE_NET_ATTR_TEXT, .text = (d) \
    }
#define INTS(n)                                \
    {                                          \
        .name = #n, .kind = HONE_NET_ATTR_INTS \
    }
#define FLOATS(n)                                \
    {                                            \
        .name = #n, .kind = HONE_NET_ATTR_FLOATS \
    }
#define TENSOR(n)                                \
    {                                            \
        .name = #n, .kind = HONE_NET_ATTR_TENSOR \
    }
#define NEED_INT(n)                                             \
    {                                                           \
        .name = #n, .kind = HONE_NET_ATTR_INT, .required = true \
    }
#define NEED_TEXT(n)                                             \
    {                                                            \
        .name = #n, .kind = HONE_NET_ATTR_TEXT, .required = true \
    }
#define NEED_INTS(n)                                             \
    {                                                            \
        .name = #n, .kind = HONE_NET_ATTR_INTS, .required = true \
    }
#define NEED_FLOATS(n)                                             \
    {                                                              \
        .name = #n, .kind = HONE_NET_ATTR_FLOATS, .required = true \
    }

static const hone_net_op table[HONE_NET_OP_COUNT] = {
#define HONE_NET_OP(ID, text, from, to, i0, i1, o0, o1, inference, evaluation, ...) \
    [HONE_NET_OP_##ID] = {.id = HONE_NET_OP_##ID,                                   \
                          .name = text,                                             \
                          .since = from,                                            \
                          .last = to,                                               \
                          .min_in = i0,                                             \
                          .max_in = i1,                                             \
                          .min_out = o0,                                            \
                          .max_out = o1,                                            \
                          .infer = hone_net__infer_##inference,                     \
                          .eval = hone_net__eval_##evaluation,                      \
                          .attrs = SPECS(__VA_ARGS__) + 1,                          \
                          .n_attrs = HONE_LEN(SPECS(__VA_ARGS__)) - 1},
#include "net/op/ops.def"
#undef HONE_NET_OP
};

const hone_net_op *hone_net_op_find(const char *name, int64_t opset, bool *ret_known)
{
    *ret_known = false;
    for (unsigned k = 0; k < HONE_NET_OP_COUNT; k++) {
        if (strcmp(table[k].name, name) != 0)
            continue;
        *ret_known = true;
        if (opset >= table[k].since && opset <= table[k].last)
            return &table[k];
    }
    return NULL;
}
