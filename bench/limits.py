#!/usr/bin/env python3
"""What keeps rows of bench/suite from their roofline: the loops that their time is spent in, and what these wait
for by LLVM's scheduling model (llvm-mca).

    bench/suite --json suite.json
    bench/limits.py suite.json [--below 90] [--rows PATTERN] [--build DIR] [--db FILE] [--cpu NAME]

Each row's code is made again from the log and run under `perf record`, by the clock where the processor's counters
are not to be had; each sample belongs to the innermost loop that its address lies in. A second copy, with a counter
in each of these loops, says how often they turn in a call. Of a loop that has a tenth of the samples or more:

    time     of all samples in the kernel
    all      instructions of one turn; fp: those on vectors that are no moves; mem: those that touch memory
    cycles   of one turn by the model, with everything in the nearest cache
    unit     what its busiest unit takes for one turn
    turns    in a call, of all threads
    model    cycles of these turns by the model, of those that the loop had in a call; ?: it was not counted
    waits    the unit, the width of the processor's front, for results ("latency": a chain from turn to turn), or for
             data, where the model accounts for less than 70 % of the time

Then the same in words. A processor that the model does not know is stood in for by its nearest relative (MODELS),
and a * says so; where its vectors are narrower inside, cycles of loops on the widest are scaled by what a multiply-add
takes here."""
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
# a loop that the model accounts for less of waits for what the model does not have: caches, memory
LEAST_MODEL = 0.7
WORDS = {"vectors": "is as long as its instructions on vectors take, whose units are always busy",
         "memory": "is as long as its loads take, of which as many are started as can be",
         "stores": "is as long as its stores take, of which as many are started as can be",
         "integers": "is as long as its instructions on integers take, for addresses and counts",
         "front": "is as long as the processor takes in its instructions, whatever they do",
         "latency": "waits for its own results, each turn for those of the one before",
         "data": "waits for data from beyond the nearest cache"}
# flags: who reads them, and who sets them
READS_FLAGS = re.compile(r"^(j(?!mp)|set|cmov|adc|sbb|rc[lr]|lahf|pushf)")
SETS_FLAGS = re.compile(r"^(cmp|test|add|sub|and|or|xor|inc|dec|neg|sh[lr]|sa[lr]|bt|imul|mul|kortest|ktest|v?ptest|v?u?comis)")
CLOCK_C = """#include <stdio.h>
#include <time.h>
int main(void)
{
    double best = 0;
    for (int k = 0; k < 200; k++) { /* products of three cycles, each of the last */
        struct timespec a, b;
        long x = 1, n = 20000;
        clock_gettime(CLOCK_MONOTONIC, &a);
        __asm__ volatile("1: imul %0, %0; imul %0, %0; imul %0, %0; imul %0, %0; dec %1; jnz 1b"
                         : "+r"(x), "+r"(n) : : "cc");
        clock_gettime(CLOCK_MONOTONIC, &b);
        double ghz = 12 * 20000 / ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec));
        best = ghz > best ? ghz : best;
    }
    printf("%f\\n", best);
    return 0;
}
"""
COUNT_C = """#include <stdio.h>
extern long hone_turns[] __attribute__((visibility("hidden")));
__attribute__((destructor)) static void say(void)
{
    FILE *f = fopen(TURNS_FILE, "w");
    for (int k = 0; f && k < TURNS_N; k++)
        fprintf(f, "%ld\\n", hone_turns[k]);
    if (f)
        fclose(f);
}
"""
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


def text_of(o, row, folder):
    """The best that the log has, as lines of assembly."""
    text = os.path.join(folder, "query.s")
    words = [x for size in row["sizes"].split() for x in ("-D", size)]
    run(os.path.join(o.build, "hone"), "query", row["kernel"], *words, "--threads", str(row["threads"]), "--db", o.db,
        "--require", "exact", "--name", "f", "--emit", "asm", "-o", text)
    with open(text, encoding="utf-8") as f:
        return f.read().split("\n")


def compile_c(*words):
    run(os.environ.get("CC", "cc"), *words)


def loops_of_text(lines):
    """[(line of the label, line of the branch back)] of an assembly file's innermost loops, and its functions."""
    labels, all_loops, functions = {}, [], []
    for k, line in enumerate(lines):
        m = re.match(r"^([.\w$]+):", line)
        if m:
            labels[m.group(1)] = k
            if not m.group(1).startswith("."):
                functions.append(m.group(1))
        m = re.match(r"^\s+j\w+\s+(\.L\w+)", line)
        if m and m.group(1) in labels:
            all_loops.append((labels[m.group(1)], k))
    inner = [a for a in all_loops if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in all_loops)]
    return inner, functions


