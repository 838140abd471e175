/* Schedules: instructions as applied, recorded and replayed. */
#include "tests/space/trace_test.h"

/* Refused with this status; neither program nor trace has changed. */
#define REFUSED(s, expected, call)                                 \
    do {                                                           \
        hone_error err_ = {0};                                     \
        hone_error *err = &err_;                                   \
        char *trace_ = hone_trace_text(&(s)->trace), *after_;      \
        uint64_t program_ = hone_program_hash(&(s)->prog);         \
        uint32_t values_ = (s)->trace.values.n, rvs_ = (s)->rvs.n; \
        assert_int_equal(call, expected);                          \
        assert_true(err_.message[0] != '\0');                      \
        assert_int_equal(err_.status, expected);                   \
        after_ = hone_trace_text(&(s)->trace);                     \
        assert_string_equal(trace_, after_);                       \
        assert_true(hone_program_hash(&(s)->prog) == program_);    \
        assert_int_equal((s)->trace.values.n, values_);            \
        assert_int_equal((s)->rvs.n, rvs_);                        \
        free(trace_);                                              \
        free(after_);                                              \
    } while (0)

/* A record of TVM v0.9 for a 128x128x128 product on four cores, up to EnterPostproc. */
static const char tvm_search_part[] =
    "[[[\"GetBlock\",[],[\"C\",\"main\"],[\"b0\"]],"
    "[\"GetBlock\",[],[\"root\",\"main\"],[\"b1\"]]," TVM_TILES "[\"EnterPostproc\",[],[],[]]],"
    "[[4,[2,4,8,2]],[6,[2,2,8,4]],[8,[32,4]],[15,2]]]";

static void test_tvm_trace(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(128, 128, 128));
    hone_trace t = trace_of(tvm_search_part), tiling = t;
    tiling.insts.n = 11; /* up to Reorder */
    hone_sched s = {0};
    APPLY(hone_trace_replay(&tiling, &base, &s, NULL, false, err));
    check_text(&s.prog,
               "program matmul {\n"
               "  buffer A: f32[128, 128] input\n"
               "  buffer B: f32[128, 128] input\n"
               "  buffer C: f32[128, 128] output\n"
               "  for i_0 in 2 {\n"
               "    for j_0 in 2 {\n"
               "      for i_1 in 4 {\n"
               "        for j_1 in 2 {\n"
               "          for k_0 in 32 {\n"
               "            for i_2 in 8 {\n"
               "              for j_2 in 8 {\n"
               "                for k_1 in 4 {\n"
               "                  for i_3 in 2 {\n"
               "                    for j_3 in 4 {\n"
               "                      block C(vi: 128 = i_0*64 + i_1*16 + i_2*2 + i_3, "
               "vj: 128 = j_0*64 + j_1*32 + j_2*4 + j_3, reduce vk: 128 = k_0*4 + k_1) "
               "@meta_schedule.tiling_structure=\"SSRSRS\" {\n"
               "                        init 0.0\n"
               "                        C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"
               "                      }\n"
               "                    }\n                  }\n                }\n"
               "              }\n            }\n          }\n        }\n      }\n    }\n  }\n}\n");

    /* the whole search part */
    APPLY(hone_trace_replay(&t, &base, &s, NULL, false, err));
    assert_int_equal(hone_ann_get(&s.prog, s.prog.root, "meta_schedule.unroll_explicit")->value,
                     64);
    assert_int_equal(hone_rv_int(&s, (hone_rv){s.rvs.n - 1}), 64);
    APPLY(hone_verify(&s.prog, err));
    check_round_trip(&s, &base);
    hone_sched_fini(&s);
    hone_trace_free(&t);
    hone_program_fini(&base);
}

