#!/bin/bash
# A farm of boards on one machine: coordinator and builder are of this processor, the boards are static
# hone-devices under QEMU, with keys. Tuning, log, query; the object is linked by the cross compiler, run on
# the board and right.
#
# The boards' programs are those of examples/farm/board.sh in HONE_BOARDS (default: build/boards of the source);
# where one is not there, that board is left out, and said so.
# shellcheck disable=SC2086,SC2154,SC2317
. "$2/tests/cli/lib.sh"

boards=${HONE_BOARDS:-$SRC/build/boards}
for who in coordinator board; do
    run 0 "$HONE" keygen $who.key
done
cat board.key.pub >boards
cat coordinator.key.pub >owners
cat >main.c <<'END'
#include "mm.h"
#include <stdio.h>
static float a[64 * 32], b[32 * 48], c[64 * 48];
int main(void)
{
    for (int k = 0; k < 64 * 32; k++)
        a[k] = (float)(k % 7 - 3);
    for (int k = 0; k < 32 * 48; k++)
        b[k] = (float)(k % 5 - 2);
    if (mm(a, b, c) != 0)
        return 1;
    for (int i = 0; i < 64; i++)
        for (int j = 0; j < 48; j++) {
            float want = 0;
            for (int k = 0; k < 32; k++)
                want += a[i * 32 + k] * b[k * 48 + j];
            if (c[i * 48 + j] != want)
                return 2;
        }
    puts("right");
    return 0;
}
END

# ---- a library for two processors: which runs depends on how long SVE's vectors are
if command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64 >/dev/null; then
    run 0 "$HONE" targets neoverse-v1
    sed 's/"mattr":""/"mattr":"-lse2"/' out >v1.json # which QEMU 7.2 has not
    run 0 "$HONE" query matmul $small --threads 1 --db none.db --target v1.json,neoverse-n1 --emit library -o two --name mm
    sed 's/puts("right")/puts(hone_rt_variant(\&mm_variants))/; s/#include "mm.h"/&\n#include "hone_rt.h"/' main.c >which.c
    run 0 aarch64-linux-gnu-gcc -D_GNU_SOURCE -O1 -static -Itwo -I"$SRC" -I"$SRC/runtime" -o which which.c two/mm.o \
        "$SRC"/runtime/*.c -lpthread
    for pair in 1:neoverse-n1 2:neoverse-v1 4:neoverse-v1; do
        run 0 qemu-aarch64 -cpu max,sve-max-vq=${pair%:*} ./which
        says "${pair#*:}"
    done
fi

# board ARCH TRIPLE CPU EMULATOR: one of them, through everything.
any=
board() {
    local arch=$1 triple=$2 cpu=$3 emulator=$4 device=$boards/$1/hone-device at
    if [ ! -x "$device" ] || ! command -v $triple-gcc >/dev/null || ! command -v ${emulator%% *} >/dev/null; then
        echo "not installed, skipped: $arch ($device, $triple-gcc, ${emulator%% *})"
        return
    fi
    any=1
    free_port
    at=tcp://127.0.0.1:$port
    ok "$arch: under 4 MB" [ "$(stat -c %s "$device")" -lt 4000000 ]
    ok "$arch: no library is missing" sh -c "LC_ALL=C readelf -d '$device' | grep -q 'no dynamic section'"
    run 0 $emulator "$device" --describe
    says "\"mcpu\":\"$cpu\""
    cp out $arch.json

    # no seccomp under QEMU: the device says so and does not go on, unless it is told to trust what comes
    refuse 1 "turn the sandbox off" $emulator "$device" --listen $at --key board.key --allow owners
    $emulator "$device" --listen $at --key board.key --allow owners --sandbox off >$arch.out 2>$arch.err </dev/null &
    started+=("$!")
    local pid=$!

    run 0 "$HONE" tune matmul $small --threads 1 --trials 4 --seed 3 --json --db $arch.db --target device \
        --worker $at --key coordinator.key --allow boards
    ok "$arch: all trials" [ "$(number trials)" = 4 ]
    ok "$arch: right results" [ "$(number ok)" -ge 1 ]
    run 0 "$HONE" query matmul $small --threads 1 --db $arch.db --target $arch.json --require exact \
        --emit library -o $arch --name mm
    run 0 $triple-gcc -D_GNU_SOURCE -O1 -static -I$arch -I"$SRC" -I"$SRC/runtime" -o $arch/mm main.c $arch/mm.o "$SRC"/runtime/*.c \
        -lpthread
    run 0 $emulator $arch/mm
    says right

    # code for this machine is not sent there
    run 1 "$HONE" tune matmul $small --threads 1 --trials 2 --db wrong.db --worker $at --key coordinator.key \
        --allow boards
    kill $pid
    wait $pid
    ok "$arch: told to stop" [ $? = 0 ]
    ok "$arch: it said that kernels are not confined" grep -q "not confined" $arch.err
}
board aarch64 aarch64-linux-gnu cortex-a72 "qemu-aarch64 -cpu cortex-a72"
board armhf arm-linux-gnueabihf generic "qemu-arm -cpu cortex-a7"
board riscv64 riscv64-linux-gnu generic-rv64 "qemu-riscv64 -cpu rv64"

[ -n "$any" ] || echo "no board's program is there: examples/farm/board.sh makes them"
all_done
