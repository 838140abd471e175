#!/bin/bash
# The networks of bench/networks.py, narrow ones: each is read, and its reference computes what numpy does.
. "$2/tests/cli/lib.sh"

python=/usr/bin/python3 # Debian's, which has its numpy
$python -c 'import numpy' || { echo "there is no numpy: install python3-numpy" >&2; exit 1; }
run 0 $python "$SRC/bench/networks.py" nets --small --data

run 0 "$HONE" net check --by reference nets/*
says "6 equal, 0 differ, 0 unsupported, 0 errors, by the reference"
for name in resnet50 mobilenetv2 squeezenet bert vit gpt2; do
    run 0 "$HONE" net show nets/$name/model.onnx
    says "network $name: opset 13"
    # shapes that exporters have computed are constants, and so are masks and transposed weights
    ok "$name: nothing about shapes is left" sh -c '! grep -qE "= (Shape|Range|Less|Not|Unsqueeze)" out'
    run 0 "$HONE" net show nets/$name/model.onnx --dot
    ok "$name: as many boxes as nodes" [ "$(grep -c '^  n[0-9]* \[label' out)" -gt 50 ]
done

# what is expected matters: another network's is not equal
cp nets/resnet50/test_data_set_0/output_0.pb nets/vit/test_data_set_0/output_0.pb
run 1 "$HONE" net check --by reference nets/vit
says "differs     nets/vit: output '"

all_done
