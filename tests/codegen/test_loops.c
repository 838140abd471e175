#include "codegen_test.h"

static void plain_matmul(void **state)
{
    (void)state;
    check_same("program matmul {\n"
               "  buffer A: f32[37, 29] input\n  buffer B: f32[29, 53] input\n"
               "  buffer C: f32[37, 53] output\n"
               "  for i in 37 {\n for j in 53 {\n for k in 29 {\n"
               "  block C(vi: 37 = i, vj: 53 = j, reduce vk: 29 = k) {\n"
               "    init 0.0\n    C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"
               "  } } } }\n}\n");
}

/* 14x32 register tile over a matrix product whose sizes no tile divides. */
static const char tiled[] =
    "program tiled {\n"
    "  buffer A: f32[37, 29] input\n  buffer B: f32[29, 53] input\n"
    "  buffer C: f32[37, 53] output\n  buffer T: f32[37, 53] local\n"
    "  for jo in 2 {\n for io in 3 {\n"
    "    for iu in 14 unrolled {\n for ju in 2 unrolled {\n for jv in 16 vectorized {\n"
    "      block zero(vi: 37 = io*14 + iu, vj: 53 = jo*32 + ju*16 + jv)\n"
    "        where io*14 + iu < 37 and jo*32 + ju*16 + jv < 53 { T[vi, vj] = 0.0 } } } }\n"
    "    for k in 29 {\n"
    "    for iu in 14 unrolled {\n for ju in 2 unrolled {\n for jv in 16 vectorized {\n"
    "      block update(vi: 37 = io*14 + iu, vj: 53 = jo*32 + ju*16 + jv, reduce vk: 29 = k)\n"
    "        where io*14 + iu < 37 and jo*32 + ju*16 + jv < 53 {\n"
    "        T[vi, vj] = T[vi, vj] + A[vi, vk] * B[vk, vj] } } } } }\n"
    "    for iu in 14 unrolled {\n for ju in 2 unrolled {\n for jv in 16 vectorized {\n"
    "      block store(vi: 37 = io*14 + iu, vj: 53 = jo*32 + ju*16 + jv)\n"
    "        where io*14 + iu < 37 and jo*32 + ju*16 + jv < 53 { C[vi, vj] = T[vi, vj] } } } }\n"
    "  } }\n}\n";

static void register_tile(void **state)
{
    (void)state;
    check_same(tiled);
    hone_program p = parse_text(tiled);
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT};
    hone_code code;
    assert_int_equal(hone_codegen_emit(test_codegen, &p, &o, &code, NULL), HONE_OK);
    print_message("tiled matmul with tails: lower %.1f ms, llvm %.1f ms, %" PRId64 " bytes\n",
                  (double)code.lower_ns / 1e6, (double)code.llvm_ns / 1e6, code.code_bytes);
    hone_code_free(&code);
    hone_program_fini(&p);
}

/* The accumulators never leave registers: no store to the stack in the function. */
static void tile_is_registers(void **state)
{
    (void)state;
    char *text = emit_text(tiled, HONE_EMIT_LLVM);
    assert_null(strstr(text, "alloca"));
    free(text);
}

/* Each task has one tile of the rows, the last of which are not all there: a copy of the code for
 * the tile at the edge has no tests of single rows. */
static const char dealt[] =
    "program dealt {\n"
    "  buffer A: f32[37, 29] input\n  buffer B: f32[29, 53] input\n"
    "  buffer C: f32[37, 53] output\n  buffer T: f32[37, 53] local\n"
    "  for t in 6 parallel {\n"
    "    for iu in 14 unrolled {\n for ju in 2 unrolled {\n for jv in 16 vectorized {\n"
    "      block zero(vi: 37 = t % 3*14 + iu, vj: 53 = t // 3*32 + ju*16 + jv)\n"
    "        where t % 3*14 + iu < 37 and t // 3*32 + ju*16 + jv < 53 { T[vi, vj] = 0.0 } } } }\n"
    "    for k in 29 {\n"
    "    for iu in 14 unrolled {\n for ju in 2 unrolled {\n for jv in 16 vectorized {\n"
    "      block update(vi: 37 = t % 3*14 + iu, vj: 53 = t // 3*32 + ju*16 + jv, "
    "reduce vk: 29 = k)\n"
    "        where t % 3*14 + iu < 37 and t // 3*32 + ju*16 + jv < 53 {\n"
    "        T[vi, vj] = T[vi, vj] + A[vi, vk] * B[vk, vj] } } } } }\n"
    "    for iu in 14 unrolled {\n for ju in 2 unrolled {\n for jv in 16 vectorized {\n"
    "      block store(vi: 37 = t % 3*14 + iu, vj: 53 = t // 3*32 + ju*16 + jv)\n"
    "        where t % 3*14 + iu < 37 and t // 3*32 + ju*16 + jv < 53 { C[vi, vj] = T[vi, vj] } } "
    "} }\n"
    "  }\n}\n";

