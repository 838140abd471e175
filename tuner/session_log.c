/* A session's rows in the log: what it finds there at the start, and what it adds. */
#include "tuner/internal.h"

#include <math.h>

#define IMPORTED 4     /* of the fastest of each target of others */
#define SUGGESTIONS 16 /* so many of the fastest are looked at for those of another version */
#define LOOK_AT 48     /* and so many for one that was not met yet */

/* How the candidates are chosen, and what a later process needs to build this run's results again:
 * the intrinsics that were added. */
static char *state_of(const hone_session_options *o)
{
    const hone_strategy *strategy = o->strategy ? o->strategy : hone_strategy_at(0);
    const char *text = o->intrins ? hone_intrin_set_text(o->intrins) : "";
    json_t *j = json_pack("{s:s}", "strategy", strategy->name);
    if (text[0])
        json_object_set_new(j, "intrins", json_string(text));
    char *ret = hone_json_text(j);
    json_decref(j);
    return ret;
}

/* By the port's writer, or by the session's own handle. */
static hone_status write_log(session *s, hone_session_write_fn fn, void *ctx, hone_error *err)
{
    const hone_session_port *p = &s->o.port;
    if (p->write)
        return p->write(p->ctx, fn, ctx, err);
    return fn ? fn(s->o.db, ctx, err) : HONE_OK;
}

typedef struct opening {
    const hone_db_workload *w;
    const hone_db_target *t;
    hone_db_session *row;
    int64_t workload_id, target_id;
} opening;

static hone_status open_rows(hone_db *db, void *ctx, hone_error *err)
{
    opening *o = ctx;
    o->row->id = 0; /* it may be run again */
    HONE_TRY(hone_db_workload_put(db, o->w, &o->workload_id, err));
    HONE_TRY(hone_db_target_put(db, o->t, &o->target_id, err));
    o->row->workload_id = o->workload_id;
    o->row->target_id = o->target_id;
    return hone_db_session_save(db, o->row, &o->row->id, err);
}

void hone_tuner__note(session *s, const char *kind, uint64_t trace_hash)
{
    json_t *j = NULL;
    char hash[17];
    if (hone_json_parse(s->state_text, strlen(s->state_text), &j, NULL) != HONE_OK)
        return;
    hone_hash_format(trace_hash, hash);
    if (!json_object_get(j, kind))
        json_object_set_new(j, kind, json_array());
    json_array_append_new(json_object_get(j, kind), json_string(hash));
    free(s->state_text);
    s->state_text = hone_json_text(j);
    s->row.state = s->state_text;
    json_decref(j);
}

hone_status hone_tuner__log_open(session *s, hone_error *err)
{
    const hone_session_options *o = &s->o;
    const char *name = hone_sym_text(o->program, o->program->name);
    hone_db_workload w = {.hash = s->workload_hash,
                          .name = name,
                          .class = name,
                          .program = s->program_text,
                          .sizes = o->sizes,
                          .flops = s->flops};
    char *class = hone_target_class(o->target);
    hone_db_target t = {.text = s->target_text, .threads = o->threads, .class = class};
    s->state_text = state_of(o);
    s->row = (hone_db_session){.seed = o->seed, .state = s->state_text};
    hone_rng_seed(&s->row.rng, o->seed);
    opening rows = {.w = &w, .t = &t, .row = &s->row};
    hone_status st = write_log(s, open_rows, &rows, err);
    s->workload_id = rows.workload_id;
    s->target_id = rows.target_id;
    free(class);
    return st;
}

/* ---- what is there --------------------------------------------------------------------------- */

static double clock_of(const hone_db_record *r)
{
    return (double)hone_db_record_clock(r);
}

/* What another version of the space measured or rejected is not known, nor what a device did that
 * was found to compute wrong: such traces may be asked for again. */
static bool recall(void *ctx, const hone_db_record *r)
{
    session *s = ctx;
    if (r->space_version != HONE_SPACE_VERSION || r->status >= HONE_STATUS_COUNT || r->suspect)
        return true;
    if (r->status == HONE_OK && hone_tuner__is_as_written(r->trace))
        s->default_clock_ns = clock_of(r);
    if (r->status == HONE_OK && (s->known_ns == 0 || clock_of(r) < s->known_ns))
        s->known_ns = clock_of(r);
    hone_search_tell(s->search, &(hone_outcome){.id = HONE_NOT_ASKED,
                                                .trace = r->trace,
                                                .hash = r->trace_hash,
                                                .status = r->status,
                                                .time_ns = clock_of(r)});
    s->r.known++;
    return true;
}

