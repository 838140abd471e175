/* Traces: text to trace to text, hash, errors of the reader. */
#include "tests/space/trace_test.h"

/* A record of TVM v0.9 for a 128x128x128 product, its search part; the block is named after the
 * buffer as hone does. Split has one attribute, as it had then. */
static const char tvm_trace[] =
    "[[[\"GetBlock\",[],[\"C\",\"main\"],[\"b0\"]],"
    "[\"GetBlock\",[],[\"root\",\"main\"],[\"b1\"]],"
    "[\"Annotate\",[\"b0\",\"\\\"SSRSRS\\\"\"],[\"meta_schedule.tiling_structure\"],[]],"
    "[\"GetLoops\",[\"b0\"],[],[\"l2\",\"l3\",\"l4\"]],"
    "[\"SamplePerfectTile\",[\"l2\"],[4,64],[\"v5\",\"v6\",\"v7\",\"v8\"]],"
    "[\"Split\",[\"l2\",\"v5\",\"v6\",\"v7\",\"v8\"],[1],[\"l9\",\"l10\",\"l11\",\"l12\"]],"
    "[\"SampleCategorical\",[],[[0,16,64,512],[0.25,0.25,0.25,0.25]],[\"v26\"]],"
    "[\"Annotate\",[\"b1\",\"v26\"],[\"meta_schedule.unroll_explicit\"],[]],"
    "[\"EnterPostproc\",[],[],[]],"
    "[\"Unannotate\",[\"b1\"],[\"meta_schedule.unroll_explicit\"],[]]],"
    "[[4,[2,4,8,2]],[6,2]]]";

static void test_print_parse_print(void **state)
{
    (void)state;
    hone_trace t = trace_of(tvm_trace);
    char *text = hone_trace_text(&t);
    /* variables renumbered without the gap, Split with the attribute it was given later */
    assert_string_equal(
        text,
        "[[[\"GetBlock\",[],[\"C\",\"main\"],[\"b0\"]],"
        "[\"GetBlock\",[],[\"root\",\"main\"],[\"b1\"]],"
        "[\"Annotate\",[\"b0\",\"\\\"SSRSRS\\\"\"],[\"meta_schedule.tiling_structure\"],[]],"
        "[\"GetLoops\",[\"b0\"],[],[\"l2\",\"l3\",\"l4\"]],"
        "[\"SamplePerfectTile\",[\"l2\"],[4,64],[\"v5\",\"v6\",\"v7\",\"v8\"]],"
        "[\"Split\",[\"l2\",\"v5\",\"v6\",\"v7\",\"v8\"],[1,0],[\"l9\",\"l10\",\"l11\",\"l12\"]],"
        "[\"SampleCategorical\",[],[[0,16,64,512],[0.25,0.25,0.25,0.25]],[\"v13\"]],"
        "[\"Annotate\",[\"b1\",\"v13\"],[\"meta_schedule.unroll_explicit\"],[]],"
        "[\"EnterPostproc\",[],[],[]],"
        "[\"Unannotate\",[\"b1\"],[\"meta_schedule.unroll_explicit\"],[]]],"
        "[[4,[2,4,8,2]],[6,2]]]");
    hone_trace u = trace_of(text);
    char *again = hone_trace_text(&u);
    assert_string_equal(text, again);
    assert_true(hone_trace_hash(&t) == hone_trace_hash(&u));
    assert_int_equal(hone_trace_search_part(&t), 8);
    assert_int_equal(t.n_rvs, 14);
    free(text);
    free(again);
    hone_trace_free(&t);
    hone_trace_free(&u);
}

