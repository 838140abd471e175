/* Index maps as text, "lambda k, j: (j // v0, k, j % v0)", of which hone takes those whose results
 * are each one index, or // and % of one index by constants: every index is then written with the
 * digits of a mixed-radix number, (j // 32, j // 8 % 4, j % 8). Private to the primitives. */
#ifndef HONE_SPACE_PRIM_INDEX_MAP_H
#define HONE_SPACE_PRIM_INDEX_MAP_H

#include "ir/ir.h"

/* One result: (source // div) % mod; mod 0: no %. */
typedef struct hone_prim__digit {
    unsigned source;
    int64_t div, mod;
} hone_prim__digit;

typedef struct hone_prim__map {
    unsigned n_sources, n;
    hone_prim__digit digits[HONE_MAX_DIMS];
} hone_prim__map;

/* v0, v1, .. of the text are v[0..n); `who` begins the messages. *ret_foreign: well formed, but
 * with
 * + - * or two indices in one result; *ret then says nothing. HONE_E_INPUT: malformed.
 * HONE_REJECT_LAYOUT: more results than a buffer has dimensions. */
hone_status hone_prim__map_parse(const char *who, const char *text, const int64_t *v, unsigned n,
                                 hone_prim__map *ret, bool *ret_foreign,
                                 hone_error *err) HONE_NODISCARD;
/* Do the digits of each index below shape[index], least first, make up the whole index? Two places
 * then never have the same image. */
bool hone_prim__map_is_positional(const hone_prim__map *m, const int64_t *shape);
/* Largest value of the digit of an index below `extent`, plus one. */
int64_t hone_prim__digit_extent(const hone_prim__digit *d, int64_t extent);
hone_expr hone_prim__digit_of(hone_program *p, const hone_prim__digit *d, hone_expr e);

#endif
