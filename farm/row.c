/* Rows of a farm as JSON: a table of columns for each kind. */
#include "farm/store.h"

#include <float.h>
#include <math.h>

typedef enum kind {
    TEXT, /* char[n] */
    LENT, /* const char * */
    I64,
    U64, /* 16 hex digits */
    U32,
    BOOL,
    PAIR,  /* two uint64_t, 32 hex digits */
    I64S,  /* n int64_t */
    F64S,  /* n double */
    F32S,  /* n float */
    STATE, /* enums, by their words */
    HEALTH,
    ADMIN,
    CLASS,
    REASON,
    STATUS
} kind;

typedef struct column {
    const char *name;
    kind kind;
    size_t at;
    unsigned n; /* bytes of a text, numbers of a list */
} column;

#define C(row, f, kind)                             \
    {                                               \
#f, kind, offsetof(hone_farm_row, row.f), 0 \
    }
#define T(row, f)                                                                     \
    {                                                                                 \
#f, TEXT, offsetof(hone_farm_row, row.f), sizeof(((hone_farm_row *)0)->row.f) \
    }
#define L(row, f, kind, n)                          \
    {                                               \
#f, kind, offsetof(hone_farm_row, row.f), n \
    }
#define B(f, kind, n)                                           \
    {                                                           \
#f, kind, offsetof(hone_farm_row, worker.baseline.f), n \
    }

static const column clock_columns[] = {{"clock", I64, offsetof(hone_farm_row, clock), 0},
                                       {"away_ns", I64, offsetof(hone_farm_row, away_ns), 0},
                                       {"wall_ms", I64, offsetof(hone_farm_row, wall_ms), 0},
                                       {0}};
static const column user_columns[] = {T(user, name),          T(user, key),
                                      C(user, roles, U32),    C(user, weight, I64),
                                      C(user, day_ms, I64),   C(user, max_jobs, I64),
                                      C(user, revoked, BOOL), C(user, said, BOOL),
                                      C(user, spent_ns, I64), C(user, day_spent_ns, I64),
                                      C(user, day_from, I64), {0}};
static const column job_columns[] = {C(job, id, U64),         T(job, user),
                                     C(job, request, PAIR),   C(job, state, STATE),
                                     C(job, why, REASON),     C(job, status, STATUS),
                                     C(job, class, CLASS),    T(job, filter),
                                     C(job, queue_ms, I64),   C(job, created_at, I64),
                                     C(job, changed_at, I64), C(job, done, U64),
                                     C(job, spent_ns, I64),   {0}};
static const column worker_columns[] = {T(worker, name),
                                        C(worker, roles, U32),
                                        C(worker, attrs, LENT),
                                        C(worker, fingerprint, U64),
                                        C(worker, epoch, U32),
                                        C(worker, fence_end, U64),
                                        C(worker, health, HEALTH),
                                        C(worker, why, REASON),
                                        C(worker, health_until, I64),
                                        C(worker, score, I64),
                                        C(worker, cooled, U32),
                                        C(worker, quarantines, U32),
                                        L(worker, quarantined_at, I64S, 3),
                                        B(n_baseline, U32, 0),
                                        B(base, F32S, HONE_FARM_CANARIES *HONE_FARM_BASELINE),
                                        B(mean, F64S, HONE_FARM_CANARIES),
                                        B(sigma, F64S, HONE_FARM_CANARIES),
                                        B(began, F64S, HONE_FARM_CANARIES),
                                        B(first, F64S, HONE_FARM_CANARIES),
                                        B(up, F64S, HONE_FARM_CANARIES),
                                        B(down, F64S, HONE_FARM_CANARIES),
                                        B(episode_since, I64, 0),
                                        B(n_episode, U32, 0),
                                        B(run, U32, 0),
                                        B(episode, F32S, HONE_FARM_CANARIES *HONE_FARM_BASELINE),
                                        C(worker, clean_fence, U64),
                                        C(worker, clean, U32),
                                        C(worker, admin, ADMIN),
                                        T(worker, by),
                                        C(worker, admin_until, I64),
                                        C(worker, heard_at, I64),
                                        {0}};
static const column result_columns[] = {C(result, unit, PAIR),
                                        T(result, worker),
                                        C(result, place, U64),
                                        C(result, fence, U64),
                                        C(result, epoch, U32),
                                        C(result, status, STATUS),
                                        C(result, poison, BOOL),
                                        C(result, suspect, BOOL),
                                        C(result, spent_ns, I64),
                                        C(result, at, I64),
                                        {0}};
static const column strike_columns[] = {
    C(strike, unit, PAIR), T(strike, worker), C(strike, at, I64), {0}};
