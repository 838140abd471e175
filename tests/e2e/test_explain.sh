#!/bin/bash
# hone explain: what a log says about a kernel adds up.
# shellcheck disable=SC2086
. "$2/tests/cli/lib.sh"

run 0 "$HONE" tune matmul $small --threads 1 --trials 24 --db t.db --json
best=$(sed -n 's/.*"best_trace":"\([0-9a-f]*\)".*/\1/p' out)
run 0 "$HONE" explain matmul $small --threads 1 --db t.db --json
ok "24 records" [ "$(number records)" = 24 ]
ok "all right" [ "$(number ok)" = 24 ]
ok "ten of them" [ "$(grep -o '"trace_hash"' out | wc -l)" = 10 ]
ok "the winner among them" grep -q "$best" out
ok "trained" [ "$(number trained_on)" -ge 20 ]
ok "features have shares" [ "$(grep -o '"feature":' out | wc -l)" -ge 3 ]
run 0 "$HONE" explain matmul $small --threads 1 --db t.db
says "24 candidates on record, 24 right"
says "1.000   1.000   1.000"
says "held-out pairs"

# rejections, with a reason
cat >wrong.intrin <<'END'
intrin wrong.fma {
  desc { program fma {
    buffer A: f32[1] input
    buffer B: f32[8] input
    buffer C: f32[8] output
    for j in 8 { block C(vj: 8 = j) { C[vj] = C[vj] + A[0] * B[vj] } }
  } }
  impl { define void @f(ptr %A, ptr %B, ptr %C) { ret void } }
}
END
run 0 "$HONE" tune matmul $small --threads 1 --trials 24 --db w.db --intrin wrong.intrin
run 0 "$HONE" explain matmul $small --threads 1 --db w.db
says "REJECT_WRONG_RESULT, as: "

refuse 3 "has no result of matmul" "$HONE" explain matmul -D M=4 -D N=4 -D K=4 --threads 1 --db t.db
refuse 3 "for 3 threads" "$HONE" explain matmul $small --threads 3 --db t.db
refuse 2 "which kernel?" "$HONE" explain
all_done
