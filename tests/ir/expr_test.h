/* What the tests of expressions share: one program, made anew for each test, and short names for
 * what is built in it. */
#ifndef HONE_TESTS_IR_EXPR_TEST_H
#define HONE_TESTS_IR_EXPR_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ir/ir.h"

static hone_program prog;
static hone_program *P = &prog;

static inline int setup(void **state)
{
    (void)state;
    hone_program_init(P, "test");
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    hone_program_fini(P);
    return 0;
}

#define same(x, y) assert_int_equal((x).i, (y).i)

static inline hone_expr num(int64_t v)
{
    return hone_int(P, v);
}
static inline hone_expr op(hone_op o, hone_expr a, hone_expr b)
{
    return hone_binary(P, o, a, b);
}
static inline hone_expr add(hone_expr a, hone_expr b)
{
    return op(HONE_OP_ADD, a, b);
}
static inline hone_expr mul(hone_expr a, int64_t c)
{
    return op(HONE_OP_MUL, a, num(c));
}
static inline hone_expr quo(hone_expr a, int64_t c)
{
    return op(HONE_OP_FLOORDIV, a, num(c));
}
static inline hone_expr mod(hone_expr a, int64_t c)
{
    return op(HONE_OP_FLOORMOD, a, num(c));
}

#endif