static void test_wrappers_record(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(12, 10, 8));
    hone_sched s = {0};
    hone_rv b, root, l[4], p[4], v[4], u, blocks[4];
    unsigned n;
    hone_sched_start(&s, &base, NULL);
    APPLY(hone_get_block(&s, "C", &b, err));
    APPLY(hone_get_block(&s, "root", &root, err));
    APPLY(hone_get_child_blocks(&s, root, blocks, 4, &n, err));
    assert_int_equal(n, 1);
    APPLY(hone_get_loops(&s, b, l, 4, &n, err));
    assert_int_equal(n, 3);
    APPLY(hone_sample_perfect_tile(&s, l[0], 2, 64, (int64_t[]){3, 4}, v, err));
    APPLY(hone_split(&s, l[0], v, 2, p, err));
    APPLY(hone_split_by(&s, l[1], (int64_t[]){0, 4}, 2, &p[2], err));
    APPLY(hone_reorder(&s, (hone_rv[]){p[0], p[2], l[2], p[1], p[3]}, 5, err));
    APPLY(hone_fuse(&s, (hone_rv[]){p[0], p[2]}, 2, &u, err));
    APPLY(hone_parallel(&s, u, err));
    APPLY(hone_vectorize(&s, p[3], err));
    APPLY(hone_unroll(&s, p[1], err));
    APPLY(hone_sample_categorical(&s, (int64_t[]){0, 16}, (double[]){.75, .25}, 2, (int64_t[]){1},
                                  v, err));
    APPLY(hone_annotate_rv(&s, root, "unroll", v[0], err));
    APPLY(hone_annotate(&s, l[2], "depth", 2, err));
    APPLY(hone_unannotate(&s, l[2], "depth", err));
    APPLY(hone_add_unit_loop(&s, b, &u, err));
    APPLY(hone_enter_postproc(&s, err));
    char *text = hone_trace_text(&s.trace);
    assert_string_equal(text, "[[[\"GetBlock\",[],[\"C\",\"main\"],[\"b0\"]],"
                              "[\"GetBlock\",[],[\"root\",\"main\"],[\"b1\"]],"
                              "[\"GetChildBlocks\",[\"b1\"],[],[\"b2\"]],"
                              "[\"GetLoops\",[\"b0\"],[],[\"l3\",\"l4\",\"l5\"]],"
                              "[\"SamplePerfectTile\",[\"l3\"],[2,64],[\"v6\",\"v7\"]],"
                              "[\"Split\",[\"l3\",\"v6\",\"v7\"],[1,0],[\"l8\",\"l9\"]],"
                              "[\"Split\",[\"l4\",\"None\",4],[1,0],[\"l10\",\"l11\"]],"
                              "[\"Reorder\",[\"l8\",\"l10\",\"l5\",\"l9\",\"l11\"],[],[]],"
                              "[\"Fuse\",[\"l8\",\"l10\"],[1],[\"l12\"]],"
                              "[\"Parallel\",[\"l12\"],[],[]],"
                              "[\"Vectorize\",[\"l11\"],[],[]],"
                              "[\"Unroll\",[\"l9\"],[],[]],"
                              "[\"SampleCategorical\",[],[[0,16],[0.75,0.25]],[\"v13\"]],"
                              "[\"Annotate\",[\"b1\",\"v13\"],[\"unroll\"],[]],"
                              "[\"Annotate\",[\"l5\",2],[\"depth\"],[]],"
                              "[\"Unannotate\",[\"l5\"],[\"depth\"],[]],"
                              "[\"AddUnitLoop\",[\"b0\"],[],[\"l14\"]],"
                              "[\"EnterPostproc\",[],[],[]]],"
                              "[[4,[3,4]],[12,1]]]");
    free(text);
    check_text(&s.prog, "program matmul @unroll=16 {\n"
                        "  buffer A: f32[12, 8] input\n"
                        "  buffer B: f32[8, 10] input\n"
                        "  buffer C: f32[12, 10] output\n"
                        "  for i_0_j_0_fused in 9 parallel {\n"
                        "    for k in 8 {\n"
                        "      for i_1 in 4 unrolled {\n"
                        "        for j_1 in 4 vectorized {\n"
                        "          for u in 1 {\n"
                        "            block C(vi: 12 = i_1 + i_0_j_0_fused // 3*4, "
                        "vj: 10 = j_1 + i_0_j_0_fused % 3*4, reduce vk: 8 = k) "
                        "where j_1 + i_0_j_0_fused % 3*4 < 10 {\n"
                        "              init 0.0\n"
                        "              C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"
                        "            }\n          }\n        }\n      }\n    }\n  }\n}\n");
    check_round_trip(&s, &base);
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

