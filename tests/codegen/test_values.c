#include "codegen_test.h"

/* `value` over vi of inputs A, B of dtype t, stored as dtype u: to C by a scalar loop, to D by a
 * vectorised one with a tail. */
static void check_map(const char *t, const char *u, const char *value, const run_options *o)
{
    hone_buf b = {0};
    hone_buf_printf(&b,
                    "program map {\n  buffer A: %s[100] input\n  buffer B: %s[100] input\n"
                    "  buffer C: %s[100] output\n  buffer D: %s[100] output\n"
                    "  for i in 100 { block c(vi: 100 = i) { C[vi] = %s } }\n"
                    "  for o in 7 { for v in 16 vectorized {\n"
                    "    block d(vi: 100 = o*16 + v) where o*16 + v < 100 { D[vi] = %s } } }\n}\n",
                    t, t, u, u, value, value);
    check_both(b.s, o);
    hone_buf_free(&b);
}

static const char *const all[] = {"f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "u8"};

static void arithmetic(void **state)
{
    (void)state;
    for (size_t k = 0; k < HONE_LEN(all); k++) {
        check_map(all[k], all[k], "A[vi] * B[vi] + A[vi] - B[vi]", &(run_options){0});
        check_map(all[k], all[k], "max(min(A[vi], B[vi]), A[vi] - B[vi])", &(run_options){0});
        check_map(all[k], "bool", "A[vi] < B[vi] or A[vi] == B[99 - vi]", &(run_options){0});
        check_map(all[k], all[k], "select(A[vi] <= B[vi], A[vi], abs(B[vi]))", &(run_options){0});
    }
    check_map("bool", "bool", "A[vi] and not(B[vi]) or A[99 - vi] != B[vi]", &(run_options){0});
    check_map("f32", "f32", "A[vi] / B[vi]", &(run_options){0});
}

static double edge_value(unsigned a, int64_t k, hone_rng *rng, hone_dtype t)
{
    static const double edges[] = {0.0,     -0.0,   NAN,   INFINITY, -INFINITY, 0.5,
                                   -0.5,    1.5,    2.5,   1e-40,    3e38,      -3e38,
                                   127.7,   -128.9, 255.5, 65504,    70000,     2147483648.0,
                                   -9.3e18, 1e-6,   6e-8,  1e-39,    300.0};
    (void)t;
    (void)a;
    return k % 3 == 2 ? hone_rng_double(rng) * 1000 - 500
                      : edges[hone_rng_below(rng, HONE_LEN(edges))];
}

static double edge_int(unsigned a, int64_t k, hone_rng *rng, hone_dtype t)
{
    static const double edges[] = {0, 1, -1, 127, -128, 255, 32767, -32768, 65536, 2147483647};
    (void)t;
    (void)a;
    return k % 3 == 2 ? (double)hone_rng_below(rng, 1000) - 500
                      : edges[hone_rng_below(rng, HONE_LEN(edges))];
}

/* From one dtype to all of them at once; an output per target. */
static void check_casts(const char *from, const run_options *o, const char *loop, const char *index)
{
    hone_buf b = {0};
    hone_buf_printf(&b, "program casts {\n  buffer A: %s[100] input\n", from);
    for (size_t k = 0; k < HONE_LEN(all); k++)
        hone_buf_printf(&b, "  buffer C%zu: %s[100] output\n", k, all[k]);
    for (size_t k = 0; k < HONE_LEN(all); k++) {
        bool same = !strcmp(from, all[k]);
        hone_buf_printf(&b, "%s block s%zu(%s { C%zu[vi] = %s(A[vi]) } } }\n", loop, k, index, k,
                        same ? "" : all[k]);
    }
    hone_buf_puts(&b, "}\n");
    check_both(b.s, o);
    hone_buf_free(&b);
}

static void casts(void **state)
{
    (void)state;
    for (size_t k = 0; k < HONE_LEN(all); k++) {
        run_options o = {.choose = strchr(all[k], 'f') ? edge_value : edge_int};
        check_casts(all[k], &o, "for o in 100 { for u in 1 {", "vi: 100 = o)");
        check_casts(all[k], &o, "for o in 7 { for v in 16 vectorized {",
                    "vi: 100 = o*16 + v) where o*16 + v < 100");
    }
    check_map("f32", "bool", "bool(A[vi])", &(run_options){.choose = edge_value});
    check_map("bool", "f32", "f32(A[vi]) + f32(i32(B[vi]))", &(run_options){0});
}

/* Shifts reach past both ends of the dtype's bits. */
static double shift_or_bits(unsigned a, int64_t k, hone_rng *rng, hone_dtype t)
{
    return a == 1 ? (double)(k % 97) - 16 : edge_int(a, k, rng, t);
}

static void bits(void **state)
{
    (void)state;
    static const char *const ints[] = {"i64", "i32", "i16", "i8", "u8"};
    static const char *const values[] = {
        "A[vi] & B[vi] | A[99 - vi] ^ B[vi]",
        "A[vi] << B[vi]",
        "A[vi] >> B[vi]",
        "popcount(A[vi])",
        "popcount(A[vi] & B[vi]) + popcount(A[vi] ^ -1)",
        "(A[vi] << 3) + (A[vi] >> 5) + (A[vi] >> 8)",
    };
    const run_options o = {.choose = shift_or_bits};
    for (size_t k = 0; k < HONE_LEN(ints); k++)
        for (size_t v = 0; v < HONE_LEN(values); v++)
            if (strcmp(ints[k], "u8") != 0 || !strstr(values[v], "-1"))
                check_map(ints[k], ints[k], values[v], &o);
    check_map("u8", "u8", "popcount(A[vi] ^ 255) << 5", &o);
    check_map("i32", "i32", "i32((vi >> 2 & 7) << (vi ^ 5) % 70) + A[(vi ^ 1) & 63]", &o);
}

/* Values are computed in f32 and rounded when stored or cast, not in between. */
static void half_precision(void **state)
{
    (void)state;
    const char *value = "A[vi] * B[vi] * A[vi] * B[vi] + A[vi]";
    check_map("f16", "f16", value, &(run_options){.tolerance = 1e-9});
    check_map("bf16", "bf16", value, &(run_options){.tolerance = 1e-9});
    check_map("f32", "f32", "f32(bf16(A[vi])) * f32(f16(B[vi]))",
              &(run_options){.tolerance = 1e-9});
}

static void nan_and_zeros(void **state)
{
    (void)state;
    const run_options o = {.choose = edge_value, .tolerance = 1e-30};
    check_map("f32", "f32", "min(A[vi], B[vi])", &o);
    check_map("f32", "f32", "max(A[vi], B[vi])", &o);
    check_map("f64", "f64", "max(min(A[vi], 0.5), B[vi])", &o);
    check_map("f32", "bool", "A[vi] < B[vi]", &o);
    check_map("f32", "bool", "not(A[vi] <= B[vi])", &o);
    check_map("f32", "bool", "A[vi] != B[vi]", &o);
    check_map("f32", "f32", "1.0 / min(A[vi] * 0.0, B[vi] * 0.0)", &o);
}

static void rounding(void **state)
{
    (void)state;
    const run_options o = {.choose = edge_value};
    const char *const ops[] = {"floor", "ceil", "round", "sqrt", "abs"};
    for (size_t k = 0; k < HONE_LEN(ops); k++) {
        char value[64];
        snprintf(value, sizeof value, "%s(A[vi])", ops[k]);
        check_map("f32", "f32", value, &o);
        check_map("f64", "f64", value, &o);
    }
    /* to few bits, also of halves and of what is too large */
    const char *const few[] = {"u8", "i8", "i16"};
    for (size_t k = 0; k < HONE_LEN(few); k++) {
        char value[64];
        snprintf(value, sizeof value, "%s(round(A[vi]))", few[k]);
        check_map("f32", few[k], value, &o);
        check_map("f64", few[k], value, &o);
        snprintf(value, sizeof value, "%s(round((f32(vi) - 50) * %s))", few[k],
                 strcmp(few[k], "i16") == 0 ? "1500.5" : "6.5");
        check_map("f32", few[k], value, &o);
    }
}

/* With none of x86's extensions. */
static void plainly(void (*test)(void **state), void **state)
{
    hone_target t;
    hone_error err;
    hone_codegen *g, *native = test_codegen;
    assert_int_equal(hone_target_native(&t, &err), HONE_OK);
    if (strncmp(t.triple, "x86_64", 6) != 0)
        skip();
    snprintf(t.cpu, sizeof t.cpu, "x86-64");
    t.features[0] = 0;
    t.vector_bytes = 16;
    assert_int_equal(hone_codegen_new(&t, &g, &err), HONE_OK);
    test_codegen = g;
    test(state);
    test_codegen = native;
    hone_codegen_free(g);
}

/* The same where no instruction does it, as on x86 before SSE4.1. */
static void rounding_by_sums(void **state)
{
    plainly(rounding, state);
}

/* Before F16C. */
static void half_precision_by_integers(void **state)
{
    plainly(half_precision, state);
}

static double nonzero(unsigned a, int64_t k, hone_rng *rng, hone_dtype t)
{
    int64_t v = (int64_t)hone_rng_below(rng, t == HONE_U8 ? 200 : 250) - (t == HONE_U8 ? 0 : 125);
    (void)k;
    return (double)(a == 1 && !v ? 7 : v);
}

static void integer_division(void **state)
{
    (void)state;
    const run_options o = {.choose = nonzero};
    const char *const types[] = {"i64", "i32", "i16", "u8"};
    for (size_t k = 0; k < HONE_LEN(types); k++) {
        const char *t = types[k];
        check_map(t, t, "A[vi] // B[vi]", &o);
        check_map(t, t, "A[vi] % B[vi]", &o);
        check_map(t, t, "A[vi] / B[vi]", &o);
    }
    check_map("i32", "i32", "A[vi] // 7 + A[vi] % 7 + A[vi] // (-5) + A[vi] % (-5) + A[vi] % 8",
              &o);
    /* loop variables: negative dividends, constant divisors of every kind */
    check_map("i64", "i64",
              "(vi - 50) // 7 * 1000 + (vi - 50) % 7 * 100 + (vi - 50) // 8 * 10 + (vi - 50) % 8",
              &o);
    check_map("f32", "f32", "A[(vi*37) % 100] + B[(vi*vi) // 100] + f32(vi % 3 - vi // 3)", &o);
}

/* ---- elementary functions ---------------------------------------------------------------------
 */

static double wide_value(unsigned a, int64_t k, hone_rng *rng, hone_dtype t)
{
    static const double edges[] = {0.0,   -0.0,   NAN,  INFINITY, -INFINITY, 1,      -1,
                                   88.7,  -103.9, 89,   -150,     710,       -745.1, -800,
                                   1e-30, 1e-40,  3e38, 1e-310,   5.9,       6.1};
    (void)t;
    (void)a;
    if (k < (int64_t)HONE_LEN(edges))
        return edges[k];
    double x = hone_rng_double(rng) * 2 - 1;
    return k % 4 == 0 ? x * 1e-3 : k % 4 == 1 ? x : k % 4 == 2 ? x * 8 : x * 80;
}

typedef struct function {
    const char *value;
    double (*want)(double a, double b);
    double f32_error, f64_error; /* relative */
} function;

static double exp2_(double a, double b)
{
    (void)b;
    return exp(a);
}

static double log2_(double a, double b)
{
    (void)b;
    return log(a);
}

static double tanh2_(double a, double b)
{
    (void)b;
    return tanh(a);
}

static double erf2_(double a, double b)
{
    (void)b;
    return erf(a);
}

static double sigmoid2_(double a, double b)
{
    (void)b;
    return 1 / (1 + exp(-a));
}

static double sin2_(double a, double b)
{
    (void)b;
    return fabs(a) <= HONE_MOST_ANGLE ? sin(a) : NAN;
}

static double cos2_(double a, double b)
{
    (void)b;
    return fabs(a) <= HONE_MOST_ANGLE ? cos(a) : NAN;
}

static double atan2_(double a, double b)
{
    (void)b;
    return atan(a);
}

static const function functions[] = {
    {"exp(A[vi])", exp2_, 2.5e-7, 2e-15},       {"log(A[vi])", log2_, 2.5e-7, 2e-15},
    {"tanh(A[vi])", tanh2_, 4e-7, 2e-15},       {"erf(A[vi])", erf2_, 4e-7, 2e-14},
    {"sigmoid(A[vi])", sigmoid2_, 4e-7, 2e-15}, {"pow(A[vi], B[vi])", pow, 1.2e-7, 4e-13},
    {"sin(A[vi])", sin2_, 1.2e-7, 2e-15},       {"cos(A[vi])", cos2_, 1.2e-7, 2e-15},
    {"atan(A[vi])", atan2_, 4e-7, 2e-15},
};

static void check_function(const function *f, bool wide, bool vector)
{
    enum { N = 4096 };
    hone_buf b = {0};
    const char *t = wide ? "f64" : "f32";
    hone_buf_printf(&b,
                    "program f {\n buffer A: %s[%d] input\n buffer B: %s[%d] input\n"
                    " buffer C: %s[%d] output\n",
                    t, N, t, N, t, N);
    hone_buf_printf(&b,
                    vector ? " for o in %d { for v in 16 vectorized {"
                             " block s(vi: %d = o*16 + v) { C[vi] = %s } } }\n}\n"
                           : " for o in %d { block s(vi: %d = o) { C[vi] = %s } }\n}\n",
                    vector ? N / 16 : N, N, f->value);
    hone_program p = parse_text(b.s);
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT};
    hone_code code;
    hone_error err;
    if (hone_codegen_emit(test_codegen, &p, &o, &code, &err) != HONE_OK)
        fail_msg("%s", err.message);
    loaded l = load_code(&code);
    void *args[3];
    hone_rng rng;
    hone_rng_seed(&rng, 3);
    hone_dtype dt = wide ? HONE_F64 : HONE_F32;
    for (unsigned a = 0; a < 3; a++) {
        args[a] = hone_xcalloc(N, 8);
        for (int64_t k = 0; k < N; k++)
            hone_elem_set(dt, args[a], k, wide_value(a, a ? k * 7 % N : k, &rng, dt));
    }
    assert_int_equal(l.kernel(args, hone_rt_pool_api(test_pool)), 0);
    double limit = wide ? f->f64_error : f->f32_error, smallest = wide ? 1e-307 : 1.2e-38;
    for (int64_t k = 0; k < N; k++) {
        double x = hone_elem_get(dt, args[0], k), y = hone_elem_get(dt, args[1], k);
        double want = f->want(x, y), got = hone_elem_get(dt, args[2], k);
        want = wide ? want : (double)(float)want;
        bool same = want == got || (isnan(want) && isnan(got)) ||
                    fabs(want - got) <= limit * fmax(fabs(want), smallest) ||
                    (fabs(want) < smallest && fabs(got) < 2 * smallest);
        if (!same)
            fail_msg("%s of %s at %.17g, %.17g: want %.17g, got %.17g", f->value, t, x, y, want,
                     got);
    }
    for (unsigned a = 0; a < 3; a++)
        free(args[a]);
    dlclose(l.handle);
    hone_code_free(&code);
    hone_program_fini(&p);
    hone_buf_free(&b);
}

