/* Rows of a farm as items of the log's file. */
#include "farm/store.h"

static const char *const kinds[] = {
    [HONE_FARM_ROW_CLOCK] = "clock",   [HONE_FARM_ROW_USER] = "user",
    [HONE_FARM_ROW_JOB] = "job",       [HONE_FARM_ROW_WORKER] = "worker",
    [HONE_FARM_ROW_RESULT] = "result", [HONE_FARM_ROW_STRIKE] = "strike",
    [HONE_FARM_ROW_LEASE] = "lease",
};

static void format_key(hone_farm_key k, char ret[33])
{
    hone_hash_format(k.v[0], ret);
    hone_hash_format(k.v[1], ret + 16);
}

/* What an older hone wrote has its unit for a key, or its fence. */
static void format_result(hone_farm_key unit, uint64_t place, char ret[33])
{
    if (place)
        hone_hash_format(place, ret);
    else
        format_key(unit, ret);
}

static void format_lease(const hone_farm_lease_row *r, char ret[160])
{
    char hex[17];
    hone_hash_format(r->fence, hex);
    if (r->slot)
        snprintf(ret, 160, "%s/%" PRIu32, r->worker, r->slot);
    else
        snprintf(ret, 160, "%s/%s", r->worker, hex);
}

/* The keys of a row; *ret_alt is "" where it has no second one. */
static void keys_of(const hone_farm_row *r, char key[160], char alt[160])
{
    char unit[33];
    *alt = '\0';
    switch (r->kind) {
    case HONE_FARM_ROW_USER:
        snprintf(key, 160, "%s", r->user.name);
        break;
    case HONE_FARM_ROW_JOB:
        snprintf(key, 160, "%" PRIu64, r->job.id);
        snprintf(alt, 160, "%s/%016" PRIx64 "%016" PRIx64, r->job.user, r->job.request.v[0],
                 r->job.request.v[1]);
        break;
    case HONE_FARM_ROW_WORKER:
        snprintf(key, 160, "%s", r->worker.name);
        break;
    case HONE_FARM_ROW_RESULT: /* of no second key: it would cost each result two pages more */
        format_result(r->result.unit, r->result.place, key);
        break;
    case HONE_FARM_ROW_STRIKE:
        format_key(r->strike.unit, unit);
        snprintf(key, 160, "%s/%s", unit, r->strike.worker);
        snprintf(alt, 160, "%s", key);
        break;
    case HONE_FARM_ROW_LEASE:
    case HONE_FARM_ROW_LEASE_END:
        format_lease(&r->lease, key);
        break;
    default:
        snprintf(key, 160, "clock");
    }
}

/* ---- committing ----------------------------------------------------------------------------- */

/* text: room that is used again for each row. */
static hone_status put_row(hone_db *db, const hone_farm_row *r, const hone_store_more *more,
                           hone_buf *text, hone_error *err)
{
    char key[160], alt[160];
    keys_of(r, key, alt);
    hone_buf_reset(text);
    hone_store_row_print(r, text);
    if (r->kind == HONE_FARM_ROW_RESULT && more && more->payload) {
        size_t end = --text->n; /* without the brace, which goes to the end */
        hone_buf_puts(text, ",\"payload\":");
        size_t before = text->n;
        more->payload(more->ctx, &r->result, text);
        text->n = text->n == before ? end : text->n;
        hone_buf_puts(text, "}");
    }
    hone_db_item i = {kinds[r->kind], key, *alt ? alt : NULL, text->s};
    hone_status s = hone_db_item_put(db, &i, err);
    const char *spec =
        r->kind == HONE_FARM_ROW_JOB && more && more->spec ? more->spec(more->ctx, &r->job) : NULL;
    if (s == HONE_OK && spec)
        s = hone_db_item_put(db, &(hone_db_item){"spec", key, NULL, spec}, err);
    return s;
}

static hone_status add_event(hone_db *db, const hone_farm_row *r, hone_buf *text, hone_error *err)
{
    hone_buf_reset(text);
    hone_store_row_print(r, text);
    return hone_db_event_add(db, (int64_t)r->event.seq, text->s, err);
}

typedef HONE_VEC(char *) keys;

typedef struct doubt {
    const hone_farm_row *row;
    bool plain;              /* the worker's name stands in JSON as it is */
    keys keys, alts, bodies; /* bodies with the mark */
} doubt;

