/* Simplifier, bounds, proofs, linear forms: golden equalities for splits and fuses, and random
 * expressions evaluated before and after. HONE_TEST_SEED repeats a run. */
#include "tests/ir/expr_test.h"

/* ---- short names ----------------------------------------------------------------------------- */

static hone_expr var(int64_t extent)
{
    return hone_var_expr(P, hone_var_new(P, "v", extent));
}
static hone_var var_of(hone_expr e)
{
    return (hone_var){hone_expr_at(P, e)->sym};
}
static hone_expr sub(hone_expr a, hone_expr b)
{
    return op(HONE_OP_SUB, a, b);
}
static hone_expr lt(hone_expr a, hone_expr b)
{
    return op(HONE_OP_LT, a, b);
}
static hone_expr le(hone_expr a, hone_expr b)
{
    return op(HONE_OP_LE, a, b);
}

/* ---- a second, plain evaluator --------------------------------------------------------------- */

static int64_t floordiv(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q - (a % b != 0 && (a % b < 0) != (b < 0));
}

/* value[v] for each variable. No operation of the tests overflows or divides by zero. */
static int64_t eval(hone_expr e, const int64_t *value)
{
    const hone_expr_row *r = hone_expr_at(P, e);
    if (r->op == HONE_OP_INT)
        return r->imm.i;
    if (r->op == HONE_OP_VAR)
        return value[r->sym];
    if (r->op == HONE_OP_SELECT)
        return eval(hone_expr_arg(P, e, eval(hone_expr_arg(P, e, 0), value) ? 1 : 2), value);
    int64_t a = eval(hone_expr_arg(P, e, 0), value);
    int64_t b = r->n_args > 1 ? eval(hone_expr_arg(P, e, 1), value) : 0;
    switch ((hone_op)r->op) {
    case HONE_OP_ADD:
        return a + b;
    case HONE_OP_SUB:
        return a - b;
    case HONE_OP_MUL:
        return a * b;
    case HONE_OP_DIV:
        return a / b;
    case HONE_OP_FLOORDIV:
        return floordiv(a, b);
    case HONE_OP_FLOORMOD:
        return a - b * floordiv(a, b);
    case HONE_OP_MIN:
        return a < b ? a : b;
    case HONE_OP_MAX:
        return a > b ? a : b;
    case HONE_OP_EQ:
        return a == b;
    case HONE_OP_NE:
        return a != b;
    case HONE_OP_LT:
        return a < b;
    case HONE_OP_LE:
        return a <= b;
    case HONE_OP_AND:
        return a && b;
    case HONE_OP_OR:
        return a || b;
    case HONE_OP_NOT:
        return !a;
    case HONE_OP_ABS:
        return a < 0 ? -a : a;
    case HONE_OP_BITAND:
        return a & b;
    case HONE_OP_BITOR:
        return a | b;
    case HONE_OP_BITXOR:
        return a ^ b;
    case HONE_OP_SHR:
        return (int64_t)((uint64_t)a >> b);
    case HONE_OP_POPCOUNT:
        return __builtin_popcountll((uint64_t)a);
    default:
        fail_msg("operation %s is not evaluated", hone_op_name((hone_op)r->op));
        return 0;
    }
}

static void show(const char *what, hone_expr e)
{
    hone_buf b = {0};
    hone_expr_print(P, e, &b);
    print_message("%s: %s\n", what, b.s ? b.s : "");
    hone_buf_free(&b);
}

static void expect(hone_expr e, hone_expr want)
{
    hone_expr got = hone_simplify(P, e);
    if (HONE_SAME(got, want))
        return;
    show("expression", e);
    show("simplified", got);
    show("expected  ", want);
    fail();
}

static void expect_true(hone_expr e)
{
    expect(e, hone_bool(P, true));
}

static void expect_range(hone_expr e, int64_t lo, int64_t hi)
{
    int64_t a, b;
    assert_true(hone_bounds(P, e, &a, &b));
    assert_int_equal(a, lo);
    assert_int_equal(b, hi);
}

/* ---- golden equalities ----------------------------------------------------------------------- */

