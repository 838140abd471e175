#!/bin/bash
# Holds the tree to its own rules: the table of rooms in docs/ARCHITECTURE.md, and what CONTRIBUTING.md
# says about files. Tools that are not installed are skipped, and said so.
#   $1: build folder (not needed)  $2: source folder
set -u
export LC_ALL=C
cd "$2" || exit 1
bad=0
fail() {
    echo "FAILED: $*"
    bad=$((bad + 1))
}
# report TEXT LINES: fails when there are any.
report() {
    [ -z "$2" ] && return
    fail "$1"
    printf '%s\n' "$2" | sed 's/^/  /'
}

# ---- the files -----------------------------------------------------------------------------------

# Everything but what git ignores; without git, or outside of a checkout, everything but build/.
files=$(git ls-files --cached --others --exclude-standard 2>/dev/null)
[ -n "$files" ] || files=$(find . -type f -not -path './.git/*' -not -path './build/*' | sed 's|^\./||')
mapfile -t all < <(while read -r f; do [ -f "$f" ] && echo "$f"; done <<<"$files")
mapfile -t text < <(printf '%s\n' "${all[@]}" | grep -vE '^tests/fuzz/corpus/|\.(model|db|gz|onnx)$')
mapfile -t code < <(printf '%s\n' "${all[@]}" | grep '\.[ch]$')
mapfile -t product < <(printf '%s\n' "${code[@]}" | grep -v '^tests/')
[ "${#code[@]}" -gt 100 ] || fail "only ${#code[@]} C files found: is this the source folder?"

# ---- rooms ---------------------------------------------------------------------------------------

# What each may include of others; and the headers that are meant for others. The rest is its own.
declare -A may=(
    [base]=""
    [runtime]=""
    [libcall]="base"
    [targets]="base"
    [ir]="base targets"
    [space]="base targets ir"
    [codegen]="base libcall targets ir runtime"
    [costmodel]="base targets ir space"
    [db]="base"
    [workers]="base libcall targets runtime"
    [tuner]="base libcall targets ir space costmodel db workers"
    [farm]="base targets ir space costmodel db workers tuner"
    [net]="base ir"
    [cli]="base libcall targets ir space codegen costmodel db workers tuner farm net runtime"
    [bench]="base targets ir space codegen costmodel db workers tuner farm runtime"
)
declare -A public=(
    [base]="base.h status.def"
    [runtime]="hone_rt.h"
    [libcall]="libcall.h"
    [targets]="target.h preset.h"
    [ir]="ir.h oracle.h prepack.h interp.h builtin.h ops.def dtypes.def scopes.def axes.def"
    [space]="space.h intrin/intrin.h trace/inst.def"
    [codegen]="codegen.h"
    [costmodel]="costmodel.h features.def machine.def"
    [db]="db.h"
    [workers]="workers.h builder.h client.h wire/keys.h"
    [net]="graph.h kernel.h plan.h check.h quantise.h op/op.h"
    [farm]="farm.h desk.h page.h store.h service.h asks.def metrics.def states.def reasons.def verbs.def limits.def"
    [tuner]="tuner.h tell.h lookup/lookup.h lookup/library.h lookup/size_choice.h lock/lock.h interchange/interchange.h calibrate/calibrate.h calibrate/probes.def"
)

# Rooms with folders: which of those in its own room each may use, lowest first. Files at a room's root
# may use all, and the root's headers are for all.
declare -A floor=(
    [space/intrin]=""
    [space/prim]="intrin"
    [space/trace]="intrin prim"
    [space/postproc]="intrin prim trace rule"
    [space/rule]="intrin prim trace"
    [codegen/layout]=""
    [codegen/emit]=""
    [codegen/output]=""
    [tuner/calibrate]=""
    [tuner/strategy]=""
    [tuner/lookup]="calibrate"
    [tuner/interchange]=""
    [tuner/lock]="lookup"
    [farm/service]="page"
    [net/op]=""
    [net/eval]="op"
    [net/kernel]="op"
    [net/read]="op"
    [net/plan]="op"
    [net/quantise]="op plan"
    [workers/wire]=""
    [workers/sandbox]=""
    [workers/device]="sandbox"
    [workers/pool]="wire"
    [workers/spool]="wire"
    [workers/worker]="wire sandbox device spool"
)

