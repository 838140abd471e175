/* A temporary in a wider type. */
#include "tests/space/trace_test.h"

#define PRODUCT(A, B, CAST_A, CAST_B)                                                   \
    "program product {\n"                                                               \
    "  buffer A: " A "[4, 6] input\n"                                                   \
    "  buffer B: " B "[6, 5] input\n"                                                   \
    "  buffer C: i32[4, 5] output\n"                                                    \
    "  for i in 4 {\n    for j in 5 {\n      for k in 6 {\n"                            \
    "        block C(vi: 4 = i, vj: 5 = j, reduce vk: 6 = k) {\n"                       \
    "          init i32(0)\n"                                                           \
    "          C[vi, vj] = C[vi, vj] + " CAST_A "(A[vi, vk]) * " CAST_B "(B[vk, vj])\n" \
    "        }\n      }\n    }\n  }\n}\n"

static void widens_a_copy(void **state)
{
    (void)state;
    hone_program p = load_program(PRODUCT("u8", "i8", "i32", "i32")), before = copy_program(&p);
    hone_stmt copy;
    APPLY(hone_prim__cache_read(&p, block_of(&p, "C"), 1, HONE_LOCAL, &copy, err));
    APPLY(hone_prim__widen(&p, copy, HONE_I16, err));
    check_text(&p, "program product {\n"
                   "  buffer A: u8[4, 6] input\n"
                   "  buffer B: i8[6, 5] input\n"
                   "  buffer C: i32[4, 5] output\n"
                   "  buffer B_local_i16: i16[6, 5] local\n"
                   "  for ax0 in 6 {\n"
                   "    for ax1 in 5 {\n"
                   "      block B_local(v0: 6 = ax0, v1: 5 = ax1) {\n"
                   "        B_local_i16[v0, v1] = i16(B[v0, v1])\n"
                   "      }\n"
                   "    }\n"
                   "  }\n"
                   "  for i in 4 {\n"
                   "    for j in 5 {\n"
                   "      for k in 6 {\n"
                   "        block C(vi: 4 = i, vj: 5 = j, reduce vk: 6 = k) {\n"
                   "          init i32(0)\n"
                   "          C[vi, vj] = C[vi, vj] + i32(A[vi, vk]) * i32(B_local_i16[vk, vj])\n"
                   "        }\n"
                   "      }\n"
                   "    }\n"
                   "  }\n"
                   "}\n");
    /* again, to what the reader wants: no cast is left there */
    APPLY(hone_prim__widen(&p, copy, HONE_I32, err));
    char *text = program_text(&p);
    assert_non_null(strstr(text, "B_local_i16_i32[v0, v1] = i32(i16(B[v0, v1]))"));
    assert_non_null(strstr(text, "i32(A[vi, vk]) * B_local_i16_i32[vk, vj]"));
    free(text);
    end_same(&before, &p);
}

/* Both operands, and what is done to a copy afterwards. */
static void before_other_primitives(void **state)
{
    (void)state;
    hone_program p = load_program(PRODUCT("i8", "u8", "i32", "i32")), before = copy_program(&p);
    hone_stmt a, b, ret[2];
    APPLY(hone_prim__cache_read(&p, block_of(&p, "C"), 0, HONE_GLOBAL, &a, err));
    APPLY(hone_prim__widen(&p, a, HONE_I16, err));
    APPLY(hone_prim__cache_read(&p, block_of(&p, "C"), 1, HONE_GLOBAL, &b, err));
    APPLY(hone_prim__widen(&p, b, HONE_I16, err));
    APPLY(hone_prim__transform_layout(&p, b, "lambda k, j: (j // 2, k, j % 2)", NULL, 0, err));
    APPLY(hone_prim__storage_align(&p, a, 0, 8, 3, err));
    /* a copy of a copy */
    APPLY(hone_prim__cache_read(&p, block_of(&p, "C"), 0, HONE_LOCAL, ret, err));
    APPLY(hone_prim__compute_at(&p, ret[0], loop_of(&p, "C", 0), err));
    APPLY(hone_prim__cache_accumulate(&p, block_of(&p, "C"), loop_of(&p, "C", 1), HONE_LOCAL, ret,
                                      err));
    end_same(&before, &p);
}

