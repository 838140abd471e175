#!/usr/bin/env python3
"""What trials gain, and what shares of a budget are worth, from logs of whole tunings: nothing is measured.

  bench/shares.py [--per N] [--reps N] LOG.db [LOG.db...]

Takes every kernel of the logs with 44 trials or more, in the order of its trials, and tells

  - how far the best of the first n trials is behind the best of all (mean of logarithms, and what nine of
    ten stay below), and what a trial gained there, times n / time: the HOPE of tuner/tasks.c;
  - networks made of such kernels, drawn at random, of which kernel k takes the share of the time that the k-th
    of ResNet-50 has of its operations: how far behind they are when equal shares, and a few rules, have spent
    N trials a kernel (default 20). A rule hands the next round to the kernel of the largest
    weight x time / trials ^ q; 1 is hone's own.

The kernels are drawn anew for each of the networks, so that what they differ by is in the error too.
"""
import argparse
import json
import math
import os
import random
import sqlite3

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LEAST = 44
AT = (2, 4, 8, 13, 20, 32, 44)
FIRST = 8  # trials of every kernel's first round
RULES = [("equal shares", None, 4)] + [("q %.2f, rounds of %d" % (q, r), q, r) for q in (0.75, 1, 1.5) for r in (4, 8)]


def curves(path):
    """Of each kernel, the best time after each trial; None: nothing right yet."""
    with sqlite3.connect("file:%s?mode=ro" % path, uri=True) as c:
        for of in c.execute("SELECT DISTINCT workload_id, target_id FROM record").fetchall():
            best, curve = None, []
            for ns, status in c.execute("SELECT compare_ns, status FROM record WHERE workload_id = ? AND target_id = ?"
                                        " ORDER BY id", of):
                if status == "OK" and ns and (best is None or ns < best):
                    best = ns
                curve.append(best)
            if best and len(curve) >= LEAST:
                yield curve


def behind(curve, n):
    return math.log((curve[n - 1] or 100 * curve[-1]) / curve[-1])


def tell_gains(all_curves):
    print("   n   behind  of ten nine   n x gain of a trial")
    for k, n in enumerate(AT):
        v = sorted(behind(c, n) for c in all_curves)
        gain = ""
        if k + 1 < len(AT):  # a gain of HOPE / n, from n to m, is HOPE x ln(m / n)
            m = AT[k + 1]
            gain = "%.4f" % (sum(behind(c, n) - behind(c, m) for c in all_curves) / len(v) / math.log(m / n))
        print("  %2d   %.4f       %.4f   %s" % (n, sum(v) / len(v), v[len(v) * 9 // 10], gain))


def shares_of_resnet50():
    with open(os.path.join(ROOT, "workloads/tasks/resnet50.json")) as f:
        tasks = json.load(f)["tasks"]
    ops = []
    for t in tasks:
        s = t["sizes"]
        taps = s.get("R", 1) * s.get("S", 1) * s.get("CI", 1) * s.get("CO", s.get("C", 1)) * s.get("N", 1)
        places = s["H"] * s["W"] / s.get("stride", 1) ** 2 if "H" in s else s.get("K", 1)
        ops.append(t["weight"] * taps * places)
    return [x / sum(ops) for x in ops]


def spend(kernels, shares, budget, q, size):
    """The network's time after that, with 1 for all bests."""
    n, left = [0] * len(kernels), budget

    def now(k):
        return shares[k] * math.exp(behind(kernels[k], n[k]))

    def give(k, trials):
        nonlocal left
        trials = min(trials, left, len(kernels[k]) - n[k])
        n[k] += trials
        left -= trials

    for k in range(len(kernels)):
        give(k, FIRST)
    while left:
        open_ones = [k for k in range(len(kernels)) if n[k] < len(kernels[k])]
        if not open_ones:
            break
        give(max(open_ones, key=lambda k: -n[k] if q is None else now(k) / n[k] ** q), size)
    return sum(now(k) for k in range(len(kernels)))


def tell_rules(all_curves, per, reps):
    shares, rng = shares_of_resnet50(), random.Random(1)
    logs = {name: [] for name, _, _ in RULES}
    for _ in range(reps):
        pool = [rng.choice(all_curves) for _ in all_curves]
        kernels = [rng.choice(pool) for _ in shares]
        for name, q, size in RULES:
            logs[name].append(math.log(spend(kernels, shares, per * len(shares), q, size)))
    print("%d networks of %d kernels, %d trials a kernel" % (reps, len(shares), per))
    for name, of in logs.items():
        d = [a - b for a, b in zip(of, logs[RULES[0][0]])]
        mean = sum(d) / len(d)
        spread = math.sqrt(sum((x - mean) ** 2 for x in d) / len(d) / len(d))
        print("  %-22s behind by %.4f; by equal shares %+.4f +- %.4f" % (name, sum(of) / len(of), mean, spread))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--per", type=int, default=20)
    p.add_argument("--reps", type=int, default=200)
    p.add_argument("logs", nargs="+")
    o = p.parse_args()
    all_curves = [c for path in o.logs for c in curves(path)]
    print("%d tunings" % len(all_curves))
    tell_gains(all_curves)
    tell_rules(all_curves, o.per, o.reps)


if __name__ == "__main__":
    main()
