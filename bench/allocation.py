#!/usr/bin/env python3
"""A network's kernels tuned with one budget, against the same budget in equal shares.

  bench/allocation.py [--tasks NAME|FILE] [--trials N] [--out FOLDER]

Both begin with an empty log and take nothing over from other kernels, so that the only difference is
where the trials go. Told are the sums of weight x best time, as each run ended, and after how many
trials the list had come within 3 % of its final sum. Nothing else should run meanwhile.
"""
import argparse
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def lines(command):
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if run.returncode not in (0, 1):
        sys.exit("failed: " + " ".join(command))
    return [json.loads(x) for x in run.stdout.splitlines()]


def title(task):
    return task["kernel"] + "".join(" %s=%d" % x for x in task["sizes"].items())


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tasks", default="resnet50")
    p.add_argument("--trials", type=int, default=0, help="in all (default: 20 for each kernel)")
    p.add_argument("--threads", default="1")
    p.add_argument("--build", default=os.path.join(ROOT, "build/release"))
    p.add_argument("--out", default="allocation.out")
    o = p.parse_args()
    hone = os.path.join(o.build, "hone")
    os.makedirs(o.out, exist_ok=True)
    path = o.tasks
    if not os.path.exists(path):
        path = os.path.join(o.out, o.tasks + ".json")
        with open(path, "w") as f:
            subprocess.run([hone, "tasks", o.tasks], stdout=f, check=True)
    tasks = json.load(open(path))["tasks"]
    trials = o.trials or 20 * len(tasks)
    common = ["--threads", o.threads, "--no-transfer", "--json"]

    # equal shares
    total = wall = spent = 0
    for k, t in enumerate(tasks):
        sizes = [x for n, v in t["sizes"].items() for x in ("-D", "%s=%d" % (n, v))]
        share = trials * (k + 1) // len(tasks) - trials * k // len(tasks)
        last = lines([hone, "tune", t["kernel"], *sizes, "--trials", str(share), "--db",
                      os.path.join(o.out, "equal.db"), *common])[-1]
        total += t["weight"] * last["best_ns"]
        wall += last["wall_s"]
        spent += last["trials"]
    print("equal shares   sum %.3f ms, %d trials, %.0f s" % (total / 1e6, spent, wall), flush=True)

    # one budget
    x = lines([hone, "tune", "--tasks", path, "--trials", str(trials), "--db",
               os.path.join(o.out, "tasks.db"), *common])
    last = x[-1]
    print("one budget     sum %.3f ms, %d trials, %.0f s: %.3f of equal shares" % (
        last["total_ns"] / 1e6, last["trials"], last["wall_s"], last["total_ns"] / total))
    tell_curve(x[:-1], tasks)


def tell_curve(trials, tasks):
    """After how many trials the weighted sum was within 3 % of what it came to."""
    weight = {title(t): t["weight"] for t in tasks}
    best, n, sums = {}, 0, []
    for line in trials:
        if "trial" not in line:
            continue
        n += 1
        if line["status"] == "OK":
            name = line["task"]
            best[name] = min(best.get(name, float("inf")), line["compare_ns"])
        if len(best) == len(weight):
            sums.append((n, sum(weight[k] * v for k, v in best.items())))
    if sums:
        within = next(k for k, v in sums if v <= 1.03 * sums[-1][1])
        print("               within 3 %% of its final sum after %d of %d trials" % (within, n))


if __name__ == "__main__":
    main()
