#!/bin/sh
# Tunes a product of signed bytes without and with an intrinsic of one's own, and says what that
# gained. HONE: the program; OUT: folder for the logs; TRIALS: candidates for each.
set -e
here=$(dirname "$0")
hone=${HONE:-hone} out=${OUT:-.} trials=${TRIALS:-32}
set -- "$here/dot.hone" -D M=192 -D N=192 -D K=192 --threads 1
mkdir -p "$out"
"$hone" tune "$@" --trials "$trials" --db "$out/plain.db" >"$out/plain.txt"
"$hone" tune "$@" --trials "$trials" --db "$out/own.db" --intrin "$here/signed.intrin" >"$out/own.txt"
# The log knows the intrinsic: nobody has to name the file again.
"$hone" query "$@" --db "$out/own.db" --emit trace -o "$out/best.json"
"$hone" query "$@" --db "$out/own.db" --emit object -o "$out/dot.o"
plain=$("$hone" query "$@" --db "$out/plain.db" --json | sed 's/.*"time_ns":\([0-9]*\).*/\1/')
own=$("$hone" query "$@" --db "$out/own.db" --json | sed 's/.*"time_ns":\([0-9]*\).*/\1/')
echo "intrinsic of the best: $(grep -o 'signed\.[a-z0-9_]*' "$out/best.json" | head -n 1)"
awk -v p="$plain" -v o="$own" 'BEGIN { printf "with it: %.2f times as fast\n", p / o }'
