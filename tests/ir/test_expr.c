/* Interning, constructors, traversal, rewriting, copying of programs. */
#include "tests/ir/expr_test.h"

#include <math.h>

#define differ(a, b) assert_int_not_equal((a).i, (b).i)

static hone_expr var(const char *name, int64_t extent)
{
    return hone_var_expr(P, hone_var_new(P, name, extent));
}
static hone_expr f32(double v)
{
    return hone_const(P, HONE_F32, v);
}

static void equality_is_identity(void **state)
{
    (void)state;
    hone_expr i = var("i", 4), j = var("j", 4);
    differ(i, j);
    same(hone_int(P, 7), hone_int(P, 7));
    same(op(HONE_OP_ADD, i, j), op(HONE_OP_ADD, i, j));
    differ(op(HONE_OP_ADD, i, j), op(HONE_OP_ADD, j, i));
    differ(op(HONE_OP_ADD, i, j), op(HONE_OP_SUB, i, j));
    differ(f32(1), hone_const(P, HONE_F64, 1));
    differ(f32(0.0), f32(-0.0));
    same(f32(NAN), f32(NAN));
    same(f32(0.1), f32((double)0.1f));
    same(hone_const(P, HONE_I8, 300), hone_const(P, HONE_I8, 127));
    same(hone_const(P, HONE_I64, 5), hone_int(P, 5));
    same(hone_const(P, HONE_BOOL, 2), hone_bool(P, true));
    /* many nodes: the table grows and finds them again */
    uint32_t before[3000];
    for (int k = 0; k < 3000; k++)
        before[k] = op(HONE_OP_MUL, i, hone_int(P, 1000 + k)).i;
    uint32_t n = P->exprs.n;
    for (int k = 0; k < 3000; k++)
        assert_int_equal(op(HONE_OP_MUL, i, hone_int(P, 1000 + k)).i, before[k]);
    assert_int_equal(P->exprs.n, n);
}

