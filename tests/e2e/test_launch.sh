#!/bin/bash
# hone serve --launch: a device comes to a service without builders, the command is told that one is wanted,
# starts it, and is told when none is. It runs once at a time, and again after it failed.
# shellcheck disable=SC2317
. "$2/tests/cli/lib.sh"

end_all() {
    [ -s builders ] && xargs kill <builders 2>/dev/null
    finish
}
trap end_all EXIT
export HONE_SERVICE=ipc://$T/farm

# What it is told is in `told`; a builder that it has started, in `builders`.
cat >launch.sh <<END
mkdir "$T/running" || echo "two at once" >>"$T/told"
read -r line && echo "it can read" >>"$T/told"
ls -l /proc/\$\$/fd | grep -c socket: >>"$T/sockets"
echo "\$HONE_BUILDERS" >>"$T/told"
echo "on standard output"
rmdir "$T/running"
[ -e "$T/failed" ] || { : >"$T/failed"; exit 7; }
if [ "\$HONE_BUILDERS" = 0 ]; then
    xargs kill <"$T/builders"
    : >"$T/builders"
elif ! [ -s "$T/builders" ]; then
    "$HONE" worker --connect "$HONE_SERVICE" --role build >"$T/b.out" 2>"$T/b.err" &
    echo \$! >"$T/builders"
fi
END
serve() {
    "$HONE" serve --listen "$HONE_SERVICE" --db farm.db --builders 2 --builders-idle 4 \
        --launch "exec sh $T/launch.sh" >>serve.out 2>>serve.err &
    S=$!
    started+=("$S")
    ok "it serves" wait_for 30 grep -q "serving at" serve.out
}
serve
"$BUILD/hone-device" --connect "$HONE_SERVICE" >d.out 2>&1 &
started+=("$!")

# ---- builds wait, the command fails, and is run again
ok "the command is told" wait_for 30 [ -e failed ]
ok "that it failed is said" wait_for 10 grep -q "the --launch command failed, exit code 7" serve.err
ok "and it is run again" wait_for 30 [ -s builders ]
good() { "$HONE" devices >out 2>err && grep -q " online  *good " out; }
ok "the device is good" wait_for 60 good
# shellcheck disable=SC2086
run 0 "$HONE" tune matmul $small --threads 1 --trials 4 --service "$HONE_SERVICE"
says "4 ok"

# ---- nothing to do
b=$(cat builders)
ok "the builder is let go" wait_for 30 sh -c '! [ -s builders ]'
ok "and ends" gone 10 "$b"
ok "its leaving is in the audit log" wait_for 10 sh -c "'$HONE' audit --json | grep -q '\"to\":\"offline\"'"
sort -u told >words
ok "how many were wanted: $(paste -sd' ' told)" grep -qxE "0 1( 2)?" <(paste -sd' ' words)
ok "no socket of the service's is open in it" [ "$(sort -u sockets)" = 0 ]
ok "what it says is not the service's output" [ "$(wc -l <serve.out)" = 1 ]
ok "but its complaint" grep -q "on standard output" serve.err

# ---- builders of a service that was killed
kill -9 "$S"
wait "$S" 2>/dev/null
"$HONE" worker --connect "$HONE_SERVICE" --role build >b.out 2>&1 &
echo $! >builders
: >told
: >serve.out
serve
ok "what is left over is let go" wait_for 30 sh -c '! [ -s builders ]'
ok "told that none is wanted" [ "$(tail -n 1 told)" = 0 ] # one may have been, before that builder came back

refuse 2 "--builders at most" "$HONE" serve --listen "$HONE_SERVICE" --launch x --builders 100001
all_done
