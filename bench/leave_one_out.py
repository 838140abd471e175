#!/usr/bin/env python3
"""What an answer of each rung of `hone query` is worth: each size of a list is asked for from a copy of
the log that has never seen it, and what every rung answers is timed in turns with the schedule that
was tuned for that size, in one process. The share is that of the speed of the fastest of these.

  bench/leave_one_out.py [--list FILE] [--trials N] [--time SECONDS] [--threads N] [--class-threads N]
                         [--out FOLDER] [--json FILE]

The list has lines of a kernel and its sizes, as in bench/transfer.kernels or bench/gemm.list. Needs the
release build with bench_versus, and sqlite3. What was tuned is kept in FOLDER and not tuned again. The
copy has neither the size's records nor a model that learned from them: one is trained on the rest, where
that is enough. With --class-threads the sizes are tuned with that many threads as well, for rung class.
Nothing else should run meanwhile. FILE of --json has of each size also what the guard went by, for
bench/lookup_guard.py.
"""
import argparse
import json
import math
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RUNGS = ("exact", "class", "nearest", "model", "default")
KERNELS = """
matmul M=512 N=512 K=512
matmul M=256 N=256 K=256
matmul M=777 N=333 K=555
"""


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--list", help="lines of a kernel and its sizes (default: three products)")
    p.add_argument("--trials", type=int, default=64, help="of each size")
    p.add_argument("--time", type=int, help="seconds for each size, at most")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--class-threads", type=int)
    p.add_argument("--build", default=os.path.join(ROOT, "build/release"))
    p.add_argument("--out", default="leave_one_out.out")
    p.add_argument("--json", help="also write the numbers here")
    return p.parse_args()


def read_list(text):
    """Lines of suite.list begin with a label and end with ": opponents"; each kernel once."""
    ret = []
    for line in text.splitlines():
        words = [w for w in line.split("#")[0].split(" : ")[0].split() if w != ":"]
        sizes = [w for w in words if "=" in w]
        if not sizes:
            continue
        row = (words[words.index(sizes[0]) - 1], *sizes)
        if row not in ret:
            ret.append(row)
    return ret


def quantile(x, q):
    x = sorted(x)
    return x[min(len(x) - 1, int(q * len(x)))]


def geomean(x):
    return math.exp(sum(map(math.log, x)) / len(x))


class Bench:
    def __init__(self, o):
        self.o = o
        self.hone = os.path.join(o.build, "hone")
        self.machine = os.path.join(o.out, "machine.json")

    def run(self, *command, may_fail=False):
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode != 0 and not may_fail:
            sys.exit("%s: %s" % (" ".join(command), run.stderr.strip()))
        return run.stdout if run.returncode == 0 else None

    def kernel(self, row, threads=None):
        return [row[0], *(x for w in row[1:] for x in ("-D", w)), "--threads", str(threads or self.o.threads)]

    def query(self, row, db, *options):
        out = self.run(self.hone, "query", *self.kernel(row), "--db", db, "--json", *options, may_fail=True)
        return json.loads(out) if out else None

    def tune(self, row, db, threads):
        """False: nothing was found in the time given."""
        done = db + ".done"
        tag = " ".join(row) + "\n"
        if os.path.exists(done) and tag in open(done).read().splitlines(keepends=True):
            return True
        limit = ["--time", str(self.o.time)] if self.o.time else []
        if self.run(self.hone, "tune", *self.kernel(row, threads), "--db", db, "--trials", str(self.o.trials), *limit,
                    "--no-transfer", "--json", may_fail=True) is None:
            print("%-36s was not tuned, and is left out" % " ".join(row), flush=True)
            return False
        with open(done, "a") as f:
            f.write(tag)
        return True

    def without(self, row, db, workload):
        """A copy of the log that knows nothing of the size."""
        copy = os.path.join(self.o.out, "without.db")
        for end in ("", "-wal", "-shm", ".lock"):
            if os.path.exists(copy + end):
                os.remove(copy + end)
        self.run("sqlite3", db, ".backup '%s'" % copy)
        self.run("sqlite3", copy, "DELETE FROM model")
        self.run(self.hone, "db", "forget", copy, "--workload", workload, "--yes")
        self.run(self.hone, "model", "train", "--db", copy, may_fail=True)
        return copy

    def library(self, row, trace, folder):
        """None: no code can be made of it, and an answer as a library passes it over."""
        os.makedirs(folder, exist_ok=True)
        path, so = os.path.join(folder, "f.trace"), os.path.join(folder, "f.so")
        with open(path, "w") as f:
            json.dump(trace, f)
        if self.run(self.hone, "query", *self.kernel(row), "--trace", path, "--emit", "library", "-o", folder,
                    "--name", "f", may_fail=True) is None:
            return None
        self.run(os.environ.get("CC", "cc"), "-shared", "-o", so, os.path.join(folder, "f.o"),
                 os.path.join(self.o.build, "libhone_rt.a"), "-lpthread")
        return so

    def race(self, row, traces):
        """traces: {name: trace}, "exact" among them. Returns {name: share of the fastest's speed}."""
        out = os.path.join(self.o.out, "race.json")
        command = [os.path.join(self.o.build, "bench_versus"), "--threads", str(self.o.threads), "--only",
                   "none", "--json", out, "--machine", self.machine]
        so = {n: self.library(row, t, os.path.join(self.o.out, "so", n)) for n, t in traces.items()}
        for n in so:
            if n != "exact" and so[n]:
                command += ["--other", "%s=%s" % (n, so[n])]
        self.run(*command, *row, so["exact"])
        with open(out) as f:
            speed = {x["name"]: 1 / x["against_base"]["ratio"] for x in json.load(f)["others"]}
        speed["exact"] = 1
        return {n: v / max(speed.values()) for n, v in speed.items()}


