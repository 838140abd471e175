/* Every operation of ir/ops.def on every element type of ir/dtypes.def: scalar code, whole vectors
 * and vectors cut off by a predicate, as scheduled and plainly, against the interpreter. Operands
 * are all pairs of edge values. What an operation may be applied to is in `takes`; everything else
 * must be refused. Constants are computed as the same operation on data is.
 *
 * Left open by the language, and not compared: the sign and the other bits of a NaN; the last
 * digits of elementary functions; what machine code does when an integer is divided by zero (the
 * interpreter reports it), except that a division which does not happen must do no harm. */
#include "codegen_test.h"

#include <float.h>

#define EDGES 32
#define N_EXACT (EDGES * EDGES)
#define N_ODD (EDGES * EDGES - 5)
#define ROW_BYTES 128

/* f: floats, i: signed integers, u: u8, b: bool. */
static const char *const takes[HONE_OP_COUNT] = {
    [HONE_OP_INT] = "iu",      [HONE_OP_FLOAT] = "f",     [HONE_OP_VAR] = "",
    [HONE_OP_LOAD] = "fiub",   [HONE_OP_CAST] = "fiub",   [HONE_OP_ADD] = "fiu",
    [HONE_OP_SUB] = "fiu",     [HONE_OP_MUL] = "fiu",     [HONE_OP_DIV] = "fiu",
    [HONE_OP_FLOORDIV] = "iu", [HONE_OP_FLOORMOD] = "iu", [HONE_OP_MIN] = "fiu",
    [HONE_OP_MAX] = "fiu",     [HONE_OP_EQ] = "fiub",     [HONE_OP_NE] = "fiub",
    [HONE_OP_LT] = "fiu",      [HONE_OP_LE] = "fiu",      [HONE_OP_AND] = "b",
    [HONE_OP_OR] = "b",        [HONE_OP_NOT] = "b",       [HONE_OP_SELECT] = "fiub",
    [HONE_OP_BITAND] = "iu",   [HONE_OP_BITOR] = "iu",    [HONE_OP_BITXOR] = "iu",
    [HONE_OP_SHL] = "iu",      [HONE_OP_SHR] = "iu",      [HONE_OP_POPCOUNT] = "iu",
    [HONE_OP_EXP] = "f",       [HONE_OP_LOG] = "f",       [HONE_OP_SQRT] = "f",
    [HONE_OP_TANH] = "f",      [HONE_OP_SIGMOID] = "f",   [HONE_OP_ERF] = "f",
    [HONE_OP_ABS] = "fiu",     [HONE_OP_FLOOR] = "f",     [HONE_OP_CEIL] = "f",
    [HONE_OP_ROUND] = "f",     [HONE_OP_POW] = "f",       [HONE_OP_SIN] = "f",
    [HONE_OP_COS] = "f",       [HONE_OP_ATAN] = "f",
};

/* How far elementary functions may be from the C library's, relative: f32 and f64. Those not named
 * are exact. codegen/emit/math.c says what they reach. */
static const double limits[HONE_OP_COUNT][2] = {
    [HONE_OP_EXP] = {4e-7, 4e-15},  [HONE_OP_LOG] = {4e-7, 4e-15},
    [HONE_OP_TANH] = {5e-7, 4e-15}, [HONE_OP_SIGMOID] = {5e-7, 4e-15},
    [HONE_OP_ERF] = {5e-7, 2e-14},  [HONE_OP_POW] = {2e-7, 1e-12},
    [HONE_OP_SIN] = {2e-7, 2e-15},  [HONE_OP_COS] = {2e-7, 2e-15},
    [HONE_OP_ATAN] = {4e-7, 2e-15},
};

static const char *const dtype_names[] = {
#define HONE_DTYPE(NAME, text, bytes, class) [HONE_##NAME] = #text,
#include "ir/dtypes.def"
#undef HONE_DTYPE
};

static char class_of(hone_dtype t)
{
    return hone_dtype_is_float(t) ? 'f' : t == HONE_BOOL ? 'b' : t == HONE_U8 ? 'u' : 'i';
}

static bool is_legal(hone_op op, hone_dtype t)
{
    return strchr(takes[op], class_of(t)) || (op == HONE_OP_VAR && t == HONE_I64);
}

static bool is_compare(hone_op op)
{
    return op == HONE_OP_EQ || op == HONE_OP_NE || op == HONE_OP_LT || op == HONE_OP_LE;
}

/* ---- operands -------------------------------------------------------------------------------- */

