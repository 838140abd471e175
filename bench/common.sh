# shellcheck shell=sh disable=SC2154
# What bench/suite and bench/demo.sh share. Sourced; expects $root, $build, $db and $work, a folder for
# what may be thrown away.

bench_die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

bench_need_build() {
    for p in hone bench_versus libhone_rt.a; do
        [ -e "$build/$p" ] || bench_die "$build/$p is not there: build first
  sh cmake/install-deps.sh bench
  cmake --preset release && cmake --build --preset release"
    done
}

# bench_library THREADS KERNEL -D...: the best that the log has, as $work/f.so.
bench_library() {
    library_threads=$1
    shift
    "$build/hone" query "$@" --threads "$library_threads" --db "$db" --require exact \
        --emit library -o "$work" --name f >/dev/null &&
        "${CC:-cc}" -shared -o "$work/f.so" "$work/f.o" "$build/libhone_rt.a" -lpthread
}

# bench_plain FILE FLAGS KERNEL NAME=VALUE...: the plain loops of plain.c at these sizes. Fails when
# there are none for the kernel.
bench_plain() {
    plain_file=$1 plain_flags=$2 plain_kernel=$3
    shift 3
    for size in "$@"; do
        shift
        set -- "$@" "-D$size"
    done
    plain_cc=$(command -v clang || command -v "${CC:-cc}")
    # shellcheck disable=SC2086 # flags are words
    "$plain_cc" $plain_flags -shared -fPIC -DFLAGS="\"$plain_flags\"" "-DKERNEL_$plain_kernel" "$@" \
        "$root/bench/plain.c" -o "$plain_file" -lm
}
