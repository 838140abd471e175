#!/usr/bin/env python3
"""What hone-device needs on each architecture: its size, its libraries, how long it takes to start, its memory.

    bench/boards.py BUILD [ARCH ...]      # build/release; default: all below

BUILD's own comes first. The others are those of `sh examples/farm/board.sh ARCH` in build/boards (or HONE_BOARDS),
run under QEMU; of these, time and memory of a program that does nothing under the same emulator are told too, which
the memory is more than. Where something is not installed, that row is left out, and said so.

Columns: bytes of the file; shared libraries it asks for; ms of `--describe`, and until its socket is there (medians);
MB of the idle device, both processes together, where what several processes have is shared out among them."""
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TIMES = 11
ROWS = {  # triple of Debian's compiler, emulator
    "aarch64": ("aarch64-linux-gnu", ["qemu-aarch64", "-cpu", "cortex-a72"]),
    "armhf": ("arm-linux-gnueabihf", ["qemu-arm", "-cpu", "cortex-a7"]),
    "riscv64": ("riscv64-linux-gnu", ["qemu-riscv64", "-cpu", "rv64"]),
    "x86_64": ("x86_64-linux-gnu", []),
}
NOTHING = '#include <unistd.h>\nint main(int n, char **v) { (void)v; return n > 1 ? 0 : pause(); }\n'


def libraries(path):
    out = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True,
                         env={**os.environ, "LC_ALL": "C"}).stdout
    return [x.split(".so")[0] for x in re.findall(r"NEEDED.*\[(.*)\]", out)]


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            mine = [int(x) for x in f.read().split()]
    except OSError:
        mine = []
    return [x for c in mine for x in [c, *children(c)]]


def memory(pid):
    """MB of a process and what it has started."""
    sum_of = 0
    for p in [pid, *children(pid)]:
        with open(f"/proc/{p}/smaps_rollup", encoding="ascii") as f:
            sum_of += int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M).group(1))
    return sum_of / 1024


def seconds(command):
    taken = []
    for _ in range(TIMES):
        start = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.monotonic() - start)
    return statistics.median(taken)


def idle(command, there):
    """A program as it waits: how long until `there()`, and its memory a second later."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as p:
        start = time.monotonic()
        while not there():
            if p.poll() is not None or time.monotonic() - start > 60:
                p.kill()
                sys.exit(f"{' '.join(command)}: it does not start")
            time.sleep(0.0005)
        taken = time.monotonic() - start
        time.sleep(1)
        ret = memory(p.pid)
        p.send_signal(signal.SIGTERM)
    return taken, ret


def started(command, folder, options):
    taken = []
    for k in range(TIMES):
        at = os.path.join(folder, f"s{k}")
        one = idle([*command, "--listen", f"ipc://{at}", *options], lambda at=at: os.path.exists(at))
        taken.append(one[0])
    return statistics.median(taken), one[1]


def nothing(triple, emulator, folder):
    """Seconds and MB of a program that does nothing under the emulator."""
    source, path = os.path.join(folder, "nothing.c"), os.path.join(folder, "nothing")
    with open(source, "w", encoding="ascii") as f:
        f.write(NOTHING)
    subprocess.run([f"{triple}-gcc", "-static", "-O1", "-o", path, source], check=True)
    return seconds([*emulator, path, "ends"]), idle([*emulator, path], lambda: True)[1]


def row(name, device, triple, emulator):
    command = [*emulator, device]
    base = None
    with tempfile.TemporaryDirectory() as folder:
        if emulator:
            base = nothing(triple, emulator, folder)
        describe = seconds([*command, "--describe"])
        ready, mb = started(command, folder, ["--sandbox", "off"] if emulator else [])
    words = libraries(device)
    print(f"{name:12} {os.stat(device).st_size:9} {len(words):5} {1e3 * describe:9.1f} {1e3 * ready:9.1f} {mb:8.1f}   "
          f"{' '.join(words) or 'no libraries'}"
          + (f"; nothing under {emulator[0]}: {1e3 * base[0]:.1f} ms, {base[1]:.1f} MB" if base else ""),
          flush=True)


def main():
    if len(sys.argv) < 2 or not os.path.isdir(sys.argv[1]) or set(sys.argv[2:]) - set(ROWS):
        sys.exit(f"{__doc__}\n\nARCH: {', '.join(ROWS)}")
    build, boards = sys.argv[1], os.environ.get("HONE_BOARDS", os.path.join(ROOT, "build", "boards"))
    print(f"{'':12} {'bytes':>9} {'libs':>5} {'describe':>9} {'ready ms':>9} {'MB':>8}")
    own = os.path.join(build, "hone-device")
    if os.access(own, os.X_OK):
        row("this build", own, None, [])
    for arch in sys.argv[2:] or ROWS:
        triple, emulator = ROWS[arch]
        device = os.path.join(boards, arch, "hone-device")
        needed = [f"{triple}-gcc", emulator[0]] if emulator else []
        missing = [x for x in needed if not shutil.which(x)]
        if not os.access(device, os.X_OK):
            print(f"{arch:12} {device} is not there: sh examples/farm/board.sh {arch}")
        elif missing:
            print(f"{arch:12} not installed: {', '.join(missing)}")
        else:
            row(arch, device, triple, emulator)


if __name__ == "__main__":
    main()
