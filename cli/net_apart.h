/* Kernels that were just made, at work in a child process, which is closed in: when one of them is
 * wrong it takes nobody with it, and it can open, start and reach nothing. For all of `hone net`
 * that runs them: once, or thousands of times. */
#ifndef HONE_CLI_NET_APART_H
#define HONE_CLI_NET_APART_H

#include "net/plan.h"

typedef struct net_apart {
    const hone_net_plan *plan;
    /* Loads shared objects and starts threads: afterwards neither can be done any more. */
    hone_status (*set_up)(void *ctx, hone_error *err);
    /* Runs kernels. What is to be left of it lies in hone_apart_memory. */
    hone_status (*run)(void *ctx, hone_error *err);
    void *ctx;
    volatile uint32_t *at; /* net_apart_run's own, shared: which kernel is at work, and how many
                              have begun */
} net_apart;
/* What set_up and run return; HONE_E_INTERRUPTED: within a second of a signal; HONE_E_CRASHED,
 * HONE_E_KILLED: the child is dead, and the message names the kernel that was at work;
 * HONE_E_TIMEOUT: a kernel that began did not end in two minutes and what its arithmetic takes on
 * the slowest machine; HONE_E_LIMIT, HONE_E_NOMEM. */
hone_status net_apart_run(net_apart *a, hone_error *err) HONE_NODISCARD;

/* In the child: a kernel of the plan begins; the last that began has ended. */
void net_apart_begin(const net_apart *a, uint32_t kernel);
void net_apart_end(const net_apart *a);
/* In set_up: loads a shared object that net_made_link keeps, for good, and finds a symbol in it.
 * HONE_E_TOOL. */
hone_status net_apart_load(int fd, const char *symbol, void **ret, hone_error *err) HONE_NODISCARD;
/* In set_up: the threads that kernels will have. */
void net_apart_start_threads(int32_t threads);

#endif
