/* service: a farm on real sockets, a real disk and real sessions; what `hone serve` runs.
 *
 * It decides nothing: what peers, people, sessions and the disk say goes to the farm (farm/farm.h)
 * as events, and what the farm says is done. Who may connect is in the farm's users; the allow file
 * adds to them at the start and at each reload.
 *
 * Threads: hone_service_run is for the one thread that calls it. Beside it run the threads that
 * sessions are in, one that writes the log and one that answers queries; they have ended when it
 * returns. Its hooks are called in its own thread, but for `query`. */
#ifndef HONE_FARM_SERVICE_H
#define HONE_FARM_SERVICE_H

#include "farm/desk.h"
#include "farm/farm.h"

typedef struct hone_service_options {
    const char *const *listen; /* endpoints */
    unsigned n_listen;
    const char *db_path;
    const char *key_file, *allow_file; /* both, or neither: ipc only */
    bool insecure_loopback;
    const char *launch;       /* command that starts builders, told how many by HONE_BUILDERS in its
                                 environment; NULL: none are started */
    int64_t builders_max;     /* with launch: at most so many */
    const char *llvm_version; /* of the builders, for the log */
    const char *http, *http_token_file; /* of hone_page_options; http NULL: no page */
    /* Answers a query from the log at db_path, as hone_desk_answered takes it; in a thread of its
     * own, one query at a time. NULL: queries are refused. */
    hone_status (*query)(const hone_desk_query *q, const char *db_path, json_t **ret,
                         hone_error *err);
    hone_farm_limits limits;   /* hone_farm_limits_init, and what is to be otherwise */
    unsigned session_threads;  /* 0: as many as there are processors, from 2 to 8 */
    bool (*stop)(void *ctx);   /* asked ten times a second: end, in good order */
    bool (*reload)(void *ctx); /* asked likewise: read the allow file again (and false then) */
    void (*ready)(void *ctx);  /* told once, when it listens. May be NULL */
    void *ctx;
} hone_service_options;

/* Serves until told to stop. What is under way then is given up where it runs; the next service of
 * this file goes on with its jobs. HONE_OK; HONE_E_INPUT, HONE_E_NOTFOUND (key, allow or token
 * file), HONE_E_BUSY (an endpoint or the file is another's), HONE_E_IO (the disk cannot be relied
 * on), HONE_E_CORRUPT, HONE_E_VERSION, and what hone_db_open returns. */
hone_status hone_service_run(const hone_service_options *o, hone_error *err) HONE_NODISCARD;

/* A line to the service manager, as sd_notify does: "READY=1" and the like, when NOTIFY_SOCKET is
 * set. */
void hone_service_notify(const char *state);

#endif
