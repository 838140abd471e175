#!/bin/bash
# The ladder of `hone query`, as a build script meets it: every rung, what is required and explained, several
# logs, and libraries that say where they come from and compute what the kernel says.
# shellcheck disable=SC2086,SC2317
. "$2/tests/cli/lib.sh"

run 0 "$HONE" tune matmul $small --threads 1 --trials 16 --db a.db
run 0 "$HONE" tune matmul -D M=64 -D N=96 -D K=64 --threads 1 --trials 16 --db b.db
ask="$HONE query matmul --threads 1"
near="-D M=64 -D N=96 -D K=32"

# ---- a rung each, and its words in JSON
rung() {
    checks=$((checks + 1))
    grep -q "\"rung\":\"$1\"" <(sed 's/"ladder":.*//' out) || fail "not rung $1"
    grep -q '"reason":"[^"]' out || fail "no reason"
    share=$(number expected_share)
    awk -v x="${share:-2}" 'BEGIN { exit !(x > 0 && x <= 1) }' || fail "share ${share:-?}"
}
run 0 $ask $small --db a.db --json
rung exact
says '"time_ns":'
run 0 $ask $near --db a.db --db b.db --json
ok "no time where nothing was measured" sh -c '! grep -q time_ns out'
run 0 $ask $near --db none.db --json
rung model
run 0 $ask $small --threads 2 --db a.db --json --explain
says '"rung":"class"'
says '"ladder":[{'
says '"predicted_vs_default":'

# ---- what is explained is answered the same
run 0 $ask $near --db a.db --emit trace
cp out plainly
run 0 $ask $near --db a.db --explain --emit trace
ok "the same answer" cmp -s plainly out
run 0 $ask $near --db a.db --explain
for r in exact class nearest model default; do
    ok "$r is told" grep -q "^  [*+-] $r " out
done
ok "one is taken" [ "$(lines '^  \* ')" = 1 ]

# ---- what is required
refuse 3 "it has this name for K=32 M=64 N=48" $ask $near --db a.db --require exact
refuse 3 "class: it was tuned at these sizes for no other target" $ask $near --db a.db --require class
# whether the guard lets it pass depends on what was measured
ok "model, or why not" sh -c "$ask $near --db a.db --require model >m.out 2>m.err
    case \$? in 0) ;; 3) grep -q 'passed over' m.err ;; *) false ;; esac"
run 0 $ask $near --db a.db --require default
refuse 3 "there is no database" $ask $near --db none.db --require nearest
refuse 2 "--require is exact, class, nearest, model or default, not 'close'" $ask $small --require close
refuse 2 "--explain asks the log" $ask $small --trace plainly --explain

# ---- what code generation refuses is no answer
run 0 env HONE_FAULT=emit.refuse:1 $ask $small --db a.db --emit library -o other --name f
says "no code can be made of the result of matmul" err
says 'no code can be made of exact' other/f.json
ok "another rung" sh -c '! grep -q "\"rung\": \"exact\"" other/f.json'
refuse 3 "no code can be made of the result" env HONE_FAULT=emit.refuse:1 $ask $small --db a.db --emit asm \
    --require exact
run 1 env HONE_FAULT=emit.refuse $ask $small --db a.db --emit object -o none.o
ok "one line" [ "$(wc -l <err)" = 1 ]
ok "no file" [ ! -e none.o ]
run 0 env HONE_FAULT=emit.refuse:1 "$HONE" lock -o refused.lock matmul $small --threads 1 --db a.db
says 'no code can be made of exact' refused.lock
refuse 2 "--target has an empty name" $ask $small --target native, --emit library -o other
refuse 2 "twice" $ask $small --target native,native --emit library -o other

# ---- several logs: those that are there answer, and one that cannot be read is a failure
run 0 $ask $small --db none.db --db b.db --db a.db --json
rung exact
ok "one warning" [ "$(wc -l <err)" = 1 ]
says "none.db': not asked" err
run 0 $ask $small --db b.db --db a.db --json
rung exact
ok "none" [ ! -s err ]
head -c 3000 /dev/urandom >noise.db
refuse 2 "is not a hone database" $ask $small --db a.db --db noise.db
cp a.db cut.db
truncate -s 20000 cut.db
run 1 $ask $near --db b.db --db cut.db
says "cut.db" err
ok "one line" [ "$(wc -l <err)" = 1 ]
ok "and no answer" [ ! -s out ]

