/* Inside of the page. */
#ifndef HONE_FARM_PAGE_INTERNAL_H
#define HONE_FARM_PAGE_INTERNAL_H

#include "farm/page.h"

/* frame.c: the document at `/`. The caller frees. */
char *hone_page__frame(size_t *ret_n);

/* address.c */
#include <sys/socket.h>
typedef struct hone_page__address {
    struct sockaddr_storage at;
    socklen_t n;
    bool loopback;
} hone_page__address;
/* "HOST:PORT". HONE_E_INPUT. */
hone_status hone_page__address_read(const char *text, hone_page__address *ret, hone_error *err);
/* A listening socket there. HONE_E_BUSY, HONE_E_INPUT, HONE_E_IO. */
hone_status hone_page__listen(const hone_page__address *a, const char *text, int *ret_fd,
                              unsigned *ret_port, hone_error *err);
/* Does a Host header name this machine? A page of another site, whose name was made to lead here,
 * does not. NULL is no. */
bool hone_page__host_is_local(const char *host);
/* Equal, in a time that does not tell how far. */
bool hone_page__same(const char *a, const char *b);

#endif
