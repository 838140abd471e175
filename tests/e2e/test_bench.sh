#!/bin/bash
# bench/suite: its help, its refusals, that its lists are well formed, and, where bench_versus is
# built, one tiny row from tuning to the table and a second run that tunes nothing.
. "$2/tests/cli/lib.sh"

suite=$SRC/bench/suite
run 0 "$suite" --help
says "usage: bench/suite"
run 2 "$suite" --rows
run 2 "$suite" --threads none
run 2 "$suite" --list /nowhere
run 0 sh -n "$SRC/bench/demo.sh"

# every candidate of a tiny kernel, as a log that a replay knows all of
exhaustive=$SRC/bench/exhaustive.sh
run 0 "$exhaustive" --help
says "usage: bench/exhaustive.sh"
run 2 "$exhaustive" --nothing
run 2 "$exhaustive" --out /nowhere
run 1 "$exhaustive" --out . --build "$BUILD" --db none.db nobody M=16
for again in first second; do
    run 0 "$exhaustive" --name tiny --out . --build "$BUILD" --db all.db row_sum M=16 N=64
    says "row_sum M=16 N=64"
    says "17 candidates"
    gzip -dc tiny.db.gz >"$again.db"
    run 0 "$HONE" db check "$again.db"
    run 0 "$HONE" replay "$again.db" --strategy random --seeds 2 --json
    ok "$again: the best is found" [ "$(grep -c '"unknown":0' out)" = 2 ]
done

# what machines teach each other: of one machine with one small kernel, nothing
run 0 sh "$SRC/bench/machines.sh" --help
says "bench/machines.sh LOG.db"
run 2 sh "$SRC/bench/machines.sh"
run 0 env HONE="$HONE" sh "$SRC/bench/machines.sh" first.db
says "with all features"
says "too few results"

# what lookups are judged by: of two sizes one answer is the default, the other is a quarter faster
lookup=$SRC/bench/lookup.sh
run 0 sh -n "$lookup"
run 2 sh "$lookup" one two three
says "lookup_heldout.kernels" err
run 0 python3 "$SRC/bench/leave_one_out.py" --help
cat >judged.json <<'EOF'
[{"kernel": ["a"], "rung": "nearest", "expected": 0.9, "predicted": {"nearest": 0.5, "default": 1}, "near": [],
  "share": {"exact": 1, "nearest": 1, "default": 0.8, "answer": 1}},
 {"kernel": ["b"], "rung": "default", "expected": 0.9, "predicted": {"nearest": 1.1, "default": 1},
  "near": [{"sizes": {}, "far": 1, "compare_ns": 9, "default_compare_ns": 9, "favour": 0.1}],
  "share": {"exact": 1, "nearest": 0.9, "default": 1, "answer": 1}}]
EOF
run 0 python3 "$SRC/bench/lookup_guard.py" judged.json judged.json
says "judged on answers over the default: geomean 1.118, worst 1.000; 1 of 2 are not the default"
says "the guard's numbers chosen on the first: believe "

# races of winners: the same code once, another order in each process, medians over the processes, and the
# best is elected in other processes than those that it is timed in
run 0 python3 "$SRC/bench/search.py" --help
says "usage: search.py"
cat >race.py <<'EOF'
import sys
sys.path.insert(0, sys.argv[1])
import search
orders = []
def race_once(o, kernel, words, winners):
    orders.append(list(winners))
    luck = 10 if len(orders) % 3 == 0 else 1  # pages that are bad for one of them in every third process
    ns = {"a": 2 if len(orders) > search.ELECTIONS else 1, "c": 2 * luck, "d": 4}
    return {n: ns[n] / ns[orders[-1][0]] for n in winners}
