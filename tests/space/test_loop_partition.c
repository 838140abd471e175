/* loop_partition, merge, bind, reorder_block_iter_var, GetOutputBlocks, SamplePartitionedTile. */
#include "tests/space/trace_test.h"

/* Two stages over the same elements, the second reading its neighbours too. */
#define TWO_STAGES(read)                               \
    "program two {\n"                                  \
    "  buffer X: f32[8, 6] input\n"                    \
    "  buffer Y: f32[8, 6] output\n"                   \
    "  buffer T: f32[8, 6]\n"                          \
    "  for i in 8 {\n"                                 \
    "    for j in 6 {\n"                               \
    "      block T(vi: 8 = i, vj: 6 = j) {\n"          \
    "        T[vi, vj] = X[vi, vj] + 1.0\n"            \
    "      }\n    }\n  }\n"                            \
    "  for i_1 in 8 {\n"                               \
    "    for j_1 in 6 {\n"                             \
    "      block Y(vi: 8 = i_1, vj: 6 = j_1) {\n"      \
    "        Y[vi, vj] = T[vi, vj] * 2.0 + " read "\n" \
    "      }\n    }\n  }\n}\n"

#define GET(block, k) "[\"GetBlock\",[],[\"" block "\",\"main\"],[\"b" #k "\"]]"

static void partition_effect(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(7, 3, 4));
    hone_sched s = {0};
    replay_text(&base,
                "[[" GET("C", 0) ",[\"GetLoops\",[\"b0\"],[],[\"l1\",\"l2\",\"l3\"]],"
                                 "[\"LoopPartition\",[\"l1\",5,\"None\"],[1],[\"l4\",\"l5\"]],"
                                 "[\"Unroll\",[\"l5\"],[],[]]],[]]",
                &s);
    check_text(&s.prog, "program matmul {\n"
                        "  buffer A: f32[7, 4] input\n"
                        "  buffer B: f32[4, 3] input\n"
                        "  buffer C: f32[7, 3] output\n"
                        "  for i_0 in 5 {\n"
                        "    for j in 3 {\n"
                        "      for k in 4 {\n"
                        "        block C(vi: 7 = i_0, vj: 3 = j, reduce vk: 4 = k) {\n"
                        "          init 0.0\n"
                        "          C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"
                        "        }\n      }\n    }\n  }\n"
                        "  for i_1 in 2 unrolled {\n"
                        "    for j_1 in 3 {\n"
                        "      for k_1 in 4 {\n"
                        "        block C_1(vi: 7 = i_1 + 5, vj: 3 = j_1, reduce vk: 4 = k_1) {\n"
                        "          init 0.0\n"
                        "          C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"
                        "        }\n      }\n    }\n  }\n}\n");
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

/* Only the first part of a sum starts it, so that the others have no init which decompose_reduction
 * could put before them. */
static void partition_of_a_sum(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL(3, 2, 9)), before = copy_program(&p);
    hone_stmt parts[3], ret;
    APPLY(hone_prim__loop_partition(&p, loop_of(&p, "C", 2), (int64_t[]){2, 0, 3}, 3, parts, err));
    check_same(&before, &p);
    assert_true(hone_stmt_at(&p, block_of(&p, "C"))->init.i != 0);
    assert_int_equal(hone_stmt_at(&p, block_of(&p, "C_1"))->init.i, 0);
    assert_int_equal(hone_stmt_at(&p, block_of(&p, "C_2"))->init.i, 0);
    assert_int_equal(hone_loop_extent(&p, parts[1]), 4);
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__decompose_reduction(&p, block_of(&p, "C_1"), parts[1], &ret, err));
    APPLY(hone_prim__decompose_reduction(&p, block_of(&p, "C"), parts[0], &ret, err));
    check_same(&before, &p);
    /* Both write one buffer: neither is a whole stage any more. */
    CHECK_REJECTED(&p, HONE_REJECT_DEPENDENCY,
                   hone_prim__cache_write(&p, block_of(&p, "C_1"), HONE_GLOBAL, &ret, err));
    hone_program_fini(&p);

    p = copy_program(&before); /* a part of one step */
    APPLY(hone_prim__loop_partition(&p, loop_of(&p, "C", 2), (int64_t[]){8, 1}, 2, parts, err));
    check_same(&before, &p);
    assert_int_equal(hone_stmt_at(&p, block_of(&p, "C_1"))->init.i, 0);
    hone_program_fini(&p);
    hone_program_fini(&before);
}