static bool mark(void *ctx, const hone_db_item *i)
{
    doubt *d = ctx;
    hone_farm_row r;
    if (d->plain && !strstr(i->body, d->row->suspect.worker)) /* most are another's */
        return true;
    json_t *j = json_loads(i->body, 0, NULL);
    if (hone_store_row_read(j, HONE_FARM_ROW_RESULT, &r, NULL) == HONE_OK &&
        strcmp(r.result.worker, d->row->suspect.worker) == 0 &&
        r.result.fence >= d->row->suspect.from && r.result.fence <= d->row->suspect.to) {
        json_object_set_new(j, "suspect", json_true());
        hone_vec_push(&d->keys, hone_xstrdup(i->key));
        hone_vec_push(&d->alts, i->alt ? hone_xstrdup(i->alt) : NULL);
        hone_vec_push(&d->bodies, hone_json_text(j));
    }
    json_decref(j);
    return true;
}

/* It is seldom: all results there are, which are bounded, are looked through. */
static hone_status suspect(hone_db *db, const hone_farm_row *r, hone_error *err)
{
    hone_buf name = {0};
    doubt d = {.row = r};
    hone_store_print_text(&name, r->suspect.worker);
    d.plain = name.n == strlen(r->suspect.worker) + 2;
    hone_buf_free(&name);
    hone_status s = hone_db_each_item(db, "result", NULL, NULL, mark, &d, err);
    for (uint32_t k = 0; k < d.keys.n; k++) {
        if (s == HONE_OK)
            s = hone_db_item_put(
                db, &(hone_db_item){"result", d.keys.v[k], d.alts.v[k], d.bodies.v[k]}, err);
        free(d.keys.v[k]);
        free(d.alts.v[k]);
        free(d.bodies.v[k]);
    }
    hone_vec_free(&d.keys);
    hone_vec_free(&d.alts);
    hone_vec_free(&d.bodies);
    if (s == HONE_OK) /* and what sessions made of them */
        s = hone_db_doubt(db, r->suspect.worker, (int64_t)r->suspect.from, (int64_t)r->suspect.to,
                          NULL, err);
    return s;
}

/* Those of a kind with a second key that begins so and with '/'. */
static hone_status drop_all(hone_db *db, const char *kind, const char *begin, hone_error *err)
{
    char from[160], to[160];
    snprintf(from, sizeof from, "%s/", begin);
    snprintf(to, sizeof to, "%s0", begin); /* '/' + 1 */
    return hone_db_items_drop(db, kind, from, to, err);
}

static hone_status forget_job(hone_db *db, uint64_t job, hone_error *err)
{
    char key[32];
    snprintf(key, sizeof key, "%" PRIu64, job);
    HONE_TRY(hone_db_item_drop(db, "job", key, err));
    HONE_TRY(hone_db_item_drop(db, "spec", key, err));
    return drop_all(db, "note", key, err);
}

static hone_status forget_unit(hone_db *db, const hone_farm_row *r, hone_error *err)
{
    char key[33];
    format_result(r->forget.unit, r->forget.place, key);
    HONE_TRY(hone_db_item_drop(db, "result", key, err));
    format_key(r->forget.unit, key);
    return r->forget.struck ? drop_all(db, "strike", key, err) : HONE_OK;
}

static hone_status write_row(hone_db *db, const hone_farm_row *r, const hone_store_more *more,
                             hone_buf *text, hone_error *err)
{
    char key[160], alt[160];
    switch (r->kind) {
    case HONE_FARM_ROW_EVENT:
        return add_event(db, r, text, err);
    case HONE_FARM_ROW_FORGET:
        return forget_unit(db, r, err);
    case HONE_FARM_ROW_FORGET_JOB:
        return forget_job(db, r->forget_job, err);
    case HONE_FARM_ROW_LEASE_END:
        keys_of(r, key, alt);
        return hone_db_item_drop(db, "lease", key, err);
    case HONE_FARM_ROW_SUSPECT:
        return suspect(db, r, err);
    default:
        return put_row(db, r, more, text, err);
    }
}

hone_status hone_store_put(hone_db *db, const hone_farm_row *rows, uint32_t n,
                           const hone_store_more *more, hone_error *err)
{
    hone_buf text = {0};
    hone_status s = HONE_OK;
    for (uint32_t k = 0; k < n && s == HONE_OK; k++)
        s = write_row(db, &rows[k], more, &text, err);
    hone_buf_free(&text);
    return s;
}

hone_status hone_store_commit(hone_db *db, const hone_farm_row *rows, uint32_t n,
                              const hone_store_more *more, hone_error *err)
{
    HONE_TRY(hone_db_begin_whole(db, err));
    hone_status s = hone_store_put(db, rows, n, more, err);
    if (s == HONE_OK)
        return hone_db_commit(db, err);
    hone_db_rollback(db);
    return s;
}