static void split_and_back(void **state)
{
    (void)state;
    hone_expr a = var(5), b = var(14), i = var(70), j = var(71);
    hone_expr fused = add(mul(a, 14), b);
    expect(quo(fused, 14), a);
    expect(mod(fused, 14), b);
    expect(add(mul(quo(i, 14), 14), mod(i, 14)), i);
    expect(add(mod(i, 14), mul(quo(i, 14), 14)), i);
    expect(mod(quo(i, 14), 5), quo(i, 14));         /* 70 = 5 * 14 */
    expect(mod(quo(j, 14), 5), mod(quo(j, 14), 5)); /* 71 is not */
    expect(quo(add(mul(quo(i, 14), 14), mod(i, 14)), 14), quo(i, 14));
    expect(quo(fused, 28), quo(a, 2));
    expect(quo(fused, 7), add(mul(a, 2), quo(b, 7)));
    expect(mod(fused, 7), mod(b, 7));
    expect(mod(fused, 28), add(mul(mod(a, 2), 14), b));
    expect(quo(add(mul(a, 14), add(b, num(1))), 14), add(a, quo(add(b, num(1)), 14)));
    expect(sub(fused, mul(a, 14)), b);
    expect(mod(i, 70), i);
    expect(quo(i, 70), num(0));
    expect(mod(add(mul(i, 6), num(4)), 3), num(1));
    expect(add(i, quo(i, 2)), add(quo(i, 2), i));
    expect(quo(mul(i, 3), 2), add(quo(i, 2), i));
    expect(quo(add(mul(quo(i, 8), 16), mod(i, 8)), 16), quo(i, 8));
    expect(add(mul(mod(i, 8), 9), quo(i, 8)), add(quo(i, 8), mul(mod(i, 8), 9)));
}

static void nested(void **state)
{
    (void)state;
    hone_expr x = var(1000), i = var(50), j = var(9);
    expect(quo(quo(x, 4), 8), quo(x, 32));
    expect(quo(mod(x, 32), 8), mod(quo(x, 8), 4));
    expect(mod(mod(x, 32), 8), mod(x, 8));
    expect(mod(mod(x, 8), 32), mod(x, 8));
    expect(quo(quo(quo(x, 2), 3), 5), quo(x, 30));
    expect(quo(add(mul(i, 4), j), 2), add(mul(i, 2), quo(j, 2)));
    expect(quo(add(quo(x, 4), num(3)), 8), quo(add(x, num(12)), 32));
    expect(mul(quo(mul(x, 4), 2), 3), mul(x, 6));
    expect(quo(add(mul(x, 2), num(1)), 4), quo(x, 2));
    expect(add(mul(quo(x, 64), 4), mod(quo(x, 16), 4)), quo(x, 16));
    expect(sub(x, mod(x, 8)), mul(quo(x, 8), 8));
    expect(sub(x, mul(quo(x, 8), 8)), mod(x, 8));
    expect(quo(sub(num(-1), i), 50), num(-1));
    /* divisors that are not positive constants */
    expect(quo(x, -4), quo(mul(x, -1), 4));
    expect(op(HONE_OP_DIV, x, num(4)), quo(x, 4));
    expect(op(HONE_OP_FLOORDIV, x, num(0)), op(HONE_OP_FLOORDIV, x, num(0)));
    expect(op(HONE_OP_FLOORDIV, add(x, num(0)), i), op(HONE_OP_FLOORDIV, x, i));
}

/* Roots that are sums themselves: their digits must be seen although their terms lie apart. */
static void compound_roots(void **state)
{
    (void)state;
    hone_expr i = var(10), j = var(10), s = add(i, j);
    expect(mod(s, 4), mod(s, 4));
    expect(add(mul(quo(s, 4), 4), mod(s, 4)), s);
    expect(sub(s, mul(quo(s, 4), 4)), mod(s, 4));
    expect(quo(mod(s, 8), 4), mod(quo(s, 4), 2));
    expect(mod(mod(s, 8), 4), mod(s, 4));
    expect(quo(quo(s, 2), 3), quo(s, 6));
    expect(mod(quo(add(i, num(3)), 4), 2), mod(quo(add(i, num(3)), 4), 2));
    expect(sub(add(i, mod(s, 4)), mod(add(j, i), 4)), i);
    expect(mod(add(mul(i, 2), mul(j, 2)), 8), mul(mod(s, 4), 2));
    expect_range(add(mod(s, 4), i), 0, 12);
}

