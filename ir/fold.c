/* Constants: the arithmetic of nodes whose arguments are all known. What the compiled kernel would
 * compute differently, or not at all (overflow, division by zero, libm calls), is not folded. */
#include "ir/internal.h"

#include <math.h>

bool hone_ir__floordiv(int64_t a, int64_t b, int64_t *ret)
{
    if (b == 0 || (a == INT64_MIN && b == -1))
        return false;
    *ret = a / b - (a % b != 0 && (a < 0) != (b < 0));
    return true;
}

bool hone_ir__floormod(int64_t a, int64_t b, int64_t *ret)
{
    if (b == 0 || (a == INT64_MIN && b == -1))
        return false;
    int64_t m = a % b;
    *ret = m && (m < 0) != (b < 0) ? m + b : m;
    return true;
}

static bool compare(hone_op op, double a, double b)
{
    return op == HONE_OP_EQ   ? a == b
           : op == HONE_OP_NE ? a != b
           : op == HONE_OP_LT ? a < b
                              : a <= b;
}

bool hone_ir__fold_int2(hone_op op, int64_t a, int64_t b, int64_t *ret)
{
    switch (op) {
    case HONE_OP_ADD:
        return !__builtin_add_overflow(a, b, ret);
    case HONE_OP_SUB:
        return !__builtin_sub_overflow(a, b, ret);
    case HONE_OP_MUL:
        return !__builtin_mul_overflow(a, b, ret);
    case HONE_OP_DIV:
        if (b == 0 || (a == INT64_MIN && b == -1))
            return false;
        *ret = a / b;
        return true;
    case HONE_OP_FLOORDIV:
        return hone_ir__floordiv(a, b, ret);
    case HONE_OP_FLOORMOD:
        return hone_ir__floormod(a, b, ret);
    case HONE_OP_MIN:
        *ret = a < b ? a : b;
        return true;
    case HONE_OP_MAX:
        *ret = a > b ? a : b;
        return true;
    case HONE_OP_EQ:
        *ret = a == b;
        return true;
    case HONE_OP_NE:
        *ret = a != b;
        return true;
    case HONE_OP_LT:
        *ret = a < b;
        return true;
    case HONE_OP_LE:
        *ret = a <= b;
        return true;
    case HONE_OP_AND:
        *ret = a && b;
        return true;
    case HONE_OP_OR:
        *ret = a || b;
        return true;
    default:
        return false;
    }
}

/* The operations on bits; all of them are defined for all operands. */
static bool fold_bits(hone_op op, hone_dtype t, int64_t a, int64_t b, int64_t *ret)
{
    uint64_t bits = hone_ir__bits(t, a);
    bool near = (uint64_t)b < 64;
    switch (op) {
    case HONE_OP_BITAND:
        *ret = a & b;
        return true;
    case HONE_OP_BITOR:
        *ret = a | b;
        return true;
    case HONE_OP_BITXOR:
        *ret = a ^ b;
        return true;
    case HONE_OP_SHL:
        *ret = hone_ir__wrap(t, near ? (int64_t)(bits << b) : 0);
        return true;
    case HONE_OP_SHR:
        *ret = hone_ir__wrap(t, near ? (int64_t)(bits >> b) : 0);
        return true;
    case HONE_OP_POPCOUNT:
        *ret = __builtin_popcountll(bits);
        return true;
    default:
        return false;
    }
}

double hone_ir__extreme(hone_op op, double a, double b)
{
    bool a_first = a < b || (a == b && signbit(a)); /* -0 is less than +0 */
    if (isnan(a) || isnan(b))
        return isnan(a) ? b : a;
    return a_first == (op == HONE_OP_MIN) ? a : b;
}

