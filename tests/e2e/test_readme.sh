#!/bin/bash
# The README does what it says: its two set-up commands name files that are there, every other sh block
# runs, in order, and every link leads somewhere.
# shellcheck disable=SC2086,SC2317
. "$2/tests/cli/lib.sh"

readme=$SRC/README.md
marker='<!-- set-up: not run by'

# blocks SETUP: the sh blocks after the marker (1), or the others (0).
blocks() {
    awk -v want="$1" -v marker="$marker" '
        index($0, marker) == 1 { setup = 1; next }
        /^```sh$/ { inside = 1; next }
        /^```$/ && inside { inside = 0; setup = 0; next }
        inside && (setup + 0) == want { print }' "$readme"
}

# ---- exactly two set-up commands, on the first screen
ok "two set-up commands" [ "$(blocks 1 | wc -l)" = 2 ]
while read -r shell script _; do
    ok "sh $script" [ "$shell" = sh ]
    ok "$script is there" [ -f "$SRC/$script" ]
    ok "$script is a script" sh -n "$SRC/$script"
    ok "$script is on the first screen" sh -c "head -n 25 '$readme' | grep -q '^sh $script'"
done < <(blocks 1)

# ---- the tour, as a person would type it, with fewer trials
mkdir bin tour
cp -r "$SRC/examples" tour # it is typed in the source folder
san=$(sed -n 's/^HONE_SANITIZE:.*=//p' "$BUILD/CMakeCache.txt")
export HONE_RT=$BUILD/libhone_rt.a HONE_INCLUDE=$SRC/runtime TRIALS=6 CC="cc${san:+ -fsanitize=$san}"
ln -s "$HONE" "$BUILD/hone-device" bin
free_port # instead of the one in the text
{
    echo 'set -e'
    blocks 0 | sed -e 's/--trials [0-9]*/--trials 6/' -e "s/:7177/:$port/"
} >tour.sh
ok "the tour has commands" [ "$(grep -c '^hone ' tour.sh)" -ge 8 ]
run 0 env PATH="$T/bin:$PATH" bash -c 'cd tour && . ../tour.sh'
says "best  "
says "exact, "
says "..........############.........." # the ring of examples/network
says "equal       examples/network/edges.onnx"
says "dense.o"
says '"ok": true'
for f in out/dense.o out/dense.h out/dense.json edges/edges.o edges/edges.h edges/edges.weights profile.html; do
    ok "tour makes $f" [ -s tour/$f ]
done
ok "it links with libhone_rt.a alone" sh -c \
    "echo 'int dense(); int main(void) { return dense != 0 ? 0 : 1; }' >m.c &&
     cc -w -o m m.c tour/out/dense.o '$BUILD/libhone_rt.a' -lpthread \
     $([ -n "$(sed -n 's/^HONE_SANITIZE:.*=//p' "$BUILD/CMakeCache.txt")" ] &&
        echo -fsanitize=address,undefined)"

# ---- links of every document
for doc in README.md CONTRIBUTING.md docs/*.md examples/README.md bench/README.md workloads/README.md; do
    for file in $SRC/$doc; do
        while read -r link; do
            ok "${file#"$SRC"/} -> $link" [ -e "$(dirname "$file")/${link%%#*}" ]
        done < <(grep -o '](\([^)]*\))' "$file" | sed 's/^](//; s/)$//' | grep -v '^https\{0,1\}:')
    done
done
for page in hone.1 hone-device.1; do
    says $page "$readme"
    ok "$page" [ -s "$SRC/docs/man/$page" ]
done

all_done
