/* JSON in and out, and the table of statuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base.h"

#include <errno.h>

static void refused(const char *text, const char *why, int line)
{
    json_t *j = NULL;
    hone_error err = {0};
    assert_int_equal(hone_json_parse(text, strlen(text), &j, &err), HONE_E_INPUT);
    assert_null(j);
    if (!strstr(err.message, why))
        fail_msg("%s: %s", text, err.message);
    assert_int_equal(err.line, line);
    assert_int_equal(hone_json_parse(text, strlen(text), &j, NULL), HONE_E_INPUT);
}

static void bad_input(void **state)
{
    (void)state;
    refused("", "", 1);
    refused("{\"a\": 1,\n \"a\": 2}", "duplicate", 2);
    refused("[1, 2] 3", "end of file expected", 1);
    refused("[1,\n2,\n", "", 3);
    refused("\"\xff\"", "unable to decode byte", 1);
    refused("[\"a\\u0000b\"]", "", 1); /* would end a C string */
    hone_buf deep = {0};
    for (int k = 0; k < 100000; k++)
        hone_buf_puts(&deep, "[");
    refused(deep.s, "depth", 1);
    hone_buf_free(&deep);
}

static void texts(void **state)
{
    (void)state;
    json_t *j = NULL;
    hone_error err;
    const char *text = "{\"b\": [1, 2.5, null], \"a\": {\"z\": true, \"y\": \"\\u00e9\"}}";
    assert_int_equal(hone_json_parse(text, strlen(text), &j, &err), HONE_OK);
    char *out = hone_json_text(j);
    assert_string_equal(out, "{\"a\":{\"y\":\"\xc3\xa9\",\"z\":true},\"b\":[1,2.5,null]}");
    free(out);
    json_decref(j);
    j = hone_json_string("a\xff\xc3\xa9"); /* a path may hold any bytes */
    assert_string_equal(json_string_value(j), "a\\xff\xc3\xa9");
    out = hone_json_text(j);
    assert_string_equal(out, "\"a\\\\xff\xc3\xa9\"");
    free(out);
    json_decref(j);
}

static void statuses(void **state)
{
    (void)state;
    for (unsigned s = 0; s < HONE_STATUS_COUNT; s++) {
        const char *name = hone_status_name((hone_status)s);
        assert_int_equal(hone_status_parse(name), s);
        assert_true(strlen(hone_status_text((hone_status)s)) > 3);
        assert_true(hone_status_is_reject((hone_status)s) == (strncmp(name, "REJECT_", 7) == 0));
        assert_in_range(hone_status_exit_code((hone_status)s), 0, 4);
        assert_true((hone_status_exit_code((hone_status)s) == 0) == (s == HONE_OK));
    }
    assert_int_equal(hone_status_parse("NO_SUCH_STATUS"), HONE_STATUS_COUNT);
    assert_string_equal(hone_status_name(HONE_STATUS_COUNT), "?");
    assert_string_equal(hone_status_name((hone_status)-1), "?");
}

static void errors(void **state)
{
    (void)state;
    hone_error e;
    assert_int_equal(hone_fail(NULL, HONE_E_IO, "nobody asked"), HONE_E_IO);
    assert_int_equal(hone_fail(&e, HONE_E_LIMIT, "%d of %d", 3, 2), HONE_E_LIMIT);
    assert_int_equal(e.status, HONE_E_LIMIT);
    assert_string_equal(e.message, "3 of 2");
    assert_int_equal(e.sys, 0);
    char *far = hone_xmalloc(5000);
    memset(far, 'x', 4999);
    far[4999] = '\0';
    hone_fail(&e, HONE_E_INPUT, "%s", far);
    assert_int_equal(strlen(e.message), sizeof e.message - 1);
    free(far);
    errno = ENOSPC;
    assert_int_equal(hone_fail_errno(&e, HONE_E_IO, "%s", "f"), HONE_E_FULL);
    assert_int_equal(e.sys, ENOSPC);
    assert_non_null(strstr(e.message, "f: "));
    errno = EACCES;
    assert_int_equal(hone_fail_errno(NULL, HONE_E_IO, "f"), HONE_E_IO);
    hone_error_clear(&e);
    assert_int_equal(e.status, HONE_OK);
    assert_string_equal(e.message, "");
    hone_error_clear(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_input),
        cmocka_unit_test(texts),
        cmocka_unit_test(statuses),
        cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
