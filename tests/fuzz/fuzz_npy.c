/* Any bytes as an array of numpy's: refused with one line, or a tensor that is written and read
 * again the same. */
#include "net/graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hone_tensor t, again;
    hone_error err = {0};
    hone_status st = hone_net_parse_npy(data, size, &t, &err);
    HONE_ASSERT((st == HONE_OK) == (err.message[0] == '\0') && !strchr(err.message, '\n'));
    HONE_ASSERT((st == HONE_OK) == (t.data != NULL));
    HONE_ASSERT(st == HONE_OK || st == HONE_E_INPUT || st == HONE_E_UNSUPPORTED);
    if (st != HONE_OK)
        return 0;
    hone_buf b = {0};
    hone_net_print_npy(&t, &b);
    HONE_ASSERT(hone_net_parse_npy(b.s, b.n, &again, &err) == HONE_OK);
    HONE_ASSERT(again.dtype == t.dtype && hone_tensor_same_shape(&again, &t));
    HONE_ASSERT(memcmp(again.data, t.data, (size_t)hone_tensor_bytes(&t)) == 0);
    free(again.data);
    free(t.data);
    hone_buf_free(&b);
    return 0;
}
