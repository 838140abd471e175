/* An equation of Einsum, read: each term as the names of its axes. Threads: as net/graph.h. */
#ifndef HONE_NET_EINSUM_H
#define HONE_NET_EINSUM_H

#include "net/internal.h"

#define HONE_NET_EINSUM_INPUTS 8
#define HONE_NET_DOTS '0' /* the axes of an ellipsis are '0' for the last, '1' before it, ... */

typedef struct hone_net_term {
    uint32_t n;
    char axis[HONE_MAX_DIMS]; /* letters, or of an ellipsis */
} hone_net_term;

typedef struct hone_net_einsum {
    uint32_t n;
    hone_net_term in[HONE_NET_EINSUM_INPUTS], out;
    int64_t size[128]; /* of the axis with this name */
    bool seen[128];
} hone_net_einsum;

/* HONE_E_INPUT, HONE_E_UNSUPPORTED. */
hone_status hone_net__einsum_of(const hone_net_use *u, hone_net_einsum *ret,
                                hone_error *err) HONE_NODISCARD;

#endif
