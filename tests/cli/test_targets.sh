#!/bin/bash
# hone targets: names, numbers and texts agree, and each text and name is a target wherever one is taken.
# shellcheck disable=SC2086,SC2154,SC2317
. "$2/tests/cli/lib.sh"

run 0 "$HONE" targets
ok "nothing on stderr" [ ! -s err ]
cp out list
for name in native znver4 x86-64-v3 cortex-a53 cortex-a72 neoverse-n1 neoverse-v1 apple-m1 cortex-a7 spacemit-x60 wasm32; do
    ok "$name is listed once" [ "$(grep -c "^$name " list)" = 1 ]
done
ok "the widths of vectors" grep -q "^neoverse-v1 *aarch64 *32 x 256 " list
ok "NEON's" grep -q "^cortex-a72 *aarch64 *32 x 128 .* 32K *1M *- *64$" list
ok "RVV's" grep -q "^spacemit-x60 *riscv64 *32 x 256 " list

run 0 "$HONE" targets --json
ok "one line" [ "$(wc -l <out)" = 1 ]
ok "as many as there are lines" [ "$(grep -o '"name":' out | wc -l)" = $(($(wc -l <list) - 1)) ]
says '"name":"cortex-a72"'
says '"source":"SOG'

# one in sixteen; tests/targets has them all
for name in $(sed 1d list | sed -n 's/ .*//; 1~16p'); do
    run 0 "$HONE" targets $name
    says '"kind":"llvm"'
    cp out text
    run 0 "$HONE" targets "$(cat text)"
    ok "$name: its text is itself" cmp -s out text
    run 0 "$HONE" targets ./text
    ok "$name: in a file" cmp -s out text
done
run 0 "$BUILD/hone-device" --describe
cp out here
run 0 "$HONE" targets "$(cat here)"
ok "what a device says is a target" cmp -s out here

refuse 2 "cortex-a72" "$HONE" targets cortex-a722
refuse 2 "neoverse-v1" "$HONE" targets neoversev1
refuse 2 "unknown target" "$HONE" targets ''
refuse 2 "JSON anyway" "$HONE" targets znver4 --json

# what is no target, and numbers that no machine has
mkdir folder
head -c 100000 /dev/zero >large
refuse 2 "is a folder" "$HONE" targets ./folder
refuse 2 "cannot open './none'" "$HONE" targets ./none
refuse 2 "cannot open 'none/board.json': No such file or directory; give one that \`hone targets NAME\` has printed, or a name that \`hone targets\` lists" "$HONE" targets none/board.json
refuse 2 "is larger than" "$HONE" targets ./large
refuse 2 "is not one" "$HONE" targets ' {}'
"$HONE" targets cortex-a72 >board.json
for change in 's/"vector-bytes":16/"vector-bytes":1/' 's/"vector-bytes":16/"vector-bytes":16384/' \
    's/"vector-registers":32/"vector-registers":2147483647/' 's/"num-cores":4/"num-cores":70000/'; do
    sed "$change" board.json >bad.json
    refuse 2 "must be an integer from" "$HONE" query matmul $small --target bad.json
done
sed 's/"vector-bytes":16/"vector-bytes":4/; s/"vector-registers":32/"vector-registers":1/' board.json >least.json
run 0 "$HONE" query matmul $small --threads 1 --target least.json --emit asm -o code.s
sed 's/"vector-bytes":16/"vector-bytes":8192/; s/"vector-registers":32/"vector-registers":1024/' board.json >most.json
run 0 "$HONE" query matmul $small --threads 1 --target most.json --emit asm -o code.s
run 0 bash -c "\"$HONE\" targets /dev/stdin <board.json"

# in commands that make code
for t in cortex-a72 neoverse-v1 spacemit-x60 cortex-a7 wasm32 "$(cat here)" ./here; do
    run 0 "$HONE" query matmul $small --threads 1 --target "$t" --emit asm -o code.s
    ok "there is code" [ -s code.s ]
done
run 0 "$HONE" query matmul $small --threads 1 --target neoverse-v1 --emit asm -o v1.s
ok "SVE's registers are used" grep -q 'fmla.*z[0-9]*\.s' v1.s
run 0 "$HONE" query matmul $small --threads 1 --target neoverse-n1 --emit asm -o n1.s
ok "NEON multiplies by a lane or a vector" grep -q 'fmla.*v[0-9]*\.4s' n1.s

all_done
