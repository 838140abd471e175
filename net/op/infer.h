/* What the inference of operators is written with. Threads: as net/graph.h. */
#ifndef HONE_NET_INFER_H
#define HONE_NET_INFER_H

#include "net/internal.h"
#include "net/op/op.h"

/* ---- types ----------------------------------------------------------------------------------- */

static inline bool hone_net__is_real(hone_dtype t)
{
    return hone_dtype_is_float(t);
}
static inline bool hone_net__is_integer(hone_dtype t)
{
    return !hone_dtype_is_float(t) && t != HONE_BOOL;
}
static inline bool hone_net__is_number(hone_dtype t)
{
    return t != HONE_BOOL;
}
static inline bool hone_net__is_byte(hone_dtype t)
{
    return t == HONE_U8 || t == HONE_I8;
}

/* Input k, which is given, is of a type for which `is` holds; `what` says which those are. */
hone_status hone_net__want(const hone_net_use *u, uint32_t k, bool (*is)(hone_dtype),
                           const char *what, hone_error *err) HONE_NODISCARD;
/* Inputs [first, first + n), as far as they are given, are of one type. */
hone_status hone_net__want_same(const hone_net_use *u, uint32_t first, uint32_t n,
                                hone_error *err) HONE_NODISCARD;
/* Input k, if given, has these many dimensions. */
hone_status hone_net__want_dims(const hone_net_use *u, uint32_t k, uint32_t n,
                                hone_error *err) HONE_NODISCARD;

/* Input k, if given, is of this type and one number, or n of them: a scale or zero point. */
hone_status hone_net__want_point(const hone_net_use *u, uint32_t k, hone_dtype dtype, int64_t n,
                                 hone_error *err) HONE_NODISCARD;
/* The element type of ONNX's number, as attributes have it. HONE_E_UNSUPPORTED, HONE_E_INPUT. */
hone_status hone_net__onnx_dtype(const hone_net_use *u, int64_t number, hone_dtype *ret,
                                 hone_error *err) HONE_NODISCARD;

/* ---- shapes ---------------------------------------------------------------------------------- */

/* Output k, if it is asked for, is such a tensor (its data does not matter). HONE_E_INPUT: it would
 * be too large. */
hone_status hone_net__give(const hone_net_use *u, uint32_t k, const hone_tensor *like,
                           hone_error *err) HONE_NODISCARD;
/* `t` gets an axis. HONE_E_UNSUPPORTED: it has as many as there may be. HONE_E_INPUT: too large. */
hone_status hone_net__push(const hone_net_use *u, hone_tensor *t, int64_t size,
                           hone_error *err) HONE_NODISCARD;

/* ---- what inputs hold ------------------------------------------------------------------------ */

/* Input k is given and constant. HONE_E_UNSUPPORTED: known only when the network runs. */
hone_status hone_net__want_data(const hone_net_use *u, uint32_t k, hone_error *err) HONE_NODISCARD;
/* Input k as a list of at most `most` integers; an input that is not given is an empty list. */
hone_status hone_net__list(const hone_net_use *u, uint32_t k, uint32_t most, int64_t *ret,
                           uint32_t *ret_n, hone_error *err) HONE_NODISCARD;
/* Input k, or else attribute `name`, whichever the operator's row has. */
hone_status hone_net__list_or(const hone_net_use *u, uint32_t k, const char *name, uint32_t most,
                              int64_t *ret, uint32_t *ret_n, hone_error *err) HONE_NODISCARD;
/* Whether the operator's row has the attribute. */
bool hone_net__has_attr(const hone_net_use *u, const char *name);
/* An attribute that only some rows of an operator have. */
int64_t hone_net__int_or(const hone_net_use *u, const char *name, int64_t otherwise);

#endif