static void three_levels(void **state)
{
    (void)state;
    /* i = ((a*4 + b)*8 + c), then fused with j and split again */
    hone_expr a = var(3), b = var(4), c = var(8), j = var(6);
    hone_expr i = add(mul(add(mul(a, 4), b), 8), c);
    expect(quo(i, 32), a);
    expect(mod(quo(i, 8), 4), b);
    expect(mod(i, 8), c);
    hone_expr f = add(mul(i, 6), j);
    expect(quo(f, 6 * 32), a);
    expect(mod(quo(f, 6 * 8), 4), b);
    expect(mod(quo(f, 6), 8), c);
    expect(mod(f, 6), j);
    /* a loop of 96*6 split 3 ways and put together */
    hone_expr x = var(96 * 6);
    hone_expr x0 = quo(x, 48), x1 = mod(quo(x, 6), 8), x2 = mod(x, 6);
    expect(add(mul(add(mul(x0, 8), x1), 6), x2), x);
    expect(quo(add(mul(x0, 8), x1), 8), x0);
    expect(mod(add(mul(x0, 8), x1), 4), mod(quo(x, 6), 4));
    /* imperfect: 100 in tiles of 7, then of 3 */
    hone_expr y = var(100), o = quo(y, 7), m = mod(y, 7);
    expect(add(mul(o, 7), add(mul(quo(m, 3), 3), mod(m, 3))), y);
    hone_expr t0 = var(15), t1 = var(3), t2 = var(3);
    hone_expr tile = add(mul(t0, 7), add(mul(t1, 3), t2)); /* t1*3 + t2 reaches 8 > 6 */
    expect(quo(tile, 7), add(t0, quo(add(mul(t1, 3), t2), 7)));
    expect(sub(tile, add(mul(t1, 3), t2)), mul(t0, 7));
}

static void one_value(void **state)
{
    (void)state;
    hone_expr one = var(1), i = var(8);
    expect(add(mul(one, 5), i), i);
    expect(op(HONE_OP_MUL, one, i), num(0));
    hone_range in = {var_of(i), 3, 3};
    assert_true(HONE_SAME(hone_simplify_in(P, add(i, num(1)), &in, 1), num(4)));
    in = (hone_range){var_of(i), 0, 3};
    assert_true(HONE_SAME(hone_simplify_in(P, quo(i, 4), &in, 1), num(0)));
    int64_t lo, hi;
    assert_true(hone_bounds_in(P, mul(i, 3), &in, 1, &lo, &hi));
    assert_int_equal(hi, 9);
}

static void minimum(void **state)
{
    (void)state;
    hone_expr a = var(10), b = var(20), c = var(5);
    expect(op(HONE_OP_MIN, add(a, c), add(b, c)), add(c, op(HONE_OP_MIN, a, b)));
    expect(op(HONE_OP_MIN, a, num(9)), a);
    expect(op(HONE_OP_MAX, a, num(9)), num(9));
    expect(op(HONE_OP_MAX, a, sub(c, num(5))), a);
    expect(op(HONE_OP_MIN, op(HONE_OP_MIN, b, num(12)), num(7)), op(HONE_OP_MIN, b, num(7)));
    expect(op(HONE_OP_MIN, num(7), b), op(HONE_OP_MIN, b, num(7)));
    expect(sub(op(HONE_OP_MIN, a, b), op(HONE_OP_MIN, b, a)), num(0));
    expect(quo(add(mul(b, 8), op(HONE_OP_MIN, a, num(7))), 8), b);
    expect_range(op(HONE_OP_MIN, op(HONE_OP_MAX, sub(a, num(1)), num(0)), num(7)), 0, 7);
    expect(hone_unary(P, HONE_OP_ABS, sub(a, num(20))), sub(num(20), a));
}

static void comparisons(void **state)
{
    (void)state;
    hone_expr i = var(10), k = var(20), j = var(14), t = hone_bool(P, true);
    expect(lt(mul(i, 2), num(7)), lt(i, num(4)));
    expect(lt(i, num(10)), t);
    expect(lt(num(9), i), hone_bool(P, false));
    expect(le(add(i, num(2)), num(5)), lt(i, num(4)));
    expect(lt(num(3), i), lt(num(3), i));
    expect(hone_unary(P, HONE_OP_NOT, lt(i, num(4))), lt(num(3), i));
    expect(lt(add(mul(k, 14), j), num(28)), lt(k, num(2)));
    expect(lt(add(mul(k, 14), j), num(30)), lt(add(mul(k, 14), j), num(30)));
    expect(le(num(28), add(mul(k, 14), j)), lt(num(1), k));
    expect(lt(add(i, j), add(j, num(3))), lt(i, num(3)));
    expect(lt(i, k), lt(sub(i, k), num(0)));
    expect(op(HONE_OP_EQ, mul(i, 2), num(7)), hone_bool(P, false));
    expect(op(HONE_OP_NE, mul(i, 2), num(7)), t);
    expect(op(HONE_OP_EQ, num(8), mul(i, 2)), op(HONE_OP_EQ, i, num(4)));
    expect(op(HONE_OP_EQ, i, num(12)), hone_bool(P, false));
    expect(op(HONE_OP_EQ, add(i, j), add(j, i)), t);
    expect(hone_unary(P, HONE_OP_NOT, op(HONE_OP_EQ, i, num(4))), op(HONE_OP_NE, i, num(4)));
    expect_true(lt(op(HONE_OP_MIN, k, num(9)), num(10)));
}

