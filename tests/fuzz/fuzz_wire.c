/* Decode anything; what decodes must encode again to something that decodes to the same bytes, and
 * a result that is taken is one that could have been measured. */
#include "workers/wire/wire.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_result(const hone_wire_measured *m)
{
    static const hone_artifact incumbent;
    for (int paired = 0; paired < 2; paired++) {
        hone_measure_job asked = {.incumbent = paired ? &incumbent : NULL,
                                  .tolerance = 1e-3,
                                  .max_samples = HONE_MAX_SAMPLES};
        hone_measure_result r;
        if (hone_wire_result(m, &asked, &r, NULL) != HONE_OK)
            continue;
        HONE_ASSERT(!isnan(r.max_error) && isfinite(r.log_ratio) && r.check_ns >= 0);
        HONE_ASSERT(m->error.status != HONE_OK || (r.time_ns > 0 && r.max_error <= 1e-3));
        for (int32_t i = 0; i < r.n_samples; i++)
            HONE_ASSERT(r.sample_ns[i] > 0 && isfinite(r.sample_ns[i] + r.incumbent_ns[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hone_wire *m = hone_xmalloc(sizeof *m);
    hone_buf once = {0}, twice = {0};
    if (hone_wire_decode(data, size, m, NULL) == HONE_OK) {
        HONE_ASSERT(hone_wire_encode(m, &once, NULL) == HONE_OK);
        HONE_ASSERT(once.n <= size + 64); /* an unknown status name may grow; later fields come */
        HONE_ASSERT(hone_wire_decode(once.s, once.n, m, NULL) == HONE_OK);
        HONE_ASSERT(hone_wire_encode(m, &twice, NULL) == HONE_OK);
        HONE_ASSERT(once.n == twice.n && memcmp(once.s, twice.s, once.n) == 0);
        if (m->type == HONE_WIRE_MEASURED)
            check_result(&m->measured);
    }
    hone_buf_free(&once);
    hone_buf_free(&twice);
    free(m);
    return 0;
}
