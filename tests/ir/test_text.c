/* Program text: golden texts, print-parse-print over the built-ins and random programs, and what
 * error messages look like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ir/builtin.h"

#include <math.h>

static char *print(const hone_program *p)
{
    hone_buf b = {0};
    hone_program_print(p, &b);
    return hone_buf_take(&b);
}

static hone_program parse(const char *text)
{
    hone_program p;
    hone_error err;
    if (hone_program_parse(text, strlen(text), &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return p;
}

/* Parses what p prints and compares text and hash. */
static void check_identity(const hone_program *p)
{
    char *first = print(p);
    hone_program q = parse(first);
    char *second = print(&q);
    assert_string_equal(first, second);
    assert_int_equal(hone_program_hash(p), hone_program_hash(&q));
    free(first);
    free(second);
    hone_program_fini(&q);
}

static void test_golden(void **state)
{
    (void)state;
    static const char text[] = //
        "program matmul @hone.seed=7 {\n"
        "  buffer A: f32[509, 512] input\n"
        "  buffer B: f32[512, 512] input const\n"
        "  buffer C: f32[509, 512] output\n"
        "  buffer T: f32[] local\n"
        "  for i0 in 37 parallel {\n"
        "    for i1 in 14 unrolled {\n"
        "      for j in 512 vectorized @hone.x=-1 @note=\"say \\x22hi\\x22\" {\n"
        "        block T() where i0*14 + i1 < 509 {\n"
        "          T[] = 0.5\n"
        "        }\n"
        "        for k in 512 {\n"
        "          block C(vi: 509 = i0*14 + i1, vj: 512 = j, reduce vk: 512 = k) where i0*14 + i1 "
        "< "
        "509 {\n"
        "            init 0.0\n"
        "            C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj] / T[]\n"
        "          }\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "}\n";
    hone_program p = parse(text);
    char *printed = print(&p);
    assert_string_equal(printed, text);
    hone_error err;
    if (hone_verify(&p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    assert_int_equal(hone_stmt_at(&p, hone_stmt_at(&p, p.root)->first)->loop_kind, HONE_PARALLEL);
    assert_int_equal(hone_ann_get(&p, p.root, "hone.seed")->value, 7);
    free(printed);
    hone_program_fini(&p);
}

/* Axes of loops, and the form they once had. A loop may be called bind. */
static void test_axes(void **state)
{
    (void)state;
    static const char text[] = "program f {\n"
                               "  buffer C: f32[8] output\n"
                               "  for bind in 4 bind blockIdx.y {\n"
                               "    for j in 2 bind vthread @a=1 {\n"
                               "      block c(v: 8 = bind*2 + j) {\n"
                               "        C[v] = 0.0\n"
                               "      }\n"
                               "    }\n"
                               "  }\n"
                               "}\n";
    static const char old[] =
        "program f { buffer C: f32[8] output for bind in 4 @thread_binding=\"blockIdx.y\" {\n"
        "for j in 2 @a=1 @thread_binding=\"vthread\" { block c(v: 8 = bind*2 + j) { C[v] = 0.0 } } "
        "} }";
    hone_program p = parse(text), q = parse(old);
    hone_stmt outer = hone_stmt_at(&p, p.root)->first;
    assert_int_equal(hone_stmt_at(&p, outer)->loop_kind, HONE_BOUND);
    assert_int_equal(hone_stmt_at(&p, outer)->axis, HONE_AXIS_BLOCK_Y);
    char *printed = print(&p), *of_old = print(&q);
    assert_string_equal(printed, text);
    assert_string_equal(of_old, text);
    assert_true(hone_program_hash(&p) == hone_program_hash(&q));
    free(printed);
    free(of_old);
    hone_program_fini(&p);
    hone_program_fini(&q);
    /* what it never meant stays an annotation */
    p = parse(
        "program f { buffer C: f32[8] output for i in 8 parallel @thread_binding=\"vthread\" {\n"
        "block c(v: 8 = i) @thread_binding=\"vthread\" { C[v] = 0.0 } } }");
    printed = print(&p);
    assert_non_null(strstr(printed, "parallel @thread_binding"));
    free(printed);
    hone_program_fini(&p);
}

/* What is written by hand may be looser than what is printed. */
static void test_reads_loosely(void **state)
{
    (void)state;
    hone_program p =
        parse("program x{buffer X:f64[4]output for i in 4{block a(v:4=i)where 3>=i and "
              "not(i>2){ # comment\n X[v]=v<1?1:f64(v)*-(2+0.5e1) }}}");
    char *text = print(&p);
    assert_string_equal(text, "program x {\n"
                              "  buffer X: f64[4] output\n"
                              "  for i in 4 {\n"
                              "    block a(v: 4 = i) where i <= 3 and not(2 < i) {\n"
                              "      X[v] = select(v < 1, f64(1.0), f64(v) * f64(-7.0))\n"
                              "    }\n"
                              "  }\n"
                              "}\n");
    free(text);
    hone_program_fini(&p);
}

static const char *const constants[][2] = {
    /* dtype of the buffer, value as printed */
    {"f32", "0.1"},
    {"f32", "1e-45"},
    {"f32", "3.4028235e+38"},
    {"f32", "-0.0"},
    {"f32", "16777216.0"},
    {"f32", "-inf"},
    {"f32", "nan"},
    {"f64", "f64(0.1)"},
    {"f64", "f64(0.30000000000000004)"},
    {"f64", "f64(-5e-324)"},
    {"f16", "f16(0.1)"},
    {"bf16", "bf16(3.39e+38)"},
    {"i64", "-9223372036854775808"},
    {"i64", "9223372036854775807"},
    {"i32", "i32(-7)"},
    {"u8", "u8(255)"},
    {"bool", "true"},
    {"f32", "f32(f64(0.1) + f64(v))"},
    {"f64", "f64(exp(f32(0.5)))"},
    {"f64", "f64(v) / f64(3.0)"},
    {"i64", "select(v < 1, 1, 2) // 2"},
    {"i64", "select(v < i64(1), i64(1), i64(2)) / i64(2)"},
    {"bool", "v == 1 or not(v < 2 and v != 0)"},
    {"bool", "(v < 1) == (v < 2)"},
    {"i64", "v - (v - 1) - (2 - v)"},
    {"i64", "v*(v + 2) % 3*(4 // (v + 1))"},
    {"i32", "i32(v) + i32(f32(nan))"},
    {"i64", "v << 1 | v & 3 ^ v >> 2"},
    {"i64", "(v | 1) & v << (v ^ 5) + 1"},
    {"i64", "v << (v << 1) << 2*v"},
    {"i64", "popcount(v & -2) + (v & 1)"},
    {"u8", "u8(v) << u8(7) ^ u8(9)"},
    {"bool", "v & 1 == 0 and v | 2 != 3"},
    {"f32", "max(min(f32(v), X[v]), 0.0)"},
};

static void test_constants(void **state)
{
    (void)state;
    for (size_t k = 0; k < HONE_LEN(constants); k++) {
        char *text = hone_xasprintf("program x {\n"
                                    "  buffer X: %s[2] output\n"
                                    "  for i in 2 {\n"
                                    "    block a(v: 2 = i) {\n"
                                    "      X[v] = %s\n"
                                    "    }\n"
                                    "  }\n"
                                    "}\n",
                                    constants[k][0], constants[k][1]);
        hone_program p = parse(text);
        char *printed = print(&p);
        assert_string_equal(printed, text);
        free(printed);
        free(text);
        hone_program_fini(&p);
    }
}

static void test_names(void **state)
{
    (void)state;
    hone_program p;
    hone_program_init(&p, "a b");
    int64_t four = 4;
    hone_buffer b = hone_buffer_new(&p, "for", HONE_F32, &four, 1, HONE_OUTPUT, HONE_GLOBAL);
    hone_stmt outer = p.root;
    for (int k = 0; k < 3; k++) { /* three loops of one name */
        hone_stmt l = hone_loop_new(&p, "i", 4);
        hone_stmt_append(&p, outer, l);
        outer = l;
    }
    hone_stmt block = hone_block_new(&p, "back`tick\n");
    hone_expr bind = hone_var_expr(&p, hone_stmt_at(&p, outer)->var);
    hone_var v = hone_block_add_iter(&p, block, "v", HONE_SPATIAL, 4, bind);
    hone_block_add_iter(&p, block, "v", HONE_SPATIAL, 4, bind);
    hone_expr index = hone_var_expr(&p, v);
    hone_block_set_store(&p, block, b, &index, 1, hone_const(&p, HONE_F32, 1), HONE_NO_EXPR);
    hone_stmt_append(&p, outer, block);
    hone_ann_set(&p, block, "z", 1);
    hone_ann_set(&p, block, "a", 2);
    char *text = print(&p);
    assert_string_equal(text,
                        "program `a b` {\n"
                        "  buffer `for`: f32[4] output\n"
                        "  for i in 4 {\n"
                        "    for i_1 in 4 {\n"
                        "      for i_2 in 4 {\n"
                        "        block `back\\x60tick\\x0a`(v: 4 = i_2, v_1: 4 = i_2) @a=2 @z=1 {\n"
                        "          `for`[v] = 1.0\n"
                        "        }\n"
                        "      }\n"
                        "    }\n"
                        "  }\n"
                        "}\n");
    free(text);
    check_identity(&p);
    hone_program_fini(&p);
}

static void test_builtins(void **state)
{
    (void)state;
    size_t n;
    const char *text = hone_builtin_text(&n);
    hone_kernel_list list = {0};
    hone_error err;
    assert_int_equal(hone_workload_list("builtin", text, n, &list, &err), HONE_OK);
    for (uint32_t k = 0; k < list.n; k++) {
        static const char *const names[] = {"M",  "N", "B", "H", "W", "CI",
                                            "CO", "C", "L", "D", "K"};
        hone_size sizes[HONE_LEN(names)];
        unsigned n_sizes = 0;
        for (int i = 0; i < (int)HONE_LEN(names); i++)
            for (const char *s = list.v[k].head; (s = strstr(s, names[i])) != NULL; s++)
                if (strchr("( ", s[-1]) && strchr(",)", s[strlen(names[i])]))
                    sizes[n_sizes++] = (hone_size){names[i], names[i][0] == 'K' ? 64 : 5 + i};
        hone_program p;
        if (hone_workload_parse("builtin", text, n, list.v[k].name, sizes, n_sizes, &p, &err) !=
            HONE_OK)
            fail_msg("%s", err.message);
        check_identity(&p);
        hone_program_fini(&p);
    }
    hone_kernel_list_free(&list);
}

/* ---- random programs ------------------------------------------------------------------------- */

typedef struct maker {
    hone_program *p;
    hone_rng rng;
    hone_var vars[4];
    unsigned n_vars;
} maker;

static unsigned roll(maker *m, unsigned n)
{
    return (unsigned)hone_rng_below(&m->rng, n);
}

static hone_expr random_expr(maker *m, hone_dtype t, int depth);

static hone_expr random_leaf(maker *m, hone_dtype t)
{
    static const double floats[] = {0, -0.0, 1, -1, 0.1, 1e-30, 3e30, 1.0 / 3, 12345678, 1e100};
    hone_expr index[2];
    if (t == HONE_I64 && m->n_vars && roll(m, 2))
        return hone_var_expr(m->p, m->vars[roll(m, m->n_vars)]);
    if (roll(m, 3) == 0 && m->n_vars) { /* buffer 1 + t holds dtype t */
        for (int k = 0; k < 2; k++)
            index[k] = random_expr(m, HONE_I64, 1);
        return hone_load(m->p, (hone_buffer){1 + (uint32_t)t}, index, 2);
    }
    if (t == HONE_BOOL)
        return hone_bool(m->p, roll(m, 2));
    if (!hone_dtype_is_float(t))
        return hone_const(m->p, t, (double)roll(m, 100) - (t == HONE_U8 ? 0 : 50));
    if (roll(m, 8) == 0)
        return hone_const(m->p, t, roll(m, 2) ? (double)NAN : -(double)INFINITY);
    return hone_const(m->p, t, floats[roll(m, HONE_LEN(floats))]);
}

static hone_expr random_expr(maker *m, hone_dtype t, int depth)
{
    static const hone_op both[] = {HONE_OP_ADD, HONE_OP_SUB, HONE_OP_MUL, HONE_OP_MIN, HONE_OP_MAX};
    static const hone_op compare[] = {HONE_OP_EQ, HONE_OP_NE, HONE_OP_LT, HONE_OP_LE};
    static const hone_op real[] = {HONE_OP_EXP,  HONE_OP_LOG,     HONE_OP_SQRT, HONE_OP_TANH,
                                   HONE_OP_ERF,  HONE_OP_SIGMOID, HONE_OP_ABS,  HONE_OP_FLOOR,
                                   HONE_OP_CEIL, HONE_OP_ROUND};
    hone_program *p = m->p;
    if (depth == 0 || roll(m, 6) == 0)
        return random_leaf(m, t);
    hone_dtype other = (hone_dtype)roll(m, HONE_DTYPE_COUNT);
    switch (roll(m, 5)) {
    case 0:
        return hone_select(p, random_expr(m, HONE_BOOL, depth - 1), random_expr(m, t, depth - 1),
                           random_expr(m, t, depth - 1));
    case 1:
        return hone_cast(p, t, random_expr(m, other, depth - 1));
    default:
        break;
    }
    if (t == HONE_BOOL) {
        if (roll(m, 4) == 0)
            return hone_unary(p, HONE_OP_NOT, random_expr(m, t, depth - 1));
        if (roll(m, 2) == 0)
            return hone_binary(p, roll(m, 2) ? HONE_OP_AND : HONE_OP_OR,
                               random_expr(m, t, depth - 1), random_expr(m, t, depth - 1));
        hone_op op = compare[other == HONE_BOOL ? roll(m, 2) : roll(m, 4)];
        return hone_binary(p, op, random_expr(m, other, depth - 1),
                           random_expr(m, other, depth - 1));
    }
    if (hone_dtype_is_float(t) && roll(m, 3) == 0)
        return hone_unary(p, real[roll(m, HONE_LEN(real))], random_expr(m, t, depth - 1));
    if (hone_dtype_is_float(t) && roll(m, 4) == 0)
        return hone_binary(p, roll(m, 2) ? HONE_OP_DIV : HONE_OP_POW, random_expr(m, t, depth - 1),
                           random_expr(m, t, depth - 1));
    if (!hone_dtype_is_float(t) && roll(m, 3) == 0) {
        static const hone_op divide[] = {HONE_OP_DIV, HONE_OP_FLOORDIV, HONE_OP_FLOORMOD};
        return hone_binary(p, divide[roll(m, 3)], random_expr(m, t, depth - 1),
                           hone_const(p, t, 1 + roll(m, 9)));
    }
    return hone_binary(p, both[roll(m, HONE_LEN(both))], random_expr(m, t, depth - 1),
                       random_expr(m, t, depth - 1));
}

static void random_stmts(maker *m, hone_stmt parent, unsigned depth)
{
    hone_program *p = m->p;
    for (unsigned n = 1 + roll(m, 2); n > 0; n--) {
        if (depth < 3 && roll(m, 3)) {
            hone_stmt l = hone_loop_new(p, roll(m, 2) ? "i" : "f32", 1 + roll(m, 9));
            hone_stmt_at(p, l)->loop_kind = (uint8_t)roll(m, HONE_BOUND + 1);
            if (hone_stmt_at(p, l)->loop_kind == HONE_BOUND)
                hone_stmt_at(p, l)->axis = (uint8_t)(1 + roll(m, HONE_AXIS_COUNT - 1));
            hone_stmt_append(p, parent, l);
            if (roll(m, 3) == 0)
                hone_ann_set(p, l, roll(m, 2) ? "a" : "b.c", (int64_t)roll(m, 9) - 4);
            m->vars[m->n_vars++] = hone_stmt_at(p, l)->var;
            random_stmts(m, l, depth + 1);
            m->n_vars--;
            continue;
        }
        hone_stmt b = hone_block_new(p, "b");
        hone_var own[2];
        maker inner = *m;
        for (int k = 0; k < 2; k++) {
            hone_expr bind =
                m->n_vars ? hone_var_expr(p, m->vars[roll(m, m->n_vars)]) : hone_int(p, 0);
            bind = hone_binary(p, HONE_OP_FLOORMOD, bind, hone_int(p, 4));
            own[k] =
                hone_block_add_iter(p, b, "v", roll(m, 3) ? HONE_SPATIAL : HONE_REDUCE, 4, bind);
        }
        hone_stmt_append(p, parent, b);
        hone_rng_seed(&inner.rng, hone_rng_u64(&m->rng));
        inner.vars[0] = own[0];
        inner.vars[1] = own[1];
        inner.n_vars = 2;
        hone_dtype t = (hone_dtype)roll(m, HONE_DTYPE_COUNT);
        hone_expr index[2] = {hone_var_expr(p, own[0]), hone_var_expr(p, own[1])};
        hone_expr value = random_expr(&inner, t, 4);
        hone_expr init = roll(m, 3) ? HONE_NO_EXPR : random_expr(&inner, t, 2);
        hone_block_set_store(p, b, (hone_buffer){1 + (uint32_t)t}, index, 2, value, init);
    }
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        hone_program p;
        hone_program_init(&p, "random");
        maker m = {.p = &p};
        hone_rng_seed(&m.rng, seed);
        for (int t = 0; t < HONE_DTYPE_COUNT; t++) {
            int64_t shape[2] = {4, 4};
            hone_buffer_new(&p, hone_dtype_name((hone_dtype)t), (hone_dtype)t, shape, 2,
                            HONE_OUTPUT, HONE_GLOBAL);
        }
        random_stmts(&m, p.root, 0);
        check_identity(&p);
        hone_program_fini(&p);
    }
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void test_error_form(void **state)
{
    (void)state;
    static const char text[] = "program x {\n"
                               "  buffer C: f32[4] output\n"
                               "\tblock a(v: 4 = w) { C[v] = 1 }\n"
                               "}\n";
    hone_program p;
    hone_error err;
    assert_int_equal(hone_program_parse(text, strlen(text), &p, &err), HONE_E_INPUT);
    assert_string_equal(err.message, "program:3:17: error: there is no variable 'w' here\n"
                                     "  \tblock a(v: 4 = w) { C[v] = 1 }\n"
                                     "  \t               ^");
    assert_int_equal(err.line, 3);
    assert_int_equal(err.column, 17);
    hone_program_fini(&p); /* harmless after an error */
}

static const char *const wrong[][2] = {
    {"", "expected 'program', found the end of the text"},
    {"program x", "expected '{', found the end of the text"},
    {"program x { } y", "expected the end of the text, found 'y'"},
    {"program for { }", "'for' is a word of the language"},
    {"program x { if }", "expected 'for', 'block' or '}', found 'if'"},
    {"program x { buffer A: f33[4] }", "expected a dtype such as f32, found 'f33'"},
    {"program x { buffer A: f32[-1] }", "dimensions are not negative"},
    {"program x { buffer A: f32[2097152, 2097152] }", "at most 2^40 elements"},
    {"program x { buffer A: f32[1] buffer A: f32[1] }", "there are two buffers 'A'"},
    {"program x { for i in 0 { } }", "an extent lies between 1 and 2^48"},
    {"program x { for i in 2 { for i in 2 { } } }", "there is a 'i' around this already"},
    {"program x { block b() { } block b() { } }", "there are two blocks 'b'"},
    {"program x { block root() { } }", "there are two blocks 'root'"},
    {"program x { block b(v: 2 = 0, v: 2 = 0) { } }", "there are two iteration variables 'v'"},
    {"program x { buffer A: f32[4] for i in 4 { block b(v: 4 = i) { A[i] = 1 } } }",
     "'i' is not visible here: a block's body sees only the block's own variables"},
    {"program x { buffer A: f32[4] block b(v: 4 = 0) { A[v, v] = 1 } }",
     "A has 1 dimensions, here are 2 indices"},
    {"program x { buffer A: f32[4] block b(v: 4 = 0) { A[v] = v } }",
     "this is i64 where f32 is wanted; write f32(...)"},
    {"program x { buffer A: f32[4] block b(v: 4 = 0) { A[v] = A[v] + f64(v) } }",
     "f32 and f64 do not mix"},
    {"program x { buffer A: i8[4] block b(v: 4 = 0) { A[v] = 128 } }", "128 does not fit i8"},
    {"program x { buffer A: f32[4] block b(v: 4 = 0) { A[v] = B[v] } }", "there is no buffer 'B'"},
    {"program x { buffer A: i64[4] block b(v: 4 = 0) { A[v] = v // (v*0 - 0 // 1) } }", NULL},
    {"program x { buffer A: i64[4] block b(v: 4 = 0) { A[v] = v // 0 } }", "division by zero"},
    {"program x { buffer A: i64[4] block b(v: 4 = 0) { A[v] = v <  1 < 2 } }",
     "comparisons do not chain"},
    {"program x { buffer A: i64[4] block b(v: 4 = 0) { A[v] = sum(v < 1) 2 } }",
     "'sum' is no function"},
    {"program x { buffer A: i64[4] block b(v: 4 = 0) { A[v] = select(v, 1, 2) } }",
     "must be a condition"},
    {"program x { buffer A: bool[4] block b(v: 4 = 0) { A[v] = not v < 1 } }",
     "'not' takes parentheses"},
    {"program x { buffer A: i64[4] block b(v: 4 = 0) { A[v] = min(1) } }",
     "min takes 2 arguments, here are 1"},
    {"program x { for i in 4 bind { } }", "an axis such as blockIdx.x"},
    {"program x { for i in 4 bind blockIdx.w { } }", "there is no axis 'blockIdx.w'"},
    {"program x { for i in 4 bind vthread parallel { } }", "expected '{'"},
    {"program x { block b() @a=1 @a=2 { } }", "there are two annotations 'a'"},
    {"program x { block b() @a=\"\" { } }", "an annotation's text cannot be empty"},
    {"program x { block b() @a=\"x\n\" { } }", "the closing \" is missing"},
    {"program `a\\x00` { }", "a backslash must begin \\xHH"},
    {"program x { ! }", "unexpected '!'; write not(...)"},
    {"program x { buffer A: bool[4] block b(v: 4 = 0) { A[v] = v < 1 & v < 2 } }",
     "comparisons do not chain"},
    {"program x { buffer A: bool[4] block b(v: 4 = 0) { A[v] = (v < 1) & (v < 2) } }",
     "conditions are joined with 'and' and 'or'"},
    {"program x { buffer A: f32[4] block b(v: 4 = 0) { A[v] = A[v] ^ 2.5 } }",
     "operations on bits are for integers"},
    {"program x { buffer A: i64[4] block b(v: 4 = 0) { A[v] = ~v } }", "write x ^ -1"},
    {"program x { buffer A: i64[4] block b(v: 4 = 0) { A[v] = -8 >> 1 } }",
     "this number cannot be negative"},
    {"program x { \x01 }", "unexpected byte 0x01"},
    {"program x { for i in 99999999999999999999 { } }", "the number does not fit 64 bits"},
    {"program x { for i in 3x { } }", "a letter follows a number"},
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t k = 0; k < HONE_LEN(wrong); k++) {
        hone_program p;
        hone_error err;
        hone_status s = hone_program_parse(wrong[k][0], strlen(wrong[k][0]), &p, &err);
        if (!wrong[k][1]) {
            assert_int_equal(s, HONE_OK);
            hone_program_fini(&p);
            continue;
        }
        assert_int_equal(s, HONE_E_INPUT);
        if (!strstr(err.message, wrong[k][1]))
            fail_msg("wanted '%s', got '%s'", wrong[k][1], err.message);
        assert_true(err.line > 0 && err.column > 0);
        assert_int_equal(hone_program_parse(wrong[k][0], strlen(wrong[k][0]), &p, NULL),
                         HONE_E_INPUT);
    }
}

