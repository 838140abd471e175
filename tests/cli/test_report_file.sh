#!/bin/bash
# hone report: what it writes and where, and what it refuses.
# shellcheck disable=SC2086
. "$2/tests/cli/lib.sh"

run 0 "$HONE" tune matmul $small --threads 1 --trials 6 --db t.db
run 0 "$HONE" report t.db -o r.html
says "r.html: 1 kernel, 6 candidates, "
ok "a page" grep -q '^<!DOCTYPE html>' r.html
ok "whole" [ "$(tail -n 1 r.html)" = "</html>" ]
ok "its data" grep -q '"name":"matmul","sizes":"K=32 M=64 N=48"' r.html
ok "the schedule of query" grep -qF "$("$HONE" query matmul $small --threads 1 --db t.db --emit program |
    grep -o 'block C.*reduce vk: 32' | head -n 1)" r.html
ok "the licence of the library" grep -q 'Copyright (c) 2022 Leon Sorokin' r.html
ok "nothing is loaded" [ "$(grep -oE '(src|href)="?[a-z]+:[^"]*' r.html | sort -u)" = \
    "$(printf '%s\n' 'href="data:,' 'href="https://github.com/leeoniya/uPlot')" ]

# ---- where it goes
run 0 "$HONE" report t.db
ok "to stdout, the page alone" cmp -s <(sed 's/"made_ms":[0-9]*//' out) <(sed 's/"made_ms":[0-9]*//' r.html)
mkfifo fifo
cat fifo >from_fifo &
run 0 "$HONE" report t.db -o fifo
wait $!
ok "a FIFO is written to" grep -q '^</html>' from_fifo
ok "and stays one" [ -p fifo ]
ln -s far.html link
run 0 "$HONE" report t.db -o link
ok "a link stays, and leads to the page" [ -L link ]
ok "which is there" grep -q '^</html>' far.html
run 0 "$HONE" report t.db -o /dev/stdout
ok "nothing beside the page" [ "$(tail -n 1 out)" = "</html>" ]
echo old >kept
for fault in file.create file.write file.sync file.close file.rename; do
    refuse 1 "kept" env HONE_FAULT=$fault "$HONE" report t.db -o kept
    ok "$fault: the old page" [ "$(cat kept)" = old ]
done
ok "nothing else is there" [ "$(find . -name '.*' -type f | wc -l)" = 0 ]

# ---- what is refused
ln -s t.db same
cp t.db before
refuse 2 "-o is the log itself" "$HONE" report t.db -o t.db
refuse 2 "-o is the log itself" "$HONE" report t.db -o same
ok "the log stays" cmp -s t.db before
refuse 2 "which log?" "$HONE" report
refuse 3 "none.db" "$HONE" report none.db -o x.html
refuse 2 "not a hone database" "$HONE" report r.html -o x.html
ok "no page" [ ! -e x.html ]
all_done
