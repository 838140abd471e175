/* What people are told of a kernel's answer: a default that is no schedule has another name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/net_made.h"

static const char *told(hone_rung rung, bool as_written)
{
    const net_made_kernel k = {
        .answer = {.rung = hone_rung_name(rung), .of = {.rung = rung, .as_written = as_written}}};
    return net_made_rung(&k);
}

static void as_written(void **state)
{
    (void)state;
    assert_string_equal(told(HONE_RUNG_default, false), "default");
    assert_string_equal(told(HONE_RUNG_default, true), "as written");
    assert_string_equal(told(HONE_RUNG_exact, true),
                        "exact"); /* that was measured to be the best */
    assert_string_equal(told(HONE_RUNG_model, false), "model");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_written)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
