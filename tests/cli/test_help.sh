#!/bin/bash
# --help of every command: exit code 0, on standard output, names every option that the command takes;
# and the manual page describes the same options, no fewer and no others.
# shellcheck disable=SC2086,SC2317
. "$2/tests/cli/lib.sh"

man=$SRC/docs/man/hone.1
service="--service --key --allow --insecure-loopback --json"
declare -A takes=(
    [tune]="-D --tasks --db --target --threads --trials --time --seed --strategy --without --no-transfer --no-calibrate --worker --listen --key --allow --insecure-loopback --service --on --rule --intrin --candidate-lib --json"
    [tasks]=""
    [calibrate]="--target --threads --worker --listen --key --allow --insecure-loopback --db --force --json"
    [explain]="-D --db --target --threads --json"
    [report]="-o"
    [model]="--db -o --class --judge --machines --blind --json"
    [replay]="--strategy --without --seeds --trials --json"
    [query]="-D --sizes --db --target --threads --emit -o --name --require --trace --intrin --candidate-lib --service --key --allow --insecure-loopback --explain --json"
    [lock]="-o -D --target --threads --db --intrin --candidate-lib --name --require"
    [build]="--lock -o --locked --depfile --allow-lib --target"
    [show]="-D --trace --intrin"
    [net]="--dim --after --dot --by --random --verbose --input -o --name --db --target --threads --json --data --max-error --weights"
    [targets]="--json"
    [serve]="--listen --db --key --allow --insecure-loopback --launch --builders --builders-idle --http --http-token-file"
    [worker]="--connect --listen --key --allow --insecure-loopback --label --spool --candidate-lib --runtime --role"
    [keygen]=""
    [submit]="-D --tasks --on --target --threads --trials --time --seed --strategy --no-transfer --priority --queue-timeout --request $service"
    [jobs]="--why --all $service"
    [watch]="--from $service"
    [cancel]="$service"
    [pause]="$service"
    [resume]="$service"
    [top]="--once $service"
    [devices]="--target $service"
    [drain]="--for --end --retire $service"
    [reserve]="--for $service"
    [release]="$service"
    [keys]="--role --share --name --day --max-jobs $service"
    [audit]="--from $service"
    [db]="--repair --workload --trace --status --reason --device --before --dry-run --yes --keep --strict --format -o --tvm -D --json"
    [help]="--man"
    [completion]=""
)

run 0 "$HONE" --help
ok "all commands are tested here" [ "$(grep -c '^  [a-z]* *[a-z]' out)" -ge ${#takes[@]} ]
for c in "${!takes[@]}"; do
    says "  $c " out
done
cp out help
run 0 "$HONE" help
ok "help is --help" cmp -s help out
run 0 "$HONE" -h
ok "-h is --help" cmp -s help out
run 0 "$HONE" --version
says "hone 0."
says "LLVM 19"

# section COMMAND: of the manual page.
section() {
    awk -v c="hone $1" '/^\.S[sh] / { on = $0 == ".Ss " c } on' "$man"
}

# Without a process for each of so many looks.
matches() { [[ $1 =~ $2 ]]; }
hasnt() { [[ $1 != *$2* ]]; }

for c in "${!takes[@]}"; do
    run 0 "$HONE" $c --help
    ok "$c: nothing on stderr" [ ! -s err ]
    says "usage: hone $c "
    says "exit codes: "
    ok "$c: no line is too long" [ "$(wc -L <out)" -le 100 ]
    sed -n 's/^  \(--*[A-Za-z-]*\).*/\1/p' out | grep -v '^--help$' | sort >has
    printf '%s\n' ${takes[$c]} | grep . | sort >wants
    ok "$c takes $(tr '\n' ' ' <wants), help has $(tr '\n' ' ' <has)" cmp -s has wants
    run 0 "$HONE" $c -h
    run 0 "$HONE" $c surplus words --help
    # what it lists it knows: parsing and help read one table (cli/options.c)
    # the manual page
    page=$(section $c)
    ok "$c has a section in the manual page" [ -n "$page" ]
    for o in ${takes[$c]}; do
        ok "the manual page of $c has $o" matches "$page" "Fl ${o#-}( |"$'\n|$)'
    done
    section $c | sed -n 's/^\.It Fl \([A-Za-z-]*\).*/-\1/p' | while read -r o; do
        [[ " ${takes[$c]} " == *" $o "* ]] || echo "$o"
    done >unknown
    ok "the manual page of $c knows no others: $(cat unknown)" [ ! -s unknown ]
done

# ---- the same tables as manual pages and for shells
for shell in bash zsh fish; do
    run 0 "$HONE" completion $shell
    cp out completion.$shell
    text=$(<out)
    for c in "${!takes[@]}"; do
        for o in ${takes[$c]}; do
            ok "$shell completes $o of $c" matches "$text" "[ '-]${o#"${o%%[^-]*}"}\\b"
        done
    done
    command -v $shell >/dev/null && ok "$shell reads it" $shell -n completion.$shell
done
completes() {
    bash -c '. ./completion.bash; COMP_WORDS=(hone "$@"); COMP_CWORD=$#; _hone; echo "${COMPREPLY[*]}"' _ "$@"
}
ok "bash: a command" [ "$(completes comp)" = completion ]
ok "bash: an option" [ "$(completes query --req)" = --require ]
refuse 2 "bash, zsh or fish" "$HONE" completion
refuse 2 "bash, zsh or fish" "$HONE" completion csh
for c in "${!takes[@]}"; do
    run 0 "$HONE" help $c
    cp out text
    run 0 "$HONE" $c --help
    ok "help $c is $c --help" cmp -s out text
    run 0 "$HONE" help $c --man
    text=$(<out)
    for o in ${takes[$c]}; do
        ok "$c's page has $o" matches "$text" $'\n'"\.B ${o//-/\\\\-}( |"$'\n|$)'
    done
    ok "$c's page is one by name" grep -q "^hone-$c " out
    command -v mandoc >/dev/null && ok "mandoc reads it" mandoc -T lint -W error out
done
refuse 2 "unknown command 'tuna'" "$HONE" help tuna
refuse 2 "needs a command" "$HONE" help --man

run 0 "$BUILD/hone-device" --help
sed -n 's/^  \(--[a-z]*\).*/\1/p' out | sort >has
sed -n 's/^\.It Fl -\([a-z]*\).*/--\1/p' "$SRC/docs/man/hone-device.1" | sort >wants
sed -n 's/^  --help, \(--version\)/\1/p' out >>has
sort -o has has
ok "hone-device: manual page and help agree" cmp -s has wants

# ---- examples in the help are commands that parse: only what is added is wrong
for c in "${!takes[@]}"; do
    run 0 "$HONE" $c --help
    while read -r command; do
        refuse 2 "unknown option '--wrong'" sh -c "'$HONE' ${command#hone } --wrong"
    done < <(sed -n 's/^  \(hone [a-z]* .*\)/\1/p' out | sed 's/ *#.*//')
done

all_done
