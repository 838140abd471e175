#!/bin/bash
# Ten hosts, as network namespaces with a key each: a coordinator, a builder from which a person asks,
# and eight devices. Of these two are as they should be; one is cut off for 30 s, one is killed, one has
# clocks that jump; one gives times that cannot be, one computes wrong, and one answers what others were
# asked. At the end a table: what each gave, and what the farm made of it. No lie may have become a best.
#
# HONE_HOSTS_LONG=1: more of each, and an eleventh host that halves its times, which nobody can see.
# shellcheck disable=SC2086,SC2178,SC2128,SC2206,SC2317
. "$2/tests/cli/lib.sh"
export PATH=$PATH:/usr/sbin:/sbin
long=${HONE_HOSTS_LONG:-}
hosts=(farm build plain1 plain2 cut killed jump time output fence)
[ -n "$long" ] && hosts+=(fast)
devices=("${hosts[@]:2}")

space() { echo "hone10-$$-$1"; }
declare -A pid=()
end_all() {
    local h
    for h in "${!pid[@]}"; do kill "${pid[$h]}" 2>/dev/null; done
    for h in "${!pid[@]}"; do gone 20 "${pid[$h]}"; done
    for h in "${hosts[@]}"; do ip netns del "$(space $h)" 2>/dev/null; done
    [ "$result" = 0 ] || tail -n 5 -- *.err
    finish
}
trap end_all EXIT
make() {
    local h i=0
    [ "$(id -u)" = 0 ] || return 1
    for h in "${hosts[@]}"; do
        ip netns add "$(space $h)" && ip -n "$(space $h)" link set lo up || return 1
    done
    for h in "${hosts[@]:1}"; do
        i=$((i + 1))
        ip link add to$i netns "$(space farm)" type veth peer name eth0 netns "$(space $h)" &&
            ip -n "$(space farm)" addr add 10.79.$i.1/30 dev to$i &&
            ip -n "$(space $h)" addr add 10.79.$i.2/30 dev eth0 &&
            ip -n "$(space farm)" link set to$i up && ip -n "$(space $h)" link set eth0 up || return 1
        address[$h]=tcp://10.79.$i.1:7177
    done
    ip netns exec "$(space farm)" unshare --uts true
}
declare -A address=()
make 2>out || skip "network namespaces are not permitted here"

# ---- keys: each its own, and the coordinator's for all
for h in "${hosts[@]}" ann; do "$HONE" keygen $h >out || fail keygen; done
line() { printf '%s role=%s\n' "$(grep -v '^#' "$1.pub")" "$2"; }
{
    line ann user,admin
    line build builder
    for h in "${devices[@]}"; do line $h device; done
} >allow
grep -v '^#' farm.pub >service

on() { # HOST COMMAND...: there, under a name of its own; this process becomes it
    local h=$1
    shift
    exec ip netns exec "$(space $h)" unshare --uts sh -c 'hostname "$0"; exec "$@"' "$h" "$@"
}
ann() { (on build "$HONE" "$@" --service ${address[build]} --key ann --allow service); }
start() { # HOST
    local h=$1 what=("$BUILD/hone-device")
    case $h in
    farm) what=("$HONE" serve --listen tcp://0.0.0.0:7177 --db farm.db --key farm --allow allow) ;;
    build) what=("$HONE" worker --role build) ;;
    jump) what=(env LD_PRELOAD="$BUILD/libtest_jump.so" HONE_TEST_CLOCK=clock
        ASAN_OPTIONS="${ASAN_OPTIONS-}:verify_asan_link_order=0" "$BUILD/hone-device") ;;
    time) what=("$BUILD/lying_device" --lie time --after 3 --device "$BUILD/hone-device") ;;
    output) what=("$BUILD/lying_device" --lie output --after 6 --device "$BUILD/hone-device") ;;
    fence | fast) what=("$BUILD/lying_device" --lie $h --device "$BUILD/hone-device") ;;
    esac
    [[ $h != killed && $h != plain1 ]] || what+=(--label pair)
    [ $h = farm ] || what+=(--connect ${address[$h]} --key $h --allow service)
    (on $h "${what[@]}") >>$h.out 2>>$h.err </dev/null &
    pid[$h]=$!
    disown
}
of() { python3 "$SRC/tests/e2e/ten_hosts.py" "$@"; }
# A busy machine disturbs what devices are known by, and then they get nothing for a while. Who knows that opens
# those that do not lie.
reopen() {
    local h
    for h in "${devices[@]}"; do
        [[ $h = time || $h = output ]] || ! is $h "health=cooling|quarantined|retired" ||
            ann drain $h --end >open.out 2>&1
    done
}
until_() { # SECONDS WHAT COMMAND...: polls twice a second, and says what it waited for when it was in vain
    local n=$((2 * ($1 > 300 ? $1 : 300))) what=$2
    shift 2
    checks=$((checks + 1))
    while ! "$@"; do
        n=$((n - 1))
        [ $((n % 120)) != 0 ] || reopen
        if [ $n -le 0 ]; then
            ann devices >out 2>&1
            ann jobs --why >>out 2>&1
            fail "in vain: $what"
            return 1
        fi
        sleep 0.5
    done
}
is() { # HOST CONDITION...
    ann devices --json >devices.json 2>devices.err && of is devices.json "$@"
}
gave() { of results farm.db $1; }
gives_more() { [ "$(gave $1)" -gt "$2" ]; }

