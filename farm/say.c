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
    char text[192];       /* about it; "": the reason's */
    uint64_t job;
    uint32_t matching;
    uint64_t after; /* batch */
} speech;

static hone_status no(speech *x, hone_status s, hone_farm_reason why)
{
    x->why = why;
    return s;
}

HONE_PRINTF(4, 5)
static hone_status no_as(speech *x, hone_status s, hone_farm_reason why, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(x->text, sizeof x->text, fmt, args);
    va_end(args);
    return no(x, s, why);
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
        return no_as(x, HONE_E_INPUT, HONE_FARM_BECAUSE_BOUNDS,
                     "a queue timeout is at most 31536000 s, not %" PRId64 " s",
                     s->queue_ms / 1000);
    if (x->u->live >= (x->u->row.max_jobs > 0 ? x->u->row.max_jobs : f->l.user_jobs))
        return no(x, HONE_E_LIMIT, HONE_FARM_BECAUSE_QUOTA);
    hone_farm_job_row row = {.id = f->next_job,
                             .request = s->request,
                             .state = HONE_FARM_JOB_QUEUED,
                             .why = HONE_FARM_BECAUSE_SUBMITTED,
                             .class = s->class,
                             .queue_ms = s->queue_ms ? s->queue_ms : f->l.queue_ms,
                             .created_at = calendar(f),
                             .changed_at = calendar(f)};
    snprintf(row.user, sizeof row.user, "%s", x->u->row.name);
    snprintf(row.filter, sizeof row.filter, "%s", text);
    j = hone_farm__job_new(f, &row, x->u);
    j->batch = f->batch;
    hone_farm__job_needs(f, j, s->target);
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
    if (!j)
        *ret = no_as(x, HONE_E_NOTFOUND, HONE_FARM_BECAUSE_NO_SUCH, "no job %" PRIu64, x->s->job);
    else if (x->own && j->user != x->u)
        *ret = no_as(x, HONE_E_DENIED, HONE_FARM_BECAUSE_NOT_YOURS,
                     "job %" PRIu64 " is somebody else's", x->s->job);
    if (!j || (x->own && j->user != x->u))
        return NULL;
    x->job = j->row.id;
    return j;
}

static hone_farm_reason by(const speech *x, const job *j)
{
    return j->user == x->u ? HONE_FARM_BECAUSE_BY_USER : HONE_FARM_BECAUSE_BY_ADMIN;
}

static hone_status no_more(speech *x, const job *j, const char *what)
{
    return no_as(x, HONE_E_INPUT, HONE_FARM_BECAUSE_STATE, "job %" PRIu64 " is %s: it cannot be %s",
                 j->row.id, hone_farm_job_state_name(j->row.state), what);
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
        return no_more(x, j, "cancelled");
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
        return no_more(x, j, "paused");
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
        return no_more(x, j, "resumed");
    return HONE_OK;
}

/* ---- devices
 * ------------------------------------------------------------------------------------------ */

static worker *the_worker(speech *x, hone_status *ret)
{
    worker *w = x->s->name ? hone_farm__worker(x->f, x->s->name) : NULL;
    if (!w)
        *ret = no_as(x, HONE_E_NOTFOUND, HONE_FARM_BECAUSE_NO_SUCH,
                     "no device or builder is named %s", x->s->name ? x->s->name : "");
    return w;
}

