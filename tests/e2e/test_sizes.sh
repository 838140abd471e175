#!/bin/bash
# One function for a range of sizes: every size computes what plain loops do, others are refused, from
# several threads at once; the header is C and C++; the same bytes again; what cannot have a range.
. "$2/tests/cli/lib.sh"
cc=$(sed -n 's/^CMAKE_C_COMPILER:.*=//p' "$BUILD/CMakeCache.txt")
san=$(sed -n 's/^HONE_SANITIZE:.*=//p' "$BUILD/CMakeCache.txt")

cat >k.hone <<'END'
kernel dense(M, N, K) {
  input A: f32[M, K]
  const input W: f32[K, N]
  input bias: f32[N]
  output C: f32[M, N]

  T[i, j] = sum(k < K) A[i, k] * W[k, j]
  C[i, j] = max(T[i, j] + bias[j], 0)
}
kernel ints(M, N, K) {
  input A: i8[M, K]
  input B: i8[K, N]
  output C: i32[M, N]

  C[i, j] = sum(k < K) i32(A[i, k]) * i32(B[k, j])
}
kernel batched(M, N, K) {
  input A: f64[M, 3, K]
  input B: f64[M, K, N]
  output C: f64[M, 3, N]

  C[b, i, j] = sum(k < K) A[b, i, k] * B[b, k, j]
}
kernel soft(M, N) {
  input X: f32[M, N]
  output Y: f32[M, N]

  G[i] = max(j < N) X[i, j]
  E[i, j] = exp(X[i, j] - G[i])
  S[i] = sum(j < N) E[i, j]
  Y[i, j] = E[i, j] / S[i]
}
END

