#!/bin/sh
# What machines teach each other (docs/MODEL.md): of the logs of several machines each target is held out
# once and its kernels are judged, by the draft, by a model of the other machines, by one of their other
# kernels, and by one of its own other kernels; then the same by models that do not see how a candidate
# relates to its machine.
#   bench/machines.sh LOG.db LOG.db...
# Results count whose traces are of this hone's version of the space. Takes minutes.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
hone=${HONE:-$root/build/release/hone}
relations=fill,beyond,level_time,pipes,tasks_each
if [ $# -lt 1 ] || [ "$1" = --help ]; then
    sed -n '2,/^set/{s/^# \{0,1\}//p;}' "$0"
    exit $(($# < 1 ? 2 : 0))
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$hone" db merge "$work/all.db" "$@" >/dev/null
echo "with all features"
"$hone" model show --machines --db "$work/all.db" | sed '/^model/d'
echo
echo "without those that relate a candidate to its machine ($relations)"
"$hone" model show --machines --db "$work/all.db" --blind $relations | sed '1,/^machines/d'
