#!/bin/sh
# From gate.hone to a linked and checked program:
#
#   sh build.sh
#
# HONE       the hone program (default: this checkout's, else the installed one)
# HONE_RT    libhone_rt.a (default: beside the hone program, else -lhone_rt)
# TRIALS     candidates to try (default 128); the same command again tries more
# OUT        folder for everything made here (default out)
set -eu
cd "$(dirname "$0")"
here=../../build/release
if [ -z "${HONE:-}" ]; then
    HONE=hone
    [ -x $here/hone ] && HONE=$here/hone
fi
if [ -z "${HONE_RT:-}" ]; then
    HONE_RT=-lhone_rt
    [ -f "$(dirname "$HONE")/libhone_rt.a" ] && HONE_RT=$(dirname "$HONE")/libhone_rt.a
fi
OUT=${OUT:-out}
mkdir -p "$OUT"
kernel="gate.hone -D M=77 -D N=123 -D K=61 --threads 1"

# 1. Search. Everything tried is kept in the database.
# shellcheck disable=SC2086
"$HONE" tune $kernel --db "$OUT/hone.db" --trials "${TRIALS:-128}"

# 2. Take the best as an object and a header; a build script wants an error if there is none.
# shellcheck disable=SC2086
"$HONE" query $kernel --db "$OUT/hone.db" --require exact --emit library -o "$OUT" --name gate

# 3. For comparison only: the kernel as written, which is what an empty trace gives.
echo '[[],[]]' >"$OUT/empty.json"
# shellcheck disable=SC2086
"$HONE" query $kernel --trace "$OUT/empty.json" --emit library -o "$OUT" --name gate_default

# 4. Compile and run. Whether the best schedule packs W is in the header (gate_PACKS_W).
${CC:-cc} -O2 -Wall -Wextra -I"$OUT" -o "$OUT/gate" main.c "$OUT/gate.o" \
    "$OUT/gate_default.o" "$HONE_RT" -lpthread -lm
"$OUT/gate"
