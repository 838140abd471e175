/* jansson with this project's errors and limits. */
#include "base/base.h"

hone_status hone_json_parse(const char *text, size_t n, json_t **ret, hone_error *err)
{
    json_error_t je;
    json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES, &je);
    if (!j) {
        hone_fail(err, HONE_E_INPUT, "JSON: %s", je.text);
        if (err) {
            err->line = je.line;
            err->column = je.column;
        }
        return HONE_E_INPUT;
    }
    *ret = j;
    return HONE_OK;
}

json_t *hone_json_string(const char *text)
{
    json_t *j = json_string(text);
    if (j)
        return j;
    char *clean = hone_text_clean(text);
    j = json_string(clean);
    free(clean);
    HONE_ASSERT(j);
    return j;
}

char *hone_json_text(const json_t *j)
{
    char *s = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    HONE_ASSERT(s);
    return s;
}

char *hone_json_shown(const json_t *j)
{
    char *text = hone_json_text(j);
    hone_buf b = {0};
    uint32_t c = 0;
    for (const char *s = text; *s;) {
        size_t n = hone_utf8_unseen(s, &c), whole = hone_utf8_length(s);
        if (n > 0 && c > 0xffff) /* a pair of halves: RFC 8259, section 7 */
            hone_buf_printf(&b, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
        else if (n > 0)
            hone_buf_printf(&b, "\\u%04x", c);
        else
            hone_buf_add(&b, s, whole); /* jansson writes nothing but UTF-8 */
        s += whole;
    }
    free(text);
    return hone_buf_take(&b);
}
