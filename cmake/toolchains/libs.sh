#!/bin/sh
# libs.sh TRIPLE FOLDER: what hone-device needs, built static for a board with Debian's cross compiler
# TRIPLE-g++, out of the source packages of Debian 12, whose signatures apt checks. Nothing of this system is
# touched: apt works in a folder of its own. What is there already is left.
set -eu
triple=$1
mkdir -p "$2"
to=$(cd "$2" && pwd)
[ -f "$to/complete" ] && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir -p apt/lists/partial apt/cache/archives/partial
keys=/usr/share/keyrings/debian-archive-keyring.gpg
for suite in bookworm bookworm-updates; do
    echo "deb-src [signed-by=$keys] http://deb.debian.org/debian $suite main"
done >apt/sources.list
echo "deb-src [signed-by=$keys] http://deb.debian.org/debian-security bookworm-security main" >>apt/sources.list
own="-o Dir::State=$work/apt -o Dir::State::lists=$work/apt/lists -o Dir::Cache=$work/apt/cache
-o Dir::Etc::sourcelist=$work/apt/sources.list -o Dir::Etc::sourceparts=/dev/null -o APT::Sandbox::User=
-o Dir::State::status=/var/lib/dpkg/status"
# shellcheck disable=SC2086
apt-get $own update -qq
# shellcheck disable=SC2086
apt-get $own source -qq jansson libsodium zeromq3 libseccomp >/dev/null

export PKG_CONFIG_LIBDIR="$to/lib/pkgconfig" CFLAGS="-O2 -ffunction-sections -fdata-sections"
export CXXFLAGS="-Os -ffunction-sections -fdata-sections"
# make_lib NAME FOLDER BUILD INSTALL OPTIONS...: unless it is there. Targets of make in BUILD and INSTALL.
make_lib() {
    name=$1 folder=$2 build=$3 install=$4
    shift 4
    [ -f "$to/lib/$name.a" ] && return
    echo "$triple: $name"
    (
        cd "$folder"*/
        [ -x configure ] || autoreconf -fi
        ./configure --host="$triple" --prefix="$to" --disable-shared --enable-static --quiet "$@"
        # shellcheck disable=SC2086
        make -j"$(nproc)" -s $build
        # shellcheck disable=SC2086
        make -s $install
    ) >"$work/log" 2>&1 || {
        tail -n 30 "$work/log" >&2
        echo "$name cannot be built for $triple" >&2
        exit 1
    }
}
make_lib libjansson jansson all install
make_lib libsodium libsodium all install
# the library alone: its tests do not compile without warnings
make_lib libzmq zeromq3 src/libzmq.la "install-libLTLIBRARIES install-includeHEADERS install-pkgconfigDATA" \
    --with-libsodium --enable-curve --without-docs --disable-perf --disable-curve-keygen --disable-libbsd \
    --disable-Werror
make_lib libseccomp libseccomp all install
touch "$to/complete"
