#!/bin/bash
# The disk with the database is full: one clear line, exit code 1, nothing that was reported is
# lost, and with room again the same command goes on.
# shellcheck disable=SC2086,SC2317
if [ -z "${HONE_TEST_INSIDE:-}" ]; then # a file system of our own, where that is allowed
    for how in -m -Urm; do
        if unshare $how true 2>/dev/null; then
            HONE_TEST_INSIDE=1 exec unshare $how bash "$0" "$@"
        fi
    done
fi
. "$2/tests/cli/lib.sh"

tune="$HONE tune matmul -D M=96 -D N=80 -D K=64 --threads 1"

# fills DATABASE TEXT COMMAND...: the command must run out of room, and say TEXT.
fills() {
    local db=$1 text=$2 seen
    shift 2
    run 1 "$@"
    seen=$(lines '"trial":')
    ok "one line" [ "$(wc -l <err)" = 1 ]
    says "hone: " err
    says "$text" err
    says '"error":'
    ok "the summary counts what was done" [ "$(number trials)" = "$seen" ]
    run 0 "$HONE" db check $db
    run 0 "$HONE" db stats $db --json
    ok "what was reported ($seen) is in the log ($(number records))" [ "$(number records)" -ge $seen ]
    logged=$(number records)
}

# goes_on DATABASE: with room again.
goes_on() {
    run 0 $tune --db $1 --trials 5 --json
    ok "goes on after $logged" [ "$(number known)" = "$logged" ]
    run 0 "$HONE" db check $1
    run 0 "$HONE" db stats $1 --json
    ok "nothing was measured twice" [ "$(number records)" = $((logged + 5)) ]
}

# ---- a small file system
mkdir small
if [ -n "${HONE_TEST_INSIDE:-}" ] && mount -t tmpfs -o size=16m none small 2>/dev/null; then
    head -c $(((16384 - 800) * 1024)) /dev/zero >small/filler
    fills small/hone.db "no space left" $tune --db small/hone.db --trials 2000 --no-calibrate --json
    ok "some trials went well" [ "$logged" -gt 3 ]
    run 0 "$HONE" query matmul -D M=96 -D N=80 -D K=64 --threads 1 --db small/hone.db
    says "exact, "
    # full from the beginning
    run 1 $tune --db small/hone.db --trials 5
    ok "one line" [ "$(wc -l <err)" = 1 ]
    rm small/filler
    goes_on small/hone.db
    # a library that does not fit
    cat /dev/zero >small/filler 2>/dev/null
    run 1 "$HONE" query matmul -D M=96 -D N=80 -D K=64 --threads 1 --db small/hone.db \
        --emit object -o small/f.o
    ok "one line" [ "$(wc -l <err)" = 1 ]
    says "space" err
    ok "no half file" [ ! -e small/f.o ]
    rm small/filler
    # a service: whatever changes something is answered at once, and what was taken holds with room again
    export HONE_SERVICE=ipc://$T/s
    "$HONE" serve --listen $HONE_SERVICE --db small/farm.db >serve.out 2>serve.err &
    S=$!
    ok "it serves" wait_for 30 grep -q "serving at" serve.out
    job="submit matmul -D M=64 -D N=64 -D K=64 --threads 1"
    run 0 "$HONE" $job --request a
    cat /dev/zero >small/filler 2>/dev/null
    refuse 1 "this is taken, but not written yet" "$HONE" $job --request b # it is noticed here
    for verb in "pause 1" "cancel 1" "$job --request c"; do
        refuse 1 "disk is full or failing" "$HONE" $verb
    done
    rm small/filler
    has_room() { "$HONE" pause 1 >out 2>err; }
    ok "with room it goes on" wait_for 30 has_room
    run 0 "$HONE" $job --request b
    says "job 2: matmul"
    run 0 "$HONE" jobs 2
    says "matmul M=64 N=64 K=64"
    refuse 2 "request b was job 2" "$HONE" $job --request b --trials 5
    kill $S
    wait $S
    run 0 "$HONE" db check small/farm.db
    umount small
else
    echo "no file system of our own: only a limit on the size of files is tested"
fi

# ---- a limit on the size of files
fills limit.db limit.db bash -c "ulimit -f 300; exec $tune --db limit.db --trials 2000 --no-calibrate --json"
goes_on limit.db

all_done