/* Guards of imperfect splits, fused loops, several blocks and kinds below, parts of one. */
static void partition_keeps_meaning(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(7, 5, 4)), before = copy_program(&p);
    hone_stmt parts[4], fused;
    split_loop(&p, "C", 0, 0, 3);
    APPLY(hone_prim__reverse_compute_at(&p, block_of(&p, "S"), loop_of(&p, "C", 0), err));
    APPLY(hone_prim__set_loop_kind(&p, loop_of(&p, "S", 2), HONE_VECTORIZED, err));
    hone_ann_set(&p, loop_of(&p, "C", 3), "a", 1);
    hone_ann_set_text(&p, block_of(&p, "C"), "b", "text");
    APPLY(hone_prim__loop_partition(&p, loop_of(&p, "C", 0), (int64_t[]){1, 1, 1}, 3, parts, err));
    check_same(&before, &p);
    assert_int_equal(hone_ann_get(&p, loop_of(&p, "C_2", 3), "a")->value, 1);
    assert_non_null(hone_ann_get(&p, block_of(&p, "C_2"), "b"));
    assert_int_equal(hone_stmt_at(&p, loop_of(&p, "S_1", 2))->loop_kind, HONE_VECTORIZED);
    hone_stmt two[2] = {loop_of(&p, "D", 0), loop_of(&p, "D", 1)};
    APPLY(hone_prim__fuse(&p, two, 2, &fused, err));
    APPLY(hone_prim__loop_partition(&p, fused, (int64_t[]){8, 0}, 2, parts, err));
    end_same(&before, &p);
}

/* A consumer cannot follow one of the parts only; it can follow the update of a sum whose init
 * stands before. */
static void partition_and_its_consumer(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(7, 5, 4)), before = copy_program(&p);
    hone_program q = copy_program(&p);
    hone_stmt parts[2], ret;
    APPLY(hone_prim__loop_partition(&p, loop_of(&p, "C", 0), (int64_t[]){5, 2}, 2, parts, err));
    CHECK_REJECTED(&p, HONE_REJECT_COMPUTE_AT,
                   hone_prim__reverse_compute_at(&p, block_of(&p, "S"), parts[1], err));
    CHECK_REJECTED(&p, HONE_REJECT_COMPUTE_AT,
                   hone_prim__reverse_compute_at(&p, block_of(&p, "S"), parts[0], err));
    split_loop(&q, "C", 0, 0, 4);
    APPLY(hone_prim__decompose_reduction(&q, block_of(&q, "C"), loop_of(&q, "C", 0), &ret, err));
    APPLY(hone_prim__reverse_compute_at(&q, block_of(&q, "S"), loop_of(&q, "C", 0), err));
    check_same(&before, &q);
    hone_program_fini(&p);
    hone_program_fini(&q);
    hone_program_fini(&before);
}

