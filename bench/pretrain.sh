#!/bin/sh
# Makes the model of other kernels that comes with hone for this machine's class of targets
# (docs/MODEL.md): tunes the kernels of pretrain.kernels, a third of the trials at random, and trains
# on the log. Takes a quarter of an hour, on a machine that does nothing else.
#   bench/pretrain.sh [LOG.db] [FILE.model]
# A log that is there already is gone on with. The file goes to workloads/models/, and its class into
# tuner/pretrained.def.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
hone=$root/build/release/hone
log=${1:-pretrain.db}
file=${2:-pretrain.model}
while read -r kernel sizes; do
    case $kernel in '' | '#'*) continue ;; esac
    set --
    for size in $sizes; do
        set -- "$@" -D "$size"
    done
    echo "$kernel $sizes" >&2
    "$hone" tune "$kernel" "$@" --db "$log" --no-transfer --strategy random --trials 110 --seed 11 >/dev/null
    "$hone" tune "$kernel" "$@" --db "$log" --no-transfer --trials 190 --seed 12 >/dev/null
done <"$root/bench/pretrain.kernels"
"$hone" model train --judge --db "$log" -o "$file"
