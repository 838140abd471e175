#!/usr/bin/env python3
"""How fast searches find fast kernels: several ways of searching, several seeds of each, every winner, and
what was the best after a few of its trials, timed again in turns with the others, in many short processes.

  bench/search.py [--list FILE] [--arms A,B,...] [--seeds N] [--trials N] [--out FOLDER] [--json FILE]

An arm is a strategy of `hone tune`, a name of ARMS below, or NAME=FILE: the default strategy of another
build of hone. Needs the release build with bench_versus.
What was tuned is kept in FOLDER and not tuned again. Nothing else should run meanwhile.
"""
import argparse
import json
import math
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KERNELS = """
matmul M=512 N=512 K=512
matmul M=777 N=333 K=555
conv2d_nhwc N=1 H=14 W=14 CI=256 CO=256 R=3 S=3 stride=1 pad=1 dilation=1
depthwise_nhwc N=1 H=112 W=112 C=32 R=3 S=3 stride=1 pad=1
conv2d_winograd_nhwc N=1 H=14 W=14 CI=256 CO=256 pad=1
softmax M=512 N=512
attention B=1 H=12 L=128 D=64
matmul_u8i8 M=512 N=512 K=512
"""
# name: (options of `hone tune`, trials of its own)
ARMS = {
    "alone": (["--no-transfer"], None),
    "no-draft": (["--without", "draft"], None),
    "no-learning": (["--without", "learning"], None),
    "no-committee": (["--without", "committee"], None),
    "no-descent": (["--without", "descent"], None),
    "no-bandit": (["--without", "bandit"], None),
    "metaschedule1000": (["--strategy", "metaschedule"], 1000),
}
ELECTIONS, RACES, PAIRS = 5, 9, 7
ENOUGH = 3, 180  # races and seconds: of slow kernels no more
AT = (2, 9, 16, 32, 64, 100)  # trials after which the best so far is told; the first is the kernel as written


def geomean(x):
    x = [v for v in x if v and v > 0]
    return math.exp(sum(map(math.log, x)) / len(x)) if x else float("nan")


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--list", help="lines of a kernel and its sizes (default: eight of them)")
    p.add_argument("--arms", default="evolution,random")
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--trials", type=int, default=64)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--from-log", help="each tuning begins with a copy of this log")
    p.add_argument("--build", default=os.path.join(ROOT, "build/release"))
    p.add_argument("--out", default="search.out")
    p.add_argument("--json", help="also write the numbers here")
    return p.parse_args()


def sizes_of(words):
    return [x for w in words for x in ("-D", w)]


def tune(o, kernel, words, arm, seed, folder):
    """Runs once; returns the curve [(trial, seconds, ns)] of what was measured."""
    db, lines = os.path.join(folder, "log.db"), os.path.join(folder, "trials.jsonl")
    if not os.path.exists(lines):
        os.makedirs(folder, exist_ok=True)
        for f in os.listdir(folder):
            os.remove(os.path.join(folder, f))
        if o.from_log:
            subprocess.run(["sqlite3", o.from_log, ".backup '%s'" % db], check=True)
        options, trials = ARMS.get(arm, (["--strategy", arm], None))
        hone = os.path.join(o.build, "hone")
        if "=" in arm:
            hone, options = arm.split("=", 1)[1], []
        command = [hone, "tune", kernel, *sizes_of(words), "--threads",
                   str(o.threads), "--trials", str(trials or o.trials), "--seed", str(seed), "--db", db,
                   "--json", *options]
        start = time.monotonic()
        with open(lines + ".part", "w") as f:
            run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            for line in run.stdout:
                x = json.loads(line)
                x["at_s"] = round(time.monotonic() - start, 4)
                f.write(json.dumps(x) + "\n")
            if run.wait() != 0:
                sys.exit("%s failed: %s" % (arm, " ".join(command)))
        os.rename(lines + ".part", lines)
    with open(lines) as f:
        return [json.loads(x) for x in f]


