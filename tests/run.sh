#!/bin/sh
# Installs what is needed, builds, and passes all tests: the release build first, then the same tests
# under AddressSanitizer and UBSan. `tests/run.sh release` or `asan` runs one of them.
set -eu
cd "$(dirname "$0")/.."
sh cmake/install-deps.sh
for preset in ${1:-release asan}; do
    # the programs of bench/ are compiled, that they keep up: they need no library but hone's own
    bench=OFF
    [ "$preset" = release ] && bench=ON
    cmake --preset "$preset" -DHONE_BENCH="$bench" >/dev/null
    cmake --build --preset "$preset"
    ctest --preset "$preset" --timeout 300
done
