#!/bin/bash
# Task lists and Ctrl-C at a service: a list is submitted, watched, tuned as if local; an interrupted tune ends
# its job, on the first signal and with its summary; the live screen gives the terminal back.
. "$2/tests/cli/lib.sh"

export HONE_SERVICE=ipc://$T/farm
"$HONE" serve --listen "$HONE_SERVICE" --db farm.db >serve.out 2>serve.err &
started+=("$!")
ok "it serves" wait_for 30 grep -q "serving at" serve.out
"$HONE" worker --connect "$HONE_SERVICE" >w.out 2>&1 &
started+=("$!")
here() { "$HONE" devices >out 2>err && grep -q " online  *good " out; }
ok "the device is good" wait_for 90 here

mkdir sub
cat >sub/own.hone <<'END'
kernel scale(N) {
  input X: f32[N]
  output Y: f32[N]
  Y[i] = X[i] * 2
}
END
cat >sub/list.json <<'END'
{"name": "small", "tasks": [
  {"kernel": "matmul", "sizes": {"M": 48, "N": 32, "K": 32}, "weight": 3},
  {"kernel": "own.hone:scale", "sizes": {"N": 1000}},
  {"kernel": "matmul", "sizes": {"M": 48, "N": 32, "K": 32}}
]}
END

# ---- a list
run 0 "$HONE" submit --tasks sub/list.json --threads 1 --trials 12
says "job 1: small, 1 device matches"
run 0 "$HONE" watch 1
says "small on "
says "  total    "
says "  trials   12 in"
says "log      ipc://"
ok "a line for each kernel" [ "$(grep -c '^ *[0-9.]* %' out)" = 2 ]
run 0 "$HONE" watch 1 --json
total=$(number total_ns)
ok "trials say whose" grep -q '"task":"matmul M=48 N=32 K=32"' out
run 0 "$HONE" jobs 1 --json
says '"state":"done"'
says '"title":"small"'
ok "the network's time" [ "$(number best_ns)" -gt 0 ]
ok "which is no more than the summary's $total" [ "$(number best_ns)" -le "${total:-0}" ]
device=$("$HONE" devices --json | sed -n 's/.*"name":"\([^"]*\)".*/\1/p')
"$HONE" devices --target "$device" >here.json
run 0 "$HONE" query matmul -D M=48 -D N=32 -D K=32 --threads 1 --target here.json --require exact \
    --service "$HONE_SERVICE"
says ": exact, "
run 0 "$HONE" query sub/own.hone:scale -D N=1000 --threads 1 --target here.json --require exact \
    --service "$HONE_SERVICE"

# ---- as if local
run 0 "$HONE" tune --tasks sub/list.json --threads 1 --trials 8 --service "$HONE_SERVICE" --json
ok "two tasks" [ "$(number tasks)" = 2 ]
ok "as many trials" [ "$(number trials)" = 8 ]
ok "a line for each" [ "$(lines '"trial":')" = 8 ]
run 0 "$HONE" tune --tasks sub/list.json --threads 1 --trials 2 --service "$HONE_SERVICE"
says "  trials   2 in"
sed -e 's/}, "weight": 3/}, "weight": 0/' -e 's/^]}/], "choices": [{"weight": 3, "covers": [[0], [1]]}]}/' sub/list.json >sub/either.json
run 0 "$HONE" tune --tasks sub/either.json --threads 1 --trials 2 --service "$HONE_SERVICE" --json
ok "choices go there and back" grep -q '"choices":\[{"covers":\[\[0\],\[1\]\],"weight":3.0}\]' out
run 0 sh -c "cd sub && '$HONE' tune --tasks - --threads 1 --trials 1 --service '$HONE_SERVICE' <list.json"
refuse 2 "task 1: no built-in kernel" sh -c "echo '{\"tasks\": [{\"kernel\": \"tuna\"}]}' | '$HONE' submit --tasks -"

# ---- Ctrl-C. What a script starts in the background ignores it, unless told otherwise
interrupted() { # SIGNAL ARGUMENT...: of hone tune
    local signal=$1 n
    shift
    n=$("$HONE" jobs --all --json | grep -o '"job":' | wc -l)
    background env --default-signal=INT "$HONE" tune "$@" --threads 1 --trials 100000 \
        --service "$HONE_SERVICE" --json
    ok "trials" wait_for 60 at_least 3 '"trial":' bg.out
    kill -"$signal" "$bg"
    ok "it ends soon" gone 20 "$bg"
    wait "$bg"
    ok "its exit code is that of a local one" [ $? = 0 ]
    ok "with a summary" grep -q '"interrupted":true' bg.out
    run 0 "$HONE" jobs $((n + 1)) --json
    says '"state":"cancelled"'
}
interrupted INT matmul -D M=96 -D N=96 -D K=96
interrupted TERM --tasks sub/list.json
run 0 "$HONE" jobs --json
ok "nothing goes on" sh -c '! grep -q "\"state\":\"running\"" out'

# ---- one that waits for a device
background env --default-signal=INT "$HONE" tune matmul -D M=8 -D N=8 -D K=8 --on label=nowhere \
    --service "$HONE_SERVICE"
waits() { "$HONE" jobs --json | grep -q '"state":"queued"'; }
ok "it waits" wait_for 20 waits
kill -INT "$bg"
ok "it ends soon" gone 20 "$bg"
wait "$bg"
ok "nothing was found" [ $? = 1 ]
ok "its job too" sh -c "! '$HONE' jobs --json | grep -q '\"state\":\"queued\"'"

# ---- watching, which is not the job's end
run 0 "$HONE" submit matmul -D M=96 -D N=48 -D K=96 --threads 1 --trials 100000
job=$(sed -n 's/^job \([0-9]*\):.*/\1/p' out)
background env --default-signal=INT "$HONE" watch "$job" --json
ok "trials" wait_for 60 at_least 3 '"trial":' bg.out
kill -INT "$bg"
ok "it ends soon" gone 20 "$bg"
run 0 "$HONE" jobs "$job" --json
says '"state":"running"'

# ---- top
run 0 "$HONE" top --once
says "USER          SHARE"
says "matmul M=96 N=48 K=96"
ok "the job's trials" grep -qE "^ +$job .* running +[^ ]+ +[1-9]" out
ok "the device" grep -qE "^$device +online +[a-z]+" out # good, or what a busy machine makes of it
run 0 "$HONE" top --json --once
ok "one object" [ "$(wc -l <out)" = 1 ]
cat >live.py <<'END'
import os, pty, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "top"])
seen = b""
def read_until(what):
    global seen
    while what not in seen:
        try:
            seen += os.read(fd, 65536)
        except OSError:
            sys.exit(f"it ended without {what}: {seen[-300:]}")
read_until(b"SHARE")
seen = b""
read_until(b"SHARE") # and again, a second later
os.write(fd, b"\x03")
read_until(b"\x1b[?25h\x1b[?1049l")
_, status = os.waitpid(pid, 0)
print(os.waitstatus_to_exitcode(status))
END
run 0 timeout 200 python3 live.py "$HONE"
ok "Ctrl-C is how one leaves it" [ "$(cat out)" = 0 ]
run 0 "$HONE" cancel "$job"
ended() { "$HONE" jobs "$job" --json | grep -q '"state":"cancelled"'; }
ok "cancelled" wait_for 20 ended
run 0 "$HONE" db check farm.db
all_done