static void test_every_value(void **state)
{
    (void)state;
    const char *text =
        "[[[\"GetSBlock\",[],[\"a \\\"b\\\" \\\\ \\u0001\",\"main\"],[\"b0\"]],"
        "[\"GetLoops\",[\"b0\"],[],[]],"
        "[\"Annotate\",[\"b0\",-9007199254740993],[\"k\"],[]],"
        "[\"SampleCategorical\",[],[[1,2],[0.1,1e-300]],[\"v1\"]],"
        "[\"CacheRead\",[\"b0\",[\"b0\",\"b0\"]],[0,\"global\"],[\"b2\"]],"
        "[\"TransformLayout\",[\"b0\",\"\\\"lambda k, j: (j // v0, k, j % v0)\\\"\",16],"
        "[0,1,null,false],[]]],"
        "[]]";
    hone_trace t = trace_of(text);
    char *out = hone_trace_text(&t);
    assert_string_equal(
        out, "[[[\"GetBlock\",[],[\"a \\\"b\\\" \\\\ \\u0001\",\"main\"],[\"b0\"]],"
             "[\"GetLoops\",[\"b0\"],[],[]],"
             "[\"Annotate\",[\"b0\",-9007199254740993],[\"k\"],[]],"
             "[\"SampleCategorical\",[],[[1,2],[0.1,1e-300]],[\"v1\"]],"
             "[\"CacheRead\",[\"b0\",[\"b0\",\"b0\"]],[0,\"global\"],[\"b2\"]],"
             "[\"TransformLayout\",[\"b0\",\"\\\"lambda k, j: (j // v0, k, j % v0)\\\"\",16],"
             "[0,1,null,0],[]]],"
             "[]]");
    hone_trace u = trace_of(out);
    assert_true(hone_trace_hash(&t) == hone_trace_hash(&u));
    free(out);
    hone_trace_free(&t);
    hone_trace_free(&u);
}

static void test_float_stays_float(void **state)
{
    (void)state;
    hone_trace t = trace_of("[[[\"SampleCategorical\",[],[[1,2],[1.0,3]],[\"v0\"]]],[]]");
    char *out = hone_trace_text(&t);
    assert_string_equal(out, "[[[\"SampleCategorical\",[],[[1,2],[1.0,3]],[\"v0\"]]],[]]");
    free(out);
    hone_trace_free(&t);
}

static void test_hash_covers_everything(void **state)
{
    (void)state;
    static const char *const variants[] = {
        "[[[\"GetBlock\",[],[\"C\",\"main\"],[\"b0\"]],[\"GetLoops\",[\"b0\"],[],[\"l1\"]],"
        "[\"SamplePerfectTile\",[\"l1\"],[2,64],[\"v2\",\"v3\"]]],[[2,[2,4]]]]",
        /* a decision, none, an attribute, a text, a name, an instruction less, another one */
        "[[[\"GetBlock\",[],[\"C\",\"main\"],[\"b0\"]],[\"GetLoops\",[\"b0\"],[],[\"l1\"]],"
        "[\"SamplePerfectTile\",[\"l1\"],[2,64],[\"v2\",\"v3\"]]],[[2,[4,2]]]]",
        "[[[\"GetBlock\",[],[\"C\",\"main\"],[\"b0\"]],[\"GetLoops\",[\"b0\"],[],[\"l1\"]],"
        "[\"SamplePerfectTile\",[\"l1\"],[2,64],[\"v2\",\"v3\"]]],[]]",
        "[[[\"GetBlock\",[],[\"C\",\"main\"],[\"b0\"]],[\"GetLoops\",[\"b0\"],[],[\"l1\"]],"
        "[\"SamplePerfectTile\",[\"l1\"],[2,32],[\"v2\",\"v3\"]]],[[2,[2,4]]]]",
        "[[[\"GetBlock\",[],[\"D\",\"main\"],[\"b0\"]],[\"GetLoops\",[\"b0\"],[],[\"l1\"]],"
        "[\"SamplePerfectTile\",[\"l1\"],[2,64],[\"v2\",\"v3\"]]],[[2,[2,4]]]]",
        "[[[\"GetBlock\",[],[\"C\",\"main\"],[\"b0\"]],[\"GetLoops\",[\"b0\"],[],[\"l1\"]]],[]]",
        "[[[\"GetBlock\",[],[\"C\",\"main\"],[\"b0\"]],[\"GetLoops\",[\"b0\"],[],[\"l1\"]],"
        "[\"SampleImperfectTile\",[\"l1\"],[2,64],[\"v2\",\"v3\"]]],[[2,[2,4]]]]",
        "[[[\"GetBlock\",[],[\"C\",\"main\"],[\"b0\"]],[\"GetLoops\",[\"b0\"],[],[\"l1\",\"l9\"]],"
        "[\"SamplePerfectTile\",[\"l9\"],[2,64],[\"v2\",\"v3\"]]],[[2,[2,4]]]]",
    };
    uint64_t hash[HONE_LEN(variants)];
    for (unsigned k = 0; k < HONE_LEN(variants); k++) {
        hone_trace t = trace_of(variants[k]);
        hash[k] = hone_trace_hash(&t);
        for (unsigned q = 0; q < k; q++)
            assert_true(hash[q] != hash[k]);
        hone_trace_free(&t);
    }
    /* other names, same trace */
    hone_trace t = trace_of(
        "[[[\"GetBlock\",[],[\"C\",\"main\"],[\"b7\"]],[\"GetLoops\",[\"b7\"],[],[\"l4\"]],"
        "[\"SamplePerfectTile\",[\"l4\"],[2,64],[\"v3\",\"v2\"]]],[[2,[2,4]]]]");
    assert_true(hone_trace_hash(&t) == hash[0]);
    hone_trace_free(&t);
}

