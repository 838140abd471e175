#!/bin/bash
# hone net quantize: an image network and a transformer with layers in 8 bits, within the bound; the model is
# read again, its kernels compute what the reference does, and it is built; and what is refused.
# shellcheck disable=SC2086
. "$2/tests/cli/lib.sh"

run 0 /usr/bin/python3 "$SRC/bench/networks.py" nets resnet50 bert squeezenet vit --small --sets 5

# quantized NETWORK BOUND: Q is NETWORK.onnx
quantized() {
    run 0 "$HONE" net quantize "nets/$1/model.onnx" --data "nets/$1/inputs" --max-error "$2" -o "$1.onnx" \
        --db none.db --threads 1 --json
    ok "$1: the error is within the bound" within "$(number error)" "$2"
    ok "$1: and not far from it on inputs held out" within "$(number held_out_error)" "$(echo "$2" | awk '{print 3 * $1}')"
    ok "$1: some layers are quantised" [ "$(lines '"quantized":true')" -gt 2 ]
    ok "$1: two sets are held out" [ "$(number samples) $(number held_out)" = "3 2" ]
    # what lies on a tie is rounded either way
    run 0 "$BUILD/net_compare" --slack 0.02 "$1.onnx"
    ok "$1: it says that in three ways and more" [ "$(lines ': equal$')" -ge 3 ]
    ok "$1: its kernels are right in all of them" [ "$(lines ': equal$')" = "$(lines .)" ]
}
within() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a >= 0 && a <= b) }'; }

quantized resnet50 0.05
run 0 "$HONE" net show resnet50.onnx
says "= QuantizeLinear("
says "= DequantizeLinear("
run 0 "$HONE" net show resnet50.onnx --after fuse
says "ConvInteger"
says " = ConvInteger Cast Mul Add Add QuantizeLinear"
run 0 "$HONE" net build resnet50.onnx --threads 1 --db none.db -o made --name net
says "calls of"

quantized bert 0.05
run 0 "$HONE" net show bert.onnx --after fuse
says " = MatMulInteger Add Cast Mul Add"

# channels that are put together where they are made: each kernel writes its part
quantized squeezenet 0.1
cat >off.py <<'END'
import sys
import numpy as np
q, f = (np.load(x).astype(np.float64) for x in sys.argv[1:3])
off = np.linalg.norm(q - f) / np.linalg.norm(f)
print(f"off by {off}")
sys.exit(not 0 < off < 0.3)
END
one=nets/squeezenet/inputs/test_data_set_0/input_0.pb
run 0 "$HONE" net run nets/squeezenet/model.onnx --db none.db --threads 1 --input $one -o f
run 0 "$HONE" net run squeezenet.onnx --db none.db --threads 1 --input $one -o q
run 0 /usr/bin/python3 off.py q/*.npy f/*.npy

# less is allowed, less is done; the same again is the same
vit() { run 0 "$HONE" net quantize nets/vit/model.onnx --data nets/vit/inputs --max-error 0.01 -o "$1" --db none.db --threads 1; }
vit some.onnx
says "some.onnx: "
says " layers in 8 bits, "
ok "some layers are quantised, others are not" sh -c 'grep -q "  8 bits$" out && grep -q "  f32$" out'
vit again.onnx
ok "twice the same model" cmp -s some.onnx again.onnx

# the milder choice: weights in 16 bits
run 0 "$HONE" net quantize nets/vit/model.onnx --data nets/vit/inputs --max-error 0.001 --weights f16 -o half.onnx \
    --db none.db --threads 1
says "  f16"
ok "the file is smaller" [ "$(stat -c %s half.onnx)" -lt "$(stat -c %s nets/vit/model.onnx)" ]
run 0 "$BUILD/net_compare" half.onnx

# ---- sets: whichever there are
mkdir gaps
for set in 0 2 3; do
    cp -r nets/vit/inputs/test_data_set_$set gaps/test_data_set_$((10 * set + 1))
done
mkdir gaps/test_data_set_01 gaps/test_data_set_x
run 0 "$HONE" net quantize nets/vit/model.onnx --data gaps --max-error 0.05 -o g.onnx --db none.db --threads 1 --json
ok "all are taken" [ "$(number samples) $(number held_out)" = "2 1" ]

# ---- its kernels run in a child: hone outlives it, and does not wait for it
if [ "$(uname -m)" = x86_64 ]; then # which does not divide by 0
    cat >divides.py <<END
import sys
sys.path.insert(0, "$SRC/bench")
from networks import Graph, part
g = Graph("divides", False)
product = g.node("MatMul", g.image(4, 8), g.weights(8, 8))
quotient = g.node("Div", g.tokens("a", 9, 4, 8), g.tokens("b", 1, 4, 8))
g.parts.append(part(1, part(1, quotient) + part(2, "y") + part(4, "Neg")))
g.value(12, "y", 7, (4, 8))
g.parts.append(part(1, part(1, product) + part(2, "z") + part(4, "Relu")))
g.output("z", 4, 8)
g.save("divides")
g.save_sets("divides", 2)
END
    run 0 /usr/bin/python3 divides.py
    refuse 1 "while kernel div_neg ran, its process crashed: Floating point exception" \
        "$HONE" net quantize divides/model.onnx --data divides/inputs --max-error 0.1 -o x.onnx --db none.db --threads 1
    inputs=$(echo divides/inputs/test_data_set_0/input_?.pb)
    refuse 1 "running the network: while kernel div_neg ran, its process crashed: Floating point exception" \
        "$HONE" net run divides/model.onnx --db none.db --threads 1 -o x --input $inputs
    cp -r divides/inputs/test_data_set_0 divides
    cp $inputs divides/test_data_set_0
    run 1 "$HONE" net check divides --db none.db --threads 1
    says "error       divides: running the network: while kernel div_neg ran, its process crashed: "
fi
# one that does not end: patience is two minutes and what its arithmetic may take; here a second
for what in "quantize nets/resnet50/model.onnx --data nets/resnet50/inputs --max-error 0.05 -o x.onnx" \
    "run nets/squeezenet/model.onnx --input $one -o x"; do
    run 1 env HONE_FAULT=apart.hang,apart.patience "$HONE" net $what --db none.db --threads 1
    says "did not end in " err
    says "its process was ended" err
done
for set in $(seq 5 60); do # so that it lasts
    cp -r nets/vit/inputs/test_data_set_0 nets/vit/inputs/test_data_set_$set
done
# child SIGNAL: to the process of $! in which what was made is loaded
child() {
    while kill -0 $! 2>/dev/null; do
        for stat in /proc/[0-9]*/stat; do
            read -r pid _ _ parent _ 2>/dev/null <"$stat" || continue
            [ "$parent" = $! ] && grep -q hone-made "/proc/$pid/maps" 2>/dev/null && kill "-$1" "$pid" && return 0
        done
        sleep 0.02
    done
    return 1
}
long="nets/vit/model.onnx --data nets/vit/inputs --max-error 0.05 -o x.onnx --db none.db --threads 1"
dies() { # TEXT: what hone that has been started says of it
    wait $!
    code=$?
    ok "exit code $code" [ $code = 1 ]
    ok "it says '$1'" grep -q "^hone: $1" err
    ok "in one line" [ "$(wc -l <err)" = 1 ]
    ok "nothing was written" [ ! -e x.onnx ]
}
"$HONE" net quantize $long >out 2>err &
ok "there is a child" child SEGV
dies '.* process .*crashed: Segmentation fault'
"$HONE" net quantize $long >out 2>err &
ok "there is a child" child KILL
dies '.* process .*was killed: Killed'
"$HONE" net quantize $long >out 2>err &
ok "there is a child" child STOP
kill -TERM $!
dies 'interrupted$'

