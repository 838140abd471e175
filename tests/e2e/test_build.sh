#!/bin/bash
# `hone build`: the same bytes wherever and however it runs, nothing made twice, what is stale or
# missing, and a lock file as the only thing it needs.
# shellcheck disable=SC2086,SC2317
. "$2/tests/cli/lib.sh"

link=$(sed -n 's/^CMAKE_C_COMPILER:.*=//p' "$BUILD/CMakeCache.txt")
san=$(sed -n 's/^HONE_SANITIZE:.*=//p' "$BUILD/CMakeCache.txt")
cat >gate.hone <<'END'
kernel gate(M, N) {
  input A: f32[M, N]
  input B: f32[N]
  output C: f32[M, N]
  C[i, j] = max(A[i, j] + B[j], 0)
}
END
run 0 "$HONE" lock gate.hone -D M=7 -D N=33 --threads 1
run 0 "$HONE" lock matmul $small --threads 1
run 0 "$HONE" lock softmax -D M=16 -D N=40 --threads 2
run 0 "$HONE" build --lock hone.lock -o lib --locked --depfile lib.d
says "gate: model"
ok "nine files" [ "$(find lib -type f | wc -l)" = 9 ]
says "int gate(const float *A, const float *B, float *C);" lib/gate.h
says '"rung": "model"' lib/gate.json
ok "the depfile" grep -qx 'lib/gate.o .* lib/softmax.json: hone.lock gate.hone' lib.d
cat >main.c <<'END'
#include "gate.h"
#include <stdio.h>
int main(void)
{
    static float A[7 * 33], B[33], C[7 * 33];
    int bad = 0;
    for (int k = 0; k < 7 * 33; k++)
        A[k] = (float)(k % 5 - 2);
    for (int j = 0; j < 33; j++)
        B[j] = (float)(j % 3 - 1);
    if (gate(A, B, C) != 0)
        return 1;
    for (int k = 0; k < 7 * 33; k++)
        bad += C[k] != (A[k] + B[k % 33] > 0 ? A[k] + B[k % 33] : 0);
    puts(bad ? "wrong" : "right");
    return bad != 0;
}
END
ok "links" "${link:-cc}" ${san:+-fsanitize=$san} -Ilib -o main main.c lib/gate.o "$BUILD/libhone_rt.a" -lm -lpthread
run 0 ./main
says right