static void test_copy_is_deep(void **state)
{
    (void)state;
    hone_trace t = trace_of(tvm_trace), u = {0};
    uint64_t h = hone_trace_hash(&t);
    hone_trace_copy(&u, &t);
    t.ints.v[0] = 99;
    assert_true(hone_trace_hash(&u) == h);
    assert_true(hone_trace_hash(&t) != h);
    hone_trace_copy(&t, &u);
    assert_true(hone_trace_hash(&t) == h);
    hone_trace_reset(&t);
    assert_int_equal(t.insts.n, 0);
    char *text = hone_trace_text(&t);
    assert_string_equal(text, "[[],[]]");
    free(text);
    hone_trace_free(&t);
    hone_trace_free(&u);
}

static void test_reader_says_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "JSON"},
        {"{}", "not [instructions, decisions]"},
        {"[[]]", "not [instructions, decisions]"},
        {"[[],{}]", "not [instructions, decisions]"},
        {"[[1],[]]", "instruction 0 is not [name"},
        {"[[[\"GetBlock\",[],[\"C\",\"main\"]]],[]]", "instruction 0 is not [name"},
        {"[[[\"SetAxisSeparator\",[],[],[]]],[]]", "'SetAxisSeparator', which hone does not have"},
        {"[[[\"UnsafeSetDType\",[],[],[]]],[]]", "'UnsafeSetDType', which hone does not have"},
        {"[[[\"UnsafeHideBufferAccess\",[],[],[]]],[]]",
         "'UnsafeHideBufferAccess', which hone does not have"},
        {"[[[\"AnnotateBufferAccess\",[],[],[]]],[]]",
         "'AnnotateBufferAccess', which hone does not have"},
        {"[[[\"GetBlock\",[],[\"C\"],[\"b0\"]]],[]]", "attributes, not its 2 (name func)"},
        {"[[[\"GetBlock\",[1],[\"C\",\"m\"],[\"b0\"]]],[]]", "too many"},
        {"[[[\"GetBlock\",[],[\"C\",\"m\"],[]]],[]]", "has 0 outputs"},
        {"[[[\"GetBlock\",[],[\"C\",\"m\"],[\"l0\"]]],[]]", "should be named 'b'"},
        {"[[[\"GetBlock\",[],[\"C\",\"m\"],[\"b01\"]]],[]]", "is not a variable name"},
        {"[[[\"GetBlock\",[],[\"C\",\"m\"],[\"b99999\"]]],[]]", "is not a variable name"},
        {"[[[\"GetBlock\",[],[\"C\",\"m\"],[\"b0\"]],[\"GetBlock\",[],[\"C\",\"m\"],[\"b0\"]]],[]]",
         "defines b0, which is defined already"},
        {"[[[\"GetLoops\",[\"b0\"],[],[]]],[]]", "uses b0, which no instruction before it defines"},
        {"[[[\"GetBlock\",[],[\"C\",\"m\"],[\"b0\"]],[\"GetLoops\",[\"l0\"],[],[]]],[]]",
         "uses l0, which"},
        {"[[[\"GetBlock\",[],[\"C\",\"m\"],[\"b0\"]],[\"Parallel\",[\"b0\"],[],[]]],[]]",
         "instruction 1: input 0 of Parallel is of the wrong kind"},
        {"[[[\"GetLoops\",[],[],[]]],[]]", "instruction 0: GetLoops has 0 inputs, too few"},
        {"[[[\"GetLoops\",[\"hello\"],[],[]]],[]]", "has the input \"hello\""},
        {"[[[\"GetLoops\",[{}],[],[]]],[]]", "JSON object"},
        {"[[[\"SampleCategorical\",[],[[[[[[1]]]]],[1]],[\"v0\"]]],[]]", "nests lists deeper"},
        {"[[[\"EnterPostproc\",[],[],[]]],[[0,1]]]", "belongs to EnterPostproc, which takes none"},
        {"[[[\"EnterPostproc\",[],[],[]]],[[1,1]]]", "decision 0 is not [instruction index"},
        {"[[[\"SampleCategorical\",[],[[1],[1]],[\"v0\"]]],[[0,0],[0,0]]]", "has two decisions"},
        {"[[[\"SampleCategorical\",[],[[1],[1]],[\"v0\"]]],[[0,[0]]]]", "should be an integer"},
        {"[[[\"SampleCategorical\",[],[[1],[1]],[\"v0\"]]],[[0,0.5]]]", "not made of integers"},
    };
    for (unsigned k = 0; k < HONE_LEN(bad); k++) {
        hone_trace t = {0};
        hone_error err = {0};
        assert_int_equal(hone_trace_parse(bad[k].text, strlen(bad[k].text), &t, &err),
                         HONE_E_INPUT);
        if (!strstr(err.message, bad[k].says))
            fail_msg("%s\nsays: %s\nnot:  %s", bad[k].text, err.message, bad[k].says);
        assert_int_equal(hone_trace_parse(bad[k].text, strlen(bad[k].text), &t, NULL),
                         HONE_E_INPUT);
        assert_int_equal(t.insts.n, 0);
        hone_trace_free(&t);
    }
    hone_trace t = {0};
    size_t n = (1 << 20) + 1;
    char *big = hone_xmalloc(n);
    memset(big, ' ', n);
    assert_int_equal(hone_trace_parse(big, n, &t, NULL), HONE_E_INPUT);
    free(big);
    hone_trace_free(&t);
}

