#!/bin/sh
# Tunes a product with OpenBLAS as a candidate beside hone's own, takes whichever was measured to be
# faster, and checks it in a program. HONE: the program; HONE_RT: libhone_rt.a; OUT: folder for what is
# made; TRIALS: candidates.
set -e
here=$(dirname "$0")
hone=${HONE:-hone} rt=${HONE_RT:-libhone_rt.a} out=${OUT:-.} trials=${TRIALS:-64} cc=${CC:-cc}
library=openblas=$here/openblas.lib
mkdir -p "$out"
set -- matmul -D M=256 -D N=256 -D K=256 --threads 1 --db "$out/hone.db"
"$hone" tune "$@" --trials "$trials" --candidate-lib "$library"
# The same question twice: who does not name the library gets the best schedule.
"$hone" query "$@"
"$hone" query "$@" --candidate-lib "$library" --emit library -o "$out" --name product
link=$(sed -n 's/.*"link": "\(..*\)".*/-l\1/p' "$out/product.json")
# shellcheck disable=SC2086
$cc -O2 -I"$out" -o "$out/product" "$here/main.c" "$out/product.o" "$rt" $link -lpthread -lm
"$out/product"
