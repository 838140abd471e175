/* What the files of net have for each other. Threads: as net/graph.h. */
#ifndef HONE_NET_INTERNAL_H
#define HONE_NET_INTERNAL_H

#include "net/graph.h"

/* ---- every operator's inference and evaluation, by net/op/ops.def ---------------------------- */

#define HONE_NET_OP(ID, name, since, last, min_in, max_in, min_out, max_out, infer, eval, ...) \
    hone_status hone_net__infer_##infer(const hone_net_use *u, hone_error *err);               \
    hone_status hone_net__eval_##eval(const hone_net_use *u, hone_error *err);
#include "net/op/ops.def"
#undef HONE_NET_OP

/* ---- saying what is wrong -------------------------------------------------------------------- */

/* hone_fail, with "node 'x' (Conv): " before it. */
hone_status hone_net__fail(hone_error *err, hone_status s, const hone_net_use *u, const char *fmt,
                           ...) HONE_PRINTF(4, 5);
#define HONE_NET_BAD(...) hone_net__fail(err, HONE_E_INPUT, u, __VA_ARGS__)
/* Where the kind of thing is right and hone does not do it. */
#define HONE_NET_NOT_YET(...) hone_net__fail(err, HONE_E_UNSUPPORTED, u, __VA_ARGS__)

/* ---- tensors (tensor.c) ---------------------------------------------------------------------- */

/* Sets element k; floats are rounded to the type, to nearest even; integers wrap around. */
void hone_net__set_float(hone_tensor *t, int64_t k, double x);
void hone_net__set_int(hone_tensor *t, int64_t k, int64_t x);
/* All elements as doubles, or as integers; caller frees. */
double *hone_net__floats(const hone_tensor *t);
int64_t *hone_net__ints(const hone_tensor *t);
/* Elements of the axes in [from, to). */
int64_t hone_net__elems(const hone_tensor *t, uint32_t from, uint32_t to);
/* Where element k is along an axis. */
int64_t hone_net__place_along(const hone_tensor *t, uint32_t axis, int64_t k);
/* Adds an axis; false: too many, or the product of sizes is past HONE_NET_MAX_ELEMS. */
bool hone_net__add_dim(hone_tensor *t, int64_t size);
/* Enough for hone_tensor_text in a message. */
#define HONE_NET_TEXT_BYTES 200

/* Whether such a tensor is allowed: sizes are not negative, and their product fits. */
bool hone_net__shape_ok(const hone_tensor *t);

/* ---- ONNX's element types, by number (dtype.c) ----------------------------------------------- */

/* HONE_DTYPE_COUNT: hone does not have it, or there is none of that number. */
hone_dtype hone_net__dtype(int64_t onnx);
/* ONNX's name of it, "uint32"; "?": there is none. */
const char *hone_net__dtype_text(int64_t onnx);

/* ---- infer.c --------------------------------------------------------------------------------- */

/* Infers every node in order, and computes those whose inputs are constant, unless the result is
 * much larger than they are and not `all` is wanted; then `order` has what is left and needed. */
hone_status hone_net__infer(hone_net *g, bool all, hone_error *err) HONE_NODISCARD;
/* Takes out of `order` what no output needs. */
void hone_net__sweep(hone_net *g);

/* ---- show.c ---------------------------------------------------------------------------------- */

/* A value's name as people can take it, whatever the model calls it; "_": it has none. */
void hone_net__put_name(const hone_net *g, hone_net_value v, hone_buf *ret);

/* ---- graph.c --------------------------------------------------------------------------------- */

void hone_net__set_max_bytes(hone_net *g, int64_t bytes);

/* ---- read/ ----------------------------------------------------------------------------------- */

/* The failure `inner`, with the file it is about: on one line, whatever names there are in it.
 * (model.c) */
hone_status hone_net__fail_at(const char *path, const hone_error *inner, hone_error *err);

/* Bytes of the file `name` in `folder`, from `offset`, into `to`. The file is inside of the folder,
 * whatever links there are. */
hone_status hone_net__read_external(const char *folder, const char *name, uint64_t offset,
                                    uint64_t n, void *to, hone_error *err) HONE_NODISCARD;

#endif
