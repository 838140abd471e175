/* Any text as the Host header of a request for the page: who is taken for this machine is one that
 * a resolver could only lead here. And as a token: it is the same as itself, and as nothing else.
 */
#include "farm/page/internal.h"

#include <arpa/inet.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool begins(const char *text, const char *with)
{
    return strncasecmp(text, with, strlen(with)) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *host = hone_xmalloc(size + 1), *other = hone_xmalloc(size + 2);
    memcpy(host, data, size);
    host[size] = '\0';
    if (hone_page__host_is_local(host)) {
        size_t n = *host == '[' ? strlen("[::1]") : strcspn(host, ":");
        HONE_ASSERT(begins(host, "localhost") || begins(host, "[::1]") || begins(host, "127."));
        HONE_ASSERT(host[n] == '\0' || host[n] == ':');
    }
    snprintf(other, size + 2, "%s", host);
    HONE_ASSERT(hone_page__same(host, other));
    other[strlen(host)] = 'x';
    other[strlen(host) + 1] = '\0';
    HONE_ASSERT(!hone_page__same(host, other) && !hone_page__same(other, host));
    free(host);
    free(other);
    return 0;
}
