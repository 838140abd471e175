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
rooms='base|runtime|targets|ir|space|codegen|costmodel|db|workers|tuner|cli'
mapfile -t product < <(printf '%s\n' "${all[@]}" | grep -E "^($rooms|bench)/.*\.[ch]$")
[ "${#product[@]}" -gt 100 ] || report "is this the source folder?" "${#product[@]} files"

# The headers that rooms have for each other, as in test_rooms.sh, and those that folders of a room, or
# its plug-ins, have for one another.
public="base/base.h runtime/hone_rt.h targets/target.h ir/ir.h ir/prepack.h ir/interp.h ir/builtin.h
    space/space.h space/intrin/intrin.h codegen/codegen.h costmodel/costmodel.h db/db.h workers/workers.h
    workers/builder.h tuner/tuner.h"
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
        while IFS=: read -r file line match; do
            name=$(sed -E 's|^[^a-z]*||' <<<"$match")
            exists "$file" "$name" || echo "$file:$line names $name"
        done
)"
# Without one, in a comment of the product: a file of that room.
report "the room has no such file" "$(
    grep -nE '^ ?(/\*| \*|.*/\*)' "${product[@]}" | grep -oE '^[^:]+:[0-9]+:|\b[a-z_]+\.[ch]\b' |
        awk '/:$/ { at = $0; next } { print at $0 }' | sort -u |
        while IFS=: read -r file line name; do
            printf '%s\n' "${all[@]}" | grep -qE "^(${file%%/*}|tests)/(.*/)?$name$" ||
                echo "$file:$line names $name"
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
    [hone_interp_run]="the oracle: what a program means"
)
# The instructions of a trace, a function each, are an interface: rules of one's own call them.
plugins=$(sed -n '/^#define HONE_S /,/^#undef HONE_S/p' space/space.h)
report "public, and nobody but a test calls it: use it, or let it go" "$(
    for h in $public; do
        [ "$h" = runtime/hone_rt.h ] && continue # for the programs of others
        grep -oE '\bhone_[a-z0-9_]+\(' "$h" | tr -d '(' | sort -u | while read -r f; do
            [ -n "${because[$f]-}" ] && continue
            [[ $h == space/space.h ]] && grep -qw "$f" <<<"$plugins" && continue
            grep -qE "^ *\(.*\b$f\(|^#define.*\b$f\(|[:=] .*\b$f\(.*\\\\$|\(x\)->v = $f\(" "$h" && continue
            # calls, not its own definition and declaration, which begin in the first column
            grep -hwE "$f" "${product[@]}" examples/*/*.c 2>/dev/null | grep -vE "^[A-Za-z].*\b$f\(" |
                grep -qw "$f" || echo "$h: $f"
        done
    done
)"

if [ "$bad" = 0 ]; then
    echo "${#product[@]} files: what is said of them is so"
fi
exit $((bad > 0))