/* "draining by root, for 12 min more" */
static hone_status no_as_it_is(speech *x, hone_status s, hone_farm_reason why, const worker *w)
{
    int64_t left = (w->row.admin_until - x->f->now_ns + 1000 * MS - 1) / (1000 * MS);
    bool minutes = left >= 120;
    return no_as(x, s, why, "%s is %s by %s, for %" PRId64 " %s more", w->row.name,
                 hone_farm_admin_name(w->row.admin), w->row.by,
                 minutes    ? (left + 59) / 60
                 : left > 0 ? left
                            : 0,
                 minutes ? "min" : "s");
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
    if (!(w->row.roles & HONE_FARM_DEVICE))
        return no_as(x, HONE_E_INPUT, HONE_FARM_BECAUSE_NOT_DEVICE, "%s is not a device",
                     w->row.name);
    bool again = w->row.admin == HONE_FARM_ADMIN_RESERVED && strcmp(w->row.by, x->u->row.name) == 0;
    if (ms < 0 || ms > x->f->l.reserve_ms)
        return no_as(x, HONE_E_INPUT, HONE_FARM_BECAUSE_BOUNDS,
                     "a reservation is for 1 to %" PRId64 " s, not for %" PRId64,
                     x->f->l.reserve_ms / 1000, ms / 1000);
    if (w->row.admin != HONE_FARM_ADMIN_OPEN && !again)
        return no_as_it_is(x, HONE_E_INPUT, HONE_FARM_BECAUSE_STATE, w);
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
        return no_as_it_is(x, HONE_E_INPUT, HONE_FARM_BECAUSE_STATE, w);
    if (x->own && strcmp(w->row.by, x->u->row.name) != 0)
        return no_as_it_is(x, HONE_E_DENIED, HONE_FARM_BECAUSE_NOT_YOURS, w);
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
        return no_as(x, HONE_E_INPUT, HONE_FARM_BECAUSE_BOUNDS,
                     "a device is drained for 1 to 31536000 s, not for %" PRId64, ms / 1000);
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

/* Another one that has this key, and is revoked or not. */
static const user *other_of_key(const hone_farm *f, const user *u, const char *key, bool revoked)
{
    for (uint32_t i = 0; i < f->users.n && *key; i++) {
        const user *o = f->users.v[i];
        if (o != u && o->row.revoked == revoked && strcmp(o->row.key, key) == 0)
            return o;
    }
    return NULL;
}

/* Whoever says it takes the last administrator away, and is it. */
static bool is_last_admin(const speech *x, const user *u)
{
    bool other = x->s->because != 0 || x->u != u || !(u->row.roles & HONE_FARM_ADMIN);
    for (uint32_t i = 0; i < x->f->users.n && !other; i++) {
        const hone_farm_user_row *o = &x->f->users.v[i]->row;
        other = x->f->users.v[i] != u && o->roles & HONE_FARM_ADMIN && !o->revoked && o->key[0] &&
                strcmp(o->key, u->row.key) != 0;
    }
    return !other;
}

/* Whether this key may have this name, and who says so may say it. */
static hone_status key_fits(speech *x, const user *u)
{
    const hone_farm_say *s = x->s;
    const user *o = other_of_key(x->f, u, s->key, false);
    bool file = s->because == HONE_FARM_BECAUSE_BY_FILE;
    bool another = u && u->row.key[0] && strcmp(u->row.key, s->key) != 0;
    if (o)
        return no_as(x, HONE_E_INPUT, HONE_FARM_BECAUSE_KEY_LISTED,
                     "this key is here already, as %s", o->row.name);
    if (file && (o = other_of_key(x->f, u, s->key, true)) && o->row.said)
        return no_as(x, HONE_E_DENIED, HONE_FARM_BECAUSE_KEPT_OUT,
                     "the key of %s was revoked as %s, and holds until `hone keys add`", s->name,
                     o->row.name);
    if (file && u && u->row.said)
        return no_as(x, HONE_E_DENIED, HONE_FARM_BECAUSE_KEPT_OUT,
                     "%s was %s with `hone keys`, and that holds", s->name,
                     u->row.revoked ? "revoked" : "changed");
    if (s->because == HONE_FARM_BECAUSE_BY_OWNER && u && u->row.key[0] && !u->row.revoked)
        another = (u->row.roles & s->roles) != s->roles; /* the key would get them too */
    if (another && !u->row.revoked && !file)
        return no_as(x, HONE_E_INPUT, HONE_FARM_BECAUSE_NAME_TAKEN,
                     "another key is named %s; a name is one key", s->name);
    if (u && !(s->roles & HONE_FARM_ADMIN) && is_last_admin(x, u))
        return no_as(x, HONE_E_INPUT, HONE_FARM_BECAUSE_LAST_ADMIN,
                     "%s is the only administrator's key: add another first", s->name);
    return HONE_OK;
}

static hone_farm_reason who_said(const speech *x)
{
    return x->s->because ? x->s->because : HONE_FARM_BECAUSE_BY_ADMIN;
}

static hone_status say_key_add(speech *x)
{
    const hone_farm_say *s = x->s;
    unsigned all = HONE_FARM_USER | HONE_FARM_DEVICE | HONE_FARM_BUILDER | HONE_FARM_ADMIN;
    if (s->name && (strcmp(s->name, "farm") == 0 || strcmp(s->name, HONE_FARM_SELF) == 0))
        return no_as(x, HONE_E_INPUT, HONE_FARM_BECAUSE_NAME_TAKEN,
                     "%s is a name of the service itself: give the key another one", s->name);
    if (!s->name || !s->name[0] || strlen(s->name) >= HONE_FARM_NAME || !s->key ||
        strlen(s->key) >= HONE_FARM_KEY_TEXT || !s->roles || s->roles & ~all || s->weight < 0 ||
        s->weight > 1000000 || s->day_ms < 0 || s->max_jobs < 0)
        return no(x, HONE_E_INPUT, HONE_FARM_BECAUSE_BOUNDS);
    user *u = hone_farm__user(x->f, s->name);
    HONE_TRY(key_fits(x, u));
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
    u->row.said |= !s->because;
    hone_farm__dirty_user(x->f, u);
    hone_farm__audit_user(x->f, x->u->row.name, s->name, "key_add", who_said(x));
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

static void turn_away(hone_farm *f, const user *u)
{
    worker *w = hone_farm__worker(f, u->row.name);
    if (!w || !w->session)
        return;
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

static void revoke_key(speech *x, user *u)
{
    bool was = u->row.revoked;
    if (was && (x->s->because || u->row.said))
        return;
    u->row.revoked = true;
    u->row.said = !x->s->because;
    hone_farm__dirty_user(x->f, u);
    hone_farm__audit_user(x->f, x->u->row.name, u->row.name, "key_revoke", who_said(x));
    if (was)
        return;
    stop_jobs_of(x->f, u, x->u->row.name);
    turn_away(x->f, u);
}

/* A key that is there under several names, as logs of before may have it, is out under each. */
static hone_status say_key_revoke(speech *x)
{
    const char *name = x->s->name ? x->s->name : "";
    user *u = strcmp(name, HONE_FARM_SELF) == 0 ? NULL : hone_farm__user(x->f, name);
    if (!u)
        return no_as(x, HONE_E_NOTFOUND, HONE_FARM_BECAUSE_NO_SUCH, "no key is named %s", name);
    if (x->s->because && x->s->key && strcmp(x->s->key, u->row.key) != 0)
        return HONE_OK;
    if (!u->row.revoked && is_last_admin(x, u))
        return no_as(x, HONE_E_INPUT, HONE_FARM_BECAUSE_LAST_ADMIN,
                     "%s is the only administrator's key: add another first", name);
    revoke_key(x, u);
    for (user *o; (o = (user *)(uintptr_t)other_of_key(x->f, u, u->row.key, false));)
        revoke_key(x, o);
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

/* With what it was about. */
static void audit_refusal(const speech *x, const char *who)
{
    const hone_farm_say *s = x->s;
    const char *verb = hone_farm_verb_name(s->verb);
    char name[HONE_FARM_NAME];
    if (x->f->refused_lately++ >= REFUSALS)
        return;
    snprintf(name, sizeof name, "%s", s->name ? s->name : "");
    switch (s->verb) {
    case HONE_FARM_VERB_CANCEL:
    case HONE_FARM_VERB_PAUSE:
    case HONE_FARM_VERB_RESUME:
        snprintf(name, sizeof name, "%" PRIu64, s->job);
        hone_farm__audit_refusal(x->f, who, verb, "job", name, x->why);
        return;
    case HONE_FARM_VERB_RESERVE:
    case HONE_FARM_VERB_RELEASE:
    case HONE_FARM_VERB_DRAIN:
    case HONE_FARM_VERB_OPEN:
    case HONE_FARM_VERB_RETIRE:
        hone_farm__audit_refusal(x->f, who, verb, "worker", name, x->why);
        return;
    case HONE_FARM_VERB_KEY_ADD:
    case HONE_FARM_VERB_KEY_REVOKE:
        hone_farm__audit_refusal(x->f, who, verb, "user", name, x->why);
        return;
    case HONE_FARM_VERB_SUBMIT:
    case HONE_FARM_VERB_COUNT:
        break;
    }
    hone_farm__audit_refusal(x->f, who, verb, "user", who, x->why);
}

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
        /* A job that was submitted before is told also now; what the service itself says holds. */
        status = can_grant(f) || s->verb == HONE_FARM_VERB_SUBMIT || s->because
                     ? say[s->verb](&x)
                     : no(&x, HONE_E_FULL, HONE_FARM_BECAUSE_STORAGE);
    }
    f->stats.denied += status == HONE_E_DENIED;
    if (status != HONE_OK && can_grant(f))
        audit_refusal(&x, who);
    if (f->rows.n + f->dirty_jobs.n + f->dirty_workers.n + f->dirty_users.n != rows)
        x.after = f->batch;
    hone_farm_effect *e = hone_farm__effect(f, HONE_FARM_REPLY, who, x.after);
    e->reply.client = s->client;
    e->reply.status = status;
    e->reply.reason = x.why;
    e->reply.request = s->request;
    e->reply.job = x.job;
    e->reply.matching = x.matching;
    if (status != HONE_OK)
        snprintf(OF(e, outgoing, e)->notice, sizeof OF(e, outgoing, e)->notice, "%s",
                 x.text[0] ? x.text : hone_farm_reason_text(x.why));
}
