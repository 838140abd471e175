/* Names of thread axes. */
#include "ir/ir.h"

static const char *const names[] = {
    "",
#define HONE_AXIS(NAME, text) text,
#include "ir/axes.def"
#undef HONE_AXIS
};

const char *hone_axis_name(hone_axis a)
{
    return a < HONE_AXIS_COUNT ? names[a] : "?";
}

hone_axis hone_axis_parse(const char *name)
{
    for (int a = 1; a < HONE_AXIS_COUNT; a++)
        if (strcmp(names[a], name) == 0)
            return (hone_axis)a;
    return HONE_AXIS_NONE;
}
