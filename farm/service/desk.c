/* What people say, through the desk; and what the desk is told. */
#include "farm/service/internal.h"

#include <dirent.h>
#include <sodium.h>
#include <unistd.h>

/* ---- what the desk asks --------------------------------------------------------------------- */

static hone_status events(void *ctx, uint64_t from, uint32_t n, hone_desk_event_fn fn, void *fn_ctx,
                          hone_error *err)
{
    return hone_store_each_event(hone_service__log(ctx), from, n, fn, fn_ctx, err);
}

static const char *target(void *ctx, const char *device)
{
    const worker *w = hone_service__worker(ctx, device);
    return w && *w->target ? w->target : NULL;
}

static const char *waiting(void *ctx, uint32_t k, const char **ret_attrs)
{
    service *s = ctx;
    for (uint32_t i = 0; i < s->workers.n; i++) {
        worker *w = s->workers.v[i];
        if (w->greeted || !(w->roles & HONE_ROLE_RUN) || w->hellos || k-- > 0)
            continue;
        if (!w->shown)
            w->shown = hone_service__attrs(w);
        *ret_attrs = w->shown;
        return w->name;
    }
    return NULL;
}

static double resident_bytes(void)
{
    char line[256];
    long pages = 0;
    if (!hone_file_line("/proc/self/statm", NULL, line, sizeof line) ||
        sscanf(line, "%*d %ld", &pages) != 1)
        return 0;
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    double n = 0;
    if (!d)
        return 0;
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n - 1; /* but the folder's own */
}

static double quantile(const service *s, double q)
{
    double v[HONE_LEN(s->durable_s)];
    uint32_t n = s->n_durable < HONE_LEN(v) ? s->n_durable : (uint32_t)HONE_LEN(v);
    memcpy(v, s->durable_s, n * sizeof v[0]);
    hone_sort(v, n);
    return n ? v[(uint32_t)(q * (n - 1))] : 0;
}

static char *spec(void *ctx, const hone_farm_job_row *r)
{
    char *text = NULL;
    const char *unwritten = hone_service__spec(ctx, r);
    if (unwritten)
        return hone_xstrdup(unwritten);
    return hone_store_spec(hone_service__log(ctx), r->id, &text, NULL) == HONE_OK ? text : NULL;
}

static void numbers(void *ctx, hone_desk_service *ret)
{
    service *s = ctx;
    s->numbers.peers_device = hone_pool_peers(s->pool, HONE_ROLE_RUN);
    s->numbers.peers_builder = hone_pool_peers(s->pool, HONE_ROLE_BUILD);
    s->numbers.peers_client = hone_pool_peers(s->pool, HONE_ROLE_CLIENT);
    s->numbers.sessions = s->jobs.n;
    s->numbers.resident_bytes = resident_bytes();
    s->numbers.open_files = open_files();
    s->numbers.durable_p50 = quantile(s, 0.5);
    s->numbers.durable_p99 = quantile(s, 0.99);
    *ret = s->numbers;
}

static hone_status query(void *ctx, const hone_desk_query *q, uint64_t ticket, hone_error *err)
{
    return hone_service__asker_take(((service *)ctx)->asker, q, ticket, err);
}

void hone_service__answered(service *s, answered *a)
{
    hone_desk_peer to;
    hone_buf text = {0};
    hone_service__asker_done(s->asker);
    if (hone_desk_answered(s->desk, a->ticket, a->status, a->answer, &a->error, &to, &text))
        hone_pool_tell(s->pool, to.peer, to.ask, text.s, text.n, false);
    hone_buf_free(&text);
    free(a);
}

void hone_service__publish(service *s)
{
    if (!s->page)
        return;
    json_t *j = hone_desk_status(s->desk, hone_clock_wall_ms());
    char *status = hone_json_text(j);
    hone_buf metrics = {0};
    hone_desk_metrics(s->desk, &metrics);
    hone_page_publish(s->page, status, metrics.s, hone_desk_trouble(s->desk));
    hone_buf_free(&metrics);
    free(status);
    json_decref(j);
}

/* ---- requests ------------------------------------------------------------------------------- */

/* Said again before its row is stored, as long as the disk is full, it is the same. */
static asked *find_ask(service *s, const char *user, const hone_farm_request *r)
{
    for (uint32_t i = 0; i < s->asks.n; i++)
        if (strcmp(s->asks.v[i].user, user) == 0 &&
            memcmp(&s->asks.v[i].request, r, sizeof *r) == 0)
            return &s->asks.v[i];
    return NULL;
}

