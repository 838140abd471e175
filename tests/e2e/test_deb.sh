#!/bin/bash
# The Debian packages: what is in them, what they need, and what lintian says.
# shellcheck disable=SC2086,SC2317
. "$2/tests/cli/lib.sh"

with() {
    command -v "$1" >/dev/null && return
    echo "not installed, skipped: $1"
    return 1
}
san=$(sed -n 's/^HONE_SANITIZE:.*=//p' "$BUILD/CMakeCache.txt")
ok "there are two packages" grep -q 'COMPONENTS_ALL "hone;libhone-dev"' "$BUILD/CPackConfig.cmake"
if with cpack && with dpkg-deb && with dpkg-shlibdeps && [ -z "$san" ]; then
    run 0 env -C "$BUILD" cpack -G DEB -B "$T/deb"
    for p in hone libhone-dev; do
        deb=$(echo deb/${p}_*.deb)
        ok "$p" [ -s "$deb" ]
        run 0 dpkg-deb -f "$deb"
        cp out $p.control
        run 0 dpkg-deb -c "$deb"
        cp out $p.files
        says "./usr/share/doc/$p/copyright"
        says "./usr/share/doc/$p/changelog.Debian.gz"
        if command -v lintian >/dev/null; then
            run 0 lintian --fail-on error --allow-root "$deb"
        fi
    done
    says "Depends: " hone.control
    says "libllvm19" hone.control
    says "./usr/share/man/man1/hone-build.1.gz" hone.files
    says "./usr/bin/hone-device" hone.files
    says "./usr/lib/libhone_rt.a" libhone-dev.files
    says "./usr/share/cmake/hone/honeHelpers.cmake" libhone-dev.files
    ok "each file is in one of them" [ -z "$(sed 's/.* \.\//\//; /\/$/d' ./*.files | sort | uniq -d)" ]
fi
all_done
