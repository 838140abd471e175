/* Type and operation tables, element conversion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ir/ir.h"

#include <math.h>

static void tables(void **state)
{
    (void)state;
    for (int t = 0; t < HONE_DTYPE_COUNT; t++) {
        const char *name = hone_dtype_name((hone_dtype)t);
        assert_int_equal(hone_dtype_parse(name, strlen(name)), t);
    }
    assert_int_equal(hone_dtype_parse("f3", 2), HONE_DTYPE_COUNT);
    assert_int_equal(hone_dtype_parse("f32x", 4), HONE_DTYPE_COUNT);
    assert_int_equal(hone_dtype_bytes(HONE_BF16), 2);
    assert_true(hone_dtype_is_float(HONE_BF16));
    assert_false(hone_dtype_is_float(HONE_BOOL));
    assert_string_equal(hone_op_name(HONE_OP_FLOORDIV), "FLOORDIV");
    assert_string_equal(hone_op_text(HONE_OP_FLOORDIV), "//");
    assert_int_equal(hone_op_arity(HONE_OP_SELECT), 3);
    assert_int_equal(hone_op_arity(HONE_OP_LOAD), -1);
    assert_int_equal(hone_op_form(HONE_OP_ADD), 'I');
    assert_int_equal(hone_op_form(HONE_OP_INT), 'L');
}

static uint16_t bits_of(hone_dtype t, double v)
{
    uint16_t x[2] = {0xdead, 0xdead};
    hone_elem_set(t, x, 1, v);
    assert_int_equal(x[0], 0xdead);
    return x[1];
}

/* Every value comes back; a value between two goes to the nearer one, or to the even one. */
static void every_half(hone_dtype t, uint16_t inf)
{
    for (uint32_t x = 0; x < 0x10000; x++) {
        uint16_t h = (uint16_t)x;
        double v = hone_elem_get(t, &h, 0);
        if ((h & 0x7fff) > inf) {
            assert_true(isnan(v));
            assert_true((bits_of(t, v) & 0x7fff) > inf);
            continue;
        }
        assert_int_equal(bits_of(t, v), h);
        if ((h & 0x7fff) >= inf - 1)
            continue;
        uint16_t up = (uint16_t)(h + 1); /* away from zero */
        double w = hone_elem_get(t, &up, 0), mid = v + (w - v) / 2;
        assert_int_equal(bits_of(t, mid), h & 1 ? up : h);
        assert_int_equal(bits_of(t, nextafter(mid, v)), h);
        assert_int_equal(bits_of(t, nextafter(mid, w)), up);
    }
    double edge;
    uint16_t top = (uint16_t)(inf - 1), below = (uint16_t)(inf - 2);
    edge = hone_elem_get(t, &top, 0);
    edge += (edge - hone_elem_get(t, &below, 0)) / 2;
    assert_int_equal(bits_of(t, edge), inf); /* the tie goes to the even one: infinity */
    assert_int_equal(bits_of(t, nextafter(edge, 0)), top);
    assert_int_equal(bits_of(t, -INFINITY), inf | 0x8000);
    assert_int_equal(bits_of(t, 1e300), inf);
    assert_int_equal(bits_of(t, -1e-300), 0x8000);
    assert_int_equal(bits_of(t, 5e-324), 0);
}

static void halves(void **state)
{
    (void)state;
    every_half(HONE_F16, 0x7c00);
    every_half(HONE_BF16, 0x7f80);
    assert_int_equal(bits_of(HONE_F16, 1.0), 0x3c00);
    assert_int_equal(bits_of(HONE_F16, 65504), 0x7bff);
    assert_int_equal(bits_of(HONE_F16, 0x1p-24), 0x0001);
    assert_int_equal(bits_of(HONE_BF16, 1.0), 0x3f80);
    assert_int_equal(bits_of(HONE_BF16, 3.140625), 0x4049);
}

static double through(hone_dtype t, double v)
{
    int64_t cell[2];
    hone_elem_set(t, cell, 1, v);
    return hone_elem_get(t, cell, 1);
}

static void integers(void **state)
{
    (void)state;
    assert_true(through(HONE_I8, 2.5) == 2);
    assert_true(through(HONE_I8, 3.5) == 4);
    assert_true(through(HONE_I8, 1000) == 127);
    assert_true(through(HONE_I8, -1000) == -128);
    assert_true(through(HONE_U8, -3) == 0);
    assert_true(through(HONE_U8, 255) == 255);
    assert_true(through(HONE_I16, -32768) == -32768);
    assert_true(through(HONE_I32, 1e10) == INT32_MAX);
    assert_true(through(HONE_I64, -1e30) == (double)INT64_MIN);
    assert_true(through(HONE_I64, NAN) == 0);
    assert_true(through(HONE_I64, 0x1p53) == 0x1p53);
    assert_true(through(HONE_BOOL, 0.25) == 1);
    assert_true(through(HONE_BOOL, -0.0) == 0);
    assert_true(through(HONE_F32, 0.1) == (double)0.1f);
    assert_true(through(HONE_F64, 0.1) == 0.1);
}

/* By rows the types that hold, by columns those held, both in the order of dtypes.def. */
static void which_hold(void **state)
{
    (void)state;
    static const char *const rows[HONE_DTYPE_COUNT] = {
        "yyyy.yyyyy", /* f64: all but i64 */
        ".yyy..yyyy", /* f32 */
        "..y....yyy", /* f16: 11 bits */
        "...y...yyy", /* bf16: 8 bits, of which u8 uses all */
        "....yyyyyy", ".....yyyyy", "......yyyy", ".......y.y", "........yy", ".........y"};
    for (int w = 0; w < HONE_DTYPE_COUNT; w++)
        for (int n = 0; n < HONE_DTYPE_COUNT; n++) {
            if (hone_dtype_holds((hone_dtype)w, (hone_dtype)n) != (rows[w][n] == 'y'))
                fail_msg("%s holds %s", hone_dtype_name((hone_dtype)w),
                         hone_dtype_name((hone_dtype)n));
        }
    /* and what it says is so: every value of two bytes at most comes back */
    for (int w = 0; w < HONE_DTYPE_COUNT; w++)
        for (int n = 0; n < HONE_DTYPE_COUNT; n++) {
            if (rows[w][n] != 'y' || hone_dtype_bytes((hone_dtype)n) > 2)
                continue;
            uint32_t many = n == HONE_BOOL ? 2 : 1u << 8 * hone_dtype_bytes((hone_dtype)n);
            for (uint32_t x = 0; x < many; x++) {
                double wide, v = hone_elem_get((hone_dtype)n, (uint16_t[]){(uint16_t)x}, 0);
                hone_elem_set((hone_dtype)w, &wide, 0, v);
                double back = hone_elem_get((hone_dtype)w, &wide, 0);
                if (!isnan(v) && (back != v || signbit(back) != signbit(v)))
                    fail_msg("%s loses %g of %s", hone_dtype_name((hone_dtype)w), v,
                             hone_dtype_name((hone_dtype)n));
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_hold),
        cmocka_unit_test(tables),
        cmocka_unit_test(halves),
        cmocka_unit_test(integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
