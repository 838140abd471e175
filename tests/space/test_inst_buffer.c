/* Instructions on buffers: a trace read, replayed, printed and replayed again gives the program
 * that the primitive gives, and the same text. */
#include "tests/space/prim_test.h"

#include "space/space.h"

typedef hone_status (*direct)(hone_program *p, hone_stmt ret[8], hone_error *err);

static hone_status read_for(hone_program *p, hone_stmt *ret, hone_error *err)
{
    hone_stmt c = block_of(p, "C");
    return hone_prim__cache_read_for(p, c, 1, &c, 1, HONE_GLOBAL, ret, err);
}

static hone_status write_for(hone_program *p, hone_stmt *ret, hone_error *err)
{
    hone_stmt s = block_of(p, "S");
    return hone_prim__cache_write_for(p, block_of(p, "C"), &s, 1, HONE_SHARED, ret, err);
}

static hone_status reindex(hone_program *p, hone_stmt *ret, hone_error *err)
{
    return hone_prim__reindex(p, block_of(p, "C"), 1, false, ret, err);
}

static hone_status reindex_write(hone_program *p, hone_stmt *ret, hone_error *err)
{
    return hone_prim__reindex(p, block_of(p, "S"), 0, true, ret, err);
}

static hone_status cache_reindexed(hone_program *p, hone_stmt *ret, hone_error *err)
{
    return hone_prim__reindex_cache_read(
        p, block_of(p, "C"), 1, "lambda i, j, k: (j // 2, k, j % 2)", HONE_GLOBAL, ret, err);
}

static hone_status cache_reindexed_write(hone_program *p, hone_stmt *ret, hone_error *err)
{
    return hone_prim__reindex_cache_write(p, block_of(p, "C"), "lambda i, j, k: (j, i)", HONE_WARP,
                                          ret, err);
}

static hone_status inplace(hone_program *p, hone_stmt *ret, hone_error *err)
{
    hone_stmt init;
    hone_status s =
        hone_prim__decompose_reduction(p, block_of(p, "C"), loop_of(p, "C", 0), &init, err);
    return s != HONE_OK ? s
                        : hone_prim__cache_inplace(p, block_of(p, "C"), 0, HONE_GLOBAL, ret, err);
}

static hone_status index_none(hone_program *p, hone_stmt *ret, hone_error *err)
{
    unsigned n;
    return hone_prim__cache_index(p, block_of(p, "C"), HONE_GLOBAL, 1, ret, 8, &n, err);
}

static hone_status read_at(hone_program *p, hone_stmt *ret, hone_error *err)
{
    return hone_prim__read_at(p, loop_of(p, "C", 1), block_of(p, "C"), 1, HONE_LOCAL, ret, err);
}

static hone_status write_at(hone_program *p, hone_stmt *ret, hone_error *err)
{
    return hone_prim__write_at(p, loop_of(p, "C", 0), block_of(p, "C"), HONE_LOCAL, ret, err);
}

static hone_status scope(hone_program *p, hone_stmt *ret, hone_error *err)
{
    (void)ret;
    return hone_prim__set_scope(p, block_of(p, "C"), HONE_WMMA_ACCUMULATOR, err);
}

static hone_status align(hone_program *p, hone_stmt *ret, hone_error *err)
{
    (void)ret;
    hone_status s = hone_prim__storage_align(p, block_of(p, "C"), 0, 32, 16, err);
    return s;
}

#define GET_C "[\"GetBlock\",[],[\"C\",\"main\"],[\"b0\"]]"
#define LOOPS ",[\"GetLoops\",[\"b0\"],[],[\"l1\",\"l2\",\"l3\"]]"

