#!/bin/bash
# Every kind of bad input gives one clear line and the right exit code.
# shellcheck disable=SC2086
. "$2/tests/cli/lib.sh"

# ---- no command, or a wrong one
run 2 "$HONE"
says "usage: hone COMMAND" "$T/err"
refuse 2 "unknown command 'tunes'" "$HONE" tunes

# ---- kernels
refuse 2 "no built-in kernel 'matmull'" "$HONE" tune matmull $small
refuse 2 "matmul, batch_matmul" "$HONE" show matmull
refuse 2 "which kernel?" "$HONE" tune
refuse 2 "unexpected argument 'more'" "$HONE" show matmul more
refuse 3 "cannot open 'none.hone'" "$HONE" show none.hone
mkdir folder.hone
refuse 2 "folder.hone" "$HONE" show folder.hone
touch empty.hone
run 2 "$HONE" show empty.hone
if [ "$(id -u)" != 0 ]; then # root may read everything
    touch secret.hone
    chmod 000 secret.hone
    refuse 2 "cannot open 'secret.hone'" "$HONE" show secret.hone
fi
truncate -s 3M large.hone
refuse 2 "large.hone" "$HONE" show large.hone
run 2 "$HONE" show matmul $small --trace empty.hone
says "hone: empty.hone: " err

# ---- sizes
refuse 2 "the size 'N' has no default" "$HONE" tune matmul -D M=64
refuse 2 "matmul: the size 'M' has no default" "$HONE" query matmul
refuse 2 "size 'M=-1' must not be negative" "$HONE" tune matmul -D M=-1 -D N=1 -D K=1
run 2 "$HONE" show conv2d_nhwc -D N=1 -D H=1 -D W=4 -D CI=2 -D CO=2 -D R=5 -D pad=0
says "dimension 2 of 'Y' is -3; it must be at least 0" err
run 0 "$HONE" show conv2d_nhwc -D N=1 -D H=4 -D W=4 -D CI=2 -D CO=2 -D pad=0
refuse 2 "takes NAME=INT, not 'M=6x'" "$HONE" show matmul -D M=6x
refuse 2 "takes NAME=INT, not 'M='" "$HONE" show matmul -D M=
refuse 2 "takes NAME=INT, not '=4'" "$HONE" show matmul -D =4
refuse 2 "takes NAME=INT, not 'M'" "$HONE" show matmul -DM
refuse 2 "takes NAME=INT, not 'M=1.5'" "$HONE" show matmul -D M=1.5
refuse 2 "size 'M' is given twice" "$HONE" show matmul -D M=2 -D M=3
refuse 2 "has no size 'Q'" "$HONE" show matmul $small -D Q=1
refuse 2 "outside of" "$HONE" show matmul -D M=99999999999 -D N=2 -D K=2
refuse 2 "takes NAME=INT" "$HONE" show matmul -D M=99999999999999999999 -D N=2 -D K=2
run 2 "$HONE" show matmul -D M=2000000000 -D N=2000000000 -D K=2
refuse 2 "at most 32 sizes" "$HONE" show matmul $(seq -f '-D s%g=1' 33)

# ---- a kernel file with an error: file, line, column, the line itself and a caret
cat >bad.hone <<'EOF'
kernel twice(M) {
  input A: f32[M]
  output B: f32[M]
  B[i] = A[i] + * 2
}
EOF
for command in show tune query; do
    run 2 "$HONE" $command bad.hone -D M=3
    ok "$command: three lines" [ "$(wc -l <"$T/err")" = 3 ]
    says "hone: bad.hone:4:17: error: " "$T/err"
    says "    B[i] = A[i] + * 2" "$T/err"
    says "                  ^" "$T/err"
done
sed 's/ \* 2/ 2/' bad.hone >good.hone
run 0 "$HONE" show good.hone -D M=3
run 0 "$HONE" show ./good.hone:twice -D M=3
refuse 2 "has no kernel 'thrice'" "$HONE" show good.hone:thrice -D M=3
printf 'kernel k(M) {\n  input A: f32[M]\n' >half.hone
run 2 "$HONE" show half.hone -D M=3
says "half.hone:" "$T/err"
head -c 4096 /dev/urandom >noise.hone
run 2 "$HONE" show noise.hone
sed 's/B\[i\] = A\[i\]/B[i] = A[i+1]/' good.hone >outside.hone
run 2 "$HONE" show outside.hone -D M=3
says "outside.hone:4:" "$T/err"