/* The guard of a padding stays outermost, where other primitives look for it. */
static void guards_stay(void **state)
{
    (void)state;
    hone_program p =
        load_program("program padded {\n  buffer X: u8[7] input\n  buffer W: i8[3] input\n"
                     "  buffer Y: i32[7] output\n  buffer P: u8[9]\n"
                     "  for h in 9 {\n    block P(v: 9 = h) {\n"
                     "      P[v] = select(0 < v and v < 8, X[v - 1], u8(0)) } }\n"
                     "  for i in 7 {\n    for r in 3 {\n"
                     "      block Y(v: 7 = i, reduce vr: 3 = r) {\n        init i32(0)\n"
                     "        Y[v] = Y[v] + i32(P[v + vr]) * i32(W[vr]) } } }\n}\n");
    hone_program before = copy_program(&p);
    hone_stmt copy, init;
    APPLY(hone_prim__widen(&p, block_of(&p, "P"), HONE_I16, err));
    char *text = program_text(&p);
    assert_non_null(strstr(text, "P_i16[v] = select(0 < v and v < 8, i16(X[v - 1]), i16(0))"));
    free(text);
    check_same(&before, &p);
    APPLY(hone_prim__compute_inline(&p, block_of(&p, "P"), err));
    APPLY(hone_prim__cache_read(&p, block_of(&p, "Y"), 0, HONE_GLOBAL, &copy, err));
    APPLY(hone_prim__widen(&p, copy, HONE_I16, err));
    APPLY(hone_prim__decompose_reduction(&p, block_of(&p, "Y"), loop_of(&p, "Y", 1), &init, err));
    APPLY(hone_prim__skip_zeros(&p, block_of(&p, "Y"), err));
    text = program_text(&p);
    assert_non_null(strstr(text, "Y[v] = Y[v] + i32(X_global_i16[v + vr - 1]) * i32(W[vr])"));
    free(text);
    end_same(&before, &p);
}

#define STAGE(TYPE, VALUE, CAST)                                                    \
    "program stage {\n  buffer X: " TYPE "[40] input\n  buffer Y: f64[40] output\n" \
    "  buffer T: " TYPE "[40]\n"                                                    \
    "  for h in 40 {\n    block T(v: 40 = h) {\n      T[v] = " VALUE " } }\n"       \
    "  for i in 40 {\n    block Y(v: 40 = i) {\n      Y[v] = " CAST " } }\n}\n"

/* What is computed, and not just copied, is stored as it was rounded, or wrapped, before. */
static void values_stay(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        hone_dtype wide;
    } all[] = {
        {STAGE("bf16", "X[v] * bf16(0.3) + bf16(100.0)", "f64(f32(T[v]))"), HONE_F32},
        {STAGE("f16", "X[v] * f16(0.3)", "f64(T[v])"), HONE_F32},
        {STAGE("f16", "select(v < 9, X[v] / f16(3.0), f16(0.1))", "f64(T[v])"), HONE_F64},
        {STAGE("u8", "X[v] * u8(77)", "f64(i32(T[v]))"), HONE_I16},
        {STAGE("i8", "X[v] * i8(77)", "f64(T[v])"), HONE_F16},
        {STAGE("i8", "X[v] * i8(77)", "f64(f32(T[v]) + f32(T[39 - v]))"), HONE_BF16},
    };
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        hone_program p = load_program(all[k].text), before = copy_program(&p);
        APPLY(hone_prim__widen(&p, block_of(&p, "T"), all[k].wide, err));
        end_same(&before, &p);
    }
}

