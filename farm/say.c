/* What people say: a function for each verb of farm/verbs.def, which is asked only when the key has
 * a role for it. Saying the same twice does no more than saying it once. */
#include "farm/baseline.h"
#include "farm/internal.h"

typedef struct speech {
    hone_farm *f;
    const hone_farm_say *s;
    user *u;
    bool is_admin, own;
    hone_farm_reason why; /* when it cannot be done */
    uint64_t job;
    uint32_t matching;
    uint64_t after; /* batch */
} speech;

static hone_status no(speech *x, hone_status s, hone_farm_reason why)
{
    x->why = why;
    return s;
}

/* ---- jobs
 * ------------------------------------------------------------------------------------------ */

static uint32_t matching(const hone_farm *f, const filter *x)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->workers.n; i++) {
        const worker *w = f->workers.v[i];
        n += w->row.roles & HONE_FARM_DEVICE && w->row.health != HONE_FARM_HEALTH_RETIRED &&
             hone_farm__filter_fits(x, w);
    }
    return n;
}

static hone_status say_submit(speech *x)
{
    hone_farm *f = x->f;
    const hone_farm_say *s = x->s;
    const char *text = s->filter ? s->filter : "";
    job *j = hone_farm__job_of_request(f, x->u, &s->request);
    if (j) { /* said before */
        x->job = j->row.id;
        x->after = j->batch;
        x->matching = j->filter ? matching(f, j->filter) : 0;
        return HONE_OK;
    }
    if (!can_grant(f))
        return no(x, HONE_E_FULL, HONE_FARM_BECAUSE_STORAGE);
    if (!hone_farm__filter_valid(text))
        return no(x, HONE_E_INPUT, HONE_FARM_BECAUSE_FILTER);
    if ((unsigned)s->class >= HONE_FARM_CLASS_COUNT || s->queue_ms < 0 ||
        s->queue_ms > INT64_C(31536000000)) /* a year */
        return no(x, HONE_E_INPUT, HONE_FARM_BECAUSE_BOUNDS);
    if (x->u->live >= (x->u->row.max_jobs > 0 ? x->u->row.max_jobs : f->l.user_jobs))
        return no(x, HONE_E_LIMIT, HONE_FARM_BECAUSE_QUOTA);
    hone_farm_job_row row = {.id = f->next_job,
                             .request = s->request,
                             .state = HONE_FARM_JOB_QUEUED,
                             .why = HONE_FARM_BECAUSE_SUBMITTED,
                             .class = s->class,
                             .queue_ms = s->queue_ms ? s->queue_ms : f->l.queue_ms,
                             .created_at = f->now_ns,
                             .changed_at = f->now_ns};
    snprintf(row.user, sizeof row.user, "%s", x->u->row.name);
    snprintf(row.filter, sizeof row.filter, "%s", text);
    j = hone_farm__job_new(f, &row, x->u);
    j->batch = f->batch;
    j->ends_at = f->now_ns + row.queue_ms * MS;
    hone_farm__job_arm(f, j);
    hone_farm__dirty_job(f, j);
    hone_farm__audit_job(f, x->u->row.name, j, "", "submit");
    hone_farm__wait_add(f, j, START);
    x->job = row.id;
    x->matching = matching(f, j->filter);
    return HONE_OK;
}

/* The job that is meant, when it may be told anything; else NULL with a status. */
static job *the_job(speech *x, hone_status *ret)
{
    job *j = hone_farm__job(x->f, x->s->job);
    if (!j || (x->own && j->user != x->u)) { /* what is not yours is not there */
        *ret = no(x, HONE_E_NOTFOUND, HONE_FARM_BECAUSE_NO_SUCH);
        return NULL;
    }
    x->job = j->row.id;
    return j;
}

static hone_farm_reason by(const speech *x, const job *j)
{
    return j->user == x->u ? HONE_FARM_BECAUSE_BY_USER : HONE_FARM_BECAUSE_BY_ADMIN;
}

static hone_status say_cancel(speech *x)
{
    hone_status s = HONE_OK;
    job *j = the_job(x, &s);
    if (!j)
        return s;
    if (hone_farm_job_is_live(j->row.state))
        hone_farm__job_stop(x->f, j, by(x, j), x->u->row.name);
    else if (j->row.state != HONE_FARM_JOB_CANCELLED)
        return no(x, HONE_E_INPUT, HONE_FARM_BECAUSE_STATE);
    return HONE_OK;
}