static void elementary_functions(void **state)
{
    (void)state;
    for (size_t k = 0; k < HONE_LEN(functions); k++)
        for (int v = 0; v < 4; v++)
            check_function(&functions[k], v & 1, v & 2);
}

static double long_exponents(unsigned a, int64_t k, hone_rng *rng, hone_dtype t)
{
    static const double bases[] = {-1, -2, -0.5, -0.0, -INFINITY, 1, 2, NAN},
                        exponents[] = {0x1p51 + 1, 0x1p51 + 0.5, 0x1p52 + 1,   0x1p53 - 1,
                                       0x1p53,     -0x1p52 - 1,  0x1p51 - 0.5, 3,
                                       0.5,        -INFINITY,    -0x1p51 - 1,  NAN};
    (void)rng;
    (void)t;
    return a == 0 ? bases[k % (int64_t)HONE_LEN(bases)]
                  : exponents[k % (int64_t)HONE_LEN(exponents)];
}

/* Exponents of f64 are odd, even or neither up to 2^53. */
static void powers_of_long_exponents(void **state)
{
    (void)state;
    check_both("program powers {\n"
               "  buffer A: f64[8] input\n  buffer B: f64[12] input\n"
               "  buffer C: f64[8, 12] output\n  buffer D: f64[12, 8] output\n"
               "  for i in 8 { for j in 12 { block c(v: 8 = i, w: 12 = j) {\n"
               "    C[v, w] = pow(A[v], B[w]) } } }\n"
               "  for j in 12 { for i in 8 vectorized { block d(v: 12 = j, w: 8 = i) {\n"
               "    D[v, w] = pow(A[w], B[v]) } } }\n"
               "}\n",
               &(run_options){.choose = long_exponents});
}

