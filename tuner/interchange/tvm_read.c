/* A MetaSchedule database, of the folder that holds its two files. A workload is one of hone's when
 * hone wrote it, or when the arguments of a record are those of the kernel that was given, or of
 * one the log has. A record is taken when its trace can be carried out on that kernel; nobody
 * checked what it computes and nobody here measured it: its target is of the class
 * HONE_DB_IMPORTED.
 *
 * Reader's map: lines; kernels; workloads; records. */
#include "tuner/interchange/format.h"
#include "space/space.h"

#include <errno.h>
#include <math.h>

/* ---- lines ----------------------------------------------------------------------------------- */

typedef hone_status line_fn(void *ctx, unsigned line, const json_t *j, hone_error *err);

/* The next line without its end. False: there is none, or it is too long. */
static bool read_line(FILE *f, hone_buf *to)
{
    int c = EOF;
    hone_buf_reset(to);
    while (to->n <= HONE_INTERCHANGE_MAX_LINE && (c = getc(f)) != EOF && c != '\n') {
        const char byte = (char)c;
        hone_buf_add(to, &byte, 1);
    }
    return to->n <= HONE_INTERCHANGE_MAX_LINE && (c != EOF || to->n > 0);
}

/* Calls fn for each line that is not blank with its JSON value, NULL when it is none. */
static hone_status each_line(const char *path, line_fn *fn, void *ctx, hone_error *err)
{
    FILE *f = fopen(path, "rb");
    hone_buf b = {0};
    unsigned line = 0;
    hone_status st = HONE_OK;
    if (!f)
        return hone_fail_errno(err, errno == ENOENT ? HONE_E_NOTFOUND : HONE_E_INPUT,
                               "cannot open '%s'", path);
    while (st == HONE_OK && read_line(f, &b)) {
        json_t *j = NULL;
        line++;
        if (b.n == 0 || strspn(b.s, " \t\r") == b.n)
            continue;
        if (hone_json_parse(b.s, b.n, &j, NULL) != HONE_OK)
            j = NULL;
        st = fn(ctx, line, j, err);
        json_decref(j);
    }
    if (st == HONE_OK && ferror(f))
        st = hone_fail_errno(err, HONE_E_INPUT, "cannot read '%s'", path);
    if (st == HONE_OK && b.n > HONE_INTERCHANGE_MAX_LINE)
        st = hone_fail(err, HONE_E_LIMIT, "'%s', line %u: longer than %d MiB", path, line + 1,
                       HONE_INTERCHANGE_MAX_LINE >> 20);
    hone_buf_free(&b);
    fclose(f);
    return st;
}

/* ---- kernels --------------------------------------------------------------------------------- */

typedef struct kernel {
    int64_t workload_id; /* 0: not yet in the log */
    hone_program program;
    char *sizes;
    json_t *args;
} kernel;

typedef struct reading {
    hone_interchange__import *x;
    HONE_VEC(kernel *) kernels; /* the one that was given first, then the log's */
    HONE_VEC(kernel *) said;    /* by number of workload: what hone wrote there, or NULL */
    hone_sched sched;
    uint64_t seen;
} reading;

static kernel *kernel_new(const hone_program *p, const char *sizes, int64_t id)
{
    kernel *k = hone_xcalloc(1, sizeof *k);
    hone_program_copy(&k->program, p);
    k->sizes = hone_xstrdup(sizes ? sizes : "{}");
    k->args = hone_interchange__tvm_args(p);
    k->workload_id = id;
    return k;
}

static void kernel_free(kernel *k)
{
    if (!k)
        return;
    hone_program_fini(&k->program);
    json_decref(k->args);
    free(k->sizes);
    free(k);
}

static bool add_of_log(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                       const hone_db_record *r)
{
    reading *f = ctx;
    hone_program p;
    (void)t, (void)r;
    for (uint32_t k = 0; k < f->kernels.n; k++)
        if (f->kernels.v[k]->workload_id == w->id)
            return true;
    if (hone_program_parse(w->program, strlen(w->program), &p, NULL) != HONE_OK)
        return true;
    hone_vec_push(&f->kernels, kernel_new(&p, w->sizes, w->id));
    hone_program_fini(&p);
    return true;
}

static hone_status put_kernel(const reading *f, kernel *k, hone_error *err)
{
    if (k->workload_id)
        return HONE_OK;
    hone_buf text = {0};
    const char *name = hone_sym_text(&k->program, k->program.name);
    hone_program_print(&k->program, &text);
    const hone_db_workload w = {.hash = hone_program_hash(&k->program),
                                .name = name,
                                .class = name,
                                .program = text.s,
                                .sizes = k->sizes,
                                .flops = hone_program_flops(&k->program)};
    hone_status st = hone_db_workload_put(f->x->db, &w, &k->workload_id, err);
    hone_buf_free(&text);
    return st;
}