search.race_once = race_once
search.shared_bytes = lambda o, kernel, words, folder: folder
five = {"a": "x", "b": "x", "c": "y", "d": "z", "e": "z"}
r, off = search.race_the_best(None, "k", [], five)
print(" ".join("%s=%.3f" % (n, r[n]) for n in "abcde"), "off by %.3f" % off)
print(all(sorted(o) == ["a", "c", "d"] for o in orders), len(orders), len(set(map(tuple, orders))) > 1)
print(search.race(None, "k", [], {"a": "x", "b": "x"}), search.race_the_best(None, "k", [], {"a": "x"}), len(orders))
r = search.race(None, "k", [], five)
print(" ".join("%s=%.3f" % (n, r[n]) for n in "abcde"), len(orders))
EOF
run 0 python3 race.py "$SRC/bench"
says "a=1.000 b=1.000 c=1.000 d=2.000 e=2.000 off by"
says "True 14 True"
says "{'a': 1.0, 'b': 1.0} ({'a': 1.0}, 0.0) 14"
says "a=1.000 b=1.000 c=1.000 d=2.000 e=2.000 23"

# what limits a row: of a table without any, or that is none
limits=$SRC/bench/limits.py
run 0 python3 "$limits" --help
says "usage: limits.py"
echo '{"trials": 1, "rows": []}' >none.json
run 0 python3 "$limits" none.json
says "no row under 90 %"
echo '{"trials": 1}' >broken.json
run 2 python3 "$limits" broken.json
says 'broken.json is not what `bench/suite --json` writes' err
run 2 python3 "$limits" nowhere.json
says "cannot read nowhere.json" err

