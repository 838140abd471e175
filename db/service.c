/* Rows of a service: items, which replace each other, and events, which are chained by hash. */
#include "db/internal.h"

#include <sodium.h>

#define CHAIN_BYTES 16
#define CHAIN_TEXT (2 * CHAIN_BYTES + 1)
static const char first_chain[CHAIN_TEXT] = "00000000000000000000000000000000";

/* ---- items ---------------------------------------------------------------------------------- */

static void sum_of(const hone_db_item *i, char ret[17])
{
    const char *const parts[] = {i->kind, i->key, i->alt ? i->alt : "", i->body};
    uint64_t h = 0;
    for (size_t k = 0; k < HONE_LEN(parts); k++)
        h = hone_hash_bytes(h, parts[k], strlen(parts[k]) + 1);
    hone_hash_format(h, ret);
}

static hone_status check_item(const hone_db *db, const hone_db_item *i, hone_error *err)
{
    if (!i->kind || !*i->kind || !i->key || !*i->key || !i->body)
        return hone_fail(err, HONE_E_INPUT, "an item has a kind, a key and a body");
    HONE_TRY(hone_db__text_check("a key", i->key, HONE_DB_MAX_TEXT, err));
    HONE_TRY(hone_db__text_check("a second key", i->alt, HONE_DB_MAX_TEXT, err));
    return hone_db__json_put(db, "an item", i->body, HONE_DB_MAX_BODY, err);
}

static hone_status write_item(hone_db *db, const hone_db_item *i, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row;
    char sum[17];
    sum_of(i, sum);
    HONE_TRY(hone_db__sql(db, HONE_DB__ITEM_PUT, &stmt, err));
    hone_db__bind(stmt, "ttttt", i->kind, i->key, i->alt ? i->alt : "", i->body, sum);
    if (!i->alt)
        sqlite3_bind_null(stmt, 3);
    hone_status s = hone_db__step(db, stmt, "storing an item", &row, err);
    sqlite3_clear_bindings(stmt);
    return s;
}

hone_status hone_db_item_put(hone_db *db, const hone_db_item *i, hone_error *err)
{
    HONE_TRY(check_item(db, i, err));
    HONE_TRY(hone_db__enter(db, err));
    return hone_db__leave(db, write_item(db, i, err), err);
}

/* to: of ITEMS_DROP; NULL: from is the key of ITEM_DROP. */
static hone_status drop(hone_db *db, const char *kind, const char *from, const char *to,
                        hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row;
    HONE_TRY(hone_db__sql(db, to ? HONE_DB__ITEMS_DROP : HONE_DB__ITEM_DROP, &stmt, err));
    hone_db__bind(stmt, to ? "ttt" : "tt", kind, from, to);
    hone_status s = hone_db__step(db, stmt, "dropping items", &row, err);
    sqlite3_clear_bindings(stmt);
    return s;
}

hone_status hone_db_item_drop(hone_db *db, const char *kind, const char *key, hone_error *err)
{
    HONE_TRY(hone_db__enter(db, err));
    return hone_db__leave(db, drop(db, kind, key, NULL, err), err);
}

hone_status hone_db_items_drop(hone_db *db, const char *kind, const char *alt_from,
                               const char *alt_to, hone_error *err)
{
    HONE_TRY(hone_db__enter(db, err));
    return hone_db__leave(db, drop(db, kind, alt_from, alt_to, err), err);
}

static const char *text_at(sqlite3_stmt *stmt, int column)
{
    const char *t = (const char *)sqlite3_column_text(stmt, column);
    return t ? t : "";
}

bool hone_db__item_read(sqlite3_stmt *stmt, hone_db_item *ret)
{
    char sum[17];
    bool alt = sqlite3_column_type(stmt, 2) != SQLITE_NULL;
    *ret = (hone_db_item){text_at(stmt, 0), text_at(stmt, 1), alt ? text_at(stmt, 2) : NULL,
                          text_at(stmt, 3)};
    sum_of(ret, sum);
    return strcmp(sum, text_at(stmt, 4)) == 0;
}

