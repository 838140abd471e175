#!/bin/bash
# Local workers that are stopped, not dead: they are replaced, and the tune goes on to its end.
. "$2/tests/cli/lib.sh"

declare -A tune worker
for role in run build; do
    # shellcheck disable=SC2086
    "$HONE" tune matmul $small --threads 1 --trials 80 --json --db "$role.db" \
        >"$role.out" 2>"$role.err" </dev/null &
    tune[$role]=$!
    started+=("$!")
done
for role in run build; do
    ok "$role: trials" wait_for 60 at_least 5 '"trial":' "$role.out"
    worker[$role]=$(worker_of "${tune[$role]}" $role)
    kill -STOP "${worker[$role]}"
done
for role in run build; do
    ok "$role: the stopped worker goes" gone 60 "${worker[$role]}"
    wait "${tune[$role]}"
    ok "$role: exit code 0" [ $? = 0 ]
    ok "$role: all trials" [ "$(number trials "$role.out")" = 80 ]
    says "the local $role worker (${worker[$role]}) does not answer: killed" "$role.err"
    run 0 "$HONE" db check "$role.db"
done

all_done
