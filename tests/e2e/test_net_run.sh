#!/bin/bash
# Networks as compiled code: run on files of numpy and ONNX, checked on their data and on random inputs,
# profiled; the standard's models, some of each operator; and what is refused.
# shellcheck disable=SC2086
. "$2/tests/cli/lib.sh"

python=/usr/bin/python3 # Debian's, which has its numpy
data=/usr/share/libonnx-testdata/data
[ -d $data ] || { echo "there is no $data: install libonnx-testdata" >&2; exit 1; }
none="--db none.db --threads 1" # no log: what the ladder has without one
run 0 $python "$SRC/bench/networks.py" nets --small --data

# ---- run: what numpy wrote, what ONNX has, in order and by name
cat >arrays.py <<'END'
import numpy as np
a, b = np.arange(60, dtype=np.float32).reshape(3, 4, 5) / 7, np.arange(5, dtype=np.float32) - 2
np.save("a.npy", np.asfortranarray(a))
np.save("b.npy", b.astype(">f4"))
np.save("y.npy", a - b)
np.save("wide.npy", a.astype(np.float64))
np.save("complex.npy", a.astype(np.complex64))
np.save("fields.npy", np.zeros(2, [("a", "f4")]))
END
run 0 $python arrays.py
cp $data/node/test_sub_bcast/model.onnx sub.onnx
run 0 "$HONE" net run sub.onnx $none --input a.npy --input b.npy -o made/here
says "made/here/z.npy: f32[3, 4, 5]"
same() { # FILE FILE: equal arrays
    $python -c 'import sys, numpy as np
a, b = (np.load(f) for f in sys.argv[1:3])
sys.exit(not (a.dtype == b.dtype and a.shape == b.shape and np.allclose(a, b, 1e-5, 1e-6)))' "$1" "$2"
}
ok "it is what numpy computes" same made/here/z.npy y.npy
rm -r made
run 0 "$HONE" net run sub.onnx $none -o made --input a.npy b.npy
ok "one --input for all" same made/z.npy y.npy
rm -r made
run 0 "$HONE" net run sub.onnx $none --input y=b.npy --input a.npy -o made
ok "by name" same made/z.npy y.npy
relu=$data/node/test_relu
run 0 "$HONE" net run $relu/model.onnx $none --input $relu/test_data_set_0/input_0.pb -o made
says "made/y.npy: f32[3, 4, 5]"
refuse 2 "sub.onnx: input 'y' is f32[5], and nothing is given for it" "$HONE" net run sub.onnx $none --input a.npy -o made
refuse 2 "input 'x' is f32[3, 4, 5], what is given f64[3, 4, 5]" "$HONE" net run sub.onnx $none --input wide.npy --input b.npy -o made
refuse 2 "input 'x' is f32[3, 4, 5], what is given f32[5]" "$HONE" net run sub.onnx $none --input b.npy --input a.npy -o made
refuse 2 "no input is called 'q'" "$HONE" net run sub.onnx $none --input x=a.npy --input y=b.npy --input q=b.npy -o made
refuse 2 "input 'y' is f32[5], and nothing is given for it; no input is called 'q'" "$HONE" net run sub.onnx $none --input x=a.npy --input q=b.npy -o made
refuse 2 "complex.npy: element type '<c8' of numpy is none that networks have here: convert it" "$HONE" net run sub.onnx $none --input complex.npy -o made
refuse 2 "fields.npy: an array of structures" "$HONE" net run sub.onnx $none --input fields.npy -o made
printf 'PK' >broken.npy
refuse 2 "broken.npy: this is not an array of numpy's" "$HONE" net run sub.onnx $none --input broken.npy -o made
refuse 3 "nothing.npy" "$HONE" net run sub.onnx $none --input nothing.npy -o made
refuse 2 "run takes one model" "$HONE" net run sub.onnx --input a.npy
refuse 2 "--input belongs to run" "$HONE" net show sub.onnx --input a.npy

# names of outputs that no file can have, or that two would
cat >odd.py <<END
import sys
sys.path.insert(0, "$SRC/bench")
import numpy as np
from networks import Graph, part
g = Graph("odd", False)
g.image(2)
for op, name in (("Neg", "x/y"), ("Relu", "x_y"), ("Abs", "x_y_2"), ("Exp", "../x")):
    g.parts.append(part(1, part(1, "image") + part(2, name) + part(4, op)))
    g.output(name, 2)
g.save("odd")
x = np.array([-1, 2], dtype=np.float32)
for name, y in (("x", x), ("x_y_3", -x), ("x_y", np.maximum(x, 0)), ("x_y_2", abs(x)), ("_._x", np.exp(x))):
    np.save(name + ".npy", y)
END
run 0 $python odd.py
run 0 "$HONE" net run odd/model.onnx $none --input x.npy -o oddly
ok "a file for each" [ "$(ls oddly)" = "$(printf '%s\n' _._x.npy x_y.npy x_y_2.npy x_y_3.npy)" ]
for name in _._x x_y x_y_2 x_y_3; do
    ok "$name is that output" same oddly/$name.npy $name.npy
done

