/* mail: what threads of the service hand each other, in order. Who puts a letter gives it away. */
#ifndef HONE_FARM_SERVICE_MAIL_H
#define HONE_FARM_SERVICE_MAIL_H

#include "base/base.h"

#include <pthread.h>

/* The first member of whatever is sent. */
typedef struct letter {
    struct letter *next;
    int kind; /* for who takes it */
} letter;

/* Threads: any may put; one at a time may take. */
typedef struct mailbox {
    pthread_mutex_t mutex;
    pthread_cond_t came;
    letter *first, **end;
    bool urgent; /* somebody waits for an answer to one of them */
    bool closed;
    int64_t since_ns; /* when the first one came */
} mailbox;

void hone_service__mail_init(mailbox *b);
/* It is empty and nobody uses it. */
void hone_service__mail_fini(mailbox *b);
void hone_service__mail_put(mailbox *b, letter *l);
/* And whoever waits for the others to come along waits no longer. */
void hone_service__mail_put_urgent(mailbox *b, letter *l);
/* Nothing more will come: takes return at once. */
void hone_service__mail_close(mailbox *b);

/* All that is there, in order, linked by `next`; NULL: nothing. Does not wait. */
letter *hone_service__mail_take(mailbox *b);
/* Waits until there is something, or until `until_ns` of hone_clock_ns. */
letter *hone_service__mail_await(mailbox *b, int64_t until_ns);
/* Waits until something urgent is there, or the first one has waited for patience_ns, so that what
 * nobody waits for comes in company. NULL: it is closed and empty. */
letter *hone_service__mail_gather(mailbox *b, int64_t patience_ns);

/* When the first one came that is there, by hone_clock_ns; INT64_MAX: nothing is there. */
int64_t hone_service__mail_since(mailbox *b);
bool hone_service__mail_closed(mailbox *b);

/* A thread that signals of the process do not go to. It has to be joined. name: below 16 bytes, for
 * who looks at the process. */
pthread_t hone_service__thread(const char *name, void *(*run)(void *arg), void *arg);

#endif
