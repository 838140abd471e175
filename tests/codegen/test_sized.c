/* Kernels of a size that comes with the call: every size from 1 to the most gives the rows that the
 * interpreter has, from arguments that end with their last row, and touches no other. */
#include "tests/codegen/codegen_test.h"

enum { MOST = 29 };

typedef struct memory {
    guarded g[MAX_ARGS];
    void *args[MAX_ARGS + 1];
} memory;

static bool is_sized(const hone_program *p, unsigned a)
{
    return hone_buffer_at(p, (hone_buffer){a + 1})->shape[0] == MOST;
}

static size_t bytes_of(const hone_program *p, unsigned a, int64_t m)
{
    return is_sized(p, a) ? arg_bytes(p, a) / MOST * (size_t)m : arg_bytes(p, a);
}

static void fill(const hone_program *p, void *const *args, uint64_t seed)
{
    hone_rng rng;
    hone_rng_seed(&rng, seed);
    for (unsigned a = 0; a < hone_program_n_args(p); a++) {
        const hone_buffer_row *row = hone_buffer_at(p, (hone_buffer){a + 1});
        for (int64_t k = 0; k < hone_buffer_count(p, (hone_buffer){a + 1}); k++)
            hone_elem_set((hone_dtype)row->dtype, args[a], k,
                          row->role == HONE_OUTPUT ? 77
                                                   : input_value((hone_dtype)row->dtype, &rng));
    }
}

static void run_size(const hone_program *p, const loaded *l, void *const *full, void *const *want,
                     int64_t m)
{
    unsigned n = hone_program_n_args(p);
    memory got;
    for (unsigned a = 0; a < n; a++) {
        got.g[a] = guarded_new(bytes_of(p, a, m));
        got.args[a] = guarded_at(&got.g[a]);
        memcpy(got.args[a], full[a], bytes_of(p, a, m));
    }
    got.args[n] = &m;
    assert_int_equal(l->kernel(got.args, hone_rt_pool_api(test_pool)), 0);
    for (unsigned a = 0; a < n; a++) {
        hone_dtype t = (hone_dtype)hone_buffer_at(p, (hone_buffer){a + 1})->dtype;
        int64_t count = (int64_t)bytes_of(p, a, m) / hone_dtype_bytes(t);
        double tolerance = t == HONE_F64 ? 1e-11 : t == HONE_F32 ? 2e-5 : t == HONE_BF16 ? .02 : 0;
        for (int64_t k = 0; k < count; k++) {
            double w = hone_elem_get(t, want[a], k), g = hone_elem_get(t, got.args[a], k);
            if (!(fabs(w - g) <= tolerance * fmax(1, fabs(w))))
                fail_msg("size %" PRId64 ", %s[%" PRId64 "]: interpreter %.9g, compiled %.9g", m,
                         hone_sym_text(p, hone_buffer_at(p, (hone_buffer){a + 1})->name), k, w, g);
        }
        guarded_free(&got.g[a]);
    }
}

static hone_codegen_size size_of(const hone_program *p, int64_t least, int64_t most)
{
    hone_codegen_size s = {.name = "M", .least = least, .most = most};
    for (unsigned a = 0; a < hone_program_n_args(p); a++)
        s.args |= (uint64_t)is_sized(p, a) << a;
    return s;
}

static void check_range(const hone_program *p, bool plain, int64_t least, int64_t most)
{
    unsigned n = hone_program_n_args(p);
    memory full, want;
    hone_codegen_size size = size_of(p, least, most);
    hone_codegen_options o = {
        .emit = HONE_EMIT_OBJECT, .size = &size, .plain = plain, .no_prepack = true};
    hone_code code;
    hone_error err;
    if (hone_codegen_emit(test_codegen, p, &o, &code, &err) != HONE_OK)
        fail_msg("%s", err.message);
    loaded l = load_code(&code);
    for (unsigned a = 0; a < n; a++) {
        full.g[a] = guarded_new(arg_bytes(p, a));
        want.g[a] = guarded_new(arg_bytes(p, a));
        full.args[a] = guarded_at(&full.g[a]);
        want.args[a] = guarded_at(&want.g[a]);
    }
    fill(p, full.args, 7);
    fill(p, want.args, 7);
    if (hone_interp_run(p, want.args, &err) != HONE_OK)
        fail_msg("%s", err.message);
    for (int64_t m = least; m <= most; m++)
        run_size(p, &l, full.args, want.args, m);
    for (unsigned a = 0; a < n; a++) {
        guarded_free(&full.g[a]);
        guarded_free(&want.g[a]);
    }
    dlclose(l.handle);
    hone_code_free(&code);
}

/* Also where the size is known to be in a part of the range only. */
static void check_sizes(const char *text)
{
    hone_program p = parse_text(text);
    check_range(&p, false, 1, MOST);
    check_range(&p, false, 6, 13);
    check_range(&p, false, 17, 17);
    check_range(&p, true, 1, MOST);
    hone_program_fini(&p);
}

