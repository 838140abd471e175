#!/bin/bash
# A service is killed before what its device has measured is durable; then the device is killed too. Both
# come back: the device delivers what lay in its spool, and the job goes on. (That a result then counts,
# and is not measured again, is in tests/farm/test_delivery.c.) And what may be in a spool's way.
# shellcheck disable=SC2034,SC2086
. "$2/tests/cli/lib.sh"

for k in farm ann board; do "$HONE" keygen $k >out || fail keygen; done
line() { printf '%s role=%s\n' "$(grep -v '^#' "$1.pub")" "$2"; }
{ line ann user,admin && line board device,builder; } >allow
grep -v '^#' farm.pub >service
HONE_SERVICE=tcp://127.0.0.1:$(python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export HONE_SERVICE

service='' device='' builder=''
begin() { # VARIABLE COMMAND...: the process itself, not a shell around it
    local name=$1
    shift
    "$@" >>"$name.out" 2>>"$name.err" </dev/null &
    eval "$name=$!"
    started+=("$!")
    disown
}
touch service.out
serving() { [ "$(grep -c 'serving at' service.out)" -gt "$1" ] || ! alive "$service"; }
serve() { # FAULT: again while the one before is not quite gone
    local n before
    before=$(grep -c 'serving at' service.out)
    for n in 1 2 3 4 5 6 7 8 9 10; do
        HONE_FAULT=$1 begin service "$HONE" serve --listen "$HONE_SERVICE" --db farm.db --key farm --allow allow
        wait_for 60 serving "$before"
        alive "$service" && return
        sleep "0.$n"
    done
    fail "the service does not start: $(tail -n 3 service.err)"
}
device() {
    begin device "$BUILD/hone-device" --connect "$HONE_SERVICE" --key board --allow service --spool spool --label kitchen
}
ann() { "$HONE" "$@" --key ann --allow service; }
spooled() { compgen -G 'spool/*.result' >/dev/null; }
empty() { ! spooled; }

serve ""
begin builder "$HONE" worker --connect "$HONE_SERVICE" --role build --key board --allow service
device
run 0 ann submit matmul $small --threads 1 --trials 24 --request one
kill -9 "$service"
gone 20 "$service"

# It dies as it has its fourth result, before that is durable.
serve result.die:4
ok "the service dies" gone 240 "$service"
ok "the device has a result that the service did not live to log" spooled
spooled || tail -n 5 ./*.err
kill -9 "$device"
gone 20 "$device"
ok "and still has, when it is dead" spooled
for f in spool/*.result; do basename "$f" .result; done >held
cat held

device
serve ""
ok "what was spooled is delivered" wait_for 120 empty
"$BUILD/test_ask" "$HONE_SERVICE" --key ann --allow service '{"v":1,"verb":"metrics"}' >metrics.out 2>metrics.err
grep -oE 'hone_results_(stale|duplicate)_total [0-9]+' metrics.out
finished() { ann jobs --all --json >jobs.out 2>jobs.err && grep -q '"state":"done"' jobs.out; }
ok "the job is done" wait_for 240 finished
kill -TERM "$service"
ok "the service ends" gone 30 "$service"
run 0 "$HONE" db check farm.db
cat >look.py <<'END'
import sqlite3
n, distinct = sqlite3.connect("farm.db").execute("SELECT count(*), count(DISTINCT trace_hash) FROM record").fetchone()
print(n, "records,", distinct, "candidates")
assert n == distinct and n >= 24
END
run 0 python3 look.py
cat out

# ---- what is in its way
kill -TERM "$device"
gone 30 "$device"
printf 'not a result' >spool/0000000000000001-0000000000000002.result
device
ok "a damaged file is set aside" wait_for 60 [ -f spool/0000000000000001-0000000000000002.result.bad ]
says "is left out: it is no result; it is called *.bad now" device.err
refuse 1 "another worker keeps its results in 'spool'" \
    "$BUILD/hone-device" --connect "$HONE_SERVICE" --key board --allow service --spool spool
refuse 2 "'allow' is not a folder" \
    "$BUILD/hone-device" --connect "$HONE_SERVICE" --key board --allow service --spool allow
refuse 2 "no results to keep" \
    "$HONE" worker --connect "$HONE_SERVICE" --role build --spool spool --key board --allow service
all_done
