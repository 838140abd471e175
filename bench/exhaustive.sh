#!/bin/sh
# shellcheck disable=SC2154 # common.sh
# Measures every candidate of a few small kernels and keeps the log, compressed: what a search finds can
# then be held to what there is, by `hone replay`. bench/data/README.md says what is made of it.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=bench/common.sh
. "$root/bench/common.sh"

usage() {
    cat <<'END'
usage: bench/exhaustive.sh [options] [KERNEL NAME=INT...]

Measures every candidate of three small kernels, or of the one that is named, on one thread, and writes
NAME.db.gz (the log) and NAME.txt (where and when, and what came out).

  --name NAME      of the files (default exhaustive)
  --out FOLDER     for the files (default bench/data)
  --build DIR      where hone was built (default build/release)
  --db FILE        the log while it grows (default DIR/NAME.db)
  --help

Ctrl-C ends it; the same command goes on from there. Nothing else should run on the machine.
Exit code: 0 all candidates were measured, 1 some could not be, 2 bad usage, 130 ended by Ctrl-C.
END
}

bad() {
    printf 'exhaustive.sh: %s (see --help)\n' "$*" >&2
    exit 2
}

name=exhaustive out=$root/bench/data build=$root/build/release db=''
while [ $# -gt 0 ]; do
    case $1 in
    --name | --out | --build | --db)
        [ $# -ge 2 ] || bad "$1 needs a value"
        case $1 in
        --name) name=$2 ;;
        --out) out=$2 ;;
        --build) build=$2 ;;
        --db) db=$2 ;;
        esac
        shift 2
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    -*) bad "unknown argument '$1'" ;;
    *) break ;;
    esac
done
db=${db:-$build/$name.db}
[ -x "$build/hone" ] || bench_die "$build/hone is not there: cmake --preset release && cmake --build --preset release"
[ -d "$out" ] || bad "there is no folder $out"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
stopped=''
trap 'stopped=1' INT TERM

# Spaces small enough for some minutes, of kernels that take long enough to be told apart.
if [ $# -gt 0 ]; then
    echo "$*" >"$work/list"
else
    cat >"$work/list" <<'END'
softmax M=64 N=256
depthwise_nhwc N=1 H=28 W=28 C=64
matmul M=7 N=64 K=127
END
fi

# field NAME: that number of the last summary.
field() {
    sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$work/last"
}

# one KERNEL NAME=INT...: all of it; what failed through no fault of a candidate is tried again.
one() {
    row=$* kernel=$1
    shift
    for size in "$@"; do
        shift
        set -- "$@" -D "$size"
    done
    for _ in 1 2 3; do
        "$build/hone" tune "$kernel" "$@" --threads 1 --strategy exhaustive --trials 0 --db "$db" --json \
            2>"$work/err" >"$work/trials" || return
        tail -n 1 "$work/trials" >"$work/last"
        [ -z "$stopped" ] && grep -q '"interrupted":false' "$work/last" || return
        if grep -q '"exhausted":true' "$work/last" && [ "$(field set_aside)" = 0 ]; then
            printf '%-40s %5d candidates, the best takes %d ns, as written %d ns\n' "$row" \
                $(($(field known) + $(field trials))) "$(field best_ns)" "$(field default_ns)"
            return 0
        fi
    done
    echo "some candidates could not be measured" >"$work/err"
    return 1
}

{
    "$build/hone" --version
    printf '%s, %s\n\n' "$(date -u +%Y-%m-%d)" \
        "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
} >"$work/$name.txt"
while read -r kernel sizes <&3; do
    printf '%s %s\n' "$kernel" "$sizes" >&2
    # shellcheck disable=SC2086 # words
    if ! one $kernel $sizes >>"$work/$name.txt"; then
        [ -z "$stopped" ] || exit 130
        bench_die "$kernel $sizes: $(tail -n 1 "$work/err")"
    fi
done 3<"$work/list"

gzip -9 -n <"$db" >"$work/$name.db.gz" && mv "$work/$name.db.gz" "$work/$name.txt" "$out/" || exit 1
cat "$out/$name.txt"
ls -l "$out/$name.db.gz"
