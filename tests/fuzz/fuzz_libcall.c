/* Any bytes as a library's text, as a call in JSON and as a shared object: refused with a reason,
 * or understood and the same once more. */
#include "libcall/libcall.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_again(const hone_libcall *c)
{
    hone_libcall again;
    char *text = hone_libcall_text(c);
    HONE_ASSERT(hone_libcall_parse(text, strlen(text), &again, NULL) == HONE_OK);
    char *second = hone_libcall_text(&again);
    HONE_ASSERT(strcmp(text, second) == 0 && hone_libcall_is(text));
    free(second);
    free(text);
}

static void as_text(const char *text, size_t n)
{
    static const hone_libcall_size sizes[] = {{"M", 7}, {"N", 1}, {"K", INT64_MAX}};
    static const char *const names[] = {"A", "B", "C"};
    hone_libcall_library l;
    hone_libcall c;
    hone_error err = {0};
    hone_status st = hone_libcall_read("file", text, n, &l, &err);
    HONE_ASSERT((st == HONE_OK) == (err.message[0] == '\0'));
    HONE_ASSERT(st == HONE_OK || st == HONE_E_INPUT || st == HONE_E_LIMIT);
    if (st != HONE_OK)
        return;
    snprintf(l.name, sizeof l.name, "x");
    snprintf(l.real, sizeof l.real, "y");
    if (hone_libcall_resolve(&l, sizes, HONE_LEN(sizes), names, HONE_LEN(names), &c, &err) ==
        HONE_OK)
        same_again(&c);
    else
        HONE_ASSERT(err.message[0]);
    hone_libcall_library_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hone_libcall c;
    hone_error err = {0};
    as_text((const char *)data, size);
    if (hone_libcall_parse((const char *)data, size, &c, &err) == HONE_OK)
        same_again(&c);
    else
        HONE_ASSERT(err.message[0]);
    (void)!hone_libcall_object_has(data, size, "f", NULL);
    return 0;
}
