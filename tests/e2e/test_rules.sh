#!/bin/bash
# Rules of one's own, as text and as a shared object: what they find is in the log and can be rebuilt
# without them.
# shellcheck disable=SC2086
. "$2/tests/cli/lib.sh"

# ---- text: with "only", every candidate but the default is the rule's
run 0 "$HONE" tune matmul $small --threads 1 --trials 10 --db t.db --rule "$SRC/examples/rules/whole_sum.json"
run 0 "$HONE" query matmul $small --threads 1 --db t.db --emit trace -o best
says "[16,32,64]" best
run 0 "$HONE" tune matmul $small --threads 1 --trials 10 --db u.db
run 0 "$HONE" query matmul $small --threads 1 --db u.db --emit trace -o best
ok "not without the rule" test "$(lines '\[16,32,64\]' best)" = 0
run 0 "$HONE" query matmul $small --threads 1 --db t.db --emit object -o k.o

# ---- in C: the default schedule and the rule's four widths are the whole space
cc=$(sed -n 's/^CMAKE_C_COMPILER:.*=//p' "$BUILD/CMakeCache.txt")
run 0 "$cc" -std=gnu17 -shared -fPIC -I "$SRC" -o strips.so "$SRC/examples/rules/column_strips.c"
run 0 "$HONE" tune add_mul_relu -D M=32 -D N=512 --threads 1 --trials 10 --db v.db --rule strips.so
says "5: 5 ok, 0 rejected"
says "every candidate of the space has been tried"

# ---- what cannot be read
echo '{"rule": "x"' >bad.json
refuse 2 "bad.json:" "$HONE" tune matmul $small --db w.db --rule bad.json
refuse 3 "nowhere.json" "$HONE" tune matmul $small --db w.db --rule nowhere.json
run 0 "$cc" -shared -fPIC -x c -o empty.so /dev/null
refuse 2 "hone_rule_plugins" "$HONE" tune matmul $small --db w.db --rule empty.so
# compiled for a hone whose structures are laid out in another way
sed 's/HONE_RULE_ABI/65537/' "$SRC/examples/rules/column_strips.c" >old.c
run 0 "$cc" -std=gnu17 -shared -fPIC -I "$SRC" -o old.so old.c
refuse 2 "compiled for rule interface 1.1" "$HONE" tune matmul $small --db w.db --rule old.so
ok "no log was made" test ! -e w.db
all_done
