/* Kernels of a plan, each compiled by itself, and at work in a child that is closed in. */
#ifndef HONE_CLI_NET_COMPILED_H
#define HONE_CLI_NET_COMPILED_H

#include "cli/net.h"
#include "net/quantise.h"

typedef struct net_compiled net_compiled;
/* Asks the logs for each kernel, as `hone net build` does. *ret is the caller's to free in any
 * case. HONE_E_TOOL: it cannot be linked; HONE_E_INTERRUPTED: cli_stopped; and what cli_look_up,
 * hone_codegen_emit and hone_codegen_link return. */
hone_status net_compiled_new(const hone_net_plan *p, const hone_target *t, const cli_list *logs,
                             int32_t threads, net_compiled **ret, hone_error *err) HONE_NODISCARD;
void net_compiled_free(net_compiled *c); /* NULL is fine */
/* By kernel: as measured, 0: it was not. */
const int64_t *net_compiled_ns(const net_compiled *c);
/* Does `work` in a child process, where net_compiled_run runs kernels, as often as it likes. As
 * net_apart_run. */
hone_status net_compiled_work(net_compiled *c, hone_status (*work)(void *ctx, hone_error *err),
                              void *ctx, hone_error *err) HONE_NODISCARD;
/* ctx: a net_compiled of that plan, which is at work. HONE_E_NOMEM: the kernel found no memory. */
hone_net_kernel_fn net_compiled_run;

#endif
