/* Rung exact: the best record of this kernel, target and thread count. */
#include "tuner/lookup/internal.h"

/* Records looked through for one that can be replayed. */
#define MOST_FOLLOWED 256

hone_status hone_lookup_intrins(hone_db *db, int64_t session_id, hone_intrin_set *set,
                                hone_error *err)
{
    hone_db_session s;
    json_t *state;
    if (session_id == 0 || hone_intrin_set_text(set)[0])
        return HONE_OK; /* those given stand for the log's */
    hone_status st = hone_db_session_load(db, session_id, &s, err);
    if (st == HONE_E_NOTFOUND)
        return HONE_OK;
    HONE_TRY(st);
    st = hone_json_parse(s.state, strlen(s.state), &state, err);
    if (st == HONE_OK) {
        const char *text = json_string_value(json_object_get(state, "intrins"));
        if (text)
            st = hone_intrin_set_add(set, "the log's intrinsics", text, strlen(text), err);
        json_decref(state);
    }
    hone_db_session_free(&s);
    return st;
}

static hone_status follow(const char *text, const lookup *l, finding *ret, hone_error *err)
{
    hone_trace t = {0};
    ret->sched.intrins = ret->intrins;
    ret->sched.stop = l->q->stop;
    ret->sched.stop_ctx = l->q->stop_ctx;
    hone_status st = hone_trace_parse(text, strlen(text), &t, err);
    if (st == HONE_OK)
        st = hone_trace_replay(&t, l->q->program, &ret->sched, NULL, false, err);
    ret->as_written = hone_trace_search_part(&t) == 0;
    hone_trace_free(&t);
    return st;
}

typedef HONE_VEC(int64_t) ids;

static bool note_id(void *ctx, const hone_db_record *r)
{
    ids *v = ctx;
    hone_vec_push(v, r->id);
    return true;
}

/* The record's schedule, or, when another version of the space made it and it cannot be replayed
 * any more, that of the fastest record that can. *ret_none: there is none. */
static hone_status follow_best(hone_db *db, const lookup *l, finding *ret, bool *ret_none,
                               hone_error *err)
{
    ids fastest = {0};
    hone_db_record *r = &ret->record;
    hone_status st = hone_lookup_intrins(db, r->session_id, ret->intrins, err);
    if (st == HONE_OK)
        st = follow(r->trace, l, ret, err);
    if (st == HONE_OK || st == HONE_E_INTERRUPTED || r->space_version == HONE_SPACE_VERSION)
        return st;
    st = hone_db_each_fastest(db, r->workload_id, r->target_id, MOST_FOLLOWED, note_id, &fastest,
                              err);
    bool found = false;
    for (uint32_t i = 0; i < fastest.n && st == HONE_OK && !found; i++) {
        hone_db_record_free(r);
        *r = (hone_db_record){0};
        st = hone_db_record_get(db, fastest.v[i], r, err);
        found = st == HONE_OK && follow(r->trace, l, ret, NULL) == HONE_OK;
    }
    hone_vec_free(&fastest);
    *ret_none = st == HONE_OK && !found;
    return st;
}

/* The question's, to which a record may add its own. */
static hone_status copy_intrins(const lookup *l, finding *ret, hone_error *err)
{
    const char *text = hone_intrin_set_text(l->intrins);
    ret->intrins = hone_intrin_set_new();
    return *text ? hone_intrin_set_add(ret->intrins, "intrinsics", text, strlen(text), err)
                 : HONE_OK;
}

hone_status hone_lookup__exact(lookup *l, finding *ret, hone_error *err)
{
    const hone_lookup_question *q = l->q;
    bool none = false;
    HONE_TRY(copy_intrins(l, ret, err));
    for (unsigned k = 0; k < q->n_logs && !ret->found; k++) {
        hone_status st =
            hone_db_best(q->logs[k], l->hash, l->target_text, q->threads, &ret->record, err);
        if (st == HONE_E_NOTFOUND)
            continue;
        HONE_TRY(st);
        bool of_this = false;
        hone_error why = {0};
        st = follow_best(q->logs[k], l, ret, &of_this, &why);
        if (hone_status_is_reject(st))
            return hone_fail(err, HONE_E_INPUT,
                             "the best result of %s in '%s' cannot be replayed: %.600s", q->title,
                             hone_db_path(q->logs[k]), why.message);
        if (st != HONE_OK) {
            if (err)
                *err = why;
            return st;
        }
        none = none || of_this;
        ret->found = !of_this;
        if (of_this) {
            hone_db_record_free(&ret->record);
            ret->record = (hone_db_record){0};
        }
    }
    ret->what = ret->found ? hone_xasprintf("it was tuned at these sizes for this target and %d "
                                            "thread%s",
                                            q->threads, q->threads == 1 ? "" : "s")
                : none     ? hone_xasprintf("its results were made by another version of the space "
                                                "than this hone's, %d, and cannot be replayed",
                                            HONE_SPACE_VERSION)
                           : hone_xstrdup("it was not tuned at these sizes for this target and so "
                                              "many threads");
    return HONE_OK;
}
