#!/bin/bash
# `hone lock`: the file it writes, what it replaces and what it leaves alone, two writers at once, names,
# and every way to be refused without changing anything.
# shellcheck disable=SC2086,SC2317
. "$2/tests/cli/lib.sh"

cat >v3.json <<'END'
{"kind":"llvm","mtriple":"x86_64-pc-linux-gnu","mcpu":"haswell","mattr":"+avx2,+fma","num-cores":4,
"vector-bytes":32,"vector-registers":16,"fma-latency":5,"fma-per-cycle":2,"cache-line-bytes":64,
"l1-bytes":32768,"l2-bytes":262144,"l3-bytes":8388608}
END
sed 's/haswell/skylake/' v3.json >skl.json
mkdir -p kernels app
cat >kernels/scale.hone <<'END'
kernel scale(N) {
  input X: f32[N]
  output Y: f32[N]
  Y[i] = X[i] * 2
}
kernel shift(N) {
  input X: f32[N]
  output Y: f32[N]
  Y[i] = X[i] + 2
}
END
scale="kernels/scale.hone:scale -D N=64 --threads 1"
shift="kernels/scale.hone:shift -D N=64 --threads 1"

# ---- a first entry: what was measured, and nothing of this machine
run 0 "$HONE" tune matmul $small --threads 1 --trials 8 --db log.db
run 0 "$HONE" lock -o app/hone.lock matmul $small --threads 1 --db log.db
says "matmul for"
says "added: exact"
ok "nothing on stderr" [ ! -s err ]
says '"hone_lock": 1,' app/hone.lock
says '"rung": "exact",' app/hone.lock
says '"checked": {"against": "reference"' app/hone.lock
run 0 "$HONE" query matmul $small --threads 1 --db log.db --json
says "\"time_ns\":$(sed -n 's/^ *"time_ns": \([0-9]*\),$/\1/p' app/hone.lock)"
ok "no path" [ "$(lines "$T" app/hone.lock)" = 0 ]
ok "no host" [ "$(lines "\"$(uname -n)\"" app/hone.lock)" = 0 ]
ok "no date" [ "$(lines "$(date +%Y-)" app/hone.lock)" = 0 ]

# ---- again: the same bytes, not written
before=$(stat -c '%y %i' app/hone.lock)
run 0 "$HONE" lock -o app/hone.lock matmul $small --threads 1 --db log.db
says "as it was: exact"
ok "not written" [ "$(stat -c '%y %i' app/hone.lock)" = "$before" ]

# ---- others, in whatever order they come; paths are as seen from the lock's folder
run 0 "$HONE" lock -o app/hone.lock $shift --target v3.json,skl.json
says "this is the answer of rung model" err
run 0 "$HONE" lock -o app/hone.lock $scale --target skl.json
run 0 "$HONE" lock -o app/hone.lock $scale --target "$(tr -d '\n' <v3.json)"
says '"kernel": "../kernels/scale.hone:scale",' app/hone.lock
sed -n 's/^ *"\(function\|mcpu\)": "\(.*\)",$/\2/p' app/hone.lock | grep -v "$(sed -n 's/^ *"mcpu": "\(.*\)",$/\1/p' app/hone.lock | head -n 1)" | paste -sd ' ' >order
says "matmul scale haswell scale skylake shift haswell shift skylake" order
for k in "$scale --target v3.json,skl.json" "matmul $small --threads 1 --db log.db" \
    "$shift --target skl.json" "$shift --target v3.json"; do
    from_app=$(sed -E 's=(kernels/|v3.json|skl.json|log.db)=../\1=g' <<<"$k")
    (cd app && run 0 "$HONE" lock -o ../other.lock $from_app)
done
ok "the order of commands is not in the file" cmp <(sed 's|"kernel": "../|"kernel": "|' app/hone.lock) other.lock
python=$(command -v python3)
[ -n "$python" ] && ok "it is JSON" "$python" -m json.tool app/hone.lock /dev/null

# ---- one entry changes, the others stay byte for byte, also what people did to them
sed -i '0,/"threads": 1,/s//"threads":  1,/' app/hone.lock
cp app/hone.lock was
run 0 "$HONE" lock -o app/hone.lock kernels/scale.hone:scale -D N=64 --threads 2 --target v3.json
says "replaced: model"
ok "one number of threads" [ "$(diff was app/hone.lock | grep -c '"threads"')" = 2 ]
says '"threads":  1,' app/hone.lock
diff was app/hone.lock | grep '^[<>]' | grep -vE '"(threads|reason|expected_share)"|^[<>]         \[' >rest
ok "and what follows from it" [ ! -s rest ]

# ---- a name for each kernel
cp app/hone.lock was
refuse 2 "already, of ../kernels/scale.hone:scale" "$HONE" lock -o app/hone.lock \
    kernels/scale.hone:scale -D N=32 --threads 1 --target v3.json
