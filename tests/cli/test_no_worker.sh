#!/bin/bash
# Nobody to measure: one line and exit code 1, after waiting a while for a worker to come.
# shellcheck disable=SC2086
. "$2/tests/cli/lib.sh"

"$HONE" tune matmul $small --db a.db --worker "ipc://$T/nobody" >a.out 2>a.err &
a=$!
"$HONE" tune matmul $small --db b.db --worker tcp://127.0.0.1:1 --insecure-loopback --json >b.out 2>b.err &
b=$!
"$HONE" tune matmul $small --db c.db --worker "ipc://$T/nobody" --target device >c.out 2>c.err &
c=$!
started+=("$a" "$b" "$c")
for w in a b c; do
    wait "${!w}"
    ok "$w: exit code 1" [ $? = 1 ]
    ok "$w: one line" [ "$(wc -l <$w.err)" = 1 ]
done
says "hone: no worker reachable that can measure" a.err
says "hone: no worker reachable that can measure" b.err
says "hone: no worker came in 10 s that can measure" c.err
ok "prints no result" [ ! -s a.out ]
ok "JSON: only the summary" [ "$(wc -l <b.out)" = 1 ]
says '"error":"no worker reachable' b.out
run 0 "$HONE" db check a.db

all_done