# what is built for the demonstration can be installed
ok "demo.sh builds the programs" grep -q -e '--target programs' "$SRC/bench/demo.sh"
run 0 cmake --install "$BUILD" --prefix "$T/root"
run 0 ninja -C "$BUILD" -t query programs
for f in root/bin/* root/lib/*.a; do
    ok "${f##*/} is one of them" grep -qx "    ${f##*/}" out
done
run 0 root/bin/hone --version
run 2 root/bin/hone-device
ok "the header" grep -q hone_rt_default root/include/hone_rt.h

# label kernel NAME=VALUE... : who...; every kernel is built in, with just these sizes
for list in "$SRC"/bench/*.list; do
    while read -r label kernel rest; do
        sizes=${rest%%:*} who=" ${rest#*:} "
        ok "$list: $label $kernel has opponents" grep -qE '^( *(c|cfast|openblas|blis|onednn))+ *$' <<<"$who"
        defines=
        for size in $sizes; do
            defines="$defines -D $size"
        done
        # shellcheck disable=SC2086
        run 0 "$HONE" show "$kernel" $defines
    done < <(sed 's/#.*//' "$list" | grep -v '^[[:space:]]*$' | sort -u -k 2,2)
done

if [ -x "$BUILD/bench_versus" ]; then
    echo 'TINY matmul M=16 N=16 K=16 : onednn c' >list
    run 0 "$suite" --machine . --list list --build "$BUILD" --db tiny.db --trials 4 --json tiny.json
    says "measured here, 1 thread"
    says "TINY  matmul M=16 N=16 K=16"
    says "1 rows: geometric mean"
    says '"label": "TINY"' tiny.json
    run 0 "$suite" --machine . --list list --build "$BUILD" --db tiny.db --untuned --rows TINY
    says "1 rows: geometric mean"
    # all rows are held to the same machine, the best that was seen
    printf '%s\n' 'TINY matmul M=16 N=16 K=16 : c' 'ROWS softmax M=16 N=64 : c' >two
    run 0 "$suite" --machine . --list two --build "$BUILD" --db tiny.db --trials 4 --json two.json
    says "2 rows: geometric mean"
    cat >held.py <<'EOF'
import json
rows = [r["result"] for r in json.load(open("two.json"))["rows"]]
assert len(rows) == 2 and rows[0]["machine"] == rows[1]["machine"]
for r in rows:
    for c in [r["base"]] + r["others"]:
        assert abs(c["percent_of_roofline"] * c["best_ns"] / (100 * r["roofline_ns"]) - 1) < 1e-9
    assert r["roofline_ns"] == max(n["ns"] for n in r["needs"])
m = rows[0]["machine"]
json.dump(rows[0], open("one.json", "w"))
json.dump(m, open("machine.json", "w"))
for x in [*m["peaks"].values(), *m["rates"].values()]:
    x["gops"] *= 2
for x in m["levels"]:
    for k in x:
        if k.endswith("_gbs"):
            x[k] *= 2
json.dump(m, open("twice.json", "w"))
EOF
    run 0 python3 held.py
    run 0 "$BUILD/bench_versus" --machine machine.json --hold one.json matmul M=16 N=16 K=16
    cut -f 1 out >share
    run 0 "$BUILD/bench_versus" --machine twice.json --hold one.json matmul M=16 N=16 K=16
    ok "of a machine twice as fast, half" \
        awk 'NR == FNR { x = $1; next } { d = x - 2 * $1; exit !(x > 0 && d * d < 0.05) }' share out
    run 2 "$BUILD/bench_versus" --hold one.json matmul M=16 N=16 K=16
    says "need --machine" err
    run 2 "$BUILD/bench_versus" --machine machine.json --hold one.json matmul M=16 N=16 K=32
    says "one.json is not a result of matmul M=16 N=16 K=32, 1 thread" err

    # a kernel that computes nothing does not pass with the result of who was before it; a machine that is
    # measured again keeps what was better
    "${CC:-cc}" -O1 -shared -fPIC -DKERNEL_matmul -DM=16 -DN=16 -DK=16 '-DFLAGS="-O1"' "$SRC/bench/plain.c" -o good.so -lm
    echo 'int f(void *a, void *b, void *c) { (void)a; (void)b; (void)c; return 0; }' >idle.c
    "${CC:-cc}" -shared -fPIC idle.c -o idle.so
    cp twice.json again.json
    run 0 "$BUILD/bench_versus" --machine again.json --again --only none --pairs 7 --other idle=idle.so \
        --json idle.json matmul M=16 N=16 K=16 good.so
    says "LEFT OUT: idle (arguments as they are) computes something else than hone: off by inf"
    cat >again.py <<'EOF'
import json
a, b = (json.load(open(f)) for f in ("twice.json", "again.json"))
assert json.load(open("idle.json"))["machine"] == b
for t in ("peaks", "rates"):
    assert all(b[t][k]["gops"] >= a[t][k]["gops"] for k in a[t])
for x, y in zip(a["levels"], b["levels"]):
    assert x["bytes"] == y["bytes"] and all(y[k] >= x[k] for k in x if k.endswith("_gbs"))
EOF
    run 0 python3 again.py
    run 1 "$BUILD/bench_versus" --machine machine.json --only none --oracle good.so matmul M=16 N=16 K=16 idle.so
    says "hone's kernel and the plain loops differ by inf" err
    run 2 "$BUILD/bench_versus" --machine machine.json --only none --pairs 6 matmul M=16 N=16 K=16 good.so
    run 2 "$BUILD/bench_versus" --again --only none matmul M=16 N=16 K=16 good.so

    # searches, two of each, and their winners' race
    echo 'matmul M=16 N=16 K=16' >kernels
    mkdir searched && cp machine.1 searched/machine.json
    run 0 python3 "$SRC/bench/search.py" --list kernels --arms random --seeds 2 --trials 4 --build "$BUILD" --out searched
    says "  random            final "
    says "all kernels, geometric means"
    # what limits the row, where programs may be sampled
    if command -v llvm-mca-19 >/dev/null && perf record -q -e cpu-clock:u -o perf.try true 2>/dev/null; then
        run 0 python3 "$limits" tiny.json --below 1000000 --build "$BUILD" --db tiny.db
        says "TINY  matmul M=16 N=16 K=16, threads: 1: "
        says "of its time it needs "
        says " % elsewhere, of "
        ok "it says it in words" grep -qE "% (of the time it|is) " out
    fi
    run 1 "$suite" --machine . --list list --build "$BUILD" --db other.db --untuned
    says "failed: not tuned"
    run 2 "$suite" --list list --build "$BUILD" --rows NOBODY
fi

if [ -x "$BUILD/bench_functions" ]; then
    run 0 "$BUILD/bench_functions" --stride 1000003 --workers 1
    says "one float in 1000003"
    says "fast sigmoid"
    run 2 "$BUILD/bench_functions" --stride 0
    run 2 "$BUILD/bench_functions" --nothing
    run 0 "$BUILD/bench_functions" --help
    says "usage: bench_functions"
fi

all_done
