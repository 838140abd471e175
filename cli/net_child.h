/* A network that was just made, at work: loaded into a child process, which is closed in, and run
 * there once, or often enough to time each of its kernels. */
#ifndef HONE_CLI_NET_CHILD_H
#define HONE_CLI_NET_CHILD_H

#include "cli/net_made.h"

/* When each call of a run had returned. In memory that the child writes to. */
typedef struct net_times {
    uint32_t n_calls;
    int64_t seconds;   /* to spend, about */
    bool whole;        /* other runs too, with nobody watching */
    uint32_t most;     /* runs that there is room for */
    uint32_t *n;       /* runs that were made */
    int64_t *stamps;   /* [n][1 + n_calls]: ns, the first before the run */
    int64_t *whole_ns; /* [n]: of another run, where those are wanted */
    void *memory;
    int64_t bytes;
} net_times;
/* HONE_E_NOMEM. */
hone_status net_times_new(uint32_t n_calls, int64_t seconds, bool whole, net_times *ret,
                          hone_error *err) HONE_NODISCARD;
void net_times_free(net_times *t);

typedef struct net_job {
    const net_made *made;      /* with o.watched, and functions that begin with NET_CHILD_NAME */
    const hone_tensor *in;     /* by the graph's inputs */
    hone_tensor *out;          /* by its outputs; data is filled in, the caller's to free */
    const hone_net_kept *kept; /* gets what calls write; NULL: nobody asks */
    const net_times *times;    /* NULL: it is run once */
} net_job;
#define NET_CHILD_NAME "net"
/* HONE_E_TOOL: it could not be linked; HONE_E_NOMEM; HONE_E_CORRUPT: the network returned an error;
 * and what net_apart_run returns. */
hone_status net_child_run(const net_job *j, hone_error *err) HONE_NODISCARD;

/* What a hone_net_runner of plans that compiles them needs. */
typedef struct net_compile {
    const hone_target *target;
    const cli_list *logs;
    int32_t threads;
} net_compile;
hone_net_runner net_run_compiled;     /* ctx: a net_compile */
hone_net_chooser net_choose_compiled; /* the same */

#endif
