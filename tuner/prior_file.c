/* A model with all that is known of it as one file, which goes from log to log:
 *
 *   hone-prior 1 HASH     of all that follows
 *   {"class":..., "threads":..., "about":{...}, "created_ms":..., "hone_version":...}
 *   the model, as costmodel/ writes it */
#include "tuner/tuner.h"

#define MAGIC "hone-prior "
#define FORM 1

void hone_prior_pack(const hone_db_model *row, hone_buf *ret)
{
    hone_buf rest = {0};
    json_t *about = NULL;
    char hash[17];
    if (hone_json_parse(row->about, strlen(row->about), &about, NULL) != HONE_OK)
        about = json_object();
    json_t *card =
        json_pack("{s:o, s:i, s:o, s:I, s:o}", "class", hone_json_string(row->class), "threads",
                  row->threads, "about", about, "created_ms", (json_int_t)row->created_ms,
                  "hone_version", hone_json_string(row->hone_version));
    char *text = hone_json_text(card);
    hone_buf_printf(&rest, "%s\n", text);
    hone_buf_add(&rest, row->bytes.v, row->bytes.n);
    hone_hash_format(hone_hash_bytes(0, rest.s, rest.n), hash);
    hone_buf_printf(ret, MAGIC "%d %s\n", FORM, hash);
    hone_buf_add(ret, rest.s, rest.n);
    free(text);
    json_decref(card);
    hone_buf_free(&rest);
}

/* *ret_body is where the second line begins. */
static hone_status check_first_line(const char *bytes, size_t n, const char *name, size_t *ret_body,
                                    hone_error *err)
{
    const char *end = n ? memchr(bytes, '\n', n) : NULL;
    char line[64] = "", hash[17] = "";
    int form = 0, used = 0;
    uint64_t want;
    if (n < strlen(MAGIC) || memcmp(bytes, MAGIC, strlen(MAGIC)) != 0)
        return hone_fail(err, HONE_E_FOREIGN,
                         "'%s' is not a model file: `hone model export` writes them", name);
    size_t length = end ? (size_t)(end - bytes) : sizeof line;
    if (length < sizeof line)
        memcpy(line, bytes, length);
    if (sscanf(line, MAGIC "%9d %16s%n", &form, hash, &used) < 1)
        return hone_fail(err, HONE_E_CORRUPT, "'%s' is damaged: its first line is not whole", name);
    if (form != FORM)
        return hone_fail(err, HONE_E_VERSION,
                         "'%s' is a model file of form %d; this hone knows form %d: export it with "
                         "this hone",
                         name, form, FORM);
    if ((size_t)used != length || !hone_hash_parse(hash, &want))
        return hone_fail(err, HONE_E_CORRUPT, "'%s' is damaged: its first line is not whole", name);
    *ret_body = length + 1;
    if (hone_hash_bytes(0, bytes + *ret_body, n - *ret_body) != want)
        return hone_fail(err, HONE_E_CORRUPT, "'%s' is damaged: get another copy", name);
    return HONE_OK;
}

static bool read_card(const json_t *card, hone_db_model *ret)
{
    const char *class = json_string_value(json_object_get(card, "class")),
               *version = json_string_value(json_object_get(card, "hone_version"));
    const json_t *threads = json_object_get(card, "threads"),
                 *created = json_object_get(card, "created_ms"),
                 *about = json_object_get(card, "about");
    json_int_t n = json_integer_value(threads), ms = json_integer_value(created);
    if (!class || !*class || !version || !json_is_integer(threads) || n < 0 ||
        n > HONE_MAX_THREADS || !json_is_integer(created) || ms <= 0 || !json_is_object(about))
        return false;
    *ret = (hone_db_model){.class = hone_xstrdup(class),
                           .threads = (int32_t)n,
                           .about = hone_json_text(about),
                           .created_ms = ms,
                           .hone_version = hone_xstrdup(version)};
    return true;
}

hone_status hone_prior_unpack(const char *bytes, size_t n, const char *name, hone_db_model *ret,
                              hone_error *err)
{
    size_t at = 0;
    json_t *card = NULL;
    HONE_TRY(check_first_line(bytes, n, name, &at, err));
    const char *end = at < n ? memchr(bytes + at, '\n', n - at) : NULL;
    bool good = end &&
                hone_json_parse(bytes + at, (size_t)(end - bytes) - at, &card, NULL) == HONE_OK &&
                end + 1 < bytes + n && read_card(card, ret);
    json_decref(card);
    if (!good)
        return hone_fail(err, HONE_E_CORRUPT,
                         "'%s' is damaged: it does not say what it is a model of", name);
    size_t size = (size_t)(bytes + n - (end + 1));
    if (size > HONE_DB_MAX_MODEL) {
        hone_db_model_free(ret);
        return hone_fail(err, HONE_E_LIMIT, "'%s' is too large: a model has at most %d MiB", name,
                         HONE_DB_MAX_MODEL >> 20);
    }
    void *copy = hone_xmalloc(size);
    memcpy(copy, end + 1, size);
    ret->bytes = (hone_db_bytes){copy, size};
    return HONE_OK;
}
