/* Decode anything; what decodes must encode again to something that decodes to the same bytes. */
#include "workers/wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hone_wire *m = hone_xmalloc(sizeof *m);
    hone_buf once = {0}, twice = {0};
    if (hone_wire_decode(data, size, m, NULL) == HONE_OK) {
        HONE_ASSERT(hone_wire_encode(m, &once, NULL) == HONE_OK);
        HONE_ASSERT(once.n <= size + 64); /* an unknown status name may grow */
        HONE_ASSERT(hone_wire_decode(once.s, once.n, m, NULL) == HONE_OK);
        HONE_ASSERT(hone_wire_encode(m, &twice, NULL) == HONE_OK);
        HONE_ASSERT(once.n == twice.n && memcmp(once.s, twice.s, once.n) == 0);
    }
    hone_buf_free(&once);
    hone_buf_free(&twice);
    free(m);
    return 0;
}