static void conditions(void **state)
{
    (void)state;
    hone_expr i = var(10), j = var(14), x = lt(i, num(4)), y = lt(j, num(7));
    hone_expr always = lt(i, num(10)), never = lt(num(9), i);
    expect(op(HONE_OP_AND, x, always), x);
    expect(op(HONE_OP_AND, x, never), hone_bool(P, false));
    expect(op(HONE_OP_OR, x, always), hone_bool(P, true));
    expect(op(HONE_OP_OR, x, never), x);
    expect(op(HONE_OP_AND, op(HONE_OP_AND, x, y), x), op(HONE_OP_AND, x, y));
    expect(op(HONE_OP_AND, lt(i, num(6)), x), x);
    expect(op(HONE_OP_OR, lt(i, num(6)), x), lt(i, num(6)));
    expect(op(HONE_OP_AND, x, lt(num(3), i)), hone_bool(P, false));
    expect(op(HONE_OP_OR, x, lt(num(2), i)), hone_bool(P, true));
    expect(op(HONE_OP_AND, x, lt(num(2), i)), op(HONE_OP_AND, x, lt(num(2), i))); /* i == 3 */
    expect(op(HONE_OP_OR, lt(i, num(3)), lt(num(3), i)),
           op(HONE_OP_OR, lt(i, num(3)), lt(num(3), i)));
    expect(hone_unary(P, HONE_OP_NOT, hone_unary(P, HONE_OP_NOT, op(HONE_OP_AND, x, y))),
           op(HONE_OP_AND, x, y));
    expect(hone_select(P, always, i, j), i);
    expect(hone_select(P, never, i, j), j);
    expect(hone_select(P, x, quo(mul(j, 4), 4), j), j);
}

static void floats_and_loads(void **state)
{
    (void)state;
    int64_t shape[] = {100, 100};
    hone_buffer b = hone_buffer_new(P, "B", HONE_F32, shape, 2, HONE_INPUT, HONE_GLOBAL);
    hone_expr i = var(10), j = var(14);
    hone_expr messy[] = {quo(mul(i, 8), 4), mod(add(mul(i, 14), j), 14)};
    hone_expr clean[] = {mul(i, 2), j};
    hone_expr a = hone_load(P, b, messy, 2), c = hone_load(P, b, clean, 2);
    hone_expr zero = hone_const(P, HONE_F32, 0), two = hone_const(P, HONE_F32, 2);
    expect(a, c);
    expect(op(HONE_OP_MUL, op(HONE_OP_ADD, a, a), a), op(HONE_OP_MUL, op(HONE_OP_ADD, c, c), c));
    expect(op(HONE_OP_ADD, a, zero), op(HONE_OP_ADD, c, zero)); /* not c: -0.0 */
    expect(op(HONE_OP_SUB, c, c), op(HONE_OP_SUB, c, c));       /* not 0: NaN */
    expect(op(HONE_OP_MUL, c, op(HONE_OP_MUL, two, two)),
           op(HONE_OP_MUL, c, hone_const(P, HONE_F32, 4)));
    expect(hone_select(P, lt(i, num(10)), a, zero), c);
    expect(hone_unary(P, HONE_OP_NOT, lt(c, two)), hone_unary(P, HONE_OP_NOT, lt(c, two)));
    expect(hone_cast(P, HONE_F32, quo(mul(i, 8), 4)), hone_cast(P, HONE_F32, mul(i, 2)));
    /* an index read from memory is an atom */
    int64_t n[] = {100};
    hone_buffer x = hone_buffer_new(P, "X", HONE_I64, n, 1, HONE_INPUT, HONE_GLOBAL);
    hone_expr at = hone_load(P, x, &i, 1);
    expect(sub(add(mul(at, 2), i), at), add(i, at));
    int64_t lo, hi;
    assert_false(hone_bounds(P, at, &lo, &hi));
    expect_range(mod(at, 8), 0, 7);
    expect_range(sub(add(at, i), at), 0, 9);
}

