#!/usr/bin/env python3
"""The table of bench/suite as a picture: a bar for each row, hone's speed over the strongest opponent's.

  bench/chart.py suite.json -o docs/suite.svg

suite.json is what `bench/suite --json` wrote; rows without an opponent, and those of other numbers of
threads than the first row's, are left out. The picture is readable on light and dark pages.
"""
import argparse
import json
import math
import sys
from xml.sax.saxutils import escape

ROW, LEFT, PLOT, RIGHT, TOP = 17, 392, 330, 190, 46


def rows_of(path):
    """[(label, name, ratio, low, high, opponent)], the processor, the threads, the trials."""
    with open(path) as f:
        suite = json.load(f)
    rows, cpu, threads = [], "", None
    for row in suite["rows"]:
        result = row.get("result")
        threads = threads or row["threads"]
        if not result or row["threads"] != threads:
            continue
        cpu = result["cpu"]
        others = [o for o in result["others"] if "against_base" in o]
        if not others:
            continue
        best = min(others, key=lambda o: o["against_base"]["ratio"])
        a = best["against_base"]
        sizes = row["sizes"].replace(" dilation=1", "")
        if sizes.startswith("N=1 "):
            sizes = sizes[4:]
        rows.append((row["label"], row["kernel"] + " " + sizes, a["ratio"], a["ratio_low"], a["ratio_high"],
                     best["name"]))
    return rows, cpu, threads, suite["trials"]


def draw(rows, cpu, threads, trials):
    lowest = min(0.8, min(r[2] for r in rows))
    highest = max(2.0, max(r[2] for r in rows))

    def x(ratio):
        return LEFT + PLOT * math.log(ratio / lowest) / math.log(highest / lowest)

    mean = math.exp(sum(math.log(r[2]) for r in rows) / len(rows))
    height, width = TOP + ROW * len(rows) + 34, LEFT + PLOT + RIGHT
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11" '
           'role="img">' % (width, height),
           "<title>hone's speed over that of the strongest opponent, %d operators: %.2fx (geometric mean)</title>"
           % (len(rows), mean),
           "<style>text{fill:#24292f}.g{stroke:#d0d7de}.one{stroke:#24292f}.w{fill:#1f6feb}.l{fill:#bf8700}"
           ".i{stroke:#57606a}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.g{stroke:#30363d}"
           ".one{stroke:#e6edf3}.i{stroke:#8b949e}}</style>",
           '<text x="4" y="14" font-size="13">hone over the strongest of its opponents, %d operators: '
           "%.2fx (geometric mean), %d of them under 1</text>" % (len(rows), mean, sum(r[2] < 1 for r in rows)),
           '<text x="4" y="30">%s, %d thread%s, %d trials each; runs in turns in one process, medians, 95 %% '
           "intervals</text>" % (escape(cpu), threads, "" if threads == 1 else "s", trials)]
    bottom = TOP + ROW * len(rows)
    tick = [t for t in (0.5, 0.7, 0.8, 1, 1.25, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32) if lowest <= t <= highest]
    for t in tick:
        out.append('<path class="%s" d="M%.1f %dV%d"/>' % ("one" if t == 1 else "g", x(t), TOP - 4, bottom))
        out.append('<text x="%.1f" y="%d" text-anchor="middle">%gx</text>' % (x(t), bottom + 14, t))
    for k, (label, name, ratio, low, high, opponent) in enumerate(rows):
        y = TOP + ROW * k
        start, end = sorted((x(1), x(ratio)))
        out.append('<text x="%d" y="%d" text-anchor="end">%s</text>' % (LEFT - 6, y + 11, escape(name[:56])))
        out.append('<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d" rx="2"/>'
                   % ("w" if ratio >= 1 else "l", start, y + 2, max(end - start, 1), ROW - 5))
        out.append('<path class="i" d="M%.1f %.1fH%.1f"/>' % (x(max(low, lowest)), y + ROW / 2 - 0.5,
                                                              x(min(high, highest))))
        out.append('<text x="%.1f" y="%d">%.2fx %s</text>' % (max(x(high), end) + 5, y + 11, ratio,
                                                              escape(opponent)))
    out.append('<text x="4" y="%d">bench/suite, drawn by bench/chart.py</text></svg>' % (height - 4))
    return "\n".join(out) + "\n"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("suite")
    p.add_argument("-o", required=True, dest="out")
    o = p.parse_args()
    try:
        rows, cpu, threads, trials = rows_of(o.suite)
    except (OSError, ValueError, KeyError) as e:
        sys.exit("chart.py: %s: %s" % (o.suite, e))
    if not rows:
        sys.exit("chart.py: %s has no row with an opponent" % o.suite)
    with open(o.out, "w") as f:
        f.write(draw(rows, cpu, threads, trials))


if __name__ == "__main__":
    main()