static unsigned branches(const char *text)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, "br i1 ")) != NULL; at++)
        n++;
    return n;
}

static void tasks_of_a_tile_each(void **state)
{
    (void)state;
    check_same(dealt);
    char *text = emit_text(dealt, HONE_EMIT_LLVM);
    print_message("%u branches\n", branches(text));
    assert_null(strstr(text, "x float], align"));
    assert_in_range(branches(text), 1, 12); /* with a test for each row there are 37 */
    free(text);
}

static void imperfect_two_levels(void **state)
{
    (void)state;
    check_same("program two {\n"
               "  buffer A: f32[101, 7] input\n  buffer C: f32[101, 7] output\n"
               "  for a in 3 {\n for b in 4 {\n for c in 10 unrolled {\n for j in 7 vectorized {\n"
               "  block s(vi: 101 = a*40 + b*10 + c, vj: 7 = j) where a*40 + b*10 + c < 101 {\n"
               "    C[vi, vj] = A[vi, vj] * 2.0 } } } } }\n}\n");
}

static void serial_tail(void **state)
{
    (void)state;
    check_same("program tail {\n"
               "  buffer A: f32[5, 29] input\n  buffer C: f32[5] output\n"
               "  for i in 5 {\n for ko in 4 {\n for ki in 8 {\n"
               "  block s(vi: 5 = i, reduce vk: 29 = ko*8 + ki) where ko*8 + ki < 29 {\n"
               "    init 0.0\n    C[vi] = C[vi] + A[vi, vk] } } } }\n}\n");
}

static void unrolled_reduction(void **state)
{
    (void)state;
    check_same("program unroll {\n"
               "  buffer A: f32[5, 29] input\n  buffer C: f32[5] output\n"
               "  for i in 5 {\n for ko in 8 {\n for ki in 4 unrolled {\n"
               "  block s(vi: 5 = i, reduce vk: 29 = ko*4 + ki) where ko*4 + ki < 29 {\n"
               "    init 0.0\n    C[vi] = C[vi] + A[vi, vk] } } } }\n}\n");
}

/* Vectorised along a reduction, a strided store, a gather: correct, one lane after the other. */
static void awkward_vectors(void **state)
{
    (void)state;
    check_same("program awkward {\n"
               "  buffer A: f32[6, 19] input\n  buffer I: i32[19] input\n"
               "  buffer S: f32[6] output\n  buffer T: f32[19, 6] output\n"
               "  buffer G: f32[19] output\n  buffer R: f32[19] output\n"
               "  for i in 6 {\n for k in 19 vectorized {\n"
               "  block s(vi: 6 = i, reduce vk: 19 = k) {\n"
               "    init 0.0\n    S[vi] = S[vi] + A[vi, vk] } } }\n"
               "  for i in 6 {\n for k in 19 vectorized {\n"
               "  block t(vi: 6 = i, vk: 19 = k) { T[vk, vi] = A[vi, vk] } } }\n"
               "  for k in 19 vectorized {\n"
               "  block g(vk: 19 = k) { G[vk] = A[(i64(I[vk]) + 60) % 6, vk] } }\n"
               "  for k in 19 vectorized {\n"
               "  block r(vk: 19 = k) { R[vk] = A[vk // 4, 18 - vk] } }\n"
               "}\n");
}