static hone_status spoilt(hone_db *db, const hone_db_item *i, hone_error *err)
{
    return hone_fail(err, HONE_E_CORRUPT,
                     "'%s': the %s '%s' does not match its checksum: put back a copy", db->path,
                     i->kind, i->key);
}

hone_status hone_db_item_get(hone_db *db, const char *kind, const char *key, char **ret,
                             hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row;
    hone_db_item i;
    *ret = NULL;
    HONE_TRY(hone_db__sql(db, HONE_DB__ITEM_GET, &stmt, err));
    hone_db__bind(stmt, "tt", kind, key);
    hone_status s = hone_db__step(db, stmt, "reading an item", &row, err);
    if (s == HONE_OK && !row)
        s = hone_fail(err, HONE_E_NOTFOUND, "'%s' has no %s '%.80s'", db->path, kind, key);
    else if (s == HONE_OK && !hone_db__item_read(stmt, &i))
        s = spoilt(db, &i, err);
    else if (s == HONE_OK)
        *ret = hone_xstrdup(i.body);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return s;
}

hone_status hone_db_each_item(hone_db *db, const char *kind, const char *alt_from,
                              const char *alt_to, hone_db_item_fn fn, void *ctx, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row, more = true;
    hone_status s;
    HONE_TRY(hone_db__prepare(db,
                              alt_from ? "SELECT kind, key, alt, body, sum FROM item WHERE kind = "
                                         "?1 AND alt BETWEEN ?2 AND ?3 ORDER BY alt"
                                       : "SELECT kind, key, alt, body, sum FROM item WHERE kind = "
                                         "?1 ORDER BY key",
                              &stmt, err));
    hone_db__bind(stmt, "t", kind);
    if (alt_from)
        hone_db__bind(stmt, "ttt", kind, alt_from, alt_to);
    while (more && (s = hone_db__step(db, stmt, "reading items", &row, err)) == HONE_OK && row) {
        hone_db_item i;
        if (!hone_db__item_read(stmt, &i)) {
            s = spoilt(db, &i, err);
            break;
        }
        more = fn(ctx, &i);
    }
    sqlite3_finalize(stmt);
    return s;
}

/* ---- events --------------------------------------------------------------------------------- */

static void chain_of(const char *before, int64_t seq, int64_t created_ms, const char *body,
                     char ret[CHAIN_TEXT])
{
    uint8_t raw[CHAIN_BYTES];
    char head[128];
    int n = snprintf(head, sizeof head, "%s %" PRId64 " %" PRId64 " ", before, seq, created_ms);
    crypto_generichash_state h;
    crypto_generichash_init(&h, NULL, 0, sizeof raw);
    crypto_generichash_update(&h, (const uint8_t *)head, (size_t)n);
    crypto_generichash_update(&h, (const uint8_t *)body, strlen(body));
    crypto_generichash_final(&h, raw, sizeof raw);
    sodium_bin2hex(ret, CHAIN_TEXT, raw, sizeof raw);
}

_Static_assert(sizeof(((hone_db *)0)->event_chain) == CHAIN_TEXT, "a chain is kept with its end");

/* The last event there is: looked up once, and then kept, for nobody else writes. */
static hone_status find_last(hone_db *db, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row;
    if (db->chained)
        return HONE_OK;
    HONE_TRY(hone_db__sql(db, HONE_DB__EVENT_LAST, &stmt, err));
    HONE_TRY(hone_db__step(db, stmt, "reading the last event", &row, err));
    snprintf(db->event_chain, sizeof db->event_chain, "%s", row ? text_at(stmt, 1) : first_chain);
    db->event_seq = row ? sqlite3_column_int64(stmt, 0) : 0;
    db->chained = true;
    sqlite3_reset(stmt);
    return HONE_OK;
}

static hone_status add_event(hone_db *db, int64_t seq, const char *body, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row;
    char chain[CHAIN_TEXT];
    int64_t now = hone_clock_wall_ms();
    HONE_TRY(find_last(db, err));
    if (seq != db->event_seq + 1)
        return hone_fail(err, HONE_E_INPUT, "event %" PRId64 " does not follow on %" PRId64, seq,
                         db->event_seq);
    chain_of(db->event_chain, seq, now, body, chain);
    HONE_TRY(hone_db__sql(db, HONE_DB__EVENT_ADD, &stmt, err));
    hone_db__bind(stmt, "iitt", seq, now, body, chain);
    hone_status s = hone_db__step(db, stmt, "storing an event", &row, err);
    sqlite3_clear_bindings(stmt);
    if (s != HONE_OK)
        return s;
    memcpy(db->event_chain, chain, sizeof chain);
    db->event_seq = seq;
    return HONE_OK;
}

