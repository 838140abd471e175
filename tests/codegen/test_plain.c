/* Sums of the plain code, the oracle: of f32 they are exact but for one rounding. */
#include "tests/codegen/codegen_test.h"

/* Runs plain code of C from A and B (NULL: none), filled with numbers of [0, 1). */
static void run_plain(const char *text, float *A, int64_t a, float *B, int64_t b, float *C)
{
    hone_program p = parse_text(text);
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT, .plain = true};
    hone_code code;
    hone_error err;
    if (hone_codegen_emit(test_codegen, &p, &o, &code, &err) != HONE_OK)
        fail_msg("%s", err.message);
    loaded l = load_code(&code);
    hone_rng rng;
    hone_rng_seed(&rng, 5);
    for (int64_t k = 0; k < a; k++)
        A[k] = (float)hone_rng_double(&rng);
    for (int64_t k = 0; k < b; k++)
        B[k] = (float)hone_rng_double(&rng);
    void *with[] = {A, B, C}, *without[] = {A, C};
    assert_int_equal(l.kernel(B ? with : without, hone_rt_pool_api(test_pool)), 0);
    dlclose(l.handle);
    hone_code_free(&code);
    hone_program_fini(&p);
}

static float *floats(int64_t n)
{
    return aligned_alloc(64, ((size_t)n * 4 + 63) / 64 * 64);
}

/* Half a unit in the last place, and a little for the error of f64. */
static void assert_rounded(float got, double want)
{
    if (!(fabs((double)got - want) <= 0x1.01p-24 * want))
        fail_msg("got %.9g, want %.17g", (double)got, want);
}

static void long_sum_is_rounded_once(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    float *A = floats(N), C[1];
    run_plain("program f {\n buffer A: f32[1024, 1024] input\n buffer C: f32[1] output\n"
              " for b in 1 { for i in 1024 { for j in 1024 {"
              " block c(vb: 1 = b, reduce vi: 1024 = i, reduce vj: 1024 = j) { init 0.0\n"
              " C[vb] = C[vb] + A[vi, vj] } } } } }\n",
              A, N, NULL, 0, C);
    double want = 0;
    float serial = 0;
    for (int64_t k = 0; k < N; k++) {
        want += (double)A[k];
        serial += A[k];
    }
    assert_rounded(C[0], want);
    assert_true(fabs((double)serial - want) > 1e-6 * want); /* which a sum in f32 is not */
    free(A);
}

/* Rows longer than the part summed at a time, and no multiple of it; columns of A in order. */
static void rows_of_sums(void **state)
{
    (void)state;
    enum { M = 3, K = 5000, N = 301 };
    float *A = floats(K * N), *C = floats(M * N);
    run_plain("program f {\n buffer A: f32[5000, 301] input\n buffer C: f32[3, 301] output\n"
              " for j in 301 { for k in 5000 { for i in 3 {"
              " block c(vi: 3 = i, vj: 301 = j, reduce vk: 5000 = k) { init 1.0\n"
              " C[vi, vj] = A[vk, vj] + C[vi, vj] } } } } }\n",
              A, K * N, NULL, 0, C);
    for (int64_t i = 0; i < M; i++) {
        for (int64_t j = 0; j < N; j++) {
            double want = 1;
            for (int64_t k = 0; k < K; k++)
                want += (double)A[k * N + j];
            assert_rounded(C[i * N + j], want);
        }
    }
    free(A);
    free(C);
}

static void matrix_product(void **state)
{
    (void)state;
    enum { M = 5, K = 3000, N = 130 };
    float *A = floats(M * K), *B = floats(K * N), *C = floats(M * N);
    run_plain("program f {\n buffer A: f32[5, 3000] input\n buffer B: f32[3000, 130] input\n"
              " buffer C: f32[5, 130] output\n"
              " for i in 5 { for j in 130 { for k in 3000 {"
              " block c(vi: 5 = i, vj: 130 = j, reduce vk: 3000 = k) { init 0.0\n"
              " C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj] } } } } }\n",
              A, M * K, B, K * N, C);
    for (int64_t i = 0; i < M; i++) {
        for (int64_t j = 0; j < N; j++) {
            double want = 0;
            for (int64_t k = 0; k < K; k++)
                want += (double)(A[i * K + k] * B[k * N + j]);
            assert_rounded(C[i * N + j], want);
        }
    }
    free(A);
    free(B);
    free(C);
}

