#include "codegen_test.h"

/* B packed into panels of 32 columns: layout (N/32, K, 32), at the loop over panels. */
#define PACKED(N, K, PANELS, WHERE, ANN, PACK_LOOPS, PACK_END)                                   \
    "program packed {\n"                                                                         \
    "  buffer A: f32[24, " K "] input\n  buffer B: f32[" K ", " N "] input const\n"              \
    "  buffer C: f32[24, " N "] output\n"                                                        \
    "  buffer P: f32[" PANELS ", " K ", 32]\n  buffer T: f32[24, " N "] local\n" PACK_LOOPS      \
    "  for k in " K " { for v in 32 vectorized {\n"                                              \
    "    block pack(vp: " PANELS " = jo, vk: " K " = k, vv: 32 = v) " ANN " {\n"                 \
    "      P[vp, vk, vv] = select(vp*32 + vv < " N ", B[vk, vp*32 + vv], 0.0) } } }\n" PACK_END  \
    "  for io in 3 {\n"                                                                          \
    "    for iu in 8 unrolled { for ju in 2 unrolled { for v in 16 vectorized {\n"               \
    "      block zero(vi: 24 = io*8 + iu, vj: " N " = jo*32 + ju*16 + v) " WHERE " {\n"          \
    "        T[vi, vj] = 0.0 } } } }\n"                                                          \
    "    for k in " K " {\n"                                                                     \
    "      for iu in 8 unrolled { for ju in 2 unrolled { for v in 16 vectorized {\n"             \
    "      block update(vi: 24 = io*8 + iu, vj: " N " = jo*32 + ju*16 + v, reduce vk: " K        \
    " = k) " WHERE " { T[vi, vj] = T[vi, vj] + A[vi, vk] * P[vj // 32, vk, vj % 32] } } } } }\n" \
    "    for iu in 8 unrolled { for ju in 2 unrolled { for v in 16 vectorized {\n"               \
    "      block store(vi: 24 = io*8 + iu, vj: " N " = jo*32 + ju*16 + v) " WHERE " {\n"         \
    "        C[vi, vj] = T[vi, vj] } } } }\n"                                                    \
    "  } }\n}\n"

#define HERE "  for jo in 3 {\n"
#define AHEAD "  for jo in 3 {\n"
#define AHEAD_END "  }\n  for jo in 3 {\n"
#define EDGE "where jo*32 + ju*16 + v < 85"

static const char even[] = PACKED("96", "200", "3", "", "", HERE, "");
static const char odd[] = PACKED("85", "33", "3", EDGE, "", HERE, "");
static const char ahead[] = PACKED("85", "33", "3", EDGE, "@hone.prepack=1", AHEAD, AHEAD_END);

/* A tile of 8 rows of 3 numbers, in vectors of 16 lanes: each row is a register of its own. */
static const char narrow[] =
    "program narrow {\n"
    "  buffer A: f32[8, 40] input\n  buffer B: f32[40, 3] input\n  buffer C: f32[8, 3] output\n"
    "  buffer T: f32[8, 3] local\n  for once in 1 {\n"
    "    for i in 8 unrolled { for v in 16 vectorized {\n"
    "      block zero(vi: 8 = i, vj: 3 = v) where v < 3 { T[vi, vj] = 0.0 } } }\n"
    "    for k in 40 { for i in 8 unrolled { for v in 16 vectorized {\n"
    "      block update(vi: 8 = i, vj: 3 = v, reduce vk: 40 = k) where v < 3 {\n"
    "        T[vi, vj] = T[vi, vj] + A[vi, vk] * B[vk, vj] } } } }\n"
    "    for i in 8 unrolled { for v in 16 vectorized {\n"
    "      block store(vi: 8 = i, vj: 3 = v) where v < 3 { C[vi, vj] = T[vi, vj] } } }\n"
    "  }\n}\n";

