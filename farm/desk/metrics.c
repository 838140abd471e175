/* What is shown to machines and to the page: Prometheus' text, and everything as one object. */
#include "farm/desk/internal.h"

#include <stdarg.h>

#define MAX_DEVICES 500 /* with series of their own, so that series stay below 2,000 */
#define MAX_USERS 200

/* ---- writing
 * --------------------------------------------------------------------------------------- */

static void head(hone_buf *b, const char *name, const char *kind, const char *help)
{
    hone_buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

/* A label's value: backslash, quote and newline are escaped; what is not UTF-8 is cleaned. */
static void put_label(hone_buf *b, const char *value)
{
    char *clean = hone_text_clean(value);
    for (const char *c = clean; *c; c++) {
        if (*c == '\\' || *c == '"')
            hone_buf_puts(b, "\\");
        hone_buf_add(b, c, 1);
    }
    free(clean);
}

static void one(hone_buf *b, const char *name, const char *kind, const char *help, double v)
{
    head(b, name, kind, help);
    hone_buf_printf(b, "%s %.17g\n", name, v);
}

static void labelled(hone_buf *b, const char *name, const char *key, const char *value, double v)
{
    hone_buf_printf(b, "%s{%s=\"", name, key);
    put_label(b, value);
    hone_buf_printf(b, "\"} %.17g\n", v);
}

/* ---- from rows
 * -------------------------------------------------------------------------------------- */

static void put_jobs(const hone_desk *d, hone_buf *b)
{
    hone_desk__jobs jobs = hone_desk__all_jobs(d->farm);
    uint32_t by[HONE_FARM_JOB_COUNT][HONE_FARM_CLASS_COUNT] = {0};
    uint32_t waits[HONE_FARM_BECAUSE_COUNT] = {0};
    for (uint32_t k = 0; k < jobs.n; k++) {
        by[jobs.v[k].state][jobs.v[k].class]++;
        if (hone_farm_job_is_live(jobs.v[k].state))
            waits[jobs.v[k].wait]++;
    }
    hone_vec_free(&jobs);
    head(b, "hone_jobs", "gauge", "jobs that are remembered, by state and class");
    for (unsigned s = 0; s < HONE_FARM_JOB_COUNT; s++)
        for (unsigned c = 0; c < HONE_FARM_CLASS_COUNT; c++)
            hone_buf_printf(b, "hone_jobs{state=\"%s\",class=\"%s\"} %u\n",
                            hone_farm_job_state_name((hone_farm_job_state)s), hone_desk__classes[c],
                            by[s][c]);
    head(b, "hone_jobs_waiting", "gauge", "jobs that have not ended, by what they wait for");
    for (unsigned r = 0; r <= HONE_FARM_BECAUSE_ENDED; r++)
        labelled(b, "hone_jobs_waiting", "reason", hone_farm_reason_name((hone_farm_reason)r),
                 waits[r]);
}

static void put_devices(const hone_desk *d, hone_buf *b)
{
    hone_desk__workers all = hone_desk__all_workers(d);
    uint32_t by[HONE_FARM_LINK_COUNT][HONE_FARM_HEALTH_COUNT][HONE_FARM_ADMIN_COUNT] = {0};
    for (uint32_t k = 0; k < all.n; k++)
        if (all.v[k].roles & HONE_FARM_DEVICE)
            by[all.v[k].link][all.v[k].health][all.v[k].admin]++;
    head(b, "hone_devices", "gauge", "devices by what is heard of them, health and admin state");
    for (unsigned l = 0; l < HONE_FARM_LINK_COUNT; l++)
        for (unsigned h = 0; h < HONE_FARM_HEALTH_COUNT; h++)
            for (unsigned a = 0; a < HONE_FARM_ADMIN_COUNT; a++)
                hone_buf_printf(b, "hone_devices{link=\"%s\",health=\"%s\",admin=\"%s\"} %u\n",
                                hone_farm_link_name((hone_farm_link)l),
                                hone_farm_health_name((hone_farm_health)h),
                                hone_farm_admin_name((hone_farm_admin_state)a), by[l][h][a]);
    head(b, "hone_device_score", "gauge", "health of a device, 0 to 100");
    for (uint32_t k = 0; k < all.n && k < MAX_DEVICES; k++)
        if (all.v[k].roles & HONE_FARM_DEVICE)
            labelled(b, "hone_device_score", "device", all.v[k].name, (double)all.v[k].score);
    head(b, "hone_device_drift_ratio", "gauge",
         "how much slower a device's canaries are than at first; 0.05 is a twentieth");
    for (uint32_t k = 0; k < all.n && k < MAX_DEVICES; k++)
        if (all.v[k].roles & HONE_FARM_DEVICE)
            labelled(b, "hone_device_drift_ratio", "device", all.v[k].name,
                     hone_farm_baseline_drift(&all.v[k].baseline));
    head(b, "hone_device_quarantines_total", "counter",
         "times that a device was put in quarantine");
    for (uint32_t k = 0; k < all.n && k < MAX_DEVICES; k++)
        if (all.v[k].roles & HONE_FARM_DEVICE)
            labelled(b, "hone_device_quarantines_total", "device", all.v[k].name,
                     all.v[k].quarantines);
    hone_vec_free(&all);
}

static void put_users(const hone_desk *d, hone_buf *b)
{
    hone_desk__users all = hone_desk__all_users(d->farm);
    head(b, "hone_user_device_seconds_total", "counter", "device time charged to a user");
    for (uint32_t k = 0; k < all.n && k < MAX_USERS; k++)
        if (all.v[k].roles & (HONE_FARM_USER | HONE_FARM_ADMIN))
            labelled(b, "hone_user_device_seconds_total", "user", all.v[k].name,
                     (double)all.v[k].spent_ns / 1e9);
    hone_vec_free(&all);
}

static void put_stats(const hone_desk *d, hone_buf *b)
{
    hone_farm_stats s;
    hone_farm_get_stats(d->farm, &s);
    one(b, "hone_units_open", "gauge", "units that wait for a worker", (double)s.units_open);
    one(b, "hone_units_in_flight", "gauge", "units at a worker", (double)s.units_in_flight);
    one(b, "hone_leases", "gauge", "leases that are held", (double)s.leases);
    one(b, "hone_results_waiting", "gauge", "results that are not durable yet",
        (double)s.results_waiting);
    one(b, "hone_units_settled_total", "counter", "units that have a result", (double)s.settled);
    one(b, "hone_units_shared_total", "counter", "units wanted by several jobs and done once",
        (double)s.shared);
    one(b, "hone_units_retried_total", "counter", "attempts that were made again",
        (double)s.retried);
    one(b, "hone_units_poisoned_total", "counter", "units that took down workers",
        (double)s.poisoned);
    one(b, "hone_results_stale_total", "counter", "results that came too late", (double)s.stale);
    one(b, "hone_results_duplicate_total", "counter", "results that came again",
        (double)s.duplicates);
    one(b, "hone_lease_expired_total", "counter", "leases whose worker was silent for too long",
        (double)s.expired);
    one(b, "hone_lease_revoked_total", "counter", "leases that were taken back", (double)s.revoked);
    one(b, "hone_workers_refused_total", "counter", "workers that were turned away",
        (double)s.refused);
    one(b, "hone_verbs_denied_total", "counter", "requests refused for the role of their key",
        (double)s.denied);
    one(b, "hone_loop_stall_seconds_total", "counter",
        "time the coordinator's own loop was late by", (double)s.stalled_ns / 1e9);
    one(b, "hone_storage_failed", "gauge", "1 while rows cannot be written", s.storage_failed);
}

/* Names may have labels: series of one name follow each other in the table. */
static void put_service(const hone_desk *d, hone_buf *b)
{
    hone_desk_service s = {0};
    if (!d->port.service)
        return;
    d->port.service(d->port.ctx, &s);
    const struct {
        const char *kind, *name, *help;
        double v;
    } all[] = {
#define HONE_DESK_METRIC(field, kind, name, help) {#kind, name, help, s.field},
#include "farm/metrics.def"
#undef HONE_DESK_METRIC
    };
    const char *last = "";
    size_t last_n = 0;
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        size_t n = strcspn(all[k].name, "{");
        if (n != last_n || strncmp(last, all[k].name, n) != 0) {
            char *name = hone_xasprintf("%.*s", (int)n, all[k].name);
            head(b, name, all[k].kind, all[k].help);
            free(name);
        }
        hone_buf_printf(b, "%s %.17g\n", all[k].name, all[k].v);
        last = all[k].name;
        last_n = n;
    }
}

