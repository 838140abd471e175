/* The table of statuses as names, texts and exit codes. */
#include "base/base.h"

static const struct {
    const char *name, *text;
    char kind; /* first letter of OK, E, REJECT */
    int exit_code;
} table[HONE_STATUS_COUNT] = {
#define HONE_STATUS(name, kind, code, text) [HONE_##name] = {#name, text, #kind[0], code},
#include "base/status.def"
#undef HONE_STATUS
};

static bool known(hone_status s)
{
    return (unsigned)s < HONE_STATUS_COUNT;
}

const char *hone_status_name(hone_status s)
{
    return known(s) ? table[s].name : "?";
}

const char *hone_status_text(hone_status s)
{
    return known(s) ? table[s].text : "unknown status";
}

hone_status hone_status_parse(const char *name)
{
    int s = 0;
    while (s < HONE_STATUS_COUNT && strcmp(table[s].name, name) != 0)
        s++;
    return (hone_status)s;
}

bool hone_status_is_reject(hone_status s)
{
    return known(s) && table[s].kind == 'R';
}

int hone_status_exit_code(hone_status s)
{
    return known(s) ? table[s].exit_code : 1;
}
