#!/usr/bin/env python3
"""What keeps rows of bench/suite from their roofline: the loops that their time is spent in, and what these wait
for by LLVM's scheduling model (llvm-mca).

    bench/suite --json suite.json
    bench/limits.py suite.json [--below 90] [--rows PATTERN] [--build DIR] [--db FILE] [--cpu NAME]

Each row's code is made again from the log and run under `perf record`, by the clock where the processor's counters
are not to be had; each sample belongs to the innermost loop that its address lies in. Of a loop that has a tenth of
the samples or more:

    time     of all samples in the kernel
    all      instructions of one turn; fp: those on vectors that are no moves; mem: those that touch memory
    cycles   of one turn by the model, with everything in the nearest cache
    unit     what its busiest unit takes for one turn
    waits    the unit, the width of the processor's front, or for results ("latency": a chain from turn to turn)

A processor that the model does not know is stood in for by its nearest relative (MODELS), and a * says so: where
that has narrower units the numbers are its, but what is waited for is seldom another thing. The model has no caches:
where cycles are few and the loop still has the time, it waits for memory."""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOOL = "llvm-mca-19"
# of processors that LLVM 19 has no model of, or a poor one: the nearest that it has
MODELS = {"znver5": "znver4", "emeraldrapids": "sapphirerapids", "graniterapids": "sapphirerapids"}
LEAST_SHARE = 0.1
MOVES = re.compile(r"^v?(mov|broadcast|pbroadcast|lddq|kmov|maskmov)")
OPERAND = re.compile(r"\(.*%(r|e)")


def fail(text, code=1):
    print(f"limits.py: {text}", file=sys.stderr)
    sys.exit(code)


def run(*words, **more):
    r = subprocess.run(words, text=True, capture_output=True, **more)
    if r.returncode:
        fail(f"{os.path.basename(words[0])}: {(r.stderr or r.stdout).strip().splitlines()[-1:] or r.returncode}")
    return r.stdout


# ---- the code of a row -------------------------------------------------------------------------------


def build_row(o, row, folder):
    """The best that the log has, as a shared object."""
    so = os.path.join(folder, "f.so")
    words = [x for size in row["sizes"].split() for x in ("-D", size)]
    run(os.path.join(o.build, "hone"), "query", row["kernel"], *words, "--threads", str(row["threads"]), "--db", o.db,
        "--require", "exact", "--emit", "library", "-o", folder, "--name", "f")
    run(os.environ.get("CC", "cc"), "-shared", "-o", so, os.path.join(folder, "f.o"),
        os.path.join(o.build, "libhone_rt.a"), "-lpthread")
    return so


def code_of(so):
    """[(address, instruction)] in order, and where each symbol starts."""
    code, symbols = [], {}
    for line in run("objdump", "-d", "--no-show-raw-insn", so).split("\n"):
        m = re.match(r"^([0-9a-f]+) <(.*)>:", line)
        if m:
            symbols[m.group(2)] = int(m.group(1), 16)
            continue
        m = re.match(r"^ *([0-9a-f]+):\t(.*?)\s*(#.*)?$", line)
        if m:
            code.append((int(m.group(1), 16), m.group(2)))
    return code, symbols


def innermost(code):
    """(first, last) address of the loops that have no other inside."""
    all_loops = []
    for at, text in code:
        m = re.match(r"j\w+\s+([0-9a-f]+)\b", text)
        if m and int(m.group(1), 16) <= at:
            all_loops.append((int(m.group(1), 16), at))
    return [a for a in all_loops if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in all_loops)]


# ---- where its time goes -----------------------------------------------------------------------------


def samples(o, row, so, symbols, folder):
    """Addresses in the shared object, one for each sample."""
    data = os.path.join(folder, "perf.data")
    run("perf", "record", "-q", "-F", "9973", "-e", o.event, "-o", data, os.path.join(o.build, "bench_versus"),
        "--threads", str(row["threads"]), "--machine", o.machine, "--only", "none", "--pairs", "101", row["kernel"],
        *row["sizes"].split(), so)
    found = []
    for line in run("perf", "script", "-i", data, "-F", "ip,sym,symoff,dso").split("\n"):
        m = re.match(r"^\s*[0-9a-f]+ (.+)\+0x([0-9a-f]+) \((.*)\)$", line)
        if m and os.path.basename(m.group(3)) == "f.so" and m.group(1) in symbols:
            found.append(symbols[m.group(1)] + int(m.group(2), 16))
    return found


def share_out(loops, at):
    """[(loop, samples)], most first: each sample is the shortest loop's that has its address."""
    shortest = sorted(loops, key=lambda r: r[1] - r[0])
    counts = dict.fromkeys(loops, 0)
    for a in at:
        for r in shortest:
            if r[0] <= a <= r[1]:
                counts[r] += 1
                break
    return sorted(counts.items(), key=lambda c: -c[1])


# ---- what a loop waits for ---------------------------------------------------------------------------


def kind(unit):
    """Of one of the model's units."""
    if re.search(r"Store", unit, re.I):
        return "stores"
    if re.search(r"AGU|Load|FP45|Port02|Port23|Port2|Port3|Port11", unit, re.I):
        return "memory"
    if re.search(r"FP|Port0|Port1|Port5|Vec|Div", unit, re.I):
        return "vectors"
    return "integers"


