/* Names of memory scopes. */
#include "ir/ir.h"

static const char *const names[] = {
#define HONE_SCOPE(NAME, text) text,
#include "ir/scopes.def"
#undef HONE_SCOPE
};

const char *hone_scope_name(hone_scope s)
{
    return s < HONE_SCOPE_COUNT ? names[s] : "?";
}

hone_scope hone_scope_parse(const char *name, size_t n)
{
    int s = 0;
    while (s < HONE_SCOPE_COUNT && (strlen(names[s]) != n || memcmp(names[s], name, n) != 0))
        s++;
    return (hone_scope)s;
}
