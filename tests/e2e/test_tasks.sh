#!/bin/bash
# Task lists: those that come with hone are sound; a list is tuned, and goes on where it was; bad ones
# are told by their place.
. "$2/tests/cli/lib.sh"

# ---- lists that come with hone
run 0 "$HONE" tasks
cp out names
ok "four or more" [ "$(wc -l <names)" -ge 4 ]
while read -r name; do
    run 0 "$HONE" tasks "$name"
    cp out "$name.json"
    ok "$name is the file" cmp -s out "$SRC/workloads/tasks/$name.json"
    # all kernels are loaded before rules are
    run 3 "$HONE" tune --tasks "$name.json" --rule none.so
    says "none.so" err
done <names
refuse 2 "no task list 'resnet'; there are: resnet50" "$HONE" tasks resnet

# ---- one of ours
mkdir sub
cat >sub/own.hone <<'END'
kernel scale(N) {
  input X: f32[N]
  output Y: f32[N]
  Y[i] = X[i] * 2
}
END
cat >sub/list.json <<'END'
{"name": "small", "tasks": [
  {"kernel": "matmul", "sizes": {"M": 48, "N": 32, "K": 32}, "weight": 3},
  {"kernel": "own.hone:scale", "sizes": {"N": 1000}},
  {"kernel": "matmul", "sizes": {"M": 48, "N": 32, "K": 32}}
]}
END
run 0 "$HONE" tune --tasks sub/list.json --threads 1 --trials 24 --db t.db --json
ok "two tasks" [ "$(number tasks)" = 2 ]
ok "as many trials" [ "$(number trials)" = 24 ]
ok "trials say whose" [ "$(grep -c '"task":"matmul M=48 N=32 K=32"' out)" -ge 8 ]
weighted=$(sed -n '$s/.*"by_task":\(.*\)\],"cpu.*/\1/p' out | tr '}' '\n' |
    sed -n 's/.*"best_ns":\([0-9]*\).*/\1/p' | paste -sd' ')
ok "both have a time" [ "$(echo "$weighted" | wc -w)" = 2 ]
set -- $weighted
ok "the total" [ "$(number total_ns)" = $((4 * $1 + $2)) ]
run 0 "$HONE" query matmul -D M=48 -D N=32 -D K=32 --threads 1 --db t.db
says "exact"
run 0 "$HONE" tune --tasks sub/list.json --threads 1 --trials 8 --db t.db
says "total"
says "trials   8 in"
run 0 sh -c "cd sub && '$HONE' tune --tasks - --threads 1 --trials 1 --db ../t.db <list.json"
refuse 2 "no KERNEL, no -D" "$HONE" tune --tasks sub/list.json -D N=4

# ---- one of two, and what is run after the second; named by places, of which two are the same kernel
cat >sub/either.json <<'END'
{"name": "either", "tasks": [
  {"kernel": "matmul", "sizes": {"M": 48, "N": 32, "K": 32}, "weight": 0},
  {"kernel": "matmul", "sizes": {"M": 48, "N": 32, "K": 32}, "weight": 0},
  {"kernel": "own.hone:scale", "sizes": {"N": 900}, "weight": 0},
  {"kernel": "own.hone:scale", "sizes": {"N": 1000}, "weight": 2}],
 "choices": [{"weight": 3, "covers": [[1], [2, 3]]}]}
END
run 0 "$HONE" tune --tasks sub/either.json --threads 1 --trials 24 --db e.db --json
ok "three tasks" [ "$(number tasks)" = 3 ]
times=$(sed -n '$s/.*"by_task":\(.*\)\],"c.*/\1/p' out | tr '}' '\n' | sed -n 's/.*"best_ns":\([0-9]*\).*/\1/p' | paste -sd' ')
set -- $times
ok "all have a time" [ $# = 3 ]
fastest=$(($1 < $2 + $3 ? $1 : $2 + $3))
ok "the total has the faster of the two" [ "$(number total_ns)" = $((3 * fastest + 2 * $3)) ]
run 0 "$HONE" tune --tasks sub/either.json --threads 1 --trials 3 --db e.db
says "  total    "
shares=$(sed -n 's/^ *\([0-9.]*\) % .*/\1/p' out | paste -sd+)
ok "the shares make up the whole: $shares" awk "BEGIN { x = $shares; exit !(x > 99.7 && x < 100.3) }"

# ---- Ctrl-C
background "$HONE" tune --tasks sub/list.json --threads 1 --trials 1000 --no-calibrate --db c.db --json
ok "trials" wait_for 60 at_least 5 '"trial":' bg.out
kill -TERM $bg
wait $bg
says '"interrupted":true' bg.out
run 0 "$HONE" db check c.db

# ---- bad ones
bad() { # bad LIST MESSAGE
    echo "$1" >bad.json
    refuse 2 "$2" "$HONE" tune --tasks bad.json
}
bad '[' "bad.json: "
bad '{}' "a task list is"
bad '{"tasks": []}' "a task list is"
bad '{"tasks": [{"sizes": {}}]}' 'task 1: "kernel" is missing'
bad '{"tasks": [{"kernel": "matmul", "sizes": {"M": 4, "N": 4, "K": 4}}, {"kernel": "nope"}]}' "task 2: no built-in kernel"
bad '{"tasks": [{"kernel": "matmul", "sizes": {"M": 4}}]}' "task 1: matmul: the size 'N' has no default"
bad '{"tasks": [{"kernel": "matmul", "sizes": {"M": "4"}}]}' "a size is an integer"
bad '{"tasks": [{"kernel": "matmul", "sizes": 4}]}' '"sizes" is an object'
bad '{"tasks": [{"kernel": "matmul", "sizes": {"M": 4, "N": 4, "K": 4}, "weight": 0}]}' "a weight is greater than 0"
bad '{"tasks": [{"kernel": "matmul", "weight": -1}]}' "a weight is from 0"
two='"tasks": [{"kernel": "matmul", "sizes": {"M": 4, "N": 4, "K": 4}}, {"kernel": "matmul", "sizes": {"M": 8, "N": 4, "K": 4}}]'
bad "{$two, \"choices\": 1}" '"choices" is an array'
bad "{$two, \"choices\": [{\"covers\": [[0], [1]]}, {\"covers\": [[0]]}]}" "choice 2: a choice is"
bad "{$two, \"choices\": [{\"covers\": [[0], [2]]}]}" "choice 1: a task of a cover is its place in the list, from 0 to 1"
bad '{"tasks": [{"kernel": "matmul", "choice": 1}]}' 'there is no "choice"'
refuse 3 "cannot open 'none.json'" "$HONE" tune --tasks none.json

all_done