static void rejected(void **state)
{
    (void)state;
    static const struct {
        const char *text, *block;
        hone_dtype wide;
    } all[] = {
        /* an argument; a sum */
        {STAGE("u8", "X[v]", "f64(i32(T[v]))"), "Y", HONE_F64},
        {PRODUCT("u8", "i8", "i32", "i32"), "C", HONE_I64},
        {"program sums {\n  buffer X: i8[4, 3] input\n  buffer Y: i32[4] output\n"
         "  buffer T: i8[4]\n  for h in 4 {\n    for k in 3 {\n"
         "      block T(v: 4 = h, reduce vk: 3 = k) {\n        init i8(0)\n"
         "        T[v] = T[v] + X[v, vk] } } }\n"
         "  for i in 4 {\n    block Y(v: 4 = i) {\n      Y[v] = i32(T[v]) } }\n}\n",
         "T", HONE_I16},
        /* the same type, narrower ones, one that cannot have all values */
        {STAGE("i16", "X[v]", "f64(i32(T[v]))"), "T", HONE_I16},
        {STAGE("i16", "X[v]", "f64(i32(T[v]))"), "T", HONE_I8},
        {STAGE("i16", "X[v]", "f64(i32(T[v]))"), "T", HONE_F16},
        {STAGE("u8", "X[v]", "f64(i32(T[v]))"), "T", HONE_I8},
        {STAGE("i32", "X[v]", "f64(T[v])"), "T", HONE_F32},
        {STAGE("f16", "X[v]", "f64(T[v])"), "T", HONE_BF16},
        {STAGE("bf16", "X[v]", "f64(T[v])"), "T", HONE_F16},
        /* readers that compute in the narrow type, alone or beside others, or convert to another */
        {STAGE("u8", "X[v]", "f64(i32(T[v] * u8(3)))"), "T", HONE_I16},
        {STAGE("u8", "X[v]", "f64(i32(T[v]) + i32(T[v] + u8(1)))"), "T", HONE_I16},
        {STAGE("u8", "X[v]", "f64(i8(T[v]))"), "T", HONE_I16},
        {STAGE("f16", "X[v]", "f64(i32(T[v]))"), "T", HONE_F32},
        {STAGE("f16", "X[v]", "f64(f32(T[v]))"), "T", HONE_F64},
        /* an index is read from it */
        {STAGE("i32", "X[v]", "f64(X[i64(T[v])])"), "T", HONE_F64},
    };
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        hone_program p = load_program(all[k].text);
        CHECK_REJECTED(&p, HONE_REJECT_ARG,
                       hone_prim__widen(&p, block_of(&p, all[k].block), all[k].wide, err));
        hone_program_fini(&p);
    }
    hone_program p = load_program(PRODUCT("u8", "i8", "i32", "i32"));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__widen(&p, p.root, HONE_I16, err));
    hone_program_fini(&p);
}

#define CACHE                                        \
    "[[[\"GetBlock\",[],[\"C\",\"main\"],[\"b0\"]]," \
    "[\"CacheRead\",[\"b0\",[\"b0\"]],[1,\"global\"],[\"b1\"]]"

static void traces(void **state)
{
    (void)state;
    hone_program base = load_program(PRODUCT("u8", "i8", "i32", "i32"));
    hone_sched s = {0};
    replay_text(&base, CACHE ",[\"Widen\",[\"b1\"],[\"i16\"],[]]],[]]", &s);
    char *text = program_text(&s.prog);
    assert_non_null(strstr(text, "B_global_i16[v0, v1] = i16(B[v0, v1])"));
    free(text);
    static const struct {
        const char *inst;
        hone_status status;
    } bad[] = {{",[\"Widen\",[\"b1\"],[\"i17\"],[]]],[]]", HONE_REJECT_ARG},
               {",[\"Widen\",[\"b1\"],[\"i8\"],[]]],[]]", HONE_REJECT_ARG},
               {",[\"Widen\",[\"b1\"],[16],[]]],[]]", HONE_E_INPUT},
               {",[\"Widen\",[\"b1\"],[],[]]],[]]", HONE_E_INPUT}};
    for (unsigned k = 0; k < HONE_LEN(bad); k++) {
        hone_error err;
        hone_trace t = {0};
        char *trace = hone_xasprintf(CACHE "%s", bad[k].inst);
        hone_status st = hone_trace_parse(trace, strlen(trace), &t, &err);
        if (st == HONE_OK)
            st = hone_trace_replay(&t, &base, &s, NULL, false, &err);
        assert_int_equal(st, bad[k].status);
        hone_trace_free(&t);
        free(trace);
    }
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widens_a_copy), cmocka_unit_test(before_other_primitives),
        cmocka_unit_test(guards_stay),   cmocka_unit_test(values_stay),
        cmocka_unit_test(rejected),      cmocka_unit_test(traces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
