#!/usr/bin/env python3
"""Is what a tuning reports really the fastest it measured? The winner against its three runners-up, timed
again in turns, in many short processes, after each of several tunings.

  bench/runners_up.py [--list FILE] [--seeds N] [--trials N] [--out FOLDER]

Told is, for each tuning, by how much the fastest of the four is faster than what was reported (1.000: it is
that itself). Takes what bench/search.py has tuned in FOLDER.
"""
import argparse
import os
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import search  # noqa: E402

KERNELS = """
matmul M=512 N=512 K=512
conv2d_nhwc N=1 H=14 W=14 CI=256 CO=256 R=3 S=3 stride=1 pad=1 dilation=1
softmax M=512 N=512
attention B=1 H=12 L=128 D=64
"""
RUNNERS_UP = 3


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--list", help="lines of a kernel and its sizes (default: four of them)")
    p.add_argument("--seeds", type=int, default=5)
    p.add_argument("--trials", type=int, default=64)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--build", default=os.path.join(search.ROOT, "build/release"))
    p.add_argument("--out", default="search.out")
    o = p.parse_args()
    o.from_log = None
    o.machine = os.path.join(o.out, "machine.json")
    return o


def fastest(folder, n):
    """Hashes of the n fastest of the log, the reported one first."""
    with sqlite3.connect("file:%s/log.db?mode=ro" % folder, uri=True) as q:
        best = q.execute("SELECT best_hash FROM session ORDER BY id DESC").fetchone()[0]
        rest = q.execute("SELECT trace_hash FROM record WHERE status = 'OK' AND trace_hash != ?"
                         " ORDER BY compare_ns LIMIT ?", (best, n - 1))
        return [best] + [h for (h,) in rest]


def only(folder, trace_hash, to):
    """A log that has this candidate alone, so that a query answers with it."""
    os.makedirs(to, exist_ok=True)
    for f in os.listdir(to):
        os.remove(os.path.join(to, f))
    with sqlite3.connect(os.path.join(folder, "log.db")) as a, sqlite3.connect(os.path.join(to, "log.db")) as b:
        a.backup(b)
        b.execute("DELETE FROM sample WHERE record_id IN (SELECT id FROM record WHERE trace_hash != ?)", (trace_hash,))
        b.execute("DELETE FROM record WHERE trace_hash != ?", (trace_hash,))
    return to


def main():
    o = parse()
    os.makedirs(o.out, exist_ok=True)
    if not os.path.exists(o.machine):
        subprocess.run([os.path.join(o.build, "bench_versus"), "--threads", str(o.threads), "--machine-out",
                        o.machine], check=True, stdout=subprocess.DEVNULL)
    text = open(o.list).read() if o.list else KERNELS
    beaten = []
    for kernel, *words in (x.split() for x in text.splitlines() if x.strip() and not x.startswith("#")):
        for seed in range(1, o.seeds + 1):
            tag = kernel + "_" + "_".join(w.split("=")[1] for w in words)
            folder = os.path.join(o.out, tag, "evolution.%d" % seed)
            search.tune(o, kernel, words, "evolution", seed, folder)
            four = {}
            for place, h in enumerate(fastest(folder, 1 + RUNNERS_UP)):
                four["reported" if place == 0 else "%d" % (place + 1)] = only(folder, h, "%s.place%d" % (folder, place))
            ratios = search.race(o, kernel, words, four)
            by = max(1 / r for r in ratios.values())
            beaten.append(by)
            print("%-60s seed %d  faster by %.3f  (%s)" % (" ".join([kernel, *words]), seed, by, " ".join(
                "%s %.3f" % (n, r) for n, r in ratios.items())), flush=True)
    print("%d tunings; beaten by more than 1 %%: %d; the worst by %.1f %%" % (
        len(beaten), sum(b > 1.01 for b in beaten), 100 * (max(beaten) - 1)))


if __name__ == "__main__":
    main()
