/* Results as Kernel Tuner's T4 (schema 1.0.0): other tools plot and compare them. `configuration`
 * has a trace's decisions and, as one more parameter, the trace; what T4 has no room for stands
 * beside it under "hone" with a checksum, so that a file hone wrote comes back as it was.
 * Configurations of other kernels than hone's are no traces, and are left out on reading. */
#include "tuner/interchange/format.h"

#include <float.h>
#include <math.h>
#include <time.h>

#define NS_PER_MS 1e6

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct t4 {
    hone_interchange__export *x;
    json_t *workloads; /* {"hash": {..}} */
    json_t *targets;   /* {"hash of the text": {"text", "class"}} */
    json_t *results;
} t4;

/* Why a configuration has no time, in the words of the schema. */
static const char *invalidity(hone_status s)
{
    switch (s) {
    case HONE_OK:
        return "correct";
    case HONE_REJECT_BUILD:
    case HONE_REJECT_BUILD_TIMEOUT:
    case HONE_REJECT_ARTIFACT:
        return "compile";
    case HONE_REJECT_WRONG_RESULT:
    case HONE_REJECT_OUT_OF_BOUNDS:
        return "correctness";
    case HONE_REJECT_RUN_TIMEOUT:
        return "timeout";
    case HONE_REJECT_CRASH:
    case HONE_REJECT_SYSCALL:
    case HONE_REJECT_NONZERO:
    case HONE_REJECT_IMPOSSIBLE:
    case HONE_REJECT_TOO_SHORT:
        return "runtime";
    default:
        return "constraints";
    }
}

static char *timestamp(int64_t ms)
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm = {0};
    char text[32] = "";
    if (gmtime_r(&s, &tm))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    return hone_xasprintf("%s.%03d+00:00", text, (int)(ms % 1000));
}

/* Each decision under the number and name of its instruction, and the trace. */
static json_t *configuration(const char *trace)
{
    json_t *j = json_object(), *t = json_loads(trace, 0, NULL);
    const json_t *insts = json_array_get(t, 0), *d;
    size_t k;
    json_array_foreach(json_array_get(t, 1), k, d)
    {
        json_int_t at = json_integer_value(json_array_get(d, 0));
        const json_t *name = json_array_get(json_array_get(insts, (size_t)at), 0);
        const json_t *value = json_array_get(d, 1);
        char *key = hone_xasprintf("%" JSON_INTEGER_FORMAT "_%s", at,
                                   json_is_string(name) ? json_string_value(name) : "?");
        if (json_is_integer(value)) {
            json_object_set(j, key, (json_t *)value);
        } else if (value) {
            char *text = hone_json_text(value);
            json_object_set_new(j, key, json_string(text));
            free(text);
        }
        free(key);
    }
    json_decref(t);
    json_object_set_new(j, "trace", hone_json_string(trace));
    return j;
}

static json_t *times(const hone_db_record *r, const hone_db_sample *samples, uint32_t n)
{
    json_t *runtimes = json_array();
    for (uint32_t k = 0; k < n; k++)
        json_array_append_new(runtimes, json_real(samples[k].candidate_ns / NS_PER_MS));
    double build = (double)r->build_ns / NS_PER_MS;
    /* the schema calls it compilation_time, Kernel Tuner's own files compilation */
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:o}", "compilation", build,
                     "compilation_time", build, "benchmark", (double)r->run_ns / NS_PER_MS,
                     "framework", 0.0, "search_algorithm", 0.0, "validation", 0.0, "runtimes",
                     runtimes);
}

static json_t *hex(uint64_t h)
{
    char text[17];
    hone_hash_format(h, text);
    return json_string(text);
}

static uint64_t text_hash(const char *text)
{
    return hone_hash_bytes(0, text, strlen(text));
}

/* JSON has no infinity. */
static double number_of(double x)
{
    return isfinite(x) ? x : DBL_MAX;
}