static const column lease_columns[] = {T(lease, worker),     C(lease, slot, U32),
                                       C(lease, fence, U64), C(lease, unit, PAIR),
                                       C(lease, epoch, U32), {0}};
static const column event_columns[] = {
    C(event, seq, U64), C(event, at, I64),        T(event, actor),
    T(event, verb),     T(event, object),         T(event, from),
    T(event, to),       C(event, reason, REASON), {0}};

static const column *columns_of(hone_farm_row_kind k)
{
    switch (k) {
    case HONE_FARM_ROW_CLOCK:
        return clock_columns;
    case HONE_FARM_ROW_USER:
        return user_columns;
    case HONE_FARM_ROW_JOB:
        return job_columns;
    case HONE_FARM_ROW_WORKER:
        return worker_columns;
    case HONE_FARM_ROW_RESULT:
        return result_columns;
    case HONE_FARM_ROW_STRIKE:
        return strike_columns;
    case HONE_FARM_ROW_LEASE:
        return lease_columns;
    case HONE_FARM_ROW_EVENT:
        return event_columns;
    default:
        return NULL;
    }
}

/* ---- words ---------------------------------------------------------------------------------- */

static const char *class_name(unsigned c)
{
    static const char *const names[] = {"interactive", "batch", "background"};
    return c < HONE_LEN(names) ? names[c] : NULL;
}

/* The word of a number; NULL beyond the last. */
static const char *word(kind k, unsigned v)
{
    switch (k) {
    case STATE:
        return v < HONE_FARM_JOB_COUNT ? hone_farm_job_state_name((hone_farm_job_state)v) : NULL;
    case HEALTH:
        return v < HONE_FARM_HEALTH_COUNT ? hone_farm_health_name((hone_farm_health)v) : NULL;
    case ADMIN:
        return v < HONE_FARM_ADMIN_COUNT ? hone_farm_admin_name((hone_farm_admin_state)v) : NULL;
    case REASON:
        return v < HONE_FARM_BECAUSE_COUNT ? hone_farm_reason_name((hone_farm_reason)v) : NULL;
    case STATUS:
        return v < HONE_STATUS_COUNT ? hone_status_name((hone_status)v) : NULL;
    default:
        return class_name(v);
    }
}

