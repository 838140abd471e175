/* The text of targets. */
#include "targets/target.h"

/* Members in the order of the canonical text, which is that of their names. "kind" is apart: it is
 * always "llvm". */
enum { TEXT, COUNT };

static const struct {
    const char *key;
    int type;
    size_t offset, size;
    bool required;
    int64_t most; /* more than any machine has, and few enough to reckon with */
} members[] = {
#define TEXT_MEMBER(key, member, required)                                                      \
    {                                                                                           \
        key, TEXT, offsetof(hone_target, member), sizeof((hone_target *)0)->member, required, 0 \
    }
#define COUNT_MEMBER(key, member, most)                                                         \
    {                                                                                           \
        key, COUNT, offsetof(hone_target, member), sizeof((hone_target *)0)->member, true, most \
    }
    COUNT_MEMBER("cache-line-bytes", cache_line, 1 << 16),
    COUNT_MEMBER("fma-latency", fma_latency, 1000),
    COUNT_MEMBER("fma-per-cycle", fma_per_cycle, 1000),
    COUNT_MEMBER("l1-bytes", l1_bytes, INT64_C(1) << 40),
    COUNT_MEMBER("l2-bytes", l2_bytes, INT64_C(1) << 40),
    COUNT_MEMBER("l3-bytes", l3_bytes, INT64_C(1) << 40),
    TEXT_MEMBER("mattr", features, false),
    TEXT_MEMBER("mcpu", cpu, true),
    TEXT_MEMBER("mtriple", triple, true),
    COUNT_MEMBER("num-cores", cores, 1 << 16),
    COUNT_MEMBER("vector-bytes", vector_bytes, 8192), /* RISC-V's VLEN is at most 65536 bits */
    COUNT_MEMBER("vector-registers", vector_registers, 1024),
};

static int64_t count_of(const hone_target *t, size_t k)
{
    const char *at = (const char *)t + members[k].offset;
    int32_t narrow;
    int64_t wide;
    if (members[k].size == sizeof wide) {
        memcpy(&wide, at, sizeof wide);
        return wide;
    }
    memcpy(&narrow, at, sizeof narrow);
    return narrow;
}

char *hone_target_text(const hone_target *t)
{
    json_t *j = json_object();
    HONE_ASSERT(j);
    json_object_set_new(j, "kind", json_string("llvm"));
    for (size_t k = 0; k < HONE_LEN(members); k++) {
        const char *at = (const char *)t + members[k].offset;
        json_t *v = members[k].type == TEXT ? json_string(at) : json_integer(count_of(t, k));
        HONE_ASSERT(v);
        json_object_set_new(j, members[k].key, v);
    }
    char *text = hone_json_text(j);
    json_decref(j);
    return text;
}

static hone_status read_text(size_t k, const json_t *v, hone_target *t, hone_error *err)
{
    const char *s = json_string_value(v);
    size_t n = json_string_length(v);
    if (!s)
        return hone_fail(err, HONE_E_INPUT, "target: \"%s\" must be a string", members[k].key);
    if (n >= members[k].size)
        return hone_fail(err, HONE_E_INPUT, "target: \"%s\" is longer than %zu characters",
                         members[k].key, members[k].size - 1);
    memcpy((char *)t + members[k].offset, s, n + 1);
    return HONE_OK;
}

static hone_status read_count(size_t k, const json_t *v, hone_target *t, hone_error *err)
{
    int64_t wide = json_integer_value(v),
            least = members[k].offset == offsetof(hone_target, l3_bytes)       ? 0
                    : members[k].offset == offsetof(hone_target, vector_bytes) ? 4
                                                                               : 1;
    if (!json_is_integer(v) || wide < least || wide > members[k].most)
        return hone_fail(err, HONE_E_INPUT,
                         "target: \"%s\" must be an integer from %" PRId64 " to %" PRId64,
                         members[k].key, least, members[k].most);
    int32_t narrow = (int32_t)wide;
    memcpy((char *)t + members[k].offset,
           members[k].size == sizeof wide ? (void *)&wide : (void *)&narrow, members[k].size);
    return HONE_OK;
}

static hone_status read_members(const json_t *j, hone_target *t, hone_error *err)
{
    const char *key, *kind = json_string_value(json_object_get(j, "kind"));
    json_t *v;
    if (!json_is_object(j))
        return hone_fail(err, HONE_E_INPUT,
                         "target: expected a JSON object like {\"kind\":\"llvm\",...}");
    if (!kind || strcmp(kind, "llvm") != 0)
        return hone_fail(err, HONE_E_INPUT, "target: \"kind\" must be \"llvm\"");
    json_object_foreach((json_t *)j, key, v)
    {
        size_t k = 0;
        if (strcmp(key, "kind") == 0)
            continue;
        while (k < HONE_LEN(members) && strcmp(members[k].key, key) != 0)
            k++;
        if (k == HONE_LEN(members))
            return hone_fail(err, HONE_E_INPUT, "target: unknown member \"%s\"", key);
        hone_status s =
            members[k].type == TEXT ? read_text(k, v, t, err) : read_count(k, v, t, err);
        if (s)
            return s;
    }
    for (size_t k = 0; k < HONE_LEN(members); k++)
        if (members[k].required && !json_object_get(j, members[k].key))
            return hone_fail(err, HONE_E_INPUT, "target: \"%s\" is missing", members[k].key);
    return HONE_OK;
}

hone_status hone_target_parse(const char *text, hone_target *ret, hone_error *err)
{
    json_t *j;
    hone_status s = hone_json_parse(text, strlen(text), &j, err);
    if (s)
        return s;
    hone_target t = {0};
    s = read_members(j, &t, err);
    json_decref(j);
    if (s == HONE_OK)
        *ret = t;
    return s;
}
