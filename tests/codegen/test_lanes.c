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

/* ---- groups side by side ----------------------------------------------------------------------
 */

/* Pixels of so many groups, each of `in` values and `out` sums of them; the lanes of a vector are
 * the sums of `n` groups. The last vector of X ends where X does. */
static char *side_by_side(int groups, int in, int out, int n, const char *type, const char *from)
{
    return hone_xasprintf(
        "program groups {\n  buffer X: %s[5, %d, %d] input\n  buffer W: %s[%d, %d, %d] input\n"
        "  buffer Y: %s[5, %d, %d] output\n"
        "  for i in 5 { for o in %d { for c in %d unrolled { for l in %d vectorized {\n"
        "    block Y(vi: 5 = i, vg: %d = o*%d + l // %d, vf: %d = l %% %d, reduce vc: %d = c) {\n"
        "      init %s(0)\n"
        "      Y[vi, vg, vf] = Y[vi, vg, vf] + %s(X[vi, vg, vc]) * W[vc, vg, vf] } } } } }\n}\n",
        from, groups, in, type, in, groups, out, type, groups, out, groups / n, in, n * out, groups,
        n, out, out, out, in, type, type);
}

/* What the groups have is loaded whole where all of that is in the buffer, and shuffled. */
static void groups_in_a_vector(void **state)
{
    (void)state;
    static const struct {
        int groups, in, out, n;
        bool shuffled;
    } cases[] = {
        {8, 4, 4, 4, true},  {6, 8, 8, 2, true},   {6, 2, 8, 2, true}, {12, 8, 2, 4, true},
        {24, 2, 2, 8, true}, {3, 16, 4, 3, false}, {9, 3, 5, 3, true}, {8, 3, 4, 4, false},
        {4, 1, 4, 4, true},  {2, 7, 8, 2, true},
    };
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        static const char *const types[][2] = {{"f32", "f32"}, {"f64", "f64"}, {"f32", "bf16"},
                                               {"f32", "f16"}, {"i32", "u8"},  {"i64", "i16"}};
        for (unsigned t = 0; t < (k < 2 ? HONE_LEN(types) : 1); t++) {
            char *text = side_by_side(cases[k].groups, cases[k].in, cases[k].out, cases[k].n,
                                      types[t][0], types[t][1]);
            check_both(text, &(run_options){.choose = whole});
            char *ll = emit_text(text, HONE_EMIT_LLVM);
            if (cases[k].shuffled != (strstr(ll, "shufflevector") != NULL))
                fail_msg("case %u, %s: %s", k, types[t][1], text);
            free(ll);
            free(text);
        }
    }
}

/* Lanes that some mask leaves out; elements of a temporary; one element for all. */
static void groups_in_parts(void **state)
{
    (void)state;
    check_both("program part {\n  buffer X: f32[7, 4] input\n  buffer Y: f32[7, 4] output\n"
               "  for o in 2 {\n for l in 16 vectorized {\n"
               "    block Y(vg: 7 = o*4 + l // 4, vf: 4 = l % 4) where o*4 + l // 4 < 7 {\n"
               "      Y[vg, vf] = X[vg, 3] } } }\n}\n",
               &(run_options){.choose = whole});
    check_both("program part {\n  buffer X: f32[7, 4] input\n  buffer Y: f32[7, 4] output\n"
               "  for o in 2 {\n for l in 16 vectorized {\n"
               "    block Y(vg: 7 = o*4 + l // 4, vf: 4 = l % 4) where o*16 + l < 26 {\n"
               "      Y[vg, vf] = X[vg, 1] + X[vg, vf] } } }\n}\n",
               &(run_options){.choose = whole});
    check_both("program temporary {\n  buffer X: f32[6, 8] input\n  buffer Y: f32[6, 8] output\n"
               "  buffer T: f32[6, 8] local\n"
               "  for o in 3 {\n for a in 2 unrolled { for b in 8 vectorized {\n"
               "    block T(vg: 6 = o*2 + a, vf: 8 = b) { T[vg, vf] = X[vg, vf] * 2.0 } } }\n"
               "  for l in 16 vectorized {\n"
               "    block Y(vg: 6 = o*2 + l // 8, vf: 8 = l % 8) {\n"
               "      Y[vg, vf] = T[vg, 5] + T[vg, vf] } } }\n}\n",
               &(run_options){.choose = whole});
    check_both("program one {\n  buffer X: f32[6, 8] input\n  buffer Y: f32[6, 8] output\n"
               "  for o in 6 {\n for l in 8 vectorized {\n"
               "    block Y(vg: 6 = o + l // 8, vf: 8 = l % 8) {\n"
               "      Y[vg, vf] = select(vf < 3, X[vg, 2], X[vg, vf // 2]) } } }\n}\n",
               &(run_options){.choose = whole});
}

