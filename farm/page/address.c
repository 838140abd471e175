/* Where a page listens, and whom it takes for a neighbour. */
#include "farm/page/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

static bool is_loopback(const struct sockaddr_storage *s)
{
    if (s->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)s)->sin_addr.s_addr) >> 24 == 127;
    return s->ss_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)s)->sin6_addr);
}

static hone_status no_address(hone_error *err, const char *text)
{
    return hone_fail(err, HONE_E_INPUT, "'%.100s' is no address to listen at: give HOST:PORT",
                     text);
}

hone_status hone_page__address_read(const char *text, hone_page__address *ret, hone_error *err)
{
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;
    bool bracket = n >= 2 && text[0] == '[' && text[n - 1] == ']';
    char host[256], *end = NULL;
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
    if (n == 0 || n >= sizeof host || end == colon + 1 || *end || port > 65535)
        return no_address(err, text);
    snprintf(host, sizeof host, "%.*s", (int)(bracket ? n - 2 : n), text + bracket);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, colon + 1, &hints, &found) != 0)
        return no_address(err, text);
    *ret = (hone_page__address){.n = found->ai_addrlen};
    memcpy(&ret->at, found->ai_addr, found->ai_addrlen);
    ret->loopback = is_loopback(&ret->at);
    freeaddrinfo(found);
    return HONE_OK;
}

hone_status hone_page__listen(const hone_page__address *a, const char *text, int *ret_fd,
                              unsigned *ret_port, hone_error *err)
{
    const int yes = 1;
    struct sockaddr_storage at;
    socklen_t n = sizeof at;
    int fd = socket(a->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&a->at, a->n) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &n) != 0) {
        hone_status st = errno == EADDRINUSE      ? HONE_E_BUSY
                         : errno == EADDRNOTAVAIL ? HONE_E_INPUT
                                                  : HONE_E_IO;
        hone_fail_errno(err, st, "cannot listen at %.100s", text);
        if (fd >= 0)
            close(fd);
        return st;
    }
    *ret_fd = fd;
    *ret_port = ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                               : ((struct sockaddr_in *)&at)->sin_port);
    return HONE_OK;
}

bool hone_page__host_is_local(const char *host)
{
    if (!host)
        return false;
    size_t n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (host[n < strlen(host) ? n : strlen(host)] != '\0' && host[n] != ':')
        return false;
    char name[64];
    struct in_addr v4;
    if (n >= sizeof name)
        return false;
    snprintf(name, sizeof name, "%.*s", (int)n, host);
    return strcasecmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0 ||
           (inet_pton(AF_INET, name, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127);
}

bool hone_page__same(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    unsigned char differ = n != m;
    for (size_t k = 0; k < m; k++)
        differ |= (unsigned char)(a[n ? k % n : 0] ^ b[k]);
    return differ == 0;
}
