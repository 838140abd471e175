#!/bin/bash
# Coordinator and worker on two network stacks, with keys: a listed key works, an unknown key and
# no key are refused and logged.  $1: build folder.  Skips where network namespaces cannot be made.
set -u
program=$1/test_workers_pool
[ -x "$program" ] || { echo "no $program"; exit 1; }
export PATH=$PATH:/usr/sbin:/sbin
a=hone-a-$$ b=hone-b-$$
folder=$(mktemp -d)
coordinator=
cleanup()
{
    [ -n "$coordinator" ] && kill "$coordinator" 2>/dev/null && wait "$coordinator" 2>/dev/null
    ip netns del "$a" 2>/dev/null
    ip netns del "$b" 2>/dev/null
    rm -rf "$folder"
}
trap cleanup EXIT

if ! { [ "$(id -u)" = 0 ] && ip netns add "$a" && ip netns add "$b" &&
       ip link add "ha$$" netns "$a" type veth peer name "hb$$" netns "$b" &&
       ip netns exec "$a" true; } 2>/dev/null; then
    echo "SKIP: network namespaces are not permitted here"
    exit 0
fi
set -e
ip -n "$a" addr add 10.77.0.1/24 dev "ha$$"
ip -n "$b" addr add 10.77.0.2/24 dev "hb$$"
ip -n "$a" link set "ha$$" up
ip -n "$b" link set "hb$$" up
ip -n "$a" link set lo up
ip -n "$b" link set lo up

cd "$folder"
for name in coordinator board stranger; do
    "$program" keygen "$name.key"
done
cat board.key.pub >coordinator.allow
cat coordinator.key.pub >board.allow
set +e

bad=0
fail() { echo "FAILED: $*"; bad=1; }
at=tcp://10.77.0.1:7177
ip netns exec "$a" "$program" coordinator $at coordinator.key coordinator.allow 600 >out 2>log &
coordinator=$!
await() # TEXT FILE: until it is there
{
    for _ in $(seq 1800); do
        grep -q -- "$1" "$2" && return 0
        sleep 0.1
    done
    fail "no '$1' in $2"
}
await listening out

# 1. Strangers first, so that the job is still there for whoever gets in.
ip netns exec "$b" "$program" worker $at stranger.key board.allow 180 >stranger.out 2>&1
[ $? -eq 1 ] || fail "the stranger did not end with exit code 1"
grep -q "E_DENIED .*does not list this side's public key" stranger.out || fail "the stranger was not told"
await "refused 10.77.0.2 with public key .*not in the allow file" log
stranger=$(sed -n 's/^public-key = //p' stranger.key)
grep -qF -- "$stranger" log || fail "the log does not name the stranger's key"

# 2. No key: hone itself refuses to try, and a side that tries all the same gets nowhere.
ip netns exec "$b" "$program" worker $at - - 180 >nokey.out 2>&1
[ $? -eq 2 ] || fail "the worker without a key did not end with exit code 2"
grep -q "hone keygen" nokey.out || fail "no remedy for a missing key"
ip netns exec "$b" "$program" plain $at 3 >plain.out 2>&1 && fail "a side without CURVE was answered"
await "side without keys.* (latest connection from 10.77.0.2)" log
grep -q "built:" out && fail "a job went to a stranger"

# 3. The listed key.
ip netns exec "$b" "$program" worker $at board.key board.allow 180 >board.out 2>&1 &
board=$!
await "event 1: board (build;" out
await "built: OK over the network" out
kill $board 2>/dev/null

if [ $bad -ne 0 ]; then
    for f in out log stranger.out nokey.out plain.out board.out; do
        echo "--- $f"
        cat $f
    done
fi
exit $bad
