#!/bin/bash
# hone net: a model shown as text and for Graphviz, models checked on their data, and what is refused.
. "$2/tests/cli/lib.sh"

corpus=$SRC/tests/fuzz/corpus/onnx
data=/usr/share/libonnx-testdata/data/node
[ -d $data ] || { echo "there is no $data: install libonnx-testdata" >&2; exit 1; }

# ---- show
run 0 "$HONE" net show "$corpus/conv" --dim N=2
says "network conv: opset 13, 4 nodes, 3 constants"
says "input  x: f32[2, 3, 8, 8]"
says "const  b: f32[4] = 0 0.5 1 1.5"
says "node   c: f32[2, 4, 4, 4] = Conv(x, w, b) group=1 pads=[1,1,1,1] strides=[2,2]"
says "output y: f32[2, 4, 1, 1]"
cp out text
run 0 "$HONE" net show "$corpus/conv" --dim N=2 --after read
ok "read is the step there is" cmp -s out text
run 0 "$HONE" net show "$corpus/conv" --dim N=2 --dot
says "digraph"
says "label=\"f32[2, 4, 4, 4]\""
run 0 "$HONE" net show "$corpus/shapes" --dim N=5
says "opset 13, 1 nodes"
says "node   y: f32[5, 12] = Reshape(x, to)"

# ---- check
run 0 "$HONE" net check --by reference $data/test_relu $data/test_conv_with_strides_padding $data/test_lstm_defaults
says "equal       $data/test_relu"
says "unsupported $data/test_lstm_defaults: $data/test_lstm_defaults/model.onnx: the model needs what hone does not have: LSTM"
says "2 equal, 0 differ, 1 unsupported, 0 errors, by the reference"
mkdir -p wrong/test_data_set_0 bare
cp $data/test_relu/model.onnx wrong
cp $data/test_relu/test_data_set_0/input_0.pb wrong/test_data_set_0/input_0.pb
cp $data/test_relu/test_data_set_0/input_0.pb wrong/test_data_set_0/output_0.pb
cp $data/test_relu/model.onnx bare
run 1 "$HONE" net check --by reference wrong bare none
says "differs     wrong: output 'y': "
says "error       bare: there is no test_data_set_0"
says "error       none: it is not there"
run 1 "$HONE" net check --by reference . bare/model.onnx
says "error       .: there is no model.onnx"
says "error       bare/model.onnx: it is no folder with a model.onnx and its test data; models are checked with --random SEED"
run 1 "$HONE" net check --by kernels --random 1 none.onnx
says "error       none.onnx: cannot open 'none.onnx'"
run 1 "$HONE" net check --by reference wrong bare --json
says '"verdict":"differs"'
says '{"by":"reference","differs":1,"equal":0,"error":1,"unsupported":0}'

# ---- what is refused
refuse 2 "which verb? show, tasks, build, run, check, profile, quantize" "$HONE" net
refuse 2 "unknown verb 'draw'" "$HONE" net draw x
refuse 2 "show takes one model" "$HONE" net show
refuse 2 "tune takes one model" "$HONE" net tune
refuse 2 "tune takes one model" "$HONE" net tune --trials 2
refuse 3 "cannot open 'none.onnx'" "$HONE" net tune --trials 2 none.onnx
cp "$corpus/conv" conv.onnx
refuse 2 "no input has a dimension called 'M'" "$HONE" net tune --dim=N=1 --dim M=2 conv.onnx
refuse 3 "cannot open 'none.onnx'" "$HONE" net show none.onnx
refuse 2 "there is no step 'x' to show a network after: there are read, fuse, layout and plan" "$HONE" net show "$corpus/conv" --after x
refuse 2 "check by what? there are --by compiled, --by kernels and --by reference" "$HONE" net check bare --by x
refuse 2 "check takes folders" "$HONE" net check --by reference
refuse 2 "--dot belongs to show" "$HONE" net check --by reference bare --dot
refuse 2 "--json belongs to check, profile" "$HONE" net show "$corpus/conv" --json
refuse 2 "$corpus/conv: input 'x': how large is 'N'? say --dim N=INT" "$HONE" net show "$corpus/conv"
refuse 2 "no input has a dimension called 'M'" "$HONE" net show "$corpus/conv" --dim N=1 --dim M=2
refuse 2 "takes what is made of its result" "$HONE" net show "$corpus/cycle"
refuse 2 "does not have: If, Loop" "$HONE" net show "$corpus/unsupported"
refuse 2 "too large" "$HONE" net show "$corpus/huge"
refuse 2 "a size is negative" "$HONE" net show "$corpus/negative"
head -c 100 "$corpus/conv" >part.onnx
refuse 2 "not an ONNX model" "$HONE" net show part.onnx
: >empty.onnx
refuse 2 "not an ONNX model" "$HONE" net show empty.onnx

all_done