static void test_caches_and_places(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL_BIAS_RELU(12, 16, 8));
    hone_sched s = {0};
    hone_rv c, sum, l[4], p[4], copies[2], cache, at, blocks[4];
    unsigned n;
    hone_sched_start(&s, &base, NULL);
    APPLY(hone_get_block(&s, "C", &c, err));
    APPLY(hone_get_block(&s, "S", &sum, err));
    APPLY(hone_get_producers(&s, sum, blocks, 4, &n, err));
    assert_int_equal(n, 1);
    assert_int_equal(hone_rv_stmt(&s, blocks[0]).i, hone_rv_stmt(&s, c).i);
    APPLY(hone_get_consumers(&s, sum, blocks, 4, &n, err));
    assert_int_equal(n, 1);
    assert_int_equal(hone_rv_stmt(&s, blocks[0]).i, block_of(&s.prog, "D").i);
    APPLY(hone_compute_inline(&s, sum, err));
    REFUSED(&s, HONE_REJECT_ARG, hone_get_loops(&s, sum, l, 4, &n, err));
    APPLY(hone_get_loops(&s, c, l, 4, &n, err));
    APPLY(hone_split_by(&s, l[0], (int64_t[]){0, 4}, 2, p, err));
    APPLY(hone_split_by(&s, l[1], (int64_t[]){0, 8}, 2, &p[2], err));
    APPLY(hone_reorder(&s, (hone_rv[]){p[0], p[2], l[2], p[1], p[3]}, 5, err));
    APPLY(hone_cache_accumulate(&s, c, p[2], HONE_LOCAL, copies, err));
    APPLY(hone_cache_read(&s, c, 1, HONE_GLOBAL, &cache, err));
    APPLY(hone_compute_at(&s, cache, p[2], err));
    APPLY(hone_sample_compute_location(&s, c, (int64_t[]){-1}, &at, err));
    assert_int_equal(hone_rv_stmt(&s, at).i, 0);
    APPLY(hone_compute_at(&s, c, at, err)); /* at the root: stays */
    check_round_trip(&s, &base);
    char *text = hone_trace_text(&s.trace);
    assert_non_null(strstr(text, "[\"CacheAccumulate\",[\"b0\",\"l"));
    assert_non_null(strstr(text, "[0,\"local\"]"));
    free(text);
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

static void test_reduction_and_layout(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(12, 12, 8));
    hone_sched s = {0};
    hone_rv c, l[4], copy, v, init;
    unsigned n;
    hone_sched_start(&s, &base, NULL);
    APPLY(hone_get_block(&s, "C", &c, err));
    APPLY(hone_get_loops(&s, c, l, 4, &n, err));
    APPLY(hone_sample_categorical(&s, (int64_t[]){4}, NULL, 1, (int64_t[]){0}, &v, err));
    APPLY(hone_cache_read(&s, c, 1, HONE_GLOBAL, &copy, err));
    APPLY(hone_transform_layout(&s, copy, "lambda k, j: (j // v0, k, j % v0)", &v, 1, err));
    APPLY(hone_cache_write(&s, c, HONE_GLOBAL, &copy, err));
    APPLY(hone_decompose_reduction(&s, c, l[2], &init, err));
    check_round_trip(&s, &base);
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