static bool number_of(kind k, const char *text, unsigned *ret)
{
    const char *w;
    for (*ret = 0; (w = word(k, *ret)); ++*ret)
        if (strcmp(w, text) == 0)
            return true;
    return false;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Printed as it goes: a tree of JSON for each row would cost more than all else that is done to it.
 */
void hone_store_print_text(hone_buf *b, const char *text)
{
    const char *s = text;
    while (*s >= ' ' && *s < 0x7f && *s != '"' && *s != '\\')
        s++;
    if (!*s) {
        hone_buf_add(b, "\"", 1);
        hone_buf_add(b, text, (size_t)(s - text));
        hone_buf_add(b, "\"", 1);
        return;
    }
    json_t *j = hone_json_string(text);
    char *quoted = json_dumps(j, JSON_ENCODE_ANY | JSON_COMPACT);
    hone_buf_puts(b, quoted ? quoted : "\"\"");
    free(quoted);
    json_decref(j);
}

void hone_store_print_int(hone_buf *b, int64_t x)
{
    char text[24], *s = text + sizeof text;
    uint64_t rest = x < 0 ? 0 - (uint64_t)x : (uint64_t)x;
    do
        *--s = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (x < 0)
        *--s = '-';
    hone_buf_add(b, s, (size_t)(text + sizeof text - s));
}

void hone_store_print_real(hone_buf *b, double x)
{
    char text[40];
    if (!isfinite(x)) {
        hone_buf_puts(b, x > 0 ? "\"inf\"" : "\"-inf\"");
        return;
    }
    if (fabs(x) < 1e15 && x == (double)(int64_t)x) {
        hone_store_print_int(b, (int64_t)x);
        hone_buf_puts(b, ".0");
        return;
    }
    snprintf(text, sizeof text, "%.17g", x);
    hone_buf_puts(b, text);
    if (!strpbrk(text, ".e"))
        hone_buf_puts(b, ".0");
}

static void print_hex(hone_buf *b, const uint64_t *v, unsigned n)
{
    char text[35] = "\"";
    for (unsigned i = 0; i < n; i++)
        hone_hash_format(v[i], text + 1 + (size_t)16 * i);
    memcpy(text + 1 + (size_t)16 * n, "\"", 2);
    hone_buf_puts(b, text);
}

static void print_list(hone_buf *b, const column *c, const void *at)
{
    for (unsigned i = 0; i < c->n; i++) {
        hone_buf_add(b, i ? "," : "[", 1);
        if (c->kind == I64S)
            hone_store_print_int(b, ((const int64_t *)at)[i]);
        else
            hone_store_print_real(b, c->kind == F64S ? ((const double *)at)[i]
                                                     : (double)((const float *)at)[i]);
    }
    hone_buf_puts(b, c->n ? "]" : "[]");
}

static void print_column(hone_buf *b, const column *c, const void *at)
{
    const char *const *lent = at;
    unsigned v;
    switch (c->kind) {
    case TEXT:
        hone_store_print_text(b, at);
        break;
    case LENT:
        hone_store_print_text(b, *lent ? *lent : "");
        break;
    case I64:
        hone_store_print_int(b, *(const int64_t *)at);
        break;
    case U64:
        print_hex(b, at, 1);
        break;
    case PAIR:
        print_hex(b, at, 2);
        break;
    case U32:
        hone_store_print_int(b, *(const uint32_t *)at);
        break;
    case BOOL:
        hone_buf_puts(b, *(const bool *)at ? "true" : "false");
        break;
    case I64S:
    case F64S:
    case F32S:
        print_list(b, c, at);
        break;
    default:
        memcpy(&v, at, sizeof v); /* enums without negative members */
        hone_store_print_text(b, word(c->kind, v));
    }
}

bool hone_store_row_print(const hone_farm_row *row, hone_buf *ret)
{
    const column *c = columns_of(row->kind);
    if (!c)
        return false;
    for (bool first = true; c->name; c++, first = false) {
        hone_buf_puts(ret, first ? "{\"" : ",\"");
        hone_buf_puts(ret, c->name);
        hone_buf_add(ret, "\":", 2);
        print_column(ret, c, (const char *)row + c->at);
    }
    hone_buf_add(ret, "}", 1);
    return true;
}

/* ---- reading -------------------------------------------------------------------------------- */

static bool read_hex(const char *text, uint64_t *ret, unsigned n)
{
    if (!text || strlen(text) != (size_t)16 * n)
        return false;
    for (unsigned i = 0; i < n; i++) {
        char one[17] = {0};
        memcpy(one, text + (size_t)16 * i, 16);
        if (!hone_hash_parse(one, &ret[i]))
            return false;
    }
    return true;
}

static bool read_list(const column *c, const json_t *v, void *at)
{
    for (unsigned i = 0; i < c->n && i < json_array_size(v); i++) {
        const json_t *x = json_array_get(v, i);
        double d = json_number_value(x);
        if (!json_is_number(x) || !isfinite(d) || (c->kind == F32S && fabs(d) > FLT_MAX))
            return false; /* what is no number cannot be read again */
        if (c->kind == I64S)
            ((int64_t *)at)[i] = json_integer_value(x);
        else if (c->kind == F64S)
            ((double *)at)[i] = d;
        else
            ((float *)at)[i] = (float)d;
    }
    return json_is_array(v);
}

static bool read_column(const column *c, const json_t *v, void *at)
{
    const char *text = json_string_value(v);
    json_int_t n = json_integer_value(v);
    switch (c->kind) {
    case TEXT:
        if (!text || strlen(text) >= c->n)
            return false;
        memcpy(at, text, strlen(text) + 1);
        return true;
    case LENT:
        *(const char **)at = text;
        return text && strlen(text) < HONE_FARM_ATTRS;
    case I64:
        *(int64_t *)at = n;
        return json_is_integer(v);
    case U32:
        *(uint32_t *)at = (uint32_t)n;
        return json_is_integer(v) && n >= 0 && n <= UINT32_MAX;
    case BOOL:
        *(bool *)at = json_is_true(v);
        return json_is_boolean(v);
    case U64:
    case PAIR:
        return read_hex(text, at, c->kind == PAIR ? 2 : 1);
    default:
        return read_list(c, v, at);
    }
}

hone_status hone_store_row_read(const json_t *j, hone_farm_row_kind what, hone_farm_row *ret,
                                hone_error *err)
{
    const column *c = columns_of(what);
    *ret = (hone_farm_row){.kind = what};
    for (; c && c->name; c++) {
        const json_t *v = json_object_get(j, c->name);
        const char *text = json_string_value(v);
        char *at = (char *)ret + c->at;
        unsigned n;
        if (c->kind == LENT)
            *(const char **)at = "";
        if (!v)
            continue;
        if (c->kind < STATE) {
            if (!read_column(c, v, at))
                return hone_fail(err, HONE_E_CORRUPT, "a row of the service has a bad '%s'",
                                 c->name);
            continue;
        }
        if (!text || !number_of(c->kind, text, &n))
            return hone_fail(err, HONE_E_VERSION,
                             "a row of the service has a %s '%.60s', which this hone does not know",
                             c->name, text ? text : "?");
        memcpy(at, &n, sizeof n);
    }
    return HONE_OK;
}
