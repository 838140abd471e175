/* Text of any bytes, made fit for terminals and JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"

static void utf8(void **state)
{
    (void)state;
    static const struct {
        const char *s;
        size_t n;
    } cases[] = {
        {"a", 1},
        {"\x7f", 1},
        {"\xc3\xa9", 2},
        {"\xe2\x82\xac", 3},
        {"\xed\x9f\xbf", 3},
        {"\xee\x80\x80", 3},
        {"\xf0\x9f\x99\x82", 4},
        {"\xf4\x8f\xbf\xbf", 4},
        {"\x80", 0},
        {"\xc0\xaf", 0},
        {"\xc1\xbf", 0},
        {"\xc3", 0},
        {"\xc3(", 0},
        {"\xe0\x9f\xbf", 0},
        {"\xed\xa0\x80", 0},
        {"\xe2\x82", 0},
        {"\xf0\x8f\xbf\xbf", 0},
        {"\xf4\x90\x80\x80", 0},
        {"\xf5\x80\x80\x80", 0},
        {"\xff", 0},
    };
    for (size_t k = 0; k < HONE_LEN(cases); k++)
        if (hone_utf8_length(cases[k].s) != cases[k].n)
            fail_msg("case %zu", k);
}

static void cut(void **state)
{
    (void)state;
    static const struct {
        const char *s;
        size_t most;
        int n;
    } cases[] = {
        {"", 3, 0},
        {"abc", 2, 2},
        {"abc", 3, 3},
        {"abc", 4, 3},
        {"abc", 0, 0},
        {"a\xc3\xa9", 1, 1},
        {"a\xc3\xa9", 2, 1},
        {"a\xc3\xa9", 3, 3},
        {"\xe2\x82\xac\xf0\x9f\x99\x82", 6, 3},
        {"\xe2\x82\xac", 2, 0},
    };
    for (size_t k = 0; k < HONE_LEN(cases); k++)
        if (hone_utf8_cut(cases[k].s, cases[k].most) != cases[k].n)
            fail_msg("case %zu", k);
}

static void clean(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"plain \xc3\xa9 \xe2\x82\xac", "plain \xc3\xa9 \xe2\x82\xac"},
        {"a\xff.hone", "a\\xff.hone"},
        {"\x1b[31m\n\t\x7f", "\\x1b[31m\\x0a\\x09\\x7f"},
        {"\xc2\x9b!\xc2\xa0", "\\u009b!\xc2\xa0"},
        {"\xe2\x82", "\\xe2\\x82"},
        {"a\xe2\x80\xae"
         "b.onnx",
         "a\\u202eb.onnx"},                                  /* what follows, backwards */
        {"a\xe2\x81\xa6\xe2\x81\xa9", "a\\u2066\\u2069"},    /* isolates */
        {"a\xe2\x80\x8b\xef\xbb\xbf", "a\\u200b\\ufeff"},    /* of no width */
        {"\xe2\x80\xa8\xe2\x80\xa7", "\\u2028\xe2\x80\xa7"}, /* a line's end; a point */
        {"\xf3\xa0\x81\x81\xf0\x9f\x98\x80", "\\U000e0041\xf0\x9f\x98\x80"}, /* a tag; a face */
    };
    for (size_t k = 0; k < HONE_LEN(cases); k++) {
        char *s = hone_text_clean(cases[k][0]);
        assert_string_equal(s, cases[k][1]);
        free(s);
    }
}

static void json(void **state)
{
    (void)state;
    json_t *j = hone_json_string("line\nline \xc3\xa9");
    assert_string_equal(json_string_value(j), "line\nline \xc3\xa9");
    json_decref(j);
    j = hone_json_string("\xff\"");
    char *s = hone_json_text(j);
    assert_string_equal(s, "\"\\\\xff\\\"\"");
    free(s);
    json_decref(j);
    /* the same string, with nothing in it that is not seen */
    j = hone_json_string("\xe2\x80\xae \xc3\xa9 \xf3\xa0\x81\x81");
    s = hone_json_shown(j);
    assert_string_equal(s, "\"\\u202e \xc3\xa9 \\udb40\\udc41\"");
    json_t *again = json_loads(s, JSON_DECODE_ANY, NULL);
    assert_true(json_equal(j, again));
    json_decref(again);
    free(s);
    json_decref(j);
}

/* One copy for all who hold it, and none when nobody does. */
static void held_texts_are_one(void **state)
{
    (void)state;
    char one[] = "a long text", other[] = "another";
    const char *a = hone_text_hold(one), *b = hone_text_hold(one), *c = hone_text_hold(other);
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, one);
    assert_ptr_not_equal(a, c);
    one[0] = 'A';
    assert_string_equal(a, "a long text");
    hone_text_drop(a);
    assert_string_equal(b, "a long text");
    assert_ptr_equal(hone_text_hold("a long text"), b);
    hone_text_drop(b);
    hone_text_drop(b);
    assert_string_equal(c, "another");
    hone_text_drop(c);
    hone_text_drop(NULL);
    const char *empty = hone_text_hold("");
    assert_string_equal(empty, "");
    hone_text_drop(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8),
        cmocka_unit_test(cut),
        cmocka_unit_test(clean),
        cmocka_unit_test(json),
        cmocka_unit_test(held_texts_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
