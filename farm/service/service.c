/* The loop: what the pool has goes to the farm, what the farm says is done, time passes for both.
 * What would keep it is done beside it, by the crew (sessions), the storage (the log) and the asker
 * (queries); what they say comes as letters, and is taken between two events of the pool. */
#include "farm/service/internal.h"

#include <unistd.h>

#define TURN_MS 20
#define LETTERS_MS 1 /* letters do not end the wait for the pool */
#define STEP_MS 100
#define PATIENCE_NS (100 * HONE_SERVICE__MS) /* of results of sessions, for company in a commit */
#define SECOND_NS INT64_C(1000000000)
#define CANARY_MS 60000 /* the first one of a device computes what it is compared with */

/* ---- events --------------------------------------------------------------------------------- */

event *hone_service__post(service *s, hone_farm_event_kind kind, const char *who)
{
    event *e = hone_xcalloc(1, sizeof *e);
    e->e.kind = kind;
    if (who) {
        snprintf(e->who, sizeof e->who, "%s", who);
        e->e.who = e->who;
    }
    hone_vec_push(&s->queue, e);
    return e;
}

static void event_free(event *e)
{
    free(e->attrs);
    hone_text_drop(e->target);
    free(e->held);
    free(e);
}

static void step(service *s, const hone_farm_event *e)
{
    hone_farm_effect x;
    hone_farm_step(s->farm, e, hone_clock_ns());
    while (s->status == HONE_OK && hone_farm_next_effect(s->farm, &x))
        hone_service__do(s, &x);
}

void hone_service__run(service *s)
{
    while (s->first < s->queue.n && s->status == HONE_OK) {
        event *e = s->queue.v[s->first++];
        step(s, &e->e);
        event_free(e);
    }
    if (s->first == s->queue.n)
        s->first = s->queue.n = 0;
    if (s->keys_changed && s->pool)
        hone_service__keys_to_pool(s);
}

void hone_service__halt(service *s, hone_status status, const hone_error *err)
{
    if (s->status != HONE_OK)
        return;
    s->status = status;
    s->error = *err;
}

/* ---- the log -------------------------------------------------------------------------------- */

hone_db *hone_service__log(const service *s)
{
    return s->reader ? s->reader : s->db;
}

void hone_service__note(service *s, uint64_t id, const char *what, const char *text)
{
    hone_error err = {0};
    if (s->storage)
        hone_service__storage_note(s->storage, NULL, id, what, text);
    else if (hone_store_note(s->db, id, what, text, &err) != HONE_OK)
        hone_log(HONE_LOG_WARN, "%s", err.message);
}

/* ---- letters -------------------------------------------------------------------------------- */

static void open_letter(service *s, letter *l)
{
    switch (l->kind) {
    case SAID_WANT:
        hone_service__want(s, (want *)l);
        break;
    case SAID_STORED:
        hone_service__stored(s, (storage_batch *)l);
        break;
    case SAID_ANSWER:
        hone_service__answered(s, (answered *)l);
        break;
    default:
        hone_service__job_said(s, (said_letter *)l);
    }
}

static void take_letters(service *s)
{
    letter *l = hone_service__mail_take(&s->inbox), *after;
    for (; l; l = after) {
        after = l->next;
        open_letter(s, l);
        hone_service__run(s);
    }
}

/* At the end: nobody is told any more. */
static void drop_letters(service *s)
{
    letter *l = hone_service__mail_take(&s->inbox), *after;
    for (; l; l = after) {
        after = l->next;
        if (l->kind == SAID_WANT) {
            hone_service__want_free((want *)l);
        } else if (l->kind == SAID_STORED) {
            hone_service__batch_free((storage_batch *)l);
        } else if (l->kind == SAID_ANSWER) {
            json_decref(((answered *)l)->answer);
            free(l);
        } else {
            json_decref(((said_letter *)l)->line);
            free(((said_letter *)l)->text);
            free(((said_letter *)l)->error);
            free(l);
        }
    }
    hone_service__mail_fini(&s->inbox);
}

/* ---- one turn ------------------------------------------------------------------------------- */

static void take(service *s, hone_pool_event *e)
{
    switch (e->kind) {
    case HONE_POOL_PEER_JOINED:
        hone_log(HONE_LOG_INFO, "%s", e->text);
        hone_service__joined(s, e);
        break;
    case HONE_POOL_PEER_LOST:
        hone_service__lost(s, e);
        break;
    case HONE_POOL_PEER_BUSY:
        hone_log(HONE_LOG_WARN, "%s", e->text);
        break;
    case HONE_POOL_REFUSED:
        s->numbers.auth_denied++;
        break;
    case HONE_POOL_BUILT:
    case HONE_POOL_MEASURED:
        if (!hone_service__canary_built(s, e))
            hone_service__outcome(s, e);
        break;
    case HONE_POOL_SAID:
        hone_service__said(s, e);
        break;
    case HONE_POOL_PROGRESS:
        hone_service__progress(s, e);
        break;
    case HONE_POOL_LATE:
        hone_service__late(s, e);
        break;
    case HONE_POOL_NOTHING:
        break;
    }
    hone_artifact_free(&e->artifact);
    hone_buf_free(&e->said);
    hone_service__run(s);
}

static void each_second(service *s, int64_t now)
{
    if (now < s->second_ns)
        return;
    s->second_ns = now + SECOND_NS;
    hone_service__tend_workers(s, now);
    hone_service__tend_launch(s, now);
    hone_desk_sample(s->desk, hone_clock_wall_ms());
    hone_service__keep(s, 0, false);
    hone_service__run(s);
    hone_service__publish(s);
}

