/* Reading a lock. What hone wrote, what people edited, what a merge left behind, and files that are
 * something else.
 *
 * Reader's map: values of an entry; its members, by table; where entries lie in the text; the
 * file. */
#include "tuner/lock/internal.h"

#include <math.h>

/* An entry while it is read. */
typedef struct reading {
    const char *file, *key; /* where we are */
    int line;               /* at which the entry begins */
    char name[208];         /* its function, once that is known */
    hone_lock_entry *e;
    json_t *instructions, *decisions; /* borrowed */
    uint64_t hash;
} reading;

static hone_status refuse(const reading *r, hone_error *err, const char *what)
{
    hone_fail(err, HONE_E_INPUT, "%s:%d: %s%s\"%s\" %s", r->file, r->line, r->name,
              *r->name ? ": " : "", r->key, what);
    if (err)
        err->line = r->line;
    return HONE_E_INPUT;
}

/* ---- values ----------------------------------------------------------------------------------
 */

static hone_status text_of(const reading *r, const json_t *j, char **ret, hone_error *err)
{
    const char *s = json_string_value(j);
    if (!s || strlen(s) != json_string_length(j))
        return refuse(r, err, "must be a text");
    *ret = hone_xstrdup(s);
    return HONE_OK;
}

static hone_status whole_of(const reading *r, const json_t *j, int64_t least, int64_t most,
                            int64_t *ret, hone_error *err)
{
    char what[80];
    *ret = json_integer_value(j);
    if (json_is_integer(j) && *ret >= least && *ret <= most)
        return HONE_OK;
    snprintf(what, sizeof what, "must be a whole number from %" PRId64 " to %" PRId64, least, most);
    return refuse(r, err, what);
}

static hone_status real_of(const reading *r, const json_t *j, double most, double *ret,
                           hone_error *err)
{
    *ret = json_number_value(j);
    return json_is_number(j) && isfinite(*ret) && *ret >= 0 && *ret <= most
               ? HONE_OK
               : refuse(r, err, "is not a number that can be there");
}

static hone_status lines_of(const reading *r, const json_t *j, char **ret, hone_error *err)
{
    hone_buf b = {0};
    size_t k;
    json_t *v;
    hone_status st = json_is_array(j) ? HONE_OK : refuse(r, err, "must be a list of lines");
    json_array_foreach((json_t *)j, k, v)
    {
        const char *s = json_string_value(v);
        if (st == HONE_OK && (!s || strlen(s) != json_string_length(v) || strchr(s, '\n')))
            st = refuse(r, err, "must be a list of lines");
        if (st == HONE_OK)
            hone_buf_printf(&b, "%s\n", s);
    }
    if (st == HONE_OK)
        *ret = hone_buf_take(&b);
    hone_buf_free(&b);
    return st;
}

/* ---- members ---------------------------------------------------------------------------------
 */

static hone_status read_function(reading *r, const json_t *j, hone_error *err)
{
    HONE_TRY(text_of(r, j, &r->e->function, err));
    snprintf(r->name, sizeof r->name, "%s", r->e->function);
    for (const char *c = r->e->function; *c; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_';
        if (!letter && !(c > r->e->function && *c >= '0' && *c <= '9'))
            *r->name = '\0';
    }
    bool fits = *r->name && strlen(r->e->function) < sizeof r->name;
    return fits ? HONE_OK
                : (*r->name = '\0', refuse(r, err, "must be a name that a C function can have"));
}

static hone_status read_kernel(reading *r, const json_t *j, hone_error *err)
{
    return text_of(r, j, &r->e->kernel, err);
}

static hone_status read_sizes(reading *r, const json_t *j, hone_error *err)
{
    const char *name;
    json_t *v;
    int64_t value;
    if (!json_is_object(j))
        return refuse(r, err, "must be an object of whole numbers");
    json_object_foreach((json_t *)j, name, v) HONE_TRY(whole_of(r, v, 0, INT64_MAX, &value, err));
    r->e->sizes = hone_json_text(j);
    return HONE_OK;
}

