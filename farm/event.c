/* The audit log: a row for each transition of a job or a worker, each verb and each refusal. */
#include "farm/internal.h"

static hone_farm_event_row *event(hone_farm *f, const char *actor, const char *verb,
                                  hone_farm_reason reason)
{
    hone_farm_event_row *e = &hone_farm__row(f, HONE_FARM_ROW_EVENT)->event;
    e->seq = f->next_seq++;
    e->at = f->now_ns;
    snprintf(e->actor, sizeof e->actor, "%s", actor ? actor : "farm");
    snprintf(e->verb, sizeof e->verb, "%s", verb);
    e->reason = reason;
    return e;
}

void hone_farm__audit_job(hone_farm *f, const char *actor, const job *j, const char *from,
                          const char *verb)
{
    hone_farm_event_row *e = event(f, actor, verb, j->row.why);
    snprintf(e->object, sizeof e->object, "job %" PRIu64, j->row.id);
    snprintf(e->from, sizeof e->from, "%s", from);
    snprintf(e->to, sizeof e->to, "%s", hone_farm_job_state_name(j->row.state));
}

void hone_farm__audit_worker(hone_farm *f, const char *actor, const worker *w, const char *verb,
                             const char *from, const char *to, hone_farm_reason reason)
{
    hone_farm_event_row *e = event(f, actor, verb, reason);
    snprintf(e->object, sizeof e->object, "worker %s", w->row.name);
    snprintf(e->from, sizeof e->from, "%s", from);
    snprintf(e->to, sizeof e->to, "%s", to);
}

void hone_farm__audit_user(hone_farm *f, const char *actor, const char *name, const char *verb,
                           hone_farm_reason reason)
{
    hone_farm_event_row *e = event(f, actor, verb, reason);
    snprintf(e->object, sizeof e->object, "user %s", name);
}

void hone_farm__audit_refusal(hone_farm *f, const char *actor, const char *verb, const char *object,
                              const char *which, hone_farm_reason reason)
{
    hone_farm_event_row *e = event(f, actor, verb, reason);
    snprintf(e->object, sizeof e->object, "%s %s", object, which);
}
