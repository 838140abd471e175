#!/bin/bash
# hone model: learned from a log, shown, carried to another, and what is refused.
# shellcheck disable=SC2086
. "$2/tests/cli/lib.sh"

# ---- a log of two kernels, one of which has enough results to judge by
run 0 "$HONE" tune matmul $small --threads 1 --trials 34 --strategy random --db t.db
run 0 "$HONE" tune matmul -D M=48 -D N=64 -D K=80 --threads 1 --trials 8 --strategy random --db t.db
cp t.db plain.db
run 0 "$HONE" model show --db plain.db
says "no model yet"
says "at kernels held out"
ok "showing leaves the log alone" cmp -s plain.db t.db

# ---- train
run 0 "$HONE" model train --db t.db -o t.model
says "model 1: "
says ", any number of threads: 2 kernels, "
says "features "
ok "one line" [ "$(wc -l <out)" = 1 ]
ok "no progress where nobody looks" [ ! -s err ]
ok "a file" grep -q '^hone-prior 1 ' t.model
run 0 "$HONE" model train --db t.db --json
ok "the same log teaches the same" [ "$(number id)" = 1 ]
results=$(number results)
ok "from all results" [ "$results" -ge 35 ] # less the program as written, and what was asked twice
ok "of two kernels" [ "$(number kernels)" = 2 ]
run 0 "$HONE" db stats t.db --json
ok "one model" [ "$(number models)" = 1 ]
run 0 "$HONE" db check t.db
run 0 "$HONE" model train --db t.db --judge --json
ok "another one: it knows how good it is" [ "$(number id)" = 2 ]

# ---- show
run 0 "$HONE" model show --db t.db
says "model 2: "
says "model 1: "
ok "ten features, of the latest" [ "$(grep -c '^ *[0-9.]* %  [a-z]' out)" = 10 ]
says "pairs in order"
ok "at no measurement of its own" grep -qE '^ +0 +1 ' out
run 0 "$HONE" model show --db t.db --json
ok "one object" [ "$(wc -l <out)" = 1 ]
for word in '"models":\[' '"features":\[{"feature":"' '"quality":\[' '"mean":\[' '"cold":{' '"warm":{' \
    '"pair_accuracy":' '"top1":' '"top5":' '"peak32":' '"kernel":"matmul ' "\"results\":$results"; do
    ok "$word" grep -q -e "$word" out
done
cp out first
run 0 "$HONE" model show --db t.db --json
ok "the same again" cmp -s out first

# ---- export, import
run 0 "$HONE" model export --db t.db
mv out e.model
run 0 "$HONE" model export --db t.db -o f.model
says "exported: "
ok "the same file" cmp -s e.model f.model
ok "it says how good it is" grep -q '"quality":\[' f.model
run 0 "$HONE" model import f.model --db new.db
says "imported as model 1: "
says ": 2 kernels, $results results"
run 0 "$HONE" model show --db new.db
says "model 1: "
run 0 "$HONE" model export --db new.db -o g.model
ok "as it was" cmp -s f.model g.model
run 0 "$HONE" model import f.model --db new.db
says "imported as model 1: " # once is enough
run 0 "$HONE" model import t.model --db t.db --json
ok "the latest is the one put last" [ "$(number id)" = 3 ]
run 0 "$HONE" model export --db t.db -o f.model
ok "and the one in use" cmp -s f.model t.model
run 0 "$HONE" model export --db t.db -o /dev/stdout
ok "nothing beside the model" cmp -s out t.model

# ---- what is refused: one clear line, and no database of it
body=$(($(head -n 1 t.model | wc -c) + 1))
head -c 3000 t.model >cut.model
{
    head -c $body t.model
    printf x
    tail -c +$((body + 2)) t.model
} >changed.model
sed '1s/hone-prior 1/hone-prior 2/' t.model >form.model
echo '{"learner":{}}' >foreign.model
: >empty.model
mkdir folder.model
truncate -s 40M large.model
refuse 2 "'cut.model' is damaged" "$HONE" model import cut.model --db x.db
refuse 2 "'changed.model' is damaged" "$HONE" model import changed.model --db x.db
refuse 2 "is a model file of form 2" "$HONE" model import form.model --db x.db
refuse 2 "is not a model file" "$HONE" model import foreign.model --db x.db
refuse 2 "is not a model file" "$HONE" model import empty.model --db x.db
refuse 2 "is not a model file" "$HONE" model import t.db --db x.db
refuse 2 "folder.model" "$HONE" model import folder.model --db x.db
refuse 2 "large.model" "$HONE" model import large.model --db x.db
refuse 3 "none.model" "$HONE" model import none.model --db x.db
ok "a refused file makes no log" [ ! -e x.db ]
for verb in train show export; do
    refuse 3 "there is no database" "$HONE" model $verb --db none.db
