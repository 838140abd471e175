#!/usr/bin/env python3
"""A network's kernels tuned with one budget, against the same budget in equal shares.

  bench/allocation.py [--tasks NAME|FILE] [--trials N] [--seeds N] [--out FOLDER]

Both begin with a log that knows the machine and no kernel, and take nothing over from other kernels, so that
the only difference is where the trials go. Their winners are then timed in turns, in processes of both, kernel
by kernel; two that are the same code tie. Told are the sums of weight x time: of equal shares as each of its
runs ended, of the one budget by the races; and how long each took, by hone's own word, without the start of
its processes. Needs the release build with bench_versus. Nothing else should run meanwhile.
"""
import argparse
import json
import os
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import search  # noqa: E402


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tasks", default="resnet50")
    p.add_argument("--trials", type=int, default=0, help="in all (default: 20 for each kernel)")
    p.add_argument("--seeds", type=int, default=1, help="so many times, each with another seed")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--build", default=os.path.join(search.ROOT, "build/release"))
    p.add_argument("--out", default="allocation.out")
    o = p.parse_args()
    o.hone = os.path.join(o.build, "hone")
    o.log, o.machine = (os.path.join(o.out, x) for x in ("machine.db", "machine.json"))
    return o


def sizes(task):
    return ["%s=%d" % x for x in task["sizes"].items()]


def title(task):
    return " ".join([task["kernel"], *sizes(task)])


def fresh(log, folder):
    """The folder, empty but for a copy of the log."""
    os.makedirs(folder, exist_ok=True)
    for f in os.listdir(folder):
        os.remove(os.path.join(folder, f))
    with sqlite3.connect(log) as a, sqlite3.connect(os.path.join(folder, "log.db")) as b:
        a.backup(b)
    return folder


def tune(o, what, trials, seed, folder):
    command = [o.hone, "tune", *what, "--trials", str(trials), "--seed", str(seed), "--threads", str(o.threads),
               "--db", os.path.join(folder, "log.db"), "--no-transfer", "--json"]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if run.returncode not in (0, 1):
        sys.exit("failed: " + " ".join(command))
    return [json.loads(x) for x in run.stdout.splitlines()]


def ratio(o, task, equal, one, place):
    """Of the times of the winners of both logs: that of the one budget by that of equal shares."""
    of = {name: fresh(os.path.join(log, "log.db"), "%s.%d" % (log, place))  # search.py has one for each kernel
          for name, log in (("equal", equal), ("one", one))}
    return search.race(o, task["kernel"], sizes(task), of)["one"]


def compare(o, tasks, path, seed):
    """Tunes both ways and races. Returns the ratio of the sums, and that of the times."""
    trials = o.trials or 20 * len(tasks)
    equal, one = (fresh(o.log, os.path.join(o.out, "seed%d.%s" % (seed, x))) for x in ("equal", "one"))
    times, spent, wall = [], 0, 0
    for k, t in enumerate(tasks):
        share = trials * (k + 1) // len(tasks) - trials * k // len(tasks)
        last = tune(o, [t["kernel"], *search.sizes_of(sizes(t))], share, seed, equal)[-1]
        times.append(last["best_ns"])
        spent += last["trials"]
        wall += last["wall_s"]
    last = tune(o, ["--tasks", path], trials, seed, one)[-1]
    ratios = [ratio(o, t, equal, one, k) for k, t in enumerate(tasks)]
    runs = [t["weight"] * ns for t, ns in zip(tasks, times)]
    total = sum(runs)
    one_total = sum(r * x for r, x in zip(ratios, runs))
    given = {x["task"]: x["trials"] for x in last["by_task"]}
    print("\nseed %d\n  share  trials  one budget / equal shares" % seed)
    for t, x, r in zip(tasks, runs, ratios):
        print("  %4.1f %%  %6s  %-6s %s" % (100 * x / total, given.get(title(t), "?"),
                                           "same" if r == 1 else "%.3f" % r, title(t)))
    print("equal shares   sum %.3f ms, %d trials, %.1f s" % (total / 1e6, spent, wall))
    print("one budget     sum %.3f ms, %d trials, %.1f s: %.4f of equal shares, in %.2f of the time" % (
        one_total / 1e6, last["trials"], last["wall_s"], one_total / total, last["wall_s"] / wall), flush=True)
    return one_total / total, last["wall_s"] / wall


def main():
    o = parse()
    os.makedirs(o.out, exist_ok=True)
    path = o.tasks
    if not os.path.exists(path):
        path = os.path.join(o.out, o.tasks + ".json")
        with open(path, "w") as f:
            subprocess.run([o.hone, "tasks", o.tasks], stdout=f, check=True)
    with open(path) as f:
        tasks = json.load(f)["tasks"]
    if not os.path.exists(o.log):
        subprocess.run([o.hone, "calibrate", "--threads", str(o.threads), "--db", o.log], check=True,
                       stdout=subprocess.DEVNULL)
    if not os.path.exists(o.machine):
        subprocess.run([os.path.join(o.build, "bench_versus"), "--threads", str(o.threads), "--machine-out",
                        o.machine], check=True, stdout=subprocess.DEVNULL)
    of = [compare(o, tasks, path, seed) for seed in range(1, o.seeds + 1)]
    if len(of) > 1:
        print("\n%d seeds, geometric means: %.4f of equal shares (%s), in %.2f of the time" % (
            len(of), search.geomean(x for x, _ in of), " ".join("%.4f" % x for x, _ in of),
            search.geomean(x for _, x in of)))


if __name__ == "__main__":
    main()