/* Nothing of a hostile text but printable ASCII reaches the message. */
static void test_hostile_message(void **state)
{
    (void)state;
    static const char text[] = "program x { \x1b[31m\x80 }";
    hone_program p;
    hone_error err;
    assert_int_equal(hone_program_parse(text, strlen(text), &p, &err), HONE_E_INPUT);
    for (const char *c = err.message; *c; c++)
        assert_true((*c >= ' ' && *c < 0x7f) || *c == '\n' || *c == '\t');
}

static void test_limits(void **state)
{
    (void)state;
    hone_error err;
    hone_program p;
    hone_buf b = {0};
    hone_buf_puts(&b, "program x { ");
    for (int k = 0; k < 200; k++)
        hone_buf_printf(&b, "for i%d in 2 { ", k);
    assert_int_equal(hone_program_parse(b.s, b.n, &p, &err), HONE_E_INPUT);
    if (!strstr(err.message, "more than 100 statements within one another"))
        fail_msg("%s", err.message);
    hone_buf_reset(&b);
    hone_buf_puts(&b, "program x { ");
    for (int k = 0; k < HONE_MAX_STMTS + 10; k++)
        hone_buf_printf(&b, "for i in 2 { } ");
    hone_buf_puts(&b, "}");
    assert_int_equal(hone_program_parse(b.s, b.n, &p, &err), HONE_E_LIMIT);
    assert_non_null(strstr(err.message, "the program is too large"));
    for (int sum = 0; sum < 2; sum++) {
        hone_buf_reset(&b);
        hone_buf_puts(&b, "program x { buffer A: f32[1] block a(v: 1 = ");
        for (int k = 0; k < 5000; k++)
            hone_buf_puts(&b, sum ? "1 + " : "(");
        assert_int_equal(hone_program_parse(b.s, b.n, &p, &err), HONE_E_INPUT);
        assert_non_null(strstr(err.message, sum ? "more than 200 operations deep"
                                                : "more than 200 expressions within"));
    }
    hone_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden), cmocka_unit_test(test_reads_loosely),
        cmocka_unit_test(test_axes),   cmocka_unit_test(test_constants),
        cmocka_unit_test(test_names),  cmocka_unit_test(test_builtins),
        cmocka_unit_test(test_random), cmocka_unit_test(test_error_form),
        cmocka_unit_test(test_errors), cmocka_unit_test(test_hostile_message),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
