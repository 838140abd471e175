#!/usr/bin/env python3
"""The guard of lookups (tuner/lookup/guard.c): its numbers are chosen on one list of kernels and judged
on another.

  bench/lookup_guard.py CHOOSE.json JUDGE.json

Both are what bench/leave_one_out.py --json wrote. For every choice of numbers it says what would have been
answered and how fast that was, beside the default; the choice is the one with the fastest answers on the
first list of those with none over 3 % slower than the default there. The rule is the one of guard.c.
"""
import itertools
import json
import math
import os
import re
import sys

from leave_one_out import geomean, report

NAMES = ("believe", "quantile", "spread", "worth")
GUARD = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tuner/lookup/guard.c")
GRID = ((0.0, 0.25, 0.5, 0.75, 1.0), (0.0, 0.5, 1.0, 1.5), (0.1, 0.2, 0.3), (0.5, 1.0, 2.0))
SLACK = 0.03


def now():
    """As guard.c has them."""
    text = open(GUARD).read()
    return tuple(float(re.search("#define %s ([0-9.]+)" % x.upper(), text).group(1)) for x in NAMES)


def gain(predicted, near, rule):
    """ln of how much faster than the default it is at least."""
    believe, quantile, spread, worth = rule
    seen = [(1 / (1 + x["far"]), math.log(x["default_compare_ns"] / x["compare_ns"]), x["favour"])
            for x in near if "favour" in x]
    if not seen:
        return predicted
    n = sum(w for w, _, _ in seen)
    # at near sizes: of each, what would have been said of it, less what it was
    off = [(w, believe * (g + f) - g) for w, g, f in seen]
    mean = sum(w * o for w, o in off) / n
    var = (worth * spread ** 2 + sum(w * (o - mean) ** 2 for w, o in off)) / (worth + n)
    return believe * predicted - mean - quantile * math.sqrt(var * (1 + 1 / (worth + n)))


def answer(row, rule):
    share, predicted = row["share"], row["predicted"]
    for r in ("nearest", "model"):
        if r not in share or r not in predicted:
            continue
        known = any("favour" in x for x in row["near"])
        if r == "model" and known and "nearest" in share:
            continue
        if gain(-math.log(predicted[r]), row["near"], rule) >= 0:
            return r
    return "default"


def judge(table, rule):
    rungs = [answer(t, rule) for t in table]
    over = [t["share"][r] / t["share"]["default"] for t, r in zip(table, rungs)]
    return geomean(over), min(over), sum(r != "default" for r in rungs)


def say(name, table, rule):
    print("  %-9s answers over the default: geomean %.3f, worst %.3f; %d of %d are not the default" % (
        name, *judge(table, rule), len(table)))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    tables = [[t for t in json.load(open(f)) if "default" in t["share"]] for f in sys.argv[1:]]
    for f, t in zip(sys.argv[1:], tables):
        print("\n%s" % f)
        report(t)
    fit = [(judge(tables[0], rule), rule) for rule in itertools.product(*GRID)]
    good = [x for x in fit if x[0][1] >= 1 - SLACK]
    best = max(good, key=lambda x: (x[0][0], x[1][1])) if good else None
    for title, rule in (("as guard.c has them", now()), ("chosen on the first", best and best[1])):
        print("\nthe guard's numbers %s: %s" % (title, rule and ", ".join(
            "%s %g" % x for x in zip(NAMES, rule)) or "none is good enough"))
        for name, table in zip(("chosen on", "judged on"), tables):
            if rule:
                say(name, table, rule)
    print("\nwhat could be had, were it known: %.3f and %.3f" % tuple(
        geomean([max(t["share"].get(r, 0) for r in ("nearest", "model", "default")) / t["share"]["default"]
                 for t in table]) for table in tables))


if __name__ == "__main__":
    main()