hone_status hone_db_event_add(hone_db *db, int64_t seq, const char *body, hone_error *err)
{
    HONE_TRY(hone_db__json_put(db, "an event", body, HONE_DB_MAX_TEXT, err));
    HONE_TRY(hone_db__enter(db, err));
    return hone_db__leave(db, add_event(db, seq, body, err), err);
}

hone_status hone_db_each_event(hone_db *db, int64_t from, uint32_t n, hone_db_event_fn fn,
                               void *ctx, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row, more = true;
    hone_status s;
    HONE_TRY(hone_db__prepare(db,
                              "SELECT seq, created_ms, body, chain FROM event WHERE seq >= ?1"
                              " ORDER BY seq LIMIT ?2",
                              &stmt, err));
    hone_db__bind(stmt, "ii", from, (int64_t)n);
    while (more && (s = hone_db__step(db, stmt, "reading events", &row, err)) == HONE_OK && row)
        more = fn(ctx, sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1),
                  text_at(stmt, 2), text_at(stmt, 3));
    sqlite3_finalize(stmt);
    return s;
}

hone_status hone_db_last_event(hone_db *db, hone_db_event_fn fn, void *ctx, hone_error *err)
{
    int64_t last;
    HONE_TRY(hone_db__number(db, "SELECT ifnull(max(seq), 0) FROM event", &last, err));
    return last ? hone_db_each_event(db, last, 1, fn, ctx, err) : HONE_OK;
}

/* ---- check ---------------------------------------------------------------------------------- */

static hone_status check_items(hone_db *db, bool (*fn)(void *ctx, const char *what), void *ctx,
                               hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row, more = true;
    hone_status s;
    HONE_TRY(hone_db__prepare(db, "SELECT kind, key, alt, body, sum FROM item", &stmt, err));
    while (more && (s = hone_db__step(db, stmt, "checking items", &row, err)) == HONE_OK && row) {
        hone_db_item i;
        char text[256];
        bool sound = hone_db__item_read(stmt, &i);
        snprintf(text, sizeof text, "the %.60s '%.120s' %s", i.kind, i.key,
                 sound ? "is not JSON" : "does not match its checksum");
        if (!sound || hone_db__json_check("", i.body, HONE_DB_MAX_BODY, NULL) != HONE_OK)
            more = fn(ctx, text);
    }
    sqlite3_finalize(stmt);
    return s;
}

typedef struct chain_check {
    int64_t next;
    char before[CHAIN_TEXT];
    bool (*fn)(void *ctx, const char *what);
    void *ctx;
} chain_check;

static bool check_event(void *ctx, int64_t seq, int64_t created_ms, const char *body,
                        const char *chain)
{
    chain_check *c = ctx;
    char want[CHAIN_TEXT], text[128];
    bool more = true;
    chain_of(c->before, seq, created_ms, body, want);
    if (seq != c->next) {
        snprintf(text, sizeof text, "event %" PRId64 " is missing", c->next);
        more = c->fn(c->ctx, text);
    } else if (strcmp(want, chain) != 0) {
        snprintf(text, sizeof text,
                 "event %" PRId64 " is not what was written after the one before", seq);
        more = c->fn(c->ctx, text);
    }
    c->next = seq + 1;
    snprintf(c->before, sizeof c->before, "%s", chain);
    return more;
}

hone_status hone_db__service_check(hone_db *db, bool (*fn)(void *ctx, const char *what), void *ctx,
                                   hone_error *err)
{
    chain_check c = {.next = 1, .fn = fn, .ctx = ctx};
    memcpy(c.before, first_chain, sizeof c.before);
    HONE_TRY(check_items(db, fn, ctx, err));
    return hone_db_each_event(db, 0, UINT32_MAX, check_event, &c, err);
}
