#!/bin/bash
# Ctrl-C ends a run cleanly, and the same command again goes on without measuring anything twice.
# shellcheck disable=SC2086
. "$2/tests/cli/lib.sh"

kernel="matmul -D M=96 -D N=80 -D K=64 --threads 1"

# ---- the same command three times
total=0
for n in 10 7 5; do
    run 0 "$HONE" tune $kernel --trials $n --json
    ok "$n trials" [ "$(number trials)" = $n ]
    ok "knows $total" [ "$(number known)" = $total ]
    best=$(number best_ns)
    best_trace=$(sed -n 's/.*"best_trace":"\([0-9a-f]*\)".*/\1/p' out)
    ok "names the best" [ ${#best_trace} = 16 ]
    total=$((total + n))
    run 0 "$HONE" db stats hone.db --json
    ok "$total different candidates in the log" [ "$(number records)" = $total ]
done
run 0 "$HONE" query $kernel --json
ok "query gives the time that was reported" [ "$(number time_ns)" = "$best" ]
ok "and the trace" [ "$(sed -n 's/.*"trace_hash":"\([0-9a-f]*\)".*/\1/p' out)" = "$best_trace" ]

# ---- another seed and another thread count share the file
run 0 "$HONE" tune $kernel --trials 4 --seed 99 --json
ok "another seed knows them too" [ "$(number known)" = $total ]
run 0 "$HONE" tune matmul -D M=96 -D N=80 -D K=64 --threads 2 --trials 4 --json
ok "another thread count is another target" [ "$(number known)" = 0 ]
run 0 "$HONE" db stats hone.db --json
ok "one workload" [ "$(number workloads)" = 1 ]
ok "two targets" [ "$(number targets)" = 2 ]

# ---- the same seed gives the same candidates in an empty file
hashes() { # of the candidates in the output of the last tune; hashes WHY: of those so proposed
    sed -n 's/.*"trace_hash":"\([0-9a-f]*\)".*"trial":.*"why":"'"${1-}"'.*/\1/p' out | sort
}
for f in a b c; do
    seed=5
    [ $f = c ] && seed=6
    run 0 "$HONE" tune $kernel --trials 16 --seed $seed --db $f.db --json
    hashes >$f.first
    run 0 "$HONE" tune $kernel --trials 24 --seed $seed --strategy random --db $f.random.db --json
    hashes random >$f.random
done
ok "the first batch of the search is the same" cmp -s a.first b.first
ok "it has 16 candidates" [ "$(sort -u a.first | wc -l)" = 16 ]
ok "all random candidates are the same" cmp -s a.random b.random
ok "there are some behind the seeds" [ "$(sort -u a.random | wc -l)" -ge 7 ]
ok "with another seed they are others" [ "$(comm -12 a.random c.random | wc -l)" -le 2 ]

# ---- Ctrl-C
for signal in INT TERM; do
    # a background process of a script ignores SIGINT unless it is told otherwise
    background env --default-signal=INT "$HONE" tune $kernel --db $signal.db --trials 1000 --no-calibrate --json
    ok "$signal: trials" wait_for 60 at_least 5 '"trial":' bg.out
    all=$(family $bg)
    kill -$signal $bg
    wait $bg
    ok "$signal: exit code 0, for something was found" [ $? = 0 ]
    ok "$signal: no process is left" gone 10 $all
    says '"interrupted":true' bg.out
    seen=$(lines '"trial":' bg.out)
    ok "$signal: the summary counts the $seen trials" [ "$(number trials bg.out)" = $seen ]
    ok "$signal: not all" [ $seen -lt 1000 ]
    ok "$signal: nothing on stderr" [ ! -s bg.err ]
    run 0 "$HONE" db check $signal.db
    run 0 "$HONE" tune $kernel --db $signal.db --trials 3 --json
    ok "$signal: goes on" [ "$(number known)" = $seen ]
done

# ---- in words
found() {
    "$HONE" db stats words.db --json 2>/dev/null | grep -q '"ok": *[1-9]'
}
background env --default-signal=INT "$HONE" tune $kernel --db words.db --trials 1000 --no-calibrate
ok "words: finds something" wait_for 60 found
kill -INT $bg
wait $bg
ok "words: exit code 0" [ $? = 0 ]
says "interrupted: run the same command to go on" bg.out
says "log      words.db" bg.out
ok "quiet when not a terminal" [ ! -s bg.err ]

# ---- a limit of time, in a log that has results: a slow machine may add none in it
begin=$(date +%s)
run 0 "$HONE" tune $kernel --db words.db --time 2 --json
seconds=$(($(date +%s) - begin))
ok "goes on till then" [ $seconds -ge 2 ]
ok "stops before all is tried" grep -q '"exhausted":false' out
ok "knows" [ "$(number known)" -ge 1 ]

# ---- two at once: the second is told about the first
background "$HONE" tune $kernel --db busy.db --trials 1000 --no-calibrate
ok "writes" wait_for 30 test -s busy.db
refuse 1 "$bg" "$HONE" tune $kernel --db busy.db --trials 1
run 0 "$HONE" db stats busy.db
kill $bg
wait $bg

all_done