/* In the precision the operation runs in: f64, or f32 for everything narrower. */
static bool fold_float2(hone_op op, bool wide, double a, double b, double *ret)
{
    float x = (float)a, y = (float)b;
    switch (op) {
    case HONE_OP_ADD:
        *ret = wide ? a + b : (double)(x + y);
        return true;
    case HONE_OP_SUB:
        *ret = wide ? a - b : (double)(x - y);
        return true;
    case HONE_OP_MUL:
        *ret = wide ? a * b : (double)(x * y);
        return true;
    case HONE_OP_DIV:
        *ret = wide ? a / b : (double)(x / y);
        return true;
    case HONE_OP_MIN:
    case HONE_OP_MAX:
        *ret = hone_ir__extreme(op, a, b);
        return true;
    default:
        return false;
    }
}

static bool fold_float1(hone_op op, bool wide, double a, double *ret)
{
    switch (op) {
    case HONE_OP_SQRT:
        *ret = wide ? sqrt(a) : (double)sqrtf((float)a);
        return true;
    case HONE_OP_ABS:
        *ret = fabs(a);
        return true;
    case HONE_OP_FLOOR:
        *ret = floor(a);
        return true;
    case HONE_OP_CEIL:
        *ret = ceil(a);
        return true;
    case HONE_OP_ROUND:
        *ret = rint(a);
        return true;
    default:
        return false;
    }
}

static hone_expr fold_cast(hone_program *p, hone_dtype t, const hone_expr_row *a)
{
    const int64_t exact = 1ll << 53;                              /* integers a double holds */
    bool to_float = hone_dtype_is_float(t), wide = t == HONE_F64; /* the others go through f32 */
    int64_t lo, hi;
    if (a->op == HONE_OP_FLOAT) {
        double v = a->imm.f;
        if (to_float)
            return hone_const(p, t, wide ? v : (double)(float)v);
        hone_ir__dtype_range(t, &lo, &hi);
        if (v != v || (t != HONE_BOOL && (v < (double)lo || v > (double)hi || fabs(v) > 0x1p53)))
            return HONE_NO_EXPR;
        return hone_ir__int_of(p, t, t == HONE_BOOL ? v != 0 : (int64_t)v);
    }
    int64_t v = a->imm.i;
    if (to_float)
        return v >= -exact && v <= exact ? hone_const(p, t, wide ? (double)v : (double)(float)v)
                                         : HONE_NO_EXPR;
    if (t == HONE_BOOL)
        return hone_bool(p, v != 0);
    hone_ir__dtype_range(t, &lo, &hi);
    return v >= lo && v <= hi ? hone_ir__int_of(p, t, v) : HONE_NO_EXPR;
}

hone_expr hone_ir__fold(hone_program *p, hone_op op, hone_dtype t, const hone_expr *args,
                        unsigned n)
{
    hone_expr_row a = *hone_expr_at(p, args[0]), b = *hone_expr_at(p, args[n - 1]);
    if (op == HONE_OP_CAST)
        return fold_cast(p, t, &a);
    if (a.op == HONE_OP_INT) {
        int64_t v, lo, hi;
        hone_ir__dtype_range(t, &lo, &hi);
        if (op == HONE_OP_NOT)
            v = !a.imm.i;
        else if (op == HONE_OP_ABS && a.imm.i > INT64_MIN)
            v = a.imm.i < 0 ? -a.imm.i : a.imm.i;
        else if (fold_bits(op, t, a.imm.i, b.imm.i, &v))
            return hone_ir__int_of(p, t, v);
        else if (n != 2 || !hone_ir__fold_int2(op, a.imm.i, b.imm.i, &v))
            return HONE_NO_EXPR;
        return v >= lo && v <= hi ? hone_ir__int_of(p, t, v) : HONE_NO_EXPR;
    }
    if (t == HONE_BOOL)
        return hone_bool(p, compare(op, a.imm.f, b.imm.f));
    double v;
    bool wide = t == HONE_F64;
    if (!(n == 1 ? fold_float1(op, wide, a.imm.f, &v)
                 : fold_float2(op, wide, a.imm.f, b.imm.f, &v)))
        return HONE_NO_EXPR;
    /* f16 and bf16 intermediates have f32's precision, which a constant of theirs has not; and no
     * NaN is made here, because its sign and payload are the machine's. */
    return v == hone_ir__round(t, v) ? hone_const(p, t, v) : HONE_NO_EXPR;
}