static const double float_edges[EDGES] = {
    0.0,
    -0.0,
    (double)NAN,
    (double)INFINITY,
    -(double)INFINITY,
    1,
    -1,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    1e-40,
    -1e-40,
    FLT_MIN,
    FLT_MAX,
    1e-310,
    1e308,
    65504,
    65520,
    5.9604644775390625e-8,
    88.7,
    -103.9,
    710,
    -745.1,
    1e-6,
    2147483648.0,
    -9223372036854775808.0,
    300,
    1.00390626,    /* just above the middle of two numbers of bf16, .. */
    1.00048828135, /* .. and of f16, by less than f32 can tell */
    0.99,
};
static const int64_t int_edges[EDGES] = {
    0,
    1,
    -1,
    2,
    -2,
    3,
    -7,
    8,
    15,
    16,
    31,
    32,
    33,
    63,
    64,
    65,
    127,
    -128,
    255,
    32767,
    -32768,
    65519,
    65520,
    2147483647,
    INT32_MIN,
    INT64_MAX,
    INT64_MIN,
    0x5555555555555555,
    16842753 /* as 1.00390626 */,
    9007199254740993 /* 2^53 + 1 */,
    4611686293305294849 /* 2^62 + 2^38 + 1 */,
    100,
};

static void set_edge(hone_dtype t, void *base, int64_t k, unsigned edge, bool no_zero)
{
    int64_t v = int_edges[edge];
    if (hone_dtype_is_float(t)) {
        hone_elem_set(t, base, k, float_edges[edge]);
    } else {
        v = t == HONE_BOOL ? v & 1 : v;
        size_t n = (size_t)hone_dtype_bytes(t);
        char *at = (char *)base + (size_t)k * n;
        memcpy(at, &v, n);
        int64_t low = 0;
        memcpy(&low, at, n);
        if (no_zero && low == 0)
            *at = 1;
    }
}

/* A: every edge EDGES times; the others: all edges in turn, so that all pairs meet. Z has no zeros.
 */
static void fill(const hone_program *p, void *const *args)
{
    for (unsigned a = 0; a < hone_program_n_args(p); a++) {
        const hone_buffer_row *row = hone_buffer_at(p, (hone_buffer){a + 1});
        const char *name = hone_sym_text(p, row->name);
        int64_t n = hone_buffer_count(p, (hone_buffer){a + 1});
        for (int64_t k = 0; k < n; k++) {
            int64_t edge = name[0] == 'A' ? k / EDGES : name[0] == 'P' ? k / 3 : k;
            if (row->role == HONE_OUTPUT)
                memset((char *)args[a] + k * hone_dtype_bytes((hone_dtype)row->dtype), 1,
                       (size_t)hone_dtype_bytes((hone_dtype)row->dtype));
            else
                set_edge((hone_dtype)row->dtype, args[a], k, (unsigned)edge % EDGES,
                         name[0] == 'Z');
        }
    }
}

/* ---- programs -------------------------------------------------------------------------------- */

typedef struct row {
    hone_op op;
    char value[ROW_BYTES];
    bool to_bool;
    unsigned at; /* row of C, or of D when to_bool */
} row;

typedef struct table {
    hone_dtype t;
    row rows[HONE_OP_COUNT + 16];
    unsigned n, n_same, n_bool;
} table;

static void add_row(table *b, hone_op op, const char *value)
{
    assert_true(b->n < HONE_LEN(b->rows));
    row *r = &b->rows[b->n++];
    *r = (row){.op = op, .to_bool = is_compare(op)};
    r->at = r->to_bool ? b->n_bool++ : b->n_same++;
    snprintf(r->value, sizeof r->value, "%s", value);
}

static void write_value(hone_op op, hone_dtype t, char *to)
{
    const char *text = hone_op_text(op), *name = dtype_names[t];
    bool divides = !hone_dtype_is_float(t) &&
                   (op == HONE_OP_DIV || op == HONE_OP_FLOORDIV || op == HONE_OP_FLOORMOD);
    if (op == HONE_OP_INT || op == HONE_OP_FLOAT)
        snprintf(to, ROW_BYTES, "%s(%s)", name, op == HONE_OP_INT ? "77" : "0.3");
    else if (op == HONE_OP_VAR)
        snprintf(to, ROW_BYTES, "vi");
    else if (op == HONE_OP_LOAD)
        snprintf(to, ROW_BYTES, "A[vi]");
    else if (op == HONE_OP_CAST) /* there and back; all pairs of types are a test of their own */
        snprintf(to, ROW_BYTES, "%s(f32(A[vi]))", name);
    else if (op == HONE_OP_SELECT)
        snprintf(to, ROW_BYTES, "select(P[vi], A[vi], B[vi])");
    else if (hone_op_form(op) == 'I')
        snprintf(to, ROW_BYTES, "A[vi] %s %s[vi]", text, divides ? "Z" : "B");
    else if (hone_op_arity(op) == 1)
        snprintf(to, ROW_BYTES, "%s(A[vi])", text);
    else
        snprintf(to, ROW_BYTES, "%s(A[vi], B[vi])", text);
}

