/* Rows of the farm as JSON: words for states, and for reasons the word and its sentence. Times are
 * in seconds, ages rather than clocks. */
#include "farm/desk/internal.h"

/* ---- rows in order ------------------------------------------------------------------------------
 */

static bool take_job(void *ctx, const hone_farm_row *row)
{
    hone_desk__jobs *l = ctx;
    hone_vec_push(l, row->job);
    return true;
}

static bool take_worker(void *ctx, const hone_farm_row *row)
{
    hone_desk__workers *l = ctx;
    hone_vec_push(l, row->worker);
    return true;
}

static bool take_user(void *ctx, const hone_farm_row *row)
{
    hone_desk__users *l = ctx;
    hone_vec_push(l, row->user);
    return true;
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = ((const hone_farm_job_row *)a)->id, y = ((const hone_farm_job_row *)b)->id;
    return (x > y) - (x < y);
}

static int by_worker(const void *a, const void *b)
{
    return strcmp(((const hone_farm_worker_row *)a)->name, ((const hone_farm_worker_row *)b)->name);
}

static int by_user(const void *a, const void *b)
{
    return strcmp(((const hone_farm_user_row *)a)->name, ((const hone_farm_user_row *)b)->name);
}

hone_desk__jobs hone_desk__all_jobs(const hone_farm *f)
{
    hone_desk__jobs l = {0};
    hone_farm_each_row(f, 1U << HONE_FARM_ROW_JOB, take_job, &l);
    if (l.n)
        qsort(l.v, l.n, sizeof *l.v, by_id);
    return l;
}

static void take_waiting(hone_desk__workers *l, const char *name, const char *attrs)
{
    hone_farm_worker_row *r = NULL;
    for (uint32_t k = 0; k < l->n && !r; k++)
        r = strcmp(l->v[k].name, name) == 0 ? &l->v[k] : NULL;
    if (!r) {
        hone_farm_worker_row new = {.roles = HONE_FARM_DEVICE, .attrs = attrs};
        snprintf(new.name, sizeof new.name, "%s", name);
        hone_vec_push(l, new);
        r = &l->v[l->n - 1];
    }
    r->health = HONE_FARM_HEALTH_PROBING;
    r->why = HONE_FARM_BECAUSE_CANARIES;
}

hone_desk__workers hone_desk__all_workers(const hone_desk *d)
{
    hone_desk__workers l = {0};
    const char *attrs, *name;
    hone_farm_each_row(d->farm, 1U << HONE_FARM_ROW_WORKER, take_worker, &l);
    for (uint32_t k = 0; d->port.waiting && (name = d->port.waiting(d->port.ctx, k, &attrs)); k++)
        take_waiting(&l, name, attrs);
    if (l.n)
        qsort(l.v, l.n, sizeof *l.v, by_worker);
    return l;
}

hone_desk__users hone_desk__all_users(const hone_farm *f)
{
    hone_desk__users l = {0};
    hone_farm_each_row(f, 1U << HONE_FARM_ROW_USER, take_user, &l);
    if (l.n)
        qsort(l.v, l.n, sizeof *l.v, by_user);
    return l;
}

typedef struct wanted {
    const char *name;
    hone_farm_user_row *ret;
    bool found;
} wanted;

static bool find_user(void *ctx, const hone_farm_row *row)
{
    wanted *w = ctx;
    if (strcmp(row->user.name, w->name) != 0)
        return true;
    *w->ret = row->user;
    w->found = true;
    return false;
}

bool hone_desk__user(const hone_farm *f, const char *name, hone_farm_user_row *ret)
{
    wanted w = {.name = name, .ret = ret};
    hone_farm_each_row(f, 1U << HONE_FARM_ROW_USER, find_user, &w);
    return w.found;
}

typedef struct wanted_job {
    uint64_t id;
    const char *user;
    const hone_farm_request *request; /* NULL: by id */
    hone_farm_job_row *ret;
    bool found;
} wanted_job;

static bool find_job(void *ctx, const hone_farm_row *row)
{
    wanted_job *w = ctx;
    const hone_farm_job_row *j = &row->job;
    w->found = w->request ? strcmp(j->user, w->user) == 0 &&
                                memcmp(&j->request, w->request, sizeof j->request) == 0
                          : j->id == w->id;
    if (w->found)
        *w->ret = *j;
    return !w->found;
}

bool hone_desk__job(const hone_farm *f, uint64_t id, hone_farm_job_row *ret)
{
    wanted_job w = {.id = id, .ret = ret};
    hone_farm_each_row(f, 1U << HONE_FARM_ROW_JOB, find_job, &w);
    return w.found;
}

bool hone_desk__job_of_request(const hone_farm *f, const char *user, const hone_farm_request *r,
                               hone_farm_job_row *ret)
{
    wanted_job w = {.user = user, .request = r, .ret = ret};
    hone_farm_each_row(f, 1U << HONE_FARM_ROW_JOB, find_job, &w);
    return w.found;
}

