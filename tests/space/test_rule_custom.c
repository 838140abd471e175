#include "tests/space/prim_test.h"

#include "space/space.h"

static const char matmul[] = "kernel mm(M, N, K) {\n"
                             "  input A: f32[M, K]\n  input B: f32[K, N]\n  output D: f32[M, N]\n"
                             "  C[i, j] = sum(k < K) A[i, k] * B[k, j]\n"
                             "  D[i, j] = exp(C[i, j])\n}\n";

static const char halves[] =
    "{\"rule\": \"halves\", \"block\": \"*\", \"kind\": \"contraction\"%s, \"trace\": [["
    "[\"GetBlock\",[],[\"*\",\"main\"],[\"b0\"]],"
    "[\"GetLoops\",[\"b0\"],[],[\"l1\",\"l2\",\"l3\"]],"
    "[\"SampleCategorical\",[],[[2,4,8],[0.3,0.3,0.4]],[\"v4\"]],"
    "[\"Split\",[\"l1\",\"v4\",\"None\"],[1,0],[\"l5\",\"l6\"]],"
    "[\"Parallel\",[\"l5\"],[],[]]],[[2,0]]]}";

static hone_program mm(void)
{
    hone_program p = {0};
    const hone_size sizes[] = {{"M", 16}, {"N", 24}, {"K", 8}};
    assert_int_equal(hone_workload_parse("mm", matmul, sizeof matmul - 1, NULL, sizes, 3, &p, NULL),
                     HONE_OK);
    return p;
}

static hone_space *space_with(const hone_program *p, const char *extra)
{
    char text[2048];
    snprintf(text, sizeof text, halves, extra);
    hone_custom_rules *rules = hone_custom_rules_new();
    hone_error err;
    if (hone_custom_rules_parse(rules, "mine.json", text, strlen(text), &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_space *sp;
    assert_int_equal(
        hone_space_new(p, &(hone_space_options){.target = &some_cpu, .threads = 2, .rules = rules},
                       &sp, NULL),
        HONE_OK);
    hone_custom_rules_free(rules);
    return sp;
}

static unsigned with_halves(const hone_space *sp)
{
    unsigned n = 0;
    for (uint32_t k = 0; k < sp->traces.n; k++) {
        char *text = hone_trace_text(&sp->traces.v[k]);
        n += strstr(text, "[2,4,8]") != NULL;
        free(text);
    }
    return n;
}

/* One more design space; with "only", nothing else schedules the block. */
static void joins_or_replaces(void **state)
{
    (void)state;
    hone_program p = mm();
    hone_space *plain, *more, *only;
    assert_int_equal(
        hone_space_new(&p, &(hone_space_options){.target = &some_cpu, .threads = 2}, &plain, NULL),
        HONE_OK);
    more = space_with(&p, "");
    only = space_with(&p, ", \"only\": true");
    assert_int_equal(with_halves(plain), 0);
    assert_int_equal(more->traces.n, plain->traces.n + 1);
    assert_int_equal(with_halves(more), 1);
    assert_true(only->traces.n >= 1);
    assert_int_equal(with_halves(only), only->traces.n);
    hone_space_free(plain);
    hone_space_free(more);
    hone_space_free(only);
    hone_program_fini(&p);
}

/* The stage the rule does not take is scheduled as usual; the decision given comes first; the
 * program means what it did. */
static void applies(void **state)
{
    (void)state;
    hone_program p = mm();
    hone_space *sp = space_with(&p, ", \"only\": true");
    hone_sched s = {0};
    assert_int_equal(hone_space_finish(sp, &sp->seeds.v[0], &s, NULL), HONE_OK);
    char *text = program_text(&s.prog);
    assert_non_null(strstr(text, "in 2 parallel"));
    assert_non_null(strstr(text, "vectorized"));
    free(text);
    float A[16 * 8], B[8 * 24], want[16 * 24], got[16 * 24];
    for (int k = 0; k < 16 * 8; k++)
        A[k] = (float)(k % 7) / 8;
    for (int k = 0; k < 8 * 24; k++)
        B[k] = (float)(k % 5) / 8;
    assert_int_equal(hone_interp_run(&p, (void *[]){A, B, want}, NULL), HONE_OK);
    hone_rng rng;
    hone_rng_seed(&rng, 3);
    for (int k = 0; k < 20; k++) {
        hone_status st = k ? hone_space_sample(sp, &rng, &s, NULL) : HONE_OK;
        if (hone_status_is_reject(st))
            continue;
        assert_int_equal(hone_interp_run(&s.prog, (void *[]){A, B, got}, NULL), HONE_OK);
        assert_memory_equal(want, got, sizeof want);
    }
    hone_sched_fini(&s);
    hone_space_free(sp);
    hone_program_fini(&p);
}

/* A rule for a nest of another depth: left out, and the search goes on without. */
static void left_out(void **state)
{
    (void)state;
    static const char two[] =
        "{\"rule\":\"two\",\"trace\":[[[\"GetBlock\",[],[\"*\",\"main\"],[\"b0\"]],"
        "[\"GetLoops\",[\"b0\"],[],[\"l1\",\"l2\",\"l3\",\"l4\"]]],[]]}";
    hone_program p = mm();
    hone_custom_rules *rules = hone_custom_rules_new();
    assert_int_equal(hone_custom_rules_parse(rules, "two", two, sizeof two - 1, NULL), HONE_OK);
    hone_space *sp, *plain;
    hone_space_options o = {.target = &some_cpu, .threads = 2};
    assert_int_equal(hone_space_new(&p, &o, &plain, NULL), HONE_OK);
    o.rules = rules;
    assert_int_equal(hone_space_new(&p, &o, &sp, NULL), HONE_OK);
    assert_int_equal(sp->traces.n, plain->traces.n);
    hone_space_free(sp);
    hone_space_free(plain);
    hone_custom_rules_free(rules);
    hone_program_fini(&p);
}

static void bad_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "mine.json:1:"},
        {"{\n\"rule\": \"x\",\n}", "mine.json:3:"},
        {"7", "mine.json:1:"},
        {"[]", "no rule"},
        {"[3]", "rule 1 is not a JSON object"},
        {"{\"trace\":[[],[]]}", "rule 1 has no name"},
        {"{\"rule\":\"x\"}", "rule 'x' has no \"trace\""},
        {"{\"rule\":\"x\",\"trace\":[[],[]],\"blok\":\"C\"}", "member \"blok\""},
        {"{\"rule\":\"x\",\"trace\":[[],[]],\"block\":3}", "\"block\" is not a text"},
        {"{\"rule\":\"x\",\"trace\":[[],[]],\"only\":1}", "\"only\" is not true or false"},
        {"{\"rule\":\"x\",\"trace\":[[],[]],\"kind\":\"conv\"}", "\"kind\" is none of"},
        {"{\"rule\":\"x\",\"trace\":[[[\"Frob\",[],[],[]]],[]]}", "Frob"},
        {"[{\"rule\":\"x\",\"trace\":[[],[]]},{\"rule\":\"y\"}]", "rule 'y'"},
    };
    hone_custom_rules *rules = hone_custom_rules_new();
    for (size_t k = 0; k < HONE_LEN(bad); k++) {
        hone_error err = {0};
        assert_int_equal(
            hone_custom_rules_parse(rules, "mine.json", bad[k].text, strlen(bad[k].text), &err),
            HONE_E_INPUT);
        assert_non_null(strstr(err.message, "mine.json"));
        if (!strstr(err.message, bad[k].says))
            fail_msg("'%s' does not say '%s'", err.message, bad[k].says);
        assert_int_equal(hone_custom_rules_count(rules), 0);
    }
    hone_error err;
    assert_int_equal(hone_custom_rules_load(rules, "/nonexistent", &err), HONE_E_NOTFOUND);
    hone_custom_rules_free(rules);
}

