/* What only reads. A list that does not fit into one reply ends with "next", which the client gives
 * as "from" of its next request. */
#include "farm/desk/internal.h"

#define ENDED_SHOWN 20 /* jobs that have ended, when not all are asked for */

/* ---- lists in parts
 * ------------------------------------------------------------------------------- */

typedef struct page {
    json_t *rows;
    size_t bytes;
} page;

/* False: it is for the next reply. One row always fits. */
static bool add_row(page *p, json_t *row)
{
    size_t n = json_dumpb(row, NULL, 0, JSON_COMPACT) + 1;
    if (p->bytes + n > HONE_DESK_REPLY && json_array_size(p->rows) > 0) {
        json_decref(row);
        return false;
    }
    p->bytes += n;
    json_array_append_new(p->rows, row);
    return true;
}

/* ---- jobs
 * ------------------------------------------------------------------------------------------ */

static bool is_theirs(const hone_farm_user_row *u, const hone_farm_job_row *r)
{
    return u->roles & HONE_FARM_ADMIN || strcmp(u->name, r->user) == 0;
}

static hone_status ask_jobs(hone_desk *d, const hone_farm_user_row *u, hone_desk__fields *f,
                            json_t *reply)
{
    uint64_t from = (uint64_t)hone_desk__int(f, "from", 0, INT64_MAX, 0);
    uint64_t only = (uint64_t)hone_desk__int(f, "job", 0, INT64_MAX, 0);
    bool all = hone_desk__flag(f, "all");
    if (f->st != HONE_OK)
        return f->st;
    hone_desk__jobs jobs = hone_desk__all_jobs(d->farm);
    page p = {.rows = json_array()};
    uint32_t ended = 0, skip = 0;
    for (uint32_t k = 0; k < jobs.n; k++)
        ended += is_theirs(u, &jobs.v[k]) && !hone_farm_job_is_live(jobs.v[k].state);
    skip = all || only || ended < ENDED_SHOWN ? 0 : ended - ENDED_SHOWN;
    for (uint32_t k = 0; k < jobs.n; k++) {
        const hone_farm_job_row *r = &jobs.v[k];
        bool theirs = is_theirs(u, r), live = hone_farm_job_is_live(r->state);
        if (only ? r->id != only : !live && (!theirs || skip > 0)) {
            skip -= !only && !live && theirs;
            continue;
        }
        if (r->id >= from && !add_row(&p, hone_desk__job_json(d, r, theirs))) {
            json_object_set_new(reply, "next", json_integer((json_int_t)r->id));
            break;
        }
    }
    bool found = json_array_size(p.rows) > 0;
    json_object_set_new(reply, "jobs", p.rows);
    hone_vec_free(&jobs);
    return only && !found ? hone_fail(f->err, HONE_E_NOTFOUND, "no job %" PRIu64, only) : HONE_OK;
}

static char *events_text(const hone_desk__note *n, uint64_t from, uint64_t *next)
{
    hone_buf b = {0};
    hone_buf_puts(&b, "[");
    *next = from;
    for (uint32_t k = 0; n && k < n->lines.n; k++) {
        const hone_desk__line *l = &n->lines.v[k];
        if (l->n < from)
            continue;
        if (b.n > 1 && b.n + strlen(l->text) > HONE_DESK_REPLY)
            break;
        hone_buf_printf(&b, "%s{\"seq\":%" PRIu64 ",\"line\":", b.n > 1 ? "," : "", l->n);
        hone_buf_puts(&b, l->text);
        hone_buf_puts(&b, "}");
        *next = l->n + 1;
    }
    hone_buf_puts(&b, "]");
    return hone_buf_take(&b);
}

/* Numbers go on over the lives of a service; some are left out where one begins. What a client of
 * another life has not heard is gone with it, and is not told to be missed. */
