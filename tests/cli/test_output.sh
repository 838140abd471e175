#!/bin/bash
# Where `hone query -o` writes, what a library's files are called, and paths and names of any bytes.
# shellcheck disable=SC2094,SC2317
. "$2/tests/cli/lib.sh"

cat >k.hone <<'END'
kernel k(N) { input X: f32[N]; output Y: f32[N]; Y[i] = X[i] + 1 }
kernel kw(N) { input for: f32[N]; output Y: f32[N]; Y[i] = for[i] + 1 }
kernel printf(N) { input X: f32[N]; output Y: f32[N]; Y[i] = X[i] + 1 }
kernel `two words`(N) { input X: f32[N]; output Y: f32[N]; Y[i] = X[i] + 1 }
END
echo '[[],[]]' >id.trace
# query KERNEL OPTIONS...: of the program as written, which needs no log.
query() {
    "$HONE" query "$1" -D N=4 --trace id.trace "${@:2}"
}
query k.hone:k --emit program >program
ok "a program" grep -q "program k {" program

# ---- where -o leads
if [ "$(id -u)" != 0 ]; then
    null=/dev/null
elif mknod null c 1 3 2>err; then # root could replace the system's own
    null=null
fi
if [ -n "${null:-}" ]; then
    run 0 query k.hone:k --emit asm -o "$null"
    ok "a device stays one" [ -c "$null" ]
fi
mkfifo fifo
cat fifo >from_fifo &
run 0 query k.hone:k --emit program -o fifo
wait $!
ok "a FIFO is written to" cmp -s program from_fifo
ok "and stays one" [ -p fifo ]
mkdir far
ln -s far/new.txt link
run 0 query k.hone:k --emit program -o link
ok "a link stays" [ -L link ]
ok "and leads to the file" cmp -s program far/new.txt
chmod 640 far/new.txt
run 0 query k.hone:k --emit asm -o link
ok "the mode stays" [ "$(stat -c %a far/new.txt)" = 640 ]
ok "and the file is new" grep -q "k:" far/new.txt
run 0 query k.hone:k --emit program -o /dev/stdout
ok "/dev/stdout: the program and nothing else" cmp -s program out
{
    echo before
    query k.hone:k --emit program -o /dev/stdout
    echo after
} >all
ok "in the order written" [ "$(head -n 1 all) $(wc -l <all) $(tail -n 1 all)" = \
    "before $(($(wc -l <program) + 2)) after" ]
refuse 1 "it is a folder" query k.hone:k --emit program -o far
refuse 1 "cannot create" query k.hone:k --emit program -o none/k
ok "nothing else is there" [ "$(find . -name '.*' -type f | wc -l)" = 0 ]

# ---- a library is one set, whatever fails: at another size, so that each of its files is another
run 0 "$HONE" query k.hone:k -D N=8 --trace id.trace --emit library -o lib --name f
for f in f.o f.h f.json; do
    cp "lib/$f" "first.$f"
done
same() {
    cmp -s lib/f.o first.f.o && cmp -s lib/f.h first.f.h && cmp -s lib/f.json first.f.json &&
        [ "$(find lib -mindepth 1 | wc -l)" = 3 ]
}
for fault in file.create:{1..3} file.write:{1..3} file.sync:{1..3} file.close:{1..3} \
    file.rename:{1..6}; do
    refuse 1 "lib/f." env HONE_FAULT="$fault" "$HONE" query k.hone:kw -D N=4 --trace id.trace \
        --emit library -o lib --name f
    ok "$fault: the old set" same
    case $fault in file.rename:[456]) continue ;; esac # nothing to move away
    refuse 1 "none/f." env HONE_FAULT="$fault" "$HONE" query k.hone:kw -D N=4 --trace id.trace \
        --emit library -o none --name f
    ok "$fault: nothing" [ "$(find none -mindepth 1 | wc -l)" = 0 ]