/* A division that does not happen does no harm. */
static void add_guarded(table *b)
{
    static const hone_op ops[] = {HONE_OP_DIV, HONE_OP_FLOORDIV, HONE_OP_FLOORMOD};
    char value[ROW_BYTES];
    for (size_t k = 0; k < HONE_LEN(ops) && !hone_dtype_is_float(b->t); k++) {
        snprintf(value, sizeof value, "select(B[vi] == %s(0), A[vi], A[vi] %s B[vi])",
                 dtype_names[b->t], hone_op_text(ops[k]));
        add_row(b, ops[k], value);
    }
}

static table table_of(hone_dtype t)
{
    table b = {.t = t};
    char value[ROW_BYTES];
    for (int op = 1; op < HONE_OP_COUNT; op++)
        if (is_legal((hone_op)op, t)) {
            write_value((hone_op)op, t, value);
            add_row(&b, (hone_op)op, value);
        }
    if (t != HONE_BOOL)
        add_guarded(&b);
    return b;
}

typedef struct shape {
    const char *name;
    int n, lanes; /* lanes 0: scalar code */
} shape;

static const shape shapes[] = {
    {"scalar", N_ODD, 0},
    {"whole vectors", N_EXACT, 16},
    {"masked vectors", N_ODD, 16},
    {"masked vectors of five", N_ODD - 1, 5},
};

static void begin_block(hone_buf *b, const shape *s, unsigned k)
{
    if (!s->lanes)
        hone_buf_printf(b, "  for o in %d { block s%u(vi: %d = o)", s->n, k, s->n);
    else
        hone_buf_printf(b, "  for o in %d { for v in %d vectorized { block s%u(vi: %d = o*%d + v)",
                        (s->n + s->lanes - 1) / s->lanes, s->lanes, k, s->n, s->lanes);
    if (s->lanes && s->n % s->lanes)
        hone_buf_printf(b, " where o*%d + v < %d", s->lanes, s->n);
}

static void end_block(hone_buf *b, const shape *s, const char *to, unsigned at, const char *value)
{
    hone_buf_printf(b, " { %s[%u, vi] = %s } }%s\n", to, at, value, s->lanes ? " }" : "");
}

static char *program_of(const table *b, const shape *s)
{
    hone_buf out = {0};
    const char *t = dtype_names[b->t];
    hone_buf_printf(&out,
                    "program ops {\n  buffer A: %s[%d] input\n  buffer B: %s[%d] input\n"
                    "  buffer Z: %s[%d] input\n  buffer P: bool[%d] input\n"
                    "  buffer C: %s[%u, %d] output\n",
                    t, s->n, t, s->n, t, s->n, s->n, t, b->n_same, s->n);
    hone_buf_printf(&out, "  buffer D: bool[%u, %d] output\n", b->n_bool, s->n);
    for (unsigned k = 0; k < b->n; k++) {
        begin_block(&out, s, k);
        end_block(&out, s, b->rows[k].to_bool ? "D" : "C", b->rows[k].at, b->rows[k].value);
    }
    hone_buf_puts(&out, "}\n");
    return hone_buf_take(&out);
}

/* ---- running --------------------------------------------------------------------------------- */

typedef struct memory {
    void *args[MAX_ARGS];
    unsigned n;
} memory;

static memory memory_of(const hone_program *p)
{
    memory m = {.n = hone_program_n_args(p)};
    assert_true(m.n <= MAX_ARGS);
    for (unsigned a = 0; a < m.n; a++)
        m.args[a] = aligned_alloc(64, (arg_bytes(p, a) + 63) / 64 * 64);
    fill(p, m.args);
    return m;
}

static void memory_free(memory *m)
{
    for (unsigned a = 0; a < m->n; a++)
        free(m->args[a]);
}

static void run(const hone_program *p, bool plain, const memory *m)
{
    hone_code code;
    hone_error err;
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT, .plain = plain};
    if (hone_codegen_emit(test_codegen, p, &o, &code, &err) != HONE_OK)
        fail_msg("%s", err.message);
    loaded l = load_code(&code);
    assert_int_equal(l.kernel(m->args, hone_rt_pool_api(test_pool)), 0);
    dlclose(l.handle);
    hone_code_free(&code);
}

