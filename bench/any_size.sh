#!/bin/sh
# One function for M = 1..4096, N = K = 1024, on one thread, against OpenBLAS, oneDNN and kernels made
# for one size alone, each size in turns (any_size.c).
#
#   bench/any_size.sh BUILD DB prepare FOLDER     makes the programs in FOLDER, from the log DB
#   FOLDER/any_size FROM TO                       then measures, in parts as long as one likes
#   bench/any_size.sh BUILD DB all FOLDER         both
#
# ALONE_DB=FILE is the log that is asked for the kernels made for one size (default: DB): tune these
# there with
#   for m in 1 2 5 12 33 64 100 250 512 1000 2047 4096; do
#       hone tune matmul -D M=$m -D N=1024 -D K=1024 --threads 1 --trials 32 --db FILE; done
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
[ $# -eq 4 ] || {
    sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
build=$1 db=$2 what=$3 work=$4
alone="1 2 5 12 33 64 100 250 512 1000 2047 4096"
mkdir -p "$work"

library() { # NAME ARGUMENTS...: NAME.o and NAME.h
    name=$1
    shift
    "$build/hone" query matmul --threads 1 --emit library -o "$work" --name "$name" "$@" >/dev/null
}

library f --sizes 'M=1..4096,N=1024,K=1024' --db "$db"
library tiny --sizes 'M=1..4096,N=1,K=1' --db "$db"
: >"$work/alone.h"
table=
for m in $alone; do
    library "alone_$m" -D M="$m" -D N=1024 -D K=1024 --db "${ALONE_DB:-$db}"
    echo "#include \"alone_$m.h\"" >>"$work/alone.h"
    table="$table{$m, alone_$m},"
done
{
    echo "static const struct { int m; int (*fn)(const float *, const float *, float *); }"
    echo "alone_table[] = {$table};"
} >>"$work/alone.h"
"${CC:-cc}" -O2 -Wall -I"$work" "$root/bench/any_size.c" "$work"/f.o "$work"/tiny.o "$work"/alone_*.o \
    "$build/libhone_rt.a" -o "$work/any_size" -lpthread -ldl -lm
echo "# code of f: $(sed -n 's/.*"code_bytes": \([0-9]*\).*/\1/p' "$work/f.json") bytes," \
    "$(grep -c '"made_for"' "$work/f.json") variants"
[ "$what" = all ] || exit 0
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 HONE_NUM_THREADS=1
"$work/any_size" call
"$work/any_size" alone
"$work/any_size" 0 200
