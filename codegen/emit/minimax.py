#!/usr/bin/env python3
"""Coefficients of the elementary functions of float: writes minimax.def beside it.

    python3 codegen/emit/minimax.py            # write codegen/emit/minimax.def
    python3 codegen/emit/minimax.py --degrees  # what other degrees would reach, and stop

Polynomials and rational functions of least relative error by Lawson's algorithm: least squares, again
and again, each point weighing what it weighed times how far it was off (Nakatsukasa & Trefethen, "An
Algorithm for Real and Complex Rational Minimax Approximation", SIAM J. Sci. Comput. 42(5), 2020, sec.
3). The error of a rational function is made linear by dividing by the last denominator. Coefficients
are rounded to float one by one, lowest first, and the others are fitted again after each. numpy only.
"""
import math
import os
import sys

import numpy

POINTS = 600
ROUNDS = 60


def horner(c, x):
    r = numpy.zeros_like(x)
    for a in reversed(c):
        r = r * x + a
    return r


def errors(f, x, p, q):
    return horner(p, x) / horner(q, x) / f - 1


def lawson(f, x, span, p, q, free_p, free_q):
    """The free coefficients of p / q so that it is nearest to f in the points x; in units of span."""
    s = x / span
    weight = numpy.full(len(x), 1.0 / len(x))
    last_q = numpy.ones(len(x))
    best = (math.inf, p, q)
    for _ in range(ROUNDS):
        rhs = horner(q * span ** numpy.arange(len(q)), s) * f - horner(p * span ** numpy.arange(len(p)), s)
        columns = [s**k for k in free_p] + [-f * s**k for k in free_q]
        known = rhs + sum((q[k] * span**k * -f * s**k for k in free_q), numpy.zeros(len(x)))
        known = known + sum((p[k] * span**k * s**k for k in free_p), numpy.zeros(len(x)))
        if not columns:
            break
        row = numpy.sqrt(weight) / (f * last_q)
        matrix = numpy.stack(columns, axis=1) * row[:, None]
        scale = numpy.sqrt((matrix * matrix).sum(axis=0))
        solved = numpy.linalg.lstsq(matrix / scale, known * row, rcond=None)[0] / scale
        p, q = p.copy(), q.copy()
        for k, v in zip(free_p, solved):
            p[k] = v / span**k
        for k, v in zip(free_q, solved[len(free_p) :]):
            q[k] = v / span**k
        off = numpy.abs(errors(f, x, p, q))
        if off.max() < best[0]:
            best = (off.max(), p, q)
        last_q = horner(q, x)
        weight = weight * (off + off.max() * 1e-3)
        weight = weight / weight.sum()
    return best


def fit(function, lo, hi, degree_p, degree_q, fixed_p):
    """p and q as floats, and the greatest relative error over [lo, hi]."""
    at = (1 - numpy.cos(numpy.pi * (numpy.arange(POINTS) + 0.5) / POINTS)) / 2
    x = lo + (hi - lo) * at
    f = numpy.array([function(v) for v in x])
    span = max(abs(lo), abs(hi))
    p, q = numpy.zeros(degree_p + 1), numpy.zeros(degree_q + 1)
    q[0] = 1
    for k, v in enumerate(fixed_p):
        p[k] = v
    free_p = list(range(len(fixed_p), degree_p + 1))
    free_q = list(range(1, degree_q + 1))
    worst, p, q = lawson(f, x, span, p, q, free_p, free_q)
    unrounded = worst
    while free_p or free_q:
        if free_p and (not free_q or free_p[0] <= free_q[0]):
            k = free_p.pop(0)
            p[k] = numpy.float32(p[k])
        else:
            k = free_q.pop(0)
            q[k] = numpy.float32(q[k])
        if free_p or free_q:
            _, p, q = lawson(f, x, span, p, q, free_p, free_q)
    return p, q, numpy.abs(errors(f, x, p, q)).max(), unrounded


def odd(function, at_zero):
    """f(x) / x as a function of x^2."""
    return lambda z: function(math.sqrt(z)) / math.sqrt(z) if z > 1e-12 else at_zero


def log_rest(f):
    """(log(1 + f) - f + f^2 / 2) / f^3"""
    if abs(f) < 0.02:
        return sum((-f) ** k / (k + 3) for k in range(14))
    return (math.log1p(f) - f + f * f / 2) / f**3


HALF_LN2 = math.log(2) / 2 * 1.0001
DOWN = math.log(2) * 1.00002  # and as far above 0: what rounding x / ln 2 moves
TWO_BY_ROOT_PI = 2 / math.sqrt(math.pi)
TANH = odd(math.tanh, 1.0)
ERF = odd(math.erf, TWO_BY_ROOT_PI)
ERF_0 = [1 + float(numpy.float32(TWO_BY_ROOT_PI - 1))]  # its code adds x itself
# An eighth of a turn, and how much further a reduction may leave an angle.
EIGHTH = math.pi / 4 * 1.01
SINE = odd(math.sin, 1.0)
ATAN = odd(math.atan, 1.0)


