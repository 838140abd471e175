#!/bin/bash
# Two hosts, as two network namespaces: `hone tune` on one, `hone worker` and `hone-device` on the
# other. The key on the list measures; an unknown key, and no key, are refused and logged.
# shellcheck disable=SC2086,SC2317
. "$2/tests/cli/lib.sh"
export PATH=$PATH:/usr/sbin:/sbin

a=hone-e2e-a-$$ b=hone-e2e-b-$$
unmake() {
    ip netns del $a 2>/dev/null
    ip netns del $b 2>/dev/null
}
trap 'unmake; finish' EXIT
make() {
    [ "$(id -u)" = 0 ] && ip netns add $a && ip netns add $b &&
        ip link add ea$$ netns $a type veth peer name eb$$ netns $b && ip netns exec $a true
}
make 2>/dev/null || skip "network namespaces are not permitted here"
ip -n $a addr add 10.78.0.1/24 dev ea$$
ip -n $b addr add 10.78.0.2/24 dev eb$$
for side in a b; do
    ip -n ${!side} link set e$side$$ up
    ip -n ${!side} link set lo up
done
here="ip netns exec $a" there="ip netns exec $b"

for who in coordinator board stranger; do
    run 0 "$HONE" keygen $who.key
done
cat board.key.pub >boards
cat coordinator.key.pub >owners
kernel="matmul -D M=64 -D N=48 -D K=32 --threads 1"

# ---- beyond this machine nothing goes without keys
refuse 2 "hone keygen" $here "$HONE" tune $kernel --db no.db --listen tcp://10.78.0.1:7177
refuse 2 "hone keygen" $here "$HONE" tune $kernel --db no.db --worker tcp://10.78.0.2:7177
refuse 2 "hone keygen" $there "$HONE" worker --connect tcp://10.78.0.1:7177
refuse 2 "hone keygen" $there "$HONE" worker --listen tcp://10.78.0.2:7177
refuse 2 "--allow is missing" $there "$HONE" worker --listen tcp://10.78.0.2:7177 --key board.key

# ---- the tune waits, workers come
at=tcp://10.78.0.1:7177
# the stranger is there first, so that it would be served if anybody were; and all are when the tune comes, which
# waits no more than 10 s for a worker
$there "$HONE" worker --connect $at --key stranger.key --allow owners >s.out 2>s.err &
s=$!
$there "$HONE" worker --connect $at --key board.key --allow owners --role run >w1.out 2>w1.err &
w1=$!
$there "$BUILD/hone-device" --connect $at --key board.key --allow owners >w2.out 2>w2.err &
w2=$!
started+=("$s" "$w1" "$w2")
background $here env --default-signal=INT "$HONE" tune $kernel --trials 100000 --time 600 --no-calibrate --db farm.db --json --listen $at \
    --key coordinator.key --allow boards
tune=$bg
ok "the stranger ends" gone 30 $s
wait $s
ok "with exit code 1" [ $? = 1 ]
ok "and is told in one line" [ "$(grep -vc 'nobody answers' s.err)" = 1 ] # which it also says where the tune is slow
says "does not list this side's public key" s.err
stranger=$(sed -n 's/^public-key = //p' stranger.key)
ok "the refusal is logged with the address" wait_for 15 at_least 1 "refused 10.78.0.2" bg.err
ok "and with the key" grep -qF -- "$stranger" bg.err
ok "the key on the list measures" wait_for 60 at_least 5 '"status":"OK"' bg.out
ok "and nobody else" [ "$(grep -o '"device":"[^"]*"' bg.out | sort -u)" = '"device":"board"' ]
kill $w1 $w2
wait $w1
ok "worker: told to go" [ $? = 0 ]
wait $w2
ok "hone-device: told to go" [ $? = 0 ]
kill -INT $tune
wait $tune
says '"summary":true' bg.out
run 0 "$HONE" db check farm.db

# ---- the worker waits, the tune comes
at=tcp://10.78.0.2:7178
background $there "$HONE" worker --listen $at --key board.key --allow owners
run 1 $here "$HONE" tune $kernel --trials 3 --db other.db --worker $at --key stranger.key \
    --allow boards
says "no worker reachable" err
ok "the refusal is logged" grep -qF -- "$stranger" bg.err
ok "with the address" grep -q "refused 10.78.0.1" bg.err
run 0 $here "$HONE" tune $kernel --trials 6 --db farm.db --json --worker $at \
    --key coordinator.key --allow boards
ok "goes on with what the first run found" [ "$(number known)" -ge 5 ]
kill $bg
wait $bg
ok "told to go" [ $? = 0 ]

all_done