static void folding(void **state)
{
    (void)state;
    hone_expr i = var("i", 4), x = f32(1.5), zero = hone_int(P, 0), one = hone_int(P, 1);
    hone_expr m7 = hone_int(P, -7), two = hone_int(P, 2), t = hone_bool(P, true);
    hone_expr c = op(HONE_OP_LT, i, two);
    same(op(HONE_OP_ADD, i, zero), i);
    same(op(HONE_OP_ADD, zero, i), i);
    same(op(HONE_OP_MUL, one, i), i);
    differ(op(HONE_OP_MUL, i, zero), zero); /* left to hone_simplify */
    same(op(HONE_OP_FLOORDIV, m7, two), hone_int(P, -4));
    same(op(HONE_OP_FLOORMOD, m7, two), one);
    same(op(HONE_OP_FLOORMOD, hone_int(P, 7), hone_int(P, -2)), hone_int(P, -1));
    same(op(HONE_OP_DIV, m7, two), hone_int(P, -3));
    same(op(HONE_OP_BITOR, i, zero), i);
    same(op(HONE_OP_BITXOR, zero, i), i);
    same(op(HONE_OP_SHR, i, zero), i);
    same(op(HONE_OP_BITAND, m7, two), zero);
    same(op(HONE_OP_BITXOR, m7, two), hone_int(P, -5));
    same(op(HONE_OP_SHL, m7, two), hone_int(P, -28));
    same(op(HONE_OP_SHR, m7, two), hone_int(P, 0x3ffffffffffffffe));
    same(op(HONE_OP_SHL, m7, hone_int(P, 64)), zero);
    same(op(HONE_OP_SHR, m7, hone_int(P, -1)), zero);
    same(op(HONE_OP_SHL, one, hone_int(P, 63)), hone_int(P, INT64_MIN));
    same(hone_unary(P, HONE_OP_POPCOUNT, m7), hone_int(P, 62));
    hone_expr byte = hone_const(P, HONE_I8, -7), far = hone_const(P, HONE_I8, 8);
    same(hone_unary(P, HONE_OP_POPCOUNT, byte), hone_const(P, HONE_I8, 6));
    same(op(HONE_OP_SHR, byte, hone_const(P, HONE_I8, 1)), hone_const(P, HONE_I8, 124));
    same(op(HONE_OP_SHL, byte, hone_const(P, HONE_I8, 5)), hone_const(P, HONE_I8, 32));
    same(op(HONE_OP_SHL, byte, far), hone_const(P, HONE_I8, 0));
    same(op(HONE_OP_SHL, hone_const(P, HONE_U8, 200), hone_const(P, HONE_U8, 1)),
         hone_const(P, HONE_U8, 144));
    assert_int_equal(hone_expr_op(P, op(HONE_OP_DIV, m7, zero)), HONE_OP_DIV);
    assert_int_equal(hone_expr_op(P, op(HONE_OP_ADD, hone_int(P, INT64_MAX), one)), HONE_OP_ADD);
    hone_expr big = hone_const(P, HONE_I8, 100);
    assert_int_equal(hone_expr_op(P, op(HONE_OP_ADD, big, big)), HONE_OP_ADD);
    same(op(HONE_OP_AND, t, c), c);
    same(op(HONE_OP_OR, c, t), t);
    same(hone_select(P, t, i, zero), i);
    same(op(HONE_OP_LE, zero, one), t);
    same(hone_unary(P, HONE_OP_NOT, t), hone_bool(P, false));
    /* floats */
    same(op(HONE_OP_ADD, x, x), f32(3));
    same(op(HONE_OP_ADD, f32(1), f32(0x1p-30)), f32(1));
    same(hone_unary(P, HONE_OP_SQRT, f32(2)), f32((double)sqrtf(2)));
    assert_int_equal(hone_expr_op(P, hone_unary(P, HONE_OP_EXP, x)), HONE_OP_EXP);
    assert_int_equal(hone_expr_op(P, op(HONE_OP_DIV, f32(0), f32(0))), HONE_OP_DIV);
    same(op(HONE_OP_LT, f32(NAN), x), hone_bool(P, false));
    hone_expr h = hone_const(P, HONE_F16, 1), tiny = hone_const(P, HONE_F16, 0x1p-12);
    assert_int_equal(hone_expr_op(P, op(HONE_OP_ADD, h, tiny)), HONE_OP_ADD); /* not in f16 */
    same(op(HONE_OP_ADD, h, h), hone_const(P, HONE_F16, 2));
    /* casts */
    same(hone_cast(P, HONE_I64, i), i);
    same(hone_cast(P, HONE_F32, two), f32(2));
    same(hone_cast(P, HONE_I64, f32(-2.75)), hone_int(P, -2));
    same(hone_cast(P, HONE_BOOL, two), t);
    assert_int_equal(hone_expr_op(P, hone_cast(P, HONE_I8, f32(1e9))), HONE_OP_CAST);
    assert_int_equal(hone_expr_dtype(P, hone_cast(P, HONE_F32, i)), HONE_F32);
    same(hone_and(P, HONE_NO_EXPR, c), c);
    same(hone_and(P, c, HONE_NO_EXPR), c);
    same(hone_and(P, c, c), c);
}

