/* A trial as text is what its JSON would be printed as. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tuner/tell.h"

static void same(const hone_trial *t, const char *task)
{
    json_t *j = hone_tell_trial(t, task);
    char *expected = hone_json_text(j), *got = hone_tell_trial_text(t, task);
    assert_string_equal(got, expected);
    free(expected);
    free(got);
    json_decref(j);
}

static void text_and_json_are_the_same(void **state)
{
    (void)state;
    hone_trial t = {.number = 17,
                    .hash = 0x0123456789abcdef,
                    .status = HONE_OK,
                    .reason = "",
                    .why = "model",
                    .device = "board-3",
                    .time_ns = 123456789012,
                    .compare_ns = 1,
                    .max_error = 0.1,
                    .best = true};
    same(&t, NULL);
    same(&t, "matmul M=64");
    same(&t, "a \"quoted\" \\ name\n\xc3\xa9 and \xff no text");
    t.max_error = 0;
    t.best = false;
    t.number = UINT64_C(1) << 62;
    same(&t, NULL);
    t.max_error = 1e-300;
    t.time_ns = INT64_MIN;
    same(&t, NULL);
    t.status = HONE_REJECT_WRONG_RESULT;
    t.reason = "element 3 is 1.5, expected 2 +- 0.1\n\tsecond line";
    t.device = "";
    same(&t, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(text_and_json_are_the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