# ---- they join, two at a time, so that first measurements are not disturbed by all others'
echo 0 >clock
truncate -s 4096 clock
start farm
until_ 60 "the service listens" grep -q "serving at" farm.out
start build
for ((i = 0; i < ${#devices[@]}; i += 2)); do
    for h in "${devices[@]:i:2}"; do start $h; done
    for h in "${devices[@]:i:2}"; do until_ 180 "$h is good" is $h link=online health=good || all_done; done
done

# ---- all measure for one job
submit() { # REQUEST ARGUMENTS...: the job's number in $job
    run 0 ann submit matmul --threads 1 --request "$@"
    job=$(sed -n 's/^job \([0-9]*\): .*/\1/p' out)
}
ended() { ann jobs $1 --json >jobs.out 2>&1 && grep -q "\"state\":\"done\"" jobs.out; }
submit all -D M=64 -D N=48 -D K=32 --trials ${long:+4}16
until_ 240 "a job of all ends" ended $job

# ---- one is cut off, one is killed, the clocks of one jump, while they measure
submit pair -D M=64 -D N=48 -D K=48 --trials 40 --on label=pair
pair=$job
submit cut -D M=80 -D N=64 -D K=32 --trials 100000 --on name=cut
cut=$job
before=$(gave cut)
until_ 120 "the one that is to be cut off gives results" gives_more cut "$before"
ip -n "$(space cut)" link set eth0 down
before=$(gave cut) cut_at=$SECONDS
until_ 120 "the one that is to be killed gives results" gives_more killed 0
for p in $(family "${pid[killed]}"); do kill -9 $p; done
unset "pid[killed]"
until_ 60 "the one cut off is missed" is cut "link=offline|torpid"
until_ 60 "the one killed is missed" is killed link=offline
while [ $((SECONDS - cut_at)) -lt 30 ]; do sleep 0.5; done
ip -n "$(space cut)" link set eth0 up
until_ 120 "it is back" is cut link=online
until_ 240 "and gives results again" gives_more cut "$before"
run 0 ann cancel $cut
until_ 240 "the job of the one that was killed ends on another" ended $pair
submit jump -D M=96 -D N=64 -D K=32 --trials 100000 --on name=jump
for jump in 0 3600 -86400 0; do # the monotonic clock takes part in what goes forward
    printf '%s\n' $jump | dd of=clock conv=notrunc status=none
    before=$(gave jump)
    until_ 240 "results after its clocks have jumped to $jump s" gives_more jump "$before"
done
run 0 ann cancel $job

# ---- the liars, each with a job of its own
submit time -D M=80 -D N=48 -D K=32 --trials 100000 --on name=time
until_ 120 "times that cannot be are told of" grep -q "time is sent away: it sent a result that cannot be" farm.err
until_ 180 "one that sends them is looked at" is time "health=probation|quarantined|retired"
run 0 ann cancel $job
submit output -D M=96 -D N=48 -D K=32 --trials 100000 --on name=output
until_ 240 "wrong results are found by a kernel whose result is known" \
    grep -q "output computed the golden kernel wrong" farm.err
run 0 ann cancel $job
submit fence -D M=112 -D N=48 -D K=32 --trials ${long:+9}6 --on name=fence
until_ 180 "the job of one that answers for others ends" ended $job

# ---- what is left of them goes on as ever
submit last -D M=128 -D N=48 -D K=32 --trials ${long:+9}8
until_ 240 "a job of all ends" ended $job

# ---- what they say they did, and what is in the log
ann devices --json >devices.json || fail "no answer"
for h in "${devices[@]}"; do [ -z "${pid[$h]:-}" ] || kill "${pid[$h]}"; done
for h in "${devices[@]}"; do [ -z "${pid[$h]:-}" ] || ok "$h ends" gone 20 "${pid[$h]}"; done
cat time.out output.out fence.out >said
[ -z "$long" ] || cat fast.out >>said
kill "${pid[farm]}"
ok "the service ends" gone 30 "${pid[farm]}"
run 0 "$HONE" db check farm.db
of table farm.db devices.json said || fail "what is false counts"
checks=$((checks + 1))
ok "each liar has lied" [ "$(grep -cE '"(lies|for_others)":[1-9]' said)" -ge 3 ]
all_done
