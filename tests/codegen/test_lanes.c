/* Vectorized loops over the steps of a sum: lanes are combined, then added to one element. */
#include "codegen_test.h"

/* Small whole numbers, so that no order of a sum rounds. */
static double whole(unsigned a, int64_t k, hone_rng *rng, hone_dtype t)
{
    (void)a;
    (void)k;
    int64_t x = (int64_t)hone_rng_below(rng, 5);
    return t == HONE_U8 ? (double)x : (double)(x - 2);
}

static void row(char *text, size_t n, const char *type, const char *init, const char *value,
                unsigned steps, unsigned lanes)
{
    unsigned outer = (steps + lanes - 1) / lanes;
    snprintf(text, n,
             "program row {\n  buffer X: %s[3, %u] input\n  buffer Y: %s[3] output\n"
             "  for i in 3 {\n for k in %u {\n for l in %u vectorized {\n"
             "    block Y(vi: 3 = i, reduce vk: %u = k*%u + l) where k*%u + l < %u {\n"
             "      init %s\n      Y[vi] = %s\n } } } }\n}\n",
             type, steps, type, outer, lanes, steps, lanes, lanes, steps, init, value);
}

static void every_type_and_combiner(void **state)
{
    (void)state;
    static const struct {
        const char *type, *lowest, *highest;
    } types[] = {
        {"f64", "f64(-inf)", "f64(inf)"},
        {"f32", "-inf", "inf"},
        {"f16", "f16(-inf)", "f16(inf)"},
        {"bf16", "bf16(-inf)", "bf16(inf)"},
        {"i64", "-9223372036854775807", "9223372036854775807"},
        {"i32", "i32(-2147483648)", "i32(2147483647)"},
        {"i16", "i16(-32768)", "i16(32767)"},
        {"i8", "i8(-128)", "i8(127)"},
        {"u8", "u8(0)", "u8(255)"},
    };
    static const unsigned lanes[] = {2, 7, 16};
    for (unsigned t = 0; t < HONE_LEN(types); t++)
        for (unsigned op = 0; op < 4; op++)
            for (unsigned l = 0; l < HONE_LEN(lanes); l++) {
                char text[1000], start[60];
                static const char *const value[] = {"Y[vi] + X[vi, vk]", "Y[vi] * X[vi, vk]",
                                                    "min(Y[vi], X[vi, vk])",
                                                    "max(X[vi, vk], Y[vi])"};
                snprintf(start, sizeof start, "%s(%s)", types[t].type, op == 1 ? "1" : "0");
                const char *init = op == 2 ? types[t].highest : op == 3 ? types[t].lowest : start;
                row(text, sizeof text, types[t].type, init, value[op], op == 1 ? 5 : 37, lanes[l]);
                check_both(text, &(run_options){.choose = whole});
            }
}

/* The lanes are combined as vectors, not one after the other: no loop over them is left. */
static void makes_vectors(void **state)
{
    (void)state;
    char text[1000];
    row(text, sizeof text, "f32", "0.0", "Y[vi] + X[vi, vk]", 64, 16);
    char *ll = emit_text(text, HONE_EMIT_LLVM);
    assert_non_null(strstr(ll, "fadd <8 x float>"));
    assert_non_null(strstr(ll, "fadd <4 x float>"));
    free(ll);
}

/* A sum that was started before its loops; two rows of accumulators beside it; a lane's own value
 * that does not vary. */
static void started_elsewhere(void **state)
{
    (void)state;
    check_both("program started {\n  buffer X: f32[5, 24] input\n  buffer Y: f32[5] output\n"
               "  for i in 5 {\n block zero(vi: 5 = i) { Y[vi] = 3.0 } }\n"
               "  for i in 5 parallel {\n for k in 3 {\n for l in 8 vectorized {\n"
               "    block Y(vi: 5 = i, reduce vk: 24 = k*8 + l) {\n"
               "      Y[vi] = Y[vi] + X[vi, vk] * X[vi, vk] } } } }\n}\n",
               &(run_options){.choose = whole});
    check_both("program count {\n  buffer X: f32[5] input\n  buffer Y: f32[5] output\n"
               "  for i in 5 {\n for l in 13 vectorized {\n"
               "    block Y(vi: 5 = i, reduce vk: 13 = l) where i + l < 11 {\n"
               "      init 0.0\n Y[vi] = Y[vi] + X[vi] } } }\n}\n",
               &(run_options){.choose = whole});
}

