#!/bin/bash
# WebAssembly: `hone query --emit wasm` writes a module and what loads it, which Node runs; `hone tune
# --target wasm32` measures in Node.
# shellcheck disable=SC2086,SC2154,SC2317
. "$2/tests/cli/lib.sh"

command -v wasm-ld-19 >/dev/null || command -v wasm-ld >/dev/null || skip "no wasm-ld (lld-19)"

run 0 "$HONE" query matmul $small --target wasm32 --emit wasm -o out1 --name mm
ok "the module" [ "$(head -c 4 out1/mm.wasm | od -An -c | tr -d ' ')" = '\0asm' ]
ok "the loader says what it takes" grep -q '"name": "A", "type": "f32", "shape": \[64, 32\], "output": false' out1/mm.mjs
ok "nothing else" [ "$(ls out1 | wc -l)" = 2 ]
run 0 "$HONE" query matmul $small --target wasm32 --emit asm -o mm.s
ok "its vectors are used" grep -q 'f32x4.mul' mm.s
run 0 "$HONE" query matmul $small --target wasm32-relaxed --emit asm -o mr.s
ok "multiply-adds where they are" grep -q 'f32x4.relaxed_madd' mr.s
ok "and not elsewhere" [ "$(grep -c relaxed mm.s)" = 0 ]
refuse 2 "--target wasm32" "$HONE" query matmul $small --emit wasm -o out2
refuse 2 "one target" "$HONE" query matmul $small --target wasm32,haswell --emit wasm -o out2
ok "and leaves nothing" [ ! -e out2 ]
refuse 2 "one thread" "$HONE" query matmul $small --target wasm32 --threads 2 --emit wasm -o out2
run 0 "$HONE" query matmul $small --target wasm32 --db none.db
says "on wasm32, 1 thread: "
run 0 "$HONE" query matmul $small --target wasm32-relaxed --db none.db
says "on wasm32-relaxed, 1 thread: "
refuse 2 "one thread" "$HONE" tune matmul $small --target wasm32 --threads 2 --trials 1 --db two.db
run 0 "$BUILD/hone-device" --describe --runtime node
cp out device
run 0 "$HONE" targets wasm32
ok "a device for modules says that it is one" cmp -s out device
run 0 "$BUILD/hone-device" --describe --runtime node:relaxed
cp out device
run 0 "$HONE" targets wasm32-relaxed
ok "and what it has" cmp -s out device
refuse 1 "there is no \`node\` in PATH" env PATH=/nowhere "$HONE" tune matmul $small --target wasm32 --trials 1 --db two.db
refuse 2 "--runtime is node" "$HONE" worker --listen ipc://x --runtime deno
refuse 2 "--runtime is node" "$BUILD/hone-device" --listen ipc://x --runtime deno

refuse 2 "at most 64 threads" "$HONE" query matmul $small --target wasm32-threads --threads 65 --db none.db
refuse 2 "one thread" "$HONE" calibrate --target wasm32 --threads 2 --db c.db
# threads share a memory that the loader makes
run 0 "$HONE" query matmul $small --target wasm32-threads --threads 2 --db none.db --emit wasm -o out3 --name mm
ok "its loader starts them" grep -q '^  shared: true' out3/mm.mjs
ok "and another does not" [ "$(grep -c Worker out1/mm.mjs)" = 0 ]
run 0 "$HONE" query matmul $small --target wasm32-threads --threads 2 --db none.db
says "on wasm32-threads, 2 threads: "
run 0 "$BUILD/hone-device" --describe --runtime node:threads
cp out device
run 0 "$HONE" targets wasm32-threads
ok "a device for them says so" cmp -s out device

command -v node >/dev/null || {
    echo "no node: the rest is skipped"
    all_done
}

cp "$SRC/tests/cli/product.mjs" .
cat >check.mjs <<'END'
import { load } from './out1/mm.mjs';
import { wrong } from './product.mjs';
const f = await load();
console.log(`${wrong(f, 2)} wrong of ${f.args.C.length}`);
END
run 0 node check.mjs
says "0 wrong of 3072"
cp out1/mm.wasm away.wasm
cat >bytes.mjs <<'END'
import { readFileSync } from 'node:fs';
import { kernel, load } from './out1/mm.mjs';
const f = await load(readFileSync('away.wasm')), g = await load(new WebAssembly.Module(readFileSync('away.wasm')));
f.args.A.fill(1);
f.args.B.fill(1);
f.run();
console.log(f.args.C[0], g.args.C[0], kernel.name);
END
run 0 node bytes.mjs
says "32 0 mm"

cat >threads.mjs <<'END'
import { load } from './out3/mm.mjs';
import { wrong } from './product.mjs';
const sums = [];
for (const threads of [undefined, 1, 3, 'end']) {
  const f = await load(undefined, { threads: threads === 'end' ? undefined : threads });
  if (threads === 'end') f.end();
  sums.push(wrong(f, 50) + !(f.memory.buffer instanceof SharedArrayBuffer));
}
console.log(`${sums} wrong`);
END
run 0 node threads.mjs
says "0,0,0,0 wrong"

# measured, and what was found is what a query gives
run 0 "$HONE" tune matmul $small --target wasm32 --trials 12 --db w.db --no-calibrate --json
says '"best_ns":'
run 0 "$HONE" query matmul $small --target wasm32 --db w.db --require exact --emit wasm -o out1 --name mm
run 0 node check.mjs
says "0 wrong of 3072"
ok "the log says what ran it" grep -aq 'runtime=node v' w.db

run 0 "$HONE" tune matmul $small --target wasm32-threads --threads 2 --trials 12 --db t.db --no-calibrate --json
ok "right results" [ "$(number ok)" -ge 1 ]
run 0 "$HONE" query matmul $small --target wasm32-threads --threads 2 --db t.db --require exact --emit wasm -o out3 --name mm
run 0 node threads.mjs
says "0,0,0,0 wrong"

# a log of two architectures: which one's model a file is to have must be said
run 0 "$HONE" tune matmul $small --threads 1 --trials 1 --db w.db --no-calibrate
refuse 2 "several architectures, as wasm32 and " "$HONE" model train --db w.db -o two.model
ok "no file" [ ! -e two.model ]

# with relaxed SIMD, which Node has from version 20 on
if [ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ]; then
    run 0 "$HONE" tune matmul $small --target wasm32-relaxed --trials 4 --db r.db --no-calibrate --json
    ok "right results" [ "$(number ok)" -ge 1 ]
    run 0 "$HONE" query matmul $small --target wasm32-relaxed --db r.db --require exact --emit asm -o mr.s
else
    refuse 1 "no relaxed SIMD" "$HONE" tune matmul $small --target wasm32-relaxed --trials 4 --db r.db --no-calibrate
fi

all_done
