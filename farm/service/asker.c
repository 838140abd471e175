/* Queries: a list of questions, a thread that answers them. */
#include "farm/service/asker.h"
#include "farm/service/crew.h"

#include <stdatomic.h>

#define MOST_WAITING 64

typedef struct question {
    letter letter;
    uint64_t ticket;
    hone_desk_query q; /* its texts are owned */
} question;

struct asker {
    const hone_service_options *o;
    mailbox box, *inbox;
    pthread_t thread;
    uint32_t waiting; /* the loop's */
    _Atomic bool quitting;
};

static char *copy(const char *s)
{
    return s ? hone_xstrdup(s) : NULL;
}

static void question_free(question *x)
{
    hone_desk_task *t = &x->q.task;
    for (unsigned k = 0; k < t->n_sizes; k++)
        free((char *)(uintptr_t)t->sizes[k].name);
    free((char *)(uintptr_t)t->text);
    free((char *)(uintptr_t)t->name);
    free((char *)(uintptr_t)t->title);
    free((char *)(uintptr_t)x->q.target);
    free((char *)(uintptr_t)x->q.require);
    free(x);
}

static void answer(asker *a, const question *x)
{
    answered *r = hone_xcalloc(1, sizeof *r);
    r->letter.kind = SAID_ANSWER;
    r->ticket = x->ticket;
    r->status = a->o->query(&x->q, a->o->db_path, &r->answer, &r->error);
    hone_service__mail_put(a->inbox, &r->letter);
}

static void *run(void *arg)
{
    asker *a = arg;
    letter *l, *after;
    while ((l = hone_service__mail_gather(&a->box, 0)))
        for (; l; l = after) {
            after = l->next;
            if (!atomic_load(&a->quitting))
                answer(a, (question *)l);
            question_free((question *)l);
        }
    return NULL;
}

asker *hone_service__asker_start(const hone_service_options *o, mailbox *inbox)
{
    asker *a = hone_xcalloc(1, sizeof *a);
    a->o = o;
    a->inbox = inbox;
    hone_service__mail_init(&a->box);
    a->thread = hone_service__thread("asker", run, a);
    return a;
}

hone_status hone_service__asker_take(asker *a, const hone_desk_query *q, uint64_t ticket,
                                     hone_error *err)
{
    if (a->waiting >= MOST_WAITING)
        return hone_fail(err, HONE_E_BUSY, "%d queries wait already: ask again in a moment",
                         MOST_WAITING);
    question *x = hone_xcalloc(1, sizeof *x);
    x->ticket = ticket;
    x->q = *q;
    x->q.task.text = copy(q->task.text);
    x->q.task.name = copy(q->task.name);
    x->q.task.title = copy(q->task.title);
    for (unsigned k = 0; k < q->task.n_sizes; k++)
        x->q.task.sizes[k].name = copy(q->task.sizes[k].name);
    x->q.target = copy(q->target);
    x->q.require = copy(q->require);
    a->waiting++;
    hone_service__mail_put_urgent(&a->box, &x->letter);
    return HONE_OK;
}

void hone_service__asker_done(asker *a)
{
    a->waiting--;
}

void hone_service__asker_stop(asker *a)
{
    if (!a)
        return;
    atomic_store(&a->quitting, true);
    hone_service__mail_close(&a->box);
    pthread_join(a->thread, NULL);
    hone_service__mail_fini(&a->box);
    free(a);
}
