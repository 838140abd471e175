/* page: a farm over HTTP, to be looked at only: `/` for people, /status.json, /metrics for
 * Prometheus, /healthz. A thread of its own answers with the last snapshot that was published, so
 * that whoever asks never waits for the farm, nor the farm for them.
 *
 * On loopback it answers whoever can reach it; at any other address only with a token, in
 * `Authorization: Bearer TOKEN` or as ?token=TOKEN. /healthz needs none.
 *
 * Threads: a page belongs to the thread that started it. */
#ifndef HONE_FARM_PAGE_H
#define HONE_FARM_PAGE_H

#include "base/base.h"

typedef struct hone_page hone_page;

typedef struct hone_page_options {
    const char *listen;     /* HOST:PORT, [HOST]:PORT; port 0: any that is free */
    const char *token_file; /* a line of 16 to 256 printable characters; NULL: none */
    unsigned idle_s;        /* a connection may say nothing for so long; 0: 5 */
    unsigned life_s;        /* and may last so long, however busy; 0: 15 */
} hone_page_options;

/* HONE_E_INPUT: no such address, no token where one is needed, or no token in the file;
 * HONE_E_NOTFOUND: no such file; HONE_E_BUSY: somebody else listens there; HONE_E_IO. */
hone_status hone_page_start(const hone_page_options *o, hone_page **ret,
                            hone_error *err) HONE_NODISCARD;
/* Where it listens. */
unsigned hone_page_port(const hone_page *p);
/* The next snapshot; to be called about once a second, since it also ends connections that have
 * lasted too long. status: JSON; metrics: Prometheus' text; both copied. trouble: what /healthz
 * says with 503; NULL: all is well. */
void hone_page_publish(hone_page *p, const char *status, const char *metrics, const char *trouble);
/* NULL is fine. */
void hone_page_stop(hone_page *p);

#endif