static bool same_element(hone_dtype t, hone_op op, const void *want, const void *got, int64_t k)
{
    size_t bytes = (size_t)hone_dtype_bytes(t);
    if (!memcmp((const char *)want + (size_t)k * bytes, (const char *)got + (size_t)k * bytes,
                bytes))
        return true;
    if (!hone_dtype_is_float(t))
        return false;
    double w = hone_elem_get(t, want, k), g = hone_elem_get(t, got, k);
    double limit = limits[op][t == HONE_F64];
    if (isnan(w) || isnan(g) || limit == 0)
        return isnan(w) && isnan(g);
    double smallest = t == HONE_F64 ? DBL_MIN : t == HONE_F16 ? 6.2e-5 : (double)FLT_MIN;
    limit = t == HONE_F16 ? 0x1p-10 : t == HONE_BF16 ? 0x1p-7 : limit;
    /* of results below the smallest normal number only that they are so small is sure */
    return fabs(w - g) <= limit * fmax(fabs(w), smallest) ||
           (fabs(w) < smallest && fabs(g) < 2 * smallest);
}

typedef struct where {
    const char *shape, *how;
} where;

static void compare_row(const hone_program *p, const memory *want, const memory *got, unsigned arg,
                        int64_t at, int64_t n, hone_op op, const char *value, where w)
{
    hone_dtype t = (hone_dtype)hone_buffer_at(p, (hone_buffer){arg + 1})->dtype;
    for (int64_t k = at * n; k < (at + 1) * n; k++)
        if (!same_element(t, op, want->args[arg], got->args[arg], k))
            fail_msg(
                "%s, stored as %s, of %s, %s%s, element %lld: interpreter %.17g, compiled %.17g",
                value, dtype_names[t], dtype_names[hone_buffer_at(p, (hone_buffer){1})->dtype],
                w.shape, w.how, (long long)(k - at * n), hone_elem_get(t, want->args[arg], k),
                hone_elem_get(t, got->args[arg], k));
}

static void check_table(const table *b, const shape *s)
{
    char *text = program_of(b, s);
    hone_program p = parse_text(text);
    memory want = memory_of(&p);
    hone_error err;
    if (hone_interp_run(&p, want.args, &err) != HONE_OK)
        fail_msg("%s", err.message);
    for (int plain = 0; plain < (s->lanes ? 1 : 2); plain++) {
        memory got = memory_of(&p);
        run(&p, plain, &got);
        for (unsigned k = 0; k < b->n; k++) {
            const row *r = &b->rows[k];
            compare_row(&p, &want, &got, r->to_bool ? 5 : 4, r->at, s->n, r->op, r->value,
                        (where){s->name, plain ? ", plain" : ""});
        }
        memory_free(&got);
    }
    memory_free(&want);
    hone_program_fini(&p);
    free(text);
}

static void operations(void **state)
{
    (void)state;
    unsigned n = 0;
    for (int t = 0; t < HONE_DTYPE_COUNT; t++) {
        table b = table_of((hone_dtype)t);
        n += b.n;
        for (size_t s = 0; s < HONE_LEN(shapes); s++)
            check_table(&b, &shapes[s]);
    }
    printf("%u rows, %zu shapes each, %d pairs of operands\n", n, HONE_LEN(shapes), N_EXACT);
}

/* ---- minima and maxima ----------------------------------------------------------------------- */

/* Of each row, whose elements are all edges from another one on: by steps, by lanes of rows, and by
 * lanes of one row, through a copy. The order must not show. */
static const char extremes_text[] =
    "program extremes {\n"
    "  buffer A: %s[64, 33] input\n"
    "  buffer C: %s[8, 64] output\n"
    "  buffer T: %s[64] local\n"
    "  for i in 64 { for k in 33 { block a(vi: 64 = i, reduce vk: 33 = k) {\n"
    "    init %s(-inf) C[0, vi] = max(C[0, vi], A[vi, vk]) } } }\n"
    "  for i in 64 { for k in 33 { block b(vi: 64 = i, reduce vk: 33 = k) {\n"
    "    init %s(inf) C[1, vi] = min(C[1, vi], A[vi, 32 - vk]) } } }\n"
    "  for i in 4 { for k in 33 { for v in 16 vectorized {\n"
    "    block c(vi: 64 = i*16 + v, reduce vk: 33 = k) {\n"
    "      init %s(inf) C[2, vi] = min(C[2, vi], A[vi, vk]) } } } }\n"
    "  for i in 64 { for k in 33 vectorized { block d(vi: 64 = i, reduce vk: 33 = k) {\n"
    "    init %s(-inf) C[3, vi] = max(C[3, vi], A[vi, vk]) } } }\n"
    "  for i in 4 { for k in 2 { for v in 16 vectorized {\n"
    "      block e(vi: 64 = i*16 + v, vk: 2 = k) {\n"
    "        T[vi] = select(vk == 0, %s(-inf), C[4, vi]) } }\n"
    "    for s in 17 { for v in 16 vectorized {\n"
    "      block f(vi: 64 = i*16 + v, reduce vk: 33 = k*17 + s) where k*17 + s < 33 {\n"
    "        T[vi] = max(T[vi], A[vi, vk]) } } }\n"
    "    for v in 16 vectorized { block g(vi: 64 = i*16 + v) { C[4, vi] = T[vi] } } } }\n"
    "  for i in 64 { block h(vi: 64 = i) { C[5, vi] = max(min(A[vi, 1], 0), 0.5) } }\n"
    "  for i in 64 { block m(vi: 64 = i) { C[6, vi] = max(A[vi, 1], 0) } }\n"
    "  for i in 4 { for v in 16 vectorized { block n(vi: 64 = i*16 + v) {\n"
    "    C[7, vi] = min(A[vi, 2], 3) } } }\n"
    "}\n";

