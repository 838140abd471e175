/* Functions of libraries beside the schedules of a session (libcall/libcall.h): each is built,
 * checked and measured as a candidate is: tried as the search begins, and at the end measured in
 * turns with the winner, which is what counts. The search does not know of them, and none ever is
 * what candidates are compared with: without the library the log says what it would say. Their
 * records belong to a target of their own, whose text no question has. */
#include "tuner/internal.h"

hone_status hone_tuner__libraries_open(session *s, hone_error *err)
{
    const hone_session_options *o = &s->o;
    HONE_ASSERT(o->n_libraries <= HONE_LIBCALL_MAX);
    if (o->n_libraries == 0)
        return HONE_OK;
    for (unsigned k = 0; k < o->n_libraries; k++) {
        const hone_libcall *c = &o->libraries[k];
        variant *v = hone_tuner__variant_new(HONE_NOT_ASKED, hone_libcall_hash(c), "library",
                                             hone_libcall_text(c));
        s->libraries[k] = v;
        hone_libcall_mark(c->name, c->hash, s->library_marks[k]);
        s->r.libraries[k] = (hone_session_library){.name = c->name, .status = HONE_STATUS_COUNT};
    }
    s->r.n_libraries = o->n_libraries;
    char *text = hone_libcall_target(s->target_text);
    hone_db_target t = {.text = text, .threads = o->threads, .class = HONE_DB_LIBRARY};
    hone_status st = hone_db_target_put(o->db, &t, &s->library_target_id, err);
    free(text);
    return st;
}

void hone_tuner__libraries_free(session *s)
{
    for (unsigned k = 0; k < HONE_LIBCALL_MAX; k++)
        hone_tuner__drop(s->libraries[k]);
}

const char *hone_tuner__library_mark(const session *s, const variant *v)
{
    for (unsigned k = 0; k < s->o.n_libraries; k++)
        if (s->libraries[k] == v)
            return s->library_marks[k];
    return NULL;
}

void hone_tuner__libraries_measure(session *s)
{
    for (unsigned k = 0; k < s->o.n_libraries; k++)
        if (!s->libraries[k]->condemned)
            hone_tuner__errand(s, FOR_LIBRARY, s->libraries[k]);
}

bool hone_tuner__libraries_race(session *s)
{
    if (s->libraries_raced || !hone_tuner__incumbent(s))
        return false;
    s->libraries_raced = true;
    hone_tuner__libraries_measure(s);
    return s->errands.n > 0;
}

static hone_session_library *result_of(session *s, const variant *v)
{
    for (unsigned k = 0; k < s->o.n_libraries; k++)
        if (s->libraries[k] == v)
            return &s->r.libraries[k];
    return NULL;
}

void hone_tuner__library_measured(session *s, const variant *v)
{
    result_of(s, v)->status = HONE_OK;
}

void hone_tuner__library_rejected(session *s, variant *v, hone_status status, const char *reason)
{
    hone_session_library *l = result_of(s, v);
    v->condemned = true;
    l->status = status;
    snprintf(l->reason, sizeof l->reason, "%s", reason);
    hone_tuner__notice(s, "library %s is rejected: %.300s", l->name, reason);
}

void hone_tuner__library_failed(session *s, const variant *v, const char *message)
{
    hone_session_library *l = result_of(s, v);
    snprintf(l->reason, sizeof l->reason, "%s", message);
}

void hone_tuner__libraries_finish(session *s)
{
    const variant *best = hone_tuner__incumbent(s);
    for (unsigned k = 0; k < s->o.n_libraries; k++) {
        const variant *v = s->libraries[k];
        hone_session_library *l = &s->r.libraries[k];
        if (l->status != HONE_OK)
            continue;
        l->time_ns = v->time_ns;
        l->ratio = best ? v->clock_ns / best->clock_ns : 0;
    }
}
