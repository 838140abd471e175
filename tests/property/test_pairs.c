/* Random pairs of a workload and a trace (harness.h says what must hold).
 *
 * HONE_PAIRS=n   how many (300)       HONE_SEED=n     where they start (1)
 * HONE_SECONDS=n stop after that (25) HONE_SHRINK=n   seconds to make a failure small (60)
 *
 * A failure is made small, printed, and written to pair-SEED.case in the working directory; put the
 * file into tests/property/corpus/ when the bug is fixed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/property/harness.h"

#define IN_ONE_CHILD 50
#define SPACES 4 /* of so many pairs one is about design spaces */
#define HANG_SECONDS 120
#define REACH_PAIRS 200

static uint64_t number(const char *name, uint64_t fallback)
{
    const char *v = getenv(name);
    return v ? strtoull(v, NULL, 10) : fallback;
}

typedef struct batch {
    const pair_env *env;
    uint64_t first, end;
    int64_t until_ns;
} batch;

/* Each instruction has its share of pairs that aim at it. */
static hone_inst_kind focus_of(uint64_t seed)
{
    return (hone_inst_kind)(1 + seed % (HONE_INST_COUNT - 1));
}

static bool is_of_space(uint64_t seed)
{
    return (seed / (HONE_INST_COUNT - 1) + seed) % SPACES == 0;
}

static bool run_batch(void *ctx, pair_report *r)
{
    const batch *b = ctx;
    for (uint64_t k = b->first; k < b->end && hone_clock_ns() < b->until_ns; k++) {
        if (!pair_run(b->env, k, is_of_space(k), focus_of(k), r) && r->kind[0])
            return false;
    }
    return true;
}

static void report(const pair_env *env, pair_report *r)
{
    hone_buf comment = {0};
    hone_buf_printf(&comment, "# %s: %.200s\n", r->kind, r->detail);
    for (size_t k = 2; k + 1 < comment.n; k++)
        if (comment.s[k] == '\n')
            comment.s[k] = ' ';
    if (r->on[0])
        hone_buf_printf(&comment, "# on %s\n", r->on);
    pair_case c = {hone_buf_take(&comment), hone_xstrdup(r->workload), hone_xstrdup(r->trace)};
    char kind[sizeof r->kind];
    snprintf(kind, sizeof kind, "%s", r->kind);
    print_error("seed %" PRIu64 ": %s: %s\n", r->seed, r->kind, r->detail);
    pair_shrink(env, &c, kind, (unsigned)number("HONE_SHRINK", 60));
    char *text = pair_case_text(&c), path[64];
    snprintf(path, sizeof path, "pair-%" PRIu64 ".case", r->seed);
    if (hone_file_write(path, text, strlen(text), NULL) != HONE_OK)
        print_error("%s cannot be written\n", path);
    fprintf(stderr, "%s:\n%s", path, text);
    free(text);
    pair_case_free(&c);
}

static void print_table(const pair_stats *s)
{
    printf("%-24s %9s %9s %9s\n", "instruction", "applied", "rejected", "malformed");
    for (int k = 1; k < HONE_INST_COUNT; k++)
        printf("%-24s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 "\n", hone_inst_name((hone_inst_kind)k),
               s->applied[k], s->rejected[k], s->malformed[k]);
}

static void random_pairs(void **state)
{
    (void)state;
    pair_env env;
    pair_report *r = pair_report_new();
    uint64_t n = number("HONE_PAIRS", 300), first = number("HONE_SEED", 1), end = first + n;
    int64_t until = hone_clock_ns() + (int64_t)number("HONE_SECONDS", 25) * 1000000000;
    unsigned failures = 0;
    assert_true(pair_env_init(&env, !number("HONE_NO_COMPILE", 0)));
    for (uint64_t k = first; k < end && hone_clock_ns() < until;) {
        batch b = {&env, k, k + IN_ONE_CHILD < end ? k + IN_ONE_CHILD : end, until};
        bool good = pair_isolated(run_batch, &b, r, HANG_SECONDS, false);
        k = good ? b.end : r->seed + 1;
        if (!good) {
            report(&env, r);
            failures++;
        }
        if (failures >= number("HONE_FAILURES", 1))
            break;
    }
    const pair_stats *s = &r->stats;
    print_table(s);
    printf("%" PRIu64 " pairs from seed %" PRIu64 ": %" PRIu64 " programs compared, %" PRIu64
           " compiled, %" PRIu64 " watched, %" PRIu64 " not buildable, %" PRIu64
           " too long, %" PRIu64 " spoiled an intrinsic, %" PRIu64 " illegal workloads; %" PRIu64
           " candidates of %" PRIu64 " design spaces\n",
           s->pairs, first, s->agreed, s->compiled, s->watched, s->unbuilt, s->too_long, s->spoiled,
           s->bad_workloads, s->candidates, s->spaces);
    assert_int_equal(failures, 0);
    pair_env_fini(&env);
    pair_report_free(r);
}

/* Of all pairs, however many of them the time has room for: a generator whose workloads are illegal
 * tests nothing. */
static void few_workloads_are_illegal(void **state)
{
    (void)state;
    pair_env env;
    pair_report *r = pair_report_new();
    uint64_t n = number("HONE_PAIRS", 300), first = number("HONE_SEED", 1);
    assert_true(pair_env_init(&env, false));
    for (uint64_t k = first; k < first + n; k++)
        if (!pair_start(&env, k, is_of_space(k), focus_of(k), r))
            assert_string_equal(r->kind, "");
    const pair_stats *s = &r->stats;
    print_message("%d of %d workloads are illegal\n", (int)s->bad_workloads, (int)s->pairs);
    assert_true(s->pairs < 100 || s->bad_workloads * 20 <= s->pairs); /* of few: says nothing */
    pair_env_fini(&env);
    pair_report_free(r);
}

typedef struct reach {
    const pair_env *env;
    hone_inst_kind kind;
} reach;

static bool run_reach(void *ctx, pair_report *r)
{
    const reach *x = ctx;
    for (uint64_t seed = 1; seed <= REACH_PAIRS && !r->stats.applied[x->kind]; seed++)
        if (!pair_run(x->env, seed, false, x->kind, r) && r->kind[0])
            return false;
    return true;
}

/* A primitive that never applies is not tested: each does in the first pairs that aim at it. */
static void every_instruction_is_reached(void **state)
{
    (void)state;
    pair_env env;
    assert_true(pair_env_init(&env, false));
    for (int k = 1; k < HONE_INST_COUNT; k++) {
        reach x = {&env, (hone_inst_kind)k};
        pair_report *r = pair_report_new();
        if (!pair_isolated(run_reach, &x, r, HANG_SECONDS, false)) {
            report(&env, r);
            fail();
        }
        if (!r->stats.applied[k])
            fail_msg("%s was never applied in %d pairs", hone_inst_name((hone_inst_kind)k),
                     REACH_PAIRS);
        pair_report_free(r);
    }
    pair_env_fini(&env);
}

/* An instruction whose operands nothing here can make would never be tried. */
static void every_operand_is_known(void **state)
{
    (void)state;
    const char *unknown = pair_unknown_operand();
    if (unknown)
        fail_msg("tests/property/gen_trace.c has no generator for %s", unknown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operand_is_known),
        cmocka_unit_test(every_instruction_is_reached),
        cmocka_unit_test(few_workloads_are_illegal),
        cmocka_unit_test(random_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