static hone_status say_pause(speech *x)
{
    hone_status s = HONE_OK;
    job *j = the_job(x, &s);
    if (!j)
        return s;
    if (j->row.state == HONE_FARM_JOB_QUEUED || j->row.state == HONE_FARM_JOB_RUNNING)
        hone_farm__job_pause(x->f, j, x->u->row.name);
    else if (j->row.state != HONE_FARM_JOB_PAUSED)
        return no(x, HONE_E_INPUT, HONE_FARM_BECAUSE_STATE);
    return HONE_OK;
}

static hone_status say_resume(speech *x)
{
    hone_status s = HONE_OK;
    job *j = the_job(x, &s);
    if (!j)
        return s;
    if (j->row.state == HONE_FARM_JOB_PAUSED)
        hone_farm__job_resume(x->f, j, x->u->row.name);
    else if (j->row.state != HONE_FARM_JOB_QUEUED && j->row.state != HONE_FARM_JOB_RUNNING)
        return no(x, HONE_E_INPUT, HONE_FARM_BECAUSE_STATE);
    return HONE_OK;
}

/* ---- devices
 * ------------------------------------------------------------------------------------------ */

static worker *the_worker(speech *x, hone_status *ret)
{
    worker *w = x->s->name ? hone_farm__worker(x->f, x->s->name) : NULL;
    if (!w)
        *ret = no(x, HONE_E_NOTFOUND, HONE_FARM_BECAUSE_NO_SUCH);
    return w;
}

static bool class_is_reserved(const speech *x, const worker *w)
{
    uint32_t members = 0, reserved = 0;
    for (uint32_t i = 0; i < x->f->workers.n; i++) {
        const worker *o = x->f->workers.v[i];
        bool in = o->class == w->class && o->row.roles & HONE_FARM_DEVICE &&
                  o->row.health != HONE_FARM_HEALTH_RETIRED;
        members += in;
        reserved += in && o->row.admin == HONE_FARM_ADMIN_RESERVED;
    }
    int64_t most = members * x->f->l.reserve_percent / 100;
    return reserved >= (most > 1 ? most : 1);
}

static hone_status say_reserve(speech *x)
{
    hone_status s = HONE_OK;
    worker *w = the_worker(x, &s);
    int64_t ms = x->s->for_ms ? x->s->for_ms : x->f->l.reserve_ms;
    if (!w)
        return s;
    bool again = w->row.admin == HONE_FARM_ADMIN_RESERVED && strcmp(w->row.by, x->u->row.name) == 0;
    if (ms < 0 || ms > x->f->l.reserve_ms)
        return no(x, HONE_E_INPUT, HONE_FARM_BECAUSE_BOUNDS);
    if (w->row.admin != HONE_FARM_ADMIN_OPEN && !again)
        return no(x, HONE_E_INPUT, HONE_FARM_BECAUSE_STATE);
    if (!again && !x->is_admin && class_is_reserved(x, w))
        return no(x, HONE_E_LIMIT, HONE_FARM_BECAUSE_CLASS_RESERVED);
    hone_farm__worker_admin(x->f, w, HONE_FARM_ADMIN_RESERVED, x->u->row.name,
                            x->f->now_ns + ms * MS, HONE_FARM_BECAUSE_BY_USER, "reserve");
    return HONE_OK;
}

static hone_status say_release(speech *x)
{
    hone_status s = HONE_OK;
    worker *w = the_worker(x, &s);
    if (!w)
        return s;
    if (w->row.admin == HONE_FARM_ADMIN_OPEN)
        return HONE_OK;
    if (w->row.admin != HONE_FARM_ADMIN_RESERVED)
        return no(x, HONE_E_INPUT, HONE_FARM_BECAUSE_STATE);
    if (x->own && strcmp(w->row.by, x->u->row.name) != 0)
        return no(x, HONE_E_DENIED, HONE_FARM_BECAUSE_NOT_YOURS);
    hone_farm__worker_admin(x->f, w, HONE_FARM_ADMIN_OPEN, x->u->row.name, 0,
                            HONE_FARM_BECAUSE_BY_USER, "release");
    return HONE_OK;
}

