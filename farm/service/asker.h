/* asker: the thread in which queries are answered, one after the other, while the loop goes on.
 *
 * Threads: the loop's. */
#ifndef HONE_FARM_SERVICE_ASKER_H
#define HONE_FARM_SERVICE_ASKER_H

#include "farm/service.h"
#include "farm/service/mail.h"

typedef struct asker asker;

/* What came of a query. */
typedef struct answered {
    letter letter;
    uint64_t ticket; /* the desk's */
    hone_status status;
    json_t *answer; /* when HONE_OK */
    hone_error error;
} answered;

asker *hone_service__asker_start(const hone_service_options *o, mailbox *inbox);
/* Takes a copy. HONE_E_BUSY: too many wait. */
hone_status hone_service__asker_take(asker *a, const hone_desk_query *q, uint64_t ticket,
                                     hone_error *err) HONE_NODISCARD;
/* An answer has been taken out of the inbox. */
void hone_service__asker_done(asker *a);
/* After the query that is under way; what waits is not answered. NULL is fine. */
void hone_service__asker_stop(asker *a);

#endif