/* Data may be anything, and sums of it wrap around: they are not compared or divided as numbers. */
static void data_wraps(void **state)
{
    (void)state;
    int64_t n[] = {10};
    hone_expr i = var(10);
    hone_buffer x = hone_buffer_new(P, "D", HONE_I64, n, 1, HONE_INPUT, HONE_GLOBAL);
    hone_buffer y = hone_buffer_new(P, "E", HONE_I64, n, 1, HONE_INPUT, HONE_GLOBAL);
    hone_expr a = hone_load(P, x, &i, 1), b = hone_load(P, y, &i, 1);
    hone_expr kept[] = {
        lt(a, b),
        op(HONE_OP_EQ, mul(a, 2), mul(b, 2)),
        lt(add(a, num(1)), num(5)),
        quo(add(mul(a, 8), num(3)), 8),
        mod(add(i, a), 3),
        op(HONE_OP_MIN, add(a, num(1)), add(b, num(1))),
        op(HONE_OP_MAX, a, add(a, num(1))),
    };
    for (size_t k = 0; k < HONE_LEN(kept); k++)
        expect(kept[k], kept[k]);
    int64_t lo, hi;
    hone_expr size = hone_unary(P, HONE_OP_ABS, a); /* of the smallest number it is negative */
    assert_false(hone_prove(P, hone_binary(P, HONE_OP_LE, num(0), size)));
    assert_false(hone_bounds(P, size, &lo, &hi));
    /* what holds in wrapping arithmetic too */
    expect(sub(add(a, b), b), a);
    expect(quo(quo(a, 4), 2), quo(a, 8));
    expect(hone_unary(P, HONE_OP_NOT, lt(a, num(5))), lt(num(4), a));
    expect(lt(mod(a, 8), num(8)), hone_bool(P, true));
    /* between limits at the end of the numbers */
    hone_expr below = lt(a, num(INT64_MIN)), above = lt(num(INT64_MAX), a);
    expect(op(HONE_OP_AND, below, lt(num(5), a)), hone_bool(P, false));
    expect(op(HONE_OP_AND, lt(num(5), a), lt(a, num(6))), hone_bool(P, false));
    expect(op(HONE_OP_AND, above, lt(a, num(5))), hone_bool(P, false));
    expect(op(HONE_OP_OR, lt(num(5), a), lt(a, num(6))), hone_bool(P, true));
}

static void overflow_is_given_up(void **state)
{
    (void)state;
    hone_expr i = var(INT64_MAX), j = var(10);
    hone_expr huge = mul(i, INT64_MAX);
    int64_t lo, hi;
    assert_false(hone_bounds(P, huge, &lo, &hi));
    hone_expr s = hone_simplify(P, mul(mul(j, INT64_MAX), INT64_MAX));
    assert_true(HONE_SAME(hone_simplify(P, s), s));
    assert_false(hone_prove(P, lt(huge, num(0))));
    hone_expr q = quo(quo(add(i, j), INT64_MAX), INT64_MAX);
    s = hone_simplify(P, q);
    assert_true(HONE_SAME(hone_simplify(P, s), s));
    s = hone_simplify(P, sub(num(INT64_MIN), mul(j, -1)));
    assert_true(HONE_SAME(hone_simplify(P, s), s));
    s = hone_simplify(P, quo(num(INT64_MIN), -1));
    assert_true(HONE_SAME(hone_simplify(P, s), s));
}

static void many_terms(void **state)
{
    (void)state;
    hone_expr e = num(0), shared = var(3);
    for (int k = 0; k < 60; k++)
        e = add(e, mul(var(4), k + 1));
    hone_expr s = hone_simplify(P, e);
    assert_true(HONE_SAME(hone_simplify(P, s), s));
    /* every path walked, this would be 2^60 steps */
    for (int k = 0; k < 60; k++)
        shared = op(HONE_OP_MAX, add(shared, num(k)), mul(shared, 3));
    s = hone_simplify(P, shared);
    int64_t lo, hi;
    (void)hone_bounds(P, s, &lo, &hi);
}

