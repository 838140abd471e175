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

static void clean(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"plain \xc3\xa9 \xe2\x82\xac", "plain \xc3\xa9 \xe2\x82\xac"},
        {"a\xff.hone", "a\\xff.hone"},
        {"\x1b[31m\n\t\x7f", "\\x1b[31m\\x0a\\x09\\x7f"},
        {"\xc2\x9b!\xc2\xa0", "\\xc2\\x9b!\xc2\xa0"},
        {"\xe2\x82", "\\xe2\\x82"},
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
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8),
        cmocka_unit_test(clean),
        cmocka_unit_test(json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
