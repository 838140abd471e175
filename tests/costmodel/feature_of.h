/* One feature of a scheduled program that is one block. After cmocka.h. */
#ifndef HONE_TESTS_FEATURE_OF_H
#define HONE_TESTS_FEATURE_OF_H

#include "tests/costmodel/simulated.h"

/* The feature of the one block, as it is in the row. */
static inline double feature_of(const char *text, unsigned which)
{
    hone_program p;
    hone_error err = {0};
    hone_features f = {0};
    hone_target t = simulated_target();
    if (hone_program_parse(text, strlen(text), &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_features_extract(&p, &t, 1, NULL, &f);
    assert_int_equal(f.rows, 1);
    double ret = f.v.v[which];
    hone_features_free(&f);
    hone_program_fini(&p);
    return ret;
}

#endif
