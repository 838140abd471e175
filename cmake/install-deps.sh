#!/bin/sh
# Installs what hone needs from Debian 12's own packages: to be built and to pass its tests. With "build":
# to be built alone. With "bench": to be built and compared with libraries. Needs root (or sudo), a shell
# and apt; does nothing when all is there.
set -eu
need="cmake ninja-build gcc g++ libc6-dev binutils make pkg-config llvm-19-dev libxgboost-dev libzmq3-dev
libsodium-dev libsqlite3-dev libjansson-dev libseccomp-dev libmicrohttpd-dev libprotobuf-c-dev
protobuf-c-compiler libcmocka-dev"
case ${1:-} in
build) ;;
bench) need="$need python3-numpy clang libopenblas0-pthread libopenblas-dev libdnnl-dev libblis4-pthread libblis4-openmp" ;;
'') need="$need libonnx-testdata iproute2 mandoc python3-numpy chromium chromium-driver qemu-user slurmctld slurmd
slurm-client munge meson lintian dpkg-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-arm-linux-gnueabihf
libc6-dev-armhf-cross gcc-riscv64-linux-gnu libc6-dev-riscv64-cross lld-19 nodejs" ;;
*)
    echo "install-deps.sh: '$1' is neither build nor bench" >&2
    exit 2
    ;;
esac
missing=
for p in $need; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