void hone_desk_metrics(hone_desk *d, hone_buf *ret)
{
    hone_buf_reset(ret);
    head(ret, "hone_build_info", "gauge", "1; the version is a label");
    labelled(ret, "hone_build_info", "version", HONE_VERSION, 1);
    put_jobs(d, ret);
    put_devices(d, ret);
    put_users(d, ret);
    put_stats(d, ret);
    put_service(d, ret);
}

/* ---- everything
 * -------------------------------------------------------------------------------------- */

const char *hone_desk_trouble(const hone_desk *d)
{
    hone_farm_stats s;
    hone_farm_get_stats(d->farm, &s);
    return s.storage_failed ? hone_farm_reason_text(HONE_FARM_BECAUSE_STORAGE) : NULL;
}

static json_t *curve_json(const hone_desk__note *n)
{
    json_t *points = json_array();
    for (uint32_t k = 0; k < n->curve.n; k++)
        json_array_append_new(points, json_pack("[I, I, I]", (json_int_t)n->curve.v[k].wall_ms,
                                                (json_int_t)n->curve.v[k].ns,
                                                (json_int_t)n->curve.v[k].trial));
    return points;
}

/* [[wall_ms, score, link, health, admin], ...] with words, oldest first: each holds from then on.
 */
static json_t *history_json(const hone_desk__history *h)
{
    json_t *points = json_array();
    for (uint32_t k = 0; k < h->v.n; k++) {
        const hone_desk__sample *s = &h->v.v[k];
        json_array_append_new(points,
                              json_pack("[I, i, s, s, s]", (json_int_t)s->wall_ms, s->score,
                                        hone_farm_link_name((hone_farm_link)s->link),
                                        hone_farm_health_name((hone_farm_health)s->health),
                                        hone_farm_admin_name((hone_farm_admin_state)s->admin)));
    }
    return points;
}

