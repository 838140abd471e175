/* The workers of `hone tune`: where they are, and for `--target device` what they are. */
#include "cli/cli.h"

#define WAIT_NS (INT64_C(10) * 1000000000)
#define MORE_NS (INT64_C(1) * 1000000000) /* for others to come after the first */

/* The address of any interface cannot be gone to: it is one to wait at. */
static bool is_wildcard(const char *endpoint)
{
    static const char *const any[] = {"tcp://*:", "tcp://0.0.0.0:", "tcp://[::]:"};
    for (unsigned k = 0; k < HONE_LEN(any); k++)
        if (strncmp(endpoint, any[k], strlen(any[k])) == 0)
            return true;
    return false;
}

/* How many are gone to. */
static unsigned named(const cli_list *workers)
{
    unsigned n = 0;
    for (unsigned k = 0; k < workers->n; k++)
        n += !is_wildcard(workers->v[k]);
    return n;
}

hone_status cli_reach_workers(hone_pool *pool, const cli_list *listen, const cli_list *workers,
                              hone_error *err)
{
    hone_status st = HONE_OK;
    for (unsigned k = 0; k < listen->n && st == HONE_OK; k++)
        st = hone_pool_listen(pool, listen->v[k], err);
    for (unsigned k = 0; k < workers->n && st == HONE_OK; k++)
        st = is_wildcard(workers->v[k]) ? hone_pool_listen(pool, workers->v[k], err)
                                        : hone_pool_connect(pool, workers->v[k], err);
    return st;
}

hone_status cli_target_of_devices(hone_pool *pool, const cli_list *listen, const cli_list *workers,
                                  bool (*turn)(void *ctx), void *ctx, hone_target *ret,
                                  hone_error *err)
{
    uint32_t wanted = named(workers);
    bool more = listen->n + workers->n > wanted;
    int64_t start = hone_clock_ns(), first = 0;
    for (;;) {
        hone_pool_event e;
        hone_pool_next(pool, 50, &e);
        hone_artifact_free(&e.artifact);
        if (turn(ctx))
            return hone_fail(err, HONE_E_INTERRUPTED, "interrupted");
        int64_t now = hone_clock_ns();
        uint32_t here = hone_pool_peers(pool, HONE_ROLE_RUN);
        if (here && !first)
            first = now;
        bool enough = here && here >= wanted && (!more || now - first > MORE_NS);
        if (enough || now - start > WAIT_NS)
            break;
    }
    hone_error why = {0};
    switch (hone_pool_common_machine(pool, ret, &why)) {
    case HONE_OK:
        return HONE_OK;
    case HONE_E_NOTFOUND:
        return hone_fail(
            err, HONE_E_PEER,
            "no worker came in 10 s that can measure: start one with `hone worker`, or "
            "check the endpoint");
    default:
        return hone_fail(err, HONE_E_INPUT, "%s; give one target with --target", why.message);
    }
}