done
rm lib/f.h
mkdir lib/f.h
refuse 1 "'lib/f.h': it is a folder" query k.hone:kw --emit library -o lib --name f
ok "the others stay" cmp -s lib/f.json first.f.json
ok "the others stay" cmp -s lib/f.o first.f.o
rmdir lib/f.h

# ---- names
run 0 query k.hone:kw --emit library -o lib
says "for_" lib/kw.h
refuse 2 "'printf' is a name of the C library: give another with --name" \
    query k.hone:printf --emit library -o lib
refuse 2 "'two words' is not a C identifier: give another with --name" \
    query 'k.hone:two words' --emit object
run 0 query k.hone:printf --emit library -o lib --name my_printf
run 0 query 'k.hone:two words' --emit asm --name f
run 0 query k.hone:printf --emit program
says "program printf {"
for name in class malloc errno main _f hone_rt_default sinf; do
    refuse 2 "give another" query k.hone:k --emit object --name $name
done

# ---- any bytes in a path
odd=$'k\xff\n\x1b[31m\xc2\x9b.hone'
shown='k\xff\x0a\x1b[31m\u009b.hone'
head -n 1 k.hone >"$odd"
run 0 "$HONE" show "$odd" -D N=4
run 0 query "$odd"
says "$shown N=4"
run 0 query "$odd" --json
says '"kernel":"k\\xff\\x0a\\x1b[31m\\u009b.hone N=4"'
run 0 query "$odd" --emit library -o lib --name odd
says 'k\\xff\\x0a' lib/odd.json
run 0 query "$odd" --emit program -o $'\xff\n'
ok "written to any path" cmp -s program $'\xff\n'
run 2 "$HONE" show "$odd" -D N=4 -D M=4
says "hone: $shown:1:8: error: " err
refuse 1 "cannot create" query k.hone:k --emit program -o $'none\xff/\x1b'
says 'none\xff/\x1b' err
refuse 3 "cannot open" "$HONE" show $'none\xff.hone'
refuse 2 'unknown option' "$HONE" show $'--\xff\n'
run 0 "$HONE" tune "$odd" -D N=4 --threads 1 --trials 1 --db odd.db --json
says '"summary":true'
run 0 "$HONE" query "$odd" -D N=4 --threads 1 --db odd.db --require exact --json
says '"rung":"exact"'

# ---- standard output that takes nothing: why, whoever finds out
for command in "query k.hone:k -D N=4 --trace id.trace --emit llvm" "targets --json" "tasks resnet50" \
    "help tune --man" "completion bash" "show k.hone:k -D N=4"; do
    # shellcheck disable=SC2086
    "$HONE" $command >/dev/full 2>err
    ok "$command fails" [ $? = 1 ]
    ok "$command says why" grep -qx "hone: cannot write to standard output: No space left on device" err
done

# ---- and in names
printf 'kernel `q"\\x0a*/`(`a"b`) {\n input `\xc3\xa9`: f32[`a"b`]; output Y: f32[`a"b`]\n' >q.hone
printf ' Y[i] = `\xc3\xa9`[i] }\n' >>q.hone
run 0 "$HONE" show q.hone -D 'a"b=4'
cp out q.program
run 0 "$HONE" tune q.hone -D 'a"b=4' --threads 1 --trials 1 --db q.db
run 0 "$HONE" query q.hone -D 'a"b=4' --threads 1 --db q.db --require exact --json
says '"sizes":{"a\"b":4}'
refuse 2 "give another with --name" "$HONE" query q.hone -D 'a"b=4' --trace id.trace --emit object
run 0 "$HONE" query q.hone -D 'a"b=4' --trace id.trace --emit library -o lib --name q
says "int q(const float *a__, float *Y);" lib/q.h
for bytes in '\xff' '\\xff' '\xc3' '\xed\xa0\x80'; do
    printf "kernel k(N) {\n input \`$bytes\`: f32[N]; output Y: f32[N]; Y[i] = \`$bytes\`[i] }\n" >r.hone
    run 2 "$HONE" show r.hone -D N=4
    says "r.hone:2:8: error: the text in quotes is not UTF-8" err
done

all_done
