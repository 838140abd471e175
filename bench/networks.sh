#!/bin/sh
# Tunes whole networks, builds them and times them against ONNX Runtime: bench/README.md says how.
#
# Reader's map: options; ONNX Runtime; one network; all of it.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)

usage() {
    cat <<'END'
usage: bench/networks.sh [options] [NETWORK]...

Makes each network's model with random weights (bench/networks.py; default: all of them), tunes
its kernels together (or takes them from the log), builds it, and times it against ONNX Runtime on the
same inputs, in turns in one process. Prints one table for each number of threads.

  --threads LIST   numbers of threads, one table for each (default 1,2)
  --seconds N      tuning, for each network and number of threads (default 300)
  --time N         seconds of samples for each row (default 10)
  --quantize E     also each network with layers in 8 bits, by `hone net quantize --max-error E` on made
                   inputs, as NETWORK.q; its outputs may differ by 0.05 from ONNX Runtime's
  --small          the small forms of the networks: for a try
  --retune         tune again what has been tuned
  --untuned        tune nothing: with what the log has
  --build DIR      where hone was built (default build/release)
  --db FILE        the log (default DIR/networks.db); a second run takes what it has
  --json FILE      also write all samples as JSON
  --help

Models, libraries and ONNX Runtime are kept in FILE.files. ORT_LIB=libonnxruntime.so.1 names one that is
there; without it, npm installs the package onnxruntime-node, which has it inside.
Ctrl-C ends it with the table so far; the same command goes on from there.
Exit code: 0 all rows were compared, 1 some failed, 2 bad usage, 130 ended by Ctrl-C.
END
}

# ---- options -------------------------------------------------------------------------------------

bad() {
    printf 'networks.sh: %s (see --help)\n' "$*" >&2
    exit 2
}

say() {
    printf '%s\n' "$*" >&2
}

known='resnet50 mobilenetv2 squeezenet bert vit gpt2' # of bench/networks.py
networks='' threads_list=1,2 seconds=300 time=10 small='' retune='' untuned='' quantize=''
build=$root/build/release db='' json=''
while [ $# -gt 0 ]; do
    case $1 in
    --threads | --seconds | --time | --build | --db | --json | --quantize)
        [ $# -ge 2 ] || bad "$1 needs a value"
        case $1 in
        --threads) threads_list=$2 ;;
        --seconds) seconds=$2 ;;
        --time) time=$2 ;;
        --build) build=$2 ;;
        --db) db=$2 ;;
        --json) json=$2 ;;
        --quantize) quantize=$2 ;;
        esac
        shift
        ;;
    --small) small=1 ;;
    --retune) retune=1 ;;
    --untuned) untuned=1 ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        case " $known " in
        *" $1 "*) networks="$networks $1" ;;
        *) bad "'$1' is neither an option nor one of $known" ;;
        esac
        ;;
    esac
    shift
done
for number in "$seconds" "$time" $(echo "$threads_list" | tr , ' '); do
    case $number in
    '' | 0 | *[!0-9]*) bad "'$number' is not a whole number above 0" ;;
    esac
done
db=${db:-$build/networks.db}
files=$db.files
for p in hone bench_network libhone_rt.a; do
    [ -e "$build/$p" ] || {
        say "networks.sh: $build/$p is not there: cmake --preset release && cmake --build --preset release"
        exit 1
    }
done
python=python3
"$python" -c 'import numpy' 2>/dev/null || python=/usr/bin/python3 # Debian's has what Debian installed
mkdir -p "$files" || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
: >"$work/json"
stopped='' failures=0
trap 'stopped=1' INT TERM

# ---- ONNX Runtime --------------------------------------------------------------------------------

# Its own install script would download GPU libraries; what processors need is in the package.
find_ort() {
    ort=${ORT_LIB:-}
    [ -z "$ort" ] || return 0
    case $(uname -m) in
    x86_64) arch=x64 ;;
    *) arch=arm64 ;;
    esac
    package=$files/onnxruntime
    [ -d "$package/node_modules/onnxruntime-node" ] || {
        say "installing ONNX Runtime 1.30 into $package"
        npm install --prefix "$package" --ignore-scripts --no-audit --no-fund onnxruntime-node@1.30.0 \
            >"$work/npm" 2>&1 || {
            tail -n 3 "$work/npm" >&2
            return 1
        }
    }
    ort=$(find "$package/node_modules/onnxruntime-node/bin" -path "*/linux/$arch/libonnxruntime.so.1")
    [ -n "$ort" ]
}

find_ort || {
    say "networks.sh: no ONNX Runtime: npm cannot install onnxruntime-node; ORT_LIB=FILE names libonnxruntime.so.1"
    exit 1
}

# ---- one network ---------------------------------------------------------------------------------

log() {
    if [ -e "$db" ]; then echo "$db"; else echo shipped; fi
}

