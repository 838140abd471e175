/* The table of formats, and what is the same for all: visiting the records, storing, counting. */
#include "tuner/interchange/format.h"

#define MAX_PLACES 20

static const struct format {
    const char *name;
    hone_interchange__write_fn *write;
    hone_interchange__read_fn *read;
} formats[] = {
#define HONE_FORMAT(name, write, read) {#name, write, read},
#include "tuner/interchange/formats.def"
#undef HONE_FORMAT
};

static const struct format *named(const char *name)
{
    for (size_t k = 0; k < HONE_LEN(formats); k++)
        if (strcmp(formats[k].name, name) == 0)
            return &formats[k];
    return NULL;
}

const char *hone_formats(void)
{
#define HONE_FORMAT(name, write, read) ", " #name
    static const char list[] =
#include "tuner/interchange/formats.def"
        ;
#undef HONE_FORMAT
    return list + 2;
}

bool hone_format_is(const char *name, bool to_read)
{
    const struct format *f = named(name);
    return f && (!to_read || f->read);
}

void hone_interchange__tally(json_t *left_out, const char *why)
{
    json_int_t n = json_integer_value(json_object_get(left_out, why));
    json_object_set_new(left_out, why, json_integer(n + 1));
}

static hone_status tick(const hone_exchange_options *o, const char *doing, uint64_t done,
                        hone_error *err)
{
    if (!o->tick || done % 256 != 0 || o->tick(o->ctx, doing, done, 0))
        return HONE_OK;
    return hone_fail(err, HONE_E_INTERRUPTED, "interrupted: nothing was changed");
}

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct visit {
    hone_interchange__export *x;
    hone_interchange__row_fn *fn;
    void *ctx;
    hone_status status;
    hone_error *err;
} visit;

static bool on_row(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                   const hone_db_record *r)
{
    visit *v = ctx;
    v->status = tick(v->x->o, "writing", v->x->seen++, v->err);
    if (v->status == HONE_OK && !r->suspect)
        v->status = v->fn(v->ctx, w, t, r, v->err);
    return v->status == HONE_OK;
}

hone_status hone_interchange__each(hone_interchange__export *x, hone_interchange__row_fn *fn,
                                   void *ctx, hone_error *err)
{
    visit v = {x, fn, ctx, HONE_OK, err};
    hone_status st = hone_db_each_by_content(x->db, on_row, &v, err);
    return st == HONE_OK ? v.status : st;
}

hone_status hone_log_export(hone_db *db, const char *format, const char *path,
                            const hone_exchange_options *o, json_t **ret, hone_error *err)
{
    hone_interchange__export x = {.db = db, .o = o, .path = path, .left_out = json_object()};
    hone_status st = named(format)->write(&x, err);
    if (st == HONE_OK)
        *ret = json_pack("{s:I, s:O}", "written", (json_int_t)x.written, "left_out", x.left_out);
    json_decref(x.left_out);
    return st;
}

/* ---- reading --------------------------------------------------------------------------------- */

void hone_interchange__leave_out(hone_interchange__import *x, unsigned line, const char *why,
                                 const char *fmt, ...)
{
    hone_interchange__tally(x->left_out, why);
    x->n_left_out++;
    if (json_array_size(x->places) >= MAX_PLACES)
        return;
    char what[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    char *text = line ? hone_xasprintf("%s:%u: %s", x->path, line, what)
                      : hone_xasprintf("%s: %s", x->path, what);
    json_array_append_new(x->places, hone_json_string(text));
    free(text);
}

hone_status hone_interchange__put(hone_interchange__import *x, unsigned line,
                                  const hone_db_record *r, const hone_db_sample *samples,
                                  uint32_t n, hone_error *err)
{
    bool existed = false;
    hone_error e = {0};
    hone_status st = hone_db_record_put(x->db, r, samples, n, NULL, &existed, &e);
    if (st == HONE_E_INPUT) {
        hone_interchange__leave_out(x, line, "the log refuses it", "%s", e.message);
        return HONE_OK;
    }
    if (st != HONE_OK) {
        if (err)
            *err = e;
        return st;
    }
    x->added += !existed;
    x->duplicate += existed;
    return HONE_OK;
}

hone_status hone_interchange__tick(const hone_interchange__import *x, uint64_t done,
                                   hone_error *err)
{
    if (done >= HONE_INTERCHANGE_MAX_RECORDS)
        return hone_fail(err, HONE_E_LIMIT, "'%s' has more than %d records: split it", x->path,
                         HONE_INTERCHANGE_MAX_RECORDS);
    return tick(x->o, "reading", done, err);
}

static json_t *tell(const hone_interchange__import *x)
{
    json_t *j = json_pack("{s:o, s:I, s:I, s:O}", "file", hone_json_string(x->path), "added",
                          (json_int_t)x->added, "duplicate", (json_int_t)x->duplicate, "left_out",
                          x->left_out);
    if (json_array_size(x->places))
        json_object_set(j, "places", x->places);
    return j;
}

static hone_status import_file(hone_db *db, const struct format *f, const char *path,
                               const hone_exchange_options *o, json_t *told, hone_error *err)
{
    hone_interchange__import x = {
        .db = db, .o = o, .path = path, .left_out = json_object(), .places = json_array()};
    hone_status st = f->read(&x, err);
    if (st == HONE_OK && x.n_left_out && !x.added && !x.duplicate)
        st = hone_fail(err, HONE_E_INPUT, "nothing of '%s' can be taken: %s", path,
                       json_string_value(json_array_get(x.places, 0)));
    if (st == HONE_OK)
        json_array_append_new(told, tell(&x));
    json_decref(x.left_out);
    json_decref(x.places);
    return st;
}

hone_status hone_log_import(hone_db *db, const char *format, const char *const *paths, unsigned n,
                            const hone_exchange_options *o, json_t **ret, hone_error *err)
{
    json_t *told = json_array();
    hone_status st = hone_db_begin(db, err);
    bool begun = st == HONE_OK;
    for (unsigned k = 0; k < n && st == HONE_OK; k++)
        st = import_file(db, named(format), paths[k], o, told, err);
    if (st == HONE_OK)
        st = hone_db_commit(db, err);
    else if (begun)
        hone_db_rollback(db);
    if (st == HONE_OK)
        *ret = json_pack("{s:O}", "inputs", told);
    json_decref(told);
    return st;
}
