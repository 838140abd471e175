#!/bin/bash
# Libraries as candidates, from the text to a program that is right: one that computes the right thing,
# and those that lie, crash, hang, are missing; then OpenBLAS, where it is installed.
# shellcheck disable=SC2086,SC2317
. "$2/tests/cli/lib.sh"

cc=$(sed -n 's/^CMAKE_C_COMPILER:.*=//p' "$BUILD/CMakeCache.txt")
san=$(sed -n 's/^HONE_SANITIZE:.*=//p' "$BUILD/CMakeCache.txt")
cat >test.c <<'END'
#define PRODUCT(name, more)                                                            \
    int name(int m, int n, int k, const float *a, const float *b, float *c)            \
    {                                                                                  \
        more;                                                                          \
        for (int i = 0; i < m; i++)                                                    \
            for (int j = 0; j < n; j++) {                                              \
                double s = 0;                                                          \
                for (int l = 0; l < k; l++)                                            \
                    s += (double)a[i * k + l] * (double)b[l * n + j];                  \
                c[i * n + j] = (float)s;                                               \
            }                                                                          \
        return 0;                                                                      \
    }
static volatile int sink;
PRODUCT(right, )
PRODUCT(slow, for (int i = 0; i < 2000000; i++) sink = i)
PRODUCT(liar, if (m > 1) m--)
PRODUCT(crash, *(volatile int *)16 = 1)
PRODUCT(hang, while (1) sink++)
END
run 0 "$cc" -O2 -shared -fPIC -o libtest.so.1 test.c
ln -s libtest.so.1 libtest.so
# text NAME [SED]: NAME.lib, which calls the function NAME.
text() {
    cat >"$1.lib" <<END
hone-library 1
file libtest.so
link test
kernel matmul
call i32 $1(i32 M, i32 N, i32 K, ptr A, ptr B, ptr C)
END
}
for f in right slow liar crash hang; do text $f; done
tune="$HONE tune matmul $small --threads 1 --trials 4"
query="$HONE query matmul $small --threads 1"
# status NAME: what the last line of `tune --json` says of the library.
status() {
    tail -n 1 out | sed -n "s/.*\"libraries\":\[\([^]]*\)\].*/\1/p" | tr '{' '\n' |
        grep "\"name\":\"$1\"" | sed 's/.*"status":"\([^"]*\)".*/\1/'
}

# ---- right and slow: it is measured, and loses
run 0 $tune --db slow.db --candidate-lib slow=slow.lib --json
ok "measured" [ "$(status slow)" = OK ]
run 0 $query --db slow.db --candidate-lib slow=slow.lib --explain
says "- library  library slow, slow of libtest.so.1, was measured not to be faster"
says "exact, "
run 0 $query --db slow.db --candidate-lib slow=slow.lib --json
ok "a schedule is the answer" [ "$(lines '"library"')" = 0 ]
run 0 $tune --db slow.db --candidate-lib slow=slow.lib
says "library  slow: "
says "of the best schedule's time"

# ---- right, and the answer: here because the log's schedules were taken out of it
run 0 $tune --db t.db --candidate-lib right=right.lib --json
ok "measured" [ "$(status right)" = OK ]
won=$(tail -n 1 out | sed -n 's/.*"over_best":\([0-9.e+-]*\).*/\1/p')
run 0 $query --db t.db --candidate-lib right=right.lib --json
ok "who wins by the summary (${won:-?}) is the answer" \
    [ "$(lines '"library"')" = "$(awk -v w="${won:-2}" 'BEGIN { print w < 1 ? 1 : 0 }')" ]