/* The fastest of other versions are measured again, before anything new. */
static bool suggest(void *ctx, const hone_db_record *r)
{
    session *s = ctx;
    if (r->space_version != HONE_SPACE_VERSION && !hone_tuner__is_as_written(r->trace))
        hone_search_suggest(s->search, r->trace, "log");
    return true;
}

/* What others say they measured of this kernel, whatever they measured it on. */
typedef struct imported {
    session *s;
    hone_status status;
    hone_error *err;
} imported;

static bool suggest_imported(void *ctx, const hone_db_record *r)
{
    session *s = ctx;
    hone_search_suggest(s->search, r->trace, "imported");
    return true;
}

static bool suggest_of_target(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                              const hone_db_record *best)
{
    imported *x = ctx;
    (void)best;
    x->status =
        hone_db_each_fastest(x->s->o.db, w->id, t->id, IMPORTED, suggest_imported, x->s, x->err);
    return x->status == HONE_OK;
}

static hone_status recall_imported(session *s, hone_error *err)
{
    const hone_db_where of = {.workload_id = s->workload_id, .target_class = HONE_DB_IMPORTED};
    imported x = {s, HONE_OK, err};
    HONE_TRY(hone_db_each_best(s->o.db, &of, suggest_of_target, &x, err));
    return x.status;
}

/* What a lookup at other sizes would fall back to: by its time here the log tells how far the cost
 * model is off with it (tuner/lookup/residual.c). */
static hone_status suggest_default(session *s, hone_error *err)
{
    hone_sched sched = {0};
    bool found;
    hone_status st = hone_space_default(s->space, &sched, &found, err);
    if (st == HONE_OK && found) {
        char *text = hone_trace_text(&sched.trace);
        hone_search_suggest(s->search, text, "seed");
        hone_tuner__note(s, "default", hone_trace_hash(&sched.trace));
        free(text);
    }
    hone_sched_fini(&sched);
    return st;
}

hone_status hone_tuner__log_recall(session *s, hone_error *err)
{
    const hone_db_where here = {.workload_id = s->workload_id, .target_id = s->target_id};
    const hone_strategy *strategy = s->o.strategy ? s->o.strategy : hone_strategy_at(0);
    HONE_TRY(hone_db_each_record(s->o.db, &here, recall, s, err));
    HONE_TRY(
        hone_db_each_fastest(s->o.db, s->workload_id, s->target_id, SUGGESTIONS, suggest, s, err));
    /* who goes through the whole space comes by whatever there is to be suggested */
    if (strategy->whole)
        return HONE_OK;
    HONE_TRY(recall_imported(s, err));
    if (!s->o.alone)
        HONE_TRY(hone_tuner__near(s, err));
    return suggest_default(s, err);
}

static bool is_met(const session *s, uint64_t hash)
{
    for (uint32_t k = 0; k < s->met.n; k++)
        if (s->met.v[k] == hash)
            return true;
    return false;
}

void hone_tuner__meet(session *s, uint64_t hash)
{
    if (is_met(s, hash))
        return;
    if (s->met.n == 2 * MET) {
        s->met.n = MET;
        memmove(s->met.v, s->met.v + MET, MET * sizeof *s->met.v);
    }
    hone_vec_push(&s->met, hash);
}

typedef struct look {
    session *s;
    double below_ns;
    variant *found;
} look;

static bool look_at(void *ctx, const hone_db_record *r)
{
    look *l = ctx;
    bool as_written = hone_tuner__is_as_written(r->trace);
    if (clock_of(r) >= l->below_ns)
        return false;
    if (is_met(l->s, r->trace_hash) || (as_written && isfinite(l->below_ns)))
        return true;
    variant *v =
        hone_tuner__variant_new(HONE_NOT_ASKED, r->trace_hash, "log", hone_xstrdup(r->trace));
    v->as_written = as_written;
    v->clock_ns = clock_of(r);
    v->time_ns = r->time_ns;
    v->max_error = r->max_error;
    l->found = v;
    return false;
}