static void rows_of_part_of_a_vector_are_registers(void **state)
{
    (void)state;
    check_same(narrow);
    char *text = emit_text(narrow, HONE_EMIT_LLVM);
    assert_null(strstr(text, " = alloca "));
    free(text);
}

static void packing(void **state)
{
    (void)state;
    check_same(even);
    check_same(odd);
}

/* The panel of one iteration is all that is kept: 200*32 floats, not three times that. */
static void packing_is_compact(void **state)
{
    (void)state;
    char *text = emit_text(even, HONE_EMIT_LLVM);
    assert_non_null(strstr(text, "i64 25600)"));
    assert_null(strstr(text, "i64 76800)"));
    free(text);
}

static void prepacking(void **state)
{
    (void)state;
    check_both(ahead, &(run_options){.expect_pack = true});
    hone_program p = parse_text(ahead);
    check_program(&p, &(run_options){.emit = {.no_prepack = true}});
    hone_code code;
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT};
    assert_int_equal(hone_codegen_emit(test_codegen, &p, &o, &code, NULL), HONE_OK);
    assert_int_equal(code.pack_bytes[0], 0);
    assert_int_equal(code.pack_bytes[1], 3 * 33 * 32 * 4);
    hone_code_free(&code);
    hone_program_fini(&p);
}

/* The input is wanted by another block too, so it must stay as it is. */
static void prepack_refused(void **state)
{
    (void)state;
    check_same("program both {\n"
               "  buffer B: f32[8, 6] input const\n  buffer C: f32[8] output\n"
               "  buffer P: f32[6, 8]\n"
               "  for i in 6 { for j in 8 { block pack(vi: 6 = i, vj: 8 = j) @hone.prepack=1 {\n"
               "    P[vi, vj] = B[vj, vi] } } }\n"
               "  for j in 8 { for i in 6 { block sum(vj: 8 = j, reduce vi: 6 = i) {\n"
               "    init 0.0 C[vj] = C[vj] + P[vi, vj] * B[vj, vi] } } }\n}\n");
}

static const char scratchy[] =
    "program scratchy {\n"
    "  buffer A: f32[64, 100] input\n  buffer C: f32[64, 100] output\n"
    "  buffer T: f32[64, 100]\n  buffer U: f32[64, 2000]\n"
    "  for i in 64 { for j in 100 { block t(vi: 64 = i, vj: 100 = j) {\n"
    "    T[vi, vj] = A[vi, vj] * 2.0 } } }\n"
    "  for i in 64 parallel {\n"
    "    for j in 2000 { block u(vi: 64 = i, vj: 2000 = j) { U[vi, vj] = T[63 - vi, vj % 100] } }\n"
    "    for j in 100 { block c(vi: 64 = i, vj: 100 = j) { C[vi, vj] = U[vi, vj*20] } } }\n}\n";

static void temporaries(void **state)
{
    (void)state;
    check_same(scratchy);
}

static int allowed_slots;

static void *no_scratch(const hone_rt_api *rt, int32_t slot, int64_t bytes)
{
    static char memory[1 << 20] __attribute__((aligned(64)));
    (void)rt;
    return slot < allowed_slots && bytes <= (int64_t)sizeof memory ? memory : NULL;
}

static int32_t in_turn(const hone_rt_api *rt, int64_t n, hone_rt_task task, void *closure)
{
    (void)rt;
    return task(closure, 0, n);
}

static void no_memory(void **state)
{
    (void)state;
    hone_program p = parse_text(scratchy);
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT};
    hone_code code;
    assert_int_equal(hone_codegen_emit(test_codegen, &p, &o, &code, NULL), HONE_OK);
    loaded l = load_code(&code);
    static float a[6400], c[6400];
    void *args[] = {a, c};
    hone_rt_api rt = {HONE_RT_ABI, 1, in_turn, no_scratch};
    for (allowed_slots = 0; allowed_slots < 2; allowed_slots++)
        assert_int_equal(l.kernel(args, &rt), HONE_RT_NOMEM);
    dlclose(l.handle);
    hone_code_free(&code);
    hone_program_fini(&p);
}

