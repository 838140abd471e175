/* How far a compiled elementary function is off, for bench/functions.c and for
 * tests/codegen/test_functions.c: kernels that are nothing but the function, and its error. */
#ifndef HONE_BENCH_FUNCTION_ERROR_H
#define HONE_BENCH_FUNCTION_ERROR_H

#include "ir/ir.h"

#include <math.h>

/* C[i] = value for n floats, a multiple of 4 lanes; `value` speaks of A[vi]. */
static inline hone_status function_program(const char *value, int64_t n, unsigned lanes,
                                           hone_program *ret, hone_error *err)
{
    char *text = hone_xasprintf(
        "program f {\n  buffer A: f32[%" PRId64 "] input\n  buffer C: f32[%" PRId64 "] output\n"
        "  for o in %" PRId64 " { for u in 4 unrolled { for v in %u%s {\n"
        "    block c(vi: %" PRId64 " = o*%u + u*%u + v) { C[vi] = %s } } } }\n}\n",
        n, n, n / lanes / 4, lanes, lanes > 1 ? " vectorized" : "", n, 4 * lanes, lanes, value);
    hone_status st = hone_program_parse(text, strlen(text), ret, err);
    if (st == HONE_OK)
        st = hone_verify(ret, err);
    free(text);
    return st;
}

/* By the C library in double, which is within a millionth of a unit in the last place of float. */
static inline double function_exact(hone_op op, double x)
{
    switch (op) {
    case HONE_OP_EXP:
        return exp(x);
    case HONE_OP_LOG:
        return log(x);
    case HONE_OP_SQRT:
        return sqrt(x);
    case HONE_OP_TANH:
        return tanh(x);
    case HONE_OP_SIGMOID:
        return 1 / (1 + exp(-x));
    case HONE_OP_SIN:
        return fabs(x) <= HONE_MOST_ANGLE ? sin(x) : (double)NAN;
    case HONE_OP_COS:
        return fabs(x) <= HONE_MOST_ANGLE ? cos(x) : (double)NAN;
    case HONE_OP_ATAN:
        return atan(x);
    default:
        HONE_ASSERT(op == HONE_OP_ERF);
        return erf(x);
    }
}

/* Units of the last place that `got` is off, infinite where it is something else altogether. Where
 * the result is smaller than `least`, so must it be. Beyond the largest float there is 2^128. */
static inline double function_error(double exact, float got, double least)
{
    if (isnan(exact) || isnan(got))
        return isnan(exact) && isnan(got) ? 0 : (double)INFINITY;
    double most = 0x1p128, g = isinf(got) ? copysign(most, (double)got) : (double)got;
    double w = fabs(exact) > most ? copysign(most, exact) : exact;
    if (w == 0 && g == 0)
        return signbit(w) == signbit(g) ? 0 : (double)INFINITY;
    if (fabs(w) < least)
        return fabs(g) <= least * (1 + 0x1p-20) ? 0 : (double)INFINITY;
    uint64_t bits;
    memcpy(&bits, &w, sizeof bits);
    int exponent = (int)(bits >> 52 & 2047) - 1023;
    exponent = exponent > 127 ? 127 : exponent < -126 ? -126 : exponent;
    bits = (uint64_t)(1023 + 23 - exponent) << 52;
    double per_unit;
    memcpy(&per_unit, &bits, sizeof per_unit);
    return fabs(g - w) * per_unit;
}

#endif