has() { [[ " $1 " == *" $2 "* ]]; }

for room in "${!may[@]}"; do
    [ -d "$room" ] || fail "there is no room $room/"
done
for f in */*.c */*/*.c; do
    [[ $f == tests/* || $f == examples/* || $f == build/* ]] && continue
    room=${f%%/*}
    [ -n "${may[$room]+x}" ] || fail "$f is in no room of the table"
done
for room in base runtime libcall targets ir space codegen costmodel db workers tuner farm net cli; do
    grep -q "^| \`$room/\` |" docs/ARCHITECTURE.md || fail "docs/ARCHITECTURE.md has no row for $room/"
    [ "$room" = cli ] || [ -f "$room/${public[$room]%% *}" ] || fail "$room/ has no public header"
done

while IFS=: read -r file line include; do
    include=${include#*\"}
    include=${include%%\"*}
    room=${file%%/*} from=${include%%/*} name=${include#*/}
    [ -n "${may[$room]+x}" ] || continue # tests and examples: below
    at="$file:$line includes $include"
    case $include in
    */*) ;;
    *)
        [ "$room" = bench ] || fail "$at: includes are root-relative"
        continue
        ;;
    esac
    [ -f "$include" ] || fail "$at: no such file"
    if [ "$from" = "$room" ]; then
        [[ $file != tuner/strategy/* || $name == strategy.h ]] ||
            fail "$at: a strategy knows tuner/strategy.h only"
        inner=${file#*/} of=${name%%/*}
        [[ $inner == */* && $name == */* && $of != "${inner%%/*}" ]] || continue
        has "${floor[$room/${inner%%/*}]-}" "$of" || fail "$at: $room/${inner%%/*} may not use $room/$of"
        continue
    fi
    allowed=${may[$room]}
    case $file in
    workers/builder.[ch]) allowed="$allowed ir space codegen" ;; # the library of its own
    tuner/strategy*) allowed="base targets ir space costmodel" ;; # no log, no workers
    cli/hone_device.c) allowed="base libcall targets workers" ;;         # without LLVM, XGBoost, SQLite
    esac
    has "$allowed" "$from" || fail "$at: $room may not use $from"
    has "${public[$from]:-}" "$name" || fail "$at: not a public header of $from"
done < <(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "${code[@]}")

# A test may look into its own room, and a fuzz target into the one whose reader it feeds; else no
# test includes an internal.h.
report "internal.h of another folder" "$(grep -nE '#include "[a-z]+/internal\.h"' "${code[@]}" |
    sed 's|^tests/||' | awk -F: '{
        split($1, room, "/"); match($0, /"[a-z]+\//)
        if (substr($0, RSTART + 1, RLENGTH - 2) != room[1]) print }')"

# ---- C -------------------------------------------------------------------------------------------

banned='strcpy|strcat|stpcpy|sprintf|vsprintf|strtok|atoi|atol|atoll|atof|gets|tmpnam|mktemp|alloca'
report "banned functions" "$(grep -nE "\\b($banned)\(" "${product[@]}" | grep -v '^bench/')"
rooms=$(printf '%s\n' "${product[@]}" | grep -vE '^(cli|bench|examples|base)/')
# shellcheck disable=SC2086
report "a library prints or exits by itself" "$(grep -nE \
    '(^|[^_a-zA-Z])(printf|puts|putchar|perror|exit|abort)\(|fprintf\(std(err|out)' $rooms)"
# Search, models and code generator know processors by their targets and presets only: in code, not in
# comments, nor in messages that show how something is written.
processors='x86|avx|\bsse|\b[xyz]mm\b|vnni|\bamx|aarch64|arm64|neon|\bsve|riscv|\brvv'
report "code that knows an architecture (docs/TARGETS.md)" "$(
    for f in "${product[@]}"; do
        case $f in
        codegen/emit/x86_64.c | codegen/emit/aarch64.c) ;;
        space/* | costmodel/* | codegen/* | ir/*)
            awk -v f="$f" '{
                line = $0
                while (1) {
                    if (inside) {
                        if (!(at = index(line, "*/"))) { line = ""; break }
                        line = substr(line, at + 2); inside = 0
                    }
                    if (!(at = index(line, "/*"))) { out = out line; break }
                    out = out substr(line, 1, at - 1); line = substr(line, at + 2); inside = 1
                }
                print f ":" NR ": " out; out = ""
            }' "$f" | grep -iE ": .*($processors)" | grep -vE 'are written like|is an example of'
            ;;
        esac
    done)"