# ---- what is there is not made again, nor written
state() { (cd lib && stat -c '%n %y %i' ./*); }
before=$(state)
run 0 "$HONE" build --lock hone.lock -o lib --locked
ok "it says nothing" [ ! -s out ]
touch hone.lock gate.hone
run 0 "$HONE" build --lock hone.lock -o lib --locked --depfile lib.d
ok "not written" [ "$(state)" = "$before" ]
cp -r lib whole
rm lib/gate.o
echo "/* mine */" >>lib/matmul.h
run 0 "$HONE" build --lock hone.lock -o lib --locked
ok "what was not as it should be" [ "$(sort out | paste -sd ' ')" = "gate: model matmul: model" ]
ok "is again" diff -r whole lib
ok "the header that was there was left alone" [ "$(state | grep softmax)" = "$(grep softmax <<<"$before")" ]
run 0 "$HONE" build --lock hone.lock -o some --locked matmul
ok "only what is named" [ "$(cd some && echo *)" = "matmul.h matmul.json matmul.o" ]
ok "alike" cmp some/matmul.o lib/matmul.o

# ---- a function of the lock: whatever the folder, time zone, umask, locale, order, number of jobs
mkdir -p "a/much longer # name \$ of a folder" ro
here() { (cd "a/much longer # name \$ of a folder" && "$@"); }
cp hone.lock gate.hone "a/much longer # name \$ of a folder"
run 0 here env -i TZ=Pacific/Auckland LC_ALL=de_DE.UTF-8 SOURCE_DATE_EPOCH=1 "$HONE" build --lock hone.lock -o lib --locked \
    --depfile lib.d
ok "another folder, no HOME, other time zone and locale" diff -r lib "a/much longer # name \$ of a folder/lib"
ok "the depfile too" cmp lib.d "a/much longer # name \$ of a folder/lib.d"
(umask 077 && "$HONE" build --lock hone.lock -o masked --locked) >/dev/null
ok "another umask" diff -r lib masked
for name in softmax gate matmul; do
    "$HONE" build --lock "$PWD/hone.lock" -o "$T/jobs" --locked $name --depfile $name.d >/dev/null &
done
wait
ok "three jobs at once, one function each" diff -r lib jobs
cp hone.lock ro
chmod a-w ro/hone.lock ro
run 0 "$HONE" build --lock ro/hone.lock -o bare --locked
ok "without the kernel's file, in a folder that cannot be written" diff -r lib bare
if [ "$(id -u)" = 0 ] && command -v unshare setpriv >/dev/null && unshare -n true 2>/dev/null; then
    mkdir -m 777 other
    chmod 755 "$T"
    cp "$HONE" other/hone && chmod 755 other/hone
    run 0 env -i unshare -n setpriv --reuid 65534 --regid 65534 --clear-groups other/hone build \
        --lock ro/hone.lock -o other/lib --locked
    ok "another user, no network" diff -r lib other/lib
fi

# ---- names that make has to be told
run 0 "$HONE" build --lock hone.lock -o 'x y#$z' --locked --depfile odd.d gate
grep -q '^x\\ y\\#$$z/gate.o ' odd.d || fail "escaped: $(cat odd.d)"
checks=$((checks + 1))
if command -v make >/dev/null; then
    printf 'include odd.d\nx\\ y\\#$$z/gate.o: ; @echo "made by $<"\n' >Makefile
    touch -d '1 hour ago' 'x y#$z/gate.o'
    run 0 make -s 'x y#$z/gate.o'
    says "made by hone.lock"
fi

# ---- stale: the kernel's file says something else by now
cp -r lib were
sed -i 's/, 0)/, 1)/' gate.hone
refuse 4 "gate: its kernel's file has changed since it was locked: run \`hone lock -o hone.lock gate.hone -D M=7 -D N=33 --threads 1 --name gate\`" \
    "$HONE" build --lock hone.lock -o lib --locked
ok "nothing written" diff -r lib were
run 0 "$HONE" build --lock hone.lock -o lib
says "warning: hone.lock:4: gate: its kernel's file has changed" err
says "max(A[vi, vj] + B[vj], 1.0)" lib/gate.json
ok "others are as they were" cmp lib/matmul.json were/matmul.json
before=$(state)
run 0 "$HONE" build --lock hone.lock -o lib
ok "and that once" [ "$(state)" = "$before" ]
eval "$(sed -n 's/.*run `hone \(lock .*\)`.*/run 0 "$HONE" \1/p' err)"
run 0 "$HONE" build --lock hone.lock -o lib --locked
ok "nothing on stderr" [ ! -s err ]
echo '# a remark' >>gate.hone
run 0 "$HONE" build --lock hone.lock -o lib --locked
printf 'kernel' >gate.hone
run 2 "$HONE" build --lock hone.lock -o lib
says "gate.hone:" err
rm gate.hone

# ---- stale: a schedule that this hone cannot replay
python='import json, sys
j = json.load(open("hone.lock"))
e = [x for x in j["functions"] if x["function"] == "matmul"][0]
e["instructions"].insert(0, ["GetBlock", [], ["Q", "main"], ["b0"]])
e["decisions"] = []
e["space_version"] = 1
e["instructions"] = e["instructions"][:1]
json.dump(j, open("old.lock", "w"), indent=1)'
if command -v python3 >/dev/null && python3 -c "$python"; then
    cp -r lib were2
    refuse 4 "matmul: its schedule cannot be replayed (it is of space version 1, this hone has" \
        "$HONE" build --lock old.lock -o lib --locked
    ok "nothing written" diff -r lib were2
    run 0 "$HONE" build --lock old.lock -o lib
    says "built by rung model meanwhile" err
fi

# ---- missing, and what cannot be
refuse 4 "there is no nix: run \`hone lock -o hone.lock KERNEL --name nix\`" "$HONE" build --locked -o new nix matmul
refuse 3 "there is no nix" "$HONE" build --lock hone.lock -o new nix matmul
ok "nothing made" [ ! -e new ]
refuse 3 "none.lock" "$HONE" build --lock none.lock -o new --locked
run 1 "$HONE" build --lock hone.lock -o lib --locked --depfile "$T"
says "it is a folder" err
mkdir pipe
mkfifo pipe/matmul.json
refuse 1 "not a regular file" timeout 60 "$HONE" build --lock hone.lock -o pipe matmul
echo x >file
refuse 2 "file" "$HONE" build --lock hone.lock -o file --locked
ok "still there" [ "$(cat file)" = x ]

# ---- one function for two processors: it chooses, or one is chosen
cat >v3.json <<'END'
{"kind":"llvm","mtriple":"x86_64-pc-linux-gnu","mcpu":"haswell","mattr":"+avx2,+fma","num-cores":4,
"vector-bytes":32,"vector-registers":16,"fma-latency":5,"fma-per-cycle":2,"cache-line-bytes":64,
"l1-bytes":32768,"l2-bytes":262144,"l3-bytes":8388608}
END
sed 's/haswell/skylake/' v3.json >skl.json
run 0 "$HONE" lock -o two.lock matmul $small --threads 1 --target v3.json,skl.json
run 0 "$HONE" build --lock two.lock -o both --locked
says "haswell" both/matmul.json
says '"variants": [' both/matmul.json
says "matmul_variants" both/matmul.h
run 0 "$HONE" build --lock two.lock -o both --locked
ok "it is there" [ ! -s out ]
sed 's/"mcpu": "skylake"/"mcpu": "haswell"/; s/"mattr": "+avx2,+fma"/"mattr": "+avx2"/' two.lock >odd.lock
refuse 2 "matmul is there twice for haswell" "$HONE" build --lock odd.lock -o odd
ok "nothing made" [ ! -e odd ]
run 0 "$HONE" lock -o kinds.lock matmul $small --threads 1 --target v3.json
run 0 "$HONE" lock -o kinds.lock matmul -D M=8 -D N=8 -D K=8 --threads 1 --target skl.json --name matmul
refuse 2 "matmul is one kernel for haswell and another for skylake" "$HONE" build --lock kinds.lock -o odd
run 0 "$HONE" build --lock two.lock -o two --locked --target skylake
says '"mcpu": "skylake"' two/matmul.json
run 0 "$HONE" build --lock two.lock -o two --locked --target v3.json
says '"mcpu": "haswell"' two/matmul.json
refuse 4 "there is no matmul for znver1" "$HONE" build --lock two.lock -o two --locked --target "$(
    tr -d '\n' <v3.json | sed 's/haswell/znver1/')"
all_done