/* What T4 has no room for. */
static json_t *own_part(const hone_db_workload *w, const hone_db_target *t, const hone_db_record *r,
                        const hone_db_sample *samples, uint32_t n)
{
    json_t *list = json_array();
    for (uint32_t k = 0; k < n; k++) {
        json_t *pair = json_array();
        json_array_append_new(pair, json_real(samples[k].candidate_ns));
        json_array_append_new(pair, json_real(samples[k].incumbent_ns));
        json_array_append_new(list, pair);
    }
    return json_pack(
        "{s:o, s:o, s:i, s:o, s:s, s:o, s:I, s:I, s:f, s:f, s:f, s:o, s:o, s:I, s:I, "
        "s:o, s:o, s:I, s:i, s:o, s:o, s:o, s:I, s:o}",
        "workload", hex(w->hash), "target", hex(text_hash(t->text)), "threads", t->threads,
        "trace_hash", hex(r->trace_hash), "status", hone_status_name(r->status), "reason",
        hone_json_string(r->reason), "time_ns", (json_int_t)r->time_ns, "compare_ns",
        (json_int_t)r->compare_ns, "log_ratio", r->log_ratio, "max_error", number_of(r->max_error),
        "tolerance", number_of(r->tolerance), "checked", hone_json_string(r->checked), "data_seed",
        hex(r->data_seed), "build_ns", (json_int_t)r->build_ns, "run_ns", (json_int_t)r->run_ns,
        "device", hone_json_string(r->device), "env", hone_json_string(r->env), "created_ms",
        (json_int_t)r->created_ms, "space_version", r->space_version, "hone_version",
        hone_json_string(r->hone_version), "llvm_version", hone_json_string(r->llvm_version),
        "incumbent_hash", hex(r->incumbent_hash), "incumbent_ns", (json_int_t)r->incumbent_ns,
        "samples", list);
}

/* Of what hone reads again: its own part without the sum, and the trace. */
static uint64_t sum_of(const json_t *own, const char *trace)
{
    json_t *copy = json_copy((json_t *)own);
    json_object_del(copy, "sum");
    char *text = hone_json_text(copy);
    uint64_t h = hone_hash_bytes(hone_hash_bytes(0, text, strlen(text)), trace, strlen(trace));
    free(text);
    json_decref(copy);
    return h;
}

static void remember_workload(t4 *f, const hone_db_workload *w)
{
    char key[17];
    hone_hash_format(w->hash, key);
    if (json_object_get(f->workloads, key))
        return;
    json_object_set_new(f->workloads, key,
                        json_pack("{s:o, s:o, s:o, s:o, s:I, s:I}", "name",
                                  hone_json_string(w->name), "class", hone_json_string(w->class),
                                  "program", hone_json_string(w->program), "sizes",
                                  hone_json_string(w->sizes), "flops", (json_int_t)w->flops,
                                  "created_ms", (json_int_t)w->created_ms));
}

/* Its text is long, and a log has few. */
static void remember_target(t4 *f, const hone_db_target *t)
{
    char key[17];
    hone_hash_format(text_hash(t->text), key);
    if (!json_object_get(f->targets, key))
        json_object_set_new(f->targets, key,
                            json_pack("{s:o, s:o}", "text", hone_json_string(t->text), "class",
                                      hone_json_string(t->class)));
}

static hone_status add_result(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                              const hone_db_record *r, hone_error *err)
{
    t4 *f = ctx;
    hone_db_sample *samples;
    uint32_t n;
    if (r->status == HONE_STATUS_COUNT) {
        hone_interchange__tally(f->x->left_out, "a status that this version does not know");
        return HONE_OK;
    }
    HONE_TRY(hone_db_record_samples(f->x->db, r->id, &samples, &n, err));
    remember_workload(f, w);
    remember_target(f, t);
    json_t *own = own_part(w, t, r, samples, n);
    json_object_set_new(own, "sum", hex(sum_of(own, r->trace)));
    char *when = timestamp(r->created_ms);
    bool good = r->status == HONE_OK;
    json_t *measurements = json_array(), *objectives = json_array();
    if (good)
        json_array_append_new(measurements,
                              json_pack("{s:s, s:f, s:s}", "name", "time", "value",
                                        (double)r->time_ns / NS_PER_MS, "unit", "ms"));
    json_array_append_new(objectives, json_string("time"));
    json_array_append_new(f->results,
                          json_pack("{s:s, s:o, s:o, s:s, s:i, s:o, s:o, s:o}", "timestamp", when,
                                    "configuration", configuration(r->trace), "times",
                                    times(r, samples, n), "invalidity", invalidity(r->status),
                                    "correctness", good ? 1 : 0, "measurements", measurements,
                                    "objectives", objectives, "hone", own));
    free(when);
    free(samples);
    f->x->written++;
    return HONE_OK;
}

