/* Any text as program text: it is refused with a place, or gives a program that prints and parses
 * back to the same text, that the verifier can look at, and that runs (when it verifies and is
 * small) without leaving its buffers unnoticed. */
#include "ir/ir.h"
#include "tests/fuzz/run_small.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hone_program p, q;
    hone_error err;
    hone_status s = hone_program_parse((const char *)data, size, &p, &err);
    if (s != HONE_OK) {
        HONE_ASSERT(err.line > 0 && err.column > 0 && err.message[0]);
        HONE_ASSERT(s == hone_program_parse((const char *)data, size, &p, NULL));
        return 0;
    }
    hone_buf first = {0}, second = {0};
    hone_program_print(&p, &first);
    if (hone_program_parse(first.s, first.n, &q, &err) != HONE_OK) {
        fprintf(stderr, "%s\n%s\n", first.s, err.message);
        abort();
    }
    hone_program_print(&q, &second);
    HONE_ASSERT(strcmp(first.s, second.s) == 0);
    HONE_ASSERT(hone_program_hash(&p) == hone_program_hash(&q));
    s = hone_verify(&p, &err);
    HONE_ASSERT(s == hone_verify(&q, NULL));
    if (s == HONE_OK)
        run_small(&p);
    else
        HONE_ASSERT(err.message[0]);
    hone_program_fini(&p);
    hone_program_fini(&q);
    hone_buf_free(&first);
    hone_buf_free(&second);
    return 0;
}