static hone_status ask_watch(hone_desk *d, const hone_farm_user_row *u, hone_desk__fields *f,
                             json_t *reply, char **ret_raw)
{
    uint64_t id = (uint64_t)hone_desk__int(f, "job", 1, INT64_MAX, 0);
    uint64_t from = (uint64_t)hone_desk__int(f, "from", 0, INT64_MAX, 1);
    uint64_t life = (uint64_t)hone_desk__int(f, "life", 0, INT64_MAX, 0);
    if (f->st != HONE_OK)
        return f->st;
    if (!id)
        return hone_fail(f->err, HONE_E_INPUT, "\"job\" is missing");
    hone_desk__jobs jobs = hone_desk__all_jobs(d->farm);
    const hone_farm_job_row key = {.id = id}, *r = NULL;
    for (uint32_t k = 0; k < jobs.n && !r; k++)
        if (jobs.v[k].id == key.id)
            r = &jobs.v[k];
    hone_status st = HONE_OK;
    if (!r)
        st = hone_fail(f->err, HONE_E_NOTFOUND, "no job %" PRIu64, id);
    else if (!is_theirs(u, r))
        st = hone_fail(f->err, HONE_E_DENIED, "job %" PRIu64 " is somebody else's", id);
    if (st == HONE_OK) {
        const hone_desk__note *n = hone_desk__note_of(d, id);
        uint64_t first = n && n->lines.n ? n->lines.v[0].n : n ? n->next : 1, next;
        uint64_t after = n && n->lines.n ? n->lines.v[n->lines.n - 1].n + 1 : first;
        bool stranger = life && life != d->life;
        if (stranger && from > after)
            from = first;
        if (from < first && !stranger)
            json_object_set_new(reply, "missed",
                                json_integer((json_int_t)(first - (from ? from : 1))));
        *ret_raw = events_text(n, from > first ? from : first, &next);
        json_object_set_new(reply, "row", hone_desk__job_json(d, r, true));
        json_object_set_new(reply, "life", json_integer((json_int_t)d->life));
        json_object_set_new(reply, "next", json_integer((json_int_t)next));
        if (n && n->progress)
            json_object_set(reply, "progress", n->progress);
        json_object_set_new(
            reply, "ended",
            json_boolean(!hone_farm_job_is_live(r->state) && (!n || next >= after)));
    }
    hone_vec_free(&jobs);
    return st;
}

/* ---- devices, users
 * -------------------------------------------------------------------------------- */

static hone_status ask_devices(hone_desk *d, hone_desk__fields *f, json_t *reply)
{
    const char *from = hone_desk__text(f, "from", HONE_FARM_NAME - 1, false);
    if (f->st != HONE_OK)
        return f->st;
    hone_desk__workers all = hone_desk__all_workers(d);
    page p = {.rows = json_array()};
    for (uint32_t k = 0; k < all.n; k++) {
        if (from && strcmp(all.v[k].name, from) < 0)
            continue;
        if (!add_row(&p, hone_desk__worker_json(d, &all.v[k]))) {
            json_object_set_new(reply, "next", hone_json_string(all.v[k].name));
            break;
        }
    }
    json_object_set_new(reply, "devices", p.rows);
    hone_vec_free(&all);
    return HONE_OK;
}

static hone_status ask_target(hone_desk *d, hone_desk__fields *f, json_t *reply)
{
    const char *name = hone_desk__name(f, "name", HONE_FARM_NAME - 1, true);
    if (f->st != HONE_OK)
        return f->st;
    const char *text = d->port.target ? d->port.target(d->port.ctx, name) : NULL;
    if (!text || !*text)
        return hone_fail(f->err, HONE_E_NOTFOUND,
                         "no device '%s' is here that has described itself", name);
    json_object_set_new(reply, "target", json_string(text));
    return HONE_OK;
}

static hone_status ask_keys(hone_desk *d, hone_desk__fields *f, json_t *reply)
{
    const char *from = hone_desk__text(f, "from", HONE_FARM_NAME - 1, false);
    if (f->st != HONE_OK)
        return f->st;
    hone_desk__users all = hone_desk__all_users(d->farm);
    page p = {.rows = json_array()};
    for (uint32_t k = 0; k < all.n; k++) {
        if (from && strcmp(all.v[k].name, from) < 0)
            continue;
        json_t *row = hone_desk__user_json(&all.v[k]);
        json_object_set_new(row, "key", hone_json_string(all.v[k].key));
        if (!add_row(&p, row)) {
            json_object_set_new(reply, "next", hone_json_string(all.v[k].name));
            break;
        }
    }
    json_object_set_new(reply, "keys", p.rows);
    hone_vec_free(&all);
    return HONE_OK;
}

/* One screen: what lives and what has just ended; of very many, as many as fit. */
static hone_status ask_top(hone_desk *d, const hone_farm_user_row *u, hone_desk__fields *f,
                           json_t *reply)
{
    hone_desk__users users = hone_desk__all_users(d->farm);
    json_t *list = json_array();
    for (uint32_t k = 0; k < users.n; k++)
        if (users.v[k].roles & (HONE_FARM_USER | HONE_FARM_ADMIN) && !users.v[k].revoked &&
            (users.v[k].spent_ns || strcmp(users.v[k].name, u->name) == 0) &&
            json_array_size(list) < 64)
            json_array_append_new(list, hone_desk__user_json(&users.v[k]));
    hone_vec_free(&users);
    json_object_set_new(reply, "users", list);
    json_object_set_new(reply, "stats", hone_desk__stats_json(d));
    const char *trouble = hone_desk_trouble(d);
    json_object_set_new(reply, "trouble", trouble ? json_string(trouble) : json_null());
    HONE_TRY(ask_jobs(d, u, f, reply));
    json_object_del(reply, "next");
    /* the jobs have taken at most three quarters of what a reply may be */
    hone_desk__workers all = hone_desk__all_workers(d);
    json_t *devices = json_array();
    for (uint32_t k = 0; k < all.n && k < 64; k++)
        json_array_append_new(devices, hone_desk__worker_json(d, &all.v[k]));
    json_object_set_new(reply, "devices", devices);
    json_object_set_new(reply, "devices_in_all", json_integer(all.n));
    hone_vec_free(&all);
    return HONE_OK;
}