def report(table):
    """What the sizes of a list come to: the table of docs/LOOKUP.md."""
    print("\nshare of the speed of the fastest geomean  10 %%  worst   of %d sizes" % len(table))
    for r in (*RUNGS, "answer"):
        v = [t["share"][r] for t in table if r in t["share"]]
        if v:
            print("  %-31s  %.3f    %.3f  %.3f" % (r, geomean(v), quantile(v, 0.1), min(v)))
    slower = [t["share"]["answer"] / t["share"]["default"] for t in table if "default" in t["share"]]
    if slower:
        print("answers over the default: geomean %.3f, worst %.3f" % (geomean(slower), min(slower)))
    off = [abs(math.log(t["expected"] / t["share"]["answer"])) for t in table]
    print("the share that was expected of the answer was off by %.2f in the mean, as ln" % (sum(off) / len(off)))


def main():
    o = parse()
    b = Bench(o)
    os.makedirs(o.out, exist_ok=True)
    rows = read_list(open(o.list).read() if o.list else KERNELS)
    if not os.path.exists(b.machine):
        b.run(os.path.join(o.build, "bench_versus"), "--threads", str(o.threads), "--machine-out", b.machine)
    log, other = os.path.join(o.out, "log.db"), os.path.join(o.out, "class.db")
    rows = [row for row in rows if b.tune(row, log, o.threads) and
            (not o.class_threads or b.tune(row, other, o.class_threads))]
    if not rows:
        sys.exit("nothing was tuned")
    table = []
    for row in rows:
        exact = b.query(row, log, "--require", "exact")
        copy = b.without(row, log, exact["workload"])
        answers = [b.query(row, copy, "--explain")]
        if o.class_threads:
            answers.append(b.query(row, other, "--explain"))
        traces = {"exact": exact["trace"]}
        for x in reversed(answers):
            traces.update({s["rung"]: s["trace"] for s in x["ladder"] if s["found"]})
        got = b.race(row, traces)
        got["answer"] = got.get(answers[0]["rung"], got["default"])
        predicted = {s["rung"]: s["predicted_vs_default"] for s in answers[0]["ladder"]
                     if "predicted_vs_default" in s}
        table.append({"kernel": row, "rung": answers[0]["rung"], "share": got, "predicted": predicted,
                      "expected": answers[0]["expected_share"], "near": answers[0].get("near", [])})
        print("%-36s answers %-8s %s" % (" ".join(row), answers[0]["rung"], "  ".join(
            "%s %.3f" % (r, got[r]) for r in RUNGS if r in got)), flush=True)
    report(table)
    if o.json:
        with open(o.json, "w") as f:
            json.dump(table, f, indent=1)


if __name__ == "__main__":
    main()