/* ---- restoring ------------------------------------------------------------------------------ */

typedef struct restore {
    hone_farm *farm;
    hone_farm_row_kind kind;
    hone_status status;
    hone_error *err;
} restore;

static bool give_row(restore *x, const char *body)
{
    hone_farm_row row;
    json_t *j = json_loads(body, 0, NULL);
    x->status = hone_store_row_read(j, x->kind, &row, x->err);
    if (x->status == HONE_OK)
        x->status = hone_farm_restore(x->farm, &row, x->err);
    json_decref(j);
    return x->status == HONE_OK;
}

static bool restore_item(void *ctx, const hone_db_item *i)
{
    return give_row(ctx, i->body);
}

static bool restore_event(void *ctx, int64_t seq, int64_t created_ms, const char *body,
                          const char *chain)
{
    (void)seq, (void)created_ms, (void)chain;
    return give_row(ctx, body);
}

hone_status hone_store_restore(hone_db *db, hone_farm *f, hone_error *err)
{
    restore x = {.farm = f, .err = err};
    for (size_t k = 0; k < HONE_LEN(kinds); k++) {
        x.kind = (hone_farm_row_kind)k;
        HONE_TRY(hone_db_each_item(db, kinds[k], NULL, NULL, restore_item, &x, err));
        HONE_TRY(x.status);
    }
    x.kind = HONE_FARM_ROW_EVENT;
    HONE_TRY(hone_db_last_event(db, restore_event, &x, err));
    return x.status;
}

/* ---- what goes with a job and a result ------------------------------------------------------ */

hone_status hone_store_spec(hone_db *db, uint64_t job, char **ret, hone_error *err)
{
    char key[32];
    snprintf(key, sizeof key, "%" PRIu64, job);
    return hone_db_item_get(db, "spec", key, ret, err);
}

hone_status hone_store_payload(hone_db *db, hone_farm_key unit, uint64_t place, json_t **ret,
                               hone_error *err)
{
    char key[33], *body;
    format_result(unit, place, key);
    *ret = NULL;
    HONE_TRY(hone_db_item_get(db, "result", key, &body, err));
    json_t *j = json_loads(body, 0, NULL);
    free(body);
    *ret = json_incref(json_object_get(j, "payload"));
    json_decref(j);
    return *ret ? HONE_OK : hone_fail(err, HONE_E_NOTFOUND, "unit %s has no payload", key);
}

hone_status hone_store_note(hone_db *db, uint64_t job, const char *what, const char *text,
                            hone_error *err)
{
    char key[96];
    snprintf(key, sizeof key, "%" PRIu64 "/%s", job, what);
    json_t *j = json_pack("{s:o}", "text", hone_json_string(text));
    char *body = hone_json_text(j);
    hone_status s = hone_db_item_put(db, &(hone_db_item){"note", key, key, body}, err);
    free(body);
    json_decref(j);
    return s;
}

hone_status hone_store_noted(hone_db *db, uint64_t job, const char *what, char **ret,
                             hone_error *err)
{
    char key[96], *body;
    snprintf(key, sizeof key, "%" PRIu64 "/%s", job, what);
    *ret = NULL;
    HONE_TRY(hone_db_item_get(db, "note", key, &body, err));
    json_t *j = json_loads(body, 0, NULL);
    const char *text = json_string_value(json_object_get(j, "text"));
    *ret = hone_xstrdup(text ? text : "");
    json_decref(j);
    free(body);
    return HONE_OK;
}

/* ---- events --------------------------------------------------------------------------------- */

typedef struct each {
    hone_store_event_fn fn;
    void *ctx;
    hone_status status;
    hone_error *err;
} each;

static bool tell_event(void *ctx, int64_t seq, int64_t created_ms, const char *body,
                       const char *chain)
{
    each *x = ctx;
    hone_farm_row row;
    (void)seq;
    json_t *j = json_loads(body, 0, NULL);
    x->status = hone_store_row_read(j, HONE_FARM_ROW_EVENT, &row, x->err);
    bool more = x->status == HONE_OK && x->fn(x->ctx, &row.event, created_ms, chain);
    json_decref(j);
    return more;
}

hone_status hone_store_each_event(hone_db *db, uint64_t from, uint32_t n, hone_store_event_fn fn,
                                  void *ctx, hone_error *err)
{
    each x = {.fn = fn, .ctx = ctx, .err = err};
    HONE_TRY(hone_db_each_event(db, from > INT64_MAX ? INT64_MAX : (int64_t)from, n, tell_event, &x,
                                err));
    return x.status;
}
