/* `--target device`: the devices say what they are. */
#include "cli/cli.h"

#define WAIT_NS (INT64_C(10) * 1000000000)
#define MORE_NS (INT64_C(1) * 1000000000) /* for others to come after the first */

hone_status cli_target_of_devices(hone_pool *pool, unsigned wanted, bool more,
                                  bool (*turn)(void *ctx), void *ctx, hone_target *ret,
                                  hone_error *err)
{
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
