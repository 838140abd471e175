#!/bin/bash
# docs/PRIMITIVES.md has one row for every instruction of space/trace/inst.def, and no others.
#   $1: build folder (not needed)  $2: source folder
set -u
export LC_ALL=C
cd "$2" || exit 1
table=$(sed -n 's/^HONE_INST(\([A-Za-z0-9]*\),.*/\1/p' space/trace/inst.def | sort)
doc=$(sed -n 's/^| `\([A-Za-z0-9]*\)`.*/\1/p' docs/PRIMITIVES.md | sort)
n=$(wc -l <<<"$table")
[ "$n" -gt 25 ] || {
    echo "only $n instructions found in space/trace/inst.def"
    exit 1
}
if ! diff <(echo "$table") <(echo "$doc"); then
    echo "space/trace/inst.def (<) and docs/PRIMITIVES.md (>) list different instructions, or one twice"
    exit 1
fi
own=$(sed -n 's/^| `\([A-Za-z0-9]*\)` \*hone\*.*/\1/p' docs/PRIMITIVES.md | wc -l)
marked=$(grep -c '^/\* (hone)' space/trace/inst.def)
[ "$own" = "$marked" ] || {
    echo "$marked instructions are marked as hone's own in space/trace/inst.def, $own in docs/PRIMITIVES.md"
    exit 1
}
echo "$n instructions, all in docs/PRIMITIVES.md"