void hone_service__said(service *s, hone_pool_event *e)
{
    hone_desk_answer a = {0};
    hone_desk_peer from = {e->peer, e->ask};
    hone_pool_peer p;
    s->numbers.requests++;
    if (hone_pool_peer_get(s->pool, e->peer, &p) && !p.key[0]) { /* whoever owns this process */
        hone_service__user_needs(s, e->device, "", HONE_FARM_USER | HONE_FARM_ADMIN, 1);
        hone_service__run(s);
    }
    hone_desk_request(s->desk, from, e->device, e->said.s, e->said.n, &a);
    if (a.later) {
        hone_buf_free(&e->said);
        return;
    }
    if (!a.say) {
        hone_pool_tell(s->pool, e->peer, e->ask, a.text.s, a.text.n, false);
    } else {
        if (a.spec && !find_ask(s, a.event.who, &a.event.say.request)) {
            asked x = {.request = a.event.say.request, .spec = hone_xstrdup(a.spec)};
            snprintf(x.user, sizeof x.user, "%s", a.event.who);
            hone_vec_push(&s->asks, x);
        }
        char *target = a.spec ? hone_service__named(a.spec) : NULL;
        char *filter = target ? hone_service__filter(target, a.event.say.filter) : NULL;
        event *post = hone_service__post(s, HONE_FARM_SAY, a.event.who);
        const char *who = post->e.who;
        post->e = a.event; /* its texts live until the next request: it is stepped now */
        post->e.who = who;
        if (target) {
            post->e.say.filter = filter;
            post->e.say.target = target;
        }
        hone_service__run(s);
        free(filter);
        free(target);
    }
    hone_buf_free(&a.text);
    hone_buf_free(&e->said);
}

static void forget_asks(service *s, const char *user, const hone_farm_request *r)
{
    for (asked *a; (a = find_ask(s, user, r));) {
        free(a->spec);
        *a = s->asks.v[--s->asks.n];
    }
}

void hone_service__replied(service *s, const hone_farm_effect *x)
{
    hone_desk_peer to;
    hone_buf text = {0};
    bool awaits = x->reply.job && x->reply.status == HONE_E_FULL; /* its row is to be written */
    if (x->who && !awaits)
        forget_asks(s, x->who, &x->reply.request);
    if (x->who && strcmp(x->who, HONE_SERVICE__SELF) == 0 && x->reply.status != HONE_OK)
        hone_log(HONE_LOG_WARN, "a key is not taken over: %s", x->reply.text);
    s->keys_changed = true; /* perhaps; it costs little */
    if (hone_desk_reply(s->desk, x, &to, &text))
        hone_pool_tell(s->pool, to.peer, to.ask, text.s, text.n, false);
    hone_buf_free(&text);
}

/* ---- what is stored ------------------------------------------------------------------------- */

const char *hone_service__spec(service *s, const hone_farm_job_row *r)
{
    asked *a = find_ask(s, r->user, &r->request);
    return a ? a->spec : NULL;
}

static void tell_job(service *s, uint64_t id, const char *text)
{
    hone_desk_spec spec;
    if (hone_desk_spec_parse(text, strlen(text), &spec, NULL) == HONE_OK) {
        hone_desk_job(s->desk, id, &spec);
        hone_desk_spec_free(&spec);
    }
}

void hone_service__committed(service *s, const hone_farm_row *rows, uint32_t n)
{
    int64_t now = hone_clock_wall_ms();
    for (uint32_t i = 0; i < n; i++) {
        const char *spec =
            rows[i].kind == HONE_FARM_ROW_JOB ? hone_service__spec(s, &rows[i].job) : NULL;
        if (spec) {
            tell_job(s, rows[i].job.id, spec);
            forget_asks(s, rows[i].job.user, &rows[i].job.request);
        } else if (rows[i].kind == HONE_FARM_ROW_EVENT)
            hone_desk_event(s->desk, &rows[i].event, now);
    }
}

/* What a desk has to say of a job, for the next life of the service. */
#define TOLD "told"

static void keep_told(void *ctx, uint64_t id, const char *text)
{
    hone_service__note(ctx, id, TOLD, text);
}

void hone_service__keep(service *s, uint64_t id, bool last)
{
    hone_desk_each_kept(s->desk, id, last, keep_told, s);
}

static bool restore_job(void *ctx, const hone_farm_row *r)
{
    service *s = ctx;
    char *text;
    if (hone_store_spec(s->db, r->job.id, &text, NULL) == HONE_OK) {
        tell_job(s, r->job.id, text);
        if (hone_farm_job_is_live(r->job.state))
            hone_service__needs(s, r->job.id, text);
    }
    free(text);
    if (hone_store_noted(s->db, r->job.id, TOLD, &text, NULL) == HONE_OK)
        hone_desk_restore(s->desk, r->job.id, text);
    free(text);
    return true;
}

hone_status hone_service__desk_open(service *s, hone_error *err)
{
    uint64_t life = 0;
    (void)err;
    while (life == 0)
        randombytes_buf(&life, sizeof life);
    s->numbers.start_time = (double)hone_clock_wall_ms() / 1e3;
    hone_desk_port port = {.ctx = s,
                           .check = hone_service__check,
                           .spec = spec,
                           .query = s->o->query ? query : NULL,
                           .events = events,
                           .target = target,
                           .service = numbers,
                           .waiting = waiting};
    s->desk = hone_desk_new(s->farm, &port, life);
    hone_farm_each_row(s->farm, 1u << HONE_FARM_ROW_JOB, restore_job, s);
    return HONE_OK;
}
