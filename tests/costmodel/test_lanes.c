/* What lanes touch whose element is a quotient and a remainder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/costmodel/simulated.h"

static double gathers_of(const char *text)
{
    hone_program p;
    hone_error err = {0};
    hone_features f = {0};
    hone_target t = simulated_target();
    if (hone_program_parse(text, strlen(text), &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_features_extract(&p, &t, 1, NULL, &f);
    assert_int_equal(f.rows, 1);
    double ret = f.v.v[HONE_FEATURE_gathers];
    hone_features_free(&f);
    hone_program_fini(&p);
    return ret;
}

/* Lanes from pixel to pixel of three channels are one after the other in memory, as they are within
 * a pixel of sixteen; where a pixel has room for a fourth they are not. */
static void lanes_through_rows(void **state)
{
    (void)state;
    static const struct {
        unsigned channels, room;
    } cases[] = {{3, 3}, {1, 1}, {16, 16}, {3, 4}};
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        unsigned c = cases[k].channels, room = cases[k].room;
        char *text = hone_xasprintf(
            "program pixels {\n  buffer X: f32[96, %u] input\n  buffer Y: f32[96, %u] output\n"
            "  for o in %u { for l in 16 vectorized {\n"
            "    block Y(vw: 96 = (o*16 + l) // %u, vc: %u = (o*16 + l) %% %u) {\n"
            "      Y[vw, vc] = X[vw, vc] } } }\n}\n",
            room, c, 6 * c, c, c, c);
        if ((gathers_of(text) > 0) != (c != room))
            fail_msg("%s", text);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lanes_through_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