/* A product in tiles of so many rows, kept in registers, of a panel of A that is packed or of A as
 * it is, the sum in two parts; `fused`: tiles of rows and columns in one parallel loop. */
static char *product(int rows, bool packed, bool fused, const char *in, const char *out)
{
    int tiles = (MOST + rows - 1) / rows;
    const char *cast = strcmp(in, out) ? out : "";
    hone_buf b = {0};
    hone_buf_printf(&b,
                    "program mm {\n  buffer A: %s[29, 10] input\n  buffer B: %s[10, 24] input\n"
                    "  buffer C: %s[29, 24] output\n  buffer P: %s[%d, 10, %d]\n"
                    "  buffer T: %s[29, 24] local\n",
                    in, in, out, in, tiles, rows, out);
    char *row = hone_xasprintf(fused ? "(f // 3)*%d" : "t*%d", rows);
    char *load = packed ? hone_xasprintf("P[vi // %d, vk, vi %% %d]", rows, rows)
                        : hone_xstrdup("A[vi, vk]");
    if (packed)
        hone_buf_printf(&b,
                        "  for t in %d { for k in 10 { for r in %d {\n"
                        "    block pack(vt: %d = t, vk: 10 = k, vr: %d = r) {\n"
                        "      P[vt, vk, vr] = select(vt*%d + vr < 29, A[vt*%d + vr, vk], %s)\n"
                        "    } } } }\n",
                        tiles, rows, tiles, rows, rows, rows,
                        in[0] == 'i' || in[0] == 'u' ? "0" : "0.0");
    hone_buf_puts(&b, "  for kk in 2 {\n");
    if (fused)
        hone_buf_printf(&b, "  for f in %d parallel {\n", tiles * 3);
    else
        hone_buf_printf(&b, "  for t in %d { for f in 3 {\n", tiles);
    const char *col = fused ? "(f % 3)*8" : "f*8", *zero = out[0] == 'i' ? "0" : "0.0";
    hone_buf_printf(
        &b,
        "    for r in %d unrolled { for c in 8 vectorized {\n"
        "      block begin(vi: 29 = %s + r, vj: 24 = %s + c, reduce vk: 6 = kk*5) where %s + "
        "r < 29 {\n        T[vi, vj] = select(vk == 0, %s, C[vi, vj]) } } }\n",
        rows, row, col, row, zero);
    hone_buf_printf(
        &b,
        "    for k in 5 { for r in %d unrolled { for c in 8 vectorized {\n"
        "      block c(vi: 29 = %s + r, vj: 24 = %s + c, reduce vk: 10 = kk*5 + k) where %s "
        "+ r < 29 {\n        T[vi, vj] = T[vi, vj] + %s%s%s%s * %s%s%s%s } } } }\n",
        rows, row, col, row, cast, *cast ? "(" : "", load, *cast ? ")" : "", cast, *cast ? "(" : "",
        "B[vk, vj]", *cast ? ")" : "");
    hone_buf_printf(&b,
                    "    for r in %d unrolled { for c in 8 vectorized {\n"
                    "      block end(vi: 29 = %s + r, vj: 24 = %s + c) where %s + r < 29 {\n"
                    "        C[vi, vj] = T[vi, vj] } } }\n  }%s }\n}\n",
                    rows, row, col, row, fused ? "" : " }");
    free(row);
    free(load);
    return hone_buf_take(&b);
}

static void products(void **state)
{
    (void)state;
    static const char *const types[][2] = {{"f32", "f32"}, {"f64", "f64"}, {"i8", "i32"}};
    for (int rows = 1; rows <= 12; rows += rows > 4 ? 7 : 1)
        for (int kind = 0; kind < 4; kind++)
            for (unsigned t = 0; t < (rows == 4 ? HONE_LEN(types) : 1); t++) {
                char *text = product(rows, kind & 1, kind & 2, types[t][0], types[t][1]);
                check_sizes(text);
                free(text);
            }
}

/* The last tile has a copy for each number of rows, without tests in them. */
static void last_tile(void **state)
{
    (void)state;
    char *text = product(4, false, false, "f32", "f32");
    hone_program p = parse_text(text);
    hone_codegen_size size = size_of(&p, 1, MOST);
    hone_codegen_options o = {.emit = HONE_EMIT_LLVM, .size = &size};
    hone_code code;
    hone_error err;
    assert_int_equal(hone_codegen_emit(test_codegen, &p, &o, &code, &err), HONE_OK);
    unsigned n = 0;
    for (const char *s = (const char *)code.bytes;
         (s = strstr(s, "call <8 x float> @llvm.fma.v8f32(")); s++)
        n++;
    assert_int_equal(n, 4 + 3 + 2 + 1);
    hone_code_free(&code);
    hone_program_fini(&p);
    free(text);
}

