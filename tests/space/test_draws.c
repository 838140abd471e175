/* What is drawn from a design space replays: its instructions find the same number of loops and
 * blocks whatever was decided before, and no decision puts a stage where an intrinsic has no place
 * for it. */
#include "ir/builtin.h"
#include "space/space.h"
#include "tests/space/prim_test.h"

typedef struct subject {
    const char *kernel;
    hone_size sizes[7];
} subject;

static void check_for(const char *target, const subject *of)
{
    size_t len;
    unsigned n = 0;
    const char *text = hone_builtin_text(&len);
    hone_program p;
    hone_target t;
    hone_space *sp;
    hone_sched s = {0};
    hone_rng rng;
    hone_rng_seed(&rng, 1);
    while (of->sizes[n].name)
        n++;
    APPLY(hone_workload_parse("built-in", text, len, of->kernel, of->sizes, n, &p, err));
    APPLY(hone_target_named(target, &t, err));
    APPLY(hone_space_new(&p, &(hone_space_options){.target = &t, .threads = 2}, &sp, err));
    assert_true(sp->traces.n > 1);
    for (uint32_t k = 0; k < sp->traces.n; k++)
        for (unsigned tries = 0; tries < 16; tries++) {
            hone_error why = {0};
            hone_status st = hone_trace_replay(&sp->traces.v[k], &p, &s, &rng, true, &why);
            if (st == HONE_REJECT_TENSORIZE || st == HONE_REJECT_NOT_CHAIN ||
                st == HONE_REJECT_DEPENDENCY ||
                (st != HONE_OK && strstr(why.message, "another program")))
                fail_msg("%s, design %u: %s", of->kernel, k, why.message);
        }
    hone_sched_fini(&s);
    hone_space_free(sp);
    hone_program_fini(&p);
}

static void check(const subject *of)
{
    check_for("cortex-a72", of);
}

/* Scores that a maximum and the exponentials read have no epilogue, however many blocks of the sum
 * there are in the first candidate. */
static void scores(void **state)
{
    (void)state;
    check(&(subject){"attention", {{"B", 16}, {"H", 1}, {"L", 5}, {"D", 5}}});
}

/* Four rows at once are all there are. */
static void four_rows(void **state)
{
    (void)state;
    check(&(subject){"row_max", {{"M", 4}, {"N", 5}}});
}

/* What transforms the image may be computed inside the product of its points, which an intrinsic
 * does. */
static void transforms(void **state)
{
    (void)state;
    check(&(subject){"conv2d_winograd_nhwc", {{"N", 1}, {"H", 3}, {"W", 3}, {"CI", 2}, {"CO", 5}}});
}

/* The same of a border that stays a stage. */
static void borders(void **state)
{
    (void)state;
    check(
        &(subject){"conv3d_ndhwc", {{"N", 1}, {"D", 3}, {"H", 3}, {"W", 3}, {"CI", 3}, {"CO", 8}}});
}

/* What is padded for an intrinsic before its nest has its loops. */
static void padded(void **state)
{
    (void)state;
    check_for("neoverse-v1", &(subject){"matmul_u8i8", {{"M", 13}, {"N", 13}, {"K", 5}}});
    check_for("skylake-avx512", &(subject){"matmul_u8i8", {{"M", 13}, {"N", 13}, {"K", 5}}});
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(scores), cmocka_unit_test(four_rows),
                                       cmocka_unit_test(transforms), cmocka_unit_test(borders),
                                       cmocka_unit_test(padded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
