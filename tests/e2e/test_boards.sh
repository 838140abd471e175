#!/bin/bash
# Boards on one machine: static hone-devices under QEMU, with keys. Each alone, tuned for over its own socket, and
# all of them as the devices of a farm whose coordinator and builder are of this processor. Tuning, log, query;
# the object is linked by the cross compiler, run on the board and right. What such a device needs is printed
# (size, start, memory); only its size is asked for.
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

# object ARCH TRIPLE EMULATOR COMMAND...: the object that this query writes, linked and run.
object() {
    local arch=$1 triple=$2 emulator=$3
    shift 3
    run 0 "$@" matmul $small --threads 1 --target $arch.json --require exact --emit library -o $arch --name mm
    run 0 $triple-gcc -D_GNU_SOURCE -O1 -static -I$arch -I"$SRC" -I"$SRC/runtime" -o $arch/mm main.c $arch/mm.o \
        "$SRC"/runtime/*.c -lpthread
    run 0 $emulator $arch/mm
    says right
}

# needs ARCH DEVICE EMULATOR PID: what the device that runs as PID needs. Memory is the emulator's too.
needs() {
    local arch=$1 device=$2 emulator=$3 from to
    from=$(date +%s%N)
    $emulator "$device" --describe >/dev/null
    to=$(date +%s%N)
    printf '%-8s %8d bytes, no libraries, --describe in %d ms, idle in %s under %s\n' "$arch" \
        "$(stat -c %s "$device")" $(((to - from) / 1000000)) \
        "$(sed -n 's/^VmRSS:[[:space:]]*//p' "/proc/$4/status")" "${emulator%% *}"
}

# board ARCH TRIPLE CPU EMULATOR: one of them, through everything.
there=() # those that are: ARCH TRIPLE EMULATOR
board() {
    local arch=$1 triple=$2 cpu=$3 emulator=$4 device=$boards/$1/hone-device at
    if [ ! -x "$device" ] || ! command -v $triple-gcc >/dev/null || ! command -v ${emulator%% *} >/dev/null; then
        echo "not installed, skipped: $arch ($device, $triple-gcc, ${emulator%% *})"
        return
    fi
    there+=("$arch" "$triple" "$emulator")
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
    object $arch $triple "$emulator" "$HONE" query --db $arch.db
    needs $arch "$device" "$emulator" $pid

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

# ---- the same boards as a farm
as() { # WHO COMMAND...: a command to the service
    local who=$1
    shift
    "$HONE" "$@" --key $who.key --allow service
}
line() { printf '%s %s role=%s\n' "$(grep -v '^#' $1.key.pub | cut -d' ' -f1)" "$1" "$2"; }
joined() { as ann devices >out 2>err && grep -q "^$1 .*online" out; }
farm() {
    local k=0 who job
    for who in farm ann builder; do
        run 0 "$HONE" keygen $who.key
    done
    line ann user >allow
    line builder builder >>allow
    for ((k = 0; k < ${#there[@]}; k += 3)); do
        run 0 "$HONE" keygen ${there[k]}.key
        line ${there[k]} device >>allow
    done
    cp farm.key.pub service
    free_port
    export HONE_SERVICE=tcp://127.0.0.1:$port
    "$HONE" serve --listen $HONE_SERVICE --db farm.db --key farm.key --allow allow >serve.out 2>serve.err </dev/null &
    started+=("$!")
    "$HONE" worker --connect $HONE_SERVICE --role build --key builder.key --allow service >b.out 2>&1 </dev/null &
    started+=("$!")
    for ((k = 0; k < ${#there[@]}; k += 3)); do
        ${there[k + 2]} "$boards/${there[k]}/hone-device" --connect $HONE_SERVICE --key ${there[k]}.key --allow service \
            --label ${there[k]} --sandbox off >${there[k]}.out 2>&1 </dev/null &
        started+=("$!")
    done
    for ((k = 0, job = 1; k < ${#there[@]}; k += 3, job++)); do
        ok "${there[k]} has joined the farm" wait_for 300 joined ${there[k]}
        run 0 as ann submit matmul $small --threads 1 --trials 4 --on label=${there[k]}
        says "job $job: matmul M=64 N=48 K=32, 1 device matches"
    done
    for ((k = 0, job = 1; k < ${#there[@]}; k += 3, job++)); do
        run 0 as ann watch $job
        says "trials   4"
        run 0 as ann devices --target ${there[k]}
        cp out ${there[k]}.json
        object ${there[k]} ${there[k + 1]} "${there[k + 2]}" as ann query
    done
}

if [ ${#there[@]} = 0 ]; then
    echo "no board's program is there: examples/farm/board.sh makes them"
else
    farm
fi
all_done