# The arrays of so many rows end at a page that may not be touched. Two threads do all sizes, the first
# upwards and the second downwards.
cat >main.c <<'END'
#define _GNU_SOURCE
#include "f.h"
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
typedef struct { char *base; size_t mapped; } mem;
static void *edge(mem *m, size_t bytes)
{
    m->mapped = (bytes + 4095) / 4096 * 4096 + 4096;
    m->base = mmap(NULL, m->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(m->base + m->mapped - 4096, 4096, PROT_NONE);
    return m->base + m->mapped - 4096 - bytes;
}
static double product(const ta *a, const tb *b)
{
    double s = 0;
    for (int k = 0; k < K; k++) s += (double)a[k] * (double)b[k * N];
    return s;
}
/* exp(x[j]) of all exp(x) of a row */
static double share(const ta *x, int j)
{
    double s = 0;
    for (int k = 0; k < N; k++) s += exp((double)x[k] - (double)x[j]);
    return 1 / s;
}
static int value(size_t k) { return (int)(k * 7919 % 11) - 5; }
static int check(int64_t m)
{
    mem ma, mc, mb;
    ta *a = edge(&ma, sizeof(ta) * m * ROW_A);
    tb *b = edge(&mb, sizeof(tb) * (B_ROWS ? m * B_SIZE : B_SIZE));
    tc *c = edge(&mc, sizeof(tc) * m * ROW_C);
    static float bias[N];
    int bad = 0;
    for (int64_t k = 0; k < m * ROW_A; k++) a[k] = (ta)value(k);
    for (int64_t k = 0; k < (B_ROWS ? m * B_SIZE : B_SIZE); k++) b[k] = (tb)value(k + 3);
    if (CALL != 0) return 1;
    for (int64_t i = 0; i < m * ROW_C / N; i++)
        for (int j = 0; j < N; j++) {
            double s = WANT;
            bad += !(fabs(s - (double)c[i * N + j]) <= 1e-4 * fmax(1, fabs(s)));
        }
    munmap(ma.base, ma.mapped); munmap(mb.base, mb.mapped); munmap(mc.base, mc.mapped);
    if (bad) printf("size %d: %d wrong\n", (int)m, bad);
    return bad != 0;
}
static void *run(void *up)
{
    long bad = 0;
    for (int64_t m = 1; m <= MOST; m++) bad += check(up ? m : MOST + 1 - m);
    return (void *)bad;
}
int main(void)
{
    pthread_t t;
    void *other;
    pthread_create(&t, NULL, run, NULL);
    long bad = (long)run("up");
    pthread_join(t, &other);
    int64_t outside[] = {0, -1, MOST + 1, INT64_MIN, INT64_MAX};
    for (int k = 0; k < 5; k++) { int64_t m = outside[k]; ta *a = 0; tb *b = 0; tc *c = 0;
        static float bias[N]; (void)bias; if (CALL != -3) { puts("outside"); bad++; } }
    return bad || other;
}
END
# every KERNEL MOST THREADS 'NAME=..' CFLAGS...
every() {
    local kernel=$1 most=$2 threads=$3 sizes=$4
    shift 4
    ok "$kernel for every size" "$HONE" query "k.hone:$kernel" --sizes "M=1..$most,$sizes" \
        --emit library -o out --name f --threads "$threads" --db none.db
    ok "$kernel compiles" "$cc" ${san:+-fsanitize=$san} -std=c11 -O1 -w -Iout "-DMOST=$most" "$@" main.c out/f.o \
        "$BUILD/libhone_rt.a" -o run -lpthread -lm
    ok "$kernel computes" ./run
}
mm="-DWANT=product(a+i*K,b+j)"
every dense 75 1 N=40,K=21 -DN=40 -DK=21 -Dta=float -Dtb=float -Dtc=float -DROW_A=K -DROW_C=N \
    "-DB_SIZE=(K*N)" -DB_ROWS=0 "-DCALL=f(m,a,b,bias,c)" "-DWANT=fmax(product(a+i*K,b+j),0)"
every dense 40 2 N=40,K=21 -DN=40 -DK=21 -Dta=float -Dtb=float -Dtc=float -DROW_A=K -DROW_C=N \
    "-DB_SIZE=(K*N)" -DB_ROWS=0 "-DCALL=f(m,a,b,bias,c)" "-DWANT=fmax(product(a+i*K,b+j),0)"
every ints 50 1 N=33,K=20 -DN=33 -DK=20 -Dta=int8_t -Dtb=int8_t -Dtc=int32_t -DROW_A=K -DROW_C=N \
    "-DB_SIZE=(K*N)" -DB_ROWS=0 "-DCALL=f(m,a,b,c)" "$mm"
every batched 20 1 N=9,K=13 -DN=9 -DK=13 -Dta=double -Dtb=double -Dtc=double "-DROW_A=(3*K)" \
    "-DROW_C=(3*N)" "-DB_SIZE=(K*N)" -DB_ROWS=1 "-DCALL=f(m,a,b,c)" \
    "-DWANT=product(a+i*K,b+i/3*K*N+j)"
every soft 30 2 N=19 -DN=19 -DK=1 -Dta=float -Dtb=float -Dtc=float -DROW_A=N -DROW_C=N -DB_SIZE=1 \
    -DB_ROWS=0 "-DCALL=f(m,a,c)" "-DWANT=share(a+i*N,j)"

# ---- the files ----
printf '#include "f.h"\nint main(void) { return 0; }\n' >user.c
cp user.c user.cc
ok "the header is C" "$cc" -std=c99 -pedantic -Wall -Wextra -Werror -Iout -c user.c
if command -v "${CXX:-c++}" >/dev/null; then
    ok "the header is C++" "${CXX:-c++}" -std=c++11 -pedantic -Wall -Wextra -Werror -Iout -c user.cc
fi
cp -r out first
mkdir elsewhere
ok "made again" bash -c "cd elsewhere && umask 077 && TZ=Asia/Tokyo '$HONE' query ../k.hone:soft \
    --sizes M=1..30,N=19 --emit library -o out --name f --threads 2 --db none.db"
for f in f.o f.h; do
    ok "$f has the same bytes" cmp "first/$f" "elsewhere/out/$f"
done
contains() { grep -q -- "$2" "$1"; }
ok "the variants are said" contains out/f.json '"made_for": 30'
ok "the tree is said" contains out/f.json '"last": 30'
ok "and the rungs" contains out/f.json '"rung": '

# ---- a log decides ----
ok "two sizes are tuned" bash -c "for m in 5 24; do '$HONE' tune k.hone:ints -D M=\$m -D N=32 -D K=32 \
    --threads 1 --trials 4 --db log.db; done" >/dev/null
ok "asked of the log" "$HONE" query k.hone:ints --sizes M=1..24,N=32,K=32 --emit library -o tuned \
    --name f --threads 1 --db log.db
ok "the tuned sizes are variants" contains tuned/f.json '"rung": "exact"'
ok "required" "$HONE" query k.hone:ints --sizes M=1..24,N=32,K=32 --require exact --emit library \
    -o tuned --name f --threads 1 --db log.db
ok "the one tuned for all sizes is there" contains tuned/f.json '"made_for": 24'

# ---- what is refused: one line, and no file ----
# refused CODE WORDS ARGUMENTS...
refused() {
    local code=$1 words=$2
    shift 2
    "$HONE" query "$@" -o no --db none.db >out.txt 2>err.txt
    local got=$?
    ok "$*: exit code $code, not $got" [ "$got" = "$code" ]
    ok "$*: says '$words'" contains err.txt "$words"
    ok "$*: one line" [ "$(wc -l <err.txt)" = 1 ]
    ok "$*: writes nothing" [ ! -e no ]
}
lib="--emit library --name f"
# shellcheck disable=SC2086
{
    refused 2 "the range is empty" matmul --sizes M=5..4,N=2,K=2 $lib
    refused 2 "sizes begin at 1" matmul --sizes M=0..4,N=2,K=2 $lib
    refused 2 "one size can have one" matmul --sizes M=1..4,N=1..4,K=2 $lib
    refused 2 "dimension 2 of B depends on it" matmul --sizes M=4,N=1..4,K=2 $lib
    refused 2 "dimension 2 of A depends on it" matmul --sizes M=4,N=4,K=1..2 $lib
    refused 2 "has no range" matmul --sizes M=4,N=4,K=2 $lib
    refused 2 "has no size 'X'" matmul --sizes X=1..4,M=3,N=4,K=2 $lib
    refused 2 "is given twice" matmul --sizes M=1..4,N=4,K=2 -D M=4 $lib
    refused 2 "not 'M=1..'" matmul --sizes M=1..,N=4,K=2 $lib
    refused 2 "not 'M=1..99999999999999999999'" matmul --sizes M=1..99999999999999999999,N=4,K=2 $lib
    refused 2 "goes with --emit library" matmul --sizes M=1..4,N=4,K=2 --emit asm
    refused 2 "is for one target" matmul --sizes M=1..4,N=4,K=2 --target znver4,haswell $lib
    refused 3 "no database" matmul --sizes M=1..4,N=4,K=2 --require exact $lib
}
all_done
