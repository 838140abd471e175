/* A network as code: what `hone net build` writes, and what run, check and profile load. */
#ifndef HONE_CLI_NET_MADE_H
#define HONE_CLI_NET_MADE_H

#include "cli/emit.h"
#include "cli/lookup.h"
#include "net/plan.h"

/* A kernel of the plan and the answer that it gets. */
typedef struct net_made_kernel {
    cli_kernel kernel;
    cli_answer answer;
    hone_codegen_intrin *intrins;
    unsigned n_intrins;
    bool has_code; /* code was made of the answer */
} net_made_kernel;

/* A constant in the order that some calls want. */
typedef struct net_weight {
    hone_net_arg arg;
    int64_t at;
} net_weight;

/* A kernel of a plan, for questions. What hone_workload_parse returns. */
hone_status net_made_read_kernel(const hone_net_kernel_row *row, cli_kernel *ret,
                                 hone_error *err) HONE_NODISCARD;
/* Reads a kernel of a plan and asks for its answer, of any rung; code: one that code can be made
 * of, which takes as long as making it. *ret is to be freed in any case, by net_made_kernel_free.
 * What hone_workload_parse and cli_look_up return. */
hone_status net_made_kernel_ask(const hone_net_kernel_row *row, const hone_target *t,
                                const cli_list *logs, int32_t threads, bool code,
                                net_made_kernel *ret, hone_error *err) HONE_NODISCARD;
void net_made_kernel_free(net_made_kernel *k);
/* The rung of its answer as people are told it: "as written" where the default is no schedule. */
const char *net_made_rung(const net_made_kernel *k);
/* Links an object and keeps the shared object as a file in memory; *ret: its descriptor, -1: there
 * is none, also after an error. What hone_codegen_link returns; HONE_E_IO: it cannot be kept. */
hone_status net_made_link(const hone_code *object, int *ret, hone_error *err) HONE_NODISCARD;

typedef struct net_made {
    const hone_net_plan *p; /* borrowed */
    hone_target target;
    int32_t threads;
    net_made_kernel *kernels; /* as many as the plan has */
    HONE_VEC(net_weight) weights;
    char *bytes; /* of the file of weights, at HONE_NET_ALIGN */
    int64_t n_bytes;
    hone_codegen_call *calls;
    HONE_VEC(hone_codegen_copy) copies;
    hone_code object;
    int64_t packed; /* bytes */
} net_made;

typedef struct net_make_options {
    const hone_target *target;
    const cli_list *logs;
    int32_t threads;
    const char *name; /* what its functions begin with */
    bool watched;     /* hone_codegen_network */
} net_make_options;

/* Has each choice of the plan take the cover that is the fastest by the logs: where some ran in
 * turns, by that, else by their times; before net_make. What net_known_look and net_known_races
 * return. */
hone_status net_choose(hone_net_plan *p, const net_make_options *o, hone_error *err) HONE_NODISCARD;

/* Asks the logs for each kernel and makes the object and the weights. *ret is the caller's to free
 * in any case. What cli_look_up and hone_codegen_emit_network return; HONE_E_INTERRUPTED:
 * cli_stopped. */
hone_status net_make(const hone_net_plan *p, const net_make_options *o, net_made *ret,
                     hone_error *err) HONE_NODISCARD;
void net_made_free(net_made *m);

#endif