static void substitution(void **state)
{
    (void)state;
    int64_t shape[] = {8, 8};
    hone_buffer b = hone_buffer_new(P, "B", HONE_F32, shape, 2, HONE_INPUT, HONE_GLOBAL);
    hone_var i = hone_var_new(P, "i", 8), j = hone_var_new(P, "j", 8), k = hone_var_new(P, "k", 8);
    hone_expr ei = hone_var_expr(P, i), ej = hone_var_expr(P, j), ek = hone_var_expr(P, k);
    hone_expr at[] = {ei, op(HONE_OP_ADD, ej, ei)}, load = hone_load(P, b, at, 2);
    hone_expr e = op(HONE_OP_MUL, load, load);
    hone_var from[] = {i, j};
    hone_expr to[] = {ej, ei}; /* at once: a swap stays a swap */
    hone_expr at2[] = {ej, op(HONE_OP_ADD, ei, ej)}, load2 = hone_load(P, b, at2, 2);
    same(hone_substitute(P, e, from, to, 2), op(HONE_OP_MUL, load2, load2));
    same(hone_substitute(P, e, &k, &ei, 1), e);
    same(hone_substitute(P, HONE_NO_EXPR, &k, &ei, 1), HONE_NO_EXPR);
    hone_expr zero = hone_int(P, 0);
    same(hone_expr_arg(P, hone_substitute(P, load, &i, &zero, 1), 1), ej); /* folds on the way */
    assert_true(hone_uses_var(P, e, i));
    assert_false(hone_uses_var(P, e, k));
    assert_true(hone_uses_buffer(P, e, b));
    assert_false(hone_uses_buffer(P, op(HONE_OP_ADD, ei, ek), b));
    same(hone_rebuild(P, load, at), load);
    same(hone_rebuild(P, load, at2), load2);
}

static bool count(void *ctx, const hone_program *p, hone_expr e)
{
    ++*(int *)ctx;
    return hone_expr_op(p, e) != HONE_OP_LOAD;
}

static hone_expr double_ints(void *ctx, hone_program *p, hone_expr e)
{
    int64_t v;
    ++*(int *)ctx;
    return hone_is_int(p, e, &v) ? hone_int(p, 2 * v) : e;
}

/* More names than an expression has bits for them: nobody is taken for another. */
static void who_uses_what(void **state)
{
    (void)state;
    enum { N = 50 };
    hone_var v[N];
    hone_buffer b[N];
    hone_expr load[N];
    int64_t shape[] = {8};
    for (int k = 0; k < N; k++) {
        v[k] = hone_var_new(P, "v", 8);
        b[k] = hone_buffer_new(P, "B", HONE_F32, shape, 1, HONE_INPUT, HONE_GLOBAL);
        hone_expr at = op(HONE_OP_ADD, hone_var_expr(P, v[k]), hone_int(P, k % 3));
        load[k] = hone_load(P, b[k], &at, 1);
    }
    for (int k = 0; k < N; k++) {
        int other = (k * 7 + 20) % N;
        hone_expr e = op(HONE_OP_MUL, load[k], op(HONE_OP_SUB, load[other], load[k]));
        hone_expr to = hone_int(P, 1);
        for (int i = 0; i < N; i++) {
            bool used = i == k || i == other;
            assert_true(hone_uses_var(P, e, v[i]) == used);
            assert_true(hone_uses_buffer(P, e, b[i]) == used);
            assert_true(HONE_SAME(hone_substitute(P, e, &v[i], &to, 1), e) == !used);
        }
    }
}

static void walking_and_rewriting(void **state)
{
    (void)state;
    int64_t shape[] = {8};
    hone_buffer b = hone_buffer_new(P, "B", HONE_F32, shape, 1, HONE_INPUT, HONE_GLOBAL);
    hone_expr i = var("i", 8), load = hone_load(P, b, &i, 1);
    int n = 0;
    hone_walk(P, op(HONE_OP_ADD, load, op(HONE_OP_MUL, load, f32(2))), count, &n);
    assert_int_equal(n, 4); /* add, load, mul, 2; each once, the index skipped */
    hone_expr e = op(HONE_OP_MUL, op(HONE_OP_ADD, i, hone_int(P, 3)), hone_int(P, 5));
    n = 0;
    same(hone_rewrite(P, e, double_ints, &n),
         op(HONE_OP_MUL, op(HONE_OP_ADD, i, hone_int(P, 6)), hone_int(P, 10)));
    assert_int_equal(n, 5);
    /* 2^50 paths, 51 nodes */
    hone_expr x = f32(0.5);
    x = load;
    for (int k = 0; k < 50; k++)
        x = op(HONE_OP_MUL, x, x);
    n = 0;
    same(hone_rewrite(P, x, double_ints, &n), x);
    assert_true(n < 60);
    assert_false(hone_uses_var(P, x, hone_var_new(P, "other", 2)));
    same(hone_simplify(P, x), x);
}

