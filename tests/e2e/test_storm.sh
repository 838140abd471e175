#!/bin/bash
# kill -9 at random of everything a farm is made of, while three kernels are tuned: the service, the
# builder, the device's worker, its nursery, and a client that watches. At the end every job is done,
# the log is sound, and no candidate is in it twice.
#
# HONE_STORM_SECONDS (8) is how long it lasts, HONE_STORM_GAP (0) how many seconds more there are from one
# kill to the next, HONE_SEED (1) which victims it takes, HONE_STORM_TRIALS how many each kernel gets (six a
# second, so that there is work until the end; a slow machine does less); from 300 s on what was found is
# timed in turns with what a tune in peace finds.
# shellcheck disable=SC2086,SC2046
. "$2/tests/cli/lib.sh"

storm=${HONE_STORM_SECONDS:-8}
gap=${HONE_STORM_GAP:-0}
RANDOM=${HONE_SEED:-1}
trials=${HONE_STORM_TRIALS:-$((storm * 6 > 48 ? storm * 6 : 48))}
kernels=("matmul -D M=64 -D N=48 -D K=32" "matmul -D M=96 -D N=64 -D K=80" "matmul -D M=80 -D N=80 -D K=48")

for k in farm ann board; do "$HONE" keygen $k >out || fail keygen; done
line() { printf '%s role=%s\n' "$(grep -v '^#' "$1.pub")" "$2"; }
{ line ann user,admin && line board device,builder; } >allow
grep -v '^#' farm.pub >service
HONE_SERVICE=tcp://127.0.0.1:$(python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export HONE_SERVICE

declare -A pid=() killed=()
roles=(service builder device client)
start() { # the process itself, not a shell around it
    local what=()
    case $1 in
    service) what=("$HONE" serve --listen "$HONE_SERVICE" --db farm.db --key farm --allow allow) ;;
    builder) what=("$HONE" worker --connect "$HONE_SERVICE" --role build --key board --allow service) ;;
    device) what=("$BUILD/hone-device" --connect "$HONE_SERVICE" --key board --allow service) ;;
    client) what=("$HONE" watch 1 --key ann --allow service) ;;
    esac
    "${what[@]}" >>"$1.out" 2>>"$1.err" </dev/null &
    pid[$1]=$!
    disown
}
end_all() {
    local r
    for r in "${roles[@]}"; do kill "${pid[$r]:-}" 2>/dev/null; done
    for r in "${roles[@]}"; do gone 20 "${pid[$r]:-0}"; done
    finish
}
trap end_all EXIT
ann() { "$HONE" "$@" --key ann --allow service; }

start service
start builder
start device
for k in "${kernels[@]}"; do
    run 0 ann submit $k --threads 1 --trials $trials --request "$k"