# ---- for another processor: never what it cannot run
base='{"kind":"llvm","mcpu":"x86-64","mtriple":"x86_64-pc-linux-gnu","num-cores":2,"vector-bytes":16,
"vector-registers":16,"cache-line-bytes":64,"fma-latency":4,"fma-per-cycle":1,"l1-bytes":32768,
"l2-bytes":262144,"l3-bytes":0}'
if grep -qw avx2 /proc/cpuinfo; then
    refuse 3 "only for targets whose code this one cannot run" $ask $small --db a.db --target "$base" \
        --require class
    run 0 $ask $small --db a.db --target "$base" --emit asm
    ok "no wide vectors" sh -c '! grep -q "%[yz]mm" out'
fi

# ---- libraries of all rungs compute what the kernel says
cat >main.c <<'EOC'
#include "lib.h"
#include <stdio.h>
enum { M = 64, N = 96, K = 32 };
static float A[M * K], B[K * N], C[M * N];
int main(void)
{
    for (int i = 0; i < M * K; i++)
        A[i] = (float)(i % 7) - 3;
    for (int i = 0; i < K * N; i++)
        B[i] = (float)(i % 5) - 2;
    if (f(A, B, C))
        return 1;
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            float sum = 0;
            for (int k = 0; k < K; k++)
                sum += A[i * K + k] * B[k * N + j];
            if (C[i * N + j] != sum)
                return 2;
        }
    puts("right");
    return 0;
}
EOC
san=$(sed -n 's/^HONE_SANITIZE:.*=//p' "$BUILD/CMakeCache.txt")
run 0 $ask $near --db a.db --explain --json
cp out ladder.json
tried=0
for r in nearest model default; do
    # the trace of a rung, between its key and the next member
    sed "s/.*\"rung\":\"$r\",\"taken\":[a-z]*,\"trace\":\(.*\)/\1/; s/,\"what\":.*//" ladder.json >$r.trace
    run 0 "$HONE" query matmul $near --threads 1 --trace $r.trace --emit library -o $r --name f
    cp $r/f.h lib.h
    ok "$r links" cc ${san:+-fsanitize=$san} -O1 -o prog main.c $r/f.o "$BUILD/libhone_rt.a" -lm -lpthread
    run 0 ./prog
    says right
    tried=$((tried + 1))
done
ok "three rungs" [ $tried = 3 ]
run 0 $ask $near --db a.db --emit library -o lib --name f
says '"reason": "' lib/f.json
says '"expected_share": 0.' lib/f.json
says '"rung": "' lib/f.json
ok "no path of this machine" sh -c "! grep -q '$T' lib/f.json"

# ---- the log that comes with hone
target=$(python3 - "$BUILD/shipped.db" <<'END'
import sqlite3, sys
db = sqlite3.connect("file:%s?mode=ro&immutable=1" % sys.argv[1], uri=True)
print(db.execute("SELECT text FROM target WHERE threads = 1").fetchone()[0])
END
)
run 0 "$HONE" db check "$BUILD/shipped.db"
run 0 "$HONE" query softmax -D M=512 -D N=512 --threads 1 --target "$target" --db none.db --db shipped --require exact --json
rung exact
run 0 "$HONE" query softmax -D M=512 -D N=512 --threads 1 --target "$target" --db none.db --json
ok "only when it is named" sh -c "! grep -q '\"rung\":\"exact\"' out"
cp "$BUILD/shipped.db" . && ok "the installed one" sh -c "\"$HONE\" query softmax -D M=512 -D N=512 --threads 1 --db ./shipped.db >/dev/null"

# ---- a folder that may not be written to
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    mkdir shut && cp a.db shut && chmod 555 shut && chmod 444 shut/a.db && chmod 755 .
    stranger="setpriv --reuid=65534 --regid=65534 --clear-groups"
    if $stranger test -x "$HONE"; then
        run 0 $stranger $ask $small --db shut/a.db --json
        rung exact
        run 0 $stranger $ask $near --db shut/a.db --json
        ok "nothing was made" [ "$(ls shut)" = a.db ]
    fi
fi
all_done