uint32_t hone_desk__joining(const hone_desk *d, uint64_t job)
{
    const char *name, *attrs;
    uint32_t n = 0;
    for (uint32_t k = 0; d->port.waiting && (name = d->port.waiting(d->port.ctx, k, &attrs)); k++)
        n += hone_farm_job_suits(d->farm, job, name, attrs,
                                 d->port.target ? d->port.target(d->port.ctx, name) : NULL);
    return n;
}

/* ---- JSON
 * ---------------------------------------------------------------------------------------- */

static int64_t clock_of(const hone_desk *d)
{
    hone_farm_stats s;
    hone_farm_get_stats(d->farm, &s);
    return s.clock_ns;
}

/* What ages are counted to. */
static int64_t calendar_of(const hone_desk *d)
{
    hone_farm_stats s;
    hone_farm_get_stats(d->farm, &s);
    return s.clock_ns + s.away_ns;
}

static double seconds(int64_t ns)
{
    return ns > 0 ? (double)ns / 1e9 : 0;
}

static json_t *reason_json(hone_farm_reason r)
{
    return json_pack("{s:s, s:s}", "reason", hone_farm_reason_name(r), "text",
                     hone_farm_reason_text(r));
}

json_t *hone_desk__roles_json(unsigned roles)
{
    static const char *const words[] = {"user", "device", "builder", "admin"};
    json_t *j = json_array();
    for (unsigned k = 0; k < HONE_LEN(words); k++)
        if (roles & 1U << k)
            json_array_append_new(j, json_string(words[k]));
    return j;
}

/* "0 of 3 devices that match can run it: board lacks avx512f" */
static json_t *lacks_json(const hone_desk *d, uint64_t job)
{
    hone_farm_fit fit;
    hone_farm_job_fit(d->farm, job, &fit);
    char *text = hone_xasprintf("%u of %u device%s that match%s can run it: %s lacks %s", fit.able,
                                fit.matching, fit.matching == 1 ? "" : "s",
                                fit.matching == 1 ? "es" : "", fit.device, fit.lacks);
    json_t *j =
        json_pack("{s:s, s:o, s:o}", "reason", hone_farm_reason_name(HONE_FARM_BECAUSE_LACKS),
                  "text", hone_json_string(text), "lacks", hone_json_string(fit.lacks));
    free(text);
    return j;
}

static json_t *wait_json(const hone_desk *d, const hone_farm_job_row *r)
{
    bool none = r->wait == HONE_FARM_BECAUSE_NO_DEVICE || r->wait == HONE_FARM_BECAUSE_LACKS;
    if (none && hone_desk__joining(d, r->id) > 0)
        return reason_json(HONE_FARM_BECAUSE_CANARIES);
    return r->wait == HONE_FARM_BECAUSE_LACKS ? lacks_json(d, r->id) : reason_json(r->wait);
}

json_t *hone_desk__job_json(const hone_desk *d, const hone_farm_job_row *r, bool whole)
{
    int64_t now = calendar_of(d);
    bool live = hone_farm_job_is_live(r->state);
    json_t *j = json_pack("{s:I, s:s, s:s, s:s, s:f}", "job", (json_int_t)r->id, "user", r->user,
                          "state", hone_farm_job_state_name(r->state), "class",
                          hone_desk__classes[r->class], "age_s", seconds(now - r->created_at));
    if (!whole)
        return j;
    json_object_set_new(j, "since_s", json_real(seconds(now - r->changed_at)));
    json_object_set_new(j, "because", reason_json(r->why));
    json_object_set_new(j, "device_s", json_real(seconds(r->spent_ns)));
    json_object_set_new(j, "units",
                        json_pack("{s:I, s:I, s:I, s:I}", "done", (json_int_t)r->done, "open",
                                  (json_int_t)r->open, "waiting", (json_int_t)r->waiting,
                                  "in_flight", (json_int_t)r->in_flight));
    if (r->filter[0])
        json_object_set_new(j, "filter", hone_json_string(r->filter));
    if (live)
        json_object_set_new(j, "wait", wait_json(d, r));
    else if (r->status != HONE_OK)
        json_object_set_new(j, "error",
                            json_pack("{s:s, s:s}", "status", hone_status_name(r->status), "text",
                                      hone_status_text(r->status)));
    const hone_desk__note *n = hone_desk__note_of(d, r->id);
    if (n) {
        json_object_set_new(j, "title", hone_json_string(n->title));
        json_object_set_new(j, "trials", json_integer((json_int_t)n->trials));
        if (n->budget)
            json_object_set_new(j, "budget", json_integer(n->budget));
        if (n->best_ns)
            json_object_set_new(j, "best_ns", json_integer(n->best_ns));
        const char *phase = json_string_value(json_object_get(n->progress, "phase"));
        if (phase && live)
            json_object_set_new(j, "phase", json_string(phase));
    }
    return j;
}

