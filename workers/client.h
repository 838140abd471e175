/* client: the side that asks a service (`hone serve`) and is answered: texts that are not looked at
 * here, over the same sockets and keys as workers use.
 *
 * A client is not connected while it does not ask: connections come and go below, and what is under
 * way is asked again where the service was restarted in between. So a request must be one that may
 * be made twice, and a stream of answers may begin anew.
 *
 * Threads: a client belongs to one thread at a time. */
#ifndef HONE_WORKERS_CLIENT_H
#define HONE_WORKERS_CLIENT_H

#include "workers/workers.h"

typedef struct hone_client hone_client;

/* Texts are borrowed during hone_client_open. */
typedef struct hone_client_options {
    const char *service;    /* endpoint; NULL: HONE_SERVICE of the environment */
    const char *key_file;   /* secret key, or NULL: ipc only */
    const char *allow_file; /* the service's public key, or NULL */
    bool insecure_loopback; /* tcp on loopback without keys */
    int64_t connect_ms;     /* the service must answer within; 0: 10000 */
    /* Asked ten times a second while something is waited for; true ends the wait with
     * HONE_E_INTERRUPTED. NULL: never. */
    bool (*stop)(void *ctx);
    void *stop_ctx;
} hone_client_options;

/* Goes to the service and waits until it has let us in. HONE_E_INPUT (no endpoint, key or allow
 * file), HONE_E_NOTFOUND, HONE_E_IO; HONE_E_DENIED: says why; HONE_E_PEER: nobody answers there;
 * HONE_E_INTERRUPTED. */
hone_status hone_client_open(const hone_client_options *o, hone_client **ret,
                             hone_error *err) HONE_NODISCARD;
/* NULL is fine. */
void hone_client_close(hone_client *c);

/* Asks, and waits for the first answer, which replaces what *ret holds. n is at most
 * HONE_MAX_SAY_BYTES. What was asked before is over with it. timeout_ms 0: for ever.
 * *ret_more (may be NULL): hone_client_next has others. HONE_E_LIMIT: too long; HONE_E_TIMEOUT,
 * HONE_E_DENIED, HONE_E_INTERRUPTED, HONE_E_IO. */
hone_status hone_client_ask(hone_client *c, const void *request, size_t n, int64_t timeout_ms,
                            hone_buf *ret, bool *ret_more, hone_error *err) HONE_NODISCARD;
/* The next answer to it. The same; HONE_E_NOTFOUND: there was the last one already. After
 * HONE_E_TIMEOUT it may be called again. */
hone_status hone_client_next(hone_client *c, int64_t timeout_ms, hone_buf *ret, bool *ret_more,
                             hone_error *err) HONE_NODISCARD;

#endif
