/* The storage's thread: takes all that waits, puts it into one transaction, answers. */
#include "farm/service/storage.h"

#include <stdatomic.h>

struct scribe {
    _Atomic unsigned refs;
    _Atomic int status; /* hone_status; `error` is written before it is */
    hone_error error;
    uint64_t group; /* the last one that it had a session's row in; the storage's thread's */
};

typedef enum kind { BATCH, NOTE, RESULT, CALL } kind;

typedef struct deed {
    letter letter;
    kind kind;
    hone_status status;
    hone_error *error; /* owned, of one that failed: it is large */
    scribe *by;        /* NULL: no session */
    storage_batch *batch;
    uint64_t job; /* NOTE */
    char *what, *text;
    hone_db_record record; /* RESULT; its texts, samples and the row's state lie behind the deed */
    hone_db_sample *samples;
    uint32_t n;
    hone_db_session row;
    bool last; /* RESULT: no later one of the group has the row, too */
    hone_status (*fn)(hone_db *db, void *ctx, hone_error *err); /* CALL */
    void *ctx;
    bool done; /* CALL: under the storage's mutex */
} deed;

/* Leases of a device that was found to compute wrong. */
typedef struct doubt {
    char worker[HONE_FARM_NAME];
    uint64_t from, to;
} doubt;

/* Notes of nobody's session that found no room are written when there is some, the latest of each:
 * nobody else would say them again. */
#define UNWRITTEN_NS INT64_C(1000000000)

struct storage {
    storage_options o;
    mailbox box, later; /* later: of sessions, and nobody waits for it */
    _Atomic uint32_t n_later;
    pthread_t thread;
    pthread_mutex_t mutex; /* of `done` */
    pthread_cond_t answered;
    HONE_VEC(deed *) group;
    HONE_VEC(deed *) unwritten;
    int64_t unwritten_ns; /* when they are tried again */
    uint64_t groups;
    int64_t complained_ns;
    doubt doubts[64]; /* the latest: a session may not have stored yet what it was given before */
    uint32_t n_doubts;
};

/* ---- scribes --------------------------------------------------------------------------------- */

scribe *hone_service__scribe_new(void)
{
    scribe *by = hone_xcalloc(1, sizeof *by);
    by->refs = 1;
    return by;
}

void hone_service__scribe_drop(scribe *by)
{
    if (by && atomic_fetch_sub(&by->refs, 1) == 1)
        free(by);
}

hone_status hone_service__scribe_status(const scribe *by, hone_error *err)
{
    hone_status st = (hone_status)atomic_load(&by->status);
    if (st != HONE_OK && err)
        *err = by->error;
    return st;
}

static void scribe_fail(scribe *by, hone_status st, const hone_error *err)
{
    if (atomic_load(&by->status) != HONE_OK)
        return;
    by->error = *err;
    atomic_store(&by->status, (int)st);
}

/* ---- batches --------------------------------------------------------------------------------- */

storage_batch *hone_service__batch_new(uint64_t batch, const hone_farm_row *rows, uint32_t n)
{
    storage_batch *b = hone_xcalloc(1, sizeof *b);
    b->batch = batch;
    b->rows = hone_xcalloc(n, sizeof *b->rows);
    b->with = hone_xcalloc(n, sizeof *b->with);
    b->n = n;
    memcpy(b->rows, rows, n * sizeof *rows);
    for (uint32_t k = 0; k < n; k++)
        if (rows[k].kind == HONE_FARM_ROW_WORKER)
            b->rows[k].worker.attrs =
                hone_xstrdup(rows[k].worker.attrs ? rows[k].worker.attrs : "");
    return b;
}

void hone_service__batch_free(storage_batch *b)
{
    for (uint32_t k = 0; k < b->n; k++) {
        if (b->rows[k].kind == HONE_FARM_ROW_WORKER)
            free((char *)(uintptr_t)b->rows[k].worker.attrs);
        else if (b->rows[k].kind == HONE_FARM_ROW_JOB)
            free((char *)(uintptr_t)b->with[k]);
    }
    free(b->rows);
    free(b->with);
    free(b);
}

/* ---- in the storage's thread ----------------------------------------------------------------- */

typedef struct printing {
    const storage *w;
    const storage_batch *b;
} printing;

static const void *with(const storage_batch *b, const void *part, size_t offset)
{
    const hone_farm_row *row = (const hone_farm_row *)((const char *)part - offset);
    return b->with[row - b->rows];
}