def shared_object(o, kernel, words, folder):
    """Of the trace in the folder, else of what its log holds to be the best."""
    so, trace = os.path.join(folder, "f.so"), os.path.join(folder, "trace.json")
    if not os.path.exists(so):
        source = ["--trace", trace] if os.path.exists(trace) else [
            "--db", os.path.join(folder, "log.db"), "--require", "exact"]
        subprocess.run([os.path.join(o.build, "hone"), "query", kernel, *sizes_of(words), "--threads",
                        str(o.threads), *source, "--emit", "library", "-o", folder, "--name", "f"],
                       check=True, stdout=subprocess.DEVNULL)
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-o", so, os.path.join(folder, "f.o"),
                        os.path.join(o.build, "libhone_rt.a"), "-lpthread"], check=True)
    return so


def best_of_first(folder, trials, n, code):
    """A folder with the trace that led after n trials; None: nothing was right yet. code: where such folders are."""
    led = [t for t in trials if "trial" in t and t["trial"] <= n and t["best"]]
    if not led:
        return None
    at = os.path.join(code, led[-1]["trace_hash"])
    if not os.path.exists(os.path.join(at, "trace.json")):
        os.makedirs(at, exist_ok=True)
        log = sqlite3.connect(os.path.join(folder, "log.db"))
        (text,) = log.execute("SELECT trace FROM record WHERE trace_hash = ?", (os.path.basename(at),)).fetchone()
        log.close()
        with open(os.path.join(at, "trace.json"), "w") as f:
            f.write(text)
    return at


def race(o, kernel, words, winners):
    """winners: {name: folder}. Returns {name: time / time of the first}.

    Which pages of memory a process gets, and where its code lies, moves what fits a cache just so by 2 to 4 %, and no
    number of samples in that process shows it. So many short processes, each with pages and an order of its own, of
    which the first is the one that all others take turns with; of each contestant the median of its times over the
    geometric mean of all. Winners that are the same code are one contestant."""
    same = same_code(o, kernel, words, winners)
    log = race_of(o, kernel, words, winners, same, range(RACES))
    return {n: math.exp(log[same[n]] - log[same[next(iter(winners))]]) for n in winners}


def race_the_best(o, kernel, words, winners):
    """The same by the best of them, and what such a ratio is off by: how far two races differ, the median.

    The smallest of a hundred medians is in part the luckiest, and everything would look as much slower than it as it
    had luck. So the best is elected in one race, and what all are timed against it is another."""
    same = same_code(o, kernel, words, winners)
    election = race_of(o, kernel, words, winners, same, range(ELECTIONS))
    log = race_of(o, kernel, words, winners, same, range(ELECTIONS, ELECTIONS + RACES))
    best = min(election, key=election.get)
    off = statistics.median(abs(log[n] - election[n]) for n in log)
    return {n: math.exp(log[same[n]] - log[best]) for n in winners}, off


def same_code(o, kernel, words, winners):
    """{name: the first that has the same code}."""
    first = {}
    return {n: first.setdefault(shared_bytes(o, kernel, words, folder), n) for n, folder in winners.items()}


def race_of(o, kernel, words, winners, same, processes):
    """{name: logarithm of its time over the geometric mean of all}, of each code once."""
    names = sorted(set(same.values()))
    logs = {n: [] for n in names}
    start = time.monotonic()
    for k in processes if len(names) > 1 else []:
        if k - processes[0] >= ENOUGH[0] and time.monotonic() - start > ENOUGH[1]:
            break
        random.Random(k).shuffle(names)
        ratios = race_once(o, kernel, words, {n: winners[n] for n in names})
        middle = geomean(ratios.values())
        for n in names:
            logs[n].append(math.log(ratios[n] / middle))
    return {n: statistics.median(logs[n]) if logs[n] else 0.0 for n in names}


def shared_bytes(o, kernel, words, folder):
    with open(shared_object(o, kernel, words, folder), "rb") as f:
        return f.read()


