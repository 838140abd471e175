/* Any bytes as XGBoost's own form: trees, each of which ends for every row, or refused. */
#include "costmodel/trees.h"

#include <math.h>

enum { WIDTH = 178 }; /* of the corpus */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hone_costmodel__trees t;
    char *exact = hone_xmalloc(size ? size : 1);
    if (size)
        memcpy(exact, data, size);
    for (uint32_t width = 2; width <= WIDTH; width += WIDTH - 2) {
        bool good = hone_costmodel__trees_read(exact, size, width, &t);
        HONE_ASSERT(good == (t.roots.n > 0) && good == (t.nodes.n > 0));
        float rows[3 * WIDTH], out[3];
        for (unsigned k = 0; k < WIDTH; k++) {
            rows[k] = NAN;
            rows[WIDTH + k] = 1e30F;
            rows[2 * WIDTH + k] = (float)k - 3;
        }
        if (good)
            hone_costmodel__trees_predict(&t, rows, width, 3, out);
        hone_costmodel__trees_free(&t);
    }
    free(exact);
    return 0;
}