/* ---- workloads ------------------------------------------------------------------------------- */

/* NULL: not base64. */
static char *from_base64(const char *text)
{
    hone_buf b = {0};
    uint32_t x = 0;
    unsigned bits = 0;
    for (; *text && *text != '='; text++) {
        const char c = *text;
        int v = c >= 'A' && c <= 'Z'   ? c - 'A'
                : c >= 'a' && c <= 'z' ? c - 'a' + 26
                : c >= '0' && c <= '9' ? c - '0' + 52
                : c == '+'             ? 62
                : c == '/'             ? 63
                                       : -1;
        if (v < 0) {
            hone_buf_free(&b);
            return NULL;
        }
        x = x << 6 | (uint32_t)v;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            const char byte = (char)(x >> bits & 0xff);
            hone_buf_add(&b, &byte, 1);
        }
    }
    return hone_buf_take(&b);
}

/* The kernel, if it was hone that wrote this workload. */
static kernel *kernel_said(const char *module)
{
    char *text = from_base64(module);
    json_t *j = NULL;
    kernel *ret = NULL;
    hone_program p;
    if (text && hone_json_parse(text, strlen(text), &j, NULL) == HONE_OK) {
        const json_t *own = json_object_get(j, "hone");
        const char *program = json_string_value(json_object_get(own, "program"));
        const char *sizes = json_string_value(json_object_get(own, "sizes"));
        if (program && hone_program_parse(program, strlen(program), &p, NULL) == HONE_OK) {
            ret = kernel_new(&p, sizes, 0);
            hone_program_fini(&p);
        }
    }
    json_decref(j);
    free(text);
    return ret;
}

static hone_status read_workload(void *ctx, unsigned line, const json_t *j, hone_error *err)
{
    reading *f = ctx;
    const json_t *module = json_array_get(j, 1);
    if (json_array_size(j) != 2 || !json_is_string(json_array_get(j, 0)) || !json_is_string(module))
        return hone_fail(err, HONE_E_INPUT,
                         "'%s/database_workload.json', line %u, is not [\"hash\", \"module\"]",
                         f->x->path, line);
    HONE_TRY(hone_interchange__tick(f->x, f->said.n, err));
    hone_vec_push(&f->said, kernel_said(json_string_value(module)));
    return HONE_OK;
}

/* NULL: none of hone's. */
static kernel *kernel_of(const reading *f, json_int_t workload, const json_t *args)
{
    if (workload < 0 || workload >= f->said.n)
        return NULL;
    if (f->said.v[workload])
        return f->said.v[workload];
    for (uint32_t k = 0; k < f->kernels.n; k++)
        if (json_equal(f->kernels.v[k]->args, (json_t *)args))
            return f->kernels.v[k];
    return NULL;
}

/* ---- records --------------------------------------------------------------------------------- */

/* The mean, in ns; 0: TVM has no valid time of it. */
static int64_t time_of(const json_t *seconds)
{
    const json_t *s;
    size_t k;
    double sum = 0;
    json_array_foreach(seconds, k, s)
    {
        double v = json_number_value(s);
        if (!json_is_number(s) || !(v > 0 && v < 1e6)) /* 1e10 is a failure's */
            return 0;
        sum += v;
    }
    return k ? llround(fmax(sum / (double)k * 1e9, 1)) : 0;
}

/* Finders of the same block only: what its name is instead, on a kernel of one block. */
static void rename_block(json_t *trace, const hone_program *p)
{
    const char *only = NULL, *there = NULL;
    json_t *inst;
    size_t k;
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s))
        if (hone_is_block(p, s) && hone_stmt_at(p, s)->out.i) {
            if (there)
                return;
            there = hone_sym_text(p, hone_stmt_at(p, s)->name);
        }
    for (int pass = 0; pass < 2 && there; pass++)
        json_array_foreach(json_array_get(trace, 0), k, inst)
        {
            const char *kind = json_string_value(json_array_get(inst, 0));
            json_t *attrs = json_array_get(inst, 2);
            const char *name = json_string_value(json_array_get(attrs, 0));
            if (!kind || !name ||
                (strcmp(kind, "GetBlock") != 0 && strcmp(kind, "GetSBlock") != 0) ||
                strcmp(name, "root") == 0)
                continue;
            if (pass == 0 && only && strcmp(only, name) != 0)
                return;
            if (pass == 0)
                only = name;
            else
                json_array_set_new(attrs, 0, json_string(there));
        }
}