/* ---- the log
 * ---------------------------------------------------------------------------------------- */

typedef struct audit {
    page p;
    uint64_t next; /* 0: there is no more */
} audit;

static bool take_event(void *ctx, const hone_farm_event_row *row, int64_t wall_ms, const char *hash)
{
    audit *a = ctx;
    json_t *j = hone_desk__event_json(row, wall_ms);
    if (hash)
        json_object_set_new(j, "hash", json_string(hash));
    if (add_row(&a->p, j))
        return true;
    a->next = row->seq;
    return false;
}

static hone_status ask_audit(hone_desk *d, hone_desk__fields *f, json_t *reply)
{
    uint64_t from = (uint64_t)hone_desk__int(f, "from", 0, INT64_MAX, 0);
    if (f->st != HONE_OK)
        return f->st;
    if (!d->port.events)
        return hone_fail(f->err, HONE_E_NOTFOUND, "this service keeps no audit log");
    audit a = {.p.rows = json_array()};
    hone_status st = d->port.events(d->port.ctx, from, 1000, take_event, &a, f->err);
    size_t n = json_array_size(a.p.rows);
    if (!a.next && n == 1000)
        a.next = 1 + (uint64_t)json_integer_value(
                         json_object_get(json_array_get(a.p.rows, n - 1), "seq"));
    json_object_set_new(reply, "events", a.p.rows);
    if (a.next)
        json_object_set_new(reply, "next", json_integer((json_int_t)a.next));
    return st;
}

static hone_status ask_query(hone_desk *d, hone_desk__fields *f)
{
    hone_desk_query q = {0};
    HONE_TRY(hone_desk__task(json_object_get(f->j, "kernel"), &q.task, f->err));
    q.target = hone_desk__text(f, "target", 16 << 10, true);
    q.threads = hone_desk__int(f, "threads", 1, HONE_MAX_THREADS, 1);
    q.require = hone_desk__name(f, "require", 31, false);
    q.explain = hone_desk__flag(f, "explain");
    if (f->st != HONE_OK)
        return f->st;
    if (!d->port.query)
        return hone_fail(f->err, HONE_E_NOTFOUND, "this service answers no queries");
    HONE_TRY(d->port.query(d->port.ctx, &q, d->ticket + 1, f->err));
    d->asked = ++d->ticket;
    return HONE_OK;
}

static hone_status ask_metrics(hone_desk *d, json_t *reply)
{
    hone_buf b = {0};
    hone_desk_metrics(d, &b);
    json_object_set_new(reply, "text", json_string(b.s ? b.s : ""));
    hone_buf_free(&b);
    return HONE_OK;
}

hone_status hone_desk__ask(hone_desk *d, hone_desk_ask a, const hone_farm_user_row *user,
                           const json_t *request, json_t *reply, char **ret_raw, hone_error *err)
{
    hone_desk__fields f = {.j = request, .err = err};
    switch (a) {
    case HONE_DESK_ASK_JOBS:
        return ask_jobs(d, user, &f, reply);
    case HONE_DESK_ASK_WATCH:
        return ask_watch(d, user, &f, reply, ret_raw);
    case HONE_DESK_ASK_DEVICES:
        return ask_devices(d, &f, reply);
    case HONE_DESK_ASK_TARGET:
        return ask_target(d, &f, reply);
    case HONE_DESK_ASK_QUERY:
        return ask_query(d, &f);
    case HONE_DESK_ASK_TOP:
        return ask_top(d, user, &f, reply);
    case HONE_DESK_ASK_METRICS:
        return ask_metrics(d, reply);
    case HONE_DESK_ASK_AUDIT:
        return ask_audit(d, &f, reply);
    case HONE_DESK_ASK_KEYS:
        return ask_keys(d, &f, reply);
    case HONE_DESK_ASK_COUNT:
        break;
    }
    return hone_fail(err, HONE_E_INPUT, "there is no such question");
}
