#!/bin/bash
# hone serve with a builder and a device of this machine: jobs of two people end with results in the
# log, also over a kill -9 of the service; strangers stay out, and SIGHUP and SIGTERM are obeyed.
set -u
BUILD=$(cd "$1" && pwd)
HONE=$BUILD/hone
ASK=$BUILD/test_ask
W=$(mktemp -d "${TMPDIR:-/tmp}/hone-serve.XXXXXX")
cd "$W" || exit 1
P=() # processes of ours
bye() {
    for p in "${P[@]}"; do kill "$p" 2>/dev/null; done
    wait
    rm -rf "$W"
}
trap bye EXIT
fail() {
    echo "FAIL: $1"
    tail -n 20 -- *.err out 2>/dev/null
    ask ann '{"v":1,"verb":"devices"}' && cat out
    exit 1
}
# until SECONDS CONDITION...: what takes so long on a quiet machine, and may take more on a busy one
until_() {
    local n=$((5 * ($1 > 180 ? $1 : 180)))
    shift
    while ! "$@"; do
        n=$((n - 1))
        [ $n -gt 0 ] || return 1
        sleep 0.2
    done
}

for k in farm ann bob board stranger; do "$HONE" keygen $k || fail "keygen"; done
line() { printf '%s role=%s %s\n' "$(grep -v '^#' "$1.pub")" "$2" "${3-}"; }
{
    line ann user,admin share=3
    line bob user
    line board device,builder
} >allow
grep -v '^#' farm.pub >service
PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
AT=tcp://127.0.0.1:$PORT

serve() {
    "$HONE" serve --listen "$AT" --db farm.db --key farm --allow allow >>serve.out 2>>serve.err &
    S=$!
    P+=("$S")
    until_ 30 grep -q "serving at" serve.out || fail "it does not serve"
}
ask() { # WHO REQUEST
    "$ASK" "$AT" --key "$1" --allow service "$2" >out 2>ask.err
}
says() { grep -q -- "$1" out; }

# told when it is ready
python3 - >notified <<'EOF' &
import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("notify")
s.settimeout(200)
print(s.recv(100).decode(), flush=True)
EOF
until_ 20 [ -S notify ]
export NOTIFY_SOCKET=$W/notify
serve
until_ 10 grep -q READY=1 notified || fail "the service manager is not told READY=1"
unset NOTIFY_SOCKET

"$HONE" worker --connect "$AT" --key board --allow service --role both --label kitchen 2>worker.err &
P+=("$!")

# ---- who may what
ask stranger '{"v":1,"verb":"jobs"}' && fail "a stranger is let in"
grep -q "allow file" ask.err || fail "and is not told why"
ask board '{"v":1,"verb":"jobs"}' && fail "a device's key asks"
ask bob '{"v":1,"verb":"keys"}'
says '"ok":false' || fail "a user sees the keys"
ask bob 'not JSON'
says '"ok":false' || fail "nonsense is answered with something else than no"
ask ann '{"v":1,"verb":"submit","request":"x","tasks":[{"text":"kernel k( {","name":"k"}],"trials":1}'
says '"ok":false' || fail "a kernel that is none is taken"

# ---- two jobs
job() { # WHO REQUEST M
    ask "$1" "{\"v\":1,\"verb\":\"submit\",\"filter\":\"label=kitchen\",\"request\":\"$2\",\"threads\":1,\"trials\":$4,
        \"tasks\":[{\"name\":\"matmul\",\"sizes\":{\"M\":$3,\"N\":32,\"K\":32}}]}"
    says '"ok":true' || fail "$1's job is not taken: $(cat out)"
}
job ann one 32 24
cp out first
job ann one 32 24
cmp -s out first || fail "said twice, it is two jobs"
job bob one 48 24

trials() {
    ask ann '{"v":1,"verb":"jobs"}'
    python3 -c 'import json; print(sum(j.get("trials", 0) for j in json.load(open("out"))["jobs"]))'
}
some() { [ "$(trials)" -ge 4 ]; }
until_ 120 some || fail "no trials"

# ---- a crash, in the middle
kill -9 "$S"
wait "$S" 2>/dev/null
serve
ended() {
    ask ann '{"v":1,"verb":"jobs"}' || return 1
    python3 - "$1" <<'EOF'
import json, sys
jobs = json.load(open("out"))["jobs"]
sys.exit(0 if len(jobs) == 2 and all(j["state"] == sys.argv[1] for j in jobs) else 1)
EOF
}
# (the only device may cool down meanwhile, for 30, 60 and 120 s)
until_ 600 ended "done" || fail "the jobs do not end after a crash"

# ---- a key is taken out, and a bad file changes nothing
grep -v bob allow >allow2 && mv allow2 allow
kill -HUP "$S"
out_() { ! ask bob '{"v":1,"verb":"jobs"}'; }
until_ 20 out_ || fail "a key that was taken out still asks"
echo nonsense >>allow
kill -HUP "$S"
until_ 20 grep -q "goes on" serve.err || fail "a bad allow file is not told of"
ask ann '{"v":1,"verb":"jobs"}' || fail "a bad allow file keeps those out who were in"

# ---- the end
START=$(date +%s%N)
kill -TERM "$S"
wait "$S" || fail "SIGTERM: exit code $?"
MS=$((($(date +%s%N) - START) / 1000000))
"$HONE" db check farm.db >check 2>&1 || fail "the log is not sound: $(cat check)"
python3 - <<'EOF' || exit 1
import sqlite3, sys
q = sqlite3.connect("farm.db")
n, = q.execute("SELECT count(*) FROM record").fetchone()
twice = q.execute("SELECT workload_id, target_id, trace_hash FROM record"
                  " GROUP BY 1, 2, 3 HAVING count(*) > 1").fetchall()
each = [x for x, in q.execute("SELECT count(*) FROM record GROUP BY workload_id")]
# each job had 24 trials, and a crash forgets that those of its last second were counted
if not 44 <= n <= 2 * 48 or twice or len(each) != 2:
    sys.exit(f"FAIL: {n} records, {each}, twice {twice}")
verbs = {v for v, in q.execute("SELECT json_extract(body, '$.verb') FROM event")}
if not {"submit", "key_revoke", "key_add", "job"} <= verbs:
    sys.exit(f"FAIL: the audit log has {verbs}")
EOF
python3 -c 'import sqlite3; print(sqlite3.connect("farm.db").execute("SELECT text FROM target").fetchone()[0])' >target
"$HONE" query matmul -D M=32 -D N=32 -D K=32 --db farm.db --threads 1 --target target --require exact \
    >out 2>query.err || fail "hone query does not find the result"
echo "ok: two jobs over a crash; it ended in $MS ms"