ok "unchanged" cmp -s was app/hone.lock
run 0 "$HONE" lock -o app/hone.lock kernels/scale.hone:scale -D N=32 --threads 1 --target v3.json \
    --name scale32
says "scale32 for haswell, 1 thread: added"
run 0 "$HONE" lock -o app/hone.lock kernels/scale.hone:scale -D N=16 --threads 1 --target v3.json \
    --name scale32
says "scale32 for haswell, 1 thread: replaced"

# ---- on standard output
run 0 "$HONE" lock -o - $scale --target v3.json
says '"kernel": "kernels/scale.hone:scale",'
ok "one function" [ "$(lines '"function"')" = 1 ]

# ---- several writers lose nothing
for k in 1 2 3 4 5 6; do
    "$HONE" lock -o many.lock kernels/scale.hone:scale -D N=$k --threads 1 --target v3.json \
        --name f$k >/dev/null 2>&1 &
done
wait
ok "six writers, six functions" [ "$(lines '"function"' many.lock)" = 6 ]
mkdir far
ln -s ../many.lock far/hone.lock
run 0 "$HONE" lock -o far/hone.lock $shift --target v3.json
ok "a link is followed, and stays" [ -L far/hone.lock ] && ok "seven" [ "$(lines '"function"' many.lock)" = 7 ]
ok "nothing left behind" [ "$(find . -maxdepth 1 -name '.hone-*' | wc -l)" = 0 ]

# ---- refused, and nothing changed
cp app/hone.lock was
refuse 3 "there is no database" "$HONE" lock -o app/hone.lock matmul -D M=9 -D N=9 -D K=9 --threads 1 \
    --name nine --db none.db --require exact
refuse 2 "which kernel" "$HONE" lock -o app/hone.lock
refuse 2 "--require is exact" "$HONE" lock -o app/hone.lock matmul --require best
refuse 2 "unknown target" "$HONE" lock -o app/hone.lock $scale --target v3.json,nix.json
refuse 2 "haswell twice" "$HONE" lock -o app/hone.lock $scale --target v3.json,v3.json
refuse 2 "the C function cannot have this name" "$HONE" lock -o app/hone.lock $scale --name int
ok "unchanged" cmp -s was app/hone.lock
refuse 1 "cannot find the folder" "$HONE" lock -o none/hone.lock $scale --target v3.json
for bad in '{"version": 3}' '{"hone_lock": 9, "functions": []}' '{"hone_lock": 1, "functions": [{}]}' 'x'; do
    printf '%s' "$bad" >bad.lock
    refuse 2 "bad.lock" "$HONE" lock -o bad.lock $scale --target v3.json
    refuse 2 "bad.lock" "$HONE" build --lock bad.lock -o bad.out
    ok "unchanged" [ "$(cat bad.lock)" = "$bad" ]
    ok "no folder" [ ! -e bad.out ]
done
: >empty.lock # as a log without a byte is a new one
refuse 2 "empty.lock" "$HONE" build --lock empty.lock -o bad.out
run 0 "$HONE" lock -o empty.lock $scale --target v3.json
ok "an empty lock is a new one" [ "$(lines '"function"' empty.lock)" = 1 ]
run 1 "$HONE" lock -o /dev/full $scale --target v3.json
says "cannot write '/dev/full': No space left on device" err
run 0 "$HONE" lock -o /dev/null $scale --target v3.json
ok "a device has no lock to be read" [ ! -s out ]

# ---- each target has the threads that it can have
run 0 "$HONE" lock -o w.lock matmul $small --target wasm32,haswell --db none.db
says "matmul for wasm32, 1 thread: added"
says "matmul for haswell, "
ok "as \`hone query\` has it" [ "$(lines '"threads": 1' w.lock)" -ge 1 ]
refuse 2 "modules of WebAssembly have one thread" "$HONE" lock -o w.lock matmul $small --target haswell,wasm32 --threads 2 --db none.db
refuse 2 "modules of WebAssembly have one thread" "$HONE" explain matmul $small --target wasm32 --threads 2 --db none.db

# ---- what a reader is told to type is one word for each name
mkdir "sp \$dir"
cp kernels/scale.hone "sp \$dir"
run 0 "$HONE" lock -o 'sp $dir/h.lock' 'sp $dir/scale.hone:scale' -D N=8 --threads 1 --target v3.json
sed -i 's/\* 2/* 3/' "sp \$dir/scale.hone"
cmp -s kernels/scale.hone 'sp $dir/scale.hone' && fail "the kernel is as it was"
run 4 "$HONE" build --lock 'sp $dir/h.lock' -o stale --locked
says "run \`hone lock -o 'sp \$dir/h.lock' 'sp \$dir/scale.hone:scale' -D N=8 --threads 1 --name scale\`" err
all_done