/* Nests of other shapes mean what they did: several outputs per loop, loops around what sums,
 * taps outside the input, predicates, a sum that reads what it wrote, an index that is a sum. */
static void other_nests(void **state)
{
    (void)state;
    run_options o = {.emit.plain = true};
    static const char *const texts[] = {
        "program pads {\n buffer A: f32[20, 9] input\n buffer W: f32[3, 9] input\n"
        " buffer C: f32[20, 9] output\n"
        " for y in 20 { for c in 9 { for r in 3 {"
        " block s(vy: 20 = y, vc: 9 = c, reduce vr: 3 = r) { init 0.0\n"
        " C[vy, vc] = C[vy, vc] + select(1 <= vy + vr and vy + vr < 21, A[vy + vr - 1, vc], 0.0)"
        " * W[vr, vc] } } } } }\n",
        "program two {\n buffer A: f32[6, 50] input\n buffer C: f32[6] output\n"
        " buffer D: f32[6] output\n"
        " for i in 6 { for k in 50 {"
        " block c(vi: 6 = i, reduce vk: 50 = k) { init 0.0\n C[vi] = C[vi] + A[vi, vk] }\n"
        " block d(vi: 6 = i, reduce vk: 50 = k) { init 0.0\n D[vi] = D[vi] + 2.0 * A[vi, vk] }"
        " } } }\n",
        "program split {\n buffer A: f32[6, 50] input\n buffer C: f32[6] output\n"
        " for k0 in 7 { for i in 6 { for k1 in 8 {"
        " block c(vi: 6 = i, reduce vk: 50 = k0*8 + k1) where k0*8 + k1 < 50 { init 0.0\n"
        " C[vi] = C[vi] + A[vi, vk] } } } } }\n",
        "program tiles {\n buffer A: f32[48, 50] input\n buffer C: f32[48] output\n"
        " for i0 in 6 { for k in 50 { for i1 in 8 {"
        " block c(vi: 48 = i0*8 + i1, reduce vk: 50 = k) { init 0.0\n"
        " C[vi] = C[vi] + A[vi, vk] } } } } }\n",
        "program later {\n buffer A: f32[6, 50] input\n buffer C: f32[6] output\n"
        " buffer S: f32[6]\n"
        " for i in 6 { for k in 50 { block s(vi: 6 = i, reduce vk: 50 = k) { init 0.0\n"
        " S[vi] = S[vi] + A[vi, vk] } }\n"
        " block c(vi: 6 = i) { C[vi] = S[vi] * 3.0 } } }\n",
        "program ones {\n buffer A: f32[1, 1] input\n buffer C: f32[1, 1] output\n"
        " for i in 1 { for k in 1 { block c(vi: 1 = i, vj: 1 = 0, reduce vk: 1 = k) { init 2.0\n"
        " C[vi, vj] = C[vi, vj] + A[vi, vk] } } } }\n",
    };
    for (size_t k = 0; k < HONE_LEN(texts); k++) {
        hone_program p = parse_text(texts[k]);
        check_program(&p, &o);
        hone_program_fini(&p);
    }
}

/* A sum in 16 bits is rounded at each step, in the program's order: most of its value is that. */
static void short_floats_round_at_each_step(void **state)
{
    (void)state;
    static const char *const types[] = {"bf16", "f16"};
    for (size_t k = 0; k < 2; k++) {
        hone_buf b = {0};
        hone_buf_printf(&b,
                        "program f {\n buffer A: %s[9, 400] input\n buffer C: %s[9] output\n"
                        " for i in 9 { for k in 400 { block c(vi: 9 = i, reduce vk: 400 = k) {"
                        " init %s(0.0)\n C[vi] = C[vi] + A[vi, vk] } } } }\n",
                        types[k], types[k], types[k]);
        hone_program p = parse_text(b.s);
        check_program(&p, &(run_options){.emit.plain = true, .tolerance = 1e-30});
        hone_program_fini(&p);
        hone_buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_sum_is_rounded_once),
        cmocka_unit_test(rows_of_sums),
        cmocka_unit_test(matrix_product),
        cmocka_unit_test(other_nests),
        cmocka_unit_test(short_floats_round_at_each_step),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
