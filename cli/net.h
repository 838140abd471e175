/* hone net: what its verbs share. */
#ifndef HONE_CLI_NET_H
#define HONE_CLI_NET_H

#include "cli/cli.h"
#include "net/plan.h"

/* What was asked for. */
typedef struct net_request {
    const char *const *args; /* behind the verb */
    unsigned n;
    cli_sizes dims;
    const char *after, *by, *out, *name, *target, *data, *max_error, *weights;
    cli_list logs, inputs;
    int64_t threads, random; /* 0: as many as there are; -1: not asked for */
    bool dot, json, verbose;
} net_request;

/* The graph of the one model named, and its plan; both are the caller's in any case. */
hone_status cli_net_plan(const net_request *q, hone_net **ret_graph, hone_net_plan *ret_plan,
                         hone_error *err) HONE_NODISCARD;

/* The target that is asked for, or this machine, and the threads of kernels for it. HONE_E_INPUT.
 */
hone_status cli_net_target(const net_request *q, hone_target *ret, int32_t *ret_threads,
                           hone_error *err) HONE_NODISCARD;

/* A verb; its exit code. */
int cli_net_show(const cli_command *self, const net_request *q);     /* net.c */
int cli_net_tasks(const cli_command *self, const net_request *q);    /* net.c */
int cli_net_build(const cli_command *self, const net_request *q);    /* net_build.c */
int cli_net_run(const cli_command *self, const net_request *q);      /* net_run.c */
int cli_net_check(const cli_command *self, const net_request *q);    /* net_check.c */
int cli_net_profile(const cli_command *self, const net_request *q);  /* net_profile.c */
int cli_net_quantize(const cli_command *self, const net_request *q); /* net_quantize.c */

#endif
