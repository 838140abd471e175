#!/bin/bash
# Holds what is written about the code to the code: files that are named exist, headers say which threads
# may call what, files say what they hold, private names say whose they are, and what is public is used.
#   $1: build folder (not needed)  $2: source folder
set -u
export LC_ALL=C
cd "$2" || exit 1
bad=0
# report TEXT LINES: fails when there are any.
report() {
    [ -z "$2" ] && return
    echo "FAILED: $1"
    printf '%s\n' "$2" | sed 's/^/  /'
    bad=$((bad + 1))
}

files=$(git ls-files --cached --others --exclude-standard 2>/dev/null)
[ -n "$files" ] || files=$(find . -type f -not -path './.git/*' -not -path './build/*' | sed 's|^\./||')
mapfile -t all < <(while read -r f; do [ -f "$f" ] && echo "$f"; done <<<"$files")
rooms='base|runtime|libcall|targets|ir|space|codegen|costmodel|db|workers|tuner|farm|net|cli'
mapfile -t product < <(printf '%s\n' "${all[@]}" | grep -E "^($rooms|bench)/.*\.[ch]$")
[ "${#product[@]}" -gt 100 ] || report "is this the source folder?" "${#product[@]} files"

# The headers that rooms have for each other, and those that folders of a room, or its plug-ins, have for
# one another.
declare -A of_room=()
eval "$(sed -n 's/^declare -A public=(/declare -A of_room=(/; /^declare -A of_room=(/,/^)/p' tests/lint/test_rooms.sh)"
public=$(for room in "${!of_room[@]}"; do
    for name in ${of_room[$room]}; do
        [[ $name == *.h ]] && echo "$room/$name"
    done
done | sort)
faces="workers/wire/wire.h workers/wire/keys.h tuner/strategy.h"

# ---- files that are named ------------------------------------------------------------------------

# With a folder, from the root or beside the file that names it; `*` and `{a,b}` may stand for several.
exists() {
    local from=$1 name=$2 pattern
    for pattern in "$name" "${from%/*}/$name" "docs/$name"; do
        eval "compgen -G \"$pattern\"" >/dev/null && return
    done
    return 1
}
folders="$rooms|bench|cmake|docs|examples|tests|workloads"
report "there is no such file" "$(
    printf '%s\n' "${all[@]}" | grep -E "^($rooms|bench|tests|examples|docs|cmake)/.*\.([ch]|def|sh|md|cmake)$|^[A-Z]+\.md$" |
        grep -v '^tests/lint/' | xargs grep -noE \
        "(^|[^A-Za-z0-9_./<-])($folders)/[A-Za-z0-9_/*-]+\.(c|h|def|md|sh|cmake|hone|intrin)\b" |
        grep -vE '/(NAME|ARCHITECTURE)\.' | # what the reader puts in
        sed -E 's|^([^:]+):([0-9]+):[^a-z]*|\1 \2 |' | sort -u -k3,3 -k1,1 | while read -r file line name; do
            exists "$file" "$name" || echo "$file:$line names $name"
        done
)"
# Without one, in a comment of the product: a file of some room, or a header of the system's in use.
report "there is no such file in any room" "$(
    grep -nE '^ ?(/\*| \*|.*/\*)' "${product[@]}" | grep -oP '^[^:]+:[0-9]+:|(?<![\w/.])[a-z_]+\.[ch]\b' |
        awk '/:$/ { at = $0; next } { print at $0 }' | sort -u -t: -k3,3 |
        while IFS=: read -r file line name; do
            printf '%s\n' "${all[@]}" | grep -qE "(^|/)$name$" ||
                grep -qE "^#include <(.*/)?$name>" "${product[@]}" || echo "$file:$line names $name"
        done
)"

# ---- comments ------------------------------------------------------------------------------------

report "a file opens with what it holds" "$(for f in "${product[@]}"; do
    [[ $(head -c 2 "$f") == '/*' ]] || echo "$f"
done)"
# shellcheck disable=SC2086
report "a public header says \"Threads:\" and who may call what" "$(grep -L 'Threads:' $public)"

# ---- names ---------------------------------------------------------------------------------------

mapfile -t private < <(printf '%s\n' "${product[@]}" | grep '\.h$' | grep -v '^\(cli\|bench\)/' |
    grep -vxF "$(printf '%s\n' $public $faces)")
report "private names say whose they are: hone_<module>__x" "$(
    grep -nE '^[a-z].*\bhone_[a-z0-9_]+\(' "${private[@]}" | grep -vE '^[^:]+:[0-9]+:(typedef|static)' |
        grep -vE 'hone_[a-z0-9_]*__[a-z0-9_]+\('
)"

# ---- use -----------------------------------------------------------------------------------------

# What has another reason to be public than the rooms above.
declare -A because=(
    [hone_expr_print]="one expression of a program's text; tests say with it what they found"
    [hone_interp_run]="what a program means; everything else is compared with it"
    [hone_feature_name]="a row of features, told to people"
    [hone_pool_credit]="jobs that peers would take: what tests wait for"
    [hone_model_load]="what a session learned, for the next"
    [hone_model_save]="what a session learned, for the next"
    [hone_net_kernel_make]="the kernel of one node, for whoever schedules a network"
    [hone_net_kernel_of_use_free]="of the same"
)
# The instructions of a trace, a function each, are an interface: rules of one's own call them.
plugins=$(sed -n '/^#define HONE_S /,/^#undef HONE_S/p' space/space.h)
# Names in use: all but those that a definition or declaration begins with, in the first column.
mapfile -t users < <(printf '%s\n' "${product[@]}"; printf '%s\n' "${all[@]}" | grep '^examples/.*\.c$')
used=$({
    grep -hv '^[A-Za-z]' "${users[@]}"
    grep -h '^[A-Za-z]' "${users[@]}" | sed -E 's/\bhone_[a-z0-9_]+\(//g'
} | grep -oE '\bhone_[a-z0-9_]+' | sort -u)
report "public, and nobody but a test calls it: use it, or let it go" "$(
    for h in $public; do
        [ "$h" = runtime/hone_rt.h ] && continue # for the programs of others
        grep -oE '^[A-Za-z].*\bhone_[a-z0-9_]+\(' "$h" | grep -oE 'hone_[a-z0-9_]+\($' | tr -d '(' | sort -u |
            comm -23 - <(printf '%s\n' "$used") | while read -r f; do
            [ -n "${because[$f]-}" ] && continue
            [[ $h == space/space.h ]] && grep -qw "$f" <<<"$plugins" && continue
            echo "$h: $f"
        done
    done
)"

if [ "$bad" = 0 ]; then
    echo "${#product[@]} files: what is said of them is so"
fi
exit $((bad > 0))
