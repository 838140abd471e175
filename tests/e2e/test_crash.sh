#!/bin/bash
# kill -9 of the worker that builds, of the one that measures, and of the tune itself: nothing but
# the attempt in hand is lost, and nobody is left behind.
# shellcheck disable=SC2086,SC2317,SC2046
. "$2/tests/cli/lib.sh"

tune="$HONE tune matmul -D M=96 -D N=80 -D K=64 --threads 1 --json"

# ---- a worker is killed, several times
has_worker() { # has_worker ROLE: sets w
    w=$(worker_of $bg $1) && [ -n "$w" ]
}
for role in run build; do
    background $tune --db $role.db --trials 80
    for after in 3 8 14; do
        ok "$role: $after trials" wait_for 60 at_least $after '"trial":' bg.out
        ok "$role: has a worker" wait_for 20 has_worker $role # it may be on its way back
        below=$(family $w)
        kill -9 $w
        ok "$role: what was below the killed worker goes too" gone 20 $below
    done
    wait $bg
    ok "$role: exit code 0" [ $? = 0 ]
    says '"summary":true' bg.out
    ok "$role: all trials" [ "$(number trials bg.out)" = 80 ]
    ok "$role: one line per trial" [ "$(lines '"trial":' bg.out)" = 80 ]
    ok "$role: trials are numbered" [ "$(number trial bg.out)" = 80 ]
    ok "$role: nobody is blamed" [ "$(lines REJECT_CRASH bg.out)" = 0 ]
    ok "$role: something was found" [ "$(number best_ns bg.out)" -gt 0 ]
    run 0 "$HONE" db check $role.db
    run 0 "$HONE" db stats $role.db --json
    ok "$role: everything is in the log" [ "$(number records)" = 80 ]
done

# ---- the measuring process itself (below the worker) is killed
background $tune --db child.db --trials 60
ok "trials" wait_for 60 at_least 4 '"trial":' bg.out
w=$(worker_of $bg run)
for c in $(children $w); do
    kill -9 $c
done
wait $bg
ok "child: exit code 0" [ $? = 0 ]
ok "child: all trials" [ "$(number trials bg.out)" = 60 ]
run 0 "$HONE" db check child.db

# ---- the tune is killed; the same command goes on
background $tune --db killed.db --trials 1000 --no-calibrate
ok "trials" wait_for 60 at_least 12 '"trial":' bg.out
all=$(family $bg)
folder=$(tr '\0' '\n' <"/proc/$(worker_of $bg build)/cmdline" | sed -n 's|^ipc://\(.*\)/pool$|\1|p')
ok "it has a folder for its socket" [ -S "$folder/pool" ]
ok "it has workers" [ "$(echo "$all" | wc -l)" -ge 4 ]
kill -9 $bg
wait $bg 2>/dev/null
ok "no process is left" gone 20 $all
seen=$(lines '"trial":' bg.out)
run 0 "$HONE" db check killed.db
run 0 "$HONE" db stats killed.db --json
logged=$(number records)
ok "what was reported ($seen) is in the log ($logged)" [ "$logged" -ge "$seen" ]
run 0 $tune --db killed.db --trials 10
ok "10 more" [ "$(number trials)" = 10 ]
ok "it knows the $logged of before" [ "$(number known)" = "$logged" ]
run 0 "$HONE" db stats killed.db --json
ok "no candidate was measured twice" [ "$(number records)" = $((logged + 10)) ]
ok "the folder of the killed one is swept away" [ ! -e "$folder" ]

# ---- killed again and again at any moment
for pause in 0.05 0.15 0.3 0.5 0.8 1.2; do
    background $tune --db often.db --trials 1000 --no-calibrate
    all=$bg
    sleep $pause
    all=$(family $bg)
    kill -9 $bg
    wait $bg 2>/dev/null
    ok "no process is left after $pause s" gone 20 $all
done
run 0 $tune --db often.db --trials 5
run 0 "$HONE" db check often.db

# ---- its workers are told to go: they are started again
background $tune --db term.db --trials 60
ok "trials" wait_for 60 at_least 4 '"trial":' bg.out
kill $(worker_of $bg run) $(worker_of $bg build)
wait $bg
ok "term: exit code 0" [ $? = 0 ]
ok "term: all trials" [ "$(number trials bg.out)" = 60 ]

all_done
