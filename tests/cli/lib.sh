# Shared by the scripts of tests/cli and tests/e2e. Each is run with the build folder and the source
# folder as arguments, and starts with:   . "$2/tests/cli/lib.sh"
# Uses bash, coreutils, grep and sed only: nothing that a fresh Debian has not.
# shellcheck shell=bash disable=SC2034
set -u
export LC_ALL=C
unset HONE_DEBUG HONE_FAULT XDG_RUNTIME_DIR
BUILD=$(cd "$1" && pwd)
SRC=$(cd "$2" && pwd)
HONE=$BUILD/hone
T=$(mktemp -d /tmp/hone-test.XXXXXX)
cd "$T" || exit 1
checks=0
failures=0
# A sanitizer's finding must not pass for an ordinary exit code.
export ASAN_OPTIONS="exitcode=99${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export UBSAN_OPTIONS="exitcode=99:print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"

# The sizes of a small matmul.
small="-D M=64 -D N=48 -D K=32"

fail() {
    failures=$((failures + 1))
    echo "FAILED (line ${BASH_LINENO[-2]}): $*"
    for f in out err; do
        if [ -s "$T/$f" ]; then
            echo "  --- $f"
            head -c 3000 "$T/$f" | sed 's/^/  /'
        fi
    done
}

# ok TEXT COMMAND...: the command must succeed.
ok() {
    local what=$1
    shift
    checks=$((checks + 1))
    "$@" || fail "$what"
}

# run CODE COMMAND...: the exit code must be CODE; leaves $T/out and $T/err.
run() {
    local want=$1 got
    shift
    checks=$((checks + 1))
    "$@" >"$T/out" 2>"$T/err" </dev/null
    got=$?
    [ "$got" = "$want" ] || fail "exit code $got instead of $want: $*"
}

# refuse CODE TEXT COMMAND...: fails with that code, prints nothing but one line on stderr that
# begins with "hone" and has TEXT in it.
refuse() {
    local code=$1 text=$2
    shift 2
    run "$code" "$@"
    [ -s "$T/out" ] && fail "prints on stdout: $*"
    [ "$(wc -l <"$T/err")" = 1 ] || fail "not one line: $*"
    grep -q '^hone' "$T/err" || fail "the line does not begin with hone: $*"
    grep -qF -e "$text" "$T/err" || fail "does not say '$text': $*"
}

# says TEXT [FILE]: the output of the last command has it.
says() {
    checks=$((checks + 1))
    grep -qF -e "$1" "${2:-$T/out}" || fail "no '$1' in ${2:-the output}"
}

# number NAME [FILE]: its value in the last line of compact JSON that has it.
number() {
    sed -n "s/.*\"$1\":\(-\{0,1\}[0-9.e+-]*\).*/\1/p" "${2:-$T/out}" | tail -n 1
}

# lines PATTERN [FILE]: how many lines match.
lines() {
    grep -c -e "$1" "${2:-$T/out}"
}

# "PID PARENT" of every process. Without ps and pgrep, which a small system may lack.
processes() {
    # pid (name) state parent: a name may hold anything but rarely a line's end
    sed -n 's/^\([0-9]*\) (.*) [A-Z] \([0-9]*\) .*/\1 \2/p' /proc/[0-9]*/stat 2>/dev/null
}

# children PID: its direct children.
children() {
    processes | sed -n "s/^\([0-9]*\) ${1:-none}\$/\1/p"
}

# family PID: it and all below it.
family() {
    processes | awk -v top="${1:-none}" '
        { parent[$1] = $2 }
        END {
            for (p in parent)
                for (q = p; q != ""; q = parent[q])
                    if (q == top) { print p; break }
        }'
}

# worker_of PID ROLE: the local worker that `hone tune` PID started for ROLE.
worker_of() {
    local c
    for c in $(children "$1"); do
        [ -r "/proc/$c/cmdline" ] || continue
        tr '\0' ' ' <"/proc/$c/cmdline" | grep -q -- "--role $2" && echo "$c"
    done
    return 0
}

alive() {
    [ -d "/proc/$1" ] && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}

# How many looks, 20 a second, what takes SECONDS on a quiet machine is waited for: a busy one needs more, and what
# never comes is not missed sooner for it.
looks() {
    echo $((20 * ($1 > 180 ? $1 : 180)))
}

# gone SECONDS PID...: waits until none of them lives.
gone() {
    local n p some
    n=$(looks "$1")
    shift
    while [ "$n" -gt 0 ]; do
        some=
        for p in "$@"; do
            alive "$p" && some=$p
        done
        [ -z "$some" ] && return 0
        sleep 0.05
        n=$((n - 1))
    done
    echo "still there: $some: $(tr '\0' ' ' <"/proc/$some/cmdline")"
    return 1
}

# wait_for SECONDS COMMAND...: polls until it succeeds.
wait_for() {
    local n
    n=$(looks "$1")
    shift
    while [ "$n" -gt 0 ]; do
        "$@" && return 0
        sleep 0.05
        n=$((n - 1))
    done
    return 1
}

at_least() { # at_least N PATTERN FILE
    [ "$(grep -c -e "$2" "$3" 2>/dev/null || true)0" -ge "${1}0" ]
}

# free_port: sets $port to one that nobody listens at, below those that the kernel gives to whoever asks for any.
free_port() {
    port=$((10000 + (RANDOM * 32768 + RANDOM) % 22000))
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        port=$((10000 + (RANDOM * 32768 + RANDOM) % 22000))
    done
}

started=()
# background COMMAND...: runs it with output in $T/bg.out and $T/bg.err; its id in $bg. What an earlier one said is
# gone when this returns, not only when the new one has begun: a script may look at once.
background() {
    rm -f "$T/bg.out" "$T/bg.err"
    : >"$T/bg.out" 2>"$T/bg.err"
    "$@" >"$T/bg.out" 2>"$T/bg.err" </dev/null &
    bg=$!
    started+=("$bg")
}

# A script's last command. One that ends elsewhere has failed.
all_done() {
    echo "$checks checks, $failures failed"
    [ "$failures" = 0 ] && [ "$checks" -gt 0 ] && result=0
    exit $result
}

# Nothing to test here, and why (ctest counts it as passed; the line is in its log).
skip() {
    echo "skipped: $*"
    result=0
    exit 0
}

result=1
finish() {
    local p
    trap - EXIT
    for p in "${started[@]}"; do
        alive "$p" && kill "$p" 2>/dev/null
    done
    cd /
    if [ -n "${KEEP:-}" ]; then
        echo "kept $T"
    else
        rm -rf "$T"
    fi
    exit $result
}
trap finish EXIT