# ---- what is refused
q() { "$HONE" net quantize "$@" --db none.db --threads 1; }
m=nets/bert/model.onnx d=nets/bert/inputs
refuse 2 "quantize takes one model, --data DIR, --max-error E and -o Q.onnx" q $m --data $d -o x.onnx
refuse 2 "--max-error is a share of the outputs' norm" q $m --data $d --max-error 2 -o x.onnx
refuse 2 "--weights is f32, f16 or bf16" q $m --data $d --max-error 0.1 --weights i8 -o x.onnx
refuse 2 "-o is the model itself" q $m --data $d --max-error 0.1 -o $m
refuse 2 "there is no test_data_set_0" q $m --data nets --max-error 0.1 -o x.onnx
refuse 2 "input_0.pb: it is f32[1, 3, 32, 32], and input 'words' is i64[1, 8]" q $m --data nets/vit/inputs \
    --max-error 0.1 -o x.onnx
refuse 2 "no layer keeps within an error of 1e-09" q $m --data $d --max-error 1e-9 -o x.onnx
refuse 2 "bert.onnx: the network is quantised already" q bert.onnx --data $d --max-error 0.1 -o x.onnx
mkdir -p folder odd/test_data_set_0
refuse 1 "cannot write 'folder': it is a folder" timeout 60 "$HONE" net quantize $m --data $d --max-error 0.1 -o folder
refuse 1 "cannot create 'nowhere/x.onnx'" timeout 60 "$HONE" net quantize $m --data $d --max-error 0.1 -o nowhere/x.onnx
run 0 /usr/bin/python3 -c 'b = open("nets/vit/inputs/test_data_set_0/input_0.pb", "rb").read()
open("odd/test_data_set_0/input_0.pb", "wb").write(b[:-4] + b"\0\0\xc0\x7f")'
refuse 2 "odd/test_data_set_0/input_0.pb: element 3071 is no finite number" q nets/vit/model.onnx --data odd --max-error 0.1 -o x.onnx
refuse 3 "none.onnx" q none.onnx --data $d --max-error 0.1 -o x.onnx
rm $d/test_data_set_3/input_1.pb
refuse 3 "test_data_set_3/input_1.pb" q $m --data $d --max-error 0.1 -o x.onnx
refuse 2 "--max-error belongs to quantize" "$HONE" net show $m --max-error 0.1

all_done
