#!/bin/bash
# One library for several processors: under models of processors it takes the best variant that each can
# run, computes the same, and executes nothing that the processor has not, also when HONE_VARIANT asks for
# too much.
# shellcheck disable=SC2086
. "$2/tests/cli/lib.sh"
unset HONE_VARIANT

cc=$(sed -n 's/^CMAKE_C_COMPILER:.*=//p' "$BUILD/CMakeCache.txt")
case $("$BUILD/hone-device" --describe) in
*x86_64*) ;;
*)
    echo "skipped: this machine is no x86-64 one"
    exit 0
    ;;
esac
if ! command -v qemu-x86_64 >/dev/null; then
    echo "qemu-x86_64 is missing: sh cmake/install-deps.sh installs it"
    exit 1
fi

cat >dense.hone <<'END'
kernel dense(M, N, K) {
  input A: f32[M, K]
  const input W: f32[K, N]
  input bias: f32[N]
  output C: f32[M, N]

  T[i, j] = sum(k < K) A[i, k] * W[k, j]
  C[i, j] = max(T[i, j] + bias[j], 0)
}
END
sizes="-D M=33 -D N=50 -D K=41"
four=znver4,skylake-avx512,haswell,x86-64-v2

# Several threads call at once, the first time too; prints what runs and the code of the function.
cat >main.c <<'END'
#include "f.h"
#include "hone_rt.h"
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
enum { M = 33, N = 50, K = 41, THREADS = 4 };
static float A[M * K], W[K * N], bias[N], C[THREADS][M * N];
static int codes[THREADS];
#ifndef f_PACKS_W
#error "W is to be packed by some of the variants"
#endif
static void *run(void *at)
{
    int me = (int)(long)at;
    int64_t bytes = f_pack_W_bytes();
    void *packed = aligned_alloc(64, bytes > 0 ? (size_t)(bytes + 63) / 64 * 64 : 64);
    codes[me] = f_pack_W(W, packed);
    int code = f(A, packed, bias, C[me]);
    if (code != codes[me] || (code == HONE_RT_NOVARIANT && bytes != HONE_RT_NOVARIANT))
        codes[me] = 99;
    free(packed);
    return NULL;
}
int main(void)
{
    for (int i = 0; i < M * K; i++)
        A[i] = (float)(i * 37 % 101) / 50 - 1;
    for (int i = 0; i < K * N; i++)
        W[i] = (float)(i * 53 % 97) / 48 - 1;
    for (int i = 0; i < N; i++)
        bias[i] = (float)(i % 7) / 4;
    for (int k = 0; k < THREADS; k++)
        for (int i = 0; i < M * N; i++)
            C[k][i] = 77;
    pthread_t t[THREADS];
    for (long k = 0; k < THREADS; k++)
        pthread_create(&t[k], NULL, run, (void *)k);
    for (int k = 0; k < THREADS; k++)
        pthread_join(t[k], NULL);
    const char *name = hone_rt_variant(&f_variants);
    for (int k = 0; k < THREADS; k++) {
        if (codes[k] != (name ? 0 : HONE_RT_NOVARIANT))
            return printf("code %d\n", codes[k]), 1;
        for (int i = 0; i < M; i++)
            for (int j = 0; j < N; j++) {
                double want = bias[j];
                for (int q = 0; q < K; q++)
                    want += (double)A[i * K + q] * W[q * N + j];
                want = name ? fmax(want, 0) : 77;
                if (!(fabs(C[k][i * N + j] - want) < 1e-4))
                    return printf("C[%d, %d]\n", i, j), 1;
            }
    }
    puts(name ? name : "none");
    return 0;
}
END
# The runtime as its source is: no sanitizer, which an emulated processor does not bear.
build() {
    ok "$1 links" "$cc" -O1 -Wall -Werror -D_GNU_SOURCE -I"$1" -I"$SRC" -I"$SRC/runtime" -o "$1/main" main.c "$1/f.o" \
        "$SRC"/runtime/*.c -lm -lpthread
}
# on MODEL VARIANT [HONE_VARIANT]: what runs there.
on() {
    run 0 env ${3:+HONE_VARIANT=$3} qemu-x86_64 -cpu "$1" $main
    ok "on $1${3:+ with $3 asked for}: $2, not $(cat out)" [ "$(cat out)" = "$2" ]
}

run 0 "$HONE" query dense.hone $sizes --threads 2 --db none.db --target $four --emit library -o four --name f
says "on znver4" && says "on x86-64-v2"
build four
main=four/main

# the header, with the runtime's and without, twice, in C and C++
printf '#include "four/f.h"\n#include "four/f.h"\n' >alone.c
printf '#include "four/f.h"\n#include "hone_rt.h"\nconst char *v() { return hone_rt_variant(&f_variants); }\n' >both.cc
ok "the header stands alone" "$cc" -std=c99 -pedantic -Wall -Wextra -Werror -c alone.c
ok "and is C++" g++ -std=c++11 -pedantic -Wall -Wextra -Werror -I"$SRC/runtime" -c both.cc

# ---- without AVX; with it, but without AVX2; with AVX2; switched off one by one
on Nehalem x86-64-v2
on Westmere x86-64-v2
on SandyBridge x86-64-v2
on Opteron_G5 x86-64-v2
on Haswell haswell
on EPYC haswell
on Skylake-Client haswell
on Haswell,-avx2 x86-64-v2
on Haswell,-fma x86-64-v2
on Haswell,-xsave x86-64-v2
on core2duo none
on Conroe none
# with AVX-512, as far as this emulator has it
run 0 qemu-x86_64 -cpu Skylake-Server $main
ok "on Skylake-Server" grep -qE '^(skylake-avx512|haswell)$' out

# ---- HONE_VARIANT: what can run, and too much
on Haswell x86-64-v2 x86-64-v2
on Haswell haswell znver4
on Nehalem x86-64-v2 znver4
on Nehalem x86-64-v2 haswell
on core2duo none x86-64-v2

# ---- that a wrong choice would be seen: a library for Haswell alone
run 0 "$HONE" query dense.hone $sizes --threads 2 --db none.db --target haswell --emit library -o one --name f
sed '/hone_rt_variant(/s/=.*/= "haswell";/' main.c >one.c
ok "one links" "$cc" -O1 -Wall -Werror -D_GNU_SOURCE -Ione -I"$SRC/runtime" -I"$SRC" -o one/main one.c one/f.o \
    "$SRC"/runtime/*.c -lm -lpthread
run 0 qemu-x86_64 -cpu Haswell one/main
run 132 qemu-x86_64 -cpu Nehalem one/main

# ---- this machine, with whatever it has
run 0 four/main
ok "one of them" grep -qE '^(znver4|skylake-avx512|haswell|x86-64-v2|none)$' out

# ---- a variant for every processor: none is left out
run 0 "$HONE" query dense.hone $sizes --threads 2 --db none.db --target x86-64,x86-64-v3 --emit library \
    -o base --name f
build base
main=base/main
for model in core2duo Conroe kvm64 Opteron_G1 Nehalem; do
    on $model x86-64
done
on Haswell x86-64-v3

# ---- the same bytes, whatever the folder; a description of all
mkdir -p deep/er && cp dense.hone deep/er
(cd deep/er && umask 077 && TZ=Asia/Tokyo "$HONE" query dense.hone $sizes --threads 2 --db none.db \
    --target $four --emit library -o "$T/again" --name f >/dev/null 2>&1)
for f in f.o f.h f.json; do
    ok "$f is the same" cmp "four/$f" "again/$f"
done
ok "four variants" [ "$(grep -c '"variant":' four/f.json)" = 4 ]
ok "in the order they are tried" [ "$(sed -n 's/.*"variant": "\(.*\)".*/\1/p' four/f.json | paste -sd,)" = $four ]
echo '[[],[]]' >none.trace
run 0 "$HONE" query dense.hone $sizes --threads 2 --trace none.trace --target x86-64-v2,haswell --emit library \
    -o two --name f
ok "which is not that of the question" [ "$(sed -n 's/.*"variant": "\(.*\)".*/\1/p' two/f.json | paste -sd,)" = haswell,x86-64-v2 ]
run 0 "$HONE" query dense.hone $sizes --threads 2 --trace none.trace --target x86-64-v2,haswell --json
says '"variants":[{'

# ---- a rung that is required of each
run 0 "$HONE" tune dense.hone $sizes --threads 1 --trials 4 --db t.db --target x86-64-v2
run 0 "$HONE" query dense.hone $sizes --threads 1 --db t.db --target x86-64-v2 --require exact
refuse 3 "haswell" "$HONE" query dense.hone $sizes --threads 1 --db t.db --require exact \
    --target x86-64-v2,haswell --emit library -o not --name f
ok "and nothing is written" [ ! -e not ]

# ---- refusals
ask="$HONE query dense.hone $sizes --db none.db"
refuse 2 "--target has haswell twice" $ask --target haswell,haswell --emit library -o not
refuse 2 "names like it: haswell" $ask --target znver4,hasswell --emit library -o not
refuse 2 "--target has an empty name" $ask --target znver4, --emit library -o not
refuse 2 "--emit asm is for one target" $ask --target znver4,haswell --emit asm
refuse 2 "aarch64" $ask --target znver4,neoverse-n1 --emit library -o not
refuse 2 "riscv64" $ask --target sifive-u74,sifive-p450 --emit library -o not
names=nehalem,sandybridge,ivybridge,haswell,broadwell,skylake,skylake-avx512,cascadelake,cooperlake
names=$names,icelake-server,sapphirerapids,znver1,znver2,znver3,znver4,x86-64-v2
refuse 2 "at most 16" $ask --target "$names,x86-64-v3" --emit library -o not

all_done