def race_once(o, kernel, words, winners):
    """In one process, by medians of pairs with the first."""
    names = list(winners)
    out = os.path.join(o.out, "race.json")
    command = [os.path.join(o.build, "bench_versus"), "--threads", str(o.threads), "--only", "none",
               "--pairs", str(PAIRS), "--json", out, "--machine", o.machine]
    for n in names[1:]:
        command += ["--other", "%s=%s" % (n, shared_object(o, kernel, words, winners[n]))]
    command += [kernel, *words, shared_object(o, kernel, words, winners[names[0]])]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit("bench_versus: " + run.stderr)
    with open(out) as f:
        x = json.load(f)
    ratios = {names[0]: 1.0}
    for other in x["others"]:
        ratios[other["name"]] = other["against_base"]["ratio"]
    return ratios


def shown(trials):
    """The median of numbers of trials, and how many never got there, which count as the largest."""
    never = trials.count(None)
    middle = sorted(x if x is not None else math.inf for x in trials)[(len(trials) - 1) // 2]
    return ("never" if math.isinf(middle) else "%d" % middle) + (" (%d never)" % never if never else "")


def main():
    o = parse()
    os.makedirs(o.out, exist_ok=True)
    text = open(o.list).read() if o.list else KERNELS
    kernels = [x.split() for x in text.splitlines() if x.strip() and not x.startswith("#")]
    arms = o.arms.split(",")
    o.machine = os.path.join(o.out, "machine.json")
    if not os.path.exists(o.machine):
        subprocess.run([os.path.join(o.build, "bench_versus"), "--threads", str(o.threads),
                        "--machine-out", o.machine], check=True, stdout=subprocess.DEVNULL)
    rows = []
    for kernel, *words in kernels:
        tag = kernel + "_" + "_".join(w.split("=")[1] for w in words)
        runs, winners = {}, {}
        code = os.path.join(o.out, tag, "code")
        for seed in range(1, o.seeds + 1):  # in turns
            for arm in arms:
                name = "%s.%d" % (arm.split("=")[0], seed)
                folder = os.path.join(o.out, tag, name)
                runs[name] = tune(o, kernel, words, arm, seed, folder)
                winners[name] = folder
        for name, folder in list(winners.items()):
            for n in AT:
                then = best_of_first(folder, runs[name], n, code)
                if then:
                    winners["%s@%d" % (name, n)] = then
        ratios, off = race_the_best(o, kernel, words, winners)
        print("\n%s %s (ratios repeat to %.1f %%)" % (kernel, " ".join(words), 100 * off))
        for arm in arms:
            names = ["%s.%d" % (arm.split("=")[0], s) for s in range(1, o.seeds + 1)]
            final = [ratios[n] for n in names]
            so_far = [{n: ratios["%s@%d" % (name, n)] for n in AT if "%s@%d" % (name, n) in ratios}
                      for name in names]
            at = {n: [x[n] for x in so_far if n in x] for n in AT}
            to_2 = [next((n for n in AT if x.get(n, 9) <= 1.02), None) for x in so_far]
            wall = [runs[n][-1]["wall_s"] for n in names]
            trials = [runs[n][-1]["trials"] for n in names]
            print("  %-17s final %s (worst %.3f)  after %s  2 %% at %s  %6.1f s, %d trials" % (
                arm, "%.3f" % geomean(final), max(final),
                " ".join("%d: %.3f" % (n, geomean(at[n])) for n in AT if at[n]), shown(to_2),
                statistics.median(wall), statistics.median(trials)), flush=True)
            rows.append({"kernel": kernel, "sizes": words, "arm": arm, "final": final,
                         "at": {str(n): at[n] for n in AT}, "to_2": to_2, "wall_s": wall, "trials": trials, "off": off})
    print("\nall kernels, geometric means; times by the best of the row")
    for arm in arms:
        mine = [r for r in rows if r["arm"] == arm]
        print("  %-17s final %.3f (worst seed %.3f)  after %s  2 %% at %s" % (
            arm, geomean([v for r in mine for v in r["final"]]), max(v for r in mine for v in r["final"]),
            " ".join("%d: %.3f" % (n, geomean([v for r in mine for v in r["at"][str(n)]])) for n in AT),
            shown([v for r in mine for v in r["to_2"]])))
    if o.json:
        with open(o.json, "w") as f:
            json.dump(rows, f, indent=1)


if __name__ == "__main__":
    main()
