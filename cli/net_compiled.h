/* Kernels of a plan, compiled and loaded into this process. */
#ifndef HONE_CLI_NET_COMPILED_H
#define HONE_CLI_NET_COMPILED_H

#include "cli/net.h"
#include "net/quantise.h"

typedef struct net_compiled net_compiled;
/* Asks the logs for each kernel, as `hone net build` does. HONE_E_TOOL: it cannot be linked or
 * loaded; HONE_E_INTERRUPTED: cli_stopped; and what cli_look_up, hone_codegen_emit and
 * hone_codegen_link return. */
hone_status net_compiled_new(const hone_net_plan *p, const hone_target *t, const cli_list *logs,
                             int32_t threads, net_compiled **ret, hone_error *err) HONE_NODISCARD;
void net_compiled_free(net_compiled *c); /* NULL is fine */
/* By kernel: as measured, 0: it was not. */
const int64_t *net_compiled_ns(const net_compiled *c);
/* ctx: a net_compiled of that plan. HONE_E_NOMEM: the kernel found no memory. */
hone_net_kernel_fn net_compiled_run;

#endif