static void check_extremes(hone_dtype t)
{
    const char *d = dtype_names[t];
    char *text = hone_xasprintf(extremes_text, d, d, d, d, d, d, d, d);
    hone_program p = parse_text(text);
    memory want = memory_of(&p), got = memory_of(&p);
    size_t bytes = (size_t)hone_dtype_bytes(t);
    for (int64_t k = 0; k < 64 * 33; k++) /* many NaN, and zeros of both signs */
        for (int m = 0; m < 2; m++)
            set_edge(t, (m ? got : want).args[0], k,
                     (unsigned)(k / 33 < 32 ? k % 33 % 3 : (k / 33 + k % 33)) % EDGES, false);
    assert_int_equal(hone_interp_run(&p, want.args, NULL), HONE_OK);
    for (int plain = 0; plain < 2; plain++) {
        run(&p, plain, &got);
        for (int64_t k = 0; k < 8 * 64; k++)
            if (memcmp((char *)want.args[1] + (size_t)k * bytes,
                       (char *)got.args[1] + (size_t)k * bytes, bytes) != 0)
                fail_msg("%s, row %d, element %d%s: interpreter %g, compiled %g", d, (int)k / 64,
                         (int)k % 64, plain ? ", plain" : "", hone_elem_get(t, want.args[1], k),
                         hone_elem_get(t, got.args[1], k));
    }
    for (int64_t k = 0; k < 64; k++) /* 0, -0 and NaN */
        if (k < 32 && (signbit(hone_elem_get(t, want.args[1], k)) ||
                       !signbit(hone_elem_get(t, want.args[1], 64 + k))))
            fail_msg("%s: row %d: which zero? %g %g", d, (int)k, hone_elem_get(t, want.args[1], k),
                     hone_elem_get(t, want.args[1], 64 + k));
    memory_free(&want);
    memory_free(&got);
    hone_program_fini(&p);
    free(text);
}

/* With the instruction that does it where there is one, and by comparisons. */
static void extremes(void **state)
{
    (void)state;
    hone_target t;
    hone_codegen *native = test_codegen;
    assert_int_equal(hone_target_native(&t, NULL), HONE_OK);
    char *f = strstr(t.features, "+avx512dq");
    for (int without = 0; without < (f ? 2 : 1); without++) {
        if (without) {
            *f = '-';
            assert_int_equal(hone_codegen_new(&t, &test_codegen, NULL), HONE_OK);
        }
        check_extremes(HONE_F32);
        check_extremes(HONE_F64);
        check_extremes(HONE_F16);
        check_extremes(HONE_BF16);
        if (without)
            hone_codegen_free(test_codegen);
        test_codegen = native;
    }
}

/* The program's code for the processor, as text; the caller frees. */
static char *assembly(const char *processor, const char *text)
{
    hone_target t;
    hone_codegen *g;
    hone_code code;
    hone_codegen_options o = {.emit = HONE_EMIT_ASM};
    assert_int_equal(hone_target_named(processor, &t, NULL), HONE_OK);
    assert_int_equal(hone_codegen_new(&t, &g, NULL), HONE_OK);
    hone_program p = parse_text(text);
    assert_int_equal(hone_codegen_emit(g, &p, &o, &code, NULL), HONE_OK);
    char *ret = hone_xasprintf("%s", (const char *)code.bytes);
    hone_code_free(&code);
    hone_program_fini(&p);
    hone_codegen_free(g);
    return ret;
}

