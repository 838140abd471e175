#!/bin/bash
# Networks from a model to a program: what six well known ones become as plans, run kernel by kernel against
# the reference; three of them built, linked and run; and what is refused.
# shellcheck disable=SC2086
. "$2/tests/cli/lib.sh"

cc=$(sed -n 's/^CMAKE_C_COMPILER:.*=//p' "$BUILD/CMakeCache.txt")
san=$(sed -n 's/^HONE_SANITIZE:.*=//p' "$BUILD/CMakeCache.txt")
run 0 /usr/bin/python3 "$SRC/bench/networks.py" nets --small --data
run 0 "$HONE" net check --by kernels nets/*
says "6 equal, 0 differ, 0 unsupported, 0 errors, by the kernels"
for n in resnet50 mobilenetv2 squeezenet bert vit gpt2; do
    mkdir $n
    cp nets/$n/model.onnx $n.onnx
    run 0 "$BUILD/net_compare" --data $n $n.onnx
    says "$n.onnx, fused: "
    ok "$n is equal in all ten ways" [ "$(lines ': equal$')" = 10 ]
done

# ---- what is shown
run 0 "$HONE" net show bert.onnx --after fuse
says " = MatMul Mul Softmax MatMul"
says " = Add Add ReduceMean Sub Pow ReduceMean Add Sqrt Reciprocal Mul Mul Add"
says " = MatMul Add Mul Erf Add Mul Mul"
says "       or apart: MatMul Mul | Softmax | MatMul"
says "       or apart: MatMul Add | Mul Erf Add Mul Mul"
says "       or earlier: MatMul Add Add | ReduceMean Sub "
run 0 "$HONE" net show resnet50.onnx --after layout
says " in order 0,2,3,1 = Conv Relu"
run 0 "$HONE" net show resnet50.onnx --after plan
says "plan of resnet50: 20 calls of 20 kernels; workspace "
says "call   conv_relu(image, _, _) -> "
ok "there are three ways for a convolution of 3 x 3" [ "$(lines ' or winograd2 or winograd4$')" = 1 ]
run 0 "$HONE" net show vit.onnx --after layout
says " in order 0,2,3,1 = Conv"

# ---- what is tuned
run 0 "$HONE" net tasks vit.onnx -o tasks.json
says "tasks.json: 29 kernels for 25 calls, in tasks.hone"
run 0 "$HONE" net tasks resnet50.onnx -o choices.json
says "choices.json: 26 kernels for 20 calls"
ok "one of three, and four times one of two" [ "$(grep -c '"covers": ' choices.json)" = 5 ]
run 0 "$HONE" net tune vit.onnx --db net.db --trials 87 --threads 1 --no-calibrate --json
ok "all kernels were tuned" [ "$(number tasks)" = 29 ]
near=$(lines '^{"race":')

# ---- covers that are near each other run in turns, once: a fault makes all of them near
run 0 env HONE_FAULT=race.all "$HONE" net tune vit.onnx --db net.db --trials 2 --threads 1 --no-calibrate --json
ok "some ran in turns, now or before" [ $((near + $(lines '^{"race":'))) -ge 3 ]
ok "the summary is the last line" sh -c 'tail -n 1 out | grep -q "\"total_ns\""'
cp out races
cat >stored.py <<'END'
import json, sqlite3
told = [json.loads(l)["race"] for l in open("races") if l.startswith('{"race"')]
stored = [json.loads(b) for (b,) in sqlite3.connect("net.db").execute("SELECT body FROM item WHERE kind = 'cover'")]
assert len(stored) >= 3 and len(stored) >= len(told)
for r in told:
    ratios = [c["raced"] for c in r["covers"]]
    assert r["runs"] >= 5 and ratios[0] == 1 and len(ratios) >= 2, r
    assert r["taken"] == r["covers"][ratios.index(min(ratios))]["cover"], r
    assert any(sorted(c["raced"] for c in s["covers"] if c["raced"]) == sorted(ratios) for s in stored), r
END
run 0 /usr/bin/python3 stored.py
run 0 "$HONE" net show vit.onnx --after fuse --db net.db --threads 1
cp out shown
run 0 "$HONE" net show vit.onnx --after fuse --db net.db --threads 1
ok "what is taken stays" cmp -s out shown
run 0 "$HONE" db check net.db

# ---- what is built
built() { # NETWORK OPTION...
    local n=$1
    shift
    run 0 "$HONE" net build "$n.onnx" --threads 1 -o "$n" --name net "$@"
    cp "$SRC/tests/e2e/network/main.c" "$n"
    run 0 "$cc" -O1 -Wall -Wextra -Werror ${san:+-fsanitize=$san} -I"$n" -I"$SRC/runtime" -o "$n/main" "$n/main.c" \
        "$n/net.o" "$BUILD/libhone_rt.a" -lm -lpthread
    (cd "$n" && ./main >../out 2>../err) || fail "$n: the program"
    says "equal"
}
built vit --db net.db
ok "the report has each kernel's rung" [ "$(grep -c '"rung": "exact"' vit/net.json)" -ge 10 ]
cat >chosen.py <<'END'
import json, sys
report = json.load(open("vit/net.json"))
assert 0 < report["live_bytes"] <= report["workspace_bytes"], report
timed = 0
for c in report["choices"]:
    ns = [x.get("time_ns", 0) for x in c["covers"]]
    fastest = min(range(len(ns)), key=lambda k: ns[k] or float("inf"))
    timed += ns[0] > 0
    assert c["taken"] == (fastest if ns[0] else 0), c
assert timed >= 3, report["choices"]
END
run 0 python3 chosen.py
run 0 "$HONE" net show vit.onnx --after fuse --db net.db --threads 1
says "       taken: "
run 0 "$HONE" net check --db net.db --threads 1 nets/vit
says "1 equal"
run 0 env HONE_FAULT=emit.refuse:1 "$HONE" net build vit.onnx --db net.db --threads 1 -o vit/again --name net
ok "asked again for what no code could be made of, it is the same" cmp -s vit/net.o vit/again/net.o
run 1 env HONE_FAULT=emit.refuse "$HONE" net build vit.onnx --db net.db --threads 1 -o vit/again --name net
built squeezenet --db none.db
run 0 "$HONE" net show squeezenet.onnx --after plan
ok "no kernel puts channels together" [ "$(lines 'concat')" = 0 ]
built resnet50 --db none.db
(cd resnet50 && "$HONE" net build ../resnet50.onnx --threads 1 --db none.db -o again --name net >../out 2>&1 &&
    cmp -s net.o again/net.o && cmp -s net.weights again/net.weights && cmp -s net.h again/net.h) ||
    fail "built twice, it is something else"

cp -r vit torn && rm torn/net.weights && mkdir torn/net.weights
run 1 "$HONE" net build squeezenet.onnx --threads 1 --db none.db -o torn --name net
ok "what cannot be written whole leaves what was there" cmp -s torn/net.o vit/net.o

# ---- weights that are not those
cd resnet50 || exit 1
cp net.weights good
printf 'x' | dd of=net.weights bs=1 seek=1000 conv=notrunc 2>/dev/null
run 1 ./main
says "init: -5"
head -c 1000 good >net.weights
run 1 ./main
says "init: -5"
rm net.weights
run 1 ./main
says "init: -4"
cd .. || exit 1

# ---- what is refused
refuse 2 "tasks takes one model, and -o FILE.json" "$HONE" net tasks bert.onnx
refuse 2 "build takes one model" "$HONE" net build
refuse 2 "--name belongs to build" "$HONE" net show bert.onnx --name x
refuse 2 "--db chooses for a step after" "$HONE" net show bert.onnx --db none.db
refuse 2 "there is no step 'x' to show a network after" "$HONE" net show bert.onnx --after x
refuse 2 "give another" "$HONE" net build bert.onnx --name "a b"
refuse 3 "none.onnx" "$HONE" net build none.onnx
all_done
