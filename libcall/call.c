/* The call as JSON, which is what the log, a lock and a build job have of it. */
#include "libcall/internal.h"

#include <errno.h>
#include <math.h>

const char *const hone_libcall__kinds[HONE_LIBCALL_KINDS] = {
    [HONE_LIBCALL_I32] = "i32", [HONE_LIBCALL_I64] = "i64", [HONE_LIBCALL_F32] = "f32",
    [HONE_LIBCALL_F64] = "f64", [HONE_LIBCALL_PTR] = "ptr",
};

/* ---- letters --------------------------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

hone_libcall_kind hone_libcall__kind(const char *s, size_t n)
{
    int k = 0;
    while (k < HONE_LIBCALL_KINDS &&
           (strlen(hone_libcall__kinds[k]) != n || memcmp(hone_libcall__kinds[k], s, n) != 0))
        k++;
    return (hone_libcall_kind)k;
}

bool hone_libcall__is_name(const char *s, size_t n, size_t most)
{
    for (size_t k = 0; k < n; k++)
        if (!is_letter(s[k]) && !(k > 0 && is_digit(s[k])))
            return false;
    return n > 0 && n < most;
}

bool hone_libcall__is_file(const char *s, size_t n, size_t most)
{
    for (size_t k = 0; k < n; k++)
        if (!is_letter(s[k]) && !is_digit(s[k]) && !(k > 0 && strchr("._+-", s[k]) && s[k]))
            return false;
    return n > 0 && n < most;
}

bool hone_libcall__float(hone_libcall_kind kind, const char *s, double *ret)
{
    char *end;
    double x = strtod(s, &end);
    if (kind == HONE_LIBCALL_F32)
        x = (double)(float)x;
    *ret = x;
    return end != s && *end == '\0' && strspn(s, "+-.0123456789eE") == strlen(s) && isfinite(x);
}

/* ---- printing -------------------------------------------------------------------------------- */

static json_t *arg_json(const hone_libcall_arg *a)
{
    const char *kind = hone_libcall__kinds[a->kind];
    char text[80];
    if (a->kind == HONE_LIBCALL_F32 || a->kind == HONE_LIBCALL_F64)
        snprintf(text, sizeof text, "%s %.*g", kind, a->kind == HONE_LIBCALL_F32 ? 9 : 17, a->x);
    else
        snprintf(text, sizeof text, "%s %" PRId64, kind, a->i);
    return json_string(text);
}

char *hone_libcall_text(const hone_libcall *c)
{
    char hash[17];
    hone_hash_format(c->hash, hash);
    json_t *args = json_array();
    for (unsigned k = 0; k < c->n_args; k++)
        json_array_append_new(args, arg_json(&c->args[k]));
    json_t *j = json_pack("{s:{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}}", "library", "name",
                          c->name, "file", c->file, "real", c->real, "link", c->link, "threads",
                          c->threads, "function", c->function, "hash", hash, "returns",
                          c->returns ? "i32" : "void", "args", args);
    HONE_ASSERT(j);
    char *text = hone_json_text(j);
    json_decref(j);
    return text;
}

uint64_t hone_libcall_hash(const hone_libcall *c)
{
    char *text = hone_libcall_text(c);
    uint64_t h = hone_hash_bytes(0, text, strlen(text));
    free(text);
    return h;
}

bool hone_libcall_is(const char *text)
{
    return text && text[strspn(text, " \t\r\n")] == '{';
}

void hone_libcall_mark(const char *name, uint64_t hash, char ret[HONE_LIBCALL_MARK])
{
    char hex[17];
    hone_hash_format(hash, hex);
    snprintf(ret, HONE_LIBCALL_MARK, "%s/%s", name, hex);
}

char *hone_libcall_target(const char *target_text)
{
    return hone_xasprintf("{\"library_calls_on\":%s}", target_text);
}

/* ---- reading --------------------------------------------------------------------------------- */

typedef enum word { ANY_NAME, ANY_FILE } word;

typedef struct member {
    const char *key;
    word what;
    bool may_be_empty;
    size_t at, size;
} member;

#define MEMBER(key, what, empty)                                                       \
    {                                                                                  \
#key, what, empty, offsetof(hone_libcall, key), sizeof((hone_libcall *)0)->key \
    }

