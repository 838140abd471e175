/* What the log's times say against the model's word on the default: residuals, ln of the measured
 * time less what is predicted, of schedules at a kernel of near sizes, beside that of the default
 * there. Where the model thinks too little of the default at other sizes, it does so here.
 *
 * Reader's map: a kernel of near sizes; the default there; residuals. */
#include "tuner/lookup/internal.h"

#include <math.h>

/* ---- a kernel of near sizes ------------------------------------------------------------------ */

static unsigned read_hashes(const json_t *list, uint64_t ret[HONE_LOOKUP__NOTED])
{
    unsigned n = 0;
    for (size_t k = 0; k < json_array_size(list) && n < HONE_LOOKUP__NOTED; k++) {
        const char *text = json_string_value(json_array_get(list, k));
        n += text && hone_hash_parse(text, &ret[n]);
    }
    return n;
}

/* What its session noted. A log of others has none. */
static hone_status read_notes(near_kernel *k, int64_t session_id, hone_error *err)
{
    hone_db_session s;
    json_t *j = NULL;
    if (session_id == 0)
        return HONE_OK;
    hone_status st = hone_db_session_load(k->db, session_id, &s, err);
    if (st == HONE_E_NOTFOUND)
        return HONE_OK;
    HONE_TRY(st);
    if (hone_json_parse(s.state, strlen(s.state), &j, NULL) == HONE_OK) {
        k->n_defaults = read_hashes(json_object_get(j, "default"), k->defaults);
        k->n_nears = read_hashes(json_object_get(j, "near"), k->nears);
    }
    json_decref(j);
    hone_db_session_free(&s);
    return HONE_OK;
}

static hone_status read_program(near_kernel *k, hone_error *err)
{
    hone_db_workload w;
    hone_status st = hone_db_workload_find(k->db, k->of.hash, &w, err);
    if (st == HONE_E_NOTFOUND)
        return HONE_OK;
    HONE_TRY(st);
    k->known = hone_target_parse(k->of.target, &k->target, NULL) == HONE_OK &&
               hone_program_parse(w.program, strlen(w.program), &k->program, NULL) == HONE_OK;
    hone_db_workload_free(&w);
    return HONE_OK;
}

hone_status hone_lookup__near_open(const lookup *l, const neighbour *x, uint32_t most,
                                   near_kernel *ret, hone_error *err)
{
    timed_traces traces = {0};
    *ret = (near_kernel){.db = l->q->logs[x->log], .of = *x, .favour = NAN};
    ret->of.sizes = hone_xstrdup(x->sizes);
    ret->of.target = hone_xstrdup(x->target);
    ret->here = x->elsewhere == 0 && x->threads == l->q->threads;
    hone_status st = hone_tuner__traces_of(ret->db, x, most, &traces, err);
    for (uint32_t i = 0; i < traces.n; i++) {
        near_trace t = {.clock_ns = traces.v[i].clock_ns};
        const char *text = traces.v[i].text;
        if (hone_trace_parse(text, strlen(text), &t.trace, NULL) != HONE_OK)
            hone_trace_free(&t.trace);
        hone_vec_push(&ret->fastest, t);
    }
    if (st == HONE_OK && traces.n > 0)
        st = read_notes(ret, traces.v[0].session_id, err);
    hone_tuner__traces_free(&traces);
    return st == HONE_OK ? read_program(ret, err) : st;
}

void hone_lookup__near_free(near_kernel *k)
{
    free(k->of.sizes);
    free(k->of.target);
    for (uint32_t i = 0; i < k->fastest.n; i++)
        hone_trace_free(&k->fastest.v[i].trace);
    hone_vec_free(&k->fastest);
    hone_program_fini(&k->program);
    hone_sched_fini(&k->sched);
}

hone_status hone_lookup__near_least(const near_kernel *k, const uint64_t *hashes, unsigned n,
                                    int64_t *ret_ns, hone_error *err)
{
    *ret_ns = 0;
    for (unsigned i = 0; i < n; i++) {
        hone_db_record r;
        hone_status st =
            hone_db_record_find(k->db, k->of.workload_id, k->of.target_id, hashes[i], &r, err);
        if (st == HONE_E_NOTFOUND)
            continue;
        HONE_TRY(st);
        int64_t ns = r.status == HONE_OK && !r.suspect ? hone_db_record_clock(&r) : 0;
        if (ns > 0 && (*ret_ns == 0 || ns < *ret_ns))
            *ret_ns = ns;
        hone_db_record_free(&r);
    }
    return HONE_OK;
}

