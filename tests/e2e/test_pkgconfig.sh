#!/bin/bash
# hone in builds with plain Make and with Meson, which find it by pkg-config: what is built again after which
# change.
# shellcheck disable=SC2086,SC2154,SC2317
. "$2/tests/cli/lib.sh"
. "$SRC/tests/e2e/builds.sh"

export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
if with make && with pkg-config && [ -f "$PKG_CONFIG_PATH/hone.pc" ]; then
    run 0 pkg-config --validate hone
    rebuilds "plain make" app/out make -C app OUT=out CFLAGS="-O2 -Wall -Werror $CFLAGS"
    run 0 make -C app OUT=out
    run 0 make -C app OUT=out
    ok "and then nothing is run" [ "$(lines 'hone build')" = 0 ]
fi
if with meson && with pkg-config && [ -z "$san" ]; then
    run 0 meson setup app/meson app
    rebuilds meson app/meson ninja -C app/meson
fi

all_done
