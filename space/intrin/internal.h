/* Reading intrinsics; shared by intrin.c and parse.c alone. */
#ifndef HONE_SPACE_INTRIN_INTERNAL_H
#define HONE_SPACE_INTRIN_INTERNAL_H

#include "space/intrin/intrin.h"

typedef HONE_VEC(hone_intrin) hone_intrin__vec;

void hone_intrin__free(hone_intrin *in);
/* Appends those of a text. HONE_E_INPUT with FILE:LINE:COL and a caret line; *ret then holds what
 * came before the error. */
hone_status hone_intrin__read(const char *file, const char *text, size_t n, hone_intrin__vec *ret,
                              hone_error *err) HONE_NODISCARD;

#endif
