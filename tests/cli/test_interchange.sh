#!/bin/bash
# Logs merged, pruned, written for others and read again, as a person would; and what is refused.
# shellcheck disable=SC2086
. "$2/tests/cli/lib.sh"

# ---- two logs
run 0 "$HONE" tune layernorm -D M=16 -D N=32 --threads 1 --trials 6 --db a.db --seed 1
run 0 "$HONE" tune layernorm -D M=16 -D N=32 --threads 1 --trials 6 --db b.db --seed 2
run 0 "$HONE" db merge all.db a.db b.db --json
says '"file":"a.db"'
says '"left_out":{}'
run 0 "$HONE" db merge other.db b.db a.db
run 0 "$HONE" db export all.db --format csv -o all.csv
run 0 "$HONE" db export other.db --format csv -o other.csv
ok "the order does not count" cmp -s all.csv other.csv
run 0 "$HONE" db merge all.db a.db --json --strict
says '"added":0'
run 0 "$HONE" db check all.db
run 0 "$HONE" query layernorm -D M=16 -D N=32 --threads 1 --db all.db --json
says '"trace_hash"'
best=$(sed -n 's/.*"trace_hash":"\([0-9a-f]*\)".*/\1/p' out)
run 0 "$HONE" db prune all.db --keep 1 --json
run 0 "$HONE" query layernorm -D M=16 -D N=32 --threads 1 --db all.db --json
says "\"trace_hash\":\"$best\""

# ---- out and in
run 0 "$HONE" db export a.db --format csv -o /dev/stdout
says "workload,name,sizes"
run 0 "$HONE" db export a.db --format t4 -o a.json --json
says '"left_out":{}'
run 3 "$HONE" db import fresh.db --format t4 a.json
cp b.db fresh.db
run 0 "$HONE" db forget fresh.db --device '' --reason '*' --yes
run 0 "$HONE" db import fresh.db --format t4 a.json --json
for release in 0.16 0.20 0.25; do
    run 0 "$HONE" db export a.db --format tvm --tvm $release -o tvm --json
    says '"written":'
    run 0 "$HONE" db import b.db --format tvm tvm --json
    says '"left_out":{}'
done
# the next search tries what others measured
cp b.db suggested.db
run 0 "$HONE" db forget suggested.db --reason '*' --yes
run 0 "$HONE" db import suggested.db --format tvm tvm --json
run 0 "$HONE" tune layernorm -D M=16 -D N=32 --threads 1 --trials 4 --db suggested.db --json
says '"why":"imported"'

# ---- what is refused
mkdir folder locked
echo hello >text.json
cp a.db before.db
cat >old.json <<'EOT'
{"results": [{"configuration": {"x": 1}, "times": {"compilation": 1}, "invalidity": "correct",
 "correctness": 1}]}
EOT
refuse 2 "also the log that is written to" "$HONE" db merge a.db b.db a.db
refuse 3 "there is no database" "$HONE" db merge a.db none.db
refuse 2 "is a folder" "$HONE" db merge a.db folder
refuse 2 "is not a hone database" "$HONE" db merge a.db text.json
refuse 2 "is not a hone database" "$HONE" db merge text.json a.db
refuse 3 "none/out.db" "$HONE" db merge none/out.db a.db
refuse 2 "in which format? Give --format, one of csv, t4, tvm" "$HONE" db export a.db -o x
refuse 2 "unknown format 'onnx'" "$HONE" db export a.db --format onnx -o x
refuse 2 "where to? Give -o" "$HONE" db export a.db --format csv
refuse 2 "csv is written only" "$HONE" db import a.db --format csv x
refuse 2 "--tvm takes 0.16, 0.20 or 0.25" "$HONE" db export a.db --format tvm --tvm 0.9 -o x
refuse 2 "--tvm takes 0.16, 0.20 or 0.25" "$HONE" db export a.db --format csv --tvm 0.20 -o x
refuse 2 "--format belongs to export or import" "$HONE" db check a.db --format csv
refuse 2 "-D belongs to a kernel" "$HONE" db import a.db --format tvm tvm -D M=2
refuse 2 "no built-in kernel 'nothing'" "$HONE" db import a.db --format tvm tvm --workload nothing
refuse 2 "import takes the log and what is to be imported" "$HONE" db import a.db --format t4
refuse 2 "is the log itself" "$HONE" db export a.db --format csv -o a.db
refuse 1 "none/x.csv" "$HONE" db export a.db --format csv -o none/x.csv
refuse 3 "none.json" "$HONE" db import a.db --format t4 none.json
refuse 2 "is not a T4 file" "$HONE" db import a.db --format t4 text.json
refuse 2 "another tuner's kernel" "$HONE" db import a.db --format t4 old.json
refuse 3 "folder/database_workload.json" "$HONE" db import a.db --format tvm folder
ok "nothing was changed" cmp -s a.db before.db
ok "nothing was made" [ ! -e x ]
if [ "$(id -u)" != 0 ]; then # root may write everywhere
    chmod 555 locked
    refuse 1 "locked/out.db" "$HONE" db merge locked/out.db a.db
    refuse 1 "locked/x.csv" "$HONE" db export a.db --format csv -o locked/x.csv
    chmod 755 locked
fi
all_done