/* As deep as the parser lets anything be; and each quotient needs its own root. */
static void deep(void **state)
{
    (void)state;
    hone_expr x = var(50), y = var(60), e = x;
    for (int k = 0; k < 100; k++)
        e = mod(mul(add(quo(add(e, y), 3 + k % 5), x), 7), 1000 + k);
    hone_expr s = hone_simplify(P, e);
    int64_t lo, hi;
    assert_true(hone_bounds(P, e, &lo, &hi));
    assert_true(0 <= lo && hi < 1100);
    assert_int_equal(hone_expr_dtype(P, s), HONE_I64);
    assert_false(P->overflow);
}

static void bounds(void **state)
{
    (void)state;
    hone_expr i = var(5), j = var(14), k = var(20);
    expect_range(add(mul(i, 14), j), 0, 69);
    expect_range(sub(mul(i, 3), mul(j, 2)), -26, 12);
    expect_range(sub(add(mul(i, 14), j), mul(i, 14)), 0, 13);
    expect_range(add(mul(mod(k, 8), 8), quo(k, 8)), 0, 58);
    expect_range(quo(sub(k, num(7)), 4), -2, 3);
    expect_range(mod(add(i, num(16)), 8), 0, 4);
    expect_range(mod(sub(i, num(1)), 8), 0, 7);
    expect_range(op(HONE_OP_MUL, i, sub(j, num(3))), -12, 40);
    expect_range(op(HONE_OP_FLOORDIV, sub(i, num(9)), add(j, num(2))), -5, -1);
    expect_range(op(HONE_OP_DIV, sub(i, num(9)), add(j, num(2))), -4, 0);
    expect_range(op(HONE_OP_DIV, add(i, num(9)), add(j, num(2))), 0, 6);
    expect_range(op(HONE_OP_BITAND, sub(i, num(3)), num(12)), 0, 12);
    expect_range(op(HONE_OP_BITAND, i, j), 0, 4);
    expect_range(op(HONE_OP_BITXOR, i, k), 0, 31);
    expect_range(op(HONE_OP_BITOR, i, j), 0, 15);
    expect_range(op(HONE_OP_SHR, add(k, num(4)), num(2)), 1, 5);
    expect_range(hone_unary(P, HONE_OP_POPCOUNT, sub(i, j)), 0, 64);
    assert_true(hone_prove(P, lt(add(mul(i, 14), j), num(70))));
    assert_false(hone_prove(P, lt(add(mul(i, 14), j), num(69))));
    assert_true(hone_prove(P, lt(sub(op(HONE_OP_MIN, k, i), i), num(1))));
    assert_true(hone_prove(P, le(op(HONE_OP_MIN, k, j), add(j, num(0)))));
    assert_true(hone_prove(P, le(i, op(HONE_OP_MAX, k, i))));
    assert_false(hone_prove(P, le(op(HONE_OP_MAX, k, i), i)));
    assert_true(hone_prove(P, op(HONE_OP_AND, lt(i, num(5)), le(num(0), j))));
    assert_true(hone_prove(P, op(HONE_OP_OR, lt(i, num(3)), lt(num(2), i))));
    assert_false(hone_prove(P, op(HONE_OP_AND, lt(i, num(5)), lt(num(0), j))));
}

static void linear(void **state)
{
    (void)state;
    hone_expr i = var(5), j = var(14), k = var(20), one = var(1), rest;
    hone_var v[] = {var_of(i), var_of(j), var_of(one)};
    int64_t c[3];
    hone_expr e = add(add(mul(i, 14), mul(j, -2)), add(quo(k, 3), add(mul(one, 6), num(9))));
    assert_true(hone_linear(P, e, v, 3, c, &rest));
    assert_int_equal(c[0], 14);
    assert_int_equal(c[1], -2);
    assert_int_equal(c[2], 6); /* kept although it is always 0 */
    assert_true(HONE_SAME(rest, add(quo(k, 3), num(9))));
    assert_false(hone_linear(P, add(i, quo(j, 2)), v, 2, c, &rest));
    assert_false(hone_linear(P, op(HONE_OP_MUL, i, k), v, 2, c, &rest));
    assert_false(hone_linear(P, quo(add(i, k), 4), v, 2, c, &rest));
    assert_true(hone_linear(P, mod(add(mul(i, 14), j), 14), v, 2, c, &rest));
    assert_int_equal(c[0], 0);
    assert_int_equal(c[1], 1);
}

