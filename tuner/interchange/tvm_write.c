/* Good results as the two files of a MetaSchedule database, one JSON value on each line:
 *   database_workload.json        ["hash", "base64 of the module"]
 *   database_tuning_record.json   [number of the workload, [trace, [seconds], target, arguments]]
 * TVM's module of a kernel is TVM's to make: where it belongs stands hone's own description, by
 * which hone knows the workload again (docs/INTERCHANGE.md says how to put TVM's there). */
#include "tuner/interchange/format.h"
#include "targets/target.h"

typedef struct files {
    hone_interchange__export *x;
    const hone_interchange__tvm *tvm;
    hone_buf workloads, records;
    uint64_t hash; /* of the workload at hand */
    int64_t n;     /* workloads so far */
    json_t *args;  /* of it; NULL: its program cannot be read */
} files;

static void add_line(hone_buf *b, json_t *j)
{
    char *text = json_dumps(j, JSON_COMPACT);
    hone_buf_puts(b, text);
    hone_buf_puts(b, "\n");
    free(text);
    json_decref(j);
}

static char *base64(const char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *v = (const uint8_t *)text;
    size_t n = strlen(text);
    hone_buf b = {0};
    for (size_t k = 0; k < n; k += 3) {
        uint32_t x = (uint32_t)v[k] << 16;
        x |= k + 1 < n ? (uint32_t)v[k + 1] << 8 : 0;
        x |= k + 2 < n ? v[k + 2] : 0;
        const char four[] = {digits[x >> 18], digits[x >> 12 & 63],
                             k + 1 < n ? digits[x >> 6 & 63] : '=',
                             k + 2 < n ? digits[x & 63] : '='};
        hone_buf_add(&b, four, sizeof four);
    }
    return hone_buf_take(&b);
}

static void add_workload(files *f, const hone_db_workload *w)
{
    hone_program p;
    char hash[24];
    f->hash = w->hash;
    json_decref(f->args);
    f->args = NULL;
    if (hone_program_parse(w->program, strlen(w->program), &p, NULL) == HONE_OK) {
        f->args = hone_interchange__tvm_args(&p);
        hone_program_fini(&p);
    }
    json_t *own =
        json_pack("{s:{s:o, s:o, s:o}}", "hone", "name", hone_json_string(w->name), "sizes",
                  hone_json_string(w->sizes), "program", hone_json_string(w->program));
    char *text = hone_json_text(own), *module = base64(text);
    snprintf(hash, sizeof hash, "%" PRIu64, w->hash);
    add_line(&f->workloads, json_pack("[s, s]", hash, module));
    f->n++;
    free(module);
    free(text);
    json_decref(own);
}

static json_t *target_of(const hone_db_target *t)
{
    hone_target target;
    bool known = hone_target_parse(t->text, &target, NULL) == HONE_OK;
    return json_pack("{s:s, s:[s], s:s, s:i, s:s*}", "kind", "llvm", "keys", "cpu", "tag", "",
                     "num-cores", t->threads, "mcpu", known ? target.cpu : NULL);
}

static hone_status seconds_of(hone_db *db, const hone_db_record *r, json_t **ret, hone_error *err)
{
    hone_db_sample *samples;
    uint32_t n;
    HONE_TRY(hone_db_record_samples(db, r->id, &samples, &n, err));
    *ret = json_array();
    for (uint32_t k = 0; k < n; k++)
        json_array_append_new(*ret, json_real(samples[k].candidate_ns * 1e-9));
    if (n == 0)
        json_array_append_new(*ret, json_real((double)r->time_ns * 1e-9));
    free(samples);
    return HONE_OK;
}

static hone_status add_record(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                              const hone_db_record *r, hone_error *err)
{
    files *f = ctx;
    const char *why = NULL;
    json_t *trace = NULL, *seconds = NULL;
    if (strcmp(t->class, HONE_DB_LIBRARY) == 0)
        why = "a library's call, which is no schedule";
    else if (r->status != HONE_OK)
        why = "a rejection";
    else
        trace = hone_interchange__tvm_trace(f->tvm, r->trace, &why);
    if (!why && (f->n == 0 || f->hash != w->hash))
        add_workload(f, w);
    if (!why && !f->args)
        why = "its program cannot be read";
    if (why) {
        hone_interchange__tally(f->x->left_out, why);
        json_decref(trace);
        return HONE_OK;
    }
    hone_status st = seconds_of(f->x->db, r, &seconds, err);
    if (st == HONE_OK) {
        add_line(&f->records, json_pack("[I, [O, O, o, O]]", (json_int_t)f->n - 1, trace, seconds,
                                        target_of(t), f->args));
        f->x->written++;
    }
    json_decref(trace);
    json_decref(seconds);
    return st;
}

hone_status hone_interchange__tvm_write(hone_interchange__export *x, hone_error *err)
{
    files f = {.x = x, .tvm = hone_interchange__tvm_named(x->o->tvm ? x->o->tvm : "0.20")};
    char *workloads = hone_xasprintf("%s/database_workload.json", x->path);
    char *records = hone_xasprintf("%s/database_tuning_record.json", x->path);
    hone_status st = hone_interchange__each(x, add_record, &f, err);
    const hone_file set[] = {{workloads, f.workloads.s ? f.workloads.s : "", f.workloads.n},
                             {records, f.records.s ? f.records.s : "", f.records.n}};
    if (st == HONE_OK)
        st = hone_dir_make(x->path, err);
    if (st == HONE_OK)
        st = hone_file_write_set(set, HONE_LEN(set), err);
    json_decref(f.args);
    hone_buf_free(&f.workloads);
    hone_buf_free(&f.records);
    free(workloads);
    free(records);
    return st;
}