hone_status hone_interchange__t4_write(hone_interchange__export *x, hone_error *err)
{
    t4 f = {.x = x, .workloads = json_object(), .targets = json_object(), .results = json_array()};
    hone_status st = hone_interchange__each(x, add_result, &f, err);
    json_t *all = json_pack("{s:s, s:{s:s, s:{s:s, s:o, s:o}}, s:o}", "schema_version", "1.0.0",
                            "metadata", "timeunit", "milliseconds", "hone", "version", HONE_VERSION,
                            "workloads", f.workloads, "targets", f.targets, "results", f.results);
    if (st == HONE_OK) {
        char *text = json_dumps(all, JSON_INDENT(1) | JSON_SORT_KEYS);
        st = hone_file_write(x->path, text, strlen(text), err);
        free(text);
    }
    json_decref(all);
    return st;
}

/* ---- reading --------------------------------------------------------------------------------- */

static const char *text_of(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s ? s : "";
}

static int64_t int_of(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

static uint64_t hex_of(const json_t *j, const char *key)
{
    uint64_t h = 0;
    return hone_hash_parse(text_of(j, key), &h) ? h : 0;
}

static int32_t int32_of(const json_t *j, const char *key)
{
    int64_t x = int_of(j, key);
    return x > INT32_MAX || x < 0 ? 0 : (int32_t)x;
}

/* What is needed before there can be a record. */
typedef struct reading {
    hone_interchange__import *x;
    const json_t *workloads, *targets;
} reading;

static hone_status put_workload(const reading *f, const json_t *own, int64_t *ret, hone_error *err)
{
    const json_t *j = json_object_get(f->workloads, text_of(own, "workload"));
    hone_program p;
    const char *text = text_of(j, "program");
    if (!j)
        return hone_fail(err, HONE_E_INPUT, "the file lacks its workload %.16s",
                         text_of(own, "workload"));
    HONE_TRY(hone_program_parse(text, strlen(text), &p, err));
    const uint64_t hash = hone_program_hash(&p);
    hone_program_fini(&p);
    if (hash != hex_of(own, "workload"))
        return hone_fail(err, HONE_E_INPUT, "the program of workload %.16s is another one",
                         text_of(own, "workload"));
    const hone_db_workload w = {.hash = hash,
                                .name = text_of(j, "name"),
                                .class = text_of(j, "class"),
                                .program = text,
                                .sizes = text_of(j, "sizes"),
                                .flops = int_of(j, "flops"),
                                .created_ms = int_of(j, "created_ms")};
    return hone_db_workload_put(f->x->db, &w, ret, err);
}

static hone_status put_target(const reading *f, const json_t *own, int64_t *ret, hone_error *err)
{
    const json_t *j = json_object_get(f->targets, text_of(own, "target"));
    const hone_db_target t = {.text = text_of(j, "text"),
                              .threads = int32_of(own, "threads"),
                              .class = text_of(j, "class")};
    if (!j || text_hash(t.text) != hex_of(own, "target"))
        return hone_fail(err, HONE_E_INPUT, "the file lacks its target %.16s",
                         text_of(own, "target"));
    return hone_db_target_put(f->x->db, &t, ret, err);
}

static hone_status put_result(const reading *f, const json_t *own, const char *trace,
                              unsigned number, hone_error *err)
{
    hone_error e = {0};
    hone_db_record r = {.trace_hash = hex_of(own, "trace_hash"),
                        .trace = trace,
                        .status = hone_status_parse(text_of(own, "status")),
                        .reason = text_of(own, "reason"),
                        .time_ns = int_of(own, "time_ns"),
                        .compare_ns = int_of(own, "compare_ns"),
                        .log_ratio = json_number_value(json_object_get(own, "log_ratio")),
                        .max_error = json_number_value(json_object_get(own, "max_error")),
                        .tolerance = json_number_value(json_object_get(own, "tolerance")),
                        .checked = text_of(own, "checked"),
                        .data_seed = hex_of(own, "data_seed"),
                        .build_ns = int_of(own, "build_ns"),
                        .run_ns = int_of(own, "run_ns"),
                        .device = text_of(own, "device"),
                        .env = text_of(own, "env"),
                        .created_ms = int_of(own, "created_ms"),
                        .space_version = int32_of(own, "space_version"),
                        .hone_version = text_of(own, "hone_version"),
                        .llvm_version = text_of(own, "llvm_version"),
                        .incumbent_hash = hex_of(own, "incumbent_hash"),
                        .incumbent_ns = int_of(own, "incumbent_ns")};
    hone_status st = put_workload(f, own, &r.workload_id, &e);
    if (st == HONE_OK)
        st = put_target(f, own, &r.target_id, &e);
    if (st == HONE_E_INPUT) {
        hone_interchange__leave_out(f->x, 0, "its workload or target cannot be read",
                                    "result %u: %s", number, e.message);
        return HONE_OK;
    }
    if (st != HONE_OK) {
        if (err)
            *err = e;
        return st;
    }
    HONE_VEC(hone_db_sample) samples = {0};
    const json_t *pair;
    size_t k;
    json_array_foreach(json_object_get(own, "samples"), k, pair)
    {
        const hone_db_sample s = {json_number_value(json_array_get(pair, 0)),
                                  json_number_value(json_array_get(pair, 1))};
        hone_vec_push(&samples, s);
    }
    st = hone_interchange__put(f->x, 0, &r, samples.v, samples.n, err);
    hone_vec_free(&samples);
    return st;
}

static hone_status read_result(const reading *f, const json_t *j, unsigned number, hone_error *err)
{
    static const char *const needed[] = {"configuration", "times", "invalidity", "correctness"};
    const json_t *own = json_object_get(j, "hone");
    const char *trace = text_of(json_object_get(j, "configuration"), "trace");
    for (unsigned k = 0; k < HONE_LEN(needed); k++)
        if (!json_object_get(j, needed[k])) {
            hone_interchange__leave_out(f->x, 0, "not a result of T4", "result %u has no %s",
                                        number, needed[k]);
            return HONE_OK;
        }
    if (!json_is_object(own) || !*trace) {
        hone_interchange__leave_out(f->x, 0, "its configuration is no trace of hone's",
                                    "result %u is of another tuner's kernel", number);
        return HONE_OK;
    }
    if (sum_of(own, trace) != hex_of(own, "sum")) {
        hone_interchange__leave_out(f->x, 0, "it was edited since hone wrote it",
                                    "result %u does not match its checksum", number);
        return HONE_OK;
    }
    return put_result(f, own, trace, number, err);
}

/* The results of other files than hone's are a list in "results", or the file is that list. */
hone_status hone_interchange__t4_read(hone_interchange__import *x, hone_error *err)
{
    char *text;
    size_t n, k;
    json_t *all;
    hone_error e = {0};
    HONE_TRY(hone_file_read(x->path, HONE_INTERCHANGE_MAX_FILE, &text, &n, err));
    hone_status st = hone_json_parse(text, n, &all, &e);
    free(text);
    if (st != HONE_OK)
        return hone_fail(err, HONE_E_INPUT, "'%s' is not a T4 file: %s", x->path, e.message);
    const json_t *results = json_is_array(all) ? all : json_object_get(all, "results"), *j;
    const json_t *meta = json_object_get(all, "metadata");
    const json_t *own = json_object_get(meta, "hone");
    reading f = {.x = x,
                 .workloads = json_object_get(own, "workloads"),
                 .targets = json_object_get(own, "targets")};
    if (!json_is_array(results))
        st = hone_fail(err, HONE_E_INPUT, "'%s' is not a T4 file: it has no list \"results\"",
                       x->path);
    json_array_foreach(results, k, j)
    {
        if (st == HONE_OK)
            st = hone_interchange__tick(x, k, err);
        if (st == HONE_OK)
            st = read_result(&f, j, (unsigned)k + 1, err);
    }
    json_decref(all);
    return st;
}