static const member members[] = {
    MEMBER(name, ANY_NAME, false),   MEMBER(file, ANY_FILE, false),
    MEMBER(real, ANY_FILE, false),   MEMBER(link, ANY_FILE, true),
    MEMBER(threads, ANY_NAME, true), MEMBER(function, ANY_NAME, false),
};

static hone_status refuse(const char *key, hone_error *err)
{
    return hone_fail(err, HONE_E_INPUT, "the library call's \"%s\" makes no sense", key);
}

static hone_status read_word(const json_t *j, const member *m, hone_libcall *ret, hone_error *err)
{
    const json_t *v = json_object_get(j, m->key);
    const char *s = json_string_value(v);
    size_t n = json_string_length(v);
    if (!s || strlen(s) != n)
        return refuse(m->key, err);
    bool good = n == 0                ? m->may_be_empty
                : m->what == ANY_NAME ? hone_libcall__is_name(s, n, m->size)
                                      : hone_libcall__is_file(s, n, m->size);
    if (!good)
        return refuse(m->key, err);
    memcpy((char *)ret + m->at, s, n + 1);
    return HONE_OK;
}

static bool read_int(const char *s, int64_t *ret)
{
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    *ret = v;
    return end != s && *end == '\0' && errno == 0 && (is_digit(*s) || *s == '-');
}

static bool read_arg(const json_t *v, hone_libcall_arg *ret)
{
    const char *s = json_string_value(v), *blank = s ? strchr(s, ' ') : NULL;
    if (!blank || strlen(s) != json_string_length(v))
        return false;
    ret->kind = hone_libcall__kind(s, (size_t)(blank - s));
    switch (ret->kind) {
    case HONE_LIBCALL_I32:
        return read_int(blank + 1, &ret->i) && ret->i >= INT32_MIN && ret->i <= INT32_MAX;
    case HONE_LIBCALL_I64:
        return read_int(blank + 1, &ret->i);
    case HONE_LIBCALL_PTR:
        return read_int(blank + 1, &ret->i) && ret->i >= 0 && ret->i < HONE_MAX_KERNEL_ARGS;
    case HONE_LIBCALL_F32:
    case HONE_LIBCALL_F64:
        return hone_libcall__float(ret->kind, blank + 1, &ret->x);
    case HONE_LIBCALL_KINDS:
        break;
    }
    return false;
}

static hone_status read_args(const json_t *list, hone_libcall *ret, hone_error *err)
{
    size_t k;
    json_t *v;
    if (!json_is_array(list) || json_array_size(list) > HONE_LIBCALL_MAX_ARGS)
        return refuse("args", err);
    json_array_foreach((json_t *)list, k, v)
    {
        if (!read_arg(v, &ret->args[k]))
            return refuse("args", err);
        ret->n_args++;
    }
    return HONE_OK;
}

static hone_status read_members(const json_t *j, hone_libcall *ret, hone_error *err)
{
    const char *hash = json_string_value(json_object_get(j, "hash")),
               *returns = json_string_value(json_object_get(j, "returns"));
    if (!json_is_object(j) || json_object_size(j) != HONE_LEN(members) + 3)
        return refuse("library", err);
    for (unsigned k = 0; k < HONE_LEN(members); k++)
        HONE_TRY(read_word(j, &members[k], ret, err));
    if (!hash || !hone_hash_parse(hash, &ret->hash))
        return refuse("hash", err);
    if (!returns || (strcmp(returns, "i32") != 0 && strcmp(returns, "void") != 0))
        return refuse("returns", err);
    ret->returns = *returns == 'i';
    return read_args(json_object_get(j, "args"), ret, err);
}

hone_status hone_libcall_parse(const char *text, size_t n, hone_libcall *ret, hone_error *err)
{
    json_t *j;
    *ret = (hone_libcall){0};
    HONE_TRY(hone_json_parse(text, n, &j, err));
    hone_status st = json_object_size(j) == 1
                         ? read_members(json_object_get(j, "library"), ret, err)
                         : refuse("library", err);
    json_decref(j);
    if (st != HONE_OK)
        *ret = (hone_libcall){0};
    return st;
}