def cosine(z):
    return math.cos(math.sqrt(z))


# name, function, from, to, degrees of p and q, first coefficients of p, end of x or None
ROWS = [
    ("exp_unit", math.exp, -HALF_LN2, HALF_LN2, 6, 0, [1, 1], None),
    ("exp_down", lambda r: 2 * math.exp(r), -DOWN, DOWN - math.log(2), 6, 0, [2, 2], None),
    ("exp_sixteenth", math.exp, -HALF_LN2 / 16, HALF_LN2 / 16, 3, 0, [1, 1], None),
    ("exp2_up", lambda t: 2.0**t, 0, 1, 5, 0, [1], None),
    ("exp2_twice", lambda t: 2 * 2.0**t, -0.5, 0.5, 5, 0, [2], None),
    ("log_rest", log_rest, math.sqrt(0.5) - 1, math.sqrt(2) - 1, 7, 0, [], None),
    ("tanh_fast", TANH, 0, 7.5**2, 3, 3, [1], 7.5),
    ("erf", ERF, 0, 3.93**2, 6, 5, ERF_0, 3.93),
    ("erf_fast", ERF, 0, 3.5**2, 4, 3, ERF_0, 3.5),
    ("sine", SINE, 0, EIGHTH**2, 3, 0, [1], None),
    ("cosine", cosine, 0, EIGHTH**2, 4, 0, [1, -0.5], None),
    ("arctangent", ATAN, 0, 1, 8, 0, [1], None),
]


def row(name, lo, hi, error, c):
    text = ", ".join(float(v).hex() for v in c)
    return "MINIMAX(%s, %.9g, %.9g, %.1e, %s)\n" % (name, lo, hi, error, text)


def degrees():
    for name, f, lo, hi, fixed, all_degrees in (
        ("exp", math.exp, -HALF_LN2, HALF_LN2, [1, 1], [(d, 0) for d in (4, 5, 6)]),
        ("exp of a sixteenth", math.exp, -HALF_LN2 / 16, HALF_LN2 / 16, [1, 1], [(d, 0) for d in (2, 3)]),
        ("exp2", lambda t: 2.0**t, 0, 1, [1], [(d, 0) for d in (4, 5, 6)]),
        ("log", log_rest, math.sqrt(0.5) - 1, math.sqrt(2) - 1, [], [(d, 0) for d in (6, 7, 8, 9)]),
        ("tanh", TANH, 0, 9.02**2, [1], [(p, q) for p in range(3, 8) for q in range(2, 6)]),
        ("tanh to 7.5", TANH, 0, 7.5**2, [1], [(p, q) for p in range(2, 5) for q in range(2, 5)]),
        ("erf", ERF, 0, 3.93**2, ERF_0, [(p, q) for p in range(4, 8) for q in range(3, 6)]),
        ("erf to 3.5", ERF, 0, 3.5**2, ERF_0, [(p, q) for p in range(2, 5) for q in range(2, 5)]),
        ("sine", SINE, 0, EIGHTH**2, [1], [(d, 0) for d in (2, 3, 4)]),
        ("cosine", cosine, 0, EIGHTH**2, [1, -0.5], [(d, 0) for d in (3, 4, 5)]),
        ("atan", ATAN, 0, 1, [1], [(d, 0) for d in (6, 7, 8, 9)]),
    ):
        for p, q in all_degrees:
            _, _, rounded, exact = fit(f, lo, hi, p, q, fixed)
            print("%-12s %d / %d  %.1e, in floats %.1e" % (name, p, q, exact, rounded))


def main():
    if sys.argv[1:] == ["--degrees"]:
        degrees()
        return
    out = [
        "/* MINIMAX(name, from, to, error, c0, c1, ...): c0 + c1 x + ..., and the relative error over [from,\n",
        " * to] of what it is for; of the rational functions that of the whole, 1 + p over q, as a function of\n",
        " * x^2. END(name, x): how far. Made by minimax.py: change that. */\n/* clang-format off */\n",
    ]
    for name, f, lo, hi, degree_p, degree_q, fixed, end in ROWS:
        p, q, error, _ = fit(f, lo, hi, degree_p, degree_q, fixed)
        if end is None:
            out.append(row(name, lo, hi, error, p))
            continue
        out.append("END(%s_end, %s)\n" % (name, end))
        p[0] -= 1
        out.append(row(name + "_p", lo, hi, error, p))
        out.append(row(name + "_q", lo, hi, error, q))
    out.append("/* clang-format on */\n")
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "minimax.def")
    with open(path, "w", encoding="ascii") as to:
        to.writelines(out)


main()
