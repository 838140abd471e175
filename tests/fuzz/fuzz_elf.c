/* The artifact checker on any bytes. An answer must depend on the bytes alone, and nothing outside
 * them may be read. */
#include "workers/device/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hone_error err = {0};
    hone_status plain = hone_device__elf_check(data, size, false, &err);
    HONE_ASSERT(plain == HONE_OK || err.message[0]);
    HONE_ASSERT(plain == HONE_OK || plain == HONE_REJECT_ARTIFACT || plain == HONE_E_INPUT);
    hone_status pack = hone_device__elf_check(data, size, true, NULL);
    HONE_ASSERT(pack == HONE_OK || pack == HONE_REJECT_ARTIFACT || pack == HONE_E_INPUT);
    /* wanting more of it never helps */
    HONE_ASSERT(plain == HONE_OK || pack != HONE_OK);
    HONE_ASSERT(hone_device__elf_check(data, size, false, NULL) == plain);
    hone_libcall_slot slot;
    bool wants;
    hone_status library = hone_device__elf_library(data, size, &slot, &wants, NULL);
    /* what passes there can only be wrong about its library */
    HONE_ASSERT(plain != HONE_OK || library == HONE_OK ||
                (library == HONE_REJECT_ARTIFACT && wants));
    if (library == HONE_OK && wants)
        HONE_ASSERT(strlen(slot.name) < sizeof slot.name &&
                    strlen(slot.function) < sizeof slot.function);
    return 0;
}