# ---- databases
mkdir folder
head -c 20000 /dev/urandom >noise.db
echo "hello" >text.db
cat >foreign.c <<'EOF'
#include <sqlite3.h>
int main(void)
{
    sqlite3 *db;
    return sqlite3_open("foreign.db", &db) ||
           sqlite3_exec(db, "CREATE TABLE a(b); INSERT INTO a VALUES(1)", 0, 0, 0) ||
           sqlite3_close(db);
}
EOF
ok "making a foreign database" cc -o foreign foreign.c -lsqlite3
ok "making a foreign database" ./foreign
sum=$(cat noise.db text.db foreign.db | cksum)
for command in "tune matmul $small --trials 1 --db" "query matmul $small --db" "db stats" \
    "db check"; do
    refuse 2 "is a folder, not a hone database" "$HONE" $command folder
    refuse 2 "is not a hone database" "$HONE" $command noise.db
    refuse 2 "is not a hone database" "$HONE" $command text.db
    refuse 2 "SQLite database of another program" "$HONE" $command foreign.db
done
ok "files of others stay as they are" [ "$(cat noise.db text.db foreign.db | cksum)" = "$sum" ]
refuse 3 "there is no database" "$HONE" query matmul $small --db none.db --require exact
refuse 3 "there is no database" "$HONE" db stats none.db
refuse 3 "there is no database" "$HONE" db check none.db
touch empty.db
refuse 3 "is empty" "$HONE" db stats empty.db
refuse 3 "none/here.db" "$HONE" tune matmul $small --trials 1 --db none/here.db
if [ "$(id -u)" != 0 ]; then
    cp noise.db locked.db
    chmod 000 locked.db
    refuse 1 "locked.db" "$HONE" query matmul $small --db locked.db
fi

# ---- targets
for command in "tune matmul $small --db t.db" "query matmul $small --db noise.db"; do
    refuse 2 "unknown target 'nowhere'" "$HONE" $command --target nowhere
    refuse 2 "names like it: znver4" "$HONE" $command --target znver44
    refuse 2 "JSON" "$HONE" $command --target '{"kind":'
    refuse 2 "missing" "$HONE" $command --target '{"kind":"llvm"}'
    echo '{"kind":"llvm",}' >target.json
    refuse 2 "target.json" "$HONE" $command --target target.json
done
ok "a refused command makes no database" [ ! -e t.db ]

# ---- options
refuse 2 "unknown option '--trails'" "$HONE" tune matmul $small --trails 3
refuse 2 "unknown option '-x'" "$HONE" query -x
refuse 2 "--trials needs a value" "$HONE" tune matmul $small --trials
for v in -3 x 3x 1e3 '' 99999999999999999999; do
    refuse 2 "--trials takes a whole number of at least 0, not '$v'" \
        "$HONE" tune matmul $small --trials "$v"
done
refuse 2 "--threads takes a whole number of at least 1" "$HONE" tune matmul $small --threads 0
refuse 2 "--threads at most 1024" "$HONE" tune matmul $small --threads 1025
refuse 2 "--threads at most 1024" "$HONE" query matmul $small --threads 100000
refuse 2 "--time takes a whole number" "$HONE" tune matmul $small --time 0
refuse 2 "--time at most" "$HONE" tune matmul $small --time 9223372036854775807
refuse 2 "no strategy 'evolutoin'; there are: evolution, random" "$HONE" tune matmul $small --strategy evolutoin
refuse 2 "no strategy ''" "$HONE" tune matmul $small --strategy=
refuse 2 "--seed takes a whole number of at least 0" "$HONE" tune matmul $small --seed -1
refuse 2 "--emit is library, object" "$HONE" query matmul $small --emit everything
refuse 2 "not a C identifier" "$HONE" query matmul $small --emit object --name 'a b'
refuse 2 "not a C identifier" "$HONE" query matmul $small --emit object --name 2f
refuse 2 "--require is exact, class, nearest, model or default, not 'best'" "$HONE" query matmul $small --require best
refuse 3 "cannot open 'none.json'" "$HONE" show matmul $small --trace none.json
echo '{}' >trace.json
run 2 "$HONE" show matmul $small --trace trace.json
ok "one line" [ "$(wc -l <"$T/err")" = 1 ]