/* ---- the default there ----------------------------------------------------------------------- */

/* In a log of before sessions noted it: its space tells. */
static hone_status design_default(const lookup *l, near_kernel *k, hone_error *err)
{
    hone_space *sp;
    bool found = false;
    HONE_TRY(hone_space_new(&k->program,
                            &(hone_space_options){.target = &k->target,
                                                  .threads = k->of.threads,
                                                  .intrins = l->intrins,
                                                  .stop = l->q->stop,
                                                  .stop_ctx = l->q->stop_ctx},
                            &sp, err));
    hone_status st = hone_space_default(sp, &k->sched, &found, err);
    if (st == HONE_OK && found) {
        k->defaults[0] = hone_trace_hash(&k->sched.trace);
        k->n_defaults = 1;
    }
    hone_space_free(sp);
    return st;
}

/* The last that was noted counts: what the default is, is a matter of hone's version. */
static hone_status find_default(const lookup *l, near_kernel *k, hone_trace *ret, hone_error *err)
{
    hone_db_record r;
    if (k->n_defaults == 0)
        HONE_TRY(design_default(l, k, err));
    if (k->n_defaults == 0)
        return HONE_OK;
    hone_status st = hone_db_record_find(k->db, k->of.workload_id, k->of.target_id,
                                         k->defaults[k->n_defaults - 1], &r, err);
    if (st == HONE_E_NOTFOUND)
        return HONE_OK;
    HONE_TRY(st);
    if (r.status == HONE_OK && hone_trace_parse(r.trace, strlen(r.trace), ret, NULL) == HONE_OK)
        k->default_ns = hone_db_record_clock(&r);
    hone_db_record_free(&r);
    return HONE_OK;
}

/* ---- residuals ------------------------------------------------------------------------------- */

typedef struct judged {
    hone_features features[1 + HONE_LOOKUP__JUDGED];
    double ln_ns[1 + HONE_LOOKUP__JUDGED];
    uint32_t n;
} judged;

/* Of a trace that can be carried out there. HONE_E_INTERRUPTED. */
static hone_status judge(lookup *l, near_kernel *k, const hone_trace *t, int64_t clock_ns,
                         judged *ret)
{
    if (ret->n > HONE_LOOKUP__JUDGED || hone_trace_search_part(t) == 0)
        return HONE_OK;
    hone_status st = hone_trace_replay(t, &k->program, &k->sched, NULL, false, NULL);
    if (st != HONE_OK)
        return st == HONE_E_INTERRUPTED ? st : HONE_OK;
    hone_features_extract(&k->sched.prog, &k->target, k->of.threads,
                          k->here && l->measured ? &l->machine : NULL, &ret->features[ret->n]);
    ret->ln_ns[ret->n++] = log((double)clock_ns);
    return HONE_OK;
}

/* The first is the default; mean residual of the others less its own. */
static hone_status compare(lookup *l, const judged *v, double *ret, hone_error *err)
{
    const hone_features *f[1 + HONE_LOOKUP__JUDGED];
    double cost[1 + HONE_LOOKUP__JUDGED], sum = 0;
    for (uint32_t k = 0; k < v->n; k++)
        f[k] = &v->features[k];
    HONE_TRY(hone_model_predict(l->model, f, v->n, cost, err));
    for (uint32_t k = 1; k < v->n; k++)
        sum += v->ln_ns[k] - cost[k];
    *ret = sum / (v->n - 1) - (v->ln_ns[0] - cost[0]);
    return HONE_OK;
}

hone_status hone_lookup__near_judge(lookup *l, near_kernel *k, hone_error *err)
{
    judged v = {.n = 0};
    hone_trace first = {0};
    if (!k->known)
        return HONE_OK;
    hone_status st = find_default(l, k, &first, err);
    k->sched.intrins = l->intrins;
    k->sched.target = &k->target;
    k->sched.stop = l->q->stop;
    k->sched.stop_ctx = l->q->stop_ctx;
    if (st == HONE_OK && k->default_ns > 0)
        st = judge(l, k, &first, k->default_ns, &v);
    for (uint32_t i = 0; i < k->fastest.n && v.n > 0 && st == HONE_OK; i++)
        st = judge(l, k, &k->fastest.v[i].trace, k->fastest.v[i].clock_ns, &v);
    if (st == HONE_OK && v.n > 1)
        st = compare(l, &v, &k->favour, err);
    for (uint32_t i = 0; i < v.n; i++)
        hone_features_free(&v.features[i]);
    hone_trace_free(&first);
    return st;
}
