#!/bin/bash
# The README's third command as somebody with an installed hone has it: examples/network in an empty folder of
# their own, from the model to the running program; and what a first try can lack.
# shellcheck disable=SC2086
. "$2/tests/cli/lib.sh"

command -v make >/dev/null || skip "no make"
san=$(sed -n 's/^HONE_SANITIZE:.*=//p' "$BUILD/CMakeCache.txt")
export CC="cc${san:+ -fsanitize=$san}"
unset HONE HONE_RT HONE_INCLUDE TRIALS THREADS OUT CFLAGS MAKEFLAGS
run 0 cmake --install "$BUILD" --prefix "$T/installed"
mkdir own
cp "$SRC"/examples/network/* own
here() { env -C own PATH="$T/installed/bin:$PATH" "$@"; }

run 0 here make run TRIALS=14
says "..........############.........."
says "  total    "
for f in edges edges.h edges.o edges.weights edges.json edges.db; do
    ok "it makes $f" [ -s own/out/$f ]
done
run 0 here make run TRIALS=14
ok "and nothing again" [ "$(lines 'hone net')" = 0 ]
says "..........############.........."
run 0 here touch main.c
run 0 here make run
ok "but what is older than its source" [ "$(lines 'hone net')" = 0 ]
run 0 here make clean
ok "clean leaves nothing" [ ! -e own/out ]

# ---- what may be missing
mkdir tools
for tool in sh make mkdir rm dirname; do
    ln -s "$(command -v $tool)" tools
done
run 2 env -C own PATH="$T/tools" make run
says "there is no program 'hone'" err
says "make HONE=/path/to/hone" err
run 2 env -C own PATH="$T/tools:$T/installed/bin" CC=nocc make run
says "there is no C compiler 'nocc'" err
run 0 env -C own PATH="$T/tools" make clean
ok "nothing was made" [ ! -e own/out ]

all_done