static hone_status read_threads(reading *r, const json_t *j, hone_error *err)
{
    int64_t n;
    HONE_TRY(whole_of(r, j, 1, HONE_MAX_THREADS, &n, err));
    r->e->threads = (int32_t)n;
    return HONE_OK;
}

static hone_status read_target(reading *r, const json_t *j, hone_error *err)
{
    hone_error why = {0};
    char *text = json_is_object(j) ? hone_json_text(j) : hone_xstrdup("[]");
    hone_status st = hone_target_parse(text, &r->e->target, &why);
    free(text);
    return st == HONE_OK ? HONE_OK : refuse(r, err, why.message);
}

static hone_status read_rung(reading *r, const json_t *j, hone_error *err)
{
    char *text = NULL;
    HONE_TRY(text_of(r, j, &text, err));
    bool known = hone_rung_parse(text, &r->e->rung);
    free(text);
    return known ? HONE_OK : refuse(r, err, "is no rung that this hone knows");
}

static hone_status read_reason(reading *r, const json_t *j, hone_error *err)
{
    return text_of(r, j, &r->e->reason, err);
}

static hone_status read_share(reading *r, const json_t *j, hone_error *err)
{
    return real_of(r, j, 1, &r->e->share, err);
}

static hone_status read_time(reading *r, const json_t *j, hone_error *err)
{
    return whole_of(r, j, 1, INT64_MAX, &r->e->time_ns, err);
}

static hone_status read_checked(reading *r, const json_t *j, hone_error *err)
{
    if (!json_is_object(j) || json_object_size(j) != 3)
        return refuse(r, err, "must have \"against\", \"max_error\" and \"tolerance\"");
    HONE_TRY(text_of(r, json_object_get(j, "against"), &r->e->checked, err));
    HONE_TRY(real_of(r, json_object_get(j, "max_error"), HUGE_VAL, &r->e->max_error, err));
    return real_of(r, json_object_get(j, "tolerance"), HUGE_VAL, &r->e->tolerance, err);
}

static hone_status read_hone(reading *r, const json_t *j, hone_error *err)
{
    return text_of(r, j, &r->e->hone_version, err);
}

static hone_status read_llvm(reading *r, const json_t *j, hone_error *err)
{
    return text_of(r, j, &r->e->llvm_version, err);
}

static hone_status read_space(reading *r, const json_t *j, hone_error *err)
{
    int64_t n;
    HONE_TRY(whole_of(r, j, 0, INT32_MAX, &n, err));
    r->e->space_version = (int32_t)n;
    return HONE_OK;
}

static hone_status read_workload(reading *r, const json_t *j, hone_error *err)
{
    const char *s = json_string_value(j);
    return s && hone_hash_parse(s, &r->hash) ? HONE_OK : refuse(r, err, "must be 16 hex digits");
}

static hone_status read_program(reading *r, const json_t *j, hone_error *err)
{
    char *text = NULL;
    hone_error why = {0};
    HONE_TRY(lines_of(r, j, &text, err));
    hone_status st = hone_program_parse(text, strlen(text), &r->e->program, &why);
    if (st != HONE_OK) /* nothing to be freed then */
        r->e->program = (hone_program){0};
    else
        st = hone_verify(&r->e->program, &why);
    free(text);
    why.message[strcspn(why.message, "\n")] = '\0';
    return st == HONE_OK ? HONE_OK : refuse(r, err, why.message);
}

static hone_status read_intrins(reading *r, const json_t *j, hone_error *err)
{
    return lines_of(r, j, &r->e->intrins, err);
}

static hone_status read_instructions(reading *r, const json_t *j, hone_error *err)
{
    r->instructions = (json_t *)j;
    return json_is_array(j) ? HONE_OK : refuse(r, err, "must be a list");
}

static hone_status read_decisions(reading *r, const json_t *j, hone_error *err)
{
    r->decisions = (json_t *)j;
    return json_is_array(j) ? HONE_OK : refuse(r, err, "must be a list");
}