# What it knows of their sizes is the target's: a vector, a cache line or a page of so many bytes is one
# processor's. (A name for the number says that somebody thought of the others.)
sizes='(lanes?|lines?|vectors?|registers?|pages?|sets?)[a-z_]*\]? *[-+*/]?= *(16|32|64|128|256|512|4096|16384)( */|;|$)'
sizes="$sizes|[^0-9x](16|32|64|4096|16384) */ *[a-z][a-z>.-]*(bytes|width|line|size)|(fmod|/|%) *\(?[a-z_, ]*\b4096\b"
sizes="$sizes|prefer-vector-width|tune-cpu"
report "code that knows how long a vector, line or page is (docs/TARGETS.md)" "$(
    for f in "${product[@]}"; do
        case $f in
        codegen/emit/x86_64.c | codegen/emit/aarch64.c) ;;
        space/* | costmodel/* | codegen/*) grep -nE "$sizes" "$f" /dev/null | grep -vE ':[0-9]+: *(/?\*|#define)' ;;
        esac
    done)"
report "names in _t belong to POSIX" "$(grep -nE '^(typedef [^;]*[^a-z]|\} *)[a-z_]+_t;' "${product[@]}")"
report "headers without a guard" "$(for f in "${product[@]}"; do
    case $f in
    workers/wire/wire_undef.h | workers/wire/wire_gen.h | *.c) ;; # made to be included several times
    *) grep -qE '^#ifndef [A-Z0-9_]+_H$' "$f" || echo "$f" ;;
    esac
done)"
report "tables that nothing includes" "$(for f in */*.def */*/*.def; do
    grep -qF "#include \"$f\"" "${code[@]}" || echo "$f"
done)"

# ---- every file ----------------------------------------------------------------------------------

report "over 900 lines" "$(wc -l "${code[@]}" | awk '$1 > 900 && $2 != "total"')"
report "over 400 lines, and no reader's map at the top" "$(for f in "${product[@]}"; do
    case $f in *.c) ;; *) continue ;; esac
    [ "$(wc -l <"$f")" -le 400 ] || [ "$(head -c 2 "$f")" = '/*' ] || echo "$f"
done)"
# shellcheck disable=SC2016
report "no newline at the end" "$(for f in "${text[@]}"; do
    [ -s "$f" ] && [ -n "$(tail -c 1 "$f")" ] && echo "$f"
done)"
report "unfinished business" "$(grep -nIwE 'TO''DO|FIX''ME|XX''X|HA''CK' "${text[@]}")"
report "tabs or spaces at the end of a line, or tabs in C" "$(
    grep -nIE '[[:space:]]+$' "${text[@]}"
    grep -nP '\t' "${code[@]}"
)"
report "paths of one person's machine" "$(grep -nIE '/(work|home|root)/[a-z]' "${text[@]}")"

# ---- tools ---------------------------------------------------------------------------------------

# with TOOL: is it here?
with() {
    command -v "$1" >/dev/null && return
    echo "not installed, skipped: $1"
    return 1
}
if with clang-format; then
    report "clang-format (run it with -i on these)" "$(clang-format --dry-run "${code[@]}" 2>&1 |
        sed -n 's/^\([^ :]*\):[0-9]*:[0-9]*: .*/\1/p' | sort | uniq -c)"
fi
if with shellcheck; then
    report "shellcheck" "$(printf '%s\n' "${all[@]}" | grep -E '\.(sh|sbatch)$|^\.ci/run$|^bench/suite$' |
        xargs shellcheck -S warning -x -P . -f gcc)"
fi
if with mandoc; then
    report "mandoc" "$(mandoc -T lint -W warning docs/man/*.1)"
fi

if [ "$bad" = 0 ]; then
    echo "${#all[@]} files, ${#code[@]} of them C: nothing to complain about"
fi
exit $((bad > 0))
