/* Fields of a request, read strictly: of the right kind, within bounds, or a sentence that says
 * what is wrong. */
#include "farm/desk/internal.h"

const char *const hone_desk__classes[HONE_FARM_CLASS_COUNT] = {"interactive", "batch",
                                                               "background"};

static void wrong(hone_desk__fields *f, const char *key, const char *what)
{
    if (f->st == HONE_OK)
        f->st = hone_fail(f->err, HONE_E_INPUT, "\"%s\" %s", key, what);
}

const char *hone_desk__text(hone_desk__fields *f, const char *key, size_t max, bool needed)
{
    const json_t *v = json_object_get(f->j, key);
    if (!v || json_is_null(v)) {
        if (needed)
            wrong(f, key, "is missing");
        return NULL;
    }
    if (!json_is_string(v)) {
        wrong(f, key, "is to be a text");
        return NULL;
    }
    if (json_string_length(v) > max) {
        wrong(f, key, "is too long");
        return NULL;
    }
    return json_string_value(v);
}

const char *hone_desk__name(hone_desk__fields *f, const char *key, size_t max, bool needed)
{
    const char *s = hone_desk__text(f, key, max, needed);
    if (!s)
        return NULL;
    for (const char *c = s; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 127) {
            wrong(f, key, "is to be printable and without blanks");
            return NULL;
        }
    if (!*s) {
        wrong(f, key, "is empty");
        return NULL;
    }
    return s;
}

int64_t hone_desk__int(hone_desk__fields *f, const char *key, int64_t min, int64_t max,
                       int64_t otherwise)
{
    const json_t *v = json_object_get(f->j, key);
    if (!v || json_is_null(v))
        return otherwise;
    if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max) {
        if (f->st == HONE_OK)
            f->st = hone_fail(f->err, HONE_E_INPUT,
                              "\"%s\" is to be a whole number of %" PRId64 " to %" PRId64, key, min,
                              max);
        return otherwise;
    }
    return json_integer_value(v);
}

bool hone_desk__flag(hone_desk__fields *f, const char *key)
{
    const json_t *v = json_object_get(f->j, key);
    if (v && !json_is_boolean(v))
        wrong(f, key, "is to be true or false");
    return json_is_true(v);
}

unsigned hone_desk__word(hone_desk__fields *f, const char *key, const char *const *words,
                         unsigned n, unsigned otherwise)
{
    const char *s = hone_desk__text(f, key, 32, false);
    if (!s)
        return otherwise;
    hone_buf known = {0};
    for (unsigned k = 0; k < n; k++) {
        if (strcmp(s, words[k]) == 0) {
            hone_buf_free(&known);
            return k;
        }
        hone_buf_printf(&known, "%s%s", k ? ", " : "is to be one of: ", words[k]);
    }
    wrong(f, key, known.s);
    hone_buf_free(&known);
    return otherwise;
}

unsigned hone_desk__roles(hone_desk__fields *f, const char *key)
{
    static const char *const words[] = {"user", "device", "builder", "admin"};
    const json_t *v = json_object_get(f->j, key);
    size_t n = json_is_array(v) ? json_array_size(v) : json_is_string(v) ? 1 : 0;
    unsigned roles = 0;
    for (size_t k = 0; k < n; k++) {
        const char *s = json_string_value(json_is_array(v) ? json_array_get(v, k) : v);
        unsigned w = 0;
        while (w < HONE_LEN(words) && !(s && strcmp(s, words[w]) == 0))
            w++;
        if (w == HONE_LEN(words))
            wrong(f, key, "are of: user, device, builder, admin");
        else
            roles |= 1U << w;
    }
    if (roles == 0)
        wrong(f, key, "are missing: user, device, builder, admin");
    return roles;
}