def may_count(lines):
    """May an instruction that changes the flags stand before these?"""
    for line in lines:
        m = re.match(r"^\s+([a-z]\w*)", line)
        if m and READS_FLAGS.match(m.group(1)):
            return False
        if m and SETS_FLAGS.match(m.group(1)):
            return True
    return True


def build(o, lines, at, name, folder):
    """A shared object that counts its calls, and how often it comes to each of the lines in `at`."""
    so, text, n = (os.path.join(folder, x) for x in (name + ".so", name + ".s", name + ".turns"))
    counters = {k: 8 * (q + 1) for q, k in enumerate(at)}
    counters[next(k for k, line in enumerate(lines) if line.startswith("f:"))] = 0
    with open(text, "w", encoding="utf-8") as f:
        for k, line in enumerate(lines):
            f.write(line + "\n")
            if k in counters:
                f.write(f"\tlock incq hone_turns+{counters[k]}(%rip)\n")
        f.write("\t.data\n\t.globl hone_turns\n\t.hidden hone_turns\n\t.balign 8\n"
                f"hone_turns:\n\t.zero {8 * len(counters)}\n")
    with open(os.path.join(folder, "count.c"), "w", encoding="utf-8") as f:
        f.write(COUNT_C)
    compile_c("-shared", "-fPIC", "-o", so, f'-DTURNS_FILE="{n}"', f"-DTURNS_N={len(counters)}", text,
              os.path.join(folder, "count.c"), os.path.join(o.build, "libhone_rt.a"), "-lpthread")
    return so


def counts_of(so):
    """After it ran: calls, then the others."""
    with open(re.sub(r"so$", "turns", so), encoding="utf-8") as f:
        counts = [int(x) for x in f.read().split()]
    if not counts or not counts[0]:
        fail("the kernel was not called")
    return counts


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


def owner(symbols, at):
    """The function that an address lies in."""
    return max((start, name) for name, start in symbols.items() if start <= at)[1]


# ---- where its time goes -----------------------------------------------------------------------------


def compare(o, row, so, pairs, *before):
    run(*before, os.path.join(o.build, "bench_versus"), "--threads", str(row["threads"]), "--machine", o.machine,
        "--only", "none", "--pairs", pairs, row["kernel"], *row["sizes"].split(), so)


def samples(o, row, so, symbols, folder):
    """[(address in the shared object, cycles)], one for each sample."""
    data = os.path.join(folder, "perf.data")
    compare(o, row, so, "101", "perf", "record", "-q", "-F", "9973", "-e", o.event, "-o", data)
    found = []
    for line in run("perf", "script", "-i", data, "-F", "period,ip,sym,symoff,dso").split("\n"):
        m = re.match(r"^\s*([0-9]+)\s+[0-9a-f]+ (.+)\+0x([0-9a-f]+) \((.*)\)$", line)
        if m and os.path.basename(m.group(4)) == os.path.basename(so) and m.group(2) in symbols:
            cycles = float(m.group(1)) * (o.ghz if "clock" in o.event else 1)
            found.append((symbols[m.group(2)] + int(m.group(3), 16), cycles))
    return found


def share_out(loops, at):
    """[(loop, cycles)], most first: each sample is the shortest loop's that has its address."""
    shortest = sorted(loops, key=lambda r: r[1] - r[0])
    counts = dict.fromkeys(loops, 0)
    for a, cycles in at:
        for r in shortest:
            if r[0] <= a <= r[1]:
                counts[r] += cycles
                break
    return sorted(counts.items(), key=lambda c: -c[1])


def count_turns(o, row, lines, inner, folder):
    """Turns in a call of each of the text's loops; None: it cannot be counted."""
    can = [first for first, last in inner if may_count(lines[first + 1:last + 1])]
    so = build(o, lines, can, "counted", folder)
    compare(o, row, so, "21")
    calls, *turns = counts_of(so)
    found = {first: n / calls for first, n in zip(can, turns)}
    return [found.get(first) for first, _ in inner]


def clock_of(folder):
    """GHz."""
    text, program = os.path.join(folder, "clock.c"), os.path.join(folder, "clock")
    with open(text, "w", encoding="utf-8") as f:
        f.write(CLOCK_C)
    compile_c("-O1", "-o", program, text)
    return float(run(program))


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


def scale_of(o, machine, ghz):
    """What a multiply-add on the widest vectors takes here, by what the model says."""
    how = machine["peaks"]["f32"]["how"]
    if "AVX-512" not in how:
        return 1
    body = [f"vfmadd213ps %zmm15, %zmm14, %zmm{k}" for k in (*range(12), *range(16, 28))] + ["decq %rax", "jne 0"]
    here = 24 * 32 / (machine["peaks"]["f32"]["gops"] / machine["threads"] / ghz)
    return here / model(o.cpu, body)[0]


