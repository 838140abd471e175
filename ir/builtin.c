/* The kernels that come with hone, as text in the program. */
#include "ir/builtin.h"

/* One text of all files. The assembler looks for them in the include folders, of which the source
 * root is one. */
__asm__(".pushsection .rodata\n"
        ".global hone_builtin_begin\n"
        ".global hone_builtin_end\n"
        ".balign 16\n"
        "hone_builtin_begin:\n"
        ".incbin \"workloads/products.hone\"\n"
        ".incbin \"workloads/convolutions.hone\"\n"
        ".incbin \"workloads/rows.hone\"\n"
        "hone_builtin_end:\n"
        ".byte 0\n"
        ".popsection\n");

extern const char hone_builtin_begin[], hone_builtin_end[];

const char *hone_builtin_text(size_t *ret_n)
{
    *ret_n = (size_t)(hone_builtin_end - hone_builtin_begin);
    return hone_builtin_begin;
}
