#!/bin/bash
# What `hone query` writes: every kind of text, and objects that an ordinary C program links with
# libhone_rt.a alone and that compute what the kernel says.
# shellcheck disable=SC2086,SC2317
. "$2/tests/cli/lib.sh"

link=$(sed -n 's/^CMAKE_C_COMPILER:.*=//p' "$BUILD/CMakeCache.txt")
san=$(sed -n 's/^HONE_SANITIZE:.*=//p' "$BUILD/CMakeCache.txt")
# compile PROGRAM FILES...: with the runtime as this build has it, and nothing else.
compile() {
    local out=$1
    shift
    "${link:-cc}" ${san:+-fsanitize=$san} -O1 -Wall -Werror -o "$out" "$@" "$BUILD/libhone_rt.a" \
        -lm -lpthread
}

run 0 "$HONE" tune matmul $small --threads 1 --trials 12 --db m.db

# ---- the answer in words
run 0 "$HONE" query matmul $small --threads 1 --db m.db
says "exact, "
says "checked against the reference: errors up to"
run 0 "$HONE" query matmul -D M=5 -D N=5 -D K=5 --threads 1 --db m.db
says ", expected to reach" # which rung depends on what was measured
run 0 "$HONE" query matmul $small --threads 2 --db m.db
says ", expected to reach"
run 0 "$HONE" query matmul $small --threads 1 --db m.db --require exact

# ---- the ways to write an option
run 0 "$HONE" query matmul $small --threads 1 --db m.db
cp out first
run 0 "$HONE" query -DM=64 --db=m.db matmul -D N=48 --threads=1 -DK=32
ok "the same answer" cmp -s first out
run 0 "$HONE" query $small --threads 1 --db m.db -- matmul
ok "the same answer" cmp -s first out

# ---- misses that a build script must notice
refuse 3 "m.db" "$HONE" query matmul -D M=5 -D N=5 -D K=5 --threads 1 --db m.db --require exact
refuse 3 "m.db" "$HONE" query matmul $small --threads 2 --db m.db --require exact
refuse 3 "m.db" "$HONE" query softmax -D M=4 -D N=4 --threads 1 --db m.db --require exact \
    --emit library -o nothing
ok "and nothing is written" [ ! -e nothing ]

# ---- every kind, to standard output and to a file
for kind in object asm llvm program trace; do
    run 0 "$HONE" query matmul $small --threads 1 --db m.db --emit $kind --name f
    cp out "first.$kind"
    ok "$kind says something" [ -s "first.$kind" ]
    run 0 "$HONE" query matmul $small --threads 1 --db m.db --emit $kind --name f -o "a.$kind"
    ok "$kind: the file is the output" cmp -s "first.$kind" "a.$kind"
    says "exact, "
done
says "f:" a.asm
says "define" a.llvm
says "program matmul {" a.program
says '[[' a.trace
run 0 "$HONE" show matmul $small --trace a.trace
ok "show of the trace is the program" cmp -s out a.program
echo '[[["GetBlock",[],["Q","main"],["b0"]]],[]]' >other.trace
refuse 1 "Q" "$HONE" show matmul $small --trace other.trace
refuse 1 "Q" "$HONE" query matmul $small --trace other.trace --emit asm
refuse 3 "none.trace" "$HONE" query matmul $small --trace none.trace --emit asm
refuse 2 "--require asks the log" "$HONE" query matmul $small --trace a.trace --require exact
run 0 "$HONE" query matmul $small --threads 1 --db no.db --trace a.trace --emit object --name f
ok "the same trace gives the same object" cmp -s out a.object
run 0 "$HONE" show matmul $small
says "block C(vi: 64 = i, vj: 48 = j, reduce vk: 32 = k)"
run 1 "$HONE" query matmul $small --threads 1 --db m.db --emit asm -o none/here.s
ok "one line" [ "$(wc -l <err)" = 1 ]

# ---- a library, deterministic, linked with libhone_rt.a alone
run 0 "$HONE" query matmul $small --threads 1 --db m.db --emit library -o lib --name mm
says "exact, "
mkdir again
run 0 "$HONE" query matmul $small --threads 1 --db m.db --emit library -o again --name mm
for f in mm.o mm.h mm.json; do
    ok "$f is the same each time" cmp -s "lib/$f" "again/$f"
done
before=$(stat -c '%y %i' lib/*)
run 0 "$HONE" query matmul $small --threads 1 --db m.db --emit library -o lib --name mm
ok "what is there already is not written again" [ "$(stat -c '%y %i' lib/*)" = "$before" ]
ok "three files" [ "$(find lib -type f | wc -l)" = 3 ]
says "int mm(const float *A, const float *B, float *C);" lib/mm.h
cat >main.c <<'EOF'
#include "lib/mm.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
enum { M = 64, N = 48, K = 32 };
int main(void)
{
    float *A = aligned_alloc(64, M * K * 4), *B = aligned_alloc(64, K * N * 4);
    float *C = aligned_alloc(64, M * N * 4);
    for (int i = 0; i < M * K; i++)
        A[i] = (float)((i * 37) % 101) / 50 - 1;
    for (int i = 0; i < K * N; i++)
        B[i] = (float)((i * 53) % 97) / 48 - 1;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < M * N; i++)
            C[i] = NAN;
        if (mm(A, B, C) != 0)
            return 1;
        for (int i = 0; i < M; i++)
            for (int j = 0; j < N; j++) {
                double want = 0;
                for (int k = 0; k < K; k++)
                    want += (double)A[i * K + k] * B[k * N + j];
                if (!(fabs(C[i * N + j] - want) < 1e-4)) {
                    printf("C[%d, %d] = %g instead of %g\n", i, j, C[i * N + j], want);
                    return 1;
                }
            }
    }
    free(A);
    free(B);
    free(C);
    puts("right");
    return 0;
}
EOF
ok "links" compile main main.c lib/mm.o
run 0 ./main
says right
ok "links as a position independent object" compile libmm.so -shared lib/mm.o
# the header twice, and as strict C
printf '#include "lib/mm.h"\n#include "lib/mm.h"\n' >twice.c
ok "the header stands alone" "${link:-cc}" -std=c99 -pedantic -Wall -Wextra -Werror -c twice.c

# ---- several threads: HONE_NUM_THREADS, more of them than processors
run 0 "$HONE" query matmul $small --threads 4 --db m.db --emit library -o four --name mm
sed 's/lib\/mm.h/four\/mm.h/' main.c >four.c
ok "links" compile main4 four.c four/mm.o
run 0 env HONE_NUM_THREADS=3 ./main4
says right

# ---- the default name is the kernel's; -o's default is here
run 0 "$HONE" query matmul $small --threads 1 --db m.db --emit library
ok "matmul.o" [ -s matmul.o ]
says "int matmul(" matmul.h

# ---- the schedule of a trace, without a log
run 0 "$HONE" query matmul $small --threads 1 --trace a.trace --emit library -o given --name mm
says "trace that was given"
says '"rung": "given"' given/mm.json
ok "the same object" cmp -s given/mm.o lib/mm.o

# ---- an answer without a result still gives a correct program, and warns
run 0 "$HONE" query matmul -D M=64 -D N=48 -D K=32 --threads 2 --db no.db --emit library -o plain \
    --name mm
says "this is the answer of rung model" err
says '"reason": "the best of' plain/mm.json
says '"expected_share": 0.' plain/mm.json
sed 's/lib\/mm.h/plain\/mm.h/' main.c >plain.c
ok "links" compile mainp plain.c plain/mm.o
run 0 ./mainp
says right

all_done