static void copies(void **state)
{
    (void)state;
    hone_program q = {0}, r = {0};
    hone_expr i = var("i", 4), e = op(HONE_OP_ADD, i, hone_int(P, 3));
    hone_program_copy(&q, P);
    assert_int_equal(hone_binary(&q, HONE_OP_ADD, i, hone_int(&q, 3)).i, e.i);
    assert_string_equal(hone_sym_text(&q, q.name), "test");
    for (int k = 0; k < 500; k++)
        (void)hone_binary(&q, HONE_OP_ADD, i, hone_int(&q, 100 + k));
    hone_program_copy(&r, &q);
    hone_program_copy(&q, P); /* smaller again, in the larger memory */
    assert_int_equal(q.exprs.n, P->exprs.n);
    assert_int_equal(q.table.n, P->table.n);
    assert_int_equal(hone_binary(&q, HONE_OP_ADD, i, hone_int(&q, 3)).i, e.i);
    assert_int_equal(hone_binary(&r, HONE_OP_ADD, i, hone_int(&r, 3)).i, e.i);
    hone_program_fini(&q);
    hone_program_fini(&r);
}

static void over_the_limit(void **state)
{
    (void)state;
#ifdef HONE_STRESS
    skip(); /* moving 200000 rows 200000 times */
#endif
    hone_expr i = var("i", 4), e = i;
    for (int k = 0; k < HONE_MAX_EXPRS + 10; k++)
        e = op(HONE_OP_ADD, i, hone_int(P, k));
    assert_true(P->overflow);
    same(e, HONE_NO_EXPR);
    same(hone_simplify(P, op(HONE_OP_MUL, e, i)), HONE_NO_EXPR); /* passed on, not a crash */
    same(hone_select(P, e, e, e), HONE_NO_EXPR);
    int64_t lo, hi;
    assert_false(hone_bounds(P, e, &lo, &hi));
    assert_false(hone_prove(P, e));
}

static void names(void **state)
{
    (void)state;
    int64_t shape[] = {8};
    hone_sym s = hone_sym_of(P, "abc");
    same(s, hone_sym_of(P, "abc"));
    differ(s, hone_sym_of(P, "ab"));
    same(hone_sym_of(P, ""), ((hone_sym){0}));
    assert_string_equal(hone_sym_text(P, (hone_sym){0}), "");
    for (int k = 0; k < 200; k++) { /* a borrowed name may be passed back while names move */
        char text[16];
        snprintf(text, sizeof text, "n%d", k);
        hone_sym a = hone_sym_of(P, text);
        hone_sym b = hone_sym_of(P, hone_sym_text(P, a) + 1);
        assert_string_equal(hone_sym_text(P, b), text + 1);
    }
    hone_buffer a = hone_buffer_new(P, "A", HONE_F32, shape, 1, HONE_INPUT, HONE_GLOBAL);
    hone_buffer b = hone_buffer_new(P, "A", HONE_F32, shape, 1, HONE_TEMP, HONE_LOCAL);
    hone_buffer c = hone_buffer_new(P, "A", HONE_F32, shape, 1, HONE_TEMP, HONE_LOCAL);
    assert_string_equal(hone_sym_text(P, hone_buffer_at(P, b)->name), "A_1");
    assert_string_equal(hone_sym_text(P, hone_buffer_at(P, c)->name), "A_2");
    same(hone_buffer_find(P, "A"), a);
    same(hone_buffer_find(P, "A_2"), c);
    same(hone_buffer_find(P, "abc"), HONE_NO_BUFFER);
    assert_int_equal(hone_buffer_count(P, a), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(equality_is_identity),  T(folding), T(substitution),   T(who_uses_what),
        T(walking_and_rewriting), T(copies),  T(over_the_limit), T(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