static void partition_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL(6, 4, 6));
    hone_stmt parts[9], fused, ret;
    hone_stmt i = loop_of(&p, "C", 0);
    CHECK_REJECTED(&p, HONE_REJECT_SPLIT,
                   hone_prim__loop_partition(&p, i, (int64_t[]){2, 3}, 2, parts, err));
    CHECK_REJECTED(&p, HONE_REJECT_SPLIT,
                   hone_prim__loop_partition(&p, i, (int64_t[]){4, 4}, 2, parts, err));
    CHECK_REJECTED(&p, HONE_REJECT_SPLIT,
                   hone_prim__loop_partition(&p, i, (int64_t[]){6, 0}, 2, parts, err));
    CHECK_REJECTED(
        &p, HONE_REJECT_SPLIT,
        hone_prim__loop_partition(&p, i, (int64_t[]){1, 1, 1, 1, 1, 0, 0}, 7, parts, err));
    CHECK_REJECTED(&p, HONE_REJECT_SPLIT,
                   hone_prim__loop_partition(&p, i, (int64_t[9]){0}, 9, parts, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__loop_partition(&p, block_of(&p, "C"), (int64_t[]){6}, 1, parts, err));
    hone_program q = copy_program(&p); /* 6 as 4 * 2: the last part would be beyond */
    split_loop(&q, "C", 0, 4, 2);
    CHECK_REJECTED(
        &q, HONE_REJECT_SPLIT,
        hone_prim__loop_partition(&q, loop_of(&q, "C", 0), (int64_t[]){3, 1}, 2, parts, err));
    hone_program_fini(&q);
    APPLY(hone_prim__set_loop_kind(&p, i, HONE_PARALLEL, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__loop_partition(&p, i, (int64_t[]){3, 3}, 2, parts, err));
    /* k // 2 and k % 2: no single iterator is above 0 in all later iterations */
    split_loop(&p, "C", 2, 3, 2);
    hone_stmt two[2] = {loop_of(&p, "C", 2), loop_of(&p, "C", 3)};
    APPLY(hone_prim__fuse(&p, two, 2, &fused, err));
    APPLY(hone_prim__loop_partition(&p, fused, (int64_t[]){1, 5}, 2, parts, err));
    APPLY(hone_prim__blockize(&p, loop_of(&p, "C_1", 2), false, &ret, err));
    CHECK_REJECTED(
        &p, HONE_REJECT_ARG,
        hone_prim__loop_partition(&p, loop_of(&p, "C", 1), (int64_t[]){2, 2}, 2, parts, err));
    hone_program_fini(&p);
    p = load_program("program r {\n"
                     "  buffer X: f32[6] input\n"
                     "  buffer Y: f32[1] output\n"
                     "  for k in 6 {\n"
                     "    block Y(v: 1 = 0, reduce a: 3 = k // 2, reduce b: 2 = k % 2) {\n"
                     "      init 0.0\n"
                     "      Y[v] = Y[v] + X[a*2 + b]\n"
                     "    }\n  }\n}\n");
    CHECK_REJECTED(
        &p, HONE_REJECT_NOT_AFFINE,
        hone_prim__loop_partition(&p, loop_of(&p, "Y", 0), (int64_t[]){1, 5}, 2, parts, err));
    hone_program_fini(&p);
}

static void merge_effect(void **state)
{
    (void)state;
    hone_program base = load_program(TWO_STAGES("X[vi, vj]"));
    hone_sched s = {0};
    replay_text(&base,
                "[[" GET("T", 0) "," GET("Y", 1) ",[\"GetLoops\",[\"b0\"],[],[\"l2\",\"l3\"]],"
                                                 "[\"GetLoops\",[\"b1\"],[],[\"l4\",\"l5\"]],"
                                                 "[\"Merge\",[\"l5\",\"l3\"],[],[\"l6\"]]],[]]",
                &s);
    check_text(&s.prog, "program two {\n"
                        "  buffer X: f32[8, 6] input\n"
                        "  buffer Y: f32[8, 6] output\n"
                        "  buffer T: f32[8, 6]\n"
                        "  for i_m in 8 {\n"
                        "    for j_m in 6 {\n"
                        "      block T(vi: 8 = i_m, vj: 6 = j_m) {\n"
                        "        T[vi, vj] = X[vi, vj] + 1.0\n"
                        "      }\n"
                        "      block Y(vi: 8 = i_m, vj: 6 = j_m) {\n"
                        "        Y[vi, vj] = T[vi, vj] * 2.0 + X[vi, vj]\n"
                        "      }\n"
                        "    }\n"
                        "  }\n"
                        "}\n");
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

/* What an earlier iteration made may be read; what a later one makes may not. */
static void merge_asks_for_order(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned level; /* loops merged are those of this depth */
        hone_status status;
    } cases[] = {
        {TWO_STAGES("select(0 < vi, T[vi - 1, vj], 0.0)"), 0, HONE_OK},
        {TWO_STAGES("select(0 < vi, T[vi - 1, vj], 0.0)"), 1, HONE_OK},
        {TWO_STAGES("select(vi < 7, T[vi + 1, vj], 0.0)"), 0, HONE_REJECT_DEPENDENCY},
        {TWO_STAGES("select(vj < 5, T[vi, vj + 1], 0.0)"), 0, HONE_OK},
        {TWO_STAGES("select(vj < 5, T[vi, vj + 1], 0.0)"), 1, HONE_REJECT_DEPENDENCY},
        {TWO_STAGES("T[7 - vi, vj]"), 0, HONE_REJECT_DEPENDENCY},
        {TWO_STAGES("T[0, vj]"), 0, HONE_REJECT_DEPENDENCY},
        {TWO_STAGES("T[vi // 2, vj]"), 0, HONE_REJECT_DEPENDENCY},
    };
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        hone_program p = load_program(cases[k].text), before = copy_program(&p);
        hone_stmt two[2] = {loop_of(&p, "T", cases[k].level), loop_of(&p, "Y", cases[k].level)};
        hone_stmt ret;
        if (cases[k].status == HONE_OK) {
            APPLY(hone_prim__merge(&p, two, 2, &ret, err));
            assert_true(HONE_SAME(ret, loop_of(&p, "Y", cases[k].level)));
        } else {
            CHECK_REJECTED(&p, cases[k].status, hone_prim__merge(&p, two, 2, &ret, err));
        }
        check_same(&before, &p);
        hone_program_fini(&p);
        hone_program_fini(&before);
    }
}