/* Down to the last two lanes of a row. */
static void extremes_take_one_instruction(void **state)
{
    (void)state;
    static const char text[] =
        "program row {\n  buffer A: f32[16] input\n  buffer C: f32[1] output\n"
        "  for k in 16 vectorized { block C(vi: 1 = 0, reduce vk: 16 = k) {\n"
        "    init -inf C[vi] = max(C[vi], A[vk]) } }\n}\n";
    char *code = assembly("znver4", text);
    assert_non_null(strstr(code, "vrangeps"));
    assert_null(strstr(code, "vcmp"));
    free(code);
}

/* Of each row its maximum, and what is made of that and of an element. */
static const char top_text[] =
    "program top {\n"
    "  buffer A: f32[64, 64] input\n  buffer C: f32[64, 64] output\n"
    "  buffer P: f32[64, 8]\n  buffer T: f32[64]\n"
    "  for i in 64 {\n"
    "    for k in 8 { for v in 8 vectorized {\n"
    "      block p(vi: 64 = i, vv: 8 = v, reduce vk: 8 = k) {\n"
    "        init -inf P[vi, vv] = max(P[vi, vv], A[vi, vk*8 + vv]) } } }\n"
    "    for v in 8 vectorized { block t(vi: 64 = i, reduce vv: 8 = v) {\n"
    "      init -inf T[vi] = max(T[vi], P[vi, vv]) } }\n"
    "    for k in 8 { for v in 8 vectorized { block e(vi: 64 = i, vj: 64 = k*8 + v) {\n"
    "      C[vi, vj] = %s } } }\n"
    "  }\n}\n";

/* Two zeros need not be told apart where their sign is not seen. */
static bool tells_zeros_apart(const char *value)
{
    char *text = hone_xasprintf(top_text, value), *code = assembly("haswell", text);
    bool ret = strstr(code, "vcmpeq") || strstr(code, "vpsignd");
    assert_true(ret || !strstr(code, "vcmpunord")); /* nor a number from NaN */
    free(code);
    free(text);
    return ret;
}

/* Whether the code of C[v] = C[v] op A[v, 0], and so on, for so many lanes of f32 has that word. */
static bool steps_have(const char *processor, const char *init, const char *op, int lanes,
                       const char *word)
{
    char *text = hone_xasprintf(
        "program steps {\n  buffer A: f32[9, %d] input\n  buffer C: f32[%d] output\n"
        "  for k in 9 { for v in %d vectorized { block C(vi: %d = v, reduce vk: 9 = k) {\n"
        "    init %s C[vi] = %s(C[vi], A[vk, vi]) } } }\n}\n",
        lanes, lanes, lanes, lanes, init, op);
    char *code = assembly(processor, text);
    bool ret = strstr(code, word) != NULL;
    free(code);
    free(text);
    return ret;
}

static void zeros_whose_sign_is_not_seen(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool is_seen;
    } all[] = {
        {"exp(A[vi, vj] - T[vi])", false},
        {"fast exp(T[vi] - A[vi, vj])", false},
        {"select(A[vi, vj] < T[vi], 1.0, 0.0)", false},
        {"A[vi, vj] - T[vi]", true},
        {"exp(A[vi, vj] / T[vi])", true},
        {"exp(A[vi, vj] - T[vi]) - T[vi]", true},
        {"exp(A[vi, vj] - 1 / T[vi])", true},
    };
    for (size_t k = 0; k < HONE_LEN(all); k++) {
        if (tells_zeros_apart(all[k].value) != all[k].is_seen)
            fail_msg("%s", all[k].value);
        char *text = hone_xasprintf(top_text, all[k].value);
        hone_program p = parse_text(text);
        memory want = memory_of(&p), got = memory_of(&p);
        for (int64_t i = 0; i < 64 * 64; i++) /* rows of zeros of both signs and NaN, and others */
            for (int m = 0; m < 2; m++)
                set_edge(HONE_F32, (m ? got : want).args[0], i,
                         (unsigned)(i / 64 < 32 ? i * i % 3 : (i / 64 + i % 64)) % EDGES, false);
        assert_int_equal(hone_interp_run(&p, want.args, NULL), HONE_OK);
        run(&p, false, &got);
        for (int64_t i = 0; i < 64 * 64; i++) {
            double w = hone_elem_get(HONE_F32, want.args[1], i);
            double y = hone_elem_get(HONE_F32, got.args[1], i);
            bool same = isnan(w) ? isnan(y) : w == y || fabs(w - y) <= 1e-6 * fabs(w) + 0x1p-126;
            if (!same || (all[k].is_seen && !isnan(w) && signbit(w) != signbit(y)))
                fail_msg("%s, element %d: interpreter %g, compiled %g", all[k].value, (int)i, w, y);
        }
        memory_free(&want);
        memory_free(&got);
        hone_program_fini(&p);
        free(text);
    }
}