static void print_payload(void *ctx, const hone_farm_result_row *r, hone_buf *ret)
{
    const printing *p = ctx;
    const void *what = with(p->b, r, offsetof(hone_farm_row, result));
    if (what && p->w->o.print)
        p->w->o.print(what, ret);
}

static const char *spec_of(void *ctx, const hone_farm_job_row *r)
{
    return with(((const printing *)ctx)->b, r, offsetof(hone_farm_row, job));
}

static void note_doubts(storage *w, const storage_batch *b)
{
    for (uint32_t k = 0; k < b->n; k++) {
        const hone_farm_row *r = &b->rows[k];
        if (r->kind != HONE_FARM_ROW_SUSPECT)
            continue;
        doubt *x = &w->doubts[w->n_doubts++ % HONE_LEN(w->doubts)];
        *x = (doubt){.from = r->suspect.from, .to = r->suspect.to};
        snprintf(x->worker, sizeof x->worker, "%s", r->suspect.worker);
    }
}

static bool is_doubtful(const storage *w, const hone_db_record *r)
{
    for (uint32_t k = 0; r->fence > 0 && k < w->n_doubts && k < HONE_LEN(w->doubts); k++) {
        const doubt *x = &w->doubts[k];
        if ((uint64_t)r->fence >= x->from && (uint64_t)r->fence <= x->to && r->device &&
            strcmp(x->worker, r->device) == 0)
            return true;
    }
    return false;
}

static hone_status put(storage *w, deed *d, hone_error *err)
{
    hone_db *db = w->o.db;
    printing p = {w, d->batch};
    hone_store_more more = {.ctx = &p, .payload = print_payload, .spec = spec_of};
    switch (d->kind) {
    case BATCH:
        note_doubts(w, d->batch);
        return hone_store_put(db, d->batch->rows, d->batch->n, &more, err);
    case NOTE:
        return hone_store_note(db, d->job, d->what, d->text, err);
    case RESULT:
        if (is_doubtful(w, &d->record))
            d->record.suspect = 1;
        HONE_TRY(hone_db_record_put(db, &d->record, d->samples, d->n, NULL, NULL, err));
        return d->last ? hone_db_session_save(db, &d->row, NULL, err) : HONE_OK;
    case CALL:
        return d->fn ? d->fn(db, d->ctx, err) : HONE_OK;
    }
    return HONE_OK;
}

static void fail(deed *d, hone_status st, const hone_error *err)
{
    if (d->status != HONE_OK)
        return;
    d->status = st;
    d->error = hone_xmalloc(sizeof *err);
    *d->error = *err;
    if (d->by)
        scribe_fail(d->by, st, err);
}

/* Of a session's rows only the last one of a group counts. */
static void find_last(storage *w)
{
    w->groups++;
    for (uint32_t k = w->group.n; k-- > 0;) {
        deed *d = w->group.v[k];
        if (d->kind != RESULT || d->status != HONE_OK)
            continue;
        d->last = d->by->group != w->groups;
        d->by->group = w->groups;
    }
}

/* Puts all that has not failed; *ret_bad: what has failed now, or the number of all. */
static hone_status put_all(storage *w, uint32_t *ret_bad, hone_error *err)
{
    *ret_bad = w->group.n;
    find_last(w);
    for (uint32_t k = 0; k < w->group.n; k++) {
        deed *d = w->group.v[k];
        hone_status st = d->status == HONE_OK ? put(w, d, err) : HONE_OK;
        if (st != HONE_OK) {
            *ret_bad = k;
            return st;
        }
    }
    return HONE_OK;
}

/* It is the fault of what was put, and the others may do without it. */
static bool is_its_own(hone_status st)
{
    return st == HONE_E_INPUT || st == HONE_E_LIMIT || st == HONE_E_NOTFOUND;
}

static hone_status write_once(storage *w, uint32_t *ret_bad, hone_error *err)
{
    *ret_bad = w->group.n;
    HONE_TRY(hone_db_begin_whole(w->o.db, err));
    hone_status st = put_all(w, ret_bad, err);
    if (st == HONE_OK)
        return w->o.commit ? w->o.commit(w->o.db, err) : hone_db_commit(w->o.db, err);
    hone_db_rollback(w->o.db);
    return st;
}

/* What somebody wrote after something that is lost is lost, too. */
static void drop_lost(storage *w, uint32_t from)
{
    for (uint32_t k = from; k < w->group.n; k++) {
        deed *d = w->group.v[k];
        hone_error err;
        hone_status st = d->by ? hone_service__scribe_status(d->by, &err) : HONE_OK;
        if (st != HONE_OK)
            fail(d, st, &err);
    }
}

