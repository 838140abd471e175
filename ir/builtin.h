/* Kernels that come with hone, and what a file of kernels holds. */
#ifndef HONE_IR_BUILTIN_H
#define HONE_IR_BUILTIN_H

#include "ir/ir.h"

/* The texts of workloads/ products.hone, convolutions.hone and rows.hone in a row, as they were
 * when hone was built. Static storage, *ret_n bytes, NUL-terminated. For messages its file name is
 * "builtin". */
const char *hone_builtin_text(size_t *ret_n);

typedef struct hone_kernel_info {
    char *name; /* "matmul" */
    char *head; /* "matmul(M, N, K)" */
} hone_kernel_info;
typedef HONE_VEC(hone_kernel_info) hone_kernel_list;
/* The kernels of a text, in its order, appended to *ret (zeroed by the caller at first; freed with
 * hone_kernel_list_free, also after an error). HONE_E_INPUT as hone_workload_parse. */
hone_status hone_workload_list(const char *file, const char *text, size_t n, hone_kernel_list *ret,
                               hone_error *err) HONE_NODISCARD;
void hone_kernel_list_free(hone_kernel_list *l);

#endif
