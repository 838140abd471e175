/* What the files of libcall/ share: letters and names. */
#ifndef HONE_LIBCALL_INTERNAL_H
#define HONE_LIBCALL_INTERNAL_H

#include "libcall/libcall.h"

/* "i32" and so on, in the order of hone_libcall_kind. */
extern const char *const hone_libcall__kinds[HONE_LIBCALL_KINDS];

/* The kind that n letters name; HONE_LIBCALL_KINDS: none. */
hone_libcall_kind hone_libcall__kind(const char *s, size_t n);
/* A C identifier of fewer than `most` bytes. */
bool hone_libcall__is_name(const char *s, size_t n, size_t most);
/* What a linker and a loader may be given: letters, digits and ._+- , fewer than `most`, the first
 * one no sign. */
bool hone_libcall__is_file(const char *s, size_t n, size_t most);
/* A float that the kind holds: what was written, rounded to it. False: it is none, or not finite.
 */
bool hone_libcall__float(hone_libcall_kind kind, const char *s, double *ret);

#endif
