#!/bin/bash
# A build for another processor: the target is in the lock, hone is that of this machine, and its runtime is
# built of the installed source.
# shellcheck disable=SC2086,SC2154,SC2317
. "$2/tests/cli/lib.sh"
. "$SRC/tests/e2e/builds.sh"

if with aarch64-linux-gnu-gcc; then
    cat >arm.json <<'END'
{"kind":"llvm","mtriple":"aarch64-unknown-linux-gnu","mcpu":"cortex-a72","mattr":"+neon","num-cores":4,
"vector-bytes":16,"vector-registers":32,"fma-latency":4,"fma-per-cycle":2,"cache-line-bytes":64,
"l1-bytes":32768,"l2-bytes":1048576,"l3-bytes":0}
END
    cat >arm.cmake <<'END'
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
END
    rm app/hone.lock
    run 0 env HONE="$HONE" sh app/lock.sh --target "native,$T/arm.json"
    sed -i 's/LOCK hone.lock/TARGETS cortex-a72 &/' app/CMakeLists.txt
    run 0 env CFLAGS= LDFLAGS= cmake -S app -B arm -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
        -DCMAKE_TOOLCHAIN_FILE="$T/arm.cmake" -DCMAKE_EXE_LINKER_FLAGS=-static
    run 0 ninja -C arm
    says hone_rt
    run 0 env LC_ALL=C readelf -h arm/app
    says AArch64
    if with qemu-aarch64; then
        run 0 qemu-aarch64 arm/app
        says right
    fi
fi

all_done
