#!/bin/bash
# hone tune --strategy exhaustive: it says how much there is, ends by itself, and goes on where it was.
. "$2/tests/cli/lib.sh"

all=17 # candidates
tune="$HONE tune row_sum -D M=16 -D N=64 --threads 1 --strategy exhaustive"
# shellcheck disable=SC2086 # words
whole() {
    run 0 $tune --trials 0 "$@"
}

whole --db a.db
ok "it says so first" [ "$(head -n 1 out)" = "row_sum M=16 N=64: the space has $all candidates" ]
says "every candidate of the space has been tried"
says "trials   $all: $all ok, 0 rejected"
whole --db a.db
says "the space has $all candidates"
says "trials   0: 0 ok, 0 rejected; $all more were in the log"

# in two parts
# shellcheck disable=SC2086
run 0 $tune --db b.db --trials 2 --json
ok "2 trials" [ "$(number trials)" = 2 ]
says '"exhausted":false'
says '"space":{"candidates":'$all',"more":false}'
whole --db b.db --json
ok "the others" [ "$(number trials)" = $((all - 2)) ]
ok "2 known" [ "$(number known)" = 2 ]
says '"exhausted":true'
ok "a line for each" [ "$(lines '"trial":')" = $((all - 2)) ]

# a list without a limit ends too
cat >list.json <<'END'
{"name": "two", "tasks": [
  {"kernel": "row_sum", "sizes": {"M": 16, "N": 64}, "weight": 1},
  {"kernel": "row_max", "sizes": {"M": 8, "N": 32}, "weight": 2}]}
END
run 0 "$HONE" tune --tasks list.json --threads 1 --strategy exhaustive --trials 0 --db c.db --json
ok "both of them" [ "$(number trials)" = $((all + 13)) ]

# of a large space only so much is counted; other strategies say nothing
run 0 "$HONE" tune matmul -D M=512 -D N=512 -D K=512 --threads 1 --strategy exhaustive --trials 1 --db d.db
ok "at least" grep -q '^matmul M=512 N=512 K=512: the space has at least [0-9]* candidates$' out
run 0 "$HONE" tune row_sum -D M=16 -D N=64 --threads 1 --trials 2 --db e.db
ok "nothing" [ "$(lines 'the space has')" = 0 ]
refuse 2 "at least 0" "$HONE" tune row_sum -D M=16 -D N=64 --trials -1
run 0 "$HONE" tune --help
says "exhaustive every candidate of the space once, in a fixed order"
all_done