/* A guard that depends on the lane protects the access; one that does not, too. */
static void guarded_loads(void **state)
{
    (void)state;
    check_same("program guards {\n"
               "  buffer A: f32[10] input\n  buffer B: f32[4] input\n"
               "  buffer C: f32[16] output\n  buffer D: f32[8, 16] output\n"
               "  buffer E: f32[16] output\n"
               "  for v in 16 vectorized { block c(vi: 16 = v) {\n"
               "    C[vi] = select(3 <= vi and vi < 13, A[vi - 3], 5.0) } }\n"
               "  for u in 8 { for v in 16 vectorized { block d(vu: 8 = u, vi: 16 = v) {\n"
               "    D[vu, vi] = select(vu < 4, B[vu], 1.0)\n"
               "      + select(vi < 10 and 2 <= vu, A[vi] * B[vu % 4], 0.5) } } }\n"
               "  for v in 16 vectorized { block e(vi: 16 = v) {\n"
               "    E[vi] = select(vi % 4 == 1, B[vi // 5], select(vi < 10, A[9 - vi], 2.0)) } }\n"
               "}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic),
        cmocka_unit_test(casts),
        cmocka_unit_test(half_precision),
        cmocka_unit_test(nan_and_zeros),
        cmocka_unit_test(rounding),
        cmocka_unit_test(rounding_by_sums),
        cmocka_unit_test(half_precision_by_integers),
        cmocka_unit_test(integer_division),
        cmocka_unit_test(bits),
        cmocka_unit_test(guarded_loads),
        cmocka_unit_test(elementary_functions),
        cmocka_unit_test(powers_of_long_exponents),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