done
start client
state() { # of all jobs: how many are in it
    ann jobs --all --json >jobs.out 2>jobs.err || return 1
    [ "$(grep -o "\"state\":\"$1\"" jobs.out | wc -l)" = "${#kernels[@]}" ]
}
begun() { # measured something
    [ -f farm.db ] && [ "$(python3 -c 'import sqlite3
print(sqlite3.connect("farm.db").execute("SELECT count(*) FROM record").fetchone()[0])' 2>/dev/null)" -gt 3 ]
}
ok "tuning begins" wait_for 120 begun

# ---- the storm
victims=(service builder device nursery client)
until=$((SECONDS + storm))
n=0
nursed() { [ -n "$(children "${pid[device]}")" ]; }
while [ $SECONDS -lt $until ] || [ $n -lt 5 ]; do
    v=${victims[$((RANDOM % 5))]}
    # each at least once, and soon
    [ $n -lt 5 ] && v=${victims[$n]}
    n=$((n + 1))
    if [ $v = nursery ]; then
        [ $n -gt 5 ] || wait_for 30 nursed # its device may have begun just now
        for c in $(children "${pid[device]}"); do kill -9 "$c" && killed[nursery]=$((${killed[nursery]:-0} + 1)); done
    elif alive "${pid[$v]}"; then
        kill -9 "${pid[$v]}" && killed[$v]=$((${killed[$v]:-0} + 1))
    fi
    sleep 0.$((RANDOM % 4))
    for r in "${roles[@]}"; do # whoever is gone comes back
        alive "${pid[$r]}" || start $r
    done
    sleep $((gap + RANDOM % 2)).$((RANDOM % 10))
done
for v in "${victims[@]}"; do
    ok "$v was killed" [ "${killed[$v]:-0}" -gt 0 ]
    printf '%s %s times; ' "$v" "${killed[$v]:-0}"
done
echo "killed in $storm s"

# ---- peace
for r in "${roles[@]}"; do alive "${pid[$r]}" || start $r; done
# What they wait for, and how far they are.
cat >how.py <<'END'
import json
jobs, devices = (json.load(open(f)) for f in ("jobs.out", "devices.out"))
said = [f"{j['state']}: {j.get('wait', {}).get('reason', '')}" for j in jobs["jobs"]]
for d in devices["devices"]:
    if "device" in d["roles"] and d["link"] == "online":
        said.append(f"{d['name']} {d['health']} ({d['because']['reason']}), score {d['score']}")
print("; ".join(said))
print(sum(j.get("trials", 0) for j in jobs["jobs"]), "trials")
END
how() {
    ann jobs --all --json >jobs.out 2>jobs.err && ann devices --json >devices.out 2>jobs.err &&
        python3 how.py >how.out 2>&1 || echo "the service does not answer" >how.out
}
# Until all are done. A device whose worker was killed three times is on probation: it takes nothing until its
# calibration kernels were well three times in a row, which a machine that is busy with other things may put off,
# and it may be cooled or put in quarantine. Who knows that this was a storm opens it after a minute. Beside
# that, nothing must stand still for three.
since=$SECONDS well=$SECONDS said='' seen=''
until state "done"; do
    for r in builder device; do alive "${pid[$r]}" || start $r; done # one may have ended with its nursery
    how
    [ "$(head -n 1 how.out)" = "$said" ] || echo "after $SECONDS s: $(tac how.out | tr '\n' ' ')"
    said=$(head -n 1 how.out)
    grep -qE "board (probing|cooling|probation|quarantined|retired)" how.out || well=$SECONDS
    if [ $((SECONDS - well)) -gt 60 ]; then
        ann drain board --end >open.out 2>&1 && echo "after $SECONDS s: opened"
        well=$SECONDS
    fi
    if grep -qE '"state":"(failed|cancelled|expired)"' jobs.out; then
        fail "a job has ended otherwise: $(cat jobs.out; tail -n 5 service.err)"
        all_done
    elif [ "$(cat how.out)" != "$seen" ]; then
        seen=$(cat how.out) since=$SECONDS
    elif [ $((SECONDS - since)) -gt 180 ] || [ $SECONDS -gt $((storm + 1000)) ]; then
        fail "nothing happens: $(cat how.out jobs.out devices.out; tail -n 5 service.err)"
        all_done
    fi
    sleep 1
done
echo "all are done after $SECONDS s"
run 0 ann devices --target board # a log has a device's results under what it says it is
mv out board.json
checks=$((checks + 1))
kill -TERM "${pid[service]}"
ok "the service ends" gone 30 "${pid[service]}"
run 0 "$HONE" db check farm.db
cat >look.py <<'END'
import sqlite3, sys
q = sqlite3.connect("farm.db")
rows = q.execute("SELECT w.sizes, count(*), count(DISTINCT r.trace_hash),"
                 " min(CASE WHEN r.status = 'OK' THEN r.time_ns END)"
                 " FROM record r JOIN workload w ON w.id = r.workload_id GROUP BY r.workload_id, r.target_id").fetchall()
print(rows)
for name, n, distinct, best in rows:
    # a crash of the service forgets a second of its budget, which is then spent once more
    if n != distinct or n < int(sys.argv[1]) * 0.9 or not best:
        sys.exit(f"{name}: {n} records, {distinct} candidates, best {best}")
if len(rows) != 3:
    sys.exit("not three kernels")
END
run 0 python3 look.py $trials
cat out

if [ "$storm" -ge 300 ]; then
    for k in "${kernels[@]}"; do
        run 0 "$HONE" tune $k --threads 1 --trials $trials --target board.json --db peace.db
    done
    run 0 "$BUILD/race_logs" farm.db peace.db 1.15
    cat out
fi
all_done
