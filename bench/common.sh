# shellcheck shell=sh disable=SC2034,SC2154
# What bench/*.sh share. Sourced; expects $root. Sets nothing before bench_options is called.

bench_die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Reads the options before the sizes; $BENCH_SHIFT says how many words they were.
bench_options() {
    trials=128 build=$root/build/release db="" runtime_weights=""
    BENCH_SHIFT=0
    while [ $# -gt 0 ]; do
        case $1 in
        --trials | --build | --db)
            [ $# -ge 2 ] || bench_die "$1 needs a value"
            case $1 in
            --trials) trials=$2 ;;
            --build) build=$2 ;;
            --db) db=$2 ;;
            esac
            shift 2
            BENCH_SHIFT=$((BENCH_SHIFT + 2))
            ;;
        --runtime-weights)
            runtime_weights=1
            shift
            BENCH_SHIFT=$((BENCH_SHIFT + 1))
            ;;
        --help | -h)
            bench_usage
            exit 0
            ;;
        -*) bench_die "unknown option '$1' (see --help)" ;;
        *) break ;;
        esac
    done
    db=${db:-$build/bench.db}
    for p in hone bench_versus libhone_rt.a; do
        [ -e "$build/$p" ] || bench_die "$build/$p is not there: build first
  sh cmake/install-deps.sh bench
  cmake --preset release && cmake --build --preset release"
    done
    work=$(mktemp -d) || exit 1
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    : >"$work/summary"
}

# bench_tuned THREADS KERNEL -D...: tunes unless the log has an answer.
bench_tuned() {
    t=$1
    shift
    "$build/hone" query "$@" --threads "$t" --db "$db" --require exact >/dev/null 2>&1 && return
    "$build/hone" tune "$@" --threads "$t" --db "$db" --trials "$trials" ||
        bench_die "tuning $* failed"
}

# bench_library THREADS KERNEL -D...: leaves $work/f.so.
bench_library() {
    t=$1
    shift
    "$build/hone" query "$@" --threads "$t" --db "$db" --require exact --emit library \
        -o "$work" --name f >/dev/null || bench_die "no library for $*"
    "${CC:-cc}" -shared -o "$work/f.so" "$work/f.o" "$build/libhone_rt.a" -lpthread ||
        bench_die "cannot link the kernel"
}

# bench_whole WORD...: all are whole numbers.
bench_whole() {
    for word in "$@"; do
        case $word in
        '' | *[!0-9]*) bench_die "'$word' is not a size (see --help)" ;;
        esac
    done
}

bench_summary() {
    [ -s "$work/summary" ] || return 0
    printf '\nsummary: best of hone and of the library; hone against it by the median of pairs and best to best (above 1x hone is faster)\n'
    cat "$work/summary"
}