static void test_rejections_change_nothing(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL_BIAS_RELU(12, 10, 8));
    hone_sched s = {0};
    hone_rv b, l[4], p[8], r, at;
    unsigned n;
    hone_sched_start(&s, &base, NULL);
    APPLY(hone_get_block(&s, "C", &b, err));
    APPLY(hone_get_loops(&s, b, l, 4, &n, err));
    REFUSED(&s, HONE_REJECT_ARG, hone_get_block(&s, "nobody", &r, err));
    REFUSED(&s, HONE_REJECT_SPLIT, hone_split_by(&s, l[0], (int64_t[]){2, 5}, 2, p, err));
    REFUSED(&s, HONE_REJECT_SPLIT, hone_split_by(&s, l[0], (int64_t[9]){12}, 9, p, err));
    REFUSED(&s, HONE_E_INPUT, hone_split_by(&s, l[0], (int64_t[]){0, 0}, 2, p, err));
    REFUSED(&s, HONE_E_INPUT, hone_split(&s, b, (hone_rv[]){{0}}, 1, p, err));
    REFUSED(&s, HONE_E_INPUT, hone_split(&s, l[0], (hone_rv[]){l[1]}, 1, p, err));
    REFUSED(&s, HONE_E_INPUT, hone_reorder(&s, (hone_rv[]){l[0], {77}}, 2, err));
    REFUSED(&s, HONE_E_INPUT, hone_reorder(&s, NULL, 0, err));
    REFUSED(&s, HONE_E_INPUT, hone_fuse(&s, NULL, 0, &r, err));
    REFUSED(&s, HONE_REJECT_NOT_CHAIN, hone_fuse(&s, (hone_rv[]){l[0], l[2]}, 2, &r, err));
    REFUSED(&s, HONE_REJECT_REDUCE, hone_parallel(&s, l[2], err));
    REFUSED(&s, HONE_REJECT_ARG, hone_vectorize(&s, l[0], err));
    REFUSED(&s, HONE_REJECT_ARG, hone_unannotate(&s, b, "none", err));
    REFUSED(&s, HONE_E_INPUT, hone_sample_perfect_tile(&s, l[0], 2, 64, NULL, p, err)); /* no rng */
    REFUSED(&s, HONE_E_INPUT, hone_sample_compute_location(&s, b, NULL, &at, err));
    REFUSED(&s, HONE_REJECT_DECISION,
            hone_sample_compute_location(&s, b, (int64_t[]){2}, &at, err));
    REFUSED(&s, HONE_REJECT_DECISION,
            hone_sample_compute_location(&s, b, (int64_t[]){-3}, &at, err));

    /* dead variables */
    APPLY(hone_split_by(&s, l[0], (int64_t[]){3, 4}, 2, p, err));
    REFUSED(&s, HONE_REJECT_ARG, hone_split_by(&s, l[0], (int64_t[]){3, 4}, 2, p, err));
    REFUSED(&s, HONE_REJECT_ARG, hone_annotate(&s, l[0], "k", 1, err));
    APPLY(hone_fuse(&s, (hone_rv[]){p[0], p[1]}, 2, &r, err));
    REFUSED(&s, HONE_REJECT_ARG, hone_parallel(&s, p[0], err));
    /* a place that is no loop */
    APPLY(hone_sample_compute_location(&s, b, (int64_t[]){-1}, &at, err));
    REFUSED(&s, HONE_REJECT_ARG, hone_parallel(&s, at, err));
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

static void test_apply_from_a_pool(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(12, 10, 8));
    hone_trace t = trace_of(tvm_search_part);
    hone_sched s = {0};
    hone_rv first;
    uint32_t n;
    hone_sched_start(&s, &base, NULL);
    for (unsigned k = 0; k < 4; k++) { /* up to GetLoops: the same variables as in the pool */
        const hone_inst *in = &t.insts.v[k];
        APPLY(hone_sched_apply(&s, in->kind, &t, &t.values.v[in->inputs], in->n_inputs,
                               &t.values.v[in->attrs], in->n_attrs, NULL, 0, &first, &n, err));
        assert_int_equal(n, in->n_outputs);
        if (n)
            assert_int_equal(first.i, in->outputs);
    }
    /* nested lists; operands that lie in the schedule's own trace */
    const hone_inst *in = &t.insts.v[15];
    APPLY(hone_sched_apply(&s, in->kind, &t, NULL, 0, &t.values.v[in->attrs], in->n_attrs,
                           (int64_t[]){3}, 1, &first, &n, err));
    assert_int_equal(hone_rv_int(&s, first), 512);
    for (int k = 0; k < 40; k++) {
        in = &s.trace.insts.v[4];
        APPLY(hone_sched_apply(&s, in->kind, &s.trace, NULL, 0, &s.trace.values.v[in->attrs],
                               in->n_attrs, (int64_t[]){k % 4}, 1, &first, &n, err));
    }
    check_round_trip(&s, &base);

    REFUSED(&s, HONE_E_INPUT,
            hone_sched_apply(&s, HONE_INST_NONE, NULL, NULL, 0, NULL, 0, NULL, 0, NULL, NULL, err));
    REFUSED(
        &s, HONE_E_INPUT,
        hone_sched_apply(&s, HONE_INST_COUNT, NULL, NULL, 0, NULL, 0, NULL, 0, NULL, NULL, err));
    REFUSED(&s, HONE_E_INPUT,
            hone_sched_apply(&s, HONE_INST_EnterPostproc, NULL, NULL, 0, NULL, 0, (int64_t[]){0}, 1,
                             NULL, NULL, err));
    hone_value list = {.kind = HONE_VALUE_LIST};
    REFUSED(&s, HONE_E_INPUT,
            hone_sched_apply(&s, HONE_INST_GetBlock, NULL, NULL, 0, (hone_value[]){list, list}, 2,
                             NULL, 0, NULL, NULL, err));
    REFUSED(&s, HONE_E_INPUT,
            hone_sched_apply(&s, HONE_INST_GetBlock, NULL, NULL, 0, &list, 1, NULL, 0, NULL, NULL,
                             err));
    hone_sched_fini(&s);
    hone_trace_free(&t);
    hone_program_fini(&base);
}