def model(cpu, body, turns=200):
    """Cycles of a turn, those of its busiest unit, and what that is."""
    text = re.sub(r"^(j\w+)\s.*$", r"\1 1b", "\n".join(body), flags=re.M)
    out = run(TOOL, "-mtriple=x86_64", f"-mcpu={cpu}", f"-iterations={turns}", input="1:\n" + text + "\n")
    number = lambda name: float(re.search(name + r":\s+([\d.]+)", out).group(1))
    names = re.findall(r"^\[([\d.]+)\]\s+- (\S+)", out, flags=re.M)
    m = re.search(r"^Resource pressure per iteration:\n.*\n(.*)$", out, flags=re.M)
    used = [0 if x == "-" else float(x) for x in m.group(1).split()]
    busiest = max(range(len(used)), key=lambda k: used[k])
    front = number("uOps Per Cycle") and number("Total uOps") / turns / number("Dispatch Width")
    cycles = number("Total Cycles") / turns
    least = max(used[busiest], front)
    waits = "front" if front > used[busiest] else kind(names[busiest][1])
    return cycles, least, waits if cycles < 1.15 * least else "latency"


# ---- the table ---------------------------------------------------------------------------------------


def name_of(row):
    sizes = re.sub(r"^N=1 | dilation=1$", "", row["sizes"])
    return f"{row['kernel']} {sizes}"


def longest(result):
    return max(result["needs"], key=lambda n: n["ns"])["name"] if result["needs"] else "?"


def show(o, row):
    result = row["result"]
    print(f"{row['label']:5} {name_of(row)}: {result['base']['percent_of_roofline']:.0f} % of the roofline, by "
          f"{longest(result)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        so = build_row(o, row, folder)
        code, symbols = code_of(so)
        at = samples(o, row, so, symbols, folder)
    if not at:
        print("      no samples")
        return
    rest = len(at)
    for (first, last), n in share_out(innermost(code), at):
        if n < LEAST_SHARE * len(at):
            break
        rest -= n
        body = [x for a, x in code if first <= a <= last]
        memory = sum(bool(OPERAND.search(x)) and not x.startswith("lea") for x in body)
        vector = sum(x.startswith("v") and not MOVES.match(x) for x in body)
        cycles, unit, waits = model(o.cpu, body)
        print(f"      {100 * n / len(at):4.0f} % {len(body):6} {vector:5} {memory:5} {cycles:8.1f} {unit:8.1f}  "
              f"{waits}{'*' * o.other}")
    print(f"      {100 * rest / len(at):4.0f} % elsewhere, of {len(at)} samples", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("suite", help="what `bench/suite --json` wrote")
    p.add_argument("--below", type=float, default=90, help="rows under so many percent (90)")
    p.add_argument("--rows", default=".", help="rows that match: label, kernel, sizes")
    p.add_argument("--build", default="build/release")
    p.add_argument("--db", help="the log (BUILD/bench.db)")
    p.add_argument("--cpu", help="whose model (this processor's)")
    o = p.parse_args()
    o.db = o.db or os.path.join(o.build, "bench.db")
    try:
        with open(o.suite, encoding="utf-8") as f:
            suite = json.load(f)
        rows = [r for r in suite["rows"] if "result" in r]
    except OSError as e:
        fail(f"cannot read {o.suite}: {e.strerror}", 2)
    except (ValueError, KeyError, TypeError) as e:
        fail(f"{o.suite} is not what `bench/suite --json` writes: {type(e).__name__} {e}", 2)
    rows = [r for r in rows if re.search(o.rows, f"{r['label']} {r['kernel']} {r['sizes']}") and
            r["result"]["base"].get("percent_of_roofline", 100) < o.below]
    if not rows:
        print(f"no row under {o.below:g} %")
        return
    for tool in ("perf", TOOL, "objdump"):
        if not shutil.which(tool):
            fail(f"there is no {tool}: Debian's packages linux-perf, llvm-19 and binutils have all that is needed")
    if not o.cpu:
        o.cpu = json.loads(run(os.path.join(o.build, "hone"), "targets", "native"))["mcpu"]
    o.other = o.cpu in MODELS
    what = o.cpu if not o.other else f"{MODELS[o.cpu]}, which stands in for {o.cpu} (*)"
    o.cpu = MODELS.get(o.cpu, o.cpu)
    counts = subprocess.run(["perf", "stat", "-e", "cycles:u", "true"], capture_output=True, text=True, check=False)
    o.event = "cpu-clock:u" if counts.returncode or "not supported" in counts.stderr else "cycles:u"
    print(f"model of {what}; samples of {o.event}")
    print("        time    all    fp   mem   cycles     unit  waits")
    with tempfile.TemporaryDirectory() as folder:
        o.machine = os.path.join(folder, "machine")
        with open(o.machine, "w", encoding="utf-8") as f:
            json.dump(rows[0]["result"]["machine"], f)
        for row in rows:
            show(o, row)


main()