# ---- check: six networks and some of the standard's models, by compiled code
run 0 "$HONE" net check $none nets/*
says "6 equal, 0 differ, 0 unsupported, 0 errors, by compiled code"
some=$(printf "$data/node/test_%s " abs add_bcast and3d argmax_keepdims_example averagepool_2d_pads \
    batchnorm_example cast_FLOAT_to_FLOAT16 clip_example concat_3d_axis_1 basic_conv_with_padding \
    conv_with_strides_padding convtranspose_1d convtranspose_pads cumsum_1d depthtospace_example dequantizelinear dynamicquantizelinear \
    einsum_batch_matmul erf expand_dim_changed gather_1 gemm_all_attributes celu \
    layer_normalization_4d_axis1 leakyrelu logsoftmax_axis_1 lrn matmul_3d matmulinteger maxpool_2d_ceil \
    reflect_pad edge_pad or4d pow prelu_broadcast qlinearconv qlinearmatmul_2D quantizelinear reduce_mean_keepdims_example \
    reshape_reordered_last_dims resize_upsample_scales_nearest sigmoid slice softmax_axis_2 split_equal_parts_2d \
    squeeze tile top_k transpose_all_permutations_1 where_example lstm_defaults)
run 0 "$HONE" net check $none $some
says "unsupported $data/node/test_lstm_defaults: "
ok "nothing differs: $(tail -n 1 out)" grep -q ' equal, 0 differ, [0-9]* unsupported, 0 errors, by compiled code' out
ok "40 are equal" [ "$(lines '^equal ')" -ge 40 ]
run 0 "$HONE" net check $none --json --verbose nets/squeezenet
says '"verdict":"equal"'
ok "every tensor" [ "$(grep -o '"tensor":' out | wc -l)" -gt 20 ]
ok "none differs" sh -c '! grep -q "\"agrees\":false" out'
cp nets/resnet50/test_data_set_0/output_0.pb nets/vit/test_data_set_0/output_0.pb
run 1 "$HONE" net check $none nets/vit
says "differs     nets/vit: output '"
says "no tensor that kernels wrote differs from the reference"

# ---- check: on random inputs
run 0 "$HONE" net check $none --random 3 nets/mobilenetv2/model.onnx nets/gpt2/model.onnx
says "2 equal, 0 differ, 0 unsupported, 0 errors, by compiled code"
run 0 "$HONE" net check --by kernels --random 3 "$SRC/tests/fuzz/corpus/onnx/conv" --dim N=2
says "1 equal, 0 differ"
refuse 2 "--random is held against the reference" "$HONE" net check --by reference --random 1 sub.onnx
refuse 2 "--dim is for --random" "$HONE" net check nets/vit --dim N=1
refuse 2 "--random belongs to check" "$HONE" net show sub.onnx --random 1

# An interrupt ends it, whatever it does then, in one line; a fast machine may have done all of it.
told() { [ "$1" = 0 ] || { [ "$1" = 1 ] && [ "$(wc -l <err)" = 1 ] && grep -q '^hone: interrupted' err; }; }
for verb in "check --random 1" "profile"; do
    "$HONE" net $verb nets/resnet50/model.onnx --db none.db --threads 1 >out 2>err &
    sleep 1
    kill -TERM $!
    wait $!
    ok "$verb: it says so" told $?
done

# ---- profile
run 0 "$HONE" net profile nets/squeezenet/model.onnx $none
says "squeezenet: "
says "this machine was not measured: the roofline is that of a processor of its kind, and shares of it may be over 100%; \`hone calibrate --threads 1 --db none.db\` measures it"
ok "nor is it said what is near the roofline" [ "$(lines 'of their roofline or more')" = 0 ]
run 0 "$HONE" calibrate --threads 1 --db measured.db
run 0 "$HONE" net profile nets/squeezenet/model.onnx --db measured.db --threads 1
says "are at 90% of their roofline or more"
ok "nothing is said of calibrate" [ "$(lines calibrate)" = 0 ]
run 0 "$HONE" net profile nets/bert/model.onnx $none --json -o page.html
cp out profile.json
cat >look.py <<'END'
import json
d = json.load(open("profile.json"))
k = d["kernels"]
assert d["network"] == "bert" and d["threads"] == 1 and d["runs"] >= 5 and d["machine"] == "preset", d
assert sum(x["calls"] for x in k) == d["calls"], d["calls"]
assert abs(sum(x["share"] for x in k) - 1) < 1e-6
assert abs(sum(x["ns"] for x in k) / d["kernels_ns"] - 1) < 1e-6
assert all(x["ns"] > 0 and x["roofline_ns"] >= 0 and x["rung"] and x["bound"] for x in k)
assert [x["ns"] for x in k] == sorted((x["ns"] for x in k), reverse=True)
near = sum(x["share"] for x in k if x["roofline"] >= .9)
assert abs(near - d["near_roofline"]) < 1e-9
assert any(x["roofline"] > 0 for x in k)
END
run 0 $python look.py
ok "the page has the data" grep -q '"network":"bert"' page.html
ok "and needs nothing else" sh -c '! grep -qE "(src|href)=\"?http|@import|url\(" page.html'
refuse 2 "profile takes one model" "$HONE" net profile
refuse 3 "cannot open 'none.onnx'" "$HONE" net profile none.onnx

# ---- the example: from a model to a program
cp -r "$SRC/examples" . || exit 1
san=$(sed -n 's/^HONE_SANITIZE:.*=//p' "$BUILD/CMakeCache.txt")
run 0 env HONE="$HONE" HONE_RT="$BUILD/libhone_rt.a" HONE_INCLUDE="$SRC/runtime" TRIALS=4 \
    CC="cc${san:+ -fsanitize=$san}" make -C examples/network run
ok "a picture" [ "$(lines '^[.#]\{32\}$')" = 32 ]
ok "of a ring" [ "$(lines '^\.\+#\+\.\{10,\}#\+\.\+$')" -ge 10 ]
run 0 $python "$SRC/examples/network/model.py" again
ok "nothing else" [ "$(ls again)" = model.onnx ]
ok "edges.onnx is what model.py makes" cmp -s again/model.onnx examples/network/edges.onnx

all_done