static void test_replay_elsewhere(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(128, 128, 128));
    hone_program other = load_program(MATMUL(96, 128, 128)), small = load_program(STENCIL);
    hone_trace t = trace_of(tvm_search_part);
    hone_sched s = {0};
    hone_error why;
    assert_int_equal(hone_trace_replay(&t, &other, &s, NULL, false, &why), HONE_REJECT_DECISION);
    assert_int_equal(s.trace.insts.n, 4); /* what did apply */
    assert_int_equal(hone_trace_replay(&t, &small, &s, NULL, false, &why), HONE_REJECT_ARG);

    /* fewer loops than the trace has variables for */
    hone_trace loops = trace_of("[[[\"GetBlock\",[],[\"T\",\"main\"],[\"b0\"]],"
                                "[\"GetLoops\",[\"b0\"],[],[\"l1\",\"l2\",\"l3\"]]],[]]");
    assert_int_equal(hone_trace_replay(&loops, &small, &s, NULL, false, &why), HONE_REJECT_ARG);
    assert_non_null(strstr(why.message, "made for another program"));

    /* missing decisions are sampled when there is a generator, else refused */
    for (uint32_t k = 0; k < t.insts.n; k++)
        t.insts.v[k].n_decision = 0;
    assert_int_equal(hone_trace_replay(&t, &base, &s, NULL, false, &why), HONE_E_INPUT);
    hone_rng rng;
    hone_rng_seed(&rng, 3);
    APPLY(hone_trace_replay(&t, &base, &s, &rng, false, err));
    APPLY(hone_verify(&s.prog, err));
    hone_trace_free(&t);
    hone_trace_free(&loops);
    hone_sched_fini(&s);
    hone_program_fini(&base);
    hone_program_fini(&other);
    hone_program_fini(&small);
}

/* Cutting a schedule's own trace, replaying and extending it again and again: no growth. */
static void test_replay_in_place(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(128, 128, 128));
    hone_trace t = trace_of(tvm_search_part);
    hone_sched s = {0};
    APPLY(hone_trace_replay(&t, &base, &s, NULL, false, err));
    uint64_t program = 0, trace = 0;
    uint32_t values = 0, chars = 0;
    for (int round = 0; round < 5; round++) {
        hone_rv root;
        APPLY(hone_get_block(&s, "root", &root, err));
        APPLY(hone_unannotate(&s, root, "meta_schedule.parallel", err));
        if (round == 0) {
            program = hone_program_hash(&s.prog);
            trace = hone_trace_hash(&s.trace);
            values = s.trace.values.n;
            chars = s.trace.chars.n;
        }
        assert_true(hone_program_hash(&s.prog) == program);
        assert_true(hone_trace_hash(&s.trace) == trace);
        assert_int_equal(s.trace.values.n, values);
        assert_int_equal(s.trace.chars.n, chars);
        hone_trace cut = s.trace; /* a shorter view of the same rows */
        cut.insts.n = hone_trace_search_part(&cut) + 1;
        APPLY(hone_trace_replay(&cut, &base, &s, NULL, false, err));
        assert_true(hone_trace_hash(&s.trace) == hone_trace_hash(&t));
    }
    hone_sched_fini(&s);
    hone_trace_free(&t);
    hone_program_fini(&base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tvm_trace),
        cmocka_unit_test(test_wrappers_record),
        cmocka_unit_test(test_caches_and_places),
        cmocka_unit_test(test_reduction_and_layout),
        cmocka_unit_test(test_rejections_change_nothing),
        cmocka_unit_test(test_apply_from_a_pool),
        cmocka_unit_test(test_replay_elsewhere),
        cmocka_unit_test(test_replay_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
