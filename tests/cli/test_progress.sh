#!/bin/bash
# On a terminal one live line on standard error; the result after it. Nothing of it otherwise.
# shellcheck disable=SC2086,SC2317
. "$2/tests/cli/lib.sh"

command -v script >/dev/null || skip "no script(1) to make a terminal"
tune="'$HONE' tune matmul $small --threads 1"

# terminal COLUMNS COMMAND: what a person would see, in $T/seen.
terminal() {
    checks=$((checks + 1))
    script -qec "stty cols $1; $2" seen </dev/null >/dev/null 2>&1 || fail "exit code $?: $2"
    tr '\r' '\n' <seen >lines
}

terminal 200 "$tune --trials 20 --db a.db"
says "tuning: trial " lines
says "/20, best " lines
says " GFLOP/s" lines
says " s left" lines
says "  best     " lines
says "  trials   20: " lines
ok "the line is erased before the result" grep -q $'^\033\\[Kmatmul M=64' lines

# a narrow terminal: the line never wraps
terminal 40 "$tune --trials 10 --db b.db >/dev/null"
ok "within 40 columns" [ "$(sed "s/$(printf '\033')\\[K//g" lines | grep 'trial ' | wc -L)" -le 40 ]

# JSON on standard output is not disturbed
terminal 200 "$tune --trials 5 --db c.db --json 2>/dev/null >c.out"
ok "five trials and a summary" [ "$(grep -c '^{.*}$' c.out)" = 6 ]

# ---- networks: which step of what is at work, and nothing of it in the result
cp "$SRC/tests/fuzz/corpus/onnx/conv" conv.onnx
none="--db none.db --threads 1"
terminal 200 "'$HONE' net profile conv.onnx --dim N=1 $none"
says "profile: compiling " lines
says "profile: running for 3 s" lines
ok "the line is erased before the table" grep -q $'^\033\\[Kconv: ' lines
terminal 200 "'$HONE' net check --random 1 conv.onnx conv.onnx --dim N=1 $none"
says "conv.onnx (2 of 2): compiling " lines
says "conv.onnx (2 of 2): running" lines
ok "the line is erased before the verdict" grep -q $'^\033\\[Kequal  *conv.onnx' lines
terminal 200 "'$HONE' net build conv.onnx --dim N=1 $none -o built"
says "build: compiling " lines
terminal 20 "'$HONE' net check --random 1 conv.onnx --dim N=1 $none >/dev/null"
ok "within 20 columns" [ "$(sed "s/$(printf '\033')\[K//g" lines | grep '^conv.onnx (1 of 1' | wc -L)" -le 20 ]

run 0 "$HONE" net check --random 1 conv.onnx --dim N=1 $none
ok "quiet when not a terminal: net" [ ! -s err ]
run 0 "$HONE" tune matmul $small --threads 1 --trials 5 --db a.db
ok "quiet when not a terminal" [ ! -s err ]
ok "no control characters" sh -c "! grep -q \"\$(printf '\\033')\" out"

all_done
