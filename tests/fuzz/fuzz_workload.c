/* Any text as a file of kernels: it is refused with a place, or gives a program that verifies,
 * prints, parses back to the same text and hash, and (when small) runs without leaving its
 * buffers unnoticed. */
#include "ir/builtin.h"
#include "tests/fuzz/run_small.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Program text of a verified program must come back the same. */
static void round_trip(const hone_program *p)
{
    hone_buf first = {0}, second = {0};
    hone_error err;
    hone_program q;
    hone_program_print(p, &first);
    if (hone_program_parse(first.s, first.n, &q, &err) != HONE_OK) {
        fprintf(stderr, "%s\n%s\n", first.s, err.message);
        abort();
    }
    hone_program_print(&q, &second);
    HONE_ASSERT(strcmp(first.s, second.s) == 0);
    HONE_ASSERT(hone_program_hash(p) == hone_program_hash(&q));
    hone_program_fini(&q);
    hone_buf_free(&first);
    hone_buf_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    hone_kernel_list list = {0};
    hone_error err;
    hone_status s = hone_workload_list("fuzz", text, size, &list, &err);
    HONE_ASSERT(s == HONE_OK ? list.n > 0 : err.line > 0 && err.column > 0);
    hone_kernel_list_free(&list);
    for (int values = 0; values < 2; values++) {
        const hone_size sizes[] = {{"M", values ? 5 : 0}, {"N", 3}, {"K", 1 << 20}};
        for (unsigned n = 0; n <= HONE_LEN(sizes); n++) {
            hone_program p;
            s = hone_workload_parse("fuzz", text, size, NULL, sizes, n, &p, &err);
            if (s == HONE_OK) {
                round_trip(&p);
                run_small(&p);
                hone_program_fini(&p);
            } else {
                HONE_ASSERT(err.message[0] &&
                            s == hone_workload_parse("fuzz", text, size, NULL, sizes, n, &p, NULL));
            }
        }
    }
    return 0;
}
