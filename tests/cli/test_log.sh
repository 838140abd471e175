#!/bin/bash
# The log as people treat it: linked, moved, removed while it is written, left behind by the dead.
# shellcheck disable=SC2086
. "$2/tests/cli/lib.sh"

kernel="matmul $small --threads 1"
tune="$HONE tune $kernel --json"

# ---- one file under two names
run 0 $tune --db v.db --trials 2
ln v.db x.db
refuse 2 "'$T/v.db' has 2 names (hard links)" $tune --db v.db --trials 2
refuse 2 "remove the others" $tune --db x.db --trials 2
run 0 "$HONE" db stats x.db
rm x.db
run 0 $tune --db v.db --trials 2
ok "both runs are in it" [ "$(number known)" = 2 ]

# ---- removed, replaced while tuning
for how in "rm t.db" "cp v.db other.db; mv other.db t.db"; do
    rm -f t.db*
    background $tune --db t.db --trials 100000 --no-calibrate
    ok "$how: trials" wait_for 60 at_least 2 '"trial":' bg.out
    eval "$how"
    wait $bg
    ok "$how: exit code 1" [ $? = 1 ]
    says "while hone wrote to it" bg.err
    ok "$how: one line" [ "$(wc -l <bg.err)" = 1 ]
done

# ---- a question without a log is one to an empty log
for f in none.db none/here.db; do
    run 0 "$HONE" query $kernel --db $f
    says ": model, expected to reach"
    refuse 3 "none" "$HONE" query $kernel --db $f --require exact
done
run 0 "$HONE" query $kernel --db none.db --emit asm -o none.s
says "none.db': this is the answer of rung model" err
run 0 "$HONE" query $kernel --db none.db --json
says '"rung":"model"'
ok "and makes none" [ ! -e none.db ]

# ---- a miss says in one line what is there
miss() {
    refuse 3 "$1" "$HONE" query $2 --db v.db --require exact
    ok "a short line" [ "$(wc -c <err)" -lt 300 ]
}
miss "has no result of matmul M=64 N=48 K=32 for 2 threads on" "matmul $small --threads 2"
miss "it has this kernel for 1 thread on" "matmul $small --threads 2"
miss "it has this name for K=32 M=64 N=48, 1 thread on" "matmul -D M=8 -D N=8 -D K=8 --threads 1"
miss "has no result of row_sum M=8 N=8 for 1 thread" "row_sum -D M=8 -D N=8 --threads 1"
cat >matmul.hone <<'EOF'
kernel matmul(M, N, K) {
    input A: f32[M, K]
    input B: f32[K, N]
    output C: f32[M, N]
    C[i, j] = 2 * sum(k < K) A[i, k] * B[k, j]
}
EOF
miss "1 thread on" "matmul.hone $small --threads 1"
says "(of another text)" err

# ---- taking records out
run 0 "$HONE" db stats v.db --json
all=$(number records) good=$(number ok)
run 0 "$HONE" db forget v.db --workload matmul --status OK --before 2026-01-01 --dry-run --json
ok "none is that old" [ "$(number records)" = 0 ]
run 0 "$HONE" db forget v.db --workload matmul --status OK --dry-run --json
ok "would forget $good" [ "$(number records)" = $good ]
says '"forgotten":false'
says "{\"matmul\":$good}"
run 0 "$HONE" db forget v.db --workload matmul --status OK --yes --json
says '"forgotten":true'
run 0 "$HONE" db stats v.db --json
ok "$good are gone" [ "$(number records)" = $((all - good)) ]
ok "and the log says so" [ "$(number forgotten)" = $good ]
run 0 "$HONE" db check v.db
refuse 3 "has no result" "$HONE" query $kernel --db v.db --require exact
run 0 $tune --db v.db --trials $all
ok "they are tried again" [ "$(number ok)" -gt 0 ]
run 0 "$HONE" db check v.db --repair --json
says '"ok":true'

# ---- left by a tuner that was killed, in a folder where the reader may not write
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    background $tune --db k.db --trials 100000 --no-calibrate
    ok "trials" wait_for 60 at_least 2 '"trial":' bg.out
    kill -9 $bg
    wait $bg 2>/dev/null
    ok "its log was not closed" [ -s k.db-wal ]
    chmod 755 .
    stranger="setpriv --reuid=65534 --regid=65534 --clear-groups"
    if $stranger test -x "$HONE"; then
        run 0 $stranger "$HONE" query $kernel --db k.db --require exact
        says "exact, "
        run 0 $stranger "$HONE" db check k.db
        refuse 1 "k.db" $stranger $tune --db k.db --trials 1
    fi
fi

all_done
