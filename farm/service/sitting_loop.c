/* A sitting and the loop: what either says to the other. */
#include "farm/service/sitting.h"
#include "tuner/tell.h"

/* ---- from the loop --------------------------------------------------------------------------- */

sitting *hone_service__sitting_new(const sitting_setup *s, mailbox *box)
{
    sitting *j = hone_xcalloc(1, sizeof *j);
    j->box = box;
    j->number = s->number;
    j->id = s->job;
    j->text = hone_xstrdup(s->spec);
    j->target = s->target;
    return j;
}

mailbox *hone_service__sitting_box(const sitting *j)
{
    return j->box;
}

void hone_service__sitting_able(sitting *j, uint32_t build, uint32_t run)
{
    atomic_store(&j->able[0], build);
    atomic_store(&j->able[1], run);
}

static void wish(sitting *j, int what)
{
    int was = atomic_load(&j->wish);
    while (was < what && !atomic_compare_exchange_weak(&j->wish, &was, what))
        ;
}

void hone_service__sitting_stop(sitting *j)
{
    wish(j, STOP);
}

void hone_service__sitting_leave(sitting *j)
{
    wish(j, LEAVE);
}

bool hone_service__sitting_left(const sitting *j)
{
    return atomic_load(&j->wish) == LEAVE || atomic_load(j->at->quitting);
}

/* ---- to the loop ----------------------------------------------------------------------------- */

void hone_service__say(const sitting *j, int kind, uint64_t tag, json_t *line)
{
    said_letter *l = hone_xcalloc(1, sizeof *l);
    l->letter.kind = kind;
    l->sitting = j->number;
    l->tag = tag;
    l->line = line;
    hone_service__mail_put(j->at->o->inbox, &l->letter);
}

void hone_service__say_trial(const sitting *j, const hone_trial *t, const char *task)
{
    said_letter *l = hone_xcalloc(1, sizeof *l);
    l->letter.kind = SAID_TRIAL;
    l->sitting = j->number;
    l->text = hone_tell_trial_text(t, task);
    l->best = t->best;
    l->compare_ns = t->status == HONE_OK ? t->compare_ns : 0;
    hone_service__mail_put(j->at->o->inbox, &l->letter);
}

void hone_service__sitting_over(sitting *j, hone_status st, const hone_error *err)
{
    if (j->over || hone_service__sitting_left(j))
        return;
    j->over = true;
    said_letter *l = hone_xcalloc(1, sizeof *l);
    l->letter.kind = SAID_OVER;
    l->sitting = j->number;
    l->status = st;
    if (st != HONE_OK) {
        l->error = hone_xmalloc(sizeof *err);
        *l->error = *err;
    }
    hone_service__mail_put(j->at->o->inbox, &l->letter);
}
