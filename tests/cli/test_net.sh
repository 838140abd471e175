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
run 2 "$HONE" net check --by reference . bare/model.onnx
says "error       .: there is no model.onnx"
says "error       bare/model.onnx: it is no folder with a model.onnx and its test data; models are checked with --random SEED"
run 3 "$HONE" net check --by kernels --random 1 none.onnx
says "error       none.onnx: cannot open 'none.onnx'"
run 3 "$HONE" net check --by reference none
run 2 "$HONE" net check --by reference none bare $data/test_relu
says "1 equal, 0 differ, 0 unsupported, 2 errors"
run 1 "$HONE" net check --by reference wrong bare --json
says '"verdict":"differs"'
says '{"by":"reference","differs":1,"equal":0,"error":1,"unsupported":0}'

# ---- names that no terminal should see
cat >odd.py <<END
import sys
sys.path.insert(0, "$SRC/bench")
from networks import Graph, part
g = Graph("odd\u200b", False)
g.image(2)
for op, name in (("Relu", "a\u202eb\nc"), ("Abs", "x/y"), ("Neg", "x_y_2"), ("Exp", "x_y")):
    g.parts.append(part(1, part(1, "image") + part(2, name) + part(4, op)))
    g.output(name, 2)
g.save("odd")
END
run 0 /usr/bin/python3 odd.py
for step in read fuse plan; do
    run 0 "$HONE" net show odd/model.onnx --after $step
    says 'a\u202eb\x0ac'
    says 'odd\u200b'
    ok "$step: nothing that is not seen" sh -c '! grep -qP "[^\x0a\x20-\x7e]" out'
done
run 0 "$HONE" net show odd/model.onnx --dot
says 'a\\u202eb\\x0ac'
run 0 "$HONE" net check --random 1 --by kernels --json --verbose odd/model.onnx
ok "nor in JSON" sh -c '! grep -qP "[^\x0a\x20-\x7e]" out'

# ---- help of one verb
for verb in show tasks tune build run check profile quantize; do
    run 0 "$HONE" net $verb --help
    says "usage: hone net $verb "
    says "  hone net $verb "
    says "exit codes: "
    ok "$verb: no line is too long" [ "$(wc -L <out)" -le 100 ]
    cp out text
    run 0 "$HONE" help net $verb
    ok "help net $verb is net $verb --help" cmp -s out text
done
run 0 "$HONE" net run --help
says "  --input FILE           X.npy or X.pb"
ok "of no other verb" sh -c '! grep -q "quantize\|--dot\|hone net show" out'
run 0 "$HONE" net tune --help
says "  --trials N"
says "  --dim NAME=INT"
ok "the kernels are the model's" sh -c '! grep -q "^  --tasks\|^  -D" out'

# ---- what is refused
refuse 2 "which verb? show, tasks, tune, build, run, check, profile or quantize" "$HONE" net
refuse 2 "unknown verb 'draw'" "$HONE" net draw x
refuse 2 "show takes one model" "$HONE" net show
refuse 2 "tune takes one model" "$HONE" net tune
refuse 2 "tune takes one model" "$HONE" net tune --trials 2
refuse 3 "cannot open 'none.onnx'" "$HONE" net tune --trials 2 none.onnx
cp "$corpus/conv" conv.onnx
refuse 2 "no input has a dimension called 'M'" "$HONE" net tune --dim=N=1 --dim M=2 conv.onnx
refuse 2 "the kernels are those of 'conv.onnx': no other model or KERNEL, 'matmul'" "$HONE" net tune conv.onnx matmul
refuse 2 "no --tasks" "$HONE" net tune conv.onnx --tasks conv.onnx
refuse 2 "are two files, '-' and one beside it" "$HONE" net tasks "$corpus/conv" --dim N=1 -o -
ok "nothing is called so" [ ! -e ./- ]
run 2 "$HONE" net tasks "$corpus/conv" --dim N=1 -o /dev/stdout
says "are two files, '/dev/stdout' and one beside it" err
refuse 2 "-o 'x.hone' is to end in .json" "$HONE" net tasks "$corpus/conv" --dim N=1 -o x.hone
refuse 2 "is to end in .json" "$HONE" net tasks "$corpus/conv" --dim N=1 -o ./.json
ok "nothing is written" [ ! -e x.hone ]
echo "mine" >x.hone
refuse 2 "'x.hone' is there already, and not of a task list 'x.json'" "$HONE" net tasks "$corpus/conv" --dim N=1 -o x.json
echo "{}" >y.json
refuse 2 "'y.json' is there already" "$HONE" net tasks "$corpus/conv" --dim N=1 -o y.json
ok "what is there stays" sh -c 'grep -q mine x.hone && grep -q "{}" y.json && [ ! -e x.json ] && [ ! -e y.hone ]'
mkdir lists
for n in 1 2; do
    run 0 "$HONE" net tasks "$corpus/conv" --dim N=$n -o lists/z.json
    ok "of a list of its own another is made" [ -s lists/z.hone ]
done
for option in "--trials x" "--threads 100000" "--without nothing" "--strategy none" "--nothing"; do
    run 2 "$HONE" net tune conv.onnx $option
    says "hone net tune: " err
    says '(see `hone net tune --help`)' err
