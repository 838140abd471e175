/* What lanes touch whose element is a quotient and a remainder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/costmodel/feature_of.h"

static double gathers_of(const char *text)
{
    return feature_of(text, HONE_FEATURE_gathers);
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