static hone_status say_drain(speech *x)
{
    hone_status s = HONE_OK;
    worker *w = the_worker(x, &s);
    int64_t ms = x->s->for_ms ? x->s->for_ms : x->f->l.drain_ms;
    if (!w)
        return s;
    if (ms < 0 || ms > INT64_C(31536000000))
        return no(x, HONE_E_INPUT, HONE_FARM_BECAUSE_BOUNDS);
    hone_farm__worker_admin(x->f, w, HONE_FARM_ADMIN_DRAINING, x->u->row.name,
                            x->f->now_ns + ms * MS, HONE_FARM_BECAUSE_BY_ADMIN, "drain");
    return HONE_OK;
}

/* Whatever was said of it, and its own health, is forgotten: a person has looked at it. */
static hone_status say_open(speech *x)
{
    hone_status s = HONE_OK;
    worker *w = the_worker(x, &s);
    if (!w)
        return s;
    hone_farm__worker_admin(x->f, w, HONE_FARM_ADMIN_OPEN, x->u->row.name, 0,
                            HONE_FARM_BECAUSE_BY_ADMIN, "open");
    if (hone_farm__takes(w->row.health))
        return HONE_OK;
    hone_farm__baseline_accept(&w->row.baseline, x->f->now_ns, &x->f->l);
    w->row.score = 70;
    memset(w->row.quarantined_at, 0, sizeof w->row.quarantined_at);
    hone_farm__health(
        x->f, w, w->row.roles & HONE_FARM_DEVICE ? HONE_FARM_HEALTH_PROBING : HONE_FARM_HEALTH_GOOD,
        HONE_FARM_BECAUSE_BY_ADMIN, 0);
    return HONE_OK;
}

static hone_status say_retire(speech *x)
{
    hone_status s = HONE_OK;
    worker *w = the_worker(x, &s);
    if (!w)
        return s;
    hone_farm__health(x->f, w, HONE_FARM_HEALTH_RETIRED, HONE_FARM_BECAUSE_BY_ADMIN, 0);
    return HONE_OK;
}

/* ---- keys
 * ------------------------------------------------------------------------------------------- */

static hone_status say_key_add(speech *x)
{
    const hone_farm_say *s = x->s;
    unsigned all = HONE_FARM_USER | HONE_FARM_DEVICE | HONE_FARM_BUILDER | HONE_FARM_ADMIN;
    if (!s->name || !s->name[0] || strlen(s->name) >= HONE_FARM_NAME ||
        strcmp(s->name, "farm") == 0 || !s->key || strlen(s->key) >= HONE_FARM_KEY_TEXT ||
        !s->roles || s->roles & ~all || s->weight < 0 || s->weight > 1000000 || s->day_ms < 0 ||
        s->max_jobs < 0)
        return no(x, HONE_E_INPUT, HONE_FARM_BECAUSE_BOUNDS);
    user *u = hone_farm__user(x->f, s->name);
    if (!u) {
        hone_farm_user_row row = {.day_from = x->f->now_ns};
        snprintf(row.name, sizeof row.name, "%s", s->name);
        u = hone_farm__user_new(x->f, &row);
    }
    snprintf(u->row.key, sizeof u->row.key, "%s", s->key);
    u->row.roles = s->roles;
    u->row.weight = s->weight ? s->weight : 1;
    u->row.day_ms = s->day_ms;
    u->row.max_jobs = s->max_jobs;
    u->row.revoked = false;
    hone_farm__dirty_user(x->f, u);
    hone_farm__audit_user(x->f, x->u->row.name, s->name, "key_add", HONE_FARM_BECAUSE_BY_ADMIN);
    return HONE_OK;
}

static void stop_jobs_of(hone_farm *f, const user *u, const char *actor)
{
    for (uint32_t i = 0; i < f->jobs_by_id.cap && u->live; i++) {
        job *j = f->jobs_by_id.v[i].p;
        if (j && j->user == u && hone_farm_job_is_live(j->row.state))
            hone_farm__job_stop(f, j, HONE_FARM_BECAUSE_KEY_REVOKED, actor);
    }
}

