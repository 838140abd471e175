#!/bin/bash
# A farm on Slurm, a real one of one node that is set up in the test's folder and ends with it: builders and
# a device come by the ready files' sbatch, a job is tuned, and they leave with scancel; then builders are
# started and ended by how many builds wait.
# shellcheck disable=SC2317
. "$2/tests/cli/lib.sh"

for c in slurmctld slurmd munged; do
    PATH=$PATH:/usr/sbin command -v $c >out || skip "no $c here (Debian: slurmctld slurmd slurm-client munge)"
done
command -v sbatch >out || skip "no sbatch here (Debian: slurm-client)"
export PATH=$BUILD:$PATH:/usr/sbin
chmod 755 "$T" # munged lets nobody in otherwise; what is secret has modes of its own

# ---- whoever has our configuration in the environment is ours, whoever started it; but who looks
export SLURM_CONF=$T/slurm.conf
ours() { env -u SLURM_CONF grep -lzsxF "SLURM_CONF=$SLURM_CONF" /proc/[0-9]*/environ; }
end_all() {
    local p
    [ "$result" = 0 ] || tail -n 15 -- *.log ./*.err 2>/dev/null
    for _ in 1 2 3 4 5; do
        ours >"$T/ours"
        [ -s "$T/ours" ] || break
        while IFS=/ read -r _ _ p _; do kill -9 "$p" 2>/dev/null; done <"$T/ours"
        sleep 0.2
    done
    finish
}
trap end_all EXIT

# ---- Slurm
host=$(uname -n)
host=${host%%.*}
read -r ctld slurmd port < <(python3 -c 'import socket
s = [socket.socket() for _ in "abc"]
for x in s: x.bind(("127.0.0.1", 0))
print(*[x.getsockname()[1] for x in s])')
cat >slurm.conf <<END
ClusterName=hone
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$T/munge.socket
SlurmctldPort=$ctld
SlurmdPort=$slurmd
StateSaveLocation=$T/state
SlurmdSpoolDir=$T/spool
SlurmctldPidFile=$T/slurmctld.pid
SlurmdPidFile=$T/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
MpiDefault=none
KillWait=120
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=8
PartitionName=all Nodes=$host Default=YES OverSubscribe=FORCE:8
END
mkdir state spool
(umask 077 && head -c 1024 /dev/urandom >munge.key)
daemon() { # NAME COMMAND...
    local name=$1
    shift
    "$@" >"$name.log" 2>&1 </dev/null &
    disown
}
daemon munged munged --foreground --key-file="$T/munge.key" --socket="$T/munge.socket" \
    --pid-file="$T/munged.pid" --log-file="$T/munged.log" --seed-file="$T/munged.seed"
wait_for 10 [ -S munge.socket ] || skip "munged does not run: $(tail -n 1 munged.log)"
daemon slurmctld slurmctld -D
daemon slurmd slurmd -D
idle() { [ "$(sinfo --noheader --format=%T 2>err)" = idle ]; }
wait_for 30 idle || skip "Slurm does not run: $(cat slurmd.log slurmctld.log err | grep -E 'error|fatal' | tail -n 1)"
run 0 sbatch --wrap 'echo it runs >ran' --output=/dev/null
wait_for 20 [ -s ran ] || skip "Slurm runs no jobs: $(grep -E 'error|fatal' slurmd.log | tail -n 1)"

# ---- a farm with keys
for k in farm ann builder board; do run 0 "$HONE" keygen $k; done
line() { printf '%s role=%s\n' "$(grep -v '^#' "$1.pub")" "$2"; }
{ line ann user,admin && line board device && line builder builder; } >allow
export HONE_SERVICE=tcp://127.0.0.1:$port
export HONE_COORDINATOR=$HONE_SERVICE HONE_ALLOW=$T/farm.pub
serve() { # OPTION...
    "$HONE" serve --listen "$HONE_SERVICE" --db farm.db --key farm --allow allow "$@" >serve.out 2>>serve.err &
    S=$!
    started+=("$S")
    ok "it serves" wait_for 30 grep -q "serving at" serve.out
}
ann() {
    local command=$1
    shift
    "$HONE" "$command" "$@" --key ann --allow farm.pub
}
jobs_named() { # NAME OPTION...
    local name=$1
    shift
    squeue --noheader --array --name="$name" --format=%T "$@"
}
none_named() { [ -z "$(jobs_named "$1")" ]; }
# workers LINK NAME-PATTERN: how many
workers() { ann devices 2>err | grep -c "^$2  *$1 "; }
are() { [ "$(workers "$2" "$3")" = "$1" ]; }

serve
export HONE_KEY=$T/builder
run 0 sbatch --parsable --array=1-2 "$SRC/examples/farm/hone-builder.sbatch"
builders=$(cat out)
export HONE_KEY=$T/board
run 0 sbatch --parsable --array=1 "$SRC/examples/farm/hone-device.sbatch"
device=$(cat out)
ok "two builders join" wait_for 30 are 2 online 'builder\.b[12]'
ok "the device joins" wait_for 30 are 1 online board

# shellcheck disable=SC2086
run 0 ann submit matmul $small --threads 1 --trials 4
says "job 1: "
run 0 ann watch 1
says "4 ok"
ann devices --target board >board.json
# shellcheck disable=SC2086
run 0 "$HONE" query matmul $small --threads 1 --target board.json --require exact --db farm.db
says ": exact, "

# ---- they leave
run 0 scancel "$builders"
ok "the builders leave" wait_for 20 are 2 offline 'builder\.b[12]'
left() { ann audit --json | grep -o '"reason":"worker_left"' | wc -l; }
ok "by themselves, before they were killed" [ "$(left)" = 2 ]
ok "and Slurm is done with them" wait_for 20 none_named hone-builder

# ---- builders as builds wait
kill "$S"
wait "$S"
export HONE_KEY=$T/builder
serve --launch "$SRC/examples/farm/slurm-builders.sh" --builders 2 --builders-idle 5
# shellcheck disable=SC2086
run 0 ann submit matmul -D M=32 -D N=48 -D K=32 --threads 1 --trials 4
run 0 ann watch 2
says "4 ok"
ok "they were Slurm's" grep -q . <(jobs_named hone-launched --states=all)
ok "the queue is empty, and they are ended" wait_for 40 none_named hone-launched

run 0 scancel "$device"
ok "the device leaves" wait_for 20 are 1 offline board
ok "and the last builders have, by themselves: $(left)" [ "$(left)" -ge 4 ]
kill "$S"
wait "$S"
run 0 "$HONE" db check farm.db
all_done