static void write_group(storage *w)
{
    hone_error err = {0};
    uint32_t bad;
    hone_status st;
    drop_lost(w, 0);
    while ((st = write_once(w, &bad, &err)) != HONE_OK && bad < w->group.n && is_its_own(st)) {
        fail(w->group.v[bad], st, &err);
        drop_lost(w, bad);
    }
    for (uint32_t k = 0; st != HONE_OK && k < w->group.n; k++)
        fail(w->group.v[k], st, &err);
}

static void deed_free(deed *d)
{
    hone_service__scribe_drop(d->by);
    free(d->error);
    free(d->what);
    free(d->text);
    free(d);
}

/* A later note says it anew. */
static void drop_unwritten(storage *w, const deed *d)
{
    for (uint32_t k = 0; k < w->unwritten.n; k++) {
        deed *old = w->unwritten.v[k];
        if (old->job != d->job || strcmp(old->what, d->what) != 0)
            continue;
        w->unwritten.v[k] = w->unwritten.v[--w->unwritten.n];
        deed_free(old);
        return;
    }
}

static void keep_unwritten(storage *w, deed *d)
{
    free(d->error);
    d->error = NULL;
    d->status = HONE_OK;
    drop_unwritten(w, d); /* there may be two in a group */
    hone_vec_push(&w->unwritten, d);
    w->unwritten_ns = hone_clock_ns() + UNWRITTEN_NS;
}

static void take_unwritten(storage *w)
{
    for (uint32_t k = 0; k < w->unwritten.n; k++)
        hone_vec_push(&w->group, w->unwritten.v[k]);
    w->unwritten.n = 0;
}

static void answer(storage *w, deed *d, double seconds)
{
    if (d->kind == CALL) { /* it lies in the stack of who waits */
        pthread_mutex_lock(&w->mutex);
        d->done = true;
        pthread_cond_broadcast(&w->answered);
        pthread_mutex_unlock(&w->mutex);
        return;
    }
    if (d->kind == NOTE && !d->by && d->status != HONE_OK &&
        hone_service__is_due(&w->complained_ns, hone_clock_ns()))
        hone_log(HONE_LOG_WARN, "%s", d->error->message);
    if (d->kind == BATCH) {
        d->batch->status = d->status;
        if (d->error)
            d->batch->error = *d->error;
        d->batch->seconds = seconds;
        hone_service__mail_put(w->o.answers, &d->batch->letter);
    }
    if (d->kind == NOTE && !d->by && d->status == HONE_E_FULL)
        keep_unwritten(w, d);
    else
        deed_free(d);
}

/* Those that are linked are a group. */
static void gather(storage *w, letter *l, bool *ret_calls)
{
    for (; l; l = l->next) {
        deed *d = (deed *)l;
        if (d->kind == NOTE && !d->by)
            drop_unwritten(w, d);
        hone_vec_push(&w->group, d);
        *ret_calls = *ret_calls || d->kind == CALL;
    }
}

static void write_and_answer(storage *w)
{
    int64_t start = hone_clock_ns();
    if (w->group.n == 0)
        return;
    write_group(w);
    double seconds = (double)(hone_clock_ns() - start) / 1e9;
    for (uint32_t k = 0; k < w->group.n; k++)
        answer(w, w->group.v[k], seconds);
    w->group.n = 0;
}

static void take_later(storage *w)
{
    bool calls = false;
    letter *l = hone_service__mail_take(&w->later);
    for (letter *x = l; x; x = x->next)
        atomic_fetch_sub(&w->n_later, 1);
    gather(w, l, &calls);
}

static void *run(void *arg)
{
    storage *w = arg;
    uint32_t company = w->o.company ? w->o.company : STORAGE_COMPANY;
    for (bool closed = false; !closed;) {
        bool calls = false;
        letter *l = hone_service__mail_await(&w->box, hone_clock_ns() + w->o.patience_ns);
        closed = !l && hone_service__mail_closed(&w->box);
        gather(w, l, &calls);
        if (calls) { /* what its session wrote before it comes before it */
            __typeof__(w->group) urgent = w->group;
            memset(&w->group, 0, sizeof w->group);
            take_later(w);
            for (uint32_t k = 0; k < urgent.n; k++)
                hone_vec_push(&w->group, urgent.v[k]);
            hone_vec_free(&urgent);
        }
        write_and_answer(w);
        if (closed || hone_clock_ns() >= w->unwritten_ns)
            take_unwritten(w);
        if (closed || atomic_load(&w->n_later) >= company ||
            hone_service__mail_since(&w->later) <= hone_clock_ns() - w->o.patience_ns)
            take_later(w);
        write_and_answer(w);
    }
    return NULL;
}