run 0 $query --db t.db --json
ok "a schedule for who does not name it" [ "$(lines '"library"')" = 0 ]
says '"rung":"exact"'
run 0 "$HONE" explain matmul $small --threads 1 --db t.db
says "library call on record: right, right of libtest.so.1: "
run 0 "$HONE" db export t.db --format csv -o all.csv
ok "one record of a call" [ "$(grep -c '"{""library"":{' all.csv)" = 1 ]
run 0 "$HONE" db export t.db --format tvm -o tvm
says "a library's call, which is no schedule"
run 0 "$HONE" report t.db -o report.html
ok "the report counts it" grep -q '"library_results":1' report.html
run 0 "$HONE" db merge merged.db t.db slow.db
run 0 "$HONE" db check merged.db
run 0 "$HONE" db prune merged.db --keep 2
run 0 "$HONE" db salvage merged.db saved.db
run 0 "$HONE" db export saved.db --format csv -o all.csv
ok "both calls are there" [ "$(grep -c '"{""library"":{' all.csv)" = 2 ]
run 0 "$HONE" replay saved.db --trials 2 --seeds 1
while read -r hash; do
    run 0 "$HONE" db forget saved.db --trace "$hash" --yes
done < <(grep ',\[\[\|,"\[\[' all.csv | sed 's/.*,\([0-9a-f]\{16\}\),\(OK\|REJECT_[A-Z_]*\),.*/\1/')
run 0 $query --db saved.db --candidate-lib right=right.lib --candidate-lib slow=slow.lib --explain
says "exact, "
says "calls right of libtest.so, checked against the reference"
says "* library  library right, right of libtest.so.1, was measured here, and no schedule was"
run 0 $query --db saved.db --candidate-lib right=right.lib --require exact --json
says '"library":{"args":["i32 64","i32 48","i32 32","ptr 0","ptr 1","ptr 2"],"file":"libtest.so","function":"right"'
says '"real":"libtest.so.1"'
refuse 3 "" $query --db saved.db --require exact
run 0 $query --db saved.db --json
ok "never for who does not name it" [ "$(lines '"library"')" = 0 ]

# ---- a program that calls it
cat >main.c <<'END'
#include "product.h"
#include <stdio.h>
static _Alignas(64) float a[64][32], b[32][48], c[64][48];
int main(void)
{
    int bad = 0;
    for (int i = 0; i < 64; i++)
        for (int k = 0; k < 32; k++)
            a[i][k] = (float)(i - k);
    for (int k = 0; k < 32; k++)
        for (int j = 0; j < 48; j++)
            b[k][j] = (float)(k + 2 * j);
    int rc = product(&a[0][0], &b[0][0], &c[0][0]);
    for (int i = 0; i < 64; i++)
        for (int j = 0; j < 48; j++) {
            float want = 0;
            for (int k = 0; k < 32; k++)
                want += a[i][k] * b[k][j];
            bad += c[i][j] != want;
        }
    puts(rc || bad ? "wrong" : "right");
    return rc || bad;
}
END
right="--db saved.db --candidate-lib right=right.lib"
run 0 $query $right --emit library -o out.dir --name product
says "calls right of libtest.so, checked"
says 'Calls right of libtest.so (measured with libtest.so.1): link with -ltest.' out.dir/product.h
says '"link": "test"' out.dir/product.json
run 0 "$cc" ${san:+-fsanitize=$san} -Wall -Wextra -Werror -Iout.dir -o main main.c out.dir/product.o -L. -ltest
run 0 env LD_LIBRARY_PATH=. ./main
says right
run 0 $query $right --emit llvm --name product -o f.ll
says "declare i32 @right(i32 signext, i32 signext, i32 signext, ptr, ptr, ptr)" f.ll
refuse 2 "has no trace: leave out --candidate-lib" $query $right --emit trace
refuse 2 "has no program: leave out --candidate-lib" $query $right --emit program
refuse 2 "'right' is the library's own function" $query $right --emit object --name right -o f.o
refuse 2 "for one target" $query $right --target native,x86-64-v2 --emit library
refuse 2 "no --service, --trace or --sizes" $query $right --trace nix.json

# ---- through a lock, which says nothing until the build allows it
run 0 "$HONE" lock -o hone.lock matmul $small --threads 1 $right --name product
says "product for "
ok "the lock has the call" grep -q '"function": "right"' hone.lock
refuse 2 "product calls right of library right: allow that with --allow-lib right" \
    "$HONE" build --lock hone.lock -o built --locked
ok "nothing was made" [ ! -e built ]
run 0 "$HONE" build --lock hone.lock -o built --locked --allow-lib right
says "product: exact, calls right of libtest.so: link with -ltest"
ok "the same object" cmp built/product.o out.dir/product.o
ok "the same header" cmp built/product.h out.dir/product.h
mv right.lib gone.lib # a build needs neither text nor library
mv libtest.so.1 gone.so
rm -r built
run 0 "$HONE" build --lock hone.lock -o built --locked --allow-lib right
mv gone.so libtest.so.1
mv gone.lib right.lib
if command -v cmake >/dev/null && command -v ninja >/dev/null && [ -z "$san" ]; then
    mkdir app
    cp main.c hone.lock app
    cat >app/CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.20)
project(app LANGUAGES C)
find_package(hone REQUIRED)
link_directories($T)
hone_add_kernels(kernels LOCK hone.lock ALLOW_LIBS right)
add_executable(app main.c)
target_link_libraries(app PRIVATE kernels)
END
    run 0 cmake -S app -B app/build -G Ninja -Dhone_DIR="$BUILD"
    run 0 ninja -C app/build
    run 0 env LD_LIBRARY_PATH=. app/build/app
    says right
fi

# ---- another version of the file, or none: it was not measured
run 0 $query $right --json
cp libtest.so.1 before.so
echo "more" >>libtest.so.1
run 0 $query $right --explain
says "- library  none of those named was measured"
ok "a schedule is the answer" [ "$(lines 'calls right')" = 0 ]
mv libtest.so.1 gone.so
run 0 $query $right --json
says "library right: there is no 'libtest.so' on this machine: it is no answer here" err
ok "a schedule is the answer" [ "$(lines '"library"')" = 0 ]
refuse 3 "there is no 'libtest.so' on this machine" $tune --db none.db --candidate-lib right=right.lib
mv before.so libtest.so.1
run 0 $query $right --json
says '"library"'

# ---- those that are wrong: a line each, and the search is none the worse
run 0 $tune --db bad.db --candidate-lib liar=liar.lib --candidate-lib crash=crash.lib --json
ok "a lie: $(status liar)" [ "$(status liar)" = REJECT_WRONG_RESULT ]
ok "a crash: $(status crash)" [ "$(status crash)" = REJECT_CRASH ]
ok "it found a schedule" [ "$(number best_ns)" -gt 0 ]
run 0 $tune --db bad.db --candidate-lib liar=liar.lib
says "library  liar: rejected: "
run 0 $query --db bad.db --candidate-lib liar=liar.lib --explain
says "- library  none of those named was measured"

# ---- what cannot be had: one line, and nothing is changed
refuse 3 "nowhere.lib" $tune --db none.db --candidate-lib x=nowhere.lib
sed 's/libtest.so/libnowhere.so/' right.lib >missing.lib
refuse 3 "there is no 'libnowhere.so'" $tune --db none.db --candidate-lib x=missing.lib
sed 's/i32 right/i32 left/' right.lib >symbol.lib
refuse 2 "has no function 'left'" $tune --db none.db --candidate-lib x=symbol.lib
sed 's/ptr C/ptr D/' right.lib >tensor.lib
refuse 2 "'D' is no tensor of the kernel" $tune --db none.db --candidate-lib x=tensor.lib
sed 's/i32 K/i32 L/' right.lib >size.lib
refuse 2 "'L' is no product" $tune --db none.db --candidate-lib x=size.lib
sed 's/kernel matmul/kernel softmax/' right.lib >other.lib
refuse 2 "library x computes softmax" $tune --db none.db --candidate-lib x=other.lib
sed 's/call/fall/' right.lib >word.lib
refuse 2 "word.lib:5: 'fall' is not file" $tune --db none.db --candidate-lib x=word.lib
refuse 2 "takes NAME=TEXT" $tune --db none.db --candidate-lib right.lib
refuse 2 "two libraries are called x" $tune --db none.db --candidate-lib x=right.lib --candidate-lib x=slow.lib
refuse 2 "for one KERNEL" "$HONE" tune --tasks resnet50 --db none.db --candidate-lib x=right.lib
refuse 2 "no --db" $tune --service ipc://nix --candidate-lib x=right.lib
ok "no log was made" [ ! -e none.db ]
refuse 2 "word.lib:5: 'fall' is not file" "$BUILD/hone-device" --connect ipc://nix --candidate-lib x=word.lib
refuse 2 "word.lib:5: 'fall' is not file" "$HONE" worker --connect ipc://nix --candidate-lib x=word.lib

# ---- a device that was not started with it; one that was
"$BUILD/hone-device" --listen "ipc://$T/dev" 2>dev.err &
device=$!
run 0 $tune --db dev.db --worker "ipc://$T/dev" --candidate-lib right=right.lib --json
ok "set aside" [ "$(status right)" = "not measured" ]
says "was not started with (--candidate-lib)"
kill $device
wait $device
"$BUILD/hone-device" --listen "ipc://$T/dev2" --candidate-lib right=right.lib 2>dev.err &
device=$!
run 0 $tune --db dev.db --worker "ipc://$T/dev2" --candidate-lib right=right.lib --json
ok "measured there" [ "$(status right)" = OK ]
kill $device
wait $device

# ---- OpenBLAS
export HONE_RT=$BUILD/libhone_rt.a OUT=$T/openblas TRIALS=4 CC="$cc" HONE
if [ -z "$san" ] && ls /usr/lib/*/libopenblas.so /usr/lib/*/libopenblas.so.0 >/dev/null 2>&1; then
    run 0 sh "$SRC/examples/library/tune.sh"
    says "library  openblas: "
    says "of the best schedule's time"
    says "right (largest error"
    blas="openblas=$SRC/examples/library/openblas.lib"
    two="matmul -D M=128 -D N=128 -D K=128 --threads 2 --db two.db"
    run 0 "$HONE" tune $two --trials 2 --candidate-lib "$blas" --json
    ok "with two threads: $(status openblas)" [ "$(status openblas)" = OK ]
else
    echo "not installed, or not for sanitizers, skipped: libopenblas-dev"
fi

all_done