/* A padded copy of pixels of few channels, whose lanes go from pixel to pixel. */
static char *padded_pixels(unsigned rows, unsigned columns, unsigned channels, const char *type)
{
    unsigned all = (columns + 3) * channels;
    return hone_xasprintf(
        "program pixels {\n  buffer X: %s[%u, %u, %u] input\n  buffer Y: %s[%u, %u, %u] output\n"
        "  for h in %u { for o in %u { for u in 2 unrolled { for l in 16 vectorized {\n"
        "    block Y(vh: %u = h, vw: %u = (o*32 + u*16 + l) // %u,\n"
        "            vc: %u = (o*32 + u*16 + l) %% %u) where o*32 + u*16 + l < %u {\n"
        "      Y[vh, vw, vc] = select(1 <= vh and vh < %u and 2 <= vw and vw < %u,\n"
        "                             X[vh - 1, vw - 2, vc], %s(3)) } } } } }\n}\n",
        type, rows, columns, channels, type, rows + 2, columns + 3, channels, rows + 2,
        (all + 31) / 32, rows + 2, columns + 3, channels, channels, channels, all, rows + 1,
        columns + 2, type);
}

/* Conditions about the pixel are ones about the element: nothing is divided, and whole vectors are
 * copied but at the border. */
static void pixels_of_few_channels(void **state)
{
    (void)state;
    static const char *const types[] = {"f32", "f64", "f16", "bf16", "i64",
                                        "i32", "i16", "i8",  "u8",   "bool"};
    static const unsigned columns[] = {1, 9, 40};
    for (unsigned c = 1; c <= 8; c++)
        for (unsigned t = 0; t < (c == 3 ? HONE_LEN(types) : 1); t++)
            for (unsigned k = 0; k < HONE_LEN(columns); k++) {
                char *text = padded_pixels(2, columns[k], c, types[t]);
                check_same(text);
                char *ll = emit_text(text, HONE_EMIT_LLVM);
                if (strstr(ll, "div <16 x i64>") || strstr(ll, "rem <16 x i64>") ||
                    (t == 0 && columns[k] == 40 && !strstr(ll, " = load <16 x float>")))
                    fail_msg("%s", text);
                free(ll);
                free(text);
            }
}

/* The same with a row that comes from outside, in a kernel that keeps what it has copied. */
static void pixels_of_a_window(void **state)
{
    (void)state;
    check_same("program window {\n  buffer X: f32[9, 23, 3] input\n  buffer Y: f32[9, 23] output\n"
               "  buffer P: f32[11, 25, 3]\n"
               "  for h in 9 { for b in 3 {\n"
               "    for r in 3 { for o in 2 { for l in 16 vectorized {\n"
               "      block P(vh: 11 = h + r, vw: 25 = b*8 + (o*16 + l) // 3,\n"
               "              vc: 3 = (o*16 + l) % 3)\n"
               "        where o*16 + l < 30 and b*8 + (o*16 + l) // 3 < 25 {\n"
               "        P[vh, vw, vc] = select(1 <= vh and vh < 10 and 1 <= vw and vw < 24,\n"
               "                               X[vh - 1, vw - 1, vc], 0.0) } } } }\n"
               "    for w in 8 { for r in 3 { for s in 3 { for c in 3 {\n"
               "      block Y(vh: 9 = h, vw: 23 = b*8 + w, reduce vr: 3 = r, reduce vs: 3 = s,\n"
               "              reduce vc: 3 = c) where b*8 + w < 23 {\n"
               "        init 0.0\n"
               "        Y[vh, vw] = Y[vh, vw] + P[vh + vr, vw + vs, vc] } } } } }\n"
               "  } }\n}\n");
}

/* More than one quotient in a condition, one of a row counted down, one of a quotient. */
static void conditions_of_quotients(void **state)
{
    (void)state;
    static const char *const conds[] = {
        "v // 3 + v // 5 < 17",    "11 - v // 5 < 4 or 2*t < v // 7", "(v // 3 + t) // 4 < 3",
        "not (v // 6 <= t)",       "3*(v // 4) + 1 < 2*t + 17",       "v // 300 < t",
        "v // 7 - v // 3 < 0 - t", "(v - 30) // 8 < t - 2",
    };
    for (size_t k = 0; k < HONE_LEN(conds); k++) {
        char *text = hone_xasprintf("program conds {\n"
                                    "  buffer X: f32[64] input\n  buffer Y: f32[64] output\n"
                                    "  for o in 4 { for l in 16 vectorized {\n"
                                    "    block Y(v: 64 = o*16 + l, t: 4 = o) {\n"
                                    "      Y[v] = select(%s, X[v], 1.0) } } }\n}\n",
                                    conds[k]);
        check_same(text);
        free(text);
    }
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
        cmocka_unit_test(groups_in_a_vector),      cmocka_unit_test(groups_in_parts),
        cmocka_unit_test(pixels_of_few_channels),  cmocka_unit_test(pixels_of_a_window),
        cmocka_unit_test(conditions_of_quotients), cmocka_unit_test(sums_stay_in_place),
        cmocka_unit_test(groups_of_registers),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
