#!/bin/bash
# Extents of 0: an empty sum is 0, an empty maximum what maxima start from, an empty output nothing.
# shellcheck disable=SC2086
. "$2/tests/cli/lib.sh"

cat >empty.hone <<'END'
kernel sums(M, N, K) {
  input A: f32[M, K]
  input B: f32[K, N]
  output C: f32[M, N]
  output L: f32[M]
  output P: i32[M]
  C[i, j] = sum(k < K) A[i, k] * B[k, j]
  L[i] = max(k < K) A[i, k]
  P[i] = prod(k < K) i32(A[i, k] * 16 + 20)
}
END
mkdir lib
cat >use.c <<'END'
#include <math.h>
#include <stdio.h>
#include "lib/f.h"
int main(void)
{
    float a[1], b[1], c[] = {7, 7, 7, 7, 7, 7}, l[] = {7, 7};
    int32_t p[] = {7, 7};
    if (f(a, b, c, l, p) != 0)
        return 1;
    for (int k = 0; k < 6; k++)
        if (c[k] != 0)
            return 2;
    return l[0] != -INFINITY || l[1] != -INFINITY || p[0] != 1 || p[1] != 1 ? 3 : 0;
}
END

# ---- tuned, and used
san=$(sed -n 's/^HONE_SANITIZE:.*=//p' "$BUILD/CMakeCache.txt")
run 0 "$HONE" tune empty.hone -D M=2 -D N=3 -D K=0 --threads 1 --trials 4
says "ok, 0 rejected"
run 0 "$HONE" query empty.hone -D M=2 -D N=3 -D K=0 --threads 1 --emit library -o lib --name f
run 0 cc ${san:+-fsanitize=$san} -pthread -o use use.c lib/f.o "$BUILD/libhone_rt.a" -lm
run 0 ./use
for sizes in "-D M=0 -D N=3 -D K=4" "-D M=2 -D N=0 -D K=4" "-D M=0 -D N=0 -D K=0"; do
    run 0 "$HONE" tune empty.hone $sizes --threads 1 --trials 2
    says "ok, 0 rejected"
done

# ---- the first and the last size of every kernel that comes with hone: it is compiled, or a line says why not
n=0
while read -r name sizes; do
    for zero in ${sizes%% *} ${sizes##* }; do
        with=
        for s in $sizes; do
            [ "$s" = "$zero" ] && with="$with -D $s=0" || with="$with -D $s=4"
        done
        "$HONE" query "$name" $with --threads 1 --emit object -o k.o >o.txt 2>e.txt
        rc=$?
        n=$((n + 1))
        [ $rc = 2 ] && [ "$(grep -c error: e.txt)" = 1 ] && rc=0
        ok "$name $with: $(head -c 300 e.txt)" [ $rc = 0 ]
    done
done < <(sed -n 's/^kernel \([a-z0-9_]*\)(\([^)]*\).*/\1 \2/p' "$SRC"/workloads/*.hone |
    sed 's/, [A-Za-z]* = .*//; s/,//g')
ok "many kernels" [ $n -ge 60 ]

all_done