variant *hone_tuner__log_next(session *s, double below_ns)
{
    look l = {s, below_ns, NULL};
    hone_db_record best;
    hone_error err = {0};
    hone_status st = write_log(s, NULL, NULL, &err); /* its own results are read too */
    if (st == HONE_OK && isinf(below_ns)) {
        st = hone_db_best(s->o.db, s->workload_hash, s->target_text, s->o.threads, &best, &err);
        if (st == HONE_OK) {
            look_at(&l, &best);
            hone_db_record_free(&best);
        }
    }
    if (st == HONE_OK && !l.found)
        st =
            hone_db_each_fastest(s->o.db, s->workload_id, s->target_id, LOOK_AT, look_at, &l, &err);
    if (st != HONE_E_NOTFOUND)
        hone_tuner__goes_on(s, st, &err);
    if (l.found)
        hone_tuner__meet(s, l.found->hash);
    return l.found;
}

/* ---- what is added --------------------------------------------------------------------------- */

static hone_status put(session *s, const errand *j, const hone_pool_event *e, const comparison *c,
                       hone_error *err)
{
    const hone_measure_result *m = &e->result;
    bool good = e->status == HONE_OK, paired = c && c->paired;
    hone_db_record r = {.workload_id = s->workload_id,
                        .target_id =
                            j->purpose == FOR_LIBRARY ? s->library_target_id : s->target_id,
                        .trace_hash = j->v->hash,
                        .trace = j->v->trace,
                        .status = e->status,
                        .reason = good                  ? ""
                                  : e->error.message[0] ? e->error.message
                                                        : hone_status_text(e->status),
                        .time_ns = good ? m->time_ns : 0,
                        .log_ratio = paired ? c->ratio : 0,
                        .max_error = isfinite(m->max_error) ? m->max_error : 1e308,
                        .tolerance = HONE_TOLERANCE,
                        .checked = good ? "reference" : "",
                        .data_seed = DATA_SEED,
                        .build_ns = e->kind == HONE_POOL_BUILT ? e->spent_ns : j->v->build_ns,
                        .run_ns = m->check_ns + m->run_ns,
                        .device = e->device,
                        .env = m->env,
                        .llvm_version = s->o.llvm_version,
                        .session_id = s->row.id,
                        .compare_ns = good ? llround(c->clock_ns) : 0,
                        .incumbent_hash = paired ? j->against->hash : 0,
                        .incumbent_ns = paired ? llround(j->against->clock_ns) : 0};
    hone_db_sample samples[HONE_MAX_SAMPLES];
    uint32_t n = good && m->n_samples > 0 ? (uint32_t)m->n_samples : 0;
    for (uint32_t k = 0; k < n; k++)
        samples[k] = (hone_db_sample){m->sample_ns[k], m->incumbent_ns[k]};
    if (s->o.port.store) {
        s->row.trials += j->purpose == FOR_TRIAL;
        return s->o.port.store(s->o.port.ctx, &r, samples, n, &s->row, err);
    }
    HONE_TRY(hone_db_record_put(s->o.db, &r, samples, n, NULL, NULL, err));
    s->row.trials += j->purpose == FOR_TRIAL;
    return hone_db_session_save(s->o.db, &s->row, NULL, err);
}

bool hone_tuner__log_store(session *s, const errand *j, const hone_pool_event *e,
                           const comparison *c)
{
    hone_error err = {0};
    bool ours = !s->o.port.store; /* else others commit */
    hone_status st = ours ? hone_db_begin(s->o.db, &err) : HONE_OK;
    if (st == HONE_OK) {
        st = put(s, j, e, c, &err);
        if (ours && st == HONE_OK)
            st = hone_db_commit(s->o.db, &err);
        else if (ours)
            hone_db_rollback(s->o.db);
    }
    return hone_tuner__goes_on(s, st, &err);
}

static hone_status close_row(hone_db *db, void *ctx, hone_error *err)
{
    return hone_db_session_save(db, ctx, NULL, err);
}

hone_status hone_tuner__log_close(session *s, hone_error *err)
{
    const variant *best = hone_tuner__incumbent(s);
    s->row.ended_ms = hone_clock_wall_ms();
    s->row.best_hash = best ? best->hash : 0;
    return write_log(s, close_row, &s->row, err);
}

int64_t hone_tuner__log_time(session *s, const variant *v)
{
    hone_db_record best;
    int64_t ns = v->time_ns;
    if (hone_db_best(s->o.db, s->workload_hash, s->target_text, s->o.threads, &best, NULL) !=
        HONE_OK)
        return ns;
    if (best.trace_hash == v->hash && best.time_ns > 0)
        ns = best.time_ns;
    hone_db_record_free(&best);
    return ns;
}