static hone_status read_library(reading *r, const json_t *j, hone_error *err)
{
    hone_error why = {0};
    hone_libcall c;
    json_t *whole = json_pack("{s:O}", "library", (json_t *)j);
    char *text = hone_json_text(whole);
    hone_status st = hone_libcall_parse(text, strlen(text), &c, &why);
    free(text);
    json_decref(whole);
    if (st != HONE_OK)
        return refuse(r, err, why.message);
    r->e->call = hone_xmalloc(sizeof c);
    *r->e->call = c;
    return HONE_OK;
}

static const struct {
    const char *key;
    bool needed;
    hone_status (*read)(reading *r, const json_t *j, hone_error *err);
} members[] = {
    {"function", true, read_function},   {"kernel", true, read_kernel},
    {"sizes", true, read_sizes},         {"threads", true, read_threads},
    {"target", true, read_target},       {"rung", true, read_rung},
    {"reason", true, read_reason},       {"expected_share", true, read_share},
    {"time_ns", false, read_time},       {"checked", false, read_checked},
    {"hone", true, read_hone},           {"llvm", true, read_llvm},
    {"space_version", true, read_space}, {"workload", true, read_workload},
    {"program", true, read_program},     {"intrinsics", false, read_intrins},
    {"library", false, read_library},    {"instructions", true, read_instructions},
    {"decisions", true, read_decisions},
};

static hone_status unknown_key(const reading *r, const json_t *j, hone_error *err)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)j, key, v)
    {
        unsigned k = 0;
        while (k < HONE_LEN(members) && strcmp(members[k].key, key) != 0)
            k++;
        if (k < HONE_LEN(members))
            continue;
        reading at = *r;
        char name[80];
        snprintf(name, sizeof name, "%s", key);
        at.key = name;
        return refuse(&at, err, "is not a key that this hone knows");
    }
    return HONE_OK;
}

static hone_status read_entry(reading *r, const json_t *j, hone_error *err)
{
    for (unsigned k = 0; k < HONE_LEN(members); k++) {
        const json_t *v = json_object_get(j, members[k].key);
        r->key = members[k].key;
        if (!v && members[k].needed)
            return refuse(r, err, "is missing");
        if (v)
            HONE_TRY(members[k].read(r, v, err));
    }
    HONE_TRY(unknown_key(r, j, err));
    r->key = "program";
    if (hone_program_hash(&r->e->program) != r->hash)
        return refuse(r, err, "is not that of \"workload\": lock this kernel again");
    if (!r->e->intrins)
        r->e->intrins = hone_xstrdup("");
    if (r->e->call && json_array_size(r->instructions) + json_array_size(r->decisions) > 0) {
        r->key = "library";
        return refuse(r, err, "stands in the place of a schedule, and there is one too");
    }
    json_t *trace = json_pack("[O, O]", r->instructions, r->decisions);
    r->e->trace = hone_json_text(trace);
    json_decref(trace);
    r->key = "instructions";
    hone_trace t = {0};
    hone_error why = {0};
    hone_status st = strlen(r->e->trace) < HONE_MAX_TRACE_BYTES
                         ? hone_trace_parse(r->e->trace, strlen(r->e->trace), &t, &why)
                         : hone_fail(&why, HONE_E_LIMIT, "are too many");
    hone_trace_free(&t);
    return st == HONE_OK ? HONE_OK : refuse(r, err, why.message);
}

/* ---- where entries lie ------------------------------------------------------------------------
 */

/* The next object of the list, from `at` on, in text that is known to be JSON and of the right
 * structure: an object with a list of objects. Its end in *ret_end. */
static const char *next_entry(const char *at, const char *end, unsigned *depth,
                              const char **ret_end)
{
    const char *first = NULL;
    for (; at < end; at++) {
        if (*at == '"') {
            for (at++; at < end && *at != '"'; at++)
                at += *at == '\\';
        } else if (*at == '{' || *at == '[') {
            if ((*depth)++ == 2)
                first = at;
        } else if (*at == '}' || *at == ']') {
            if (--*depth == 2 && first) {
                *ret_end = at + 1;
                return first;
            }
        }
    }
    return NULL;
}

/* ---- the file --------------------------------------------------------------------------------
 */