# ---- the table ---------------------------------------------------------------------------------------


def name_of(row):
    sizes = re.sub(r"^N=1 | dilation=1$", "", row["sizes"])
    return f"{row['kernel']} {sizes}"


def needs_of(result):
    """What the row needs, the longest first, as shares of its time."""
    best = result["base"]["best_ns"]
    most = sorted(result["needs"], key=lambda n: -n["ns"])[:3]
    return ", ".join(f"{n['name']} {100 * n['ns'] / best:.0f} %" for n in most) or "nothing that is known"


def show_loop(o, body, share, taken, turns):
    """Prints the loop's line; what it waits for. `taken`: cycles in a call."""
    memory = sum(bool(OPERAND.search(x)) and not x.startswith("lea") for x in body)
    vector = sum(x.startswith("v") and not MOVES.match(x) for x in body)
    cycles, unit, waits = model(o.cpu, body)
    scale = o.scale if any("%zmm" in x for x in body) else 1
    of_time = turns * cycles * scale / taken if turns is not None else None
    if of_time is not None and of_time < LEAST_MODEL:
        waits = "data"
    print(f"      {100 * share:4.0f} % {len(body):6} {vector:5} {memory:5} {cycles * scale:8.1f} {unit * scale:8.1f} "
          f"{'?' if turns is None else f'{turns:.0f}':>9} {'?' if of_time is None else f'{100 * of_time:.0f} %':>6}  "
          f"{waits}{'*' * o.other}")
    return waits


def in_words(result, shares, rest, threads):
    """shares: {what is waited for: share of the time}; rest, threads: the shares of the code around, of the runtime"""
    memory = [n for n in result["needs"] if re.search(r" (load|store|copy|2:1)$", n["name"])]
    parts = []
    for waits, share in sorted(shares.items(), key=lambda x: -x[1]):
        text = f"{100 * share:.0f} % of the time it {WORDS[waits]}"
        if waits == "data" and memory:
            most = max(memory, key=lambda n: n["ns"])
            text += f" ({most['name']} alone is {100 * most['ns'] / result['base']['best_ns']:.0f} %)"
        parts.append(text)
    if rest >= LEAST_SHARE:
        parts.append(f"{100 * rest:.0f} % is code around these loops, and shorter ones")
    if threads >= LEAST_SHARE:
        parts.append(f"{100 * threads:.0f} % is threads that start, or wait for each other")
    return "; ".join(parts)


def show(o, row):
    result = row["result"]
    print(f"{row['label']:5} {name_of(row)}, threads: {row['threads']}: {result['base']['percent_of_roofline']:.0f} % "
          f"of the roofline; of its time it needs {needs_of(result)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        lines = text_of(o, row, folder)
        inner, functions = loops_of_text(lines)
        so = build(o, lines, [], "f", folder)
        code, symbols = code_of(so)
        loops = [r for r in innermost(code) if owner(symbols, r[0]) in functions]
        at = samples(o, row, so, symbols, folder)
        calls = counts_of(so)[0]
        turns = count_turns(o, row, lines, inner, folder) if len(inner) == len(loops) else [None] * len(loops)
    all_cycles = sum(cycles for _, cycles in at)
    if not at:
        print("      no samples")
        return
    rest, shares = all_cycles, {}
    threads = sum(cycles for a, cycles in at if owner(symbols, a) not in functions)
    for (first, last), cycles in share_out(loops, at):
        share = cycles / all_cycles
        if share < LEAST_SHARE:
            break
        rest -= cycles
        body = [x for a, x in code if first <= a <= last]
        waits = show_loop(o, body, share, cycles / calls, turns[loops.index((first, last))])
        shares[waits] = shares.get(waits, 0) + share
    print(f"      {100 * rest / all_cycles:4.0f} % elsewhere, of {len(at)} samples")
    print(f"      {in_words(result, shares, (rest - threads) / all_cycles, threads / all_cycles)}", flush=True)


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
    load = os.getloadavg()[0]
    if load > 0.5 + max(r["threads"] for r in rows):
        print(f"note: other work is running (load average {load:.1f}): caches and cores are shared with it")
    print("        time    all    fp   mem   cycles     unit     turns  model  waits")
    with tempfile.TemporaryDirectory() as folder:
        o.ghz = clock_of(folder)
        for row in rows:
            machine = row["result"]["machine"]
            o.scale = scale_of(o, machine, o.ghz)
            o.machine = os.path.join(folder, "machine")
            with open(o.machine, "w", encoding="utf-8") as f:
                json.dump(machine, f)
            show(o, row)


main()
