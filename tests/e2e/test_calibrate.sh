#!/bin/bash
# hone calibrate: the machine is measured by real workers, stored with its target, and used.
# shellcheck disable=SC2086
. "$2/tests/cli/lib.sh"

# ---- what is measured is told, and stored
run 0 "$HONE" calibrate --threads 1 --db a.db --json
cp out told
ok "one line" [ "$(wc -l <told)" = 1 ]
for word in '"probes":{' '"target":{' '"machine":{' '"preset":{' '"threads":1' '"fit":{' '"clock_ghz":' \
    '"unit":"B/ns"' '"spread":'; do
    says "$word" told
done
# positive NAME: the number of the machine is above 0, and was measured.
positive() {
    ok "$1 is measured" grep -qE '"measured":\[[^]]*"'"$1"'"' told
    ok "$1 is above 0" grep -qE '"machine":\{[^}]*"'"$1"'":(0*[1-9]|0\.0*[1-9])' told
}
for name in clock_ghz fma_per_cycle loads_per_cycle l2_bytes_per_ns memory_bytes_per_ns fixed_ns; do
    positive $name
done
ok "no probe was wrong" [ "$(grep -c 'REJECT_' told)" = 0 ]
says '"parallel":{"reason":"one thread starts no others"' told
run 0 "$HONE" db stats a.db --json
ok "it is in the log" [ "$(number machines)" = 1 ]
run 0 "$HONE" db check a.db

# ---- a machine that was busy: a fault makes the noise 50,000,000 %
run 0 env HONE_FAULT=calibrate.noise "$HONE" calibrate --threads 1 --db busy.db --json
says "the machine was busy: times of one probe differ by up to 50000000 %" err
ok "one line" [ "$(wc -l <err)" = 1 ]
says '"stored":true' out
run 0 env HONE_FAULT=calibrate.noise "$HONE" calibrate --threads 1 --db a.db --json
says "the log's earlier ones stay in use (--force: these)" err
says '"stored":false' out
run 0 "$HONE" db stats a.db --json
ok "it has the better ones alone" [ "$(number machines)" = 1 ]
run 0 env HONE_FAULT=calibrate.noise "$HONE" calibrate --threads 1 --db a.db --force --json
says '"stored":true' out
run 0 "$HONE" db stats a.db --json
ok "and these too where they are wanted" [ "$(number machines)" = 2 ]

# ---- what would be stored as another machine's; a tune says so as well
refuse 2 "--threads 1024: there are " "$HONE" calibrate --threads 1024 --db other.db
ok "no log" [ ! -e other.db ]
case $(uname -m) in
x86_64) other=x86-64-v2 foreign=cortex-a72 ;;
aarch64) other=cortex-a53 foreign=haswell ;;
*) other='' foreign=haswell ;;
esac
rows="row_sum -D M=4 -D N=4 --threads 1"
if [ "$other" ]; then
    run 3 "$HONE" calibrate --threads 1 --target $other --db none/other.db
    says "its numbers are stored as those of $other" err
    run 0 "$HONE" tune $rows --trials 2 --target $other --db other.db
    says "its numbers are stored as those of $other" err
fi
for verb in "calibrate --threads 1" "tune $rows --trials 2"; do
    refuse 2 "which cannot run code for $foreign" "$HONE" $verb --target $foreign --db foreign.db
    ok "no log" [ ! -e foreign.db ]
    refuse 2 "with --worker, or leave out --target" "$HONE" $verb --target $foreign --db foreign.db
done
run 0 "$HONE" tune $rows --trials 2 --db native.db
ok "nothing is said of this machine itself" [ "$(grep -c stored err)" = 0 ]
"$BUILD/hone-device" --describe >here.json
run 0 "$HONE" tune $rows --trials 2 --target here.json --db native.db
ok "nor of what its device says it is" [ "$(grep -c stored err)" = 0 ]

# ---- by a worker elsewhere, which says what it is
at="ipc://$T/worker"
background "$HONE" worker --listen "$at"
worker=$bg
run 0 "$HONE" calibrate --threads 1 --db b.db --worker "$at"
says "1 thread, measured in" out
says "instead of" out
says "not fitted, the log has 0 results" out
if [ "$other" ]; then
    run 0 "$HONE" tune $rows --trials 2 --target $other --db other.db --worker "$at"
    ok "nothing is said of a worker's machine" [ "$(grep -c stored err)" = 0 ]
fi
kill $worker
wait $worker

# ---- one signal ends it, also when its workers take no notice
background "$HONE" calibrate --threads 1 --db stopped.db
has_both() { [ -n "$(worker_of $bg build)" ] && [ -n "$(worker_of $bg run)" ]; }
ok "it has workers" wait_for 60 has_both
caught() { # has it a way of its own to take TERM?
    local set
    set=$(sed -n 's/^SigCgt:.*\(.\{8\}\)$/\1/p' "/proc/$bg/status")
    [ -n "$set" ] && [ $((0x$set >> 14 & 1)) = 1 ]
}
ok "and heeds signals" wait_for 60 caught
below=$(family $bg | grep -vx $bg)
kill -STOP "$(worker_of $bg build)" "$(worker_of $bg run)"
kill -TERM $bg
wait $bg
ok "it says so" [ $? = 1 ]
says "asked to stop" bg.err
ok "nobody is left" gone 60 $below
run 0 "$HONE" db stats stopped.db --json
ok "nothing was stored" [ "$(number machines)" = 0 ]

# ---- a tune that is long measures first, once; a short one or one that was told does not
run 0 "$HONE" tune matmul $small --threads 1 --trials 60 --db c.db
run 0 "$HONE" tune $rows --trials 128 --no-calibrate --db c.db
run 0 "$HONE" db stats c.db --json
ok "not measured" [ "$(number machines)" = 0 ]
for n in 1 2; do
    run 0 "$HONE" tune $rows --trials 128 --db c.db
    run 0 "$HONE" db stats c.db --json
    ok "measured once" [ "$(number machines)" = 1 ]
done
run 0 "$HONE" explain matmul $small --threads 1 --db c.db

# ---- with results of two kernels the factors are fitted, or left
run 0 "$HONE" calibrate --threads 1 --db c.db --json
says '"kernels":2' out
ok "says how good drafts are" grep -qE '"preset":\{"off":[0-9]' out

# ---- what cannot be
refuse 2 "unexpected argument 'x'" "$HONE" calibrate x
refuse 2 "--threads at most" "$HONE" calibrate --threads 100000
refuse 2 "there.json" "$HONE" calibrate --target there.json --db d.db
echo text >e.db
refuse 2 "e.db" "$HONE" calibrate --db e.db
run 1 "$HONE" calibrate --threads 1 --db d.db --worker "ipc://$T/nobody"
says "no worker came in 10 s" err

all_done