static hone_status check_file(const char *file, const json_t *j, hone_error *err)
{
    const json_t *version = json_object_get(j, "hone_lock"), *v;
    size_t k;
    if (!json_is_integer(version))
        return hone_fail(err, HONE_E_FOREIGN, "'%s' is not a lock file of hone", file);
    if (json_integer_value(version) > HONE_LOCK_VERSION)
        return hone_fail(err, HONE_E_VERSION,
                         "'%s' was made by a newer hone: it has format %" JSON_INTEGER_FORMAT
                         ", this hone knows %d",
                         file, json_integer_value(version), HONE_LOCK_VERSION);
    const json_t *list = json_object_get(j, "functions");
    if (json_integer_value(version) < 1 || !json_is_array(list) || json_object_size(j) != 2)
        return hone_fail(
            err, HONE_E_INPUT,
            "'%s' must have \"hone_lock\": 1 to %d, \"functions\": [...] and nothing else", file,
            HONE_LOCK_VERSION);
    if (json_array_size(list) > HONE_LOCK_MAX_ENTRIES)
        return hone_fail(err, HONE_E_LIMIT, "'%s' has more than %d functions", file,
                         HONE_LOCK_MAX_ENTRIES);
    json_array_foreach((json_t *)list, k, v) if (!json_is_object(v)) return hone_fail(
        err, HONE_E_INPUT, "'%s': function %zu is not an object", file, k + 1);
    return HONE_OK;
}

static hone_status add(const char *file, hone_lock *l, hone_lock_entry *e, hone_error *err)
{
    for (uint32_t k = 0; k < l->entries.n; k++) {
        const hone_lock_entry *old = &l->entries.v[k];
        if (hone_lock__compare(old, e) == 0) {
            hone_fail(err, HONE_E_INPUT,
                      "%s:%d: %s is there twice for %s, at line %d too: keep one of them", file,
                      e->line, e->function, e->target.cpu, old->line);
            hone_lock_entry_free(e);
            return HONE_E_INPUT;
        }
    }
    hone_lock_put(l, e);
    return HONE_OK;
}

static hone_status read_entries(const char *file, const char *text, size_t n, const json_t *list,
                                hone_lock *ret, hone_error *err)
{
    const char *at = text, *counted = text, *end = text;
    unsigned depth = 0;
    int line = 1;
    size_t k;
    json_t *v;
    json_array_foreach((json_t *)list, k, v)
    {
        hone_lock_entry e = {0};
        const char *first = next_entry(at, text + n, &depth, &end);
        HONE_ASSERT(first);
        for (; counted < first; counted++)
            line += *counted == '\n';
        at = end;
        reading r = {.file = file, .line = line, .e = &e};
        hone_status st = read_entry(&r, v, err);
        if (st != HONE_OK) {
            hone_lock_entry_free(&e);
            return st;
        }
        e.line = line;
        e.text = hone_xasprintf("%.*s", (int)(end - first), first);
        HONE_TRY(add(file, ret, &e, err));
    }
    return HONE_OK;
}

hone_status hone_lock_parse(const char *file, const char *text, size_t n, hone_lock *ret,
                            hone_error *err)
{
    json_t *j;
    hone_error why = {0};
    if (n > HONE_LOCK_MAX_BYTES)
        return hone_fail(err, HONE_E_LIMIT, "'%s' is larger than %zu bytes", file,
                         HONE_LOCK_MAX_BYTES);
    if (hone_json_parse(text, n, &j, &why) != HONE_OK) {
        hone_fail(err, HONE_E_INPUT, "%s:%d:%d: not a lock file of hone, or a damaged one: %s",
                  file, why.line, why.column, why.message);
        if (err) {
            err->line = why.line;
            err->column = why.column;
        }
        return HONE_E_INPUT;
    }
    hone_status st = check_file(file, j, err);
    if (st == HONE_OK)
        st = read_entries(file, text, n, json_object_get(j, "functions"), ret, err);
    if (st != HONE_OK)
        hone_lock_free(ret);
    json_decref(j);
    return st;
}