done
refuse 2 "hone net tune: --dim takes NAME=INT, not 'N'" "$HONE" net tune conv.onnx --dim N
refuse 2 "hone net tune: tune takes one model" "$HONE" net tune
refuse 2 "unknown target 'foo'" "$HONE" net show "$corpus/conv" --dim N=1 --after plan --db none.db --target foo
refuse 2 "unknown target 'foo'" "$HONE" net show "$corpus/conv" --dim N=1 --target foo
refuse 2 "znver4" "$HONE" net show "$corpus/conv" --dim N=1 --target znver44
refuse 2 "--target is for what --db chooses: give --db too" "$HONE" net show "$corpus/conv" --dim N=1 --target native
refuse 2 "--threads is for what --db chooses: give --db too" "$HONE" net show "$corpus/conv" --dim N=1 --after plan --threads 1
refuse 3 "cannot open 'none.onnx'" "$HONE" net show none.onnx
refuse 2 "there is no step 'x' to show a network after: there are read, fuse, layout and plan" "$HONE" net show "$corpus/conv" --after x
refuse 2 "check by what? there are --by compiled, --by kernels and --by reference" "$HONE" net check bare --by x
refuse 2 "check takes folders" "$HONE" net check --by reference
refuse 2 "--dot belongs to show" "$HONE" net check --by reference bare --dot
refuse 2 "--json belongs to check, quantize, profile" "$HONE" net show "$corpus/conv" --json
refuse 2 "$corpus/conv: input 'x': how large is 'N'? say --dim N=INT" "$HONE" net show "$corpus/conv"
refuse 2 "no input has a dimension called 'M'" "$HONE" net show "$corpus/conv" --dim N=1 --dim M=2
refuse 2 "takes what is made of its result" "$HONE" net show "$corpus/cycle"
refuse 2 "does not have: If, Loop" "$HONE" net show "$corpus/unsupported"
refuse 2 "too large" "$HONE" net show "$corpus/huge"
refuse 2 "a size is negative" "$HONE" net show "$corpus/negative"
refuse 2 "'bare' is a folder: a model is wanted, a file as model.onnx" "$HONE" net show bare
refuse 2 "'bare' is a folder" "$HONE" net tune bare --trials 1
head -c 100 "$corpus/conv" >part.onnx
refuse 2 "not an ONNX model" "$HONE" net show part.onnx
: >empty.onnx
refuse 2 "not an ONNX model" "$HONE" net show empty.onnx

# ---- a file where a folder is wanted: before any work, and it stays
echo mine >file
for o in file file/below; do
    refuse 2 "'$o' is not a folder" "$HONE" net build "$corpus/conv" --dim N=1 --db none.db -o $o
    refuse 2 "'$o' is not a folder" "$HONE" net run "$corpus/conv" --dim N=1 --db none.db --input none.npy -o $o
done
ok "the file is as it was" grep -q mine file

# ---- two that build into one folder at once: one comes after the other
conv="$HONE net build $corpus/conv --db none.db --threads 1"
for n in 1 2; do
    run 0 $conv --dim N=$n -o only$n
done
for round in 1 2 3 4 5; do
    $conv --dim N=1 -o both >out 2>err &
    first=$!
    $conv --dim N=2 -o both >out2 2>err2
    second=$?
    wait $first
    ok "round $round: both are good" [ $?$second = 00 ]
    ok "round $round: all files are of one" sh -c 'diff -r both only1 || diff -r both only2'
done

# ---- nothing to quantise: filters on one channel
mkdir -p grey/test_data_set_0
{
    printf '\x08\x01\x08\x01\x08\x40\x08\x40\x10\x01\x4a\x80\x80\x01' # f32[1, 1, 64, 64]
    head -c 16384 /dev/zero
} >grey/test_data_set_0/input_0.pb
for weights in f32 bf16; do
    refuse 2 "there is nothing to quantise: none of its 2 convolutions and 0 products can compute with integers: 2 with one channel in each group" \
        "$HONE" net quantize "$SRC/examples/network/edges.onnx" --data grey --max-error 0.5 --weights $weights -o q.onnx --db none.db
done
ok "and nothing is written" [ ! -e q.onnx ]

# ---- more than there is, and a signal while one thing takes long
run 1 "$HONE" net check --random 1 "$corpus/conv" --dim N=4000000000
says "input 'x', f32[4000000000, 3, 8, 8], wants 3072000000000 bytes of memory"
refuse 1 "wants 3072000000000 bytes of memory" "$HONE" net profile "$corpus/conv" --dim N=4000000000
caught() { # has the process a way of its own to take TERM?
    local set
    [ "$(cat "/proc/$1/comm")" = hone ] || return 1 # before that it is this shell, with ways of its own
    set=$(sed -n 's/^SigCgt:.*\(.\{8\}\)$/\1/p' "/proc/$1/status")
    [ -n "$set" ] && [ $((0x$set >> 14 & 1)) = 1 ]
}
"$HONE" net profile "$corpus/conv" --dim N=3000000 >out 2>err </dev/null &
long=$!
until caught $long || ! kill -0 $long 2>/dev/null; do sleep 0.05; done
kill -TERM $long
wait $long
ok "one signal is enough" [ $? = 1 ]
ok "and is told" grep -qx "hone: interrupted" err

all_done