/* ---- random expressions ---------------------------------------------------------------------- */

#define N_VARS 5
static hone_rng rng;
static hone_expr pool[N_VARS];

static int64_t below(int64_t n)
{
    return (int64_t)hone_rng_below(&rng, (uint64_t)n);
}

static hone_expr random_condition(int depth);

static hone_expr random_expr(int depth)
{
    static const int64_t factors[] = {2, 3, 4, 5, 6, 7, 8, 12, 14, 16, 24, 28, 32};
    if (depth == 0 || below(8) == 0)
        return below(5) ? pool[below(N_VARS)] : num(below(41) - 20);
    hone_expr a = random_expr(depth - 1);
    int64_t f = factors[below(HONE_LEN(factors))];
    switch (below(22)) {
    case 20: {
        hone_expr low = op(HONE_OP_BITAND, a, num(1 + below(60)));
        return below(2) ? low : op(HONE_OP_SHR, low, num(below(4)));
    }
    case 21:
        a = op(HONE_OP_BITAND, a, num(63));
        return below(3) ? op(below(2) ? HONE_OP_BITOR : HONE_OP_BITXOR, a,
                             op(HONE_OP_BITAND, random_expr(depth - 1), num(15)))
                        : hone_unary(P, HONE_OP_POPCOUNT, a);
    case 0:
    case 1:
    case 2:
    case 3:
        return add(a, random_expr(depth - 1));
    case 4:
    case 5:
        return sub(a, random_expr(depth - 1));
    case 6:
    case 7:
    case 8:
        return mul(a, below(4) ? f : below(11) - 5);
    case 9:
    case 10:
    case 11:
        return quo(a, below(12) ? f : -f);
    case 12:
    case 13:
    case 14:
        return mod(a, below(12) ? f : -f);
    case 15: /* a split and its parts used once more */
        return add(mul(quo(a, f), f * (1 + below(2))), mod(a, f));
    case 16:
        return op(HONE_OP_MIN, a, random_expr(depth - 1));
    case 17:
        return op(HONE_OP_MAX, a, random_expr(depth - 1));
    case 18:
        return below(2) ? op(HONE_OP_MUL, a, random_expr(depth - 2 > 0 ? depth - 2 : 0))
                        : op(HONE_OP_DIV, a, num(f));
    default:
        return below(3) ? hone_unary(P, HONE_OP_ABS, a)
                        : hone_select(P, random_condition(depth - 1), a, random_expr(depth - 1));
    }
}

static hone_expr random_condition(int depth)
{
    static const hone_op compares[] = {HONE_OP_LT, HONE_OP_LE, HONE_OP_EQ, HONE_OP_NE};
    int64_t kind = depth > 0 ? below(8) : 4;
    if (kind < 2)
        return op(kind ? HONE_OP_AND : HONE_OP_OR, random_condition(depth - 1),
                  random_condition(depth - 1));
    if (kind == 2)
        return hone_unary(P, HONE_OP_NOT, random_condition(depth - 1));
    return op(compares[below(4)], random_expr(depth > 1 ? depth - 1 : 1),
              below(2) ? num(below(60) - 10) : random_expr(1));
}

/* As tiling makes them: start from loop variables, then fuse, split, offset. */
static hone_expr random_index(void)
{
    hone_expr e = pool[below(N_VARS)];
    for (int64_t n = 1 + below(6); n > 0; n--) {
        hone_var v = var_of(pool[below(N_VARS)]);
        int64_t extent = hone_var_at(P, v)->extent, f = 1 + below(16);
        switch (below(4)) {
        case 0:
            e = add(mul(e, extent), hone_var_expr(P, v));
            break;
        case 1:
            e = quo(e, f);
            break;
        case 2:
            e = mod(e, f);
            break;
        default:
            e = add(mul(e, f), pool[below(N_VARS)]);
        }
    }
    return e;
}

/* Calls for every assignment if there are few, else for some. */
static bool next_point(int64_t *value, const hone_range *in, int64_t k, bool all)
{
    for (int v = 0; v < N_VARS; v++) {
        uint32_t at = in[v].var.i;
        if (!all) {
            value[at] = in[v].lo + below(in[v].hi - in[v].lo + 1);
        } else if (k == 0) {
            value[at] = in[v].lo;
        } else {
            if (++value[at] <= in[v].hi)
                return true;
            value[at] = in[v].lo;
        }
    }
    return all ? k == 0 : k < 100;
}

