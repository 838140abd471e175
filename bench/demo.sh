#!/bin/sh
# From a fresh checkout on Debian 12 to a tuned matrix product and a comparison with OpenBLAS:
#
#   sh bench/demo.sh
#
# Installs packages (as root or with sudo), builds in build/release, tunes for about a minute.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
# shellcheck disable=SC1091 # by name only where root is known
. "$root/bench/common.sh"

bench_usage() {
    echo 'usage: sh bench/demo.sh [--trials N]    installs, builds, tunes matmul 512 (default 64 trials), compares'
}
case ${1:-} in
-h | --help)
    bench_usage
    exit 0
    ;;
esac

trials=64
case $# in
0) ;;
2) [ "$1" = --trials ] && trials=$2 || bench_die "unexpected arguments (see --help)" ;;
*) bench_die "unexpected arguments (see --help)" ;;
esac
build=build/release db=build/release/demo.db
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
# quietly WHAT COMMAND...: its output only when it fails.
quietly() {
    what=$1
    shift
    printf '%s ... ' "$what"
    if "$@" >"$work/log" 2>&1; then
        echo 'done'
    else
        code=$?
        echo failed
        tail -n 40 "$work/log" >&2
        exit "$code"
    fi
}

quietly "installing what is missing" sh cmake/install-deps.sh bench
quietly "configuring" cmake --preset release
quietly "building (a minute or two)" cmake --build --preset release --target programs bench_versus
bench_need_build

set -- matmul -D M=512 -D N=512 -D K=512
printf '\nhone tune %s --threads 1 --trials %s --db %s\n\n' "$*" "$trials" "$db"
"$build/hone" tune "$@" --threads 1 --trials "$trials" --db "$db" || bench_die "tuning failed"
bench_library 1 "$@" || bench_die "no library for $*"
printf '\nagainst the libraries, in turns in one process:\n\n'
bench_plain "$work/oracle.so" "-O3 -march=native" matmul M=512 N=512 K=512
"$build/bench_versus" --oracle "$work/oracle.so" matmul M=512 N=512 K=512 "$work/f.so"
cat <<END

Everything tried is in $db; the same command goes on from there. Next:

  $build/hone query $* --threads 1 --db $db --emit library -o out --name my_matmul
  bench/suite                           convolutions, attention, low precision, ... in one table
  bench/suite --list bench/gemm.list --threads 1,2    products of 19 shapes
END
