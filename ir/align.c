/* The annotation that storage_align leaves on the block that writes a buffer: TVM's list of
 * (buffer of the block, axis, factor, offset), as "0,0,64,16;0,1,8,0". */
#include "ir/ir.h"

void hone_aligns_of(const hone_program *p, hone_stmt block, hone_align ret[HONE_MAX_DIMS])
{
    const hone_ann *a = hone_ann_get(p, block, HONE_ANN_ALIGN);
    const char *at = a ? hone_sym_text(p, a->text) : "";
    for (unsigned d = 0; d < HONE_MAX_DIMS; d++)
        ret[d] = (hone_align){0};
    while (*at) {
        int64_t v[4];
        for (int k = 0; k < 4; k++) {
            char *end;
            v[k] = strtoll(at, &end, 10);
            if (end == at || *end != (k < 3 ? ',' : *end))
                return; /* not one that storage_align wrote: what is left of it says nothing */
            at = k < 3 ? end + 1 : end;
        }
        if (v[1] >= 0 && v[1] < HONE_MAX_DIMS && v[2] > 0 && v[2] <= HONE_MAX_ALIGN && v[3] >= 0 &&
            v[3] < v[2] && v[0] == 0)
            ret[v[1]] = (hone_align){v[2], v[3]};
        if (*at != ';')
            return;
        at++;
    }
}