static void check_points(hone_expr e, hone_expr s, const hone_range *in, bool ranged, int64_t seed)
{
    static int64_t value[4096];
    int64_t size = 1, lo = 0, hi = 0, min = INT64_MAX, max = INT64_MIN;
    bool is_int = hone_expr_dtype(P, e) == HONE_I64;
    bool known = is_int && (ranged ? hone_bounds_in(P, e, in, N_VARS, &lo, &hi)
                                   : hone_bounds(P, e, &lo, &hi));
    if (is_int && !known) {
        show("no bounds", e);
        fail();
    }
    for (int v = 0; v < N_VARS; v++)
        size *= in[v].hi - in[v].lo + 1;
    for (int64_t k = 0; next_point(value, in, k, size <= 300); k++) {
        int64_t x = eval(e, value), y = eval(s, value);
        min = x < min ? x : min;
        max = x > max ? x : max;
        if (x == y && (!is_int || (lo <= x && x <= hi)))
            continue;
        print_message("HONE_TEST_SEED=%" PRId64 "\n", seed);
        show("expression", e);
        show("simplified", s);
        for (int v = 0; v < N_VARS; v++)
            print_message("  v%u in [%" PRId64 ", %" PRId64 "] = %" PRId64 "\n", in[v].var.i,
                          in[v].lo, in[v].hi, value[in[v].var.i]);
        fail_msg("%" PRId64 " became %" PRId64 ", bounds [%" PRId64 ", %" PRId64 "]", x, y, lo, hi);
    }
}

static void check_linear(hone_expr e, const hone_range *in, int64_t seed)
{
    hone_var vars[2] = {var_of(pool[0]), var_of(pool[1])};
    int64_t c[2];
    hone_expr rest;
    if (!hone_linear(P, e, vars, 2, c, &rest))
        return;
    assert_false(hone_uses_var(P, rest, vars[0]) || hone_uses_var(P, rest, vars[1]));
    check_points(e, add(add(mul(pool[0], c[0]), mul(pool[1], c[1])), rest), in, false, seed);
}

static void random_expressions(void **state)
{
    (void)state;
    static const int64_t extents[] = {1, 2, 3, 4, 5, 7, 8, 14, 16, 33};
    const char *fixed = getenv("HONE_TEST_SEED");
    int64_t first = fixed ? strtoll(fixed, NULL, 10) : 20240811;
    int64_t rounds = fixed ? 1 : 4000;
    const char *more = getenv("HONE_TEST_ROUNDS");
    if (more)
        rounds = strtoll(more, NULL, 10);
    for (int64_t seed = first; seed < first + rounds; seed++) {
        hone_rng_seed(&rng, (uint64_t)seed);
        hone_program_fini(P);
        hone_program_init(P, "random");
        hone_range full[N_VARS], narrow[N_VARS];
        for (int k = 0; k < N_VARS; k++) {
            int64_t extent = extents[below(HONE_LEN(extents))];
            pool[k] = var(extent);
            full[k] = (hone_range){var_of(pool[k]), 0, extent - 1};
            int64_t lo = below(extent) - 3;
            narrow[k] = (hone_range){var_of(pool[k]), lo, lo + below(extent)};
        }
        hone_expr e = seed % 4 == 0   ? random_index()
                      : seed % 4 == 1 ? random_condition(3)
                                      : random_expr(4);
        hone_expr s = hone_simplify(P, e);
        check_points(e, s, full, false, seed);
        hone_expr again = hone_simplify(P, s);
        if (!HONE_SAME(again, s)) {
            print_message("HONE_TEST_SEED=%" PRId64 "\n", seed);
            show("expression", e);
            show("simplified", s);
            show("again     ", again);
            fail();
        }
        check_points(e, hone_simplify_in(P, e, narrow, N_VARS), narrow, true, seed);
        if (hone_expr_dtype(P, e) == HONE_I64) {
            check_linear(e, full, seed);
            check_points(s, s, full, false, seed);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(split_and_back),
        T(nested),
        T(compound_roots),
        T(three_levels),
        T(one_value),
        T(minimum),
        T(comparisons),
        T(conditions),
        T(floats_and_loads),
        T(data_wraps),
        T(overflow_is_given_up),
        T(many_terms),
        T(deep),
        T(bounds),
        T(linear),
        T(random_expressions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