static const struct {
    direct call;
    const char *trace;
} cases[] = {
    {read_for, "[[" GET_C ",[\"CacheRead\",[\"b0\",[\"b0\"]],[1,\"global\"],[\"b1\"]]],[]]"},
    {write_for, "[[" GET_C ",[\"GetBlock\",[],[\"S\",\"main\"],[\"b1\"]],"
                "[\"CacheWrite\",[\"b0\",[\"b1\"]],[0,\"shared\"],[\"b2\"]]],[]]"},
    {reindex, "[[" GET_C ",[\"ReIndex\",[\"b0\"],[1,0],[\"b1\"]]],[]]"},
    {reindex_write, "[[[\"GetBlock\",[],[\"S\",\"main\"],[\"b0\"]],"
                    "[\"ReIndex\",[\"b0\"],[0,1],[\"b1\"]]],[]]"},
    {cache_reindexed, "[[" GET_C ",[\"ReindexCacheRead\",[\"b0\",\"\\\"lambda i, j, k: (j // 2, k, "
                      "j % 2)\\\"\"],[1,\"global\"],[\"b1\"]]],[]]"},
    {cache_reindexed_write, "[[" GET_C ",[\"ReindexCacheWrite\",[\"b0\",\"\\\"lambda i, j, k: (j, "
                            "i)\\\"\"],[0,\"warp\"],[\"b1\"]]],[]]"},
    {inplace, "[[" GET_C LOOPS ",[\"DecomposeReduction\",[\"b0\",\"l1\"],[],[\"b4\"]],"
              "[\"CacheInplace\",[\"b0\"],[0,\"global\"],[\"b5\",\"b6\"]]],[]]"},
    {index_none, "[[" GET_C ",[\"CacheIndex\",[\"b0\"],[\"global\",1],[]]],[]]"},
    {read_at, "[[" GET_C LOOPS ",[\"ReadAt\",[\"l2\",\"b0\"],[1,\"local\"],[\"b4\"]]],[]]"},
    {write_at, "[[" GET_C LOOPS ",[\"WriteAt\",[\"l1\",\"b0\"],[0,\"local\"],[\"b4\"]]],[]]"},
    {scope, "[[" GET_C ",[\"SetScope\",[\"b0\"],[0,\"wmma.accumulator\"],[]]],[]]"},
    {align, "[[" GET_C ",[\"StorageAlign\",[\"b0\"],[0,0,32,16],[]]],[]]"},
};

static hone_status replay(const char *text, const hone_program *base, hone_sched *s,
                          hone_error *err)
{
    hone_trace t = {0};
    if (hone_trace_parse(text, strlen(text), &t, err) != HONE_OK)
        fail_msg("%s", err->message);
    hone_status st = hone_trace_replay(&t, base, s, NULL, false, err);
    hone_trace_free(&t);
    return st;
}

static void round_trip(void **state)
{
    (void)state;
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        hone_program base = load_program(MATMUL_BIAS_RELU(6, 5, 4)), want = copy_program(&base);
        hone_error err;
        hone_stmt ret[8];
        hone_sched s = {0};
        if (cases[k].call(&want, ret, &err) != HONE_OK)
            fail_msg("%u: %s", k, err.message);
        char *text = program_text(&want), *trace = NULL;
        for (unsigned again = 0; again < 2; again++) {
            if (replay(again ? trace : cases[k].trace, &base, &s, &err) != HONE_OK)
                fail_msg("%u: %s", k, err.message);
            check_text(&s.prog, text);
            check_same(&base, &s.prog);
            free(trace);
            trace = hone_trace_text(&s.trace);
            assert_string_equal(trace, cases[k].trace);
        }
        free(trace);
        free(text);
        hone_sched_fini(&s);
        hone_program_fini(&want);
        hone_program_fini(&base);
    }
}