static double far_index(unsigned a, int64_t k, hone_rng *rng, hone_dtype t)
{
    static const double far[] = {0x1p63 - 1024, -0x1p63, 0x1p62, -0x1p62, 5, -5, 0x1p60, -0x1p60};
    (void)a;
    return t == HONE_I64 ? far[k % (int64_t)HONE_LEN(far)] : input_value(t, rng);
}

/* Indices from memory, held inside of their dimension or divided: whatever is in memory, and where
 * their arithmetic wraps around. */
static void any_index(void **state)
{
    (void)state;
    check_both(
        "program any {\n"
        "  buffer X: f32[7, 19] input\n  buffer I: i64[19] input\n"
        "  buffer A: f32[19] output\n  buffer B: f32[19] output\n"
        "  buffer C: f32[19] output\n  buffer D: f32[19] output\n"
        "  buffer E: f32[19, 19] output\n"
        "  for k in 19 vectorized {\n"
        "  block a(vk: 19 = k) { A[vk] = X[min(max(I[vk] + 4096, 0), 6), vk] } }\n"
        "  for k in 19 {\n"
        "  block b(vk: 19 = k) { B[vk] = X[min(max(I[vk]*3 - 7, 0), 6), vk] } }\n"
        "  for k in 19 {\n"
        "  block c(vk: 19 = k) { C[vk] = X[I[vk] % 7, vk] } }\n"
        "  for k in 19 vectorized {\n"
        "  block d(vk: 19 = k) { D[vk] = X[min(max((I[vk] - I[18 - vk]) // 3, 0), 6), vk] } }\n"
        "  for i in 19 { for k in 19 vectorized {\n"
        "  block e(vi: 19 = i, vk: 19 = k) {\n"
        "    E[vi, vk] = select(vk < vi, X[min(max(I[vi] + 1, 0), 6), vk], 0.5) } } }\n"
        "}\n",
        &(run_options){.choose = far_index});
}

/* Numbers made of indices that wrap around, as a hash of the place does: like all integers they
 * keep their low bits, in loops, in their copies and in vectors. */
static void indices_wrap(void **state)
{
    (void)state;
    static const char *const kinds[] = {"", "unrolled", "vectorized"};
    for (unsigned k = 0; k < HONE_LEN(kinds); k++) {
        char text[2400];
        snprintf(text, sizeof text,
                 "program hash {\n"
                 "  buffer X: f32[7] input\n  buffer A: i64[3, 20] output\n"
                 "  buffer B: i64[3, 20] output\n  buffer C: i64[3, 20] output\n"
                 "  buffer D: f32[3, 20] output\n  buffer E: i64[3, 20] output\n"
                 "  for i in 3 { for j in 20 %s {\n"
                 "  block a(v: 3 = i, w: 20 = j) {\n"
                 "    A[v, w] = (v*20 + w)*6364136223846793005 + 1442695040888963407 } } }\n"
                 "  for i in 3 { for j in 20 %s {\n"
                 "  block b(v: 3 = i, w: 20 = j) {\n"
                 "    B[v, w] = ((v*20 + w + 4)*6364136223846793005 + 1442695040888963407) %% 1000"
                 " - ((w + 3)*4611686018427387904 - v) // 7 } } }\n"
                 "  for i in 3 { for j in 20 %s {\n"
                 "  block c(v: 3 = i, w: 20 = j) {\n"
                 "    C[v, w] = select(w*6364136223846793005 + v < 7, w, -1) +\n"
                 "      select(7 <= (w + 5)*3458764513820540928 - 9, v, 100) } } }\n"
                 "  for i in 3 { for j in 20 %s {\n"
                 "  block d(v: 3 = i, w: 20 = j) {\n"
                 "    D[v, w] = X[(v*4611686018427387904 + w*6364136223846793005) %% 7] } } }\n"
                 "  for i in 3 { for j in 20 %s {\n"
                 "  block e(v: 3 = i, w: 20 = j) {\n"
                 "    E[v, w] = min(w*4611686018427387904, v*4611686018427387904 + 1) +\n"
                 "      max(v, 9223372036854775807 + w) } } }\n"
                 "}\n",
                 kinds[k], kinds[k], kinds[k], kinds[k], kinds[k]);
        check_same(text);
    }
}