json_t *hone_desk__worker_json(const hone_desk *d, const hone_farm_worker_row *r)
{
    int64_t now = clock_of(d);
    json_t *j = json_pack(
        "{s:o, s:o, s:s, s:s, s:s, s:I, s:I, s:I, s:o}", "name", hone_json_string(r->name), "roles",
        hone_desk__roles_json(r->roles), "link",
        r->why == HONE_FARM_BECAUSE_CANARIES ? "joining" : hone_farm_link_name(r->link), "health",
        hone_farm_health_name(r->health), "admin", hone_farm_admin_name(r->admin), "score",
        (json_int_t)r->score, "epoch", (json_int_t)r->epoch, "leases", (json_int_t)r->leases,
        "attrs", hone_json_string(r->attrs ? r->attrs : ""));
    json_object_set_new(j, "because", reason_json(r->why));
    json_object_set_new(j, "ends", json_string(hone_farm_health_ends(r->health)));
    json_object_set_new(j, "quarantines", json_integer(r->quarantines));
    json_object_set_new(j, "drift", json_real(hone_farm_baseline_drift(&r->baseline)));
    if (r->heard_at)
        json_object_set_new(j, "heard_s", json_real(seconds(calendar_of(d) - r->heard_at)));
    if (r->health_until > now)
        json_object_set_new(j, "health_left_s", json_real(seconds(r->health_until - now)));
    if (r->baseline.episode_since)
        json_object_set_new(j, "off_s", json_real(seconds(now - r->baseline.episode_since)));
    if (r->admin != HONE_FARM_ADMIN_OPEN) {
        json_object_set_new(j, "by", hone_json_string(r->by));
        if (r->admin_until > now)
            json_object_set_new(j, "admin_left_s", json_real(seconds(r->admin_until - now)));
    }
    if (r->leases)
        json_object_set_new(j, "unit",
                            r->unit.v[0] | r->unit.v[1] ? json_sprintf("%016" PRIx64 "%016" PRIx64,
                                                                       r->unit.v[0], r->unit.v[1])
                                                        : json_string("canary"));
    return j;
}

json_t *hone_desk__user_json(const hone_farm_user_row *r)
{
    json_t *j = json_pack("{s:o, s:o, s:I, s:f, s:b}", "name", hone_json_string(r->name), "roles",
                          hone_desk__roles_json(r->roles), "share", (json_int_t)r->weight,
                          "device_s", seconds(r->spent_ns), "revoked", r->revoked);
    json_object_set_new(j, "today_s", json_real(seconds(r->day_spent_ns)));
    if (r->day_ms)
        json_object_set_new(j, "day_s", json_real((double)r->day_ms / 1e3));
    if (r->max_jobs)
        json_object_set_new(j, "max_jobs", json_integer(r->max_jobs));
    return j;
}

json_t *hone_desk__event_json(const hone_farm_event_row *r, int64_t wall_ms)
{
    json_t *j = json_pack("{s:I, s:f, s:o, s:o, s:o, s:s, s:s}", "seq", (json_int_t)r->seq,
                          "clock_s", seconds(r->at), "actor", hone_json_string(r->actor), "verb",
                          hone_json_string(r->verb), "object", hone_json_string(r->object), "from",
                          r->from, "to", r->to);
    json_object_set_new(j, "because", reason_json(r->reason));
    if (wall_ms)
        json_object_set_new(j, "wall_ms", json_integer(wall_ms));
    return j;
}

json_t *hone_desk__stats_json(const hone_desk *d)
{
    hone_farm_stats s;
    hone_farm_get_stats(d->farm, &s);
    json_t *j = json_object();
    const struct {
        const char *name;
        uint64_t v;
    } all[] = {
        {"jobs_live", s.jobs_live},
        {"units_open", s.units_open},
        {"units_in_flight", s.units_in_flight},
        {"leases", s.leases},
        {"results_waiting", s.results_waiting},
        {"settled", s.settled},
        {"shared", s.shared},
        {"retried", s.retried},
        {"poisoned", s.poisoned},
        {"stale", s.stale},
        {"duplicates", s.duplicates},
        {"expired", s.expired},
        {"revoked", s.revoked},
        {"refused", s.refused},
        {"denied", s.denied},
        {"batches", s.batches},
        {"rows", s.rows},
    };
    for (unsigned k = 0; k < HONE_LEN(all); k++)
        json_object_set_new(j, all[k].name, json_integer((json_int_t)all[k].v));
    json_object_set_new(j, "clock_s", json_real(seconds(s.clock_ns)));
    json_object_set_new(j, "stalled_s", json_real(seconds(s.stalled_ns)));
    json_object_set_new(j, "storage_failed", json_boolean(s.storage_failed));
    return j;
}
