/* Any text: it is a machine, whose numbers are within bounds and whose text reads back, or it is
 * refused with a reason. */
#include "costmodel/costmodel.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const hone_target t = {
        .triple = "x86_64-pc-linux-gnu", .vector_bytes = 32, .fma_per_cycle = 2};
    hone_machine m = {0}, again;
    hone_error err = {0};
    hone_status st = hone_machine_parse((const char *)data, size, &t, &m, &err);
    HONE_ASSERT(st == HONE_OK || st == HONE_E_INPUT || st == HONE_E_LIMIT);
    HONE_ASSERT((st == HONE_OK) == (err.message[0] == '\0'));
    if (st != HONE_OK) {
        HONE_ASSERT(m.clock_ghz == 0);
        return 0;
    }
#define HONE_MACHINE(name, least, most, text) HONE_ASSERT(m.name >= (least) && m.name <= (most));
#include "costmodel/machine.def"
#undef HONE_MACHINE
    char *text = hone_machine_text(&m);
    HONE_ASSERT(hone_machine_parse(text, strlen(text), &t, &again, &err) == HONE_OK);
    HONE_ASSERT(memcmp(&m, &again, sizeof m) == 0);
    free(text);
    return 0;
}