# A quantised one is made of the other, with inputs drawn as its own are.
quantised() {
    rm -rf "$work/models"
    # shellcheck disable=SC2086 # nothing or a word
    "$python" "$root/bench/networks.py" "$work/models" "$network" ${small:+--small} --sets 4 &&
        mkdir -p "$files/$label" &&
        "$build/hone" net quantize "$work/models/$network/model.onnx" --data "$work/models/$network/inputs" \
            --db "$(log)" --max-error "$quantize" --threads "$threads" -o "$model" >"$files/$label/layers" &&
        tail -n 1 "$files/$label/layers" >&2
}

model() {
    [ -e "$model" ] && return
    [ -z "$kind" ] || { quantised; return; }
    rm -rf "$work/models"
    # shellcheck disable=SC2086 # nothing or a word
    "$python" "$root/bench/networks.py" "$work/models" "$network" ${small:+--small} &&
        mv "$work/models/$network" "$files/$label"
}

# What has been tuned to the end is written beside the log: one that Ctrl-C cut short goes on.
tuned() {
    grep -qxF "$threads network $label" "$db.done" 2>/dev/null
}

tune() {
    [ -n "$untuned" ] && return
    [ -z "$retune" ] && tuned && return
    say "  tuning, $seconds s"
    "$build/hone" net tasks "$model" -o "$files/$label.json" >"$work/out" &&
        "$build/hone" tune --tasks "$files/$label.json" --threads "$threads" --db "$db" \
            --time "$seconds" >"$work/out" || return
    [ -n "$stopped" ] || tuned || echo "$threads network $label" >>"$db.done"
}

library() {
    "$build/hone" net build "$model" --db "$(log)" -o "$made" --name "$network" --threads "$threads" >&2 &&
        "${CC:-cc}" -shared -fPIC -I"$root/runtime" -include "$made/$network.h" "-DNETWORK=$network" \
            "$root/bench/network_glue.c" "$made/$network.o" "$build/libhone_rt.a" -o "$made/$network.so" \
            -lpthread
}

# What integers the inputs may be: words; for bert also the kinds of its tokens.
compare() {
    ids="--ids $([ -n "$small" ] && echo 50 || echo 100)"
    [ "$network" != bert ] || ids="$ids --ids kinds=2"
    # shellcheck disable=SC2086 # words
    "$build/bench_network" "$model" "$made/$network.so" --name "$network" --weights "$made/$network.weights" \
        --ort "$ort" --threads "$threads" --seconds "$time" $ids ${kind:+--tolerance 0.05} --json "$work/one" >"$work/row"
}

# Appends to the table of $threads and to the JSON.
row() {
    label=$network${small:+.small}$kind
    model=$files/$label/model.onnx made=$files/$label.$threads
    say "$label, $threads thread(s)"
    mkdir -p "$made"
    for step in model tune library compare; do
        $step || {
            failures=$((failures + 1))
            printf '%-14s %7s FAILED: %s\n' "$network$kind" "$threads" "$step" >>"$work/rows"
            return
        }
        [ -z "$stopped" ] || return
    done
    sed "1d; s/^$network$(printf '%*s' ${#kind} '')/$network$kind/" "$work/row" >>"$work/rows"
    [ ! -s "$work/json" ] || echo , >>"$work/json"
    cat "$work/one" >>"$work/json"
}

# What quantize has said of each: its error on the inputs that it looked at, and on those it did not.
errors() {
    for network in ${networks:-$known}; do
        layers=$files/$network${small:+.small}.q/layers
        [ ! -s "$layers" ] || tail -n 1 "$layers" | sed "s|^.*model.onnx: |$network.q: |"
    done
}

# ---- all of it -----------------------------------------------------------------------------------

for threads in $(echo "$threads_list" | tr , ' '); do
    : >"$work/rows"
    for network in ${networks:-$known}; do
        for kind in '' ${quantize:+.q}; do
            [ -n "$stopped" ] || row
        done
    done
    [ -s "$work/rows" ] || continue
    grep -m 1 '^model name' /proc/cpuinfo 2>/dev/null | sed 's/.*: //'
    [ ! -s "$work/row" ] || head -n 1 "$work/row"
    cat "$work/rows"
    [ -z "$quantize" ] || errors
    awk '$3 != "FAILED:" { n++; sum += log($5); under += $5 < 1; if (n == 1 || $5 < least) { least = $5; worst = $1 } }
        END { if (n) printf "%d networks: geometric mean %.3f, %d under 1.0, worst %.3f (%s)\n\n", n,
            exp(sum / n), under, least, worst }' "$work/rows"
done
if [ -n "$json" ]; then
    { echo '{"rows": [' && cat "$work/json" && echo ']}'; } >"$json" || failures=$((failures + 1))
fi
[ -z "$stopped" ] || exit 130
[ "$failures" = 0 ]