/* An index that is a sum of many terms. */
static void long_sums(void **state)
{
    (void)state;
    static const unsigned terms[] = {23, 24, 25, 60};
    static const char *const kinds[] = {"", "vectorized"};
    for (unsigned k = 0; k < HONE_LEN(terms) * HONE_LEN(kinds); k++) {
        hone_buf b = {0};
        hone_buf_printf(&b,
                        "program sums {\n  buffer X: f32[400] input\n"
                        "  buffer Y: f32[5, 64] output\n"
                        "  for i in 5 { for j in 64 %s {\n"
                        "  block y(vi: 5 = i, vj: 64 = j) {\n    Y[vi, vj] = X[vi",
                        kinds[k % HONE_LEN(kinds)]);
        for (unsigned t = 0; t < terms[k / HONE_LEN(kinds)]; t++)
            hone_buf_printf(&b, " + vj // %u", t + 2);
        hone_buf_puts(&b, "] } } }\n}\n");
        check_same(b.s);
        hone_buf_free(&b);
    }
}

static void nested_vectors(void **state)
{
    (void)state;
    check_same("program nested {\n"
               "  buffer A: f32[3, 20] input\n  buffer C: f32[3, 20] output\n"
               "  for i in 3 vectorized {\n for j in 20 vectorized {\n"
               "  block s(vi: 3 = i, vj: 20 = j) { C[vi, vj] = A[vi, vj] + 1.0 } } }\n}\n");
}

static void vector_tails(void **state)
{
    (void)state;
    for (int n = 1; n < 40; n += 3) {
        char text[512];
        snprintf(text, sizeof text,
                 "program v {\n buffer A: f32[%d] input\n buffer C: f32[%d] output\n"
                 "  for o in %d {\n for v in 8 vectorized {\n"
                 "  block s(vi: %d = o*8 + v) where o*8 + v < %d {\n"
                 "    C[vi] = A[vi] * A[vi] } } }\n}\n",
                 n, n, (n + 7) / 8, n, n);
        check_same(text);
    }
}

static void parallel_loops(void **state)
{
    (void)state;
    check_same("program par {\n"
               "  buffer A: f32[61, 40] input\n  buffer C: f32[61, 40] output\n"
               "  buffer D: f32[61] output\n  buffer T: f32[61, 2000]\n"
               "  for io in 16 parallel {\n for iu in 4 unrolled {\n for j in 40 vectorized {\n"
               "  block s(vi: 61 = io*4 + iu, vj: 40 = j) where io*4 + iu < 61 {\n"
               "    C[vi, vj] = A[vi, vj] + 1.0 } } } }\n"
               "  for i in 61 parallel {\n"
               "    for j in 2000 {\n block t(vi: 61 = i, vj: 2000 = j) {\n"
               "      T[vi, vj] = A[vi, vj % 40] + f32(vj) } }\n"
               "    for j in 2000 parallel {\n block d(vi: 61 = i, reduce vj: 2000 = j) {\n"
               "      init 0.0\n D[vi] = D[vi] + T[vi, vj] / 2000.0 } }\n"
               "  }\n}\n");
}

/* A buffer made outside the parallel loop, which sits in a serial one. */
static void parallel_in_serial(void **state)
{
    (void)state;
    check_same("program pis {\n"
               "  buffer A: f32[9, 3000] input\n  buffer C: f32[9, 3000] output\n"
               "  buffer T: f32[9, 3000]\n"
               "  for i in 9 {\n"
               "    for j in 3000 {\n block t(vi: 9 = i, vj: 3000 = j) {\n"
               "      T[vi, vj] = A[vi, vj] + f32(vi) } }\n"
               "    for j in 3000 parallel {\n block c(vi: 9 = i, vj: 3000 = j) {\n"
               "      C[vi, vj] = T[vi, 2999 - vj] * 2.0 } }\n"
               "  }\n}\n");
}

