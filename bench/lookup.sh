#!/bin/sh
# What an answer of each rung of `hone query` is worth, on the list that the guard's numbers are chosen on
# (lookup.kernels) and on one on which nothing is chosen (lookup_heldout.kernels); and what these numbers
# would be, by either.
#
#   bench/lookup.sh [BUILD [FOLDER]]      default: build/release, lookup.out
#
# Eight minutes on two quiet processors. What was tuned is kept in FOLDER; a second run measures at once.
# TRIALS=N and SECONDS_EACH=N bound the tuning of a size.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$root/build/release} out=${2:-lookup.out}
[ $# -le 2 ] || {
    sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
mkdir -p "$out"
echo "load $(cut -d ' ' -f 1-3 /proc/loadavg)"
for list in lookup lookup_heldout; do
    echo "== $list.kernels"
    python3 "$root/bench/leave_one_out.py" --list "$root/bench/$list.kernels" --build "$build" \
        --trials "${TRIALS:-32}" --time "${SECONDS_EACH:-20}" --out "$out/$list" --json "$out/$list.json"
    echo "load $(cut -d ' ' -f 1-3 /proc/loadavg)"
done
python3 "$root/bench/lookup_guard.py" "$out/lookup.json" "$out/lookup_heldout.json"