/* Several blocks come out, as many as the program has indices worth keeping. */
static void several_outputs(void **state)
{
    (void)state;
    hone_program base =
        load_program("program fold {\n  buffer X: f32[3, 4] input\n  buffer Y: f32[12] output\n"
                     "  for i in 12 { block Y(v: 12 = i) { Y[v] = X[v // 4, v % 4] } }\n}\n");
    const char *text = "[[[\"GetBlock\",[],[\"Y\",\"main\"],[\"b0\"]],"
                       "[\"CacheIndex\",[\"b0\"],[\"global\",0],[\"b1\",\"b2\"]],"
                       "[\"GetLoops\",[\"b2\"],[],[\"l3\"]],[\"Parallel\",[\"l3\"],[],[]]],[]]";
    hone_sched s = {0};
    hone_error err;
    if (replay(text, &base, &s, &err) != HONE_OK)
        fail_msg("%s", err.message);
    check_same(&base, &s.prog);
    char *again = hone_trace_text(&s.trace);
    assert_string_equal(again, text);
    free(again);
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

static void rejected(void **state)
{
    (void)state;
    static const struct {
        hone_status status;
        const char *inst;
    } bad[] = {
        {HONE_REJECT_ARG, "[\"CacheRead\",[\"b0\",[]],[7,\"global\"],[\"b4\"]]"},
        {HONE_REJECT_ARG, "[\"CacheRead\",[\"b0\",[]],[-1,\"global\"],[\"b4\"]]"},
        {HONE_REJECT_ARG, "[\"CacheRead\",[\"b0\",[]],[0,\"texture\"],[\"b4\"]]"},
        {HONE_REJECT_ARG, "[\"CacheWrite\",[\"b0\",[]],[1,\"global\"],[\"b4\"]]"},
        {HONE_REJECT_ARG, "[\"ReIndex\",[\"b0\"],[1,1],[\"b4\"]]"},
        {HONE_REJECT_ARG, "[\"ReIndex\",[\"b0\"],[2,0],[\"b4\"]]"},
        {HONE_E_INPUT, "[\"ReIndex\",[\"b0\"],[\"x\",0],[\"b4\"]]"},
        {HONE_E_INPUT, "[\"ReindexCacheRead\",[\"b0\",\"\\\"i, j\\\"\"],[0,\"global\"],[\"b4\"]]"},
        {HONE_REJECT_ARG, "[\"ReindexCacheWrite\",[\"b0\",\"\\\"lambda i, j, k: (i, j)\\\"\"],"
                          "[1,\"global\"],[\"b4\"]]"},
        {HONE_REJECT_ARG, "[\"CacheInplace\",[\"b0\"],[0,\"global\"],[\"b4\",\"b5\"]]"},
        {HONE_E_INPUT, "[\"CacheIndex\",[\"b0\"],[\"global\",\"x\"],[]]"},
        {HONE_REJECT_ARG, "[\"ReadAt\",[\"l1\",\"b0\"],[3,\"global\"],[\"b4\"]]"},
        {HONE_REJECT_COMPUTE_AT, "[\"WriteAt\",[\"l3\",\"b0\"],[0,\"global\"],[\"b4\"]]"},
        {HONE_REJECT_ARG, "[\"SetScope\",[\"b0\"],[1,\"global\"],[]]"},
        {HONE_REJECT_ARG, "[\"SetScope\",[\"b0\"],[0,\"moon\"],[]]"},
        {HONE_REJECT_ARG, "[\"StorageAlign\",[\"b0\"],[0,5,32,0],[]]"},
        {HONE_REJECT_LAYOUT, "[\"StorageAlign\",[\"b0\"],[0,1,32,0],[]]"},
    };
    hone_program base = load_program(MATMUL_BIAS_RELU(6, 5, 4));
    char *text = program_text(&base);
    for (unsigned k = 0; k < HONE_LEN(bad); k++) {
        hone_sched s = {0};
        hone_error err = {0};
        char *trace = hone_xasprintf("[[" GET_C LOOPS ",%s],[]]", bad[k].inst);
        hone_status st = replay(trace, &base, &s, &err);
        if (st != bad[k].status)
            fail_msg("%s: %s, %s", bad[k].inst, hone_status_name(st), err.message);
        check_text(&s.prog, text);
        free(trace);
        hone_sched_fini(&s);
    }
    free(text);
    hone_program_fini(&base);
}

/* The list of consumers names blocks; one that is gone is refused, the cache itself may be named.
 */
static void consumers(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL_BIAS_RELU(6, 5, 4));
    hone_sched s = {0};
    hone_error err;
    const char *gone = "[[" GET_C ",[\"GetBlock\",[],[\"S\",\"main\"],[\"b1\"]],"
                       "[\"ComputeInline\",[\"b1\"],[],[]],"
                       "[\"CacheRead\",[\"b0\",[\"b1\"]],[0,\"global\"],[\"b2\"]]],[]]";
    assert_int_equal(replay(gone, &base, &s, &err), HONE_REJECT_ARG);
    assert_non_null(strstr(err.message, "consumer 0"));
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(several_outputs),
        cmocka_unit_test(rejected),
        cmocka_unit_test(consumers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
