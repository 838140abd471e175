# Shared by the scripts that use hone in builds of others: hone installed in $prefix, and a copy of
# examples/builds in app, with a lock file made here.   . "$SRC/tests/e2e/builds.sh"
# shellcheck shell=bash disable=SC2034,SC2086
with() {
    command -v "$1" >/dev/null && return
    echo "not installed, skipped: $1"
    return 1
}
with cmake && with ninja || skip "there is nothing that builds"
san=$(sed -n 's/^HONE_SANITIZE:.*=//p' "$BUILD/CMakeCache.txt")
export CFLAGS="${san:+-fsanitize=$san}" LDFLAGS="${san:+-fsanitize=$san}"
unset CMAKE_PREFIX_PATH hone_DIR PKG_CONFIG_PATH

run 0 cmake --install "$BUILD" --prefix "$T/usr"
mv usr moved # it can be moved
prefix=$T/moved
cp -r "$SRC/examples/builds" app
run 0 env HONE="$prefix/bin/hone" sh app/lock.sh
cp app/hone.lock first.lock

# changed FOLDER: which files differ from those of the last call, in time.
changed() {
    find "$1" -name '*.o' -o -name '*.h' -o -name app -type f | sort | xargs stat -c '%n %y' >now
    comm -13 <(sort last 2>/dev/null) <(sort now) | sed 's/ .*//; s|.*/||' | sort | paste -sd ' '
    mv now last
}
# rebuilds NAME COMMAND...: builds with this after each kind of change, and looks at what was made again.
rebuilds() {
    local name=$1 folder=$2
    shift 2
    rm -f last
    cp first.lock app/hone.lock
    run 0 "$@"
    run 0 find "$folder" -name app -type f -exec {} \;
    says right
    changed "$folder" >/dev/null
    touch app/hone.lock
    run 0 "$@"
    ok "$name: nothing is made when the lock was only touched" [ -z "$(changed "$folder")" ]
    run 0 "$prefix/bin/hone" lock -o app/hone.lock softmax -D M=64 -D N=64 --threads 2 --name softmax_64
    run 0 "$@"
    ok "$name: one entry, that kernel alone" \
        [ "$(changed "$folder")" = "app softmax_64.o" ]
    run 0 find "$folder" -name app -type f -exec {} \;
    says right
}
