#!/bin/sh
# board.sh ARCH: hone-device for a board, one static file. ARCH is a file of cmake/toolchains: aarch64, armhf,
# riscv64 or x86_64. Needs g++ for it (g++-aarch64-linux-gnu), gperf, autoconf, automake, libtool, dpkg-dev and the
# network, once.
set -eu
cd "$(dirname "$0")/../.."
arch=${1:-}
if [ $# != 1 ] || [ "$arch" = board ] || [ ! -f "cmake/toolchains/$arch.cmake" ]; then
    echo "board.sh: give one of aarch64, armhf, riscv64, x86_64" >&2
    exit 2
fi
triple=$(sed -n 's/^set(board \(.*\))$/\1/p' "cmake/toolchains/$arch.cmake")
if ! command -v "$triple-g++" >/dev/null; then
    echo "board.sh: there is no $triple-g++; install g++-$(echo "$triple" | tr _ -)" >&2
    exit 2
fi
sh cmake/toolchains/libs.sh "$triple" "build/boards/$triple"
cmake -S . -B "build/boards/$arch" -G Ninja -DHONE_BOARD=ON -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/toolchains/$arch.cmake" \
    ${HONE_BOARD_LIBS:+-DHONE_BOARD_LIBS="$HONE_BOARD_LIBS"} >/dev/null
cmake --build "build/boards/$arch"
ls -l "build/boards/$arch/hone-device"
cat <<END
On the board:
  scp build/boards/$arch/hone-device board:
  hone keygen board.key                        # here; copy it, mode 0600; board.key.pub stays
  ssh board ./hone-device --describe           # what --target takes
  ssh board ./hone-device --listen 'tcp://*:7177' --key board.key --allow owners
Here:
  hone tune matmul -D M=512 -D N=512 -D K=512 --target device --worker tcp://board:7177 --key me.key --allow boards
END