/* Variables of the piece get new numbers behind those that are there. */
static void append_renumbers(void **state)
{
    (void)state;
    hone_program p = mm();
    hone_trace t = {0};
    const char text[] = "[[[\"GetBlock\",[],[\"?\",\"main\"],[\"b0\"]],"
                        "[\"GetLoops\",[\"b0\"],[],[\"l1\",\"l2\"]],"
                        "[\"Fuse\",[\"l1\",\"l2\"],[1],[\"l3\"]]],[]]";
    assert_int_equal(hone_trace_parse(text, sizeof text - 1, &t, NULL), HONE_OK);
    hone_sched s = {0};
    hone_sched_start(&s, &p, NULL);
    hone_rv c;
    assert_int_equal(hone_get_block(&s, "C", &c, NULL), HONE_OK);
    assert_int_equal(hone_trace_append(&t, "?", "D", &s, NULL), HONE_OK);
    char *got = hone_trace_text(&s.trace);
    assert_string_equal(got, "[[[\"GetBlock\",[],[\"C\",\"main\"],[\"b0\"]],"
                             "[\"GetBlock\",[],[\"D\",\"main\"],[\"b1\"]],"
                             "[\"GetLoops\",[\"b1\"],[],[\"l2\",\"l3\"]],"
                             "[\"Fuse\",[\"l2\",\"l3\"],[1],[\"l4\"]]],[]]");
    free(got);
    /* C has three loops */
    assert_int_equal(hone_trace_append(&t, "?", "C", &s, NULL), HONE_REJECT_ARG);
    hone_trace_free(&t);
    hone_sched_fini(&s);
    hone_program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_or_replaces), cmocka_unit_test(applies),
        cmocka_unit_test(left_out),          cmocka_unit_test(bad_text),
        cmocka_unit_test(append_renumbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
