#!/bin/bash
# Every command that talks to a service, against hone serve with a builder and a device of this machine,
# over tcp with keys: what each says, and what it refuses.
# shellcheck disable=SC2086
. "$2/tests/cli/lib.sh"

P=()
end_all() {
    for p in "${P[@]}"; do kill "$p" 2>/dev/null; done
    wait
    rm -rf "$T"
}
trap end_all EXIT
for k in farm root ann bob board spare stranger; do "$HONE" keygen $k >out || fail keygen; done
line() { printf '%s role=%s\n' "$(grep -v '^#' "$1.pub")" "$2"; }
{ line root admin && line ann user && line board device,builder; } >allow
grep -v '^#' farm.pub >service
read -r port http < <(python3 -c 'import socket
s = [socket.socket() for _ in "ab"]
for x in s: x.bind(("127.0.0.1", 0))
print(*[x.getsockname()[1] for x in s])')
export HONE_SERVICE=tcp://127.0.0.1:$port
serve() {
    "$HONE" serve --listen $HONE_SERVICE --db farm.db --key farm --allow allow --http 127.0.0.1:$http \
        >>serve.out 2>>serve.err &
    S=$!
    P+=("$S")
    ok "it serves" wait_for 30 serving "$1"
}
serving() { [ "$(grep -c "serving at" serve.out)" = "$1" ]; }
serve 1
as() { # WHO COMMAND...
    local who=$1
    shift
    "$HONE" "$@" --key "$who" --allow service
}
run 0 as ann submit matmul $small --threads 1 --trials 3 --request once
says "no device has joined the service yet: the job waits" err
"$BUILD/hone-device" --connect $HONE_SERVICE --key board --allow service >d.out 2>&1 &
P+=("$!")
waits() { as ann devices >out 2>err && grep -q "^board .*joining .*probing" out && grep -q "waits for a builder" out; }
ok "the device waits for a builder, and is seen" wait_for 60 waits
run 0 as ann submit matmul $small --threads 1 --trials 3 --request once
says "job 1: matmul M=64 N=48 K=32, 0 devices match"
says "no device that matches has joined yet, 1 is joining: the job waits" err
run 0 as ann jobs --why
says "a device that is here waits for a builder to make its canaries (canaries)"
"$HONE" worker --connect $HONE_SERVICE --role build --key board --allow service >b.out 2>&1 &
P+=("$!")
here() { as ann devices >out 2>err && grep -q "^board .*online.*arch=" out; }
ok "the device has joined" wait_for 60 here

# ---- a job
run 0 as ann submit matmul $small --threads 1 --trials 3 --request once
says "job 1: matmul M=64 N=48 K=32, 1 device matches"
run 0 as ann submit matmul $small --threads 1 --trials 3 --request once
says "job 1: "
run 0 as ann watch 1
says "3 ok"
says "log      tcp://127.0.0.1:"
run 0 as ann watch 1 --json
says '{"line":{"best":true,'
says '"seq":1}'
run 0 as ann watch 1 --from 4 --json
ok "watch goes on where it was" sh -c '! grep -q "\"n\":3}" out'
run 0 as ann jobs
says "ann          done"
run 0 as ann jobs 1 --json
says '"state":"done"'
refuse 3 "no job 99" as ann jobs 99
refuse 3 "no job 99" as ann watch 99
refuse 2 "job 1 is done: it cannot be cancelled" as ann cancel 1
refuse 3 "no job 99" as ann cancel 99
refuse 2 "request once was job 1, matmul M=64 N=48 K=32, which is another" as ann submit softmax -D M=8 -D N=8 --threads 1 --request once
refuse 2 "with another text or other options" as ann submit matmul $small --threads 1 --trials 4 --request once
run 0 as ann submit matmul -D M=32 -D N=32 -D K=32 --threads 1024 --trials 1
says "0 devices match"
says "has 1024 processors" err
job=$(sed -n 's/^job \([0-9]*\):.*/\1/p' out)
run 0 as ann cancel $job --json
says "\"job\":$job"
says '"state":"cancelled"'

# ---- as if local
run 0 as ann tune matmul -D M=32 -D N=48 -D K=32 --threads 1 --trials 2 --service $HONE_SERVICE --json
says '"summary":true'
ok "a line for each trial" [ "$(grep -c '"trial":' out)" = 2 ]
refuse 2 "--service has a log" as ann tune matmul $small --service $HONE_SERVICE --db x.db
run 0 as ann devices --target board
cp out board.json
says '"kind":"llvm"'
asked="query matmul $small --threads 1 --target board.json"
run 0 as ann $asked --require exact --service $HONE_SERVICE
says ": exact, "
run 0 as ann $asked --require exact
says ": exact, "
run 0 as ann $asked --json
cp out named
run 0 as ann $asked --service $HONE_SERVICE --json
cp out there
ok "HONE_SERVICE is obeyed" cmp -s named there
run 0 "$HONE" $asked --db farm.db --json
ok "the answer is that of the log" cmp -s out there
run 0 as ann $asked --service $HONE_SERVICE --emit library -o lib --name f
ok "files are made here" [ -s lib/f.o ]
refuse 3 "has no result" as ann query matmul -D M=5 -D N=5 -D K=5 --threads 1 --require exact --service $HONE_SERVICE
printf 'kernel k(N) {\n input A: f32[N]; output Y: f32[N]\n Y[i] = A[i] + A[i]\n}\n' >own.hone
run 0 as ann tune own.hone -D N=64 --threads 1 --trials 1 --service $HONE_SERVICE
says "own.hone N=64 on "
rm own.hone
refuse 3 "own.hone" as ann submit own.hone -D N=64
refuse 2 "no built-in kernel 'tuna'" as ann submit tuna

# ---- waiting, resting, ending
run 0 as ann submit matmul $small --on label=nowhere
says "0 devices match"
run 0 as ann jobs --why
says "no device that the farm knows matches its filter, has a processor for each of its threads and the architecture of its target (no_device)"
job=$(sed -n 's/^ *\([0-9]*\)  ann *queued.*/\1/p' out)
run 0 as ann pause $job
run 0 as ann jobs $job
says "its user has paused it (paused)"
run 0 as ann resume $job
run 0 as ann cancel $job
run 0 as ann jobs $job
says "cancelled"

# ---- a name is never a file of the service's
echo 'kernel k(N) { output Y: f32[N]; Y[i] = 1 }' >secret.hone
for verb in '"verb":"query","kernel":' '"verb":"submit","request":"x","tasks":['; do
    end=${verb##*:}
    "$BUILD/test_ask" $HONE_SERVICE --key ann --allow service \
        "{\"v\":1,$verb{\"name\":\"$T/secret.hone\",\"sizes\":{\"N\":4}}${end/[/]},\"target\":\"haswell\"}" >out 2>err
    says '"ok":false'
    says "built-in"
done

# ---- who may what
refuse 1 "this key may not ask for audit" as ann audit
refuse 1 "this key may not do that" as ann drain board
refuse 1 "this key may not do that" as ann keys revoke root
refuse 1 "" as stranger jobs
run 0 as root drain board --for 60
run 0 as ann devices
says "draining by root"
run 0 as root drain board --end
run 0 as ann reserve board --for 60
run 0 as ann release board
run 0 as root keys add bob.pub --role user --share 2
run 0 as bob jobs
run 0 as root keys list
says "bob                   2"
refuse 1 "job 1 is somebody else's" as bob watch 1
refuse 1 "job 1 is somebody else's" as bob cancel 1
run 0 as ann submit matmul $small --on label=nowhere
job=$(sed -n 's/^job \([0-9]*\):.*/\1/p' out)
run 0 as bob top --once
ok "of the jobs of others no trials are told" grep -Eq "ann +queued +[^ ]+ +- " out
run 0 as ann cancel $job
refuse 2 "board.b1 is not a device" as bob reserve board.b1 --for 60
refuse 2 "a reservation is for 1 to 7200 s, not for 7201" as bob reserve board --for 7201
run 0 as ann reserve board --for 600
refuse 2 "board is reserved by ann, for 10 min more" as bob reserve board --for 60
refuse 1 "board is reserved by ann" as bob release board
run 0 as ann release board
run 0 as root audit
ok "a refusal is in the audit log" grep -Eq "bob +release +worker board" out
says "the allow file said so"

# ---- keys
refuse 2 "this key is here already, as bob" as root keys add bob.pub --name bob2 --role user,admin
refuse 2 "another key is named bob; a name is one key" as root keys add stranger.pub --name bob --role user
refuse 2 "not ''" as root keys add bob.pub --role ""
refuse 2 "root is the only administrator's key" as root keys revoke root
run 0 as root keys revoke bob
refuse 1 "" as bob jobs
line bob user >>allow # what `hone keys` said holds against the file, and over a restart
kill -HUP $S
held() { [ "$(grep -c "bob was revoked" serve.err)" -ge "$1" ]; }
ok "the file is told no" wait_for 30 held 1
refuse 1 "" as bob jobs
refuse 2 "--role is user, device, builder or admin" as root keys add bob.pub --role king
refuse 2 "no line with a public key" as root keys add serve.out --role user
run 0 as root audit --json
says '"verb":"key_revoke"'
says '"hash":'
run 0 as ann top --once
says "USER          SHARE"
run 0 as ann top --once --json
says '"devices_in_all":'

# ---- a device with the key of another, and one whose key is revoked, are told and end
spare() { # N: in the background, saying to spareN
    "$BUILD/hone-device" --connect $HONE_SERVICE --key spare --allow service --verbose >spare$1 2>&1 &
    D=$!
    P+=("$D")
    ok "device $1 has joined" wait_for 60 grep -q "registered at" spare$1
}
ends() { # N PID WHAT
    wait "$2"
    [ "$?" = 1 ] || fail "device $1 ends"
    grep -q "$3" spare$1 || { cat spare$1; fail "device $1 says why"; }
}
run 0 as root keys add spare.pub --role device
spare 1
first=$D
spare 2
ends 1 $first "refused this worker: a later process with this key has come"
run 0 as root keys revoke spare
ends 2 $D "refused this worker: .*revoked\|refused this worker: its key is not allowed"
run 0 as root keys add spare.pub --role device
spare 3
run 0 as root keys revoke spare
ends 3 $D "refused this worker: "

# ---- the page
page() { python3 -c 'import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1]).read().decode())' "http://127.0.0.1:$http/$1"; }
run 0 page healthz
says "ok"
run 0 page metrics
says 'hone_jobs{state="done",class="batch"}'
run 0 page status.json
says '"jobs":['

# ---- a restart of the service, while one watches
run 0 as ann submit matmul -D M=64 -D N=64 -D K=64 --threads 1 --trials 4 --request last
job=$(sed -n 's/^job \([0-9]*\):.*/\1/p' out)
as ann watch $job >watched 2>watched.err &
w=$!
kill -9 $S
serve 2
ok "watching goes on over a restart" wait $w
ok "to the end" grep -q "trials   " watched
ok "the file is told no at each start" held 2
refuse 1 "" as bob jobs
run 0 as root keys add bob.pub --role user
run 0 as bob jobs

# ---- options of a service
refuse 2 "go with --launch" "$HONE" serve --listen ipc://$T/none --db none.db --builders 3
refuse 2 "go with --launch" "$HONE" serve --listen ipc://$T/none --db none.db --builders-idle 5

kill $S
wait $S
run 1 as ann jobs
ok "it says that it waits" grep -q "^hone: warning: no service answers yet at .*; waiting 10 s for it" err
ok "and in the end that nobody came" grep -q "^hone: no service answers at" err
refuse 2 "which service" env -u HONE_SERVICE "$HONE" jobs
all_done