/* A sum beside its consumer: complete only inside the merged loop or not at all. */
static void merge_with_a_sum(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(6, 5, 4)), before = copy_program(&p);
    hone_stmt ret;
    hone_stmt three[3] = {loop_of(&p, "S", 0), loop_of(&p, "C", 0), loop_of(&p, "D", 0)};
    APPLY(hone_prim__merge(&p, three, 3, &ret, err));
    check_same(&before, &p);
    hone_stmt two[2] = {loop_of(&p, "C", 1), loop_of(&p, "S", 1)};
    APPLY(hone_prim__merge(&p, two, 2, &ret, err));
    check_same(&before, &p);
    APPLY(hone_prim__set_loop_kind(&p, loop_of(&p, "C", 0), HONE_PARALLEL, err));
    end_same(&before, &p);
}

static void merge_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(6, 5, 4));
    hone_stmt ret;
    hone_stmt c0 = loop_of(&p, "C", 0), c1 = loop_of(&p, "C", 1), s0 = loop_of(&p, "S", 0),
              s1 = loop_of(&p, "S", 1), d0 = loop_of(&p, "D", 0);
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__merge(&p, &c0, 1, &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_NOT_CHAIN,
                   hone_prim__merge(&p, (hone_stmt[]){c0, c1}, 2, &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_NOT_CHAIN,
                   hone_prim__merge(&p, (hone_stmt[]){c0, c0}, 2, &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_NOT_CHAIN,
                   hone_prim__merge(&p, (hone_stmt[]){c0, s1}, 2, &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_NOT_CHAIN,
                   hone_prim__merge(&p, (hone_stmt[]){c0, d0}, 2, &ret, err)); /* S between */
    split_loop(&p, "S", 0, 2, 3);
    CHECK_REJECTED(&p, HONE_REJECT_NOT_CHAIN,
                   hone_prim__merge(&p, (hone_stmt[]){c0, loop_of(&p, "S", 0)}, 2, &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__merge(&p, (hone_stmt[]){c0, s0}, 2, &ret, err));
    hone_program_fini(&p);
}

static void bind_effect(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(6, 4, 3));
    hone_sched s = {0};
    replay_text(
        &base,
        "[[" GET(
            "C",
            0) ",[\"GetLoops\",[\"b0\"],[],[\"l1\",\"l2\",\"l3\"]],"
               "[\"Bind\",[\"l1\"],[\"blockIdx.x\"],[]],[\"Bind\",[\"l2\"],[\"vthread\"],[]]],[]]",
        &s);
    check_text(&s.prog, "program matmul {\n"
                        "  buffer A: f32[6, 3] input\n"
                        "  buffer B: f32[3, 4] input\n"
                        "  buffer C: f32[6, 4] output\n"
                        "  for i in 6 bind blockIdx.x {\n"
                        "    for j in 4 bind vthread {\n"
                        "      for k in 3 {\n"
                        "        block C(vi: 6 = i, vj: 4 = j, reduce vk: 3 = k) {\n"
                        "          init 0.0\n"
                        "          C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"
                        "        }\n"
                        "      }\n"
                        "    }\n"
                        "  }\n"
                        "}\n");
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

static void bind_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL(6, 4, 3));
    hone_stmt i = loop_of(&p, "C", 0), j = loop_of(&p, "C", 1), k = loop_of(&p, "C", 2), two[2];
    static const char *const none[] = {"",           "threadIdx",   "threadIdx.w", "blockIdx.xx",
                                       "threadIdx.", "threadidx.x", "vthread.",    "x"};
    for (unsigned n = 0; n < HONE_LEN(none); n++)
        CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__bind(&p, i, none[n], err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__bind(&p, p.root, "threadIdx.x", err));
    CHECK_REJECTED(&p, HONE_REJECT_REDUCE, hone_prim__bind(&p, k, "threadIdx.x", err));
    APPLY(hone_prim__bind(&p, j, "threadIdx.x", err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__bind(&p, i, "threadIdx.x", err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__bind(&p, j, "threadIdx.y", err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__set_loop_kind(&p, j, HONE_PARALLEL, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__set_loop_kind(&p, j, HONE_SERIAL, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__split(&p, j, (int64_t[]){2, 2}, 2, two, err));
    APPLY(hone_prim__set_loop_kind(&p, i, HONE_PARALLEL, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__bind(&p, i, "blockIdx.x", err));
    hone_program_fini(&p);
}

/* Copies of a bound loop are bound to the same axis, side by side. */
static void bound_copies(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(6, 4, 3)), p = copy_program(&base);
    hone_stmt init;
    REORDER(&p, "C", 2, 0, 1);
    APPLY(hone_prim__bind(&p, loop_of(&p, "C", 2), "threadIdx.x", err));
    APPLY(hone_prim__decompose_reduction(&p, block_of(&p, "C"), loop_of(&p, "C", 0), &init, err));
    assert_int_equal(hone_stmt_at(&p, loop_of(&p, "C_init", 1))->axis, HONE_AXIS_THREAD_X);
    check_same(&base, &p);
    hone_program_fini(&p);
    hone_sched s = {0};
    replay_text(&base,
                "[[" GET("C", 0) ",[\"GetLoops\",[\"b0\"],[],[\"l1\",\"l2\",\"l3\"]],"
                                 "[\"Bind\",[\"l2\"],[\"threadIdx.x\"],[]],"
                                 "[\"LoopPartition\",[\"l1\",2,4],[1],[\"l4\",\"l5\"]]],[]]",
                &s);
    unsigned bound = 0;
    for (hone_stmt l = s.prog.root; l.i; l = hone_next(&s.prog, s.prog.root, l))
        bound += hone_is_loop(&s.prog, l) && hone_stmt_at(&s.prog, l)->axis == HONE_AXIS_THREAD_X;
    assert_int_equal(bound, 2);
    check_same(&base, &s.prog);
    replay_refused(
        &base,
        "[[" GET("C", 0) ",[\"GetLoops\",[\"b0\"],[],[\"l1\",\"l2\",\"l3\"]],"
                         "[\"Annotate\",[\"l1\",\"\\\"vthread\\\"\"],[\"thread_binding\"],[]]],[]]",
        HONE_REJECT_ARG);
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

static void reorder_block_iter_var(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(6, 4, 3));
    hone_sched s = {0};
    replay_text(&base, "[[" GET("C", 0) ",[\"ReorderBlockIterVar\",[\"b0\",[2,0,1]],[],[]]],[]]",
                &s);
    char *text = program_text(&s.prog);
    assert_non_null(strstr(text, "block C(reduce vk: 3 = k, vi: 6 = i, vj: 4 = j) {"));
    free(text);
    hone_stmt b = block_of(&s.prog, "C");
    CHECK_REJECTED(&s.prog, HONE_REJECT_ARG,
                   hone_prim__reorder_block_iter_var(&s.prog, b, (int64_t[]){0, 1}, 2, err));
    CHECK_REJECTED(&s.prog, HONE_REJECT_ARG,
                   hone_prim__reorder_block_iter_var(&s.prog, b, (int64_t[]){0, 1, 1}, 3, err));
    CHECK_REJECTED(&s.prog, HONE_REJECT_ARG,
                   hone_prim__reorder_block_iter_var(&s.prog, b, (int64_t[]){0, 1, 3}, 3, err));
    CHECK_REJECTED(&s.prog, HONE_REJECT_ARG,
                   hone_prim__reorder_block_iter_var(&s.prog, b, (int64_t[]){0, 1, -1}, 3, err));
    /* a list of anything but integers is no such instruction */
    hone_trace t = {0};
    const char *bad = "[[" GET("C", 0) ",[\"ReorderBlockIterVar\",[\"b0\",[\"b0\"]],[],[]]],[]]";
    assert_int_equal(hone_trace_parse(bad, strlen(bad), &t, NULL), HONE_E_INPUT);
    hone_trace_free(&t);
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

static void output_blocks(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL_BIAS_RELU(5, 4, 3));
    hone_sched s = {0};
    replay_text(&base, "[[" GET("root", 0) ",[\"GetOutputBlocks\",[\"b0\"],[],[\"b1\"]]],[]]", &s);
    assert_true(HONE_SAME(hone_rv_stmt(&s, (hone_rv){2}), block_of(&s.prog, "D")));
    replay_refused(&base, "[[" GET("C", 0) ",[\"GetOutputBlocks\",[\"b0\"],[],[]]],[]]",
                   HONE_REJECT_ARG);
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

#define TILE(decision)                                                                             \
    "[[" GET("C", 0) ",[\"GetLoops\",[\"b0\"],[],[\"l1\",\"l2\",\"l3\"]],"                         \
                     "[\"SamplePartitionedTile\",[\"l1\"],[4,2,6],[\"v4\",\"v5\",\"v6\",\"v7\"]]," \
                     "[\"Split\",[\"l1\",\"v4\",\"v5\",\"v6\",\"v7\"],[1,0],[\"l8\",\"l9\","       \
                     "\"l10\",\"l11\"]]],[" decision "]]"

static void partitioned_tile(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(36, 5, 3));
    hone_sched s = {0};
    replay_text(&base, TILE("[2,[2,3,3,2]]"), &s);
    assert_int_equal(hone_loop_extent(&s.prog, loop_of(&s.prog, "C", 2)), 3);
    hone_trace t = trace_of(TILE("[2,[6,3,1,2]]")); /* 1 * 2 is no multiple of 6 */
    assert_int_equal(hone_trace_replay(&t, &base, &s, NULL, false, NULL), HONE_REJECT_DECISION);
    hone_trace_free(&t);
    t = trace_of(TILE("[2,[2,3,3,4]]")); /* 72 */
    assert_int_equal(hone_trace_replay(&t, &base, &s, NULL, false, NULL), HONE_REJECT_DECISION);
    hone_trace_free(&t);
    hone_program other = load_program(MATMUL(10, 5, 3)); /* 6 does not divide 10 */
    t = trace_of(TILE("[2,[1,1,2,5]]"));
    assert_int_equal(hone_trace_replay(&t, &other, &s, NULL, false, NULL), HONE_REJECT_DECISION);
    hone_trace_free(&t);
    hone_program_fini(&other);
    const char *bad =
        "[[" GET("C", 0) ",[\"GetLoops\",[\"b0\"],[],[\"l1\",\"l2\",\"l3\"]],"
                         "[\"SamplePartitionedTile\",[\"l1\"],[2,2,1],[\"v4\",\"v5\"]]],[]]";
    t = trace_of(bad);
    assert_int_equal(hone_trace_replay(&t, &base, &s, NULL, false, NULL), HONE_E_INPUT);
    hone_trace_free(&t);
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

/* Fresh decisions and mutated ones are legal, and reach every split of the inner part. */
static void partitioned_tile_search(void **state)
{
    (void)state;
    hone_space sp = {.base = load_program(MATMUL(36, 5, 3))};
    hone_trace t = trace_of(TILE("")), seen[128];
    hone_sched s = {0};
    hone_rng rng;
    unsigned n_seen = 0;
    hone_rng_seed(&rng, 3);
    for (unsigned k = 0; k < 300; k++) {
        if (k % 3 == 0)
            assert_int_equal(hone_trace_replay(&t, &sp.base, &s, &rng, true, NULL), HONE_OK);
        uint64_t old = hone_trace_hash(&s.trace);
        hone_trace m = {0};
        hone_trace_copy(&m, &s.trace);
        assert_true(hone_space_mutate(&sp, &m, &rng));
        assert_true(hone_trace_hash(&m) != old);
        assert_int_equal(hone_trace_replay(&m, &sp.base, &s, NULL, false, NULL), HONE_OK);
        unsigned q = 0;
        while (q < n_seen && hone_trace_hash(&seen[q]) != hone_trace_hash(&m))
            q++;
        if (q == n_seen && n_seen < HONE_LEN(seen))
            seen[n_seen++] = m;
        else
            hone_trace_free(&m);
    }
    /* 36 = 2^2 3^2 in four factors of which the last two hold a 2 and a 3: (10 - 3) ways for
     * each prime */
    assert_int_equal(n_seen, 49);
    while (n_seen)
        hone_trace_free(&seen[--n_seen]);
    hone_trace_free(&t);
    hone_sched_fini(&s);
    hone_program_fini(&sp.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partition_effect),     cmocka_unit_test(partition_and_its_consumer),
        cmocka_unit_test(partition_of_a_sum),   cmocka_unit_test(partition_keeps_meaning),
        cmocka_unit_test(partition_rejected),   cmocka_unit_test(merge_effect),
        cmocka_unit_test(merge_asks_for_order), cmocka_unit_test(merge_with_a_sum),
        cmocka_unit_test(merge_rejected),       cmocka_unit_test(bind_effect),
        cmocka_unit_test(bind_rejected),        cmocka_unit_test(reorder_block_iter_var),
        cmocka_unit_test(bound_copies),         cmocka_unit_test(output_blocks),
        cmocka_unit_test(partitioned_tile),     cmocka_unit_test(partitioned_tile_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