/* ---- from other threads ---------------------------------------------------------------------- */

storage *hone_service__storage_start(const storage_options *o)
{
    storage *w = hone_xcalloc(1, sizeof *w);
    w->o = *o;
    hone_service__mail_init(&w->box);
    hone_service__mail_init(&w->later);
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->answered, NULL);
    w->thread = hone_service__thread("storage", run, w);
    return w;
}

void hone_service__storage_stop(storage *w)
{
    if (!w)
        return;
    hone_service__mail_close(&w->box);
    pthread_join(w->thread, NULL);
    hone_service__mail_fini(&w->box);
    hone_service__mail_fini(&w->later);
    pthread_cond_destroy(&w->answered);
    pthread_mutex_destroy(&w->mutex);
    for (uint32_t k = 0; k < w->unwritten.n; k++)
        deed_free(w->unwritten.v[k]);
    hone_vec_free(&w->unwritten);
    hone_vec_free(&w->group);
    free(w);
}

void hone_service__storage_commit(storage *w, storage_batch *b)
{
    deed *d = hone_xcalloc(1, sizeof *d);
    d->kind = BATCH;
    d->batch = b;
    hone_service__mail_put_urgent(&w->box, &d->letter);
}

static scribe *hold(scribe *by)
{
    if (by)
        atomic_fetch_add(&by->refs, 1);
    return by;
}

/* Nobody waits for it. */
static void put_later(storage *w, deed *d)
{
    atomic_fetch_add(&w->n_later, 1);
    hone_service__mail_put(&w->later, &d->letter);
}

void hone_service__storage_note(storage *w, scribe *by, uint64_t job, const char *what,
                                const char *text)
{
    deed *d = hone_xcalloc(1, sizeof *d);
    d->kind = NOTE;
    d->by = hold(by);
    d->job = job;
    d->what = hone_xstrdup(what);
    d->text = hone_xstrdup(text);
    put_later(w, d);
}

hone_status hone_service__storage_write(storage *w, scribe *by,
                                        hone_status (*fn)(hone_db *db, void *ctx, hone_error *err),
                                        void *ctx, hone_error *err)
{
    deed d = {.kind = CALL, .by = by, .fn = fn, .ctx = ctx};
    hone_service__mail_put_urgent(&w->box, &d.letter);
    pthread_mutex_lock(&w->mutex);
    while (!d.done)
        pthread_cond_wait(&w->answered, &w->mutex);
    pthread_mutex_unlock(&w->mutex);
    if (d.error && err)
        *err = *d.error;
    free(d.error);
    return d.status;
}

/* The texts of a result, which are copied with it. */
#define TEXTS 7
typedef const char *texts[TEXTS];

static size_t length_of(const texts from)
{
    size_t n = 0;
    for (int k = 0; k < TEXTS; k++)
        n += from[k] ? strlen(from[k]) + 1 : 0;
    return n;
}

static void copy(const texts from, const char **const to[TEXTS], char *at)
{
    for (int k = 0; k < TEXTS; k++) {
        size_t n = from[k] ? strlen(from[k]) + 1 : 0;
        *to[k] = from[k] ? memcpy(at, from[k], n) : NULL;
        at += n;
    }
}

hone_status hone_service__storage_store(storage *w, scribe *by, const hone_db_record *r,
                                        const hone_db_sample *samples, uint32_t n,
                                        const hone_db_session *row, hone_error *err)
{
    HONE_TRY(hone_service__scribe_status(by, err));
    const texts from = {r->trace,   r->reason,       r->device, r->env,
                        r->checked, r->llvm_version, row->state};
    size_t of_samples = n * sizeof *samples;
    deed *d = hone_xmalloc(sizeof *d + of_samples + length_of(from)); /* one piece: they are many */
    *d = (deed){.kind = RESULT, .by = hold(by), .record = *r, .n = n, .row = *row};
    const char **const to[TEXTS] = {&d->record.trace, &d->record.reason,  &d->record.device,
                                    &d->record.env,   &d->record.checked, &d->record.llvm_version,
                                    &d->row.state};
    d->samples = (hone_db_sample *)(d + 1);
    if (n)
        memcpy(d->samples, samples, of_samples);
    copy(from, to, (char *)(d->samples + n));
    d->row.hone_version = NULL;
    put_later(w, d);
    return HONE_OK;
}
