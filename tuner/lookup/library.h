/* Whether a library's function, which the question allows, was measured to be faster than the best
 * schedule. No rung: a question that names no library never comes here.
 *
 * Threads: as lookup.h. */
#ifndef HONE_LOOKUP_LIBRARY_H
#define HONE_LOOKUP_LIBRARY_H

#include "libcall/libcall.h"
#include "tuner/lookup/lookup.h"

typedef struct hone_lookup_library_answer {
    const hone_libcall *call; /* of those allowed: it was faster; NULL: use a schedule */
    hone_db_record record;    /* of that call */
    char *what;               /* one sentence, of either */
} hone_lookup_library_answer;

/* Looks for results of exactly these calls, the shared object's bytes included, for the question's
 * kernel, target and thread count. Of several logs the first that has such a result, or an exact
 * one of a schedule, decides; in it the time on the clock that both share does, where the call was
 * measured in turns with a schedule. *ret is the caller's to free with hone_lookup_library_free in
 * any case. What a database returns. */
hone_status hone_lookup_library(const hone_lookup_question *q, const hone_libcall *allowed,
                                unsigned n, hone_lookup_library_answer *ret,
                                hone_error *err) HONE_NODISCARD;
void hone_lookup_library_free(hone_lookup_library_answer *a);

#endif