done
refuse 2 "is not a hone database" "$HONE" model import t.model --db foreign.model
refuse 3 "has no model" "$HONE" model export --db plain.db
refuse 3 "has no good result" "$HONE" model train --db new.db
refuse 3 "no good result of class riscv/base" "$HONE" model train --db t.db --class riscv/base
refuse 3 "has no model of class riscv/base" "$HONE" model export --db t.db --class riscv/base
run 0 "$HONE" tune matmul $small --threads 1 --trials 2 --db few.db
refuse 3 "too few results" "$HONE" model train --db few.db
run 0 "$HONE" model show --db few.db
says "too few results to tell how good"
refuse 2 "give train, show, export or import" "$HONE" model
refuse 2 "unknown word 'teach'" "$HONE" model teach
refuse 2 "unexpected argument 'x.db': the log is --db FILE" "$HONE" model show x.db
refuse 2 "import takes one file" "$HONE" model import
refuse 2 "-o belongs to train and export" "$HONE" model show -o x
refuse 2 "--judge belongs to train" "$HONE" model show --judge
refuse 2 "--machines belongs to show" "$HONE" model train --machines
refuse 2 "--machines belongs to show" "$HONE" model show --machines --class c
refuse 2 "--class belongs to the others" "$HONE" model import t.model --class c
refuse 2 "--json of export needs -o" "$HONE" model export --db t.db --json
cp t.db before
refuse 2 "-o is the log itself" "$HONE" model train --db t.db -o t.db
refuse 2 "-o is the log itself" "$HONE" model export --db t.db -o ./t.db
ok "the log stays" cmp -s t.db before

# ---- two classes of targets: learned from together, or one alone; each machine judged by the other
relations=fill,beyond,level_time,pipes,tasks_each
if [ "$(uname -m)" = x86_64 ]; then
    "$BUILD/hone-device" --describe | sed 's/"mattr":"[^"]*"/"mattr":""/; s/"mcpu":"[^"]*"/"mcpu":"x86-64"/
        s/"vector-bytes":[0-9]*/"vector-bytes":16/; s/"vector-registers":[0-9]*/"vector-registers":16/' >plain.json
    run 0 "$HONE" tune matmul $small --threads 1 --trials 10 --strategy random --db plain.db --target plain.json
    run 0 "$HONE" model show --db plain.db --machines
    says "machines: at each of them held out"
    for teacher in "nobody: the draft" "the other machines" "this one's other kernels"; do
        ok "one machine has results enough: $teacher" grep -qE "^ +0 +1  $teacher +[01]\." out
    done
    cp out seeing
    run 0 "$HONE" model show --db plain.db --machines --blind $relations
    ok "the draft is the same without" [ "$(grep nobody out)" = "$(grep nobody seeing)" ]
    run 0 "$HONE" model show --db plain.db --machines --json
    says '} on '
    says '"class":"machines"'
    says '"machines":[{"class":"x86_64/'
    says '"own":{'
    run 0 "$HONE" model train --db plain.db -o two.model
    ok "a model of both" [ "$(lines '^learned in')" = 1 ]
    says "x86_64, any number of threads: 3 kernels, "
    ok "it says of which" grep -q '"classes":\["x86_64/[a-z0-9]*","x86_64/base"\]' two.model
    run 0 "$HONE" model train --db plain.db --class x86_64/base -o base.model
    says "x86_64/base, any number of threads: 1 kernel, "
    refuse 2 "say which one with --class" "$HONE" model export --db plain.db -o one.model
    ok "no file" [ ! -e one.model ]
    run 0 "$HONE" model export --db plain.db -o one.model --class x86_64
    ok "the one that is asked for" cmp -s one.model two.model
    run 0 "$HONE" model show --db plain.db --class x86_64/base
    ok "of one class" [ "$(lines '^model ')" = 1 ]
    says "x86_64/base: too few results to tell"
fi
refuse 2 "there is no feature 'size'" "$HONE" model show --db t.db --blind fill,size
refuse 2 "draft_memory is what models correct" "$HONE" model show --db t.db --blind draft_memory
refuse 2 "--blind belongs to show" "$HONE" model train --db t.db --blind fill

run 0 "$HONE" db check t.db
all_done