static int patience_ms(const service *s)
{
    int64_t ms = hone_farm_wait_ns(s->farm) / HONE_SERVICE__MS;
    int64_t most = s->committing || s->jobs.n > 0 ? LETTERS_MS : TURN_MS;
    return ms < 1 ? 1 : ms < most ? (int)ms : (int)most;
}

static void turn(service *s)
{
    hone_pool_event e;
    hone_pool_next(s->pool, patience_ms(s), &e);
    take(s, &e);
    for (int i = 0; i < 256 && e.kind != HONE_POOL_NOTHING && s->status == HONE_OK; i++) {
        hone_pool_next(s->pool, 0, &e);
        take(s, &e);
    }
    take_letters(s);
    int64_t now = hone_clock_ns();
    each_second(s, now);
    if (now >= s->step_ns) {
        s->step_ns = now + STEP_MS * HONE_SERVICE__MS;
        hone_service__tend_jobs(s);
    }
    hone_service__post(s, HONE_FARM_TICK, NULL)->e.builds = hone_service__canary_builds(s);
    hone_service__run(s);
}

/* ---- start and end -------------------------------------------------------------------------- */

static unsigned session_threads(const hone_service_options *o)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    if (o->session_threads)
        return o->session_threads;
    return n < 2 ? 2 : n > 8 ? 8 : (unsigned)n;
}

/* What runs beside the loop. From here on the storage has the log. */
static hone_status start_threads(service *s, hone_error *err)
{
    const hone_service_options *o = s->o;
    HONE_TRY(hone_db_open(o->db_path, HONE_DB_READ, &s->reader, err));
    hone_db_trust_json(s->db);
    HONE_TRY(hone_db_write_much(s->db, err));
    s->storage =
        hone_service__storage_start(&(storage_options){.db = s->db,
                                                       .answers = &s->inbox,
                                                       .print = hone_service__payload_print,
                                                       .patience_ns = PATIENCE_NS});
    if (o->query)
        s->asker = hone_service__asker_start(o, &s->inbox);
    return hone_service__crew_start(&(crew_options){.threads = session_threads(o),
                                                    .db_path = o->db_path,
                                                    .llvm_version = o->llvm_version,
                                                    .storage = s->storage,
                                                    .inbox = &s->inbox},
                                    &s->crew, err);
}

static hone_status open_all(service *s, hone_error *err)
{
    const hone_service_options *o = s->o;
    hone_farm_limits limits = o->limits;
    limits.canary_ms = CANARY_MS;
    limits.builders_max = o->launch ? o->builders_max : 0;
    HONE_TRY(hone_db_open(o->db_path, HONE_DB_WRITE | HONE_DB_CREATE, &s->db, err));
    s->farm = hone_farm_new(&limits);
    HONE_TRY(hone_store_restore(s->db, s->farm, err));
    hone_farm_returns(s->farm, hone_clock_wall_ms());
    HONE_TRY(hone_service__users_init(s, err));
    HONE_TRY(hone_service__desk_open(s, err));
    uint64_t realm;
    HONE_TRY(hone_service__realm(s, &realm, err));
    HONE_TRY(hone_pool_new(&(hone_pool_options){.key_file = o->key_file,
                                                .allow_file = o->allow_file,
                                                .insecure_loopback = o->insecure_loopback,
                                                .clients = true,
                                                .realm = realm},
                           &s->pool, err));
    HONE_TRY(start_threads(s, err));
    s->keys_changed = true;
    hone_service__run(s);
    for (unsigned i = 0; i < o->n_listen; i++)
        HONE_TRY(hone_pool_listen(s->pool, o->listen[i], err));
    if (o->http)
        HONE_TRY(hone_page_start(
            &(hone_page_options){.listen = o->http, .token_file = o->http_token_file}, &s->page,
            err));
    if (s->page)
        hone_log(HONE_LOG_INFO, "the page is at port %u", hone_page_port(s->page));
    return HONE_OK;
}

static void close_all(service *s)
{
    hone_page_stop(s->page);
    hone_service__crew_stop(s->crew); /* whose sessions may wait for the storage */
    hone_service__asker_stop(s->asker);
    if (s->storage && s->desk)
        hone_service__keep(s, 0, true);
    hone_service__storage_stop(s->storage);
    drop_letters(s);
    hone_service__jobs_free(s);
    hone_service__units_free(s);
    hone_pool_free(s->pool);
    hone_service__peers_free(s);
    hone_service__canaries_free(s);
    for (; s->first < s->queue.n; s->first++)
        event_free(s->queue.v[s->first]);
    hone_vec_free(&s->queue);
    for (uint32_t i = 0; i < s->asks.n; i++)
        free(s->asks.v[i].spec);
    hone_vec_free(&s->asks);
    free(s->allowed);
    hone_desk_free(s->desk);
    hone_farm_free(s->farm);
    hone_db_close(s->reader);
    hone_db_close(s->db);
    free(s);
}

hone_status hone_service_run(const hone_service_options *o, hone_error *err)
{
    service *s = hone_xcalloc(1, sizeof *s);
    s->o = o;
    hone_service__mail_init(&s->inbox);
    hone_status st = open_all(s, err);
    if (st == HONE_OK) {
        if (o->ready)
            o->ready(o->ctx);
        hone_service_notify("READY=1");
        while (s->status == HONE_OK && !o->stop(o->ctx)) {
            if (o->reload && o->reload(o->ctx)) {
                hone_service__users_reload(s);
                hone_service__run(s);
            }
            turn(s);
        }
        hone_service_notify("STOPPING=1");
        st = s->status;
        if (st != HONE_OK && err)
            *err = s->error;
    }
    close_all(s);
    return st;
}
