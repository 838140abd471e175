#!/bin/bash
# The Debian packages on a fresh Debian, by hand and as root: makes a root with debootstrap, installs the
# two packages with what they need and nothing of hone's own, and builds examples/builds in there with CMake
# (Ninja and Make), make and Meson.
#   bash tests/packages/fresh_root.sh BUILD_FOLDER [SUITE [MIRROR [SOURCES.LIST]]]
# BUILD_FOLDER has been built with `programs`, `made` and `made_changelogs`. The packages need LLVM 19: a
# suite that has it, or a list of sources that does.
set -eu
build=$(cd "$1" && pwd)
suite=${2:-bookworm}
mirror=${3:-http://deb.debian.org/debian}
here=$(cd "$(dirname "$0")/../.." && pwd)
root=$(mktemp -d /tmp/hone-root.XXXXXX)
trap 'umount "$root/proc" 2>/dev/null || true; rm -rf --one-file-system "$root" "$root.deb"' EXIT

(cd "$build" && cpack -G DEB -B "$root.deb")
debootstrap --variant=minbase "$suite" "$root" "$mirror"
mount -t proc proc "$root/proc"
[ -z "${4:-}" ] || cp "$4" "$root/etc/apt/sources.list"
mkdir "$root/debs"
cp "$root.deb"/*.deb "$root/debs"
rm -rf "$root.deb"
cp -r "$here/examples/builds" "$root/app"
cat >"$root/run.sh" <<'END'
set -eux
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends /debs/*.deb gcc make ninja-build cmake meson pkg-config >/dev/null
hone --version
man_page=$(dpkg -L hone | grep hone-build.1.gz)
test -n "$man_page"
cd /app
sh lock.sh
cmake -B n -G Ninja >/dev/null
cmake --build n
n/app
cmake -B m -G 'Unix Makefiles' >/dev/null
cmake --build m
m/app
make
out/app
meson setup me >/dev/null
ninja -C me
me/app
touch hone.lock
ninja -C n
make -C m
make
ninja -C me
dpkg -r hone libhone-dev
END
chroot "$root" sh /run.sh
echo "packages: good"
