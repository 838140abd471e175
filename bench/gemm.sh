#!/bin/sh
# shellcheck disable=SC2154 # common.sh sets build, db, trials, work
# Tunes matrix products (or takes them from the log) and compares them with OpenBLAS, BLIS, oneDNN.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck disable=SC1091 # by name only where root is known
. "$root/bench/common.sh"

bench_usage() {
    cat <<'END'
usage: sh bench/gemm.sh [options] [M N K THREADS]...

Compares tuned f32 matrix products with OpenBLAS, BLIS and oneDNN. Without sizes: 512, 1024 and 509
cubed, with 1 and 2 threads.

  --trials N         candidates to try where the log has no answer (default 128)
  --runtime-weights  B may not be packed ahead of time (bench/gemm.hone instead of matmul)
  --build DIR        where hone was built (default build/release)
  --db FILE          the log (default DIR/bench.db)
END
}

bench_options "$@"
shift "$BENCH_SHIFT"
if [ $# -eq 0 ]; then
    set -- 512 512 512 1 1024 1024 1024 1 509 509 509 1
    [ "$(nproc)" -ge 2 ] && set -- "$@" 512 512 512 2 1024 1024 1024 2 509 509 509 2
fi
[ $(($# % 4)) -eq 0 ] || bench_die "give M N K THREADS for each problem (see --help)"
bench_whole "$@"
kernel=matmul
[ -z "$runtime_weights" ] || kernel=$root/bench/gemm.hone

while [ $# -gt 0 ]; do
    printf '\n== %s x %s x %s, threads: %s\n' "$1" "$2" "$3" "$4"
    bench_tuned "$4" "$kernel" -D "M=$1" -D "N=$2" -D "K=$3"
    bench_library "$4" "$kernel" -D "M=$1" -D "N=$2" -D "K=$3"
    "$build/bench_versus" --append "$work/summary" gemm "$1" "$2" "$3" "$4" "$work/f.so"
    shift 4
done
bench_summary