/* The trace, carried out on the kernel, as hone writes it; NULL with *err. */
static char *carry_out(reading *f, const kernel *k, const json_t *trace, uint64_t *ret_hash,
                       hone_error *err)
{
    json_t *copy = json_deep_copy((json_t *)trace);
    rename_block(copy, &k->program);
    char *text = hone_json_text(copy), *ret = NULL;
    hone_trace t = {0};
    hone_status st = hone_trace_parse(text, strlen(text), &t, err);
    if (st == HONE_OK)
        st = hone_trace_replay(&t, &k->program, &f->sched, NULL, false, err);
    if (st == HONE_OK) {
        ret = hone_trace_text(&f->sched.trace);
        *ret_hash = hone_trace_hash(&f->sched.trace);
    }
    hone_trace_free(&t);
    free(text);
    json_decref(copy);
    return ret;
}

static hone_status put_target(const reading *f, const json_t *target, int64_t *ret, hone_error *err)
{
    int64_t cores = json_integer_value(json_object_get(target, "num-cores"));
    char *json =
        json_dumps(target ? target : json_null(), JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    char *text = hone_xasprintf("tvm %s", json);
    const hone_db_target t = {.text = text,
                              .threads =
                                  cores >= 1 && cores <= HONE_MAX_THREADS ? (int32_t)cores : 1,
                              .class = HONE_DB_IMPORTED};
    hone_status st = hone_db_target_put(f->x->db, &t, ret, err);
    free(json);
    free(text);
    return st;
}

static hone_status put_record(reading *f, unsigned line, kernel *k, const json_t *what,
                              int64_t time_ns, hone_error *err)
{
    uint64_t hash = 0;
    hone_error e = {0};
    int64_t target = 0;
    char *trace = carry_out(f, k, json_array_get(what, 0), &hash, &e);
    if (!trace) {
        hone_interchange__leave_out(f->x, line, "its trace cannot be carried out", "%s", e.message);
        return HONE_OK;
    }
    hone_status st = put_kernel(f, k, err);
    if (st == HONE_OK)
        st = put_target(f, json_array_get(what, 2), &target, err);
    const hone_db_record r = {.workload_id = k->workload_id,
                              .target_id = target,
                              .trace_hash = hash,
                              .trace = trace,
                              .status = HONE_OK,
                              .time_ns = time_ns,
                              .device = "tvm"};
    if (st == HONE_OK)
        st = hone_interchange__put(f->x, line, &r, NULL, 0, err);
    free(trace);
    return st;
}

static char *args_text(const json_t *args)
{
    return args ? json_dumps(args, JSON_COMPACT | JSON_ENCODE_ANY) : hone_xstrdup("none");
}

static hone_status read_record(void *ctx, unsigned line, const json_t *j, hone_error *err)
{
    reading *f = ctx;
    const json_t *number = json_array_get(j, 0), *what = json_array_get(j, 1);
    HONE_TRY(hone_interchange__tick(f->x, f->seen++, err));
    if (json_array_size(j) != 2 || !json_is_integer(number) || json_array_size(what) != 4) {
        hone_interchange__leave_out(f->x, line, "not a record",
                                    "not [workload, [trace, seconds, target, arguments]]");
        return HONE_OK;
    }
    int64_t time_ns = time_of(json_array_get(what, 1));
    if (time_ns == 0) {
        hone_interchange__leave_out(f->x, line, "it has no valid time", "no valid time");
        return HONE_OK;
    }
    const json_t *args = json_array_get(what, 3);
    kernel *k = kernel_of(f, json_integer_value(number), args);
    if (k)
        return put_record(f, line, k, what, time_ns, err);
    char *text = args_text(args);
    hone_interchange__leave_out(f->x, line, "its workload is none that is known here",
                                "workload %" JSON_INTEGER_FORMAT " with the arguments %.200s: name "
                                "its kernel with --workload and -D",
                                json_integer_value(number), text);
    free(text);
    return HONE_OK;
}

hone_status hone_interchange__tvm_read(hone_interchange__import *x, hone_error *err)
{
    reading f = {.x = x};
    char *workloads = hone_xasprintf("%s/database_workload.json", x->path);
    char *records = hone_xasprintf("%s/database_tuning_record.json", x->path);
    if (x->o->kernel)
        hone_vec_push(&f.kernels, kernel_new(x->o->kernel, x->o->sizes, 0));
    static const hone_db_where imported = {.target_class = HONE_DB_IMPORTED};
    hone_status st = hone_db_each_first(x->db, NULL, add_of_log, &f, err);
    if (st == HONE_OK)
        st = hone_db_each_first(x->db, &imported, add_of_log, &f, err);
    if (st == HONE_OK)
        st = each_line(workloads, read_workload, &f, err);
    if (st == HONE_OK)
        st = each_line(records, read_record, &f, err);
    for (uint32_t k = 0; k < f.kernels.n; k++)
        kernel_free(f.kernels.v[k]);
    for (uint32_t k = 0; k < f.said.n; k++)
        kernel_free(f.said.v[k]);
    hone_vec_free(&f.kernels);
    hone_vec_free(&f.said);
    hone_sched_fini(&f.sched);
    free(workloads);
    free(records);
    return st;
}
