#!/bin/bash
# hone in CMake builds of others, installed and from the folder where it is built, with Ninja and Make: what
# is found, and what is built again after which change.
# shellcheck disable=SC2086,SC2154,SC2317
. "$2/tests/cli/lib.sh"
. "$SRC/tests/e2e/builds.sh"

for f in bin/hone bin/hone-device share/man/man1/hone-lock.1 share/man/man1/hone-build.1 include/hone_rt.h \
    share/cmake/hone/honeConfig.cmake share/hone/runtime/pool.c share/bash-completion/completions/hone; do
    ok "installs $f" [ -s "$prefix/$f" ]
done

# ---- CMake, from where it is installed
run 0 cmake -S app -B n -G Ninja -DCMAKE_PREFIX_PATH="$prefix"
rebuilds ninja n ninja -C n
run 0 ninja -C n
says "no work to do"
ok "the header is installed" grep -q 'matmul_64.h' n/cmake_install.cmake
if with make; then
    run 0 cmake -S app -B m -G 'Unix Makefiles' -DCMAKE_PREFIX_PATH="$prefix"
    rebuilds make m make -C m
fi

# ---- CMake, from the folder where hone is built, and with another hone
run 0 cmake -S app -B b -G Ninja -Dhone_DIR="$BUILD"
ok "it runs that hone" grep -q "HONE_EXECUTABLE:.*=$HONE\$" b/CMakeCache.txt
run 0 ninja -C b
run 0 b/app
says right
run 0 cmake -S app -B c -G Ninja -Dhone_DIR="$BUILD" -DHONE_EXECUTABLE="$prefix/bin/hone"
ok "HONE_EXECUTABLE is honoured" grep -q "$prefix/bin/hone" c/build.ninja

# ---- some functions; a lock that is stale, or none
sed -i 's/LOCK hone.lock/KERNELS matmul_64 LOCK hone.lock/; s/main.c/half.c/' app/CMakeLists.txt
printf '#include "matmul_64.h"\nint main(void) { return matmul_64 == 0; }\n' >app/half.c
run 0 cmake -S app -B half -G Ninja -DCMAKE_PREFIX_PATH="$prefix"
run 0 ninja -C half
ok "one function" [ "$(cd half/kernels.hone && echo *.o)" = matmul_64.o ]
sed -i 's/KERNELS matmul_64/KERNELS nix/' app/CMakeLists.txt
run 0 cmake -S app -B half -G Ninja
run 1 ninja -C half
says "there is no nix: run"
mv app/hone.lock app/no.lock
run 1 cmake -S app -B half -G Ninja
says "there is no $T/app/hone.lock" err
mv app/no.lock app/hone.lock
cp "$SRC/examples/builds/CMakeLists.txt" app

all_done
