#!/usr/bin/env python3
"""How good is the code for processors that are not here? For each, the schedule that `hone query` gives for a
product without a log, its innermost loop by LLVM's scheduling model (llvm-mca), and the share of the bound that
its multiply-adds alone have.

    bench/static.py BUILD [CPU ...]       # build/release; default: those below
    bench/static.py BUILD --sizes M,N,K CPU ...

A * stands for the scheduling model of another processor, which MODELS names.
Columns: multiply-adds, loads and all instructions of the loop; accesses to the stack in it (spills); cycles of an
iteration and those of its multiply-adds alone; share. Exit code 1: a spill, or a share under 95 %."""
import os
import re
import subprocess
import sys
import tempfile

TOOL = "llvm-mca-19"
CPUS = ["cortex-a72", "neoverse-n1", "neoverse-v1", "a64fx", "sifive-p670", "sifive-x280", "spacemit-x60"]
# of processors that LLVM 19 has no model of: the nearest that it has, also two instructions at once, in order,
# and two cycles for each register
MODELS = {"spacemit-x60": "sifive-x280"}
FMA = re.compile(r"^\s*(fmla|fmad|vfmacc|vfmadd|vfmla|vfma)\b|^\s*vfma?(cc|dd)?\.")
LOAD = re.compile(r"^\s*(ld|vle|vlse|flw|fld)")
STACK = re.compile(r"\bsp\b")


def emit(build, cpu, sizes):
    with tempfile.TemporaryDirectory() as t:
        out = os.path.join(t, "code.s")
        words = [x for d, v in zip("MNK", sizes) for x in ("-D", f"{d}={v}")]
        subprocess.run([os.path.join(build, "hone"), "query", "matmul", *words, "--threads", "1", "--db",
                        os.path.join(t, "none.db"), "--target", cpu, "--emit", "asm", "-o", out], check=True,
                       stdout=subprocess.DEVNULL)
        with open(out) as f:
            return f.read().split("\n")


def loops(lines):
    """(first, last) of each block that ends in a branch to its own label."""
    label, start = None, 0
    for k, line in enumerate(lines):
        m = re.match(r"^(\.L\w+):", line)
        if m:
            label, start = m.group(1), k + 1
        elif label and re.search(r"\s" + re.escape(label) + r"\b", line) and re.match(r"\s*(b|cb|tb)", line):
            yield start, k
            label = None
        elif re.match(r"\s*(b|b\.\w+|bl|br|c?b\w*z|tbn?z|b(eq|ne|lt|ge)\w*|ret|j\w*)\s", line) and label:
            label = None


def instructions(lines):
    return [x for x in lines if re.match(r"^\s+[a-z]", x)]


def lmul(lines, at):
    """Of RISC-V, the register group and the elements that hold at a line."""
    for line in reversed(lines[:at]):
        m = re.search(r"vseti?vli.*\b(e\d+), *(mf?\d)\b", line)
        if m:
            return f"# LLVM-MCA-RISCV-LMUL {m.group(2).upper()}\n# LLVM-MCA-RISCV-SEW {m.group(1).upper()}\n"
    return ""


def mca(cpu, text, n):
    """Cycles of an iteration, and the least that resources allow."""
    triple = "riscv64" if cpu.startswith(("sifive", "spacemit")) else "aarch64"
    r = subprocess.run([TOOL, f"-mtriple={triple}", f"-mcpu={MODELS.get(cpu, cpu)}", f"-iterations={n}"], input=text, text=True,
                       capture_output=True, check=True)
    total = int(re.search(r"Total Cycles:\s+(\d+)", r.stdout).group(1))
    return total / n, float(re.search(r"Block RThroughput:\s+([\d.]+)", r.stdout).group(1))


def main():
    args = sys.argv[1:]
    build, args = (args[0], args[1:]) if args else ("build/release", [])
    sizes = (512, 512, 512)
    if args[:1] == ["--sizes"]:
        sizes, args = tuple(int(x) for x in args[1].split(",")), args[2:]
    bad = False
    print("processor        FMAs loads  all  stack  cycles   bound  share")
    for cpu in args or CPUS:
        lines = emit(build, cpu, sizes)
        best = max(loops(lines), key=lambda r: sum(bool(FMA.match(x)) for x in lines[r[0]:r[1] + 1]), default=None)
        if best is None:
            print(f"{cpu:15}  there is no loop")
            bad = True
            continue
        body = instructions(lines[best[0]:best[1] + 1])
        fmas = [x for x in body if FMA.match(x)]
        prefix = lmul(lines, best[0])
        cycles, _ = mca(cpu, prefix + "\n".join(body) + "\n", 400)
        _, bound = mca(cpu, prefix + "\n".join(fmas) + "\n", 1)
        stack = sum(bool(STACK.search(x)) for x in body)
        share = bound / cycles
        bad |= stack > 0 or share < 0.95
        print(f"{cpu + '*' * (cpu in MODELS):15} {len(fmas):5} {sum(bool(LOAD.match(x)) for x in body):5} {len(body):4} {stack:6} "
              f"{cycles:7.1f} {bound:7.1f} {100 * share:5.1f} %")
    sys.exit(bad)


main()