# ---- workers and keys
refuse 2 "give either --connect or --listen" "$HONE" worker
refuse 2 "give either --connect or --listen" "$HONE" worker --connect ipc://a --listen ipc://b
refuse 2 "--role is build, run or both" "$HONE" worker --connect ipc://a --role all
refuse 2 "is not an endpoint" "$HONE" worker --connect nonsense
refuse 2 "is not an endpoint" "$HONE" tune matmul $small --db t.db --worker nonsense
refuse 2 "key" "$HONE" worker --connect tcp://192.0.2.1:5555
refuse 2 "key" "$HONE" tune matmul $small --db t.db --worker tcp://192.0.2.1:5555
refuse 2 "key" "$HONE" tune matmul $small --db t.db --worker 'tcp://*:5555'
refuse 3 "cannot open 'none'" "$HONE" worker --connect tcp://127.0.0.1:1 --key none \
    --allow none
refuse 2 "which file?" "$HONE" keygen
run 0 "$HONE" keygen k
refuse 2 "exists" "$HONE" keygen k
chmod 644 k
refuse 2 "can be read by others" "$HONE" worker --connect tcp://127.0.0.1:1 --key k --allow k.pub
run 1 "$HONE" keygen none/k
ok "one line" [ "$(wc -l <"$T/err")" = 1 ]

# ---- db
refuse 2 "give stats, check, forget, prune, salvage" "$HONE" db
refuse 2 "unknown question 'look'" "$HONE" db look t.db
refuse 2 "stats takes one file" "$HONE" db stats
refuse 2 "salvage takes" "$HONE" db salvage a
refuse 2 "--repair belongs to check" "$HONE" db stats t.db --repair
refuse 2 "--yes belongs to forget" "$HONE" db check t.db --yes
refuse 2 "--strict belongs to merge" "$HONE" db check t.db --strict
refuse 2 "--keep belongs to prune" "$HONE" db check t.db --keep 3
refuse 2 "--keep takes a whole number of at least 1" "$HONE" db prune t.db --keep 0
refuse 2 "--keep at most 4294967295" "$HONE" db prune t.db --keep 4294967296
refuse 2 "--keep at most 4294967295" "$HONE" db prune t.db --keep 4294967297
refuse 3 "there is no database" "$HONE" db prune none.db
refuse 2 "merge takes the log to merge into" "$HONE" db merge t.db
refuse 3 "there is no database '$T/none.db'" "$HONE" db merge t.db none.db
refuse 2 "forget what?" "$HONE" db forget t.db --yes
refuse 2 "give --dry-run" "$HONE" db forget t.db --workload matmul
refuse 2 "give --dry-run" "$HONE" db forget t.db --workload matmul --yes --dry-run
refuse 2 "16 hex digits" "$HONE" db forget t.db --trace 12 --yes
for s in E_PEER REJECT_ crash; do
    refuse 2 "--status is OK or a rejection" "$HONE" db forget t.db --status $s --yes
done
for d in 2026 2026-02-30 2026-13-01 yesterday 2026-05-31T 2026-05-31T12:30:00+01 1969-12-31; do
    refuse 2 "--before takes a date" "$HONE" db forget t.db --before $d --yes
done
refuse 3 "there is no database" "$HONE" db forget none.db --status OK --yes

# ---- output that cannot be written
run 1 sh -c "'$HONE' show matmul $small >/dev/full"
ok "one line" [ "$(wc -l <"$T/err")" = 1 ]
says "cannot write to standard output" "$T/err"

# ---- the device worker alone
refuse 2 "give either --connect or --listen" "$BUILD/hone-device"
run 2 "$BUILD/hone-device" --bogus
refuse 2 "--sandbox is on or off" "$BUILD/hone-device" --sandbox maybe --connect ipc://a

all_done
