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
    background $tune --db t.db --trials 100000
    ok "$how: trials" wait_for 60 at_least 2 '"trial":' bg.out
    eval "$how"
    wait $bg
    ok "$how: exit code 1" [ $? = 1 ]
    says "while hone wrote to it" bg.err
    ok "$how: one line" [ "$(wc -l <bg.err)" = 1 ]
done

all_done