/* Guarded operands, as RFactor makes them, over a row that no vector divides. */
static void guarded_row(void **state)
{
    (void)state;
    check_both(
        "program guarded {\n  buffer X: f32[3, 37] input\n  buffer Y: f32[3] output\n"
        "  for i in 3 {\n for k in 3 {\n for l in 16 vectorized {\n"
        "    block Y(vi: 3 = i, reduce v: 16 = l, reduce w: 3 = k) {\n"
        "      init -inf\n"
        "      Y[vi] = max(Y[vi], select(w*16 + v < 37, X[vi, w*16 + v], -inf)) } } } }\n}\n",
        &(run_options){.choose = whole});
}

/* ---- other processors --------------------------------------------------------------------------
 */

/* Assembly of a register tile of rows times vectors of so many lanes, for the processor. */
static char *tile_for(const char *cpu, int rows, int vectors, int lanes)
{
    hone_buf b = {0};
    int n = vectors * lanes;
    char nest[200];
    snprintf(nest, sizeof nest,
             "for i in %d unrolled { for v in %d unrolled { for l in %d vectorized {", rows,
             vectors, lanes);
    hone_buf_printf(
        &b,
        "program tile {\n  buffer A: f32[64, %d] input\n  buffer B: f32[64, %d] input\n"
        "  buffer C: f32[%d, %d] output\n  buffer T: f32[%d, %d] local\n  for p in 1 {\n",
        rows, n, rows, n, rows, n);
    hone_buf_printf(&b, "%s block start(vi: %d = i, vj: %d = v*%d + l) { T[vi, vj] = 0.0 } } } }\n",
                    nest, rows, n, lanes);
    hone_buf_printf(&b,
                    "for k in 64 { %s block sum(vi: %d = i, vj: %d = v*%d + l, reduce vk: 64 = k) {"
                    " T[vi, vj] = T[vi, vj] + A[vk, vi] * B[vk, vj] } } } } }\n",
                    nest, rows, n, lanes);
    hone_buf_printf(
        &b,
        "%s block store(vi: %d = i, vj: %d = v*%d + l) { C[vi, vj] = T[vi, vj] } } } }\n"
        "  } }\n",
        nest, rows, n, lanes);
    hone_target t;
    hone_error err;
    hone_codegen *g;
    hone_code code;
    hone_program p = parse_text(b.s);
    if (hone_target_named(cpu, &t, &err) != HONE_OK || hone_codegen_new(&t, &g, &err) != HONE_OK ||
        hone_codegen_emit(g, &p, &(hone_codegen_options){.emit = HONE_EMIT_ASM}, &code, &err) !=
            HONE_OK)
        fail_msg("%s", err.message);
    char *ret = hone_xstrdup((const char *)code.bytes);
    hone_code_free(&code);
    hone_codegen_free(g);
    hone_program_fini(&p);
    hone_buf_free(&b);
    return ret;
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    for (; (text = strstr(text, what)); text++)
        n++;
    return n;
}

/* Sums that fill the registers of a processor with vectors of the machine's length are not copied
 * from one to another. */
static void sums_stay_in_place(void **state)
{
    (void)state;
    static const struct {
        const char *cpu;
        int lanes;
    } all[] = {{"neoverse-v1", 8}, {"a64fx", 16}};
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        char *text = tile_for(all[k].cpu, 13, 2, all[k].lanes);
        assert_int_equal(count(text, "\tfmla\tz"), 26);
        assert_int_equal(count(text, "movprfx"), 0);
        free(text);
    }
}

/* A vector of four registers is one instruction where there are groups. */
static void groups_of_registers(void **state)
{
    (void)state;
    static const struct {
        const char *cpu;
        int lanes;
    } all[] = {{"sifive-x280", 64}, {"spacemit-x60", 32}, {"sifive-p670", 16}};
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        char *text = tile_for(all[k].cpu, 6, 1, all[k].lanes);
        assert_int_equal(count(text, "\tvfmacc.vf\t") + count(text, "\tvfmadd.vf\t"), 6);
        assert_true(count(text, "e32, m4") > 0);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_and_combiner), cmocka_unit_test(makes_vectors),
        cmocka_unit_test(started_elsewhere),       cmocka_unit_test(guarded_row),
        cmocka_unit_test(sums_stay_in_place),      cmocka_unit_test(groups_of_registers),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