/* Two readers see different shifts of the same rows; a halo of two rows is kept. */
static void union_of_boxes(void **state)
{
    (void)state;
    check_same(
        "program halo {\n"
        "  buffer A: f32[40, 30] input\n  buffer C: f32[38, 30] output\n"
        "  buffer T: f32[40, 30]\n"
        "  for io in 19 {\n"
        "    for i in 4 { for j in 30 vectorized { block t(vi: 40 = io*2 + i, vj: 30 = j) {\n"
        "      T[vi, vj] = A[vi, vj] + 1.0 } } }\n"
        "    for i in 2 { for j in 30 vectorized { block c(vi: 38 = io*2 + i, vj: 30 = j) {\n"
        "      C[vi, vj] = T[vi, vj] + T[vi + 1, vj] * T[vi + 2, vj] } } }\n"
        "  }\n}\n");
}

/* A tile whose vectors do not run along its last dimension. */
static void turned_tile(void **state)
{
    (void)state;
    const char *text =
        "program turned {\n"
        "  buffer A: f32[20, 9] input\n  buffer B: f32[9, 32] input\n"
        "  buffer C: f32[20, 32] output\n  buffer T: f32[32, 20] local\n"
        "  for io in 5 {\n"
        "    for i in 4 unrolled { for j in 32 vectorized {\n"
        "    block zero(vi: 20 = io*4 + i, vj: 32 = j) { T[vj, vi] = 0.0 } } }\n"
        "    for k in 9 { for i in 4 unrolled { for j in 32 vectorized {\n"
        "    block up(vi: 20 = io*4 + i, vj: 32 = j, reduce vk: 9 = k) {\n"
        "      T[vj, vi] = T[vj, vi] + A[vi, vk] * B[vk, vj] } } } }\n"
        "    for i in 4 unrolled { for j in 32 vectorized {\n"
        "    block out(vi: 20 = io*4 + i, vj: 32 = j) { C[vi, vj] = T[vj, vi] } } }\n"
        "  }\n}\n";
    check_same(text);
    char *ll = emit_text(text, HONE_EMIT_LLVM);
    assert_null(strstr(ll, "alloca"));
    free(ll);
}

/* Rows written by different threads into one temporary: the last vector of a row must leave the
 * next row alone, even with the values that are already there. */
static void shared_rows(void **state)
{
    (void)state;
    const char *text =
        "program shared {\n"
        "  buffer A: f32[11, 37] input\n  buffer C: f32[11, 37] output\n  buffer T: f32[11, 37]\n"
        "  for i in 11 parallel { for jo in 3 { for v in 16 vectorized {\n"
        "    block t(vi: 11 = i, vj: 37 = jo*16 + v) where jo*16 + v < 37 {\n"
        "      T[vi, vj] = A[vi, vj] + 1.0 } } } }\n"
        "  for i in 11 { for j in 37 { block c(vi: 11 = i, vj: 37 = j) {\n"
        "    C[vi, vj] = T[vi, vj] } } }\n}\n";
    check_same(text);
    char *ll = emit_text(text, HONE_EMIT_LLVM);
    assert_non_null(strstr(ll, "llvm.masked.store"));
    free(ll);
}