static hone_status say_key_revoke(speech *x)
{
    hone_farm *f = x->f;
    user *u = x->s->name ? hone_farm__user(f, x->s->name) : NULL;
    if (!u)
        return no(x, HONE_E_NOTFOUND, HONE_FARM_BECAUSE_NO_SUCH);
    if (u->row.revoked)
        return HONE_OK;
    u->row.revoked = true;
    hone_farm__dirty_user(f, u);
    hone_farm__audit_user(f, x->u->row.name, u->row.name, "key_revoke", HONE_FARM_BECAUSE_BY_ADMIN);
    stop_jobs_of(f, u, x->u->row.name);
    worker *w = hone_farm__worker(f, u->row.name);
    if (w && w->session) {
        for (ring *r = w->leases.next; r != &w->leases; r = r->next)
            if (OF(r, lease, in_worker)->state == LEASE_LIVE) {
                hone_farm_effect *e = hone_farm__effect(f, HONE_FARM_REVOKE, w->row.name, 0);
                e->session = w->session;
                e->lease.fence = OF(r, lease, in_worker)->fence;
                e->lease.unit = OF(r, lease, in_worker)->key;
                e->lease.reason = HONE_FARM_BECAUSE_KEY_REVOKED;
            }
        hone_farm__effect(f, HONE_FARM_REFUSE, w->row.name, 0)->refuse.reason =
            HONE_FARM_BECAUSE_KEY_REVOKED;
        hone_farm__worker_expire(f, w, HONE_FARM_BECAUSE_KEY_REVOKED);
    }
    return HONE_OK;
}

/* ---- all
 * ---------------------------------------------------------------------------------------------- */

static hone_status (*const say[])(speech *x) = {
    [HONE_FARM_VERB_SUBMIT] = say_submit,         [HONE_FARM_VERB_CANCEL] = say_cancel,
    [HONE_FARM_VERB_PAUSE] = say_pause,           [HONE_FARM_VERB_RESUME] = say_resume,
    [HONE_FARM_VERB_RESERVE] = say_reserve,       [HONE_FARM_VERB_RELEASE] = say_release,
    [HONE_FARM_VERB_DRAIN] = say_drain,           [HONE_FARM_VERB_OPEN] = say_open,
    [HONE_FARM_VERB_RETIRE] = say_retire,         [HONE_FARM_VERB_KEY_ADD] = say_key_add,
    [HONE_FARM_VERB_KEY_REVOKE] = say_key_revoke,
};
_Static_assert(HONE_LEN(say) == HONE_FARM_VERB_COUNT, "a function for each verb");

static const struct verb {
    unsigned roles;
    bool own;
} verbs[] = {
#define HONE_FARM_VERB(name, word, of, only_own) {of, only_own},
#include "farm/verbs.def"
#undef HONE_FARM_VERB
};

void hone_farm__say(hone_farm *f, const char *who, const hone_farm_say *s)
{
    speech x = {.f = f, .s = s, .u = hone_farm__user(f, who)};
    hone_status status = HONE_E_DENIED;
    uint64_t rows = f->rows.n + f->dirty_jobs.n + f->dirty_workers.n + f->dirty_users.n;
    if (!x.u || x.u->row.revoked) {
        x.why = x.u ? HONE_FARM_BECAUSE_KEY_REVOKED : HONE_FARM_BECAUSE_UNKNOWN_KEY;
    } else if ((unsigned)s->verb >= HONE_FARM_VERB_COUNT ||
               !(x.u->row.roles & verbs[s->verb].roles)) {
        x.why = HONE_FARM_BECAUSE_ROLE;
    } else {
        x.is_admin = (x.u->row.roles & HONE_FARM_ADMIN) != 0;
        x.own = verbs[s->verb].own && !x.is_admin;
        status = say[s->verb](&x);
    }
    if (status == HONE_E_DENIED &&
        f->stats.denied++ - f->denied_seen < 16) /* a flood fills no log */
        hone_farm__audit_user(f, who, who, hone_farm_verb_name(s->verb), x.why);
    if (f->rows.n + f->dirty_jobs.n + f->dirty_workers.n + f->dirty_users.n != rows)
        x.after = f->batch;
    hone_farm_effect *e = hone_farm__effect(f, HONE_FARM_REPLY, who, x.after);
    e->reply.client = s->client;
    e->reply.status = status;
    e->reply.reason = x.why;
    e->reply.request = s->request;
    e->reply.job = x.job;
    e->reply.matching = x.matching;
}