/* A text of n bytes: one that says nothing, and blanks. */
static hone_status parse_long(size_t n)
{
    char *text = hone_xmalloc(n + 1);
    memset(text, ' ', n);
    memcpy(text, "[[],[]]", 7);
    text[n] = 0;
    hone_trace t = {0};
    hone_status st = hone_trace_parse(text, n, &t, NULL);
    hone_trace_free(&t);
    free(text);
    return st;
}

static void test_as_long_as_the_log_takes(void **state)
{
    (void)state;
    assert_int_equal(parse_long(HONE_MAX_TRACE_BYTES - 1), HONE_OK);
    assert_int_equal(parse_long(HONE_MAX_TRACE_BYTES), HONE_E_INPUT);
}

static void test_instruction_names(void **state)
{
    (void)state;
    for (int k = HONE_INST_NONE + 1; k < HONE_INST_COUNT; k++)
        assert_int_equal(hone_inst_parse(hone_inst_name((hone_inst_kind)k)), k);
    assert_int_equal(hone_inst_parse("?"), HONE_INST_NONE);
    assert_int_equal(hone_inst_parse("GetSBlock"), HONE_INST_GetBlock);
    assert_true(hone_inst_samples(HONE_INST_SamplePerfectTile));
    assert_false(hone_inst_samples(HONE_INST_Split));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_print_parse_print),
        cmocka_unit_test(test_every_value),
        cmocka_unit_test(test_float_stays_float),
        cmocka_unit_test(test_hash_covers_everything),
        cmocka_unit_test(test_copy_is_deep),
        cmocka_unit_test(test_reader_says_what_is_wrong),
        cmocka_unit_test(test_as_long_as_the_log_takes),
        cmocka_unit_test(test_instruction_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