/* Lanes along the rows; what follows in the same row; rows of a matrix each. */
static void other_kernels(void **state)
{
    (void)state;
    check_sizes("program relu {\n  buffer X: f32[29] input\n  buffer Y: f32[29] output\n"
                "  for o in 4 parallel { for v in 8 vectorized {\n"
                "    block y(vi: 29 = o*8 + v) where o*8 + v < 29 {\n"
                "      Y[vi] = max(X[vi], 0.0) } } }\n}\n");
    check_sizes("program flip {\n  buffer X: f32[29, 3] input\n  buffer Y: f32[29, 3] output\n"
                "  buffer T: f32[3, 29]\n"
                "  for j in 3 { for v in 29 vectorized {\n    block t(vj: 3 = j, vi: 29 = v) {\n"
                "      T[vj, vi] = X[vi, vj] + 1.0 } } }\n"
                "  for i in 29 { for j in 3 {\n    block y(vi: 29 = i, vj: 3 = j) {\n"
                "      Y[vi, vj] = T[vj, vi] * T[0, vi] } } }\n}\n");
    check_sizes("program soft {\n  buffer X: f32[29, 7] input\n  buffer Y: f32[29, 7] output\n"
                "  buffer E: f32[29, 7]\n  buffer S: f32[29]\n"
                "  for i in 29 parallel { for j in 7 {\n"
                "    block e(vi: 29 = i, vj: 7 = j) { E[vi, vj] = exp(X[vi, vj]) } } }\n"
                "  for i in 29 { block z(vi: 29 = i) { S[vi] = 0.0 } }\n"
                "  for i in 29 { for j in 7 {\n    block s(vi: 29 = i, reduce vj: 7 = j) {\n"
                "      S[vi] = S[vi] + E[vi, vj] } } }\n"
                "  for i in 29 { for j in 7 {\n    block y(vi: 29 = i, vj: 7 = j) {\n"
                "      Y[vi, vj] = E[vi, vj] / S[vi] } } }\n}\n");
    check_sizes(
        "program batched {\n  buffer X: i32[29, 3, 5] input\n  buffer W: i32[29, 5, 2] input\n"
        "  buffer Y: i32[29, 3, 2] output\n"
        "  for f in 87 parallel { for j in 2 { for k in 5 {\n"
        "    block y(vb: 29 = f // 3, vi: 3 = f % 3, vj: 2 = j, reduce vk: 5 = k) { init 0\n"
        "      Y[vb, vi, vj] = Y[vb, vi, vj] + X[vb, vi, vk] * W[vb, vk, vj] } } } }\n}\n");
    check_sizes("program divide {\n  buffer X: i32[29] input\n  buffer Y: i32[29, 4] output\n"
                "  buffer T: i32[8, 4]\n"
                "  for i in 29 { block t(vi: 29 = i) {\n"
                "    T[vi // 4, vi % 4] = max(X[vi], 1) } }\n"
                "  for i in 29 { for j in 4 { block y(vi: 29 = i, vj: 4 = j) {\n"
                "    Y[vi, vj] = 1000 // T[vi // 4, vi % 4] } } }\n}\n");
}

/* All rows as one: vectors go from one row on into the next. */
static void rows_in_one(void **state)
{
    (void)state;
    check_sizes("program elements {\n"
                "  buffer X: f32[29, 7] input\n  buffer Y: f32[29, 7] output\n"
                "  for f in 7 parallel { for u in 2 unrolled { for v in 16 vectorized {\n"
                "    block Y(vi: 29 = (f*32 + u*16 + v) // 7, vj: 7 = (f*32 + u*16 + v) % 7)"
                " where f*32 + u*16 + v < 203 {\n"
                "      Y[vi, vj] = X[vi, vj] * 2.0 } } } }\n}\n");
}

static void refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "program two {\n  buffer X: f32[29] input\n  buffer Y: f32[29] output\n"
        "  for i in 28 { block y(vi: 28 = i) { Y[vi] = X[vi] + X[vi + 1] } }\n}\n",
        "program lost {\n  buffer X: f32[29] input\n  buffer Y: f32[29] output\n"
        "  buffer T: f32[29]\n"
        "  for i in 29 { block t(vi: 29 = i) { T[vi * 3 % 29] = X[vi] } }\n"
        "  for i in 29 { block y(vi: 29 = i) { Y[vi] = T[vi * 3 % 29] } }\n}\n"};
    static const char *const why[] = {"touches two rows", "does not follow which rows"};
    for (unsigned k = 0; k < HONE_LEN(texts); k++) {
        hone_program p = parse_text(texts[k]);
        hone_codegen_size size = size_of(&p, 1, MOST);
        hone_codegen_options o = {.emit = HONE_EMIT_OBJECT, .size = &size};
        hone_code code;
        hone_error err;
        assert_int_equal(hone_codegen_emit(test_codegen, &p, &o, &code, &err), HONE_REJECT_BUILD);
        assert_non_null(strstr(err.message, why[k]));
        hone_program_fini(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products),    cmocka_unit_test(last_tile), cmocka_unit_test(other_kernels),
        cmocka_unit_test(rows_in_one), cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
