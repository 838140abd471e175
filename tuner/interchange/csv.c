/* A log as a table of comma-separated values (RFC 4180): a line for each record, in an order by
 * what it is, so that logs with the same records give the same bytes. */
#include "tuner/interchange/format.h"

static const char head[] =
    "workload,name,sizes,workload_class,target,threads,target_class,trace_hash,status,reason,"
    "time_ns,compare_ns,log_ratio,n_samples,max_error,tolerance,checked,data_seed,build_ns,run_ns,"
    "device,env,created_ms,space_version,hone_version,llvm_version,incumbent_hash,incumbent_ns,"
    "trace\r\n";

static void text(hone_buf *b, const char *s)
{
    if (!strpbrk(s, ",\"\r\n")) {
        hone_buf_printf(b, "%s,", s);
        return;
    }
    hone_buf_puts(b, "\"");
    for (const char *c = s; *c; c++)
        hone_buf_printf(b, *c == '"' ? "\"\"" : "%c", *c);
    hone_buf_puts(b, "\",");
}

static void number(hone_buf *b, int64_t x)
{
    hone_buf_printf(b, "%" PRId64 ",", x);
}

static void real(hone_buf *b, double x)
{
    hone_buf_printf(b, "%.17g,", x);
}

static void hash(hone_buf *b, uint64_t h)
{
    char hex[17];
    hone_hash_format(h, hex);
    hone_buf_printf(b, "%s,", hex);
}

typedef struct csv {
    hone_interchange__export *x;
    hone_buf b;
} csv;

static hone_status add_row(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                           const hone_db_record *r, hone_error *err)
{
    csv *c = ctx;
    hone_buf *b = &c->b;
    (void)err;
    hash(b, w->hash);
    text(b, w->name);
    text(b, w->sizes);
    text(b, w->class);
    text(b, t->text);
    number(b, t->threads);
    text(b, t->class);
    hash(b, r->trace_hash);
    text(b, hone_status_name(r->status));
    text(b, r->reason);
    number(b, r->time_ns);
    number(b, r->compare_ns);
    real(b, r->log_ratio);
    number(b, r->n_samples);
    real(b, r->max_error);
    real(b, r->tolerance);
    text(b, r->checked);
    hash(b, r->data_seed);
    number(b, r->build_ns);
    number(b, r->run_ns);
    text(b, r->device);
    text(b, r->env);
    number(b, r->created_ms);
    number(b, r->space_version);
    text(b, r->hone_version);
    text(b, r->llvm_version);
    hash(b, r->incumbent_hash);
    number(b, r->incumbent_ns);
    text(b, r->trace);
    b->n--; /* the last comma */
    hone_buf_puts(b, "\r\n");
    c->x->written++;
    return HONE_OK;
}

hone_status hone_interchange__csv_write(hone_interchange__export *x, hone_error *err)
{
    csv c = {.x = x};
    hone_buf_puts(&c.b, head);
    hone_status st = hone_interchange__each(x, add_row, &c, err);
    if (st == HONE_OK)
        st = hone_file_write(x->path, c.b.s, c.b.n, err);
    hone_buf_free(&c.b);
    return st;
}
