/* The least time a call of a kernel can take where it stands in a network. */
#ifndef HONE_CLI_NET_ROOFLINE_H
#define HONE_CLI_NET_ROOFLINE_H

#include "costmodel/costmodel.h"

/* Where a kernel stands. */
typedef struct net_place {
    const hone_target *target;
    const hone_machine *machine;
    int32_t threads;
    double network_bytes; /* that every run goes over: all weights and the workspace */
    double weight_bytes;  /* of this call's constants */
    double other_bytes;   /* of its other arguments */
} net_place;

typedef struct net_roofline {
    double ns;
    const char *bound; /* "products", "exp", "memory", ... : what takes so long */
} net_roofline;

/* Arithmetic that the kernel cannot do without (hone_program_least_work), each kind at the rate of
 * the machine's vector units, or what it has to read and write at the rate of the level that has
 * it, whichever takes longer: a bound from below. Weights were last read a run ago, so they come
 * from where the whole network's data fits; other arguments were just written. Pure; p is as
 * written, and scratch expressions may be added to it. */
net_roofline net_roofline_of(hone_program *p, const net_place *at);

#endif
