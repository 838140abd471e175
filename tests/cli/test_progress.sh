#!/bin/bash
# On a terminal one live line on standard error; the result after it. Nothing of it otherwise.
# shellcheck disable=SC2086,SC2317
. "$2/tests/cli/lib.sh"

command -v script >/dev/null || skip "no script(1) to make a terminal"
tune="'$HONE' tune matmul $small --threads 1"

# terminal COLUMNS COMMAND: what a person would see, in $T/seen.
terminal() {
    checks=$((checks + 1))
    script -qec "stty cols $1; $2" seen </dev/null >/dev/null 2>&1 || fail "exit code $?: $2"
    tr '\r' '\n' <seen >lines
}

terminal 200 "$tune --trials 20 --db a.db"
says "tuning: trial " lines
says "/20, best " lines
says " GFLOP/s" lines
says " s left" lines
says "  best     " lines
says "  trials   20: " lines
ok "the line is erased before the result" grep -q $'^\033\\[Kmatmul M=64' lines

# a narrow terminal: the line never wraps
terminal 40 "$tune --trials 10 --db b.db >/dev/null"
ok "within 40 columns" [ "$(sed "s/$(printf '\033')\\[K//g" lines | grep 'trial ' | wc -L)" -le 40 ]

# JSON on standard output is not disturbed
terminal 200 "$tune --trials 5 --db c.db --json 2>/dev/null >c.out"
ok "five trials and a summary" [ "$(grep -c '^{.*}$' c.out)" = 6 ]

run 0 "$HONE" tune matmul $small --threads 1 --trials 5 --db a.db
ok "quiet when not a terminal" [ ! -s err ]
ok "no control characters" sh -c "! grep -q \"\$(printf '\\033')\" out"

all_done
