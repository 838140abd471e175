/* Kernels that come with hone. Threads: a constant. */
#ifndef HONE_IR_BUILTIN_H
#define HONE_IR_BUILTIN_H

#include "ir/ir.h"

/* The texts of workloads/ products.hone, convolutions.hone and rows.hone in a row, as they were
 * when hone was built. Static storage, *ret_n bytes, NUL-terminated. For messages its file name is
 * "builtin". */
const char *hone_builtin_text(size_t *ret_n);

#endif
