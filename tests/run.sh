#!/bin/sh
# Installs what is needed, builds, and passes all tests: the release build first, then the same tests
# under AddressSanitizer and UBSan. `tests/run.sh release` or `asan` runs one of them.
set -eu
cd "$(dirname "$0")/.."
sh cmake/install-deps.sh
for preset in ${1:-release asan}; do
    cmake --preset "$preset" -DHONE_BENCH=OFF >/dev/null
    cmake --build --preset "$preset"
    ctest --preset "$preset" --timeout 300
done