/* With AVX2 the steps of a maximum need no comparison to tell zeros apart, those of a minimum do;
 * AVX-512 has an instruction that does. */
static void signs_of_maxima(void **state)
{
    (void)state;
    for (int lanes = 8; lanes <= 32; lanes *= 2) {
        assert_true(steps_have("znver3", "-inf", "max", lanes, "vpsignd"));
        assert_false(steps_have("znver3", "-inf", "max", lanes, "vblendv"));
        assert_false(steps_have("znver3", "inf", "min", lanes, "vpsignd"));
        assert_true(steps_have("znver3", "inf", "min", lanes, "vblendv"));
        assert_false(steps_have("znver4", "-inf", "max", lanes, "vpsignd"));
    }
    assert_false(steps_have("znver3", "-inf", "max", 4, "vpsignd"));
}

/* ---- casts ----------------------------------------------------------------------------------- */

static void casts_to(hone_dtype t, const shape *s)
{
    hone_buf b = {0};
    hone_buf_puts(&b, "program casts {\n");
    for (int from = 0; from < HONE_DTYPE_COUNT; from++)
        hone_buf_printf(&b, "  buffer B%d: %s[%d] input\n", from, dtype_names[from], s->n);
    hone_buf_printf(&b, "  buffer C: %s[%d, %d] output\n", dtype_names[t], HONE_DTYPE_COUNT, s->n);
    char value[HONE_DTYPE_COUNT][ROW_BYTES];
    for (int from = 0; from < HONE_DTYPE_COUNT; from++) {
        snprintf(value[from], ROW_BYTES, "%s(B%d[vi])", dtype_names[t], from);
        begin_block(&b, s, (unsigned)from);
        end_block(&b, s, "C", (unsigned)from, value[from]);
    }
    hone_buf_puts(&b, "}\n");
    hone_program p = parse_text(b.s);
    memory want = memory_of(&p), got = memory_of(&p);
    assert_int_equal(hone_interp_run(&p, want.args, NULL), HONE_OK);
    run(&p, false, &got);
    for (int from = 0; from < HONE_DTYPE_COUNT; from++) {
        char text[2 * ROW_BYTES];
        snprintf(text, sizeof text, "%s of %s", value[from], dtype_names[from]);
        compare_row(&p, &want, &got, HONE_DTYPE_COUNT, from, s->n, HONE_OP_CAST, text,
                    (where){s->name, ""});
    }
    memory_free(&want);
    memory_free(&got);
    hone_program_fini(&p);
    hone_buf_free(&b);
}

static void casts(void **state)
{
    (void)state;
    for (int t = 0; t < HONE_DTYPE_COUNT; t++)
        for (size_t s = 0; s < HONE_LEN(shapes); s++)
            casts_to((hone_dtype)t, &shapes[s]);
}

/* ---- constants --------------------------------------------------------------------------------
 */

static hone_expr constant(hone_program *p, hone_dtype t, const memory *m, unsigned arg, int64_t k)
{
    if (hone_dtype_is_float(t))
        return hone_const(p, t, hone_elem_get(t, m->args[arg], k));
    int64_t v = 0;
    size_t n = (size_t)hone_dtype_bytes(t);
    memcpy(&v, (const char *)m->args[arg] + (size_t)k * n, n);
    if (class_of(t) == 'i' && n < 8) /* sign */
        v = (int64_t)((uint64_t)v << (64 - 8 * n)) >> (64 - 8 * n);
    return hone_cast(p, t, hone_int(p, v));
}

static bool is_constant(const hone_program *p, hone_expr e)
{
    return hone_expr_op(p, e) == HONE_OP_INT || hone_expr_op(p, e) == HONE_OP_FLOAT;
}

