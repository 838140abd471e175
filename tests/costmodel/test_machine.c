/* The numbers of a machine: a preset's, as text and back, and what the draft makes of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "costmodel/costmodel.h"
#include "tests/space/prim_test.h"

static hone_machine preset(void)
{
    hone_machine m;
    hone_machine_preset(&some_cpu, &m);
    return m;
}

static void as_text_and_back(void **state)
{
    (void)state;
    hone_machine m = preset(), got = {0};
    m.clock_ghz = 1.0 / 3;
    m.memory_bytes_per_ns = 0.1;
    char *text = hone_machine_text(&m);
    hone_error err = {0};
    assert_int_equal(hone_machine_parse(text, strlen(text), &some_cpu, &got, &err), HONE_OK);
    assert_memory_equal(&m, &got, sizeof m);
    assert_true(hone_machine_hash(&m) == hone_machine_hash(&got));
    got.fixed_ns *= 2;
    assert_true(hone_machine_hash(&m) != hone_machine_hash(&got));
    free(text);
}

/* What is not said is the preset's; what is not known is passed over. */
static void names_are_its_version(void **state)
{
    (void)state;
    static const char text[] = "{\"clock_ghz\": 2, \"warp_size\": \"32\"}";
    hone_machine m = {0}, want = preset();
    hone_error err = {0};
    want.clock_ghz = 2;
    assert_int_equal(hone_machine_parse(text, strlen(text), &some_cpu, &m, &err), HONE_OK);
    assert_memory_equal(&m, &want, sizeof m);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {{"[1]", "not a JSON object"},
               {"{\"clock_ghz\": \"2\"}", "\"clock_ghz\" is not a number from 0.01 to 20"},
               {"{\"clock_ghz\": 0}", "\"clock_ghz\""},
               {"{\"fixed_ns\": -1}", "\"fixed_ns\""},
               {"{\"l2_factor\": 1e9}", "\"l2_factor\""},
               {"{", "JSON"}};
    const hone_machine was = {.clock_ghz = 7};
    for (size_t k = 0; k < HONE_LEN(bad); k++) {
        hone_machine m = was;
        hone_error err = {0};
        assert_int_equal(hone_machine_parse(bad[k].text, strlen(bad[k].text), &some_cpu, &m, &err),
                         HONE_E_INPUT);
        if (!strstr(err.message, bad[k].says))
            fail_msg("%s: %s", bad[k].text, err.message);
        assert_memory_equal(&m, &was, sizeof m);
    }
    hone_machine m = was;
    static char large[HONE_MACHINE_MAX_TEXT + 1];
    memset(large, ' ', sizeof large);
    assert_int_equal(hone_machine_parse(large, sizeof large, &some_cpu, &m, NULL), HONE_E_LIMIT);
}

static void bounds(void **state)
{
    (void)state;
    hone_machine m = preset(), other = preset();
    m.clock_ghz = NAN;
    m.parallel_ns = -5;
    m.l3_bytes_per_ns = 1e30;
    hone_machine_bound(&m, &other);
    assert_true(m.clock_ghz == other.clock_ghz && m.parallel_ns == 0 && m.l3_bytes_per_ns == 1e5);
}

static double draft(const char *text, const hone_machine *m, double *ret_fixed)
{
    hone_program p = load_program(text);
    hone_features f = {0};
    hone_features_extract(&p, &some_cpu, 2, m, &f);
    double ns = f.draft_ns;
    *ret_fixed = f.fixed_ns;
    hone_features_free(&f);
    hone_program_fini(&p);
    return ns;
}

#define LOOPS(outer, inner)                                                            \
    "program p {\n  buffer A: f32[64, 4096] input\n  buffer C: f32[64, 4096] output\n" \
    "  for i in 64 " outer "{ for j in 4096 " inner                                    \
    "{\n    block C(vi: 64 = i, vj: 4096 = j) { C[vi, vj] = A[vi, vj] * 2.0 } } }\n}\n"

/* Each number has a say in what it is about, and in nothing else. */
static void the_draft_reckons_with_it(void **state)
{
    (void)state;
    hone_machine m = preset();
    double fixed, none, plain = draft(LOOPS("", ""), NULL, &none);
    assert_true(plain == draft(LOOPS("", ""), &m, &fixed) && fixed == none);
    m.clock_ghz /= 40;
    assert_true(draft(LOOPS("", ""), &m, &fixed) > 2 * plain);
    m = preset();
    m.compute_factor = 40;
    assert_true(draft(LOOPS("", ""), &m, &fixed) > 2 * plain && fixed == none);
    m = preset();
    m.memory_bytes_per_ns /= 1000;
    assert_true(draft(LOOPS("", ""), &m, &fixed) > 2 * plain && fixed == none);
    m = preset();
    m.memory_factor = 1000;
    assert_true(draft(LOOPS("", ""), &m, &fixed) > 2 * plain);
    m = preset();
    m.fixed_ns = 77;
    assert_true(fabs(plain - draft(LOOPS("", ""), &m, &fixed) - (none - 77)) < 1e-6 * plain);
    assert_true(fixed == 77);
}

static void threads_are_started_for_each_parallel_loop(void **state)
{
    (void)state;
    hone_machine m = preset();
    m.parallel_ns = 5000;
    double none, once, often, within;
    draft(LOOPS("", ""), &m, &none);
    draft(LOOPS("parallel ", ""), &m, &once);
    draft(LOOPS("", "parallel "), &m, &often);
    draft(LOOPS("parallel ", "parallel "), &m, &within);
    assert_true(once == none + 5000);
    assert_true(often == none + 64 * 5000);
    assert_true(within == once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_text_and_back),
        cmocka_unit_test(names_are_its_version),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(bounds),
        cmocka_unit_test(the_draft_reckons_with_it),
        cmocka_unit_test(threads_are_started_for_each_parallel_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