#define PAGE_ENDED 50 /* jobs that have ended and are on the page */

json_t *hone_desk_status(hone_desk *d, int64_t wall_ms)
{
    json_t *jobs = json_array(), *devices = json_array(), *users = json_array(),
           *events = json_array();
    hone_desk__jobs js = hone_desk__all_jobs(d->farm);
    uint32_t ended = 0;
    for (uint32_t k = 0; k < js.n; k++)
        ended += !hone_farm_job_is_live(js.v[k].state);
    for (uint32_t k = 0; k < js.n; k++) {
        if (!hone_farm_job_is_live(js.v[k].state) && ended-- > PAGE_ENDED)
            continue;
        json_t *j = hone_desk__job_json(d, &js.v[k], true);
        const hone_desk__note *n = hone_desk__note_of(d, js.v[k].id);
        if (n)
            json_object_set_new(j, "curve", curve_json(n));
        json_array_append_new(jobs, j);
    }
    hone_vec_free(&js);
    hone_desk__workers ws = hone_desk__all_workers(d);
    for (uint32_t k = 0; k < ws.n; k++) {
        json_t *j = hone_desk__worker_json(d, &ws.v[k]);
        const hone_desk__history *h = hone_desk__history_of(d, ws.v[k].name);
        if (h)
            json_object_set_new(j, "history", history_json(h));
        json_array_append_new(devices, j);
    }
    hone_vec_free(&ws);
    hone_desk__users us = hone_desk__all_users(d->farm);
    for (uint32_t k = 0; k < us.n; k++)
        if (us.v[k].roles & (HONE_FARM_USER | HONE_FARM_ADMIN))
            json_array_append_new(users, hone_desk__user_json(&us.v[k]));
    hone_vec_free(&us);
    for (uint32_t k = 0; k < d->n_recent; k++) {
        const hone_desk__recent *r =
            &d->recent[(d->recent_at + HONE_DESK_RECENT - 1 - k) % HONE_DESK_RECENT];
        json_array_append_new(events, hone_desk__event_json(&r->row, r->wall_ms));
    }
    const char *trouble = hone_desk_trouble(d);
    return json_pack("{s:i, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "v", HONE_DESK_VERSION,
                     "hone", HONE_VERSION, "wall_ms", (json_int_t)wall_ms, "trouble",
                     trouble ? json_string(trouble) : json_null(), "stats",
                     hone_desk__stats_json(d), "jobs", jobs, "devices", devices, "users", users,
                     "events", events);
}
