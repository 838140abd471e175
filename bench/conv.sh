#!/bin/sh
# shellcheck disable=SC2154 # common.sh sets build, db, trials, work
# Tunes convolutions (or takes them from the log) and compares them with oneDNN.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck disable=SC1091 # by name only where root is known
. "$root/bench/common.sh"

bench_usage() {
    cat <<'END'
usage: sh bench/conv.sh [options] [N H W CI CO R S STRIDE PAD DILATION THREADS]...

Compares tuned f32 NHWC convolutions with oneDNN in its best layout. Without sizes: 3x3 over
14x14x256 to 256 channels and over 56x56x64 to 64, one thread.

  --trials N         candidates to try where the log has no answer (default 128)
  --build DIR        where hone was built (default build/release)
  --db FILE          the log (default DIR/bench.db)
END
}

bench_options "$@"
shift "$BENCH_SHIFT"
[ -z "$runtime_weights" ] || bench_die "--runtime-weights is for gemm.sh: oneDNN's weights are always reordered ahead of time"
[ $# -gt 0 ] || set -- 1 14 14 256 256 3 3 1 1 1 1 1 56 56 64 64 3 3 1 1 1 1
[ $(($# % 11)) -eq 0 ] || bench_die "give all eleven numbers of each problem (see --help)"
bench_whole "$@"

while [ $# -gt 0 ]; do
    n=$1 h=$2 w=$3 ci=$4 co=$5 r=$6 s=$7 stride=$8 pad=$9
    shift 9
    dilation=$1 threads=$2
    shift 2
    printf '\n== conv %sx%sx%sx%s -> %s, %sx%s, threads: %s\n' "$n" "$h" "$w" "$ci" "$co" "$r" "$s" "$threads"
    for step in bench_tuned bench_library; do
        "$step" "$threads" conv2d_nhwc -D "N=$n" -D "H=$h" -D "W=$w" -D "CI=$ci" -D "CO=$co" \
            -D "R=$r" -D "S=$s" -D "stride=$stride" -D "pad=$pad" -D "dilation=$dilation"
    done
    "$build/bench_versus" --append "$work/summary" conv "$n" "$h" "$w" "$ci" "$co" "$r" "$s" \
        "$stride" "$pad" "$dilation" "$threads" "$work/f.so"
done
bench_summary
