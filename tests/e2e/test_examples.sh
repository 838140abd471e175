#!/bin/bash
# The examples work as they stand in a copy of their folder.
# shellcheck disable=SC2086,SC2317
. "$2/tests/cli/lib.sh"

cp -r "$SRC/examples" . || exit 1
san=$(sed -n 's/^HONE_SANITIZE:.*=//p' "$BUILD/CMakeCache.txt")

# ---- three stages, odd sizes: from text to a correct program, faster than the default schedule
export HONE HONE_RT=$BUILD/libhone_rt.a TRIALS=24 OUT=$T/out.dir
export CC="cc${san:+ -fsanitize=$san}"
run 0 sh examples/three_stage/build.sh
says "right (largest error"
faster=$(sed -n 's/^as written .*: \([0-9.]*\) times as fast$/\1/p' out)
ok "faster than as written: ${faster:-?} times" awk -v x="${faster:-0}" 'BEGIN { exit !(x > 1.2) }'
ok "three stages" [ "$("$HONE" show examples/three_stage/gate.hone -D M=77 -D N=123 -D K=61 |
    grep -c ' block ')" = 3 ]
# again: goes on from there
run 0 sh examples/three_stage/build.sh
says "24 more were in the log"
run 0 "$HONE" db check "$OUT/hone.db"

# ---- a schedule that does not pack: main.c handles that as well
echo '[[],[]]' >plain.json
run 0 "$HONE" query examples/three_stage/gate.hone -D M=77 -D N=123 -D K=61 --threads 1 \
    --trace plain.json --emit library -o plain --name gate
ok "it packs nothing" sh -c '! grep -q pack plain/gate.h'
cp "$OUT"/gate_default.* plain
ok "links" $CC -O2 -Wall -Wextra -Werror -Iplain -o gate examples/three_stage/main.c plain/gate.o \
    plain/gate_default.o "$HONE_RT" -lpthread -lm
run 0 ./gate
says "right (largest error"

# ---- an intrinsic of one's own: found, checked, faster, and rebuilt from the log alone
if grep -qw avx2 /proc/cpuinfo && [ -z "$san" ]; then
    run 0 env OUT="$T/own" TRIALS=16 sh examples/intrinsic/tune.sh
    says "intrinsic of the best: signed."
    gained=$(sed -n 's/^with it: \([0-9.]*\) times as fast$/\1/p' out)
    ok "faster with it: ${gained:-?} times" awk -v x="${gained:-0}" 'BEGIN { exit !(x > 1.1) }'
    ok "an object" [ -s "$T/own/dot.o" ]
    run 1 "$HONE" show examples/intrinsic/dot.hone -D M=192 -D N=192 -D K=192 \
        --trace "$T/own/best.json"
    says "there is no intrinsic 'signed." err
    run 0 "$HONE" show examples/intrinsic/dot.hone -D M=192 -D N=192 -D K=192 \
        --trace "$T/own/best.json" --intrin examples/intrinsic/signed.intrin
    says '@hone.intrin="signed.'
    sed 's/ret void/ret i32 0/' examples/intrinsic/signed.intrin >bad.intrin
    run 2 "$HONE" tune examples/intrinsic/dot.hone -D M=16 -D N=16 -D K=16 --intrin bad.intrin \
        --db bad.db --trials 1
    says "intrinsic signed." err
fi

# ---- ready files for workers: every option in them exists
for f in hone-device.service hone-device.sbatch; do
    run 0 "$BUILD/hone-device" --help
    while read -r option; do
        says "  $option "
    done < <(grep -v '^#' "examples/farm/$f" | sed -n 's/.*hone-device \(--.*\)/\1/p' |
        grep -o -e '--[a-z]*')
done
ok "bash" bash -n examples/farm/hone-device.sbatch
if command -v systemd-analyze >/dev/null; then
    sed -i "s|/usr/local/bin/hone-device|$BUILD/hone-device|" examples/farm/hone-device.service
    systemd-analyze --man=no verify examples/farm/hone-device.service >out 2>&1
    ok "systemd finds nothing" [ "$(grep -c hone-device.service out)" = 0 ]
fi

all_done
