#!/bin/bash
# Workers elsewhere, here over loopback tcp: with keys both ways, and without keys, with a wrong one,
# and with one that is not on the list.
# shellcheck disable=SC2086,SC2317
. "$2/tests/cli/lib.sh"

kernel="matmul -D M=64 -D N=48 -D K=32 --threads 1"
port() {
    free_port
    at=tcp://127.0.0.1:$port
    any="tcp://*:$port"
}

for who in coordinator board other; do
    run 0 "$HONE" keygen $who.key
    ok "secret" [ "$(stat -c %a $who.key)" = 600 ]
done
cat board.key.pub >boards       # the coordinator knows one board
cat coordinator.key.pub >owners # boards know the coordinator

# tunes TEXT ARGUMENTS...: a tune through workers elsewhere must work.
tunes() {
    local what=$1
    shift
    run 0 "$HONE" tune $kernel --trials 6 --json "$@"
    ok "$what: all trials" [ "$(number trials)" = 6 ]
    ok "$what: right results" [ "$(number ok)" -ge 1 ]
}

# strange TEXT DATABASE ARGUMENTS...: begins a tune that must find nobody, which takes it 10 seconds.
strange() {
    local what=$1 db=$2
    shift 2
    "$HONE" tune $kernel --trials 2 --db "$db" --worker $at "$@" >"$db.out" 2>"$db.err" </dev/null &
    strangers+=("$!|$what|$db.err")
    started+=("$!")
}
# strangers_fail TEXT...: all that were begun fail, each with its text in the warning.
strangers_fail() {
    local s pid what err
    for s in "${strangers[@]}"; do
        IFS='|' read -r pid what err <<<"$s"
        wait "$pid"
        ok "$what: exit code 1" [ $? = 1 ]
        says "$1" "$err"
        says "hone: no worker reachable" "$err"
        shift
    done
    strangers=()
}
strangers=()

# ends TEXT CODE PID: it must end by itself with that code.
ends() {
    ok "$1: ends" gone 30 $3
    wait $3
    ok "$1: exit code $2" [ $? = $2 ]
}

# ---- the worker listens; a tune goes there, then another one
port
refuse 2 "--insecure-loopback" "$HONE" worker --listen $at --role run
refuse 2 "--insecure-loopback" "$HONE" tune $kernel --db no.db --worker $at
background "$HONE" worker --listen $at --insecure-loopback --role run
worker=$bg
tunes "listening worker" --db a.db --worker $at --insecure-loopback
tunes "the same for a second tune" --db a.db --worker $at --insecure-loopback
run 0 "$BUILD/hone-device" --describe
cp out description
ok "a device describes itself in a line" [ "$(wc -l <description)" = 1 ]
tunes "for what the device is" --db device.db --worker $at --insecure-loopback --target device
tunes "the same, as it describes itself" --db device.db --worker $at --insecure-loopback \
    --target "$(cat description)"
ok "which is one target" [ "$(number known)" -ge 5 ]
ok "it stays for the next" alive $worker
kill $worker
ends "told to go" 0 $worker

# ---- hone-device is such a worker too
port
background "$BUILD/hone-device" --listen $at --insecure-loopback
tunes "hone-device" --db b.db --worker $at --insecure-loopback
kill $bg
ends "told to go" 0 $bg

# ---- the tune waits; workers come, two of them
port
background "$HONE" worker --connect $at --insecure-loopback --role run
one=$bg
background "$BUILD/hone-device" --connect $at --insecure-loopback
two=$bg
tunes "waiting tune" --db c.db --listen $at --insecure-loopback
kill $one $two
ends "one" 0 $one
ends "two" 0 $two

# ---- the same with keys, both ways
port
background "$HONE" worker --listen $at --key board.key --allow owners
worker=$bg
tunes "keys, worker listens" --db d.db --worker $at --key coordinator.key --allow boards
# who has no key, or one that is not on the list, gets nothing
strange "no key" e1.db --insecure-loopback
strange "a key that is not on the list" e2.db --key other.key --allow boards
strangers_fail "keys" "does not list this side's public key"
ok "the refused key is logged with its address" grep -q "refused 127.0.0.1.*public key" bg.err
tunes "the worker still serves who may" --db d.db --worker $at --key coordinator.key --allow boards
kill $worker
ends "told to go" 0 $worker

port
# strangers are there first, and all come to a tune that waits no more than 10 s for a worker
"$HONE" worker --connect $at --key other.key --allow owners >w1.out 2>w1.err &
w1=$!
"$HONE" worker --connect $at --insecure-loopback >w2.out 2>w2.err &
w2=$!
"$HONE" worker --connect $at --key board.key --allow owners --role run >w3.out 2>w3.err &
w3=$!
started+=("$w1" "$w2" "$w3")
background env --default-signal=INT "$HONE" tune $kernel --trials 100000 --time 600 --no-calibrate --db f.db --json --worker $any \
    --key coordinator.key --allow boards
tune=$bg
ends "worker with an unknown key" 1 $w1
says "hone: " w1.err
ok "is told why" grep -qi "refused\|denied\|allow" w1.err
ok "in one line" [ "$(grep -vc 'nobody answers' w1.err)" = 1 ] # which it also says where the tune is slow to come
ends "worker without a key" 1 $w2
ok "is told why" grep -q "key" w2.err
ok "the worker with the right key measures" wait_for 60 at_least 3 '"trial":' $T/bg.out
kill -INT $tune
wait $tune
ok "the refusals are logged with the address" grep -q "refused 127.0.0.1" $T/bg.err
ok "and with the key" \
    grep -qF -- "$(sed -n 's/^public-key = //p' other.key | cut -c1-4)" $T/bg.err
ok "nobody else was let in" [ "$(grep -o '"device":"[^"]*"' $T/bg.out | sort -u)" = '"device":"board"' ]
kill $w3
ends "told to go" 0 $w3

# ---- the key of the wrong coordinator
port
background "$HONE" worker --listen $at --key other.key --allow owners
strange "the key of another worker" g.db --key coordinator.key --allow boards
strangers_fail "ends every handshake"
kill $bg
ends "told to go" 0 $bg

# ---- a remote worker dies: the tune waits for another and goes on
port
background "$HONE" worker --listen $at --insecure-loopback --role run
first=$bg
"$HONE" tune $kernel --trials 60 --db h.db --json --worker $at --insecure-loopback >tune.out 2>tune.err &
tune=$!
started+=("$tune")
ok "trials" wait_for 60 at_least 5 '"trial":' tune.out
kill -9 $first
wait $first 2>/dev/null
sleep 1
background "$HONE" worker --listen $at --insecure-loopback --role run
wait $tune
ok "goes on: exit code 0" [ $? = 0 ]
ok "all trials" [ "$(number trials tune.out)" = 60 ]
kill $bg
wait $bg

# ---- the port is taken
port
background "$HONE" worker --listen $at --insecure-loopback
ok "listens" wait_for 30 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
refuse 1 "$at" "$HONE" worker --listen $at --insecure-loopback
refuse 1 "$at" "$HONE" tune $kernel --db i.db --listen $at --insecure-loopback
kill $bg
wait $bg

all_done