/* What is computed while a program is built is what it would compute when run. */
static unsigned check_folded(const table *b)
{
    char *text = program_of(b, &(shape){"scalar", N_EXACT, 0});
    hone_program p = parse_text(text);
    memory want = memory_of(&p);
    unsigned folded = 0;
    assert_int_equal(hone_interp_run(&p, want.args, NULL), HONE_OK);
    for (unsigned n = 0; n < b->n; n++) {
        const row *r = &b->rows[n];
        int arity = hone_op_arity(r->op);
        bool divides = strstr(r->value, " Z[vi]") != NULL;
        if (r->op == HONE_OP_CAST || arity < 1 || arity > 2 || strstr(r->value, "select"))
            continue;
        for (int64_t k = 0; k < N_EXACT; k++) {
            hone_expr x = constant(&p, b->t, &want, 0, k);
            hone_expr y = constant(&p, b->t, &want, divides ? 2 : 1, k);
            if (!is_constant(&p, x) || !is_constant(&p, y))
                continue;
            hone_expr e = arity == 1 ? hone_unary(&p, r->op, x) : hone_binary(&p, r->op, x, y);
            if (!is_constant(&p, e))
                continue;
            folded++;
            unsigned arg = r->to_bool ? 5 : 4;
            hone_dtype t = hone_expr_dtype(&p, e);
            uint64_t element = 0;
            const hone_expr_row *c = hone_expr_at(&p, e);
            if (c->op == HONE_OP_FLOAT)
                hone_elem_set(t, &element, 0, c->imm.f);
            else
                memcpy(&element, &c->imm.i, (size_t)hone_dtype_bytes(t));
            size_t bytes = (size_t)hone_dtype_bytes(t);
            const char *computed = (char *)want.args[arg] + (size_t)(r->at * N_EXACT + k) * bytes;
            if (!same_element(t, r->op, computed, &element, 0))
                fail_msg("%s of %s, pair %lld: computed %.17g, folded %.17g", r->value,
                         dtype_names[b->t], (long long)k, hone_elem_get(t, computed, 0),
                         hone_elem_get(t, &element, 0));
        }
    }
    memory_free(&want);
    hone_program_fini(&p);
    free(text);
    return folded;
}

static void constants(void **state)
{
    (void)state;
    unsigned folded = 0;
    for (int t = 0; t < HONE_DTYPE_COUNT; t++) {
        table b = table_of((hone_dtype)t);
        folded += check_folded(&b);
    }
    printf("%u constants\n", folded);
    assert_true(folded > 10000);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static hone_status parsed(const char *text)
{
    hone_program p;
    hone_error err;
    hone_status s = hone_program_parse(text, strlen(text), &p, &err);
    if (s == HONE_OK) {
        s = hone_verify(&p, &err);
        hone_program_fini(&p);
    }
    return s;
}

static void others_are_refused(void **state)
{
    (void)state;
    for (int op = 1; op < HONE_OP_COUNT; op++) {
        if (!takes[op])
            fail_msg("%s is not in the table", hone_op_name((hone_op)op));
        /* a constant or an index of another type is a cast of it */
        if (op == HONE_OP_INT || op == HONE_OP_FLOAT || op == HONE_OP_VAR)
            continue;
        for (int t = 0; t < HONE_DTYPE_COUNT; t++) {
            char value[ROW_BYTES], text[1024];
            write_value((hone_op)op, (hone_dtype)t, value);
            const char *u = is_compare((hone_op)op) ? "bool" : dtype_names[t];
            snprintf(text, sizeof text,
                     "program one {\n  buffer A: %s[8] input\n  buffer B: %s[8] input\n"
                     "  buffer Z: %s[8] input\n  buffer P: bool[8] input\n"
                     "  buffer C: %s[8] output\n"
                     "  for o in 8 { block s(vi: 8 = o) { C[vi] = %s } }\n}\n",
                     dtype_names[t], dtype_names[t], dtype_names[t], u, value);
            if ((parsed(text) == HONE_OK) != is_legal((hone_op)op, (hone_dtype)t))
                fail_msg("%s of %s is %s", hone_op_name((hone_op)op), dtype_names[t],
                         parsed(text) == HONE_OK ? "accepted" : "refused");
        }
    }
}

/* The program is at fault, and the interpreter says so. */
static void division_by_zero(void **state)
{
    (void)state;
    static const char *const ops[] = {"/", "//", "%"};
    for (size_t k = 0; k < HONE_LEN(ops); k++) {
        char text[512];
        snprintf(text, sizeof text,
                 "program zero {\n  buffer A: i32[4] input\n  buffer C: i32[4] output\n"
                 "  for o in 4 { block s(vi: 4 = o) { C[vi] = 7 %s A[vi] } }\n}\n",
                 ops[k]);
        hone_program p = parse_text(text);
        int32_t a[4] = {1, 2, 0, 3}, c[4];
        assert_int_equal(hone_interp_run(&p, (void *[]){a, c}, NULL), HONE_REJECT_CRASH);
        hone_program_fini(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations),       cmocka_unit_test(casts),
        cmocka_unit_test(extremes),         cmocka_unit_test(extremes_take_one_instruction),
        cmocka_unit_test(signs_of_maxima),  cmocka_unit_test(zeros_whose_sign_is_not_seen),
        cmocka_unit_test(constants),        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(division_by_zero),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