static void too_big(void **state)
{
    (void)state;
    hone_error err;
    assert_int_equal(emit_status("program big {\n buffer C: f32[100, 100] output\n"
                                 " for i in 100 unrolled {\n for j in 100 unrolled {\n"
                                 "  block s(vi: 100 = i, vj: 100 = j) { C[vi, vj] = 1.0 } } }\n}\n",
                                 &err),
                     HONE_REJECT_TOO_BIG);
    assert_int_equal(
        emit_status("program wide {\n buffer C: f32[100, 100] output\n"
                    " buffer T: f32[100, 100] local\n"
                    " for i in 100 {\n for j in 100 {\n"
                    "  block s(vi: 100 = i, vj: 100 = j) { T[vi, vj] = 1.0 } } }\n"
                    " for i in 100 {\n for j in 100 {\n"
                    "  block c(vi: 100 = i, vj: 100 = j) { C[vi, vj] = T[vi, vj] } } }\n}\n",
                    &err),
        HONE_REJECT_TOO_BIG);
    assert_non_null(strstr(err.message, "\"T\""));
}

/* A loop split twice has a condition of each split; the weaker one changes no code. */
#define SPLIT_TWICE(AND)                                                       \
    "program p {\n  buffer X: f32[40] input\n  buffer Y: f32[40] output\n"     \
    "  for a in 3 { for b in 3 { for c in 6 unrolled {\n"                      \
    "    block Y(v: 40 = a*18 + b*6 + c) where a*18 + b*6 + c < 40" AND " {\n" \
    "      Y[v] = X[v] + 1.0\n"                                                \
    "    }\n  } } }\n}\n"

static void implied_conditions(void **state)
{
    (void)state;
    char *want = emit_text(SPLIT_TWICE(""), HONE_EMIT_LLVM);
    char *got = emit_text(SPLIT_TWICE(" and a*3 + b < 7"), HONE_EMIT_LLVM);
    assert_string_equal(want, got);
    free(got);
    got = emit_text(SPLIT_TWICE(" and a*3 + b <= 6 and a < 3"), HONE_EMIT_LLVM);
    assert_string_equal(want, got);
    free(got);
    /* this one is no weaker */
    got = emit_text(SPLIT_TWICE(" and a*3 + b < 6"), HONE_EMIT_LLVM);
    assert_string_not_equal(want, got);
    free(got);
    free(want);
    check_same(SPLIT_TWICE(" and a*3 + b < 7"));
    check_same(SPLIT_TWICE(" and c < 6 and a*3 + b < 7"));
}

/* Rows of B begin 320 floats apart, and nothing is multiplied to find the next one. */
static void rows_without_products(void **state)
{
    (void)state;
    const char *text =
        "program rows {\n  buffer A: f32[20, 9] input\n"
        "  buffer B: f32[9, 320] input\n  buffer C: f32[20, 320] output\n"
        "  for i in 20 { for jo in 20 { for k in 9 { for v in 16 vectorized {\n"
        "    block C(vi: 20 = i, vj: 320 = jo*16 + v, reduce vk: 9 = k) {\n"
        "      init 0.0\n      C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj] } } } }\n"
        "}\n}\n";
    check_same(text);
    /* that loop is one block */
    char *ll = emit_text(text, HONE_EMIT_LLVM), *body = strstr(ll, "llvm.fma");
    assert_non_null(body);
    char *end = strstr(body, "\n\n");
    assert_non_null(end);
    *end = '\0';
    while (strncmp(body, "\n\n", 2) != 0)
        body--;
    assert_non_null(strstr(body, ", 320\n"));
    assert_null(strstr(body, " mul "));
    assert_null(strstr(body, "shl "));
    free(ll);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_matmul),
        cmocka_unit_test(register_tile),
        cmocka_unit_test(tile_is_registers),
        cmocka_unit_test(tasks_of_a_tile_each),
        cmocka_unit_test(imperfect_two_levels),
        cmocka_unit_test(serial_tail),
        cmocka_unit_test(unrolled_reduction),
        cmocka_unit_test(awkward_vectors),
        cmocka_unit_test(nested_vectors),
        cmocka_unit_test(vector_tails),
        cmocka_unit_test(parallel_loops),
        cmocka_unit_test(parallel_in_serial),
        cmocka_unit_test(too_big),
        cmocka_unit_test(implied_conditions),
        cmocka_unit_test(rows_without_products),
        cmocka_unit_test(any_index),
        cmocka_unit_test(indices_wrap),
        cmocka_unit_test(long_sums),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