static void every_dtype_local(void **state)
{
    (void)state;
    const char *const types[] = {"f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "u8"};
    for (size_t k = 0; k < HONE_LEN(types); k++) {
        char text[1024];
        snprintf(text, sizeof text,
                 "program tile {\n  buffer A: %s[21] input\n  buffer C: %s[21] output\n"
                 "  buffer T: %s[21] local\n"
                 "  for o in 2 {\n"
                 "  for v in 16 vectorized { block t(vi: 21 = o*16 + v) where o*16 + v < 21 {\n"
                 "    T[vi] = A[vi] + A[vi] } }\n"
                 "  for v in 16 vectorized { block c(vi: 21 = o*16 + v) where o*16 + v < 21 {\n"
                 "    C[vi] = T[vi] * T[vi] } } }\n}\n",
                 types[k], types[k], types[k]);
        check_same(text);
    }
}

static void too_much_scratch(void **state)
{
    (void)state;
    hone_error err;
    const char *text =
        "program huge {\n  buffer C: f32[20000, 20000] output\n"
        "  buffer T: f32[20000, 20000]\n"
        "  for i in 20000 { for j in 20000 { block t(vi: 20000 = i, vj: 20000 = j) {\n"
        "    T[vi, vj] = 1.0 } } }\n"
        "  for i in 20000 { for j in 20000 { block c(vi: 20000 = i, vj: 20000 = j) {\n"
        "    C[vi, vj] = T[vj, vi] } } }\n}\n";
    assert_int_equal(emit_status(text, &err), HONE_REJECT_TOO_BIG);
    /* what others are judged by holds it whole */
    hone_program p = parse_text(text);
    hone_code code;
    hone_codegen_options o = {.emit = HONE_EMIT_LLVM, .plain = true};
    assert_int_equal(hone_codegen_emit(test_codegen, &p, &o, &code, &err), HONE_OK);
    hone_code_free(&code);
    hone_program_fini(&p);
}

/* The update may name the element it stores to in other words. */
static void init_and_other_words(void **state)
{
    (void)state;
    check_same("program words {\n"
               "  buffer A: f32[5] input\n  buffer C: f32[1] output\n"
               "  for i in 4 { for k in 5 { block c(vi: 1 = i, reduce vk: 5 = k) where i < 1 {\n"
               "    init 2.0 C[vi] = C[0] + A[vk] } } }\n}\n");
}

/* Rows of an output that are further apart than they are long: what is between them stays. */
static void rows_apart(void **state)
{
    (void)state;
    static const char text[] =
        "program apart {\n"
        "  buffer X: f32[2, 3, 6] input\n  buffer Y: f32[2, 3, 6] output\n"
        "  for i in 2 { for j in 3 { for k in 2 { for v in 4 vectorized {\n"
        "    block Y(vi: 2 = i, vj: 3 = j, vk: 6 = k*4 + v) where k*4 + v < 6 {\n"
        "      Y[vi, vj, vk] = X[vi, vj, vk] + X[vi, vj, vk] } } } } }\n}\n";
    hone_program p = parse_text(text);
    const int64_t pitch[] = {0, 10};
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT, .pitch = pitch};
    hone_code code;
    hone_error err;
    if (hone_codegen_emit(test_codegen, &p, &o, &code, &err) != HONE_OK)
        fail_msg("%s", err.message);
    loaded l = load_code(&code);
    float x[36], y[60];
    for (int k = 0; k < 36; k++)
        x[k] = (float)k;
    for (int k = 0; k < 60; k++)
        y[k] = -1;
    assert_int_equal(l.kernel((void *[]){x, y}, hone_rt_pool_api(test_pool)), 0);
    for (int k = 0; k < 60; k++)
        assert_true(y[k] == (k % 10 < 6 ? 2 * x[k / 10 * 6 + k % 10] : -1));
    dlclose(l.handle);
    hone_code_free(&code);
    hone_program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_apart),
        cmocka_unit_test(rows_of_part_of_a_vector_are_registers),
        cmocka_unit_test(packing),
        cmocka_unit_test(packing_is_compact),
        cmocka_unit_test(prepacking),
        cmocka_unit_test(prepack_refused),
        cmocka_unit_test(temporaries),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(union_of_boxes),
        cmocka_unit_test(turned_tile),
        cmocka_unit_test(shared_rows),
        cmocka_unit_test(every_dtype_local),
        cmocka_unit_test(too_much_scratch),
        cmocka_unit_test(init_and_other_words),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
