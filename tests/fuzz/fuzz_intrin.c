/* Any text as intrinsics: it is refused with a place and adds nothing, or gives a set whose text
 * makes the same set again. */
#include "space/intrin/intrin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hone_error err;
    hone_intrin_set *s = hone_intrin_set_new(), *again = hone_intrin_set_new();
    unsigned before = hone_intrin_count(s);
    hone_status st = hone_intrin_set_add(s, "fuzz", (const char *)data, size, &err);
    if (st != HONE_OK) {
        HONE_ASSERT(st == HONE_E_INPUT || st == HONE_E_LIMIT);
        HONE_ASSERT(err.message[0] && hone_intrin_count(s) == before);
        HONE_ASSERT(st == hone_intrin_set_add(again, "fuzz", (const char *)data, size, NULL));
    } else {
        const char *text = hone_intrin_set_text(s);
        HONE_ASSERT(hone_intrin_set_add(again, "fuzz", text, strlen(text), &err) == HONE_OK);
        HONE_ASSERT(hone_intrin_count(s) == hone_intrin_count(again));
        for (unsigned k = 0; k < hone_intrin_count(s); k++) {
            const hone_intrin *a = hone_intrin_at(s, k), *b = hone_intrin_at(again, k);
            HONE_ASSERT(strcmp(a->name, b->name) == 0 && strcmp(a->impl, b->impl) == 0);
            HONE_ASSERT(hone_program_hash(&a->desc) == hone_program_hash(&b->desc));
            HONE_ASSERT(a->n_args <= HONE_INTRIN_MAX_ARGS && a->n_loops <= HONE_INTRIN_MAX_LOOPS);
        }
    }
    hone_intrin_set_free(s);
    hone_intrin_set_free(again);
    return 0;
}
