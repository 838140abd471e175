/* The text of a lock: a key on a line, programs, traces and intrinsics line by line, always in the
 * same order. */
#include "tuner/lock/internal.h"

#define KEY "      "
#define ROW "        "

static void put_json(hone_buf *out, json_t *j)
{
    char *text = hone_json_text(j);
    hone_buf_puts(out, text);
    free(text);
    json_decref(j);
}

static void put_text(hone_buf *out, const char *key, const char *value)
{
    hone_buf_printf(out, KEY "\"%s\": ", key);
    put_json(out, hone_json_string(value));
    hone_buf_puts(out, ",\n");
}

/* As short as can be read back. */
static void put_real(hone_buf *out, double v)
{
    char text[40];
    for (int digits = 2; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    hone_buf_puts(out, text);
    if (!strpbrk(text, ".e"))
        hone_buf_puts(out, ".0");
}

static void put_object(hone_buf *out, const char *key, const char *json)
{
    json_t *j = json_loads(json, 0, NULL), *v; /* members keep their order, which is by name */
    const char *name, *comma = "";
    HONE_ASSERT(j);
    hone_buf_printf(out, KEY "\"%s\": {", key);
    json_object_foreach(j, name, v)
    {
        hone_buf_printf(out, "%s\n" ROW, comma);
        put_json(out, json_string(name));
        hone_buf_puts(out, ": ");
        put_json(out, json_incref(v));
        comma = ",";
    }
    hone_buf_printf(out, "%s},\n", *comma ? "\n" KEY : "");
    json_decref(j);
}

/* An array of an element a line. */
static void put_rows(hone_buf *out, const char *key, const json_t *rows, bool last)
{
    size_t k, n = json_array_size(rows);
    json_t *v;
    hone_buf_printf(out, KEY "\"%s\": [", key);
    json_array_foreach((json_t *)rows, k, v)
    {
        hone_buf_puts(out, k ? ",\n" ROW : "\n" ROW);
        put_json(out, json_incref(v));
    }
    hone_buf_printf(out, "%s]%s\n", n ? "\n" KEY : "", last ? "" : ",");
}

static void put_lines(hone_buf *out, const char *key, const char *text)
{
    json_t *rows = json_array();
    while (*text) {
        size_t n = strcspn(text, "\n");
        char *line = hone_xasprintf("%.*s", (int)n, text);
        json_array_append_new(rows, hone_json_string(line));
        free(line);
        text += n + (text[n] == '\n');
    }
    put_rows(out, key, rows, false);
    json_decref(rows);
}

static void put_measured(hone_buf *out, const hone_lock_entry *e)
{
    if (e->time_ns)
        hone_buf_printf(out, KEY "\"time_ns\": %" PRId64 ",\n", e->time_ns);
    if (!e->checked)
        return;
    hone_buf_puts(out, KEY "\"checked\": {\"against\": ");
    put_json(out, hone_json_string(e->checked));
    hone_buf_puts(out, ", \"max_error\": ");
    put_real(out, e->max_error);
    hone_buf_puts(out, ", \"tolerance\": ");
    put_real(out, e->tolerance);
    hone_buf_puts(out, "},\n");
}

static void put_call(hone_buf *out, const hone_libcall *c)
{
    char *text = hone_libcall_text(c);
    json_t *j = json_loads(text, 0, NULL);
    char *inner = hone_json_text(json_object_get(j, "library"));
    put_object(out, "library", inner);
    free(inner);
    json_decref(j);
    free(text);
}

char *hone_lock__entry_text(const hone_lock_entry *e)
{
    hone_buf out = {0}, program = {0};
    char hash[17], *target = hone_target_text(&e->target);
    json_t *trace = json_loads(e->trace, 0, NULL);
    HONE_ASSERT(json_array_size(trace) == 2);
    hone_hash_format(hone_program_hash(&e->program), hash);
    hone_program_print(&e->program, &program);
    hone_buf_puts(&out, "{\n");
    put_text(&out, "function", e->function);
    put_text(&out, "kernel", e->kernel);
    put_object(&out, "sizes", e->sizes);
    hone_buf_printf(&out, KEY "\"threads\": %d,\n", e->threads);
    put_object(&out, "target", target);
    put_text(&out, "rung", hone_rung_name(e->rung));
    put_text(&out, "reason", e->reason);
    hone_buf_puts(&out, KEY "\"expected_share\": ");
    put_real(&out, e->share);
    hone_buf_puts(&out, ",\n");
    put_measured(&out, e);
    put_text(&out, "hone", e->hone_version);
    put_text(&out, "llvm", e->llvm_version);
    hone_buf_printf(&out, KEY "\"space_version\": %d,\n", e->space_version);
    put_text(&out, "workload", hash);
    put_lines(&out, "program", program.s);
    if (*e->intrins)
        put_lines(&out, "intrinsics", e->intrins);
    if (e->call)
        put_call(&out, e->call);
    put_rows(&out, "instructions", json_array_get(trace, 0), false);
    put_rows(&out, "decisions", json_array_get(trace, 1), true);
    hone_buf_puts(&out, "    }");
    json_decref(trace);
    free(target);
    hone_buf_free(&program);
    return hone_buf_take(&out);
}

void hone_lock_print(const hone_lock *l, hone_buf *out)
{
    bool calls = false;
    for (uint32_t k = 0; k < l->entries.n; k++)
        calls = calls || l->entries.v[k].call;
    hone_buf_printf(out, "{\n  \"hone_lock\": %d,\n  \"functions\": [",
                    calls ? HONE_LOCK_VERSION : 1);
    for (uint32_t k = 0; k < l->entries.n; k++)
        hone_buf_printf(out, "%s\n    %s", k ? "," : "", l->entries.v[k].text);
    hone_buf_printf(out, "%s]\n}\n", l->entries.n ? "\n  " : "");
}
